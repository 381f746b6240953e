/* What recovery finds after a power cut: torn tails, flips, lost sectors, damage. */
#include "log_place.h"

/* Three batches flushed, the fourth not; its bytes in the file are [at, end). */
typedef struct scene {
    const char *dir;
    ph_position at[5], end, durable;
} scene;

static scene scene_make(unsigned flushed)
{
    scene s = { .dir = place_make("db") };
    ph_log *log = place_open(s.dir);

    for (unsigned n = 0; n < 4; n++) {
        s.at[n] = place_append(log, n, 20 + n);
        if (n + 1 == flushed)
            place_flush(log);
    }
    s.at[4] = s.end = place_end(log);
    s.durable = ph_log_durable(log);
    ph_log_close(log);
    place_copy_file(place_file(s.dir, FIRST_FILE), place_file(s.dir, "saved"));
    return s;
}

static void scene_restore(const scene *s, ph_position durable)
{
    place_copy_file(place_file(s->dir, "saved"), place_file(s->dir, FIRST_FILE));
    place_reboot(s->dir, durable);
}

static uint64_t offset_of(ph_position at)
{
    return at & 0xffffffff; /* of the first file */
}

TEST(a_torn_batch_is_cut_at_every_byte)
{
    scene s = scene_make(3);
    uint8_t zeros[1024] = { 0 };

    for (ph_position cut = s.at[3]; cut < s.end - 8; cut++) {
        scene_restore(&s, s.durable);
        place_poke(place_file(s.dir, FIRST_FILE), offset_of(cut), zeros, s.end - cut);
        test_context("cut at %llu", (unsigned long long)(cut - s.at[3]));
        ph_log *log = place_open(s.dir);
        REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
        CHECK_EQ_UINT(place_end(log), s.at[3]);
        CHECK(place_holds(log, 0, 2));
        (void)place_append_locked(log, 3, 7);
        ph_log_unlock(log);
        CHECK(place_holds(log, 0, 3));
        ph_log_close(log);
    }
}

TEST(a_file_may_end_at_every_byte_of_a_torn_batch)
{
    scene s = scene_make(3);

    for (ph_position cut = s.at[3]; cut < s.end; cut++) {
        scene_restore(&s, s.durable);
        REQUIRE(truncate(place_file(s.dir, FIRST_FILE), (off_t)offset_of(cut)) == 0);
        ph_log *log = place_open(s.dir);
        REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
        CHECK(place_holds(log, 0, cut >= s.end ? 3 : 2));
        ph_log_close(log);
    }
}

TEST(a_whole_batch_that_was_not_flushed_is_kept)
{
    scene s = scene_make(3);

    scene_restore(&s, s.durable);
    ph_log *log = place_open(s.dir);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 3));
    CHECK_EQ_UINT(ph_log_durable(log), s.end);
    ph_log_close(log);
}

TEST(a_flip_above_durable_cuts_from_there)
{
    scene s = scene_make(1);

    for (ph_position at = s.at[1]; at + 8 < s.at[2]; at++) { /* padding counts for nothing */
        scene_restore(&s, s.durable);
        place_flip(place_file(s.dir, FIRST_FILE), offset_of(at));
        ph_log *log = place_open(s.dir);
        test_context("flip at %llu", (unsigned long long)(at - s.at[1]));
        REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
        CHECK(place_holds(log, 0, 0));
        (void)place_append_locked(log, 1, 3);
        ph_log_unlock(log);
        CHECK(place_holds(log, 0, 1));
        ph_log_close(log);
    }
}

/* Everything but batch `lost` is read, and the log goes on. */
static void check_damage(const scene *s, unsigned lost, bool explicit)
{
    unsigned numbers[8], damages, count;
    ph_position from, to;
    ph_log *log = place_open(s->dir);

    if (explicit) {
        CHECK_CODE(ph_log_recover(log, &(ph_mark){ 0 }, &err), PROPHET_ECORRUPT, &err);
        CHECK_HAS(err.message, "damaged");
    } else {
        REQUIRE_OK(ph_log_lock(log, 0, &err), &err);
        ph_log_unlock(log);
    }
    REQUIRE(ph_log_damage(log, &from, &to));
    CHECK_EQ_UINT(from, s->at[lost]);
    CHECK_EQ_UINT(to, s->at[lost + 1]);
    for (unsigned round = 0; round < 2; round++) {
        count = place_read(log, numbers, 8, &damages);
        CHECK_EQ_UINT(damages, 1);
        REQUIRE(CHECK_EQ_UINT(count, 3 + round));
        for (unsigned i = 0; i < 3; i++)
            CHECK_EQ_UINT(numbers[i], i < lost ? i : i + 1);
        if (round == 0)
            (void)place_append(log, 4, 11);
    }
    ph_log_close(log);
}

TEST(a_flip_below_durable_is_damage_and_nothing_is_cut)
{
    scene s = scene_make(4);

    for (unsigned lost = 0; lost < 3; lost++)
        for (ph_position at = s.at[lost]; at + 8 < s.at[lost + 1]; at++) {
            scene_restore(&s, s.durable);
            place_flip(place_file(s.dir, FIRST_FILE), offset_of(at));
            test_context("batch %u, flip at %llu", lost, (unsigned long long)(at - s.at[lost]));
            check_damage(&s, lost, at % 2 == 0);
        }
}

