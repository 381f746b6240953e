/* Sets of versions, as spans: what is chosen to be sent, which may be millions and is mostly whole stretches. Called by compare.c and
 * whoever sends what it selects. */
#include "sync/sync.h"
#include <stdlib.h>

prophet_code ph_sync_spans_add(ph_sync_spans *s, uint64_t first, uint64_t last, prophet_error *err)
{
    ph_sync_span *was = s->count ? &s->at[s->count - 1] : NULL;
    if (first > last)
        return PROPHET_OK;
    if (was && was->last + 1 == first)
        was->last = last;
    else if (was && last + 1 == was->first)
        was->first = first;
    else if (!PH_PUSH(*s, ((ph_sync_span){ first, last })))
        return ph_nomem(err);
    return PROPHET_OK;
}

static int by_first(const void *a, const void *b)
{
    const ph_sync_span *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

uint64_t ph_sync_spans_settle(ph_sync_spans *s)
{
    uint64_t count = 0;
    size_t n = 0;
    if (s->count)
        qsort(s->at, s->count, sizeof *s->at, by_first);
    for (size_t i = 0; i < s->count; i++) {
        ph_sync_span one = s->at[i];
        if (n == 0 || one.first > s->at[n - 1].last + 1)
            s->at[n++] = one;
        else if (one.last > s->at[n - 1].last)
            s->at[n - 1].last = one.last;
    }
    s->count = n;
    for (size_t i = 0; i < n; i++)
        count += s->at[i].last - s->at[i].first + 1;
    return count;
}

size_t ph_sync_spans_take(const ph_sync_spans *s, ph_sync_cursor *c, uint64_t *versions,
                          size_t room)
{
    size_t n = 0;
    while (n < room && c->span < s->count) {
        const ph_sync_span *one = &s->at[c->span];
        if (c->next < one->first)
            c->next = one->first;
        while (n < room && c->next <= one->last)
            versions[n++] = c->next++;
        if (c->next > one->last)
            c->span++;
    }
    return n;
}
