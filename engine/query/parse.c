/* parse: the text form of a query, as people type it, becomes a spec for compile.c.
 *
 *   query      all of: condition | sort:field,-field | limit:n         "or" binds weaker than standing side by side
 *   condition  field op values | -condition | not condition | ( query ) | "words" | word
 *   op         = != < <= > >=   : (an element of a set, a part of a text, else equal)   ~ (contains)   ^ (begins with)
 *   values     value or value,value (any of); of = and != none at all: missing, present; low..high: both included
 *   value      "quoted" (\" and \\ inside) | ?1 (a parameter) | word
 * Words keep their text; compile.c reads them as the field's kind says. Errors name the column, from 1, in characters: what compile.c may
 * refuse is marked with where it stands. */
#include "query/query_impl.h"

typedef struct parser {
    const char *start, *p, *end;
    const prophet_slice *params;
    bool *used; /* one a parameter */
    size_t param_count;
    const char *seen; /* column() came to here */
    size_t seen_column;
    ph_buf order; /* terms */
    size_t order_count;
    bool limited;
    int64_t limit;
    ph_arena *a;
    prophet_error *err;
    prophet_code rc;
} parser;

typedef struct parsed { /* a list of encoded conditions */
    ph_buf items;
    size_t count;
} parsed;

/* ---- errors and small things ---------------------------------------------------------------------------- */

/* Goes on from where it was asked last: marks are made from left to right. */
static size_t column(parser *p, const char *at)
{
    if (!p->seen || at < p->seen) {
        p->seen = p->start;
        p->seen_column = 1;
    }
    for (; p->seen < at; p->seen++)
        p->seen_column += ((uint8_t)*p->seen & 0xc0) != 0x80;
    return p->seen_column;
}

static bool refuse(parser *p, const char *at, const char *what)
{
    if (p->rc >= 0)
        p->rc = ph_fail(p->err, PROPHET_EUSAGE, "column %zu: %s", column(p, at), what);
    return false;
}

static void skip_space(parser *p)
{
    while (p->p < p->end && (*p->p == ' ' || *p->p == '\t' || *p->p == '\n' || *p->p == '\r'))
        p->p++;
}

