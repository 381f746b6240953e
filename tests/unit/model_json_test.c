/* Values as JSON: every kind, every escape, base64, the shortest floats, sorted keys. */
#include "model/model.h"
#include "support/test.h"
#include <math.h>
#include <stdlib.h>

static char *text_of(ph_buf *out) /* as a string; valid until the next call */
{
    static char text[4096];

    REQUIRE(!out->failed && out->len < sizeof text);
    if (out->len)
        memcpy(text, out->data, out->len);
    text[out->len] = 0;
    ph_buf_clear(out);
    return text;
}

static char *json_of(ph_buf *value) /* takes the value */
{
    ph_buf out = PH_BUF_INIT;

    REQUIRE(!value->failed);
    ph_json_value(&out, ph_buf_slice(value));
    ph_buf_clear(value);
    return text_of(&out);
}

static char *float_text(double d)
{
    ph_buf out = PH_BUF_INIT;

    ph_json_float(&out, d);
    return text_of(&out);
}

static char *quoted(const char *s, size_t len)
{
    ph_buf out = PH_BUF_INIT;

    ph_json_text(&out, ph_slice(s, len));
    return text_of(&out);
}

TEST(every_kind_has_its_form)
{
    ph_buf v = PH_BUF_INIT;
    uint8_t sha[32];
    ph_uuid u;

    memset(sha, 0xab, sizeof sha);
    memset(&u, 0x0f, sizeof u);
    CHECK_EQ_STR(json_of(&v), "null");
    ph_put_bool(&v, true);
    CHECK_EQ_STR(json_of(&v), "true");
    ph_put_bool(&v, false);
    CHECK_EQ_STR(json_of(&v), "false");
    ph_put_int(&v, 0);
    CHECK_EQ_STR(json_of(&v), "0");
    ph_put_int(&v, INT64_MIN);
    CHECK_EQ_STR(json_of(&v), "-9223372036854775808");
    ph_put_int(&v, INT64_MAX);
    CHECK_EQ_STR(json_of(&v), "9223372036854775807");
    ph_put_float(&v, 1);
    CHECK_EQ_STR(json_of(&v), "1.0");
    ph_put_text(&v, ph_slice_str("open"));
    CHECK_EQ_STR(json_of(&v), "\"open\"");
    ph_put_bytes(&v, ph_slice("\0\xff", 2));
    CHECK_EQ_STR(json_of(&v), "{\"$bytes\":\"AP8=\"}");
    ph_put_time(&v, INT64_C(1769853600123));
    CHECK_EQ_STR(json_of(&v), "{\"$time\":\"2026-01-31T10:00:00.123Z\"}");
    ph_put_ref(&v, &u);
    CHECK_EQ_STR(json_of(&v), "{\"$ref\":\"0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f\"}");
    ph_put_blob(&v, sha, 5000000000, ph_slice_str("image/png"), ph_slice_str("a \"b\".png"));
    CHECK_EQ_STR(json_of(&v),
                 "{\"$blob\":\"abababababababababababababababababababababababababababababababab\","
                 "\"media\":\"image/png\",\"name\":\"a \\\"b\\\".png\",\"size\":5000000000}");
}

TEST(lists_and_maps_nest)
{
    ph_buf v = PH_BUF_INIT;

    ph_put_list(&v, 0);
    CHECK_EQ_STR(json_of(&v), "[]");
    ph_put_map(&v, 0);
    CHECK_EQ_STR(json_of(&v), "{}");
    ph_put_list(&v, 3);
    ph_put_int(&v, 1);
    ph_put_list(&v, 1);
    ph_put_text(&v, ph_slice_str("x"));
    ph_put_map(&v, 1);
    ph_put_text(&v, ph_slice_str("k\n"));
    ph_put_float(&v, 0.5);
    CHECK_EQ_STR(json_of(&v), "[1,[\"x\"],{\"k\\u000a\":0.5}]");
    for (int i = 0; i < PH_DEPTH_MAX - 1; i++)
        ph_put_list(&v, 1);
    ph_put_int(&v, 7);
    CHECK_EQ_STR(json_of(&v), "[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]");
}

