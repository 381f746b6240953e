/* value_read: opens values that were checked before. Trusts that they are canonical, so it skips
 * the rules, but never reads past the end: wrong bytes give false, not a crash. Called wherever
 * a value is looked into. */
#include "model/cbor_impl.h"

/* A head of any major type but 7. */
static bool read_head(ph_reader *r, unsigned *major, uint64_t *arg)
{
    if (r->p == r->end)
        return false;
    unsigned info = *r->p & 31;
    *major = *r->p >> 5;
    if (info < 24) {
        *arg = info;
        r->p++;
        return true;
    }
    size_t n = (size_t)1 << (info & 3);
    if (info > 27 || (size_t)(r->end - r->p) <= n)
        return false;
    *arg = 0;
    for (size_t i = 1; i <= n; i++)
        *arg = *arg << 8 | r->p[i];
    r->p += 1 + n;
    return true;
}

static bool read_run(ph_reader *r, uint64_t len, prophet_slice *out)
{
    if (len > (size_t)(r->end - r->p))
        return false;
    *out = ph_slice(r->p, (size_t)len);
    r->p += len;
    return true;
}

static bool read_string(ph_reader *r, unsigned want, prophet_slice *out)
{
    unsigned major = 0;
    uint64_t len = 0;

    return read_head(r, &major, &len) && major == want && read_run(r, len, out);
}

/* Passes over `todo` items and all that is nested in them, without recursion. */
static bool skip_items(ph_reader *r, uint64_t todo)
{
    prophet_slice skipped;

    for (; todo > 0; todo--) {
        unsigned major = 0;
        uint64_t arg = 0;
        size_t left = (size_t)(r->end - r->p);
        if (todo > left)
            return false;
        if (*r->p == PH_CBOR_DOUBLE) {
            if (!read_run(r, 9, &skipped))
                return false;
            continue;
        }
        if (!read_head(r, &major, &arg))
            return false;
        if (major == PH_CBOR_BYTES || major == PH_CBOR_TEXT) {
            if (!read_run(r, arg, &skipped))
                return false;
        } else if (major == PH_CBOR_LIST || major == PH_CBOR_MAP) {
            if (arg > left)
                return false;
            todo += major == PH_CBOR_MAP ? 2 * arg : arg;
        } else if (major == PH_CBOR_TAG) {
            todo++;
        }
    }
    return true;
}

static bool open_nested(ph_reader *r, unsigned major, uint64_t count, ph_item *out)
{
    const uint8_t *inside = r->p;

    if (count > (size_t)(r->end - r->p))
        return false;
    out->kind = major == PH_CBOR_MAP ? PH_MAP : PH_LIST;
    out->i = (int64_t)count;
    if (!skip_items(r, major == PH_CBOR_MAP ? 2 * count : count))
        return false;
    out->s = ph_slice(inside, (size_t)(r->p - inside));
    return true;
}

static bool open_int(ph_reader *r, ph_item *out, ph_kind kind)
{
    unsigned major = 0;
    uint64_t arg = 0;

    out->kind = kind;
    if (!read_head(r, &major, &arg) || major > PH_CBOR_NEGATIVE || arg > INT64_MAX)
        return false;
    out->i = major == PH_CBOR_UINT ? (int64_t)arg : -1 - (int64_t)arg;
    return true;
}

static bool open_tagged(ph_reader *r, uint64_t tag, ph_item *out)
{
    unsigned major = 0;
    uint64_t arg = 0;

    switch (tag) {
    case PH_TAG_TIME: return open_int(r, out, PH_TIME);
    case PH_TAG_REF:
        out->kind = PH_REF;
        return read_string(r, PH_CBOR_BYTES, &out->s) && out->s.len == 16;
    case PH_TAG_BLOB:
        out->kind = PH_BLOB;
        if (!read_head(r, &major, &arg) || major != PH_CBOR_LIST || arg != 4 ||
            !read_string(r, PH_CBOR_BYTES, &out->s) || out->s.len != 32 ||
            !read_head(r, &major, &arg) || major != PH_CBOR_UINT || arg > INT64_MAX)
            return false;
        out->i = (int64_t)arg;
        return read_string(r, PH_CBOR_TEXT, &out->media) &&
               read_string(r, PH_CBOR_TEXT, &out->name);
    default: return false;
    }
}

static bool open_simple(ph_reader *r, ph_item *out)
{
    uint64_t bits;

    if (*r->p == PH_CBOR_FALSE || *r->p == PH_CBOR_TRUE) {
        out->kind = PH_BOOL;
        out->b = *r->p == PH_CBOR_TRUE;
        r->p++;
        return true;
    }
    if (*r->p != PH_CBOR_DOUBLE || r->end - r->p < 9)
        return false;
    out->kind = PH_FLOAT;
    bits = ph_u64be(r->p + 1);
    memcpy(&out->d, &bits, sizeof bits);
    r->p += 9;
    return true;
}

static bool open_item(ph_reader *r, ph_item *out)
{
    unsigned major = *r->p >> 5;
    uint64_t arg = 0;

    if (major == PH_CBOR_SIMPLE)
        return open_simple(r, out);
    if (major <= PH_CBOR_NEGATIVE)
        return open_int(r, out, PH_INT);
    if (!read_head(r, &major, &arg))
        return false;
    switch (major) {
    case PH_CBOR_BYTES:
    case PH_CBOR_TEXT:
        out->kind = major == PH_CBOR_TEXT ? PH_TEXT : PH_BYTES;
        return read_run(r, arg, &out->s);
    case PH_CBOR_TAG: return open_tagged(r, arg, out);
    default: return open_nested(r, major, arg, out);
    }
}

bool ph_read_item(ph_reader *r, ph_item *out)
{
    const uint8_t *start = r->p;

    memset(out, 0, sizeof *out);
    if (r->p == r->end || !open_item(r, out))
        return false;
    out->raw = ph_slice(start, (size_t)(r->p - start));
    return true;
}

bool ph_value_open(prophet_slice value, ph_item *out)
{
    ph_reader r = ph_reader_of(value);
    prophet_slice text;

    if (ph_value_text(value, &text)) {
        memset(out, 0, sizeof *out);
        out->kind = PH_TEXT;
        out->raw = value;
        out->s = text;
        return true;
    }
    if (value.len == 0) { /* absent is a value of its own kind, with nothing inside */
        memset(out, 0, sizeof *out);
        return true;
    }
    return ph_read_item(&r, out) && r.p == r.end;
}

ph_kind ph_value_kind(prophet_slice value)
{
    static const ph_kind kinds[6] = { PH_INT, PH_INT, PH_BYTES, PH_TEXT, PH_LIST, PH_MAP };
    const uint8_t *p = value.data;

    if (value.len == 0)
        return PH_ABSENT;
    if (p[0] >> 5 < PH_CBOR_TAG)
        return kinds[p[0] >> 5];
    if (p[0] >> 5 == PH_CBOR_SIMPLE)
        return p[0] == PH_CBOR_DOUBLE ? PH_FLOAT : PH_BOOL;
    if (p[0] == 0xd8)
        return PH_REF;
    return value.len > 2 && p[2] == (PH_TAG_TIME & 0xff) ? PH_TIME : PH_BLOB;
}

const char *ph_kind_name(ph_kind k)
{
    static const char *const names[] = { "absent", "boolean",   "integer", "float", "text", "bytes",
                                         "time",   "reference", "blob",    "list",  "map" };

    return (size_t)k < sizeof names / sizeof *names ? names[k] : "unknown";
}
