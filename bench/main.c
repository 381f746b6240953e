/* The rows of the table: what is done, how often, what is compared with what. Runs both sides interleaved, takes the
 * median of each, prints ratios with the figures behind them. Run by bench/run.
 *
 *   bench [--rounds N] [--scale PERCENT] [ROW..]      rows: names of the list below, parts of them will do
 *   bench --open PATH                                 see ours_open_main
 *   bench --serve PATH                                see ours_serve_main */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 25, BULK_CHANGE = 1000 };

static int rounds = 5;
static size_t scale = 100;
static char *self;
static int missed;

static size_t scaled(size_t n)
{
    size_t s = n * scale / 100;

    return s > 0 ? s : 1;
}

/* ---- medians and lines -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, (size_t)rounds, sizeof *values, by_value);
    return rounds % 2 ? values[rounds / 2] : (values[rounds / 2 - 1] + values[rounds / 2]) / 2;
}

static void print_head(void)
{
    printf("%-50s %13s %13s %8s %10s\n", "work", "Prophet", "peer", "ratio", "target");
}

static const char *verdict(bool met)
{
    if (met)
        return "";
    missed++;
    return "  MISSED";
}

/* Rates: more is better. target 0: reported only. */
static void print_rate(const char *what, double ours, double peer, double target)
{
    printf("%-50s %11.0f/s %11.0f/s %7.2fx", what, ours, peer, ours / peer);
    if (target > 0)
        printf(" %8.1f x%s", target, verdict(ours / peer >= target));
    printf("\n");
    fflush(stdout);
}

/* Figures with a limit: less is better. */
static void print_limit(const char *what, double ours, double limit, const char *unit)
{
    printf("%-50s %9.3f %-3s %13s %8s <= %5.6g %s%s\n", what, ours, unit, "", "", limit, unit,
           verdict(ours <= limit));
    fflush(stdout);
}

/* A rate without a peer. */
static void print_least(const char *what, double ours, double least)
{
    printf("%-50s %11.0f/s %13s %8s >= %6.0f/s%s\n", what, ours, "", "", least,
           verdict(ours >= least));
    fflush(stdout);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static void commits(const char *what, int processes, size_t each, bench_sync sync, double target)
{
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++) {
        peer[i] = peer_commits(i, processes, each, sync);
        ours[i] = ours_commits(i, processes, each, sync);
    }
    double all = (double)each * processes;
    print_rate(what, all / median(ours), all / median(peer), target);
}

static void row_durable(void)
{
    commits("one-record commits, durable, 1 process", 1, scaled(4000), BENCH_DURABLE, 1.2);
}

static void row_crowd(void)
{
    commits("one-record commits, durable, 8 processes", 8, scaled(1000), BENCH_DURABLE, 1.6);
}

static void row_relaxed(void)
{
    commits("one-record commits, relaxed", 1, scaled(10000), BENCH_RELAXED, 1.0);
}

static double bulk_rate; /* SQLite's, of the row before or measured when needed */

static double peer_rate(void)
{
    double peer[ROUNDS_MAX];

    for (int i = 0; bulk_rate <= 0 && i < rounds; i++)
        peer[i] = peer_bulk(i, scaled(100000), BULK_CHANGE);
    if (bulk_rate <= 0)
        bulk_rate = (double)scaled(100000) / median(peer);
    return bulk_rate;
}

static void row_bulk(void)
{
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX], records = (double)scaled(100000);

    for (int i = 0; i < rounds; i++) {
        peer[i] = peer_bulk(i, scaled(100000), BULK_CHANGE);
        ours[i] = ours_bulk(i, scaled(100000), BULK_CHANGE);
    }
    bulk_rate = records / median(peer);
    print_rate("100,000 records in changesets of 1,000, durable", records / median(ours), bulk_rate,
               3.0);
}

