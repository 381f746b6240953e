/* Transports that a script brings: they keep the contract like any other, whatever the script does. */
#include "support/net_conform.h"
#include <lauxlib.h>
#include <lualib.h>
#include <prophet_lua.h>
#include <pthread.h>
#include <stdlib.h>

static prophet_error err;

static lua_State *state(const char *script)
{
    lua_State *L = luaL_newstate();
    REQUIRE(L != NULL);
    luaL_openlibs(L);
    luaL_requiref(L, "prophet", luaopen_prophet, 1);
    lua_pop(L, 1);
    if (luaL_dostring(L, script) != LUA_OK)
        CHECK_MSG(false, "%s", luaL_tolstring(L, -1, NULL));
    return L;
}

/* What the expression is, as text. */
static const char *value(lua_State *L, const char *expression)
{
    static char out[512];
    lua_settop(L, 0);
    (void)snprintf(out, sizeof out, "return %s", expression);
    if (luaL_dostring(L, out) != LUA_OK)
        lua_settop(L, 1);
    (void)snprintf(out, sizeof out, "%s", luaL_tolstring(L, -1, NULL));
    lua_settop(L, 0);
    return out;
}

static const char memory[] =
    "closed = 0\n"
    "local stores, stamp = {}, 0\n"
    "local function raise(code) prophet.error.raise { code = code, message = 'no' } end\n"
    "prophet.transport {\n"
    "  scheme = 'mem',\n"
    "  open = function(url, options)\n"
    "    assert(options.stall > 0 and options.retries >= 0)\n"
    "    token = options.token\n"
    "    stores[url] = stores[url] or {}\n"
    "    return stores[url]\n"
    "  end,\n"
    "  get = function(place, name, want)\n"
    "    local f = place[name]\n"
    "    if not f then return nil end\n"
    "    if want.known == f.etag then return true end\n"
    "    local to = want.length and want.offset + want.length or #f.bytes\n"
    "    if #f.bytes < 100 then return f.bytes, f.etag, #f.bytes end\n" /* cut for us */
    "    local at, stop = want.offset, math.min(to, #f.bytes)\n"
    "    return function()\n"
    "      if at >= stop then return nil end\n"
    "      local piece = f.bytes:sub(at + 1, math.min(at + 50000, stop))\n"
    "      at = at + #piece\n"
    "      return piece\n"
    "    end, f.etag, #f.bytes\n"
    "  end,\n"
    "  put = function(place, name, body, how)\n"
    "    local f = place[name]\n"
    "    if how.absent and f then raise 'exists' end\n"
    "    if how.etag and (not f or f.etag ~= how.etag) then raise 'stale' end\n"
    "    local bytes = body:all()\n"
    "    assert(#bytes == body.length)\n"
    "    kept = body\n"
    "    stamp = stamp + 1\n"
    "    place[name] = { bytes = bytes, etag = 'v' .. stamp }\n"
    "    return 'v' .. stamp\n"
    "  end,\n"
    "  list = function(place, folder)\n"
    "    local name\n"
    "    return function()\n"
    "      local f\n"
    "      repeat name, f = next(place, name) until not name or name:sub(1, #folder) == folder\n"
    "      return name, f and #f.bytes\n"
    "    end\n"
    "  end,\n"
    "  remove = function(place, name)\n"
    "    local was = place[name]\n"
    "    place[name] = nil\n"
    "    return was ~= nil\n"
    "  end,\n"
    "  close = function() closed = closed + 1 end,\n"
    "}\n";

TEST(a_transport_of_a_script_keeps_the_contract)
{
    lua_State *L = state(memory);
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.token = "the token";
    net_conform(&(net_conform_place){ .url = "mem://x", .options = &o });
    CHECK_EQ_STR(value(L, "token"), "the token");
    CHECK_EQ_STR(value(L, "closed"), "1");
    CHECK_HAS(value(L, "select(2, pcall(kept.read, kept, 0, 1)).code"),
              "usage"); /* of a call that has ended */
    lua_close(L);
    ph_net *n;
    CHECK_CODE(ph_net_open("mem://x", NULL, &n, &err), PROPHET_ENOTFOUND, &err);
}

/* The one in docs/transports.md. */
TEST(the_transport_that_is_taught_keeps_the_contract)
{
    prophet_error e = { 0 };
    ph_buf b = PH_BUF_INIT;
    REQUIRE_OK(ph_file_slurp(test_source("docs/transports.md"), 1 << 20, &b, &e), &e);
    ph_buf_byte(&b, 0);
    char *from = strstr((char *)b.data, "\n```lua\n"),
         *to = from ? strstr(from + 8, "\n```\n") : NULL;
    REQUIRE(to != NULL);
    *to = 0;
    lua_State *L = state(from + 8);
    net_conform(&(net_conform_place){ .url = "mem:taught" });
    lua_close(L);
    ph_buf_clear(&b);
}

static const char broken[] =
    "closed = 0\n"
    "local ways = {\n"
    "  raises = function() error 'oops' end,\n"
    "  coded = function() prophet.error.raise { code = 'network', message = 'nobody there' } end,\n"
    "  number = function() return 42 end,\n"
    "  much = function() return ('x'):rep(100), nil, 10 end,\n"
    "  little = function() return 'x', nil, 10 end,\n"
    "  etag = function() return 'x', ('e'):rep(200) end,\n"
    "  odd = function() return 'x', 'a b' end,\n"
    "  total = function() return 'x', nil, 1.5 end,\n"
    "  unchanged = function() return true end,\n"
    "  yields = function() return coroutine.yield() end,\n"
    "  drops = function() prophet.transport { scheme = 'bad' } end,\n"
    "}\n"
    "function swallow(_, name)\n"
    "  if ways[name] then return ways[name]() end\n"
    "  return function() return 'x' end\n"
    "end\n"
    "prophet.transport { scheme = 'bad', open = function(u) if u == 'bad:nil' then return nil end "
    "return {} end, get = swallow,\n"
    "  list = function(_, folder) return { '../evil', 'fine', '/x', 'a b' } end }\n";

