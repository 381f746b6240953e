/* The other end of a transfer (sender.c draws its bytes): cuts what comes into records again and gives them to the intake, which verifies
 * them. Holds at most one record; what an intake may hold is bounded there. Called by live.c (pull) and serve (push). */
#include "sync/sync_impl.h"

enum { HEAD_MAX = 11 }; /* type and length */
#define RECORD_MAX (PH_CHANGESET_MAX + 64u)

struct ph_sync_taker {
    ph_replica *r;
    ph_intake *in; /* NULL: counted only */
    struct dry {
        ph_hasher *hasher;
        ph_arena frame; /* of the one at hand */
        ph_buf scratch;
        ph_map seen; /* writers; their keys lie in the report's arena */
        ph_sync_report report;
    } dry;
    ph_frame_context stream;
    ph_buf rest; /* the start of a record that is not all here */
    uint64_t records, changesets;
    bool begun, ended;
};

prophet_code ph_sync_taker_open(ph_replica *r, ph_sync_taker **out, prophet_error *err)
{
    ph_sync_taker *t = ph_zalloc(sizeof *t);
    if (!t)
        return ph_nomem(err);
    t->r = r;
    prophet_code rc = ph_intake_begin(r, &t->in, err);
    if (rc < 0)
        ph_free(t);
    else
        *out = t;
    return rc;
}

prophet_code sync_taker_open_dry(ph_replica *r, ph_sync_taker **out, prophet_error *err)
{
    ph_sync_taker *t = ph_zalloc(sizeof *t);
    if (!t)
        return ph_nomem(err);
    t->r = r;
    prophet_code rc = ph_hasher_new(&t->dry.hasher, err);
    if (rc < 0)
        ph_free(t);
    else
        *out = t;
    return rc;
}

static prophet_code refuse(const char *why, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "a transfer of changesets: %s", why);
}

static prophet_code count(ph_sync_taker *t, ph_frame_type type, prophet_slice frame,
                          prophet_error *err)
{
    struct dry *d = &t->dry;
    ph_changeset cs;
    bool ok = true;
    if (type != PH_FRAME_CHANGESET)
        return PROPHET_OK;
    ph_arena_reset(&d->frame);
    prophet_code rc = ph_frame_decode(frame, ph_replica_database(t->r), false, d->hasher,
                                      &d->scratch, &t->stream, &d->frame, &cs, err);
    if (rc < 0)
        return rc;
    d->report.changesets++;
    d->report.bytes += frame.len;
    if (ph_map_get(&d->seen, ph_slice(cs.header.replica.b, 32)))
        return PROPHET_OK;
    prophet_slice key = ph_arena_copy(&d->report.arena, ph_slice(cs.header.replica.b, 32), &ok);
    if (!ok || !ph_map_put(&d->seen, key, t))
        return ph_nomem(err);
    return sync_count_writer(t->r, &cs.header.replica, &d->report, err);
}

/* One record at *p, if it is all there; PROPHET_DONE: more bytes are needed. */
static prophet_code take_record(ph_sync_taker *t, const uint8_t **p, const uint8_t *end,
                                prophet_error *err)
{
    const uint8_t *at = *p;
    uint64_t len;
    uint8_t type = *at++;
    if (t->ended)
        return refuse("bytes follow its end", err);
    if (type > PH_FRAME_SIGNATURE)
        return refuse("a record of a kind that is never sent", err);
    if (!ph_varint_read(&at, end, &len))
        return end - *p < HEAD_MAX ? PROPHET_DONE : refuse("a length that is none", err);
    if (type == 0) {
        t->ended = true;
        *p = at;
        return len == t->records ? PROPHET_OK : refuse("records are missing", err);
    }
    if (len > RECORD_MAX)
        return refuse("a changeset that is too large", err);
    if (len > (uint64_t)(end - at))
        return PROPHET_DONE;
    *p = at + len;
    t->records++;
    t->changesets += type == PH_FRAME_CHANGESET;
    prophet_slice frame = ph_slice(at, (size_t)len);
    return t->in ? ph_intake_frame(t->in, (ph_frame_type)type, frame, &t->stream, err)
                 : count(t, (ph_frame_type)type, frame, err);
}

/* The database it is of. */
static prophet_code take_start(ph_sync_taker *t, const uint8_t **p, const uint8_t *end,
                               prophet_error *err)
{
    ph_uuid database;
    if ((size_t)(end - *p) < sizeof database)
        return PROPHET_DONE;
    memcpy(&database, *p, sizeof database);
    *p += sizeof database;
    t->begun = true;
    return sync_check_related(t->r, &database, "this replica", "the other side", err);
}

static prophet_code take_all(ph_sync_taker *t, const uint8_t **p, const uint8_t *end,
                             prophet_error *err)
{
    prophet_code rc = t->begun ? PROPHET_OK : take_start(t, p, end, err);
    while (rc == PROPHET_OK && *p < end && (rc = take_record(t, p, end, err)) == PROPHET_OK)
        ;
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_sync_taker_feed(ph_sync_taker *t, prophet_slice bytes, prophet_error *err)
{
    const uint8_t *p = bytes.data, *end;
    prophet_code rc;
    if (bytes.len == 0)
        return PROPHET_OK;
    if (t->rest.len) { /* what was left over goes in front */
        ph_buf_put(&t->rest, bytes.data, bytes.len);
        if (t->rest.failed)
            return ph_nomem(err);
        p = t->rest.data;
        bytes.len = t->rest.len;
    }
    end = p + bytes.len;
    if ((rc = take_all(t, &p, end, err)) < 0)
        return rc;
    size_t left = (size_t)(end - p);
    if (t->rest.len) {
        memmove(t->rest.data, p, left);
        t->rest.len = left;
    } else if (left) {
        ph_buf_put(&t->rest, p, left);
    }
    return t->rest.failed ? ph_nomem(err) : PROPHET_OK;
}

uint64_t ph_sync_taker_count(const ph_sync_taker *t)
{
    return t->changesets;
}

static prophet_code finish_dry(ph_sync_taker *t, ph_sync_report *rep)
{
    const ph_sync_report *d = &t->dry.report;
    rep->changesets += d->changesets;
    rep->bytes += d->bytes;
    ph_arena_clear(&rep->arena);
    rep->arena = d->arena; /* the writers lie there */
    rep->writers = d->writers;
    rep->writer_count = rep->replicas = d->writer_count;
    rep->new_writer_count = d->new_writer_count;
    t->dry.report.arena = (ph_arena)PH_ARENA_INIT;
    return PROPHET_OK;
}

prophet_code ph_sync_taker_finish(ph_sync_taker *t, ph_sync_report *rep, prophet_error *err)
{
    ph_intake_report in;
    prophet_code rc = t->in ? ph_intake_finish(t->in, &in, err) : finish_dry(t, rep);
    if (rc < 0 || (t->in && (rc = sync_report_add(&in, rep, err)) < 0))
        return rc;
    return t->ended ? PROPHET_OK : refuse("it was cut short", err);
}

void ph_sync_taker_close(ph_sync_taker *t)
{
    if (!t)
        return;
    ph_intake_free(t->in);
    ph_hasher_free(t->dry.hasher);
    ph_arena_clear(&t->dry.frame);
    ph_buf_clear(&t->dry.scratch);
    ph_map_clear(&t->dry.seen);
    ph_sync_report_clear(&t->dry.report);
    ph_buf_clear(&t->rest);
    ph_free(t);
}
