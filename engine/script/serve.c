/* serve: a live peer as a boxed object. It has a handle of the replica of its own, so it may outlive the one it was made with. Its log goes to
 * a file descriptor: it comes from another thread, which must not see Lua. */
#include "script/script_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SERVER "prophet.core.server"

typedef struct l_server {
    prophet_server *server; /* NULL: closed */
    int log_fd;             /* -1: none */
    bool own_log;
} l_server;

static l_server *server_at(lua_State *L)
{
    l_server *s = luaL_checkudata(L, 1, SERVER);
    if (!s->server)
        script_fail(L, PROPHET_EUSAGE, NULL, "the server is closed");
    return s;
}

static int l_server_close(lua_State *L)
{
    l_server *s = luaL_checkudata(L, 1, SERVER);
    prophet_server_close(s->server);
    s->server = NULL;
    if (s->own_log && s->log_fd >= 0)
        (void)close(s->log_fd); /* a log: what was not written is not missed */
    s->log_fd = -1;
    return 0;
}

static int l_server_url(lua_State *L)
{
    lua_pushstring(L, prophet_server_url(server_at(L)->server));
    return 1;
}

/* (server, handle or nil, seconds or nil) -> true: a push brought something; false: the time passed */
static int l_server_wait(lua_State *L)
{
    prophet_error err = { 0 };
    l_server *s = server_at(L);
    l_handle *h = lua_isnil(L, 2) ? NULL : script_handle(L, 2);
    lua_Number seconds = luaL_optnumber(L, 3, -1);
    int ms = seconds < 0 ? -1 : seconds > 1e6 ? 1000000000 : (int)(seconds * 1000);
    prophet_code rc = prophet_server_wait(s->server, h ? h->db : NULL, ms, &err);
    if (rc < 0)
        return script_raise(L, &err);
    lua_pushboolean(L, rc == PROPHET_OK);
    return 1;
}

static l_server *push_box(lua_State *L)
{
    static const luaL_Reg methods[] = { { "close", l_server_close },
                                        { "url", l_server_url },
                                        { "wait", l_server_wait },
                                        { NULL, NULL } };
    l_server *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (l_server){ NULL, -1, false };
    if (luaL_newmetatable(L, SERVER)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_server_close);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, SERVER);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return s;
}

static void write_line(void *ctx, const char *line)
{
    const l_server *s = ctx;
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);
    size_t len = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    if (write(s->log_fd, text, len) < 0) /* one call a line; a full disk does not end the server */
        errno = 0;
}

static void open_log(lua_State *L, l_server *s, const char *path, prophet_serve *o)
{
    if (!path)
        return;
    s->own_log = strcmp(path, "-") != 0;
    s->log_fd = s->own_log ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 2;
    if (s->log_fd < 0)
        script_fail(L, PROPHET_EIO, NULL, "the log %s: %s", path, strerror(errno));
    o->log = write_line;
    o->ctx = s;
}

static lua_Integer number(lua_State *L, const char *name, lua_Integer most)
{
    lua_Integer n = 0;
    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        if (!lua_isinteger(L, -1) || (n = lua_tointeger(L, -1)) <= 0 || n > most)
            script_fail(L, PROPHET_EUSAGE, NULL, "option %s is no number from 1 to %d", name,
                        (int)most);
    }
    lua_pop(L, 1);
    return n;
}

/* The lists at tokens and hosts, in memory of a box. Their texts stay in those tables. */
static void read_lists(lua_State *L, ph_arena *a, prophet_serve *o)
{
    lua_getfield(L, 2, "tokens"); /* list of {token, write} as lua/prophet/serve.lua makes it */
    o->token_count = lua_istable(L, -1) ? (size_t)lua_rawlen(L, -1) : 0;
    prophet_serve_token *tokens = ph_arena_zalloc(a, (o->token_count + 1) * sizeof *tokens);
    lua_getfield(L, 2, "hosts");
    o->host_count = lua_istable(L, -1) ? (size_t)lua_rawlen(L, -1) : 0;
    const char **hosts = ph_arena_zalloc(a, (o->host_count + 1) * sizeof *hosts);
    if (!tokens || !hosts)
        script_fail(L, PROPHET_EMEMORY, NULL, "out of memory");
    for (size_t i = 0; i < o->host_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        hosts[i] = script_text(L, -1, NULL, "a host");
        lua_pop(L, 1);
    }
    for (size_t i = 0; i < o->token_count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        lua_getfield(L, -1, "token");
        tokens[i].token = script_text(L, -1, NULL, "a token");
        lua_getfield(L, -2, "write");
        tokens[i].write = lua_toboolean(L, -1);
        lua_pop(L, 3);
    }
    o->tokens = tokens;
    o->hosts = hosts;
}

/* (handle, options) -> server */
static int l_serve(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_serve o = PROPHET_SERVE_INIT;
    script_require_unsealed(L, "serving");
    l_handle *h = script_handle(L, 1);
    lua_settop(L, 2);
    script_table(L, 2, "options");
    script_no_change(L, h, "serving");
    script_arena_box *box = script_arena_box_push(L);
    l_server *s = push_box(L);
    int at = lua_gettop(L);
    read_lists(L, &box->arena, &o);
    o.readonly = script_flag(L, 2, "readonly");
    o.announce = script_flag(L, 2, "announce");
    o.connections = (uint32_t)number(L, "connections", 100000);
    o.requests = (uint32_t)number(L, "requests", 100000);
    o.timeout_s = (uint32_t)number(L, "timeout", 86400);
    o.push_bytes = (uint64_t)number(L, "push_bytes", INT64_MAX);
    o.listen = script_text_option(L, 2, "listen");
    o.cert = script_text_option(L, 2, "cert");
    o.key = script_text_option(L, 2, "key");
    open_log(L, s, script_text_option(L, 2, "log"), &o);
    if (prophet_server_open(h->db, &o, &s->server, &err) < 0)
        return script_raise(L, &err);
    lua_pushvalue(L, at);
    return 1;
}

/* (handle, readonly): over standard input and output, to their end */
static int l_serve_pipe(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "serving");
    l_handle *h = script_handle(L, 1);
    script_no_change(L, h, "serving");
    if (prophet_serve_pipe(h->db, 0, 1, lua_toboolean(L, 2), &err) < 0)
        return script_raise(L, &err);
    return 0;
}

const luaL_Reg script_handle_serve[] = { { "serve", l_serve },
                                         { "serve_pipe", l_serve_pipe },
                                         { NULL, NULL } };
