/* A cell for the tests of merge: SETs and votes are added by number and letter, settled in several shuffled orders, and every
 * order has to give the same outcome. Values are short texts; "" is unset. */
#ifndef MERGE_CELL_H
#define MERGE_CELL_H
#include "merge/merge.h"
#include "support/test.h"
#include <stdlib.h>

#define CELL_MAX 64

typedef struct cell {
    bool              life;
    ph_rule           rule;
    ph_candidate_head sets[CELL_MAX]; /* by version - 1; heads and replaced ones */
    bool              is_head[CELL_MAX];
    size_t            set_count;
    ph_ballot         ballots[CELL_MAX];
    size_t            ballot_count;
    ph_seen           seen[CELL_MAX][CELL_MAX];
    ph_arena          arena;
} cell;

/* The canonical text of a literal of at most 23 bytes. */
static inline prophet_slice value_of(cell *c, const char *text)
{
    size_t len = strlen(text);
    uint8_t *bytes = ph_arena_alloc(&c->arena, len + 1);

    if (len == 0)
        return ph_slice(NULL, 0);
    bytes[0] = (uint8_t)(0x60 + len);
    memcpy(bytes + 1, text, len);
    return ph_slice(bytes, len + 1);
}

static inline ph_stamp stamp_of(uint64_t lamport, uint8_t id)
{
    ph_stamp s = { lamport, { { 0 } } };

    s.id.b[0] = id;
    return s;
}

static inline void add_set(cell *c, uint64_t lamport, prophet_slice value, bool head)
{
    size_t n = c->set_count++;

    c->sets[n] = (ph_candidate_head){ n + 1, stamp_of(lamport, (uint8_t)(200 - n)), value };
    c->is_head[n] = head;
}

/* Heads become versions 1, 2, 3, ...: one a letter of `values`, at lamports 1, 2, 3, ... */
static inline void heads(cell *c, const char *values)
{
    for (; *values; values++)
        add_set(c, c->set_count + 1, value_of(c, (char[2]){ *values, 0 }), true);
}

/* A SET that is no head any more. */
static inline void replaced(cell *c, const char *value)
{
    add_set(c, c->set_count + 1, value_of(c, value), false);
}

typedef struct vote_options {
    bool     resolver;
    uint64_t weight1; /* weight plus one; 0: the default, 1 */
} vote_options;

/* voter: a letter. seen: versions as letters, '1' is version 1, ':' is 10 and so on. */
static inline void vote_with(cell *c, char voter, uint64_t lamport, prophet_slice choice, const char *seen,
                             vote_options o)
{
    size_t n = c->ballot_count++;
    ph_ballot *b = &c->ballots[n];

    *b = (ph_ballot){ .weight = o.weight1 ? o.weight1 - 1 : 1, .by_resolver = o.resolver, .choice = choice };
    b->voter.b[0] = (uint8_t)voter;
    b->stamp = stamp_of(lamport, (uint8_t)(100 - n));
    b->seen = c->seen[n];
    for (; *seen; seen++) {
        const ph_candidate_head *s = &c->sets[*seen - '1'];

        c->seen[n][b->seen_count++] = (ph_seen){ s->version, s->value };
    }
}

static inline void person(cell *c, char voter, uint64_t lamport, const char *choice, const char *seen)
{
    vote_with(c, voter, lamport, value_of(c, choice), seen, (vote_options){ 0 });
}

static inline void resolver(cell *c, char voter, uint64_t lamport, const char *choice, const char *seen)
{
    vote_with(c, voter, lamport, value_of(c, choice), seen, (vote_options){ .resolver = true });
}

static inline void weighed(cell *c, char voter, uint64_t weight, uint64_t lamport, const char *choice,
                           const char *seen)
{
    vote_with(c, voter, lamport, value_of(c, choice), seen, (vote_options){ .weight1 = weight + 1 });
}

static inline void shuffle(void *array, size_t count, size_t size)
{
    uint8_t *p = array, tmp[256];

    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)test_below(i);

        memcpy(tmp, p + (i - 1) * size, size);
        memcpy(p + (i - 1) * size, p + j * size, size);
        memcpy(p + j * size, tmp, size);
    }
}

static inline bool same_slices(const prophet_slice *a, size_t an, const prophet_slice *b, size_t bn)
{
    for (size_t i = 0; i < an && an == bn; i++)
        if (!ph_slice_eq(a[i], b[i]))
            return false;
    return an == bn;
}

/* Settles in the order given and in 20 random ones, of heads, ballots and seen lists. */
static inline ph_outcome settle(cell *c)
{
    ph_candidate_head h[CELL_MAX];
    ph_ballot b[CELL_MAX];
    ph_cell_question q = { c->life, c->rule, h, 0, b, c->ballot_count };
    ph_outcome first = { 0 }, o;
    prophet_error err;

    for (size_t i = 0; i < c->set_count; i++)
        if (c->is_head[i])
            h[q.head_count++] = c->sets[i];
    memcpy(b, c->ballots, sizeof b);
    REQUIRE_OK(ph_settle(&q, &c->arena, &first, &err), &err);
    if (first.status == PH_CLEAN && first.value_count)
        first.values = &c->sets[h[0].version - 1].value; /* it points into h, which is shuffled now */
    for (int round = 0; round < 20; round++) {
        shuffle(h, q.head_count, sizeof *h);
        shuffle(b, q.ballot_count, sizeof *b);
        for (size_t i = 0; i < q.ballot_count; i++)
            shuffle((void *)(uintptr_t)b[i].seen, b[i].seen_count, sizeof *b[i].seen);
        REQUIRE_OK(ph_settle(&q, &c->arena, &o, &err), &err);
        CHECK_MSG(o.status == first.status && ph_slice_eq(o.value, first.value) &&
                      same_slices(o.values, o.value_count, first.values, first.value_count) &&
                      same_slices(o.choices, o.choice_count, first.choices, first.choice_count),
                  "another order gives another outcome");
    }
    return first;
}

static inline void text_of(prophet_slice value, char out[32])
{
    size_t len = value.len ? value.len - 1 : 0;

    memcpy(out, len ? (const char *)value.data + 1 : "", len);
    out[len] = 0;
}

/* "decided b", "provisional b of a,b", "clean a"; unset shows as "-". */
static inline const char *outcome(cell *c)
{
    static char line[1024];
    static const char *const status[] = { "clean", "decided", "provisional" };
    char text[32];
    size_t used;
    ph_outcome o = settle(c);

    text_of(o.value, text);
    used = (size_t)snprintf(line, sizeof line, "%s %s", status[o.status], *text ? text : "-");
    for (size_t i = 0; o.status == PH_PROVISIONAL && i < o.choice_count; i++) {
        text_of(o.choices[i], text);
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", i ? "," : " of ", *text ? text : "-");
    }
    return line;
}

static inline void cell_done(cell *c)
{
    ph_arena_clear(&c->arena);
}

#endif
