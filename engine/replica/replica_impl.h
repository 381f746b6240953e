/* Shared inside engine/replica only: the handle, a write session, and the records it works on. */
#ifndef PH_REPLICA_IMPL_H
#define PH_REPLICA_IMPL_H
#include "replica/replica.h"

#define PH_BATCH_BYTES (4u << 20) /* applied in one transaction, about */
#define PH_BATCH_COUNT 4096u /* of random keys: a page of the index each, in memory until the commit */
#define PH_SIGN_COUNT  1024u      /* sign at least this often ... */
#define PH_SIGN_BYTES  (4u << 20) /* ... or after this much */

struct ph_schemas; /* cache of compiled `_type` records, see schema.c */

struct ph_replica {
    char *path;
    ph_log *log;
    ph_store *store;
    uint32_t index_number;
    ph_keypair *keys; /* NULL when read-only without a readable key */
    ph_id key;
    ph_log_token token; /* the lock page's when the key was read: another one means another key */
    ph_hasher *hasher;
    ph_names *names;
    ph_ids *ids; /* of the last changesets */
    ph_words *words; /* NULL until a text is cut */
    ph_replica_options options;
    char *user;
    ph_txn *reader; /* kept and renewed */
    ph_view *view;  /* open views share one reader: nested begin counts up */
    unsigned view_depth;
    struct ph_session *session; /* the open write, if any */
    struct ph_session *spare;   /* the memory of one that ended */
    struct ph_schemas *schemas;
    struct ph_kept *kept; /* the last large changesets that stories came from: story.c */
    struct ph_past *past; /* shows an earlier version: past.c */
    ph_buf scratch;
    int64_t uuid_ms; /* of the last UUIDv7 */
    uint64_t uuid_count;
    uint8_t random[512]; /* drawn ahead: a system call for many ids */
    size_t random_left;
    uint64_t last_write_us;
    bool wrote;                              /* since the index was last made clean */
    bool marked_unclean;                     /* by this handle, on disk */
    bool shared;                             /* holds the open lock */
    bool suspect; /* something in the log could not be read: damage to be looked for and noted */
    bool forgot;  /* the index was made from a log that had lost more than was noted: own changesets may be among it */
    uint64_t unsigned_count, unsigned_bytes; /* own changesets since the last signature, a hint */
    uint64_t jobs_none; /* no index was unfinished when state.schema + 1 was this */
    bool finishing;     /* ph_secondary_finish runs */
    bool jobs_later;    /* what commits leave waits for ph_indexes_finish.. */
    bool jobs_due;      /* ..and there may be some */
    ph_progress_fn progress; /* of a rebuild */
    void *progress_ctx;
    bool telling;   /* it is told just now: there is no index to read */
    bool temporary; /* the index lies in a temporary directory: removed at close */
    char index_path[PH_PATH_MAX];
    char notice[PH_PATH_MAX + 200];
};

/* ---- a write session: lock, transaction, and what it collects ------------------------------------------ */

typedef struct ph_work_record { /* a record in the session's memory */
    uint8_t key[20];            /* type u32, uuid */
    ph_record rec;
    bool queued;                 /* in the list of records to store */
    bool is_new;                 /* had no row before the session */
    bool was_alive;              /* in its row */
    bool recount;                /* of a counter something is taken back: it is counted anew.. */
    bool mended;                 /* ..from its first changeset on, for what came late may be marked */
    struct ph_pend_record *pend; /* change.c: what this transaction did to it */
} ph_work_record;

typedef struct ph_touched { /* a cell to settle before the commit */
    ph_work_record *wr;
    uint32_t field;
} ph_touched;

typedef struct ph_new_changeset { /* applied in this session, rows not written yet */
    ph_changeset_row row;
    uint64_t version;
    size_t payload_offset; /* of its frame, when the session appends it */
    const ph_changeset *cs;
} ph_new_changeset;

typedef struct ph_new_history { /* version 0: the row of the number itself, of `fresh` */
    uint64_t number, version, offset_plus_1;
    const ph_work_record *fresh;
} ph_new_history;

typedef struct ph_new_signature {
    uint64_t version;
    size_t payload_offset;
    ph_position position;
} ph_new_signature;

