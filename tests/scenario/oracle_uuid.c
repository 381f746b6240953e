/* UUIDv5 (RFC 9562) with a SHA-1 of its own (RFC 3174), so that natural keys are computed without the engine. */
#include "oracle_impl.h"

static uint32_t rotate(uint32_t v, int n)
{
    return v << n | v >> (32 - n);
}

static void sha1_block(uint32_t h[5], const unsigned char *p)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f, k, t;

        if (i < 20)
            f = (b & c) | (~b & d), k = 0x5a827999;
        else if (i < 40)
            f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (i < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else
            f = b ^ c ^ d, k = 0xca62c1d6;
        t = rotate(a, 5) + f + e + w[i] + k;
        e = d, d = c, c = rotate(b, 30), b = a, a = t;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha1(const unsigned char *data, size_t len, unsigned char out[20])
{
    uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    size_t padded = (len + 9 + 63) / 64 * 64;
    unsigned char *all = calloc(1, padded);

    if (!all)
        abort();
    memcpy(all, data, len);
    all[len] = 0x80;
    for (size_t i = 0; i < 8; i++)
        all[padded - 1 - i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
    for (size_t i = 0; i < padded; i += 64)
        sha1_block(h, all + i);
    free(all);
    for (size_t i = 0; i < 20; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

oracle_uuid oracle_natural(const unsigned char database[16], const char *type, oracle_bytes key)
{
    size_t name = strlen(type) + 1;
    unsigned char *all = malloc(16 + name + key.len), hash[20];
    oracle_uuid u;

    if (!all)
        abort();
    memcpy(all, database, 16);
    memcpy(all + 16, type, name);
    memcpy(all + 16 + name, key.data, key.len);
    sha1(all, 16 + name + key.len, hash);
    free(all);
    memcpy(&u, hash, sizeof u);
    u.b[6] = (unsigned char)((u.b[6] & 15) | 0x50);
    u.b[8] = (unsigned char)((u.b[8] & 63) | 0x80);
    return u;
}
