/* sandbox_base: the functions of a sealed state that are neither of strings nor of tables. What is not here is not there: no loading, no
 * metatables, no coroutines, no files, no clock, no randomness, nothing whose result differs between runs (addresses, the order of pairs). */
#include "script/script_impl.h"
#include <math.h>

/* ---- errors that cannot be swallowed -------------------------------------------------------------- */

/* After a protected call: a spent budget goes on up. */
static void go_on(lua_State *L, int status)
{
    sandbox *s = sandbox_of(L);
    if (!s)
        return;
    if (status == LUA_ERRMEM || (status != LUA_OK && s->refused && lua_type(L, -1) == LUA_TSTRING &&
                                 strcmp(lua_tostring(L, -1), "not enough memory") == 0))
        s->stop = SANDBOX_MEMORY;
    if (s->stop != SANDBOX_RUNS) {
        lua_pushliteral(L, "budget");
        lua_error(L);
    }
    s->refused = false;
}

static int l_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    go_on(L, status);
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* The handler is called after the stack was unwound: Lua itself calls it before, and when a hook raised, with hooks turned off. */
static int l_xpcall(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 1);
    lua_copy(L, 2, 1);
    lua_replace(L, 2); /* handler, f, args */
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    go_on(L, status);
    if (status != LUA_OK) {
        lua_pushvalue(L, 1);
        lua_insert(L, -2);
        lua_call(L, 1, LUA_MULTRET); /* Lua called us, nothing is held */
    }
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 1);
    return lua_gettop(L);
}

static int l_error(lua_State *L)
{
    int level = (int)luaL_optinteger(L, 2, 1);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
        luaL_where(L, level);
        lua_pushvalue(L, 1);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int l_assert(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_toboolean(L, 1))
        return lua_gettop(L);
    lua_remove(L, 1);
    lua_pushliteral(L, "assertion failed!");
    lua_settop(L, 1);
    return l_error(L);
}

/* ---- values -------------------------------------------------------------------------------------------- */

static int l_type(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushstring(L, luaL_typename(L, 1));
    return 1;
}

/* Without addresses: a table is "table". Objects of ours have a text. */
static int l_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    int type = lua_type(L, 1);
    if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TLIGHTUSERDATA ||
        type == LUA_TTHREAD) {
        if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
            lua_pushstring(L, luaL_typename(L, 1));
            return 1;
        }
        lua_pop(L, 1);
    }
    luaL_tolstring(L, 1, NULL);
    return 1;
}

static int l_tonumber(lua_State *L)
{
    if (lua_isnoneornil(L, 2)) {
        luaL_checkany(L, 1);
        if (lua_type(L, 1) == LUA_TNUMBER) {
            lua_settop(L, 1);
            return 1;
        }
        size_t len;
        const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
        if (!text || len > 200 || lua_stringtonumber(L, text) != len + 1)
            lua_pushnil(L);
        return 1;
    }
    lua_Integer base = luaL_checkinteger(L, 2), n = 0;
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, base >= 2 && base <= 36, 2, "base out of range");
    sandbox_charge(L, len / 8);
    size_t i = 0;
    bool negative = len > 0 && s[0] == '-';
    for (i = negative; i < len; i++) {
        int c = s[i] | 0x20;
        int digit = s[i] >= '0' && s[i] <= '9' ? s[i] - '0'
                    : c >= 'a' && c <= 'z'     ? c - 'a' + 10
                                               : 99;
        if (digit >= base)
            break;
        n = (lua_Integer)((lua_Unsigned)n * (lua_Unsigned)base + (lua_Unsigned)digit);
    }
    if (i == (size_t)negative || i < len)
        lua_pushnil(L);
    else
        lua_pushinteger(L, negative ? (lua_Integer)(0u - (lua_Unsigned)n) : n);
    return 1;
}

static int l_select(lua_State *L)
{
    int n = lua_gettop(L);
    if (lua_type(L, 1) == LUA_TSTRING && *lua_tostring(L, 1) == '#') {
        lua_pushinteger(L, n - 1);
        return 1;
    }
    lua_Integer i = luaL_checkinteger(L, 1);
    if (i < 0)
        i = n + i;
    else if (i > n)
        i = n;
    luaL_argcheck(L, i >= 1, 1, "index out of range");
    return n - (int)i;
}

static int l_rawequal(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_pushboolean(L, lua_rawequal(L, 1, 2));
    return 1;
}

static int l_rawlen(lua_State *L)
{
    luaL_argcheck(L, lua_type(L, 1) == LUA_TTABLE || lua_type(L, 1) == LUA_TSTRING, 1,
                  "table or string expected");
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
    return 1;
}

static const luaL_Reg base_functions[] = {
    { "pcall", l_pcall },       { "xpcall", l_xpcall }, { "error", l_error },
    { "assert", l_assert },     { "type", l_type },     { "tostring", l_tostring },
    { "tonumber", l_tonumber }, { "select", l_select }, { "rawequal", l_rawequal },
    { "rawlen", l_rawlen },     { NULL, NULL },
};

/* ---- math: what gives the same digits everywhere ------------------------------------------------------------ */

static const char *const math_names[] = {
    "abs",        "ceil", "floor", "fmod", "huge",      "max",  "maxinteger", "min",
    "mininteger", "modf", "pi",    "sqrt", "tointeger", "type", "ult",
};

static void seal_math(lua_State *L)
{
    luaL_requiref(L, "math", luaopen_math, 0);
    lua_createtable(L, 0, 16);
    for (size_t i = 0; i < sizeof math_names / sizeof *math_names; i++) {
        lua_getfield(L, -2, math_names[i]);
        lua_setfield(L, -2, math_names[i]);
    }
    lua_setglobal(L, "math");
    lua_pop(L, 1);
}

void sandbox_guard(lua_State *L)
{
    lua_pushcfunction(L, l_xpcall);
    lua_setglobal(L, "xpcall");
}

void sandbox_seal(lua_State *L)
{
    lua_pushglobaltable(L);
    luaL_setfuncs(L, base_functions, 0);
    lua_pushliteral(L, LUA_VERSION);
    lua_setfield(L, -2, "_VERSION");
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    lua_pop(L, 1);
    seal_math(L);
    sandbox_strings(L);
    sandbox_tables(L);
    /* What requiref left behind for `require`, which is not there. */
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}
