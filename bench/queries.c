/* Questions to 100,000 tickets, asked of both sides: SQLite has typed columns and the same indexes. Each row reads every field of all it
 * finds. Called by main.c. */
#include "bench.h"
#include <prophet.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 9, MILESTONES = 100, GROUPS = 5, CHANGE = 1000 };

/* ticket: grp (rows/hits values; indexed), status (5) with due (together indexed), milestone (100; indexed), kind (1,000 values; not indexed). */
typedef struct ticket {
    char grp[24], status[16], summary[64], body[160], kind[16];
    int64_t due, severity, estimate;
    unsigned milestone;
} ticket;

struct bench_asked {
    prophet_db *db;
    sqlite3 *peer;
    size_t records;
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

static void make(size_t n, size_t groups, ticket *t)
{
    uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;
    const bench_record *r = bench_record_of(n % 1000);

    x ^= x >> 29;
    (void)snprintf(t->grp, sizeof t->grp, "g%zu", n % groups);
    (void)snprintf(t->status, sizeof t->status, "status-%d", (int)(x % GROUPS));
    (void)snprintf(t->kind, sizeof t->kind, "k%d", (int)((x >> 8) % 1000));
    memcpy(t->summary, r->summary, sizeof t->summary);
    memcpy(t->body, r->body, sizeof t->body);
    t->due = (int64_t)((x >> 20) % 100000);
    t->severity = (int64_t)(x % 7);
    t->estimate = (int64_t)(x >> 40) % 400;
    t->milestone = (unsigned)((x >> 32) % MILESTONES);
}

/* ---- Prophet ------------------------------------------------------------------------------------------------ */

static prophet_value field(prophet_field m[4], const char *name, const char *kind, bool index,
                           bool ref)
{
    size_t n = 2;

    m[0] = prophet_put("name", prophet_text(name));
    m[1] = prophet_put("kind", prophet_text(kind));
    if (index)
        m[n++] = prophet_put("index", prophet_bool(true));
    if (ref)
        m[n++] = prophet_put("to", prophet_text("milestone"));
    return prophet_map(m, n);
}

static void define(prophet_db *db)
{
    prophet_field m[FIELDS][4], name[4], top[3];
    prophet_value pair[2] = { prophet_text("status"), prophet_text("due") };
    prophet_value index = prophet_list(pair, 2), named = field(name, "name", "string", true, false);
    prophet_value f[FIELDS] = {
        field(m[0], "grp", "string", true, false),   field(m[1], "status", "string", false, false),
        field(m[2], "due", "int", false, false),     field(m[3], "milestone", "ref", true, true),
        field(m[4], "kind", "string", false, false), field(m[5], "summary", "string", false, false),
        field(m[6], "body", "text", false, false),   field(m[7], "severity", "int", false, false),
        field(m[8], "estimate", "int", false, false)
    };
    prophet_txn *t = NULL;

    MUST(prophet_txn_begin(db, NULL, &t, &err));
    top[0] = prophet_put("name", prophet_text("milestone"));
    top[1] = prophet_put("fields", prophet_list(&named, 1));
    MUST(prophet_txn_define(t, prophet_map(top, 2), &err));
    top[0] = prophet_put("name", prophet_text("ticket"));
    top[1] = prophet_put("fields", prophet_list(f, FIELDS));
    top[2] = prophet_put("indexes", prophet_list(&index, 1));
    MUST(prophet_txn_define(t, prophet_map(top, 3), &err));
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
}

static prophet_uuid id_of(uint8_t type, uint64_t n)
{
    prophet_uuid id = { { 0 } };

    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(n >> (40 - 8 * i));
    id.b[6] = 0x70, id.b[8] = 0x80, id.b[15] = type;
    return id;
}

static void ours_ticket(prophet_txn *t, size_t n, const ticket *r)
{
    prophet_uuid id = id_of(1, n);
    const prophet_field f[FIELDS] = {
        prophet_put("grp", prophet_text(r->grp)),
        prophet_put("status", prophet_text(r->status)),
        prophet_put("due", prophet_int(r->due)),
        prophet_put("milestone", prophet_ref(id_of(2, r->milestone))),
        prophet_put("kind", prophet_text(r->kind)),
        prophet_put("summary", prophet_text(r->summary)),
        prophet_put("body", prophet_text(r->body)),
        prophet_put("severity", prophet_int(r->severity)),
        prophet_put("estimate", prophet_int(r->estimate)),
    };
    MUST(prophet_txn_create(t, "ticket", &id, f, FIELDS, NULL, &err));
}

static prophet_db *ours_fill(const char *path, size_t records, size_t groups)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;
    prophet_txn *t = NULL;
    ticket r;

