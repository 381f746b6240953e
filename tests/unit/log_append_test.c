/* Appending, reading back, rolling over, taking back. */
#include "log_place.h"

TEST(what_is_appended_is_read_in_order)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);

    CHECK(ph_uuid_eq(ph_log_database(log), &place_database));
    CHECK(place_holds(log, 1, 0));
    for (unsigned n = 0; n < 50; n++)
        (void)place_append(log, n, n * 37);
    CHECK(place_holds(log, 0, 49));
    ph_log_close(log);
    log = place_open(dir);
    CHECK(place_holds(log, 0, 49));
    (void)place_append(log, 50, 10);
    CHECK(place_holds(log, 0, 50));
    ph_log_close(log);
}

TEST(a_frame_is_read_by_its_position)
{
    ph_log *log = place_open(place_make("db"));
    ph_buf payload = PH_BUF_INIT;
    ph_log_window window = { .from = 0 };
    ph_position batch;
    ph_frame f;
    size_t at[3], sizes[3] = { 1, 5000, 300000 };
    uint8_t *big = ph_alloc(sizes[2]);

    memset(big, 'x', sizes[2]);
    for (int i = 0; i < 3; i++)
        at[i] = ph_log_payload_add(&payload, PH_FRAME_LOCAL, ph_slice(big, sizes[i]));
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    REQUIRE_OK(ph_log_append(log, ph_buf_slice(&payload), 3, &batch, &err), &err);
    ph_log_unlock(log);
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(ph_log_read(log, ph_log_frame_position(batch, at[i]), &window, &f, &err), &err);
        CHECK_EQ_UINT(f.type, PH_FRAME_LOCAL);
        CHECK_SLICE(f.bytes, big, sizes[i]);
    }
    CHECK_CODE(ph_log_read(log, place_end(log), &window, &f, &err), PROPHET_ECORRUPT, &err);
    CHECK_CODE(ph_log_read(log, 1, &window, &f, &err), PROPHET_ECORRUPT, &err);
    CHECK_CODE(ph_log_read(log, (ph_position)9 << 32 | 64, &window, &f, &err), PROPHET_ECORRUPT,
               &err);
    ph_free(big);
    ph_buf_clear(&payload);
    ph_log_window_clear(&window);
    ph_log_close(log);
}

TEST(a_cursor_starts_at_a_mark)
{
    ph_log *log = place_open(place_make("db"));
    ph_log_cursor *c;
    ph_mark mark;
    ph_frame f;
    ph_position at;

    (void)place_append(log, 1, 10);
    ph_log_end(log, &mark);
    at = place_append(log, 2, 10);
    REQUIRE_OK(ph_log_cursor_open(log, &mark, &c, &err), &err);
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_OK, &err);
    CHECK_EQ_UINT(f.position, ph_log_frame_position(at, 0));
    for (int i = 0; i < 2; i++)
        CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_DONE, &err);
    ph_log_cursor_mark(c, &mark);
    CHECK_EQ_UINT(mark.position, place_end(log));
    (void)place_append(log, 3, 10); /* a cursor at the end goes on when there is more */
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_OK, &err);
    ph_log_cursor_close(c);
    mark.chain[3] ^= 1;
    REQUIRE_OK(ph_log_cursor_open(log, &mark, &c, &err), &err);
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_ECORRUPT, &err);
    CHECK_HAS(err.message, "00000001.log, offset");
    ph_log_cursor_close(c);
    ph_log_close(log);
}

TEST(a_mark_is_known_to_lie_on_the_log_or_not)
{
    ph_log *log = place_open(place_make("db"));
    ph_mark marks[4], other;

    ph_log_roll_at(log, 4096);
    for (unsigned n = 0; n < 4; n++) {
        (void)place_append(log, n, 1500);
        ph_log_end(log, &marks[n]);
    }
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    for (unsigned n = 0; n < 4; n++) {
        CHECK_CODE(ph_log_holds(log, &marks[n], &err), PROPHET_OK, &err);
        other = marks[n];
        other.chain[0] ^= 1;
        CHECK_CODE(ph_log_holds(log, &other, &err), PROPHET_DONE, &err);
        other = marks[n];
        other.position += 8;
        CHECK_CODE(ph_log_holds(log, &other, &err), PROPHET_DONE, &err);
    }
    ph_log_close(log);
}

