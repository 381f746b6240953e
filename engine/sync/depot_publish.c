/* Publishing into a depot. Each replica writes into a folder of its own, so any number may publish at once without a lock; only processes of one
 * replica take turns. The order is segment, manifest, root, then what is superseded goes: wherever this is cut off, readers find what was there before
 * or all of the new, and the next publish goes on.
 *   1. what the own manifest names but is not here is pulled first (a restored backup, a copy)
 *   2. what no segment there holds becomes a new segment, together with the last own ones that are not at least twice as large: so there
 *      are O(log n), and each changeset is written O(log n) times
 *   3. the manifest is replaced only if it is still the one that was read: else a copy of this replica, under the same key, was here, and all
 *      begins again; what the copy published is pulled
 * Called by source.c; calls depot_look.c, depot_gap.c, depot_publish_segment.c, depot_publish_manifest.c, depot_root.c. */
#include "sync/depot_publish_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { AGAIN = 5 }; /* times, because of a copy */

/* ---- what is mine there ------------------------------------------------------------------------------------------------- */

static prophet_code keep(publish *p, prophet_error *err)
{
    bool ok = true;
    if (!p->own)
        return PROPHET_OK;
    for (size_t i = 0; i < p->own->m.segment_count && ok; i++) {
        const depot_segment *s = &p->own->m.segments[i];
        if (depot_has(p->d, &p->folder, s))
            ok = PH_PUSH(p->live, *s);
        else
            p->lost++; /* what is in it is published again */
    }
    for (size_t i = 0; i < p->own->m.retired_count && ok; i++)
        ok = PH_PUSH(p->retired, p->own->m.retired[i]);
    p->changed = p->lost > 0;
    if (p->lost && !p->rep->notice[0])
        (void)snprintf(p->rep->notice, sizeof p->rep->notice,
                       "%.200s: %zu segments of this replica are gone or cut: what they held is "
                       "published again",
                       ph_net_shown(p->d->net), p->lost);
    return ok ? PROPHET_OK : ph_nomem(err);
}

static bool is_named(const publish *p, const ph_id *file)
{
    for (size_t i = 0; i < p->live.count; i++)
        if (ph_id_eq(&p->live.at[i].file, file))
            return true;
    for (size_t i = 0; i < p->retired.count; i++)
        if (ph_id_eq(&p->retired.at[i].file, file))
            return true;
    return false;
}

prophet_code depot_retire(publish *p, const depot_segment *s, prophet_error *err)
{
    depot_retired one = { .since = (uint64_t)ph_replica_now(p->d->r), .file = s->file };
    memcpy(one.name, s->name, SEGMENT_SUM);
    return PH_PUSH(p->retired, one) ? PROPHET_OK : ph_nomem(err);
}

/* Segments that a publish was cut off behind. Of sealed ones the names that a manifest would need are not known: they go at once. */
static prophet_code retire_strays(publish *p, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < p->d->files.count && rc >= 0; i++) {
        const depot_file *f = &p->d->files.at[i];
        depot_segment stray = { .file = f->name };
        depot_retired gone = { .file = f->name };
        if (!ph_id_eq(&f->folder, &p->folder) || is_named(p, &f->name))
            continue;
        memcpy(stray.name, f->name.b, SEGMENT_SUM);
        if (!p->d->seal.on)
            rc = depot_retire(p, &stray, err);
        else if (!PH_PUSH(p->gone, gone))
            rc = ph_nomem(err);
    }
    return rc;
}

/* The oldest go when their time is over or too many wait; what lives again stays. */
static prophet_code let_go(publish *p, prophet_error *err)
{
    const uint64_t keep_ms = (uint64_t)DEPOT_RETIRED_DAYS * 86400000;
    uint64_t now = (uint64_t)ph_replica_now(p->d->r);
    size_t kept = 0,
           excess = p->retired.count > DEPOT_RETIRED_MAX ? p->retired.count - DEPOT_RETIRED_MAX : 0;
    for (size_t i = 0; i < p->retired.count; i++) {
        depot_retired one = p->retired.at[i];
        bool lives = false;
        for (size_t k = 0; k < p->live.count; k++)
            lives = lives || ph_id_eq(&p->live.at[k].file, &one.file);
        if (lives)
            continue;
        if (i >= excess && (one.since > now || now - one.since < keep_ms))
            p->retired.at[kept++] = one;
        else if (!PH_PUSH(p->gone, one))
            return ph_nomem(err);
    }
    p->retired.count = kept;
    return PROPHET_OK;
}

