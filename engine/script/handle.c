/* handle: an open database as a boxed object. Private: lua/prophet/db.lua wraps it. Opening, closing, upkeep; the other methods are in
 * handle_read.c, change.c, record_create.c, record_write.c, exchange.c and policy.c. */
#include "script/script_impl.h"

#define CHANGE_BUDGET_S 30

/* ---- boxes -------------------------------------------------------------------------------------------- */

l_handle *script_handle_push(lua_State *L)
{
    l_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    memset(h, 0, sizeof *h);
    h->clock = LUA_NOREF;
    h->main = L;
    h->budget_us = CHANGE_BUDGET_S * 1000000ull;
    luaL_setmetatable(L, SCRIPT_HANDLE);
    return h;
}

static l_handle *opened(lua_State *L, l_handle *h)
{
    if (!h->db)
        script_fail(L, PROPHET_EUSAGE, NULL, "the database is closed");
    h->main = L;
    h->calls++;
    script_scratch_reset(h);
    script_stress(L);
    return h;
}

l_handle *script_handle(lua_State *L, int idx)
{
    return opened(L, luaL_checkudata(L, idx, SCRIPT_HANDLE));
}

l_handle *script_handle_quick(lua_State *L, int idx)
{
    return opened(L, lua_touserdata(L, idx));
}

static void close_database(lua_State *L, l_handle *h)
{
    script_iterators_close(h, 0);
    script_lazy_clear(h);
    prophet_txn_abort(h->txn);
    h->txn = NULL;
    h->depth = 0;
    for (; h->views > 0; h->views--)
        prophet_view_end(h->db);
    h->main = L;
    if (!h->borrowed)
        prophet_close(h->db);
    h->db = NULL;
    script_state *s = script_state_of(L);
    s->handles--;
    for (l_handle **p = &s->open; *p; p = &(*p)->next)
        if (*p == h) {
            *p = h->next;
            break;
        }
}

void script_handle_close(lua_State *L, l_handle *h)
{
    if (h->db)
        close_database(L, h);
    script_unref(L, h->clock);
    h->clock = LUA_NOREF;
    ph_arena_clear(&h->scratch);
}

static int l_gc(lua_State *L)
{
    script_handle_close(L, luaL_checkudata(L, 1, SCRIPT_HANDLE));
    return 0;
}

static int l_close(lua_State *L)
{
    l_handle *h = luaL_checkudata(L, 1, SCRIPT_HANDLE);
    if (h->db && h->depth > 0)
        script_fail(L, PROPHET_EUSAGE, "close it after the change",
                    "a database is not closed inside a change");
    if (h->db && h->inside)
        script_fail(L, PROPHET_EUSAGE, "close it when that has returned",
                    "a database is not closed inside %s", h->inside);
    if (h->db)
        script_lazy_settle_all(h); /* records outlive their database */
    script_handle_close(L, h);
    return 0;
}

void script_no_change(lua_State *L, const l_handle *h, const char *what)
{
    if (h->depth > 0)
        script_fail(L, PROPHET_EUSAGE, "do it before or after the change", "%s inside a change",
                    what);
}

/* ---- options --------------------------------------------------------------------------------------------- */

/* In a protected call: (function, place of the answer). */
static int l_ask_clock(lua_State *L)
{
    int64_t *ms = lua_touserdata(L, 2);
    lua_settop(L, 1);
    lua_call(L, 0, 1);
    if (!script_is_time(L, -1, ms) && lua_isinteger(L, -1))
        *ms = lua_tointeger(L, -1);
    return 0;
}

static int64_t lua_clock(void *ctx)
{
    l_handle *h = ctx;
    lua_State *L = h->main;
    int64_t ms = ph_now_ms(), answer = ms;
    if (!lua_checkstack(L, 8))
        return ms;
    lua_pushcfunction(L, l_ask_clock);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->clock);
    lua_pushlightuserdata(L, &answer);
    const char *around = script_hold(h, "its clock");
    prophet_code rc = script_call(L, 2, 0, false, NULL);
    script_release(h, around);
    return rc < 0 ? ms : answer; /* a broken clock is the wall clock */
}

