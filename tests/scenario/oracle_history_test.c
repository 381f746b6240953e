/* Random histories of one record, through the engine's heads, elements, episodes and bases in any causal order, against the
 * oracle, which looks at the set as a whole. */
#include "merge/merge.h"
#include "oracle.h"
#include "support/test.h"
#include <stdlib.h>

enum { MOMENTS = 14, NAMES = 6 };

typedef struct moment { /* one changeset with one write, or one vote, or one operation on a set */
    oracle_changeset set;
    oracle_change change;
    oracle_op op;
    oracle_vote vote;
    oracle_id names[NAMES]; /* over, heads */
    oracle_id parents[NAMES], refs[NAMES];
    bool voted;
} moment;

typedef struct history {
    moment m[MOMENTS];
    oracle_changeset sets[MOMENTS];
    oracle *o;
    ph_arena arena;
    /* the engine's side, in one causal order */
    size_t order[MOMENTS];     /* version - 1 -> moment */
    uint64_t version[MOMENTS]; /* moment -> version */
    ph_cell_write writes[MOMENTS];
    size_t write_count;
    ph_ballot ballots[MOMENTS];
    size_t ballot_count;
    ph_head heads[MOMENTS + 1];
    size_t head_count;
    uint64_t adds[MOMENTS + 1];
    ph_element element;
} history;

static const unsigned char database[16];
static const unsigned char small[] = { 0, 1, 2, 3, 4 }; /* canonical integers */

static oracle_bytes any_small(bool unset)
{
    uint64_t i = test_below(unset ? 4 : 3);

    return i == 3 ? (oracle_bytes){ NULL, 0 } : (oracle_bytes){ &small[i], 1 };
}

/* What changeset `i` names: a few of the earlier ones. Parents raise the lamport, refs do not: so stamps and causes differ. */
static void any_names(history *h, size_t i)
{
    moment *m = &h->m[i];
    size_t count = 0;

    m->set.parents = m->parents;
    m->set.refs = m->refs;
    for (size_t tries = 0; tries < NAMES && i > 0; tries++) {
        size_t at =
            test_below(3) ? i - 1 - (size_t)test_below(i < 4 ? i : 4) : (size_t)test_below(i);
        bool again = false;

        for (size_t j = 0; j < count; j++)
            again |= memcmp(&m->names[j], &h->m[at].set.id, sizeof(oracle_id)) == 0;
        if (again || test_below(3) == 0)
            continue;
        m->names[count++] = h->m[at].set.id;
        if (test_below(2))
            m->parents[m->set.parent_count++] = h->m[at].set.id;
        else
            m->refs[m->set.ref_count++] = h->m[at].set.id;
    }
    m->change.over_count = m->op.over_count = m->vote.head_count = count;
    m->change.over = m->op.over = m->vote.heads = m->names;
}

static void any_history(history *h, const char *field, oracle_kind kinds)
{
    *h = (history){ .element = { .adds = h->adds } };
    for (size_t i = 0; i < MOMENTS; i++) {
        moment *m = &h->m[i];

        m->set.id.b[0] = (unsigned char)test_random();
        m->set.id.b[1] = (unsigned char)i; /* unique */
        m->set.replica.b[0] = (unsigned char)test_below(3);
        m->change = (oracle_change){ .type = "t", .action = ORACLE_UPDATE };
        m->op = (oracle_op){ .field = field, .kind = kinds };
        if (kinds == ORACLE_SET) {
            m->op.value = any_small(true);
            m->op.kind = m->op.value.len ? ORACLE_SET : ORACLE_UNSET;
        } else {
            m->op.value = (oracle_bytes){ &small[4], 1 };
            m->op.kind = test_below(5) == 0 ? ORACLE_UNSET
                         : test_below(2)    ? ORACLE_ADD
                                            : ORACLE_REMOVE;
        }
        m->vote = (oracle_vote){ .type = "t",
                                 .field = field,
                                 .choice = any_small(true),
                                 .by_resolver = (int)test_below(2) };
        any_names(h, i);
        m->voted = kinds == ORACLE_SET && i > 2 && m->vote.head_count && test_below(3) == 0;
        m->change.ops = &m->op;
        m->change.op_count = 1;
        m->set.changes = &m->change;
        m->set.votes = &m->vote;
        m->set.change_count = !m->voted;
        m->set.vote_count = m->voted;
    }
}

