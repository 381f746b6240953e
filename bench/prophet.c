/* The Prophet side, through prophet.h alone: a type with two indexed fields, changes of one record or of many, reads in
 * one view, pulls between directories, and what it costs to open. Called by main.c. */
#include "bench.h"
#include <prophet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIELDS = 9, PULL_RECORDS = 1000 };

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s: %s %s", what, prophet_code_name(rc), err.message, err.hint);
}
#define MUST(call) must((call), #call)

/* ---- opening and types ------------------------------------------------------------------------------ */

static prophet_db *open_at(const char *path, bench_sync sync)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.create = true;
    o.user = "ann@example.org";
    o.durability = sync == BENCH_DURABLE ? PROPHET_FULL : PROPHET_RELAXED;
    MUST(prophet_open(path, &o, &db, &err));
    return db;
}

/* The nine fields; status and owner are indexed if that is wanted. */
static void define(prophet_db *db, bool indexed)
{
    static const char *const names[FIELDS] = { "summary",  "body",      "status",
                                               "owner",    "component", "reporter",
                                               "severity", "due",       "estimate" };
    prophet_field members[FIELDS][3], top[2];
    prophet_value fields[FIELDS];
    prophet_txn *t = NULL;

    for (size_t i = 0; i < FIELDS; i++) {
        bool index = indexed && (i == 2 || i == 3);
        const char *kind = i == 7 ? "time" : i >= 6 ? "int" : "string";
        members[i][0] = prophet_put("name", prophet_text(names[i]));
        members[i][1] = prophet_put("kind", prophet_text(kind));
        members[i][2] = prophet_put("index", prophet_bool(true));
        fields[i] = prophet_map(members[i], index ? 3 : 2);
    }
    top[0] = prophet_put("name", prophet_text("ticket"));
    top[1] = prophet_put("fields", prophet_list(fields, FIELDS));
    MUST(prophet_txn_begin(db, NULL, &t, &err));
    MUST(prophet_txn_define(t, prophet_map(top, 2), &err));
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
}

static const char *fresh(const char *name, int round, bool indexed)
{
    const char *path = bench_path(name, round);
    prophet_db *db = open_at(path, BENCH_DURABLE);

    define(db, indexed);
    prophet_close(db);
    return path;
}

/* Shaped as a UUIDv7 and rising with n. */
static prophet_uuid make_id(uint64_t n, int worker)
{
    prophet_uuid id = { { 0 } };

    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(n >> (40 - 8 * i));
    id.b[6] = 0x70, id.b[8] = 0x80, id.b[15] = (uint8_t)worker;
    return id;
}

static void create(prophet_txn *t, uint64_t n, int worker)
{
    prophet_uuid id = make_id(n, worker);
    prophet_field f[FIELDS];
    const bench_record *r = bench_record_of(n);

    f[0] = prophet_put("summary", prophet_text(r->summary));
    f[1] = prophet_put("body", prophet_text(r->body));
    f[2] = prophet_put("status", prophet_text(r->status));
    f[3] = prophet_put("owner", prophet_text(r->owner));
    f[4] = prophet_put("component", prophet_text(r->component));
    f[5] = prophet_put("reporter", prophet_text(r->reporter));
    f[6] = prophet_put("severity", prophet_int(r->severity));
    f[7] = prophet_put("due", prophet_time(r->due));
    f[8] = prophet_put("estimate", prophet_int(r->estimate));
    MUST(prophet_txn_create(t, "ticket", &id, f, FIELDS, NULL, &err));
}

/* ---- commits, bulk, reads ----------------------------------------------------------------------------- */

static void *durable_open(const char *path)
{
    return open_at(path, BENCH_DURABLE);
}

static void *relaxed_open(const char *path)
{
    return open_at(path, BENCH_RELAXED);
}

