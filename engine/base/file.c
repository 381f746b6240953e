/* file: whole transfers on files and directories, for log, store, replica and sync.
 *
 * Every call retries EINTR and short transfers and names the path in its message (calls on a
 * descriptor leave that to the caller's ph_context). Nothing here follows a symbolic link that
 * it would then remove or overwrite. Builds with PH_DEV can fail the nth write or sync. */
#include "base/base.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef PH_DEV
#include <stdatomic.h>

static _Atomic uint64_t fail_in; /* 0: never; n: the nth write or sync from now */
static _Atomic int fail_errno;

void ph_file_fail_at(uint64_t nth, int sys)
{
    atomic_store(&fail_errno, sys);
    atomic_store(&fail_in, nth);
}

/* Sets errno and says true when this write or sync is the one to fail. */
static bool must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);

    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_in, &left, left - 1)) {
            if (left > 1)
                return false;
            errno = atomic_load(&fail_errno);
            return true;
        }
    return false;
}
#else
void ph_file_fail_at(uint64_t nth, int sys)
{
    (void)nth, (void)sys; /* no fault points in this build */
}

static inline bool must_fail(void)
{
    return false;
}
#endif

/* ---- transfers -------------------------------------------------------------------------------- */

/* With the file's name, if it has one. */
static prophet_code fail_fd(prophet_error *err, int sys, const char *verb, int fd)
{
    char link[32], path[PH_PATH_MAX];

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/')
        return ph_fail_sys(err, sys, "%s", verb);
    path[n] = 0;
    return ph_fail_sys(err, sys, "%s %s", verb, path);
}

prophet_code ph_file_read(int fd, void *buf, size_t len, uint64_t offset, size_t *got,
                          prophet_error *err)
{
    uint8_t *to = buf;
    size_t done = 0;

    if (len > INT64_MAX || offset > INT64_MAX - len)
        return ph_fail(err, PROPHET_EUSAGE, "offset %llu is out of range",
                       (unsigned long long)offset);
    while (done < len) {
        ssize_t n = pread(fd, to + done, len - done, (off_t)(offset + done));
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return fail_fd(err, errno, "read", fd);
    }
    *got = done;
    return PROPHET_OK;
}

prophet_code ph_file_write(int fd, const void *buf, size_t len, uint64_t offset, prophet_error *err)
{
    const uint8_t *from = buf;
    size_t done = 0;

    if (len > INT64_MAX || offset > INT64_MAX - len)
        return ph_fail(err, PROPHET_EUSAGE, "offset %llu is out of range",
                       (unsigned long long)offset);
    if (must_fail())
        return fail_fd(err, errno, "write", fd);
    while (done < len) {
        ssize_t n = pwrite(fd, from + done, len - done, (off_t)(offset + done));
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return fail_fd(err, EIO, "write", fd);
        else if (errno != EINTR)
            return fail_fd(err, errno, "write", fd);
    }
    return PROPHET_OK;
}

prophet_code ph_file_sync(int fd, prophet_error *err)
{
    if (must_fail())
        return fail_fd(err, errno, "sync", fd);
    while (fdatasync(fd) < 0)
        if (errno != EINTR)
            return fail_fd(err, errno, "sync", fd);
    return PROPHET_OK;
}

