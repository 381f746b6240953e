/* The order of values: kinds, the edges between integers and floats, nesting; and that it is an order at all. */
#include "model/model.h"
#include "support/test.h"
#include <math.h>
#include <stdlib.h>

enum { MANY = 160, SIZE = 512 };

typedef struct sample {
    uint8_t bytes[SIZE];
    prophet_slice value;
} sample;

static void keep(sample *s, ph_buf *b)
{
    REQUIRE(!b->failed && b->len <= SIZE);
    if (b->len)
        memcpy(s->bytes, b->data, b->len);
    s->value = ph_slice(s->bytes, b->len);
    ph_buf_clear(b);
}

static sample an_int(int64_t v)
{
    ph_buf b = PH_BUF_INIT;
    sample s;
    ph_put_int(&b, v);
    keep(&s, &b);
    return s;
}

static sample a_float(double v)
{
    ph_buf b = PH_BUF_INIT;
    sample s;
    ph_put_float(&b, v);
    keep(&s, &b);
    return s;
}

static sample a_text(const char *v)
{
    ph_buf b = PH_BUF_INIT;
    sample s;
    ph_put_text(&b, ph_slice_str(v));
    keep(&s, &b);
    return s;
}

static int compare(const sample *a, const sample *b)
{
    int c = ph_value_compare(ph_slice(a->bytes, a->value.len), ph_slice(b->bytes, b->value.len));
    int d = ph_value_compare(ph_slice(b->bytes, b->value.len), ph_slice(a->bytes, a->value.len));

    CHECK_MSG((c > 0) == (d < 0) && (c < 0) == (d > 0), "the order depends on the side");
    return (c > 0) - (c < 0);
}

TEST(kinds_come_in_their_order)
{
    static const uint8_t zeros[32] = { 0 };
    sample s[10];
    size_t n = 0;
    ph_buf b = PH_BUF_INIT;
    ph_uuid u;

    memset(&u, 0, sizeof u);
    keep(&s[n++], &b); /* absent */
    ph_put_bool(&b, true), keep(&s[n++], &b);
    ph_put_int(&b, INT64_MAX), keep(&s[n++], &b);
    ph_put_text(&b, ph_slice(NULL, 0)), keep(&s[n++], &b);
    ph_put_bytes(&b, ph_slice(NULL, 0)), keep(&s[n++], &b);
    ph_put_time(&b, INT64_MIN), keep(&s[n++], &b);
    ph_put_ref(&b, &u), keep(&s[n++], &b);
    ph_put_blob(&b, zeros, 0, ph_slice(NULL, 0), ph_slice(NULL, 0)), keep(&s[n++], &b);
    ph_put_list(&b, 0), keep(&s[n++], &b);
    ph_put_map(&b, 0), keep(&s[n++], &b);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            CHECK_EQ_INT(compare(&s[i], &s[j]), (i > j) - (i < j));
}

TEST(integers_and_floats_are_compared_exactly)
{
    const int64_t big = INT64_C(1) << 53;
    const sample rising[] = {
        a_float(-INFINITY > -1e308 ? 0 : -1e308),
        a_float(-9223372036854777856.0), /* the float below -2^63 */
        an_int(INT64_MIN),
        an_int(INT64_MIN + 1),
        a_float(-9223372036854774784.0),
        an_int(-big - 1),
        an_int(-big),
        a_float(-1.5),
        an_int(-1),
        a_float(-0.5),
        a_float(-5e-324),
        an_int(0),
        a_float(5e-324),
        a_float(0.5),
        an_int(1),
        a_float(1.0000000000000002),
        an_int(2),
        an_int(big - 1),
        an_int(big),
        an_int(big + 1), /* as a float this would be 2^53 */
        a_float(9007199254740994.0),
        an_int(big + 3),
        an_int(INT64_MAX - 1),
        an_int(INT64_MAX),
        a_float(9223372036854775808.0), /* 2^63 */
        a_float(1e308),
    };
    const size_t n = sizeof rising / sizeof *rising;
    sample x, y;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            test_context("values %zu and %zu", i, j);
            CHECK_EQ_INT(compare(&rising[i], &rising[j]), (i > j) - (i < j));
        }
    test_context(NULL);
    x = an_int(1), y = a_float(1.0);
    CHECK_EQ_INT(compare(&x, &y), 0);
    x = an_int(INT64_MIN), y = a_float(-9223372036854775808.0);
    CHECK_EQ_INT(compare(&x, &y), 0);
    x = an_int(big), y = a_float(9007199254740992.0);
    CHECK_EQ_INT(compare(&x, &y), 0);
    x = a_float(-0.0), y = an_int(0);
    CHECK_EQ_INT(compare(&x, &y), 0);
}

