/* Which changesets no segment of a depot holds. Segments tell runs: stretches of chains. Of a chain without branches they are intervals, so that
 * the cost follows what is missing; a forked chain is walked down from the end of each run. Called by depot_publish.c. */
#include "sync/depot_impl.h"
#include "sync/pick_impl.h"
#include <stdlib.h>

typedef struct span { /* of one chain */
    uint32_t ridx;
    sync_run run;
} span;

typedef struct gap {
    ph_view *v;
    depot *d;
    PH_LIST(span) spans;
    ph_sync_spans *out;
    uint64_t left;
} gap;

/* The run's last changeset, if it is here and is what the run says. */
static prophet_code find_end(ph_view *v, const sync_run *run, uint64_t *version, uint32_t *ridx,
                             prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = ph_view_version_of(v, &run->id, version, err);
    if (rc != PROPHET_OK || (rc = ph_changesets_get(v->txn, *version, &row, err)) != PROPHET_OK)
        return rc;
    *ridx = row.ridx;
    uint32_t told;
    rc = ph_replicas_find(v->txn, &run->replica, &told, err);
    return rc == PROPHET_OK && (told != row.ridx || row.seq != run->to) ? PROPHET_DONE : rc;
}

/* From the end down by prev: `count` changesets of a branch. */
static prophet_code walk_down(ph_view *v, uint64_t version, uint64_t count, ph_sync_spans *out,
                              prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    for (; count > 0 && rc == PROPHET_OK; count--) {
        ph_changeset cs;
        ph_changeset_row row;
        if ((rc = ph_sync_spans_add(out, version, version, err)) < 0)
            break;
        ph_arena_reset(&a);
        if (count == 1 || (rc = ph_view_changeset(v, version, &a, &cs, &row, err)) != PROPHET_OK)
            break;
        rc = cs.header.has_prev ? ph_view_version_of(v, &cs.header.prev, &version, err)
                                : PROPHET_DONE;
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code depot_run_versions(ph_view *v, const sync_run *run, ph_sync_spans *out,
                                prophet_error *err)
{
    uint64_t end, at[2];
    uint32_t ridx;
    ph_replica_row rep;
    size_t n;
    prophet_code rc = find_end(v, run, &end, &ridx, err);
    if (rc != PROPHET_OK || (rc = ph_replicas_get(v->txn, ridx, &v->arena, &rep, err)) < 0)
        return rc < 0 ? rc : ph_fail(err, PROPHET_ENOTFOUND, "a run of a segment is not here");
    if (rep.forked || rep.tip_count > 1)
        return walk_down(v, end, run->to - run->from + 1, out, err);
    for (uint64_t seq = run->from; seq <= run->to; seq++) {
        if ((rc = ph_chains_at(v->txn, ridx, seq, at, 2, &n, err)) < 0)
            return rc;
        if (n && (rc = ph_sync_spans_add(out, at[0], at[0], err)) < 0)
            return rc;
    }
    return PROPHET_OK;
}

/* ---- what is there ---------------------------------------------------------------------------------------------------- */

/* Others are believed, but for what this replica wrote: nobody can keep a writer from publishing it by saying that it is there. */
static prophet_code collect(gap *g, prophet_error *err)
{
    const ph_id *self = ph_replica_key(g->d->r);
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < g->d->publishers.count; i++) {
        const depot_publisher *p = &g->d->publishers.at[i];
        bool own = ph_id_eq(&p->key, self);
        for (size_t k = 0; p->read && k < p->m.segment_count; k++) {
            const depot_segment *s = &p->m.segments[k];
            for (size_t n = 0; depot_has(g->d, &p->folder, s) && n < s->run_count; n++) {
                span one = { 0, s->runs[n] };
                uint64_t version;
                if (!own && ph_id_eq(&one.run.replica, self))
                    continue;
                if ((rc = find_end(g->v, &one.run, &version, &one.ridx, err)) < 0)
                    return rc;
                if (rc == PROPHET_OK && !PH_PUSH(g->spans, one))
                    return ph_nomem(err);
            }
        }
    }
    return PROPHET_OK;
}

static int by_place(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->ridx != y->ridx)
        return x->ridx < y->ridx ? -1 : 1;
    return x->run.from < y->run.from ? -1 : x->run.from > y->run.from;
}

/* ---- what is missing -------------------------------------------------------------------------------------------------- */

