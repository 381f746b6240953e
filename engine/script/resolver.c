/* resolver: asks one resolver, which is a text, for this replica's vote. Each question gets a fresh sealed state with 1,000,000 instructions,
 * 16 MiB and 100 ms; what it sees is the same on every replica, except c.self. Whatever goes wrong is an abstention with its reason. */
#include "script/script_impl.h"

static const sandbox_limits vote_limits = { 1000000, 16u << 20, 100, 8u << 20 };

struct resolver {
    char *name;
    int64_t version;
    ph_buf source;
    prophet_hash hash;
    char **on;
    size_t on_count;
};

/* One run; lives on the C stack, found through the light userdata that the protected function gets. */
typedef struct run {
    const resolver *r;
    const prophet_doc *conflict; /* NULL: only to read what the resolver says of itself */
    const char *self;
    ph_arena *arena;
    resolver_answer *answer;
    resolver *described;
    const char *chunk;
} run;

/* ---- what a resolver sees --------------------------------------------------------------------------- */

static const char cast_key = 0; /* marks what c:merge, c:unset and c:ask give */

static int push_cast(lua_State *L, const char *what)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, what);
    lua_rawsetp(L, -2, &cast_key);
    return 1;
}

static int l_merge(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) >= 2 && !lua_isnil(L, 2), 1,
                  "c:merge(value) wants a value (c:unset() for none)");
    (void)push_cast(L, "merge");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "value");
    return 1;
}

static int l_unset(lua_State *L)
{
    return push_cast(L, "unset");
}

static int l_ask(lua_State *L)
{
    (void)push_cast(L, "ask");
    if (lua_type(L, 2) == LUA_TSTRING) {
        lua_pushvalue(L, 2);
        lua_setfield(L, -2, "reason");
    }
    return 1;
}

static void copy_member(lua_State *L, const prophet_doc *d, const char *name)
{
    prophet_value v;
    if (!prophet_doc_get(d, name, &v))
        return;
    script_push_value(L, &v, strcmp(name, "base") == 0);
    lua_setfield(L, -2, name);
}

/* Entry i of candidates, as a table; the values inside show references as objects, so that nothing is lost. */
static void push_candidate(lua_State *L, const prophet_value *cand)
{
    bool has_value = false;
    lua_createtable(L, 0, 8);
    for (size_t i = 0; cand->kind == PROPHET_MAP && i < cand->as.map.count; i++) {
        const prophet_field *f = &cand->as.map.items[i];
        bool is_value = ph_slice_eq(f->name, ph_slice_str("value"));
        has_value = has_value || is_value;
        lua_pushlstring(L, f->name.data, f->name.len);
        script_push_value(L, &f->value, is_value);
        lua_rawset(L, -3);
    }
    lua_pushboolean(L, !has_value);
    lua_setfield(L, -2, "unset");
}

