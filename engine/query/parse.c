/* parse: the text form of a query, as people type it, becomes a spec for compile.c.
 *
 *   query      all of: condition | sort:field,-field | limit:n         "or" binds weaker than standing side by side
 *   condition  field op values | -condition | not condition | ( query ) | "words" | word
 *   op         = != < <= > >=   : (an element of a set, a part of a text, else equal)   ~ (contains)   ^ (begins with)
 *   values     value or value,value (any of); of = and != none at all: missing, present; low..high: both included
 *   value      "quoted" (\" and \\ inside) | ?1 (a parameter) | word
 * What looks like a condition and is none (severity =3, Status=open, status in (a,b)) is no word to look for, but an error (parse_words.c).
 * Words keep their text; compile.c reads them as the field's kind says. Errors name the column, from 1, in characters: what compile.c may
 * refuse is marked with where it stands. */
#include "query/parse_impl.h"

typedef struct parsed { /* a list of encoded conditions */
    ph_buf items;
    size_t count;
} parsed;

/* ---- errors and small things ---------------------------------------------------------------------------- */

/* Goes on from where it was asked last: marks are made from left to right. */
size_t ph_parse_column(parser *p, const char *at)
{
    if (!p->seen || at < p->seen) {
        p->seen = p->start;
        p->seen_column = 1;
    }
    for (; p->seen < at; p->seen++)
        p->seen_column += ((uint8_t)*p->seen & 0xc0) != 0x80;
    return p->seen_column;
}

bool ph_parse_refuse(parser *p, const char *at, const char *what)
{
    if (p->rc >= 0)
        p->rc = ph_fail(p->err, PROPHET_EUSAGE, "column %zu: %s", ph_parse_column(p, at), what);
    return false;
}

/* The conditions of a list as one: itself when it is alone. */
static void put_joined(ph_buf *out, const char *op, const parsed *list)
{
    if (list->count != 1) {
        ph_put_list(out, 1 + list->count);
        ph_parse_put_str(out, op);
    }
    ph_buf_put(out, list->items.data, list->items.len);
}
/* ---- sort and limit --------------------------------------------------------------------------------------- */

static bool take_sort(parser *p)
{
    for (;;) {
        const char *start = p->p;
        bool desc = p->p < p->end && *p->p == '-';
        p->p += desc;
        const char *name = p->p;
        while (p->p < p->end && ph_parse_name_char(*p->p))
            p->p++;
        if (p->p == name)
            return ph_parse_refuse(p, start,
                                   "sort takes names of fields, as in sort:-severity,due");
        ph_put_list(&p->order, 3);
        ph_put_text(&p->order, ph_slice(name, (size_t)(p->p - name)));
        ph_put_bool(&p->order, desc);
        ph_put_int(&p->order, (int64_t)ph_parse_column(p, name));
        p->order_count++;
        if (ph_parse_at_word_end(p))
            return true;
        if (*p->p != ',')
            return ph_parse_refuse(p, p->p, "a comma is missing here");
        p->p++;
    }
}

static bool take_limit(parser *p)
{
    const char *start = p->p;
    int64_t n = 0;

    while (p->p < p->end && *p->p >= '0' && *p->p <= '9' && n < INT64_MAX / 20)
        n = n * 10 + (*p->p++ - '0');
    if (p->p == start || !ph_parse_at_word_end(p))
        return ph_parse_refuse(p, start, "limit takes a number, as in limit:20");
    if (p->limited)
        return ph_parse_refuse(p, start, "there is a limit already");
    p->limited = true;
    p->limit = n;
    return true;
}

/* ---- conditions -------------------------------------------------------------------------------------------- */

static bool any_of(parser *p, ph_buf *out, unsigned depth);

static bool grouped(parser *p, ph_buf *out, unsigned depth)
{
    const char *start = p->p++;

    if (!any_of(p, out, depth))
        return false;
    ph_parse_space(p);
    if (p->p == p->end || *p->p != ')')
        return ph_parse_refuse(p, start, "this parenthesis is never closed");
    p->p++;
    return true;
}

static bool condition(parser *p, ph_buf *out, unsigned depth)
{
    bool is_field;

    if (depth == 0)
        return ph_parse_refuse(p, p->p, "this is nested too deep");
    if (*p->p == '-' || ph_parse_keyword(p, "not")) {
        p->p += *p->p == '-' ? 1 : 3;
        ph_parse_space(p);
        if (ph_parse_at_word_end(p) && (p->p == p->end || *p->p != '('))
            return ph_parse_refuse(p, p->p, "a condition is missing here");
        ph_put_list(out, 2);
        ph_parse_put_str(out, "not");
        return condition(p, out, depth - 1);
    }
    if (*p->p == '(')
        return grouped(p, out, depth - 1);
    if (*p->p == '"')
        return ph_parse_words(p, out);
    if (!ph_parse_field(p, out, &is_field))
        return false;
    return is_field || ph_parse_words(p, out);
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

    for (ph_parse_space(p); ok && p->p < p->end && *p->p != ')' && !ph_parse_keyword(p, "or");
         ph_parse_space(p)) {
        if (has_prefix(p, "sort:") || has_prefix(p, "order:") || has_prefix(p, "limit:")) {
            bool limit = *p->p == 'l';
            p->p = (const char *)memchr(p->p, ':', 7) + 1;
            ok = limit ? take_limit(p) : take_sort(p);
            continue;
        }
        if (ph_parse_keyword(p, "and")) {
            ok = list.count > 0 || ph_parse_refuse(p, p->p, "a condition is missing here");
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
        bool more = ph_parse_keyword(p, "or");
        list.count++;
        bool inside = depth < QUERY_DEPTH && p->p < p->end;
        if (count == 0 && (more || list.count > 1 || inside))
            ok = ph_parse_refuse(p, p->p, "a condition is missing here");
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
    ph_parse_put_str(spec, "type");
    ph_put_text(spec, type);
    if (p->limited) {
        ph_parse_put_str(spec, "limit");
        ph_put_int(spec, p->limit);
    }
    if (p->order_count > 0) {
        ph_parse_put_str(spec, "order");
        ph_put_list(spec, p->order_count);
        ph_buf_put(spec, p->order.data, p->order.len);
    }
    ph_parse_put_str(spec, "where");
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
        (void)(p.p < p.end ? ph_parse_refuse(&p, p.p, "this parenthesis was never opened")
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
