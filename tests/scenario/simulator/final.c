/* What must hold at the end: quiet after at most five rounds, everybody shows the same, and so does the model, a rebuilt index, a
 * replay in another order; nothing is missing; nobody was forgotten by its resolvers; one more round writes nothing. */
#include "simulator.h"

#define ROUNDS 5

static bool same_digest(sim *s, sim_node *a, sim_node *b)
{
    uint8_t x[32], y[32];
    sim_digest(s, a, x);
    sim_digest(s, b, y);
    return memcmp(x, y, 32) == 0;
}

/* All pairs, in any order; then all ask. Did anything happen? */
static bool round_of_all(sim *s)
{
    size_t n = s->node_count, pairs = n * n;
    size_t *order = ph_arena_alloc(&s->arena, pairs * sizeof *order);
    bool any = false;
    for (size_t i = 0; i < pairs; i++)
        order[i] = i;
    for (size_t i = pairs; i > 1; i--) {
        size_t k = sim_below(s, i), t = order[i - 1];
        order[i - 1] = order[k];
        order[k] = t;
    }
    for (size_t i = 0; i < pairs; i++) {
        sim_node *a = &s->nodes[order[i] / n], *b = &s->nodes[order[i] % n];
        if (a == b || same_digest(s, a, b))
            continue;
        sim_way way = sim_chance(s, 60)   ? SIM_COMPARED
                      : sim_chance(s, 70) ? SIM_MISSING
                      : sim_chance(s, 50) ? SIM_ALL
                                          : SIM_DIRECTORY;
        any |= sim_pull(s, a, b, way, true) > 0;
    }
    for (size_t i = 0; i < n; i++)
        any |= sim_ask_node(s, &s->nodes[i]);
    return any;
}

static void until_quiet(sim *s)
{
    unsigned rounds = 0;
    while (round_of_all(s))
        if (++rounds > ROUNDS)
            sim_fail(s, "not quiet after %d rounds", ROUNDS);
    for (size_t i = 1; i < s->node_count; i++)
        if (!same_digest(s, &s->nodes[0], &s->nodes[i]))
            sim_fail(s, "quiet, but the digests of %s and %s differ", s->nodes[0].dir,
                     s->nodes[i].dir);
}

static void dump(sim *s, sim_node *n, ph_buf *records, ph_buf *conflicts)
{
    ph_view *v = sim_view(s, n);
    ph_buf_reset(records);
    ph_buf_reset(conflicts);
    sim_dump_export(s, v, records);
    sim_dump_conflicts(s, v, true, conflicts);
    ph_view_end(v);
}

static void compare(sim *s, const char *what, sim_node *n, const ph_buf want[2])
{
    ph_buf got[2] = { PH_BUF_INIT, PH_BUF_INIT };
    char text[128];
    dump(s, n, &got[0], &got[1]);
    (void)snprintf(text, sizeof text, "records %s", what);
    sim_same(s, text, &got[0], &want[0]);
    (void)snprintf(text, sizeof text, "conflicts %s", what);
    sim_same(s, text, &got[1], &want[1]);
    ph_buf_clear(&got[0]);
    ph_buf_clear(&got[1]);
}

static void nothing_missing(sim *s)
{
    for (size_t k = 0; k < s->node_count; k++) {
        sim_node *n = &s->nodes[k];
        ph_view *v = sim_view(s, n);
        for (size_t i = 0; i < s->known_count; i++) {
            uint64_t version;
            char hex[17];
            prophet_code rc = ph_view_version_of(v, &s->known[i].id, &version, &s->err);
            MUST(s, rc);
            ph_hex(s->known[i].id.b, 8, hex);
            if (rc == PROPHET_DONE && !s->known[i].lost)
                sim_fail(s, "changeset %s is missing in %s", hex, n->dir);
        }
        ph_view_end(v);
    }
}

static void nobody_forgotten(sim *s)
{
    for (size_t k = 0; k < s->node_count; k++) {
        sim_node *n = &s->nodes[k];
        ph_cell_key *keys;
        size_t count;
        if (n->policy == 0)
            continue;
        ph_view *v = sim_view(s, n);
        MUST(s,
             ph_view_conflicts(v, ph_slice(NULL, 0), NULL, 1, &s->arena, &keys, &count, &s->err));
        for (size_t i = 0; i < count; i++) {
            ph_conflict c;
            MUST(s, ph_view_conflict(v, &keys[i], &s->arena, &c, &s->err));
            if (!ph_type_reserved(c.type) && !sim_was_asked(n, &c))
                sim_fail(s, "%s was never asked about %.*s.%.*s", n->dir, PH_FMT(c.type),
                         PH_FMT(c.field));
        }
        ph_view_end(v);
    }
}

static uint64_t position(sim *s, sim_node *n)
{
    ph_view *v = sim_view(s, n);
    uint64_t at = v->state.position;
    ph_view_end(v);
    return at;
}

