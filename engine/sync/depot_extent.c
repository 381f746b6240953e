/* What of all that is here a depot has, told in few bytes: the runs of its manifests end in heads of chains. Of a writer whose chains end there as they end here
 * nothing need be said but up to which version that is, so a note costs what is different and not 32 bytes for each that ever wrote.
 * Called by depot_note.c; meet.c reads it (sync_note_heads). */
#include "sync/depot_impl.h"
#include <stdlib.h>

prophet_code depot_extent_add(ph_view *v, depot_extent *e, const ph_id *id, prophet_error *err)
{
    ph_changeset_row row;
    uint64_t version;
    prophet_code rc = ph_view_version_of(v, id, &version, err);
    if (rc != PROPHET_OK || (rc = ph_changesets_get(v->txn, version, &row, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK; /* not here */
    const depot_head one = { .ridx = row.ridx, .seq = row.seq, .version = version, .id = *id };
    return PH_PUSH(e->heads, one) ? PROPHET_OK : ph_nomem(err);
}

prophet_code depot_extent_add_all(ph_view *v, depot_extent *e, prophet_slice ids,
                                  prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t at = 0; at + sizeof(ph_id) <= ids.len && rc >= 0; at += sizeof(ph_id)) {
        ph_id id;
        memcpy(id.b, (const uint8_t *)ids.data + at, sizeof id.b);
        rc = depot_extent_add(v, e, &id, err);
    }
    return rc;
}

void depot_extent_clear(depot_extent *e)
{
    ph_free(e->heads.at);
    ph_free(e->except.at);
    *e = (depot_extent){ .partial = 0 };
}

/* ---- chain by chain -------------------------------------------------------------------------------------------------- */

static int by_chain(const void *a, const void *b)
{
    const depot_head *x = a, *y = b;
    if (x->ridx != y->ridx)
        return x->ridx < y->ridx ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->version < y->version ? -1 : x->version > y->version;
}

static bool has_version(const depot_head *heads, size_t count, uint64_t version)
{
    for (size_t i = count; i > 0; i--) /* tips are the last ones */
        if (heads[i - 1].version == version)
            return true;
    return false;
}

static bool is_tip(const ph_replica_row *rep, uint64_t version)
{
    for (uint32_t i = 0; i < rep->tip_count; i++)
        if (rep->tips[i].version == version)
            return true;
    return false;
}

/* Of a chain without branches the last head tells all, of a forked one its tips do if all are there. */
static prophet_code settle_chain(depot_extent *e, const ph_replica_row *rep, size_t from,
                                 size_t end, size_t *kept, prophet_error *err)
{
    const depot_head *heads = e->heads.at;
    const size_t before = *kept;
    bool whole = true;
    for (uint32_t i = 0; i < rep->tip_count && whole; i++)
        whole = has_version(heads + from, end - from, rep->tips[i].version);
    for (size_t i = from; i < end; i++) {
        bool told = rep->tip_count == 1 ? i + 1 == end : !whole || is_tip(rep, heads[i].version);
        bool twice = *kept > before && heads[*kept - 1].version == heads[i].version;
        if (told && !twice)
            e->heads.at[(*kept)++] = heads[i];
    }
    for (size_t i = before; i < *kept; i++)
        e->heads.at[i].partial = !whole;
    if (whole)
        return PROPHET_OK;
    e->partial += *kept - before;
    return PH_PUSH(e->except, rep->key) ? PROPHET_OK : ph_nomem(err);
}

prophet_code depot_extent_settle(ph_view *v, depot_extent *e, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    size_t at = 0, kept = 0;
    prophet_code rc = PROPHET_OK;
    if (e->heads.count)
        ph_sort(e->heads.at, e->heads.count, sizeof *e->heads.at, by_chain);
    for (uint32_t ridx = 1; ridx <= v->state.replicas && rc >= 0; ridx++) {
        ph_replica_row rep;
        const size_t from = at;
        ph_arena_reset(&a);
        while (at < e->heads.count && e->heads.at[at].ridx == ridx)
            at++;
        if ((rc = ph_replicas_get(v->txn, ridx, &a, &rep, err)) >= 0)
            rc = settle_chain(e, &rep, from, at, &kept, err);
    }
    ph_arena_clear(&a);
    e->heads.count = kept;
    return rc < 0 ? rc : PROPHET_OK;
}

bool depot_extent_same(const depot_extent *a, const depot_extent *b)
{
    bool same = a->heads.count == b->heads.count;
    for (size_t i = 0; i < a->heads.count && same; i++)
        same = a->heads.at[i].version == b->heads.at[i].version;
    return same;
}

/* ---- as a note ----------------------------------------------------------------------------------------------------------- */

static void put_ids(ph_buf *out, const char *name, const ph_buf *ids)
{
    if (ids->len == 0)
        return;
    ph_put_text(out, ph_slice_str(name));
    ph_put_bytes(out, ph_buf_slice(ids));
}

static void put_path(ph_buf *out, const char *url)
{
    ph_put_text(out, ph_slice_str("path"));
    ph_put_text(out, ph_slice_str(url));
}

static void put_brief(const depot_extent *e, const char *url, uint64_t version, const ph_id *last,
                      ph_buf *heads, ph_buf *out)
{
    ph_buf except = PH_BUF_INIT;
    for (size_t i = 0; i < e->heads.count; i++)
        if (e->heads.at[i].partial)
            ph_buf_put(heads, e->heads.at[i].id.b, sizeof(ph_id));
    if (e->except.count)
        ph_buf_put(&except, e->except.at, e->except.count * sizeof(ph_id));
    ph_put_map(out, 3u + (heads->len > 0) + (except.len > 0));
    ph_put_text(out, ph_slice_str("last"));
    ph_put_bytes(out, ph_slice(last->b, sizeof last->b));
    put_path(out, url);
    put_ids(out, "heads", heads);
    put_ids(out, "except", &except);
    ph_put_text(out, ph_slice_str("version"));
    ph_put_uint(out, version);
    out->failed = out->failed || except.failed;
    ph_buf_clear(&except);
}

static void put_full(const depot_extent *e, const char *url, ph_buf *heads, ph_buf *out)
{
    for (size_t i = 0; i < e->heads.count; i++)
        ph_buf_put(heads, e->heads.at[i].id.b, sizeof(ph_id));
    ph_put_map(out, 2);
    put_path(out, url);
    ph_put_text(out, ph_slice_str("heads")); /* also if there are none */
    ph_put_bytes(out, ph_buf_slice(heads));
}

prophet_code depot_extent_put(ph_view *v, const depot_extent *e, const char *url, ph_buf *out,
                              prophet_error *err)
{
    ph_buf heads = PH_BUF_INIT;
    ph_changeset_row last;
    prophet_code rc = PROPHET_DONE;
    if (e->except.count + e->partial < e->heads.count &&
        (rc = ph_changesets_get(v->txn, v->state.version, &last, err)) < 0)
        return rc;
    if (rc == PROPHET_OK)
        put_brief(e, url, v->state.version, &last.id, &heads, out);
    else
        put_full(e, url, &heads, out);
    out->failed = out->failed || heads.failed;
    ph_buf_clear(&heads);
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}
