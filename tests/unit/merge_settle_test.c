/* settle: which votes count on which question, and what a cell shows (DESIGN 4). */
#include "merge_cell.h"

/* ---- no votes ------------------------------------------------------------------------------------ */

TEST(a_cell_without_heads_is_clean_and_unset)
{
    cell c = { 0 };

    CHECK_EQ_STR(outcome(&c), "clean -");
    cell_done(&c);
}

TEST(one_head_is_clean)
{
    cell c = { 0 };

    heads(&c, "a");
    CHECK_EQ_STR(outcome(&c), "clean a");
    cell_done(&c);
}

TEST(equal_values_on_several_heads_are_clean_and_cost_no_memory)
{
    cell c = { 0 };
    ph_candidate_head h[3];
    ph_cell_question q = { .heads = h, .head_count = 3 };
    ph_outcome o;
    size_t used;

    heads(&c, "aaa");
    person(&c, 'P', 9, "b", "12");
    CHECK_EQ_STR(outcome(&c), "clean a");
    memcpy(h, c.sets, sizeof h);
    used = c.arena.used;
    CHECK_OK(ph_settle(&q, &c.arena, &o, NULL), NULL);
    CHECK_EQ_UINT(c.arena.used, used);
    cell_done(&c);
}

TEST(several_values_without_votes_are_provisional_by_the_rule)
{
    cell c = { 0 };

    heads(&c, "bac");
    CHECK_EQ_STR(outcome(&c), "provisional c of a,b,c");
    cell_done(&c);
}

TEST(unset_is_a_value_like_others)
{
    cell c = { 0 };

    heads(&c, "a");
    add_set(&c, 9, value_of(&c, ""), true);
    CHECK_EQ_STR(outcome(&c), "provisional - of -,a");
    person(&c, 'P', 10, "", "12");
    CHECK_EQ_STR(outcome(&c), "decided -");
    cell_done(&c);
}

/* ---- what counts --------------------------------------------------------------------------------- */

TEST(a_vote_on_all_values_decides)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "123");
    CHECK_EQ_STR(outcome(&c), "decided a");
    CHECK_EQ_UINT(settle(&c).choice_count, 1);
    CHECK_EQ_UINT(settle(&c).value_count, 3);
    cell_done(&c);
}

TEST(a_vote_counts_as_long_as_one_head_it_names_is_there)
{
    cell c = { 0 };

    replaced(&c, "a"); /* version 1: its value lives on in version 3 */
    heads(&c, "ba");
    person(&c, 'P', 9, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

TEST(a_vote_whose_heads_are_all_gone_does_not_count)
{
    cell c = { 0 };

    replaced(&c, "a");
    replaced(&c, "b");
    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12"); /* saw both values, but neither head is one now */
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(a_vote_that_saw_one_present_value_does_not_count)
{
    cell c = { 0 };

    heads(&c, "ab");
    replaced(&c, "c");
    person(&c, 'P', 9, "a", "13");
    person(&c, 'Q', 9, "a", "1");
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(a_vote_for_a_value_that_is_gone_does_not_count)
{
    cell c = { 0 };

    heads(&c, "ab");
    replaced(&c, "c");
    person(&c, 'P', 9, "c",
           "123"); /* it chose a value it saw and no head holds: not a merged one */
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(a_vote_for_a_gone_head_counts_when_another_head_holds_its_value)
{
    cell c = { 0 };

    heads(&c, "ab");
    replaced(&c, "c");
    add_set(&c, 8, value_of(&c, "c"), true);
    person(&c, 'P', 9, "c", "123");
    CHECK_EQ_STR(outcome(&c), "decided c");
    cell_done(&c);
}

TEST(a_merged_value_wins_though_no_head_holds_it)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "ab", "12");
    CHECK_EQ_STR(outcome(&c), "decided ab");
    cell_done(&c);
}

TEST(a_vote_for_unset_counts_as_a_merged_value)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "", "12");
    CHECK_EQ_STR(outcome(&c), "decided -");
    cell_done(&c);
}

TEST(heads_of_other_cells_and_repeated_ones_are_ignored)
{
    cell c = { 0 };
    ph_seen *seen;

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "112");
    seen = c.seen[0];
    seen[3] = (ph_seen){ 777, value_of(&c, "z") };
    c.ballots[0].seen_count = 4;
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(the_outcome_tells_which_ballots_counted)
{
    cell c = { 0 };
    ph_outcome o;
    ph_cell_question q = {
        .heads = c.sets, .head_count = 2, .ballots = c.ballots, .ballot_count = 3
    };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "1");
    person(&c, 'Q', 9, "a", "12");
    person(&c, 'R', 9, "b", "2");
    CHECK_OK(ph_settle(&q, &c.arena, &o, NULL), NULL);
    CHECK(!o.counted[0] && o.counted[1] && !o.counted[2]);
    for (size_t i = 0; i < 3; i++)
        CHECK(ph_ballot_counts(&q, &c.ballots[i]) == o.counted[i]);
    cell_done(&c);
}

