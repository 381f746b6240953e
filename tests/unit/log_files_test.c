/* Log files that are missing, cut or have damaged headers: what is left is read, and the log goes on. */
#include "log_place.h"
#include <sys/resource.h>

typedef struct scene {
    const char *dir;
    ph_position at[9], end;
    uint32_t files;
} scene;

/* Nine batches, two or three a file, everything flushed, in a log that knows its database. */
static scene scene_make(void)
{
    scene s = { .dir = place_make("db") };
    ph_log *log = place_open(s.dir);

    ph_log_roll_at(log, 4096);
    REQUIRE_OK(ph_log_token_set(log, &(ph_log_token){ 1, 2, 3 }, &err), &err);
    for (unsigned n = 0; n < 9; n++)
        s.at[n] = place_append(log, n, 900);
    place_flush(log);
    s.end = place_end(log);
    s.files = (uint32_t)(s.end >> 32);
    REQUIRE(s.files >= 4);
    ph_log_close(log);
    return s;
}

static const char *file_of(const scene *s, uint32_t n)
{
    char name[32];
    (void)snprintf(name, sizeof name, "log/%08u.log", n);
    return place_file(s->dir, name);
}

/* How many batches lie in file n. */
static unsigned batches_in(const scene *s, uint32_t n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < 9; i++)
        count += s->at[i] >> 32 == n;
    return count;
}

/* All but `lost` batches are read, after a reboot and without one; then the log goes on. */
static void check_left(const scene *s, unsigned lost, int holes, const char *why)
{
    unsigned numbers[16], damages;
    ph_log *log;

    for (unsigned boot = 0; boot < 2; boot++) {
        test_context("%s, %u lost, boot %u", why, lost, boot);
        if (boot)
            place_reboot(s->dir, s->end);
        log = place_open(s->dir);
        CHECK(ph_uuid_eq(ph_log_database(log), &place_database));
        prophet_code rc = ph_log_recover(log, &(ph_mark){ 0 }, &err);
        if (holes >= 0)
            CHECK_CODE(rc, holes ? PROPHET_ECORRUPT : PROPHET_OK, &err);
        if (holes > 0)
            CHECK_HAS(err.message, why);
        CHECK_EQ_UINT(place_read(log, numbers, 16, &damages), 9 + boot - lost);
        if (holes >= 0)
            CHECK_EQ_UINT(damages, (unsigned)holes);
        (void)place_append(log, 9 + boot, 30);
        place_flush(log);
        CHECK_EQ_UINT(place_read(log, numbers, 16, &damages), 10 + boot - lost);
        if (holes >= 0)
            CHECK_EQ_UINT(damages, (unsigned)holes);
        ph_log_close(log);
    }
}

TEST(a_missing_file_is_gone_around)
{
    for (uint32_t n = 1; n <= 4; n++) {
        scene s = scene_make();
        char why[64];
        REQUIRE(unlink(file_of(&s, n)) == 0);
        (void)snprintf(why, sizeof why, "%08u.log is missing", n);
        check_left(&s, batches_in(&s, n), 1, why);
        place_remove(s.dir);
    }
}

TEST(two_missing_files_are_gone_around)
{
    scene s = scene_make();
    REQUIRE(unlink(file_of(&s, 2)) == 0 && unlink(file_of(&s, 3)) == 0);
    check_left(&s, batches_in(&s, 2) + batches_in(&s, 3), 1, "00000002.log is missing");
}

TEST(the_last_file_may_be_the_missing_one)
{
    scene s = scene_make();
    REQUIRE(unlink(file_of(&s, s.files)) == 0);
    check_left(&s, batches_in(&s, s.files), 1, "is missing");
}

TEST(a_file_cut_short_is_gone_around)
{
    for (uint32_t n = 1; n < 4; n++)
        for (off_t length = 0; length < 2800; length += 433) {
            scene s = scene_make();
            struct stat st;
            REQUIRE(stat(file_of(&s, n), &st) == 0);
            REQUIRE(truncate(file_of(&s, n), length < st.st_size ? length : st.st_size - 1) == 0);
            test_context("file %u cut to %ld", n, (long)length);
            unsigned left = 0;
            for (unsigned i = 0; i < 9; i++)
                left += s.at[i] >> 32 == n && i + 1 < 9 && s.at[i + 1] >> 32 == n &&
                        (off_t)(uint32_t)s.at[i + 1] <= length;
            check_left(&s, batches_in(&s, n) - left, 1, "");
            place_remove(s.dir);
        }
}

