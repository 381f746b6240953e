/* Exchange between directories: pull, push, clone, and copies of one replica that forked. */
#include "support/test.h"
#include "sync/sync.h"
#include <stdlib.h>
#include <unistd.h>

static prophet_error err;

static const char *place(const char *name) /* asked for more often than test_path has room */
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static ph_replica *open_at(const char *name)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    return r;
}

static ph_replica *fresh(const char *name)
{
    REQUIRE_OK(ph_replica_create(place(name), NULL, &err), &err);
    return open_at(name);
}

/* Reserved types take any field: no definition is needed here. */
static void write_one(ph_replica *r, uint64_t n)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;
    char name[40];
    (void)snprintf(name, sizeof name, "note %llu", (unsigned long long)n);
    ph_put_text(&b, ph_slice_str(name));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static void digest_of(ph_replica *r, uint8_t out[32])
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, out, &err), &err);
    ph_view_end(v);
}

static bool same(ph_replica *a, ph_replica *b)
{
    uint8_t x[32], y[32];
    digest_of(a, x);
    digest_of(b, y);
    return memcmp(x, y, 32) == 0;
}

static uint64_t pull(ph_replica *to, const char *from)
{
    ph_sync_report rep = { 0 };
    REQUIRE_OK(ph_sync_pull(to, place(from), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.held_back, 0);
    uint64_t n = rep.changesets;
    ph_sync_report_clear(&rep);
    return n;
}

TEST(a_clone_has_everything_and_pulls_only_what_is_new)
{
    ph_replica *a = fresh("a"), *b;
    ph_sync_report rep = { 0 };
    for (uint64_t i = 0; i < 20; i++)
        write_one(a, i);
    REQUIRE_OK(ph_sync_clone(place("a"), place("b"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 20);
    CHECK_EQ_INT(rep.new_writer_count, 1);
    ph_sync_report_clear(&rep);
    b = open_at("b");
    CHECK(same(a, b));
    CHECK_EQ_UINT(pull(b, "a"), 0);
    write_one(a, 100);
    write_one(b, 200);
    CHECK_EQ_UINT(pull(b, "a"), 1);
    REQUIRE_OK(ph_sync_push(b, place("a"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 1);
    ph_sync_report_clear(&rep);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_dry_run_counts_and_writes_nothing)
{
    ph_replica *a = fresh("a"), *b;
    ph_sync_report rep = { 0 };
    ph_sync_options o = { .dry_run = true };
    write_one(a, 1);
    REQUIRE_OK(ph_sync_clone(place("a"), place("b"), NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
    b = open_at("b");
    write_one(a, 2);
    REQUIRE_OK(ph_sync_pull(b, place("a"), &o, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 1);
    CHECK(rep.dry_run);
    CHECK(!same(a, b));
    ph_sync_report_clear(&rep);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(another_database_is_refused_and_a_failed_clone_leaves_nothing)
{
    ph_replica *a = fresh("a"), *b = fresh("b");
    ph_sync_report rep = { 0 };
    CHECK_CODE(ph_sync_pull(a, place("b"), NULL, &rep, &err), PROPHET_EUNRELATED, &err);
    CHECK_CODE(ph_sync_pull(a, place("a"), NULL, &rep, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_sync_clone(place("nowhere"), place("c"), NULL, &rep, &err), PROPHET_ENOTFOUND,
               &err);
    CHECK(!ph_path_exists(place("c")));
    CHECK_CODE(ph_sync_clone(place("a"), place("b"), NULL, &rep, &err), PROPHET_EEXISTS, &err);
    ph_sync_report_clear(&rep);
    ph_replica_close(a);
    ph_replica_close(b);
}

static void copy_directory(const char *from, const char *to)
{
    char command[9000];
    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", place(from), place(to));
    FILE *p = popen(command, "r"); /* a person would do just that */
    REQUIRE(p && pclose(p) == 0);
}

TEST(a_copied_directory_goes_on_under_a_key_of_its_own)
{
    ph_replica *a = fresh("a"), *b;
    ph_id before = *ph_replica_key(a);
    write_one(a, 1);
    ph_replica_close(a);
    copy_directory("a", "b");
    a = open_at("a");
    b = open_at("b");
    CHECK(ph_id_eq(ph_replica_key(a), &before));
    CHECK(!ph_id_eq(ph_replica_key(b), &before));
    CHECK_HAS(ph_replica_notice(b), "copy");
    write_one(a, 2);
    write_one(b, 3);
    CHECK(pull(a, "b") == 2);
    CHECK(pull(b, "a") == 1);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

/* Adopted copies keep the key: both write at the same numbers of one chain. */
TEST(forked_copies_always_come_together)
{
    for (int round = 0; round < 12; round++) {
        char name[3][24];
        ph_replica *r[3];
        (void)snprintf(name[0], sizeof name[0], "r%d-0", round);
        r[0] = fresh(name[0]);
        for (uint64_t i = 0; i < test_below(40); i++)
            write_one(r[0], i);
        ph_replica_close(r[0]);
        for (int i = 1; i < 3; i++) {
            (void)snprintf(name[i], sizeof name[i], "r%d-%d", round, i);
            copy_directory(name[0], name[i]);
            REQUIRE_OK(ph_replica_adopt(place(name[i]), &err), &err);
        }
        for (int i = 0; i < 3; i++)
            r[i] = open_at(name[i]);
        CHECK(ph_id_eq(ph_replica_key(r[0]), ph_replica_key(r[1])));
        for (int step = 0; step < 30; step++) {
            size_t i = test_below(3), k = test_below(3);
            if (test_below(4))
                write_one(r[i], (uint64_t)step);
            else if (i != k)
                (void)pull(r[i], name[k]);
        }
        for (int rounds = 0; rounds < 5; rounds++)
            for (int i = 0; i < 3; i++)
                for (int k = 0; k < 3; k++)
                    if (i != k)
                        (void)pull(r[i], name[k]);
        CHECK(same(r[0], r[1]));
        CHECK(same(r[1], r[2]));
        for (int i = 0; i < 3; i++)
            ph_replica_close(r[i]);
    }
}
