/* What writes the rows of a full-text index: postings.c gathers changes, text_blocks.c makes them in the blocks of a term. */
#ifndef PH_TEXT_WRITE_IMPL_H
#define PH_TEXT_WRITE_IMPL_H
#include "index/posting_impl.h"

typedef struct text_change { /* of one posting */
    prophet_slice term;
    uint64_t number;
    prophet_slice posting; /* empty: it goes */
} text_change;

struct ph_text_writer {
    ph_txn *txn;
    ph_text_head head;
    uint64_t settled; /* after this write */
    PH_LIST(text_change) changes;
    PH_LIST(block_entry) entries; /* of the block at hand */
    ph_buf old, row;
    ph_cursor *cursor;
    ph_arena arena; /* late records that settle */
};

prophet_code text_put_row(ph_text_writer *w, const text_key *key, prophet_error *err); /* w->row */
prophet_code text_del_row(ph_text_writer *w, const text_key *key, prophet_error *err);
/* Makes changes that are all of one term, by number; w->cursor is open. */
prophet_code text_change_term(ph_text_writer *w, const text_change *c, size_t count,
                              prophet_error *err);

#endif
