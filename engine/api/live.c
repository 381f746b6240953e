/* Live sync: pull, vote and push whenever something is new here or there. It is a machine that its host drives: a step does what is due and waits for nothing else, and in
 * between a host waits as it likes, or for the other side's head and this replica's log at once. prophet_sync_live does both until it is ended. */
#include "api/api_impl.h"
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    HEAD_S = 50,         /* how long one question for the head may last: less than proxies wait */
    COMMIT_MS = 150,     /* from a log that was written to, to its index */
    ASK_US = 1000000,    /* between two questions of steps */
    GATHER_US = 500000,  /* between two publishes into a depot */
    FIRST_MS = 100,      /* until a lost way is tried again, doubled each time, */
    MOST_MS = 5000,      /* at most this where nobody answers, */
    REFUSED_MS = 300000, /* and this where somebody does, and refuses */
};

struct prophet_live {
    prophet_db *db;            /* NULL: it was closed */
    struct prophet_live *next; /* of db's */
    prophet_exchange x;
    api_place at;
    ph_sync_options o;
    ph_sync_follow *way; /* NULL: lost, or not begun */
    prophet_live_fn told;
    void *ctx;
    int wake;          /* readable when something was written here, or an interrupt came */
    bool waiting;      /* an interrupt of the waiting is no failure */
    bool written;      /* .. this was why */
    bool depot;        /* the other side is one */
    bool met;          /* there was an exchange */
    bool tell;         /* the next one, whatever it brings */
    bool due;          /* an exchange is */
    bool ended;        /* by who was told */
    uint64_t seen;     /* version that was pushed */
    uint64_t ask_us;   /* when a step asks the other side again, */
    uint64_t push_us;  /* .. gives it what is new here, */
    uint64_t again_us; /* .. and tries a way that was lost */
    unsigned lost;     /* times in a row */
    prophet_error why; /* what ended the waiting: the next step hears of it; code 0: nothing */
};

/* ---- waking up ----------------------------------------------------------------------------------------------------------- */

