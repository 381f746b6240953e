/* text_read: looks a term up in a full-text index: how many records have it, which ones, where. Rows are drawn in postings.c.
 *
 * A cursor goes through the blocks of its term in the order of numbers, then through the late records, whose numbers are greater. */
#include "index/posting_impl.h"

struct ph_text_reader {
    ph_txn *txn;
    ph_text_head head;
    bool late_read;
    uint64_t late_number[TEXT_LATE_OF];
    prophet_slice late_row[TEXT_LATE_OF]; /* of the table itself */
    size_t late_count;
    bool have_lengths; /* of numbers from lengths_at on */
    uint64_t lengths_at;
    text_lengths lengths;
    uint32_t late_length[PH_TEXT_FIELDS];
};

prophet_code ph_text_reader_new(ph_txn *t, const ph_text_head *head, ph_text_reader **out,
                                prophet_error *err)
{
    ph_text_reader *r = ph_alloc(sizeof *r); /* not zeroed: the lengths are large */

    if (!r)
        return ph_nomem(err);
    r->txn = t;
    r->head = *head;
    r->late_read = r->have_lengths = false;
    r->late_count = 0;
    *out = r;
    return PROPHET_OK;
}

void ph_text_reader_free(ph_text_reader *r)
{
    ph_free(r);
}

const ph_text_head *ph_text_reader_head(const ph_text_reader *r)
{
    return &r->head;
}

/* ---- late records ------------------------------------------------------------------------------------------ */

