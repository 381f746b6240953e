/* The handle: creating, opening and closing a log. Nothing of the log is read here but the header of
 * its first file. */
#include "log/log_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_code handle_new(const char *dir, bool readonly, ph_log **out, prophet_error *err)
{
    ph_log *log;
    prophet_code rc;

    if (strlen(dir) + 64 > PH_PATH_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "path too long: %s", dir);
    if (!(log = ph_zalloc(sizeof *log)))
        return ph_nomem(err);
    log->lock_fd = -1;
    log->readonly = readonly;
    log->file_size = PH_LOG_FILE_SIZE;
    log->pid = getpid();
    if (!(log->dir = ph_strdup(dir)))
        rc = ph_nomem(err);
    else
        rc = ph_hasher_new(&log->hasher, err);
    if (rc < 0)
        ph_log_close(log);
    else
        *out = log;
    return rc;
}

prophet_code ph_log_create(const char *dir, const ph_uuid *database, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_log_file head = { .fd = -1, .first = (uint64_t)1 << 32 | PH_LOG_FILE_HEADER };
    ph_log *log = NULL;
    prophet_code rc;

    if ((rc = handle_new(dir, false, &log, err)) < 0 ||
        (rc = ph_path_join(path, sizeof path, dir, "log", err)) < 0)
        goto done;
    if (mkdir(path, 0700) != 0) {
        rc = errno == EEXIST ? ph_fail(err, PROPHET_EEXISTS, "%s exists", path)
                             : ph_fail_sys(err, errno, "create %s", path);
        goto done;
    }
    log->database = *database;
    if ((rc = ph_log_file_create(log, 1, &head, ph_slice(NULL, 0), err)) >= 0 &&
        (rc = ph_log_create_lock(dir, err)) >= 0)
        rc = ph_dir_sync(dir, err);
done:
    ph_log_close(log);
    return rc;
}

prophet_code ph_log_open(const char *dir, bool readonly, ph_log **out, prophet_error *err)
{
    ph_log *log = NULL;
    prophet_code rc;

    if ((rc = handle_new(dir, readonly, &log, err)) < 0)
        return rc;
    if ((rc = ph_log_scan_files(log, err)) < 0 || (rc = ph_log_boot_id(log->boot, err)) < 0 ||
        (rc = ph_page_open(log, err)) < 0 || (rc = ph_log_find_database(log, err)) < 0) {
        ph_log_close(log);
        return rc;
    }
    *out = log;
    return PROPHET_OK;
}

void ph_log_close(ph_log *log)
{
    if (!log)
        return;
    if (log->locked && log->pid == getpid())
        ph_log_unlock(log);
    ph_page_close(log);
    ph_log_forget_files(log);
    ph_free(log->files);
    ph_hasher_free(log->hasher);
    ph_free(log->dir);
    ph_free(log);
}

const ph_uuid *ph_log_database(const ph_log *log)
{
    return &log->database;
}

void ph_log_roll_at(ph_log *log, uint32_t file_size)
{
    log->file_size = file_size;
}