TEST(files_roll_over)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *other = place_open(dir);
    uint64_t bytes, unused;
    ph_position at[40];
    ph_log_window window = { .from = 0 };
    ph_frame f;

    ph_log_roll_at(log, 8192);
    ph_log_roll_at(other, 8192);
    for (unsigned n = 0; n < 40; n++)
        at[n] = place_append(n % 5 == 4 ? other : log, n, 700 + n * 13);
    CHECK(at[39] >> 32 > 5);
    CHECK(ph_path_exists(place_file(dir, "log/00000005.log")));
    CHECK(place_holds(log, 0, 39));
    CHECK(place_holds(other, 0, 39));
    CHECK(ph_log_durable(log) >= (at[39] >> 32) << 32); /* what was rolled over is on disk */
    for (unsigned n = 0; n < 40; n++) {
        unsigned got;
        REQUIRE_OK(ph_log_read(other, ph_log_frame_position(at[n], 0), &window, &f, &err), &err);
        CHECK(sscanf(f.bytes.data, "%u:", &got) == 1 && got == n);
    }
    REQUIRE_OK(ph_log_size(log, &bytes, &unused, &err), &err);
    CHECK(unused < 65536);
    CHECK(bytes > unused + 40 * 700);
    ph_log_close(log);
    place_reboot(dir, ph_log_durable(other));
    REQUIRE_OK(ph_log_recover(other, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(other, 0, 39));
    ph_log_close(other);
    ph_log_window_clear(&window);
}

TEST(a_batch_larger_than_a_file_gets_one_of_its_own)
{
    ph_log *log = place_open(place_make("db"));

    ph_log_roll_at(log, 4096);
    (void)place_append(log, 0, 100000);
    (void)place_append(log, 1, 10);
    (void)place_append(log, 2, 300000); /* straight into the space, no zeros before */
    (void)place_append(log, 3, 10);
    CHECK(place_holds(log, 0, 3));
    ph_log_close(log);
}

TEST(the_last_append_can_be_taken_back)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    ph_mark before, after;

    (void)place_append(log, 0, 100);
    place_flush(log);
    ph_log_end(log, &before);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    (void)place_append_locked(log, 99, 5000);
    CHECK_OK(ph_log_undo(log, &err), &err);
    ph_log_end(log, &after);
    CHECK_EQ_UINT(after.position, before.position);
    CHECK_MEM(after.chain, before.chain, 16);
    (void)place_append_locked(log, 1, 100);
    ph_log_unlock(log);
    CHECK(place_holds(log, 0, 1));
    place_reboot(dir, ph_log_durable(log));
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
}

TEST(an_append_another_process_flushed_can_be_taken_back)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *other = place_open(dir);

    (void)place_append(log, 0, 100);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    (void)place_append_locked(log, 98, 5000);
    place_flush(other);
    CHECK_OK(ph_log_undo(log, &err), &err);
    CHECK(ph_log_durable(log) <= place_end(log));
    ph_log_unlock(log);
    ph_log_close(log);
    place_reboot(dir, ph_log_durable(other));
    REQUIRE_OK(ph_log_recover(other, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(other, 0, 0));
    ph_log_close(other);
}

TEST(what_is_no_log_of_this_format_is_refused)
{
    const char *dir = place_make("db");
    ph_log *log = NULL;
    uint8_t later = 2;

    place_poke(place_file(dir, FIRST_FILE), 11, &later, 1);
    CHECK_CODE(ph_log_open(dir, false, &log, &err), PROPHET_EVERSION, &err);
    place_poke(place_file(dir, FIRST_FILE), 0, "x", 1);
    CHECK_CODE(ph_log_open(dir, false, &log, &err), PROPHET_ECORRUPT, &err);
    CHECK_CODE(ph_log_open(test_dir(), false, &log, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_log_create(dir, &place_database, &err), PROPHET_EEXISTS, &err);
}
