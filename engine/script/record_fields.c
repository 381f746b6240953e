/* record_fields: the fields of a record, from a table of Lua into plain data: kinds as the type's table has them, defaults, the names that a
 * type does not know. Everything is read before a transaction begins, so that nothing raises while one is held outside a change. */
#include "script/script_impl.h"

l_handle *script_type_handle(lua_State *L, int ts)
{
    lua_rawgeti(L, ts, TS_HANDLE);
    l_handle *h = script_handle_quick(L, -1);
    lua_pop(L, 1); /* the type's table keeps it */
    return h;
}

const char *script_type_name(lua_State *L, int ts)
{
    lua_rawgeti(L, ts, TS_NAME);
    const char *name = lua_tostring(L, -1);
    lua_pop(L, 1);
    return name;
}

/* The kind of the field named at `name`; an unknown one raises in Lua, or is known after the type was read again. */
static int kind_of(lua_State *L, int ts, int name)
{
    name = lua_absindex(L, name);
    for (int again = 0;; again++) {
        lua_rawgeti(L, ts, TS_KINDS);
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) != LUA_TNIL || again) {
            int kind = (int)lua_tointeger(L, -1);
            lua_pop(L, 2);
            return kind;
        }
        lua_pop(L, 2);
        lua_rawgeti(L, ts, TS_MISSING);
        lua_pushvalue(L, ts);
        lua_pushnil(L);
        lua_pushvalue(L, name);
        lua_call(L, 3, 0); /* Lua called us, nothing is held */
    }
}

int script_writable_kind(lua_State *L, int ts, int name, bool setting)
{
    int kind = kind_of(L, ts, name), main = kind & 0xff;
    const char *field = lua_tostring(L, name);
    if (main == SCRIPT_COMPUTED || main == SCRIPT_MANY)
        script_fail_field(L, PROPHET_EUSAGE, script_type_name(L, ts), field, NULL,
                          "field \"%s\" is not stored: it is %s", field,
                          main == SCRIPT_MANY ? "a reverse reference" : "computed");
    if (main == SCRIPT_COUNTER && setting)
        script_fail_field(L, PROPHET_EUSAGE, script_type_name(L, ts), field, "t:incr(\"votes\", n)",
                          "field \"%s\" is a counter: it is incremented, not set", field);
    return kind;
}

void *script_scratch(lua_State *L, l_handle *h, size_t size)
{
    void *p = ph_arena_alloc(&h->scratch, size ? size : 1);
    if (!p)
        script_fail(L, PROPHET_EMEMORY, NULL, "out of memory");
    return p;
}

static size_t count_defaults(lua_State *L, int ts)
{
    size_t n = lua_rawgeti(L, ts, TS_DEFAULTS) == LUA_TTABLE ? (size_t)lua_rawlen(L, -1) / 2 : 0;
    lua_pop(L, 1);
    return n;
}

/* Constant defaults of fields that were not given. */
static size_t add_defaults(lua_State *L, l_handle *h, int ts, int idx, prophet_field *fields,
                           size_t n, size_t defaults)
{
    lua_rawgeti(L, ts, TS_DEFAULTS);
    int list = lua_gettop(L);
    for (size_t i = 0; i < defaults; i++) {
        lua_rawgeti(L, list, (lua_Integer)(2 * i) + 1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, idx) == LUA_TNIL) {
            size_t len;
            const char *name = lua_tolstring(L, -2, &len);
            script_place place = { script_type_name(L, ts), name, kind_of(L, ts, -2), h->db };
            lua_rawgeti(L, list, (lua_Integer)(2 * i) + 2);
            fields[n].name = ph_slice(name, len);
            fields[n++].value = script_to_value(L, -1, &place, &h->scratch);
        }
        lua_settop(L, list);
    }
    lua_pop(L, 1);
    return n;
}

/* An unknown name: Lua raises, or reads the type again. */
static void ask_about(lua_State *L, int ts, int name)
{
    if (lua_type(L, name) != LUA_TSTRING)
        script_fail(L, PROPHET_EUSAGE, "write name = value", "fields have names, and one is a %s",
                    luaL_typename(L, name));
    (void)script_writable_kind(L, ts, name, true);
}

typedef struct field_list {
    prophet_field *at;
    size_t count, cap;
} field_list;

static void make_room(lua_State *L, l_handle *h, field_list *f)
{
    if (f->count < f->cap)
        return;
    size_t cap = f->cap ? 2 * f->cap : 32;
    prophet_field *more = script_scratch(L, h, cap * sizeof *more);
    if (f->count)
        memcpy(more, f->at, f->count * sizeof *more);
    f->at = more;
    f->cap = cap;
}

static bool is_plain(int kind)
{
    int main = kind & 0xff;
    return main != SCRIPT_COMPUTED && main != SCRIPT_MANY && main != SCRIPT_COUNTER;
}

/* One pass over the table at idx; false: a name was unknown, and Lua has read the type again meanwhile (and used the scratch). */
static bool gather(lua_State *L, l_handle *h, int ts, int idx, field_list *f)
{
    script_place place = { script_type_name(L, ts), NULL, 0, h->db };
    size_t len;
    lua_rawgeti(L, ts, TS_KINDS);
    int kinds = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, idx);) { /* name kinds+1, value kinds+2 */
        lua_pushvalue(L, kinds + 1);
        bool known = lua_rawget(L, kinds) == LUA_TNUMBER;
        place.kind = known ? (int)lua_tointeger(L, -1) : SCRIPT_COMPUTED;
        lua_settop(L, kinds + 2);
        if (!known || !is_plain(place.kind)) {
            ask_about(L, ts, kinds + 1);
            lua_settop(L, kinds - 1);
            return false;
        }
        make_room(L, h, f);
        place.field = lua_tolstring(L, kinds + 1, &len);
        f->at[f->count].name = ph_slice(place.field, len);
        f->at[f->count++].value = script_to_value(L, kinds + 2, &place, &h->scratch);
        lua_settop(L, kinds + 1);
    }
    lua_settop(L, kinds - 1);
    return true;
}

prophet_field *script_read_fields(lua_State *L, l_handle *h, int ts, int idx, bool with_defaults,
                                  size_t *count)
{
    ts = lua_absindex(L, ts);
    idx = lua_absindex(L, idx);
    field_list f = { NULL, 0, 0 };
    script_table(L, idx, "the fields");
    luaL_checkstack(L, 16, "fields");
    while (!gather(L, h, ts, idx, &f)) {
        script_scratch_reset(h);
        f = (field_list){ NULL, 0, 0 };
    }
    size_t defaults = with_defaults ? count_defaults(L, ts) : 0;
    if (defaults) {
        size_t room = f.count + defaults;
        prophet_field *all = script_scratch(L, h, room * sizeof *all);
        if (f.count)
            memcpy(all, f.at, f.count * sizeof *all);
        f.at = all;
        f.count = add_defaults(L, h, ts, idx, all, f.count, defaults);
    }
    *count = f.count;
    return f.at;
}
