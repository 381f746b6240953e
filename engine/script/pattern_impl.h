/* Lua patterns, one match at a time. */
#ifndef PH_PATTERN_IMPL_H
#define PH_PATTERN_IMPL_H
#include "script/script_impl.h"

#define PATTERN_CAPTURES 32
enum { PATTERN_OPEN = -1, PATTERN_PLACE = -2 }; /* instead of the length of a capture */

typedef struct matching {
    lua_State *L;
    const char *text, *text_end, *pattern_end;
    int depth, captures;
    size_t steps; /* not yet charged */
    struct {
        const char *at;
        ptrdiff_t len; /* or PATTERN_OPEN, PATTERN_PLACE */
    } capture[PATTERN_CAPTURES];
} matching;

void pattern_prepare(matching *m, lua_State *L, const char *text, size_t len, const char *pattern,
                     size_t pattern_len);
void pattern_step(matching *m); /* one of the budget; raises when it is spent */
/* The end of what the rest of the pattern at p matches at s, NULL: nothing; raises for a malformed pattern. */
const char *pattern_match(matching *m, const char *s, const char *p);

#endif
