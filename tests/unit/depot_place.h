/* Replicas and depots in the directory of a test. */
#ifndef DEPOT_PLACE_H
#define DEPOT_PLACE_H
#include "support/test.h"
#include "sync/depot_impl.h"
#include <stdlib.h>

static prophet_error err;

static inline const char *place(const char *name)
{
    static char paths[8][4200];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static inline ph_replica *open_at(const char *name)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    return r;
}

static inline ph_replica *fresh(const char *name, const ph_uuid *database)
{
    REQUIRE_OK(ph_replica_create(place(name), database, &err), &err);
    return open_at(name);
}

static inline void write_some(ph_replica *r, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ph_change_txn *c;
        ph_buf b = PH_BUF_INIT;
        char text[32];
        int n = snprintf(text, sizeof text, "note %llu", (unsigned long long)test_below(1000000));
        ph_put_text(&b, ph_slice(text, (size_t)n));
        ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
        REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
        REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
        ph_buf_clear(&b);
    }
}

static inline bool same(ph_replica *a, ph_replica *b)
{
    uint8_t x[2][32];
    ph_replica *both[2] = { a, b };
    for (int i = 0; i < 2; i++) {
        ph_view *v;
        REQUIRE_OK(ph_view_begin(both[i], &v, &err), &err);
        REQUIRE_OK(ph_view_digest(v, x[i], &err), &err);
        ph_view_end(v);
    }
    return memcmp(x[0], x[1], 32) == 0;
}

static inline uint64_t version_of(ph_replica *r)
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint64_t n = v->state.version;
    ph_view_end(v);
    return n;
}

/* The newest changeset of the log. */
static inline ph_id head_of(ph_replica *r)
{
    ph_view *v;
    ph_changeset_row row;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_changesets_get(v->txn, v->state.version, &row, &err), &err);
    ph_view_end(v);
    return row.id;
}

static inline uint64_t publish(ph_replica *r, const char *where)
{
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_publish(r, place(where), NULL, &rep, &err), &err);
    uint64_t n = rep.changesets;
    ph_sync_report_clear(&rep);
    return n;
}

static inline uint64_t pull(ph_replica *r, const char *where)
{
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_pull(r, place(where), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.held_back, 0);
    uint64_t n = rep.changesets;
    ph_sync_report_clear(&rep);
    return n;
}

#endif
