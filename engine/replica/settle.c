/* Settles the cells a session touched: loads stamps and ballots, asks merge/settle.c, keeps what is shown and the rows of
 * the conflict tables. Runs once before the commit, on the final state: a pure function of heads, ballots, rules and weights. */
#include "replica/replica_impl.h"
#include <stdlib.h>

/* A change that is being made has no row yet: it will name all heads, so that its lamport is above all others and its id is
 * never compared. */
static prophet_code changeset_row(const ph_lookup *l, uint64_t version, ph_changeset_row *out,
                                  prophet_error *err)
{
    if (l->s && version == l->s->state.version + 1) {
        *out = (ph_changeset_row){ .lamport = l->s->state.lamport + 1 };
        return PROPHET_OK;
    }
    return l->s ? ph_session_changeset_row(l->s, version, out, err)
                : ph_changesets_get(l->txn, version, out, err);
}

static prophet_code load_heads(const ph_lookup *l, const ph_cell *c, ph_arena *a,
                               ph_cell_question *q, prophet_error *err)
{
    ph_candidate_head *heads = ph_arena_alloc(a, (c->head_count + 1u) * sizeof *heads);
    if (!heads)
        return ph_nomem(err);
    for (uint32_t i = 0; i < c->head_count; i++) {
        ph_changeset_row row;
        prophet_code rc = changeset_row(l, c->heads[i].version, &row, err);
        if (rc < 0)
            return rc;
        heads[i].version = c->heads[i].version;
        heads[i].stamp.lamport = row.lamport;
        heads[i].stamp.id = row.id;
        heads[i].value = c->heads[i].value;
    }
    q->heads = heads;
    q->head_count = c->head_count;
    return PROPHET_OK;
}

static prophet_code load_ballot(const ph_lookup *l, const ph_stored_ballot *from, ph_arena *a,
                                ph_ballot *to, prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = changeset_row(l, from->version, &row, err);
    if (rc < 0)
        return rc;
    ph_seen *seen = ph_arena_alloc(a, (from->seen_count + 1u) * sizeof *seen);
    if (!seen)
        return ph_nomem(err);
    for (uint32_t i = 0; i < from->seen_count; i++) {
        seen[i].version = from->seen[i];
        seen[i].value = from->seen_values[i];
    }
    to->by_resolver = from->by_resolver;
    to->stamp.lamport = row.lamport;
    to->stamp.id = row.id;
    to->choice = from->choice;
    to->seen = seen;
    to->seen_count = from->seen_count;
    return ph_schemas_weight(l->r, l->txn, l->stamp, row.ridx, &to->voter, &to->weight, err);
}

prophet_code ph_cell_question_load(const ph_lookup *l, ph_record *rec, ph_cell *c,
                                   prophet_slice type, prophet_slice field, ph_arena *a,
                                   ph_cell_question *out, ph_stored_ballot **ballots,
                                   prophet_error *err)
{
    const ph_schema *schema;
    size_t count = 0;
    prophet_code rc;

    *out = (ph_cell_question){ .life = field.len == 0,
                               .rule = field.len == 0 ? PH_RULE_ALIVE_WINS : PH_RULE_LATEST };
    *ballots = NULL;
    if (!c->loaded && (rc = ph_cell_load(l->txn, rec, c, a, err)) < 0)
        return rc;
    if ((rc = load_heads(l, c, a, out, err)) < 0)
        return rc;
    if (ph_type_reserved(type)) { /* whatever anybody votes, life too */
        out->rule = PH_RULE_LATEST;
        return PROPHET_OK;
    }
    if ((rc = ph_schemas_get(l->r, l->txn, l->stamp, type, &schema, err)) < 0)
        return rc;
    const ph_field_def *def = field.len ? ph_schema_field(schema, field) : NULL;
    out->rule = field.len == 0 ? schema->life_rule : def ? def->rule : PH_RULE_LATEST;
    if (c->ballot_count == 0)
        return PROPHET_OK;
    if ((rc = ph_cell_ballots(l->txn, rec, c, a, ballots, &count, err)) < 0)
        return rc;
    ph_ballot *b = ph_arena_zalloc(a, (count + 1) * sizeof *b);
    if (!b)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++)
        if ((rc = load_ballot(l, &(*ballots)[i], a, &b[i], err)) < 0)
            return rc;
    out->ballots = b;
    out->ballot_count = count;
    return PROPHET_OK;
}

