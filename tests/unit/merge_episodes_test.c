/* episodes: closed conflicts, computed from the set of writes and votes alone. */
#include "merge_cell.h"

typedef struct history {
    ph_cell_write w[32];
    uint64_t over[32][8];
    size_t count;
    cell c; /* its sets are what votes name */
} history;

/* Version n+1 at lamport `lamport`, over the versions named by letters ('1' is 1, ':' is 10). */
static void wrote(history *h, uint64_t lamport, const char *value, const char *over)
{
    size_t n = h->count++;

    add_set(&h->c, lamport, value_of(&h->c, value), true);
    h->w[n] = (ph_cell_write){ n + 1, h->c.sets[n].stamp, h->c.sets[n].value, h->over[n], 0 };
    for (; *over; over++)
        h->over[n][h->w[n].over_count++] = (uint64_t)(*over - '0');
}

static const char *line_of(const ph_episode *e)
{
    static char line[512];
    static const char *const status[] = { "clean", "decided", "provisional" };
    char value[32], closed[32];
    size_t used;

    text_of(e->outcome.value, value);
    text_of(e->closed_value, closed);
    used = (size_t)snprintf(line, sizeof line, "%d-", (int)e->opened_by);
    if (e->open)
        used += (size_t)snprintf(line + used, sizeof line - used, "open");
    else
        used +=
            (size_t)snprintf(line + used, sizeof line - used, "%d %s", (int)e->closed_by, closed);
    used += (size_t)snprintf(line + used, sizeof line - used, " %s %s heads",
                             status[e->outcome.status], value);
    for (size_t i = 0; i < e->head_count; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, "%s%d", i ? "," : " ",
                                 (int)e->heads[i].version);
    return line;
}

/* "opened_by-closed_by value status outcome heads ..; .." */
static const char *episodes(history *h)
{
    static char first[2048], again[2048];
    ph_ballot b[CELL_MAX];
    const ph_episode *e;
    size_t n, used;
    prophet_error err;

    memcpy(b, h->c.ballots, sizeof b);
    for (int round = 0; round < 10; round++) {
        char *line = round ? again : first;

        *line = 0, used = 0;
        REQUIRE_OK(ph_cell_episodes(h->c.life, h->c.rule, h->w, h->count, b, h->c.ballot_count,
                                    &h->c.arena, &e, &n, &err),
                   &err);
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(line + used, sizeof first - used, "%s%s", i ? "; " : "",
                                     line_of(&e[i]));
        if (round)
            CHECK_EQ_STR(again, first);
        shuffle(h->w, h->count, sizeof *h->w);
        shuffle(b, h->c.ballot_count, sizeof *b);
    }
    return first;
}

TEST(a_cell_that_never_had_two_values_has_no_episodes)
{
    history h = { 0 };

    CHECK_EQ_STR(episodes(&h), "");
    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "1");
    CHECK_EQ_STR(episodes(&h), "");
    cell_done(&h.c);
}

TEST(equal_concurrent_writes_are_no_episode)
{
    history h = { 0 };

    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "1");
    wrote(&h, 2, "b", "1");
    CHECK_EQ_STR(episodes(&h), "");
    cell_done(&h.c);
}

TEST(an_open_conflict_is_an_open_episode)
{
    history h = { 0 };

    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "1");
    wrote(&h, 3, "c", "1");
    CHECK_EQ_STR(episodes(&h), "3-open provisional c heads 2,3");
    cell_done(&h.c);
}

TEST(a_write_over_all_heads_closes_it)
{
    history h = { 0 };

    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "1");
    wrote(&h, 3, "c", "1");
    wrote(&h, 4, "d", "23");
    CHECK_EQ_STR(episodes(&h), "3-4 d provisional c heads 2,3");
    cell_done(&h.c);
}

TEST(a_write_that_leaves_equal_values_closes_it)
{
    history h = { 0 };

    wrote(&h, 1, "b", "");
    wrote(&h, 2, "c", "");
    wrote(&h, 3, "b", "2");
    CHECK_EQ_STR(episodes(&h), "2-3 b provisional c heads 1,2");
    cell_done(&h.c);
}

TEST(a_cell_may_have_many_episodes)
{
    history h = { 0 };

    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "");
    wrote(&h, 3, "c", "12");
    wrote(&h, 4, "d", "3");
    wrote(&h, 5, "e", "3");
    wrote(&h, 6, "d", "5");
    wrote(&h, 7, "f", "4");
    CHECK_EQ_STR(episodes(&h), "2-3 c provisional b heads 1,2; 5-6 d provisional e heads 4,5; "
                               "7-open provisional f heads 6,7");
    cell_done(&h.c);
}

