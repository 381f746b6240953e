/* life: edit against delete is an ordinary conflict, with its own condition for votes [8]. */
#include "merge_cell.h"

static void life(cell *c, ph_rule rule)
{
    *c = (cell){ .life = true, .rule = rule };
}

TEST(alive_wins_over_dead_by_default_and_dead_by_rule)
{
    cell c;

    life(&c, ph_rule_for(ph_slice_str("ticket"), true, ph_slice(NULL, 0)));
    add_set(&c, 1, value_of(&c, "alive"), true);
    add_set(&c, 2, value_of(&c, "dead"), true);
    CHECK_EQ_STR(outcome(&c), "provisional alive of dead,alive");
    c.rule = PH_RULE_DEAD_WINS;
    CHECK_EQ_STR(outcome(&c), "provisional dead of dead,alive");
    c.rule = PH_RULE_LATEST;
    CHECK_EQ_STR(outcome(&c), "provisional dead of dead,alive");
    cell_done(&c);
}

TEST(a_vote_on_life_names_the_dead_heads_and_may_know_no_alive_one)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    person(&c, 'P', 9, "dead", "1");
    CHECK_EQ_STR(outcome(&c), "decided dead");
    cell_done(&c);
}

TEST(an_update_after_the_vote_does_not_void_it)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), false); /* an update took its place: version 3 */
    add_set(&c, 3, value_of(&c, "alive"), true);
    person(&c, 'P', 9, "dead", "12");
    CHECK_EQ_STR(outcome(&c), "decided dead");
    cell_done(&c);
}

TEST(a_vote_on_life_without_a_dead_head_does_not_count)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    person(&c, 'P', 9, "dead", "2");
    CHECK_EQ_STR(outcome(&c), "provisional alive of dead,alive");
    cell_done(&c);
}

TEST(a_vote_on_life_is_void_once_a_dead_head_it_names_is_gone)
{
    cell c;
    ph_cell_question q = { .life = true, .heads = c.sets, .head_count = 2 };

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    add_set(&c, 3, value_of(&c, "dead"), false);
    person(&c, 'P', 9, "dead", "123");
    CHECK_EQ_STR(outcome(&c), "provisional alive of dead,alive");
    CHECK(ph_ballot_is_spent(&q, &c.ballots[0]) && !ph_ballot_counts(&q, &c.ballots[0]));
    person(&c, 'Q', 10, "dead", "12");
    CHECK(!ph_ballot_is_spent(&q, &c.ballots[1]) && ph_ballot_counts(&q, &c.ballots[1]));
    CHECK_EQ_STR(outcome(&c), "decided dead");
    cell_done(&c);
}

TEST(a_second_delete_does_not_void_a_vote_on_the_first)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    add_set(&c, 3, value_of(&c, "dead"), true);
    person(&c, 'P', 9, "dead", "12");
    CHECK_EQ_STR(outcome(&c), "decided dead");
    cell_done(&c);
}

TEST(votes_on_life_that_saw_different_deletes_are_one_question)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    add_set(&c, 3, value_of(&c, "dead"), true);
    person(&c, 'P', 9, "dead", "1");
    person(&c, 'Q', 10, "alive", "3");
    person(&c, 'R', 11, "alive", "13");
    CHECK_EQ_STR(outcome(&c), "decided alive");
    cell_done(&c);
}

TEST(a_vote_on_life_for_something_else_does_not_count)
{
    cell c;

    life(&c, PH_RULE_ALIVE_WINS);
    add_set(&c, 1, value_of(&c, "dead"), true);
    add_set(&c, 2, value_of(&c, "alive"), true);
    person(&c, 'P', 9, "undead", "12");
    person(&c, 'Q', 9, "", "12");
    CHECK_EQ_STR(outcome(&c), "provisional alive of dead,alive");
    cell_done(&c);
}
