/* group: how many rows each value of a field has. Where an index answers the conditions and its keys tell the field's values (plan_group.c) they are
 * counted as they lie, and rows are read only of what keys do not tell: odd records, and values that were cut. Else all rows that fit are read.
 *
 * Called by api and explain.c. */
#include "query/plan_impl.h"
#include <stdlib.h>

typedef struct group {
    ph_query_group_row row;
    uint64_t last; /* the row that was counted last: a row counts once for a value */
} group;

typedef struct grouping {
    query_run *r;
    ph_arena *a;
    ph_map by_value;
    PH_LIST(group *) all;
    group *absent;
    uint64_t row; /* at hand */
    ph_buf number;
} grouping;

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* 1.0 is counted as 1, as an index has it. */
static prophet_slice as_counted(grouping *g, prophet_slice value)
{
    ph_item x;

    if (!ph_value_open(value, &x) || x.kind != PH_FLOAT || x.d < -9223372036854775808.0 ||
        x.d >= 9223372036854775808.0 || x.d != (double)(int64_t)x.d)
        return value;
    ph_buf_reset(&g->number);
    ph_put_int(&g->number, (int64_t)x.d);
    return ph_buf_slice(&g->number);
}

static group *new_group(grouping *g, prophet_slice value)
{
    group *at = ph_arena_zalloc(g->a, sizeof *at);
    bool ok = at != NULL;

    if (ok && value.len)
        at->row.value = ph_arena_copy(g->a, value, &ok);
    if (!ok || !PH_PUSH(g->all, at))
        return NULL;
    if (value.len == 0)
        g->absent = at;
    else if (!ph_map_put(&g->by_value, at->row.value, at))
        return NULL;
    return at;
}

/* NULL: no memory. */
static group *group_of(grouping *g, prophet_slice value)
{
    group *at;

    value = as_counted(g, value);
    if (g->number.failed)
        return NULL;
    at = value.len ? ph_map_get(&g->by_value, value) : g->absent;
    return at ? at : new_group(g, value);
}

/* ---- values of a row --------------------------------------------------------------------------------------------- */

typedef struct row_visit {
    path_visit visit;
    grouping *g;
    prophet_slice key; /* only values that this begins with; empty: all */
    bool desc;
    size_t room;
    bool any, failed;
} row_visit;

static bool in_key(row_visit *v, prophet_slice value)
{
    ph_buf b = PH_BUF_INIT;

    if (v->key.len == 0)
        return true;
    (void)ph_ordered_put(&b, value, v->desc, v->room);
    bool yes = !b.failed && b.len <= v->key.len && memcmp(b.data, v->key.data, b.len) == 0;
    v->failed = v->failed || b.failed;
    ph_buf_clear(&b);
    return yes;
}

static void count_value(row_visit *v, prophet_slice value, bool once)
{
    if (!in_key(v, value))
        return;
    group *at = group_of(v->g, value);
    v->any = true;
    v->failed = v->failed || !at;
    if (!at || (once && at->last == v->g->row))
        return;
    at->last = v->g->row;
    at->row.count++;
}

static bool see(path_visit *visit, prophet_slice value, bool set)
{
    row_visit *v = (row_visit *)visit;
    ph_item x, one;

    if (ph_value_open(value, &x) && x.kind == PH_LIST) {
        ph_reader in = ph_reader_of(x.s);
        while (!v->failed && ph_read_item(&in, &one))
            count_value(v, one.raw, set);
    } else {
        count_value(v, value, true);
    }
    return v->failed;
}

static prophet_code visit_row(row_visit *v, const ph_row *row, prophet_error *err)
{
    grouping *g = v->g;

    g->row++;
    v->visit.see = see;
    ph_arena_reset(&g->r->row_arena);
    prophet_code rc = ph_query_walk(g->r, g->r->q->group, row, &v->visit, err);
    if (rc >= 0 && !v->any && v->key.len == 0 && !v->failed) {
        group *none = group_of(g, ph_slice(NULL, 0));
        v->failed = !none;
        if (none)
            none->row.count++;
    }
    return rc < 0 ? rc : v->failed ? ph_nomem(err) : PROPHET_OK;
}

static prophet_code count_row(grouping *g, const ph_row *row, prophet_error *err)
{
    row_visit v = { .g = g };
    return visit_row(&v, row, err);
}

