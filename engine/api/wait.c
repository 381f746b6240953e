/* Waiting for commits, also those of other processes. What the kernel tells is only that something was written into log/: rows follow a
 * moment later, so what is written is looked at again until they are there, and now and then in any case. */
#include "api/api_impl.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SOON_MS = 2, /* after the kernel told: the rows are about to come */
    SOON_MOST_MS = 128,
    LOOK_MS = 1000, /* nothing was told */
    UNTOLD_MS = 100 /* nobody can tell */
};

/* Kept until the handle is closed: an interrupt may write to it at any time. */
prophet_code api_need_wake_fd(prophet_db *db, prophet_error *err)
{
    int fd = atomic_load(&db->wake_fd);
    if (fd < 0 && (fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return ph_fail_sys(err, errno, "eventfd");
    atomic_store(&db->wake_fd, fd);
    return PROPHET_OK;
}

static int least(int ms, uint64_t end_us, uint64_t now_us)
{
    if (end_us == 0)
        return ms;
    uint64_t left = end_us > now_us ? (end_us - now_us) / 1000 + 1 : 0;
    return left < (uint64_t)ms ? (int)left : ms;
}

/* Until the watch tells, an interrupt comes, or ms passed. */
static prophet_code pause_for(prophet_db *db, int ms, bool *told, prophet_error *err)
{
    uint64_t count;
    struct pollfd p[] = { { ph_watch_fd(db->watch), POLLIN, 0 },
                          { atomic_load(&db->wake_fd), POLLIN, 0 } };
    while (read(p[1].fd, &count, sizeof count) < 0 && errno == EINTR)
        ;             /* nothing there: lowered */
    if (api_stop(db)) /* an interrupt from here on makes it readable */
        return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    int n = poll(p, 2, ms);
    if (n < 0 && errno != EINTR)
        return ph_fail_sys(err, errno, "poll");
    if (api_stop(db))
        return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    *told = n > 0 && p[0].revents && ph_watch_drain(db->watch);
    return PROPHET_OK;
}

prophet_code prophet_wait(prophet_db *db, uint64_t version, int timeout_ms, prophet_error *err)
{
    uint64_t now = ph_monotonic_us(), last = 0;
    uint64_t end = timeout_ms < 0 ? 0 : now + (uint64_t)timeout_ms * 1000 + 1;
    int soon = 0;
    prophet_code rc;
    if ((rc = api_not_inside(db, "waiting", err)) < 0 ||
        (rc = api_not_past(db, "waiting", err)) < 0 || (rc = api_need_wake_fd(db, err)) < 0)
        return rc;
    if (!db->watch && (rc = ph_watch_open(ph_replica_path(db->r), &db->watch, err)) < 0)
        return rc;
    for (;;) {
        bool told = false;
        if ((rc = prophet_db_version(db, &last, err)) < 0 || last > version)
            return rc;
        if (end && (now = ph_monotonic_us()) >= end)
            return PROPHET_DONE;
        int ms = soon ? soon : ph_watch_fd(db->watch) < 0 ? UNTOLD_MS : LOOK_MS;
        if ((rc = pause_for(db, least(ms, end, now), &told, err)) < 0)
            return rc;
        soon = told ? SOON_MS : soon && soon < SOON_MOST_MS ? 2 * soon : 0;
    }
}
