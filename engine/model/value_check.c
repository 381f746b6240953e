/* value_check: is this exactly one canonical value within the limits? Every value that comes from
 * a peer, a file or a host passes here once; after that it is trusted (ph_read_item). Called by
 * the body codec and the API.
 *
 * value = f4 | f5                    false, true
 *       | integer                    of 64 bits with sign
 *       | fb + 8 bytes               float: finite, not -0
 *       | text | bytes               at most 1 MiB; text is UTF-8
 *       | d9 5054 + integer          time, ms
 *       | d8 25 50 + 16 bytes        reference
 *       | d9 5042 84 + 32 bytes, unsigned integer, text, text     blob
 *       | list | map                 16 deep, 4,096 entries in all; keys are sorted texts */
#include "model/cbor_impl.h"

typedef struct checker {
    ph_cursor *c;
    size_t elements; /* entries of lists and maps so far */
} checker;

static bool check_value(checker *k, unsigned depth);

static bool check_int(ph_cursor *c)
{
    const uint8_t *at = c->p;
    unsigned major = 0;
    uint64_t arg = 0;

    if (!ph_cursor_head(c, &major, &arg))
        return false;
    return arg <= INT64_MAX ? true : ph_cursor_refuse(c, at, "integer is beyond 64 bits");
}

static bool check_bytes(ph_cursor *c)
{
    const uint8_t *at = c->p;
    uint64_t n = 0;

    if (!ph_cursor_expect(c, PH_CBOR_BYTES, &n, "bytes expected"))
        return false;
    if (n > PH_TEXT_MAX)
        return ph_cursor_refuse(c, at, "bytes too long");
    if (n > ph_cursor_left(c))
        return ph_cursor_refuse(c, at, "bytes end too early");
    c->p += n;
    return true;
}

static bool check_simple(ph_cursor *c)
{
    const uint8_t *at = c->p;
    uint64_t bits;

    if (*at == PH_CBOR_FALSE || *at == PH_CBOR_TRUE) {
        c->p++;
        return true;
    }
    if (*at != PH_CBOR_DOUBLE)
        return ph_cursor_refuse(c, at,
                                *at == 0xf9 || *at == 0xfa ? "float is not 64 bits wide"
                                                           : "unknown simple value");
    if (ph_cursor_left(c) < 9)
        return ph_cursor_refuse(c, at, "bytes end too early");
    bits = ph_u64be(at + 1);
    if ((bits >> 52 & 0x7ff) == 0x7ff)
        return ph_cursor_refuse(c, at, "float is not finite");
    if (bits == UINT64_C(1) << 63)
        return ph_cursor_refuse(c, at, "float is negative zero");
    c->p += 9;
    return true;
}

static bool check_blob(ph_cursor *c)
{
    const uint8_t *hash = NULL, *at = c->p;
    uint64_t n = 0;
    prophet_slice text;

    if (!ph_cursor_expect(c, PH_CBOR_LIST, &n, "blob is not a list of four"))
        return false;
    if (n != 4)
        return ph_cursor_refuse(c, at, "blob is not a list of four");
    if (!ph_cursor_bytes(c, 32, &hash, "blob hash is not 32 bytes"))
        return false;
    at = c->p;
    if (!ph_cursor_expect(c, PH_CBOR_UINT, &n, "blob size is not an unsigned integer"))
        return false;
    if (n > INT64_MAX)
        return ph_cursor_refuse(c, at, "integer is beyond 64 bits");
    return ph_cursor_text(c, PH_TEXT_MAX, &text, "blob media type is not text") &&
           ph_cursor_text(c, PH_TEXT_MAX, &text, "blob name is not text");
}

static bool check_tagged(ph_cursor *c)
{
    const uint8_t *id = NULL, *at = c->p;
    uint64_t tag = 0;

    if (!ph_cursor_expect(c, PH_CBOR_TAG, &tag, "tag expected"))
        return false;
    switch (tag) {
    case PH_TAG_TIME:
        if (c->p < c->end && *c->p >> 5 > PH_CBOR_NEGATIVE)
            return ph_cursor_refuse(c, c->p, "time is not an integer");
        return check_int(c);
    case PH_TAG_REF: return ph_cursor_bytes(c, 16, &id, "reference is not 16 bytes");
    case PH_TAG_BLOB: return check_blob(c);
    default: return ph_cursor_refuse(c, at, "unknown tag");
    }
}

/* Counts entries before any is read: none can claim more than the limit, or than there are bytes. */
static bool check_head(checker *k, unsigned major, unsigned depth, uint64_t *count)
{
    const uint8_t *at = k->c->p;

    if (!ph_cursor_count(k->c, major, major == PH_CBOR_MAP ? 2 : 1, count, "list or map expected"))
        return false;
    if (depth == PH_DEPTH_MAX)
        return ph_cursor_refuse(k->c, at, "nested too deep");
    if (*count > PH_ELEMENTS_MAX - k->elements)
        return ph_cursor_refuse(k->c, at, "too many elements");
    k->elements += (size_t)*count;
    return true;
}

static bool check_list(checker *k, unsigned depth)
{
    uint64_t count = 0;

    if (!check_head(k, PH_CBOR_LIST, depth, &count))
        return false;
    while (count-- > 0)
        if (!check_value(k, depth + 1))
            return false;
    return true;
}

static bool check_map(checker *k, unsigned depth)
{
    uint64_t count = 0;
    prophet_slice last = { NULL, 0 };

    if (!check_head(k, PH_CBOR_MAP, depth, &count))
        return false;
    for (; count > 0; count--) {
        const uint8_t *at = k->c->p;
        prophet_slice key;
        if (!ph_cursor_text(k->c, PH_TEXT_MAX, &key, "map key is not text"))
            return false;
        if (key.len > 0 && *(const char *)key.data == '$')
            return ph_cursor_refuse(k->c, at, "map key starts with $");
        int order = last.data ? ph_name_cmp(last, key) : -1;
        if (order >= 0)
            return ph_cursor_refuse(k->c, at,
                                    order == 0 ? "duplicate map key" : "map keys out of order");
        last = key;
        if (!check_value(k, depth + 1))
            return false;
    }
    return true;
}

static bool check_value(checker *k, unsigned depth)
{
    ph_cursor *c = k->c;
    prophet_slice text;

    if (c->p == c->end)
        return ph_cursor_refuse(c, c->p, "bytes end too early");
    switch (*c->p >> 5) {
    case PH_CBOR_UINT:
    case PH_CBOR_NEGATIVE: return check_int(c);
    case PH_CBOR_BYTES: return check_bytes(c);
    case PH_CBOR_TEXT: return ph_cursor_text(c, PH_TEXT_MAX, &text, "text expected");
    case PH_CBOR_LIST: return check_list(k, depth);
    case PH_CBOR_MAP: return check_map(k, depth);
    case PH_CBOR_TAG: return check_tagged(c);
    default: return check_simple(c);
    }
}

bool ph_cursor_value(ph_cursor *c)
{
    checker k = { c, 0 };

    return check_value(&k, 0);
}

prophet_code ph_value_check(prophet_slice value, size_t base, prophet_error *err)
{
    ph_cursor c = ph_cursor_of(value, "value", base, err);

    if (ph_cursor_value(&c) && c.p != c.end)
        (void)ph_cursor_refuse(&c, c.p, "trailing bytes"); /* kept in c.rc */
    return c.rc;
}
