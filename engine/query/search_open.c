/* search_open: a match becomes what is looked up: terms in groups, a form of each for the languages of its fields, a cursor for each word, and
 * all postings of what begins alike. Where postings cannot tell (a beginning in a language whose words are stemmed, a beginning at the
 * end of a phrase) they give too many, and the records are looked at.
 *
 * Called by plan_match.c, source_match.c; search.c goes through what was opened. */
#include "query/search_impl.h"
#include <stdlib.h>

#define GUESS 8u /* a beginning may be in one of so many records, while nobody looked */

/* ---- beginnings ---------------------------------------------------------------------------------------------------- */

typedef struct finding {
    search *s;
    search_form *f;
    size_t cap;
} finding;

static prophet_code see_posting(void *ctx, prophet_slice term, uint64_t number,
                                prophet_slice posting, prophet_error *err)
{
    finding *w = ctx;
    search_form *f = w->f;
    double times, weighted;
    prophet_code rc = ph_search_times_in(w->s, posting, f->slots, NULL, &times, err);

    (void)term;
    if (rc < 0 || times == 0 ||
        (rc = ph_search_times_in(w->s, posting, f->slots, w->s->weights, &weighted, err)) < 0)
        return rc;
    if (f->found_count == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 256;
        search_found *at = ph_realloc(f->found, cap * sizeof *at);
        if (!at)
            return ph_nomem(err);
        f->found = at;
        w->cap = cap;
    }
    f->found[f->found_count++] = (search_found){ number, weighted };
    return PROPHET_OK;
}

