/* record: a record as it was read: a frozen snapshot. Reading a field opens just that field of the engine's row. Writing verbs are in
 * record_create.c and record_write.c, what is rarely used in lua/prophet/record.lua. */
#include "script/script_impl.h"

#define MAGIC 0x50524543u

enum {
    OWN_ID = 1,
    OWN_N,
    OWN_TYPE,
    OWN_VERSION
}; /* members that are no methods: small integers in the table of methods */

l_record *script_record_push(lua_State *L, int ts)
{
    ts = lua_absindex(L, ts);
    l_record *r = lua_newuserdatauv(L, sizeof *r, 1);
    memset(r, 0, sizeof *r);
    r->magic = MAGIC;
    luaL_setmetatable(L, SCRIPT_RECORD);
    lua_pushvalue(L, ts);
    lua_setiuservalue(L, -2, 1);
    script_state_of(L)->records++;
    script_stress(L);
    return r;
}

bool script_record_fill(l_record *r, const l_handle *h)
{
    r->change = h->depth > 0 ? h->changes : 0;
    return r->doc && prophet_doc_record(r->doc, &r->info);
}

l_record *script_record_at(lua_State *L, int idx)
{
    return luaL_testudata(L, idx, SCRIPT_RECORD);
}

l_record *script_record(lua_State *L, int idx)
{
    l_record *r = script_record_at(L, idx);
    if (!r)
        script_fail(L, PROPHET_EUSAGE, "call methods with a colon: t:get \"name\"",
                    "a record is wanted, not a %s", luaL_typename(L, idx));
    return r;
}

static int l_gc(lua_State *L)
{
    l_record *r = lua_touserdata(L, 1);
    if (r->magic != MAGIC)
        return 0;
    r->magic = 0;
    if (r->lazy) {
        lua_getiuservalue(L, 1, 1);
        lua_rawgeti(L, -1, TS_HANDLE);
        script_lazy_remove(lua_touserdata(L, -1), r);
    }
    prophet_doc_free(r->doc);
    r->doc = NULL;
    script_state_of(L)->records--;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

/* New records get their final numbers when their change is committed: what was read inside is looked up once more. */
static void settle_number(lua_State *L, l_record *r)
{
    prophet_doc *doc = NULL;
    prophet_record info;
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, TS_HANDLE);
    const l_handle *h = lua_touserdata(L, -1);
    lua_pop(L, 2);
    if (!h->db || (h->depth > 0 && h->changes == r->change))
        return;
    r->change = 0;
    if (prophet_get(h->db, r->info.type, prophet_ref(r->info.id), &doc, NULL) == PROPHET_OK &&
        prophet_doc_record(doc, &info))
        r->info.number = info.number;
    prophet_doc_free(doc);
}

static int push_own(lua_State *L, l_record *r, lua_Integer what)
{
    if (what == OWN_N && r->change)
        settle_number(L, r);
    switch (what) {
    case OWN_ID: script_push_id(L, &r->info.id); return 1;
    case OWN_N: lua_pushinteger(L, (lua_Integer)r->info.number); return 1;
    case OWN_TYPE: lua_pushstring(L, r->info.type); return 1;
    }
    lua_pushinteger(L, (lua_Integer)r->info.version);
    return 1;
}

/* The kind of the field whose name is at `name`; -1: unknown. Leaves the type's table on the stack. */
static lua_Integer kind_of(lua_State *L, int record, int name)
{
    lua_getiuservalue(L, record, 1);
    lua_rawgeti(L, -1, TS_KINDS);
    lua_pushvalue(L, name);
    lua_Integer kind = lua_rawget(L, -2) == LUA_TNIL ? -1 : lua_tointeger(L, -1);
    lua_pop(L, 2);
    return kind;
}

/* Lua finds it: a reference is followed, computed and many are made, an unknown name raises. raw: `get`, without following. */
static int missing(lua_State *L, const prophet_value *ref, bool raw)
{
    lua_getiuservalue(L, 1, 1);
    lua_rawgeti(L, -1, TS_MISSING);
    lua_insert(L, -2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    if (ref)
        script_push_id(L, &ref->as.ref);
    else
        lua_pushnil(L);
    lua_pushboolean(L, raw);
    lua_call(L, 5, 1); /* Lua called us, nothing is held */
    return 1;
}

/* Stack: record, name (a string). */
static int push_field(lua_State *L, l_record *r, bool follow)
{
    prophet_value v;
    const prophet_doc *doc = r->doc ? r->doc : script_record_doc(L, 1, r);
    if (prophet_doc_get(doc, lua_tostring(L, 2), &v)) {
        if (v.kind == PROPHET_REF && follow)
            return missing(L, &v, false);
        bool refs = true;
        if (v.kind == PROPHET_LIST)
            refs = kind_of(L, 1, 2) >> 8 != SCRIPT_REF_K;
        script_push_value(L, &v, v.kind == PROPHET_REF ? false : refs);
        return 1;
    }
    lua_Integer kind = kind_of(L, 1, 2);
    switch (kind & 0xff) {
    case SCRIPT_SET: lua_newtable(L); return 1;
    case SCRIPT_COUNTER: lua_pushinteger(L, 0); return 1;
    case SCRIPT_COMPUTED:
    case SCRIPT_MANY: return missing(L, NULL, !follow);
    }
    if (kind < 0)
        return missing(L, NULL, !follow);
    lua_pushnil(L);
    return 1;
}

/* Upvalue 1: the methods. */
static int l_index(lua_State *L)
{
    l_record *r = lua_touserdata(L, 1);
    if (!r || r->magic != MAGIC)
        return luaL_argerror(L, 1, "a record is wanted");
    lua_settop(L, 2);
    if (lua_type(L, 2) != LUA_TSTRING) {
        lua_pushnil(L);
        return missing(L, NULL, false);
    }
    lua_pushvalue(L, 2);
    int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TFUNCTION)
        return 1;
    if (type == LUA_TNUMBER)
        return push_own(L, r, lua_tointeger(L, -1));
    return push_field(L, r, true);
}