TEST(mistakes_of_a_script_are_errors)
{
    static const struct {
        const char *name;
        prophet_code code;
        const char *words;
    } cases[] = {
        { "raises", PROPHET_ESCRIPT, "oops" },
        { "coded", PROPHET_ENETWORK, "nobody there" },
        { "number", PROPHET_ESCRIPT, "not bytes" },
        { "much", PROPHET_EREMOTE, "came of" },
        { "little", PROPHET_EREMOTE, "came of" },
        { "etag", PROPHET_EREMOTE, "etag" },
        { "odd", PROPHET_EREMOTE, "etag" },
        { "total", PROPHET_EREMOTE, "no size" },
        { "unchanged", PROPHET_EREMOTE, "without a" },
        { "yields", PROPHET_ESCRIPT, "yield" },
        { "drops", PROPHET_EUSAGE, "at work" },
        { "endless", PROPHET_EREMOTE, "longer than 1000 bytes" },
    };
    lua_State *L = state(broken);
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    CHECK_CODE(ph_net_open("bad:nil", NULL, &n, &err), PROPHET_ESCRIPT, &err);
    REQUIRE_OK(ph_net_open("bad:x", NULL, &n, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_context("%s", cases[i].name);
        err = (prophet_error){ 0 };
        CHECK_CODE(ph_net_get_bytes(n, cases[i].name, 1000, NULL, &b, &err), cases[i].code, &err);
        CHECK_HAS(err.message, cases[i].words);
        CHECK_EQ_UINT(b.len, 0);
    }
    CHECK(!ph_net_can_write(n));
    CHECK_OK(ph_net_list(n, "", conform_collect, &b, &err), &err);
    CHECK_SLICE(ph_buf_slice(&b), "fine ", 5);
    ph_net_close(n);
    lua_close(L);
    ph_buf_clear(&b);
}

TEST(an_error_of_the_engine_is_not_swallowed)
{
    lua_State *L = state("prophet.transport { scheme = 'deaf', open = function() return 1 end,\n"
                         "  get = function() return function() return 'x' end end }\n"
                         "local get = prophet.transport\n");
    prophet_net_get g = PROPHET_NET_GET_INIT;
    ph_net *n = NULL;
    REQUIRE_OK(ph_net_open("deaf:x", NULL, &n, &err), &err);
    g.sink = conform_bad_sink;
    CHECK_CODE(ph_net_get(n, "a", &g, &err), PROPHET_EFULL, &err);
    CHECK_HAS(err.message, "no room");
    ph_net_close(n);
    lua_close(L);
}

TEST(places_outlive_their_script_without_harm)
{
    lua_State *L = state(memory);
    ph_net *n = NULL, *second = NULL;
    ph_buf b = PH_BUF_INIT;
    REQUIRE_OK(ph_net_open("mem://x", NULL, &n, &err), &err);
    CHECK_OK(ph_net_put_bytes(n, "a", ph_slice("x", 1), NULL, &err), &err);
    CHECK_EQ_INT(luaL_dostring(L, "prophet.transport { scheme = 'mem' }"), LUA_OK);
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_INT(luaL_dostring(L, memory), LUA_OK); /* another one of that name */
    REQUIRE_OK(ph_net_open("mem://x", NULL, &second, &err), &err);
    CHECK_OK(ph_net_put_bytes(second, "a", ph_slice("x", 1), NULL, &err), &err);
    lua_close(L);
    CHECK_CODE(ph_net_get_bytes(second, "a", 0, NULL, &b, &err), PROPHET_EUSAGE, &err);
    ph_net_close(second);
    ph_net_close(n);
    ph_buf_clear(&b);
}

static void *from_elsewhere(void *ctx)
{
    ph_net *n = NULL;
    prophet_error e = { 0 };
    *(prophet_code *)ctx = ph_net_open("mem://x", NULL, &n, &e);
    ph_net_close(n);
    return NULL;
}

TEST(another_thread_may_not_use_it)
{
    lua_State *L = state(memory);
    pthread_t thread;
    prophet_code rc = PROPHET_OK;
    REQUIRE(pthread_create(&thread, NULL, from_elsewhere, &rc) == 0);
    (void)pthread_join(thread, NULL);
    CHECK_CODE(rc, PROPHET_EUSAGE, NULL);
    lua_close(L);
}

TEST(sealed_scripts_bring_none)
{
    static const char script[] = "return select(2, pcall(prophet.transport, { scheme = 'sealed', "
                                 "open = function() end, get = function() end })).code";
    prophet_vm *vm = NULL;
    prophet_doc *doc = NULL;
    prophet_value v = { 0 };
    REQUIRE_OK(prophet_vm_new(NULL, NULL, &vm, &err), &err);
    CHECK_OK(prophet_vm_run(vm, ph_slice_str(script), "test", &doc, &err), &err);
    CHECK(prophet_doc_at(doc, 0, NULL, &v));
    CHECK_SLICE(v.as.bytes, "untrusted", 9);
    prophet_doc_free(doc);
    prophet_vm_free(vm);
}
