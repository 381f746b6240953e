/* The last large changesets that were read back from the log are kept, decoded. Many records come from one changeset (an import), many votes
 * name one: to decode it for each of them would cost its size each time. */
#include "replica/replica_impl.h"

enum {
    KEPT = 4,
    KEPT_PARTS = 16,      /* what has fewer is decoded soon enough */
    KEPT_MOST = 16 << 20, /* bytes of all; a larger one is kept alone */
    KEPT_LONG = 512 << 10 /* what is larger goes when the session that read it ends */
};

struct ph_kept {
    struct {
        ph_arena arena;
        ph_changeset cs; /* its id names its content, so it is never out of date */
        uint64_t used;   /* 0: nothing is here */
        size_t size;
    } at[KEPT];
    uint64_t clock;
};

static void drop(ph_kept *k, size_t i)
{
    ph_arena_clear(&k->at[i].arena);
    k->at[i].used = k->at[i].size = 0;
}

void ph_kept_free(ph_kept *k)
{
    for (size_t i = 0; k && i < KEPT; i++)
        drop(k, i);
    ph_free(k);
}

void ph_kept_trim(ph_kept *k)
{
    for (size_t i = 0; k && i < KEPT; i++)
        if (k->at[i].size > KEPT_LONG)
            drop(k, i);
}

static bool is_kept(ph_kept *k, const ph_id *id, ph_changeset *cs)
{
    for (size_t i = 0; k && i < KEPT; i++)
        if (k->at[i].used && ph_id_eq(&k->at[i].cs.id, id)) {
            k->at[i].used = ++k->clock;
            *cs = k->at[i].cs;
            return true;
        }
    return false;
}

static size_t least_used(const ph_kept *k)
{
    size_t least = 0;
    for (size_t i = 1; i < KEPT; i++)
        if (k->at[i].used < k->at[least].used)
            least = i;
    return least;
}

/* Room for one of `size` bytes: those that were not used for longest go. */
static size_t make_room(ph_kept *k, size_t size)
{
    for (;;) {
        size_t all = size, oldest = KEPT;
        for (size_t i = 0; i < KEPT; i++) {
            all += k->at[i].size;
            if (k->at[i].size && (oldest == KEPT || k->at[i].used < k->at[oldest].used))
                oldest = i;
        }
        if (all <= KEPT_MOST || oldest == KEPT)
            return least_used(k);
        drop(k, oldest);
    }
}

/* What lies in the scratch is kept, and the memory of the one that was not used for longest becomes the scratch. Not keeping it is no fault. */
static void keep(ph_replica *r, ph_arena *scratch, const ph_changeset *cs, size_t size)
{
    ph_kept *k = r->kept;
    if (!k && !(k = r->kept = ph_zalloc(sizeof *k)))
        return;
    size_t i = make_room(k, size);
    ph_arena was = k->at[i].arena;
    k->at[i].arena = *scratch;
    k->at[i].cs = *cs;
    k->at[i].used = ++k->clock;
    k->at[i].size = size;
    *scratch = was;
}

prophet_code ph_kept_changeset(ph_view *v, uint64_t version, ph_arena *scratch, ph_changeset *cs,
                               ph_changeset_row *row, prophet_error *err)
{
    prophet_code rc;
    if (!ph_view_has(v, version))
        return PROPHET_DONE;
    if ((rc = ph_changesets_get(v->txn, version, row, err)) != PROPHET_OK)
        return rc;
    if (!(row->flags & (PH_CS_LOST | PH_CS_NO_BODY | PH_CS_PARKED)) &&
        is_kept(v->replica->kept, &row->id, cs))
        return PROPHET_OK;
    ph_arena_reset(scratch);
    if ((rc = ph_view_changeset(v, version, scratch, cs, row, err)) == PROPHET_OK && cs->has_body &&
        cs->body.change_count + cs->body.vote_count > KEPT_PARTS)
        keep(v->replica, scratch, cs, row->size);
    return rc;
}
