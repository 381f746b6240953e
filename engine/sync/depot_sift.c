/* Signed changesets that lie about their chain: their prev is another replica's, or not the one before. No signature shows that, only prev itself, which may lie in another
 * segment or come later, so it is seen when a transaction applies them, and that ends with all that is in it. Then all segments are read once more, and those in
 * which such a changeset lies are to be fed up to it. Whatever goes well costs nothing. Called by depot_feed.c. */
#include "sync/depot_take_impl.h"

typedef struct claim { /* what a changeset says of the one before it, which is not in its segment */
    ph_id prev, id, replica;
    uint64_t seq;
    size_t part;
    uint64_t at; /* changesets before it in its part */
} claim;

typedef struct tip { /* the last of a replica in a part */
    ph_id replica, id;
    uint64_t seq;
} tip;

typedef struct sift {
    depot_intake *t;
    ph_view *v;
    ph_hasher *hasher;
    ph_buf scratch;
    ph_arena frame, tips; /* of one frame, of one part */
    ph_map last;          /* replica -> tip */
    PH_LIST(claim) claims;
    size_t found;
} sift;

static bool follows(const claim *c, const ph_id *replica, uint64_t seq)
{
    return ph_id_eq(&c->replica, replica) && c->seq == seq + 1;
}

static void convict(sift *s, const claim *c)
{
    depot_part *p = &s->t->parts.at[c->part];
    s->found++;
    if (c->at >= p->sound)
        return;
    p->sound = c->at;
    p->liar = c->id;
}

/* ---- what is claimed ---------------------------------------------------------------------------------------------- */

static prophet_code set_tip(sift *s, tip *last, const ph_changeset *cs, prophet_error *err)
{
    bool is_new = !last;
    if (is_new && !(last = ph_arena_alloc(&s->tips, sizeof *last)))
        return ph_nomem(err);
    *last = (tip){ cs->header.replica, cs->id, cs->header.seq };
    return !is_new || ph_map_put(&s->last, ph_slice(last->replica.b, 32), last) ? PROPHET_OK
                                                                                : ph_nomem(err);
}

/* Of what is here the claim can be judged at once. */
static prophet_code judge_here(sift *s, const claim *c, prophet_error *err)
{
    uint64_t version;
    ph_changeset_row row;
    ph_replica_row rep;
    prophet_code rc = ph_view_version_of(s->v, &c->prev, &version, err);
    if (rc == PROPHET_DONE)
        return PH_PUSH(s->claims, *c) ? PROPHET_OK : ph_nomem(err);
    if (rc < 0 || (rc = ph_changesets_get(s->v->txn, version, &row, err)) < 0 ||
        (rc = ph_replicas_get(s->v->txn, row.ridx, &s->frame, &rep, err)) < 0)
        return rc;
    if (!follows(c, &rep.key, row.seq))
        convict(s, c);
    return PROPHET_OK;
}

static prophet_code gather(sift *s, size_t part, uint64_t at, const ph_changeset *cs,
                           prophet_error *err)
{
    const ph_header *h = &cs->header;
    tip *last = ph_map_get(&s->last, ph_slice(h->replica.b, 32));
    const claim c = { h->prev, cs->id, h->replica, h->seq, part, at };
    prophet_code rc = PROPHET_OK;
    if (h->has_prev && last && ph_id_eq(&last->id, &h->prev)) {
        if (!follows(&c, &last->replica, last->seq))
            convict(s, &c);
    } else if (h->has_prev)
        rc = judge_here(s, &c, err);
    return rc < 0 ? rc : set_tip(s, last, cs, err);
}

/* ---- what is true ------------------------------------------------------------------------------------------------- */

static int by_prev(const void *a, const void *b)
{
    return ph_id_cmp(&((const claim *)a)->prev, &((const claim *)b)->prev);
}

static prophet_code compare(sift *s, size_t part, uint64_t at, const ph_changeset *cs,
                            prophet_error *err)
{
    size_t low = 0, high = s->claims.count;
    (void)part, (void)at, (void)err; /* of the other way to look at a changeset */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ph_id_cmp(&s->claims.at[middle].prev, &cs->id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->claims.count && ph_id_eq(&s->claims.at[low].prev, &cs->id); low++)
        if (!follows(&s->claims.at[low], &cs->header.replica, cs->header.seq))
            convict(s, &s->claims.at[low]);
    return PROPHET_OK;
}

/* ---- all parts ---------------------------------------------------------------------------------------------------- */

typedef prophet_code (*look_fn)(sift *s, size_t part, uint64_t at, const ph_changeset *cs,
                                prophet_error *err);

/* Up to what is refused for its form: the feeding will say that. */
static prophet_code each_of(sift *s, size_t part, look_fn look, prophet_error *err)
{
    const depot_part *p = &s->t->parts.at[part];
    depot_window w = { s->t->spool, p->at, p->end };
    ph_frame_context stream = { .has_last = false };
    ph_changeset cs;
    ph_frame_type type;
    prophet_slice frame;
    prophet_error ignored;
    sync_segment *segment;
    uint64_t at = 0;
    prophet_code rc = sync_segment_open(depot_read_window, &w, "a segment", &segment, err);
    if (rc < 0)
        return rc;
    while ((rc = sync_segment_next(segment, &type, &frame, err)) == PROPHET_OK) {
        if (type != PH_FRAME_CHANGESET)
            continue;
        ph_arena_reset(&s->frame);
        rc = ph_frame_decode(frame, ph_replica_database(s->t->d->r), false, s->hasher, &s->scratch,
                             &stream, &s->frame, &cs, &ignored);
        if (depot_is_refusal(rc) || (rc = look(s, part, at++, &cs, err)) < 0)
            break;
    }
    sync_segment_close(segment);
    return depot_is_refusal(rc) || rc >= 0 ? PROPHET_OK : rc;
}

static prophet_code each(sift *s, look_fn look, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < s->t->parts.count && rc >= 0; i++) {
        ph_map_reset(&s->last);
        ph_arena_reset(&s->tips);
        rc = each_of(s, i, look, err);
    }
    return rc;
}

prophet_code depot_sift(depot_intake *t, bool *any, prophet_error *err)
{
    sift s = { .t = t, .scratch = PH_BUF_INIT, .frame = PH_ARENA_INIT, .tips = PH_ARENA_INIT };
    prophet_code rc = ph_hasher_new(&s.hasher, err);
    if (rc >= 0 && (rc = ph_view_begin(t->d->r, &s.v, err)) >= 0) {
        rc = each(&s, gather, err);
        ph_view_end(s.v);
    }
    if (rc >= 0 && s.claims.count) {
        ph_sort(s.claims.at, s.claims.count, sizeof *s.claims.at, by_prev);
        rc = each(&s, compare, err);
    }
    *any = s.found > 0;
    ph_hasher_free(s.hasher);
    ph_buf_clear(&s.scratch);
    ph_arena_clear(&s.frame);
    ph_arena_clear(&s.tips);
    ph_map_clear(&s.last);
    ph_free(s.claims.at);
    return rc < 0 ? rc : PROPHET_OK;
}
