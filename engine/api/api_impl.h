/* What the files of api/ share: the handle, documents in the making, iterators, and how names of types are found.
 * The face of this folder is <prophet.h>. */
#ifndef PH_API_IMPL_H
#define PH_API_IMPL_H
#include "query/query.h"
#include "replica/replica.h"
#include "sync/sync.h"
#include <prophet.h>
#include <stdatomic.h>

#define API_READS 200000u /* prophet_options.reads when it is 0 */

/* ---- shapes: the names behind the numbers of a type's rows ------------------------------------------------- */

/* Counted, because documents outlive the handle and the schema they were read with. One thread, like its documents. */
typedef struct api_shape {
    struct api_shape *next; /* of the handle, the one used last in front */
    unsigned refs;
    ph_arena arena;
    const char *type;
    uint32_t type_id;
    bool known; /* a type: defined, reserved, or it has rows */
    bool defined;
    uint64_t stamp; /* state.schema it was made from */
    uint64_t generation;
    size_t names_count;
    uint64_t names_epoch;
    size_t declared_count;
    prophet_slice *names; /* by number; [0] unused */
    uint32_t *ranks;      /* by number: which declared field it is; declared_count: none */
    ph_map by_name;       /* name -> number */
} api_shape;

void api_shape_release(api_shape *s);

/* ---- the handle ---------------------------------------------------------------------------------------------- */

typedef struct api_policy {
    struct api_policy *next;
    char *name;
    char **on;
    size_t on_count;
    prophet_hash source;
    prophet_policy_fn fn;
    void *ctx;
    void (*drop)(void *ctx);
} api_policy;

struct prophet_db {
    ph_replica *r;
    prophet_txn *txn; /* the open change */
    ph_view *held;    /* between prophet_view_begin and _end */
    unsigned held_depth;
    unsigned iterators; /* open ones */
    bool busy;          /* an exchange or a poll runs */
    uint64_t reads;
    prophet_voting voting;
    atomic_bool interrupted;
    ph_watch *watch;      /* since prophet_wait was called first */
    atomic_int wake_fd;   /* an eventfd that an interrupt makes readable; -1: nobody waits */
    uint64_t generation;  /* raised when numbers of names may have been taken back */
    ph_number_cache numbers;
    api_shape *shapes;    /* one a type, the one used last in front */
    api_policy *policies; /* in order of addition */
    ph_arena scratch;     /* of the call that runs */
    prophet_live *lives;  /* open ones (live.c) */
    char notice[512];
};

struct prophet_txn {
    prophet_db *db;
    ph_change_txn *c;
    ph_buf values; /* of the call that runs */
    ph_edit *edits;
    size_t edit_cap;
    bool has_created;
    ph_named created; /* by the last prophet_txn_create */
};

/* live.c: the database closes; its live syncs stay, and say so. */
void api_lives_let_go(prophet_db *db);

/* db.c */
prophet_db *api_db_new(void); /* an empty handle; NULL: no memory */
prophet_code api_need_wake_fd(prophet_db *db, prophet_error *err);
bool api_stop(void *db); /* asked to end? answers once */
prophet_code api_interrupted(prophet_db *db, prophet_error *err);
prophet_code api_not_inside(prophet_db *db, const char *what,
                            prophet_error *err); /* EUSAGE inside a change or a view */

void api_policy_free(api_policy *p);
prophet_code api_report_doc(const ph_sync_report *rep, prophet_doc **out, prophet_error *err);
/* {pull, push}. db: pulled into. asked: of the poll after the pull; NULL: there was none. there NULL: the pull alone. */
prophet_code api_both_reports(prophet_db *db, const ph_sync_report *in, const prophet_doc *asked,
                              const ph_sync_report *there, prophet_doc **out, prophet_error *err);
/* Asks the policies (asked: what they said; NULL where there are none), and counts what became of the conflicts. */
prophet_code api_after_pull(prophet_db *db, prophet_doc **asked, ph_sync_report *rep,
                            prophet_error *err);

/* remote.c: the other side of an exchange, where it may be a remote. */
typedef struct api_place {
    const char *place, *seal;
    prophet_net_options net;
    ph_arena arena;
} api_place;
/* place: as the caller gave it; new: it may be one that is not there yet; net (NULL: defaults) and seal go before what the remote says. ENOTFOUND: no remote of that name. Clear it in any case. */
prophet_code api_place_find(prophet_db *db, const char *place, bool new, const char *seal,
                            const prophet_net_options *net, api_place *out, prophet_error *err);
