/* module: luaopen_prophet. Puts prophet.core (the C side) together and loads the Lua side: from the binary, or from the directory in
 * PROPHET_LUA_DIR while one edits it. Our modules run in an environment of their own: hosts may have replaced globals, and sealed states
 * have few. */
#include "script/script_impl.h"
#include "script/embedded_impl.h"
#include <stdlib.h>

static const char loaded_key = 0, env_key = 0, core_key = 0;

/* ---- finding the text of a module --------------------------------------------------------------------- */

static const struct ph_embedded *find_embedded(const char *name)
{
    for (size_t i = 0; i < ph_embedded_count; i++)
        if (strcmp(ph_embedded_files[i].name, name) == 0)
            return &ph_embedded_files[i];
    return NULL;
}

/* Loads DIR/a/b.lua or DIR/a/b/init.lua for "a.b"; false: there is none. */
static bool load_from_dir(lua_State *L, const char *dir, const char *name)
{
    static const char *const forms[] = { "%s/%s.lua", "%s/%s/init.lua" };
    const char *path = luaL_gsub(L, name, ".", "/");
    for (size_t i = 0; i < 2; i++) {
        char file[PH_PATH_MAX];
        int n = snprintf(file, sizeof file, forms[i], dir, path);
        if (n < 0 || (size_t)n >= sizeof file || !ph_path_exists(file))
            continue;
        lua_pop(L, 1);
        if (luaL_loadfilex(L, file, "t") != LUA_OK)
            lua_error(L);
        return true;
    }
    lua_pop(L, 1);
    return false;
}

static bool load(lua_State *L, const char *name)
{
    const char *dir = getenv("PROPHET_LUA_DIR");
    if (dir && dir[0] && !script_state_of(L)->sealed && load_from_dir(L, dir, name))
        return true;
    const struct ph_embedded *e = find_embedded(name);
    if (!e)
        return false;
    lua_pushfstring(L, "=%s", name);
    int rc = luaL_loadbufferx(L, (const char *)e->data, e->size, lua_tostring(L, -1), "t");
    lua_remove(L, -2);
    if (rc != LUA_OK)
        lua_error(L);
    return true;
}

static void push_table_of(lua_State *L, const void *key)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void script_module_push(lua_State *L, const char *name)
{
    luaL_checkstack(L, 10, "loading a module");
    push_table_of(L, &loaded_key);
    if (lua_getfield(L, -1, name) != LUA_TNIL) {
        if (lua_isboolean(L, -1))
            luaL_error(L, "module %s needs itself", name);
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, name);
    if (!load(L, name)) {
        lua_pushnil(L);
        lua_setfield(L, -2, name);
        luaL_error(L, "module '%s' not found", name);
    }
    script_env_push(L);
    lua_setupvalue(L, -2, 1);
    lua_pushstring(L, name);
    lua_call(L, 1, 1); /* Lua called us, nothing is held */
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
    lua_remove(L, -2);
}

static bool is_ours(const char *name)
{
    return strcmp(name, "prophet") == 0 || strncmp(name, "prophet.", 8) == 0;
}

/* ---- the environment of our modules ---------------------------------------------------------------------- */

static int l_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (is_ours(name)) {
        script_module_push(L, name);
        return 1;
    }
    if (lua_getglobal(L, "require") != LUA_TFUNCTION)
        return luaL_error(L, "module '%s' not found: this state has no require", name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

/* The stock base library in a table of its own. */
static void push_private_base(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushcfunction(L, luaopen_base);
    int status = lua_pcall(L, 0, 0, 0);
    lua_pushvalue(L, -2 - (status != LUA_OK));
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    if (status != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

static void push_sealed_env(lua_State *L)
{
    static const char *const shared[] = { "pcall", "xpcall", "error", "string", "table",
                                          "math",  "utf8",   "pairs", "ipairs" };
    push_private_base(L);
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        lua_getglobal(L, shared[i]);
        lua_setfield(L, -2, shared[i]);
    }
    static const char *const gone[] = { "load", "loadfile", "dofile", "collectgarbage", "print" };
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, gone[i]);
    }
}

