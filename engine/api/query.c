/* Queries: the spec becomes canonical bytes for query/, which asks back here for types and fields. Outside of a change the rows
 * come from a snapshot of their own, so that the handle may write meanwhile; inside one they are gathered at once. */
#include "api/api_impl.h"

/* ---- what query/ asks ------------------------------------------------------------------------------------------------ */

typedef struct asking {
    prophet_db *db;
    ph_view *v;
} asking;

static prophet_code ask_type(void *ctx, prophet_slice name, uint32_t *id, prophet_error *err)
{
    asking *q = ctx;
    return api_type_known(q->db, q->v, name, id, err);
}

static ph_query_kind query_kind(ph_field_kind k)
{
    static const ph_query_kind kinds[PH_F_KINDS] = {
        [PH_F_STRING] = PH_Q_TEXT,       [PH_F_TEXT] = PH_Q_TEXT, [PH_F_INT] = PH_Q_INT,
        [PH_F_FLOAT] = PH_Q_FLOAT,       [PH_F_BOOL] = PH_Q_BOOL, [PH_F_BYTES] = PH_Q_BYTES,
        [PH_F_TIME] = PH_Q_TIME,         [PH_F_ENUM] = PH_Q_TEXT, [PH_F_USER] = PH_Q_TEXT,
        [PH_F_REF] = PH_Q_REF,           [PH_F_BLOB] = PH_Q_BLOB, [PH_F_LIST] = PH_Q_LIST,
        [PH_F_MAP] = PH_Q_MAP,           [PH_F_SET] = PH_Q_SET,   [PH_F_COUNTER] = PH_Q_COUNTER,
        [PH_F_COMPUTED] = PH_Q_COMPUTED, [PH_F_MANY] = PH_Q_MANY,
    };
    return kinds[k];
}

static prophet_slice text_option(const ph_field_def *f, const char *option)
{
    prophet_slice raw;
    ph_item item;
    return ph_field_option(f, option, &raw) && ph_value_open(raw, &item) && item.kind == PH_TEXT
               ? item.s
               : ph_slice(NULL, 0);
}

static bool has_fulltext(const ph_field_def *f)
{
    prophet_slice raw;
    ph_item item;
    return ph_field_option(f, "fulltext", &raw) && ph_value_open(raw, &item) &&
           !(item.kind == PH_BOOL && !item.b);
}

static prophet_code ask_field(void *ctx, prophet_slice type, prophet_slice name,
                              ph_query_field *out, prophet_error *err)
{
    asking *q = ctx;
    const ph_schema *s;
    ph_field_kind of;
    prophet_code rc = ph_view_schema(q->v, type, &s, err);
    *out = (ph_query_field){ .kind = PH_Q_ANY, .of = PH_Q_ANY };
    if (rc < 0)
        return rc;
    const ph_field_def *f = ph_schema_field(s, name);
    if (!f) {
        if (s->defined || !ph_field_valid(type, name) || ph_slice_eq(name, ph_slice_str("id")) ||
            ph_slice_eq(name, ph_slice_str("n")) || ph_slice_eq(name, ph_slice_str("version")))
            return PROPHET_DONE;
        out->id = ph_names_find(q->v->names, name);
        return PROPHET_OK;
    }
    out->id = ph_names_find(q->v->names, name);
    out->kind = query_kind(f->kind);
    if (f->of.len && ph_field_kind_parse(f->of, &of))
        out->of = query_kind(of);
    out->to = f->kind == PH_F_MANY ? text_option(f, "type") : f->to;
    out->by = text_option(f, "by");
    out->fulltext = has_fulltext(f);
    return PROPHET_OK;
}

