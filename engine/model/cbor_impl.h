/* The one strict CBOR cursor under every decoder of model/: shortest heads, definite lengths, nothing past the
 * end. The first refusal is kept with its reason and byte offset; every function returns false after it. */
#ifndef PH_MODEL_CBOR_IMPL_H
#define PH_MODEL_CBOR_IMPL_H
#include "model/model.h"

enum { /* major types, RFC 8949 section 3 */
    PH_CBOR_UINT, PH_CBOR_NEGATIVE, PH_CBOR_BYTES, PH_CBOR_TEXT, PH_CBOR_LIST, PH_CBOR_MAP, PH_CBOR_TAG, PH_CBOR_SIMPLE
};

enum { PH_TAG_TIME = 20564, PH_TAG_REF = 37, PH_TAG_BLOB = 20546 };
enum { PH_CBOR_FALSE = 0xf4, PH_CBOR_TRUE = 0xf5, PH_CBOR_DOUBLE = 0xfb };

typedef struct ph_cursor {
    const uint8_t *p, *end, *start;
    size_t         base; /* added to offsets in messages */
    const char    *what; /* "changeset body" */
    prophet_error *err;
    prophet_code   rc;   /* of the first refusal */
} ph_cursor;

static inline ph_cursor ph_cursor_of(prophet_slice s, const char *what, size_t base, prophet_error *err)
{
    static const uint8_t nothing = 0;
    const uint8_t *p = s.len ? s.data : &nothing;
    ph_cursor c = { p, p + s.len, p, base, what, err, PROPHET_OK };
    return c;
}
static inline size_t ph_cursor_left(const ph_cursor *c)
{
    return (size_t)(c->end - c->p);
}

void ph_cursor_refused(ph_cursor *c, const uint8_t *at, const char *reason);
void ph_cursor_out_of_memory(ph_cursor *c);
/* ECORRUPT: "<what>: <reason> at byte <offset of at>". Always false. */
static inline bool ph_cursor_refuse(ph_cursor *c, const uint8_t *at, const char *reason)
{
    ph_cursor_refused(c, at, reason);
    return false;
}
static inline bool ph_cursor_nomem(ph_cursor *c)
{
    ph_cursor_out_of_memory(c);
    return false;
}
bool ph_cursor_long_head(ph_cursor *c, uint64_t *arg);
/* Passes over one well-formed item with shortest heads, whatever it means (unknown members of later formats). */
bool ph_cursor_skip(ph_cursor *c, unsigned depth);
/* One value within the limits, see value_check.c. `elements` counts what was seen so far. */
bool ph_cursor_value(ph_cursor *c);

/* Any head but those of major type 7, whose argument is no number. */
static inline bool ph_cursor_head(ph_cursor *c, unsigned *major, uint64_t *arg)
{
    if (c->p == c->end)
        return ph_cursor_refuse(c, c->p, "bytes end too early");
    *major = *c->p >> 5;
    *arg = *c->p & 31;
    if (*arg >= 24)
        return ph_cursor_long_head(c, arg);
    c->p++;
    return true;
}

static inline bool ph_cursor_expect(ph_cursor *c, unsigned major, uint64_t *arg, const char *reason)
{
    const uint8_t *at = c->p;
    unsigned got;

    if (c->p == c->end || *c->p >> 5 != major)
        return ph_cursor_refuse(c, at, at == c->end ? "bytes end too early" : reason);
    return ph_cursor_head(c, &got, arg);
}

static inline bool ph_cursor_bytes(ph_cursor *c, size_t len, const uint8_t **out, const char *reason)
{
    const uint8_t *at = c->p;
    uint64_t n = 0;

    if (!ph_cursor_expect(c, PH_CBOR_BYTES, &n, reason))
        return false;
    if (n != len)
        return ph_cursor_refuse(c, at, reason);
    if (n > ph_cursor_left(c))
        return ph_cursor_refuse(c, at, "bytes end too early");
    *out = c->p;
    c->p += n;
    return true;
}

