/* Shared inside engine/sync. */
#ifndef PH_SYNC_IMPL_H
#define PH_SYNC_IMPL_H
#include "sync/sync.h"
#include "net/net.h"

/* transfer.c: from one open replica to another; the source was signed as far as it can be. Adds to the report. */
prophet_code sync_transfer(ph_replica *to, ph_replica *from, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err);
/* What an intake brought, into the report of the exchange. */
prophet_code sync_report_add(const ph_intake_report *in, ph_sync_report *rep, prophet_error *err);
/* One more writer of what would come, for a dry run; each once. */
prophet_code sync_count_writer(ph_replica *to, const ph_id *key, ph_sync_report *rep, prophet_error *err);
/* EUNRELATED, naming both, unless r is a replica of that database. */
prophet_code sync_check_related(const ph_replica *r, const ph_uuid *other, const char *here, const char *who,
                                prophet_error *err);
prophet_code sync_progress(const ph_sync_options *o, const char *stage, uint64_t done,
                           uint64_t total, prophet_error *err);

/* source.c */
typedef enum sync_kind { SYNC_REPLICA, SYNC_BUNDLE, SYNC_DEPOT } sync_kind;
typedef struct sync_source {
    sync_kind kind;
    const char *text; /* as it was given: a path or a URL */
} sync_source;
/* write: a depot may be new, in an empty directory or one that is called *.depot. ENOTFOUND. */
prophet_code sync_source_resolve(const char *text, bool write, sync_source *out, prophet_error *err);
/* Brings all of it into r, and remembers it there. */
prophet_code sync_source_pull(ph_replica *r, const sync_source *s, const ph_sync_options *o,
                              ph_sync_report *rep, prophet_error *err);
prophet_code sync_source_database(const sync_source *s, const ph_sync_options *o, ph_uuid *out,
                                  prophet_error *err);

/* local.c: a replica in a directory. `write`: it must be writable; else it is opened for reading when it cannot be written. */
prophet_code sync_open(const char *dir, bool write, ph_replica **out, prophet_error *err);
prophet_code sync_replica_pull(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err);
prophet_code sync_replica_push(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err);

/* meet.c: what is remembered of others */
typedef struct sync_meeting {
    ph_id replica;
    const char *place;             /* where: a path or a URL */
    const ph_chain_head *has, *more; /* the heads of the chains it has: two lists, which may overlap */
    size_t count, more_count;
    uint8_t digest[32];
} sync_meeting;
/* A URL without secrets and without a slash at its end, or a path without links. */
void         sync_place_name(const char *place, char out[PH_PATH_MAX]);
/* Remembers it in r, if that is news. */
prophet_code sync_note(ph_replica *r, const sync_meeting *m, prophet_error *err);
prophet_code sync_met(ph_replica *r, ph_replica *peer, prophet_error *err);
/* The peer last met at this place has what r has, and nothing else. PROPHET_DONE: nobody was met there yet. */
prophet_code sync_note_equal(ph_replica *r, const char *place, prophet_error *err);
/* Was a replica met at this place? */
prophet_code sync_knows(ph_replica *r, const char *place, bool *yes, prophet_error *err);
bool         sync_member(prophet_slice map, const char *name, ph_item *out); /* of a note */
/* The heads of chains that a place had when it was met last, 32 bytes each. PROPHET_DONE: it is not known. */
prophet_code sync_recall(ph_view *v, const char *place, prophet_slice *heads, prophet_error *err);
void         sync_saw(ph_replica *r, const char *place); /* just now (seen.c) */

prophet_code sync_local_pull(ph_replica *r, ph_replica *other, const ph_sync_options *o, ph_sync_report *rep, prophet_error *err);
prophet_code sync_local_push(ph_replica *r, ph_replica *other, const ph_sync_options *o, ph_sync_report *rep, prophet_error *err);
/* EUSAGE: dir is r's own. */
prophet_code sync_local_check(ph_replica *r, const char *dir, prophet_error *err);

/* clone.c: PATH.tmp-<8 hex digits>, and the directory a path lies in */
prophet_code sync_temporary(const char *path, char *out, size_t size, prophet_error *err);
void sync_parent(const char *path, char *out, size_t size);
prophet_code sync_check_parent(const char *path, prophet_error *err); /* as ph_fail_create, before anything is fetched */

