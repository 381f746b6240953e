/* Sorting lists that are mostly in order. */
#include "base/base.h"
#include <stdlib.h>

void ph_sort(void *at, size_t count, size_t size, int (*cmp)(const void *, const void *))
{
    const char *p = at;

    for (size_t i = 1; i < count; i++, p += size) {
        if (cmp(p, p + size) > 0) {
            qsort(at, count, size, cmp);
            return;
        }
    }
}
