/* A record's past: its changesets applied one after the other, in version order, to a copy in memory by the code that applies
 * them to the store, each with what the fields showed before and after. */
#include "replica/replica_impl.h"

typedef struct past {
    ph_view *v;
    ph_session s; /* carries the arena and the lookups of apply; writes nothing */
    ph_work_record wr;
    prophet_slice type;
    ph_arena scratch; /* of the changeset at hand */
    PH_LIST(ph_touched) ballot_cells;
    ph_counter_story counters;
    PH_LIST(ph_ballot) ballots; /* votes so far, with the cell they are on in ballot_cells */
} past;

static prophet_slice shown(const ph_record *rec, uint32_t field, ph_arena *a)
{
    const ph_cell *c = ph_record_cell((ph_record *)(uintptr_t)rec, field);
    ph_buf b = PH_BUF_INIT;
    prophet_slice out = { NULL, 0 };
    if (!c)
        return out;
    if (field == PH_LIFE)
        return c->head_count ? (rec->alive ? ph_life_alive : ph_life_dead) : out;
    if (c->is_register && c->shown.len)
        return c->shown;
    if (c->is_set) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < c->element_count; i++)
            n += c->elements[i].add_count > 0;
        ph_put_list(&b, n);
        for (uint32_t i = 0; i < c->element_count; i++)
            if (c->elements[i].add_count)
                ph_buf_put(&b, c->elements[i].value.data, c->elements[i].value.len);
    } else if (c->is_counter)
        ph_put_int(&b, c->counter);
    out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

/* What a cell with several heads shows: rule and the votes so far. */
static prophet_code settle_here(past *p, ph_cell *c, prophet_error *err)
{
    ph_lookup l = { p->v->replica, p->v->txn, NULL, p->v->state.schema };
    ph_cell_question q;
    ph_stored_ballot *none;
    ph_outcome o;
    prophet_slice name = c->field ? ph_names_get(p->v->names, c->field) : ph_slice(NULL, 0);
    PH_LIST(ph_ballot) mine = { 0 };
    uint32_t stored = c->ballot_count;
    c->ballot_count = 0; /* rows of the present: not of this time */
    prophet_code rc =
        ph_cell_question_load(&l, &p->wr.rec, c, p->type, name, &p->s.arena, &q, &none, err);
    c->ballot_count = stored;
    for (size_t i = 0; i < p->ballots.count && rc >= 0 && !ph_type_reserved(p->type); i++)
        if (p->ballot_cells.at[i].field == c->field && !PH_PUSH(mine, p->ballots.at[i]))
            rc = ph_nomem(err);
    q.ballots = mine.at;
    q.ballot_count = mine.count;
    if (rc >= 0 && (rc = ph_settle(&q, &p->s.arena, &o, err)) >= 0) {
        c->shown = o.value;
        c->conflict = o.status != PH_CLEAN;
        if (c->field == PH_LIFE)
            p->wr.rec.alive = ph_slice_eq(o.value, ph_life_alive);
    }
    ph_free(mine.at);
    return rc;
}

static prophet_code settle_record(past *p, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (uint32_t i = 0; i <= p->wr.rec.cell_count && rc >= 0; i++) {
        ph_cell *c = i ? &p->wr.rec.cells[i - 1] : &p->wr.rec.life;
        if (c->is_register && (c->head_count > 1 || c->conflict))
            rc = settle_here(p, c, err);
    }
    return rc;
}

