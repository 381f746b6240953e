/* Appending a batch, rolling over to a new file, taking an append back. With the writer's lock held.
 *
 * `writing` is set in the page before the first byte is written and cleared after the end has moved:
 * whoever finds it set when it takes the lock knows that a writer died in between (recover.c). */
#include "log/log_impl.h"
#include <sys/stat.h>

size_t ph_log_payload_add(ph_buf *payload, ph_frame_type type, prophet_slice frame)
{
    return ph_log_payload_add_parts(payload, type, frame, ph_slice(NULL, 0));
}

size_t ph_log_payload_add_parts(ph_buf *payload, ph_frame_type type, prophet_slice head,
                                prophet_slice rest)
{
    size_t at = payload->len;

    ph_buf_byte(payload, (uint8_t)type);
    ph_buf_varint(payload, head.len + rest.len);
    ph_buf_put(payload, head.data, head.len);
    ph_buf_put(payload, rest.data, rest.len);
    return at;
}

ph_position ph_log_frame_position(ph_position batch, size_t payload_offset)
{
    return batch + PH_LOG_BATCH_HEADER + payload_offset;
}

/* ---- rolling over ---------------------------------------------------------------------------------------- */

/* The old file is on disk before the new one can be seen; the new one's name is on disk before its first batch. */
static prophet_code roll(ph_log *log, ph_page_mark *end, prophet_error *err)
{
    ph_lock_page *p = log->page;
    ph_log_file head = { .fd = -1, .before = end->position }, *old;
    uint32_t n = log->file_count + 1;
    char path[PH_PATH_MAX];
    prophet_code rc;

    if ((rc = ph_log_flush_locked(log, err)) < 0)
        return rc;
    head.first = (uint64_t)n << 32 | PH_LOG_FILE_HEADER;
    memcpy(head.chain, end->chain, 16);
    ph_log_file_path(log, n - 1, path);
    if ((rc = ph_log_file_get(log, n - 1, &old, err)) < 0 ||
        (!old->missing &&
         (rc = ph_disk_truncate(old->fd, ph_log_offset(old, end->position), path, err)) < 0) ||
        (rc = ph_log_file_create(log, n, &head, ph_slice(NULL, 0), err)) < 0)
        return rc;
    end->position = head.first;
    atomic_store(&p->allocated, PH_LOG_FILE_HEADER);
    atomic_store(&p->last_file, n);
    ph_page_end_set(log, end);
    ph_durable_raise(log, end->position);
    return PROPHET_OK;
}

static bool must_roll(const ph_log *log, const ph_log_file *f, ph_position at, size_t size)
{
    uint64_t offset = ph_log_offset(f, at);

    if (f->guessed)
        return true; /* nothing more is written behind a damaged header */
    if ((uint32_t)at > PH_LOG_BATCH_MAX)
        return true; /* a long row of repaired files */
    return offset > PH_LOG_FILE_HEADER && offset + size > log->file_size;
}

/* ---- appending ------------------------------------------------------------------------------------------------ */

static prophet_code write_batch(ph_log *log, ph_log_file *f, prophet_slice payload, uint32_t frames,
                                ph_page_mark *end, prophet_error *err)
{
    static const uint8_t padding[8];
    const size_t size = ph_batch_size(payload.len);
    const uint64_t offset = ph_log_offset(f, end->position);
    uint8_t h[PH_LOG_BATCH_HEADER];
    char path[PH_PATH_MAX];
    uint32_t allocated = atomic_load(&log->page->allocated);
    ph_batch b = { .length = (uint32_t)payload.len,
                   .frames = frames,
                   .position = end->position,
                   .durable = atomic_load(&log->page->durable) };
    prophet_slice parts[3] = { ph_slice(h, sizeof h), payload,
                               ph_slice(padding, size - PH_LOG_BATCH_HEADER - payload.len) };
    prophet_code rc;

    ph_log_file_path(log, log->file_count, path);
    ph_batch_header_put(&b, h);
    if ((rc = ph_batch_checksum(log, end->chain, h, payload, b.chain, err)) < 0 ||
        (rc = ph_disk_reserve(f->fd, offset, size, &allocated, path, err)) < 0)
        return rc;
    atomic_store(&log->page->allocated, allocated);
    memcpy(h + 24, b.chain, 16);
    if ((rc = ph_disk_write(f->fd, parts, 3, offset, path, err)) < 0)
        return rc;
    *end = (ph_page_mark){ .position = end->position + size, .last = end->position };
    memcpy(end->chain, b.chain, 16);
    return PROPHET_OK;
}

