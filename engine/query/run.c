/* run: from candidates to rows. Every candidate is tested; what fits is collected by its number and id, put in order, and
 * read again when it is asked for, so that an iterator holds neither a cursor nor a row.
 *
 * Called by replica; the planner gives another source of candidates, the rest stays. */
#include "query/query_impl.h"
#include "query/order_impl.h"

#define FIRST_FEW 256 /* a limit up to this is tried by number first */

/* ---- a run --------------------------------------------------------------------------------------------- */

prophet_code ph_query_run_begin(query_run *r, const ph_query *q, ph_txn *t,
                                const ph_query_options *o, prophet_error *err)
{
    *r = (query_run){ .q = q, .t = t };
    if (o)
        r->o = *o;
    if (q->scan)
        r->o.reads = 0;
    r->reverse = ph_zalloc((q->reverse_count + 1) * sizeof *r->reverse);
    return r->reverse ? PROPHET_OK : ph_nomem(err);
}

void ph_query_run_end(query_run *r)
{
    for (size_t i = 0; r->reverse && i < r->q->reverse_count; i++)
        ph_free(r->reverse[i].entries);
    ph_free(r->reverse);
    ph_arena_clear(&r->row_arena);
    r->reverse = NULL;
}

prophet_code ph_query_read(query_run *r, prophet_error *err)
{
    uint64_t keys = ++r->stats.keys;

    if ((keys & 255) == 0 && r->o.stop && r->o.stop(r->o.stop_ctx))
        return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    if (r->o.reads == 0 || keys <= r->o.reads)
        return PROPHET_OK;
    ph_fail(err, PROPHET_ENEEDSSCAN, "the query reads more than %llu keys of %.*s",
            (unsigned long long)r->o.reads, PH_FMT(r->q->type_name));
    ph_error_at(err, r->q->type_name, r->q->hint);
    if (r->q->hint.len)
        ph_hint(err, "an index on %.*s would help; :scan() allows it as it is", PH_FMT(r->q->hint));
    else
        ph_hint(err, ":scan() allows it");
    return PROPHET_ENEEDSSCAN;
}

/* ---- candidates ----------------------------------------------------------------------------------------- */

static prophet_code test_row(query_run *r, const ph_row *row, bool *fits, prophet_error *err)
{
    *fits = row->alive != r->q->deleted;
    if (!*fits || !r->q->where)
        return PROPHET_OK;
    ph_arena_reset(&r->row_arena);
    return ph_query_eval(r, r->q->where, row, fits, err);
}

/* Hands every row that fits to `take`, until it returns PROPHET_DONE. */
typedef prophet_code (*take_fn)(void *ctx, query_run *r, const ph_row *row, prophet_error *err);

