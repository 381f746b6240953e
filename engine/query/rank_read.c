/* rank_read: scores where no postings tell them: of the past, and of a match that only says what must not be there. All records of the type
 * are read once for how many there are and how many have each word, then each that fits for what it has: the same numbers that rank.c takes
 * from the index, so the order is the same.
 *
 * Called by run.c when the plan says so. */
#include "query/plan_impl.h"

typedef struct form { /* a term as one language has it */
    const match_words *want;
    size_t path;  /* the first of that language */
    size_t count; /* words that count; 0: a beginning */
    double *with; /* records that have each; of a beginning one number */
} form;

typedef struct ranked_term {
    form *forms;
    size_t count;
} ranked_term;

struct rank_read {
    const node *n;
    ranked_term *terms;
    size_t count;
    double records, words;
};

/* ---- the question ---------------------------------------------------------------------------------------------- */

static bool language_seen(const node *n, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (n->path[i].language == n->path[which].language)
            return true;
    return false;
}

/* As search.c opens it. *none: nothing can be said of it. */
static bool open_term(rank_read *s, const match_term *t, ranked_term *out, ph_arena *a, bool *none)
{
    *out = (ranked_term){ ph_arena_zalloc(a, (s->n->path_count + 1) * sizeof(form)), 0 };
    *none = t->absent;
    for (size_t i = 0; out->forms && i < s->n->path_count; i++) {
        const match_words *want = &t->words[i];
        form *f = &out->forms[out->count];
        if (want->count == 0 || language_seen(s->n, i))
            continue;
        bool beginning = t->prefix && want->count == 1;
        *f = (form){ want, i, beginning ? 0 : want->count - t->prefix, NULL };
        *none = *none || (beginning && want->shared == 0);
        if (!(f->with = ph_arena_zalloc(a, (f->count + 1) * sizeof *f->with)))
            return false;
        out->count++;
    }
    return out->forms != NULL;
}

static bool open_terms(rank_read *s, ph_arena *a)
{
    bool none = false;

    if (!(s->terms = ph_arena_alloc(a, (s->n->term_count + 1) * sizeof *s->terms)))
        return false;
    for (size_t i = 0; i < s->n->term_count; i++) {
        if (!open_term(s, &s->n->terms[i], &s->terms[s->count], a, &none))
            return false;
        s->count += !none;
    }
    return true;
}

/* ---- one record -------------------------------------------------------------------------------------------------- */

typedef struct record_texts {
    match_text *at;
    size_t count;
    double words;
} record_texts;

static prophet_code read_texts(query_run *r, const ph_row *row, record_texts *out,
                               prophet_error *err)
{
    *out = (record_texts){ NULL, 0, 0 };
    prophet_code rc = ph_query_match_read(r, r->reading->n, row, &out->at, &out->count, err);

    for (size_t i = 0; i < out->count && rc >= 0; i++)
        out->words += (double)out->at[i].words.count;
    return rc;
}

static bool in_form(const rank_read *s, const form *f, const match_text *t)
{
    return s->n->path[t->path].language == s->n->path[f->path].language;
}

static bool begins(const form *f, const match_word *w)
{
    const match_words *want = f->want;
    return w->term.len >= want->shared &&
           memcmp(w->term.data, want->at[0].folded.data, want->shared) == 0;
}

/* How often the form stands in a text. */
static size_t times_in(const form *f, const match_words *in)
{
    size_t times = 0;

    for (size_t at = 0; at + (f->count ? f->count : 1) <= in->count; at++) {
        size_t i = 0;
        while (i < f->count && ph_slice_eq(in->at[at + i].term, f->want->at[i].term))
            i++;
        times += f->count ? i == f->count : begins(f, &in->at[at]);
    }
    return times;
}

static double form_times(const rank_read *s, const form *f, const record_texts *texts)
{
    double times = 0;

    for (size_t i = 0; i < texts->count; i++)
        if (in_form(s, f, &texts->at[i]))
            times +=
                s->n->path[texts->at[i].path].weight * (double)times_in(f, &texts->at[i].words);
    return times;
}

/* A word is counted wherever it stands, also in fields of other languages: it is one term of the index. */
static bool has_word(const record_texts *texts, prophet_slice term)
{
    for (size_t i = 0; i < texts->count; i++)
        for (size_t k = 0; k < texts->at[i].words.count; k++)
            if (ph_slice_eq(texts->at[i].words.at[k].term, term))
                return true;
    return false;
}

static void count_record(rank_read *s, const record_texts *texts)
{
    s->records++;
    s->words += texts->words;
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->terms[i].count; k++) {
            form *f = &s->terms[i].forms[k];
            if (f->count == 0)
                f->with[0] += form_times(s, f, texts) > 0;
            for (size_t w = 0; w < f->count; w++)
                f->with[w] += has_word(texts, f->want->at[w].term);
        }
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static prophet_code count_all(query_run *r, prophet_error *err)
{
    scan_source scan;
    prophet_slice key, value;
    record_texts texts;
    ph_row row;
    prophet_code rc = ph_query_scan_open(&scan, r->t, r->q->type, err);

    if (rc < 0)
        return rc;
    while ((rc = ph_query_scan_row(&scan, &key, &value, err)) == PROPHET_OK) {
        if ((rc = ph_query_read(r, err)) < 0)
            break;
        ph_arena_reset(&r->row_arena);
        if (!ph_row_open(key, value, &row))
            rc = ph_query_damaged(key, err);
        else if (row.alive && (rc = read_texts(r, &row, &texts, err)) >= 0)
            count_record(r->reading, &texts);
        if (rc < 0)
            break;
    }
    ph_query_scan_close(&scan);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_rank_read_begin(query_run *r, ph_arena *a, prophet_error *err)
{
    rank_read *s = ph_arena_zalloc(a, sizeof *s);

    if (!s)
        return ph_nomem(err);
    s->n = ph_query_scored(r->q);
    if (!open_terms(s, a))
        return ph_nomem(err);
    r->reading = s;
    return count_all(r, err);
}

prophet_code ph_rank_read_score(query_run *r, const ph_row *row, double *score, prophet_error *err)
{
    rank_read *s = r->reading;
    record_texts texts;
    prophet_code rc = read_texts(r, row, &texts, err);
    double length = s->words > 0 ? texts.words / (s->words / s->records) : 1;

    *score = 0;
    for (size_t i = 0; i < s->count && rc >= 0; i++) {
        double with = 0, times = 0;
        for (size_t k = 0; k < s->terms[i].count; k++) {
            const form *f = &s->terms[i].forms[k];
            double least = f->with[0];
            for (size_t w = 1; w < f->count; w++)
                least = f->with[w] < least ? f->with[w] : least;
            with += least;
            times += form_times(s, f, &texts);
        }
        *score += ph_rank_term(times, with, s->records, length);
    }
    return rc;
}

prophet_code ph_rank_read_after(query_run *r, uint64_t number, double *score, prophet_error *err)
{
    ph_uuid uuid;
    uint32_t type;
    ph_row row;
    bool fits = false;
    prophet_code rc = ph_numbers_get(r->t, number, &type, &uuid, err);

    if (rc == PROPHET_OK && type == r->q->type)
        rc = ph_query_row(r, type, &uuid, &row, err);
    else if (rc >= 0)
        rc = PROPHET_DONE;
    if (rc == PROPHET_OK)
        rc = ph_query_eval(r, r->reading->n, &row, &fits, err);
    if (rc >= 0 && fits)
        return ph_rank_read_score(r, &row, score, err);
    return rc < 0 ? rc : ph_match_gone(number, err);
}
