/* Random conditions, orders, limits and cursors against a filter over the model, written from the rules in query.h. */
#include "query_world.h"

/* ---- what paths lead to, in the model ---------------------------------------------------------------------- */

typedef struct shown {
    prophet_slice value;
    bool set;
} shown;
typedef struct shown_list {
    shown at[512];
    size_t count;
} shown_list;

static void add_shown(shown_list *l, prophet_slice value, bool set)
{
    REQUIRE(l->count < 512);
    l->at[l->count++] = (shown){ value, set };
}

static const world_record *model_target(const world *w, uint32_t type, const uint8_t *uuid)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->records[i].type == type && w->records[i].alive &&
            memcmp(w->records[i].uuid.b, uuid, 16) == 0)
            return &w->records[i];
    return NULL;
}

static void cell_shown(const world_record *m, uint32_t field, shown_list *out)
{
    if (m->cells[field].there)
        add_shown(out, m->cells[field].value, m->cells[field].set);
}

typedef enum where_path {
    P_STATUS,
    P_ANY,
    P_DUE,
    P_REF,
    P_TAGS,
    P_LIST,
    P_VOTES,
    P_MANY,
    P_WATCH,
    P_N,
    P_ID,
    P_UNUSED,
    P_REF_NAME,
    P_REF_ANY,
    P_MANY_TEXT,
    P_WATCH_NAME,
    P_MANY_BACK,
    PATHS
} where_path;
static const char *const path_names[] = { "status",
                                          "any",
                                          "due",
                                          "milestone",
                                          "tags",
                                          "list",
                                          "votes",
                                          "comments",
                                          "watch",
                                          "n",
                                          "id",
                                          "unused",
                                          "milestone.name",
                                          "milestone.any",
                                          "comments.text",
                                          "watch.name",
                                          "comments.ticket.status" };

static void refs_to(const world *w, prophet_slice value, uint32_t field, shown_list *out)
{
    ph_item x, one;

    REQUIRE(ph_value_open(value, &x));
    ph_reader in = ph_reader_of(x.kind == PH_LIST ? x.s : x.raw);
    while (ph_read_item(&in, &one)) {
        const world_record *t = one.kind == PH_REF ? model_target(w, MILESTONE, one.s.data) : NULL;
        if (t)
            cell_shown(t, field, out);
    }
}

static void model_comments(world *w, const world_record *m, where_path p, shown_list *out)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_ref(&b, &m->uuid);
    prophet_slice here = keep(w, &b);

    for (size_t i = 0; i < w->count; i++) {
        const world_record *c = &w->records[i];
        if (c->type != COMMENT || !c->alive || !c->cells[F_REF].there ||
            !ph_slice_eq(c->cells[F_REF].value, here))
            continue;
        if (p == P_MANY) {
            ph_put_ref(&b, &c->uuid);
            add_shown(out, keep(w, &b), false);
        } else if (p == P_MANY_TEXT) {
            cell_shown(c, F_STATUS, out);
        } else if (m->alive) {
            cell_shown(m, F_STATUS, out);
        }
    }
}

static void model_path(world *w, const world_record *m, where_path p, shown_list *out)
{
    static const uint32_t plain[] = { F_STATUS, F_ANY,   F_DUE, F_REF,  F_TAGS,
                                      F_LIST,   F_VOTES, 0,     F_WATCH };
    ph_buf b = PH_BUF_INIT;

    out->count = 0;
    switch (p) {
    case P_MANY:
    case P_MANY_TEXT:
    case P_MANY_BACK: model_comments(w, m, p, out); break;
    case P_N: add_shown(out, int_value(&w->arena, (int64_t)m->number), false); break;
    case P_ID:
        ph_put_ref(&b, &m->uuid);
        add_shown(out, keep(w, &b), false);
        break;
    case P_UNUSED: break;
    case P_REF_NAME:
    case P_REF_ANY:
        if (m->cells[F_REF].there)
            refs_to(w, m->cells[F_REF].value, p == P_REF_NAME ? F_STATUS : F_ANY, out);
        break;
    case P_WATCH_NAME:
        if (m->cells[F_WATCH].there)
            refs_to(w, m->cells[F_WATCH].value, F_STATUS, out);
        break;
    default: cell_shown(m, plain[p], out);
    }
}

