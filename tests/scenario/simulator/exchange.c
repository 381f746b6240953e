/* Changesets on their way: whole, in parts, twice, out of order, broken off. */
#include "simulator.h"
#include "sync/sync.h"
#include <stdlib.h>

typedef struct frame {
    ph_frame_type type;
    prophet_slice bytes;
    size_t part; /* frames of one part are one stream */
} frame;

typedef struct cargo {
    sim *s;
    frame *at;
    size_t count, cap, part;
} cargo;

static prophet_code load(void *ctx, ph_frame_type type, prophet_slice bytes, const ph_id *id,
                         prophet_error *err)
{
    cargo *c = ctx;
    (void)id;
    (void)err;
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->at = realloc(c->at, c->cap * sizeof *c->at);
        if (!c->at)
            sim_fail(c->s, "out of memory");
    }
    c->at[c->count++] = (frame){ type, ph_arena_copy(&c->s->arena, bytes, NULL), c->part };
    return PROPHET_OK;
}

void sim_digest(sim *s, sim_node *n, uint8_t out[32])
{
    ph_view *v = sim_view(s, n);
    MUST(s, ph_view_digest(v, out, &s->err));
    ph_view_end(v);
}

/* Versions of `from` that `to` has not. */
static size_t missing(sim *s, ph_replica *to, ph_view *from, uint64_t *out)
{
    ph_view *v;
    size_t n = 0;
    MUST(s, ph_view_begin(to, &v, &s->err));
    for (uint64_t i = 1; i <= from->state.version; i++) {
        ph_changeset_row row;
        uint64_t version;
        MUST(s, ph_changesets_get(from->txn, i, &row, &s->err));
        prophet_code rc = ph_view_version_of(v, &row.id, &version, &s->err);
        MUST(s, rc);
        if (rc == PROPHET_DONE)
            out[n++] = i;
    }
    ph_view_end(v);
    return n;
}

/* As sync does it: offer, want, select. */
static size_t compared(sim *s, ph_replica *to, ph_view *from, uint64_t *out)
{
    ph_sync_offer offer;
    ph_sync_want want;
    ph_view *v;
    ph_sync_spans spans = { 0 };
    ph_sync_cursor at = { 0 };
    uint64_t n = 0;
    MUST(s, ph_view_begin(to, &v, &s->err));
    MUST(s, ph_sync_offer_make(from, &s->arena, &offer, &s->err));
    MUST(s, ph_sync_want_make(v, &offer, &s->arena, &want, &s->err));
    ph_view_end(v);
    if (want.wanted_count)
        MUST(s, ph_sync_select(from, &want, &spans, &n, &s->err));
    (void)ph_sync_spans_take(&spans, &at, out, (size_t)n);
    ph_free(spans.at);
    return (size_t)n;
}

static size_t take_some(sim *s, sim_way way, uint64_t *versions, size_t n)
{
    size_t kept = 0;
    if (way == SIM_PREFIX)
        return sim_below(s, n + 1);
    if (way != SIM_SOME)
        return n;
    for (size_t i = 0; i < n; i++)
        if (sim_chance(s, 70))
            versions[kept++] = versions[i];
    return kept;
}

/* Each changeset a stream of its own, in any order, then the signatures. */
static void shuffle(sim *s, cargo *c)
{
    frame *sorted = ph_arena_alloc(&s->arena, (c->count + 1) * sizeof *sorted);
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->at[i].type == PH_FRAME_CHANGESET)
            sorted[n++] = c->at[i];
    for (size_t i = n; i > 1; i--) {
        size_t k = sim_below(s, i);
        frame t = sorted[i - 1];
        sorted[i - 1] = sorted[k];
        sorted[k] = t;
    }
    for (size_t i = 0; i < c->count; i++)
        if (c->at[i].type != PH_FRAME_CHANGESET)
            sorted[n++] = c->at[i];
    if (n)
        memcpy(c->at, sorted, n * sizeof *sorted);
}

