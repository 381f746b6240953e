/* Pulling from a depot: which segments hold what is missing here, fetching them into one spool file, and feeding them to one intake. A segment is
 * looked at as a whole before anything of it is applied. What is refused or missing keeps nothing else from coming. Segments
 * may name each other's changesets, those of one publisher too (what was lost and published again lies in a later one): they are fed in turns, so
 * that what waits for another stays small.
 * Called by source.c and depot_publish.c. */
#include "sync/depot_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 4, TURN = 512, TURN_BYTES = 1 << 20 };

typedef struct part { /* a segment in the spool */
    const depot_publisher *p;
    const depot_segment *s;
    uint64_t at, end;
} part;

typedef struct take {
    depot *d;
    int spool;
    uint64_t used;
    PH_LIST(part) parts;
    ph_map runs;                /* in the parts, by id: of several that end in it the longest */
    PH_LIST(depot_file) failed; /* segments that are not there, or not what they should be */
    sync_intake in;
    ph_sync_report *rep;
    size_t missing;    /* segments with what nobody else has there */
    size_t refused;    /* of the failed: they are there, but are not what they should be */
    bool spoiled;      /* what lies in one of them was refused when it was fed */
    prophet_error why; /* of the first of these */
} take;

/* ---- which segments -------------------------------------------------------------------------------------------------- */

static bool chosen(const take *t, const sync_run *run)
{
    const sync_run *r = ph_map_get(&t->runs, ph_slice(run->id.b, sizeof run->id.b));
    return r && r->from <= run->from;
}

static prophet_code add_part(take *t, const part *p, prophet_error *err)
{
    bool ok = PH_PUSH(t->parts, *p);
    for (size_t i = 0; i < p->s->run_count && ok; i++) {
        const sync_run *run = &p->s->runs[i];
        if (!chosen(t, run))
            ok =
                ph_map_put(&t->runs, ph_slice(run->id.b, sizeof run->id.b), (void *)(uintptr_t)run);
    }
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code is_needed(const take *t, ph_view *v, const depot_segment *s, bool *yes,
                              prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint64_t version;
    *yes = false;
    for (size_t i = 0; i < s->run_count && !*yes && rc >= 0; i++)
        if ((rc = ph_view_version_of(v, &s->runs[i].id, &version, err)) == PROPHET_DONE)
            *yes = !chosen(t, &s->runs[i]);
    return rc < 0 ? rc : PROPHET_OK;
}

/* As far as is known. */
static bool is_there(const take *t, const depot_publisher *p, const depot_segment *s)
{
    for (size_t i = 0; i < t->failed.count; i++)
        if (ph_id_eq(&t->failed.at[i].folder, &p->folder) &&
            ph_id_eq(&t->failed.at[i].name, &s->file))
            return false; /* another publisher may have the same one, and whole */
    return depot_lists(t->d, &p->folder, s);
}

static prophet_code choose_from(take *t, ph_view *v, const depot_publisher *p, bool there,
                                prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t k = 0; p->read && k < p->m.segment_count && rc >= 0; k++) {
        const part one = { p, &p->m.segments[k], 0, 0 };
        bool yes;
        if (is_there(t, p, one.s) != there || (rc = is_needed(t, v, one.s, &yes, err)) < 0 || !yes)
            continue;
        t->missing += !there;
        if (there)
            rc = add_part(t, &one, err);
    }
    return rc;
}

/* What is not there is missed only if nothing else has what is in it. */
static prophet_code choose(take *t, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(t->d->r, &v, err);
    if (rc < 0)
        return rc;
    t->parts.count = t->missing = 0;
    ph_map_reset(&t->runs);
    for (int there = 1; there >= 0; there--)
        for (size_t i = 0; i < t->d->publishers.count && rc >= 0; i++)
            rc = choose_from(t, v, &t->d->publishers.at[i], there, err);
    ph_view_end(v);
    return rc;
}

/* ---- fetching ---------------------------------------------------------------------------------------------------------- */

typedef struct spooling {
    take *t;
    const depot_segment *s;
    uint64_t got;
} spooling;

static prophet_code to_spool(void *ctx, prophet_slice chunk, prophet_error *err)
{
    spooling *g = ctx;
    if (chunk.len > g->s->size - g->got)
        return ph_fail(err, PROPHET_ECORRUPT, "it is longer than its manifest says");
    prophet_code rc = ph_file_write(g->t->spool, chunk.data, chunk.len, g->t->used + g->got, err);
    g->got += chunk.len;
    return rc < 0 ? rc : sync_progress(g->t->d->o, "fetch", g->got, g->s->size, err);
}

