/* The writer's lock: taking it leaves the log in a known state, whatever the last writer died of.
 *
 * Free locks cost one fcntl to take and one to drop. Who finds it taken sleeps on the page's `unlocks`
 * word with a time-out, because a killed holder wakes nobody. Who let go of it while others waited
 * gives them a moment before it takes it again. */
#include "log/log_impl.h"
#include <time.h>

enum { WAIT_MOST_US = 10000, POLITE_US = 60 };

static void be_polite(ph_log *log)
{
    uint64_t passed = ph_monotonic_us() - log->released;

    log->polite = false;
    if (passed < POLITE_US) {
        struct timespec t = { 0, (long)(POLITE_US - passed) * 1000 };
        (void)nanosleep(&t, NULL); /* cut short by a signal: as good */
    }
}

static prophet_code busy(const ph_log *log, prophet_error *err)
{
    prophet_code rc =
        ph_fail(err, PROPHET_EBUSY,
                "another process, or another handle of this one, is writing to %s", log->dir);

    ph_hint(err, "wait for it, or end it: its lock goes with it, and what it had not committed");
    return rc;
}

static prophet_code take(ph_log *log, uint32_t timeout_ms, prophet_error *err)
{
    ph_lock_page *p = log->page;
    uint64_t end = 0;
    bool waited = false;

    if (log->polite)
        be_polite(log);
    for (;;) {
        uint32_t seen = atomic_load(&p->unlocks);
        uint64_t now;
        prophet_code rc;
        if (waited) /* the holder must know before we look once more */
            atomic_store(&p->waiting, 1);
        if ((rc = ph_lock_try(log, PH_BYTE_WRITER, true, err)) != PROPHET_DONE)
            return rc;
        now = ph_monotonic_us();
        if (end == 0)
            end = now + (uint64_t)timeout_ms * 1000;
        if (now >= end)
            return busy(log, err);
        if (waited)
            ph_futex_wait(&p->unlocks, seen,
                          end - now < WAIT_MOST_US ? (uint32_t)(end - now) : WAIT_MOST_US);
        waited = true;
    }
}

prophet_code ph_writer_take(ph_log *log, uint32_t timeout_ms, prophet_error *err)
{
    prophet_code rc;

    ph_require(!log->locked);
    if (log->readonly)
        return ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", log->dir);
    if ((rc = ph_log_check_pid(log, err)) < 0 || (rc = take(log, timeout_ms, err)) < 0)
        return rc;
    log->locked = true;
    log->can_undo = false;
    return PROPHET_OK;
}

prophet_code ph_writer_settle(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    if (atomic_load(&log->page->writing) && (rc = ph_log_finish_killed(log, err)) < 0)
        return rc;
    if (atomic_load(&log->page->failed) && (rc = ph_log_repair(log, err)) < 0)
        return rc;
    ph_page_refresh(log);
    return PROPHET_OK;
}

prophet_code ph_log_lock(ph_log *log, uint32_t timeout_ms, prophet_error *err)
{
    ph_page_mark evidence;
    prophet_code rc;

    if ((rc = ph_writer_take(log, timeout_ms, err)) < 0)
        return rc;
    if (!ph_page_live(log)) { /* another boot, a copy, or new */
        ph_evidence_mark(log, &evidence);
        rc = ph_log_recover_locked(log, &evidence, err);
    }
    if (rc >= 0)
        rc = ph_writer_settle(log, err);
    if (rc < 0)
        ph_log_unlock(log);
    return rc;
}

void ph_log_unlock(ph_log *log)
{
    if (!log->locked)
        return;
    log->locked = false;
    log->can_undo = false;
    ph_lock_drop(log, PH_BYTE_WRITER);
    if (atomic_load(&log->page->waiting) && atomic_exchange(&log->page->waiting, 0)) {
        atomic_fetch_add(&log->page->unlocks, 1);
        ph_futex_wake(&log->page->unlocks, 1);
        log->polite = true;
        log->released = ph_monotonic_us();
    }
}