/* A damaged range of the log. */
typedef struct ph_hole {
    ph_position from, to;
    bool more; /* what lay there is not all known */
} ph_hole;

/* A changeset that damage took, or that was appended again (mend.c). */
typedef struct ph_mend {
    uint64_t version, seq, lamport;
    int64_t time;
    ph_id id, replica;
    ph_position from, to;    /* the damaged range it was in; 0, 0: it is mended */
    ph_position position;    /* of the frame that brings it back */
    size_t payload_offset;   /* the same, when this session appends it */
    uint32_t size;
    bool told;               /* id and so on are known */
    bool again;              /* told: it lay there inside a local frame, appended again before */
} ph_mend;

typedef struct ph_ix_op { /* a row of a secondary index to write or remove */
    prophet_slice key;
    ph_uuid uuid;
    uint16_t cut;
    bool add;
} ph_ix_op;
typedef PH_LIST(ph_ix_op) ph_ix_ops;

typedef PH_LIST(ph_cell_key) ph_cell_list;

typedef struct ph_session {
    ph_replica *r;
    ph_txn *txn;
    ph_arena arena;
    ph_state state;
    bool locked;
    bool replaying; /* frames come from the own log: nothing is appended */
    ph_map records; /* key -> ph_work_record */
    PH_LIST(ph_work_record *) queue;
    PH_LIST(ph_touched) touched;
    PH_LIST(ph_new_changeset) changesets;
    PH_LIST(ph_new_history) history;
    PH_LIST(ph_new_signature) signatures;
    PH_LIST(ph_replica_row *) replicas; /* loaded rows */
    PH_LIST(ph_mend) mends;             /* rows of changesets to change at the commit, in order */
    bool rebuilding;                    /* replaying from the start */
    bool mended;                        /* local frames of kinds 4 and 5 were applied */
    ph_map ids;                         /* id -> index into changesets + 1, of this session */
    ph_map replica_keys;                /* key -> ph_replica_row */
    ph_buf payload;                     /* frames to append */
    uint32_t payload_frames;
    ph_frame_context stream; /* of the log's end */
    bool untold;         /* rows of numbers were written that do not tell their version yet */
    bool schema_touched; /* _type, _voter or a succession line changed: rules, weights, indexes */
    bool all_types;      /* weights or lines: re-settle all open conflicts */
    bool others_asked;   /* another set of resolvers: so are the questions that are due to it */
    bool inverted;       /* the changeset at hand names a ref that is not below it by lamport */
    uint64_t opened, forks; /* counters for reports */
    ph_cell_list *opened_cells; /* gets the cells that were opened; NULL: nobody asks */
    ph_ix_ops ix_ops;
    ph_ix_ops ix_before, ix_after; /* of the record at hand */
    ph_buf ix_key, ix_number;
    ph_buf body, frame; /* of the changeset being written; its frame but for the body */
    ph_changeset_row last; /* of the version that was the greatest at the start */
    uint64_t last_version;
    ph_arena row_arena; /* reset per record while flushing */
    PH_LIST(ph_text_writer *) text_writers; /* of this flush */
    ph_arena text_arena;                    /* what they point to */
} ph_session;

/* session.c */
prophet_code ph_session_begin(ph_replica *r, ph_session **out, prophet_error *err);
prophet_code ph_session_commit(ph_session *s, ph_position *flush_to,
                               prophet_error *err); /* ends it either way */
void ph_session_abort(ph_session *s);
/* The frame of a changeset to append: where it will lie in the payload, and how long it is. */
prophet_code ph_session_add_frame(ph_session *s, const ph_changeset *cs, size_t *at, size_t *size, prophet_error *err);
prophet_code ph_session_store_replicas(ph_session *s, prophet_error *err);
/* A session whose rows are written on the overlay of a past version: nothing is locked, nothing appended. */
prophet_code ph_session_over(ph_replica *r, const ph_state *state, ph_session **out,
                             prophet_error *err);
void ph_session_over_end(ph_session *s);
/* Forgets all work and starts again on a fresh transaction, with the lock kept. */
prophet_code ph_session_restart(ph_session *s, prophet_error *err);
prophet_code ph_session_wait_durable(ph_replica *r, ph_position upto, prophet_error *err);
/* One transaction without a batch, for index files that nobody else sees. */
prophet_code ph_session_alone(ph_replica *r, prophet_code (*work)(ph_session *s, prophet_error *err),
                              prophet_error *err);

