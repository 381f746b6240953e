/* prophet_lua.h: Prophet in a Lua state of the host's own (Lua 5.4). */
#ifndef PROPHET_LUA_H
#define PROPHET_LUA_H
#include <prophet.h>
#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

/* Pushes the module `prophet` and returns 1. For luaL_requiref or package.preload; the modules it needs (prophet.fields, ..)
 * are put into package.preload, or beside it when the host opened no package library. Raises a Lua error for lack of memory. */
PROPHET_API int luaopen_prophet(struct lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
