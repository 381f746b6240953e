/* Feeding the segments that were fetched to one intake. They may name each other's changesets, those of one publisher too (what was lost and published
 * again lies in a later one): a feed stops in front of what stands on something that is not here, and goes on when that came, so that nothing has to wait in memory
 * for another segment. What is refused in one keeps no other out. Called by depot_pull.c. */
#include "sync/depot_take_impl.h"

enum {
    AWAKE_MAX = 12, /* feeds that keep their block in memory */
    FORCE_MAX = 512 /* changesets */
};

typedef struct feed { /* of one segment */
    depot_part *part;
    size_t order; /* among its publisher's */
    sync_segment *segment;
    depot_window w;
    ph_frame_context stream;
    uint64_t fed; /* changesets */
    bool ended, blocked;
    ph_id lacks;       /* blocked: what its next changeset names */
    struct feed *next; /* .. another that lacks the same */
    uint64_t turn;     /* its last */
} feed;

typedef struct feeding {
    depot_intake *t;
    feed *feeds;
    size_t count, at; /* at: whose turn it was */
    uint32_t base;    /* the first one's source */
    ph_map lacked;    /* id -> the blocked ones */
    uint64_t turns;
    size_t force;     /* how many are taken the next time that all are blocked, */
    uint64_t applied; /* .. and what was applied the last time */
} feeding;

static prophet_code next_frame(feeding *x, feed *f, ph_frame_type *type, prophet_slice *frame,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!f->segment) {
        f->w = (depot_window){ x->t->spool, f->part->at, f->part->end };
        rc = sync_segment_open(depot_read_window, &f->w, "a segment", &f->segment, err);
    }
    if (rc >= 0 && (rc = sync_segment_next(f->segment, type, frame, err)) == PROPHET_DONE) {
        sync_segment_close(f->segment);
        f->segment = NULL;
    }
    return rc;
}

/* ---- being blocked ------------------------------------------------------------------------------------------------------ */

static prophet_slice lack_of(const feed *f)
{
    return ph_slice(f->lacks.b, sizeof f->lacks.b);
}

/* Of many blocked ones those that were so longest let go of their memory. */
static void rest(feeding *x)
{
    feed *oldest = NULL;
    size_t awake = 0;
    for (size_t i = 0; i < x->count; i++) {
        feed *f = &x->feeds[i];
        if (!f->segment || sync_segment_rests(f->segment))
            continue;
        awake++;
        if (f->blocked && (!oldest || f->turn < oldest->turn))
            oldest = f;
    }
    if (oldest && awake > AWAKE_MAX)
        oldest->w.at = oldest->part->at + sync_segment_rest(oldest->segment);
}

static prophet_code block(feeding *x, feed *f, prophet_error *err)
{
    sync_segment_back(f->segment);
    f->blocked = true;
    f->next = ph_map_remove(&x->lacked, lack_of(f)); /* the key lies in the first */
    if (!ph_map_put(&x->lacked, lack_of(f), f))
        return ph_nomem(err);
    rest(x);
    return PROPHET_OK;
}

static void unblock(feeding *x, const ph_id *id)
{
    feed *f = ph_map_remove(&x->lacked, ph_slice(id->b, sizeof id->b));
    for (; f; f = f->next)
        f->blocked = false;
}

static void end(feeding *x, feed *f)
{
    if (f->blocked)
        unblock(x, &f->lacks); /* the others ask again */
    sync_segment_close(f->segment);
    f->segment = NULL;
    f->ended = true;
}

/* ---- a turn ---------------------------------------------------------------------------------------------------------------- */

/* PROPHET_DONE: it lacks something. */
static prophet_code feed_frame(feeding *x, feed *f, bool force, ph_frame_type type,
                               prophet_slice frame, prophet_error *err)
{
    sync_intake *in = &x->t->in;
    char hex[17];
    prophet_code rc;
    if (type == PH_FRAME_CHANGESET && f->fed == f->part->sound) {
        ph_hex(f->part->liar.b, 8, hex);
        return ph_fail(err, PROPHET_ECORRUPT,
                       "changeset %s: its prev is not the one before it in its chain", hex);
    }
    rc = ph_intake_offer(in->in, x->base + (uint32_t)(f - x->feeds), force, type, frame, &f->stream,
                         &f->lacks, err);
    if (type != PH_FRAME_CHANGESET || (rc != PROPHET_OK && rc != PROPHET_EBUDGET))
        return rc;
    f->fed++;
    unblock(x, &f->stream.id);
    if (++in->done % 256 == 0 && rc == PROPHET_OK)
        return sync_progress(in->o, "changesets", in->done, in->total, err);
    return rc;
}

static void forget_rounds(depot_intake *t)
{
    t->forgot = t->fed.count > 0;
    t->fed.count = 0;
}

/* Too much waits: one of them has to do without. If that is f itself it is refused, others come again in the next round. */
static prophet_code make_room(feeding *x, feed *f, prophet_error *err)
{
    const prophet_error full = *err;
    uint32_t who;
    while (ph_intake_full(x->t->in.in)) {
        if (ph_intake_unburden(x->t->in.in, x->base + (uint32_t)(f - x->feeds), &who))
            return PROPHET_EBUDGET;
        if (who < x->base) {
            forget_rounds(x->t);
            continue;
        }
        feed *g = &x->feeds[who - x->base];
        g->part->dropped = true;
        depot_blame(x->t, g->part, err);
        *err = full;
        end(x, g);
    }
    return f->ended ? PROPHET_DONE : PROPHET_OK;
}

