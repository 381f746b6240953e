/* The seeded generator: the same everywhere, within bounds, roughly even. */
#include "base/base.h"
#include "support/test.h"

TEST(a_state_gives_the_sequence_of_its_definition)
{
    ph_rng r = { { 1, 2 } };

    /* worked out by hand from the definition: rotl 24, shift 16, rotl 37 */
    CHECK_EQ_UINT(ph_rng_next(&r), 3);
    CHECK_EQ_UINT(r.s[0], (UINT64_C(1) << 24) ^ 3 ^ (UINT64_C(3) << 16));
    CHECK_EQ_UINT(r.s[1], UINT64_C(3) << 37);
}

TEST(a_seed_gives_one_sequence)
{
    ph_rng a, b, c;
    bool differs = false;

    ph_rng_seed(&a, 7);
    ph_rng_seed(&b, 7);
    ph_rng_seed(&c, 8);
    for (int i = 0; i < 100; i++) {
        uint64_t x = ph_rng_next(&a);
        CHECK_EQ_UINT(ph_rng_next(&b), x);
        differs |= ph_rng_next(&c) != x;
    }
    CHECK(differs);
    ph_rng_seed(&a, 0);
    CHECK(a.s[0] != 0 || a.s[1] != 0); /* all zero would stay zero */
}

TEST(below_stays_below_and_is_even)
{
    unsigned hits[10] = { 0 };
    ph_rng r;

    ph_rng_seed(&r, test_seed());
    CHECK_EQ_UINT(ph_rng_below(&r, 0), 0);
    CHECK_EQ_UINT(ph_rng_below(&r, 1), 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t v = ph_rng_below(&r, 10);
        REQUIRE(v < 10);
        hits[v]++;
    }
    for (int i = 0; i < 10; i++)
        CHECK_MSG(hits[i] > 9000 && hits[i] < 11000, "%d came %u times of 100000", i, hits[i]);
    for (int i = 0; i < 1000; i++)
        CHECK(ph_rng_below(&r, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
}
