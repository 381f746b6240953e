/* Batches: their bytes, their checksum, reading one after the other.
 *
 *   0    4  length of the payload (0: no batch here, the log ends)
 *   4    4  number of frames in it
 *   8    8  position of this batch
 *   16   8  durable: the position up to which the log was known to be on disk when this was written
 *   24  16  chain: SHA-256(chain of the batch before || bytes 0..23 || payload), first 16 bytes
 *   40      payload: frames, each  u8 type, LEB128 length, bytes;  then zeros up to a multiple of 8
 *
 * Integers are big-endian. Called by cursor.c, recover.c and repair.c. */
#include "log/log_impl.h"

#define PIECE_MOST  (1u << 20)
#define PIECE_BLIND (256u << 10)

void ph_batch_header_put(const ph_batch *b, uint8_t out[PH_LOG_BATCH_HEADER])
{
    ph_u32be_put(out, b->length);
    ph_u32be_put(out + 4, b->frames);
    ph_u64be_put(out + 8, b->position);
    ph_u64be_put(out + 16, b->durable);
    memcpy(out + 24, b->chain, 16);
}

void ph_batch_header_read(const uint8_t *p, ph_batch *out)
{
    out->length = ph_u32be(p);
    out->frames = ph_u32be(p + 4);
    out->position = ph_u64be(p + 8);
    out->durable = ph_u64be(p + 16);
    memcpy(out->chain, p + 24, 16);
}

prophet_code ph_batch_checksum(ph_log *log, const uint8_t before[16], const uint8_t *header,
                               prophet_slice payload, uint8_t out[16], prophet_error *err)
{
    prophet_slice parts[3] = { ph_slice(before, 16), ph_slice(header, 24), payload };
    uint8_t sum[32];
    prophet_code rc = ph_hash_sha256(log->hasher, parts, 3, sum, err);

    if (rc >= 0)
        memcpy(out, sum, 16);
    return rc;
}

/* ---- the reader ----------------------------------------------------------------------------------------------- */

prophet_code ph_batch_start(ph_log *log, ph_page_mark *out, prophet_error *err)
{
    ph_log_file *f;
    prophet_code rc;

    if ((rc = ph_log_file_get(log, 1, &f, err)) < 0)
        return rc;
    *out = (ph_page_mark){ .position = f->first };
    memcpy(out->chain, f->chain, 16);
    return PROPHET_OK;
}

void ph_batch_reader_init(ph_batch_reader *r, ph_log *log, const ph_page_mark *from)
{
    memset(r, 0, sizeof *r);
    r->log = log;
    r->at = from->position;
    r->last = from->last;
    memcpy(r->chain, from->chain, 16);
}

void ph_batch_reader_clear(ph_batch_reader *r)
{
    ph_free(r->buf);
    memset(r, 0, sizeof *r);
}

static prophet_code not_a_batch(ph_batch_reader *r, const char *why, prophet_error *err)
{
    ph_log_file *f;
    char path[PH_PATH_MAX];
    uint32_t n;

    if (ph_log_locate(r->log, r->at, &n, NULL) < 0 || ph_log_file_get(r->log, n, &f, NULL) < 0)
        return ph_fail(err, PROPHET_ECORRUPT, "log position %llx: %s", (unsigned long long)r->at,
                       why);
    ph_log_file_path(r->log, n, path);
    if (f->missing)
        return ph_fail(err, PROPHET_ECORRUPT, "%s is missing", path);
    return ph_fail(err, PROPHET_ECORRUPT, "%s, offset %llu: %s", path,
                   (unsigned long long)ph_log_offset(f, r->at), why);
}

/* Into the next file. The batches prove themselves: the checksum in its header is only believed where nothing else is known. */
static void cross(ph_batch_reader *r, ph_log_file *next)
{
    if (r->unproven && !next->guessed) {
        memcpy(r->chain, next->chain, 16);
        r->unproven = false;
    } else if (!r->unproven && memcmp(next->chain, r->chain, 16) != 0) {
        next->guessed = next->chain_known = true;
        memcpy(next->chain, r->chain, 16);
    }
}

