/* Prophet in a program that has a Lua of its own: luaopen_prophet puts the module there.
 *
 *     cc embed_lua.c $(pkg-config --cflags --libs prophet lua5.4) && ./a.out /tmp/bugs.prophet
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <prophet_lua.h>
#include <stdio.h>

static const char script[] =
    "local path = ...\n"
    "local f = require 'prophet.fields'\n"
    "local db <close> = prophet.open(path, { create = true, user = 'ann@example.org' })\n"
    "db:define(f.record 'ticket' { f.string 'summary' { required = true }, f.set 'tags' })\n"
    "local t = db.types.ticket:create { summary = 'Crash on save', tags = { 'ui' } }\n"
    "t = t:add('tags', 'crash')\n"
    "print(prophet.version, t.n, t.summary, table.concat(t.tags, ' '))\n";

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "bugs.prophet";
    lua_State *L = luaL_newstate();
    if (!L)
        return 1;
    luaL_openlibs(L);
    luaL_requiref(L, "prophet", luaopen_prophet, 1);
    lua_pop(L, 1);
    int failed = luaL_loadstring(L, script);
    if (!failed) {
        lua_pushstring(L, path);
        failed = lua_pcall(L, 1, 0, 0);
    }
    if (failed)
        fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
    lua_close(L);
    return failed ? 1 : 0;
}
