/* Applies one decoded changeset to a session: its place in the DAG, then its changes and votes. The order of calls
 * is any causal order; what comes out is the same for all of them (docs/merging.md).
 * Called for local commits, foreign changesets (intake.c) and replay (replay.c). */
#include "replica/replica_impl.h"

/* ---- looking things up, in this session first ----------------------------------------------------------- */

static const ph_new_changeset *in_session(ph_session *s, uint64_t version)
{
    if (s->changesets.count == 0 || version < s->changesets.at[0].version)
        return NULL;
    size_t i = (size_t)(version - s->changesets.at[0].version);
    return i < s->changesets.count ? &s->changesets.at[i] : NULL;
}

prophet_code ph_session_changeset_row(ph_session *s, uint64_t version, ph_changeset_row *out,
                                      prophet_error *err)
{
    const ph_new_changeset *n = in_session(s, version);
    if (!n && version != s->last_version)
        return ph_changesets_get(s->txn, version, out, err);
    *out = n ? n->row : s->last;
    return PROPHET_OK;
}

prophet_code ph_session_changeset(ph_session *s, uint64_t version, const ph_changeset **out,
                                  prophet_error *err)
{
    const ph_new_changeset *n = in_session(s, version);
    if (n && n->cs) {
        *out = n->cs;
        return PROPHET_OK;
    }
    ph_view view = { .replica = s->r, .txn = s->txn, .state = s->state, .names = s->r->names };
    ph_changeset *cs = ph_arena_alloc(&s->arena, sizeof *cs);
    ph_changeset_row row;
    if (!cs)
        return ph_nomem(err);
    prophet_code rc = ph_view_changeset(&view, version, &s->arena, cs, &row, err);
    *out = cs;
    return rc;
}

prophet_code ph_session_look(ph_session *s, uint64_t version, ph_arena *scratch, ph_changeset *out,
                             prophet_error *err)
{
    const ph_new_changeset *n = in_session(s, version);
    if (n && n->cs) {
        *out = *n->cs;
        return PROPHET_OK;
    }
    ph_view view = { .replica = s->r, .txn = s->txn, .state = s->state, .names = s->r->names };
    ph_changeset_row row;
    return ph_kept_changeset(&view, version, scratch, out, &row, err);
}

static prophet_code find_version(ph_session *s, const ph_id *id, uint64_t *version,
                                 prophet_error *err)
{
    void *at = ph_map_get(&s->ids, ph_slice(id->b, sizeof id->b));
    if (at) {
        *version = s->changesets.at[(size_t)(uintptr_t)at - 1].version;
        return PROPHET_OK;
    }
    if (s->last_version && ph_id_eq(id, &s->last.id)) { /* of most local changes */
        *version = s->last_version;
        return PROPHET_OK;
    }
    return ph_ids_find(s->r->ids, s->txn, id, version, err);
}

prophet_code ph_apply_find(ph_session *s, const ph_changeset *cs, uint64_t *version,
                           prophet_error *err)
{
    const ph_replica_row *rep = ph_map_get(&s->replica_keys, ph_slice(cs->header.replica.b, 32));
    bool behind = rep && rep->tip_count > 0 && !s->state.holes;
    for (uint32_t i = 0; behind && i < rep->tip_count; i++)
        behind = cs->header.seq > rep->tips[i].seq;
    return behind ? PROPHET_DONE : ph_ids_find(s->r->ids, s->txn, &cs->id, version, err);
}

prophet_code ph_apply_names(ph_session *s, const ph_changeset *cs, uint64_t *versions,
                            ph_id *missing, prophet_error *err)
{
    size_t n = ph_changeset_names(&cs->header);
    for (size_t i = 0; i < n; i++) {
        const ph_id *id = ph_changeset_name(&cs->header, (uint32_t)i);
        prophet_code rc = find_version(s, id, &versions[i], err);
#ifdef PH_PLANT_refs_not_awaited
        if (rc == PROPHET_DONE && i >= (size_t)cs->header.has_prev + cs->header.parent_count) {
            versions[i] = 1;
            continue;
        }
#endif
        if (rc != PROPHET_OK) {
            *missing = *id;
            return rc;
        }
    }
    return PROPHET_OK;
}

