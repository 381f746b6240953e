/* Documents. A record's document is one allocation: its row as it was, where its values lie in it, and copies of what lay in rows of
 * their own; a value is decoded when it is asked for. All others are plain values in an arena. */
#include "api/doc_impl.h"
#include <stdlib.h>

/* ---- records -------------------------------------------------------------------------------------------------------- */

#define FEW 64

typedef struct gathering {
    doc_cell few[FEW], *at;
    size_t count, cap, outside; /* bytes that are not in the row */
    ph_arena *a;
} gathering;

static bool inside(const ph_row *row, const uint8_t *p)
{
    const uint8_t *start = row->raw.data;
    return p >= start && p < start + row->raw.len;
}

static prophet_code gather(ph_view *v, const ph_row *row, gathering *g, prophet_error *err)
{
    size_t pos = 0;
    ph_shown shown;
    prophet_code rc;
    while ((rc = ph_row_next(v->txn, row, &pos, g->a, &shown, err)) == PROPHET_OK) {
        if (g->count == g->cap) {
            doc_cell *more = ph_arena_alloc(g->a, 2 * g->cap * sizeof *more);
            if (!more)
                return ph_nomem(err);
            memcpy(more, g->at, g->count * sizeof *more);
            g->at = more;
            g->cap *= 2;
        }
        g->at[g->count++] = (doc_cell){ shown.field, (uint32_t)shown.value.len, shown.value.data };
        if (!inside(row, shown.value.data))
            g->outside += shown.value.len;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_doc *place(const ph_row *row, const gathering *g)
{
    size_t cells = sizeof(prophet_doc), room = cells + g->count * sizeof(doc_cell),
           raw = room + g->count * sizeof(prophet_field), more = raw + row->raw.len;
    uint8_t *p = ph_alloc(more + g->outside);
    prophet_doc *d = (prophet_doc *)(void *)p;
    if (!d)
        return NULL;
    memset(d, 0, sizeof *d);
    d->size = more + g->outside;
    d->cells = (doc_cell *)(void *)(p + cells);
    d->cell_count = g->count;
    d->room = (prophet_field *)(void *)(p + room);
    d->row = p + raw;
    d->row_len = row->raw.len;
    memcpy(d->row, row->raw.data, row->raw.len);
    uint8_t *end = p + more;
    for (size_t i = 0; i < g->count; i++) {
        d->cells[i] = g->at[i];
        if (inside(row, g->at[i].value)) {
            d->cells[i].value = d->row + (g->at[i].value - (const uint8_t *)row->raw.data);
            continue;
        }
        memcpy(end, g->at[i].value, g->at[i].len);
        d->cells[i].value = end;
        end += g->at[i].len;
    }
    return d;
}

prophet_code api_doc_record(prophet_db *db, ph_view *v, const ph_row *row, prophet_doc **out,
                            prophet_error *err)
{
    gathering g = { .count = 0, .cap = FEW, .a = &db->scratch };
    api_shape *shape;
    prophet_code rc;
    g.at = g.few;
    if ((rc = api_shape_of(db, v, ph_names_get(v->names, row->type), &shape, err)) < 0)
        return rc;
    if ((rc = gather(v, row, &g, err)) >= 0) {
        prophet_doc *d = place(row, &g);
        if (d) {
            d->shape = shape;
            shape->refs++;
            d->type_id = row->type;
            d->info = (prophet_record){ .type = shape->type,
                                        .number = row->number,
                                        .version = row->version,
                                        .deleted = !row->alive };
            memcpy(d->info.id.b, row->uuid.b, 16);
            *out = d;
        } else
            rc = ph_nomem(err);
    }
    ph_arena_reset(&db->scratch);
    return rc;
}

prophet_code api_doc_of(prophet_db *db, ph_view *v, uint32_t type, const ph_uuid *id,
                        prophet_doc **out, prophet_error *err)
{
    ph_row row;
    prophet_code rc = ph_view_row(v, type, id, &row, err);
    return rc == PROPHET_OK ? api_doc_record(db, v, &row, out, err) : rc;
}

bool prophet_doc_record(const prophet_doc *doc, prophet_record *out)
{
    prophet_doc *d = (prophet_doc *)(uintptr_t)doc;
    uint8_t key[20];
    ph_row row;
    if (!d->shape) {
        *out = (prophet_record){ .type = "" };
        return false;
    }
    if (!d->conflict_known) {
        ph_u32be_put(key, d->type_id);
        memcpy(key + 4, d->info.id.b, 16);
        d->info.conflict =
            ph_row_open(ph_slice(key, sizeof key), ph_slice(d->row, d->row_len), &row) &&
            ph_row_conflict(&row);
        d->conflict_known = true;
    }
    *out = d->info;
    return true;
}

/* ---- fields --------------------------------------------------------------------------------------------------------- */

static const doc_cell *cell_of(const prophet_doc *d, uint32_t field)
{
    for (size_t i = 0; field && i < d->cell_count; i++)
        if (d->cells[i].field == field)
            return &d->cells[i];
    return NULL;
}

static bool decode_cell(prophet_doc *d, const doc_cell *c, prophet_value *out)
{
    ph_item item;
    prophet_slice raw = ph_slice(c->value, c->len);
    if (!ph_value_open(raw, &item)) /* never: it was shown from a row */
        return false;
    return api_decode_item(&item, &d->arena, out, NULL) >= 0;
}

bool prophet_doc_get(const prophet_doc *doc, const char *name, prophet_value *out)
{
    prophet_doc *d = (prophet_doc *)(uintptr_t)doc;
    prophet_slice want = ph_slice_str(name);
    *out = prophet_nil();
    if (d->shape && !d->opened) {
        const doc_cell *c = cell_of(d, api_shape_field(d->shape, want));
        return c && decode_cell(d, c, out);
    }
    for (size_t i = 0; i < d->count && !d->is_list; i++)
        if (ph_slice_eq(d->fields[i].name, want)) {
            *out = d->fields[i].value;
            return true;
        }
    return false;
}

typedef struct ordered {
    size_t rank;
    prophet_slice name;
    const doc_cell *cell;
} ordered;

static int by_rank(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return ph_slice_cmp(x->name, y->name);
}

/* Records have few fields, and cells are nearly in order. */
static void sort_few(ordered *at, size_t count)
{
    enum { FEW_FIELDS = 32 };

    if (count > FEW_FIELDS) {
        ph_sort(at, count, sizeof *at, by_rank);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        ordered one = at[i];
        size_t k = i;
        for (; k > 0 && by_rank(&at[k - 1], &one) > 0; k--)
            at[k] = at[k - 1];
        at[k] = one;
    }
}

/* All fields in declared order, those nobody declared behind them by name. */
static bool open_all(prophet_doc *d)
{
    const api_shape *s = d->shape;
    ordered few[FEW], *at = few;
    size_t n = 0;
    if (d->cell_count > FEW && !(at = ph_arena_alloc(&d->arena, d->cell_count * sizeof *at)))
        return false;
    for (size_t i = 0; i < d->cell_count; i++) {
        uint32_t id = d->cells[i].field;
        size_t rank = 0;
        while (rank < s->declared_count && s->declared[rank].id != id)
            rank++;
        at[i] =
            (ordered){ rank, id <= s->names_count ? s->names[id] : ph_slice("", 0), &d->cells[i] };
    }
    sort_few(at, d->cell_count);
    for (size_t i = 0; i < d->cell_count; i++) {
        d->room[n].name = at[i].name;
        n += decode_cell(d, at[i].cell, &d->room[n].value);
    }
    d->fields = d->room;
    d->count = n;
    d->opened = true;
    return true;
}

bool prophet_doc_at(const prophet_doc *doc, size_t i, prophet_slice *name, prophet_value *out)
{
    prophet_doc *d = (prophet_doc *)(uintptr_t)doc;
    *out = prophet_nil();
    if ((!d->opened && !open_all(d)) || i >= d->count)
        return false;
    if (name)
        *name = d->fields[i].name;
    *out = d->fields[i].value;
    return true;
}

/* ---- copies, the end -------------------------------------------------------------------------------------------------- */

static prophet_code copy_record(const prophet_doc *d, prophet_doc **out, prophet_error *err)
{
    uint8_t *p = ph_alloc(d->size);
    prophet_doc *c = (prophet_doc *)(void *)p;
    const uint8_t *from = (const uint8_t *)d;
    if (!c)
        return ph_nomem(err);
    memcpy(p, d, d->size);
    c->arena = (ph_arena)PH_ARENA_INIT;
    c->fields = NULL;
    c->count = 0;
    c->opened = false;
    c->cells = (doc_cell *)(void *)(p + sizeof *c);
    c->row = p + (d->row - from);
    c->room = (prophet_field *)(void *)(p + ((const uint8_t *)d->room - from));
    for (size_t i = 0; i < c->cell_count; i++)
        c->cells[i].value = p + (d->cells[i].value - from);
    c->shape->refs++;
    *out = c;
    return PROPHET_OK;
}

prophet_code prophet_doc_copy(const prophet_doc *d, prophet_doc **out, prophet_error *err)
{
    if (d->shape)
        return copy_record(d, out, err);
    if (!d->is_list)
        return prophet_doc_new(prophet_map(d->fields, d->count), out, err);
    ph_arena a = PH_ARENA_INIT;
    prophet_value *items = ph_arena_alloc(&a, (d->count + 1) * sizeof *items);
    for (size_t i = 0; items && i < d->count; i++)
        items[i] = d->fields[i].value;
    prophet_code rc =
        items ? prophet_doc_new(prophet_list(items, d->count), out, err) : ph_nomem(err);
    ph_arena_clear(&a);
    return rc;
}

void prophet_doc_free(prophet_doc *d)
{
    if (!d)
        return;
    api_shape_release(d->shape);
    ph_arena_clear(&d->arena);
    ph_free(d);
}
