/* The actions of a seed: which verbs, in which order. What each does is drawn when it runs, from the seed and its number, so
 * that an action does the same whether others are left out or not (as far as the world allows). */
#include "simulator.h"
#include <stdlib.h>

static const sim_verb verbs[] = {
    { "edit", 34, sim_edit },
    { "exchange", 26, sim_exchange },
    { "vote", 6, sim_vote },
    { "resolve", 3, sim_resolve },
    { "ask", 6, sim_ask },
    { "policy", 4, sim_policy },
    { "rules", 2, sim_rules },
    { "weight", 3, sim_weight },
    { "partition", 2, sim_partition },
    { "reopen", 3, sim_reopen },
    { "rebuild", 1, sim_rebuild },
    { "clock", 1, sim_clock },
    { "copy", 1, sim_copy },
    { "backup", 1, sim_backup_take },
    { "restore", 1, sim_backup_restore },
    { "quarrel", 7, sim_quarrel },
    { "ghost", 8, sim_ghost },
    { "crowd", 2, sim_crowd },
    { "lost key", 1, sim_lost_key },
    { "second handle", 2, sim_second_handle },
    { "depot", 7, sim_depot },
    { "bundle", 3, sim_bundle },
    { "live", 9, sim_live },
    { "revert", 6, sim_revert },
};

static const sim_verb *draw(ph_rng *rng)
{
    unsigned total = 0;
    const size_t n = sizeof verbs / sizeof *verbs;
    for (size_t i = 0; i < n; i++)
        total += verbs[i].weight;
    uint64_t at = ph_rng_below(rng, total);
    for (size_t i = 0; i < n; i++) {
        if (at < verbs[i].weight)
            return &verbs[i];
        at -= verbs[i].weight;
    }
    return &verbs[0];
}

void sim_plan_make(uint64_t seed, sim_plan *out, unsigned *replicas)
{
    ph_rng rng;
    ph_rng_seed(&rng, seed);
    *replicas = 2 + (unsigned)ph_rng_below(&rng, ph_rng_below(&rng, 3) ? 3 : 8);
    out->count = 16 + ph_rng_below(&rng, 48);
    out->verbs = malloc(out->count * sizeof *out->verbs);
    if (!out->verbs)
        abort();
    for (size_t i = 0; i < out->count; i++)
        out->verbs[i] = draw(&rng);
}
