/* When a place was seen last. It changes with every exchange, so it is kept beside the log, in the file `seen`: lines of milliseconds and place. It is a hint: not synced,
 * and nothing is lost with it. Called by source.c, follow.c, clone.c, forget.c and peers.c. */
#include "sync/meet_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SEEN_MAX = 1 << 18 };

static bool next_seen(const char **at, const char *end, int64_t *ms, prophet_slice *place)
{
    while (*at < end) {
        const char *stop = memchr(*at, '\n', (size_t)(end - *at)), *from = *at;
        char number[24];
        if (!stop)
            return false; /* cut off */
        const char *space = memchr(from, ' ', (size_t)(stop - from));
        *at = stop + 1;
        if (!space || (size_t)(space - from) >= sizeof number)
            continue;
        memcpy(number, from, (size_t)(space - from));
        number[space - from] = 0;
        *ms = strtoll(number, NULL, 10);
        *place = ph_slice(space + 1, (size_t)(stop - space - 1));
        return true;
    }
    return false;
}

prophet_code sync_seen_read(ph_replica *r, char path[PH_PATH_MAX], ph_buf *out, prophet_error *err)
{
    prophet_code rc = ph_path_join(path, PH_PATH_MAX, ph_replica_path(r), "seen", err);
    if (rc >= 0 && (rc = ph_file_slurp(path, SEEN_MAX, out, NULL)) == PROPHET_EMEMORY)
        return ph_nomem(err);
    return rc == PROPHET_OK || ph_path_exists(ph_replica_path(r)) ? PROPHET_OK : rc;
}

/* A hint: that it cannot be written is no failure of an exchange. now: it was seen; else it is taken out. */
static void note(ph_replica *r, const char *place, bool now)
{
    char path[PH_PATH_MAX], name[PH_PATH_MAX];
    ph_buf old = PH_BUF_INIT, new = PH_BUF_INIT;
    prophet_slice other;
    int64_t ms;
    sync_place_name(place, name);
    if (ph_replica_readonly(r) || !ph_utf8_valid(name, strlen(name)) || strchr(name, '\n') ||
        sync_seen_read(r, path, &old, NULL) < 0)
        goto done;
    if (now)
        ph_buf_printf(&new, "%lld %s\n", (long long)ph_replica_now(r), name);
    for (const char *at = (const char *)old.data, *end = at + old.len;
         new.len < SEEN_MAX / 2 && next_seen(&at, end, &ms, &other);)
        if (!ph_slice_eq(other, ph_slice_str(name)))
            ph_buf_printf(&new, "%lld %.*s\n", (long long)ms, PH_FMT(other));
    if (new.failed)
        goto done;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) { /* not cut to nothing before: file systems make a flush of that */
        if (ph_file_write(fd, new.data, new.len, 0, NULL) < 0 ||
            ftruncate(fd, (off_t) new.len) != 0)
            errno = 0;
        (void)close(fd);
    }
done:
    ph_buf_clear(&old);
    ph_buf_clear(&new);
}

void sync_saw(ph_replica *r, const char *place)
{
    note(r, place, true);
}

void sync_unsaw(ph_replica *r, const char *place)
{
    note(r, place, false);
}

int64_t sync_seen_at(const ph_buf *seen, const char *name)
{
    prophet_slice place;
    int64_t ms;
    for (const char *at = (const char *)seen->data, *end = at + seen->len;
         next_seen(&at, end, &ms, &place);)
        if (ph_slice_eq(place, ph_slice_str(name)))
            return ms;
    return 0;
}