prophet_code ph_apply_names_of(ph_session *s, const ph_changeset *cs, const ph_change *ch,
                               uint64_t *versions, ph_id *missing, prophet_error *err)
{
    for (size_t i = 0; i < ch->op_count; i++)
        for (uint32_t k = 0; k < ch->ops[i].over.count; k++) {
            uint32_t pos = ch->ops[i].over.pos[k];
            const ph_id *id = ph_changeset_name(&cs->header, pos);
            prophet_code rc = find_version(s, id, &versions[pos], err);
            if (rc != PROPHET_OK) {
                *missing = *id;
                return rc;
            }
        }
    return PROPHET_OK;
}

prophet_code ph_session_replica(ph_session *s, const ph_id *key, ph_replica_row **out,
                                prophet_error *err)
{
    ph_replica_row *row = ph_map_get(&s->replica_keys, ph_slice(key->b, sizeof key->b));
    if (row) {
        *out = row;
        return PROPHET_OK;
    }
    uint32_t ridx;
    if (!(row = ph_arena_zalloc(&s->arena, sizeof *row)))
        return ph_nomem(err);
    prophet_code rc = ph_replicas_find(s->txn, key, &ridx, err);
    if (rc == PROPHET_OK)
        rc = ph_replicas_get(s->txn, ridx, &s->arena, row, err);
    else if (rc == PROPHET_DONE) {
        row->ridx = (uint32_t)++s->state.replicas;
        row->key = *key;
        row->line = row->ridx;
        rc = ph_replicas_put(s->txn, row, true, err);
    }
    if (rc < 0)
        return rc;
    if (!ph_map_put(&s->replica_keys, ph_slice(row->key.b, sizeof row->key.b), row) ||
        !PH_PUSH(s->replicas, row))
        return ph_nomem(err);
    *out = row;
    return PROPHET_OK;
}

/* ---- the DAG: tips, forks, frontier, lamport --------------------------------------------------------------- */

static prophet_code add_tip(ph_session *s, ph_replica_row *rep, uint64_t prev, uint64_t seq,
                            uint64_t version, bool *fork, prophet_error *err)
{
    *fork = false;
    for (uint32_t i = 0; i < rep->tip_count; i++) {
        if (rep->tips[i].version != prev)
            continue;
        rep->tips[i].seq = seq;
        rep->tips[i].version = version;
        return PROPHET_OK;
    }
    *fork = rep->tip_count >
            0; /* not after any tip: two changesets of one replica follow the same one */
    ph_tip *tips = ph_arena_alloc(&s->arena, (rep->tip_count + 1u) * sizeof *tips);
    if (!tips)
        return ph_nomem(err);
    if (rep->tip_count)
        memcpy(tips, rep->tips, rep->tip_count * sizeof *tips);
    tips[rep->tip_count].seq = seq;
    tips[rep->tip_count].version = version;
    rep->tips = tips;
    rep->tip_count++;
    if (*fork) {
        rep->forked = true;
        s->forks++;
    }
    return PROPHET_OK;
}

static prophet_code advance_frontier(ph_session *s, const uint64_t *named, size_t n,
                                     uint64_t version, prophet_error *err)
{
    ph_state *st = &s->state;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < st->frontier_count; i++) {
        bool covered = false;
        for (size_t k = 0; k < n && !covered; k++)
            covered = named[k] == st->frontier[i];
        if (!covered)
            st->frontier[kept++] = st->frontier[i];
    }
    if (kept == st->frontier_count || !st->frontier) { /* no slot came free */
        uint64_t *grown = ph_arena_alloc(&s->arena, (kept + 1u) * 2 * sizeof *grown);
        if (!grown)
            return ph_nomem(err);
        if (kept)
            memcpy(grown, st->frontier, kept * sizeof *grown);
        st->frontier = grown;
    }
    st->frontier[kept++] = version; /* versions rise: stays sorted */
    st->frontier_count = kept;
    return PROPHET_OK;
}

static prophet_code greatest_lamport(ph_session *s, const uint64_t *named, size_t n, uint64_t *out,
                                     prophet_error *err)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        ph_changeset_row row;
        prophet_code rc = ph_session_changeset_row(s, named[i], &row, err);
        if (rc < 0)
            return rc;
        if (row.lamport > *out)
            *out = row.lamport;
    }
    return PROPHET_OK;
}

