/* call: the one place where C enters Lua. No jump crosses an engine frame: what the engine calls back goes through here. */
#include "script/script_impl.h"

/* What was raised, read in a protected call of its own: even that may run out of memory. Stack: the value, the prophet_error. */
static int l_read_error(lua_State *L)
{
    (void)script_error_at(L, 1, lua_touserdata(L, 2));
    return 0;
}

static prophet_code read_raised(lua_State *L, prophet_error *err)
{
    prophet_error e = { 0 };
    if (!lua_checkstack(L, 4))
        return ph_nomem(err);
    lua_pushcfunction(L, l_read_error);
    lua_pushvalue(L, -2);
    lua_pushlightuserdata(L, &e);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        return ph_nomem(err);
    }
    if (err)
        *err = e;
    return e.code;
}

static prophet_code stopped(lua_State *L, int status, prophet_error *err)
{
    prophet_error e;

    if (sandbox_is(L)) {
        sandbox *s = sandbox_of(L);
        if (status == LUA_ERRMEM && s->stop == SANDBOX_RUNS)
            s->stop = SANDBOX_MEMORY;
        memset(&e, 0, sizeof e);
        if (sandbox_why(s, &e)) {
            if (err)
                *err = e;
            return e.code;
        }
    }
    return status == LUA_ERRMEM ? ph_nomem(err) : read_raised(L, err);
}

prophet_code script_call(lua_State *L, int nargs, int nresults, bool keep_error, prophet_error *err)
{
    int handler = 0;
    if (keep_error && script_traces(L)) { /* raised again above us, when the stack is gone */
        handler = lua_gettop(L) - nargs;
        lua_pushcfunction(L, script_note_trace);
        lua_insert(L, handler);
    }
    int status = lua_pcall(L, nargs, nresults, handler);
    if (handler)
        lua_remove(L, handler);
    if (status == LUA_OK)
        return PROPHET_OK;
    prophet_code rc = stopped(L, status, err);
    if (!keep_error)
        lua_pop(L, 1);
    return rc;
}
