/* The lookup tables give back what was put. */
#include "index/index.h"
#include "record_place.h"
#include <stdlib.h>

TEST(state_comes_back)
{
    place p = place_open("state");
    ph_arena a = PH_ARENA_INIT;
    prophet_error err;
    ph_state s, got;
    uint64_t frontier[300];

    CHECK_CODE(ph_state_load(p.txn, &a, &got, &err), PROPHET_DONE, &err);
    CHECK_EQ_UINT(got.version, 0);
    for (uint64_t i = 0; i < 300; i++)
        frontier[i] = i * i + 1;
    for (uint32_t n = 0; n <= 300; n += 100) {
        s = (ph_state){ .position = UINT64_C(3) << 32 | 64,
                        .chain = "chain of 16 byt",
                        .version = 90001,
                        .number = 7,
                        .reserved_number = UINT64_C(1) << 48,
                        .lamport = UINT64_MAX,
                        .names = 3,
                        .replicas = 2,
                        .schema = 1,
                        .absent = 4,
                        .frontier = frontier,
                        .frontier_count = n };
        CHECK_OK(ph_state_store(p.txn, &s, &err), &err);
        REQUIRE_OK(ph_state_load(p.txn, &a, &got, &err), &err);
        CHECK_MEM(got.frontier, frontier, n * sizeof *frontier);
        got.frontier = s.frontier;
        CHECK(memcmp(got.chain, s.chain, 16) == 0 && got.position == s.position &&
              got.lamport == s.lamport && got.reserved_number == s.reserved_number &&
              got.absent == 4 && got.schema == 1 && got.frontier_count == n);
    }
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(names_are_cut_back_after_an_abort)
{
    place p = place_open("names");
    prophet_error err;
    ph_names *n = NULL, *other = NULL;
    ph_state s = { .names = 0 };
    uint32_t id;

    REQUIRE_OK(ph_names_new(&n, &err), &err);
    REQUIRE_OK(ph_names_new(&other, &err), &err);
    REQUIRE_OK(ph_names_intern(n, p.txn, &s, ph_slice_str("ticket"), &id, &err), &err);
    CHECK_EQ_INT(id, 1);
    REQUIRE_OK(ph_names_intern(n, p.txn, &s, ph_slice_str("status"), &id, &err), &err);
    REQUIRE_OK(ph_names_intern(n, p.txn, &s, ph_slice_str("ticket"), &id, &err), &err);
    CHECK_EQ_INT(id, 1);
    place_again(&p);
    REQUIRE_OK(ph_names_refresh(n, p.txn, s.names, &err), &err);
    ph_state lost = s; /* interned and aborted; another handle gives the number away */
    REQUIRE_OK(ph_names_intern(n, p.txn, &lost, ph_slice_str("lost"), &id, &err), &err);
    CHECK_EQ_INT(id, 3);
    ph_txn_abort(p.txn);
    REQUIRE_OK(ph_txn_begin(p.store, true, &p.txn, &err), &err);
    REQUIRE_OK(ph_names_refresh(other, p.txn, s.names, &err), &err);
    REQUIRE_OK(ph_names_intern(other, p.txn, &s, ph_slice_str("kept"), &id, &err), &err);
    CHECK_EQ_INT(id, 3);
    REQUIRE_OK(ph_names_refresh(n, p.txn, s.names, &err), &err);
    CHECK_EQ_INT(ph_names_find(n, ph_slice_str("lost")), 0);
    CHECK_EQ_INT(ph_names_find(n, ph_slice_str("kept")), 3);
    CHECK_SLICE(ph_names_get(n, 2), "status", 6);
    CHECK_EQ_INT(ph_names_get(n, 4).len, 0);
    CHECK_EQ_INT(ph_names_count(n), 3);
    REQUIRE_OK(ph_names_refresh(n, p.txn, 1, &err), &err);
    CHECK_EQ_INT(ph_names_find(n, ph_slice_str("status")), 0);
    CHECK_CODE(ph_names_refresh(n, p.txn, 9, &err), PROPHET_ECORRUPT, &err);
    ph_names_free(n);
    ph_names_free(other);
    place_close(&p);
}

TEST(replicas_and_chains_come_back)
{
    place p = place_open("replicas");
    ph_arena a = PH_ARENA_INIT;
    prophet_error err;
    ph_tip tips[2] = { { 5, 77 }, { 6, 90 } };
    ph_replica_row r = { .ridx = 3,
                         .key = { { 1, 2, 3 } },
                         .succeeds = 1,
                         .line = 1,
                         .signed_version = 70,
                         .signed_seq = 4,
                         .forked = true,
                         .tips = tips,
                         .tip_count = 2 },
                   got;
    uint64_t versions[4];
    uint32_t ridx = 0;
    size_t count;

    CHECK_CODE(ph_replicas_find(p.txn, &r.key, &ridx, &err), PROPHET_DONE, &err);
    CHECK_OK(ph_replicas_put(p.txn, &r, true, &err), &err);
    CHECK_OK(ph_replicas_find(p.txn, &r.key, &ridx, &err), &err);
    CHECK_EQ_INT(ridx, 3);
    REQUIRE_OK(ph_replicas_get(p.txn, 3, &a, &got, &err), &err);
    CHECK(got.ridx == 3 && ph_id_eq(&got.key, &r.key) && got.forked && got.line == 1 &&
          got.succeeds == 1 && got.signed_version == 70 && got.signed_seq == 4 &&
          got.tip_count == 2 && got.tips[1].version == 90);
    CHECK_CODE(ph_replicas_get(p.txn, 4, &a, &got, &err), PROPHET_ECORRUPT, &err);
    static const struct {
        uint64_t seq, version;
        bool begins;
    } changesets[] = {
        { 4, 11, true }, { 5, 12, false }, { 6, 13, false }, { 5, 77, true }, { 6, 90, true }
    };
    for (size_t i = 0; i < 5;
         i++) { /* a run 4..6 at versions 11..13, then a fork at 5 and its 6 apart */
        ph_changeset_row row = { .ridx = 3, .seq = changesets[i].seq };
        CHECK_OK(ph_changesets_put(p.txn, changesets[i].version, &row, &err), &err);
        if (changesets[i].begins)
            CHECK_OK(ph_chains_put(p.txn, 3, row.seq, changesets[i].version, &err), &err);
    }
    CHECK_OK(ph_chains_at(p.txn, 3, 5, versions, 4, &count, &err), &err);
    CHECK(count == 2 && versions[0] == 77 && versions[1] == 12);
    CHECK_OK(ph_chains_at(p.txn, 3, 6, versions, 4, &count, &err), &err);
    CHECK(count == 2 && versions[0] == 90 && versions[1] == 13);
    CHECK_OK(ph_chains_at(p.txn, 3, 5, versions, 1, &count, &err), &err);
    CHECK_EQ_INT(count, 1);
    CHECK_OK(ph_chains_at(p.txn, 3, 3, versions, 4, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    CHECK_OK(ph_chains_at(p.txn, 3, 7, versions, 4, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(changesets_come_back)
{
    place p = place_open("changesets");
    prophet_error err;
    ph_changeset_row r = { .id = { { 9, 8 } },
                           .position = UINT64_C(1) << 32 | 999,
                           .ridx = 2,
                           .seq = 300,
                           .lamport = 1u << 30,
                           .time = -5,
                           .size = 700,
                           .flags = PH_CS_RUN | PH_CS_FORK },
                     got;

    CHECK_OK(ph_changesets_put(p.txn, 41, &r, &err), &err);
    REQUIRE_OK(ph_changesets_get(p.txn, 41, &got, &err), &err);
    CHECK(ph_id_eq(&got.id, &r.id) && got.position == r.position && got.ridx == 2 &&
          got.seq == 300 && got.lamport == r.lamport && got.time == -5 && got.size == 700 &&
          got.flags == r.flags);
    CHECK_CODE(ph_changesets_get(p.txn, 42, &got, &err), PROPHET_ENOTFOUND, &err);
    place_close(&p);
}

/* An id for each version, all over the key space. */
static ph_id id_of(uint64_t version)
{
    ph_id id = { { 0 } };
    ph_u64be_put(id.b, version * UINT64_C(0x9e3779b97f4a7c15));
    ph_u64be_put(id.b + 24, version);
    return id;
}

static void add_versions(place *p, uint64_t from, uint64_t to)
{
    prophet_error err;

    for (uint64_t v = from; v <= to; v++) {
        ph_changeset_row r = { .id = id_of(v), .ridx = 1, .seq = v };
        CHECK_OK(ph_changesets_put(p->txn, v, &r, &err), &err);
    }
    CHECK_OK(ph_ids_move(p->txn, from - 1, to, &err), &err);
}

static uint64_t version_of(ph_ids *ids, place *p, uint64_t which)
{
    prophet_error err;
    ph_id id = id_of(which);
    uint64_t version = 0;
    prophet_code rc = ph_ids_find(ids, p->txn, &id, &version, &err);

    CHECK(rc == PROPHET_DONE || (rc == PROPHET_OK && version > 0));
    return version;
}

TEST(ids_are_found_before_and_after_they_are_written)
{
    static const uint64_t steps[] = {
        1, 2, 700, PH_RECENT - 1, PH_RECENT, PH_RECENT + 1, 2 * PH_RECENT + 5, 5 * PH_RECENT
    };
    place p = place_open("ids");
    prophet_error err;
    ph_ids *ids = NULL;
    uint64_t last = 0, rows;
    ph_id found[2], low = { { 0 } };
    size_t count;

    REQUIRE_OK(ph_ids_new(&ids, &err), &err);
    CHECK_EQ_UINT(version_of(ids, &p, 1), 0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        add_versions(&p, last + 1, steps[i]);
        last = steps[i];
        CHECK_OK(ph_txn_count(p.txn, PH_T_IDS, &rows, &err), &err);
        CHECK_EQ_UINT(rows, last - last % PH_RECENT);
        for (uint64_t v = 1; v <= last; v += v < last - 3 ? 1 + last / 50 : 1)
            CHECK_EQ_UINT(version_of(ids, &p, v), v);
        CHECK_EQ_UINT(version_of(ids, &p, last), last);
        CHECK_EQ_UINT(version_of(ids, &p, last + 1), 0);
    }
    add_versions(&p, last + 1, last + 10); /* one among the rows, one that waits */
    for (uint64_t v = 7; v <= last + 7; v += last) {
        low = id_of(v);
        memset(low.b + 6, 0, 26);
        low.b[5] &= 0xf0;
        CHECK_OK(ph_ids_starting(ids, p.txn, &low, 11, found, 2, &count, &err), &err);
        ph_id want = id_of(v);
        CHECK(count == 1 && ph_id_eq(&found[0], &want));
    }
    CHECK_OK(ph_ids_starting(ids, p.txn, &(ph_id){ { 0 } }, 0, found, 2, &count, &err), &err);
    CHECK_EQ_INT(count, 2);
    ph_ids_free(ids);
    place_close(&p);
}

TEST(records_are_found_by_number_and_by_the_tail_of_their_id)
{
    place p = place_open("numbers");
    prophet_error err;
    ph_uuid u = { { 0 } }, got;
    ph_named found[4];
    uint32_t type = 0;
    size_t count;

    for (uint8_t i = 1; i <= 40; i++) {
        u.b[15] = i;
        u.b[14] = 0xab;
        ph_history_entry first = { i == 20 ? 3 : 0, 17 };
        CHECK_OK(ph_numbers_put(p.txn, i, i % 2 + 1, &u, &first, &err), &err);
    }
    CHECK_OK(ph_numbers_get(p.txn, 20, &type, &got, &err), &err);
    CHECK(type == 1 && got.b[15] == 20);
    CHECK_CODE(ph_numbers_get(p.txn, 41, &type, &got, &err), PROPHET_DONE, &err);
    CHECK_OK(ph_numbers_tail(p.txn, 0, "aB-14", 5, found, 4, &count, &err), &err);
    CHECK(count == 1 && found[0].number == 20 && found[0].type == 1);
    CHECK_OK(ph_numbers_tail(p.txn, 0, "4", 1, found, 4, &count, &err), &err);
    CHECK_EQ_INT(count, 3); /* 04, 14, 24 */
    CHECK_OK(ph_numbers_tail(p.txn, 2, "4", 1, found, 4, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    CHECK_OK(ph_numbers_tail(p.txn, 0, "b", 1, found, 2, &count, &err), &err);
    CHECK_EQ_INT(count, 2); /* at most two */
    CHECK_OK(ph_numbers_tail(p.txn, 0, "xyz", 3, found, 4, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    place_close(&p);
}

TEST(histories_are_whole_wherever_their_rows_are)
{
    place p = place_open("history");
    ph_arena a = PH_ARENA_INIT;
    prophet_error err;
    ph_uuid u = { { 9 } };
    ph_history_entry first = { 3, 17 }, *history;
    uint64_t last = PH_RECENT - 100, waiting;
    size_t count;

    CHECK_OK(ph_numbers_put(p.txn, 20, 1, &u, &(ph_history_entry){ 0 }, &err), &err);
    CHECK_OK(ph_numbers_tell(p.txn, 20, &first, &err), &err);
    CHECK_CODE(ph_numbers_tell(p.txn, 20, &first, &err), PROPHET_DONE, &err);
    CHECK_OK(ph_numbers_put(p.txn, 21, 1, &u, &first, &err), &err);
    for (uint64_t v = 1; v <= 50; v++) {
        if (ph_recent_base(last + v * 10) > ph_recent_base(last + v * 10 - 10))
            CHECK_OK(ph_history_move(p.txn, last + v * 10, &err), &err);
        CHECK_OK(ph_history_put(p.txn, 20 + v % 2, last + v * 10, v % 7, last + v * 10, &err),
                 &err);
    }
    CHECK_OK(ph_txn_count(p.txn, PH_T_RECENT, &waiting, &err), &err);
    CHECK_EQ_UINT(waiting, 40); /* of 50, those behind the multiple */
    REQUIRE_OK(ph_history_list(p.txn, 20, &a, &history, &count, &err), &err);
    REQUIRE(count == 26);
    CHECK(history[0].version == 3 && history[0].offset_plus_1 == 17);
    for (size_t i = 1; i < count; i++)
        CHECK(history[i].version == last + i * 20 && history[i].offset_plus_1 == i * 2 % 7);
    CHECK_OK(ph_history_del(p.txn, 20, 3, &err), &err);
    CHECK_OK(ph_history_del(p.txn, 20, last + 40, &err), &err);
    CHECK_OK(ph_history_del(p.txn, 20, last + 500, &err), &err);
    CHECK_CODE(ph_history_del(p.txn, 20, last + 10, &err), PROPHET_DONE, &err);
    REQUIRE_OK(ph_history_list(p.txn, 20, &a, &history, &count, &err), &err);
    CHECK(count == 23 && history[0].version == last + 20 && history[1].version == last + 60);
    CHECK_OK(ph_history_move(p.txn, 2 * PH_RECENT, &err), &err);
    CHECK_OK(ph_txn_count(p.txn, PH_T_RECENT, &waiting, &err), &err);
    CHECK_EQ_UINT(waiting, 0);
    REQUIRE_OK(ph_history_list(p.txn, 20, &a, &history, &count, &err), &err);
    CHECK(count == 23 && history[22].version == last + 480);
    ph_arena_clear(&a);
    place_close(&p);
}

TEST(conflicts_are_listed_in_pages)
{
    place p = place_open("conflicts");
    prophet_error err;
    ph_cell_key k = { 1, { { 0 } }, 5 }, out[8], last;
    uint8_t hash[32] = { 1 };
    prophet_slice what;
    size_t count, all = 0;

    for (uint8_t i = 0; i < 30; i++) {
        k.type = i % 3 + 1;
        k.uuid.b[0] = i;
        CHECK_OK(ph_conflicts_mark(p.txn, &k, &err), &err);
        CHECK_OK(ph_conflicts_set(p.txn, &k, true, i % 2, i < 10, &err), &err);
    }
    const ph_cell_key *after = NULL;
    do {
        REQUIRE_OK(ph_conflicts_list(p.txn, PH_T_OPEN, 2, after, out, 4, &count, &err), &err);
        for (size_t i = 0; i < count; i++)
            CHECK(out[i].type == 2 && out[i].uuid.b[0] == 1 + 3 * (all + i));
        all += count;
        if (count) {
            last = out[count - 1];
            after = &last;
        }
    } while (count);
    CHECK_EQ_INT(all, 10);
    CHECK_OK(ph_conflicts_list(p.txn, PH_T_TODO, 0, NULL, out, 8, &count, &err), &err);
    CHECK_EQ_INT(count, 8);
    CHECK_OK(ph_conflicts_set(p.txn, &out[0], true, false, false, &err), &err);
    CHECK_OK(ph_conflicts_set(p.txn, &out[1], false, false, false, &err), &err);
    CHECK_OK(ph_conflicts_set(p.txn, &out[1], false, false, false, &err), &err);
    ph_cell_key next = out[2];
    CHECK_OK(ph_conflicts_list(p.txn, PH_T_TODO, 0, NULL, out, 8, &count, &err), &err);
    CHECK(count == 8 && memcmp(out[0].uuid.b, next.uuid.b, 16) == 0);
    CHECK_OK(ph_conflicts_list(p.txn, PH_T_CONFLICTS, 9, NULL, out, 8, &count, &err), &err);
    CHECK_EQ_INT(count, 0);
    CHECK_CODE(ph_asked_get(p.txn, &k, hash, hash, &what, &err), PROPHET_DONE, &err);
    CHECK_OK(ph_asked_put(p.txn, &k, hash, hash, ph_slice_str("abstained: no answer"), &err), &err);
    CHECK_OK(ph_asked_get(p.txn, &k, hash, hash, &what, &err), &err);
    CHECK_SLICE(what, "abstained: no answer", 20);
    place_close(&p);
}
