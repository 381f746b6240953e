/* What the files of parse share: the text and how far it is read. Nothing here outlives one ph_query_parse. */
#ifndef PH_PARSE_IMPL_H
#define PH_PARSE_IMPL_H
#include "query/query_impl.h"

typedef struct parser {
    const char *start, *p, *end;
    const prophet_slice *params;
    bool *used; /* one a parameter */
    size_t param_count;
    const char *seen; /* ph_parse_column came to here */
    size_t seen_column;
    ph_buf order; /* terms */
    size_t order_count;
    bool limited;
    int64_t limit;
    ph_arena *a;
    prophet_error *err;
    prophet_code rc;
} parser;

/* Where it stands, from 1, in characters; the error that says so: always false. */
size_t ph_parse_column(parser *p, const char *at);
bool   ph_parse_refuse(parser *p, const char *at, const char *what);

static inline bool ph_parse_at_word_end(const parser *p)
{
    return p->p == p->end || strchr(" \t\r\n()", *p->p) != NULL;
}

static inline void ph_parse_space(parser *p)
{
    while (p->p < p->end && (*p->p == ' ' || *p->p == '\t' || *p->p == '\n' || *p->p == '\r'))
        p->p++;
}

static inline bool ph_parse_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

static inline void ph_parse_put_str(ph_buf *b, const char *s)
{
    ph_put_text(b, ph_slice_str(s));
}

/* parse_field.c: "quoted" text; ?1, whose value is put out; a condition on a field, or *is_field false and nothing taken: just words */
bool ph_parse_quoted(parser *p, prophet_slice *out);
bool ph_parse_parameter(parser *p, ph_buf *out);
bool ph_parse_field(parser *p, ph_buf *out, bool *is_field);

/* parse_words.c: words to look for; is the word that stands here this one, in any case? */
bool ph_parse_words(parser *p, ph_buf *out);
bool ph_parse_keyword(const parser *p, const char *word);

#endif
