/* What a query asks for: the spec of a host becomes canonical bytes for query/, which asks back here for types, fields and indexes; the
 * text form is parsed beside it.
 *
 * Called by query.c. */
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

/* Options of others are not looked for: they are read again for each query. */
static bool holds_texts(const ph_query_field *f)
{
    ph_query_kind kind = f->kind == PH_Q_SET || f->kind == PH_Q_LIST ? f->of : f->kind;
    return kind == PH_Q_TEXT || kind == PH_Q_ANY || kind == PH_Q_LIST || kind == PH_Q_MAP;
}

/* Values that nobody can go beyond. A setting's are recommended only. */
static prophet_slice closed_values(const ph_field_def *f)
{
    return !f->open && f->values.len && ph_value_kind(f->values) == PH_LIST ? f->values
                                                                            : ph_slice(NULL, 0);
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
    out->to = f->to;
    out->values = closed_values(f);
    if (f->kind == PH_F_MANY) {
        out->to = text_option(f, "type");
        out->by = text_option(f, "by");
    }
    if (holds_texts(out)) {
        out->fulltext = ph_field_fulltext(f, &out->weight);
        out->language = ph_field_language(f);
    }
    return PROPHET_OK;
}

static prophet_code ask_record(void *ctx, prophet_slice type, prophet_slice name, ph_uuid *out,
                               prophet_error *err)
{
    const asking *q = ctx;
    ph_named found;
    prophet_code rc = ph_view_find(q->v, type, name, &found, err);
    if (rc == PROPHET_OK)
        *out = found.uuid;
    return rc;
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

static prophet_code ask_text(void *ctx, prophet_slice type, const ph_text_layout **out,
                             prophet_error *err)
{
    asking *q = ctx;
    const ph_schema *s;
    prophet_code rc = ph_view_schema(q->v, type, &s, err);
    if (rc < 0)
        return rc;
    *out = s->text;
    return s->text ? PROPHET_OK : PROPHET_DONE;
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

/* What the text form says stands beside the conditions of the spec; its order and limit only where the spec has none (prophet_parse tells
 * them, and a builder hands them back). */
static prophet_code encode_text(const prophet_value *spec, prophet_slice text, ph_buf *where,
                                prophet_error *err)
{
    const prophet_value *params = api_member(spec, "params"), *also = api_member(spec, "where");
    ph_buf list = PH_BUF_INIT, parsed = PH_BUF_INIT;
    ph_item map, key, value;
    prophet_slice type;
    prophet_code rc = api_spec_text(spec, "type", &type, err);
    if (rc >= 0 && params)
        rc = api_encode_query(&list, params, err);
    if (rc >= 0)
        rc = ph_query_parse(type, text, ph_buf_slice(&list), &parsed, err);
    if (rc >= 0 && ph_value_open(ph_buf_slice(&parsed), &map)) {
        ph_reader in = ph_reader_of(map.s);
        ph_put_list(where, also ? 3 : 2);
        ph_put_text(where, ph_slice_str("and"));
        while (ph_read_item(&in, &key) && ph_read_item(&in, &value))
            if (ph_slice_eq(key.s, ph_slice_str("where")))
                ph_buf_put(where, value.raw.data, value.raw.len);
        if (also)
            rc = api_encode_query(where, also, err);
    }
    ph_buf_clear(&list);
    ph_buf_clear(&parsed);
    return rc;
}

/* The compiler reads member by member, in whatever order they are. */
static prophet_code splice_where(const ph_buf *rest, const ph_buf *where, ph_buf *out,
                                 prophet_error *err)
{
    ph_item map;
    if (!ph_value_open(ph_buf_slice(rest), &map))
        return ph_nomem(err);
    ph_put_map(out, (size_t)map.i + 1);
    ph_buf_put(out, map.s.data, map.s.len);
    ph_put_text(out, ph_slice_str("where"));
    ph_buf_put(out, where->data, where->len);
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* The members but text and params; `where` is spliced in when there is a text. */
static prophet_code encode_members(const prophet_value *spec, const ph_buf *where, ph_buf *out,
                                   prophet_error *err)
{
    static const char *const texts[] = { "text", "params", "where" };
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    size_t n = spec->as.map.count, kept = 0;
    prophet_field *at = ph_arena_alloc(&a, (n + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        bool drop = false;
        for (size_t k = 0; k < 3 && where; k++)
            drop = drop || ph_slice_eq(spec->as.map.items[i].name, ph_slice_str(texts[k]));
        if (drop)
            continue;
        at[kept] = spec->as.map.items[i];
        if (ph_slice_eq(at[kept].name, ph_slice_str("after")) && at[kept].value.kind != PROPHET_NIL)
            at[kept].value = after_of(&at[kept].value, &a, err, &rc);
        kept++;
    }
    if (rc >= 0 && where) {
        ph_buf rest = PH_BUF_INIT;
        prophet_value map = prophet_map(at, kept);
        rc = api_encode_query(&rest, &map, err);
        if (rc >= 0)
            rc = splice_where(&rest, where, out, err);
        ph_buf_clear(&rest);
    } else if (rc >= 0) {
        prophet_value map = prophet_map(at, kept);
        rc = api_encode_query(out, &map, err);
    }
    ph_arena_clear(&a);
    return rc;
}

static prophet_code encode_spec(const prophet_value *spec, ph_buf *out, prophet_error *err)
{
    ph_buf where = PH_BUF_INIT;
    prophet_slice text = { NULL, 0 };
    if (spec->kind != PROPHET_MAP)
        return ph_fail(err, PROPHET_EUSAGE, "a query is a map with a type");
    bool typed = api_member(spec, "text") != NULL;
    prophet_code rc = typed ? api_spec_text(spec, "text", &text, err) : PROPHET_OK;
    if (rc >= 0 && typed)
        rc = encode_text(spec, text, &where, err);
    if (rc >= 0)
        rc = encode_members(spec, typed ? &where : NULL, out, err);
    ph_buf_clear(&where);
    return rc;
}

prophet_code api_query_compile(prophet_db *db, ph_view *v, const prophet_value *spec,
                               ph_query **out, prophet_error *err)
{
    asking ctx = { db, v };
    const ph_query_schema schema = { &ctx,        ask_type, ask_field, ask_names,
                                     ask_indexes, ask_text, ask_record };
    ph_buf bytes = PH_BUF_INIT;
    prophet_code rc = encode_spec(spec, &bytes, err);
    if (rc >= 0)
        rc = ph_query_compile(ph_buf_slice(&bytes), &schema, out, err);
    ph_buf_clear(&bytes);
    return rc;
}

/* ---- the text form ------------------------------------------------------------------------------------------ */

prophet_code prophet_parse(prophet_db *db, prophet_value spec, prophet_doc **out,
                           prophet_error *err)
{
    ph_buf list = PH_BUF_INIT, parsed = PH_BUF_INIT;
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_read rd = { 0 };
    ph_item map, key, value;
    prophet_slice type, text;
    ph_query *q = NULL;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    const prophet_value *params = api_member(&spec, "params");
    if ((rc = api_spec_text(&spec, "type", &type, err)) < 0 ||
        (rc = api_spec_text(&spec, "text", &text, err)) < 0 ||
        (params && (rc = api_encode_query(&list, params, err)) < 0) ||
        (rc = ph_query_parse(type, text, ph_buf_slice(&list), &parsed, err)) < 0)
        goto done;
    asking ctx = { db, rd.v };
    const ph_query_schema schema = { &ctx,        ask_type, ask_field, ask_names,
                                     ask_indexes, ask_text, ask_record };
    if ((rc = ph_query_compile(ph_buf_slice(&parsed), &schema, &q, err)) < 0)
        goto done;
    if (ph_value_open(ph_buf_slice(&parsed), &map)) {
        ph_reader in = ph_reader_of(map.s);
        while (ph_read_item(&in, &key) && ph_read_item(&in, &value))
            if (ph_slice_eq(key.s, ph_slice_str("order")))
                api_put_canonical(&m, "order", value.raw);
            else if (ph_slice_eq(key.s, ph_slice_str("limit")))
                api_put_canonical(&m, "limit", value.raw);
    }
    rc = api_doc_take(&a, &m, out, err);
done:
    ph_query_free(q);
    ph_buf_clear(&list);
    ph_buf_clear(&parsed);
    ph_arena_clear(&a);
    api_read_end(&rd);
    return rc;
}
