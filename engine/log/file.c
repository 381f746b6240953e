/* Log files: their header, their table, which file a position lies in, creating them.
 *
 * DIR/log/00000001.log, 00000002.log, ...:
 *
 *   0   12  magic "prophetlog" 0 1
 *   12   4  number of the file
 *   16  16  database id
 *   32   8  first: position of the batch at offset 64
 *   40   8  before: the position where the file before it ends (0 in file 1)
 *   48  16  chain: checksum of the batch before the first one (zeros at the start)
 *   64      batches (batch.c)
 *
 * All integers are big-endian. Position p lies in the last file whose `first` is not above it, at
 * offset p - first + 64. A file that was rolled over to has first = number << 32 | 64. A file that
 * repair.c made after a failed flush takes over from inside its predecessor: first = before, and what
 * the predecessor has from there on no longer counts. So a batch keeps its position when it is
 * rewritten. A file gets its name when its header is on disk; `before` of the next one says where a
 * file ends. */
#include "log/log_impl.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[12] = "prophetlog\0\1";
enum { MISSING_MOST = 256 };
enum { FORMAT_MOST = 15 }; /* beyond it a byte was flipped, not a format made */

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

static void header_put(const ph_log *log, uint32_t n, const ph_log_file *f,
                       uint8_t out[PH_LOG_FILE_HEADER])
{
    memcpy(out, magic, sizeof magic);
    ph_u32be_put(out + 12, n);
    memcpy(out + 16, log->database.b, 16);
    ph_u64be_put(out + 32, f->first);
    ph_u64be_put(out + 40, f->before);
    memcpy(out + 48, f->chain, 16);
}

/* A file is rolled over to, or takes over from inside the one before. */
static bool header_fits(uint32_t n, const ph_log_file *f)
{
    if (f->first == ((uint64_t)n << 32 | PH_LOG_FILE_HEADER))
        return n == 1 ? f->before == 0 : f->before % 8 == 0 && f->before < f->first && f->before;
    return n > 1 && f->first == f->before && f->first % 8 == 0 && f->first >> 32 < n;
}

/* Bytes were damaged, or the file is another's: then next to none is the same. */
static prophet_code refuse_database(const ph_uuid *got, const ph_uuid *want, const char *path,
                                    prophet_error *err)
{
    char name[37];
    size_t same = 0;
    prophet_code rc;

    for (size_t i = 0; i < sizeof got->b; i++)
        same += got->b[i] == want->b[i];
    ph_uuid_format(got, name);
    rc = ph_fail(err, same > 4 ? PROPHET_ECORRUPT : PROPHET_EUNRELATED,
                 "%s belongs to another database, %s", path, name);
    ph_hint(err, "put the file back that was there before");
    return rc;
}

/* ECORRUPT: damaged. A header has no checksum: what it says is compared with what must be so. */
static prophet_code header_read(ph_log *log, uint32_t n, ph_log_file *f, const char *path,
                                prophet_error *err)
{
    static const uint8_t zeros[16];
    uint8_t h[PH_LOG_FILE_HEADER];
    ph_uuid database;
    size_t got;
    prophet_code rc;

    if ((rc = ph_file_read(f->fd, h, sizeof h, 0, &got, err)) < 0)
        return rc;
    if (got < sizeof h || memcmp(h, magic, 10) != 0)
        return ph_fail(err, PROPHET_ECORRUPT, "%s is not a log file", path);
    if (memcmp(h, magic, 11) != 0 || h[11] == 0 || h[11] > FORMAT_MOST)
        return ph_fail(err, PROPHET_ECORRUPT, "%s has a damaged header", path);
    if (h[11] != magic[11])
        return ph_fail(err, PROPHET_EVERSION, "%s has log format %u: this program reads 1", path,
                       h[11]);
    f->first = ph_u64be(h + 32);
    f->before = ph_u64be(h + 40);
    memcpy(f->chain, h + 48, 16);
    if (ph_u32be(h + 12) != n || !header_fits(n, f) ||
        (n == 1 && memcmp(f->chain, zeros, sizeof zeros) != 0))
        return ph_fail(err, PROPHET_ECORRUPT, "%s has a damaged header", path);
    memcpy(database.b, h + 16, 16);
    if (!log->database_known)
        log->database = database;
    else if (!ph_uuid_eq(&database, &log->database))
        return refuse_database(&database, &log->database, path, err);
    log->database_known = true;
    f->loaded = true;
    return PROPHET_OK;
}

/* Where file n ends, as its length says: it was cut to it when the next one was begun. */
static prophet_code end_by_length(ph_log *log, uint32_t n, ph_position *end, prophet_error *err)
{
    ph_log_file *f;
    struct stat st;
    prophet_code rc = ph_log_file_get(log, n, &f, err);

    if (rc < 0)
        return rc;
    if (fstat(f->fd, &st) != 0)
        return ph_fail_sys(err, errno, "log file %u", n);
    *end = f->missing ? f->first + 8 : f->first; /* not empty: what was there is missed */
    if (st.st_size > (off_t)PH_LOG_FILE_HEADER)
        *end += (uint64_t)st.st_size - PH_LOG_FILE_HEADER;
    return PROPHET_OK;
}

