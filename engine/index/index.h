/* index: the lookup tables beside the records. All derived from the log; numbers in keys are big-endian.
 *
 * meta        "state"                      -> ph_state
 * names       'n' name                     -> id u32     |  'i' id u32 -> name
 * meta        'k' key32                    -> ridx u32   |  'r' ridx u32 -> ph_replica_row
 * changesets  version u64                  -> ph_changeset_row
 * ids         changeset id (32)            -> version varint
 * chains      ridx u32, seq u64, version u64 -> (empty): where runs begin
 * history     number u64                   -> type, uuid, the version that brought it
 * history     number u64, version u64      -> varint offset of the change in the body + 1; 0: only votes
 * recent      the same                     -> the same, of the last versions
 * conflicts   type u32, uuid, field u32    -> (empty): some writes of this cell were concurrent
 * open        the same                     -> u8 1: decided by votes, 0: by rule
 * todo        the same                     -> (empty): open, its question not yet put to the resolvers asked last
 * asked       the same, question 32, resolver 32 -> what became of it, text
 * local       name                         -> bytes (peers' state, local settings; from local frames)
 * signatures  version u64                  -> position u64 of the signature frame
 * ix          secondary indexes: drawn in index/ix.c
 * words       index u32, .. : a full-text index, drawn in index/postings.c */
#ifndef PH_INDEX_H
#define PH_INDEX_H
#include "model/model.h"
#include "store/store.h"

/* Local numbers as keys: those of reserved records (from 2^48) sort first, so that new records are appended at the end. */
#define PH_RESERVED_BASE (UINT64_C(1) << 48)
static inline void ph_number_key(void *key, uint64_t number)
{
    ph_u64be_put(key, number < PH_RESERVED_BASE ? number | UINT64_C(1) << 63 : number);
}
static inline uint64_t ph_number_of_key(const void *key)
{
    return ph_u64be(key) & ~(UINT64_C(1) << 63);
}

/* Rows that would lie all over their tables (ids, histories) are written together, when the greatest version passes a multiple of this. */
#define PH_RECENT UINT64_C(4096)
static inline uint64_t ph_recent_base(uint64_t last) /* versions up to it are in the large tables */
{
    return last - last % PH_RECENT;
}

/* ---- state: one small row, written by every commit -------------------------------------------------------- */

typedef struct ph_state {
    uint64_t position;        /* of the log applied so far (next batch) */
    uint8_t  chain[16];
    uint64_t version;         /* changesets applied */
    uint64_t number, reserved_number; /* last given out */
    uint64_t lamport;         /* greatest */
    uint64_t names;           /* last name id given out */
    uint64_t replicas;        /* last ridx given out */
    uint64_t schema;          /* counts changes of _type and _voter records and of succession lines */
    uint64_t absent;          /* changesets whose body is absent or parked */
    uint64_t lost;            /* changesets that damage took from the log and nobody gave back yet */
    uint64_t holes;           /* damaged ranges that were noted, mended or not */
    uint64_t orphans;         /* changesets in the log behind damage that wait for what they name */
    uint64_t forgot;          /* 1: made across damage that was not noted yet: nothing here tells what it took */
    uint64_t stale;           /* 1: all that was lost is back: the index is to be made anew, as the log has it now */
    uint64_t *frontier;       /* versions, ascending; in the arena */
    uint32_t frontier_count;
} ph_state;
prophet_code ph_state_load(ph_txn *t, ph_arena *a, ph_state *out, prophet_error *err); /* PROPHET_DONE: new index, *out zero */
prophet_code ph_state_store(ph_txn *t, const ph_state *s, prophet_error *err);

/* ---- names: type and field names as small numbers, in order of first appearance --------------------------- */

