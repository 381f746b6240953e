/* Cursors: rows of one table in key order. */
#include "store/store_impl.h"

prophet_code ph_cursor_open(ph_txn *t, unsigned table, ph_cursor **out, prophet_error *err)
{
    ph_cursor *c;
    int lmdb;

    ph_require(table < t->env->table_count);
    if (!(c = ph_zalloc(sizeof *c)))
        return ph_nomem(err);
    c->txn = t;
    if ((lmdb = mdb_cursor_open(t->txn, t->env->tables[table], &c->cursor)) != 0) {
        ph_free(c);
        return ph_store_fail(err, lmdb, "index", t->env->path);
    }
    *out = c;
    return PROPHET_OK;
}

void ph_cursor_close(ph_cursor *c)
{
    if (!c)
        return;
    mdb_cursor_close(c->cursor);
    ph_free(c);
}

static prophet_code cursor_move(ph_cursor *c, MDB_cursor_op op, MDB_val k, prophet_slice *key,
                                prophet_slice *value, prophet_error *err)
{
    MDB_val v = { 0, NULL };
    int lmdb = mdb_cursor_get(c->cursor, &k, &v, op);

    if (lmdb == MDB_NOTFOUND)
        return PROPHET_DONE;
    if (lmdb != 0)
        return ph_store_fail(err, lmdb, "index", c->txn->env->path);
    if (key)
        *key = ph_slice(k.mv_data, k.mv_size);
    if (value)
        *value = ph_slice(v.mv_data, v.mv_size);
    return PROPHET_OK;
}

static const MDB_val no_key = { 0, NULL };

prophet_code ph_cursor_first(ph_cursor *c, prophet_slice *key, prophet_slice *value,
                             prophet_error *err)
{
    return cursor_move(c, MDB_FIRST, no_key, key, value, err);
}

prophet_code ph_cursor_last(ph_cursor *c, prophet_slice *key, prophet_slice *value,
                            prophet_error *err)
{
    return cursor_move(c, MDB_LAST, no_key, key, value, err);
}

prophet_code ph_cursor_seek(ph_cursor *c, prophet_slice at_least, prophet_slice *key,
                            prophet_slice *value, prophet_error *err)
{
    if (at_least.len == 0)
        return ph_cursor_first(c, key, value, err);
    if (at_least.len > PH_STORE_KEY_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a key of %zu bytes: keys have 1 to %d", at_least.len,
                       PH_STORE_KEY_MAX);
    return cursor_move(c, MDB_SET_RANGE, ph_val(at_least), key, value, err);
}

prophet_code ph_cursor_next(ph_cursor *c, prophet_slice *key, prophet_slice *value,
                            prophet_error *err)
{
    return cursor_move(c, MDB_NEXT, no_key, key, value, err);
}

prophet_code ph_cursor_prev(ph_cursor *c, prophet_slice *key, prophet_slice *value,
                            prophet_error *err)
{
    return cursor_move(c, MDB_PREV, no_key, key, value, err);
}

prophet_code ph_cursor_del(ph_cursor *c, prophet_error *err)
{
    int lmdb = mdb_cursor_del(c->cursor, 0);

    return lmdb ? ph_store_fail(err, lmdb, "index", c->txn->env->path) : PROPHET_OK;
}
