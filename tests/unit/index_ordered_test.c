/* Ordered keys: bytes compare as values do. */
#include "index/index.h"
#include "support/test.h"

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

static double random_double(void)
{
    static const double edges[] = { 0.0,
                                    1.0,
                                    -1.0,
                                    0.5,
                                    9007199254740992.0,
                                    9007199254740994.0,
                                    -9007199254740992.0,
                                    9223372036854775808.0,
                                    -9223372036854775808.0,
                                    1e300,
                                    -1e300,
                                    5e-324,
                                    3.0,
                                    1e18 };
    uint64_t bits = test_random();
    double d;

    if (test_below(3))
        return edges[test_below(sizeof edges / sizeof *edges)];
    memcpy(&d, &bits, sizeof d);
    return d - d == 0 ? d : 1.5; /* no infinity, no NaN */
}

static int64_t random_int(void)
{
    static const int64_t edges[] = { 0,
                                     1,
                                     -1,
                                     3,
                                     9007199254740991,
                                     9007199254740992,
                                     9007199254740993,
                                     9007199254740994,
                                     -9007199254740993,
                                     -9007199254740992,
                                     INT64_MAX,
                                     INT64_MAX - 1,
                                     INT64_MIN,
                                     INT64_MIN + 1,
                                     1000000000000000000,
                                     999999999999999999 };
    if (test_below(3))
        return edges[test_below(sizeof edges / sizeof *edges)];
    return (int64_t)(test_random() >> test_below(64)) * (test_below(2) ? 1 : -1);
}

static void random_text(ph_buf *b, bool bytes)
{
    char text[8];
    size_t len = test_below(6);

    for (size_t i = 0; i < len; i++)
        text[i] = "\0\1ab\x7f"[test_below(5)];
    if (bytes)
        ph_put_bytes(b, ph_slice(text, len));
    else
        ph_put_text(b, ph_slice(text, len));
}

static void random_value(ph_buf *b, unsigned depth)
{
    ph_uuid u = { { (uint8_t)test_below(3), (uint8_t)test_below(256) } };
    uint8_t sha[32] = { (uint8_t)test_below(2) };

    switch (test_below(depth ? 10 : 8)) {
    case 0: ph_put_bool(b, test_below(2)); break;
    case 1: ph_put_int(b, random_int()); break;
    case 2: ph_put_float(b, random_double()); break;
    case 3: random_text(b, false); break;
    case 4: random_text(b, true); break;
    case 5: ph_put_time(b, random_int()); break;
    case 6: ph_put_ref(b, &u); break;
    case 7:
        ph_put_blob(b, sha, test_below(3), ph_slice("a\0b", test_below(4)),
                    ph_slice("xy", test_below(3)));
        break;
    case 8: {
        size_t n = test_below(4);
        ph_put_list(b, n);
        for (size_t i = 0; i < n; i++)
            random_value(b, depth - 1);
        break;
    }
    default: {
        static const char *const keys[] = { "a", "b", "ab" };
        unsigned set = (unsigned)test_below(8);
        ph_put_map(b, (set & 1) + (set >> 1 & 1) + (set >> 2 & 1));
        for (unsigned i = 0; i < 3; i++)
            if (set >> i & 1) {
                ph_put_text(b, ph_slice_str(keys[i]));
                random_value(b, depth - 1);
            }
        break;
    }
    }
}

static int key_order(prophet_slice a, prophet_slice b, bool descending, size_t room)
{
    ph_buf x = PH_BUF_INIT, y = PH_BUF_INIT;

    ph_ordered_put(&x, a, descending, room);
    ph_ordered_put(&y, b, descending, room);
    CHECK(x.len <= room && y.len <= room);
    /* no key begins another one, so that what follows never matters */
    int c = ph_slice_cmp(ph_buf_slice(&x), ph_buf_slice(&y));
    size_t shorter = x.len < y.len ? x.len : y.len;
    CHECK(c == 0 || memcmp(x.data, y.data, shorter) != 0);
    ph_buf_clear(&x);
    ph_buf_clear(&y);
    return sign(c);
}

