/* base: the newest write that all heads descend from. */
#include "merge_cell.h"

typedef struct history {
    ph_cell_write w[16];
    uint64_t over[16][4];
    size_t count;
    cell c;
} history;

/* A write over the versions named by letters. */
static void wrote(history *h, uint64_t lamport, const char *value, const char *over)
{
    size_t n = h->count++;

    h->w[n] = (ph_cell_write){ n + 1, stamp_of(lamport, (uint8_t)(90 - n)), value_of(&h->c, value),
                               h->over[n], 0 };
    for (; *over; over++)
        h->over[n][h->w[n].over_count++] = (uint64_t)(*over - '0');
}

static const char *base(history *h, const char *heads_named)
{
    static char text[32];
    uint64_t versions[16], version = 0;
    size_t n = 0;
    bool found;
    prophet_slice value = { NULL, 0 };

    for (; *heads_named; heads_named++)
        versions[n++] = (uint64_t)(*heads_named - '0');
    for (int round = 0; round < 10; round++) {
        CHECK_OK(
            ph_cell_base(h->w, h->count, versions, n, &h->c.arena, &found, &value, &version, NULL),
            NULL);
        text_of(value, text);
        if (round == 9 || !found)
            break;
        shuffle(h->w, h->count, sizeof *h->w);
        shuffle(versions, n, sizeof *versions);
    }
    if (!found)
        return "none";
    return text;
}

TEST(the_base_is_what_both_sides_wrote_over)
{
    history h = { 0 };

    wrote(&h, 1, "x", "");
    wrote(&h, 2, "y", "1");
    wrote(&h, 3, "l", "2");
    wrote(&h, 3, "r", "2");
    CHECK_EQ_STR(base(&h, "34"), "y");
    cell_done(&h.c);
}

TEST(heads_without_a_common_write_have_no_base)
{
    history h = { 0 };

    wrote(&h, 1, "x", "");
    wrote(&h, 1, "y", "");
    CHECK_EQ_STR(base(&h, "12"), "none");
    CHECK_EQ_STR(base(&h, "1"), "none");
    CHECK_EQ_STR(base(&h, ""), "none");
    cell_done(&h.c);
}

TEST(of_several_common_writes_the_greatest_stamp_is_the_base)
{
    history h = { 0 };

    wrote(&h, 1, "x", "");
    wrote(&h, 5, "p", "1");
    wrote(&h, 4, "q", "1");
    wrote(&h, 6, "l", "23"); /* both heads merged p and q */
    wrote(&h, 6, "r", "32");
    CHECK_EQ_STR(base(&h, "45"), "p");
    cell_done(&h.c);
}

TEST(a_base_is_common_to_all_heads_however_far_back)
{
    history h = { 0 };

    wrote(&h, 1, "x", "");
    wrote(&h, 2, "y", "1");
    wrote(&h, 3, "z", "2");
    wrote(&h, 4, "l", "3");
    wrote(&h, 4, "m", "2");
    wrote(&h, 2, "n", "1");
    CHECK_EQ_STR(base(&h, "45"), "y");
    CHECK_EQ_STR(base(&h, "456"), "x");
    cell_done(&h.c);
}

TEST(a_write_named_from_a_smaller_stamp_is_an_ancestor_all_the_same)
{
    history h = { 0 };

    wrote(&h, 9, "x", ""); /* a ref to a changeset with a greater lamport */
    wrote(&h, 2, "l", "1");
    wrote(&h, 3, "r", "1");
    CHECK_EQ_STR(base(&h, "23"), "x");
    cell_done(&h.c);
}

TEST(more_than_64_heads_are_looked_at_all)
{
    static ph_cell_write w[203];
    static uint64_t heads_named[200];
    uint64_t one = 1, two = 2, version;
    ph_arena arena = PH_ARENA_INIT;
    prophet_slice value;
    bool found;

    w[0] = (ph_cell_write){ .version = 1, .stamp = { 1, { { 0 } } }, .value = ph_slice("\x01", 1) };
    w[1] = (ph_cell_write){ .version = 2,
                            .stamp = { 2, { { 0 } } },
                            .value = ph_slice("\x02", 1),
                            .over = &one,
                            .over_count = 1 };
    for (size_t i = 0; i < 200; i++) {
        heads_named[i] = i + 3;
        w[i + 2] = (ph_cell_write){
            .version = i + 3, .stamp = { 3, { { (uint8_t)i } } }, .over = &two, .over_count = 1
        };
    }
    CHECK_OK(ph_cell_base(w, 202, heads_named, 200, &arena, &found, &value, &version, NULL), NULL);
    CHECK(found && version == 2);
    w[150].over = &one;
    CHECK_OK(ph_cell_base(w, 202, heads_named, 200, &arena, &found, &value, &version, NULL), NULL);
    CHECK(found && version == 1);
    w[201].over_count = 0;
    CHECK_OK(ph_cell_base(w, 202, heads_named, 200, &arena, &found, &value, &version, NULL), NULL);
    CHECK(!found);
    ph_arena_clear(&arena);
}
