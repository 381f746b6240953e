/* replica: where log, index, records and merge meet in one transaction. Everything that changes a replica goes through here. */
#ifndef PH_REPLICA_H
#define PH_REPLICA_H
#include "index/index.h"
#include "log/log.h"
#include "merge/merge.h"
#include "record/record.h"

typedef struct ph_replica ph_replica; /* one handle, one thread at a time */

/* ---- opening ---------------------------------------------------------------------------------------- */

typedef struct ph_replica_options {
    bool readonly;
    bool relaxed;                /* commits do not wait for the disk */
    const char *user;            /* author of changes; NULL: "" */
    int64_t (*clock)(void *ctx); /* milliseconds; NULL: the wall clock */
    void *clock_ctx;
    uint32_t lock_timeout_ms; /* 0: 60,000 */
} ph_replica_options;

/* Makes DIR (must not exist) with a new key. database NULL: a new database. Everything is synced. */
prophet_code ph_replica_create(const char *dir, const ph_uuid *database, prophet_error *err);
/* Hints at the replica in DIR/.prophet, for who named the directory above it; false: there is none. */
bool ph_replica_hint(const char *dir, prophet_error *err);
/* ENOTFOUND, EBUSY, ECORRUPT, EVERSION, EREADONLY. Rebuilds or replays the index when it has to. */
prophet_code ph_replica_open(const char *dir, const ph_replica_options *o, ph_replica **out,
                             prophet_error *err);
/* Signs the tail, flushes, marks the index clean. Never fails: what could not be done is done by the next open. */
void ph_replica_close(ph_replica *r);
typedef prophet_code (*ph_progress_fn)(void *ctx, const char *stage, uint64_t done, uint64_t total,
                                       prophet_error *err);
/* A new index of many records is built in steps behind the commit that brings it. `later`: not there, but by ph_indexes_finish, which tells after
 * each step, outside of any transaction: "index", records done and all of them; "drop", rows removed, 0. What progress refuses ends it; whoever
 * commits next goes on. */
void ph_indexes_later(ph_replica *r, bool later);
prophet_code ph_indexes_finish(ph_replica *r, ph_progress_fn progress, void *ctx,
                               prophet_error *err);
const ph_uuid *ph_replica_database(const ph_replica *r);
const ph_id *ph_replica_key(const ph_replica *r);
const char *ph_replica_path(const ph_replica *r);
bool ph_replica_readonly(const ph_replica *r);
int64_t ph_replica_now(ph_replica *r); /* milliseconds, by its clock */
const char *ph_replica_user(const ph_replica *r);
prophet_code ph_replica_set_user(ph_replica *r, const char *user, prophet_error *err);
/* What the person should be told about this open ("this directory is a copy: ..."), or "". */
const char *ph_replica_notice(const ph_replica *r);
prophet_code ph_replica_flush(ph_replica *r,
                              prophet_error *err); /* everything committed is on disk */
prophet_code ph_replica_sign(
    ph_replica *r, prophet_error *err); /* flushes and signs the own tail if it is not signed */
/* After a second without writes of this handle the index is made clean, unless somebody writes just now. Each view asks. */
void ph_replica_idle(ph_replica *r);
/* For what goes through much of the index once: its pages do not stay in memory. Taken back by a second call; may be nested. */
void ph_replica_frugal(ph_replica *r, bool yes);
#define PH_FRUGAL_FROM 8192u /* changesets; what fewer touch may stay mapped */
/* Signs a message of another kind than a changeset, which `message` begins with. EREADONLY: there is no key to sign with. */
prophet_code ph_replica_prove(const ph_replica *r, prophet_slice message, uint8_t out[64],
                              prophet_error *err);
/* The directory was moved, not copied: before it is opened the next time. EBUSY while anybody has it open. */
prophet_code ph_replica_adopt(const char *dir, prophet_error *err);
/* A new index from the log; EBUSY if others have it open. Progress (NULL: nobody asks) is told the bytes of the log that are read and all of them, as
 * "rebuild", then as ph_indexes_finish tells it; the replica is neither read nor written meanwhile (EBUSY). What it refuses leaves the old index. */
