/* match: full text read from the rows.
 *
 * Words are cut, folded and stemmed as those of the full-text index are (engine/index/words.c), by the language of each field.
 * "two words" is a phrase within one text, word* a beginning, -word must not be there, a OR b either. All terms must hold, together
 * over the texts of one record. "and", "or" and "not", in any case, are no words but in quotes, as in the text form (parse.c). */
#include "query/query_impl.h"

typedef struct word_list {
    ph_arena *a;
    match_word *at;
    size_t count, cap;
} word_list;

static bool add_word(word_list *l, match_word word)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        match_word *at = ph_arena_alloc(l->a, cap * sizeof *at);
        if (!at)
            return false;
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = word;
    return true;
}

static prophet_code see_word(void *ctx, const ph_word *w, prophet_error *err)
{
    word_list *l = ctx;
    bool ok = true;
    match_word word = { .folded = ph_arena_copy(l->a, w->folded, &ok),
                        .start = w->start,
                        .end = w->end };

    word.term = ph_slice_eq(w->term, w->folded) ? word.folded : ph_arena_copy(l->a, w->term, &ok);
    return ok && add_word(l, word) ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_query_match_cut(ph_words *w, unsigned language, prophet_slice text, ph_arena *a,
                                match_words *out, prophet_error *err)
{
    word_list l = { .a = a };
    prophet_code rc = ph_words_cut(w, language, text, 0, see_word, &l, err);

    *out = (match_words){ l.at, l.count, 0 };
    if (l.count)
        out->shared = ph_words_shared(language, l.at[l.count - 1].folded);
    return rc;
}

/* ---- one record ------------------------------------------------------------------------------------------- */

static bool begins(prophet_slice word, prophet_slice with)
{
    return word.len >= with.len && memcmp(word.data, with.data, with.len) == 0;
}

bool ph_query_match_at(const match_words *want, bool prefix, const match_word *at)
{
    for (size_t i = 0; i < want->count; i++) {
        bool open = prefix && i + 1 == want->count;
        if (open ? !begins(at[i].folded, want->at[i].folded) ||
                       !begins(at[i].term, ph_slice(want->at[i].folded.data, want->shared))
                 : !ph_slice_eq(at[i].term, want->at[i].term))
            return false;
    }
    return true;
}

static bool term_in(const match_term *t, const match_text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const match_words *want = &t->words[texts[i].path];
        for (size_t at = 0; at + want->count <= texts[i].words.count; at++)
            if (want->count > 0 && ph_query_match_at(want, t->prefix, texts[i].words.at + at))
                return true;
    }
    return false;
}

prophet_code ph_query_match_words(query_run *r, const node *n, match_text *texts, size_t count,
                                  prophet_error *err)
{
    prophet_code rc = r->words ? PROPHET_OK : ph_words_new(&r->words, err);

    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = ph_query_match_cut(r->words, n->path[texts[i].path].language, texts[i].text,
                                &r->row_arena, &texts[i].words, err);
    return rc;
}

bool ph_query_match_holds(const node *n, const match_text *texts, size_t count)
{
    bool group = true;

    for (size_t i = 0; i < n->term_count; i++) {
        const match_term *t = &n->terms[i];
        bool here = term_in(t, texts, count) != t->absent;
        if (!t->either && !group)
            return false;
        group = t->either ? group || here : here;
    }
    return group;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

/* The question as it is read: terms, and what joins them. */
typedef struct asking {
    const char *start, *p, *end;
    prophet_error *err;
} asking;

#define MISSING   "a word is missing beside this one"
#define IN_QUOTES "and, or and not are words to look for in quotes"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static prophet_code refuse(const asking *q, const char *at, const char *what, const char *hint)
{
    size_t column = 1;

    for (const char *p = q->start; p < at; p++)
        column += ((uint8_t)*p & 0xc0) != 0x80;
    ph_fail(q->err, PROPHET_EUSAGE, "words to look for, column %zu: %s", column, what);
    ph_hint(q->err, "%s", hint);
    return PROPHET_EUSAGE;
}

/* Is this whole word here, in any case? Then it is taken. */
static bool take_keyword(asking *q, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(q->end - q->p) < len || strncasecmp(q->p, word, len) != 0 ||
        (q->p + len < q->end && !is_space(q->p[len]) && q->p[len] != '"'))
        return false;
    q->p += len;
    return true;
}

static void skip_space(asking *q)
{
    while (q->p < q->end && (is_space(*q->p) || *q->p == '(' || *q->p == ')'))
        q->p++;
}

/* -word, not word. A dash with a space behind it is no more than a dash. *absent: what the words said, and goes on behind a term without letters. */
static prophet_code take_not(asking *q, match_term *t, bool *absent)
{
    const char *at = q->p;

    while (take_keyword(q, "not")) {
        *absent = !*absent;
        skip_space(q);
        if (q->p == q->end)
            return refuse(q, at, MISSING, IN_QUOTES);
    }
    t->absent = *absent;
    if (q->p < q->end && *q->p == '-') {
        t->absent = !t->absent;
        q->p++;
    }
    return PROPHET_OK;
}

