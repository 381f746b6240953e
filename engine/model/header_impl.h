/* What header.c lends to frame.c and changeset.c. */
#ifndef PH_MODEL_HEADER_IMPL_H
#define PH_MODEL_HEADER_IMPL_H
#include "model/cbor_impl.h"

enum { /* keys of the header map; docs/formats.md draws it */
    PH_HEADER_FORMAT = 1, PH_HEADER_DATABASE, PH_HEADER_REPLICA, PH_HEADER_SEQ, PH_HEADER_PREV, PH_HEADER_PARENTS,
    PH_HEADER_REFS, PH_HEADER_BODY, PH_HEADER_SUCCEEDS, PH_HEADER_VOUCHES
};
#define PH_HEADER_BIT(key) (1u << (key))

/* Reads a header map, from which members may be missing; *seen says which keys were there. */
bool ph_read_header(ph_cursor *c, ph_arena *arena, ph_header *out, unsigned *seen);
/* Refuses, naming it, when one of the keys in `wanted` is not in `seen`. */
bool ph_header_wants(ph_cursor *c, unsigned seen, unsigned wanted);
/* What is wrong with a complete header, or NULL. */
const char *ph_header_flaw(const ph_header *h);
/* Writes the header map without the keys in `omitted`. */
void ph_write_header(const ph_header *h, unsigned omitted, ph_buf *out);

#endif
