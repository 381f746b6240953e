/* Live peers as a carrier: the client that pull and push use, and what a server answers, both as they are, on a wire of ours between them. What
 * the wire does is drawn: answers that are lost, come from an earlier time, are cut, have a bit turned; transfers that break off, end early, come
 * twice or in another order; a server or a client that is gone at any point. After all of it a good wire must bring everything. */
#include "simulator.h"
#include "serve/serve_impl.h"
#include "sync/live_impl.h"
#include <stdlib.h>

enum { PIECES_MAX = 4096 };

typedef enum fault {
    NONE,
    LOST,      /* the question never arrives */
    UNHEARD,   /* what is answered is lost on its way back */
    STALE,     /* an answer from an earlier time */
    CUT,       /* ends before its end */
    BIT,       /* a bit is turned */
    TWICE,     /* comes twice, or a piece of it does */
    SWAPPED,   /* pieces change places */
    FAR_GONE,  /* the server is killed, and started again */
    NEAR_GONE, /* the client is: nothing more is done */
    FAULTS
} fault;

typedef struct wire {
    sim *s;
    sim_node *far;
    unsigned percent; /* how often a question meets a fault */
} wire;

static ph_buf old_answers[2][SIM_NODES]; /* heads and wants that were given before */

static fault draw(wire *w)
{
    fault f = sim_chance(w->s, w->percent) ? (fault)(1 + sim_below(w->s, FAULTS - 1)) : NONE;
    if (f)
        sim_note(w->s, "the wire: %s",
                 (const char *[]){ "", "lost", "unheard", "stale", "cut", "a bit", "twice",
                                   "swapped", "the far side dies", "this side dies" }[f]);
    return f;
}

static prophet_code gone(const wire *w, prophet_error *err)
{
    return ph_fail(err, PROPHET_ENETWORK, "%s does not answer", w->far->dir);
}

static void restart(wire *w)
{
    sim_close(w->far);
    sim_open(w->s, w->far);
}

static void turn_bit(sim *s, ph_buf *b, size_t from)
{
    if (b->len > from)
        b->data[from + sim_below(s, b->len - from)] ^= (uint8_t)(1u << sim_below(s, 8));
}

/* As over HTTP: the code and the message as a line, which the client makes an error of its own. */
static prophet_code refused(const prophet_error *why, prophet_error *err)
{
    ph_buf line = PH_BUF_INIT;
    serve_error_text(why, &line);
    prophet_code rc = live_refusal("the far side", ph_buf_slice(&line), 0, err);
    ph_buf_clear(&line);
    return rc;
}

/* ---- messages --------------------------------------------------------------------------------------------------------- */

/* What becomes of a message on its way; kind: whose old ones may come instead. */
static prophet_code bring(wire *w, fault f, size_t kind, const ph_buf *message, ph_buf *out,
                          prophet_error *err)
{
    ph_buf *old = &old_answers[kind][w->far - w->s->nodes];
    size_t before = out->len;
    const ph_buf *from = f == STALE && old->len ? old : message;
    size_t len = from->len;
    if (f == UNHEARD)
        return gone(w, err);
    if (f == CUT && len)
        len = sim_below(w->s, len);
    ph_buf_put(out, from->data, len);
    if (f == TWICE)
        ph_buf_put(out, from->data, len);
    if (f == BIT)
        turn_bit(w->s, out, before);
    if (!old->len || sim_chance(w->s, 30)) {
        ph_buf_reset(old);
        ph_buf_put(old, message->data, message->len);
    }
    return PROPHET_OK;
}

/* Before anything is asked: PROPHET_OK, or how it ends. */
static prophet_code depart(wire *w, fault f, prophet_error *err)
{
    if (f == FAR_GONE)
        restart(w);
    if (f == NEAR_GONE)
        return ph_fail(err, PROPHET_EINTERRUPTED, "this side is gone");
    return f == LOST || f == FAR_GONE ? gone(w, err) : PROPHET_OK;
}

