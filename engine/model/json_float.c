/* json_float: the shortest decimal that reads back as the same float; of those the nearest.
 *
 * Laid out like Python's repr: plain with at least one digit behind the point from 1e-4 up to, not including,
 * 1e16 ("100.0", "0.0001"), else d.ddde+XX with two or more digits of exponent ("1e+16", "1.5e-07"). Text that
 * is compared or hashed by others must not vary: no locale, one spelling. */
#include "model/model.h"
#include <math.h>
#include <stdlib.h>

#define DIGITS_MAX 17

typedef struct decimal { /* 0.d1 d2 d3 .. x 10^point */
    char digits[DIGITS_MAX + 1];
    int count, point;
} decimal;

/* Rounds d > 0 to `count` significant digits. printf is exact; only its point depends on the locale. */
static void round_to(double d, int count, decimal *out)
{
    char text[40];
    const char *p = text;

    (void)snprintf(text, sizeof text, "%.*e", count - 1, d); /* 24 bytes at most */
    for (out->count = 0; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            out->digits[out->count++] = *p;
    out->point = (int)strtol(p + 1, NULL, 10) + 1;
}

static bool reads_back(const decimal *x, double d)
{
    char text[40];

    /* as a whole number with an exponent: no point, so no locale */
    (void)snprintf(text, sizeof text, "%.*se%d", x->count, x->digits, x->point - x->count);
    return strtod(text, NULL) == d;
}

/* The next decimal of as many digits. */
static void step_up(decimal *x)
{
    int i = x->count - 1;

    while (i >= 0 && x->digits[i] == '9')
        x->digits[i--] = '0';
    if (i >= 0) {
        x->digits[i]++;
        return;
    }
    x->digits[0] = '1'; /* 999 becomes 100, one place up */
    x->point++;
}

static void shortest(double d, decimal *out)
{
    int unused, count = d < 2.2250738585072014e-308 ? 1 : 15;

    /* A normal float that has a decimal of up to 15 digits rounds to it: 15 says whether there is one. Below the
     * normal ones there are fewer good digits. */
    for (; count <= DIGITS_MAX; count++) {
        round_to(d, count, out);
        if (count == DIGITS_MAX || reads_back(out, d))
            break;
        if (frexp(d, &unused) == 0.5) { /* the gap above a power of two is twice that below */
            step_up(out);
            if (reads_back(out, d))
                break;
        }
    }
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
}

static void put_plain(ph_buf *out, const decimal *x)
{
    int i = 0;

    if (x->point <= 0)
        ph_buf_byte(out, '0');
    for (; i < x->point; i++)
        ph_buf_byte(out, (uint8_t)(i < x->count ? x->digits[i] : '0'));
    ph_buf_byte(out, '.');
    for (int zeros = x->point; zeros < 0; zeros++)
        ph_buf_byte(out, '0');
    if (i >= x->count)
        ph_buf_byte(out, '0');
    for (; i < x->count; i++)
        ph_buf_byte(out, (uint8_t)x->digits[i]);
}

static void put_scientific(ph_buf *out, const decimal *x)
{
    int exponent = x->point - 1;

    ph_buf_byte(out, (uint8_t)x->digits[0]);
    if (x->count > 1) {
        ph_buf_byte(out, '.');
        ph_buf_put(out, x->digits + 1, (size_t)x->count - 1);
    }
    ph_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

void ph_json_float(ph_buf *out, double d)
{
    decimal x;

    if (!isfinite(d)) { /* never in a value */
        ph_buf_str(out, "null");
        return;
    }
    if (d == 0) { /* -0 is stored as 0 */
        ph_buf_str(out, "0.0");
        return;
    }
    if (d < 0)
        ph_buf_byte(out, '-');
    if (fabs(d) < 1e15 &&
        d == trunc(d)) { /* whole numbers are common, and printed a hundred times faster */
        ph_buf_printf(out, "%llu.0", (unsigned long long)fabs(d));
        return;
    }
    shortest(fabs(d), &x);
    if (x.point > -4 && x.point <= 16)
        put_plain(out, &x);
    else
        put_scientific(out, &x);
}
