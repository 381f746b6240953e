/* prophet.h: the C face of Prophet.
 *
 * Every call that can fail takes `err` last (NULL is fine) and returns a code: 0 done, > 0 a normal
 * outcome without a value, < 0 failed and *out untouched. `T **out` is yours to free; `const T *`
 * is borrowed. Handles belong to one thread at a time. A function of yours that is called back fills the err it is given, where it fails;
 * that may be NULL, if you gave NULL to the call it runs in. Where it fills nothing, the name of its code is the message. */
#ifndef PROPHET_H
#define PROPHET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#ifndef PROPHET_API
#define PROPHET_API __attribute__((visibility("default")))
#endif

/* ---- results ------------------------------------------------------------------------------- */

/* What went wrong, for programs to branch on; prophet_code_name gives the name Lua shows. */
typedef enum prophet_code {
    PROPHET_OK = 0,
    PROPHET_DONE = 1,           /* the end of a list; not an error */
    PROPHET_EUSAGE = -1,        /* the caller broke a documented rule */
    PROPHET_ENOTFOUND = -2,
    PROPHET_EAMBIGUOUS = -3,
    PROPHET_ETYPE = -4,         /* unknown_type */
    PROPHET_EFIELD = -5,        /* unknown_field */
    PROPHET_EVALIDATION = -6,
    PROPHET_EIMMUTABLE = -7,
    PROPHET_ESCHEMA = -8,
    PROPHET_ESTALE = -9,
    PROPHET_EREADONLY = -10,
    PROPHET_EBUSY = -11,
    PROPHET_ENEEDSSCAN = -12,
    PROPHET_EFORKED = -13,
    PROPHET_EUNRELATED = -14,
    PROPHET_EUNTRUSTED = -15,
    PROPHET_ENETWORK = -16,
    PROPHET_EREMOTE = -17,
    PROPHET_EBLOBABSENT = -18,
    PROPHET_ESCRIPT = -19,
    PROPHET_EBUDGET = -20,
    PROPHET_EINTERRUPTED = -21,
    PROPHET_ECORRUPT = -22,
    PROPHET_EFULL = -23,
    PROPHET_EIO = -24,
    PROPHET_EMEMORY = -25,
    PROPHET_EVERSION = -26,     /* version_skew: written by a format we do not read */
    PROPHET_EEXISTS = -27,
    PROPHET_EUNSIGNED = -28
} prophet_code;

/* Filled once by whoever first knows; owned by the caller, nothing to free. Unused members are "". */
typedef struct prophet_error {
    prophet_code code;
    int          sys;           /* errno or a library's code underneath, or 0 */
    char         message[320];
    char         hint[200];     /* the way out */
    char         type[72];
    char         field[104];
    char         record[40];
    char         value[80];     /* the offending value, shortened, as JSON */
    char         cause[160];
} prophet_error;

/* Borrowed bytes. */
typedef struct prophet_slice {
    const void *data;
    size_t      len;
} prophet_slice;

/* "0.1.0". Static. */
PROPHET_API const char *prophet_version(void);
/* The name of a code as Lua and the command line show it: "not_found"; "ok" and "done" for those. Static, never NULL. */
PROPHET_API const char *prophet_code_name(prophet_code code);

/* ---- vocabulary ---------------------------------------------------------------------------- */

typedef struct prophet_db     prophet_db;     /* an open replica */
typedef struct prophet_txn    prophet_txn;    /* a change: one transaction, one changeset */
typedef struct prophet_doc    prophet_doc;    /* an immutable document: fields in order, read lazily */
typedef struct prophet_iter   prophet_iter;   /* a list of documents */
typedef struct prophet_ballot prophet_ballot; /* what a policy fills in */
typedef struct prophet_vm     prophet_vm;     /* Lua with limits, for hosts without lua.h */
typedef struct prophet_call   prophet_call;   /* one call from such a Lua into the host */

typedef struct prophet_uuid { uint8_t b[16]; } prophet_uuid; /* a record or a database */
typedef struct prophet_hash { uint8_t b[32]; } prophet_hash; /* a changeset, a replica, a source text */

/* ---- values: plain data, never freed by themselves -------------------------------------------- */

typedef enum prophet_kind { /* in the order values sort */
    PROPHET_NIL,   /* absent; where a value is given: unset */
    PROPHET_BOOL,
    PROPHET_INT,
    PROPHET_FLOAT, /* finite; sorts with PROPHET_INT */
    PROPHET_TEXT,  /* UTF-8, checked */
    PROPHET_BYTES,
    PROPHET_TIME,  /* milliseconds UTC */
    PROPHET_REF,   /* a record's id */
    PROPHET_BLOB,
    PROPHET_LIST,
    PROPHET_MAP
} prophet_kind;

typedef struct prophet_value prophet_value;
typedef struct prophet_field prophet_field;
typedef struct prophet_blob {
    uint8_t       sha256[32];
    uint64_t      size;
    prophet_slice media, name; /* text */
} prophet_blob;
struct prophet_value {
    prophet_kind kind;
    union {
        bool                boolean;
        int64_t             integer; /* PROPHET_INT, PROPHET_TIME */
        double              number;  /* PROPHET_FLOAT */
        prophet_slice       bytes;   /* PROPHET_TEXT, PROPHET_BYTES */
        prophet_uuid        ref;
        const prophet_blob *blob;
        struct { const prophet_value *items; size_t count; } list;
        struct { const prophet_field *items; size_t count; } map; /* input: any order, no key twice; output: sorted */
    } as;
};
struct prophet_field { /* a named value: an entry of a map, a field of a record, an option */
    prophet_slice name;
    prophet_value value;
};

static inline prophet_value prophet_nil(void)
{
    prophet_value v = { PROPHET_NIL, { false } };
    return v;
}
static inline prophet_value prophet_bool(bool b)
{
    prophet_value v = { PROPHET_BOOL, { false } };
    v.as.boolean = b;
    return v;
}
static inline prophet_value prophet_int(int64_t i)
{
    prophet_value v = { PROPHET_INT, { false } };
    v.as.integer = i;
    return v;
}
static inline prophet_value prophet_float(double d)
{
    prophet_value v = { PROPHET_FLOAT, { false } };
    v.as.number = d;
    return v;
}
static inline prophet_value prophet_time(int64_t ms)
{
    prophet_value v = { PROPHET_TIME, { false } };
    v.as.integer = ms;
    return v;
}
static inline prophet_value prophet_text_n(const char *s, size_t len)
{
    prophet_value v = { PROPHET_TEXT, { false } };
    v.as.bytes.data = s;
    v.as.bytes.len = len;
    return v;
}
static inline prophet_value prophet_text(const char *s) /* NUL-terminated; borrowed like all pointers in values */
{
    size_t n = 0;
    while (s[n])
        n++;
    return prophet_text_n(s, n);
}
static inline prophet_value prophet_bytes(const void *data, size_t len)
{
    prophet_value v = prophet_text_n((const char *)data, len);
    v.kind = PROPHET_BYTES;
    return v;
}
static inline prophet_value prophet_ref(prophet_uuid id)
{
    prophet_value v = { PROPHET_REF, { false } };
    v.as.ref = id;
    return v;
}
static inline prophet_value prophet_list(const prophet_value *items, size_t count)
{
    prophet_value v = { PROPHET_LIST, { false } };
    v.as.list.items = items;
    v.as.list.count = count;
    return v;
}
static inline prophet_value prophet_map(const prophet_field *items, size_t count)
{
    prophet_value v = { PROPHET_MAP, { false } };
    v.as.map.items = items;
    v.as.map.count = count;
    return v;
}
static inline prophet_field prophet_put(const char *name, prophet_value value)
{
    prophet_field f = { prophet_text(name).as.bytes, value };
    return f;
}

