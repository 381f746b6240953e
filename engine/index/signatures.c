/* signatures: where the signature frames of changesets lie.
 *
 *   signatures version u64 -> varint position of the frame in the log */
#include "index/index_impl.h"

prophet_code ph_signatures_put(ph_txn *t, uint64_t version, uint64_t position, prophet_error *err)
{
    uint8_t key[8];
    row_out o = { .len = 0 };

    ph_u64be_put(key, version);
    out_u64(&o, position);
    return ph_txn_put_sorted(t, PH_T_SIGNATURES, ph_slice(key, sizeof key), out_slice(&o), err);
}

prophet_code ph_signatures_del(ph_txn *t, uint64_t version, prophet_error *err)
{
    uint8_t key[8];

    ph_u64be_put(key, version);
    return ph_txn_del(t, PH_T_SIGNATURES, ph_slice(key, sizeof key), err);
}

prophet_code ph_signatures_get(ph_txn *t, uint64_t version, uint64_t *position, prophet_error *err)
{
    uint8_t key[8];
    prophet_slice row;

    ph_u64be_put(key, version);
    prophet_code rc = ph_txn_get(t, PH_T_SIGNATURES, ph_slice(key, sizeof key), &row, err);
    if (rc != PROPHET_OK)
        return rc;
    row_in in = row_of(row);
    return in_u64(&in, position) && in.p == in.end ? PROPHET_OK
                                                   : ph_index_damaged("signatures", version, err);
}
