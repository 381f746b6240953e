/* Draws random values together with their description: every kind, every length of head, nested
 * lists and maps. Called by random_changeset.c and by the tests of the format. */
#include "random_changeset.h"
#include <stdlib.h>

void *drawn_copy(drawn *d, const void *data, size_t len)
{
    void *p = ph_arena_alloc(&d->arena, len ? len : 1);

    REQUIRE(p != NULL);
    if (len)
        memcpy(p, data, len);
    return p;
}

void drawn_hex(drawn *d, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;

    ph_buf_byte(&d->json, '"');
    for (size_t i = 0; i < len; i++) {
        ph_buf_byte(&d->json, (uint8_t)digits[p[i] >> 4]);
        ph_buf_byte(&d->json, (uint8_t)digits[p[i] & 15]);
    }
    ph_buf_byte(&d->json, '"');
}

void drawn_fill(void *data, size_t len)
{
    uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)test_random();
}

int64_t draw_int(void)
{
    uint64_t v = test_random() >> test_below(64);

    if (test_below(8) == 0)
        v = (uint64_t[]){ 23, 24, 255, 256, 65535, 65536, UINT32_MAX, INT64_MAX }[test_below(8)];
    if (v > INT64_MAX)
        v >>= 1;
    return test_below(2) ? (int64_t)v : -1 - (int64_t)v;
}

prophet_slice draw_text(drawn *d, size_t max)
{
    uint8_t text[1200];
    size_t len = test_below(20) ? test_below(30) : test_below(sizeof text - 4), at = 0;

    for (len = len > max ? max : len; at + 4 <= len;) {
        uint32_t c = (uint32_t)(test_random() >> (43 + test_below(18)));
        if (c < 0x80) {
            text[at++] = (uint8_t)c;
        } else if (c < 0x800) {
            text[at++] = (uint8_t)(0xc0 | c >> 6);
            text[at++] = (uint8_t)(0x80 | (c & 63));
        } else if (c < 0x10000 && (c < 0xd800 || c > 0xdfff)) {
            text[at++] = (uint8_t)(0xe0 | c >> 12);
            text[at++] = (uint8_t)(0x80 | (c >> 6 & 63));
            text[at++] = (uint8_t)(0x80 | (c & 63));
        } else if (c >= 0x10000 && c < 0x110000) {
            text[at++] = (uint8_t)(0xf0 | c >> 18);
            text[at++] = (uint8_t)(0x80 | (c >> 12 & 63));
            text[at++] = (uint8_t)(0x80 | (c >> 6 & 63));
            text[at++] = (uint8_t)(0x80 | (c & 63));
        }
    }
    while (at < len)
        text[at++] = 'x';
    return ph_slice(drawn_copy(d, text, at), at);
}

static void draw_into(drawn *d, ph_buf *out, unsigned depth);

static void draw_float(drawn *d, ph_buf *out)
{
    static const double some[] = { 0.0, -0.0, 1.0, -1.5, 0.1, 1e300, 5e-324, 65504.0, 16777216.0 };
    uint64_t bits = test_random();
    uint8_t bytes[8];
    double v;

    memcpy(&v, &bits, sizeof v);
    if (test_below(2) || v - v != 0.0)
        v = some[test_below(sizeof some / sizeof *some)];
    ph_put_float(out, v);
    memcpy(&bits, &v, sizeof bits);
    ph_u64be_put(bytes, bits);
    ph_buf_str(&d->json, "[\"float\",");
    drawn_hex(d, bytes, sizeof bytes);
}

static void draw_blob(drawn *d, ph_buf *out)
{
    prophet_slice media = draw_text(d, 100), name = draw_text(d, 100);
    uint64_t size = test_random() >> (1 + test_below(63));
    uint8_t hash[32];

    drawn_fill(hash, sizeof hash);
    ph_put_blob(out, hash, size, media, name);
    ph_buf_str(&d->json, "[\"blob\",");
    drawn_hex(d, hash, sizeof hash);
    ph_buf_printf(&d->json, ",%llu,", (unsigned long long)size);
    drawn_hex(d, media.data, media.len);
    ph_buf_byte(&d->json, ',');
    drawn_hex(d, name.data, name.len);
}

