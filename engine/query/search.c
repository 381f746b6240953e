/* search: which records have the words of a match, from the postings of the full-text index. All goes by rising local number, so
 * that groups of terms are gone through side by side, and each skips what the rarest has not.
 *
 * Answers are those of match.c. search_open.c opens what is gone through here.
 * Called by source_match.c and rank.c. */
#include "query/search_impl.h"

#define NONE UINT64_MAX

static prophet_code damaged(prophet_error *err)
{
    ph_fail(err, PROPHET_ECORRUPT, "the full-text index is damaged");
    ph_hint(err, "run prophet rebuild");
    return PROPHET_ECORRUPT;
}

/* ---- one word ---------------------------------------------------------------------------------------------- */

static prophet_code seek_word(search_word *w, uint64_t from, prophet_error *err)
{
    if (w->at != NONE && w->at >= from)
        return PROPHET_OK;
    if (w->at == NONE && !w->cur)
        return PROPHET_OK;
    prophet_code rc = ph_text_cursor_seek(w->cur, from, &w->at, &w->posting, err);
    if (rc != PROPHET_OK) {
        ph_text_cursor_close(w->cur);
        w->cur = NULL;
        w->at = NONE;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- phrases ------------------------------------------------------------------------------------------------ */

typedef struct places { /* of a word in one slot */
    uint32_t *at;
    size_t count;
} places;

/* The positions in each of the slots; slots not asked for stay empty. */
static prophet_code read_places(search *s, prophet_slice posting, uint64_t slots, places *out,
                                prophet_error *err)
{
    ph_posting p = ph_posting_open(posting, s->head->layout.slots);

    while (ph_posting_group(&p)) {
        places *to = &out[p.slot];
        if (!(slots >> p.slot & 1)) {
            (void)ph_posting_skip(&p);
            continue;
        }
        if (!(to->at = ph_arena_alloc(&s->scratch, p.count * sizeof *to->at)))
            return ph_nomem(err);
        to->count = ph_posting_positions(&p, to->at) ? p.count : 0;
    }
    return p.damaged ? damaged(err) : PROPHET_OK;
}

/* Keeps of `first` the places that `next` follows at this distance. Both rise. */
static void keep_followed(places *first, const places *next, uint32_t distance)
{
    size_t kept = 0, k = 0;

    for (size_t i = 0; i < first->count; i++) {
        while (k < next->count && next->at[k] < first->at[i] + distance)
            k++;
        if (k < next->count && next->at[k] == first->at[i] + distance)
            first->at[kept++] = first->at[i];
    }
    first->count = kept;
}

/* Where the phrase stands, all its words being on one number. */
static prophet_code phrase_places(search *s, const search_form *f, places out[PH_TEXT_FIELDS],
                                  prophet_error *err)
{
    prophet_code rc;

    memset(out, 0, PH_TEXT_FIELDS * sizeof *out);
    if ((rc = read_places(s, f->words[0].posting, f->slots, out, err)) < 0)
        return rc;
    for (size_t i = 1; i < f->count; i++) {
        places next[PH_TEXT_FIELDS] = { { NULL, 0 } };
        if ((rc = read_places(s, f->words[i].posting, f->slots, next, err)) < 0)
            return rc;
        for (uint32_t slot = 0; slot < s->head->layout.slots; slot++)
            keep_followed(&out[slot], &next[slot], (uint32_t)i);
    }
    return PROPHET_OK;
}

/* ---- a form of a term ------------------------------------------------------------------------------------------ */

uint64_t ph_search_all_slots(const search *s)
{
    uint32_t n = s->head->layout.slots;
    return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

prophet_code ph_search_times_in(const search *s, prophet_slice posting, uint64_t slots,
                                const double *weights, double *times, prophet_error *err)
{
    ph_posting p = ph_posting_open(posting, s->head->layout.slots);

    *times = 0;
    while (ph_posting_group(&p)) {
        if (slots >> p.slot & 1)
            *times += weights ? weights[p.slot] * p.count : 1;
        if (p.more)
            (void)ph_posting_skip(&p);
        if (!weights && *times > 0)
            break;
    }
    return p.damaged ? damaged(err) : PROPHET_OK;
}

static prophet_code seek_found(search_form *f, uint64_t from)
{
    while (f->found_at < f->found_count && f->found[f->found_at].number < from)
        f->found_at++;
    f->at = f->found_at < f->found_count ? f->found[f->found_at].number : NONE;
    return PROPHET_OK;
}

/* Does it hold where all its words stand? */
static prophet_code holds(search *s, search_form *f, bool *yes, prophet_error *err)
{
    double times = 1;
    prophet_code rc = PROPHET_OK;

    if (f->count > 1)
        rc = ph_search_times(s, f, &times, err);
    else if (f->slots != ph_search_all_slots(s))
        rc = ph_search_times_in(s, f->words[0].posting, f->slots, NULL, &times, err);
    *yes = times > 0;
    return rc;
}

/* The first number from `from` on at which all its words stand, wherever. */
static prophet_code align(search_form *f, uint64_t from, prophet_error *err)
{
    size_t agree = 0, i = 0;

    for (f->at = from; agree < f->count && f->at != NONE; i = (i + 1) % f->count) {
        search_word *w = &f->words[i];
        prophet_code rc = seek_word(w, f->at, err);
        if (rc < 0)
            return rc;
        agree = w->at == f->at ? agree + 1 : 1;
        f->at = w->at;
    }
    return PROPHET_OK;
}

prophet_code ph_search_form(search *s, search_form *f, uint64_t from, prophet_error *err)
{
    bool yes = false;
    prophet_code rc = PROPHET_OK;

    if (f->at >= from)
        return PROPHET_OK;
    if (f->prefix)
        return seek_found(f, from);
    while (!yes && rc >= 0) {
        if ((rc = align(f, from, err)) < 0 || f->at == NONE)
            return rc;
        rc = holds(s, f, &yes, err);
        from = f->at + 1;
    }
    return rc;
}

prophet_code ph_search_times(search *s, search_form *f, double *times, prophet_error *err)
{
    places at[PH_TEXT_FIELDS];
    prophet_code rc;

    *times = 0;
    if (f->prefix) {
        *times = f->found[f->found_at].times;
        return PROPHET_OK;
    }
    if (f->count == 1)
        return ph_search_times_in(s, f->words[0].posting, f->slots, s->weights, times, err);
    ph_arena_reset(&s->scratch);
    rc = phrase_places(s, f, at, err);
    for (uint32_t slot = 0; rc >= 0 && slot < s->head->layout.slots; slot++)
        *times += s->weights[slot] * (double)at[slot].count;
    return rc;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static prophet_code seek_term(search *s, search_term *t, uint64_t from, uint64_t *at,
                              prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < t->form_count && rc >= 0; i++)
        if ((rc = ph_search_form(s, &t->forms[i], from, err)) >= 0 && t->forms[i].at < *at)
            *at = t->forms[i].at;
    return rc;
}

static prophet_code seek_group(search *s, search_group *g, uint64_t from, uint64_t *at,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    *at = NONE;
    for (size_t i = 0; i < g->count && rc >= 0; i++)
        rc = seek_term(s, &g->terms[i], from, at, err);
    return rc;
}

static prophet_code is_without(search *s, uint64_t number, bool *yes, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    *yes = true;
    for (size_t i = 0; i < s->without_count && *yes && rc >= 0; i++) {
        uint64_t at = NONE;
        rc = seek_term(s, s->without[i], number, &at, err);
        *yes = at != number;
    }
    return rc;
}

static prophet_code next_of_word(search_form *f, uint64_t from, uint64_t *number,
                                 prophet_error *err)
{
    prophet_code rc = seek_word(&f->words[0], from, err);

    *number = f->at = f->words[0].at;
    return rc < 0 ? rc : f->at == NONE ? PROPHET_DONE : PROPHET_OK;
}

prophet_code ph_search_next(search *s, uint64_t from, uint64_t *number, prophet_error *err)
{
    if (s->sole)
        return next_of_word(s->sole, from, number, err);
    for (;;) {
        uint64_t at;
        size_t i = 0;
        bool fits;
        prophet_code rc = seek_group(s, &s->groups[0], from, number, err);
        for (i = 1; i < s->group_count && rc >= 0 && *number != NONE; i++) {
            if ((rc = seek_group(s, &s->groups[i], *number, &at, err)) < 0 || at != *number)
                break;
        }
        if (rc < 0)
            return rc;
        if (*number == NONE || (i < s->group_count && at == NONE))
            return PROPHET_DONE;
        if (i < s->group_count) {
            from = at;
            continue;
        }
        if ((rc = is_without(s, *number, &fits, err)) < 0 || fits)
            return rc;
        from = *number + 1;
    }
}
