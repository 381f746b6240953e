/* Exchange by files, through prophet.h: a bundle of one-field changesets, and a depot after many small publishes. Called by main.c; the source
 * of both is the one of the rows about pulling (prophet.c). */
#include "bench.h"
#include <ftw.h>
#include <prophet.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAST = 10 }; /* what the last pull of a depot brings */

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s: %s %s", what, prophet_code_name(rc), err.message, err.hint);
}
#define MUST(call) must((call), #call)

static int64_t number(const prophet_doc *d, const char *name)
{
    prophet_value v;

    if (!prophet_doc_get(d, name, &v) || v.kind != PROPHET_INT)
        bench_die("a report has no %s", name);
    return v.as.integer;
}

static prophet_db *open_relaxed(const char *path)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.durability = PROPHET_RELAXED;
    MUST(prophet_open(path, &o, &db, &err));
    return db;
}

static double clone_time(const char *source, const char *path, size_t changesets)
{
    prophet_db *db = NULL;
    prophet_doc *report = NULL;

    bench_remove(path);
    double start = bench_now();
    MUST(prophet_clone(source, path, NULL, &db, &report, &err));
    double seconds = bench_now() - start;
    if ((size_t)number(report, "changesets") < changesets)
        bench_die("%s: only %lld changesets came", path, (long long)number(report, "changesets"));
    prophet_doc_free(report);
    prophet_close(db);
    bench_remove(path);
    return seconds;
}

/* ---- bundles -------------------------------------------------------------------------------------------- */

double ours_bundle(const char *source, const char *file)
{
    prophet_db *db = open_relaxed(source);
    prophet_doc *report = NULL;

    MUST(prophet_bundle(db, file, NULL, NULL, &report, &err));
    double bytes = (double)number(report, "bytes") / (double)number(report, "changesets");
    prophet_doc_free(report);
    prophet_close(db);
    return bytes;
}

double ours_clone_time(const char *source, const char *path, size_t changesets)
{
    return clone_time(source, path, changesets);
}

/* ---- depots --------------------------------------------------------------------------------------------- */

static size_t files;

static int count_file(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)path, (void)st, (void)ftw;
    files += flag == FTW_F;
    return 0;
}

size_t ours_depot(const char *source, const char *depot, const char *reader, size_t publishes,
                  double *bytes)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = open_relaxed(source), *taker = NULL;
    prophet_doc *report = NULL;

    bench_remove(depot);
    bench_remove(reader);
    MUST(prophet_publish(db, depot, NULL, NULL, &err));
    for (size_t i = 0; i < publishes; i++) {
        if (i + LAST == publishes)
            MUST(prophet_clone(depot, reader, &o, &taker, NULL, &err));
        ours_touch(db, 1);
        MUST(prophet_publish(db, depot, NULL, NULL, &err));
    }
    if (!taker)
        MUST(prophet_clone(depot, reader, &o, &taker, NULL, &err));
    MUST(prophet_pull(taker, depot, NULL, &report, &err));
    if (publishes >= LAST && number(report, "changesets") != LAST)
        bench_die("the last pull brought %lld changesets", (long long)number(report, "changesets"));
    *bytes = (double)number(report, "bytes");
    prophet_doc_free(report);
    prophet_close(taker);
    prophet_close(db);
    files = 0;
    if (nftw(depot, count_file, 16, FTW_PHYS) != 0)
        bench_die("cannot look at %s", depot);
    bench_remove(reader);
    return files;
}
