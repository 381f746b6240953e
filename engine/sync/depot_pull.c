/* Pulling from a depot, round by round: look, choose and fetch segments (depot_fetch.c), feed them to one intake (depot_feed.c), judge what
 * came of it (depot_judge.c).
 * Called by source.c and depot_publish.c. */
#include "sync/depot_take_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 4 };

/* ---- a round: look, choose, fetch, feed ------------------------------------------------------------------------------------ */

static prophet_code count_part(depot_intake *t, const depot_part *p, prophet_error *err)
{
    depot_window w = { t->spool, p->at, p->end };
    sync_segment *s;
    prophet_code rc = sync_segment_open(depot_read_window, &w, "a segment", &s, err);
    if (rc < 0)
        return rc;
    rc = sync_segment_count(t->d->r, s, t->rep, err);
    sync_segment_close(s);
    return rc;
}

static prophet_code count_parts(depot_intake *t, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < t->parts.count && rc >= 0; i++)
        rc = count_part(t, &t->parts.at[i], err);
    return rc;
}

/* Where the way breaks off, what came over it whole is applied all the same: the next pull goes on behind it. */
static prophet_code fetch_and_feed(depot_intake *t, bool *all, prophet_error *err)
{
    bool dry = t->d->o && t->d->o->dry_run;
    prophet_error why = { 0 };
    prophet_code rc, broke = depot_fetch_all(t, all, &why);
    if (broke < 0 && (broke != PROPHET_ENETWORK || dry)) {
        if (err)
            *err = why;
        return broke;
    }
    rc = dry ? count_parts(t, err) : depot_feed(t, err);
    if (broke == PROPHET_OK || rc < 0)
        return rc;
    if (err)
        *err = why;
    return broke;
}

static void tell_rounds(depot_intake *t, bool whole)
{
    if (t->spoiled || t->dropped || (t->refused && !whole)) /* nobody else has what was in it */
        depot_refuse(t->d, t->why.code, &t->why);
    else if (t->refused)
        depot_warn(t->d, "%zu damaged segments; others had what is in them (publish --check)",
                   t->refused);
    else if (t->missing)
        depot_warn(
            t->d,
            "%zu segments with what is missing here are not there: who has it may publish it again",
            t->missing);
}

/* Fetches, feeds and judges what was chosen. What had to be dropped is fed again as long as that brings something. */
static prophet_code go_round(depot_intake *t, bool *all, bool *more, prophet_error *err)
{
    bool dry = t->d->o && t->d->o->dry_run;
    uint64_t before = dry ? 0 : ph_intake_applied(t->in.in);
    prophet_code rc = fetch_and_feed(t, all, err);
    *more = false;
    if (rc < 0 || dry || (rc = depot_judge(t, more, err)) < 0)
        return rc;
    *more = *more && (!t->dropped || ph_intake_applied(t->in.in) > before);
    return rc;
}

/* A segment that is gone: its publisher may have merged it meanwhile, or somebody else has what is in it. */
static prophet_code go_rounds(depot_intake *t, bool *all, prophet_error *err)
{
    bool more = true;
    prophet_code rc = PROPHET_OK;
    *all = true;
    for (int i = 0; i < ROUNDS && (!*all || more) && rc >= 0;) {
        if (!*all && (rc = depot_look(t->d, true, err)) < 0)
            break;
        if (t->d->current || (rc = depot_choose(t, err)) < 0 || t->parts.count == 0)
            break;
        rc = go_round(t, all, &more, err);
        i += !(t->dropped && more);
    }
    return rc;
}

/* What is missing still may be with those who were not read: once. */
static prophet_code rounds_with_all(depot_intake *t, bool *all, prophet_error *err)
{
    bool came = true;
    prophet_code rc = depot_all_came(t->d, &came, err);
    if (rc < 0 || came || (rc = depot_look(t->d, true, err)) < 0)
        return rc;
    return go_rounds(t, all, err);
}

static prophet_code rounds(depot_intake *t, prophet_error *err)
{
    bool dry = t->d->o && t->d->o->dry_run, all;
    prophet_code rc = go_rounds(t, &all, err);
    if (rc >= 0 && t->d->partial)
        rc = rounds_with_all(t, &all, err);
    if (rc >= 0 && (t->refused || t->missing) && !dry) {
        rc = depot_choose(t, err); /* what is missing still */
        all = t->parts.count == 0;
    }
    if (rc >= 0)
        tell_rounds(t, t->missing == 0 && (all || t->parts.count == 0));
    return rc;
}

