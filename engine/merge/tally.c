/* tally: counts the votes of one question.
 *
 * Each voter has one vote as a person and one by resolver, the newest of each. Persons go before resolvers,
 * weight before number, and a tie goes to the choice that somebody voted for first: no order in which
 * votes arrived plays a part. settle.c calls it, also with some votes left out. */
#include "merge/merge_impl.h"
#include <stdlib.h>

#define WEIGHT_MAX ((uint64_t)1 << 20)

typedef struct score {
    uint64_t persons, resolvers;
    const ph_merge_vote *first; /* the earliest vote for this choice */
} score;

static bool left_out(const ph_merge_vote *v, ph_merge_leave_out out)
{
    if (!v->ballot->by_resolver)
        return false;
    return out.resolvers || (out.rejected && v->choice != PH_NO_VALUE && out.rejected[v->choice]);
}

static bool same_voter(const ph_merge_vote *a, const ph_merge_vote *b)
{
    return ph_id_eq(&a->ballot->voter, &b->ballot->voter) &&
           a->ballot->by_resolver == b->ballot->by_resolver;
}

static int by_choice(const void *a, const void *b)
{
    const ph_merge_vote *x = *(const ph_merge_vote *const *)a,
                        *y = *(const ph_merge_vote *const *)b;
    int c = ph_slice_cmp(x->ballot->choice, y->ballot->choice);

    return c ? c : ph_stamp_cmp(&x->ballot->stamp, &y->ballot->stamp);
}

/* Choices come by rising bytes, so the first of two that are equal in everything stays. */
static bool beats(const score *a, const score *b)
{
    if (a->persons != b->persons)
        return a->persons > b->persons;
    if (a->resolvers != b->resolvers)
        return a->resolvers > b->resolvers;
#ifdef PH_PLANT_tie_by_order
    return a->first->ballot < b->first->ballot;
#endif
    return ph_stamp_cmp(&a->first->ballot->stamp, &b->first->ballot->stamp) < 0;
}

static void add_vote(score *s, const ph_merge_vote *v)
{
    uint64_t weight = v->ballot->weight < WEIGHT_MAX ? v->ballot->weight : WEIGHT_MAX;

#ifdef PH_PLANT_ignore_person
    weight = v->ballot->by_resolver ? weight : 0;
#endif
    if (v->ballot->by_resolver)
        s->resolvers += weight;
    else
        s->persons += weight;
}

const ph_merge_vote *ph_merge_tally(const ph_merge_vote *votes, size_t count,
                                    ph_merge_leave_out out, const ph_merge_vote **scratch)
{
    score best = { 0, 0, NULL }, now = { 0, 0, NULL };
    const ph_merge_vote *last = NULL;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) { /* the newest of each (voter, by) comes first */
        if (left_out(&votes[i], out) || (last && same_voter(last, &votes[i])))
            continue;
        scratch[n++] = last = &votes[i];
    }
    qsort(scratch, n, sizeof *scratch, by_choice);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !ph_slice_eq(scratch[i - 1]->ballot->choice, scratch[i]->ballot->choice))
            now = (score){ 0, 0, scratch[i] };
        add_vote(&now, scratch[i]);
        if (i + 1 < n && ph_slice_eq(scratch[i]->ballot->choice, scratch[i + 1]->ballot->choice))
            continue;
        if (!best.first || beats(&now, &best))
            best = now;
    }
    return best.first;
}
