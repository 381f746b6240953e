/* Postings and blocks of them, as bytes; what the files of full text share. */
#ifndef PH_POSTING_IMPL_H
#define PH_POSTING_IMPL_H
#include "index/index_impl.h"

#define TEXT_ROOT 48   /* numbers of records are below 2^48 */
#define TEXT_BLOCK 960 /* bytes of postings in a block, more only for a single one */

typedef struct block_entry {
    uint64_t      number;
    prophet_slice posting;
} block_entry;

typedef struct block_in {
    row_in   in;
    uint32_t slots;
    uint64_t start, count, size; /* size: of the postings, as a block's limit counts it */
    unsigned level;
    uint64_t last;               /* the number before the next entry */
    uint64_t left;
    bool     damaged;
} block_in;
/* start: from the key. false: damaged. */
bool text_block_open(prophet_slice row, uint64_t start, uint32_t slots, block_in *out);
bool text_block_next(block_in *b, block_entry *out); /* false: no more, or b->damaged */
size_t text_entry_size(prophet_slice posting);
/* Of entries in order, in the range at start. */
void text_block_put(ph_buf *out, const block_entry *at, size_t count, uint64_t start, unsigned level);

/* ---- keys: index u32, then 00: the head | 01 number u48: a late record | 02 number u48 / 64: lengths | term, 00, [start u48]: postings */

typedef struct text_key {
    uint8_t b[4 + PH_TERM_MAX + 1 + 6];
    size_t  len;
} text_key;
enum { TEXT_HEAD = 0, TEXT_LATE = 1, TEXT_LENGTHS = 2, TEXT_FIRST_TERM = '0' };
#define TEXT_LENGTHS_OF 64u /* records a row of lengths */
#define TEXT_LATE_OF 32u    /* local numbers whose records may be late */

static inline void text_u48_put(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 6; i++)
        p[i] = (uint8_t)(v >> (40 - 8 * i));
}
static inline uint64_t text_u48(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 6; i++)
        v = v << 8 | p[i];
    return v;
}
static inline text_key text_own_key(uint32_t index, uint8_t kind, uint64_t number)
{
    text_key k = { .len = kind == TEXT_HEAD ? 5 : 11 };
    ph_u32be_put(k.b, index);
    k.b[4] = kind;
    text_u48_put(k.b + 5, number);
    return k;
}
/* The key of a term; its blocks' have their start behind. */
static inline text_key text_term_key(uint32_t index, prophet_slice term)
{
    text_key k = { .len = 4 + term.len + 1 };
    ph_u32be_put(k.b, index);
    memcpy(k.b + 4, term.data, term.len);
    k.b[4 + term.len] = 0;
    return k;
}
static inline text_key text_block_key(const text_key *term, uint64_t start)
{
    text_key k = *term;
    text_u48_put(k.b + k.len, start);
    k.len += 6;
    return k;
}
static inline prophet_slice text_slice(const text_key *k)
{
    return ph_slice(k->b, k->len);
}
/* Which term a key of postings belongs to; *block: it has a start. false: no such key. */
bool text_key_read(prophet_slice key, uint32_t index, prophet_slice *term, bool *block, uint64_t *start);
prophet_code text_damaged(uint32_t index, prophet_error *err);

/* ---- rows ---------------------------------------------------------------------------------------------------- */

/* A term's own row: all its postings in one block, or, behind ff, how many records have it. */
#define TEXT_SPLIT 0xff
bool text_split_read(prophet_slice row, uint64_t *records); /* false: it is a block */

/* A late record: its lengths, then its terms with their postings. Slices are of the row. */
bool text_late_open(prophet_slice row, uint32_t slots, uint32_t *length, row_in *terms);
bool text_late_next(row_in *in, ph_text_term *out, bool *damaged);
bool text_late_read(prophet_slice row, uint32_t slots, ph_arena *a, ph_text_doc *out, bool *nomem);
void text_late_put(ph_buf *out, const ph_text_doc *doc, uint32_t slots);

/* Lengths of up to 64 records that follow each other. */
typedef struct text_lengths {
    uint64_t has; /* bit n: record start + n */
    uint32_t length[TEXT_LENGTHS_OF][PH_TEXT_FIELDS];
} text_lengths;
bool text_lengths_read(prophet_slice row, uint32_t slots, text_lengths *out);
void text_lengths_put(ph_buf *out, const text_lengths *l, uint32_t slots);

prophet_code text_head_put(ph_txn *t, const ph_text_head *h, prophet_error *err);

#endif