static void crew_work(void *state, int worker, size_t commits)
{
    for (size_t i = 0; i < commits; i++) {
        prophet_txn *t = NULL;
        MUST(prophet_txn_begin(state, NULL, &t, &err));
        create(t, i, worker);
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
}

static void crew_close(void *state)
{
    prophet_close(state);
}

double ours_commits(int round, int processes, size_t commits, bench_sync sync)
{
    static const bench_crew durable = { durable_open, crew_work, crew_close };
    static const bench_crew relaxed = { relaxed_open, crew_work, crew_close };
    const char *path = fresh("prophet-commits", round, true);
    double seconds =
        bench_crowd(sync == BENCH_DURABLE ? &durable : &relaxed, path, processes, commits);

    bench_remove(path);
    return seconds;
}

static void fill(prophet_db *db, size_t records, size_t per_change)
{
    for (size_t n = 0; n < records;) {
        prophet_txn *t = NULL;
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        for (size_t i = 0; i < per_change && n < records; i++, n++)
            create(t, n, 0);
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
}

double ours_bulk(int round, size_t records, size_t per_change)
{
    const char *path = fresh("prophet-bulk", round, true);
    prophet_db *db = open_at(path, BENCH_DURABLE);

    bench_records_prepare(records);
    double start = bench_now();
    fill(db, records, per_change);
    double seconds = bench_now() - start;
    prophet_close(db);
    bench_remove(path);
    return seconds;
}

double ours_reads(int round, size_t records, size_t reads)
{
    const char *path = fresh("prophet-reads", round, true);
    prophet_db *db = open_at(path, BENCH_RELAXED);
    uint64_t x = 88172645463325252u, sum = 0;

    fill(db, records, 1000);
    MUST(prophet_view_begin(db, &err));
    double start = bench_now();
    for (size_t i = 0; i < reads; i++) {
        prophet_doc *doc = NULL;
        prophet_value v;
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64, as the other side */
        if (prophet_get(db, "ticket", prophet_ref(make_id(x % records, 0)), &doc, &err) !=
                PROPHET_OK ||
            !prophet_doc_get(doc, "summary", &v))
            bench_die("prophet: a record is missing");
        sum += ((const uint8_t *)v.as.bytes.data)[20];
        prophet_doc_free(doc);
    }
    double seconds = bench_now() - start;
    prophet_view_end(db);
    prophet_close(db);
    bench_remove(path);
    return sum ? seconds : 0;
}

static int64_t number(const prophet_doc *d, const char *name)
{
    prophet_value v;

    if (!prophet_doc_get(d, name, &v) || v.kind != PROPHET_INT)
        bench_die("prophet_stats has no %s", name);
    return v.as.integer;
}

double ours_bytes(size_t records, size_t per_change)
{
    const char *path = fresh("prophet-bytes", 0, false);
    prophet_db *db = open_at(path, BENCH_RELAXED);
    prophet_doc *stats = NULL;

    fill(db, records, per_change);
    prophet_close(db);
    db = open_at(path, BENCH_RELAXED);
    MUST(prophet_stats(db, &stats, &err));
    int64_t bytes =
        number(stats, "log_bytes") - number(stats, "log_unused") + number(stats, "index_bytes");
    prophet_doc_free(stats);
    prophet_close(db);
    bench_remove(path);
    return (double)bytes / (double)records;
}

/* ---- pulling ------------------------------------------------------------------------------------------- */

static const char *pull_path(const char *name, const char *part, int round, char out[128])
{
    const char *dir = getenv("PROPHET_BENCH_DIR");

    (void)snprintf(out, 128, "%s/%s-%s-%d", dir && *dir ? dir : "build/bench", name, part, round);
    return out;
}

static prophet_db *clone(const char *source, const char *path, bench_sync sync)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.user = "ann@example.org";
    o.durability = sync == BENCH_DURABLE ? PROPHET_FULL : PROPHET_RELAXED;
    bench_remove(path);
    MUST(prophet_clone(source, path, &o, &db, NULL, &err));
    return db;
}

void ours_touch(prophet_db *db, size_t changesets)
{
    static int64_t value = 1000;

    for (size_t i = 0; i < changesets; i++) {
        prophet_uuid id = make_id(i % PULL_RECORDS, 0);
        prophet_edit edit = { PROPHET_SET, prophet_put("estimate", prophet_nil()).name,
                              prophet_int(value++) };
        prophet_txn *t = NULL;
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        MUST(prophet_txn_update(t, "ticket", &id, 0, &edit, 1, NULL, &err));
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
}

void ours_edit(prophet_db *db, size_t first, size_t records, int64_t value)
{
    for (size_t i = first; i < first + records; i++) {
        prophet_uuid id = make_id(i, 0);
        prophet_edit edit = { PROPHET_SET, prophet_put("estimate", prophet_nil()).name,
                              prophet_int(value) };
        prophet_txn *t = NULL;
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        MUST(prophet_txn_update(t, "ticket", &id, 0, &edit, 1, NULL, &err));
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
}

void ours_filled(const char *path, size_t records)
{
    prophet_db *db;

    bench_remove(path);
    db = open_at(path, BENCH_RELAXED);
    define(db, true);
    fill(db, records, PULL_RECORDS);
    prophet_close(db);
}

void ours_pull_begin(const char *name, size_t history, int rounds)
{
    char base[128], path[128];
    prophet_db *db = NULL;

    (void)bench_path(name, 0); /* makes the directory above */
    pull_path(name, "base", 0, base);
    bench_remove(base);
    db = open_at(base, BENCH_RELAXED);
    define(db, true);
    fill(db, PULL_RECORDS, PULL_RECORDS);
    prophet_close(db);
    for (int i = 0; i < rounds; i++)
        prophet_close(clone(base, pull_path(name, "taker", i, path), BENCH_DURABLE));
    db = clone(base, pull_path(name, "source", 0, path), BENCH_RELAXED);
    ours_touch(db, history);
    prophet_close(db);
}

const char *ours_pull_source(const char *name)
{
    static char path[128];
    return pull_path(name, "source", 0, path);
}

const char *ours_pull_taker(const char *name, int round)
{
    static char path[128];
    return pull_path(name, "taker", round, path);
}

void ours_pull_more(const char *name, size_t changesets)
{
    char path[128];
    prophet_db *db = open_at(pull_path(name, "source", 0, path), BENCH_RELAXED);

    ours_touch(db, changesets);
    prophet_close(db);
}

double ours_pull_take(const char *name, int round)
{
    char source[128], path[128];
    prophet_db *db = open_at(pull_path(name, "taker", round, path), BENCH_DURABLE);
    prophet_doc *report = NULL;

    pull_path(name, "source", 0, source);
    double start = bench_now();
    MUST(prophet_pull(db, source, NULL, &report, &err));
    double seconds = bench_now() - start;
    if (number(report, "changesets") == 0)
        bench_die("%s: nothing was pulled", path);
    prophet_doc_free(report);
    prophet_close(db);
    return seconds;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

const char *ours_large(size_t records, size_t per_change)
{
    const char *path = fresh("prophet-large", 0, true);
    prophet_db *db = open_at(path, BENCH_RELAXED);

    fill(db, records, per_change);
    prophet_close(db);
    return path;
}

void ours_kill(const char *path)
{
    int ready[2];
    char c;

    if (pipe(ready) != 0)
        bench_die("no pipe");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("no process");
    if (pid == 0) {
        prophet_db *db = open_at(path, BENCH_DURABLE);
        for (size_t i = 0;; i++) {
            prophet_txn *t = NULL;
            MUST(prophet_txn_begin(db, NULL, &t, &err));
            create(t, ((uint64_t)getpid() << 16) + i, 1);
            MUST(prophet_txn_commit(t, NULL, NULL, &err));
            if (i == 200 && write(ready[1], "x", 1) != 1)
                bench_die("a pipe broke");
        }
    }
    close(ready[1]);
    if (read(ready[0], &c, 1) != 1)
        bench_die("the writer failed");
    close(ready[0]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

double ours_rebuild_time(const char *path)
{
    prophet_db *db = open_at(path, BENCH_DURABLE);
    double start = bench_now();

    MUST(prophet_rebuild(db, NULL, NULL, &err));
    double seconds = bench_now() - start;
    prophet_close(db);
    return seconds;
}

static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

int ours_open_main(const char *path)
{
    double start = bench_now();
    prophet_db *db = open_at(path, BENCH_DURABLE);
    double seconds = bench_now() - start;

    printf("%.6f %ld\n", seconds, peak_kib());
    fflush(stdout);
    prophet_close(db);
    return 0;
}
