/* Locks, killed writers, evidence, token, copies, read-only opening. */
#include "log_place.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- locks --------------------------------------------------------------------------------------- */

TEST(one_writer_at_a_time_and_the_wait_ends)
{
    const char *dir = place_make("db");
    ph_log *a = place_open(dir), *b = place_open(dir);
    uint64_t start;

    REQUIRE_OK(ph_log_lock(a, 0, &err), &err);
    CHECK_CODE(ph_log_lock(b, 0, &err), PROPHET_EBUSY, &err);
    start = ph_monotonic_us();
    CHECK_CODE(ph_log_lock(b, 30, &err), PROPHET_EBUSY, &err);
    CHECK(ph_monotonic_us() - start >= 30000);
    CHECK_HAS(err.message, "another process, or another handle of this one, is writing");
    ph_log_unlock(a);
    CHECK_OK(ph_log_lock(b, 0, &err), &err);
    ph_log_close(b); /* closing lets go */
    CHECK_OK(ph_log_lock(a, 0, &err), &err);
    ph_log_close(a);
}

TEST(exclusive_needs_all_others_to_be_gone)
{
    const char *dir = place_make("db");
    ph_log *a = place_open(dir), *b = place_open(dir);

    REQUIRE_OK(ph_log_share(a, &err), &err);
    REQUIRE_OK(ph_log_share(b, &err), &err);
    CHECK_CODE(ph_log_try_exclusive(a, &err), PROPHET_DONE, &err);
    ph_log_close(b);
    CHECK_CODE(ph_log_try_exclusive(a, &err), PROPHET_OK, &err);
    b = place_open(dir);
    CHECK_CODE(ph_log_share(b, &err), PROPHET_EBUSY, &err);
    CHECK_OK(ph_log_downgrade(a, &err), &err);
    CHECK_OK(ph_log_share(b, &err), &err);
    ph_log_close(a);
    ph_log_close(b);
}

TEST(a_child_after_fork_is_told_to_open_again)
{
    ph_log *log = place_open(place_make("db"));
    int status = 0;

    (void)place_append(log, 0, 10);
    if (fork() == 0) {
        prophet_error e;
        ph_log_cursor *c;
        int bad = ph_log_lock(log, 0, &e) != PROPHET_EUSAGE ||
                  ph_log_share(log, &e) != PROPHET_EUSAGE ||
                  ph_log_flush(log, UINT64_MAX, &e) != PROPHET_EUSAGE ||
                  ph_log_cursor_open(log, NULL, &c, &e) != PROPHET_EUSAGE;
        _exit(bad);
    }
    REQUIRE(wait(&status) > 0);
    CHECK_EQ_INT(status, 0);
    ph_log_close(log);
}

/* ---- killed writers -------------------------------------------------------------------------------- */

/* A batch behind the end, as a writer leaves it that is killed before it moved the end. */
static void leave_batch(const char *dir, unsigned n, size_t keep)
{
    ph_log *log = place_open(dir);
    ph_page_mark end;

    ph_page_end(log, &end);
    (void)place_append(log, n, 50);
    if (keep < 500)
        REQUIRE(truncate(place_file(dir, FIRST_FILE),
                         (off_t)((end.position & 0xffffffff) + keep)) == 0);
    ph_page_end_set(log, &end);
    atomic_store(&log->page->writing, 1);
    ph_log_close(log);
}

TEST(a_killed_writers_whole_batch_is_kept_and_a_torn_one_cut)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);

    (void)place_append(log, 0, 10);
    leave_batch(dir, 1, 500);
    REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_unlock(log);
    for (size_t keep = 0; keep < 140; keep += 3) {
        leave_batch(dir, 77, keep);
        REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
        CHECK(place_holds(log, 0, 1));
        ph_log_unlock(log);
    }
    (void)place_append(log, 2, 10);
    CHECK(place_holds(log, 0, 2));
    ph_log_close(log);
}

