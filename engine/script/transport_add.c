/* transport_add: adds a transport that a script brings, and takes it away when the state ends. */
#include "script/transport_impl.h"

#define TRANSPORT "prophet.core.transport"

static const char boxes_key = 0; /* registry: scheme -> box */

typedef struct transport_box {
    l_transport *t; /* NULL: taken away */
    char scheme[32];
} transport_box;

/* Takes it away; places of it that are still open fail from now on. */
static void take_away(lua_State *L, transport_box *box)
{
    l_transport *t = box->t;
    if (!t)
        return;
    box->t = NULL;
    for (l_place *p = t->places; p; p = p->next)
        script_unref(L, p->ref);
    script_unref(L, t->ref);
    script_unref(L, t->thread_ref);
    t->L = NULL;
    t->places = NULL;
    prophet_transport none = { .size = sizeof none, .scheme = box->scheme };
    (void)prophet_transport_add(&none, NULL); /* t is the engine's now, and may be gone */
}

static int l_box_gc(lua_State *L)
{
    take_away(L, luaL_checkudata(L, 1, TRANSPORT));
    return 0;
}

static void push_boxes(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &boxes_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &boxes_key);
    if (luaL_newmetatable(L, TRANSPORT)) {
        lua_pushcfunction(L, l_box_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, TRANSPORT);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

/* (scheme, functions): adds one. Functions as the calls above say; open and get must be there. */
static int l_transport_add(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "a transport");
    const char *scheme = script_text(L, 1, NULL, "the scheme of a transport");
    script_table(L, 2, "the functions of a transport");
    push_boxes(L);
    transport_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->t = NULL;
    luaL_setmetatable(L, TRANSPORT);
    (void)snprintf(box->scheme, sizeof box->scheme, "%s", scheme);
    prophet_transport row = { .size = sizeof row, .scheme = scheme };
    transport_calls(L, 2, &row);
    lua_State *own = lua_newthread(L);
    int thread_ref = script_ref(L);
    lua_pushvalue(L, 2);
    int ref = script_ref(L);

    l_transport *t = ph_zalloc(sizeof *t);
    prophet_code rc = t ? PROPHET_OK : ph_nomem(&err);
    if (rc >= 0) {
        *t = (l_transport){ own, pthread_self(), ref, thread_ref, NULL, 0 };
        row.ctx = t;
        rc = prophet_transport_add(&row, &err);
    }
    if (rc < 0) {
        ph_free(t);
        script_unref(L, ref);
        script_unref(L, thread_ref);
        return script_raise(L, &err);
    }
    box->t = t;
    lua_setfield(L, 3, scheme);
    return 0;
}

/* (scheme): takes away one that this state added. */
static int l_transport_drop(lua_State *L)
{
    const char *scheme = script_text(L, 1, NULL, "the scheme of a transport");
    script_require_unsealed(L, "a transport");
    push_boxes(L);
    if (lua_getfield(L, -1, scheme) == LUA_TNIL)
        return script_fail(L, PROPHET_ENOTFOUND, NULL, "this script added no transport %s", scheme);
    transport_box *box = luaL_checkudata(L, -1, TRANSPORT);
    if (box->t && box->t->running > 0)
        return script_fail(L, PROPHET_EUSAGE, NULL, "the transport %s is at work", scheme);
    take_away(L, box);
    lua_pushnil(L);
    lua_setfield(L, -3, scheme);
    return 0;
}

const luaL_Reg script_core_transport[] = { { "transport_add", l_transport_add },
                                           { "transport_drop", l_transport_drop },
                                           { NULL, NULL } };