static prophet_code wire_head(void *self, const uint8_t *known, uint32_t wait_s, ph_buf *out,
                              prophet_error *err)
{
    wire *w = self;
    ph_buf answer = PH_BUF_INIT;
    uint8_t digest[32];
    prophet_error why = { 0 };
    fault f = draw(w);
    (void)wait_s;
    prophet_code rc = depart(w, f, err);
    if (rc < 0)
        return rc;
    if ((rc = serve_head(w->far->r, known, &answer, digest, &why)) < 0)
        rc = refused(&why, err);
    else if (rc == PROPHET_OK)
        rc = bring(w, f, 0, &answer, out, err);
    else if (f == UNHEARD)
        rc = gone(w, err);
    ph_buf_clear(&answer);
    return rc;
}

static prophet_code wire_offer(void *self, prophet_slice offer, ph_buf *want, prophet_error *err)
{
    wire *w = self;
    ph_buf question = PH_BUF_INIT, answer = PH_BUF_INIT;
    ph_sync_visit *visit = NULL;
    prophet_error why = { 0 };
    fault f = draw(w);
    prophet_code rc = depart(w, f, err);
    if (rc < 0)
        return rc;
    ph_buf_put(&question, offer.data, offer.len);
    bool bent = f == BIT && sim_chance(w->s, 50);
    if (bent)
        turn_bit(w->s, &question, 0);
    if ((rc = serve_offer(w->far->r, ph_buf_slice(&question), &answer, &visit, &why)) < 0)
        rc = refused(&why, err);
    else
        rc = bring(w, bent ? NONE : f, 1, &answer, want, err);
    ph_sync_visit_free(visit);
    ph_buf_clear(&question);
    ph_buf_clear(&answer);
    return rc;
}

/* ---- transfers ------------------------------------------------------------------------------------------------------------ */

typedef struct pieces {
    prophet_slice at[PIECES_MAX];
    size_t count;
} pieces;

static prophet_code collect(ph_sync_sender *s, ph_buf *out, prophet_error *err)
{
    prophet_code rc;
    while ((rc = ph_sync_sender_next(s, out, err)) == PROPHET_OK)
        ;
    return rc < 0 ? rc : PROPHET_OK;
}

static void cut_up(sim *s, const ph_buf *b, pieces *out)
{
    size_t most = 1 + sim_below(s, 2000);
    out->count = 0;
    for (size_t at = 0; at < b->len;) {
        size_t n = 1 + sim_below(s, most);
        if (n > b->len - at || out->count == PIECES_MAX - 2)
            n = b->len - at;
        out->at[out->count++] = ph_slice(b->data + at, n);
        at += n;
    }
}

/* PROPHET_ENETWORK: it breaks off after what was given. */
static prophet_code carry(wire *w, fault f, ph_buf *bytes, prophet_sink_fn sink, void *ctx,
                          prophet_error *err)
{
    static pieces p;
    sim *s = w->s;
    prophet_code rc = PROPHET_OK;
    if (f == BIT)
        turn_bit(s, bytes, 0);
    cut_up(s, bytes, &p);
    size_t at = p.count ? sim_below(s, p.count) : 0, end = p.count;
    if (f == CUT || f == UNHEARD || f == STALE || f == FAR_GONE || f == NEAR_GONE)
        end = at;
    if (f == SWAPPED && at + 1 < p.count) {
        prophet_slice first = p.at[at];
        p.at[at] = p.at[at + 1];
        p.at[at + 1] = first;
    }
    for (size_t i = 0; i < end && rc >= 0; i++) {
        rc = sink(ctx, p.at[i], err);
        if (rc >= 0 && f == TWICE && i == at)
            rc = sink(ctx, p.at[i], err);
    }
    if (rc < 0)
        return rc;
    if (f == NEAR_GONE)
        return ph_fail(err, PROPHET_EINTERRUPTED, "this side is gone");
    if (f == UNHEARD || f == STALE || f == FAR_GONE) /* else it is CUT: said to be all of it */
        return gone(w, err);
    return PROPHET_OK;
}