/* Text of at most `max` bytes; the caller checks what is in it. */
static inline bool ph_cursor_raw_text(ph_cursor *c, size_t max, prophet_slice *out, const char *reason)
{
    const uint8_t *at = c->p;
    uint64_t n = 0;

    if (!ph_cursor_expect(c, PH_CBOR_TEXT, &n, reason))
        return false;
    if (n > max)
        return ph_cursor_refuse(c, at, "text too long");
    if (n > ph_cursor_left(c))
        return ph_cursor_refuse(c, at, "bytes end too early");
    *out = ph_slice(c->p, (size_t)n);
    c->p += n;
    return true;
}

static inline bool ph_cursor_text(ph_cursor *c, size_t max, prophet_slice *out, const char *reason)
{
    const uint8_t *at = c->p;

    if (!ph_cursor_raw_text(c, max, out, reason))
        return false;
    return ph_utf8_valid(out->data, out->len) ? true : ph_cursor_refuse(c, at, "text is not UTF-8");
}

/* The head of a list or map whose entries take at least `least` bytes each: what it claims can be there. */
static inline bool ph_cursor_count(ph_cursor *c, unsigned major, size_t least, uint64_t *count, const char *reason)
{
    const uint8_t *at = c->p;

    if (!ph_cursor_expect(c, major, count, reason))
        return false;
    if (*count > ph_cursor_left(c) / least)
        return ph_cursor_refuse(c, at, "bytes end too early");
    return true;
}

/* ---- maps with small unsigned keys, in order --------------------------------------------------------- */

typedef struct ph_keys {
    uint64_t       left, key; /* entries not read yet; the last key read, 0 before the first */
    const uint8_t *at;        /* where that key is */
    const uint8_t *map;       /* where the map is */
} ph_keys;

static inline bool ph_keys_open(ph_cursor *c, ph_keys *k, const char *reason)
{
    k->map = k->at = c->p;
    k->key = 0;
    return ph_cursor_count(c, PH_CBOR_MAP, 2, &k->left, reason);
}

/* Moves to the next key; key 0 is nowhere used. Call while k->left > 0. */
static inline bool ph_keys_next(ph_cursor *c, ph_keys *k)
{
    uint64_t key = 0;

    k->at = c->p;
    k->left--;
    if (!ph_cursor_expect(c, PH_CBOR_UINT, &key, "map key is not an unsigned integer"))
        return false;
    if (key > k->key) {
        k->key = key;
        return true;
    }
    return ph_cursor_refuse(c, k->at, key == 0 ? "unknown key" : key == k->key ? "duplicate map key" : "map keys out of order");
}

/* The next key must be this one. */
static inline bool ph_keys_want(ph_cursor *c, ph_keys *k, uint64_t key, const char *missing)
{
    if (k->left == 0)
        return ph_cursor_refuse(c, k->map, missing);
    return ph_keys_next(c, k) && (k->key == key || ph_cursor_refuse(c, k->at, missing));
}

/* Writes a head; `major` is one of PH_CBOR_*. */
void ph_put_long_head(ph_buf *b, unsigned major, uint64_t arg);
static inline void ph_put_head(ph_buf *b, unsigned major, uint64_t arg)
{
    if (arg < 24)
        ph_buf_byte(b, (uint8_t)(major << 5 | arg));
    else
        ph_put_long_head(b, major, arg);
}

/* Writes a head below 24 bytes and the text behind it with one look at the room. */
static inline void ph_put_name(ph_buf *b, prophet_slice name)
{
    if (name.len >= 24 || !ph_buf_reserve(b, 24)) {
        ph_put_text(b, name);
        return;
    }
    b->data[b->len] = (uint8_t)(PH_CBOR_TEXT << 5 | name.len);
    if (name.len)
        memcpy(b->data + b->len + 1, name.data, name.len);
    b->len += name.len + 1;
}

#endif
