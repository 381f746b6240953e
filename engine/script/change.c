/* change: db:change and db:view: a function inside a transaction, a savepoint or a snapshot. The function runs in a protected call without
 * a continuation, so that a yield raises; a hook ends what holds the write lock too long. Votes and definitions are written here as well. */
#include "script/script_impl.h"

#define LOOK_EVERY 10000 /* instructions */

/* ---- the time budget of a change ------------------------------------------------------------------- */

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    script_state *s = script_state_of(L);
    if (!s->change_deadline || ph_monotonic_us() < s->change_deadline)
        return;
    lua_sethook(L, on_count, LUA_MASKCOUNT,
                1); /* again at every instruction, so that pcall does not swallow it */
    script_fail(L, PROPHET_EBUDGET, "do the slow part before the change, or set change_timeout",
                "a change holds the write lock, and this one took too long");
}

/* Only where nobody else has a hook: budgets of sealed states look at the clock themselves. */
static bool watch(lua_State *L, const l_handle *h)
{
    if (h->depth > 0 || lua_gethook(L))
        return false;
    script_state_of(L)->change_deadline = ph_monotonic_us() + h->budget_us;
    lua_sethook(L, on_count, LUA_MASKCOUNT, LOOK_EVERY);
    return true;
}

static void unwatch(lua_State *L, bool watched)
{
    if (!watched)
        return;
    lua_sethook(L, NULL, 0, 0);
    script_state_of(L)->change_deadline = 0;
}

/* A yield across us raises Lua's own message: say what it means. */
static void explain_yield(lua_State *L, const char *what, const char *why)
{
    if (lua_type(L, -1) != LUA_TSTRING ||
        !strstr(lua_tostring(L, -1), "attempt to yield across a C-call boundary"))
        return;
    prophet_error err = { 0 };
    (void)ph_fail(&err, PROPHET_EUSAGE, "%s cannot yield%s", what, why);
    ph_hint(&err, "do the waiting before or after it");
    lua_pop(L, 1);
    script_push_error(L, &err);
}

prophet_code script_call_inside(lua_State *L, l_handle *h, const char *what, int nargs)
{
    const char *around = h->inside;
    h->inside = what;
    prophet_code rc = script_call(L, nargs, LUA_MULTRET, true, NULL);
    h->inside = around;
    return rc;
}

/* ---- change ------------------------------------------------------------------------------------------- */

static prophet_code begin(l_handle *h, const char *message, prophet_error *err)
{
    prophet_code rc;
    if (h->depth > 0)
        rc = prophet_txn_savepoint(h->txn, err);
    else if ((rc = prophet_txn_begin(h->db, message, &h->txn, err)) >= 0) {
        h->changes++;
        if ((rc = prophet_db_version(h->db, &h->pending, err)) < 0) {
            prophet_txn_abort(h->txn);
            h->txn = NULL;
        }
        h->pending++;
    }
    if (rc >= 0)
        h->depth++;
    return rc;
}

static void give_up(l_handle *h)
{
    if (!h->db)
        return; /* it was collected or closed meanwhile */
    script_iterators_close(h, h->depth);
    script_lazy_settle_all(h);
    h->depth--;
    if (h->depth > 0) {
        (void)prophet_txn_rollback(h->txn, NULL); /* the error that led here is the one to raise */
    } else {
        prophet_txn_abort(h->txn);
        h->txn = NULL;
    }
}

static prophet_code finish(l_handle *h, prophet_error *err)
{
    script_iterators_close(h, h->depth);
    h->depth--;
    if (h->depth > 0)
        return prophet_txn_release(h->txn, err);
    prophet_txn *txn = h->txn;
    h->txn = NULL;
    return prophet_txn_commit(txn, NULL, NULL, err);
}

/* (handle, message or nil, function, args..) -> what the function gives */
static int l_change(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    const char *message = script_opt_text(L, 2, "the message of a change");
    luaL_checktype(L, 3, LUA_TFUNCTION);
    luaL_checkstack(L, 16, "a change");
    if (h->views > 0)
        script_fail(L, PROPHET_EUSAGE, "change before or after db:view", "a view only reads");
    bool watched = watch(L, h);
    if (begin(h, message, &err) < 0) {
        unwatch(L, watched);
        return script_raise(L, &err);
    }
    prophet_code rc = script_call(L, lua_gettop(L) - 3, LUA_MULTRET, true, NULL);
    unwatch(L, watched);
    if (rc < 0) {
        give_up(h);
        explain_yield(L, "a change", ": it holds the write lock");
        return lua_error(L);
    }
    if (!h->db || h->depth == 0)
        return script_fail(L, PROPHET_EUSAGE, NULL, "the database was closed inside a change");
    rc = finish(h, &err);
    if (rc < 0)
        return script_raise(L, &err);
    return lua_gettop(L) - 2;
}

