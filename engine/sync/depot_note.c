/* What a replica remembers of a depot: what of all that is here the depot held (depot_extent.c), as the local note "depot <hash of the place>", which sync_recall
 * finds by its path; and the best generation of each publisher that it saw there, as a note each, "depot <hash of the place> <key>", so that what is written follows
 * what changed. Earlier versions kept these in "publishers" of the first note. Called by depot_look.c, depot_pull.c and depot_publish.c. */
#include "sync/depot_impl.h"
#include "sync/meet_impl.h"
#include <stdio.h>

enum {
    ROW = 32 + 8,             /* of "publishers" */
    NAME = 6 + 32,            /* of the note of a depot, */
    PUBLISHER = NAME + 1 + 64 /* and of one of its publishers */
};

static prophet_code name_of(depot *d, char out[NAME + 1], prophet_error *err)
{
    uint8_t hash[32];
    prophet_slice url = ph_slice_str(d->url);
    char hex[33];
    prophet_code rc = ph_hash_sha256(d->hasher, &url, 1, hash, err);
    ph_hex(hash, 16, hex);
    (void)snprintf(out, NAME + 1, NOTE_DEPOT "%s", hex);
    return rc;
}

prophet_code depot_noted(depot *d, bool *yes, prophet_error *err)
{
    char name[NAME + 1];
    prophet_slice value;
    ph_view *v;
    prophet_code rc;
    if ((rc = name_of(d, name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &value, err);
    *yes = rc == PROPHET_OK;
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* As earlier versions kept them. */
static prophet_code read_rows(depot *d, prophet_slice rows, prophet_error *err)
{
    const uint8_t *at = rows.data;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i + ROW <= rows.len && rc >= 0; i += ROW) {
        depot_publisher *p;
        ph_id key;
        memcpy(key.b, at + i, 32);
        if ((rc = depot_know(d, &key, &p, err)) >= 0)
            p->best = ph_u64be(at + i + 32);
    }
    return rc;
}

static prophet_code read_publisher(void *ctx, prophet_slice name, prophet_slice note,
                                   prophet_error *err)
{
    depot *d = ctx;
    depot_publisher *p;
    ph_id key;
    ph_item n;
    if (name.len != PUBLISHER || !ph_unhex((const char *)name.data + NAME + 1, 64, key.b, 32) ||
        !sync_member(note, "generation", &n) || n.kind != PH_INT || n.i < 1)
        return PROPHET_OK; /* of a later version */
    prophet_code rc = depot_know(d, &key, &p, err);
    if (rc < 0)
        return rc;
    p->noted = (uint64_t)n.i;
    p->best = p->best > p->noted ? p->best : p->noted;
    return PROPHET_OK;
}

prophet_code depot_note_read(depot *d, prophet_error *err)
{
    char name[NAME + 2];
    prophet_slice value;
    ph_item rows;
    ph_view *v;
    prophet_code rc;
    if (!d->r)
        return PROPHET_OK;
    if ((rc = name_of(d, name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &value, err);
    if (rc == PROPHET_OK && sync_member(value, "publishers", &rows) && rows.kind == PH_BYTES)
        rc = read_rows(d, rows.s, err);
    name[NAME] = ' ';
    name[NAME + 1] = 0;
    if (rc >= 0)
        rc = sync_each_note(v, name, read_publisher, d, err);
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code depot_note_tells(depot *d, bool *yes, prophet_error *err)
{
    char name[NAME + 1];
    prophet_slice note, heads;
    ph_arena a = PH_ARENA_INIT;
    ph_view *v;
    prophet_code rc;
    *yes = false;
    if ((rc = name_of(d, name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    if ((rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &note, err)) == PROPHET_OK)
        *yes = (rc = sync_note_heads(v, note, &a, &heads, err)) == PROPHET_OK;
    ph_view_end(v);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static void warn_rollbacks(depot *d)
{
    for (size_t i = 0; i < d->publishers.count; i++) {
        depot_publisher *p = &d->publishers.at[i];
        char hex[9];
        ph_hex(p->key.b, 4, hex);
        if (p->read && p->m.generation < p->best)
            depot_warn(d, "publisher %s went back there from generation %llu to %llu", hex,
                       (unsigned long long)p->best, (unsigned long long)p->m.generation);
        else if (!p->read && !p->quiet && p->best && !d->failed)
            depot_warn(d, "the manifest of publisher %s is gone, generation %llu was there", hex,
                       (unsigned long long)p->best);
    }
}

static uint64_t best_of(const depot_publisher *p)
{
    return p->read && p->m.generation > p->best ? p->m.generation : p->best;
}

static bool any_went_on(const depot *d)
{
    bool any = false;
    for (size_t i = 0; i < d->publishers.count && !any; i++)
        any = best_of(&d->publishers.at[i]) != d->publishers.at[i].best;
    return any;
}

/* As the manifests that were read tell it; `known`, where others were not. */
static prophet_code measure(const depot *d, ph_view *v, const depot_extent *known,
                            depot_extent *out, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; d->partial && i < known->heads.count; i++)
        if (!PH_PUSH(out->heads, known->heads.at[i]))
            return ph_nomem(err);
    for (size_t i = 0; i < d->publishers.count; i++) {
        const depot_publisher *p = &d->publishers.at[i];
        for (size_t k = 0; p->read && k < p->m.segment_count; k++)
            for (size_t n = 0; n < p->m.segments[k].run_count; n++)
                if ((rc = depot_extent_add(v, out, &p->m.segments[k].runs[n].id, err)) < 0)
                    return rc;
    }
    return depot_extent_settle(v, out, err);
}

/* PROPHET_DONE: it says nothing that could be read. */
static prophet_code measure_old(ph_view *v, prophet_slice note, depot_extent *out,
                                prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_slice heads;
    prophet_code rc = sync_note_heads(v, note, &a, &heads, err);
    if (rc == PROPHET_OK && (rc = depot_extent_add_all(v, out, heads, err)) >= 0)
        rc = depot_extent_settle(v, out, err);
    ph_arena_clear(&a);
    return rc;
}

typedef struct noting {
    char name[NAME + 1];
    ph_buf value;
    bool news; /* value is other than what was written last */
    bool
        publishers; /* as they are written now; else an earlier version's note stays, which tells them */
} noting;

/* What is to be written now. */
static prophet_code describe(depot *d, ph_view *v, noting *n, prophet_error *err)
{
    depot_extent now = { .partial = 0 }, before = { .partial = 0 };
    prophet_slice old;
    ph_item rows;
    bool earlier, known;
    prophet_code rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(n->name), &old, err);
    earlier = rc == PROPHET_OK && sync_member(old, "publishers", &rows);
    if (rc == PROPHET_OK)
        rc = measure_old(v, old, &before, err);
    known = rc == PROPHET_OK;
    if (rc < 0 || (rc = measure(d, v, &before, &now, err)) < 0)
        goto done;
    n->news = !known || !depot_extent_same(&before, &now) || (earlier && any_went_on(d));
    n->publishers = n->news || !earlier;
    if (n->news)
        rc = depot_extent_put(v, &now, d->url, &n->value, err);
done:
    depot_extent_clear(&now);
    depot_extent_clear(&before);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code put_publisher(ph_change_txn *c, const noting *n, const depot_publisher *p,
                                  prophet_error *err)
{
    ph_buf value = PH_BUF_INIT;
    char name[PUBLISHER + 1], hex[65];
    ph_hex(p->key.b, 32, hex);
    (void)snprintf(name, sizeof name, "%s %s", n->name, hex);
    ph_put_map(&value, 1);
    ph_put_text(&value, ph_slice_str("generation"));
    ph_put_uint(&value, best_of(p));
    prophet_code rc = value.failed
                          ? ph_nomem(err)
                          : ph_change_local(c, ph_slice_str(name), ph_buf_slice(&value), err);
    ph_buf_clear(&value);
    return rc;
}

static bool is_to_note(const noting *n, const depot_publisher *p)
{
    return n->publishers && p->known && best_of(p) != p->noted;
}

static prophet_code write_notes(depot *d, const noting *n, prophet_error *err)
{
    ph_change_txn *c;
    bool any = n->news;
    for (size_t i = 0; i < d->publishers.count && !any; i++)
        any = is_to_note(n, &d->publishers.at[i]);
    if (!any)
        return PROPHET_OK;
    prophet_code rc = ph_change_begin(d->r, ph_slice(NULL, 0), &c, err);
    if (rc < 0)
        return rc;
    if (n->news)
        rc = ph_change_local(c, ph_slice_str(n->name), ph_buf_slice(&n->value), err);
    for (size_t i = 0; i < d->publishers.count && rc >= 0; i++)
        if (is_to_note(n, &d->publishers.at[i]))
            rc = put_publisher(c, n, &d->publishers.at[i], err);
    if (rc < 0)
        ph_change_abort(c);
    else
        rc = ph_change_commit(c, NULL, NULL, err);
    return rc;
}

prophet_code depot_note_write(depot *d, prophet_error *err)
{
    noting n = { .value = PH_BUF_INIT };
    ph_view *v;
    prophet_code rc;
    if (!d->r || d->current || ph_replica_readonly(d->r) || !ph_utf8_valid(d->url, strlen(d->url)))
        return PROPHET_OK;
    warn_rollbacks(d);
    if ((rc = name_of(d, n.name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    rc = describe(d, v, &n, err);
    ph_view_end(v);
    if (rc >= 0)
        rc = write_notes(d, &n, err);
    ph_buf_clear(&n.value);
    return rc < 0 ? rc : PROPHET_OK;
}
