/* Damaged rows are refused or read as something else, but never read past their end: each row here ends at the end of
 * its own allocation, so that the sanitizer sees a byte too many. */
#include "record/record.h"
#include "record_place.h"
#include <stdlib.h>

/* A row with a cell of every shape that lies within it. */
static prophet_slice sample(place *p, ph_arena *a)
{
    ph_uuid uuid = { { 9 } };
    uint8_t key[20] = { 0, 0, 0, 7, 9 };
    ph_buf scratch = PH_BUF_INIT;
    prophet_slice row;
    prophet_error err;
    ph_record r;
    ph_cell *c;
    ph_element *e;

    CHECK_CODE(ph_record_load(p->txn, 7, &uuid, a, &r, &err), PROPHET_DONE, &err);
    r.number = 42;
    for (uint32_t f = 0; f < 12; f++) {
        REQUIRE_OK(ph_record_cell_make(&r, f * 50, a, &c, &err), &err);
        c->is_register = f < 6 || f == 9;
        for (uint32_t i = 0; i < (f == 2 || f == 9 ? 3 : 1) && c->is_register; i++) {
            REQUIRE_OK(ph_cell_head_room(c, a, &err), &err);
            c->heads[c->head_count++] =
                (ph_head){ 3 + f + i, f == 3 ? ph_slice("\x82\x01\xf5", 3)
                                             : text_value(a, i, f == 4 ? 2000 : 9) };
        }
        c->conflict = f == 2 || f == 9;
        c->shown = c->conflict ? c->heads[1].value : c->shown;
        c->is_set = f >= 6 && f < 11;
        for (uint32_t i = 0; i < (f == 8 ? 20 : 4) && c->is_set; i++) {
            REQUIRE_OK(ph_cell_element(p->txn, &r, c, int_value(a, i), a, &e, &err), &err);
            e->adds[e->add_count++] = f == 6 ? 4 : 3 + i;
        }
        c->is_counter = f >= 10;
        c->counter = -70000;
    }
    r.life.heads[0].value = ph_slice("\x65"
                                     "alive",
                                     6);
    REQUIRE_OK(ph_record_store(p->txn, &r, false, &scratch, &err), &err);
    REQUIRE_OK(ph_txn_get(p->txn, PH_T_RECORDS, ph_slice(key, sizeof key), &row, &err), &err);
    ph_buf_clear(&scratch);
    return ph_arena_copy(a, row, NULL);
}

/* Everything that reads a row. Returns how many fields it showed, -1 when it was refused. */
static int read_all(place *p, prophet_slice bytes)
{
    static const uint8_t key[20] = { 0, 0, 0, 7, 9 };
    void *exact = malloc(bytes.len ? bytes.len : 1);
    ph_arena a = PH_ARENA_INIT;
    ph_record r;
    ph_row row;
    ph_shown s;
    ph_item item;
    size_t pos = 0;
    int n = 0;
    prophet_code rc = PROPHET_ECORRUPT;
    prophet_error err = { .code = 0 };

    memcpy(exact, bytes.data, bytes.len);
    prophet_slice copy = ph_slice(exact, bytes.len);
    if (ph_row_open(ph_slice(key, sizeof key), copy, &row)) {
        while ((rc = ph_row_next(p->txn, &row, &pos, &a, &s, &err)) == PROPHET_OK) {
            n++;
            (void)ph_value_open(s.value, &item);
        }
        for (uint32_t f = 0; f < 700; f += 50)
            if (ph_row_field(p->txn, &row, f, &a, &s, &err) < 0)
                CHECK_EQ_INT(err.code, PROPHET_ECORRUPT);
    }
    if (rc < 0)
        n = -1;
    rc = ph_record_decode(ph_slice(key, sizeof key), copy, true, &a, &r, &err);
    for (uint32_t i = 0; i < r.cell_count && rc == PROPHET_OK; i++)
        rc = ph_cell_load(p->txn, &r, &r.cells[i], &a, &err);
    if (rc < 0) {
        CHECK_EQ_INT(err.code, PROPHET_ECORRUPT);
        CHECK_HAS(err.message, "index row of 09");
        CHECK_HAS(err.hint, "prophet rebuild");
    }
    ph_arena_clear(&a);
    free(exact);
    return n;
}

TEST(a_cut_row_is_refused)
{
    place p = place_open("cut");
    ph_arena a = PH_ARENA_INIT;
    prophet_slice row = sample(&p, &a);

    CHECK_EQ_INT(read_all(&p, row), 11);
    for (size_t len = 0; len < row.len; len++) {
        test_context("%zu of %zu bytes", len, row.len);
        CHECK(read_all(&p, ph_slice(row.data, len)) < 11);
    }
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(changed_bytes_never_lead_past_the_end)
{
    place p = place_open("flip");
    ph_arena a = PH_ARENA_INIT;
    prophet_slice row = sample(&p, &a);
    uint8_t *bytes = malloc(row.len);
    size_t refused = 0;

    for (int round = 0; round < 20000; round++) {
        test_context("round %d", round);
        memcpy(bytes, row.data, row.len);
        for (uint64_t i = 0, n = 1 + test_below(3); i < n; i++)
            bytes[test_below(row.len)] =
                test_below(2) ? (uint8_t)test_random() : (uint8_t)(0xff << test_below(8));
        refused += read_all(&p, ph_slice(bytes, row.len)) < 0;
    }
    CHECK(refused > 1000);
    free(bytes);
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(a_row_of_its_own_that_is_gone_is_damage)
{
    place p = place_open("gone");
    ph_arena a = PH_ARENA_INIT;
    prophet_slice row = sample(&p, &a);
    prophet_error err;

    CHECK_OK(ph_txn_empty(p.txn, PH_T_CELLS, &err), &err);
    CHECK_EQ_INT(read_all(&p, row), -1);
    ph_arena_clear(&a);
    place_close(&p);
}
