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
    { "status", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "any", { F_ANY, PH_Q_ANY, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "due", { F_DUE, PH_Q_TIME, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "milestone", { F_REF, PH_Q_REF, PH_Q_ANY, W_TO("milestone"), { 0 }, false, 1, 0, { 0 } } },
    { "tags", { F_TAGS, PH_Q_SET, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "list", { F_LIST, PH_Q_LIST, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "votes", { F_VOTES, PH_Q_COUNTER, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "comments", { 0, PH_Q_MANY, PH_Q_ANY, W_TO("comment"), W_TO("ticket"), false, 1, 0, { 0 } } },
    { "watch", { F_WATCH, PH_Q_SET, PH_Q_REF, W_TO("milestone"), { 0 }, false, 1, 0, { 0 } } },
    { "overdue", { 0, PH_Q_COMPUTED, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "body", { F_BODY, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, true, 1, 0, { 0 } } },
    { "unused", { 0, PH_Q_INT, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
};
static const world_field milestone_fields[] = {
    { "name", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "any", { F_ANY, PH_Q_ANY, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
};
static const world_field comment_fields[] = {
    { "text", { F_STATUS, PH_Q_TEXT, PH_Q_ANY, { 0 }, { 0 }, false, 1, 0, { 0 } } },
    { "ticket", { F_REF, PH_Q_REF, PH_Q_ANY, W_TO("ticket"), { 0 }, false, 1, 0, { 0 } } },
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

/* ---- indexes ------------------------------------------------------------------------------------------------ */

typedef struct world_index {
    uint32_t    type, id;
    const char *spec;
    size_t      count;
    uint32_t    fields[2];
    bool        desc[2];
    uint8_t     kinds[2];
} world_index;
static const world_index world_indexes[] = {
    { TICKET, 101, "status", 1, { F_STATUS }, { false }, { PH_IX_PLAIN } },
    { TICKET, 102, "any", 1, { F_ANY }, { false }, { PH_IX_PLAIN } },
    { TICKET, 103, "due", 1, { F_DUE }, { false }, { PH_IX_PLAIN } },
    { TICKET, 104, "milestone", 1, { F_REF }, { false }, { PH_IX_PLAIN } },
    { TICKET, 105, "tags", 1, { F_TAGS }, { false }, { PH_IX_SET } },
    { TICKET, 106, "votes", 1, { F_VOTES }, { false }, { PH_IX_COUNTER } },
    { TICKET, 107, "-list", 1, { F_LIST }, { true }, { PH_IX_LIST } },
    { TICKET, 108, "watch", 1, { F_WATCH }, { false }, { PH_IX_SET } },
    { TICKET, 109, "status,-due", 2, { F_STATUS, F_DUE }, { false, true }, { PH_IX_PLAIN, PH_IX_PLAIN } },
    { TICKET, 110, "-votes,milestone", 2, { F_VOTES, F_REF }, { true, false }, { PH_IX_COUNTER, PH_IX_PLAIN } },
    { TICKET, 111, "tags,status", 2, { F_TAGS, F_STATUS }, { false, false }, { PH_IX_SET, PH_IX_PLAIN } },
    { MILESTONE, 112, "name", 1, { F_STATUS }, { false }, { PH_IX_PLAIN } },
    { COMMENT, 113, "ticket", 1, { F_REF }, { false }, { PH_IX_PLAIN } },
};
enum { W_INDEXES = sizeof world_indexes / sizeof *world_indexes };
static unsigned world_indexed; /* bits: which of them are there */

static inline ph_index_def world_def(const world_index *x)
{
    return (ph_index_def){ x->id, x->count, x->fields, x->desc, x->kinds, ph_slice_str(x->spec) };
}

static inline prophet_code world_indexes_of(void *ctx, prophet_slice type, const ph_index_def **out, size_t *count, prophet_error *err)
{
    static ph_index_def defs[W_INDEXES];
    uint32_t id = 0;

    (void)ctx;
    (void)world_type(NULL, type, &id, err);
    *count = 0;
    *out = defs;
    for (size_t i = 0; i < W_INDEXES; i++)
        if (world_indexes[i].type == id)
            defs[(*count)++] = world_def(&world_indexes[i]);
    return PROPHET_OK;
}

static const ph_query_schema world_schema = { NULL, world_type, world_field_of, world_names, world_indexes_of, NULL, NULL };

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
    char longer[503];
    size_t len = 497 + test_below(5); /* cut in keys, told apart by their ends alone */

    memset(longer, 'x', sizeof longer);
    longer[len - 1] = (char)('w' + test_below(3));
    ph_put_text(&b, test_below(6) ? ph_slice_str(world_texts[test_below(8)]) : ph_slice(longer, len));
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
    REQUIRE_OK(ph_numbers_put(w->at.txn, m->number, type, &m->uuid, &(ph_history_entry){ 0 }, &err), &err);
    ph_buf_clear(&scratch);
}

/* The rows that replica/secondary.c would write. */
static inline void world_index_row(world *w, const ph_index_def *def, const world_record *m, prophet_slice element)
{
    ph_buf key = PH_BUF_INIT;
    prophet_error err;
    size_t cut = 0;

    ph_buf_u32be(&key, def->id);
    for (size_t i = 0; i < def->count; i++) {
        const world_cell *c = &m->cells[def->fields[i]];
        prophet_slice value = c->set ? element : c->there ? c->value : ph_slice(NULL, 0);
        if (ph_ordered_put(&key, value, def->desc[i], PH_IX_ROOM / def->count) && !cut)
            cut = key.len - PH_IX_CUT;
    }
    ph_buf_u64be(&key, m->number);
    REQUIRE_OK(ph_ix_put(w->at.txn, ph_buf_slice(&key), &m->uuid, cut, &err), &err);
    ph_buf_clear(&key);
}

static inline void world_index_record(world *w, const ph_index_def *def, const world_record *m)
{
    const world_cell *set = NULL;
    uint8_t odd[13];
    prophet_error err;
    ph_item list, one;

    for (size_t i = 0; i < def->count; i++) {
        const world_cell *c = &m->cells[def->fields[i]];
        if (c->there && c->set)
            set = c;
        if (!c->there || c->set || def->kinds[i] == PH_IX_LIST || ph_value_kind(c->value) != PH_LIST)
            continue;
        ph_ix_odd_prefix(def->id, odd);
        ph_u64be_put(odd + 5, m->number);
        REQUIRE_OK(ph_ix_put(w->at.txn, ph_slice(odd, sizeof odd), &m->uuid, 0, &err), &err);
        return;
    }
    if (!set) {
        world_index_row(w, def, m, ph_slice(NULL, 0));
        return;
    }
    (void)ph_value_open(set->value, &list);
    for (ph_reader in = ph_reader_of(list.s); ph_read_item(&in, &one);)
        world_index_row(w, def, m, one.raw);
}

static inline void world_index_all(world *w)
{
    prophet_error err;

    for (size_t i = 0; i < W_INDEXES; i++) {
        const world_index *x = &world_indexes[i];
        const ph_index_def def = world_def(x);
        if (!(world_indexed >> i & 1))
            continue;
        for (size_t n = 0; n < w->count; n++)
            if (w->records[n].type == x->type && w->records[n].alive)
                world_index_record(w, &def, &w->records[n]);
        REQUIRE_OK(ph_ix_mark(w->at.txn, x->type, &def, &err), &err);
    }
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
    world_index_all(w);
    return w;
}

static inline void world_free(world *w)
{
    place_close(&w->at);
    ph_arena_clear(&w->arena);
    free(w);
}

#endif
