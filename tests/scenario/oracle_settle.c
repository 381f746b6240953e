/* The oracle's settle: the text of the design, sentence by sentence, with sets as lists and every question asked anew. */
#include "oracle_impl.h"

/* ---- sets of values ------------------------------------------------------------------------------------------ */

int bag_has(const bag *b, oracle_bytes value)
{
    for (size_t i = 0; i < b->count; i++)
        if (same_bytes(b->at[i], value))
            return 1;
    return 0;
}

void bag_add(oracle *o, bag *b, oracle_bytes value)
{
    if (bag_has(b, value))
        return;
    if (b->count == b->room) {
        oracle_bytes *bigger = oracle_take(o, (b->room * 2 + 4) * sizeof *bigger);

        if (b->count)
            memcpy(bigger, b->at, b->count * sizeof *bigger);
        b->at = bigger;
        b->room = b->room * 2 + 4;
    }
    b->at[b->count++] = value;
}

int bag_equal(const bag *a, const bag *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (!bag_has(b, a->at[i]))
            return 0;
    return a->count == b->count;
}

static int by_bytes(const void *a, const void *b)
{
    return bytes_order(*(const oracle_bytes *)a, *(const oracle_bytes *)b);
}

void bag_sort(bag *b)
{
    if (b->count)
        qsort(b->at, b->count, sizeof *b->at, by_bytes);
}

/* ---- the cell --------------------------------------------------------------------------------------------------- */

typedef struct settling {
    oracle *o;
    int life;
    const char *rule;
    const oracle_head *heads;
    size_t head_count;
    const oracle_ballot *ballots;
    size_t ballot_count;
    bag V;
    bag *q;      /* per ballot: its question */
    int *counts; /* per ballot */
} settling;

static int is_head(const settling *s, const oracle_id *id)
{
    for (size_t i = 0; i < s->head_count; i++)
        if (same_id(&s->heads[i].id, id))
            return 1;
    return 0;
}

static int is_text(oracle_bytes value, const char *text)
{
    oracle_bytes t;

    return oracle_text(value, &t) && t.len == strlen(text) && memcmp(t.data, text, t.len) == 0;
}

/* "it counts if it names a dead head and all dead heads it names are in H; q = {alive, dead}" */
static int counts_on_life(const settling *s, const oracle_ballot *b)
{
    size_t dead = 0, gone = 0;

    for (size_t i = 0; i < b->seen_count; i++) {
        if (!is_text(b->seen[i].value, "dead"))
            continue;
        dead++;
        gone += !is_head(s, &b->seen[i].id);
    }
    return dead > 0 && gone == 0 && (is_text(b->choice, "alive") || is_text(b->choice, "dead"));
}

/* "It counts if q has at least two, a head it names is in H, and its choice is in q or was none of the values it saw" */
static int counts_on_field(const settling *s, const oracle_ballot *b, const bag *q)
{
    int names_head = 0, saw_choice = 0;

    for (size_t i = 0; i < b->seen_count; i++) {
        names_head |= is_head(s, &b->seen[i].id);
        saw_choice |= same_bytes(b->seen[i].value, b->choice);
    }
    return q->count >= 2 && names_head && (bag_has(q, b->choice) || !saw_choice);
}

/* "q = the values it saw that a head still holds" */
static void ask(settling *s)
{
    for (size_t i = 0; i < s->ballot_count; i++) {
        const oracle_ballot *b = &s->ballots[i];

        if (s->life) {
            s->q[i] = s->V;
            s->counts[i] = counts_on_life(s, b);
            continue;
        }
        for (size_t j = 0; j < b->seen_count; j++)
            if (bag_has(&s->V, b->seen[j].value))
                bag_add(s->o, &s->q[i], b->seen[j].value);
        s->counts[i] = counts_on_field(s, b, &s->q[i]);
    }
}

/* ---- tally -------------------------------------------------------------------------------------------------------- */

typedef int *choosing; /* per ballot: does it take part? */

