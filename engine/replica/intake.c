/* Changesets from elsewhere. Their bytes are decoded and hashed as they come and wait in memory until a signature covers them
 * and everything they name is here; then they are applied in bounded transactions and appended to the log. What waits too long
 * without a signature is refused as a whole (EBUDGET), so that a peer cannot fill the memory.
 * Called by sync; a stream in causal order with its signatures flows through in one pass. */
#include "replica/intake_impl.h"

#define READY_BYTES (2u << 20) /* applied as soon as so much is ready */
#define APPLY_BYTES (1u << 20) /* in one transaction, about: its pages stay in memory until then */

prophet_code ph_intake_begin(ph_replica *r, ph_intake **out, prophet_error *err)
{
    if (ph_replica_readonly(r))
        return ph_replica_refuse_write(r, err);
    ph_intake *in = ph_zalloc(sizeof *in);
    if (!in)
        return ph_nomem(err);
    in->r = r;
    *out = in;
    return PROPHET_OK;
}

void ph_intake_free(ph_intake *in)
{
    if (!in)
        return;
    ph_view_end(in->view);
    if (in->frugal)
        ph_replica_frugal(in->r, false);
    for (size_t i = 0; i < in->list.count; i++)
        ph_free(in->list.at[i]);
    ph_free(in->held.at);
    ph_map_clear(&in->ids);
    ph_map_clear(&in->awaited);
    ph_map_clear(&in->writer_keys);
    ph_free(in->list.at);
    ph_free(in->writers.at);
    ph_free(in->opened.at);
    ph_arena_clear(&in->arena);
    ph_arena_clear(&in->kept);
    ph_free(in);
}

/* ---- arriving ------------------------------------------------------------------------------------------------------------ */

static bool same_chain(const waiting *a, const waiting *b)
{
    return ph_id_eq(&a->cs.header.replica, &b->cs.header.replica);
}

static void count_covered(ph_intake *in, waiting *w)
{
    w->covered = true;
    in->covered_bytes += w->bytes;
    in->covered_count++;
}

static bool await(ph_intake *in, bool named, const ph_id *id, waiting *w)
{
    return !named || ph_intake_await(in, id, w);
}

/* A tail that somebody vouches for, one step only: who vouches must be signed. */
static bool vouch(ph_intake *in, waiting *w)
{
    bool ok = true;
    for (; ok && w && !w->covered && !w->cs.header.has_vouches; w = w->chain_prev) {
        count_covered(in, w);
        w->vouched = true;
        in->report.vouched++;
        ok = await(in, !w->chain_prev && w->cs.header.has_prev, &w->cs.header.prev, w);
    }
    return ok;
}

/* This one and all before it in its chain are proven; so is a tail that one of them vouches for. What of these comes later, from another publisher of a depot,
 * is so as soon as it comes. */
static bool cover(ph_intake *in, waiting *w)
{
    bool ok = true;
    for (; ok && w && !w->covered; w = w->chain_prev) {
        const ph_header *h = &w->cs.header;
        waiting *tail = h->has_vouches ? ph_map_get(&in->ids, ph_slice(h->vouches.b, 32)) : NULL;
        count_covered(in, w);
        ok = await(in, !w->chain_prev && h->has_prev, &h->prev, w) &&
             await(in, h->has_vouches && !tail, &h->vouches, w) && vouch(in, tail);
    }
    return ok;
}

/* Did something that is covered wait for this one? */
static bool was_awaited(ph_intake *in, waiting *w)
{
    const waiting *later = ph_map_get(&in->awaited, ph_slice(w->cs.id.b, 32));
    if (!later)
        return true;
    if (!later->cs.header.has_prev || !ph_id_eq(&later->cs.header.prev, &w->cs.id))
        return vouch(in, w);
    if (!same_chain(later, w))
        return true;
    return later->vouched ? vouch(in, w) : cover(in, w);
}

