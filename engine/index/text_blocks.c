/* text_blocks: the postings of a term, in one block or in several.
 *
 * Which postings share a block is a function of the postings alone, however they came: the range of all numbers is one block if
 * its postings take TEXT_BLOCK bytes at most, else it is halved, and so on. Blocks are split and joined as that says; a rebuild gives
 * the same bytes. */
#include "index/text_write_impl.h"

prophet_code text_put_row(ph_text_writer *w, const text_key *key, prophet_error *err)
{
    return w->row.failed
               ? ph_nomem(err)
               : ph_txn_put(w->txn, PH_T_WORDS, text_slice(key), ph_buf_slice(&w->row), err);
}

prophet_code text_del_row(ph_text_writer *w, const text_key *key, prophet_error *err)
{
    prophet_code rc = ph_txn_del(w->txn, PH_T_WORDS, text_slice(key), err);
    return rc < 0 ? rc : PROPHET_OK;
}

static bool push_entry(ph_text_writer *w, uint64_t number, prophet_slice posting)
{
    return PH_PUSH(w->entries, ((block_entry){ number, posting }));
}

static size_t size_of(const block_entry *at, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += text_entry_size(at[i].posting);
    return size;
}

static prophet_code put_block(ph_text_writer *w, const text_key *key, const block_entry *at,
                              size_t count, uint64_t start, unsigned level, prophet_error *err)
{
    ph_buf_reset(&w->row);
    text_block_put(&w->row, at, count, start, level);
    return text_put_row(w, key, err);
}

/* Entries of a range of a term that has several blocks. */
static prophet_code put_range(ph_text_writer *w, const text_key *term, const block_entry *at,
                              size_t count, uint64_t start, unsigned level, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    size_t low = 0;

    if (count == 0)
        return PROPHET_OK;
    if (level == 0 || size_of(at, count) <= TEXT_BLOCK) {
        text_key key = text_block_key(term, start);
        return put_block(w, &key, at, count, start, level, err);
    }
    uint64_t middle = start + (UINT64_C(1) << (level - 1));
    while (low < count && at[low].number < middle)
        low++;
    rc = put_range(w, term, at, low, start, level - 1, err);
    return rc < 0 ? rc : put_range(w, term, at + low, count - low, middle, level - 1, err);
}

static prophet_code put_split(ph_text_writer *w, const text_key *term, uint64_t records,
                              prophet_error *err)
{
    ph_buf_reset(&w->row);
    ph_buf_byte(&w->row, TEXT_SPLIT);
    ph_buf_varint(&w->row, records);
    return text_put_row(w, term, err);
}

/* The entries of a row, with changes [0, count) of its range made: into w->entries, whose bytes are those of w->old and of the
 * changes. *before: what they took. */
static prophet_code merge(ph_text_writer *w, prophet_slice row, uint64_t start,
                          const text_change *c, size_t count, size_t *before, int64_t *more,
                          prophet_error *err)
{
    block_in in = { .left = 0 };
    block_entry e = { 0 };
    bool ok = true, has;

    ph_buf_reset(&w->old);
    ph_buf_put(&w->old, row.data, row.len);
    w->entries.count = 0;
    *before = 0;
    if (w->old.failed)
        return ph_nomem(err);
    if (row.len > 0) {
        if (!text_block_open(ph_buf_slice(&w->old), start, w->head.layout.slots, &in))
            return text_damaged(w->head.layout.index, err);
        *before = in.size;
        *more -= (int64_t)in.count;
    }
    has = text_block_next(&in, &e);
    for (size_t i = 0; i < count || has;) {
        if (has && (i == count || e.number < c[i].number)) {
            ok = ok && push_entry(w, e.number, e.posting);
            has = text_block_next(&in, &e);
            continue;
        }
        if (c[i].posting.len > 0)
            ok = ok && push_entry(w, c[i].number, c[i].posting);
        if (has && e.number == c[i].number)
            has = text_block_next(&in, &e);
        i++;
    }
    *more += (int64_t)w->entries.count;
    return in.damaged ? text_damaged(w->head.layout.index, err) : ok ? PROPHET_OK : ph_nomem(err);
}

typedef struct range { /* of a block that is there or would be */
    uint64_t start;
    unsigned level;
} range;

static bool covers(const range *r, uint64_t number)
{
    return number >> r->level == r->start >> r->level;
}