static prophet_code drop_spent(ph_session *s, ph_work_record *wr, ph_cell *c,
                               const ph_cell_question *q, const ph_stored_ballot *stored,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < q->ballot_count && rc >= 0; i++)
#ifdef PH_PLANT_idle_votes_dropped
        if (!ph_ballot_counts(q, &q->ballots[i]))
#else
        if (ph_ballot_is_spent(q, &q->ballots[i]))
#endif
            rc = ph_cell_ballot_drop(s->txn, &wr->rec, c, stored[i].version, err);
    return rc;
}

static bool is_reserved(ph_session *s, const ph_work_record *wr)
{
    return ph_type_reserved(ph_names_get(s->r->names, wr->rec.type));
}

static prophet_code keep_outcome(ph_session *s, ph_work_record *wr, ph_cell *c, const ph_outcome *o,
                                 prophet_error *err)
{
    ph_cell_key key = { wr->rec.type, wr->rec.uuid, c->field };
    uint8_t question[32];
    bool open = o->status != PH_CLEAN, asked = true, life = c->field == PH_LIFE;
    bool question_due = open && !is_reserved(s, wr); /* votes on reserved types have no effect */
    prophet_code rc;
    if (question_due && ((rc = ph_question_hash(s->r->hasher, o, question, err)) < 0 ||
                         (rc = ph_question_asked(s->txn, &key, question, &asked, err)) < 0))
        return rc;
    if (c->forked && (!life || c->was_dead) && (rc = ph_conflicts_mark(s->txn, &key, err)) < 0)
        return rc;
    if ((open || c->conflict) && (rc = ph_conflicts_set(s->txn, &key, open, o->status == PH_DECIDED,
                                                        question_due && !asked, err)) < 0)
        return rc;
    if (open && !c->conflict) {
        s->opened++;
        if (s->opened_cells && s->opened_cells->count < PH_OPENED_MAX &&
            !PH_PUSH(*s->opened_cells, key))
            return ph_nomem(err);
    }
    c->conflict = open;
    c->decided = o->status == PH_DECIDED;
    c->shown = o->value;
    if (life)
        wr->rec.alive = ph_slice_eq(o->value, ph_life_alive);
    c->dirty = wr->rec.dirty = true;
    return ph_work_queue(s, wr) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code settle_cell(ph_session *s, ph_work_record *wr, uint32_t field,
                                prophet_error *err)
{
    ph_lookup l = { s->r, s->txn, s, s->state.schema };
    ph_cell *c = ph_record_cell(&wr->rec, field);
    ph_cell_question q;
    ph_stored_ballot *stored;
    ph_outcome o;
    prophet_code rc;
    if (!c || !c->is_register)
        return PROPHET_OK;
    prophet_slice type = ph_names_get(s->r->names, wr->rec.type);
    prophet_slice name = field == PH_LIFE ? ph_slice(NULL, 0) : ph_names_get(s->r->names, field);
    if ((rc = ph_cell_question_load(&l, &wr->rec, c, type, name, &s->arena, &q, &stored, err)) <
            0 ||
        (rc = drop_spent(s, wr, c, &q, stored, err)) < 0 ||
        (rc = ph_settle(&q, &s->arena, &o, err)) < 0)
        return rc;
    return keep_outcome(s, wr, c, &o, err);
}

/* ---- rules and weights that changed ----------------------------------------------------------------------- */

prophet_code ph_settle_later(ph_session *s, const ph_cell_key *cell, prophet_error *err)
{
    ph_work_record *wr;
    prophet_code rc = ph_work_record_get(s, cell->type, &cell->uuid, &wr, err);
    if (rc < 0)
        return rc;
    ph_touched t = { wr, cell->field };
    return PH_PUSH(s->touched, t) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code touch_open(ph_session *s, uint32_t type, prophet_error *err)
{
    ph_cell_key keys[256], after;
    const ph_cell_key *from = NULL;
    size_t n;
    do {
        prophet_code rc = ph_conflicts_list(s->txn, PH_T_OPEN, type, from, keys, 256, &n, err);
        if (rc < 0)
            return rc;
        for (size_t i = 0; i < n; i++)
            if ((rc = ph_settle_later(s, &keys[i], err)) < 0)
                return rc;
        if (n) {
            after = keys[n - 1];
            from = &after;
        }
    } while (n == 256);
    return PROPHET_OK;
}

/* Types whose `_type` record is among the work: their rules and indexes may be other ones now. */
static prophet_code changed_types(ph_session *s, ph_work_record *const *work, size_t n,
                                  prophet_error *err)
{
    uint32_t type_type = ph_names_find(s->r->names, ph_slice_str("_type"));
    prophet_code rc = s->all_types ? touch_open(s, 0, err) : PROPHET_OK;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        const ph_schema *schema;
        prophet_slice name;
        if (work[i]->rec.type != type_type)
            continue;
        if ((rc = ph_schema_type_of(s, &work[i]->rec, &name, err)) < 0)
            return rc;
        if (name.len == 0) /* of a type that nobody has seen */
            continue;
        uint32_t type = ph_names_find(s->r->names, name);
#ifndef PH_PLANT_rules_settle_nothing
        if (type && !s->all_types && (rc = touch_open(s, type, err)) < 0)
            return rc;
#endif
        if ((rc = ph_schemas_get(s->r, s->txn, s->state.schema, name, &schema, err)) >= 0)
            rc = ph_secondary_declare(s, schema, err);
        if (rc >= 0)
            rc = ph_fulltext_declare(s, schema, err);
    }
    return rc;
}

/* The rows of reserved records come first: rules and weights are read from them. */
static prophet_code new_rules(ph_session *s, prophet_error *err)
{
    size_t n = s->queue.count;
    ph_work_record **work = ph_arena_alloc(&s->arena, (n + 1) * sizeof *work);
    prophet_code rc;
    if (!work)
        return ph_nomem(err);
    if (n)
        memcpy(work, s->queue.at, n * sizeof *work);
    s->schema_touched = false;
    if ((rc = ph_work_store_reserved(s, err)) < 0 || (rc = ph_session_store_replicas(s, err)) < 0)
        return rc;
    s->state.schema++;
    ph_schemas_forget(s->r);
    rc = changed_types(s, work, n, err);
    s->all_types = false;
    return rc;
}

static int by_cell(const void *a, const void *b)
{
    const ph_touched *x = a, *y = b;
    int c = memcmp(x->wr->key, y->wr->key, sizeof x->wr->key);
    return c ? c : (x->field > y->field) - (x->field < y->field);
}

static void sort_touched(ph_session *s)
{
    if (s->touched.count > 1)
        qsort(s->touched.at, s->touched.count, sizeof *s->touched.at, by_cell);
}

static prophet_code settle_all(ph_session *s, bool reserved, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < s->touched.count && rc >= 0; i++) {
        ph_touched *t = &s->touched.at[i];
        bool again = i > 0 && t->wr == t[-1].wr && t->field == t[-1].field;
        if (!again && is_reserved(s, t->wr) == reserved)
            rc = settle_cell(s, t->wr, t->field, err);
    }
    return rc;
}

prophet_code ph_settle_touched(ph_session *s, prophet_error *err)
{
    prophet_code rc;
    if (s->others_asked && (rc = touch_open(s, 0, err)) < 0)
        return rc;
    s->others_asked = false;
    if (s->touched.count == 0 && !s->schema_touched)
        return PROPHET_OK;
    sort_touched(s);
    if ((rc = settle_all(s, true, err)) < 0) /* first what rules and weights come from */
        return rc;
    if (s->schema_touched) {
        if ((rc = new_rules(s, err)) < 0)
            return rc;
        sort_touched(s);
    }
    rc = settle_all(s, false, err);
    s->touched.count = 0;
    return rc;
}
