/* Votes as they arrive: what each of the heads it names held is kept with the ballot, so that settling never
 * has to look at old changesets. Heads that are not of this cell are ignored (DESIGN 4). */
#include "replica/replica_impl.h"

const ph_change *ph_changeset_change(const ph_changeset *cs, prophet_slice type,
                                     const ph_uuid *record)
{
    size_t lo = 0, hi = cs->body.change_count; /* sorted by (type, record) */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const ph_change *ch = &cs->body.changes[mid];
        int c = ph_name_cmp(ch->type, type);
        if (c == 0)
            c = memcmp(ch->record.b, record->b, 16);
        if (c == 0)
            return ch;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool ph_changeset_wrote(const ph_changeset *cs, prophet_slice type, const ph_uuid *record,
                        prophet_slice field, prophet_slice *value, ph_over *over)
{
    const ph_change *ch = cs->has_body ? ph_changeset_change(cs, type, record) : NULL;
    if (!ch)
        return false;
    if (field.len == 0) {
        *value = ch->action == PH_DELETE ? ph_life_dead : ph_life_alive;
        *over = ch->over;
        return true;
    }
    for (size_t i = 0; i < ch->op_count; i++) {
        const ph_op *op = &ch->ops[i];
        if ((op->kind != PH_SET && op->kind != PH_UNSET) || !ph_slice_eq(op->field, field))
            continue;
        *value = op->kind == PH_SET ? op->value : ph_slice(NULL, 0);
        *over = op->over;
        return true;
    }
    return false;
}

/* The value a named head holds or held; false: it never was a head of this cell. */
static prophet_code seen_value(ph_session *s, const ph_vote *v, const ph_cell *c, uint64_t version,
                               bool *of_cell, prophet_slice *value, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    ph_changeset cs;
    ph_over over;
    bool ok = true;
    *of_cell = true;
    for (uint32_t i = 0; c && i < c->head_count; i++) {
        if (c->heads[i].version == version) {
            *value = c->heads[i].value;
            return PROPHET_OK;
        }
    }
    prophet_code rc = ph_session_look(s, version, &scratch, &cs, err);
    *of_cell =
        rc == PROPHET_OK && ph_changeset_wrote(&cs, v->type, &v->record, v->field, value, &over);
    if (*of_cell)
        *value = ph_arena_copy(&s->arena, *value, &ok);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_slice resolver_label(ph_session *s, const ph_vote *v)
{
    char hex[65];
    if (!v->by_resolver)
        return ph_slice(NULL, 0);
    ph_hex(v->resolver_hash.data, v->resolver_hash.len < 32 ? v->resolver_hash.len : 32, hex);
    ph_buf b = PH_BUF_INIT;
    ph_buf_printf(&b, "%.*s@%s", PH_FMT(v->resolver), hex);
    prophet_slice label = ph_arena_copy(&s->arena, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return label;
}

static prophet_code gather_seen(ph_session *s, const ph_vote *v, const uint64_t *names,
                                const ph_cell *c, ph_stored_ballot *b, prophet_error *err)
{
    uint64_t *versions = ph_arena_alloc(&s->arena, v->heads.count * sizeof *versions);
    prophet_slice *values = ph_arena_alloc(&s->arena, v->heads.count * sizeof *values);
    if (!versions || !values)
        return ph_nomem(err);
    for (uint32_t i = 0; i < v->heads.count; i++) {
        bool of_cell;
        prophet_slice value = { NULL, 0 };
        prophet_code rc = seen_value(s, v, c, names[v->heads.pos[i]], &of_cell, &value, err);
        if (rc < 0)
            return rc;
        if (!of_cell)
            continue;
        versions[b->seen_count] = names[v->heads.pos[i]];
        values[b->seen_count++] = value;
    }
    for (uint32_t i = 1; i < b->seen_count;
         i++) /* by version: what is stored must not depend on positions */
        for (uint32_t k = i; k > 0 && versions[k - 1] > versions[k]; k--) {
            uint64_t t = versions[k];
            prophet_slice tv = values[k];
            versions[k] = versions[k - 1], values[k] = values[k - 1];
            versions[k - 1] = t, values[k - 1] = tv;
        }
    b->seen = versions;
    b->seen_values = values;
    return PROPHET_OK;
}

prophet_code ph_apply_vote(ph_session *s, const ph_vote *v, const uint64_t *names, uint64_t version,
                           prophet_error *err)
{
    uint32_t type, field = PH_LIFE;
    ph_work_record *wr;
    ph_cell *c;
    prophet_code rc;
    if ((rc = ph_names_intern(s->r->names, s->txn, &s->state, v->type, &type, err)) < 0 ||
        (v->field.len &&
         (rc = ph_names_intern(s->r->names, s->txn, &s->state, v->field, &field, err)) < 0) ||
        (rc = ph_work_record_get(s, type, &v->record, &wr, err)) < 0)
        return rc;
    c = ph_record_cell(&wr->rec, field);
    if (c && !c->loaded && (rc = ph_cell_load(s->txn, &wr->rec, c, &s->arena, err)) < 0)
        return rc;
    ph_stored_ballot b = { .version = version,
                           .by_resolver = v->by_resolver,
                           .choice = v->choice,
                           .reason = v->reason,
                           .resolver = resolver_label(s, v) };
    if ((rc = gather_seen(s, v, names, c, &b, err)) < 0)
        return rc;
    if (!c || b.seen_count == 0) /* names nothing of this cell: without effect for ever */
        return PROPHET_OK;
    ph_new_history h = { wr->rec.number, version, 0, NULL };
    bool changed_too = s->history.count && s->history.at[s->history.count - 1].version == version;
    for (size_t i = s->history.count; changed_too && i > 0; i--) {
        const ph_new_history *other = &s->history.at[i - 1];
        if (other->version != version && !other->fresh)
            break;
        if (other->version && other->number == wr->rec.number)
            h.version = 0; /* its row says where the change is */
    }
    if (h.version && !PH_PUSH(s->history, h))
        return ph_nomem(err);
    if ((rc = ph_cell_ballot_put(s->txn, &wr->rec, c, &b, &s->r->scratch, err)) < 0)
        return rc;
    c->dirty = wr->rec.dirty = true;
    ph_touched t = { wr, field };
    return ph_work_queue(s, wr) && PH_PUSH(s->touched, t) ? PROPHET_OK : ph_nomem(err);
}
