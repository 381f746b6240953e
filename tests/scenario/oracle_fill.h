/* Decoded changesets of the engine as input for the oracle: a copy, field by field, that needs nothing of the engine afterwards. */
#ifndef ORACLE_FILL_H
#define ORACLE_FILL_H
#include "model/model.h"
#include "oracle.h"

typedef struct oracle_input {
    oracle_changeset *sets;
    size_t            count, room;
    void            **blocks; /* what the sets point to */
    size_t            block_count, block_room;
} oracle_input;

void oracle_input_add(oracle_input *in, const ph_changeset *cs);
void oracle_input_clear(oracle_input *in);

#endif
