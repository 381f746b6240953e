/* What a live peer answers, whatever the wire: its head, what it wants of an offer, a transfer of what is wanted, the taking of a push. Called
 * by routes.c and pipe.c; the work is that of sync. */
#include "serve/serve_impl.h"

static ph_sync_peer self(ph_replica *r)
{
    return (ph_sync_peer){ *ph_replica_database(r), *ph_replica_key(r) };
}

/* Signs what can be signed now. While somebody else writes for long, what is not signed is not offered as proven: it waits at the receiver. */
static prophet_code sign(ph_replica *r, prophet_error *err)
{
    prophet_code rc = ph_replica_readonly(r) ? PROPHET_OK : ph_replica_sign(r, err);
    return rc == PROPHET_EBUSY || rc == PROPHET_EFULL ? PROPHET_OK : rc;
}

prophet_code serve_head(ph_replica *r, const uint8_t *known, ph_buf *out, uint8_t digest[32],
                        prophet_error *err)
{
    ph_sync_offer offer;
    ph_view *v;
    prophet_code rc = sign(r, err);
    if (rc < 0 || (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    ph_sync_peer me = self(r);
    if ((rc = ph_view_digest(v, digest, err)) >= 0) {
        if (known && memcmp(known, digest, 32) == 0)
            rc = PROPHET_DONE;
        else if ((rc = ph_sync_offer_make(v, &v->arena, &offer, err)) >= 0)
            rc = ph_sync_offer_encode(&me, &offer, out, err);
    }
    ph_view_end(v);
    return rc;
}

static prophet_code related(ph_replica *r, const ph_sync_peer *from, prophet_error *err)
{
    char here[37], there[37];
    if (ph_uuid_eq(&from->database, ph_replica_database(r)))
        return PROPHET_OK;
    ph_uuid_format(ph_replica_database(r), here);
    ph_uuid_format(&from->database, there);
    return ph_fail(err, PROPHET_EUNRELATED, "database %s is served here, not %s", here, there);
}

prophet_code serve_offer(ph_replica *r, prophet_slice bytes, ph_buf *out, ph_sync_visit **visit,
                         prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_sync_offer offer;
    ph_sync_want want;
    ph_sync_peer from, me = self(r);
    ph_view *v;
    prophet_code rc;
    if ((rc = ph_sync_offer_decode(bytes, &a, &from, &offer, err)) >= 0 &&
        (rc = related(r, &from, err)) >= 0 && (rc = ph_view_begin(r, &v, err)) >= 0) {
        if ((rc = ph_sync_want_make(v, &offer, &a, &want, err)) >= 0)
            rc = ph_sync_want_encode(&me, &want, out, err);
        ph_view_end(v);
        if (rc >= 0)
            rc = ph_sync_visit_offered(&from, &offer, visit, err);
    }
    ph_arena_clear(&a);
    return rc;
}

static prophet_code took(ph_replica *r, const ph_id *who, bool all, ph_sync_visit **out,
                         prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    rc = ph_sync_visit_took(v, who, all, out, err);
    ph_view_end(v);
    return rc;
}

ph_sync_visit *serve_equal(ph_replica *r, const char *replica, const uint8_t digest[32],
                           const ph_sync_visit *waiting)
{
    ph_sync_visit *visit = NULL;
    ph_id who;
    if (!replica || strlen(replica) != 64 || !ph_unhex(replica, 64, who.b, 32) ||
        ph_sync_visits_has(waiting, &who, digest) || took(r, &who, true, &visit, NULL) < 0)
        return NULL;
    return visit;
}

prophet_code serve_pull(ph_replica *r, prophet_slice bytes, ph_sync_sender **out,
                        ph_sync_visit **visit, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_sync_want want;
    ph_sync_peer from;
    bool all;
    prophet_code rc;
    if ((rc = ph_sync_want_decode(bytes, &a, &from, &all, &want, err)) >= 0 &&
        (rc = related(r, &from, err)) >= 0 && (rc = sign(r, err)) >= 0 &&
        (rc = took(r, &from.replica, false, visit, err)) >= 0)
        rc = ph_sync_sender_open(r, all ? NULL : &want, out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code serve_push_end(ph_replica *r, ph_sync_taker *t, ph_buf *out, bool *news,
                            prophet_error *err)
{
    ph_sync_report rep = { 0 };
    uint8_t digest[32];
    ph_view *v;
    prophet_code rc = ph_sync_taker_finish(t, &rep, err);
    *news = rep.changesets > 0;
    if (rc >= 0 && (rc = ph_view_begin(r, &v, err)) >= 0) {
        ph_sync_peer me = self(r);
        if ((rc = ph_view_digest(v, digest, err)) >= 0)
            rc = ph_sync_answer_encode(&me, &rep, digest, out, err);
        ph_view_end(v);
    }
    ph_sync_report_clear(&rep);
    return rc;
}

void serve_error_text(const prophet_error *err, ph_buf *out)
{
    const char *text = err->message;
    switch (err->code) { /* the rest may name files of this machine */
    case PROPHET_EUSAGE:
    case PROPHET_EUNRELATED:
    case PROPHET_EUNTRUSTED:
    case PROPHET_ECORRUPT:
    case PROPHET_EVERSION:
    case PROPHET_EBUDGET: break;
    case PROPHET_EBUSY: text = "somebody else writes: try again"; break;
    case PROPHET_EREADONLY: text = "nothing is taken here"; break;
    case PROPHET_EFULL: text = "the disk is full"; break;
    default: text = "it failed here: the server's log says why";
    }
    ph_buf_printf(out, "%s: %s\n", ph_code_name(err->code), text);
}
