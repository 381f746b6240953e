/* history: which versions touched a record, and where in them its change is.
 *
 *   history number u64              -> varint type | uuid 16 bytes | varints: the version that brought it, offset as below;
 *                                      version 0: that is not told here
 *   history number u64, version u64 -> varint offset of the change in the body + 1; 0: only votes
 *   recent  number u64, version u64 -> the same
 *
 * Rows of old records lie all over the table: each that is written costs a page. So those of the last versions, up to PH_RECENT of
 * them, wait in `recent`, which is small, and are moved together. Which table a row is in follows from its version and the
 * greatest one alone: a rebuild puts it in the same. */
#include "index/index_impl.h"

bool ph_number_row(prophet_slice row, uint32_t *type, ph_uuid *uuid, ph_history_entry *first)
{
    row_in in = row_of(row);
    return in_u32(&in, type) && in_raw(&in, uuid->b, sizeof uuid->b) &&
           in_u64(&in, &first->version) && in_u64(&in, &first->offset_plus_1) && in.p == in.end;
}

static prophet_code put_number(ph_txn *t, const uint8_t key[8], uint32_t type, const ph_uuid *uuid,
                               const ph_history_entry *first, prophet_error *err)
{
    row_out o = { .len = 0 };

    out_u64(&o, type);
    out_raw(&o, uuid->b, sizeof uuid->b);
    out_u64(&o, first->version);
    out_u64(&o, first->offset_plus_1);
    return ph_txn_put_sorted(t, PH_T_HISTORY, ph_slice(key, 8), out_slice(&o), err);
}

prophet_code ph_numbers_put(ph_txn *t, uint64_t number, uint32_t type, const ph_uuid *uuid,
                            const ph_history_entry *first, prophet_error *err)
{
    uint8_t key[8];

    ph_number_key(key, number);
    return put_number(t, key, type, uuid, first, err);
}

prophet_code ph_numbers_del(ph_txn *t, uint64_t number, prophet_error *err)
{
    uint8_t key[8];

    ph_number_key(key, number);
    return ph_txn_del(t, PH_T_HISTORY, ph_slice(key, sizeof key), err);
}

/* ---- one row --------------------------------------------------------------------------------------------- */

static void row_key(uint8_t key[16], uint64_t number, uint64_t version)
{
    ph_number_key(key, number);
    ph_u64be_put(key + 8, version);
}

prophet_code ph_history_put(ph_txn *t, uint64_t number, uint64_t version, uint64_t offset_plus_1,
                            uint64_t last, prophet_error *err)
{
    uint8_t key[16];
    row_out o = { .len = 0 };

    row_key(key, number, version);
    out_u64(&o, offset_plus_1);
    return ph_txn_put_sorted(t, version > ph_recent_base(last) ? PH_T_RECENT : PH_T_HISTORY,
                             ph_slice(key, sizeof key), out_slice(&o), err);
}

/* What the number's row tells is changed from version `from`. PROPHET_DONE: it tells another. */
static prophet_code change_first(ph_txn *t, uint64_t number, uint64_t from,
                                 const ph_history_entry *to, prophet_error *err)
{
    uint8_t key[8];
    ph_history_entry first;
    uint32_t type;
    ph_uuid uuid;
    prophet_slice row;

    ph_number_key(key, number);
    prophet_code rc = ph_txn_get(t, PH_T_HISTORY, ph_slice(key, sizeof key), &row, err);
    if (rc != PROPHET_OK)
        return rc;
    if (!ph_number_row(row, &type, &uuid, &first))
        return ph_index_damaged("history", number, err);
    return first.version == from ? put_number(t, key, type, &uuid, to, err) : PROPHET_DONE;
}

prophet_code ph_numbers_tell(ph_txn *t, uint64_t number, const ph_history_entry *first,
                             prophet_error *err)
{
    return change_first(t, number, 0, first, err);
}

