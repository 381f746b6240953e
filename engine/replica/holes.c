/* What is known of damage: all local frames that tell of it (mend.c draws them), wherever they lie in the log. Read by a replay that meets
 * damage, and by who takes in what lies behind it (orphans.c). */
#include "replica/replica_impl.h"
#include <stdlib.h>

/* ---- reading the log for it ---------------------------------------------------------------------------------------- */

static prophet_code load_frame(ph_replica *r, ph_holes *h, const ph_frame *f, prophet_error *err)
{
    ph_session scratch = { .r = r }; /* collects what the frame says */
    ph_item m[8];
    prophet_code rc = PROPHET_OK;
    if (!ph_local_open(f->bytes, m) || m[1].kind != PH_INT)
        return PROPHET_OK;
    if (m[1].i == PH_LOCAL_DAMAGE && m[2].kind == PH_INT && m[3].kind == PH_INT) {
        ph_hole hole = { (ph_position)m[2].i, (ph_position)m[3].i, m[5].raw.len > 0 };
        rc = ph_mend_damage(&scratch, f->bytes, err);
        if (rc >= 0 && !PH_PUSH(h->noted, hole))
            rc = ph_nomem(err);
    } else if (m[1].i == PH_LOCAL_CHANGESET)
        rc = ph_mend_changeset(&scratch, f->bytes, 0, f->position, err);
    if (rc == PROPHET_ECORRUPT) /* damaged as well: as if it were not there */
        rc = PROPHET_OK;
    for (size_t i = 0; i < scratch.mends.count && rc >= 0; i++)
        if (!PH_PUSH(h->mends, scratch.mends.at[i]))
            rc = ph_nomem(err);
    ph_free(scratch.mends.at);
    return rc;
}

static prophet_code map_back(ph_holes *h, prophet_error *err)
{
    for (size_t i = 0; i < h->mends.count; i++) {
        ph_mend *m = &h->mends.at[i];
        if (!m->told && !ph_map_put(&h->back, ph_slice(m->id.b, sizeof m->id.b), m))
            return ph_nomem(err);
    }
    return PROPHET_OK;
}

prophet_code ph_holes_load(ph_replica *r, ph_holes *h, prophet_error *err)
{
    ph_log_cursor *cur;
    ph_position from, to;
    ph_frame f;
    prophet_code rc = ph_log_cursor_open(r->log, NULL, &cur, err);
    if (rc < 0)
        return rc;
    for (;;) {
        rc = ph_log_cursor_next(cur, &f, err);
        if (rc == PROPHET_ECORRUPT)
            rc = ph_log_cursor_skip(cur, &from, &to, err);
        else if (rc == PROPHET_OK && f.type == PH_FRAME_LOCAL)
            rc = load_frame(r, h, &f, err);
        if (rc != PROPHET_OK)
            break;
    }
    ph_log_cursor_close(cur);
    return rc < 0 ? rc : map_back(h, err);
}

void ph_holes_clear(ph_holes *h)
{
    ph_map_clear(&h->back);
    ph_free(h->mends.at);
    ph_free(h->noted.at);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

static int by_version(const void *a, const void *b)
{
    const ph_mend *x = *(const ph_mend *const *)a, *y = *(const ph_mend *const *)b;
    return (x->version > y->version) - (x->version < y->version);
}

prophet_code ph_holes_between(const ph_holes *h, ph_position from, ph_position to, ph_arena *a,
                              const ph_mend ***out, size_t *count, prophet_error *err)
{
    const ph_mend **at = ph_arena_alloc(a, (h->mends.count + 1) * sizeof(ph_mend *));
    size_t n = 0;
    if (!at)
        return ph_nomem(err);
    for (size_t i = 0; i < h->mends.count; i++) {
        const ph_mend *m = &h->mends.at[i];
        if (m->told && m->from < to && from < m->to)
            at[n++] = m;
    }
    ph_sort(at, n, sizeof *at, by_version);
    *out = at;
    *count = n;
    return PROPHET_OK;
}

bool ph_holes_know(const ph_holes *h, ph_position from, ph_position to, bool *more)
{
    bool known = false;
    *more = false;
    for (size_t i = 0; i < h->noted.count; i++)
        if (h->noted.at[i].from <= from && h->noted.at[i].to >= to) {
            known = true;
            *more = *more || h->noted.at[i].more;
        }
    return known;
}

prophet_code ph_holes_behind(const ph_holes *h, ph_position from, ph_position to, ph_arena *a,
                             ph_frame_context *ctx, prophet_error *err)
{
    const ph_mend **at;
    size_t n;
    bool more;
    prophet_code rc = ph_holes_between(h, from, to, a, &at, &n, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (!at[i]->again)
            *ctx = (ph_frame_context){ true, at[i]->replica, at[i]->id, at[i]->seq };
    if (!ph_holes_know(h, from, to, &more) || more)
        ctx->has_last = false;
    return PROPHET_OK;
}
