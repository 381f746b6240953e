/* The one container outside of the log (DESIGN 6). A bundle is a segment in a file; a depot holds many.
 *
 *   segment   offset  bytes
 *                  0     11  "prophetpack"
 *                 11      1  format: 1
 *                 12      4  length of the head, at most 16 MiB
 *                 16         head
 *                            blocks, then one of zero lengths
 *                        32  SHA-256 of all before: the name of the segment
 *   head      canonical CBOR {1: database, 2: number of changesets, 3: runs, 4: needs}; 3 and 4 are byte strings, 4 is absent when empty
 *   run       80 bytes: replica 32, from 8, to 8, id 32: the changesets of one chain from seq `from` to seq `to`, each the prev of the
 *             next, the last one named. Sorted by (replica, id)
 *   needs     ids of 32 bytes, sorted: what a receiver must have before it can use this
 *   block     length 4, stored length 4, bytes: one zstd frame made with the dictionary, or, when both lengths are equal, as they are.
 *             length is at most 1 MiB and one record, and at most 64 KiB + 256 x the stored length
 *   record    in a block: type (1 changeset, 2 signature), length (LEB128), frame; all records are one stream of frames in causal order
 *
 * Integers are big-endian. Written by segment_write.c, read by segment_read.c; the head is enough to know what is inside. */
#include "sync/segment_impl.h"

enum { FORMAT = 1, ID_SIZE = 32 };

static const char magic[] = "prophetpack";

void sync_runs_put(const sync_run *runs, size_t count, ph_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        ph_buf_put(out, runs[i].replica.b, ID_SIZE);
        ph_buf_u64be(out, runs[i].from);
        ph_buf_u64be(out, runs[i].to);
        ph_buf_put(out, runs[i].id.b, ID_SIZE);
    }
}

static bool before(const sync_run *a, const sync_run *b)
{
    int c = ph_id_cmp(&a->replica, &b->replica);
    return c < 0 || (c == 0 && ph_id_cmp(&a->id, &b->id) < 0);
}

prophet_code sync_runs_take(prophet_slice bytes, ph_arena *a, const sync_run **out, size_t *count,
                            prophet_error *err)
{
    size_t n = bytes.len / SEGMENT_RUN_SIZE;
    const uint8_t *p = bytes.data;
    if (bytes.len % SEGMENT_RUN_SIZE)
        return PROPHET_DONE;
    sync_run *runs = ph_arena_alloc(a, (n + 1) * sizeof *runs);
    if (!runs)
        return ph_nomem(err);
    for (size_t i = 0; i < n; i++, p += SEGMENT_RUN_SIZE) {
        memcpy(runs[i].replica.b, p, ID_SIZE);
        runs[i].from = ph_u64be(p + ID_SIZE);
        runs[i].to = ph_u64be(p + ID_SIZE + 8);
        memcpy(runs[i].id.b, p + ID_SIZE + 16, ID_SIZE);
        if (runs[i].from == 0 || runs[i].from > runs[i].to || runs[i].to > INT64_MAX ||
            (i && !before(&runs[i - 1], &runs[i])))
            return PROPHET_DONE;
    }
    *out = runs;
    *count = n;
    return PROPHET_OK;
}

static void put_blob(ph_buf *out, uint64_t key, prophet_slice bytes)
{
    ph_put_uint(out, key);
    ph_put_bytes(out, bytes);
}

static void put_head(const sync_segment_head *h, ph_buf *out)
{
    ph_buf runs = PH_BUF_INIT;
    sync_runs_put(h->runs, h->run_count, &runs);
    ph_put_map(out, h->need_count ? 4 : 3);
    put_blob(out, 1, ph_slice(h->database.b, sizeof h->database.b));
    ph_put_uint(out, 2);
    ph_put_uint(out, h->changesets);
    put_blob(out, 3, ph_buf_slice(&runs));
    if (h->need_count)
        put_blob(out, 4, ph_slice(h->needs, h->need_count * sizeof *h->needs));
    out->failed = out->failed || runs.failed;
    ph_buf_clear(&runs);
}

