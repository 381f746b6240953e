/* What sync compares and sends: the tips of all chains, and changesets with their signatures as a stream of frames. */
#include "replica/replica_impl.h"
#include <stdlib.h>

static int by_replica(const void *a, const void *b)
{
    const ph_chain_head *x = a, *y = b;
    int c = ph_id_cmp(&x->replica, &y->replica);
    return c ? c : ph_id_cmp(&x->id, &y->id);
}

prophet_code ph_view_chains(ph_view *v, ph_arena *a, ph_chain_head **out, size_t *count,
                            prophet_error *err)
{
    PH_LIST(ph_chain_head) list = { 0 };
    bool ok = true;
    prophet_code rc = PROPHET_OK;
    for (uint32_t ridx = 1; ridx <= v->state.replicas && rc >= 0; ridx++) {
        ph_replica_row rep;
        if ((rc = ph_replicas_get(v->txn, ridx, a, &rep, err)) < 0)
            break;
        for (uint32_t i = 0; i < rep.tip_count && rc >= 0; i++) {
            ph_changeset_row row;
            if ((rc = ph_changesets_get(v->txn, rep.tips[i].version, &row, err)) < 0)
                break;
            ph_chain_head h = { rep.key, row.seq, row.id, rep.tips[i].version, rep.signed_seq };
            if (!PH_PUSH(list, h))
                rc = ph_nomem(err);
        }
    }
    if (list.count)
        qsort(list.at, list.count, sizeof *list.at, by_replica);
    *out = (ph_chain_head *)(uintptr_t)ph_arena_copy(
               a, ph_slice(list.at, list.count * sizeof *list.at), &ok)
               .data;
    *count = list.count;
    ph_free(list.at);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

/* Nothing that is not known to be on disk is served: a source that loses it would have told what it never had. */
static bool is_durable(ph_view *v, ph_position position)
{
    ph_position durable = ph_log_durable(v->replica->log);
    return v->replica->options.readonly || position < durable;
}

static prophet_code send_signature(ph_view *v, uint64_t version, const ph_id *id,
                                   ph_log_window *signatures, ph_frame_sink sink, void *ctx,
                                   prophet_error *err)
{
    uint64_t position;
    ph_frame f;
    prophet_code rc = ph_signatures_get(v->txn, version, &position, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = ph_log_read(v->replica->log, position, signatures, &f, err)) < 0)
        return rc;
    return f.type == PH_FRAME_SIGNATURE ? sink(ctx, f.type, f.bytes, id, err) : PROPHET_OK;
}

/* What sending a row of changesets keeps between them. */
typedef struct sender {
    ph_arena a;
    ph_log_window changesets, signatures;
    ph_buf out;
    uint64_t sent; /* the version before, 0: none yet */
} sender;

static void sender_clear(sender *s)
{
    ph_arena_clear(&s->a);
    ph_log_window_clear(&s->changesets);
    ph_log_window_clear(&s->signatures);
    ph_buf_clear(&s->out);
}

