/* hostile: cells with thousands of heads, votes and writes stay near n log n. */
#include "merge_cell.h"
#include <time.h>

enum { MANY = 20000 };

static prophet_slice number(ph_arena *a, uint32_t n)
{
    uint8_t *b = ph_arena_alloc(a, 5);

    b[0] = 0x1a;
    ph_u32be_put(b + 1, n + (1u << 16));
    return ph_slice(b, 5);
}

static ph_stamp stamp(uint64_t lamport, uint32_t id)
{
    ph_stamp s = { lamport, { { 0 } } };

    ph_u32be_put(s.id.b, id);
    return s;
}

/* Of this process alone: other tests run beside it. */
static uint64_t cpu_us(void)
{
    return (uint64_t)clock() * 1000000u / CLOCKS_PER_SEC;
}

#ifdef __SANITIZE_ADDRESS__
#define PATIENCE_MS 30000u
#else
#define PATIENCE_MS 3000u
#endif

static void quick(uint64_t began)
{
    uint64_t ms = (cpu_us() - began) / 1000;

    CHECK_MSG(ms < PATIENCE_MS, "took %llu ms", (unsigned long long)ms);
}

TEST(many_heads_and_small_votes_settle_quickly)
{
    ph_arena a = PH_ARENA_INIT;
    ph_candidate_head *h = ph_arena_alloc(&a, MANY * sizeof *h);
    ph_ballot *b = ph_arena_zalloc(&a, MANY * sizeof *b);
    ph_cell_question q = { .heads = h, .head_count = MANY, .ballots = b, .ballot_count = MANY };
    uint64_t began = cpu_us();
    ph_outcome o;

    for (uint32_t i = 0; i < MANY; i++)
        h[i] = (ph_candidate_head){ i + 1, stamp(i + 1, i), number(&a, i) };
    for (uint32_t i = 0; i < MANY; i++) { /* a chain of pairs: each throws one out */
        ph_seen *seen = ph_arena_alloc(&a, 2 * sizeof *seen);
        uint32_t other = (i + 1) % MANY;

        seen[0] = (ph_seen){ h[i].version, h[i].value };
        seen[1] = (ph_seen){ h[other].version, h[other].value };
        b[i] = (ph_ballot){ .weight = 1,
                            .stamp = stamp(MANY + i, i),
                            .choice = h[other].value,
                            .seen = seen,
                            .seen_count = 2 };
        ph_u32be_put(b[i].voter.b, i);
    }
    CHECK_OK(ph_settle(&q, &a, &o, NULL), NULL);
    CHECK(o.status == PH_PROVISIONAL &&
          o.choice_count == MANY); /* all lost: all are candidates again */
    q.ballot_count = MANY - 1;
    CHECK_OK(ph_settle(&q, &a, &o, NULL), NULL);
    CHECK(o.status == PH_DECIDED && ph_slice_eq(o.value, h[MANY - 1].value));
    quick(began);
    ph_arena_clear(&a);
}

TEST(many_votes_on_many_heads_settle_quickly)
{
    enum { HEADS = 2000, VOTES = 2000 };
    ph_arena a = PH_ARENA_INIT;
    ph_candidate_head *h = ph_arena_alloc(&a, HEADS * sizeof *h);
    ph_ballot *b = ph_arena_zalloc(&a, VOTES * sizeof *b);
    ph_seen *seen = ph_arena_alloc(&a, HEADS * sizeof *seen);
    ph_cell_question q = { .heads = h, .head_count = HEADS, .ballots = b, .ballot_count = VOTES };
    uint64_t began = cpu_us();
    ph_outcome o;

    for (uint32_t i = 0; i < HEADS; i++) {
        h[i] = (ph_candidate_head){ i + 1, stamp(i + 1, i), number(&a, i) };
        seen[i] = (ph_seen){ h[i].version, h[i].value };
    }
    for (uint32_t i = 0; i < VOTES; i++) {
        b[i] = (ph_ballot){ .weight = 1,
                            .by_resolver = i % 2,
                            .stamp = stamp(HEADS + i, i),
                            .choice = h[i / 2].value,
                            .seen = seen,
                            .seen_count = i % 4 ? HEADS : HEADS - 1 };
        ph_u32be_put(b[i].voter.b, i);
    }
    CHECK_OK(ph_settle(&q, &a, &o, NULL), NULL);
    CHECK_EQ_INT(o.status, PH_DECIDED);
    quick(began);
    ph_arena_clear(&a);
}

