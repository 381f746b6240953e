/* Exchange with a live peer: compare, fetch to a spool, apply. What breaks off is gone on with: what came whole is applied, and the next comparison asks
 * for the rest. Called by pull, push, sync and clone when a URL answers as a live peer. */
#include "sync/live_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { ATTEMPTS = 5, PAUSE_MS = 250 };

struct sync_live {
    live_wire wire;
    prophet_net_options net;
    const ph_sync_options *o;
    const char *stage; /* what is fetched now, for progress; NULL: nothing to tell */
    char *url, shown[256];
    unsigned pause_ms;  /* before it is asked again, doubled each time */
    bool same;          /* its digest was the one that was known, when it was asked last */
    uint8_t digest[32]; /* of the peer, as it said last.. */
    uint8_t known[32];  /* .. and when all that it had was asked for, or was what is here */
    bool has_offer;
    ph_sync_peer peer;
    ph_sync_offer offer;
    ph_arena arena; /* of the offer */
};

/* ---- refusals ------------------------------------------------------------------------------------------------------------- */

prophet_code live_refusal(const char *what, prophet_slice text, prophet_code also,
                          prophet_error *err)
{
    /* what a stranger may make of us: no code that means something about this side */
    const prophet_code may[] = { PROPHET_EUNRELATED, PROPHET_EREADONLY, PROPHET_EBUSY,
                                 PROPHET_EVERSION, also ? also : PROPHET_EREMOTE };
    char line[256];
    const char *at = text.data;
    size_t len = 0;
    for (; len < text.len && len < sizeof line - 1 && at[len] != '\n'; len++)
        line[len] = (unsigned char)at[len] >= ' ' && (unsigned char)at[len] < 127 ? at[len] : '?';
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len] = 0;
    const char *colon = strstr(line, ": ");
    prophet_code code = PROPHET_EREMOTE;
    for (size_t i = 0; colon && i < sizeof may / sizeof *may; i++)
        if (strncmp(line, ph_code_name(may[i]), (size_t)(colon - line)) == 0 &&
            ph_code_name(may[i])[colon - line] == 0)
            code = may[i];
    code = ph_fail(err, code, "%s: %s", what, code != PROPHET_EREMOTE && colon ? colon + 2 : line);
    if (code == PROPHET_EREADONLY && strstr(line, "token"))
        ph_hint(err, "pushing wants a token that may write: --token-file, or the option token; "
                     "pull does without");
    return code;
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static prophet_code on_progress(void *ctx, const char *stage, uint64_t done, uint64_t total,
                                prophet_error *err)
{
    sync_live *l = ctx;
    (void)stage;
    return sync_progress(l->o, l->stage ? l->stage : "wait", l->stage ? done : 0,
                         l->stage && total != PROPHET_WHOLE ? total : 0, err);
}

static prophet_code take_head(sync_live *l, const uint8_t *known, uint32_t wait_s,
                              prophet_error *err)
{
    ph_buf bytes = PH_BUF_INIT;
    prophet_code rc = l->wire.head(l->wire.self, known, wait_s, &bytes, err);
    l->same = rc == PROPHET_DONE;
    if (l->same)
        memcpy(l->digest, known, 32);
    if (rc == PROPHET_OK) {
        ph_arena_reset(&l->arena);
        l->has_offer = false;
        if ((rc = ph_sync_offer_decode(ph_buf_slice(&bytes), &l->arena, &l->peer, &l->offer, err)) <
            0)
            ph_context(err, "%s", l->shown);
        else
            l->has_offer = true;
        memcpy(l->digest, l->offer.digest, 32);
    }
    if (rc >= 0)
        memcpy(l->known, l->digest, 32);
    ph_buf_clear(&bytes);
    return rc < 0 ? rc : PROPHET_OK;
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

bool sync_live_possible(const char *url)
{
    return begins(url, "http://") || begins(url, "https://") || begins(url, "ssh://");
}

static prophet_code open_wire(sync_live *l, ph_replica *r, prophet_error *err)
{
    static const prophet_net_options none = PROPHET_NET_OPTIONS_INIT;
    bool met = false;
    prophet_code rc;
    l->net = l->o && l->o->net ? *l->o->net : none;
    l->net.progress = on_progress;
    l->net.ctx = l;
    if (begins(l->url, "ssh://"))
        return live_pipe_open(l->url, &l->net, &l->wire, err);
    if (r && (rc = sync_knows(r, l->url, &met, err)) < 0)
        return rc;
    return live_http_open(l->url, &l->net, r ? ph_replica_key(r) : NULL, met, &l->wire, err);
}

/* *whole: an equal digest means that there is nothing to pull. What damage took from the log is asked for all the same. */
static prophet_code digest_of(ph_replica *r, uint8_t out[32], bool *whole, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    rc = ph_view_digest(v, out, err);
    *whole = v->state.holes == 0;
    ph_view_end(v);
    return rc;
}

/* What libcurl would make of "http:///x" is a host x. */
static prophet_code check_host(const char *url, prophet_error *err)
{
    const char *host = strstr(url, "://");
    return host && host[3] && !strchr("/?#:@", host[3])
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EUSAGE, "%.100s names no host", url);
}