/* A new random id (UUIDv7), rising within a process. */
PROPHET_API prophet_code prophet_uuid_new(prophet_uuid *out, prophet_error *err);
/* 8-4-4-4-12, lower case, NUL-terminated. */
PROPHET_API void prophet_uuid_format(const prophet_uuid *id, char out[37]);
/* With or without dashes, any case. EUSAGE: not an id. */
PROPHET_API prophet_code prophet_uuid_parse(const char *text, size_t len, prophet_uuid *out, prophet_error *err);
/* SHA-256 of bytes: how policies name their source. */
PROPHET_API prophet_code prophet_hash_of(prophet_slice bytes, prophet_hash *out, prophet_error *err);

/* ---- documents --------------------------------------------------------------------------------- */

/* A document answers by name or by position. Everything it gives (nested lists included) belongs to it and lives as long as it does.
 * Documents are immutable, may outlive the handle they came from, and are used by one thread at a time. Absent members are left out:
 * below, "{a, b}" says which members a document can have; "?" marks those that may be absent. */

/* true and *out: the field is there. A record's document opens just the field asked for. false: absent (*out is nil).
 * Names a record's type does not know are just absent here: hosts that want an error ask prophet_schema. */
PROPHET_API bool prophet_doc_get(const prophet_doc *d, const char *name, prophet_value *out);
/* The i-th field, i from 0; false behind the last. A record's fields come in declared order, then others by name; what is absent is passed over,
 * so are empty sets. Elements of a list document have empty names. name may be NULL. */
PROPHET_API bool prophet_doc_at(const prophet_doc *d, size_t i, prophet_slice *name, prophet_value *out);
/* What a record's document says of the record itself; false (and *out zero) if d is no record. */
typedef struct prophet_record {
    const char  *type;      /* lives as long as the document */
    prophet_uuid id;
    uint64_t     number;    /* #12 */
    uint64_t     version;   /* of the database, when it was touched last; in a change: what the change will be */
    bool         deleted;
    bool         conflict;  /* some field, or its life, has several values now */
} prophet_record;
PROPHET_API bool prophet_doc_record(const prophet_doc *d, prophet_record *out);
/* An own copy of an iterator's row. EMEMORY. */
PROPHET_API prophet_code prophet_doc_copy(const prophet_doc *d, prophet_doc **out, prophet_error *err);
PROPHET_API void prophet_doc_free(prophet_doc *d); /* NULL is fine */

/* The next document, borrowed until the next step; PROPHET_DONE at the end, and ever after. EINTERRUPTED, EBUDGET (more keys read than
 * prophet_options.reads), ECORRUPT. */
PROPHET_API prophet_code prophet_iter_next(prophet_iter *it, const prophet_doc **row, prophet_error *err);
PROPHET_API void prophet_iter_close(prophet_iter *it); /* NULL is fine; before the handle is closed */

/* Where text goes that is too long for memory. A failure ends the call it was given to. */
typedef prophet_code (*prophet_sink_fn)(void *ctx, prophet_slice chunk, prophet_error *err);
/* Appends the document as one JSON object (a record: its fields), docs/formats.md. No newline. */
PROPHET_API prophet_code prophet_doc_json(const prophet_doc *d, prophet_sink_fn sink, void *ctx, prophet_error *err);

/* ---- opening ----------------------------------------------------------------------------------- */

typedef enum prophet_durability { PROPHET_FULL, PROPHET_RELAXED /* no fsync a commit: an import */ } prophet_durability;
typedef enum prophet_voting { PROPHET_LAZY, PROPHET_EAGER /* vote also where the outcome is already right */ } prophet_voting;
typedef struct prophet_net_options prophet_net_options; /* see transports */
typedef struct prophet_options {
    uint32_t           size;        /* sizeof(prophet_options): lets this struct grow */
    bool               create;      /* make the directory if it is not there */
    bool               readonly;
    prophet_durability durability;
    prophet_voting     voting;
    const char        *user;        /* author of changes; NULL: none. Copied */
    uint64_t           reads;       /* most keys a query that scans may read; 0: 200,000 */
    int64_t          (*clock)(void *ctx); /* milliseconds UTC; NULL: the wall clock */
    void              *clock_ctx;
    uint32_t           lock_timeout_ms;   /* how long a change waits for other writers; 0: 60,000 */
    const char        *seal;        /* of prophet_clone: the key file of a sealed depot */
    const prophet_net_options *net; /* of prophet_clone: as in prophet_exchange */
    prophet_code     (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total, prophet_error *err); /* the same; what was cloned so far is removed */
    void              *progress_ctx;
    bool               dry_run;     /* of prophet_clone: says what would come; *out is NULL, and nothing stays */
} prophet_options;
#define PROPHET_OPTIONS_INIT { sizeof(prophet_options), false, false, PROPHET_FULL, PROPHET_LAZY, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, false }

/* Opens the replica in the directory `path`; options NULL: all defaults. ENOTFOUND (no replica there, and not create), EBUSY, ECORRUPT, EVERSION,
 * EREADONLY, EUSAGE. Replays or rebuilds its index when needed. Descriptors 0 to 2 that are closed are opened on /dev/null first, so that no file of the replica
 * gets the number of a standard stream. */
PROPHET_API prophet_code prophet_open(const char *path, const prophet_options *o, prophet_db **out, prophet_error *err);
/* Makes `path` (must not exist: EEXISTS) a new replica with all that `source` has, and opens it. On failure nothing is left there.
 * report (NULL is fine): as prophet_pull. */
PROPHET_API prophet_code prophet_clone(const char *source, const char *path, const prophet_options *o, prophet_db **out,
                                       prophet_doc **report, prophet_error *err);