TEST(votes_older_than_the_end_count_and_later_ones_do_not)
{
    history h = { 0 };

    wrote(&h, 1, "a", "");
    wrote(&h, 2, "b", "");
    wrote(&h, 9, "c", "12");
    person(&h.c, 'P', 5, "a", "12");
    CHECK_EQ_STR(episodes(&h), "2-3 c decided a heads 1,2");
    person(&h.c, 'Q', 9, "b", "12");
    h.c.ballots[1].stamp =
        h.w[2].stamp; /* in the changeset that ends it: changes come before votes */
    for (size_t i = 0; i < 3; i++)
        if (h.w[i].version == 3)
            h.c.ballots[1].stamp = h.w[i].stamp;
    h.c.ballots[1].weight = 9;
    CHECK_EQ_STR(episodes(&h), "2-3 c decided a heads 1,2");
    h.c.ballots[1].stamp = stamp_of(4, 1);
    CHECK_EQ_STR(episodes(&h), "2-3 c decided b heads 1,2");
    cell_done(&h.c);
}

TEST(the_order_is_by_lamport_then_id_not_by_arrival)
{
    history h = { 0 };

    wrote(&h, 7, "a", ""); /* arrived first here, yet later in order */
    wrote(&h, 2, "b", "");
    CHECK_EQ_STR(episodes(&h), "1-open provisional a heads 2,1");
    cell_done(&h.c);
}

TEST(a_write_replaced_from_a_smaller_stamp_never_was_a_head)
{
    history h = { 0 };

    wrote(&h, 9, "a", "");
    wrote(&h, 2, "b", "1"); /* names a changeset with a greater lamport, by a ref */
    wrote(&h, 3, "c", "");
    CHECK_EQ_STR(episodes(&h), "3-open provisional c heads 2,3");
    cell_done(&h.c);
}

TEST(life_has_episodes_too)
{
    history h = { .c = { .life = true, .rule = PH_RULE_ALIVE_WINS } };

    wrote(&h, 1, "alive", "");
    wrote(&h, 2, "dead", "1");
    wrote(&h, 3, "alive", "1");
    wrote(&h, 9, "dead", "23");
    person(&h.c, 'P', 5, "dead", "2");
    CHECK_EQ_STR(episodes(&h), "3-4 dead decided dead heads 2,3");
    cell_done(&h.c);
}

TEST(of_many_equal_heads_a_closed_episode_lists_the_newest)
{
    enum { EQUAL = 3 * PH_EPISODE_HEADS };
    static ph_cell_write w[EQUAL + 2];
    uint64_t last = EQUAL + 1;
    ph_arena arena = PH_ARENA_INIT;
    const ph_episode *e;
    size_t n;

    for (size_t i = 0; i < EQUAL; i++)
        w[i] = (ph_cell_write){ i + 1, { i + 1, { { 0 } } }, ph_slice("\x01", 1), NULL, 0 };
    w[EQUAL] = (ph_cell_write){ EQUAL + 1, { EQUAL + 1, { { 0 } } }, ph_slice("\x02", 1), NULL, 0 };
    REQUIRE_OK(ph_cell_episodes(false, PH_RULE_LATEST, w, EQUAL + 1, NULL, 0, &arena, &e, &n, NULL),
               NULL);
    CHECK(n == 1 && e->open);
    CHECK_EQ_UINT(e->head_count, EQUAL + 1); /* an open one lists all */
    w[EQUAL + 1] =
        (ph_cell_write){ EQUAL + 2, { EQUAL + 2, { { 0 } } }, ph_slice("\x01", 1), &last, 1 };
    REQUIRE_OK(ph_cell_episodes(false, PH_RULE_LATEST, w, EQUAL + 2, NULL, 0, &arena, &e, &n, NULL),
               NULL);
    CHECK(n == 1 && !e->open);
    CHECK_EQ_UINT(e->head_count, PH_EPISODE_HEADS + 1);
    CHECK_EQ_UINT(e->heads[0].version, EQUAL - PH_EPISODE_HEADS + 1);
    CHECK_EQ_UINT(e->outcome.value_count, 2);
    ph_arena_clear(&arena);
}
