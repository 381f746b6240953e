/* store: writes a record that changed: first the rows of its own (parts.c), then its row (drawn in row.c).
 *
 * Called by replica once a record and transaction, so a changeset with a thousand records makes a thousand puts in
 * key order. The row is a function of the record's state alone: rebuild must give the same bytes. */
#include "record/record_impl.h"

static inline void put_varint(ph_buf *b, uint64_t v)
{
    if (v < 0x80)
        ph_buf_byte(b, (uint8_t)v);
    else
        ph_buf_varint(b, v);
}

typedef struct row_span {
    uint64_t base, version;
} row_span; /* of the row being written */

/* A short register: drawn in row.c. */
static bool is_short(const ph_cell *c)
{
    return c->is_register && !c->is_set && !c->is_counter && c->head_count == 1 && !c->conflict &&
           !c->decided && !c->was_dead && c->ballot_count == 0 && c->field != PH_LIFE &&
           !(c->store && c->store->row_count);
}

static bool is_plain_life(const ph_record *r)
{
    const ph_cell *c = &r->life;

    return c->is_register && c->head_count == 1 && c->heads[0].version == r->version &&
           !c->forked && !c->was_dead && !c->conflict && c->ballot_count == 0 && !c->is_set &&
           !c->is_counter && ph_slice_eq(c->heads[0].value, ph_alive);
}

/* ---- spans -------------------------------------------------------------------------------------------- */

static void span_cell(const ph_cell *c, row_span *s)
{
    bool counts = is_short(c);

    for (uint32_t i = 0; i < c->head_count && c->heads; i++) {
        uint64_t v = c->heads[i].version;
        s->version = v > s->version ? v : s->version;
        s->base = counts && v < s->base ? v : s->base;
    }
    if (!c->is_set)
        return;
    for (uint32_t i = 0; i < c->element_count; i++)
        for (uint32_t k = 0; k < c->elements[i].add_count; k++) {
            uint64_t v = c->elements[i].adds[k];
            s->version = v > s->version ? v : s->version;
            s->base = !(c->store && c->store->large) && v < s->base ? v : s->base;
        }
}

static row_span span_of(const ph_record *r)
{
    row_span s = { UINT64_MAX, r->version };

    span_cell(&r->life, &s);
    for (uint32_t i = 0; i < r->cell_count; i++)
        span_cell(&r->cells[i], &s);
    if (s.base == UINT64_MAX)
        s.base = s.version;
    return s;
}

/* ---- registers ---------------------------------------------------------------------------------------- */

static bool has_row(const ph_cell *c, uint64_t version)
{
    for (uint32_t i = 0; c->store && i < c->store->row_count; i++)
        if (c->store->rows[i] == version)
            return true;
    return false;
}

static void put_here(ph_buf *b, prophet_slice value, size_t tag)
{
    put_varint(b, value.len + tag);
    ph_buf_put(b, value.data, value.len);
}

static void put_head(ph_buf *b, const ph_cell *c, const ph_head *h, const row_span *s)
{
    put_varint(b, s->version - h->version);
    if (has_row(c, h->version))
        put_varint(b, 1);
    else if (h->value.len == 0)
        put_varint(b, 0);
    else
        put_here(b, h->value, 1);
}

static void put_shown_place(ph_buf *b, shown_place place, uint64_t n)
{
    put_varint(b, place);
    put_varint(b, n);
}

static void put_shown(ph_buf *b, const ph_cell *c)
{
    const ph_cell_store *st = c->store;
    bool unread = st && st->shown_in_row && !c->loaded && c->shown.len == 0;
    bool many = st && st->many;

    if (c->shown.len == 0 && !unread) {
        put_varint(b, SHOWN_UNSET);
        return;
    }
    if (many && !unread && c->shown.len <= PH_INLINE_VALUE) {
        put_here(b, c->shown, 2);
        return;
    }
    for (uint32_t i = 0; i < c->head_count && c->heads; i++) {
        const ph_head *h = &c->heads[i];
        if (unread ? h->version == st->shown_sub : ph_slice_eq(h->value, c->shown)) {
            put_shown_place(b, many ? SHOWN_ROW : SHOWN_HEAD, many ? h->version : i);
            return;
        }
    }
    if (!unread && c->shown.len <= PH_INLINE_VALUE)
        put_here(b, c->shown, 2);
    else
        put_shown_place(b, SHOWN_ROW, unread ? st->shown_sub : MERGED_ROW);
}

