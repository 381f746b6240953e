/* Lua runs out of memory at every place where it can, in the middle of everything the binding does: nothing leaks, nothing is left open or
 * half written, and the same work goes through afterwards. */
#include "base/base.h"
#include "support/test.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <prophet_lua.h>
#include <stdlib.h>

typedef struct failing {
    uint64_t seen,
        at; /* the at-th allocation fails, and `more` after it (Lua collects and tries again); 0: none */
    uint64_t more;
} failing;

static void *allocate(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    failing *f = ctx;
    size_t old = ptr ? old_size : 0;
    if (new_size == 0) {
        ph_free(ptr);
        return NULL;
    }
    if (new_size > old && f->at) {
        f->seen++;
        if (f->seen >= f->at && f->seen - f->at <= f->more)
            return NULL;
    }
    return ph_realloc(ptr, new_size);
}

static const char setup[] =
    "local prophet = require 'prophet' local f = prophet.fields local core = require "
    "'prophet.core' "
    "local path = ... "
    "db = prophet.open(path, { create = true, durability = 'relaxed', user = 'ann' }) "
    "db:define(f.record 'ticket' { f.string 'summary' { required = true }, f.set 'tags', f.counter "
    "'votes', f.map 'extra', "
    "  f.ref 'parent' { to = 'ticket' } }) "
    "db:define(f.record 'bug' { f.string 'summary' { canon = string.upper, default = 'x' }, f.set "
    "'tags' }) "
    "db:resolver 'latest' "
    "local ticket, bug = db.types.ticket, db.types.bug "
    "function work() "
    "  local t, u = db:change('some work', function() "
    "    local t = ticket:create { summary = 'a', tags = { 'x', 'y' }, extra = { a = { 1, 2 }, b = "
    "prophet.time(5) } } "
    "    local u = ticket:create { summary = 'b', parent = t } "
    "    pcall(db.change, db, function() bug:create { tags = { 'q' } } error 'no' end) "
    "    return t:set { summary = 'c' }:add('tags', 'z'):incr 'votes', u end) "
    "  assert(u.parent.summary == 'c' and #t.tags == 3 and t.extra.a[2] == 2) "
    "  local n = 0 for r in ticket:find { tags = 'x' }:order '-summary':each() do n = n + "
    "#r.summary end assert(n > 0) "
    "  for _ in t:history() do end assert(t:blame().summary.author == 'ann') "
    "  assert(prophet.json.decode(prophet.json.encode { t = t.extra, n = { 1, 2.5 } }).n[2] == "
    "2.5) "
    "  assert(#db:export() > 0 and bug:create {}.summary == 'X') "
    "  for _ in db:log { limit = 2 } do end for _ in db:conflicts() do end db:poll() "
    "  local _, e = prophet.try(function() return t.sumary end) assert(e.code == 'unknown_field' "
    "or e.code == 'memory') "
    "  t:delete() u:delete() return true end "
    "function clean() db:change(function() for _, type in ipairs { ticket, bug } do "
    "  for r in type:find {}:each() do r:delete() end end end) end "
    "function left() collectgarbage() collectgarbage() local c = core.counts() return c.iterators, "
    "c.refs, c.handles end";

static lua_State *make(failing *f, const char *path)
{
    lua_State *L = lua_newstate(allocate, f);
    REQUIRE(L != NULL);
    luaL_openlibs(L);
    luaL_requiref(L, "prophet", luaopen_prophet, 0);
    lua_settop(L, 0);
    if (luaL_loadstring(L, setup) == LUA_OK)
        lua_pushstring(L, path);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        CHECK_EQ_STR(luaL_tolstring(L, -1, NULL), "");
    REQUIRE(lua_getglobal(L, "work") == LUA_TFUNCTION);
    lua_pop(L, 1);
    return L;
}

static bool work(lua_State *L)
{
    lua_settop(L, 0);
    lua_getglobal(L, "work");
    return lua_pcall(L, 0, 1, 0) == LUA_OK && lua_toboolean(L, -1);
}

/* The raised value at the top: memory, by Lua's word or by ours. */
static void check_memory_error(lua_State *L, uint64_t at)
{
    const char *text = lua_tostring(L, -1);
    if (lua_type(L, -1) == LUA_TTABLE) {
        lua_getfield(L, -1, "code");
        text = lua_tostring(L, -1);
        CHECK_MSG(text && strcmp(text, "memory") == 0, "allocation %llu: code %s",
                  (unsigned long long)at, text ? text : "?");
        return;
    }
    CHECK_MSG(text && strstr(text, "not enough memory"), "allocation %llu: %s",
              (unsigned long long)at, text ? text : "?");
}

static void fail_everywhere(uint64_t more, uint64_t step)
{
    failing f = { 0, 0, more };
    lua_State *L = make(&f, test_path("db"));
    REQUIRE(work(L));
    bool done = false;
    for (uint64_t at = 1; !done && at < 100000; at += step) {
        f.seen = 0;
        f.at = at;
        bool ok = work(L);
        done = f.seen < at;
        f.at = 0;
        if (!ok && !done)
            check_memory_error(L, at);
        lua_getglobal(
            L, "clean"); /* what was half done stays, and would be found by all that follow */
        REQUIRE(lua_pcall(L, 0, 0, 0) == LUA_OK);
        CHECK_MSG(ok || !done, "it failed without a reason: %s", luaL_tolstring(L, -1, NULL));
    }
    CHECK(done);
    CHECK(work(L));
    lua_settop(L, 0);
    lua_getglobal(L, "left");
    REQUIRE(lua_pcall(L, 0, 3, 0) == LUA_OK);
    CHECK_EQ_INT(lua_tointeger(L, 1), 0);
    CHECK_EQ_INT(lua_tointeger(L, 2), 0);
    CHECK_EQ_INT(lua_tointeger(L, 3), 1);
    lua_close(L);
}

TEST(one_allocation_fails)
{
    fail_everywhere(1, 7); /* two in a row: the second is Lua's retry after a collection */
}

TEST(all_allocations_fail_from_one_on)
{
    fail_everywhere(UINT64_MAX, 13);
}