/* An unlinked file beside the log: what is fetched may be larger than memory. */
static prophet_code open_spool(ph_replica *r, int *fd, prophet_error *err)
{
    char path[PH_PATH_MAX], tmp[PH_PATH_MAX];
    prophet_code rc = ph_path_join(path, sizeof path, ph_replica_path(r), "spool", err);
    if (rc < 0 || (rc = sync_temporary(path, tmp, sizeof tmp, err)) < 0)
        return rc;
    if ((*fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        return ph_fail_sys(err, errno, "create %s", tmp);
    (void)unlink(tmp); /* left behind if it fails, and looked at by nobody */
    return PROPHET_OK;
}

static prophet_code take_in(depot_intake *t, prophet_error *err)
{
    prophet_error ignored;
    prophet_code rc;
    if (t->d->o && t->d->o->dry_run) {
        t->rep->dry_run = true;
        return rounds(t, err);
    }
    if ((rc = sync_intake_begin(t->d->r, t->d->o, 0, &t->in, err)) < 0)
        return rc;
    rc = rounds(t, err);
    if (rc >= 0)
        rc = sync_intake_finish(&t->in, t->rep, err);
    else if (rc == PROPHET_ENETWORK)                        /* what came may call for another key */
        (void)sync_intake_finish(&t->in, t->rep, &ignored); /* the first error is the one to tell */
    sync_intake_end(&t->in);
    if (rc >= 0 && t->rep->unsigned_rest &&
        !t->d->failed) /* what was refused left its rest unsigned */
        rc = ph_fail(err, PROPHET_EUNSIGNED, "%s holds %llu changesets that nobody signed",
                     ph_net_shown(t->d->net), (unsigned long long)t->rep->unsigned_rest);
    return rc;
}

prophet_code depot_take(depot *d, ph_sync_report *rep, prophet_error *err)
{
    depot_intake t = { .d = d, .spool = -1, .rep = rep };
    prophet_code rc = PROPHET_OK;
    if (!d->current && (rc = open_spool(d->r, &t.spool, err)) >= 0) {
        rc = take_in(&t, err);
        close(t.spool);
    }
    ph_map_clear(&t.runs);
    ph_free(t.parts.at);
    ph_free(t.failed.at);
    ph_free(t.fed.at);
    return rc;
}

/* ---- a check ----------------------------------------------------------------------------------------------------------------- */

static prophet_code check_one(depot_intake *t, const depot_publisher *p, const depot_segment *s,
                              prophet_error *err)
{
    const depot_file f = { .folder = p->folder, .name = s->file };
    depot_part one = { .p = p, .s = s, .sound = DEPOT_ALL };
    t->used = 0;
    prophet_code rc = depot_fetch(t, &one, err);
    return rc == PROPHET_DONE && !PH_PUSH(t->d->rotten, f) ? ph_nomem(err) : rc;
}

prophet_code depot_check(depot *d, prophet_error *err)
{
    depot_intake t = { .d = d, .spool = -1 };
    prophet_code rc = open_spool(d->r, &t.spool, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < d->publishers.count; i++) {
        const depot_publisher *p = &d->publishers.at[i];
        for (size_t k = 0; p->read && k < p->m.segment_count && rc >= 0; k++)
            if (depot_has(d, &p->folder, &p->m.segments[k]))
                rc = check_one(&t, p, &p->m.segments[k], err);
    }
    close(t.spool);
    return rc < 0 ? rc : PROPHET_OK;
}

/* known: it was a depot. PROPHET_DONE: nothing of that is there any more. */
static prophet_code pull(depot *d, bool known, ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc = depot_look(d, false, err);
    if (rc < 0)
        return rc;
    size_t read = 0, there = d->root_good || d->failed;
    for (size_t i = 0; i < d->publishers.count; i++) {
        read += d->publishers.at[i].read || d->publishers.at[i].best;
        there += d->publishers.at[i].read;
    }
    if (known && !there)
        return PROPHET_DONE;
    if (!d->root_good && read == 0 && !d->failed) { /* a page for everything is no root */
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s is neither a replica nor a depot%s",
                     ph_net_shown(d->net),
                     d->has_root ? ": its " DEPOT_ROOT " is something else" : "");
        ph_hint(err, "prophet publish makes a depot");
        return rc;
    }
    if ((rc = depot_take(d, rep, err)) < 0)
        return rc;
    bool dry = d->o && d->o->dry_run;
    if (!dry && (rc = depot_note_write(d, err)) < 0)
        return rc;
    if (d->warning[0] && !rep->notice[0])
        (void)snprintf(rep->notice, sizeof rep->notice, "%s: %s", d->url, d->warning);
    if (d->failed) {
        *err = d->why;
        if (!err->hint[0])
            ph_hint(err,
                    "all others were used; who publishes there mends it: prophet publish --check");
    }
    rep->left_out = d->failed != 0;
    return d->failed;
}

static prophet_code open_and_pull(ph_replica *r, const char *url, const ph_sync_options *o,
                                  bool known, ph_sync_report *rep, prophet_error *err)
{
    uint64_t start = ph_monotonic_us();
    bool noted = true;
    depot d;
    prophet_code rc = depot_open(r, url, o, &d, err);
    if (rc < 0)
        return rc;
    if (known)
        rc = depot_noted(&d, &noted, err);
    if (rc >= 0)
        rc = noted ? pull(&d, known, rep, err) : PROPHET_DONE;
    rep->bytes = d.bytes;
    rep->seconds += (double)(ph_monotonic_us() - start) / 1e6;
    depot_close(&d);
    return rc;
}

prophet_code sync_depot_pull(ph_replica *r, const char *url, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    return open_and_pull(r, url, o, false, rep, err);
}

prophet_code sync_depot_pull_known(ph_replica *r, const char *url, const ph_sync_options *o,
                                   ph_sync_report *rep, prophet_error *err)
{
    return open_and_pull(r, url, o, true, rep, err);
}

prophet_code sync_depot_database(const char *url, const ph_sync_options *o, ph_uuid *out,
                                 prophet_error *err)
{
    depot d;
    prophet_code rc = depot_open(NULL, url, o, &d, err);
    if (rc < 0)
        return rc;
    if ((rc = depot_look(&d, true, err)) >= 0) {
        if (d.has_database)
            *out = d.database;
        else if (d.failed)
            rc = d.failed, *err = d.why;
        else
            rc = ph_fail(err, PROPHET_ENOTFOUND, "%s is neither a replica nor a depot",
                         ph_net_shown(d.net));
    }
    depot_close(&d);
    return rc;
}