typedef struct ph_names ph_names; /* a cache per handle; grows only */
prophet_code ph_names_new(ph_names **out, prophet_error *err);
void         ph_names_free(ph_names *n);
/* Brings the cache up to state->names (and cuts it back after an abort). */
prophet_code ph_names_refresh(ph_names *n, ph_txn *t, uint64_t count, prophet_error *err);
uint32_t     ph_names_find(const ph_names *n, prophet_slice name);      /* 0: unknown */
prophet_slice ph_names_get(const ph_names *n, uint32_t id);             /* lives as long as the cache; empty: unknown */
prophet_code ph_names_intern(ph_names *n, ph_txn *t, ph_state *s, prophet_slice name, uint32_t *id, prophet_error *err);
/* Forgets all above `count`, uncommitted ones of a part of a transaction that was rolled back. */
void         ph_names_cut(ph_names *n, uint64_t count);
size_t       ph_names_count(const ph_names *n);
uint64_t     ph_names_epoch(const ph_names *n); /* another one when numbers that were given out may stand for other names now */

/* ---- replicas, changesets ----------------------------------------------------------------------------------- */

typedef struct ph_tip { uint64_t seq, version; } ph_tip;
typedef struct ph_replica_row {
    uint32_t ridx;
    ph_id    key;
    uint32_t succeeds;         /* ridx of the key before, 0: none */
    uint32_t line;             /* ridx of the first key of its succession line (itself if none) */
    uint64_t signed_version;   /* last changeset known to carry a signature frame of this replica, 0: none */
    uint64_t signed_seq;
    bool     forked;
    ph_tip  *tips;             /* changesets of this replica that no changeset of it follows; several: a fork */
    uint32_t tip_count;
} ph_replica_row;
prophet_code ph_replicas_find(ph_txn *t, const ph_id *key, uint32_t *ridx, prophet_error *err); /* PROPHET_DONE: unknown */
prophet_code ph_replicas_get(ph_txn *t, uint32_t ridx, ph_arena *a, ph_replica_row *out, prophet_error *err);
prophet_code ph_replicas_put(ph_txn *t, const ph_replica_row *row, bool is_new, prophet_error *err);

typedef enum ph_changeset_flags { PH_CS_RUN = 1, PH_CS_NO_BODY = 2, PH_CS_PARKED = 4, PH_CS_FORK = 8,
    PH_CS_LOST = 16, /* its frame is in a damaged range */
    PH_CS_AGAIN = 64, /* its frame was appended again, inside a local frame, and lies not where its version says */
    PH_CS_GAP = 32   /* lost before this index was built: its version is kept for it, nothing of it is applied */
} ph_changeset_flags;
typedef struct ph_changeset_row {
    ph_id    id;
    uint64_t position;   /* of its frame in the log */
    uint32_t ridx;
    uint64_t seq, lamport;
    int64_t  time;
    uint32_t size;       /* of the frame */
    uint8_t  flags;      /* PH_CS_RUN: its frame continues the run of version - 1 */
} ph_changeset_row;
prophet_code ph_changesets_get(ph_txn *t, uint64_t version, ph_changeset_row *out, prophet_error *err);
prophet_code ph_changesets_put(ph_txn *t, uint64_t version, const ph_changeset_row *row, prophet_error *err);
/* Decoding of the row for cursors over many. */
bool         ph_changesets_decode(prophet_slice row, ph_changeset_row *out);
typedef struct ph_ids ph_ids; /* the ids of the last versions; one a handle */
prophet_code ph_ids_new(ph_ids **out, prophet_error *err);
void         ph_ids_free(ph_ids *ids);
/* What it read may be wrong now: a transaction in which changesets were written was aborted, or the index is another. */
void         ph_ids_forget(ph_ids *ids);
prophet_code ph_ids_find(ph_ids *ids, ph_txn *t, const ph_id *id, uint64_t *version, prophet_error *err); /* PROPHET_DONE: not here */
/* Ids that begin with these hex digits; low: the digits, then zeros. At most max. */
prophet_code ph_ids_starting(ph_ids *ids, ph_txn *t, const ph_id *low, size_t digits, ph_id *out, size_t max, size_t *count, prophet_error *err);
/* After the changesets behind `before`, up to `last`, were written: writes the ids that are due. */
prophet_code ph_ids_move(ph_txn *t, uint64_t before, uint64_t last, prophet_error *err);
/* For a changeset that does not continue the run of the version before it (no PH_CS_RUN). */
prophet_code ph_chains_put(ph_txn *t, uint32_t ridx, uint64_t seq, uint64_t version, prophet_error *err);
prophet_code ph_signatures_put(ph_txn *t, uint64_t version, uint64_t position, prophet_error *err);
prophet_code ph_signatures_del(ph_txn *t, uint64_t version, prophet_error *err);
prophet_code ph_signatures_get(ph_txn *t, uint64_t version, uint64_t *position, prophet_error *err); /* PROPHET_DONE: none */
/* Versions at this seq of a replica (several: a fork), at most `max`. */
prophet_code ph_chains_at(ph_txn *t, uint32_t ridx, uint64_t seq, uint64_t *versions, size_t max, size_t *count, prophet_error *err);

