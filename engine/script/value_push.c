/* value_push: what the engine gives, as Lua values: plain tables for lists and maps, objects for times, bytes and references. */
#include "script/script_impl.h"

static void push_blob(lua_State *L, const prophet_blob *b)
{
    char hex[65];
    ph_hex(b->sha256, sizeof b->sha256, hex);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, hex);
    lua_setfield(L, -2, "sha256");
    lua_pushinteger(L, (lua_Integer)b->size);
    lua_setfield(L, -2, "size");
    lua_pushlstring(L, b->media.data ? b->media.data : "", b->media.len);
    lua_setfield(L, -2, "media");
    lua_pushlstring(L, b->name.data ? b->name.data : "", b->name.len);
    lua_setfield(L, -2, "name");
}

static void push_text(lua_State *L, prophet_slice s)
{
    lua_pushlstring(L, s.data ? s.data : "", s.len);
}

static int small(size_t n)
{
    return n < 4096 ? (int)n : 4096;
}

static void push_list(lua_State *L, const prophet_value *v, bool refs)
{
    luaL_checkstack(L, 4, "a value that is nested");
    lua_createtable(L, small(v->as.list.count), 0);
    for (size_t i = 0; i < v->as.list.count; i++) {
        script_push_value(L, &v->as.list.items[i], refs);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_map(lua_State *L, const prophet_value *v, bool refs)
{
    luaL_checkstack(L, 4, "a value that is nested");
    lua_createtable(L, 0, small(v->as.map.count));
    for (size_t i = 0; i < v->as.map.count; i++) {
        push_text(L, v->as.map.items[i].name);
        script_push_value(L, &v->as.map.items[i].value, refs);
        lua_rawset(L, -3);
    }
}

void script_push_value(lua_State *L, const prophet_value *v, bool refs)
{
    switch (v->kind) {
    case PROPHET_NIL: lua_pushnil(L); return;
    case PROPHET_BOOL: lua_pushboolean(L, v->as.boolean); return;
    case PROPHET_INT: lua_pushinteger(L, v->as.integer); return;
    case PROPHET_FLOAT: lua_pushnumber(L, v->as.number); return;
    case PROPHET_TEXT: push_text(L, v->as.bytes); return;
    case PROPHET_BYTES: script_push_bytes(L, v->as.bytes); return;
    case PROPHET_TIME: script_push_time(L, v->as.integer); return;
    case PROPHET_REF:
        if (refs)
            script_push_ref(L, &v->as.ref);
        else
            script_push_id(L, &v->as.ref);
        return;
    case PROPHET_BLOB: push_blob(L, v->as.blob); return;
    case PROPHET_LIST: push_list(L, v, refs); return;
    case PROPHET_MAP: push_map(L, v, refs); return;
    }
    lua_pushnil(L); /* a kind of a newer engine */
}

void script_push_doc(lua_State *L, const prophet_doc *d)
{
    prophet_slice name;
    prophet_value v;

    luaL_checkstack(L, 4, "a document");
    lua_createtable(L, 0, 8);
    for (size_t i = 0; prophet_doc_at(d, i, &name, &v); i++) {
        if (name.len == 0) {
            script_push_value(L, &v, false);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
            continue;
        }
        push_text(L, name);
        script_push_value(L, &v, false);
        lua_rawset(L, -3);
    }
}
