/* Reading the log without a lock: frames in order, or one frame by its position.
 *
 * While the page is live a cursor reads up to the end it tells and not a byte further: what lies there
 * may be half written. Without one (read-only media, nobody recovered yet) the first bad batch is the
 * end, unless batches behind prove damage. */
#include "log/log_impl.h"
#include <errno.h>
#include <sys/stat.h>

struct ph_log_cursor {
    ph_batch_reader reader;
    const uint8_t *p, *end; /* what is left of the batch */
    uint32_t frames;
};

prophet_code ph_log_cursor_open(ph_log *log, const ph_mark *from, ph_log_cursor **out,
                                prophet_error *err)
{
    ph_page_mark mark = { 0 };
    ph_log_cursor *c;
    prophet_code rc;

    if ((rc = ph_log_check_pid(log, err)) < 0)
        return rc;
    if (from && from->position) {
        mark.position = from->position;
        memcpy(mark.chain, from->chain, 16);
    } else if ((rc = ph_batch_start(log, &mark, err)) < 0)
        return rc;
    if (!(c = ph_zalloc(sizeof *c)))
        return ph_nomem(err);
    ph_batch_reader_init(&c->reader, log, &mark);
    *out = c;
    return PROPHET_OK;
}

void ph_log_cursor_close(ph_log_cursor *c)
{
    if (!c)
        return;
    ph_batch_reader_clear(&c->reader);
    ph_free(c);
}

static ph_position live_end(ph_log *log)
{
    ph_page_mark end;

    if (!ph_page_live(log))
        return 0;
    ph_page_end(log, &end);
    return end.position;
}

/* The reader met something that is no batch and there is no live page. */
static prophet_code end_or_damage(ph_batch_reader *r, prophet_code rc, prophet_error *err)
{
    ph_position durable = ph_log_durable(r->log);
    ph_tail t;
    prophet_code loaded;

    if ((loaded = ph_tail_load(r->log, r->at, &t, err)) < 0)
        return loaded;
    if (!t.more && t.durable <= r->at && durable <= r->at)
        rc = PROPHET_DONE;
    else if (rc == PROPHET_DONE)
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s/log ends at position %llx, but was longer",
                     r->log->dir, (unsigned long long)r->at);
    ph_tail_clear(&t);
    return rc;
}

static prophet_code next_batch(ph_log_cursor *c, prophet_error *err)
{
    ph_batch_reader *r = &c->reader;
    ph_position limit = live_end(r->log);
    prophet_code rc = ph_batch_next(r, limit, err);

    if (rc == PROPHET_ECORRUPT && limit) { /* taken back meanwhile, or rewritten by a repair? */
        r->len = 0;
        limit = live_end(r->log);
        rc = ph_batch_next(r, limit, err);
    }
    if (!limit && (rc == PROPHET_ECORRUPT || rc == PROPHET_DONE))
        rc = end_or_damage(r, rc, err);
    if (rc != PROPHET_OK)
        return rc;
    c->p = r->payload.data;
    c->end = c->p + r->payload.len;
    c->frames = r->batch.frames;
    return PROPHET_OK;
}

/* Opens the frame at p. */
static bool frame_open(const uint8_t **p, const uint8_t *end, ph_frame *out)
{
    uint64_t len;

    if (*p >= end || **p < PH_FRAME_CHANGESET || **p > PH_FRAME_LOCAL)
        return false;
    out->type = (ph_frame_type) * (*p)++;
    if (!ph_varint_read(p, end, &len) || len > (uint64_t)(end - *p))
        return false;
    out->bytes = ph_slice(*p, (size_t)len);
    *p += len;
    return true;
}

prophet_code ph_log_cursor_next(ph_log_cursor *c, ph_frame *out, prophet_error *err)
{
    ph_batch_reader *r = &c->reader;
    prophet_code rc;

    if (c->frames == 0 && (rc = next_batch(c, err)) != PROPHET_OK)
        return rc;
    out->position =
        ph_log_frame_position(r->last, (size_t)(c->p - (const uint8_t *)r->payload.data));
    if (!frame_open(&c->p, c->end, out) || (--c->frames == 0) != (c->p == c->end)) {
        c->frames = 0;
        return ph_fail(err, PROPHET_ECORRUPT,
                       "%s/log position %llx: frames do not fill their batch", r->log->dir,
                       (unsigned long long)out->position);
    }
    return PROPHET_OK;
}

prophet_code ph_log_cursor_skip(ph_log_cursor *c, ph_position *from, ph_position *to,
                                prophet_error *err)
{
    ph_batch_reader *r = &c->reader;
    ph_tail t;
    prophet_code rc;

    c->frames = 0;
    *from = *to = r->at;
    if ((rc = ph_tail_load(r->log, r->at, &t, err)) < 0)
        return rc;
    rc = ph_tail_resume(&t, r, err);
    ph_tail_clear(&t);
    *to = r->at;
    r->len = 0;
    if (rc == PROPHET_DONE || *to <= *from) { /* all the rest: the log goes on behind it */
        ph_mark end;
        ph_log_end(r->log, &end);
        *to = end.position > *from ? end.position : *from + 8;
    }
    return rc;
}