/* ---- the engine's side ---------------------------------------------------------------------------------------- */

static size_t find(const history *h, const oracle_id *id)
{
    return id->b[1] < MOMENTS && memcmp(&h->m[id->b[1]].set.id, id, sizeof *id) == 0 ? id->b[1]
                                                                                     : MOMENTS;
}

static bool ready(const history *h, size_t i)
{
    for (size_t j = 0; j < h->m[i].op.over_count; j++)
        if (!h->version[find(h, &h->m[i].names[j])])
            return false;
    return !h->version[i];
}

/* A random order in which everything comes after what it names. */
static void any_order(history *h)
{
    for (uint64_t version = 1; version <= MOMENTS;) {
        size_t i = (size_t)test_below(MOMENTS);

        if (!ready(h, i))
            continue;
        h->order[version - 1] = i;
        h->version[i] = version++;
    }
}

static prophet_slice slice(oracle_bytes b)
{
    return ph_slice(b.data, b.len);
}

static ph_stamp stamp(const history *h, size_t i)
{
    ph_stamp s = { oracle_lamport(h->o, &h->m[i].set.id), { { 0 } } };

    memcpy(&s.id, &h->m[i].set.id, sizeof s.id);
    return s;
}

static void apply_vote(history *h, size_t i)
{
    const moment *m = &h->m[i];
    ph_seen *seen = ph_arena_alloc(&h->arena, NAMES * sizeof *seen);
    ph_ballot *b = &h->ballots[h->ballot_count++];

    *b = (ph_ballot){ .weight = 1,
                      .by_resolver = m->vote.by_resolver,
                      .stamp = stamp(h, i),
                      .choice = slice(m->vote.choice),
                      .seen = seen };
    memcpy(&b->voter, &m->set.replica, sizeof b->voter);
    for (size_t j = 0; j < m->vote.head_count; j++) {
        size_t at = find(h, &m->names[j]);

        if (!h->m[at].voted)
            seen[b->seen_count++] = (ph_seen){ h->version[at], slice(h->m[at].op.value) };
    }
}

static void apply_all(history *h)
{
    for (size_t v = 0; v < MOMENTS; v++) {
        size_t i = h->order[v];
        const oracle_op *op = &h->m[i].op;
        uint64_t *over = ph_arena_alloc(&h->arena, NAMES * sizeof *over);

        if (h->m[i].voted) {
            apply_vote(h, i);
            continue;
        }
        for (size_t j = 0; j < op->over_count; j++)
            over[j] = h->version[find(h, &op->over[j])];
        if (op->kind == ORACLE_SET || op->kind == ORACLE_UNSET) {
            h->writes[h->write_count++] =
                (ph_cell_write){ v + 1, stamp(h, i), slice(op->value), over, op->over_count };
            (void)ph_heads_write(h->heads, &h->head_count, over, op->over_count,
                                 (ph_head){ v + 1, slice(op->value) });
        }
        if (op->kind != ORACLE_SET)
            ph_element_write(&h->element, over, op->over_count, op->kind == ORACLE_ADD, v + 1);
    }
}

static void history_end(history *h)
{
    ph_arena_clear(&h->arena);
    oracle_free(h->o);
}

