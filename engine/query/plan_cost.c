/* plan_cost: how many keys an access will read. Nothing is kept for that: candidates race. The keys of all are counted side by
 * side, a little further each round, until one is through: that is the smallest, known exactly, for a small part of what reading its
 * records costs. What is larger than the race is long is told apart by a sample of records.
 *
 * Called by plan.c. */
#include "query/plan_impl.h"

#define SEEK_KEYS 4u /* what going to another range costs, in keys */
#define FIRST_LAP 64u
#define SAMPLE    128u /* numbers looked at */

static prophet_code count_ranges(planner *p, access *a, uint64_t limit, prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice key, value;
    uint64_t spent = 0;
    size_t i = 0;
    prophet_code rc = ph_cursor_open(p->r->t, PH_T_IX, &cur, err);

    if (rc < 0)
        return rc;
    a->keys = 0;
    for (; i < a->range_count && spent < limit && rc >= 0; i++) {
        spent += SEEK_KEYS;
        rc = ph_cursor_seek(cur, a->ranges[i].low, &key, &value, err);
        while (rc == PROPHET_OK && ph_slice_cmp(key, a->ranges[i].high) < 0 && spent < limit) {
            a->keys++;
            spent++;
            rc = ph_cursor_next(cur, &key, &value, err);
        }
        if (rc == PROPHET_OK && ph_slice_cmp(key, a->ranges[i].high) < 0)
            break;
    }
    ph_cursor_close(cur);
    a->sure = i == a->range_count;
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_plan_count(planner *p, access *a, uint64_t limit, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    if (a->sure)
        return PROPHET_OK;
    a->counted = true;
    if (a->kind == ACCESS_INDEX)
        return count_ranges(p, a, limit, err);
    if (a->kind != ACCESS_UNION)
        return PROPHET_OK;
    a->keys = 0;
    a->sure = true;
    for (size_t i = 0; i < a->kid_count && rc >= 0;
         i++) { /* the limit is for all of them together */
        if (a->keys < limit)
            rc = ph_plan_count(p, a->kids[i], limit - a->keys, err);
        a->keys += a->kids[i]->keys;
        a->sure = a->sure && a->kids[i]->sure;
    }
    return rc;
}

prophet_code ph_plan_race(planner *p, access **list, size_t count, uint64_t limit,
                          prophet_error *err)
{
    bool done = false;
    uint64_t lap = FIRST_LAP;
    prophet_code rc = PROPHET_OK;

    for (; count > 0 && !done && rc >= 0 && lap <= limit; lap *= 4)
        for (size_t i = 0; i < count && rc >= 0; i++) {
            rc = ph_plan_count(p, list[i], lap, err);
            done = done || list[i]->sure;
        }
    return rc;
}

/* ---- a sample ------------------------------------------------------------------------------------------------ */

prophet_code ph_plan_last_number(planner *p, uint64_t *out, prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice key, value;
    prophet_code rc = ph_cursor_open(p->r->t, PH_T_HISTORY, &cur, err);

    *out = 0;
    if (rc < 0)
        return rc;
    rc = ph_cursor_last(cur, &key, &value, err);
    if (rc == PROPHET_OK && key.len >= 8)
        *out = ph_number_of_key(key.data);
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code fits_all(planner *p, uint64_t covers, const conjunct *c, size_t count,
                             const ph_row *row, bool *fits, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    *fits = true;
    for (size_t i = 0; i < count && *fits && rc >= 0; i++) {
        if (!(covers >> i & 1))
            continue;
        rc = ph_query_eval(p->r, c[i].n, row, fits, err);
        *fits = *fits != c[i].negated;
    }
    return rc;
}

/* One number of each step, at no regular distance: what was made in turns (one for ann, one for bob) would all look alike. */
uint64_t ph_plan_sampled(uint64_t k, uint64_t step)
{
    return k * step + 1 + (k + 1) * UINT64_C(0x9e3779b97f4a7c15) / 65536 % step;
}

prophet_code ph_plan_sample(planner *p, uint32_t type, access **list, size_t count,
                            const conjunct *c, size_t conjuncts, uint64_t *records,
                            prophet_error *err)
{
    uint64_t last, seen = 0, of_type = 0, fitting[PLAN_CONDITIONS] = { 0 };
    prophet_code rc = ph_plan_last_number(p, &last, err);
    uint64_t step = last / SAMPLE + 1;

    count = count < PLAN_CONDITIONS ? count : PLAN_CONDITIONS;
    for (uint64_t k = 0; k * step < last && rc >= 0; k++) {
        uint64_t n = ph_plan_sampled(k, step);
        uint32_t its_type;
        ph_uuid uuid;
        ph_row row;
        if (n > last) /* of the last step */
            break;
        seen++;
        p->r->stats.keys++;
        rc = ph_numbers_get(p->r->t, n, &its_type, &uuid, err);
        if (rc != PROPHET_OK || its_type != type)
            continue;
        if ((rc = ph_query_row(p->r, type, &uuid, &row, err)) != PROPHET_OK || !row.alive)
            continue;
        of_type++;
        for (size_t i = 0; i < count && rc >= 0; i++) {
            bool fits;
            ph_arena_reset(&p->r->row_arena);
            rc = fits_all(p, list[i]->covers, c, conjuncts, &row, &fits, err);
            fitting[i] += rc >= 0 && fits;
        }
    }
    *records = seen ? of_type * step : 0;
    for (size_t i = 0; i < count; i++)
        if (!list[i]->sure && fitting[i] * step > list[i]->keys) {
            list[i]->keys = fitting[i] * step;
            list[i]->estimated = true;
        }
    return rc < 0 ? rc : PROPHET_OK;
}
