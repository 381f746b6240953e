/* Flushing: what durable tells, a failing disk and the way back. */
#include "log_place.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

TEST(a_flush_makes_everything_appended_durable)
{
    ph_log *log = place_open(place_make("db"));
    ph_position first;

    CHECK(ph_log_durable(log) == 0); /* nobody looked yet */
    first = place_append(log, 0, 10);
    CHECK_EQ_UINT(ph_log_durable(log), first);
    (void)place_append(log, 1, 10);
    REQUIRE_OK(ph_log_flush(log, first + 1, &err), &err);
    CHECK_EQ_UINT(ph_log_durable(log), place_end(log));
    ph_log_close(log);
}

#ifdef PH_DEV

TEST(a_failed_flush_is_repaired_by_rewriting)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *other = place_open(dir);
    ph_position at[3];
    ph_log_window window = { .from = 0 };
    ph_frame f;
    unsigned n;

    (void)place_append(log, 0, 100);
    place_flush(log);
    CHECK(place_holds(other, 0, 0)); /* has the old file open */
    for (unsigned i = 0; i < 3; i++)
        at[i] = place_append(i == 1 ? other : log, 1 + i, 100);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1, EIO);
    CHECK_OK(ph_log_flush(log, place_end(log), &err), &err); /* served after all */
    CHECK(ph_path_exists(place_file(dir, "log/00000002.log")));
    CHECK_EQ_UINT(ph_log_durable(log), place_end(log));
    CHECK_EQ_UINT(log->page->failed, 0);
    for (unsigned i = 0; i < 3; i++) { /* nothing moved */
        REQUIRE_OK(ph_log_read(other, ph_log_frame_position(at[i], 0), &window, &f, &err), &err);
        CHECK(sscanf(f.bytes.data, "%u:", &n) == 1 && n == 1 + i);
    }
    (void)place_append(other, 4, 100);
    (void)place_append(log, 5, 100);
    place_flush(other);
    CHECK(place_holds(log, 0, 5));
    CHECK(place_holds(other, 0, 5));
    ph_log_roll_at(log, 256);
    (void)place_append(log, 6, 100);
    ph_log_close(other);
    other = place_open(dir);
    CHECK(place_holds(other, 0, 6));
    place_reboot(dir, 0);
    REQUIRE_OK(ph_log_recover(other, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(other, 0, 6));
    ph_log_close(log);
    ph_log_close(other);
    ph_log_window_clear(&window);
}

TEST(what_the_old_file_holds_behind_a_repair_does_not_count)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    uint8_t junk[400];

    (void)place_append(log, 0, 100);
    place_flush(log);
    ph_position durable = place_end(log);
    (void)place_append(log, 1, 100);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1, EIO);
    place_flush(log);
    memset(junk, 0xee, sizeof junk);
    place_poke(place_file(dir, FIRST_FILE), durable & 0xffffffff, junk, sizeof junk);
    CHECK(place_holds(log, 0, 1));
    place_reboot(dir, 0);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
}

TEST(nobody_commits_while_a_failed_flush_cannot_be_repaired)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *other = place_open(dir);
    ph_position durable, at;
    ph_buf payload = PH_BUF_INIT;

    (void)place_append(log, 0, 100);
    place_flush(log);
    durable = ph_log_durable(log);
    (void)place_append(log, 1, 100);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1000, EIO);
    CHECK_CODE(ph_log_flush(log, place_end(log), &err), PROPHET_EIO, &err);
    CHECK_HAS(err.message, "not known to be on disk");
    CHECK_EQ_UINT(ph_log_durable(log), durable);
    CHECK_CODE(ph_log_lock(other, 0, &err), PROPHET_EIO, &err);
    CHECK_CODE(ph_log_flush(other, place_end(log), &err), PROPHET_EIO, &err);
    CHECK_OK(ph_log_flush(other, durable, &err), &err);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 0, 0, 0);
    CHECK_OK(ph_log_lock(other, 0, &err), &err); /* the disk is well again */
    place_payload(&payload, 2, 10);
    CHECK_OK(ph_log_append(other, ph_buf_slice(&payload), 3, &at, &err), &err);
    ph_log_unlock(other);
    CHECK(place_holds(log, 0, 2));
    CHECK(!ph_path_exists(place_file(dir, "log/00000003.log")));
    ph_log_close(log);
    ph_log_close(other);
    ph_buf_clear(&payload);
}

TEST(bytes_that_cannot_be_read_back_end_the_log)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    ph_mark ahead;

    (void)place_append(log, 0, 100);
    place_flush(log);
    (void)place_append(log, 1, 100);
    ph_position lost = place_append(log, 2, 100);
    ph_log_end(log, &ahead);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1000, EIO);
    CHECK_CODE(ph_log_flush(log, place_end(log), &err), PROPHET_EIO, &err);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 0, 0, 0);
    place_flip(place_file(dir, FIRST_FILE),
               (lost & 0xffffffff) + 60); /* the kernel dropped the page */
    CHECK_CODE(ph_log_flush(log, ahead.position, &err), PROPHET_EIO, &err);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    CHECK_EQ_UINT(place_end(log), lost);
    CHECK_CODE(ph_log_holds(log, &ahead, &err), PROPHET_DONE,
               &err); /* so the index must be rebuilt */
    ph_log_unlock(log);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
}