prophet_code ph_replica_rebuild(ph_replica *r, ph_progress_fn progress, void *ctx,
                                prophet_error *err);
typedef struct ph_replica_sizes {
    uint64_t log_bytes, log_unused; /* unused: preallocated */
    uint64_t index_bytes;
} ph_replica_sizes;
prophet_code ph_replica_sizes_get(ph_replica *r, ph_replica_sizes *out, prophet_error *err);
typedef struct ph_check_report {
    uint64_t changesets, signatures, records, conflicts_open, forks, unsigned_tail, parked,
        mixed_cells;
    uint64_t faults; /* anything that makes check say "no" */
} ph_check_report;
/* Reads the whole log (checksums, hashes, signatures) and compares the index with one built anew beside it. `say` gets one line a fault or note. */
prophet_code ph_replica_check(ph_replica *r, void (*say)(void *ctx, bool fault, const char *line),
                              void *ctx, ph_check_report *out, prophet_error *err);

/* ---- views: a snapshot to read from -------------------------------------------------------------------- */

typedef struct ph_view {
    ph_replica *replica;
    ph_txn *txn;
    ph_state state;
    ph_names *names;
    ph_arena arena; /* lives as long as the view */
    bool inside;    /* of a change: reads its uncommitted writes */
} ph_view;
prophet_code ph_view_begin(ph_replica *r, ph_view **out, prophet_error *err);
void ph_view_end(ph_view *v); /* a view of a change (ph_change_view) is not ended */
/* A view with a read transaction of its own, so that views begun later see later states. Ends before its replica. */
prophet_code ph_snapshot_begin(ph_replica *r, ph_view **out, prophet_error *err);
void ph_snapshot_end(ph_view *v); /* NULL is fine */

/* Is this changeset among those the view shows? */
bool ph_view_has(const ph_view *v, uint64_t version);
prophet_code ph_view_digest(ph_view *v, uint8_t out[32], prophet_error *err);
prophet_code ph_view_heads(ph_view *v, ph_arena *a, ph_id **out, size_t *count,
                           prophet_error *err); /* frontier, sorted */
/* Names a record: "#12", a full id, or a unique tail of one. type empty: any. ENOTFOUND -> PROPHET_DONE; EAMBIGUOUS. */
prophet_code ph_view_find(ph_view *v, prophet_slice type, prophet_slice name, ph_named *out,
                          prophet_error *err);
/* The row of a record (borrowed: until the view ends or, in a change, the next write). PROPHET_DONE: no such record. Dead ones are found too. */
prophet_code ph_view_row(ph_view *v, uint32_t type, const ph_uuid *uuid, ph_row *out,
                         prophet_error *err);
/* Ids of changesets, shown or not, that begin with these hex digits; low: the digits, then zeros. At most max. */
prophet_code ph_view_ids(ph_view *v, const ph_id *low, size_t digits, ph_id *out, size_t max,
                         size_t *count, prophet_error *err);
/* A changeset by version or id, decoded into the arena. PROPHET_DONE: not here. */
prophet_code ph_view_changeset(ph_view *v, uint64_t version, ph_arena *a, ph_changeset *out,
                               ph_changeset_row *row, prophet_error *err);
/* The same for many in a row, which share a window. before: what the frame of version - 1 says, NULL: not known. */
prophet_code ph_view_changeset_in(ph_view *v, uint64_t version, const ph_frame_context *before,
                                  bool decode_body, ph_log_window *w, ph_arena *a,
                                  ph_changeset *out, ph_changeset_row *row, prophet_error *err);
/* One that is noted as lost, as far as its bytes are still where they were. PROPHET_DONE: they are not. */
prophet_code ph_view_changeset_lost(ph_view *v, uint64_t version, const ph_changeset_row *row,
                                    ph_arena *a, ph_changeset *out, prophet_error *err);
/* As ph_view_changeset, for what is asked of one changeset many times: *cs lives until the next one is asked for, in the scratch (which is
 * emptied) or among those kept. PROPHET_DONE: not here. */