prophet_code ph_log_append(ph_log *log, prophet_slice payload, uint32_t frames, ph_position *batch,
                           prophet_error *err)
{
    ph_lock_page *p = log->page;
    ph_page_mark end;
    ph_log_file *f;
    prophet_code rc;

    ph_require(log->locked && payload.len > 0 && frames > 0);
    if (payload.len > PH_LOG_BATCH_MAX / 2)
        return ph_fail(err, PROPHET_EUSAGE, "a batch of %zu bytes: at most %u", payload.len,
                       PH_LOG_BATCH_MAX / 2);
    if (atomic_load(&p->writing) &&
        (rc = ph_log_finish_killed(log, err)) < 0) /* our own failed append */
        return rc;
    if (atomic_load(&p->failed))
        return ph_fail(err, PROPHET_EIO, "%s: a flush failed", log->dir);
    ph_page_end(log, &end);
    if ((rc = ph_log_file_get(log, log->file_count, &f, err)) < 0)
        return rc;
    atomic_store(&p->writing, 1);
    if (must_roll(log, f, end.position, ph_batch_size(payload.len)) &&
        ((rc = roll(log, &end, err)) < 0 ||
         (rc = ph_log_file_get(log, log->file_count, &f, err)) < 0))
        return rc;
    log->undo = end;
    if ((rc = write_batch(log, f, payload, frames, &end, err)) < 0) {
        if (ph_log_finish_killed(log, NULL) <
            0) /* clears what arrived; else the next one who locks does */
            ph_context(err, "the log is left to be cleaned up");
        return rc;
    }
    *batch = end.last;
    ph_page_end_set(log, &end);
    atomic_store(&p->writing, 0);
    log->can_undo = true;
    return PROPHET_OK;
}

/* ---- taking it back ---------------------------------------------------------------------------------------------- */

/* `durable` may have passed the batch: another's flush took it along. It is lowered, on disk too, before the batch goes. */
static prophet_code lower_durable(ph_log *log, ph_position to, prophet_error *err)
{
    if (atomic_load(&log->page->durable) <= to)
        return PROPHET_OK;
    atomic_store(&log->page->durable, to);
    return ph_page_sync(log, err);
}

static prophet_code undo(ph_log *log, prophet_error *err)
{
    ph_log_file *f;
    prophet_code rc;
    uint32_t n;
    char path[PH_PATH_MAX];

    if ((rc = lower_durable(log, log->undo.position, err)) < 0 ||
        (rc = ph_log_locate(log, log->undo.position, &n, err)) < 0 ||
        (rc = ph_log_file_get(log, n, &f, err)) < 0)
        return rc;
    atomic_store(&log->page->writing, 1);
    ph_page_end_set(log, &log->undo);
    if ((rc = ph_log_cut(log, log->undo.position, false, err)) < 0)
        return rc; /* `writing` stays: the next one who locks decides */
    atomic_store(&log->page->writing, 0);
    ph_log_file_path(log, n, path);
    if ((rc = ph_disk_sync(f->fd, path, err)) < 0)
        atomic_store(&log->page->failed, 1);
    return rc;
}

prophet_code ph_log_undo(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    ph_require(log->locked && log->can_undo);
    log->can_undo = false;
    if ((rc = ph_flusher_take(log, err)) >= 0) {
        rc = undo(log, err);
        ph_flusher_drop(log);
    }
    if (rc < 0) {
        ph_context(err, "the outcome of the commit is unknown");
        if (err)
            err->code = PROPHET_EIO;
        return PROPHET_EIO;
    }
    return PROPHET_OK;
}
