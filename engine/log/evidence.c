/* Evidence (who wrote the index last, is it clean) and the identity token: two records in sectors of
 * their own of the lock file, each with a checksum, written through the file and synced before the
 * call returns.
 *
 *   evidence, at 512:  0 16 boot id   16 8 mount   24 8 inode   32 8 position   40 16 chain   56 8 position of the batch before
 *                     64 4 index file 68 4 clean   72 16 SHA-256 of the 72 bytes, cut
 *   token, at 1024:    0 8 inode       8 8 birth seconds       16 4 nanoseconds 20 4 zero     24 16 SHA-256 of the 24 bytes, cut
 *   database, at 1536: 0 16 its id    16 16 SHA-256 of the 16 bytes, cut: headers of log files have no checksum
 * Integers are big-endian. */
#include "log/log_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVIDENCE_LEN = 72, TOKEN_LEN = 24, DATABASE_LEN = 16, SUM_LEN = 16 };

/* ---- records ---------------------------------------------------------------------------------------------- */

static bool sum_of(ph_log *log, const uint8_t *record, size_t len, uint8_t out[32])
{
    prophet_slice part = ph_slice(record, len);

    return ph_hash_sha256(log->hasher, &part, 1, out, NULL) >= 0;
}

/* A copy of a record, false when it does not prove itself. Another process may be writing it: looked at again. */
static bool record_get(ph_log *log, size_t offset, uint8_t *out, size_t len)
{
    uint8_t sum[32];

    for (int i = 0; i < 100; i++) {
        memcpy(out, (const uint8_t *)log->page + offset, len + SUM_LEN);
        if (sum_of(log, out, len, sum) && memcmp(sum, out + len, SUM_LEN) == 0)
            return true;
    }
    return false;
}

static prophet_code record_set(ph_log *log, size_t offset, uint8_t *record, size_t len,
                               prophet_error *err)
{
    uint8_t sum[32];
    prophet_code rc;

    if (log->readonly || log->lock_fd < 0)
        return ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", log->dir);
    if ((rc = ph_log_check_pid(log, err)) < 0)
        return rc;
    if (!sum_of(log, record, len, sum))
        return ph_nomem(err);
    memcpy(record + len, sum, SUM_LEN);
    if ((rc = ph_file_write(log->lock_fd, record, len + SUM_LEN, offset, err)) < 0) {
        ph_context(err, "%s/lock", log->dir);
        return rc;
    }
    return ph_page_sync(log, err);
}

/* ---- evidence ------------------------------------------------------------------------------------------------ */

void ph_log_evidence_get(ph_log *log, ph_log_evidence *out)
{
    uint8_t r[EVIDENCE_LEN + SUM_LEN];

    memset(out, 0, sizeof *out);
    if (!ph_page_believed(log) || !record_get(log, PH_PAGE_EVIDENCE, r, EVIDENCE_LEN))
        return;
    memcpy(out->boot, r, 16);
    out->mount = ph_u64be(r + 16);
    out->inode = ph_u64be(r + 24);
    out->mark.position = ph_u64be(r + 32);
    memcpy(out->mark.chain, r + 40, 16);
    out->index = ph_u32be(r + 64);
    out->clean = ph_u32be(r + 68) == 1;
}

prophet_code ph_log_evidence_set(ph_log *log, const ph_log_evidence *e, prophet_error *err)
{
    uint8_t r[EVIDENCE_LEN + SUM_LEN];
    ph_page_mark end = { 0 };
    ph_position last = 0;

    if (ph_page_live(log))
        ph_page_end(log, &end);
    if (end.position == e->mark.position && memcmp(end.chain, e->mark.chain, 16) == 0)
        last = end.last;
    memcpy(r, e->boot, 16);
    ph_u64be_put(r + 16, e->mount);
    ph_u64be_put(r + 24, e->inode);
    ph_u64be_put(r + 32, e->mark.position);
    memcpy(r + 40, e->mark.chain, 16);
    ph_u64be_put(r + 56, last);
    ph_u32be_put(r + 64, e->index);
    ph_u32be_put(r + 68, e->clean);
    return record_set(log, PH_PAGE_EVIDENCE, r, EVIDENCE_LEN, err);
}