static bool is_told(prophet_live *l)
{
    struct pollfd p = { ph_watch_fd(l->db->watch), POLLIN, 0 };
    return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Called by whatever waits. Ends the waiting when there is something to push. */
static prophet_code tick(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *err)
{
    prophet_live *l = ctx;
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
static prophet_code open_wake(prophet_live *l, prophet_error *err)
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

static prophet_code give(prophet_live *l, const prophet_doc *event, prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc = l->told(l->ctx, event, &why);
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

static prophet_code tell(prophet_live *l, const ph_sync_report *in, const prophet_doc *asked,
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
        rc = give(l, doc, err);
    prophet_doc_free(doc);
    return rc;
}

static prophet_code open_way(prophet_live *l, prophet_error *err)
{
    l->db->busy = true;
    prophet_code rc = ph_sync_follow_open(l->db->r, l->at.place, &l->o, &l->way, err);
    l->db->busy = false;
    if (rc >= 0)
        l->depot = ph_sync_follow_gathers(l->way);
    return rc;
}

static prophet_code exchange(prophet_live *l, prophet_error *err)
{
    ph_sync_report in = { 0 }, there = { 0 };
    prophet_doc *asked = NULL;
    prophet_code rc = l->way ? PROPHET_OK : open_way(l, err);
    l->db->busy = true;
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
        uint64_t now = ph_monotonic_us();
        l->met = true;
        l->due = false;
        l->lost = 0;
        l->ask_us = now + ASK_US;
        l->push_us = l->depot ? now + GATHER_US : 0;
        rc = tell(l, &in, asked, &there, err);
    }
    prophet_doc_free(asked);
    ph_sync_report_clear(&in);
    ph_sync_report_clear(&there);
    return rc;
}

/* ---- losing the way ------------------------------------------------------------------------------------------------------- */

/* May it go well later? Before the first exchange only what says so itself: else it is a mistake that a person should hear of. Files of a depot may be on their way. */
static bool may_come_back(const prophet_live *l, prophet_code rc)
{
    return rc == PROPHET_ENETWORK || rc == PROPHET_EBUSY ||
           (l->met && (rc == PROPHET_EREMOTE || rc == PROPHET_ENOTFOUND ||
                       (l->depot && rc == PROPHET_ECORRUPT)));
}

static prophet_code tell_lost(prophet_live *l, const prophet_error *why, unsigned ms,
                              prophet_error *err)
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
        rc = give(l, doc, err);
    prophet_doc_free(doc);
    ph_arena_clear(&a);
    return rc;
}

/* Where nobody answers it is asked again soon: a server that starts should not be waited for. Who answers with a refusal is asked more and more seldom. */
static unsigned back_off(unsigned lost, prophet_code why)
{
    const unsigned most = why == PROPHET_EREMOTE || why == PROPHET_ECORRUPT ? REFUSED_MS : MOST_MS;
    unsigned ms = FIRST_MS;
    for (unsigned i = 0; i < lost && ms < most; i++)
        ms *= 2;
    return ms < most ? ms : most;
}

/* PROPHET_DONE: who was told ended it. */
static prophet_code lose(prophet_live *l, const prophet_error *why, prophet_error *err)
{
    unsigned ms = back_off(l->lost++, why->code);
    l->tell = true; /* that it is back */
    l->due = true;
    l->again_us = ph_monotonic_us() + ms * 1000ull;
    ph_sync_follow_close(l->way);
    l->way = NULL;
    return tell_lost(l, why, ms, err);
}

/* ---- a step ---------------------------------------------------------------------------------------------------------------- */

/* Is there reason to exchange? PROPHET_DONE: not now. */
static prophet_code look(prophet_live *l, prophet_error *err)
{
    uint64_t version, now = ph_monotonic_us();
    prophet_code rc = PROPHET_OK;
    if (l->why.code < 0) {
        *err = l->why;
        l->why = (prophet_error){ 0 };
        return err->code;
    }
    if (!l->way)
        return now >= l->again_us ? PROPHET_OK : PROPHET_DONE;
    if (l->due || (rc = prophet_db_version(l->db, &version, err)) < 0 ||
        (version > l->seen && now >= l->push_us))
        return rc;
    if (now < l->ask_us)
        return PROPHET_DONE;
    l->ask_us = now + ASK_US;
    l->db->busy = true;
    rc = ph_sync_follow_wait(l->way, -1, 0, err);
    l->db->busy = false;
    return rc;
}

static prophet_code usable(const prophet_live *l, prophet_error *err)
{
    return l->db ? api_not_inside(l->db, "a live sync", err)
                 : ph_fail(err, PROPHET_EUSAGE, "the database of this live sync is closed");
}

prophet_code prophet_live_step(prophet_live *l, prophet_live_fn told, void *ctx, prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc = usable(l, err);
    if (rc < 0 || (rc = api_interrupted(l->db, err)) < 0)
        return rc;
    if (l->ended)
        return PROPHET_DONE;
    l->told = told;
    l->ctx = ctx;
    if ((rc = look(l, &why)) == PROPHET_DONE)
        return PROPHET_OK;
    if (rc >= 0)
        rc = exchange(l, &why);
    if (rc < 0 && !may_come_back(l, rc)) {
        if (err)
            *err = why;
        return rc;
    }
    if (rc < 0)
        rc = lose(l, &why, err);
    l->ended = rc == PROPHET_DONE;
    return rc;
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------------- */

static int until(uint64_t at_us, int timeout_ms)
{
    uint64_t now = ph_monotonic_us(), ms = at_us > now ? (at_us - now) / 1000 + 1 : 0;
    return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

/* One question that is held; what ends it otherwise than with an answer is for the next step. */
static prophet_code hold(prophet_live *l, uint32_t seconds, prophet_error *err)
{
    l->waiting = true;
    l->written = false;
    prophet_code rc = ph_sync_follow_wait(l->way, l->wake, seconds, &l->why);
    l->waiting = false;
    if (rc == PROPHET_EINTERRUPTED) {
        if (!l->written && err)
            *err = l->why;
        l->why = (prophet_error){ 0 };
        return l->written ? PROPHET_OK : rc;
    }
    l->due = l->due || rc == PROPHET_OK;
    return rc == PROPHET_DONE ? rc : PROPHET_OK;
}

prophet_code prophet_live_wait(prophet_live *l, uint64_t version, int timeout_ms,
                               prophet_error *err)
{
    uint64_t now_at;
    prophet_code rc = usable(l, err);
    if (rc < 0 || (rc = prophet_wait(l->db, version, 0, err)) != PROPHET_DONE || l->ended)
        return rc;
    if (l->why.code < 0 || (l->way && l->due))
        return PROPHET_OK;
    if ((rc = prophet_db_version(l->db, &now_at, err)) < 0)
        return rc;
    uint64_t next = !l->way ? l->again_us : now_at > l->seen ? l->push_us : UINT64_MAX;
    if (next != UINT64_MAX)
        return prophet_wait(l->db, version, until(next, timeout_ms), err);
    if (timeout_ms >= 0 && timeout_ms < 1000) /* too short for a question that is held */
        return prophet_wait(l->db, version, timeout_ms, err);
    uint32_t seconds = timeout_ms < 0 ? HEAD_S : (uint32_t)timeout_ms / 1000;
    return hold(l, seconds < HEAD_S ? seconds : HEAD_S, err);
}

/* ---- beginning and ending -------------------------------------------------------------------------------------------------------- */

static bool keep(prophet_live *l, const char **text)
{
    return !*text || (*text = ph_arena_str(&l->at.arena, ph_slice_str(*text)));
}

static prophet_code begin(prophet_live *l, const char *other, const prophet_exchange *o,
                          prophet_error *err)
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
    if (!keep(l, &l->at.place) || !keep(l, &l->at.seal) || !keep(l, &l->at.net.token) ||
        !keep(l, &l->at.net.cacert) || !keep(l, &l->at.net.proxy))
        return ph_nomem(err);
    l->at.net.retries = PROPHET_NO_RETRY; /* we try again ourselves */
    l->o = (ph_sync_options){ .progress = tick, .ctx = l, .seal = l->at.seal, .net = &l->at.net };
    return open_wake(l, err);
}

prophet_code prophet_live_open(prophet_db *db, const char *other, const prophet_exchange *o,
                               prophet_live **out, prophet_error *err)
{
    prophet_live *l = ph_zalloc(sizeof *l);
    if (!l)
        return ph_nomem(err);
    l->db = db;
    l->wake = -1;
    l->tell = l->due = true;
    prophet_code rc = begin(l, other, o, err);
    l->next = db->lives;
    db->lives = l;
    if (rc < 0)
        prophet_live_close(l);
    else
        *out = l;
    return rc;
}

/* What it holds of its database. */
static void let_go(prophet_live *l)
{
    ph_sync_follow_close(l->way);
    if (l->wake >= 0)
        (void)close(l->wake); /* nothing is written to it */
    api_place_clear(&l->at);
    l->way = NULL;
    l->wake = -1;
    l->db = NULL;
}

void api_lives_let_go(prophet_db *db)
{
    for (prophet_live *l; (l = db->lives) != NULL;) {
        db->lives = l->next;
        let_go(l);
    }
}

void prophet_live_close(prophet_live *l)
{
    if (!l)
        return;
    for (prophet_live **p = l->db ? &l->db->lives : NULL; p && *p; p = &(*p)->next)
        if (*p == l) {
            *p = l->next;
            break;
        }
    if (l->db)
        let_go(l);
    ph_free(l);
}

prophet_code prophet_sync_live(prophet_db *db, const char *other, const prophet_exchange *o,
                               prophet_live_fn told, void *ctx, prophet_error *err)
{
    prophet_live *l;
    prophet_code rc = prophet_live_open(db, other, o, &l, err);
    if (rc < 0)
        return rc;
    while ((rc = prophet_live_step(l, told, ctx, err)) == PROPHET_OK &&
           (rc = prophet_live_wait(l, UINT64_MAX, -1, err)) >= 0)
        ;
    prophet_live_close(l);
    return rc < 0 ? rc : PROPHET_OK;
}
