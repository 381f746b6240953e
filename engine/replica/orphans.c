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

prophet_code ph_orphans_take(ph_intake *in, prophet_error *err)
{
    static const ph_mark start;
    ph_arena a = PH_ARENA_INIT;
    ph_frame_context stream = { .has_last = false };
    ph_position from, to;
    ph_log_cursor *cur;
    ph_frame f;
    prophet_slice again; /* inside a local frame: it was mended before what it names */
    uint64_t version;
    prophet_code rc = ph_log_cursor_open(ph_intake_replica(in)->log, &start, &cur, err);
    if (rc < 0)
        return rc;
    for (;;) {
        if ((rc = ph_log_cursor_next(cur, &f, err)) == PROPHET_ECORRUPT) {
            stream.has_last = false;
            rc = ph_log_cursor_skip(cur, &from, &to, err);
        } else if (rc == PROPHET_OK && f.type == PH_FRAME_CHANGESET)
            rc = take_frame(in, f.bytes, &stream, &a, err);
        else if (rc == PROPHET_OK && f.type == PH_FRAME_LOCAL &&
                 ph_mend_open(f.bytes, &version, &again)) {
            ph_frame_context none = { .has_last = false };
            rc = take_frame(in, again, &none, &a, err);
        } else if (rc == PROPHET_OK && f.type == PH_FRAME_SIGNATURE && f.bytes.len == 96) {
            ph_id id;
            memcpy(id.b, f.bytes.data, sizeof id.b);
            rc = ph_intake_signature(in, &id, (const uint8_t *)f.bytes.data + 32, err);
        }
        if (rc != PROPHET_OK)
            break;
    }
    ph_log_cursor_close(cur);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}