void script_env_push(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    if (script_state_of(L)->sealed) {
        push_sealed_env(L);
    } else {
        lua_newtable(L);
        lua_createtable(L, 0, 1);
        lua_pushglobaltable(L);
        lua_setfield(L, -2, "__index");
        lua_setmetatable(L, -2);
    }
    lua_pushcfunction(L, l_require);
    lua_setfield(L, -2, "require");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
}

/* ---- prophet.core ------------------------------------------------------------------------------------------ */

/* core.embedded(name) -> text or nil; core.embedded() -> list of all names */
static int l_embedded(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_createtable(L, (int)ph_embedded_count, 0);
        for (size_t i = 0; i < ph_embedded_count; i++) {
            lua_pushstring(L, ph_embedded_files[i].name);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return 1;
    }
    const struct ph_embedded *e = find_embedded(luaL_checkstring(L, 1));
    if (e)
        lua_pushlstring(L, (const char *)e->data, e->size);
    else
        lua_pushnil(L);
    return 1;
}

static int l_sealed(lua_State *L)
{
    lua_pushboolean(L, script_state_of(L)->sealed);
    return 1;
}

static void push_core(lua_State *L)
{
    static const luaL_Reg own[] = {
        { "embedded", l_embedded },           { "sealed", l_sealed }, { "create", l_type_create },
        { "resolver_load", l_resolver_load }, { NULL, NULL },
    };
    lua_newtable(L);
    luaL_setfuncs(L, own, 0);
    luaL_setfuncs(L, script_core_open, 0);
    luaL_setfuncs(L, script_core_files, 0);
    luaL_setfuncs(L, script_core_transport, 0);
    script_push_kinds(L);
    lua_setfield(L, -2, "kinds");
    script_push_unset(L);
    lua_setfield(L, -2, "unset");
    lua_pushstring(L, prophet_version());
    lua_setfield(L, -2, "version");
    (void)script_json_open(L);
    lua_setfield(L, -2, "json");
    script_record_open(L);
    lua_setfield(L, -2, "record");
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int l_loader(lua_State *L)
{
    script_module_push(L, luaL_checkstring(L, 1));
    return 1;
}

/* A searcher for package.searchers: our modules, wherever they come from. */
static int l_searcher(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!is_ours(name))
        return 0;
    lua_pushcfunction(L, l_loader);
    lua_pushliteral(L, ":prophet:");
    return 2;
}

static void add_searcher(lua_State *L)
{
    if (lua_getglobal(L, "package") == LUA_TTABLE &&
        lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
        for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
            lua_rawgeti(L, -1, i);
            lua_rawseti(L, -2, i + 1);
        }
        lua_pushcfunction(L, l_searcher);
        lua_rawseti(L, -2, 2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void script_module_open(lua_State *L, bool sealed)
{
    luaL_checkstack(L, 20, "prophet");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &core_key) != LUA_TNIL) {
        lua_pop(L, 1);
        script_module_push(L, "prophet");
        return;
    }
    lua_pop(L, 1);
    script_state_of(L)->sealed = sealed;
    if (script_state_of(L)->stress)
        (void)lua_gc(L, LUA_GCINC, 1, 1000, 1);
    script_values_open(L);
    script_handle_open(L);
    script_iterator_open(L);
    script_resolver_open(L);
    push_core(L);
    push_table_of(L, &loaded_key);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "prophet.core");
    lua_pop(L, 1);

    script_module_push(L, "prophet.error");
    lua_getfield(L, -1, "metatable");
    script_error_metatable(L);
    lua_pop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &core_key);
    if (!sealed)
        add_searcher(L);
    script_module_push(L, "prophet");
}

int luaopen_prophet(lua_State *L)
{
    script_module_open(L, false);
    return 1;
}