TEST(a_ballot_is_spent_when_no_head_it_names_is_left)
{
    cell c = { 0 };
    ph_cell_question q = { .heads = c.sets, .head_count = 2 };

    heads(&c, "ab");
    replaced(&c, "c");
    person(&c, 'P', 9, "c", "13"); /* does not count now, may when somebody writes c again */
    person(&c, 'Q', 9, "c", "3");
    CHECK(!ph_ballot_counts(&q, &c.ballots[0]) && !ph_ballot_is_spent(&q, &c.ballots[0]));
    CHECK(ph_ballot_is_spent(&q, &c.ballots[1]));
    cell_done(&c);
}

/* ---- [9] smaller questions ----------------------------------------------------------------------- */

TEST(a_new_value_leaves_the_loser_of_the_older_question_out)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12"); /* b lost; c is new */
    CHECK_EQ_STR(outcome(&c), "provisional c of a,c");
    cell_done(&c);
}

TEST(a_loser_is_out_even_where_the_rule_would_take_it)
{
    cell c = { .rule = PH_RULE_MAX };

    heads(&c, "abz");
    person(&c, 'P', 9, "a", "13");
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(smaller_questions_that_leave_one_choice_decide)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 10, "c", "13");
    CHECK_EQ_STR(outcome(&c), "decided c");
    cell_done(&c);
}

TEST(when_every_value_lost_somewhere_all_are_candidates_again)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 9, "b", "23");
    person(&c, 'R', 9, "c", "13");
    CHECK_EQ_STR(outcome(&c), "provisional c of a,b,c");
    cell_done(&c);
}

TEST(a_merged_value_of_a_smaller_question_is_a_choice)
{
    cell c = { .rule = PH_RULE_FIRST };

    heads(&c, "abc");
    person(&c, 'P', 9, "ab", "12");
    CHECK_EQ_STR(outcome(&c), "provisional c of c,ab");
    CHECK_EQ_UINT(settle(&c).choice_count, 2);
    cell_done(&c);
}

TEST(a_merged_value_has_the_greatest_stamp_of_the_votes_for_it)
{
    cell c = { .rule = PH_RULE_LATEST };

    heads(&c, "abc"); /* c at lamport 3 */
    person(&c, 'P', 9, "ab", "12");
    CHECK_EQ_STR(outcome(&c), "provisional ab of c,ab");
    add_set(&c, 10, value_of(&c, "d"), true);
    CHECK_EQ_STR(outcome(&c), "provisional d of c,d,ab");
    person(&c, 'Q', 11, "ab", "12");
    CHECK_EQ_STR(outcome(&c), "provisional ab of c,d,ab");
    cell_done(&c);
}

TEST(one_merged_value_of_two_questions_is_one_choice)
{
    cell c = { 0 };

    heads(&c, "abcd");
    person(&c, 'P', 9, "m", "12");
    person(&c, 'Q', 9, "m", "34");
    CHECK_EQ_STR(outcome(&c), "decided m");
    cell_done(&c);
}

