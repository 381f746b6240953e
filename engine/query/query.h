/* query: which living records fit a condition, in what order. Knows rows and a schema handed down as callbacks; no log, no Lua.
 *
 * A query arrives as one canonical value, a map:
 *   type    text
 *   where?  a condition: a list that begins with its name
 *           {"true"} {"false"}  {"and" | "all", c..}  {"or" | "any", c..}  {"none", c..}  {"not", c}
 *           {"eq" | "ne" | "lt" | "le" | "gt" | "ge", field, value}  {"between", field, low, high} (both included)
 *           {"in" | "one_of" | "not_in" | "none_of", field, {values..}}  {"has", field, element}  {"has_any" | "has_all", field, {values..}}
 *           {"prefix" | "contains", field, text}  {"present" | "missing", field}  {"match", [field,] text}  {":", field, value} (text form)
 *   order?  list of fields, each text ("-severity": descending) or {field, descending, column?}; absent values are lowest, ties by local number;
 *           score: how well a record fits the match (rank.c), unless there is a field of that name
 *   limit?  int      after? list: for each order field {} (absent) or {value}, then the local number: rows strictly behind that one
 *   deleted? bool    scan? bool: no limit on keys read    using? text: the index to read, as it is declared ("status,-due")
 *   group?  text: the field whose values ph_query_group counts the rows of    count? bool: ph_query_explain explains ph_query_count
 * A value may be {"$word": text}: what a person typed, read as the field's kind says.
 * In the text form a condition begins with a list of columns, of its field and of each value: errors about them begin with these.
 *
 * Conditions. Values compare in index order: kind, then value; 1 equals 1.0; text bytewise. All conditions but missing, ne, not_in, none and
 * not fail where the field shows nothing; ne and not_in are the opposites of eq and in. On a set each comparison holds if it holds for an element
 * (has_all: every value is an element; eq with a list: exactly these elements; a value that was written where it is declared otherwise is its only one). has.. looks into sets and lists. An empty set shows nothing;
 * a counter never incremented shows 0. {} of in matches nothing; "and" of none holds, "or" of none does not.
 * A field is a name, a path along references ("milestone.due"; many-fields lead backwards: "comments.author"; sets and lists of references to
 * each), or one of id, n, version where the type has no such field. Along a path a condition holds if it holds for one of the
 * records it leads to; dangling references and dead records lead nowhere. */
#ifndef PH_QUERY_H
#define PH_QUERY_H
#include "index/index.h"
#include "record/record.h"

/* ---- the schema, as far as a query needs it ---------------------------------------------------------------- */

typedef enum ph_query_kind {
    PH_Q_ANY, PH_Q_BOOL, PH_Q_INT, PH_Q_FLOAT, PH_Q_TEXT, PH_Q_BYTES, PH_Q_TIME, PH_Q_REF, PH_Q_BLOB, PH_Q_LIST, PH_Q_MAP, PH_Q_SET,
    PH_Q_COUNTER, PH_Q_MANY, PH_Q_COMPUTED
} ph_query_kind;

typedef struct ph_query_field {
    uint32_t      id;       /* number of its name; 0: no record has it */
    ph_query_kind kind;
    ph_query_kind of;       /* PH_Q_SET, PH_Q_LIST: of the elements */
    prophet_slice to;       /* references (also in sets and lists): the type they lead to, empty: any. PH_Q_MANY: the type that refers here */
    prophet_slice by;       /* PH_Q_MANY: the field that refers here */
    bool          fulltext; /* match without a field looks here */
    double        weight;   /* of its words in scores */
    unsigned      language; /* of its words, for match: ph_language_find */
    prophet_slice values;   /* canonical list of all that it, or an element of it, is declared to show; empty: whatever its kind allows */
} ph_query_field;

