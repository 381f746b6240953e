/* Documents. A record's document is one allocation: where its values lie in its row, and the row as it was, which rows of an iterator
 * borrow from the iterator's snapshot; what lay in rows of its own is copied into its arena, and a value is decoded when it is asked for.
 * All others are plain values in an arena. */
#include "api/doc_impl.h"
#include <stdlib.h>

/* ---- records -------------------------------------------------------------------------------------------------------- */

/* A document for `count` cells and `more` bytes behind them, in the memory of *spare where that is enough. */
static prophet_doc *doc_new(size_t count, size_t more, prophet_doc **spare)
{
    size_t order = sizeof(prophet_doc) + count * sizeof(ph_field_value),
           end = order + count * sizeof(ph_field_value *), cap = end + more;
    prophet_doc *d = spare ? *spare : NULL;
    if (spare)
        *spare = NULL;
    if (d && d->cap < cap) {
        ph_free(d);
        d = NULL;
    }
    if (d)
        cap = d->cap;
    else if (!(d = ph_alloc(cap)))
        return NULL;
    uint8_t *p = (uint8_t *)d;
    memset(d, 0, sizeof *d);
    d->cap = cap;
    d->cells = (ph_field_value *)(void *)(p + sizeof *d);
    d->order = (const ph_field_value **)(void *)(p + order);
    d->own = p + end;
    return d;
}

prophet_code api_doc_record(prophet_db *db, ph_view *v, const ph_row *row, bool borrow,
                            prophet_doc **spare, prophet_doc **out, prophet_error *err)
{
    ph_row here = *row;
    api_shape *shape;
    prophet_code rc = api_shape_of(db, v, ph_names_get(v->names, row->type), &shape, err);
    if (rc < 0)
        return rc;
    prophet_doc *d = doc_new(row->cell_count, borrow ? 0 : row->raw.len, spare);
    if (!d)
        return ph_nomem(err);
    if (!borrow)
        ph_row_move(&here, memcpy(d->own, row->raw.data, row->raw.len));
    if ((rc = ph_row_fields(v->txn, &here, &d->arena, d->cells, &d->cell_count, err)) < 0) {
        prophet_doc_free(d);
        return rc;
    }
    d->row = here.raw;
    d->shape = shape;
    shape->refs++;
    d->type_id = row->type;
    d->info = (prophet_record){
        .type = shape->type, .number = row->number, .version = row->version, .deleted = !row->alive
    };
    memcpy(d->info.id.b, row->uuid.b, 16);
    *out = d;
    return PROPHET_OK;
}

prophet_code api_doc_of(prophet_db *db, ph_view *v, uint32_t type, const ph_uuid *id,
                        prophet_doc **out, prophet_error *err)
{
    ph_row row;
    prophet_code rc = ph_view_row(v, type, id, &row, err);
    return rc == PROPHET_OK ? api_doc_record(db, v, &row, false, NULL, out, err) : rc;
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
            ph_row_open(ph_slice(key, sizeof key), d->row, &row) && ph_row_conflict(&row);
        d->conflict_known = true;
    }
    *out = d->info;
    return true;
}

/* ---- fields --------------------------------------------------------------------------------------------------------- */

#define FEW 64

static const ph_field_value *cell_of(const prophet_doc *d, uint32_t field)
{
    for (size_t i = 0; field && i < d->cell_count; i++)
        if (d->cells[i].field == field)
            return &d->cells[i];
    return NULL;
}

typedef struct api_decoded {
    const ph_field_value *cell;
    prophet_value value;
    struct api_decoded *next;
} api_decoded;

/* What takes room in the arena. */
static bool decode_once(prophet_doc *d, const ph_field_value *c, const ph_item *item,
                        prophet_value *out)
{
    for (const api_decoded *k = d->decoded; k; k = k->next)
        if (k->cell == c) {
            *out = k->value;
            return true;
        }
    api_decoded *one = ph_arena_alloc(&d->arena, sizeof *one);
    if (!one || api_decode_item(item, &d->arena, out, NULL) < 0)
        return false;
    *one = (api_decoded){ c, *out, d->decoded };
    d->decoded = one;
    return true;
}

static bool decode_cell(prophet_doc *d, const ph_field_value *c, prophet_value *out)
{
    ph_item item;
    prophet_slice raw = ph_slice(c->at, c->len), text;
    int64_t number;
    if (ph_value_text(raw, &text)) { /* most of them */
        *out = prophet_text_n(text.data, text.len);
        return true;
    }
    if (ph_value_small(raw, &number)) {
        *out = prophet_int(number);
        return true;
    }
    if (!ph_value_open(raw, &item)) /* never: it was shown from a row */
        return false;
    if (item.kind == PH_LIST || item.kind == PH_MAP || item.kind == PH_BLOB)
        return decode_once(d, c, &item, out);
    return api_decode_item(&item, &d->arena, out, NULL) >= 0;
}

