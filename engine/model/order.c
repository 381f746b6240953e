/* order: which of two values comes first. Used by sorts and indexes of queries and by the rules max and min of
 * merge, so it is part of the format: it must never change.
 *
 * Kinds first (absent < bool < number < text < bytes < time < ref < blob < list < map), then values. Integers
 * and floats are compared exactly, as real numbers: rounding 2^53 + 1 to a float would make an order that runs
 * in a circle. 1 and 1.0 are equal here, though they are different values. */
#include "model/model.h"

static int compare_items(const ph_item *a, const ph_item *b, unsigned depth);

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_float(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_int_float(int64_t i, double d)
{
    const double beyond = 9223372036854775808.0; /* 2^63: the first float above all integers */
    int64_t whole;

    if (d >= beyond)
        return -1;
    if (d < -beyond)
        return 1;
    whole = (int64_t)d; /* exact, towards zero; what is cut off decides when the rest is equal */
    return whole != i ? compare_int(i, whole) : compare_float((double)whole, d);
}

static int compare_number(const ph_item *a, const ph_item *b)
{
    if (a->kind == PH_INT)
        return b->kind == PH_INT ? compare_int(a->i, b->i) : compare_int_float(a->i, b->d);
    return b->kind == PH_INT ? -compare_int_float(b->i, a->d) : compare_float(a->d, b->d);
}

/* By content, then by what is said of it. */
static int compare_blob(const ph_item *a, const ph_item *b)
{
    int c = ph_slice_cmp(a->s, b->s);

    if (c == 0)
        c = compare_int(a->i, b->i);
    if (c == 0)
        c = ph_slice_cmp(a->media, b->media);
    return c ? c : ph_slice_cmp(a->name, b->name);
}

/* Entry by entry; the list that ends first comes first. Of every `step` items just those at `phase` count. */
static int compare_entries(prophet_slice a, prophet_slice b, unsigned phase, unsigned step,
                           unsigned depth)
{
    ph_reader ra = ph_reader_of(a), rb = ph_reader_of(b);
    ph_item x, y;

    for (unsigned at = 0;; at = (at + 1) % step) {
        bool more_a = ph_read_item(&ra, &x), more_b = ph_read_item(&rb, &y);
        if (!more_a || !more_b)
            return more_a - more_b;
        int c = at == phase ? compare_items(&x, &y, depth) : 0;
        if (c)
            return c;
    }
}

/* All the keys first, in their stored order, then the values. */
static int compare_map(const ph_item *a, const ph_item *b, unsigned depth)
{
    int c = compare_entries(a->s, b->s, 0, 2, depth);
    return c ? c : compare_entries(a->s, b->s, 1, 2, depth);
}

static int compare_items(const ph_item *a, const ph_item *b, unsigned depth)
{
    ph_kind ka = a->kind == PH_FLOAT ? PH_INT : a->kind;
    ph_kind kb = b->kind == PH_FLOAT ? PH_INT : b->kind;

    if (ka != kb)
        return ka < kb ? -1 : 1;
    if (depth == 0) /* deeper than any value that was checked */
        return ph_slice_cmp(a->raw, b->raw);
    switch (ka) {
    case PH_ABSENT: return 0;
    case PH_BOOL: return a->b - b->b;
    case PH_INT:
    case PH_FLOAT: return compare_number(a, b);
    case PH_TIME: return compare_int(a->i, b->i);
    case PH_TEXT:
    case PH_BYTES:
    case PH_REF: return ph_slice_cmp(a->s, b->s);
    case PH_BLOB: return compare_blob(a, b);
    case PH_LIST: return compare_entries(a->s, b->s, 0, 1, depth - 1);
    case PH_MAP: return compare_map(a, b, depth - 1);
    }
    return 0;
}

/* The text of a value with a head of one or two bytes, which is nearly all of them. */
static bool short_text(prophet_slice value, prophet_slice *text)
{
    const uint8_t *p = value.data;

    if (value.len > 0 && p[0] >= 0x60 && p[0] < 0x78 && value.len == 1u + (p[0] & 31)) {
        *text = ph_slice(p + 1, value.len - 1);
        return true;
    }
    if (value.len > 1 && p[0] == 0x78 && value.len == 2u + p[1]) {
        *text = ph_slice(p + 2, value.len - 2);
        return true;
    }
    return false;
}

int ph_value_compare(prophet_slice a, prophet_slice b)
{
    prophet_slice s, t;
    ph_item x, y;

    if (short_text(a, &s) && short_text(b, &t))
        return ph_slice_cmp(s, t);
    if (a.len == 0 || b.len == 0) /* absent, perhaps without a pointer */
        return (a.len > 0) - (b.len > 0);
    if (ph_slice_eq(a, b))
        return 0;
    if (!ph_value_open(a, &x) || !ph_value_open(b, &y))
        return ph_slice_cmp(a, b); /* never for values that were checked */
    return compare_items(&x, &y, PH_DEPTH_MAX + 1);
}