/* ---- records -------------------------------------------------------------------------------------------------- */

typedef struct ph_history_entry { uint64_t version, offset_plus_1; } ph_history_entry;
prophet_code ph_numbers_get(ph_txn *t, uint64_t number, uint32_t *type, ph_uuid *uuid, prophet_error *err); /* PROPHET_DONE */
/* first: the version that brought it, and where in it; version 0: none */
prophet_code ph_numbers_put(ph_txn *t, uint64_t number, uint32_t type, const ph_uuid *uuid, const ph_history_entry *first, prophet_error *err);
/* For a row that tells no version yet. PROPHET_DONE: it does. */
prophet_code ph_numbers_tell(ph_txn *t, uint64_t number, const ph_history_entry *first, prophet_error *err);
prophet_code ph_numbers_del(ph_txn *t, uint64_t number, prophet_error *err);
/* Records whose id ends in these hex digits (dashes ignored); type 0: any. Scans numbers. At most `max` are returned. */
typedef struct ph_named { uint64_t number; uint32_t type; ph_uuid uuid; } ph_named;
prophet_code ph_numbers_decode(prophet_slice key, prophet_slice row, ph_named *out, prophet_error *err); /* a row of history with a key of 8 bytes */
prophet_code ph_numbers_tail(ph_txn *t, uint32_t type, const char *tail, size_t len, ph_named *out, size_t max, size_t *count, prophet_error *err);
/* Ids by number, as they were when they were looked up: all zero at first, of one handle. A row found by one must be looked at for its
 * number. */
typedef struct ph_number_cache { struct ph_number_entry *at; } ph_number_cache;
const ph_uuid *ph_number_cached(const ph_number_cache *c, uint64_t number); /* NULL: not there; lives until the next call */
void ph_number_remember(ph_number_cache *c, uint64_t number, const ph_uuid *uuid); /* c NULL: nothing */
void ph_number_cache_clear(ph_number_cache *c);
/* Versions that touched a record, but for the one that its number's row tells. last: the greatest version so far. */
prophet_code ph_history_put(ph_txn *t, uint64_t number, uint64_t version, uint64_t offset_plus_1, uint64_t last, prophet_error *err);
prophet_code ph_history_del(ph_txn *t, uint64_t number, uint64_t version, prophet_error *err);
/* When ph_recent_base(last) has risen: moves the rows that are due. */
prophet_code ph_history_move(ph_txn *t, uint64_t last, prophet_error *err);
/* All versions that touched a record, ascending, with their offsets (0: only votes). */
prophet_code ph_history_list(ph_txn *t, uint64_t number, ph_arena *a, ph_history_entry **out, size_t *count, prophet_error *err);

/* ---- conflicts -------------------------------------------------------------------------------------------------- */

