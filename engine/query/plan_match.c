/* plan_match: a match as an access: the full-text index of the query's own type, where it is there and its words are cut as they are now.
 * Otherwise the records are read (match.c).
 *
 * Called by plan.c. */
#include "query/search_impl.h"

static bool same_layout(const ph_text_layout *a, const ph_text_layout *b)
{
    return a->index == b->index && a->slots == b->slots && a->fingerprint == b->fingerprint &&
           memcmp(a->field, b->field, a->slots * sizeof *a->field) == 0 &&
           memcmp(a->language, b->language, a->slots * sizeof *a->language) == 0;
}

/* PROPHET_DONE: not to be used. The words of a past version are those of today. */
static prophet_code usable(planner *p, const ph_text_layout *layout, ph_text_head *head,
                           prophet_error *err)
{
    if (!layout || ph_txn_is_overlay(p->r->t))
        return PROPHET_DONE;
    ph_ix_job job;
    prophet_code rc = ph_ix_job_get(p->r->t, layout->index, &job, err);
    if (rc != PROPHET_DONE) /* not all records are in it yet */
        return rc < 0 ? rc : PROPHET_DONE;
    rc = ph_text_head_get(p->r->t, layout->index, head, err);
    return rc == PROPHET_OK && !same_layout(&head->layout, layout) ? PROPHET_DONE : rc;
}

prophet_code ph_plan_match(planner *p, uint32_t type, const node *n, access **out,
                           prophet_error *err)
{
    const ph_query *q = p->r->q;
    ph_text_head *head = ph_arena_alloc(p->a, sizeof *head);
    search s;
    bool possible;

    *out = NULL;
    if (!head)
        return ph_nomem(err);
    if (type != q->type)
        return PROPHET_OK;
    prophet_code rc = usable(p, q->text, head, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    access *a = ph_plan_access(p, ACCESS_MATCH, type);
    if (!a)
        return ph_nomem(err);
    if ((rc = ph_search_open(&s, p->r, n, head, true, &possible, err)) >= 0 && possible) {
        a->match = n;
        a->head = head;
        a->exact = s.exact;
        a->keys = s.groups[0].keys < head->records ? s.groups[0].keys : head->records;
        a->sure = a->unique = a->by_number = true;
        a->total = ph_search_counted(&s, &a->keys);
        *out = a;
    }
    ph_search_close(&s);
    return rc;
}

static const node *first_match(const node *n)
{
    const node *found = n->op == OP_MATCH ? n : NULL;

    for (size_t i = 0; n->op == OP_AND && i < n->kid_count && !found; i++)
        found = first_match(n->kids[i]);
    return found;
}

const node *ph_query_scored(const ph_query *q)
{
    return q->where ? first_match(q->where) : NULL;
}
