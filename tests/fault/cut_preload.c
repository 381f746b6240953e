/* Loaded before libc by LD_PRELOAD: records what a process asks of the disk below PH_CUT_ROOT, and passes it on. A page that
 * is mapped shared and writable is compared at every event, so that what was stored into it is there as a write.
 * power_cut_test.c starts the programs, cut_disk.c reads the trace. */
#undef _FILE_OFFSET_BITS /* both names of each call are defined below */
#pragma GCC visibility push(default)
#include "cut_trace.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#undef open
#undef openat

enum { OBJECTS = 4096, MAPS = 16, MAP_MAX = 64 * 1024, PATH_SIZE = 4096 };

static struct {
    pthread_mutex_t lock;
    int fd; /* of the trace; -1: nothing is recorded */
    const char *root, *acks, *boot;
    size_t root_len;
    ino_t ack_inode;
    struct {
        ino_t inode;
        dev_t device;
    } objects[OBJECTS];
    uint32_t object_count;
    struct {
        const uint8_t *at;
        size_t len;
        uint32_t object;
        uint64_t offset;
        uint8_t *shadow;
    } maps[MAPS];
} R = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void start(void)
{
    static bool started;
    const char *trace = getenv("PH_CUT_TRACE");

    if (started)
        return;
    started = true;
    R.root = getenv("PH_CUT_ROOT");
    R.acks = getenv("PH_CUT_ACKS");
    R.boot = getenv("PH_CUT_BOOT");
    if (R.root && trace) {
        R.root_len = strlen(R.root);
        R.fd = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                            0666);
    }
}

/* ---- events ----------------------------------------------------------------------------------- */

static void emit_raw(cut_event e, const void *a, const void *b)
{
    struct iovec v[3] = { { &e, sizeof e },
                          { (void *)(uintptr_t)a, e.len },
                          { (void *)(uintptr_t)b, e.len2 } };
    ssize_t want = (ssize_t)(sizeof e + e.len + e.len2);

    if (syscall(SYS_writev, R.fd, v, 3) != want)
        abort(); /* half a trace proves nothing */
}

static void emit_maps(void)
{
    for (int i = 0; i < MAPS; i++) {
        if (!R.maps[i].at)
            continue;
        const uint8_t *now = R.maps[i].at;
        uint8_t *old = R.maps[i].shadow;
        for (size_t at = 0; at < R.maps[i].len; at += 512) {
            if (memcmp(now + at, old + at, 512) == 0)
                continue;
            memcpy(old + at, now + at, 512);
            cut_event e = { .kind = CUT_WRITE,
                            .object = R.maps[i].object,
                            .offset = R.maps[i].offset + at,
                            .len = 512 };
            emit_raw(e, old + at, NULL);
        }
    }
}

static void emit(cut_event e, const void *a, const void *b)
{
    emit_maps();
    emit_raw(e, a, b);
}

static void emit_path(int kind, uint32_t object, const char *path)
{
    cut_event e = { .kind = (uint8_t)kind, .object = object, .len = (uint32_t)strlen(path) };

    emit(e, path, NULL);
}

/* ---- paths and objects --------------------------------------------------------------------------- */

/* The absolute path; false when it is not below the root. */
static bool below_root(int dir, const char *path, char out[PATH_SIZE])
{
    char link[64];
    ssize_t n = 0;

    start();
    if (R.fd < 0)
        return false;
    if (path[0] != '/') {
        if (dir == AT_FDCWD) {
            if (!getcwd(out, PATH_SIZE))
                return false;
            n = (ssize_t)strlen(out);
        } else {
            (void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            n = readlink(link, out, PATH_SIZE - 1);
        }
        if (n < 0 || (size_t)n + strlen(path) + 2 > PATH_SIZE)
            return false;
        out[n++] = '/';
    }
    (void)snprintf(out + n, PATH_SIZE - (size_t)n, "%s", path);
    for (size_t len = strlen(out); len > 1 && out[len - 1] == '/'; len--)
        out[len - 1] = 0;
    return strncmp(out, R.root, R.root_len) == 0 &&
           (out[R.root_len] == '/' || out[R.root_len] == 0);
}

/* The object of an open file, or 0. */
static uint32_t object_of(int fd)
{
    struct stat st;
    int saved = errno;

    start();
    if (R.fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        errno = saved;
        return 0;
    }
    errno = saved;
    for (uint32_t i = R.object_count; i > 0;
         i--) /* newest first: numbers of removed files come back */
        if (R.objects[i - 1].inode == st.st_ino && R.objects[i - 1].device == st.st_dev)
            return i;
    return 0;
}

static void object_add(int fd, bool created, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (!created && object_of(fd)))
        return;
    if (R.object_count == OBJECTS)
        abort();
    R.objects[R.object_count].inode = st.st_ino;
    R.objects[R.object_count].device = st.st_dev;
    emit_path(created ? CUT_CREATE : CUT_FOUND, ++R.object_count, path);
}