/* Until it ends (PROPHET_DONE), or is blocked. force: changesets that are taken whatever they lack. */
static prophet_code turn(feeding *x, feed *f, size_t force, prophet_error *err)
{
    ph_frame_type type;
    prophet_slice frame;
    prophet_code rc;
    f->turn = ++x->turns;
    while ((rc = next_frame(x, f, &type, &frame, err)) == PROPHET_OK) {
        rc = feed_frame(x, f, force > 0, type, frame, err);
        if (rc == PROPHET_DONE)
            return block(x, f, err);
        if (rc == PROPHET_EBUDGET)
            rc = make_room(x, f, err);
        if (rc != PROPHET_OK)
            return rc;
        force -= force > 0 && type == PH_FRAME_CHANGESET;
    }
    return rc;
}

/* What one segment holds is refused: the others go on. */
static prophet_code leave_out(feeding *x, feed *f, prophet_code rc, prophet_error *err)
{
    depot_intake *t = x->t;
    if ((!depot_is_refusal(rc) && rc != PROPHET_EBUDGET) || ph_intake_broken(t->in.in))
        return rc;
    depot_blame(t, f->part, err);
    t->spoiled = f->part->spoiled = true;
    return PROPHET_DONE;
}

static prophet_code take_turn(feeding *x, feed *f, size_t force, prophet_error *err)
{
    x->at = (size_t)(f - x->feeds);
    prophet_code rc = turn(x, f, force, err);
    if (rc < 0)
        rc = leave_out(x, f, rc, err);
    if (rc == PROPHET_DONE && !f->ended)
        end(x, f);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------------ */

/* The first that is not blocked; NULL: none. *any: not all ended. */
static feed *whose_turn(feeding *x, bool *any)
{
    *any = false;
    for (size_t i = 0; i < x->count; i++) {
        feed *f = &x->feeds[i];
        if (!f->ended && !f->blocked)
            return f;
        *any = *any || !f->ended;
    }
    return NULL;
}

/* All are blocked. What they lack may have become ready since, or nobody has it, or they lie across each other: then one goes on all the same, for longer and longer
 * while that helps nobody. */
static prophet_code force_one(feeding *x, prophet_error *err)
{
    ph_intake *in = x->t->in.in;
    bool freed = false;
    prophet_code rc = ph_intake_apply(in, err);
    for (size_t i = 0; i < x->count && rc >= 0; i++) {
        const feed *f = &x->feeds[i];
        if (f->blocked && !f->ended && (rc = ph_intake_knows(in, &f->lacks, err)) == PROPHET_OK) {
            freed = true;
            unblock(x, &f->lacks);
        }
    }
    if (rc < 0)
        return rc;
    x->force = x->force && ph_intake_applied(in) == x->applied ? x->force * 2 : 1;
    x->applied = ph_intake_applied(in);
    if (freed)
        return PROPHET_OK;
    if (x->force > FORCE_MAX)
        x->force = FORCE_MAX;
    size_t i = x->at;
    do
        i = (i + 1) % x->count;
    while (x->feeds[i].ended);
    unblock(x, &x->feeds[i].lacks);
    return take_turn(x, &x->feeds[i], x->force, err);
}

static prophet_code feed_all(feeding *x, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    bool any = true;
    while (rc >= 0 && any) {
        feed *f = whose_turn(x, &any);
        if (f)
            any = true;
        if (any)
            rc = f ? take_turn(x, f, 0, err) : force_one(x, err);
    }
    return rc;
}

static int by_order(const void *a, const void *b)
{
    const feed *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

/* All publishers' first segments come before their second ones. */
static prophet_code feed_parts(depot_intake *t, prophet_error *err)
{
    size_t count = t->parts.count;
    feeding x = { .t = t, .count = count, .base = t->sources };
    if (!(x.feeds = ph_zalloc((count + 1) * sizeof *x.feeds)))
        return ph_nomem(err);
    t->sources += (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        depot_part *p = &t->parts.at[i];
        bool same = i > 0 && p->p == p[-1].p;
        x.feeds[i] = (feed){ .part = p, .order = same ? x.feeds[i - 1].order + 1 : 0 };
        t->in.total += p->s->changesets;
    }
    ph_sort(x.feeds, count, sizeof *x.feeds, by_order);
    prophet_code rc = feed_all(&x, err);
    for (size_t i = 0; i < count; i++)
        sync_segment_close(x.feeds[i].segment);
    ph_map_clear(&x.lacked);
    ph_free(x.feeds);
    return rc;
}

/* A changeset that lies about its chain breaks the intake; what others put there is applied all the same. */
prophet_code depot_feed(depot_intake *t, prophet_error *err)
{
    prophet_error why;
    bool any;
    prophet_code rc, first = feed_parts(t, err);
    if (first >= 0)
        first = ph_intake_apply(t->in.in, err);
    if (first != PROPHET_ECORRUPT || !ph_intake_broken(t->in.in))
        return first;
    if (err)
        why = *err;
    if ((rc = depot_sift(t, &any, err)) < 0)
        return rc;
    if (!any) { /* it is not the depot's fault */
        if (err)
            *err = why;
        return first;
    }
    ph_intake_again(t->in.in);
    forget_rounds(t);
    return (rc = feed_parts(t, err)) < 0 ? rc : ph_intake_apply(t->in.in, err);
}
