/* iterator: lists of the engine in a generic `for`. The fourth value closes the list on break and on errors; what is left open is closed
 * with its change, with its database, or when it is collected. */
#include "script/script_impl.h"

#define ITERATOR "prophet.iterator"

static void unlink_iter(l_iter *it)
{
    if (it->link) {
        *it->link = it->next;
        if (it->next)
            it->next->link = it->link;
    }
    it->link = NULL;
    it->next = NULL;
}

static void close_iter(l_iter *it)
{
    prophet_iter_close(it->it);
    it->it = NULL;
    it->handle = NULL;
    unlink_iter(it);
}

void script_iterators_close(l_handle *h, int depth)
{
    for (l_iter *it = h->iterators, *next; it; it = next) {
        next = it->next;
        if (it->depth >= depth)
            close_iter(it);
    }
}

static int l_gc(lua_State *L)
{
    l_iter *it = luaL_checkudata(L, 1, ITERATOR);
    if (it->counted)
        script_state_of(L)->iterators--;
    it->counted = false;
    close_iter(it);
    return 0;
}

l_iter *script_iterator_push(lua_State *L, int handle, int with, bool records)
{
    handle = lua_absindex(L, handle);
    if (with)
        with = lua_absindex(L, with);
    l_iter *it = lua_newuserdatauv(L, sizeof *it, 2);
    memset(it, 0, sizeof *it);
    it->handle = lua_touserdata(L, handle);
    it->records = records;
    luaL_setmetatable(L, ITERATOR);
    lua_pushvalue(L, handle);
    lua_setiuservalue(L, -2, 1);
    if (with) {
        lua_pushvalue(L, with);
        lua_setiuservalue(L, -2, 2);
    }
    script_state_of(L)->iterators++;
    it->counted = true;
    script_stress(L);
    return it;
}

void script_iterator_start(l_iter *it, prophet_iter *rows)
{
    l_handle *h = it->handle;
    it->it = rows;
    it->depth = h->depth;
    it->next = h->iterators;
    it->link = &h->iterators;
    if (it->next)
        it->next->link = &it->next;
    h->iterators = it;
}

static int push_record_row(lua_State *L, int at, const prophet_doc *row, const l_handle *h)
{
    prophet_error err = { 0 };
    lua_getiuservalue(L, at, 2);
    l_record *r = script_record_push(L, lua_gettop(L));
    if (prophet_doc_copy(row, &r->doc, &err) < 0 || !script_record_fill(r, h))
        return script_raise(L, &err);
    return 1;
}

/* A table, given to the wrapping function or metatable if there is one. */
static int push_table_row(lua_State *L, int at, const prophet_doc *row)
{
    script_push_doc(L, row);
    int type = lua_getiuservalue(L, at, 2);
    if (type == LUA_TTABLE) {
        lua_setmetatable(L, -2);
        return 1;
    }
    if (type != LUA_TFUNCTION) {
        lua_pop(L, 1);
        return 1;
    }
    lua_insert(L, -2);
    lua_call(L, 1, 1); /* Lua called us, nothing is held */
    return 1;
}

/* Upvalue 1: the iterator. */
static int l_next(lua_State *L)
{
    prophet_error err = { 0 };
    const prophet_doc *row = NULL;
    l_iter *it = lua_touserdata(L, lua_upvalueindex(1));

    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    if (!it->it) {
        if (it->ended)
            return 0;
        return script_fail(L, PROPHET_EUSAGE,
                           "lists are read while their change or database is open",
                           "this list was closed");
    }
    it->handle->main = L;
    if (sandbox_is(L))
        sandbox_charge(L, 100);
    prophet_code rc = prophet_iter_next(it->it, &row, &err);
    if (rc < 0)
        return script_raise(L, &err);
    if (rc == PROPHET_DONE) {
        it->ended = true;
        if (!it->kept)
            close_iter(it);
        return 0;
    }
    return it->records ? push_record_row(L, 1, row, it->handle) : push_table_row(L, 1, row);
}

int script_iterator_return(lua_State *L, int at)
{
    at = lua_absindex(L, at);
    lua_pushvalue(L, at);
    lua_pushcclosure(L, l_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

const prophet_iter *script_iterator_check(lua_State *L, int at)
{
    const l_iter *it = luaL_checkudata(L, at, ITERATOR);
    if (!it->it)
        script_fail(L, PROPHET_EUSAGE, "it is read ahead while the list is open",
                    "this list was closed");
    return it->it;
}

void script_iterator_open(lua_State *L)
{
    if (luaL_newmetatable(L, ITERATOR)) {
        lua_pushcfunction(L, l_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, l_gc);
        lua_setfield(L, -2, "__close");
        lua_pushliteral(L, ITERATOR);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}