static void row_lua(void)
{
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX], records = (double)scaled(100000);
    char count[32], change[32], program[4096], path[4096];
    char script[] = "bench/bulk.lua";

    (void)snprintf(count, sizeof count, "%zu", scaled(100000));
    (void)snprintf(change, sizeof change, "%d", BULK_CHANGE);
    const char *slash = strrchr(self, '/');
    (void)snprintf(program, sizeof program, "%.*sprophet-lua", slash ? (int)(slash - self + 1) : 0,
                   self);
    for (int i = 0; i < rounds; i++) {
        peer[i] = peer_bulk(i, scaled(100000), BULK_CHANGE);
        (void)snprintf(path, sizeof path, "%s", bench_path("prophet-lua", i));
        char *argv[] = { program, script, path, count, change, NULL };
        ours[i] = bench_program(argv, NULL);
        bench_remove(path);
    }
    print_rate("the same from Lua", records / median(ours), records / median(peer), 2.0);
}

static void row_reads(void)
{
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX], reads = (double)scaled(500000);

    for (int i = 0; i < rounds; i++) {
        peer[i] = peer_reads(i, scaled(100000), scaled(500000));
        ours[i] = ours_reads(i, scaled(100000), scaled(500000));
    }
    print_rate("point reads by id", reads / median(ours), reads / median(peer), 1.5);
}

static void row_pull(void)
{
    double ours[ROUNDS_MAX], large[ROUNDS_MAX], small[ROUNDS_MAX];

    ours_pull_begin("pull-large", scaled(100000), rounds);
    for (int i = 0; i < rounds; i++)
        ours[i] = ours_pull_take("pull-large", i);
    print_rate("100,000 one-field changesets pulled, against bulk",
               (double)scaled(100000) / median(ours), peer_rate(), 2.0);

    ours_pull_begin("pull-small", scaled(10000), rounds);
    for (int i = 0; i < rounds; i++)
        (void)ours_pull_take("pull-small", i); /* what counts comes now */
    ours_pull_more("pull-large", scaled(1000));
    ours_pull_more("pull-small", scaled(1000));
    for (int i = 0; i < rounds; i++) {
        large[i] = ours_pull_take("pull-large", i);
        small[i] = ours_pull_take("pull-small", i);
    }
    double l = median(large), s = median(small);
    printf("%-50s %10.1f ms %10.1f ms %7.2fx <= %5.1f x%s\n",
           "1,000 pulled onto 100,000, against onto 10,000", l * 1e3, s * 1e3, l / s, 1.3,
           verdict(l / s <= 1.3));
    fflush(stdout);
}

static void row_exchange(void)
{
    double clones[ROUNDS_MAX], last, records = (double)scaled(100000);
    char file[4096], reader[4096];

    ours_pull_begin("exchange", scaled(100000), 0);
    (void)snprintf(file, sizeof file, "%s", bench_path("bundle", 0));
    (void)snprintf(reader, sizeof reader, "%s", bench_path("reader", 0));
    double bytes = ours_bundle(ours_pull_source("exchange"), file);
    for (int i = 0; i < rounds; i++)
        clones[i] = ours_clone_time(file, reader, scaled(100000));
    print_least("clone from a bundle, one-field changesets", records / median(clones), 80000);
    print_limit("  bytes moved a changeset", bytes, 120, "B");
    ours_pull_begin("depot", scaled(90000), 0);
    size_t files =
        ours_depot(ours_pull_source("depot"), bench_path("depot", 0), reader, scaled(10000), &last);
    print_limit("files of a depot, 10,000 single publishes", (double)files, 60, "");
    print_limit("  bytes read by a pull of the last 10", last / 1024, 64, "KiB");
}

/* The time of a pull of 1,000 onto `history`, by clones that were made before. */
static double live_pulls(const char *name, size_t history)
{
    double times[ROUNDS_MAX];
    bench_server s;

    ours_pull_begin(name, scaled(history), rounds);
    bench_serve(&s, self, ours_pull_source(name));
    for (int i = 0; i < rounds; i++)
        times[i] = ours_live_pull(ours_pull_taker(name, i), s.url, scaled(history));
    bench_serve_end(&s);
    ours_pull_more(name, scaled(1000));
    bench_serve(&s, self, ours_pull_source(name));
    for (int i = 0; i < rounds; i++)
        times[i] = ours_live_pull(ours_pull_taker(name, i), s.url, scaled(1000));
    bench_serve_end(&s);
    return median(times);
}

