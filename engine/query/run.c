/* run: from candidates to rows. A plan says which are read; every one that it does not vouch for is tested. Where they come in the
 * query's order a row is given as it is found; else all that fit are collected by number and id, put in order, and read again one by
 * one.
 *
 * Called by api; plan.c makes the plan, the source files read what it says. */
#include "query/plan_impl.h"

/* ---- a run --------------------------------------------------------------------------------------------- */

prophet_code ph_query_run_begin(query_run *r, const ph_query *q, ph_txn *t,
                                const ph_query_options *o, prophet_error *err)
{
    *r = (query_run){ .q = q, .t = t, .after = q->after };
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
    ph_cursor_close(r->numbers);
    ph_words_free(r->words);
    ph_arena_clear(&r->row_arena);
    r->words = NULL;
    r->reverse = NULL;
}

prophet_code ph_query_read(query_run *r, prophet_error *err)
{
    uint64_t keys = ++r->stats.keys;

    if ((keys & 255) == 0 && r->o.stop && r->o.stop(r->o.stop_ctx))
        return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    if (!r->scans || r->o.reads == 0 || keys <= r->o.reads)
        return PROPHET_OK;
    ph_fail(err, PROPHET_ENEEDSSCAN, "the query reads more than %llu keys of %.*s: %s",
            (unsigned long long)r->o.reads, PH_FMT(r->q->type_name), r->plan_text);
    ph_error_at(err, r->q->type_name, r->q->hint);
    if (r->q->hint.len)
        ph_hint(err, "an index on %.*s would help; :scan() allows it as it is", PH_FMT(r->q->hint));
    else
        ph_hint(err, ":scan() allows it");
    return PROPHET_ENEEDSSCAN;
}

/* ---- candidates ----------------------------------------------------------------------------------------- */

static prophet_code test_row(query_run *r, const ph_row *row, bool sure, bool *fits,
                             prophet_error *err)
{
    *fits = row->alive != r->q->deleted;
    if (!*fits || !r->q->where || sure)
        return PROPHET_OK;
    ph_arena_reset(&r->row_arena);
    return ph_query_eval(r, r->q->where, row, fits, err);
}

/* The cursor stays where it found the last number: the next one is often on the same page. */
static prophet_code id_of(query_run *r, uint64_t number, ph_uuid *out, prophet_error *err)
{
    uint8_t at[8];
    prophet_slice key, value;
    ph_named named;
    uint32_t type;

    if (ph_txn_is_overlay(r->t)) /* a cursor would want all of it */
        return ph_numbers_get(r->t, number, &type, out, err);
    prophet_code rc =
        r->numbers ? PROPHET_OK : ph_cursor_open(r->t, PH_T_HISTORY, &r->numbers, err);
    if (rc < 0)
        return rc;
    ph_number_key(at, number);
    rc = ph_cursor_seek(r->numbers, ph_slice(at, sizeof at), &key, &value, err);
    if (rc != PROPHET_OK || key.len != sizeof at || memcmp(key.data, at, sizeof at) != 0)
        return rc < 0 ? rc : PROPHET_DONE;
    rc = ph_numbers_decode(key, value, &named, err);
    *out = named.uuid;
    return rc;
}

static prophet_code row_by_number(query_run *r, uint64_t number, ph_row *row, prophet_error *err)
{
    const ph_uuid *cached = ph_number_cached(r->o.numbers, number);
    ph_uuid found;
    prophet_code rc;

    if (cached) {
        rc = ph_query_row(r, r->q->type, cached, row, err);
        if (rc < 0 || (rc == PROPHET_OK && row->number == number))
            return rc;
    }
    if ((rc = id_of(r, number, &found, err)) != PROPHET_OK)
        return rc;
    ph_number_remember(r->o.numbers, number, &found);
    return ph_query_row(r, r->q->type, &found, row, err);
}

/* By its id, or where that is all zero by its number. */
static prophet_code row_by(query_run *r, const ph_uuid *uuid, uint64_t number, ph_row *row,
                           prophet_error *err)
{
    static const ph_uuid none;

    r->stats.keys++;
    return memcmp(uuid, &none, sizeof none) == 0 ? row_by_number(r, number, row, err)
                                                 : ph_query_row(r, r->q->type, uuid, row, err);
}