static void another_round_writes_nothing(sim *s)
{
    uint64_t before[SIM_NODES];
    for (size_t i = 0; i < s->node_count; i++) {
        MUST(s, ph_replica_sign(s->nodes[i].r, &s->err));
        before[i] = position(s, &s->nodes[i]);
    }
    for (size_t i = 0; i < s->node_count; i++) {
        sim_node *n = &s->nodes[i], *from = &s->nodes[(i + 1) % s->node_count];
        (void)sim_pull(s, n, from, SIM_COMPARED, true);
        if (i < 2)
            (void)sim_pull(s, n, from, SIM_ALL, true);
        (void)sim_ask_node(s, n);
    }
    for (size_t i = 0; i < s->node_count; i++)
        if (position(s, &s->nodes[i]) != before[i])
            sim_fail(s, "a second exchange wrote to the log of %s", s->nodes[i].dir);
}

static void replay(sim *s, const ph_buf want[2])
{
    static sim_node fresh;
    memset(&fresh, 0, sizeof fresh);
    fresh.world = s;
    (void)snprintf(fresh.dir, sizeof fresh.dir, "%.400s/replay", s->dir);
    MUST(s, ph_replica_create(fresh.dir, &s->database, &s->err));
    MUST(s, ph_replica_open(fresh.dir, NULL, &fresh.r, &s->err));
    (void)sim_replay(s, fresh.r, sim_any(s), 0);
    if (!same_digest(s, &fresh, &s->nodes[0]))
        sim_fail(s, "the digest of a replay differs");
    compare(s, "of a replay in another order", &fresh, want);
    sim_close(&fresh);
}

/* A replica as it was at some version shows what an empty one shows that was given just these changesets. */
static void past(sim *s)
{
    static sim_node fresh, then;
    ph_buf want[2] = { PH_BUF_INIT, PH_BUF_INIT };
    sim_node *n = sim_any(s);
    ph_view *v = sim_view(s, n);
    ph_point point = { .kind = PH_AT_VERSION, .version = 1 + sim_below(s, v->state.version) };
    ph_view_end(v);
    memset(&fresh, 0, sizeof fresh);
    memset(&then, 0, sizeof then);
    fresh.world = then.world = s;
    (void)snprintf(fresh.dir, sizeof fresh.dir, "%.400s/past", s->dir);
    MUST(s, ph_replica_create(fresh.dir, &s->database, &s->err));
    MUST(s, ph_replica_open(fresh.dir, NULL, &fresh.r, &s->err));
    if (sim_replay(s, fresh.r, n, (size_t)point.version)) {
        sim_note(s, "%s at version %llu", n->dir, (unsigned long long)point.version);
        MUST(s, ph_past_open(n->r, &point, &then.r, &s->err));
        dump(s, &fresh, &want[0], &want[1]);
        compare(s, "of the past and of a replay up to there", &then, want);
        if (!same_digest(s, &fresh, &then))
            sim_fail(s, "the digest of version %llu of %s is another in the past",
                     (unsigned long long)point.version, n->dir);
        ph_replica_close(then.r);
    }
    sim_close(&fresh);
    MUST(s, ph_dir_remove(fresh.dir, &s->err));
    ph_buf_clear(&want[0]);
    ph_buf_clear(&want[1]);
}

static void say(void *ctx, bool fault, const char *line)
{
    (void)ctx;
    if (fault)
        fprintf(stderr, "check: %s\n", line);
}

static void check(sim *s, sim_node *n)
{
    ph_check_report rep;
    MUST(s, ph_replica_check(n->r, say, NULL, &rep, &s->err));
    if (rep.faults)
        sim_fail(s, "check finds %llu faults in %s", (unsigned long long)rep.faults, n->dir);
}

/* Equal digests, equal everything; and the model agrees on any set. */
void sim_meanwhile(sim *s, sim_node *a, sim_node *b)
{
    ph_buf want[2] = { PH_BUF_INIT, PH_BUF_INIT };
    if (sim_chance(s, 25) && same_digest(s, a, b)) {
        dump(s, a, &want[0], &want[1]);
        compare(s, "of two replicas with one digest", b, want);
    }
    if (sim_chance(s, 7))
        sim_model_compare(s, a);
    ph_buf_clear(&want[0]);
    ph_buf_clear(&want[1]);
}

void sim_final(sim *s)
{
    ph_buf want[2] = { PH_BUF_INIT, PH_BUF_INIT };
    for (size_t i = 0; i < s->node_count; i++)
        s->nodes[i].group = 0;
    sim_carriers_come(s);
    until_quiet(s);
    dump(s, &s->nodes[0], &want[0], &want[1]);
    for (size_t i = 1; i < s->node_count; i++)
        compare(s, "of two replicas with one digest", &s->nodes[i], want);
    nothing_missing(s);
    nobody_forgotten(s);
    sim_model_compare(s, sim_any(s));
    another_round_writes_nothing(s);
    sim_carriers_end(s);
    sim_node *n = sim_any(s);
    if (s->seed % 5 == 0)
        check(s, n);
    MUST(s, ph_replica_rebuild(n->r, NULL, NULL, &s->err));
    sim_watch(s, n);
    compare(s, "after a rebuild", n, want);
    replay(s, want);
    past(s);
    ph_buf_clear(&want[0]);
    ph_buf_clear(&want[1]);
}