/* (handle, function, args..) */
static int l_view(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    if (h->depth > 0) { /* a change reads one state anyway */
        lua_call(L, lua_gettop(L) - 2, LUA_MULTRET);
        return lua_gettop(L) - 1;
    }
    if (prophet_view_begin(h->db, &err) < 0)
        return script_raise(L, &err);
    h->views++;
    prophet_code rc = script_call_inside(L, h, "a view", lua_gettop(L) - 2);
    h->views--;
    prophet_view_end(h->db);
    if (rc < 0) {
        explain_yield(L, "a view", ": it keeps a snapshot");
        return lua_error(L);
    }
    return lua_gettop(L) - 1;
}

/* (handle, what, function, args..) -> true and what the function gives, or false and what was raised; what names it in messages. For functions
 * of schemas and of those who watch. */
static int l_hook(lua_State *L)
{
    l_handle *h = luaL_checkudata(L, 1, SCRIPT_HANDLE);
    const char *what = luaL_checkstring(L, 2);
    luaL_checkany(L, 3);
    if (script_call_inside(L, h, what, lua_gettop(L) - 3) < 0) {
        explain_yield(L, what, "");
        lua_pushboolean(L, false);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushboolean(L, true);
    lua_replace(L, 2);
    return lua_gettop(L) - 1;
}

/* ---- definitions ----------------------------------------------------------------------------------------- */

/* (handle, descriptor) */
static int l_define(lua_State *L)
{
    prophet_error err = { 0 };
    bool own;
    l_handle *h = script_handle(L, 1);
    prophet_value descriptor = script_to_value(L, 2, NULL, &h->scratch);
    prophet_code rc = script_write_begin(h, &own, &err);
    if (rc >= 0) {
        rc = prophet_txn_define(h->txn, descriptor, &err);
        rc = script_write_end(h, own, rc, &err);
    }
    if (rc < 0)
        return script_raise(L, &err);
    return 0;
}

/* ---- votes --------------------------------------------------------------------------------------------------- */

static int vote_or_resolve(lua_State *L, bool vote)
{
    prophet_error err = { 0 };
    prophet_cell cell;
    bool own;
    size_t len;
    l_handle *h = script_handle(L, 1);
    cell.type = script_text(L, 2, NULL, "the type of a conflict");
    const char *record = script_text(L, 3, &len, "the record of a conflict");
    cell.field = script_opt_text(L, 4, "the field of a conflict");
    const char *kind = script_opt_text(L, 6, "the kind of a field");
    const char *reason = vote ? script_opt_text(L, 7, "the reason of a vote") : NULL;
    if (prophet_uuid_parse(record, len, &cell.record, &err) < 0)
        return script_raise(L, &err);
    int k = kind ? script_kind_parse(kind) : SCRIPT_ANY;
    script_place place = { cell.type, cell.field, k < 0 ? SCRIPT_ANY : k, h->db };
    prophet_value value = script_to_value(L, 5, &place, &h->scratch);
    script_lazy_settle(h, &cell.record);
    prophet_code rc = script_write_begin(h, &own, &err);
    if (rc >= 0) {
        rc = vote ? prophet_txn_vote(h->txn, &cell, value, reason, &err)
                  : prophet_txn_resolve(h->txn, &cell, value, &err);
        rc = script_write_end(h, own, rc, &err);
    }
    if (rc < 0)
        return script_raise(L, &err);
    return 0;
}

/* (handle, type, record, field or nil, value, kind, reason) */
static int l_vote(lua_State *L)
{
    return vote_or_resolve(L, true);
}

static int l_resolve(lua_State *L)
{
    return vote_or_resolve(L, false);
}

const luaL_Reg script_handle_changes[] = {
    { "change", l_change }, { "view", l_view },       { "hook", l_hook }, { "define", l_define },
    { "vote", l_vote },     { "resolve", l_resolve }, { NULL, NULL },
};
