/* The root of a depot is a hint that nobody signs: whatever stands in it keeps nobody from reading and publishing what the manifests say. So it is with one file
 * that is larger than any of its kind. */
#include "depot_craft.h"
#include <sys/stat.h>
#include <unistd.h>

static void put_root(depot_root *root)
{
    ph_buf bytes = PH_BUF_INIT;
    REQUIRE_OK(depot_root_encode(root, &bytes, &err), &err);
    REQUIRE_OK(ph_file_replace(place("d/prophet-depot"), ph_buf_slice(&bytes), 0644, &err), &err);
    ph_buf_clear(&bytes);
}

/* How many publishers the root tells of; 0: it is damaged. */
static size_t told(void)
{
    ph_buf bytes = PH_BUF_INIT;
    ph_arena a = PH_ARENA_INIT;
    depot_root root = { .count = 0 };
    size_t count = 0;
    if (ph_file_slurp(place("d/prophet-depot"), DEPOT_FILE_MAX, &bytes, &err) >= 0 &&
        depot_root_decode(ph_buf_slice(&bytes), &a, &root, &err) >= 0)
        count = root.count;
    ph_arena_clear(&a);
    ph_buf_clear(&bytes);
    return count;
}

TEST(a_generation_that_leaves_no_room_is_not_counted_from)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    depot_entry lie = { .replica = *ph_replica_key(a), .generation = INT64_MAX - 1 };
    depot_root root = { .database = *ph_replica_database(a), .entries = &lie, .count = 1 };
    write_some(a, 1);
    (void)publish(a, "d");
    put_root(&root);
    for (int i = 0; i < 3; i++) {
        write_some(a, 1);
        CHECK_EQ_UINT(publish(a, "d"), 1);
    }
    CHECK_EQ_UINT(pull(b, "d"), 4);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_root_of_more_publishers_than_a_depot_holds_is_damaged)
{
    enum { COUNT = 10001 };
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    depot_entry *many = calloc(COUNT, sizeof *many);
    depot_root root = { .database = *ph_replica_database(a), .entries = many, .count = COUNT };
    REQUIRE(many != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        many[i].replica.b[0] = (uint8_t)(i >> 8);
        many[i].replica.b[1] = (uint8_t)i;
    }
    write_some(a, 2);
    (void)publish(a, "d");
    put_root(&root);
    CHECK_EQ_UINT(pull(b, "d"), 2);
    write_some(a, 1);
    CHECK_EQ_UINT(publish(a, "d"), 1);
    CHECK_EQ_UINT(told(), 1);
    free(many);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_swollen_root_is_damaged)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    write_some(a, 2);
    (void)publish(a, "d");
    REQUIRE(truncate(place("d/prophet-depot"), DEPOT_FILE_MAX + 1) == 0);
    CHECK_EQ_UINT(pull(b, "d"), 2);
    CHECK_EQ_UINT(publish(a, "d"), 0);
    CHECK_EQ_UINT(told(), 1);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_swollen_root_ends_no_live_sync)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report in = { 0 }, there = { 0 };
    ph_sync_follow *way;
    write_some(a, 2);
    write_some(b, 1);
    (void)publish(a, "d");
    REQUIRE(truncate(place("d/prophet-depot"), DEPOT_FILE_MAX + 1) == 0);
    REQUIRE_OK(ph_sync_follow_open(b, place("d"), NULL, &way, &err), &err);
    REQUIRE_OK(ph_sync_follow_pull(way, &in, &err), &err);
    REQUIRE_OK(ph_sync_follow_push(way, &there, &err), &err);
    CHECK_EQ_UINT(in.changesets, 2);
    CHECK_EQ_UINT(there.changesets, 1);
    CHECK_EQ_UINT(told(), 2);
    ph_sync_follow_close(way);
    ph_sync_report_clear(&in);
    ph_sync_report_clear(&there);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_swollen_manifest_keeps_no_other_out)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    char folder[80], name[90];
    write_some(a, 2);
    (void)publish(a, "d");
    (void)snprintf(folder, sizeof folder, "d/%064d", 7);
    (void)snprintf(name, sizeof name, "%s/manifest", folder);
    REQUIRE(mkdir(place(folder), 0755) == 0);
    REQUIRE_OK(ph_file_replace(place(name), ph_slice("", 0), 0644, &err), &err);
    REQUIRE(truncate(place(name), DEPOT_FILE_MAX + 1) == 0);
    CHECK_CODE(ph_sync_pull(b, place("d"), NULL, &rep, &err), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "longer than");
    CHECK_HAS(err.message, "00000000..");
    CHECK(rep.left_out);
    CHECK_EQ_UINT(version_of(b), 2);
    ph_sync_report_clear(&rep);
    write_some(a, 1);
    CHECK_EQ_UINT(publish(a, "d"), 1);
    ph_replica_close(a);
    ph_replica_close(b);
}

/* A server that has a page for everything; a portal of a hotel. */
TEST(a_page_where_the_root_should_be_is_no_depot)
{
    ph_replica *a = fresh("a", NULL);
    ph_sync_report rep;
    REQUIRE(mkdir(place("d"), 0755) == 0);
    REQUIRE_OK(ph_file_replace(place("d/prophet-depot"), ph_slice_str("<html>"), 0644, &err), &err);
    CHECK_CODE(ph_sync_pull(a, place("d"), NULL, &rep, &err), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.message, "its prophet-depot is something else");
    ph_sync_report_clear(&rep);
    write_some(a, 1);
    CHECK_EQ_UINT(publish(a, "d"), 1);
    CHECK_EQ_UINT(told(), 1);
    ph_replica_close(a);
}

/* All manifests are in memory at once: there is room for the small ones of all, and for some large ones. */
TEST(large_manifests_keep_no_small_one_out)
{
    enum { LARGE = 6, HEADS = 15 << 20 >> 5 };
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_id *heads = calloc(HEADS, sizeof *heads);
    ph_buf bytes = PH_BUF_INIT;
    ph_sync_report rep;
    REQUIRE(heads != NULL);
    for (uint32_t i = 0; i < HEADS; i++)
        ph_u32be_put(heads[i].b, i);
    write_some(a, 2);
    (void)publish(a, "d");
    for (size_t i = 0; i < LARGE; i++) {
        crafter w;
        craft_begin(&w);
        const depot_manifest m = { .database = *ph_replica_database(a),
                                   .replica = w.key,
                                   .generation = 1,
                                   .heads = heads,
                                   .head_count = HEADS };
        craft_signed(&w, &m, &bytes);
        craft_put(place("d"), &w.key, "manifest", ph_buf_slice(&bytes));
        craft_end(&w);
    }
    CHECK_CODE(ph_sync_pull(b, place("d"), NULL, &rep, &err), PROPHET_EBUDGET, &err);
    CHECK_HAS(err.message, "more than 64 MiB");
    CHECK(rep.left_out);
    CHECK_EQ_UINT(version_of(b), 2);
    ph_sync_report_clear(&rep);
    ph_buf_clear(&bytes);
    free(heads);
    ph_replica_close(a);
    ph_replica_close(b);
}