bool prophet_doc_get(const prophet_doc *doc, const char *name, prophet_value *out)
{
    prophet_doc *d = (prophet_doc *)(uintptr_t)doc;
    prophet_slice want = ph_slice_str(name);
    *out = prophet_nil();
    if (d->shape) {
        const ph_field_value *c = cell_of(d, api_shape_field(d->shape, want));
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
    const ph_field_value *cell;
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

static prophet_slice name_of(const api_shape *s, uint32_t field)
{
    return field <= s->names_count ? s->names[field] : ph_slice("", 0);
}

static size_t rank_of(const api_shape *s, uint32_t field)
{
    return field <= s->names_count ? s->ranks[field] : s->declared_count;
}

/* Without sorting: cells that are all declared, of a type with few fields. */
static bool order_declared(prophet_doc *d)
{
    const api_shape *s = d->shape;
    uint8_t at[FEW] = { 0 }; /* by rank: the cell's place, plus 1 */
    if (s->declared_count > FEW)
        return false;
    for (size_t i = 0; i < d->cell_count; i++) {
        size_t rank = rank_of(s, d->cells[i].field);
        if (rank == s->declared_count)
            return false;
        at[rank] = (uint8_t)(i + 1);
    }
    for (size_t i = 0, n = 0; i < s->declared_count; i++)
        if (at[i])
            d->order[n++] = &d->cells[at[i] - 1];
    return true;
}

static bool order_sorted(prophet_doc *d)
{
    const api_shape *s = d->shape;
    ordered few[FEW], *at = few;
    if (d->cell_count > FEW && !(at = ph_arena_alloc(&d->arena, d->cell_count * sizeof *at)))
        return false;
    for (size_t i = 0; i < d->cell_count; i++)
        at[i] =
            (ordered){ rank_of(s, d->cells[i].field), name_of(s, d->cells[i].field), &d->cells[i] };
    sort_few(at, d->cell_count);
    for (size_t i = 0; i < d->cell_count; i++)
        d->order[i] = at[i].cell;
    return true;
}

/* All fields in declared order, those nobody declared behind them by name. */
static bool order_all(prophet_doc *d)
{
    return d->ordered = order_declared(d) || order_sorted(d);
}

bool prophet_doc_at(const prophet_doc *doc, size_t i, prophet_slice *name, prophet_value *out)
{
    prophet_doc *d = (prophet_doc *)(uintptr_t)doc;
    *out = prophet_nil();
    if (!d->shape) {
        if (i >= d->count)
            return false;
        if (name)
            *name = d->fields[i].name;
        *out = d->fields[i].value;
        return true;
    }
    if (i >= d->cell_count || (!d->ordered && !order_all(d)))
        return false;
    if (name)
        *name = name_of(d->shape, d->order[i]->field);
    return decode_cell(d, d->order[i], out);
}

/* ---- copies, the end -------------------------------------------------------------------------------------------------- */

static bool in_row(const prophet_doc *d, const ph_field_value *c)
{
    const uint8_t *row = d->row.data;
    return c->at >= row && c->at < row + d->row.len;
}

/* The copy owns its row and all values. */
static prophet_code copy_record(const prophet_doc *d, prophet_doc **out, prophet_error *err)
{
    size_t more = d->row.len;
    for (size_t i = 0; i < d->cell_count; i++)
        more += in_row(d, &d->cells[i]) ? 0 : d->cells[i].len;
    prophet_doc *c = doc_new(d->cell_count, more, NULL);
    if (!c)
        return ph_nomem(err);
    uint8_t *end = c->own + d->row.len;
    c->row = ph_slice(memcpy(c->own, d->row.data, d->row.len), d->row.len);
    for (size_t i = 0; i < d->cell_count; i++) {
        c->cells[i] = d->cells[i];
        if (in_row(d, &d->cells[i])) {
            c->cells[i].at = c->own + (d->cells[i].at - (const uint8_t *)d->row.data);
            continue;
        }
        c->cells[i].at = memcpy(end, d->cells[i].at, d->cells[i].len);
        end += d->cells[i].len;
    }
    c->cell_count = d->cell_count;
    c->shape = d->shape;
    c->shape->refs++;
    c->type_id = d->type_id;
    c->info = d->info;
    c->conflict_known = d->conflict_known;
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

void api_doc_empty(prophet_doc *d)
{
    if (!d)
        return;
    api_shape_release(d->shape);
    ph_arena_clear(&d->arena);
    d->decoded = NULL;
    d->shape = NULL;
}

void prophet_doc_free(prophet_doc *d)
{
    api_doc_empty(d);
    ph_free(d);
}
