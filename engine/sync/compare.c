/* What a receiver lacks, in three messages (DESIGN 6, Compare). With fewer than the ids at distances 1, 2, 4, .. two forked
 * copies of one replica could ask each other for ever; with them each round at least halves what is not known. */
#include "sync/sync.h"
#include <stdlib.h>

prophet_code ph_sync_tell(ph_view *sender, ph_arena *a, ph_sync_heads *out, prophet_error *err)
{
    ph_chain_head *at;
    prophet_code rc = ph_view_chains(sender, a, &at, &out->count, err);
    if (rc >= 0)
        out->at = at;
    return rc;
}

/* ---- the receiver ------------------------------------------------------------------------------------------ */

typedef struct known_list {
    ph_sync_known *at;
    size_t count, cap;
} known_list;

static prophet_code add_known(known_list *l, const ph_id *replica, const ph_id *id,
                              prophet_error *err)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        ph_sync_known *grown = ph_realloc(l->at, cap * sizeof *grown);
        if (!grown)
            return ph_nomem(err);
        l->at = grown;
        l->cap = cap;
    }
    l->at[l->count++] = (ph_sync_known){ *replica, *id };
    return PROPHET_OK;
}

/* A head of ours and the ids before it in its chain at distances 1, 2, 4, .. (of a forked chain: of all branches there). */
static prophet_code name_chain(ph_view *v, uint32_t ridx, const ph_id *replica, const ph_tip *tip,
                               known_list *l, prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = ph_changesets_get(v->txn, tip->version, &row, err);
    if (rc >= 0)
        rc = add_known(l, replica, &row.id, err);
    for (uint64_t d = 1; rc >= 0 && d < tip->seq; d *= 2) {
        uint64_t versions[8];
        size_t n;
        rc = ph_chains_at(v->txn, ridx, tip->seq - d, versions, 8, &n, err);
        for (size_t i = 0; i < n && rc >= 0; i++)
            if ((rc = ph_changesets_get(v->txn, versions[i], &row, err)) >= 0)
                rc = add_known(l, replica, &row.id, err);
    }
    return rc;
}

static prophet_code name_replica(ph_view *v, const ph_id *replica, ph_arena *a, known_list *l,
                                 prophet_error *err)
{
    uint32_t ridx;
    ph_replica_row row;
    prophet_code rc = ph_replicas_find(v->txn, replica, &ridx, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK; /* never heard of */
    rc = ph_replicas_get(v->txn, ridx, a, &row, err);
    for (uint32_t i = 0; i < row.tip_count && rc >= 0; i++)
        rc = name_chain(v, ridx, replica, &row.tips[i], l, err);
    return rc;
}

prophet_code ph_sync_ask(ph_view *receiver, const ph_sync_heads *heads, ph_arena *a,
                         ph_sync_need *out, prophet_error *err)
{
    known_list known = { NULL, 0, 0 };
    ph_id *lacks = ph_arena_alloc(a, (heads->count + 1) * sizeof *lacks);
    const ph_id *last = NULL;
    bool ok = true;
    prophet_code rc = lacks ? PROPHET_OK : ph_nomem(err);
    *out = (ph_sync_need){ .lacks = lacks, .everything = receiver->state.version == 0 };
    for (size_t i = 0; i < heads->count && rc >= 0; i++) { /* sorted by replica */
        const ph_chain_head *h = &heads->at[i];
        uint64_t version;
        if ((rc = ph_view_version_of(receiver, &h->id, &version, err)) != PROPHET_DONE)
            continue;
        lacks[out->lack_count++] = h->id;
        if (!last || !ph_id_eq(last, &h->replica))
            rc = name_replica(receiver, &h->replica, a, &known, err);
        last = &h->replica;
    }
    out->known = ph_arena_copy(a, ph_slice(known.at, known.count * sizeof *known.at), &ok).data;
    out->known_count = known.count;
    ph_free(known.at);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

/* ---- the sender ---------------------------------------------------------------------------------------------- */

typedef struct place { /* a changeset in a chain */
    uint64_t seq, version;
} place;

typedef struct selection {
    ph_view *v;
    ph_arena *a;
    uint64_t *at;
    size_t count, cap;
} selection;

static prophet_code add_version(selection *s, uint64_t version, prophet_error *err)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 1024;
        uint64_t *grown = ph_realloc(s->at, cap * sizeof *grown);
        if (!grown)
            return ph_nomem(err);
        s->at = grown;
        s->cap = cap;
    }
    s->at[s->count++] = version;
    return PROPHET_OK;
}