typedef struct ph_cell_key { uint32_t type; ph_uuid uuid; uint32_t field; } ph_cell_key; /* 24 bytes as a key */
void ph_cell_key_put(const ph_cell_key *k, uint8_t out[24]);
bool ph_cell_key_read(prophet_slice key, ph_cell_key *out);
prophet_code ph_conflicts_mark(ph_txn *t, const ph_cell_key *k, prophet_error *err);         /* ever concurrent */
/* Open or not: writes or removes the rows of `open` and `todo`. `ask`: the question is new. */
prophet_code ph_conflicts_set(ph_txn *t, const ph_cell_key *k, bool open, bool decided, bool ask, prophet_error *err);
/* All rows of a record in these three tables. */
prophet_code ph_conflicts_erase(ph_txn *t, uint32_t type, const ph_uuid *uuid, prophet_error *err);
/* Cells of `table` (PH_T_CONFLICTS, PH_T_OPEN, PH_T_TODO) with a key above *after (NULL: from the start), within one type (0: all). At most max. */
prophet_code ph_conflicts_list(ph_txn *t, unsigned table, uint32_t type, const ph_cell_key *after, ph_cell_key *out, size_t max, size_t *count, prophet_error *err);
prophet_code ph_asked_put(ph_txn *t, const ph_cell_key *k, const uint8_t question[32], const uint8_t resolver[32], prophet_slice what, prophet_error *err);
prophet_code ph_asked_get(ph_txn *t, const ph_cell_key *k, const uint8_t question[32], const uint8_t resolver[32], prophet_slice *what, prophet_error *err);

/* ---- secondary indexes: order-preserving keys -------------------------------------------------------------------- */

/* Appends a value so that bytewise order is index order, within `room` bytes: longer texts are cut and end in PH_IX_CUT bytes that only tell
 * them apart; true when that happened. descending inverts every byte. Absent values have a code too (lowest). (drawn in index/ordered.c) */
bool ph_ordered_put(ph_buf *key, prophet_slice value, bool descending, size_t room);
/* Appends only the code of a kind and, of texts and bytes, what they begin with: a bound for all values like that. True: cut to room. */
bool ph_ordered_put_prefix(ph_buf *key, bool bytes, prophet_slice start, bool descending, size_t room);
/* The value a key begins with, appended to out as a value, absent ones as nothing; *used: its bytes of the key. A number is the integer it equals, if
 * there is one. False: keys do not tell values of this kind (blobs, lists, maps), or this one was cut. (ordered_read.c) */
bool ph_ordered_get(prophet_slice key, bool descending, ph_buf *out, size_t *used);
#define PH_IX_ROOM 480 /* bytes for all values of a key */
#define PH_IX_CUT  10u
#define PH_IX_ABSENT 0x05 /* the code of an absent value */

typedef enum ph_ix_kind { PH_IX_PLAIN, PH_IX_SET, PH_IX_COUNTER, PH_IX_LIST } ph_ix_kind; /* what a field is declared as, as far as keys differ */
typedef struct ph_index_def {
    uint32_t id;
    size_t count;
    const uint32_t *fields; /* field numbers (interned) */
    const bool *desc;
    const uint8_t *kinds;   /* ph_ix_kind */
    prophet_slice spec;     /* "status,-due" */
} ph_index_def;

typedef struct ph_ix_hit { /* what a row says of its record */
    uint64_t number;
    ph_uuid  uuid;
    size_t   cut;   /* how much of the key is told in full, where a value was cut; 0: all of it */
} ph_ix_hit;
prophet_code ph_ix_put(ph_txn *t, prophet_slice key, const ph_uuid *uuid, size_t cut, prophet_error *err);
prophet_code ph_ix_del(ph_txn *t, prophet_slice key, prophet_error *err);
prophet_code ph_ix_decode(prophet_slice key, prophet_slice value, ph_ix_hit *out, prophet_error *err);
/* The beginning of all rows of records whose values an index cannot tell (a set where none was declared): they fit anything. */
void ph_ix_odd_prefix(uint32_t index, uint8_t out[5]);

