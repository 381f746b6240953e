/* text_doc: the words of one record, sorted by term, each with its posting. Made of texts whenever a record comes, changes or goes:
 * what it had before is made of the record as it was, so no table needs to keep it. */
#include "index/posting_impl.h"
#include <stdlib.h>

typedef struct token {
    prophet_slice term;
    uint32_t slot, position;
} token;

typedef struct gathering {
    ph_arena *arena;
    token *at;
    size_t count, cap;
    uint32_t slot, next; /* words so far, with a gap between parts */
    uint32_t words;
} gathering;

static prophet_code take(void *ctx, const ph_word *word, prophet_error *err)
{
    gathering *g = ctx;
    bool ok = true;

    if (g->count == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 128;
        token *at = ph_realloc(g->at, cap * sizeof *at);
        if (!at)
            return ph_nomem(err);
        g->at = at;
        g->cap = cap;
    }
    token t = { ph_arena_copy(g->arena, word->term, &ok), g->slot, word->position };
    g->at[g->count++] = t;
    g->next = word->position + 1;
    g->words++;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static int by_term(const void *a, const void *b)
{
    const token *x = a, *y = b;
    int c = ph_slice_cmp(x->term, y->term);

    if (c == 0 && x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return c ? c : (x->position > y->position) - (x->position < y->position);
}

/* The posting of tokens [i, end), all of one term. */
static void put_posting(ph_buf *out, const token *t, size_t count, uint32_t slots)
{
    for (size_t i = 0; i < count;) {
        size_t k = i;
        uint32_t last = 0;
        while (k < count && t[k].slot == t[i].slot)
            k++;
        ph_buf_varint(out, ((k - i - 1) * (uint64_t)slots + t[i].slot) * 2 + (k < count));
        for (; i < k; i++) {
            ph_buf_varint(out, t[i].position - last);
            last = t[i].position;
        }
    }
}

static prophet_code make_terms(gathering *g, uint32_t slots, ph_text_doc *out, prophet_error *err)
{
    ph_buf bytes = PH_BUF_INIT;
    bool ok = true;

    if (g->count)
        qsort(g->at, g->count, sizeof *g->at, by_term);
    if (!(out->terms = ph_arena_alloc(g->arena, (g->count + 1) * sizeof *out->terms)))
        return ph_nomem(err);
    for (size_t i = 0; i < g->count;) {
        size_t k = i;
        while (k < g->count && ph_slice_eq(g->at[k].term, g->at[i].term))
            k++;
        ph_buf_reset(&bytes);
        put_posting(&bytes, g->at + i, k - i, slots);
        ph_text_term term = { g->at[i].term, ph_arena_copy(g->arena, ph_buf_slice(&bytes), &ok) };
        out->terms[out->count++] = term;
        i = k;
    }
    ok = ok && !bytes.failed;
    ph_buf_clear(&bytes);
    return ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_text_doc_make(ph_words *w, const ph_text_layout *layout, const ph_text_part *parts,
                              size_t count, ph_arena *a, ph_text_doc *out, prophet_error *err)
{
    gathering g = { .arena = a };
    prophet_code rc = PROPHET_OK;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        uint32_t slot = parts[i].slot;
        bool first = i == 0 || slot != g.slot;
        g.next = first ? 0 : g.next + 1; /* the gap no phrase crosses */
        g.words = first ? 0 : g.words;
        g.slot = slot;
        rc = ph_words_cut(w, layout->language[slot], parts[i].text, g.next, take, &g, err);
        out->length[slot] = g.words;
    }
    if (rc >= 0)
        rc = make_terms(&g, layout->slots, out, err);
    ph_free(g.at);
    return rc;
}
