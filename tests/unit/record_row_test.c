/* Records and their rows: random changes against a plain model in memory, and what is stored must be a function of the
 * state alone. */
#include "record/record.h"
#include "record_place.h"
#include <stdlib.h>

enum { FIELDS = 5, MAX_HEADS = 64, MAX_ELEMENTS = 64, MAX_ADDS = 8 };

/* ---- the model ---------------------------------------------------------------------------------------- */

typedef struct model_head {
    uint64_t version;
    prophet_slice value;
} model_head;
typedef struct model_element {
    prophet_slice value;
    uint64_t adds[MAX_ADDS];
    unsigned add_count;
} model_element;
typedef struct model_cell {
    bool is_register, is_set, is_counter, forked, conflict, decided;
    model_head heads[MAX_HEADS];
    unsigned head_count;
    prophet_slice shown;
    model_element elements[MAX_ELEMENTS];
    unsigned element_count;
    int64_t counter;
} model_cell;
typedef struct model_record {
    uint64_t version;
    model_cell cells[FIELDS]; /* field i + 1 */
} model_record;

static unsigned most_heads, most_elements;
static ph_arena values; /* the model's bytes */

static prophet_slice random_value(void)
{
    static const size_t lengths[] = {
        1, 3, 8, 20, 61, 62, 63, 64, 200, 1020, 1021, 1022, 1023, 1500
    };
    uint64_t kind = test_below(10);
    ph_buf b = PH_BUF_INIT;

    if (kind < 5)
        return text_value(&values, test_below(6), lengths[test_below(kind < 4 ? 6 : 14)]);
    if (kind == 5)
        return int_value(&values, (int64_t)test_below(1000) - 500);
    if (kind == 6)
        return ph_slice(NULL, 0);
    ph_uuid u = { { (uint8_t)test_below(4) } };
    if (kind == 7) {
        ph_put_ref(&b, &u);
    } else if (kind == 8) {
        ph_put_list(&b, 2);
        ph_put_int(&b, (int64_t)test_below(9));
        ph_put_list(&b, 0);
    } else {
        ph_put_blob(&b, (const uint8_t *)"0123456789abcdef0123456789abcdef", test_below(9),
                    ph_slice("", 0), ph_slice("n", 1));
    }
    prophet_slice out = ph_arena_copy(&values, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static int by_value(const void *x, const void *y)
{
    const model_element *a = x, *b = y;
    return ph_slice_cmp(a->value, b->value);
}

static size_t distinct(const model_cell *c)
{
    size_t n = 0;
    for (unsigned i = 0; i < c->head_count; i++) {
        bool seen = false;
        for (unsigned k = 0; k < i; k++)
            seen |= ph_slice_eq(c->heads[k].value, c->heads[i].value);
        n += !seen;
    }
    return n;
}

/* ---- the same step on both ------------------------------------------------------------------------------ */

typedef struct both {
    place at;
    ph_arena arena;
    ph_record rec;
    model_record model;
    ph_buf scratch;
} both;

static void settle(model_cell *m, ph_cell *c)
{
    m->conflict = distinct(m) > 1;
    m->decided = m->conflict && test_below(2);
    m->shown = m->heads[0].value;
    if (m->conflict && test_below(3) == 0)
        m->shown = random_value(); /* a merged one */
    else if (m->conflict)
        m->shown = m->heads[test_below(m->head_count)].value;
    c->conflict = m->conflict;
    c->decided = m->decided;
    c->shown = m->shown;
}

static void step_register(both *b, model_cell *m, uint32_t field)
{
    uint64_t over[MAX_HEADS], version = ++b->model.version;
    size_t n = 0, kept = 0;
    bool grow = version / 256 % 3 == 1; /* for a while nobody sees anybody's write */
    bool all = m->head_count > 40 || test_below(grow ? 400 : 8) == 0, none = grow || test_below(2);
    prophet_slice value = random_value();
    prophet_error err;
    ph_cell *c;

    REQUIRE_OK(ph_record_cell_make(&b->rec, field, &b->arena, &c, &err), &err);
    if (m->is_register)
        REQUIRE_OK(ph_cell_load(b->at.txn, &b->rec, c, &b->arena, &err), &err);
    REQUIRE_OK(ph_cell_head_room(c, &b->arena, &err), &err);
    for (unsigned i = 0; i < m->head_count; i++)
        if (all || (!none && test_below(2)))
            over[n++] = m->heads[i].version;
        else
            m->heads[kept++] = m->heads[i];
    m->head_count = (unsigned)kept;
    m->forked |= kept > 0;
    m->heads[m->head_count++] = (model_head){ version, value };
    m->is_register = true;
    size_t count = 0;
    for (size_t i = 0; i < c->head_count; i++) {
        bool named = false;
        for (size_t k = 0; k < n; k++)
            named |= over[k] == c->heads[i].version;
        if (!named)
            c->heads[count++] = c->heads[i];
    }
    c->heads[count] = (ph_head){ version, value };
    c->head_count = (uint32_t)count + 1;
    c->is_register = true;
    c->forked |= count > 0;
    c->dirty = b->rec.dirty = true;
    settle(m, c);
    most_heads = m->head_count > most_heads ? m->head_count : most_heads;
}

static model_element *model_find(model_cell *m, prophet_slice value)
{
    for (unsigned i = 0; i < m->element_count; i++)
        if (ph_slice_eq(m->elements[i].value, value))
            return &m->elements[i];
    return NULL;
}

static void step_set(both *b, model_cell *m, uint32_t field)
{
    uint64_t version = ++b->model.version;
    bool add = test_below(m->element_count > 40 ? 8 : 3) > 0 && m->element_count < MAX_ELEMENTS - 1;
    bool over_all = test_below(3) > 0;
    prophet_slice value = text_value(&values, test_below(60), test_below(6) ? 20 : 300);
    prophet_error err;
    ph_cell *c;
    ph_element *e;

    if (m->element_count > 0 && !add)
        value = m->elements[test_below(m->element_count)].value;
    REQUIRE_OK(ph_record_cell_make(&b->rec, field, &b->arena, &c, &err), &err);
    c->is_set = m->is_set = c->dirty = b->rec.dirty = true;
    REQUIRE_OK(ph_cell_element(b->at.txn, &b->rec, c, value, &b->arena, &e, &err), &err);
    model_element *me = model_find(m, value);
    CHECK_EQ_INT(e->add_count, me ? me->add_count : 0);
    if (!me) {
        me = &m->elements[m->element_count++];
        *me = (model_element){ .value = value };
    }
    if (over_all || me->add_count == MAX_ADDS)
        me->add_count = 0;
    if (add)
        me->adds[me->add_count++] = version;
    memcpy(e->adds, me->adds, me->add_count * sizeof *e->adds);
    e->add_count = me->add_count;
    if (me->add_count == 0)
        *me = m->elements[--m->element_count];
    most_elements = m->element_count > most_elements ? m->element_count : most_elements;
}

static void step_clear(both *b, model_cell *m, uint32_t field)
{
    uint64_t versions[MAX_ELEMENTS];
    size_t n = 0;
    prophet_error err;
    ph_cell *c = ph_record_cell(&b->rec, field);

    b->model.version++;
    if (!c || !m->is_set)
        return;
    for (unsigned i = 0; i < m->element_count;) {
        model_element *e = &m->elements[i++];
        if (test_below(5) == 0)
            continue;
        versions[n++] = e->adds[--e->add_count];
        if (e->add_count == 0) {
            *e = m->elements[--m->element_count];
            i--;
        }
    }
    CHECK_OK(ph_cell_clear(b->at.txn, &b->rec, c, versions, n, &b->arena, &err), &err);
}

static void step(both *b)
{
    uint32_t i = (uint32_t)test_below(FIELDS);
    model_cell *m = &b->model.cells[i];
    uint64_t what = test_below(i == 4 ? 8 : 4);
    prophet_error err;
    ph_cell *c;

    if (i == 0 || i == 3 || what >= 6) {
        step_register(b, m, i + 1);
    } else if (i == 1 && what == 0) {
        REQUIRE_OK(ph_record_cell_make(&b->rec, i + 1, &b->arena, &c, &err), &err);
        b->model.version++;
        m->is_counter = c->is_counter = c->dirty = b->rec.dirty = true;
        m->counter += (int64_t)test_below(100) - 50;
        c->counter = m->counter;
    } else if (test_below(20) == 0) {
        step_clear(b, m, i + 1);
    } else {
        step_set(b, m, i + 1);
    }
    b->rec.version = b->model.version;
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

static void check_cell(both *b, uint32_t field, const model_cell *m)
{
    prophet_error err;
    ph_cell *c = ph_record_cell(&b->rec, field);

    if (!m->is_register && !m->is_set && !m->is_counter)
        return;
    REQUIRE(c != NULL);
    if (c->is_set)
        CHECK_EQ_INT(c->element_total, m->element_count);
    REQUIRE_OK(ph_cell_load(b->at.txn, &b->rec, c, &b->arena, &err), &err);
    CHECK(c->is_register == m->is_register && c->is_set == m->is_set &&
          c->is_counter == m->is_counter);
    CHECK(c->forked == m->forked && c->conflict == m->conflict && c->decided == m->decided);
    CHECK(ph_slice_eq(c->shown, m->shown));
    CHECK_EQ_INT(c->counter, m->counter);
    REQUIRE(c->head_count == m->head_count && c->element_count == m->element_count);
    for (unsigned i = 0; i < m->head_count; i++)
        CHECK(c->heads[i].version == m->heads[i].version &&
              ph_slice_eq(c->heads[i].value, m->heads[i].value));
    model_cell sorted = *m;
    qsort(sorted.elements, sorted.element_count, sizeof *sorted.elements, by_value);
    for (unsigned i = 0; i < m->element_count; i++) {
        CHECK(ph_slice_eq(c->elements[i].value, sorted.elements[i].value));
        REQUIRE(c->elements[i].add_count == sorted.elements[i].add_count);
        CHECK_MEM(c->elements[i].adds, sorted.elements[i].adds,
                  sorted.elements[i].add_count * sizeof(uint64_t));
    }
}

static prophet_slice model_shown(const model_cell *m, ph_shown_kind *kind)
{
    ph_buf b = PH_BUF_INIT;
    model_cell sorted = *m;

    *kind = m->is_register && m->shown.len ? PH_SHOWN_REGISTER
            : m->element_count             ? PH_SHOWN_SET
            : m->is_counter                ? PH_SHOWN_COUNTER
                                           : PH_SHOWN_NONE;
    if (*kind == PH_SHOWN_REGISTER)
        return m->shown;
    if (*kind == PH_SHOWN_COUNTER) {
        ph_put_int(&b, m->counter);
    } else if (*kind == PH_SHOWN_SET) {
        qsort(sorted.elements, sorted.element_count, sizeof *sorted.elements, by_value);
        ph_put_list(&b, sorted.element_count);
        for (unsigned i = 0; i < m->element_count; i++)
            ph_buf_put(&b, sorted.elements[i].value.data, sorted.elements[i].value.len);
    }
    prophet_slice out = ph_arena_copy(&values, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static void check_row(both *b)
{
    uint8_t key[20] = { 0, 0, 0, 7 };
    prophet_slice row;
    prophet_error err;
    ph_row r;
    ph_shown s;
    size_t pos = 0;
    unsigned seen = 0, want = 0;

    memcpy(key + 4, b->rec.uuid.b, 16);
    REQUIRE_OK(ph_txn_get(b->at.txn, PH_T_RECORDS, ph_slice(key, 20), &row, &err), &err);
    REQUIRE(ph_row_open(ph_slice(key, 20), row, &r));
    CHECK_EQ_UINT(r.version, b->model.version);
    CHECK_EQ_UINT(r.number, 42);
    CHECK(r.alive && r.type == 7);
    for (uint32_t i = 0; i < FIELDS; i++) {
        ph_shown_kind kind;
        prophet_slice value = model_shown(&b->model.cells[i], &kind);
        REQUIRE_OK(ph_row_field(b->at.txn, &r, i + 1, &b->arena, &s, &err), &err);
        CHECK_EQ_INT(s.kind, kind);
        CHECK(ph_slice_eq(s.value, value));
        want += kind != PH_SHOWN_NONE;
    }
    while (ph_row_next(b->at.txn, &r, &pos, &b->arena, &s, &err) == PROPHET_OK)
        seen++;
    CHECK_EQ_INT(seen, want);
    REQUIRE_OK(ph_row_field(b->at.txn, &r, 99, &b->arena, &s, &err), &err);
    CHECK_EQ_INT(s.kind, PH_SHOWN_NONE);
}

static void put_life(ph_record *r, ph_arena *a)
{
    prophet_error err;

    REQUIRE_OK(ph_cell_head_room(&r->life, a, &err), &err);
    r->life.is_register = r->life.dirty = true;
    r->life.heads[0] = (ph_head){ 1, ph_slice("\x65"
                                              "alive",
                                              6) };
    r->life.head_count = 1;
}

/* Writes the model's state as if it had always been so, into a store of its own. */
static void check_same_as_fresh(both *b, place *fresh)
{
    ph_uuid uuid = { { 9 } };
    ph_record r;
    ph_cell *c;
    prophet_error err;

    CHECK_OK(ph_txn_empty(fresh->txn, PH_T_RECORDS, &err), &err);
    CHECK_OK(ph_txn_empty(fresh->txn, PH_T_CELLS, &err), &err);
    CHECK_CODE(ph_record_load(fresh->txn, 7, &uuid, &b->arena, &r, &err), PROPHET_DONE, &err);
    r.number = 42;
    r.version = b->model.version;
    put_life(&r, &b->arena);
    for (uint32_t i = 0; i < FIELDS; i++) {
        const model_cell *m = &b->model.cells[i];
        ph_element *e;
        if (!m->is_register && !m->is_set && !m->is_counter)
            continue;
        REQUIRE_OK(ph_record_cell_make(&r, i + 1, &b->arena, &c, &err), &err);
        *c = (ph_cell){ .field = i + 1,
                        .is_register = m->is_register,
                        .is_set = m->is_set,
                        .is_counter = m->is_counter,
                        .forked = m->forked,
                        .conflict = m->conflict,
                        .decided = m->decided,
                        .shown = m->shown,
                        .counter = m->counter,
                        .loaded = true,
                        .dirty = true };
        for (unsigned k = m->head_count; k-- > 0;) { /* the order does not matter */
            REQUIRE_OK(ph_cell_head_room(c, &b->arena, &err), &err);
            c->heads[c->head_count++] = (ph_head){ m->heads[k].version, m->heads[k].value };
        }
        for (unsigned k = 0; k < m->element_count; k++) {
            REQUIRE_OK(
                ph_cell_element(fresh->txn, &r, c, m->elements[k].value, &b->arena, &e, &err),
                &err);
            e->adds = ph_arena_alloc(&b->arena, sizeof m->elements[k].adds);
            memcpy(e->adds, m->elements[k].adds, sizeof m->elements[k].adds);
            e->add_count = m->elements[k].add_count;
        }
    }
    REQUIRE_OK(ph_record_store(fresh->txn, &r, true, &b->scratch, &err), &err);
    check_same_table(b->at.txn, fresh->txn, PH_T_RECORDS);
    check_same_table(b->at.txn, fresh->txn, PH_T_CELLS);
}

static void load(both *b)
{
    ph_uuid uuid = { { 9 } };
    prophet_error err;

    ph_arena_reset(&b->arena);
    REQUIRE_OK(ph_record_load(b->at.txn, 7, &uuid, &b->arena, &b->rec, &err), &err);
}

static bool was_large(void)
{
    return most_heads > PH_INLINE_HEADS + 4 && most_elements > PH_INLINE_ELEMENTS + 4;
}

TEST(random_changes_read_back_and_leave_no_trace_of_how_they_came)
{
    both *b = calloc(1, sizeof *b);
    place fresh = place_open("fresh");
    prophet_error err;
    ph_record copy;

    b->at = place_open("rows");
    b->model.version = 1;
    load(b);
    b->rec.number = 42;
    put_life(&b->rec, &b->arena);
    /* until both kinds of large cells were met and left again, whatever the seed */
    for (int round = 0; round < 800 || (round < 8000 && !was_large()); round++) {
        test_context("round %d", round);
        uint64_t steps = 1 + test_below(4);
        for (uint64_t i = 0; i < steps; i++)
            step(b);
        if (test_below(4) == 0) { /* what a savepoint does */
            REQUIRE_OK(ph_record_copy(&b->rec, &b->arena, &copy, &err), &err);
            b->rec = copy;
        }
        REQUIRE_OK(ph_record_store(b->at.txn, &b->rec, test_below(2), &b->scratch, &err), &err);
        CHECK(!b->rec.dirty && b->rec.exists && b->rec.alive);
        check_row(b);
        if (test_below(3)) /* else goes on with the record that was stored */
            load(b);
        if (test_below(5) == 0) {
            check_same_as_fresh(b, &fresh);
            for (uint32_t i = 0; i < FIELDS; i++)
                check_cell(b, i + 1, &b->model.cells[i]);
            load(b);
        }
    }
    CHECK(was_large());
    place_close(&b->at);
    place_close(&fresh);
    ph_arena_clear(&b->arena);
    ph_arena_clear(&values);
    ph_buf_clear(&b->scratch);
    free(b);
}
