/* json_read: JSON text to Lua values: strict (RFC 8259), UTF-8 checked, duplicate keys refused, 64-bit integers kept. The objects of the
 * contract ({"$time": ..}, {"$bytes": ..}, {"$ref": ..}) become the values they stand for. null: in a list the value json.null, as a member
 * absent. Called by json.decode, by errors (value) and by import. */
#include "script/script_impl.h"
#include <stdlib.h>

#define DEPTH_MAX 100

typedef struct reader {
    lua_State *L;
    const char *text, *p, *end;
    const char *why; /* NULL: no fault yet */
    int depth;
} reader;

static bool value(reader *r);

static bool fault(reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static void skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool literal(reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return fault(r, "no such value");
    r->p += n;
    return true;
}

static bool digits(reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > start || fault(r, "a digit is missing");
}

static void push_number(reader *r, const char *start, bool is_integer)
{
    char copy[64];
    size_t n = (size_t)(r->p - start);
    if (n < sizeof copy) {
        memcpy(copy, start, n);
        copy[n] = '\0';
        if (is_integer && lua_stringtonumber(r->L, copy) == n + 1)
            return; /* what does not fit becomes a float there */
        lua_pushnumber(r->L, strtod(copy, NULL));
        return;
    }
    lua_pushlstring(r->L, start, n);
    double d = strtod(lua_tostring(r->L, -1), NULL);
    lua_pop(r->L, 1);
    lua_pushnumber(r->L, d);
}

static bool number(reader *r)
{
    const char *start = r->p;
    bool is_integer = true;
    if (*r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else if (!digits(r))
        return false;
    if (r->p < r->end && *r->p == '.') {
        is_integer = false;
        r->p++;
        if (!digits(r))
            return false;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        is_integer = false;
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!digits(r))
            return false;
    }
    push_number(r, start, is_integer);
    return true;
}

static bool hex4(reader *r, unsigned *out)
{
    uint8_t b[2];
    if (r->end - r->p < 4 || !ph_unhex(r->p, 4, b, 2))
        return fault(r, "\\u wants four hex digits");
    *out = (unsigned)b[0] << 8 | b[1];
    r->p += 4;
    return true;
}

static bool unicode_escape(reader *r, luaL_Buffer *b)
{
    unsigned c, low;
    if (!hex4(r, &c))
        return false;
    if (c >= 0xdc00 && c <= 0xdfff)
        return fault(r, "half a surrogate pair");
    if (c >= 0xd800 && c <= 0xdbff) {
        if (r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u')
            return fault(r, "half a surrogate pair");
        r->p += 2;
        if (!hex4(r, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return fault(r, "half a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    if (c < 0x80) {
        luaL_addchar(b, (char)c);
    } else if (c < 0x800) {
        luaL_addchar(b, (char)(0xc0 | c >> 6));
        luaL_addchar(b, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        luaL_addchar(b, (char)(0xe0 | c >> 12));
        luaL_addchar(b, (char)(0x80 | (c >> 6 & 0x3f)));
        luaL_addchar(b, (char)(0x80 | (c & 0x3f)));
    } else {
        luaL_addchar(b, (char)(0xf0 | c >> 18));
        luaL_addchar(b, (char)(0x80 | (c >> 12 & 0x3f)));
        luaL_addchar(b, (char)(0x80 | (c >> 6 & 0x3f)));
        luaL_addchar(b, (char)(0x80 | (c & 0x3f)));
    }
    return true;
}

static bool escape(reader *r, luaL_Buffer *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->p >= r->end)
        return fault(r, "a text without its end");
    char c = *r->p++;
    if (c == 'u')
        return unicode_escape(r, b);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return fault(r, "no such escape");
    luaL_addchar(b, to[at - from]);
    return true;
}

/* After the opening quote. */
static bool text(reader *r)
{
    const char *start = r->p;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= 0x20)
        r->p++;
    if (r->p < r->end && *r->p == '"') { /* the usual case: nothing to undo */
        if (!ph_utf8_valid(start, (size_t)(r->p - start)))
            return fault(r, "a text that is no UTF-8");
        lua_pushlstring(r->L, start, (size_t)(r->p++ - start));
        return true;
    }
    luaL_Buffer b;
    luaL_buffinit(r->L, &b);
    luaL_addlstring(&b, start, (size_t)(r->p - start));
    for (;;) {
        if (r->p >= r->end)
            return fault(r, "a text without its end");
        char c = *r->p++;
        if (c == '"')
            break;
        if ((unsigned char)c < 0x20)
            return fault(r, "a control character in a text");
        if (c != '\\')
            luaL_addchar(&b, c);
        else if (!escape(r, &b))
            return false;
    }
    luaL_pushresult(&b);
    size_t len;
    const char *s = lua_tolstring(r->L, -1, &len);
    return ph_utf8_valid(s, len) || fault(r, "a text that is no UTF-8");
}

static bool list(reader *r)
{
    lua_Integer n = 0;
    lua_newtable(r->L);
    skip_space(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
        return true;
    }
    for (;;) {
        if (!value(r))
            return false;
        if (lua_isnil(r->L, -1)) {
            lua_pop(r->L, 1);
            lua_pushlightuserdata(r->L, NULL); /* json.null */
        }
        lua_rawseti(r->L, -2, ++n);
        skip_space(r);
        if (r->p < r->end && *r->p == ',') {
            r->p++;
            continue;
        }
        if (r->p < r->end && *r->p == ']') {
            r->p++;
            return true;
        }
        return fault(r, "a list goes on with , or ends with ]");
    }
}

/* ---- {"$time": ..} and its like: one member, so the table at the top has one ------------------------------ */

static int decode64(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool push_base64(lua_State *L, const char *s, size_t len)
{
    luaL_Buffer b;
    uint32_t bits = 0;
    int have = 0;
    if (len % 4 != 0)
        return false;
    while (len > 0 && s[len - 1] == '=')
        len--;
    char *out = luaL_buffinitsize(L, &b, len + 4);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int d = decode64((unsigned char)s[i]);
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        if ((have += 6) >= 8)
            out[n++] = (char)(bits >> (have -= 8) & 0xff);
    }
    luaL_pushresultsize(&b, n);
    script_push_bytes(L, script_bytes_at(L, -1));
    return true;
}

static bool special(reader *r)
{
    lua_State *L = r->L;
    int object = lua_gettop(L);
    lua_pushnil(L);
    (void)lua_next(L, object);
    const char *key = lua_tostring(L, -2);
    size_t len;
    if (key[0] != '$' || lua_type(L, -1) != LUA_TSTRING) {
        lua_settop(L, object);
        return true;
    }
    const char *s = lua_tolstring(L, -1, &len);
    int64_t ms;
    prophet_uuid id;
    bool good = true;
    if (strcmp(key, "$time") == 0) {
        if ((good = ph_time_parse(s, len, &ms)))
            script_push_time(L, ms);
    } else if (strcmp(key, "$ref") == 0) {
        if ((good = prophet_uuid_parse(s, len, &id, NULL) >= 0))
            script_push_ref(L, &id);
    } else if (strcmp(key, "$bytes") == 0) {
        good = push_base64(L, s, len);
    } else {
        lua_settop(L, object);
        return true;
    }
    if (!good)
        return fault(r, "a value that is not what its $ says");
    lua_replace(L, object);
    lua_settop(L, object);
    return true;
}

static const char object_key = 0;

void script_json_object_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &object_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "prophet.json.object");
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &object_key);
}

static bool member(reader *r)
{
    skip_space(r);
    if (r->p >= r->end || *r->p != '"')
        return fault(r, "the name of a member is a text");
    r->p++;
    if (!text(r))
        return false;
    lua_pushvalue(r->L, -1);
    if (lua_rawget(r->L, -3) != LUA_TNIL)
        return fault(r, "a member that is there twice");
    lua_pop(r->L, 1);
    skip_space(r);
    if (r->p >= r->end || *r->p != ':')
        return fault(r, "a : is missing");
    r->p++;
    if (!value(r))
        return false;
    lua_rawset(r->L, -3);
    return true;
}

static bool object(reader *r)
{
    size_t n = 0;
    lua_newtable(r->L);
    skip_space(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
        script_json_object_metatable(r->L);
        lua_setmetatable(r->L, -2);
        return true;
    }
    for (;;) {
        if (!member(r))
            return false;
        n++;
        skip_space(r);
        if (r->p < r->end && *r->p == ',') {
            r->p++;
            continue;
        }
        if (r->p < r->end && *r->p == '}') {
            r->p++;
            lua_pushnil(r->L);
            bool one = n == 1 && lua_next(r->L, -2);
            lua_pop(r->L, one ? 2 : n == 1 ? 0 : 1);
            return one ? special(r) : true;
        }
        return fault(r, "an object goes on with , or ends with }");
    }
}

static bool value(reader *r)
{
    skip_space(r);
    if (r->p >= r->end)
        return fault(r, "a value is missing");
    if (!lua_checkstack(r->L, 10) || ++r->depth > DEPTH_MAX)
        return fault(r, "nested too deep");
    bool ok;
    switch (*r->p) {
    case '"':
        r->p++;
        ok = text(r);
        break;
    case '{':
        r->p++;
        ok = object(r);
        break;
    case '[':
        r->p++;
        ok = list(r);
        break;
    case 't':
        ok = literal(r, "true");
        lua_pushboolean(r->L, true);
        break;
    case 'f':
        ok = literal(r, "false");
        lua_pushboolean(r->L, false);
        break;
    case 'n':
        ok = literal(r, "null");
        lua_pushnil(r->L);
        break;
    default:
        ok = *r->p == '-' || (*r->p >= '0' && *r->p <= '9') ? number(r) : fault(r, "no such value");
        break;
    }
    r->depth--;
    return ok;
}

bool script_json_decode(lua_State *L, const char *source, size_t len, prophet_error *err)
{
    reader r = { L, source, source, source + len, NULL, 0 };
    int top = lua_gettop(L);
    if (value(&r)) {
        skip_space(&r);
        if (r.p == r.end)
            return true;
        (void)fault(&r, "something follows the value");
    }
    lua_settop(L, top);
    size_t line = 1, column = 1;
    for (const char *p = source; p < r.p; p++) {
        column++;
        if (*p == '\n') {
            line++;
            column = 1;
        }
    }
    (void)ph_fail(err, PROPHET_EUSAGE, "JSON: %s, at line %zu column %zu", r.why, line, column);
    return false;
}
