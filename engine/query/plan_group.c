/* plan_group: which index tells the values that rows are counted by. Its keys must answer all conditions, and have each record once for each
 * value it has in the field.
 *
 * Called by plan.c, group.c and explain.c. */
#include "query/plan_impl.h"

bool ph_query_groups_by_keys(const ph_query *q)
{
    return q->group && !q->limited && !q->has_after && !q->deleted;
}

static size_t find_field(const ph_index_def *def, const path *p)
{
    size_t i = 0;

    while (i < def->count && (p->count != 1 || p->steps[0].kind != STEP_FIELD ||
                              p->steps[0].field == 0 || p->steps[0].field != def->fields[i]))
        i++;
    return i;
}

/* A set has a row an element: all of them are there if no condition is on it, and no other field is a set. */
static bool tells_elements(const access *a)
{
    const ph_index_def *def = &a->index->def;
    size_t sets = 0;

    for (size_t i = 0; i < def->count; i++)
        sets += def->kinds[i] == PH_IX_SET;
    return sets == 1 && a->covers == 0;
}

bool ph_plan_tells(const ph_query *q, const access *a, size_t *field)
{
    if (a->kind != ACCESS_INDEX || !a->exact)
        return false;
    *field = find_field(&a->index->def, q->group);
    if (*field == a->index->def.count)
        return false;
    switch (a->index->def.kinds[*field]) {
    case PH_IX_LIST: return false; /* its elements have no keys */
    case PH_IX_SET: return *field == 0 && tells_elements(a);
    default: return !a->repeats;
    }
}

prophet_code ph_plan_group(planner *p, access *const *list, size_t count, uint64_t all,
                           access **best, prophet_error *err)
{
    const access *rows = *best;
    access *found = NULL;
    size_t field;
    prophet_code rc = PROPHET_OK;

    if (rows && ph_plan_tells(p->r->q, rows, &field) && (rows->covers & all) == all)
        return PROPHET_OK;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        access *a = list[i];
        if (!ph_plan_tells(p->r->q, a, &field) || (a->covers & all) != all)
            continue;
        if (rows && (rc = ph_plan_count(p, a, PLAN_FETCH * rows->keys, err)) >= 0 && rows->sure &&
            (!a->sure || a->keys > PLAN_FETCH * rows->keys))
            continue;
        if (!found || (a->sure && a->keys < found->keys))
            found = a;
    }
    if (found)
        *best = found;
    return rc;
}
