/* What is believed, and when: the index (clean, idle, condemned by a failed sync, not trusted by a reader), and what others may be served. */
#include "replica/replica_impl.h"
#include "support/test.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static prophet_error err;

static ph_replica *make(const char *name)
{
    ph_replica *r;

    REQUIRE_OK(ph_replica_create(test_path(name), NULL, &err), &err);
    REQUIRE_OK(ph_replica_open(test_path(name), NULL, &r, &err), &err);
    return r;
}

static void write_one(ph_replica *r)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;

    ph_put_text(&b, ph_slice_str("a note"));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static void look(ph_replica *r)
{
    ph_view *v;

    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    ph_view_end(v);
}

static bool is_clean(ph_replica *r)
{
    ph_log_evidence e;

    ph_log_evidence_get(r->log, &e);
    return e.clean;
}

TEST(a_second_after_the_last_write_the_index_is_made_clean)
{
    ph_replica *r = make("idle");

    write_one(r);
    look(r);
    CHECK(!is_clean(r));
    r->last_write_us -= 1000000;
    look(r);
    CHECK(is_clean(r));
    write_one(r);
    CHECK(!is_clean(r));
    ph_replica_close(r);
}

TEST(nobody_who_reads_waits_for_who_writes_to_do_that)
{
    ph_replica *r = make("busy"), *other;

    write_one(r);
    REQUIRE_OK(ph_replica_open(test_path("busy"), NULL, &other, &err), &err);
    REQUIRE_OK(ph_log_lock(other->log, 1000, &err), &err);
    r->last_write_us -= 1000000;
    uint64_t before = ph_monotonic_us();
    look(r);
    CHECK(ph_monotonic_us() - before < 900000);
    CHECK(!is_clean(r));
    ph_log_unlock(other->log);
    ph_replica_close(other);
    ph_replica_close(r);
}

/* Every descriptor of the index becomes a pipe, which cannot be synced. */
static void break_syncs(const char *index)
{
    struct dirent *e;
    int ends[2], broken = 0;
    DIR *d = opendir("/proc/self/fd");

    REQUIRE(d && pipe(ends) == 0);
    while ((e = readdir(d)) != NULL) {
        char link[300], to[4200];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%s", e->d_name);
        ssize_t n = readlink(link, to, sizeof to - 1);
        to[n > 0 ? n : 0] = 0;
        if (strcmp(to, index) != 0)
            continue;
        REQUIRE(dup2(ends[1], (int)strtol(e->d_name, NULL, 10)) >= 0);
        broken++;
    }
    REQUIRE(broken > 0);
    (void)closedir(d);
    close(ends[0]), close(ends[1]);
}

TEST(a_failed_sync_condemns_the_index)
{
    ph_replica *r = make("condemned");
    char index[PH_PATH_MAX];
    uint32_t number = r->index_number;

    (void)snprintf(index, sizeof index, "%s/index.%u.mdb", test_path("condemned"), number);
    write_one(r);
    break_syncs(index);
    r->last_write_us -= 1000000;
    look(r); /* the sync fails */
    CHECK(!is_clean(r));
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(test_path("condemned"), NULL, &r, &err), &err);
    CHECK(r->index_number != number); /* made anew */
    ph_check_report report;
    REQUIRE_OK(ph_replica_check(r, NULL, NULL, &report, &err), &err);
    CHECK_EQ_UINT(report.faults, 0);
    CHECK_EQ_UINT(report.changesets, 1);
    ph_replica_close(r);
}

/* ---- what is served -------------------------------------------------------------------------------- */

static prophet_code count_frames(void *ctx, ph_frame_type type, prophet_slice frame,
                                 const ph_id *of, prophet_error *e)
{
    (void)frame, (void)of, (void)e;
    *(unsigned *)ctx += type == PH_FRAME_CHANGESET;
    return PROPHET_OK;
}

static unsigned served(ph_replica *r, bool all)
{
    uint64_t versions[] = { 1, 2 };
    unsigned count = 0;
    ph_view *v;

    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_stream(v, versions, 2, all, count_frames, &count, &err), &err);
    ph_view_end(v);
    return count;
}

TEST(nothing_that_is_not_known_to_be_on_disk_is_served)
{
    ph_replica_options relaxed = { .relaxed = true };
    ph_replica *r = make("relaxed");

    write_one(r);
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(test_path("relaxed"), &relaxed, &r, &err), &err);
    write_one(r);
    CHECK_EQ_UINT(served(r, true), 1);
    CHECK_EQ_UINT(served(r, false), 1);
    REQUIRE_OK(ph_replica_flush(r, &err), &err);
    CHECK_EQ_UINT(served(r, true), 2);
    CHECK_EQ_UINT(served(r, false), 2);
    ph_replica_close(r);
}

/* ---- who only reads -------------------------------------------------------------------------------- */

TEST(a_reader_that_cannot_trust_the_index_reads_the_log)
{
    ph_replica_options reading = { .readonly = true };
    ph_replica *r = make("reader");
    ph_log_evidence other;

    write_one(r);
    ph_log_evidence_get(r->log, &other);
    other.boot[0] ^= 1; /* not clean, and of another boot */
    REQUIRE_OK(ph_log_evidence_set(r->log, &other, &err), &err);
    r->wrote = r->marked_unclean = false; /* as if it were killed */
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(test_path("reader"), &reading, &r, &err), &err);
    CHECK(r->temporary);
    CHECK_EQ_UINT(served(r, true), 1);
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(test_path("reader"), NULL, &r, &err), &err);
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(test_path("reader"), &reading, &r, &err), &err);
    CHECK(!r->temporary); /* clean now */
    ph_replica_close(r);
}