prophet_code ph_history_del(ph_txn *t, uint64_t number, uint64_t version, prophet_error *err)
{
    static const ph_history_entry none;
    uint8_t key[16];

    row_key(key, number, version);
    prophet_code rc = ph_txn_del(t, PH_T_RECENT, ph_slice(key, sizeof key), err);
    if (rc == PROPHET_DONE)
        rc = ph_txn_del(t, PH_T_HISTORY, ph_slice(key, sizeof key), err);
    return rc == PROPHET_DONE ? change_first(t, number, version, &none, err) : rc;
}

/* One row of `recent` to where it stays. A write may move what a cursor gave: it is copied. */
static prophet_code move_row(ph_txn *t, ph_cursor *cur, prophet_slice key, prophet_slice row,
                             prophet_error *err)
{
    uint8_t k[16];
    row_out o = { .len = 0 };

    if (row.len > sizeof o.b)
        return ph_index_damaged("recent", ph_number_of_key(key.data), err);
    memcpy(k, key.data, sizeof k);
    out_raw(&o, row.data, row.len);
    prophet_code rc = ph_txn_put_sorted(t, PH_T_HISTORY, ph_slice(k, sizeof k), out_slice(&o), err);
    return rc < 0 ? rc : ph_cursor_del(cur, err);
}

prophet_code ph_history_move(ph_txn *t, uint64_t last, prophet_error *err)
{
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc = ph_cursor_open(t, PH_T_RECENT, &cur, err);

    if (rc < 0)
        return rc;
    for (rc = ph_cursor_first(cur, &key, &row, err); rc == PROPHET_OK;
         rc = ph_cursor_next(cur, &key, &row, err)) {
        if (key.len != 16)
            rc = ph_index_damaged("recent", 0, err);
        else if (ph_u64be((const uint8_t *)key.data + 8) <= ph_recent_base(last))
            rc = move_row(t, cur, key, row, err);
        if (rc < 0)
            break;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- all of a record --------------------------------------------------------------------------------------- */

typedef struct listing {
    ph_arena *a;
    ph_history_entry *at;
    size_t count, cap;
} listing;

static prophet_code add(listing *l, ph_history_entry e, prophet_error *err)
{
    if (l->count == l->cap) {
        size_t more = l->cap ? 2 * l->cap : 16;
        ph_history_entry *at = ph_arena_alloc(l->a, more * sizeof *at);
        if (!at)
            return ph_nomem(err);
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->cap = more;
    }
    l->at[l->count++] = e;
    return PROPHET_OK;
}

static prophet_code add_row(listing *l, uint64_t number, prophet_slice key, prophet_slice row,
                            prophet_error *err)
{
    ph_history_entry e = { 0 };
    row_in in = row_of(row);
    uint32_t type;
    ph_uuid uuid;

    if (key.len == 8 ? !ph_number_row(row, &type, &uuid, &e)
                     : key.len != 16 || !in_u64(&in, &e.offset_plus_1) || in.p != in.end)
        return ph_index_damaged("history", number, err);
    if (key.len == 16)
        e.version = ph_u64be((const uint8_t *)key.data + 8);
    return e.version ? add(l, e, err) : PROPHET_OK;
}

static prophet_code add_table(listing *l, ph_txn *t, unsigned table, uint64_t number,
                              prophet_error *err)
{
    uint8_t prefix[8];
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc = ph_cursor_open(t, table, &cur, err);

    if (rc < 0)
        return rc;
    ph_number_key(prefix, number);
    rc = ph_cursor_seek(cur, ph_slice(prefix, sizeof prefix), &key, &row, err);
    while (rc == PROPHET_OK && key.len >= 8 && memcmp(key.data, prefix, 8) == 0) {
        if ((rc = add_row(l, number, key, row, err)) == PROPHET_OK)
            rc = ph_cursor_next(cur, &key, &row, err);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_history_list(ph_txn *t, uint64_t number, ph_arena *a, ph_history_entry **out,
                             size_t *count, prophet_error *err)
{
    listing l = { .a = a };
    prophet_code rc;

    if ((rc = add_table(&l, t, PH_T_HISTORY, number, err)) < 0 ||
        (rc = add_table(&l, t, PH_T_RECENT, number, err)) < 0)
        return rc;
    *out = l.at;
    *count = l.count;
    return PROPHET_OK;
}