    o.create = true;
    o.user = "ann@example.org";
    o.durability = PROPHET_RELAXED;
    MUST(prophet_open(path, &o, &db, &err));
    define(db);
    MUST(prophet_txn_begin(db, NULL, &t, &err));
    for (unsigned n = 0; n < MILESTONES; n++) {
        char name[16];
        prophet_uuid id = id_of(2, n);
        (void)snprintf(name, sizeof name, "m%u", n);
        const prophet_field f = prophet_put("name", prophet_text(name));
        MUST(prophet_txn_create(t, "milestone", &id, &f, 1, NULL, &err));
    }
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
    for (size_t n = 0; n < records;) {
        MUST(prophet_txn_begin(db, NULL, &t, &err));
        for (size_t i = 0; i < CHANGE && n < records; i++, n++) {
            make(n, groups, &r);
            ours_ticket(t, n, &r);
        }
        MUST(prophet_txn_commit(t, NULL, NULL, &err));
    }
    return db;
}

/* Every field of every row. */
static size_t ours_ask(prophet_db *db, const char *text, const char *order, size_t limit)
{
    const prophet_value by = prophet_text(order ? order : "");
    prophet_field spec[5] = { prophet_put("type", prophet_text("ticket")),
                              prophet_put("text", prophet_text(text)),
                              prophet_put("scan", prophet_bool(true)),
                              prophet_put("order", prophet_list(&by, 1)),
                              prophet_put("limit", prophet_int((int64_t)limit)) };
    prophet_iter *it = NULL;
    const prophet_doc *row;
    prophet_slice name;
    prophet_value v;
    size_t rows = 0;
    volatile uint64_t sum = 0;
    prophet_code rc;

    MUST(prophet_query(db, prophet_map(spec, order ? 5 : 3), &it, &err));
    for (; (rc = prophet_iter_next(it, &row, &err)) == PROPHET_OK; rows++)
        for (size_t i = 0; prophet_doc_at(row, i, &name, &v); i++)
            sum += (uint64_t)v.kind;
    MUST(rc);
    prophet_iter_close(it);
    return rows;
}

/* ---- SQLite ------------------------------------------------------------------------------------------------- */

