/* Votes by people and by resolvers, writes that end conflicts, changed rules and weights. The resolvers note what they are asked:
 * the same question twice is a failure. */
#include "simulator.h"
#include <stdlib.h>

/* ---- what was asked ----------------------------------------------------------------------------------------- */

static void fnv(uint64_t h[2], const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        h[0] = (h[0] ^ p[i]) * UINT64_C(0x100000001b3);
        h[1] = (h[1] + p[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h[1] ^= h[1] >> 29;
    }
}

static void question_key(const sim_node *n, const ph_conflict *c, uint64_t h[2])
{
    h[0] = UINT64_C(0xcbf29ce484222325);
    h[1] = 1;
    fnv(h, c->type.data, c->type.len);
    fnv(h, c->key.uuid.b, 16);
    fnv(h, c->field.data, c->field.len);
    fnv(h, "", 1);
    for (size_t i = 0; i < c->candidate_count; i++) {
        fnv(h, c->candidates[i].value.data, c->candidates[i].value.len);
        fnv(h, "|", 1);
    }
    fnv(h, &n->policy, sizeof n->policy);
}

bool sim_was_asked(const sim_node *n, const ph_conflict *c)
{
    uint64_t h[2];
    question_key(n, c, h);
    for (size_t i = 0; i < n->asked.count; i++)
        if (n->asked.at[2 * i] == h[0] && n->asked.at[2 * i + 1] == h[1])
            return true;
    return false;
}

static void note_asked(sim *s, sim_node *n, const ph_conflict *c)
{
    sim_asked *a = &n->asked;
    if (a->count == a->cap || !a->at) {
        a->cap = a->cap ? 2 * a->cap : 32;
        a->at = realloc(a->at, a->cap * 2 * sizeof *a->at);
        if (!a->at)
            sim_fail(s, "out of memory");
    }
    question_key(n, c, &a->at[2 * a->count++]);
}

/* ---- choices ---------------------------------------------------------------------------------------------------- */

static prophet_slice some_choice(sim *s, const ph_conflict *c)
{
    if (c->field.len && sim_chance(s, 20)) /* a merged value, or one that is there by chance */
        return sim_value_for(s, c->type, c->field);
    if (c->field.len && sim_chance(s, 4))
        return ph_slice(NULL, 0);
    return c->candidates[sim_below(s, c->candidate_count)].value;
}

/* An open conflict of this replica, reserved ones seldom. */
static bool some_conflict(sim *s, sim_node *n, ph_conflict *out)
{
    ph_view *v = sim_view(s, n);
    ph_cell_key *keys;
    size_t count;
    bool found = false;
    MUST(s, ph_view_conflicts(v, ph_slice(NULL, 0), NULL, 1, &s->arena, &keys, &count, &s->err));
    for (size_t tries = 0; count && tries < 4 && !found; tries++) {
        prophet_code rc = ph_view_conflict(v, &keys[sim_below(s, count)], &s->arena, out, &s->err);
        if (rc != PROPHET_OK || !out->open)
            sim_fail(s, "a conflict listed as open is none (%d)", (int)rc);
        found = !ph_type_reserved(out->type) || sim_chance(s, 10);
    }
    if (found) { /* names of the view live as long as the handle; values are the arena's */
        sim_note(s, "%s, of %zu: %.*s.%.*s, %zu candidates", n->dir, count, PH_FMT(out->type),
                 PH_FMT(out->field), out->candidate_count);
    }
    ph_view_end(v);
    return found;
}

/* Another vote on the cell, perhaps taken back. */
static void think_again(sim *s, ph_change_txn *c, ph_vote_cast *cast)
{
    ph_vote_cast other = *cast;
    bool saved = sim_chance(s, 60);
    if (cast->field.len == 0)
        other.choice = sim_text(s, sim_chance(s, 50) ? "alive" : "dead");
    else
        other.choice = sim_value_for(s, cast->type, cast->field);
    if (saved)
        MUST(s, ph_change_savepoint(c, &s->err));
    MUST(s, ph_change_vote(c, &other, &s->err));
    if (saved && sim_chance(s, 50)) {
        MUST(s, ph_change_rollback(c, &s->err));
        return;
    }
    if (saved)
        MUST(s, ph_change_release(c, &s->err));
    *cast = other;
}

/* The newest changeset's vote on this cell is the one that was meant. */
static void was_cast(sim *s, sim_node *n, const ph_cell_key *key, const ph_vote_cast *cast)
{
    ph_view *v = sim_view(s, n);
    ph_conflict c;
    bool found = false;
    MUST(s, ph_view_conflict(v, key, &s->arena, &c, &s->err));
    for (size_t i = 0; i < c.vote_count; i++)
        if (c.votes[i].version == v->state.version)
            found = ph_slice_eq(c.votes[i].choice, cast->choice);
    if (!found && !ph_type_reserved(c.type))
        sim_fail(s, "%s voted, and it is not there", n->dir);
    ph_view_end(v);
}

void sim_vote(sim *s)
{
    sim_node *n = sim_any(s);
    ph_change_txn *c;
    size_t votes = 1 + sim_below(s, 3);
    for (size_t i = 0; i < votes; i++) {
        ph_conflict con;
        if (!some_conflict(s, n, &con))
            return;
        ph_vote_cast cast = { .type = con.type,
                              .field = con.field,
                              .record = con.key.uuid,
                              .choice = some_choice(s, &con),
                              .reason = ph_slice_str("because") };
        MUST(s, ph_change_begin(n->r, ph_slice_str("vote"), &c, &s->err));
        MUST(s, ph_change_vote(c, &cast, &s->err));
        if (sim_chance(s, 25))
            think_again(s, c, &cast);
        MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
        sim_watch(s, n);
        was_cast(s, n, &con.key, &cast);
    }
}

void sim_resolve(sim *s)
{
    sim_node *n = sim_any(s);
    ph_change_txn *c;
    ph_conflict con;
    if (!some_conflict(s, n, &con) || ph_type_reserved(con.type))
        return;
    prophet_slice value = some_choice(s, &con);
    MUST(s, ph_change_begin(n->r, ph_slice_str("resolve"), &c, &s->err));
    prophet_code rc = ph_change_resolve(c, con.type, &con.key.uuid, con.field, value, &s->err);
    if (rc < 0 && rc != PROPHET_EVALIDATION && rc != PROPHET_EIMMUTABLE && rc != PROPHET_EFIELD &&
        rc != PROPHET_ETYPE && rc != PROPHET_EUSAGE && rc != PROPHET_ENOTFOUND) /* dead ones */
        sim_fail(s, "resolve gave %d: %s", (int)rc, s->err.message);
    if (rc < 0) {
        ph_change_abort(c);
        return;
    }
    MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
    sim_watch(s, n);
}

/* ---- resolvers ----------------------------------------------------------------------------------------------------- */

static prophet_code answer(void *ctx, ph_view *v, const ph_conflict *c, ph_arena *a,
                           ph_policy_answer *out, prophet_error *err)
{
    sim_node *n = ctx;
    sim *s = n->world;
    ph_rng rng;
    uint64_t h[2];
    (void)v;
    (void)a;
    (void)err;
    if (sim_was_asked(n, c))
        sim_fail(s, "%s was asked twice about %.*s.%.*s", n->dir, PH_FMT(c->type),
                 PH_FMT(c->field));
    if (ph_type_reserved(c->type))
        sim_fail(s, "%s was asked about a reserved type", n->dir);
    note_asked(s, n, c);
    question_key(n, c, h);
    /* Policy 1 takes the first, 2 the last, 3 depends on the question, the others on nothing. */
    ph_rng_seed(&rng, n->policy <= 3 ? h[0] : sim_below(s, UINT32_MAX));
    uint64_t what = ph_rng_below(&rng, 100);
    size_t at = n->policy == 1   ? 0
                : n->policy == 2 ? c->candidate_count - 1
                                 : ph_rng_below(&rng, c->candidate_count);
    out->cast = n->policy <= 2 || what < 75;
    out->ask = what > 90;
    out->choice = c->candidates[at].value;
    if (out->cast && n->policy > 2 && c->field.len && what < 15)
        out->choice = sim_value_for(s, c->type, c->field);
    (void)snprintf(out->resolver, sizeof out->resolver, "r%llu", (unsigned long long)n->policy);
    memset(out->hash, (int)n->policy, sizeof out->hash);
    return PROPHET_OK;
}

bool sim_ask_node(sim *s, sim_node *n)
{
    uint8_t set[32];
    ph_ask_report rep;
    if (n->policy == 0)
        return false;
    memset(set, (int)n->policy, sizeof set);
    MUST(s, ph_replica_ask(n->r, set, n->eager, answer, n, &rep, &s->err));
    sim_note(s, "%s asked %llu, voted %llu", n->dir, (unsigned long long)rep.asked,
             (unsigned long long)rep.voted);
    sim_watch(s, n);
    return rep.voted > 0;
}

void sim_ask(sim *s)
{
    (void)sim_ask_node(s, sim_any(s));
}

/* Other resolvers, perhaps ones it had before. */
void sim_policy(sim *s)
{
    sim_node *n = sim_any(s);
    uint64_t own = 1 + (uint64_t)(n - s->nodes) % 4; /* often one of two, so that they come back */
    n->policy = sim_chance(s, 70) ? own + sim_below(s, 2) : sim_below(s, 6);
    n->eager = sim_chance(s, 30);
    sim_note(s, "%s has resolvers %llu", n->dir, (unsigned long long)n->policy);
    if (sim_chance(s, 60))
        (void)sim_ask_node(s, n);
}

/* ---- rules and weights ------------------------------------------------------------------------------------------------ */

void sim_rules(sim *s)
{
    sim_node *n = sim_any(s);
    sim_note(s, "%s", n->dir);
    sim_define(s, n);
    sim_watch(s, n);
}

void sim_weight(sim *s)
{
    sim_node *n = sim_any(s), *of = sim_any(s);
    prophet_slice type = ph_slice_str("_voter");
    ph_hasher *h;
    ph_change_txn *c;
    ph_uuid id;
    ph_buf key = PH_BUF_INIT;
    char hex[65];
    ph_hex(ph_replica_key(of->r)->b, 32, hex);
    ph_put_list(&key, 1);
    ph_put_text(&key, ph_slice_str(hex));
    MUST(s, ph_hasher_new(&h, &s->err));
    MUST(s, ph_uuid_v5(h, &s->database, type, sim_take(s, &key), &id, &s->err));
    ph_hasher_free(h);
    ph_edit edits[] = { { PH_E_SET, ph_slice_str("replica"), sim_text(s, hex) },
                        { PH_E_SET, ph_slice_str("weight"),
                          sim_int(s, sim_chance(s, 20) ? 1 << 20 : (int64_t)sim_below(s, 4)) } };
    MUST(s, ph_change_begin(n->r, ph_slice_str("weight"), &c, &s->err));
    prophet_code rc = ph_change_create(c, type, &id, edits, 2, NULL, &s->err);
    if (rc == PROPHET_EEXISTS && sim_chance(s, 15))
        rc = ph_change_delete(c, type, &id, &s->err);
    else if (rc == PROPHET_EEXISTS)
        rc = ph_change_update(c, type, &id, edits, 2, &s->err);
    MUST(s, rc);
    MUST(s, ph_change_commit(c, NULL, NULL, &s->err));
    sim_watch(s, n);
}
