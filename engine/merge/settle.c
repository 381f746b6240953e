/* settle: what a cell shows. The settle() of DESIGN 4, step by step.
 *
 * One value: clean, at once. Else the ballots that count are grouped by what they asked; a group that asked about
 * all present values decides; smaller groups take away what lost in them and bring in what they merged; if one
 * choice is left it is decided, else the field's rule picks one provisionally. Pure: the same heads and ballots in any
 * order give the same outcome. Called by replica for every cell a changeset touched, and by episodes.c. */
#include "merge/merge_impl.h"
#include <stdlib.h>

typedef struct group { /* the votes with one question */
    const ph_merge_vote *votes, *winner;
    size_t count;
} group;

typedef struct settling {
    ph_merge_cell cell;
    ph_merge_vote *votes;
    size_t vote_count;
    group *groups;
    size_t group_count;
    const ph_merge_vote **scratch;
    bool *marks;              /* per value: lost, or rejected */
    ph_merge_choice *choices; /* C */
    size_t choice_count;
} settling;

static prophet_code gather(settling *s, const ph_cell_question *q, ph_arena *a, bool *counted,
                           prophet_error *err)
{
    prophet_code rc;
    size_t n;

    if ((rc = ph_merge_cell_open(q, a, &s->cell, err)) < 0 ||
        (rc = ph_merge_votes(&s->cell, a, &s->votes, &s->vote_count, counted, err)) < 0)
        return rc;
    n = s->vote_count;
    s->groups = ph_arena_alloc(a, n * sizeof *s->groups);
    s->scratch = ph_arena_alloc(a, n * sizeof *s->scratch);
    s->marks = ph_arena_zalloc(a, s->cell.count);
    s->choices = ph_arena_alloc(a, (s->cell.count + n) * sizeof *s->choices);
    if (!s->groups || !s->scratch || !s->marks || !s->choices)
        return ph_nomem(err);

    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !ph_merge_same_question(&s->votes[i - 1], &s->votes[i]))
            s->groups[s->group_count++] = (group){ &s->votes[i], NULL, 0 };
        s->groups[s->group_count - 1].count++;
    }
    return PROPHET_OK;
}

static const ph_merge_vote *tally(settling *s, const group *g, ph_merge_leave_out out)
{
    return ph_merge_tally(g->votes, g->count, out, s->scratch);
}

/* Marks all values of the group's question but the winner's. */
static void mark_losers(settling *s, const group *g, const ph_merge_vote *winner)
{
    for (uint32_t i = 0; i < g->votes->q_count; i++)
        if (g->votes->q[i] != winner->choice)
            s->marks[g->votes->q[i]] = true;
}

/* The group that asked about every value comes last: questions are sorted by size. If it decides, its winner is
 * returned; if not, the group is forgotten. What persons alone rejected in a smaller question, resolvers cannot bring back. */
static const ph_merge_vote *decide(settling *s)
{
    ph_merge_leave_out persons = { true, NULL }, rest = { false, s->marks };
    const ph_merge_vote *winner;
    group *full;

    if (s->group_count == 0 || s->groups[s->group_count - 1].votes->q_count != s->cell.count)
        return NULL;
    full = &s->groups[--s->group_count];
    for (size_t i = 0; i < s->group_count; i++)
        if ((winner = tally(s, &s->groups[i], persons)))
            mark_losers(s, &s->groups[i], winner);
#ifdef PH_PLANT_resolvers_overrule
    rest.rejected = NULL;
#endif
    winner = tally(s, full, rest);
    memset(s->marks, 0, s->cell.count);
    return winner;
}

/* ---- C = (V + won) - lost ------------------------------------------------------------------------------- */

static int by_choice(const void *a, const void *b)
{
    const ph_merge_choice *x = a, *y = b;

    return ph_slice_cmp(x->value, y->value);
}

