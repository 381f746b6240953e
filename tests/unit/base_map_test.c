/* The map against a plain array, with all the removals that close gaps. */
#include "base/base.h"
#include "support/test.h"

enum { KEYS = 600 };

static prophet_slice key_of(size_t i)
{
    static char keys[KEYS][40];

    if (!keys[i][0]) /* lengths 5 to 36: every branch of the hash */
        (void)snprintf(keys[i], sizeof keys[i], "%0*zu", 5 + (int)(i % 32), i);
    return ph_slice_str(keys[i]);
}

TEST(an_empty_map_has_nothing)
{
    ph_map m = PH_MAP_INIT;

    CHECK(ph_map_get(&m, ph_slice_str("a")) == NULL);
    CHECK(ph_map_remove(&m, ph_slice_str("a")) == NULL);
    ph_map_reset(&m);
    ph_map_clear(&m);
    ph_map_clear(NULL);
}

TEST(keys_of_all_lengths_are_told_apart)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    static char values[2][40];
    ph_map m = PH_MAP_INIT;

    for (size_t len = 0; len < 40; len++)
        for (size_t from = 0; from < 2; from++)
            CHECK(ph_map_put(&m, ph_slice(text + from, len), &values[len ? from : 0][len]));
    for (size_t len = 0; len < 40; len++)
        for (size_t from = 0; from < 2; from++)
            CHECK(ph_map_get(&m, ph_slice(text + from, len)) == &values[len ? from : 0][len]);
    ph_map_clear(&m);
}

TEST(the_map_agrees_with_an_array)
{
    ph_map m = PH_MAP_INIT;
    static char values[KEYS];
    void *want[KEYS] = { NULL };
    size_t count = 0;

    for (int step = 0; step < 60000; step++) {
        size_t i = (size_t)test_below(KEYS), other = (size_t)test_below(KEYS);
        if (test_below(step / 10000 % 2 ? 3 : 2)) { /* grows and shrinks in turn */
            CHECK(ph_map_put(&m, key_of(i), &values[other]));
            count += want[i] == NULL;
            want[i] = &values[other];
        } else {
            CHECK(ph_map_remove(&m, key_of(i)) == want[i]);
            count -= want[i] != NULL;
            want[i] = NULL;
        }
        REQUIRE(m.count == count);
        REQUIRE(ph_map_get(&m, key_of(other)) == want[other]);
        if (step % 1000 == 0)
            for (size_t k = 0; k < KEYS; k++)
                REQUIRE(ph_map_get(&m, key_of(k)) == want[k]);
    }
    ph_map_reset(&m);
    CHECK_EQ_UINT(m.count, 0);
    for (size_t k = 0; k < KEYS; k++)
        CHECK(ph_map_get(&m, key_of(k)) == NULL);
    CHECK(ph_map_put(&m, key_of(3), &values[3]));
    CHECK(ph_map_get(&m, key_of(3)) == &values[3]);
    ph_map_clear(&m);
}

TEST(keys_are_bytes_the_empty_one_too)
{
    ph_map m = PH_MAP_INIT;
    char v[4];

    CHECK(ph_map_put(&m, ph_slice(NULL, 0), &v[0]));
    CHECK(ph_map_put(&m, ph_slice("\0", 1), &v[1]));
    CHECK(ph_map_put(&m, ph_slice("\0\0", 2), &v[2]));
    CHECK(ph_map_put(&m, ph_slice_str(""), &v[3]));
    CHECK_EQ_UINT(m.count, 3);
    CHECK(ph_map_get(&m, ph_slice("", 0)) == &v[3]);
    CHECK(ph_map_get(&m, ph_slice("\0", 1)) == &v[1]);
    CHECK(ph_map_remove(&m, ph_slice("\0\0", 2)) == &v[2]);
    CHECK(ph_map_get(&m, ph_slice("\0\0", 2)) == NULL);
    ph_map_clear(&m);
}

TEST(a_map_that_cannot_grow_keeps_what_it_has)
{
#ifdef PH_DEV
    ph_map m = PH_MAP_INIT;
    static char values[KEYS];
    size_t i = 0;

    ph_alloc_fail_at(3);
    while (ph_map_put(&m, key_of(i), &values[i]))
        i++;
    CHECK_EQ_UINT(m.count, i);
    for (size_t k = 0; k <= i; k++)
        CHECK(ph_map_get(&m, key_of(k)) == (k < i ? &values[k] : NULL));
    CHECK(ph_map_put(&m, key_of(i), &values[i])); /* the next try works */
    ph_map_clear(&m);
#else
    test_skip("a build without fault points");
#endif
}
