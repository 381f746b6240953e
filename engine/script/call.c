/* call: the one place where C enters Lua. No jump crosses an engine frame: what the engine calls back goes through here. */
#include "script/script_impl.h"

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
    if (status == LUA_ERRMEM)
        return ph_nomem(err);
    return script_error_at(L, -1, err);
}

prophet_code script_call(lua_State *L, int nargs, int nresults, bool keep_error, prophet_error *err)
{
    int status = lua_pcall(L, nargs, nresults, 0);
    if (status == LUA_OK)
        return PROPHET_OK;
    prophet_code rc = stopped(L, status, err);
    if (!keep_error)
        lua_pop(L, 1);
    return rc;
}
