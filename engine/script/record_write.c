/* record_write: changing records: set, unset, add, remove, incr, delete, restore; and the change that a write outside a change is. Types
 * without hooks are written from here alone; those with hooks go through lua/prophet/write.lua, which comes back with checked fields. */
#include "script/script_impl.h"

prophet_code script_write_begin(l_handle *h, bool *own, prophet_error *err)
{
    *own = h->depth == 0;
    if (!*own)
        return PROPHET_OK;
    if (h->views > 0) {
        (void)ph_fail(err, PROPHET_EUSAGE, "a view only reads");
        ph_hint(err, "write before or after db:view");
        return PROPHET_EUSAGE;
    }
    return prophet_txn_begin(h->db, NULL, &h->txn, err);
}

prophet_code script_write_end(l_handle *h, bool own, prophet_code rc, prophet_error *err)
{
    if (!own)
        return rc;
    prophet_txn *txn = h->txn;
    h->txn = NULL;
    if (rc < 0) {
        prophet_txn_abort(txn);
        return rc;
    }
    rc = prophet_txn_commit(txn, NULL, NULL, err);
    return rc < 0 ? rc : PROPHET_OK;
}

int script_raise_about(lua_State *L, prophet_error *err, const char *type, const prophet_uuid *id)
{
    if (!err->type[0])
        ph_error_at(err, ph_slice_str(type), ph_slice(NULL, 0));
    if (!err->record[0] && id)
        prophet_uuid_format(id, err->record);
    return script_raise(L, err);
}

/* ---- update --------------------------------------------------------------------------------------------------- */

static int update(lua_State *L, l_handle *h, int ts, const l_record *old, uint64_t since,
                  const prophet_edit *edits, size_t count)
{
    prophet_error err = { 0 };
    bool own;
    const char *type = script_type_name(L, ts);
    l_record *r = script_record_push(L, ts);
    script_lazy_settle(h, &old->info.id);
    prophet_code rc = script_write_begin(h, &own, &err);
    if (rc >= 0) {
        rc = prophet_txn_update(h->txn, type, &old->info.id, since, edits, count, &r->doc, &err);
        rc = script_write_end(h, own, rc, &err);
    }
    if (rc < 0)
        return script_raise_about(L, &err, type, &old->info.id);
    (void)script_record_fill(r, h);
    return 1;
}

/* Puts the type's table of the record at 1 on the stack; true: it has hooks, and the function for them is pushed too. */
static bool has_hooks(lua_State *L, int *ts)
{
    lua_getiuservalue(L, 1, 1);
    *ts = lua_gettop(L);
    if (lua_rawgeti(L, *ts, TS_UPDATE) == LUA_TFUNCTION)
        return true;
    lua_pop(L, 1);
    return false;
}

/* function(ts, record, op, a, b) of the hooks. a, b are the arguments of the verb at 2 and 3. */
static int by_hooks(lua_State *L, int ts, const char *op)
{
    lua_pushvalue(L, ts);
    lua_pushvalue(L, 1);
    lua_pushstring(L, op);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_call(L, 5, 1);
    return 1;
}

/* As strict.takes of lua/prophet/strict.lua: what is passed over in silence is believed to do something. */
static void refuse_stray(lua_State *L, const char *verb, const char *usage)
{
    if (lua_gettop(L) <= 3 || lua_isnil(L, 4))
        return;
    const char *stray = lua_type(L, 4) == LUA_TNUMBER
                            ? luaL_tolstring(L, 4, NULL)
                            : lua_pushfstring(L, "a %s", luaL_typename(L, 4));
    script_fail(L, PROPHET_EUSAGE, usage, "record:%s takes 2 arguments: %s is too many", verb,
                stray);
}

static bool forced(lua_State *L, int idx)
{
    static const char *const known[] = { "force", NULL };
    if (lua_isnoneornil(L, idx))
        return false;
    script_table(L, idx, "options of set");
    script_known_options(L, idx, "set", known);
    return script_flag(L, idx, "force");
}

static int l_set(lua_State *L)
{
    const l_record *r = script_record(L, 1);
    int ts;
    refuse_stray(L, "set", "t:set{ a = 1, b = 2 }");
    lua_settop(L, 3);
    if (lua_type(L, 2) == LUA_TSTRING)
        script_fail(L, PROPHET_EUSAGE, "t:set { status = \"open\" }",
                    "set takes a table of fields and values");
    script_table(L, 2, "what t:set sets");
    bool force = forced(L, 3);
    if (has_hooks(L, &ts))
        return by_hooks(L, ts, "set");
    size_t count;
    l_handle *h = script_type_handle(L, ts);
    const prophet_field *fields = script_read_fields(L, h, ts, 2, false, &count);
    prophet_edit *edits = script_scratch(L, h, count * sizeof *edits);
    for (size_t i = 0; i < count; i++) {
        edits[i].op = fields[i].value.kind == PROPHET_NIL ? PROPHET_UNSET : PROPHET_SET;
        edits[i].field = fields[i].name;
        edits[i].value = fields[i].value;
    }
    return update(L, h, ts, r, force ? 0 : r->info.version, edits, count);
}