static prophet_code open_with(const live_wire *wire, const char *url, ph_replica *r,
                              const ph_sync_options *o, sync_live **out, prophet_error *err)
{
    uint8_t digest[32];
    bool whole = false;
    prophet_code rc = check_host(url, err);
    if (rc >= 0 && r)
        rc = digest_of(r, digest, &whole, err);
    sync_live *l = rc < 0 ? NULL : ph_zalloc(sizeof *l);
    if (!l)
        return rc < 0 ? rc : ph_nomem(err);
    l->o = o;
    ph_net_show(url, l->shown, sizeof l->shown);
    if (!(l->url = ph_strdup(url)))
        rc = ph_nomem(err);
    l->pause_ms = wire ? 0 : PAUSE_MS;
    if (rc >= 0 && wire)
        l->wire = *wire;
    if (rc < 0 || (!wire && (rc = open_wire(l, r, err)) < 0) ||
        (rc = take_head(l, whole ? digest : NULL, 0, err)) < 0) {
        sync_live_close(l);
        return rc;
    }
    *out = l;
    return PROPHET_OK;
}

prophet_code sync_live_open(const char *url, ph_replica *r, const ph_sync_options *o,
                            sync_live **out, prophet_error *err)
{
    return open_with(NULL, url, r, o, out, err);
}

prophet_code sync_live_over(const live_wire *wire, const char *url, ph_replica *r,
                            const ph_sync_options *o, sync_live **out, prophet_error *err)
{
    return open_with(wire, url, r, o, out, err);
}

prophet_code sync_live_wait(sync_live *l, int wake, uint32_t seconds, prophet_error *err)
{
    uint8_t known[32];
    memcpy(known, l->known, 32);
    l->wire.wake(l->wire.self, wake);
    prophet_code rc = take_head(l, known, seconds, err);
    l->wire.wake(l->wire.self, -1);
    return rc < 0 ? rc : l->same ? PROPHET_DONE : PROPHET_OK;
}

const ph_uuid *sync_live_database(const sync_live *l)
{
    return l->has_offer ? &l->peer.database : NULL;
}

void sync_live_close(sync_live *l)
{
    if (!l)
        return;
    if (l->wire.close)
        l->wire.close(l->wire.self);
    ph_arena_clear(&l->arena);
    ph_free(l->url);
    ph_free(l);
}

static prophet_code check_peer(const sync_live *l, ph_replica *r, prophet_error *err)
{
    prophet_code rc = sync_check_related(r, &l->peer.database, ph_replica_path(r), l->shown, err);
    if (rc >= 0 && ph_id_eq(&l->peer.replica, ph_replica_key(r)))
        return ph_fail(err, PROPHET_EUSAGE, "%s is this replica itself", l->shown);
    return rc;
}

/* ---- pull --------------------------------------------------------------------------------------------------------------------- */

/* The want of r as bytes; *any: something is wanted. */
static prophet_code make_want(sync_live *l, ph_replica *r, ph_buf *out, bool *any,
                              prophet_error *err)
{
    const ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(r) };
    ph_sync_want want;
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    if (v->state.version == 0) {
        *any = l->offer.count > 0;
        rc = ph_sync_want_encode(&me, NULL, out, err);
    } else if ((rc = ph_sync_want_make(v, &l->offer, &v->arena, &want, err)) >= 0) {
        *any = want.wanted_count > 0;
        rc = ph_sync_want_encode(&me, &want, out, err);
    }
    ph_view_end(v);
    return rc;
}

typedef struct feeding {
    ph_sync_taker *t;
    const ph_sync_options *o;
} feeding;

