/* What the other side of an exchange is, and who talks to it: the one place where a word becomes a directory, a depot, a bundle or a URL.
 * A word is a URL ("scheme:.."), a path (it holds a "/" or exists), else the name of a remote. Called by api/; calls local.c and bundle.c. */
#include "sync/sync_impl.h"
#include <sys/stat.h>

static prophet_code no_such(const char *text, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "%s does not exist", text);
    ph_hint(err, "the other side is the directory of a replica or a bundle");
    return rc;
}

prophet_code sync_source_resolve(ph_replica *r, const char *text, sync_source *out,
                                 prophet_error *err)
{
    struct stat st;
    (void)r; /* its remotes */
    if (!text || !*text)
        return ph_fail(err, PROPHET_EUSAGE, "the other side has no name");
    *out = (sync_source){ SYNC_REPLICA, text };
    if (stat(text, &st) != 0)
        return no_such(text, err);
    if (S_ISREG(st.st_mode))
        out->kind = SYNC_BUNDLE;
    return PROPHET_OK;
}

static prophet_code check_writable(ph_replica *r, const ph_sync_options *o, prophet_error *err)
{
    return ph_replica_readonly(r) && !(o && o->dry_run)
               ? ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", ph_replica_path(r))
               : PROPHET_OK;
}

prophet_code sync_source_pull(ph_replica *r, const sync_source *s, const ph_sync_options *o,
                              ph_sync_report *rep, prophet_error *err)
{
    switch (s->kind) {
    case SYNC_BUNDLE: return sync_bundle_pull(r, s->text, o, rep, err);
    case SYNC_REPLICA: break;
    }
    return sync_replica_pull(r, s->text, o, rep, err);
}

prophet_code ph_sync_pull(ph_replica *r, const char *source, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err)
{
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = check_writable(r, o, err)) < 0 || (rc = sync_source_resolve(r, source, &s, err)) < 0)
        return rc;
    return sync_source_pull(r, &s, o, rep, err);
}

prophet_code ph_sync_push(ph_replica *r, const char *target, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err)
{
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = sync_source_resolve(r, target, &s, err)) < 0)
        return rc;
    if (s.kind == SYNC_BUNDLE) {
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is a bundle: it is not added to", target);
        ph_hint(err, "prophet bundle writes one");
        return rc;
    }
    return sync_replica_push(r, target, o, rep, err);
}

prophet_code ph_sync_apply(ph_replica *r, const char *path, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err)
{
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = check_writable(r, o, err)) < 0 || (rc = sync_source_resolve(r, path, &s, err)) < 0)
        return rc;
    if (s.kind == SYNC_BUNDLE)
        return sync_bundle_pull(r, path, o, rep, err);
    rc = ph_fail(err, PROPHET_EUSAGE, "%s is no bundle", path);
    ph_hint(err, "pull takes replicas as well");
    return rc;
}

/* The database a clone of it belongs to. */
prophet_code sync_source_database(const sync_source *s, ph_uuid *out, prophet_error *err)
{
    ph_replica *from;
    prophet_code rc;
    if (s->kind == SYNC_BUNDLE) {
        int fd;
        if ((rc = sync_bundle_open(s->text, &fd, out, err)) >= 0)
            sync_bundle_close(fd);
        return rc;
    }
    if ((rc = sync_open(s->text, false, &from, err)) < 0)
        return rc;
    *out = *ph_replica_database(from);
    ph_replica_close(from);
    return rc;
}