/* Signs, flushes, closes; aborts an open change. Iterators must be closed before; documents may live on. NULL is fine. */
PROPHET_API void prophet_close(prophet_db *db);
/* What a person should be told about this open ("this directory is a copy: .."), or "". Lives as long as db. */
PROPHET_API const char *prophet_notice(const prophet_db *db);
PROPHET_API prophet_code prophet_set_user(prophet_db *db, const char *user, prophet_error *err);
/* The one call allowed from another thread (also from a signal handler): what the handle is doing now, or does next if nothing, ends soon with EINTERRUPTED;
 * what is done in a moment may still end well, and leaves it to what comes next. */
PROPHET_API void prophet_interrupt(prophet_db *db);

/* ---- upkeep ------------------------------------------------------------------------------------- */

/* {database (ref), replica (hex), path, user?, readonly, version (int), digest (hex), head (list of hex, sorted), conflicts {open, decided}}. */
PROPHET_API prophet_code prophet_info(prophet_db *db, prophet_doc **out, prophet_error *err);
/* Just the number of the newest changeset here; cheap. In a change: of the last committed one. */
PROPHET_API prophet_code prophet_db_version(prophet_db *db, uint64_t *out, prophet_error *err);
/* {changesets, records, types, replicas, conflicts, log_bytes, log_unused, index_bytes, ..}: numbers for people. */
PROPHET_API prophet_code prophet_stats(prophet_db *db, prophet_doc **out, prophet_error *err);
/* Reads everything: checksums, hashes, signatures, and the index against one built anew; also values that do not fit their schema.
 * {faults (int; 0: sound), changesets, signatures, records, forks, unsigned, parked, mixed, invalid, notes: list of {fault (bool), text}}. */
PROPHET_API prophet_code prophet_check(prophet_db *db, prophet_doc **out, prophet_error *err);
/* A new index from the log. EBUSY: others have it open. progress (NULL is fine) is called now and then with "rebuild", the bytes of the log that are read and all
 * of them, then as prophet_finish calls it; the handle is not to be used in it (EBUSY). What it fails with ends the rebuild: the index is as it was. */
PROPHET_API prophet_code prophet_rebuild(prophet_db *db, prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total, prophet_error *err),
                                         void *ctx, prophet_error *err);
/* A new index of many records is built in steps behind the commit that declares it, and one that is declared no more is removed so. later: commits of this
 * handle leave that to prophet_finish, which calls progress (NULL is fine) after each step, outside of any change, with "index", the records done and all of
 * them, or "drop", the rows removed and 0. What progress fails with ends it and is returned: all is well then, and whoever commits next goes on. */
PROPHET_API void prophet_finish_later(prophet_db *db, bool later);
PROPHET_API prophet_code prophet_finish(prophet_db *db, prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total, prophet_error *err),
                                        void *ctx, prophet_error *err);
PROPHET_API prophet_code prophet_flush(prophet_db *db, prophet_error *err);   /* all that was committed is on disk */
PROPHET_API prophet_code prophet_sign(prophet_db *db, prophet_error *err);    /* flushes and signs what this replica wrote */
PROPHET_API prophet_code prophet_adopt(prophet_db *db, prophet_error *err);   /* the directory was moved, not copied: keep the key. EBUSY */

/* ---- types --------------------------------------------------------------------------------------- */

/* A descriptor is a map {name, fields: list of maps {name, kind, + options}, indexes?: list of lists of text ("-due": descending),
 * key?: list of text (natural key), summary?, doc?, life? (rule)}.
 * kinds: string text int float bool bytes time enum user ref blob list map set counter computed many.
 * options: required, immutable, open, hidden (bool); min, max (number; length of text); values (list, or text "setting:NAME"); of (kind of elements); to (type a ref
 * points at); type, by (of many); index (bool), fulltext (bool or int), rule, doc (text), default (a constant). Others are kept as they are. */

/* Every defined type as a descriptor, by name; reserved ones (with a leading _) are left out. */
PROPHET_API prophet_code prophet_types(prophet_db *db, prophet_iter **out, prophet_error *err);
/* One type's descriptor. ETYPE, with the closest name as hint. */
PROPHET_API prophet_code prophet_schema(prophet_db *db, const char *type, prophet_doc **out, prophet_error *err);
/* Stores a descriptor. The same again, or an older copy of a newer one, writes nothing; additions merge; another kind for a field: ESCHEMA. */
PROPHET_API prophet_code prophet_txn_define(prophet_txn *t, prophet_value descriptor, prophet_error *err);
/* The id a natural key gives: fields holds at least the key's. PROPHET_DONE: the type has no natural key. EVALIDATION: one of them is missing. */
PROPHET_API prophet_code prophet_natural_id(prophet_db *db, const char *type, const prophet_field *fields, size_t count,
                                            prophet_uuid *out, prophet_error *err);

/* ---- changes --------------------------------------------------------------------------------------- */

/* One change at a time a handle; while it is open, everything read through the handle sees what it wrote. It holds the write lock: no
 * network, no waiting for people inside. EREADONLY, EBUSY, EFULL, EFORKED; EUSAGE: one is open already. message NULL: none. */
PROPHET_API prophet_code prophet_txn_begin(prophet_db *db, const char *message, prophet_txn **out, prophet_error *err);
/* Writes one changeset and ends the change, whatever is returned. PROPHET_DONE: there was nothing to write. EUSAGE: a savepoint is open; nothing is written. id, version may be NULL.
 * EIO with "unknown" in its message: the disk failed so that nobody can tell whether it was written. */
PROPHET_API prophet_code prophet_txn_commit(prophet_txn *t, prophet_hash *id, uint64_t *version, prophet_error *err);
PROPHET_API void prophet_txn_abort(prophet_txn *t); /* NULL is fine */
/* Savepoints nest (up to 8): rollback takes back all since the newest one, release keeps it; both end it. */
PROPHET_API prophet_code prophet_txn_savepoint(prophet_txn *t, prophet_error *err);
PROPHET_API prophet_code prophet_txn_release(prophet_txn *t, prophet_error *err);
PROPHET_API prophet_code prophet_txn_rollback(prophet_txn *t, prophet_error *err);

/* Records. Values are checked against the type: ETYPE, EFIELD, EVALIDATION, EIMMUTABLE fill type, field and value of err. A failed call
 * wrote nothing, and the change goes on. doc (NULL is fine): the record as it is now. A type nobody defined takes any field: its values are registers. */

/* A new record of `fields` (values of set fields are lists; of counters not allowed: EUSAGE, as is a field given twice; nil: left out). id NULL: a new one, or the natural key's.
 * EEXISTS: a living record has it; a dead one is revived. */
PROPHET_API prophet_code prophet_txn_create(prophet_txn *t, const char *type, const prophet_uuid *id, const prophet_field *fields,
                                            size_t count, prophet_doc **doc, prophet_error *err);
/* The record that the last prophet_txn_create of this change made (its type is ""), for callers that want no document yet. The number of a new record is
 * final once its change is committed: what a document read inside says may differ. false: none was made. */