/* prev must be the changeset before this one in the same replica's chain. Looked at before anything is changed. */
static prophet_code check_chain(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                                prophet_error *err)
{
    ph_changeset_row prev;
    ph_replica_row rep = { 0 };
    char hex[17];
    prophet_code rc;
    if (!cs->header.has_prev)
        return PROPHET_OK;
    if ((rc = ph_session_changeset_row(s, names[0], &prev, err)) < 0)
        return rc;
    const ph_replica_row *known = ph_map_get(&s->replica_keys, ph_slice(cs->header.replica.b, 32));
    if (!known) {
        if ((rc = ph_replicas_get(s->txn, prev.ridx, &s->arena, &rep, err)) < 0)
            return rc;
        known = ph_id_eq(&rep.key, &cs->header.replica) ? &rep : NULL;
    }
    if (known && known->ridx == prev.ridx && prev.seq + 1 == cs->header.seq)
        return PROPHET_OK;
    ph_hex(cs->id.b, 8, hex);
    return ph_fail(err, PROPHET_ECORRUPT,
                   "changeset %s: its prev is not the one before it in its chain", hex);
}

/* Of several keys that one replica claims to succeed (a forked first changeset) the least counts: the same everywhere. */
static prophet_code succession(ph_session *s, const ph_changeset *cs, ph_replica_row *rep,
                               prophet_error *err)
{
    ph_replica_row *old, before = { 0 };
    prophet_code rc = ph_session_replica(s, &cs->header.succeeds, &old, err);
    if (rc < 0 || old->ridx == rep->ridx)
        return rc;
    if (rep->succeeds && (rc = ph_replicas_get(s->txn, rep->succeeds, &s->arena, &before, err)) < 0)
        return rc;
    if (rep->succeeds && ph_id_cmp(&before.key, &old->key) <= 0)
        return PROPHET_OK;
    rep->succeeds = old->ridx;
    s->schema_touched = s->all_types = true;
    return PROPHET_OK;
}

/* A tail whose key is lost counts as signed by the replica that held it. */
static prophet_code vouched(ph_session *s, const ph_id *id, prophet_error *err)
{
    uint64_t version;
    ph_changeset_row row;
    ph_replica_row key = { 0 }, *rep;
    prophet_code rc = find_version(s, id, &version, err);
    if (rc != PROPHET_OK) /* it vouches for something nobody has */
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = ph_session_changeset_row(s, version, &row, err)) < 0 ||
        (rc = ph_replicas_get(s->txn, row.ridx, &s->arena, &key, err)) < 0 ||
        (rc = ph_session_replica(s, &key.key, &rep, err)) < 0)
        return rc;
    if (version > rep->signed_version) {
        rep->signed_version = version;
        rep->signed_seq = row.seq;
    }
    return PROPHET_OK;
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

static const uint64_t *over_versions(ph_over o, const uint64_t *names, uint64_t *room, size_t cap,
                                     ph_arena *a, size_t *n)
{
    uint64_t *v = o.count <= cap ? room : ph_arena_alloc(a, o.count * sizeof *v);
    for (uint32_t i = 0; v && i < o.count; i++)
        v[i] = names[o.pos[i]];
    *n = o.count;
    return v;
}

static prophet_code apply_op(ph_session *s, ph_work_record *wr, const ph_op *op,
                             const uint64_t *names, uint64_t version, prophet_error *err)
{
    uint64_t room[16];
    size_t n;
    uint32_t field;
    prophet_code rc = ph_names_intern(s->r->names, s->txn, &s->state, op->field, &field, err);
    if (rc < 0)
        return rc;
    const uint64_t *over = over_versions(op->over, names, room, 16, &s->arena, &n);
    if (!over)
        return ph_nomem(err);
    switch (op->kind) {
    case PH_SET: return ph_apply_register(s, wr, field, op->value, over, n, version, err);
    case PH_UNSET: return ph_apply_register(s, wr, field, ph_slice(NULL, 0), over, n, version, err);
    case PH_INC:
        wr->mended = wr->mended || version < wr->rec.version;
        wr->recount = wr->recount || wr->mended;
        return ph_apply_counter(s, wr, field, op->amount, err);
    case PH_ADD:
    case PH_REMOVE:
        return ph_apply_element(s, wr, field, op->value, op->kind == PH_ADD, over, n, version, err);
    }
    return PROPHET_OK;
}

