/* Comparing two replicas by the heads of their chains (DESIGN 6). Each function looks at one side only. A chain is the changesets
 * of one replica by seq, linked by prev; where a directory was copied it forks, and several changesets have one seq.
 * Where a seq has one changeset, everybody's ancestor at that seq is it, so a walk stops there or jumps; only forked
 * stretches are walked changeset by changeset. */
#include "sync/sync.h"
#include <stdlib.h>

#define BRANCHES \
    64 /* of a fork looked at at one seq: naming fewer ids is still right, only more is sent */

typedef struct id_list {
    ph_arena *a;
    ph_id *at;
    size_t count, cap;
} id_list;

static prophet_code push_id(id_list *l, const ph_id *id, prophet_error *err)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        ph_id *at = ph_arena_alloc(l->a, cap * sizeof *at);
        if (!at)
            return ph_nomem(err);
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = *id;
    return PROPHET_OK;
}

/* ---- 1 and 2 ------------------------------------------------------------------------------------------------------------ */

prophet_code ph_sync_offer_make(ph_view *v, ph_arena *a, ph_sync_offer *out, prophet_error *err)
{
    ph_chain_head *heads;
    prophet_code rc = ph_view_digest(v, out->digest, err);
    if (rc < 0)
        return rc;
    rc = ph_view_chains(v, a, &heads, &out->count, err);
    out->heads = heads;
    return rc;
}

static prophet_code name_at(ph_view *v, uint32_t ridx, uint64_t seq, id_list *known,
                            prophet_error *err)
{
    uint64_t versions[BRANCHES];
    ph_changeset_row row;
    size_t n;
    prophet_code rc = ph_chains_at(v->txn, ridx, seq, versions, BRANCHES, &n, err);
    for (size_t i = 0; i < n && rc >= 0; i++)
        if ((rc = ph_changesets_get(v->txn, versions[i], &row, err)) >= 0)
            rc = push_id(known, &row.id, err);
    return rc < 0 ? rc : PROPHET_OK;
}

/* The own heads of a replica and what lies 1, 2, 4, ... below them. */
static prophet_code name_chain(ph_view *v, const ph_id *key, ph_arena *a, id_list *known,
                               prophet_error *err)
{
    ph_replica_row rep;
    uint32_t ridx;
    prophet_code rc = ph_replicas_find(v->txn, key, &ridx, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = ph_replicas_get(v->txn, ridx, a, &rep, err)) < 0)
        return rc;
    for (uint32_t i = 0; i < rep.tip_count && rc >= 0; i++) {
        ph_changeset_row row;
        if ((rc = ph_changesets_get(v->txn, rep.tips[i].version, &row, err)) < 0 ||
            (rc = push_id(known, &row.id, err)) < 0)
            return rc;
        for (uint64_t distance = 1; distance < row.seq && rc >= 0; distance *= 2)
            rc = name_at(v, ridx, row.seq - distance, known, err);
    }
    return rc;
}

