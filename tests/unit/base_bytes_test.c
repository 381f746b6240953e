/* Varints, hexadecimal and UTF-8: every edge of the three, and UTF-8 against a second decoder. */
#include "base/base.h"
#include "support/test.h"
#include <stdlib.h>

static bool read_varint(const char *bytes, size_t len, uint64_t *v, size_t *used)
{
    uint8_t *copy = malloc(len ? len : 1); /* exact, so that a sanitizer sees one byte too many */
    const uint8_t *p = copy;
    bool ok;

    if (!copy)
        test_stop();
    if (len)
        memcpy(copy, bytes, len);
    ok = ph_varint_read(&p, copy + len, v);
    *used = (size_t)(p - copy);
    free(copy);
    return ok;
}

TEST(varints_come_back)
{
    uint8_t out[10];
    uint64_t v, got;
    size_t used;

    for (unsigned bits = 0; bits <= 64; bits++)
        for (int off = -2; off <= 2; off++) {
            v = (bits == 64 ? 0 : UINT64_C(1) << bits) + (uint64_t)(int64_t)off;
            size_t n = ph_varint_write(out, v);
            CHECK(n >= 1 && n <= 10);
            CHECK(read_varint((char *)out, n, &got, &used));
            CHECK_EQ_UINT(got, v);
            CHECK_EQ_UINT(used, n);
            for (size_t cut = 0; cut < n; cut++)
                CHECK(!read_varint((char *)out, cut, &got, &used) && used == 0);
        }
}

TEST(varints_that_are_over_long_or_too_large_are_refused)
{
    uint64_t v = 42;
    size_t used;

    CHECK(!read_varint("\x80\x00", 2, &v, &used));
    CHECK(!read_varint("\xff\x80\x00", 3, &v, &used));
    CHECK(!read_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &v, &used));
    CHECK(!read_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10, &v, &used));
    CHECK(!read_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, &v, &used));
    CHECK(!read_varint("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 12, &v, &used));
    CHECK_EQ_UINT(v, 42);
    CHECK_EQ_UINT(used, 0);
    CHECK(read_varint("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &v, &used));
    CHECK_EQ_UINT(v, UINT64_MAX);
    CHECK(read_varint("\x00rest", 5, &v, &used));
    CHECK(v == 0 && used == 1);
}

TEST(hex_both_ways)
{
    uint8_t all[256], back[256];
    char text[513];

    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    ph_hex(all, 256, text);
    CHECK_EQ_UINT(strlen(text), 512);
    CHECK(strncmp(text, "000102030405060708090a0b0c0d0e0f10", 34) == 0);
    CHECK(ph_unhex(text, 512, back, 256));
    CHECK_MEM(back, all, 256);
    ph_hex(all, 0, text);
    CHECK_EQ_STR(text, "");
    CHECK(ph_unhex("", 0, back, 0));
    CHECK(ph_unhex("aBFf", 4, back, 2) && back[0] == 0xab && back[1] == 0xff);
}

TEST(hex_of_another_length_or_with_other_letters_is_refused)
{
    uint8_t out[4];

    CHECK(!ph_unhex("abc", 3, out, 1));
    CHECK(!ph_unhex("abc", 3, out, 2));
    CHECK(!ph_unhex("abcd", 4, out, 1));
    CHECK(!ph_unhex("ab", 2, out, 2));
    CHECK(!ph_unhex("ag", 2, out, 1));
    CHECK(!ph_unhex("/0", 2, out, 1));
    CHECK(!ph_unhex(":0", 2, out, 1));
    CHECK(!ph_unhex("@0", 2, out, 1));
    CHECK(!ph_unhex("`0", 2, out, 1));
    CHECK(!ph_unhex("0x", 2, out, 1));
    CHECK(!ph_unhex("\xff\xff", 2, out, 1));
}

/* A second opinion: decode by bit masks, then ask whether that is how the code point is written. */
static bool is_char(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t cp = 0;

    if (len == 1)
        return p[0] < 0x80;
    if (len == 2 && (p[0] & 0xe0) == 0xc0)
        cp = p[0] & 0x1fu;
    else if (len == 3 && (p[0] & 0xf0) == 0xe0)
        cp = p[0] & 0x0fu;
    else if (len == 4 && (p[0] & 0xf8) == 0xf0)
        cp = p[0] & 0x07u;
    else
        return false;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        cp = cp << 6 | (p[i] & 0x3fu);
    }
    return cp >= least[len] && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
}

static bool second_opinion(const uint8_t *p, size_t len)
{
    while (len > 0) {
        size_t n = 1;
        while (n <= 4 && n <= len && !is_char(p, n))
            n++;
        if (n > 4 || n > len)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

TEST(utf8_agrees_with_a_second_decoder_on_all_short_sequences)
{
    static const uint8_t edge[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                    0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xff };
    uint8_t s[4];
    unsigned bad = 0;

    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            s[0] = (uint8_t)a, s[1] = (uint8_t)b;
            bad += ph_utf8_valid(s, 1) != second_opinion(s, 1);
            bad += ph_utf8_valid(s, 2) != second_opinion(s, 2);
            for (size_t c = 0; c < sizeof edge; c++) {
                s[2] = edge[c];
                bad += ph_utf8_valid(s, 3) != second_opinion(s, 3);
                if (a < 0xec) /* four-byte forms start above */
                    continue;
                for (size_t d = 0; d < sizeof edge; d++) {
                    s[3] = edge[d];
                    bad += ph_utf8_valid(s, 4) != second_opinion(s, 4);
                }
            }
        }
    CHECK_EQ_UINT(bad, 0);
}

TEST(utf8_agrees_with_a_second_decoder_on_random_text)
{
    static const char *const part[] = { "a",
                                        "longer ascii",
                                        "\xc3\xa4",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x90\x9e",
                                        "\xed\x9f\xbf",
                                        "\xef\xbf\xbf",
                                        "\xf4\x8f\xbf\xbf",
                                        "",
                                        "\x80",
                                        "\xed\xa0\x80",
                                        "\xc0\xaf",
                                        "\xe2\x82",
                                        "\xf5" };
    for (int round = 0; round < 20000; round++) {
        uint8_t text[256], *exact;
        size_t len = 0, kinds = test_below(4) ? 9 : 14;
        for (uint64_t n = test_below(12); n > 0; n--) {
            const char *p = part[test_below(kinds)];
            memcpy(text + len, p, strlen(p));
            len += strlen(p);
        }
        exact = malloc(len ? len : 1);
        if (!exact)
            test_stop();
        memcpy(exact, text, len);
        bool ok = ph_utf8_valid(exact, len) == second_opinion(exact, len);
        free(exact);
        REQUIRE(ok);
    }
}

TEST(utf8_edges)
{
    char text[100];

    CHECK(ph_utf8_valid(NULL, 0));
    CHECK(ph_utf8_valid("a\0b", 3));
    memset(text, 'a', sizeof text);
    for (size_t len = 0; len < 40; len++)
        for (size_t at = 0; at < len; at++) { /* one bad byte anywhere in a word, before, behind */
            CHECK(ph_utf8_valid(text, len));
            text[at] = '\xff';
            CHECK(!ph_utf8_valid(text, len));
            text[at] = 'a';
        }
    CHECK(!ph_utf8_valid("\xef\xbb\xbf\xed\xb0\x80", 6)); /* a mark, then a surrogate */
}