static prophet_code send_one(ph_view *v, uint64_t version, ph_frame_context *stream, sender *s,
                             ph_frame_sink sink, void *ctx, prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row row;
    const ph_frame_context *before = s->sent && s->sent + 1 == version ? stream : NULL;
    prophet_code rc = ph_changesets_get(v->txn, version, &row, err);
    if (rc < 0 || (row.flags & PH_CS_LOST)) /* who needs it finds it elsewhere */
        return rc;
    ph_arena_reset(&s->a);
    rc = ph_view_changeset_in(v, version, before, false, &s->changesets, &s->a, &cs, &row, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc
                      : ph_fail(err, PROPHET_ECORRUPT, "changeset %llu is not in the log",
                                (unsigned long long)version);
    if (!is_durable(v, row.position))
        return PROPHET_DONE;
    ph_buf_reset(&s->out);
    ph_frame_encode(&cs, stream, &s->out);
    if (s->out.failed)
        return ph_nomem(err);
    s->sent = version;
    if ((rc = sink(ctx, PH_FRAME_CHANGESET, ph_buf_slice(&s->out), NULL, err)) < 0)
        return rc;
    return send_signature(v, version, &cs.id, &s->signatures, sink, ctx, err);
}

prophet_code ph_view_lost(ph_view *v, const ph_id *key, uint64_t *seq, prophet_error *err)
{
    uint32_t ridx;
    ph_replica_row rep;
    prophet_code rc = PROPHET_DONE;
    *seq = 0;
    if (v->state.holes == 0 || (rc = ph_replicas_find(v->txn, key, &ridx, err)) != PROPHET_OK)
        return rc;
    if ((rc = ph_replicas_get(v->txn, ridx, &v->arena, &rep, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < rep.tip_count && !ph_id_eq(key, &v->replica->key); i++)
        if (rep.tips[i].seq > rep.signed_seq) /* the signature may have lain there */
            *seq = rep.signed_seq + 1;
    if (v->state.lost == 0)
        return *seq ? PROPHET_OK : PROPHET_DONE;
    for (uint64_t version = 1; version <= v->state.version; version++) {
        ph_changeset_row row;
        if ((rc = ph_changesets_get(v->txn, version, &row, err)) < 0)
            return rc;
        if (row.ridx == ridx && (row.flags & PH_CS_LOST) && (*seq == 0 || row.seq < *seq))
            *seq = row.seq;
    }
    return *seq ? PROPHET_OK : PROPHET_DONE;
}

/* ---- the whole log -------------------------------------------------------------------------------------------- */

struct ph_stream {
    ph_log_cursor *cursor;
    ph_position end;
};

prophet_code ph_stream_begin(ph_view *v, ph_stream **out, prophet_error *err)
{
    static const ph_mark start;
    ph_stream *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    ph_position durable = ph_log_durable(v->replica->log);
    s->end = v->state.position;
    if (!v->replica->options.readonly && durable < s->end)
        s->end = durable;
    prophet_code rc = ph_log_cursor_open(v->replica->log, &start, &s->cursor, err);
    if (rc < 0)
        ph_free(s);
    else
        *out = s;
    return rc;
}

prophet_code ph_stream_next(ph_stream *s, ph_frame *out, prophet_error *err)
{
    prophet_code rc;
    do
        rc = ph_log_cursor_next(s->cursor, out, err);
    while (rc == PROPHET_OK && out->type == PH_FRAME_LOCAL && out->position < s->end);
    return rc == PROPHET_OK && out->position >= s->end ? PROPHET_DONE : rc;
}

void ph_stream_end(ph_stream *s)
{
    if (!s)
        return;
    ph_log_cursor_close(s->cursor);
    ph_free(s);
}

static prophet_code send_versions(ph_view *v, ph_frame_sink sink, void *ctx, prophet_error *err)
{
    ph_frame_context stream = { .has_last = false };
    sender s = { .a = PH_ARENA_INIT };
    prophet_code rc = PROPHET_OK;
    for (uint64_t version = 1; version <= v->state.version && rc == PROPHET_OK; version++)
        rc = send_one(v, version, &stream, &s, sink, ctx, err);
    sender_clear(&s);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code send_all(ph_view *v, ph_frame_sink sink, void *ctx, prophet_error *err)
{
    ph_stream *s;
    ph_frame f;
    prophet_code rc;
    if (v->state.holes) /* the log cannot be read as it lies */
        return send_versions(v, sink, ctx, err);
    if ((rc = ph_stream_begin(v, &s, err)) < 0)
        return rc;
    while ((rc = ph_stream_next(s, &f, err)) == PROPHET_OK &&
           (rc = sink(ctx, f.type, f.bytes, NULL, err)) >= 0)
        ;
    ph_stream_end(s);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_view_stream_on(ph_view *v, ph_frame_context *stream, const uint64_t *versions,
                               size_t count, ph_frame_sink sink, void *ctx, prophet_error *err)
{
    sender s = { .a = PH_ARENA_INIT };
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < count && rc == PROPHET_OK; i++)
        rc = send_one(v, versions[i], stream, &s, sink, ctx, err);
    sender_clear(&s);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_view_stream(ph_view *v, const uint64_t *versions, size_t count, bool all,
                            ph_frame_sink sink, void *ctx, prophet_error *err)
{
    ph_frame_context stream = { .has_last = false };
    return all ? send_all(v, sink, ctx, err)
               : ph_view_stream_on(v, &stream, versions, count, sink, ctx, err);
}
