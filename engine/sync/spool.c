/* A spool: what was fetched and is not applied yet, so that nothing waits for the network while it is applied. In memory while it is small, then in
 * a file without a name beside the log, which goes with its process. Called by live.c. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { IN_MEMORY = 1 << 20, PIECE = 256 << 10 };

void sync_spool_init(sync_spool *s, const char *dir)
{
    *s = (sync_spool){ .dir = dir, .fd = -1 };
}

/* A file of this process alone. */
static prophet_code open_file(sync_spool *s, prophet_error *err)
{
    char path[PH_PATH_MAX];
    s->fd = open(s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd >= 0)
        return PROPHET_OK;
    prophet_code rc = ph_path_join(path, sizeof path, s->dir, "spool-XXXXXX", err);
    if (rc < 0)
        return rc;
    if ((s->fd = mkostemp(path, O_CLOEXEC)) < 0)
        return ph_fail_sys(err, errno, "make a spool in %s", s->dir);
    return unlink(path) == 0 ? PROPHET_OK : ph_fail_sys(err, errno, "unlink %s", path);
}

prophet_code sync_spool_put(void *ctx, prophet_slice bytes, prophet_error *err)
{
    sync_spool *s = ctx;
    prophet_code rc;
    s->size += bytes.len;
    if (s->fd < 0 && s->buf.len + bytes.len <= IN_MEMORY) {
        ph_buf_put(&s->buf, bytes.data, bytes.len);
        return s->buf.failed ? ph_nomem(err) : PROPHET_OK;
    }
    if (s->fd < 0 && (rc = open_file(s, err)) < 0)
        return rc;
    if (s->buf.len) { /* what was in memory goes first */
        if ((rc = ph_file_write(s->fd, s->buf.data, s->buf.len, s->written, err)) < 0)
            return rc;
        s->written += s->buf.len;
        ph_buf_reset(&s->buf);
    }
    rc = ph_file_write(s->fd, bytes.data, bytes.len, s->written, err);
    s->written += bytes.len;
    return rc;
}

prophet_code sync_spool_each(sync_spool *s, prophet_sink_fn sink, void *ctx, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    size_t got;
    if (s->fd < 0)
        return s->buf.len ? sink(ctx, ph_buf_slice(&s->buf), err) : PROPHET_OK;
    if (!ph_buf_reserve(&s->buf, PIECE))
        return ph_nomem(err);
    for (uint64_t at = 0; at < s->written && rc >= 0; at += got) {
        if ((rc = ph_file_read(s->fd, s->buf.data, PIECE, at, &got, err)) < 0)
            break;
        if (got == 0)
            return ph_fail(err, PROPHET_EIO, "a spool became shorter");
        rc = sink(ctx, ph_slice(s->buf.data, got), err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

void sync_spool_clear(sync_spool *s)
{
    if (s->fd >= 0)
        (void)close(s->fd); /* it had no name: this is its end */
    ph_buf_clear(&s->buf);
    s->fd = -1;
    s->written = s->size = 0;
}
