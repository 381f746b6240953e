/* Recovery: finding the end of the log.
 *
 * Two cases. A writer was killed in this boot: the page is believed, only what lies behind the end is
 * in question (finish_killed). Otherwise (reboot, power cut, a copy, no page) the batches are walked;
 * where that stops, either the tail is torn and cut off, or batches behind prove that the place was on
 * disk once: damage, gone around and reported, nothing cut. Called with the writer's lock, by writer.c
 * and by the first who opens. */
#include "log/log_impl.h"
#include <errno.h>
#include <sys/stat.h>

/* ---- cutting ------------------------------------------------------------------------------------------------ */

prophet_code ph_log_cut(ph_log *log, ph_position at, bool sync, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_log_file *f;
    uint64_t offset;
    prophet_code rc;
    uint32_t n;

    if ((rc = ph_log_locate(log, at, &n, err)) < 0 || (rc = ph_log_file_get(log, n, &f, err)) < 0)
        return rc;
    ph_log_file_path(log, n == log->file_count ? n : n + 1, path);
    if (n != log->file_count) { /* what later files prove is never cut */
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s does not go on where the log ends", path);
        ph_hint(err, "move it away if it does not belong here");
        return rc;
    }
    offset = ph_log_offset(f, at);
    atomic_store(&log->page->allocated, (uint32_t)offset);
    if (f->missing)
        return PROPHET_OK;
    if ((rc = ph_disk_truncate(f->fd, offset, path, err)) < 0)
        return rc;
    return sync ? ph_disk_sync(f->fd, path, err) : PROPHET_OK;
}

static prophet_code allocated_now(ph_log *log, uint32_t *out, prophet_error *err)
{
    ph_log_file *f;
    struct stat st;
    prophet_code rc;

    if ((rc = ph_log_file_get(log, log->file_count, &f, err)) < 0)
        return rc;
    if (fstat(f->fd, &st) != 0)
        return ph_fail_sys(err, errno, "log file %u", log->file_count);
    *out = (uint32_t)st.st_size;
    return PROPHET_OK;
}

/* ---- a killed writer ------------------------------------------------------------------------------------------- */

prophet_code ph_log_finish_killed(ph_log *log, prophet_error *err)
{
    ph_batch_reader r;
    ph_page_mark end;
    uint32_t allocated;
    prophet_code rc;

    ph_page_end(log, &end);
    ph_batch_reader_init(&r, log, &end);
    if ((rc = ph_log_sweep_temporary(log, err)) < 0 || (rc = ph_log_scan_files(log, err)) < 0)
        goto done;
    atomic_store(&log->page->last_file,
                 log->file_count); /* it may have made a file and not said so */
    while ((rc = ph_batch_next(&r, 0, err)) == PROPHET_OK)
        ;
    if (rc < 0 && rc != PROPHET_ECORRUPT)
        goto done;
    if ((rc = ph_log_cut(log, r.at, false, err)) < 0 ||
        (rc = allocated_now(log, &allocated, err)) < 0)
        goto done;
    end = (ph_page_mark){ .position = r.at, .last = r.last };
    memcpy(end.chain, r.chain, sizeof end.chain);
    ph_page_end_set(log, &end);
    atomic_store(&log->page->allocated, allocated);
    atomic_store(&log->page->writing, 0);
    rc = PROPHET_OK;
done:
    ph_batch_reader_clear(&r);
    return rc;
}

/* ---- recovery ------------------------------------------------------------------------------------------------------- */

/* The last batches are gone for good: the log goes on behind where they were, in the last file. */
static prophet_code behind_all(ph_log *log, const ph_tail *t, ph_position durable, ph_position *at,
                               prophet_error *err)
{
    ph_position data = t->at;
    ph_log_file *last;
    size_t len = t->len;
    prophet_code rc = ph_log_file_get(log, log->file_count, &last, err);

    while (len > 0 && t->bytes[len - 1] == 0)
        len--;
    data += (len + 7) & ~(size_t)7;
    if (rc >= 0 && t->more && data < last->first) /* nothing could be read in it either */
        data = last->first;
    *at = durable > data && durable - t->at <= PH_LOG_FILE_SIZE ? durable : data;
    if (*at == t->at)
        *at += 8; /* a hole there must be, or the damage would be forgotten */
    return rc < 0 ? rc : PROPHET_DONE;
}

