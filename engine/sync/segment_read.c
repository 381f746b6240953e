/* Reads a segment in constant memory: one block, as it is stored and as it unfolds. Every length is checked before anything is
 * taken or unfolded, so that nothing can grow beyond what a writer would make (segment_head.c draws the bytes). What frames mean
 * is checked by who takes them. Called by bundle.c, depot_fetch.c and depot_feed.c. */
#include "sync/segment_impl.h"
#include <zstd.h>
#include <zstd_errors.h>

struct sync_segment {
    sync_read_fn read;
    void *ctx;
    const char *what;
    ph_arena arena; /* of the head */
    sync_segment_head head;
    ph_hasher *hasher;
    ZSTD_DCtx *zstd;
    ZSTD_DDict *dictionary;
    ph_buf stored, block;
    size_t at, last; /* in the block: the next record, and the one before */
    uint64_t changesets, signatures;
    uint64_t came, block_at; /* bytes read so far, and where the block begins */
    bool rests;              /* the block has to be read again */
};

static prophet_code refuse(const sync_segment *s, const char *why, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "%s: %s", s->what, why);
}

/* Exactly these bytes. */
static prophet_code take(sync_segment *s, void *buf, size_t len, prophet_error *err)
{
    size_t got;
    prophet_code rc = s->read(s->ctx, buf, len, &got, err);
    if (rc < 0)
        return rc;
    if (got < len)
        return refuse(s, "it is cut short", err);
    s->came += len;
    return s->rests ? PROPHET_OK : ph_hash_more(s->hasher, ph_slice(buf, len), err);
}

static prophet_code take_head(sync_segment *s, prophet_error *err)
{
    uint8_t start[SEGMENT_START];
    uint32_t len;
    prophet_code rc = ph_hash_begin(s->hasher, err);
    if (rc < 0 || (rc = take(s, start, sizeof start, err)) < 0)
        return rc;
    if ((rc = sync_segment_start(start, &len, err)) >= 0) {
        if (!ph_buf_reserve(&s->stored, len))
            return ph_nomem(err);
        if ((rc = take(s, s->stored.data, len, err)) < 0)
            return rc;
        rc = sync_segment_head_decode(ph_slice(s->stored.data, len), &s->arena, &s->head, err);
    }
    if (rc < 0)
        ph_context(err, "%s", s->what);
    return rc;
}

static prophet_code make_unfolder(sync_segment *s, prophet_error *err)
{
    s->zstd = ZSTD_createDCtx();
    s->dictionary = ZSTD_createDDict(sync_dictionary, sync_dictionary_size);
    return s->zstd && s->dictionary ? PROPHET_OK : ph_nomem(err);
}

static void free_unfolder(sync_segment *s)
{
    (void)ZSTD_freeDCtx(s->zstd); /* frees of nothing are fine, and never fail */
    (void)ZSTD_freeDDict(s->dictionary);
    s->zstd = NULL;
    s->dictionary = NULL;
}

prophet_code sync_segment_open(sync_read_fn read, void *ctx, const char *what, sync_segment **out,
                               prophet_error *err)
{
    sync_segment *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    s->read = read;
    s->ctx = ctx;
    s->what = what;
    prophet_code rc = make_unfolder(s, err);
    if (rc >= 0 && (rc = ph_hasher_new(&s->hasher, err)) >= 0)
        rc = take_head(s, err);
    if (rc < 0)
        sync_segment_close(s);
    else
        *out = s;
    return rc;
}

