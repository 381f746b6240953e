/* source_hits: what several accesses find together, as a list by local number with each record once: any of them, both of two,
 * records known by their ids, and an index that has several rows a record.
 *
 * Called by ph_source_open, and by run.c to count without reading rows. */
#include "query/plan_impl.h"

static bool push(hit_list *l, hit_entry e)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 256;
        hit_entry *at = ph_realloc(l->at, cap * sizeof *at);
        if (!at)
            return false;
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = e;
    return true;
}

static int by_number(const void *a, const void *b)
{
    const hit_entry *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* An access by words tells numbers alone. */
static bool has_id(const hit_entry *e)
{
    static const ph_uuid none;
    return memcmp(&e->uuid, &none, sizeof none) != 0;
}

/* One that was found twice is looked at only if both ways leave it open. */
static void tidy(hit_list *l)
{
    size_t kept = 0;

    ph_sort(l->at, l->count, sizeof *l->at, by_number);
    for (size_t i = 0; i < l->count; i++)
        if (kept && l->at[kept - 1].number == l->at[i].number) {
            if (!has_id(&l->at[kept - 1]))
                l->at[kept - 1].uuid = l->at[i].uuid;
            l->at[kept - 1].test = l->at[kept - 1].test && l->at[i].test;
        } else
            l->at[kept++] = l->at[i];
    l->count = kept;
}

static prophet_code gather_index(query_run *r, const access *a, hit_list *out, prophet_error *err)
{
    access_source s;
    ph_query_hit hit;
    prophet_code rc = ph_source_index(r, a, ORDER_SORT, &s, err);

    if (rc < 0)
        return rc;
    while ((rc = ph_source_next(&s, &hit, err)) == PROPHET_OK)
        if (!push(out, (hit_entry){ hit.number, hit.uuid, hit.test || !a->exact })) {
            rc = ph_nomem(err);
            break;
        }
    ph_source_close(&s);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code gather_match(query_run *r, const access *a, hit_list *out, prophet_error *err)
{
    access_source s;
    ph_query_hit hit;
    prophet_code rc = ph_source_match(r, a, ORDER_SORT, &s, err);

    if (rc < 0)
        return rc;
    while ((rc = ph_source_next(&s, &hit, err)) == PROPHET_OK)
        if (!push(out, (hit_entry){ hit.number, hit.uuid, hit.test })) {
            rc = ph_nomem(err);
            break;
        }
    ph_source_close(&s);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code gather_ids(query_run *r, const access *a, hit_list *out, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (size_t i = 0; i < a->id_count && rc >= 0; i++) {
        ph_row row;
        if ((rc = ph_query_read(r, err)) < 0 ||
            (rc = ph_query_row(r, a->type, &a->ids[i], &row, err)) != PROPHET_OK || !row.alive)
            continue;
        if (!push(out, (hit_entry){ row.number, row.uuid, !a->exact }))
            return ph_nomem(err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code gather_both(query_run *r, const access *a, hit_list *out, prophet_error *err)
{
    hit_list x = { 0 }, y = { 0 };
    prophet_code rc = ph_hits_gather(r, a->kids[0], &x, err);

    if (rc >= 0)
        rc = ph_hits_gather(r, a->kids[1], &y, err);
    for (size_t i = 0, k = 0; i < x.count && k < y.count && rc >= 0;) {
        int c = by_number(&x.at[i], &y.at[k]);
        const hit_entry *named = has_id(&x.at[i]) ? &x.at[i] : &y.at[k];
        if (c == 0 &&
            !push(out, (hit_entry){ named->number, named->uuid, x.at[i].test || y.at[k].test }))
            rc = ph_nomem(err);
        i += c <= 0;
        k += c >= 0;
    }
    ph_hits_clear(&x);
    ph_hits_clear(&y);
    return rc;
}

prophet_code ph_hits_gather(query_run *r, const access *a, hit_list *out, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    switch (a->kind) {
    case ACCESS_INDEX: rc = gather_index(r, a, out, err); break;
    case ACCESS_IDS: rc = gather_ids(r, a, out, err); break;
    case ACCESS_MATCH: rc = gather_match(r, a, out, err); break;
    case ACCESS_INTERSECT: rc = gather_both(r, a, out, err); break;
    default:
        for (size_t i = 0; i < a->kid_count && rc >= 0; i++)
            rc = ph_hits_gather(r, a->kids[i], out, err);
        for (size_t i = 0; i < out->count && !a->exact; i++)
            out->at[i].test = true;
    }
    if (rc >= 0)
        tidy(out);
    return rc;
}

void ph_hits_clear(hit_list *l)
{
    ph_free(l->at);
    *l = (hit_list){ 0 };
}

/* ---- as a source ------------------------------------------------------------------------------------------------ */

static prophet_code next_hit(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    hit_list *l = ctx;

    (void)keys, (void)err; /* counted when they were gathered */
    if (l->pos == l->count)
        return PROPHET_DONE;
    const hit_entry *e = &l->at[l->pos++];
    *out = (ph_query_hit){ .number = e->number, .uuid = e->uuid, .test = e->test };
    return PROPHET_OK;
}

static void close_hits(void *state)
{
    ph_hits_clear(state);
    ph_free(state);
}

prophet_code ph_source_hits(query_run *r, const access *a, access_source *out, prophet_error *err)
{
    hit_list *l = ph_zalloc(sizeof *l);

    if (!l)
        return ph_nomem(err);
    *out = (access_source){ { l, true, next_hit }, r, l, close_hits };
    prophet_code rc = ph_hits_gather(r, a, l, err);
    if (rc < 0)
        close_hits(l);
    return rc;
}
