/* Roots and manifests of depots: what is accepted is written again as it came. */
#include "sync/depot_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The signature is checked last, so that a mutation gets through everything before it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf again = PH_BUF_INIT;
    prophet_slice bytes = ph_slice(data, size);
    depot_manifest m;
    depot_root root;
    prophet_error err;
    prophet_code rc = depot_manifest_decode(bytes, &a, &m, &err);
    if (rc >= 0 || rc == PROPHET_EUNTRUSTED) {
        ph_require(depot_manifest_encode(&m, &again, &err) >= 0);
        ph_require(again.len + 64 == size && memcmp(again.data, data, again.len) == 0);
    }
    ph_buf_reset(&again);
    if (depot_root_decode(bytes, &a, &root, &err) >= 0)
        for (size_t i = 1; i < root.count; i++)
            ph_require(ph_id_cmp(&root.entries[i - 1].replica, &root.entries[i].replica) < 0);
    ph_buf_clear(&again);
    ph_arena_clear(&a);
    return 0;
}
