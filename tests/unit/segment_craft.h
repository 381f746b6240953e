/* Segments made by hand, sound or not, byte by byte. */
#ifndef SEGMENT_CRAFT_H
#define SEGMENT_CRAFT_H
#include "support/test.h"
#include "sync/segment_impl.h"

static inline void craft_start(ph_buf *out, const ph_uuid *database, const sync_run *runs,
                               size_t run_count, uint64_t changesets)
{
    const sync_segment_head h = {
        .database = *database, .changesets = changesets, .runs = runs, .run_count = run_count
    };
    prophet_error why;
    ph_buf_reset(out);
    REQUIRE_OK(sync_segment_head_encode(&h, out, &why), &why);
}

/* told: the length that it says it has when it is unfolded. */
static inline void craft_block(ph_buf *out, const void *bytes, size_t len, size_t told)
{
    ph_buf_u32be(out, (uint32_t)told);
    ph_buf_u32be(out, (uint32_t)len);
    ph_buf_put(out, bytes, len);
}

static inline void craft_finish(ph_buf *out)
{
    prophet_error why;
    ph_hasher *h;
    uint8_t sum[SEGMENT_SUM];
    ph_buf_u64be(out, 0);
    prophet_slice all = ph_buf_slice(out);
    REQUIRE_OK(ph_hasher_new(&h, &why), &why);
    REQUIRE_OK(ph_hash_sha256(h, &all, 1, sum, &why), &why);
    ph_buf_put(out, sum, sizeof sum);
    ph_hasher_free(h);
}

static inline prophet_code craft_frame(void *ctx, ph_frame_type type, prophet_slice frame,
                                       const ph_id *id, prophet_error *e)
{
    ph_buf *out = ctx;
    (void)id;
    (void)e;
    ph_buf_byte(out, (uint8_t)type);
    ph_buf_varint(out, frame.len);
    ph_buf_put(out, frame.data, frame.len);
    return PROPHET_OK;
}

/* All frames of a replica, as a block holds them. */
static inline void craft_frames(ph_replica *r, ph_buf *out)
{
    prophet_error why;
    ph_view *v;
    ph_buf_reset(out);
    REQUIRE_OK(ph_view_begin(r, &v, &why), &why);
    REQUIRE_OK(ph_view_stream(v, NULL, 0, true, craft_frame, out, &why), &why);
    ph_view_end(v);
}

#endif