/* Damage took some of a chain: all from the lowest of these on is asked for again. */
static prophet_code want_lost(ph_view *v, const ph_chain_head *h, uint64_t lowest, id_list *wanted,
                              id_list *known, prophet_error *err)
{
    uint32_t ridx;
    prophet_code rc = ph_replicas_find(v->txn, &h->replica, &ridx, err);
    if (rc == PROPHET_OK)
        rc = push_id(wanted, &h->id, err);
    for (uint64_t distance = 1; distance < lowest && rc >= 0; distance *= 2)
        rc = name_at(v, ridx, lowest - distance, known, err);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_sync_want_make(ph_view *v, const ph_sync_offer *offer, ph_arena *a,
                               ph_sync_want *out, prophet_error *err)
{
    id_list wanted = { .a = a }, known = { .a = a };
    const ph_id *named = NULL; /* the heads of one replica lie together */
    uint64_t version;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < offer->count && rc >= 0; i++) {
        const ph_chain_head *h = &offer->heads[i];
        uint64_t lowest;
        if ((rc = ph_view_lost(v, &h->replica, &lowest, err)) < 0)
            break;
        if (rc == PROPHET_OK) {
            rc = want_lost(v, h, lowest, &wanted, &known, err);
            continue;
        }
        if ((rc = ph_view_version_of(v, &h->id, &version, err)) != PROPHET_DONE)
            continue;
        if ((rc = push_id(&wanted, &h->id, err)) >= 0 && (!named || !ph_id_eq(named, &h->replica)))
            rc = name_chain(v, &h->replica, a, &known, err);
        named = &h->replica;
    }
    *out = (ph_sync_want){ wanted.at, wanted.count, known.at, known.count };
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- 3: a walk down the chains ---------------------------------------------------------------------------------------------- */

typedef struct mark { /* a changeset of the chain that is walked, and what is known of it */
    uint64_t version, seq;
    bool known;
} mark;

typedef struct walk {
    ph_view *v;
    ph_arena scratch;
    uint32_t ridx; /* the chain that is walked */
    mark *at;      /* a heap: the greatest seq, then version, on top */
    size_t count, cap;
    ph_sync_spans *out;
    uint64_t selected;
    bool frugal; /* much is selected: pages are given back */
} walk;

static bool above(const mark *a, const mark *b)
{
    return a->seq != b->seq ? a->seq > b->seq : a->version > b->version;
}

static prophet_code heap_push(walk *w, mark m, prophet_error *err)
{
    if (w->count == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 32;
        mark *at = ph_realloc(w->at, cap * sizeof *at);
        if (!at)
            return ph_nomem(err);
        w->at = at;
        w->cap = cap;
    }
    size_t i = w->count++;
    for (; i > 0 && above(&m, &w->at[(i - 1) / 2]); i = (i - 1) / 2)
        w->at[i] = w->at[(i - 1) / 2];
    w->at[i] = m;
    return PROPHET_OK;
}

static mark heap_pop(walk *w)
{
    mark top = w->at[0], last = w->at[--w->count];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= w->count)
            break;
        if (k + 1 < w->count && above(&w->at[k + 1], &w->at[k]))
            k++;
        if (!above(&w->at[k], &last))
            break;
        w->at[i] = w->at[k];
        i = k;
    }
    if (w->count)
        w->at[i] = last;
    return top;
}

static prophet_code select_one(walk *w, uint64_t version, prophet_error *err)
{
    if (!w->frugal && ++w->selected > PH_FRUGAL_FROM)
        ph_replica_frugal(w->v->replica, w->frugal = true);
    return ph_sync_spans_add(w->out, version, version, err);
}

/* The changeset before this one in its chain. */
static prophet_code prev_of(walk *w, const mark *m, uint64_t *version, prophet_error *err)
{
    uint64_t at[2];
    ph_changeset cs;
    ph_changeset_row row;
    size_t n;
    prophet_code rc = ph_changesets_get(w->v->txn, m->version, &row, err);
    if (rc < 0)
        return rc;
    if (row.flags & PH_CS_RUN) { /* it follows the version before */
        *version = m->version - 1;
        return PROPHET_OK;
    }
    if ((rc = ph_chains_at(w->v->txn, w->ridx, m->seq - 1, at, 2, &n, err)) < 0)
        return rc;
    if (n == 1) {
        *version = at[0];
        return PROPHET_OK;
    }
    ph_arena_reset(&w->scratch);
    if ((rc = ph_view_changeset(w->v, m->version, &w->scratch, &cs, &row, err)) == PROPHET_OK)
        rc = ph_view_version_of(w->v, &cs.header.prev, version, err);
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_ECORRUPT, "a chain of changesets is broken in the index")
               : rc;
}

/* Is the seq without branches? Then everything above it, known things too, descends from its one changeset. */
static prophet_code is_single(walk *w, uint64_t seq, uint64_t *version, bool *yes,
                              prophet_error *err)
{
    uint64_t at[2];
    size_t n;
    prophet_code rc = ph_chains_at(w->v->txn, w->ridx, seq, at, 2, &n, err);
    *yes = n == 1;
    *version = at[0];
    return rc < 0 ? rc : PROPHET_OK;
}

