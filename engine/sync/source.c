/* What the other side of an exchange is, and who talks to it: the one place where a word becomes a directory, a depot, a bundle or a URL.
 * A word is a URL ("scheme:.."), or a path: api/remote.c has put places for the names of remotes. Called by api/; calls local.c, bundle.c and the depot's files. */
#include "sync/depot_impl.h"
#include <dirent.h>
#include <sys/stat.h>

static prophet_code no_such(const char *text, prophet_error *err)
{
    char guess[PH_PATH_MAX];
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "%s does not exist", text);
    if (ph_net_guess(text, guess, sizeof guess))
        ph_hint(err, "did you mean %s ?", guess);
    else
        ph_hint(err,
                "the other side is the directory of a replica or of a depot, a bundle, a URL, or "
                "the name of a remote");
    return rc;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    while (len > 1 && text[len - 1] == '/')
        len--;
    return len > n && memcmp(text + len - n, end, n) == 0;
}

static bool holds(const char *dir, const char *name)
{
    char path[PH_PATH_MAX];
    return ph_path_join(path, sizeof path, dir, name, NULL) >= 0 && ph_path_exists(path);
}

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    bool any = false;
    for (const struct dirent *e; d && !any && (e = readdir(d)) != NULL;)
        any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    return d && !any;
}

/* A directory with a log is a replica; what else is none is a depot, if it says so, or may become one. */
static sync_kind kind_of(const char *dir, bool write)
{
    if (holds(dir, "log"))
        return SYNC_REPLICA;
    return holds(dir, DEPOT_ROOT) || ends_with(dir, ".depot") || (write && is_empty(dir))
               ? SYNC_DEPOT
               : SYNC_REPLICA;
}

prophet_code sync_source_resolve(const char *text, bool write, sync_source *out, prophet_error *err)
{
    struct stat st;
    if (!text || !*text)
        return ph_fail(err, PROPHET_EUSAGE, "the other side has no name");
    *out = (sync_source){ SYNC_DEPOT, text };
    if (ph_net_is_url(text, NULL))
        return PROPHET_OK;
    if (stat(text, &st) != 0)
        return write && ends_with(text, ".depot") ? PROPHET_OK : no_such(text, err);
    out->kind = S_ISREG(st.st_mode) ? SYNC_BUNDLE : kind_of(text, write);
    return PROPHET_OK;
}

bool ph_sync_may_begin(const char *place)
{
    sync_source s;
    return sync_source_resolve(place, true, &s, NULL) >= 0 && s.kind == SYNC_DEPOT;
}

static prophet_code check_writable(ph_replica *r, const ph_sync_options *o, prophet_error *err)
{
    return ph_replica_readonly(r) && !(o && o->dry_run)
               ? ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", ph_replica_path(r))
               : PROPHET_OK;
}

prophet_code sync_source_live(const char *url, ph_replica *r, const ph_sync_options *o,
                              sync_live **out, prophet_error *err)
{
    if (!sync_live_possible(url) || (o && o->seal)) /* only depots are sealed */
        return PROPHET_DONE;
    prophet_code rc = sync_live_open(url, r, o, out, err);
    bool pipe = strncmp(url, "ssh:", 4) == 0; /* there is no depot behind it */
    return rc == PROPHET_ENOTFOUND && !pipe ? PROPHET_DONE : rc;
}

static prophet_code pull_url(ph_replica *r, const char *url, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    sync_live *l = NULL;
    prophet_code rc = PROPHET_DONE;
    if (strncmp(url, "http", 4) ==
        0) /* what was a depot is not asked first whether it is a live peer */
        rc = sync_depot_pull_known(r, url, o, rep, err);
    if (rc != PROPHET_DONE)
        return rc;
    if ((rc = sync_source_live(url, r, o, &l, err)) == PROPHET_DONE)
        return sync_depot_pull(r, url, o, rep, err);
    if (rc >= 0)
        rc = sync_live_pull(l, r, rep, err);
    sync_live_close(l);
    return rc;
}

static prophet_code push_url(ph_replica *r, const char *url, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    sync_live *l = NULL;
    prophet_code rc = sync_source_live(url, r, o, &l, err);
    if (rc == PROPHET_DONE)
        return sync_depot_publish(r, url, false, o, rep, err);
    if (rc >= 0)
        rc = sync_live_push(l, r, rep, err);
    sync_live_close(l);
    return rc;
}

static prophet_code database_of_url(const char *url, const ph_sync_options *o, ph_uuid *out,
                                    prophet_error *err)
{
    sync_live *l = NULL;
    prophet_code rc = sync_source_live(url, NULL, o, &l, err);
    if (rc == PROPHET_DONE)
        return sync_depot_database(url, o, out, err);
    if (rc >= 0)
        *out = *sync_live_database(l); /* always told to who knows nothing */
    sync_live_close(l);
    return rc;
}