/* One field, for the verbs that name it: checked, with its place. */
static prophet_edit one_edit(lua_State *L, int ts, prophet_op op, script_place *place, l_handle *h)
{
    prophet_edit e;
    size_t len;
    const char *name = script_text(L, 2, &len, "the name of a field");
    place->type = script_type_name(L, ts);
    place->field = name;
    place->kind = script_writable_kind(L, ts, 2, op == PROPHET_UNSET);
    place->db = h->db;
    e.op = op;
    e.field = ph_slice(name, len);
    e.value = prophet_nil();
    return e;
}

static int l_unset(lua_State *L)
{
    const l_record *r = script_record(L, 1);
    script_place place;
    int ts, count = lua_gettop(L) - 1;
    if (count < 1)
        script_fail(L, PROPHET_EUSAGE, "t:unset \"due\"", "unset wants the name of a field");
    if (count > 1) { /* several: as set{ a = prophet.unset, .. } */
        lua_createtable(L, 0, count);
        for (int i = 2; i <= count + 1; i++) {
            (void)script_text(L, i, NULL, "the name of a field");
            lua_pushvalue(L, i);
            script_push_unset(L);
            lua_rawset(L, -3);
        }
        lua_replace(L, 2);
        lua_settop(L, 2);
        return l_set(L);
    }
    lua_settop(L, 3);
    if (has_hooks(L, &ts))
        return by_hooks(L, ts, "unset");
    l_handle *h = script_type_handle(L, ts);
    prophet_edit e = one_edit(L, ts, PROPHET_UNSET, &place, h);
    return update(L, h, ts, r, r->info.version, &e, 1);
}

/* The elements of t:add(field, element) at 3: a plain table is several where elements are no lists or maps. */
static size_t count_elements(lua_State *L, int element)
{
    if (lua_isnil(L, 3))
        script_fail(L, PROPHET_EUSAGE, "t:add(\"tags\", \"ui\")", "there is no element");
    bool several = lua_type(L, 3) == LUA_TTABLE && element != SCRIPT_LIST && element != SCRIPT_MAP;
    if (!several)
        return 0;
    size_t keys = 0, count = (size_t)lua_rawlen(L, 3);
    for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1))
        keys++;
    if (keys != count) /* what a key or a gap hides would be lost without a word */
        script_fail(L, PROPHET_EVALIDATION, "write { a, b }",
                    "elements in a table with keys or gaps: it is no list");
    return count;
}

static int change_set(lua_State *L, prophet_op op, const char *verb)
{
    const l_record *r = script_record(L, 1);
    script_place place;
    int ts;
    if (lua_gettop(L) > 3)
        script_fail(L, PROPHET_EUSAGE, "t:add(\"tags\", { \"ui\", \"crash\" })",
                    "%s takes one element, or a list of them", verb);
    lua_settop(L, 3);
    if (has_hooks(L, &ts))
        return by_hooks(L, ts, verb);
    l_handle *h = script_type_handle(L, ts);
    prophet_edit one = one_edit(L, ts, op, &place, h);
    script_scratch_reset(h);
    if ((place.kind & 0xff) != SCRIPT_SET && (place.kind & 0xff) != SCRIPT_ANY)
        script_fail_field(L, PROPHET_EUSAGE, place.type, place.field,
                          "t:set{ .. } writes other fields",
                          "field \"%s\" is no set: it takes no %s", place.field, verb);
    place.kind >>= 8;
    size_t several = count_elements(L, place.kind), count = several ? several : 1;
    if (!several && lua_type(L, 3) == LUA_TTABLE && lua_rawlen(L, 3) == 0 &&
        place.kind != SCRIPT_MAP && place.kind != SCRIPT_LIST)
        count = 0;
    prophet_edit *edits = script_scratch(L, h, (count ? count : 1) * sizeof *edits);
    for (size_t i = 0; i < count; i++) {
        if (several)
            lua_rawgeti(L, 3, (lua_Integer)i + 1);
        else
            lua_pushvalue(L, 3);
        edits[i] = one;
        edits[i].value = script_to_value(L, -1, &place, &h->scratch);
        lua_pop(L, 1);
    }
    return update(L, h, ts, r, 0, edits, count);
}

static int l_add(lua_State *L)
{
    return change_set(L, PROPHET_ADD, "add");
}

static int l_remove(lua_State *L)
{
    return change_set(L, PROPHET_REMOVE, "remove");
}