prophet_code sync_segment_head_encode(const sync_segment_head *h, ph_buf *out, prophet_error *err)
{
    ph_buf head = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;
    put_head(h, &head);
    ph_buf_put(out, magic, sizeof magic - 1);
    ph_buf_byte(out, FORMAT);
    ph_buf_u32be(out, (uint32_t)head.len);
    ph_buf_put(out, head.data, head.len);
    if (head.failed || out->failed)
        rc = ph_nomem(err);
    else if (head.len > SEGMENT_HEAD_MAX)
        rc = ph_fail(err, PROPHET_EUSAGE, "a segment of more than %d runs",
                     SEGMENT_HEAD_MAX / SEGMENT_RUN_SIZE);
    ph_buf_clear(&head);
    return rc;
}

prophet_code sync_segment_start(const uint8_t start[SEGMENT_START], uint32_t *len,
                                prophet_error *err)
{
    if (memcmp(start, magic, sizeof magic - 1) != 0)
        return ph_fail(err, PROPHET_ECORRUPT, "it does not begin as a segment does");
    if (start[sizeof magic - 1] != FORMAT)
        return ph_fail(err, PROPHET_EVERSION, "a segment of format %u: this version reads %d",
                       start[sizeof magic - 1], FORMAT);
    *len = ph_u32be(start + 12);
    return *len <= SEGMENT_HEAD_MAX
               ? PROPHET_OK
               : ph_fail(err, PROPHET_ECORRUPT, "the head of a segment is too long");
}

static bool open_head(prophet_slice bytes, ph_item m[5])
{
    ph_reader r = ph_reader_of(bytes);
    ph_item key;
    memset(m, 0, 5 * sizeof *m);
    if (bytes.len == 0 || (*r.p != 0xa3 && *r.p != 0xa4))
        return false;
    for (size_t n = *r.p++ & 0x1f; n > 0; n--)
        if (!ph_read_item(&r, &key) || key.kind != PH_INT || key.i < 1 || key.i > 4 ||
            m[key.i].kind != PH_ABSENT || !ph_read_item(&r, &m[key.i]))
            return false;
    return r.p == r.end && m[1].kind == PH_BYTES && m[1].s.len == sizeof(ph_uuid) &&
           m[2].kind == PH_INT && m[2].i >= 0 && m[3].kind == PH_BYTES &&
           (m[4].kind == PH_ABSENT || (m[4].kind == PH_BYTES && m[4].s.len > 0)) &&
           m[4].s.len % ID_SIZE == 0;
}

static bool ids_sorted(const ph_id *ids, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (ph_id_cmp(&ids[i - 1], &ids[i]) >= 0)
            return false;
    return true;
}

/* The last word on form: written again it must be the same. */
static bool same_again(const sync_segment_head *h, prophet_slice bytes)
{
    ph_buf again = PH_BUF_INIT;
    put_head(h, &again);
    bool same = !again.failed && ph_slice_eq(ph_buf_slice(&again), bytes);
    ph_buf_clear(&again);
    return same;
}

prophet_code sync_segment_head_decode(prophet_slice bytes, ph_arena *a, sync_segment_head *out,
                                      prophet_error *err)
{
    ph_item m[5];
    bool ok = true;
    prophet_code rc = PROPHET_DONE;
    *out = (sync_segment_head){ .changesets = 0 };
    if (open_head(bytes, m)) {
        memcpy(out->database.b, m[1].s.data, sizeof out->database.b);
        out->changesets = (uint64_t)m[2].i;
        out->needs = ph_arena_copy(a, m[4].s, &ok).data;
        out->need_count = m[4].s.len / ID_SIZE;
        rc = ok ? sync_runs_take(m[3].s, a, &out->runs, &out->run_count, err) : ph_nomem(err);
    }
    if (rc == PROPHET_OK && !(ids_sorted(out->needs, out->need_count) && same_again(out, bytes)))
        rc = PROPHET_DONE;
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_ECORRUPT, "the head of a segment is not well-formed")
               : rc;
}
