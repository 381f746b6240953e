/* condition: the lists of a query's `where` become nodes that eval.c asks. */
#include "query/query_impl.h"
#include <stdlib.h>

typedef enum shape {
    ARG_NONE,
    ARG_CONDITIONS,
    ARG_CONDITION,
    ARG_FIELD,
    ARG_VALUE,
    ARG_RANGE,
    ARG_VALUES,
    ARG_TEXT,
    ARG_MATCH,
    ARG_TYPED
} shape;

typedef struct op_name {
    const char *name;
    node_op op;
    shape args;
    bool negate;
} op_name;

static const op_name op_names[] = {
    { "true", OP_TRUE, ARG_NONE, false },
    { "false", OP_FALSE, ARG_NONE, false },
    { "and", OP_AND, ARG_CONDITIONS, false },
    { "all", OP_AND, ARG_CONDITIONS, false },
    { "or", OP_OR, ARG_CONDITIONS, false },
    { "any", OP_OR, ARG_CONDITIONS, false },
    { "none", OP_OR, ARG_CONDITIONS, true },
    { "not", OP_NOT, ARG_CONDITION, false },
    { "present", OP_PRESENT, ARG_FIELD, false },
    { "missing", OP_PRESENT, ARG_FIELD, true },
    { "eq", OP_EQ, ARG_VALUE, false },
    { "ne", OP_EQ, ARG_VALUE, true },
    { "lt", OP_LT, ARG_VALUE, false },
    { "le", OP_LE, ARG_VALUE, false },
    { "gt", OP_GT, ARG_VALUE, false },
    { "ge", OP_GE, ARG_VALUE, false },
    { "between", OP_BETWEEN, ARG_RANGE, false },
    { "in", OP_IN, ARG_VALUES, false },
    { "one_of", OP_IN, ARG_VALUES, false },
    { "not_in", OP_IN, ARG_VALUES, true },
    { "none_of", OP_IN, ARG_VALUES, true },
    { "has", OP_HAS_ANY, ARG_VALUE, false },
    { "has_any", OP_HAS_ANY, ARG_VALUES, false },
    { "has_all", OP_HAS_ALL, ARG_VALUES, false },
    { "prefix", OP_PREFIX, ARG_TEXT, false },
    { "contains", OP_CONTAINS, ARG_TEXT, false },
    { "match", OP_MATCH, ARG_MATCH, false },
    { ":", OP_EQ, ARG_TYPED, false },
};
enum { OP_NAMES = sizeof op_names / sizeof *op_names };

typedef struct arguments {
    const op_name *op;
    prophet_slice *raw; /* behind the name */
    size_t count;
    ph_reader columns; /* of the text form: of the field, then of each value */
} arguments;

/* The next name or value is read. */
static void next_column(compiler *c, arguments *a)
{
    ph_item at;

    c->column = ph_read_item(&a->columns, &at) && at.kind == PH_INT ? (size_t)at.i : 0;
}

static prophet_code unknown_condition(prophet_slice name, prophet_error *err)
{
    const char *names[OP_NAMES];
    char text[40];
    size_t len = name.len < sizeof text - 1 ? name.len : sizeof text - 1;

    for (size_t i = 0; i < OP_NAMES; i++)
        names[i] = op_names[i].name;
    memcpy(text, name.data, len);
    text[len] = 0;
    const char *close = ph_closest(text, names, OP_NAMES);
    ph_fail(err, PROPHET_EUSAGE, "no condition is called \"%s\"", text);
    if (close)
        ph_hint(err, "did you mean %s?", close);
    return PROPHET_EUSAGE;
}

static prophet_code open_condition(compiler *c, prophet_slice raw, arguments *out,
                                   prophet_error *err)
{
    ph_item list, x;

    if (!ph_value_open(raw, &list) || list.kind != PH_LIST || list.i < 1)
        return ph_fail(err, PROPHET_EUSAGE, "a condition is a list that begins with its name");
    ph_reader in = ph_reader_of(list.s);
    bool there = ph_read_item(&in, &x);
    *out = (arguments){ .raw = ph_arena_alloc(c->a, (size_t)list.i * sizeof *out->raw),
                        .columns = ph_reader_of(ph_slice(NULL, 0)) };
    if (there && x.kind == PH_LIST) {
        out->columns = ph_reader_of(x.s);
        there = ph_read_item(&in, &x);
    }
    if (!there || x.kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "a condition begins with its name");
    if (!out->raw)
        return ph_nomem(err);
    for (size_t i = 0; i < OP_NAMES && !out->op; i++)
        if (ph_slice_eq(x.s, ph_slice_str(op_names[i].name)))
            out->op = &op_names[i];
    if (!out->op)
        return unknown_condition(x.s, err);
    while (ph_read_item(&in, &x))
        out->raw[out->count++] = x.raw;
    return PROPHET_OK;
}