TEST(keys_are_sorted_by_their_bytes)
{
    ph_buf v = PH_BUF_INIT, out = PH_BUF_INIT;
    static const char *const cbor_order[] = { "b", "c", "aa", "ab", "\xc3\xa4", "aaa" };
    static const char first[] =
        "{\"000x\":true,\"000xx\":true,\"000xxx\":true,\"000xxxx\":true,\"001x\":";
    size_t n = 0;

    ph_put_map(&v, 6);
    for (size_t i = 0; i < 6; i++) {
        ph_put_text(&v, ph_slice_str(cbor_order[i]));
        ph_put_int(&v, (int64_t)i);
    }
    CHECK_EQ_STR(json_of(&v), "{\"aa\":2,\"aaa\":5,\"ab\":3,\"b\":0,\"c\":1,\"\xc3\xa4\":4}");
    ph_put_map(&v, 1200); /* more than fit on the stack */
    for (size_t len = 1; len < 5; len++)
        for (int i = 0; i < 300; i++) {
            char key[24];
            (void)snprintf(key, sizeof key, "%03d%.*s", i, (int)len, "xxxx");
            n++;
            ph_put_text(&v, ph_slice_str(key));
            ph_put_bool(&v, true);
        }
    CHECK_EQ_UINT(n, 1200);
    ph_json_value(&out, ph_buf_slice(&v));
    CHECK(!out.failed && out.len > 1200 * 8);
    CHECK(memcmp(out.data, first, strlen(first)) == 0);
    ph_buf_clear(&v);
    ph_buf_clear(&out);
}

TEST(text_is_escaped_where_json_must)
{
    char want[16], c;

    CHECK_EQ_STR(quoted("", 0), "\"\"");
    CHECK_EQ_STR(quoted("a\"b\\c/d", 7), "\"a\\\"b\\\\c/d\"");
    CHECK_EQ_STR(quoted("\"", 1), "\"\\\"\"");
    CHECK_EQ_STR(quoted("\xc3\xa4\xf0\x9f\x90\x9e\x7f", 7), "\"\xc3\xa4\xf0\x9f\x90\x9e\x7f\"");
    CHECK_EQ_STR(quoted("a\0b", 3), "\"a\\u0000b\"");
    for (int i = 1; i < 32; i++) {
        c = (char)i;
        (void)snprintf(want, sizeof want, "\"\\u%04x\"", (unsigned)i);
        CHECK_EQ_STR(quoted(&c, 1), want);
    }
}

TEST(bytes_are_base64_with_padding) /* the vectors of RFC 4648, 10 */
{
    static const char *const vectors[][2] = { { "", "" },
                                              { "f", "Zg==" },
                                              { "fo", "Zm8=" },
                                              { "foo", "Zm9v" },
                                              { "foob", "Zm9vYg==" },
                                              { "fooba", "Zm9vYmE=" },
                                              { "foobar", "Zm9vYmFy" },
                                              { "\xff\xfe\xfd", "//79" },
                                              { "\xfb\xef\xbe", "++++" } };
    char want[64];

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        ph_buf v = PH_BUF_INIT;
        ph_put_bytes(&v, ph_slice_str(vectors[i][0]));
        (void)snprintf(want, sizeof want, "{\"$bytes\":\"%s\"}", vectors[i][1]);
        CHECK_EQ_STR(json_of(&v), want);
    }
}

TEST(hex_is_quoted)
{
    ph_buf out = PH_BUF_INIT;

    ph_json_hex(&out, "\x01\xab\xff", 3);
    CHECK_EQ_STR(text_of(&out), "\"01abff\"");
    ph_json_hex(&out, NULL, 0);
    CHECK_EQ_STR(text_of(&out), "\"\"");
}

