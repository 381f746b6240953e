/* file: places that are directories: disks, sticks, shared folders. Written for what such places do: other machines write to them, FAT has neither links nor
 * fine clocks, a stick is pulled out in the middle. So a file is written beside its place, synced and renamed; no symbolic link below the root is ever followed,
 * since a stick may come from anybody; and the etag of a small file is its hash, because size and time would take two states for one.
 * Called by place.c. */
#include "net/net_impl.h"
#include "crypto/crypto.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HASHED_MAX \
    65536u /* larger files change by being replaced by others of their own name and size only if somebody means it */
#define DEEPEST     8 /* folders in folders that a list looks into */
#define TEMP_PREFIX ".tmp-"
#define TEMP_KEEP_S \
    86400 /* what a crash left is removed a day later: by then nobody writes it any more */
#define LOCK_RETRY_NS 2000000

typedef struct file_place {
    char root[PH_PATH_MAX];
    const prophet_net_options *options;
    ph_hasher *hasher;
    bool tidied;
    bool met; /* the directory was there, on this device */
    dev_t device;
} file_place;

static void file_close(void *place)
{
    file_place *p = place;
    if (!p)
        return;
    ph_hasher_free(p->hasher);
    ph_free(p);
}

bool ph_net_is_file(const char *url)
{
    char scheme[32];
    return ph_net_is_url(url, scheme) && strcmp(scheme, "file") == 0;
}

/* file:///dir, file://localhost/dir, or a path. */
prophet_code ph_net_file_path(const char *url, char *root, prophet_error *err)
{
    net_url u;
    const char *path = url;
    if (ph_net_is_file(url)) {
        prophet_code rc = net_url_parse(url, &u, err);
        if (rc < 0)
            return rc;
        if (u.user[0] || u.port || (u.host[0] && strcmp(u.host, "localhost") != 0))
            return ph_fail(err, PROPHET_EUSAGE, "%s names another machine", url);
        path = u.path;
    }
    if (!path[0] || strlen(path) >= PH_PATH_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "%.80s names no directory", url);
    memcpy(root, path, strlen(path) + 1);
    return PROPHET_OK;
}

static prophet_code file_open(void *ctx, const char *url, const prophet_net_options *o,
                              void **place, prophet_error *err)
{
    prophet_code rc;
    (void)ctx;
    file_place *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    p->options = o;
    if ((rc = ph_net_file_path(url, p->root, err)) < 0 ||
        (rc = ph_hasher_new(&p->hasher, err)) < 0) {
        file_close(p);
        return rc;
    }
    *place = p;
    return PROPHET_OK;
}

/* ---- finding a file without following links ------------------------------------------------------------------ */

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd); /* what was written was synced before */
}

/* What was just made in the folder above an open one is there after a power cut, too. */
static prophet_code sync_above(int dir, prophet_error *err)
{
    int above = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    prophet_code rc = PROPHET_OK;
    if (above >= 0 && fsync(above) < 0 && errno != EINVAL && errno != EINTR)
        rc = ph_fail_sys(err, errno, "sync the folder above");
    close_fd(above);
    return rc;
}

/* Opens the directory `name` in dir; make: makes it. PROPHET_DONE: there is none. */
static prophet_code enter(int dir, const char *name, int follow, bool make, int *out,
                          prophet_error *err)
{
    bool made = make && mkdirat(dir, name, 0777) == 0;
    int why = made || !make ? 0 : errno;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
    if (fd < 0 && make && why != EEXIST && (errno == ENOENT || errno == ENOTDIR))
        return ph_fail_create(err, why, name);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return make ? ph_fail(err, PROPHET_EREMOTE, "%s is no folder", name) : PROPHET_DONE;
    if (fd < 0)
        return ph_fail_sys(err, errno, "open %s", name);
    prophet_code rc = made ? sync_above(fd, err) : PROPHET_OK;
    if (rc < 0)
        close_fd(fd);
    else
        *out = fd;
    return rc;
}

static prophet_code is_gone(prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "the directory is gone");
    ph_hint(err, "was it a stick? put it back and try again");
    return rc;
}

/* The directory itself. A stick that is pulled out in the middle is not gone on with in the directory where it was. */
static prophet_code enter_root(file_place *p, bool make, int *out, prophet_error *err)
{
    struct stat st = { 0 };
    prophet_code rc = enter(AT_FDCWD, p->root, 0, make && !p->met, out, err);
    if (rc == PROPHET_OK && fstat(*out, &st) < 0)
        return ph_fail_sys(err, errno, "stat");
    if (rc == PROPHET_OK && !p->met) {
        p->met = true;
        p->device = st.st_dev;
    }
    return !make || rc < 0 || (rc == PROPHET_OK && st.st_dev == p->device) ? rc : is_gone(err);
}

