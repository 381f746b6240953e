/* A bundle: one segment in a file, that says first what a receiver must have. Making one, and taking one in. A file is read twice: once to
 * see that it is whole, before anything of it is applied, then for good. */
#include "sync/pick_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- making one ----------------------------------------------------------------------------------------------------- */

/* Only a bundle is replaced: a slip of the hand must not cost another file. */
static prophet_code check_place(const char *path, prophet_error *err)
{
    uint8_t start[SEGMENT_START];
    uint32_t len;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? sync_check_parent(path, err)
                                                   : ph_fail_sys(err, errno, "open %s", path);
    bool ours = ph_file_read(fd, start, sizeof start, 0, &got, NULL) >= 0 && got == sizeof start &&
                sync_segment_start(start, &len, NULL) >= 0;
    close(fd);
    if (ours)
        return PROPHET_OK;
    prophet_code rc = ph_fail(err, PROPHET_EEXISTS, "%s exists already and is no bundle", path);
    ph_hint(err, "write to another path, or take it away first");
    return rc;
}

static prophet_code write_file(ph_view *v, const sync_pick *pick, ph_arena *a, const char *tmp,
                               const char *path, sync_made *made, prophet_error *err)
{
    char parent[PH_PATH_MAX];
    sync_out_file f = { open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), 0 };
    prophet_code rc;
    if (f.fd < 0)
        return ph_fail_create(err, errno, path);
    if ((rc = sync_segment_write(v, pick, a, sync_to_file, &f, made, err)) >= 0)
        rc = ph_file_sync(f.fd, err);
    if (close(f.fd) != 0 && rc >= 0)
        rc = ph_fail_sys(err, errno, "close %s", tmp);
    if (rc >= 0 && rename(tmp, path) != 0)
        rc = ph_fail_sys(err, errno, "rename %s to %s", tmp, path);
    if (rc < 0)
        (void)unlink(tmp); /* whatever is left of it */
    sync_parent(path, parent, sizeof parent);
    return rc < 0 ? rc : ph_dir_sync(parent, err);
}

prophet_code sync_report_runs(const sync_segment_head *h, ph_sync_report *rep, prophet_error *err)
{
    rep->writers = ph_arena_alloc(&rep->arena, (h->run_count + 1) * sizeof *rep->writers);
    if (!rep->writers)
        return ph_nomem(err);
    rep->writer_count = 0;
    for (size_t i = 0; i < h->run_count; i++)
        if (i == 0 || !ph_id_eq(&h->runs[i - 1].replica, &h->runs[i].replica))
            rep->writers[rep->writer_count++] = h->runs[i].replica;
    rep->replicas = rep->writer_count;
    rep->changesets = h->changesets;
    return PROPHET_OK;
}

static prophet_code to_nowhere(void *ctx, prophet_slice bytes, prophet_error *err)
{
    (void)ctx, (void)bytes, (void)err;
    return PROPHET_OK;
}

