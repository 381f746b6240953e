/* source: where candidates come from when no index is used: all records of a type by id, or by rising local number; and
 * the one place where a record's row is fetched. Called by run.c, plan files and walk.c. The sources that read indexes stand beside
 * this one in source_index.c and source_hits.c. */
#include "query/plan_impl.h"

prophet_code ph_query_damaged(prophet_slice key, prophet_error *err)
{
    char text[37] = "a record";
    ph_uuid u;

    if (key.len == 20) {
        memcpy(u.b, (const uint8_t *)key.data + 4, sizeof u.b);
        ph_uuid_format(&u, text);
    }
    ph_fail(err, PROPHET_ECORRUPT, "index row of %s is damaged", text);
    ph_hint(err, "run prophet rebuild");
    return PROPHET_ECORRUPT;
}

prophet_code ph_query_row(query_run *r, uint32_t type, const ph_uuid *uuid, ph_row *out,
                          prophet_error *err)
{
    uint8_t key[20];
    prophet_slice bytes;

    r->stats.fetched++;
    ph_u32be_put(key, type);
    memcpy(key + 4, uuid->b, 16);
    prophet_code rc = ph_txn_get(r->t, PH_T_RECORDS, ph_slice(key, sizeof key), &bytes, err);
    if (rc != PROPHET_OK)
        return rc;
    return ph_row_open(ph_slice(key, sizeof key), bytes, out)
               ? PROPHET_OK
               : ph_query_damaged(ph_slice(key, sizeof key), err);
}

/* ---- what a plan says ------------------------------------------------------------------------------------ */

prophet_code ph_source_next(access_source *s, ph_query_hit *out, prophet_error *err)
{
    uint64_t keys = 0;
    prophet_code rc = s->source.next(s->source.ctx, out, &keys, err);

    if (rc != PROPHET_OK || keys == 0)
        return rc;
    s->r->stats.keys += keys - 1;
    return ph_query_read(s->r, err);
}

void ph_source_close(access_source *s)
{
    if (s->close)
        s->close(s->state);
    *s = (access_source){ .close = NULL };
}

static void close_scan(void *state)
{
    ph_query_scan_close(state);
    ph_free(state);
}

static prophet_code open_scan(query_run *r, const access *a, access_source *out, prophet_error *err)
{
    scan_source *s = ph_zalloc(sizeof *s);

    if (!s)
        return ph_nomem(err);
    prophet_code rc = ph_query_scan_open(s, r->t, a->type, err);
    *out = (access_source){ { s, false, ph_query_scan_next }, r, s, close_scan };
    if (rc < 0)
        ph_source_close(out);
    return rc < 0 ? rc : PROPHET_OK;
}

static void close_numbers(void *state)
{
    ph_query_numbers_close(state);
    ph_free(state);
}

static prophet_code open_numbers(query_run *r, const access *a, access_source *out,
                                 prophet_error *err)
{
    const ph_query *q = r->q;
    number_source *s = ph_zalloc(sizeof *s);
    uint64_t patience = q->where ? 4 * q->limit + PLAN_PATIENCE : UINT64_MAX;

    if (!s)
        return ph_nomem(err);
    prophet_code rc =
        ph_query_numbers_open(s, r->t, a->type, q->has_after ? q->after_number : 0, patience, err);
    *out = (access_source){ { s, true, ph_query_numbers_next }, r, s, close_numbers };
    if (rc < 0)
        ph_source_close(out);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_source_open(query_run *r, const access *a, plan_order order, access_source *out,
                            prophet_error *err)
{
    switch (a->kind) {
    case ACCESS_SCAN: return open_scan(r, a, out, err);
    case ACCESS_NUMBERS: return open_numbers(r, a, out, err);
    case ACCESS_INDEX:
        if (a->unique && (order != ORDER_NUMBER || a->by_number))
            return ph_source_index(r, a, order, out, err);
        break;
    case ACCESS_MATCH: return ph_source_match(r, a, order, out, err);
    default: break;
    }
    return ph_source_hits(r, a, out, err);
}

/* ---- all records of a type ---------------------------------------------------------------------------- */

prophet_code ph_query_scan_open(scan_source *s, ph_txn *t, uint32_t type, prophet_error *err)
{
    *s = (scan_source){ .type = type };
    return type ? ph_cursor_open(t, PH_T_RECORDS, &s->cursor, err) : PROPHET_OK;
}

prophet_code ph_query_scan_row(scan_source *s, prophet_slice *key, prophet_slice *row,
                               prophet_error *err)
{
    uint8_t from[4];
    prophet_code rc;

    if (s->type == 0)
        return PROPHET_DONE; /* no record of this type yet */
    ph_u32be_put(from, s->type);
    rc = s->begun ? ph_cursor_next(s->cursor, key, row, err)
                  : ph_cursor_seek(s->cursor, ph_slice(from, sizeof from), key, row, err);
    s->begun = true;
    if (rc == PROPHET_OK && (key->len != 20 || memcmp(key->data, from, sizeof from) != 0))
        return PROPHET_DONE;
    return rc;
}

prophet_code ph_query_scan_next(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    prophet_slice key;

    out->number = 0;
    out->test = true;
    prophet_code rc = ph_query_scan_row(ctx, &key, &out->row, err);
    if (rc == PROPHET_OK) {
        memcpy(out->uuid.b, (const uint8_t *)key.data + 4, 16);
        ++*keys;
    }
    return rc;
}

void ph_query_scan_close(scan_source *s)
{
    ph_cursor_close(s->cursor);
    s->cursor = NULL;
}

/* ---- by number ------------------------------------------------------------------------------------------- */

prophet_code ph_query_numbers_open(number_source *s, ph_txn *t, uint32_t type, uint64_t after,
                                   uint64_t patience, prophet_error *err)
{
    *s = (number_source){ .type = type, .after = after, .patience = patience, .misses = 256 };
    return type ? ph_cursor_open(t, PH_T_HISTORY, &s->cursor, err) : PROPHET_OK;
}

prophet_code ph_query_numbers_next(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    number_source *s = ctx;
    prophet_slice number, entry;
    prophet_code rc = PROPHET_DONE;

    while (s->type) {
        uint8_t from[8] = { 0 };
        ph_named n;
        if (s->patience == 0 || s->misses == 0) {
            s->gave_up = true;
            return PROPHET_DONE;
        }
        if (s->after)
            ph_number_key(from, s->after + 1); /* past the history of the record before */
        if ((rc = ph_cursor_seek(s->cursor, ph_slice(from, sizeof from), &number, &entry, err)) !=
            PROPHET_OK)
            return rc;
        ++*keys;
        if ((rc = ph_numbers_decode(number, entry, &n, err)) < 0)
            return rc;
        s->after = n.number;
        if (n.type != s->type) {
            s->misses--;
            continue;
        }
        s->misses += s->misses < UINT64_MAX;
        s->patience--;
        *out = (ph_query_hit){ .number = n.number, .uuid = n.uuid, .test = true };
        return PROPHET_OK;
    }
    return PROPHET_DONE;
}

void ph_query_numbers_close(number_source *s)
{
    ph_cursor_close(s->cursor);
    s->cursor = NULL;
}
