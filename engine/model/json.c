/* json: values as JSON text, the way `prophet log --json` and `prophet export --json` write them, so that a
 * program that knows nothing of us can read them back without loss:
 *
 *   bool, text, integer   themselves; an integer has no '.' and no exponent
 *   float                 always '.' or an exponent, see json_float.c
 *   time                  {"$time":"2026-01-31T10:00:00.123Z"}
 *   bytes                 {"$bytes":"<base64, padded>"}
 *   ref                   {"$ref":"<uuid>"}
 *   blob                  {"$blob":"<sha256>","media":"..","name":"..","size":7}
 *   list, map             themselves; keys of a map sorted by their bytes
 *
 * No space and no line break between tokens. Failures to get memory stay in the buffer. */
#include "model/model.h"
#include <stdlib.h>

/* ---- text ---------------------------------------------------------------------------------------- */

static void put_escape(ph_buf *out, uint8_t c)
{
    if (c == '"' || c == '\\') {
        ph_buf_byte(out, '\\');
        ph_buf_byte(out, c);
        return;
    }
    ph_buf_str(out, "\\u00");
    ph_buf_byte(out, (uint8_t)('0' + (c >> 4)));
    ph_buf_byte(out, (uint8_t) "0123456789abcdef"[c & 15]);
}

void ph_json_text(ph_buf *out, prophet_slice text)
{
    const uint8_t *p = text.data;
    size_t from = 0;

    ph_buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
            continue;
        ph_buf_put(out, p + from, i - from);
        put_escape(out, p[i]);
        from = i + 1;
    }
    if (from < text.len)
        ph_buf_put(out, p + from, text.len - from);
    ph_buf_byte(out, '"');
}

void ph_json_hex(ph_buf *out, const void *data, size_t len)
{
    if (!ph_buf_reserve(out, 2 * len + 3))
        return;
    out->data[out->len] = '"';
    ph_hex(data, len, (char *)out->data + out->len + 1);
    out->data[out->len + 1 + 2 * len] = '"';
    out->len += 2 * len + 2;
}

static void put_base64(ph_buf *out, prophet_slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = s.data;
    uint8_t *to;

    if (!ph_buf_reserve(out, (s.len / 3 + 1) * 4))
        return;
    to = out->data + out->len;
    for (size_t left = s.len; left > 0; p += 3) {
        size_t n = left < 3 ? left : 3;
        uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0u);
        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        *to++ = n > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
        *to++ = n > 2 ? (uint8_t)digits[v & 63] : '=';
        left -= n;
    }
    out->len = (size_t)(to - out->data);
}

/* ---- single values --------------------------------------------------------------------------------- */

static void put_int(ph_buf *out, int64_t v)
{
    char text[24], *at = text + sizeof text;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (v < 0)
        *--at = '-';
    ph_buf_put(out, at, (size_t)(text + sizeof text - at));
}

static void put_time(ph_buf *out, int64_t ms)
{
    char text[40];

    ph_time_format(ms, text);
    ph_buf_str(out, "{\"$time\":\"");
    ph_buf_str(out, text);
    ph_buf_str(out, "\"}");
}

static void put_bytes(ph_buf *out, prophet_slice s)
{
    ph_buf_str(out, "{\"$bytes\":\"");
    put_base64(out, s);
    ph_buf_str(out, "\"}");
}

static void put_ref(ph_buf *out, prophet_slice s)
{
    char text[37];
    ph_uuid u;

    memcpy(u.b, s.data, sizeof u.b); /* a reference has 16 bytes, or it would not open */
    ph_uuid_format(&u, text);
    ph_buf_str(out, "{\"$ref\":\"");
    ph_buf_str(out, text);
    ph_buf_str(out, "\"}");
}

static void put_blob(ph_buf *out, const ph_item *item)
{
    ph_buf_str(out, "{\"$blob\":");
    ph_json_hex(out, item->s.data, item->s.len);
    ph_buf_str(out, ",\"media\":");
    ph_json_text(out, item->media);
    ph_buf_str(out, ",\"name\":");
    ph_json_text(out, item->name);
    ph_buf_str(out, ",\"size\":");
    put_int(out, item->i);
    ph_buf_byte(out, '}');
}

/* ---- lists and maps ----------------------------------------------------------------------------------- */

static void put_item(ph_buf *out, const ph_item *item, unsigned depth);

static void put_list(ph_buf *out, const ph_item *list, unsigned depth)
{
    ph_reader r = ph_reader_of(list->s);
    ph_item entry;

    ph_buf_byte(out, '[');
    for (const char *comma = ""; ph_read_item(&r, &entry); comma = ",") {
        ph_buf_str(out, comma);
        put_item(out, &entry, depth);
    }
    ph_buf_byte(out, ']');
}

typedef struct pair {
    prophet_slice key, value;
} pair;

static int compare_pairs(const void *a, const void *b)
{
    return ph_slice_cmp(((const pair *)a)->key, ((const pair *)b)->key);
}

/* The entries of a map; CBOR has short keys first, JSON shall have them by their bytes. */
static size_t read_pairs(const ph_item *map, pair *pairs, size_t max)
{
    ph_reader r = ph_reader_of(map->s);
    ph_item key, value;
    size_t n = 0;
    bool sorted = true;

    for (; n < max && ph_read_item(&r, &key) && ph_read_item(&r, &value); n++) {
        pairs[n].key = key.s;
        pairs[n].value = value.raw;
        sorted = sorted && (n == 0 || compare_pairs(&pairs[n - 1], &pairs[n]) < 0);
    }
    if (!sorted)
        qsort(pairs, n, sizeof *pairs, compare_pairs);
    return n;
}

static void put_map(ph_buf *out, const ph_item *map, unsigned depth)
{
    pair few[16], *pairs = few;
    size_t n = (size_t)map->i; /* no more than the bytes it came from */
    ph_item value;

    if (n > sizeof few / sizeof *few && !(pairs = ph_alloc(n * sizeof *pairs))) {
        out->failed = true;
        return;
    }
    n = read_pairs(map, pairs, n);
    ph_buf_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            ph_buf_byte(out, ',');
        ph_json_text(out, pairs[i].key);
        ph_buf_byte(out, ':');
        if (ph_value_open(pairs[i].value, &value))
            put_item(out, &value, depth);
    }
    ph_buf_byte(out, '}');
    if (pairs != few)
        ph_free(pairs);
}

static void put_item(ph_buf *out, const ph_item *item, unsigned depth)
{
    if (depth == 0) { /* deeper than any value that was checked */
        ph_buf_str(out, "null");
        return;
    }
    switch (item->kind) {
    case PH_ABSENT: break; /* nothing inside a value is */
    case PH_BOOL: ph_buf_str(out, item->b ? "true" : "false"); break;
    case PH_INT: put_int(out, item->i); break;
    case PH_FLOAT: ph_json_float(out, item->d); break;
    case PH_TEXT: ph_json_text(out, item->s); break;
    case PH_BYTES: put_bytes(out, item->s); break;
    case PH_TIME: put_time(out, item->i); break;
    case PH_REF: put_ref(out, item->s); break;
    case PH_BLOB: put_blob(out, item); break;
    case PH_LIST: put_list(out, item, depth - 1); break;
    case PH_MAP: put_map(out, item, depth - 1); break;
    }
}

void ph_json_value(ph_buf *out, prophet_slice value)
{
    ph_item item;

    if (value.len > 0 && ph_value_open(value, &item))
        put_item(out, &item, PH_DEPTH_MAX + 1);
    else
        ph_buf_str(out, "null"); /* absent; or never checked */
}
