/* remote: the list of remotes and of peers, for lua/prophet/remotes.lua. A sealed state sees none of it: there are secrets in it. */
#include "script/script_impl.h"

typedef prophet_code (*list_fn)(prophet_db *db, prophet_iter **out, prophet_error *err);

static int list(lua_State *L, list_fn fn, const char *what)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    script_require_unsealed(L, what);
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 2); /* what wraps each row */
    l_iter *it = script_iterator_push(L, 1, 2, false);
    if (fn(h->db, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

/* (handle, wrap) */
static int l_remotes(lua_State *L)
{
    return list(L, prophet_remotes, "looking at remotes");
}

static int l_peers(lua_State *L)
{
    return list(L, prophet_peers, "looking at peers");
}

/* (handle, milliseconds, wrap) */
static int l_discover(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    script_require_unsealed(L, "looking around");
    l_handle *h = script_handle(L, 1);
    lua_Integer ms = luaL_checkinteger(L, 2);
    lua_settop(L, 3);
    l_iter *it = script_iterator_push(L, 1, 3, false);
    if (prophet_discover(h->db, ms < 0 ? 0 : ms > 600000 ? 600000u : (uint32_t)ms, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

/* (handle, {name, url, token, seal, cacert, proxy}) */
static int l_remote_set(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_remote r = PROPHET_REMOTE_INIT;
    script_require_unsealed(L, "naming a remote");
    l_handle *h = script_handle(L, 1);
    script_table(L, 2, "a remote");
    lua_settop(L, 2);
    r.name = script_text_option(L, 2, "name");
    r.url = script_text_option(L, 2, "url");
    r.token = script_text_option(L, 2, "token");
    r.seal = script_text_option(L, 2, "seal");
    r.cacert = script_text_option(L, 2, "cacert");
    r.proxy = script_text_option(L, 2, "proxy");
    if (prophet_remote_set(h->db, &r, &err) < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, name) */
static int l_remote_remove(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "removing a remote");
    l_handle *h = script_handle(L, 1);
    if (prophet_remote_remove(h->db, script_text(L, 2, NULL, "the name of a remote"), &err) < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, from, to) */
static int l_remote_rename(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "renaming a remote");
    l_handle *h = script_handle(L, 1);
    const char *from = script_text(L, 2, NULL, "the name of a remote");
    if (prophet_remote_rename(h->db, from, script_text(L, 3, NULL, "its new name"), &err) < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, place) */
static int l_peer_forget(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "forgetting a peer");
    l_handle *h = script_handle(L, 1);
    if (prophet_peer_forget(h->db, script_text(L, 2, NULL, "what is forgotten"), &err) < 0)
        return script_raise(L, &err);
    return 0;
}

const luaL_Reg script_handle_remote[] = { { "remotes", l_remotes },
                                          { "peers", l_peers },
                                          { "discover", l_discover },
                                          { "peer_forget", l_peer_forget },
                                          { "remote_set", l_remote_set },
                                          { "remote_remove", l_remote_remove },
                                          { "remote_rename", l_remote_rename },
                                          { NULL, NULL } };
