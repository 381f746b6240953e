/* Rows, snapshots, cursors. */
#include "store_place.h"

TEST(rows_are_put_found_replaced_and_deleted)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *t = place_begin(s, true);
    uint64_t count;
    void *space;

    place_put(t, 0, "a", "1");
    place_put(t, 1, "a", "2");
    place_put(t, 0, "b", "");
    REQUIRE_OK(ph_txn_reserve(t, 2, ph_slice_str("r"), 3, &space, &err), &err);
    memcpy(space, "xyz", 3);
    CHECK(place_has(t, 0, "a", "1") && place_has(t, 1, "a", "2") && place_has(t, 2, "a", NULL));
    place_put(t, 0, "a", "longer than before");
    CHECK_OK(ph_txn_commit(t, &err), &err);
    t = place_begin(s, true);
    CHECK(place_has(t, 0, "a", "longer than before") && place_has(t, 0, "b", "") &&
          place_has(t, 2, "r", "xyz"));
    CHECK_CODE(ph_txn_del(t, 0, ph_slice_str("a"), &err), PROPHET_OK, &err);
    CHECK_CODE(ph_txn_del(t, 0, ph_slice_str("a"), &err), PROPHET_DONE, &err);
    CHECK_OK(ph_txn_count(t, 0, &count, &err), &err);
    CHECK_EQ_UINT(count, 1);
    CHECK_OK(ph_txn_empty(t, 1, &err), &err);
    CHECK(place_has(t, 1, "a", NULL));
    ph_txn_abort(t);
    t = place_begin(s, false);
    CHECK(place_has(t, 0, "a", "longer than before") && place_has(t, 1, "a", "2"));
    ph_txn_abort(t);
    ph_txn_abort(NULL);
    ph_store_close(s);
}

TEST(keys_have_1_to_511_bytes)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *t = place_begin(s, true);
    char key[513];
    prophet_slice v;

    memset(key, 'k', sizeof key);
    CHECK_OK(ph_txn_put(t, 0, ph_slice(key, 511), ph_slice("v", 1), &err), &err);
    CHECK_CODE(ph_txn_put(t, 0, ph_slice(key, 512), ph_slice("v", 1), &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_txn_put(t, 0, ph_slice(key, 0), ph_slice("v", 1), &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_txn_get(t, 0, ph_slice(key, 0), &v, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_txn_del(t, 0, ph_slice(key, 512), &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_txn_get(t, 0, ph_slice(key, 511), &v, &err), PROPHET_OK, &err);
    ph_txn_abort(t);
    ph_store_close(s);
}

TEST(sorted_puts_take_any_order)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *t = place_begin(s, true);
    char key[16];
    uint64_t count;

    for (unsigned i = 0; i < 5000; i++) {
        unsigned n = i % 7 == 3 ? i - 3 : i; /* mostly rising; some keys are met twice */
        (void)snprintf(key, sizeof key, "%08u", n);
        REQUIRE_OK(ph_txn_put_sorted(t, 0, ph_slice_str(key), ph_slice(&i, sizeof i), &err), &err);
    }
    CHECK_OK(ph_txn_count(t, 0, &count, &err), &err);
    CHECK_EQ_UINT(count, 5000 - 714);
    (void)snprintf(key, sizeof key, "%08u", 0);
    prophet_slice v;
    REQUIRE_OK(ph_txn_get(t, 0, ph_slice_str(key), &v, &err), &err);
    CHECK_EQ_UINT(*(const uint8_t *)v.data, 3); /* the later put won */
    ph_txn_abort(t);
    ph_store_close(s);
}

TEST(a_snapshot_stays_and_is_renewed)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *reader = place_begin(s, false), *t;
    ph_store_stats stats;

    for (unsigned i = 0; i < 5; i++) {
        t = place_begin(s, true);
        place_put(t, 0, "k", "v");
        CHECK_OK(ph_txn_commit(t, &err), &err);
    }
    CHECK(place_has(reader, 0, "k", NULL));
    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK_EQ_UINT(stats.readers, 1);
    CHECK_EQ_UINT(stats.reader_lag, 5); /* how far the oldest snapshot is behind is told */
    ph_txn_reset(reader);
    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK_EQ_UINT(stats.reader_lag, 0);
    CHECK_OK(ph_txn_renew(reader, &err), &err);
    CHECK(place_has(reader, 0, "k", "v"));
    CHECK(ph_txn_id(reader) == stats.last_txn);
    ph_txn_abort(reader);
    ph_store_close(s);
}

TEST(many_snapshots_live_beside_the_writer_in_one_thread)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *readers[50], *t = place_begin(s, true);

    for (unsigned i = 0; i < 50; i++)
        readers[i] = place_begin(s, false);
    place_put(t, 0, "k", "v");
    CHECK_OK(ph_txn_commit(t, &err), &err);
    for (unsigned i = 0; i < 50; i++) {
        CHECK(place_has(readers[i], 0, "k", NULL));
        ph_txn_abort(readers[i]);
    }
    ph_store_close(s);
}

TEST(cursors_walk_in_key_order)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *t = place_begin(s, true);
    ph_cursor *c = NULL;
    prophet_slice k, v;
    static const char *const keys[] = { "aa", "ab", "b", "ba", "c" };

    for (unsigned i = 5; i-- > 0;)
        place_put(t, 0, keys[i], keys[i]);
    REQUIRE_OK(ph_cursor_open(t, 0, &c, &err), &err);
    unsigned n = 0;
    for (prophet_code rc = ph_cursor_first(c, &k, &v, &err); rc == PROPHET_OK;
         rc = ph_cursor_next(c, &k, &v, &err), n++)
        CHECK(CHECK_SLICE(k, keys[n], strlen(keys[n])) && ph_slice_eq(k, v));
    CHECK_EQ_UINT(n, 5);
    CHECK_CODE(ph_cursor_last(c, &k, NULL, &err), PROPHET_OK, &err);
    CHECK_SLICE(k, "c", 1);
    CHECK_CODE(ph_cursor_prev(c, &k, NULL, &err), PROPHET_OK, &err);
    CHECK_SLICE(k, "ba", 2);
    CHECK_CODE(ph_cursor_seek(c, ph_slice_str("ac"), &k, NULL, &err), PROPHET_OK, &err);
    CHECK_SLICE(k, "b", 1);
    CHECK_OK(ph_cursor_del(c, &err), &err);
    CHECK_CODE(ph_cursor_next(c, &k, NULL, &err), PROPHET_OK, &err);
    CHECK_SLICE(k, "ba", 2); /* the row behind the deleted one, not one further */
    CHECK_CODE(ph_cursor_seek(c, ph_slice_str("d"), &k, NULL, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_cursor_seek(c, ph_slice_str(""), &k, NULL, &err), PROPHET_OK, &err);
    CHECK_SLICE(k, "aa", 2);
    CHECK_CODE(ph_cursor_prev(c, &k, NULL, &err), PROPHET_DONE, &err);
    ph_cursor_close(c);
    ph_cursor_close(NULL);
    REQUIRE_OK(ph_cursor_open(t, 1, &c, &err), &err);
    CHECK_CODE(ph_cursor_first(c, &k, &v, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_cursor_last(c, &k, &v, &err), PROPHET_DONE, &err);
    ph_cursor_close(c);
    ph_txn_abort(t);
    ph_store_close(s);
}
