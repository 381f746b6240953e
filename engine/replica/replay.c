/* Replay: the index is brought up to the log. At damage three things are different: what was mended is put in its place; what is known
 * to be lost keeps its version empty (PH_CS_GAP); and changesets behind it that name what is not there are passed over and counted
 * (orphans). Called when the write lock is taken, and for rebuilds. */
#include "replica/replica_impl.h"
#include <stdlib.h>

struct ph_replay {
    ph_session *s;
    ph_log_cursor *cur;
    bool loaded;   /* holes are: the first damage was met */
    bool damaged;  /* what frames name may be missing */
    uint64_t read; /* bytes of frames */
    ph_holes holes;
    PH_LIST(ph_id) orphans; /* passed over: they name what was not there then */
};

static prophet_code commit(struct ph_replay *p, const ph_mark *mark, bool last, prophet_error *err)
{
    ph_session *s = p->s;
    prophet_code rc = ph_work_flush(s, err);
    s->state.position = mark->position;
    memcpy(s->state.chain, mark->chain, sizeof mark->chain);
    if (rc >= 0)
        rc = ph_session_store_rows(s, 0, err);
    if (rc >= 0) {
        ph_txn *t = s->txn;
        s->txn = NULL;
        if ((rc = ph_txn_commit(t, err)) < 0)
            ph_ids_forget(s->r->ids);
    }
    if (rc < 0 || last)
        return rc;
    ph_frame_context stream = s->stream;
    ph_session_forget(s);
    ph_arena_reset(&s->arena);
    rc = ph_session_start(s, err);
    s->stream = stream;
    return rc;
}

/* ---- in the place of what was there ------------------------------------------------------------------------------------- */

static prophet_code put_gap(ph_session *s, const ph_mend *m, prophet_error *err)
{
    ph_new_changeset n = { .version = s->state.version + 1 };
    ph_replica_row *rep;
    prophet_code rc = ph_session_replica(s, &m->replica, &rep, err);
    if (rc < 0)
        return rc;
    n.row = (ph_changeset_row){ .id = m->id,
                                .ridx = rep->ridx,
                                .seq = m->seq,
                                .lamport = m->lamport,
                                .time = m->time,
                                .flags = PH_CS_LOST | PH_CS_GAP };
    bool ok = true;
    prophet_slice key = ph_arena_copy(&s->arena, ph_slice(m->id.b, 32), &ok);
    if (!ok || !PH_PUSH(s->changesets, n) ||
        !ph_map_put(&s->ids, key, (void *)(uintptr_t)s->changesets.count))
        return ph_nomem(err);
    s->state.version++;
    s->state.lost++;
    if (m->lamport > s->state.lamport)
        s->state.lamport = m->lamport;
    if ((rc = ph_apply_gap(s, rep, m->seq, s->state.version, err)) < 0)
        return rc;
    s->stream = (ph_frame_context){ true, m->replica, m->id, m->seq };
    return PROPHET_OK;
}

/* PROPHET_DONE: it names what is not here. */
static prophet_code apply_one(ph_session *s, ph_changeset *cs, ph_position position, size_t size,
                              prophet_error *err)
{
    ph_id missing;
    uint64_t *names =
        ph_arena_alloc(&s->arena, (ph_changeset_names(&cs->header) + 1) * sizeof *names);
    if (!names)
        return ph_nomem(err);
    prophet_code rc = ph_apply_names(s, cs, names, &missing, err);
    if (rc != PROPHET_OK)
        return rc;
    rc = ph_apply_changeset(s, cs, names, 0, position, err);
    if (rc >= 0)
        s->changesets.at[s->changesets.count - 1].row.size = (uint32_t)size;
    return rc;
}

static void mark_again(ph_session *s)
{
    s->changesets.at[s->changesets.count - 1].row.flags |= PH_CS_AGAIN;
}

