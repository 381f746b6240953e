/* What the files of query/ share: the compiled query, and the state of one run of it. */
#ifndef PH_QUERY_IMPL_H
#define PH_QUERY_IMPL_H
#include "query/query.h"

#define QUERY_DEPTH 32 /* nested conditions */

/* ---- paths ---------------------------------------------------------------------------------------------- */

typedef enum step_kind { STEP_FIELD, STEP_MANY, STEP_ID, STEP_NUMBER, STEP_VERSION } step_kind;

typedef struct path_step {
    step_kind kind;
    uint32_t  field;   /* STEP_FIELD; STEP_MANY: the field that refers here. 0: no record has it */
    ph_query_kind declared;
    bool      counter; /* shows 0 when it shows nothing */
    uint32_t  to;      /* number of the type the references lead to, or that refers here; 0: it has no records */
    size_t    reverse; /* STEP_MANY: which of the run's reverse lookups */
} path_step;

typedef struct path {
    prophet_slice    text;
    const path_step *steps;
    size_t           count;
    ph_query_kind    kind, of; /* of the last step, as declared */
    prophet_slice    to;       /* the type its references lead to; empty: any */
    prophet_slice    values;   /* that it is declared with; empty: with no list of them */
    unsigned         language; /* of its words */
    double           weight;   /* declared with fulltext: in scores */
} path;

/* ---- conditions ------------------------------------------------------------------------------------------- */

typedef enum node_op {
    OP_TRUE, OP_FALSE, OP_AND, OP_OR, OP_NOT,
    OP_PRESENT, OP_EQ, OP_LT, OP_LE, OP_GT, OP_GE, OP_BETWEEN, OP_IN, OP_HAS_ANY, OP_HAS_ALL, OP_PREFIX, OP_CONTAINS, OP_MATCH
} node_op;

typedef struct match_word {
    prophet_slice term, folded; /* stemmed, and not */
    size_t        start, end;   /* where it stands in its text, bytes */
} match_word;
typedef struct match_words {
    const match_word *at;
    size_t            count;
    size_t            shared;  /* of a term that goes on: the beginning that the last word's term has as well */
} match_words;
typedef struct match_term {
    const match_words *words; /* one a path of the node */
    bool          prefix; /* the last word goes on */
    bool          absent; /* -word */
    bool          either; /* joined to the one before by OR */
} match_term;

typedef struct node {
    node_op              op;
    struct node        **kids;
    size_t               kid_count;
    const path          *path;   /* OP_MATCH: several may be given */
    size_t               path_count;
    const prophet_slice *values; /* OP_IN: in order when many; prefix and contains: the bytes without head */
    size_t               value_count;
    const match_term    *terms;
    size_t               term_count;
    unsigned             cost;   /* cheap ones are asked first */
} node;

typedef struct order_term {
    path path; /* of the score: without steps */
    bool desc;
    bool score;
} order_term;

typedef struct reverse_key { /* all records of a type by what a field of theirs refers to */
    uint32_t type, field;
} reverse_key;

typedef struct query_index {
    ph_index_def  def;
    prophet_slice name; /* as it is declared: "status,-due" */
} query_index;
typedef struct query_type { /* one a type that the query's paths lead to */
    prophet_slice name;
    uint32_t      id;
    query_index  *indexes;
    size_t        index_count;
} query_type;

struct ph_query {
    ph_arena      arena;
    query_type   *types;
    size_t        type_count, type_cap;
    const query_index *force; /* using */
    prophet_slice type_name;
    uint32_t      type;
    node         *where;
    order_term   *order;
    size_t        order_count;
    bool          limited;
    uint64_t      limit;
    bool          has_after;
    prophet_slice *after;       /* one an order term; empty: absent */
    uint64_t      after_number;
    bool          deleted, scan, count;
    const path   *group;        /* rows are counted by its values; NULL: they are not */
    reverse_key  *reverse;
    size_t        reverse_count, reverse_cap;
    const ph_text_layout *text; /* the full-text index of the type; NULL: none */
    prophet_slice hint;         /* the index that would help most, or empty */
};
const node *ph_query_scored(const ph_query *q); /* the match that scores are of; NULL: none */
const query_type *ph_query_type_of(const ph_query *q, uint32_t type); /* NULL: no path leads there */

/* compile.c calls these. */
typedef struct compiler {
    const ph_query_schema *schema;
    ph_query              *q;
    ph_arena              *a;
    size_t                 column; /* of what is read now, in the text form; 0: it was not marked */
} compiler;
prophet_code ph_query_path(compiler *c, prophet_slice text, path *out, prophet_error *err);
/* Notes a type and its indexes for the planner. */
prophet_code ph_query_note_type(compiler *c, prophet_slice name, uint32_t id, prophet_error *err);
/* The operand as the path's field wants it: words are read, texts for times and ids become such. Copied. */
prophet_code ph_query_operand(compiler *c, const path *p, prophet_slice raw, prophet_slice *out, prophet_error *err);
prophet_code ph_query_condition(compiler *c, prophet_slice raw, unsigned depth, node **out, prophet_error *err);
prophet_code ph_query_match_compile(compiler *c, prophet_slice text, node *n, prophet_error *err);
prophet_code ph_query_match_fields(compiler *c, node *n, prophet_error *err);

