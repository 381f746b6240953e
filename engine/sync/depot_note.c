/* What a replica remembers of a depot: the best generation of each publisher that it saw there, and the heads of what the depot held. Kept as a
 * local note under "depot <hash of the place>", which sync_recall finds by its path. Called by depot_look.c, depot_pull.c and depot_publish.c. */
#include "sync/depot_impl.h"
#include <stdio.h>

enum { ROW = 32 + 8 };

static prophet_code name_of(depot *d, char out[6 + 32 + 1], prophet_error *err)
{
    uint8_t hash[32];
    prophet_slice url = ph_slice_str(d->url);
    char hex[33];
    prophet_code rc = ph_hash_sha256(d->hasher, &url, 1, hash, err);
    ph_hex(hash, 16, hex);
    (void)snprintf(out, 6 + 32 + 1, "depot %s", hex);
    return rc;
}

prophet_code depot_noted(depot *d, bool *yes, prophet_error *err)
{
    char name[6 + 32 + 1];
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

prophet_code depot_note_read(depot *d, prophet_error *err)
{
    char name[6 + 32 + 1];
    prophet_slice value;
    ph_item rows;
    ph_view *v;
    prophet_code rc;
    if (!d->r)
        return PROPHET_OK;
    if ((rc = name_of(d, name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &value, err);
    if (rc == PROPHET_OK && sync_member(value, "publishers", &rows) && rows.kind == PH_BYTES) {
        const uint8_t *at = rows.s.data;
        for (size_t i = 0; i + ROW <= rows.s.len && rc >= 0; i += ROW) {
            depot_publisher *p;
            ph_id key;
            memcpy(key.b, at + i, 32);
            if ((rc = depot_know(d, &key, &p, err)) >= 0)
                p->best = ph_u64be(at + i + 32);
        }
    }
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

static void warn_rollbacks(depot *d)
{
    for (size_t i = 0; i < d->publishers.count; i++) {
        depot_publisher *p = &d->publishers.at[i];
        char hex[9];
        ph_hex(p->key.b, 4, hex);
        if (p->read && p->m.generation < p->best)
            depot_warn(d, "publisher %s went back there from generation %llu to %llu", hex,
                       (unsigned long long)p->best, (unsigned long long)p->m.generation);
        else if (!p->read && p->best && !d->failed)
            depot_warn(d, "the manifest of publisher %s is gone, generation %llu was there", hex,
                       (unsigned long long)p->best);
    }
}

/* {path, heads, publishers} */
static void describe(depot *d, ph_view *v, ph_buf *out)
{
    ph_buf heads = PH_BUF_INIT, rows = PH_BUF_INIT;
    uint64_t version;
    prophet_error ignored;
    for (size_t i = 0; i < d->publishers.count; i++) {
        const depot_publisher *p = &d->publishers.at[i];
        uint64_t best = p->read && p->m.generation > p->best ? p->m.generation : p->best;
        if (best) {
            ph_buf_put(&rows, p->key.b, 32);
            ph_buf_u64be(&rows, best);
        }
        for (size_t k = 0; p->read && k < p->m.segment_count; k++)
            for (size_t n = 0; n < p->m.segments[k].run_count; n++)
                if (ph_view_version_of(v, &p->m.segments[k].runs[n].id, &version, &ignored) ==
                    PROPHET_OK)
                    ph_buf_put(&heads, p->m.segments[k].runs[n].id.b, 32);
    }
    ph_put_map(out, 3);
    ph_put_text(out, ph_slice_str("path"));
    ph_put_text(out, ph_slice_str(d->url));
    ph_put_text(out, ph_slice_str("heads"));
    ph_put_bytes(out, ph_buf_slice(&heads));
    ph_put_text(out, ph_slice_str("publishers"));
    ph_put_bytes(out, ph_buf_slice(&rows));
    out->failed = out->failed || heads.failed || rows.failed;
    ph_buf_clear(&heads);
    ph_buf_clear(&rows);
}

prophet_code depot_note_write(depot *d, prophet_error *err)
{
    char name[6 + 32 + 1];
    ph_buf value = PH_BUF_INIT;
    prophet_slice old;
    ph_change_txn *c;
    ph_view *v;
    prophet_code rc;
    if (!d->r || d->current || ph_replica_readonly(d->r) || !ph_utf8_valid(d->url, strlen(d->url)))
        return PROPHET_OK;
    warn_rollbacks(d);
    if ((rc = name_of(d, name, err)) < 0 || (rc = ph_view_begin(d->r, &v, err)) < 0)
        return rc;
    describe(d, v, &value);
    rc = value.failed ? ph_nomem(err)
                      : ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &old, err);
    bool news = rc == PROPHET_DONE || (rc == PROPHET_OK && !ph_slice_eq(old, ph_buf_slice(&value)));
    ph_view_end(v);
    if (rc >= 0 && news && (rc = ph_change_begin(d->r, ph_slice(NULL, 0), &c, err)) >= 0) {
        if ((rc = ph_change_local(c, ph_slice_str(name), ph_buf_slice(&value), err)) < 0)
            ph_change_abort(c);
        else
            rc = ph_change_commit(c, NULL, NULL, err);
    }
    ph_buf_clear(&value);
    return rc < 0 ? rc : PROPHET_OK;
}