prophet_code ph_kept_changeset(ph_view *v, uint64_t version, ph_arena *scratch, ph_changeset *cs,
                               ph_changeset_row *row, prophet_error *err);
/* Its change of a record, of a changeset with a body; NULL: none. Its votes on a record, side by side. */
const ph_change *ph_changeset_change(const ph_changeset *cs, prophet_slice type, const ph_uuid *record);
const ph_vote *ph_changeset_votes(const ph_changeset *cs, prophet_slice type, const ph_uuid *record,
                                  size_t *count);
prophet_code ph_view_version_of(ph_view *v, const ph_id *id, uint64_t *version, prophet_error *err);

/* ---- schema: the declarative part of record types, from `_type` records ---------------------------------- */

typedef enum ph_field_kind {
    PH_F_STRING,
    PH_F_TEXT,
    PH_F_INT,
    PH_F_FLOAT,
    PH_F_BOOL,
    PH_F_BYTES,
    PH_F_TIME,
    PH_F_ENUM,
    PH_F_USER,
    PH_F_REF,
    PH_F_BLOB,
    PH_F_LIST,
    PH_F_MAP,
    PH_F_SET,
    PH_F_COUNTER,
    PH_F_COMPUTED,
    PH_F_MANY,
    PH_F_KINDS
} ph_field_kind;
const char *ph_field_kind_name(ph_field_kind k);
bool ph_field_kind_parse(prophet_slice s, ph_field_kind *out);

typedef struct ph_field_def {
    prophet_slice name;
    uint32_t id; /* interned; 0 while no record has it */
    ph_field_kind kind;
    bool required, immutable, open, hidden;
    uint32_t index; /* id of its single-field index, 0: none */
    ph_rule rule;
    prophet_slice
        options; /* canonical map of all options (min max values of to type by fulltext doc ...): ph_field_option */
    prophet_slice min, max, values, of,
        to; /* of these, the ones every write looks at; empty: not given */
} ph_field_def;
typedef struct ph_schema {
    prophet_slice type;
    uint32_t type_id;
    bool defined;               /* has a `_type` record; else only rows exist */
    const ph_field_def *fields; /* in declared order */
    size_t field_count;
    const uint16_t *slots; /* hash of a name -> place in fields + 1; private to ph_schema_field */
    size_t slot_mask;
    const ph_index_def *indexes;
    size_t index_count;
    const prophet_slice *key; /* natural key fields */
    size_t key_count;
    prophet_slice summary, doc;
    ph_rule life_rule;
    const ph_text_layout *text; /* its full-text index; NULL: none */
    bool text_unnamed;          /* private: one that has no number yet */
} ph_schema;
/* Cached; valid until the next write of the handle or the next view. PROPHET_DONE: no such type (never NULL then: *out is an undefined schema if rows exist). */
prophet_code ph_view_schema(ph_view *v, prophet_slice type, const ph_schema **out,
                            prophet_error *err);
prophet_code ph_view_types(ph_view *v, ph_arena *a, prophet_slice **out, size_t *count,
                           prophet_error *err); /* defined ones, sorted by name */
const ph_field_def *ph_schema_field(const ph_schema *s, prophet_slice name);
bool ph_field_option(const ph_field_def *f, const char *option, prophet_slice *value);
bool ph_field_fulltext(const ph_field_def *f, double *weight); /* declared so */
unsigned ph_field_language(const ph_field_def *f);             /* of its words: ph_language_find */
/* The full-text index of a type. PROPHET_DONE: none that can be used; a view of the past has none. */
prophet_code ph_fulltext_head(ph_view *v, const ph_schema *schema, ph_text_head *out,
                              prophet_error *err);

/* ---- change: one transaction, one changeset ----------------------------------------------------------------- */

typedef struct ph_change_txn ph_change_txn;
typedef enum ph_edit_kind { PH_E_SET, PH_E_UNSET, PH_E_ADD, PH_E_REMOVE, PH_E_INC } ph_edit_kind;
typedef struct ph_edit {
    ph_edit_kind kind;
    prophet_slice field;
    prophet_slice
        value; /* canonical; PH_E_INC: an integer; PH_E_SET on a set field: a list, the difference is written */
} ph_edit;

