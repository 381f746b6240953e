/* Iterators: lists of documents, each behind one function that gives the next. Interrupts are noticed between two rows. */
#include "api/api_impl.h"

prophet_code api_iter_new(prophet_db *db, api_next_fn next, void (*close)(void *), void *state,
                          prophet_iter **out, prophet_error *err)
{
    prophet_iter *it = ph_zalloc(sizeof *it);
    if (!it)
        return ph_nomem(err);
    it->db = db;
    it->next = next;
    it->close = close;
    it->state = state;
    db->iterators++;
    *out = it;
    return PROPHET_OK;
}

prophet_code prophet_iter_next(prophet_iter *it, const prophet_doc **row, prophet_error *err)
{
    prophet_code rc;
    if (it->done)
        return PROPHET_DONE;
    if (it->row) {
        prophet_doc_free(it->spare);
        api_doc_empty(it->spare = it->row);
        it->row = NULL;
    }
    if ((rc = api_interrupted(it->db, err)) < 0)
        return rc;
    if ((rc = it->next(it, it->state, &it->row, err)) == PROPHET_OK)
        *row = it->row;
    else
        it->done = true;
    return rc;
}

void prophet_iter_close(prophet_iter *it)
{
    if (!it)
        return;
    prophet_doc_free(it->row);
    prophet_doc_free(it->spare);
    if (it->close)
        it->close(it->state);
    api_read_end(&it->read);
    it->db->iterators--;
    ph_free(it);
}

/* ---- over documents that are there ------------------------------------------------------------------------------------ */

bool api_docs_push(api_docs *d, prophet_doc *doc)
{
    if (d->count == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 16;
        prophet_doc **at = ph_realloc(d->at, cap * sizeof *at);
        if (!at) {
            prophet_doc_free(doc);
            return false;
        }
        d->at = at;
        d->cap = cap;
    }
    d->at[d->count++] = doc;
    return true;
}

void api_docs_clear(api_docs *d)
{
    for (size_t i = d->pos; i < d->count; i++)
        prophet_doc_free(d->at[i]);
    ph_free(d->at);
    *d = (api_docs){ 0 };
}

static prophet_code next_doc(prophet_iter *it, void *state, prophet_doc **out, prophet_error *err)
{
    api_docs *d = state;
    (void)it;
    (void)err;
    if (d->pos == d->count)
        return PROPHET_DONE;
    *out = d->at[d->pos++];
    return PROPHET_OK;
}

static void close_docs(void *state)
{
    api_docs_clear(state);
    ph_free(state);
}

prophet_code api_iter_docs(prophet_db *db, api_docs *d, prophet_iter **out, prophet_error *err)
{
    api_docs *own = ph_alloc(sizeof *own);
    prophet_code rc = own ? PROPHET_OK : ph_nomem(err);
    if (own)
        *own = *d;
    else
        api_docs_clear(d);
    if (rc >= 0 && (rc = api_iter_new(db, next_doc, close_docs, own, out, err)) < 0)
        close_docs(own);
    *d = (api_docs){ 0 };
    return rc;
}