/* ---- conditions -------------------------------------------------------------------------------------------- */

typedef struct cond {
    const char *op;
    struct cond *kids[3];
    size_t kid_count;
    where_path path;
    prophet_slice values[6];
    size_t value_count;
    bool list; /* the values are told as one list */
    const char *words;
} cond;

static bool same(prophet_slice a, prophet_slice b)
{
    return ph_value_compare(a, b) == 0;
}

static bool holds_for(const cond *c, prophet_slice v)
{
    int order = c->value_count ? ph_value_compare(v, c->values[0]) : 0;
    ph_item x, y;

    if (strcmp(c->op, "eq") == 0)
        return order == 0;
    if (strcmp(c->op, "lt") == 0)
        return order < 0;
    if (strcmp(c->op, "le") == 0)
        return order <= 0;
    if (strcmp(c->op, "gt") == 0)
        return order > 0;
    if (strcmp(c->op, "ge") == 0)
        return order >= 0;
    if (strcmp(c->op, "between") == 0)
        return order >= 0 && ph_value_compare(v, c->values[1]) <= 0;
    if (strcmp(c->op, "in") == 0) {
        for (size_t i = 0; i < c->value_count; i++)
            if (same(v, c->values[i]))
                return true;
        return false;
    }
    if (!ph_value_open(v, &x) || !ph_value_open(c->values[0], &y) ||
        (x.kind != PH_TEXT && x.kind != PH_BYTES) || x.s.len < y.s.len)
        return false;
    for (size_t i = 0; i + y.s.len <= x.s.len && (i == 0 || strcmp(c->op, "contains") == 0); i++)
        if (memcmp((const char *)x.s.data + i, y.s.data, y.s.len) == 0)
            return true;
    return false;
}

static bool has_value(prophet_slice list, prophet_slice value)
{
    ph_item x, one;

    REQUIRE(ph_value_open(list, &x));
    ph_reader in = ph_reader_of(x.s);
    while (ph_read_item(&in, &one))
        if (same(one.raw, value))
            return true;
    return false;
}

static bool holds_shown(const cond *c, const shown *s)
{
    bool list = ph_value_kind(s->value) == PH_LIST;
    ph_item x, one;
    size_t found = 0;

    if (strncmp(c->op, "has", 3) == 0) {
        for (size_t i = 0; i < c->value_count && list; i++)
            found += has_value(s->value, c->values[i]);
        return list && (strcmp(c->op, "has_all") == 0 ? found == c->value_count : found > 0);
    }
    if (!s->set)
        return holds_for(c, s->value);
    REQUIRE(ph_value_open(s->value, &x));
    ph_reader in = ph_reader_of(x.s);
    while (ph_read_item(&in, &one)) {
        if (holds_for(c, one.raw))
            return true;
        found += ph_value_kind(c->values[0]) == PH_LIST && has_value(c->values[0], one.raw);
    }
    if (strcmp(c->op, "eq") != 0 || ph_value_kind(c->values[0]) != PH_LIST ||
        found != (uint64_t)x.i)
        return false;
    REQUIRE(ph_value_open(c->values[0], &one));
    in = ph_reader_of(one.s);
    while (ph_read_item(&in, &x))
        if (!has_value(s->value, x.raw))
            return false;
    return true;
}

