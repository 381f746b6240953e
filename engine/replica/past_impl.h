/* A handle that shows the past: which changesets it shows, and what has been made of them so far. Inside engine/replica only. */
#ifndef PH_PAST_IMPL_H
#define PH_PAST_IMPL_H
#include "replica/replica_impl.h"

struct ph_past {
    ph_replica *r;
    uint64_t version; /* the greatest shown */
    uint64_t live;    /* of the snapshot it is made from */
    uint8_t *set;     /* a bit each version; NULL: all of 1..version */
    ph_state state;
    ph_arena arena;
    ph_map made;      /* 20 bytes of a record's key -> it is as it was */
    unsigned singles; /* made one by one */
    bool making;      /* all versions of the snapshot are to be seen */
    bool complete;
    bool failed; /* half made: of no use any more */
    bool has_frontier;
};

typedef struct past_key {
    uint8_t b[20]; /* type u32, uuid */
} past_key;

/* past.c: makes these records as they were. rules: 1: rules and weights may be other ones now, 2: whose are whose too. */
prophet_code ph_past_make(struct ph_past *p, const past_key *keys, size_t count, int rules,
                          prophet_error *err);
/* Did a changeset that is not shown touch the record of this number? */
prophet_code ph_past_touched(struct ph_past *p, uint64_t number, bool *yes, prophet_error *err);
/* What the overlay asks before a row is read. */
prophet_code ph_past_ask(void *ctx, unsigned table, prophet_slice key, prophet_error *err);

/* past_point.c: which changesets the point names. */
prophet_code ph_past_choose(struct ph_past *p, ph_view *v, const ph_point *point,
                            prophet_error *err);
static inline bool ph_past_in_set(const struct ph_past *p, uint64_t version)
{
    return version <= p->version && (!p->set || (p->set[version / 8] >> version % 8 & 1));
}

#endif