static bool at_word_end(const parser *p)
{
    return p->p == p->end || strchr(" \t\r\n()", *p->p) != NULL;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static void put_str(ph_buf *b, const char *s)
{
    ph_put_text(b, ph_slice_str(s));
}

static void put_word(ph_buf *b, prophet_slice word)
{
    ph_put_map(b, 1);
    put_str(b, "$word");
    ph_put_text(b, word);
}

/* The conditions of a list as one: itself when it is alone. */
static void put_joined(ph_buf *out, const char *op, const parsed *list)
{
    if (list->count != 1) {
        ph_put_list(out, 1 + list->count);
        put_str(out, op);
    }
    ph_buf_put(out, list->items.data, list->items.len);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static bool quoted(parser *p, prophet_slice *out)
{
    const char *start = p->p++;
    char *text = ph_arena_alloc(p->a, (size_t)(p->end - start) + 1);
    size_t n = 0;

    if (!text) {
        p->rc = ph_nomem(p->err);
        return false;
    }
    for (; p->p < p->end && *p->p != '"'; p->p++) {
        if (*p->p == '\\' && p->end - p->p > 1 && (p->p[1] == '"' || p->p[1] == '\\'))
            p->p++;
        text[n++] = *p->p;
    }
    if (p->p == p->end)
        return refuse(p, start, "this quote is never closed");
    p->p++;
    *out = ph_slice(text, n);
    return true;
}

static bool no_parameter(parser *p, const char *at)
{
    char what[80];

    (void)snprintf(what, sizeof what, "there is no %.*s: %zu value%s given behind the text",
                   (int)(p->p - at < 12 ? p->p - at : 12), at, p->param_count,
                   p->param_count == 1 ? " is" : "s are");
    return refuse(p, at, what);
}

static bool parameter(parser *p, ph_buf *out)
{
    const char *start = p->p++;
    size_t n = 0;

    while (p->p < p->end && *p->p >= '0' && *p->p <= '9') {
        size_t digit = (size_t)(*p->p++ - '0');
        n = n <= p->param_count ? n * 10 + digit : n; /* too large stays so */
    }
    if (p->p == start + 1)
        return refuse(p, start, "a parameter is ? and its number, as in ?1");
    if (n == 0 || n > p->param_count)
        return no_parameter(p, start);
    ph_buf_put(out, p->params[n - 1].data, p->params[n - 1].len);
    p->used[n - 1] = true;
    return true;
}

static bool is_range(const parser *p)
{
    return p->end - p->p > 1 && p->p[0] == '.' && p->p[1] == '.';
}

/* Values of one condition, each with its column. */
typedef struct values {
    ph_buf items, columns;
    size_t count;
} values;

/* One value; *there false: there is none. */
static bool value(parser *p, values *out, bool *there)
{
    const char *start = p->p;
    prophet_slice text;

    *there = true;
    out->count++;
    ph_put_int(&out->columns, (int64_t)column(p, start));
    if (start < p->end && *start == '?')
        return parameter(p, &out->items);
    if (start < p->end && *start == '"') {
        if (!quoted(p, &text))
            return false;
        put_word(&out->items, text);
        return true;
    }
    while (!at_word_end(p) && *p->p != ',' && *p->p != '"' && !is_range(p))
        p->p++;
    *there = p->p > start;
    put_word(&out->items, ph_slice(start, (size_t)(p->p - start)));
    return true;
}

/* ---- field conditions -------------------------------------------------------------------------------------- */

typedef struct text_op {
    const char *sign, *one, *many;
} text_op;

/* Longer signs first. */
static const text_op text_ops[] = {
    { "!=", "ne", "not_in" }, { "<=", "le", NULL },      { ">=", "ge", NULL },
    { "=", "eq", "in" },      { "<", "lt", NULL },       { ">", "gt", NULL },
    { ":", ":", NULL },       { "~", "contains", NULL }, { "^", "prefix", NULL },
};

static const text_op *operator_at(const parser *p)
{
    for (size_t i = 0; i < sizeof text_ops / sizeof *text_ops; i++) {
        size_t len = strlen(text_ops[i].sign);
        if ((size_t)(p->end - p->p) >= len && memcmp(p->p, text_ops[i].sign, len) == 0)
            return &text_ops[i];
    }
    return NULL;
}

typedef struct named { /* a field, and where it stands */
    prophet_slice name;
    size_t column;
} named;

/* {columns, op, field, ..}: `columns` of the field, then of each value. */
static void put_head(ph_buf *out, const char *op, const named *field, prophet_slice columns,
                     size_t count, size_t more)
{
    ph_put_list(out, 3 + more);
    ph_put_list(out, 1 + count);
    ph_put_int(out, (int64_t)field->column);
    ph_buf_put(out, columns.data, columns.len);
    put_str(out, op);
    ph_put_text(out, field->name);
}

/* Several values behind a sign that takes one: any of them. */
static void put_each(ph_buf *out, const text_op *op, const named *field, const values *v)
{
    ph_reader in = ph_reader_of(ph_buf_slice(&v->items));
    ph_reader columns = ph_reader_of(ph_buf_slice(&v->columns));
    ph_item x, at;

    ph_put_list(out, 1 + v->count);
    put_str(out, "or");
    while (ph_read_item(&in, &x) && ph_read_item(&columns, &at)) {
        put_head(out, op->one, field, at.raw, 1, 1);
        ph_buf_put(out, x.raw.data, x.raw.len);
    }
}

static bool put_range(parser *p, ph_buf *out, const text_op *op, const named *field, values *v)
{
    bool there, negate = strcmp(op->one, "ne") == 0;
    const char *at = p->p;

    p->p += 2;
    if (!value(p, v, &there))
        return false;
    if (!there || (!negate && strcmp(op->one, "eq") != 0 && strcmp(op->one, ":") != 0))
        return refuse(p, at, "a range is field=low..high");
    if (negate) {
        ph_put_list(out, 2);
        put_str(out, "not");
    }
    put_head(out, "between", field, ph_buf_slice(&v->columns), 2, 2);
    ph_buf_put(out, v->items.data, v->items.len);
    return true;
}

static void put_values(ph_buf *out, const text_op *op, const named *field, const values *v)
{
    if (v->count > 1 && !op->many) {
        put_each(out, op, field, v);
        return;
    }
    put_head(out, v->count > 1 ? op->many : op->one, field, ph_buf_slice(&v->columns), v->count, 1);
    if (v->count > 1)
        ph_put_list(out, v->count);
    ph_buf_put(out, v->items.data, v->items.len);
}

static bool values_of(parser *p, ph_buf *out, const text_op *op, const named *field, values *v)
{
    const char *start = p->p;
    bool there;

    if (!value(p, v, &there))
        return false;
    if (there && is_range(p))
        return put_range(p, out, op, field, v);
    if (!there && at_word_end(p) && op->many) { /* status= */
        put_head(out, *op->sign == '!' ? "present" : "missing", field, ph_slice(NULL, 0), 0, 0);
        return true;
    }
    while (there && p->p < p->end && *p->p == ',') {
        p->p++;
        if (!value(p, v, &there))
            return false;
    }
    if (!there)
        return refuse(p, p->p > start ? p->p : start, "a value is missing here");
    if (!at_word_end(p))
        return refuse(p, p->p, "a space or a comma is missing here");
    put_values(out, op, field, v);
    return true;
}

/* ---- sort and limit --------------------------------------------------------------------------------------- */

static bool take_sort(parser *p)
{
    for (;;) {
        const char *start = p->p;
        bool desc = p->p < p->end && *p->p == '-';
        p->p += desc;
        const char *name = p->p;
        while (p->p < p->end && name_char(*p->p))
            p->p++;
        if (p->p == name)
            return refuse(p, start, "sort takes names of fields, as in sort:-severity,due");
        ph_put_list(&p->order, 3);
        ph_put_text(&p->order, ph_slice(name, (size_t)(p->p - name)));
        ph_put_bool(&p->order, desc);
        ph_put_int(&p->order, (int64_t)column(p, name));
        p->order_count++;
        if (at_word_end(p))
            return true;
        if (*p->p != ',')
            return refuse(p, p->p, "a comma is missing here");
        p->p++;
    }
}

static bool take_limit(parser *p)
{
    const char *start = p->p;
    int64_t n = 0;

    while (p->p < p->end && *p->p >= '0' && *p->p <= '9' && n < INT64_MAX / 20)
        n = n * 10 + (*p->p++ - '0');
    if (p->p == start || !at_word_end(p))
        return refuse(p, start, "limit takes a number, as in limit:20");
    if (p->limited)
        return refuse(p, start, "there is a limit already");
    p->limited = true;
    p->limit = n;
    return true;
}

/* ---- conditions -------------------------------------------------------------------------------------------- */

static bool any_of(parser *p, ph_buf *out, unsigned depth);

static bool is_keyword(const parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->p) < len || strncasecmp(p->p, word, len) != 0)
        return false;
    parser behind = *p;
    behind.p += len;
    return at_word_end(&behind);
}

