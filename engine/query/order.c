/* order: what a query found, sorted; with a limit only the best are kept.
 *
 * Found rows are gathered until there are twice the limit, then sorted and cut, so that the first 20 of a million need the
 * memory of 40. Without an order the local number decides: the order in which this replica met the records. */
#include "query/order_impl.h"
#include <stdlib.h>

enum { LEAST_BATCH = 1024 };

/* ---- comparing ---------------------------------------------------------------------------------------- */

static int compare_values(const ph_query *q, const prophet_slice *a, const prophet_slice *b)
{
    for (size_t i = 0; i < q->order_count; i++) {
        int c =
            a[i].len && b[i].len ? ph_value_compare(a[i], b[i]) : (a[i].len > 0) - (b[i].len > 0);
        if (c)
            return q->order[i].desc ? -c : c;
    }
    return 0;
}

static int compare_entries(const void *a, const void *b, void *q)
{
    const order_entry *x = a, *y = b;
    int c = compare_values(q, x->values, y->values);

    return c ? c : (x->number > y->number) - (x->number < y->number);
}

static int compare_numbers(const void *a, const void *b)
{
    const order_entry *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

typedef struct value_visit {
    path_visit base;
    bool greatest;
    bool nomem;
    ph_arena *arena;
    prophet_slice best;
} value_visit;

static bool see_value(path_visit *v, prophet_slice value, bool set)
{
    value_visit *w = (value_visit *)v;
    bool ok = true;

    (void)set; /* a set is ordered as the list of its elements */
    if (w->best.len > 0) {
        int c = ph_value_compare(value, w->best);
        if (w->greatest ? c <= 0 : c >= 0)
            return false;
    }
    w->best = ph_arena_copy(w->arena, value, &ok);
    w->nomem = !ok;
    return w->nomem;
}

static prophet_code score_value(double score, ph_arena *a, prophet_slice *out, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    bool ok = true;

    ph_put_float(&b, score);
    *out = ph_arena_copy(a, ph_buf_slice(&b), &ok);
    ok = ok && !b.failed;
    ph_buf_clear(&b);
    return ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_query_order_value(query_run *r, const order_term *o, const ph_row *row, ph_arena *a,
                                  prophet_slice *out, prophet_error *err)
{
    value_visit v = { .base = { .see = see_value }, .greatest = o->desc, .arena = a };
    if (o->score)
        return score_value(r->score, a, out, err);
    prophet_code rc = ph_query_walk(r, &o->path, row, &v.base, err);

    *out = v.best;
    return rc < 0 ? rc : v.nomem ? ph_nomem(err) : PROPHET_OK;
}

static prophet_code row_values(query_run *r, const ph_row *row, ph_arena *a, prophet_slice **out,
                               prophet_error *err)
{
    const ph_query *q = r->q;
    prophet_code rc = PROPHET_OK;

    if (q->order_count == 0)
        return PROPHET_OK;
    if (!(*out = ph_arena_alloc(a, q->order_count * sizeof **out)))
        return ph_nomem(err);
    for (size_t i = 0; i < q->order_count && rc >= 0; i++)
        rc = ph_query_order_value(r, &q->order[i], row, a, &(*out)[i], err);
    return rc;
}

static bool behind(const ph_query *q, const prophet_slice *after, const prophet_slice *values,
                   uint64_t number)
{
    int c = compare_values(q, values, after);

    return c ? c > 0 : number > q->after_number;
}

prophet_code ph_query_order_behind(query_run *r, const ph_row *row, bool *out, prophet_error *err)
{
    prophet_slice *values = NULL;

    if (!r->q->has_after)
        return PROPHET_OK;
    prophet_code rc = row_values(r, row, &r->row_arena, &values, err);
    if (rc >= 0)
        *out = behind(r->q, r->after, values, row->number);
    return rc;
}

/* ---- collecting ----------------------------------------------------------------------------------------- */

static void sort_list(order_list *l, const ph_query *q)
{
    size_t i = 1;

    if (q->order_count > 0) {
        qsort_r(l->entries, l->count, sizeof *l->entries, compare_entries, (void *)q);
        return;
    }
    while (i < l->count && l->entries[i - 1].number < l->entries[i].number)
        i++;
    if (i < l->count) /* records of one replica come sorted: their ids rise with their numbers */
        qsort(l->entries, l->count, sizeof *l->entries, compare_numbers);
}

/* Keeps the best; their values move to a new arena, or it would grow with all that was ever kept. */
static prophet_code cut(order_list *l, const ph_query *q, prophet_error *err)
{
    ph_arena fresh = PH_ARENA_INIT;
    bool ok = true;

    sort_list(l, q);
    l->count = l->count < q->limit ? l->count : (size_t)q->limit;
    l->full = l->count == q->limit;
    for (size_t i = 0; i < l->count && q->order_count > 0; i++) {
        prophet_slice *values = ph_arena_alloc(&fresh, q->order_count * sizeof *values);
        ok = ok && values;
        for (size_t k = 0; k < q->order_count && ok; k++)
            values[k] = l->entries[i].values[k].len
                            ? ph_arena_copy(&fresh, l->entries[i].values[k], &ok)
                            : ph_slice(NULL, 0);
        l->entries[i].values = values;
    }
    ph_arena_clear(&l->arena);
    l->arena = fresh;
    l->kept = l->count;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code grow(order_list *l, prophet_error *err)
{
    size_t cap = l->cap ? 2 * l->cap : LEAST_BATCH;
    order_entry *entries = ph_realloc(l->entries, cap * sizeof *entries);

    if (!entries)
        return ph_nomem(err);
    l->entries = entries;
    l->cap = cap;
    return PROPHET_OK;
}

/* Makes room for one more. */
static prophet_code make_room(order_list *l, const ph_query *q, prophet_error *err)
{
    if (q->limited && l->count >= LEAST_BATCH && l->count >= 2 * q->limit)
        return cut(l, q, err);
    return l->count < l->cap ? PROPHET_OK : grow(l, err);
}

prophet_code ph_query_order_add(order_list *l, query_run *r, const ph_row *row, prophet_error *err)
{
    const ph_query *q = r->q;
    order_entry e = { row->number, row->uuid, NULL };
    prophet_code rc;

    if (q->order_count == 0 && q->has_after && row->number <= q->after_number)
        return PROPHET_OK;
    if ((rc = row_values(r, row, q->limited ? &r->row_arena : &l->arena, &e.values, err)) < 0)
        return rc;
    if (q->has_after && !behind(q, r->after, e.values, row->number))
        return PROPHET_OK;
    if (l->full && compare_entries(&e, &l->entries[l->kept - 1], (void *)q) > 0)
        return PROPHET_OK;
    if ((rc = make_room(l, q, err)) < 0)
        return rc;
    if (q->limited && q->order_count > 0) { /* now that it is kept, its values are */
        bool ok = true;
        prophet_slice *values = ph_arena_alloc(&l->arena, q->order_count * sizeof *values);
        for (size_t i = 0; i < q->order_count && values && ok; i++)
            values[i] =
                e.values[i].len ? ph_arena_copy(&l->arena, e.values[i], &ok) : ph_slice(NULL, 0);
        if (!values || !ok)
            return ph_nomem(err);
        e.values = values;
    }
    l->entries[l->count++] = e;
    return l->by_number && q->limited && q->order_count == 0 && l->count == q->limit ? PROPHET_DONE
                                                                                     : PROPHET_OK;
}

prophet_code ph_query_order_keep(order_list *l, query_run *r, const ph_row *row, prophet_error *err)
{
    order_entry e = { row->number, row->uuid, NULL };
    prophet_code rc = row_values(r, row, &l->arena, &e.values, err);

    if (rc >= 0 && l->count == l->cap)
        rc = grow(l, err);
    if (rc >= 0)
        l->entries[l->count++] = e;
    return rc;
}

void ph_query_order_sort(order_list *l, const ph_query *q)
{
    if (l->count > 0)
        sort_list(l, q);
}

prophet_code ph_query_order_found(order_list *l, query_run *r, uint64_t number, const ph_uuid *uuid,
                                  prophet_error *err)
{
    ph_row row = { .number = number, .uuid = *uuid };

    return ph_query_order_add(l, r, &row, err);
}

prophet_code ph_query_order_here(query_run *r, const ph_row *row, ph_buf *after, prophet_error *err)
{
    prophet_slice *values = NULL;

    ph_arena_reset(&r->row_arena);
    prophet_code rc = row_values(r, row, &r->row_arena, &values, err);
    for (size_t i = 0; i < r->q->order_count && rc >= 0; i++) {
        ph_put_list(after, values[i].len > 0);
        if (values[i].len > 0)
            ph_buf_put(after, values[i].data, values[i].len);
    }
    if (rc >= 0)
        ph_put_int(after, (int64_t)row->number);
    return rc;
}

void ph_query_order_finish(order_list *l, const ph_query *q)
{
    if (l->count > 0)
        sort_list(l, q);
    if (q->limited && l->count > q->limit)
        l->count = (size_t)q->limit;
}

void ph_query_order_clear(order_list *l)
{
    ph_free(l->entries);
    ph_arena_clear(&l->arena);
}
