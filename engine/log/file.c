/* Log files DIR/log/00000001.log, 00000002.log, ...: their table, which of them a position lies in, creating them.
 *
 * Position p lies in the last file whose `first` is not above it, at offset p - first + 64 (file_header.c draws a header). A file that was
 * rolled over to has first = number << 32 | 64. A file that repair.c made after a failed flush takes over from inside its predecessor:
 * first = before, and what the predecessor has from there on no longer counts. So a batch keeps its position when it is rewritten. A file
 * gets its name when its header is on disk; `before` of the next one says where a file ends. */
#include "log/log_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MISSING_MOST = 256 };

void ph_log_file_path(const ph_log *log, uint32_t n, char out[PH_PATH_MAX])
{
    (void)snprintf(out, PH_PATH_MAX, "%s/log/%08u.log", log->dir,
                   n); /* ph_log_open checked the length */
}

/* ---- the table --------------------------------------------------------------------------------------- */

void ph_log_forget_files(ph_log *log)
{
    for (uint32_t i = 0; i < log->file_count; i++)
        if (log->files[i].fd >= 0)
            (void)close(log->files[i].fd); /* nothing unsynced is lost by closing */
    log->file_count = log->open_fds = 0;
}

static prophet_code grow_table(ph_log *log, uint32_t count, prophet_error *err)
{
    if (count > log->file_cap) {
        uint32_t cap = count + 8;
        ph_log_file *files = ph_realloc(log->files, cap * sizeof *files);
        if (!files)
            return ph_nomem(err);
        log->files = files;
        log->file_cap = cap;
    }
    for (uint32_t i = log->file_count; i < count; i++) {
        memset(&log->files[i], 0, sizeof log->files[i]);
        log->files[i].fd = -1;
    }
    if (count > log->file_count)
        log->file_count = count;
    return PROPHET_OK;
}

static void drop_last(ph_log *log)
{
    ph_log_file *f = &log->files[--log->file_count];

    if (f->fd >= 0) {
        (void)close(f->fd); /* nothing unsynced is lost by closing */
        log->open_fds--;
    }
}

/* "00000012.log" -> 12, anything else -> 0 */
static uint32_t file_number(const char *name)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; name[i] >= '0' && name[i] <= '9' && i < 10; i++)
        n = n * 10 + (uint64_t)(name[i] - '0');
    return i >= 8 && strcmp(name + i, ".log") == 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static bool is_temporary(const char *name)
{
    size_t len = strlen(name);

    return len > 8 && strcmp(name + len - 8, ".log.tmp") == 0;
}

/* Numbers have no long gaps: a file with a number from nowhere would have all those before it looked for. */
static prophet_code refuse_stray(const char *dir, uint32_t last, prophet_error *err)
{
    prophet_code rc =
        ph_fail(err, PROPHET_ECORRUPT, "%s/%08u.log: most files before it are missing", dir, last);

    ph_hint(err, "move it away if it does not belong here");
    return rc;
}

/* Highest file number in DIR/log; removes temporary files when told to. */
static prophet_code list_files(ph_log *log, bool sweep, uint32_t *last, prophet_error *err)
{
    char path[PH_PATH_MAX];
    struct dirent *e;
    uint32_t count = 0;
    prophet_code rc;
    DIR *d;

    if ((rc = ph_path_join(path, sizeof path, log->dir, "log", err)) < 0)
        return rc;
    if (!(d = opendir(path)))
        return errno == ENOENT ? ph_fail(err, PROPHET_ENOTFOUND, "no log in %s", log->dir)
                               : ph_fail_sys(err, errno, "open %s", path);
    *last = 0;
    while ((e = readdir(d)) != NULL) {
        uint32_t n = file_number(e->d_name);
        count += n > 0;
        if (n > *last)
            *last = n;
        if (sweep && is_temporary(e->d_name))
            (void)unlinkat(dirfd(d), e->d_name,
                           0); /* left behind if it cannot be removed: harmless */
    }
    (void)closedir(d);
    if (*last - count > MISSING_MOST && *last > count)
        return refuse_stray(path, *last, err);
    if (*last)
        return PROPHET_OK;
    rc = ph_fail(err, PROPHET_ENOTFOUND, "no log files in %s", path);
    ph_hint(err, "put them back from a backup, or clone another replica");
    return rc;
}

prophet_code ph_log_scan_files(ph_log *log, prophet_error *err)
{
    uint32_t last;
    prophet_code rc;

    if ((rc = list_files(log, false, &last, err)) < 0)
        return rc;
    return ph_log_set_files(log, last, err);
}

prophet_code ph_log_set_files(ph_log *log, uint32_t count, prophet_error *err)
{
    while (log->file_count > count)
        drop_last(log);
    return grow_table(log, count, err);
}

prophet_code ph_log_sweep_temporary(ph_log *log, prophet_error *err)
{
    uint32_t last;

    return list_files(log, true, &last, err);
}

/* ---- one file ------------------------------------------------------------------------------------------- */

void ph_log_place(ph_log *log, ph_position at, char *out, size_t size)
{
    char path[PH_PATH_MAX];
    ph_log_file *f;
    uint32_t n;

    if (ph_log_locate(log, at, &n, NULL) < 0 || ph_log_file_get(log, n, &f, NULL) < 0) {
        (void)snprintf(out, size, "log position %llx", (unsigned long long)at);
        return;
    }
    ph_log_file_path(log, n, path);
    (void)snprintf(out, size, "%s, offset %llu", path + strlen(log->dir) + 1,
                   (unsigned long long)ph_log_offset(f, at));
}

