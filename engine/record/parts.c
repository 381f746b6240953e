/* parts: rows of their own in table cells, for long values, many heads and elements of large sets.
 *
 * store.c calls ph_cell_sync before it writes the row: it puts and drops exactly the rows by which the cell's
 * state now differs from what ph_cell_store remembers, so a small change to a large cell stays small. Whether
 * something lies in a row depends on the state alone, in both directions. */
#include "record/record_impl.h"

/* ---- keys ------------------------------------------------------------------------------------------- */

part_key ph_part_prefix(uint64_t number, uint32_t field, uint8_t part)
{
    part_key k;

    ph_u64be_put(k.b, number);
    ph_u32be_put(k.b + 8, field);
    k.b[12] = part;
    k.len = 13;
    return k;
}

part_key ph_part_u64(uint64_t number, uint32_t field, uint8_t part, uint64_t sub)
{
    part_key k = ph_part_prefix(number, field, part);

    ph_u64be_put(k.b + 13, sub);
    k.len = 21;
    return k;
}

prophet_code ph_part_element(uint64_t number, uint32_t field, prophet_slice value, part_key *out,
                             prophet_error *err)
{
    ph_hasher *h = NULL;
    prophet_code rc;

    *out = ph_part_prefix(number, field, PART_ELEMENT);
    if (value.len <= ELEMENT_INKEY) {
        memcpy(out->b + 13, value.data, value.len);
        out->len += value.len;
        return PROPHET_OK;
    }
    if ((rc = ph_hasher_new(&h, err)) < 0)
        return rc;
    out->b[13] = 0xff; /* no CBOR value begins so */
    rc = ph_hash_sha256(h, &value, 1, out->b + 14, err);
    out->len += 33;
    ph_hasher_free(h);
    return rc;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

prophet_code ph_part_value(ph_txn *t, const ph_uuid *uuid, uint64_t number, uint32_t field,
                           uint64_t sub, ph_arena *a, prophet_slice *out, prophet_error *err)
{
    part_key k = ph_part_u64(number, field, PART_VALUE, sub);
    prophet_slice value;
    bool ok = true;
    prophet_code rc = t ? ph_txn_get(t, PH_T_CELLS, part_slice(&k), &value, err) : PROPHET_DONE;

    if (rc < 0)
        return rc;
    if (rc == PROPHET_DONE)
        return ph_row_damaged(uuid, err);
    *out = ph_arena_copy(a, value, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_part_element_decode(prophet_slice key, prophet_slice row, const ph_uuid *uuid,
                                    ph_arena *a, ph_element *out, prophet_error *err)
{
    row_in in = { row.data, (const uint8_t *)row.data + row.len };
    const uint8_t *sub = (const uint8_t *)key.data + 13;
    uint64_t count, last = 0, step;
    bool ok = true;

    if (key.len < 14 || !in_varint(&in, &count) || count == 0 || count > (size_t)(in.end - in.p))
        return ph_row_damaged(uuid, err);
    if (!(out->adds = ph_arena_alloc(a, (count + 1) * sizeof *out->adds)))
        return ph_nomem(err);
    out->add_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        if (!in_varint(&in, &step))
            return ph_row_damaged(uuid, err);
        out->adds[i] = last += step;
    }
    out->value =
        *sub == 0xff ? ph_slice(in.p, (size_t)(in.end - in.p)) : ph_slice(sub, key.len - 13);
    if (out->value.len == 0)
        return ph_row_damaged(uuid, err);
    out->value = ph_arena_copy(a, out->value, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* ---- heads ------------------------------------------------------------------------------------------ */

static bool version_in(const uint64_t *versions, uint32_t count, uint64_t v)
{
    for (uint32_t i = 0; i < count; i++)
        if (versions[i] == v)
            return true;
    return false;
}

static void sort_heads(ph_head *h, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) { /* nearly always sorted: a write appends the newest */
        ph_head x = h[i];
        uint32_t k = i;
        for (; k > 0 && h[k - 1].version > x.version; k--)
            h[k] = h[k - 1];
        h[k] = x;
    }
}

static bool shown_is_head(const ph_cell *c)
{
    for (uint32_t i = 0; i < c->head_count; i++)
        if (ph_slice_eq(c->heads[i].value, c->shown))
            return true;
    return false;
}

/* The row of a shown value that is no head's and too long to lie in the record's row. */
static prophet_code sync_merged(ph_txn *t, ph_record *r, ph_cell *c, prophet_error *err)
{
    bool was = c->store && c->store->merged_row;
    bool now = c->shown.len > PH_INLINE_VALUE && (c->conflict || c->head_count > PH_INLINE_HEADS) &&
               !shown_is_head(c);
    part_key k = ph_part_u64(r->number, c->field, PART_VALUE, MERGED_ROW);
    prophet_code rc = PROPHET_OK;

    if (c->store && c->store->shown_in_row && !c->loaded && c->conflict && c->shown.len == 0)
        return PROPHET_OK; /* neither loaded nor settled anew */
    if (now) {
        if (!ph_cell_private(c, r->arena))
            return ph_nomem(err);
        rc = ph_txn_put(t, PH_T_CELLS, part_slice(&k), c->shown, err);
    } else if (was) {
        rc = ph_txn_del(t, PH_T_CELLS, part_slice(&k), err);
    }
    if (c->store)
        c->store->merged_row = now;
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code drop_old_heads(ph_txn *t, const ph_record *r, ph_cell *c, const uint64_t *keep,
                                   uint32_t count, prophet_error *err)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < c->store->row_count; i++) { /* both ascending */
        uint64_t v = c->store->rows[i];
        while (k < count && keep[k] < v)
            k++;
        if (k < count && keep[k] == v)
            continue;
        part_key key = ph_part_u64(r->number, c->field, PART_VALUE, v);
        prophet_code rc = ph_txn_del(t, PH_T_CELLS, part_slice(&key), err);
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

/* Puts rows of heads that need one and have none. `rows` receives the versions that have one now. */
static prophet_code put_new_heads(ph_txn *t, const ph_record *r, const ph_cell *c, uint64_t *rows,
                                  uint32_t *count, prophet_error *err)
{
    const ph_cell_store *s = c->store;
    uint32_t k = 0;

    for (uint32_t i = 0; i < c->head_count; i++) {
        const ph_head *h = &c->heads[i];
        while (k < s->row_count && s->rows[k] < h->version)
            k++;
        bool was = k < s->row_count && s->rows[k] == h->version;
        bool unread = was && !c->loaded && h->value.len == 0;
        if (c->head_count <= PH_INLINE_HEADS && h->value.len <= PH_INLINE_VALUE && !unread)
            continue;
        rows[(*count)++] = h->version;
        bool again = c->loaded && h->version == r->version; /* a change writes over what it wrote */
        if (was && !again)
            continue;
        part_key key = ph_part_u64(r->number, c->field, PART_VALUE, h->version);
        prophet_code rc = ph_txn_put(t, PH_T_CELLS, part_slice(&key), h->value, err);
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

static bool heads_need_rows(const ph_cell *c)
{
    if (c->store || c->head_count > PH_INLINE_HEADS || c->shown.len > PH_INLINE_VALUE)
        return true;
    for (uint32_t i = 0; i < c->head_count; i++)
        if (c->heads[i].value.len > PH_INLINE_VALUE)
            return true;
    return false;
}

static prophet_code sync_heads(ph_txn *t, ph_record *r, ph_cell *c, prophet_error *err)
{
    uint32_t count = 0;
    prophet_code rc;

    if (c->store && c->store->many && !c->heads)
        return PROPHET_OK; /* not loaded, hence not written to */
    sort_heads(c->heads, c->head_count);
    bool unread = c->store && !c->loaded && c->head_count > 0 && c->heads[0].value.len == 0 &&
                  version_in(c->store->rows, c->store->row_count, c->heads[0].version);
    if (!c->conflict && !unread)
        c->shown = c->head_count > 0 ? c->heads[0].value : ph_slice(NULL, 0);
    if (!heads_need_rows(c))
        return PROPHET_OK;
    ph_cell_store *s = ph_cell_private(c, r->arena);
    uint64_t *rows = ph_arena_alloc(r->arena, (c->head_count + 1) * sizeof *rows);
    if (!s || !rows)
        return ph_nomem(err);
    if ((rc = put_new_heads(t, r, c, rows, &count, err)) < 0 ||
        (rc = drop_old_heads(t, r, c, rows, count, err)) < 0)
        return rc;
    s->rows = rows;
    s->row_count = count;
    s->many = c->head_count > PH_INLINE_HEADS;
    return sync_merged(t, r, c, err);
}

/* ---- elements --------------------------------------------------------------------------------------- */

static prophet_code put_element(ph_txn *t, const ph_record *r, const ph_cell *c,
                                const ph_element *e, ph_buf *scratch, prophet_error *err)
{
    part_key key;
    uint64_t last = 0;
    prophet_code rc = ph_part_element(r->number, c->field, e->value, &key, err);

    if (rc < 0)
        return rc;
    ph_buf_reset(scratch);
    ph_buf_varint(scratch, e->add_count);
    for (uint32_t i = 0; i < e->add_count; i++) {
        ph_buf_varint(scratch, e->adds[i] - last);
        last = e->adds[i];
    }
    if (e->value.len > ELEMENT_INKEY)
        ph_buf_put(scratch, e->value.data, e->value.len);
    return scratch->failed
               ? ph_nomem(err)
               : ph_txn_put(t, PH_T_CELLS, part_slice(&key), ph_buf_slice(scratch), err);
}

static prophet_code drop_element(ph_txn *t, const ph_record *r, const ph_cell *c,
                                 const ph_element *e, prophet_error *err)
{
    part_key key;
    prophet_code rc = ph_part_element(r->number, c->field, e->value, &key, err);

    return rc < 0 ? rc : ph_txn_del(t, PH_T_CELLS, part_slice(&key), err);
}

static void sort_adds(ph_element *e)
{
    for (uint32_t i = 1; i < e->add_count; i++) {
        uint64_t x = e->adds[i];
        uint32_t k = i;
        for (; k > 0 && e->adds[k - 1] > x; k--)
            e->adds[k] = e->adds[k - 1];
        e->adds[k] = x;
    }
}

static element_was as_row(const ph_element *e)
{
    element_was w = { e->add_count, e->add_count ? e->adds[e->add_count - 1] : 0 };
    return w;
}

/* What the set holds once the elements in memory are counted anew. */
static void count_set(ph_cell *c, uint32_t *total, uint64_t *weight)
{
    const ph_cell_store *s = c->store && c->store->large ? c->store : NULL;

    *total = s ? s->total : 0;
    *weight = s ? s->weight : 0;
    for (uint32_t i = 0; i < c->element_count; i++) {
        ph_element *e = &c->elements[i];
        ph_require(i == 0 ||
                   ph_slice_cmp(e[-1].value, e->value) < 0); /* ph_cell_element keeps them sorted */
        sort_adds(e);
        if (s && s->was[i].count > 0) {
            *total -= 1;
            *weight -= element_weight(e->value.len, s->was[i].count);
        }
        if (e->add_count > 0) {
            *total += 1;
            *weight += element_weight(e->value.len, e->add_count);
        }
    }
}

static prophet_code sync_element_rows(ph_txn *t, const ph_record *r, ph_cell *c, bool large,
                                      ph_buf *scratch, prophet_error *err)
{
    ph_cell_store *s = c->store;

    for (uint32_t i = 0; i < c->element_count; i++) {
        ph_element *e = &c->elements[i];
        element_was was = s->large ? s->was[i] : (element_was){ 0, 0 },
                    now = large ? as_row(e) : (element_was){ 0, 0 };
        prophet_code rc = PROPHET_OK;
        if (now.count > 0 && (now.count != was.count || now.last != was.last))
            rc = put_element(t, r, c, e, scratch, err);
        else if (now.count == 0 && was.count > 0)
            rc = drop_element(t, r, c, e, err);
        if (rc < 0)
            return rc;
        s->was[i] = now;
    }
    return PROPHET_OK;
}

static void forget_absent(ph_cell *c)
{
    uint32_t to = 0;

    for (uint32_t i = 0; i < c->element_count; i++) {
        if (c->elements[i].add_count == 0)
            continue;
        if (c->store && c->store->was)
            c->store->was[to] = c->store->was[i];
        c->elements[to++] = c->elements[i];
    }
    c->element_count = to;
}

static prophet_code sync_elements(ph_txn *t, ph_record *r, ph_cell *c, ph_buf *scratch,
                                  prophet_error *err)
{
    bool was_large = c->store && c->store->large;
    uint32_t total;
    uint64_t weight;
    prophet_code rc;

    count_set(c, &total, &weight);
    bool large = total > PH_INLINE_ELEMENTS || weight > PH_INLINE_VALUE;
    if (was_large || large) {
#ifndef PH_PLANT_shrunk_set_not_read
        if (was_large && !large && (rc = ph_cell_load_elements(t, r, c, r->arena, err)) < 0)
            return rc;
#endif
        if (!ph_cell_private(c, r->arena) || !ph_cell_elements_room(c, c->element_count, r->arena))
            return ph_nomem(err);
        if ((rc = sync_element_rows(t, r, c, large, scratch, err)) < 0)
            return rc;
        c->store->large = large;
        c->store->total = total;
        c->store->weight = weight;
    }
    forget_absent(c);
    c->element_total = total;
    return PROPHET_OK;
}

prophet_code ph_cell_sync(ph_txn *t, ph_record *r, ph_cell *c, ph_buf *scratch, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    c->loaded |= !r->exists;
    if (c->is_register)
        rc = sync_heads(t, r, c, err);
    if (rc >= 0 && c->is_set)
        rc = sync_elements(t, r, c, scratch, err);
    return rc;
}