static prophet_code feed(void *ctx, prophet_slice bytes, prophet_error *err)
{
    feeding *f = ctx;
    prophet_code rc = ph_sync_taker_feed(f->t, bytes, err);
    return rc < 0 ? rc : sync_progress(f->o, "changesets", ph_sync_taker_count(f->t), 0, err);
}

/* What was fetched, into r. whole: the transfer should be complete. */
static prophet_code apply(sync_live *l, ph_replica *r, sync_spool *spool, bool whole,
                          ph_sync_report *rep, prophet_error *err)
{
    feeding f = { NULL, l->o };
    prophet_error cut = { 0 };
    prophet_code rc = l->o && l->o->dry_run ? sync_taker_open_dry(r, &f.t, err)
                                            : ph_sync_taker_open(r, &f.t, err);
    if (rc < 0)
        return rc;
    if ((rc = sync_spool_each(spool, feed, &f, err)) >= 0 &&
        (rc = ph_sync_taker_finish(f.t, rep, whole ? err : &cut)) == PROPHET_ECORRUPT && !whole)
        rc = PROPHET_OK; /* that it was cut is known */
    ph_sync_taker_close(f.t);
    return rc;
}

/* One comparison and what it brings. ENETWORK: broken off; what came is applied. */
static prophet_code pull_once(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err)
{
    ph_buf want = PH_BUF_INIT;
    sync_spool spool;
    bool any = false;
    prophet_code applied;
    prophet_code rc = make_want(l, r, &want, &any, err);
    sync_spool_init(&spool, ph_replica_path(r));
    if (rc >= 0 && any) {
        l->stage = "fetch";
        rc = l->wire.pull(l->wire.self, ph_buf_slice(&want), sync_spool_put, &spool, err);
        l->stage = NULL;
        bool whole = rc >= 0;
        if ((whole || rc == PROPHET_ENETWORK) &&
            (applied = apply(l, r, &spool, whole, rep, whole ? err : NULL)) < 0 && whole)
            rc = applied;
    }
    sync_spool_clear(&spool);
    ph_buf_clear(&want);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Seconds of patience in small steps, so that an interrupt is heard. */
static prophet_code pause_a_while(const ph_sync_options *o, unsigned ms, prophet_error *err)
{
    uint64_t end = ph_monotonic_us() + ms * 1000u;
    prophet_code rc;
    while ((rc = sync_progress(o, "wait", 0, 0, err)) >= 0 && ph_monotonic_us() < end) {
        struct timespec step = { 0, 50000000 };
        (void)nanosleep(&step, NULL); /* woken early: looked at again */
    }
    return rc;
}

static prophet_code pull_all(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc;
    for (unsigned tries = 0;;) {
        uint64_t before = rep->changesets;
        uint8_t digest[32];
        bool whole;
        if ((rc = pull_once(l, r, rep, err)) != PROPHET_ENETWORK)
            return rc;
        tries = rep->changesets > before ? 0 : tries + 1;
        if (tries >= ATTEMPTS || (l->o && l->o->dry_run))
            return rc;
        if ((rc = pause_a_while(l->o, l->pause_ms << tries, err)) < 0 ||
            (rc = digest_of(r, digest, &whole, err)) < 0 ||
            (rc = take_head(l, whole ? digest : NULL, 0, err)) < 0 || l->same ||
            (rc = check_peer(l, r, err)) < 0)
            return rc;
    }
}

/* Remembers that the peer has these heads, and those it told of, and the digest it told last. */
static prophet_code meet(sync_live *l, ph_replica *r, const ph_sync_offer *has, prophet_error *err)
{
    sync_meeting m = {
        .replica = l->peer.replica, .place = l->url, .has = has->heads, .count = has->count
    };
    if (!l->has_offer)
        return PROPHET_OK;
    if (has != &l->offer) {
        m.more = l->offer.heads;
        m.more_count = l->offer.count;
    }
    memcpy(m.digest, l->digest, 32);
    return sync_note(r, &m, err);
}

/* Who is equal did not say who it is (this replica itself?): that is asked once. */
static prophet_code meet_equal(sync_live *l, ph_replica *r, prophet_error *err)
{
    prophet_code rc = sync_note_equal(r, l->url, err);
    if (rc != PROPHET_DONE || ph_replica_readonly(r))
        return rc;
    if ((rc = take_head(l, NULL, 0, err)) >= 0 && (rc = check_peer(l, r, err)) >= 0)
        rc = meet(l, r, &l->offer, err);
    return rc;
}

prophet_code sync_live_pull(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err)
{
    bool dry = l->o && l->o->dry_run;
    uint64_t start = ph_monotonic_us();
    prophet_code rc = PROPHET_OK;
    if (!l->same && (rc = check_peer(l, r, err)) >= 0)
        rc = pull_all(l, r, rep, err);
    rep->dry_run = dry;
    if (rep->own_chain)
        (void)snprintf(rep->notice, sizeof rep->notice, "%s", ph_replica_notice(r));
    if (rc >= 0 && !dry)
        rc = l->same ? meet_equal(l, r, err) : meet(l, r, &l->offer, err);
    rep->seconds += (double)(ph_monotonic_us() - start) / 1e6;
    return rc;
}

/* ---- push --------------------------------------------------------------------------------------------------------------------- */

static prophet_code make_offer(ph_replica *r, ph_arena *a, ph_sync_offer *offer, ph_buf *out,
                               prophet_error *err)
{
    const ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(r) };
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_sync_offer_make(v, a, offer, err)) >= 0)
        rc = ph_sync_offer_encode(&me, offer, out, err);
    ph_view_end(v);
    return rc;
}