/* Marks: an index that is complete. */
prophet_code ph_ix_complete(ph_txn *t, const ph_index_def *def, bool *yes, prophet_error *err); /* built with these kinds of fields */
prophet_code ph_ix_mark(ph_txn *t, uint32_t type, const ph_index_def *def, prophet_error *err);
typedef struct ph_ix_job { /* work left on an index */
    uint32_t      index, type;
    bool          drop;          /* remove its rows; else: write them, for records behind `done` */
    prophet_slice kinds;
    bool          begun;
    ph_uuid       done;
} ph_ix_job;
prophet_code ph_ix_job_put(ph_txn *t, const ph_ix_job *job, prophet_error *err);
prophet_code ph_ix_job_del(ph_txn *t, uint32_t index, prophet_error *err);
/* What is left of building one index: records up to job->done are in it; kinds is left out. PROPHET_DONE: nothing is. */
prophet_code ph_ix_job_get(ph_txn *t, uint32_t index, ph_ix_job *out, prophet_error *err);
/* The first job of an index above `after`. PROPHET_DONE: none. kinds lies in the arena. */
prophet_code ph_ix_job_next(ph_txn *t, uint32_t after, ph_arena *a, ph_ix_job *out, prophet_error *err);
/* The next complete index above `after`, of this type (0: any). PROPHET_DONE: none. */
prophet_code ph_ix_mark_next(ph_txn *t, uint32_t type, uint32_t after, ph_arena *a, ph_ix_job *out, prophet_error *err);
prophet_code ph_ix_unmark(ph_txn *t, uint32_t index, prophet_error *err);

/* ---- full text: words ------------------------------------------------------------------------------------------------ */

#define PH_TERM_MAX 128 /* bytes of a term; longer words are cut */

/* Languages by number, 0: "none", words as they are. false: not known, *language is 0. */
bool         ph_language_find(prophet_slice name, unsigned *language);
const char  *ph_language_name(unsigned language); /* NULL: no such number */

typedef struct ph_words ph_words; /* cuts texts into words; for one thread */
typedef struct ph_word {
    prophet_slice term;       /* what it is indexed by: folded and stemmed */
    prophet_slice folded;     /* without stemming */
    uint32_t      position;   /* words before it */
    size_t        start, end; /* where it stands in the text */
} ph_word;
typedef prophet_code (*ph_word_fn)(void *ctx, const ph_word *word, prophet_error *err);
prophet_code ph_words_new(ph_words **out, prophet_error *err);
void         ph_words_free(ph_words *w);
/* Calls `see` for each word (its slices live for that call), until it returns something but PROPHET_OK, which is returned. */
prophet_code ph_words_cut(ph_words *w, unsigned language, prophet_slice text, uint32_t position, ph_word_fn see, void *ctx, prophet_error *err);
/* How much of the beginning of a word, folded, the terms of all words that begin so begin with as well; bytes. 0: that cannot be said. A word whose
 * stem differs sooner (dying, die) is not found by its beginning. */
size_t       ph_words_shared(unsigned language, prophet_slice folded);
/* A number that changes when words of this language become other terms: another Unicode, another stemmer. */
prophet_code ph_words_fingerprint(ph_words *w, unsigned language, uint64_t *out, prophet_error *err);

/* ---- full text: postings ------------------------------------------------------------------------------------------------ */

#define PH_TEXT_FIELDS 64 /* of a type; with more there is no index */

typedef struct ph_text_layout { /* which fields an index covers: slots, by field number */
    uint32_t index, type;
    uint32_t slots;
    uint32_t field[PH_TEXT_FIELDS];
    unsigned language[PH_TEXT_FIELDS];
    uint64_t fingerprint;       /* of its languages' words */
} ph_text_layout;

typedef struct ph_text_head { /* one row an index */
    ph_text_layout layout;
    uint64_t records;          /* in it */
    uint64_t total[PH_TEXT_FIELDS]; /* words of all records, by slot */
    uint64_t settled;          /* records up to this number have their postings in blocks, later ones rows of their own */
} ph_text_head;
/* PROPHET_DONE: there is no such index. */
prophet_code ph_text_head_get(ph_txn *t, uint32_t index, ph_text_head *out, prophet_error *err);
/* The first index of all with a number from *index on. PROPHET_DONE: no more. */
prophet_code ph_text_head_next(ph_txn *t, uint32_t *index, ph_text_head *out, prophet_error *err);
prophet_code ph_text_create(ph_txn *t, const ph_text_layout *layout, prophet_error *err);
/* Removes its rows, at most so many, the head before all others. *more: some are left. */
prophet_code ph_text_drop(ph_txn *t, uint32_t index, size_t most, bool *more, prophet_error *err);

