/* sandbox_strings: `string` and `utf8` of a sealed state, also as methods of strings. Hooks do not run inside C functions, so what may take
 * long charges the budget first: the stock functions are wrapped, patterns have a matcher of their own (sandbox_pattern.c). */
#include "script/script_impl.h"

static size_t text_length(lua_State *L, int idx)
{
    size_t len = 0;
    (void)luaL_checklstring(L, idx, &len);
    return len;
}

/* byte, char, len, lower, upper, reverse, sub and those of utf8: linear in their text. */
static int l_linear(lua_State *L)
{
    size_t work = (size_t)lua_gettop(L);
    for (int i = 1; i <= lua_gettop(L); i++)
        if (lua_type(L, i) == LUA_TSTRING)
            work += lua_rawlen(L, i) / 16;
    return sandbox_stock(L, work);
}

/* byte and sub read what their range says. */
static int ranged(lua_State *L, lua_Integer i, lua_Integer j)
{
    lua_Integer len = (lua_Integer)text_length(L, 1);
    if (i < 0)
        i = len + i < 0 ? 0 : len + i;
    if (j < 0)
        j = len + j;
    if (j > len)
        j = len;
    return sandbox_stock(L, j > i ? (size_t)(j - i) / 16 : 0);
}

static int l_byte(lua_State *L)
{
    lua_Integer i = luaL_optinteger(L, 2, 1);
    return ranged(L, i, luaL_optinteger(L, 3, i));
}

static int l_sub(lua_State *L)
{
    return ranged(L, luaL_checkinteger(L, 2), luaL_optinteger(L, 3, -1));
}

static int l_rep(lua_State *L)
{
    size_t unit = text_length(L, 1);
    lua_Integer n = luaL_checkinteger(L, 2);
    if (!lua_isnoneornil(L, 3))
        unit += text_length(L, 3);
    if (n > 0) {
        sandbox *s = sandbox_of(L);
        luaL_argcheck(L,
                      !s || !s->limits.memory || (size_t)n <= s->limits.memory / (unit ? unit : 1),
                      2, "resulting string too large");
    }
    return sandbox_stock(L, n > 0 ? (size_t)n / 4 + (size_t)n * unit / 16 : 0);
}

/* Addresses must not show. */
static int l_format(lua_State *L)
{
    size_t len, work = 0;
    const char *fmt = luaL_checklstring(L, 1, &len), *end = fmt + len;
    int arg = 1;
    for (const char *p = fmt; p < end; p++) {
        if (*p != '%' || ++p >= end || *p == '%')
            continue;
        while (p < end && strchr("-+ #0.123456789", *p) && *p)
            p++;
        arg++;
        if (p < end && *p == 'p')
            return luaL_error(L, "invalid conversion '%%p' to 'format'");
        int type = lua_type(L, arg);
        if (type == LUA_TTABLE || type == LUA_TFUNCTION) {
            if (luaL_getmetafield(L, arg, "__tostring") == LUA_TNIL)
                return luaL_argerror(L, arg, "a text or number expected");
            lua_pop(L, 1);
        }
        if (type == LUA_TSTRING)
            work += lua_rawlen(L, arg) / 8;
    }
    return sandbox_stock(L, work + len / 8);
}

static void wrap(lua_State *L, const char *name, lua_CFunction f)
{
    lua_getfield(L, -2, name); /* the stock table lies below ours */
    lua_pushcclosure(L, f, 1);
    lua_setfield(L, -2, name);
}

void sandbox_strings(lua_State *L)
{
    static const char *const linear[] = { "char", "len", "lower", "upper", "reverse", NULL };
    static const char *const of_utf8[] = { "char", "codepoint", "len", "offset", "codes", NULL };

    luaL_requiref(L, "string", luaopen_string, 0);
    lua_createtable(L, 0, 16);
    for (int i = 0; linear[i]; i++)
        wrap(L, linear[i], l_linear);
    wrap(L, "byte", l_byte);
    wrap(L, "sub", l_sub);
    wrap(L, "rep", l_rep);
    wrap(L, "format", l_format);
    sandbox_patterns(L);

    lua_pushliteral(L,
                    ""); /* methods: the metatable of strings, remade without arithmetic on texts */
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_setglobal(L, "string");
    lua_pop(L, 1);

    luaL_requiref(L, "utf8", luaopen_utf8, 0);
    lua_createtable(L, 0, 8);
    for (int i = 0; of_utf8[i]; i++)
        wrap(L, of_utf8[i], l_linear);
    lua_getfield(L, -2, "charpattern");
    lua_setfield(L, -2, "charpattern");
    lua_setglobal(L, "utf8");
    lua_pop(L, 1);
}