/* To be sent, counted. */
static void count_push(const ph_sync_sender *s, ph_sync_report *rep)
{
    rep->changesets = ph_sync_sender_count(s);
    rep->dry_run = true;
}

static prophet_code send(sync_live *l, ph_sync_sender *s, ph_sync_report *rep, prophet_error *err)
{
    ph_buf answer = PH_BUF_INIT;
    ph_sync_peer who;
    l->stage = "push";
    prophet_code rc = l->wire.push(l->wire.self, s, &answer, err);
    l->stage = NULL;
    if (rc >= 0 &&
        (rc = ph_sync_answer_decode(ph_buf_slice(&answer), &who, l->digest, rep, err)) < 0)
        ph_context(err, "%s", l->shown);
    rep->bytes = ph_sync_sender_bytes(s);
    ph_buf_clear(&answer);
    return rc;
}

/* After a push a peer has more than it was asked for, what others gave it meanwhile, too: unless that is what is here, a wait for news must tell. */
static void know(sync_live *l, const uint8_t here[32])
{
    if (memcmp(l->digest, here, 32) == 0)
        memcpy(l->known, here, 32);
}

static prophet_code push_some(sync_live *l, ph_replica *r, prophet_slice offer, ph_sync_report *rep,
                              bool *pushed, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf bytes = PH_BUF_INIT;
    ph_sync_sender *s = NULL;
    ph_sync_want want;
    ph_sync_peer who;
    bool all;
    prophet_code rc = l->wire.offer(l->wire.self, offer, &bytes, err);
    if (rc < 0 || (rc = ph_sync_want_decode(ph_buf_slice(&bytes), &a, &who, &all, &want, err)) < 0)
        goto done;
    if (!all && want.wanted_count == 0) {
        *pushed = true; /* it has all of it */
        goto done;
    }
    if ((rc = ph_sync_sender_open(r, all ? NULL : &want, &s, err)) < 0)
        goto done;
    if (l->o && l->o->dry_run)
        count_push(s, rep);
    else if ((rc = send(l, s, rep, err)) >= 0)
        *pushed = true;
done:
    ph_sync_sender_close(s);
    ph_buf_clear(&bytes);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code sync_live_push(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err)
{
    bool dry = l->o && l->o->dry_run, pushed = false;
    ph_arena a = PH_ARENA_INIT;
    ph_buf bytes = PH_BUF_INIT;
    ph_sync_offer offer;
    uint64_t start = ph_monotonic_us();
    prophet_code rc = PROPHET_OK;
    if (!dry && !ph_replica_readonly(r))
        rc = ph_replica_sign(r, err);
    if (rc >= 0 && l->has_offer)
        rc = check_peer(l, r, err);
    if (rc >= 0 && (rc = make_offer(r, &a, &offer, &bytes, err)) >= 0) {
        if (memcmp(offer.digest, l->digest, 32) == 0)
            pushed = true; /* nothing new */
        else
            rc = push_some(l, r, ph_buf_slice(&bytes), rep, &pushed, err);
        know(l, offer.digest);
    }
    rep->dry_run = dry;
    if (rc >= 0 && pushed && !dry && !ph_replica_readonly(r)) /* it has all that is here now */
        rc = l->has_offer ? meet(l, r, &offer, err) : sync_note_equal(r, l->url, err);
    rep->seconds += (double)(ph_monotonic_us() - start) / 1e6;
    ph_buf_clear(&bytes);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}
