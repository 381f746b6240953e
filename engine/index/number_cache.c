/* number_cache: ids of the numbers that were looked up last, a handle's own. Postings name records by number, and the table of numbers is large.
 *
 * An entry may be old: numbers are given anew when a change is taken back, or the index built again. Whoever uses one looks whether the row
 * he finds has that number. */
#include "index/index_impl.h"

#define ENTRIES 16384u /* of 24 bytes; by number, so that neighbours do not displace each other */

struct ph_number_entry {
    uint64_t number; /* 0: none */
    ph_uuid uuid;
};

const ph_uuid *ph_number_cached(const ph_number_cache *c, uint64_t number)
{
    const struct ph_number_entry *e = c && c->at ? &c->at[number % ENTRIES] : NULL;
    return e && e->number == number ? &e->uuid : NULL;
}

void ph_number_remember(ph_number_cache *c, uint64_t number, const ph_uuid *uuid)
{
    if (!c || (!c->at && !(c->at = ph_zalloc(ENTRIES * sizeof *c->at)))) /* then not */
        return;
    c->at[number % ENTRIES] = (struct ph_number_entry){ number, *uuid };
}

void ph_number_cache_clear(ph_number_cache *c)
{
    ph_free(c->at);
    c->at = NULL;
}