PROPHET_API bool prophet_txn_created(const prophet_txn *t, prophet_record *out);
typedef enum prophet_op {
    PROPHET_SET,    /* a register; on a set: a list, of which the difference is written; nil: as unset */
    PROPHET_UNSET,  /* value ignored; removes the elements of a set */
    PROPHET_ADD,    /* one element */
    PROPHET_REMOVE, /* one element */
    PROPHET_INCR    /* an integer */
} prophet_op;
typedef struct prophet_edit {
    prophet_op    op;
    prophet_slice field;
    prophet_value value;
} prophet_edit;
/* Edits a living record. Setting what is there already writes nothing. since: the version of the document the caller has read; if a field that is
 * set or unset was written after it, ESTALE; 0: no such check. ENOTFOUND: there is none, or it is deleted. EUSAGE: a field that is set or unset has another
 * edit, too; elements of one set and increments of one counter may be several. */
PROPHET_API prophet_code prophet_txn_update(prophet_txn *t, const char *type, const prophet_uuid *id, uint64_t since,
                                            const prophet_edit *edits, size_t count, prophet_doc **doc, prophet_error *err);
/* ENOTFOUND: there never was such a record. Deleting a dead or restoring a living one writes nothing. */
PROPHET_API prophet_code prophet_txn_delete(prophet_txn *t, const char *type, const prophet_uuid *id, prophet_doc **doc, prophet_error *err);
/* Takes back what a changeset did (its id, the start of it, or its version). What was changed since becomes a conflict and is not lost;
 * records deleted since stay so; what a revert took back already is not taken back again. PROPHET_DONE: nothing of it is left to take back. EUSAGE: it defines types or only votes, or a record of it
 * was written before in this change. */
PROPHET_API prophet_code prophet_txn_revert(prophet_txn *t, prophet_value changeset, prophet_error *err);
PROPHET_API prophet_code prophet_txn_restore(prophet_txn *t, const char *type, const prophet_uuid *id, prophet_doc **doc, prophet_error *err);

/* Reserved types are records as well, read and written by the same calls: _setting {name, value} (key: name), _voter {replica (hex), weight (int)}
 * (key: replica). _type is read only: prophet_txn_define writes it. */

/* ---- reading ------------------------------------------------------------------------------------------ */

/* Between begin and end (they nest) all reads of the handle see one snapshot, but those of a change that is made meanwhile. Not inside a change. Do not wait for anything meanwhile. */
PROPHET_API prophet_code prophet_view_begin(prophet_db *db, prophet_error *err);
PROPHET_API void prophet_view_end(prophet_db *db);

/* One record; name is its id (PROPHET_REF: the fast way), its local number (PROPHET_INT), or text: "#12", an id, a unique tail of an id. type NULL: any.
 * Deleted ones are found when named by id or number: look at prophet_record.deleted. PROPHET_DONE: no such record. EAMBIGUOUS, ETYPE. */
PROPHET_API prophet_code prophet_get(prophet_db *db, const char *type, prophet_value name, prophet_doc **out, prophet_error *err);

/* Living records that fit. spec: a map
 *   type    text
 *   where?  a condition: a list that starts with its name:
 *           {"and", c..} {"or", c..} {"not", c}     "and" of none holds, "or" of none does not
 *           {"eq" | "lt" | "le" | "gt" | "ge", field, value}  {"between", field, low, high} (both included)  {"in", field, {values..}}
 *           {"has", field, element} of sets and lists   {"prefix" | "contains", field, text} bytewise   {"present" | "missing", field}
 *           1 equals 1.0; all but "missing" and "not" fail for an absent field. field is a field's name, a path along references
 *           ("milestone.due"), or one of id, n, version if the type has no field so named.
 *   order?  list of field names, descending with a leading "-"; absent values lowest; ties by local number. Without it: by local number
 *           score: how well a record fits the match of where, unless there is a field of that name
 *   limit?  int       after? list: the order fields' values (nil: absent) and the local number of the last row seen: rows strictly after it
 *   deleted? bool: the dead ones instead          scan? bool: no limit on keys read
 *   using?  text: the index to read, as it is declared ("status,-due")
 *   group?  text: the field prophet_group counts by    count? bool: prophet_explain is asked of prophet_count
 *   text?   conditions in the text form (docs/queries.md), beside those of where; its sort and limit are for prophet_parse to tell
 *   params? list: what ?1, ?2 .. in the text stand for
 * Declared indexes are used where they help. What reads more keys than the handle's `reads` without an index is ENEEDSSCAN, which says what is
 * read and names the fields an index of which would help.
 * Unknown members, types and fields are errors (EUSAGE, ETYPE, EFIELD with a hint). The rows are records as they are now, whatever is
 * written while the iterator is open; inside a change: as the change sees them now. */
PROPHET_API prophet_code prophet_query(prophet_db *db, prophet_value spec, prophet_iter **out, prophet_error *err);
/* The same beside an open iterator of prophet_query: of the snapshot its rows come from, whatever was written since; all rows are gathered at once,
 * so that the answer does not depend on `of`. Of an iterator that was opened inside a change: what is there now. */
PROPHET_API prophet_code prophet_query_beside(const prophet_iter *of, prophet_value spec, prophet_iter **out, prophet_error *err);
PROPHET_API prophet_code prophet_count(prophet_db *db, prophet_value spec, uint64_t *out, prophet_error *err);
/* How many rows each value of the spec's `group` has, a field or a path: maps {value?, count} by rising value; the first may be without one, of rows
 * that have none. Of sets and lists each element counts; 1 and 1.0 are one value. Keys of an index are counted where they tell it, else rows are read. */
PROPHET_API prophet_code prophet_group(prophet_db *db, prophet_value spec, prophet_iter **out, prophet_error *err);
/* Checks a spec's type, text and params: a map of order? and limit?, as the text has them. EUSAGE, EFIELD: the message names the column. */
PROPHET_API prophet_code prophet_parse(prophet_db *db, prophet_value spec, prophet_doc **out, prophet_error *err);
/* How a query is run: a map {plan ("scan" "numbers" "ids" "index" "union" "intersect" "match"), text, index?, order ("index" "number" "sort" "top"),
 * scans, tests, estimated? (keys), help? (fields)}; run: it is, and {keys, tested, rows, fetched, ms} say what that took; fetched: rows
 * that were read. warnings?: list of lines about values that a field is declared without. With `group` or `count` in the spec: how that is told; rows are values then, or what was counted. */
PROPHET_API prophet_code prophet_explain(prophet_db *db, prophet_value spec, bool run, prophet_doc **out, prophet_error *err);
/* Where the words of a spec's matches stand in a record it gave: a map {field, pieces}, about `words` words of the text that shows most of them;
 * the second, fourth, .. of the pieces are what was found. Each stretch of white space is one space, and what is left out is an ellipsis.
 * PROPHET_DONE: no text of the record's own has one. */
