/* alloc: the one place that calls malloc.
 *
 * Every allocation of the engine passes here, so that tests/fault can make the nth one fail and
 * a later host can plug in its own allocator. Builds with PH_DEV count; others pay nothing. */
#include "base/base.h"
#include <stdlib.h>

#ifdef PH_DEV
#include <stdatomic.h>

static _Atomic uint64_t fail_in; /* 0: never; n: the nth allocation from now */

void ph_alloc_fail_at(uint64_t nth)
{
    atomic_store(&fail_in, nth);
}

static bool must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_in, &left, left - 1))
            return left == 1;
    return false;
}
#else
void ph_alloc_fail_at(uint64_t nth)
{
    (void)nth; /* no fault points in this build */
}

static inline bool must_fail(void)
{
    return false;
}
#endif

void *ph_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size ? size : 1);
}

void *ph_zalloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size ? size : 1);
}

void *ph_realloc(void *p, size_t size)
{
    return must_fail() ? NULL : realloc(p, size ? size : 1);
}

void ph_free(void *p)
{
    free(p);
}

char *ph_strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = ph_alloc(size);
    if (copy)
        memcpy(copy, s, size);
    return copy;
}

bool ph_list_grow(void *at, size_t *cap, size_t count, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 16;
    void *old, *grown;
    memcpy(&old, at, sizeof old);
    if (!(grown = ph_realloc(old, more * size)))
        return false;
    memcpy(at, &grown, sizeof grown);
    *cap = more;
    return true;
}
