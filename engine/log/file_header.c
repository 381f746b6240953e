/* Headers of log files: written, read and checked, worked out where one is damaged.
 *
 *   0   12  magic "prophetlog" 0 1
 *   12   4  number of the file
 *   16  16  database id
 *   32   8  first: position of the batch at offset 64
 *   40   8  before: the position where the file before it ends (0 in file 1)
 *   48  16  chain: checksum of the batch before the first one (zeros at the start)
 *   64      batches (batch.c)
 *
 * All integers are big-endian. */
#include "log/log_impl.h"
#include <errno.h>
#include <sys/stat.h>

static const char magic[12] = "prophetlog\0\1";
enum { FORMAT_MOST = 15 }; /* beyond it a byte was flipped, not a format made */

void ph_log_header_put(const ph_log *log, uint32_t n, const ph_log_file *f,
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

prophet_code ph_log_header_load(ph_log *log, uint32_t n, ph_log_file *f, const char *path,
                                prophet_error *err)
{
    prophet_code rc;

    if ((rc = header_read(log, n, f, path, err)) >= 0)
        rc = header_too_soon(log, n, f, err);
    return rc == PROPHET_ECORRUPT ? header_guess(log, n, f, err) : rc;
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
        ph_log_header_put(log, n, f, h);
        if ((rc = ph_log_file_get(log, n, &f, err)) >= 0 &&
            (rc = ph_disk_write(f->fd, &part, 1, 0, path, err)) >= 0 &&
            (rc = ph_disk_sync(f->fd, path, err)) >= 0)
            f->guessed = false;
    }
    return rc;
}
