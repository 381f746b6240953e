/* cbor_write: appends canonical CBOR to a buffer. The encoders of model/ and everyone who makes
 * values call it; sorting and limits are the caller's. Formats of values: docs/formats.md. */
#include "model/cbor_impl.h"

void ph_put_long_head(ph_buf *b, unsigned major, uint64_t arg)
{
    unsigned size = arg < 24            ? 0
                    : arg <= UINT8_MAX  ? 1
                    : arg <= UINT16_MAX ? 2
                    : arg <= UINT32_MAX ? 4
                                        : 8;
    uint8_t head[9], *p = head;

    *p++ = (uint8_t)(major << 5 | (size == 0 ? arg : size == 8 ? 27 : 24 + size / 2));
    for (unsigned i = size; i-- > 0;)
        *p++ = (uint8_t)(arg >> (8 * i));
    ph_buf_put(b, head, (size_t)(p - head));
}

void ph_put_uint(ph_buf *b, uint64_t v)
{
    ph_put_head(b, PH_CBOR_UINT, v);
}

void ph_put_bool(ph_buf *b, bool v)
{
    ph_buf_byte(b, v ? PH_CBOR_TRUE : PH_CBOR_FALSE);
}

void ph_put_int(ph_buf *b, int64_t v)
{
    if (v < 0)
        ph_put_head(b, PH_CBOR_NEGATIVE, ~(uint64_t)v);
    else
        ph_put_head(b, PH_CBOR_UINT, (uint64_t)v);
}

void ph_put_float(ph_buf *b, double v)
{
    uint8_t bytes[9] = { PH_CBOR_DOUBLE };
    uint64_t bits;

    ph_require(v - v == 0.0); /* neither NaN nor infinite: the API refuses those */
    if (v == 0.0)
        v = 0.0; /* -0 compares equal */
    memcpy(&bits, &v, sizeof bits);
    ph_u64be_put(bytes + 1, bits);
    ph_buf_put(b, bytes, sizeof bytes);
}

void ph_put_text(ph_buf *b, prophet_slice v)
{
    ph_put_head(b, PH_CBOR_TEXT, v.len);
    ph_buf_put(b, v.data, v.len);
}

void ph_put_bytes(ph_buf *b, prophet_slice v)
{
    ph_put_head(b, PH_CBOR_BYTES, v.len);
    ph_buf_put(b, v.data, v.len);
}

void ph_put_time(ph_buf *b, int64_t ms)
{
    ph_put_head(b, PH_CBOR_TAG, PH_TAG_TIME);
    ph_put_int(b, ms);
}

void ph_put_ref(ph_buf *b, const ph_uuid *record)
{
    ph_put_head(b, PH_CBOR_TAG, PH_TAG_REF);
    ph_put_bytes(b, ph_slice(record->b, sizeof record->b));
}

void ph_put_blob(ph_buf *b, const uint8_t sha256[32], uint64_t size, prophet_slice media,
                 prophet_slice name)
{
    ph_put_head(b, PH_CBOR_TAG, PH_TAG_BLOB);
    ph_put_head(b, PH_CBOR_LIST, 4);
    ph_put_bytes(b, ph_slice(sha256, 32));
    ph_put_uint(b, size);
    ph_put_text(b, media);
    ph_put_text(b, name);
}

void ph_put_list(ph_buf *b, size_t count)
{
    ph_put_head(b, PH_CBOR_LIST, count);
}

void ph_put_map(ph_buf *b, size_t count)
{
    ph_put_head(b, PH_CBOR_MAP, count);
}
