/* Ballots: one row each, told once, counted in the record's row. */
#include "record/record.h"
#include "record_place.h"

static void check_ballot(const ph_stored_ballot *got, const ph_stored_ballot *want)
{
    CHECK_EQ_UINT(got->version, want->version);
    CHECK(got->by_resolver == want->by_resolver && ph_slice_eq(got->choice, want->choice));
    CHECK(ph_slice_eq(got->resolver, want->resolver) && ph_slice_eq(got->reason, want->reason));
    REQUIRE(got->seen_count == want->seen_count);
    for (uint32_t i = 0; i < want->seen_count; i++)
        CHECK(got->seen[i] == want->seen[i] &&
              ph_slice_eq(got->seen_values[i], want->seen_values[i]));
}

TEST(ballots_come_back_as_they_were_put)
{
    place p = place_open("ballots");
    ph_arena a = PH_ARENA_INIT;
    ph_buf scratch = PH_BUF_INIT;
    ph_uuid uuid = { { 1 } };
    uint64_t seen[] = { 3, 4, 5 };
    prophet_slice x = text_value(&a, 1, 8), y = text_value(&a, 2, 3000), none = ph_slice(NULL, 0);
    prophet_slice held[] = { x, y, none };
    ph_stored_ballot ballots[] = {
        { .version = 10,
          .choice = x,
          .seen = seen,
          .seen_values = held,
          .seen_count = 2,
          .reason = ph_slice_str("why") },
        { .version = 11,
          .choice = none,
          .seen = seen,
          .seen_values = held,
          .seen_count = 3,
          .by_resolver = true,
          .resolver = ph_slice_str("latest@00ff"),
          .reason = none },
        { .version = 300,
          .choice = text_value(&a, 3, 5),
          .seen = seen,
          .seen_values = held,
          .seen_count = 1 },
    };
    prophet_error err;
    ph_record r;
    ph_cell *c;
    ph_stored_ballot *out;
    size_t count;

    CHECK_CODE(ph_record_load(p.txn, 1, &uuid, &a, &r, &err), PROPHET_DONE, &err);
    r.number = 1;
    REQUIRE_OK(ph_record_cell_make(&r, 5, &a, &c, &err), &err);
    for (int i = 2; i >= 0; i--)
        CHECK_OK(ph_cell_ballot_put(p.txn, &r, c, &ballots[i], &scratch, &err), &err);
    CHECK_OK(ph_cell_ballot_put(p.txn, &r, c, &ballots[1], &scratch, &err), &err); /* again */
    CHECK_OK(ph_record_store(p.txn, &r, false, &scratch, &err), &err);
    REQUIRE_OK(ph_record_load(p.txn, 1, &uuid, &a, &r, &err), &err);
    CHECK(!r.alive && r.cell_count == 1);
    c = ph_record_cell(&r, 5);
    REQUIRE(c != NULL);
    CHECK_EQ_INT(c->ballot_count, 3);
    CHECK(!c->is_register);
    REQUIRE_OK(ph_cell_ballots(p.txn, &r, c, &a, &out, &count, &err), &err);
    REQUIRE(count == 3);
    for (int i = 0; i < 3; i++)
        check_ballot(&out[i], &ballots[i]);
    CHECK_OK(ph_cell_ballot_drop(p.txn, &r, c, 11, &err), &err);
    CHECK_OK(ph_cell_ballot_drop(p.txn, &r, c, 11, &err), &err); /* gone already */
    REQUIRE_OK(ph_cell_ballots(p.txn, &r, c, &a, &out, &count, &err), &err);
    CHECK_EQ_INT(count, 2);
    ph_buf_clear(&scratch);
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(a_created_record_takes_three_bytes_a_field_beside_its_values)
{
    place p = place_open("size");
    ph_arena a = PH_ARENA_INIT;
    ph_buf scratch = PH_BUF_INIT;
    uint8_t key[20] = { 0, 0, 0, 1, 1 };
    prophet_slice row;
    prophet_error err;
    ph_record r;
    ph_cell *c;
    size_t bytes = 0;

    ph_uuid uuid = { { 1 } };
    CHECK_CODE(ph_record_load(p.txn, 1, &uuid, &a, &r, &err), PROPHET_DONE, &err);
    r.number = 100000;
    for (uint32_t f = 0; f < 10; f++) {
        prophet_slice value = f == 0 ? ph_slice("\x65"
                                                "alive",
                                                6)
                                     : text_value(&a, f, 30);
        REQUIRE_OK(ph_record_cell_make(&r, f, &a, &c, &err), &err);
        REQUIRE_OK(ph_cell_head_room(c, &a, &err), &err);
        c->heads[0] = (ph_head){ 100, value };
        c->head_count = 1;
        c->is_register = true;
        bytes += f ? value.len : 0;
    }
    CHECK_OK(ph_record_store(p.txn, &r, true, &scratch, &err), &err);
    REQUIRE_OK(ph_txn_get(p.txn, PH_T_RECORDS, ph_slice(key, sizeof key), &row, &err), &err);
    CHECK_MSG(row.len <= bytes + 9 * 2 + 8, "%zu bytes of values in a row of %zu", bytes, row.len);
    c = ph_record_cell(&r, 3); /* an update of one field costs its version and the row's base */
    c->heads[0].version = r.life.heads[0].version = 90000;
    c->dirty = r.life.dirty = true;
    CHECK_OK(ph_record_store(p.txn, &r, true, &scratch, &err), &err);
    REQUIRE_OK(ph_txn_get(p.txn, PH_T_RECORDS, ph_slice(key, sizeof key), &row, &err), &err);
    CHECK_MSG(row.len <= bytes + 9 * 2 + 8 + 8, "%zu bytes of values in a row of %zu", bytes,
              row.len);
    ph_buf_clear(&scratch);
    ph_arena_clear(&a);
    place_close(&p);
}