static void push_candidates(lua_State *L, const prophet_doc *d)
{
    prophet_value list;
    lua_newtable(L);
    if (!prophet_doc_get(d, "candidates", &list) || list.kind != PROPHET_LIST)
        return;
    for (size_t i = 0; i < list.as.list.count; i++) {
        push_candidate(L, &list.as.list.items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_question(lua_State *L, const run *job)
{
    static const char *const members[] = { "type", "record", "field", "kind", "base" };
    static const luaL_Reg methods[] = {
        { "merge", l_merge }, { "unset", l_unset }, { "ask", l_ask }, { NULL, NULL }
    };

    lua_createtable(L, 0, 12);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        copy_member(L, job->conflict, members[i]);
    push_candidates(L, job->conflict);
    lua_setfield(L, -2, "candidates");
    lua_pushstring(L, job->self);
    lua_setfield(L, -2, "self");
    luaL_setfuncs(L, methods, 0);
}

/* ---- what it answers ------------------------------------------------------------------------------------ */

static void say(run *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(run *job, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(job->answer->reason, sizeof job->answer->reason, fmt, args);
    va_end(args);
}

/* The reason, cut at 1,024 bytes between characters; bytes that are no text are left out. */
static void take_reason(lua_State *L, int idx, run *job)
{
    size_t len;
    if (lua_type(L, idx) != LUA_TSTRING)
        return;
    const char *text = lua_tolstring(L, idx, &len);
    if (len > 1024)
        len = 1024;
    while (len > 0 && !ph_utf8_valid(text, len))
        len--;
    memcpy(job->answer->reason, text, len);
    job->answer->reason[len] = '\0';
}

/* Deep enough for a value the sealed state can hold: strings are copied into the arena. */
static bool keep(ph_arena *a, prophet_value *v, int depth)
{
    bool ok = depth <= 16;
    if (v->kind == PROPHET_TEXT || v->kind == PROPHET_BYTES)
        v->as.bytes = ph_arena_copy(a, v->as.bytes, &ok);
    for (size_t i = 0; ok && v->kind == PROPHET_LIST && i < v->as.list.count; i++)
        ok = keep(a, (prophet_value *)&v->as.list.items[i], depth + 1);
    for (size_t i = 0; ok && v->kind == PROPHET_MAP && i < v->as.map.count; i++) {
        prophet_field *f = (prophet_field *)&v->as.map.items[i]; /* of this arena: made just now */
        f->name = ph_arena_copy(a, f->name, &ok);
        ok = ok && keep(a, &f->value, depth + 1);
    }
    return ok;
}

static void take_merged(lua_State *L, run *job)
{
    prophet_value kind;
    char name[32] = "";
    if (prophet_doc_get(job->conflict, "kind", &kind) && kind.kind == PROPHET_TEXT &&
        kind.as.bytes.len < sizeof name)
        memcpy(name, kind.as.bytes.data, kind.as.bytes.len);
    int k = script_kind_parse(name);
    script_place place = { NULL, NULL, k < 0 ? SCRIPT_ANY : k, NULL };
    lua_getfield(L, -1, "value");
    prophet_value v = script_to_value(L, -1, &place, job->arena);
    if (!keep(job->arena, &v, 0))
        luaL_error(L, "out of memory");
    job->answer->value = v;
    job->answer->cast = PROPHET_VOTE;
    lua_pop(L, 1);
}

/* Is the table at idx one of the candidates that were shown? Then its value, exactly as the engine gave it. */
static bool take_candidate(lua_State *L, int idx, int shown, run *job)
{
    prophet_value list;
    if (!prophet_doc_get(job->conflict, "candidates", &list) || list.kind != PROPHET_LIST)
        return false;
    for (size_t i = 0; i < list.as.list.count; i++) {
        lua_rawgeti(L, shown, (lua_Integer)i + 1);
        bool same = lua_rawequal(L, idx, -1);
        lua_pop(L, 1);
        if (!same)
            continue;
        const prophet_value *cand = &list.as.list.items[i];
        job->answer->value = prophet_nil();
        for (size_t k = 0; cand->kind == PROPHET_MAP && k < cand->as.map.count; k++)
            if (ph_slice_eq(cand->as.map.items[k].name, ph_slice_str("value")))
                job->answer->value = cand->as.map.items[k].value;
        job->answer->cast = PROPHET_VOTE;
        return true;
    }
    return false;
}

/* Stack: the answer, the reason; `shown`: a list of the candidates, kept apart from c, which the resolver may have changed. */
static void take_answer(lua_State *L, int shown, run *job)
{
    int answer = lua_absindex(L, -2);
    take_reason(L, lua_absindex(L, -1), job);
    if (lua_isnil(L, answer))
        return; /* abstains */
    if (lua_type(L, answer) != LUA_TTABLE) {
        say(job,
            "it answered with a %s: return a candidate, c:merge(value), c:unset(), c:ask(why) or "
            "nil",
            luaL_typename(L, answer));
        return;
    }
    lua_rawgetp(L, answer, &cast_key);
    const char *cast = lua_tostring(L, -1);
    lua_pop(L, 1);
    if (!cast) {
        if (!take_candidate(L, answer, shown, job))
            say(job, "it answered with a table that is none of the candidates");
        return;
    }
    lua_pushvalue(L, answer);
    if (strcmp(cast, "merge") == 0) {
        take_merged(L, job);
    } else if (strcmp(cast, "unset") == 0) {
        job->answer->cast = PROPHET_VOTE;
        job->answer->value = prophet_nil();
    } else {
        job->answer->cast = PROPHET_ASK;
        lua_getfield(L, -1, "reason");
        take_reason(L, lua_absindex(L, -1), job);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---- running -------------------------------------------------------------------------------------------------- */

static void push_source(lua_State *L, const run *job)
{
    char chunk[160];
    (void)snprintf(chunk, sizeof chunk, "=%s", job->chunk);
    if (luaL_loadbufferx(L, (const char *)job->r->source.data, job->r->source.len, chunk, "t") !=
        LUA_OK)
        lua_error(L);
    lua_call(L, 0, 1); /* inside l_run's protected call */
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "a resolver returns a table, not a %s", luaL_typename(L, -1));
    if (lua_getfield(L, -1, "vote") != LUA_TFUNCTION)
        luaL_error(L, "a resolver has a function `vote`, not a %s", luaL_typename(L, -1));
    lua_pop(L, 1);
}

static char *keep_text(lua_State *L, int idx)
{
    char *copy = ph_strdup(lua_tostring(L, idx));
    if (!copy)
        luaL_error(L, "out of memory");
    return copy;
}

static bool scope_is_plain(const char *s)
{
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_.:*")] == '\0' && s[0] &&
           strlen(s) <= 160;
}

static void describe_on(lua_State *L, resolver *r)
{
    lua_Integer n = 0;
    if (lua_getfield(L, -1, "on") == LUA_TTABLE)
        n = (lua_Integer)lua_rawlen(L, -1);
    else if (!lua_isnil(L, -1))
        luaL_error(L, "`on` is a list of texts such as \"ticket.status\", not a %s",
                   luaL_typename(L, -1));
    if (n > 1000)
        luaL_error(L, "`on` has more than 1,000 entries");
    r->on = ph_zalloc(((size_t)n + 1) * sizeof *r->on);
    if (!r->on)
        luaL_error(L, "out of memory");
    for (lua_Integer i = 1; i <= n; i++) {
        if (lua_rawgeti(L, -1, i) != LUA_TSTRING || !scope_is_plain(lua_tostring(L, -1)))
            luaL_error(L,
                       "entry %d of `on` is none of \"type.field\", \"type:life\", \"type.*\", "
                       "\"kind:text\", \"*\"",
                       (int)i);
        r->on[r->on_count] = keep_text(L, -1);
        r->on_count++;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void describe(lua_State *L, resolver *r)
{
    if (lua_getfield(L, -1, "name") != LUA_TSTRING || !lua_tostring(L, -1)[0] ||
        lua_rawlen(L, -1) > 64)
        luaL_error(L, "a resolver has a `name` of at most 64 bytes");
    r->name = keep_text(L, -1);
    lua_pop(L, 1);
    int type = lua_getfield(L, -1, "version");
    if (type != LUA_TNIL && !lua_isinteger(L, -1))
        luaL_error(L, "`version` is an integer");
    r->version = type == LUA_TNIL ? 1 : lua_tointeger(L, -1);
    lua_pop(L, 1);
    describe_on(L, r);
}

/* The protected part: argument 1 is the run. */
static int l_run(lua_State *L)
{
    run *job = lua_touserdata(L, 1);
    lua_settop(L, 0);
    sandbox_seal(L);
    script_values_open(L);
    push_source(L, job); /* 1 */
    if (!job->conflict) {
        describe(L, job->described);
        return 0;
    }
    lua_newtable(L); /* 2: the candidates, for us */
    lua_getfield(L, 1, "vote");
    push_question(L, job);
    lua_getfield(L, -1, "candidates");
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++)
        lua_rawseti(L, 2, i);
    lua_pop(L, 2);
    lua_call(L, 1, 2);
    take_answer(L, 2, job);
    return 0;
}

static prophet_code run_sealed(run *job, prophet_error *err)
{
    sandbox s;
    prophet_code rc = sandbox_init(&s, &vote_limits, err);
    if (rc < 0)
        return rc;
    sandbox_refill(&s);
    lua_pushcfunction(s.L, l_run);
    lua_pushlightuserdata(s.L, job);
    rc = script_call(s.L, 1, 0, false, err);
    sandbox_clear(&s);
    return rc;
}

void resolver_ask(const resolver *r, const prophet_doc *conflict, const char *self, ph_arena *a,
                  resolver_answer *out)
{
    prophet_error err = { 0 };
    run job = { r, conflict, self, a, out, NULL, r->name };

    out->cast = PROPHET_ABSTAIN;
    out->value = prophet_nil();
    out->reason[0] = '\0';
    prophet_code rc = run_sealed(&job, &err);
    if (rc >= 0)
        return;
    out->cast = PROPHET_ABSTAIN;
    out->value = prophet_nil();
    (void)snprintf(out->reason, sizeof out->reason, "%s%s", rc == PROPHET_EBUDGET ? "budget: " : "",
                   err.message);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

prophet_code resolver_load(prophet_slice source, const char *chunk, resolver **out,
                           prophet_error *err)
{
    resolver *r = ph_zalloc(sizeof *r);
    prophet_code rc;

    if (!r)
        return ph_nomem(err);
    ph_buf_put(&r->source, source.data, source.len);
    run job = { r, NULL, "", NULL, NULL, r, chunk };
    if (r->source.failed)
        rc = ph_nomem(err);
    else if ((rc = prophet_hash_of(source, &r->hash, err)) >= 0)
        rc = run_sealed(&job, err);
    if (rc < 0) {
        ph_context(err, "resolver %s", chunk);
        resolver_free(r);
        return rc;
    }
    *out = r;
    return rc;
}

void resolver_free(resolver *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->on_count; i++)
        ph_free(r->on[i]);
    ph_free(r->on);
    ph_free(r->name);
    ph_buf_clear(&r->source);
    ph_free(r);
}

const char *resolver_name(const resolver *r)
{
    return r->name;
}

const prophet_hash *resolver_hash(const resolver *r)
{
    return &r->hash;
}

int64_t resolver_version(const resolver *r)
{
    return r->version;
}

const char *const *resolver_on(const resolver *r, size_t *count)
{
    *count = r->on_count;
    return (const char *const *)r->on;
}
