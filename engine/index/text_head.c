/* text_head: one row an index: what it covers, how much is in it. Making and dropping an index.
 *
 *   head   u32 type, u64 fingerprint, varint slots, then by slot: varint field, u8 length, name of the language, varint words of
 *          all records; varint records, varint settled */
#include "index/posting_impl.h"

static bool read_language(row_in *in, unsigned *language)
{
    uint8_t len;

    if (!in_raw(in, &len, 1) || (size_t)(in->end - in->p) < len)
        return false;
    bool known = ph_language_find(ph_slice(in->p, len), language);
    in->p += len;
    return known;
}

static bool read_head(prophet_slice row, uint32_t index, ph_text_head *out)
{
    row_in in = row_of(row);
    uint8_t fixed[12];

    memset(out, 0, sizeof *out);
    if (!in_raw(&in, fixed, sizeof fixed) || !in_u32(&in, &out->layout.slots) ||
        out->layout.slots > PH_TEXT_FIELDS || out->layout.slots == 0)
        return false;
    out->layout.index = index;
    out->layout.type = ph_u32be(fixed);
    out->layout.fingerprint = ph_u64be(fixed + 4);
    for (uint32_t s = 0; s < out->layout.slots; s++)
        if (!in_u32(&in, &out->layout.field[s]) || !read_language(&in, &out->layout.language[s]) ||
            !in_u64(&in, &out->total[s]))
            return false;
    return in_u64(&in, &out->records) && in_u64(&in, &out->settled) && in.p == in.end;
}

prophet_code ph_text_head_get(ph_txn *t, uint32_t index, ph_text_head *out, prophet_error *err)
{
    text_key key = text_own_key(index, TEXT_HEAD, 0);
    prophet_slice row;
    prophet_code rc = ph_txn_get(t, PH_T_WORDS, text_slice(&key), &row, err);

    return rc != PROPHET_OK || read_head(row, index, out) ? rc : text_damaged(index, err);
}

/* Rows without a head are left of an index that is being dropped. */
static prophet_code without_head(ph_txn *t, uint32_t index, prophet_error *err)
{
    ph_ix_job job;
    prophet_code rc = ph_ix_job_get(t, index, &job, err);

    if (rc < 0)
        return rc;
    return rc == PROPHET_OK && job.drop ? PROPHET_DONE : text_damaged(index, err);
}

prophet_code ph_text_head_next(ph_txn *t, uint32_t *index, ph_text_head *out, prophet_error *err)
{
    prophet_slice key, row;
    ph_cursor *cur;
    prophet_code rc = ph_cursor_open(t, PH_T_WORDS, &cur, err);

    if (rc < 0)
        return rc;
    for (bool found = false; rc == PROPHET_OK && !found;) {
        text_key at = text_own_key(*index, TEXT_HEAD, 0);
        if ((rc = ph_cursor_seek(cur, text_slice(&at), &key, &row, err)) != PROPHET_OK)
            break;
        *index = key.len >= 4 ? ph_u32be(key.data) : 0;
        found = key.len == 5 && ((const uint8_t *)key.data)[4] == TEXT_HEAD;
        if (found && !read_head(row, *index, out))
            rc = text_damaged(*index, err);
        else if (!found && (rc = without_head(t, *index, err)) == PROPHET_DONE) {
            ++*index;
            rc = PROPHET_OK;
        }
    }
    ph_cursor_close(cur);
    return rc;
}

prophet_code text_head_put(ph_txn *t, const ph_text_head *h, prophet_error *err)
{
    text_key key = text_own_key(h->layout.index, TEXT_HEAD, 0);
    ph_buf row = PH_BUF_INIT;

    ph_buf_u32be(&row, h->layout.type);
    ph_buf_u64be(&row, h->layout.fingerprint);
    ph_buf_varint(&row, h->layout.slots);
    for (uint32_t s = 0; s < h->layout.slots; s++) {
        const char *language = ph_language_name(h->layout.language[s]);
        ph_buf_varint(&row, h->layout.field[s]);
        ph_buf_byte(&row, (uint8_t)strlen(language));
        ph_buf_str(&row, language);
        ph_buf_varint(&row, h->total[s]);
    }
    ph_buf_varint(&row, h->records);
    ph_buf_varint(&row, h->settled);
    prophet_code rc = row.failed
                          ? ph_nomem(err)
                          : ph_txn_put(t, PH_T_WORDS, text_slice(&key), ph_buf_slice(&row), err);
    ph_buf_clear(&row);
    return rc;
}

prophet_code ph_text_create(ph_txn *t, const ph_text_layout *layout, prophet_error *err)
{
    ph_text_head head = { .layout = *layout };

    return text_head_put(t, &head, err);
}

prophet_code ph_text_drop(ph_txn *t, uint32_t index, size_t most, bool *more, prophet_error *err)
{
    size_t count = 0;
    uint8_t prefix[4];
    prophet_slice key, row;
    ph_cursor *cur;
    prophet_code rc = ph_cursor_open(t, PH_T_WORDS, &cur, err);

    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, index);
    while ((rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &key, &row, err)) == PROPHET_OK &&
           key.len >= 4 && memcmp(key.data, prefix, 4) == 0 && count++ < most)
        if ((rc = ph_cursor_del(cur, err)) < 0)
            break;
    *more = count > most;
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}
