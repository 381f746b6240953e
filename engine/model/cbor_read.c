/* cbor_read: the slow paths of the strict CBOR cursor (cbor_impl.h): refusals, heads longer than
 * a byte, and passing over items nobody here understands. Called by every decoder of model/. */
#include "model/cbor_impl.h"

__attribute__((cold, noinline)) void ph_cursor_refused(ph_cursor *c, const uint8_t *at,
                                                       const char *reason)
{
    if (c->rc == PROPHET_OK)
        c->rc = ph_fail(c->err, PROPHET_ECORRUPT, "%s: %s at byte %zu", c->what, reason,
                        c->base + (size_t)(at - c->start));
}

__attribute__((cold, noinline)) void ph_cursor_out_of_memory(ph_cursor *c)
{
    if (c->rc == PROPHET_OK)
        c->rc = ph_nomem(c->err);
}

/* A head whose low five bits are 24 or more: 1, 2, 4 or 8 bytes follow, as few as do. */
bool ph_cursor_long_head(ph_cursor *c, uint64_t *arg)
{
    static const uint64_t least[4] = { 24, 1u << 8, 1u << 16, UINT64_C(1) << 32 };
    const uint8_t *at = c->p;
    unsigned info = *at & 31;
    uint64_t v = 0;

    if (info > 27)
        return ph_cursor_refuse(c, at, info == 31 ? "indefinite length" : "reserved head");
    size_t n = (size_t)1 << (info - 24);
    if (n > ph_cursor_left(c) - 1)
        return ph_cursor_refuse(c, at, "bytes end too early");
    for (size_t i = 1; i <= n; i++)
        v = v << 8 | at[i];
    if (v < least[info - 24])
        return ph_cursor_refuse(c, at, "integer or length is not in shortest form");
    *arg = v;
    c->p = at + 1 + n;
    return true;
}

/* Floats of any width, simple values, null, undefined: all fine in what we do not know. */
static bool skip_simple(ph_cursor *c)
{
    const uint8_t *at = c->p;
    unsigned info = *at & 31;
    size_t n = info < 24 ? 0 : (size_t)1 << (info & 3);

    if (info > 27)
        return ph_cursor_refuse(c, at, info == 31 ? "indefinite length" : "reserved head");
    if (n > ph_cursor_left(c) - 1)
        return ph_cursor_refuse(c, at, "bytes end too early");
    if (info == 24 && at[1] < 32)
        return ph_cursor_refuse(c, at, "simple value is not in shortest form");
    c->p = at + 1 + n;
    return true;
}

bool ph_cursor_skip(ph_cursor *c, unsigned depth)
{
    const uint8_t *at = c->p;
    unsigned major = 0;
    uint64_t arg = 0;

    if (at < c->end && *at >> 5 == PH_CBOR_SIMPLE)
        return skip_simple(c);
    if (!ph_cursor_head(c, &major, &arg))
        return false;
    if (major < PH_CBOR_BYTES)
        return true;
    if (arg > ph_cursor_left(c) && major != PH_CBOR_TAG)
        return ph_cursor_refuse(c, at, "bytes end too early");
    if (major < PH_CBOR_LIST) {
        c->p += arg;
        return true;
    }
    if (depth == PH_DEPTH_MAX)
        return ph_cursor_refuse(c, at, "nested too deep");
    if (major == PH_CBOR_TAG)
        arg = 1;
    else if (major == PH_CBOR_MAP)
        arg *= 2; /* at most the bytes left, so no overflow */
    while (arg-- > 0)
        if (!ph_cursor_skip(c, depth + 1))
            return false;
    return true;
}