static bool words(parser *p, ph_buf *out)
{
    const char *start = p->p;
    prophet_slice text;
    bool phrase = *p->p == '"';

    ph_put_list(out, 3);
    ph_put_list(out, 1);
    ph_put_int(out, (int64_t)column(p, start));
    put_str(out, "match");
    if (*p->p == '?' && p->end - p->p > 1 && p->p[1] >= '0' && p->p[1] <= '9')
        return parameter(p, out) && (at_word_end(p) || refuse(p, p->p, "a space is missing here"));

    if (phrase && !quoted(p, &text))
        return false;
    if (!phrase) {
        while (!at_word_end(p) && *p->p != '"')
            p->p++;
        text = ph_slice(start, (size_t)(p->p - start));
    }
    ph_buf query = PH_BUF_INIT; /* a phrase keeps its quotes */
    ph_buf_printf(&query, phrase ? "\"%.*s\"" : "%.*s", PH_FMT(text));
    ph_put_text(out, ph_buf_slice(&query));
    p->rc = query.failed ? ph_nomem(p->err) : p->rc;
    ph_buf_clear(&query);
    return p->rc >= 0;
}

/* field op values; *is_field false (and nothing taken): these are just words. */
static bool field_condition(parser *p, ph_buf *out, bool *is_field)
{
    const char *start = p->p;
    values v = { PH_BUF_INIT, PH_BUF_INIT, 0 };

    while (p->p < p->end && name_char(*p->p))
        p->p++;
    const text_op *op = p->p > start ? operator_at(p) : NULL;
    const named field = { ph_slice(start, (size_t)(p->p - start)), column(p, start) };
    *is_field = op != NULL;
    if (!op) {
        p->p = start;
        return true;
    }
    p->p += strlen(op->sign);
    bool ok = values_of(p, out, op, &field, &v);
    if (ok && (v.items.failed || v.columns.failed)) {
        p->rc = ph_nomem(p->err);
        ok = false;
    }
    ph_buf_clear(&v.items);
    ph_buf_clear(&v.columns);
    return ok;
}

