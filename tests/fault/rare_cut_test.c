/* Kills and power cuts in the middle of what happens seldom: a copied directory takes a key of its own, a moved one is adopted, a lost
 * key is vouched for, damage is found and mended, the index is made anew. What is left is looked through, mended from a peer, made
 * anew and cloned: what was acknowledged is there, in the clone too. PROPHET_TEST_CUTS says how many states, for the whole of them. */
#include "fault.h"
#include "stage.h"

static size_t states(void)
{
    return fault_count("PROPHET_TEST_CUTS", 100) / 5 + 10;
}

static void end_early(const stage_how *how)
{
    static stage s;

    stage_needs();
    stage_record(&s, "rare", true);
    CHECK_EQ_UINT(stage_cut(&s, states(), how, true), 0);
    stage_leave(&s);
}

TEST(a_power_cut_in_rare_work_loses_nothing)
{
    const stage_how how = { .rare = true };
    end_early(&how);
}

TEST(a_kill_in_rare_work_loses_nothing)
{
    const stage_how how = { .rare = true, .killed = true, .same_boot = true };
    end_early(&how);
}