/* "newest per (replica, by), by (lamport, id)" */
static int has_newer(const settling *s, choosing in, size_t i)
{
    const oracle_ballot *b = &s->ballots[i];

    for (size_t j = 0; j < s->ballot_count; j++) {
        const oracle_ballot *x = &s->ballots[j];

        if (in[j] && j != i && same_id(&x->voter, &b->voter) && x->by_resolver == b->by_resolver &&
            stamp_order(x->lamport, &x->id, b->lamport, &b->id) > 0)
            return 1;
    }
    return 0;
}

typedef struct score {
    uint64_t persons, resolvers;
    const oracle_ballot *earliest;
    oracle_bytes choice;
} score;

static int score_beats(const score *a, const score *b)
{
    int c;

    if (a->persons != b->persons)
        return a->persons > b->persons;
    if (a->resolvers != b->resolvers)
        return a->resolvers > b->resolvers;
    c = stamp_order(a->earliest->lamport, &a->earliest->id, b->earliest->lamport, &b->earliest->id);
    return c ? c < 0 : bytes_order(a->choice, b->choice) < 0;
}

/* 0: nobody takes part. */
static int tally(const settling *s, choosing in, oracle_bytes *winner)
{
    score best = { 0, 0, NULL, { NULL, 0 } };

    for (size_t i = 0; i < s->ballot_count; i++) {
        score sum = { 0, 0, NULL, s->ballots[i].choice };

        for (size_t j = 0; j < s->ballot_count && in[i]; j++) {
            const oracle_ballot *b = &s->ballots[j];

            if (!in[j] || has_newer(s, in, j) || !same_bytes(b->choice, sum.choice))
                continue;
            if (b->by_resolver)
                sum.resolvers += b->weight;
            else
                sum.persons += b->weight;
            if (!sum.earliest ||
                stamp_order(b->lamport, &b->id, sum.earliest->lamport, &sum.earliest->id) < 0)
                sum.earliest = b;
        }
        if (sum.earliest && (!best.earliest || score_beats(&sum, &best)))
            best = sum;
    }
    *winner = best.choice;
    return best.earliest != NULL;
}

/* The counting ballots with this question; persons: only those of persons. */
static choosing group(const settling *s, const bag *q, int persons)
{
    choosing in = oracle_take(s->o, (s->ballot_count + 1) * sizeof *in);

    for (size_t i = 0; i < s->ballot_count; i++)
        in[i] = s->counts[i] && bag_equal(&s->q[i], q) && !(persons && s->ballots[i].by_resolver);
    return in;
}

/* ---- deciding -------------------------------------------------------------------------------------------------------- */

/* "V in Q -> decided: tally(Q[V]), leaving out resolvers' votes for what persons alone rejected in a smaller q" */
static int decide(const settling *s, oracle_bytes *winner)
{
    choosing in = group(s, &s->V, 0);
    bag rejected = { 0 };

    for (size_t i = 0; i < s->ballot_count; i++) {
        oracle_bytes w;

        if (!s->counts[i] || bag_equal(&s->q[i], &s->V) || !tally(s, group(s, &s->q[i], 1), &w))
            continue;
        for (size_t j = 0; j < s->q[i].count; j++)
            if (!same_bytes(s->q[i].at[j], w))
                bag_add(s->o, &rejected, s->q[i].at[j]);
    }
    for (size_t i = 0; i < s->ballot_count; i++)
        if (s->ballots[i].by_resolver && bag_has(&rejected, s->ballots[i].choice))
            in[i] = 0;
    return tally(s, in, winner);
}

/* "C = (V + won) - lost, or V if that is empty"; Q[V] had its say before and is left aside here. */
static bag choices(const settling *s)
{
    bag won = s->V, lost = { 0 }, c = { 0 };

    won.room = won.count; /* V itself stays as it is */
    for (size_t i = 0; i < s->ballot_count; i++) {
        oracle_bytes w;

        if (!s->counts[i] || bag_equal(&s->q[i], &s->V) || !tally(s, group(s, &s->q[i], 0), &w))
            continue;
        bag_add(s->o, &won, w);
        for (size_t j = 0; j < s->q[i].count; j++)
            if (!same_bytes(s->q[i].at[j], w))
                bag_add(s->o, &lost, s->q[i].at[j]);
    }
    for (size_t i = 0; i < won.count; i++)
        if (!bag_has(&lost, won.at[i]))
            bag_add(s->o, &c, won.at[i]);
    return c.count ? c : s->V;
}