static void close_oldest(ph_log *log)
{
    ph_log_file *oldest = NULL;

    for (uint32_t i = 0; i < log->file_count; i++) {
        ph_log_file *f = &log->files[i];
        if (f->fd >= 0 && (!oldest || f->used < oldest->used))
            oldest = f;
    }
    (void)close(oldest->fd); /* nothing unsynced is lost by closing */
    oldest->fd = -1;
    log->open_fds--;
}

prophet_code ph_log_file_get(ph_log *log, uint32_t n, ph_log_file **out, prophet_error *err)
{
    ph_log_file *f = &log->files[n - 1];
    char path[PH_PATH_MAX];
    prophet_code rc;

    ph_require(n >= 1 && n <= log->file_count);
    f->used = ++log->clock;
    *out = f;
    if (f->fd >= 0)
        return PROPHET_OK;
    if (log->open_fds >= PH_LOG_FDS)
        close_oldest(log);
    ph_log_file_path(log, n, path);
    while ((f->fd = open(path, (log->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC)) < 0 &&
           errno == EMFILE && log->open_fds > 0)
        close_oldest(log); /* fewer will do */
    f->missing = f->fd < 0 && errno == ENOENT;
    if (f->missing)
        f->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return ph_fail_sys(err, errno, "open %s", path);
    log->open_fds++;
    if (f->loaded)
        return PROPHET_OK;
    if ((rc = ph_log_header_load(log, n, f, path, err)) < 0) {
        (void)close(f->fd); /* the header's error is the one to tell */
        f->fd = -1;
        f->loaded = f->guessed = false;
        log->open_fds--;
        return rc;
    }
    return PROPHET_OK;
}

prophet_code ph_log_locate(ph_log *log, ph_position at, uint32_t *n, prophet_error *err)
{
    ph_log_file *f, *next;
    uint32_t i = (uint32_t)(at >> 32);
    prophet_code rc;

    ph_page_refresh(log);
    if (i < 1 || i > log->file_count)
        return ph_fail(err, PROPHET_ECORRUPT, "the log has no position %llx",
                       (unsigned long long)at);
    if ((rc = ph_log_file_get(log, i, &f, err)) < 0)
        return rc;
    for (; i < log->file_count; i++, f = next) {
        if ((rc = ph_log_file_get(log, i + 1, &next, err)) < 0)
            return rc;
        if (next->first > at)
            break;
    }
    if (f->first > at || (i < log->file_count && at > next->before))
        return ph_fail(err, PROPHET_ECORRUPT, "the log has no position %llx",
                       (unsigned long long)at);
    *n = i;
    return PROPHET_OK;
}

prophet_code ph_log_find_database(ph_log *log, prophet_error *err)
{
    ph_log_file *f;
    prophet_code rc = PROPHET_OK;

    log->database_known = ph_page_database(log, &log->database);
    for (uint32_t n = 1; n <= log->file_count && rc >= 0; n++) {
        rc = ph_log_file_get(log, n, &f, err);
        if (log->database_known)
            return rc;
    }
    if (rc < 0)
        return rc;
    rc = ph_fail(err, PROPHET_ECORRUPT, "%s/log/00000001.log is not a log file", log->dir);
    ph_hint(err, "put it back from a backup, or clone another replica");
    return rc;
}

/* ---- creating --------------------------------------------------------------------------------- */

/* Header and copy into an open temporary file, synced. */
static prophet_code fill_file(ph_log *log, int fd, uint32_t n, const ph_log_file *head,
                              prophet_slice copy, const char *path, prophet_error *err)
{
    uint8_t h[PH_LOG_FILE_HEADER];
    prophet_slice parts[2] = { ph_slice(h, sizeof h), copy };
    prophet_code rc;

    ph_log_header_put(log, n, head, h);
    if ((rc = ph_disk_write(fd, parts, 2, 0, path, err)) < 0)
        return rc;
    return ph_disk_sync(fd, path, err);
}

prophet_code ph_log_file_create(ph_log *log, uint32_t n, const ph_log_file *head,
                                prophet_slice copy, prophet_error *err)
{
    char path[PH_PATH_MAX], temporary[PH_PATH_MAX + 8], dir[PH_PATH_MAX];
    prophet_code rc;
    int fd;

    ph_log_file_path(log, n, path);
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if ((rc = ph_path_join(dir, sizeof dir, log->dir, "log", err)) < 0 ||
        (rc = grow_table(log, n, err)) < 0)
        return rc;
    if ((fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0) {
        rc = ph_fail_sys(err, errno, "create %s", temporary);
    } else {
        rc = fill_file(log, fd, n, head, copy, path, err);
        if (rc >= 0 && rename(temporary, path) != 0)
            rc = ph_fail_sys(err, errno, "rename %s", temporary);
        if (rc < 0)
            (void)unlink(temporary); /* best effort: swept later */
        if (rc >= 0)
            rc = ph_dir_sync(dir, err);
    }
    if (rc < 0 || log->open_fds >= PH_LOG_FDS) {
        if (fd >= 0)
            (void)close(fd); /* the first error is the one to tell */
        if (rc < 0 && log->file_count == n && !log->files[n - 1].loaded)
            log->file_count = n - 1;
        fd = -1;
    }
    if (rc < 0)
        return rc;
    log->files[n - 1] = *head;
    log->files[n - 1].loaded = true;
    log->files[n - 1].used = ++log->clock;
    log->files[n - 1].fd = fd;
    log->open_fds += fd >= 0;
    return PROPHET_OK;
}
