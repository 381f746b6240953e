/* A source that sends changesets and no signatures: they wait, within a bound, and nothing of them is applied. */
#include "replica/replica.h"
#include "support/test.h"
#include <sys/resource.h>

static prophet_error err;

enum { TOO_MANY = 60000, LIMIT_MIB = 64 };

static ph_replica *opened(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(ph_replica_create(path, database, &err), &err);
    REQUIRE_OK(
        ph_replica_open(path, &(ph_replica_options){ .user = "ann", .relaxed = true }, &r, &err),
        &err);
    return r;
}

/* {"name": "note", "fields": []} */
static void define_note(ph_replica *r)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;
    ph_put_map(&b, 2);
    ph_put_text(&b, ph_slice_str("name")), ph_put_text(&b, ph_slice_str("note"));
    ph_put_text(&b, ph_slice_str("fields")), ph_put_list(&b, 0);
    REQUIRE_OK(ph_change_begin(r, ph_slice(NULL, 0), &c, &err), &err);
    REQUIRE_OK(ph_change_define(c, ph_buf_slice(&b), &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static void write_one(ph_replica *r, const ph_uuid *id)
{
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(r, ph_slice(NULL, 0), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("note"), id, NULL, 0, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
}

static long peak_mib(void)
{
    struct rusage u;
    REQUIRE(getrusage(RUSAGE_SELF, &u) == 0);
    return u.ru_maxrss / 1024;
}

typedef struct feed {
    ph_intake *in;
    ph_frame_context stream;
    bool with_signatures;
} feed;

static prophet_code take(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *signed_id,
                         prophet_error *e)
{
    feed *f = ctx;
    (void)signed_id;
    return type == PH_FRAME_SIGNATURE && !f->with_signatures
               ? PROPHET_OK
               : ph_intake_frame(f->in, type, frame, &f->stream, e);
}

/* Everything in `from`; *rep is filled unless the stream was refused. */
static prophet_code pull(ph_replica *to, ph_replica *from, bool with_signatures,
                         ph_intake_report *rep)
{
    feed f = { .with_signatures = with_signatures };
    ph_view *v;
    REQUIRE_OK(ph_replica_sign(from, &err), &err);
    REQUIRE_OK(ph_view_begin(from, &v, &err), &err);
    REQUIRE_OK(ph_intake_begin(to, &f.in, &err), &err);
    prophet_code rc = ph_view_stream(v, NULL, 0, true, take, &f, &err);
    if (rc >= 0)
        REQUIRE_OK(ph_intake_finish(f.in, rep, &err), &err);
    ph_intake_free(f.in);
    ph_view_end(v);
    return rc;
}

static uint64_t version(ph_replica *r)
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint64_t last = v->state.version;
    ph_view_end(v);
    return last;
}

TEST(what_nobody_signed_waits_within_a_bound)
{
    ph_replica *from = opened("from", NULL), *to = opened("to", ph_replica_database(from));
    ph_intake_report rep = { 0 };
    ph_uuid id;
    define_note(from);
    for (int i = 0; i < TOO_MANY; i++) {
        (void)memset(&id, 0, sizeof id);
        (void)memcpy(id.b, &i, sizeof i);
        write_one(from, &id);
    }
    CHECK_CODE(pull(to, from, false, &rep), PROPHET_EBUDGET, &err);
    CHECK_HAS(err.message, "24 MiB of changesets wait for a signature");
#ifndef __SANITIZE_ADDRESS__
    CHECK_MSG(peak_mib() < LIMIT_MIB, "it took %ld MiB", peak_mib());
#endif
    CHECK_EQ_UINT(version(to), 0);
    CHECK_OK(pull(to, from, true, &rep), &err);
    CHECK_EQ_UINT(rep.changesets, TOO_MANY + 1);
    ph_replica_close(to);
    ph_replica_close(from);
}