PROPHET_API prophet_code prophet_snippet(prophet_db *db, prophet_value spec, const prophet_doc *row, uint32_t words, prophet_doc **out,
                                         prophet_error *err);

/* ---- history ------------------------------------------------------------------------------------------- */

/* Every changeset that touched the record, oldest first: {id (hex), version, time, author?, message?, replica (hex), action
 * ("create" "update" "delete"; absent if it only voted), changes: list of {field ("life" with life=true for life), op ("set" "unset" "add" "remove" "incr"),
 * value? (given), old?, new? (what the field showed here before and after)}, votes: list of {field, value?, by, resolver?, reason?}}. */
PROPHET_API prophet_code prophet_history(prophet_db *db, const char *type, const prophet_uuid *id, prophet_iter **out, prophet_error *err);
/* {field: {value?, changeset? (hex), version, author?, time?, replica (hex), decided_by? ("votes" "rule"), votes?, rule?}, ..}: who is behind what each field shows; of sets and
 * counters: the last write. In an open conflict, votes: those that decided, as in a conflict's document; rule: the name of the one that did.
 * What the change that is open wrote has no changeset and time yet. */
PROPHET_API prophet_code prophet_blame(prophet_db *db, const char *type, const prophet_uuid *id, prophet_doc **out, prophet_error *err);
/* The database as it was at a point, as a handle for reading only (EREADONLY): get, query, count, history, log, export, conflicts, schema and
 * version answer as they did then, schemas, rules and weights too. The point is a version of this replica (PROPHET_INT), a time (PROPHET_TIME:
 * what this replica had then, what it pulled later left out), or a changeset by its id or the start of it (PROPHET_TEXT: it and all it had
 * seen, the same on every replica). Close it like any handle, before or after db; while it is open the index keeps what it needs.
 * ENOTFOUND, EAMBIGUOUS. */
PROPHET_API prophet_code prophet_as_of(prophet_db *db, prophet_value point, prophet_db **out, prophet_error *err);
/* Records that differ between two points (b nil: now), by type and id: documents {type, record, number, action ("create", "update", "delete"),
 * changes = [{field, old, new}]}; for the life cell the field is "life" and `life` is true. */
PROPHET_API prophet_code prophet_diff(prophet_db *db, prophet_value a, prophet_value b, prophet_iter **out, prophet_error *err);
/* Changesets by ascending version: {id, replica, seq, prev?, parents?, lamport, version, time, author?, message?,
 * changes: list of {type, record (ref), number, action, fields: map field -> {set? unset? inc? add? remove?}}, votes: list of {type, record, field (""), value? unset? by resolver? reason?}}.
 * spec: a map {author?, type?, record? (ref), replica? (hex), since?, until? (times), after? (version), id? (hex, or a unique head of it), limit? (the newest so many),
 * newest? (bool: descending)}; nil: all. */
PROPHET_API prophet_code prophet_log(prophet_db *db, prophet_value spec, prophet_iter **out, prophet_error *err);
/* The same as JSON lines, and the living records as JSON lines (all: reserved types too): the contract of docs/formats.md. */
PROPHET_API prophet_code prophet_log_json(prophet_db *db, prophet_value spec, prophet_sink_fn sink, void *ctx, prophet_error *err);
PROPHET_API prophet_code prophet_export(prophet_db *db, bool all, prophet_sink_fn sink, void *ctx, prophet_error *err);

/* ---- conflicts ------------------------------------------------------------------------------------------ */

/* A conflict: {id (hex, a hash of the cell), type, record (ref), number, field ("life" with life=true for life), kind, status ("open" "closed"), decided (bool),
 * base?, candidates: list of {value?, unset (bool), author?, time, replica (hex), changeset (hex), changesets (list of hex)} by canonical bytes,
 * outcome {value?, unset, decided_by ("votes" "rule" "write")}, votes: list of {replica (hex), by ("person" "resolver"), value?, unset, reason?, resolver?, counts (bool),
 * author?, time, changeset (hex)}, closed_by? (hex), episodes (int), question (hex)}. */

/* By type, record, field. spec: a map {status? ("open" "closed"; both without it), type?, record? (ref), field?, life? (bool), id? (hex, or a unique head of it),
 * brief? (bool: type, record, field and life alone, which costs a hundredth)}; nil: all. */
PROPHET_API prophet_code prophet_conflicts(prophet_db *db, prophet_value spec, prophet_iter **out, prophet_error *err);
typedef struct prophet_cell { /* names a field of a record, or its life */
    const char  *type;
    prophet_uuid record;
    const char  *field; /* NULL: life */
} prophet_cell;
/* A person's vote; value nil: unset; life: the texts "alive" and "dead". reason NULL: none. ENOTFOUND: that cell has no open conflict. */
PROPHET_API prophet_code prophet_txn_vote(prophet_txn *t, const prophet_cell *cell, prophet_value value, const char *reason, prophet_error *err);
/* A write that has seen every head: ends the conflict. As above. */
PROPHET_API prophet_code prophet_txn_resolve(prophet_txn *t, const prophet_cell *cell, prophet_value value, prophet_error *err);

/* Policies make this replica's votes. They are asked once a question, outside of changes, by prophet_pull and prophet_poll. */
typedef enum prophet_cast { PROPHET_ABSTAIN, PROPHET_VOTE, PROPHET_ASK /* leave it to people: no other policy is asked */ } prophet_cast;
/* Inside a policy: its answer, copied at once; value nil: unset. reason NULL: none. */
PROPHET_API prophet_code prophet_ballot_cast(prophet_ballot *b, prophet_cast cast, prophet_value value, const char *reason, prophet_error *err);
/* Looks at an open conflict and casts. Without a cast, or when it fails, it abstains (the error's message is the reason). Must not use the handle. */
typedef prophet_code (*prophet_policy_fn)(void *ctx, const prophet_doc *conflict, prophet_ballot *ballot, prophet_error *err);
typedef struct prophet_policy {
    uint32_t           size;
    const char        *name;    /* copied */
    const char *const *on;      /* "type.field", "type:life", "type.*" (fields), "kind:text" (all fields of a kind), "*"; copied */
    size_t             on_count;
    prophet_hash       source;  /* of its text, for hosts without one: of anything that names what it does */
    prophet_policy_fn  fn;
    void              *ctx;
    void             (*drop)(void *ctx); /* called when the handle is closed or the policy replaced; NULL: nothing to do */
} prophet_policy;
/* Adds a policy, or replaces the one of that name. Asked in this order until one votes or asks: type.field and type:life, type.*, kind:.., *; within each in order
 * of addition. fn NULL: takes the named one away. */