void ph_log_cursor_mark(const ph_log_cursor *c, ph_mark *out)
{
    out->position = c->reader.at;
    memcpy(out->chain, c->reader.chain, sizeof out->chain);
}

bool ph_log_cursor_batch_done(const ph_log_cursor *c)
{
    return c->frames == 0;
}

prophet_code ph_log_holds(ph_log *log, const ph_mark *mark, prophet_error *err)
{
    ph_page_mark end, from = { .position = mark->position };
    ph_batch_reader r;
    prophet_code rc;

    if (!ph_page_live(log))
        return PROPHET_DONE;
    ph_page_end(log, &end);
    if (mark->position == end.position)
        return memcmp(mark->chain, end.chain, 16) == 0 ? PROPHET_OK : PROPHET_DONE;
    if (mark->position > end.position || mark->position < PH_LOG_FILE_HEADER)
        return PROPHET_DONE;
    memcpy(from.chain, mark->chain, 16);
    ph_batch_reader_init(&r, log, &from);
    rc = ph_batch_next(&r, end.position, err);
    ph_batch_reader_clear(&r);
    if (rc == PROPHET_DONE) /* it stood at the end of a file, and nothing is in the next */
        return PROPHET_OK;
    return rc == PROPHET_ECORRUPT ? PROPHET_DONE : rc;
}

/* ---- one frame ------------------------------------------------------------------------------------------------- */

enum { GUESS = 4096, WINDOW = 64 << 10, FRAME_HEAD = 11 };

void ph_log_window_clear(ph_log_window *w)
{
    ph_buf_clear(&w->bytes);
    *w = (ph_log_window){ .bytes = PH_BUF_INIT };
}

/* Is the whole frame in what was read before? */
static bool in_window(const ph_log_window *w, uint32_t file, ph_position position, ph_frame *out)
{
    if (file != w->file || position < w->from || position - w->from >= w->bytes.len)
        return false;
    const uint8_t *p = w->bytes.data + (position - w->from);
    return frame_open(&p, w->bytes.data + w->bytes.len, out);
}

/* Who reads on where the last read ended gets more at once. */
static size_t ahead(const ph_log_window *w, ph_position position)
{
    bool follows = position >= w->from && position - w->from <= w->bytes.len + GUESS;
    return w->bytes.len > 0 && follows ? WINDOW : GUESS;
}

prophet_code ph_log_read(ph_log *log, ph_position position, ph_log_window *w, ph_frame *out,
                         prophet_error *err)
{
    ph_log_file *f;
    const uint8_t *p;
    uint64_t len;
    size_t got, first = ahead(w, position), want = first;
    prophet_code rc;
    uint32_t n;

    if ((rc = ph_log_locate(log, position, &n, err)) < 0)
        return rc;
    out->position = position;
    if (in_window(w, n, position, out))
        return PROPHET_OK;
    if ((rc = ph_log_file_get(log, n, &f, err)) < 0)
        return rc;
    w->file = n;
    w->from = position;
    for (;;) {
        ph_buf_reset(&w->bytes);
        if (!ph_buf_reserve(&w->bytes, want))
            return ph_nomem(err);
        if ((rc = ph_file_read(f->fd, w->bytes.data, want, ph_log_offset(f, position), &got, err)) <
            0)
            return rc;
        w->bytes.len = got;
        if (in_window(w, n, position, out))
            return PROPHET_OK;
        p = w->bytes.data + 1;
        if (want != first || got < want || !ph_varint_read(&p, w->bytes.data + got, &len) ||
            len > PH_LOG_BATCH_MAX)
            return ph_fail(err, PROPHET_ECORRUPT, "%s/log: no frame at position %llx", log->dir,
                           (unsigned long long)position);
        want = (size_t)len + FRAME_HEAD;
    }
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

prophet_code ph_log_size(ph_log *log, uint64_t *bytes, uint64_t *unused, prophet_error *err)
{
    ph_position live = live_end(log);
    ph_log_file *f, *next;
    struct stat st;
    uint64_t used;
    prophet_code rc;

    *bytes = *unused = 0;
    ph_page_refresh(log);
    for (uint32_t n = 1; n <= log->file_count; n++) {
        ph_position end = live;
        if (n < log->file_count) {
            if ((rc = ph_log_file_get(log, n + 1, &next, err)) < 0)
                return rc;
            end = next->before;
        }
        if ((rc = ph_log_file_get(log, n, &f, err)) < 0)
            return rc;
        if (fstat(f->fd, &st) != 0)
            return ph_fail_sys(err, errno, "log file %u", n);
        used = end >= f->first ? ph_log_offset(f, end) : (uint64_t)st.st_size;
        *bytes += (uint64_t)st.st_size;
        *unused += (uint64_t)st.st_size > used ? (uint64_t)st.st_size - used : 0;
    }
    return PROPHET_OK;
}
