/* What lies behind a place where no batch could be read: only torn writes of a power cut, or batches
 * that prove damage?
 *
 * A batch tells how far the log was on disk when it was written. If any batch behind the bad place
 * claims that the bad place was on disk, that is damage; otherwise it is a torn tail. A batch is
 * recognised by its own position in its header, and by frames that fill its payload exactly. Called by
 * recover.c and cursor.c; rare, so the rest of the file is simply read into memory. */
#include "log/log_impl.h"
#include <errno.h>
#include <sys/stat.h>

/* ---- recognising batches ------------------------------------------------------------------------------------ */

static bool frames_fit(const uint8_t *p, size_t len, uint32_t count)
{
    const uint8_t *end = p + len;
    uint64_t n;

    for (; count > 0; count--) {
        if (p >= end || *p < PH_FRAME_CHANGESET || *p > PH_FRAME_LOCAL)
            return false;
        p++;
        if (!ph_varint_read(&p, end, &n) || n > (uint64_t)(end - p))
            return false;
        p += n;
    }
    return p == end;
}

static bool plausible(const ph_tail *t, size_t offset, ph_batch *out)
{
    const uint8_t *p = t->bytes + offset;

    if (t->len - offset < PH_LOG_BATCH_HEADER)
        return false;
    ph_batch_header_read(p, out);
    return out->position == t->at + offset && out->length > 0 && out->length <= PH_LOG_BATCH_MAX &&
           out->durable <= out->position && ph_batch_size(out->length) <= t->len - offset &&
           frames_fit(p + PH_LOG_BATCH_HEADER, out->length, out->frames);
}

