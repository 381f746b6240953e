/* changesets: what is applied, by version.
 *
 *   changesets version u64 -> u8 flags | id 32 bytes | varints: position, ridx, seq, lamport, zigzag time, size */
#include "index/index_impl.h"

bool ph_changesets_decode(prophet_slice row, ph_changeset_row *out)
{
    row_in in = row_of(row);
    uint64_t time;

    if (!in_raw(&in, &out->flags, 1) || !in_raw(&in, out->id.b, sizeof out->id.b) ||
        !in_u64(&in, &out->position) || !in_u32(&in, &out->ridx) || !in_u64(&in, &out->seq) ||
        !in_u64(&in, &out->lamport) || !in_u64(&in, &time) || !in_u32(&in, &out->size))
        return false;
    out->time = (int64_t)(time >> 1) ^ -(int64_t)(time & 1);
    return in.p == in.end;
}

prophet_code ph_changesets_get(ph_txn *t, uint64_t version, ph_changeset_row *out,
                               prophet_error *err)
{
    uint8_t key[8];
    prophet_slice row;

    ph_u64be_put(key, version);
    prophet_code rc = ph_txn_get(t, PH_T_CHANGESETS, ph_slice(key, sizeof key), &row, err);
    if (rc == PROPHET_DONE)
        return ph_fail(err, PROPHET_ENOTFOUND, "no version %llu", (unsigned long long)version);
    if (rc < 0)
        return rc;
    return ph_changesets_decode(row, out) ? PROPHET_OK
                                          : ph_index_damaged("changesets", version, err);
}

prophet_code ph_changesets_put(ph_txn *t, uint64_t version, const ph_changeset_row *row,
                               prophet_error *err)
{
    uint8_t key[8];
    row_out o = { .len = 0 };

    ph_u64be_put(key, version);
    out_raw(&o, &row->flags, 1);
    out_raw(&o, row->id.b, sizeof row->id.b);
    out_u64(&o, row->position);
    out_u64(&o, row->ridx);
    out_u64(&o, row->seq);
    out_u64(&o, row->lamport);
    out_u64(&o, (uint64_t)row->time << 1 ^ (uint64_t)(row->time >> 63));
    out_u64(&o, row->size);
    return ph_txn_put_sorted(t, PH_T_CHANGESETS, ph_slice(key, sizeof key), out_slice(&o), err);
}
