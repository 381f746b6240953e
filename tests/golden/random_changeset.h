/* Random values and changesets, each with a description in JSON from which another program can build
 * the same bytes. Descriptions are written from what was drawn, not from what was encoded. */
#ifndef RANDOM_CHANGESET_H
#define RANDOM_CHANGESET_H
#include "model/model.h"
#include "support/test.h"

typedef struct drawn { /* all zero, or cleared, to begin with */
    ph_arena     arena; /* everything that was drawn */
    ph_buf       json;  /* its description */
    ph_buf       bytes; /* the body */
    ph_changeset set;
} drawn;

void drawn_clear(drawn *d);
void *drawn_copy(drawn *d, const void *data, size_t len);
void drawn_hex(drawn *d, const void *data, size_t len); /* quoted, into the description */
void drawn_fill(void *data, size_t len);                /* with random bytes */

int64_t draw_int(void); /* of every length, and of any sign */
prophet_slice draw_text(drawn *d, size_t max);
/* A value; its description is appended to d->json:
 * ["bool",true] ["int",n] ["float",hex of 8 bytes] ["text",hex] ["bytes",hex] ["time",n] ["ref",hex]
 * ["blob",hex,size,hex,hex] ["list",[..]] ["map",[[hex,value]..]] */
prophet_slice draw_value(drawn *d);
/* A changeset, sealed, after `last` (NULL: of another replica, or with a prev nobody knows); d->json:
 * {"header":{..},"body":{..}} with members named as in model.h. */
void draw_changeset(drawn *d, const ph_changeset *last, ph_hasher *h);

#endif