/* The file r->at lies in, r->at moved to the next one when it stands at an end; *end: where the file ends, 0: open. */
static prophet_code find_file(ph_batch_reader *r, ph_log_file **f, ph_position *end,
                              prophet_error *err)
{
    ph_log_file *next = NULL;
    prophet_code rc;
    uint32_t n;

    for (;;) {
        if ((rc = ph_log_locate(r->log, r->at, &n, err)) < 0)
            return rc;
        *end = 0;
        if (n < r->log->file_count) {
            if ((rc = ph_log_file_get(r->log, n + 1, &next, err)) < 0)
                return rc;
            *end = next->before;
        }
        if (*end == 0 || r->at != *end)
            return ph_log_file_get(r->log, n, f, err);
        cross(r, next);
        r->at = next->first;
    }
}

/* Makes `need` bytes from r->at available if the file has them; *got: how many there are. */
static prophet_code fill(ph_batch_reader *r, const ph_log_file *f, ph_position end,
                         ph_position limit, size_t need, size_t *got, prophet_error *err)
{
    size_t have = 0, want, more;
    uint64_t room = end ? end - r->at : UINT64_MAX;
    prophet_code rc;

    if (r->at >= r->buf_at && r->at < r->buf_at + r->len)
        have = (size_t)(r->buf_at + r->len - r->at);
    if (have < need) {
        if (limit > r->at && limit - r->at < room && (limit >> 32) == (r->at >> 32))
            room = limit - r->at;
        want = limit ? PIECE_MOST : PIECE_BLIND;
        if (want < need)
            want = need;
        if (want > room)
            want = (size_t)room;
        if (want > r->cap) {
            uint8_t *buf = ph_realloc(r->buf, want);
            if (!buf)
                return ph_nomem(err);
            r->buf = buf;
            r->cap = want;
        }
        if (have > want) /* cut short by a file made since */
            have = want;
        memmove(r->buf, r->buf + (r->len - have), have);
        r->buf_at = r->at;
        r->len = have;
        if ((rc = ph_file_read(f->fd, r->buf + have, want - have, ph_log_offset(f, r->at) + have,
                               &more, err)) < 0)
            return rc;
        r->len = have += more;
    }
    *got = have;
    return PROPHET_OK;
}

static bool all_zero(const uint8_t *p, size_t len)
{
    while (len > 0 && *p == 0)
        p++, len--;
    return len == 0;
}

/* Checks the batch whose header is in the buffer and takes it. */
static prophet_code take_batch(ph_batch_reader *r, const ph_log_file *f, ph_position end,
                               ph_position limit, prophet_error *err)
{
    uint8_t sum[16];
    const uint8_t *p = r->buf + (r->at - r->buf_at);
    size_t size, got;
    prophet_code rc;

    ph_batch_header_read(p, &r->batch);
    if (r->batch.position != r->at || r->batch.length == 0 || r->batch.length > PH_LOG_BATCH_MAX)
        return not_a_batch(r, "no batch where one should be", err);
    size = ph_batch_size(r->batch.length);
    if ((rc = fill(r, f, end, limit, size, &got, err)) < 0)
        return rc;
    if (got < size)
        return not_a_batch(r, "the batch is cut short", err);
    p = r->buf + (r->at - r->buf_at);
    r->payload = ph_slice(p + PH_LOG_BATCH_HEADER, r->batch.length);
    if (!r->unproven) {
        if ((rc = ph_batch_checksum(r->log, r->chain, p, r->payload, sum, err)) < 0)
            return rc;
        if (memcmp(sum, r->batch.chain, 16) != 0)
            return not_a_batch(r, "the checksum does not fit", err);
    }
    r->unproven = false;
    r->last = r->at;
    r->at += size;
    memcpy(r->chain, r->batch.chain, 16);
    return PROPHET_OK;
}

prophet_code ph_batch_next(ph_batch_reader *r, ph_position limit, prophet_error *err)
{
    ph_log_file *f;
    ph_position end;
    prophet_code rc;
    size_t got;

    if (limit && r->at >= limit)
        return PROPHET_DONE;
    if ((rc = find_file(r, &f, &end, err)) < 0)
        return rc;
    if (limit && r->at >= limit)
        return PROPHET_DONE;
    if ((rc = fill(r, f, end, limit, PH_LOG_BATCH_HEADER, &got, err)) < 0)
        return rc;
    if (got < PH_LOG_BATCH_HEADER || all_zero(r->buf + (r->at - r->buf_at), PH_LOG_BATCH_HEADER)) {
        if (limit || end)
            return not_a_batch(r, "zeros where a batch should be", err);
        return PROPHET_DONE;
    }
    return take_batch(r, f, end, limit, err);
}
