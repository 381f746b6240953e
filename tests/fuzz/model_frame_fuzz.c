/* Fuzzes ph_frame_decode: a frame that is accepted, on its own or within a run, is the one that its
 * changeset gives when it is written again. */
#include "model/model.h"

static const ph_uuid database = { { 0xdb } };

static void check_frame(prophet_slice frame, const ph_frame_context *before, ph_hasher *hasher)
{
    ph_frame_context reader = *before, writer = *before, none = { 0 };
    ph_arena arena = PH_ARENA_INIT;
    ph_buf scratch = PH_BUF_INIT, out = PH_BUF_INIT;
    ph_changeset cs;
    prophet_slice body;

    if (ph_frame_decode(frame, &database, true, hasher, &scratch, &reader, &arena, &cs, NULL) >=
        0) {
        ph_frame_encode(&cs, &writer, &out);
        if (!ph_slice_eq(ph_buf_slice(&out), frame)) { /* written in full, though the run goes on */
            ph_buf_reset(&out);
            ph_frame_encode(&cs, &none, &out);
        }
        ph_require(!out.failed && ph_slice_eq(ph_buf_slice(&out), frame));
        ph_require(reader.has_last && ph_id_eq(&reader.id, &cs.id) && reader.seq == cs.header.seq);
        ph_require(ph_frame_body(frame, &body) && ph_slice_eq(body, cs.body_bytes));
    } else {
        ph_require(reader.has_last == before->has_last && reader.seq == before->seq);
        (void)ph_frame_body(frame, &body); /* anything but a crash */
    }
    ph_buf_clear(&out);
    ph_buf_clear(&scratch);
    ph_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ph_hasher *hasher;
    ph_frame_context none, run;

    if (!hasher && ph_hasher_new(&hasher, NULL) < 0)
        return 0;
    memset(&none, 0, sizeof none);
    memset(&run, 0, sizeof run);
    run.has_last = true;
    memset(run.replica.b, 0x11, sizeof run.replica.b);
    memset(run.id.b, 0x22, sizeof run.id.b);
    run.seq = 1;
    check_frame(ph_slice(data, size), &none, hasher);
    check_frame(ph_slice(data, size), &run, hasher);
    return 0;
}