TEST(a_flip_in_a_header_loses_nothing)
{
    for (uint32_t n = 1; n <= 4; n++)
        for (unsigned byte = 0; byte < PH_LOG_FILE_HEADER; byte += 3) {
            scene s = scene_make();
            bool missing;
            if (byte == 11)
                continue; /* the format's number: a later version is refused as such */
            place_flip(file_of(&s, n), byte);
            test_context("file %u, byte %u", n, byte);
            /* told that the file before is longer than it is, a reader can but suppose that something was there */
            check_left(&s, 0, byte >= 40 && byte < 48 ? -1 : 0, "");
            ph_log *log = place_open(s.dir);
            unsigned numbers[16], damages;
            (void)place_read(log, numbers, 16, &damages);
            if (byte < 40 || byte >= 48)
                CHECK_EQ_UINT(ph_log_bad_header(log, 0, &missing), n);
            REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
            REQUIRE_OK(ph_log_mend_headers(log, &err), &err);
            ph_log_unlock(log);
            CHECK_EQ_UINT(ph_log_bad_header(log, 0, &missing), 0);
            ph_log_close(log);
            log = place_open(s.dir);
            (void)place_read(log, numbers, 16, &damages);
            CHECK_EQ_UINT(ph_log_bad_header(log, 0, &missing), 0);
            ph_log_close(log);
            place_remove(s.dir);
        }
}

TEST(a_lost_first_sector_costs_its_batches_only)
{
    static const uint8_t zeros[512];
    scene s = scene_make();
    place_poke(file_of(&s, 2), 0, zeros, sizeof zeros);
    check_left(&s, 1, 1, "");
    place_remove(s.dir);
    s = scene_make();
    place_poke(file_of(&s, 1), 0, zeros, sizeof zeros);
    check_left(&s, 1, 1, "");
}

TEST(fewer_descriptors_than_files_will_do)
{
    scene s = scene_make();
    struct rlimit before, few;
    ph_log *log = place_open(s.dir);
    int next = open("/dev/null", O_RDONLY); /* the least that is free */

    REQUIRE(next >= 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = (rlim_t)next + 1; /* that one alone is left */
    close(next);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (unsigned n = 0; n < 9; n++) {
        ph_log_window w = { .bytes = PH_BUF_INIT };
        ph_frame f;
        CHECK_OK(ph_log_read(log, ph_log_frame_position(s.at[n], 0), &w, &f, &err), &err);
        ph_log_window_clear(&w);
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    ph_log_close(log);
}

static void put_file(const scene *s, uint32_t n)
{
    int fd = open(file_of(s, n), O_WRONLY | O_CREAT | O_EXCL, 0600);

    REQUIRE(fd >= 0 && close(fd) == 0);
}

TEST(a_file_that_is_none_does_not_end_the_log)
{
    scene s = scene_make();

    put_file(&s, s.files + 1);
    check_left(&s, 0, -1, "a stray file");
}

TEST(a_file_with_a_number_from_nowhere_is_refused)
{
    scene s = scene_make();
    ph_log *log = NULL;

    put_file(&s, 4000000000u);
    CHECK_CODE(ph_log_open(s.dir, false, &log, &err), PROPHET_ECORRUPT, &err);
    CHECK_HAS(err.message, "4000000000.log");
    CHECK_HAS(err.hint, "move it away");
}

TEST(an_end_that_was_written_over_is_seen)
{
    scene s = scene_make();
    ph_log *log = place_open(s.dir);

    CHECK(!ph_log_is_short(log));
    int fd = open(file_of(&s, s.files), O_WRONLY);
    REQUIRE(fd >= 0 && pwrite(fd, "junk", 4, (off_t)(uint32_t)s.at[8] + 24) == 4 && close(fd) == 0);
    CHECK(ph_log_is_short(log));
    ph_log_close(log);
}
