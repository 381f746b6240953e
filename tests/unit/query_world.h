/* Records of three types to ask about, in a store and in a plain model: tickets refer to milestones, comments to tickets.
 *
 * ticket     1 text  2 any value  3 time  4 ref milestone  5 set of any  6 list of any  7 counter  8 many comments  9 set of refs
 *            (to milestones)  10 computed  11 fulltext
 * milestone  1 text  2 any          comment  1 text  4 ref ticket */
#ifndef TEST_QUERY_WORLD_H
#define TEST_QUERY_WORLD_H
#include "query/query.h"
#include "record_place.h"
#include <stdlib.h>

enum { TICKET = 1, MILESTONE = 2, COMMENT = 3, W_FIELDS = 12, W_RECORDS = 60 };
enum { F_STATUS = 1, F_ANY, F_DUE, F_REF, F_TAGS, F_LIST, F_VOTES, F_MANY, F_WATCH, F_COMPUTED, F_BODY };

typedef struct world_cell {
    bool          there, set;
    prophet_slice value; /* sets: canonical list */
} world_cell;
typedef struct world_record {
    uint32_t   type;
    uint64_t   number;
    ph_uuid    uuid;
    bool       alive;
    world_cell cells[W_FIELDS];
} world_record;
typedef struct world {
    place        at;
    ph_arena     arena;
    world_record records[3 * W_RECORDS];
    size_t       count;
} world;

/* ---- the schema ------------------------------------------------------------------------------------------ */