typedef struct ph_query_schema {
    void *ctx;
    /* Number of a type's name, 0 if it has no records yet. ETYPE when there is no such type. */
    prophet_code (*type)(void *ctx, prophet_slice name, uint32_t *id, prophet_error *err);
    /* PROPHET_DONE: the type has no such field. A type without schema may say so for no name at all. */
    prophet_code (*field)(void *ctx, prophet_slice type, prophet_slice name, ph_query_field *out, prophet_error *err);
    /* All field names of a type, for suggestions and for match. */
    prophet_code (*names)(void *ctx, prophet_slice type, ph_arena *a, const char *const **names, size_t *count, prophet_error *err);
    /* The declared indexes of a type, finished or not; NULL: there are none. Borrowed for the call. */
    prophet_code (*indexes)(void *ctx, prophet_slice type, const ph_index_def **out, size_t *count, prophet_error *err);
    /* The declared full-text index of a type, there or not. PROPHET_DONE: none. Borrowed for the call. NULL: there are none. */
    prophet_code (*text)(void *ctx, prophet_slice type, const ph_text_layout **out, prophet_error *err);
    /* The record of a type (empty: of any) that #12 or the tail of an id names. PROPHET_DONE: none; EAMBIGUOUS. NULL: names are ids only. */
    prophet_code (*record)(void *ctx, prophet_slice type, prophet_slice name, ph_uuid *out, prophet_error *err);
} ph_query_schema;

/* ---- compiling ------------------------------------------------------------------------------------------------ */

typedef struct ph_query ph_query; /* holds copies of everything; names are resolved as they are now */

/* EUSAGE, ETYPE, EFIELD, with a hint that says what is meant. */
prophet_code ph_query_compile(prophet_slice spec, const ph_query_schema *schema, ph_query **out, prophet_error *err);
void         ph_query_free(ph_query *q);
uint32_t     ph_query_type(const ph_query *q);

/* The text form, as in
 *   status!=closed tags:ui milestone.name=1.0 due<2026-03-01 "crash on save" owner=?1 (a=1 or b=2) -tags:old sort:-severity,due limit:20
 * becomes a spec (to compile) that has these members; params: canonical list for ?1, ?2 .., or empty. EUSAGE names the column, and so do the
 * errors of ph_query_compile. */
prophet_code ph_query_parse(prophet_slice type, prophet_slice text, prophet_slice params, ph_buf *spec, prophet_error *err);

/* ---- running --------------------------------------------------------------------------------------------------- */

/* A record that may fit. */
typedef struct ph_query_hit {
    uint64_t      number; /* 0: its row tells */
    ph_uuid       uuid;   /* all zero: its number tells */
    prophet_slice row;    /* empty: not at hand */
    bool          test;   /* of a source whose hits fit all conditions: this one must be looked at */
    double        score;  /* where the query is ordered by it */
} ph_query_hit;

/* Where candidates come from: one function a way to find them (source.c, source_index.c, source_hits.c). A source may give too
 * many, never too few. */
typedef struct ph_query_source {
    void *ctx;
    bool  by_number; /* candidates come by rising local number */
    /* The next candidate, its row valid until the next call; *keys grows by what was read. PROPHET_DONE: no more. */
    prophet_code (*next)(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err);
} ph_query_source;

typedef struct ph_query_options {
    uint64_t reads;                 /* most keys to read unless the query says scan; 0: no limit. ENEEDSSCAN with a hint */
    bool   (*stop)(void *ctx);      /* asked now and then: true ends it with EINTERRUPTED; NULL: never */
    void    *stop_ctx;
    ph_number_cache *numbers;       /* NULL: none */
    const ph_query_source *source;  /* instead of what a plan would read; NULL: a plan is made */
} ph_query_options;

typedef struct ph_query_stats {
    uint64_t keys;    /* read: candidates, records along references, rows fetched */
    uint64_t tested;  /* candidates */
    uint64_t matched; /* of them fit */
    uint64_t fetched; /* rows read, of other types too; 0: keys told it all */
} ph_query_stats;

