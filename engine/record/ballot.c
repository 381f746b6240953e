/* ballot: votes that can still count, one row each in table cells, so that a vote never rewrites the others.
 *
 *   row  u8 flags | varint values | values: varint length, bytes (0 bytes: unset) | varint index of the choice
 *        | varint seen | seen: varint version, varint index of what it held | reason | [resolver]  varint length, bytes
 *   flags 1: by a resolver (its "name@hash" follows). Values are told once: most choices are one of the seen. */
#include "record/record_impl.h"
#include <stdlib.h>

#define BALLOT_RESOLVER 0x01

static uint64_t value_index(const prophet_slice *values, uint64_t *count, prophet_slice *add,
                            prophet_slice v)
{
    uint64_t i = 0;

    while (i < *count && !ph_slice_eq(values[i], v))
        i++;
    if (i == *count)
        add[(*count)++] = v;
    return i;
}

static void put_bytes(ph_buf *b, prophet_slice s)
{
    ph_buf_varint(b, s.len);
    ph_buf_put(b, s.data, s.len);
}

static prophet_code encode(const ph_stored_ballot *v, ph_buf *b, prophet_error *err)
{
    uint64_t count = 0;
    prophet_slice *values = ph_alloc((v->seen_count + 1) * sizeof *values);
    uint64_t *at = ph_alloc((v->seen_count + 1) * sizeof *at);

    ph_buf_reset(b);
    if (values && at) {
        at[v->seen_count] = value_index(values, &count, values, v->choice);
        for (uint32_t i = 0; i < v->seen_count; i++)
            at[i] = value_index(values, &count, values, v->seen_values[i]);
        ph_buf_byte(b, v->by_resolver ? BALLOT_RESOLVER : 0);
        ph_buf_varint(b, count);
        for (uint64_t i = 0; i < count; i++)
            put_bytes(b, values[i]);
        ph_buf_varint(b, at[v->seen_count]);
        ph_buf_varint(b, v->seen_count);
        for (uint32_t i = 0; i < v->seen_count; i++) {
            ph_buf_varint(b, v->seen[i]);
            ph_buf_varint(b, at[i]);
        }
        put_bytes(b, v->reason);
        if (v->by_resolver)
            put_bytes(b, v->resolver);
    }
    bool failed = !values || !at || b->failed;
    ph_free(values);
    ph_free(at);
    return failed ? ph_nomem(err) : PROPHET_OK;
}

prophet_code ph_cell_ballot_put(ph_txn *t, const ph_record *r, ph_cell *c,
                                const ph_stored_ballot *b, ph_buf *scratch, prophet_error *err)
{
    part_key key = ph_part_u64(r->number, c->field, PART_BALLOT, b->version);
    prophet_slice there;
    prophet_code rc;

    if ((rc = encode(b, scratch, err)) < 0 ||
        (rc = ph_txn_get(t, PH_T_CELLS, part_slice(&key), &there, err)) < 0)
        return rc;
    c->ballot_count += rc == PROPHET_DONE;
    c->dirty |= rc == PROPHET_DONE;
    return ph_txn_put(t, PH_T_CELLS, part_slice(&key), ph_buf_slice(scratch), err);
}

prophet_code ph_cell_ballot_drop(ph_txn *t, const ph_record *r, ph_cell *c, uint64_t version,
                                 prophet_error *err)
{
    part_key key = ph_part_u64(r->number, c->field, PART_BALLOT, version);
    prophet_code rc = ph_txn_del(t, PH_T_CELLS, part_slice(&key), err);

    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    c->ballot_count -= c->ballot_count > 0;
    c->dirty = true;
    return PROPHET_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static bool read_values(row_in *in, ph_arena *a, prophet_slice **out, uint64_t *count)
{
    if (!in_varint(in, count) || *count > (size_t)(in->end - in->p) ||
        !(*out = ph_arena_alloc(a, (*count + 1) * sizeof **out)))
        return false;
    for (uint64_t i = 0; i < *count; i++)
        if (!in_bytes(in, &(*out)[i]))
            return false;
    return true;
}

static bool decode(row_in *in, ph_arena *a, ph_stored_ballot *out)
{
    uint8_t flags;
    prophet_slice *values, *seen_values;
    uint64_t count, choice, *seen, at;

    if (!in_byte(in, &flags) || (flags & ~BALLOT_RESOLVER) ||
        !read_values(in, a, &values, &count) || !in_varint(in, &choice) || choice >= count ||
        !in_u32(in, &out->seen_count) || out->seen_count > (size_t)(in->end - in->p))
        return false;
    seen = ph_arena_alloc(a, (out->seen_count + 1) * sizeof *seen);
    seen_values = ph_arena_alloc(a, (out->seen_count + 1) * sizeof *seen_values);
    if (!seen || !seen_values)
        return false;
    for (uint32_t i = 0; i < out->seen_count; i++) {
        if (!in_varint(in, &seen[i]) || !in_varint(in, &at) || at >= count)
            return false;
        seen_values[i] = values[at];
    }
    out->by_resolver = flags & BALLOT_RESOLVER;
    out->choice = values[choice];
    out->seen = seen;
    out->seen_values = seen_values;
    out->resolver = ph_slice(NULL, 0);
    return in_bytes(in, &out->reason) && (!out->by_resolver || in_bytes(in, &out->resolver)) &&
           in->p == in->end;
}

prophet_code ph_cell_ballots(ph_txn *t, const ph_record *r, const ph_cell *c, ph_arena *a,
                             ph_stored_ballot **out, size_t *count, prophet_error *err)
{
    part_key prefix = ph_part_prefix(r->number, c->field, PART_BALLOT);
    ph_stored_ballot *list = ph_arena_alloc(a, (c->ballot_count + 1) * sizeof *list);
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    size_t n = 0;
    prophet_code rc;

    *count = 0;
    if (!list)
        return ph_nomem(err);
    *out = list;
    if (c->ballot_count == 0)
        return PROPHET_OK;
    if ((rc = ph_cursor_open(t, PH_T_CELLS, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, part_slice(&prefix), &key, &row, err);
    for (; rc == PROPHET_OK && key.len == 21 && memcmp(key.data, prefix.b, prefix.len) == 0;
         rc = ph_cursor_next(cur, &key, &row, err)) {
        bool ok = true;
        row = ph_arena_copy(a, row, &ok);
        row_in in = { row.data, (const uint8_t *)row.data + row.len };
        if (!ok)
            rc = ph_nomem(err);
        else if (n == c->ballot_count || !decode(&in, a, &list[n]))
            rc = ph_row_damaged(&r->uuid, err);
        if (rc < 0)
            break;
        list[n++].version = ph_u64be((const uint8_t *)key.data + 13);
    }
    ph_cursor_close(cur);
    if (rc >= 0 && n != c->ballot_count)
        rc = ph_row_damaged(&r->uuid, err);
    *count = rc < 0 ? 0 : n;
    return rc < 0 ? rc : PROPHET_OK;
}