static prophet_code wrong_count(const arguments *a, const char *want, prophet_error *err)
{
    return ph_fail(err, PROPHET_EUSAGE, "the condition %s takes %s", a->op->name, want);
}

static prophet_code field_of(compiler *c, node *n, prophet_slice raw, prophet_error *err)
{
    path *p = ph_arena_alloc(c->a, sizeof *p);
    ph_item x;

    if (!p)
        return ph_nomem(err);
    if (!ph_value_open(raw, &x) || x.kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "a condition names its field as text");
    n->path = p;
    n->path_count = 1;
    prophet_code rc = ph_query_path(c, x.s, p, err);
    n->cost = 1;
    for (size_t i = 0; i < p->count && rc >= 0; i++)
        n->cost += p->steps[i].kind == STEP_MANY ? 100 : i > 0 ? 10 : 0;
    return rc;
}

static prophet_code take_values(compiler *c, node *n, arguments *a, const prophet_slice *raw,
                                size_t count, prophet_error *err)
{
    prophet_slice *values = ph_arena_alloc(c->a, (count + 1) * sizeof *values);
    prophet_code rc = PROPHET_OK;

    if (!values)
        return ph_nomem(err);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        next_column(c, a);
        rc = ph_query_operand(c, n->path, raw[i], &values[i], err);
    }
    n->values = values;
    n->value_count = count;
    return rc;
}

static int in_order(const void *a, const void *b)
{
    const prophet_slice *x = a, *y = b;
    return ph_value_compare(*x, *y);
}

static prophet_code take_list(compiler *c, node *n, arguments *a, prophet_error *err)
{
    ph_item list, x;

    if (!ph_value_open(a->raw[1], &list) || list.kind != PH_LIST)
        return ph_fail(err, PROPHET_EUSAGE, "the condition on %.*s takes a list of values",
                       PH_FMT(n->path->text));
    prophet_slice *raws = ph_arena_alloc(c->a, ((size_t)list.i + 1) * sizeof *raws);
    size_t count = 0;
    if (!raws)
        return ph_nomem(err);
    ph_reader in = ph_reader_of(list.s);
    while (ph_read_item(&in, &x))
        raws[count++] = x.raw;
    prophet_code rc = take_values(c, n, a, raws, count, err);
    if (n->op == OP_IN && count == 0)
        n->op = OP_FALSE; /* nothing is read for it */
    if (rc >= 0 && count > 1)
        qsort((void *)n->values, count, sizeof *n->values, in_order); /* eval.c searches them */
    return rc;
}

