/* explain: a plan in words and figures.
 *
 * Called by api for query:explain; run.c says the same line when a query reads too much. */
#include "query/plan_impl.h"

static const char *const access_names[] = { "scan",  "numbers",   "ids",  "index",
                                            "union", "intersect", "match" };

#define SAID 8 /* parts of a plan that are told one by one */

typedef struct said_indexes {
    prophet_slice name[SAID];
    size_t count;
} said_indexes;

static void say_index(ph_buf *b, prophet_slice name, said_indexes *said)
{
    for (size_t i = 0; i < said->count; i++)
        if (ph_slice_eq(said->name[i], name))
            return;
    if (said->count == SAID)
        return;
    said->name[said->count++] = name;
    ph_buf_printf(b, "%s%.*s", b->len ? " + " : "", PH_FMT(name));
}

/* Each once. */
static void add_indexes(ph_buf *b, const access *a, said_indexes *said)
{
    if (a->kind == ACCESS_INDEX)
        say_index(b, a->index->name, said);
    if (a->kind == ACCESS_MATCH)
        say_index(b, ph_slice_str("fulltext"), said);
    for (size_t i = 0; i < a->kid_count; i++)
        add_indexes(b, a->kids[i], said);
}

static void put_text(char *out, size_t size, const ph_buf *b)
{
    size_t len = b->len < size - 1 ? b->len : size - 1;

    if (len)
        memcpy(out, b->data, len);
    out[len] = 0;
}

static void describe(const access *a, ph_buf *b);

/* What several sides are found by is told once: "index a (3 times) or full text". */
static void describe_sides(const access *a, ph_buf *b)
{
    ph_buf said[SAID] = { 0 };
    size_t times[SAID] = { 0 }, count = 0, more = 0;

    for (size_t i = 0; i < a->kid_count; i++) {
        ph_buf one = PH_BUF_INIT;
        size_t k = 0;
        describe(a->kids[i], &one);
        while (k < count && !ph_slice_eq(ph_buf_slice(&said[k]), ph_buf_slice(&one)))
            k++;
        if (k == SAID) {
            more++;
        } else if (k == count) {
            said[count++] = one;
            one = (ph_buf)PH_BUF_INIT;
        }
        times[k < SAID ? k : 0] += k < SAID;
        ph_buf_clear(&one);
    }
    for (size_t k = 0; k < count; k++) {
        ph_buf_printf(b, "%s%.*s", k ? " or " : "", PH_FMT(ph_buf_slice(&said[k])));
        if (times[k] > 1)
            ph_buf_printf(b, " (%zu times)", times[k]);
        ph_buf_clear(&said[k]);
    }
    if (more)
        ph_buf_printf(b, " or %zu more", more);
}

static void describe(const access *a, ph_buf *b)
{
    switch (a->kind) {
    case ACCESS_SCAN: ph_buf_printf(b, "all records are read"); return;
    case ACCESS_NUMBERS: ph_buf_printf(b, "records are read by number"); return;
    case ACCESS_IDS:
        ph_buf_printf(b, "%zu record%s by id", a->id_count, a->id_count == 1 ? "" : "s");
        if (a->join)
            ph_buf_printf(b, " (along %s)", a->join);
        return;
    case ACCESS_INDEX:
        ph_buf_printf(b, "index %.*s", PH_FMT(a->index->name));
        if (!a->covers && a->fixed == 0)
            ph_buf_printf(b, " from end to end");
        else if (a->range_count > 1)
            ph_buf_printf(b, " (%zu ranges)", a->range_count);
        return;
    case ACCESS_MATCH: ph_buf_printf(b, "full text"); return;
    default: break;
    }
    if (a->kid_count == 0)
        ph_buf_printf(b, "nothing can fit");
    if (a->kind == ACCESS_UNION) {
        describe_sides(a, b);
        return;
    }
    for (size_t i = 0; i < a->kid_count; i++) {
        ph_buf_printf(b, "%s", i == 0 ? "" : " and ");
        describe(a->kids[i], b);
    }
}

const char *ph_plan_text(const plan *p, ph_arena *a)
{
    ph_buf b = PH_BUF_INIT;

    if (p->access)
        describe(p->access, &b);
    const char *text = p->access ? ph_arena_str(a, ph_buf_slice(&b)) : NULL;
    ph_buf_clear(&b);
    return text ? text : "all records are read";
}