static void put_long_register(ph_buf *b, const ph_cell *c, const row_span *s)
{
    bool many = c->store && c->store->many;
    unsigned flags = (c->was_dead ? REG_WAS_DEAD : 0u) | (c->conflict ? REG_CONFLICT : 0u) |
                     (c->decided ? REG_DECIDED : 0u) | (many ? REG_MANY : 0u);

    ph_buf_byte(b, (uint8_t)flags);
    put_varint(b, c->ballot_count);
    put_varint(b, c->head_count);
    for (uint32_t i = 0; i < c->head_count && !many; i++)
        put_head(b, c, &c->heads[i], s);
    if (c->conflict || many)
        put_shown(b, c);
}

/* ---- sets --------------------------------------------------------------------------------------------- */

static void put_set(ph_buf *b, const ph_cell *c, const row_span *s)
{
    size_t len = 1;
    bool plain = true;

    if (c->store && c->store->large) {
        put_varint(b, (uint64_t)c->store->total << 2 | SET_LARGE);
        put_varint(b, c->store->weight);
        return;
    }
    for (uint32_t i = 0; i < c->element_count; i++) {
        len += c->elements[i].value.len;
        plain = plain && c->elements[i].add_count == 1 && c->elements[i].adds[0] == s->base;
    }
    put_varint(b, (uint64_t)c->element_count << 2 | (plain ? SET_PLAIN : 0));
    put_varint(b, len);
    ph_buf_byte(b, (uint8_t)(0x80 | c->element_count)); /* head of a list of at most 16 */
    for (uint32_t i = 0; i < c->element_count; i++)
        ph_buf_put(b, c->elements[i].value.data, c->elements[i].value.len);
    for (uint32_t i = 0; i < c->element_count && !plain; i++) {
        put_varint(b, c->elements[i].add_count);
        for (uint32_t k = 0; k < c->elements[i].add_count; k++)
            put_varint(b, s->version - c->elements[i].adds[k]);
    }
}

/* ---- cells -------------------------------------------------------------------------------------------- */

/* Puts the length of what was written since `start` before it. */
static void size_payload(ph_buf *b, size_t start)
{
    uint8_t head[10];
    size_t len = b->len - start, n = ph_varint_write(head, len);

    if (!ph_buf_reserve(b, n))
        return;
    memmove(b->data + start + n, b->data + start, len);
    memcpy(b->data + start, head, n);
    b->len += n;
}

static bool is_scalar(prophet_slice value)
{
    uint8_t first = *(const uint8_t *)value.data;

    if (first >> 5 != 6)
        return first >> 5 != 4 && first >> 5 != 5;
    ph_kind kind = ph_value_kind(value);
    return kind == PH_TIME || kind == PH_REF;
}

static void put_short_cell(ph_buf *b, const ph_cell *c, const row_span *s)
{
    const ph_head *h = &c->heads[0];
    bool unset = h->value.len == 0, sized = !unset && !is_scalar(h->value),
         moved = h->version != s->base;
    unsigned flags = CELL_REGISTER | (moved ? CELL_DELTA : 0u) | (unset ? CELL_UNSET : 0u) |
                     (c->forked ? CELL_FORKED : 0u) | (sized ? CELL_SIZED : 0u);

    ph_buf_byte(b, (uint8_t)flags);
    size_t start = b->len;
    if (moved)
        put_varint(b, s->version - h->version);
    ph_buf_put(b, h->value.data, h->value.len);
    if (sized)
        size_payload(b, start);
}

static void put_cell(ph_buf *b, const ph_cell *c, const row_span *s)
{
    if (is_short(c)) {
        put_short_cell(b, c, s);
        return;
    }
    bool heads = c->is_register || c->ballot_count > 0 || c->field == PH_LIFE,
         sized = heads || c->is_set;
    unsigned flags = (c->is_register ? CELL_REGISTER : 0u) | (heads ? CELL_LONG : 0u) |
                     (c->is_set ? CELL_SET : 0u) | (c->is_counter ? CELL_COUNTER : 0u) |
                     (c->forked ? CELL_FORKED : 0u) | (sized ? CELL_SIZED : 0u);
    ph_buf_byte(b, (uint8_t)flags);
    size_t start = b->len;
    if (heads)
        put_long_register(b, c, s);
    if (c->is_set)
        put_set(b, c, s);
    if (c->is_counter)
        ph_put_int(b, c->counter);
    if (sized)
        size_payload(b, start);
}

