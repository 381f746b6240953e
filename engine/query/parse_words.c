/* parse_words: what is looked for in the full text by the text form: a word, a phrase in quotes, or ?1; all become {columns, "match", text}.
 * Called by parse.c for what is no condition on a field. What a person meant as a condition must not turn into words that are then found
 * nowhere: words with signs of operators are refused here, `status in (..)` by condition.c, which knows the fields. */
#include "query/parse_impl.h"

bool ph_parse_keyword(const parser *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->p) < len || strncasecmp(p->p, word, len) != 0)
        return false;
    parser behind = *p;
    behind.p += len;
    return ph_parse_at_word_end(&behind);
}

/* ---- words that look like conditions ---------------------------------------------------------------------- */

static bool in_quotes(parser *p, const char *at, const char *what, const char *start,
                      const char *end)
{
    ph_parse_refuse(p, at, what);
    ph_hint(p->err, "text to look for stands in quotes: \"%.*s\"",
            (int)(end - start < 60 ? end - start : 60), start);
    return false;
}

static bool has_letters(const char *p, const char *end)
{
    for (; p < end; p++)
        if (ph_parse_name_char(*p) || (*p >= 'A' && *p <= 'Z') || (uint8_t)*p >= 0x80)
            return true;
    return false;
}

/* Signs in a word that begins with none are a field's (parse_field.c), but for the "!" of severity!3. */
static bool no_signs(parser *p, const char *start, const char *end)
{
    const char *name = start;

    if (start < end && strchr("=<>:~^", *start))
        return in_quotes(p, start, "a condition is written without spaces, as in field=value",
                         start, end);
    if (end - start > 1 && *start == '!')
        return in_quotes(p, start, "what shall not be there is written -word, or field!=value",
                         start, end);
    while (name < end && ph_parse_name_char(*name))
        name++;
    if (name < end && *name == '!' && has_letters(name, end))
        return in_quotes(p, name, "! alone is no operator: other values are field!=value", start,
                         end);
    return true;
}

/* Where the operator of another language follows, as in `status in (new, open)`; 0: none does. */
static size_t foreign_operator(parser *p)
{
    static const char *const operators[] = { "in", "like", "is", "between", "contains" };
    parser at = *p;

    ph_parse_space(&at);
    const char *start = at.p;
    if (ph_parse_keyword(&at, "not")) {
        at.p += 3;
        ph_parse_space(&at);
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (ph_parse_keyword(&at, operators[i]))
            return ph_parse_column(p, start);
    return 0;
}

/* ---- words ------------------------------------------------------------------------------------------------ */

/* {columns, "match", ..: of the word, and of an operator that may be meant behind it if it names a field. */
static void put_head(parser *p, ph_buf *out, const char *start, const char *end)
{
    const char *name = start;
    size_t column = ph_parse_column(p, start), foreign = 0;

    while (name < end && ph_parse_name_char(*name))
        name++;
    if (name == end && end > start)
        foreign = foreign_operator(p);
    ph_put_list(out, 3);
    ph_put_list(out, foreign ? 2 : 1);
    ph_put_int(out, (int64_t)column);
    if (foreign)
        ph_put_int(out, (int64_t)foreign);
    ph_parse_put_str(out, "match");
}

static bool parameter(parser *p, ph_buf *out)
{
    put_head(p, out, p->p, p->p);
    return ph_parse_parameter(p, out) &&
           (ph_parse_at_word_end(p) || ph_parse_refuse(p, p->p, "a space is missing here"));
}

/* A phrase keeps its quotes; quotes in it part words, as all signs do. */
static bool phrase(parser *p, ph_buf *out)
{
    const char *start = p->p;
    prophet_slice text;
    ph_buf query = PH_BUF_INIT;

    put_head(p, out, start, start);
    if (!ph_parse_quoted(p, &text))
        return false;
    ph_buf_byte(&query, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = ((const char *)text.data)[i];
        ph_buf_byte(&query, (uint8_t)(c == '"' ? ' ' : c));
    }
    ph_buf_byte(&query, '"');
    ph_put_text(out, ph_buf_slice(&query));
    p->rc = query.failed ? ph_nomem(p->err) : p->rc;
    ph_buf_clear(&query);
    return p->rc >= 0;
}

bool ph_parse_words(parser *p, ph_buf *out)
{
    const char *start = p->p;

    if (*p->p == '"')
        return phrase(p, out);
    if (*p->p == '?' && p->end - p->p > 1 && p->p[1] >= '0' && p->p[1] <= '9')
        return parameter(p, out);
    while (!ph_parse_at_word_end(p) && *p->p != '"')
        p->p++;
    const char *end = p->p;
    if (!no_signs(p, start, end))
        return false;
    put_head(p, out, start, end);
    ph_put_text(out, ph_slice(start, (size_t)(end - start)));
    return true;
}
