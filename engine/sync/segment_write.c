/* Writes a segment: what is in it is read from the index first, so that the head comes first; then the frames flow from the log through
 * one block in memory. Called by bundle.c and depot_publish.c. */
#include "sync/segment_impl.h"
#include <stdlib.h>
#include <zstd.h>

prophet_code sync_to_file(void *ctx, prophet_slice bytes, prophet_error *err)
{
    sync_out_file *f = ctx;
    prophet_code rc = ph_file_write(f->fd, bytes.data, bytes.len, f->at, err);
    f->at += bytes.len;
    return rc;
}

enum { LEVEL = 9, CHUNK = 1024 };

/* ---- the head: which runs --------------------------------------------------------------------------------------- */

typedef struct open_run {
    sync_run run;
    size_t next; /* of the same replica, + 1 */
} open_run;

typedef struct finder {
    ph_view *v;
    PH_LIST(open_run) runs;
    size_t *first; /* by ridx: place in runs + 1 */
    ph_arena scratch;
    uint64_t changesets;
} finder;

/* Where replicas forked, prev tells to which branch a changeset belongs. */
static prophet_code continues(finder *f, const open_run *o, const ph_changeset_row *row,
                              bool forked, uint64_t version, bool *yes, prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row again;
    *yes = o->run.to + 1 == row->seq;
    if (!*yes || !forked)
        return PROPHET_OK;
    ph_arena_reset(&f->scratch);
    prophet_code rc = ph_view_changeset(f->v, version, &f->scratch, &cs, &again, err);
    if (rc == PROPHET_OK)
        *yes = ph_id_eq(&cs.header.prev, &o->run.id);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code new_run(finder *f, const ph_changeset_row *row, prophet_error *err)
{
    ph_replica_row rep;
    ph_arena_reset(&f->scratch);
    prophet_code rc = ph_replicas_get(f->v->txn, row->ridx, &f->scratch, &rep, err);
    open_run o = { { rep.key, row->seq, row->seq, row->id }, f->first[row->ridx] };
    if (rc < 0)
        return rc;
    if (!PH_PUSH(f->runs, o))
        return ph_nomem(err);
    f->first[row->ridx] = f->runs.count;
    return PROPHET_OK;
}

static prophet_code is_forked(finder *f, uint32_t ridx, bool *yes, prophet_error *err)
{
    ph_replica_row rep;
    ph_arena_reset(&f->scratch);
    prophet_code rc = ph_replicas_get(f->v->txn, ridx, &f->scratch, &rep, err);
    *yes = rep.tip_count > 1;
    return rc;
}

static prophet_code find_run(finder *f, uint64_t version, prophet_error *err)
{
    ph_changeset_row row;
    prophet_code rc = ph_changesets_get(f->v->txn, version, &row, err);
    bool yes = false, forked = false;
    if (rc < 0)
        return rc;
    f->changesets++;
    size_t at = f->first[row.ridx];
    if (at && (rc = is_forked(f, row.ridx, &forked, err)) < 0)
        return rc;
    for (; at && rc >= 0; at = f->runs.at[at - 1].next) {
        open_run *o = &f->runs.at[at - 1];
        if ((rc = continues(f, o, &row, forked, version, &yes, err)) >= 0 && yes) {
            o->run.to = row.seq;
            o->run.id = row.id;
            return PROPHET_OK;
        }
    }
    return rc < 0 ? rc : new_run(f, &row, err);
}

static int by_replica(const void *a, const void *b)
{
    const sync_run *x = a, *y = b;
    int c = ph_id_cmp(&x->replica, &y->replica);
    return c ? c : ph_id_cmp(&x->id, &y->id);
}

static prophet_code copy_runs(finder *f, ph_arena *a, sync_segment_head *out, prophet_error *err)
{
    sync_run *runs = ph_arena_alloc(a, (f->runs.count + 1) * sizeof *runs);
    if (!runs)
        return ph_nomem(err);
    for (size_t i = 0; i < f->runs.count; i++)
        runs[i] = f->runs.at[i].run;
    if (f->runs.count)
        qsort(runs, f->runs.count, sizeof *runs, by_replica);
    out->runs = runs;
    out->run_count = f->runs.count;
    out->changesets = f->changesets;
    return PROPHET_OK;
}

static prophet_code make_head(ph_view *v, const sync_pick *pick, ph_arena *a,
                              sync_segment_head *out, prophet_error *err)
{
    finder f = { .v = v, .first = ph_zalloc(((size_t)v->state.replicas + 1) * sizeof *f.first) };
    prophet_code rc = f.first ? PROPHET_OK : ph_nomem(err);
    *out = (sync_segment_head){ .database = *ph_replica_database(v->replica),
                                .needs = pick->needs,
                                .need_count = pick->need_count };
    for (size_t i = 0; i < pick->span_count && rc >= 0; i++)
        for (uint64_t n = pick->spans[i].first; n <= pick->spans[i].last && rc >= 0; n++)
            rc = find_run(&f, n, err);
    if (rc >= 0)
        rc = copy_runs(&f, a, out, err);
    ph_free(f.runs.at);
    ph_free(f.first);
    ph_arena_clear(&f.scratch);
    return rc;
}

/* ---- blocks --------------------------------------------------------------------------------------------------------- */

typedef struct writer {
    sync_write_fn write;
    void *ctx;
    ph_hasher *hasher;
    ZSTD_CCtx *zstd;
    ZSTD_CDict *dictionary;
    ph_buf block, packed;
    uint64_t changesets, size;
} writer;

static prophet_code put(writer *w, prophet_slice bytes, prophet_error *err)
{
    prophet_code rc = ph_hash_more(w->hasher, bytes, err);
    w->size += bytes.len;
    return rc < 0 ? rc : w->write(w->ctx, bytes, err);
}

/* What shrinks to less than a reader takes is stored as it is. */
static prophet_code close_block(writer *w, prophet_error *err)
{
    uint8_t lengths[8];
    prophet_slice stored = ph_buf_slice(&w->block);
    prophet_code rc;
    if (w->block.len == 0)
        return PROPHET_OK;
    ph_buf_reset(&w->packed);
    if (!ph_buf_reserve(&w->packed, ZSTD_compressBound(w->block.len)))
        return ph_nomem(err);
    size_t n = ZSTD_compress_usingCDict(w->zstd, w->packed.data, w->packed.cap, w->block.data,
                                        w->block.len, w->dictionary);
    if (ZSTD_isError(n))
        return ph_fail(err, PROPHET_EMEMORY, "zstd: %s", ZSTD_getErrorName(n));
    if (n < w->block.len && w->block.len <= (64u << 10) + SEGMENT_RATIO * n)
        stored = ph_slice(w->packed.data, n);
    ph_u32be_put(lengths, (uint32_t)w->block.len);
    ph_u32be_put(lengths + 4, (uint32_t)stored.len);
    if ((rc = put(w, ph_slice(lengths, sizeof lengths), err)) >= 0)
        rc = put(w, stored, err);
    ph_buf_reset(&w->block);
    return rc;
}

static prophet_code put_frame(void *ctx, ph_frame_type type, prophet_slice frame,
                              const ph_id *signed_id, prophet_error *err)
{
    writer *w = ctx;
    (void)signed_id;
    w->changesets += type == PH_FRAME_CHANGESET;
    ph_buf_byte(&w->block, (uint8_t)type);
    ph_buf_varint(&w->block, frame.len);
    ph_buf_put(&w->block, frame.data, frame.len);
    if (w->block.failed)
        return ph_nomem(err);
    return w->block.len >= SEGMENT_BLOCK ? close_block(w, err) : PROPHET_OK;
}

/* ---- frames --------------------------------------------------------------------------------------------------------- */

static prophet_code put_spans(writer *w, ph_view *v, const sync_pick *pick, prophet_error *err)
{
    const ph_sync_spans all = { .at = (ph_sync_span *)(uintptr_t)pick->spans,
                                .count = pick->span_count };
    ph_frame_context stream = { .has_last = false };
    ph_sync_cursor at = { 0 };
    uint64_t versions[CHUNK];
    prophet_code rc = PROPHET_OK;
    for (size_t n; rc >= 0 && (n = ph_sync_spans_take(&all, &at, versions, CHUNK)) > 0;)
        rc = ph_view_stream_on(v, &stream, versions, n, put_frame, w, err);
    return rc;
}

static prophet_code put_frames(writer *w, ph_view *v, const sync_pick *pick, prophet_error *err)
{
    bool all = pick->span_count == 1 && pick->spans[0].first == 1 &&
               pick->spans[0].last == v->state.version;
    return all ? ph_view_stream(v, NULL, 0, true, put_frame, w, err) : put_spans(w, v, pick, err);
}

static prophet_code write_all(writer *w, ph_view *v, const sync_pick *pick, sync_made *out,
                              prophet_error *err)
{
    static const uint8_t end[8];
    ph_buf head = PH_BUF_INIT;
    prophet_code rc = sync_segment_head_encode(&out->head, &head, err);
    if (rc >= 0 && (rc = ph_hash_begin(w->hasher, err)) >= 0 &&
        (rc = put(w, ph_buf_slice(&head), err)) >= 0 && (rc = put_frames(w, v, pick, err)) >= 0 &&
        (rc = close_block(w, err)) >= 0 && (rc = put(w, ph_slice(end, sizeof end), err)) >= 0 &&
        (rc = ph_hash_end(w->hasher, out->name, err)) >= 0)
        rc = w->write(w->ctx, ph_slice(out->name, sizeof out->name), err);
    ph_buf_clear(&head);
    if (rc >= 0 && w->changesets != out->head.changesets)
        rc = ph_fail(err, PROPHET_ECORRUPT,
                     "the log of %s gave %llu changesets where its index counts %llu",
                     ph_replica_path(v->replica), (unsigned long long)w->changesets,
                     (unsigned long long)out->head.changesets);
    out->size = w->size + sizeof out->name;
    return rc;
}

prophet_code sync_segment_write(ph_view *v, const sync_pick *pick, ph_arena *a, sync_write_fn write,
                                void *ctx, sync_made *out, prophet_error *err)
{
    writer w = { .write = write, .ctx = ctx };
    prophet_code rc;
    ph_replica_frugal(v->replica, true);
    if ((rc = make_head(v, pick, a, &out->head, err)) < 0 ||
        (rc = ph_hasher_new(&w.hasher, err)) < 0)
        goto done;
    w.zstd = ZSTD_createCCtx();
    w.dictionary = ZSTD_createCDict(sync_dictionary, sync_dictionary_size, LEVEL);
    rc = w.zstd && w.dictionary ? write_all(&w, v, pick, out, err) : ph_nomem(err);
done:
    ph_replica_frugal(v->replica, false);
    (void)ZSTD_freeCCtx(w.zstd); /* frees of nothing are fine, and never fail */
    (void)ZSTD_freeCDict(w.dictionary);
    ph_hasher_free(w.hasher);
    ph_buf_clear(&w.block);
    ph_buf_clear(&w.packed);
    return rc < 0 ? rc : PROPHET_OK;
}
