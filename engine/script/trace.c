/* trace: where an error object came from. Error objects carry no place of their own (LUA_API, Errors), and their stack is gone once they are
 * caught: programs note it when one is raised, beside the object, and print it when nobody caught it. Libraries note nothing. */
#include "script/script_impl.h"
#include <stdlib.h>

static const char traces_key =
    0; /* error object -> "place\ntraceback", weak; absent: nothing is noted */

void script_traces_open(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traces_key);
}

bool script_traces(lua_State *L)
{
    bool noted = lua_rawgetp(L, LUA_REGISTRYINDEX, &traces_key) == LUA_TTABLE;
    lua_pop(L, 1);
    return noted;
}

/* Is this code the library's? Embedded modules are named as they are required, those of PROPHET_LUA_DIR by their file. */
static bool is_library(const char *source)
{
    const char *dir = getenv("PROPHET_LUA_DIR");
    if (strcmp(source, "=prophet") == 0 || strncmp(source, "=prophet.", 9) == 0)
        return true;
    return dir && dir[0] && source[0] == '@' && strncmp(source + 1, dir, strlen(dir)) == 0;
}

/* The level of the innermost function that is the script's; -1: there is none. */
static int script_level(lua_State *L, lua_Debug *ar)
{
    for (int level = 1; lua_getstack(L, level, ar); level++)
        if (lua_getinfo(L, "Sl", ar) && ar->currentline > 0 && !is_library(ar->source))
            return level;
    return -1;
}

/* Is it an object that nobody noted yet, and that is no interrupt? Those were asked for. */
static bool is_new(lua_State *L, int traces)
{
    if (lua_type(L, 1) != LUA_TTABLE)
        return false;
    lua_pushvalue(L, 1);
    bool known = lua_rawget(L, traces) != LUA_TNIL;
    lua_pushliteral(L, "code");
    bool quiet = lua_rawget(L, 1) == LUA_TSTRING &&
                 script_code_of(lua_tostring(L, -1)) == PROPHET_EINTERRUPTED;
    lua_pop(L, 2);
    return !known && !quiet;
}

int script_note_trace(lua_State *L)
{
    lua_Debug ar;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &traces_key) == LUA_TTABLE && is_new(L, 2)) {
        int level = script_level(L, &ar);
        if (level > 0) {
            const char *place = lua_pushfstring(L, "%s:%d: \n", ar.short_src, ar.currentline);
            lua_pushvalue(L, 1);
            luaL_traceback(L, L, place, level);
            lua_rawset(L, 2);
        }
    }
    lua_settop(L, 1);
    return 1;
}

const char *script_trace_push(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &traces_key) == LUA_TTABLE) {
        lua_pushvalue(L, idx);
        lua_rawget(L, -2);
        lua_remove(L, -2);
    }
    return lua_tostring(L, -1);
}
