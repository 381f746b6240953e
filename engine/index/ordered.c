/* ordered: values as bytes whose memcmp order is ph_value_compare's, for keys of secondary indexes.
 *
 * A code of the kind, then, by kind:
 *   absent  05        nothing            bool  10   00 or 01            time  50   u64, sign bit flipped
 *   number  20   the greatest float not above it (8 bytes; all bits flipped if negative, else the sign bit), and, when
 *                that float is 2^53 or more away from 0, u16: what an integer has above it. 1 and 1.0 are the same bytes.
 *   text    30 and bytes 40: the bytes, 00 as 00 ff, then 00 01      ref   60   16 bytes
 *   blob    70   sha256, u64 size, media type and name as texts without their code
 *   list    80   entries, 00             map   90   keys as texts without their code, 00, values in the same order, 00
 * What does not fit `room` is cut: the bytes so far, 00 02, 8 bytes of a hash of the whole value. Such keys are in order among
 * all that differ within the cut; readers compare the values of equal-looking ones. Descending: every byte inverted. */
#include "index/ordered_impl.h"

#define CUT_TAIL PH_IX_CUT /* 00 02, hash */

typedef struct ordered_out {
    ph_buf *key;
    size_t limit; /* length the key may have before the tail */
    bool cut;
} ordered_out;

static void put(ordered_out *o, const void *data, size_t len)
{
    if (o->cut || o->key->len + len > o->limit) {
        o->cut = true;
        return;
    }
    ph_buf_put(o->key, data, len);
}

static void put_byte(ordered_out *o, uint8_t b)
{
    put(o, &b, 1);
}

static void put_u64(ordered_out *o, uint64_t v)
{
    uint8_t b[8];
    ph_u64be_put(b, v);
    put(o, b, sizeof b);
}

static void put_escaped(ordered_out *o, prophet_slice s)
{
    const uint8_t *p = s.data, *end = p + s.len;

    while (p < end && !o->cut) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p));
        size_t run = (size_t)((zero ? zero : end) - p), room = o->limit - o->key->len;
        if (run > room) {
            put(o, p, room);
            o->cut = true;
            return;
        }
        put(o, p, run);
        p += run;
        if (zero) {
            put(o, "\x00\xff", 2);
            p++;
        }
    }
}

static void put_text(ordered_out *o, prophet_slice s)
{
    put_escaped(o, s);
    put(o, "\x00\x01", 2);
}

static void put_double(ordered_out *o, double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    put_u64(o, bits >> 63 ? ~bits : bits | (uint64_t)1 << 63);
}

static void put_number(ordered_out *o, const ph_item *x)
{
    const double wide = PH_ORDERED_WIDE;
    double d = x->kind == PH_FLOAT ? x->d : (double)x->i;
    uint64_t above = 0;

    if (x->kind == PH_INT && (d >= wide || d <= -wide)) {
        if (d >= 9223372036854775808.0 || (int64_t)d > x->i) { /* rounded up: one float down */
            uint64_t bits;
            memcpy(&bits, &d, sizeof bits);
            bits += d > 0 ? UINT64_MAX : 1;
            memcpy(&d, &bits, sizeof d);
        }
        above = (uint64_t)x->i - (uint64_t)(int64_t)d;
    }
    put_double(o, d);
    if (d >= wide || d <= -wide) {
        put_byte(o, (uint8_t)(above >> 8));
        put_byte(o, (uint8_t)above);
    }
}

static void put_item(ordered_out *o, const ph_item *x, bool outer);

static void put_map(ordered_out *o, const ph_item *x)
{
    ph_reader keys = ph_reader_of(x->s), values = keys;
    ph_item k;

    while (!o->cut && ph_read_item(&keys, &k)) {
        put_text(o, k.s);
        if (!ph_read_item(&keys, &k))
            break;
    }
    put_byte(o, 0);
    while (!o->cut && ph_read_item(&values, &k) && ph_read_item(&values, &k))
        put_item(o, &k, false);
}

/* What ends an item is a part of it, but the outermost end fits where a cut would put its tail. */
static void put_end(ordered_out *o, const char *end, size_t len, bool outer)
{
    if (outer && !o->cut)
        ph_buf_put(o->key, end, len);
    else
        put(o, end, len);
}

static void put_item(ordered_out *o, const ph_item *x, bool outer)
{
    static const uint8_t codes[] = { CODE_ABSENT, CODE_BOOL,  CODE_NUMBER, CODE_NUMBER,
                                     CODE_TEXT,   CODE_BYTES, CODE_TIME,   CODE_REF,
                                     CODE_BLOB,   CODE_LIST,  CODE_MAP };
    ph_reader inside = ph_reader_of(x->s);
    ph_item entry;

    put_byte(o, codes[x->kind]);
    switch (x->kind) {
    case PH_ABSENT: break;
    case PH_BOOL: put_byte(o, x->b); break;
    case PH_INT:
    case PH_FLOAT: put_number(o, x); break;
    case PH_TIME: put_u64(o, (uint64_t)x->i ^ (uint64_t)1 << 63); break;
    case PH_REF: put(o, x->s.data, x->s.len); break;
    case PH_TEXT:
    case PH_BYTES:
        put_escaped(o, x->s);
        put_end(o, "\x00\x01", 2, outer);
        break;
    case PH_BLOB:
        put(o, x->s.data, x->s.len);
        put_u64(o, (uint64_t)x->i);
        put_text(o, x->media);
        put_text(o, x->name);
        break;
    case PH_LIST:
        while (!o->cut && ph_read_item(&inside, &entry))
            put_item(o, &entry, false);
        put_end(o, "\x00", 1, outer);
        break;
    case PH_MAP:
        put_map(o, x);
        put_end(o, "\x00", 1, outer);
        break;
    }
}

/* FNV-1a: only tells long values apart, and only in our own file. */
static uint64_t hash_of(prophet_slice value)
{
    const uint8_t *p = value.data;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < value.len; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static void invert(ph_buf *key, size_t start, bool descending)
{
    for (size_t i = start; i < key->len && descending; i++)
        key->data[i] = (uint8_t)~key->data[i];
}

bool ph_ordered_put(ph_buf *key, prophet_slice value, bool descending, size_t room)
{
    size_t start = key->len;
    ordered_out o = { key, start + room - CUT_TAIL, false };
    ph_item x = { .kind = PH_ABSENT };

    ph_require(room >= 32);
    if (!ph_buf_reserve(key, room))
        return false;
    if (value.len > 0)
        (void)ph_value_open(value, &x); /* a checked value always opens */
    put_item(&o, &x, true);
    if (o.cut) {
        ph_buf_put(key, "\x00\x02", 2);
        ph_buf_u64be(key, hash_of(value));
    }
    invert(key, start, descending);
    return o.cut;
}

bool ph_ordered_put_prefix(ph_buf *key, bool bytes, prophet_slice text, bool descending,
                           size_t room)
{
    size_t start = key->len;
    ordered_out o = { key, start + room - CUT_TAIL, false };

    if (!ph_buf_reserve(key, room))
        return false;
    put_byte(&o, bytes ? CODE_BYTES : CODE_TEXT);
    put_escaped(&o, text);
    invert(key, start, descending);
    return o.cut;
}
