/* source: where candidates come from when no index is used: all records of a type by id, or by rising local number.
 *
 * Called by run.c; walk.c reads the records that refer somewhere. A planner's sources stand beside these. */
#include "query/query_impl.h"

/* ---- all records of a type ---------------------------------------------------------------------------- */

prophet_code ph_query_scan_open(scan_source *s, ph_txn *t, uint32_t type, prophet_error *err)
{
    *s = (scan_source){ .type = type };
    return type ? ph_cursor_open(t, PH_T_RECORDS, &s->cursor, err) : PROPHET_OK;
}

prophet_code ph_query_scan_next(void *ctx, prophet_slice *key, prophet_slice *row, uint64_t *keys,
                                prophet_error *err)
{
    scan_source *s = ctx;
    uint8_t from[4];
    prophet_code rc;

    if (s->type == 0)
        return PROPHET_DONE; /* no record of this type yet */
    ph_u32be_put(from, s->type);
    rc = s->begun ? ph_cursor_next(s->cursor, key, row, err)
                  : ph_cursor_seek(s->cursor, ph_slice(from, sizeof from), key, row, err);
    s->begun = true;
    if (rc == PROPHET_OK && (key->len < 4 || memcmp(key->data, from, sizeof from) != 0))
        return PROPHET_DONE;
    *keys += rc == PROPHET_OK;
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
    *s = (number_source){ .txn = t, .type = type, .after = after, .patience = patience };
    return type ? ph_cursor_open(t, PH_T_HISTORY, &s->cursor, err) : PROPHET_OK;
}

prophet_code ph_query_numbers_next(void *ctx, prophet_slice *key, prophet_slice *row,
                                   uint64_t *keys, prophet_error *err)
{
    number_source *s = ctx;
    prophet_slice number, entry;
    prophet_code rc = PROPHET_DONE;

    while (s->type) {
        uint8_t from[8] = { 0 };
        ph_named n;
        if (s->after)
            ph_number_key(from, s->after + 1); /* past the history of the record before */
        if ((rc = ph_cursor_seek(s->cursor, ph_slice(from, sizeof from), &number, &entry, err)) !=
            PROPHET_OK)
            return rc;
        s->gave_up = s->patience-- == 0;
        if (s->gave_up)
            return PROPHET_DONE;
        ++*keys;
        if ((rc = ph_numbers_decode(number, entry, &n, err)) < 0)
            return rc;
        s->after = n.number;
        if (n.type != s->type)
            continue;
        ph_u32be_put(s->key, n.type);
        memcpy(s->key + 4, n.uuid.b, sizeof n.uuid.b);
        *key = ph_slice(s->key, sizeof s->key);
        rc = ph_txn_get(s->txn, PH_T_RECORDS, *key, row, err);
        if (rc != PROPHET_DONE)
            return rc;
    }
    return PROPHET_DONE;
}

void ph_query_numbers_close(number_source *s)
{
    ph_cursor_close(s->cursor);
    s->cursor = NULL;
}