void api_place_clear(api_place *p);
/* A file URL (else nothing happens) becomes its path, in the arena: all that is done with a path can be done with it then. */
prophet_code api_place_path(const char **place, ph_arena *a, prophet_error *err);
/* After a clone: `origin`. */
prophet_code api_remote_origin(const char *dir, const char *source, const prophet_options *o,
                               prophet_error *err);

/* ---- reading: the view of the moment ------------------------------------------------------------------------------ */

typedef struct api_read {
    ph_view *v;
    enum { API_READ_NONE, API_READ_VIEW, API_READ_CHANGE, API_READ_SNAPSHOT } how;
} api_read;
prophet_code api_read_begin(prophet_db *db, api_read *out, prophet_error *err);
/* For what lasts longer than a call: a snapshot of its own. */
prophet_code api_read_keep(prophet_db *db, api_read *out, prophet_error *err);
void api_read_end(api_read *rd);

/* shape.c. ETYPE with a suggestion when there is no such type. Borrowed until the next call of it. */
prophet_code api_shape_of(prophet_db *db, ph_view *v, prophet_slice type, api_shape **out,
                          prophet_error *err);
prophet_code api_type_known(prophet_db *db, ph_view *v, prophet_slice type, uint32_t *id,
                            prophet_error *err);
uint32_t api_shape_field(const api_shape *s, prophet_slice name); /* 0: no record has it */
void api_shapes_free(prophet_db *db);
prophet_code api_unknown_type(ph_view *v, prophet_slice type, prophet_error *err);
prophet_code api_unknown_field(const ph_schema *s, prophet_slice field, prophet_error *err);

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* Gives text to a host's sink. */
prophet_code api_sink(prophet_sink_fn sink, void *ctx, const ph_buf *text, prophet_error *err);
/* Appends canonical CBOR; EUSAGE names what is wrong. A nil is not allowed. */
prophet_code api_encode(ph_buf *out, const prophet_value *v, prophet_error *err);
/* Conditions and their values, which no record holds: as many as a caller has, and deeper. */
prophet_code api_encode_query(ph_buf *out, const prophet_value *v, prophet_error *err);
/* Into the arena, whose slices stay those of `value` (or of the arena). Empty: nil. */
prophet_code api_decode(prophet_slice value, ph_arena *a, prophet_value *out, prophet_error *err);
prophet_code api_decode_item(const ph_item *item, ph_arena *a, prophet_value *out,
                             prophet_error *err); /* opened before */
void api_json(ph_buf *out, const prophet_value *v);

/* Specs: members of a map given by the caller. */
const prophet_value *api_member(const prophet_value *map,
                                const char *name); /* NULL: absent or nil */
/* EUSAGE with a suggestion when spec is no map or has other members than these. */
prophet_code api_spec_check(const prophet_value *spec, const char *const *names, size_t count,
                            const char *what, prophet_error *err);
prophet_code api_spec_text(const prophet_value *spec, const char *name, prophet_slice *out,
                           prophet_error *err);
prophet_code api_spec_int(const prophet_value *spec, const char *name, int64_t *out, bool *given,
                          prophet_error *err);
prophet_code api_spec_bool(const prophet_value *spec, const char *name, bool *out,
                           prophet_error *err);
prophet_code api_spec_ref(const prophet_value *spec, const char *name, ph_uuid *out, bool *given,
                          prophet_error *err);
prophet_code api_spec_time(const prophet_value *spec, const char *name, int64_t *out, bool *given,
                           prophet_error *err);

/* ---- documents in the making ------------------------------------------------------------------------------------- */

/* Maps and lists of values that grow in an arena; a failed allocation shows in `failed`. */
typedef struct api_map {
    ph_arena *a;
    prophet_field *at;
    size_t count, cap;
    bool failed;
} api_map;
typedef struct api_list {
    ph_arena *a;
    prophet_value *at;
    size_t count, cap;
    bool failed;
} api_list;
static inline api_map api_map_in(ph_arena *a)
{
    return (api_map){ .a = a };
}
static inline api_list api_list_in(ph_arena *a)
{
    return (api_list){ .a = a };
}
void api_put(api_map *m, const char *name, prophet_value v);
void api_put_slice(api_map *m, prophet_slice name,
                   prophet_value v); /* name lives as long as the arena */
void api_put_text(api_map *m, const char *name, prophet_slice text); /* left out when empty */
void api_put_hex(api_map *m, const char *name, const void *data, size_t len);
void api_put_canonical(api_map *m, const char *name,
                       prophet_slice value); /* left out when absent */
void api_put_map(api_map *m, const char *name, api_map *inner);
void api_put_list(api_map *m, const char *name, api_list *inner);
void api_push(api_list *l, prophet_value v);
void api_push_map(api_list *l, api_map *inner);
void api_push_hex(api_list *l, const void *data, size_t len);
/* Copies of bytes that live as long as the arena; failures are noted in the map. */
prophet_slice api_keep(api_map *m, prophet_slice s);

