/* elements: what an add, a remove or an unset does to one element of a set.
 *
 * An element is there while it has an add that no add, remove or unset names. So a concurrent add wins over
 * a remove: the remove cannot name what its writer had not seen. An unset is, for each element, a remove
 * that names the same changesets. Called by replica for every change of a set. */
#include "merge/merge_impl.h"

#define GONE ((uint64_t)1 << 63)

static size_t lower_bound(const uint64_t *adds, size_t count, uint64_t version)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((adds[middle] & ~GONE) < version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert_add(ph_element *e, uint64_t version)
{
    size_t at = lower_bound(e->adds, e->add_count, version);

    if (at < e->add_count && e->adds[at] == version)
        return;
    memmove(e->adds + at + 1, e->adds + at, (e->add_count - at) * sizeof *e->adds);
    e->adds[at] = version;
    e->add_count++;
}

void ph_element_write(ph_element *e, const uint64_t *over, size_t over_count, bool add,
                      uint64_t version)
{
    size_t n = e->add_count, kept = 0;

    for (size_t i = 0; i < over_count; i++) {
        size_t at = lower_bound(e->adds, n, over[i]);

        if (at < n && e->adds[at] == over[i])
            e->adds[at] |= GONE;
    }
    for (size_t i = 0; i < n; i++)
        if (!(e->adds[i] & GONE))
            e->adds[kept++] = e->adds[i];
#ifdef PH_PLANT_remove_wins
    kept = add ? kept : 0;
#endif
    e->add_count = (uint32_t)kept;
    if (add)
        insert_add(e, version);
}