static bool is_empty(const ph_cell *c)
{
    return !c->is_register && !c->is_set && !c->is_counter && c->ballot_count == 0;
}

static void put_row(ph_buf *b, const ph_record *r, const row_span *s)
{
    bool plain = is_plain_life(r);
    uint32_t count = 0;

    put_varint(b, r->number);
    put_varint(b, r->version);
    ph_buf_byte(b, (uint8_t)((r->alive ? ROW_ALIVE : 0u) | (plain ? ROW_PLAIN : 0u) |
                             (s->base != s->version ? ROW_BASE : 0u)));
    if (s->base != s->version)
        put_varint(b, s->version - s->base);
    if (!plain)
        put_cell(b, &r->life, s);
    for (uint32_t i = 0; i < r->cell_count; i++)
        count += !is_empty(&r->cells[i]);
    put_varint(b, count);
    for (uint32_t i = 0; i < r->cell_count; i++) {
        if (is_empty(&r->cells[i]))
            continue;
        put_varint(b, r->cells[i].field);
        put_cell(b, &r->cells[i], s);
    }
}

static prophet_code sync_cells(ph_txn *t, ph_record *r, ph_buf *scratch, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (r->life.dirty || !r->exists)
        rc = ph_cell_sync(t, r, &r->life, scratch, err);
    for (uint32_t i = 0; i < r->cell_count && rc >= 0; i++)
        if (r->cells[i].dirty || !r->exists)
            rc = ph_cell_sync(t, r, &r->cells[i], scratch, err);
    return rc;
}

prophet_code ph_record_store(ph_txn *t, ph_record *r, bool sorted, ph_buf *scratch,
                             prophet_error *err)
{
    uint8_t key[20];
    prophet_code rc;

    ph_require(r->number > 0 && (r->arena || r->cell_count == 0));
    if ((rc = sync_cells(t, r, scratch, err)) < 0)
        return rc;
    row_span s = span_of(r);
    r->version = s.version;
    r->alive = r->life.is_register && ph_slice_eq(r->life.shown, ph_alive);
    ph_buf_reset(scratch);
    put_row(scratch, r, &s);
    if (scratch->failed)
        return ph_nomem(err);
    ph_u32be_put(key, r->type);
    memcpy(key + 4, r->uuid.b, sizeof r->uuid.b);
    rc = sorted
             ? ph_txn_put_sorted(t, PH_T_RECORDS, ph_slice(key, sizeof key), ph_buf_slice(scratch),
                                 err)
             : ph_txn_put(t, PH_T_RECORDS, ph_slice(key, sizeof key), ph_buf_slice(scratch), err);
    if (rc < 0)
        return rc;
    r->exists = true;
    r->dirty = r->life.dirty = false;
    for (uint32_t i = 0; i < r->cell_count; i++)
        r->cells[i].dirty = false;
    return PROPHET_OK;
}

prophet_code ph_record_erase(ph_txn *t, uint32_t type, const ph_uuid *uuid, uint64_t number,
                             prophet_error *err)
{
    uint8_t key[20], prefix[8];
    prophet_code rc;

    ph_u32be_put(key, type);
    memcpy(key + 4, uuid->b, sizeof uuid->b);
    ph_u64be_put(prefix, number);
    if ((rc = ph_txn_del(t, PH_T_RECORDS, ph_slice(key, sizeof key), err)) < 0)
        return rc;
    return ph_txn_del_prefix(t, PH_T_CELLS, ph_slice(prefix, sizeof prefix), err);
}

static bool lies_in_row(const ph_cell *c)
{
    size_t weight = 0;

    if (c->store || !c->loaded || c->head_count > 1 || c->ballot_count ||
        c->element_count > PH_INLINE_ELEMENTS ||
        (c->head_count && c->heads[0].value.len > PH_INLINE_VALUE))
        return false;
    for (uint32_t i = 0; i < c->element_count; i++)
        weight += c->elements[i].value.len + 4 * c->elements[i].add_count;
    return weight <= PH_INLINE_VALUE;
}

bool ph_record_preview(ph_record *r, ph_buf *row)
{
    if (r->exists || !lies_in_row(&r->life))
        return false;
    for (uint32_t i = 0; i < r->cell_count; i++)
        if (!lies_in_row(&r->cells[i]))
            return false;
    row_span s = span_of(r);
    r->version = s.version;
    r->alive = r->life.is_register && ph_slice_eq(r->life.shown, ph_alive);
    ph_buf_reset(row);
    put_row(row, r, &s);
    return !row->failed;
}
