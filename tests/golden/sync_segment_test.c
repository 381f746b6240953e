/* A segment that an earlier version wrote (tests/golden/format1/segment.bin: two writers, a conflict with a vote): its head, and the state
 * that it makes. The file is never changed. Compressed bytes may differ between versions of zstd, so only reading is fixed. */
#include "support/test.h"
#include "sync/segment_impl.h"

static prophet_error err;

static const char digest[] = "997a841650a5f62374a40d413c3344f0278be27d53caa2431927b2ff2ce1250f";
static const char database[] = "88b89dee-b071-281f-c3d1-04282ab8a4dc";
static const char author[] = "694c0f90b9e52ac2df8becff0a0099bb3c56546f182169611fa2e9fd68f66f6d";

TEST(a_segment_is_what_it_was)
{
    ph_sync_report rep;
    ph_replica *r;
    ph_view *v;
    uint8_t now[32];
    char text[65];
    REQUIRE_OK(ph_sync_clone(test_source("tests/golden/format1/segment.bin"), test_path("r"), NULL,
                             &rep, &err),
               &err);
    CHECK_EQ_UINT(rep.changesets, 28);
    CHECK_EQ_UINT(rep.writer_count, 2);
    ph_sync_report_clear(&rep);
    REQUIRE_OK(ph_replica_open(test_path("r"), NULL, &r, &err), &err);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, now, &err), &err);
    ph_view_end(v);
    ph_hex(now, 32, text);
    CHECK_EQ_STR(text, digest);
    ph_uuid_format(ph_replica_database(r), text);
    CHECK_EQ_STR(text, database);
    ph_replica_close(r);
}

TEST(a_head_is_written_as_it_was)
{
    ph_buf bytes = PH_BUF_INIT, again = PH_BUF_INIT;
    ph_arena a = PH_ARENA_INIT;
    sync_segment_head h;
    uint32_t len;
    char hex[65];
    REQUIRE_OK(
        ph_file_slurp(test_source("tests/golden/format1/segment.bin"), 1u << 20, &bytes, &err),
        &err);
    REQUIRE_OK(sync_segment_start(bytes.data, &len, &err), &err);
    REQUIRE_OK(sync_segment_head_decode(ph_slice(bytes.data + SEGMENT_START, len), &a, &h, &err),
               &err);
    CHECK_EQ_UINT(h.changesets, 28);
    CHECK_EQ_UINT(h.run_count, 2);
    CHECK_EQ_UINT(h.need_count, 0);
    bool found = false;
    for (size_t i = 0; i < h.run_count; i++) {
        ph_hex(h.runs[i].replica.b, 32, hex);
        found = found || strcmp(hex, author) == 0;
        CHECK_EQ_UINT(h.runs[i].from, 1);
    }
    CHECK(found);
    REQUIRE_OK(sync_segment_head_encode(&h, &again, &err), &err);
    CHECK_MEM(bytes.data, again.data, again.len);
    CHECK_EQ_UINT(again.len, SEGMENT_START + len);
    ph_arena_clear(&a);
    ph_buf_clear(&bytes);
    ph_buf_clear(&again);
}
