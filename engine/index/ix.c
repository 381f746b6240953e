/* ix: the rows of secondary indexes. replica/secondary.c keeps them, query/ reads them.
 *
 *   index u32, ordered values, number u64 -> uuid 16 | [u16 bytes of the key before the first cut]   where a long value was cut
 *   index u32, 00, number u64             -> uuid 16    odd: a record whose values the index cannot tell; it fits anything
 *   index u32                             -> type u32 | a byte a field: its kind     a mark: the index is complete
 *   00000000, index u32                   -> u8 'b' or 'd' | type u32 | u8 count | kinds | [uuid 16 done so far]     work left:
 *                                            rows to write for records behind that one, or rows to remove
 *
 * Codes of ordered values begin at 05 (inverted ones end at fa), so nothing else has 00 behind the index. */
#include "index/index_impl.h"

enum { ODD = 0, BUILD = 'b', DROP = 'd', FIELDS_MAX = 64 };

/* ---- entries ------------------------------------------------------------------------------------------ */

prophet_code ph_ix_put(ph_txn *t, prophet_slice key, const ph_uuid *uuid, size_t cut,
                       prophet_error *err)
{
    uint8_t value[18];

    memcpy(value, uuid->b, 16);
    value[16] = (uint8_t)(cut >> 8);
    value[17] = (uint8_t)cut;
    return ph_txn_put(t, PH_T_IX, key, ph_slice(value, cut ? 18 : 16), err);
}

