/* Arenas: alignment, no overlap, large pieces, reset and clear. */
#include "base/base.h"
#include "support/test.h"
#include <stdint.h>

TEST(an_untouched_arena_can_be_reset_and_cleared)
{
    ph_arena a = PH_ARENA_INIT;

    ph_arena_reset(&a);
    ph_arena_clear(&a);
    ph_arena_clear(NULL);
    CHECK(a.head == NULL);
}

TEST(pieces_are_aligned_and_do_not_overlap)
{
    enum { COUNT = 3000 };
    static struct {
        unsigned char *p;
        size_t size;
    } piece[COUNT];
    ph_arena a = PH_ARENA_INIT;
    size_t total = 0;

    for (size_t i = 0; i < COUNT; i++) {
        size_t size = test_below(20) ? test_below(200) : test_below(70000);
        piece[i].p = ph_arena_alloc(&a, size);
        piece[i].size = size;
        total += size;
        REQUIRE(piece[i].p != NULL);
        REQUIRE((uintptr_t)piece[i].p % 16 == 0);
        memset(piece[i].p, (int)(i & 255), size);
    }
    CHECK(a.used >= total);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < piece[i].size; j++)
            if (piece[i].p[j] != (i & 255)) {
                CHECK_MSG(false, "piece %zu was overwritten at %zu", i, j);
                break;
            }
    ph_arena_clear(&a);
}

TEST(pieces_of_nothing_are_distinct)
{
    ph_arena a = PH_ARENA_INIT;
    void *p = ph_arena_alloc(&a, 0), *q = ph_arena_alloc(&a, 0);

    CHECK(p && q && p != q);
    ph_arena_clear(&a);
}

TEST(impossible_pieces_are_refused_and_the_arena_stays_usable)
{
    ph_arena a = PH_ARENA_INIT;

    CHECK(ph_arena_alloc(&a, SIZE_MAX) == NULL);
    CHECK(ph_arena_alloc(&a, SIZE_MAX - 15) == NULL);
    CHECK(ph_arena_alloc(&a, SIZE_MAX / 2 + 1) == NULL);
    CHECK(ph_arena_alloc(&a, 16) != NULL);
    CHECK(ph_arena_alloc(&a, SIZE_MAX) == NULL);
    CHECK(ph_arena_str(&a, ph_slice("x", SIZE_MAX)) == NULL);
    CHECK(ph_arena_alloc(&a, 16) != NULL);
    ph_arena_clear(&a);
}

TEST(a_large_piece_does_not_waste_the_open_block)
{
    ph_arena a = PH_ARENA_INIT;
    char *p = ph_arena_alloc(&a, 16);
    char *big = ph_arena_zalloc(&a, 1 << 20);
    char *q = ph_arena_alloc(&a, 16);

    REQUIRE(p && big && q);
    CHECK(big[0] == 0 && big[(1 << 20) - 1] == 0);
    CHECK(q == p + 16);
    ph_arena_clear(&a);
}

TEST(reset_keeps_a_block_and_hands_it_out_again)
{
    ph_arena a = PH_ARENA_INIT;
    struct ph_arena_block *kept;

    for (int i = 0; i < 1000; i++)
        REQUIRE(ph_arena_alloc(&a, 500) != NULL);
    REQUIRE(ph_arena_alloc(&a, 8 << 20) != NULL);
    ph_arena_reset(&a);
    kept = a.head;
    REQUIRE(kept != NULL);
    CHECK(kept->next == NULL);
    CHECK(kept->size <= 1 << 20); /* the 8 MiB went back */
    CHECK_EQ_UINT(a.used, 0);
    for (int round = 0; round < 10; round++) {
        unsigned char *p = ph_arena_zalloc(&a, kept->size / 2);
        CHECK(p && p >= kept->data && p < kept->data + kept->size);
        ph_arena_reset(&a);
        CHECK(a.head == kept);
    }
    ph_arena_clear(&a);
    CHECK(a.head == NULL);
}

TEST(copies_live_in_the_arena)
{
    ph_arena a = PH_ARENA_INIT;
    char text[] = "status";
    bool ok = true;
    prophet_slice s = ph_arena_copy(&a, ph_slice(text, 6), &ok);
    char *z = ph_arena_str(&a, ph_slice(text, 4));
    prophet_slice e = ph_arena_copy(&a, ph_slice(NULL, 0), &ok);

    memset(text, 'x', 6);
    CHECK_SLICE(s, "status", 6);
    CHECK_EQ_STR(z, "stat");
    CHECK_EQ_STR(ph_arena_str(&a, ph_slice(NULL, 0)), "");
    CHECK(ok && e.len == 0);
    s = ph_arena_copy(&a, ph_slice(text, SIZE_MAX / 2 + 1), &ok); /* never read: refused before */
    CHECK(!ok && s.len == 0);
    CHECK(ph_arena_copy(&a, ph_slice(text, SIZE_MAX / 2 + 1), NULL).len == 0);
    ph_arena_clear(&a);
}

TEST(a_failed_block_leaves_the_arena_as_it_was)
{
#ifdef PH_DEV
    ph_arena a = PH_ARENA_INIT;
    char *p = ph_arena_alloc(&a, 64);

    REQUIRE(p != NULL);
    ph_alloc_fail_at(1);
    CHECK(ph_arena_alloc(&a, 100000) == NULL);
    CHECK_EQ_UINT(a.used, 64);
    CHECK(ph_arena_alloc(&a, 64) == p + 64);
    ph_alloc_fail_at(1);
    CHECK(ph_arena_alloc(&a, 2000) == NULL);
    ph_arena_clear(&a);
    ph_alloc_fail_at(1);
    CHECK(ph_arena_alloc(&a, 1) == NULL);
    ph_arena_clear(&a);
#else
    test_skip("a build without fault points");
#endif
}
