/* past: the database and single records as they were, what differs between two points, and reverts. Points are checked and read by
 * lua/prophet/point.lua: a version, a time, or the id of a changeset as text. */
#include "script/script_impl.h"

static prophet_value read_point(lua_State *L, l_handle *h, int idx)
{
    return lua_isnoneornil(L, idx) ? prophet_nil() : script_to_value(L, idx, NULL, &h->scratch);
}

/* (handle, point) -> handle */
static int l_as_of(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 2);
    prophet_value point = read_point(L, h, 2);
    l_handle *then = script_handle_push(L);
    if (prophet_as_of(h->db, point, &then->db, &err) < 0)
        return script_raise(L, &err);
    memcpy(then->replica, h->replica, sizeof then->replica);
    script_handle_enlist(L, then);
    return 1;
}

/* (handle, ts, record, point) -> the record as it was, or nil: it was not there, or deleted */
static int l_at(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_db *then = NULL;
    l_handle *h = script_handle(L, 1);
    const l_record *now = script_record(L, 3);
    lua_settop(L, 4);
    prophet_value point = read_point(L, h, 4);
    l_record *r = script_record_push(L, 2);
    prophet_code rc = prophet_as_of(h->db, point, &then, &err);
    if (rc >= 0) {
        rc = prophet_get(then, now->info.type, prophet_ref(now->info.id), &r->doc, &err);
        prophet_close(then);
    }
    if (rc < 0 && rc != PROPHET_ETYPE) /* no record of that type was there */
        return script_raise(L, &err);
    if (rc != PROPHET_OK || !script_record_fill(r, h) || r->info.deleted)
        lua_pushnil(L);
    return 1;
}

/* (handle, a, b or nil, wrap) */
static int l_diff(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 4);
    prophet_value a = read_point(L, h, 2), b = read_point(L, h, 3);
    l_iter *it = script_iterator_push(L, 1, lua_isnil(L, 4) ? 0 : 4, false);
    if (prophet_diff(h->db, a, b, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

/* (handle, changeset) -> was there anything to take back? */
static int l_revert(lua_State *L)
{
    prophet_error err = { 0 };
    bool own;
    l_handle *h = script_handle(L, 1);
    prophet_value changeset = read_point(L, h, 2);
    script_lazy_settle_all(h);
    prophet_code rc = script_write_begin(h, &own, &err), wrote = PROPHET_DONE;
    if (rc >= 0) {
        rc = wrote = prophet_txn_revert(h->txn, changeset, &err);
        rc = script_write_end(h, own, rc, &err);
    }
    if (rc < 0)
        return script_raise(L, &err);
    lua_pushboolean(L, wrote == PROPHET_OK);
    return 1;
}

const luaL_Reg script_handle_past[] = {
    { "as_of", l_as_of },   { "at", l_at }, { "diff", l_diff },
    { "revert", l_revert }, { NULL, NULL },
};
