/* Snippets: the texts of a document, shown by query/ where the words of a match stand in them. */
#include "api/api_impl.h"

typedef PH_LIST(ph_snippet_text) text_list;

/* A text, or the texts of a list. */
static bool add_texts(text_list *l, prophet_slice field, const prophet_value *v)
{
    bool many = v->kind == PROPHET_LIST, ok = true;
    const prophet_value *at = many ? v->as.list.items : v;

    for (size_t i = 0; ok && i < (many ? v->as.list.count : 1); i++)
        if (at[i].kind == PROPHET_TEXT) {
            const ph_snippet_text t = { field, at[i].as.bytes };
            ok = PH_PUSH(*l, t);
        }
    return ok;
}

static prophet_code read_texts(const prophet_doc *row, text_list *l, prophet_error *err)
{
    prophet_slice name;
    prophet_value v;

    for (size_t i = 0; prophet_doc_at(row, i, &name, &v); i++)
        if (!add_texts(l, name, &v))
            return ph_nomem(err);
    return PROPHET_OK;
}

static prophet_code snippet_doc(const ph_snippet *s, ph_arena *a, prophet_doc **out,
                                prophet_error *err)
{
    api_map m = api_map_in(a);
    api_list pieces = api_list_in(a);

    for (size_t i = 0; i < s->count; i++)
        api_push(&pieces, prophet_text_n(s->pieces[i].data, s->pieces[i].len));
    api_put_text(&m, "field", api_keep(&m, s->field));
    api_put_list(&m, "pieces", &pieces);
    return api_doc_take(a, &m, out, err);
}

prophet_code prophet_snippet(prophet_db *db, prophet_value spec, const prophet_doc *row,
                             uint32_t words, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    text_list texts = { 0 };
    api_read rd = { 0 };
    ph_snippet found;
    ph_query *q = NULL;
    prophet_code rc = api_read_begin(db, &rd, err);

    *out = NULL;
    if (rc < 0)
        return rc;
    if ((rc = api_query_compile(db, rd.v, &spec, &q, err)) >= 0 &&
        (rc = read_texts(row, &texts, err)) >= 0 &&
        (rc = ph_query_snippet(q, texts.at, texts.count, words, &a, &found, err)) == PROPHET_OK)
        rc = snippet_doc(&found, &a, out, err);
    ph_free(texts.at);
    ph_query_free(q);
    ph_arena_clear(&a);
    api_read_end(&rd);
    return rc;
}
