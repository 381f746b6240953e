/* A depot that an earlier version wrote (tests/golden/format1/depot: two publishers, three segments): the state that it makes, and its
 * small files written again to the same bytes. The files are never changed. */
#include "support/test.h"
#include "sync/depot_impl.h"

static prophet_error err;

static const char digest[] = "672324c4877a76b312c46efcb2ac2be307c912ff7dc36a9af3e331c428f19d2c";
static const char publisher[] = "42c3d58164d7ba0b18dc86bbe8d97b27bc2e8139629ed210fba034249a689962";

TEST(a_depot_is_what_it_was)
{
    ph_sync_report rep;
    ph_replica *r;
    ph_view *v;
    uint8_t now[32];
    char text[65];
    REQUIRE_OK(
        ph_sync_clone(test_source("tests/golden/format1/depot"), test_path("r"), NULL, &rep, &err),
        &err);
    CHECK_EQ_UINT(rep.changesets, 31);
    CHECK_EQ_STR(rep.notice, "");
    ph_sync_report_clear(&rep);
    REQUIRE_OK(ph_replica_open(test_path("r"), NULL, &r, &err), &err);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, now, &err), &err);
    ph_view_end(v);
    ph_hex(now, 32, text);
    CHECK_EQ_STR(text, digest);
    ph_replica_close(r);
}

TEST(manifest_and_root_are_written_as_they_were)
{
    ph_buf bytes = PH_BUF_INIT, again = PH_BUF_INIT;
    ph_arena a = PH_ARENA_INIT;
    depot_manifest m;
    depot_root root;
    char path[200];
    (void)snprintf(path, sizeof path, "tests/golden/format1/depot/%s/manifest", publisher);
    REQUIRE_OK(ph_file_slurp(test_source(path), 1u << 20, &bytes, &err), &err);
    REQUIRE_OK(depot_manifest_decode(ph_buf_slice(&bytes), &a, &m, &err), &err);
    CHECK_EQ_UINT(m.generation, 2);
    CHECK_EQ_UINT(m.segment_count, 2);
    CHECK_EQ_UINT(m.head_count, 1);
    REQUIRE_OK(depot_manifest_encode(&m, &again, &err), &err);
    CHECK_EQ_UINT(again.len + 64, bytes.len);
    CHECK_MEM(again.data, bytes.data, again.len);
    ph_buf_reset(&bytes);
    ph_buf_reset(&again);
    REQUIRE_OK(ph_file_slurp(test_source("tests/golden/format1/depot/prophet-depot"), 1u << 20,
                             &bytes, &err),
               &err);
    REQUIRE_OK(depot_root_decode(ph_buf_slice(&bytes), &a, &root, &err), &err);
    CHECK_EQ_UINT(root.count, 2);
    REQUIRE_OK(depot_root_encode(&root, &again, &err), &err);
    CHECK_SLICE(ph_buf_slice(&again), bytes.data, bytes.len);
    ph_arena_clear(&a);
    ph_buf_clear(&bytes);
    ph_buf_clear(&again);
}
