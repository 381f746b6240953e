/* json_write: Lua values as JSON text, by the contract of docs/formats.md: keys sorted, floats with a point or an exponent, times, bytes
 * and references as {"$time": ..} and its like. An empty table is a list, unless json.object made it. A table or object whose metatable has
 * __tojson gives what is written in its place. */
#include "script/script_impl.h"
#include <math.h>
#include <stdlib.h>

#define DEPTH_MAX 100

typedef struct writer {
    lua_State *L;
    ph_buf *out;
    ph_arena *arena;
    int indent, depth;
} writer;

static void write_value(writer *w, int idx);

static void write_text(writer *w, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    if (!ph_utf8_valid(s, len))
        script_fail(w->L, PROPHET_EVALIDATION, "prophet.bytes(s) marks bytes",
                    "a text that is no UTF-8 has no JSON");
    ph_buf_byte(w->out, '"');
    for (size_t i = 0, from = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)s[i] : 0;
        if (i < len && c >= 0x20 && c != '"' && c != '\\')
            continue;
        ph_buf_put(w->out, s + from, i - from);
        from = i + 1;
        if (i == len)
            break;
        const char *at = strchr("\"\\\b\f\n\r\t", c);
        ph_buf_byte(w->out, '\\');
        if (c && at) {
            ph_buf_byte(w->out, (uint8_t) "\"\\bfnrt"[at - "\"\\\b\f\n\r\t"]);
        } else {
            ph_buf_str(w->out, "u00");
            ph_buf_byte(w->out, (uint8_t)hex[c >> 4]);
            ph_buf_byte(w->out, (uint8_t)hex[c & 15]);
        }
    }
    ph_buf_byte(w->out, '"');
}

static void write_number(writer *w, int idx)
{
    char text[40];
    if (lua_isinteger(w->L, idx)) {
        (void)snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(w->L, idx));
        ph_buf_str(w->out, text);
        return;
    }
    double d = lua_tonumber(w->L, idx);
    if (!isfinite(d))
        script_fail(w->L, PROPHET_EVALIDATION, NULL, "%s has no JSON",
                    isnan(d) ? "not a number" : "infinity");
    for (int precision = fabs(d) < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    ph_buf_str(w->out, text);
    if (!strpbrk(text, ".e"))
        ph_buf_str(w->out, ".0");
}

static void new_line(writer *w)
{
    if (w->indent == 0)
        return;
    ph_buf_byte(w->out, '\n');
    for (int i = 0; i < w->indent * w->depth; i++)
        ph_buf_byte(w->out, ' ');
}

static void write_list(writer *w, int idx, lua_Integer n)
{
    ph_buf_byte(w->out, '[');
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            ph_buf_byte(w->out, ',');
        new_line(w);
        lua_rawgeti(w->L, idx, i);
        write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    w->depth--;
    if (n > 0)
        new_line(w);
    w->depth++;
    ph_buf_byte(w->out, ']');
}

static int by_bytes(const void *a, const void *b)
{
    return ph_slice_cmp(*(const prophet_slice *)a, *(const prophet_slice *)b);
}

static void write_object(writer *w, int idx, size_t n)
{
    prophet_slice *keys = ph_arena_alloc(w->arena, (n + 1) * sizeof *keys);
    size_t i = 0;
    if (!keys)
        script_fail(w->L, PROPHET_EMEMORY, NULL, "out of memory");
    for (lua_pushnil(w->L); lua_next(w->L, idx); lua_pop(w->L, 1)) {
        if (lua_type(w->L, -2) != LUA_TSTRING)
            script_fail(w->L, PROPHET_EUSAGE, "either { a, b } or { x = a, y = b }",
                        "JSON has no table with a %s as key", luaL_typename(w->L, -2));
        keys[i].data = lua_tolstring(w->L, -2, &keys[i].len);
        i++;
    }
    qsort(keys, n, sizeof *keys, by_bytes);
    ph_buf_byte(w->out, '{');
    for (i = 0; i < n; i++) {
        if (i > 0)
            ph_buf_byte(w->out, ',');
        new_line(w);
        write_text(w, keys[i].data, keys[i].len);
        ph_buf_str(w->out, w->indent ? ": " : ":");
        lua_pushlstring(w->L, keys[i].data, keys[i].len);
        lua_rawget(w->L, idx);
        write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
    w->depth--;
    if (n > 0)
        new_line(w);
    w->depth++;
    ph_buf_byte(w->out, '}');
}

static bool is_object(lua_State *L, int idx)
{
    if (!lua_getmetatable(L, idx))
        return false;
    script_json_object_metatable(L);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

static void write_table(writer *w, int idx)
{
    size_t keys = 0, length = (size_t)lua_rawlen(w->L, idx);
    for (lua_pushnil(w->L); lua_next(w->L, idx); lua_pop(w->L, 1))
        keys++;
    if (length == keys && !(keys == 0 && is_object(w->L, idx)))
        write_list(w, idx, (lua_Integer)length);
    else
        write_object(w, idx, keys);
}

static void write_base64(writer *w, prophet_slice s)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = s.data;
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t v = (uint32_t)b[i] << 16 | (i + 1 < s.len ? (uint32_t)b[i + 1] << 8 : 0) |
                     (i + 2 < s.len ? b[i + 2] : 0);
        ph_buf_byte(w->out, (uint8_t)digit[v >> 18]);
        ph_buf_byte(w->out, (uint8_t)digit[v >> 12 & 63]);
        ph_buf_byte(w->out, i + 1 < s.len ? (uint8_t)digit[v >> 6 & 63] : '=');
        ph_buf_byte(w->out, i + 2 < s.len ? (uint8_t)digit[v & 63] : '=');
    }
}