/* Reads a posting: slot by slot, in each so many positions. All within its bytes. */
typedef struct ph_posting {
    prophet_slice in;            /* what is left */
    uint32_t slots, slot, count; /* of the group at hand */
    bool     more, damaged;
} ph_posting;
ph_posting   ph_posting_open(prophet_slice posting, uint32_t slots);
bool         ph_posting_group(ph_posting *p);                    /* false: no more */
bool         ph_posting_positions(ph_posting *p, uint32_t *out); /* `count` of them, rising */
bool         ph_posting_skip(ph_posting *p);                     /* over them */

/* What one record has: its words by term. Bytes of a posting are drawn in index/posting.c. */
typedef struct ph_text_term { prophet_slice term, posting; } ph_text_term;
typedef struct ph_text_doc {
    ph_text_term *terms;       /* sorted */
    size_t        count;
    uint32_t      length[PH_TEXT_FIELDS]; /* words, by slot */
} ph_text_doc;
typedef struct ph_text_part { uint32_t slot; prophet_slice text; } ph_text_part;
/* Parts of a slot follow each other (elements of a set); no phrase goes from one into the next. Memory from the arena. */
prophet_code ph_text_doc_make(ph_words *w, const ph_text_layout *layout, const ph_text_part *parts, size_t count, ph_arena *a, ph_text_doc *out, prophet_error *err);

/* Changes of one index, gathered and written in order. Opened, filled and flushed within one write. */
typedef struct ph_text_writer ph_text_writer;
prophet_code ph_text_writer_new(ph_txn *t, const ph_text_head *head, uint64_t last_number, ph_text_writer **out, prophet_error *err);
void         ph_text_writer_free(ph_text_writer *w);
/* Does an index have records that are late no more, when this is the last number given out? */
bool         ph_text_settles(const ph_text_head *head, uint64_t last_number);
const ph_text_head *ph_text_writer_head(const ph_text_writer *w);
/* before, after: NULL where the record was or will not be in the index. Each record once a flush. What they point to must live until then. */
prophet_code ph_text_writer_change(ph_text_writer *w, uint64_t number, const ph_text_doc *before, const ph_text_doc *after, prophet_error *err);
prophet_code ph_text_writer_flush(ph_text_writer *w, prophet_error *err);

/* Reads one index in one transaction, without writes between. */
typedef struct ph_text_reader ph_text_reader;
prophet_code ph_text_reader_new(ph_txn *t, const ph_text_head *head, ph_text_reader **out, prophet_error *err);
void         ph_text_reader_free(ph_text_reader *r);
const ph_text_head *ph_text_reader_head(const ph_text_reader *r);
/* How many records have a term. */
prophet_code ph_text_records(ph_text_reader *r, prophet_slice term, uint64_t *count, prophet_error *err);
/* How many words a record has, by slot; cheap for rising numbers. PROPHET_DONE: it is not in the index. */
prophet_code ph_text_lengths(ph_text_reader *r, uint64_t number, const uint32_t **out, prophet_error *err);

/* The records that have a term, by rising number. */
typedef struct ph_text_cursor ph_text_cursor;
prophet_code ph_text_cursor_open(ph_text_reader *r, prophet_slice term, ph_text_cursor **out, prophet_error *err);
void         ph_text_cursor_close(ph_text_cursor *c); /* before its reader */
/* The first with at least this number; numbers asked for never fall. PROPHET_DONE: no more. *posting lives until the next call. */
prophet_code ph_text_cursor_seek(ph_text_cursor *c, uint64_t number, uint64_t *found, prophet_slice *posting, prophet_error *err);
/* All postings of all terms that begin so, in no order of numbers; `see` gets each with its term. */
typedef prophet_code (*ph_text_fn)(void *ctx, prophet_slice term, uint64_t number, prophet_slice posting, prophet_error *err);
prophet_code ph_text_prefix(ph_text_reader *r, prophet_slice prefix, ph_text_fn see, void *ctx, prophet_error *err);

#endif
