/* plan_join: a condition along a path is asked of the records at its end first. Those that fit become values of the reference
 * ("milestone.name": milestone is one of these), or, of many-fields, the records they refer to ("comments.author"). Paths of several
 * steps go the same way, step by step, since the rest of a path is a condition like any other.
 *
 * Called by plan.c for conditions with a path; calls back to plan the rest. */
#include "query/plan_impl.h"
#include <stdlib.h>

typedef struct found_ids {
    ph_uuid *at;
    size_t count, cap;
    bool nomem;
} found_ids;

static void add_id(found_ids *l, const ph_uuid *id, ph_arena *a)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        ph_uuid *at = ph_arena_alloc(a, cap * sizeof *at);
        if (!at) {
            l->nomem = true;
            return;
        }
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = *id;
}

/* What a row's field refers to. */
static prophet_code add_targets(query_run *r, const ph_row *row, uint32_t field, found_ids *l,
                                ph_arena *a, prophet_error *err)
{
    ph_shown shown;
    ph_item x, one;
    ph_uuid id;
    prophet_code rc = ph_row_field(r->t, row, field, &r->row_arena, &shown, err);

    if (rc < 0 || shown.kind == PH_SHOWN_NONE || !ph_value_open(shown.value, &x))
        return rc;
    ph_reader in = ph_reader_of(x.kind == PH_LIST ? x.s : x.raw);
    while (ph_read_item(&in, &one))
        if (one.kind == PH_REF) {
            memcpy(id.b, one.s.data, sizeof id.b);
            add_id(l, &id, a);
        }
    return PROPHET_OK;
}

/* The node with the rest of its path. */
static node *rest_of(planner *p, const node *n)
{
    node *rest = ph_arena_alloc(p->a, sizeof *rest);
    path *tail = ph_arena_alloc(p->a, sizeof *tail);

    if (!rest || !tail)
        return NULL;
    *rest = *n;
    *tail = *n->path;
    tail->steps++;
    tail->count--;
    rest->path = tail;
    return rest;
}

/* Records that fit the rest of the path, as they are, or as what they refer to. PROPHET_DONE: too many. */
static prophet_code collect(planner *p, const path_step *step, const node *rest, access *from,
                            found_ids *out, prophet_error *err)
{
    query_run *r = p->r;
    access_source s;
    ph_query_hit hit;
    ph_row row;
    size_t tested = 0;
    prophet_code rc = ph_source_open(r, from, ORDER_NUMBER, &s, err);

    if (rc < 0)
        return rc;
    while (rc == PROPHET_OK && (rc = ph_source_next(&s, &hit, err)) == PROPHET_OK) {
        bool fits = true;
        if (tested++ == PLAN_JOIN) {
            ph_source_close(&s);
            return PROPHET_DONE;
        }
        if (from->exact && !hit.test && step->kind != STEP_MANY) { /* its key says it all */
            add_id(out, &hit.uuid, p->a);
            continue;
        }
        rc = ph_query_row(r, step->to, &hit.uuid, &row, err);
        ph_arena_reset(&r->row_arena);
        if (rc == PROPHET_OK && row.alive)
            rc = ph_query_eval(r, rest, &row, &fits, err);
        if (rc == PROPHET_OK && row.alive && fits) {
            if (step->kind == STEP_MANY)
                rc = add_targets(r, &row, step->field, out, p->a, err);
            else
                add_id(out, &hit.uuid, p->a);
        }
        rc = rc == PROPHET_DONE ? PROPHET_OK : rc;
    }
    ph_source_close(&s);
    return rc < 0 ? rc : out->nomem ? ph_nomem(err) : PROPHET_OK;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(ph_uuid));
}

static prophet_code as_condition(planner *p, const node *n, const found_ids *ids, node **out,
                                 prophet_error *err)
{
    node *in = ph_arena_zalloc(p->a, sizeof *in);
    path *first = ph_arena_alloc(p->a, sizeof *first);
    prophet_slice *values = ph_arena_alloc(p->a, (ids->count + 1) * sizeof *values);

    if (!in || !first || !values)
        return ph_nomem(err);
    ph_sort(ids->at, ids->count, sizeof *ids->at, by_id); /* as values of "in" are */
    *first = *n->path;
    first->count = 1;
    first->kind = n->path->steps[0].declared;
    for (size_t i = 0; i < ids->count; i++) {
        uint8_t *ref = ph_arena_alloc(p->a, 19); /* tag 37, 16 bytes */
        if (!ref)
            return ph_nomem(err);
        ref[0] = 0xd8;
        ref[1] = 0x25;
        ref[2] = 0x50;
        memcpy(ref + 3, ids->at[i].b, 16);
        values[i] = ph_slice(ref, 19);
    }
    in->op = OP_IN;
    in->path = first;
    in->path_count = 1;
    in->values = values;
    in->value_count = ids->count;
    *out = in;
    return PROPHET_OK;
}

/* Does some index of the type begin with the step's field? Else the work would be in vain. */
static bool has_index(const planner *p, uint32_t type, const path_step *step)
{
    const query_type *t = ph_query_type_of(p->r->q, type);

    if (step->kind == STEP_MANY)
        return true;
    for (size_t i = 0; t && i < t->index_count; i++)
        for (size_t f = 0; f < t->indexes[i].def.count; f++)
            if (t->indexes[i].def.fields[f] == step->field && step->field)
                return true;
    return false;
}

prophet_code ph_plan_join(planner *p, uint32_t type, const node *n, node **as_values,
                          access **as_ids, prophet_error *err)
{
    const path_step *step = &n->path->steps[0];
    bool many = step->kind == STEP_MANY;
    found_ids ids = { 0 };
    access *from = NULL;
    prophet_code rc;

    *as_values = NULL;
    *as_ids = NULL;
    /* of these, several records along the path may have a part each */
    bool joint = n->op == OP_MATCH || n->op == OP_HAS_ALL;
    if (joint || n->path->count < 2 || (!many && step->kind != STEP_FIELD) ||
        !has_index(p, type, step))
        return PROPHET_OK;
    if (step->to == 0 || step->field == 0) { /* there are no records to refer to */
        if (many)
            *as_ids = ph_plan_access(p, ACCESS_IDS, type);
        return many && !*as_ids ? ph_nomem(err) : PROPHET_OK;
    }
    node *rest = rest_of(p, n);
    if (!rest)
        return ph_nomem(err);
    if ((rc = ph_plan_condition(p, step->to, rest, &from, err)) < 0)
        return rc;
    if (!from && !(from = ph_plan_access(p, ACCESS_SCAN, step->to)))
        return ph_nomem(err);
    if ((rc = collect(p, step, rest, from, &ids, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if (!many)
        return as_condition(p, n, &ids, as_values, err);
    access *a = ph_plan_access(p, ACCESS_IDS, type);
    char *said = ph_arena_str(p->a, n->path->text);
    if (!a || !said)
        return ph_nomem(err);
    a->ids = ids.at;
    a->id_count = ids.count;
    a->join = said;
    a->keys = ids.count;
    a->sure = true;
    a->exact = true;
    *as_ids = a;
    return PROPHET_OK;
}