/* work.c */
prophet_code ph_work_record_get(ph_session *s, uint32_t type, const ph_uuid *uuid,
                                ph_work_record **out, prophet_error *err);
prophet_code ph_work_number(ph_session *s, ph_work_record *wr, prophet_slice type,
                            prophet_error *err); /* gives a new record its number */
bool ph_work_queue(ph_session *s, ph_work_record *wr);
/* Takes a stored record out of all indexes, before its row goes. */
prophet_code ph_work_unindex(ph_session *s, const ph_work_record *wr, prophet_error *err);
bool ph_work_touch(ph_session *s, ph_work_record *wr, const ph_cell *c);
prophet_code ph_work_flush(
    ph_session *s,
    prophet_error *err); /* settles, then writes all rows but those of changesets and state */
prophet_code ph_work_store_reserved(ph_session *s,
                                    prophet_error *err); /* rules and weights are read from rows */

/* cells.c: one operation on a record in memory */
prophet_code ph_apply_life(ph_session *s, ph_work_record *wr, bool alive, const uint64_t *over,
                           size_t n, uint64_t version, prophet_error *err);
prophet_code ph_apply_register(ph_session *s, ph_work_record *wr, uint32_t field,
                               prophet_slice value, const uint64_t *over, size_t n,
                               uint64_t version, prophet_error *err);
prophet_code ph_apply_element(ph_session *s, ph_work_record *wr, uint32_t field,
                              prophet_slice value, bool add, const uint64_t *over, size_t n,
                              uint64_t version, prophet_error *err);
prophet_code ph_apply_counter(ph_session *s, ph_work_record *wr, uint32_t field, int64_t amount,
                              prophet_error *err);
/* counter.c */
typedef struct ph_counter_op { /* an increment, or an integer that was added to or removed from the set of that name: a mark, perhaps */
    uint64_t version;
    uint32_t field, over_count;
    ph_op_kind kind;
    int64_t n;
    const uint64_t *over;
} ph_counter_op;
typedef struct ph_counter_story { /* of one record; { 0 } to begin with */
    PH_LIST(ph_counter_op) ops;
    size_t ordered; /* so many are in order; those that came after are not */
    uint64_t fresh; /* from this version on they are in no row yet */
    ph_arena arena;
} ph_counter_story;
prophet_code ph_counter_note(ph_counter_story *story, const ph_names *names, const ph_change *ch,
                             const uint64_t *versions, uint64_t version, prophet_error *err);
/* What this session has not written yet, then the record's history back to `from`, or as far as marks reach: who is before them neither
 * counts nor stops to count by what comes now. The caller clears it, after a failure too. */
prophet_code ph_counter_story_read(ph_session *s, const ph_work_record *wr, uint64_t from,
                                   ph_counter_story *story, prophet_error *err);
void ph_counter_story_clear(ph_counter_story *story);
/* All counters of the record, as the story tells them. */
prophet_code ph_counter_recount(ph_counter_story *story, ph_record *rec, prophet_error *err);
/* The same at the end of a session, by the history. */
prophet_code ph_counter_flush(ph_session *s, ph_work_record *wr, prophet_error *err);
/* Does the increment of a counter by this version count, or was it taken back? By a story that was read. */
prophet_code ph_counter_in_force(const ph_counter_story *story, uint32_t field, uint64_t version,
                                 bool *yes, prophet_error *err);
extern const prophet_slice ph_life_alive, ph_life_dead; /* canonical texts */

/* apply.c */
/* Is it here? PROPHET_DONE: no. What comes behind all that is here of its replica is not, as most that is pulled: that needs no look into ids. */
prophet_code ph_apply_find(ph_session *s, const ph_changeset *cs, uint64_t *version, prophet_error *err);
/* PROPHET_DONE: *missing is not here yet, nothing was changed. */
prophet_code ph_apply_names(ph_session *s, const ph_changeset *cs, uint64_t *versions,
                            ph_id *missing, prophet_error *err);
/* The versions of those names alone that its operations go over; the others are left as they are. */
prophet_code ph_apply_names_of(ph_session *s, const ph_changeset *cs, const ph_change *ch,
                               uint64_t *versions, ph_id *missing, prophet_error *err);
