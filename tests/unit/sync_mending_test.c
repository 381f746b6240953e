/* Damage in a log of several files: every file but the last, deleted or cut in turn, comes back from a peer; and in an index. */
#include "mending_place.h"
#include <unistd.h>

enum { NOTES = 300 };

static void damage_file(const char *name, unsigned file, bool whole)
{
    char path[4300];
    (void)snprintf(path, sizeof path, "%s/log/%08u.log", place(name), file);
    if (whole)
        REQUIRE(unlink(path) == 0);
    else
        REQUIRE(truncate(path, 8000) == 0);
}

/* Two replicas with the same history; each writes, so that runs of both alternate in the logs. */
static void make_two(const char *a, const char *b)
{
    ph_replica *r, *s;
    REQUIRE_OK(ph_replica_create(place(a), NULL, &err), &err);
    r = open_at(a);
    REQUIRE_OK(ph_replica_create(place(b), ph_replica_database(r), &err), &err);
    s = open_at(b);
    for (uint64_t i = 0; i < NOTES; i++) {
        write_one(i % 70 < 50 ? r : s, i);
        if (i % 50 == 49) {
            REQUIRE_OK(ph_replica_sign(r, &err), &err);
            REQUIRE_OK(ph_replica_sign(s, &err), &err);
            pull(r, b);
            pull(s, a);
        }
    }
    pull(r, b);
    pull(s, a);
    require_same(r, s);
    ph_replica_close(r);
    ph_replica_close(s);
}

static void mend_file(const char *a, const char *b, unsigned file, bool whole, bool rebuild)
{
    make_two(a, b);
    damage_file(a, file, whole);
    ph_replica *r = open_at(a), *s = open_at(b);
    REQUIRE(faults(r, false) > 0);
    REQUIRE(lost(r) > 0);
    if (rebuild)
        REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    write_one(r, NOTES);
    pull(r, b);
    REQUIRE(lost(r) == 0);
    REQUIRE(faults(r, true) == 0);
    pull(s, a);
    require_same(r, s);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    REQUIRE(faults(r, true) == 0);
    require_same(r, s);
    ph_replica_close(r);
    ph_replica_close(s);
}

TEST(a_deleted_file_comes_back_from_a_peer)
{
    mend_file("deleted-a", "deleted-b", 2, true, false);
}

TEST(a_deleted_file_comes_back_after_a_rebuild)
{
    mend_file("rebuilt-a", "rebuilt-b", 2, true, true);
}

TEST(a_truncated_file_comes_back_from_a_peer)
{
    mend_file("short-a", "short-b", 1, false, false);
}

TEST(the_first_file_comes_back_after_a_rebuild)
{
    mend_file("first-a", "first-b", 1, true, true);
}

TEST(a_damaged_index_does_not_stop_its_rebuild)
{
    ph_replica *r;
    ph_txn *t;
    REQUIRE_OK(ph_replica_create(place("index"), NULL, &err), &err);
    r = open_at("index");
    write_one(r, 1);
    REQUIRE_OK(ph_log_lock(r->log, 1000, &err), &err);
    REQUIRE_OK(ph_txn_begin(r->store, true, &t, &err), &err);
    REQUIRE_OK(ph_txn_put(t, PH_T_META, ph_slice_str("state"), ph_slice_str("?"), &err), &err);
    REQUIRE_OK(ph_txn_commit(t, &err), &err);
    ph_log_unlock(r->log);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    REQUIRE(faults(r, true) == 0);
    ph_replica_close(r);
}