static prophet_code put_mended(ph_session *s, const ph_mend *m, prophet_error *err)
{
    ph_log_window window = { .bytes = PH_BUF_INIT };
    ph_frame f;
    ph_frame_context ctx = { .has_last = false }, before = s->stream;
    ph_changeset *cs = ph_arena_alloc(&s->arena, sizeof *cs);
    prophet_slice frame;
    uint64_t version;
    bool ok = true;
    prophet_code rc = cs ? ph_log_read(s->r->log, m->position, &window, &f, err) : ph_nomem(err);
    if (rc >= 0 && (f.type != PH_FRAME_LOCAL || !ph_mend_open(f.bytes, &version, &frame)))
        rc = ph_fail(err, PROPHET_ECORRUPT, "what was mended is not where it was written");
    if (rc >= 0) {
        frame = ph_arena_copy(&s->arena, frame, &ok);
        rc = ok ? ph_frame_decode(frame, ph_log_database(s->r->log), true, s->r->hasher,
                                  &s->r->scratch, &ctx, &s->arena, cs, err)
                : ph_nomem(err);
    }
    ph_log_window_clear(&window);
    if (rc < 0 || (rc = apply_one(s, cs, m->position, frame.len, err)) < 0)
        return rc;
    if (rc ==
        PROPHET_DONE) { /* what it names came later: so does it, where it was appended again */
        s->stream = before;
        return PROPHET_OK;
    }
    mark_again(s);
    s->stream = ctx;
    return PROPHET_OK;
}

static bool is_here(ph_session *s, const ph_id *id)
{
    uint64_t version;
    ph_changeset_row row;
    void *at = ph_map_get(&s->ids, ph_slice(id->b, 32));
    if (at)
        return !(s->changesets.at[(size_t)(uintptr_t)at - 1].row.flags & PH_CS_GAP);
    return ph_ids_find(s->r->ids, s->txn, id, &version, NULL) == PROPHET_OK &&
           ph_changesets_get(s->txn, version, &row, NULL) >= 0 && !(row.flags & PH_CS_GAP);
}

/* PROPHET_DONE: it has no version yet. It may be an empty one that is kept for it. */
static prophet_code version_of(ph_session *s, const ph_id *id, uint64_t *version,
                               prophet_error *err)
{
    void *at = ph_map_get(&s->ids, ph_slice(id->b, sizeof id->b));
    if (!at)
        return ph_ids_find(s->r->ids, s->txn, id, version, err);
    *version = s->changesets.at[(size_t)(uintptr_t)at - 1].version;
    return PROPHET_OK;
}

static prophet_code has_version(ph_session *s, const ph_id *id, bool *yes, prophet_error *err)
{
    uint64_t version;
    prophet_code rc = version_of(s, id, &version, err);
    *yes = rc == PROPHET_OK;
    return rc < 0 ? rc : PROPHET_OK;
}

/* All that is known to have been in this hole, in its order: as it was mended, or empty. A frame behind it may leave out what the last
 * changeset in it says. */