/* One step back in a chain: by number where the chain is one line, by its prev where it forks. */
static prophet_code step_back(ph_view *v, const ph_replica_row *rep, place *p, ph_arena *a,
                              prophet_error *err)
{
    uint64_t version;
    size_t n;
    ph_changeset cs;
    ph_changeset_row row;
    prophet_code rc;
    if (!rep->forked) {
        rc = ph_chains_at(v->txn, rep->ridx, p->seq - 1, &version, 1, &n, err);
        if (rc >= 0 && n == 0)
            rc = ph_fail(err, PROPHET_ECORRUPT,
                         "the index lacks a changeset of a chain: run prophet rebuild");
    } else if ((rc = ph_view_changeset(v, p->version, a, &cs, &row, err)) == PROPHET_OK)
        rc = ph_view_version_of(v, &cs.header.prev, &version, err);
    if (rc == PROPHET_DONE)
        rc = ph_fail(err, PROPHET_ECORRUPT, "a changeset of a chain is not here");
    if (rc >= 0)
        *p = (place){ p->seq - 1, version };
    return rc;
}

/* Is `at` one of the known ones or before one? They are walked back along with it. */
static prophet_code is_known(selection *s, const ph_replica_row *rep, place *known, size_t count,
                             const place *at, bool *yes, prophet_error *err)
{
    *yes = false;
    for (size_t i = 0; i < count; i++) {
        if (!rep->forked && known[i].seq >= at->seq) { /* one line */
            *yes = true;
            return PROPHET_OK;
        }
        while (known[i].seq > at->seq) {
            ph_arena scratch = PH_ARENA_INIT;
            prophet_code rc = step_back(s->v, rep, &known[i], &scratch, err);
            ph_arena_clear(&scratch);
            if (rc < 0)
                return rc;
        }
        if (known[i].version == at->version) {
            *yes = true;
            return PROPHET_OK;
        }
    }
    return PROPHET_OK;
}

static prophet_code known_places(selection *s, const ph_sync_need *need, const ph_replica_row *rep,
                                 place **out, size_t *count, prophet_error *err)
{
    place *at = ph_arena_alloc(s->a, (need->known_count + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    *count = 0;
    for (size_t i = 0; i < need->known_count; i++) {
        ph_changeset_row row;
        uint64_t version;
        prophet_code rc;
        if (!ph_id_eq(&need->known[i].replica, &rep->key))
            continue;
        if ((rc = ph_view_version_of(s->v, &need->known[i].id, &version, err)) == PROPHET_DONE)
            continue; /* the receiver's own branch */
        if (rc < 0 || (rc = ph_changesets_get(s->v->txn, version, &row, err)) < 0)
            return rc;
        if (row.ridx == rep->ridx)
            at[(*count)++] = (place){ row.seq, version };
    }
    *out = at;
    return PROPHET_OK;
}

static prophet_code select_chain(selection *s, const ph_sync_need *need, const ph_id *head,
                                 prophet_error *err)
{
    ph_changeset_row row;
    ph_replica_row rep;
    place *known, at;
    size_t count;
    uint64_t version;
    prophet_code rc = ph_view_version_of(s->v, head, &version, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK; /* asked for something we never told of */
    if ((rc = ph_changesets_get(s->v->txn, version, &row, err)) < 0 ||
        (rc = ph_replicas_get(s->v->txn, row.ridx, s->a, &rep, err)) < 0 ||
        (rc = known_places(s, need, &rep, &known, &count, err)) < 0)
        return rc;
    at = (place){ row.seq, version };
    for (;;) {
        ph_arena scratch = PH_ARENA_INIT;
        bool stop;
        if ((rc = is_known(s, &rep, known, count, &at, &stop, err)) < 0 || stop ||
            (rc = add_version(s, at.version, err)) < 0 || at.seq == 1)
            return rc;
        rc = step_back(s->v, &rep, &at, &scratch, err);
        ph_arena_clear(&scratch);
        if (rc < 0)
            return rc;
    }
}

static int by_version(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

prophet_code ph_sync_select(ph_view *sender, const ph_sync_need *need, ph_arena *a,
                            uint64_t **versions, size_t *count, prophet_error *err)
{
    selection s = { .v = sender, .a = a };
    prophet_code rc = PROPHET_OK;
    bool ok = true;
    for (size_t i = 0; i < need->lack_count && rc >= 0; i++)
        rc = select_chain(&s, need, &need->lacks[i], err);
    size_t n = 0;
    if (s.count > 1)
        qsort(s.at, s.count, sizeof *s.at, by_version);
    for (size_t i = 0; i < s.count; i++) /* branches of a fork share their trunk */
        if (n == 0 || s.at[n - 1] != s.at[i])
            s.at[n++] = s.at[i];
    *versions = (uint64_t *)(uintptr_t)ph_arena_copy(a, ph_slice(s.at, n * sizeof *s.at), &ok).data;
    *count = n;
    ph_free(s.at);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}
