/* frame: a changeset as it lies in the log and in segments. Called for every changeset written,
 * read or pulled.
 *
 * frame = header map (header.c) without what the reader can compute, then the body's bytes to the
 * end of the frame:
 *   key 2 (database)         is never there
 *   3 4 5 (replica seq prev) are left out together when the changeset continues the run: its prev
 *                            is the changeset frame before. A writer may always write them
 *   key 8 (body hash)        is there exactly when the body is not */
#include "model/header_impl.h"

enum {
    RUN_KEYS = PH_HEADER_BIT(PH_HEADER_REPLICA) | PH_HEADER_BIT(PH_HEADER_SEQ) |
               PH_HEADER_BIT(PH_HEADER_PREV)
};

static bool continues(const ph_header *h, const ph_frame_context *ctx)
{
    return ctx->has_last && h->has_prev && h->seq == ctx->seq + 1 && ph_id_eq(&h->prev, &ctx->id) &&
           ph_id_eq(&h->replica, &ctx->replica);
}

static void advance(ph_frame_context *ctx, const ph_changeset *cs)
{
    ctx->has_last = true;
    ctx->replica = cs->header.replica;
    ctx->id = cs->id;
    ctx->seq = cs->header.seq;
}

void ph_frame_head(const ph_changeset *cs, ph_frame_context *ctx, ph_buf *out)
{
    unsigned omitted = PH_HEADER_BIT(PH_HEADER_DATABASE);

    if (continues(&cs->header, ctx))
        omitted |= RUN_KEYS;
    if (cs->body_bytes.len > 0)
        omitted |= PH_HEADER_BIT(PH_HEADER_BODY);
    ph_write_header(&cs->header, omitted, out);
    advance(ctx, cs);
}

void ph_frame_encode(const ph_changeset *cs, ph_frame_context *ctx, ph_buf *out)
{
    ph_frame_head(cs, ctx, out);
    ph_buf_put(out, cs->body_bytes.data, cs->body_bytes.len);
}

/* Fills in replica, seq and prev from the frame before. */
static bool continue_run(ph_cursor *c, const ph_frame_context *ctx, ph_header *h)
{
    if (!ctx || !ctx->has_last)
        return ph_cursor_refuse(c, c->start, "continues a run, but no changeset is before it");
    h->replica = ctx->replica;
    h->seq = ctx->seq + 1;
    h->has_prev = true;
    h->prev = ctx->id;
    return true;
}

static bool read_frame(ph_cursor *c, const ph_uuid *database, const ph_frame_context *ctx,
                       ph_arena *arena, ph_changeset *out)
{
    unsigned seen = 0, wanted = PH_HEADER_BIT(PH_HEADER_REPLICA) | PH_HEADER_BIT(PH_HEADER_SEQ);
    ph_header *h = &out->header;
    const char *flaw;

    if (ph_cursor_left(c) > PH_CHANGESET_MAX)
        return ph_cursor_refuse(c, c->start + PH_CHANGESET_MAX, "longer than 8 MiB");
    if (!ph_read_header(c, arena, h, &seen))
        return false;
    if (seen & PH_HEADER_BIT(PH_HEADER_DATABASE))
        return ph_cursor_refuse(c, c->start, "database is given, which is never written");
    h->database = *database;
    if (seen & RUN_KEYS ? !ph_header_wants(c, seen, wanted) : !continue_run(c, ctx, h))
        return false;
    out->body_bytes = ph_slice(c->p, ph_cursor_left(c));
    if (out->body_bytes.len == 0 && !ph_header_wants(c, seen, PH_HEADER_BIT(PH_HEADER_BODY)))
        return false;
    if (out->body_bytes.len > 0 && seen & PH_HEADER_BIT(PH_HEADER_BODY))
        return ph_cursor_refuse(c, c->start, "body hash is given, which the body tells");
    flaw = ph_header_flaw(h);
    return flaw ? ph_cursor_refuse(c, c->start, flaw) : true;
}

prophet_code ph_frame_decode(prophet_slice frame, const ph_uuid *database, bool decode_body,
                             ph_hasher *h, ph_buf *scratch, ph_frame_context *ctx, ph_arena *arena,
                             ph_changeset *out, prophet_error *err)
{
    ph_cursor c = ph_cursor_of(frame, "changeset frame", 0, err);
    ph_changeset cs;
    prophet_code rc;

    memset(&cs, 0, sizeof cs);
    if (!read_frame(&c, database, ctx, arena, &cs))
        return c.rc;
    if (cs.body_bytes.len > 0 &&
        (rc = ph_hash_sha256(h, &cs.body_bytes, 1, cs.header.body.b, err)) < 0)
        return rc;
    if ((rc = ph_header_id(h, &cs.header, scratch, &cs.id, err)) < 0)
        return rc;
    if (scratch->len + cs.body_bytes.len > PH_CHANGESET_MAX)
        return ph_fail(err, PROPHET_ECORRUPT,
                       "changeset frame: header and body are longer than 8 MiB");
    cs.has_body = cs.body_bytes.len > 0 && cs.header.format <= PH_FORMAT;
    if (cs.has_body && decode_body &&
        (rc = ph_body_decode(cs.body_bytes, ph_changeset_names(&cs.header), arena, &cs.body, err)) <
            0)
        return rc;
    *out = cs;
    if (ctx)
        advance(ctx, out);
    return PROPHET_OK;
}

bool ph_frame_body(prophet_slice frame, prophet_slice *body)
{
    ph_cursor c = ph_cursor_of(frame, "changeset frame", 0, NULL);

    if (frame.len == 0 || *c.p >> 5 != PH_CBOR_MAP || !ph_cursor_skip(&c, 0))
        return false;
    *body = ph_slice(c.p, ph_cursor_left(&c));
    return true;
}
