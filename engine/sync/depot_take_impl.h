/* Taking in what a depot has: shared by depot_pull.c, depot_fetch.c, depot_feed.c, depot_judge.c and depot_sift.c. */
#ifndef PH_SYNC_DEPOT_TAKE_IMPL_H
#define PH_SYNC_DEPOT_TAKE_IMPL_H
#include "sync/depot_impl.h"

typedef struct depot_part { /* a segment in the spool */
    const depot_publisher *p;
    const depot_segment *s;
    uint64_t at, end;
    uint64_t sound; /* changesets that may be fed: behind them comes */
    ph_id liar;     /* one that lies about its chain */
    bool spoiled;   /* what lies in it was refused when it was fed */
    bool dropped;   /* what waited of it was forgotten: there was too much */
} depot_part;
#define DEPOT_ALL UINT64_MAX

typedef struct depot_intake {
    depot *d;
    int spool;
    uint64_t used;
    PH_LIST(depot_part) parts;
    ph_map runs;                /* in the parts, by id: of several that end in it the longest */
    PH_LIST(depot_file) failed; /* segments that are not there, or not what they should be */
    PH_LIST(depot_file) fed;    /* to the end: they need not come again */
    bool doubt;                 /* runs did not come from the segment that was chosen for them */
    sync_intake in;
    ph_sync_report *rep;
    size_t missing;    /* segments with what nobody else has there */
    size_t refused;    /* of the failed: they are there, but are not what they should be */
    bool spoiled;      /* what lies in one of them was refused when it was fed */
    bool dropped;      /* too much waited in the last round */
    bool forgot;       /* what waited of earlier rounds: they are to be fed again */
    uint32_t sources;  /* of the intake, so far */
    prophet_error why; /* of the first of these */
} depot_intake;

/* What keeps one publisher out, and no other. */
bool depot_is_refusal(prophet_code rc);

/* A sync_read_fn on a part of the spool. */
typedef struct depot_window {
    int fd;
    uint64_t at, end;
} depot_window;
prophet_code depot_read_window(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err);

/* ---- depot_fetch.c -------------------------------------------------------------------------------------------------- */

/* Into the parts. What is not there is missed only if nothing else has what is in it. */
prophet_code depot_choose(depot_intake *t, prophet_error *err);
/* PROPHET_DONE: it is not there, or not what it should be. */
prophet_code depot_fetch(depot_intake *t, depot_part *p, prophet_error *err);
/* Of the parts those stay that came. Below 0: what came before stays among them. */
prophet_code depot_fetch_all(depot_intake *t, bool *all, prophet_error *err);

/* ---- depot_feed.c --------------------------------------------------------------------------------------------------- */

/* All parts to the intake, which applies what it can. */
prophet_code depot_feed(depot_intake *t, prophet_error *err);

/* ---- depot_judge.c -------------------------------------------------------------------------------------------------- */

/* Which parts did not bring what they claim? *more: another round may, with other segments. */
prophet_code depot_judge(depot_intake *t, bool *more, prophet_error *err);
/* What is wrong with a part: of the first it is told in the end. */
void depot_blame(depot_intake *t, const depot_part *p, prophet_error *err);

/* ---- depot_sift.c --------------------------------------------------------------------------------------------------- */

/* Sets `sound` of parts with changesets that lie about their chain. *any: there are such. */
prophet_code depot_sift(depot_intake *t, bool *any, prophet_error *err);

#endif