/* Takes the write lock until commit or abort. EREADONLY, EBUSY, EFULL, EFORKED. */
prophet_code ph_change_begin(ph_replica *r, prophet_slice message, ph_change_txn **out,
                             prophet_error *err);
/* Reads what was written so far. Lives until the next write in the change. */
prophet_code ph_change_view(ph_change_txn *c, ph_view **out, prophet_error *err);
/* One record as it is now, and a view to read what its row leaves out; cheaper than a whole view, since records that were just
 * created need not be stored for it. Lives until the next call on c. PROPHET_DONE: no such record. */
prophet_code ph_change_row(ph_change_txn *c, prophet_slice type, const ph_uuid *id, ph_view **view,
                           ph_row *out, prophet_error *err);
/* Edits are checked against the schema (kinds, required, limits, immutable, values). id NULL: new, or from the natural key.
 * EEXISTS when a living record has that id; a dead one is revived. */
prophet_code ph_change_create(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              const ph_edit *edits, size_t count, ph_named *out,
                              prophet_error *err);
prophet_code ph_change_update(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              const ph_edit *edits, size_t count, prophet_error *err);
prophet_code ph_change_delete(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              prophet_error *err); /* of a dead one: nothing */
prophet_code ph_change_restore(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                               prophet_error *err); /* of a living one: nothing */
/* A vote on an open conflict; field empty: life. choice empty: unset. resolver empty: by the person. ENOTFOUND: the cell is in no conflict. */
typedef struct ph_vote_cast {
    prophet_slice type, field;
    ph_uuid record;
    prophet_slice choice, resolver, resolver_hash, reason;
    const prophet_slice *asked; /* the values a resolver was asked about; NULL: whatever there is */
    size_t asked_count;
} ph_vote_cast;
/* Could it be written? What a person votes for is one of the values, or one that the field may have. */
prophet_code ph_change_vote_fits(ph_change_txn *c, const ph_vote_cast *v, prophet_error *err);
/* PROPHET_DONE: other values than it was asked about are there by now; nothing is written. */
prophet_code ph_change_vote(ph_change_txn *c, const ph_vote_cast *v, prophet_error *err);
/* Ends a conflict by a write over all heads (also when it repeats a value). */
prophet_code ph_change_resolve(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                               prophet_slice field, prophet_slice value, prophet_error *err);
/* Remembers locally that a question was put to a resolver and what became of it ("voted", "abstained: ..."). */
prophet_code ph_change_asked(ph_change_txn *c, const ph_cell_key *cell, const uint8_t question[32],
                             const uint8_t resolver[32], prophet_slice what, prophet_error *err);
/* A local, never replicated value (peers' state); empty: removed. */
prophet_code ph_change_local(ph_change_txn *c, prophet_slice name, prophet_slice value,
                             prophet_error *err);
/* Stores a type's declarative part. descriptor: canonical map {name, fields=[{name,kind,..options}..], indexes, key, summary, doc, life}.
 * The same again or an older one writes nothing; another kind for a field is ESCHEMA. */
prophet_code ph_change_define(ph_change_txn *c, prophet_slice descriptor, prophet_error *err);
prophet_code ph_change_savepoint(ph_change_txn *c, prophet_error *err); /* nests up to 8 */
prophet_code ph_change_release(ph_change_txn *c, prophet_error *err);
prophet_code ph_change_rollback(ph_change_txn *c,
                                prophet_error *err); /* to the newest savepoint, which ends */
prophet_code ph_change_set_message(ph_change_txn *c, prophet_slice message, prophet_error *err);
/* Ends it either way. PROPHET_DONE: nothing to write, no changeset. *id may be NULL. */
prophet_code ph_change_commit(ph_change_txn *c, ph_id *id, uint64_t *version, prophet_error *err);
void ph_change_abort(ph_change_txn *c);

/* ---- history -------------------------------------------------------------------------------------------------- */