static void live_same(const char *name)
{
    double times[ROUNDS_MAX];
    size_t requests = 0, bytes = 0;
    bench_server s;

    bench_serve(&s, self, ours_pull_source(name));
    for (int i = 0; i < rounds; i++)
        times[i] = ours_live_same(ours_pull_taker(name, 0), &s, &requests, &bytes);
    bench_serve_end(&s);
    print_limit("live: pull with nothing new", median(times) * 1e3, 2, "ms");
    print_limit("  its requests", (double)requests, 1, "");
    print_limit("  its bytes, both ways, with headers", (double)bytes, 1023, "B");
}

static void row_live(void)
{
    double clones[ROUNDS_MAX], both[ROUNDS_MAX];
    size_t votes = 0;
    char reader[4096];
    bench_server s;

    ours_pull_begin("live", scaled(100000), 0);
    (void)snprintf(reader, sizeof reader, "%s", bench_path("reader", 0));
    bench_serve(&s, self, ours_pull_source("live"));
    for (int i = 0; i < rounds; i++)
        clones[i] = ours_clone_time(s.url, reader, scaled(100000));
    bench_serve_end(&s);
    print_least("live: clone over HTTP, one-field changesets",
                (double)scaled(100000) / median(clones), 50000);
    double small = live_pulls("live-small", 10000);
    double large = live_pulls("live-large", 100000);
    print_limit("live: 1,000 pulled onto 100,000", large * 1e3, 25, "ms");
    print_limit("  against onto 10,000", large / small, 1.3, "x");
    live_same("live-large");
    for (int i = 0; i < rounds; i++)
        both[i] = ours_live_conflicts(self, scaled(10000), i, &votes);
    print_least("live: 2 x 10,000 edits, 10 % in conflict",
                2 * (double)scaled(10000) / median(both), 40000);
    printf("%-50s %11zu\n", "  votes of resolvers in it", votes);
}

static void row_bytes(void)
{
    bench_record r;
    char json[640];
    double text = 0, ours = ours_bytes(scaled(100000), BULK_CHANGE);

    for (uint64_t n = 0; n < 1000; n++) {
        bench_record_make(n, &r);
        text += (double)bench_record_json(&r, json, sizeof json) / 1000;
    }
    printf("%-50s %11.0f B %11.0f B %8.2fx <= %5.1f x%s\n",
           "bytes on disk a record, against its JSON", ours, text, ours / text, 2.2,
           verdict(ours / text <= 2.2));
    fflush(stdout);
}

static void row_open(void)
{
    double clean[ROUNDS_MAX], killed[ROUNDS_MAX], rebuilt[ROUNDS_MAX], memory[ROUNDS_MAX],
        memory_killed[ROUNDS_MAX];
    char path[4096], flag[] = "--open";
    char *argv[] = { self, flag, path, NULL };

    (void)snprintf(path, sizeof path, "%s", ours_large(scaled(1000000), BULK_CHANGE));
    for (int i = 0; i < rounds; i++) {
        clean[i] = bench_program(argv, &memory[i]);
        ours_kill(path);
        killed[i] = bench_program(argv, &memory_killed[i]);
    }
    for (int i = 0; i < rounds; i++) /* a long one: twice is enough */
        rebuilt[i] = i < 2 ? ours_rebuild_time(path) : rebuilt[i % 2];
    print_limit("opening 1,000,000 records, closed cleanly", median(clean) * 1e3, 50, "ms");
    print_limit("  after a kill", median(killed), 0.3, "s");
    print_limit("  rebuilding its index", median(rebuilt), 15, "s");
    print_limit("  memory to open, closed cleanly", median(memory) / 1024, 16, "MiB");
    print_limit("  memory to open, after a kill", median(memory_killed) / 1024, 16, "MiB");
    bench_remove(path);
}

static void row_past(void)
{
    double read[ROUNDS_MAX], query[ROUNDS_MAX], far[ROUNDS_MAX];
    char path[4096];
    bench_past p;

    (void)snprintf(path, sizeof path, "%s", ours_large(scaled(100000), BULK_CHANGE));
    ours_past_begin(&p, path, 100);
    for (int i = 0; i < rounds; i++)
        ours_past_take(&p, &read[i], &query[i], &far[i]);
    ours_past_end(&p);
    print_limit("as of: reading one record with 100 versions", median(read) * 1e3, 2, "ms");
    printf("%-50s %9.3f ms\n", "  indexed query over 100,000, 50 versions ago",
           median(query) * 1e3);
    printf("%-50s %9.3f ms\n", "  the same, half the log ago", median(far) * 1e3);
    fflush(stdout);
    bench_remove(path);
}

