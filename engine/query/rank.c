/* rank: how well a record fits a match: Okapi BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009),
 * with k1 = 1.2 and b = 0.75. A term counts as often as it stands in the record, each time by the weight of its field; the length is that
 * of all its texts together. A term that most records have still counts a little, so that no score is below 0.
 *
 * Called by source_match.c for each number that search.c found. */
#include "query/search_impl.h"
#include <math.h>

static const double K1 = 1.2, B = 0.75;

/* How much a term tells, by how many of the records have it. */
static double rareness(double with, double all)
{
    with = with > all ? all : with;
    return log(1 + (all - with + 0.5) / (with + 0.5));
}

static double often(double times, double length)
{
    return times > 0 ? times * (K1 + 1) / (times + K1 * (1 - B + B * length)) : 0;
}

double ph_rank_term(double times, double with, double all, double length)
{
    return rareness(with, all) * often(times, length);
}

/* Of a phrase, its rarest word; of a beginning, all words together. */
static double weight_of(const search *s, const search_term *t)
{
    double with = 0;

    for (size_t i = 0; i < t->form_count; i++) {
        const search_form *f = &t->forms[i];
        uint64_t n = f->prefix ? f->found_count : UINT64_MAX;
        for (size_t w = 0; !f->prefix && w < f->count; w++)
            if (f->words[w].records < n)
                n = f->words[w].records;
        with += (double)n;
    }
    return rareness(with, (double)s->head->records);
}

static prophet_code times_of(search *s, search_term *t, uint64_t number, double *out,
                             prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    *out = 0;
    for (size_t i = 0; i < t->form_count && rc >= 0; i++) {
        double one = 0;
        rc = ph_search_form(s, &t->forms[i], number, err);
        if (rc >= 0 && t->forms[i].at == number)
            rc = ph_search_times(s, &t->forms[i], &one, err);
        *out += one;
    }
    return rc;
}

prophet_code ph_search_score(search *s, uint64_t number, double *score, prophet_error *err)
{
    const uint32_t *lengths;
    double length = 0;
    prophet_code rc = ph_text_lengths(s->reader, number, &lengths, err);

    *score = 0;
    for (uint32_t i = 0; rc == PROPHET_OK && i < s->head->layout.slots; i++)
        length += lengths[i];
    length = s->average > 0 ? length / s->average : 1;
    for (size_t i = 0; i < s->ranked_count && rc >= 0; i++) {
        search_term *t = s->ranked[i];
        double times;
        if (t->weight == 0)
            t->weight = weight_of(s, t);
        if ((rc = times_of(s, t, number, &times, err)) >= 0)
            *score += t->weight * often(times, length);
    }
    return rc < 0 ? rc : PROPHET_OK;
}
