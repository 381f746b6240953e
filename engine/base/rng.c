/* rng: a small seeded generator, so that a failing test can be run again from its printed seed.
 *
 * xoroshiro128+ (Blackman and Vigna, 2018: rotations 24, 16, 37), seeded by splitmix64. Not
 * for keys, salts or ids: those come from crypto. */
#include "base/base.h"

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

void ph_rng_seed(ph_rng *r, uint64_t seed)
{
    r->s[0] = splitmix(&seed);
    r->s[1] = splitmix(&seed);
}

uint64_t ph_rng_next(ph_rng *r)
{
    uint64_t s0 = r->s[0], s1 = r->s[1], result = s0 + s1;

    s1 ^= s0;
    r->s[0] = rotl(s0, 24) ^ s1 ^ (s1 << 16);
    r->s[1] = rotl(s1, 37);
    return result;
}

uint64_t ph_rng_below(ph_rng *r, uint64_t n)
{
    uint64_t x, skip;

    if (n < 2)
        return 0;
    skip = (0 - n) % n; /* 2^64 mod n: values below would make small results likelier */
    do
        x = ph_rng_next(r);
    while (x < skip);
    return x % n;
}
