/* plan: how a query finds its records. Conditions that must all hold are matched with the indexes of the type, one access a
 * possibility; the smallest wins a race (plan_cost.c). Then the order: an index that has it is preferred, and with a limit it may
 * be better to walk the order and test than to find all and sort. A plan is made for each run, from what is there then, and reads at
 * most a small part of what it saves.
 *
 * Called by run.c and explain.c. Files beside this one: plan_index.c (conditions as ranges), plan_join.c (other types). */
#include "query/plan_impl.h"
#include <stdlib.h>

#define ACCESSES 48 /* looked at for one list of conditions */

typedef struct candidates {
    access *at[ACCESSES];
    size_t count;
    conjunct c[PLAN_CONDITIONS];
    size_t conjuncts;
    bool none; /* a condition holds for nothing */
    bool wide; /* an "or" was left out that has indexes: to read all records is less */
} candidates;

access *ph_plan_access(planner *p, access_kind kind, uint32_t type)
{
    access *a = ph_arena_zalloc(p->a, sizeof *a);

    if (a) {
        a->kind = kind;
        a->type = type;
        a->unique = kind == ACCESS_SCAN || kind == ACCESS_NUMBERS;
        a->sure = kind == ACCESS_IDS || kind == ACCESS_UNION; /* of none so far */
    }
    return a;
}

const query_type *ph_query_type_of(const ph_query *q, uint32_t type)
{
    for (size_t i = 0; i < q->type_count; i++)
        if (q->types[i].id == type)
            return &q->types[i];
    return NULL;
}

/* ---- conditions ------------------------------------------------------------------------------------------- */

static void flatten(candidates *l, const node *n)
{
    if (n->op == OP_AND) {
        for (size_t i = 0; i < n->kid_count; i++)
            flatten(l, n->kids[i]);
        return;
    }
    if (n->op == OP_TRUE)
        return;
    l->none = l->none || n->op == OP_FALSE;
    bool missing = n->op == OP_NOT && n->kids[0]->op == OP_PRESENT;
    if (l->conjuncts < PLAN_CONDITIONS)
        l->c[l->conjuncts++] = (conjunct){ missing ? n->kids[0] : n, missing };
}

static void add(candidates *l, access *a)
{
    if (a && l->count < ACCESSES)
        l->at[l->count++] = a;
}

/* id and n, compared with values. */
static prophet_code plan_ids(planner *p, uint32_t type, const node *n, access **out,
                             prophet_error *err)
{
    access *a;

    *out = NULL;
    if (n->path_count != 1 || n->path->count != 1 || (n->op != OP_EQ && n->op != OP_IN) ||
        (n->path->steps[0].kind != STEP_ID && n->path->steps[0].kind != STEP_NUMBER))
        return PROPHET_OK;
    if (!(a = ph_plan_access(p, ACCESS_IDS, type)) ||
        !(a->ids = ph_arena_alloc(p->a, (n->value_count + 1) * sizeof *a->ids)))
        return ph_nomem(err);
    for (size_t i = 0; i < n->value_count; i++) {
        ph_item x;
        uint32_t its_type = type;
        bool id = n->path->steps[0].kind == STEP_ID;
        ph_uuid *to = &a->ids[a->id_count];
        prophet_code rc = PROPHET_OK;
        if (!ph_value_open(n->values[i], &x))
            continue;
        if (x.kind == PH_FLOAT && !id && x.d >= 1 && x.d < 9e15 && x.d == (double)(int64_t)x.d)
            x = (ph_item){ .kind = PH_INT, .i = (int64_t)x.d };
        if (x.kind != (id ? PH_REF : PH_INT) || (!id && x.i < 1))
            continue;
        if (id)
            memcpy(to->b, x.s.data, sizeof to->b);
        else
            rc = ph_numbers_get(p->r->t, (uint64_t)x.i, &its_type, to, err);
        if (rc < 0)
            return rc;
        a->id_count += rc == PROPHET_OK && its_type == type;
    }
    a->keys = a->id_count;
    a->sure = a->exact = true;
    *out = a;
    return PROPHET_OK;
}

/* Conditions along paths become values where an index can use them, or records. */
static prophet_code join_all(planner *p, uint32_t type, candidates *l, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < l->conjuncts && rc >= 0; i++) {
        node *values = NULL;
        access *ids = NULL;
        if (l->c[i].negated || l->c[i].n->path_count != 1 || l->c[i].n->path->count < 2)
            continue;
        rc = ph_plan_join(p, type, l->c[i].n, &values, &ids, err);
        if (values)
            l->c[i].n = values;
        if (ids) {
            ids->covers = UINT64_C(1) << i;
            add(l, ids);
        }
    }
    return rc;
}

