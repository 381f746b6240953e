/* Depots: named files at a place (net), that any number of replicas publish into and pull from. */
#ifndef PH_SYNC_DEPOT_IMPL_H
#define PH_SYNC_DEPOT_IMPL_H
#include "net/net.h"
#include "sync/pick_impl.h"
#include "sync/seal_impl.h"

#define DEPOT_ROOT "prophet-depot"

enum {
    DEPOT_FILE_MAX = 16 << 20, /* of a root or a manifest */
    DEPOT_ROOT_HEADS = 64,     /* more: the manifest has to be read */
    DEPOT_RETIRED_MAX = 32,    /* superseded segments that stay, */
    DEPOT_RETIRED_DAYS = 30,   /* and for how long */
    DEPOT_NAME_SIZE = 64 + 1 + 64 + 1
};

/* ---- manifests and the root (depot_manifest.c) ------------------------------------------------------------------ */

typedef struct depot_segment {
    uint8_t name[SEGMENT_SUM];
    ph_id file; /* its name in the folder: the same, unless sealed */
    uint64_t size, changesets;
    const sync_run *runs;
    size_t run_count;
} depot_segment;

typedef struct depot_retired { /* superseded: nothing names it any more */
    uint8_t name[SEGMENT_SUM];
    ph_id file;
    uint64_t since; /* milliseconds */
} depot_retired;

typedef struct depot_manifest { /* what one publisher has put there */
    ph_uuid database;
    ph_id replica;
    uint64_t generation; /* counts its versions */
    const ph_id *heads;  /* sorted; who has these has all that was in the depot then */
    size_t head_count;
    depot_segment *segments; /* in causal order */
    size_t segment_count;
    depot_retired *retired;
    size_t retired_count;
} depot_manifest;

/* Without the signature. */
prophet_code depot_manifest_encode(const depot_manifest *m, ph_buf *out, prophet_error *err);
/* With it: checks form and signature. Into the arena. ECORRUPT, EVERSION, EUNTRUSTED. */
prophet_code depot_manifest_decode(prophet_slice bytes, ph_arena *a, depot_manifest *out,
                                   prophet_error *err);
void depot_manifest_message(prophet_slice bytes, ph_buf *out); /* what is signed */

typedef struct depot_entry { /* a publisher, as the root tells it: a hint */
    ph_id replica;
    uint64_t generation;
    uint8_t hash[32]; /* SHA-256 of the manifest */
    const ph_id *heads;
    size_t head_count; /* 0: look into the manifest */
} depot_entry;

typedef struct depot_root {
    ph_uuid database;
    const depot_entry *entries; /* sorted by replica */
    size_t count;
} depot_root;
prophet_code depot_root_encode(const depot_root *r, ph_buf *out, prophet_error *err);
prophet_code depot_root_decode(prophet_slice bytes, ph_arena *a, depot_root *out,
                               prophet_error *err);

/* ---- looking (depot_look.c) ------------------------------------------------------------------------------------------ */

typedef struct depot_publisher {
    ph_id folder;
    bool known; /* its key is */
    ph_id key;
    const depot_entry *told; /* by the root, or NULL */
    uint64_t best;           /* generation seen before, 0: none */
    uint64_t noted;          /* .. as its own note tells it */
    bool quiet;              /* the root tells nothing new of it: its manifest was not read */
    bool there, read;        /* its manifest is there; and good */
    depot_manifest m;
    uint8_t hash[32];
    char etag[PROPHET_ETAG_MAX];
} depot_publisher;

typedef struct depot_file { /* of a listing */
    ph_id folder, name;
    uint64_t size;
} depot_file;

typedef struct depot {
    ph_replica *r; /* NULL: a clone begins */
    ph_net *net;
    const char *url;
    ph_hasher *hasher;
    const ph_sync_options *o;
    ph_arena arena; /* of what was looked at; anew at each look */
    bool has_root, root_good, listed, has_database;
    bool current; /* what the root told was enough: all of it is here */
    bool partial; /* .. of some publishers it was: they are quiet */
    ph_uuid database;
    ph_buf root_bytes;
    char root_etag[PROPHET_ETAG_MAX];
    depot_root root;
    PH_LIST(depot_publisher) publishers; /* sorted by folder */
    sync_seal seal;
    size_t opened, unopened; /* files that could be read with the key, and not */
    PH_LIST(depot_file) files;
    PH_LIST(depot_file) rotten; /* found damaged by a check */
    uint64_t bytes;             /* read */
    prophet_code
        failed; /* the first manifest or segment that was refused; the others are used all the same */
    prophet_error why;
    bool again;   /* it was there before: one that is gone is not begun anew */
    size_t large; /* bytes of manifests that are larger than their share */
    char warning[400];
} depot;

