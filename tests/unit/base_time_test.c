/* Times as text: RFC 3339 both ways over the whole range, and what is not a time. */
#include "base/base.h"
#include "support/test.h"
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static int64_t parse(const char *text)
{
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1); /* no terminator: a sanitizer sees a read behind it */
    int64_t ms = INT64_C(-77777);

    if (!exact)
        test_stop();
    memcpy(exact, text, len);
    if (!ph_time_parse(exact, len, &ms))
        ms = INT64_C(-99999);
    free(exact);
    return ms;
}

#define CHECK_REFUSED(text) CHECK_MSG(parse(text) == INT64_C(-99999), "\"%s\" was taken", text)

TEST(times_are_written_in_utc_with_milliseconds)
{
    char text[40];

    ph_time_format(0, text);
    CHECK_EQ_STR(text, "1970-01-01T00:00:00.000Z");
    ph_time_format(INT64_C(1769853600123), text);
    CHECK_EQ_STR(text, "2026-01-31T10:00:00.123Z");
    ph_time_format(-1, text);
    CHECK_EQ_STR(text, "1969-12-31T23:59:59.999Z");
    ph_time_format(INT64_C(951782400000), text);
    CHECK_EQ_STR(text, "2000-02-29T00:00:00.000Z");
    ph_time_format(INT64_C(253402300799999), text);
    CHECK_EQ_STR(text, "9999-12-31T23:59:59.999Z");
    ph_time_format(INT64_C(253402300800000), text);
    CHECK_EQ_STR(text, "+010000-01-01T00:00:00.000Z");
    ph_time_format(INT64_C(-62167219200000), text);
    CHECK_EQ_STR(text, "0000-01-01T00:00:00.000Z");
    ph_time_format(INT64_C(-62167219200001), text);
    CHECK_EQ_STR(text, "-000001-12-31T23:59:59.999Z");
    ph_time_format(INT64_MAX, text);
    CHECK_EQ_STR(text, "+292278994-08-17T07:12:55.807Z");
    ph_time_format(INT64_MIN, text);
    CHECK_EQ_STR(text, "-292275055-05-16T16:47:04.192Z");
}

TEST(every_time_comes_back)
{
    static const int64_t edge[] = { 0, -1, 1, INT64_MIN, INT64_MAX, INT64_MIN + 1, INT64_MAX - 1 };
    char text[40];

    for (int i = 0; i < 20000; i++) {
        int64_t ms = i < 7 ? edge[i] : (int64_t)test_random() >> test_below(40), back = 0;
        ph_time_format(ms, text);
        CHECK(ph_time_parse(text, strlen(text), &back));
        CHECK_EQ_INT(back, ms);
    }
}

TEST(dates_agree_with_the_c_library)
{
    for (int i = 0; i < 20000; i++) {
        time_t t = (time_t)test_below(UINT64_C(253402300800));
        char got[40], want[40];
        struct tm tm;
        if (!gmtime_r(&t, &tm))
            continue;
        ph_time_format((int64_t)t * 1000, got);
        (void)strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        CHECK_EQ_STR(got, want);
    }
}

TEST(other_spellings_of_a_time_are_read)
{
    const int64_t t = INT64_C(1769853600000);

    CHECK_EQ_INT(parse("2026-01-31T10:00:00Z"), t);
    CHECK_EQ_INT(parse("2026-01-31t10:00:00z"), t);
    CHECK_EQ_INT(parse("2026-01-31 10:00:00Z"), t);
    CHECK_EQ_INT(parse("2026-01-31T11:30:00+01:30"), t);
    CHECK_EQ_INT(parse("2026-01-31T00:00:00-10:00"), t);
    CHECK_EQ_INT(parse("2026-01-31T10:00:00-00:00"), t);
    CHECK_EQ_INT(parse("2026-02-01T09:59:00+23:59"), t);
    CHECK_EQ_INT(parse("2026-01-31T10:00:00.5Z"), t + 500);
    CHECK_EQ_INT(parse("2026-01-31T10:00:00.12Z"), t + 120);
    CHECK_EQ_INT(parse("2026-01-31T10:00:00.123999999999999999999Z"), t + 123);
    CHECK_EQ_INT(parse("2026-01-31"), t - 36000000);
    CHECK_EQ_INT(parse("2016-12-31T23:59:60Z"), INT64_C(1483228800000)); /* a leap second */
    CHECK_EQ_INT(parse("2024-02-29"), INT64_C(1709164800000));
    CHECK_EQ_INT(parse("0000-02-29"), INT64_C(-62162121600000));
}

TEST(what_is_not_a_time_is_refused)
{
    /* clang-format off */
    static const char *const bad[] = {
        "", "2026", "2026-01", "2026-1-31", "26-01-31", "2026-00-31", "2026-13-01", "2026-01-00",
        "2026-01-32", "2026-02-29", "1900-02-29", "2026-04-31", "2026-01-31T", "2026-01-31T10",
        "2026-01-31T10:00", "2026-01-31T10:00Z", "2026-01-31T10:00:00", "2026-01-31T24:00:00Z",
        "2026-01-31T10:60:00Z", "2026-01-31T10:00:60Z", "2026-01-31T10:59:61Z", "2026-01-31T10:00:00.Z",
        "2026-01-31T10:00:00,5Z", "2026-01-31T10:00:00Zx", "2026-01-31T10:00:00+1:00",
        "2026-01-31T10:00:00+0100", "2026-01-31T10:00:00+01", "2026-01-31T10:00:00+24:00",
        "2026-01-31T10:00:00+01:60", " 2026-01-31", "2026-01-31 ", "2026-01-31Z", "2026/01/31",
        "+2026-01-31", "-001-01-01", "+0000002026x", "now", "1769853600123", "2026-01-31T-1:00:00Z",
        "+292278994-08-17T07:12:55.808Z", "-292275055-05-16T16:47:04.191Z", "+999999999-01-01",
        "-999999999-01-01", "+9999999999-01-01",
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_REFUSED(bad[i]);
}

TEST(a_cut_time_is_refused_except_for_a_date)
{
    static const char whole[] = "2026-01-31T10:00:00.123+01:30";
    int64_t ms;

    for (size_t len = 0; len < sizeof whole - 1; len++)
        CHECK_MSG(ph_time_parse(whole, len, &ms) == (len == 10), "cut to %zu bytes", len);
}

TEST(clocks_run)
{
    int64_t a = ph_now_ms();
    uint64_t m = ph_monotonic_us();

    CHECK(a > INT64_C(1600000000000));
    CHECK(ph_monotonic_us() >= m);
}
