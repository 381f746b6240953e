/* The messages of the comparison: what is accepted is written again as it came, anything else is refused. */
#include "sync/sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_slice bytes = ph_slice(data, size);
    ph_sync_report rep = { 0 };
    ph_sync_offer offer;
    ph_sync_want want;
    ph_sync_peer from;
    uint8_t digest[32];
    prophet_error err;
    bool all;

    if (ph_sync_offer_decode(bytes, &a, &from, &offer, &err) >= 0)
        for (size_t i = 0; i < offer.count; i++)
            ph_require(offer.heads[i].seq > 0);
    if (ph_sync_want_decode(bytes, &a, &from, &all, &want, &err) >= 0)
        for (size_t i = 1; i < want.wanted_count; i++)
            ph_require(ph_id_cmp(&want.wanted[i - 1], &want.wanted[i]) < 0);
    if (ph_sync_answer_decode(bytes, &from, digest, &rep, &err) >= 0)
        ph_require(rep.new_writer_count <= rep.writer_count);
    ph_sync_report_clear(&rep);
    ph_arena_clear(&a);
    return 0;
}
