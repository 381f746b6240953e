/* What answers a match from postings: search_open.c looks them up, search.c goes through them, rank.c scores what it finds, source_match.c gives it to run.c. */
#ifndef PH_QUERY_SEARCH_IMPL_H
#define PH_QUERY_SEARCH_IMPL_H
#include "query/plan_impl.h"

typedef struct search_word { /* the postings of one term */
    ph_text_cursor *cur;
    uint64_t        at;       /* stands on this number; UINT64_MAX: none is left */
    prophet_slice   posting;
    uint64_t        records;  /* have it */
} search_word;

typedef struct search_found { /* by all words that begin alike */
    uint64_t number;
    double   times; /* weighted by slots */
} search_found;

typedef struct search_form search_form;
struct search_form { /* a term of the question as the languages of some fields have it */
    search_word  *words;
    size_t        count;     /* several: a phrase */
    uint64_t      slots;     /* of these fields, a bit each */
    bool          prefix;    /* `found` instead of words */
    search_found *found;     /* by number, each once */
    size_t        found_count, found_at;
    uint64_t      at;        /* stands on this number */
    search_form  *next;      /* of all there are */
};

typedef struct search_term {
    search_form *forms;
    size_t       form_count;
    bool         absent;
    double       weight; /* for the score; 0: not asked yet */
} search_term;

typedef struct search_group { /* one of them must hold */
    search_term *terms;
    size_t       count;
    uint64_t     keys; /* postings, at most */
} search_group;

typedef struct search {
    ph_text_reader *reader;
    const ph_text_head *head;
    search_group   *groups;   /* all must hold; the one with the fewest postings first */
    size_t          group_count;
    search_form    *sole;     /* a word in any field answers it alone; NULL: there is more to it */
    search_term   **without;  /* none may hold */
    size_t          without_count;
    search_term   **ranked;   /* that count for the score */
    size_t          ranked_count;
    bool            exact;    /* what it finds fits; else it has to be looked at */
    const double   *weights;  /* one a slot */
    double          average;  /* words of a record */
    search_form    *forms;    /* all of them */
    ph_arena        arena, scratch;
} search;

/* Can postings answer this condition on records of the head's type? Which slot each path is: slots[i]. */
bool         ph_search_fits(const node *n, const ph_text_layout *layout, uint32_t *slots);
/* *possible: false: nothing that is asked for can be looked up. With plan_only nothing but groups[].keys and exact is filled in. */
prophet_code ph_search_open(search *s, query_run *r, const node *n, const ph_text_head *head, bool plan_only, bool *possible,
                            prophet_error *err);
/* Does one term answer it alone, so that its records need not be gone through to be counted? */
bool         ph_search_counted(const search *s, uint64_t *count);
void         ph_search_close(search *s);
/* The first number from `from` on that fits; from never falls. PROPHET_DONE: no more. */
prophet_code ph_search_next(search *s, uint64_t from, uint64_t *number, prophet_error *err);
/* rank.c: of the number found last. */
prophet_code ph_search_score(search *s, uint64_t number, double *score, prophet_error *err);

/* Stands on the first number from `from` on at which the form holds: f->at. */
prophet_code ph_search_form(search *s, search_form *f, uint64_t from, prophet_error *err);
/* How often a word stands in the slots; `weights` NULL: whether it does. */
prophet_code ph_search_times_in(const search *s, prophet_slice posting, uint64_t slots, const double *weights, double *times,
                                prophet_error *err);
uint64_t     ph_search_all_slots(const search *s);
/* How often, weighted by slots, it stands in the record f->at. */
prophet_code ph_search_times(search *s, search_form *f, double *times, prophet_error *err);

#endif