/* People paste what they look for: a quote that is never closed, and parentheses, stand between words. */
static void take_term(asking *q, prophet_slice *text, match_term *t)
{
    bool mark = q->p < q->end && *q->p == '"';
    const char *start = q->p + mark;
    bool quoted = mark && memchr(start, '"', (size_t)(q->end - start));

    for (q->p = start; q->p < q->end && *q->p != '"'; q->p++)
        if (!quoted && (is_space(*q->p) || *q->p == '(' || *q->p == ')'))
            break;
    *text = ph_slice(start, (size_t)(q->p - start));
    t->prefix = !quoted && q->p > start && q->p[-1] == '*';
    q->p += quoted;
}

/* A term's words as each path's language has them. */
static prophet_code cut_term(compiler *c, ph_words *w, prophet_slice text, const node *n,
                             match_term *t, prophet_error *err)
{
    match_words *words = ph_arena_zalloc(c->a, (n->path_count + 1) * sizeof *words);
    prophet_code rc = words ? PROPHET_OK : ph_nomem(err);

    for (size_t i = 0; i < n->path_count && rc >= 0; i++)
        if (i > 0 && n->path[i].language == n->path[i - 1].language)
            words[i] = words[i - 1];
        else
            rc = ph_query_match_cut(w, n->path[i].language, text, c->a, &words[i], err);
    t->words = words;
    return rc;
}

/* What stands before a term: nothing, "and", or "or", which needs a term on both sides. *more false: the end. */
static prophet_code take_joint(asking *q, bool first, match_term *t, bool *more)
{
    const char *at;

    skip_space(q);
    at = q->p;
    t->either = take_keyword(q, "or");
    bool joined = t->either || take_keyword(q, "and");
    skip_space(q);
    *more = q->p < q->end;
    if (!joined || (!first && *more && !take_keyword(q, "or") && !take_keyword(q, "and")))
        return PROPHET_OK;
    return refuse(q, at, MISSING, IN_QUOTES);
}

static prophet_code take_terms(compiler *c, ph_words *w, asking *q, node *n, match_term *terms)
{
    bool more = true, either = false, absent = false;
    prophet_slice word;
    prophet_code rc;

    for (bool first = true;; first = false) {
        match_term t = { .either = false };
        if ((rc = take_joint(q, first, &t, &more)) < 0 || !more)
            return rc;
        if ((rc = take_not(q, &t, &absent)) < 0)
            return rc;
        take_term(q, &word, &t);
        if ((rc = cut_term(c, w, word, n, &t, q->err)) < 0)
            return rc;
        t.either = either = t.either || either;
        if (t.words[0].count == 0)
            continue; /* no letter in it: what joined it joins the next one */
        t.either = t.either && n->term_count > 0;
        terms[n->term_count++] = t;
        either = absent = false;
    }
}

prophet_code ph_query_match_compile(compiler *c, prophet_slice text, node *n, prophet_error *err)
{
    match_term *terms = ph_arena_alloc(c->a, (text.len / 2 + 2) * sizeof *terms);
    ph_words *w = NULL;

    if (!terms)
        return ph_nomem(err);
    prophet_code rc = ph_words_new(&w, err);
    if (rc >= 0)
        rc = take_terms(c, w,
                        &(asking){ text.data, text.data, (const char *)text.data + text.len, err },
                        n, terms);
    ph_words_free(w);
    n->terms = terms;
    if (rc < 0 || n->term_count > 0)
        return rc;
    return ph_fail(err, PROPHET_EUSAGE, "\"%.*s\" has no word to look for",
                   (int)(text.len < 60 ? text.len : 60), (const char *)text.data);
}

prophet_code ph_query_match_fields(compiler *c, node *n, prophet_error *err)
{
    prophet_slice type = c->q->type_name;
    const char *const *names = NULL;
    size_t count = 0;
    prophet_code rc = c->schema->names(c->schema->ctx, type, c->a, &names, &count, err);

    if (rc < 0)
        return rc;
    path *paths = ph_arena_alloc(c->a, (count + 1) * sizeof *paths);
    if (!paths)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++) {
        ph_query_field f = { .kind = PH_Q_ANY };
        if ((rc = c->schema->field(c->schema->ctx, type, ph_slice_str(names[i]), &f, err)) < 0)
            return rc;
        if (rc == PROPHET_OK && f.fulltext &&
            (rc = ph_query_path(c, ph_slice_str(names[i]), &paths[n->path_count++], err)) < 0)
            return rc;
    }
    n->path = paths;
    if (n->path_count > 0)
        return PROPHET_OK;
    ph_fail(err, PROPHET_EUSAGE, "%.*s has no field declared fulltext", PH_FMT(type));
    ph_hint(err, "declare one, as in f.text \"body\" { fulltext = true }, or use contains");
    return PROPHET_EUSAGE;
}