static prophet_code single_conditions(planner *p, uint32_t type, candidates *l, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < l->conjuncts && rc >= 0; i++) {
        const node *n = l->c[i].n;
        access *a = NULL;
        if (l->c[i].negated)
            continue;
        rc = n->op == OP_OR      ? ph_plan_either(p, type, n, &a, err)
             : n->op == OP_MATCH ? ph_plan_match(p, type, n, &a, err)
                                 : plan_ids(p, type, n, &a, err);
        if (rc >= 0 && a) {
            a->covers = UINT64_C(1) << i;
            add(l, a);
        }
    }
    return rc;
}

/* An index that another one covers with the same fields adds nothing, but is cheap to race. `walk`: also whole indexes. */
static prophet_code indexes(planner *p, uint32_t type, candidates *l, bool walk, prophet_error *err)
{
    const query_type *t = ph_query_type_of(p->r->q, type);
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; t && i < t->index_count && rc >= 0; i++) {
        access *a;
        if (p->r->q->force && type == p->r->q->type && p->r->q->force != &t->indexes[i])
            continue;
        rc = ph_plan_index(p, type, &t->indexes[i], l->c, l->conjuncts,
                           walk || p->r->q->force == &t->indexes[i], &a, err);
        if (rc >= 0)
            add(l, a);
    }
    return rc;
}

static prophet_code find_candidates(planner *p, uint32_t type, const node *n, bool walk,
                                    candidates *l, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    *l = (candidates){ .count = 0 };
    if (n)
        flatten(l, n);
    if (l->none) {
        access *nothing = ph_plan_access(p, ACCESS_UNION, type);
        if (!nothing)
            return ph_nomem(err);
        nothing->exact = true;
        nothing->covers = UINT64_MAX;
        add(l, nothing);
        return PROPHET_OK;
    }
    bool forced = p->r->q->force && type == p->r->q->type;
    if ((rc = join_all(p, type, l, err)) < 0)
        return rc;
    if (forced)
        l->count = 0;
    else if ((rc = single_conditions(p, type, l, err)) < 0)
        return rc;
    return indexes(p, type, l, walk, err);
}

/* ---- choosing ---------------------------------------------------------------------------------------------- */

static bool better(const access *a, const access *b)
{
    if (a->sure != b->sure)
        return a->sure;
    if (a->keys != b->keys && (a->sure || a->estimated || b->estimated))
        return a->keys < b->keys;
    unsigned x = (unsigned)__builtin_popcountll(a->covers),
             y = (unsigned)__builtin_popcountll(b->covers);
    if (x != y)
        return x > y;
    if (a->exact != b->exact)
        return a->exact;
    return a->kind == ACCESS_INDEX && b->kind == ACCESS_INDEX && a->fixed > b->fixed;
}

static bool filters(const access *a)
{
    return a->covers != 0 || a->kind != ACCESS_INDEX || a->fixed > 0;
}