TEST(texts_of_every_length_are_compared_by_their_bytes)
{
    static const size_t lengths[] = { 0, 1, 22, 23, 24, 25, 255, 256, 300 };
    enum { N = sizeof lengths / sizeof *lengths };
    sample s[N], t;
    char text[301];

    for (size_t i = 0; i < N; i++) {
        memset(text, 'a', lengths[i]);
        text[lengths[i]] = 0;
        s[i] = a_text(text);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            CHECK_EQ_INT(compare(&s[i], &s[j]), (i > j) - (i < j));
    t = a_text("b"); /* shorter, yet behind all */
    for (size_t i = 0; i < N; i++)
        CHECK_EQ_INT(compare(&t, &s[i]), 1);
    t = a_text("\xc3\xa4"); /* bytes are unsigned */
    for (size_t i = 0; i < N; i++)
        CHECK_EQ_INT(compare(&t, &s[i]), 1);
}

static sample a_list(const char *items) /* "13" -> [1, 3] */
{
    ph_buf b = PH_BUF_INIT;
    sample s;
    ph_put_list(&b, strlen(items));
    for (; *items; items++)
        ph_put_int(&b, *items - '0');
    keep(&s, &b);
    return s;
}

static sample a_map(const char *items) /* "a1b2" -> {a: 1, b: 2} */
{
    ph_buf b = PH_BUF_INIT;
    sample s;
    ph_put_map(&b, strlen(items) / 2);
    for (; *items; items += 2) {
        ph_put_text(&b, ph_slice(items, 1));
        ph_put_int(&b, items[1] - '0');
    }
    keep(&s, &b);
    return s;
}

TEST(lists_go_entry_by_entry_and_maps_by_keys_first)
{
    const sample lists[] = { a_list(""),   a_list("1"), a_list("11"),
                             a_list("12"), a_list("2"), a_list("21") };
    const sample maps[] = { a_map(""),     a_map("a9"),   a_map("a1b1"), a_map("a1b2"),
                            a_map("a2b1"), a_map("a1c0"), a_map("b0"),   a_map("b1") };
    const size_t n = sizeof lists / sizeof *lists, m = sizeof maps / sizeof *maps;
    sample x, y;
    ph_buf b = PH_BUF_INIT;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            CHECK_EQ_INT(compare(&lists[i], &lists[j]), (i > j) - (i < j));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            CHECK_EQ_INT(compare(&maps[i], &maps[j]), (i > j) - (i < j));
    x = a_list("1");
    ph_put_list(&b, 1), ph_put_float(&b, 1.0), keep(&y, &b);
    CHECK_EQ_INT(compare(&x, &y), 0); /* [1] and [1.0] are other bytes, but equal in order */
}

TEST(blobs_go_by_content_then_by_what_is_said_of_them)
{
    uint8_t one[32] = { 1 }, two[32] = { 2 };
    sample s[5];
    ph_buf b = PH_BUF_INIT;
    prophet_slice png = ph_slice_str("image/png"), text = ph_slice_str("text/plain");

    ph_put_blob(&b, one, 7, png, ph_slice_str("z")), keep(&s[0], &b);
    ph_put_blob(&b, one, 7, text, ph_slice_str("a")), keep(&s[1], &b);
    ph_put_blob(&b, one, 7, text, ph_slice_str("b")), keep(&s[2], &b);
    ph_put_blob(&b, one, 300, png, ph_slice_str("a")), keep(&s[3], &b);
    ph_put_blob(&b, two, 0, png, ph_slice_str("a")), keep(&s[4], &b);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            CHECK_EQ_INT(compare(&s[i], &s[j]), (i > j) - (i < j));
}

static void put_random(ph_buf *b, int depth)
{
    static const double floats[] = { 0,    1, 2, 0.5, -1, 9007199254740992.0, 9223372036854775808.0,
                                     1e300 };
    static const int64_t ints[] = { 0, 1, 2, -1, INT64_MAX, INT64_MIN, (INT64_C(1) << 53) + 1 };
    static const char *const texts[] = { "",  "a",        "ab",
                                         "b", "\xc3\xa4", "a text of more than 23 bytes" };
    ph_uuid u;

    memset(&u, (int)test_below(3), sizeof u);
    switch (test_below(depth > 0 ? 9 : 7)) {
    case 0: ph_put_bool(b, test_below(2)); break;
    case 1: ph_put_int(b, ints[test_below(7)]); break;
    case 2: ph_put_float(b, floats[test_below(8)]); break;
    case 3: ph_put_text(b, ph_slice_str(texts[test_below(6)])); break;
    case 4: ph_put_bytes(b, ph_slice_str(texts[test_below(6)])); break;
    case 5: ph_put_time(b, ints[test_below(7)]); break;
    case 6: ph_put_ref(b, &u); break;
    case 7: {
        size_t n = (size_t)test_below(3);
        ph_put_list(b, n);
        while (n-- > 0)
            put_random(b, depth - 1);
        break;
    }
    default: {
        size_t n = (size_t)test_below(3);
        ph_put_map(b, n);
        for (size_t i = 0; i < n; i++) {
            ph_put_text(b, ph_slice_str(i == 0 ? (test_below(2) ? "a" : "b") : "cc"));
            put_random(b, depth - 1);
        }
    }
    }
}

TEST(it_is_an_order)
{
    static sample s[MANY];

    for (size_t i = 0; i < MANY; i++) {
        ph_buf b = PH_BUF_INIT;
        if (i > 0)
            put_random(&b, 2);
        keep(&s[i], &b);
    }
    for (size_t i = 0; i < MANY; i++) {
        CHECK_EQ_INT(compare(&s[i], &s[i]), 0);
        for (size_t j = 0; j < MANY; j++) {
            if (compare(&s[i], &s[j]) > 0)
                continue;
            for (size_t k = 0; k < MANY; k++) /* i <= j <= k gives i <= k */
                if (ph_value_compare(s[j].value, s[k].value) <= 0 &&
                    ph_value_compare(s[i].value, s[k].value) > 0) {
                    CHECK_MSG(false, "%zu, %zu, %zu run in a circle", i, j, k);
                    return;
                }
        }
    }
}

/* Exact heap copies, so that a sanitizer sees a read behind the end. */
static void compare_exact(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
    uint8_t *x = malloc(alen ? alen : 1), *y = malloc(blen ? blen : 1);

    if (!x || !y)
        test_stop();
    memcpy(x, a, alen);
    memcpy(y, b, blen);
    (void)ph_value_compare(ph_slice(x, alen), ph_slice(y, blen)); /* any answer will do */
    free(x);
    free(y);
}

TEST(bytes_that_were_never_checked_do_no_harm)
{
    static uint8_t deep[100000];
    uint8_t bytes[64];

    for (int i = 0; i < 20000; i++) {
        ph_buf b = PH_BUF_INIT;
        size_t n = (size_t)test_below(sizeof bytes);
        put_random(&b, 3);
        for (size_t k = 0; k < n; k++)
            bytes[k] =
                test_below(3) ? (uint8_t)test_random() : (uint8_t)(test_below(2) ? 0x81 : 0xa1);
        compare_exact(bytes, n, b.data, b.len);
        compare_exact(b.data, (size_t)test_below(b.len + 1), bytes, n);
        b.data[test_below(b.len)] ^= (uint8_t)(1u << test_below(8));
        compare_exact(b.data, b.len, bytes, n);
        ph_buf_clear(&b);
    }
    memset(deep, 0x81, sizeof deep);
    deep[sizeof deep - 1] = 1;
    compare_exact(deep, sizeof deep, deep + 1, sizeof deep - 1);
}