static prophet_code each_fit(query_run *r, const ph_query_source *source, take_fn take, void *ctx,
                             prophet_error *err)
{
    prophet_slice key, bytes;
    prophet_code rc = PROPHET_OK;
    uint64_t keys = 0;
    ph_row row;
    bool fits;

    while (rc == PROPHET_OK &&
           (rc = source->next(source->ctx, &key, &bytes, &keys, err)) == PROPHET_OK) {
        r->stats.keys +=
            keys > 1 ? keys - 1 : 0; /* the candidate itself is counted by ph_query_read */
        keys = 0;
        r->stats.tested++;
        if ((rc = ph_query_read(r, err)) < 0)
            break;
        if (!ph_row_open(key, bytes, &row))
            return ph_query_damaged(key, err);
        if ((rc = test_row(r, &row, &fits, err)) < 0)
            break;
        if (fits) {
            r->stats.matched++;
            rc = take(ctx, r, &row, err);
        }
    }
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_query_damaged(prophet_slice key, prophet_error *err)
{
    char text[37] = "a record";
    ph_uuid u;

    if (key.len == 20) {
        memcpy(u.b, (const uint8_t *)key.data + 4, sizeof u.b);
        ph_uuid_format(&u, text);
    }
    ph_fail(err, PROPHET_ECORRUPT, "index row of %s is damaged", text);
    ph_hint(err, "run prophet rebuild");
    return PROPHET_ECORRUPT;
}

static prophet_code run_scan(query_run *r, take_fn take, void *ctx, prophet_error *err)
{
    scan_source scan;
    ph_query_source source = { &scan, false, ph_query_scan_next };
    prophet_code rc = ph_query_scan_open(&scan, r->t, r->q->type, err);

    if (rc < 0)
        return rc;
    rc = each_fit(r, &source, take, ctx, err);
    ph_query_scan_close(&scan);
    return rc;
}

static prophet_code run_all(query_run *r, take_fn take, void *ctx, prophet_error *err)
{
    return r->o.source ? each_fit(r, r->o.source, take, ctx, err) : run_scan(r, take, ctx, err);
}

/* ---- iterators ------------------------------------------------------------------------------------------- */

struct ph_query_iter {
    query_run run;
    order_list list;
    size_t at; /* of the next row */
};

static prophet_code collect(void *ctx, query_run *r, const ph_row *row, prophet_error *err)
{
    return ph_query_order_add(ctx, r, row, err);
}

/* The first few of all: numbers are walked in their order, as long as most of them are of the type. */
static prophet_code collect_first(ph_query_iter *it, bool *done, prophet_error *err)
{
    const ph_query *q = it->run.q;
    number_source numbers;
    ph_query_source source = { &numbers, true, ph_query_numbers_next };

    *done = false;
    if (it->run.o.source || !q->limited || q->where || q->order_count > 0 || q->limit > FIRST_FEW)
        return PROPHET_OK;
    prophet_code rc =
        ph_query_numbers_open(&numbers, it->run.t, q->type, q->has_after ? q->after_number : 0,
                              4 * q->limit + FIRST_FEW, err);
    if (rc < 0)
        return rc;
    it->list.by_number = true;
    rc = each_fit(&it->run, &source, collect, &it->list, err);
    ph_query_numbers_close(&numbers);
    *done = it->list.count == q->limit || !numbers.gave_up;
    it->list.by_number = false;
    if (!*done)
        it->list.count = 0;
    return rc;
}

static prophet_code collect_all(ph_query_iter *it, prophet_error *err)
{
    const ph_query *q = it->run.q;
    bool done = q->limited && q->limit == 0;
    prophet_code rc = PROPHET_OK;

    it->list.by_number = it->run.o.source && it->run.o.source->by_number;
    if (!done)
        rc = collect_first(it, &done, err);
    if (rc >= 0 && !done)
        rc = run_all(&it->run, collect, &it->list, err);
    if (rc >= 0)
        ph_query_order_finish(&it->list, q);
    return rc;
}

prophet_code ph_query_open(const ph_query *q, ph_txn *t, const ph_query_options *o,
                           ph_query_iter **out, prophet_error *err)
{
    ph_query_iter *it = ph_zalloc(sizeof *it);
    prophet_code rc;

    if (!it)
        return ph_nomem(err);
    if ((rc = ph_query_run_begin(&it->run, q, t, o, err)) < 0 || (rc = collect_all(it, err)) < 0) {
        ph_query_close(it);
        return rc;
    }
    *out = it;
    return PROPHET_OK;
}

prophet_code ph_query_next(ph_query_iter *it, ph_row *out, prophet_error *err)
{
    uint8_t key[20];
    prophet_slice bytes;
    bool fits;

    ph_u32be_put(key, it->run.q->type);
    while (it->at < it->list.count) {
        memcpy(key + 4, it->list.entries[it->at++].uuid.b, 16);
        it->run.stats.keys++;
        prophet_code rc =
            ph_txn_get(it->run.t, PH_T_RECORDS, ph_slice(key, sizeof key), &bytes, err);
        if (rc == PROPHET_DONE)
            continue;
        if (rc < 0)
            return rc;
        if (!ph_row_open(ph_slice(key, sizeof key), bytes, out))
            return ph_query_damaged(ph_slice(key, sizeof key), err);
        fits = out->alive != it->run.q->deleted;
        if (fits)
            return PROPHET_OK;
    }
    return PROPHET_DONE;
}

void ph_query_here(const ph_query_iter *it, ph_buf *after)
{
    const ph_query *q = it->run.q;

    ph_put_list(after, q->order_count + 1);
    const order_entry *e = it->at ? &it->list.entries[it->at - 1] : NULL;
    for (size_t i = 0; i < q->order_count; i++) {
        bool there = e && e->values[i].len > 0;
        ph_put_list(after, there);
        if (there)
            ph_buf_put(after, e->values[i].data, e->values[i].len);
    }
    ph_put_int(after, e ? (int64_t)e->number : 0);
}

void ph_query_stats_get(const ph_query_iter *it, ph_query_stats *out)
{
    *out = it->run.stats;
}

void ph_query_close(ph_query_iter *it)
{
    if (!it)
        return;
    ph_query_order_clear(&it->list);
    ph_query_run_end(&it->run);
    ph_free(it);
}

/* ---- without rows ---------------------------------------------------------------------------------------- */

typedef struct counting {
    uint64_t count, limit;
} counting;

static prophet_code count_one(void *ctx, query_run *r, const ph_row *row, prophet_error *err)
{
    counting *c = ctx;
    bool behind = true;
    prophet_code rc = ph_query_order_behind(r, row, &behind, err);

    if (rc >= 0 && behind)
        c->count++;
    return rc < 0 ? rc : c->count >= c->limit ? PROPHET_DONE : PROPHET_OK;
}

prophet_code ph_query_count(const ph_query *q, ph_txn *t, const ph_query_options *o,
                            uint64_t *count, ph_query_stats *stats, prophet_error *err)
{
    counting c = { 0, q->limited ? q->limit : UINT64_MAX };
    query_run r;
    prophet_code rc = ph_query_run_begin(&r, q, t, o, err);

    if (rc >= 0 && c.limit > 0)
        rc = run_all(&r, count_one, &c, err);
    if (stats)
        *stats = r.stats;
    ph_query_run_end(&r);
    if (rc >= 0)
        *count = c.count;
    return rc;
}

prophet_code ph_query_test(const ph_query *q, ph_txn *t, const ph_row *row, bool *fits,
                           prophet_error *err)
{
    query_run r;
    prophet_code rc = ph_query_run_begin(&r, q, t, NULL, err);

    if (rc >= 0)
        rc = test_row(&r, row, fits, err);
    ph_query_run_end(&r);
    return rc;
}