static bool model_holds(world *w, const world_record *m, const cond *c)
{
    static shown_list values;
    bool any = false, all = true;

    for (size_t i = 0; i < c->kid_count; i++) {
        bool h = model_holds(w, m, c->kids[i]);
        any |= h;
        all &= h;
    }
    if (strcmp(c->op, "and") == 0)
        return all;
    if (strcmp(c->op, "or") == 0)
        return any;
    if (strcmp(c->op, "not") == 0 || strcmp(c->op, "none") == 0)
        return !any;
    if (strcmp(c->op, "true") == 0 || strcmp(c->op, "false") == 0)
        return c->op[0] == 't';
    cond positive = *c;
    bool negated = strcmp(c->op, "ne") == 0 || strcmp(c->op, "not_in") == 0;
    positive.op = strcmp(c->op, "ne") == 0 ? "eq" : strcmp(c->op, "not_in") == 0 ? "in" : c->op;
    model_path(w, m, c->path, &values);
    if (strcmp(c->op, "present") == 0 || strcmp(c->op, "missing") == 0)
        return (values.count > 0) == (c->op[0] == 'p');
    for (size_t i = 0; i < values.count; i++)
        any |= holds_shown(&positive, &values.at[i]);
    return any != negated;
}

static cond *random_cond(world *w, unsigned depth)
{
    static const struct {
        const char *op;
        int values;
    } leaves[] = { { "eq", 1 },       { "eq", 1 },      { "ne", 1 },        { "lt", 1 },
                   { "le", 1 },       { "gt", 1 },      { "ge", 1 },        { "between", 2 },
                   { "in", -1 },      { "not_in", -1 }, { "has", 1 },       { "has_any", -1 },
                   { "has_all", -1 }, { "prefix", -2 }, { "contains", -2 }, { "present", 0 },
                   { "missing", 0 } };
    static const char *const inner[] = { "and", "or", "not", "none", "true", "false" };
    cond *c = ph_arena_zalloc(&w->arena, sizeof *c);

    if (depth && test_below(3) == 0) {
        c->op = inner[test_below(test_below(4) ? 4 : 6)];
        c->kid_count = strcmp(c->op, "not") == 0            ? 1
                       : c->op[0] == 't' || c->op[0] == 'f' ? 0
                                                            : test_below(4);
        for (size_t i = 0; i < c->kid_count; i++)
            c->kids[i] = random_cond(w, depth - 1);
        return c;
    }
    size_t leaf = test_below(sizeof leaves / sizeof *leaves);
    c->op = leaves[leaf].op;
    c->path = (where_path)test_below(PATHS);
    c->list = leaves[leaf].values == -1;
    c->value_count = leaves[leaf].values >= 0 ? (size_t)leaves[leaf].values
                     : c->list                ? test_below(7)
                                              : 1;
    for (size_t i = 0; i < c->value_count; i++) {
        bool ref = c->path == P_REF || c->path == P_MANY || c->path == P_WATCH || c->path == P_ID;
        uint32_t to = c->path == P_MANY ? COMMENT : c->path == P_ID ? TICKET : MILESTONE;
        c->values[i] = leaves[leaf].values == -2 || (!ref && c->path != P_DUE && test_below(2))
                           ? any_text(w)
                       : ref && test_below(3) ? any_ref(w, to)
                                              : any_value(w, 1);
        if ((ref || c->path == P_DUE) && ph_value_kind(c->values[i]) == PH_TEXT &&
            leaves[leaf].values != -2)
            c->values[i] = int_value(&w->arena, 1); /* a text would have to be an id or a time */
    }
    return c;
}

static void put_cond(ph_buf *b, const cond *c)
{
    bool inner = c->kid_count > 0 || strcmp(c->op, "and") == 0 || strcmp(c->op, "or") == 0 ||
                 strcmp(c->op, "none") == 0;
    bool bare = !inner && (strcmp(c->op, "true") == 0 || strcmp(c->op, "false") == 0);

    ph_put_list(b, 1u + (inner ? c->kid_count : bare ? 0 : 1 + (c->list ? 1 : c->value_count)));
    ph_put_text(b, ph_slice_str(c->op));
    for (size_t i = 0; i < c->kid_count; i++)
        put_cond(b, c->kids[i]);
    if (inner || bare)
        return;
    ph_put_text(b, ph_slice_str(path_names[c->path]));
    if (c->list)
        ph_put_list(b, c->value_count);
    for (size_t i = 0; i < c->value_count; i++)
        ph_buf_put(b, c->values[i].data, c->values[i].len);
}

