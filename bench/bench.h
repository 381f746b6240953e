/* bench: the same work done by Prophet and by SQLite, side by side. Both sides get the same records and do what a
 * program of theirs would do: Prophet through prophet.h, SQLite through prepared statements. */
#ifndef BENCH_H
#define BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the record: 9 fields, about 350 bytes as JSON, two of them indexed (status, owner) ---------------- */

typedef struct bench_record {
    char    summary[64], body[160];
    char    status[16], owner[32], component[24], reporter[32];
    int64_t severity, due, estimate;
} bench_record;
/* The n-th record, always the same. */
void   bench_record_make(uint64_t n, bench_record *out);
/* The same, of a list that is made at the first call for it: making records is on neither side's clock. */
void   bench_records_prepare(uint64_t count);
const bench_record *bench_record_of(uint64_t n); /* lives until the next call */
/* As JSON, NUL-terminated; its length. `size` 640 is enough. */
size_t bench_record_json(const bench_record *r, char *out, size_t size);

/* ---- tools ------------------------------------------------------------------------------------------------ */

double bench_now(void); /* seconds, monotonic */
_Noreturn void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A fresh path below the bench directory (removed first if it is there). */
const char *bench_path(const char *name, int round);
void        bench_remove(const char *path);
/* Runs `work` in `count` forked processes that start together; the seconds from then until all have done it.
 * open is called in each before, close after, outside of the time. */
typedef struct bench_crew {
    void *(*open)(const char *path);
    void (*work)(void *state, int worker, size_t commits);
    void (*close)(void *state);
} bench_crew;
double bench_crowd(const bench_crew *crew, const char *path, int count, size_t commits);
/* Runs a program and returns the number its standard output starts with; *second (may be NULL): the one after it. */
double bench_program(char *const argv[], double *second);

/* ---- the two sides: seconds, unless said otherwise ----------------------------------------------------------- */

typedef enum bench_sync { BENCH_DURABLE, BENCH_RELAXED } bench_sync;

double peer_commits(int round, int processes, size_t commits, bench_sync sync);
double peer_bulk(int round, size_t records, size_t per_change);
double peer_reads(int round, size_t records, size_t reads);

double ours_commits(int round, int processes, size_t commits, bench_sync sync);
double ours_bulk(int round, size_t records, size_t per_change);
double ours_reads(int round, size_t records, size_t reads);
/* Bytes a record takes in log and index, without secondary indexes and preallocation. */
double ours_bytes(size_t records, size_t per_change);
/* Pulling into clones: begin makes a source whose `history` one-field changesets came after the clones were made;
 * each take is one clone (0 .. rounds-1) that pulls what it lacks; more adds changesets to the source. */
void   ours_pull_begin(const char *name, size_t history, int rounds);
void   ours_pull_more(const char *name, size_t changesets);
double ours_pull_take(const char *name, int round);
const char *ours_pull_source(const char *name); /* its directory; until the next call */
struct prophet_db;
void   ours_touch(struct prophet_db *db, size_t changesets); /* one-field ones */
void   ours_edit(struct prophet_db *db, size_t first, size_t records, int64_t value); /* one field of each, in changesets of their own */
void   ours_filled(const char *path, size_t records);
const char *ours_pull_taker(const char *name, int round); /* until the next call */
/* Writes a bundle of everything; the bytes of a changeset in it. */
double ours_bundle(const char *source, const char *file);
double ours_clone_time(const char *source, const char *path, size_t changesets); /* verified, durable */
/* Publishes everything, then so many changesets one by one: the files of the depot, and the bytes that a pull of the last 10 reads. */
size_t ours_depot(const char *source, const char *depot, const char *reader, size_t publishes, double *bytes);
/* Reading the past of a replica at `path`, whose first record gets so many versions. A take: as_of and a read of it, in the middle of them; as_of and
 * a question to an index there; the same half the log back. */
typedef struct bench_past {
    struct prophet_db *db;
    uint64_t middle, half;
    uint8_t  id[16];
    char     summary[32];
} bench_past;
void ours_past_begin(bench_past *p, const char *path, size_t versions);
void ours_past_take(bench_past *p, double *read, double *query, double *far);
void ours_past_end(bench_past *p);
/* Opening a replica of `records`: made once at the returned path. */
const char *ours_large(size_t records, size_t per_change);
void        ours_kill(const char *path);    /* a writer is killed -9 while it writes */
double      ours_rebuild_time(const char *path);
/* What `bench --open PATH` does in a process of its own: prints seconds and the peak of its memory in KiB. */
int         ours_open_main(const char *path);

/* ---- live peers (live.c): `prophet serve` in a process of its own, over loopback ------------------------------------ */

typedef struct bench_server {
    int  pid;
    char url[64];
} bench_server;
/* program: the bench itself, whose directory the command is in. */
void   bench_serve(bench_server *s, const char *program, const char *dir);
void   bench_serve_end(bench_server *s);
double ours_live_pull(const char *path, const char *url, size_t changesets); /* that many must come */
/* Nothing is new: seconds of one pull, on a handle that pulled before; the requests and bytes (both ways, with headers) of one through a proxy that counts. */
double ours_live_same(const char *path, const bench_server *s, size_t *requests, size_t *bytes);
/* Two replicas that edited `each` records, a tenth of them both: one syncs with the other, which is served, until resolvers of both have voted and
 * nothing is new. Returns the seconds; *votes: what was cast. */
double ours_live_conflicts(const char *program, size_t each, int round, size_t *votes);
int    ours_serve_main(const char *path); /* `bench --serve PATH`: serves with a resolver, until its input ends */

/* ---- questions (queries.c) -------------------------------------------------------------------------------------- */

/* Tickets in `groups` groups, 100 milestones; with the other side or without. */
typedef struct bench_asked bench_asked;
bench_asked *bench_ask_begin(size_t records, size_t groups, bool peer);
/* Conditions in the text form; with an order also a limit. */
double       bench_ask_ours(bench_asked *a, const char *text, const char *order, size_t limit, size_t times, size_t *rows);
double       bench_ask_peer(bench_asked *a, const char *sql, size_t times, size_t *rows);
const char  *bench_ask_path(const bench_asked *a); /* Prophet's, for programs */
void         bench_ask_end(bench_asked *a);

/* ---- words (fulltext.c): one word that is in a fiftieth of the texts ------------------------------------------------- */

typedef struct bench_texts bench_texts;
typedef enum bench_text_ask { BENCH_COUNT, BENCH_FETCH, BENCH_TOP } bench_text_ask; /* how many; all of them; the first 20 by BM25 */
bench_texts *bench_texts_begin(size_t records);
double       bench_texts_ours(bench_texts *t, bench_text_ask ask, size_t times, size_t *rows);
double       bench_texts_peer(bench_texts *t, bench_text_ask ask, size_t times, size_t *rows);
void         bench_texts_end(bench_texts *t);
/* Seconds for one-record commits, relaxed, with two indexes or with full text or without. */
double       bench_texts_commits(bool ours, bool indexed, bool words, size_t commits);

#endif
