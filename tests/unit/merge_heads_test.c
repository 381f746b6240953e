/* heads and elements: what one write does to a register, a life cell or an element of a set. */
#include "merge_cell.h"

#define OVER(...) \
    (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)

static ph_head head(uint64_t version)
{
    return (ph_head){ version, ph_slice(NULL, 0) };
}

TEST(a_write_takes_away_the_heads_it_names)
{
    ph_head h[8] = { head(1), head(4), head(6) };
    size_t n = 3;

    CHECK(ph_heads_write(h, &n, OVER(6, 1), head(7)));
    CHECK_EQ_UINT(n, 2);
    CHECK(h[0].version == 4 && h[1].version == 7);
    CHECK(!ph_heads_write(h, &n, OVER(4, 7), head(8)));
    CHECK(n == 1 && h[0].version == 8);
}

TEST(the_first_write_is_the_only_head)
{
    ph_head h[1];
    size_t n = 0;

    CHECK(!ph_heads_write(h, &n, NULL, 0, head(3)));
    CHECK(n == 1 && h[0].version == 3);
}

TEST(names_of_replaced_foreign_and_repeated_heads_are_ignored)
{
    ph_head h[4] = { head(2), head(5) };
    size_t n = 2;

    CHECK(ph_heads_write(h, &n, OVER(9, 2, 1, 2, 3), head(10)));
    CHECK(n == 2 && h[0].version == 5 && h[1].version == 10);
}

TEST(heads_out_of_order_are_found_too)
{
    ph_head h[4] = { head(9), head(2), head(5) };
    size_t n = 3;

    CHECK(ph_heads_write(h, &n, OVER(5, 9), head(10)));
    CHECK(n == 2 && h[0].version == 2 && h[1].version == 10);
}

TEST(distinct_values_are_counted_by_bytes)
{
    static const prophet_slice a = { "\x01", 1 }, b = { "\x02", 1 }, unset = { NULL, 0 };
    ph_head h[40] = { { 0 } };

    CHECK_EQ_UINT(ph_heads_distinct(h, 0), 0);
    for (size_t i = 0; i < 40; i++)
        h[i] = (ph_head){ i + 1, i % 3 == 0 ? a : i % 3 == 1 ? b : unset };
    CHECK_EQ_UINT(ph_heads_distinct(h, 1), 1);
    CHECK_EQ_UINT(ph_heads_distinct(h, 2), 2);
    CHECK_EQ_UINT(ph_heads_distinct(h, 4), 3);
    CHECK_EQ_UINT(ph_heads_distinct(h, 40), 3);
}

static void adds(ph_element *e, size_t count, const uint64_t *want)
{
    CHECK_EQ_UINT(e->add_count, count);
    for (size_t i = 0; i < count && i < e->add_count; i++)
        CHECK_EQ_UINT(e->adds[i], want[i]);
}

TEST(an_element_is_there_while_an_add_is_unnamed)
{
    uint64_t room[8];
    ph_element e = { .adds = room };

    ph_element_write(&e, NULL, 0, true, 3);
    ph_element_write(&e, NULL, 0, true, 5);
    adds(&e, 2, (uint64_t[]){ 3, 5 });
    ph_element_write(&e, OVER(3), false, 6);
    adds(&e, 1, (uint64_t[]){ 5 });
    ph_element_write(&e, OVER(5), false, 7);
    adds(&e, 0, NULL);
}

TEST(an_add_wins_over_a_remove_that_did_not_see_it)
{
    uint64_t room[8];
    ph_element e = { .adds = room };

    ph_element_write(&e, NULL, 0, true, 1);
    ph_element_write(&e, NULL, 0, true, 2); /* concurrent with the next one */
    ph_element_write(&e, OVER(1), false, 3);
    adds(&e, 1, (uint64_t[]){ 2 });
}

TEST(an_add_may_take_the_place_of_older_adds)
{
    uint64_t room[8];
    ph_element e = { .adds = room };

    ph_element_write(&e, NULL, 0, true, 1);
    ph_element_write(&e, NULL, 0, true, 2);
    ph_element_write(&e, OVER(2, 1, 7), true, 3);
    adds(&e, 1, (uint64_t[]){ 3 });
    ph_element_write(&e, NULL, 0, true, 3);
    adds(&e, 1, (uint64_t[]){ 3 });
}
