/* source_match: records that have the words of a match, by rising local number, with their scores where the query is ordered by them.
 * Only numbers are read: the record's id is looked up when its row is (run.c).
 *
 * Called by ph_source_open and source_hits.c. */
#include "query/search_impl.h"

typedef struct match_source {
    search s;
    bool exact, scored;
    uint64_t from;
} match_source;

static prophet_code next_match(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    match_source *m = ctx;
    uint64_t number;
    prophet_code rc = ph_search_next(&m->s, m->from, &number, err);

    if (rc != PROPHET_OK)
        return rc;
    m->from = number + 1;
    ++*keys;
    *out = (ph_query_hit){ .number = number, .test = !m->exact };
    return m->scored ? ph_search_score(&m->s, number, &out->score, err) : PROPHET_OK;
}

static void close_match(void *state)
{
    match_source *m = state;

    ph_search_close(&m->s);
    ph_free(m);
}

prophet_code ph_source_match(query_run *r, const access *a, plan_order order, access_source *out,
                             prophet_error *err)
{
    match_source *m = ph_zalloc(sizeof *m);
    bool possible;

    if (!m)
        return ph_nomem(err);
    prophet_code rc = ph_search_open(&m->s, r, a->match, a->head, false, &possible, err);
    m->exact = a->exact;
    m->scored = a->scored;
    m->from = order == ORDER_NUMBER && r->q->has_after ? r->q->after_number + 1 : 1;
    *out = (access_source){ { m, true, next_match }, r, m, close_match };
    if (rc < 0)
        ph_source_close(out);
    return rc;
}

prophet_code ph_match_gone(uint64_t number, prophet_error *err)
{
    return ph_fail(err, PROPHET_ENOTFOUND,
                   "#%llu, which rows are to be behind, does not fit the match",
                   (unsigned long long)number);
}

/* ---- pages ------------------------------------------------------------------------------------------------------------- */

static prophet_code score_now(query_run *r, const access *a, uint64_t number, double *score,
                              prophet_error *err)
{
    search s;
    uint64_t found = 0;
    bool possible;
    prophet_code rc = ph_search_open(&s, r, a->match, a->head, false, &possible, err);

    if (rc >= 0)
        rc = ph_search_next(&s, number, &found, err);
    if (rc == PROPHET_OK && found == number)
        rc = ph_search_score(&s, number, score, err);
    else if (rc >= 0)
        rc = ph_match_gone(number, err);
    ph_search_close(&s);
    return rc;
}

prophet_code ph_match_after(query_run *r, const access *a, ph_arena *arena, prophet_error *err)
{
    const ph_query *q = r->q;
    prophet_slice *after;
    prophet_code rc;

    if (!q->has_after || (!r->reading && (a->kind != ACCESS_MATCH || !a->scored)))
        return PROPHET_OK;
    if (!(after = ph_arena_alloc(arena, q->order_count * sizeof *after)))
        return ph_nomem(err);
    rc = r->reading ? ph_rank_read_after(r, q->after_number, &r->score, err)
                    : score_now(r, a, q->after_number, &r->score, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < q->order_count && rc >= 0; i++) {
        after[i] = q->after[i];
        if (q->order[i].score)
            rc = ph_query_order_value(r, &q->order[i], NULL, arena, &after[i], err);
    }
    r->after = after;
    return rc;
}