TEST(later_batches_prove_damage_when_the_page_is_lost)
{
    scene s = scene_make(3); /* batch 3 says that 0 to 2 are on disk */
    uint8_t zeros[1024] = { 0 };

    for (unsigned lost = 0; lost < 3; lost++) {
        scene_restore(&s, 0);
        place_flip(place_file(s.dir, FIRST_FILE), offset_of(s.at[lost]) + 45);
        check_damage(&s, lost, true);
        scene_restore(&s, 0);
        place_poke(place_file(s.dir, FIRST_FILE), offset_of(s.at[lost]), zeros,
                   s.at[lost + 1] - s.at[lost]);
        test_context("batch %u zeroed", lost);
        check_damage(&s, lost, true);
    }
}

TEST(a_lost_sector_before_a_whole_batch_is_a_torn_tail)
{
    scene s = scene_make(1);
    uint8_t zeros[1024] = { 0 };

    scene_restore(&s,
                  s.durable); /* batch 1 never reached the disk, 2 and 3 did: none was promised */
    place_poke(place_file(s.dir, FIRST_FILE), offset_of(s.at[1]), zeros, s.at[2] - s.at[1]);
    ph_log *log = place_open(s.dir);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 0));
    (void)place_append(log, 1,
                       21); /* as long as the one before: what followed it must not come back */
    CHECK(place_holds(log, 0, 1));
    place_reboot(s.dir, s.durable);
    REQUIRE_OK(ph_log_recover(log, &(ph_mark){ 0 }, &err), &err);
    CHECK(place_holds(log, 0, 1));
    ph_log_close(log);
}

TEST(the_last_batches_lost_below_durable_are_damage)
{
    scene s = scene_make(4);
    unsigned numbers[8], damages;
    ph_position from, to;

    scene_restore(&s, s.durable);
    REQUIRE(truncate(place_file(s.dir, FIRST_FILE), (off_t)offset_of(s.at[2]) + 50) == 0);
    ph_log *log = place_open(s.dir);
    CHECK_CODE(ph_log_recover(log, &(ph_mark){ 0 }, &err), PROPHET_ECORRUPT, &err);
    REQUIRE(ph_log_damage(log, &from, &to));
    CHECK_EQ_UINT(from, s.at[2]);
    CHECK_EQ_UINT(to, s.end);
    (void)place_append(log, 5, 10);
    (void)place_append(log, 6, 10);
    CHECK_EQ_UINT(place_read(log, numbers, 8, &damages), 4);
    CHECK_EQ_UINT(numbers[2], 5);
    CHECK_EQ_UINT(damages, 1);
    place_reboot(s.dir, 0); /* the hole is still seen when the page knows nothing */
    place_flush(log);
    (void)place_append(log, 7, 10);
    CHECK_EQ_UINT(place_read(log, numbers, 8, &damages), 5);
    CHECK_EQ_UINT(damages, 1);
    ph_log_close(log);
}

TEST(damage_in_an_older_file_is_gone_around)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);
    unsigned numbers[16], damages;
    ph_position at[9];

    ph_log_roll_at(log, 4096);
    for (unsigned n = 0; n < 9; n++)
        at[n] = place_append(log, n, 700);
    ph_log_close(log);
    REQUIRE(at[1] >> 32 == 1 && at[2] >> 32 == 2);
    place_flip(place_file(dir, FIRST_FILE), offset_of(at[1]) + 10); /* the last of its file */
    place_reboot(dir, 0);
    log = place_open(dir);
    CHECK_CODE(ph_log_recover(log, &(ph_mark){ 0 }, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_UINT(place_read(log, numbers, 16, &damages), 8);
    CHECK_EQ_UINT(damages, 1);
    CHECK_EQ_UINT(numbers[1], 2);
    ph_log_close(log);
}

TEST(recovery_begins_at_the_evidence)
{
    scene s = scene_make(3);
    ph_log_evidence e;
    ph_log *log = place_open(s.dir);

    REQUIRE_OK(ph_log_evidence_here(log, &e, &err), &err);
    place_flush(log);
    ph_log_end(log, &e.mark);
    e.clean = true;
    REQUIRE_OK(ph_log_evidence_set(log, &e, &err), &err);
    (void)place_append(log, 4, 30);
    (void)place_append(log, 5, 30);
    s.end = place_end(log);
    place_reboot(s.dir, 0);
    /* A flip before the mark is not looked for, one behind it is found. */
    place_flip(place_file(s.dir, FIRST_FILE), offset_of(s.at[1]) + 50);
    place_flip(place_file(s.dir, FIRST_FILE), offset_of(s.end) - 20);
    ph_log_close(log);
    log = place_open(s.dir);
    REQUIRE_OK(ph_log_recover(log, &e.mark, &err), &err);
    CHECK(place_end(log) > e.mark.position && place_end(log) < s.end);
    place_reboot(s.dir, 0);
    CHECK_CODE(ph_log_recover(log, &(ph_mark){ 0 }, &err), PROPHET_ECORRUPT, &err);
    ph_log_close(log);
}

TEST(temporary_files_of_a_killed_process_are_swept)
{
    const char *dir = place_make("db");
    ph_log *log = place_open(dir);

    place_copy_file(place_file(dir, FIRST_FILE), place_file(dir, "log/00000002.log.tmp"));
    (void)place_append(log, 0, 10);
    CHECK(!ph_path_exists(place_file(dir, "log/00000002.log.tmp")));
    ph_log_close(log);
}