static const char *order_name(const ph_query *q, const plan *p)
{
    if (p->ordered)
        return q->order_count == 0 || p->order == ORDER_NUMBER ? "number" : "index";
    return q->limited ? "top" : "sort";
}

/* Rows are read of what keys do not tell only: odd records, and values that were cut. */
static bool keys_tell(const ph_query *q, const plan *p)
{
    size_t field;

    if (!p->exact || p->access->kind == ACCESS_IDS || q->deleted || q->has_after)
        return false;
    return q->group ? ph_query_groups_by_keys(q) && ph_plan_tells(q, p->access, &field) : q->count;
}

void ph_plan_tell(const query_run *r, const plan *made, ph_query_plan *out)
{
    const ph_query *q = r->q;
    ph_buf b = PH_BUF_INIT;
    said_indexes said = { .count = 0 };

    out->access = access_names[made->access->kind];
    out->order = order_name(q, made);
    out->scans = made->scans;
    out->tests = !made->exact && q->where;
    out->counted = made->access->sure;
    out->estimate = made->access->keys;
    out->help = made->scans ? q->hint : ph_slice(NULL, 0);
    add_indexes(&b, made->access, &said);
    put_text(out->index, sizeof out->index, &b);
    ph_buf_reset(&b);
    describe(made->access, &b);
    ph_buf_printf(&b, "%s%s", out->tests ? ", each row is tested" : "",
                  keys_tell(q, made)    ? ", from keys alone"
                  : r->counts           ? ""
                  : made->ordered       ? ", in order"
                  : q->order_count == 0 ? ""
                  : q->limited          ? ", the first are kept"
                                        : ", then sorted");
    if (made->left) {
        ph_buf_printf(&b, "; too few rows fit on the way by: ");
        describe(made->left, &b);
    }
    put_text(out->text, sizeof out->text, &b);
    ph_buf_clear(&b);
}

static prophet_code make(const ph_query *q, query_run *r, ph_arena *a, ph_query_plan *out,
                         prophet_error *err)
{
    planner p = { r, a };
    plan made;
    r->counts = q->count || q->group;
    r->groups = ph_query_groups_by_keys(q);
    prophet_code rc = ph_plan_make(r, a, &made, err);

    if (rc >= 0 && (made.access->kind == ACCESS_INDEX || made.access->kind == ACCESS_UNION))
        rc = ph_plan_count(&p, made.access, PLAN_RACE, err);
    if (rc >= 0)
        ph_plan_tell(r, &made, out);
    return rc;
}

static prophet_code run_rows(const ph_query *q, ph_txn *t, const ph_query_options *o,
                             ph_query_plan *out, prophet_error *err)
{
    ph_query_iter *it = NULL;
    ph_row row;
    prophet_code rc = ph_query_open(q, t, o, &it, err);

    while (rc == PROPHET_OK && (rc = ph_query_next(it, &row, err)) == PROPHET_OK)
        out->rows++;
    if (it) {
        ph_query_stats_get(it, &out->stats);
        ph_query_tell_turn(it, out);
    }
    ph_query_close(it);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code run_group(const ph_query *q, ph_txn *t, const ph_query_options *o,
                              ph_query_plan *out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_query_group_row *rows;
    size_t count = 0;
    prophet_code rc = ph_query_group(q, t, o, &a, &rows, &count, &out->stats, err);

    out->rows = count;
    ph_arena_clear(&a);
    return rc;
}

static prophet_code run_it(const ph_query *q, ph_txn *t, const ph_query_options *o,
                           ph_query_plan *out, prophet_error *err)
{
    uint64_t start = ph_monotonic_us();
    prophet_code rc = q->group   ? run_group(q, t, o, out, err)
                      : q->count ? ph_query_count(q, t, o, &out->rows, &out->stats, err)
                                 : run_rows(q, t, o, out, err);

    out->us = ph_monotonic_us() - start;
    return rc;
}

prophet_code ph_query_explain(const ph_query *q, ph_txn *t, const ph_query_options *o, bool run,
                              ph_query_plan *out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    query_run r;
    prophet_code rc = ph_query_run_begin(&r, q, t, o, err);

    *out = (ph_query_plan){ .access = "scan" };
    if (rc >= 0)
        rc = make(q, &r, &a, out, err);
    ph_query_run_end(&r);
    ph_arena_clear(&a);
    return rc >= 0 && run ? run_it(q, t, o, out, err) : rc;
}
