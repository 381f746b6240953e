/* Pull, push and clone between replica directories of one machine. The source is read from a snapshot while the target applies
 * in bounded transactions; nothing is copied but through the same checks as bytes from a network. */
#include "sync/sync.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

bool ph_sync_is_replica(const char *dir)
{
    char log[PH_PATH_MAX];
    return ph_path_join(log, sizeof log, dir, "log", NULL) >= 0 && ph_path_exists(log);
}

void ph_sync_report_clear(ph_sync_report *r)
{
    ph_arena_clear(&r->arena);
    *r = (ph_sync_report){ 0 };
}

/* ---- one direction --------------------------------------------------------------------------------------------- */

typedef struct flow {
    ph_replica *to;
    ph_view *from;
    const ph_sync_options *o;
    ph_sync_report *report;
    ph_arena arena;
    uint64_t *versions;
    size_t count;
    bool all;
    ph_intake *intake;
    ph_frame_context stream;
    uint64_t sent;
} flow;

static prophet_code progress(flow *f, const char *stage, prophet_error *err)
{
    return f->o && f->o->progress ? f->o->progress(f->o->ctx, stage, f->sent, f->count, err)
                                  : PROPHET_OK;
}

static prophet_code check_related(const flow *f, prophet_error *err)
{
    const ph_uuid *a = ph_replica_database(f->to), *b = ph_replica_database(f->from->replica);
    char mine[37], theirs[37];
    if (ph_uuid_eq(a, b))
        return PROPHET_OK;
    ph_uuid_format(a, mine);
    ph_uuid_format(b, theirs);
    prophet_code rc =
        ph_fail(err, PROPHET_EUNRELATED, "%s is database %s, %s is database %s",
                ph_replica_path(f->to), mine, ph_replica_path(f->from->replica), theirs);
    ph_hint(err, "replicas of one database come from one another by clone");
    return rc;
}

static prophet_code compare(flow *f, prophet_error *err)
{
    ph_view *to;
    ph_sync_heads heads;
    ph_sync_need need;
    uint8_t mine[32], theirs[32];
    prophet_code rc = ph_view_begin(f->to, &to, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_digest(to, mine, err)) >= 0 &&
        (rc = ph_view_digest(f->from, theirs, err)) >= 0 && memcmp(mine, theirs, 32) != 0 &&
        (rc = ph_sync_tell(f->from, &f->arena, &heads, err)) >= 0 &&
        (rc = ph_sync_ask(to, &heads, &f->arena, &need, err)) >= 0) {
        f->all = need.everything;
        if (f->all)
            f->count = f->from->state.version;
        else
            rc = ph_sync_select(f->from, &need, &f->arena, &f->versions, &f->count, err);
    }
    ph_view_end(to);
    return rc;
}

static prophet_code receive(void *ctx, ph_frame_type type, prophet_slice frame,
                            const ph_id *signed_id, prophet_error *err)
{
    flow *f = ctx;
    (void)signed_id;
    prophet_code rc = ph_intake_frame(f->intake, type, frame, &f->stream, err);
    if (type == PH_FRAME_CHANGESET && ++f->sent % 1024 == 0 && rc >= 0)
        rc = progress(f, "changesets", err);
    return rc;
}

static prophet_code take_report(flow *f, const ph_intake_report *in, prophet_error *err)
{
    ph_sync_report *r = f->report;
    bool ok = true;
    r->changesets = in->changesets;
    r->replicas = in->writer_count;
    r->conflicts = in->conflicts;
    r->decided = in->decided;
    r->forks = in->forks;
    r->unsigned_rest = in->unsigned_rest;
    r->held_back = in->held_back;
    r->bytes = in->bytes;
    r->writer_count = in->writer_count;
    r->new_writer_count = in->new_writer_count;
    prophet_slice keys = ph_slice(in->writers, in->writer_count * sizeof *in->writers);
    r->writers = (ph_id *)(uintptr_t)ph_arena_copy(&r->arena, keys, &ok).data;
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code apply(flow *f, prophet_error *err)
{
    ph_intake_report in;
    prophet_code rc = ph_intake_begin(f->to, &f->intake, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_stream(f->from, f->versions, f->count, f->all, receive, f, err)) >= 0 &&
        (rc = ph_intake_finish(f->intake, &in, err)) >= 0)
        rc = take_report(f, &in, err);
    ph_intake_free(f->intake);
    return rc < 0 ? rc : progress(f, "done", err);
}