TEST(a_merged_value_that_a_head_holds_by_now_can_lose_like_any_other)
{
    cell c = { 0 };

    heads(&c, "abm");
    person(&c, 'P', 9, "m", "12"); /* saw a and b, made m; a head holds m */
    CHECK_EQ_STR(outcome(&c), "decided m");
    person(&c, 'Q', 9, "b", "23"); /* and m lost against b, which lost against m */
    CHECK_EQ_STR(outcome(&c), "provisional m of a,b,m");
    cell_done(&c);
}

TEST(a_write_that_repeats_a_candidate_keeps_it_decided)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "12");
    add_set(&c, 10, value_of(&c, "b"), true);
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(the_full_question_decides_over_smaller_ones)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12");
    person(&c, 'Q', 9, "a", "13");
    person(&c, 'R', 10, "b", "123");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}

/* ---- persons and resolvers across questions ---------------------------------------------------------- */

TEST(resolvers_cannot_bring_back_what_persons_rejected)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "b", "12"); /* a person rejected a */
    resolver(&c, 'Q', 10, "a", "123");
    resolver(&c, 'R', 11, "a", "123");
    resolver(&c, 'S', 12, "c", "123");
    CHECK_EQ_STR(outcome(&c), "decided c");
    cell_done(&c);
}

TEST(when_only_rejected_votes_are_left_the_smaller_questions_speak)
{
    cell c = { .rule = PH_RULE_FIRST };

    heads(&c, "abc");
    person(&c, 'P', 9, "b", "12");
    resolver(&c, 'Q', 10, "a", "123");
    CHECK_EQ_STR(outcome(&c), "provisional b of b,c");
    cell_done(&c);
}

TEST(persons_may_bring_back_what_persons_rejected)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "b", "12");
    person(&c, 'Q', 10, "a", "123");
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(what_resolvers_rejected_resolvers_may_bring_back)
{
    cell c = { 0 };

    heads(&c, "abc");
    resolver(&c, 'P', 9, "b", "12");
    resolver(&c, 'Q', 10, "a", "123");
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(persons_alone_judge_what_was_rejected)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "a", "12");
    resolver(&c, 'Q', 9, "b", "12"); /* outvoted; a is not rejected by persons, b is */
    resolver(&c, 'R', 10, "b", "123");
    resolver(&c, 'S', 11, "a", "123");
    CHECK_EQ_STR(outcome(&c), "decided a");
    cell_done(&c);
}

TEST(an_older_vote_of_a_resolver_stands_in_for_one_that_is_left_out)
{
    cell c = { 0 };

    heads(&c, "abc");
    person(&c, 'P', 9, "b", "12");
    resolver(&c, 'Q', 10, "c", "123");
    resolver(&c, 'Q', 11, "a", "123"); /* left out before the newest is taken */
    CHECK_EQ_STR(outcome(&c), "decided c");
    cell_done(&c);
}

/* ---- hostile ------------------------------------------------------------------------------------------ */

TEST(a_vote_that_saw_nothing_or_strangers_only_does_nothing)
{
    cell c = { 0 };

    heads(&c, "ab");
    person(&c, 'P', 9, "a", "");
    vote_with(&c, 'Q', 9, value_of(&c, "a"), "1", (vote_options){ 0 });
    c.seen[1][0] = (ph_seen){ 900, value_of(&c, "a") };
    c.seen[1][1] = (ph_seen){ 901, value_of(&c, "b") };
    c.ballots[1].seen_count = 2; /* values it claims, of heads that are not there */
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(a_weight_above_the_limit_counts_as_the_limit)
{
    cell c = { 0 };

    heads(&c, "ab");
    weighed(&c, 'P', UINT64_MAX, 9, "a", "12");
    weighed(&c, 'Q', (uint64_t)1 << 20, 8, "b", "12");
    weighed(&c, 'R', 1, 10, "b", "12");
    CHECK_EQ_STR(outcome(&c), "decided b");
    cell_done(&c);
}
