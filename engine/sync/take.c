/* Segments into a replica: their frames go to the intake, which verifies and applies them; or, in a dry run, they are only counted.
 * Several segments are one intake, so that what waits in one for the next is not lost. Called by bundle.c, depot_pull.c and depot_feed.c. */
#include "sync/segment_impl.h"

prophet_code sync_intake_begin(ph_replica *r, const ph_sync_options *o, uint64_t total,
                               sync_intake *out, prophet_error *err)
{
    *out = (sync_intake){ .r = r, .o = o, .total = total };
    return ph_intake_begin(r, &out->in, err);
}

prophet_code sync_intake_segment(sync_intake *t, sync_segment *s, prophet_error *err)
{
    ph_frame_context stream = { .has_last = false };
    ph_frame_type type;
    prophet_slice frame;
    prophet_code rc;
    while ((rc = sync_segment_next(s, &type, &frame, err)) == PROPHET_OK) {
        if ((rc = ph_intake_frame(t->in, type, frame, &stream, err)) < 0)
            break;
        if (type == PH_FRAME_CHANGESET && ++t->done % 256 == 0 &&
            (rc = sync_progress(t->o, "changesets", t->done, t->total, err)) < 0)
            break;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code sync_intake_finish(sync_intake *t, ph_sync_report *rep, prophet_error *err)
{
    ph_intake_report in;
    prophet_code rc = ph_intake_finish(t->in, &in, err);
    if (rc < 0 || (rc = sync_report_add(&in, rep, err)) < 0)
        return rc;
    if (rep->own_chain)
        (void)snprintf(rep->notice, sizeof rep->notice, "%s", ph_replica_notice(t->r));
    return sync_progress(t->o, "changesets", t->done, t->total, err);
}

void sync_intake_end(sync_intake *t)
{
    ph_intake_free(t->in);
    t->in = NULL;
}

/* ---- a dry run -------------------------------------------------------------------------------------------------------- */

static prophet_code note_writer(ph_view *v, const ph_id *key, ph_map *seen, ph_sync_report *rep,
                                prophet_error *err)
{
    ph_replica_row row = { .tip_count = 0 };
    uint32_t ridx;
    bool ok = true;
    if (ph_map_get(seen, ph_slice(key->b, 32)))
        return PROPHET_OK;
    prophet_code rc = ph_replicas_find(v->txn, key, &ridx, err);
    if (rc == PROPHET_OK)
        rc = ph_replicas_get(v->txn, ridx, &v->arena, &row, err);
    if (rc < 0)
        return rc;
    ph_id *grown = ph_arena_alloc(&rep->arena, (rep->writer_count + 1) * sizeof *grown);
    prophet_slice kept = ph_arena_copy(&rep->arena, ph_slice(key->b, 32), &ok);
    if (!grown || !ok || !ph_map_put(seen, kept, rep))
        return ph_nomem(err);
    size_t at = row.tip_count ? rep->writer_count : rep->new_writer_count++; /* new ones first */
    if (at)
        memcpy(grown, rep->writers, at * sizeof *grown);
    grown[at] = *key;
    if (rep->writer_count > at)
        memcpy(grown + at + 1, rep->writers + at, (rep->writer_count - at) * sizeof *grown);
    rep->writers = grown;
    rep->writer_count++;
    return PROPHET_OK;
}

typedef struct counter {
    ph_view *v;
    ph_hasher *hasher;
    ph_buf scratch;
    ph_arena arena;
    ph_map writers;
    ph_frame_context stream;
} counter;

static prophet_code count_frame(counter *c, const ph_uuid *database, prophet_slice frame,
                                ph_sync_report *rep, prophet_error *err)
{
    ph_changeset cs;
    uint64_t version;
    ph_arena_reset(&c->arena);
    prophet_code rc = ph_frame_decode(frame, database, false, c->hasher, &c->scratch, &c->stream,
                                      &c->arena, &cs, err);
    if (rc < 0 || (rc = ph_view_version_of(c->v, &cs.id, &version, err)) != PROPHET_DONE)
        return rc;
    rep->changesets++;
    return note_writer(c->v, &cs.header.replica, &c->writers, rep, err);
}

prophet_code sync_segment_count(ph_replica *r, sync_segment *s, ph_sync_report *rep,
                                prophet_error *err)
{
    counter c = { .scratch = PH_BUF_INIT, .arena = PH_ARENA_INIT };
    ph_frame_type type;
    prophet_slice frame;
    prophet_code rc = ph_hasher_new(&c.hasher, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_begin(r, &c.v, err)) >= 0) {
        while ((rc = sync_segment_next(s, &type, &frame, err)) == PROPHET_OK)
            if (type == PH_FRAME_CHANGESET &&
                (rc = count_frame(&c, ph_replica_database(r), frame, rep, err)) < 0)
                break;
        ph_view_end(c.v);
    }
    rep->replicas = rep->writer_count;
    ph_map_clear(&c.writers);
    ph_hasher_free(c.hasher);
    ph_buf_clear(&c.scratch);
    ph_arena_clear(&c.arena);
    return rc < 0 ? rc : PROPHET_OK;
}