/* The folder that holds `name`, and the rest of the name; PROPHET_DONE: there is no such folder. */
static prophet_code find_folder(file_place *p, const char *name, bool make, int *out,
                                const char **leaf, prophet_error *err)
{
    char part[NET_NAME_MAX + 1];
    const char *slash;
    int dir = -1, next;
    prophet_code rc = enter_root(p, make, &dir, err);

    while (rc == PROPHET_OK && (slash = strchr(name, '/')) != NULL) {
        size_t len = (size_t)(slash - name);
        memcpy(part, name, len);
        part[len] = 0;
        if ((rc = enter(dir, part, O_NOFOLLOW, make, &next, err)) != PROPHET_OK)
            break;
        close_fd(dir);
        dir = next;
        name = slash + 1;
    }
    if (rc != PROPHET_OK) {
        close_fd(dir);
        return rc;
    }
    *out = dir;
    *leaf = name;
    return PROPHET_OK;
}

/* PROPHET_DONE: there is no file of that name. */
static prophet_code open_file(int dir, const char *leaf, int *out, struct stat *st,
                              prophet_error *err)
{
    /* O_NONBLOCK: a pipe of that name must not hold us up. */
    int fd = openat(dir, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return PROPHET_DONE;
    if (fd < 0 && errno == ELOOP)
        return ph_fail(err, PROPHET_EREMOTE, "it is a symbolic link");
    if (fd < 0)
        return ph_fail_sys(err, errno, "open");
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        prophet_code rc =
            S_ISDIR(st->st_mode) ? PROPHET_DONE : ph_fail(err, PROPHET_EREMOTE, "it is no file");
        close_fd(fd);
        return rc;
    }
    *out = fd;
    return PROPHET_OK;
}

/* ---- etags ---------------------------------------------------------------------------------------------------- */

