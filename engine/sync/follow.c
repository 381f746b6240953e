/* Staying together with one other side: the way to it stays open, and waiting for it costs next to nothing. A live peer holds a question for its head until that changes; of
 * a replica in a directory the kernel tells when its log is written to; a depot is looked at now and then (depot_follow.c). Called by api/live.c, which decides when to
 * exchange and what to do when the way is lost. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <poll.h>

#define LOOK_US 1000000u  /* progress is called at least so often */
#define SAW_US  30000000u /* that it is still there is written down so often */

struct ph_sync_follow {
    ph_replica *r;
    const ph_sync_options *o;
    char *place;
    sync_live *live;       /* one of three: a live peer, */
    sync_depot_way *depot; /* a depot, */
    ph_replica *other;     /* the replica in a directory, */
    ph_watch *watch;       /* .. and who tells of it */
    uint64_t version;      /* of the other, when it was pulled from last */
    uint64_t saw_us;
    bool news; /* it may have something new */
};

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static prophet_code refuse_bundle(const char *place, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s is a bundle, which does not change", place);
    ph_hint(err, "live sync is with a live peer (prophet serve), the directory of a replica, or a "
                 "depot; pull takes a bundle");
    return rc;
}

static prophet_code open_directory(ph_sync_follow *f, prophet_error *err)
{
    prophet_code rc = sync_local_check(f->r, f->place, err);
    if (rc >= 0 && (rc = ph_watch_open(f->place, &f->watch, err)) >= 0)
        rc = sync_open(f->place, true, &f->other, err);
    return rc;
}

/* A URL where no live peer answers is a depot's. */
static prophet_code open_any(ph_sync_follow *f, prophet_error *err)
{
    sync_source s;
    prophet_code rc = sync_source_resolve(f->place, true, &s, err);
    if (rc < 0)
        return rc;
    if (s.kind == SYNC_REPLICA)
        return open_directory(f, err);
    if (s.kind == SYNC_BUNDLE)
        return refuse_bundle(f->place, err);
    rc = sync_source_live(f->place, f->r, f->o, &f->live, err);
    return rc == PROPHET_DONE ? sync_depot_way_open(f->r, f->place, f->o, &f->depot, err) : rc;
}

prophet_code ph_sync_follow_open(ph_replica *r, const char *other, const ph_sync_options *o,
                                 ph_sync_follow **out, prophet_error *err)
{
    ph_sync_follow *f = ph_zalloc(sizeof *f);
    if (!f)
        return ph_nomem(err);
    f->r = r;
    f->o = o;
    f->news = true;
    f->place = ph_strdup(other);
    prophet_code rc = f->place ? open_any(f, err) : ph_nomem(err);
    if (rc < 0) {
        ph_sync_follow_close(f);
        return rc;
    }
    *out = f;
    return PROPHET_OK;
}

void ph_sync_follow_close(ph_sync_follow *f)
{
    if (!f)
        return;
    sync_live_close(f->live);
    sync_depot_way_close(f->depot);
    ph_watch_close(f->watch);
    ph_replica_close(f->other);
    ph_free(f->place);
    ph_free(f);
}

/* ---- exchanging ------------------------------------------------------------------------------------------------------------ */

prophet_code sync_version(ph_replica *r, uint64_t *out, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    *out = v->state.version;
    ph_view_end(v);
    return PROPHET_OK;
}

prophet_code ph_sync_follow_pull(ph_sync_follow *f, ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    *rep = (ph_sync_report){ 0 };
    if (!f->news)
        return rc;
    if (f->live)
        rc = sync_live_pull(f->live, f->r, rep, err);
    else if (f->depot)
        rc = sync_depot_way_pull(f->depot, rep, err);
    else if ((rc = sync_version(f->other, &f->version, err)) >= 0)
        rc = sync_local_pull(f->r, f->other, f->o, rep, err);
    if (rc < 0)
        return rc;
    f->news = false;
    sync_saw(f->r, f->place);
    return PROPHET_OK;
}

prophet_code ph_sync_follow_push(ph_sync_follow *f, ph_sync_report *rep, prophet_error *err)
{
    *rep = (ph_sync_report){ 0 };
    return f->live    ? sync_live_push(f->live, f->r, rep, err)
           : f->depot ? sync_depot_way_push(f->depot, rep, err)
                      : sync_local_push(f->r, f->other, f->o, rep, err);
}

bool ph_sync_follow_gathers(const ph_sync_follow *f)
{
    return f->depot;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------------------- */

static prophet_code wait_for_log(ph_sync_follow *f, int wake, uint32_t seconds, prophet_error *err)
{
    uint64_t until = ph_monotonic_us() + seconds * 1000000ull;
    prophet_code rc;
    for (;;) {
        uint64_t version, now;
        (void)ph_watch_drain(f->watch); /* looked at in any case */
        if ((rc = sync_version(f->other, &version, err)) < 0 || version != f->version)
            return rc;
        if ((rc = sync_progress(f->o, "wait", 0, 0, err)) < 0)
            return rc;
        if ((now = ph_monotonic_us()) >= until)
            return PROPHET_DONE;
        uint64_t next = ph_watch_until(f->watch, until < now + LOOK_US ? until : now + LOOK_US);
        struct pollfd at[] = { { ph_watch_fd(f->watch), POLLIN, 0 }, { wake, POLLIN, 0 } };
        if (poll(at, 2, next > now ? (int)((next - now) / 1000 + 1) : 0) < 0 && errno != EINTR)
            return ph_fail_sys(err, errno, "poll");
    }
}

prophet_code ph_sync_follow_wait(ph_sync_follow *f, int wake, uint32_t seconds, prophet_error *err)
{
    prophet_code rc = f->live    ? sync_live_wait(f->live, wake, seconds, err)
                      : f->depot ? sync_depot_way_wait(f->depot, wake, seconds, err)
                                 : wait_for_log(f, wake, seconds, err);
    f->news = f->news || rc == PROPHET_OK;
    uint64_t now = ph_monotonic_us();
    if (rc == PROPHET_OK || (rc == PROPHET_DONE && now - f->saw_us > SAW_US)) { /* it answered */
        sync_saw(f->r, f->place);
        f->saw_us = now;
    }
    return rc;
}
