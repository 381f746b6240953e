/* transport: transports that a script brings (lua/prophet/transport.lua makes what a script writes into what is called here). The engine calls them like any other: each
 * call enters Lua through script_call in a thread of the state that is the transport's own, so it does not matter which coroutine asked. A Lua state belongs to one
 * thread of the process; calls from others are refused. When the state ends the transport is taken away. */
#include "script/transport_impl.h"

typedef struct job { /* one call of the engine */
    l_transport *t;
    l_place *p;
    const char *what, *name;
    const prophet_net_options *options;
    prophet_net_get *g;
    prophet_net_put *put;
    prophet_net_name_fn each;
    void *ctx;
    prophet_code rc; /* what the engine's own functions gave, or the answer */
    prophet_error err;
} job;

/* ---- into Lua ------------------------------------------------------------------------------------------------------------ */

/* Pushes the function of that name, of the table of functions. */
static void push_function(lua_State *L, const job *j)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->t->ref);
    lua_getfield(L, -1, j->what);
    lua_remove(L, -2);
}

static void push_place(lua_State *L, const job *j)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->p->ref);
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
}

static void push_text(lua_State *L, const char *s)
{
    if (s)
        lua_pushstring(L, s);
    else
        lua_pushnil(L);
}

/* Runs fn with the job in Lua, and gives what the engine's own functions gave before what the script made of it. */
static prophet_code run(job *j, lua_CFunction fn, prophet_error *err)
{
    lua_State *L = j->t->L;
    if (!L)
        return ph_fail(err, PROPHET_EUSAGE, "the script of this transport has ended");
    if (!pthread_equal(j->t->thread, pthread_self()))
        return ph_fail(err, PROPHET_EUSAGE, "the script of this transport runs in another thread");
    if (!lua_checkstack(L, 20))
        return ph_nomem(err);
    prophet_error raised = { 0 };
    job *before = j->p ? j->p->job : NULL;
    if (j->p)
        j->p->job = j;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, j);
    j->t->running++; /* so nobody takes it away meanwhile */
    prophet_code rc = script_call(L, 1, 0, false, &raised);
    j->t->running--;
    if (j->p)
        j->p->job = before;
    if (j->rc < 0) {
        raised = j->err;
        rc = j->rc;
    }
    if (err && rc < 0)
        *err = raised;
    return rc < 0 ? rc : j->rc;
}

/* The job of the place that a function of ours belongs to. */
static job *current(lua_State *L)
{
    const l_place *p = lua_touserdata(L, lua_upvalueindex(1));
    if (!p->job)
        script_fail(L, PROPHET_EUSAGE, NULL, "that was of a call which has ended");
    return p->job;
}

/* An error of the engine's own: kept, whatever the script does about it. */
static int kept(lua_State *L, job *j, prophet_code rc, const prophet_error *err)
{
    if (j->rc >= 0) {
        j->rc = rc;
        j->err = *err;
    }
    return script_raise(L, err);
}

static prophet_code tick(const job *j, const char *stage, uint64_t done, prophet_error *err)
{
    const prophet_net_options *o = j->options;
    return o->progress ? o->progress(o->ctx, stage, done, PROPHET_WHOLE, err) : PROPHET_OK;
}

/* An integer that is no size is the script's mistake. */
static uint64_t size_at(lua_State *L, int idx, const char *what)
{
    if (lua_isnil(L, idx))
        return PROPHET_WHOLE;
    if (!lua_isinteger(L, idx) || lua_tointeger(L, idx) < 0)
        script_fail(L, PROPHET_EREMOTE, NULL, "%s is no size", what);
    return (uint64_t)lua_tointeger(L, idx);
}

static void etag_at(lua_State *L, int idx, char out[PROPHET_ETAG_MAX])
{
    size_t len = 0;
    if (lua_isnil(L, idx))
        return;
    const char *etag = script_text(L, idx, &len, "an etag");
    if (len >= PROPHET_ETAG_MAX || strlen(etag) != len)
        script_fail(L, PROPHET_EREMOTE, NULL, "an etag of more than %d bytes",
                    PROPHET_ETAG_MAX - 1);
    memcpy(out, etag, len + 1);
}

/* ---- open and close ------------------------------------------------------------------------------------------------------- */

