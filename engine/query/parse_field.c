/* parse_field: a condition on a field in the text form, as in status!=new,open or due<?1 (parse.c draws the syntax), becomes
 * {columns, op, field, values}. Called by parse.c for what begins with a name and an operator. */
#include "query/parse_impl.h"

static void put_word(ph_buf *b, prophet_slice word)
{
    ph_put_map(b, 1);
    ph_parse_put_str(b, "$word");
    ph_put_text(b, word);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

bool ph_parse_quoted(parser *p, prophet_slice *out)
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
        return ph_parse_refuse(p, start, "this quote is never closed");
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
    return ph_parse_refuse(p, at, what);
}

bool ph_parse_parameter(parser *p, ph_buf *out)
{
    const char *start = p->p++;
    size_t n = 0;

    while (p->p < p->end && *p->p >= '0' && *p->p <= '9') {
        size_t digit = (size_t)(*p->p++ - '0');
        n = n <= p->param_count ? n * 10 + digit : n; /* too large stays so */
    }
    if (p->p == start + 1)
        return ph_parse_refuse(p, start, "a parameter is ? and its number, as in ?1");
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
    if (start < p->end && strchr("=<>!:~^", *start)) {
        ph_parse_refuse(p, start, "a value does not begin with the sign of an operator");
        ph_hint(p->err, "a text that begins so stands in quotes: field=\"%c..\"", *start);
        return false;
    }
    ph_put_int(&out->columns, (int64_t)ph_parse_column(p, start));
    if (start < p->end && *start == '?')
        return ph_parse_parameter(p, &out->items);
    if (start < p->end && *start == '"') {
        if (!ph_parse_quoted(p, &text))
            return false;
        put_word(&out->items, text);
        return true;
    }
    while (!ph_parse_at_word_end(p) && *p->p != ',' && *p->p != '"' && !is_range(p))
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
    ph_parse_put_str(out, op);
    ph_put_text(out, field->name);
}

/* Several values behind a sign that takes one: any of them. */
static void put_each(ph_buf *out, const text_op *op, const named *field, const values *v)
{
    ph_reader in = ph_reader_of(ph_buf_slice(&v->items));
    ph_reader columns = ph_reader_of(ph_buf_slice(&v->columns));
    ph_item x, at;

    ph_put_list(out, 1 + v->count);
    ph_parse_put_str(out, "or");
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
        return ph_parse_refuse(p, at, "a range is field=low..high");
    if (negate) {
        ph_put_list(out, 2);
        ph_parse_put_str(out, "not");
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
    if (!there && ph_parse_at_word_end(p) && op->many) { /* status= */
        put_head(out, *op->sign == '!' ? "present" : "missing", field, ph_slice(NULL, 0), 0, 0);
        return true;
    }
    while (there && p->p < p->end && *p->p == ',') {
        p->p++;
        if (!value(p, v, &there))
            return false;
    }
    if (!there) {
        ph_parse_refuse(p, p->p > start ? p->p : start, "a value is missing here");
        ph_hint(p->err, "text to look for stands in quotes: \"%.*s%s\"", PH_FMT(field->name),
                op->sign);
        return false;
    }
    if (!ph_parse_at_word_end(p))
        return ph_parse_refuse(p, p->p, "a space or a comma is missing here");
    put_values(out, op, field, v);
    return true;
}
/* A name and the sign behind it; NULL: these are just words, as what begins with a digit (10:30). Another name that no field can have
 * (Status=open) is one as well: compile.c finds the one that is meant. */
static const text_op *name_and_operator(parser *p)
{
    const char *start = p->p;

    if (start < p->end && *start >= '0' && *start <= '9')
        return NULL;
    while (!ph_parse_at_word_end(p) && *p->p != '"' && *p->p != '?' && !operator_at(p))
        p->p++;
    return p->p > start && p->p < p->end ? operator_at(p) : NULL;
}

/* field op values; *is_field false (and nothing taken): these are just words. */
bool ph_parse_field(parser *p, ph_buf *out, bool *is_field)
{
    const char *start = p->p;
    values v = { PH_BUF_INIT, PH_BUF_INIT, 0 };

    const text_op *op = name_and_operator(p);
    const named field = { ph_slice(start, (size_t)(p->p - start)), ph_parse_column(p, start) };
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
