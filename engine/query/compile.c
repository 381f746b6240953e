/* compile: a query's spec, member by member. What each means stands in query.h. */
#include "query/query_impl.h"

/* PROPHET_DONE: it is a field. */
static prophet_code take_score(compiler *c, prophet_slice name, order_term *out, prophet_error *err)
{
    ph_query_field f = { .kind = PH_Q_ANY };
    prophet_code rc = c->schema->field(c->schema->ctx, c->q->type_name, name, &f, err);

    if (rc != PROPHET_DONE)
        return rc < 0 ? rc : PROPHET_DONE;
    if (!ph_query_scored(c->q)) {
        ph_fail(err, PROPHET_EUSAGE,
                "score orders what a match finds, and no condition that must hold is one");
        ph_hint(err, "add one, as in q.match \"some words\"");
        return PROPHET_EUSAGE;
    }
    out->path = (path){ .text = ph_slice_str("score") };
    out->score = true;
    return PROPHET_OK;
}

static prophet_code take_order_term(compiler *c, prophet_slice raw, order_term *out,
                                    prophet_error *err)
{
    ph_item x, desc, at;

    if (!ph_value_open(raw, &x))
        x.kind = PH_ABSENT;
    *out = (order_term){ .desc = false };
    if (x.kind == PH_LIST && (x.i == 2 || x.i == 3)) {
        ph_reader in = ph_reader_of(x.s);
        if (ph_read_item(&in, &x) && ph_read_item(&in, &desc) && desc.kind == PH_BOOL)
            out->desc = desc.b;
        if (ph_read_item(&in, &at) && at.kind == PH_INT)
            c->column = (size_t)at.i;
    }
    if (x.kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "order takes names of fields, as in \"-severity\"");
    if (x.s.len > 0 && *(const char *)x.s.data == '-') {
        out->desc = !out->desc;
        x.s = ph_slice((const char *)x.s.data + 1, x.s.len - 1);
    }
    prophet_code rc = PROPHET_DONE;
    if (ph_slice_eq(x.s, ph_slice_str("score")) &&
        (rc = take_score(c, x.s, out, err)) != PROPHET_DONE)
        return rc;
    if ((rc = ph_query_path(c, x.s, &out->path, err)) < 0)
        return rc;
    ph_query_kind kind = out->path.kind;
    if (c->column == 0 || (kind != PH_Q_SET && kind != PH_Q_MAP && kind != PH_Q_MANY))
        return PROPHET_OK;
    ph_fail(err, PROPHET_EUSAGE, "%.*s orders nothing: it is a %s field", PH_FMT(x.s),
            kind == PH_Q_SET   ? "set"
            : kind == PH_Q_MAP ? "map"
                               : "many");
    ph_error_at(err, c->q->type_name, x.s);
    return PROPHET_EUSAGE;
}

static prophet_code take_order(compiler *c, const ph_item *x, prophet_error *err)
{
    ph_reader in = ph_reader_of(x->s);
    ph_item one;
    prophet_code rc = PROPHET_OK;

    c->column = 0;
    if (x->kind != PH_LIST)
        return ph_fail(err, PROPHET_EUSAGE, "order takes a list of fields");
    c->q->order = ph_arena_alloc(c->a, ((size_t)x->i + 1) * sizeof *c->q->order);
    if (!c->q->order)
        return ph_nomem(err);
    while (rc >= 0 && ph_read_item(&in, &one))
        rc = take_order_term(c, one.raw, &c->q->order[c->q->order_count++], err);
    if (rc >= 0)
        c->column = 0;
    return rc;
}

static prophet_code take_limit(compiler *c, const ph_item *x, prophet_error *err)
{
    if (x->kind != PH_INT || x->i < 0)
        return ph_fail(err, PROPHET_EUSAGE, "limit takes a number of records");
    c->q->limited = true;
    c->q->limit = (uint64_t)x->i;
    return PROPHET_OK;
}

static prophet_code take_flag(const ph_item *x, const char *name, bool *out, prophet_error *err)
{
    if (x->kind != PH_BOOL)
        return ph_fail(err, PROPHET_EUSAGE, "%s takes true or false", name);
    *out = x->b;
    return PROPHET_OK;
}

