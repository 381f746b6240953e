/* counter: what a counter shows. Increments add up, and what a revert subtracts marks the changesets whose increments it takes back. So an
 * increment counts unless a revert that counts itself marks it: two that take back the same one at once do so once. Called by replica where
 * a mark arrives; without marks this is the sum, which is kept as one number. */
#include "merge/merge_impl.h"

int64_t ph_counter_sum(const ph_counter_step *steps, size_t count, bool *in_force)
{
    uint64_t sum = 0; /* modulo 2^64 */

    for (size_t i = 0; i < count; i++)
        in_force[i] = true;
#ifdef PH_PLANT_take_backs_stand
    for (size_t i = 0; i < count; i++)
#else
    for (size_t i = count; i-- > 0;) /* all that mark it come later */
#endif
        for (size_t k = 0; in_force[i] && k < steps[i].mark_count; k++)
            in_force[steps[i].marks[k].of] = false;
    for (size_t i = 0; i < count; i++) {
        if (!in_force[i])
            continue;
        sum += (uint64_t)steps[i].amount;
        for (size_t k = 0; k < steps[i].mark_count; k++) /* what it subtracted for them */
            sum += (uint64_t)steps[i].marks[k].times * (uint64_t)steps[steps[i].marks[k].of].amount;
    }
    return (int64_t)sum;
}