static bool grouped(parser *p, ph_buf *out, unsigned depth)
{
    const char *start = p->p++;

    if (!any_of(p, out, depth))
        return false;
    skip_space(p);
    if (p->p == p->end || *p->p != ')')
        return refuse(p, start, "this parenthesis is never closed");
    p->p++;
    return true;
}

static bool condition(parser *p, ph_buf *out, unsigned depth)
{
    bool is_field;

    if (depth == 0)
        return refuse(p, p->p, "this is nested too deep");
    if (*p->p == '-' || is_keyword(p, "not")) {
        p->p += *p->p == '-' ? 1 : 3;
        skip_space(p);
        if (at_word_end(p) && (p->p == p->end || *p->p != '('))
            return refuse(p, p->p, "a condition is missing here");
        ph_put_list(out, 2);
        put_str(out, "not");
        return condition(p, out, depth - 1);
    }
    if (*p->p == '(')
        return grouped(p, out, depth - 1);
    if (*p->p == '"')
        return words(p, out);
    if (!field_condition(p, out, &is_field))
        return false;
    return is_field || words(p, out);
}

static bool has_prefix(const parser *p, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(p->end - p->p) >= len && memcmp(p->p, text, len) == 0;
}

/* Conditions side by side, up to "or", ")" or the end. */
static bool all_of(parser *p, ph_buf *out, unsigned depth, size_t *count)
{
    parsed list = { PH_BUF_INIT, 0 };
    bool ok = true;

    for (skip_space(p); ok && p->p < p->end && *p->p != ')' && !is_keyword(p, "or");
         skip_space(p)) {
        if (has_prefix(p, "sort:") || has_prefix(p, "order:") || has_prefix(p, "limit:")) {
            bool limit = *p->p == 'l';
            p->p = (const char *)memchr(p->p, ':', 7) + 1;
            ok = limit ? take_limit(p) : take_sort(p);
            continue;
        }
        if (is_keyword(p, "and")) {
            ok = list.count > 0 || refuse(p, p->p, "a condition is missing here");
            p->p += 3;
            continue;
        }
        ok = condition(p, &list.items, depth);
        list.count++;
    }
    *count = list.count;
    if (ok)
        put_joined(out, "and", &list);
    ok = ok && !list.items.failed;
    ph_buf_clear(&list.items);
    return ok;
}

