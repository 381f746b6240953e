/* shown: what a field of a row shows, without building a record. Point reads, scans and queries come here.
 *
 * A register with a value comes first, then a set with elements, then a counter. Small things are slices of the
 * row itself; what lies in rows of its own is fetched with the transaction and copied. */
#include "record/record_impl.h"
#include <stdlib.h>

static prophet_code shown_register(ph_txn *t, const ph_row *row, cell_view *c, ph_arena *a,
                                   ph_shown *out, prophet_error *err)
{
    reg_view reg;
    head_view first = { 0, { NULL, 0 }, false };

    if (!ph_row_register(&c->body, c->flags, row->version, row->base, &reg, &first))
        return ph_row_damaged(&row->uuid, err);
    out->conflict = reg.flags & REG_CONFLICT;
    out->version = reg.flags & REG_MANY ? row->version : reg.version;
    if (reg.place == SHOWN_HEAD && reg.sub > 0) {
        row_in heads = reg.heads;
        for (uint64_t i = 0; i <= reg.sub; i++)
            if (!ph_row_head(&heads, row->version, &first))
                return ph_row_damaged(&row->uuid, err);
    }
    out->value = ph_slice(NULL, 0);
    if (reg.place == SHOWN_HERE)
        out->value = reg.here;
    else if (reg.place == SHOWN_HEAD && !first.in_row)
        out->value = first.value;
    else if (reg.place != SHOWN_UNSET)
        return ph_part_value(t, &row->uuid, row->number, c->field,
                             reg.place == SHOWN_ROW ? reg.sub : first.version, a, &out->value, err);
    return PROPHET_OK;
}

static int by_bytes(const void *a, const void *b)
{
    const prophet_slice *x = a, *y = b;
    return ph_slice_cmp(*x, *y);
}

/* The elements of a large set as one canonical list. */
static prophet_code list_of(prophet_slice *values, size_t count, size_t bytes, ph_arena *a,
                            prophet_slice *out, prophet_error *err)
{
    ph_buf head = PH_BUF_INIT;

    ph_put_list(&head, count);
    uint8_t *p = ph_arena_alloc(a, bytes + 9);
    if (!p || head.failed) {
        ph_buf_clear(&head);
        return ph_nomem(err);
    }
    memcpy(p, head.data, head.len);
    size_t at = head.len;
    ph_buf_clear(&head);
    for (size_t i = 0; i < count; i++) {
        memcpy(p + at, values[i].data, values[i].len);
        at += values[i].len;
    }
    *out = ph_slice(p, at);
    return PROPHET_OK;
}

static prophet_slice *grow(prophet_slice *values, size_t *room, ph_arena *a)
{
    size_t more = *room ? 2 * *room : 64;
    prophet_slice *out = ph_arena_alloc(a, more * sizeof *out);

    if (out && *room)
        memcpy(out, values, *room * sizeof *out);
    *room = out ? more : *room;
    return out;
}

