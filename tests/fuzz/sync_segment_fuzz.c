/* Segments: heads that are accepted are written again as they came; blocks and frames never go beyond their bounds. */
#include "sync/segment_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct bytes {
    const uint8_t *data;
    size_t size, at;
} bytes;

static prophet_code take(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    bytes *b = ctx;
    (void)err;
    *got = len < b->size - b->at ? len : b->size - b->at;
    if (*got)
        memcpy(buf, b->data + b->at, *got);
    b->at += *got;
    return PROPHET_OK;
}

static void head_again(const sync_segment_head *h, const uint8_t *data)
{
    ph_buf again = PH_BUF_INIT;
    prophet_error err;
    if (sync_segment_head_encode(h, &again, &err) >= 0)
        ph_require(memcmp(again.data, data, again.len) == 0);
    ph_buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes b = { data, size, 0 };
    sync_segment *s;
    ph_frame_type type;
    prophet_slice frame;
    prophet_error err;
    uint64_t sum = 0;
    if (sync_segment_open(take, &b, "it", &s, &err) < 0)
        return 0;
    head_again(sync_segment_head_of(s), data);
    while (sync_segment_next(s, &type, &frame, &err) == PROPHET_OK) {
        ph_require(type == PH_FRAME_CHANGESET || type == PH_FRAME_SIGNATURE);
        ph_require(frame.len <= SEGMENT_RECORD_MAX);
        for (size_t i = 0; i < frame.len; i++)
            sum += ((const uint8_t *)frame.data)[i];
    }
    sync_segment_close(s);
    return sum == UINT64_MAX; /* never: every byte was read */
}