static void make(history *h, const char *field, oracle_kind kinds)
{
    any_history(h, field, kinds);
    for (size_t i = 0; i < MOMENTS; i++)
        h->sets[i] = h->m[i].set;
    h->o = oracle_new(database, h->sets, MOMENTS);
    CHECK_EQ_UINT(oracle_applied(h->o), MOMENTS);
    any_order(h);
    apply_all(h);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static bool same_value(prophet_slice a, oracle_bytes b)
{
    return ph_slice_eq(a, slice(b));
}

static void same_outcome(const ph_outcome *a, const oracle_outcome *b)
{
    CHECK_EQ_INT(a->status, b->status);
    CHECK(same_value(a->value, b->value));
    CHECK_EQ_UINT(a->value_count, b->value_count);
    for (size_t i = 0; i < a->value_count && i < b->value_count; i++)
        CHECK(same_value(a->values[i], b->values[i]));
    CHECK_EQ_UINT(a->choice_count, b->choice_count);
    for (size_t i = 0; i < a->choice_count && i < b->choice_count; i++)
        CHECK(same_value(a->choices[i], b->choices[i]));
}

static bool is_version(const history *h, uint64_t version, const oracle_id *id)
{
    return version > 0 && memcmp(&h->m[h->order[version - 1]].set.id, id, sizeof *id) == 0;
}

static void same_episode(const history *h, const ph_episode *e, const oracle_conflict *c)
{
    CHECK(e->open == (c->open != 0));
    CHECK(is_version(h, e->opened_by, &c->opened_by));
    CHECK(e->open || (is_version(h, e->closed_by, &c->closed_by) &&
                      same_value(e->closed_value, c->closed_value)));
    CHECK_EQ_UINT(e->head_count, c->head_count);
    for (size_t i = 0; i < e->head_count && i < c->head_count; i++)
        CHECK(is_version(h, e->heads[i].version, &c->heads[i]));
    same_outcome(&e->outcome, &c->outcome);
}

/* Episodes of field "f", and the heads: what the open episode ends with, or one value. */
static size_t compare_histories(history *h)
{
    const ph_episode *e;
    size_t count, conflicts, open = 0;
    const oracle_conflict *c = oracle_conflicts(h->o, &conflicts);
    prophet_error err;

    REQUIRE_OK(ph_cell_episodes(false, PH_RULE_LATEST, h->writes, h->write_count, h->ballots,
                                h->ballot_count, &h->arena, &e, &count, &err),
               &err);
    for (size_t i = 0, at = 0; i < conflicts; i++) {
        if (strcmp(c[i].field, "f") != 0)
            continue;
        CHECK_MSG(at < count, "an episode is missing");
        if (at < count)
            same_episode(h, &e[at++], &c[i]);
        open += c[i].open ? c[i].head_count : 0;
        CHECK_EQ_UINT(i + 1 < conflicts && strcmp(c[i + 1].field, "f") == 0 ? at : count, at);
    }
    if (open)
        CHECK_EQ_UINT(open, h->head_count);
    else
        CHECK(ph_heads_distinct(h->heads, h->head_count) <= 1);
    return count;
}

TEST(heads_and_episodes_of_random_histories_agree)
{
    size_t episodes = 0;

    for (int round = 0; round < 4000; round++) {
        history h;

        test_context("history %d", round);
        make(&h, "f", ORACLE_SET);
        episodes += compare_histories(&h);
        history_end(&h);
    }
    CHECK_MSG(episodes > 1000, "too tame: %zu episodes", episodes);
}

TEST(elements_of_random_histories_agree)
{
    size_t present = 0;

    for (int round = 0; round < 4000; round++) {
        history h;
        bool got;

        test_context("history %d", round);
        make(&h, "f", ORACLE_ADD);
        got = strstr(oracle_export(h.o, 0), "\"f\":[4]") != NULL;
        CHECK(got == (h.element.add_count > 0));
        present += got;
        history_end(&h);
    }
    CHECK_MSG(present > 100 && present < 3900, "too tame: %zu present", present);
}

/* ---- bases, by definition ------------------------------------------------------------------------------------------- */

static bool descends(const history *h, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < h->write_count; i++) {
        const ph_cell_write *w = &h->writes[i];

        if (w->version != from)
            continue;
        for (size_t j = 0; j < w->over_count; j++)
            if (w->over[j] == to || descends(h, w->over[j], to))
                return true;
    }
    return false;
}

TEST(bases_of_random_histories_agree)
{
    size_t with_base = 0;

    for (int round = 0; round < 3000; round++) {
        history h;
        uint64_t heads[MOMENTS], version = 0;
        const ph_cell_write *best = NULL;
        bool found;
        prophet_slice value;

        test_context("history %d", round);
        make(&h, "f", ORACLE_SET);
        for (size_t i = 0; i < h.head_count; i++)
            heads[i] = h.heads[i].version;
        REQUIRE_OK(ph_cell_base(h.writes, h.write_count, heads, h.head_count, &h.arena, &found,
                                &value, &version, NULL),
                   NULL);
        for (size_t i = 0; i < h.write_count; i++) {
            bool common = true;

            for (size_t j = 0; j < h.head_count && common; j++)
                common = descends(&h, heads[j], h.writes[i].version);
            if (common && (!best || ph_stamp_cmp(&h.writes[i].stamp, &best->stamp) > 0))
                best = &h.writes[i];
        }
        CHECK(found == (best != NULL) && (!best || best->version == version));
        with_base += found;
        history_end(&h);
    }
    CHECK_MSG(with_base > 50, "too tame: %zu with a base", with_base);
}
