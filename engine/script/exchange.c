/* exchange: pull, push, sync. They wait for others, so they are refused inside a change and in sealed states. */
#include "script/script_impl.h"

typedef prophet_code (*exchange_fn)(prophet_db *db, const char *other, const prophet_exchange *o,
                                    prophet_doc **report, prophet_error *err);

typedef struct step {
    const char *stage;
    uint64_t done, total;
} step;

/* In a protected call, since the text needs memory: (options, step). */
static int l_tell(lua_State *L)
{
    const step *s = lua_touserdata(L, 2);
    lua_getfield(L, 1, "progress");
    lua_pushstring(L, s->stage);
    lua_pushinteger(L, (lua_Integer)s->done);
    lua_pushinteger(L, (lua_Integer)s->total);
    lua_call(L, 3, 0);
    return 0;
}

prophet_code script_progress(void *ctx, const char *stage, uint64_t done, uint64_t total,
                             prophet_error *err)
{
    lua_State *L = ctx;
    step s = { stage, done, total };
    if (!lua_checkstack(L, 8))
        return ph_nomem(err);
    lua_pushcfunction(L, l_tell);
    lua_pushvalue(L, 3);
    lua_pushlightuserdata(L, &s);
    return script_call(L, 2, 0, false, err);
}

bool script_has_progress(lua_State *L)
{
    bool has = lua_getfield(L, 3, "progress") == LUA_TFUNCTION;
    if (!has && !lua_isnil(L, -1))
        script_fail(L, PROPHET_EUSAGE, NULL, "option progress is a %s, not a function",
                    luaL_typename(L, -1));
    lua_pop(L, 1);
    return has;
}

/* The texts stay on the stack. */
void script_way(lua_State *L, int idx, prophet_net_options *way)
{
    way->token = script_text_option(L, idx, "token");
    way->cacert = script_text_option(L, idx, "cacert");
    way->proxy = script_text_option(L, idx, "proxy");
}

l_handle *script_exchange_arguments(lua_State *L, const char *what, prophet_exchange *o,
                                    prophet_net_options *way)
{
    static const char *const known[] = { "dry_run", "progress", "seal",  "token",
                                         "cacert",  "proxy",    "check", NULL };
    script_require_unsealed(L, what);
    l_handle *h = script_handle(L, 1);
    (void)script_text(L, 2, NULL, "the other replica");
    script_no_change(L, h, what);
    if (h->views > 0)
        script_fail(L, PROPHET_EUSAGE, "do it before or after db:view", "%s inside a view", what);
    o->net = way;
    if (lua_isnil(L, 3))
        return h;
    script_table(L, 3, "options");
    script_known_options(L, 3, what, known);
    o->dry_run = script_flag(L, 3, "dry_run");
    o->check = script_flag(L, 3, "check");
    o->seal = script_text_option(L, 3, "seal");
    script_way(L, 3, way);
    if (script_has_progress(L)) {
        o->progress = script_progress;
        o->ctx = L;
    }
    return h;
}

/* (handle, other, options) -> report */
static int exchange(lua_State *L, exchange_fn fn, const char *what)
{
    prophet_error err = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    lua_settop(L, 3);
    l_handle *h = script_exchange_arguments(L, what, &o, &way);
    const char *other = lua_tostring(L, 2);
    script_doc_box *box = script_doc_box_push(L);
    script_lazy_settle_all(h);
    const char *around = script_hold(h, what);
    prophet_code rc = fn(h->db, other, &o, &box->doc, &err);
    script_release(h, around);
    if (rc < 0 && box->doc) { /* of what went well before */
        luaL_checkstack(L, 8, "an error");
        script_push_error(L, &err);
        script_push_doc(L, box->doc);
        lua_setfield(L, -2, "value");
        return lua_error(L);
    }
    if (rc < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

static int l_pull(lua_State *L)
{
    return exchange(L, prophet_pull, "pull");
}

static int l_push(lua_State *L)
{
    return exchange(L, prophet_push, "push");
}

static int l_sync(lua_State *L)
{
    return exchange(L, prophet_sync, "sync");
}

static int l_apply(lua_State *L)
{
    return exchange(L, prophet_apply, "apply");
}

static int l_publish(lua_State *L)
{
    return exchange(L, prophet_publish, "publish");
}

/* (handle, path, since, dry_run) -> report */
static int l_bundle(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    script_require_unsealed(L, "bundle");
    l_handle *h = script_handle(L, 1);
    const char *path = script_text(L, 2, NULL, "the path of the bundle");
    const char *since = lua_isnoneornil(L, 3) ? NULL : script_text(L, 3, NULL, "since");
    o.dry_run = lua_toboolean(L, 4);
    script_no_change(L, h, "bundle");
    script_doc_box *box = script_doc_box_push(L);
    script_lazy_settle_all(h);
    if (prophet_bundle(h->db, path, since, &o, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

const luaL_Reg script_handle_exchange[] = { { "pull", l_pull },     { "push", l_push },
                                            { "sync", l_sync },     { "apply", l_apply },
                                            { "bundle", l_bundle }, { "publish", l_publish },
                                            { NULL, NULL } };
