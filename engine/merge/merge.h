/* merge: what a cell shows, computed from its heads and votes. Pure: no store, no clock, no script.
 * Rules: docs/merging.md (DESIGN 4). Callers (replica) load heads and ballots and keep the results. */
#ifndef PH_MERGE_H
#define PH_MERGE_H
#include "model/model.h"

/* ---- rules ------------------------------------------------------------------------------------- */

typedef enum ph_rule {
    PH_RULE_LATEST, PH_RULE_FIRST, PH_RULE_MAX, PH_RULE_MIN, PH_RULE_LONGEST, PH_RULE_ALIVE_WINS, PH_RULE_DEAD_WINS
} ph_rule;
bool        ph_rule_parse(prophet_slice name, ph_rule *out); /* "latest" "first" .. "alive-wins" "dead-wins" */
const char *ph_rule_name(ph_rule rule);
/* The rule of a cell, given what the `_type` record says (the bytes of the text; empty: nothing): `latest` for reserved
 * types, else the one named, else the default: alive-wins for life, latest for fields. Unknown names count as absent. */
ph_rule     ph_rule_for(prophet_slice type, bool life, prophet_slice name);

/* ---- heads and sets: what a write does to a cell ------------------------------------------------- */

/* Removes the heads that `over` names (versions, any order) from heads[0..*count); appends `head`.
 * The array must have room for one more. Returns true when a head remained that `over` did not name
 * (the write was concurrent with it). */
bool ph_heads_write(ph_head *heads, size_t *count, const uint64_t *over, size_t over_count, ph_head head);

/* Number of distinct values among the heads (compares bytes; unset is a value). */
size_t ph_heads_distinct(const ph_head *heads, size_t count);

/* Takes away the adds named by `over`; then, for an add, appends `version`. Room for one more must be there. */
void ph_element_write(ph_element *e, const uint64_t *over, size_t over_count, bool add, uint64_t version);

/* ---- counters ------------------------------------------------------------------------------------ */

typedef struct ph_counter_mark { /* takes back: so many times what that step added */
    size_t  of; /* a step before this one */
    int64_t times;
} ph_counter_mark;
typedef struct ph_counter_step { /* one changeset */
    uint64_t               version;
    bool                   increments;
    int64_t                amount;
    const ph_counter_mark *marks;
    size_t                 mark_count;
} ph_counter_step;

/* What a counter shows, of all its steps in a causal order. in_force, one a step, is filled in: does it count, or does one that counts take it
 * back? Whatever the order, it is the same; where no two take back one step it is the plain sum of all amounts. */
int64_t ph_counter_sum(const ph_counter_step *steps, size_t count, bool *in_force);

/* ---- settling ------------------------------------------------------------------------------------ */

typedef struct ph_candidate_head {
    uint64_t      version;
    ph_stamp      stamp;
    prophet_slice value;
} ph_candidate_head;

typedef struct ph_seen { /* a head of this cell that a voter named; it may be no head any more */
    uint64_t      version;
    prophet_slice value;
} ph_seen;

typedef struct ph_ballot {
    ph_id          voter;       /* root key of the voter's succession line */
    uint64_t       weight;      /* 0 .. 2^20 */
    bool           by_resolver;
    ph_stamp       stamp;       /* of the changeset that carries it */
    prophet_slice  choice;      /* empty: unset */
    const ph_seen *seen;
    size_t         seen_count;
} ph_ballot;

typedef struct ph_cell_question {
    bool                     life;
    ph_rule                  rule;
    const ph_candidate_head *heads;
    size_t                   head_count;
    const ph_ballot         *ballots;  /* any order; those that do not count are passed over */
    size_t                   ballot_count;
} ph_cell_question;

typedef enum ph_settled { PH_CLEAN, PH_DECIDED, PH_PROVISIONAL } ph_settled;

typedef struct ph_outcome {
    ph_settled           status;
    prophet_slice        value;          /* what the cell shows; empty: unset */
    const prophet_slice *values;         /* V: distinct values, by canonical bytes (unset first) */
    size_t               value_count;
    const prophet_slice *choices;        /* C: what people are still asked about (subset or merged values) */
    size_t               choice_count;
    const bool          *counted;        /* per ballot, in the order given: did it count? NULL when clean */
} ph_outcome;

/* settle() of DESIGN 4. Arrays of the result live in the arena; values are borrowed from the input. */
prophet_code ph_settle(const ph_cell_question *q, ph_arena *arena, ph_outcome *out, prophet_error *err);
/* Does this ballot count on these heads? (See settle: used to drop ballots that can never count again:
 * a ballot that names no present head stays without effect for ever.) These two look at one ballot, need no memory
 * and cost heads x seen; for many ballots read ph_outcome.counted. */
bool ph_ballot_counts(const ph_cell_question *q, const ph_ballot *b);
bool ph_ballot_is_spent(const ph_cell_question *q, const ph_ballot *b);

/* The question as a name: SHA-256 over the sorted distinct values, for "asked once per question". */
prophet_code ph_question_hash(ph_hasher *h, const ph_outcome *o, uint8_t out[32], prophet_error *err);

/* ---- the history of a cell's conflicts ------------------------------------------------------------ */

typedef struct ph_cell_write { /* one SET of the cell */
    uint64_t        version;
    ph_stamp        stamp;
    prophet_slice   value;
    const uint64_t *over;       /* versions of the SETs it names (others ignored) */
    size_t          over_count;
} ph_cell_write;

#define PH_EPISODE_HEADS 64 /* heads listed for one value of a closed episode: the newest; all of them were settled */
typedef struct ph_episode { /* from the first moment with two values to the write that ended it */
    const ph_candidate_head *heads;      /* at its fullest: the heads just before it ended, or now */
    size_t                   head_count;
    ph_outcome               outcome;    /* as settled then */
    bool                     open;
    uint64_t                 closed_by;  /* version of the write that left one value; 0 while open */
    prophet_slice            closed_value;
    uint64_t                 opened_by;  /* version of the write that brought the second value */
} ph_episode;

/* Replays the cell in (lamport, id) order - the same on every replica - and lists its episodes, oldest first.
 * `writes` and `ballots` in any order. That makes closed conflicts a pure function of the set of changesets,
 * whatever was seen in which order. */
prophet_code ph_cell_episodes(bool life, ph_rule rule, const ph_cell_write *writes, size_t write_count,
                              const ph_ballot *ballots, size_t ballot_count, ph_arena *arena,
                              const ph_episode **out, size_t *count, prophet_error *err);

/* Value of the greatest-stamped write that all `heads` descend from through `over`; false: there is none. */
prophet_code ph_cell_base(const ph_cell_write *writes, size_t write_count, const uint64_t *heads, size_t head_count,
                          ph_arena *arena, bool *found, prophet_slice *value, uint64_t *version, prophet_error *err);

#endif