static void peer_run(sqlite3 *db, const char *sql)
{
    check(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

static void peer_insert(sqlite3 *db, sqlite3_stmt *s, size_t n, const ticket *r)
{
    prophet_uuid id = id_of(1, n), milestone = id_of(2, r->milestone);

    sqlite3_bind_blob(s, 1, id.b, 16, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, r->grp, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, r->status, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, r->due);
    sqlite3_bind_blob(s, 5, milestone.b, 16, SQLITE_STATIC);
    sqlite3_bind_text(s, 6, r->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 7, r->summary, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 8, r->body, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 9, r->severity);
    sqlite3_bind_int64(s, 10, r->estimate);
    check(db, sqlite3_step(s));
    check(db, sqlite3_reset(s));
}

static sqlite3 *peer_fill(const char *path, size_t records, size_t groups)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    char file[4200];
    ticket r;

    (void)snprintf(file, sizeof file, "%s.sqlite", path);
    bench_remove(file);
    check(db, sqlite3_open(file, &db));
    peer_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                 "CREATE TABLE milestone(id BLOB PRIMARY KEY, name TEXT); CREATE INDEX mn ON "
                 "milestone(name);"
                 "CREATE TABLE ticket(id BLOB PRIMARY KEY, grp TEXT, status TEXT, due INTEGER, "
                 "milestone BLOB, kind TEXT,"
                 "summary TEXT, body TEXT, severity INTEGER, estimate INTEGER);"
                 "CREATE INDEX tg ON ticket(grp); CREATE INDEX ts ON ticket(status, due);"
                 "CREATE INDEX tm ON ticket(milestone); BEGIN");
    check(db, sqlite3_prepare_v2(db, "INSERT INTO milestone VALUES(?,?)", -1, &s, NULL));
    for (unsigned n = 0; n < MILESTONES; n++) {
        char name[16];
        prophet_uuid id = id_of(2, n);
        (void)snprintf(name, sizeof name, "m%u", n);
        sqlite3_bind_blob(s, 1, id.b, 16, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
        check(db, sqlite3_step(s));
        check(db, sqlite3_reset(s));
    }
    sqlite3_finalize(s);
    check(db,
          sqlite3_prepare_v2(db, "INSERT INTO ticket VALUES(?,?,?,?,?,?,?,?,?,?)", -1, &s, NULL));
    for (size_t n = 0; n < records; n++) {
        make(n, groups, &r);
        peer_insert(db, s, n, &r);
    }
    sqlite3_finalize(s);
    peer_run(db, "COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
    return db;
}

static size_t peer_ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    volatile uint64_t sum = 0;
    size_t rows = 0;
    int rc;

    check(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL));
    for (; (rc = sqlite3_step(s)) == SQLITE_ROW; rows++)
        for (int i = 0, n = sqlite3_column_count(s); i < n; i++)
            switch (sqlite3_column_type(s, i)) {
            case SQLITE_INTEGER: sum += (uint64_t)sqlite3_column_int64(s, i); break;
            case SQLITE_TEXT: sum += sqlite3_column_text(s, i)[0]; break;
            default: sum += ((const uint8_t *)sqlite3_column_blob(s, i))[0];
            }
    check(db, rc);
    sqlite3_finalize(s);
    return rows;
}

/* ---- both ----------------------------------------------------------------------------------------------------- */

bench_asked *bench_ask_begin(size_t records, size_t groups, bool peer)
{
    bench_asked *a = calloc(1, sizeof *a);
    const char *path = bench_path("queries", (int)(records % 997));

    if (!a)
        bench_die("out of memory");
    a->records = records;
    (void)snprintf(a->path, sizeof a->path, "%s", path);
    a->db = ours_fill(path, records, groups);
    if (peer)
        a->peer = peer_fill(path, records, groups);
    return a;
}

double bench_ask_ours(bench_asked *a, const char *text, const char *order, size_t limit,
                      size_t times, size_t *rows)
{
    double start = bench_now();

    for (size_t i = 0; i < times; i++)
        *rows = ours_ask(a->db, text, order, limit);
    return bench_now() - start;
}

double bench_ask_peer(bench_asked *a, const char *sql, size_t times, size_t *rows)
{
    double start = bench_now();

    for (size_t i = 0; i < times; i++)
        *rows = peer_ask(a->peer, sql);
    return bench_now() - start;
}

const char *bench_ask_path(const bench_asked *a)
{
    return a->path;
}

void bench_ask_end(bench_asked *a)
{
    char file[4200];

    prophet_close(a->db);
    if (a->peer)
        check(a->peer, sqlite3_close(a->peer));
    (void)snprintf(file, sizeof file, "%s.sqlite", bench_path("queries", (int)(a->records % 997)));
    bench_remove(file); /* what Prophet made is gone with the path */
    free(a);
}