/* The candidates that filter, raced; the best is given. `records`: of the type, when a sample was needed. */
static prophet_code choose(planner *p, uint32_t type, candidates *l, access **best,
                           uint64_t *records, prophet_error *err)
{
    access *list[ACCESSES];
    size_t n = 0, sure = 0;
    prophet_code rc = PROPHET_OK;

    *best = NULL;
    for (size_t i = 0; i < l->count; i++)
        if (filters(l->at[i]))
            list[n++] = l->at[i];
    if (n > 1 && (rc = ph_plan_race(p, list, n, PLAN_RACE, err)) < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        sure += list[i]->sure;
    if (n > 1 && sure == 0 &&
        (rc = ph_plan_sample(p, type, list, n, l->c, l->conjuncts, records, err)) < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (!*best || better(list[i], *best))
            *best = list[i];
    return rc;
}

/* Sides of an "or" that read more than all records would: without them, these are read unless another condition has an index. */
static prophet_code leave_wide(planner *p, candidates *l, prophet_error *err)
{
    size_t kept = 0;
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < l->count && rc >= 0; i++) {
        bool wide = false;
        if (l->at[i]->kind == ACCESS_UNION && l->at[i]->either)
            rc = ph_plan_wide(p, l->at[i], &wide, err);
        l->wide = l->wide || wide;
        if (!wide)
            l->at[kept++] = l->at[i];
    }
    l->count = rc < 0 ? l->count : kept;
    return rc;
}

/* Reading a second index is cheaper than fetching the records that it would rule out. */
static prophet_code intersect(planner *p, uint32_t type, candidates *l, access **best,
                              uint64_t *records, prophet_error *err)
{
    access *a = *best, *with = NULL;
    prophet_code rc = PROPHET_OK;

    if (!a || !a->sure || a->keys < 4 * FEWEST || a->kind == ACCESS_IDS)
        return PROPHET_OK;
    for (size_t i = 0; i < l->count && rc >= 0; i++) {
        access *b = l->at[i];
        if (b == a || !filters(b) || (b->covers & ~a->covers) == 0)
            continue;
        rc = ph_plan_count(p, b, PLAN_FETCH / 2 * a->keys, err);
        if (b->sure && (!with || b->keys < with->keys))
            with = b;
    }
    if (rc < 0 || !with)
        return rc;
    if (!*records && (rc = ph_plan_sample(p, type, NULL, 0, NULL, 0, records, err)) < 0)
        return rc;
    if (*records < 2 * with->keys) /* it would rule out too little */
        return PROPHET_OK;
    access *both = ph_plan_access(p, ACCESS_INTERSECT, type);
    if (!both || !(both->kids = ph_arena_alloc(p->a, 2 * sizeof *both->kids)))
        return ph_nomem(err);
    both->kids[0] = a;
    both->kids[1] = with;
    both->kid_count = 2;
    both->covers = a->covers | with->covers;
    both->exact = a->exact && with->exact;
    both->unique = true;
    both->keys = a->keys + with->keys;
    both->sure = true;
    *best = both;
    return PROPHET_OK;
}

static uint64_t all_of(const candidates *l)
{
    return l->conjuncts == 64 ? UINT64_MAX : (UINT64_C(1) << l->conjuncts) - 1;
}

/* Does it answer every condition? When the list is full there may be more than are in it. */
static bool answers_all(const access *a, const candidates *l)
{
    return a->exact && l->conjuncts < PLAN_CONDITIONS && (a->covers | ~all_of(l)) == UINT64_MAX;
}

prophet_code ph_plan_condition(planner *p, uint32_t type, const node *n, access **out,
                               prophet_error *err)
{
    candidates *l = ph_arena_alloc(p->a, sizeof *l);
    uint64_t records = 0;
    prophet_code rc;

    *out = NULL;
    if (!l)
        return ph_nomem(err);
    if ((rc = find_candidates(p, type, n, false, l, err)) < 0 ||
        (rc = choose(p, type, l, out, &records, err)) < 0 || !*out)
        return rc;
    (*out)->exact = answers_all(*out, l);
    return rc;
}

/* ---- the whole query ----------------------------------------------------------------------------------------- */

static bool in_order(const ph_query *q, const access *a, plan_order *order)
{
    *order = ph_plan_order(q, a);
    if (*order == ORDER_SORT && q->order_count == 0 && a->by_number)
        *order = ORDER_NUMBER;
    return *order != ORDER_SORT;
}

/* Of the accesses that filter, one that also orders is taken when it reads no more than the best. */
static void prefer_ordered(const ph_query *q, const candidates *l, access **best)
{
    plan_order order;

    if (!*best || in_order(q, *best, &order))
        return;
    for (size_t i = 0; i < l->count; i++) {
        access *a = l->at[i];
        if (filters(a) && in_order(q, a, &order) && a->sure == (*best)->sure &&
            a->keys <= (*best)->keys && (a->covers & (*best)->covers) == (*best)->covers) {
            *best = a;
            return;
        }
    }
}

/* Is it cheaper to walk an index in order and test, until the limit is reached? Conditions may keep each other out, so run.c turns back
 * when the walk took as long as the other way would have. */
static prophet_code walk_instead(planner *p, const candidates *l, access **best, plan *out,
                                 prophet_error *err)
{
    const ph_query *q = p->r->q;
    access *walk = NULL;
    plan_order order;
    prophet_code rc = PROPHET_OK;

    if (q->order_count == 0 || (*best && in_order(q, *best, &order)))
        return PROPHET_OK;
    for (size_t i = 0; i < l->count && !walk; i++)
        if (in_order(q, l->at[i], &order) && (!filters(l->at[i]) || !*best))
            walk = l->at[i];
    if (!walk || (!q->limited && l->conjuncts > 0))
        return PROPHET_OK;
    if (!*best) {
        *best = walk;
        out->scans = l->conjuncts > 0 && !l->wide;
        return PROPHET_OK;
    }
    if ((*best)->sure && (*best)->keys <= 4 * q->limit + FEWEST)
        return PROPHET_OK;
    access *one[1] = { *best };
    if ((rc = ph_plan_sample(p, q->type, one, 1, l->c, l->conjuncts, &out->records, err)) < 0)
        return rc;
    uint64_t matches = (*best)->keys ? (*best)->keys : 1;
    if (out->records / matches * q->limit < matches / 2) {
        out->instead = *best;
        out->instead_exact = answers_all(*best, l);
        *best = walk;
        out->scans = true;
    }
    return rc;
}

static prophet_code no_index(planner *p, bool scans, plan *out, prophet_error *err)
{
    const ph_query *q = p->r->q;
    bool first_ones =
        q->order_count == 0 && !q->deleted && (q->limited || !q->where) && !p->r->counts &&
        !ph_txn_is_overlay(p->r->t); /* all of an overlay is there after a scan begins */

    out->access = ph_plan_access(p, first_ones ? ACCESS_NUMBERS : ACCESS_SCAN, q->type);
    if (!out->access)
        return ph_nomem(err);
    out->scans = scans;
    out->order = first_ones ? ORDER_NUMBER : ORDER_SORT;
    out->ordered = first_ones;
    return PROPHET_OK;
}

static prophet_code forced_fails(const ph_query *q, prophet_error *err)
{
    ph_fail(err, PROPHET_EUSAGE, "the index %.*s of %.*s is not finished", PH_FMT(q->force->name),
            PH_FMT(q->type_name));
    ph_hint(err, "the next change goes on with it; without using() the query finds its way");
    return PROPHET_EUSAGE;
}

static bool wants_scores(const query_run *r)
{
    for (size_t i = 0; i < r->q->order_count && !r->counts; i++)
        if (r->q->order[i].score)
            return true;
    return false;
}

/* The postings of its match tell a record's score; NULL: none do. */
static access *scored_access(const ph_query *q, const candidates *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i]->kind == ACCESS_MATCH && l->at[i]->match == ph_query_scored(q)) {
            l->at[i]->scored = true;
            return l->at[i];
        }
    return NULL;
}