prophet_code ph_ix_del(ph_txn *t, prophet_slice key, prophet_error *err)
{
    prophet_code rc = ph_txn_del(t, PH_T_IX, key, err);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code damaged(prophet_slice key, prophet_error *err)
{
    return ph_index_damaged("ix", key.len >= 4 ? ph_u32be(key.data) : 0, err);
}

prophet_code ph_ix_decode(prophet_slice key, prophet_slice value, ph_ix_hit *out,
                          prophet_error *err)
{
    const uint8_t *k = key.data, *v = value.data;

    if (key.len < 13 || (value.len != 16 && value.len != 18))
        return damaged(key, err);
    out->number = ph_u64be(k + key.len - 8);
    memcpy(out->uuid.b, v, 16);
    out->cut = value.len == 18 ? (size_t)v[16] << 8 | v[17] : 0;
    return out->cut > key.len ? damaged(key, err) : PROPHET_OK;
}

void ph_ix_odd_prefix(uint32_t index, uint8_t out[5])
{
    ph_u32be_put(out, index);
    out[4] = ODD;
}

/* ---- marks -------------------------------------------------------------------------------------------- */

prophet_code ph_ix_complete(ph_txn *t, const ph_index_def *def, bool *yes, prophet_error *err)
{
    uint8_t key[4];
    prophet_slice value;

    *yes = false;
    if (def->id == 0)
        return PROPHET_OK;
    ph_u32be_put(key, def->id);
    prophet_code rc = ph_txn_get(t, PH_T_IX, ph_slice(key, sizeof key), &value, err);
    *yes = rc == PROPHET_OK && value.len == 4 + def->count &&
           memcmp((const uint8_t *)value.data + 4, def->kinds, def->count) == 0;
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_ix_mark(ph_txn *t, uint32_t type, const ph_index_def *def, prophet_error *err)
{
    uint8_t key[4], value[4 + FIELDS_MAX];

    ph_require(def->count <= FIELDS_MAX);
    ph_u32be_put(key, def->id);
    ph_u32be_put(value, type);
    memcpy(value + 4, def->kinds, def->count);
    return ph_txn_put(t, PH_T_IX, ph_slice(key, sizeof key), ph_slice(value, 4 + def->count), err);
}

prophet_code ph_ix_unmark(ph_txn *t, uint32_t index, prophet_error *err)
{
    uint8_t key[4];

    ph_u32be_put(key, index);
    return ph_ix_del(t, ph_slice(key, sizeof key), err);
}

prophet_code ph_ix_mark_next(ph_txn *t, uint32_t type, uint32_t after, ph_arena *a, ph_ix_job *out,
                             prophet_error *err)
{
    uint8_t at[4];
    ph_cursor *cur = NULL;
    prophet_slice key, value;
    bool found = false, ok = true;
    prophet_code rc = ph_cursor_open(t, PH_T_IX, &cur, err);

    while (rc == PROPHET_OK && after < UINT32_MAX && !found) { /* one seek an index */
        ph_u32be_put(at, after + 1);
        rc = ph_cursor_seek(cur, ph_slice(at, sizeof at), &key, &value, err);
        if (rc != PROPHET_OK)
            break;
        after = key.len >= 4 ? ph_u32be(key.data) : UINT32_MAX;
        found = key.len == 4 && value.len >= 4 && (!type || ph_u32be(value.data) == type);
    }
    if (found) {
        *out = (ph_ix_job){ .index = after, .type = ph_u32be(value.data) };
        out->kinds =
            ph_arena_copy(a, ph_slice((const uint8_t *)value.data + 4, value.len - 4), &ok);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : !ok ? ph_nomem(err) : found ? PROPHET_OK : PROPHET_DONE;
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static void job_key(uint32_t index, uint8_t out[8])
{
    ph_u32be_put(out, 0);
    ph_u32be_put(out + 4, index);
}

prophet_code ph_ix_job_put(ph_txn *t, const ph_ix_job *job, prophet_error *err)
{
    uint8_t key[8], head[6];
    row_out o = { .len = 0 };

    ph_require(job->kinds.len <= FIELDS_MAX);
    job_key(job->index, key);
    head[0] = job->drop ? DROP : BUILD;
    ph_u32be_put(head + 1, job->type);
    head[5] = (uint8_t)job->kinds.len;
    out_raw(&o, head, sizeof head);
    if (job->kinds.len)
        out_raw(&o, job->kinds.data, job->kinds.len);
    if (job->begun)
        out_raw(&o, job->done.b, sizeof job->done.b);
    return ph_txn_put(t, PH_T_IX, ph_slice(key, sizeof key), out_slice(&o), err);
}

prophet_code ph_ix_job_del(ph_txn *t, uint32_t index, prophet_error *err)
{
    uint8_t key[8];

    job_key(index, key);
    return ph_ix_del(t, ph_slice(key, sizeof key), err);
}

static bool decode_job(prophet_slice key, prophet_slice value, ph_arena *a, ph_ix_job *out,
                       bool *ok)
{
    row_in in = row_of(value);
    uint8_t head[6], kinds[FIELDS_MAX];

    if (key.len != 8 || !in_raw(&in, head, sizeof head) || head[5] > FIELDS_MAX ||
        (head[0] != BUILD && head[0] != DROP) || !in_raw(&in, kinds, head[5]))
        return false;
    *out = (ph_ix_job){ .index = ph_u32be((const uint8_t *)key.data + 4),
                        .type = ph_u32be(head + 1),
                        .drop = head[0] == DROP,
                        .begun = in.p < in.end };
    out->kinds = ph_arena_copy(a, ph_slice(kinds, head[5]), ok);
    return (!out->begun || in_raw(&in, out->done.b, sizeof out->done.b)) && in.p == in.end;
}

prophet_code ph_ix_job_get(ph_txn *t, uint32_t index, ph_ix_job *out, prophet_error *err)
{
    uint8_t at[8];
    const prophet_slice key = { at, sizeof at };
    prophet_slice row;
    ph_arena a = PH_ARENA_INIT;
    bool ok = true;

    job_key(index, at);
    prophet_code rc = ph_txn_get(t, PH_T_IX, key, &row, err);
    if (rc == PROPHET_OK && !decode_job(key, row, &a, out, &ok))
        rc = damaged(key, err);
    out->kinds = ph_slice(NULL, 0);
    ph_arena_clear(&a);
    return ok ? rc : ph_nomem(err);
}

prophet_code ph_ix_job_next(ph_txn *t, uint32_t after, ph_arena *a, ph_ix_job *out,
                            prophet_error *err)
{
    uint8_t at[8];
    ph_cursor *cur = NULL;
    prophet_slice key, value;
    bool ok = true;
    prophet_code rc = after == UINT32_MAX ? PROPHET_DONE : ph_cursor_open(t, PH_T_IX, &cur, err);

    if (rc != PROPHET_OK)
        return rc;
    job_key(after + 1, at);
    rc = ph_cursor_seek(cur, ph_slice(at, sizeof at), &key, &value, err);
    if (rc == PROPHET_OK && (key.len < 4 || ph_u32be(key.data) != 0))
        rc = PROPHET_DONE;
    else if (rc == PROPHET_OK && !decode_job(key, value, a, out, &ok))
        rc = damaged(key, err);
    ph_cursor_close(cur);
    return ok ? rc : ph_nomem(err);
}
