/* value_types: times, bytes, references and `unset` as Lua objects. They compare, print and join as one expects; nothing here knows a
 * database, so that sealed states have them as well. */
#include "script/script_impl.h"

static const char unset_key = 0;

/* ---- time ------------------------------------------------------------------------------------------ */

void script_push_time(lua_State *L, int64_t ms)
{
    int64_t *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = ms;
    luaL_setmetatable(L, SCRIPT_TIME);
}

bool script_is_time(lua_State *L, int idx, int64_t *ms)
{
    const int64_t *box = luaL_testudata(L, idx, SCRIPT_TIME);
    if (box && ms)
        *ms = *box;
    return box != NULL;
}

int64_t script_check_time(lua_State *L, int idx, const char *what)
{
    int64_t ms = 0;
    if (script_is_time(L, idx, &ms))
        return ms;
    if (lua_type(L, idx) != LUA_TSTRING)
        script_fail(L, PROPHET_EVALIDATION, "write \"2026-01-31T10:00:00Z\"",
                    "%s is a %s, not a time", what, luaL_typename(L, idx));
    size_t len;
    const char *text = lua_tolstring(L, idx, &len);
    if (!ph_time_parse(text, len, &ms))
        script_fail(L, PROPHET_EVALIDATION, "write \"2026-01-31T10:00:00Z\"",
                    "%s is no time: \"%.40s\"", what, text);
    return ms;
}

static int64_t self_time(lua_State *L)
{
    return *(const int64_t *)luaL_checkudata(L, 1, SCRIPT_TIME);
}

static int l_time_tostring(lua_State *L)
{
    char text[40];
    ph_time_format(self_time(L), text);
    lua_pushstring(L, text);
    return 1;
}

static int l_time_index(lua_State *L)
{
    int64_t ms = self_time(L);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "ms") == 0) {
        lua_pushinteger(L, ms);
        return 1;
    }
    return script_fail(L, PROPHET_EUSAGE, "a time has ms; tostring gives RFC 3339",
                       "a time has no member \"%s\"", name);
}

static int l_time_eq(lua_State *L)
{
    int64_t a, b;
    lua_pushboolean(L, script_is_time(L, 1, &a) && script_is_time(L, 2, &b) && a == b);
    return 1;
}

static int l_time_lt(lua_State *L)
{
    lua_pushboolean(L, script_check_time(L, 1, "what is compared") <
                           script_check_time(L, 2, "what is compared"));
    return 1;
}

static int l_time_le(lua_State *L)
{
    lua_pushboolean(L, script_check_time(L, 1, "what is compared") <=
                           script_check_time(L, 2, "what is compared"));
    return 1;
}

/* Milliseconds that are added or taken away: numbers with a fraction are rounded down. */
static int64_t span(lua_State *L, int idx)
{
    if (lua_type(L, idx) != LUA_TNUMBER)
        script_fail(L, PROPHET_EUSAGE, NULL,
                    "a time is moved by a number of milliseconds, not by a %s",
                    luaL_typename(L, idx));
    lua_Number n = lua_tonumber(L, idx);
    if (!(n > -9e18 && n < 9e18))
        script_fail(L, PROPHET_EUSAGE, NULL, "that is no number of milliseconds");
    return lua_isinteger(L, idx) ? lua_tointeger(L, idx) : (int64_t)n;
}

static int l_time_sub(lua_State *L)
{
    int64_t a = script_check_time(L, 1, "the left side of -"), b;
    if (script_is_time(L, 2, &b) || lua_type(L, 2) == LUA_TSTRING) {
        b = script_check_time(L, 2, "the right side of -");
        lua_pushinteger(L, (int64_t)((uint64_t)a - (uint64_t)b));
    } else {
        script_push_time(L, (int64_t)((uint64_t)a - (uint64_t)span(L, 2)));
    }
    return 1;
}

static int l_time_add(lua_State *L)
{
    int64_t ms;
    if (!script_is_time(L, 1, &ms)) {
        ms = script_check_time(L, 2, "the right side of +");
        lua_settop(L, 1);
    } else {
        lua_remove(L, 1);
    }
    script_push_time(L, (int64_t)((uint64_t)ms + (uint64_t)span(L, 1)));
    return 1;
}

/* For all of them: "x" .. value. */
static int l_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

/* ---- bytes -------------------------------------------------------------------------------------------- */

typedef struct bytes_box {
    size_t len;
    char data[];
} bytes_box;

void script_push_bytes(lua_State *L, prophet_slice bytes)
{
    bytes_box *box = lua_newuserdatauv(L, sizeof *box + bytes.len, 0);
    box->len = bytes.len;
    if (bytes.len)
        memcpy(box->data, bytes.data, bytes.len);
    luaL_setmetatable(L, SCRIPT_BYTES);
}

prophet_slice script_bytes_at(lua_State *L, int idx)
{
    const bytes_box *box = luaL_testudata(L, idx, SCRIPT_BYTES);
    if (box)
        return ph_slice(box->data, box->len);
    size_t len;
    const char *text = script_text(L, idx, &len, "what is compared with bytes");
    return ph_slice(text, len);
}