TEST(writers_killed_at_random_lose_nothing_they_were_told)
{
    enum { ROUNDS = 25 };
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    _Atomic unsigned *acked =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned first = 0;

    REQUIRE(acked != MAP_FAILED);
    for (unsigned round = 0; round < ROUNDS; round++) {
        static unsigned numbers[200000];
        unsigned damages, count;
        uint64_t delay = 300 + test_below(6000);
        pid_t child;
        *acked = first;
        if ((child = fork()) == 0) {
            ph_log *mine = NULL;
            ph_buf payload = PH_BUF_INIT;
            ph_position at;
            if (ph_log_open(dir, false, &mine, NULL) < 0)
                _exit(1);
            ph_log_roll_at(mine, 20000);
            for (unsigned n = first;; n++) {
                place_payload(&payload, n, n % 700);
                if (ph_log_lock(mine, 10000, NULL) < 0 ||
                    ph_log_append(mine, ph_buf_slice(&payload), 1 + n % 3, &at, NULL) < 0)
                    _exit(2);
                ph_log_unlock(mine);
                if (ph_log_flush(mine, at + 1, NULL) < 0)
                    _exit(3);
                *acked = n + 1;
            }
        }
        (void)usleep((useconds_t)delay);
        REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        REQUIRE_OK(ph_log_lock(log, 1000, &err), &err);
        count = place_read(log, numbers, 200000, &damages);
        ph_log_unlock(log);
        CHECK_EQ_UINT(damages, 0);
        REQUIRE(CHECK_MSG(count == *acked || count == *acked + 1, "%u batches, %u told", count,
                          *acked));
        for (unsigned i = 0; i < count; i++)
            REQUIRE(numbers[i] == i);
        first = count;
    }
    REQUIRE(munmap((void *)acked, 4096) == 0);
    ph_log_close(log);
}

/* ---- evidence and token ------------------------------------------------------------------------------- */

TEST(evidence_and_token_are_kept_and_prove_themselves)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    ph_log_evidence e, got;
    ph_log_token t = { 123456789, -5, 999999999 }, back;

    ph_log_evidence_get(log, &got);
    CHECK(!got.clean && got.mark.position == 0);
    ph_log_token_get(log, &back);
    CHECK(back.inode == 0);
    (void)place_append(log, 0, 10);
    REQUIRE_OK(ph_log_evidence_here(log, &e, &err), &err);
    CHECK(e.inode != 0);
    e.clean = true;
    e.index = 3;
    ph_log_end(log, &e.mark);
    REQUIRE_OK(ph_log_evidence_set(log, &e, &err), &err);
    REQUIRE_OK(ph_log_token_set(log, &t, &err), &err);
    ph_log_close(log);
    log = place_open(dir);
    ph_log_evidence_get(log, &got);
    CHECK(got.clean && got.index == 3 && got.inode == e.inode && got.mount == e.mount);
    CHECK_MEM(got.boot, e.boot, 16);
    CHECK_MEM(&got.mark, &e.mark, sizeof got.mark);
    ph_log_token_get(log, &back);
    CHECK(back.inode == t.inode && back.birth_s == t.birth_s && back.birth_ns == t.birth_ns);
    for (uint64_t i = 0; i < 88; i++) { /* damaged evidence is none */
        place_flip(place_file(dir, "lock"), PH_PAGE_EVIDENCE + i);
        ph_log_evidence_get(log, &got);
        CHECK(!got.clean);
        place_flip(place_file(dir, "lock"), PH_PAGE_EVIDENCE + i);
    }
    ph_log_evidence_get(log, &got);
    CHECK(got.clean);
    ph_log_close(log);
}

TEST(a_copy_believes_neither_durable_nor_evidence_and_keeps_the_token)
{
    const char *dir = place_make("db"), *copy = test_path("copy");
    ph_log *log = place_open(dir);
    ph_log_evidence e;
    ph_log_token t = { 42, 1, 2 };

    (void)place_append(log, 0, 100);
    place_flush(log);
    REQUIRE_OK(ph_log_evidence_here(log, &e, &err), &err);
    e.clean = true;
    ph_log_end(log, &e.mark);
    REQUIRE_OK(ph_log_evidence_set(log, &e, &err), &err);
    REQUIRE_OK(ph_log_token_set(log, &t, &err), &err);
    REQUIRE(mkdir(copy, 0700) == 0 && mkdir(test_path("copy/log"), 0700) == 0);
    place_copy_file(place_file(dir, FIRST_FILE), place_file(copy, FIRST_FILE));
    (void)place_append(log, 1, 100); /* the lock file is copied later than the log */
    place_flush(log);
    place_copy_file(place_file(dir, "lock"), place_file(copy, "lock"));
    ph_log_close(log);
    log = place_open(copy);
    CHECK_EQ_UINT(ph_log_durable(log), 0);
    ph_log_evidence_get(log, &e);
    CHECK(!e.clean);
    (void)place_append(log, 1, 50);
    CHECK(place_holds(log, 0, 1));
    ph_log_evidence_get(log, &e);
    CHECK(!e.clean && e.mark.position == 0);
    ph_log_token_get(log, &t);
    CHECK_EQ_UINT(t.inode, 42);
    ph_log_close(log);
}

