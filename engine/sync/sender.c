/* What another replica wants, as bytes in pieces. The sender reads one piece at a time in a view of its own (versions never change), or the
 * whole log by a cursor that needs none; so a slow receiver holds nothing up. Called by live.c (push) and serve (pull).
 *
 *   transfer   the database's id (16 bytes), records, then the end
 *   record     type (1 changeset, 2 signature), length (LEB128), frame
 *   end        0, then the number of records before it (LEB128) */
#include "sync/sync_impl.h"

enum { PIECE_BYTES = 256 << 10, PIECE_COUNT = 512 };

struct ph_sync_sender {
    ph_replica *r;
    ph_sync_spans spans;
    ph_sync_cursor at;
    ph_stream *stream; /* the whole log instead */
    uint64_t total;
    uint64_t records; /* sent */
    uint64_t bytes;
    bool begun, ended;
    bool frugal; /* much is sent: pages are given back */
};

static prophet_code select_all(ph_sync_sender *s, ph_view *v, prophet_error *err)
{
    s->total = v->state.version;
    if (v->state.holes == 0)
        return ph_stream_begin(v, &s->stream, err);
    return ph_sync_spans_add(&s->spans, 1, s->total,
                             err); /* damaged: the log cannot be read as it lies */
}

prophet_code ph_sync_sender_open(ph_replica *r, const ph_sync_want *want, ph_sync_sender **out,
                                 prophet_error *err)
{
    ph_view *v;
    prophet_code rc;
    ph_sync_sender *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    s->r = r;
    if ((rc = ph_view_begin(r, &v, err)) >= 0) {
        rc = want ? ph_sync_select(v, want, &s->spans, &s->total, err) : select_all(s, v, err);
        ph_view_end(v);
    }
    if (rc < 0)
        ph_sync_sender_close(s);
    else
        *out = s;
    return rc;
}

uint64_t ph_sync_sender_count(const ph_sync_sender *s)
{
    return s->total;
}

/* ---- pieces ----------------------------------------------------------------------------------------------------------- */

typedef struct piece {
    ph_sync_sender *s;
    ph_buf *out;
} piece;

static prophet_code put_record(void *ctx, ph_frame_type type, prophet_slice frame,
                               const ph_id *signed_id, prophet_error *err)
{
    piece *p = ctx;
    (void)signed_id;
    ph_buf_byte(p->out, (uint8_t)type);
    ph_buf_varint(p->out, frame.len);
    ph_buf_put(p->out, frame.data, frame.len);
    p->s->records++;
    return p->out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* From the log, until the piece is large enough. */
static prophet_code next_of_log(piece *p, size_t full, prophet_error *err)
{
    ph_frame f;
    prophet_code rc = PROPHET_OK;
    while (p->out->len < full && (rc = ph_stream_next(p->s->stream, &f, err)) == PROPHET_OK)
        rc = put_record(p, f.type, f.bytes, NULL, err);
    return rc;
}

/* Some of the versions, in a view that ends with the piece. How many are taken at once follows their size. */
static prophet_code next_of_versions(piece *p, size_t full, prophet_error *err)
{
    enum { STEP = 32 };
    ph_sync_sender *s = p->s;
    uint64_t versions[STEP];
    size_t n = STEP;
    ph_view *v;
    prophet_code rc = ph_view_begin(s->r, &v, err);
    if (rc < 0)
        return rc;
    for (size_t sum = 0; n == STEP && rc >= 0 && p->out->len < full && sum < PIECE_COUNT; sum += n)
        if ((n = ph_sync_spans_take(&s->spans, &s->at, versions, STEP)) > 0)
            rc = ph_view_stream(v, versions, n, false, put_record, p, err);
    ph_view_end(v);
    return rc < 0 ? rc : n == STEP ? PROPHET_OK : PROPHET_DONE;
}

static prophet_code put_end(ph_sync_sender *s, ph_buf *out, prophet_error *err)
{
    s->ended = true;
    ph_buf_byte(out, 0);
    ph_buf_varint(out, s->records);
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

prophet_code ph_sync_sender_next(ph_sync_sender *s, ph_buf *out, prophet_error *err)
{
    piece p = { s, out };
    size_t before = out->len, full = before + PIECE_BYTES;
    if (s->ended)
        return PROPHET_DONE;
    if (!s->begun)
        ph_buf_put(out, ph_replica_database(s->r)->b, sizeof(ph_uuid));
    s->begun = true;
    if (!s->frugal && s->total > PH_FRUGAL_FROM)
        ph_replica_frugal(s->r, s->frugal = true);
    prophet_code rc = s->stream ? next_of_log(&p, full, err) : next_of_versions(&p, full, err);
    if (rc == PROPHET_DONE)
        rc = put_end(s, out, err);
    s->bytes += out->len - before;
    return rc;
}

uint64_t ph_sync_sender_bytes(const ph_sync_sender *s)
{
    return s->bytes;
}

void ph_sync_sender_close(ph_sync_sender *s)
{
    if (!s)
        return;
    if (s->frugal)
        ph_replica_frugal(s->r, false);
    ph_stream_end(s->stream);
    ph_free(s->spans.at);
    ph_free(s);
}