PROPHET_API prophet_code prophet_policy_set(prophet_db *db, const prophet_policy *p, prophet_error *err);
/* Puts what is due to the policies, writes the votes. {asked, voted, abstained, notes: list of {conflict (hex), type, record, field, resolver, outcome ("voted" "asked people"
 * "abstained"), reason?}}; report may be NULL. Nothing to do is not an error; on a read-only handle nothing is asked. EUSAGE inside a change. */
PROPHET_API prophet_code prophet_poll(prophet_db *db, prophet_doc **report, prophet_error *err);

/* Waits until the database has more than this version, by whatever process on this machine wrote it; PROPHET_DONE: timeout_ms passed (below 0: for
 * ever). EINTERRUPTED by prophet_interrupt, EUSAGE inside a change or a view. */
PROPHET_API prophet_code prophet_wait(prophet_db *db, uint64_t version, int timeout_ms, prophet_error *err);

/* ---- exchange ------------------------------------------------------------------------------------------------ */

typedef struct prophet_exchange {
    uint32_t size;
    bool     dry_run;  /* say what would come, write nothing */
    /* Called now and then, also outside of any lock; a code below 0 ends the exchange with it (what was applied stays applied). */
    prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total, prophet_error *err);
    void    *ctx;
    const char *seal; /* the key file of a sealed depot: what is published is encrypted with it, what is pulled must be */
    const prophet_net_options *net; /* of the way to it: token, certificates, proxy; its progress is not used. NULL: defaults */
    bool     check;   /* of a publish: read all segments of the depot; what damaged ones held is published again */
} prophet_exchange;
#define PROPHET_EXCHANGE_INIT { sizeof(prophet_exchange), false, NULL, NULL, NULL, NULL, false }
/* source: the directory of a replica (read-only ones too) or of a depot, a bundle, a URL, or the name of a remote. Brings what is missing, then lets the policies vote. report (NULL is fine):
 * {changesets, replicas, writers (list of hex), new_writers (list of hex), conflicts, decided, votes, forks, unsigned, bytes, seconds (float), dry_run?, notice?};
 * where policies were asked, also abstained and notes as prophet_poll gives them.
 * options NULL: defaults. EUNRELATED (another database), EUNTRUSTED (a signature does not fit), ECORRUPT, EVERSION, ENOTFOUND, EUSAGE inside a change. */
PROPHET_API prophet_code prophet_pull(prophet_db *db, const char *source, const prophet_exchange *o, prophet_doc **report, prophet_error *err);
/* The other way: the report is about the other side. EREADONLY: it cannot be written. */
PROPHET_API prophet_code prophet_push(prophet_db *db, const char *target, const prophet_exchange *o, prophet_doc **report, prophet_error *err);
/* Pull, then push: {pull: a report, push: a report}. Where only the push fails *report is made all the same, of the pull alone. */
PROPHET_API prophet_code prophet_sync(prophet_db *db, const char *other, const prophet_exchange *o, prophet_doc **report, prophet_error *err);

/* What has happened in a live sync; event is borrowed. {pull, push} after an exchange that brought or gave something, and after the first; {error {code, message, hint?},
 * seconds (float)} when the way is lost: the time until it is tried again. PROPHET_DONE ends the sync, a code below 0 ends it with err. */
typedef prophet_code (*prophet_live_fn)(void *ctx, const prophet_doc *event, prophet_error *err);
/* Pulls and pushes whenever something is new here or there, until `told` (NULL: nobody is told) or prophet_interrupt (EINTERRUPTED) ends it. other: a live peer, the
 * directory of a replica, or a depot, by its place or the name of a remote; EUSAGE for a bundle. Waits without work meanwhile: a peer tells, a depot's root is looked at
 * each second, or up to every 30 s at a URL where nothing happens. A way that is lost is tried again after 0.1 s, then after twice as long, at most every 5 s, or every
 * 5 minutes where it is refused; also when it was never there. What cannot be mended by waiting ends it. Policies are asked after each pull. */
PROPHET_API prophet_code prophet_sync_live(prophet_db *db, const char *other, const prophet_exchange *o, prophet_live_fn told, void *ctx, prophet_error *err);

/* The same, driven by the host: prophet_sync_live is a step, then a wait, again and again. It belongs to the thread of db. */
typedef struct prophet_live prophet_live;
/* Asks nobody yet; keeps a copy of what the options point at, but for their progress. After prophet_close of db it can only be closed. */
PROPHET_API prophet_code prophet_live_open(prophet_db *db, const char *other, const prophet_exchange *o, prophet_live **out, prophet_error *err);
/* Does what is due, and waits for nothing: gives what is new here, asks the other side at most once a second, exchanges, tries a lost way again. PROPHET_DONE: `told`
 * ended it; an error: it cannot go on. Call it now and then, at once when prophet_live_wait says so. EUSAGE inside a change. */
PROPHET_API prophet_code prophet_live_step(prophet_live *l, prophet_live_fn told, void *ctx, prophet_error *err);
/* Until a step has something to do, or db has a changeset after `version` (PROPHET_OK), or timeout_ms passed, or earlier (PROPHET_DONE; below 0: as long as it likes). For
 * one live sync: who has several steps each of them once a second. EINTERRUPTED. */
PROPHET_API prophet_code prophet_live_wait(prophet_live *l, uint64_t version, int timeout_ms, prophet_error *err);
PROPHET_API void prophet_live_close(prophet_live *l); /* NULL is fine */

/* Into a depot: a directory or place (a stick, a shared folder, ..) that any number of replicas publish into and pull from, without a lock; a new one if there is
 * none. It exposes all history. What the depot has of this replica and this replica has not is pulled first. The report counts what was new there. */
PROPHET_API prophet_code prophet_publish(prophet_db *db, const char *depot, const prophet_exchange *o, prophet_doc **report, prophet_error *err);
/* A new key file for sealed depots at `path` (EEXISTS), readable by its owner alone: a random key, or a passphrase (NULL: none). Without it nobody can read what was
 * sealed with it: keep a copy. */
PROPHET_API prophet_code prophet_key_new(const char *path, const char *passphrase, prophet_error *err);
/* Writes a bundle, a file for prophet_apply, prophet_pull and prophet_clone: everything (since NULL), or what came after a version ("41"), after a changeset and all
 * it had seen (64 hex digits), or what a place had when it was last pulled from or pushed to. A bundle in its place is replaced, another file is EEXISTS.
 * The report counts what is in it, or with dry_run (all that is looked at of `o`) what would be; a bundle names first what a receiver must have. ENOTFOUND: no such point. */
PROPHET_API prophet_code prophet_bundle(prophet_db *db, const char *path, const char *since, const prophet_exchange *o, prophet_doc **report, prophet_error *err);
/* As prophet_pull, but from a bundle only. ENOTFOUND: it needs changesets that are not here, and nothing was changed. */
PROPHET_API prophet_code prophet_apply(prophet_db *db, const char *path, const prophet_exchange *o, prophet_doc **report, prophet_error *err);