/* The greatest seq that is still needed, 0: none. */
static uint64_t needed_seq(const walk *w)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!w->at[i].known && w->at[i].seq > seq)
            seq = w->at[i].seq;
    return seq;
}

/* One step down from a known changeset: as far as what is needed, where no branch can be missed. */
static prophet_code step_known(walk *w, const mark *m, prophet_error *err)
{
    uint64_t seq = needed_seq(w), version;
    bool single;
    prophet_code rc;
    if (seq < m->seq) {
        if ((rc = is_single(w, seq, &version, &single, err)) < 0)
            return rc;
        if (single)
            return heap_push(w, (mark){ version, seq, true }, err);
    }
    if (m->seq <= 1)
        return PROPHET_OK;
    if ((rc = prev_of(w, m, &version, err)) < 0)
        return rc;
    return heap_push(w, (mark){ version, m->seq - 1, true }, err);
}

static prophet_code step_needed(walk *w, const mark *m, prophet_error *err)
{
    uint64_t version;
    prophet_code rc = select_one(w, m->version, err);
    if (rc < 0 || m->seq <= 1)
        return rc;
    if ((rc = prev_of(w, m, &version, err)) < 0)
        return rc;
    return heap_push(w, (mark){ version, m->seq - 1, false }, err);
}

static prophet_code walk_chain(walk *w, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    while (w->count && rc >= 0 && needed_seq(w)) {
        mark m = heap_pop(w);
        while (w->count && w->at[0].version == m.version) { /* known from one side is known */
            mark same = heap_pop(w);
            m.known = m.known || same.known;
        }
        rc = m.known ? step_known(w, &m, err) : step_needed(w, &m, err);
    }
    w->count = 0;
    return rc;
}

typedef struct start {
    uint32_t ridx;
    mark m;
} start;

static int by_chain(const void *a, const void *b)
{
    const start *x = a, *y = b;
    return (x->ridx > y->ridx) - (x->ridx < y->ridx);
}

static prophet_code add_starts(ph_view *v, const ph_id *ids, size_t n, bool known, start *at,
                               size_t *count, prophet_error *err)
{
    for (size_t i = 0; i < n; i++) {
        ph_changeset_row row;
        uint64_t version;
        prophet_code rc = ph_view_version_of(v, &ids[i], &version, err);
        if (rc == PROPHET_DONE) /* not known here, or gone since it was offered */
            continue;
        if (rc < 0 || (rc = ph_changesets_get(v->txn, version, &row, err)) < 0)
            return rc;
        at[(*count)++] = (start){ row.ridx, { version, row.seq, known } };
    }
    return PROPHET_OK;
}

prophet_code ph_sync_select(ph_view *v, const ph_sync_want *want, ph_sync_spans *out,
                            uint64_t *count, prophet_error *err)
{
    walk w = { .v = v, .out = out };
    size_t n = 0;
    start *starts = ph_alloc((want->wanted_count + want->known_count + 1) * sizeof *starts);
    if (!starts)
        return ph_nomem(err);
    prophet_code rc = add_starts(v, want->wanted, want->wanted_count, false, starts, &n, err);
    if (rc >= 0)
        rc = add_starts(v, want->known, want->known_count, true, starts, &n, err);
    if (n)
        qsort(starts, n, sizeof *starts, by_chain);
    for (size_t i = 0; i < n && rc >= 0;) {
        w.ridx = starts[i].ridx;
        for (; i < n && starts[i].ridx == w.ridx && rc >= 0; i++)
            rc = heap_push(&w, starts[i].m, err);
        if (rc >= 0)
            rc = walk_chain(&w, err);
    }
    if (w.frugal)
        ph_replica_frugal(v->replica, false);
    *count = ph_sync_spans_settle(out);
    ph_free(starts);
    ph_free(w.at);
    ph_arena_clear(&w.scratch);
    return rc < 0 ? rc : PROPHET_OK;
}