/* The range at a row the cursor gave, if it is a block of this term. */
static bool range_at(const ph_text_writer *w, const text_key *term, prophet_slice key,
                     prophet_slice row, range *out)
{
    block_in in;

    if (key.len != term->len + 6 || memcmp(key.data, term->b, term->len) != 0)
        return false;
    out->start = text_u48((const uint8_t *)key.data + term->len);
    if (!text_block_open(row, out->start, w->head.layout.slots, &in))
        return false;
    out->level = in.level;
    return true;
}

static void keep_out(range *r, uint64_t number, const range *other)
{
    while (r->level > 0 && number >> r->level == other->start >> r->level)
        r->level--;
}

/* The range a number belongs to, of a term with several blocks: that of the block there, else the widest without postings. */
static prophet_code find_range(ph_text_writer *w, const text_key *term, uint64_t number, range *out,
                               prophet_slice *row, prophet_error *err)
{
    text_key at = text_block_key(term, number);
    prophet_slice key, value;
    range near;
    prophet_code rc = ph_cursor_seek(w->cursor, text_slice(&at), &key, &value, err);

    *row = ph_slice(NULL, 0);
    out->level = TEXT_ROOT - 1;
    if (rc == PROPHET_OK && range_at(w, term, key, value, &near)) {
        if (near.start == number) {
            *out = near;
            *row = value;
            return PROPHET_OK;
        }
        keep_out(out, number, &near);
    }
    if (rc >= 0)
        rc = rc == PROPHET_OK ? ph_cursor_prev(w->cursor, &key, &value, err)
                              : ph_cursor_last(w->cursor, &key, &value, err);
    if (rc == PROPHET_OK && range_at(w, term, key, value, &near)) {
        if (covers(&near, number)) {
            *out = near;
            *row = value;
            return PROPHET_OK;
        }
        keep_out(out, number, &near);
    }
    out->start = number >> out->level << out->level;
    return rc < 0 ? rc : PROPHET_OK;
}

/* What the other half of a range's parent holds; `fits` is false when that is several blocks. */
static prophet_code sibling(ph_text_writer *w, const text_key *term, const range *r,
                            prophet_slice *row, uint64_t *start, size_t *size, bool *fits,
                            prophet_error *err)
{
    range other = { r->start ^ UINT64_C(1) << r->level, r->level }, near;
    text_key at = text_block_key(term, other.start);
    prophet_slice key, value;
    block_in in;
    prophet_code rc = ph_cursor_seek(w->cursor, text_slice(&at), &key, &value, err);

    *size = 0;
    *fits = true;
    *start = other.start;
    *row = ph_slice(NULL, 0);
    if (rc != PROPHET_OK || !range_at(w, term, key, value, &near) || !covers(&other, near.start))
        return rc < 0 ? rc : PROPHET_OK;
    *fits = near.level == r->level && text_block_open(value, near.start, w->head.layout.slots, &in);
    if (*fits) {
        *row = value;
        *size = in.size;
    }
    return PROPHET_OK;
}

/* Entries of a block and its sibling into one; the sibling's are appended or come first. */
static prophet_code join(ph_text_writer *w, prophet_slice row, uint64_t start, const range *r,
                         prophet_error *err)
{
    size_t mine = w->entries.count;
    block_in in;
    block_entry e;
    bool ok = true;

    prophet_slice copy = ph_arena_copy(&w->arena, row, &ok);
    if (!ok)
        return ph_nomem(err);
    if (!text_block_open(copy, start, w->head.layout.slots, &in))
        return text_damaged(w->head.layout.index, err);
    while (ok && text_block_next(&in, &e))
        ok = push_entry(w, e.number, e.posting);
    if (!ok || in.damaged)
        return ok ? text_damaged(w->head.layout.index, err) : ph_nomem(err);
    if (start < r->start) { /* the sibling's come first */
        size_t more = w->entries.count - mine;
        for (size_t i = 0; i < more && ok; i++)
            ok = push_entry(w, 0, ph_slice(NULL, 0));
        if (!ok)
            return ph_nomem(err);
        memmove(w->entries.at + more, w->entries.at, (mine + more) * sizeof *w->entries.at);
        memcpy(w->entries.at, w->entries.at + mine + more, more * sizeof *w->entries.at);
        w->entries.count = mine + more;
    }
    return PROPHET_OK;
}

