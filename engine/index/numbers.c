/* numbers: a replica's own short numbers for records. Rows of the history table, drawn in index/history.c. */
#include "index/index_impl.h"

/* The beginning of a row, as ph_number_row reads the whole of it. */
static bool decode_number(prophet_slice row, uint32_t *type, ph_uuid *uuid)
{
    row_in in = row_of(row);
    return in_u32(&in, type) && in_raw(&in, uuid->b, sizeof uuid->b);
}

prophet_code ph_numbers_decode(prophet_slice key, prophet_slice row, ph_named *out,
                               prophet_error *err)
{
    if (key.len != 8 || !decode_number(row, &out->type, &out->uuid))
        return ph_index_damaged("history", key.len == 8 ? ph_number_of_key(key.data) : 0, err);
    out->number = ph_number_of_key(key.data);
    return PROPHET_OK;
}

prophet_code ph_numbers_get(ph_txn *t, uint64_t number, uint32_t *type, ph_uuid *uuid,
                            prophet_error *err)
{
    uint8_t key[8];
    prophet_slice row;

    ph_number_key(key, number);
    prophet_code rc = ph_txn_get(t, PH_T_HISTORY, ph_slice(key, sizeof key), &row, err);
    if (rc != PROPHET_OK)
        return rc;
    return decode_number(row, type, uuid) ? PROPHET_OK : ph_index_damaged("history", number, err);
}

/* ---- tails of ids --------------------------------------------------------------------------------------- */

typedef struct hex_tail {
    uint8_t digits[32];
    size_t count;
} hex_tail;

static bool read_tail(const char *tail, size_t len, hex_tail *out)
{
    out->count = 0;
    for (size_t i = 0; i < len; i++) {
        char c = tail[i];
        if (c == '-')
            continue;
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit == 16 || out->count == sizeof out->digits)
            return false;
        out->digits[out->count++] = (uint8_t)digit;
    }
    return out->count > 0;
}

static bool ends_in(const ph_uuid *u, const hex_tail *tail)
{
    for (size_t i = 0; i < tail->count; i++) { /* from the last digit backwards */
        uint8_t byte = u->b[15 - i / 2];
        if ((i % 2 ? byte >> 4 : byte & 15) != tail->digits[tail->count - 1 - i])
            return false;
    }
    return true;
}

prophet_code ph_numbers_tail(ph_txn *t, uint32_t type, const char *tail, size_t len, ph_named *out,
                             size_t max, size_t *count, prophet_error *err)
{
    hex_tail want;
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc;

    *count = 0;
    if (!read_tail(tail, len, &want))
        return PROPHET_OK;
    if ((rc = ph_cursor_open(t, PH_T_HISTORY, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_first(cur, &key, &row, err);
    for (; rc == PROPHET_OK && *count < max; rc = ph_cursor_next(cur, &key, &row, err)) {
        ph_named n;
        if (key.len != 8)
            continue;
        if ((rc = ph_numbers_decode(key, row, &n, err)) < 0)
            break;
        if ((type == 0 || n.type == type) && ends_in(&n.uuid, &want))
            out[(*count)++] = n;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}
