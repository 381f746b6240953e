/* Flushing, shared: whoever gets the flusher's lock flushes everything appended so far, the others
 * wait for `durable` to pass their batch. Nobody needs the writer's lock for it, so the next batches
 * are written meanwhile.
 *
 * Waiters sleep on the page's `flushes` word, with a time-out in case the flusher is killed (its lock
 * dies with it). */
#include "log/log_impl.h"

enum { FLUSH_WAIT_US = 20000, REPAIR_WAIT_MS = 10000 };

void ph_durable_raise(ph_log *log, ph_position to)
{
    ph_position seen = atomic_load(&log->page->durable);

    while (seen < to && !atomic_compare_exchange_weak(&log->page->durable, &seen, to))
        ;
}

prophet_code ph_flusher_take(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    for (;;) {
        uint32_t seen = atomic_load(&log->page->flushes);
        if ((rc = ph_lock_try(log, PH_BYTE_FLUSHER, true, err)) != PROPHET_DONE)
            break;
        ph_futex_wait(&log->page->flushes, seen, FLUSH_WAIT_US);
    }
    log->flushing = rc == PROPHET_OK;
    return rc;
}

void ph_flusher_drop(ph_log *log)
{
    log->flushing = false;
    ph_lock_drop(log, PH_BYTE_FLUSHER);
    atomic_fetch_add(&log->page->flushes, 1);
    ph_futex_wake(&log->page->flushes, INT32_MAX);
}

/* With the flusher's lock. Only the last file can have anything unflushed: the one before was flushed when it was rolled over. */
static prophet_code flush_now(ph_log *log, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_log_file *f;
    ph_page_mark end;
    prophet_code rc;
    uint32_t n;

    if (atomic_load(&log->page->failed))
        return ph_fail(err, PROPHET_EIO, "%s: a flush failed", log->dir);
    ph_page_end(log, &end);
    if ((rc = ph_log_locate(log, end.position, &n, err)) < 0 ||
        (rc = ph_log_file_get(log, n, &f, err)) < 0)
        return rc;
    ph_log_file_path(log, n, path);
#ifndef PH_PLANT_no_fdatasync
    if (!f->missing && (rc = ph_disk_sync(f->fd, path, err)) < 0) {
        atomic_store(&log->page->failed, 1);
        return rc;
    }
#endif
    ph_durable_raise(log, end.position);
    return PROPHET_OK;
}

void ph_log_flush_start(ph_log *log)
{
    ph_page_mark end;
    ph_log_file *f;

    ph_page_end(log, &end);
    if (log->can_undo && ph_log_file_get(log, log->file_count, &f, NULL) >= 0)
        ph_disk_sync_start(f->fd, ph_log_offset(f, end.last), end.position - end.last);
}

prophet_code ph_log_flush_locked(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    if ((rc = ph_flusher_take(log, err)) < 0)
        return rc;
    rc = flush_now(log, err);
    ph_flusher_drop(log);
    return rc;
}

/* A flush failed: whoever can take the writer's lock rewrites the log; then all waiters are served. */
static prophet_code flush_failed(ph_log *log, ph_position upto, prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc;

    if (log->locked) {
        rc = ph_log_repair(log, &why);
    } else if ((rc = ph_log_lock(log, REPAIR_WAIT_MS, &why)) >= 0) {
        ph_log_unlock(log);
    }
    if (rc >= 0 && atomic_load(&log->page->durable) >= upto)
        return PROPHET_OK;
    (void)ph_fail(err, PROPHET_EIO,
                  "%s: a flush failed; what was just committed is not known to be on disk%s%s",
                  log->dir, rc < 0 ? ": " : "", rc < 0 ? why.message : "");
    ph_hint(err, "look at the disk and the system's log; the change may still be there when the "
                 "replica is opened next");
    return PROPHET_EIO;
}

prophet_code ph_log_flush(ph_log *log, ph_position upto, prophet_error *err)
{
    ph_lock_page *p = log->page;
    prophet_code rc;

    if (log->readonly)
        return ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", log->dir);
    if ((rc = ph_log_check_pid(log, err)) < 0)
        return rc;
    for (;;) {
        uint32_t seen = atomic_load(&p->flushes);
        if (atomic_load(&p->durable) >= upto)
            return PROPHET_OK;
        if (atomic_load(&p->failed))
            return flush_failed(log, upto, err);
        if ((rc = ph_lock_try(log, PH_BYTE_FLUSHER, true, err)) < 0)
            return rc;
        if (rc == PROPHET_DONE) {
            ph_futex_wait(&p->flushes, seen, FLUSH_WAIT_US);
            continue;
        }
        rc = atomic_load(&p->durable) >= upto ? PROPHET_OK : flush_now(log, err);
        ph_flusher_drop(log);
        if (rc < 0 && !atomic_load(&p->failed))
            return rc;
    }
}
