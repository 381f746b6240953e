/* doubt: what a query asks for though its fields are not declared to show it, as in status=opne. Such a query is answered all the same: other
 * replicas, and older definitions, may have written what this one's does not allow. Called by api for query:explain. */
#include "query/query_impl.h"

enum { SHOWN = 12 }; /* of the declared values */

typedef struct doubting {
    ph_arena *a;
    PH_LIST(prophet_slice) said;
} doubting;

/* Could a condition of this kind hold for a declared value? */
static bool fits(node_op op, prophet_slice declared, prophet_slice want)
{
    switch (op) {
    case OP_PREFIX:
        return declared.len >= want.len && memcmp(declared.data, want.data, want.len) == 0;
    case OP_CONTAINS:
        return want.len == 0 || (declared.len >= want.len &&
                                 memmem(declared.data, declared.len, want.data, want.len) != NULL);
    default: return ph_slice_eq(declared, want);
    }
}

static bool compares(const node *n)
{
    return n->op == OP_EQ || n->op == OP_IN || n->op == OP_HAS_ANY || n->op == OP_HAS_ALL ||
           n->op == OP_PREFIX || n->op == OP_CONTAINS;
}

/* The line, or nothing: the value is declared. */
static prophet_code doubt(const node *n, prophet_slice want, ph_arena *a, prophet_slice *line,
                          prophet_error *err)
{
    ph_item list, one;
    ph_buf b = PH_BUF_INIT;
    size_t count = 0;
    bool ok = true;

    *line = ph_slice(NULL, 0);
    if (!ph_value_open(n->path->values, &list))
        return PROPHET_OK;
    const char **names = ph_arena_alloc(a, ((size_t)list.i + 1) * sizeof *names);
    const char *text = ph_arena_str(a, want);
    if (!names || !text)
        return ph_nomem(err);
    ph_reader in = ph_reader_of(list.s);
    while (ph_read_item(&in, &one)) {
        if (one.kind != PH_TEXT || fits(n->op, one.s, want))
            return PROPHET_OK;
        if (!(names[count++] = ph_arena_str(a, one.s)))
            return ph_nomem(err);
    }
    ph_buf_printf(&b, "%.*s is declared without \"%s\": ", PH_FMT(n->path->text), text);
    for (size_t i = 0; i < count && i < SHOWN; i++)
        ph_buf_printf(&b, "%s%s", i ? ", " : "", names[i]);
    ph_buf_printf(&b, "%s", count > SHOWN ? ", .." : "");
    const char *close = ph_closest(text, names, count);
    if (close)
        ph_buf_printf(&b, " (did you mean %s?)", close);
    *line = ph_arena_copy(a, ph_buf_slice(&b), &ok);
    ok = ok && !b.failed;
    ph_buf_clear(&b);
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code doubt_values(doubting *d, const node *n, prophet_error *err)
{
    bool bytes = n->op == OP_PREFIX || n->op == OP_CONTAINS; /* without head */
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < n->value_count && rc >= 0; i++) {
        prophet_slice line;
        ph_item x = { .kind = PH_TEXT, .s = n->values[i] };
        if (!bytes && (!ph_value_open(n->values[i], &x) || x.kind != PH_TEXT))
            continue;
        if ((rc = doubt(n, x.s, d->a, &line, err)) >= 0 && line.len && !PH_PUSH(d->said, line))
            rc = ph_nomem(err);
    }
    return rc;
}

static prophet_code walk(doubting *d, const node *n, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < n->kid_count && rc >= 0; i++)
        rc = walk(d, n->kids[i], err);
    if (rc >= 0 && n->path_count == 1 && n->path->values.len && compares(n))
        rc = doubt_values(d, n, err);
    return rc;
}

prophet_code ph_query_doubts(const ph_query *q, ph_arena *a, prophet_slice **out, size_t *count,
                             prophet_error *err)
{
    doubting d = { .a = a };
    prophet_code rc = q->where ? walk(&d, q->where, err) : PROPHET_OK;
    bool ok = true;

    *count = d.said.count;
    *out = (prophet_slice *)(uintptr_t)ph_arena_copy(
               a, ph_slice(d.said.at, d.said.count * sizeof *d.said.at), &ok)
               .data;
    ph_free(d.said.at);
    return rc < 0 || ok ? rc : ph_nomem(err);
}