static void fetch(sim *s, ph_replica *to, sim_node *from, sim_way way, cargo *c)
{
    ph_view *v = sim_view(s, from);
    uint64_t *versions = ph_arena_alloc(&s->arena, (v->state.version + 1) * sizeof *versions);
    size_t n = way == SIM_COMPARED ? compared(s, to, v, versions)
                                   : take_some(s, way, versions, missing(s, to, v, versions));
    for (size_t round = 0; round <= (way == SIM_TWICE); round++, c->part++) {
        if (way == SIM_SHUFFLED)
            for (size_t i = 0; i < n; i++, c->part++)
                MUST(s, ph_view_stream(v, &versions[i], 1, false, load, c, &s->err));
        else
            MUST(s, ph_view_stream(v, versions, n, way == SIM_ALL, load, c, &s->err));
    }
    ph_view_end(v);
    if (way == SIM_SHUFFLED)
        shuffle(s, c);
}

/* Into the intake; up to `count` frames. */
static void unload(sim *s, ph_intake *in, const cargo *c, size_t count)
{
    ph_frame_context ctx = { .has_last = false };
    size_t part = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (c->at[i].part != part)
            ctx = (ph_frame_context){ .has_last = false };
        part = c->at[i].part;
        MUST(s, ph_intake_frame(in, c->at[i].type, c->at[i].bytes, &ctx, &s->err));
        if (sim_chance(s, 2))
            MUST(s, ph_intake_apply(in, &s->err));
    }
}

/* From the directory, which its node has open as well. */
static uint64_t pull_directory(sim *s, sim_node *to, sim_node *from)
{
    ph_sync_report rep = { 0 };
    MUST(s, ph_sync_pull(to->r, from->dir, NULL, &rep, &s->err));
    uint64_t n = rep.changesets;
    sim_note(s, "%s <- directory %s: %llu new%s", to->dir, from->dir, (unsigned long long)n,
             rep.own_chain ? ", own chain" : "");
    ph_sync_report_clear(&rep);
    sim_watch(s, to);
    sim_watch(s, from);
    return n;
}

uint64_t sim_pull(sim *s, sim_node *to, sim_node *from, sim_way way, bool sign)
{
    if (way == SIM_DIRECTORY)
        return pull_directory(s, to, from);
    cargo c = { .s = s };
    ph_intake *in;
    ph_intake_report rep = { 0 };
    if (sign)
        MUST(s, ph_replica_sign(from->r, &s->err));
    fetch(s, to->r, from, way, &c);
    MUST(s, ph_intake_begin(to->r, &in, &s->err));
    if (way == SIM_BROKEN_OFF) {
        unload(s, in, &c, sim_below(s, c.count + 1));
        if (sim_chance(s, 50))
            MUST(s, ph_intake_apply(in, &s->err));
    } else {
        unload(s, in, &c, c.count);
        MUST(s, ph_intake_finish(in, &rep, &s->err));
    }
    sim_note(s, "%s <- %s way %d: %llu new, %llu held back, %llu unsigned, %llu forks%s", to->dir,
             from->dir, (int)way, (unsigned long long)rep.changesets,
             (unsigned long long)rep.held_back, (unsigned long long)rep.unsigned_rest,
             (unsigned long long)rep.forks, rep.own_chain ? ", own chain" : "");
    ph_intake_free(in);
    free(c.at);
    sim_watch(s, to);
    sim_watch(s, from);
    return rep.changesets;
}

void sim_exchange(sim *s)
{
    sim_node *a = sim_any(s), *b = sim_any(s);
    sim_way way = sim_chance(s, 50) ? SIM_MISSING : (sim_way)sim_below(s, SIM_WAYS);
    if (a == b || a->group != b->group)
        return;
    (void)sim_pull(s, a, b, way, sim_chance(s, 90));
    if (sim_chance(s, 40))
        (void)sim_pull(s, b, a, SIM_MISSING, true);
    if (sim_chance(s, 40))
        (void)sim_ask_node(s, a);
    sim_meanwhile(s, a, b);
}