prophet_code ph_apply_changeset(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                                size_t payload_offset, ph_position position,
                                prophet_error *err);
/* The same for a changeset of this replica, whose body change.c may have applied while it was being written. */
prophet_code ph_apply_placed(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                             size_t payload_offset, bool apply_body, prophet_error *err);
void ph_touch_schema(ph_session *s, prophet_slice type); /* a record of this type changed */
prophet_code ph_apply_body(ph_session *s, const ph_changeset *cs, const uint64_t *names,
                           uint64_t version, prophet_error *err);
prophet_code ph_apply_to_record(ph_session *s, ph_work_record *wr, const ph_change *ch,
                                const uint64_t *names, uint64_t version, prophet_error *err);
/* Sets s->inverted for the changeset: refs are the versions of its refs. */
prophet_code ph_apply_inversion(ph_session *s, const ph_changeset *cs, const uint64_t *refs,
                                uint64_t lamport, prophet_error *err);
prophet_code ph_apply_signature(ph_session *s, const ph_id *id, size_t payload_offset,
                                ph_position position, prophet_error *err);
/* Chain and frontier go on with a version of which nothing but its replica and seq is known. */
prophet_code ph_apply_gap(ph_session *s, ph_replica_row *rep, uint64_t seq, uint64_t version,
                          prophet_error *err);
/* A local frame, read from the log at this position, or (0) being appended at this offset of the payload. */
prophet_code ph_apply_local(ph_session *s, prophet_slice frame, size_t payload_offset,
                            ph_position position, prophet_error *err);
prophet_code ph_session_replica(ph_session *s, const ph_id *key, ph_replica_row **out,
                                prophet_error *err); /* made if new */
prophet_code ph_session_changeset_row(ph_session *s, uint64_t version, ph_changeset_row *out,
                                      prophet_error *err);
/* The decoded changeset of a version: of this session, or read from the log into the session's arena. */
prophet_code ph_session_changeset(ph_session *s, uint64_t version, const ph_changeset **out,
                                  prophet_error *err);
/* The same for what is asked of one changeset many times; it lives until the next one is looked at. PROPHET_DONE: not here. */
prophet_code ph_session_look(ph_session *s, uint64_t version, ph_arena *scratch,
                             ph_changeset *out, prophet_error *err);

/* mend.c: damage in the log, and what is appended again. A replay that meets damage puts what was mended in its place. */
/* Local frames of kinds 4 and 5: remembered, to be done at the commit. position 0: appended by this session at payload_offset. */
prophet_code ph_mend_damage(ph_session *s, prophet_slice frame, prophet_error *err);
prophet_code ph_mend_changeset(ph_session *s, prophet_slice frame, size_t payload_offset,
                               ph_position position, prophet_error *err);
/* The changeset's frame inside a local frame; false: it is another kind. */
bool ph_mend_open(prophet_slice frame, uint64_t *version, prophet_slice *changeset);
/* Appends a lost changeset again, so that it keeps its version; cs is known by its id. */
prophet_code ph_mend_append(ph_session *s, uint64_t version, const ph_changeset *cs,
                            prophet_error *err);
/* Notes damage: the range, and of what it took the versions and ids; more: there was what nobody knows. */
prophet_code ph_mend_note(ph_session *s, ph_position from, ph_position to, const ph_mend *lost,
                          size_t count, bool more, prophet_error *err);
/* Changes the rows; before the state is stored. */
prophet_code ph_mend_store(ph_session *s, ph_position batch, prophet_error *err);

/* holes.c: what the local frames of the log tell of damage. */
typedef struct ph_holes {
    PH_LIST(ph_mend) mends; /* in the order of the log */
    ph_map back;            /* id -> the last of these that brings it back */
    PH_LIST(ph_hole) noted;
} ph_holes;
#define PH_HOLES_INIT { .back = PH_MAP_INIT }
prophet_code ph_holes_load(ph_replica *r, ph_holes *h, prophet_error *err);
void ph_holes_clear(ph_holes *h);
/* All that is known to have lain in this range, by version. */
prophet_code ph_holes_between(const ph_holes *h, ph_position from, ph_position to, ph_arena *a,
                              const ph_mend ***out, size_t *count, prophet_error *err);