static prophet_code row_of(query_run *r, const ph_query_hit *hit, ph_row *row, prophet_error *err)
{
    uint8_t key[20];

    if (hit->row.len == 0)
        return row_by(r, &hit->uuid, hit->number, row, err);
    r->stats.fetched++;
    ph_u32be_put(key, r->q->type);
    memcpy(key + 4, hit->uuid.b, 16);
    return ph_row_open(ph_slice(key, sizeof key), hit->row, row)
               ? PROPHET_OK
               : ph_query_damaged(ph_slice(key, sizeof key), err);
}

/* The next candidate that fits. */
prophet_code ph_source_fit(query_run *r, access_source *s, const plan *p, ph_row *row,
                           prophet_error *err)
{
    ph_query_hit hit;
    bool fits;
    prophet_code rc;

    while ((rc = ph_source_next(s, &hit, err)) == PROPHET_OK) {
        r->gave_up = r->patience && r->stats.tested == r->patience;
        if (r->gave_up)
            return PROPHET_DONE;
        r->stats.tested++;
        r->score = hit.score;
        if ((rc = row_of(r, &hit, row, err)) == PROPHET_DONE)
            continue;
        if (rc < 0 || (rc = test_row(r, row, p->exact && !hit.test, &fits, err)) < 0)
            return rc;
        if (fits && r->reading) {
            ph_arena_reset(&r->row_arena);
            rc = ph_rank_read_score(r, row, &r->score, err);
        }
        if (fits) {
            r->stats.matched += rc >= 0;
            return rc;
        }
    }
    return rc;
}

/* A source that was handed in is asked instead of a plan. */
static void given_source(query_run *r, plan *p, access_source *s)
{
    *p = (plan){ .scans = true, .order = ORDER_SORT };
    *s = (access_source){ .source = *r->o.source, .r = r };
}

static prophet_code open_plan(query_run *r, ph_arena *a, plan *p, access_source *s,
                              prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (r->o.source)
        given_source(r, p, s);
    else
        rc = ph_plan_make(r, a, p, err);
    r->scans = p->scans;
    r->plan_text = ph_plan_text(p, a);
    if (rc >= 0 && p->reads_scores)
        rc = ph_rank_read_begin(r, a, err);
    if (rc < 0 || r->o.source || (rc = ph_match_after(r, p->access, a, err)) < 0)
        return rc;
    return ph_source_open(r, p->access, p->ordered ? p->order : ORDER_SORT, s, err);
}

/* ---- iterators ------------------------------------------------------------------------------------------- */

struct ph_query_iter {
    query_run run;
    ph_arena plan_arena;
    plan plan;
    access_source source;
    bool streams; /* rows come from the source */
    bool behind;  /* `after` is passed */
    uint64_t given;
    uint64_t last; /* number of the row last given */
    ph_row row;    /* the row last given */
    order_list list;
    size_t at; /* of the next row */
};

static bool by_score_alone(const ph_query *q)
{
    for (size_t i = 0; i < q->order_count; i++)
        if (!q->order[i].score)
            return false;
    return true;
}

/* Only numbers and ids are wanted of candidates that the plan vouches for, where they need no order but their numbers or scores. */
static prophet_code collect(ph_query_iter *it, prophet_error *err)
{
    query_run *r = &it->run;
    const ph_query *q = r->q;
    bool by_keys = it->plan.exact && by_score_alone(q) && !q->deleted && !r->reading;
    ph_query_hit hit;
    ph_row row;
    prophet_code rc = PROPHET_OK;

    it->list.by_number = it->source.source.by_number;
    while (rc == PROPHET_OK) {
        if (!by_keys) {
            if ((rc = ph_source_fit(r, &it->source, &it->plan, &row, err)) == PROPHET_OK &&
                row.number > it->last)
                rc = ph_query_order_add(&it->list, r, &row, err);
            continue;
        }
        bool fits = true;
        if ((rc = ph_source_next(&it->source, &hit, err)) != PROPHET_OK)
            break;
        r->stats.tested++;
        r->score = hit.score;
        if (hit.test && (rc = row_of(r, &hit, &row, err)) == PROPHET_OK)
            rc = test_row(r, &row, false, &fits, err);
        if (rc == PROPHET_OK && fits) {
            ph_arena_reset(&r->row_arena);
            r->stats.matched++;
            rc = ph_query_order_found(&it->list, r, hit.number, &hit.uuid, err);
        } else if (rc == PROPHET_DONE) {
            rc = PROPHET_OK; /* no row */
        }
    }
    ph_source_close(&it->source);
    if (rc >= 0)
        ph_query_order_finish(&it->list, q);
    return rc < 0 ? rc : PROPHET_OK;
}