prophet_code ph_apply_to_record(ph_session *s, ph_work_record *wr, const ph_change *ch,
                                const uint64_t *names, uint64_t version, prophet_error *err)
{
    uint64_t room[16];
    size_t n;
    const uint64_t *over = over_versions(ch->over, names, room, 16, &s->arena, &n);
    if (!over)
        return ph_nomem(err);
    prophet_code rc = ph_apply_life(s, wr, ch->action != PH_DELETE, over, n, version, err);
    for (size_t i = 0; i < ch->op_count && rc >= 0; i++)
        rc = apply_op(s, wr, &ch->ops[i], names, version, err);
    return rc;
}

void ph_touch_schema(ph_session *s, prophet_slice type)
{
    if (!ph_type_reserved(type))
        return;
    if (ph_slice_eq(type, ph_slice_str("_type")))
        s->schema_touched = true;
#ifndef PH_PLANT_weights_settle_nothing
    else if (ph_slice_eq(type, ph_slice_str("_voter")))
        s->schema_touched = s->all_types = true;
#endif
}

static prophet_code apply_change(ph_session *s, const ph_change *ch, const uint64_t *names,
                                 uint64_t version, prophet_error *err)
{
    uint32_t type;
    ph_work_record *wr;
    prophet_code rc;

    if ((rc = ph_names_intern(s->r->names, s->txn, &s->state, ch->type, &type, err)) < 0 ||
        (rc = ph_work_record_get(s, type, &ch->record, &wr, err)) < 0 ||
        (rc = ph_work_number(s, wr, ch->type, err)) < 0)
        return rc;
    ph_touch_schema(s, ch->type);
    if ((rc = ph_apply_to_record(s, wr, ch, names, version, err)) < 0)
        return rc;
    if (ph_slice_eq(ch->type, ph_slice_str("_type")) && (rc = ph_schema_intern(s, wr, err)) < 0)
        return rc;
    ph_new_history h = { wr->rec.number, version, ch->offset + 1, NULL };
    return PH_PUSH(s->history, h) ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_apply_body(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                           uint64_t version, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < cs->body.change_count && rc >= 0; i++)
        rc = apply_change(s, &cs->body.changes[i], names, version, err);
    for (size_t i = 0; i < cs->body.vote_count && rc >= 0; i++)
        rc = ph_apply_vote(s, &cs->body.votes[i], names, version, err);
    return rc;
}

/* A writer that names what it has not among its ancestors: replayed by lamport, as the history of conflicts is, its write comes before
 * what it overwrites. The cell then was in conflict for that moment. */
prophet_code ph_apply_inversion(ph_session *s, const ph_changeset *cs, const uint64_t *refs,
                                uint64_t lamport, prophet_error *err)
{
    s->inverted = false;
    for (size_t i = 0; i < cs->header.ref_count && !s->inverted; i++) {
        ph_changeset_row row;
        prophet_code rc = ph_session_changeset_row(s, refs[i], &row, err);
        if (rc < 0)
            return rc;
        s->inverted = row.lamport >= lamport;
    }
    return PROPHET_OK;
}