/* A sync_read_fn on a part of the spool. */
typedef struct window {
    int fd;
    uint64_t at, end;
} window;

static prophet_code read_window(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    window *w = ctx;
    if (len > w->end - w->at)
        len = (size_t)(w->end - w->at);
    prophet_code rc = ph_file_read(w->fd, buf, len, w->at, got, err);
    w->at += *got;
    return rc;
}

static bool same_runs(const sync_segment_head *h, const depot_segment *s)
{
    ph_buf x = PH_BUF_INIT, y = PH_BUF_INIT;
    sync_runs_put(h->runs, h->run_count, &x);
    sync_runs_put(s->runs, s->run_count, &y);
    bool same = !x.failed && !y.failed && ph_slice_eq(ph_buf_slice(&x), ph_buf_slice(&y)) &&
                h->changesets == s->changesets;
    ph_buf_clear(&x);
    ph_buf_clear(&y);
    return same;
}

/* Is it whole, and what its name and its manifest say? */
static prophet_code check_part(take *t, const part *p, const char *what, prophet_error *err)
{
    window w = { t->spool, p->at, p->end };
    uint8_t sum[SEGMENT_SUM];
    sync_segment *s;
    ph_frame_type type;
    prophet_slice frame;
    size_t got;
    prophet_code rc = sync_segment_open(read_window, &w, what, &s, err);
    if (rc < 0)
        return rc;
    if ((rc = sync_check_related(t->d->r, &sync_segment_head_of(s)->database,
                                 ph_replica_path(t->d->r), what, err)) >= 0)
        while ((rc = sync_segment_next(s, &type, &frame, err)) == PROPHET_OK)
            ;
    if (rc >= 0 && !same_runs(sync_segment_head_of(s), p->s))
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s is not what its manifest says", what);
    sync_segment_close(s);
    if (rc >= 0 &&
        (rc = ph_file_read(t->spool, sum, sizeof sum, p->end - sizeof sum, &got, err)) >= 0 &&
        (got < sizeof sum || memcmp(sum, p->s->name, sizeof sum) != 0))
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s is not what its name says", what);
    return rc < 0 ? rc : PROPHET_OK;
}

static bool is_refusal(prophet_code rc)
{
    return rc == PROPHET_ECORRUPT || rc == PROPHET_EVERSION || rc == PROPHET_EUNRELATED ||
           rc == PROPHET_EREMOTE || rc == PROPHET_EUNTRUSTED;
}

/* PROPHET_DONE: it is not there, or not what it should be. */
static prophet_code fetch(take *t, part *p, prophet_error *err)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    spooling to = { t, p->s, 0 };
    sync_sealer w;
    char name[DEPOT_NAME_SIZE];
    depot_segment_name(&p->p->folder, &p->s->file, name);
    sync_unsealer_begin(&w, &t->d->seal, to_spool, &to);
    g.sink = sync_unsealer_put;
    g.ctx = &w;
    prophet_code rc = ph_net_get(t->d->net, name, &g, err);
    if (rc == PROPHET_OK)
        rc = sync_unsealer_end(&w, err);
    sync_sealer_clear(&w);
    t->d->bytes += to.got;
    if (rc == PROPHET_DONE)
        return rc;
    if (rc == PROPHET_OK && to.got < p->s->size)
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s: segment %.16s is cut short",
                     ph_net_shown(t->d->net), name + 65);
    p->at = t->used;
    p->end = t->used + to.got;
    if (rc == PROPHET_OK)
        rc = check_part(t, p, name + 65, err);
    if (rc >= 0) {
        t->used = p->end;
        return PROPHET_OK;
    }
    if (!is_refusal(rc))
        return rc;
    if (t->refused++ == 0 && err)
        t->why = *err;
    return PROPHET_DONE;
}