/* ---- orders -------------------------------------------------------------------------------------------------- */

typedef struct asked {
    const cond *where;
    where_path order[3];
    bool desc[3];
    size_t order_count;
    int64_t limit; /* -1: none */
    bool deleted;
    prophet_slice after;
} asked;

typedef struct found {
    const world_record *m;
    prophet_slice keys[3];
} found;

static const asked *sorting;

static int in_order(const void *a, const void *b)
{
    const found *x = a, *y = b;

    for (size_t i = 0; i < sorting->order_count; i++) {
        int c = x->keys[i].len && y->keys[i].len ? ph_value_compare(x->keys[i], y->keys[i])
                                                 : (x->keys[i].len > 0) - (y->keys[i].len > 0);
        if (c)
            return sorting->desc[i] ? -c : c;
    }
    return (x->m->number > y->m->number) - (x->m->number < y->m->number);
}

static size_t model_find(world *w, const asked *q, found *out)
{
    static shown_list values;
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++) {
        const world_record *m = &w->records[i];
        if (m->type != TICKET || m->alive == q->deleted ||
            (q->where && !model_holds(w, m, q->where)))
            continue;
        out[n] = (found){ .m = m };
        for (size_t k = 0; k < q->order_count; k++) {
            model_path(w, m, q->order[k], &values);
            for (size_t j = 0; j < values.count; j++) {
                int c = out[n].keys[k].len ? ph_value_compare(values.at[j].value, out[n].keys[k])
                        : q->desc[k]       ? 1
                                           : -1;
                if (q->desc[k] ? c > 0 : c < 0)
                    out[n].keys[k] = values.at[j].value;
            }
        }
        n++;
    }
    sorting = q;
    qsort(out, n, sizeof *out, in_order);
    return n;
}

static void put_query(ph_buf *b, const asked *q)
{
    ph_put_map(b, 1u + (size_t)(q->where != NULL) + (q->after.len > 0) + (q->limit >= 0) +
                      (q->order_count > 0) + q->deleted);
    ph_put_text(b, ph_slice_str("type"));
    ph_put_text(b, ph_slice_str("ticket"));
    if (q->after.len) {
        ph_put_text(b, ph_slice_str("after"));
        ph_buf_put(b, q->after.data, q->after.len);
    }
    if (q->limit >= 0) {
        ph_put_text(b, ph_slice_str("limit"));
        ph_put_int(b, q->limit);
    }
    if (q->order_count) {
        ph_put_text(b, ph_slice_str("order"));
        ph_put_list(b, q->order_count);
        for (size_t i = 0; i < q->order_count; i++) {
            char name[40];
            bool pair = test_below(2);
            snprintf(name, sizeof name, "%s%s", q->desc[i] && !pair ? "-" : "",
                     path_names[q->order[i]]);
            if (pair)
                ph_put_list(b, 2);
            ph_put_text(b, ph_slice_str(name));
            if (pair)
                ph_put_bool(b, q->desc[i]);
        }
    }
    if (q->where) {
        ph_put_text(b, ph_slice_str("where"));
        put_cond(b, q->where);
    }
    if (q->deleted) {
        ph_put_text(b, ph_slice_str("deleted"));
        ph_put_bool(b, true);
    }
}

static asked random_query(world *w)
{
    asked q = { .limit = -1 };

    q.where = test_below(10) ? random_cond(w, 3) : NULL;
    q.order_count = test_below(4);
    for (size_t i = 0; i < q.order_count; i++) {
        q.order[i] = (where_path)test_below(PATHS);
        q.desc[i] = test_below(2);
    }
    if (test_below(2))
        q.limit = (int64_t)test_below(12);
    q.deleted = test_below(10) == 0;
    return q;
}