/* The walk stopped at r->at. PROPHET_DONE: the log ends there, cut; OK: damage, the reader stands behind it. */
static prophet_code stopped(ph_log *log, ph_batch_reader *r, ph_position durable, const char *why,
                            prophet_error *err)
{
    const ph_position from = r->at;
    ph_tail t;
    prophet_code rc;

    if ((rc = ph_tail_load(log, from, &t, err)) < 0)
        return rc;
    if (!t.more && t.durable <= from && durable <= from) {
        rc = t.dirty ? ph_log_cut(log, from, true, err) : PROPHET_OK;
        rc = rc < 0 ? rc : PROPHET_DONE;
    } else if ((rc = ph_tail_resume(&t, r, err)) == PROPHET_DONE) {
        rc = behind_all(log, &t, durable, &r->at, err);
    }
    if (rc >= 0 && r->at != from) {
        if (log->damage_from == 0) {
            log->damage_from = from, log->damage_to = r->at;
            (void)snprintf(log->damage_why, sizeof log->damage_why, "%s", why);
        }
        if (rc == PROPHET_DONE)
            r->unproven = false;
    }
    ph_tail_clear(&t);
    return rc;
}

/* The last batches are damaged, but the index is known to have had them: the log goes on from where its mark says. */
static void end_by_evidence(ph_log *log, ph_page_mark *end)
{
    ph_log_evidence e;

    ph_log_evidence_get(log, &e);
    if (log->damage_from != 0 && e.mark.position == end->position)
        memcpy(end->chain, e.mark.chain, sizeof end->chain);
}

static prophet_code walk(ph_log *log, const ph_page_mark *from, ph_page_mark *end,
                         prophet_error *err)
{
    const ph_position durable = ph_page_believed(log) ? atomic_load(&log->page->durable) : 0;
    ph_batch_reader r;
    prophet_error why = { 0 };
    prophet_code rc;

    ph_batch_reader_init(&r, log, from);
    do {
        while ((rc = ph_batch_next(&r, 0, &why)) == PROPHET_OK)
            ;
        if (rc == PROPHET_DONE || rc == PROPHET_ECORRUPT)
            rc = stopped(log, &r, durable, rc == PROPHET_DONE ? "its end is missing" : why.message,
                         err);
        else if (err)
            *err = why;
    } while (rc == PROPHET_OK);
    if (rc == PROPHET_DONE) {
        *end = (ph_page_mark){ .position = r.at, .last = r.last };
        memcpy(end->chain, r.chain, sizeof end->chain);
        rc = PROPHET_OK;
        end_by_evidence(log, end);
    }
    ph_batch_reader_clear(&r);
    return rc;
}

/* What lies behind the mark may never have been flushed (a copy); where everything is on disk this costs little. */
static prophet_code sync_files(ph_log *log, ph_position from, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_log_file *f;
    prophet_code rc;
    uint32_t n;

    for (rc = ph_log_locate(log, from, &n, err); rc >= 0 && n <= log->file_count; n++) {
        ph_log_file_path(log, n, path);
        if ((rc = ph_log_file_get(log, n, &f, err)) >= 0 && !f->missing)
            rc = ph_disk_sync(f->fd, path, err);
    }
    if (rc >= 0 && (rc = ph_path_join(path, sizeof path, log->dir, "log", err)) >= 0)
        rc = ph_dir_sync(path, err);
    return rc;
}