/* Below 0: what came before stays among the parts. */
static prophet_code fetch_all(take *t, bool *all, prophet_error *err)
{
    size_t kept = 0, asked = t->parts.count;
    prophet_code rc = PROPHET_OK;
    t->used = 0;
    for (size_t i = 0; i < asked && rc >= 0; i++) {
        part p = t->parts.at[i];
        const depot_file f = { .folder = p.p->folder, .name = p.s->file };
        rc = fetch(t, &p, err);
        if (rc == PROPHET_OK)
            t->parts.at[kept++] = p;
        else if (rc == PROPHET_DONE && !PH_PUSH(t->failed, f))
            rc = ph_nomem(err);
    }
    *all = kept == asked;
    t->parts.count = kept;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- feeding ------------------------------------------------------------------------------------------------------------- */

typedef struct feed { /* of one segment */
    take *t;
    const part *part;
    size_t order; /* among its publisher's */
    sync_segment *segment;
    window w;
    ph_frame_context stream;
    bool blocked; /* its last changeset waited when its turn ended */
    bool ended;
} feed;

static prophet_code next_frame(feed *f, ph_frame_type *type, prophet_slice *frame,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!f->segment) {
        f->w = (window){ f->t->spool, f->part->at, f->part->end };
        rc = sync_segment_open(read_window, &f->w, "a segment", &f->segment, err);
    }
    if (rc >= 0 && (rc = sync_segment_next(f->segment, type, frame, err)) == PROPHET_DONE) {
        sync_segment_close(f->segment);
        f->segment = NULL;
    }
    return rc;
}

/* Until it ends (PROPHET_DONE), or what waits has become too much. */
static prophet_code turn(feed *f, prophet_error *err)
{
    sync_intake *in = &f->t->in;
    ph_frame_type type;
    prophet_slice frame;
    size_t n = 0, bytes = 0;
    prophet_code rc;
    while ((rc = next_frame(f, &type, &frame, err)) == PROPHET_OK) {
        if ((rc = ph_intake_frame(in->in, type, frame, &f->stream, err)) < 0)
            return rc;
        if (type == PH_FRAME_CHANGESET && ++in->done % 256 == 0 &&
            (rc = sync_progress(in->o, "changesets", in->done, in->total, err)) < 0)
            return rc;
        bytes += frame.len;
        if ((++n < TURN && bytes < TURN_BYTES) || !ph_intake_stalled(in->in))
            continue;
        f->blocked = f->stream.has_last;
        return PROPHET_OK;
    }
    return rc;
}

/* The first whose last changeset waits no more; if there is none, the next at all. NULL: all ended. */
static feed *whose_turn(feed *feeds, size_t count, size_t after, const ph_intake *in)
{
    for (size_t i = 0; i < count; i++)
        if (!feeds[i].ended && (!feeds[i].blocked || !ph_intake_waits(in, &feeds[i].stream.id)))
            return &feeds[i];
    for (size_t i = 1; i <= count; i++)
        if (!feeds[(after + i) % count].ended)
            return &feeds[(after + i) % count];
    return NULL;
}

/* What one segment holds is refused: the others go on. */
static prophet_code leave_out(feed *f, prophet_code rc, prophet_error *err)
{
    take *t = f->t;
    char folder[65];
    if (!is_refusal(rc) || ph_intake_broken(t->in.in))
        return rc;
    ph_hex(f->part->p->folder.b, 32, folder);
    ph_context(err, "%s %.8s..", ph_net_shown(t->d->net), folder);
    if (err && t->refused == 0 && !t->spoiled)
        t->why = *err;
    t->spoiled = true;
    return PROPHET_DONE;
}

