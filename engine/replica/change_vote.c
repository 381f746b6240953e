/* Votes, and writes that end a conflict, inside a change. */
#include "replica/change_impl.h"

static prophet_code not_in_conflict(prophet_slice type, prophet_slice field, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "%.*s.%.*s is in no conflict here",
                              PH_FMT(type), PH_FMT(field.len ? field : ph_slice_str("life")));
    ph_error_at(err, type, field);
    return rc;
}

static prophet_code conflict_cell(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                                  prophet_slice field, ph_work_record **wr, ph_cell **cell,
                                  prophet_error *err)
{
    uint32_t number = field.len ? ph_names_find(c->r->names, field) : PH_LIFE;
    prophet_code rc = ph_change_record(c, type, id, wr, err);
    if (rc < 0)
        return rc;
    *cell = field.len && !number ? NULL : ph_record_cell(&(*wr)->rec, number);
    if (!*cell || !(*cell)->is_register || (*cell)->head_count < 2)
        return not_in_conflict(type, field, err);
    return (*cell)->loaded ? PROPHET_OK
                           : ph_cell_load(c->s->txn, &(*wr)->rec, *cell, &c->s->arena, err);
}

static prophet_code check_cast(const ph_vote_cast *v, prophet_error *err)
{
    prophet_code rc;
    if (v->choice.len && (rc = ph_value_check(v->choice, 0, err)) < 0)
        return rc;
    if (v->reason.len > PH_REASON_MAX || !ph_utf8_valid(v->reason.data, v->reason.len))
        return ph_fail(err, PROPHET_EUSAGE,
                       "the reason of a vote is UTF-8 text of at most 1,024 bytes");
    if (v->resolver.len && v->resolver_hash.len != 32)
        return ph_fail(err, PROPHET_EUSAGE, "a resolver's vote carries its source hash");
    if (v->field.len == 0 && !ph_slice_eq(v->choice, ph_life_alive) &&
        !ph_slice_eq(v->choice, ph_life_dead))
        return ph_fail(err, PROPHET_EVALIDATION, "a vote on life is \"alive\" or \"dead\"");
    return PROPHET_OK;
}

prophet_code ph_change_vote_fits(ph_change_txn *c, const ph_vote_cast *v, prophet_error *err)
{
    const ph_schema *schema;
    const ph_edit edit = { PH_E_SET, v->field, v->choice };
    ph_work_record *wr;
    ph_cell *cell;
    prophet_code rc = conflict_cell(c, v->type, &v->record, v->field, &wr, &cell, err);
    if (rc < 0 || !v->field.len || !v->choice.len)
        return rc;
    for (uint32_t i = 0; i < cell->head_count; i++)
        if (ph_slice_eq(cell->heads[i].value, v->choice)) /* somebody's value, whatever it fits */
            return PROPHET_OK;
    rc = ph_schemas_get(c->r, c->s->txn, c->s->state.schema, v->type, &schema, err);
    return rc < 0 ? rc : ph_validate_edits(c, schema, NULL, false, &edit, 1, err);
}

static bool same_cell(const ph_vote_cast *a, const ph_vote_cast *b)
{
    return ph_uuid_eq(&a->record, &b->record) && ph_slice_eq(a->field, b->field) &&
           ph_slice_eq(a->type, b->type);
}

bool ph_change_vote_stands(const ph_change_txn *c, size_t at)
{
    for (size_t i = at + 1; c->voted_again && i < c->votes.count; i++)
        if (same_cell(&c->votes.at[at].cast, &c->votes.at[i].cast))
            return false;
    return true;
}

static bool same_question(const ph_vote_cast *v, const ph_cell *cell, size_t distinct)
{
    if (!v->asked)
        return true;
    for (uint32_t i = 0; i < cell->head_count; i++) {
        size_t k = 0;
        while (k < v->asked_count && !ph_slice_eq(cell->heads[i].value, v->asked[k]))
            k++;
        if (k == v->asked_count)
            return false;
    }
    return distinct == v->asked_count;
}