/* ---- from keys ---------------------------------------------------------------------------------------------------- */

typedef struct key_run {
    grouping *g;
    const access *a;
    size_t field; /* of the index */
    group *at;    /* of the key last counted.. */
    ph_buf begin; /* ..which begins so, up to the end of that value */
} key_run;

/* The value of the field; false: the key does not tell it. */
static bool value_in(const key_run *k, prophet_slice key, ph_buf *out, size_t *end)
{
    const ph_index_def *def = &k->a->index->def;

    *end = sizeof def->id;
    for (size_t i = 0; i <= k->field; i++) {
        size_t used;
        ph_buf_reset(out);
        if (!ph_ordered_get(ph_slice((const uint8_t *)key.data + *end, key.len - *end),
                            def->desc[i], out, &used))
            return false;
        *end += used;
    }
    return true;
}

static prophet_code read_row(grouping *g, prophet_slice key, prophet_slice value, ph_row *out,
                             prophet_error *err)
{
    ph_ix_hit hit;
    prophet_code rc = ph_ix_decode(key, value, &hit, err);

    return rc < 0 ? rc : ph_query_row(g->r, g->r->q->type, &hit.uuid, out, err);
}

/* A set has another key for each of its other elements. */
static prophet_code count_untold(key_run *k, prophet_slice key, prophet_slice value,
                                 prophet_error *err)
{
    const ph_index_def *def = &k->a->index->def;
    row_visit v = { .g = k->g };
    ph_row row;
    prophet_code rc = read_row(k->g, key, value, &row, err);

    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if (def->kinds[k->field] == PH_IX_SET) {
        v.key = ph_slice((const uint8_t *)key.data + sizeof def->id, key.len - sizeof def->id);
        v.desc = def->desc[0];
        v.room = PH_IX_ROOM / def->count;
    }
    return visit_row(&v, &row, err);
}

static prophet_code count_key(key_run *k, prophet_slice key, prophet_slice value, ph_buf *scratch,
                              prophet_error *err)
{
    size_t end;

    if (k->at && key.len > k->begin.len && memcmp(key.data, k->begin.data, k->begin.len) == 0) {
        k->at->row.count++;
        return PROPHET_OK;
    }
    k->at = NULL;
    if (!value_in(k, key, scratch, &end))
        return scratch->failed ? ph_nomem(err) : count_untold(k, key, value, err);
    ph_buf_reset(&k->begin);
    ph_buf_put(&k->begin, key.data, end);
    if (scratch->failed || k->begin.failed || !(k->at = group_of(k->g, ph_buf_slice(scratch))))
        return ph_nomem(err);
    k->at->row.count++;
    return PROPHET_OK;
}

/* Records that the index cannot tell. */
static prophet_code count_odd(grouping *g, prophet_slice key, prophet_slice value,
                              prophet_error *err)
{
    ph_row row;
    bool fits = true;
    prophet_code rc = read_row(g, key, value, &row, err);

    if (rc != PROPHET_OK || !row.alive)
        return rc < 0 ? rc : PROPHET_OK;
    ph_arena_reset(&g->r->row_arena);
    if (g->r->q->where)
        rc = ph_query_eval(g->r, g->r->q->where, &row, &fits, err);
    return rc >= 0 && fits ? count_row(g, &row, err) : rc;
}