static prophet_code feed_all(take *t, feed *feeds, size_t count, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    size_t at = count - 1;
    feed *f;
    while (rc >= 0 && (f = whose_turn(feeds, count, at, t->in.in)) != NULL) {
        at = (size_t)(f - feeds);
        f->blocked = false;
        rc = turn(f, err);
        if (rc < 0)
            rc = leave_out(f, rc, err);
        f->ended = rc == PROPHET_DONE;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

static int by_order(const void *a, const void *b)
{
    const feed *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

/* All publishers' first segments come before their second ones. */
static prophet_code feed_parts(take *t, prophet_error *err)
{
    size_t count = t->parts.count;
    feed *feeds = ph_zalloc((count + 1) * sizeof *feeds);
    if (!feeds)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const part *p = &t->parts.at[i];
        bool same = i > 0 && p->p == p[-1].p;
        feeds[i] = (feed){ .t = t, .part = p, .order = same ? feeds[i - 1].order + 1 : 0 };
        t->in.total += p->s->changesets;
    }
    ph_sort(feeds, count, sizeof *feeds, by_order);
    prophet_code rc = count ? feed_all(t, feeds, count, err) : PROPHET_OK;
    for (size_t i = 0; i < count; i++)
        sync_segment_close(feeds[i].segment);
    ph_free(feeds);
    return rc;
}

/* ---- a round: look, choose, fetch, feed ------------------------------------------------------------------------------------ */

static prophet_code count_part(take *t, const part *p, prophet_error *err)
{
    window w = { t->spool, p->at, p->end };
    sync_segment *s;
    prophet_code rc = sync_segment_open(read_window, &w, "a segment", &s, err);
    if (rc < 0)
        return rc;
    rc = sync_segment_count(t->d->r, s, t->rep, err);
    sync_segment_close(s);
    return rc;
}

static prophet_code count_parts(take *t, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < t->parts.count && rc >= 0; i++)
        rc = count_part(t, &t->parts.at[i], err);
    return rc;
}

/* Where the way breaks off, what came over it whole is applied all the same: the next pull goes on behind it. */
static prophet_code fetch_and_feed(take *t, bool *all, prophet_error *err)
{
    bool dry = t->d->o && t->d->o->dry_run;
    prophet_error why = { 0 };
    prophet_code rc, broke = fetch_all(t, all, &why);
    if (broke < 0 && (broke != PROPHET_ENETWORK || dry)) {
        if (err)
            *err = why;
        return broke;
    }
    rc = dry ? count_parts(t, err) : feed_parts(t, err);
    if (rc >= 0 && !dry)
        rc = ph_intake_apply(t->in.in, err);
    if (broke == PROPHET_OK ||
        (rc < 0 && rc != PROPHET_EBUDGET)) /* what did not come is waited for */
        return rc;
    if (err)
        *err = why;
    return broke;
}

/* A segment that is gone: its publisher may have merged it meanwhile, or somebody else has what is in it. */
static prophet_code rounds(take *t, prophet_error *err)
{
    bool all = false;
    prophet_code rc = PROPHET_OK;
    for (int i = 0; i < ROUNDS && !all && rc >= 0; i++) {
        if (i && (rc = depot_look(t->d, true, err)) < 0)
            break;
        if (t->d->current || (rc = choose(t, err)) < 0 || t->parts.count == 0)
            break;
        rc = fetch_and_feed(t, &all, err);
    }
    bool whole = t->missing == 0 && (all || t->parts.count == 0);
    if (rc >= 0 && (t->spoiled || (t->refused && !whole))) /* nobody else has what was in it */
        depot_refuse(t->d, t->why.code, &t->why);
    else if (rc >= 0 && t->refused)
        depot_warn(t->d, "%zu damaged segments; others had what is in them (publish --check)",
                   t->refused);
    else if (rc >= 0 && t->missing)
        depot_warn(
            t->d,
            "%zu segments with what is missing here are not there: who has it may publish it again",
            t->missing);
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

static prophet_code take_in(take *t, prophet_error *err)
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
    take t = { .d = d, .spool = -1, .rep = rep };
    prophet_code rc = PROPHET_OK;
    if (!d->current && (rc = open_spool(d->r, &t.spool, err)) >= 0) {
        rc = take_in(&t, err);
        close(t.spool);
    }
    ph_map_clear(&t.runs);
    ph_free(t.parts.at);
    ph_free(t.failed.at);
    return rc;
}

/* ---- a check ----------------------------------------------------------------------------------------------------------------- */

static prophet_code check_one(take *t, const depot_publisher *p, const depot_segment *s,
                              prophet_error *err)
{
    const depot_file f = { .folder = p->folder, .name = s->file };
    part one = { p, s, 0, 0 };
    t->used = 0;
    prophet_code rc = fetch(t, &one, err);
    return rc == PROPHET_DONE && !PH_PUSH(t->d->rotten, f) ? ph_nomem(err) : rc;
}

prophet_code depot_check(depot *d, prophet_error *err)
{
    take t = { .d = d, .spool = -1 };
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
    size_t read = 0, there = d->has_root || d->failed;
    for (size_t i = 0; i < d->publishers.count; i++) {
        read += d->publishers.at[i].read || d->publishers.at[i].best;
        there += d->publishers.at[i].read;
    }
    if (known && !there)
        return PROPHET_DONE;
    if (!d->has_root && read == 0 && !d->failed) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s is neither a replica nor a depot",
                     ph_net_shown(d->net));
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
    if (d->failed)
        *err = d->why;
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
