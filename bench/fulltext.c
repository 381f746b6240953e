/* Words in 100,000 texts, asked of both sides: SQLite has FTS5 with the same stems and weights, over a typed table. And what a commit costs
 * with two indexes and full text, against the same commit without. Called by main.c. */
#include "bench.h"
#include <prophet.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 4096, SUMMARY = 6, BODY = 40, CHANGE = 1000, EVERY = 50 };

struct bench_texts {
    prophet_db *db;
    sqlite3 *peer;
    char path[4096];
};

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s: %s %s", what, prophet_code_name(rc), err.message, err.hint);
}
#define MUST(call) must((call), #call)

static void check(sqlite3 *db, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        bench_die("sqlite: %s", sqlite3_errmsg(db));
}

/* ---- texts ------------------------------------------------------------------------------------------------- */

typedef struct text {
    char summary[256], body[1024], status[16], owner[16];
    int64_t severity;
} text;

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17; /* xorshift64 */
    return *x;
}

/* Common words are few, as in languages: the product of two draws. */
static size_t put_word(char *out, size_t at, size_t size, uint64_t *x)
{
    static const char *const part[16] = { "ba", "ce", "di", "fo", "gu", "ka", "le", "mi",
                                          "no", "pu", "ra", "se", "ti", "vo", "wu", "za" };
    uint64_t w = (next(x) % WORDS) * (next(x) % WORDS) / WORDS;
    int n = snprintf(out + at, size - at, "%s%s%s%s", at ? " " : "", part[w & 15],
                     part[w >> 4 & 15], part[w >> 8 & 15]);
    return at + (size_t)n;
}

/* "kiwi" is in one of fifty. */
static void make(size_t n, text *t)
{
    uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;
    size_t at = 0, kiwis = n % EVERY == 7 ? 1 + n % 3 : 0;

    for (int i = 0; i < SUMMARY; i++)
        at = put_word(t->summary, at, sizeof t->summary, &x);
    if (kiwis == 3)
        (void)snprintf(t->summary + at, sizeof t->summary - at, " kiwi");
    at = 0;
    for (size_t i = 0; i < BODY; i++) {
        at = put_word(t->body, at, sizeof t->body, &x);
        if (i < kiwis)
            at += (size_t)snprintf(t->body + at, sizeof t->body - at, " kiwi");
    }
    (void)snprintf(t->status, sizeof t->status, "status-%d", (int)(x % 5));
    (void)snprintf(t->owner, sizeof t->owner, "user-%d", (int)(x >> 8) % 100);
    t->severity = (int64_t)(x % 7);
}

/* ---- Prophet ------------------------------------------------------------------------------------------------- */

static void define(prophet_db *db, bool indexed, bool words)
{
    static const char *const names[5] = { "summary", "body", "status", "owner", "severity" };
    static const char *const kinds[5] = { "string", "text", "string", "string", "int" };
    prophet_field m[5][4], top[2];
    prophet_value f[5];
    prophet_txn *t = NULL;

    for (int i = 0; i < 5; i++) {
        size_t n = 2;
        m[i][0] = prophet_put("name", prophet_text(names[i]));
        m[i][1] = prophet_put("kind", prophet_text(kinds[i]));
        if (words && i < 2)
            m[i][n++] = prophet_put("fulltext", prophet_int(i == 0 ? 3 : 1));
        if (indexed && (i == 2 || i == 3))
            m[i][n++] = prophet_put("index", prophet_bool(true));
        f[i] = prophet_map(m[i], n);
    }
    top[0] = prophet_put("name", prophet_text("ticket"));
    top[1] = prophet_put("fields", prophet_list(f, 5));
    MUST(prophet_txn_begin(db, NULL, &t, &err));
    MUST(prophet_txn_define(t, prophet_map(top, 2), &err));
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
}