static int one_of(lua_State *L, int idx, const char *name, const char *first, const char *second)
{
    const char *value = script_text_option(L, idx, name);
    bool is_second = value && strcmp(value, second) == 0;
    if (value && !is_second && strcmp(value, first) != 0)
        script_fail(L, PROPHET_EUSAGE, NULL, "option %s is \"%s\" or \"%s\", not \"%s\"", name,
                    first, second, value);
    lua_pop(L, 1);
    return is_second;
}

static void read_numbers(lua_State *L, int idx, l_handle *h, prophet_options *o)
{
    if (lua_getfield(L, idx, "reads") != LUA_TNIL) {
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) <= 0)
            script_fail(L, PROPHET_EUSAGE, NULL, "option reads is no number of keys above 0");
        o->reads = (uint64_t)lua_tointeger(L, -1);
    }
    if (lua_getfield(L, idx, "lock_timeout") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER || lua_tonumber(L, -1) <= 0 ||
            lua_tonumber(L, -1) > 86400)
            script_fail(L, PROPHET_EUSAGE, NULL, "option lock_timeout is no number of seconds");
        o->lock_timeout_ms = (uint32_t)(lua_tonumber(L, -1) * 1000);
    }
    if (lua_getfield(L, idx, "change_timeout") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TNUMBER || lua_tonumber(L, -1) <= 0 ||
            lua_tonumber(L, -1) > 86400)
            script_fail(L, PROPHET_EUSAGE, NULL, "option change_timeout is no number of seconds");
        h->budget_us = (uint64_t)(lua_tonumber(L, -1) * 1e6);
    }
    lua_pop(L, 3);
}

/* The options table at idx (absent: all defaults); the user's name and the seal's stay on the stack. */
static void read_options(lua_State *L, int idx, l_handle *h, prophet_options *o)
{
    if (lua_isnoneornil(L, idx)) {
        lua_pushnil(L);
        return;
    }
    script_table(L, idx, "options");
    o->create = script_flag(L, idx, "create");
    o->readonly = script_flag(L, idx, "readonly");
    o->durability =
        one_of(L, idx, "durability", "full", "relaxed") ? PROPHET_RELAXED : PROPHET_FULL;
    o->voting = one_of(L, idx, "voting", "lazy", "eager") ? PROPHET_EAGER : PROPHET_LAZY;
    read_numbers(L, idx, h, o);
    if (lua_getfield(L, idx, "clock") == LUA_TFUNCTION) {
        h->clock = script_ref(L);
        o->clock = lua_clock;
        o->clock_ctx = h;
    } else {
        if (!lua_isnil(L, -1))
            script_fail(L, PROPHET_EUSAGE, NULL, "option clock is a %s, not a function",
                        luaL_typename(L, -1));
        lua_pop(L, 1);
    }
    o->user = script_text_option(L, idx, "user");
    o->seal = script_text_option(L, idx, "seal");
}

void script_handle_enlist(lua_State *L, l_handle *h)
{
    script_state *s = script_state_of(L);
    s->handles++;
    h->next = s->open;
    s->open = h;
}

void script_handle_opened(lua_State *L, l_handle *h)
{
    prophet_doc *info = NULL;
    prophet_value v;
    script_handle_enlist(L, h);
    if (prophet_info(h->db, &info, NULL) >= 0 && prophet_doc_get(info, "replica", &v) &&
        v.kind == PROPHET_TEXT && v.as.bytes.len < sizeof h->replica)
        memcpy(h->replica, v.as.bytes.data, v.as.bytes.len);
    prophet_doc_free(info);
}