prophet_code ph_log_evidence_here(ph_log *log, ph_log_evidence *out, prophet_error *err)
{
    struct statx st;

    memset(out, 0, sizeof *out);
    if (statx(AT_FDCWD, log->dir, 0, STATX_INO | STATX_MNT_ID, &st) != 0)
        return ph_fail_sys(err, errno, "%s", log->dir);
    memcpy(out->boot, log->boot, 16);
    out->inode = st.stx_ino;
    out->mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id
                                            : (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
    return PROPHET_OK;
}

/* The log was synced up to this mark: recovery may begin there, if the batch before it is the one the record names. */
void ph_evidence_mark(ph_log *log, ph_page_mark *out)
{
    uint8_t r[EVIDENCE_LEN + SUM_LEN], h[PH_LOG_BATCH_HEADER];
    ph_batch b;
    uint32_t n;
    size_t got;
    ph_log_file *f;

    memset(out, 0, sizeof *out);
    if (!ph_page_believed(log) || !record_get(log, PH_PAGE_EVIDENCE, r, EVIDENCE_LEN) ||
        ph_u64be(r + 56) == 0)
        return;
    if (ph_log_scan_files(log, NULL) < 0 || ph_log_locate(log, ph_u64be(r + 56), &n, NULL) < 0 ||
        ph_log_file_get(log, n, &f, NULL) < 0 ||
        ph_file_read(f->fd, h, sizeof h, ph_log_offset(f, ph_u64be(r + 56)), &got, NULL) < 0 ||
        got < sizeof h)
        return;
    ph_batch_header_read(h, &b);
    if (b.position != ph_u64be(r + 56) || memcmp(b.chain, r + 40, 16) != 0 ||
        b.position + ph_batch_size(b.length) != ph_u64be(r + 32))
        return;
    out->position = ph_u64be(r + 32);
    out->last = b.position;
    memcpy(out->chain, b.chain, 16);
}

/* ---- the token ------------------------------------------------------------------------------------------------- */

void ph_log_token_get(ph_log *log, ph_log_token *out)
{
    uint8_t r[TOKEN_LEN + SUM_LEN];

    memset(out, 0, sizeof *out);
    if (!record_get(log, PH_PAGE_TOKEN, r, TOKEN_LEN))
        return;
    out->inode = ph_u64be(r);
    out->birth_s = (int64_t)ph_u64be(r + 8);
    out->birth_ns = ph_u32be(r + 16);
}

prophet_code ph_log_token_set(ph_log *log, const ph_log_token *t, prophet_error *err)
{
    uint8_t r[TOKEN_LEN + SUM_LEN] = { 0 };

    ph_u64be_put(r, t->inode);
    ph_u64be_put(r + 8, (uint64_t)t->birth_s);
    ph_u32be_put(r + 16, t->birth_ns);
    prophet_code rc = ph_page_database_set(log, err);
    return rc < 0 ? rc : record_set(log, PH_PAGE_TOKEN, r, TOKEN_LEN, err);
}

/* ---- the database ------------------------------------------------------------------------------------------------ */

bool ph_page_database(ph_log *log, ph_uuid *out)
{
    uint8_t r[DATABASE_LEN + SUM_LEN];

    if (!record_get(log, PH_PAGE_DATABASE, r, DATABASE_LEN))
        return false;
    memcpy(out->b, r, sizeof out->b);
    return true;
}

prophet_code ph_page_database_set(ph_log *log, prophet_error *err)
{
    uint8_t r[DATABASE_LEN + SUM_LEN];
    ph_uuid said;

    if (ph_page_database(log, &said))
        return PROPHET_OK;
    memcpy(r, log->database.b, sizeof log->database.b);
    return record_set(log, PH_PAGE_DATABASE, r, DATABASE_LEN, err);
}