static int l_incr(lua_State *L)
{
    const l_record *r = script_record(L, 1);
    script_place place;
    int ts;
    refuse_stray(L, "incr", "t:incr(\"votes\", 2)");
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushinteger(L, 1);
        lua_replace(L, 3);
    }
    int whole = 0;
    lua_Integer by = lua_type(L, 3) == LUA_TNUMBER ? lua_tointegerx(L, 3, &whole) : 0;
    if (!whole) {
        const char *given = lua_type(L, 3) == LUA_TNUMBER
                                ? luaL_tolstring(L, 3, NULL)
                                : lua_pushfstring(L, "a %s", luaL_typename(L, 3));
        script_fail(L, PROPHET_EUSAGE, "t:incr(\"votes\", 2)",
                    "a counter is incremented by an integer, not by %s", given);
    }
    lua_pushinteger(L, by);
    lua_replace(L, 3);
    if (has_hooks(L, &ts))
        return by_hooks(L, ts, "incr");
    l_handle *h = script_type_handle(L, ts);
    prophet_edit e = one_edit(L, ts, PROPHET_INCR, &place, h);
    if ((place.kind & 0xff) != SCRIPT_COUNTER && (place.kind & 0xff) != SCRIPT_ANY)
        script_fail_field(L, PROPHET_EUSAGE, place.type, place.field,
                          "t:set{ .. } writes other fields", "field \"%s\" is no counter",
                          place.field);
    e.value = prophet_int(lua_tointeger(L, 3));
    return update(L, h, ts, r, 0, &e, 1);
}

/* (handle, ts, record, edits, since): edits is a list of {op, field, value}, checked by write.lua. */
static int l_update(lua_State *L)
{
    static const char *const ops[] = { "set", "unset", "add", "remove", "incr", NULL };
    l_handle *h = script_handle(L, 1);
    const l_record *r = script_record(L, 3);
    uint64_t since = (uint64_t)luaL_optinteger(L, 5, 0);
    lua_settop(L, 4);
    size_t count = (size_t)lua_rawlen(L, 4);
    prophet_edit *edits = script_scratch(L, h, count * sizeof *edits);
    for (size_t i = 0; i < count; i++) {
        size_t len;
        lua_rawgeti(L, 4, (lua_Integer)i + 1);
        lua_rawgeti(L, -1, 1);
        edits[i].op = (prophet_op)luaL_checkoption(L, -1, NULL, ops);
        lua_rawgeti(L, -2, 2);
        const char *field = lua_tolstring(L, -1, &len);
        edits[i].field = ph_slice(field, len); /* the list keeps it */
        lua_pushvalue(L, -1);
        lua_rawgeti(L, 2, TS_KINDS);
        lua_insert(L, -2);
        (void)lua_rawget(L, -2);
        int kind = (int)lua_tointeger(L, -1);
        bool element = edits[i].op == PROPHET_ADD || edits[i].op == PROPHET_REMOVE;
        script_place place = { script_type_name(L, 2), field, element ? kind >> 8 : kind, h->db };
        lua_rawgeti(L, 5, 3);
        edits[i].value = script_to_value(L, -1, &place, &h->scratch);
        lua_settop(L, 4);
    }
    return update(L, h, 2, r, since, edits, count);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

typedef prophet_code (*life_fn)(prophet_txn *t, const char *type, const prophet_uuid *id,
                                prophet_doc **doc, prophet_error *err);

static int change_life(lua_State *L, life_fn fn)
{
    prophet_error err = { 0 };
    bool own;
    const l_record *old = script_record(L, 1);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, 1); /* 2 */
    l_handle *h = script_type_handle(L, 2);
    l_record *r = script_record_push(L, 2);
    script_lazy_settle(h, &old->info.id);
    prophet_code rc = script_write_begin(h, &own, &err);
    if (rc >= 0) {
        rc = fn(h->txn, old->info.type, &old->info.id, &r->doc, &err);
        rc = script_write_end(h, own, rc, &err);
    }
    if (rc < 0)
        return script_raise_about(L, &err, old->info.type, &old->info.id);
    (void)script_record_fill(r, h);
    return 1;
}

static int l_delete(lua_State *L)
{
    return change_life(L, prophet_txn_delete);
}

static int l_restore(lua_State *L)
{
    return change_life(L, prophet_txn_restore);
}

void script_write_methods(lua_State *L)
{
    static const luaL_Reg verbs[] = {
        { "set", l_set },         { "unset", l_unset }, { "add", l_add },
        { "remove", l_remove },   { "incr", l_incr },   { "delete", l_delete },
        { "restore", l_restore }, { NULL, NULL },
    };
    luaL_setfuncs(L, verbs, 0);
}

const luaL_Reg script_handle_writes[] = { { "update", l_update }, { NULL, NULL } };