/* The batch before the end, as the page knows both, carries the checksum that goes on from there. */
static bool last_batch_stands(ph_log *log)
{
    uint8_t h[PH_LOG_BATCH_HEADER];
    ph_page_mark end = { 0 };
    ph_log_file *f;
    ph_batch b;
    size_t got;
    uint32_t n;

    if (ph_page_live(log))
        ph_page_end(log, &end);
    if (end.last == 0)
        return true;
    if (ph_log_locate(log, end.last, &n, NULL) < 0 || ph_log_file_get(log, n, &f, NULL) < 0 ||
        ph_file_read(f->fd, h, sizeof h, ph_log_offset(f, end.last), &got, NULL) < 0 ||
        got < sizeof h)
        return false;
    ph_batch_header_read(h, &b);
    return b.position == end.last && memcmp(b.chain, end.chain, sizeof b.chain) == 0;
}

bool ph_log_is_short(ph_log *log)
{
    ph_position end;
    ph_mark said;

    ph_log_end(log, &said);
    return end_by_length(log, log->file_count, &end, NULL) < 0 || end < said.position ||
           !last_batch_stands(log);
}

/* Are there only zeros from this position to the end of file n? Preallocation that was not cut yet, in a copy or by a power cut. */
static prophet_code only_zeros(ph_log *log, uint32_t n, ph_position from, bool *yes,
                               prophet_error *err)
{
    uint8_t bytes[4096];
    size_t got = sizeof bytes;
    ph_log_file *f;
    prophet_code rc = ph_log_file_get(log, n, &f, err);

    *yes = true;
    for (uint64_t at = ph_log_offset(f, from); rc >= 0 && *yes && got == sizeof bytes; at += got) {
        rc = ph_file_read(f->fd, bytes, sizeof bytes, at, &got, err);
        for (size_t i = 0; rc >= 0 && i < got && *yes; i++)
            *yes = bytes[i] == 0;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* The file before has nothing behind where this one begins: a header that says it ended sooner is damaged. */
static prophet_code header_too_soon(ph_log *log, uint32_t n, ph_log_file *f, prophet_error *err)
{
    ph_position end;
    bool zeros = true;
    prophet_code rc;

    if (n == 1 || f->first == f->before)
        return PROPHET_OK;
    if ((rc = end_by_length(log, n - 1, &end, err)) < 0)
        return rc;
    bool inside = f->before >= log->files[n - 2].first;
    if (inside && f->before < end && (rc = only_zeros(log, n - 1, f->before, &zeros, err)) < 0)
        return rc;
    return inside && zeros ? PROPHET_OK
                           : ph_fail(err, PROPHET_ECORRUPT, "log file %u has a damaged header", n);
}

/* A damaged header tells nothing. But a file begins where its number says, or where its first batch says that a repaired one took
 * over; and the one before it ends there, or where it has nothing more. The chain is found by who reads up to here. */
static prophet_code header_guess(ph_log *log, uint32_t n, ph_log_file *f, prophet_error *err)
{
    uint8_t bytes[PH_LOG_BATCH_HEADER];
    ph_position end = 0;
    ph_batch b;
    size_t got;
    prophet_code rc;

    f->loaded = f->guessed = true;
    f->first = (uint64_t)n << 32 | PH_LOG_FILE_HEADER;
    f->before = 0;
    memset(f->chain, 0, sizeof f->chain);
    if (n == 1)
        return PROPHET_OK;
    if ((rc = ph_file_read(f->fd, bytes, sizeof bytes, PH_LOG_FILE_HEADER, &got, err)) < 0 ||
        (rc = end_by_length(log, n - 1, &end, err)) < 0)
        return rc;
    f->before = end;
    ph_batch_header_read(bytes, &b);
    if (got == sizeof bytes && b.position % 8 == 0 && b.position < f->first &&
        b.position >= log->files[n - 2].first && b.position <= end)
        f->first = f->before = b.position;
    return f->fd >= 0 ? PROPHET_OK
                      : ph_fail(err, PROPHET_ECORRUPT, "too many log files are damaged in a row");
}

uint32_t ph_log_bad_header(const ph_log *log, uint32_t after, bool *missing)
{
    for (uint32_t n = after + 1; n <= log->file_count; n++) {
        *missing = log->files[n - 1].missing;
        if (log->files[n - 1].guessed)
            return n;
    }
    return 0;
}

prophet_code ph_log_mend_headers(ph_log *log, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;

    for (uint32_t n = 1; n <= log->file_count && rc >= 0; n++) {
        uint8_t h[PH_LOG_FILE_HEADER];
        prophet_slice part = ph_slice(h, sizeof h);
        char path[PH_PATH_MAX];
        ph_log_file *f = &log->files[n - 1];
        if (!f->guessed || f->missing || (n > 1 && !f->chain_known))
            continue;
        ph_log_file_path(log, n, path);
        header_put(log, n, f, h);
        if ((rc = ph_log_file_get(log, n, &f, err)) >= 0 &&
            (rc = ph_disk_write(f->fd, &part, 1, 0, path, err)) >= 0 &&
            (rc = ph_disk_sync(f->fd, path, err)) >= 0)
            f->guessed = false;
    }
    return rc;
}

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
    if ((rc = header_read(log, n, f, path, err)) >= 0)
        rc = header_too_soon(log, n, f, err);
    if (rc == PROPHET_ECORRUPT)
        rc = header_guess(log, n, f, err);
    if (rc < 0) {
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

    header_put(log, n, head, h);
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
