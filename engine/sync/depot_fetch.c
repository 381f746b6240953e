/* Which segments of a depot hold what is missing here, and fetching them into one spool file. A segment is looked at as a whole before anything of it is
 * applied; what is refused or missing keeps nothing else from coming. Called by depot_pull.c. */
#include "sync/depot_take_impl.h"

/* ---- which segments -------------------------------------------------------------------------------------------------- */

static bool chosen(const depot_intake *t, const sync_run *run)
{
    const sync_run *r = ph_map_get(&t->runs, ph_slice(run->id.b, sizeof run->id.b));
    return r && r->from <= run->from;
}

static prophet_code add_runs(depot_intake *t, const depot_segment *s, prophet_error *err)
{
    bool ok = true;
    for (size_t i = 0; i < s->run_count && ok; i++) {
        const sync_run *run = &s->runs[i];
        if (!chosen(t, run))
            ok =
                ph_map_put(&t->runs, ph_slice(run->id.b, sizeof run->id.b), (void *)(uintptr_t)run);
    }
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* doubt: also of what was chosen for it already. */
static prophet_code is_needed(const depot_intake *t, ph_view *v, const depot_segment *s, bool doubt,
                              bool *yes, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint64_t version;
    *yes = false;
    for (size_t i = 0; i < s->run_count && !*yes && rc >= 0; i++)
        if ((rc = ph_view_version_of(v, &s->runs[i].id, &version, err)) == PROPHET_DONE)
            *yes = doubt || !chosen(t, &s->runs[i]);
    return rc < 0 ? rc : PROPHET_OK;
}

static bool is_among(const depot_file *files, size_t count, const depot_publisher *p,
                     const depot_segment *s)
{
    for (size_t i = 0; i < count; i++)
        if (ph_id_eq(&files[i].folder, &p->folder) && ph_id_eq(&files[i].name, &s->file))
            return true;
    return false;
}

/* As far as is known. Of one that failed another publisher may have the same, and whole. */
static bool is_there(const depot_intake *t, const depot_publisher *p, const depot_segment *s)
{
    return !is_among(t->failed.at, t->failed.count, p, s) && depot_lists(t->d, &p->folder, s);
}

static prophet_code choose_from(depot_intake *t, ph_view *v, const depot_publisher *p, bool there,
                                prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t k = 0; p->read && k < p->m.segment_count && rc >= 0; k++) {
        const depot_part one = { .p = p, .s = &p->m.segments[k], .sound = DEPOT_ALL };
        bool fed = is_among(t->fed.at, t->fed.count, p, one.s), yes = false;
        if (is_there(t, p, one.s) != there ||
            (rc = is_needed(t, v, one.s, there && t->doubt, &yes, err)) < 0 || !yes)
            continue;
        t->missing += !there;
        if (there && !fed && !PH_PUSH(t->parts, one))
            rc = ph_nomem(err);
        if (rc >= 0 && there)
            rc = add_runs(t, one.s, err);
    }
    return rc;
}

prophet_code depot_choose(depot_intake *t, prophet_error *err)
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
    depot_intake *t;
    const depot_segment *s;
    uint64_t got;
    bool broke; /* here, and not on the way */
} spooling;

static prophet_code to_spool(void *ctx, prophet_slice chunk, prophet_error *err)
{
    spooling *g = ctx;
    if (chunk.len > g->s->size - g->got)
        return ph_fail(err, PROPHET_ECORRUPT, "it is longer than its manifest says");
    prophet_code rc = ph_file_write(g->t->spool, chunk.data, chunk.len, g->t->used + g->got, err);
    g->got += chunk.len;
    if (rc >= 0)
        rc = sync_progress(g->t->d->o, "fetch", g->got, g->s->size, err);
    g->broke = rc < 0;
    return rc;
}

prophet_code depot_read_window(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    depot_window *w = ctx;
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
static prophet_code check_part(depot_intake *t, const depot_part *p, const char *what,
                               prophet_error *err)
{
    depot_window w = { t->spool, p->at, p->end };
    uint8_t sum[SEGMENT_SUM];
    sync_segment *s;
    ph_frame_type type;
    prophet_slice frame;
    size_t got;
    prophet_code rc = sync_segment_open(depot_read_window, &w, what, &s, err);
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

bool depot_is_refusal(prophet_code rc)
{
    return rc == PROPHET_ECORRUPT || rc == PROPHET_EVERSION || rc == PROPHET_EUNRELATED ||
           rc == PROPHET_EREMOTE || rc == PROPHET_EUNTRUSTED;
}

prophet_code depot_fetch(depot_intake *t, depot_part *p, prophet_error *err)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    spooling to = { .t = t, .s = p->s };
    sync_sealer w;
    char name[DEPOT_NAME_SIZE];
    depot_segment_name(&p->p->folder, &p->s->file, name);
    sync_unsealer_begin(&w, &t->d->seal, to_spool, &to);
    g.sink = sync_unsealer_put;
    g.ctx = &w;
    prophet_code rc = ph_net_get(t->d->net, name, &g, err);
    bool unreadable = rc == PROPHET_EIO && !to.broke; /* over there */
    if (rc == PROPHET_OK)
        rc = sync_unsealer_end(&w, err);
    sync_sealer_clear(&w);
    t->d->bytes += to.got;
    if (rc == PROPHET_DONE)
        return rc;
    if (rc == PROPHET_OK && to.got < p->s->size)
        rc = ph_fail(err, PROPHET_ECORRUPT, "segment %.16s is cut short", name + 65);
    p->at = t->used;
    p->end = t->used + to.got;
    if (rc == PROPHET_OK)
        rc = check_part(t, p, name + 65, err);
    if (rc >= 0) {
        t->used = p->end;
        return PROPHET_OK;
    }
    if (!depot_is_refusal(rc) && !unreadable)
        return rc;
    depot_blame(t, p, err);
    t->refused++;
    return PROPHET_DONE;
}

prophet_code depot_fetch_all(depot_intake *t, bool *all, prophet_error *err)
{
    size_t kept = 0, asked = t->parts.count;
    prophet_code rc = PROPHET_OK;
    t->used = 0;
    for (size_t i = 0; i < asked && rc >= 0; i++) {
        depot_part p = t->parts.at[i];
        const depot_file f = { .folder = p.p->folder, .name = p.s->file };
        rc = depot_fetch(t, &p, err);
        if (rc == PROPHET_OK)
            t->parts.at[kept++] = p;
        else if (rc == PROPHET_DONE && !PH_PUSH(t->failed, f))
            rc = ph_nomem(err);
    }
    *all = kept == asked;
    t->parts.count = kept;
    return rc < 0 ? rc : PROPHET_OK;
}