/* ---- remotes and peers ----------------------------------------------------------------------------------------- */

/* A place with a name. Wherever an exchange takes a place it takes the name as well: what is no URL, holds no "/" and exists not as a file. Kept in a file of
 * mode 0600 in the replica's directory; never in the log, so never replicated. An exchange's own options go before those of the remote. */
typedef struct prophet_remote {
    uint32_t    size;
    const char *name;   /* 1 to 64 letters, digits, "_", "-", "." */
    const char *url;    /* or a path */
    const char *token;  /* these as in prophet_exchange and its net; NULL: not given */
    const char *seal, *cacert, *proxy;
} prophet_remote;
#define PROPHET_REMOTE_INIT { sizeof(prophet_remote), NULL, NULL, NULL, NULL, NULL, NULL }
/* A new one, or in the place of the one of that name. Paths are kept absolute. EUSAGE, EREADONLY. prophet_clone makes one named "origin". */
PROPHET_API prophet_code prophet_remote_set(prophet_db *db, const prophet_remote *remote, prophet_error *err);
PROPHET_API prophet_code prophet_remote_remove(prophet_db *db, const char *name, prophet_error *err); /* ENOTFOUND */
PROPHET_API prophet_code prophet_remote_rename(prophet_db *db, const char *from, const char *to, prophet_error *err); /* ENOTFOUND, EEXISTS */
/* {name, url, place (the url without secrets: for people), token?, seal?, cacert?, proxy?}, by name. The token is the secret itself. */
PROPHET_API prophet_code prophet_remotes(prophet_db *db, prophet_iter **out, prophet_error *err);
/* Remotes by name, then other places that were met and who came here while this replica was served: {name?, url? (without secrets; absent: it came here), replica? (hex),
 * last_seen? (time), ahead?, behind?}. ahead: changesets here that the
 * peer lacked when it was met last, with those that came since; behind: those it had then that are not here. Absent while they are not known. Asks nobody. */
PROPHET_API prophet_code prophet_peers(prophet_db *db, prophet_iter **out, prophet_error *err);
/* Takes one out of that list: by its place, the name of a remote (which stays), or the start of the id of who came here. ENOTFOUND: it was never met. */
PROPHET_API prophet_code prophet_peer_forget(prophet_db *db, const char *peer, prophet_error *err);

/* Who announces itself on the local network and serves this database: {url, replica (hex)}, each address once. Asks for at most timeout_ms. ENOTFOUND: built without it, or
 * libavahi-client is not installed; ENETWORK: avahi's daemon does not run; EINTERRUPTED. What is told is not proven: anybody may claim it. */
PROPHET_API prophet_code prophet_discover(prophet_db *db, uint32_t timeout_ms, prophet_iter **out, prophet_error *err);

/* ---- serving: a live peer ---------------------------------------------------------------------------------------- */

typedef struct prophet_server prophet_server; /* answers other replicas from a thread of its own */

typedef struct prophet_serve_token {
    const char *token;
    bool        write; /* may push too; else only read */
} prophet_serve_token;

typedef struct prophet_serve { /* 0 and NULL: the default */
    uint32_t                   size;
    const char                *listen;      /* "HOST:PORT"; port 0: any free one. Default 127.0.0.1:7733 */
    const char                *cert, *key;  /* PEM files: HTTPS */
    const prophet_serve_token *tokens;      /* without one that may write nobody can push; if one is for reading alone, reading needs one as well */
    size_t                     token_count;
    const char *const         *hosts;       /* names it may be called by, besides addresses, localhost and the name of this machine */
    size_t                     host_count;
    bool                       readonly;    /* takes no pushes */
    uint32_t                   connections; /* at a time: 256 */
    uint32_t                   requests;    /* at a time, those that wait for a commit aside: 64 */
    uint32_t                   timeout_s;   /* how long nothing may move: 30 */
    uint64_t                   push_bytes;  /* of one push: 1 GiB */
    /* One line a request, without secrets. Called in the server's thread. */
    void                     (*log)(void *ctx, const char *line);
    void                      *ctx;
    bool                       announce;    /* tells the local network (DNS-SD, by avahi), for prophet_discover; EUSAGE on loopback, ENOTFOUND and ENETWORK as there */
} prophet_serve;
#define PROPHET_SERVE_INIT { sizeof(prophet_serve), NULL, NULL, NULL, NULL, 0, NULL, 0, false, 0, 0, 0, 0, NULL, NULL, false }

/* Serves the directory of db until it is closed; db may be used as before, or closed. EUSAGE, EBUSY (the address is taken), ENOTFOUND (libmicrohttpd is not installed). */
PROPHET_API prophet_code prophet_server_open(prophet_db *db, const prophet_serve *o, prophet_server **out, prophet_error *err);
PROPHET_API const char *prophet_server_url(const prophet_server *s); /* "http://127.0.0.1:7733" */
/* Waits until a push brought something (0), or timeout_ms passed (PROPHET_DONE; below 0: for ever). EINTERRUPTED by prophet_interrupt of db (NULL is fine), and
 * what ended the server. After it policies are due: prophet_poll. */
PROPHET_API prophet_code prophet_server_wait(prophet_server *s, prophet_db *db, int timeout_ms, prophet_error *err);
/* Lets what is being answered end for a moment. NULL is fine. */
PROPHET_API void prophet_server_close(prophet_server *s);
/* The same over a pipe, for ssh: answers what comes from the descriptor `in` until its end. Who can start it may write, unless db or readonly says otherwise.
 * EINTERRUPTED. */
PROPHET_API prophet_code prophet_serve_pipe(prophet_db *db, int in, int out, bool readonly, prophet_error *err);

/* ---- transports: named bytes somewhere else ------------------------------------------------------------------------ */

/* A transport reads and writes named bytes at a place that a URL names; it knows nothing of records. file, http(s), dav(s), s3, s3+http(s), rsync and rsync+ssh come
 * with the library. Names are segments of [A-Za-z0-9._-], none with a leading dot, with "/" between them, at most 255 bytes: the library checks them before a
 * transport sees one, and whatever a transport gives back. */

#define PROPHET_ETAG_MAX 128
#define PROPHET_WHOLE    UINT64_MAX /* as a length: to the end; as a total or a size: not known */

