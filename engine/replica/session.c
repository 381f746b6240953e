/* One write to a replica: lock, bring the index up to the log, collect, append one batch, commit the index, unlock.
 * The caller then waits for the flush without the lock, so that several share one (DESIGN 5, Commit). */
#include "replica/replica_impl.h"
#include <stdlib.h>

/* ---- memory: one session's is kept for the next, so that a small commit allocates little -------------------------- */

#define KEPT_MAX ((size_t)64 * 1024) /* a session that took more gives it back */

ph_session *ph_session_new(ph_replica *r)
{
    ph_session *s = r->spare ? r->spare : ph_zalloc(sizeof *s);
    r->spare = NULL;
    if (s)
        s->r = r;
    return s;
}

void ph_session_drop(ph_session *s)
{
    if (!s)
        return;
    ph_map_clear(&s->records);
    ph_map_clear(&s->ids);
    ph_map_clear(&s->replica_keys);
    ph_free(s->queue.at);
    ph_free(s->touched.at);
    ph_free(s->changesets.at);
    ph_free(s->history.at);
    ph_free(s->signatures.at);
    ph_free(s->mends.at);
    ph_free(s->replicas.at);
    ph_free(s->ix_ops.at);
    ph_free(s->ix_before.at);
    ph_free(s->ix_after.at);
    ph_buf_clear(&s->ix_key);
    ph_buf_clear(&s->ix_number);
    ph_buf_clear(&s->body);
    ph_buf_clear(&s->frame);
    ph_buf_clear(&s->payload);
    ph_arena_clear(&s->arena);
    ph_arena_clear(&s->row_arena);
    ph_fulltext_forget(s);
    ph_free(s->text_writers.at);
    ph_arena_clear(&s->text_arena);
    ph_free(s);
}

static bool is_small(const ph_session *s)
{
    return s->payload.cap <= KEPT_MAX && s->body.cap <= KEPT_MAX && s->frame.cap <= KEPT_MAX &&
           s->arena.used <= KEPT_MAX && s->row_arena.used <= KEPT_MAX &&
           s->records.cap <= KEPT_MAX / 64 && s->ix_ops.cap <= KEPT_MAX / 64 &&
           s->text_writers.cap == 0 && !s->text_arena.head;
}

void ph_session_free(ph_session *s)
{
    if (s && !s->r->past) /* of the past each record is made in a session of its own */
        ph_kept_trim(s->r->kept);
    if (!s || s->r->spare || !is_small(s)) {
        ph_session_drop(s);
        return;
    }
    ph_session_forget(s);
    ph_arena_reset(&s->arena);
    ph_arena_reset(&s->row_arena);
    ph_buf_reset(&s->ix_key);
    ph_buf_reset(&s->ix_number);
    ph_buf_reset(&s->body);
    ph_buf_reset(&s->frame);
    ph_session kept = { .r = s->r,
                        .arena = s->arena,
                        .row_arena = s->row_arena,
                        .records = s->records,
                        .ids = s->ids,
                        .replica_keys = s->replica_keys,
                        .payload = s->payload,
                        .ix_key = s->ix_key,
                        .ix_number = s->ix_number,
                        .body = s->body,
                        .frame = s->frame };
#define KEEP(list) (memcpy(&kept.list, &s->list, sizeof kept.list), kept.list.count = 0)
    KEEP(queue);
    KEEP(touched);
    KEEP(changesets);
    KEEP(history);
    KEEP(signatures);
    KEEP(mends);
    KEEP(replicas);
    KEEP(ix_ops);
    KEEP(ix_before);
    KEEP(ix_after);
#undef KEEP
    *s = kept;
    kept.r->spare = s;
}

void ph_session_forget(ph_session *s)
{
    ph_map_reset(&s->records);
    ph_map_reset(&s->ids);
    ph_map_reset(&s->replica_keys);
    s->queue.count = s->touched.count = s->changesets.count = s->history.count = 0;
    s->ix_ops.count = 0;
    ph_fulltext_forget(s);
    s->signatures.count = s->replicas.count = s->mends.count = 0;
    ph_buf_reset(&s->payload);
    s->payload_frames = 0;
    s->untold = s->schema_touched = s->all_types = s->others_asked = s->mended = false;
    s->opened = s->forks = 0;
}

/* What frames may leave out, because the frame before them in the log says it. */
static prophet_code stream_context(ph_session *s, prophet_error *err)
{
    ph_changeset_row *last = &s->last;
    ph_replica_row rep;
    prophet_code rc;
    s->last_version = 0;
    s->stream = (ph_frame_context){ .has_last = false };
    if (s->state.version == 0 || s->state.holes || s->state.forgot)
        return PROPHET_OK; /* after damage the version before need not lie before: a batch begins with all */
    if ((rc = ph_changesets_get(s->txn, s->state.version, last, err)) < 0 ||
        (rc = ph_replicas_get(s->txn, last->ridx, &s->arena, &rep, err)) < 0)
        return rc;
    s->stream.has_last = true;
    s->stream.replica = rep.key;
    s->stream.id = last->id;
    s->stream.seq = last->seq;
    s->last_version = s->state.version;
    return PROPHET_OK;
}

