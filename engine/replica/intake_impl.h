/* What an intake holds: shared by intake.c and intake_wait.c. */
#ifndef PH_REPLICA_INTAKE_IMPL_H
#define PH_REPLICA_INTAKE_IMPL_H
#include "replica/replica_impl.h"

#define PH_WAITING_MAX (24u << 20) /* bytes that wait for signatures, parents or refs */

typedef struct waiting {
    ph_changeset cs;
    size_t bytes, held; /* as they are counted, and in the arena */
    uint32_t source;
    bool covered; /* by a verified signature, its own or one of a later changeset of its chain */
    bool vouched; /* only by the word of who held it */
    bool applied;
    bool own;    /* from the own log: it needs no proof */
    bool forced; /* taken though it lacks something: nothing can stand on it yet */
    bool has_sig;
    uint8_t sig[64];
    struct waiting *chain_prev; /* the one before it in its chain, if that waits too */
} waiting;

typedef struct writer {
    ph_id key;
    bool is_new;
} writer;

struct ph_intake {
    ph_replica *r;
    ph_arena arena; /* of what waits */
    size_t garbage; /* bytes in it of what waits no more */
    ph_arena kept;  /* of the report */
    ph_map ids;     /* id -> waiting */
    ph_map awaited; /* id of what is covered as soon as it comes -> the covered one that names it */
    PH_LIST(waiting *) list; /* in order of arrival */
    PH_LIST(writer) writers;
    PH_LIST(size_t) held; /* bytes that wait, of each source */
    ph_cell_list opened;  /* cells in conflict since */
    ph_map writer_keys;
    size_t bytes;         /* waiting */
    bool frugal;          /* much has come: pages are given back */
    bool broken;          /* a transaction failed */
    size_t covered_bytes; /* of these: ready but for what they name */
    size_t covered_count;
    size_t stuck_bytes; /* of these: nothing made them ready when that was tried last */
    size_t stuck_count;
    uint32_t source; /* of what comes now */
    bool offered;    /* it may be sent back for what it lacks, */
    bool forced;     /* but not this one */
    ph_id lacks;     /* what that was */
    ph_view *view;   /* to look what is here; none while something is applied */
    ph_intake_report report;
};

/* ---- intake_wait.c -------------------------------------------------------------------------------------------------- */

/* Does it name what is neither here nor waits soundly? PROPHET_DONE: in->lacks. */
prophet_code ph_intake_find_lack(ph_intake *in, const ph_changeset *cs, prophet_error *err);
bool ph_intake_hold(ph_intake *in, waiting *w); /* false: no memory */
bool ph_intake_await(ph_intake *in, const ph_id *id, waiting *w);
/* Forgets what was applied; what waits stays. */
void ph_intake_sweep(ph_intake *in);
/* The arena anew, when most of it is of what waits no more. */
prophet_code ph_intake_tidy(ph_intake *in, prophet_error *err);

#endif
