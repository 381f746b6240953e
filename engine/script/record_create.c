/* record_create: a record that was not there. Types without hooks are written from here alone; those with hooks go through
 * lua/prophet/write.lua, which comes back with checked fields. */
#include "script/script_impl.h"

/* Inside a change the document waits until it is asked for. */
static prophet_code create_now(l_handle *h, l_record *r, const char *type, const prophet_uuid *id,
                               const prophet_field *fields, size_t count, prophet_error *err)
{
    bool own;
    prophet_code rc;
    if (id)
        script_lazy_settle(h, id);
    if (h->depth > 0) {
        rc = prophet_txn_create(h->txn, type, id, fields, count, NULL, err);
        if (rc < 0 || !prophet_txn_created(h->txn, &r->info))
            return rc;
        r->info.type = type;
        r->info.version = h->pending;
        r->change = h->changes;
        if (script_lazy_add(h, r))
            return rc;
        return prophet_get(h->db, type, prophet_ref(r->info.id), &r->doc, err);
    }
    if ((rc = script_write_begin(h, &own, err)) < 0)
        return rc;
    rc = prophet_txn_create(h->txn, type, id, fields, count, &r->doc, err);
    rc = script_write_end(h, own, rc, err);
    if (rc >= 0)
        (void)script_record_fill(r, h);
    return rc;
}

static int create(lua_State *L, l_handle *h, int ts, const prophet_uuid *id,
                  const prophet_field *fields, size_t count)
{
    prophet_error err = { 0 };
    const char *type = script_type_name(L, ts);
    l_record *r = script_record_push(L, ts);
    if (create_now(h, r, type, id, fields, count, &err) < 0)
        return script_raise_about(L, &err, type, id);
    return 1;
}

/* The id that options may give at idx; false: none. */
static bool given_id(lua_State *L, int idx, prophet_uuid *id)
{
    static const char *const known[] = { "id", NULL };
    prophet_error err = { 0 };
    size_t len;
    if (lua_isnil(L, idx))
        return false;
    script_table(L, idx, "options of create");
    script_known_options(L, idx, "create", known);
    if (lua_getfield(L, idx, "id") == LUA_TNIL)
        return false;
    const char *text = script_text(L, -1, &len, "the id of a record");
    if (prophet_uuid_parse(text, len, id, &err) < 0)
        script_raise(L, &err);
    return true;
}

/* core.create(ts, fields, options): the way of type:create. */
int l_type_create(lua_State *L)
{
    prophet_uuid id;
    lua_settop(L, 3);
    bool has_id = given_id(L, 3, &id);
    lua_settop(L, 3);
    if (lua_rawgeti(L, 1, TS_CREATE) == LUA_TFUNCTION) {
        lua_insert(L, 1);
        lua_call(L, 3, 1);
        return 1;
    }
    lua_settop(L, 2);
    size_t count;
    l_handle *h = script_type_handle(L, 1);
    const prophet_field *fields = script_read_fields(L, h, 1, 2, true, &count);
    return create(L, h, 1, has_id ? &id : NULL, fields, count);
}

/* (handle, ts, fields, id): no hooks and no defaults. */
static int l_create(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_uuid id;
    size_t count, len;
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 4);
    const prophet_field *fields = script_read_fields(L, h, 2, 3, false, &count);
    if (lua_isnil(L, 4))
        return create(L, h, 2, NULL, fields, count);
    const char *text = script_text(L, 4, &len, "the id of a record");
    if (prophet_uuid_parse(text, len, &id, &err) < 0)
        return script_raise(L, &err);
    return create(L, h, 2, &id, fields, count);
}

const luaL_Reg script_handle_creates[] = { { "create", l_create }, { NULL, NULL } };
