/* Orphans: an index that was made across damage passes over changesets that name what the damage took. When that came back from a peer
 * they are taken in once more, from the own log, and so appended behind it: a replay then finds them in an order that works. */
#include "replica/replica_impl.h"

static prophet_code is_here(ph_intake *in, const ph_id *id, bool *yes, prophet_error *err)
{
    uint64_t version;
    ph_view *v;
    prophet_code rc = ph_view_begin(ph_intake_replica(in), &v, err);
    if (rc < 0)
        return rc;
    rc = ph_ids_find(v->replica->ids, v->txn, id, &version, err);
    *yes = rc == PROPHET_OK;
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code take_frame(ph_intake *in, prophet_slice frame, ph_frame_context *stream,
                               ph_arena *a, prophet_error *err)
{
    ph_replica *r = ph_intake_replica(in);
    ph_changeset cs;
    bool yes;
    ph_arena_reset(a);
    prophet_code rc = ph_frame_decode(frame, ph_log_database(r->log), true, r->hasher, &r->scratch,
                                      stream, a, &cs, err);
    if (rc == PROPHET_ECORRUPT) { /* leaves out what the damage took */
        stream->has_last = false;
        return PROPHET_OK;
    }
    if (rc < 0 || (rc = is_here(in, &cs.id, &yes, err)) < 0 || yes)
        return rc;
    return ph_intake_own(in, &cs, err);
}

typedef struct taking {
    ph_intake *in;
    ph_log_cursor *cur;
    ph_holes holes;
    ph_frame_context stream;
    ph_arena a;
} taking;

static prophet_code take(taking *t, const ph_frame *f, prophet_error *err)
{
    ph_frame_context none = { .has_last = false };
    prophet_slice again; /* it was mended before what it names */
    uint64_t version;
    ph_id id;
    if (f->type == PH_FRAME_CHANGESET)
        return take_frame(t->in, f->bytes, &t->stream, &t->a, err);
    if (f->type == PH_FRAME_LOCAL)
        return ph_mend_open(f->bytes, &version, &again)
                   ? take_frame(t->in, again, &none, &t->a, err)
                   : PROPHET_OK;
    if (f->bytes.len != 96)
        return PROPHET_OK;
    memcpy(id.b, f->bytes.data, sizeof id.b);
    return ph_intake_signature(t->in, &id, (const uint8_t *)f->bytes.data + 32, err);
}

static prophet_code take_all(taking *t, prophet_error *err)
{
    ph_position from, to;
    ph_frame f;
    for (;;) {
        prophet_code rc = ph_log_cursor_next(t->cur, &f, err);
        if (rc == PROPHET_OK)
            rc = take(t, &f, err);
        else if (rc == PROPHET_ECORRUPT &&
                 (rc = ph_log_cursor_skip(t->cur, &from, &to, err)) == PROPHET_OK) {
            ph_arena_reset(&t->a);
            rc = ph_holes_behind(&t->holes, from, to, &t->a, &t->stream, err);
        }
        if (rc != PROPHET_OK)
            return rc;
    }
}

prophet_code ph_orphans_take(ph_intake *in, prophet_error *err)
{
    static const ph_mark start;
    taking t = { .in = in, .holes = PH_HOLES_INIT, .a = PH_ARENA_INIT };
    ph_replica *r = ph_intake_replica(in);
    prophet_code rc;
    if ((rc = ph_holes_load(r, &t.holes, err)) >= 0 &&
        (rc = ph_log_cursor_open(r->log, &start, &t.cur, err)) >= 0)
        rc = take_all(&t, err);
    ph_log_cursor_close(t.cur);
    ph_holes_clear(&t.holes);
    ph_arena_clear(&t.a);
    return rc < 0 ? rc : PROPHET_OK;
}