static void check_query(world *w, const asked *q)
{
    found want[W_RECORDS];
    ph_buf spec = PH_BUF_INIT, shown_spec = PH_BUF_INIT;
    prophet_error err;
    ph_query *c = NULL;
    ph_query_iter *it = NULL;
    ph_row row;
    uint64_t count = 0;
    size_t n = model_find(w, q, want), at = 0;
    prophet_code rc = PROPHET_OK;

    if (q->limit >= 0 && n > (size_t)q->limit)
        n = (size_t)q->limit;
    put_query(&spec, q);
    ph_json_value(&shown_spec, ph_buf_slice(&spec));
    test_context("%.*s", PH_FMT(ph_buf_slice(&shown_spec)));
    REQUIRE_OK(ph_query_compile(ph_buf_slice(&spec), &world_schema, &c, &err), &err);
    REQUIRE_OK(ph_query_open(c, w->at.txn, NULL, &it, &err), &err);
    while (at < n && (rc = ph_query_next(it, &row, &err)) == PROPHET_OK)
        CHECK_EQ_UINT(row.number, want[at++].m->number);
    CHECK_EQ_UINT(at, n);
    CHECK_CODE(ph_query_next(it, &row, &err), PROPHET_DONE, &err);
    REQUIRE_OK(ph_query_count(c, w->at.txn, NULL, &count, NULL, &err), &err);
    CHECK_EQ_UINT(count, n);
    ph_query_close(it);
    ph_query_free(c);
    ph_buf_clear(&spec);
    ph_buf_clear(&shown_spec);
}

TEST(random_queries_find_what_a_filter_over_the_model_finds)
{
    for (int round = 0; round < 8; round++) {
        world_indexed = round == 0 ? 0 : round < 4 ? ~0u : (unsigned)test_below(1 << W_INDEXES);
        world *w = world_new();
        for (int i = 0; i < 600; i++) {
            asked q = random_query(w);
            check_query(w, &q);
        }
        world_free(w);
    }
}

TEST(pages_by_cursor_make_the_whole_list)
{
    world_indexed = ~0u;
    world *w = world_new();
    prophet_error err;

    for (int round = 0; round < 300; round++) {
        asked q = random_query(w);
        found want[W_RECORDS];
        size_t n = model_find(w, &q, want), at = 0, before = SIZE_MAX;
        ph_buf after = PH_BUF_INIT, shown_spec = PH_BUF_INIT;
        q.limit = 1 + (int64_t)test_below(7);
        while (at != before) {
            ph_buf spec = PH_BUF_INIT;
            ph_query *c = NULL;
            ph_query_iter *it = NULL;
            ph_row row;
            before = at;
            q.after = ph_buf_slice(&after);
            put_query(&spec, &q);
            ph_buf_reset(&shown_spec);
            ph_json_value(&shown_spec, ph_buf_slice(&spec));
            test_context("%.*s", PH_FMT(ph_buf_slice(&shown_spec)));
            REQUIRE_OK(ph_query_compile(ph_buf_slice(&spec), &world_schema, &c, &err), &err);
            REQUIRE_OK(ph_query_open(c, w->at.txn, NULL, &it, &err), &err);
            while (ph_query_next(it, &row, &err) == PROPHET_OK && CHECK(at < n)) {
                CHECK_EQ_UINT(row.number, want[at++].m->number);
                ph_buf_reset(&after);
                CHECK_OK(ph_query_here(it, &after, &err), &err);
            }
            ph_query_close(it);
            ph_query_free(c);
            ph_buf_clear(&spec);
        }
        CHECK_EQ_UINT(at, n);
        ph_buf_clear(&shown_spec);
        ph_buf_clear(&after);
    }
    world_free(w);
}
