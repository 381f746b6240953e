/* Taking a changeset back: each of its operations is undone by one that names that changeset alone, not today's heads. What was written
 * over it since is then concurrent with the revert, and merges like any two edits: a conflict where values differ, and nothing is lost.
 * What a field had before is what the changeset saw: the values it wrote over. */
#include "replica/change_impl.h"

typedef struct reverting {
    ph_change_txn *c;
    const ph_changeset *cs;
    const uint64_t *names;      /* versions of what it names */
    const ph_changeset **named; /* they, once they were asked for: perhaps for each record */
    uint64_t version;           /* its own */
    size_t wrote;
    ph_counter_story story; /* of the counters of the record at hand, once one was asked for */
    bool has_story;
} reverting;

static prophet_code refuse(const reverting *r, const char *why, const char *hint,
                           prophet_error *err)
{
    prophet_code rc =
        ph_fail(err, PROPHET_EUSAGE, "changeset %llu %s", (unsigned long long)r->version, why);
    ph_hint(err, "%s", hint);
    return rc;
}

static prophet_code named_changeset(reverting *r, uint32_t pos, const ph_changeset **out,
                                    prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!r->named[pos])
        rc = ph_session_changeset(r->c->s, r->names[pos], &r->named[pos], err);
    *out = r->named[pos];
    return rc;
}