/* bundle.c */
prophet_code sync_bundle_open(const char *path, int *fd, ph_uuid *database, prophet_error *err);
void sync_bundle_close(int fd);
prophet_code sync_bundle_pull(ph_replica *r, const char *path, const ph_sync_options *o,
                              ph_sync_report *rep, prophet_error *err);

/* depot_pull.c, depot_publish.c */
prophet_code sync_depot_pull(ph_replica *r, const char *url, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err);
/* PROPHET_DONE, and nothing was done: r did not meet this place as a depot before, or it is none any more. */
prophet_code sync_depot_pull_known(ph_replica *r, const char *url, const ph_sync_options *o,
                                   ph_sync_report *rep, prophet_error *err);
prophet_code sync_depot_database(const char *url, const ph_sync_options *o, ph_uuid *out,
                                 prophet_error *err);
/* again: it was there before; ENOTFOUND: it is gone. Else it may begin. */
prophet_code sync_depot_publish(ph_replica *r, const char *url, bool again,
                                const ph_sync_options *o, ph_sync_report *rep, prophet_error *err);

/* follow.c: how far r has come. */
prophet_code sync_version(ph_replica *r, uint64_t *out, prophet_error *err);

/* depot_follow.c: a depot that is stayed together with. r, url and o outlive it. wait as ph_sync_follow_wait. ENOTFOUND: it was there, and is gone. */
typedef struct sync_depot_way sync_depot_way;
prophet_code sync_depot_way_open(ph_replica *r, const char *url, const ph_sync_options *o, sync_depot_way **out, prophet_error *err);
prophet_code sync_depot_way_pull(sync_depot_way *w, ph_sync_report *rep, prophet_error *err);
prophet_code sync_depot_way_push(sync_depot_way *w, ph_sync_report *rep, prophet_error *err);
prophet_code sync_depot_way_wait(sync_depot_way *w, int wake, uint32_t seconds, prophet_error *err);
void         sync_depot_way_close(sync_depot_way *w); /* NULL is fine */

/* spool.c */
typedef struct sync_spool {
    const char *dir; /* where its file goes when it is large; borrowed */
    ph_buf      buf;
    int         fd;
    uint64_t    written, size;
} sync_spool;
void         sync_spool_init(sync_spool *s, const char *dir);
prophet_code sync_spool_put(void *spool, prophet_slice bytes, prophet_error *err); /* a prophet_sink_fn */
prophet_code sync_spool_each(sync_spool *s, prophet_sink_fn sink, void *ctx, prophet_error *err);
void         sync_spool_clear(sync_spool *s);

/* taker.c: reads what comes and applies nothing; only the counts of changesets, writers and bytes are filled. */
prophet_code sync_taker_open_dry(ph_replica *r, ph_sync_taker **out, prophet_error *err);

/* live.c: a live peer at a URL of http, https or ssh. Opening asks it for its head. r NULL: there is no replica yet. ENOTFOUND: it is no live
 * peer (but may be a depot). o is borrowed until it is closed; o->net has the token. */
typedef struct sync_live sync_live;
bool           sync_live_possible(const char *url); /* of a scheme of live peers */
prophet_code   sync_live_open(const char *url, ph_replica *r, const ph_sync_options *o, sync_live **out, prophet_error *err);
const ph_uuid *sync_live_database(const sync_live *l); /* NULL: not told, it is equal */
/* As ph_sync_pull and ph_sync_push. What was fetched before a fault is applied. */
prophet_code   sync_live_pull(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err);
prophet_code   sync_live_push(sync_live *l, ph_replica *r, ph_sync_report *rep, prophet_error *err);
/* Until it has something else than it said last; PROPHET_DONE: the time passed. wake: a descriptor; while it is readable progress is called, whose EINTERRUPTED
 * ends the waiting and nothing more. */
prophet_code   sync_live_wait(sync_live *l, int wake, uint32_t seconds, prophet_error *err);
void           sync_live_close(sync_live *l); /* NULL is fine */

/* source.c: a URL of http, https or ssh may be that of a live peer. PROPHET_DONE: it is none, and may be a depot. */
prophet_code   sync_source_live(const char *url, ph_replica *r, const ph_sync_options *o, sync_live **out, prophet_error *err);

#endif