typedef struct
    ph_field_step { /* one operation of a changeset on one field, with what the field showed before and after here */
    prophet_slice field; /* empty: life */
    ph_op_kind op;
    prophet_slice given; /* the operation's value; PH_INC: a canonical integer */
    prophet_slice before, after;
} ph_field_step;
typedef struct ph_record_step {
    uint64_t version;
    ph_changeset changeset;
    ph_action action;
    const ph_field_step *steps;
    size_t step_count;
    const ph_record *record; /* as it was after this changeset, in version order */
} ph_record_step;
/* Calls `each` for every changeset that touched the record, oldest first, up to version `upto` (0: all). Return > 0 from each to stop. */
prophet_code ph_view_history(ph_view *v, const ph_named *record, uint64_t upto, ph_arena *a,
                             prophet_code (*each)(void *ctx, const ph_record_step *step,
                                                  prophet_error *err),
                             void *ctx, prophet_error *err);

/* ---- the past ---------------------------------------------------------------------------------------------------- */

typedef enum ph_point_kind { PH_AT_VERSION, PH_AT_TIME, PH_AT_CHANGESET } ph_point_kind;
typedef struct ph_point {
    ph_point_kind kind;
    uint64_t version; /* of this replica; 0: before the first */
    int64_t time;     /* what this replica had then */
    ph_id id;         /* it and all it had seen */
} ph_point;
typedef struct ph_arrival {
    int64_t time; /* when this replica had it: written here, or pulled */
    bool pulled;
} ph_arrival;
prophet_code ph_arrived(ph_view *v, uint64_t version, ph_arrival *out, prophet_error *err);
/* A handle of its own on the same directory, for reading only, that shows the database as it was: every view of it is of that point.
 * It holds a snapshot until it is closed. ENOTFOUND: no such version or changeset. */
prophet_code ph_past_open(ph_replica *r, const ph_point *p, ph_replica **out, prophet_error *err);
bool ph_replica_is_past(const ph_replica *r);
prophet_code ph_replica_refuse_write(const ph_replica *r, prophet_error *err); /* EREADONLY */
/* Takes back what a changeset did, as a change that names it alone: what was changed since is concurrent, a conflict and no loss. Records
 * deleted since stay so; votes are not taken back. PROPHET_DONE: nothing of it is left. EUSAGE: it defines types, or did nothing but vote;
 * one of its records was written in this change before. */
prophet_code ph_change_revert(ph_change_txn *c, const ph_id *id, prophet_error *err);

/* ---- conflicts -------------------------------------------------------------------------------------------------- */

typedef struct ph_conflict_candidate {
    prophet_slice value;      /* empty: unset */
    uint64_t version;         /* of its greatest head */
    const uint64_t *versions; /* all heads that hold it */
    size_t version_count;
} ph_conflict_candidate;
typedef struct ph_conflict_vote {
    uint64_t version; /* the changeset that carries it: replica, author, time */
    bool by_resolver, counts;
    bool replaced; /* a later one of the same voter counts instead */
    bool decides; /* it is one of those that made the outcome what it is */
    prophet_slice choice, resolver, reason;
} ph_conflict_vote;
typedef struct ph_conflict {
    ph_cell_key key;
    ph_named record;
    prophet_slice type, field; /* field empty: life */
    bool open, decided;
    const char *rule;      /* what picks where votes do not decide */
    prophet_slice outcome; /* what it shows, or what ended it */
    uint64_t closed_by;    /* version, 0: open */
    bool has_base;
    prophet_slice base;
    const ph_conflict_candidate *candidates; /* by canonical bytes, unset first */
    size_t candidate_count;
    const ph_conflict_vote *votes;
    size_t vote_count;
    size_t episodes; /* how often this cell was in conflict */
    uint8_t question[32];
} ph_conflict;
/* PROPHET_DONE: the cell never was in conflict. */
prophet_code ph_view_conflict(ph_view *v, const ph_cell_key *key, ph_arena *a, ph_conflict *out,
                              prophet_error *err);
