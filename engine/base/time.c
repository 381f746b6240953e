/* time: the two clocks, and times as text (RFC 3339, always written in UTC with milliseconds).
 *
 * Days and civil dates are converted with the proleptic Gregorian calendar (Howard Hinnant's
 * algorithms), over the whole range of 64-bit milliseconds; no time zone tables, no locale. */
#include "base/base.h"
#include <time.h>

#define DAY_MS INT64_C(86400000)

__extension__ typedef __int128 i128;

int64_t ph_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with a valid clock and pointer */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t ph_monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with a valid clock and pointer */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a date; eras are the 400 years in which the calendar repeats. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400), yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

void ph_time_format(int64_t ms, char out[40])
{
    int64_t days = floor_div(ms, DAY_MS), year;
    int rest = (int)(ms % DAY_MS), month, day, n;

    if (rest < 0)
        rest += (int)DAY_MS;
    date_of(days, &year, &month, &day);
    if (year >= 0 && year <= 9999)
        n = snprintf(out, 40, "%04d", (int)year);
    else
        n = snprintf(out, 40, "%c%06lld", year < 0 ? '-' : '+',
                     (long long)(year < 0 ? -year : year));
    (void)snprintf(out + n, 40 - (size_t)n, "-%02d-%02dT%02d:%02d:%02d.%03dZ", month, day,
                   rest / 3600000, rest / 60000 % 60, rest / 1000 % 60,
                   rest % 1000); /* 33 bytes at most */
}

typedef struct cursor {
    const char *p, *end;
} cursor;

static bool take(cursor *c, char want)
{
    if (c->p == c->end || *c->p != want)
        return false;
    c->p++;
    return true;
}

/* Between `least` and `most` digits, as many as there are. */
static bool digits(cursor *c, int least, int most, int64_t *out)
{
    int n = 0;

    *out = 0;
    for (; n < most && c->p < c->end && *c->p >= '0' && *c->p <= '9'; n++)
        *out = *out * 10 + (*c->p++ - '0');
    return n >= least;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* YYYY-MM-DD, or a sign and 6 to 9 digits of year as ph_time_format writes them. */
static bool parse_date(cursor *c, int64_t *days)
{
    int64_t year, month, day;
    bool negative = take(c, '-'), wide = negative || take(c, '+');

    if (!digits(c, wide ? 6 : 4, wide ? 9 : 4, &year) || !take(c, '-') ||
        !digits(c, 2, 2, &month) || !take(c, '-') || !digits(c, 2, 2, &day))
        return false;
    if (negative)
        year = -year;
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* HH:MM:SS and a fraction, of which three digits count. A leap second is the second after it. */
static bool parse_clock(cursor *c, int64_t *ms)
{
    int64_t hour, minute, second, fraction = 0;

    if (!digits(c, 2, 2, &hour) || !take(c, ':') || !digits(c, 2, 2, &minute) || !take(c, ':') ||
        !digits(c, 2, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > (minute == 59 ? 60 : 59))
        return false;
    if (take(c, '.')) {
        const char *from = c->p;
        if (!digits(c, 1, 3, &fraction))
            return false;
        for (ptrdiff_t n = c->p - from; n < 3; n++)
            fraction *= 10;
        while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
            c->p++;
    }
    *ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction;
    return true;
}

static bool parse_offset(cursor *c, int64_t *ms)
{
    int64_t hour, minute;
    bool west;

    *ms = 0;
    if (take(c, 'Z') || take(c, 'z'))
        return true;
    west = take(c, '-');
    if (!west && !take(c, '+'))
        return false;
    if (!digits(c, 2, 2, &hour) || !take(c, ':') || !digits(c, 2, 2, &minute) || hour > 23 ||
        minute > 59)
        return false;
    *ms = (hour * 60 + minute) * 60000;
    if (west)
        *ms = -*ms;
    return true;
}

bool ph_time_parse(const char *text, size_t len, int64_t *ms)
{
    cursor c = { text, text + len };
    int64_t days, clock = 0, offset = 0;
    i128 sum;

    if (len == 0 || !parse_date(&c, &days))
        return false;
    if (c.p < c.end) {
        if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
            return false;
        if (!parse_clock(&c, &clock) || !parse_offset(&c, &offset) || c.p != c.end)
            return false;
    }
    sum = (i128)days * DAY_MS + clock - offset;
    if (sum < INT64_MIN || sum > INT64_MAX)
        return false;
    *ms = (int64_t)sum;
    return true;
}