static prophet_code ask_names(void *ctx, prophet_slice type, ph_arena *a, const char *const **names,
                              size_t *count, prophet_error *err)
{
    asking *q = ctx;
    const ph_schema *s;
    prophet_code rc = ph_view_schema(q->v, type, &s, err);
    if (rc < 0)
        return rc;
    const char **at = ph_arena_alloc(a, (s->field_count + 1) * sizeof *at);
    bool ok = at != NULL;
    for (size_t i = 0; ok && i < s->field_count; i++)
        ok = (at[i] = ph_arena_str(a, s->fields[i].name)) != NULL;
    *names = at;
    *count = s->field_count;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code ask_indexes(void *ctx, prophet_slice type, const ph_index_def **out,
                                size_t *count, prophet_error *err)
{
    asking *q = ctx;
    const ph_schema *s;
    prophet_code rc = ph_view_schema(q->v, type, &s, err);
    if (rc < 0)
        return rc;
    *out = s->indexes;
    *count = s->index_count;
    return PROPHET_OK;
}

/* ---- the spec ----------------------------------------------------------------------------------------------------------- */

/* `after` has a place for absent values, which a list has not: each becomes a list of none or one. The last is the number. */
static prophet_value after_of(const prophet_value *after, ph_arena *a, prophet_error *err,
                              prophet_code *rc)
{
    size_t n = after->kind == PROPHET_LIST ? after->as.list.count : 0;
    prophet_value *at = ph_arena_alloc(a, (n + 1) * sizeof *at);
    if (n == 0 || after->as.list.items[n - 1].kind != PROPHET_INT)
        *rc = ph_fail(err, PROPHET_EUSAGE,
                      "after is a list of the order fields' values and a local number");
    else if (!at)
        *rc = ph_nomem(err);
    if (*rc < 0)
        return prophet_nil();
    for (size_t i = 0; i + 1 < n; i++) {
        const prophet_value *v = &after->as.list.items[i];
        at[i] = prophet_list(v, v->kind == PROPHET_NIL ? 0 : 1);
    }
    at[n - 1] = after->as.list.items[n - 1];
    return prophet_list(at, n);
}

static prophet_code encode_spec(const prophet_value *spec, ph_buf *out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    if (spec->kind != PROPHET_MAP)
        return ph_fail(err, PROPHET_EUSAGE, "a query is a map with a type");
    size_t n = spec->as.map.count;
    prophet_field *at = ph_arena_alloc(&a, (n + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        at[i] = spec->as.map.items[i];
        if (ph_slice_eq(at[i].name, ph_slice_str("after")) && at[i].value.kind != PROPHET_NIL)
            at[i].value = after_of(&at[i].value, &a, err, &rc);
    }
    prophet_value map = prophet_map(at, n);
    if (rc >= 0)
        rc = api_encode(out, &map, err);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code compile(prophet_db *db, ph_view *v, const prophet_value *spec, ph_query **out,
                            prophet_error *err)
{
    asking ctx = { db, v };
    const ph_query_schema schema = { &ctx, ask_type, ask_field, ask_names, ask_indexes };
    ph_buf bytes = PH_BUF_INIT;
    prophet_code rc = encode_spec(spec, &bytes, err);
    if (rc >= 0)
        rc = ph_query_compile(ph_buf_slice(&bytes), &schema, out, err);
    ph_buf_clear(&bytes);
    return rc;
}

static ph_query_options options_of(prophet_db *db)
{
    return (ph_query_options){ .reads = db->reads, .stop = api_stop, .stop_ctx = db };
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

typedef struct running {
    ph_query *q;
    ph_query_iter *it;
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
    return rc == PROPHET_OK ? api_doc_record(it->db, it->read.v, &row, out, err) : rc;
}

static prophet_code gather(prophet_db *db, ph_view *v, ph_query_iter *it, prophet_iter **out,
                           prophet_error *err)
{
    api_docs docs = { 0 };
    ph_row row;
    prophet_code rc;
    while ((rc = ph_query_next(it, &row, err)) == PROPHET_OK) {
        prophet_doc *doc;
        if ((rc = api_doc_record(db, v, &row, &doc, err)) < 0)
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
    if (rc >= 0 && (rc = compile(db, rd.v, &spec, &run->q, err)) >= 0)
        rc = ph_query_open(run->q, rd.v->txn, &o, &run->it, err);
    if (rc >= 0 && db->txn) {
        rc = gather(db, rd.v, run->it, out, err);
        close_running(run);
        return rc;
    }
    if (rc >= 0 && (rc = api_iter_new(db, next_row, close_running, run, out, err)) >= 0) {
        (*out)->read = rd;
        return PROPHET_OK;
    }
    if (run)
        close_running(run);
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
    if ((rc = compile(db, rd.v, &spec, &q, err)) >= 0)
        rc = ph_query_count(q, rd.v->txn, &o, out, NULL, err);
    ph_query_free(q);
    api_read_end(&rd);
    return rc;
}