static void ours_put(prophet_txn *t, const text *x)
{
    const prophet_field f[5] = { prophet_put("summary", prophet_text(x->summary)),
                                 prophet_put("body", prophet_text(x->body)),
                                 prophet_put("status", prophet_text(x->status)),
                                 prophet_put("owner", prophet_text(x->owner)),
                                 prophet_put("severity", prophet_int(x->severity)) };
    MUST(prophet_txn_create(t, "ticket", NULL, f, 5, NULL, &err));
}

static prophet_db *ours_open(const char *path, bool indexed, bool words)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.create = true;
    o.user = "ann@example.org";
    o.durability = PROPHET_RELAXED;
    MUST(prophet_open(path, &o, &db, &err));
    define(db, indexed, words);
    return db;
}

static void ours_fill(prophet_db *db, size_t records, size_t per_change)
{
    text x;

    for (size_t n = 0; n < records;) {
        prophet_txn *t = NULL;
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        for (size_t i = 0; i < per_change && n < records; i++, n++) {
            make(n, &x);
            ours_put(t, &x);
        }
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
}

static prophet_value asked(prophet_field spec[4], prophet_value where[2], prophet_value *order,
                           bench_text_ask ask)
{
    where[0] = prophet_text("match");
    where[1] = prophet_text("kiwi");
    *order = prophet_text("-score");
    spec[0] = prophet_put("type", prophet_text("ticket"));
    spec[1] = prophet_put("where", prophet_list(where, 2));
    spec[2] = prophet_put("order", prophet_list(order, 1));
    spec[3] = prophet_put("limit", prophet_int(20));
    return prophet_map(spec, ask == BENCH_TOP ? 4 : 2);
}

/* Every field of every row. */
static size_t ours_ask(prophet_db *db, bench_text_ask ask)
{
    prophet_field spec[4];
    prophet_value where[2], order, v;
    prophet_iter *it = NULL;
    const prophet_doc *row;
    prophet_slice name;
    size_t rows = 0;
    uint64_t count;
    volatile uint64_t sum = 0;
    prophet_code rc;

    prophet_value query = asked(spec, where, &order, ask);
    if (ask == BENCH_COUNT) {
        MUST(prophet_count(db, query, &count, &err));
        return (size_t)count;
    }
    MUST(prophet_query(db, query, &it, &err));
    for (; (rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK; rows++)
        for (size_t i = 0; prophet_doc_at(row, i, &name, &v); i++)
            sum += (uint64_t)v.kind;
    MUST(rc);
    prophet_iter_close(it);
    return rows;
}

/* ---- SQLite ---------------------------------------------------------------------------------------------------- */

static void peer_run(sqlite3 *db, const char *sql)
{
    check(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static sqlite3 *peer_open(const char *path, bool indexed, bool words)
{
    sqlite3 *db = NULL;
    char file[4200];

    (void)snprintf(file, sizeof file, "%s.sqlite", path);
    bench_remove(file);
    check(db, sqlite3_open(file, &db));
    peer_run(db,
             "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; CREATE TABLE ticket(n INTEGER "
             "PRIMARY KEY, summary TEXT, body TEXT, status TEXT, owner TEXT, severity INTEGER)");
    if (indexed)
        peer_run(db, "CREATE INDEX ts ON ticket(status); CREATE INDEX tw ON ticket(owner)");
    if (words)
        peer_run(db,
                 "CREATE VIRTUAL TABLE ft USING fts5(summary, body, content='ticket', "
                 "content_rowid='n', tokenize='porter unicode61');"
                 "CREATE TRIGGER ti AFTER INSERT ON ticket BEGIN INSERT INTO ft(rowid, summary, "
                 "body) VALUES(new.n, new.summary, new.body); END");
    return db;
}

static void peer_fill(sqlite3 *db, size_t records, size_t per_change)
{
    sqlite3_stmt *s = NULL;
    text x;

    check(db, sqlite3_prepare_v2(db, "INSERT INTO ticket VALUES(NULL,?,?,?,?,?)", -1, &s, NULL));
    for (size_t n = 0; n < records;) {
        peer_run(db, "BEGIN");
        for (size_t i = 0; i < per_change && n < records; i++, n++) {
            make(n, &x);
            sqlite3_bind_text(s, 1, x.summary, -1, SQLITE_STATIC);
            sqlite3_bind_text(s, 2, x.body, -1, SQLITE_STATIC);
            sqlite3_bind_text(s, 3, x.status, -1, SQLITE_STATIC);
            sqlite3_bind_text(s, 4, x.owner, -1, SQLITE_STATIC);
            sqlite3_bind_int64(s, 5, x.severity);
            check(db, sqlite3_step(s));
            check(db, sqlite3_reset(s));
        }
        peer_run(db, "COMMIT");
    }
    sqlite3_finalize(s);
}

static size_t peer_ask(sqlite3 *db, bench_text_ask ask)
{
    static const char *const sql[] = {
        "SELECT count(*) FROM ft WHERE ft MATCH 'kiwi'",
        "SELECT t.* FROM ft JOIN ticket t ON t.n = ft.rowid WHERE ft MATCH 'kiwi'",
        "SELECT t.* FROM ft JOIN ticket t ON t.n = ft.rowid WHERE ft MATCH 'kiwi' ORDER BY "
        "bm25(ft, 3.0, 1.0) LIMIT 20"
    };
    sqlite3_stmt *s = NULL;
    volatile uint64_t sum = 0;
    size_t rows = 0;
    int rc;

    check(db, sqlite3_prepare_v2(db, sql[ask], -1, &s, NULL));
    for (; (rc = sqlite3_step(s)) == SQLITE_ROW; rows++)
        for (int i = 0, n = sqlite3_column_count(s); i < n; i++)
            sum += sqlite3_column_type(s, i) == SQLITE_INTEGER
                       ? (uint64_t)sqlite3_column_int64(s, i)
                       : sqlite3_column_text(s, i)[0];
    check(db, rc);
    sqlite3_finalize(s);
    return ask == BENCH_COUNT ? (size_t)sum : rows;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

bench_texts *bench_texts_begin(size_t records)
{
    bench_texts *t = calloc(1, sizeof *t);

    if (!t)
        bench_die("out of memory");
    (void)snprintf(t->path, sizeof t->path, "%s", bench_path("fulltext", 0));
    t->db = ours_open(t->path, true, true);
    ours_fill(t->db, records, CHANGE);
    t->peer = peer_open(t->path, true, true);
    peer_fill(t->peer, records, CHANGE);
    peer_run(t->peer, "INSERT INTO ft(ft) VALUES('optimize'); PRAGMA wal_checkpoint(TRUNCATE)");
    return t;
}

double bench_texts_ours(bench_texts *t, bench_text_ask ask, size_t times, size_t *rows)
{
    double start = bench_now();

    for (size_t i = 0; i < times; i++)
        *rows = ours_ask(t->db, ask);
    return bench_now() - start;
}

double bench_texts_peer(bench_texts *t, bench_text_ask ask, size_t times, size_t *rows)
{
    double start = bench_now();

    for (size_t i = 0; i < times; i++)
        *rows = peer_ask(t->peer, ask);
    return bench_now() - start;
}

static void remove_peer(const char *path)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char file[4300];

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(file, sizeof file, "%s.sqlite%s", path, ends[i]);
        bench_remove(file);
    }
}

void bench_texts_end(bench_texts *t)
{
    prophet_close(t->db);
    check(t->peer, sqlite3_close(t->peer));
    bench_remove(t->path);
    remove_peer(t->path);
    free(t);
}

double bench_texts_commits(bool ours, bool indexed, bool words, size_t commits)
{
    char path[4096];
    double start;

    (void)snprintf(path, sizeof path, "%s", bench_path("words-commits", 0));
    if (ours) {
        prophet_db *db = ours_open(path, indexed, words);
        start = bench_now();
        ours_fill(db, commits, 1);
        start = bench_now() - start;
        prophet_close(db);
    } else {
        sqlite3 *db = peer_open(path, indexed, words);
        start = bench_now();
        peer_fill(db, commits, 1);
        start = bench_now() - start;
        check(db, sqlite3_close(db));
        remove_peer(path);
    }
    bench_remove(path);
    return start;
}
