/* From what point on something is bundled: a base is told as the heads of its chains, since whoever has a head has all below it.
 *   a version     the last changeset of each chain at or below it
 *   a changeset   those of all it had seen, itself included: found by walking down what it names
 *   a place       the heads it had when this replica met it last (meet.c remembers them) */
#include "sync/pick_impl.h"
#include <ctype.h>
#include <stdlib.h>

typedef PH_LIST(ph_id) id_list;

/* The changeset before this one in its chain, by its version; PROPHET_DONE: there is none. */
static prophet_code before(ph_view *v, uint64_t version, ph_arena *a, uint64_t *out,
                           prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row row;
    ph_arena_reset(a);
    prophet_code rc = ph_view_changeset(v, version, a, &cs, &row, err);
    if (rc != PROPHET_OK || !cs.header.has_prev)
        return rc < 0 ? rc : PROPHET_DONE;
    return ph_view_version_of(v, &cs.header.prev, out, err);
}

/* ---- a version ------------------------------------------------------------------------------------------------------ */

/* Of a chain without branches, where versions rise with seq: the greatest seq at or below `version`. */
static prophet_code search_chain(ph_view *v, uint32_t ridx, uint64_t top, uint64_t version,
                                 uint64_t *out, prophet_error *err)
{
    uint64_t low = 0, at[2];
    size_t n;
    while (low < top) {
        uint64_t seq = low + (top - low + 1) / 2;
        prophet_code rc = ph_chains_at(v->txn, ridx, seq, at, 2, &n, err);
        if (rc < 0)
            return rc;
        if (n && at[0] <= version) {
            low = seq;
            *out = at[0];
        } else {
            top = seq - 1;
        }
    }
    return low ? PROPHET_OK : PROPHET_DONE;
}

static prophet_code head_below(ph_view *v, const ph_replica_row *rep, uint32_t tip,
                               uint64_t version, ph_arena *a, uint64_t *out, prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = PROPHET_OK;
    if (rep->tip_count == 1) {
        rc = ph_changesets_get(v->txn, rep->tips[0].version, &row, err);
        return rc < 0 ? rc : search_chain(v, rep->ridx, row.seq, version, out, err);
    }
    for (*out = rep->tips[tip].version; rc == PROPHET_OK && *out > version;)
        rc = before(v, *out, a, out, err);
    return rc;
}