static int l_bytes_tostring(lua_State *L)
{
    prophet_slice s = script_bytes_at(L, 1);
    lua_pushlstring(L, s.data, s.len);
    return 1;
}

static int l_bytes_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)script_bytes_at(L, 1).len);
    return 1;
}

static int l_bytes_eq(lua_State *L)
{
    const bytes_box *a = luaL_testudata(L, 1, SCRIPT_BYTES),
                    *b = luaL_testudata(L, 2, SCRIPT_BYTES);
    lua_pushboolean(L, a && b && ph_slice_eq(ph_slice(a->data, a->len), ph_slice(b->data, b->len)));
    return 1;
}

static int l_bytes_lt(lua_State *L)
{
    lua_pushboolean(L, ph_slice_cmp(script_bytes_at(L, 1), script_bytes_at(L, 2)) < 0);
    return 1;
}

static int l_bytes_le(lua_State *L)
{
    lua_pushboolean(L, ph_slice_cmp(script_bytes_at(L, 1), script_bytes_at(L, 2)) <= 0);
    return 1;
}

static int l_bytes_hex(lua_State *L)
{
    const bytes_box *box = luaL_checkudata(L, 1, SCRIPT_BYTES);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, 2 * box->len + 1);
    ph_hex(box->data, box->len, out);
    luaL_pushresultsize(&b, 2 * box->len);
    return 1;
}

/* ---- references --------------------------------------------------------------------------------------- */

void script_push_ref(lua_State *L, const prophet_uuid *id)
{
    prophet_uuid *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = *id;
    luaL_setmetatable(L, SCRIPT_REF);
}

void script_push_id(lua_State *L, const prophet_uuid *id)
{
    char text[37];
    prophet_uuid_format(id, text);
    lua_pushlstring(L, text, 36);
}

static int l_ref_tostring(lua_State *L)
{
    script_push_id(L, luaL_checkudata(L, 1, SCRIPT_REF));
    return 1;
}

static int l_ref_eq(lua_State *L)
{
    const prophet_uuid *a = luaL_testudata(L, 1, SCRIPT_REF), *b = luaL_testudata(L, 2, SCRIPT_REF);
    lua_pushboolean(L, a && b && memcmp(a, b, sizeof *a) == 0);
    return 1;
}

static int l_ref_index(lua_State *L)
{
    const prophet_uuid *id = luaL_checkudata(L, 1, SCRIPT_REF);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "id") == 0)
        script_push_id(L, id);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- unset ------------------------------------------------------------------------------------------------ */

static int l_unset_tostring(lua_State *L)
{
    lua_pushliteral(L, "prophet.unset");
    return 1;
}

void script_push_unset(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &unset_key);
}

bool script_is_unset(lua_State *L, int idx)
{
    const void *p = lua_touserdata(L, idx);
    if (!p)
        return false;
    script_push_unset(L);
    bool is = p == lua_touserdata(L, -1);
    lua_pop(L, 1);
    return is;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static const luaL_Reg time_methods[] = {
    { "__tostring", l_time_tostring },
    { "__index", l_time_index },
    { "__eq", l_time_eq },
    { "__lt", l_time_lt },
    { "__le", l_time_le },
    { "__sub", l_time_sub },
    { "__add", l_time_add },
    { "__concat", l_concat },
    { NULL, NULL },
};
static const luaL_Reg bytes_methods[] = {
    { "__tostring", l_bytes_tostring },
    { "__len", l_bytes_len },
    { "__eq", l_bytes_eq },
    { "__lt", l_bytes_lt },
    { "__le", l_bytes_le },
    { "__concat", l_concat },
    { "hex", l_bytes_hex },
    { NULL, NULL },
};
static const luaL_Reg ref_methods[] = {
    { "__tostring", l_ref_tostring }, { "__eq", l_ref_eq }, { "__index", l_ref_index },
    { "__concat", l_concat },         { NULL, NULL },
};

static void register_type(lua_State *L, const char *name, const luaL_Reg *methods, bool index_self)
{
    if (luaL_newmetatable(L, name)) {
        luaL_setfuncs(L, methods, 0);
        if (index_self) {
            lua_pushvalue(L, -1);
            lua_setfield(L, -2, "__index");
        }
        lua_pushstring(L, name);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

void script_values_open(lua_State *L)
{
    register_type(L, SCRIPT_TIME, time_methods, false);
    register_type(L, SCRIPT_BYTES, bytes_methods, true);
    register_type(L, SCRIPT_REF, ref_methods, false);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &unset_key) == LUA_TNIL) {
        (void)lua_newuserdatauv(L, 1, 0);
        lua_createtable(L, 0, 2);
        lua_pushcfunction(L, l_unset_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushliteral(L, "prophet.unset");
        lua_setfield(L, -2, "__name");
        lua_setmetatable(L, -2);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &unset_key);
    }
    lua_pop(L, 1);
}