/* ---- a run -------------------------------------------------------------------------------------------------- */

typedef struct reverse_entry {
    ph_uuid to, from;
} reverse_entry;
typedef struct reverse_table {
    bool           built;
    reverse_entry *entries; /* sorted */
    size_t         count, cap;
    const query_index *index; /* of the field that refers: asked instead of the table */
    bool           index_known;
} reverse_table;

typedef struct query_run {
    const ph_query *q;
    ph_txn         *t;
    ph_query_options o;
    ph_arena        row_arena; /* emptied before each candidate */
    reverse_table  *reverse;
    ph_query_stats  stats;
    bool            scans;     /* what is read counts against options.reads */
    bool            counts;    /* the order of rows does not matter */
    bool            groups;    /* by keys, if some tell the values of q->group */
    ph_words       *words;     /* cuts texts; NULL until a text is looked at */
    ph_cursor      *numbers;   /* where the id of a number was looked up last; NULL: none was */
    double          score;     /* of the row at hand */
    const prophet_slice *after; /* q->after, with the score of that record */
    struct rank_read *reading; /* scores are read from the records; NULL: they are not */
    const char     *plan_text; /* said when too much is read */
    uint64_t        patience;  /* so many candidates are tested before another plan is taken; 0: whatever it takes */
    bool            gave_up;
} query_run;

prophet_code ph_query_run_begin(query_run *r, const ph_query *q, ph_txn *t, const ph_query_options *o, prophet_error *err);
void         ph_query_run_end(query_run *r);
/* Counts one key read; ENEEDSSCAN above the limit, EINTERRUPTED when asked to stop. */
prophet_code ph_query_read(query_run *r, prophet_error *err);
/* The row of a record, dead ones too: the one place where rows are fetched by id. PROPHET_DONE: none. */
prophet_code ph_query_row(query_run *r, uint32_t type, const ph_uuid *uuid, ph_row *out, prophet_error *err);
prophet_code ph_query_damaged(prophet_slice key, prophet_error *err);

/* Every value a path leads to. `see` returns true when it has seen enough. */
typedef struct path_visit path_visit;
struct path_visit {
    bool (*see)(path_visit *v, prophet_slice value, bool set);
    bool done;
};
prophet_code ph_query_walk(query_run *r, const path *p, const ph_row *row, path_visit *v, prophet_error *err);
prophet_code ph_query_eval(query_run *r, const node *n, const ph_row *row, bool *holds, prophet_error *err);
/* A text of one of the node's paths. */
typedef struct match_text {
    prophet_slice text;
    size_t        path;
    match_words   words;
} match_text;
/* The texts of a row that a match looks into, with their words; in the row arena. */
prophet_code ph_query_match_read(query_run *r, const node *n, const ph_row *row, match_text **texts, size_t *count, prophet_error *err);
prophet_code ph_query_match_words(query_run *r, const node *n, match_text *texts, size_t count, prophet_error *err);
bool         ph_query_match_holds(const node *n, const match_text *texts, size_t count);
/* The words of a text in a language; do those from `at` on (as many as wanted are there) hold a term? */
prophet_code ph_query_match_cut(ph_words *w, unsigned language, prophet_slice text, ph_arena *a, match_words *out, prophet_error *err);
bool         ph_query_match_at(const match_words *want, bool prefix, const match_word *at);
/* The value a path has in the order: of several the least, descending the greatest. Copied into a. */
prophet_code ph_query_order_value(query_run *r, const order_term *o, const ph_row *row, ph_arena *a, prophet_slice *out,
                                  prophet_error *err);
/* Calls see with each record of a type that refers to `to` by the field of a many-step. */
typedef prophet_code (*reverse_fn)(void *ctx, const ph_uuid *from, bool *enough, prophet_error *err);
prophet_code ph_query_reverse(query_run *r, size_t which, const ph_uuid *to, reverse_fn see, void *ctx, prophet_error *err);

/* The scan: all records of a type. */
typedef struct scan_source {
    ph_cursor *cursor;
    uint32_t   type;
    bool       begun;
} scan_source;
prophet_code ph_query_scan_open(scan_source *s, ph_txn *t, uint32_t type, prophet_error *err);
prophet_code ph_query_scan_row(scan_source *s, prophet_slice *key, prophet_slice *row, prophet_error *err);
prophet_code ph_query_scan_next(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err);
void         ph_query_scan_close(scan_source *s);

/* By rising local number, behind `after`; gives up when most numbers are of other types, or after so many. */
typedef struct number_source {
    ph_cursor *cursor;
    uint32_t   type;
    uint64_t   after, patience, misses;
    bool       gave_up;
} number_source;
prophet_code ph_query_numbers_open(number_source *s, ph_txn *t, uint32_t type, uint64_t after, uint64_t patience, prophet_error *err);
prophet_code ph_query_numbers_next(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err);
void         ph_query_numbers_close(number_source *s);

#endif