struct prophet_net_options { /* of a place; borrowed while it is open */
    uint32_t    size;
    const char *token;      /* sent to the URL's own origin only, never shown; NULL: none */
    const char *cacert;     /* a file of certificates to trust instead of the system's; NULL: the system's */
    const char *proxy;      /* a URL; "": none; NULL: what the environment says */
    uint32_t    connect_ms; /* how long a connection may take to come about; 0: 15,000 */
    uint32_t    stall_ms;   /* how long nothing may move, nor an answer over HTTP come slower than 64 bytes a second; 0: 30,000 */
    uint32_t    retries;    /* how often a step is tried again that failed for a while; 0: 4; PROPHET_NO_RETRY: never */
    /* Called at least once a second while something waits or moves; stage "get", "put", "list", ..; total PROPHET_WHOLE: not known. A code below 0 ends the
     * call with it. NULL: nobody looks. */
    prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total, prophet_error *err);
    void       *ctx;
};
#define PROPHET_NO_RETRY UINT32_MAX
#define PROPHET_NET_OPTIONS_INIT { sizeof(prophet_net_options), NULL, NULL, NULL, 0, 0, 0, NULL, NULL }

typedef struct prophet_net_get { /* one reading: what is wanted, and what is told about it */
    uint32_t        size;
    uint64_t        offset, length; /* the part wanted; PROPHET_WHOLE: to the end. What lies behind the end is left out, without an error */
    uint64_t        most;           /* EREMOTE if more bytes than this would come; 0: any number */
    const char     *known;          /* the etag of what the caller has: if it is still that, unchanged = true and no bytes. NULL: none */
    const char     *expect;         /* ESTALE if it has another etag now; NULL: any */
    prophet_sink_fn sink;           /* each byte once, in order; after an error what came so far is worthless */
    void           *ctx;
    bool            unchanged;      /* out */
    uint64_t        total;          /* out: of the whole, or PROPHET_WHOLE */
    char            etag[PROPHET_ETAG_MAX]; /* out: another one whenever the bytes are others; "": this place has none */
} prophet_net_get;
#define PROPHET_NET_GET_INIT { sizeof(prophet_net_get), 0, PROPHET_WHOLE, 0, NULL, NULL, NULL, NULL, false, PROPHET_WHOLE, "" }

typedef struct prophet_net_put { /* one writing */
    uint32_t    size;
    uint64_t    length;
    /* Exactly len bytes of the body from offset on; may be asked for the same again. */
    prophet_code (*read)(void *ctx, uint64_t offset, void *buf, size_t len, prophet_error *err);
    void       *ctx;
    bool        only_if_absent; /* EEXISTS if there is one of that name */
    const char *only_if_etag;   /* ESTALE if it has another etag now, or is gone; NULL: whatever is there */
    bool        looked;         /* out: this place cannot hold a condition; it was looked at just before writing, so another writer may slip in between */
    char        etag[PROPHET_ETAG_MAX]; /* out: of what was written; "": not told */
} prophet_net_put;
#define PROPHET_NET_PUT_INIT { sizeof(prophet_net_put), 0, NULL, NULL, false, NULL, false, "" }

/* One name of a list; size PROPHET_WHOLE: not known. A code below 0 ends the list with it. */
typedef prophet_code (*prophet_net_name_fn)(void *ctx, const char *name, uint64_t size, prophet_error *err);

typedef struct prophet_transport {
    uint32_t    size;
    const char *scheme; /* what URLs begin with, before ":"; lower case; copied */
    void       *ctx;    /* given to open and drop */
    /* No network need be touched yet. place: given to all that follow. */
    prophet_code (*open)(void *ctx, const char *url, const prophet_net_options *o, void **place, prophet_error *err);
    /* PROPHET_DONE: there is nothing of that name. */
    prophet_code (*get)(void *place, const char *name, prophet_net_get *g, prophet_error *err);
    /* Readers see the old bytes or the new ones, never a part; folders in between are made. NULL: cannot be written (EREADONLY). */
    prophet_code (*put)(void *place, const char *name, prophet_net_put *p, prophet_error *err);
    /* All names in a folder and below, in any order. folder: "" or "name/". PROPHET_DONE, before any name: this place cannot list; so does NULL. */
    prophet_code (*list)(void *place, const char *folder, prophet_net_name_fn each, void *each_ctx, prophet_error *err);
    /* PROPHET_DONE: there was none. NULL: cannot (EREADONLY). */
    prophet_code (*remove)(void *place, const char *name, prophet_error *err);
    void       (*close)(void *place); /* NULL: nothing to do */
    void       (*drop)(void *ctx);    /* when it was taken away and its last place closed; NULL: nothing to do */
} prophet_transport;
/* Adds a transport for the whole process; all threads see it. open NULL: takes the one of that scheme away, places that are open fail from now on (EUSAGE).
 * EEXISTS: the scheme has one; EUSAGE: no scheme, or one that cannot be. ENOTFOUND: none to take away. */
PROPHET_API prophet_code prophet_transport_add(const prophet_transport *t, prophet_error *err);

/* ---- scripts with limits ---------------------------------------------------------------------------------------- */

typedef struct prophet_limits { /* 0: the default */
    uint32_t size;
    uint64_t instructions; /* 10,000,000 */
    size_t   memory;       /* 64 MiB */
    uint32_t milliseconds; /* 10,000 */
} prophet_limits;
#define PROPHET_LIMITS_INIT { sizeof(prophet_limits), 0, 0, 0 }
/* A host function: args are borrowed; answers with prophet_call_return, once a result. A code below 0 raises err in the script. Must not run the vm again. */
typedef prophet_code (*prophet_host_fn)(void *ctx, prophet_call *call, const prophet_value *args, size_t count, prophet_error *err);
/* A sealed Lua state: no files, no clock, no loading, no bytecode. db (NULL is fine) becomes its global `db`, with what LUA_API lets a script do on an
 * open database; it stays the host's and must outlive the vm. limits NULL: defaults. */
PROPHET_API prophet_code prophet_vm_new(prophet_db *db, const prophet_limits *limits, prophet_vm **out, prophet_error *err);
PROPHET_API prophet_code prophet_vm_register(prophet_vm *vm, const char *name, prophet_host_fn fn, void *ctx, prophet_error *err);
/* Runs a text chunk with fresh budgets; globals stay from run to run. result (NULL is fine): a list document of what it returned. ESCRIPT, EBUDGET, EINTERRUPTED, EMEMORY,
 * and whatever a call of the script raised and it did not catch. */
PROPHET_API prophet_code prophet_vm_run(prophet_vm *vm, prophet_slice source, const char *chunk, prophet_doc **result, prophet_error *err);
PROPHET_API prophet_code prophet_call_return(prophet_call *call, prophet_value value);
PROPHET_API void prophet_vm_interrupt(prophet_vm *vm); /* as prophet_interrupt, for a running script */
PROPHET_API void prophet_vm_free(prophet_vm *vm);      /* NULL is fine */

/* A document of one's own, from a map or a list (deep copy): what hosts and tests hand to functions that take documents. */
PROPHET_API prophet_code prophet_doc_new(prophet_value from, prophet_doc **out, prophet_error *err);

#ifdef __cplusplus
}
#endif
#endif
