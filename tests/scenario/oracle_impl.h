/* What the files of the oracle share. Nothing of the engine is included here, on purpose. */
#ifndef ORACLE_IMPL_H
#define ORACLE_IMPL_H
#include "oracle.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *oracle_take(oracle *o, size_t size); /* zeroed, freed with the oracle */

static inline int same_id(const oracle_id *a, const oracle_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
static inline int bytes_order(oracle_bytes a, oracle_bytes b)
{
    int c = 0;

    if (a.len && b.len)
        c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}
static inline int same_bytes(oracle_bytes a, oracle_bytes b)
{
    return bytes_order(a, b) == 0;
}
static inline int stamp_order(uint64_t la, const oracle_id *a, uint64_t lb, const oracle_id *b)
{
    return la != lb ? (la < lb ? -1 : 1) : memcmp(a, b, sizeof *a);
}

/* A set of values, kept as a list without duplicates. */
typedef struct bag {
    oracle_bytes *at;
    size_t        count, room;
} bag;
int  bag_has(const bag *b, oracle_bytes value);
void bag_add(oracle *o, bag *b, oracle_bytes value);
int  bag_equal(const bag *a, const bag *b);
void bag_sort(bag *b);

void oracle_print(FILE *out, oracle_bytes value);          /* as JSON */
int  oracle_text(oracle_bytes value, oracle_bytes *text);  /* 0: not a text */
int  oracle_int(oracle_bytes value, int64_t *number);      /* 0: not an integer */

/* ---- cells of a database (oracle.c) -------------------------------------------------------------------------- */

typedef struct entry { /* one change, operation or vote that touches a cell */
    const char          *type, *field;
    const oracle_uuid   *record;
    size_t               set;    /* number of its changeset */
    const oracle_change *change; /* life cells; NULL for votes */
    const oracle_op     *op;
    const oracle_vote   *vote;
} entry;

struct oracle {
    unsigned char           database[16];
    const oracle_changeset **sets;  /* applied ones */
    uint64_t               *lamports;
    size_t                  count;
    entry                  *entries; /* by type, record, field */
    size_t                  entry_count;
    oracle_conflict        *conflicts;
    size_t                  conflict_count;
    int                     conflicts_done;
    struct weighed         *weights; /* voters looked up before */
    struct block           *blocks;
};

/* All entries of one cell: entries[from..to). */
typedef struct span { size_t from, to; } span;
span           cell_of(const oracle *o, const char *type, const oracle_uuid *record, const char *field);
span           next_cell(const oracle *o, size_t from);
/* All SETs of a register or life cell by (lamport, id), and when each stops being a head. */
typedef struct story {
    oracle_head *writes;
    size_t      *ends; /* per write: the place of the first write that names it, which may be before it; SIZE_MAX: none */
    size_t       count;
} story;
story        cell_story(oracle *o, span cell);
/* "SETs that no SET names", among the first `moment` writes (SIZE_MAX: among all). */
oracle_head *story_heads(oracle *o, const story *s, size_t moment, size_t *count);
/* The ballots on a cell, those with a stamp before `before` (NULL: all); none in reserved types. */
oracle_ballot *cell_ballots(oracle *o, span cell, const oracle_head *before, size_t *count);
const char    *cell_rule(oracle *o, span cell);
oracle_outcome cell_outcome(oracle *o, span cell); /* settled with everything */
int            record_alive(oracle *o, const char *type, const oracle_uuid *record);

#endif