/* No conditions at all hold for every record: only the whole text may have none, no side of "or" and no parenthesis. */
static bool any_of(parser *p, ph_buf *out, unsigned depth)
{
    parsed list = { PH_BUF_INIT, 0 };
    size_t count;
    bool ok;

    while ((ok = all_of(p, &list.items, depth, &count))) {
        bool more = is_keyword(p, "or");
        list.count++;
        bool inside = depth < QUERY_DEPTH && p->p < p->end;
        if (count == 0 && (more || list.count > 1 || inside))
            ok = refuse(p, p->p, "a condition is missing here");
        if (!ok || !more)
            break;
        p->p += 2;
    }
    if (ok)
        put_joined(out, "or", &list);
    ph_buf_clear(&list.items);
    return ok;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static bool take_params(parser *p, prophet_slice params)
{
    ph_item list, x;

    if (params.len == 0)
        return true;
    if (!ph_value_open(params, &list) || list.kind != PH_LIST) {
        p->rc = ph_fail(p->err, PROPHET_EUSAGE, "the parameters of a query are a list");
        return false;
    }
    prophet_slice *out = ph_arena_alloc(p->a, ((size_t)list.i + 1) * sizeof *out);
    p->used = ph_arena_zalloc(p->a, (size_t)list.i + 1);
    if (!out || !p->used) {
        p->rc = ph_nomem(p->err);
        return false;
    }
    ph_reader in = ph_reader_of(list.s);
    while (ph_read_item(&in, &x))
        out[p->param_count++] = x.raw;
    p->params = out;
    return true;
}

/* A value that nothing asks for would be a condition that is silently not there. */
static bool params_used(parser *p)
{
    for (size_t i = 0; i < p->param_count; i++)
        if (!p->used[i]) {
            p->rc = ph_fail(p->err, PROPHET_EUSAGE,
                            "%zu value%s given behind the text, but nothing in it asks for ?%zu",
                            p->param_count, p->param_count == 1 ? " is" : "s are", i + 1);
            return false;
        }
    return true;
}

static void put_spec(const parser *p, prophet_slice type, const ph_buf *where, ph_buf *spec)
{
    ph_put_map(spec, 2u + p->limited + (p->order_count > 0)); /* keys in canonical order */
    put_str(spec, "type");
    ph_put_text(spec, type);
    if (p->limited) {
        put_str(spec, "limit");
        ph_put_int(spec, p->limit);
    }
    if (p->order_count > 0) {
        put_str(spec, "order");
        ph_put_list(spec, p->order_count);
        ph_buf_put(spec, p->order.data, p->order.len);
    }
    put_str(spec, "where");
    ph_buf_put(spec, where->data, where->len);
}

prophet_code ph_query_parse(prophet_slice type, prophet_slice text, prophet_slice params,
                            ph_buf *spec, prophet_error *err)
{
    ph_arena arena = PH_ARENA_INIT;
    ph_buf where = PH_BUF_INIT;
    parser p = {
        .start = text.data, .p = text.data, .a = &arena, .err = err, .order = PH_BUF_INIT
    };

    p.end = text.len ? p.p + text.len : p.p;
    if (text.len && !ph_utf8_valid(text.data, text.len))
        p.rc = ph_fail(err, PROPHET_EUSAGE, "the query is not valid UTF-8");
    else if (memchr(text.len ? text.data : "-", 0, text.len))
        p.rc = ph_fail(err, PROPHET_EUSAGE, "the query holds a zero byte");
    else if (take_params(&p, params) && any_of(&p, &where, QUERY_DEPTH))
        (void)(p.p < p.end ? refuse(&p, p.p, "this parenthesis was never opened")
                           : params_used(&p));
    if (p.rc >= 0) {
        put_spec(&p, type, &where, spec);
        if (where.failed || p.order.failed || spec->failed)
            p.rc = ph_nomem(err);
    }
    ph_buf_clear(&where);
    ph_buf_clear(&p.order);
    ph_arena_clear(&arena);
    return p.rc;
}