/* core.open(path, options) -> handle */
static int l_open(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_options o = PROPHET_OPTIONS_INIT;
    script_require_unsealed(L, "opening a database");
    const char *path = script_text(L, 1, NULL, "the path of a database");
    lua_settop(L, 2);
    l_handle *h = script_handle_push(L);
    read_options(L, 2, h, &o);
    if (prophet_open(path, &o, &h->db, &err) < 0)
        return script_raise(L, &err);
    script_handle_opened(L, h);
    lua_pushvalue(L, 3);
    return 1;
}

/* core.clone(source, path, options) -> handle, report */
static int l_clone(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    prophet_doc *report = NULL;
    script_require_unsealed(L, "cloning a database");
    const char *source = script_text(L, 1, NULL, "what is cloned");
    const char *path = script_text(L, 2, NULL, "the path of the clone");
    lua_settop(L, 3);
    l_handle *h = script_handle_push(L); /* 4 */
    script_doc_box *box = script_doc_box_push(L);
    read_options(L, 3, h, &o);
    if (!lua_isnoneornil(L, 3)) {
        script_way(L, 3, &way);
        o.dry_run = script_flag(L, 3, "dry_run");
        if (script_has_progress(L)) {
            o.progress = script_progress;
            o.progress_ctx = L;
        }
    }
    o.net = &way;
    if (prophet_clone(source, path, &o, &h->db, &report, &err) < 0)
        return script_raise(L, &err);
    box->doc = report;
    if (h->db) {
        script_handle_opened(L, h);
        lua_pushvalue(L, 4);
    } else { /* a dry run */
        lua_pushnil(L);
    }
    script_push_doc(L, report);
    return 2;
}

/* ---- documents in boxes: freed whatever happens while they are read ----------------------------------------- */

static int l_doc_gc(lua_State *L)
{
    script_doc_box *box = lua_touserdata(L, 1);
    prophet_doc_free(box->doc);
    box->doc = NULL;
    return 0;
}

script_doc_box *script_doc_box_push(lua_State *L)
{
    script_stress(L);
    script_doc_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->doc = NULL;
    if (luaL_newmetatable(L, "prophet.document")) {
        lua_pushcfunction(L, l_doc_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

typedef prophet_code (*report_fn)(prophet_db *db, prophet_doc **out, prophet_error *err);

static int push_report(lua_State *L, report_fn fn)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    script_doc_box *box = script_doc_box_push(L);
    if (fn(h->db, &box->doc, &err) < 0)
        return script_raise(L, &err);
    script_push_doc(L, box->doc);
    return 1;
}

static int l_info(lua_State *L)
{
    return push_report(L, prophet_info);
}

static int l_stats(lua_State *L)
{
    return push_report(L, prophet_stats);
}

static int l_check(lua_State *L)
{
    script_no_change(L, script_handle(L, 1), "check");
    return push_report(L, prophet_check);
}

/* ---- upkeep --------------------------------------------------------------------------------------------------- */

typedef prophet_code (*upkeep_fn)(prophet_db *db, prophet_error *err);

static int upkeep(lua_State *L, upkeep_fn fn, const char *what)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    script_no_change(L, h, what);
    if (fn(h->db, &err) < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, nil, {progress}) */
static int l_rebuild(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 3);
    script_no_change(L, h, "rebuild");
    bool tells = !lua_isnil(L, 3) && script_has_progress(L);
    script_iterators_close(h, 0);
    const char *around = script_hold(h, "rebuild");
    prophet_code rc =
        prophet_rebuild(h->db, tells ? script_progress : NULL, tells ? L : NULL, &err);
    script_release(h, around);
    return rc < 0 ? script_raise(L, &err) : 0;
}

/* (handle, nil, {progress}): what commits left of indexes; nothing inside a change, which is not committed yet, nor in a view. */
static int l_finish(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 3);
    if (h->txn || h->views > 0 || !script_has_progress(L))
        return 0;
    h->held++;
    prophet_code rc = prophet_finish(h->db, script_progress, L, &err);
    h->held--;
    return rc < 0 ? script_raise(L, &err) : 0;
}