TEST(floats_are_shortest_and_never_look_like_integers)
{
    static const struct {
        double d;
        const char *text;
    } cases[] = { /* as Python's repr prints them */
                  { 0.0, "0.0" },
                  { -0.0, "0.0" },
                  { 1.0, "1.0" },
                  { -1.0, "-1.0" },
                  { 0.1, "0.1" },
                  { 0.1 + 0.2, "0.30000000000000004" },
                  { 1.0 / 3, "0.3333333333333333" },
                  { 100.0, "100.0" },
                  { 123456.789, "123456.789" },
                  { 0.0001, "0.0001" },
                  { 0.00001, "1e-05" },
                  { -1.5e-7, "-1.5e-07" },
                  { 999999999999999.0, "999999999999999.0" },
                  { 1e15, "1000000000000000.0" },
                  { 9007199254740993.0, "9007199254740992.0" },
                  { 9999999999999998.0, "9999999999999998.0" },
                  { 1e16, "1e+16" },
                  { 12345678901234567890.0, "1.2345678901234567e+19" },
                  { 1e22, "1e+22" },
                  { 1e23, "1e+23" },
                  { 1e100, "1e+100" },
                  { 5e-324, "5e-324" },
                  { 1e-323, "1e-323" },
                  { 2.2250738585072014e-308, "2.2250738585072014e-308" },
                  { 2.225073858507201e-308, "2.225073858507201e-308" },
                  { 1.7976931348623157e308, "1.7976931348623157e+308" },
                  { 9.5e-05, "9.5e-05" },
                  { 0x1p-44, "5.684341886080802e-14" },
                  { 0x1p-1017, "7.120236347223045e-307" }, /* rounding to 16 digits misses it */
                  { 0x1p-957, "8.209073602596753e-289" }
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_EQ_STR(float_text(cases[i].d), cases[i].text);
    CHECK_EQ_STR(float_text(NAN), "null");
    CHECK_EQ_STR(float_text(INFINITY), "null");
}

static double any_float(void)
{
    uint64_t bits = test_random() >> (test_below(2) ? test_below(60) : 0);
    double d;

    if (test_below(2))
        return (double)(int64_t)(test_random() >> test_below(64)) / pow(10, (double)test_below(20));
    memcpy(&d, &bits, sizeof d);
    return isfinite(d) && d != 0 ? d : 1.5;
}

TEST(every_float_reads_back_and_none_is_longer_than_needed)
{
    for (int i = 0; i < 20000; i++) {
        double d = any_float();
        char *text = float_text(d), shorter[40];
        size_t digits = 0;
        REQUIRE(strtod(text, NULL) == d);
        REQUIRE(strpbrk(text, ".e") != NULL);
        for (const char *p = text; *p && *p != 'e'; p++)
            digits += *p >= '0' && *p <= '9' && (digits > 0 || *p != '0');
        if (digits < 3 || digits > 17 || fabs(d) >= 1e15)
            continue;
        (void)snprintf(shorter, sizeof shorter, "%.*e", (int)digits - 2, d);
        if (strstr(text, ".0") && text[strlen(text) - 1] == '0')
            continue; /* "120.0": zeros that only hold places */
        CHECK_MSG(strtod(shorter, NULL) != d, "%s is longer than %s", text, shorter);
    }
}

TEST(memory_that_runs_out_is_a_failed_buffer)
{
#ifdef PH_DEV
    ph_buf v = PH_BUF_INIT;

    ph_put_map(&v, 20);
    for (int i = 10; i < 30; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "%d", i);
        ph_put_text(&v, ph_slice_str(key));
        ph_put_text(&v, ph_slice_str("0123456789"));
    }
    for (uint64_t n = 1;; n++) {
        ph_buf out = PH_BUF_INIT;
        ph_alloc_fail_at(n);
        ph_json_value(&out, ph_buf_slice(&v));
        ph_alloc_fail_at(0);
        bool failed = out.failed;
        ph_buf_clear(&out);
        if (!failed) {
            CHECK(n > 3);
            break;
        }
    }
    ph_buf_clear(&v);
#else
    test_skip("a build without fault points");
#endif
}

TEST(bytes_that_were_never_checked_do_no_harm)
{
    static uint8_t deep[100000];
    ph_buf out = PH_BUF_INIT;

    memset(deep, 0x81, sizeof deep);
    deep[sizeof deep - 1] = 1;
    ph_json_value(&out, ph_slice(deep, sizeof deep));
    CHECK(!out.failed && out.len < 100);
    ph_buf_clear(&out);
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)test_below(64);
        uint8_t *exact = malloc(n ? n : 1);
        if (!exact)
            test_stop();
        for (size_t k = 0; k < n; k++)
            exact[k] =
                test_below(3) ? (uint8_t)test_random() : (uint8_t)(0x81 + 0x20 * test_below(3));
        ph_json_value(&out, ph_slice(exact, n));
        free(exact);
        ph_buf_reset(&out);
    }
    ph_buf_clear(&out);
}