prophet_code ph_change_vote(ph_change_txn *c, const ph_vote_cast *v, prophet_error *err)
{
    ph_noted_vote note = { .cast = *v };
    ph_work_record *wr;
    ph_cell *cell;
    bool ok = true;
    prophet_code rc;
    if ((rc = check_cast(v, err)) < 0 ||
        (rc = conflict_cell(c, v->type, &v->record, v->field, &wr, &cell, err)) < 0)
        return rc;
    size_t distinct = ph_heads_distinct(cell->heads, cell->head_count);
    if (distinct < 2)
        return not_in_conflict(v->type, v->field, err);
    if (!same_question(v, cell, distinct))
        return PROPHET_DONE;
    note.cast.asked = NULL;
    prophet_slice *copies[] = { &note.cast.type,     &note.cast.field,         &note.cast.choice,
                                &note.cast.resolver, &note.cast.resolver_hash, &note.cast.reason };
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        *copies[i] = ph_arena_copy(&c->arena, *copies[i], &ok);
    uint64_t *heads = ph_arena_alloc(&c->arena, (cell->head_count + 1u) * sizeof *heads);
    if (!ok || !heads)
        return ph_nomem(err);
    for (uint32_t i = 0; i < cell->head_count; i++)
        if (cell->heads[i].version != c->version)
            heads[note.head_count++] = cell->heads[i].version;
    note.heads = heads;
    size_t inside = c->depth ? c->saved[c->depth - 1].votes : 0;
    for (size_t i = 0; i < c->votes.count; i++) { /* one vote a cell: the later one stands */
        if (!same_cell(&c->votes.at[i].cast, v))
            continue;
        if (i >= inside) {
            c->votes.at[i] = note;
            return PROPHET_OK;
        }
        c->voted_again = true; /* the one before the savepoint may come back */
    }
    return PH_PUSH(c->votes, note) ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_change_resolve(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                               prophet_slice field, prophet_slice value, prophet_error *err)
{
    const ph_schema *schema;
    ph_work_record *wr;
    ph_cell *cell;
    ph_edit edit = { value.len ? PH_E_SET : PH_E_UNSET, field, value };
    prophet_code rc;
    if ((rc = conflict_cell(c, type, id, field, &wr, &cell, err)) < 0)
        return rc;
    if (field.len && !wr->rec.alive) { /* writing it would bring the record back */
        rc = ph_fail(err, PROPHET_ENOTFOUND, "the record is deleted: %.*s.%.*s cannot be resolved",
                     PH_FMT(type), PH_FMT(field));
        ph_hint(err, "restore it first");
        return rc;
    }
    if (field.len == 0) {
        bool alive = ph_slice_eq(value, ph_life_alive);
        if (!alive && !ph_slice_eq(value, ph_life_dead))
            return ph_fail(err, PROPHET_EVALIDATION, "life resolves to \"alive\" or \"dead\"");
        return ph_change_life(c, wr, type, alive ? PH_N_RESTORE : PH_N_DELETE, err);
    }
    if ((rc = ph_schemas_get(c->r, c->s->txn, c->s->state.schema, type, &schema, err)) < 0 ||
        (value.len && (rc = ph_validate_edits(c, schema, NULL, false, &edit, 1, err)) < 0) ||
        (rc = ph_change_write(c, wr, type, 0, field, value, err)) < 0)
        return rc;
    return ph_change_life(c, wr, type, PH_N_UPDATE, err);
}

prophet_code ph_change_asked(ph_change_txn *c, const ph_cell_key *cell, const uint8_t question[32],
                             const uint8_t resolver[32], prophet_slice what, prophet_error *err)
{
    return ph_local_asked(c->s, cell, question, resolver, what, err);
}

prophet_code ph_change_local(ph_change_txn *c, prophet_slice name, prophet_slice value,
                             prophet_error *err)
{
    prophet_code rc;
    if (name.len == 0 || name.len > 500 || !ph_utf8_valid(name.data, name.len))
        return ph_fail(err, PROPHET_EUSAGE,
                       "the name of a local value is UTF-8 text of 1 to 500 bytes");
    if (value.len && (rc = ph_value_check(value, 0, err)) < 0)
        return rc;
    return ph_local_value(c->s, name, value, err);
}
