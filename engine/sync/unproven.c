/* Changesets that no signature here proves. A changeset is applied when a later signature of its chain proves it; if the one that carries the
 * signature waits for something else and never comes in, nothing proves the first to others. So it is not sent on: who has the signature
 * brings both. The own chain ends so while another process writes.
 *
 * Called by pick.c and depot_gap.c. */
#include "sync/pick_impl.h"

enum { BRANCHES = 64 };

static prophet_code add(sync_versions *out, uint64_t version, prophet_error *err)
{
    return PH_PUSH(*out, version) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code plain_tail(ph_view *v, const ph_replica_row *rep, uint64_t top,
                               sync_versions *out, prophet_error *err)
{
    uint64_t at[1];
    size_t n;
    prophet_code rc = PROPHET_OK;

    for (uint64_t seq = rep->signed_seq + 1; seq <= top && rc >= 0; seq++)
        if ((rc = ph_chains_at(v->txn, rep->ridx, seq, at, 1, &n, err)) >= 0 && n)
            rc = add(out, at[0], err);
    return rc;
}

static bool get(const uint8_t *bits, uint64_t i)
{
    return bits[i / 8] >> i % 8 & 1;
}

/* What it follows is proven with it. */
static prophet_code prove_prev(ph_view *v, uint64_t version, uint8_t *proven, ph_arena *a,
                               prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row row;
    uint64_t prev;

    ph_arena_reset(a);
    prophet_code rc = ph_view_changeset(v, version, a, &cs, &row, err);
    if (rc != PROPHET_OK || !cs.header.has_prev)
        return rc;
    if ((rc = ph_view_version_of(v, &cs.header.prev, &prev, err)) == PROPHET_OK)
        proven[prev / 8] |= (uint8_t)(1u << prev % 8);
    return rc;
}

prophet_code sync_branches(ph_view *v, uint32_t ridx, uint64_t seq, sync_versions *out,
                           prophet_error *err)
{
    for (size_t room = BRANCHES;; room *= 2) {
        size_t n;
        while (out->count < room)
            if (!PH_PUSH(*out, 0))
                return ph_nomem(err);
        prophet_code rc = ph_chains_at(v->txn, ridx, seq, out->at, room, &n, err);
        if (rc < 0 || n < room) {
            out->count = n;
            return rc;
        }
    }
}

/* Of a forked chain: from the top down, branch by branch. */
static prophet_code forked_tail(ph_view *v, const ph_replica_row *rep, uint64_t top, uint64_t least,
                                sync_versions *out, prophet_error *err)
{
    uint8_t *proven = ph_zalloc((size_t)(v->state.version / 8) + 1);
    ph_arena a = PH_ARENA_INIT;
    sync_versions at = { 0 };
    uint64_t position;
    prophet_code rc = proven ? PROPHET_OK : ph_nomem(err);
    bool open = true;

    for (uint64_t seq = top; seq > 0 && (open || seq >= least) && rc >= 0; seq--) {
        open = false;
        rc = sync_branches(v, rep->ridx, seq, &at, err);
        for (size_t i = 0; i < at.count && rc >= 0; i++) {
            const uint64_t one = at.at[i];
            rc = ph_signatures_get(v->txn, one, &position, err);
            if (rc == PROPHET_OK || one == rep->signed_version || get(proven, one))
                rc = rc < 0 ? rc : prove_prev(v, one, proven, &a, err);
            else if (rc >= 0 && (rc = add(out, one, err)) >= 0)
                open = true;
        }
    }
    ph_free(at.at);
    ph_arena_clear(&a);
    ph_free(proven);
    return rc;
}

prophet_code sync_unproven(ph_view *v, const ph_replica_row *rep, sync_versions *out,
                           prophet_error *err)
{
    uint64_t top = 0, least = UINT64_MAX;

    for (uint32_t i = 0; i < rep->tip_count; i++) {
        top = rep->tips[i].seq > top ? rep->tips[i].seq : top;
        least = rep->tips[i].seq < least ? rep->tips[i].seq : least;
    }
    prophet_code rc = rep->forked || rep->tip_count > 1 ? forked_tail(v, rep, top, least, out, err)
                                                        : plain_tail(v, rep, top, out, err);
    return rc < 0 ? rc : PROPHET_OK;
}