static bool is_ack(int fd)
{
    struct stat st;

    return R.ack_inode && fstat(fd, &st) == 0 && st.st_ino == R.ack_inode;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static int opened(int dir, const char *path, int flags, mode_t mode)
{
    char full[PATH_SIZE];
    struct stat st;

    start();
    if (R.boot && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        path = R.boot;
    bool watched = below_root(dir, path, full);
    bool created = watched && (flags & O_CREAT) && stat(full, &st) != 0;
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd < 0)
        return fd;
    pthread_mutex_lock(&R.lock);
    if (R.fd >= 0 && R.acks && strcmp(path, R.acks) == 0 && fstat(fd, &st) == 0)
        R.ack_inode = st.st_ino;
    if (watched) {
        object_add(fd, created, full);
        uint32_t o = object_of(fd);
        if (!created && o && (flags & O_TRUNC))
            emit((cut_event){ .kind = CUT_TRUNCATE, .object = o }, NULL, NULL);
    }
    pthread_mutex_unlock(&R.lock);
    return fd;
}

#define MODE_OF(flags, mode) \
    do { \
        if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
            va_list ap; \
            va_start(ap, flags); \
            (mode) = (mode_t)va_arg(ap, unsigned); \
            va_end(ap); \
        } \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return opened(AT_FDCWD, path, flags, mode);
}
int openat(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return opened(dir, path, flags, mode);
}
int openat64(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    MODE_OF(flags, mode);
    return opened(dir, path, flags, mode);
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void note_write(int fd, const void *data, size_t len, uint64_t offset)
{
    uint32_t o = object_of(fd);
    int saved = errno;

    if (R.fd < 0)
        return;
    if (is_ack(fd)) {
        emit((cut_event){ .kind = CUT_ACK, .len = (uint32_t)len }, data, NULL);
    } else if (o) {
        emit((cut_event){ .kind = CUT_WRITE, .object = o, .offset = offset, .len = (uint32_t)len },
             data, NULL);
        if (fcntl(fd, F_GETFL) & O_DSYNC)
            emit((cut_event){ .kind = CUT_SYNC, .object = o }, NULL, NULL);
    }
    errno = saved;
}

static ssize_t written(int fd, const void *data, size_t len, off64_t offset, ssize_t n)
{
    if (n > 0 && (size_t)n <= len) {
        pthread_mutex_lock(&R.lock);
        note_write(fd, data, (size_t)n, (uint64_t)offset);
        pthread_mutex_unlock(&R.lock);
    }
    return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t n = syscall(SYS_write, fd, data, len);

    if (n > 0 && (object_of(fd) || is_ack(fd)))
        written(fd, data, len, lseek(fd, 0, SEEK_CUR) - n, n);
    return n;
}
ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return written(fd, data, len, offset, syscall(SYS_pwrite64, fd, data, len, offset));
}
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return written(fd, data, len, offset, syscall(SYS_pwrite64, fd, data, len, offset));
}

static ssize_t written_parts(int fd, const struct iovec *parts, int count, off64_t offset,
                             ssize_t n)
{
    ssize_t left = n;

    pthread_mutex_lock(&R.lock);
    for (int i = 0; i < count && left > 0; i++) {
        size_t len = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
        if (len > 0)
            note_write(fd, parts[i].iov_base, len, (uint64_t)offset);
        offset += (off64_t)len, left -= (ssize_t)len;
    }
    pthread_mutex_unlock(&R.lock);
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    ssize_t n = syscall(SYS_writev, fd, parts, count);

    if (n > 0 && object_of(fd))
        written_parts(fd, parts, count, lseek(fd, 0, SEEK_CUR) - n, n);
    return n;
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return written_parts(fd, parts, count, offset,
                         syscall(SYS_pwritev, fd, parts, count, offset, 0));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return written_parts(fd, parts, count, offset,
                         syscall(SYS_pwritev, fd, parts, count, offset, 0));
}

/* The size it has now is what the disk was told. (Modes that empty a range are not used by the engine.) */
static int resized(int fd, int rc)
{
    struct stat st;
    uint32_t o = rc == 0 ? object_of(fd) : 0;

    if (o && fstat(fd, &st) == 0) {
        pthread_mutex_lock(&R.lock);
        emit((cut_event){ .kind = CUT_TRUNCATE, .object = o, .offset = (uint64_t)st.st_size }, NULL,
             NULL);
        pthread_mutex_unlock(&R.lock);
    }
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return resized(fd, (int)syscall(SYS_ftruncate, fd, size));
}
int ftruncate64(int fd, off64_t size)
{
    return resized(fd, (int)syscall(SYS_ftruncate, fd, size));
}
int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return resized(fd, (int)syscall(SYS_fallocate, fd, mode, offset, len));
}
int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    return resized(fd, (int)syscall(SYS_fallocate, fd, mode, offset, len));
}
int posix_fallocate(int fd, off_t offset, off_t len)
{
    return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

/* ---- syncing ---------------------------------------------------------------------------------------------- */

static int synced(int fd, int rc)
{
    char link[64], path[PATH_SIZE];
    struct stat st;
    ssize_t n;

    start();
    if (rc != 0 || R.fd < 0 || fstat(fd, &st) != 0)
        return rc;
    pthread_mutex_lock(&R.lock);
    uint32_t o = object_of(fd);
    if (o) {
        emit((cut_event){ .kind = CUT_SYNC, .object = o }, NULL, NULL);
    } else if (S_ISDIR(st.st_mode)) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        if (strncmp(path, R.root, R.root_len) == 0)
            emit_path(CUT_SYNC_DIR, 0, path);
    }
    pthread_mutex_unlock(&R.lock);
    return rc;
}

