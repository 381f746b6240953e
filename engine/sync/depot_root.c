/* The root of a depot says what the manifests say. It is written only if it says something else, then everything is looked at again: whoever wrote
 * a manifest meanwhile is in it at the next round, so of two that publish at once the last to write sees both.
 * Called by depot_publish.c. */
#include "sync/depot_impl.h"
#include <stdlib.h>

enum { TRIES = 50 };

static int by_replica(const void *a, const void *b)
{
    return ph_id_cmp(&((const depot_entry *)a)->replica, &((const depot_entry *)b)->replica);
}

static prophet_code build(depot *d, ph_buf *out, prophet_error *err)
{
    depot_root root = { .database = *ph_replica_database(d->r) };
    depot_entry *all = ph_arena_zalloc(&d->arena, (d->publishers.count + 1) * sizeof *all);
    if (!all)
        return ph_nomem(err);
    for (size_t i = 0; i < d->publishers.count; i++) {
        const depot_publisher *p = &d->publishers.at[i];
        if (!p->read)
            continue;
        depot_entry *e = &all[root.count++];
        e->replica = p->key;
        e->generation = p->m.generation;
        memcpy(e->hash, p->hash, sizeof e->hash);
        e->heads = p->m.heads;
        e->head_count = p->m.head_count <= DEPOT_ROOT_HEADS ? p->m.head_count : 0;
    }
    if (root.count)
        qsort(all, root.count, sizeof *all, by_replica);
    root.entries = all;
    return depot_root_encode(&root, out, err);
}

/* PROPHET_DONE: nothing had to be written. */
static prophet_code write_once(depot *d, prophet_error *err)
{
    prophet_net_put put = PROPHET_NET_PUT_INIT;
    ph_buf bytes = PH_BUF_INIT;
    prophet_code rc = build(d, &bytes, err);
    if (rc >= 0 && d->has_root && ph_slice_eq(ph_buf_slice(&bytes), ph_buf_slice(&d->root_bytes)))
        rc = PROPHET_DONE;
    if (rc == PROPHET_OK) {
        put.only_if_absent = !d->has_root;
        put.only_if_etag = d->has_root && d->root_etag[0] ? d->root_etag : NULL;
        rc = depot_put(d, DEPOT_ROOT, ph_buf_slice(&bytes), &put, err);
    }
    ph_buf_clear(&bytes);
    return rc == PROPHET_ESTALE || rc == PROPHET_EEXISTS ? PROPHET_OK : rc;
}

prophet_code depot_root_write(depot *d, prophet_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        prophet_code rc = depot_look(d, true, err);
        if (rc < 0 || (rc = write_once(d, err)) != PROPHET_OK)
            return rc < 0 ? rc : PROPHET_OK;
    }
    return ph_fail(err, PROPHET_EBUSY, "the root of %s changes all the time: publish again",
                   ph_net_shown(d->net));
}