/* A merged value is in no head: its stamp is the greatest of the votes that count for it. */
static void stamp_merged(settling *s, ph_merge_choice *merged, size_t count)
{
    for (size_t i = 0; i < s->vote_count && count > 0; i++) {
        ph_merge_choice key = { s->votes[i].ballot->choice, NULL }, *found;
        const ph_stamp *stamp = &s->votes[i].ballot->stamp;

        if (s->votes[i].choice != PH_NO_VALUE)
            continue;
        found = bsearch(&key, merged, count, sizeof key, by_choice);
        if (found && ph_stamp_cmp(stamp, found->stamp) > 0)
            found->stamp = stamp;
    }
}

static size_t add_merged(settling *s)
{
    static const ph_stamp least = { 0, { { 0 } } };
    ph_merge_choice *merged = s->choices + s->choice_count;
    size_t n = 0, distinct = 0;

    for (size_t i = 0; i < s->group_count; i++)
        if (s->groups[i].winner->choice == PH_NO_VALUE)
            merged[n++] = (ph_merge_choice){ s->groups[i].winner->ballot->choice, &least };
#ifdef PH_PLANT_drop_merged
    n = 0;
#endif
    if (n > 1)
        qsort(merged, n, sizeof *merged, by_choice);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !ph_slice_eq(merged[distinct - 1].value, merged[i].value))
            merged[distinct++] = merged[i];
    stamp_merged(s, merged, distinct);
    return distinct;
}

static void add_values(settling *s)
{
    for (uint32_t i = 0; i < s->cell.count; i++)
        if (!s->marks[i])
            s->choices[s->choice_count++] =
                (ph_merge_choice){ s->cell.values[i], s->cell.stamps[i] };
}

/* A winner that is one of the values needs no adding: it is in C unless it lost elsewhere. */
static void choose(settling *s)
{
    ph_merge_leave_out nothing = { false, NULL };

    for (size_t i = 0; i < s->group_count; i++) {
        s->groups[i].winner = tally(s, &s->groups[i], nothing);
#ifndef PH_PLANT_losers_stay
        mark_losers(s, &s->groups[i], s->groups[i].winner);
#endif
    }
    add_values(s);
    s->choice_count += add_merged(s);
    if (s->choice_count == 0) {
        memset(s->marks, 0, s->cell.count);
        add_values(s);
    }
    qsort(s->choices, s->choice_count, sizeof *s->choices, by_choice);
}

/* ---- the outcome ------------------------------------------------------------------------------------------ */

static prophet_code clean(const ph_cell_question *q, ph_outcome *out)
{
    *out = (ph_outcome){ .status = PH_CLEAN };
    if (q->head_count == 0)
        return PROPHET_OK;
    out->value = q->heads[0].value;
    out->values = &q->heads[0].value;
    out->value_count = 1;
    return PROPHET_OK;
}

static prophet_code finish(const settling *s, ph_arena *a, const bool *counted, ph_outcome *out,
                           prophet_error *err)
{
    prophet_slice *choices = ph_arena_alloc(a, s->choice_count * sizeof *choices);
    size_t picked = 0;

    if (!choices)
        return ph_nomem(err);
    for (size_t i = 0; i < s->choice_count; i++)
        choices[i] = s->choices[i].value;
    if (s->choice_count > 1)
        picked = ph_merge_pick(s->cell.question->rule, s->choices, s->choice_count);
    *out = (ph_outcome){ .status = s->choice_count > 1 ? PH_PROVISIONAL : PH_DECIDED,
                         .value = choices[picked],
                         .values = s->cell.values,
                         .value_count = s->cell.count,
                         .choices = choices,
                         .choice_count = s->choice_count,
                         .counted = counted };
    return PROPHET_OK;
}

prophet_code ph_settle(const ph_cell_question *q, ph_arena *arena, ph_outcome *out,
                       prophet_error *err)
{
    settling s = { .vote_count = 0 };
    const ph_merge_vote *winner;
    bool *counted;
    prophet_code rc;

    if (ph_merge_one_value(q))
        return clean(q, out);
    if (!(counted = ph_arena_alloc(arena, q->ballot_count)))
        return ph_nomem(err);
    if ((rc = gather(&s, q, arena, counted, err)) < 0)
        return rc;
    winner = decide(&s);
    if (winner)
        s.choices[s.choice_count++] = (ph_merge_choice){ winner->ballot->choice, NULL };
    else
        choose(&s);
    return finish(&s, arena, counted, out, err);
}
