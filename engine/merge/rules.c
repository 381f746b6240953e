/* rules: their names, which one applies to a cell, and how a rule picks one of several candidates.
 *
 * A rule only speaks where votes have not decided; it looks at nothing but values and stamps, so every
 * replica picks the same. settle.c calls it; replica reads the rule's name from the `_type` record. */
#include "merge/merge_impl.h"

static const char *const names[] = { "latest",  "first",      "max",      "min",
                                     "longest", "alive-wins", "dead-wins" };

bool ph_rule_parse(prophet_slice name, ph_rule *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ph_slice_eq(name, ph_slice_str(names[i]))) {
            *out = (ph_rule)i;
            return true;
        }
    return false;
}

const char *ph_rule_name(ph_rule rule)
{
    return (size_t)rule < sizeof names / sizeof *names ? names[rule] : names[0];
}

ph_rule ph_rule_for(prophet_slice type, bool life, prophet_slice name)
{
    ph_rule rule;

    if (ph_type_reserved(type))
        return PH_RULE_LATEST;
    if (ph_rule_parse(name, &rule))
        return rule;
    return life ? PH_RULE_ALIVE_WINS : PH_RULE_LATEST;
}

static size_t text_bytes(prophet_slice value)
{
    ph_item item;

    return ph_value_open(value, &item) && item.kind == PH_TEXT ? item.s.len : 0;
}

static int is_life(prophet_slice value, const char *text)
{
    return ph_slice_eq(value, ph_slice_str(text));
}

/* > 0: the rule prefers a, < 0: b, 0: it does not say. */
static int prefer(ph_rule rule, prophet_slice a, prophet_slice b)
{
    size_t la, lb;

    switch (rule) {
    case PH_RULE_MAX: return ph_value_compare(a, b);
    case PH_RULE_MIN: return ph_value_compare(b, a);
    case PH_RULE_LONGEST: la = text_bytes(a), lb = text_bytes(b); return (la > lb) - (la < lb);
    case PH_RULE_ALIVE_WINS: return is_life(a, PH_ALIVE) - is_life(b, PH_ALIVE);
    case PH_RULE_DEAD_WINS: return is_life(a, PH_DEAD) - is_life(b, PH_DEAD);
    case PH_RULE_LATEST:
    case PH_RULE_FIRST: break;
    }
    return 0;
}

static bool better(ph_rule rule, const ph_merge_choice *a, const ph_merge_choice *b)
{
    int c = prefer(rule, a->value, b->value);

    if (c == 0)
        c = ph_stamp_cmp(a->stamp, b->stamp);
    if (c == 0)
        return ph_slice_cmp(a->value, b->value) <
               0; /* one changeset cannot do that; any fixed answer is right */
    return rule == PH_RULE_FIRST ? c < 0 : c > 0;
}

size_t ph_merge_pick(ph_rule rule, const ph_merge_choice *choices, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (better(rule, &choices[i], &choices[best]))
            best = i;
    return best;
}
