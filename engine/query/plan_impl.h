/* What the planner's files share: ways to find candidates, what they are expected to cost, and the sources that read them. */
#ifndef PH_QUERY_PLAN_IMPL_H
#define PH_QUERY_PLAN_IMPL_H
#include "query/order_impl.h"

#define PLAN_FETCH 10u     /* what fetching a row by id costs, in keys read from an index */
#define PLAN_PATIENCE 1024u /* numbers that are tried for the first rows that fit, before all records are read */
#define PLAN_RACE  8192u   /* keys counted at most to tell candidates apart */
#define PLAN_JOIN  4096u   /* records of another type that a join may be turned into values by */
#define FEWEST      64u    /* records fetched without a thought */
#define PLAN_RANGES 16384u /* of one index */
#define PLAN_CONDITIONS 64 /* joined by "and" that are looked at */

typedef struct key_range { /* keys of table ix: low <= key < high */
    prophet_slice low, high;
} key_range;

typedef enum access_kind {
    ACCESS_SCAN,      /* all records of the type, by id */
    ACCESS_NUMBERS,   /* the same by local number, until that is no good */
    ACCESS_IDS,       /* these records */
    ACCESS_INDEX,     /* ranges of an index */
    ACCESS_UNION,     /* any of several */
    ACCESS_INTERSECT, /* both of two */
    ACCESS_MATCH      /* postings of the full-text index */
} access_kind;

typedef struct access access;
struct access {
    access_kind kind;
    uint32_t    type;
    uint64_t    covers;    /* bits of the conditions it answers */
    bool        exact;     /* all it gives fit those conditions: no row needs to be looked at */
    bool        unique;    /* gives no record twice */
    bool        repeats;   /* ACCESS_INDEX: its keys have a record twice, for elements of a set */
    bool        by_number; /* by rising local number */
    uint64_t    keys;      /* to be read; at least so many when not sure */
    bool        counted;   /* keys was looked at */
    bool        sure;
    bool        estimated; /* keys comes from a sample */
    /* ACCESS_INDEX */
    const query_index *index;
    key_range  *ranges;
    size_t      range_count, range_room;
    bool        joined;    /* of several sides of an "or" */
    size_t      fixed;     /* fields that every range fixes to one value */
    bool        odd;       /* there are records that the index cannot tell */
    prophet_slice prefix;  /* of all keys, when one value is fixed for each of the first fields */
    size_t      cut;       /* so much of it is before the mark of its first value that was cut; 0: none was */
    const size_t *ends;    /* where in it the value of field i begins; ends[fixed]: its length. NULL: several prefixes */
    /* ACCESS_IDS */
    ph_uuid    *ids;
    size_t      id_count;
    /* ACCESS_UNION, ACCESS_INTERSECT */
    access    **kids;
    size_t      kid_count;
    const node *either;    /* the "or" that a union is of; NULL: it is of none */
    size_t     *reads;     /* which of the kids reads each of its sides */
    /* ACCESS_MATCH */
    const node *match;
    const ph_text_head *head;
    bool        total;     /* so many records as keys */
    bool        scored;    /* the query's order wants scores */
    const char *join;      /* said in explain: the path that was followed to get there */
};

typedef enum plan_order { ORDER_NUMBER, ORDER_INDEX, ORDER_INDEX_BACKWARD, ORDER_SORT } plan_order;
typedef struct plan {
    access    *access;
    plan_order order;
    bool       ordered; /* rows come in the query's order: streamed */
    bool       exact;   /* the access covers the whole condition */
    bool       reads_scores; /* no postings tell them: rank_read.c */
    bool       scans;   /* reads more than its conditions ask for: against options.reads */
    uint64_t   records; /* of the type, about; 0: not asked */
    access    *instead; /* of an order that is walked: what is taken when too few rows fit; NULL: nothing */
    bool       instead_exact;
    const access *left; /* that the run began with, and turned back from */
} plan;

typedef struct planner {
    query_run *r;
    ph_arena  *a; /* of the plan */
} planner;

/* One conjunct. */
typedef struct conjunct {
    const node *n;
    bool        negated; /* of OP_PRESENT only: missing */
} conjunct;

/* plan.c */
prophet_code ph_plan_make(query_run *r, ph_arena *a, plan *out, prophet_error *err);
/* The best access for a condition on records of a type; NULL: only a scan. */
prophet_code ph_plan_condition(planner *p, uint32_t type, const node *n, access **out, prophet_error *err);
access      *ph_plan_access(planner *p, access_kind kind, uint32_t type);

/* explain.c: what is read, for people. */
const char  *ph_plan_text(const plan *p, ph_arena *a);
void         ph_plan_tell(const query_run *r, const plan *made, ph_query_plan *out);
/* run.c: tells the plan that a run ended with, if it is another than the one it began with. */
void         ph_query_tell_turn(const ph_query_iter *it, ph_query_plan *out);

/* plan_index.c: conditions as ranges of one index. *out NULL: none of them fits. `all`: also without any, as a whole. */
prophet_code ph_plan_index(planner *p, uint32_t type, const query_index *index, const conjunct *c, size_t count, bool all,
                           access **out, prophet_error *err);