static const struct {
    const char *what, *ours, *peer;
    size_t times;
    double target;
    const char *order;
    size_t limit;
} QUESTIONS[] = {
    { "query: indexed equality, 1 % of 100,000", "grp=g7", "SELECT * FROM ticket WHERE grp='g7'",
      20, 1.2, NULL, 0 },
    { "query: equality and range on two fields, 1 %", "status=status-2 due>=20000 due<25000",
      "SELECT * FROM ticket WHERE status='status-2' AND due>=20000 AND due<25000", 20, 1.2, NULL,
      0 },
    { "query: that joined to another type",
      "status=status-2 due>=20000 due<25000 milestone.name=m7",
      "SELECT t.* FROM ticket t JOIN milestone m ON t.milestone=m.id WHERE t.status='status-2' AND "
      "t.due>=20000 AND "
      "t.due<25000 AND m.name='m7'",
      20, 1.2, NULL, 0 },
    { "query: by a joined name alone, 1 %", "milestone.name=m7",
      "SELECT t.* FROM ticket t JOIN milestone m ON t.milestone=m.id WHERE m.name='m7'", 20, 1.2,
      NULL, 0 },
    { "query: unindexed predicate over 100,000", "kind=k77",
      "SELECT * FROM ticket WHERE kind='k77'", 2, 0.5, NULL, 0 },
    { "query: first 20 by an index", "status=status-2",
      "SELECT * FROM ticket WHERE status='status-2' ORDER BY due DESC LIMIT 20", 200, 0, "-due",
      20 },
};

/* Two fields of each row, in a program of its own; the other side stays in C. */
static void ask_from_lua(bench_asked *a)
{
    enum { TIMES = 100 };
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX], found = 0;
    size_t wanted = 0;
    char program[4096], path[4096], script[] = "bench/query.lua", group[] = "g7", times[16];
    const char *slash = strrchr(self, '/');

    (void)snprintf(program, sizeof program, "%.*sprophet-lua", slash ? (int)(slash - self + 1) : 0,
                   self);
    (void)snprintf(path, sizeof path, "%s", bench_ask_path(a));
    (void)snprintf(times, sizeof times, "%d", TIMES);
    for (int i = 0; i < rounds; i++) {
        char *argv[] = { program, script, path, group, times, NULL };
        peer[i] =
            bench_ask_peer(a, "SELECT due, status FROM ticket WHERE grp='g7'", TIMES, &wanted);
        ours[i] = bench_program(argv, &found);
    }
    if ((size_t)found != wanted)
        bench_die("from Lua: %.0f rows, the peer has %zu", found, wanted);
    print_rate("query: the first from Lua, two fields a row", TIMES / median(ours),
               TIMES / median(peer), 0.6);
}

static void row_queries(void)
{
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX];
    size_t found = 0, wanted = 0;
    bench_asked *a = bench_ask_begin(scaled(100000), 100, true);

    for (size_t n = 0; n < sizeof QUESTIONS / sizeof *QUESTIONS; n++) {
        for (int i = 0; i < rounds; i++) {
            peer[i] = bench_ask_peer(a, QUESTIONS[n].peer, QUESTIONS[n].times, &wanted);
            ours[i] = bench_ask_ours(a, QUESTIONS[n].ours, QUESTIONS[n].order, QUESTIONS[n].limit,
                                     QUESTIONS[n].times, &found);
        }
        if (found != wanted)
            bench_die("%s: %zu rows, the peer has %zu", QUESTIONS[n].what, found, wanted);
        double times = (double)QUESTIONS[n].times;
        print_rate(QUESTIONS[n].what, times / median(ours), times / median(peer),
                   QUESTIONS[n].target);
    }
    ask_from_lua(a);
    bench_ask_end(a);
}

