/* Queries: rows, how many, and how they are found. Outside of a change the rows come from a snapshot of their own, so that the handle
 * may write meanwhile; inside one they are gathered at once. What is asked for: query_spec.c. */
#include "api/api_impl.h"

static ph_query_options options_of(prophet_db *db)
{
    return (ph_query_options){
        .reads = db->reads, .stop = api_stop, .stop_ctx = db, .numbers = &db->numbers
    };
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

typedef struct running {
    ph_query *q;
    ph_query_iter *it;
    bool stays; /* rows lie where they are as long as the snapshot does */
} running;

static void close_running(void *state)
{
    running *run = state;
    ph_query_close(run->it);
    ph_query_free(run->q);
    ph_free(run);
}

static prophet_code next_row(prophet_iter *it, void *state, prophet_doc **out, prophet_error *err)
{
    running *run = state;
    ph_row row;
    prophet_code rc = ph_query_next(run->it, &row, err);
    return rc == PROPHET_OK
               ? api_doc_record(it->db, it->read.v, &row, run->stays, &it->spare, out, err)
               : rc;
}

static prophet_code gather(prophet_db *db, ph_view *v, ph_query_iter *it, prophet_iter **out,
                           prophet_error *err)
{
    api_docs docs = { 0 };
    ph_row row;
    prophet_code rc;
    while ((rc = ph_query_next(it, &row, err)) == PROPHET_OK) {
        prophet_doc *doc;
        if ((rc = api_doc_record(db, v, &row, false, NULL, &doc, err)) < 0)
            break;
        if (!api_docs_push(&docs, doc)) {
            rc = ph_nomem(err);
            break;
        }
    }
    if (rc >= 0)
        return api_iter_docs(db, &docs, out, err);
    api_docs_clear(&docs);
    return rc;
}

prophet_code prophet_query(prophet_db *db, prophet_value spec, prophet_iter **out,
                           prophet_error *err)
{
    api_read rd = { 0 };
    const ph_query_options o = options_of(db);
    running *run;
    prophet_code rc = api_read_keep(db, &rd, err);
    if (rc < 0)
        return rc;
    if (!(run = ph_zalloc(sizeof *run)))
        rc = ph_nomem(err);
    if (rc >= 0 && (rc = api_query_compile(db, rd.v, &spec, &run->q, err)) >= 0)
        rc = ph_query_open(run->q, rd.v->txn, &o, &run->it, err);
    if (rc >= 0 && db->txn) {
        rc = gather(db, rd.v, run->it, out, err);
        close_running(run);
        return rc;
    }
    if (rc >= 0)
        run->stays = rd.how == API_READ_SNAPSHOT && !ph_txn_is_overlay(rd.v->txn);
    if (rc >= 0 && (rc = api_iter_new(db, next_row, close_running, run, out, err)) >= 0) {
        (*out)->read = rd;
        return PROPHET_OK;
    }
    if (run)
        close_running(run);
    api_read_end(&rd);
    return rc;
}

prophet_code prophet_query_beside(const prophet_iter *of, prophet_value spec, prophet_iter **out,
                                  prophet_error *err)
{
    prophet_db *db = of->db;
    const ph_query_options o = options_of(db);
    api_read rd = { 0 };
    running run = { 0 };
    ph_view *v = of->read.v;
    prophet_code rc = PROPHET_OK;

    if (of->read.how == API_READ_NONE) {
        rc = api_read_begin(db, &rd, err);
        v = rd.v;
    }
    if (rc >= 0 && (rc = api_query_compile(db, v, &spec, &run.q, err)) >= 0 &&
        (rc = ph_query_open(run.q, v->txn, &o, &run.it, err)) >= 0)
        rc = gather(db, v, run.it, out, err);
    ph_query_close(run.it);
    ph_query_free(run.q);
    api_read_end(&rd);
    return rc;
}

prophet_code prophet_count(prophet_db *db, prophet_value spec, uint64_t *out, prophet_error *err)
{
    api_read rd = { 0 };
    const ph_query_options o = options_of(db);
    ph_query *q = NULL;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if ((rc = api_query_compile(db, rd.v, &spec, &q, err)) >= 0)
        rc = ph_query_count(q, rd.v->txn, &o, out, NULL, err);
    ph_query_free(q);
    api_read_end(&rd);
    return rc;
}

/* ---- groups ----------------------------------------------------------------------------------------------------------------- */

typedef struct groups {
    ph_arena arena;
    ph_query_group_row *at;
    size_t count, pos;
} groups;

static void close_groups(void *state)
{
    groups *g = state;
    ph_arena_clear(&g->arena);
    ph_free(g);
}

static prophet_code next_group(prophet_iter *it, void *state, prophet_doc **out, prophet_error *err)
{
    groups *g = state;
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    (void)it;
    if (g->pos == g->count)
        return PROPHET_DONE;
    const ph_query_group_row *row = &g->at[g->pos++];
    if (row->value.len)
        api_put_canonical(&m, "value", row->value);
    api_put(&m, "count", prophet_int((int64_t)row->count));
    prophet_code rc = api_doc_take(&a, &m, out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_group(prophet_db *db, prophet_value spec, prophet_iter **out,
                           prophet_error *err)
{
    api_read rd = { 0 };
    const ph_query_options o = options_of(db);
    ph_query *q = NULL;
    groups *g = ph_zalloc(sizeof *g);
    if (!g)
        return ph_nomem(err);
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc >= 0 && (rc = api_query_compile(db, rd.v, &spec, &q, err)) >= 0)
        rc = ph_query_group(q, rd.v->txn, &o, &g->arena, &g->at, &g->count, NULL, err);
    ph_query_free(q);
    api_read_end(&rd);
    if (rc < 0 || (rc = api_iter_new(db, next_group, close_groups, g, out, err)) < 0)
        close_groups(g);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- plans ----------------------------------------------------------------------------------------------------------------- */

static prophet_code put_doubts(api_map *m, const ph_query *q, prophet_error *err)
{
    api_list list = api_list_in(m->a);
    prophet_slice *said;
    size_t count;
    prophet_code rc = ph_query_doubts(q, m->a, &said, &count, err);
    for (size_t i = 0; i < count && rc >= 0; i++)
        api_push(&list, prophet_text_n(said[i].data, said[i].len));
    if (rc >= 0 && count)
        api_put_list(m, "warnings", &list);
    return rc;
}

static prophet_code plan_doc(const ph_query *q, const ph_query_plan *p, bool run, prophet_doc **out,
                             prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_put_text(&m, "plan", ph_slice_str(p->access));
    api_put_text(&m, "text", api_keep(&m, ph_slice_str(p->text)));
    api_put_text(&m, "index", api_keep(&m, ph_slice_str(p->index)));
    api_put_text(&m, "order", ph_slice_str(p->order));
    api_put_text(&m, "help", api_keep(&m, p->help));
    api_put(&m, "scans", prophet_bool(p->scans));
    api_put(&m, "tests", prophet_bool(p->tests));
    if (p->counted || p->estimate)
        api_put(&m, "estimated", prophet_int((int64_t)p->estimate));
    if (run) {
        api_put(&m, "keys", prophet_int((int64_t)p->stats.keys));
        api_put(&m, "tested", prophet_int((int64_t)p->stats.tested));
        api_put(&m, "rows", prophet_int((int64_t)p->rows));
        api_put(&m, "fetched", prophet_int((int64_t)p->stats.fetched));
        api_put(&m, "ms", prophet_float((double)p->us / 1000));
    }
    prophet_code rc = put_doubts(&m, q, err);
    if (rc >= 0)
        rc = api_doc_take(&a, &m, out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_explain(prophet_db *db, prophet_value spec, bool run, prophet_doc **out,
                             prophet_error *err)
{
    api_read rd = { 0 };
    const ph_query_options o = options_of(db);
    ph_query_plan plan;
    ph_query *q = NULL;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if ((rc = api_query_compile(db, rd.v, &spec, &q, err)) >= 0 &&
        (rc = ph_query_explain(q, rd.v->txn, &o, run, &plan, err)) >= 0)
        rc = plan_doc(q, &plan, run, out, err);
    ph_query_free(q);
    api_read_end(&rd);
    return rc;
}
