/* snippet: the part of a text that shows best what a match found in it, with the words that it found told apart.
 *
 * Words are those of match.c. Of all texts, and of all runs of so many words in them, the one is shown that has the most terms, then the
 * most places, then the first. */
#include "query/query_impl.h"

#define LONGEST 200u /* bytes shown of one word, or of what stands between two */

static const char ELLIPSIS[] = "\xe2\x80\xa6";

typedef struct found_word {
    size_t term; /* 0: none asks for it */
    bool joined; /* to the word before: of one phrase */
} found_word;

typedef struct candidate { /* words first .. last of a text */
    const ph_snippet_text *text;
    match_words words;
    found_word *found;
    size_t first, last, terms, places;
} candidate;

typedef struct snipping {
    ph_arena *a;
    ph_words *words;
    const node *match[QUERY_DEPTH];
    size_t match_count, width;
    candidate best;
} snipping;

/* ---- which conditions --------------------------------------------------------------------------------------- */

static void gather(snipping *s, const node *n)
{
    if (n->op == OP_MATCH && s->match_count < QUERY_DEPTH)
        s->match[s->match_count++] = n;
    for (size_t i = 0; (n->op == OP_AND || n->op == OP_OR) && i < n->kid_count; i++)
        gather(s, n->kids[i]);
}

static const path *path_of(const node *n, prophet_slice field)
{
    for (size_t i = 0; i < n->path_count; i++)
        if (n->path[i].count == 1 && ph_slice_eq(n->path[i].text, field))
            return &n->path[i];
    return NULL;
}

/* ---- what is found in a text ---------------------------------------------------------------------------------- */

static void find_term(const match_term *t, size_t which, size_t id, candidate *c)
{
    const match_words *want = &t->words[which];

    for (size_t at = 0; want->count > 0 && at + want->count <= c->words.count; at++) {
        if (!ph_query_match_at(want, t->prefix, c->words.at + at))
            continue;
        for (size_t i = 0; i < want->count; i++)
            if (!c->found[at + i].term)
                c->found[at + i] = (found_word){ id, i > 0 };
    }
}

/* Terms are counted through all conditions. Their number. */
static size_t find_terms(const snipping *s, candidate *c)
{
    size_t id = 0;

    for (size_t i = 0; i < s->match_count; i++) {
        const node *n = s->match[i];
        const path *p = path_of(n, c->text->field);
        for (size_t k = 0; k < n->term_count; k++)
            if (++id && p && !n->terms[k].absent)
                find_term(&n->terms[k], (size_t)(p - n->path), id, c);
    }
    for (size_t i = c->words.count; i-- > 1;) /* several words of one run: shown as one */
        if (c->words.at[i].start == c->words.at[i - 1].start && !c->found[i - 1].term)
            c->found[i - 1] = c->found[i];
    return id;
}

/* ---- which part ------------------------------------------------------------------------------------------------ */

/* So much in front as behind. */
static void center(candidate *c, size_t width)
{
    size_t first = c->first, last = c->last;

    while (first < last && !c->found[first].term)
        first++;
    while (last > first && !c->found[last].term)
        last--;
    size_t room = width - (last - first + 1), end;
    c->first = first > room / 2 ? first - room / 2 : 0;
    end = c->first + width;
    if (end > c->words.count) {
        c->first = c->words.count > width ? c->words.count - width : 0;
        end = c->words.count;
    }
    c->last = end - 1;
}

static prophet_code choose(snipping *s, candidate *c, size_t terms, prophet_error *err)
{
    size_t *times = ph_arena_zalloc(s->a, (terms + 1) * sizeof *times), different = 0, places = 0;

    if (!times)
        return ph_nomem(err);
    for (size_t i = 0; i < c->words.count; i++) {
        size_t in = c->found[i].term, out = i >= s->width ? c->found[i - s->width].term : 0;
        if (out) {
            places--;
            different -= --times[out] == 0;
        }
        if (!in)
            continue;
        places++;
        different += times[in]++ == 0;
        if (different < c->terms || (different == c->terms && places <= c->places))
            continue;
        c->terms = different;
        c->places = places;
        c->first = i >= s->width ? i - s->width + 1 : 0;
        c->last = i;
    }
    return PROPHET_OK;
}

