/* question: what a cell asks, and what each ballot answered.
 *
 * V, the distinct values of the heads, is the question of the cell. The question of a ballot is smaller or
 * equal: the values its voter saw that a head still holds. Everything is looked up in sorted arrays, so that
 * thousands of heads and ballots cost n log n. settle.c calls this; nothing here decides who wins. */
#include "merge/merge_impl.h"
#include <stdlib.h>

bool ph_merge_one_value(const ph_cell_question *q)
{
    for (size_t i = 1; i < q->head_count; i++)
        if (!ph_slice_eq(q->heads[0].value, q->heads[i].value))
            return false;
    return true;
}

/* ---- the cell ------------------------------------------------------------------------------------------ */

static int by_value_then_newest(const void *a, const void *b)
{
    const ph_candidate_head *x = *(const ph_candidate_head *const *)a,
                            *y = *(const ph_candidate_head *const *)b;
    int c = ph_slice_cmp(x->value, y->value);

    return c ? c : ph_stamp_cmp(&y->stamp, &x->stamp);
}

static int by_version(const void *a, const void *b)
{
    const ph_merge_head *x = a, *y = b;

    return (x->version > y->version) - (x->version < y->version);
}

prophet_code ph_merge_cell_open(const ph_cell_question *q, ph_arena *a, ph_merge_cell *out,
                                prophet_error *err)
{
    size_t n = q->head_count;
    const ph_candidate_head **sorted = ph_arena_alloc(a, n * sizeof *sorted);
    ph_merge_cell c = { .question = q };

    if (n >= PH_NO_VALUE)
        return ph_fail(err, PROPHET_EUSAGE, "a cell with %zu heads", n);
    c.values = ph_arena_alloc(a, n * sizeof *c.values);
    c.stamps = ph_arena_alloc(a, n * sizeof *c.stamps);
    c.heads = ph_arena_alloc(a, n * sizeof *c.heads);
    c.marks = ph_arena_zalloc(a, n * sizeof *c.marks);
    c.list = ph_arena_alloc(a, n * sizeof *c.list);
    if (!sorted || !c.values || !c.stamps || !c.heads || !c.marks || !c.list)
        return ph_nomem(err);

    for (size_t i = 0; i < n; i++)
        sorted[i] = &q->heads[i];
    qsort(sorted, n, sizeof *sorted, by_value_then_newest);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !ph_slice_eq(sorted[i - 1]->value, sorted[i]->value)) {
            c.values[c.count] = sorted[i]->value;
            c.stamps[c.count++] = &sorted[i]->stamp;
        }
        c.heads[i] = (ph_merge_head){ sorted[i]->version, c.count - 1 };
    }
    qsort(c.heads, n, sizeof *c.heads, by_version);
    *out = c;
    return PROPHET_OK;
}

uint32_t ph_merge_value_find(const ph_merge_cell *c, prophet_slice value)
{
    uint32_t low = 0, high = c->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = ph_slice_cmp(c->values[middle], value);

        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return PH_NO_VALUE;
}

static const ph_merge_head *head_find(const ph_merge_cell *c, uint64_t version)
{
    ph_merge_head key = { version, 0 };

    return bsearch(&key, c->heads, c->question->head_count, sizeof key, by_version);
}

/* ---- ballots ------------------------------------------------------------------------------------------- */

static bool is_dead(prophet_slice value)
{
    return ph_slice_eq(value, ph_slice_str(PH_DEAD));
}

/* [8] It names a dead head, and every dead head it names is still one. q = all values: alive and dead. */
static bool life_ballot_counts(ph_merge_cell *c, const ph_ballot *b, uint32_t *q_count)
{
    bool dead = false;

    for (size_t i = 0; i < b->seen_count; i++) {
        if (!is_dead(b->seen[i].value))
            continue;
        dead = true;
#ifndef PH_PLANT_life_silent_settle
        if (!head_find(c, b->seen[i].version))
            return false;
#endif
    }
    for (uint32_t i = 0; i < c->count; i++)
        c->list[i] = i;
    *q_count = c->count;
    return dead && (is_dead(b->choice) || ph_slice_eq(b->choice, ph_slice_str(PH_ALIVE)));
}

static int by_place(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* [9] q has at least two values, a head it names is one still, and the choice is in q or was none of the values it saw. */
static bool ballot_counts(ph_merge_cell *c, const ph_ballot *b, uint32_t mark, uint32_t *q_count)
{
    uint32_t n = 0, choice = ph_merge_value_find(c, b->choice);
    bool present = false, saw_choice = false;

    for (size_t i = 0; i < b->seen_count; i++) {
        const ph_merge_head *head = head_find(c, b->seen[i].version);
        uint32_t value = head ? head->value : ph_merge_value_find(c, b->seen[i].value);

        present = present || head;
        saw_choice = saw_choice || ph_slice_eq(b->seen[i].value, b->choice);
        if (value != PH_NO_VALUE && c->marks[value] != mark) {
            c->marks[value] = mark;
            c->list[n++] = value;
        }
    }
#ifdef PH_PLANT_count_spent_votes
    present = true;
#endif
    qsort(c->list, n, sizeof *c->list, by_place);
    *q_count = n;
    return n >= 2 && present &&
           (!saw_choice || (choice != PH_NO_VALUE && c->marks[choice] == mark));
}

bool ph_merge_same_question(const ph_merge_vote *a, const ph_merge_vote *b)
{
    return a->q_count == b->q_count && memcmp(a->q, b->q, a->q_count * sizeof *a->q) == 0;
}

static int by_group(const void *a, const void *b)
{
    const ph_merge_vote *x = a, *y = b;
    int c = (x->q_count > y->q_count) - (x->q_count < y->q_count);

    if (c == 0 && x->q != y->q)
        c = memcmp(x->q, y->q, x->q_count * sizeof *x->q);
    if (c == 0)
        c = ph_id_cmp(&x->ballot->voter, &y->ballot->voter);
    if (c == 0)
        c = x->ballot->by_resolver - y->ballot->by_resolver;
    if (c == 0)
        c = ph_stamp_cmp(&y->ballot->stamp, &x->ballot->stamp);
    return c ? c : ph_slice_cmp(x->ballot->choice, y->ballot->choice);
}

prophet_code ph_merge_votes(ph_merge_cell *c, ph_arena *a, ph_merge_vote **out, size_t *count,
                            bool *counted, prophet_error *err)
{
    const ph_cell_question *q = c->question;
    ph_merge_vote *votes = ph_arena_alloc(a, q->ballot_count * sizeof *votes);
    size_t n = 0;

    if (!votes || q->ballot_count >= PH_NO_VALUE)
        return ph_nomem(err);
    for (size_t i = 0; i < q->ballot_count; i++) {
        const ph_ballot *b = &q->ballots[i];
        uint32_t q_count = 0, *list;

        counted[i] = q->life ? life_ballot_counts(c, b, &q_count)
                             : ballot_counts(c, b, (uint32_t)i + 1, &q_count);
        if (!counted[i])
            continue;
        if (!(list = ph_arena_alloc(a, q_count * sizeof *list)))
            return ph_nomem(err);
        memcpy(list, c->list, q_count * sizeof *list);
        votes[n++] = (ph_merge_vote){ b, list, q_count, ph_merge_value_find(c, b->choice) };
    }
    qsort(votes, n, sizeof *votes, by_group);
    *out = votes;
    *count = n;
    return PROPHET_OK;
}