static bool proven(ph_log *log, const ph_tail *t, size_t offset, const ph_batch *b,
                   const uint8_t before[16])
{
    const uint8_t *p = t->bytes + offset;
    uint8_t sum[16];

    return ph_batch_checksum(log, before, p, ph_slice(p + PH_LOG_BATCH_HEADER, b->length), sum,
                             NULL) >= 0 &&
           memcmp(sum, b->chain, 16) == 0;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

/* Reads the rest of the file, up to where the next one takes over. */
static prophet_code load_bytes(ph_log *log, ph_tail *t, prophet_error *err)
{
    ph_log_file *f, *next;
    struct stat st;
    uint64_t offset, size;
    prophet_code rc;
    uint32_t n;

    if ((rc = ph_log_locate(log, t->at, &n, err)) < 0)
        return rc;
    t->more = n < log->file_count;
    if (t->more) {
        if ((rc = ph_log_file_get(log, n + 1, &next, err)) < 0)
            return rc;
        t->durable = next->before; /* a file is begun when the one before is on disk */
    }
    if ((rc = ph_log_file_get(log, n, &f, err)) < 0)
        return rc;
    if (fstat(f->fd, &st) != 0)
        return ph_fail_sys(err, errno, "log file %u", n);
    offset = ph_log_offset(f, t->at);
    size = (uint64_t)st.st_size > offset ? (uint64_t)st.st_size - offset : 0;
    if (t->more && size > t->durable - t->at)
        size = t->durable - t->at;
    if (size == 0)
        return PROPHET_OK;
    if (!(t->bytes = ph_alloc((size_t)size)))
        return ph_nomem(err);
    return ph_file_read(f->fd, t->bytes, (size_t)size, offset, &t->len, err);
}

prophet_code ph_tail_load(ph_log *log, ph_position at, ph_tail *out, prophet_error *err)
{
    ph_batch b;
    prophet_code rc;

    memset(out, 0, sizeof *out);
    out->at = at;
    if ((rc = load_bytes(log, out, err)) < 0) {
        ph_tail_clear(out);
        return rc;
    }
    for (size_t i = 0; i < out->len && !out->dirty; i++)
        out->dirty = out->bytes[i] != 0;
    for (size_t i = 8; out->dirty && i + PH_LOG_BATCH_HEADER <= out->len;) {
        if (!plausible(out, i, &b)) {
            i += 8;
            continue;
        }
        if (b.durable > out->durable)
            out->durable = b.durable;
        i += ph_batch_size(b.length);
    }
    return PROPHET_OK;
}

void ph_tail_clear(ph_tail *t)
{
    ph_free(t->bytes);
    t->bytes = NULL;
    t->len = 0;
}

/* ---- going on behind damage -------------------------------------------------------------------------------------- */

/* Whether what follows the batch confirms it: the next batch continues it, or nothing follows. */
static bool confirmed(ph_log *log, const ph_tail *t, size_t offset, const ph_batch *b)
{
    size_t next = offset + ph_batch_size(b->length);
    ph_batch after;

    if (next + PH_LOG_BATCH_HEADER > t->len)
        return true;
    if (plausible(t, next, &after))
        return proven(log, t, next, &after, b->chain);
    for (size_t i = next; i < next + PH_LOG_BATCH_HEADER; i++)
        if (t->bytes[i] != 0)
            return false;
    return true;
}

/* What the header of a batch that may be damaged says of the one behind it. */
typedef struct follow {
    size_t end;
    uint8_t chain[16];
} follow;

/* A header that knows its own position: whatever became of the payload. */
static bool look_ahead(const ph_tail *t, size_t offset, follow *out)
{
    ph_batch b;

    if (t->len - offset < PH_LOG_BATCH_HEADER)
        return false;
    ph_batch_header_read(t->bytes + offset, &b);
    if (b.position != t->at + offset || b.length == 0 || b.length > PH_LOG_BATCH_MAX)
        return false;
    out->end = offset + ph_batch_size(b.length);
    memcpy(out->chain, b.chain, 16);
    return true;
}

/* The first batch from `offset` on that proves itself: by a checksum that is known, by the header before it, or, where there is none,
 * by what follows it. */
static bool resume_in(const ph_tail *t, size_t offset, const uint8_t *known, ph_batch_reader *r)
{
    follow before = { 0 };
    uint8_t sum[16] = { 0 };
    ph_batch b;

    if (offset > 0 && look_ahead(t, 0, &before) && before.end <= t->len) {
        ph_batch_header_read(t->bytes, &b);
        (void)ph_batch_checksum(r->log, r->chain, t->bytes,
                                ph_slice(t->bytes + PH_LOG_BATCH_HEADER, b.length), sum, NULL);
    }
    for (size_t i = offset; i + PH_LOG_BATCH_HEADER <= t->len; i += 8) {
        bool behind = before.end == i && i > 0;
        if (plausible(t, i, &b)) {
            const uint8_t *chain =
                proven(r->log, t, i, &b, known)                    ? known
                : proven(r->log, t, i, &b, r->chain)               ? r->chain
                : behind && proven(r->log, t, i, &b, before.chain) ? before.chain
                : behind && proven(r->log, t, i, &b, sum) /* only the checksum before was hit */
                    ? sum
                    : NULL;
            if (chain || (!behind && confirmed(r->log, t, i, &b))) {
                r->unproven = !chain;
                if (chain)
                    memmove(r->chain, chain, 16);
                r->at = t->at + i;
                return true;
            }
        }
        (void)look_ahead(t, i, &before);
    }
    return false;
}

/* At the beginning of a file. A header that is whole proves the first batch; else, and when that one is damaged, the rest is looked through. */
static prophet_code resume_file(ph_batch_reader *r, uint32_t n, prophet_error *err)
{
    ph_page_mark start = { 0 };
    ph_batch_reader probe;
    ph_log_file *f;
    ph_tail t;
    prophet_code rc;

    if ((rc = ph_log_file_get(r->log, n, &f, err)) < 0)
        return rc;
    start.position = f->first;
    memcpy(start.chain, f->chain, 16);
    if (!f->guessed) {
        ph_batch_reader_init(&probe, r->log, &start);
        rc = ph_batch_next(&probe, 0, NULL);
        ph_batch_reader_clear(&probe);
        if (rc != PROPHET_ECORRUPT) {
            r->at = start.position;
            memcpy(r->chain, start.chain, 16);
            return rc < 0 ? rc : PROPHET_OK;
        }
    }
    if ((rc = ph_tail_load(r->log, start.position, &t, err)) < 0)
        return rc;
    rc = resume_in(&t, 0, start.chain, r) ? PROPHET_OK : PROPHET_DONE;
    ph_tail_clear(&t);
    return rc;
}

prophet_code ph_tail_resume(const ph_tail *t, ph_batch_reader *r, prophet_error *err)
{
    const uint8_t *stored = t->len >= PH_LOG_BATCH_HEADER ? t->bytes + 24 : r->chain;
    prophet_code rc;
    uint32_t n;

    ph_require(r->at == t->at);
    if (resume_in(t, 8, stored, r))
        return PROPHET_OK;
    if (!t->more)
        return PROPHET_DONE;
    if ((rc = ph_log_locate(r->log, t->at, &n, err)) < 0)
        return rc;
    for (rc = PROPHET_DONE; rc == PROPHET_DONE && n < r->log->file_count;)
        rc = resume_file(r, ++n, err);
    return rc;
}