static int l_finish_later(lua_State *L)
{
    prophet_finish_later(script_handle(L, 1)->db, true);
    return 0;
}

static int l_flush(lua_State *L)
{
    return upkeep(L, prophet_flush, "flush");
}

static int l_sign(lua_State *L)
{
    return upkeep(L, prophet_sign, "sign");
}

static int l_adopt(lua_State *L)
{
    return upkeep(L, prophet_adopt, "adopt");
}

static int l_set_user(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    if (prophet_set_user(h->db, script_text(L, 2, NULL, "user"), &err) < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle) -> how many calls of it there were, this one too */
static int l_calls(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)script_handle(L, 1)->calls);
    return 1;
}

static int l_version(lua_State *L)
{
    prophet_error err = { 0 };
    uint64_t version = 0;
    l_handle *h = script_handle(L, 1);
    if (prophet_db_version(h->db, &version, &err) < 0)
        return script_raise(L, &err);
    lua_pushinteger(L, (lua_Integer)version);
    return 1;
}

/* (handle, version, milliseconds) -> is there more than this version? Below 0: for ever */
static int l_wait(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "waiting");
    l_handle *h = script_handle(L, 1);
    script_no_change(L, h, "waiting");
    uint64_t version = (uint64_t)luaL_checkinteger(L, 2);
    int ms = (int)luaL_checkinteger(L, 3);
    prophet_code rc = prophet_wait(h->db, version, ms, &err);
    if (rc < 0)
        return script_raise(L, &err);
    lua_pushboolean(L, rc == PROPHET_OK);
    return 1;
}

static int l_notice(lua_State *L)
{
    lua_pushstring(L, prophet_notice(script_handle(L, 1)->db));
    return 1;
}

static int l_is_open(lua_State *L)
{
    const l_handle *h = luaL_checkudata(L, 1, SCRIPT_HANDLE);
    lua_pushboolean(L, h->db != NULL);
    return 1;
}

static int l_depth(lua_State *L)
{
    const l_handle *h = luaL_checkudata(L, 1, SCRIPT_HANDLE);
    lua_pushinteger(L, h->depth);
    return 1;
}

const luaL_Reg script_handle_core[] = {
    { "close", l_close },     { "is_open", l_is_open },
    { "depth", l_depth },     { "info", l_info },
    { "stats", l_stats },     { "check", l_check },
    { "finish", l_finish },   { "finish_later", l_finish_later },
    { "rebuild", l_rebuild }, { "flush", l_flush },
    { "sign", l_sign },       { "adopt", l_adopt },
    { "version", l_version }, { "calls", l_calls },
    { "notice", l_notice },   { "set_user", l_set_user },
    { "wait", l_wait },       { NULL, NULL },
};
/* core.new_key(path, passphrase or nil) */
static int l_new_key(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "making a key");
    const char *path = script_text(L, 1, NULL, "the path of a key");
    const char *passphrase = lua_isnoneornil(L, 2) ? NULL : script_text(L, 2, NULL, "a passphrase");
    return prophet_key_new(path, passphrase, &err) < 0 ? script_raise(L, &err) : 0;
}

const luaL_Reg script_core_open[] = {
    { "open", l_open }, { "clone", l_clone }, { "new_key", l_new_key }, { NULL, NULL }
};

void script_handle_open(lua_State *L)
{
    static const luaL_Reg *const all[] = {
        script_handle_core,   script_handle_reads,    script_handle_changes,  script_handle_creates,
        script_handle_writes, script_handle_exchange, script_handle_policies, script_handle_serve,
        script_handle_past,   script_handle_remote,   script_handle_live
    };
    if (luaL_newmetatable(L, SCRIPT_HANDLE)) {
        lua_newtable(L);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            luaL_setfuncs(L, all[i], 0);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, l_gc);
        lua_setfield(L, -2, "__close");
        lua_pushliteral(L, SCRIPT_HANDLE);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}