static prophet_code shown_large_set(ph_txn *t, const ph_row *row, uint32_t field, uint32_t total,
                                    ph_arena *a, ph_shown *out, prophet_error *err)
{
    part_key prefix = ph_part_prefix(row->number, field, PART_ELEMENT);
    prophet_slice key, bytes, *values = NULL;
    ph_cursor *cur = NULL;
    size_t count = 0, room = 0, size = 0;
    prophet_code rc;

    if (!t)
        return ph_row_damaged(&row->uuid, err);
    if ((rc = ph_cursor_open(t, PH_T_CELLS, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, part_slice(&prefix), &key, &bytes, err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &key, &bytes, err)) {
        ph_element e;
        if (key.len <= prefix.len || memcmp(key.data, prefix.b, prefix.len) != 0)
            break;
        if (count == room && !(values = grow(values, &room, a))) {
            rc = ph_nomem(err);
            break;
        }
        if ((rc = ph_part_element_decode(key, bytes, &row->uuid, a, &e, err)) < 0)
            break;
        values[count++] = e.value;
        size += e.value.len;
        out->version =
            e.adds[e.add_count - 1] > out->version ? e.adds[e.add_count - 1] : out->version;
    }
    ph_cursor_close(cur);
    if (rc >= 0 && count != total)
        rc = ph_row_damaged(&row->uuid, err);
    if (rc < 0)
        return rc;
    qsort(values, count, sizeof *values, by_bytes);
    return list_of(values, count, size, a, &out->value, err);
}

static prophet_code shown_set(ph_txn *t, const ph_row *row, uint32_t field, const set_view *set,
                              ph_arena *a, ph_shown *out, prophet_error *err)
{
    row_in adds = set->adds;
    uint64_t count, delta;

    out->version = 0;
    if (set->flags & SET_LARGE)
        return shown_large_set(t, row, field, set->total, a, out, err);
    out->value = set->list;
    if (set->flags & SET_PLAIN) {
        out->version = row->base;
        return PROPHET_OK;
    }
    for (uint32_t i = 0; i < set->total; i++) {
        (void)in_varint(&adds, &count); /* ph_row_set walked over them */
        while (count-- > 0) {
            (void)in_varint(&adds, &delta);
            if (delta > row->version)
                return ph_row_damaged(&row->uuid, err);
            out->version =
                row->version - delta > out->version ? row->version - delta : out->version;
        }
    }
    return PROPHET_OK;
}

static prophet_code shown_cell(ph_txn *t, const ph_row *row, cell_view *c, ph_arena *a,
                               ph_shown *out, prophet_error *err)
{
    unsigned kinds = c->flags & (CELL_REGISTER | CELL_SET | CELL_COUNTER);
    prophet_slice counter;
    set_view set;
    prophet_code rc;

    *out =
        (ph_shown){ .kind = PH_SHOWN_NONE, .field = c->field, .mixed = (kinds & (kinds - 1)) != 0 };
    if (c->flags & (CELL_REGISTER | CELL_LONG)) {
        if ((rc = shown_register(t, row, c, a, out, err)) < 0)
            return rc;
        out->kind = out->value.len > 0 ? PH_SHOWN_REGISTER : PH_SHOWN_NONE;
    }
    if ((kinds & CELL_SET) && out->kind == PH_SHOWN_NONE) {
        if (!ph_row_set(&c->body, &set))
            return ph_row_damaged(&row->uuid, err);
        if (set.total > 0) {
            out->kind = PH_SHOWN_SET;
            return shown_set(t, row, c->field, &set, a, out, err);
        }
    }
    if ((kinds & CELL_COUNTER) && out->kind == PH_SHOWN_NONE) {
        if (!ph_row_scalar(&c->body, &counter))
            return ph_row_damaged(&row->uuid, err);
        out->kind = PH_SHOWN_COUNTER;
        out->value = counter;
        out->version = row->version;
    }
    return PROPHET_OK;
}

/* By far the most cells: a scalar that one version wrote. */
static inline bool shown_clean(const ph_row *row, const cell_view *c, ph_shown *out)
{
    uint64_t delta = row->version - row->base;
    row_in body = c->body;

    if ((c->flags & ~(CELL_DELTA | CELL_FORKED)) != CELL_REGISTER)
        return false;
    if ((c->flags & CELL_DELTA) && (!in_varint(&body, &delta) || delta > row->version))
        return false; /* damaged: shown_cell says so */
    out->kind = PH_SHOWN_REGISTER;
    out->field = c->field;
    out->value = ph_slice(body.p, (size_t)(body.end - body.p));
    out->conflict = out->mixed = false;
    out->version = row->version - delta;
    return true;
}

prophet_code ph_row_field(ph_txn *t, const ph_row *row, uint32_t field, ph_arena *a, ph_shown *out,
                          prophet_error *err)
{
    cell_view c;
    int found = ph_row_find(row, field, &c);

    if (found < 0)
        return ph_row_damaged(&row->uuid, err);
    if (found == 0) {
        *out = (ph_shown){ .kind = PH_SHOWN_NONE, .field = field };
        return PROPHET_OK;
    }
    return shown_clean(row, &c, out) ? PROPHET_OK : shown_cell(t, row, &c, a, out, err);
}

prophet_code ph_row_next(ph_txn *t, const ph_row *row, size_t *pos, ph_arena *a, ph_shown *out,
                         prophet_error *err)
{
    const uint8_t *end = (const uint8_t *)row->raw.data + row->raw.len;
    row_in in = { row->cells + *pos, end };
    cell_view c;

    /* The cells end with the row: their count was only checked against it. */
    while (in.p < end) {
        if (!ph_row_cell(&in, false, &c))
            return ph_row_damaged(&row->uuid, err);
        *pos = (size_t)(in.p - row->cells);
        if (shown_clean(row, &c, out))
            return PROPHET_OK;
        prophet_code rc = shown_cell(t, row, &c, a, out, err);
        if (rc < 0 || out->kind != PH_SHOWN_NONE)
            return rc;
    }
    return PROPHET_DONE;
}

prophet_code ph_row_fields(ph_txn *t, const ph_row *row, ph_arena *a, ph_field_value *out,
                           size_t *count, prophet_error *err)
{
    const uint8_t *end = (const uint8_t *)row->raw.data + row->raw.len;
    row_in in = { row->cells, end };
    cell_view c;
    ph_shown shown;
    size_t n = 0;

    for (uint32_t i = 0; i < row->cell_count; i++) {
        if (!ph_row_cell(&in, false, &c))
            return ph_row_damaged(&row->uuid, err);
        if (!shown_clean(row, &c, &shown)) {
            prophet_code rc = shown_cell(t, row, &c, a, &shown, err);
            if (rc < 0)
                return rc;
            if (shown.kind == PH_SHOWN_NONE)
                continue;
        }
        out[n++] = (ph_field_value){ c.field, (uint32_t)shown.value.len, shown.value.data };
    }
    *count = n;
    return in.p == end ? PROPHET_OK : ph_row_damaged(&row->uuid, err);
}

void ph_row_move(ph_row *row, const void *bytes)
{
    const uint8_t *from = row->raw.data, *to = bytes;

    row->cells = to + (row->cells - from);
    row->life = row->life ? to + (row->life - from) : NULL;
    row->raw = ph_slice(to, row->raw.len);
}
