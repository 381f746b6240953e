/* merge_impl: what the steps of settling hand to each other. Nothing here outlives one ph_settle. */
#ifndef PH_MERGE_IMPL_H
#define PH_MERGE_IMPL_H
#include "merge/merge.h"

#define PH_ALIVE \
    "\x65" \
    "alive" /* canonical texts, as life cells hold them */
#define PH_DEAD \
    "\x64" \
    "dead"
#define PH_NO_VALUE UINT32_MAX

/* ---- question.c: the cell's values, and what each ballot asked ------------------------------------- */

typedef struct ph_merge_head {
    uint64_t version;
    uint32_t value; /* its place in ph_merge_cell.values */
} ph_merge_head;

typedef struct ph_merge_cell {
    const ph_cell_question *question;
    prophet_slice *values;   /* V, by canonical bytes */
    const ph_stamp **stamps; /* of each value: the greatest of the heads that hold it */
    uint32_t count;
    ph_merge_head *heads; /* by version */
    uint32_t *marks;      /* per value, scratch: which ballot marked it last */
    uint32_t *list;       /* scratch, room for all values */
} ph_merge_cell;

typedef struct ph_merge_vote { /* a ballot that counts */
    const ph_ballot *ballot;
    const uint32_t *q; /* its question: places in values, ascending */
    uint32_t q_count;
    uint32_t choice; /* place in values, or PH_NO_VALUE: a merged one */
} ph_merge_vote;

bool ph_merge_one_value(const ph_cell_question *q);
prophet_code ph_merge_cell_open(const ph_cell_question *q, ph_arena *a, ph_merge_cell *out,
                                prophet_error *err);
uint32_t ph_merge_value_find(const ph_merge_cell *c,
                             prophet_slice value); /* PH_NO_VALUE: no head holds it */
/* The ballots that count, grouped: by question, then voter, then by, newest first. counted[i] says it of ballots[i]. */
prophet_code ph_merge_votes(ph_merge_cell *c, ph_arena *a, ph_merge_vote **out, size_t *count,
                            bool *counted, prophet_error *err);
bool ph_merge_same_question(const ph_merge_vote *a, const ph_merge_vote *b);

/* ---- tally.c ----------------------------------------------------------------------------------------- */

/* Which votes of a group are left out of a tally. */
typedef struct ph_merge_leave_out {
    bool resolvers;       /* all of them */
    const bool *rejected; /* resolvers' votes for these values (NULL: none) */
} ph_merge_leave_out;

/* The winner among `votes`, one group; NULL: no vote is left. scratch: room for `count` pointers. */
const ph_merge_vote *ph_merge_tally(const ph_merge_vote *votes, size_t count,
                                    ph_merge_leave_out out, const ph_merge_vote **scratch);

/* ---- rules.c ----------------------------------------------------------------------------------------- */

typedef struct ph_merge_choice {
    prophet_slice value;
    const ph_stamp *stamp;
} ph_merge_choice;
size_t ph_merge_pick(ph_rule rule, const ph_merge_choice *choices, size_t count); /* count >= 1 */

#endif
