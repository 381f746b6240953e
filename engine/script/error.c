/* error: a prophet_error as the object that Lua sees, and back. The metatable is that of the module prophet.error, or of our own where
 * that module is not loaded (sealed states of resolvers). */
#include "script/script_impl.h"

static const char error_key = 0;

#define FIRST_CODE PROPHET_EUSAGE
#define LAST_CODE  PROPHET_EUNSIGNED

prophet_code script_code_of(const char *name)
{
    for (int code = FIRST_CODE; code >= LAST_CODE; code--)
        if (strcmp(prophet_code_name((prophet_code)code), name) == 0)
            return (prophet_code)code;
    return PROPHET_ESCRIPT;
}

static int l_bare_tostring(lua_State *L)
{
    lua_getfield(L, 1, "code");
    lua_pushliteral(L, ": ");
    lua_getfield(L, 1, "message");
    lua_concat(L, 3);
    return 1;
}

/* Called by module.c with the metatable of prophet.error on the stack (popped). */
void script_error_metatable(lua_State *L)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
}

static void push_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &error_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "prophet.error");
    lua_setfield(L, -2, "__name");
    lua_pushcfunction(L, l_bare_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &error_key);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (!text[0])
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void script_push_error(lua_State *L, const prophet_error *err)
{
    lua_createtable(L, 0, 6);
    set_text(L, "code", prophet_code_name(err->code));
    set_text(L, "message", err->message[0] ? err->message : prophet_code_name(err->code));
    set_text(L, "hint", err->hint);
    set_text(L, "type", err->type);
    set_text(L, "field", err->field);
    set_text(L, "record", err->record);
    set_text(L, "cause", err->cause);
    if (err->value[0]) {
        if (!script_json_decode(L, err->value, strlen(err->value), NULL))
            lua_pushstring(L, err->value); /* shortened, so not JSON any more */
        lua_setfield(L, -2, "value");
    }
    push_metatable(L);
    lua_setmetatable(L, -2);
}

int script_raise(lua_State *L, const prophet_error *err)
{
    luaL_checkstack(L, 8, "an error");
    script_push_error(L, err);
    return lua_error(L);
}

static void fill(prophet_error *err, prophet_code code, const char *hint, const char *fmt,
                 va_list args)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    (void)vsnprintf(err->message, sizeof err->message, fmt, args);
    if (hint)
        (void)snprintf(err->hint, sizeof err->hint, "%s", hint);
}

int script_fail(lua_State *L, prophet_code code, const char *hint, const char *fmt, ...)
{
    prophet_error err;
    va_list args;
    va_start(args, fmt);
    fill(&err, code, hint, fmt, args);
    va_end(args);
    return script_raise(L, &err);
}

int script_fail_field(lua_State *L, prophet_code code, const char *type, const char *field,
                      const char *hint, const char *fmt, ...)
{
    prophet_error err;
    va_list args;
    va_start(args, fmt);
    fill(&err, code, hint, fmt, args);
    va_end(args);
    ph_error_at(&err, ph_slice_str(type ? type : ""), ph_slice_str(field ? field : ""));
    return script_raise(L, &err);
}

/* Copies t[name] if it is a string; lua_tolstring on a string changes nothing. */
static void get_text(lua_State *L, int idx, const char *name, char *out, size_t size)
{
    lua_pushstring(L, name);
    lua_rawget(L, idx);
    if (lua_type(L, -1) == LUA_TSTRING)
        (void)snprintf(out, size, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
}

prophet_code script_error_at(lua_State *L, int idx, prophet_error *err)
{
    char code[32] = "";
    prophet_error e;

    memset(&e, 0, sizeof e);
    e.code = PROPHET_ESCRIPT;
    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) == LUA_TTABLE) {
        get_text(L, idx, "code", code, sizeof code);
        e.code = script_code_of(code);
        get_text(L, idx, "message", e.message, sizeof e.message);
        get_text(L, idx, "hint", e.hint, sizeof e.hint);
        get_text(L, idx, "type", e.type, sizeof e.type);
        get_text(L, idx, "field", e.field, sizeof e.field);
        get_text(L, idx, "record", e.record, sizeof e.record);
        get_text(L, idx, "cause", e.cause, sizeof e.cause);
    } else if (lua_type(L, idx) == LUA_TSTRING) {
        (void)snprintf(e.message, sizeof e.message, "%s", lua_tostring(L, idx));
    }
    if (!e.message[0])
        (void)snprintf(e.message, sizeof e.message, "a %s was raised", luaL_typename(L, idx));
    if (err)
        *err = e;
    return e.code;
}