typedef struct world_field {
    const char    *name;
    ph_query_field field;
} world_field;
#define W_TO(text) { text, sizeof text - 1 }
static const world_field ticket_fields[] = {
    { "status", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "any", { F_ANY, PH_Q_ANY, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "due", { F_DUE, PH_Q_TIME, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "milestone", { F_REF, PH_Q_REF, PH_Q_ANY, W_TO("milestone"), { 0 }, false } },
    { "tags", { F_TAGS, PH_Q_SET, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "list", { F_LIST, PH_Q_LIST, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "votes", { F_VOTES, PH_Q_COUNTER, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "comments", { 0, PH_Q_MANY, PH_Q_ANY, W_TO("comment"), W_TO("ticket"), false } },
    { "watch", { F_WATCH, PH_Q_SET, PH_Q_REF, W_TO("milestone"), { 0 }, false } },
    { "overdue", { 0, PH_Q_COMPUTED, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "body", { F_BODY, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, true } },
    { "unused", { 0, PH_Q_INT, PH_Q_ANY, { 0 }, { 0 }, false } },
};
static const world_field milestone_fields[] = {
    { "name", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "any", { F_ANY, PH_Q_ANY, PH_Q_ANY, { 0 }, { 0 }, false } },
};
static const world_field comment_fields[] = {
    { "text", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false } },
    { "ticket", { F_REF, PH_Q_REF, PH_Q_ANY, W_TO("ticket"), { 0 }, false } },
};

static inline const world_field *world_fields(prophet_slice type, size_t *count)
{
    if (ph_slice_eq(type, ph_slice_str("ticket"))) {
        *count = sizeof ticket_fields / sizeof *ticket_fields;
        return ticket_fields;
    }
    if (ph_slice_eq(type, ph_slice_str("milestone"))) {
        *count = sizeof milestone_fields / sizeof *milestone_fields;
        return milestone_fields;
    }
    *count = sizeof comment_fields / sizeof *comment_fields;
    return comment_fields;
}

static inline prophet_code world_type(void *ctx, prophet_slice name, uint32_t *id, prophet_error *err)
{
    static const char *const names[] = { "ticket", "milestone", "comment" };

    (void)ctx;
    for (uint32_t i = 0; i < 3; i++)
        if (ph_slice_eq(name, ph_slice_str(names[i]))) {
            *id = i + 1;
            return PROPHET_OK;
        }
    return ph_fail(err, PROPHET_ETYPE, "no type \"%.*s\"", PH_FMT(name));
}

static inline prophet_code world_field_of(void *ctx, prophet_slice type, prophet_slice name, ph_query_field *out, prophet_error *err)
{
    size_t count;
    const world_field *f = world_fields(type, &count);

    (void)ctx, (void)err;
    for (size_t i = 0; i < count; i++)
        if (ph_slice_eq(name, ph_slice_str(f[i].name))) {
            *out = f[i].field;
            return PROPHET_OK;
        }
    return PROPHET_DONE;
}

static inline prophet_code world_names(void *ctx, prophet_slice type, ph_arena *a, const char *const **names, size_t *count, prophet_error *err)
{
    const world_field *f = world_fields(type, count);
    const char **out = ph_arena_alloc(a, *count * sizeof *out);

    (void)ctx, (void)err;
    for (size_t i = 0; i < *count; i++)
        out[i] = f[i].name;
    *names = out;
    return PROPHET_OK;
}

static const ph_query_schema world_schema = { NULL, world_type, world_field_of, world_names };

/* ---- values ------------------------------------------------------------------------------------------------ */

static inline prophet_slice keep(world *w, ph_buf *b)
{
    prophet_slice out = ph_arena_copy(&w->arena, ph_buf_slice(b), NULL);
    ph_buf_clear(b);
    return out;
}

static const char *const world_texts[] = { "", "a", "ab", "abc", "b", "Crash on save", "save the crash", "open" };

static inline prophet_slice any_text(world *w)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_text(&b, ph_slice_str(world_texts[test_below(8)]));
    return keep(w, &b);
}

static inline prophet_slice any_ref(world *w, uint32_t type)
{
    ph_buf b = PH_BUF_INIT;
    ph_uuid u = { { (uint8_t)type, (uint8_t)test_below(8) } }; /* 0 to 7: some dangle */
    ph_put_ref(&b, &u);
    return keep(w, &b);
}

static inline prophet_slice any_value(world *w, unsigned depth)
{
    ph_buf b = PH_BUF_INIT;

    switch (test_below(depth ? 8 : 6)) {
    case 0: ph_put_int(&b, (int64_t)test_below(5) - 2); break;
    case 1: ph_put_float(&b, ((double)test_below(9) - 4) / 2); break;
    case 2: return any_text(w);
    case 3: ph_put_bool(&b, test_below(2)); break;
    case 4: ph_put_time(&b, (int64_t)test_below(4)); break;
    case 5: return any_ref(w, MILESTONE);
    case 6: {
        size_t n = test_below(3);
        ph_put_list(&b, n);
        for (size_t i = 0; i < n; i++) {
            prophet_slice v = any_value(w, 0);
            ph_buf_put(&b, v.data, v.len);
        }
        break;
    }
    default: ph_put_bytes(&b, ph_slice("ab", test_below(3)));
    }
    return keep(w, &b);
}

/* ---- filling ------------------------------------------------------------------------------------------------ */

static inline int w_by_bytes(const void *a, const void *b)
{
    return ph_slice_cmp(*(const prophet_slice *)a, *(const prophet_slice *)b);
}

/* Up to 20 distinct elements, more than lie in a row. */
static inline void world_set(world *w, ph_record *r, uint32_t field, world_cell *cell, bool refs)
{
    prophet_slice values[20];
    size_t n = test_below(8) ? test_below(4) : test_below(21), kept = 0;
    ph_buf b = PH_BUF_INIT;
    prophet_error err;
    ph_cell *c;
    ph_element *e;

    for (size_t i = 0; i < n; i++)
        values[i] = refs ? any_ref(w, MILESTONE) : n > 5 ? int_value(&w->arena, (int64_t)i) : any_value(w, 1);
    qsort(values, n, sizeof *values, w_by_bytes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !ph_slice_eq(values[i], values[i - 1]))
            values[kept++] = values[i];
    ph_put_list(&b, kept);
    REQUIRE_OK(ph_record_cell_make(r, field, &w->arena, &c, &err), &err);
    c->is_set = true;
    for (size_t i = 0; i < kept; i++) {
        ph_buf_put(&b, values[i].data, values[i].len);
        REQUIRE_OK(ph_cell_element(w->at.txn, r, c, values[i], &w->arena, &e, &err), &err);
        e->adds[e->add_count++] = 1;
    }
    *cell = (world_cell){ kept > 0, true, keep(w, &b) };
}

static inline void world_register(world *w, ph_record *r, uint32_t field, world_cell *cell, prophet_slice value)
{
    prophet_error err;
    ph_cell *c;

    *cell = (world_cell){ true, false, value };
    REQUIRE_OK(ph_record_cell_make(r, field, &w->arena, &c, &err), &err);
    REQUIRE_OK(ph_cell_head_room(c, &w->arena, &err), &err);
    c->heads[0] = (ph_head){ 1, value };
    c->head_count = 1;
    c->is_register = true;
}

static inline void world_ticket(world *w, ph_record *r, world_record *m)
{
    ph_buf b = PH_BUF_INIT;
    prophet_error err;
    ph_cell *c;

    if (test_below(4))
        world_register(w, r, F_STATUS, &m->cells[F_STATUS], any_text(w));
    if (test_below(4))
        world_register(w, r, F_ANY, &m->cells[F_ANY], any_value(w, 1));
    if (test_below(2)) {
        ph_put_time(&b, (int64_t)test_below(4));
        world_register(w, r, F_DUE, &m->cells[F_DUE], keep(w, &b));
    }
    if (test_below(4))
        world_register(w, r, F_REF, &m->cells[F_REF], any_ref(w, MILESTONE));
    if (test_below(3))
        world_set(w, r, F_TAGS, &m->cells[F_TAGS], false);
    if (test_below(3)) {
        prophet_slice one = any_value(w, 1);
        ph_put_list(&b, 1);
        ph_buf_put(&b, one.data, one.len);
        world_register(w, r, F_LIST, &m->cells[F_LIST], keep(w, &b));
    }
    m->cells[F_VOTES] = (world_cell){ true, false, int_value(&w->arena, 0) };
    if (test_below(2)) {
        REQUIRE_OK(ph_record_cell_make(r, F_VOTES, &w->arena, &c, &err), &err);
        c->is_counter = true;
        c->counter = (int64_t)test_below(3);
        m->cells[F_VOTES].value = int_value(&w->arena, c->counter);
    }
    if (test_below(2))
        world_set(w, r, F_WATCH, &m->cells[F_WATCH], true);
    if (test_below(2))
        world_register(w, r, F_BODY, &m->cells[F_BODY], any_text(w));
}

static inline void world_add(world *w, uint32_t type, uint8_t n)
{
    world_record *m = &w->records[w->count++];
    ph_buf scratch = PH_BUF_INIT;
    prophet_error err;
    ph_record r;

    *m = (world_record){ .type = type, .number = (uint64_t)test_below(1000) * 200 + w->count, .alive = test_below(6) > 0 };
    m->uuid.b[0] = (uint8_t)type;
    m->uuid.b[1] = n;
    CHECK_CODE(ph_record_load(w->at.txn, type, &m->uuid, &w->arena, &r, &err), PROPHET_DONE, &err);
    r.number = m->number;
    world_register(w, &r, PH_LIFE, &(world_cell){ 0 }, m->alive ? ph_slice("\x65" "alive", 6) : ph_slice("\x64" "dead", 5));
    if (type == TICKET) {
        world_ticket(w, &r, m);
    } else {
        if (test_below(4))
            world_register(w, &r, F_STATUS, &m->cells[F_STATUS], any_text(w));
        if (type == MILESTONE && test_below(3))
            world_register(w, &r, F_ANY, &m->cells[F_ANY], any_value(w, 1));
        if (type == COMMENT && test_below(5))
            world_register(w, &r, F_REF, &m->cells[F_REF], any_ref(w, TICKET));
    }
    REQUIRE_OK(ph_record_store(w->at.txn, &r, false, &scratch, &err), &err);
    REQUIRE_OK(ph_numbers_put(w->at.txn, m->number, type, &m->uuid, &err), &err);
    ph_buf_clear(&scratch);
}

static inline world *world_new(void)
{
    static unsigned worlds;
    world *w = calloc(1, sizeof *w);
    char name[20];

    snprintf(name, sizeof name, "world%u", worlds++);
    w->at = place_open(name);
    for (uint8_t i = 0; i < W_RECORDS; i++)
        world_add(w, TICKET, i);
    for (uint8_t i = 0; i < 6; i++)
        world_add(w, MILESTONE, i);
    for (uint8_t i = 0; i < 20; i++)
        world_add(w, COMMENT, i);
    return w;
}

static inline void world_free(world *w)
{
    place_close(&w->at);
    ph_arena_clear(&w->arena);
    free(w);
}

#endif