/* An interrupted close has closed the file on Linux: never retried. Errors were told by the sync before. */
static void close_quietly(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static int open_retry(int dir, const char *path, int flags, mode_t mode)
{
    int fd;

    do
        fd = openat(dir, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static prophet_code slurp_fd(int fd, size_t limit, ph_buf *out, prophet_error *err)
{
    uint64_t offset = 0;
    struct stat st;
    prophet_code rc;

    if (fstat(fd, &st) < 0)
        return fail_fd(err, errno, "stat", fd);
    if (st.st_size > 0 && (uint64_t)st.st_size <= limit)
        (void)ph_buf_reserve(out, (size_t)st.st_size + 1); /* a hint; the loop below checks */
    for (;;) {
        size_t want = out->cap - out->len > 1 ? out->cap - out->len : 4096, got;
        if (!ph_buf_reserve(out, want))
            return ph_nomem(err);
        if ((rc = ph_file_read(fd, out->data + out->len, want, offset, &got, err)) < 0)
            return rc;
        out->len += got;
        offset += got;
        if (offset > limit)
            return ph_fail(err, PROPHET_EUSAGE, "longer than %zu bytes", limit);
        if (got < want)
            return PROPHET_OK;
    }
}

prophet_code ph_file_slurp(const char *path, size_t limit, ph_buf *out, prophet_error *err)
{
    size_t before = out->len;
    prophet_code rc;
    int fd = open_retry(AT_FDCWD, path, O_RDONLY, 0);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ph_fail(err, PROPHET_ENOTFOUND, "no file %s", path);
    if (fd < 0)
        return ph_fail_sys(err, errno, "open %s", path);
    rc = slurp_fd(fd, limit, out, err);
    close_quietly(fd);
    if (rc < 0) {
        out->len = before;
        if (err && err->sys == 0) /* else it is named already */
            ph_context(err, "%s", path);
    }
    return rc;
}

/* ---- replacing a file -------------------------------------------------------------------------- */

/* The directory that holds `path`: "." for a bare name, "/" for a name in the root. */
static prophet_code parent_of(const char *path, char *out, size_t size, prophet_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 1;

    if (slash == path)
        len = 1;
    if (len >= size)
        return ph_fail(err, PROPHET_EUSAGE, "path %.60s... is too long", path);
    memcpy(out, slash ? path : ".", len);
    out[len] = 0;
    return PROPHET_OK;
}

static prophet_code write_new(const char *path, prophet_slice bytes, unsigned mode,
                              prophet_error *err)
{
    prophet_code rc;
    int fd;

    /* Left by a crash, perhaps with another mode: O_EXCL makes sure that ours holds for a secret. */
    if (unlink(path) < 0 && errno != ENOENT)
        return ph_fail_sys(err, errno, "remove %s", path);
    fd = open_retry(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0)
        return ph_fail_sys(err, errno, "create %s", path);
    if ((rc = ph_file_write(fd, bytes.data, bytes.len, 0, err)) >= 0)
        rc = ph_file_sync(fd, err);
    close_quietly(fd);
    if (rc < 0)
        (void)unlink(path); /* the first error is the one to tell */
    return rc;
}

prophet_code ph_file_replace(const char *path, prophet_slice bytes, unsigned mode,
                             prophet_error *err)
{
    char temp[PH_PATH_MAX], dir[PH_PATH_MAX];
    prophet_code rc;
    int n = snprintf(temp, sizeof temp, "%s.tmp", path);

    if (n < 0 || (size_t)n >= sizeof temp)
        return ph_fail(err, PROPHET_EUSAGE, "path %.60s... is too long", path);
    if ((rc = parent_of(path, dir, sizeof dir, err)) < 0 ||
        (rc = write_new(temp, bytes, mode, err)) < 0)
        return rc;
    if (rename(temp, path) < 0) {
        rc = ph_fail_sys(err, errno, "rename %s", temp);
        (void)unlink(temp); /* the first error is the one to tell */
        return rc;
    }
    return ph_dir_sync(dir, err);
}

prophet_code ph_dir_sync(const char *path, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    int fd = open_retry(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return ph_fail_sys(err, errno, "open %s", path);
    /* EINVAL: a file system that cannot sync directories; its renames are as safe as it makes them */
    if (must_fail() || (fsync(fd) < 0 && errno != EINVAL && errno != EINTR))
        rc = ph_fail_sys(err, errno, "sync %s", path);
    close_quietly(fd);
    return rc;
}

/* ---- removing a directory ----------------------------------------------------------------------- */

#define DEEPEST 100 /* each level holds one descriptor */

static int remove_tree(int dir, const char *name, int depth);

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Removes all entries of an open directory. 0 or errno. */
static int remove_entries(DIR *d, int depth)
{
    const struct dirent *e;

    while (errno = 0, (e = readdir(d)) != NULL) {
        int sys = is_dots(e->d_name) ? 0 : remove_tree(dirfd(d), e->d_name, depth + 1);
        if (sys)
            return sys;
    }
    return errno;
}

/* Removes a file, a link itself, or a directory with all in it. 0 or errno; ENOENT counts as done inside. */
static int remove_tree(int dir, const char *name, int depth)
{
    DIR *d;
    int fd, sys = 0;

    if (unlinkat(dir, name, 0) == 0 || (errno == ENOENT && depth > 0))
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return errno;
    if (depth > DEEPEST)
        return ELOOP;
    if ((fd = open_retry(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)) < 0)
        return errno;
    if (!(d = fdopendir(fd))) {
        sys = errno;
        close_quietly(fd);
        return sys;
    }
    /* Some file systems skip entries of a directory that changes while it is read: read it again. */
    for (int pass = 0; pass < 8; pass++) {
        rewinddir(d);
        if ((sys = remove_entries(d, depth)) != 0)
            break;
        sys = unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? errno : 0;
        if (sys != ENOTEMPTY && sys != EEXIST)
            break;
    }
    (void)closedir(d); /* nothing was written through it */
    return sys;
}

prophet_code ph_dir_remove(const char *path, prophet_error *err)
{
    char name[PH_PATH_MAX];
    size_t len = strlen(path);
    int sys;

    while (len > 1 && path[len - 1] == '/') /* "link/" would follow the link */
        len--;
    if (len == 0 || len >= sizeof name)
        return ph_fail(err, PROPHET_EUSAGE, "path %.60s is empty or too long", path);
    memcpy(name, path, len);
    name[len] = 0;
    sys = remove_tree(AT_FDCWD, name, 0);
    if (sys == ENOENT)
        return ph_fail(err, PROPHET_ENOTFOUND, "no directory %s", name);
    return sys ? ph_fail_sys(err, sys, "remove %s", name) : PROPHET_OK;
}

/* ---- standard streams ------------------------------------------------------------------------------ */

void ph_std_hold(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (got > fd) /* the least free number is fd, but for another thread that was faster */
            (void)close(got);
    }
}

/* ---- paths --------------------------------------------------------------------------------------- */

bool ph_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

prophet_code ph_path_join(char *out, size_t size, const char *dir, const char *name,
                          prophet_error *err)
{
    size_t len = strlen(dir);
    const char *slash = len > 0 && dir[len - 1] != '/' ? "/" : "";
    int n = snprintf(out, size, "%s%s%s", dir, slash, name);

    if (n < 0 || (size_t)n >= size)
        return ph_fail(err, PROPHET_EUSAGE, "path %.60s.../%.60s is too long", dir, name);
    return PROPHET_OK;
}
