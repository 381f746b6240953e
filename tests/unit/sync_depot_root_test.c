/* The root of a depot is a hint that nobody signs: whatever stands in it keeps nobody from reading and publishing what the manifests say. */
#include "depot_place.h"

static void put_root(depot_root *root)
{
    ph_buf bytes = PH_BUF_INIT;
    REQUIRE_OK(depot_root_encode(root, &bytes, &err), &err);
    REQUIRE_OK(ph_file_replace(place("d/prophet-depot"), ph_buf_slice(&bytes), 0644, &err), &err);
    ph_buf_clear(&bytes);
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
