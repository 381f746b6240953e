/* replicas: who writes, and where each writer's chain ends.
 *
 *   meta     'r' ridx u32 -> key 32 bytes | u8 flags (1: forked) | varints: succeeds, line, signed version, signed seq, tips
 *                            | tips: varint seq, varint version
 *   meta     'k' key 32   -> ridx u32
 *   chains   ridx u32, seq u64, version u64 -> (empty): a run of the chain begins here; the changesets after it follow
 *                                              one by one, seq and version alike
 *
 * Rows of replicas share a table with the state: every commit writes both, on one page. */
#include "index/index_impl.h"

#define REPLICA_FORKED 0x01

prophet_code ph_replicas_find(ph_txn *t, const ph_id *key, uint32_t *ridx, prophet_error *err)
{
    uint8_t k[33] = { 'k' };
    prophet_slice row;

    memcpy(k + 1, key->b, sizeof key->b);
    prophet_code rc = ph_txn_get(t, PH_T_META, ph_slice(k, sizeof k), &row, err);
    if (rc != PROPHET_OK)
        return rc;
    if (row.len != 4)
        return ph_index_damaged("replicas", 0, err);
    *ridx = ph_u32be(row.data);
    return PROPHET_OK;
}

static bool decode_replica(prophet_slice row, ph_arena *a, ph_replica_row *out)
{
    row_in in = row_of(row);
    uint8_t flags;

    if (!in_raw(&in, out->key.b, sizeof out->key.b) || !in_raw(&in, &flags, 1) ||
        (flags & ~REPLICA_FORKED) || !in_u32(&in, &out->succeeds) || !in_u32(&in, &out->line) ||
        !in_u64(&in, &out->signed_version) || !in_u64(&in, &out->signed_seq) ||
        !in_u32(&in, &out->tip_count) || out->tip_count > (size_t)(in.end - in.p) / 2)
        return false;
    out->forked = flags & REPLICA_FORKED;
    out->tips = ph_arena_alloc(a, (out->tip_count + 1) * sizeof *out->tips); /* room for one more */
    for (uint32_t i = 0; i < out->tip_count && out->tips; i++)
        if (!in_u64(&in, &out->tips[i].seq) || !in_u64(&in, &out->tips[i].version))
            return false;
    return in.p == in.end || !out->tips;
}

prophet_code ph_replicas_get(ph_txn *t, uint32_t ridx, ph_arena *a, ph_replica_row *out,
                             prophet_error *err)
{
    uint8_t k[5] = { 'r' };
    prophet_slice row;

    ph_u32be_put(k + 1, ridx);
    prophet_code rc = ph_txn_get(t, PH_T_META, ph_slice(k, sizeof k), &row, err);
    if (rc < 0)
        return rc;
    *out = (ph_replica_row){ .ridx = ridx };
    if (rc == PROPHET_DONE || !decode_replica(row, a, out))
        return ph_index_damaged("replicas", ridx, err);
    return out->tips ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_replicas_put(ph_txn *t, const ph_replica_row *row, bool is_new, prophet_error *err)
{
    size_t room = sizeof row->key.b + 1 + 5 * 10 + 20 * (size_t)row->tip_count;
    uint8_t k[33] = { 'r' }, ridx[4], stack[256];
    uint8_t *b = room <= sizeof stack ? stack : ph_alloc(room), *p = b;
    prophet_code rc;

    if (!b)
        return ph_nomem(err);
    ph_u32be_put(k + 1, row->ridx);
    memcpy(p, row->key.b, sizeof row->key.b);
    p += sizeof row->key.b;
    *p++ = row->forked ? REPLICA_FORKED : 0;
    p += ph_varint_write(p, row->succeeds);
    p += ph_varint_write(p, row->line);
    p += ph_varint_write(p, row->signed_version);
    p += ph_varint_write(p, row->signed_seq);
    p += ph_varint_write(p, row->tip_count);
    for (uint32_t i = 0; i < row->tip_count; i++) {
        p += ph_varint_write(p, row->tips[i].seq);
        p += ph_varint_write(p, row->tips[i].version);
    }
    rc = ph_txn_put(t, PH_T_META, ph_slice(k, 5), ph_slice(b, (size_t)(p - b)), err);
    if (b != stack)
        ph_free(b);
    if (rc < 0 || !is_new)
        return rc;
    k[0] = 'k';
    memcpy(k + 1, row->key.b, sizeof row->key.b);
    ph_u32be_put(ridx, row->ridx);
    return ph_txn_put(t, PH_T_META, ph_slice(k, sizeof k), ph_slice(ridx, sizeof ridx), err);
}

/* ---- chains ------------------------------------------------------------------------------------------- */

static void chain_key(uint8_t key[20], uint32_t ridx, uint64_t seq, uint64_t version)
{
    ph_u32be_put(key, ridx);
    ph_u64be_put(key + 4, seq);
    ph_u64be_put(key + 12, version);
}

prophet_code ph_chains_put(ph_txn *t, uint32_t ridx, uint64_t seq, uint64_t version,
                           prophet_error *err)
{
    uint8_t key[20];

    chain_key(key, ridx, seq, version);
    return ph_txn_put(t, PH_T_CHAINS, ph_slice(key, sizeof key), ph_slice("", 0), err);
}

/* Does the run that begins at this key hold `seq`? Its version then. */
static prophet_code in_run(ph_txn *t, prophet_slice key, uint64_t seq, uint64_t *version,
                           prophet_error *err)
{
    const uint8_t *k = key.data;
    uint64_t first = ph_u64be(k + 4);
    ph_changeset_row row;

    *version = ph_u64be(k + 12) + (seq - first);
    prophet_code rc = ph_changesets_get(t, *version, &row, err);
    if (rc == PROPHET_ENOTFOUND)
        return PROPHET_DONE;
    return rc < 0 ? rc : row.ridx == ph_u32be(k) && row.seq == seq ? PROPHET_OK : PROPHET_DONE;
}

/* From the last run that begins at or before seq backwards: the first that holds it is the only one, but in a forked chain. */
prophet_code ph_chains_at(ph_txn *t, uint32_t ridx, uint64_t seq, uint64_t *versions, size_t max,
                          size_t *count, prophet_error *err)
{
    uint8_t after[20];
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc;
    ph_arena a = PH_ARENA_INIT;
    ph_replica_row rep;

    *count = 0;
    if ((rc = ph_replicas_get(t, ridx, &a, &rep, err)) < 0 ||
        (rc = ph_cursor_open(t, PH_T_CHAINS, &cur, err)) < 0)
        goto done;
    chain_key(after, ridx, seq, UINT64_MAX);
    rc = ph_cursor_seek(cur, ph_slice(after, sizeof after), &key, &row, err);
    rc = rc == PROPHET_OK     ? ph_cursor_prev(cur, &key, &row, err)
         : rc == PROPHET_DONE ? ph_cursor_last(cur, &key, &row, err)
                              : rc;
    for (; rc == PROPHET_OK && *count < max && key.len == 20 && ph_u32be(key.data) == ridx;
         rc = ph_cursor_prev(cur, &key, &row, err)) {
        if ((rc = in_run(t, key, seq, &versions[*count], err)) < 0)
            break;
        *count += rc == PROPHET_OK;
        if (*count && !rep.forked)
            break;
    }
done:
    ph_cursor_close(cur);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}