prophet_code ph_plan_make(query_run *r, ph_arena *a, plan *out, prophet_error *err)
{
    const ph_query *q = r->q;
    planner p = { r, a };
    access *best = NULL;
    prophet_code rc;

    *out = (plan){ .access = NULL, .order = ORDER_SORT };
    bool ordered = q->order_count > 0 && !r->counts, scored = wants_scores(r);
    out->reads_scores = scored && q->type != 0;
    if (q->deleted || q->type == 0)
        return no_index(&p, true, out, err);
    candidates *l = ph_arena_alloc(a, sizeof *l);
    if (!l)
        return ph_nomem(err);
    bool all = r->counts && !q->where; /* keys tell how many records there are */
    if ((rc = find_candidates(&p, q->type, q->where, ordered || all, l, err)) < 0)
        return rc;
    if ((rc = leave_wide(&p, l, err)) < 0)
        return rc;
    best = scored ? scored_access(q, l) : NULL;
    out->reads_scores = out->scans = scored && !best;
    if (!best && ((rc = choose(&p, q->type, l, &best, &out->records, err)) < 0 ||
                  (rc = intersect(&p, q->type, l, &best, &out->records, err)) < 0))
        return rc;
    if (!scored)
        prefer_ordered(q, l, &best);
    if (ordered && !scored && (rc = walk_instead(&p, l, &best, out, err)) < 0)
        return rc;
    if (r->groups && (rc = ph_plan_group(&p, l->at, l->count, all_of(l), &best, err)) < 0)
        return rc;
    for (size_t i = 0; all && !q->group && i < l->count && !best; i++)
        best = l->at[i]->repeats ? NULL : l->at[i];
    if (!best && q->force)
        best = l->count ? l->at[0] : NULL;
    if (!best)
        return q->force ? forced_fails(q, err) : no_index(&p, !l->wide, out, err);
    out->access = best;
    out->ordered = in_order(q, best, &out->order);
    out->exact = answers_all(best, l);
    return PROPHET_OK;
}
