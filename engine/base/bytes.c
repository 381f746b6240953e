/* bytes: LEB128 integers, hexadecimal, UTF-8.
 *
 * All three read input from peers: nothing is read past the given end, and every number has one
 * spelling (over-long forms are refused, or two byte strings would mean the same). */
#include "base/base.h"

bool ph_varint_read(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    const uint8_t *at = *p;
    uint64_t v = 0;

    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t c = *at++;
        if (shift == 63 && c > 1)
            return false; /* above 64 bits, or longer still */
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c & 0x80)
            continue;
        if (c == 0 && shift > 0)
            return false; /* over-long */
        *p = at;
        *out = v;
        return true;
    }
    return false;
}

size_t ph_varint_write(uint8_t out[10], uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

void ph_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = data;

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    *out = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool ph_unhex(const char *text, size_t textlen, void *out, size_t outlen)
{
    uint8_t *to = out;

    if (textlen % 2 != 0 || textlen / 2 != outlen)
        return false;
    for (size_t i = 0; i < outlen; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Length of the character at p (2 to 4 bytes), 0 if it is none. RFC 3629, section 4:
 *   C2..DF t | E0 A0..BF t | E1..EC t t | ED 80..9F t | EE..EF t t
 *   F0 90..BF t t | F1..F3 t t t | F4 80..8F t t           t = 80..BF */
static size_t utf8_char(const uint8_t *p, size_t left)
{
    uint8_t c = p[0], low = 0x80, high = 0xbf;
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

    if (c < 0xc2 || c > 0xf4 || left < need)
        return 0;
    if (c == 0xe0)
        low = 0xa0; /* over-long */
    else if (c == 0xed)
        high = 0x9f; /* surrogates */
    else if (c == 0xf0)
        low = 0x90; /* over-long */
    else if (c == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

bool ph_utf8_valid(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t word;

    while (len > 0) {
        while (len >= sizeof word) { /* ASCII, eight bytes at a time */
            memcpy(&word, p, sizeof word);
            if (word & UINT64_C(0x8080808080808080))
                break;
            p += sizeof word;
            len -= sizeof word;
        }
        while (len > 0 && *p < 0x80) { /* up to the next other character, or the end */
            p++;
            len--;
        }
        while (len > 0 && *p >= 0x80) {
            size_t n = utf8_char(p, len);
            if (n == 0)
                return false;
            p += n;
            len -= n;
        }
    }
    return true;
}
