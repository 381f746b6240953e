/* Power cuts: a scenario runs with cut_preload.so, which records what it asks of the disk; then the replica's directory is made to
 * look as after a cut at a random moment, with none, all, or some of what was not synced, and inspected: what was acknowledged
 * is there, nothing is there that nobody wrote, check finds no fault, work goes on. PROPHET_TEST_CUTS says how many states.
 * Two tests show that this sees what it is for: with the log's syncs left out, and with an index that is trusted after a cut. */
#include "fault.h"
#include "stage.h"

static const stage_how power_cut = { .same_boot = false }, no_cut = { .same_boot = true };

TEST(a_power_cut_loses_nothing_that_was_acknowledged)
{
    static stage s;

    stage_needs();
    stage_record(&s, "scenario", false);
    CHECK_EQ_UINT(stage_cut(&s, fault_count("PROPHET_TEST_CUTS", 100), &power_cut, true), 0);
    stage_leave(&s);
}

TEST(a_log_that_is_not_synced_is_caught)
{
    static stage s;

    stage_needs();
    stage_record(&s, "scenario", false);
    cut_disk_forget_syncs(s.disk, "/log/");
    CHECK(stage_cut(&s, 200, &power_cut, false) > 0);
    stage_leave(&s);
}

TEST(an_index_that_is_trusted_after_a_cut_is_caught)
{
    static stage s;

    stage_needs();
    stage_record(&s, "scenario", false);
    CHECK(stage_cut(&s, 400, &no_cut, false) > 0);
    stage_leave(&s);
}