/* After the order is known. */
static prophet_code take_after(compiler *c, const ph_item *x, prophet_error *err)
{
    ph_query *q = c->q;
    ph_reader in = ph_reader_of(x->s);
    ph_item one;
    bool ok = true;

    if (x->kind != PH_LIST || (uint64_t)x->i != q->order_count + 1)
        return ph_fail(err, PROPHET_EUSAGE,
                       "after takes a value for each field of the order, and a record's number");
    if (!(q->after = ph_arena_zalloc(c->a, (q->order_count + 1) * sizeof *q->after)))
        return ph_nomem(err);
    for (size_t i = 0; i < q->order_count; i++) {
        if (!ph_read_item(&in, &one) || one.kind != PH_LIST || one.i > 1)
            return ph_fail(err, PROPHET_EUSAGE,
                           "after takes each value in a list of its own, empty if absent");
        if (one.i == 1)
            q->after[i] = ph_arena_copy(c->a, one.s, &ok);
    }
    if (!ph_read_item(&in, &one) || one.kind != PH_INT || one.i < 0)
        return ph_fail(err, PROPHET_EUSAGE, "after ends in a record's number");
    q->after_number = (uint64_t)one.i;
    q->has_after = true;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code unknown_member(prophet_slice name, prophet_error *err)
{
    static const char *const known[] = { "type",    "where", "order", "limit", "after",
                                         "deleted", "scan",  "using", "group", "count" };
    char text[40];
    size_t len = name.len < sizeof text - 1 ? name.len : sizeof text - 1;

    memcpy(text, name.data, len);
    text[len] = 0;
    const char *close = ph_closest(text, known, sizeof known / sizeof *known);
    ph_fail(err, PROPHET_EUSAGE, "a query has no \"%s\"", text);
    if (close)
        ph_hint(err, "did you mean %s?", close);
    return PROPHET_EUSAGE;
}

/* The members in the order in which they must be read. */
enum {
    M_TYPE,
    M_WHERE,
    M_ORDER,
    M_LIMIT,
    M_AFTER,
    M_DELETED,
    M_SCAN,
    M_USING,
    M_GROUP,
    M_COUNT,
    MEMBERS
};

static prophet_code find_members(prophet_slice spec, ph_item out[MEMBERS], prophet_error *err)
{
    static const char *const names[MEMBERS] = { "type",    "where", "order", "limit", "after",
                                                "deleted", "scan",  "using", "group", "count" };
    ph_item map, key, value;

    if (!ph_value_open(spec, &map) || map.kind != PH_MAP)
        return ph_fail(err, PROPHET_EUSAGE, "a query is a map");
    ph_reader in = ph_reader_of(map.s);
    for (int i = 0; i < MEMBERS; i++)
        out[i].kind = PH_ABSENT;
    while (ph_read_item(&in, &key) && ph_read_item(&in, &value)) {
        int i = 0;
        while (i < MEMBERS && !ph_slice_eq(key.s, ph_slice_str(names[i])))
            i++;
        if (i == MEMBERS)
            return unknown_member(key.s, err);
        out[i] = value;
    }
    if (out[M_TYPE].kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "a query names the type of its records");
    return PROPHET_OK;
}

/* ---- types and their indexes --------------------------------------------------------------------------------- */

static bool copy_index(compiler *c, const ph_index_def *from, query_index *to)
{
    bool ok = true;
    const size_t n = from->count;

    to->def = *from;
    to->def.fields =
        ph_arena_copy(c->a, ph_slice(from->fields, n * sizeof *from->fields), &ok).data;
    to->def.desc = ph_arena_copy(c->a, ph_slice(from->desc, n * sizeof *from->desc), &ok).data;
    to->def.kinds = ph_arena_copy(c->a, ph_slice(from->kinds, n), &ok).data;
    to->def.spec = ph_arena_copy(c->a, from->spec, &ok);
    to->name = to->def.spec;
    return ok;
}

prophet_code ph_query_note_type(compiler *c, prophet_slice name, uint32_t id, prophet_error *err)
{
    const ph_index_def *defs = NULL;
    ph_query *q = c->q;
    size_t count = 0;
    bool ok = true;
    prophet_code rc;

    if (id == 0 || ph_query_type_of(q, id) || !c->schema->indexes)
        return PROPHET_OK;
    if ((rc = c->schema->indexes(c->schema->ctx, name, &defs, &count, err)) < 0)
        return rc;
    if (q->type_count == q->type_cap) {
        size_t cap = q->type_cap ? 2 * q->type_cap : 4;
        query_type *types = ph_arena_alloc(c->a, cap * sizeof *types);
        if (!types)
            return ph_nomem(err);
        if (q->type_count)
            memcpy(types, q->types, q->type_count * sizeof *types);
        q->types = types;
        q->type_cap = cap;
    }
    query_type *t = &q->types[q->type_count];
    *t = (query_type){ .id = id, .name = ph_arena_copy(c->a, name, &ok) };
    if (!ok || !(t->indexes = ph_arena_alloc(c->a, (count + 1) * sizeof *t->indexes)))
        return ph_nomem(err);
    for (size_t i = 0; i < count && ok; i++)
        if (defs[i].id && defs[i].count) /* others have no rows yet */
            ok = copy_index(c, &defs[i], &t->indexes[t->index_count++]);
    q->type_count++;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code note_text(compiler *c, prophet_error *err)
{
    const ph_text_layout *layout = NULL;
    bool ok = true;
    prophet_code rc = c->schema->text && c->q->type
                          ? c->schema->text(c->schema->ctx, c->q->type_name, &layout, err)
                          : PROPHET_DONE;

    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    c->q->text = ph_arena_copy(c->a, ph_slice(layout, sizeof *layout), &ok).data;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code take_using(compiler *c, const ph_item *x, prophet_error *err)
{
    const query_type *t = ph_query_type_of(c->q, c->q->type);
    ph_buf all = PH_BUF_INIT;

    if (x->kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "using takes an index as it is declared");
    for (size_t i = 0; t && i < t->index_count; i++) {
        if (ph_slice_eq(t->indexes[i].name, x->s)) {
            c->q->force = &t->indexes[i];
            ph_buf_clear(&all);
            return PROPHET_OK;
        }
        ph_buf_printf(&all, "%s\"%.*s\"", all.len ? ", " : "", PH_FMT(t->indexes[i].name));
    }
    ph_fail(err, PROPHET_EUSAGE, "%.*s has no index \"%.*s\"", PH_FMT(c->q->type_name),
            PH_FMT(x->s));
    if (all.len)
        ph_hint(err, "it has %.*s", PH_FMT(ph_buf_slice(&all)));
    ph_buf_clear(&all);
    return PROPHET_EUSAGE;
}

static prophet_code take_group(compiler *c, const ph_item *x, prophet_error *err)
{
    path *p = ph_arena_zalloc(c->a, sizeof *p);

    if (!p)
        return ph_nomem(err);
    if (x->kind != PH_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "group takes the name of a field");
    prophet_code rc = ph_query_path(c, x->s, p, err);
    if (rc >= 0 && (p->kind == PH_Q_MANY || p->kind == PH_Q_COMPUTED || p->kind == PH_Q_MAP))
        return ph_fail(err, PROPHET_EUSAGE, "%.*s has no values that rows can be counted by",
                       PH_FMT(x->s));
    c->q->group = p;
    return rc;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

enum { HINT_FIELDS = 3 };

/* What an index could do for a condition: 2: fix the field, 1: read a range of it. */
static int helps(const node *n)
{
    if (n->path_count != 1 || n->path->steps[0].kind != STEP_FIELD || n->op == OP_MATCH)
        return 0;
    if (n->op == OP_EQ || n->op == OP_IN || n->op == OP_HAS_ANY || n->op == OP_HAS_ALL)
        return n->path->count == 1 ? 2 : 1;
    return n->op == OP_BETWEEN || n->op == OP_PREFIX || (n->op >= OP_LT && n->op <= OP_GE);
}

static void add_hint(ph_buf *b, const path *p)
{
    const char *dot = p->count > 1 ? memchr(p->text.data, '.', p->text.len) : NULL;
    prophet_slice first =
        dot ? ph_slice(p->text.data, (size_t)(dot - (const char *)p->text.data)) : p->text;

    if (b->len == 0 || !memmem(b->data, b->len, first.data, first.len))
        ph_buf_printf(b, "%s%.*s", b->len ? "," : "", PH_FMT(first));
}

/* Present or missing: an index reads just these, but a value says more. NULL: it is neither. */
static const path *presence(const node *n)
{
    if (n->op == OP_NOT)
        n = n->kids[0];
    return n->op == OP_PRESENT && n->path->steps[0].kind == STEP_FIELD ? n->path : NULL;
}

/* The index that would help most: fields that are fixed, then one of which a range is read; of a path the reference. Where all fit, one that
 * has the first of them in order, or tells their groups. */
static bool find_hint(ph_query *q)
{
    const node *n = q->where;
    node *const alone[1] = { q->where };
    bool many = n && n->op == OP_AND, ok = true;
    node *const *list = many ? n->kids : alone;
    size_t count = many ? n->kid_count : n != NULL, fields = 0;
    ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < count && fields < HINT_FIELDS; i++)
        if (helps(list[i]) == 2) {
            add_hint(&b, list[i]->path);
            fields++;
        }
    for (size_t i = 0; i < count; i++)
        if (helps(list[i]) == 1) {
            add_hint(&b, list[i]->path);
            break;
        }
    for (size_t i = 0; i < count && b.len == 0; i++)
        if (presence(list[i]))
            add_hint(&b, presence(list[i]));
    if (!n && q->limited && q->order_count == 1 && !q->order->score && q->order->path.count == 1 &&
        q->order->path.steps[0].kind == STEP_FIELD)
        add_hint(&b, &q->order->path);
    if (!n && q->group && q->group->count == 1 && q->group->steps[0].kind == STEP_FIELD)
        add_hint(&b, q->group);
    q->hint = ph_arena_copy(&q->arena, ph_buf_slice(&b), &ok);
    ok = ok && !b.failed;
    ph_buf_clear(&b);
    return ok;
}

static prophet_code compile(compiler *c, prophet_slice spec, prophet_error *err)
{
    ph_item m[MEMBERS];
    bool ok = true;
    prophet_code rc;

    if ((rc = find_members(spec, m, err)) < 0)
        return rc;
    c->q->type_name = ph_arena_copy(c->a, m[M_TYPE].s, &ok);
    if (!ok)
        return ph_nomem(err);
    if ((rc = c->schema->type(c->schema->ctx, c->q->type_name, &c->q->type, err)) < 0 ||
        (rc = ph_query_note_type(c, c->q->type_name, c->q->type, err)) < 0)
        return rc;
    if ((rc = note_text(c, err)) < 0)
        return rc;
    if (m[M_WHERE].kind != PH_ABSENT &&
        (rc = ph_query_condition(c, m[M_WHERE].raw, QUERY_DEPTH, &c->q->where, err)) < 0)
        return rc;
    c->column = 0;
    if ((m[M_ORDER].kind != PH_ABSENT && (rc = take_order(c, &m[M_ORDER], err)) < 0) ||
        (m[M_LIMIT].kind != PH_ABSENT && (rc = take_limit(c, &m[M_LIMIT], err)) < 0) ||
        (m[M_AFTER].kind != PH_ABSENT && (rc = take_after(c, &m[M_AFTER], err)) < 0) ||
        (m[M_DELETED].kind != PH_ABSENT &&
         (rc = take_flag(&m[M_DELETED], "deleted", &c->q->deleted, err)) < 0) ||
        (m[M_SCAN].kind != PH_ABSENT &&
         (rc = take_flag(&m[M_SCAN], "scan", &c->q->scan, err)) < 0) ||
        (m[M_USING].kind != PH_ABSENT && (rc = take_using(c, &m[M_USING], err)) < 0) ||
        (m[M_GROUP].kind != PH_ABSENT && (rc = take_group(c, &m[M_GROUP], err)) < 0) ||
        (m[M_COUNT].kind != PH_ABSENT &&
         (rc = take_flag(&m[M_COUNT], "count", &c->q->count, err)) < 0))
        return rc;
    if (c->q->where &&
        (c->q->where->op == OP_TRUE || (c->q->where->op == OP_AND && c->q->where->kid_count == 0)))
        c->q->where = NULL; /* all */
    return find_hint(c->q) ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_query_compile(prophet_slice spec, const ph_query_schema *schema, ph_query **out,
                              prophet_error *err)
{
    ph_query *q = ph_zalloc(sizeof *q);

    if (!q)
        return ph_nomem(err);
    compiler c = { schema, q, &q->arena, 0 };
    prophet_code rc = compile(&c, spec, err);
    if (rc < 0) {
        if (c.column > 0)
            ph_context(err, "column %zu", c.column);
        ph_query_free(q);
        return rc;
    }
    *out = q;
    return PROPHET_OK;
}

void ph_query_free(ph_query *q)
{
    if (!q)
        return;
    ph_arena_clear(&q->arena);
    ph_free(q);
}

uint32_t ph_query_type(const ph_query *q)
{
    return q->type;
}
