/* Taking back: recent changesets, others' and own, reverts among them, by whoever has them, so that several take back the same at once. */
#include "simulator.h"

static void revert_one(sim *s, sim_node *n)
{
    ph_view *v = sim_view(s, n);
    uint64_t last = v->state.version;
    uint64_t version = last ? last - sim_below(s, last < 9 || sim_chance(s, 10) ? last : 9) : 0;
    ph_changeset_row row;
    ph_change_txn *c;
    if (version)
        MUST(s, ph_changesets_get(v->txn, version, &row, &s->err));
    ph_view_end(v);
    if (!version)
        return;
    MUST(s, ph_change_begin(n->r, ph_slice_str("revert"), &c, &s->err));
    prophet_code rc = ph_change_revert(c, &row.id, &s->err);
    sim_note(s, "%s reverts version %llu: %d", n->dir, (unsigned long long)version, (int)rc);
    if (rc < 0 && rc != PROPHET_EUSAGE) /* votes, definitions */
        sim_fail(s, "a revert gave %d: %s", (int)rc, s->err.message);
    if (rc != PROPHET_OK)
        ph_change_abort(c);
    else
        MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
    sim_watch(s, n);
}

void sim_revert(sim *s)
{
    sim_node *n = sim_any(s);
    size_t times = 1 + sim_below(s, 3);
    for (size_t i = 0; i < times; i++)
        revert_one(s, sim_chance(s, 30) ? sim_any(s) : n);
}