/* Was it noted? more: not all of what lay there is known. */
bool ph_holes_know(const ph_holes *h, ph_position from, ph_position to, bool *more);
/* What a frame behind it may leave out; *ctx is what the frame before it says. */
prophet_code ph_holes_behind(const ph_holes *h, ph_position from, ph_position to, ph_arena *a,
                             ph_frame_context *ctx, prophet_error *err);

/* replay.c: what the log has beyond the index, around its damage. With the lock held (or the index exclusively owned). */
prophet_code ph_session_replay(ph_replica *r, prophet_error *err);
prophet_code ph_session_start(ph_session *s, prophet_error *err); /* session.c: its transaction and state */
void ph_session_forget(ph_session *s);                            /* ... its work ... */
ph_session *ph_session_new(ph_replica *r); /* empty; NULL: no memory */
void ph_session_free(ph_session *s); /* or keeps it for the next */
void ph_session_drop(ph_session *s);
prophet_code ph_session_store_rows(ph_session *s, ph_position batch, prophet_error *err);

/* damage.c: looks through the whole log for damage that was not noted yet and notes it: what it took is lost until somebody gives
 * it back. What only this replica knew (questions asked, local values) is appended again from the index. */
prophet_code ph_damage_survey(ph_replica *r, prophet_error *err);
prophet_code ph_damage_keep(ph_txn *t, const ph_hole *hole, prophet_error *err); /* its row */
/* Was this damaged range noted? */
prophet_code ph_damage_noted(ph_txn *t, ph_position from, ph_position to, bool *yes,
                             prophet_error *err);

/* orphans.c: changesets of the own log behind damage, now that what they name may be here: taken in once more. */
prophet_code ph_orphans_take(ph_intake *in, prophet_error *err);
prophet_code ph_orphans_settle(ph_replica *r, prophet_error *err); /* the same, if there are any, without a pull */
/* intake.c: a changeset of the own log: nobody need prove it. */
prophet_code ph_intake_own(ph_intake *in, const ph_changeset *cs, prophet_error *err);
ph_replica *ph_intake_replica(ph_intake *in);

/* local.c */
prophet_code ph_local_add(ph_session *s, ph_buf *frame, prophet_error *err); /* appends and applies it; clears it */
bool ph_local_open(prophet_slice frame, ph_item members[8]);
enum { PH_LOCAL_ASKED = 1, PH_LOCAL_VALUE, PH_LOCAL_CAME, PH_LOCAL_DAMAGE, PH_LOCAL_CHANGESET };
/* An asked row again, from the bytes of its key and value, as the table has it. */
prophet_code ph_local_asked_again(ph_session *s, prophet_slice key, prophet_slice what,
                                  prophet_error *err);
extern const char ph_resolvers_asked[]; /* local value: hash of the set of resolvers that was asked last */
/* Was this question put to those? */
prophet_code ph_question_asked(ph_txn *t, const ph_cell_key *key, const uint8_t question[32],
                               bool *asked, prophet_error *err);
prophet_code ph_local_asked(ph_session *s, const ph_cell_key *cell, const uint8_t question[32],
                            const uint8_t resolver[32], prophet_slice what, prophet_error *err);
/* The last `count` changesets of this session came from elsewhere. */
prophet_code ph_local_came(ph_session *s, int64_t time, uint64_t count, prophet_error *err);
prophet_code ph_local_value(ph_session *s, prophet_slice name, prophet_slice value,
                            prophet_error *err);

/* author.c: what this replica itself appends */
prophet_code ph_author_header(ph_session *s, ph_header *h,
                              prophet_error *err); /* all but refs and body */
/* Seals cs (header with refs, body), appends its frame and applies it to the DAG; `body`: its changes too. names as for apply. */
prophet_code ph_author_append(ph_session *s, ph_changeset *cs, const uint64_t *names,
                              bool apply_body, prophet_error *err);
prophet_code ph_author_sign(ph_session *s, const ph_keypair *keys, const ph_id *id,
                            prophet_error *err);

/* vote.c */
prophet_code ph_apply_vote(ph_session *s, const ph_vote *v, const uint64_t *names, uint64_t version,
                           prophet_error *err);
