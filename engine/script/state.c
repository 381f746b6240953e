/* state: what one Lua state keeps for us in its registry, and values kept for later. All files of script use it. */
#include "script/script_impl.h"
#include <stdlib.h>

static const char state_key = 0;

/* Made first, so collected last when the state is closed: by then nothing may be left. */
static int l_state_gc(lua_State *L)
{
    const script_state *s = lua_touserdata(L, 1);
    if (!s->stress || (s->handles | s->iterators | s->records | s->refs) == 0)
        return 0;
    (void)fprintf(stderr,
                  "prophet: left behind: %zu handles, %zu lists, %zu records, %zu references\n",
                  s->handles, s->iterators, s->records, s->refs);
    abort();
}

script_state *script_state_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &state_key);
    script_state *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (s)
        return s;

    s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &state_key);
    const char *stress = getenv("PROPHET_LUA_GCSTRESS");
    s->stress = stress && strcmp(stress, "1") == 0;
    return s;
}

#define STRESS_EVERY 3

void script_stress(lua_State *L)
{
    script_state *s = script_state_of(L);
    if (s->stress && ++s->calls % STRESS_EVERY == 0)
        (void)lua_gc(L, LUA_GCCOLLECT);
}

void script_require_unsealed(lua_State *L, const char *what)
{
    if (script_state_of(L)->sealed)
        script_fail(L, PROPHET_EUNTRUSTED, NULL, "%s is out of reach of a sealed script", what);
}

int script_ref(lua_State *L)
{
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    script_state_of(L)->refs++;
    return ref;
}

void script_unref(lua_State *L, int ref)
{
    if (ref == LUA_NOREF || ref == LUA_REFNIL)
        return;
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
    script_state_of(L)->refs--;
}
