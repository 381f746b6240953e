/* Which changesets go into a segment, as spans of this replica's versions: everything, or everything since some heads. What this replica
 * has not signed yet stays behind: its signature was made a moment ago, so it is what another process is writing right now (unproven.c). */
#include "sync/pick_impl.h"
#include <stdlib.h>

/* Takes one version out of the spans. */
static prophet_code leave_out(ph_sync_spans *s, uint64_t version, bool *was, prophet_error *err)
{
    ph_sync_spans out = { 0 };
    prophet_code rc = PROPHET_OK;
    *was = false;
    for (size_t i = 0; i < s->count && rc >= 0; i++) {
        ph_sync_span k = s->at[i];
        if (version < k.first || version > k.last) {
            rc = ph_sync_spans_add(&out, k.first, k.last, err);
            continue;
        }
        *was = true;
        if ((rc = ph_sync_spans_add(&out, k.first, version - 1, err)) >= 0)
            rc = ph_sync_spans_add(&out, version + 1, k.last, err);
    }
    ph_free(s->at);
    s->at = out.at;
    s->count = out.count;
    s->cap = out.cap;
    return rc;
}

static prophet_code leave_unsigned(ph_view *v, ph_sync_spans *spans, uint64_t *left,
                                   prophet_error *err)
{
    sync_versions unproven = { 0 };
    prophet_code rc = PROPHET_OK;
    bool was;
    *left = 0;
    for (uint32_t ridx = 1; ridx <= v->state.replicas && rc >= 0; ridx++) {
        ph_replica_row rep;
        if ((rc = ph_replicas_get(v->txn, ridx, &v->arena, &rep, err)) >= 0)
            rc = sync_unproven(v, &rep, &unproven, err);
    }
    for (size_t i = 0; i < unproven.count && rc >= 0; i++)
        if ((rc = leave_out(spans, unproven.at[i], &was, err)) >= 0)
            *left += was;
    ph_free(unproven.at);
    return rc;
}

prophet_code sync_pick_all(ph_view *v, ph_sync_spans *out, uint64_t *left, prophet_error *err)
{
    prophet_code rc = ph_sync_spans_add(out, 1, v->state.version, err);
    return rc < 0 ? rc : leave_unsigned(v, out, left, err);
}

prophet_code sync_pick_since(ph_view *v, const ph_id *known, size_t known_count, ph_sync_spans *out,
                             uint64_t *left, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head *heads;
    uint64_t count;
    size_t n;
    prophet_code rc = ph_view_chains(v, &a, &heads, &n, err);
    ph_id *wanted = rc < 0 ? NULL : ph_arena_alloc(&a, (n + 1) * sizeof *wanted);
    if (rc >= 0 && !wanted)
        rc = ph_nomem(err);
    for (size_t i = 0; i < n && rc >= 0; i++)
        wanted[i] = heads[i].id;
    ph_sync_want want = { wanted, n, known, known_count };
    if (rc >= 0 && (rc = ph_sync_select(v, &want, out, &count, err)) >= 0)
        rc = leave_unsigned(v, out, left, err);
    ph_arena_clear(&a);
    return rc;
}
