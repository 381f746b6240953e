/* The manifest of a publish: what the publisher has there now, signed. Called by depot_publish.c. */
#include "sync/depot_publish_impl.h"
#include <stdlib.h>

/* Nobody signs the root: what it tells lifts the count only as far as leaves room for all that is published after. */
#define TOLD_MOST (INT64_MAX / 2)

static int by_id(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

/* All that is here and signed. Behind a writer that never rests that is not the frontier, but the heads of all chains. */
static prophet_code heads_of(publish *p, const ph_id **out, size_t *count, prophet_error *err)
{
    ph_chain_head *heads;
    ph_id *ids;
    uint64_t at[2];
    size_t n;
    ph_changeset_row row;
    uint32_t ridx;
    if (p->left == 0) {
        prophet_code rc = ph_view_heads(p->v, &p->a, &ids, count, err);
        *out = ids;
        return rc;
    }
    prophet_code rc = ph_view_chains(p->v, &p->a, &heads, &n, err);
    ids = rc < 0 ? NULL : ph_arena_alloc(&p->a, (n + 1) * sizeof *ids);
    if (!ids)
        return rc < 0 ? rc : ph_nomem(err);
    *count = 0;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        ids[*count] = heads[i].id;
        bool forked = (i > 0 && ph_id_eq(&heads[i].replica, &heads[i - 1].replica)) ||
                      (i + 1 < n && ph_id_eq(&heads[i].replica, &heads[i + 1].replica));
        if (heads[i].seq > heads[i].signed_seq && !forked) {
            size_t found = 0;
            if ((rc = ph_replicas_find(p->v->txn, &heads[i].replica, &ridx, err)) == PROPHET_OK)
                rc = ph_chains_at(p->v->txn, ridx, heads[i].signed_seq, at, 2, &found, err);
            if (rc < 0 || found == 0)
                continue;
            if ((rc = ph_changesets_get(p->v->txn, at[0], &row, err)) >= 0)
                ids[*count] = row.id;
        }
        ++*count;
    }
    if (*count)
        qsort(ids, *count, sizeof *ids, by_id);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (kept == 0 || !ph_id_eq(&ids[kept - 1], &ids[i]))
            ids[kept++] = ids[i];
    *count = kept;
    *out = ids;
    return rc < 0 ? rc : PROPHET_OK;
}

static uint64_t next_generation(const publish *p)
{
    uint64_t g = p->own ? p->own->m.generation : 0;
    const depot_publisher *self = depot_find(p->d, ph_replica_key(p->d->r));
    if (self && self->best > g)
        g = self->best;
    if (self && self->told && self->told->generation > g && self->told->generation < TOLD_MOST)
        g = self->told->generation;
    return g < INT64_MAX ? g + 1 : g; /* more could not be read */
}

/* It must not have changed since it was read. */
static void only_if_same(const publish *p, prophet_net_put *put)
{
    const depot_publisher *self = depot_find(p->d, ph_replica_key(p->d->r));
    put->only_if_absent = self && !self->there;
    put->only_if_etag = self && self->there && self->etag[0] ? self->etag : NULL;
}

prophet_code depot_put_manifest(publish *p, prophet_error *err)
{
    depot_manifest m = { .database = *ph_replica_database(p->d->r),
                         .replica = *ph_replica_key(p->d->r),
                         .generation = next_generation(p),
                         .segments = p->live.at,
                         .segment_count = p->live.count,
                         .retired = p->retired.at,
                         .retired_count = p->retired.count };
    prophet_net_put put = PROPHET_NET_PUT_INIT;
    ph_buf bytes = PH_BUF_INIT, message = PH_BUF_INIT;
    char name[DEPOT_NAME_SIZE];
    uint8_t sig[64];
    prophet_code rc;
    if ((rc = heads_of(p, &m.heads, &m.head_count, err)) >= 0 &&
        (rc = depot_manifest_encode(&m, &bytes, err)) >= 0) {
        depot_manifest_message(ph_buf_slice(&bytes), &message);
        rc = message.failed ? ph_nomem(err)
                            : ph_replica_prove(p->d->r, ph_buf_slice(&message), sig, err);
    }
    if (rc >= 0) {
        ph_buf_put(&bytes, sig, sizeof sig);
        depot_manifest_name(&p->folder, name);
        only_if_same(p, &put);
        rc = bytes.failed ? ph_nomem(err) : depot_put(p->d, name, ph_buf_slice(&bytes), &put, err);
    }
    p->rep->bytes += bytes.len;
    ph_buf_clear(&bytes);
    ph_buf_clear(&message);
    return rc;
}