/* How long an order is walked while there is another plan: no longer than that would take, and within what may be read. */
static uint64_t patience_of(const query_run *r, const plan *p)
{
    uint64_t most = r->o.reads / 4;

    if (!p->instead)
        return 0;
    most = most && most < p->instead->keys ? most : p->instead->keys;
    return most > FEWEST ? most : FEWEST;
}

static prophet_code begin(ph_query_iter *it, prophet_error *err)
{
    const ph_query *q = it->run.q;
    prophet_code rc;

    if (q->limited && q->limit == 0)
        return PROPHET_OK;
    if ((rc = open_plan(&it->run, &it->plan_arena, &it->plan, &it->source, err)) < 0)
        return rc;
    it->streams = it->plan.ordered;
    it->run.patience = patience_of(&it->run, &it->plan);
    it->behind = !q->has_after;
    return it->streams ? PROPHET_OK : collect(it, err);
}

prophet_code ph_query_open(const ph_query *q, ph_txn *t, const ph_query_options *o,
                           ph_query_iter **out, prophet_error *err)
{
    ph_query_iter *it = ph_zalloc(sizeof *it);
    prophet_code rc;

    if (!it)
        return ph_nomem(err);
    if ((rc = ph_query_run_begin(&it->run, q, t, o, err)) < 0 || (rc = begin(it, err)) < 0) {
        ph_query_close(it);
        return rc;
    }
    *out = it;
    return PROPHET_OK;
}

/* Numbers turned out to be mostly others': what is left of the records is read as they lie. */
static prophet_code read_the_rest(ph_query_iter *it, prophet_error *err)
{
    const number_source *numbers = it->source.state;
    access *all = ph_arena_zalloc(&it->plan_arena, sizeof *all);

    if (!all)
        return ph_nomem(err);
    it->last = numbers->after;
    *all = *it->plan.access;
    all->kind = ACCESS_SCAN;
    it->plan.left = it->plan.access;
    it->plan.access = all;
    it->plan.ordered = it->streams = false;
    it->plan.order = ORDER_SORT;
    ph_source_close(&it->source);
    prophet_code rc = ph_source_open(&it->run, all, ORDER_SORT, &it->source, err);
    return rc < 0 ? rc : collect(it, err);
}

/* Too few rows fit on the way: all that do are found and sorted. Those given already come first among them. */
static prophet_code take_other_plan(ph_query_iter *it, prophet_error *err)
{
    it->plan.left = it->plan.access;
    it->plan.access = it->plan.instead;
    it->plan.exact = it->plan.instead_exact;
    it->plan.scans = it->plan.ordered = it->streams = it->run.scans = it->run.gave_up = false;
    it->plan.order = ORDER_SORT;
    it->run.patience = 0;
    it->at = (size_t)it->given;
    ph_source_close(&it->source);
    prophet_code rc = ph_source_open(&it->run, it->plan.access, ORDER_SORT, &it->source, err);
    return rc < 0 ? rc : collect(it, err);
}

static prophet_code next_streamed(ph_query_iter *it, prophet_error *err)
{
    const ph_query *q = it->run.q;
    prophet_code rc = PROPHET_OK;

    while (!q->limited || it->given < q->limit) {
        rc = ph_source_fit(&it->run, &it->source, &it->plan, &it->row, err);
        if (rc == PROPHET_OK && !it->behind)
            rc = ph_query_order_behind(&it->run, &it->row, &it->behind, err);
        if (rc != PROPHET_OK || it->behind)
            break;
    }
    if (q->limited && it->given == q->limit)
        return PROPHET_DONE;
    if (rc == PROPHET_DONE && it->run.gave_up)
        return take_other_plan(it, err);
    if (rc == PROPHET_DONE && it->plan.access->kind == ACCESS_NUMBERS &&
        ((number_source *)it->source.state)->gave_up)
        return read_the_rest(it, err);
    return rc;
}

static double score_of(const ph_query *q, const order_entry *e)
{
    ph_item x;

    for (size_t i = 0; i < q->order_count; i++)
        if (q->order[i].score && ph_value_open(e->values[i], &x))
            return x.d;
    return 0;
}