static prophet_code wire_pull(void *self, prophet_slice want, prophet_sink_fn sink, void *ctx,
                              prophet_error *err)
{
    wire *w = self;
    ph_buf question = PH_BUF_INIT, bytes = PH_BUF_INIT;
    ph_sync_sender *sender = NULL;
    ph_sync_visit *visit = NULL;
    prophet_error why = { 0 };
    fault f = draw(w);
    if (f == LOST)
        return gone(w, err);
    ph_buf_put(&question, want.data, want.len);
    bool bent = f == BIT && sim_chance(w->s, 30);
    if (bent)
        turn_bit(w->s, &question, 0);
    prophet_code rc = serve_pull(w->far->r, ph_buf_slice(&question), &sender, &visit, &why);
    ph_sync_visit_free(visit);
    if (rc >= 0)
        rc = collect(sender, &bytes, &why);
    ph_sync_sender_close(sender);
    if (rc < 0)
        rc = refused(&why, err);
    else if (f == FAR_GONE)
        restart(w);
    if (rc >= 0)
        rc = carry(w, bent ? NONE : f, &bytes, sink, ctx, err);
    ph_buf_clear(&question);
    ph_buf_clear(&bytes);
    return rc;
}

static prophet_code to_taker(void *ctx, prophet_slice bytes, prophet_error *err)
{
    return ph_sync_taker_feed(ctx, bytes, err);
}

static prophet_code take(wire *w, fault f, ph_buf *bytes, ph_buf *answer, prophet_error *err)
{
    ph_sync_taker *t = NULL;
    prophet_error why = { 0 }, ours = { 0 };
    bool news;
    prophet_code rc = ph_sync_taker_open(w->far->r, &t, &why);
    if (rc >= 0)
        rc = carry(w, f, bytes, to_taker, t, &why);
    bool broke_off = rc == PROPHET_ENETWORK || rc == PROPHET_EINTERRUPTED;
    if (broke_off)
        ours = why;
    else if (rc >= 0)
        rc = serve_push_end(w->far->r, t, answer, &news, &why);
    ph_sync_taker_close(t);
    if (f == FAR_GONE)
        restart(w);
    if (broke_off)
        *err = ours;
    return rc < 0 && !broke_off ? refused(&why, err) : rc;
}

static prophet_code wire_push(void *self, ph_sync_sender *sender, ph_buf *answer,
                              prophet_error *err)
{
    wire *w = self;
    ph_buf bytes = PH_BUF_INIT, said = PH_BUF_INIT;
    fault f = draw(w);
    if (f == LOST)
        return gone(w, err);
    prophet_code rc = collect(sender, &bytes, err);
    if (rc >= 0 && sim_chance(w->s, 20)) { /* delivered, but nobody heard; the same again */
        rc = take(w, NONE, &bytes, &said, err);
        ph_buf_reset(&said);
    }
    if (rc >= 0 && (rc = take(w, f, &bytes, &said, err)) >= 0)
        ph_buf_put(answer, said.data, said.len);
    ph_buf_clear(&bytes);
    ph_buf_clear(&said);
    return rc;
}

static void wire_wake(void *self, int fd)
{
    (void)self, (void)fd;
}

static void wire_close(void *self)
{
    (void)self; /* it is the caller's */
}

/* ---- an exchange ------------------------------------------------------------------------------------------------------------ */

/* What a bad wire may lead to, and nothing else. */
static bool is_fault(prophet_code rc)
{
    return rc == PROPHET_ENETWORK || rc == PROPHET_EINTERRUPTED || rc == PROPHET_EREMOTE ||
           rc == PROPHET_ECORRUPT || rc == PROPHET_EUNTRUSTED || rc == PROPHET_EVERSION ||
           rc == PROPHET_EUNRELATED || rc == PROPHET_EBUDGET || rc == PROPHET_EUSAGE;
}

