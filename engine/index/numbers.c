/* numbers: a replica's own short numbers for records, and which versions touched a record.
 *
 *   history number u64              -> varint type | uuid 16 bytes
 *   history number u64, version u64 -> varint offset of the change in the body + 1; 0: only votes */
#include "index/index_impl.h"

static bool decode_number(prophet_slice row, uint32_t *type, ph_uuid *uuid)
{
    row_in in = row_of(row);
    return in_u32(&in, type) && in_raw(&in, uuid->b, sizeof uuid->b) && in.p == in.end;
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

prophet_code ph_numbers_put(ph_txn *t, uint64_t number, uint32_t type, const ph_uuid *uuid,
                            prophet_error *err)
{
    uint8_t key[8];
    row_out o = { .len = 0 };

    ph_number_key(key, number);
    out_u64(&o, type);
    out_raw(&o, uuid->b, sizeof uuid->b);
    return ph_txn_put_sorted(t, PH_T_HISTORY, ph_slice(key, sizeof key), out_slice(&o), err);
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

/* ---- history -------------------------------------------------------------------------------------------- */

prophet_code ph_history_put(ph_txn *t, uint64_t number, uint64_t version, uint64_t offset_plus_1,
                            prophet_error *err)
{
    uint8_t key[16];
    row_out o = { .len = 0 };

    ph_number_key(key, number);
    ph_u64be_put(key + 8, version);
    out_u64(&o, offset_plus_1);
    return ph_txn_put_sorted(t, PH_T_HISTORY, ph_slice(key, sizeof key), out_slice(&o), err);
}

prophet_code ph_history_del(ph_txn *t, uint64_t number, uint64_t version, prophet_error *err)
{
    uint8_t key[16];

    ph_number_key(key, number);
    ph_u64be_put(key + 8, version);
    return ph_txn_del(t, PH_T_HISTORY, ph_slice(key, sizeof key), err);
}

prophet_code ph_numbers_del(ph_txn *t, uint64_t number, prophet_error *err)
{
    uint8_t key[8];

    ph_number_key(key, number);
    return ph_txn_del(t, PH_T_HISTORY, ph_slice(key, sizeof key), err);
}

static bool grow(ph_history_entry **list, size_t *cap, size_t count, ph_arena *a)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 16;
    ph_history_entry *l = ph_arena_alloc(a, more * sizeof *l);
    if (!l)
        return false;
    if (count)
        memcpy(l, *list, count * sizeof *l);
    *list = l;
    *cap = more;
    return true;
}

prophet_code ph_history_list(ph_txn *t, uint64_t number, ph_arena *a, ph_history_entry **out,
                             size_t *count, prophet_error *err)
{
    uint8_t prefix[16] = { 0 }; /* behind the row of the number itself */
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    ph_history_entry *list = NULL;
    size_t n = 0, cap = 0;
    prophet_code rc;

    ph_number_key(prefix, number);
    if ((rc = ph_cursor_open(t, PH_T_HISTORY, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(prefix, sizeof prefix), &key, &row, err);
    for (; rc == PROPHET_OK && key.len == 16 && memcmp(key.data, prefix, 8) == 0;
         rc = ph_cursor_next(cur, &key, &row, err)) {
        row_in in = row_of(row);
        if (!grow(&list, &cap, n, a)) {
            rc = ph_nomem(err);
            break;
        }
        list[n].version = ph_u64be((const uint8_t *)key.data + 8);
        if (!in_u64(&in, &list[n++].offset_plus_1)) {
            rc = ph_index_damaged("history", number, err);
            break;
        }
    }
    ph_cursor_close(cur);
    if (rc < 0)
        return rc;
    *out = list;
    *count = n;
    return PROPHET_OK;
}
