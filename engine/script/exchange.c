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

static prophet_code progress(void *ctx, const char *stage, uint64_t done, uint64_t total,
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

/* The texts stay on the stack. */
void script_way(lua_State *L, int idx, prophet_net_options *way)
{
    way->token = script_text_option(L, idx, "token");
    way->cacert = script_text_option(L, idx, "cacert");
    way->proxy = script_text_option(L, idx, "proxy");
}

/* (handle, other, {dry_run, progress, seal, token, cacert, proxy}) -> report */
static int exchange(lua_State *L, exchange_fn fn, const char *what)
{
    static const char *const known[] = { "dry_run", "progress", "seal", "token",
                                         "cacert",  "proxy",    NULL };
    prophet_error err = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    script_require_unsealed(L, what);
    l_handle *h = script_handle(L, 1);
    const char *other = script_text(L, 2, NULL, "the other replica");
    lua_settop(L, 3);
    script_no_change(L, h, what);
    if (h->views > 0)
        script_fail(L, PROPHET_EUSAGE, "do it before or after db:view", "%s inside a view", what);
    if (!lua_isnil(L, 3)) {
        script_table(L, 3, "options");
        script_known_options(L, 3, what, known);
        o.dry_run = script_flag(L, 3, "dry_run");
        o.seal = script_text_option(L, 3, "seal");
        script_way(L, 3, &way);
        if (lua_getfield(L, 3, "progress") == LUA_TFUNCTION) {
            o.progress = progress;
            o.ctx = L;
        } else if (!lua_isnil(L, -1)) {
            script_fail(L, PROPHET_EUSAGE, NULL, "option progress is a %s, not a function",
                        luaL_typename(L, -1));
        }
    }
    o.net = &way;
    script_doc_box *box = script_doc_box_push(L);
    script_lazy_settle_all(h);
    h->held++;
    prophet_code rc = fn(h->db, other, &o, &box->doc, &err);
    h->held--;
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

/* (handle, path, since) -> report */
static int l_bundle(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "bundle");
    l_handle *h = script_handle(L, 1);
    const char *path = script_text(L, 2, NULL, "the path of the bundle");
    const char *since = lua_isnoneornil(L, 3) ? NULL : script_text(L, 3, NULL, "since");
    script_no_change(L, h, "bundle");
    script_doc_box *box = script_doc_box_push(L);
    script_lazy_settle_all(h);
    if (prophet_bundle(h->db, path, since, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

const luaL_Reg script_handle_exchange[] = { { "pull", l_pull },     { "push", l_push },
                                            { "sync", l_sync },     { "apply", l_apply },
                                            { "bundle", l_bundle }, { "publish", l_publish },
                                            { NULL, NULL } };