static prophet_code exchange(sim *s, sim_node *n, sim_node *far, unsigned percent, bool push,
                             uint64_t *changesets)
{
    wire w = { s, far, percent };
    const live_wire lw = { &w, wire_head, wire_offer, wire_pull, wire_push, wire_wake, wire_close };
    ph_sync_report rep = { 0 };
    sync_live *l = NULL;
    prophet_code rc = sync_live_over(&lw, "http://wire", n->r, NULL, &l, &s->err);
    if (rc >= 0)
        rc = push ? sync_live_push(l, n->r, &rep, &s->err) : sync_live_pull(l, n->r, &rep, &s->err);
    sync_live_close(l);
    sim_note(s, "%s %s %s: %s, %llu", n->dir, push ? "->" : "<-", far->dir,
             rc < 0 ? s->err.message : "done", (unsigned long long)rep.changesets);
    *changesets = rep.changesets;
    ph_sync_report_clear(&rep);
    if (rc == PROPHET_EINTERRUPTED) {
        sim_close(n);
        sim_open(s, n);
    }
    sim_watch(s, n);
    sim_watch(s, far);
    return rc;
}

/* May the two talk? Of one key they are "this replica itself". */
static bool strangers(const sim_node *a, const sim_node *b)
{
    return a != b && a->group == b->group && !ph_id_eq(ph_replica_key(a->r), ph_replica_key(b->r));
}

/* A way stays open while a third one pushes to the far end: who pushes then, and waits for news, must be told of it. */
static void stay(sim *s, sim_node *n, sim_node *far)
{
    wire w = { s, far, 0 };
    const live_wire lw = { &w, wire_head, wire_offer, wire_pull, wire_push, wire_wake, wire_close };
    ph_sync_report rep = { 0 };
    uint8_t here[32], there[32];
    uint64_t count;
    sync_live *l = NULL;
    sim_node *third = sim_any(s);
    if (!strangers(third, n) || !strangers(third, far))
        return;
    MUST(s, sync_live_over(&lw, "http://wire", n->r, NULL, &l, &s->err));
    MUST(s, sync_live_pull(l, n->r, &rep, &s->err));
    MUST(s, exchange(s, third, far, 0, true, &count));
    MUST(s, sync_live_push(l, n->r, &rep, &s->err));
    sim_digest(s, n, here);
    sim_digest(s, far, there);
    if (memcmp(here, there, sizeof here) != 0 && sync_live_wait(l, -1, 0, &s->err) != PROPHET_OK)
        sim_fail(s, "%s waits, though %s has more", n->dir, far->dir);
    sync_live_close(l);
    ph_sync_report_clear(&rep);
    sim_watch(s, n);
    sim_watch(s, far);
}

void sim_live(sim *s)
{
    uint64_t count;
    sim_node *n = sim_any(s), *far = sim_any(s);
    if (!strangers(n, far))
        return;
    if (sim_chance(s, 20)) {
        stay(s, n, far);
        return;
    }
    unsigned percent = sim_chance(s, 30) ? 0 : 10 + (unsigned)sim_below(s, 60);
    for (uint64_t i = 1 + sim_below(s, 3); i > 0; i--) {
        prophet_code rc = exchange(s, n, far, percent, sim_chance(s, 40), &count);
        if (rc < 0 && !(percent && is_fault(rc)))
            MUST(s, rc);
    }
    if (sim_chance(s, 70))
        return;
    for (int push = 0; push < 2;
         push++) { /* a good wire goes on from whatever there is, and then there is nothing more */
        MUST(s, exchange(s, n, far, 0, push, &count));
        MUST(s, exchange(s, n, far, 0, push, &count));
        if (count)
            sim_fail(s, "a good wire left %llu changesets behind", (unsigned long long)count);
    }
}
