/* value_read: a Lua value as plain data for the engine. The kind of the field decides where Lua alone cannot tell: a string may be a text,
 * a time, bytes or a reference. What the engine checks itself (limits, UTF-8, required, values) is not checked here. */
#include "script/script_impl.h"
#include <math.h>

const char *const script_kind_names[] = {
    "any", "string", "text", "int", "float", "bool",    "bytes",    "time", "enum", "user",
    "ref", "blob",   "list", "map", "set",   "counter", "computed", "many", NULL,
};

int script_kind_parse(const char *name)
{
    for (int i = 0; script_kind_names[i]; i++)
        if (strcmp(script_kind_names[i], name) == 0)
            return i;
    return -1;
}

#define DEPTH_MAX  16  /* of values, as the format has it */
#define NESTED_MAX 100 /* of what is no value of a field, as conditions are */

typedef struct reading {
    lua_State *L;
    const script_place *place;
    ph_arena *arena;
    int depth;
} reading;

static prophet_value read_any(reading *r, int idx, int kind);

static int refuse(reading *r, const char *hint, const char *what, const char *given)
{
    const char *field = r->place ? r->place->field : NULL;
    if (field)
        return script_fail_field(r->L, PROPHET_EVALIDATION, r->place->type, field, hint,
                                 "field \"%s\": %s%s", field, what, given);
    return script_fail(r->L, PROPHET_EVALIDATION, hint, "%s%s", what, given);
}

static void *take(reading *r, size_t size)
{
    void *p = ph_arena_alloc(r->arena, size ? size : 1);
    if (!p)
        script_fail(r->L, PROPHET_EMEMORY, NULL, "out of memory");
    return p;
}

static prophet_value read_list(reading *r, int idx, size_t count, int element)
{
    prophet_value *items = take(r, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(r->L, idx, (lua_Integer)i + 1);
        items[i] = read_any(r, lua_gettop(r->L), element); /* strings stay in the table */
        lua_pop(r->L, 1);
    }
    return prophet_list(items, count);
}

static prophet_value read_map(reading *r, int idx, size_t count)
{
    prophet_field *items = take(r, count * sizeof *items);
    size_t n = 0;
    for (lua_pushnil(r->L); lua_next(r->L, idx); lua_pop(r->L, 1)) {
        if (lua_type(r->L, -2) != LUA_TSTRING)
            refuse(r, "the keys of a map are texts", "a table with a key that is a ",
                   luaL_typename(r->L, -2));
        size_t len;
        const char *key = lua_tolstring(r->L, -2, &len);
        items[n].name = ph_slice(key, len);
        items[n++].value = read_any(r, lua_gettop(r->L), SCRIPT_ANY);
    }
    return prophet_map(items, n);
}

static size_t count_keys(lua_State *L, int idx)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1))
        n++;
    return n;
}

static prophet_value read_table(reading *r, int idx, int kind)
{
    int main = kind & 0xff;
    size_t length = (size_t)lua_rawlen(r->L, idx), keys = count_keys(r->L, idx);
    prophet_value v;

    luaL_checkstack(r->L, 8, "a value that is nested");
    if (++r->depth > (r->place ? DEPTH_MAX : NESTED_MAX))
        refuse(r, NULL,
               r->place ? "a value nested more than 16 deep" : "a table nested more than 100 deep",
               "");
    if (length == keys && main != SCRIPT_MAP) {
        v = read_list(r, idx, length,
                      main == SCRIPT_LIST || main == SCRIPT_SET ? kind >> 8 : SCRIPT_ANY);
    } else {
        if (main == SCRIPT_LIST || main == SCRIPT_SET)
            refuse(r, "write { a, b }", "a table with keys is no list", "");
        if (length == keys && length > 0)
            refuse(r, "write { x = a }", "a list where a map belongs", "");
        if (length > 0)
            refuse(r, "either { a, b } or { x = a, y = b }",
                   "a table that is neither a plain list nor a map", "");
        v = read_map(r, idx, keys);
    }
    r->depth--;
    return v;
}