static prophet_code place(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                          size_t payload_offset, ph_position position, prophet_error *err)
{
    ph_replica_row *rep;
    ph_new_changeset n = { .cs = cs, .payload_offset = payload_offset };
    bool fork;
    prophet_code rc;
    size_t named = (size_t)cs->header.has_prev + cs->header.parent_count;

    if ((rc = check_chain(s, cs, names, err)) < 0 ||
        (rc = ph_session_replica(s, &cs->header.replica, &rep, err)) < 0)
        return rc;
    n.version = ++s->state.version;
    n.row.id = cs->id;
    n.row.ridx = rep->ridx;
    n.row.seq = cs->header.seq;
    n.row.time = cs->has_body ? cs->body.time : 0;
    n.row.position = position;
    if ((rc = greatest_lamport(s, names, named, &n.row.lamport, err)) < 0 ||
        (rc = add_tip(s, rep, cs->header.has_prev ? names[0] : 0, cs->header.seq, n.version, &fork,
                      err)) < 0 ||
        (rc = advance_frontier(s, names, named, n.version, err)) < 0)
        return rc;
    n.row.lamport++;
    if ((rc = ph_apply_inversion(s, cs, names + named, n.row.lamport, err)) < 0)
        return rc;
    if (n.row.lamport > s->state.lamport)
        s->state.lamport = n.row.lamport;
    bool run = cs->header.has_prev && names[0] + 1 == n.version;
    n.row.flags = (uint8_t)((run ? PH_CS_RUN : 0) | (fork ? PH_CS_FORK : 0) |
                            (cs->has_body                    ? 0
                             : cs->header.format > PH_FORMAT ? PH_CS_PARKED
                                                             : PH_CS_NO_BODY));
    if (!cs->has_body)
        s->state.absent++;
    if (cs->header.has_succeeds && (rc = succession(s, cs, rep, err)) < 0)
        return rc;
    if (cs->header.has_vouches && (rc = vouched(s, &cs->header.vouches, err)) < 0)
        return rc;
    if (!PH_PUSH(s->changesets, n))
        return ph_nomem(err);
    /* the decoded changeset lives as long as the session, and so does the key */
    if (!ph_map_put(&s->ids, ph_slice(cs->id.b, sizeof cs->id.b),
                    (void *)(uintptr_t)s->changesets.count))
        return ph_nomem(err);
    return PROPHET_OK;
}

prophet_code ph_apply_gap(ph_session *s, ph_replica_row *rep, uint64_t seq, uint64_t version,
                          prophet_error *err)
{
    uint64_t prev = 0;
    bool fork;
    for (uint32_t i = 0; i < rep->tip_count; i++)
        if (rep->tips[i].seq + 1 == seq)
            prev = rep->tips[i].version;
    if (!prev && rep->tip_count) /* what came before is not known either */
        prev = rep->tips[0].version;
    prophet_code rc = add_tip(s, rep, prev, seq, version, &fork, err);
    return rc < 0 ? rc : advance_frontier(s, &prev, prev ? 1 : 0, version, err);
}

prophet_code ph_apply_changeset(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                                size_t payload_offset, ph_position position, prophet_error *err)
{
    prophet_code rc = place(s, cs, names, payload_offset, position, err);
    if (rc < 0 || !cs->has_body)
        return rc;
    return ph_apply_body(s, cs, names, s->state.version, err);
}

prophet_code ph_apply_placed(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                             size_t payload_offset, bool apply_body, prophet_error *err)
{
    prophet_code rc = place(s, cs, names, payload_offset, 0, err);
    return rc < 0 || !apply_body ? rc : ph_apply_body(s, cs, names, s->state.version, err);
}

prophet_code ph_apply_signature(ph_session *s, const ph_id *id, size_t payload_offset,
                                ph_position position, prophet_error *err)
{
    ph_new_signature sig = { 0, payload_offset, position };
    ph_changeset_row row;
    ph_replica_row *rep = NULL;
    prophet_code rc;
    if ((rc = find_version(s, id, &sig.version, err)) != PROPHET_OK)
        return rc < 0 ? rc
                      : ph_fail(err, PROPHET_ECORRUPT, "signature of a changeset that is not here");
    if ((rc = ph_session_changeset_row(s, sig.version, &row, err)) < 0)
        return rc;
    ph_replica_row *loaded = ph_arena_zalloc(&s->arena, sizeof *loaded);
    if (!loaded)
        return ph_nomem(err);
    if ((rc = ph_replicas_get(s->txn, row.ridx, &s->arena, loaded, err)) < 0 ||
        (rc = ph_session_replica(s, &loaded->key, &rep, err)) < 0)
        return rc;
    if (sig.version > rep->signed_version) {
        rep->signed_version = sig.version;
        rep->signed_seq = row.seq;
    }
    return PH_PUSH(s->signatures, sig) ? PROPHET_OK : ph_nomem(err);
}
