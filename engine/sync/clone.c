/* A new replica with all that another has. It is made beside its place, in a directory that nobody looks for, filled, closed and renamed:
 * whatever fails, nothing is left at the place, and beside it only what a killed process could not take away. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

prophet_code sync_temporary(const char *path, char *out, size_t size, prophet_error *err)
{
    uint8_t random[4];
    char hex[9];
    size_t len = strlen(path);
    prophet_code rc = ph_random(random, sizeof random, err);
    if (rc < 0)
        return rc;
    while (len > 1 && path[len - 1] == '/')
        len--;
    ph_hex(random, sizeof random, hex);
    if ((size_t)snprintf(out, size, "%.*s.tmp-%s", (int)len, path, hex) >= size)
        return ph_fail(err, PROPHET_EUSAGE, "the path %.100s.. is too long", path);
    return PROPHET_OK;
}

/* "x" lies in ".", "/x" in "/". */
void sync_parent(const char *path, char *out, size_t size)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    (void)snprintf(out, size, "%.*s", len ? (int)len : 1, len ? path : ".");
}

prophet_code sync_check_parent(const char *path, prophet_error *err)
{
    char parent[PH_PATH_MAX];
    struct stat st;
    sync_parent(path, parent, sizeof parent);
    if (stat(parent, &st) != 0)
        return ph_fail_create(err, errno, path);
    return S_ISDIR(st.st_mode) ? PROPHET_OK : ph_fail_create(err, ENOTDIR, path);
}

/* All that is here has come just now, some of it before the pull began anew. */
static prophet_code count_all(ph_replica *to, ph_sync_report *rep, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(to, &v, err);
    if (rc < 0)
        return rc;
    rep->changesets = v->state.version;
    rep->replicas = v->state.replicas;
    ph_view_end(v);
    return PROPHET_OK;
}

/* One publisher's lie keeps nobody from what the others have: it is told, and every pull tells it again. */
static prophet_code pull_what_is_right(ph_replica *to, const sync_source *from,
                                       const ph_sync_options *so, ph_sync_report *rep,
                                       prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc = sync_source_pull(to, from, so, rep, &why), counted;
    if (rc < 0 && rep->left_out) {
        if ((counted = count_all(to, rep, err)) < 0)
            return counted;
        (void)snprintf(rep->notice, sizeof rep->notice, "left out: %s", why.message);
        if (rep->changesets > 0)
            return PROPHET_OK;
    }
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static prophet_code fill(const sync_source *from, const ph_uuid *database, const char *tmp,
                         const ph_sync_options *so, ph_sync_report *rep, prophet_error *err)
{
    const ph_replica_options o = { .relaxed = true, /* flushed at its end */
                                   .clock = so ? so->clock : NULL,
                                   .clock_ctx = so ? so->clock_ctx : NULL };
    ph_replica *to;
    prophet_code rc = ph_replica_create(tmp, database, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_replica_open(tmp, &o, &to, err)) >= 0) {
        if ((rc = pull_what_is_right(to, from, so, rep, err)) >= 0)
            rc = ph_replica_flush(to, err);
        if (rc >= 0 && from->kind != SYNC_BUNDLE && !(so && so->dry_run))
            sync_saw(to, from->text);
        ph_replica_close(to);
    }
    if (rc < 0)
        (void)ph_dir_remove(tmp, NULL); /* ours alone */
    return rc;
}

static prophet_code put_in_place(const char *tmp, const char *path, prophet_error *err)
{
    char parent[PH_PATH_MAX];
    prophet_code rc;
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) != 0 &&
        (errno == EEXIST || errno == ENOTEMPTY || ph_path_exists(path) || rename(tmp, path) != 0))
        rc = errno == EEXIST || errno == ENOTEMPTY
                 ? ph_fail(err, PROPHET_EEXISTS, "%s exists already", path)
                 : ph_fail_sys(err, errno, "rename %s to %s", tmp, path);
    else {
        sync_parent(path, parent, sizeof parent);
        rc = ph_dir_sync(parent, err);
    }
    if (rc < 0)
        (void)ph_dir_remove(tmp, NULL); /* gone already when only the sync failed */
    return rc;
}

prophet_code ph_sync_clone(const char *source, const char *path, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err)
{
    char tmp[PH_PATH_MAX];
    struct stat st;
    sync_source from;
    ph_uuid database;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if (!path || !*path)
        return ph_fail(err, PROPHET_EUSAGE, "clone takes the path of the new replica");
    if (lstat(path, &st) == 0) { /* a link to nowhere is something too */
        rc = ph_fail(err, PROPHET_EEXISTS, "%s exists already", path);
        ph_hint(err, "a clone makes its directory; pull brings what is new into a replica");
        return rc;
    }
    if ((rc = sync_check_parent(path, err)) < 0 ||
        (rc = sync_temporary(path, tmp, sizeof tmp, err)) < 0 ||
        (rc = sync_source_resolve(source, false, &from, err)) < 0 ||
        (rc = sync_source_database(&from, o, &database, err)) < 0)
        return rc;
    if ((rc = fill(&from, &database, tmp, o, rep, err)) < 0)
        return rc;
    return o && o->dry_run ? ph_dir_remove(tmp, err) : put_in_place(tmp, path, err);
}