/* The id that a text names: an id, or with a database also "#12" and the tail of an id. */
static prophet_value read_reference(reading *r, int idx)
{
    prophet_error err = { 0 };
    prophet_uuid id;
    size_t len;
    const char *text = lua_tolstring(r->L, idx, &len);

    if (prophet_uuid_parse(text, len, &id, NULL) >= 0)
        return prophet_ref(id);
    if (!r->place || !r->place->db)
        refuse(r, "an id, or a record", "no id of a record: ", text);
    prophet_doc *doc = NULL;
    prophet_record info;
    prophet_code rc = prophet_get(r->place->db, NULL, prophet_text_n(text, len), &doc, &err);
    if (rc == PROPHET_OK && !prophet_doc_record(doc, &info))
        rc = PROPHET_DONE;
    prophet_doc_free(doc);
    if (rc < 0)
        script_raise(r->L, &err);
    if (rc == PROPHET_DONE)
        refuse(r, "an id, \"#12\" or a record", "there is no record ", text);
    return prophet_ref(info.id);
}

static prophet_value read_text(reading *r, int idx, int kind)
{
    size_t len;
    const char *text = lua_tolstring(r->L, idx, &len);
    int64_t ms;

    switch (kind & 0xff) {
    case SCRIPT_BYTES_K: return prophet_bytes(text, len);
    case SCRIPT_TIME_K:
        if (!ph_time_parse(text, len, &ms))
            refuse(r, "write \"2026-01-31T10:00:00Z\"", "no time: ", text);
        return prophet_time(ms);
    case SCRIPT_REF_K: return read_reference(r, idx);
    case SCRIPT_SET:
    case SCRIPT_LIST: refuse(r, "write { .. }", "a text where a list of elements belongs", "");
    }
    return prophet_text_n(text, len);
}

static prophet_value read_number(reading *r, int idx, int kind)
{
    if ((kind & 0xff) == SCRIPT_TIME_K)
        refuse(r, "write \"2026-01-31T10:00:00Z\", or prophet.time(milliseconds)",
               "a number where a time belongs", "");
    if ((kind & 0xff) == SCRIPT_FLOAT)
        return prophet_float(lua_tonumber(r->L, idx));
    if (lua_isinteger(r->L, idx))
        return prophet_int(lua_tointeger(r->L, idx));
    lua_Number n = lua_tonumber(r->L, idx);
    lua_Integer i;
    if (((kind & 0xff) == SCRIPT_INT || (kind & 0xff) == SCRIPT_COUNTER) &&
        lua_numbertointeger(n, &i) && (lua_Number)i == n)
        return prophet_int(i);
    return prophet_float(n);
}

static prophet_value read_userdata(reading *r, int idx)
{
    int64_t ms;
    if (script_is_time(r->L, idx, &ms))
        return prophet_time(ms);
    const l_record *record = script_record_at(r->L, idx);
    if (record)
        return prophet_ref(record->info.id);
    const prophet_uuid *ref = luaL_testudata(r->L, idx, SCRIPT_REF);
    if (ref)
        return prophet_ref(*ref);
    if (luaL_testudata(r->L, idx, SCRIPT_BYTES)) {
        prophet_slice s = script_bytes_at(r->L, idx);
        return prophet_bytes(s.data, s.len);
    }
    if (script_is_unset(r->L, idx))
        return prophet_nil();
    refuse(r, NULL, "no value of a field: a ", luaL_typename(r->L, idx));
    return prophet_nil();
}

static prophet_value read_any(reading *r, int idx, int kind)
{
    switch (lua_type(r->L, idx)) {
    case LUA_TNIL: return prophet_nil();
    case LUA_TBOOLEAN: return prophet_bool(lua_toboolean(r->L, idx));
    case LUA_TNUMBER: return read_number(r, idx, kind);
    case LUA_TSTRING: return read_text(r, idx, kind);
    case LUA_TTABLE: return read_table(r, idx, kind);
    case LUA_TUSERDATA: return read_userdata(r, idx);
    }
    refuse(r, NULL, "no value of a field: a ", luaL_typename(r->L, idx));
    return prophet_nil();
}

prophet_value script_to_value(lua_State *L, int idx, const script_place *place, ph_arena *a)
{
    reading r = { L, place, a, 0 };
    return read_any(&r, lua_absindex(L, idx), place ? place->kind : SCRIPT_ANY);
}
