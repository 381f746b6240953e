/* Sorting lists that are mostly in order. */
#include "base/base.h"
#include <stdlib.h>

typedef int (*compare)(const void *, const void *);

/* The place of the first element that is less than the one before it, from `i` on; count: none. */
static size_t descent(const char *at, size_t i, size_t count, size_t size, compare cmp)
{
    while (i < count && cmp(at + (i - 1) * size, at + i * size) <= 0)
        i++;
    return i;
}

/* Two sorted runs, the first of `n`, into one. false: no memory, nothing is done. */
static bool merge(char *at, size_t n, size_t count, size_t size, compare cmp)
{
    char *first = ph_alloc(n * size), *a = first, *a_end = first + n * size;
    char *b = at + n * size, *b_end = at + count * size, *to = at;

    if (!first)
        return false;
    memcpy(first, at, n * size);
    while (a < a_end && b < b_end) {
        char **least = cmp(a, b) <= 0 ? &a : &b;
        memcpy(to, *least, size);
        *least += size;
        to += size;
    }
    memcpy(to, a, (size_t)(a_end - a)); /* what is left of the second run lies there already */
    ph_free(first);
    return true;
}

void ph_sort(void *at, size_t count, size_t size, compare cmp)
{
    size_t n = count ? descent(at, 1, count, size, cmp) : 0;

    if (n < count &&
        (descent(at, n + 1, count, size, cmp) < count || !merge(at, n, count, size, cmp)))
        qsort(at, count, size, cmp);
}