static prophet_code heads_at(ph_view *v, uint64_t version, ph_arena *scratch, id_list *ids,
                             prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (uint32_t ridx = 1; ridx <= v->state.replicas && rc >= 0; ridx++) {
        ph_replica_row rep;
        rc = ph_replicas_get(v->txn, ridx, &v->arena, &rep, err);
        for (uint32_t i = 0; rc >= 0 && i < rep.tip_count; i++) {
            ph_changeset_row row;
            uint64_t head;
            if ((rc = head_below(v, &rep, i, version, scratch, &head, err)) != PROPHET_OK)
                continue;
            if ((rc = ph_changesets_get(v->txn, head, &row, err)) >= 0 && !PH_PUSH(*ids, row.id))
                rc = ph_nomem(err);
        }
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- a changeset ------------------------------------------------------------------------------------------------------- */

typedef struct ancestry {
    ph_view *v;
    uint8_t *seen, *followed; /* a bit a version; followed: something seen has it as its prev */
    PH_LIST(uint64_t) todo;
} ancestry;

static bool mark(uint8_t *bits, uint64_t version)
{
    uint8_t bit = (uint8_t)(1u << version % 8);
    bool was = bits[version / 8] & bit;
    bits[version / 8] |= bit;
    return was;
}

static prophet_code visit(ancestry *w, uint64_t version, ph_arena *a, prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row row;
    ph_arena_reset(a);
    prophet_code rc = ph_view_changeset(w->v, version, a, &cs, &row, err);
    for (uint32_t i = 0; rc == PROPHET_OK && i < ph_changeset_names(&cs.header); i++) {
        uint64_t name;
        if ((rc = ph_view_version_of(w->v, ph_changeset_name(&cs.header, i), &name, err)) !=
            PROPHET_OK)
            return rc < 0
                       ? rc
                       : ph_fail(err, PROPHET_ECORRUPT, "a changeset names one that is not here");
        if (i == 0 && cs.header.has_prev)
            (void)mark(w->followed, name);
        if (!mark(w->seen, name) && !PH_PUSH(w->todo, name))
            return ph_nomem(err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code collect_heads(ancestry *w, id_list *ids, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (uint64_t n = 1; n <= w->v->state.version && rc >= 0; n++) {
        ph_changeset_row row;
        uint8_t bit = (uint8_t)(1u << n % 8);
        if (!(w->seen[n / 8] & bit) || w->followed[n / 8] & bit)
            continue;
        if ((rc = ph_changesets_get(w->v->txn, n, &row, err)) >= 0 && !PH_PUSH(*ids, row.id))
            rc = ph_nomem(err);
    }
    return rc;
}

static prophet_code heads_of(ph_view *v, const ph_id *id, ph_arena *scratch, id_list *ids,
                             prophet_error *err)
{
    size_t size = (size_t)(v->state.version / 8) + 1;
    ancestry w = { .v = v, .seen = ph_zalloc(size), .followed = ph_zalloc(size) };
    uint64_t version = 0;
    prophet_code rc =
        w.seen && w.followed ? ph_view_version_of(v, id, &version, err) : ph_nomem(err);
    if (rc == PROPHET_DONE)
        rc = ph_fail(err, PROPHET_ENOTFOUND, "that changeset is not here");
    if (rc >= 0) {
        (void)mark(w.seen, version);
        rc = PH_PUSH(w.todo, version) ? PROPHET_OK : ph_nomem(err);
    }
    while (rc >= 0 && w.todo.count)
        rc = visit(&w, w.todo.at[--w.todo.count], scratch, err);
    if (rc >= 0)
        rc = collect_heads(&w, ids, err);
    ph_free(w.seen);
    ph_free(w.followed);
    ph_free(w.todo.at);
    return rc;
}

/* ---- a place ----------------------------------------------------------------------------------------------------------- */

static prophet_code heads_there(ph_view *v, const char *place, id_list *ids, prophet_error *err)
{
    prophet_slice heads;
    prophet_code rc = sync_recall(v, place, &heads, err);
    if (rc == PROPHET_DONE) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "nothing is known of what %s has", place);
        ph_hint(err, "pull from it or push to it once, or give a version or the id of a changeset");
    }
    const uint8_t *p = heads.data;
    for (size_t at = 0; rc >= 0 && at + 32 <= heads.len; at += 32) {
        ph_id id;
        uint64_t version;
        memcpy(id.b, p + at, 32);
        if ((rc = ph_view_version_of(v, &id, &version, err)) == PROPHET_OK && !PH_PUSH(*ids, id))
            rc = ph_nomem(err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- any of them ----------------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

static bool is_version(const char *text, uint64_t *out)
{
    size_t n = strspn(text, "0123456789");
    if (n == 0 || text[n] || n > 18)
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static prophet_code find_heads(ph_view *v, const char *since, ph_arena *scratch, id_list *ids,
                               prophet_error *err)
{
    uint64_t version;
    ph_id id;
    if (ph_unhex(since, strlen(since), id.b, sizeof id.b))
        return heads_of(v, &id, scratch, ids, err);
    if (!is_version(since, &version))
        return heads_there(v, since, ids, err);
    return version <= v->state.version
               ? heads_at(v, version, scratch, ids, err)
               : ph_fail(err, PROPHET_ENOTFOUND, "there is no version %s: the newest is %llu",
                         since, (unsigned long long)v->state.version);
}

prophet_code sync_base_of(ph_view *v, const char *since, ph_arena *a, ph_id **out, size_t *count,
                          prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    id_list ids = { 0 };
    bool ok = true;
    size_t n = 0;
    prophet_code rc = find_heads(v, since, &scratch, &ids, err);
    if (ids.count)
        qsort(ids.at, ids.count, sizeof *ids.at, by_id);
    for (size_t i = 0; i < ids.count; i++)
        if (n == 0 || !ph_id_eq(&ids.at[n - 1], &ids.at[i]))
            ids.at[n++] = ids.at[i];
    *out = (ph_id *)(uintptr_t)ph_arena_copy(a, ph_slice(ids.at, n * sizeof *ids.at), &ok).data;
    *count = n;
    ph_free(ids.at);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}
