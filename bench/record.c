/* The records of the bench, made from their number: the same for both sides, and for bench/bulk.lua. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const STATUS[] = { "new", "open", "stalled", "closed" };
static const char *const COMPONENT[] = { "storage", "exchange", "merge", "scripts",
                                         "documentation" };

void bench_record_make(uint64_t n, bench_record *out)
{
    uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;

    x ^= x >> 29;
    (void)snprintf(out->summary, sizeof out->summary,
                   "The save of project %05llu fails on disk %02llu",
                   (unsigned long long)n % 100000, (unsigned long long)x % 97);
    (void)snprintf(out->body, sizeof out->body,
                   "It happened %llu times since the last update, with the log at %016llx; nothing "
                   "else was running on that machine then.",
                   (unsigned long long)x % 1000, (unsigned long long)x);
    (void)snprintf(out->status, sizeof out->status, "%s", STATUS[x % 4]);
    (void)snprintf(out->owner, sizeof out->owner, "person%03u@example.org",
                   (unsigned)(x >> 8) % 200);
    (void)snprintf(out->component, sizeof out->component, "%s", COMPONENT[(x >> 16) % 5]);
    (void)snprintf(out->reporter, sizeof out->reporter, "person%03u@example.org",
                   (unsigned)(x >> 24) % 200);
    out->severity = (int64_t)(x >> 32) % 5 + 1;
    out->due = 1767225600000 + (int64_t)(x >> 20) % 31536000000;
    out->estimate = (int64_t)(x >> 12) % 400;
}

static bench_record *prepared;
static uint64_t prepared_count;

void bench_records_prepare(uint64_t count)
{
    if (count <= prepared_count)
        return;
    free(prepared);
    if (!(prepared = malloc(count * sizeof *prepared)))
        bench_die("no memory for %llu records", (unsigned long long)count);
    for (uint64_t n = 0; n < count; n++)
        bench_record_make(n, &prepared[n]);
    prepared_count = count;
}

const bench_record *bench_record_of(uint64_t n)
{
    static bench_record one;

    if (n < prepared_count)
        return &prepared[n];
    bench_record_make(n, &one);
    return &one;
}

size_t bench_record_json(const bench_record *r, char *out, size_t size)
{
    int n = snprintf(
        out, size,
        "{\"body\":\"%s\",\"component\":\"%s\",\"due\":%lld,\"estimate\":%lld,\"owner\":\"%s\","
        "\"reporter\":\"%s\",\"severity\":%lld,\"status\":\"%s\",\"summary\":\"%s\"}",
        r->body, r->component, (long long)r->due, (long long)r->estimate, r->owner, r->reporter,
        (long long)r->severity, r->status, r->summary);
    if (n < 0 || (size_t)n >= size)
        bench_die("a record does not fit");
    return (size_t)n;
}