TEST(many_concurrent_writes_one_after_the_other_stay_quick)
{
    ph_head *h = ph_alloc((MANY + 1) * sizeof *h);
    uint64_t *over = ph_alloc(MANY * sizeof *over), began = cpu_us();
    size_t n = 0;

    for (uint32_t i = 0; i < MANY; i++) {
        (void)ph_heads_write(h, &n, NULL, 0, (ph_head){ i + 1, ph_slice(NULL, 0) });
        over[i] = MANY - i;
    }
    CHECK_EQ_UINT(n, MANY);
    for (uint32_t i = 0; i < 100; i++)
        CHECK(!ph_heads_write(h, &n, over, MANY, (ph_head){ MANY - i, ph_slice(NULL, 0) }));
    CHECK_EQ_UINT(n, 1);
    quick(began);
    ph_free(h);
    ph_free(over);
}

TEST(many_equal_heads_and_many_episodes_stay_quick_and_small)
{
    enum { EQUAL = 3000, TIMES = 3000 };
    ph_arena a = PH_ARENA_INIT;
    ph_cell_write *w = ph_arena_zalloc(&a, (EQUAL + 2 * TIMES) * sizeof *w);
    uint64_t *over = ph_arena_alloc(&a, TIMES * sizeof *over), began = cpu_us();
    const ph_episode *e;
    size_t n, count = 0, before;

    for (uint32_t i = 0; i < EQUAL; i++, count++)
        w[count] = (ph_cell_write){ count + 1, stamp(count + 1, i), ph_slice("\x01", 1), NULL, 0 };
    for (uint32_t i = 0; i < TIMES;
         i++, count += 2) { /* another value, and its end, again and again */
        over[i] = count + 1;
        w[count] = (ph_cell_write){ count + 1, stamp(count + 1, i), ph_slice("\x02", 1), NULL, 0 };
        w[count + 1] =
            (ph_cell_write){ count + 2, stamp(count + 2, i), ph_slice("\x01", 1), &over[i], 1 };
    }
    before = a.used;
    CHECK_OK(ph_cell_episodes(false, PH_RULE_LATEST, w, count, NULL, 0, &a, &e, &n, NULL), NULL);
    CHECK_EQ_UINT(n, TIMES);
    CHECK_MSG(a.used - before < (size_t)32 << 20, "%zu bytes", a.used - before);
    quick(began);
    ph_arena_clear(&a);
}

TEST(a_dense_graph_of_writes_has_its_base_quickly)
{
    enum { DEEP = 1500 };
    ph_arena a = PH_ARENA_INIT;
    ph_cell_write *w = ph_arena_zalloc(&a, 2 * DEEP * sizeof *w);
    uint64_t *all = ph_arena_alloc(&a, 2 * DEEP * sizeof *all), version, began = cpu_us();
    prophet_slice value;
    bool found;

    for (uint32_t i = 0; i < 2 * DEEP;
         i++) { /* the first half names all before it, the second half the whole first */
        all[i] = i + 1;
        w[i] = (ph_cell_write){ i + 1, stamp(i + 1, i), number(&a, i), all, i < DEEP ? i : DEEP };
    }
    CHECK_OK(ph_cell_base(w, 2 * DEEP, all + DEEP, DEEP, &a, &found, &value, &version, NULL), NULL);
    CHECK(found && version == DEEP);
    quick(began);
    ph_arena_clear(&a);
}
