/* The engine's merge and values against the oracle's, on thousands of random cells: two programs written apart must agree. */
#include "merge/merge.h"
#include "oracle.h"
#include "support/test.h"
#include <stdlib.h>

static const unsigned char no_database[16];

typedef struct world {
    ph_arena arena;
    oracle *o;
    ph_buf values;
    size_t value_at[64], value_len[64]; /* in `values` */
    size_t value_count;
} world;

static oracle_bytes given(prophet_slice s)
{
    return (oracle_bytes){ s.data, s.len };
}

static bool agree(prophet_slice a, oracle_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ---- random values ------------------------------------------------------------------------------------------ */

static void put_random_float(ph_buf *b)
{
    static const double some[] = { 0.5,
                                   1.0,
                                   2.0,
                                   1e15,
                                   1e16,
                                   123456.789,
                                   1e-4,
                                   1e-5,
                                   5e-324,
                                   1.7976931348623157e308,
                                   9007199254740993.0,
                                   0.1 };
    union {
        uint64_t i;
        double d;
    } bits = { .i = test_random() };

    if (test_below(2))
        bits.d = some[test_below(sizeof some / sizeof *some)];
    else if (test_below(2)) /* a power of two: its neighbours are not equally far */
        bits.i &= UINT64_C(0x7ff0000000000000);
    if ((bits.i >> 52 & 0x7ff) == 0x7ff)
        bits.d = 3.25;
    ph_put_float(b, bits.d);
}

static void put_random_text(ph_buf *b)
{
    static const char *const some[] = { "",
                                        "a",
                                        "b",
                                        "ab",
                                        "\xc3\xa4",
                                        "a \"quoted\\ one",
                                        "tab\tand\nline",
                                        "longer than twenty-four bytes it is",
                                        "alive",
                                        "dead" };

    ph_put_text(b, ph_slice_str(some[test_below(sizeof some / sizeof *some)]));
}

static void put_random_int(ph_buf *b)
{
    static const int64_t some[] = {
        0, 1, 2, -1, 23, 24, 255, 256, 65536, INT64_MAX, INT64_MIN, INT64_C(9007199254740993)
    };

    ph_put_int(b, test_below(2) ? some[test_below(sizeof some / sizeof *some)]
                                : (int64_t)test_random());
}

static void put_random(ph_buf *b, int depth);

static void put_random_blob(ph_buf *b)
{
    uint8_t hash[32] = { (uint8_t)test_below(3) };

    ph_put_blob(b, hash, test_below(3), ph_slice_str("text/plain"),
                ph_slice_str(test_below(2) ? "a" : "b"));
}

static void put_random_nested(ph_buf *b, int depth)
{
    static const char *const keys[] = { "a", "b", "ab", "\xc3\xa4",
                                        "abc" }; /* in canonical order */
    size_t n = (size_t)test_below(4);

    if (test_below(2)) {
        ph_put_list(b, n);
        for (size_t i = 0; i < n; i++)
            put_random(b, depth - 1);
        return;
    }
    ph_put_map(b, n);
    for (size_t i = 0, at = (size_t)test_below(2); i < n; i++) {
        ph_put_text(b, ph_slice_str(keys[at + i]));
        put_random(b, depth - 1);
    }
}

static void put_random(ph_buf *b, int depth)
{
    ph_uuid u = { { 1, 2, (uint8_t)test_below(3) } };

    switch (test_below(depth > 0 ? 10 : 8)) {
    case 0: ph_put_bool(b, test_below(2)); break;
    case 1: put_random_int(b); break;
    case 2: put_random_float(b); break;
    case 3: put_random_text(b); break;
    case 4: ph_put_bytes(b, ph_slice("\x01\x02\x03\x04", (size_t)test_below(5))); break;
    case 5:
        ph_put_time(b, test_below(2) ? (int64_t)test_below(4000000000000) : (int64_t)test_random());
        break;
    case 6: ph_put_ref(b, &u); break;
    case 7: put_random_blob(b); break;
    default: put_random_nested(b, depth);
    }
}

static void world_begin(world *w, size_t values, bool nested)
{
    *w = (world){ .o = oracle_new(no_database, NULL, 0) };
    for (; w->value_count < values; w->value_count++) {
        w->value_at[w->value_count] = w->values.len;
        if (nested)
            put_random(&w->values, 3);
        else if (w->value_count > 0) /* the first one is unset */
            ph_put_int(&w->values, (int64_t)w->value_count);
        w->value_len[w->value_count] = w->values.len - w->value_at[w->value_count];
    }
}

static void world_end(world *w)
{
    ph_arena_clear(&w->arena);
    ph_buf_clear(&w->values);
    oracle_free(w->o);
}

static prophet_slice any_value(world *w)
{
    size_t i = (size_t)test_below(w->value_count);

    return ph_slice(w->value_len[i] ? w->values.data + w->value_at[i] : NULL, w->value_len[i]);
}

TEST(order_and_json_of_random_values_agree)
{
    for (int round = 0; round < 300; round++) {
        world w;
        ph_buf json = PH_BUF_INIT;

        world_begin(&w, 32, true);
        for (int i = 0; i < 60; i++) {
            prophet_slice a = any_value(&w), b = any_value(&w);
            int x = ph_value_compare(a, b), y = oracle_compare(given(a), given(b));

            CHECK_OK(ph_value_check(a, 0, NULL), NULL);
            ph_buf_reset(&json);
            ph_json_value(&json, a);
            ph_buf_byte(&json, 0);
            CHECK_EQ_STR((const char *)json.data, oracle_json(w.o, given(a)));
            CHECK_MSG((x > 0) - (x < 0) == (y > 0) - (y < 0),
                      "order of %s and %s: %d, the oracle says %d", oracle_json(w.o, given(a)),
                      oracle_json(w.o, given(b)), x, y);
        }
        ph_buf_clear(&json);
        world_end(&w);
    }
}

/* ---- random cells: settle ------------------------------------------------------------------------------------- */

enum { SETS_MAX = 12, BALLOTS_MAX = 20 };

typedef struct random_cell {
    bool life;
    ph_rule rule;
    ph_candidate_head sets[SETS_MAX]; /* heads first */
    size_t set_count, head_count;
    ph_ballot ballots[BALLOTS_MAX];
    ph_seen seen[BALLOTS_MAX][SETS_MAX];
    size_t ballot_count;
} random_cell;

/* Stamps are unique, with few lamports, so that ids decide often. */
static ph_stamp any_stamp(uint8_t unique)
{
    ph_stamp s = { 1 + test_below(6), { { (uint8_t)test_below(4), unique } } };

    return s;
}

static prophet_slice life_value(void)
{
    return test_below(2) ? ph_slice("\x64"
                                    "dead",
                                    5)
                         : ph_slice("\x65"
                                    "alive",
                                    6);
}

static void any_cell(world *w, random_cell *c)
{
    *c = (random_cell){ .life = test_below(5) == 0,
                        .rule = (ph_rule)test_below(PH_RULE_DEAD_WINS + 1) };
    c->set_count = 1 + (size_t)test_below(SETS_MAX);
    c->head_count = 1 + (size_t)test_below(c->set_count < 6 ? c->set_count : 6);
    for (size_t i = 0; i < c->set_count; i++)
        c->sets[i] = (ph_candidate_head){ i + 1, any_stamp((uint8_t)i),
                                          c->life ? life_value() : any_value(w) };
    c->ballot_count =
        (size_t)test_below(2) * (size_t)test_below(BALLOTS_MAX - 4) + (size_t)test_below(4);
    for (size_t i = 0; i < c->ballot_count; i++) {
        ph_ballot *b = &c->ballots[i];
        uint64_t breadth = 1 + test_below(2 + i % 3);

        *b = (ph_ballot){ .weight = test_below(4),
                          .by_resolver = test_below(2),
                          .stamp = any_stamp((uint8_t)(100 + i)),
                          .choice = c->life ? life_value() : any_value(w),
                          .seen = c->seen[i] };
        b->voter.b[0] = (uint8_t)test_below(4);
        for (size_t j = 0; j < c->set_count; j++)
            if (test_below(4) < breadth)
                c->seen[i][b->seen_count++] = (ph_seen){ c->sets[j].version, c->sets[j].value };
        if (b->seen_count && test_below(3) > 0)
            b->choice = c->seen[i][test_below(b->seen_count)].value;
    }
}

static oracle_id head_id(const random_cell *c, uint64_t version)
{
    oracle_id id;

    memcpy(&id, &c->sets[version - 1].stamp.id, sizeof id);
    return id;
}

static oracle_outcome ask_oracle(world *w, const random_cell *c)
{
    oracle_head h[SETS_MAX];
    oracle_ballot b[BALLOTS_MAX];
    oracle_seen seen[BALLOTS_MAX][SETS_MAX];

    for (size_t i = 0; i < c->head_count; i++)
        h[i] =
            (oracle_head){ head_id(c, i + 1), c->sets[i].stamp.lamport, given(c->sets[i].value) };
    for (size_t i = 0; i < c->ballot_count; i++) {
        const ph_ballot *from = &c->ballots[i];

        b[i] = (oracle_ballot){ .lamport = from->stamp.lamport,
                                .weight = from->weight,
                                .by_resolver = from->by_resolver,
                                .choice = given(from->choice),
                                .seen = seen[i],
                                .seen_count = from->seen_count };
        memcpy(&b[i].voter, &from->voter, sizeof b[i].voter);
        memcpy(&b[i].id, &from->stamp.id, sizeof b[i].id);
        for (size_t j = 0; j < from->seen_count; j++)
            seen[i][j] =
                (oracle_seen){ head_id(c, from->seen[j].version), given(from->seen[j].value) };
    }
    return oracle_settle(w->o, c->life, ph_rule_name(c->rule), h, c->head_count, b,
                         c->ballot_count);
}

static bool same_list(const prophet_slice *a, size_t an, const oracle_bytes *b, size_t bn)
{
    for (size_t i = 0; i < an && an == bn; i++)
        if (!agree(a[i], b[i]))
            return false;
    return an == bn;
}

TEST(random_cells_settle_alike)
{
    size_t decided = 0, provisional = 0, narrowed = 0, merged = 0;

    for (int round = 0; round < 20000; round++) {
        world w;
        random_cell c;
        ph_outcome got;
        oracle_outcome want;
        prophet_error err;

        world_begin(&w, 2 + (size_t)test_below(7), false);
        any_cell(&w, &c);
        ph_cell_question q = { c.life, c.rule, c.sets, c.head_count, c.ballots, c.ballot_count };
        REQUIRE_OK(ph_settle(&q, &w.arena, &got, &err), &err);
        want = ask_oracle(&w, &c);
        test_context("cell %d", round);
        CHECK_EQ_INT(got.status, want.status);
        CHECK_MSG(agree(got.value, want.value), "shows %s, the oracle %s",
                  oracle_json(w.o, given(got.value)), oracle_json(w.o, want.value));
        CHECK_MSG(same_list(got.values, got.value_count, want.values, want.value_count),
                  "other values");
        CHECK_MSG(same_list(got.choices, got.choice_count, want.choices, want.choice_count),
                  "other choices");
        for (size_t i = 0; got.counted && i < c.ballot_count; i++)
            CHECK(got.counted[i] == ph_ballot_counts(&q, &c.ballots[i]) &&
                  !(got.counted[i] && ph_ballot_is_spent(&q, &c.ballots[i])));
        decided += got.status == PH_DECIDED;
        provisional += got.status == PH_PROVISIONAL;
        narrowed += got.status == PH_PROVISIONAL && got.choice_count < got.value_count;
        merged += got.status == PH_DECIDED && got.value_count == 2 &&
                  !agree(got.values[0], given(got.value)) &&
                  !agree(got.values[1], given(got.value));
        world_end(&w);
    }
    CHECK_MSG(decided > 2000 && provisional > 1000 && narrowed > 300 && merged > 60,
              "too tame: %zu decided, %zu provisional, %zu narrowed, %zu merged", decided,
              provisional, narrowed, merged);
}