/* A document that takes over an arena (left empty) and shows the map. */
prophet_code api_doc_take(ph_arena *a, const api_map *m, prophet_doc **out, prophet_error *err);
prophet_code api_doc_list(ph_arena *a, const prophet_value *items, size_t count, prophet_doc **out,
                          prophet_error *err);
/* A record's document. `borrow`: the row is not copied and has to stay; else it is. The document takes the memory of *spare, an emptied
 * one, where that is enough (and frees it where not); NULL: there is none. */
prophet_code api_doc_record(prophet_db *db, ph_view *v, const ph_row *row, bool borrow,
                            prophet_doc **spare, prophet_doc **out, prophet_error *err);
void api_doc_empty(prophet_doc *d); /* frees all but its own memory */
prophet_code api_doc_of(prophet_db *db, ph_view *v, uint32_t type, const ph_uuid *id,
                        prophet_doc **out, prophet_error *err);
/* A record's shown fields as JSON, sorted by name: {"a":..}. */
prophet_code api_row_json(ph_view *v, const ph_row *row, ph_arena *a, ph_buf *out,
                          prophet_error *err);

/* query_spec.c */
prophet_code api_query_compile(prophet_db *db, ph_view *v, const prophet_value *spec,
                               ph_query **out, prophet_error *err);

/* check_values.c: one line a value that does not fit. */
prophet_code api_check_values(prophet_db *db, void (*say)(void *ctx, bool fault, const char *line),
                              void *ctx, uint64_t *invalid, prophet_error *err);

/* ---- iterators ------------------------------------------------------------------------------------------------------ */

/* Gives the next document (freed by the iterator), or PROPHET_DONE. */
typedef prophet_code (*api_next_fn)(prophet_iter *it, void *state, prophet_doc **out,
                                    prophet_error *err);
struct prophet_iter {
    prophet_db *db;
    api_next_fn next;
    void (*close)(void *state); /* frees the state; NULL: nothing to do */
    void *state;
    api_read read; /* ended after the state */
    prophet_doc *row;
    prophet_doc *spare; /* the row before, emptied: the next one may have its memory */
    bool done;
};
prophet_code api_iter_new(prophet_db *db, api_next_fn next, void (*close)(void *), void *state,
                          prophet_iter **out, prophet_error *err);
/* Over documents that are there already; takes them, also when it fails. */
typedef struct api_docs {
    prophet_doc **at;
    size_t count, cap, pos;
} api_docs;
bool api_docs_push(api_docs *d, prophet_doc *doc); /* false: no memory, and doc is freed */
void api_docs_clear(api_docs *d);
prophet_code api_iter_docs(prophet_db *db, api_docs *d, prophet_iter **out, prophet_error *err);

/* ---- changesets as documents: log.c, history.c, blame.c, conflict_doc.c ----------------------------------------------- */

typedef struct api_changeset {
    ph_changeset cs;
    ph_changeset_row row;
} api_changeset;
prophet_code api_changeset_get(ph_view *v, uint64_t version, ph_arena *a, api_changeset *out,
                               prophet_error *err);
/* The same for what is asked of a large one again and again: `out` lives until the next call. */
prophet_code api_changeset_look(ph_view *v, uint64_t version, ph_arena *scratch, api_changeset *out,
                                prophet_error *err);
/* The version of the changeset whose id starts with these digits; 0: none. EAMBIGUOUS. */
prophet_code api_changeset_find(ph_view *v, prophet_slice hex, uint64_t *version,
                                prophet_error *err);
/* past.c: EUSAGE on a handle that shows the past. */
prophet_code api_not_past(const prophet_db *db, const char *what, prophet_error *err);
/* author, time, replica, changeset. */
void api_put_writer(api_map *m, const api_changeset *c);
prophet_slice api_resolver_text(ph_arena *a, const ph_vote *vote); /* name@hash */
const char *api_op_name(ph_op_kind op);
const char *api_action_name(ph_action action);

prophet_code api_conflict_id(ph_view *v, const ph_cell_key *key, uint8_t out[32],
                             prophet_error *err);
/* The member votes; deciding: only those that made the outcome. */
prophet_code api_put_votes(api_map *m, ph_view *v, const ph_conflict *c, bool deciding,
                           prophet_error *err);
prophet_code api_conflict_doc(prophet_db *db, ph_view *v, const ph_conflict *c, prophet_doc **out,
                              prophet_error *err);
/* "text", "enum", ..; "life"; "" when nobody declared it. */
const char *api_conflict_kind(ph_view *v, const ph_conflict *c);

#endif
