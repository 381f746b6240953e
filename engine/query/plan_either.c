/* plan_either: "or". Each of its sides must be found by some index; those that have the same one are read as its ranges, together. What several
 * indexes give is read once for each of them, so many sides that fit much may cost far more than all records of the type do: then these are
 * read.
 *
 * Called by plan.c. */
#include "query/plan_impl.h"

#define FEW_OF_TYPE 8u    /* in a sample tell too little */
#define SAMPLE      128u  /* numbers looked at .. */
#define SAMPLE_MOST 2048u /* .. of a rare type */
#define KEY_COST    2.0   /* of a side's key: read, sorted; in records of a scan */
#define TEST_COST   0.6   /* of a side that a record is tested with */

/* ---- sides ----------------------------------------------------------------------------------------------- */

/* Which of the accesses so far reads this side, too; all->kid_count: none. */
static size_t joined(const access *all, const access *kid)
{
    size_t k = kid->kind == ACCESS_INDEX ? 0 : all->kid_count;

    while (k < all->kid_count &&
           (all->kids[k]->index != kid->index || all->kids[k]->exact != kid->exact))
        k++;
    return k;
}

static prophet_code add_ranges(access *to, const access *from, ph_arena *a, prophet_error *err)
{
    size_t n = to->range_count + from->range_count;

    if (n > to->range_room) {
        key_range *more = ph_arena_alloc(a, 2 * n * sizeof *more);
        if (!more)
            return ph_nomem(err);
        if (to->range_count)
            memcpy(more, to->ranges, to->range_count * sizeof *more);
        to->ranges = more;
        to->range_room = 2 * n;
    }
    if (from->range_count)
        memcpy(to->ranges + to->range_count, from->ranges, from->range_count * sizeof *to->ranges);
    to->range_count = n;
    to->odd = to->odd || from->odd;
    to->joined = true;
    return PROPHET_OK;
}

static void put_together(access *a)
{
    const ph_index_def *def = &a->index->def;

    a->range_count = ph_plan_ranges_tidy(a->ranges, a->range_count);
    for (size_t i = 0; i < def->count; i++) /* elements of a record may be in several */
        a->repeats = a->repeats || def->kinds[i] == PH_IX_SET;
    a->unique = !a->repeats && !a->odd;
    a->by_number = a->sure = a->counted = a->estimated = false;
    a->keys = a->fixed = a->cut = 0;
    a->prefix = ph_slice(NULL, 0);
    a->ends = NULL;
}

static void sum_up(access *a)
{
    for (size_t i = 0; i < a->kid_count; i++) {
        access *kid = a->kids[i];
        if (kid->joined)
            put_together(kid);
        a->exact = a->exact && kid->exact;
        a->sure = a->sure && kid->sure;
        a->keys += kid->keys;
    }
}

prophet_code ph_plan_either(planner *p, uint32_t type, const node *n, access **out,
                            prophet_error *err)
{
    access *a = ph_plan_access(p, ACCESS_UNION, type);
    prophet_code rc = PROPHET_OK;

    *out = NULL;
    if (!a || !(a->kids = ph_arena_alloc(p->a, (n->kid_count + 1) * sizeof *a->kids)) ||
        !(a->reads = ph_arena_alloc(p->a, (n->kid_count + 1) * sizeof *a->reads)))
        return ph_nomem(err);
    a->exact = true;
    a->either = n;
    for (size_t i = 0; i < n->kid_count && rc >= 0; i++) {
        access *kid;
        if ((rc = ph_plan_condition(p, type, n->kids[i], &kid, err)) < 0 || !kid)
            return rc;
        size_t k = a->reads[i] = joined(a, kid);
        if (k == a->kid_count)
            a->kids[a->kid_count++] = kid;
        else
            rc = add_ranges(a->kids[k], kid, p->a, err);
    }
    sum_up(a);
    *out = a->kid_count == 1 && a->kids[0]->joined ? a->kids[0] : a;
    return rc;
}

/* ---- is it too wide? ------------------------------------------------------------------------------------- */

typedef struct looked_at {
    uint64_t records; /* of the type */
    uint64_t keys;    /* that they have in the sides, together */
    uint64_t tests;   /* sides asked until one fits, together */
    uint64_t *seen;   /* one an access: the last of the records that it has */
} looked_at;

static prophet_code count_sides(query_run *r, const access *a, const ph_row *row, looked_at *l,
                                prophet_error *err)
{
    const node *n = a->either;
    bool found = false, holds;
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < n->kid_count && rc >= 0; i++) {
        ph_arena_reset(&r->row_arena);
        rc = ph_query_eval(r, n->kids[i], row, &holds, err);
        l->tests += !found;
        if (rc < 0 || !holds)
            continue;
        found = true;
        l->keys += l->seen[a->reads[i]] != l->records;
        l->seen[a->reads[i]] = l->records;
    }
    return rc;
}

static prophet_code look_at(planner *p, const access *a, uint64_t number, looked_at *l,
                            prophet_error *err)
{
    uint32_t its_type;
    ph_uuid uuid;
    ph_row row;

    p->r->stats.keys++;
    prophet_code rc = ph_numbers_get(p->r->t, number, &its_type, &uuid, err);
    if (rc != PROPHET_OK || its_type != a->type)
        return rc < 0 ? rc : PROPHET_OK;
    rc = ph_query_row(p->r, a->type, &uuid, &row, err);
    if (rc != PROPHET_OK || !row.alive)
        return rc < 0 ? rc : PROPHET_OK;
    l->records++;
    return count_sides(p->r, a, &row, l, err);
}

prophet_code ph_plan_wide(planner *p, access *a, bool *wide, prophet_error *err)
{
    looked_at l = { .seen = ph_arena_alloc(p->a, (a->kid_count + 1) * sizeof *l.seen) };
    uint64_t last;
    prophet_code rc = l.seen ? ph_plan_count(p, a, PLAN_RACE, err) : ph_nomem(err);

    *wide = false;
    if (rc < 0 || (a->sure && a->keys <= PLAN_RACE) ||
        (rc = ph_plan_last_number(p, &last, err)) < 0)
        return rc;
    for (uint64_t many = SAMPLE; l.records < FEW_OF_TYPE && many <= SAMPLE_MOST; many *= 4) {
        l = (looked_at){ .seen = l.seen };
        memset(l.seen, 0, a->kid_count * sizeof *l.seen);
        for (uint64_t k = 0, step = last / many + 1; k * step < last && rc >= 0; k++)
            rc = look_at(p, a, ph_plan_sampled(k, step), &l, err);
        if (rc < 0)
            return rc;
    }
    *wide = l.records > 0 &&
            KEY_COST * (double)l.keys > (double)l.records + TEST_COST * (double)l.tests;
    return PROPHET_OK;
}
