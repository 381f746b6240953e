/* sandbox: Lua states with budgets that hold. The allocator counts bytes; a count hook counts instructions and looks at the clock; work
 * inside C functions is charged by themselves (sandbox_charge). Once a budget is spent, the hook fires at every instruction and pcall
 * raises again, so that nothing swallows it. Used by resolvers, by limited VMs and by `prophet-lua --sandbox`. */
#include "script/script_impl.h"

#define STEP 100 /* instructions between two looks */

static void *allocate(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    sandbox *s = ctx;
    size_t old = ptr ? old_size : 0;

    if (new_size == 0) {
        ph_free(ptr);
        s->used -= old;
        return NULL;
    }
    bool grows = new_size > old;
    if (grows && s->limits.memory &&
        (new_size - old > s->limits.memory - s->used || s->used > s->limits.memory)) {
        s->refused = true;
        return NULL;
    }
    if (grows && s->limits.block && new_size > s->limits.block) {
        s->refused = true;
        return NULL;
    }
    void *p = ph_realloc(ptr, new_size);
    if (p)
        s->used = s->used - old + new_size;
    return p;
}

bool sandbox_is(lua_State *L)
{
    void *ud;
    return lua_getallocf(L, &ud) == allocate;
}

sandbox *sandbox_of(lua_State *L)
{
    void *ud = NULL;
    return lua_getallocf(L, &ud) == allocate ? ud : NULL;
}

bool sandbox_why(const sandbox *s, prophet_error *err)
{
    switch (s->stop) {
    case SANDBOX_RUNS: return false;
    case SANDBOX_INSTRUCTIONS:
        (void)ph_fail(err, PROPHET_EBUDGET, "%llu instructions are spent",
                      (unsigned long long)s->limits.instructions);
        return true;
    case SANDBOX_MEMORY:
        (void)ph_fail(err, PROPHET_EBUDGET, "%zu bytes of memory are spent", s->limits.memory);
        return true;
    case SANDBOX_TIME:
        (void)ph_fail(err, PROPHET_EBUDGET, "%llu ms are spent",
                      (unsigned long long)s->limits.milliseconds);
        return true;
    case SANDBOX_INTERRUPTED: (void)ph_fail(err, PROPHET_EINTERRUPTED, "interrupted"); return true;
    }
    return false;
}

/* Raised as plain text: there may be no memory for more. Who called looks at s->stop. */
static void raise_stop(lua_State *L)
{
    lua_pushliteral(L, "budget");
    lua_error(L);
}

static void on_count(lua_State *L, lua_Debug *ar);

static void stop(lua_State *L, sandbox *s, sandbox_stop why)
{
    s->stop = why;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    raise_stop(L);
}

static void look(lua_State *L, sandbox *s)
{
    if (s->stop != SANDBOX_RUNS)
        raise_stop(L);
    if (s->interrupt)
        stop(L, s, SANDBOX_INTERRUPTED);
    if (s->limits.instructions && s->left <= 0)
        stop(L, s, SANDBOX_INSTRUCTIONS);
    if (s->deadline && ph_monotonic_us() > s->deadline)
        stop(L, s, SANDBOX_TIME);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sandbox *s = sandbox_of(L);
    s->left -= STEP;
    look(L, s);
}

void sandbox_charge(lua_State *L, size_t work)
{
    sandbox *s = sandbox_of(L);
    if (!s || !s->counting)
        return;
    s->left -= work < INT32_MAX ? (int64_t)work : INT32_MAX;
    if (s->left <= 0 || work >= STEP || s->stop != SANDBOX_RUNS)
        look(L, s);
}

void sandbox_refill(sandbox *s)
{
    s->left = s->limits.instructions < INT64_MAX ? (int64_t)s->limits.instructions : INT64_MAX;
    s->deadline = s->limits.milliseconds ? ph_monotonic_us() + s->limits.milliseconds * 1000 : 0;
    s->stop = SANDBOX_RUNS;
    s->refused = false;
    s->counting = true;
    lua_sethook(s->L, on_count, LUA_MASKCOUNT, STEP);
}

prophet_code sandbox_init(sandbox *s, const sandbox_limits *limits, prophet_error *err)
{
    memset(s, 0, sizeof *s);
    s->limits = *limits;
    s->L = lua_newstate(allocate, s);
    return s->L ? PROPHET_OK : ph_nomem(err);
}

void sandbox_clear(sandbox *s)
{
    if (!s->L)
        return;
    lua_sethook(s->L, NULL, 0, 0);
    s->counting = false;
    lua_close(s->L);
    s->L = NULL;
}
