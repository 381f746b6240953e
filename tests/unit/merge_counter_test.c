/* counter: increments, what takes them back, and what takes that back. */
#include "merge/merge.h"
#include "support/test.h"

/* Steps are written as amount, then whom it marks: at most two, each once. */
typedef struct written {
    int64_t amount;
    int of[2]; /* -1: none */
} written;
#define NONE \
    { \
        -1, -1 \
    }

static int64_t sum(const written *w, size_t count, bool *in_force)
{
    ph_counter_step steps[8] = { 0 };
    ph_counter_mark marks[8][2];

    for (size_t i = 0; i < count; i++) {
        steps[i] = (ph_counter_step){
            .version = i + 1, .increments = true, .amount = w[i].amount, .marks = marks[i]
        };
        for (size_t k = 0; k < 2 && w[i].of[k] >= 0; k++)
            marks[i][steps[i].mark_count++] = (ph_counter_mark){ (size_t)w[i].of[k], 1 };
    }
    return ph_counter_sum(steps, count, in_force);
}

TEST(increments_add_up_modulo_2_64)
{
    bool f[8];
    const written plain[] = { { 5, NONE }, { -7, NONE }, { 9, NONE } };
    const written large[] = { { INT64_MAX, NONE }, { 1, NONE } };

    CHECK_EQ_INT(sum(plain, 0, f), 0);
    CHECK_EQ_INT(sum(plain, 3, f), 7);
    CHECK(sum(large, 2, f) == INT64_MIN);
}

TEST(what_is_taken_back_counts_no_more_however_many_do_so)
{
    bool f[8];
    const written one[] = { { 5, NONE }, { 2, NONE }, { -5, { 0, -1 } } };
    const written three[] = {
        { 5, NONE }, { 2, NONE }, { -5, { 0, -1 } }, { -5, { 0, -1 } }, { -5, { 0, -1 } }
    };

    CHECK_EQ_INT(sum(one, 3, f), 2);
    CHECK(!f[0] && f[1] && f[2]);
    CHECK_EQ_INT(sum(three, 5, f), 2);
}

TEST(taking_back_is_taken_back_itself)
{
    bool f[8];
    const written back[] = { { 5, NONE }, { -5, { 0, -1 } }, { 5, { 1, -1 } } };
    const written again[] = { { 5, NONE }, { -5, { 0, -1 } }, { 5, { 1, -1 } }, { -5, { 2, -1 } } };
    const written other[] = { /* somebody else's revert stands */
                              { 5, NONE },
                              { -5, { 0, -1 } },
                              { -5, { 0, -1 } },
                              { 5, { 1, -1 } }
    };

    CHECK_EQ_INT(sum(back, 3, f), 5);
    CHECK_EQ_INT(sum(again, 4, f), 0);
    CHECK_EQ_INT(sum(other, 4, f), 0);
    CHECK(!f[0] && !f[1] && f[2] && f[3]);
}

TEST(who_takes_back_may_count_on)
{
    bool f[8];
    const written both[] = { { 5, NONE }, { 3 - 5, { 0, -1 } } };
    const written gone[] = { { 5, NONE }, { 3 - 5, { 0, -1 } }, { 2, { 1, -1 } } };
    const written two[] = { { 5, NONE }, { 7, NONE }, { -12, { 0, 1 } }, { -5, { 0, -1 } } };

    CHECK_EQ_INT(sum(both, 2, f), 3);
    CHECK_EQ_INT(sum(gone, 3, f), 5);
    CHECK_EQ_INT(sum(two, 4, f), 0);
}

TEST(an_older_way_of_giving_back_gives_the_same)
{
    /* two that met, and a third that gave back once what was taken twice */
    const ph_counter_mark once = { 0, 1 }, back = { 0, -1 };
    const ph_counter_step steps[] = { { .version = 1, .increments = true, .amount = 5 },
                                      { 2, true, -5, &once, 1 },
                                      { 3, true, -5, &once, 1 },
                                      { 4, true, 5, &back, 1 } };
    bool f[4];

    CHECK_EQ_INT(ph_counter_sum(steps, 4, f), 0);
}
