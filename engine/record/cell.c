/* cell: what the applier does with a record in memory: find and make cells, bring in what lies in rows, copy.
 *
 * Called by replica between ph_record_load and ph_record_store. Writes nothing. */
#include "record/record_impl.h"
#include <stdlib.h>

/* ---- cells and their memory --------------------------------------------------------------------------- */

static uint32_t cell_place(const ph_record *r, uint32_t field)
{
    uint32_t low = 0, high = r->cell_count;

    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (r->cells[mid].field < field)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

ph_cell *ph_record_cell(ph_record *r, uint32_t field)
{
    if (field == PH_LIFE)
        return &r->life;
    uint32_t at = cell_place(r, field);
    return at < r->cell_count && r->cells[at].field == field ? &r->cells[at] : NULL;
}

prophet_code ph_record_cell_make(ph_record *r, uint32_t field, ph_arena *a, ph_cell **out,
                                 prophet_error *err)
{
    if (!r->arena)
        r->arena = a;
    if (field == PH_LIFE) {
        *out = &r->life;
        return PROPHET_OK;
    }
    uint32_t last = r->cell_count, at = last;
    if (last > 0 && r->cells[last - 1].field >= field)
        at = cell_place(r, field); /* else behind all others, as mostly */
    if (at < last && r->cells[at].field == field) {
        *out = &r->cells[at];
        return PROPHET_OK;
    }
    if (r->cell_count == r->cell_cap) {
        uint32_t cap = r->cell_cap ? 2 * r->cell_cap : 12;
        ph_cell *cells = ph_arena_alloc(a, cap * sizeof *cells);
        if (!cells)
            return ph_nomem(err);
        if (r->cell_count)
            memcpy(cells, r->cells, r->cell_count * sizeof *cells);
        r->cells = cells;
        r->cell_cap = cap;
    }
    if (at < last)
        memmove(&r->cells[at + 1], &r->cells[at], (last - at) * sizeof *r->cells);
    r->cell_count++;
    r->cells[at] = (ph_cell){ .field = field, .loaded = true };
    *out = &r->cells[at];
    return PROPHET_OK;
}

ph_cell_store *ph_cell_private(ph_cell *c, ph_arena *a)
{
    if (!c->store)
        c->store = ph_arena_zalloc(a, sizeof *c->store);
    return c->store;
}

prophet_code ph_cell_head_room(ph_cell *c, ph_arena *a, prophet_error *err)
{
    if (c->head_count < c->head_cap)
        return PROPHET_OK;
    uint32_t cap = c->head_cap ? 2 * c->head_cap : 2;
    ph_head *heads = ph_arena_alloc(a, cap * sizeof *heads);
    if (!heads)
        return ph_nomem(err);
    if (c->head_count)
        memcpy(heads, c->heads, c->head_count * sizeof *heads);
    c->heads = heads;
    c->head_cap = cap;
    return PROPHET_OK;
}

/* Room for `want` elements and for what is remembered of them. */
bool ph_cell_elements_room(ph_cell *c, uint32_t want, ph_arena *a)
{
    if (want > c->element_cap) {
        uint32_t cap = want > 2 * c->element_cap ? want + 3 : 2 * c->element_cap;
        ph_element *elements = ph_arena_alloc(a, cap * sizeof *elements);
        if (!elements)
            return false;
        if (c->element_count)
            memcpy(elements, c->elements, c->element_count * sizeof *elements);
        c->elements = elements;
        c->element_cap = cap;
    }
    ph_cell_store *s = c->store;
    if (!s || s->was_cap >= c->element_cap)
        return true;
    element_was *was = ph_arena_zalloc(a, c->element_cap * sizeof *was);
    if (!was)
        return false;
    if (s->was && s->large)
        memcpy(was, s->was, c->element_count * sizeof *was);
    s->was = was;
    s->was_cap = c->element_cap;
    return true;
}

/* ---- bringing in rows ----------------------------------------------------------------------------------- */

static bool in_part(prophet_slice key, const part_key *prefix)
{
    return key.len > prefix->len && memcmp(key.data, prefix->b, prefix->len) == 0;
}

static prophet_code load_many_heads(ph_txn *t, const ph_record *r, ph_cell *c, ph_arena *a,
                                    prophet_error *err)
{
    part_key prefix = ph_part_prefix(r->number, c->field, PART_VALUE);
    ph_cell_store *s = c->store;
    ph_cursor *cur = NULL;
    prophet_slice key, value;
    bool ok = true;
    uint32_t want = c->head_count;
    prophet_code rc;

    if ((rc = ph_cursor_open(t, PH_T_CELLS, &cur, err)) < 0)
        return rc;
    c->head_count = c->head_cap = 0;
    rc = ph_cursor_seek(cur, part_slice(&prefix), &key, &value, err);
    for (; rc == PROPHET_OK && in_part(key, &prefix) && key.len == 21;
         rc = ph_cursor_next(cur, &key, &value, err)) {
        uint64_t version = ph_u64be((const uint8_t *)key.data + 13);
        if (version == MERGED_ROW)
            continue;
        if ((rc = ph_cell_head_room(c, a, err)) < 0)
            break;
        c->heads[c->head_count++] =
            (ph_head){ version, value.len ? ph_arena_copy(a, value, &ok) : ph_slice(NULL, 0) };
    }
    ph_cursor_close(cur);
    if (rc < 0)
        return rc;
    if (c->head_count != want)
        return ph_row_damaged(&r->uuid, err);
    s->rows = ph_arena_alloc(a, c->head_count * sizeof *s->rows);
    if (!ok || !s->rows)
        return ph_nomem(err);
    for (uint32_t i = 0; i < c->head_count; i++)
        s->rows[i] = c->heads[i].version;
    s->row_count = c->head_count;
    return PROPHET_OK;
}

static prophet_code load_heads(ph_txn *t, const ph_record *r, ph_cell *c, ph_arena *a,
                               prophet_error *err)
{
    ph_cell_store *s = c->store;
    prophet_code rc;

    if (s->many) {
        if ((rc = load_many_heads(t, r, c, a, err)) < 0)
            return rc;
    } else {
        for (uint32_t i = 0; i < c->head_count; i++)
            for (uint32_t k = 0; k < s->row_count; k++)
                if (s->rows[k] == c->heads[i].version && c->heads[i].value.len == 0 &&
                    (rc = ph_part_value(t, &r->uuid, r->number, c->field, s->rows[k], a,
                                        &c->heads[i].value, err)) < 0)
                    return rc;
    }
    if (s->shown_in_row && s->shown_sub == MERGED_ROW && c->shown.len == 0 &&
        (rc = ph_part_value(t, &r->uuid, r->number, c->field, MERGED_ROW, a, &c->shown, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < c->head_count && s->shown_in_row; i++)
        if (c->heads[i].version == s->shown_sub)
            c->shown = c->heads[i].value;
    if (!c->conflict && c->head_count > 0)
        c->shown = c->heads[0].value;
    s->shown_in_row = false;
    return PROPHET_OK;
}

static uint32_t element_place(const ph_cell *c, uint32_t count, prophet_slice value, bool *found)
{
    uint32_t low = 0, high = count;

    *found = false;
    if (count > 0 && ph_slice_cmp(c->elements[count - 1].value, value) < 0)
        return count; /* rising order is usual */
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int order = ph_slice_cmp(c->elements[mid].value, value);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

typedef struct loaded_element {
    ph_element e;
    element_was was;
} loaded_element;

static int by_value(const void *a, const void *b)
{
    const loaded_element *x = a, *y = b;
    return ph_slice_cmp(x->e.value, y->e.value);
}

/* Elements and what is remembered of them are two arrays: sorted together here. */
static prophet_code sort_loaded(ph_cell *c, ph_arena *a, prophet_error *err)
{
    loaded_element *all = ph_arena_alloc(a, c->element_count * sizeof *all);

    if (!all)
        return ph_nomem(err);
    for (uint32_t i = 0; i < c->element_count; i++)
        all[i] = (loaded_element){ c->elements[i], c->store->was[i] };
    qsort(all, c->element_count, sizeof *all, by_value);
    for (uint32_t i = 0; i < c->element_count; i++) {
        c->elements[i] = all[i].e;
        c->store->was[i] = all[i].was;
    }
    return PROPHET_OK;
}

prophet_code ph_cell_load_elements(ph_txn *t, const ph_record *r, ph_cell *c, ph_arena *a,
                                   prophet_error *err)
{
    part_key prefix = ph_part_prefix(r->number, c->field, PART_ELEMENT);
    uint32_t had = c->element_count, rows = 0;
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc;

    if (!c->store || !c->store->large)
        return PROPHET_OK;
    if ((rc = ph_cursor_open(t, PH_T_CELLS, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, part_slice(&prefix), &key, &row, err);
    for (; rc == PROPHET_OK && in_part(key, &prefix); rc = ph_cursor_next(cur, &key, &row, err)) {
        ph_element e;
        bool found;
        rows++;
        if ((rc = ph_part_element_decode(key, row, &r->uuid, a, &e, err)) < 0)
            break;
        (void)element_place(c, had, e.value, &found);
        if (found)
            continue;
        if (!ph_cell_elements_room(c, c->element_count + 1, a)) {
            rc = ph_nomem(err);
            break;
        }
        c->elements[c->element_count] = e;
        c->store->was[c->element_count++] = (element_was){ e.add_count, e.adds[e.add_count - 1] };
    }
    ph_cursor_close(cur);
    if (rc < 0)
        return rc;
    if (rows != c->store->total)
        return ph_row_damaged(&r->uuid, err);
    return sort_loaded(c, a, err);
}

prophet_code ph_cell_load(ph_txn *t, ph_record *r, ph_cell *c, ph_arena *a, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (c->loaded)
        return PROPHET_OK;
    if (c->store && c->is_register)
        rc = load_heads(t, r, c, a, err);
    if (rc >= 0 && c->store && c->is_set)
        rc = ph_cell_load_elements(t, r, c, a, err);
    if (rc >= 0)
        c->loaded = true;
    return rc;
}

/* ---- elements ------------------------------------------------------------------------------------------- */

static bool room_for_add(ph_element *e, ph_arena *a)
{
    uint64_t *adds = ph_arena_alloc(a, (e->add_count + 1) * sizeof *adds);

    if (!adds)
        return false;
    if (e->add_count)
        memcpy(adds, e->adds, e->add_count * sizeof *adds);
    e->adds = adds;
    return true;
}

static prophet_code read_element(ph_txn *t, const ph_record *r, const ph_cell *c,
                                 prophet_slice value, ph_arena *a, ph_element *out,
                                 prophet_error *err)
{
    part_key key;
    prophet_slice row;
    prophet_code rc;

    if ((rc = ph_part_element(r->number, c->field, value, &key, err)) < 0)
        return rc;
    if ((rc = ph_txn_get(t, PH_T_CELLS, part_slice(&key), &row, err)) != PROPHET_OK)
        return rc;
    return ph_part_element_decode(part_slice(&key), row, &r->uuid, a, out, err);
}

prophet_code ph_cell_element(ph_txn *t, ph_record *r, ph_cell *c, prophet_slice value, ph_arena *a,
                             ph_element **out, prophet_error *err)
{
    ph_element e = { .value = { NULL, 0 }, .adds = NULL, .add_count = 0 };
    bool found, ok = true;
    uint32_t at = element_place(c, c->element_count, value, &found);
    prophet_code rc;

    if (!found) {
        if (c->store && c->store->large && !c->loaded &&
            (rc = read_element(t, r, c, value, a, &e, err)) < 0)
            return rc;
        if (e.add_count == 0)
            e.value = ph_arena_copy(a, value, &ok);
        if (!ok || !ph_cell_private(c, a) || !ph_cell_elements_room(c, c->element_count + 1, a))
            return ph_nomem(err);
        size_t behind = c->element_count - at;
        memmove(&c->elements[at + 1], &c->elements[at], behind * sizeof *c->elements);
        memmove(&c->store->was[at + 1], &c->store->was[at], behind * sizeof *c->store->was);
        c->elements[at] = e;
        c->store->was[at] = (element_was){ e.add_count, e.add_count ? e.adds[e.add_count - 1] : 0 };
        c->element_count++;
#ifndef PH_PLANT_absent_element_in_row
        c->dirty = true; /* it is absent still, and must not get into the row so */
#endif
    }
    if (!room_for_add(&c->elements[at], a))
        return ph_nomem(err);
    *out = &c->elements[at];
    return PROPHET_OK;
}

static int by_version(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

prophet_code ph_cell_clear(ph_txn *t, ph_record *r, ph_cell *c, const uint64_t *versions,
                           size_t count, ph_arena *a, prophet_error *err)
{
    prophet_code rc;

    if (count == 0 || !c->is_set)
        return PROPHET_OK;
    if (!c->loaded && (rc = ph_cell_load_elements(t, r, c, a, err)) < 0)
        return rc;
    uint64_t *sorted = ph_arena_alloc(a, count * sizeof *sorted);
    if (!sorted)
        return ph_nomem(err);
    memcpy(sorted, versions, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_version);
    for (uint32_t i = 0; i < c->element_count; i++) {
        ph_element *e = &c->elements[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < e->add_count; k++)
            if (!bsearch(&e->adds[k], sorted, count, sizeof *sorted, by_version))
                e->adds[kept++] = e->adds[k];
        c->dirty |= kept != e->add_count;
        r->dirty |= kept != e->add_count;
        e->add_count = kept;
    }
    return PROPHET_OK;
}
