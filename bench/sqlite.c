/* The SQLite side: the record as JSON in one table, a row a change in another, the two indexed fields as columns with
 * an index each, WAL, prepared statements, all else as it comes. durable is synchronous=FULL, relaxed is OFF. Called
 * by main.c. (WITHOUT ROWID reads a tenth faster and writes a fifth slower.) */
#include "bench.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct side {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *record, *change, *read;
} side;

static bench_sync sync_mode; /* of the sides opened from now on */

static void check(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        bench_die("sqlite: %s", sqlite3_errmsg(db));
}

static void run(sqlite3 *db, const char *sql)
{
    check(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;

    check(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL));
    return s;
}

static void step(side *s, sqlite3_stmt *stmt)
{
    check(s->db, sqlite3_step(stmt));
    check(s->db, sqlite3_reset(stmt));
}

static void *side_open(const char *path)
{
    char file[4200];
    side *s = calloc(1, sizeof *s);

    if (!s)
        bench_die("out of memory");
    (void)snprintf(file, sizeof file, "%s/db", path);
    check(s->db, sqlite3_open(file, &s->db));
    check(s->db, sqlite3_busy_timeout(s->db, 60000));
    run(s->db, "PRAGMA journal_mode=WAL");
    run(s->db, sync_mode == BENCH_DURABLE ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    run(s->db,
        "CREATE TABLE IF NOT EXISTS record(id BLOB PRIMARY KEY, status TEXT, owner TEXT, doc TEXT);"
        "CREATE TABLE IF NOT EXISTS change(version INTEGER PRIMARY KEY, record BLOB, time INTEGER, "
        "author TEXT, doc TEXT);"
        "CREATE INDEX IF NOT EXISTS by_status ON record(status);"
        "CREATE INDEX IF NOT EXISTS by_owner ON record(owner)");
    s->begin = prepare(s->db, "BEGIN IMMEDIATE");
    s->commit = prepare(s->db, "COMMIT");
    s->record = prepare(s->db, "INSERT INTO record VALUES(?,?,?,?)");
    s->change = prepare(s->db, "INSERT INTO change(record,time,author,doc) VALUES(?,?,?,?)");
    s->read = prepare(s->db, "SELECT doc FROM record WHERE id=?");
    return s;
}

static void side_close(void *state)
{
    side *s = state;

    sqlite3_finalize(s->begin), sqlite3_finalize(s->commit), sqlite3_finalize(s->record);
    sqlite3_finalize(s->change), sqlite3_finalize(s->read);
    check(s->db, sqlite3_close(s->db));
    free(s);
}

/* Rising, as UUIDv7 are, and different in each process. */
static void make_id(uint64_t n, int worker, uint8_t id[16])
{
    memset(id, 0, 16);
    for (int i = 0; i < 8; i++)
        id[i] = (uint8_t)(n >> (56 - 8 * i));
    id[15] = (uint8_t)worker;
}

static void insert(side *s, uint64_t n, int worker)
{
    const bench_record *r = bench_record_of(n);
    char doc[640];
    uint8_t id[16];
    int len = (int)bench_record_json(r, doc, sizeof doc);

    make_id(n, worker, id);
    sqlite3_bind_blob(s->record, 1, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_text(s->record, 2, r->status, -1, SQLITE_STATIC);
    sqlite3_bind_text(s->record, 3, r->owner, -1, SQLITE_STATIC);
    sqlite3_bind_text(s->record, 4, doc, len, SQLITE_STATIC);
    step(s, s->record);
    sqlite3_bind_blob(s->change, 1, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_int64(s->change, 2, 1767225600000 + (sqlite3_int64)n);
    sqlite3_bind_text(s->change, 3, "ann@example.org", -1, SQLITE_STATIC);
    sqlite3_bind_text(s->change, 4, doc, len, SQLITE_STATIC);
    step(s, s->change);
}

static void work(void *state, int worker, size_t commits)
{
    side *s = state;

    for (size_t i = 0; i < commits; i++) {
        step(s, s->begin);
        insert(s, i, worker);
        step(s, s->commit);
    }
}

static const char *fresh(const char *name, int round, bench_sync sync)
{
    const char *path = bench_path(name, round);

    sync_mode = sync;
    if (mkdir(path, 0777) != 0)
        bench_die("cannot make %s", path);
    side_close(side_open(path)); /* the tables are there before the time starts */
    return path;
}

double peer_commits(int round, int processes, size_t commits, bench_sync sync)
{
    static const bench_crew crew = { side_open, work, side_close };
    const char *path = fresh("sqlite-commits", round, sync);
    double seconds = bench_crowd(&crew, path, processes, commits);

    bench_remove(path);
    return seconds;
}

static void fill(side *s, size_t records, size_t per_change)
{
    for (size_t n = 0; n < records;) {
        step(s, s->begin);
        for (size_t i = 0; i < per_change && n < records; i++, n++)
            insert(s, n, 0);
        step(s, s->commit);
    }
}

double peer_bulk(int round, size_t records, size_t per_change)
{
    const char *path = fresh("sqlite-bulk", round, BENCH_DURABLE);
    side *s = side_open(path);

    bench_records_prepare(records);
    double start = bench_now();
    fill(s, records, per_change);
    double seconds = bench_now() - start;
    side_close(s);
    bench_remove(path);
    return seconds;
}

double peer_reads(int round, size_t records, size_t reads)
{
    const char *path = fresh("sqlite-reads", round, BENCH_RELAXED);
    side *s = side_open(path);
    uint64_t x = 88172645463325252u, sum = 0;
    uint8_t id[16];

    fill(s, records, 1000);
    run(s->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    run(s->db, "BEGIN");
    double start = bench_now();
    for (size_t i = 0; i < reads; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
        make_id(x % records, 0, id);
        sqlite3_bind_blob(s->read, 1, id, sizeof id, SQLITE_STATIC);
        if (sqlite3_step(s->read) != SQLITE_ROW)
            bench_die("sqlite: a record is missing");
        sum += sqlite3_column_text(s->read, 0)[20];
        check(s->db, sqlite3_reset(s->read));
    }
    double seconds = bench_now() - start;
    run(s->db, "COMMIT");
    side_close(s);
    bench_remove(path);
    return sum ? seconds : 0;
}