/* All keys from low on, below high. */
static prophet_code count_range(key_run *k, ph_cursor *cur, const key_range *in, bool odd,
                                prophet_error *err)
{
    query_run *r = k->g->r;
    ph_buf scratch = PH_BUF_INIT;
    prophet_slice key, value;
    prophet_code rc = ph_cursor_seek(cur, in->low, &key, &value, err);

    while (rc == PROPHET_OK && ph_slice_cmp(key, in->high) < 0) {
        r->stats.tested++;
        if ((rc = ph_query_read(r, err)) < 0 ||
            (rc = odd ? count_odd(k->g, key, value, err)
                      : count_key(k, key, value, &scratch, err)) < 0)
            break;
        rc = ph_cursor_next(cur, &key, &value, err);
    }
    ph_buf_clear(&scratch);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code count_keys(grouping *g, const access *a, size_t field, prophet_error *err)
{
    key_run k = { .g = g, .a = a, .field = field };
    uint8_t odd[5], behind[5];
    ph_cursor *cur;
    prophet_code rc = ph_cursor_open(g->r->t, PH_T_IX, &cur, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < a->range_count && rc >= 0; i++)
        rc = count_range(&k, cur, &a->ranges[i], false, err);
    ph_ix_odd_prefix(a->index->def.id, odd);
    memcpy(behind, odd, sizeof odd);
    behind[4]++;
    const key_range all = { ph_slice(odd, sizeof odd), ph_slice(behind, sizeof behind) };
    if (rc >= 0 && a->odd)
        rc = count_range(&k, cur, &all, true, err);
    ph_cursor_close(cur);
    ph_buf_clear(&k.begin);
    return rc;
}

/* ---- from rows ------------------------------------------------------------------------------------------------------ */

static prophet_code count_rows(grouping *g, const plan *p, prophet_error *err)
{
    access_source s = { .close = NULL };
    ph_row row;
    prophet_code rc = ph_source_open(g->r, p->access, ORDER_SORT, &s, err);

    while (rc == PROPHET_OK && (rc = ph_source_fit(g->r, &s, p, &row, err)) == PROPHET_OK)
        rc = count_row(g, &row, err);
    ph_source_close(&s);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Some rows only: their order says which. */
static prophet_code count_some(grouping *g, prophet_error *err)
{
    ph_query_iter *it = NULL;
    ph_query_stats stats;
    ph_row row;
    prophet_code rc = ph_query_open(g->r->q, g->r->t, &g->r->o, &it, err);

    while (rc == PROPHET_OK && (rc = ph_query_next(it, &row, err)) == PROPHET_OK)
        rc = count_row(g, &row, err);
    if (it) {
        ph_query_stats_get(it, &stats);
        g->r->stats.keys += stats.keys;
        g->r->stats.tested += stats.tested;
        g->r->stats.fetched += stats.fetched;
    }
    ph_query_close(it);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code count_all(grouping *g, ph_arena *a, prophet_error *err)
{
    query_run *r = g->r;
    size_t field;
    plan p;

    if (!ph_query_groups_by_keys(r->q) || r->o.source)
        return count_some(g, err);
    r->counts = r->groups = true;
    prophet_code rc = ph_plan_make(r, a, &p, err);
    if (rc < 0)
        return rc;
    r->scans = p.scans;
    r->plan_text = ph_plan_text(&p, a);
    return p.exact && ph_plan_tells(r->q, p.access, &field) ? count_keys(g, p.access, field, err)
                                                            : count_rows(g, &p, err);
}

/* ---- all of it ------------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    return ph_value_compare(((const ph_query_group_row *)a)->value,
                            ((const ph_query_group_row *)b)->value);
}

static prophet_code take(grouping *g, ph_query_group_row **out, size_t *count, prophet_error *err)
{
    ph_query_group_row *rows = ph_arena_alloc(g->a, (g->all.count + 1) * sizeof *rows);

    if (!rows)
        return ph_nomem(err);
    for (size_t i = 0; i < g->all.count; i++)
        rows[i] = g->all.at[i]->row;
    ph_sort(rows, g->all.count, sizeof *rows, by_value);
    *out = rows;
    *count = g->all.count;
    return PROPHET_OK;
}

prophet_code ph_query_group(const ph_query *q, ph_txn *t, const ph_query_options *o, ph_arena *a,
                            ph_query_group_row **out, size_t *count, ph_query_stats *stats,
                            prophet_error *err)
{
    ph_arena plan_arena = PH_ARENA_INIT;
    query_run r;
    grouping g = { .r = &r, .a = a, .by_value = PH_MAP_INIT };

    if (!q->group)
        return ph_fail(err, PROPHET_EUSAGE, "the query names no field to count rows by");
    prophet_code rc = ph_query_run_begin(&r, q, t, o, err);
    if (rc >= 0 && (rc = count_all(&g, &plan_arena, err)) >= 0)
        rc = take(&g, out, count, err);
    if (stats)
        *stats = r.stats;
    ph_map_clear(&g.by_value);
    ph_free(g.all.at);
    ph_buf_clear(&g.number);
    ph_query_run_end(&r);
    ph_arena_clear(&plan_arena);
    return rc;
}
