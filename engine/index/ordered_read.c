/* ordered_read: values of a key of a secondary index, back as values: what counts from keys alone reads them. Only kinds that a key tells whole
 * are read: a number as the integer it equals where there is one, since 1 and 1.0 are the same bytes; what was cut is not told.
 *
 * Called by query/group.c. The bytes are drawn in ordered.c. */
#include "index/ordered_impl.h"

typedef struct ordered_in {
    const uint8_t *p, *end;
    uint8_t flip; /* descending: all bits */
} ordered_in;

static bool take(ordered_in *in, uint8_t *out, size_t len)
{
    if ((size_t)(in->end - in->p) < len)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = *in->p++ ^ in->flip;
    return true;
}

static bool take_u64(ordered_in *in, uint64_t *out)
{
    uint8_t b[8];

    if (!take(in, b, sizeof b))
        return false;
    *out = ph_u64be(b);
    return true;
}

static bool read_number(ordered_in *in, ph_buf *out)
{
    uint64_t bits;
    uint8_t above[2] = { 0 };
    double d;

    if (!take_u64(in, &bits))
        return false;
    bits = bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
    memcpy(&d, &bits, sizeof d);
    if ((d >= PH_ORDERED_WIDE || d <= -PH_ORDERED_WIDE) && !take(in, above, sizeof above))
        return false;
    bool whole =
        d >= -9223372036854775808.0 && d < 9223372036854775808.0 && d == (double)(int64_t)d;
    if (whole)
        ph_put_int(out, (int64_t)((uint64_t)(int64_t)d + ((uint64_t)above[0] << 8 | above[1])));
    else
        ph_put_float(out, d);
    return true;
}

/* Up to 00 01; 00 ff stands for 00. */
static bool read_text(ordered_in *in, bool bytes, ph_buf *out)
{
    uint8_t text[PH_IX_ROOM], b;
    size_t len = 0;

    while (take(in, &b, 1) && len < sizeof text) {
        uint8_t next = 0xff;
        if (b == 0 && !take(in, &next, 1))
            return false;
        if (next == 1) {
            (bytes ? ph_put_bytes : ph_put_text)(out, ph_slice(text, len));
            return true;
        }
        if (next != 0xff)
            return false; /* cut */
        text[len++] = b;
    }
    return false;
}

static bool read_value(ordered_in *in, ph_buf *out)
{
    uint8_t code, b;
    uint64_t ms;
    ph_uuid to;

    if (!take(in, &code, 1))
        return false;
    switch (code) {
    case CODE_ABSENT: return true;
    case CODE_BOOL:
        if (!take(in, &b, 1))
            return false;
        ph_put_bool(out, b);
        return true;
    case CODE_NUMBER: return read_number(in, out);
    case CODE_TEXT:
    case CODE_BYTES: return read_text(in, code == CODE_BYTES, out);
    case CODE_TIME:
        if (!take_u64(in, &ms))
            return false;
        ph_put_time(out, (int64_t)(ms ^ (uint64_t)1 << 63));
        return true;
    case CODE_REF:
        if (!take(in, to.b, sizeof to.b))
            return false;
        ph_put_ref(out, &to);
        return true;
    default: return false;
    }
}

bool ph_ordered_get(prophet_slice key, bool descending, ph_buf *out, size_t *used)
{
    ordered_in in = { key.data, (const uint8_t *)key.data + key.len, descending ? 0xff : 0 };

    if (!read_value(&in, out))
        return false;
    *used = (size_t)(in.p - (const uint8_t *)key.data);
    return true;
}
