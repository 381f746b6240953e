/* Noticing commits, also those of other processes: every commit writes into log/, and the kernel tells who watches that directory. Costs
 * nothing while nothing is written. What is noticed may not be flushed yet: who looks flushes first, as for any exchange. Nor may the
 * index have it yet, which is committed behind the log: for a moment after each event whoever waits looks again and again. */
#include "replica/replica_impl.h"
#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SOON_US 200000u /* how long a commit may take from its log to its index, with room */
#define STEP_US 5000u

struct ph_watch {
    int fd;
    uint64_t event_us; /* the last one; 0: none yet */
};

prophet_code ph_watch_open(const char *dir, ph_watch **out, prophet_error *err)
{
    char log[PH_PATH_MAX];
    prophet_code rc = ph_path_join(log, sizeof log, dir, "log", err);
    if (rc < 0)
        return rc;
    ph_watch *w = ph_zalloc(sizeof *w);
    if (!w)
        return ph_nomem(err);
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd >= 0 && inotify_add_watch(w->fd, log, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        (void)close(w->fd); /* too many watches, or a system without: callers look now and then */
        w->fd = -1;
    }
    *out = w;
    return PROPHET_OK;
}

int ph_watch_fd(const ph_watch *w)
{
    return w->fd;
}

bool ph_watch_drain(ph_watch *w)
{
    _Alignas(struct inotify_event) char events[4096];
    bool any = w->fd < 0; /* nobody can tell: assume it */
    while (w->fd >= 0 && (read(w->fd, events, sizeof events) > 0 || errno == EINTR))
        any = true;
    if (any && w->fd >= 0)
        w->event_us = ph_monotonic_us();
    return any;
}

uint64_t ph_watch_until(const ph_watch *w, uint64_t until_us)
{
    uint64_t now = ph_monotonic_us(), soon = now + STEP_US;
    bool again = w->event_us && now < w->event_us + SOON_US;
    return again && soon < until_us ? soon : until_us;
}

void ph_watch_close(ph_watch *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        (void)close(w->fd);
    ph_free(w);
}
