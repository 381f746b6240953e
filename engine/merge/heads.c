/* heads: what one write does to the heads of a register or of a life cell.
 *
 * A head is a SET that no SET names. A write takes away the heads it names and becomes one itself;
 * what it did not name was concurrent with it and stays. Called by replica for every change. Versions
 * rise in the order of application, so the array is sorted unless a caller built it by hand. */
#include "merge/merge_impl.h"
#include <stdlib.h>

#define GONE \
    ((uint64_t)1 << 63) /* marks a head while it is in the array; versions never get that far */

static bool heads_sorted(const ph_head *heads, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (heads[i - 1].version >= heads[i].version)
            return false;
    return true;
}

static void mark_gone(ph_head *heads, size_t count, bool sorted, uint64_t version)
{
    size_t low = 0, high = count;

    if (!sorted) {
        while (low < count && (heads[low].version & ~GONE) != version)
            low++;
    }
    while (sorted && low < high) {
        size_t middle = low + (high - low) / 2;

        if ((heads[middle].version & ~GONE) < version)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < count && heads[low].version == version)
        heads[low].version |= GONE;
}

bool ph_heads_write(ph_head *heads, size_t *count, const uint64_t *over, size_t over_count,
                    ph_head head)
{
    size_t n = *count, kept = 0;
    bool sorted = heads_sorted(heads, n);

    for (size_t i = 0; i < over_count; i++)
        mark_gone(heads, n, sorted, over[i]);
    for (size_t i = 0; i < n; i++)
        if (!(heads[i].version & GONE))
            heads[kept++] = heads[i];
    heads[kept] = head;
    *count = kept + 1;
    return kept > 0;
}

static size_t distinct_slowly(const ph_head *heads, size_t count)
{
    size_t distinct = 0;

    for (size_t i = 0; i < count; i++) {
        size_t j = 0;

        while (j < i && !ph_slice_eq(heads[j].value, heads[i].value))
            j++;
        distinct += j == i;
    }
    return distinct;
}

static int by_value(const void *a, const void *b)
{
    const ph_head *const *x = a, *const *y = b;

    return ph_slice_cmp((*x)->value, (*y)->value);
}

size_t ph_heads_distinct(const ph_head *heads, size_t count)
{
    const ph_head **sorted = NULL;
    size_t distinct = 1;

    if (count < 2)
        return count;
    if (count <= 16 || !(sorted = ph_alloc(count * sizeof *sorted)))
        return distinct_slowly(heads, count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &heads[i];
    qsort(sorted, count, sizeof *sorted, by_value);
    for (size_t i = 1; i < count; i++)
        distinct += !ph_slice_eq(sorted[i - 1]->value, sorted[i]->value);
    ph_free(sorted);
    return distinct;
}
