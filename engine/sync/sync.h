/* sync: what one replica lacks of another, and bringing it. Comparing is split into messages, pure functions of a view on each
 * side, so that a wire can carry them; between directories of one machine they are called one after the other. */
#ifndef PH_SYNC_H
#define PH_SYNC_H
#include "replica/replica.h"

/* ---- compare (DESIGN 6) ---------------------------------------------------------------------------------- */

typedef struct ph_sync_heads { /* sender -> receiver: the tips of all its chains */
    const ph_chain_head *at;
    size_t count;
} ph_sync_heads;

typedef struct ph_sync_known { /* a changeset the receiver has of a replica it lacks something of */
    ph_id replica;
    ph_id id;
} ph_sync_known;

typedef struct ph_sync_need { /* receiver -> sender */
    const ph_id *lacks;       /* heads of the sender that are not here */
    size_t lack_count;
    const ph_sync_known
        *known; /* own heads of these replicas, and what lies 1, 2, 4, .. before them */
    size_t known_count;
    bool everything; /* the receiver has nothing at all */
} ph_sync_need;

/* Memory from the arena in all three. */
prophet_code ph_sync_tell(ph_view *sender, ph_arena *a, ph_sync_heads *out, prophet_error *err);
prophet_code ph_sync_ask(ph_view *receiver, const ph_sync_heads *heads, ph_arena *a,
                         ph_sync_need *out, prophet_error *err);
/* Versions of the sender, ascending: the chain-ancestors of what the receiver lacks that are not ancestors of something known. Ids
 * the sender does not have are passed over. Cost follows what is selected, not what is old. */
prophet_code ph_sync_select(ph_view *sender, const ph_sync_need *need, ph_arena *a,
                            uint64_t **versions, size_t *count, prophet_error *err);

/* ---- between directories ------------------------------------------------------------------------------------ */

typedef struct ph_sync_options {
    bool dry_run; /* say what would come, write nothing */
    prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total,
                             prophet_error *err);
    void *ctx;
} ph_sync_options;

typedef struct ph_sync_report { /* all zero before its first use; ph_sync_report_clear frees it */
    uint64_t changesets, replicas, conflicts, decided, forks, unsigned_rest, held_back, bytes;
    double seconds;
    bool dry_run;
    ph_id *writers; /* whose changesets came; the ones not seen before come first */
    size_t writer_count, new_writer_count;
    ph_arena arena;
} ph_sync_report;
void ph_sync_report_clear(ph_sync_report *r);

/* Is there a replica in this directory? */
bool ph_sync_is_replica(const char *dir);
/* Brings what r lacks from the replica in `source` (read-only ones too: what is unsigned there waits and is reported).
 * EUNRELATED, EUNTRUSTED, ECORRUPT, EVERSION, ENOTFOUND, EUSAGE. What was applied before a failure stays. */
prophet_code ph_sync_pull(ph_replica *r, const char *source, const ph_sync_options *o,
                          ph_sync_report *out, prophet_error *err);
/* The other way: the replica in `target` pulls from r. The report is about the target. */
prophet_code ph_sync_push(ph_replica *r, const char *target, const ph_sync_options *o,
                          ph_sync_report *out, prophet_error *err);
/* Makes `path` (must not exist: EEXISTS) a replica with all that `source` has. On failure nothing is left there. */
prophet_code ph_sync_clone(const char *source, const char *path, const ph_sync_options *o,
                           ph_sync_report *out, prophet_error *err);

#endif