/* The files that are there, and those at the end that are known to have been. */
static prophet_code scan_known(ph_log *log, prophet_error *err)
{
    ph_log_evidence e;
    ph_position durable = ph_log_durable(log);
    uint32_t last;
    prophet_code rc = ph_log_scan_files(log, err);

    if (rc < 0)
        return rc;
    ph_log_evidence_get(log, &e);
    last = (uint32_t)((e.mark.position > durable ? e.mark.position : durable) >> 32);
    return last > log->file_count && last < log->file_count + 64 ? ph_log_set_files(log, last, err)
                                                                 : PROPHET_OK;
}

prophet_code ph_log_recover_locked(ph_log *log, const ph_page_mark *from, prophet_error *err)
{
    ph_page_mark start = *from, end;
    uint32_t allocated;
    prophet_code rc;

    ph_log_forget_files(log);
    log->damage_from = log->damage_to = 0;
    if ((rc = ph_log_sweep_temporary(log, err)) < 0 || (rc = scan_known(log, err)) < 0)
        return rc;
    if (start.position == 0 && (rc = ph_batch_start(log, &start, err)) < 0)
        return rc;
    if ((rc = walk(log, &start, &end, err)) < 0 ||
        (rc = sync_files(log, start.position, err)) < 0 ||
        (rc = allocated_now(log, &allocated, err)) < 0 || (rc = ph_page_adopt(log, &end, err)) < 0)
        return rc;
    atomic_store(&log->page->allocated, allocated);
    return PROPHET_OK;
}

/* In a live page the end is known: only what follows the mark is looked at, and nothing is written. PROPHET_DONE: not so simple. */
static prophet_code look_only(ph_log *log, const ph_mark *from, prophet_error *err)
{
    ph_page_mark end, start = { .position = from->position };
    ph_batch_reader r;
    prophet_code rc;

    if (from->position == 0 || !ph_page_live(log) ||
        (rc = ph_log_holds(log, from, err)) == PROPHET_DONE)
        return PROPHET_DONE;
    if (rc < 0)
        return rc;
    memcpy(start.chain, from->chain, 16);
    ph_page_end(log, &end);
    ph_batch_reader_init(&r, log, &start);
    while ((rc = ph_batch_next(&r, end.position, err)) == PROPHET_OK)
        ;
    ph_batch_reader_clear(&r);
    if (rc == PROPHET_ECORRUPT)
        return PROPHET_DONE;
    return rc < 0 ? rc : PROPHET_OK;
}

/* Otherwise a caller's mark is used when it is the one the evidence proves. */
static prophet_code recover_from(ph_log *log, const ph_mark *from, prophet_error *err)
{
    ph_page_mark evidence, start = { 0 };
    prophet_code rc;

    if (ph_page_live(log) && (rc = ph_writer_settle(log, err)) < 0)
        return rc;
    if ((rc = look_only(log, from, err)) != PROPHET_DONE)
        return rc;
    ph_evidence_mark(log, &evidence);
    if (evidence.position != 0 && evidence.position == from->position &&
        memcmp(evidence.chain, from->chain, 16) == 0)
        start = evidence;
    return ph_log_recover_locked(log, &start, err);
}

prophet_code ph_log_recover(ph_log *log, const ph_mark *from, prophet_error *err)
{
    const bool held = log->locked;
    prophet_code rc;

    log->damage_from = log->damage_to = 0;
    if (!held && (rc = ph_writer_take(log, 60000, err)) < 0)
        return rc;
    rc = recover_from(log, from, err);
    if (!held)
        ph_log_unlock(log);
    if (rc >= 0 && log->damage_from != 0)
        rc = ph_fail(err, PROPHET_ECORRUPT, "the log is damaged: %s", log->damage_why);
    return rc;
}

const char *ph_log_damage_reason(const ph_log *log)
{
    return log->damage_why;
}

bool ph_log_damage(const ph_log *log, ph_position *from, ph_position *to)
{
    *from = log->damage_from;
    *to = log->damage_to;
    return log->damage_from != 0;
}