static prophet_code add_seqs(gap *g, uint32_t ridx, uint64_t from, uint64_t upto,
                             prophet_error *err)
{
    uint64_t at[2];
    size_t n;
    for (uint64_t seq = from; seq <= upto; seq++) {
        prophet_code rc = ph_chains_at(g->v->txn, ridx, seq, at, 2, &n, err);
        if (rc < 0)
            return rc;
        if (n && (rc = ph_sync_spans_add(g->out, at[0], at[0], err)) < 0)
            return rc;
    }
    return PROPHET_OK;
}

static prophet_code plain_chain(gap *g, uint32_t ridx, size_t first, size_t end, uint64_t top,
                                prophet_error *err)
{
    uint64_t next = 1; /* all below is covered or was added */
    prophet_code rc = PROPHET_OK;
    for (size_t i = first; i < end && rc >= 0; i++) {
        const sync_run *run = &g->spans.at[i].run;
        if (run->from > next)
            rc = add_seqs(g, ridx, next, run->from - 1 < top ? run->from - 1 : top, err);
        if (run->to >= next)
            next = run->to + 1;
    }
    return rc < 0 ? rc : add_seqs(g, ridx, next, top, err);
}

static prophet_code forked_chain(gap *g, uint32_t ridx, size_t first, size_t end, uint64_t top,
                                 const sync_versions *unproven, prophet_error *err)
{
    ph_sync_spans there = { 0 };
    ph_sync_cursor place = { 0 };
    uint64_t one;
    sync_versions at = { 0 };
    uint8_t *covered = ph_zalloc((size_t)(g->v->state.version / 8) + 1);
    prophet_code rc = covered ? PROPHET_OK : ph_nomem(err);
    for (size_t i = first; i < end && rc >= 0; i++)
        rc = depot_run_versions(g->v, &g->spans.at[i].run, &there, err);
    (void)ph_sync_spans_settle(&there);
    while (rc >= 0 && ph_sync_spans_take(&there, &place, &one, 1) > 0)
        covered[one / 8] |= (uint8_t)(1u << one % 8);
    for (size_t i = 0; i < unproven->count && rc >= 0; i++) /* stays behind */
        covered[unproven->at[i] / 8] |= (uint8_t)(1u << unproven->at[i] % 8);
    for (uint64_t seq = 1; seq <= top && rc >= 0; seq++) {
        rc = sync_branches(g->v, ridx, seq, &at, err);
        for (size_t i = 0; rc >= 0 && i < at.count; i++)
            if (!(covered[at.at[i] / 8] & (1u << at.at[i] % 8)))
                rc = ph_sync_spans_add(g->out, at.at[i], at.at[i], err);
    }
    ph_free(at.at);
    ph_free(covered);
    ph_free(there.at);
    return rc;
}

static prophet_code chain(gap *g, uint32_t ridx, size_t *at, prophet_error *err)
{
    ph_replica_row rep;
    ph_changeset_row row;
    uint64_t top = 0;
    size_t first = *at;
    prophet_code rc = ph_replicas_get(g->v->txn, ridx, &g->v->arena, &rep, err);
    while (*at < g->spans.count && g->spans.at[*at].ridx == ridx)
        ++*at;
    for (uint32_t i = 0; i < rep.tip_count && rc >= 0; i++)
        if ((rc = ph_changesets_get(g->v->txn, rep.tips[i].version, &row, err)) >= 0 &&
            row.seq > top)
            top = row.seq;
    if (rc < 0)
        return rc;
    sync_versions unproven = { 0 };
    bool forked = rep.forked || rep.tip_count > 1;
    if ((rc = sync_unproven(g->v, &rep, &unproven, err)) >= 0)
        rc = forked ? forked_chain(g, ridx, first, *at, top, &unproven, err)
                    : plain_chain(g, ridx, first, *at, top < rep.signed_seq ? top : rep.signed_seq,
                                  err);
    g->left += unproven.count;
    ph_free(unproven.at);
    return rc;
}

prophet_code depot_gap(ph_view *v, depot *d, ph_sync_spans *out, uint64_t *left, prophet_error *err)
{
    gap g = { .v = v, .d = d, .out = out };
    size_t at = 0;
    prophet_code rc = collect(&g, err);
    if (g.spans.count)
        qsort(g.spans.at, g.spans.count, sizeof *g.spans.at, by_place);
    for (uint32_t ridx = 1; ridx <= v->state.replicas && rc >= 0; ridx++)
        rc = chain(&g, ridx, &at, err);
    *left = g.left;
    ph_free(g.spans.at);
    return rc;
}
