/* args: checks of what Lua hands to C. A mistake raises `usage`, names the argument and says what was given. */
#include "script/script_impl.h"

/* A text without a length ends at its first zero byte: what is behind would be lost. */
static const char *whole_text(lua_State *L, int idx, const char *what)
{
    size_t len;
    const char *text = lua_tolstring(L, idx, &len);
    if (strlen(text) != len)
        script_fail(L, PROPHET_EUSAGE, NULL, "%s holds a zero byte", what);
    return text;
}

const char *script_text(lua_State *L, int idx, size_t *len, const char *what)
{
    if (lua_type(L, idx) != LUA_TSTRING)
        script_fail(L, PROPHET_EUSAGE, NULL, "%s is a %s, not a text", what, luaL_typename(L, idx));
    return len ? lua_tolstring(L, idx, len) : whole_text(L, idx, what);
}

const char *script_opt_text(lua_State *L, int idx, const char *what)
{
    return lua_isnoneornil(L, idx) ? NULL : script_text(L, idx, NULL, what);
}

void script_table(lua_State *L, int idx, const char *what)
{
    if (lua_type(L, idx) != LUA_TTABLE)
        script_fail(L, PROPHET_EUSAGE, NULL, "%s is a %s, not a table", what,
                    luaL_typename(L, idx));
}

static bool is_known(const char *name, const char *const *names, size_t *count)
{
    bool found = false;
    for (*count = 0; names[*count]; ++*count)
        found = found || strcmp(names[*count], name) == 0;
    return found;
}

void script_known_options(lua_State *L, int idx, const char *what, const char *const *names)
{
    char hint[96] = "";
    size_t count;

    idx = lua_absindex(L, idx);
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            script_fail(L, PROPHET_EUSAGE, NULL, "%s: an option without a name", what);
        const char *name = lua_tostring(L, -2);
        if (is_known(name, names, &count))
            continue;
        const char *near = ph_closest(name, names, count);
        if (near)
            (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
        script_fail(L, PROPHET_EUSAGE, hint, "%s has no option \"%s\"", what, name);
    }
}

bool script_flag(lua_State *L, int idx, const char *name)
{
    int type = lua_getfield(L, idx, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        script_fail(L, PROPHET_EUSAGE, NULL, "option %s is a %s, not true or false", name,
                    lua_typename(L, type));
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

const char *script_text_option(lua_State *L, int idx, const char *name)
{
    int type = lua_getfield(L, idx, name);
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TSTRING)
        script_fail(L, PROPHET_EUSAGE, NULL, "option %s is a %s, not a text", name,
                    lua_typename(L, type));
    return whole_text(L, -1, name);
}
