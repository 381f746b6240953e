/* sandbox_tables: `table`, `pairs` in sorted order, and a sort that is the same in every run. What takes long charges for it. */
#include "script/script_impl.h"

/* ---- merge sort over the Lua stack: stable, so ties do not depend on chance --------------------------- */

#define HAS_LESS(L) (!lua_isnil(L, 2))

/* Is the value at a less than the one at b? Stack 2: a function or nil. */
static bool less(lua_State *L, int a, int b)
{
    a = lua_absindex(L, a);
    b = lua_absindex(L, b);
    if (!HAS_LESS(L)) {
        if (lua_type(L, a) == LUA_TSTRING && lua_type(L, b) == LUA_TSTRING)
            sandbox_charge(L, (lua_rawlen(L, a) + lua_rawlen(L, b)) / 32);
        return lua_compare(L, a, b, LUA_OPLT);
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1); /* Lua called us, nothing is held */
    bool r = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return r;
}

/* Merges from[lo..mid) and from[mid..hi) into to[lo..hi); both are tables at stack positions. */
static void merge(lua_State *L, int from, int to, lua_Integer lo, lua_Integer mid, lua_Integer hi)
{
    lua_Integer i = lo, j = mid;
    for (lua_Integer k = lo; k < hi; k++) {
        lua_rawgeti(L, from, i);
        lua_rawgeti(L, from, j);
        bool right = i >= mid || (j < hi && less(L, -1, -2));
        lua_pop(L, right ? 0 : 1);
        lua_rawseti(L, to, k);
        lua_pop(L, right ? 1 : 0);
        right ? j++ : i++;
    }
    sandbox_charge(L, (size_t)(hi - lo) * 2);
}

/* Sorts the table at `list` (absolute), n entries; stack 2 is the comparison. */
static void sort(lua_State *L, int list, lua_Integer n)
{
    luaL_checkstack(L, 8, "sorting");
    lua_createtable(L, (int)n, 0);
    int from = list, to = lua_gettop(L);
    for (lua_Integer width = 1; width < n; width *= 2) {
        for (lua_Integer lo = 1; lo <= n; lo += 2 * width) {
            lua_Integer mid = lo + width < n + 1 ? lo + width : n + 1,
                        hi = mid + width < n + 1 ? mid + width : n + 1;
            merge(L, from, to, lo, mid, hi);
        }
        int t = from;
        from = to;
        to = t;
    }
    for (lua_Integer i = 1; from != list && i <= n; i++) {
        lua_rawgeti(L, from, i);
        lua_rawseti(L, list, i);
    }
    lua_settop(L, list > 2 ? list : 2);
}

static lua_Integer length(lua_State *L, int idx)
{
    luaL_checktype(L, idx, LUA_TTABLE);
    return (lua_Integer)lua_rawlen(L, idx);
}

static int l_sort(lua_State *L)
{
    lua_Integer n = length(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    luaL_argcheck(L, n < 1000000, 1, "too long to sort");
    sort(L, 1, n);
    return 0;
}

/* ---- pairs: numbers first, by value, then texts bytewise, then the rest as it comes (false, true) -------- */

static int rank(lua_State *L, int idx)
{
    switch (lua_type(L, idx)) {
    case LUA_TNUMBER: return 0;
    case LUA_TSTRING: return 1;
    case LUA_TBOOLEAN: return lua_toboolean(L, idx) ? 3 : 2;
    }
    return 4;
}

static int l_key_less(lua_State *L)
{
    int a = rank(L, 1), b = rank(L, 2);
    bool r = a != b ? a < b : a < 2 && lua_compare(L, 1, 2, LUA_OPLT);
    lua_pushboolean(L, r);
    return 1;
}

static int l_pairs_next(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, lua_upvalueindex(2));
    for (;;) {
        lua_settop(L, 0);
        if (lua_rawgeti(L, lua_upvalueindex(1), i + 1) == LUA_TNIL)
            return 1;
        i++;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNIL)
            break;
        /* it was removed since */
    }
    lua_pushinteger(L, i);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