const sync_segment_head *sync_segment_head_of(const sync_segment *s)
{
    return &s->head;
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------- */

/* The checksum, and nothing behind it. */
static prophet_code take_end(sync_segment *s, prophet_error *err)
{
    uint8_t sum[SEGMENT_SUM], told[SEGMENT_SUM + 1];
    size_t got;
    prophet_code rc = ph_hash_end(s->hasher, sum, err);
    if (rc < 0 || (rc = s->read(s->ctx, told, sizeof told, &got, err)) < 0)
        return rc;
    if (got < SEGMENT_SUM)
        return refuse(s, "it is cut short", err);
    if (got > SEGMENT_SUM)
        return refuse(s, "bytes follow its end", err);
    if (memcmp(sum, told, sizeof sum) != 0)
        return refuse(s, "its checksum does not fit", err);
    if (s->changesets != s->head.changesets)
        return refuse(s, "it holds fewer changesets than it says", err);
    return PROPHET_DONE;
}

static prophet_code unfold(sync_segment *s, size_t len, size_t stored, prophet_error *err)
{
    if (!ph_buf_reserve(&s->stored, stored) || !ph_buf_reserve(&s->block, len))
        return ph_nomem(err);
    uint8_t *to = stored == len ? s->block.data : s->stored.data;
    prophet_code rc = take(s, to, stored, err);
    if (rc < 0 || stored == len)
        return rc;
    if (ZSTD_getFrameContentSize(s->stored.data, stored) != len)
        return refuse(s, "a block does not have the length it says", err);
    size_t n = ZSTD_decompress_usingDDict(s->zstd, s->block.data, len, s->stored.data, stored,
                                          s->dictionary);
    if (!ZSTD_isError(n) && n == len)
        return PROPHET_OK;
    return ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation
               ? ph_nomem(err)
               : refuse(s, "a block cannot be unfolded", err);
}

static prophet_code take_block(sync_segment *s, prophet_error *err)
{
    uint8_t lengths[8];
    s->block_at = s->came;
    prophet_code rc = take(s, lengths, sizeof lengths, err);
    if (rc < 0)
        return rc;
    size_t len = ph_u32be(lengths), stored = ph_u32be(lengths + 4);
    s->at = s->block.len = 0;
    if (len == 0)
        return stored == 0 ? take_end(s, err) : refuse(s, "an empty block with bytes", err);
    if (len > SEGMENT_BLOCK_MAX || stored > len || stored == 0)
        return refuse(s, "a block is larger than any may be", err);
    if (len > (64u << 10) + SEGMENT_RATIO * stored)
        return refuse(s, "a block unfolds to more than any may", err);
    if ((rc = unfold(s, len, stored, err)) >= 0)
        s->block.len = len;
    return rc;
}

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static prophet_code count(sync_segment *s, uint8_t type, prophet_error *err)
{
    if (type == PH_FRAME_CHANGESET)
        s->changesets++;
    else if (type == PH_FRAME_SIGNATURE)
        s->signatures++;
    else
        return refuse(s, "a frame of a kind that is never sent", err);
    return s->changesets > s->head.changesets || s->signatures > s->head.changesets
               ? refuse(s, "it holds more than it says", err)
               : PROPHET_OK;
}

/* It was checked when it was read first. */
static prophet_code wake(sync_segment *s, prophet_error *err)
{
    size_t at = s->at;
    prophet_code rc = make_unfolder(s, err);
    s->came = s->block_at;
    if (rc >= 0 && (rc = take_block(s, err)) == PROPHET_OK && at >= s->block.len)
        rc = refuse(s, "it has changed meanwhile", err);
    s->at = at;
    s->rests = false;
    return rc == PROPHET_DONE ? refuse(s, "it has changed meanwhile", err) : rc;
}

prophet_code sync_segment_next(sync_segment *s, ph_frame_type *type, prophet_slice *frame,
                               prophet_error *err)
{
    prophet_code rc = s->rests               ? wake(s, err)
                      : s->at < s->block.len ? PROPHET_OK
                                             : take_block(s, err);
    uint64_t len;
    if (rc != PROPHET_OK)
        return rc;
    s->last = s->at;
    const uint8_t *p = s->block.data + s->at, *end = s->block.data + s->block.len;
    uint8_t kind = *p++;
    if ((rc = count(s, kind, err)) < 0)
        return rc;
    if (!ph_varint_read(&p, end, &len))
        return refuse(s, "a frame without a length", err);
    if (len > SEGMENT_RECORD_MAX)
        return refuse(s, "a frame is larger than any may be", err);
    if (len > (uint64_t)(end - p))
        return refuse(s, "a frame that ends beyond its block", err);
    *type = (ph_frame_type)kind;
    *frame = ph_slice(p, (size_t)len);
    s->at = (size_t)(p - s->block.data) + (size_t)len;
    return PROPHET_OK;
}

void sync_segment_back(sync_segment *s)
{
    const bool changeset = s->block.data[s->last] == PH_FRAME_CHANGESET;
    s->at = s->last;
    s->changesets -= changeset;
    s->signatures -= !changeset;
}

uint64_t sync_segment_rest(sync_segment *s)
{
    free_unfolder(s);
    ph_buf_clear(&s->block);
    ph_buf_clear(&s->stored);
    s->rests = true;
    return s->block_at;
}

bool sync_segment_rests(const sync_segment *s)
{
    return s->rests;
}

void sync_segment_close(sync_segment *s)
{
    if (!s)
        return;
    free_unfolder(s);
    ph_hasher_free(s->hasher);
    ph_buf_clear(&s->stored);
    ph_buf_clear(&s->block);
    ph_arena_clear(&s->arena);
    ph_free(s);
}
