/* Cursors: rows of one table in key order. */
#include "store/store_impl.h"

prophet_code ph_cursor_open(ph_txn *t, unsigned table, ph_cursor **out, prophet_error *err)
{
    ph_cursor *c;
    int lmdb;

    ph_txn_touch(t);
    ph_require(table < t->env->table_count);
    if (!(c = ph_zalloc(sizeof *c)))
        return ph_nomem(err);
    c->txn = t;
    c->table = table;
    if (t->over) {
        prophet_code rc = ph_overlay_cursor_open(c, err);
        if (rc < 0)
            ph_free(c);
        else
            *out = c;
        return rc;
    }
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
    if (c->txn->over)
        ph_overlay_cursor_close(c);
    else
        mdb_cursor_close(c->cursor);
    ph_free(c);
}

static prophet_code cursor_move(ph_cursor *c, MDB_cursor_op op, MDB_val k, prophet_slice *key,
                                prophet_slice *value, prophet_error *err)
{
    MDB_val v = { 0, NULL };

    if (c->txn->over)
        return ph_overlay_cursor_move(c, op, k, key, value, err);
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
    if (c->txn->over)
        return ph_overlay_cursor_del(c, err);
    int lmdb = mdb_cursor_del(c->cursor, 0);
    return lmdb ? ph_store_fail(err, lmdb, "index", c->txn->env->path) : PROPHET_OK;
}

/* Keys are gathered first: a cursor does not like its rows to go from under it. */
prophet_code ph_txn_del_prefix(ph_txn *t, unsigned table, prophet_slice prefix, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf keys = PH_BUF_INIT;
    ph_cursor *cur;
    prophet_slice k;
    prophet_code rc = ph_cursor_open(t, table, &cur, err);

    if (rc < 0)
        return rc;
    rc = ph_cursor_seek(cur, prefix, &k, NULL, err);
    for (; rc == PROPHET_OK && k.len >= prefix.len && memcmp(k.data, prefix.data, prefix.len) == 0;
         rc = ph_cursor_next(cur, &k, NULL, err)) {
        bool ok = true;
        prophet_slice copy = ph_arena_copy(&a, k, &ok);
        ph_buf_put(&keys, &copy, sizeof copy);
        if (!ok || keys.failed) {
            rc = ph_nomem(err);
            break;
        }
    }
    ph_cursor_close(cur);
    for (size_t i = 0; i < keys.len && rc >= 0; i += sizeof k) {
        memcpy(&k, keys.data + i, sizeof k);
        rc = ph_txn_del(t, table, k, err);
    }
    ph_buf_clear(&keys);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}