TEST(a_failed_flush_while_rolling_over_writes_nothing)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    ph_buf payload = PH_BUF_INIT;
    ph_position at;

    ph_log_roll_at(log, 512);
    (void)place_append(log, 0, 300);
    place_payload(&payload, 1, 300);
    for (unsigned nth = 1; nth <= 2; nth++) { /* the old file's flush; the new file's */
        REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
        ph_log_fault_at(PH_LOG_FAULT_SYNC, nth, 1, EIO);
        CHECK_CODE(ph_log_append(log, ph_buf_slice(&payload), 2, &at, &err), PROPHET_EIO, &err);
        ph_log_unlock(log);
        CHECK(place_holds(log, 0, 0));
    }
    (void)place_append(log, 1, 300);
    CHECK(place_holds(log, 0, 1));
    place_reboot(dir, 0);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
    ph_buf_clear(&payload);
}

TEST(an_undo_that_cannot_be_flushed_has_an_unknown_outcome)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);

    (void)place_append(log, 0, 100);
    place_flush(log);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    (void)place_append_locked(log, 99, 100);
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1, EIO);
    CHECK_CODE(ph_log_undo(log, &err), PROPHET_EIO, &err);
    CHECK_HAS(err.message, "unknown");
    ph_log_unlock(log);
    (void)place_append(log, 1, 100); /* repaired on the way */
    CHECK(place_holds(log, 0, 1));
    place_reboot(dir, 0);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
}

TEST(a_failed_or_torn_write_leaves_nothing_behind)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    ph_buf payload = PH_BUF_INIT;
    ph_position at;

    (void)place_append(log, 0, 100);
    place_payload(&payload, 1, 3000);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    for (int kind = PH_LOG_FAULT_WRITE; kind <= PH_LOG_FAULT_FULL; kind++) {
        if (kind == PH_LOG_FAULT_SYNC)
            continue;
        ph_log_fault_at((ph_log_fault)kind, 1, 2, ENOSPC);
        place_payload(&payload, 1, kind == PH_LOG_FAULT_FULL ? 200000 : 3000);
        CHECK_CODE(ph_log_append(log, ph_buf_slice(&payload), 2, &at, &err), PROPHET_EFULL, &err);
        ph_log_fault_at((ph_log_fault)kind, 0, 0, 0);
        CHECK(place_holds(log, 0, 0));
    }
    (void)place_append_locked(log, 1, 3000);
    ph_log_unlock(log);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
    ph_buf_clear(&payload);
}

TEST(a_killed_flusher_stops_nobody)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    pid_t child;

    (void)place_append(log, 0, 10);
    if ((child = fork()) == 0) {
        ph_log *mine = NULL;
        if (ph_log_open(dir, false, &mine, NULL) < 0 || ph_flusher_take(mine, NULL) < 0)
            _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    REQUIRE(waitpid(child, NULL, 0) == child);
    place_flush(log);
    CHECK_EQ_UINT(ph_log_durable(log), place_end(log));
    ph_log_close(log);
}

#endif

TEST(processes_append_and_flush_at_once)
{
    enum { PROCESSES = 4, EACH = 60 };
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    unsigned numbers[PROCESSES * EACH + 1], next[PROCESSES] = { 0 }, damages, count;

    for (unsigned p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            ph_log *mine = NULL;
            ph_buf payload = PH_BUF_INIT;
            ph_position at;
            if (ph_log_open(dir, false, &mine, NULL) < 0 || ph_log_share(mine, NULL) < 0)
                _exit(1);
            ph_log_roll_at(mine, 16384);
            for (unsigned i = 0; i < EACH; i++) {
                place_payload(&payload, p * 1000 + i, 100 + i);
                if (ph_log_lock(mine, 10000, NULL) < 0 ||
                    ph_log_append(mine, ph_buf_slice(&payload), 1 + (p * 1000 + i) % 3, &at, NULL) <
                        0)
                    _exit(2);
                ph_log_unlock(mine);
                if (ph_log_flush(mine, at + 1, NULL) < 0 || ph_log_durable(mine) <= at)
                    _exit(3);
            }
            _exit(0);
        }
    for (unsigned p = 0; p < PROCESSES; p++) {
        int status = -1;
        REQUIRE(wait(&status) > 0);
        CHECK_EQ_INT(status, 0);
    }
    count = place_read(log, numbers, PROCESSES * EACH + 1, &damages);
    CHECK_EQ_UINT(damages, 0);
    REQUIRE(CHECK_EQ_UINT(count, PROCESSES * EACH));
    for (unsigned i = 0; i < count; i++) /* each one's in its own order */
        CHECK_EQ_UINT(numbers[i] % 1000, next[numbers[i] / 1000]++);
    CHECK_EQ_UINT(ph_log_durable(log), place_end(log));
    ph_log_close(log);
}
