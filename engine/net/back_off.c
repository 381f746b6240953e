/* back_off: how long to wait before something that failed for a while is tried again. Called by the transports that go over a network. */
#include "net/net_impl.h"
#include "crypto/crypto.h"
#include <time.h>

#define BACK_OFF_MS  250u  /* doubles with every try .. */
#define BACK_OFF_MAX 8000u /* .. up to this */
#define AFTER_MAX_S  30u   /* who asks for a longer break than this is told about, not waited for */
#define TICK_MS      200u

/* Between half of it and all of it, so that many who lost one server do not come back at one moment. */
static uint64_t jittered_us(uint32_t tried)
{
    uint32_t r = 0;
    uint64_t most = BACK_OFF_MS;
    for (; tried > 1 && most < BACK_OFF_MAX; tried--)
        most *= 2;
    (void)ph_random(&r, sizeof r, NULL); /* without randomness: without jitter */
    return most * 500 + most * 500 * r / UINT32_MAX;
}

prophet_code net_back_off(const prophet_net_options *o, uint32_t tried, uint32_t after_s,
                          prophet_error *err)
{
    if (o->retries == PROPHET_NO_RETRY || tried > o->retries || after_s > AFTER_MAX_S)
        return PROPHET_DONE;
    uint64_t us = after_s ? (uint64_t)after_s * 1000000 : jittered_us(tried);
    uint64_t until = ph_monotonic_us() + us;
    for (uint64_t now; (now = ph_monotonic_us()) < until;) {
        uint64_t left = until - now < TICK_MS * 1000 ? until - now : TICK_MS * 1000;
        struct timespec t = { 0, (long)left * 1000 };
        prophet_code rc = net_tick(o, "wait", 0, PROPHET_WHOLE, err);
        if (rc < 0)
            return rc;
        (void)nanosleep(&t, NULL); /* a signal only makes it shorter */
    }
    return PROPHET_OK;
}