static prophet_code look_at(snipping *s, const ph_snippet_text *text, prophet_error *err)
{
    candidate c = { .text = text };
    const path *p = NULL;

    for (size_t i = 0; i < s->match_count && !p; i++)
        p = path_of(s->match[i], text->field);
    if (!p)
        return PROPHET_OK;
    prophet_code rc = ph_query_match_cut(s->words, p->language, text->text, s->a, &c.words, err);
    if (rc < 0)
        return rc;
    if (!(c.found = ph_arena_zalloc(s->a, (c.words.count + 1) * sizeof *c.found)))
        return ph_nomem(err);
    if ((rc = choose(s, &c, find_terms(s, &c), err)) < 0)
        return rc;
    if (c.terms > s->best.terms || (c.terms == s->best.terms && c.places > s->best.places))
        s->best = c;
    return PROPHET_OK;
}

/* ---- how it is shown --------------------------------------------------------------------------------------------- */

typedef struct showing {
    ph_arena *a;
    ph_buf piece;
    ph_snippet *out;
    bool blank, ok; /* blank: no more of it wanted here */
} showing;

/* White space and control characters of any number are one space. */
static void show(showing *w, const uint8_t *at, size_t len)
{
    size_t n = len;

    if (n > LONGEST)
        for (n = LONGEST; n > 0 && (at[n] & 0xc0) == 0x80;)
            n--;
    for (size_t i = 0; i < n; i++) {
        bool c1 = at[i] == 0xc2 && i + 1 < n && at[i + 1] < 0xa0;
        if (at[i] > ' ' && at[i] != 0x7f && !c1) {
            ph_buf_put(&w->piece, at + i, 1);
            w->blank = false;
            continue;
        }
        i += c1;
        if (!w->blank)
            ph_buf_put(&w->piece, " ", 1);
        w->blank = true;
    }
    if (n < len)
        ph_buf_put(&w->piece, ELLIPSIS, sizeof ELLIPSIS - 1);
}

static void end_piece(showing *w)
{
    w->out->pieces[w->out->count++] = ph_arena_copy(w->a, ph_buf_slice(&w->piece), &w->ok);
    w->ok = w->ok && !w->piece.failed;
    w->piece.len = 0;
}

static void show_words(showing *w, const candidate *c)
{
    const uint8_t *text = c->text->text.data;
    size_t at = c->first ? c->words.at[c->first].start : 0;
    bool inside = false;

    for (size_t i = c->first; i <= c->last; i++) {
        const match_word *word = &c->words.at[i];
        const found_word *f = &c->found[i];
        if (word->start < at) /* shown with the one before */
            continue;
        if (inside && !(f->joined && f->term == f[-1].term)) {
            end_piece(w);
            inside = false;
        }
        show(w, text + at, word->start - at);
        if (f->term && !inside) {
            end_piece(w);
            inside = true;
        }
        show(w, text + word->start, word->end - word->start);
        at = word->end;
    }
    if (inside)
        end_piece(w);
    if (c->last + 1 == c->words.count)
        show(w, text + at, c->text->text.len - at);
    else
        ph_buf_put(&w->piece, ELLIPSIS, sizeof ELLIPSIS - 1);
}

static prophet_code show_best(snipping *s, ph_snippet *out, prophet_error *err)
{
    candidate *c = &s->best;
    showing w = { s->a, PH_BUF_INIT, out, true, true };

    center(c, s->width);
    out->field = c->text->field;
    out->pieces = ph_arena_alloc(s->a, (2 * (c->last - c->first + 1) + 1) * sizeof *out->pieces);
    if (!out->pieces)
        return ph_nomem(err);
    if (c->first > 0)
        ph_buf_put(&w.piece, ELLIPSIS, sizeof ELLIPSIS - 1);
    show_words(&w, c);
    if (w.piece.len > 0 && w.piece.data[w.piece.len - 1] == ' ')
        w.piece.len--;
    end_piece(&w);
    ph_buf_clear(&w.piece);
    return w.ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_query_snippet(const ph_query *q, const ph_snippet_text *texts, size_t count,
                              size_t width, ph_arena *a, ph_snippet *out, prophet_error *err)
{
    snipping s = { .a = a, .width = width ? width : 1 };
    prophet_code rc;

    *out = (ph_snippet){ .count = 0 };
    if (q->where)
        gather(&s, q->where);
    if (s.match_count == 0) {
        ph_fail(err, PROPHET_EUSAGE, "no condition of the query is a match");
        ph_hint(err, "add one, as in q.match \"some words\"");
        return PROPHET_EUSAGE;
    }
    if ((rc = ph_words_new(&s.words, err)) < 0)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = look_at(&s, &texts[i], err);
    ph_words_free(s.words);
    if (rc >= 0)
        rc = s.best.places ? show_best(&s, out, err) : PROPHET_DONE;
    return rc;
}
