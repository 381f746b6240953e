/* embedded: the Lua modules, schemas and resolvers that were put into the binary when it was built (cmake/Embed.cmake). */
#ifndef PH_EMBEDDED_IMPL_H
#define PH_EMBEDDED_IMPL_H
#include <stddef.h>

struct ph_embedded {
    const char          *name; /* "prophet.fields", "resolvers/latest.lua" */
    const unsigned char *data; /* a zero byte follows */
    size_t               size;
};
extern const struct ph_embedded ph_embedded_files[]; /* sorted by path; a last entry of NULLs */
extern const size_t             ph_embedded_count;

#endif
