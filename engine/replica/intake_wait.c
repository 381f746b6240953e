/* What waits in an intake: for signatures, and for what it names. Where several sources are read at once, what stands on nothing that is here is
 * sent back, so that their order does not matter; and the memory of one that sends what never gets ready can be taken from it.
 * Called by intake.c, and by sync for the segments of a depot. */
#include "replica/intake_impl.h"

#define TIDY_BYTES (4u << 20)

static prophet_slice key_of(const ph_id *id)
{
    return ph_slice(id->b, sizeof id->b);
}

/* ---- what is lacking ------------------------------------------------------------------------------------------------------ */

prophet_code ph_intake_knows(ph_intake *in, const ph_id *id, prophet_error *err)
{
    const waiting *w = ph_map_get(&in->ids, key_of(id));
    uint64_t version;
    prophet_code rc = PROPHET_OK;
    if (w)
        return w->forced ? PROPHET_DONE : PROPHET_OK;
    if (!in->view && (rc = ph_view_begin(in->r, &in->view, err)) < 0)
        return rc;
    return ph_view_version_of(in->view, id, &version, err);
}

prophet_code ph_intake_find_lack(ph_intake *in, const ph_changeset *cs, prophet_error *err)
{
    size_t n = ph_changeset_names(&cs->header);
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < n && rc == PROPHET_OK; i++) {
        const ph_id *id = ph_changeset_name(&cs->header, (uint32_t)i);
        if ((rc = ph_intake_knows(in, id, err)) == PROPHET_DONE)
            in->lacks = *id;
    }
    return rc;
}

bool ph_intake_waits(const ph_intake *in, const ph_id *id)
{
    return ph_map_get(&in->ids, key_of(id));
}

prophet_code ph_intake_offer(ph_intake *in, uint32_t source, bool force, ph_frame_type type,
                             prophet_slice frame, ph_frame_context *ctx, ph_id *lacks,
                             prophet_error *err)
{
    in->source = source;
    in->offered = true;
    in->forced = force;
    prophet_code rc = ph_intake_frame(in, type, frame, ctx, err);
    in->offered = false;
    if (rc == PROPHET_DONE)
        *lacks = in->lacks;
    return rc;
}

/* ---- holding and forgetting -------------------------------------------------------------------------------------------- */

bool ph_intake_hold(ph_intake *in, waiting *w)
{
    while (in->held.count <= w->source)
        if (!PH_PUSH(in->held, 0))
            return false;
    if (!ph_map_put(&in->ids, key_of(&w->cs.id), w))
        return false;
    if (!PH_PUSH(in->list, w)) {
        (void)ph_map_remove(&in->ids, key_of(&w->cs.id));
        return false;
    }
    in->bytes += w->bytes;
    in->held.at[w->source] += w->bytes;
    return true;
}

/* The key lies in w: one that is there lies in another. */
bool ph_intake_await(ph_intake *in, const ph_id *id, waiting *w)
{
    (void)ph_map_remove(&in->awaited, key_of(id));
    return ph_map_put(&in->awaited, key_of(id), w);
}

static void await_no_more(ph_intake *in, const ph_id *id, const waiting *w)
{
    if (ph_map_get(&in->awaited, key_of(id)) == w)
        (void)ph_map_remove(&in->awaited, key_of(id));
}

static void forget(ph_intake *in, waiting *w)
{
    in->bytes -= w->bytes;
    in->held.at[w->source] -= w->bytes;
    in->garbage += w->held;
    if (w->covered) {
        in->covered_bytes -= w->bytes;
        in->covered_count--;
    }
    (void)ph_map_remove(&in->ids, key_of(&w->cs.id));
    if (w->cs.header.has_prev)
        await_no_more(in, &w->cs.header.prev, w);
    if (w->cs.header.has_vouches)
        await_no_more(in, &w->cs.header.vouches, w);
    ph_free(w);
}

void ph_intake_sweep(ph_intake *in)
{
    size_t kept = 0;
    for (size_t i = 0; i < in->list.count; i++) {
        waiting *w = in->list.at[i];
        if (w->chain_prev && w->chain_prev->applied)
            w->chain_prev = NULL;
    }
    for (size_t i = 0; i < in->list.count; i++)
        if (in->list.at[i]->applied)
            forget(in, in->list.at[i]);
        else
            in->list.at[kept++] = in->list.at[i];
    in->list.count = kept;
    if (in->stuck_bytes > in->covered_bytes)
        in->stuck_bytes = in->covered_bytes;
    if (in->stuck_count > in->covered_count)
        in->stuck_count = in->covered_count;
    if (kept == 0) {
        ph_arena_reset(&in->arena);
        in->garbage = 0;
    }
}

static prophet_code move(ph_intake *in, waiting *w, ph_arena *to, ph_buf *frame, prophet_error *err)
{
    ph_frame_context none = { .has_last = false };
    bool ok = true;
    size_t used = to->used;
    ph_buf_reset(frame);
    ph_frame_encode(&w->cs, &none, frame);
    prophet_slice bytes = ph_arena_copy(to, ph_buf_slice(frame), &ok);
    if (frame->failed || !ok)
        return ph_nomem(err);
    none.has_last = false;
    prophet_code rc = ph_frame_decode(bytes, ph_log_database(in->r->log), true, in->r->hasher,
                                      &in->r->scratch, &none, to, &w->cs, err);
    w->held = to->used - used;
    return rc;
}

prophet_code ph_intake_tidy(ph_intake *in, prophet_error *err)
{
    ph_arena fresh = PH_ARENA_INIT;
    ph_buf frame = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;
    if (in->garbage < TIDY_BYTES || in->garbage < in->arena.used / 2)
        return PROPHET_OK;
    for (size_t i = 0; i < in->list.count && rc >= 0; i++)
        rc = move(in, in->list.at[i], &fresh, &frame, err);
    ph_buf_clear(&frame);
    ph_arena_clear(&in->arena);
    in->arena = fresh;
    in->garbage = 0;
    in->broken = in->broken || rc < 0;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- too much ------------------------------------------------------------------------------------------------------------ */

bool ph_intake_full(const ph_intake *in)
{
    return in->bytes > PH_WAITING_MAX;
}

static void drop(ph_intake *in, uint32_t source)
{
    for (size_t i = 0; i < in->list.count; i++)
        if (in->list.at[i]->source == source)
            in->list.at[i]->applied = true;
    ph_intake_sweep(in);
}

bool ph_intake_unburden(ph_intake *in, uint32_t current, uint32_t *who)
{
    bool guilty = current < in->held.count && in->held.at[current] > PH_WAITING_MAX / 2;
    *who = current;
    for (uint32_t i = 0; i < in->held.count && !guilty; i++)
        if (in->held.at[i] && (*who == current || in->held.at[i] > in->held.at[*who]))
            *who = i;
    drop(in, *who);
    return guilty;
}

void ph_intake_again(ph_intake *in)
{
    for (size_t i = 0; i < in->list.count; i++)
        in->list.at[i]->applied = true;
    ph_intake_sweep(in);
    in->broken = false;
}
