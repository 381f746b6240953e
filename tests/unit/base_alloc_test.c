/* Memory: nothing, zeroes, copies, and the fault point that tests/fault stands on. */
#include "base/base.h"
#include "support/test.h"

TEST(nothing_is_a_pointer_of_its_own)
{
    void *a = ph_alloc(0), *b = ph_zalloc(0);

    CHECK(a && b && a != b);
    a = ph_realloc(a, 0);
    CHECK(a != NULL);
    ph_free(a);
    ph_free(b);
    ph_free(NULL);
}

TEST(zeroed_memory_and_copies)
{
    unsigned char zero[100] = { 0 };
    unsigned char *z = ph_zalloc(sizeof zero);
    char *s = ph_strdup("ticket"), *e = ph_strdup("");

    REQUIRE(z && s && e);
    CHECK_MEM(z, zero, sizeof zero);
    CHECK_EQ_STR(s, "ticket");
    CHECK_EQ_STR(e, "");
    ph_free(z);
    ph_free(s);
    ph_free(e);
}

TEST(just_the_nth_allocation_fails)
{
#ifdef PH_DEV
    void *p[5];

    ph_alloc_fail_at(3);
    p[0] = ph_alloc(8);
    p[1] = ph_zalloc(8);
    p[2] = ph_strdup("x");
    p[3] = ph_realloc(NULL, 8);
    CHECK(p[0] && p[1] && !p[2] && p[3]);
    ph_alloc_fail_at(1);
    p[4] = ph_realloc(p[3], 16); /* the old memory stays */
    CHECK(!p[4]);
    ph_alloc_fail_at(1);
    ph_alloc_fail_at(0);
    p[4] = ph_alloc(8);
    CHECK(p[4]);
    for (int i = 0; i < 5; i++)
        ph_free(p[i]);
#else
    test_skip("a build without fault points");
#endif
}