static prophet_code make(ph_replica *r, const char *path, const char *since, bool dry,
                         ph_sync_report *rep, prophet_error *err)
{
    char tmp[PH_PATH_MAX];
    ph_arena a = PH_ARENA_INIT;
    ph_sync_spans spans = { 0 };
    sync_made made = { .size = 0 };
    ph_id *needs = NULL;
    size_t need_count = 0;
    ph_view *v;
    prophet_code rc = sync_temporary(path, tmp, sizeof tmp, err);
    if (rc < 0 || (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    if (since)
        rc = sync_base_of(v, since, &a, &needs, &need_count, err);
    if (rc >= 0)
        rc = since ? sync_pick_since(v, needs, need_count, &spans, &rep->unsigned_rest, err)
                   : sync_pick_all(v, &spans, &rep->unsigned_rest, err);
    const sync_pick pick = { spans.at, spans.count, needs, need_count };
    if (rc >= 0)
        rc = dry ? sync_segment_write(v, &pick, &a, to_nowhere, NULL, &made, err)
                 : write_file(v, &pick, &a, tmp, path, &made, err);
    if (rc >= 0)
        rc = sync_report_runs(&made.head, rep, err);
    rep->bytes = made.size;
    rep->dry_run = dry;
    ph_view_end(v);
    ph_free(spans.at);
    ph_arena_clear(&a);
    return rc;
}

prophet_code ph_sync_bundle(ph_replica *r, const char *path, const char *since,
                            const ph_sync_options *o, ph_sync_report *rep, prophet_error *err)
{
    uint64_t start = ph_monotonic_us();
    bool dry = o && o->dry_run;
    prophet_code rc;
    *rep = (ph_sync_report){ 0 };
    if (!path || !*path)
        return ph_fail(err, PROPHET_EUSAGE, "a bundle is written to a file: give its path");
    if ((rc = check_place(path, err)) < 0)
        return rc;
    if (!dry && !ph_replica_readonly(r) && (rc = ph_replica_sign(r, err)) < 0)
        return rc;
    rc = make(r, path, since, dry, rep, err);
    rep->seconds = (double)(ph_monotonic_us() - start) / 1e6;
    return rc;
}

/* ---- taking one in ----------------------------------------------------------------------------------------------------- */

prophet_code sync_file_read(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    sync_file *f = ctx;
    prophet_code rc = ph_file_read(f->fd, buf, len, f->at, got, err);
    f->at += *got;
    return rc;
}

/* Is it whole, and does every frame have a form? */
static prophet_code check_whole(int fd, const char *path, prophet_error *err)
{
    sync_file f = { fd, 0 };
    sync_segment *s;
    ph_frame_type type;
    prophet_slice frame;
    prophet_code rc = sync_segment_open(sync_file_read, &f, path, &s, err);
    if (rc < 0)
        return rc;
    while ((rc = sync_segment_next(s, &type, &frame, err)) == PROPHET_OK)
        ;
    sync_segment_close(s);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code check_needs(ph_replica *r, const sync_segment_head *h, const char *what,
                                prophet_error *err)
{
    char list[64] = "", hex[17];
    size_t missing = 0;
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < h->need_count && rc >= 0; i++) {
        uint64_t version;
        if ((rc = ph_view_version_of(v, &h->needs[i], &version, err)) != PROPHET_DONE)
            continue;
        ph_hex(h->needs[i].b, 8, hex);
        if (missing++ < 3)
            (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                           missing > 1 ? ", " : "", hex);
    }
    ph_view_end(v);
    if (rc < 0 || missing == 0)
        return rc < 0 ? rc : PROPHET_OK;
    rc = missing > 3 ? ph_fail(err, PROPHET_ENOTFOUND,
                               "%s needs changesets that are not here: %s and %zu more", what, list,
                               missing - 3)
                     : ph_fail(err, PROPHET_ENOTFOUND, "%s needs changesets that are not here: %s",
                               what, list);
    ph_hint(err, "pull from whoever made it, or ask for one since an older point");
    return rc;
}

static prophet_code apply(ph_replica *r, sync_segment *s, const char *path,
                          const ph_sync_options *o, ph_sync_report *rep, prophet_error *err)
{
    const sync_segment_head *h = sync_segment_head_of(s);
    sync_intake in;
    prophet_code rc;
    if ((rc = sync_check_related(r, &h->database, ph_replica_path(r), path, err)) < 0 ||
        (rc = check_needs(r, h, path, err)) < 0)
        return rc;
    if (o && o->dry_run)
        return sync_segment_count(r, s, rep, err);
    if ((rc = sync_intake_begin(r, o, h->changesets, &in, err)) < 0)
        return rc;
    if ((rc = sync_intake_segment(&in, s, err)) >= 0 &&
        (rc = sync_intake_finish(&in, rep, err)) >= 0 && rep->unsigned_rest)
        rc = ph_fail(err, PROPHET_EUNSIGNED, "%s ends with %llu changesets that nobody signed",
                     path, (unsigned long long)rep->unsigned_rest);
    sync_intake_end(&in);
    return rc;
}

prophet_code sync_bundle_open(const char *path, int *fd, ph_uuid *database, prophet_error *err)
{
    sync_file f = { open(path, O_RDONLY | O_CLOEXEC), 0 };
    sync_segment *s;
    prophet_code rc;
    if (f.fd < 0)
        return errno == ENOENT ? ph_fail(err, PROPHET_ENOTFOUND, "%s does not exist", path)
                               : ph_fail_sys(err, errno, "open %s", path);
    if ((rc = sync_segment_open(sync_file_read, &f, path, &s, err)) >= 0) {
        *database = sync_segment_head_of(s)->database;
        sync_segment_close(s);
    }
    if (rc == PROPHET_ECORRUPT)
        ph_hint(err, "is it a bundle, as prophet bundle writes them? If so, get it once more");
    if (rc < 0)
        close(f.fd);
    else
        *fd = f.fd;
    return rc;
}

void sync_bundle_close(int fd)
{
    close(fd);
}

prophet_code sync_bundle_pull(ph_replica *r, const char *path, const ph_sync_options *o,
                              ph_sync_report *rep, prophet_error *err)
{
    uint64_t start = ph_monotonic_us();
    ph_uuid database;
    struct stat st;
    sync_segment *s;
    sync_file f = { -1, 0 };
    prophet_code rc = sync_bundle_open(path, &f.fd, &database, err);
    if (rc < 0)
        return rc;
    if ((rc = check_whole(f.fd, path, err)) >= 0 &&
        (rc = sync_segment_open(sync_file_read, &f, path, &s, err)) >= 0) {
        rc = apply(r, s, path, o, rep, err);
        sync_segment_close(s);
    }
    rep->dry_run = o && o->dry_run;
    rep->bytes = fstat(f.fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    rep->seconds = (double)(ph_monotonic_us() - start) / 1e6;
    close(f.fd);
    return rc;
}