/* name: the URL. open(url, options) -> what the place is */
static int l_do_open(lua_State *L)
{
    job *j = lua_touserdata(L, 1);
    const prophet_net_options *o = j->options;
    l_place *p = lua_newuserdatauv(L, sizeof *p, 1);
    *p = (l_place){ .t = j->t, .options = o };
    push_function(L, j);
    lua_pushstring(L, j->name);
    lua_createtable(L, 0, 6);
    push_text(L, o->token);
    lua_setfield(L, -2, "token");
    push_text(L, o->cacert);
    lua_setfield(L, -2, "cacert");
    push_text(L, o->proxy);
    lua_setfield(L, -2, "proxy");
    lua_pushnumber(L, o->connect_ms / 1000.0);
    lua_setfield(L, -2, "connect");
    lua_pushnumber(L, o->stall_ms / 1000.0);
    lua_setfield(L, -2, "stall");
    lua_pushinteger(L, o->retries == PROPHET_NO_RETRY ? 0 : (lua_Integer)o->retries);
    lua_setfield(L, -2, "retries");
    lua_call(L, 2, 1); /* inside run()'s protected call, as all below */
    if (lua_isnil(L, -1))
        return script_fail(L, PROPHET_ESCRIPT, NULL, "open gives no place");
    lua_setiuservalue(L, 2, 1);
    lua_settop(L, 2);
    p->ref = script_ref(L);
    p->next = j->t->places;
    j->t->places = p;
    j->p = p; /* run() set no job for it: there was none */
    return 0;
}

static prophet_code lua_open(void *ctx, const char *url, const prophet_net_options *o, void **place,
                             prophet_error *err)
{
    job j = { .t = ctx, .what = "open", .name = url, .options = o };
    prophet_code rc = run(&j, l_do_open, err);
    *place = j.p;
    return rc;
}

static int l_do_close(lua_State *L)
{
    const job *j = lua_touserdata(L, 1);
    push_function(L, j);
    if (lua_isnil(L, -1))
        return 0;
    push_place(L, j);
    lua_call(L, 1, 0);
    return 0;
}

static void lua_close_place(void *place)
{
    l_place *p = place;
    l_transport *t = p->t;
    job j = { .t = t, .p = p, .what = "close", .options = p->options };
    if (!t->L || !pthread_equal(t->thread, pthread_self()))
        return;                      /* it goes with its state */
    (void)run(&j, l_do_close, NULL); /* there is nobody to tell */
    l_place **at = &t->places;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    script_unref(t->L, p->ref);
}

/* ---- get ------------------------------------------------------------------------------------------------------------------- */

/* sink(bytes) */
static int l_sink(lua_State *L)
{
    prophet_error err = { 0 };
    size_t len;
    job *j = current(L);
    const char *bytes = script_text(L, 1, &len, "a piece of what is read");
    if (!j->g)
        return script_fail(L, PROPHET_EUSAGE, NULL, "that was of a call which has ended");
    prophet_code rc = j->g->sink(j->g->ctx, ph_slice(bytes, len), &err);
    if (rc >= 0)
        rc = tick(j, "get", len, &err);
    return rc < 0 ? kept(L, j, rc, &err) : 0;
}

/* get(place, name, offset, length, known, expect, sink) -> found, etag, total, unchanged */
static int l_do_get(lua_State *L)
{
    job *j = lua_touserdata(L, 1);
    prophet_net_get *g = j->g;
    push_function(L, j);
    push_place(L, j);
    lua_pushstring(L, j->name);
    lua_pushinteger(L, (lua_Integer)(g->offset > INT64_MAX ? INT64_MAX : g->offset));
    if (g->length > INT64_MAX)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)g->length);
    push_text(L, g->known);
    push_text(L, g->expect);
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->p->ref);
    lua_pushcclosure(L, l_sink, 1);
    lua_call(L, 7, 4);
    if (!lua_toboolean(L, 2)) {
        j->rc = j->rc < 0 ? j->rc : PROPHET_DONE;
        return 0;
    }
    etag_at(L, 3, g->etag);
    g->total = size_at(L, 4, "the total");
    g->unchanged = lua_toboolean(L, 5);
    return 0;
}

static prophet_code lua_get(void *place, const char *name, prophet_net_get *g, prophet_error *err)
{
    l_place *p = place;
    job j = { .t = p->t, .p = p, .what = "get", .name = name, .options = p->options, .g = g };
    return run(&j, l_do_get, err);
}

/* ---- put ------------------------------------------------------------------------------------------------------------------- */

