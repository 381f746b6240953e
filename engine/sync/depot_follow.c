/* Staying together with a depot. Nobody tells when it changes, so its root is read now and then: that is one read, and none of its bytes come where an etag proves
 * that it is the same. What stays quiet is looked at more and more seldom, unless it lies in a directory of this machine, where looking costs nothing.
 * Called by follow.c. */
#include "sync/depot_impl.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>

enum {
    LOOK_US =
        1000000, /* after news, and always in a directory; progress is called at least so often */
    LOOK_MOST_US = 30000000 /* at a place that a URL names */
};
/* A root is a hint: where one can list, what it forgot is found so. */
#define LIST_US 300000000ull

struct sync_depot_way {
    ph_replica *r;
    const ph_sync_options *o;
    ph_net *net;
    const char *url;
    bool met;    /* there was a root, now or when this place was met before */
    ph_buf root; /* its bytes, as they were read last */
    char etag[PROPHET_ETAG_MAX];
    uint64_t every_us, look_us, list_us;
    uint64_t published; /* the version here whose changesets are all there */
};

static prophet_code on_the_way(void *ctx, const char *stage, uint64_t done, uint64_t total,
                               prophet_error *err)
{
    return sync_progress(ctx, stage, done, total == PROPHET_WHOLE ? 0 : total, err);
}

static prophet_code was_met(sync_depot_way *w, prophet_error *err)
{
    depot d;
    prophet_code rc = depot_open(w->r, w->url, w->o, &d, err);
    if (rc >= 0)
        rc = depot_noted(&d, &w->met, err);
    depot_close(&d);
    return rc;
}

prophet_code sync_depot_way_open(ph_replica *r, const char *url, const ph_sync_options *o,
                                 sync_depot_way **out, prophet_error *err)
{
    prophet_net_options how = PROPHET_NET_OPTIONS_INIT;
    sync_depot_way *w = ph_zalloc(sizeof *w);
    if (!w)
        return ph_nomem(err);
    if (o && o->net)
        how = *o->net;
    how.progress = on_the_way;
    how.ctx = (void *)(uintptr_t)o;
    w->r = r;
    w->o = o;
    w->url = url;
    prophet_code rc = ph_net_open(url, &how, &w->net, err);
    if (rc < 0 || (rc = was_met(w, err)) < 0)
        sync_depot_way_close(w);
    else
        *out = w;
    return rc;
}

void sync_depot_way_close(sync_depot_way *w)
{
    if (!w)
        return;
    ph_net_close(w->net);
    ph_buf_clear(&w->root);
    ph_free(w);
}

/* ---- looking ------------------------------------------------------------------------------------------------------------- */

static void look_soon(sync_depot_way *w)
{
    w->every_us = LOOK_US;
    w->look_us = ph_monotonic_us() + LOOK_US;
}

/* A stick that was pulled out must not begin anew in the directory where it was. */
static prophet_code gone(const sync_depot_way *w, prophet_error *err)
{
    if (!w->met)
        return PROPHET_DONE;
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "the depot %s is gone", ph_net_shown(w->net));
    ph_hint(err, "put it back; prophet publish begins a new one");
    return rc;
}

/* *same: it is as it was read last. Too large for a root it is as good as empty. PROPHET_DONE: it was never there. */
static prophet_code read_root(sync_depot_way *w, ph_buf *root, char etag[PROPHET_ETAG_MAX],
                              bool *same, prophet_error *err)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    bool swollen;
    g.known = w->etag[0] ? w->etag : NULL;
    prophet_code rc = depot_root_get(w->net, &g, root, &swollen, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : gone(w, err);
    memcpy(etag, g.etag, sizeof w->etag);
    *same = g.unchanged || ph_slice_eq(ph_buf_slice(root), ph_buf_slice(&w->root));
    w->met = true;
    return PROPHET_OK;
}

/* Reads it, and keeps it. PROPHET_DONE: nothing new. */
static prophet_code look(sync_depot_way *w, prophet_error *err)
{
    ph_buf root = PH_BUF_INIT;
    char etag[PROPHET_ETAG_MAX];
    bool same;
    prophet_code rc = read_root(w, &root, etag, &same, err);
    if (rc == PROPHET_OK && !same) {
        ph_buf_clear(&w->root);
        w->root = root;
        memcpy(w->etag, etag, sizeof w->etag);
        return PROPHET_OK;
    }
    ph_buf_clear(&root);
    return rc == PROPHET_OK ? PROPHET_DONE : rc;
}