static int cmp_names(const void *a, const void *b)
{
    return ph_name_cmp(*(const prophet_slice *)a, *(const prophet_slice *)b);
}

static void draw_map(drawn *d, ph_buf *out, unsigned depth)
{
    prophet_slice keys[30];
    size_t drawn_keys = test_below(4) ? test_below(5) : test_below(30), count = 0;

    for (size_t i = 0; i < drawn_keys; i++) {
        keys[i] = draw_text(d, 40);
        if (keys[i].len && *(const char *)keys[i].data == '$')
            keys[i] = ph_slice_str("k");
    }
    qsort(keys, drawn_keys, sizeof *keys, cmp_names);
    for (size_t i = 0; i < drawn_keys; i++)
        if (count == 0 || !ph_slice_eq(keys[count - 1], keys[i]))
            keys[count++] = keys[i];
    ph_put_map(out, count);
    ph_buf_str(&d->json, "[\"map\",[");
    for (size_t i = 0; i < count; i++) {
        ph_put_text(out, keys[i]);
        ph_buf_str(&d->json, i ? ",[" : "[");
        drawn_hex(d, keys[i].data, keys[i].len);
        ph_buf_byte(&d->json, ',');
        draw_into(d, out, depth + 1);
        ph_buf_byte(&d->json, ']');
    }
    ph_buf_byte(&d->json, ']');
}

static void draw_list(drawn *d, ph_buf *out, unsigned depth)
{
    size_t count = test_below(4) ? test_below(5) : test_below(40);

    ph_put_list(out, count);
    ph_buf_str(&d->json, "[\"list\",[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ph_buf_byte(&d->json, ',');
        draw_into(d, out, depth + 1);
    }
    ph_buf_byte(&d->json, ']');
}

static void draw_string(drawn *d, ph_buf *out, bool text)
{
    prophet_slice s = draw_text(d, 1200);

    if (text) {
        ph_put_text(out, s);
    } else {
        uint8_t *bytes = drawn_copy(d, s.data, s.len);
        drawn_fill(bytes, s.len);
        s = ph_slice(bytes, s.len);
        ph_put_bytes(out, s);
    }
    ph_buf_str(&d->json, text ? "[\"text\"," : "[\"bytes\",");
    drawn_hex(d, s.data, s.len);
}

static void draw_number(drawn *d, ph_buf *out, bool time)
{
    int64_t n = draw_int();

    if (time)
        ph_put_time(out, n);
    else
        ph_put_int(out, n);
    ph_buf_printf(&d->json, "[\"%s\",%lld", time ? "time" : "int", (long long)n);
}

static void draw_ref(drawn *d, ph_buf *out)
{
    ph_uuid id;

    drawn_fill(&id, sizeof id);
    ph_put_ref(out, &id);
    ph_buf_str(&d->json, "[\"ref\",");
    drawn_hex(d, id.b, sizeof id.b);
}

static void draw_into(drawn *d, ph_buf *out, unsigned depth)
{
    bool truth = test_below(2);

    switch (test_below(depth < 4 ? 10 : 8)) {
    case 0:
        ph_put_bool(out, truth);
        ph_buf_printf(&d->json, "[\"bool\",%s", truth ? "true" : "false");
        break;
    case 1: draw_float(d, out); break;
    case 2: draw_number(d, out, true); break;
    case 3: draw_ref(d, out); break;
    case 4: draw_blob(d, out); break;
    case 5: draw_string(d, out, false); break;
    case 6: draw_string(d, out, true); break;
    case 8: draw_list(d, out, depth); break;
    case 9: draw_map(d, out, depth); break;
    default: draw_number(d, out, false); break;
    }
    ph_buf_byte(&d->json, ']');
}

prophet_slice draw_value(drawn *d)
{
    ph_buf out = PH_BUF_INIT;
    prophet_slice value;

    draw_into(d, &out, 0);
    REQUIRE(!out.failed);
    value = ph_slice(drawn_copy(d, out.data, out.len), out.len);
    ph_buf_clear(&out);
    return value;
}

void drawn_clear(drawn *d)
{
    ph_arena_clear(&d->arena);
    ph_buf_clear(&d->json);
    ph_buf_clear(&d->bytes);
    memset(&d->set, 0, sizeof d->set);
}