TEST(keys_are_in_the_order_of_their_values)
{
    ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;
    unsigned equal = 0;

    for (int i = 0; i < 100000; i++) {
        ph_buf_reset(&a);
        ph_buf_reset(&b);
        if (test_below(50))
            random_value(&a, 2);
        if (test_below(50))
            random_value(&b, 2);
        if (a.len && b.len && test_below(3) == 0) { /* two numbers */
            ph_buf_reset(&a);
            ph_buf_reset(&b);
            ph_put_int(&a, random_int());
            if (test_below(2))
                ph_put_float(&b, random_double());
            else
                ph_put_int(&b, random_int());
        }
        int want = sign(ph_value_compare(ph_buf_slice(&a), ph_buf_slice(&b)));
        equal += want == 0;
        ph_buf shown = PH_BUF_INIT;
        ph_json_value(&shown, ph_buf_slice(&a));
        ph_buf_str(&shown, " against ");
        ph_json_value(&shown, ph_buf_slice(&b));
        test_context("%.*s", PH_FMT(ph_buf_slice(&shown)));
        ph_buf_clear(&shown);
        CHECK_EQ_INT(key_order(ph_buf_slice(&a), ph_buf_slice(&b), false, PH_IX_ROOM), want);
        CHECK_EQ_INT(key_order(ph_buf_slice(&a), ph_buf_slice(&b), true, PH_IX_ROOM), -want);
    }
    CHECK(equal > 1000);
    ph_buf_clear(&a);
    ph_buf_clear(&b);
}

/* Behind it lies what begins another field. */
static bool read_back(prophet_slice value, bool descending, ph_buf *out)
{
    ph_buf key = PH_BUF_INIT;
    size_t used = 0;

    bool cut = ph_ordered_put(&key, value, descending, PH_IX_ROOM);
    size_t len = key.len;
    (void)ph_ordered_put(&key, value, !descending, PH_IX_ROOM);
    ph_buf_reset(out);
    bool told = ph_ordered_get(ph_buf_slice(&key), descending, out, &used);
    CHECK(!told || (!cut && used == len));
    for (size_t part = 0; part < len && told; part++) { /* no byte behind the end is read */
        ph_buf none = PH_BUF_INIT;
        CHECK(!ph_ordered_get(ph_slice(key.data, part), descending, &none, &used));
        ph_buf_clear(&none);
    }
    ph_buf_clear(&key);
    return told;
}

TEST(keys_tell_their_values)
{
    ph_buf a = PH_BUF_INIT, back = PH_BUF_INIT;
    unsigned told = 0;

    for (int i = 0; i < 20000; i++) {
        ph_buf_reset(&a);
        if (test_below(50))
            random_value(&a, 1);
        ph_kind kind = ph_value_kind(ph_buf_slice(&a));
        bool tells = kind != PH_BLOB && kind != PH_LIST && kind != PH_MAP;
        CHECK_EQ_INT(read_back(ph_buf_slice(&a), i % 2, &back), tells);
        if (!tells)
            continue;
        told++;
        CHECK_EQ_INT(ph_value_compare(ph_buf_slice(&a), ph_buf_slice(&back)), 0);
        if (kind != PH_FLOAT) /* which is the integer it equals */
            CHECK(ph_slice_eq(ph_buf_slice(&a), ph_buf_slice(&back)));
    }
    CHECK(told > 10000);
    ph_buf_clear(&a);
    ph_buf_clear(&back);
}

static prophet_slice long_text(ph_buf *b, size_t len, char last)
{
    char text[600];

    memset(text, 'x', sizeof text);
    text[len - 1] = last;
    ph_buf_reset(b);
    ph_put_text(b, ph_slice(text, len));
    return ph_buf_slice(b);
}

TEST(long_texts_are_cut_and_told_apart)
{
    ph_buf a = PH_BUF_INIT, b = PH_BUF_INIT;

    for (size_t len = 1; len < 600; len++) {
        test_context("%zu characters", len);
        long_text(&a, len, 'x');
        if (len < 89) /* whole: comes before a longer one, cut or not */
            CHECK_EQ_INT(key_order(ph_buf_slice(&a), long_text(&b, len % 2 ? len + 1 : 600, 'x'),
                                   false, 100),
                         -1);
        CHECK(key_order(ph_buf_slice(&a), long_text(&b, len, 'y'), false, 100) != 0);
        ph_buf told = PH_BUF_INIT;
        CHECK_EQ_INT(read_back(ph_buf_slice(&b), len % 2, &told), len < 470);
        ph_buf_clear(&told);
        if (len < 89) /* differs within what is kept */
            CHECK_EQ_INT(key_order(long_text(&a, 300, 'y'), long_text(&b, len, 'z'), false, 100),
                         -1);
    }
    ph_buf_clear(&a);
    ph_buf_clear(&b);
}

TEST(nested_values_keep_within_their_room)
{
    ph_buf a = PH_BUF_INIT;

    for (int i = 0; i < 2000; i++) {
        ph_buf_reset(&a);
        ph_put_list(&a, 12);
        for (int k = 0; k < 12; k++)
            random_value(&a, 3);
        (void)key_order(ph_buf_slice(&a), ph_buf_slice(&a), i % 2, 32 + test_below(60));
    }
    ph_buf_clear(&a);
}