static prophet_code take_text(compiler *c, node *n, arguments *a, prophet_error *err)
{
    prophet_slice *text = ph_arena_alloc(c->a, sizeof *text);
    bool ok = true;
    ph_item x, key, word;

    next_column(c, a);
    if (!ph_value_open(a->raw[1], &x))
        return ph_fail(err, PROPHET_EUSAGE, "the condition on %.*s lacks a text",
                       PH_FMT(n->path->text));
    if (x.kind == PH_MAP) { /* {"$word": text} */
        ph_reader in = ph_reader_of(x.s);
        if (ph_read_item(&in, &key) && ph_read_item(&in, &word))
            x = word;
    }
    if (x.kind != PH_TEXT && x.kind != PH_BYTES)
        return ph_fail(err, PROPHET_EUSAGE, "the condition on %.*s takes a text",
                       PH_FMT(n->path->text));
    if (!text)
        return ph_nomem(err);
    *text = x.s.len ? ph_arena_copy(c->a, x.s, &ok) : ph_slice("", 0);
    n->values = text;
    n->value_count = 1;
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* field:value of the text form: an element of a set, a part of a text, else the value itself. */
static prophet_code take_typed(compiler *c, node *n, arguments *a, prophet_error *err)
{
    ph_query_kind kind = n->path->kind;

    if (kind == PH_Q_TEXT) {
        n->op = OP_CONTAINS;
        return take_text(c, n, a, err);
    }
    n->op = kind == PH_Q_SET || kind == PH_Q_LIST ? OP_HAS_ANY : OP_EQ;
    return take_values(c, n, a, a->raw + 1, 1, err);
}

/* `status in (new, open)`: words side by side, of which the first names a field and the second is an operator elsewhere. */
static prophet_code no_operator(compiler *c, prophet_slice word, prophet_error *err)
{
    ph_query_field f = { .kind = PH_Q_ANY };
    prophet_code rc = c->schema->field(c->schema->ctx, c->q->type_name, word, &f, err);

    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    ph_fail(err, PROPHET_EUSAGE, "a condition on %.*s is written with a sign, not with a word",
            PH_FMT(word));
    ph_error_at(err, c->q->type_name, word);
    ph_hint(err,
            "field=a,b  field~part  field^start  field=low..high  field= for none; a word to look "
            "for stands in quotes: \"%.*s\"",
            PH_FMT(word));
    return PROPHET_EUSAGE;
}

static prophet_code take_match(compiler *c, node *n, arguments *a, prophet_error *err)
{
    ph_item x;
    prophet_code rc;

    next_column(c, a);
    size_t column = c->column;
    if (a->count < 1 || a->count > 2)
        return wrong_count(a, "words to look for, a field before them if wanted", err);
    if (!ph_value_open(a->raw[a->count - 1], &x) || x.kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "words to look for are a text");
    next_column(c, a);
    if (c->column > 0 && (rc = no_operator(c, x.s, err)) < 0)
        return rc;
    c->column = column;
    rc = a->count == 2 ? field_of(c, n, a->raw[0], err) : ph_query_match_fields(c, n, err);
    n->cost = 50;
    return rc < 0 ? rc : ph_query_match_compile(c, x.s, n, err);
}

/* ---- does the comparison fit the field? ------------------------------------------------------------------- */

static prophet_code unfit(compiler *c, const node *n, size_t column, const char *why,
                          const char *hint, prophet_error *err)
{
    c->column = column;
    ph_fail(err, PROPHET_EUSAGE, "%.*s %s", PH_FMT(n->path->text), why);
    ph_error_at(err, c->q->type_name, n->path->text);
    if (*hint)
        ph_hint(err, hint, PH_FMT(n->path->text));
    return PROPHET_EUSAGE;
}

static size_t count_lists(const node *n)
{
    size_t count = 0;

    for (size_t i = 0; i < n->value_count; i++)
        count += ph_value_kind(n->values[i]) == PH_LIST;
    return count;
}

static prophet_code fits_text(compiler *c, const node *n, size_t column, prophet_error *err)
{
    const path *p = n->path;
    ph_query_kind kind = p->kind == PH_Q_SET ? p->of : p->kind;

    if (kind == PH_Q_TEXT || kind == PH_Q_BYTES || kind == PH_Q_ANY)
        return PROPHET_OK;
    if (kind == PH_Q_LIST)
        return unfit(c, n, column, "is a list: contains and prefix look into texts",
                     "%.*s:x, or q.has \"x\", finds an element", err);
    return unfit(c, n, column, "is no text: contains and prefix look into texts", "", err);
}

static prophet_code fits_order(compiler *c, const node *n, size_t column, prophet_error *err)
{
    const path *p = n->path;

    if (n->op == OP_BETWEEN && ph_value_compare(n->values[0], n->values[1]) > 0)
        return unfit(c, n, column, "is between no two values of which the first is the greater",
                     "%.*s=low..high", err);
    if (p->kind == PH_Q_LIST && count_lists(n) < n->value_count)
        return unfit(c, n, column, "is a list: it comes before and behind no single value", "",
                     err);
    if (p->kind == PH_Q_MANY || (p->kind == PH_Q_REF && p->steps[p->count - 1].kind != STEP_ID))
        return unfit(c, n, column, "refers to records, which have no order of their own",
                     "name a field of theirs, as in %.*s.n<3", err);
    return PROPHET_OK;
}

/* What holds for no record, or for all, is refused in the text form, and single values are elements of a list; column: of the field. A host
 * may compare what it likes by a spec. */
static prophet_code fits(compiler *c, node *n, size_t column, prophet_error *err)
{
    if (column == 0)
        return PROPHET_OK;
    switch (n->op) {
    case OP_PREFIX:
    case OP_CONTAINS: return fits_text(c, n, column, err);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
    case OP_BETWEEN: return fits_order(c, n, column, err);
    case OP_EQ:
    case OP_IN:
        if (n->path->kind == PH_Q_LIST && n->value_count > 0 && count_lists(n) == 0)
            n->op = OP_HAS_ANY;
        return PROPHET_OK;
    default: return PROPHET_OK;
    }
}

static prophet_code field_condition(compiler *c, node *n, arguments *a, prophet_error *err)
{
    size_t want = a->op->args == ARG_FIELD ? 1 : a->op->args == ARG_RANGE ? 3 : 2;
    prophet_code rc;

    if (a->count != want)
        return wrong_count(a,
                           want == 1   ? "a field"
                           : want == 3 ? "a field, the lowest and the highest value"
                                       : "a field and a value",
                           err);
    next_column(c, a);
    if ((rc = field_of(c, n, a->raw[0], err)) < 0) {
        if (rc == PROPHET_EFIELD && c->column > 0 && err && !err->hint[0] &&
            !memchr(n->path->text.data, '.', n->path->text.len))
            ph_hint(err, "text to look for that has a sign in it stands in quotes");
        return rc;
    }
    size_t column = c->column;
    switch (a->op->args) {
    case ARG_VALUE:
    case ARG_RANGE: rc = take_values(c, n, a, a->raw + 1, want - 1, err); break;
    case ARG_VALUES: rc = take_list(c, n, a, err); break;
    case ARG_TEXT: rc = take_text(c, n, a, err); break;
    case ARG_TYPED: rc = take_typed(c, n, a, err); break;
    default: break;
    }
    return rc < 0 ? rc : fits(c, n, column, err);
}

static int cheap_first(const void *a, const void *b)
{
    const node *x = *(node *const *)a, *y = *(node *const *)b;
    return (x->cost > y->cost) - (x->cost < y->cost);
}

static prophet_code inner_conditions(compiler *c, node *n, const arguments *a, unsigned depth,
                                     prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (a->op->args == ARG_CONDITION && a->count != 1)
        return wrong_count(a, "one condition", err);
    n->kids = ph_arena_alloc(c->a, (a->count + 1) * sizeof *n->kids);
    if (!n->kids)
        return ph_nomem(err);
    for (size_t i = 0; i < a->count && rc >= 0; i++) {
        rc = ph_query_condition(c, a->raw[i], depth, &n->kids[i], err);
        n->kid_count += rc >= 0;
        n->cost += rc >= 0 ? n->kids[i]->cost : 0;
    }
    if (n->op == OP_OR && a->count == 0)
        n->op = OP_FALSE;
    if (rc >= 0 && n->kid_count > 1)
        qsort(n->kids, n->kid_count, sizeof(node *), cheap_first);
    return rc;
}

prophet_code ph_query_condition(compiler *c, prophet_slice raw, unsigned depth, node **out,
                                prophet_error *err)
{
    node *n = ph_arena_zalloc(c->a, sizeof *n),
         *outer = ph_arena_zalloc(c->a, sizeof *outer + sizeof n);
    arguments a = { .op = NULL };
    prophet_code rc;

    if (depth == 0)
        return ph_fail(err, PROPHET_EUSAGE, "conditions are nested more than %d deep", QUERY_DEPTH);
    if (!n || !outer)
        return ph_nomem(err);
    if ((rc = open_condition(c, raw, &a, err)) < 0)
        return rc;
    n->op = a.op->op;
    if (a.op->args == ARG_CONDITIONS || a.op->args == ARG_CONDITION)
        rc = inner_conditions(c, n, &a, depth - 1, err);
    else if (a.op->args == ARG_MATCH)
        rc = take_match(c, n, &a, err);
    else if (a.op->args != ARG_NONE)
        rc = field_condition(c, n, &a, err);
    *out = n;
    if (rc < 0 || !a.op->negate)
        return rc;
    *outer = (node){
        .op = OP_NOT, .kids = (node **)(void *)(outer + 1), .kid_count = 1, .cost = n->cost
    };
    outer->kids[0] = n;
    *out = outer;
    return PROPHET_OK;
}
