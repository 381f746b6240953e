/* The way back from a failed flush.
 *
 * After a failed fdatasync the kernel may have dropped the bytes and called the pages clean: asking
 * again would lie. So nobody commits or flushes while the page says `failed`. Whoever takes the
 * writer's lock reads the batches from `durable` on back, verifies them, writes them into a new log
 * file that takes over at `durable` (file.c), flushes that, and only then clears the flag. Batches
 * keep their positions, so indexes stay right and waiting committers succeed after all. What cannot be
 * read back any more is lost and was never promised: the log ends before it, and an index that is
 * ahead notices (ph_log_holds). */
#include "log/log_impl.h"

/* Reads the verified batches in durable .. end; *end becomes what could be read. The chain at durable goes to head. */
static prophet_code read_back(ph_log *log, ph_position durable, ph_page_mark *end,
                              ph_log_file *head, ph_buf *bytes, prophet_error *err)
{
    ph_batch_reader r;
    ph_page_mark start = { 0 };
    ph_log_file *f;
    prophet_code rc;

    if ((rc = ph_log_file_get(log, log->file_count, &f, err)) < 0)
        return rc;
    start.position =
        f->first; /* a rolled file is flushed: durable lies in the last one, or at its start */
    memcpy(start.chain, f->chain, 16);
    ph_batch_reader_init(&r, log, &start);
    while (r.at < durable && (rc = ph_batch_next(&r, durable, err)) == PROPHET_OK)
        ;
    if (rc >= 0 && r.at != durable)
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s/log: no batch begins at %llx", log->dir,
                     (unsigned long long)durable);
    if (rc < 0)
        goto done;
    *head = (ph_log_file){ .fd = -1, .first = durable, .before = durable };
    memcpy(head->chain, r.chain, 16);
    while ((rc = ph_batch_next(&r, end->position, err)) == PROPHET_OK) {
        const uint8_t *p = (const uint8_t *)r.payload.data - PH_LOG_BATCH_HEADER;
        ph_buf_put(bytes, p, (size_t)(r.at - r.last));
    }
    if (bytes->failed)
        rc = ph_nomem(err);
    if (rc == PROPHET_DONE || rc == PROPHET_ECORRUPT || rc == PROPHET_EIO)
        rc = PROPHET_OK; /* up to here it is whole */
    *end = (ph_page_mark){ .position = r.at, .last = r.last };
    memcpy(end->chain, r.chain, 16);
done:
    ph_batch_reader_clear(&r);
    return rc;
}

static prophet_code repair(ph_log *log, prophet_error *err)
{
    ph_lock_page *p = log->page;
    const ph_position durable = atomic_load(&p->durable);
    ph_buf bytes = PH_BUF_INIT;
    ph_page_mark end;
    ph_log_file head;
    prophet_code rc;

    ph_page_end(log, &end);
    if ((rc = read_back(log, durable, &end, &head, &bytes, err)) < 0)
        goto done;
    atomic_store(&p->writing, 1); /* killed in here: the file counts as soon as it has its name */
    if ((rc = ph_log_file_create(log, log->file_count + 1, &head, ph_buf_slice(&bytes), err)) < 0)
        goto done;
    log->epoch++;
    ph_page_end_set(log, &end);
    atomic_store(&p->allocated, (uint32_t)(PH_LOG_FILE_HEADER + bytes.len));
    atomic_store(&p->last_file, log->file_count);
    atomic_store(&p->epoch, log->epoch);
    atomic_store(&p->durable, end.position);
    atomic_store(&p->writing, 0);
    atomic_store(&p->failed, 0);
done:
    ph_buf_clear(&bytes);
    return rc;
}

prophet_code ph_log_repair(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    ph_page_refresh(log);
    if ((rc = ph_flusher_take(log, err)) < 0)
        return rc;
    if ((rc = repair(log, err)) < 0) {
        (void)ph_fail(
            err, PROPHET_EIO,
            "%s: a flush failed and the log could not be rewritten; nothing can be committed",
            log->dir);
        rc = PROPHET_EIO;
    }
    ph_flusher_drop(log);
    return rc;
}
