/* files: the few things of the system that the Lua side needs and stock Lua lacks: directories, the clock, ids. prophet.core has them. */
#include "script/script_impl.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)

/* ---- memory in boxes -------------------------------------------------------------------------------------- */

static int l_arena_gc(lua_State *L)
{
    script_arena_box *box = lua_touserdata(L, 1);
    ph_arena_clear(&box->arena);
    return 0;
}

script_arena_box *script_arena_box_push(lua_State *L)
{
    script_arena_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    if (luaL_newmetatable(L, "prophet.arena")) {
        lua_pushcfunction(L, l_arena_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

typedef struct buffer_box {
    ph_buf buf;
} buffer_box;

static int l_buffer_gc(lua_State *L)
{
    buffer_box *box = lua_touserdata(L, 1);
    ph_buf_clear(&box->buf);
    return 0;
}

ph_buf *script_buffer_push(lua_State *L)
{
    buffer_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    memset(box, 0, sizeof *box);
    if (luaL_newmetatable(L, "prophet.buffer")) {
        lua_pushcfunction(L, l_buffer_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return &box->buf;
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* core.read_file(path) -> text; raises not_found, io */
static int l_read_file(lua_State *L)
{
    prophet_error err = { 0 };
    script_require_unsealed(L, "reading a file");
    const char *path = script_text(L, 1, NULL, "a path");
    ph_buf *buf = script_buffer_push(L);
    if (ph_file_slurp(path, FILE_MAX, buf, &err) < 0)
        return script_raise(L, &err);
    lua_pushlstring(L, buf->data ? (const char *)buf->data : "", buf->len);
    return 1;
}

/* core.path_kind(path) -> "file", "directory", "other" or nil */
static int l_path_kind(lua_State *L)
{
    struct stat st;
    script_require_unsealed(L, "looking at files");
    if (stat(script_text(L, 1, NULL, "a path"), &st) != 0)
        lua_pushnil(L);
    else
        lua_pushstring(L, S_ISDIR(st.st_mode)   ? "directory"
                          : S_ISREG(st.st_mode) ? "file"
                                                : "other");
    return 1;
}

static int l_dir_gc(lua_State *L)
{
    DIR **d = lua_touserdata(L, 1);
    if (*d)
        (void)closedir(*d); /* nothing was written */
    *d = NULL;
    return 0;
}

/* core.list_dir(path) -> list of names, sorted, without . and .. */
static int l_list_dir(lua_State *L)
{
    script_require_unsealed(L, "looking at files");
    const char *path = script_text(L, 1, NULL, "a path");
    DIR **d = lua_newuserdatauv(L, sizeof *d, 0);
    *d = NULL;
    if (luaL_newmetatable(L, "prophet.directory")) {
        lua_pushcfunction(L, l_dir_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *d = opendir(path);
    if (!*d)
        return script_fail(L, errno == ENOENT ? PROPHET_ENOTFOUND : PROPHET_EIO, NULL,
                           "cannot list %s: %s", path, strerror(errno));
    lua_newtable(L);
    const struct dirent *entry;
    for (lua_Integer n = 0; (entry = readdir(*d)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int l_getcwd(lua_State *L)
{
    char path[PH_PATH_MAX];
    script_require_unsealed(L, "looking at files");
    lua_pushstring(L, getcwd(path, sizeof path) ? path : ".");
    return 1;
}

static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

/* core.end_well(flag): while it is set an interrupt ends the waiting of open databases with `interrupted`, which may be caught. */
static int l_end_well(lua_State *L)
{
    script_require_unsealed(L, "catching interrupts");
    script_state_of(L)->interrupted = false;
    script_state_of(L)->ends_well = lua_toboolean(L, 1);
    return 0;
}

/* core.interrupted(): was there one since? */
static int l_interrupted(lua_State *L)
{
    lua_pushboolean(L, script_state_of(L)->interrupted);
    return 1;
}

static int l_make_dir(lua_State *L)
{
    script_require_unsealed(L, "making a directory");
    const char *path = script_text(L, 1, NULL, "a path");
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return script_fail(L, PROPHET_EIO, NULL, "cannot make %s: %s", path, strerror(errno));
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* core.time(x): a time from a text, milliseconds or a time; of now without one. */
static int l_time(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        script_push_time(L, ph_now_ms());
        return 1;
    }
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Integer ms = 0;
        if (!lua_isinteger(L, 1) && !lua_numbertointeger(lua_tonumber(L, 1), &ms))
            return script_fail(L, PROPHET_EUSAGE, NULL, "that is no number of milliseconds");
        script_push_time(L, lua_isinteger(L, 1) ? lua_tointeger(L, 1) : ms);
        return 1;
    }
    script_push_time(L, script_check_time(L, 1, "that"));
    return 1;
}

static int l_is_time(lua_State *L)
{
    lua_pushboolean(L, script_is_time(L, 1, NULL));
    return 1;
}

static int l_bytes(lua_State *L)
{
    script_push_bytes(L, script_bytes_at(L, 1));
    return 1;
}

static int l_is_bytes(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, SCRIPT_BYTES) != NULL);
    return 1;
}

static int l_ref(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_uuid id;
    size_t len;
    const char *text = script_text(L, 1, &len, "an id");
    if (prophet_uuid_parse(text, len, &id, &err) < 0)
        return script_raise(L, &err);
    script_push_ref(L, &id);
    return 1;
}

static int l_is_ref(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, SCRIPT_REF) != NULL);
    return 1;
}

/* core.uuid(): a new id; core.uuid(text): the id in its usual form, nil if it is none. */
static int l_uuid(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_uuid id;
    if (lua_isnoneornil(L, 1)) {
        if (prophet_uuid_new(&id, &err) < 0)
            return script_raise(L, &err);
        script_push_id(L, &id);
        return 1;
    }
    size_t len;
    const char *text = script_text(L, 1, &len, "an id");
    if (prophet_uuid_parse(text, len, &id, NULL) < 0)
        lua_pushnil(L);
    else
        script_push_id(L, &id);
    return 1;
}

static int l_sha256(lua_State *L)
{
    prophet_error err = { 0 };
    prophet_hash hash;
    char hex[65];
    size_t len;
    const char *text = script_text(L, 1, &len, "what is hashed");
    if (prophet_hash_of(ph_slice(text, len), &hash, &err) < 0)
        return script_raise(L, &err);
    ph_hex(hash.b, sizeof hash.b, hex);
    lua_pushstring(L, hex);
    return 1;
}

static int l_is_utf8(lua_State *L)
{
    size_t len;
    const char *text = script_text(L, 1, &len, "a text");
    lua_pushboolean(L, ph_utf8_valid(text, len));
    return 1;
}

static int l_monotonic(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)ph_monotonic_us() / 1e6);
    return 1;
}

/* core.counts() -> {handles, iterators, records, refs}: what is alive. */
static int l_counts(lua_State *L)
{
    const script_state *s = script_state_of(L);
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)s->handles);
    lua_setfield(L, -2, "handles");
    lua_pushinteger(L, (lua_Integer)s->iterators);
    lua_setfield(L, -2, "iterators");
    lua_pushinteger(L, (lua_Integer)s->records);
    lua_setfield(L, -2, "records");
    lua_pushinteger(L, (lua_Integer)s->refs);
    lua_setfield(L, -2, "refs");
    return 1;
}

/* core.kinds: name -> number */
void script_push_kinds(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; script_kind_names[i]; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, script_kind_names[i]);
    }
}

const luaL_Reg script_core_files[] = {
    { "read_file", l_read_file },
    { "path_kind", l_path_kind },
    { "list_dir", l_list_dir },
    { "getcwd", l_getcwd },
    { "make_dir", l_make_dir },
    { "is_terminal", l_is_terminal },
    { "end_well", l_end_well },
    { "interrupted", l_interrupted },
    { "time", l_time },
    { "is_time", l_is_time },
    { "bytes", l_bytes },
    { "is_bytes", l_is_bytes },
    { "ref", l_ref },
    { "is_ref", l_is_ref },
    { "uuid", l_uuid },
    { "sha256", l_sha256 },
    { "is_utf8", l_is_utf8 },
    { "monotonic", l_monotonic },
    { "counts", l_counts },
    { NULL, NULL },
};
