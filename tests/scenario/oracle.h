/* oracle: an independent model of the database, to compare the engine with.
 *
 * It is given a set of changesets as plain structs, in any order, and computes by definition what everybody who has this set must
 * show: records, conflicts, outcomes. It calls nothing of the engine and was written from the design alone, in another
 * way: no increments, no indexes, no clever orders; each question is answered by looking at the whole set. Slow on purpose.
 *
 * Values are opaque canonical CBOR; no bytes mean "unset". All input is borrowed and must outlive the oracle; all output
 * belongs to the oracle and lives as long as it does. Out of memory aborts: this is a test. */
#ifndef ORACLE_H
#define ORACLE_H
#include <stddef.h>
#include <stdint.h>

typedef struct oracle_bytes { const void *data; size_t len; } oracle_bytes;
typedef struct oracle_id    { unsigned char b[32]; } oracle_id;
typedef struct oracle_uuid  { unsigned char b[16]; } oracle_uuid;

/* ---- input: changesets, with ids where the body has positions ------------------------------------------- */

typedef enum oracle_kind { ORACLE_SET, ORACLE_UNSET, ORACLE_INC, ORACLE_ADD, ORACLE_REMOVE } oracle_kind;
typedef struct oracle_op {
    oracle_kind      kind;
    const char      *field;
    oracle_bytes     value;   /* SET, ADD, REMOVE */
    int64_t          amount;  /* INC */
    const oracle_id *over;
    size_t           over_count;
} oracle_op;

typedef enum oracle_action { ORACLE_CREATE, ORACLE_UPDATE, ORACLE_DELETE } oracle_action;
typedef struct oracle_change {
    const char      *type;
    oracle_uuid      record;
    oracle_action    action;
    const oracle_id *over;    /* life heads */
    size_t           over_count;
    const oracle_op *ops;
    size_t           op_count;
} oracle_change;

typedef struct oracle_vote {
    const char      *type;
    oracle_uuid      record;
    const char      *field;   /* "": life; its choices are the canonical texts "alive" and "dead" */
    const oracle_id *heads;
    size_t           head_count;
    oracle_bytes     choice;
    int              by_resolver;
} oracle_vote;

typedef struct oracle_changeset {
    oracle_id            id, replica;
    int                  has_prev, has_succeeds;
    oracle_id            prev, succeeds; /* succeeds: the key this replica had before */
    const oracle_id     *parents, *refs;
    size_t               parent_count, ref_count;
    const oracle_change *changes;
    size_t               change_count;
    const oracle_vote   *votes;
    size_t               vote_count;
} oracle_changeset;

/* ---- the database ------------------------------------------------------------------------------------------ */

typedef struct oracle oracle;
/* Duplicates are taken once; what names a changeset that is not there is held back. The database id goes into natural keys. */
oracle  *oracle_new(const unsigned char database[16], const oracle_changeset *sets, size_t count);
void     oracle_free(oracle *o);
size_t   oracle_applied(const oracle *o);                          /* changesets that are not held back */
uint64_t oracle_lamport(const oracle *o, const oracle_id *id);    /* 0: not applied */

/* The lines of `prophet export --json`: living records by type, then id; all: those of reserved types too. */
const char *oracle_export(oracle *o, int all);

typedef enum oracle_status { ORACLE_CLEAN, ORACLE_DECIDED, ORACLE_PROVISIONAL } oracle_status;
typedef struct oracle_outcome {
    oracle_status       status;
    oracle_bytes        value;
    const oracle_bytes *values;   /* V, by canonical bytes */
    size_t              value_count;
    const oracle_bytes *choices;  /* C, by canonical bytes; none when clean */
    size_t              choice_count;
} oracle_outcome;

typedef struct oracle_conflict { /* one episode of one cell */
    const char     *type, *field; /* field "": life */
    oracle_uuid     record;
    int             open;
    oracle_outcome  outcome;      /* an ended one: as it was just before its end */
    oracle_id       opened_by, closed_by;
    oracle_bytes    closed_value;
    const oracle_id *heads;       /* by (lamport, id); an ended one: just before its end */
    size_t          head_count;
} oracle_conflict;
/* All episodes of all cells, by type, record, field, then (lamport, id). */
const oracle_conflict *oracle_conflicts(oracle *o, size_t *count);
/* The same as lines of JSON: {"type":..,"record":..,"field":..,"open":..,"decided":..,"outcome":..,"candidates":[..],"choices":[..]
 * ,"closed_by":..,"closed_value":..} with {"unset":true} for unset. open: 1 open ones, 0 ended ones, -1 both; all: reserved types too. */
const char *oracle_conflict_lines(oracle *o, int open, int all);

/* ---- one cell, for comparing settle alone --------------------------------------------------------------------- */

typedef struct oracle_head {
    oracle_id    id;      /* of the changeset: names the head, and with lamport is its stamp */
    uint64_t     lamport;
    oracle_bytes value;
} oracle_head;
typedef struct oracle_seen { oracle_id id; oracle_bytes value; } oracle_seen;
typedef struct oracle_ballot {
    oracle_id          voter, id;
    uint64_t           lamport, weight;
    int                by_resolver;
    oracle_bytes       choice;
    const oracle_seen *seen;
    size_t             seen_count;
} oracle_ballot;
/* rule: "latest" .. "dead-wins". The arrays of the outcome belong to `o` (any oracle, an empty one will do). */
oracle_outcome oracle_settle(oracle *o, int life, const char *rule, const oracle_head *heads, size_t head_count,
                             const oracle_ballot *ballots, size_t ballot_count);

/* ---- values, written a second time ------------------------------------------------------------------------------ */

int         oracle_compare(oracle_bytes a, oracle_bytes b);  /* index order; unset lowest */
const char *oracle_json(oracle *o, oracle_bytes value);      /* DESIGN 9 */
/* UUIDv5 of a natural key: key is the canonical list of its values. */
oracle_uuid oracle_natural(const unsigned char database[16], const char *type, oracle_bytes key);

#endif