/* t:get "name": the field, whatever it is called; a reference as its id. */
static int l_get(lua_State *L)
{
    l_record *r = script_record(L, 1);
    (void)script_text(L, 2, NULL, "the name of a field");
    lua_settop(L, 2);
    return push_field(L, r, false);
}

static int l_newindex(lua_State *L)
{
    char hint[160];
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "field";
    const l_record *r = script_record(L, 1);
    (void)snprintf(hint, sizeof hint, "write t = t:set{ %.60s = .. }", name);
    return script_fail_field(L, PROPHET_EIMMUTABLE, r->info.type, name, hint,
                             "a record is a snapshot: %.60s is not assigned", name);
}

static int l_eq(lua_State *L)
{
    const l_record *a = script_record_at(L, 1), *b = script_record_at(L, 2);
    bool same = a && b && memcmp(&a->info.id, &b->info.id, sizeof a->info.id) == 0 &&
                a->info.version == b->info.version && strcmp(a->info.type, b->info.type) == 0;
    lua_pushboolean(L, same);
    return 1;
}

/* The i-th stored field, from 1: name, value; nothing behind the last. For pairs and t:fields(). */
static int l_at(lua_State *L)
{
    prophet_slice name;
    prophet_value v;
    l_record *r = script_record(L, 1);
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 1 || !prophet_doc_at(script_record_doc(L, 1, r), (size_t)i - 1, &name, &v))
        return 0;
    lua_settop(L, 1);
    lua_pushlstring(L, name.data, name.len);
    bool refs =
        v.kind != PROPHET_REF && !(v.kind == PROPHET_LIST && kind_of(L, 1, 2) >> 8 == SCRIPT_REF_K);
    lua_settop(L, 2);
    script_push_value(L, &v, refs);
    return 2;
}

static int l_state(lua_State *L)
{
    l_record *r = script_record(L, 1);
    (void)script_record_doc(L, 1, r);
    lua_pushboolean(L, r->info.deleted);
    lua_pushboolean(L, r->info.conflict);
    return 2;
}

static int l_type_of(lua_State *L)
{
    (void)script_record(L, 1);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static int l_is(lua_State *L)
{
    lua_pushboolean(L, script_record_at(L, 1) != NULL);
    return 1;
}

/* core.record: {methods, metatable, at, state, type, is}: for lua/prophet/record.lua. */
static void push_private(lua_State *L, int methods, int metatable)
{
    static const luaL_Reg functions[] = {
        { "at", l_at }, { "state", l_state }, { "type", l_type_of }, { "is", l_is }, { NULL, NULL },
    };
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_pushvalue(L, methods);
    lua_setfield(L, -2, "methods");
    lua_pushvalue(L, metatable);
    lua_setfield(L, -2, "metatable");
}

void script_record_open(lua_State *L)
{
    static const struct {
        const char *name;
        int own;
    } own[] = {
        { "id", OWN_ID }, { "n", OWN_N }, { "type", OWN_TYPE }, { "version", OWN_VERSION }
    };

    luaL_newmetatable(L, SCRIPT_RECORD);
    int metatable = lua_gettop(L);
    lua_newtable(L);
    int methods = lua_gettop(L);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        lua_pushinteger(L, own[i].own);
        lua_setfield(L, methods, own[i].name);
    }
    lua_pushcfunction(L, l_get);
    lua_setfield(L, methods, "get");
    script_write_methods(L);
    lua_pushvalue(L, methods);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, metatable, "__index");
    static const luaL_Reg meta[] = {
        { "__newindex", l_newindex }, { "__gc", l_gc }, { "__eq", l_eq }, { NULL, NULL }
    };
    lua_pushvalue(L, metatable);
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, SCRIPT_RECORD);
    lua_setfield(L, metatable, "__metatable");
    lua_settop(L, methods);
    push_private(L, methods, metatable);
    lua_replace(L, metatable);
    lua_settop(L, metatable);
}
