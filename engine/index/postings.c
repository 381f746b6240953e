/* postings: writes the rows of a full-text index. Table words, all keys begin with the index's number:
 *
 *   00                    head: see text_head.c
 *   01 number             a late record: the words of one of the last records, whole; see posting.c
 *   02 number / 64        how many words each of 64 records has, by slot
 *   term 00               all postings of a term in one block, or, behind ff, the number of records that have it
 *   term 00 start         a block of a term that has several: postings of records in a range that begins there
 *
 * A new record touches many terms but only its own row: it is late as long as its number is among the last 32 of the replica (all types
 * count), then it and those beside it go into blocks together. So a commit touches few pages. */
#include "index/text_write_impl.h"
#include <stdlib.h>

/* ---- gathering ------------------------------------------------------------------------------------------------------- */

prophet_code ph_text_writer_new(ph_txn *t, const ph_text_head *head, uint64_t last_number,
                                ph_text_writer **out, prophet_error *err)
{
    ph_text_writer *w = ph_zalloc(sizeof *w);

    if (!w)
        return ph_nomem(err);
    w->txn = t;
    w->head = *head;
    w->settled = last_number / TEXT_LATE_OF * TEXT_LATE_OF;
    *out = w;
    return PROPHET_OK;
}

bool ph_text_settles(const ph_text_head *head, uint64_t last_number)
{
    return head->settled != last_number / TEXT_LATE_OF * TEXT_LATE_OF;
}

void ph_text_writer_free(ph_text_writer *w)
{
    if (!w)
        return;
    ph_cursor_close(w->cursor);
    ph_free(w->changes.at);
    ph_free(w->entries.at);
    ph_buf_clear(&w->old);
    ph_buf_clear(&w->row);
    ph_arena_clear(&w->arena);
    ph_free(w);
}

const ph_text_head *ph_text_writer_head(const ph_text_writer *w)
{
    return &w->head;
}

static bool note(ph_text_writer *w, prophet_slice term, uint64_t number, prophet_slice posting)
{
    return PH_PUSH(w->changes, ((text_change){ term, number, posting }));
}