prophet_code ph_session_start(ph_session *s, prophet_error *err)
{
    prophet_code rc = ph_txn_begin(s->r->store, true, &s->txn, err);
    if (rc >= 0)
        rc = ph_state_load(s->txn, &s->arena, &s->state, err);
    if (rc >= 0)
        rc = ph_names_refresh(s->r->names, s->txn, s->state.names, err);
    if (rc >= 0)
        rc = stream_context(s, err);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_session_alone(ph_replica *r,
                              prophet_code (*work)(ph_session *s, prophet_error *err),
                              prophet_error *err)
{
    ph_session *s = ph_session_new(r);
    prophet_code rc;
    if (!s)
        return ph_nomem(err);
    s->replaying = true;
    ph_session *outer = r->session;
    r->session = s;
    if ((rc = ph_session_start(s, err)) >= 0 && (rc = work(s, err)) == PROPHET_OK) {
        ph_txn *t = s->txn;
        s->txn = NULL;
        rc = ph_txn_commit(t, err);
    }
    if (rc < 0)
        ph_ids_forget(r->ids);
    if (s->txn)
        ph_txn_abort(s->txn);
    r->session = outer;
    ph_session_free(s);
    return rc;
}

/* ---- begin, commit, abort ---------------------------------------------------------------------------------------- */

/* Other processes may have written since; one that was killed left more in the log than in the index. */
static prophet_code catch_up(ph_session *s, prophet_error *err)
{
    ph_mark end, applied = { .position = s->state.position };
    prophet_code rc;
    memcpy(applied.chain, s->state.chain, sizeof applied.chain);
    ph_log_end(s->r->log, &end);
    if (applied.position == end.position && memcmp(applied.chain, end.chain, sizeof end.chain) == 0)
        return PROPHET_OK;
    if (applied.position && (rc = ph_log_holds(s->r->log, &applied, err)) != PROPHET_OK) {
        if (rc < 0)
            return rc;
        rc = ph_fail(err, PROPHET_ECORRUPT,
                     "the index of %s has more than its log: the disk lost what it had taken",
                     s->r->path);
        ph_hint(err, "close it everywhere and open it again: the index is rebuilt then");
        return rc;
    }
    ph_txn_abort(s->txn);
    s->txn = NULL;
    rc = ph_session_replay(s->r, err);
    return rc < 0 ? rc : ph_session_start(s, err);
}

prophet_code ph_session_begin(ph_replica *r, ph_session **out, prophet_error *err)
{
    prophet_code rc;
    if (r->options.readonly)
        return ph_replica_refuse_write(r, err);
    if (r->telling)
        return ph_replica_has_no_index(r, err);
    if (r->session)
        return ph_fail(err, PROPHET_EUSAGE, "a change is open on this handle already");
    ph_session *s = ph_session_new(r);
    if (!s)
        return ph_nomem(err);
    uint32_t wait = r->options.lock_timeout_ms ? r->options.lock_timeout_ms : 60000;
    if ((rc = ph_log_lock(r->log, wait, err)) >= 0) {
        s->locked = true;
        r->session = s;
        if ((rc = ph_identity_follow(r, err)) >= 0 && (rc = ph_index_unclean(r, err)) >= 0 &&
            (rc = ph_session_start(s, err)) >= 0)
            rc = catch_up(s, err);
    }
    if (rc < 0) {
        ph_session_abort(s);
        return rc;
    }
    *out = s;
    return PROPHET_OK;
}

prophet_code ph_session_restart(ph_session *s, prophet_error *err)
{
    ph_txn_abort(s->txn);
    s->txn = NULL;
    ph_session_forget(s);
    ph_schemas_forget(s->r);
    ph_ids_forget(s->r->ids);
    return ph_session_start(s, err);
}

void ph_session_abort(ph_session *s)
{
    if (!s)
        return;
    ph_replica *r = s->r;
    bool began = s->txn != NULL;
    if (s->txn)
        ph_txn_abort(s->txn);
    if (s->locked)
        ph_log_unlock(r->log);
    if (r->session == s)
        r->session = NULL;
    if (began) { /* may hold what was never committed */
        ph_schemas_forget(r);
        ph_ids_forget(r->ids);
    }
    ph_session_free(s);
}

prophet_code ph_session_over(ph_replica *r, const ph_state *state, ph_session **out,
                             prophet_error *err)
{
    ph_session *s = ph_session_new(r);
    if (!s)
        return ph_nomem(err);
    ph_require(ph_txn_is_overlay(r->reader) && !r->session);
    s->txn = r->reader;
    s->state = *state;
    s->replaying = true;
    r->session = s;
    ph_overlay_write_begin(s->txn);
    *out = s;
    return PROPHET_OK;
}

void ph_session_over_end(ph_session *s)
{
    ph_overlay_write_end(s->txn);
    s->r->session = NULL;
    ph_session_free(s);
}

prophet_code ph_session_store_replicas(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < s->replicas.count && rc >= 0; i++)
        rc = ph_replicas_put(s->txn, s->replicas.at[i], false, err);
    return rc;
}

