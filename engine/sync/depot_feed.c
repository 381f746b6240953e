/* Feeding the segments that were fetched to one intake. They may name each other's changesets, those of one publisher too (what was lost and published
 * again lies in a later one): they are fed in turns, so that what waits for another stays small. What is refused in one keeps no other out.
 * Called by depot_pull.c. */
#include "sync/depot_take_impl.h"

enum { TURN = 512, TURN_BYTES = 1 << 20 };

typedef struct feed { /* of one segment */
    depot_intake *t;
    const depot_part *part;
    size_t order; /* among its publisher's */
    sync_segment *segment;
    depot_window w;
    ph_frame_context stream;
    uint64_t fed; /* changesets */
    bool blocked; /* its last changeset waited when its turn ended */
    bool ended;
} feed;

static prophet_code next_frame(feed *f, ph_frame_type *type, prophet_slice *frame,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!f->segment) {
        f->w = (depot_window){ f->t->spool, f->part->at, f->part->end };
        rc = sync_segment_open(depot_read_window, &f->w, "a segment", &f->segment, err);
    }
    if (rc >= 0 && (rc = sync_segment_next(f->segment, type, frame, err)) == PROPHET_DONE) {
        sync_segment_close(f->segment);
        f->segment = NULL;
    }
    return rc;
}

static prophet_code feed_frame(feed *f, ph_frame_type type, prophet_slice frame, prophet_error *err)
{
    sync_intake *in = &f->t->in;
    char hex[17];
    prophet_code rc;
    if (type == PH_FRAME_CHANGESET && f->fed++ == f->part->sound) {
        ph_hex(f->part->liar.b, 8, hex);
        return ph_fail(err, PROPHET_ECORRUPT,
                       "changeset %s: its prev is not the one before it in its chain", hex);
    }
    if ((rc = ph_intake_frame(in->in, type, frame, &f->stream, err)) < 0)
        return rc;
    if (type == PH_FRAME_CHANGESET && ++in->done % 256 == 0)
        return sync_progress(in->o, "changesets", in->done, in->total, err);
    return PROPHET_OK;
}

/* Until it ends (PROPHET_DONE), or what waits has become too much. */
static prophet_code turn(feed *f, prophet_error *err)
{
    const ph_intake *in = f->t->in.in;
    ph_frame_type type;
    prophet_slice frame;
    size_t n = 0, bytes = 0;
    prophet_code rc;
    while ((rc = next_frame(f, &type, &frame, err)) == PROPHET_OK) {
        if ((rc = feed_frame(f, type, frame, err)) < 0)
            return rc;
        bytes += frame.len;
        if ((++n < TURN && bytes < TURN_BYTES) || !ph_intake_stalled(in))
            continue;
        f->blocked = f->stream.has_last;
        return PROPHET_OK;
    }
    return rc;
}

/* The first whose last changeset waits no more; if there is none, the next at all. NULL: all ended. */
static feed *whose_turn(feed *feeds, size_t count, size_t after, const ph_intake *in)
{
    for (size_t i = 0; i < count; i++)
        if (!feeds[i].ended && (!feeds[i].blocked || !ph_intake_waits(in, &feeds[i].stream.id)))
            return &feeds[i];
    for (size_t i = 1; i <= count; i++)
        if (!feeds[(after + i) % count].ended)
            return &feeds[(after + i) % count];
    return NULL;
}

/* What one segment holds is refused: the others go on. */
static prophet_code leave_out(feed *f, prophet_code rc, prophet_error *err)
{
    depot_intake *t = f->t;
    char folder[65];
    if (!depot_is_refusal(rc) || ph_intake_broken(t->in.in))
        return rc;
    ph_hex(f->part->p->folder.b, 32, folder);
    ph_context(err, "%s %.8s..", ph_net_shown(t->d->net), folder);
    if (err && t->refused == 0 && !t->spoiled)
        t->why = *err;
    t->spoiled = true;
    return PROPHET_DONE;
}

static prophet_code feed_all(depot_intake *t, feed *feeds, size_t count, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    size_t at = count - 1;
    feed *f;
    while (rc >= 0 && (f = whose_turn(feeds, count, at, t->in.in)) != NULL) {
        at = (size_t)(f - feeds);
        f->blocked = false;
        rc = turn(f, err);
        if (rc < 0)
            rc = leave_out(f, rc, err);
        f->ended = rc == PROPHET_DONE;
    }
    return rc < 0 ? rc : PROPHET_OK;
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
    feed *feeds = ph_zalloc((count + 1) * sizeof *feeds);
    if (!feeds)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const depot_part *p = &t->parts.at[i];
        bool same = i > 0 && p->p == p[-1].p;
        feeds[i] = (feed){ .t = t, .part = p, .order = same ? feeds[i - 1].order + 1 : 0 };
        t->in.total += p->s->changesets;
    }
    ph_sort(feeds, count, sizeof *feeds, by_order);
    prophet_code rc = count ? feed_all(t, feeds, count, err) : PROPHET_OK;
    for (size_t i = 0; i < count; i++)
        sync_segment_close(feeds[i].segment);
    ph_free(feeds);
    return rc;
}

/* A changeset that lies about its chain breaks the intake; what others put there is applied all the same. What an earlier round left waiting
 * in the broken one was chosen again for this round. */
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
    sync_intake_end(&t->in);
    if ((rc = sync_intake_begin(t->d->r, t->d->o, 0, &t->in, err)) < 0 ||
        (rc = feed_parts(t, err)) < 0)
        return rc;
    return ph_intake_apply(t->in.in, err);
}
