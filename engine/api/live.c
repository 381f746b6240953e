/* Live sync: pull, vote and push whenever something is new here or there. In between one thread waits for both: the other side's head and this replica's log. */
#include "api/api_impl.h"
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    HEAD_S = 50,     /* how long one question for the head may last: less than proxies wait */
    COMMIT_MS = 150, /* from a log that was written to, to its index */
    FIRST_MS = 100,
    MOST_MS = 5000
};

typedef struct live {
    prophet_db *db;
    prophet_exchange x;
    api_place at;
    ph_sync_options o;
    ph_sync_follow *way; /* NULL: lost */
    prophet_live_fn told;
    void *ctx;
    int wake;      /* readable when something was written here, or an interrupt came */
    bool waiting;  /* an interrupt of the waiting is no failure */
    bool written;  /* .. this was why */
    bool met;      /* there was an exchange */
    bool tell;     /* the next one, whatever it brings */
    uint64_t seen; /* version that was pushed */
    unsigned lost; /* times in a row */
} live;

/* ---- waking up ----------------------------------------------------------------------------------------------------------- */

static bool is_told(live *l)
{
    struct pollfd p = { ph_watch_fd(l->db->watch), POLLIN, 0 };
    return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Called by whatever waits. Ends the waiting when there is something to push. */
static prophet_code tick(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *err)
{
    live *l = ctx;
    prophet_code rc = api_interrupted(l->db, err);
    if (rc < 0)
        return rc;
    if (!l->waiting)
        return l->x.progress ? l->x.progress(l->x.ctx, stage, done, total, err) : PROPHET_OK;
    if ((rc = prophet_wait(l->db, l->seen, is_told(l) ? COMMIT_MS : 0, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    l->written = true;
    return ph_fail(err, PROPHET_EINTERRUPTED, "there is something to push");
}

/* One descriptor for two: the log's watch, and interrupts. */
static prophet_code open_wake(live *l, prophet_error *err)
{
    struct epoll_event e = { .events = EPOLLIN };
    prophet_code rc = prophet_wait(l->db, UINT64_MAX, 0, err); /* opens both */
    if (rc < 0)
        return rc;
    int watch = ph_watch_fd(l->db->watch), stop = atomic_load(&l->db->wake_fd);
    if ((l->wake = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        epoll_ctl(l->wake, EPOLL_CTL_ADD, stop, &e) < 0 ||
        (watch >= 0 && epoll_ctl(l->wake, EPOLL_CTL_ADD, watch, &e) < 0))
        return ph_fail_sys(err, errno, "epoll");
    return PROPHET_OK;
}

/* ---- one exchange ---------------------------------------------------------------------------------------------------------- */

static prophet_code tell(live *l, const ph_sync_report *in, const prophet_doc *asked,
                         const ph_sync_report *there, prophet_error *err)
{
    prophet_doc *doc = NULL;
    bool moved = in->changesets || in->mended || in->unsigned_rest || there->changesets ||
                 in->votes || in->notice[0];
    if (!l->told || (!moved && !l->tell))
        return PROPHET_OK;
    l->tell = false;
    prophet_code rc = api_both_reports(l->db, in, asked, there, &doc, err);
    if (rc >= 0)
        rc = l->told(l->ctx, doc, err);
    prophet_doc_free(doc);
    return rc;
}

static prophet_code exchange(live *l, prophet_error *err)
{
    ph_sync_report in = { 0 }, there = { 0 };
    prophet_doc *asked = NULL;
    prophet_code rc;
    l->db->busy = true;
    rc = l->way ? PROPHET_OK : ph_sync_follow_open(l->db->r, l->at.place, &l->o, &l->way, err);
    if (rc >= 0)
        rc = ph_sync_follow_pull(l->way, &in, err);
    l->db->busy = false;
    if (rc >= 0 && (rc = api_after_pull(l->db, &asked, &in, err)) >= 0 &&
        (rc = prophet_db_version(l->db, &l->seen, err)) >= 0) {
        l->db->busy = true;
        rc = ph_sync_follow_push(l->way, &there, err);
        l->db->busy = false;
    }
    if (rc >= 0) {
        l->met = true;
        l->lost = 0;
        rc = tell(l, &in, asked, &there, err);
    }
    prophet_doc_free(asked);
    ph_sync_report_clear(&in);
    ph_sync_report_clear(&there);
    return rc;
}

/* Until something is new on either side, or there is reason to look. */
static prophet_code wait_for_news(live *l, prophet_error *err)
{
    prophet_error why = { 0 };
    l->waiting = true;
    l->written = false;
    prophet_code rc = prophet_wait(l->db, l->seen, 0, err);
    if (rc == PROPHET_DONE) {
        while ((rc = ph_sync_follow_wait(l->way, l->wake, HEAD_S, &why)) == PROPHET_DONE)
            ;
        if (rc < 0 && l->written && rc == PROPHET_EINTERRUPTED)
            rc = PROPHET_OK;
        else if (rc < 0 && err)
            *err = why;
    }
    l->waiting = false;
    return rc;
}

/* ---- losing the way ------------------------------------------------------------------------------------------------------- */

/* May it go well later? Before the first exchange only what says so itself: else it is a mistake that a person should hear of. */
static bool may_come_back(const live *l, prophet_code rc)
{
    return rc == PROPHET_ENETWORK || rc == PROPHET_EBUSY ||
           (l->met && (rc == PROPHET_EREMOTE || rc == PROPHET_ENOTFOUND));
}

static prophet_code tell_lost(live *l, const prophet_error *why, unsigned ms, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a), e = api_map_in(&a);
    prophet_doc *doc = NULL;
    if (!l->told)
        return PROPHET_OK;
    api_put_text(&e, "code", ph_slice_str(prophet_code_name(why->code)));
    api_put_text(&e, "message", ph_slice_str(why->message));
    api_put_text(&e, "hint", ph_slice_str(why->hint));
    api_put_map(&m, "error", &e);
    api_put(&m, "seconds", prophet_float(ms / 1000.0));
    prophet_code rc = api_doc_take(&a, &m, &doc, err);
    if (rc >= 0)
        rc = l->told(l->ctx, doc, err);
    prophet_doc_free(doc);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code nap(live *l, unsigned ms, prophet_error *err)
{
    uint64_t now, until = ph_monotonic_us() + ms * 1000ull;
    prophet_code rc;
    while ((rc = api_interrupted(l->db, err)) >= 0 && (now = ph_monotonic_us()) < until) {
        struct pollfd p = { atomic_load(&l->db->wake_fd), POLLIN, 0 };
        uint64_t count;
        if (poll(&p, 1, (int)((until - now) / 1000 + 1)) > 0)
            while (read(p.fd, &count, sizeof count) < 0 && errno == EINTR)
                ;
    }
    return rc;
}

static prophet_code recover(live *l, const prophet_error *why, prophet_error *err)
{
    unsigned ms = FIRST_MS;
    for (unsigned i = 0; i < l->lost && ms < MOST_MS; i++)
        ms *= 2;
    ms = ms < MOST_MS ? ms : MOST_MS;
    l->lost++;
    l->tell = true; /* that it is back */
    ph_sync_follow_close(l->way);
    l->way = NULL;
    prophet_code rc = tell_lost(l, why, ms, err);
    return rc != PROPHET_OK ? rc : nap(l, ms, err);
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------- */

static prophet_code run(live *l, prophet_error *err)
{
    prophet_code rc;
    for (;;) {
        prophet_error why = { 0 };
        if ((rc = exchange(l, &why)) == PROPHET_OK)
            rc = wait_for_news(l, &why);
        if (rc == PROPHET_DONE)
            return PROPHET_OK;
        if (rc < 0 && !may_come_back(l, rc)) {
            if (err)
                *err = why;
            return rc;
        }
        if (rc < 0 && (rc = recover(l, &why, err)) != PROPHET_OK)
            return rc < 0 ? rc : PROPHET_OK;
    }
}

static prophet_code begin(live *l, const char *other, const prophet_exchange *o, prophet_error *err)
{
    prophet_code rc;
    if (o) {
        if (o->size < sizeof o->size || o->size > sizeof l->x)
            return ph_fail(err, PROPHET_EUSAGE,
                           "the size of prophet_exchange is not one this library knows");
        memcpy(&l->x, o, o->size);
    }
    if (l->x.dry_run)
        return ph_fail(err, PROPHET_EUSAGE, "a live sync has no dry run");
    if (ph_replica_is_past(l->db->r) || ph_replica_readonly(l->db->r))
        return ph_replica_refuse_write(l->db->r, err);
    if ((rc = api_not_inside(l->db, "a live sync", err)) < 0 ||
        (rc = api_place_find(l->db, other, false, l->x.seal, l->x.net, &l->at, err)) < 0)
        return rc;
    l->at.net.retries = PROPHET_NO_RETRY; /* we try again ourselves */
    l->o = (ph_sync_options){ .progress = tick, .ctx = l, .seal = l->at.seal, .net = &l->at.net };
    return open_wake(l, err);
}

prophet_code prophet_sync_live(prophet_db *db, const char *other, const prophet_exchange *o,
                               prophet_live_fn told, void *ctx, prophet_error *err)
{
    live l = { .db = db, .told = told, .ctx = ctx, .wake = -1, .tell = true };
    prophet_code rc = begin(&l, other, o, err);
    if (rc >= 0)
        rc = run(&l, err);
    ph_sync_follow_close(l.way);
    if (l.wake >= 0)
        (void)close(l.wake); /* nothing is written to it */
    api_place_clear(&l.at);
    return rc;
}
