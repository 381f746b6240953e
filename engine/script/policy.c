/* policy: resolvers in boxes, and as policies of an open database. What the policy calls is resolver.c: it enters no Lua state but its own. */
#include "script/script_impl.h"

#define RESOLVER "prophet.resolver"

typedef struct resolver_box {
    resolver *r;
} resolver_box;

/* What the engine keeps for a policy; freed by drop. Its own copy of the resolver: the box may go first. */
typedef struct policy {
    resolver *r;
    char self[72];
} policy;

static resolver *checked(lua_State *L, int idx)
{
    const resolver_box *box = luaL_checkudata(L, idx, RESOLVER);
    return box->r;
}

/* core.resolver_load(source, chunk) -> box, {name, version, on, hash} */
int l_resolver_load(lua_State *L)
{
    prophet_error err = { 0 };
    size_t len, count;
    char hex[65];
    const char *source = script_text(L, 1, &len, "the source of a resolver");
    const char *chunk = script_text(L, 2, NULL, "the name of a resolver's file");
    resolver_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->r = NULL;
    luaL_setmetatable(L, RESOLVER);
    if (resolver_load(ph_slice(source, len), chunk, &box->r, &err) < 0)
        return script_raise(L, &err);

    const char *const *on = resolver_on(box->r, &count);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, resolver_name(box->r));
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, resolver_version(box->r));
    lua_setfield(L, -2, "version");
    ph_hex(resolver_hash(box->r)->b, 32, hex);
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "hash");
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, on[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "on");
    return 2;
}

static int l_box_gc(lua_State *L)
{
    resolver_box *box = luaL_checkudata(L, 1, RESOLVER);
    resolver_free(box->r);
    box->r = NULL;
    return 0;
}

/* box:ask(conflict, self) -> "vote" "ask" "abstain", value, reason: tries a resolver on a conflict as db:conflicts gives it, or one made up. */
static int l_box_ask(lua_State *L)
{
    static const char *const casts[] = { "abstain", "vote", "ask" };
    prophet_error err = { 0 };
    const resolver *r = checked(L, 1);
    const char *self = luaL_optstring(L, 3, "");
    script_table(L, 2, "a conflict");
    script_arena_box *memory = script_arena_box_push(L);
    script_doc_box *box = script_doc_box_push(L);
    prophet_value conflict = script_to_value(L, 2, NULL, &memory->arena);
    if (prophet_doc_new(conflict, &box->doc, &err) < 0)
        return script_raise(L, &err);
    resolver_answer *answer = lua_newuserdatauv(L, sizeof *answer, 0);
    resolver_ask(r, box->doc, self, &memory->arena, answer);
    lua_pushstring(L, casts[answer->cast]);
    script_push_value(L, &answer->value, true);
    lua_pushstring(L, answer->reason);
    return 3;
}

/* ---- policies ------------------------------------------------------------------------------------------ */

static prophet_code ask(void *ctx, const prophet_doc *conflict, prophet_ballot *ballot,
                        prophet_error *err)
{
    const policy *p = ctx;
    ph_arena arena = PH_ARENA_INIT;
    resolver_answer *answer = ph_zalloc(sizeof *answer);
    if (!answer)
        return ph_nomem(err);
    resolver_ask(p->r, conflict, p->self, &arena, answer);
    prophet_code rc = prophet_ballot_cast(ballot, answer->cast, answer->value,
                                          answer->reason[0] ? answer->reason : NULL, err);
    ph_free(answer);
    ph_arena_clear(&arena);
    return rc;
}

static void drop(void *ctx)
{
    policy *p = ctx;
    resolver_free(p->r);
    ph_free(p);
}

/* The scopes of the list at idx, in the handle's scratch; strings stay in the list. */
static const char **read_scopes(lua_State *L, l_handle *h, int idx, size_t *count)
{
    size_t n = (size_t)lua_rawlen(L, idx);
    const char **on = ph_arena_alloc(&h->scratch, (n + 1) * sizeof *on);
    if (!on)
        script_fail(L, PROPHET_EMEMORY, NULL, "out of memory");
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, idx, (lua_Integer)i + 1) != LUA_TSTRING)
            script_fail(L, PROPHET_EUSAGE, "{ \"ticket.status\" }",
                        "what a resolver is for is a list of texts");
        on[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    *count = n;
    return on;
}

/* (handle, source, chunk, on): loads the resolver and makes it a policy; replaces the one of that name. */
static int l_policy(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_policy p = { 0 };
    size_t len;
    l_handle *h = script_handle(L, 1);
    const char *source = script_text(L, 2, &len, "the source of a resolver");
    const char *chunk = script_text(L, 3, NULL, "the name of a resolver's file");
    luaL_checktype(L, 4, LUA_TTABLE);
    p.on = read_scopes(L, h, 4, &p.on_count);

    policy *own = ph_zalloc(sizeof *own);
    prophet_code rc =
        own ? resolver_load(ph_slice(source, len), chunk, &own->r, &err) : ph_nomem(&err);
    if (rc >= 0) {
        memcpy(own->self, h->replica, sizeof own->self);
        p.size = sizeof p;
        p.name = resolver_name(own->r);
        p.source = *resolver_hash(own->r);
        p.fn = ask;
        p.ctx = own;
        p.drop = drop;
        rc = prophet_policy_set(h->db, &p, &err);
    }
    if (rc < 0) {
        if (own)
            drop(own);
        return script_raise(L, &err);
    }
    return 0;
}

/* (handle, name): takes a resolver away. */
static int l_policy_drop(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_policy p = { 0 };
    l_handle *h = script_handle(L, 1);
    p.size = sizeof p;
    p.name = script_text(L, 2, NULL, "the name of a resolver");
    if (prophet_policy_set(h->db, &p, &err) < 0)
        return script_raise(L, &err);
    return 0;
}

static int l_poll(lua_State *L)
{
    prophet_error err = { 0 };
    l_handle *h = script_handle(L, 1);
    script_no_change(L, h, "poll");
    script_doc_box *box = script_doc_box_push(L);
    script_lazy_settle_all(h);
    if (prophet_poll(h->db, &box->doc, &err) < 0)
        return script_raise(L, &err);
    if (box->doc)
        script_push_doc(L, box->doc);
    else
        lua_newtable(L);
    return 1;
}

const luaL_Reg script_handle_policies[] = {
    { "policy", l_policy },
    { "policy_drop", l_policy_drop },
    { "poll", l_poll },
    { NULL, NULL },
};

void script_resolver_open(lua_State *L)
{
    if (luaL_newmetatable(L, RESOLVER)) {
        lua_pushcfunction(L, l_box_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, RESOLVER);
        lua_setfield(L, -2, "__metatable");
        lua_newtable(L);
        lua_pushcfunction(L, l_box_ask);
        lua_setfield(L, -2, "ask");
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}