/* What a changeset wrote into a register or life cell; false: it did not. */
bool ph_changeset_wrote(const ph_changeset *cs, prophet_slice type, const ph_uuid *record,
                        prophet_slice field, prophet_slice *value, ph_over *over);

/* settle.c */
prophet_code ph_settle_touched(ph_session *s, prophet_error *err);
/* This cell too, although no operation touches it. */
prophet_code ph_settle_later(ph_session *s, const ph_cell_key *cell, prophet_error *err);
/* Fills heads with stamps and ballots with weights, ready for ph_settle. Used by sessions and views alike (s or v is NULL). */
typedef struct ph_lookup {
    ph_replica *r;
    ph_txn *txn;
    ph_session *s;
    uint64_t stamp;
} ph_lookup;
prophet_code ph_cell_question_load(const ph_lookup *l, ph_record *rec, ph_cell *c,
                                   prophet_slice type, prophet_slice field, ph_arena *a,
                                   ph_cell_question *out, ph_stored_ballot **ballots,
                                   prophet_error *err);

/* kept.c: the last large changesets that were read back, decoded. Both take NULL. */
typedef struct ph_kept ph_kept;
void ph_kept_free(ph_kept *k);
void ph_kept_trim(ph_kept *k); /* lets go of what takes much memory */

/* part.c: what a changeset did to one record, copied: the positions in it are those of `names`, which are versions. */
typedef struct ph_part {
    const ph_change *change; /* NULL: none */
    const ph_vote *votes;
    size_t vote_count;
    const uint64_t *names;
} ph_part;
prophet_code ph_part_cut(ph_replica *r, ph_txn *t, const ph_changeset *cs, prophet_slice type,
                         const ph_uuid *record, ph_arena *a, ph_part *out, prophet_error *err);
/* The version of the changeset at a position of its names. ECORRUPT when that is not here. */
prophet_code ph_changeset_named(ph_replica *r, ph_txn *t, const ph_changeset *cs, uint32_t pos,
                                uint64_t *version, prophet_error *err);

/* story.c: all writes and votes a cell ever had, from the log */
typedef struct ph_cell_story {
    ph_cell_write *writes;
    size_t write_count;
    ph_ballot *ballots;
    ph_conflict_vote *votes; /* the same ones, for showing */
    size_t ballot_count;
} ph_cell_story;
prophet_code ph_story_read(ph_view *v, const ph_named *record, prophet_slice type,
                           prophet_slice field, ph_arena *a, ph_cell_story *out,
                           prophet_error *err);

/* past.c, past_open.c, past_point.c */
bool ph_past_has(const struct ph_past *p, uint64_t version);
prophet_code ph_past_complete(struct ph_past *p, prophet_error *err); /* all records, before a scan */
prophet_code ph_past_frontier(ph_view *v, prophet_error *err);        /* fills v->state.frontier */
void ph_past_free(struct ph_past *p);

/* schema.c: compiled from the rows of `_type` and `_voter` records in t; `stamp` is state.schema of that snapshot */
prophet_code ph_schemas_get(ph_replica *r, ph_txn *t, uint64_t stamp, prophet_slice type,
                            const ph_schema **out, prophet_error *err);
void ph_schemas_forget(ph_replica *r);
void ph_schemas_free(ph_replica *r);
prophet_code ph_schema_uuid(ph_replica *r, prophet_slice type, ph_uuid *out,
                            prophet_error *err); /* of its `_type` record */
/* Which type a `_type` record defines; empty: none that was ever named here. */
prophet_code ph_schema_type_of(ph_session *s, ph_record *rec, prophet_slice *out,
                               prophet_error *err);
prophet_code ph_schema_intern(ph_session *s, ph_work_record *wr,
                              prophet_error *err); /* after a change of a `_type` record */
/* weights.c */
prophet_code ph_schemas_weight(ph_replica *r, ph_txn *t, uint64_t stamp, uint32_t ridx,
                               ph_id *voter, uint64_t *weight, prophet_error *err);
/* secondary.c */
prophet_code ph_secondary_update(ph_session *s, const ph_schema *schema, ph_work_record *wr,
                                 prophet_error *err); /* before its row is stored */
prophet_code ph_secondary_flush(ph_session *s, prophet_error *err);
/* The rows a record has by these indexes, appended to s->ix_after. */
prophet_code ph_secondary_rows(ph_session *s, const ph_schema *schema, ph_record *rec,
                               prophet_error *err);