/* Two or three groups that do not reach each other, or one again. */
void sim_partition(sim *s)
{
    unsigned groups = 1 + (unsigned)sim_below(s, 3);
    for (size_t i = 0; i < s->node_count; i++)
        s->nodes[i].group = (unsigned)sim_below(s, groups);
}

/* ---- all of it again, in another order ------------------------------------------------------------------------------------- */

typedef struct waiting {
    sim *s;
    ph_id id;
    prophet_slice frame, signature;
    size_t *names; /* what it names, as places in the list */
    size_t name_count;
    bool done;
} waiting;

static prophet_code load_one(void *ctx, ph_frame_type type, prophet_slice bytes, const ph_id *id,
                             prophet_error *err)
{
    waiting *w = ctx;
    prophet_slice copy = ph_arena_copy(&w->s->arena, bytes, NULL);
    (void)id;
    (void)err;
    if (type == PH_FRAME_CHANGESET)
        w->frame = copy;
    else
        w->signature = copy;
    return PROPHET_OK;
}

/* Names are of lower versions: those are in the list already. */
static void load_waiting(sim *s, ph_view *v, uint64_t version, waiting *all)
{
    waiting *w = &all[version - 1];
    ph_changeset cs;
    ph_changeset_row row;
    w->s = s;
    MUST(s, ph_view_stream(v, &version, 1, false, load_one, w, &s->err));
    MUST(s, ph_view_changeset(v, version, &s->arena, &cs, &row, &s->err));
    w->id = cs.id;
    w->name_count = ph_changeset_names(&cs.header);
    w->names = ph_arena_alloc(&s->arena, (w->name_count + 1) * sizeof *w->names);
    for (size_t i = 0; i < w->name_count; i++) {
        const ph_id *id = ph_changeset_name(&cs.header, (uint32_t)i);
        size_t k = 0;
        while (k < version - 1 && !ph_id_eq(&all[k].id, id))
            k++;
        if (k == version - 1)
            sim_fail(s, "version %llu names what has no lower version",
                     (unsigned long long)version);
        w->names[i] = k;
    }
}

static bool ready(const waiting *all, const waiting *w)
{
    for (size_t i = 0; i < w->name_count; i++)
        if (!all[w->names[i]].done)
            return false;
    return !w->done;
}

bool sim_replay(sim *s, ph_replica *to, sim_node *from, size_t n)
{
    ph_view *v = sim_view(s, from);
    bool all_of_it = n == 0;
    n = all_of_it ? (size_t)v->state.version : n;
    waiting *all = ph_arena_zalloc(&s->arena, (n + 1) * sizeof *all);
    ph_intake *in;
    ph_intake_report rep;
    for (size_t i = 0; i < n; i++)
        load_waiting(s, v, i + 1, all);
    ph_view_end(v);
    MUST(s, ph_intake_begin(to, &in, &s->err));
    for (size_t done = 0; done < n; done++) {
        waiting *w = &all[sim_below(s, n)];
        ph_frame_context ctx = { .has_last = false };
        while (!ready(all, w))
            w = w == all + n - 1 ? all : w + 1;
        MUST(s, ph_intake_frame(in, PH_FRAME_CHANGESET, w->frame, &ctx, &s->err));
        if (w->signature.len)
            MUST(s, ph_intake_frame(in, PH_FRAME_SIGNATURE, w->signature, &ctx, &s->err));
        if (sim_chance(s, 5))
            MUST(s, ph_intake_apply(in, &s->err));
        w->done = true;
    }
    MUST(s, ph_intake_finish(in, &rep, &s->err));
    ph_intake_free(in);
    if (rep.changesets != n && all_of_it)
        sim_fail(s, "a replay took %llu of %zu changesets: %llu held back, %llu unsigned",
                 (unsigned long long)rep.changesets, n, (unsigned long long)rep.held_back,
                 (unsigned long long)rep.unsigned_rest);
    return rep.changesets == n;
}