/* Cells in order of type name, record, field name; status: 1 open, 0 closed, -1 both. type empty: all; record NULL: all. */
prophet_code ph_view_conflicts(ph_view *v, prophet_slice type, const ph_uuid *record, int status,
                               ph_arena *a, ph_cell_key **out, size_t *count, prophet_error *err);
/* Of these cells: how many are open now, and decided by votes. */
prophet_code ph_view_decided(ph_view *v, const ph_cell_key *keys, size_t count, uint64_t *decided,
                             prophet_error *err);
prophet_code ph_view_conflict_count(ph_view *v, uint64_t *open, uint64_t *decided,
                                    prophet_error *err);

/* A resolver or policy of this replica. Fills the ballot; cast=false with a reason: abstention. */
typedef struct ph_policy_answer {
    bool cast;
    bool ask;
    prophet_slice choice;
    char reason[256];
    char resolver[96];
    uint8_t hash[32];
    const uint8_t (*asked)[32]; /* source hashes of the resolvers that were asked this time */
    size_t asked_count;
} ph_policy_answer;
typedef prophet_code (*ph_policy_fn)(void *ctx, ph_view *v, const ph_conflict *c, ph_arena *a,
                                     ph_policy_answer *out, prophet_error *err);
/* Was this question put to the resolver with this source before? Then it is not asked again. */
prophet_code ph_view_asked(ph_view *v, const ph_conflict *c, const uint8_t resolver[32],
                           bool *asked, prophet_error *err);
typedef struct ph_ask_report {
    uint64_t asked, voted, abstained;
} ph_ask_report;
/* Puts every open conflict that this set of resolvers was not asked about to the policy, outside of locks, then writes the votes
 * and what was asked, in changesets of bounded size. eager: vote also when already decided so. */
prophet_code ph_replica_ask(ph_replica *r, const uint8_t set[32], bool eager, ph_policy_fn fn,
                            void *ctx, ph_ask_report *out, prophet_error *err);

/* ---- intake: changesets from elsewhere ---------------------------------------------------------------------------- */

typedef struct ph_intake ph_intake;
#define PH_OPENED_MAX 262144u
typedef struct ph_intake_report {
    uint64_t changesets, duplicates, bytes;
    uint64_t unsigned_rest;      /* waiting for a signature when it ended */
    uint64_t held_back;          /* waiting for a parent or ref when it ended */
    uint64_t conflicts, decided; /* opened by this intake; of these decided by votes at its end */
    const ph_cell_key *opened;   /* which, at most PH_OPENED_MAX; as long as the intake */
    size_t opened_count;
    uint64_t forks; /* fork points seen first here */
    uint64_t votes;
    uint64_t mended;  /* lost to damage in the log, and given back */
    uint64_t vouched; /* of changesets: unsigned, their key is lost, vouched for by who held them */
    ph_id *writers;   /* replicas that wrote what came; in the intake's arena */
    size_t writer_count, new_writer_count; /* the new ones come first */
    bool
        own_chain; /* something of this replica's own key came that it did not have: it became a copy and took a new key */
} ph_intake_report;
prophet_code ph_intake_begin(ph_replica *r, ph_intake **out, prophet_error *err);
/* Bytes are hostile: ECORRUPT, EUNRELATED, EVERSION, EBUDGET (too much waits for a signature). `ctx` as for ph_frame_decode: the stream's. */
prophet_code ph_intake_frame(ph_intake *in, ph_frame_type type, prophet_slice frame,
                             ph_frame_context *ctx, prophet_error *err);
/* The signature of a changeset sent before (or known). EUNTRUSTED: it does not fit. */
prophet_code ph_intake_signature(ph_intake *in, const ph_id *id, const uint8_t sig[64],
                                 prophet_error *err);
/* Applies what can be applied, in bounded transactions. Called by itself when enough has come. */
prophet_code ph_intake_apply(ph_intake *in, prophet_error *err);
/* Applies the rest; fills the report (its arrays live until ph_intake_free). */
prophet_code ph_intake_finish(ph_intake *in, ph_intake_report *out, prophet_error *err);
/* After a failure: can nothing more be given to it? A frame that was refused alone does no harm to what others give. */
bool ph_intake_broken(const ph_intake *in);
/* Makes it good again: what waited is forgotten, what was applied stays in the report. */
void ph_intake_again(ph_intake *in);
uint64_t ph_intake_applied(const ph_intake *in); /* changesets */

