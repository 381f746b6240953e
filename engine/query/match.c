/* match: full text read from the rows, for queries without a full-text index.
 *
 * Words are runs of letters and digits, ASCII folded to lower case; every other byte ends one, bytes above 7f are letters.
 * "two words" is a phrase, word* a beginning, -word must not be there, a OR b either. All terms must hold, together
 * over the texts of one record. */
#include "query/query_impl.h"

static inline bool letter(uint8_t c)
{
    return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* " word word ": so that a word is found with the spaces around it. */
static prophet_slice fold(prophet_slice text, ph_arena *a)
{
    const uint8_t *in = text.data;
    uint8_t *out = ph_arena_alloc(a, text.len + 2);
    size_t n = 0;

    if (!out)
        return ph_slice(NULL, 0);
    out[n++] = ' ';
    for (size_t i = 0; i < text.len; i++) {
        if (letter(in[i]))
            out[n++] = in[i] >= 'A' && in[i] <= 'Z' ? in[i] | 0x20 : in[i];
        else if (out[n - 1] != ' ')
            out[n++] = ' ';
    }
    if (out[n - 1] != ' ')
        out[n++] = ' ';
    return ph_slice(out, n);
}

static bool term_in(const match_term *t, const prophet_slice *folded, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memmem(folded[i].data, folded[i].len, t->text.data, t->text.len))
            return true;
    return false;
}

bool ph_query_match_text(const node *n, const prophet_slice *texts, size_t count, ph_arena *a,
                         bool *nomem)
{
    prophet_slice *folded = ph_arena_alloc(a, (count + 1) * sizeof *folded);
    bool group = true;

    *nomem = !folded;
    for (size_t i = 0; i < count && !*nomem; i++) {
        folded[i] = fold(texts[i], a);
        *nomem = folded[i].data == NULL;
    }
    for (size_t i = 0; i < n->term_count && !*nomem; i++) {
        const match_term *t = &n->terms[i];
        bool here = term_in(t, folded, count) != t->absent;
        if (!t->either && !group)
            return false;
        group = t->either ? group || here : here;
    }
    return group && !*nomem;
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

static bool next_term(const char **at, const char *end, prophet_slice *text, match_term *t)
{
    const char *p = *at;

    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n'))
        p++;
    t->absent = p < end && *p == '-';
    p += t->absent;
    if (p == end)
        return false;
    bool quoted = *p == '"';
    const char *start = p + quoted;
    for (p = start; p < end && (quoted ? *p != '"' : *p != ' ' && *p != '\t' && *p != '\n'); p++)
        ;
    *text = ph_slice(start, (size_t)(p - start));
    t->prefix = !quoted && p > start && p[-1] == '*';
    *at = p + (quoted && p < end);
    return true;
}

prophet_code ph_query_match_compile(compiler *c, prophet_slice text, node *n, prophet_error *err)
{
    const char *at = text.data, *end = at + text.len;
    match_term *terms = ph_arena_alloc(c->a, (text.len / 2 + 2) * sizeof *terms),
               t = { .either = false };
    prophet_slice word;

    if (!terms)
        return ph_nomem(err);
    while (next_term(&at, end, &word, &t)) {
        if (ph_slice_eq(word, ph_slice("OR", 2)) && n->term_count > 0) {
            t.either = true;
            continue;
        }
        t.text = fold(word, c->a);
        if (!t.text.data)
            return ph_nomem(err);
        if (t.text.len <= 1)
            continue;           /* no letter in it */
        t.text.len -= t.prefix; /* without the space behind */
        terms[n->term_count++] = t;
        t.either = false;
    }
    n->terms = terms;
    if (n->term_count > 0)
        return PROPHET_OK;
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