static prophet_code transfer(ph_replica *to, ph_replica *from, const ph_sync_options *o,
                             ph_sync_report *report, prophet_error *err)
{
    flow f = { .to = to, .o = o, .report = report };
    uint64_t began = ph_monotonic_us();
    prophet_code rc = ph_view_begin(from, &f.from, err);
    if (rc < 0)
        return rc;
    report->dry_run = o && o->dry_run;
    if ((rc = check_related(&f, err)) >= 0 && (rc = compare(&f, err)) >= 0) {
        if (report->dry_run)
            report->changesets = f.count;
        else if (f.count)
            rc = apply(&f, err);
    }
    ph_view_end(f.from);
    ph_arena_clear(&f.arena);
    report->seconds = (double)(ph_monotonic_us() - began) / 1e6;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

/* Writable if it can be, so that it signs what is unsigned; else as it lies. */
static prophet_code open_source(const char *dir, ph_replica **out, prophet_error *err)
{
    ph_replica_options o = { .readonly = access(dir, W_OK) != 0 };
    prophet_code rc = ph_replica_open(dir, &o, out, err);
    if (o.readonly || (rc != PROPHET_EREADONLY && rc != PROPHET_EIO && rc != PROPHET_EBUSY))
        return rc;
    o.readonly = true;
    return ph_replica_open(dir, &o, out, err);
}

static prophet_code not_itself(ph_replica *r, const char *dir, prophet_error *err)
{
    char mine[PH_PATH_MAX], theirs[PH_PATH_MAX];
    if (realpath(ph_replica_path(r), mine) && realpath(dir, theirs) && strcmp(mine, theirs) == 0)
        return ph_fail(err, PROPHET_EUSAGE, "%s is this replica itself", dir);
    return PROPHET_OK;
}

prophet_code ph_sync_pull(ph_replica *r, const char *source, const ph_sync_options *o,
                          ph_sync_report *out, prophet_error *err)
{
    ph_replica *from;
    prophet_code rc;
    if ((rc = not_itself(r, source, err)) < 0 || (rc = open_source(source, &from, err)) < 0)
        return rc;
    if ((rc = ph_replica_sign(from, err)) >= 0)
        rc = transfer(r, from, o, out, err);
    ph_replica_close(from);
    if (rc < 0)
        ph_context(err, "pull from %s", source);
    return rc;
}

prophet_code ph_sync_push(ph_replica *r, const char *target, const ph_sync_options *o,
                          ph_sync_report *out, prophet_error *err)
{
    ph_replica *to;
    prophet_code rc;
    if ((rc = not_itself(r, target, err)) < 0 || (rc = ph_replica_sign(r, err)) < 0 ||
        (rc = ph_replica_open(target, NULL, &to, err)) < 0)
        return rc;
    rc = transfer(to, r, o, out, err);
    ph_replica_close(to);
    if (rc < 0)
        ph_context(err, "push to %s", target);
    return rc;
}

static prophet_code fill_clone(const char *tmp, ph_replica *from, const ph_sync_options *o,
                               ph_sync_report *out, prophet_error *err)
{
    ph_replica *to;
    prophet_code rc = ph_replica_create(tmp, ph_replica_database(from), err);
    if (rc < 0)
        return rc;
    if ((rc = ph_replica_open(tmp, NULL, &to, err)) >= 0) {
        rc = transfer(to, from, o, out, err);
        ph_replica_close(to);
    }
    return rc;
}

prophet_code ph_sync_clone(const char *source, const char *path, const ph_sync_options *o,
                           ph_sync_report *out, prophet_error *err)
{
    char tmp[PH_PATH_MAX], parent[PH_PATH_MAX], hex[17];
    uint8_t random[8];
    ph_replica *from = NULL;
    prophet_code rc;
    if (ph_path_exists(path))
        return ph_fail(err, PROPHET_EEXISTS, "%s exists already", path);
    if ((rc = ph_random(random, sizeof random, err)) < 0)
        return rc;
    ph_hex(random, sizeof random, hex);
    if (snprintf(tmp, sizeof tmp, "%s.tmp-%s", path, hex) >= (int)sizeof tmp)
        return ph_fail(err, PROPHET_EUSAGE, "the path %s is too long", path);
    if ((rc = open_source(source, &from, err)) >= 0 && (rc = ph_replica_sign(from, err)) >= 0)
        rc = fill_clone(tmp, from, o, out, err);
    ph_replica_close(from);
    if (rc >= 0 && rename(tmp, path) != 0)
        rc = ph_fail_sys(err, errno, "rename %s to %s", tmp, path);
    if (rc >= 0 && (rc = ph_path_join(parent, sizeof parent, path, "..", err)) >= 0)
        rc = ph_dir_sync(parent, err);
    if (rc < 0) {
        if (ph_path_exists(tmp))
            (void)ph_dir_remove(tmp, NULL); /* made here */
        ph_context(err, "clone of %s", source);
    }
    return rc;
}