TEST(a_missing_or_short_lock_file_is_made_anew)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);

    (void)place_append(log, 0, 100);
    place_flush(log);
    ph_log_close(log);
    REQUIRE(unlink(place_file(dir, "lock")) == 0);
    log = place_open(dir);
    (void)place_append(log, 1, 100);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
    REQUIRE(truncate(place_file(dir, "lock"), 100) == 0);
    log = place_open(dir);
    (void)place_append(log, 2, 100);
    CHECK(place_holds(log, 0, 2));
    ph_log_close(log);
    for (uint64_t i = 0; i < 64; i += 3) { /* a page of rubbish costs a recovery, nothing else */
        place_flip(place_file(dir, "lock"), i);
        log = place_open(dir);
        (void)place_append(log, 3 + (unsigned)i / 3, 10);
        CHECK(place_holds(log, 0, 3 + (unsigned)i / 3));
        ph_log_close(log);
    }
}

/* ---- reading only ---------------------------------------------------------------------------------------- */

TEST(a_reader_needs_no_lock_file_and_writes_nothing)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *reader = NULL;
    struct stat before, after;
    ph_position at;

    (void)place_append(log, 0, 100);
    REQUIRE_OK(ph_log_open(dir, true, &reader, &err), &err);
    CHECK_OK(ph_log_share(reader, &err), &err);
    CHECK(place_holds(reader, 0, 0));
    (void)place_append(log, 1, 100);
    CHECK(place_holds(reader, 0, 1)); /* sees what is new */
    CHECK_CODE(ph_log_lock(reader, 0, &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_log_flush(reader, 1, &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_log_recover(reader, &(ph_mark){ 0 }, &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_log_try_exclusive(reader, &err), PROPHET_EREADONLY, &err);
    at = place_end(log);
    ph_log_close(reader);
    ph_log_close(log);
    REQUIRE(unlink(place_file(dir, "lock")) == 0);
    place_poke(place_file(dir, FIRST_FILE), (at & 0xffffffff) + 16, "torn", 4);
    REQUIRE(stat(place_file(dir, FIRST_FILE), &before) == 0);
    REQUIRE_OK(ph_log_open(dir, true, &reader, &err), &err);
    CHECK_OK(ph_log_share(reader, &err), &err);
    CHECK(place_holds(reader, 0, 1));
    ph_log_close(reader);
    REQUIRE(stat(place_file(dir, FIRST_FILE), &after) == 0);
    CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size);
    CHECK(!ph_path_exists(place_file(dir, "lock")));
}

TEST(a_reader_tells_damage_from_a_torn_tail)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir), *reader = NULL;
    ph_log_cursor *c;
    ph_frame f;
    ph_position at[3];

    for (unsigned n = 0; n < 3; n++) {
        at[n] = place_append(log, n, 50);
        place_flush(log);
    }
    ph_log_close(log);
    REQUIRE(unlink(place_file(dir, "lock")) == 0);
    place_flip(place_file(dir, FIRST_FILE), (at[1] & 0xffffffff) + 44);
    REQUIRE_OK(ph_log_open(dir, true, &reader, &err), &err);
    REQUIRE_OK(ph_log_cursor_open(reader, NULL, &c, &err), &err);
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_log_cursor_next(c, &f, &err), PROPHET_ECORRUPT, &err);
    ph_log_cursor_close(c);
    ph_log_close(reader);
}

/* ---- a full disk --------------------------------------------------------------------------------------------- */

TEST(a_limit_on_file_size_is_a_full_disk)
{
    const char *dir = place_make("db");
    int status = 0;

    if (fork() == 0) {
        struct rlimit limit = { 100 << 10, RLIM_INFINITY };
        prophet_error e;
        ph_log *log = NULL;
        ph_buf payload = PH_BUF_INIT;
        ph_position at;
        unsigned n = 0;
        prophet_code rc;
        (void)signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || ph_log_open(dir, false, &log, &e) < 0 ||
            ph_log_lock(log, 0, &e) < 0)
            _exit(1);
        do {
            place_payload(&payload, n, 999);
            rc = ph_log_append(log, ph_buf_slice(&payload), 1 + n % 3, &at, &e);
        } while (rc == PROPHET_OK && n++ < 1000);
        if (rc != PROPHET_EFULL || n < 30 || n > 100)
            _exit(2);
        _exit(ph_log_append(log, ph_slice("\x01\x01x", 3), 1, &at, &e) == PROPHET_OK
                  ? 0
                  : 3); /* a small one fits */
    }
    REQUIRE(wait(&status) > 0);
    CHECK_EQ_INT(status, 0);
}
