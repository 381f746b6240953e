/* question: its name, for "asked once per question". */
#include "merge_cell.h"

static void name_of(cell *c, uint8_t out[32])
{
    ph_hasher *h;
    ph_outcome o = settle(c);
    prophet_error err;

    REQUIRE_OK(ph_hasher_new(&h, &err), &err);
    CHECK_OK(ph_question_hash(h, &o, out, &err), &err);
    ph_hasher_free(h);
}

TEST(the_question_is_the_set_of_values_not_the_heads)
{
    cell c = { 0 }, d = { 0 };
    uint8_t x[32], y[32];

    heads(&c, "ab");
    heads(&d, "baab");
    name_of(&c, x);
    name_of(&d, y);
    CHECK_MEM(x, y, 32);
    person(&c, 'P', 9, "a", "12"); /* votes do not change it */
    name_of(&c, y);
    CHECK_MEM(x, y, 32);
    heads(&d, "c");
    name_of(&d, y);
    CHECK(memcmp(x, y, 32) != 0);
    cell_done(&c);
    cell_done(&d);
}

TEST(unset_makes_another_question)
{
    cell c = { 0 };
    uint8_t x[32], y[32];

    heads(&c, "ab");
    name_of(&c, x);
    add_set(&c, 9, value_of(&c, ""), true);
    name_of(&c, y);
    CHECK(memcmp(x, y, 32) != 0);
    cell_done(&c);
}