prophet_code depot_open(ph_replica *r, const char *url, const ph_sync_options *o, depot *d,
                        prophet_error *err);
void depot_close(depot *d);
/* Reads the root and the manifests. all false: where nobody can list, those of publishers of whom the root tells nothing new are not read. ENOTFOUND: there is no depot. */
prophet_code depot_look(depot *d, bool all, prophet_error *err);
/* The bytes of a root; *swollen: more than a root can have, none are given. PROPHET_DONE: there is none. */
prophet_code depot_root_get(ph_net *net, prophet_net_get *g, ph_buf *out, bool *swollen, prophet_error *err);
depot_publisher *depot_find(depot *d, const ph_id *key);
/* As far as a listing tells: is this segment there? At its length? */
bool depot_lists(const depot *d, const ph_id *folder, const depot_segment *s);
bool depot_has(const depot *d, const ph_id *folder, const depot_segment *s);
void depot_refuse(depot *d, prophet_code rc, const prophet_error *err);
void depot_warn(depot *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The folder of a publisher, and its entry, a new one if there is none. */
prophet_code depot_know(depot *d, const ph_id *key, depot_publisher **out, prophet_error *err);
void depot_manifest_name(const ph_id *folder, char out[DEPOT_NAME_SIZE]);
void depot_segment_name(const ph_id *folder, const ph_id *file, char out[DEPOT_NAME_SIZE]);
/* Sealed, if that is wanted. */
prophet_code depot_put(depot *d, const char *name, prophet_slice bytes, prophet_net_put *put,
                       prophet_error *err);

/* In place. The first sealed file that is read tells the salt. */
prophet_code depot_unseal(depot *d, ph_buf *bytes, prophet_error *err);
prophet_code depot_check_database(depot *d, const ph_uuid *id, prophet_error *err);

/* ---- manifests (depot_read.c) -------------------------------------------------------------------------------------------- */

prophet_code depot_read_manifests(depot *d, bool all, prophet_error *err);
/* Is all here that the root and the manifests that were read name? */
prophet_code depot_all_came(const depot *d, bool *all, prophet_error *err);

/* ---- what is remembered (depot_note.c) ---------------------------------------------------------------------------------- */

prophet_code depot_noted(depot *d, bool *yes,
                         prophet_error *err); /* was this place met as a depot? */
prophet_code depot_note_read(
    depot *d, prophet_error *err); /* fills best; warns of generations that went back */
/* Does it tell what the depot has? */
prophet_code depot_note_tells(depot *d, bool *yes, prophet_error *err);
prophet_code depot_note_write(depot *d, prophet_error *err);

/* ---- what of ours it has (depot_extent.c) ---------------------------------------------------------------------------------- */

typedef struct depot_head {
    uint32_t ridx;
    uint64_t seq, version;
    ph_id id;
    bool partial; /* its writer has more here */
} depot_head;

typedef struct depot_extent {
    PH_LIST(depot_head) heads; /* of chains: it has these, and all before them */
    PH_LIST(ph_id) except;     /* writers who have more here */
    size_t partial;            /* heads of theirs */
} depot_extent;                /* begins as zeros */
/* What is not here is passed over. */
prophet_code depot_extent_add(ph_view *v, depot_extent *e, const ph_id *id, prophet_error *err);
prophet_code depot_extent_add_all(ph_view *v, depot_extent *e, prophet_slice ids,
                                  prophet_error *err);
/* When all were added. */
prophet_code depot_extent_settle(ph_view *v, depot_extent *e, prophet_error *err);
bool depot_extent_same(const depot_extent *a, const depot_extent *b);
/* As a note of the depot at this place. */
prophet_code depot_extent_put(ph_view *v, const depot_extent *e, const char *url, ph_buf *out,
                              prophet_error *err);
void depot_extent_clear(depot_extent *e);

/* ---- runs and versions (depot_gap.c) --------------------------------------------------------------------------------------- */

/* The versions of a run, all of which are here. */
prophet_code depot_run_versions(ph_view *v, const sync_run *run, ph_sync_spans *out,
                                prophet_error *err);
/* What is here and signed, but in no segment that is there; not settled. *left: what nobody signed yet. */
prophet_code depot_gap(ph_view *v, depot *d, ph_sync_spans *out, uint64_t *left,
                       prophet_error *err);

/* ---- pulling and publishing ---------------------------------------------------------------------------------------------------- */

/* Looks, and brings all that is missing here; `rep` is added to. */
prophet_code depot_take(depot *d, ph_sync_report *rep, prophet_error *err);
/* Reads every segment that the manifests name: those that are not what they should be are `rotten`, and are not there for depot_has. */
prophet_code depot_check(depot *d, prophet_error *err);
/* Writes the root until it tells what the manifests say. */
prophet_code depot_root_write(depot *d, prophet_error *err);

#endif