static prophet_code decode(ph_intake *in, prophet_slice frame, ph_frame_context *ctx, waiting *w,
                           prophet_error *err)
{
    bool ok = true;
    prophet_slice bytes = ph_arena_copy(&in->arena, frame, &ok);
    prophet_code rc = ok ? ph_frame_decode(bytes, ph_log_database(in->r->log), true, in->r->hasher,
                                           &in->r->scratch, ctx, &in->arena, &w->cs, err)
                         : ph_nomem(err);
    if (rc < 0 || !w->cs.header.has_succeeds ||
        (rc = ph_succession_check(&w->cs.header, err)) != PROPHET_DONE)
        return rc;
    return ph_fail(err, PROPHET_EUNTRUSTED,
                   "a replica claims to succeed another without its signature");
}

/* It waits from now on. PROPHET_DONE: it does not, for what it lacks. */
static prophet_code let_in(ph_intake *in, waiting *w, prophet_error *err)
{
    prophet_code rc = in->offered ? ph_intake_find_lack(in, &w->cs, err) : PROPHET_OK;
    if (rc < 0 || (rc == PROPHET_DONE && !in->forced))
        return rc;
    w->forced = rc == PROPHET_DONE;
    if (w->cs.header.has_prev) {
        w->chain_prev = ph_map_get(&in->ids, ph_slice(w->cs.header.prev.b, 32));
        if (w->chain_prev && !same_chain(w, w->chain_prev))
            w->chain_prev =
                NULL; /* refused later; its signature proves nothing of another's chain */
    }
    return ph_intake_hold(in, w) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code check_full(ph_intake *in, prophet_error *err)
{
    prophet_code rc = ph_intake_full(in) ? ph_intake_apply(in, err) : PROPHET_OK;
    if (rc < 0 || !ph_intake_full(in))
        return rc;
    return ph_fail(err, PROPHET_EBUDGET,
                   "more than %u MiB of changesets wait for a signature: the source is refused",
                   PH_WAITING_MAX >> 20);
}

static prophet_code take_changeset(ph_intake *in, prophet_slice frame, ph_frame_context *ctx,
                                   prophet_error *err)
{
    const ph_frame_context before = *ctx;
    prophet_code rc = ph_intake_tidy(in, err);
    size_t used = in->arena.used;
    if (rc < 0)
        return rc;
    waiting *w = ph_zalloc(sizeof *w);
    if (!w)
        return ph_nomem(err);
    *w = (waiting){ .bytes = frame.len + 512, .source = in->source };
    rc = decode(in, frame, ctx, w, err);
    bool known = rc >= 0 && ph_intake_waits(in, &w->cs.id);
    if (rc >= 0 && !known)
        rc = let_in(in, w, err);
    w->held = in->arena.used - used;
    if (rc != PROPHET_OK || known) {
        in->garbage += w->held;
        in->report.duplicates += known;
        ph_free(w);
        if (rc == PROPHET_DONE)
            *ctx = before;
        return rc;
    }
    in->report.bytes += frame.len;
    return was_awaited(in, w) ? check_full(in, err) : ph_nomem(err);
}

prophet_code ph_intake_signature(ph_intake *in, const ph_id *id, const uint8_t sig[64],
                                 prophet_error *err)
{
    waiting *w = ph_map_get(&in->ids, ph_slice(id->b, 32));
    if (!w || w->applied ||
        (w->covered && (!w->own || w->has_sig))) /* known, or proven by a later one */
        return PROPHET_OK;
    prophet_code rc = ph_signature_check(&w->cs.header.replica, id, sig, err);
    if (rc != PROPHET_OK) {
        char hex[17];
        ph_hex(id->b, 8, hex);
        return rc < 0 ? rc
                      : ph_fail(err, PROPHET_EUNTRUSTED, "the signature of changeset %s is broken",
                                hex);
    }
    w->has_sig = true;
    memcpy(w->sig, sig, sizeof w->sig);
    if (!cover(in, w))
        return ph_nomem(err);
    if (in->covered_bytes - in->stuck_bytes >= READY_BYTES ||
        in->covered_count - in->stuck_count >= PH_BATCH_COUNT)
        return ph_intake_apply(in, err);
    return PROPHET_OK;
}

prophet_code ph_intake_own(ph_intake *in, const ph_changeset *cs, prophet_error *err)
{
    ph_frame_context none = { .has_last = false };
    ph_buf frame = PH_BUF_INIT;
    ph_frame_encode(cs, &none, &frame);
    prophet_code rc = frame.failed ? ph_nomem(err) : PROPHET_OK;
    none.has_last = false;
    if (rc >= 0)
        rc = take_changeset(in, ph_buf_slice(&frame), &none, err);
    ph_buf_clear(&frame);
    waiting *w = rc >= 0 ? ph_map_get(&in->ids, ph_slice(cs->id.b, 32)) : NULL;
    if (w) {
        w->own = true;
        cover(in, w);
    }
    return rc;
}

ph_replica *ph_intake_replica(ph_intake *in)
{
    return in->r;
}

prophet_code ph_intake_frame(ph_intake *in, ph_frame_type type, prophet_slice frame,
                             ph_frame_context *ctx, prophet_error *err)
{
    ph_id id;
    if (type == PH_FRAME_CHANGESET)
        return take_changeset(in, frame, ctx, err);
    if (type != PH_FRAME_SIGNATURE || frame.len != 96)
        return ph_fail(err, PROPHET_ECORRUPT, "a frame of a kind that is never sent");
    memcpy(id.b, frame.data, 32);
    return ph_intake_signature(in, &id, (const uint8_t *)frame.data + 32, err);
}

/* ---- applying ---------------------------------------------------------------------------------------------------------------- */

static prophet_code note_writer(ph_intake *in, ph_session *s, const ph_id *key, prophet_error *err)
{
    writer w = { *key, false };
    uint32_t ridx;
    ph_replica_row row;
    bool ok = true;
    if (ph_map_get(&in->writer_keys, ph_slice(key->b, 32)))
        return PROPHET_OK;
    prophet_code rc = ph_replicas_find(s->txn, key, &ridx, err);
    w.is_new = rc == PROPHET_DONE;
    if (rc == PROPHET_OK && (rc = ph_replicas_get(s->txn, ridx, &s->arena, &row, err)) >= 0)
        w.is_new = row.tip_count == 0; /* named as a predecessor only */
    if (rc < 0)
        return rc;
    prophet_slice kept = ph_arena_copy(&in->kept, ph_slice(key->b, 32), &ok);
    return ok && PH_PUSH(in->writers, w) && ph_map_put(&in->writer_keys, kept, in) ? PROPHET_OK
                                                                                   : ph_nomem(err);
}

static prophet_code append_signature(ph_session *s, const waiting *w, prophet_error *err)
{
    uint8_t sig[96];
    memcpy(sig, w->cs.id.b, 32);
    memcpy(sig + 32, w->sig, 64);
    size_t at = ph_log_payload_add(&s->payload, PH_FRAME_SIGNATURE, ph_slice(sig, sizeof sig));
    s->payload_frames++;
    return ph_apply_signature(s, &w->cs.id, at, 0, err);
}

static prophet_code append(ph_session *s, const waiting *w, const uint64_t *names,
                           prophet_error *err)
{
    size_t at, size;
    prophet_code rc = ph_session_add_frame(s, &w->cs, &at, &size, err);
    if (rc < 0 || (rc = ph_apply_changeset(s, &w->cs, names, at, 0, err)) < 0)
        return rc;
    s->changesets.at[s->changesets.count - 1].row.size = (uint32_t)size;
    return w->has_sig ? append_signature(s, w, err) : PROPHET_OK;
}

/* It is here, but damage took its frame or its signature: appended again. Its id proves it. */
static prophet_code give_back(ph_intake *in, ph_session *s, const waiting *w, uint64_t version,
                              size_t *given, prophet_error *err)
{
    ph_changeset_row row;
    uint64_t position;
    prophet_code rc = ph_changesets_get(s->txn, version, &row, err);
    if (rc < 0)
        return rc;
    if (row.flags & PH_CS_LOST) {
        if ((rc = ph_mend_append(s, version, &w->cs, err)) < 0)
            return rc;
        ++*given;
        in->report.mended++;
    }
    if (!w->has_sig || (rc = ph_signatures_get(s->txn, version, &position, err)) != PROPHET_DONE)
        return rc;
    ++*given;
    return append_signature(s, w, err);
}

/* One transaction: what is ready, in order of arrival, until it is large enough. *more: there may be more ready. */
static prophet_code apply_some(ph_intake *in, size_t *from, bool *any, prophet_error *err)
{
    ph_session *s;
    ph_position upto;
    ph_id missing;
    size_t count = 0, given = 0;
    prophet_code rc = ph_session_begin(in->r, &s, err);
    if (rc < 0)
        return rc;
    s->opened_cells = &in->opened;
    for (; *from < in->list.count && rc >= 0 && s->payload.len < APPLY_BYTES &&
           count < PH_BATCH_COUNT;
         ++*from) {
        waiting *w = in->list.at[*from];
        uint64_t version;
        if (w->applied)
            continue;
        uint64_t *names =
            ph_arena_alloc(&s->arena, (ph_changeset_names(&w->cs.header) + 1) * sizeof *names);
        if (!names) {
            rc = ph_nomem(err);
            break;
        }
        if ((rc = ph_apply_find(s, &w->cs, &version, err)) < 0)
            break;
        if (rc == PROPHET_OK) { /* here already */
            w->applied = true;
            if (s->state.holes && (rc = give_back(in, s, w, version, &given, err)) < 0)
                break;
            in->report.duplicates++;
            continue;
        }
        if (!w->covered)
            continue;
        if ((rc = ph_apply_names(s, &w->cs, names, &missing, err)) == PROPHET_DONE)
            continue; /* held back */
        if (rc >= 0 && ph_id_eq(&w->cs.header.replica, &in->r->key))
            in->report.own_chain = true;
        if (rc >= 0 && (rc = note_writer(in, s, &w->cs.header.replica, err)) >= 0 &&
            (rc = append(s, w, names, err)) >= 0) {
            w->applied = true;
            count++;
        }
    }
    if (rc >= 0 && count)
        rc = ph_local_came(s, ph_replica_now(in->r), count, err);
    if (rc >= 0 && count && (rc = ph_work_flush(s, err)) >= 0) {
        in->report.forks += s->forks;
        in->report.conflicts += s->opened;
    }
    if (rc < 0 || count + given == 0) {
        ph_session_abort(s);
        return rc < 0 ? rc
                      : PROPHET_OK; /* after a failure the intake is only good for being freed */
    }
    *any = true;
    if ((rc = ph_session_commit(s, &upto, err)) < 0)
        return rc;
    in->report.changesets += count;
    if (!in->frugal && in->report.changesets > PH_FRUGAL_FROM)
        ph_replica_frugal(in->r, in->frugal = true);
    return *from >= in->list.count ? ph_session_wait_durable(in->r, upto, err) : PROPHET_OK;
}

/* What a transaction that failed told of what it did not do. */
static void untell(ph_intake *in, const ph_intake_report *before, size_t writers, size_t opened)
{
    in->report = *before;
    for (; in->writers.count > writers; in->writers.count--)
        (void)ph_map_remove(&in->writer_keys,
                            ph_slice(in->writers.at[in->writers.count - 1].key.b, 32));
    in->opened.count = opened;
}

prophet_code ph_intake_apply(ph_intake *in, prophet_error *err)
{
    bool any = true;
    prophet_code rc = PROPHET_OK;
    ph_view_end(in->view); /* its pages could not be used again */
    in->view = NULL;
    while (any && rc >= 0 &&
           in->list.count) { /* again while something became ready by what was applied */
        any = false;
        for (size_t from = 0; from < in->list.count && rc >= 0;) {
            const ph_intake_report before = in->report;
            size_t writers = in->writers.count, opened = in->opened.count;
            if ((rc = apply_some(in, &from, &any, err)) < 0)
                untell(in, &before, writers, opened);
        }
        if (rc >= 0)
            ph_intake_sweep(in);
    }
    in->stuck_bytes = in->covered_bytes;
    in->stuck_count = in->covered_count;
    in->broken = in->broken || rc < 0;
    return rc;
}

bool ph_intake_broken(const ph_intake *in)
{
    return in->broken;
}

uint64_t ph_intake_applied(const ph_intake *in)
{
    return in->report.changesets;
}

static prophet_code fill_report(ph_intake *in, prophet_error *err)
{
    ph_intake_report *rep = &in->report;
    ph_view *v;
    for (size_t i = 0; i < in->list.count; i++) {
        if (in->list.at[i]->covered)
            rep->held_back++;
        else
            rep->unsigned_rest++;
    }
    ph_id *keys = ph_arena_alloc(&in->kept, (in->writers.count + 1) * sizeof *keys);
    if (!keys)
        return ph_nomem(err);
    rep->writers = keys;
    for (int fresh = 1; fresh >= 0; fresh--)
        for (size_t i = 0; i < in->writers.count; i++)
            if (in->writers.at[i].is_new == fresh) {
                keys[rep->writer_count++] = in->writers.at[i].key;
                rep->new_writer_count += (size_t)fresh;
            }
    prophet_code rc = ph_view_begin(in->r, &v, err);
    if (rc < 0)
        return rc;
    rep->opened = in->opened.at;
    rep->opened_count = in->opened.count;
    rc = ph_view_decided(v, rep->opened, rep->opened_count, &rep->decided, err);
    ph_view_end(v);
    return rc;
}

/* Those of the own log that still wait for what they name. */
static prophet_code keep_orphans(ph_intake *in, prophet_error *err)
{
    ph_position upto;
    ph_session *s;
    uint64_t count = 0;
    for (size_t i = 0; i < in->list.count; i++)
        count += in->list.at[i]->own && !in->list.at[i]->applied;
    prophet_code rc = ph_session_begin(in->r, &s, err);
    if (rc < 0)
        return rc;
    s->state.orphans = count;
    return ph_session_commit(s, &upto, err);
}

static prophet_code take_orphans(ph_intake *in, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(in->r, &v, err);
    if (rc < 0)
        return rc;
    bool any = v->state.orphans > 0;
    ph_view_end(v);
    if (!any)
        return PROPHET_OK;
    if ((rc = ph_orphans_take(in, err)) < 0 || (rc = ph_intake_apply(in, err)) < 0 ||
        (rc = keep_orphans(in, err)) < 0)
        return rc;
    return ph_identity_vouch_former(in->r, err);
}

prophet_code ph_orphans_settle(ph_replica *r, prophet_error *err)
{
    ph_intake *in = NULL;
    prophet_code rc = ph_intake_begin(r, &in, err);
    if (rc < 0)
        return rc;
    rc = take_orphans(in, err);
    ph_intake_free(in);
    return rc;
}

prophet_code ph_intake_finish(ph_intake *in, ph_intake_report *out, prophet_error *err)
{
    prophet_code rc = ph_intake_apply(in, err);
    if (rc >= 0)
        rc = take_orphans(in, err);
    if (rc >= 0 && in->report.own_chain)
        rc = ph_identity_renew(in->r, err);
    if (rc >= 0)
        rc = fill_report(in, err);
    if (rc >= 0)
        *out = in->report;
    return rc;
}