/* Of several sources, from 0, that may stand on each other. A changeset that names what neither is here nor waits is not taken (PROPHET_DONE, *lacks): the same frame
 * may be offered again. force: it is taken all the same, and what stands on it is not. */
prophet_code ph_intake_offer(ph_intake *in, uint32_t source, bool force, ph_frame_type type,
                             prophet_slice frame, ph_frame_context *ctx, ph_id *lacks,
                             prophet_error *err);
bool ph_intake_waits(const ph_intake *in, const ph_id *id);
/* Is it here, or does it wait and lacks nothing? PROPHET_DONE: no. */
prophet_code ph_intake_knows(ph_intake *in, const ph_id *id, prophet_error *err);
bool ph_intake_full(const ph_intake *in); /* that was the EBUDGET */
/* Forgets what waits of one source: of `current` if more than half of what may wait is its (true), else of the one that has most. */
bool ph_intake_unburden(ph_intake *in, uint32_t current, uint32_t *who);
void ph_intake_free(ph_intake *in);

/* ---- chains: what sync compares ------------------------------------------------------------------------------------ */

typedef struct ph_chain_head {
    ph_id replica;
    uint64_t seq;
    ph_id id;
    uint64_t version;
    uint64_t signed_seq;
} ph_chain_head;
/* All tips of all replicas, sorted by (replica, id). */
/* If a part of the own log could not be read: looks what was lost and notes it, so that it is asked for. Before replicas are compared. */
prophet_code ph_damage_look(ph_replica *r, prophet_error *err);
/* The lowest seq of this replica's chain that damage took from the own log, or its signature; PROPHET_DONE: none. */
prophet_code ph_view_lost(ph_view *v, const ph_id *key, uint64_t *seq, prophet_error *err);
prophet_code ph_view_chains(ph_view *v, ph_arena *a, ph_chain_head **out, size_t *count,
                            prophet_error *err);
/* Feeds the changesets and signatures of these versions (ascending) to `sink`, as frames of one stream. all: the whole log, sequentially. */
typedef prophet_code (*ph_frame_sink)(void *ctx, ph_frame_type type, prophet_slice frame,
                                      const ph_id *signed_id, prophet_error *err);
prophet_code ph_view_stream(ph_view *v, const uint64_t *versions, size_t count, bool all,
                            ph_frame_sink sink, void *ctx, prophet_error *err);

/* A part of a stream: `stream` goes from call to call, all zero before the first. */
prophet_code ph_view_stream_on(ph_view *v, ph_frame_context *stream, const uint64_t *versions,
                               size_t count, ph_frame_sink sink, void *ctx, prophet_error *err);

/* The whole log as it lies, up to the state of v, a frame at a time; v may end before it. */
typedef struct ph_stream ph_stream;
prophet_code ph_stream_begin(ph_view *v, ph_stream **out, prophet_error *err);
prophet_code ph_stream_next(ph_stream *s, ph_frame *out,
                            prophet_error *err); /* PROPHET_DONE: that was all */
void ph_stream_end(ph_stream *s);                /* NULL is fine; before its replica is closed */

/* ---- noticing commits ------------------------------------------------------------------------------------------------- */

typedef struct ph_watch ph_watch; /* of a directory: nothing need be open */
/* Of commits by anybody on this machine. */
prophet_code ph_watch_open(const char *dir, ph_watch **out, prophet_error *err);
/* Readable (as poll tells) after something was written; -1: this system cannot tell, look now and then. */
int ph_watch_fd(const ph_watch *w);
bool ph_watch_drain(ph_watch *w); /* was anything written since the last call? Does not wait */
/* When to look again, though nothing more is told: a commit is in its log before it is in its index. At the latest at until_us. */
uint64_t ph_watch_until(const ph_watch *w, uint64_t until_us);
void ph_watch_close(ph_watch *w); /* NULL is fine */

#endif