static prophet_code etag_of(const file_place *p, int fd, const struct stat *st, char *etag,
                            prophet_error *err)
{
    ph_buf bytes = PH_BUF_INIT;
    uint8_t hash[32];
    prophet_code rc = PROPHET_OK;
    size_t got;

    if (st->st_size > (off_t)HASHED_MAX) {
        (void)snprintf(etag, PROPHET_ETAG_MAX, "s%llx-%llx-%llx.%lx",
                       (unsigned long long)st->st_ino, (unsigned long long)st->st_size,
                       (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
        return PROPHET_OK;
    }
    if (!ph_buf_reserve(&bytes, (size_t)st->st_size + 1))
        return ph_nomem(err);
    if ((rc = ph_file_read(fd, bytes.data, (size_t)st->st_size, 0, &got, err)) >= 0) {
        prophet_slice all = ph_slice(bytes.data, got);
        rc = ph_hash_sha256(p->hasher, &all, 1, hash, err);
    }
    if (rc >= 0) {
        etag[0] = 'h';
        ph_hex(hash, sizeof hash, etag + 1);
    }
    ph_buf_clear(&bytes);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static prophet_code copy_out(const file_place *p, int fd, prophet_net_get *g, prophet_error *err)
{
    uint64_t at = g->offset;
    uint64_t end = g->offset > g->total               ? g->offset
                   : g->length > g->total - g->offset ? g->total
                                                      : g->offset + g->length;
    prophet_code rc = PROPHET_OK;
    uint8_t *chunk = ph_alloc(NET_CHUNK);
    if (!chunk)
        return ph_nomem(err);
    while (at < end) {
        size_t want = end - at < NET_CHUNK ? (size_t)(end - at) : NET_CHUNK, got;
        if ((rc = net_tick(p->options, "get", at - g->offset, end - g->offset, err)) < 0 ||
            (rc = ph_file_read(fd, chunk, want, at, &got, err)) < 0 || got == 0 ||
            (rc = g->sink(g->ctx, ph_slice(chunk, got), err)) < 0)
            break;
        at += got;
    }
    ph_free(chunk);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code file_get(void *place, const char *name, prophet_net_get *g, prophet_error *err)
{
    file_place *p = place;
    int dir = -1, fd = -1;
    struct stat st = { 0 };
    const char *leaf;
    prophet_code rc;

    if ((rc = find_folder(p, name, false, &dir, &leaf, err)) != PROPHET_OK ||
        (rc = open_file(dir, leaf, &fd, &st, err)) != PROPHET_OK ||
        (rc = etag_of(p, fd, &st, g->etag, err)) != PROPHET_OK)
        goto done;
    g->total = (uint64_t)st.st_size;
    if (g->known && strcmp(g->known, g->etag) == 0)
        g->unchanged = true;
    else if (g->expect && strcmp(g->expect, g->etag) != 0)
        rc = ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
    else
        rc = copy_out(p, fd, g, err);
done:
    close_fd(fd);
    close_fd(dir);
    return rc;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Once a place: what crashes left beside the file that is written now. */
static void tidy(file_place *p, int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *e;
    struct stat st;

    p->tidied = true;
    while (d && (e = readdir(d)) != NULL)
        if (strncmp(e->d_name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0 &&
            fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtime < time(NULL) - TEMP_KEEP_S)
            (void)unlinkat(dir, e->d_name, 0); /* another one may have done it */
    if (d)
        (void)closedir(d);
    else
        close_fd(copy);
}

static prophet_code write_body(const file_place *p, int fd, prophet_net_put *put,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint8_t *chunk = ph_alloc(NET_CHUNK);
    if (!chunk)
        return ph_nomem(err);
    for (uint64_t at = 0; rc >= 0 && at < put->length;) {
        size_t len = put->length - at < NET_CHUNK ? (size_t)(put->length - at) : NET_CHUNK;
        if ((rc = net_tick(p->options, "put", at, put->length, err)) >= 0 &&
            (rc = put->read(put->ctx, at, chunk, len, err)) >= 0)
            rc = ph_file_write(fd, chunk, len, at, err);
        at += len;
    }
    ph_free(chunk);
    return rc < 0 ? rc : ph_file_sync(fd, err);
}

/* A new file beside the one to be, whole and on the disk. temp: its name, "" when there is none to remove. */
static prophet_code write_temp(const file_place *p, int dir, prophet_net_put *put, char temp[40],
                               prophet_error *err)
{
    uint8_t random[12];
    struct stat st;
    prophet_code rc = ph_random(random, sizeof random, err);
    temp[0] = 0;
    if (rc < 0)
        return rc;
    char name[40] = TEMP_PREFIX;
    ph_hex(random, sizeof random, name + sizeof TEMP_PREFIX - 1);
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EROFS || errno == EACCES
                   ? ph_fail(err, PROPHET_EREADONLY, "the directory cannot be written to")
                   : ph_fail_sys(err, errno, "create a file");
    memcpy(temp, name, sizeof name);
    if ((rc = write_body(p, fd, put, err)) >= 0) {
        rc = fstat(fd, &st) < 0 ? ph_fail_sys(err, errno, "stat")
                                : etag_of(p, fd, &st, put->etag, err);
    }
    close_fd(fd);
    return rc;
}

/* The folder's own lock, which every writer of ours takes for the moment of its rename; *held false: this file system has none. */
static prophet_code lock_folder(const file_place *p, int dir, bool *held, prophet_error *err)
{
    static const struct timespec pause = { 0, LOCK_RETRY_NS };
    uint64_t until = ph_monotonic_us() + (uint64_t)p->options->stall_ms * 1000;
    prophet_code rc;
    while (!(*held = flock(dir, LOCK_EX | LOCK_NB) == 0)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return PROPHET_OK;
        if (ph_monotonic_us() > until)
            return ph_fail(err, PROPHET_EBUSY, "another writer holds the folder");
        if ((rc = net_tick(p->options, "put", 0, PROPHET_WHOLE, err)) < 0)
            return rc;
        (void)nanosleep(&pause, NULL);
    }
    return PROPHET_OK;
}

static prophet_code check_condition(const file_place *p, int dir, const char *leaf,
                                    const prophet_net_put *put, prophet_error *err)
{
    char etag[PROPHET_ETAG_MAX] = "";
    struct stat st;
    int fd;
    if (!put->only_if_absent && !put->only_if_etag)
        return PROPHET_OK;
    prophet_code rc = open_file(dir, leaf, &fd, &st, err);
    if (rc < 0)
        return rc;
    if (rc == PROPHET_DONE)
        return put->only_if_etag ? ph_fail(err, PROPHET_ESTALE, "it is gone") : PROPHET_OK;
    rc = etag_of(p, fd, &st, etag, err);
    close_fd(fd);
    if (rc < 0)
        return rc;
    if (put->only_if_absent)
        return ph_fail(err, PROPHET_EEXISTS, "there is one already");
    return strcmp(etag, put->only_if_etag) == 0
               ? PROPHET_OK
               : ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
}

static prophet_code rename_into_place(const file_place *p, int dir, const char *temp,
                                      const char *leaf, prophet_net_put *put, prophet_error *err)
{
    bool held = false;
    prophet_code rc = lock_folder(p, dir, &held, err);
    if (rc >= 0)
        rc = check_condition(p, dir, leaf, put, err);
    put->looked = rc >= 0 && !held && (put->only_if_absent || put->only_if_etag);
    if (rc >= 0 && renameat(dir, temp, dir, leaf) < 0)
        rc = errno == EISDIR ? ph_fail(err, PROPHET_EREMOTE, "it is a folder")
                             : ph_fail_sys(err, errno, "rename");
    if (held)
        (void)flock(dir, LOCK_UN); /* closing would do it too */
    return rc;
}

static prophet_code sync_folder(int dir, prophet_error *err)
{
    return fsync(dir) < 0 && errno != EINVAL && errno != EINTR ? ph_fail_sys(err, errno, "sync")
                                                               : PROPHET_OK;
}

static prophet_code file_put(void *place, const char *name, prophet_net_put *put,
                             prophet_error *err)
{
    file_place *p = place;
    char temp[40] = "";
    const char *leaf;
    int dir = -1;
    prophet_code rc;

    if ((rc = find_folder(p, name, true, &dir, &leaf, err)) < 0)
        return rc;
    if (!p->tidied)
        tidy(p, dir);
    if ((rc = write_temp(p, dir, put, temp, err)) >= 0 &&
        (rc = rename_into_place(p, dir, temp, leaf, put, err)) >= 0) {
        temp[0] = 0;
        rc = sync_folder(dir, err);
    }
    if (temp[0])
        (void)unlinkat(dir, temp, 0); /* the first error is the one to tell */
    close_fd(dir);
    return rc == PROPHET_EIO && !ph_path_exists(p->root) ? is_gone(err) : rc;
}

static prophet_code file_remove(void *place, const char *name, prophet_error *err)
{
    file_place *p = place;
    const char *leaf;
    int dir = -1;
    prophet_code rc = find_folder(p, name, false, &dir, &leaf, err);
    if (rc != PROPHET_OK)
        return rc;
    if (unlinkat(dir, leaf, 0) == 0)
        rc = sync_folder(dir, err);
    else if (errno == ENOENT || errno == EISDIR)
        rc = PROPHET_DONE;
    else
        rc = errno == EROFS || errno == EACCES
                 ? ph_fail(err, PROPHET_EREADONLY, "the directory cannot be written to")
                 : ph_fail_sys(err, errno, "remove");
    close_fd(dir);
    return rc;
}

/* ---- listing ------------------------------------------------------------------------------------------------------ */

typedef struct walk {
    const file_place *place;
    prophet_net_name_fn each;
    void *ctx;
} walk;

static prophet_code list_folder(const walk *w, int dir, const char *before, int depth,
                                prophet_error *err);

static prophet_code list_entry(const walk *w, int dir, const char *before, const char *leaf,
                               int depth, prophet_error *err)
{
    char name[NET_NAME_MAX + 2];
    struct stat st;
    int fd, n = snprintf(name, sizeof name, "%s%s", before, leaf);
    prophet_code rc;

    if (leaf[0] == '.' || n < 0 || (size_t)n > NET_NAME_MAX ||
        fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return PROPHET_OK; /* none of ours, or gone by now */
    if (S_ISREG(st.st_mode))
        return w->each(w->ctx, name, (uint64_t)st.st_size, err);
    if (!S_ISDIR(st.st_mode) || depth >= DEEPEST ||
        (rc = enter(dir, leaf, O_NOFOLLOW, false, &fd, err)) == PROPHET_DONE)
        return PROPHET_OK;
    if (rc < 0)
        return rc;
    memcpy(name + n, "/", 2);
    return list_folder(w, fd, name, depth + 1, err);
}

/* Closes dir. */
static prophet_code list_folder(const walk *w, int dir, const char *before, int depth,
                                prophet_error *err)
{
    DIR *d = fdopendir(dir);
    const struct dirent *e;
    prophet_code rc = PROPHET_OK;

    if (!d) {
        rc = ph_fail_sys(err, errno, "read a folder");
        close_fd(dir);
        return rc;
    }
    while (rc == PROPHET_OK && (errno = 0, e = readdir(d)) != NULL)
        if ((rc = net_tick(w->place->options, "list", 0, PROPHET_WHOLE, err)) >= 0)
            rc = list_entry(w, dir, before, e->d_name, depth, err);
    if (rc == PROPHET_OK && errno != 0)
        rc = ph_fail_sys(err, errno, "read a folder");
    (void)closedir(d);
    return rc;
}

static prophet_code file_list(void *place, const char *folder, prophet_net_name_fn each,
                              void *each_ctx, prophet_error *err)
{
    const walk w = { place, each, each_ctx };
    const char *leaf;
    int dir = -1;
    prophet_code rc = find_folder(place, folder, false, &dir, &leaf, err);
    if (rc == PROPHET_DONE)
        return PROPHET_OK;
    return rc < 0 ? rc : list_folder(&w, dir, folder, 0, err);
}

const prophet_transport ph_net_file = { sizeof ph_net_file, "file",   NULL,      file_open,
                                        file_get,           file_put, file_list, file_remove,
                                        file_close,         NULL };