/* Is the index finished, and are there odd records in it? */
prophet_code ph_plan_usable(planner *p, const query_index *index, bool *usable, bool *odd, prophet_error *err);
/* In key order; empty ones are left out, and what several have is in one of them. How many there are. */
size_t       ph_plan_ranges_tidy(key_range *r, size_t count);
/* Does the access give rows in the query's order? */
plan_order   ph_plan_order(const ph_query *q, const access *a);
/* Which of the fixed fields a term orders by; a->fixed: none. */
size_t       ph_plan_fixed(const access *a, const order_term *o);
prophet_slice ph_plan_after_prefix(prophet_slice prefix, ph_arena *a); /* the least key above all that begin so; empty: no memory */

/* plan_group.c */
/* Of the accesses that answer all conditions: one whose keys tell the values of q->group, where they cost less than the rows of `best`. */
prophet_code ph_plan_group(planner *p, access *const *list, size_t count, uint64_t all, access **best, prophet_error *err);
bool         ph_query_groups_by_keys(const ph_query *q); /* may they? */
/* Do its keys tell them? Which field of the index it is. */
bool         ph_plan_tells(const ph_query *q, const access *a, size_t *field);

/* plan_join.c: conditions on other types' records, as values and ids. *out NULL: too many of them. */
prophet_code ph_plan_join(planner *p, uint32_t type, const node *n, node **as_values, access **as_ids, prophet_error *err);

/* plan_match.c: *out NULL: the index is not there, or cannot tell. */
prophet_code ph_plan_match(planner *p, uint32_t type, const node *n, access **out, prophet_error *err);

/* plan_either.c: "or". *out NULL: not all of its sides have an index. */
prophet_code ph_plan_either(planner *p, uint32_t type, const node *n, access **out, prophet_error *err);
/* Would reading all records of the type cost less than what its sides read? */
prophet_code ph_plan_wide(planner *p, access *a, bool *wide, prophet_error *err);

/* plan_cost.c */
/* Counts the keys of several accesses side by side until one is done or `limit` were read of each. */
prophet_code ph_plan_race(planner *p, access **list, size_t count, uint64_t limit, prophet_error *err);
prophet_code ph_plan_count(planner *p, access *a, uint64_t limit, prophet_error *err);
/* About how many records the type has, by a look at some numbers; how many of those looked at fit each list of conditions. */
prophet_code ph_plan_sample(planner *p, uint32_t type, access **list, size_t count, const conjunct *c, size_t conjuncts,
                            uint64_t *records, prophet_error *err);

/* The greatest number, and the one to look at of step k. */
prophet_code ph_plan_last_number(planner *p, uint64_t *out, prophet_error *err);
uint64_t     ph_plan_sampled(uint64_t k, uint64_t step);

/* ---- sources -------------------------------------------------------------------------------------------------- */

typedef struct access_source {
    ph_query_source source;
    query_run      *r;
    void           *state;
    void          (*close)(void *state);
} access_source;
/* Reads an access; `ordered`: in the query's order, by `order`. */
prophet_code ph_source_open(query_run *r, const access *a, plan_order order, access_source *out, prophet_error *err);
void         ph_source_close(access_source *s);
/* run.c: the next row of a source that fits; PROPHET_DONE: no more. */
prophet_code ph_source_fit(query_run *r, access_source *s, const plan *p, ph_row *row, prophet_error *err);
/* source_index.c */
prophet_code ph_source_index(query_run *r, const access *a, plan_order order, access_source *out, prophet_error *err);

/* source_match.c */
/* Of an order by score: the score of the record that rows are to be behind, as it is now. ENOTFOUND: it does not fit. */
prophet_code ph_match_after(query_run *r, const access *a, ph_arena *arena, prophet_error *err);
prophet_code ph_source_match(query_run *r, const access *a, plan_order order, access_source *out, prophet_error *err);

/* ENOTFOUND, said of that record. */
prophet_code ph_match_gone(uint64_t number, prophet_error *err);

/* rank.c: how much a term adds to a score that stands so often (by weight) in a record so long (1: as the average), and in `with` of all. */
double       ph_rank_term(double times, double with, double all, double length);
/* rank_read.c: scores without postings; the begin reads all records of the type. */
typedef struct rank_read rank_read;
prophet_code ph_rank_read_begin(query_run *r, ph_arena *a, prophet_error *err);
prophet_code ph_rank_read_score(query_run *r, const ph_row *row, double *score, prophet_error *err);
prophet_code ph_rank_read_after(query_run *r, uint64_t number, double *score, prophet_error *err);

/* source_hits.c: found records as a list by number, each once. */
typedef struct hit_entry {
    uint64_t number;
    ph_uuid  uuid;
    bool     test;
} hit_entry;
typedef struct hit_list {
    hit_entry *at;
    size_t     count, cap, pos;
} hit_list;
prophet_code ph_hits_gather(query_run *r, const access *a, hit_list *out, prophet_error *err);
prophet_code ph_source_hits(query_run *r, const access *a, access_source *out, prophet_error *err);
void         ph_hits_clear(hit_list *l);
/* Counts one key read of an access's source. */
prophet_code ph_source_next(access_source *s, ph_query_hit *out, prophet_error *err);

#endif