/* "A value's stamp is the greatest (lamport, id) of the heads that hold it, else of the counting votes for it." */
static void stamp(const settling *s, oracle_bytes value, uint64_t *lamport, oracle_id *id)
{
    int held = 0;

    *lamport = 0;
    memset(id, 0, sizeof *id);
    for (size_t i = 0; i < s->head_count; i++) {
        const oracle_head *h = &s->heads[i];

        if (!same_bytes(h->value, value))
            continue;
        held = 1;
        if (stamp_order(h->lamport, &h->id, *lamport, id) > 0)
            *lamport = h->lamport, *id = h->id;
    }
    for (size_t i = 0; i < s->ballot_count && !held; i++) {
        const oracle_ballot *b = &s->ballots[i];

        if (s->counts[i] && same_bytes(b->choice, value) &&
            stamp_order(b->lamport, &b->id, *lamport, id) > 0)
            *lamport = b->lamport, *id = b->id;
    }
}

static size_t text_length(oracle_bytes value)
{
    oracle_bytes text;

    return oracle_text(value, &text) ? text.len : 0;
}

static int rule_prefers(const settling *s, oracle_bytes a, oracle_bytes b)
{
    const char *rule = s->rule;
    uint64_t la, lb;
    oracle_id ia, ib;
    int c = 0;

    if (strcmp(rule, "max") == 0)
        c = oracle_compare(a, b);
    else if (strcmp(rule, "min") == 0)
        c = -oracle_compare(a, b);
    else if (strcmp(rule, "longest") == 0)
        c = (text_length(a) > text_length(b)) - (text_length(a) < text_length(b));
    else if (strcmp(rule, "alive-wins") == 0)
        c = is_text(a, "alive") - is_text(b, "alive");
    else if (strcmp(rule, "dead-wins") == 0)
        c = is_text(a, "dead") - is_text(b, "dead");
    if (c)
        return c > 0;
    stamp(s, a, &la, &ia);
    stamp(s, b, &lb, &ib);
    c = stamp_order(la, &ia, lb, &ib);
    if (c == 0)
        return bytes_order(a, b) < 0;
    return strcmp(rule, "first") == 0 ? c < 0 : c > 0;
}

oracle_outcome oracle_settle(oracle *o, int life, const char *rule, const oracle_head *heads,
                             size_t head_count, const oracle_ballot *ballots, size_t ballot_count)
{
    settling s = { o, life, rule, heads, head_count, ballots, ballot_count, { 0 }, NULL, NULL };
    oracle_outcome out = { ORACLE_CLEAN, { NULL, 0 }, NULL, 0, NULL, 0 };
    bag c = { 0 };

    for (size_t i = 0; i < head_count; i++)
        bag_add(o, &s.V, heads[i].value);
    bag_sort(&s.V);
    out.values = s.V.at;
    out.value_count = s.V.count;
    if (s.V.count)
        out.value = s.V.at[0];
    if (s.V.count <= 1)
        return out;

    s.q = oracle_take(o, (ballot_count + 1) * sizeof *s.q);
    s.counts = oracle_take(o, (ballot_count + 1) * sizeof *s.counts);
    ask(&s);
    if (decide(&s, &out.value))
        bag_add(o, &c, out.value);
    else
        c = choices(&s);
    bag_sort(&c);
    out.status = c.count == 1 ? ORACLE_DECIDED : ORACLE_PROVISIONAL;
    out.value = c.at[0];
    for (size_t i = 1; i < c.count; i++)
        if (rule_prefers(&s, c.at[i], out.value))
            out.value = c.at[i];
    out.choices = c.at;
    out.choice_count = c.count;
    return out;
}
