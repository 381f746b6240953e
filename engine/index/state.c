/* state: how far the index has come. One row, read when a transaction begins and written by every commit.
 *
 *   meta "state" -> position u64 | chain 16 bytes | varints: layout of all tables, version, number, reserved number, lamport, names, replicas,
 *                   schema, absent, lost, holes, orphans, forgot, stale, frontier count | frontier: first version, then differences */
#include "index/index_impl.h"

#define STATE_KEY ph_slice("state", 5)
/* Rises when any table's rows change their form: an index of another layout is made anew from the log. */
enum { LAYOUT = 3 };

prophet_code ph_index_damaged(const char *table, uint64_t n, prophet_error *err)
{
    ph_fail(err, PROPHET_ECORRUPT, "row %llu of index table %s is damaged", (unsigned long long)n,
            table);
    ph_hint(err, "run prophet rebuild");
    return PROPHET_ECORRUPT;
}

static bool decode_state(prophet_slice row, ph_arena *a, ph_state *out)
{
    row_in in = row_of(row);
    uint8_t position[8];
    uint64_t last = 0, step, layout;

    if (!in_raw(&in, position, sizeof position) || !in_raw(&in, out->chain, sizeof out->chain) ||
        !in_u64(&in, &layout) || layout != LAYOUT || !in_u64(&in, &out->version) ||
        !in_u64(&in, &out->number) || !in_u64(&in, &out->reserved_number) ||
        !in_u64(&in, &out->lamport) || !in_u64(&in, &out->names) || !in_u64(&in, &out->replicas) ||
        !in_u64(&in, &out->schema) || !in_u64(&in, &out->absent) || !in_u64(&in, &out->lost) ||
        !in_u64(&in, &out->holes) || !in_u64(&in, &out->orphans) || !in_u64(&in, &out->forgot) ||
        !in_u64(&in, &out->stale) || !in_u32(&in, &out->frontier_count) ||
        out->frontier_count > (size_t)(in.end - in.p))
        return false;
    out->position = ph_u64be(position);
    out->frontier = ph_arena_alloc(a, (out->frontier_count + 1) * sizeof *out->frontier);
    for (uint32_t i = 0; i < out->frontier_count && out->frontier; i++) {
        if (!in_u64(&in, &step))
            return false;
        out->frontier[i] = last += step;
    }
    return in.p == in.end || !out->frontier;
}

prophet_code ph_state_load(ph_txn *t, ph_arena *a, ph_state *out, prophet_error *err)
{
    prophet_slice row;
    prophet_code rc = ph_txn_get(t, PH_T_META, STATE_KEY, &row, err);

    *out = (ph_state){ .frontier = NULL };
    if (rc != PROPHET_OK)
        return rc;
    if (!decode_state(row, a, out))
        return ph_index_damaged("meta", 0, err);
    return out->frontier ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_state_store(ph_txn *t, const ph_state *s, prophet_error *err)
{
    size_t room = 8 + 16 + 15 * 10 + 10 * (size_t)s->frontier_count;
    uint8_t stack[512], *row = room <= sizeof stack ? stack : ph_alloc(room), *p = row;
    uint64_t numbers[] = {
        LAYOUT,   s->version,  s->number, s->reserved_number, s->lamport,
        s->names, s->replicas, s->schema, s->absent,          s->lost,
        s->holes, s->orphans,  s->forgot, s->stale,           s->frontier_count
    };
    uint64_t last = 0;

    if (!row)
        return ph_nomem(err);
    ph_u64be_put(p, s->position);
    memcpy(p + 8, s->chain, sizeof s->chain);
    p += 24;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        p += ph_varint_write(p, numbers[i]);
    for (uint32_t i = 0; i < s->frontier_count; i++) {
        ph_require(i == 0 || s->frontier[i] > last);
        p += ph_varint_write(p, s->frontier[i] - last);
        last = s->frontier[i];
    }
    prophet_code rc = ph_txn_put(t, PH_T_META, STATE_KEY, ph_slice(row, (size_t)(p - row)), err);
    if (row != stack)
        ph_free(row);
    return rc;
}