static int by_number(const void *a, const void *b)
{
    const search_found *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static prophet_code find_all(search *s, search_form *f, prophet_slice beginning, prophet_error *err)
{
    finding w = { s, f, 0 };
    size_t kept = 0;
    prophet_code rc = ph_text_prefix(s->reader, beginning, see_posting, &w, err);

    if (rc < 0)
        return rc;
    ph_sort(f->found, f->found_count, sizeof *f->found, by_number);
    for (size_t i = 0; i < f->found_count; i++)
        if (kept && f->found[kept - 1].number == f->found[i].number)
            f->found[kept - 1].times += f->found[i].times;
        else
            f->found[kept++] = f->found[i];
    f->found_count = kept;
    return PROPHET_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static prophet_code open_word(search *s, search_word *w, prophet_slice term, bool plan_only,
                              prophet_error *err)
{
    prophet_code rc = ph_text_records(s->reader, term, &w->records, err);
    w->at = UINT64_MAX;
    if (rc < 0 || plan_only)
        return rc;
    return ph_text_cursor_open(s->reader, term, &w->cur, err);
}

typedef struct opening {
    search *s;
    query_run *r;
    const node *n;
    const uint32_t *slots; /* of the node's paths */
    bool plan_only;
} opening;

/* What is looked up for a form. *tells: postings say exactly whether it holds. false in *possible: they say nothing. */
static prophet_code open_form(opening *o, search_form *f, const match_term *t, size_t which,
                              uint64_t *keys, bool *possible, prophet_error *err)
{
    search *s = o->s;
    const match_words *words = &t->words[which];
    bool open = t->prefix;
    prophet_code rc = PROPHET_OK;

    *keys = UINT64_MAX;
    f->count = words->count - (open && words->count > 1);
    s->exact = s->exact && !(open && words->count > 1);
    if (open && words->count == 1) {
        prophet_slice folded = words->at[0].folded;
        size_t shared = words->shared;
        f->prefix = true;
        *possible = shared > 0;
        s->exact = s->exact && o->n->path[which].language == 0;
        *keys = s->head->records / GUESS + 1;
        return o->plan_only || !*possible ? PROPHET_OK
                                          : find_all(s, f, ph_slice(folded.data, shared), err);
    }
    if (!(f->words = ph_arena_zalloc(&s->arena, (f->count + 1) * sizeof *f->words)))
        return ph_nomem(err);
    for (size_t i = 0; i < f->count && rc >= 0; i++) {
        rc = open_word(s, &f->words[i], words->at[i].term, o->plan_only, err);
        if (f->words[i].records < *keys)
            *keys = f->words[i].records;
    }
    return rc;
}

static bool language_seen(const node *n, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (n->path[i].language == n->path[which].language)
            return true;
    return false;
}

/* One form for all paths of a language: its words are the same in them. */
static prophet_code open_term(opening *o, search_term *out, const match_term *t, uint64_t *keys,
                              bool *possible, prophet_error *err)
{
    const node *n = o->n;
    prophet_code rc = PROPHET_OK;

    *out = (search_term){ .absent = t->absent };
    *possible = true;
    if (!(out->forms = ph_arena_zalloc(&o->s->arena, (n->path_count + 1) * sizeof *out->forms)))
        return ph_nomem(err);
    for (size_t i = 0; i < n->path_count && rc >= 0 && *possible; i++) {
        search_form *f = &out->forms[out->form_count];
        uint64_t one;
        if (t->words[i].count == 0 || language_seen(n, i)) /* without words it holds nowhere */
            continue;
        for (size_t k = i; k < n->path_count; k++)
            if (n->path[k].language == n->path[i].language)
                f->slots |= UINT64_C(1) << o->slots[k];
        out->form_count++;
        f->next = o->s->forms;
        o->s->forms = f;
        rc = open_form(o, f, t, i, &one, possible, err);
        *keys += one < UINT64_MAX - *keys ? one : 0;
    }
    return rc;
}

/* Terms from `first` on that OR joins. *all: every one of them can be looked up. */
static prophet_code open_group(opening *o, size_t first, search_group *g, bool *all,
                               prophet_error *err)
{
    const node *n = o->n;
    size_t end = first + 1;
    prophet_code rc = PROPHET_OK;

    while (end < n->term_count && n->terms[end].either)
        end++;
    *g = (search_group){ .count = end - first };
    *all = true;
    if (!(g->terms = ph_arena_zalloc(&o->s->arena, g->count * sizeof *g->terms)))
        return ph_nomem(err);
    for (size_t i = 0; i < g->count && rc >= 0; i++) {
        bool possible;
        rc = open_term(o, &g->terms[i], &n->terms[first + i], &g->keys, &possible, err);
        *all = *all && possible;
        if (possible && !g->terms[i].absent)
            o->s->ranked[o->s->ranked_count++] = &g->terms[i];
    }
    return rc;
}

/* A group is asked for, left out, or, where postings cannot tell, for the records to say. */
static prophet_code take_group(opening *o, size_t first, size_t *count, prophet_error *err)
{
    search *s = o->s;
    search_group g;
    bool all, before = s->exact, some_absent = false;

    s->exact = true;
    prophet_code rc = open_group(o, first, &g, &all, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < g.count; i++)
        some_absent = some_absent || g.terms[i].absent;
    *count = g.count;
    if (all && !some_absent)
        s->groups[s->group_count++] = g;
    else if (all && s->exact && g.count == 1)
        s->without[s->without_count++] = &g.terms[0];
    else
        s->exact = false;
    s->exact = s->exact && before;
    return PROPHET_OK;
}

static int by_keys(const void *a, const void *b)
{
    const search_group *x = a, *y = b;
    return (x->keys > y->keys) - (x->keys < y->keys);
}

static prophet_code set_weights(search *s, const node *n, const uint32_t *slots, prophet_error *err)
{
    double *w = ph_arena_zalloc(&s->arena, PH_TEXT_FIELDS * sizeof *w), words = 0;

    if (!w)
        return ph_nomem(err);
    for (size_t i = 0; i < n->path_count; i++)
        w[slots[i]] = n->path[i].weight;
    for (uint32_t i = 0; i < s->head->layout.slots; i++)
        words += (double)s->head->total[i];
    s->weights = w;
    s->average = s->head->records ? words / (double)s->head->records : 0;
    return PROPHET_OK;
}

bool ph_search_fits(const node *n, const ph_text_layout *layout, uint32_t *slots)
{
    for (size_t i = 0; i < n->path_count; i++) {
        const path *p = &n->path[i];
        uint32_t slot = 0;
        if (p->count != 1 || p->steps[0].kind != STEP_FIELD)
            return false;
        while (slot < layout->slots && layout->field[slot] != p->steps[0].field)
            slot++;
        if (slot == layout->slots || layout->language[slot] != p->language)
            return false;
        slots[i] = slot;
    }
    return n->path_count > 0 && n->path_count <= PH_TEXT_FIELDS;
}

static search_form *sole_of(const search *s)
{
    const search_group *g = s->groups;
    search_form *f = s->group_count == 1 && g->count == 1 && g->terms[0].form_count == 1
                         ? &g->terms[0].forms[0]
                         : NULL;

    return f && !s->without_count && !f->prefix && f->count == 1 &&
                   f->slots == ph_search_all_slots(s)
               ? f
               : NULL;
}

prophet_code ph_search_open(search *s, query_run *r, const node *n, const ph_text_head *head,
                            bool plan_only, bool *possible, prophet_error *err)
{
    uint32_t slots[PH_TEXT_FIELDS];
    opening o = { s, r, n, slots, plan_only };
    size_t count = 0;
    prophet_code rc;

    *s = (search){ .head = head, .exact = true };
    *possible = n->path_count <= PH_TEXT_FIELDS && ph_search_fits(n, &head->layout, slots);
    if (!*possible)
        return PROPHET_OK;
    s->groups = ph_arena_alloc(&s->arena, n->term_count * sizeof *s->groups);
    s->without = ph_arena_alloc(&s->arena, n->term_count * sizeof(search_term *));
    s->ranked = ph_arena_alloc(&s->arena, n->term_count * sizeof(search_term *));
    if (!s->groups || !s->without || !s->ranked)
        return ph_nomem(err);
    if ((rc = set_weights(s, n, slots, err)) < 0 ||
        (rc = ph_text_reader_new(r->t, head, &s->reader, err)) < 0)
        return rc;
    for (size_t i = 0; i < n->term_count && rc >= 0; i += count)
        rc = take_group(&o, i, &count, err);
    *possible = s->group_count > 0;
    if (s->group_count > 1)
        qsort(s->groups, s->group_count, sizeof *s->groups, by_keys);
    if (rc < 0)
        return rc;
    s->sole = sole_of(s);
    return PROPHET_OK;
}

bool ph_search_counted(const search *s, uint64_t *count)
{
    if (!s->exact || !s->sole)
        return false;
    *count = s->sole->words[0].records;
    return true;
}

void ph_search_close(search *s)
{
    for (search_form *f = s->forms; f; f = f->next) {
        for (size_t i = 0; f->words && i < f->count; i++)
            ph_text_cursor_close(f->words[i].cur);
        ph_free(f->found);
    }
    ph_text_reader_free(s->reader);
    ph_arena_clear(&s->arena);
    ph_arena_clear(&s->scratch);
}