/* w->entries are all of range r and fit a block: while those of its parent do too, they become the parent's. *root: in the end all
 * of the term are in one block again. */
static prophet_code write_joined(ph_text_writer *w, const text_key *term, range r, bool shrunk,
                                 bool *root, prophet_error *err)
{
    size_t size = size_of(w->entries.at, w->entries.count), more;
    prophet_slice row;
    uint64_t start;
    bool fits = true;
    prophet_code rc = PROPHET_OK;

    while (shrunk && r.level < TEXT_ROOT) {
        if ((rc = sibling(w, term, &r, &row, &start, &more, &fits, err)) < 0)
            return rc;
        if (!fits || size + more > TEXT_BLOCK)
            break;
        text_key key = text_block_key(term, start);
        if (row.len > 0 &&
            ((rc = join(w, row, start, &r, err)) < 0 || (rc = text_del_row(w, &key, err)) < 0))
            return rc;
        size += more;
        r.start &= ~(UINT64_C(1) << r.level);
        r.level++;
    }
    *root = r.level == TEXT_ROOT;
    if (*root && w->entries.count > 0)
        return put_block(w, term, w->entries.at, w->entries.count, 0, TEXT_ROOT, err);
    return *root ? text_del_row(w, term, err)
                 : put_range(w, term, w->entries.at, w->entries.count, r.start, r.level, err);
}

/* Changes of one term that has several blocks, up to the end of the first one's range. */
static prophet_code change_range(ph_text_writer *w, const text_key *term, const text_change *c,
                                 size_t count, size_t *done, uint64_t *records, bool *root,
                                 prophet_error *err)
{
    prophet_slice row;
    size_t n = 1, before, after;
    int64_t more = 0;
    range r;
    prophet_code rc = find_range(w, term, c->number, &r, &row, err);

    if (rc < 0)
        return rc;
    while (n < count && covers(&r, c[n].number))
        n++;
    *done = n;
    bool there = row.len > 0;
    if ((rc = merge(w, row, r.start, c, n, &before, &more, err)) < 0)
        return rc;
    *records = (uint64_t)((int64_t)*records + more);
    after = size_of(w->entries.at, w->entries.count);
    text_key key = text_block_key(term, r.start);
    if (there && (after > TEXT_BLOCK || after < before) && (rc = text_del_row(w, &key, err)) < 0)
        return rc;
    if (after <= TEXT_BLOCK)
        return write_joined(w, term, r, after < before, root, err);
    return put_range(w, term, w->entries.at, w->entries.count, r.start, r.level, err);
}

/* Changes of a term whose postings are one block, or that is new. */
static prophet_code change_root(ph_text_writer *w, const text_key *term, prophet_slice row,
                                const text_change *c, size_t count, prophet_error *err)
{
    size_t before;
    int64_t more = 0;
    bool there = row.len > 0;
    prophet_code rc = merge(w, row, 0, c, count, &before, &more, err);

    if (rc < 0)
        return rc;
    if (w->entries.count == 0)
        return there ? text_del_row(w, term, err) : PROPHET_OK;
    if (size_of(w->entries.at, w->entries.count) <= TEXT_BLOCK)
        return put_block(w, term, w->entries.at, w->entries.count, 0, TEXT_ROOT, err);
    if ((rc = put_split(w, term, w->entries.count, err)) < 0)
        return rc;
    return put_range(w, term, w->entries.at, w->entries.count, 0, TEXT_ROOT, err);
}

prophet_code text_change_term(ph_text_writer *w, const text_change *c, size_t count,
                              prophet_error *err)
{
    text_key term = text_term_key(w->head.layout.index, c->term);
    prophet_slice row;
    uint64_t records;
    size_t i = 0, n;
    bool root = false;
    prophet_code rc;

    while (i < count) {
        if ((rc = ph_txn_get(w->txn, PH_T_WORDS, text_slice(&term), &row, err)) < 0)
            return rc;
        if (rc == PROPHET_DONE || !text_split_read(row, &records))
            return change_root(w, &term, rc == PROPHET_DONE ? ph_slice(NULL, 0) : row, c + i,
                               count - i, err);
        for (root = false; i < count && !root; i += n)
            if ((rc = change_range(w, &term, c + i, count - i, &n, &records, &root, err)) < 0)
                return rc;
        if (!root && (rc = put_split(w, &term, records, err)) < 0)
            return rc;
    }
    return PROPHET_OK;
}
