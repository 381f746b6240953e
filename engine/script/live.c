/* Live syncs: one that blocks, and one as a boxed object that scripts drive (lua/prophet/live.lua). Who is told is a function of that very call, so none is kept. */
#include "script/script_impl.h"

#define LIVE "prophet.core.live"

/* ---- telling ---------------------------------------------------------------------------------------------------- */

typedef struct teller {
    lua_State *L;
    int fn; /* where the function stands */
} teller;

/* In a protected call: (function, event) -> goes on? */
static int l_tell_event(lua_State *L)
{
    const prophet_doc *event = lua_touserdata(L, 2);
    lua_settop(L, 1);
    script_push_doc(L, event);
    lua_call(L, 1, 1); /* Lua called us, nothing is held */
    lua_pushboolean(L, !(lua_isboolean(L, -1) && !lua_toboolean(L, -1)));
    return 1;
}

static prophet_code told(void *ctx, const prophet_doc *event, prophet_error *err)
{
    const teller *t = ctx;
    lua_State *L = t->L;
    if (!lua_checkstack(L, 8))
        return ph_nomem(err);
    lua_pushcfunction(L, l_tell_event);
    lua_pushvalue(L, t->fn);
    lua_pushlightuserdata(L, (void *)(uintptr_t)event);
    prophet_code rc = script_call(L, 2, 1, false, err);
    if (rc < 0)
        return rc;
    bool goes_on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return goes_on ? PROPHET_OK : PROPHET_DONE;
}

/* (handle, other, options, function(event)): until the function gives false */
static int l_sync_live(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    teller t = { L, 4 };
    lua_settop(L, 4);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    l_handle *h = script_exchange_arguments(L, "sync", &o, &way);
    const char *other = lua_tostring(L, 2);
    script_lazy_settle_all(h);
    const char *around = script_hold(h, "a live sync");
    prophet_code rc = prophet_sync_live(h->db, other, &o, told, &t, &err);
    script_release(h, around);
    return rc < 0 ? script_raise(L, &err) : 0;
}

/* ---- one that is driven ---------------------------------------------------------------------------------------------- */

typedef struct l_live {
    prophet_live *live; /* NULL: closed */
} l_live;

static l_live *live_at(lua_State *L)
{
    l_live *l = luaL_checkudata(L, 1, LIVE);
    if (!l->live)
        script_fail(L, PROPHET_EUSAGE, NULL, "the live sync is closed");
    return l;
}

static int l_live_close(lua_State *L)
{
    l_live *l = luaL_checkudata(L, 1, LIVE);
    prophet_live_close(l->live);
    l->live = NULL;
    return 0;
}

static l_handle *handle_of(lua_State *L, const char *what)
{
    lua_getiuservalue(L, 1, 1);
    l_handle *h = script_handle(L, -1);
    script_no_change(L, h, what);
    if (h->views > 0)
        script_fail(L, PROPHET_EUSAGE, "do it before or after db:view", "%s inside a view", what);
    return h;
}

/* (live, function(event)) -> does it go on? */
static int l_live_step(lua_State *L)
{
    prophet_error err = { 0 };
    teller t = { L, 2 };
    lua_settop(L, 2);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    const l_live *l = live_at(L);
    l_handle *h = handle_of(L, "a live sync");
    script_lazy_settle_all(h);
    const char *around = script_hold(h, "a live sync");
    prophet_code rc = prophet_live_step(l->live, told, &t, &err);
    script_release(h, around);
    if (rc < 0)
        return script_raise(L, &err);
    lua_pushboolean(L, rc == PROPHET_OK);
    return 1;
}

/* (live, version, milliseconds) -> is there something to do? */
static int l_live_wait(lua_State *L)
{
    prophet_error err = { 0 };
    const l_live *l = live_at(L);
    uint64_t version = (uint64_t)luaL_checkinteger(L, 2);
    int ms = (int)luaL_checkinteger(L, 3);
    l_handle *h = handle_of(L, "waiting");
    const char *around = script_hold(h, "a live sync");
    prophet_code rc = prophet_live_wait(l->live, version, ms, &err);
    script_release(h, around);
    if (rc < 0)
        return script_raise(L, &err);
    lua_pushboolean(L, rc == PROPHET_OK);
    return 1;
}

/* A box that keeps the handle at 1 alive. */
static l_live *push_box(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "close", l_live_close }, { "step", l_live_step }, { "wait", l_live_wait }, { NULL, NULL }
    };
    l_live *l = lua_newuserdatauv(L, sizeof *l, 1);
    l->live = NULL;
    if (luaL_newmetatable(L, LIVE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_live_close);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, LIVE);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return l;
}

/* (handle, other, options) -> live */
static int l_live_open(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    lua_settop(L, 3);
    l_handle *h = script_exchange_arguments(L, "sync", &o, &way);
    const char *other = lua_tostring(L, 2);
    if (o.progress)
        script_fail(L, PROPHET_EUSAGE, "synced tells what came",
                    "a live sync in the background tells no progress");
    l_live *l = push_box(L);
    if (prophet_live_open(h->db, other, &o, &l->live, &err) < 0)
        return script_raise(L, &err);
    return 1;
}

const luaL_Reg script_handle_live[] = { { "sync_live", l_sync_live },
                                        { "live", l_live_open },
                                        { NULL, NULL } };