prophet_code ph_session_add_frame(ph_session *s, const ph_changeset *cs, size_t *at, size_t *size,
                                  prophet_error *err)
{
    ph_buf_reset(&s->frame);
    ph_frame_head(cs, &s->stream, &s->frame);
    if (s->frame.failed)
        return ph_nomem(err);
    *size = s->frame.len + cs->body_bytes.len;
    *at = ph_log_payload_add_parts(&s->payload, PH_FRAME_CHANGESET, ph_buf_slice(&s->frame),
                                   cs->body_bytes);
    s->payload_frames++;
    return PROPHET_OK;
}

/* Rows that waited to be written with many of their table. */
static prophet_code move_rows(ph_session *s, uint64_t before, prophet_error *err)
{
    uint64_t last = s->state.version;
    if (ph_recent_base(before) == ph_recent_base(last))
        return PROPHET_OK;
    prophet_code rc = ph_ids_move(s->txn, before, last, err);
    return rc < 0 ? rc : ph_history_move(s->txn, last, err);
}

static prophet_code store_changesets(ph_session *s, ph_position batch, prophet_error *err)
{
    size_t n = s->changesets.count;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        ph_new_changeset *c = &s->changesets.at[i];
        if (batch)
            c->row.position = ph_log_frame_position(batch, c->payload_offset);
        rc = ph_changesets_put(s->txn, c->version, &c->row, err);
    }
    for (size_t i = 0; i < n && rc >= 0; i++) {
        const ph_new_changeset *c = &s->changesets.at[i];
        if (!(c->row.flags & (PH_CS_RUN | PH_CS_GAP)))
            rc = ph_chains_put(s->txn, c->row.ridx, c->row.seq, c->version, err);
    }
    return rc < 0 || n == 0 ? rc : move_rows(s, s->changesets.at[0].version - 1, err);
}

prophet_code ph_session_store_rows(ph_session *s, ph_position batch, prophet_error *err)
{
    prophet_code rc;
    if ((rc = ph_session_store_replicas(s, err)) < 0 ||
        (rc = store_changesets(s, batch, err)) < 0 || (rc = ph_mend_store(s, batch, err)) < 0)
        return rc;
    for (size_t i = 0; i < s->signatures.count && rc >= 0; i++) {
        const ph_new_signature *g = &s->signatures.at[i];
        rc = ph_signatures_put(
            s->txn, g->version,
            batch ? ph_log_frame_position(batch, g->payload_offset) : g->position, err);
    }
    return rc < 0 ? rc : ph_state_store(s->txn, &s->state, err);
}

prophet_code ph_session_commit(ph_session *s, ph_position *flush_to, prophet_error *err)
{
    ph_replica *r = s->r;
    ph_position batch = 0;
    ph_mark end;
    prophet_code rc;
    if (s->payload.failed)
        rc = ph_nomem(err);
    else
        rc = ph_work_flush(s, err);
    if (rc >= 0 && s->payload_frames)
        rc = ph_log_append(r->log, ph_buf_slice(&s->payload), s->payload_frames, &batch, err);
    bool appended = rc >= 0 && batch;
    if (appended && !r->options.relaxed)
        ph_log_flush_start(r->log);
    if (rc >= 0) {
        ph_log_end(r->log, &end);
        s->state.position = end.position;
        memcpy(s->state.chain, end.chain, sizeof end.chain);
        rc = ph_session_store_rows(s, batch, err);
    }
    if (rc >= 0) {
        ph_txn *t = s->txn;
        s->txn = NULL;
        if ((rc = ph_txn_commit(t, err)) < 0)
            ph_ids_forget(r->ids);
    }
    if (rc < 0 && appended && ph_log_undo(r->log, NULL) < 0)
        rc = ph_fail(err, PROPHET_EIO,
                     "it is unknown whether the change was written: the disk failed while it was "
                     "being taken back");
    if (rc >= 0) {
        r->wrote = true;
        r->last_write_us = ph_monotonic_us();
        *flush_to = end.position;
    }
    bool jobs = rc >= 0 && r->jobs_none != s->state.schema + 1;
    ph_session_abort(s); /* frees and unlocks */
    if (jobs)
        ph_secondary_finish(r);
    return rc;
}

prophet_code ph_session_wait_durable(ph_replica *r, ph_position upto, prophet_error *err)
{
    return r->options.relaxed ? PROPHET_OK : ph_log_flush(r->log, upto, err);
}