static prophet_code read_late(ph_text_reader *r, prophet_error *err)
{
    text_key at = text_own_key(r->head.layout.index, TEXT_LATE, 0);
    prophet_slice key, row;
    ph_cursor *cur;
    prophet_code rc;

    if (r->late_read)
        return PROPHET_OK;
    if ((rc = ph_cursor_open(r->txn, PH_T_WORDS, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, text_slice(&at), &key, &row, err);
    for (; rc == PROPHET_OK && key.len == at.len && memcmp(key.data, at.b, 5) == 0;
         rc = ph_cursor_next(cur, &key, &row, err)) {
        if (r->late_count == TEXT_LATE_OF) {
            rc = text_damaged(r->head.layout.index, err);
            break;
        }
        r->late_number[r->late_count] = text_u48((const uint8_t *)key.data + 5);
        r->late_row[r->late_count++] = row;
    }
    ph_cursor_close(cur);
    r->late_read = rc >= 0;
    return rc < 0 ? rc : PROPHET_OK;
}

/* PROPHET_DONE: the record has no such term. */
static prophet_code late_find(ph_text_reader *r, size_t i, prophet_slice term,
                              prophet_slice *posting, prophet_error *err)
{
    row_in in;
    ph_text_term t;
    bool damaged = false;

    if (!text_late_open(r->late_row[i], r->head.layout.slots, r->late_length, &in))
        return text_damaged(r->head.layout.index, err);
    while (text_late_next(&in, &t, &damaged)) {
        int c = ph_slice_cmp(t.term, term);
        if (c > 0)
            return PROPHET_DONE;
        if (c == 0) {
            *posting = t.posting;
            return PROPHET_OK;
        }
    }
    return damaged ? text_damaged(r->head.layout.index, err) : PROPHET_DONE;
}

/* ---- lengths, counts ------------------------------------------------------------------------------------------ */

prophet_code ph_text_lengths(ph_text_reader *r, uint64_t number, const uint32_t **out,
                             prophet_error *err)
{
    uint64_t at = number / TEXT_LENGTHS_OF;
    prophet_slice row;
    row_in in;
    prophet_code rc;

    if (number >= r->head.settled) {
        if ((rc = read_late(r, err)) < 0)
            return rc;
        for (size_t i = 0; i < r->late_count; i++) {
            if (r->late_number[i] != number)
                continue;
            *out = r->late_length;
            return text_late_open(r->late_row[i], r->head.layout.slots, r->late_length, &in)
                       ? PROPHET_OK
                       : text_damaged(r->head.layout.index, err);
        }
        return PROPHET_DONE;
    }
    if (!r->have_lengths || r->lengths_at != at) {
        text_key key = text_own_key(r->head.layout.index, TEXT_LENGTHS, at);
        if ((rc = ph_txn_get(r->txn, PH_T_WORDS, text_slice(&key), &row, err)) < 0)
            return rc;
        r->have_lengths = true;
        r->lengths_at = at;
        r->lengths.has = 0;
        if (rc == PROPHET_OK && !text_lengths_read(row, r->head.layout.slots, &r->lengths)) {
            r->have_lengths = false;
            return text_damaged(r->head.layout.index, err);
        }
    }
    *out = r->lengths.length[number % TEXT_LENGTHS_OF];
    return r->lengths.has >> number % TEXT_LENGTHS_OF & 1 ? PROPHET_OK : PROPHET_DONE;
}

prophet_code ph_text_records(ph_text_reader *r, prophet_slice term, uint64_t *count,
                             prophet_error *err)
{
    text_key key = text_term_key(r->head.layout.index, term);
    prophet_slice row, posting;
    block_in in;
    prophet_code rc = ph_txn_get(r->txn, PH_T_WORDS, text_slice(&key), &row, err);

    *count = 0;
    if (rc == PROPHET_OK && !text_split_read(row, count)) {
        if (!text_block_open(row, 0, r->head.layout.slots, &in))
            return text_damaged(r->head.layout.index, err);
        *count = in.count;
    }
    if (rc < 0 || (rc = read_late(r, err)) < 0)
        return rc;
    for (size_t i = 0; i < r->late_count; i++) {
        if ((rc = late_find(r, i, term, &posting, err)) < 0)
            return rc;
        *count += rc == PROPHET_OK;
    }
    return PROPHET_OK;
}

/* ---- cursors -------------------------------------------------------------------------------------------------- */

struct ph_text_cursor {
    ph_text_reader *r;
    text_key term;
    ph_cursor *rows;   /* NULL: the term has one block, or none */
    block_in in;       /* the block at hand */
    block_entry entry; /* at which it stands */
    bool standing, blocks_done;
    size_t late; /* next late record */
};

prophet_code ph_text_cursor_open(ph_text_reader *r, prophet_slice term, ph_text_cursor **out,
                                 prophet_error *err)
{
    ph_text_cursor *c = ph_zalloc(sizeof *c);
    prophet_slice row;
    uint64_t records;
    prophet_code rc;

    if (!c)
        return ph_nomem(err);
    c->r = r;
    c->term = text_term_key(r->head.layout.index, term);
    rc = ph_txn_get(r->txn, PH_T_WORDS, text_slice(&c->term), &row, err);
    if (rc == PROPHET_DONE)
        c->blocks_done = true;
    else if (rc == PROPHET_OK && text_split_read(row, &records))
        rc = ph_cursor_open(r->txn, PH_T_WORDS, &c->rows, err);
    else if (rc == PROPHET_OK && !text_block_open(row, 0, r->head.layout.slots, &c->in))
        rc = text_damaged(r->head.layout.index, err);
    if (rc < 0) {
        ph_text_cursor_close(c);
        return rc;
    }
    *out = c;
    return PROPHET_OK;
}

void ph_text_cursor_close(ph_text_cursor *c)
{
    if (!c)
        return;
    ph_cursor_close(c->rows);
    ph_free(c);
}

/* The block in a row the cursor gave. PROPHET_DONE: it is no block of this term. */
static prophet_code open_block(ph_text_cursor *c, prophet_slice key, prophet_slice row,
                               prophet_error *err)
{
    if (key.len != c->term.len + 6 || memcmp(key.data, c->term.b, c->term.len) != 0)
        return PROPHET_DONE;
    if (!text_block_open(row, text_u48((const uint8_t *)key.data + c->term.len),
                         c->r->head.layout.slots, &c->in))
        return text_damaged(c->r->head.layout.index, err);
    return PROPHET_OK;
}

static inline bool in_range(const block_in *in, uint64_t number)
{
    return number < in->start + (UINT64_C(1) << in->level);
}

/* The first block whose range ends behind `number`. */
static prophet_code find_block(ph_text_cursor *c, uint64_t number, prophet_error *err)
{
    prophet_slice key, row;
    prophet_code rc;

    if (c->in.count > 0) { /* mostly it is the next one */
        rc = ph_cursor_next(c->rows, &key, &row, err);
        if (rc != PROPHET_OK || (rc = open_block(c, key, row, err)) != PROPHET_OK ||
            in_range(&c->in, number))
            return rc;
    }
    text_key at = text_block_key(&c->term, number);
    rc = ph_cursor_seek(c->rows, text_slice(&at), &key, &row, err);
    if (rc >= 0) /* the one before may go on to here */
        rc = rc == PROPHET_OK ? ph_cursor_prev(c->rows, &key, &row, err)
                              : ph_cursor_last(c->rows, &key, &row, err);
    if (rc == PROPHET_OK && (rc = open_block(c, key, row, err)) == PROPHET_OK &&
        in_range(&c->in, number))
        return PROPHET_OK;
    if (rc < 0 || (rc = ph_cursor_seek(c->rows, text_slice(&at), &key, &row, err)) != PROPHET_OK)
        return rc;
    return open_block(c, key, row, err);
}

/* Stands on the first entry with at least this number. PROPHET_DONE: the blocks have none. */
static prophet_code seek_blocks(ph_text_cursor *c, uint64_t number, prophet_error *err)
{
    prophet_code rc;

    for (;;) {
        if (c->standing && c->entry.number >= number)
            return PROPHET_OK;
        if (c->in.count > 0 && in_range(&c->in, number)) {
            do
                c->standing = text_block_next(&c->in, &c->entry);
            while (c->standing && c->entry.number < number);
            if (c->standing)
                return PROPHET_OK;
            if (c->in.damaged)
                return text_damaged(c->r->head.layout.index, err);
            number = c->in.start + (UINT64_C(1) << c->in.level);
        }
        if (!c->rows)
            return PROPHET_DONE;
        c->standing = false;
        if ((rc = find_block(c, number, err)) != PROPHET_OK)
            return rc;
        if (number < c->in.start)
            number = c->in.start;
    }
}

static prophet_code seek_late(ph_text_cursor *c, uint64_t number, uint64_t *found,
                              prophet_slice *posting, prophet_error *err)
{
    prophet_code rc = read_late(c->r, err);

    if (rc < 0)
        return rc;
    prophet_slice term = ph_slice(c->term.b + 4, c->term.len - 5);
    for (; c->late < c->r->late_count; c->late++) {
        if (c->r->late_number[c->late] < number)
            continue;
        if ((rc = late_find(c->r, c->late, term, posting, err)) != PROPHET_DONE) {
            *found = c->r->late_number[c->late];
            return rc;
        }
    }
    return PROPHET_DONE;
}

prophet_code ph_text_cursor_seek(ph_text_cursor *c, uint64_t number, uint64_t *found,
                                 prophet_slice *posting, prophet_error *err)
{
    prophet_code rc = c->blocks_done ? PROPHET_DONE : seek_blocks(c, number, err);

    if (rc < 0)
        return rc;
    if (rc == PROPHET_OK) {
        *found = c->entry.number;
        *posting = c->entry.posting;
        return PROPHET_OK;
    }
    c->blocks_done = true;
    return seek_late(c, number, found, posting, err);
}

/* ---- all terms that begin so ------------------------------------------------------------------------------------ */

static prophet_code see_block(ph_text_reader *r, prophet_slice term, prophet_slice row,
                              uint64_t start, ph_text_fn see, void *ctx, prophet_error *err)
{
    block_in in;
    block_entry e;
    prophet_code rc = PROPHET_OK;

    if (!text_block_open(row, start, r->head.layout.slots, &in))
        return text_damaged(r->head.layout.index, err);
    while (rc >= 0 && text_block_next(&in, &e))
        rc = see(ctx, term, e.number, e.posting, err);
    return in.damaged ? text_damaged(r->head.layout.index, err) : rc;
}

static prophet_code see_late(ph_text_reader *r, size_t i, prophet_slice prefix, ph_text_fn see,
                             void *ctx, prophet_error *err)
{
    row_in in;
    ph_text_term t;
    bool damaged = false;
    prophet_code rc = PROPHET_OK;

    if (!text_late_open(r->late_row[i], r->head.layout.slots, r->late_length, &in))
        return text_damaged(r->head.layout.index, err);
    while (rc >= 0 && text_late_next(&in, &t, &damaged))
        if (t.term.len >= prefix.len && memcmp(t.term.data, prefix.data, prefix.len) == 0)
            rc = see(ctx, t.term, r->late_number[i], t.posting, err);
    return damaged ? text_damaged(r->head.layout.index, err) : rc;
}

prophet_code ph_text_prefix(ph_text_reader *r, prophet_slice prefix, ph_text_fn see, void *ctx,
                            prophet_error *err)
{
    text_key at = text_term_key(r->head.layout.index, prefix);
    prophet_slice key, row, term;
    uint64_t start, records;
    ph_cursor *cur;
    bool block;
    prophet_code rc = ph_cursor_open(r->txn, PH_T_WORDS, &cur, err);

    if (rc < 0)
        return rc;
    at.len--; /* without the end of the term */
    rc = ph_cursor_seek(cur, text_slice(&at), &key, &row, err);
    while (rc == PROPHET_OK && key.len >= at.len && memcmp(key.data, at.b, at.len) == 0) {
        if (!text_key_read(key, r->head.layout.index, &term, &block, &start))
            rc = text_damaged(r->head.layout.index, err);
        else if (block || !text_split_read(row, &records))
            rc = see_block(r, term, row, start, see, ctx, err);
        if (rc >= 0)
            rc = ph_cursor_next(cur, &key, &row, err);
    }
    ph_cursor_close(cur);
    if (rc >= 0)
        rc = read_late(r, err);
    for (size_t i = 0; i < r->late_count && rc >= 0; i++)
        rc = see_late(r, i, prefix, see, ctx, err);
    return rc < 0 ? rc : PROPHET_OK;
}
