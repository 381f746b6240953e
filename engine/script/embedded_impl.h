/* The Lua files that are part of the binary, written at build time by cmake/Embed.cmake. */
#ifndef PH_EMBEDDED_IMPL_H
#define PH_EMBEDDED_IMPL_H
#include <stddef.h>

/* Names: "prophet" for lua/prophet/init.lua, "prophet.fields" for lua/prophet/fields.lua; "schemas/ticket.lua" and
 * "resolvers/furthest.lua" for those. Sorted by path; a zero byte follows the data. The table ends with a NULL name. */
struct ph_embedded {
    const char          *name;
    const unsigned char *data;
    size_t               size;
};
extern const struct ph_embedded ph_embedded_files[];
extern const size_t             ph_embedded_count;

#endif