/* read(offset, length) -> bytes */
static int l_read(lua_State *L)
{
    prophet_error err = { 0 };
    luaL_Buffer b;
    job *j = current(L);
    lua_Integer offset = luaL_checkinteger(L, 1), len = luaL_checkinteger(L, 2);
    if (!j->put || offset < 0 || len < 0 || (uint64_t)offset > j->put->length ||
        (uint64_t)len > j->put->length - (uint64_t)offset)
        return script_fail(L, PROPHET_EUSAGE, NULL, "the body has no such part");
    char *bytes = luaL_buffinitsize(L, &b, (size_t)len);
    prophet_code rc = tick(j, "put", (uint64_t)offset, &err);
    if (rc >= 0 && len > 0)
        rc = j->put->read(j->put->ctx, (uint64_t)offset, bytes, (size_t)len, &err);
    if (rc < 0)
        return kept(L, j, rc, &err);
    luaL_pushresultsize(&b, (size_t)len);
    return 1;
}

/* put(place, name, length, read, absent, etag) -> etag, looked */
static int l_do_put(lua_State *L)
{
    job *j = lua_touserdata(L, 1);
    prophet_net_put *p = j->put;
    push_function(L, j);
    push_place(L, j);
    lua_pushstring(L, j->name);
    lua_pushinteger(L, (lua_Integer)p->length);
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->p->ref);
    lua_pushcclosure(L, l_read, 1);
    lua_pushboolean(L, p->only_if_absent);
    push_text(L, p->only_if_etag);
    lua_call(L, 6, 2);
    etag_at(L, 2, p->etag);
    p->looked = lua_toboolean(L, 3);
    return 0;
}

static prophet_code lua_put(void *place, const char *name, prophet_net_put *put, prophet_error *err)
{
    l_place *p = place;
    job j = { .t = p->t, .p = p, .what = "put", .name = name, .options = p->options, .put = put };
    return run(&j, l_do_put, err);
}

/* ---- list, remove ---------------------------------------------------------------------------------------------------------- */

/* each(name, size) */
static int l_each(lua_State *L)
{
    prophet_error err = { 0 };
    job *j = current(L);
    lua_settop(L, 2);
    size_t len;
    const char *name = script_text(L, 1, &len, "a name");
    uint64_t size = size_at(L, 2, "a size");
    if (!j->each)
        return script_fail(L, PROPHET_EUSAGE, NULL, "that was of a call which has ended");
    if (strlen(name) != len)
        return 0; /* nothing here is called so */
    prophet_code rc = j->each(j->ctx, name, size, &err);
    return rc < 0 ? kept(L, j, rc, &err) : 0;
}

/* list(place, folder, each) -> whether it can */
static int l_do_list(lua_State *L)
{
    job *j = lua_touserdata(L, 1);
    push_function(L, j);
    push_place(L, j);
    lua_pushstring(L, j->name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, j->p->ref);
    lua_pushcclosure(L, l_each, 1);
    lua_call(L, 3, 1);
    if (!lua_toboolean(L, -1) && j->rc >= 0)
        j->rc = PROPHET_DONE;
    return 0;
}

static prophet_code lua_list(void *place, const char *folder, prophet_net_name_fn each, void *ctx,
                             prophet_error *err)
{
    l_place *p = place;
    job j = { .t = p->t,
              .p = p,
              .what = "list",
              .name = folder,
              .options = p->options,
              .each = each,
              .ctx = ctx };
    return run(&j, l_do_list, err);
}

/* remove(place, name) -> whether it was there */
static int l_do_remove(lua_State *L)
{
    job *j = lua_touserdata(L, 1);
    push_function(L, j);
    push_place(L, j);
    lua_pushstring(L, j->name);
    lua_call(L, 2, 1);
    j->rc = lua_toboolean(L, -1) ? PROPHET_OK : PROPHET_DONE;
    return 0;
}

static prophet_code lua_remove_name(void *place, const char *name, prophet_error *err)
{
    l_place *p = place;
    job j = { .t = p->t, .p = p, .what = "remove", .name = name, .options = p->options };
    return run(&j, l_do_remove, err);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------- */

static void lua_drop(void *ctx)
{
    ph_free(ctx); /* its state let go of it before */
}

static bool has_function(lua_State *L, int idx, const char *name)
{
    bool has = lua_getfield(L, idx, name) == LUA_TFUNCTION;
    lua_pop(L, 1);
    return has;
}

void transport_calls(lua_State *L, int idx, prophet_transport *row)
{
    row->open = lua_open;
    row->get = lua_get;
    row->put = has_function(L, idx, "put") ? lua_put : NULL;
    row->list = has_function(L, idx, "list") ? lua_list : NULL;
    row->remove = has_function(L, idx, "remove") ? lua_remove_name : NULL;
    row->close = lua_close_place;
    row->drop = lua_drop;
}
