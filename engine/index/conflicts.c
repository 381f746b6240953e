/* conflicts: which cells were ever forked, which are open now, which wait for the resolvers.
 *
 *   conflicts, open, todo  type u32, uuid, field u32                         -> see index.h
 *   asked                  type u32, uuid, field u32, question 32, resolver 32 -> what became of it, text */
#include "index/index_impl.h"

void ph_cell_key_put(const ph_cell_key *k, uint8_t out[24])
{
    ph_u32be_put(out, k->type);
    memcpy(out + 4, k->uuid.b, sizeof k->uuid.b);
    ph_u32be_put(out + 20, k->field);
}

bool ph_cell_key_read(prophet_slice key, ph_cell_key *out)
{
    const uint8_t *p = key.data;

    if (key.len != 24)
        return false;
    out->type = ph_u32be(p);
    memcpy(out->uuid.b, p + 4, sizeof out->uuid.b);
    out->field = ph_u32be(p + 20);
    return true;
}

prophet_code ph_conflicts_mark(ph_txn *t, const ph_cell_key *k, prophet_error *err)
{
    uint8_t key[24];

    ph_cell_key_put(k, key);
    return ph_txn_put(t, PH_T_CONFLICTS, ph_slice(key, sizeof key), ph_slice("", 0), err);
}

prophet_code ph_conflicts_set(ph_txn *t, const ph_cell_key *k, bool open, bool decided, bool ask,
                              prophet_error *err)
{
    uint8_t key[24], how = decided;
    prophet_code rc;

    ph_cell_key_put(k, key);
    prophet_slice at = ph_slice(key, sizeof key);
    rc = open ? ph_txn_put(t, PH_T_OPEN, at, ph_slice(&how, 1), err)
              : ph_txn_del(t, PH_T_OPEN, at, err);
    if (rc < 0)
        return rc;
    if (open && ask)
        rc = ph_txn_put(t, PH_T_TODO, at, ph_slice("", 0), err);
    else
        rc = ph_txn_del(t, PH_T_TODO, at, err);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_conflicts_erase(ph_txn *t, uint32_t type, const ph_uuid *uuid, prophet_error *err)
{
    static const unsigned tables[] = { PH_T_CONFLICTS, PH_T_OPEN, PH_T_TODO };
    uint8_t prefix[20];
    prophet_code rc = PROPHET_OK;

    ph_u32be_put(prefix, type);
    memcpy(prefix + 4, uuid->b, sizeof uuid->b);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && rc >= 0; i++)
        rc = ph_txn_del_prefix(t, tables[i], ph_slice(prefix, sizeof prefix), err);
    return rc;
}

prophet_code ph_conflicts_list(ph_txn *t, unsigned table, uint32_t type, const ph_cell_key *after,
                               ph_cell_key *out, size_t max, size_t *count, prophet_error *err)
{
    uint8_t from[25] = { 0 };
    size_t len = 4;
    ph_cursor *cur = NULL;
    prophet_slice key, row;
    prophet_code rc;

    *count = 0;
    ph_u32be_put(from, type);
    if (after && (type == 0 || after->type >= type)) {
        ph_cell_key_put(after, from);
        len = 25; /* the key itself and a zero byte: just above it */
    }
    if ((rc = ph_cursor_open(t, table, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(from, len), &key, &row, err);
    for (; rc == PROPHET_OK && *count < max; rc = ph_cursor_next(cur, &key, &row, err)) {
        if (!ph_cell_key_read(key, &out[*count])) {
            rc = ph_index_damaged("conflicts", *count, err);
            break;
        }
        if (type != 0 && out[*count].type != type)
            break;
        ++*count;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static void asked_key(const ph_cell_key *k, const uint8_t question[32], const uint8_t resolver[32],
                      uint8_t out[88])
{
    ph_cell_key_put(k, out);
    memcpy(out + 24, question, 32);
    memcpy(out + 56, resolver, 32);
}

prophet_code ph_asked_put(ph_txn *t, const ph_cell_key *k, const uint8_t question[32],
                          const uint8_t resolver[32], prophet_slice what, prophet_error *err)
{
    uint8_t key[88];

    asked_key(k, question, resolver, key);
    return ph_txn_put(t, PH_T_ASKED, ph_slice(key, sizeof key), what, err);
}

prophet_code ph_asked_get(ph_txn *t, const ph_cell_key *k, const uint8_t question[32],
                          const uint8_t resolver[32], prophet_slice *what, prophet_error *err)
{
    uint8_t key[88];

    asked_key(k, question, resolver, key);
    return ph_txn_get(t, PH_T_ASKED, ph_slice(key, sizeof key), what, err);
}