/* The real thing is not needed: the model says what is on the disk. */
int fsync(int fd)
{
    return synced(fd, fcntl(fd, F_GETFL) < 0 ? -1 : 0);
}
int fdatasync(int fd)
{
    return synced(fd, fcntl(fd, F_GETFL) < 0 ? -1 : 0);
}
int msync(void *at, size_t len, int flags)
{
    (void)len, (void)flags;
    start();
    if (R.fd < 0)
        return 0;
    pthread_mutex_lock(&R.lock);
    for (int i = 0; i < MAPS; i++) {
        const uint8_t *p = at;
        if (R.maps[i].at && p >= R.maps[i].at && p < R.maps[i].at + R.maps[i].len)
            emit((cut_event){ .kind = CUT_SYNC, .object = R.maps[i].object }, NULL, NULL);
    }
    pthread_mutex_unlock(&R.lock);
    return 0;
}

static void *mapped(void *at, size_t len, int prot, int flags, int fd, off64_t offset)
{
    uint32_t o =
        at != MAP_FAILED && fd >= 0 && (prot & PROT_WRITE) && (flags & MAP_SHARED) && len <= MAP_MAX
            ? object_of(fd)
            : 0;

    if (!o)
        return at;
    pthread_mutex_lock(&R.lock);
    for (int i = 0; i < MAPS; i++) {
        if (R.maps[i].at)
            continue;
        R.maps[i].shadow = malloc(len);
        if (!R.maps[i].shadow)
            abort();
        memcpy(R.maps[i].shadow, at, len);
        R.maps[i].at = at, R.maps[i].len = len, R.maps[i].object = o,
        R.maps[i].offset = (uint64_t)offset;
        break;
    }
    pthread_mutex_unlock(&R.lock);
    return at;
}

void *mmap(void *hint, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mapped((void *)syscall(SYS_mmap, hint, len, prot, flags, fd, offset), len, prot, flags,
                  fd, offset);
}
void *mmap64(void *hint, size_t len, int prot, int flags, int fd, off64_t offset)
{
    return mapped((void *)syscall(SYS_mmap, hint, len, prot, flags, fd, offset), len, prot, flags,
                  fd, offset);
}
int munmap(void *at, size_t len)
{
    if (R.fd >= 0) {
        pthread_mutex_lock(&R.lock);
        emit_maps();
        for (int i = 0; i < MAPS; i++) {
            if (R.maps[i].at == at && at) {
                free(R.maps[i].shadow);
                R.maps[i].at = NULL;
            }
        }
        pthread_mutex_unlock(&R.lock);
    }
    return (int)syscall(SYS_munmap, at, len);
}

/* ---- names --------------------------------------------------------------------------------------------------- */

static int named(int kind, int dir, const char *path, int rc)
{
    char full[PATH_SIZE];

    if (rc == 0 && below_root(dir, path, full)) {
        pthread_mutex_lock(&R.lock);
        emit_path(kind, 0, full);
        pthread_mutex_unlock(&R.lock);
    }
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    return named(CUT_MKDIR, AT_FDCWD, path, (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
int mkdirat(int dir, const char *path, mode_t mode)
{
    return named(CUT_MKDIR, dir, path, (int)syscall(SYS_mkdirat, dir, path, mode));
}
char *mkdtemp(char *template)
{
    char *path = REAL(mkdtemp)(template);

    if (path)
        named(CUT_MKDIR, AT_FDCWD, path, 0);
    return path;
}
int unlink(const char *path)
{
    return named(CUT_UNLINK, AT_FDCWD, path, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int rmdir(const char *path)
{
    return named(CUT_RMDIR, AT_FDCWD, path,
                 (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}
int unlinkat(int dir, const char *path, int flags)
{
    char full[PATH_SIZE];
    bool watched = below_root(dir, path, full); /* while it is there */
    int rc = (int)syscall(SYS_unlinkat, dir, path, flags);

    return watched ? named(flags & AT_REMOVEDIR ? CUT_RMDIR : CUT_UNLINK, AT_FDCWD, full, rc) : rc;
}

static int renamed(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char a[PATH_SIZE], b[PATH_SIZE];
    bool watched = below_root(from_dir, from, a) && below_root(to_dir, to, b);
    int rc = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);

    if (rc == 0 && watched) {
        pthread_mutex_lock(&R.lock);
        emit((cut_event){ .kind = CUT_RENAME,
                          .len = (uint32_t)strlen(a),
                          .len2 = (uint32_t)strlen(b) },
             a, b);
        pthread_mutex_unlock(&R.lock);
    }
    return rc;
}

int rename(const char *from, const char *to)
{
    return renamed(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return renamed(from_dir, from, to_dir, to, 0);
}
