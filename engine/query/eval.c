/* eval: does a row fit a condition? The meaning of each stands in query.h.
 *
 * A comparison is asked of every value its path leads to until one holds. Nearly all are one clean scalar of the
 * row itself, compared by its bytes. */
#include "query/query_impl.h"

/* Values that equal only themselves: no number could be written otherwise, nothing inside could be one. */
static inline bool plain(prophet_slice v)
{
    uint8_t first = *(const uint8_t *)v.data;
    return first != 0xfb && first >> 5 != 4 && first >> 5 != 5;
}

static inline bool equal(prophet_slice a, prophet_slice b)
{
    if (ph_slice_eq(a, b))
        return true;
    return !(plain(a) && plain(b)) && ph_value_compare(a, b) == 0;
}

static bool among(const node *n, prophet_slice value)
{
    size_t low = 0, high = n->value_count;

    if (high <= 4) {
        for (; low < high; low++)
            if (equal(value, n->values[low]))
                return true;
        return false;
    }
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = ph_value_compare(value, n->values[mid]);
        if (c == 0)
            return true;
        if (c > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

/* Bytes of a text or byte string. */
static bool bytes_of(prophet_slice value, prophet_slice *out)
{
    ph_item x;

    if (!ph_value_open(value, &x) || (x.kind != PH_TEXT && x.kind != PH_BYTES))
        return false;
    *out = x.s;
    return true;
}

static bool test_text(const node *n, prophet_slice value)
{
    prophet_slice part = n->values[0], whole;

    if (!bytes_of(value, &whole) || whole.len < part.len)
        return false;
    if (part.len == 0)
        return true;
    if (n->op == OP_PREFIX)
        return memcmp(whole.data, part.data, part.len) == 0;
    return memmem(whole.data, whole.len, part.data, part.len) != NULL;
}

static bool test_one(const node *n, prophet_slice value)
{
    switch (n->op) {
    case OP_EQ: return equal(value, n->values[0]);
    case OP_LT: return ph_value_compare(value, n->values[0]) < 0;
    case OP_LE: return ph_value_compare(value, n->values[0]) <= 0;
    case OP_GT: return ph_value_compare(value, n->values[0]) > 0;
    case OP_GE: return ph_value_compare(value, n->values[0]) >= 0;
    case OP_BETWEEN:
        return ph_value_compare(value, n->values[0]) >= 0 &&
               ph_value_compare(value, n->values[1]) <= 0;
    case OP_IN:
    case OP_HAS_ANY: return among(n, value);
    case OP_PREFIX:
    case OP_CONTAINS: return test_text(n, value);
    default: return false;
    }
}

static bool any_element(const node *n, const ph_item *list)
{
    ph_reader in = ph_reader_of(list->s);
    ph_item one;

    while (ph_read_item(&in, &one))
        if (test_one(n, one.raw))
            return true;
    return false;
}

static bool has_element(const ph_item *list, prophet_slice value)
{
    ph_reader in = ph_reader_of(list->s);
    ph_item one;

    while (ph_read_item(&in, &one))
        if (equal(one.raw, value))
            return true;
    return false;
}

static bool has_all(const node *n, const ph_item *list)
{
    for (size_t i = 0; i < n->value_count; i++)
        if (!has_element(list, n->values[i]))
            return false;
    return true;
}

static bool all_equal(const node *n, prophet_slice value)
{
    for (size_t i = 0; i < n->value_count; i++)
        if (!equal(value, n->values[i]))
            return false;
    return true;
}

/* eq of a set and a list: the same elements, in whatever order the list tells them. */
static bool same_elements(const ph_item *set, prophet_slice value)
{
    ph_item list, one;

    if (!ph_value_open(value, &list) || list.kind != PH_LIST)
        return false;
    ph_reader in = ph_reader_of(list.s);
    while (ph_read_item(&in, &one))
        if (!has_element(set, one.raw))
            return false;
    in = ph_reader_of(set->s);
    while (ph_read_item(&in, &one))
        if (!has_element(&list, one.raw))
            return false;
    return true;
}

static bool test_value(const node *n, prophet_slice value, bool set)
{
    bool has = n->op == OP_HAS_ANY || n->op == OP_HAS_ALL;
    ph_item x;

    if (n->op == OP_PRESENT)
        return true;
    if (!set && !has)
        return test_one(n, value);
    if (!ph_value_open(value, &x))
        return false;
    if (x.kind != PH_LIST) /* written where the field was declared otherwise: the only element */
        return n->path->kind == PH_Q_SET &&
               (n->op == OP_HAS_ALL ? all_equal(n, value) : test_one(n, value));
    if (n->op == OP_HAS_ALL)
        return has_all(n, &x);
    return any_element(n, &x) || (n->op == OP_EQ && same_elements(&x, n->values[0]));
}

typedef struct test_visit {
    path_visit base;
    const node *n;
    bool holds;
} test_visit;

static bool see_test(path_visit *v, prophet_slice value, bool set)
{
    test_visit *t = (test_visit *)v;

    t->holds = test_value(t->n, value, set);
    return t->holds;
}

/* ---- full text, read from the rows ------------------------------------------------------------------------ */

typedef struct text_visit {
    path_visit base;
    ph_arena *arena;
    match_text *texts;
    size_t count, cap;
    size_t path; /* of the node's */
    bool nomem;
} text_visit;

static bool see_text(path_visit *v, prophet_slice value, bool set)
{
    text_visit *t = (text_visit *)v;
    prophet_slice text;
    ph_item x, one;

    if (ph_value_kind(value) == PH_LIST) {
        if (!ph_value_open(value, &x))
            return false;
        ph_reader in = ph_reader_of(x.s);
        while (ph_read_item(&in, &one))
            if (one.kind == PH_TEXT)
                (void)see_text(v, one.raw, set);
        return false;
    }
    if (!bytes_of(value, &text))
        return false;
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        match_text *texts = ph_arena_alloc(t->arena, cap * sizeof *texts);
        if (!texts) {
            t->nomem = true;
            return true;
        }
        if (t->count)
            memcpy(texts, t->texts, t->count * sizeof *texts);
        t->texts = texts;
        t->cap = cap;
    }
    t->texts[t->count++] = (match_text){ .text = text, .path = t->path };
    return false;
}

prophet_code ph_query_match_read(query_run *r, const node *n, const ph_row *row, match_text **texts,
                                 size_t *count, prophet_error *err)
{
    text_visit v = { .base = { .see = see_text }, .arena = &r->row_arena };
    prophet_code rc = PROPHET_OK;

    for (v.path = 0; v.path < n->path_count && rc >= 0; v.path++)
        rc = ph_query_walk(r, &n->path[v.path], row, &v.base, err);
    *texts = v.texts;
    *count = v.count;
    if (rc < 0 || v.nomem)
        return rc < 0 ? rc : ph_nomem(err);
    return ph_query_match_words(r, n, v.texts, v.count, err);
}

static prophet_code eval_match(query_run *r, const node *n, const ph_row *row, bool *holds,
                               prophet_error *err)
{
    match_text *texts;
    size_t count;
    prophet_code rc = ph_query_match_read(r, n, row, &texts, &count, err);

    *holds = rc >= 0 && ph_query_match_holds(n, texts, count);
    return rc;
}

/* ---- conditions ------------------------------------------------------------------------------------------- */

static prophet_code eval_kids(query_run *r, const node *n, const ph_row *row, bool *holds,
                              prophet_error *err)
{
    bool until = n->op == OP_OR;
    prophet_code rc = PROPHET_OK;

    *holds = !until;
    for (size_t i = 0; i < n->kid_count && rc >= 0 && *holds != until; i++)
        rc = ph_query_eval(r, n->kids[i], row, holds, err);
    return rc;
}

prophet_code ph_query_eval(query_run *r, const node *n, const ph_row *row, bool *holds,
                           prophet_error *err)
{
    prophet_code rc;

    switch (n->op) {
    case OP_TRUE:
    case OP_FALSE: *holds = n->op == OP_TRUE; return PROPHET_OK;
    case OP_AND:
    case OP_OR: return eval_kids(r, n, row, holds, err);
    case OP_NOT:
        rc = ph_query_eval(r, n->kids[0], row, holds, err);
        *holds = !*holds;
        return rc;
    case OP_MATCH: return eval_match(r, n, row, holds, err);
    default: break;
    }
    test_visit v = { { see_test, false }, n, false };
    rc = ph_query_walk(r, n->path, row, &v.base, err);
    *holds = v.holds;
    return rc;
}
