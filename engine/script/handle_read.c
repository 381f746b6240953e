/* handle_read: what is read through a handle: types, records by name, queries, history, log, conflicts, export. Each list is an iterator. */
#include "script/script_impl.h"

/* ---- types ------------------------------------------------------------------------------------------------ */

static int l_types(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 2);
    l_iter *it = script_iterator_push(L, 1, 2, false);
    if (prophet_types(h->db, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

static int l_schema(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    const char *type = script_text(L, 2, NULL, "the name of a type");
    script_doc_box *box = script_doc_box_push(L);
    if (prophet_schema(h->db, type, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

/* ---- records by name --------------------------------------------------------------------------------------- */

/* What names a record: an id, "#12", a tail of an id, a local number, a record. */
static prophet_value read_name(lua_State *L, int idx)
{
    prophet_uuid id;
    size_t len;
    if (lua_type(L, idx) == LUA_TNUMBER) {
        int whole;
        lua_Integer number = lua_tointegerx(L, idx, &whole);
        if (!whole)
            script_fail(L, PROPHET_EUSAGE, "\"#12\", an id, or the end of one",
                        "no record has the number %s", lua_tostring(L, idx));
        return prophet_int(number);
    }
    const l_record *r = script_record_at(L, idx);
    if (r)
        return prophet_ref(r->info.id);
    const prophet_uuid *ref = luaL_testudata(L, idx, SCRIPT_REF);
    if (ref)
        return prophet_ref(*ref);
    const char *text = script_text(L, idx, &len, "the name of a record");
    if (len >= 32 && prophet_uuid_parse(text, len, &id, NULL) >= 0)
        return prophet_ref(id);
    return prophet_text_n(text, len);
}

static const char *type_of(lua_State *L, int ts)
{
    lua_rawgeti(L, ts, TS_NAME);
    return lua_tostring(L, -1); /* stays on the stack */
}

/* (handle, ts, name, deleted) -> record or nil */
int l_handle_get(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 4);
    prophet_value name = read_name(L, 3);
    const char *type = type_of(L, 2);
    l_record *r = script_record_push(L, 2);
    prophet_code rc = prophet_get(h->db, type, name, &r->doc, &err);
    if (rc < 0)
        return script_raise(L, &err);
    bool dead = rc == PROPHET_OK && script_record_fill(r, h) && r->info.deleted;
    if (rc == PROPHET_DONE || (dead && !lua_toboolean(L, 4)))
        lua_pushnil(L);
    return 1;
}

/* (handle, name) -> type, id, number; or nil */
static int l_locate(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_record info;
    l_handle *h = script_handle(L, 1);
    prophet_value name = read_name(L, 2);
    script_doc_box *box = script_doc_box_push(L);
    prophet_code rc = prophet_get(h->db, NULL, name, &box->doc, &err);
    if (rc < 0)
        return script_raise(L, &err);
    if (rc == PROPHET_DONE || !prophet_doc_record(box->doc, &info)) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushstring(L, info.type);
    script_push_id(L, &info.id);
    lua_pushinteger(L, (lua_Integer)info.number);
    return 3;
}

static int l_natural_id(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_uuid id;
    l_handle *h = script_handle(L, 1);
    const char *type = type_of(L, 2);
    size_t count = 0;
    prophet_field *fields = script_read_fields(L, h, 2, 3, false, &count);
    prophet_code rc = prophet_natural_id(h->db, type, fields, count, &id, &err);
    if (rc < 0)
        return script_raise(L, &err);
    if (rc == PROPHET_DONE)
        lua_pushnil(L);
    else
        script_push_id(L, &id);
    return 1;
}

/* ---- lists --------------------------------------------------------------------------------------------------- */

/* A spec as plain data; nil: none. */
static prophet_value read_spec(lua_State *L, l_handle *h, int idx)
{
    return lua_isnoneornil(L, idx) ? prophet_nil() : script_to_value(L, idx, NULL, &h->scratch);
}

typedef prophet_code (*list_fn)(prophet_db *db, prophet_value spec, prophet_iter **out,
                                prophet_error *err);

/* (handle, spec, wrap): with wrap a type's table and records, or a metatable or function for tables. */
static int list(lua_State *L, list_fn fn, bool records)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 3);
    prophet_value spec = read_spec(L, h, 2);
    l_iter *it = script_iterator_push(L, 1, lua_isnil(L, 3) ? 0 : 3, records);
    if (fn(h->db, spec, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

/* (handle, spec, type, kept): kept lists stay open behind their last row, for query_beside. */
static int l_query(lua_State *L)
{
    const bool kept = lua_toboolean(L, 4);
    const int count = list(L, prophet_query, true);
    ((l_iter *)lua_touserdata(L, -1))->kept = kept;
    return count;
}

/* (handle, spec, type, list): of the snapshot of that list. */
static int l_query_beside(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 4);
    const prophet_iter *of = script_iterator_check(L, 4);
    prophet_value spec = read_spec(L, h, 2);
    l_iter *it = script_iterator_push(L, 1, 3, true);
    if (prophet_query_beside(of, spec, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

static int l_log(lua_State *L)
{
    return list(L, prophet_log, false);
}

static int l_conflicts(lua_State *L)
{
    return list(L, prophet_conflicts, false);
}

static int l_group(lua_State *L)
{
    return list(L, prophet_group, false);
}

static int l_count(lua_State *L)
{
    prophet_error err = { 0 };
    uint64_t n = 0;
    l_handle *h = script_handle(L, 1);
    if (prophet_count(h->db, read_spec(L, h, 2), &n, &err) < 0)
        return script_raise(L, &err);
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

/* (handle, spec) -> { order =, limit = } */
static int l_parse(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    script_doc_box *box = script_doc_box_push(L);
    if (prophet_parse(h->db, read_spec(L, h, 2), &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

/* (handle, spec, run) */
static int l_explain(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    bool run = lua_toboolean(L, 3);
    script_doc_box *box = script_doc_box_push(L);
    if (prophet_explain(h->db, read_spec(L, h, 2), run, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

/* (handle, spec, record, words) -> { field =, pieces = } or nil */
static int l_snippet(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    const prophet_doc *row = script_record_doc(L, 3, script_record(L, 3));
    uint32_t words = (uint32_t)luaL_checkinteger(L, 4);
    script_doc_box *box = script_doc_box_push(L);
    prophet_code rc = prophet_snippet(h->db, read_spec(L, h, 2), row, words, &box->doc, &err);
    if (rc < 0)
        return script_raise(L, &err);
    if (rc == PROPHET_DONE)
        lua_pushnil(L);
    else
        script_push_doc(L, box->doc);
    return 1;
}

/* (handle, record, wrap) */
static int l_history(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_iter *rows = NULL;
    l_handle *h = script_handle(L, 1);
    const l_record *r = script_record(L, 2);
    lua_settop(L, 3);
    l_iter *it = script_iterator_push(L, 1, lua_isnil(L, 3) ? 0 : 3, false);
    if (prophet_history(h->db, r->info.type, &r->info.id, &rows, &err) < 0)
        return script_raise(L, &err);
    script_iterator_start(it, rows);
    return script_iterator_return(L, -1);
}

static int l_blame(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    const l_record *r = script_record(L, 2);
    script_doc_box *box = script_doc_box_push(L);
    if (prophet_blame(h->db, r->info.type, &r->info.id, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

/* ---- text that is too long for memory: to a function that takes chunks ------------------------------------------ */

/* In a protected call, since the text needs memory: (function, chunk). */
static int l_give(lua_State *L)
{
    const prophet_slice *chunk = lua_touserdata(L, 2);
    lua_settop(L, 1);
    lua_pushlstring(L, chunk->data ? chunk->data : "", chunk->len);
    lua_call(L, 1, 0);
    return 0;
}

static prophet_code to_function(void *ctx, prophet_slice chunk, prophet_error *err)
{
    lua_State *L = ctx;
    if (!lua_checkstack(L, 8))
        return ph_nomem(err);
    lua_pushcfunction(L, l_give);
    lua_pushvalue(L, 3);
    lua_pushlightuserdata(L, &chunk);
    return script_call(L, 2, 0, false, err);
}

/* (handle, all, sink) */
static int l_export(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    const char *around = script_hold(h, "export");
    prophet_code rc = prophet_export(h->db, lua_toboolean(L, 2), to_function, L, &err);
    script_release(h, around);
    if (rc < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, spec, sink) */
static int l_log_json(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    prophet_value spec = read_spec(L, h, 2);
    const char *around = script_hold(h, "log_json");
    prophet_code rc = prophet_log_json(h->db, spec, to_function, L, &err);
    script_release(h, around);
    if (rc < 0)
        return script_raise(L, &err);
    return 0;
}

const luaL_Reg script_handle_reads[] = {
    { "types", l_types },
    { "schema", l_schema },
    { "get", l_handle_get },
    { "locate", l_locate },
    { "natural_id", l_natural_id },
    { "query", l_query },
    { "query_beside", l_query_beside },
    { "count", l_count },
    { "group", l_group },
    { "log", l_log },
    { "parse", l_parse },
    { "explain", l_explain },
    { "conflicts", l_conflicts },
    { "history", l_history },
    { "blame", l_blame },
    { "export", l_export },
    { "log_json", l_log_json },
    { "snippet", l_snippet },
    { NULL, NULL },
};