static void write_userdata(writer *w, int idx)
{
    int64_t ms;
    char text[40];
    const prophet_uuid *ref = luaL_testudata(w->L, idx, SCRIPT_REF);
    if (script_is_time(w->L, idx, &ms)) {
        ph_time_format(ms, text);
        ph_buf_str(w->out, "{\"$time\":\"");
        ph_buf_str(w->out, text);
    } else if (ref) {
        prophet_uuid_format(ref, text);
        ph_buf_str(w->out, "{\"$ref\":\"");
        ph_buf_str(w->out, text);
    } else if (luaL_testudata(w->L, idx, SCRIPT_BYTES)) {
        ph_buf_str(w->out, "{\"$bytes\":\"");
        write_base64(w, script_bytes_at(w->L, idx));
    } else {
        script_fail(w->L, PROPHET_EUSAGE, NULL, "%s has no JSON", luaL_tolstring(w->L, idx, NULL));
    }
    ph_buf_str(w->out, "\"}");
}

static void write_plain(writer *w, int idx)
{
    size_t len;
    switch (lua_type(w->L, idx)) {
    case LUA_TNIL: ph_buf_str(w->out, "null"); return;
    case LUA_TBOOLEAN: ph_buf_str(w->out, lua_toboolean(w->L, idx) ? "true" : "false"); return;
    case LUA_TNUMBER: write_number(w, idx); return;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(w->L, idx, &len);
        write_text(w, s, len);
        return;
    }
    case LUA_TTABLE: write_table(w, idx); return;
    case LUA_TUSERDATA: write_userdata(w, idx); return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(w->L, idx)) {
            ph_buf_str(w->out, "null");
            return;
        }
    }
    script_fail(w->L, PROPHET_EUSAGE, NULL, "a %s has no JSON", luaL_typename(w->L, idx));
}

static void write_value(writer *w, int idx)
{
    luaL_checkstack(w->L, 12, "a value that is nested");
    if (++w->depth > DEPTH_MAX)
        script_fail(w->L, PROPHET_EUSAGE, "does a table hold itself?", "nested too deep for JSON");
    if (luaL_getmetafield(w->L, idx, "__tojson") != LUA_TNIL) {
        lua_pushvalue(w->L, idx);
        lua_call(w->L, 1, 1); /* Lua called us; what is held is boxed */
        write_plain(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    } else {
        write_plain(w, idx);
    }
    w->depth--;
    if (w->out->failed)
        script_fail(w->L, PROPHET_EMEMORY, NULL, "out of memory");
}

/* json.encode(value, {indent = 2}) */
static int l_encode(lua_State *L)
{
    static const char *const known[] = { "indent", NULL };
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    int indent = 0;
    if (!lua_isnil(L, 2)) {
        script_table(L, 2, "options of encode");
        script_known_options(L, 2, "encode", known);
        lua_getfield(L, 2, "indent");
        indent = (int)luaL_optinteger(L, -1, 0);
        luaL_argcheck(L, indent >= 0 && indent <= 16, 2, "indent is 0 to 16");
    }
    script_arena_box *memory = script_arena_box_push(L);
    ph_buf *out = script_buffer_push(L);
    writer w = { L, out, &memory->arena, indent, 0 };
    write_value(&w, 1);
    lua_pushlstring(L, (const char *)out->data, out->len);
    return 1;
}

static int l_decode(lua_State *L)
{
    prophet_error err = { 0 };
    size_t len;
    const char *source = script_text(L, 1, &len, "JSON");
    lua_settop(L, 1);
    if (!script_json_decode(L, source, len, &err))
        return script_raise(L, &err);
    return 1;
}

/* json.object{}: an empty table that is an object. */
static int l_object(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        lua_newtable(L);
    else
        luaL_checktype(L, 1, LUA_TTABLE);
    script_json_object_metatable(L);
    lua_setmetatable(L, -2);
    return 1;
}

int script_json_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "encode", l_encode }, { "decode", l_decode }, { "object", l_object }, { NULL, NULL }
    };
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