prophet_code sync_source_pull(ph_replica *r, const sync_source *s, const ph_sync_options *o,
                              ph_sync_report *rep, prophet_error *err)
{
    switch (s->kind) {
    case SYNC_BUNDLE: return sync_bundle_pull(r, s->text, o, rep, err);
    case SYNC_DEPOT: return pull_url(r, s->text, o, rep, err);
    case SYNC_REPLICA: break;
    }
    return sync_replica_pull(r, s->text, o, rep, err);
}

/* From the beginning: to ask whether there is something new takes time as well. */
static double since(uint64_t start_us)
{
    return (double)(ph_monotonic_us() - start_us) / 1e6;
}

static void saw(ph_replica *r, const char *place, const ph_sync_options *o)
{
    if (!(o && o->dry_run))
        sync_saw(r, place);
}

prophet_code ph_sync_pull(ph_replica *r, const char *source, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err)
{
    const uint64_t start = ph_monotonic_us();
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = check_writable(r, o, err)) < 0 ||
        (rc = sync_source_resolve(source, false, &s, err)) < 0)
        return rc;
    if ((rc = sync_source_pull(r, &s, o, rep, err)) >= 0 && s.kind != SYNC_BUNDLE)
        saw(r, source, o);
    rep->seconds = since(start);
    return rc;
}

static prophet_code refuse_file(const char *target, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s is a file: nothing is added to it", target);
    ph_hint(err, "push and sync take replicas and depots; prophet bundle writes files");
    return rc;
}

prophet_code ph_sync_check_target(const char *target, prophet_error *err)
{
    sync_source s;
    return sync_source_resolve(target, true, &s, NULL) >= 0 && s.kind == SYNC_BUNDLE
               ? refuse_file(target, err)
               : PROPHET_OK;
}

prophet_code ph_sync_push(ph_replica *r, const char *target, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err)
{
    const uint64_t start = ph_monotonic_us();
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = sync_source_resolve(target, true, &s, err)) < 0)
        return rc;
    if (s.kind == SYNC_BUNDLE)
        return refuse_file(target, err);
    rc = s.kind == SYNC_DEPOT ? push_url(r, target, o, rep, err)
                              : sync_replica_push(r, target, o, rep, err);
    if (rc >= 0)
        saw(r, target, o);
    rep->seconds = since(start);
    return rc;
}

/* What is no replica and no bundle is a depot, or becomes one. */
prophet_code ph_sync_publish(ph_replica *r, const char *place, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err)
{
    struct stat st;
    *rep = (ph_sync_report){ 0 };
    if (!place || !*place)
        return ph_fail(err, PROPHET_EUSAGE, "publish takes the place of a depot");
    if (!ph_net_is_url(place, NULL) && stat(place, &st) == 0 &&
        (!S_ISDIR(st.st_mode) || holds(place, "log"))) {
        prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s is no depot", place);
        ph_hint(err, "a depot is a directory of its own; push takes replicas, bundle writes files");
        return rc;
    }
    prophet_code rc = sync_depot_publish(r, place, false, o, rep, err);
    if (rc >= 0)
        saw(r, place, o);
    return rc;
}

prophet_code ph_sync_apply(ph_replica *r, const char *path, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err)
{
    sync_source s;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if ((rc = check_writable(r, o, err)) < 0)
        return rc;
    if ((rc = sync_source_resolve(path, false, &s, err)) >= 0 && s.kind == SYNC_BUNDLE)
        return sync_bundle_pull(r, path, o, rep, err);
    if (rc >= 0)
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is no bundle", path);
    ph_hint(err, "apply takes a file that prophet bundle wrote; pull takes replicas, depots and "
                 "URLs as well");
    return rc;
}

/* The database a clone of it belongs to. */
prophet_code sync_source_database(const sync_source *s, const ph_sync_options *o, ph_uuid *out,
                                  prophet_error *err)
{
    ph_replica *from;
    prophet_code rc;
    if (s->kind == SYNC_BUNDLE) {
        int fd;
        if ((rc = sync_bundle_open(s->text, &fd, out, err)) >= 0)
            sync_bundle_close(fd);
        return rc;
    }
    if (s->kind == SYNC_DEPOT)
        return database_of_url(s->text, o, out, err);
    if ((rc = sync_open(s->text, false, &from, err)) < 0)
        return rc;
    *out = *ph_replica_database(from);
    ph_replica_close(from);
    return rc;
}