static prophet_code fill_hole(struct ph_replay *p, ph_position from, ph_position to,
                              prophet_error *err)
{
    ph_session *s = p->s;
    const ph_mend **at;
    size_t n;
    prophet_code rc = ph_holes_between(&p->holes, from, to, &s->arena, &at, &n, err);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        const ph_mend *m = at[i], *back = ph_map_get(&p->holes.back, ph_slice(m->id.b, 32));
        ph_frame_context before = s->stream;
        bool there;
        if ((rc = has_version(s, &m->id, &there, err)) >= 0 && !there)
            rc = back ? put_mended(s, back, err) : put_gap(s, m, err);
        s->stream = m->again ? before : (ph_frame_context){ true, m->replica, m->id, m->seq };
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* PROPHET_DONE: nothing follows the damage. */
static prophet_code around(struct ph_replay *p, prophet_error *err)
{
    ph_position from, to;
    prophet_code rc, next;
    bool more;
    if (!p->loaded && (rc = ph_holes_load(p->s->r, &p->holes, err)) < 0)
        return rc;
    p->loaded = p->damaged = true;
    if ((next = ph_log_cursor_skip(p->cur, &from, &to, err)) < 0)
        return next;
    if ((rc = fill_hole(p, from, to, err)) < 0)
        return rc;
    if (!ph_holes_know(&p->holes, from, to, &more)) {
        p->s->r->suspect = p->s->r->forgot = more = true;
        p->s->state.forgot = 1;
    }
    if (more) /* a frame that leaves out what was before it cannot be read */
        p->s->stream.has_last = false;
    return next;
}

/* ---- frames ----------------------------------------------------------------------------------------------------------- */

static prophet_code pass_over(struct ph_replay *p, const ph_id *id, prophet_error *err)
{
    return PH_PUSH(p->orphans, *id) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code replay_changeset(struct ph_replay *p, const ph_frame *f, prophet_error *err)
{
    ph_session *s = p->s;
    bool ok = true;
    prophet_slice bytes = ph_arena_copy(&s->arena, f->bytes, &ok);
    ph_changeset *cs = ph_arena_alloc(&s->arena, sizeof *cs);
    if (!ok || !cs)
        return ph_nomem(err);
    prophet_code rc = ph_frame_decode(bytes, ph_log_database(s->r->log), true, s->r->hasher,
                                      &s->r->scratch, &s->stream, &s->arena, cs, err);
    if (rc == PROPHET_ECORRUPT &&
        p->damaged) { /* leaves out what damage took, or is damaged itself */
        s->stream.has_last = false;
        return PROPHET_OK;
    }
    if (rc < 0)
        return rc;
    if (p->damaged && is_here(s, &cs->id)) /* mended, and readable after all */
        return PROPHET_OK;
    rc = apply_one(s, cs, f->position, f->bytes.len, err);
    if (rc != PROPHET_DONE)
        return rc;
    if (p->damaged)
        return pass_over(p, &cs->id, err);
    return ph_fail(err, PROPHET_ECORRUPT, "the log names a changeset that is not before it");
}

static prophet_code writer_of(ph_session *s, const ph_id *id, ph_replica_row **out,
                              prophet_error *err)
{
    uint64_t version;
    ph_changeset_row row;
    ph_replica_row stored;
    void *at = ph_map_get(&s->ids, ph_slice(id->b, 32));
    prophet_code rc = PROPHET_OK;
    if (at)
        row = s->changesets.at[(size_t)(uintptr_t)at - 1].row;
    else if ((rc = ph_ids_find(s->r->ids, s->txn, id, &version, err)) == PROPHET_OK)
        rc = ph_changesets_get(s->txn, version, &row, err);
    if (rc != PROPHET_OK)
        return rc;
    for (size_t i = 0; i < s->replicas.count; i++)
        if (s->replicas.at[i]->ridx == row.ridx) {
            *out = s->replicas.at[i];
            return PROPHET_OK;
        }
    if ((rc = ph_replicas_get(s->txn, row.ridx, &s->arena, &stored, err)) < 0)
        return rc;
    return ph_session_replica(s, &stored.key, out, err);
}

static prophet_code replay_signature(struct ph_replay *p, const ph_frame *f, prophet_error *err)
{
    ph_id id;
    if (f->bytes.len != 96)
        return ph_fail(err, PROPHET_ECORRUPT, "a signature of %zu bytes", f->bytes.len);
    memcpy(id.b, f->bytes.data, 32);
    if (p->damaged) { /* a batch behind damage may not be proven by its own checksum */
        ph_replica_row *rep;
        bool sound = false;
        prophet_code rc = is_here(p->s, &id) ? writer_of(p->s, &id, &rep, err) : PROPHET_DONE;
        if (rc == PROPHET_OK)
            sound = ph_signature_check(&rep->key, &id, (const uint8_t *)f->bytes.data + 32, NULL) ==
                    PROPHET_OK;
        if (rc < 0 || !sound)
            return rc < 0 ? rc : PROPHET_OK;
    }
    return ph_apply_signature(p->s, &id, 0, f->position, err);
}

/* One that was appended again, and whose place before is not known any more: it is new here. */
static prophet_code replay_again(struct ph_replay *p, const ph_frame *f, prophet_error *err)
{
    ph_session *s = p->s;
    ph_frame_context ctx = { .has_last = false };
    ph_changeset *cs = ph_arena_alloc(&s->arena, sizeof *cs);
    prophet_slice frame;
    uint64_t version;
    bool ok = true, there;
    if (!cs)
        return ph_nomem(err);
    if (!ph_mend_open(f->bytes, &version, &frame))
        return PROPHET_DONE;
    frame = ph_arena_copy(&s->arena, frame, &ok);
    prophet_code rc = ok ? ph_frame_decode(frame, ph_log_database(s->r->log), true, s->r->hasher,
                                           &s->r->scratch, &ctx, &s->arena, cs, err)
                         : ph_nomem(err);
    if (rc < 0 || (rc = has_version(s, &cs->id, &there, err)) < 0 || there)
        return rc < 0 ? rc : PROPHET_DONE;
    rc = apply_one(s, cs, f->position, frame.len, err);
    if (rc == PROPHET_OK)
        mark_again(s);
    return rc == PROPHET_DONE ? pass_over(p, &cs->id, err) : rc;
}

static prophet_code replay_local(struct ph_replay *p, const ph_frame *f, prophet_error *err)
{
    ph_item m[8];
    prophet_code rc = PROPHET_DONE;
    if (ph_local_open(f->bytes, m) && m[1].kind == PH_INT && m[1].i == PH_LOCAL_CHANGESET)
        rc = replay_again(p, f, err);
    if (rc == PROPHET_DONE)
        rc = ph_apply_local(p->s, f->bytes, 0, f->position, err);
    return rc == PROPHET_ECORRUPT && p->damaged ? PROPHET_OK : rc; /* damaged as well */
}

static prophet_code replay_frame(struct ph_replay *p, const ph_frame *f, prophet_error *err)
{
    if (f->type == PH_FRAME_LOCAL)
        return replay_local(p, f, err);
    return f->type == PH_FRAME_SIGNATURE ? replay_signature(p, f, err)
                                         : replay_changeset(p, f, err);
}

/* ---- the log -------------------------------------------------------------------------------------------------------------- */

static void count_orphans(struct ph_replay *p)
{
    if (p->s->rebuilding)
        p->s->state.orphans = 0;
    for (size_t i = 0; i < p->orphans.count; i++)
        if (!is_here(p->s, &p->orphans.at[i]))
            p->s->state.orphans++;
}

/* Headers of batches are not counted until the end. */
static prophet_code tell(const struct ph_replay *p, bool end, prophet_error *err)
{
    ph_replica *r = p->s->r;
    uint64_t all, unused;
    if (!r->progress)
        return PROPHET_OK;
    prophet_code rc = ph_log_size(r->log, &all, &unused, err);
    if (rc < 0)
        return rc;
    all -= unused;
    return ph_index_tell(r, "rebuild", end || p->read > all ? all : p->read, all, err);
}

static prophet_code replay_all(struct ph_replay *p, ph_mark *from, bool *any, prophet_error *err)
{
    ph_session *s = p->s;
    ph_frame f;
    uint64_t bytes = 0;
    prophet_code rc;
    for (;;) {
        if ((rc = ph_log_cursor_next(p->cur, &f, err)) == PROPHET_ECORRUPT) {
            *any = true;
            if ((rc = around(p, err)) == PROPHET_OK)
                continue;
        }
        if (rc != PROPHET_OK)
            break;
        *any = true;
        if ((rc = replay_frame(p, &f, err)) < 0)
            break;
        bytes += f.bytes.len + 64;
        p->read += f.bytes.len;
        if (ph_log_cursor_batch_done(p->cur) &&
            (bytes > PH_BATCH_BYTES || s->changesets.count >= PH_BATCH_COUNT)) {
            ph_log_cursor_mark(p->cur, from);
            if ((rc = commit(p, from, false, err)) < 0 || (rc = tell(p, false, err)) < 0)
                break;
            bytes = 0;
        }
    }
    return rc;
}

static prophet_code replay_from(struct ph_replay *p, prophet_error *err)
{
    ph_session *s = p->s;
    ph_mark from = { .position = s->state.position }, end;
    bool any = false;
    memcpy(from.chain, s->state.chain, sizeof from.chain);
    p->damaged = s->state.holes > 0;
    s->rebuilding = s->state.position == 0;
    prophet_code rc = ph_log_cursor_open(s->r->log, &from, &p->cur, err);
    if (rc < 0)
        return rc;
    rc = replay_all(p, &from, &any, err);
    ph_log_end(s->r->log, &end);
    if (any)
        ph_log_cursor_mark(p->cur, &from);
    if (end.position &&
        (p->loaded || from.position == 0)) /* behind damage at the end; a log without anything */
        from = end, any = true;
    count_orphans(p);
    if (rc == PROPHET_DONE)
        rc = any ? commit(p, &from, true, err) : PROPHET_OK;
    if (rc >= 0)
        rc = tell(p, true, err);
    ph_log_cursor_close(p->cur);
    return rc;
}

prophet_code ph_session_replay(ph_replica *r, prophet_error *err)
{
    ph_session *s = ph_session_new(r);
    prophet_code rc;
    if (!s)
        return ph_nomem(err);
    struct ph_replay p = { .s = s, .holes = PH_HOLES_INIT };
    s->replaying = true;
    ph_session *outer = r->session;
    r->session = s;
    if ((rc = ph_session_start(s, err)) >= 0)
        rc = replay_from(&p, err);
    if (s->txn)
        ph_txn_abort(s->txn);
    r->session = outer;
    ph_holes_clear(&p.holes);
    ph_free(p.orphans.at);
    ph_session_free(s);
    return rc < 0 ? rc : PROPHET_OK;
}