/* 100 hits among many cost what they cost among few. */
static void row_growth(void)
{
    double few[ROUNDS_MAX], many[ROUNDS_MAX];
    size_t found = 0, more = 0;
    bench_asked *small = bench_ask_begin(scaled(10000), scaled(100), false),
                *large = bench_ask_begin(scaled(1000000), scaled(10000), false);

    for (int i = 0; i < rounds; i++) {
        few[i] = bench_ask_ours(small, "grp=g7", NULL, 0, 200, &found);
        many[i] = bench_ask_ours(large, "grp=g7", NULL, 0, 200, &more);
    }
    if (found != more)
        bench_die("%zu rows, then %zu", found, more);
    print_limit("query: 100 hits of 1,000,000, against 10,000", median(many) / median(few), 1.5,
                "x");
    bench_ask_end(small);
    bench_ask_end(large);
}

static void row_fulltext(void)
{
    static const struct {
        const char *what;
        bench_text_ask ask;
        size_t times;
        double target;
    } asks[] = { { "full text: one word, counted", BENCH_COUNT, 200, 5 },
                 { "full text: its 2,000 records", BENCH_FETCH, 10, 2 },
                 { "full text: the first 20 by BM25", BENCH_TOP, 50, 1.5 } };
    double ours[ROUNDS_MAX], peer[ROUNDS_MAX];
    size_t found = 0, wanted = 0;
    bench_texts *t = bench_texts_begin(scaled(100000));

    for (size_t n = 0; n < 3; n++) {
        for (int i = 0; i < rounds; i++) {
            peer[i] = bench_texts_peer(t, asks[n].ask, asks[n].times, &wanted);
            ours[i] = bench_texts_ours(t, asks[n].ask, asks[n].times, &found);
        }
        if (found != wanted)
            bench_die("%s: %zu rows, the peer has %zu", asks[n].what, found, wanted);
        double times = (double)asks[n].times;
        print_rate(asks[n].what, times / median(ours), times / median(peer), asks[n].target);
    }
    bench_texts_end(t);
}

/* What indexes and words cost each side: reported. */
static void row_commit_cost(void)
{
    double times[2][3][ROUNDS_MAX], commits = (double)scaled(5000);

    for (int i = 0; i < rounds; i++)
        for (int side = 0; side < 2; side++)
            for (int with = 0; with < 3; with++)
                times[side][with][i] =
                    bench_texts_commits(side == 0, with > 0, with > 1, scaled(5000));
    double none[2] = { median(times[0][0]), median(times[1][0]) };
    print_rate("one-record commits without any index", commits / none[0], commits / none[1], 0);
    print_rate("  with two indexes", commits / median(times[0][1]), commits / median(times[1][1]),
               0);
    print_rate("  with two indexes and full text", commits / median(times[0][2]),
               commits / median(times[1][2]), 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} ROWS[] = {
    { "durable", row_durable }, { "crowd", row_crowd },       { "relaxed", row_relaxed },
    { "bulk", row_bulk },       { "lua", row_lua },           { "reads", row_reads },
    { "pull", row_pull },       { "exchange", row_exchange }, { "bytes", row_bytes },
    { "live", row_live },       { "open", row_open },         { "queries", row_queries },
    { "growth", row_growth },   { "fulltext", row_fulltext }, { "cost", row_commit_cost },
    { "past", row_past },
};

static bool is_wanted(const char *row, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strstr(row, names[i]))
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    int at = 1;

    self = argv[0];
    if (argc == 3 && strcmp(argv[1], "--open") == 0)
        return ours_open_main(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return ours_serve_main(argv[2]);
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        long n = strtol(argv[at + 1], NULL, 10);
        if (strcmp(argv[at], "--rounds") == 0 && n >= 1 && n <= ROUNDS_MAX)
            rounds = (int)n;
        else if (strcmp(argv[at], "--scale") == 0 && n >= 1 && n <= 100)
            scale = (size_t)n;
        else
            bench_die("usage: bench [--rounds N] [--scale PERCENT] [ROW..]");
    }
    print_head();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (is_wanted(ROWS[i].name, argv + at, argc - at))
            ROWS[i].run();
    printf("%d missed\n", missed);
    return 0;
}