/* What the heads it wrote over held; of several values that of the greatest stamp. Empty: nothing. */
static prophet_code value_before(reverting *r, const ph_change *ch, prophet_slice field,
                                 const ph_over *over, prophet_slice *out, prophet_error *err)
{
    ph_stamp best = { 0, { { 0 } } };
    prophet_code rc = PROPHET_OK;
    *out = ph_slice(NULL, 0);
    for (uint32_t i = 0; i < over->count && rc >= 0; i++) {
        const ph_changeset *before;
        ph_changeset_row row;
        prophet_slice value;
        ph_over ignored;
        uint64_t version = r->names[over->pos[i]];
        if ((rc = named_changeset(r, over->pos[i], &before, err)) < 0 ||
            (rc = ph_session_changeset_row(r->c->s, version, &row, err)) < 0)
            break;
        ph_stamp stamp = { row.lamport, row.id };
        if (ph_changeset_wrote(before, ch->type, &ch->record, field, &value, &ignored) &&
            ph_stamp_cmp(&stamp, &best) > 0) {
            best = stamp;
            *out = value;
        }
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* The note of an operation that names the reverted changeset, or nothing. */
static prophet_code note_op(reverting *r, ph_work_record *wr, const ph_change *ch,
                            const ph_op *like, ph_op_kind kind, prophet_slice value, bool over,
                            ph_note *out, prophet_error *err)
{
    ph_change_txn *c = r->c;
    bool ok = true;
    uint64_t *named = ph_arena_alloc(&c->arena, sizeof *named);
    if (!named)
        return ph_nomem(err);
    *named = r->version;
    *out = (ph_note){ .kind = PH_N_OP,
                      .op = kind,
                      .field = ph_arena_copy(&c->arena, like->field, &ok),
                      .value = ph_arena_copy(&c->arena, value, &ok),
                      .over = named,
                      .over_count = over };
    r->wrote++;
    return ok ? ph_change_note(c, wr, ch->type, *out, err) : ph_nomem(err);
}

/* It was written over, and what was before it is shown again, or a candidate: to write that once more would only part it from what came later. */
static prophet_code back_already(reverting *r, ph_work_record *wr, uint32_t field,
                                 prophet_slice before, bool *yes, prophet_error *err)
{
    ph_session *s = r->c->s;
    ph_cell *cell = ph_record_cell(&wr->rec, field);
    prophet_code rc = PROPHET_OK;
    *yes = false;
    if (!cell || (!cell->loaded && (rc = ph_cell_load(s->txn, &wr->rec, cell, &s->arena, err)) < 0))
        return rc;
    for (uint32_t i = 0; i < cell->head_count; i++) {
        if (cell->heads[i].version == r->version) {
            *yes = false;
            break;
        }
        *yes = *yes || ph_slice_eq(cell->heads[i].value, before);
    }
    return PROPHET_OK;
}

static prophet_code revert_register(reverting *r, ph_work_record *wr, const ph_change *ch,
                                    const ph_op *op, uint32_t field, prophet_error *err)
{
    prophet_slice before, wrote = op->kind == PH_SET ? op->value : ph_slice(NULL, 0);
    ph_note note;
    prophet_code rc = value_before(r, ch, op->field, &op->over, &before, err);
    bool done = false;
    if (rc < 0 || ph_slice_eq(before, wrote) ||
        (rc = back_already(r, wr, field, before, &done, err)) < 0 || done)
        return rc;
    if ((rc = note_op(r, wr, ch, op, before.len ? PH_SET : PH_UNSET, before, true, &note, err)) < 0)
        return rc;
    return ph_apply_register(r->c->s, wr, field, note.value, note.over, 1, r->c->version, err);
}

/* add: an element that was taken away comes back, unless somebody added it again; else: this changeset's own add goes. */
static prophet_code revert_element(reverting *r, ph_work_record *wr, const ph_change *ch,
                                   const ph_op *op, prophet_slice value, uint32_t field, bool add,
                                   prophet_error *err)
{
    ph_session *s = r->c->s;
    ph_cell *cell;
    ph_element *e;
    ph_note note;
    bool own = false;
    prophet_code rc;
    if ((rc = ph_record_cell_make(&wr->rec, field, &s->arena, &cell, err)) < 0 ||
        (rc = ph_cell_element(s->txn, &wr->rec, cell, value, &s->arena, &e, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < e->add_count; i++)
        own = own || e->adds[i] == r->version;
    if (add ? e->add_count > 0 : !own)
        return PROPHET_OK;
    if ((rc = note_op(r, wr, ch, op, add ? PH_ADD : PH_REMOVE, value, !add, &note, err)) < 0)
        return rc;
    return ph_apply_element(s, wr, field, note.value, add, note.over, note.over_count,
                            r->c->version, err);
}

static bool said_of_cell(const ph_change *ch, const ph_op *like, prophet_slice value)
{
    for (size_t i = 0; i < ch->op_count; i++)
        if ((ch->ops[i].kind == PH_ADD || ch->ops[i].kind == PH_REMOVE) &&
            ph_slice_eq(ch->ops[i].field, like->field) && ph_slice_eq(ch->ops[i].value, value))
            return true;
    return false;
}

/* What a changeset that is named did to the same record; NULL: nothing. */
static prophet_code change_named(reverting *r, const ph_change *ch, uint32_t pos,
                                 const ph_change **out, prophet_error *err)
{
    const ph_changeset *named;
    prophet_code rc = named_changeset(r, pos, &named, err);
    *out = rc >= 0 && named->has_body ? ph_changeset_change(named, ch->type, &ch->record) : NULL;
    return rc < 0 ? rc : PROPHET_OK;
}

/* An element that was taken away comes back, but no mark of a revert, which is of none of the adds it names. */
static prophet_code revert_remove(reverting *r, ph_work_record *wr, const ph_change *ch,
                                  const ph_op *op, uint32_t field, prophet_error *err)
{
    const ph_change *adds;
    bool added = false;
    prophet_code rc = PROPHET_OK;
    for (uint32_t i = 0; i < op->over.count && rc >= 0 && !added; i++) {
        rc = change_named(r, ch, op->over.pos[i], &adds, err);
        for (size_t k = 0; rc >= 0 && adds && k < adds->op_count; k++)
            added = added ||
                    (adds->ops[k].kind == PH_ADD && ph_slice_eq(adds->ops[k].field, op->field) &&
                     ph_slice_eq(adds->ops[k].value, op->value));
    }
    return rc < 0 || !added ? rc : revert_element(r, wr, ch, op, op->value, field, true, err);
}

/* An unset that cleared a set named the changesets of its adds: these elements come back. */
static prophet_code revert_clearing(reverting *r, ph_work_record *wr, const ph_change *ch,
                                    const ph_op *op, uint32_t field, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (uint32_t i = 0; i < op->over.count && rc >= 0; i++) {
        const ph_change *adds;
        if ((rc = change_named(r, ch, op->over.pos[i], &adds, err)) < 0)
            break;
        for (size_t k = 0; adds && k < adds->op_count && rc >= 0; k++)
            if (adds->ops[k].kind == PH_ADD && ph_slice_eq(adds->ops[k].field, op->field) &&
                !said_of_cell(ch, op, adds->ops[k].value))
                rc = revert_element(r, wr, ch, op, adds->ops[k].value, field, true, err);
    }
    return rc;
}

static prophet_code counter_in_force(reverting *r, const ph_work_record *wr, uint32_t field,
                                     bool *yes, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!r->has_story && (rc = ph_counter_story_read(r->c->s, wr, r->version, &r->story, err)) < 0)
        return rc;
    r->has_story = true;
    return ph_counter_in_force(&r->story, field, r->version, yes, err);
}

/* If it is in force it is subtracted, and marked as taken back (counter.c). */
static prophet_code revert_increment(reverting *r, ph_work_record *wr, const ph_change *ch,
                                     const ph_op *op, uint32_t field, prophet_error *err)
{
    static const uint8_t once[] = { 1 }; /* canonical */
    int64_t back = (int64_t)(0 - (uint64_t)op->amount);
    bool in_force;
    ph_note note;
    prophet_code rc = counter_in_force(r, wr, field, &in_force, err);
    if (rc < 0 || !in_force || back == 0 ||
        (rc = note_op(r, wr, ch, op, PH_REMOVE, ph_slice(once, sizeof once), true, &note, err)) < 0)
        return rc;
    note = (ph_note){ .kind = PH_N_OP, .op = PH_INC, .field = note.field, .amount = back };
    r->c->twice = true; /* what it shows is counted when it is applied */
    if ((rc = ph_change_note(r->c, wr, ch->type, note, err)) < 0)
        return rc;
    return ph_apply_counter(r->c->s, wr, field, back, err);
}

static prophet_code revert_op(reverting *r, ph_work_record *wr, const ph_change *ch,
                              const ph_op *op, prophet_error *err)
{
    uint32_t field;
    prophet_code rc =
        ph_names_intern(r->c->r->names, r->c->s->txn, &r->c->s->state, op->field, &field, err);
    if (rc < 0)
        return rc;
    switch (op->kind) {
    case PH_UNSET:
        if ((rc = revert_clearing(r, wr, ch, op, field, err)) < 0)
            return rc;
        return revert_register(r, wr, ch, op, field, err);
    case PH_SET: return revert_register(r, wr, ch, op, field, err);
    case PH_ADD: return revert_element(r, wr, ch, op, op->value, field, false, err);
    case PH_REMOVE: return revert_remove(r, wr, ch, op, field, err);
    case PH_INC: break;
    }
    return revert_increment(r, wr, ch, op, field, err);
}

/* Did this change bring a dead record back? */
static prophet_code revived(reverting *r, const ph_change *ch, bool *yes, prophet_error *err)
{
    prophet_slice before;
    prophet_code rc = PROPHET_OK;
    *yes = false;
    for (uint32_t i = 0; i < ch->over.count && rc >= 0 && !*yes; i++) {
        const ph_over one = { .pos = ch->over.pos + i, .count = 1 };
        rc = value_before(r, ch, ph_slice(NULL, 0), &one, &before, err);
        *yes = ph_slice_eq(before, ph_life_dead);
    }
    return rc;
}

/* Life, over the reverted changeset's own head. */
static prophet_code revert_life(reverting *r, ph_work_record *wr, const ph_change *ch, bool alive,
                                prophet_error *err)
{
    ph_change_txn *c = r->c;
    ph_note note = { .kind = alive ? PH_N_RESTORE : PH_N_DELETE };
    ph_life_head *head = ph_arena_alloc(&c->arena, sizeof *head);
    if (!head)
        return ph_nomem(err);
    *head = (ph_life_head){ r->version, !alive };
    prophet_code rc = ph_change_note(c, wr, ch->type, note, err);
    if (rc < 0)
        return rc;
    wr->pend->life = head;
    wr->pend->life_count = 1;
    r->wrote++;
    return ph_apply_life(c->s, wr, alive, &r->version, 1, c->version, err);
}

static prophet_code revert_change(reverting *r, const ph_change *ch, prophet_error *err)
{
    ph_work_record *wr;
    bool back = false;
    size_t before = r->wrote;
    prophet_code rc = ph_change_record(r->c, ch->type, &ch->record, &wr, err);
    if (rc < 0)
        return rc;
    if (wr->pend)
        return refuse(r, "touched a record that this change wrote before",
                      "revert it in a change of its own", err);
    if (ch->action == PH_DELETE)
        return wr->rec.alive ? PROPHET_OK : revert_life(r, wr, ch, true, err);
    if (!wr->rec.alive) /* deleted since: it stays so */
        return PROPHET_OK;
    if ((rc = revived(r, ch, &back, err)) < 0)
        return rc;
    if (ch->action == PH_CREATE || back)
        return revert_life(r, wr, ch, false, err);
    size_t notes = r->c->notes.count;
    if ((rc = ph_change_life(r->c, wr, ch->type, PH_N_UPDATE, err)) < 0)
        return rc;
    for (size_t i = 0; i < ch->op_count && rc >= 0; i++)
        rc = revert_op(r, wr, ch, &ch->ops[i], err);
    ph_counter_story_clear(&r->story);
    r->has_story = false;
    if (rc >= 0 && r->wrote == before) { /* nothing of it is left: the record is not written */
        r->c->notes.count = notes;
        r->c->twice = true;
    }
    return rc;
}

prophet_code ph_change_revert(ph_change_txn *c, const ph_id *id, prophet_error *err)
{
    reverting r = { .c = c };
    ph_id missing;
    char hex[65];
    prophet_code rc = ph_ids_find(c->r->ids, c->s->txn, id, &r.version, err);
    if (rc == PROPHET_DONE) {
        ph_hex(id->b, 32, hex);
        return ph_fail(err, PROPHET_ENOTFOUND, "no changeset %s", hex);
    }
    if (rc < 0 || (rc = ph_session_changeset(c->s, r.version, &r.cs, err)) < 0)
        return rc;
    if (!r.cs->has_body || r.cs->body.change_count == 0)
        return refuse(&r, "changed no record", "votes are not taken back: vote again", err);
    for (size_t i = 0; i < r.cs->body.change_count; i++)
        if (ph_slice_eq(r.cs->body.changes[i].type, ph_slice_str("_type")))
            return refuse(&r, "defines types", "define them as they should be", err);
    size_t count = ph_changeset_names(&r.cs->header);
    uint64_t *names = ph_arena_alloc(&c->s->arena, (count + 1) * sizeof *names);
    if (!names || !(r.named = ph_arena_zalloc(&c->s->arena, (count + 1) * sizeof *r.named)))
        return ph_nomem(err);
    if ((rc = ph_apply_names(c->s, r.cs, names, &missing, err)) != PROPHET_OK)
        return rc < 0 ? rc : ph_fail(err, PROPHET_ECORRUPT, "the index lacks a changeset");
    r.names = names;
    for (size_t i = 0; i < r.cs->body.change_count && rc >= 0; i++)
        rc = revert_change(&r, &r.cs->body.changes[i], err);
    if (rc < 0)
        c->failed = r.wrote > 0;
    return rc < 0 ? rc : r.wrote ? PROPHET_OK : PROPHET_DONE;
}
