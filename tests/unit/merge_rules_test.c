/* rules: names, defaults, and what each picks. */
#include "merge_cell.h"

static ph_rule parse(const char *name)
{
    ph_rule rule = (ph_rule)99;

    (void)ph_rule_parse(ph_slice_str(name), &rule);
    return rule;
}

TEST(every_rule_has_a_name)
{
    for (ph_rule r = PH_RULE_LATEST; r <= PH_RULE_DEAD_WINS; r++)
        CHECK(parse(ph_rule_name(r)) == r);
    CHECK_EQ_STR(ph_rule_name(PH_RULE_ALIVE_WINS), "alive-wins");
    CHECK_EQ_INT(parse("newest"), 99);
    CHECK_EQ_INT(parse(""), 99);
}

static ph_rule rule_for(const char *type, bool life, const char *name)
{
    return ph_rule_for(ph_slice_str(type), life, ph_slice_str(name));
}

TEST(a_cell_has_its_rule_or_the_default_and_reserved_types_latest)
{
    CHECK_EQ_INT(rule_for("ticket", false, ""), PH_RULE_LATEST);
    CHECK_EQ_INT(rule_for("ticket", true, ""), PH_RULE_ALIVE_WINS);
    CHECK_EQ_INT(rule_for("ticket", false, "min"), PH_RULE_MIN);
    CHECK_EQ_INT(rule_for("ticket", true, "dead-wins"), PH_RULE_DEAD_WINS);
    CHECK_EQ_INT(rule_for("ticket", true, "nonsense"), PH_RULE_ALIVE_WINS);
    CHECK_EQ_INT(rule_for("_type", false, "min"), PH_RULE_LATEST);
    CHECK_EQ_INT(rule_for("_type", true, "dead-wins"), PH_RULE_LATEST);
}

TEST(latest_and_first_go_by_the_greatest_stamp_of_a_value)
{
    cell c = { .rule = PH_RULE_LATEST };

    heads(&c, "abab"); /* a: 1, 3; b: 2, 4 */
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    c.rule = PH_RULE_FIRST; /* the least of the greatest */
    CHECK_EQ_STR(outcome(&c), "provisional a of a,b");
    c.sets[0].stamp = stamp_of(9, 1);
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

TEST(a_stamp_is_lamport_and_then_id)
{
    cell c = { .rule = PH_RULE_LATEST };

    heads(&c, "ab");
    c.sets[0].stamp = stamp_of(5, 9);
    c.sets[1].stamp = stamp_of(5, 8);
    CHECK_EQ_STR(outcome(&c), "provisional a of a,b");
    c.rule = PH_RULE_FIRST;
    CHECK_EQ_STR(outcome(&c), "provisional b of a,b");
    cell_done(&c);
}

static const prophet_slice one = { "\x01", 1 }, one_float = { "\xfb\x3f\xf0\0\0\0\0\0\0", 9 },
                           two = { "\x02", 1 }, minus = { "\x20", 1 }, yes = { "\xf5", 1 },
                           text = { "\x60", 1 };

static void rule_of_two(ph_rule rule, prophet_slice older, prophet_slice newer, prophet_slice wins)
{
    cell c = { .rule = rule };
    ph_outcome o;

    add_set(&c, 1, older, true);
    add_set(&c, 2, newer, true);
    o = settle(&c);
    CHECK_MSG(ph_slice_eq(o.value, wins), "%s picks the other one", ph_rule_name(rule));
    cell_done(&c);
}

TEST(max_and_min_go_by_index_order_with_unset_lowest)
{
    static const prophet_slice unset = { NULL, 0 };

    rule_of_two(PH_RULE_MAX, two, one, two);
    rule_of_two(PH_RULE_MIN, two, one, one);
    rule_of_two(PH_RULE_MAX, one, minus, one);
    rule_of_two(PH_RULE_MIN, minus, one, minus);
    rule_of_two(PH_RULE_MAX, yes, one, one);
    rule_of_two(PH_RULE_MAX, text, two, text);
    rule_of_two(PH_RULE_MAX, minus, unset, minus);
    rule_of_two(PH_RULE_MIN, minus, unset, unset);
}

TEST(equal_in_order_goes_to_the_greatest_stamp_for_max_and_for_min)
{
    rule_of_two(PH_RULE_MAX, one, one_float, one_float);
    rule_of_two(PH_RULE_MAX, one_float, one, one);
    rule_of_two(PH_RULE_MIN, one, one_float, one_float);
    rule_of_two(PH_RULE_MIN, one_float, one, one);
}

TEST(longest_counts_bytes_of_text_and_ties_go_to_the_greatest_stamp)
{
    static const prophet_slice abc = { "\x63"
                                       "abc",
                                       4 },
                               xy = { "\x62xy", 3 }, zz = { "\x62zz", 3 },
                               bytes = { "\x45"
                                         "12345",
                                         6 },
                               umlaut = { "\x64\xc3\xa4\xc3\xb6", 5 };

    rule_of_two(PH_RULE_LONGEST, abc, xy, abc);
    rule_of_two(PH_RULE_LONGEST, zz, xy, xy);
    rule_of_two(PH_RULE_LONGEST, xy, bytes, xy);
    rule_of_two(PH_RULE_LONGEST, umlaut, abc, umlaut);
    rule_of_two(PH_RULE_LONGEST, two, one, one);
}

TEST(alive_wins_on_an_ordinary_field_is_latest)
{
    rule_of_two(PH_RULE_ALIVE_WINS, two, one, one);
    rule_of_two(PH_RULE_DEAD_WINS, one, two, two);
}

TEST(a_rule_picks_among_what_votes_left_only)
{
    cell c = { .rule = PH_RULE_MIN };

    heads(&c, "abc");
    person(&c, 'P', 9, "b", "12");
    CHECK_EQ_STR(outcome(&c), "provisional b of b,c");
    cell_done(&c);
}
