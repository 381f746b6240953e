/* Fuzzes ph_header_decode: a header that is accepted is the one that its encoding gives. */
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena arena = PH_ARENA_INIT;
    ph_buf out = PH_BUF_INIT;
    ph_header h;

    if (ph_header_decode(ph_slice(data, size), &arena, &h, NULL) >= 0) {
        ph_header_encode(&h, &out);
        ph_require(!out.failed && ph_slice_eq(ph_buf_slice(&out), ph_slice(data, size)));
        for (uint32_t i = 0; i < ph_changeset_names(&h); i++)
            ph_require(ph_changeset_position(&h, ph_changeset_name(&h, i)) == (int64_t)i);
    }
    ph_buf_clear(&out);
    ph_arena_clear(&arena);
    return 0;
}
