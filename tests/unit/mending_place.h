/* Replicas with notes, whose logs are to be damaged. */
#ifndef PH_MENDING_PLACE_H
#define PH_MENDING_PLACE_H
#include "replica/replica_impl.h"
#include "support/test.h"
#include "sync/sync.h"
#include <stdlib.h>

static prophet_error err;

static inline const char *place(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static inline ph_replica *open_at(const char *name)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    ph_log_roll_at(r->log, 16384);
    return r;
}

static inline void write_one(ph_replica *r, uint64_t n)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;
    char name[100];
    (void)snprintf(name, sizeof name, "note %llu of some length, so that several files are filled",
                   (unsigned long long)n);
    ph_put_text(&b, ph_slice_str(name));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static inline void pull(ph_replica *r, const char *from)
{
    ph_sync_report rep = { 0 };
    REQUIRE_OK(ph_sync_pull(r, place(from), NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
}

static inline void print(void *ctx, bool fault, const char *line)
{
    (void)ctx;
    if (fault)
        (void)fprintf(stderr, "check: %s\n", line);
}

static inline uint64_t faults(ph_replica *r, bool show)
{
    ph_check_report rep;
    REQUIRE_OK(ph_replica_check(r, show ? print : NULL, NULL, &rep, &err), &err);
    return rep.faults;
}

static inline uint64_t lost(ph_replica *r)
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint64_t n = v->state.lost;
    ph_view_end(v);
    return n;
}

static inline void digest_of(ph_replica *r, uint8_t out[32])
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, out, &err), &err);
    ph_view_end(v);
}

static inline void require_same(ph_replica *a, ph_replica *b)
{
    uint8_t x[32], y[32];
    digest_of(a, x);
    digest_of(b, y);
    REQUIRE(memcmp(x, y, 32) == 0);
}

#endif
