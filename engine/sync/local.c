/* Replicas in directories of this machine: opening the other side, and pull and push with it. What lies on read-only media is opened for
 * reading; its unsigned tail then waits here and is reported. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

prophet_code sync_open(const char *dir, bool write, ph_replica **out, prophet_error *err)
{
    ph_replica_options o = { 0 };
    char log[PH_PATH_MAX];
    prophet_code rc = ph_path_join(log, sizeof log, dir, "log", err);
    if (rc < 0)
        return rc;
    if (!ph_path_exists(log)) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s %s", dir,
                     ph_path_exists(dir) ? "is no replica" : "does not exist");
        if (!ph_replica_hint(dir, err))
            ph_hint(err,
                    "the other side is the directory of a replica or of a depot (publish makes "
                    "one), a bundle, a URL, "
                    "or the name of a remote");
        return rc;
    }
    bool writable = access(dir, W_OK) == 0 && access(log, W_OK) == 0;
    if (write && !writable)
        return ph_fail(err, PROPHET_EREADONLY, "%s cannot be written", dir);
    o.readonly = !writable;
    if ((rc = ph_replica_open(dir, &o, out, err)) < 0)
        ph_context(err, "open %s", dir);
    return rc;
}

/* ---- pull and push ------------------------------------------------------------------------------------------------------------ */

prophet_code sync_local_check(ph_replica *r, const char *dir, prophet_error *err)
{
    struct stat here, there;
    if (stat(ph_replica_path(r), &here) == 0 && stat(dir, &there) == 0 &&
        here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return ph_fail(err, PROPHET_EUSAGE, "%s is this replica itself", dir);
    return PROPHET_OK;
}

static prophet_code sign_if_possible(ph_replica *r, const ph_sync_options *o, prophet_error *err)
{
    return ph_replica_readonly(r) || (o && o->dry_run) ? PROPHET_OK : ph_replica_sign(r, err);
}

prophet_code sync_local_pull(ph_replica *r, ph_replica *other, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc;
    if ((rc = sign_if_possible(other, o, err)) >= 0 &&
        (rc = sync_transfer(r, other, o, rep, err)) >= 0 && !(o && o->dry_run))
        rc = sync_met(r, other, err);
    return rc;
}

prophet_code sync_local_push(ph_replica *r, ph_replica *other, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    prophet_code rc;
    if ((rc = sign_if_possible(r, o, err)) >= 0 &&
        (rc = sync_transfer(other, r, o, rep, err)) >= 0 && !(o && o->dry_run) &&
        (rc = sync_met(other, r, err)) >= 0 && !ph_replica_readonly(r))
        rc = sync_met(r, other, err);
    return rc;
}

typedef prophet_code (*local_fn)(ph_replica *r, ph_replica *other, const ph_sync_options *o,
                                 ph_sync_report *rep, prophet_error *err);

static prophet_code with_other(ph_replica *r, const char *dir, bool write, local_fn fn,
                               const ph_sync_options *o, ph_sync_report *rep, prophet_error *err)
{
    ph_replica *other;
    prophet_code rc;
    if ((rc = sync_local_check(r, dir, err)) < 0 || (rc = sync_open(dir, write, &other, err)) < 0)
        return rc;
    rc = fn(r, other, o, rep, err);
    ph_replica_close(other);
    return rc;
}

prophet_code sync_replica_pull(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err)
{
    return with_other(r, dir, false, sync_local_pull, o, rep, err);
}

prophet_code sync_replica_push(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err)
{
    return with_other(r, dir, true, sync_local_push, o, rep, err);
}