typedef struct ph_query_iter ph_query_iter;

/* Rows come as they are found where the plan has them in order; else all that fit are found first, and read again one by one. Cursors are
 * open meanwhile: t must outlive the iterator, and nothing is written in it. */
prophet_code ph_query_open(const ph_query *q, ph_txn *t, const ph_query_options *o, ph_query_iter **out, prophet_error *err);
/* The next row, valid until the next call or write. PROPHET_DONE at the end. */
prophet_code ph_query_next(ph_query_iter *it, ph_row *out, prophet_error *err);
/* Where the row last given stands: a value for `after`. */
prophet_code ph_query_here(ph_query_iter *it, ph_buf *after, prophet_error *err);
void         ph_query_stats_get(const ph_query_iter *it, ph_query_stats *out);
void         ph_query_close(ph_query_iter *it);

/* How many fit, at most `limit` of the spec. No rows are kept. stats may be NULL. */
prophet_code ph_query_count(const ph_query *q, ph_txn *t, const ph_query_options *o, uint64_t *count, ph_query_stats *stats, prophet_error *err);
/* How many rows have each value of the spec's group, by rising value, those without one first. Of sets and lists each element counts; 1 and 1.0 are one
 * value. What it gives lives in `a`. stats may be NULL. EUSAGE: the spec has no group. */
typedef struct ph_query_group_row {
    prophet_slice value; /* empty: of rows that have none */
    uint64_t      count;
} ph_query_group_row;
prophet_code ph_query_group(const ph_query *q, ph_txn *t, const ph_query_options *o, ph_arena *a, ph_query_group_row **out, size_t *count,
                            ph_query_stats *stats, prophet_error *err);
/* How it would be run, with group or count of the spec: how that would be told; `run`: also run it, and say what that took. */
typedef struct ph_query_plan {
    const char   *access;   /* "scan" "numbers" "ids" "index" "union" "intersect" "match" */
    const char   *order;    /* "index" "number": rows come so; "sort"; "top": sorted, only the first are kept */
    char          text[160]; /* in a line */
    char          index[160]; /* the indexes that are read, as they are declared; empty: none */
    prophet_slice help;     /* an index that would help, where it scans; lives as long as the query. Empty: none */
    bool          scans;    /* counts against options.reads */
    bool          tests;    /* rows are looked at, keys alone do not tell */
    bool          counted;  /* estimate is exact */
    uint64_t      estimate; /* of keys read */
    uint64_t      rows;     /* of a group: values */
    uint64_t      us;
    ph_query_stats stats;
} ph_query_plan;
prophet_code ph_query_explain(const ph_query *q, ph_txn *t, const ph_query_options *o, bool run, ph_query_plan *out, prophet_error *err);
/* What it asks for though the field is declared with other values, a line each, in `a`. It is answered all the same: others may have written it. */
prophet_code ph_query_doubts(const ph_query *q, ph_arena *a, prophet_slice **out, size_t *count, prophet_error *err);
/* What a match found in these texts of a record, about so many words of the best of them: pieces[0], [2], .. as they stand, [1], [3], .. what was
 * found. White space is one space; what is left out is an ellipsis. Slices live in `a`. PROPHET_DONE: none of the texts has a word of it. */
typedef struct ph_snippet_text {
    prophet_slice field, text; /* of a set each element */
} ph_snippet_text;
typedef struct ph_snippet {
    prophet_slice  field;
    prophet_slice *pieces;
    size_t         count;
} ph_snippet;
prophet_code ph_query_snippet(const ph_query *q, const ph_snippet_text *texts, size_t count, size_t width, ph_arena *a, ph_snippet *out,
                              prophet_error *err);
/* Does this one row fit? (Watching, policies.) */
prophet_code ph_query_test(const ph_query *q, ph_txn *t, const ph_row *row, bool *fits, prophet_error *err);

#endif