static prophet_code next_collected(ph_query_iter *it, prophet_error *err)
{
    query_run *r = &it->run;

    while (it->at < it->list.count && (!r->q->limited || it->given < r->q->limit)) {
        const order_entry *e = &it->list.entries[it->at++];
        prophet_code rc = row_by(r, &e->uuid, e->number, &it->row, err);
        r->score = score_of(r->q, e);
        if (rc < 0 || (rc == PROPHET_OK && it->row.alive != r->q->deleted))
            return rc;
    }
    return PROPHET_DONE;
}

prophet_code ph_query_next(ph_query_iter *it, ph_row *out, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (it->streams)
        rc = next_streamed(it, err);
    if (rc == PROPHET_OK && !it->streams)
        rc = next_collected(it, err);
    if (rc == PROPHET_OK) {
        it->given++;
        *out = it->row;
    }
    return rc;
}

prophet_code ph_query_here(ph_query_iter *it, ph_buf *after, prophet_error *err)
{
    ph_put_list(after, it->run.q->order_count + 1);
    return ph_query_order_here(&it->run, &it->row, after, err);
}

void ph_query_stats_get(const ph_query_iter *it, ph_query_stats *out)
{
    *out = it->run.stats;
}

void ph_query_tell_turn(const ph_query_iter *it, ph_query_plan *out)
{
    if (it->plan.left)
        ph_plan_tell(&it->run, &it->plan, out);
}

void ph_query_close(ph_query_iter *it)
{
    if (!it)
        return;
    ph_source_close(&it->source);
    ph_query_order_clear(&it->list);
    ph_arena_clear(&it->plan_arena);
    ph_query_run_end(&it->run);
    ph_free(it);
}

/* ---- without rows ---------------------------------------------------------------------------------------- */

/* What the plan vouches for is counted by keys alone. */
static prophet_code count_all(query_run *r, const plan *p, access_source *s, uint64_t limit,
                              uint64_t *count, prophet_error *err)
{
    ph_query_hit hit;
    ph_row row;
    bool by_keys = p->exact && !r->q->deleted && !r->q->has_after;
    prophet_code rc = PROPHET_OK;

    if (by_keys && p->access && p->access->total) {
        *count = p->access->keys < limit ? p->access->keys : limit;
        return PROPHET_OK;
    }
    while (rc == PROPHET_OK && *count < limit) {
        bool counts = true;
        if (by_keys) {
            if ((rc = ph_source_next(s, &hit, err)) != PROPHET_OK)
                break;
            r->stats.tested++;
            if (hit.test && (rc = row_of(r, &hit, &row, err)) == PROPHET_OK)
                rc = test_row(r, &row, false, &counts, err);
            counts = counts && rc == PROPHET_OK;
            rc = rc == PROPHET_DONE ? PROPHET_OK : rc;
        } else if ((rc = ph_source_fit(r, s, p, &row, err)) == PROPHET_OK) {
            rc = ph_query_order_behind(r, &row, &counts, err);
        }
        *count += rc == PROPHET_OK && counts;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_query_count(const ph_query *q, ph_txn *t, const ph_query_options *o,
                            uint64_t *count, ph_query_stats *stats, prophet_error *err)
{
    uint64_t limit = q->limited ? q->limit : UINT64_MAX;
    ph_arena a = PH_ARENA_INIT;
    access_source s = { .close = NULL };
    query_run r;
    plan p;
    prophet_code rc = ph_query_run_begin(&r, q, t, o, err);

    *count = 0;
    r.counts = true;
    if (rc >= 0 && limit > 0 && (rc = open_plan(&r, &a, &p, &s, err)) >= 0)
        rc = count_all(&r, &p, &s, limit, count, err);
    if (stats)
        *stats = r.stats;
    ph_source_close(&s);
    ph_query_run_end(&r);
    ph_arena_clear(&a);
    return rc;
}

prophet_code ph_query_test(const ph_query *q, ph_txn *t, const ph_row *row, bool *fits,
                           prophet_error *err)
{
    query_run r;
    prophet_code rc = ph_query_run_begin(&r, q, t, NULL, err);

    if (rc >= 0)
        rc = test_row(&r, row, false, fits, err);
    ph_query_run_end(&r);
    return rc;
}