/* Without keeping it: what others wrote is for the next look. */
static prophet_code check_there(sync_depot_way *w, prophet_error *err)
{
    ph_buf root = PH_BUF_INIT;
    char etag[PROPHET_ETAG_MAX];
    bool same;
    prophet_code rc = read_root(w, &root, etag, &same, err);
    ph_buf_clear(&root);
    return rc < 0 ? rc : PROPHET_OK;
}

/* What is due by now; PROPHET_DONE: nothing new, as far as was looked. */
static prophet_code look_if_due(sync_depot_way *w, prophet_error *err)
{
    uint64_t now = ph_monotonic_us();
    if (now < w->look_us)
        return PROPHET_DONE;
    prophet_code rc = look(w, err);
    if (rc != PROPHET_DONE)
        return rc;
    if (ph_net_is_url(w->url, NULL) && (w->every_us *= 2) > LOOK_MOST_US)
        w->every_us = LOOK_MOST_US;
    w->look_us = ph_monotonic_us() + w->every_us;
    return now >= w->list_us ? PROPHET_OK : PROPHET_DONE;
}

prophet_code sync_depot_way_wait(sync_depot_way *w, int wake, uint32_t seconds, prophet_error *err)
{
    uint64_t now, until = ph_monotonic_us() + seconds * 1000000ull;
    prophet_code rc;
    for (;;) {
        if ((rc = look_if_due(w, err)) != PROPHET_DONE ||
            (rc = sync_progress(w->o, "wait", 0, 0, err)) < 0)
            return rc;
        if ((now = ph_monotonic_us()) >= until)
            return PROPHET_DONE;
        uint64_t next = w->look_us < until ? w->look_us : until;
        next = next < now + LOOK_US ? next : now + LOOK_US;
        struct pollfd at = { wake, POLLIN, 0 };
        if (poll(&at, 1, next > now ? (int)((next - now) / 1000 + 1) : 0) < 0 && errno != EINTR)
            return ph_fail_sys(err, errno, "poll");
    }
}

/* ---- exchanging ------------------------------------------------------------------------------------------------------------ */

/* Who is left out ends nothing: it is told. */
static prophet_code pull_what_is_right(sync_depot_way *w, ph_sync_report *rep, prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc = sync_depot_pull(w->r, w->url, w->o, rep, &why);
    if (rc < 0 && rep->left_out) {
        (void)snprintf(rep->notice, sizeof rep->notice, "left out: %s", why.message);
        return PROPHET_OK;
    }
    if (rc < 0)
        *err = why;
    return rc;
}

/* The root is kept before: what is published while the pull runs is news. */
prophet_code sync_depot_way_pull(sync_depot_way *w, ph_sync_report *rep, prophet_error *err)
{
    uint64_t before;
    prophet_code rc = look(w, err);
    look_soon(w);
    w->list_us = ph_monotonic_us() + LIST_US;
    if (rc == PROPHET_DONE && !w->met && ph_net_can_write(w->net))
        return PROPHET_OK; /* the push begins it */
    if (rc < 0 || (rc = sync_version(w->r, &before, err)) < 0 ||
        (rc = pull_what_is_right(w, rep, err)) < 0)
        return rc;
    if (w->published == before) /* what came from there need not go back */
        w->published += rep->changesets;
    if (rep->notice[0]) /* it may be damaged: who has what is missing publishes it */
        w->published = 0;
    return PROPHET_OK;
}

prophet_code sync_depot_way_push(sync_depot_way *w, ph_sync_report *rep, prophet_error *err)
{
    uint64_t version;
    prophet_code rc = sync_version(w->r, &version, err);
    if (rc < 0 || (version == w->published && w->met) || (rc = check_there(w, err)) < 0)
        return rc;
    if ((rc = sync_depot_publish(w->r, w->url, w->met, w->o, rep, err)) >= 0)
        w->published = version;
    look_soon(w);
    return rc;
}