static prophet_code take_vote(past *p, const ph_vote *vote, const uint64_t *names,
                              const ph_changeset_row *row, prophet_error *err)
{
    uint32_t field = vote->field.len ? ph_names_find(p->v->names, vote->field) : PH_LIFE;
    const ph_cell *c = vote->field.len && !field ? NULL : ph_record_cell(&p->wr.rec, field);
    ph_ballot b = { .by_resolver = vote->by_resolver,
                    .stamp = { row->lamport, row->id },
                    .choice = vote->choice };
    ph_seen *seen = ph_arena_alloc(&p->s.arena, (vote->heads.count + 1u) * sizeof *seen);
    ph_touched at = { &p->wr, field };
    if (!seen)
        return ph_nomem(err);
    for (uint32_t i = 0; c && i < vote->heads.count; i++)
        for (uint32_t k = 0; k < c->head_count; k++)
            if (c->heads[k].version == names[vote->heads.pos[i]])
                seen[b.seen_count++] = (ph_seen){ c->heads[k].version, c->heads[k].value };
    b.seen = seen;
    prophet_code rc = ph_schemas_weight(p->v->replica, p->v->txn, p->v->state.schema, row->ridx,
                                        &b.voter, &b.weight, err);
    if (rc < 0)
        return rc;
    return PH_PUSH(p->ballot_cells, at) && PH_PUSH(p->ballots, b) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code describe_step(past *p, const ph_change *ch, ph_record_step *step, ph_arena *a,
                                  bool before, prophet_error *err)
{
    size_t n = ch ? ch->op_count + 1 : 0;
    ph_field_step *at = (ph_field_step *)(uintptr_t)step->steps;
    if (before) {
        if (!(at = ph_arena_zalloc(a, (n + 1) * sizeof *at)))
            return ph_nomem(err);
        step->steps = at;
        step->step_count = n;
        step->action = ch ? ch->action : PH_UPDATE;
    }
    for (size_t i = 0; i < n; i++) {
        const ph_op *op = i ? &ch->ops[i - 1] : NULL;
        uint32_t field = op ? ph_names_find(p->v->names, op->field) : PH_LIFE;
        if (before) {
            ph_buf amount = PH_BUF_INIT;
            at[i].field = op ? op->field : ph_slice(NULL, 0);
            at[i].op = op ? op->kind : PH_SET;
            at[i].given = op ? op->value : ch->action == PH_DELETE ? ph_life_dead : ph_life_alive;
            if (op && op->kind == PH_INC) {
                ph_put_int(&amount, op->amount);
                at[i].given = ph_arena_copy(a, ph_buf_slice(&amount), NULL);
            }
            ph_buf_clear(&amount);
            at[i].before = op && !field ? ph_slice(NULL, 0) : shown(&p->wr.rec, field, a);
        } else
            at[i].after = op && !field ? ph_slice(NULL, 0) : shown(&p->wr.rec, field, a);
    }
    return PROPHET_OK;
}

static prophet_code apply(past *p, const ph_change *ch, const uint64_t *names, uint64_t version,
                          prophet_error *err)
{
    prophet_code rc = ph_apply_to_record(&p->s, &p->wr, ch, names, version, err);
    if (rc >= 0)
        rc = ph_counter_note(&p->counters, p->v->names, ch, names, version, err);
    if (rc >= 0 && p->wr.recount)
        rc = ph_counter_recount(&p->counters, &p->wr.rec, err);
    p->wr.recount = false;
    return rc;
}

/* The changeset itself lives until the next one is read; its part in this record as long as the record. */
static prophet_code take_step(past *p, uint64_t version, ph_arena *a, ph_record_step *step,
                              prophet_error *err)
{
    ph_changeset_row row;
    ph_part part;
    prophet_code rc = ph_kept_changeset(p->v, version, &p->scratch, &step->changeset, &row, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc
                      : ph_fail(err, PROPHET_ECORRUPT,
                                "the index names a changeset that is not in the log");
    step->version = version;
    step->record = &p->wr.rec;
    if (!step->changeset.has_body)
        return PROPHET_OK;
    if ((rc = ph_part_cut(p->v->replica, p->v->txn, &step->changeset, p->type, &p->wr.rec.uuid,
                          &p->s.arena, &part, err)) < 0 ||
        (rc = describe_step(p, part.change, step, a, true, err)) < 0 ||
        (part.change && (rc = apply(p, part.change, part.names, version, err)) < 0))
        return rc;
    for (size_t i = 0; i < part.vote_count && rc >= 0; i++)
        rc = take_vote(p, &part.votes[i], part.names, &row, err);
    if (rc < 0 || (rc = settle_record(p, err)) < 0)
        return rc;
    return describe_step(p, part.change, step, a, false, err);
}

prophet_code ph_view_history(ph_view *v, const ph_named *record, uint64_t upto, ph_arena *a,
                             prophet_code (*each)(void *ctx, const ph_record_step *step,
                                                  prophet_error *err),
                             void *ctx, prophet_error *err)
{
    past p = { .v = v, .type = ph_names_get(v->names, record->type) };
    ph_history_entry *entries;
    size_t n;
    prophet_code rc = ph_history_list(v->txn, record->number, a, &entries, &n, err);
    if (rc < 0)
        return rc;
    p.s.r = v->replica;
    p.s.txn = v->txn;
    p.s.state = v->state;
    p.wr.rec = (ph_record){ .type = record->type,
                            .uuid = record->uuid,
                            .arena = &p.s.arena,
                            .life = { .field = PH_LIFE,
                                      .loaded = true } }; /* no number: nothing of it is in rows */
    for (size_t i = 0; i < n && rc == PROPHET_OK; i++) {
        ph_record_step step = { 0 };
        if (upto && entries[i].version > upto)
            break;
        if ((rc = take_step(&p, entries[i].version, a, &step, err)) == PROPHET_OK)
            rc = each(ctx, &step, err);
        p.s.queue.count = p.s.touched.count = 0;
    }
    ph_free(p.s.queue.at);
    ph_free(p.s.touched.at);
    ph_counter_story_clear(&p.counters);
    ph_free(p.ballots.at);
    ph_free(p.ballot_cells.at);
    ph_arena_clear(&p.s.arena);
    ph_arena_clear(&p.scratch);
    return rc < 0 ? rc : PROPHET_OK;
}