static int l_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushcfunction(L, l_key_less);
    lua_newtable(L); /* 3: the keys */
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        if (rank(L, -2) == 4)
            luaL_error(L, "pairs: a key that is a %s has no place in the order",
                       luaL_typename(L, -2));
        lua_pushvalue(L, -2);
        lua_rawseti(L, 3, ++n);
        sandbox_charge(L, 4);
    }
    sort(L, 3, n);
    lua_pushinteger(L, 0);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, l_pairs_next, 3); /* keys, position, table */
    return 1;
}

static int l_ipairs_next(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 2) + 1;
    lua_pushinteger(L, i);
    return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int l_ipairs(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushcfunction(L, l_ipairs_next);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

/* ---- table: the stock functions, charged by what they move -------------------------------------------------- */

int sandbox_stock(lua_State *L, size_t work)
{
    sandbox_charge(L, work + 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET); /* Lua called us, nothing is held */
    return lua_gettop(L);
}

static size_t moved(lua_Integer n)
{
    return n > 0 ? (size_t)n : 0;
}

static int l_insert(lua_State *L)
{
    lua_Integer n = length(L, 1), at = lua_gettop(L) == 3 ? luaL_checkinteger(L, 2) : n + 1;
    return sandbox_stock(L, moved(n - at));
}

static int l_remove(lua_State *L)
{
    lua_Integer n = length(L, 1), at = luaL_optinteger(L, 2, n);
    return sandbox_stock(L, moved(n - at));
}

/* From i to j; a nonsense range is the stock function's to refuse, but not to walk. */
static lua_Integer range(lua_State *L, lua_Integer i, lua_Integer j)
{
    if (i > j)
        return 0;
    lua_Unsigned n = (lua_Unsigned)j - (lua_Unsigned)i;
    luaL_argcheck(L, n < 10000000, 1, "too many elements");
    return (lua_Integer)n + 1;
}

static int l_concat(lua_State *L)
{
    lua_Integer n = length(L, 1), i = luaL_optinteger(L, 3, 1), j = luaL_optinteger(L, 4, n);
    size_t separator = 0, bytes = 0;
    if (!lua_isnoneornil(L, 2))
        (void)luaL_checklstring(L, 2, &separator);
    lua_Integer count = range(L, i, j);
    sandbox_charge(L, (size_t)count);
    for (lua_Integer k = 0; k < count; k++) {
        if (lua_rawgeti(L, 1, i + k) == LUA_TSTRING)
            bytes += lua_rawlen(L, -1);
        lua_pop(L, 1);
        bytes += separator;
    }
    return sandbox_stock(L, bytes / 16);
}

static int l_unpack(lua_State *L)
{
    lua_Integer i = luaL_optinteger(L, 2, 1),
                j = lua_isnoneornil(L, 3) ? length(L, 1) : luaL_checkinteger(L, 3);
    return sandbox_stock(L, moved(range(L, i, j)));
}

static int l_move(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return sandbox_stock(L, moved(range(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3))));
}

static int l_pack(lua_State *L)
{
    return sandbox_stock(L, moved(lua_gettop(L)));
}

void sandbox_tables(lua_State *L)
{
    static const luaL_Reg wrapped[] = {
        { "insert", l_insert }, { "remove", l_remove }, { "concat", l_concat },
        { "unpack", l_unpack }, { "move", l_move },     { "pack", l_pack },
        { NULL, NULL },
    };
    luaL_requiref(L, "table", luaopen_table, 0);
    lua_createtable(L, 0, 8);
    for (const luaL_Reg *r = wrapped; r->name; r++) {
        lua_getfield(L, -2, r->name);
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, -2, r->name);
    }
    lua_pushcfunction(L, l_sort);
    lua_setfield(L, -2, "sort");
    lua_setglobal(L, "table");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_pairs);
    lua_setglobal(L, "pairs");
    lua_pushcfunction(L, l_ipairs);
    lua_setglobal(L, "ipairs");
}