/* secondary_build.c: indexes that are declared and not there are built, the rest is dropped; a part of that now, what is left in
 * transactions of their own behind the commit. */
prophet_code ph_secondary_declare(ph_session *s, const ph_schema *schema, prophet_error *err);
/* Behind a commit, without the lock: whatever is left. What fails is done by the next writer. */
/* One more part of a full-text index; the job is put or, at the end, removed. */
prophet_code ph_fulltext_build(ph_session *s, const ph_schema *schema, ph_ix_job *job, prophet_error *err);
/* An empty index, as it is declared, and the job that fills it; no row of another is left. */
prophet_code ph_fulltext_begin(ph_session *s, const ph_schema *schema, ph_ix_job *job, prophet_error *err);
#define PH_BUILD_STEP 4096 /* records that are indexed in a transaction */
#define PH_DROP_STEP 16384 /* rows of an index that are removed in a transaction */
void ph_secondary_finish(ph_replica *r);
/* The same for an index file that nobody else sees. */
prophet_code ph_secondary_finish_alone(ph_replica *r, prophet_error *err);
/* fulltext.c */
prophet_code ph_fulltext_update(ph_session *s, const ph_schema *schema, ph_work_record *wr,
                                prophet_error *err); /* before its row is stored; schema->text */
prophet_code ph_fulltext_flush(ph_session *s, prophet_error *err);
prophet_code ph_fulltext_declare(ph_session *s, const ph_schema *schema, prophet_error *err);
void ph_fulltext_forget(ph_session *s);

/* validate.c */
prophet_code ph_validate_edits(ph_change_txn *c, const ph_schema *schema, ph_work_record *wr,
                               bool creating, const ph_edit *edits, size_t count,
                               prophet_error *err);

/* identity.c */
prophet_code ph_identity_create(const char *dir, prophet_error *err);
/* Another handle may have changed it: looked at whenever the write lock is taken. */
prophet_code ph_identity_follow(ph_replica *r, prophet_error *err);
prophet_code ph_identity_load(ph_replica *r, prophet_error *err);
prophet_code ph_identity_fits(ph_replica *r, bool *fits,
                              prophet_error *err); /* the directory is where its token says */
prophet_code ph_identity_keep(ph_replica *r, prophet_error *err); /* the token of this place */
/* A key that is not there any more: a new one; the unsigned tail of the old one is vouched for. */
prophet_code ph_identity_restore(ph_replica *r, bool *lost, prophet_error *err);
prophet_code ph_identity_vouch(ph_replica *r, prophet_error *err);
/* For what keys before this one left unsigned: it lay in damage while they were at hand, and came back later. */
prophet_code ph_identity_vouch_former(ph_replica *r, prophet_error *err);
prophet_code ph_identity_renew(ph_replica *r,
                               prophet_error *err); /* a copy: new key that succeeds the old one */
/* index_file.c */
prophet_code ph_index_open(ph_replica *r, bool alone, prophet_error *err);
prophet_code ph_index_rebuild(ph_replica *r,
                              prophet_error *err); /* with the replica held exclusively */
/* To the progress of a rebuild, if there is one. */
prophet_code ph_index_tell(ph_replica *r, const char *stage, uint64_t done, uint64_t total,
                           prophet_error *err);
prophet_code ph_replica_has_no_index(const ph_replica *r, prophet_error *err); /* EBUSY */
prophet_code ph_index_unclean(ph_replica *r, prophet_error *err); /* before the first write */
prophet_code ph_index_make_clean(ph_replica *r, prophet_error *err);
/* A fresh index of the whole log at `path`, opened; names as numbered there. */
prophet_code ph_index_build(ph_replica *r, const char *path, ph_store **store, ph_names **names,
                            prophet_error *err);
void ph_index_discard(ph_replica *r); /* the temporary index of a read-only replica */

void ph_view_free(ph_replica *r);
/* Random bytes, at most 512, drawn many at a time. */
prophet_code ph_replica_random(ph_replica *r, void *out, size_t len, prophet_error *err);
prophet_code ph_replica_new_uuid(ph_replica *r, ph_uuid *out, prophet_error *err);

#endif
