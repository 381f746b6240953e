/* A view with a read transaction of its own: for lists that stay open while the handle goes on reading and writing.
 * Called by the API for its iterators. */
#include "replica/replica_impl.h"

prophet_code ph_snapshot_begin(ph_replica *r, ph_view **out, prophet_error *err)
{
    prophet_code rc;
    if (r->telling)
        return ph_replica_has_no_index(r, err);
    ph_view *v = ph_zalloc(sizeof *v);
    if (!v)
        return ph_nomem(err);
    v->replica = r;
    v->names = r->names;
    v->inside = true; /* ph_view_end leaves it alone */
    if (r->past)      /* the past does not change */
        v->txn = r->reader;
    if ((!r->past && (rc = ph_txn_begin(r->store, false, &v->txn, err)) < 0) ||
        (rc = ph_state_load(v->txn, &v->arena, &v->state, err)) < 0 ||
        (!r->session && r->view_depth == 0 &&
         (rc = ph_names_refresh(r->names, v->txn, v->state.names, err)) < 0)) {
        ph_snapshot_end(v);
        return rc;
    }
    *out = v;
    return PROPHET_OK;
}

void ph_snapshot_end(ph_view *v)
{
    if (!v)
        return;
    if (!v->replica->past)
        ph_txn_abort(v->txn);
    ph_arena_clear(&v->arena);
    ph_free(v);
}