static prophet_code remove_gone(publish *p, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    char name[DEPOT_NAME_SIZE];
    for (size_t i = 0; i < p->gone.count && rc >= 0; i++) {
        depot_segment_name(&p->folder, &p->gone.at[i].file, name);
        rc = ph_net_remove(p->d->net, name, err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

/* Who wrote what is published for the first time. */
static prophet_code note_fresh(publish *p, prophet_error *err)
{
    ph_sync_cursor at = { 0 };
    PH_LIST(sync_run) runs = { 0 };
    uint64_t version;
    bool *seen = ph_zalloc((size_t)p->v->state.replicas + 1);
    prophet_code rc = seen ? PROPHET_OK : ph_nomem(err);
    while (rc >= 0 && ph_sync_spans_take(&p->spans, &at, &version, 1) > 0) {
        ph_changeset_row row;
        ph_replica_row rep;
        if ((rc = ph_changesets_get(p->v->txn, version, &row, err)) < 0 || seen[row.ridx])
            continue;
        seen[row.ridx] = true;
        if ((rc = ph_replicas_get(p->v->txn, row.ridx, &p->a, &rep, err)) >= 0 &&
            !PH_PUSH(runs, ((sync_run){ .replica = rep.key })))
            rc = ph_nomem(err);
    }
    const sync_segment_head h = { .changesets = p->fresh,
                                  .runs = runs.at,
                                  .run_count = runs.count };
    if (runs.count)
        qsort(runs.at, runs.count, sizeof *runs.at, by_id); /* a run begins with its replica */
    if (rc >= 0)
        rc = sync_report_runs(&h, p->rep, err);
    ph_free(runs.at);
    ph_free(seen);
    return rc;
}

static prophet_code write_all(publish *p, prophet_error *err)
{
    prophet_code rc;
    bool dry = p->d->o && p->d->o->dry_run;
    if ((rc = keep(p, err)) < 0 || (rc = depot_gap(p->v, p->d, &p->spans, &p->left, err)) < 0)
        return rc;
    p->fresh = ph_sync_spans_settle(&p->spans);
    p->rep->unsigned_rest = p->left;
    p->changed = p->changed || p->fresh || (p->own && p->own->m.generation < p->own->best);
    if ((rc = note_fresh(p, err)) < 0 || dry || !p->changed)
        return rc;
    if (p->fresh) {
        if ((rc = depot_merge(p, err)) < 0)
            return rc;
        (void)ph_sync_spans_settle(&p->spans);
        if ((rc = depot_put_segment(p, err)) < 0)
            return rc;
        p->rep->bytes += p->made.size;
    }
    if ((rc = retire_strays(p, err)) < 0 || (rc = let_go(p, err)) < 0 ||
        (rc = depot_put_manifest(p, err)) < 0)
        return rc;
    return remove_gone(p, err);
}

static prophet_code publish_once(depot *d, ph_sync_report *rep, prophet_error *err)
{
    publish p = { .d = d, .rep = rep };
    const depot_publisher *own = depot_find(d, ph_replica_key(d->r));
    prophet_code rc = ph_view_begin(d->r, &p.v, err);
    if (rc < 0)
        return rc;
    p.own = own && own->read ? own : NULL;
    ph_replica_frugal(d->r, true);
    if ((rc = sync_seal_name(&d->seal, d->hasher, ph_replica_key(d->r)->b, p.folder.b, err)) >= 0)
        rc = write_all(&p, err);
    ph_replica_frugal(d->r, false);
    ph_view_end(p.v);
    ph_free(p.live.at);
    ph_free(p.retired.at);
    ph_free(p.gone.at);
    ph_free(p.spans.at);
    ph_arena_clear(&p.a);
    return rc;
}

/* Does the own manifest name what is not here? */
static prophet_code lacks_own(depot *d, bool *yes, prophet_error *err)
{
    const depot_publisher *own = depot_find(d, ph_replica_key(d->r));
    uint64_t version;
    ph_view *v;
    *yes = false;
    if (!own || !own->read)
        return PROPHET_OK;
    prophet_code rc = ph_view_begin(d->r, &v, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < own->m.segment_count && !*yes && rc >= 0; i++)
        for (size_t k = 0; k < own->m.segments[i].run_count && !*yes && rc >= 0; k++)
            if ((rc = ph_view_version_of(v, &own->m.segments[i].runs[k].id, &version, err)) ==
                PROPHET_DONE)
                *yes = true;
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Of a passphrase a salt makes the key, and all names: the root tells it, so it comes first where nothing is yet. */
static prophet_code agree_on_salt(depot *d, prophet_error *err)
{
    prophet_code rc = depot_look(d, true, err);
    if (rc < 0 || d->has_root || d->opened || d->again || !d->seal.passphrase[0] ||
        (d->o && d->o->dry_run))
        return rc;
    return (rc = depot_root_write(d, err)) < 0 ? rc : depot_look(d, true, err);
}

static prophet_code check_there(const depot *d, prophet_error *err)
{
    if (!d->again || d->has_root)
        return PROPHET_OK;
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "the depot %s is gone", ph_net_shown(d->net));
    ph_hint(err, "put it back; prophet publish begins a new one");
    return rc;
}

/* Looks, and brings what the own manifest names but is not here. */
static prophet_code look_at_own(depot *d, bool dry, ph_sync_report *rep, prophet_error *err)
{
    ph_sync_report came = { 0 };
    bool lacks;
    prophet_code rc;
    if ((!dry && (rc = ph_replica_sign(d->r, err)) < 0) || (rc = agree_on_salt(d, err)) < 0 ||
        (rc = check_there(d, err)) < 0 || (rc = lacks_own(d, &lacks, err)) < 0 || !lacks || dry)
        return rc;
    rc = depot_take(d, &came, err);
    if (came.notice[0])
        memcpy(rep->notice, came.notice, sizeof rep->notice);
    ph_sync_report_clear(&came);
    return rc < 0 || (rc = ph_replica_sign(d->r, err)) < 0 ? rc : depot_look(d, true, err);
}

static prophet_code publish_all(depot *d, bool dry, ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc = PROPHET_ESTALE;
    for (int i = 0; i < AGAIN && (rc == PROPHET_ESTALE || rc == PROPHET_EEXISTS); i++) {
        if ((rc = look_at_own(d, dry, rep, err)) < 0 ||
            (d->o && d->o->check && (rc = depot_check(d, err)) < 0))
            return rc;
        rc = publish_once(d, rep, err);
    }
    return rc;
}

static prophet_code publish_locked(depot *d, ph_sync_report *rep, prophet_error *err)
{
    bool dry = d->o && d->o->dry_run;
    rep->dry_run = dry;
    prophet_code rc = publish_all(d, dry, rep, err);
    if (rc < 0)
        return rc;
    if (d->rotten.count)
        (void)snprintf(
            rep->notice, sizeof rep->notice,
            "%.200s: %zu damaged segments: what is here of what they held is published again",
            ph_net_shown(d->net), d->rotten.count);
    if (dry)
        return rc;
    bool is_new = !d->has_root && d->opened == 0;
    if (is_new && !rep->notice[0])
        (void)snprintf(rep->notice, sizeof rep->notice, "%.200s is a new depot%s",
                       ph_net_shown(d->net),
                       d->seal.on ? ""
                                  : ": who can read it can read all history, deleted values and "
                                    "authors' addresses too");
    return (rc = depot_root_write(d, err)) < 0 ? rc : depot_note_write(d, err);
}

static prophet_code lock(ph_replica *r, int *fd, prophet_error *err)
{
    char path[PH_PATH_MAX];
    prophet_code rc = ph_path_join(path, sizeof path, ph_replica_path(r), "publish.lock", err);
    if (rc < 0)
        return rc;
    if ((*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return ph_fail_sys(err, errno, "create %s", path);
    while (flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR) {
            rc = ph_fail_sys(err, errno, "lock %s", path);
            close(*fd);
            return rc;
        }
    return PROPHET_OK;
}

prophet_code sync_depot_publish(ph_replica *r, const char *url, bool again,
                                const ph_sync_options *o, ph_sync_report *rep, prophet_error *err)
{
    uint64_t start = ph_monotonic_us();
    depot d;
    int fd;
    prophet_code rc;
    if (ph_replica_readonly(r))
        return ph_fail(err, PROPHET_EREADONLY,
                       "%s is open for reading only: it cannot sign what it publishes",
                       ph_replica_path(r));
    if ((rc = lock(r, &fd, err)) < 0)
        return rc;
    if ((rc = depot_open(r, url, o, &d, err)) >= 0) {
        d.again = again;
        if (!ph_net_can_write(d.net))
            rc = ph_fail(err, PROPHET_EREADONLY, "%s cannot be written to", ph_net_shown(d.net));
        else
            rc = publish_locked(&d, rep, err);
        if (rc >= 0 && d.warning[0] && !rep->notice[0])
            (void)snprintf(rep->notice, sizeof rep->notice, "%s: %s", url, d.warning);
        depot_close(&d);
    }
    close(fd);
    rep->seconds += (double)(ph_monotonic_us() - start) / 1e6;
    return rc;
}
