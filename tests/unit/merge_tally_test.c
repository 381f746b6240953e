/* tally: who wins among the votes on one question. */
#include "merge_cell.h"

TEST(the_most_weight_wins)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "b", "12");
    person(&c, 'Q', 10, "a", "12");
    person(&c, 'R', 11, "a", "12");
    CHECK_EQ_STR(outcome(&c), "decided a");
    weighed(&c, 'S', 2, 12, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(one_person_beats_any_number_of_resolvers)
{
    cell c = { 0 };

    heads(&c, "ab");
    for (char voter = 'A'; voter < 'K'; voter++)
        resolver(&c, voter, 9, "a", "12");
    person(&c, 'P', 10, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(resolvers_break_a_tie_of_persons)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 10, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided a");
    resolver(&c, 'R', 11, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(the_newest_vote_of_a_voter_replaces_older_ones)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 9, "a", "12");
    person(&c, 'P', 12, "b", "12");
    person(&c, 'Q', 11, "b", "12");
    person(&c, 'R', 10, "a", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(newest_goes_by_lamport_and_then_id)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'P', 9, "b", "12");
    c.ballots[0].stamp = stamp_of(9, 50);
    c.ballots[1].stamp = stamp_of(9, 40);
    CHECK_EQ_STR(outcome(&c), "decided a");
    c.ballots[1].stamp = stamp_of(9, 60);
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(a_replica_has_one_vote_as_person_and_one_by_resolver)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    resolver(&c, 'P', 10, "b", "12"); /* does not replace the person's */
    CHECK_EQ_STR(outcome(&c), "decided a");
    person(&c, 'Q', 11, "b", "12"); /* 1:1 persons; the resolver tips it */
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(newest_is_taken_within_one_question_only)
{
    cell c = { .rule = PH_RULE_FIRST };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'P', 10, "c", "23"); /* another question: the older vote still speaks on its own */
    CHECK_EQ_STR(outcome(&c), "provisional a of a,c");
    cell_done(&c);
}

TEST(a_tie_goes_to_the_choice_with_the_earliest_vote)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 12, "a", "12");
    person(&c, 'Q', 9, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(the_earliest_vote_is_one_that_is_counted)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 5, "a", "12"); /* replaced by the next one */
    person(&c, 'P', 12, "a", "12");
    person(&c, 'Q', 9, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(a_tie_at_one_lamport_goes_by_id)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 9, "b", "12");
    c.ballots[0].stamp = stamp_of(9, 60);
    c.ballots[1].stamp = stamp_of(9, 40);
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(a_tie_in_everything_goes_to_the_least_bytes)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "b", "12");
    person(&c, 'Q', 9, "a", "12");
    c.ballots[0].stamp = c.ballots[1].stamp = stamp_of(9, 40);
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(a_voter_without_weight_decides_only_where_nobody_else_votes)
{
    cell c = { 0 };

    heads(&c, "ab");
    weighed(&c, 'P', 0, 9, "a", "12");
    CHECK_EQ_STR(outcome(&c), "decided a");
    resolver(&c, 'Q', 10, "b", "12"); /* (0,0) against (0,1) */
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}