/* Postings in blocks that differ. NULL: none were or will be there. */
static prophet_code note_changes(ph_text_writer *w, uint64_t number, const ph_text_doc *before,
                                 const ph_text_doc *after, prophet_error *err)
{
    static const ph_text_doc none;
    size_t i = 0, k = 0;
    bool ok = true;

    before = before ? before : &none;
    after = after ? after : &none;
    while (ok && (i < before->count || k < after->count)) {
        int c = i == before->count  ? 1
                : k == after->count ? -1
                                    : ph_slice_cmp(before->terms[i].term, after->terms[k].term);
        if (c < 0) {
            ok = note(w, before->terms[i++].term, number, ph_slice(NULL, 0));
            continue;
        }
        if (c > 0 || !ph_slice_eq(before->terms[i].posting, after->terms[k].posting))
            ok = note(w, after->terms[k].term, number, after->terms[k].posting);
        i += c == 0;
        k++;
    }
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* The lengths of a record in blocks; NULL: it goes. */
static prophet_code set_lengths(ph_text_writer *w, uint64_t number, const ph_text_doc *doc,
                                prophet_error *err)
{
    text_key key = text_own_key(w->head.layout.index, TEXT_LENGTHS, number / TEXT_LENGTHS_OF);
    unsigned at = (unsigned)(number % TEXT_LENGTHS_OF);
    text_lengths l;
    prophet_slice row;
    prophet_code rc = ph_txn_get(w->txn, PH_T_WORDS, text_slice(&key), &row, err);

    if (rc < 0)
        return rc;
    l.has = 0;
    if (rc == PROPHET_OK && !text_lengths_read(row, w->head.layout.slots, &l))
        return text_damaged(w->head.layout.index, err);
    l.has = doc ? l.has | UINT64_C(1) << at : l.has & ~(UINT64_C(1) << at);
    if (doc)
        memcpy(l.length[at], doc->length, sizeof l.length[at]);
    if (l.has == 0)
        return text_del_row(w, &key, err);
    ph_buf_reset(&w->row);
    text_lengths_put(&w->row, &l, w->head.layout.slots);
    return text_put_row(w, &key, err);
}

prophet_code ph_text_writer_change(ph_text_writer *w, uint64_t number, const ph_text_doc *before,
                                   const ph_text_doc *after, prophet_error *err)
{
    text_key late = text_own_key(w->head.layout.index, TEXT_LATE, number);
    bool was_late = number >= w->head.settled, is_late = number >= w->settled;
    prophet_code rc = PROPHET_OK;

    for (uint32_t s = 0; s < w->head.layout.slots; s++)
        w->head.total[s] +=
            (after ? after->length[s] : 0u) - (uint64_t)(before ? before->length[s] : 0u);
    w->head.records += (uint64_t)(after != NULL) - (uint64_t)(before != NULL);
    if (before && was_late && !(after && is_late))
        rc = text_del_row(w, &late, err);
    if (rc >= 0 && after && is_late) {
        ph_buf_reset(&w->row);
        text_late_put(&w->row, after, w->head.layout.slots);
        rc = text_put_row(w, &late, err);
    }
    before = was_late ? NULL : before;
    after = is_late ? NULL : after;
    if (rc >= 0 && (before || after) &&
        !(before && after && memcmp(before->length, after->length, sizeof after->length) == 0))
        rc = set_lengths(w, number, after, err);
    return rc < 0 ? rc : note_changes(w, number, before, after, err);
}

/* ---- flushing ------------------------------------------------------------------------------------------------------------ */

/* Late records that are late no more. */
static prophet_code settle(ph_text_writer *w, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (uint64_t number = w->head.settled; number < w->settled && rc >= 0; number++) {
        text_key at = text_own_key(w->head.layout.index, TEXT_LATE, number);
        prophet_slice key, row;
        ph_text_doc doc = { 0 };
        bool ok = true, nomem = false;
        rc = ph_cursor_seek(w->cursor, text_slice(&at), &key, &row, err);
        if (rc != PROPHET_OK || key.len != at.len || memcmp(key.data, at.b, 5) != 0 ||
            (number = text_u48((const uint8_t *)key.data + 5)) >= w->settled)
            break;
        row = ph_arena_copy(&w->arena, row, &ok);
        if (!ok || !text_late_read(row, w->head.layout.slots, &w->arena, &doc, &nomem))
            return !ok || nomem ? ph_nomem(err) : text_damaged(w->head.layout.index, err);
        at = text_own_key(w->head.layout.index, TEXT_LATE, number);
        if ((rc = note_changes(w, number, NULL, &doc, err)) >= 0 &&
            (rc = set_lengths(w, number, &doc, err)) >= 0)
            rc = text_del_row(w, &at, err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

static int by_term(const void *a, const void *b)
{
    const text_change *x = a, *y = b;
    int c = ph_slice_cmp(x->term, y->term);

    return c ? c : (x->number > y->number) - (x->number < y->number);
}

prophet_code ph_text_writer_flush(ph_text_writer *w, prophet_error *err)
{
    prophet_code rc = w->cursor ? PROPHET_OK : ph_cursor_open(w->txn, PH_T_WORDS, &w->cursor, err);

    if (rc >= 0 && w->settled > w->head.settled)
        rc = settle(w, err);
    if (w->changes.count > 1)
        qsort(w->changes.at, w->changes.count, sizeof *w->changes.at, by_term);
    for (size_t i = 0; i < w->changes.count && rc >= 0;) {
        size_t k = i;
        while (k < w->changes.count && ph_slice_eq(w->changes.at[k].term, w->changes.at[i].term))
            k++;
        rc = text_change_term(w, w->changes.at + i, k - i, err);
        i = k;
    }
    w->changes.count = 0;
    w->head.settled = w->settled;
    ph_arena_reset(&w->arena);
    return rc < 0 ? rc : text_head_put(w->txn, &w->head, err);
}
