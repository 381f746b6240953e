/* Transactions and rows. Values that are returned are LMDB's own memory. */
#include "store/store_impl.h"
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_FOR_DEAD = 256 }; /* write transactions */

/* ---- begin and end --------------------------------------------------------------------------------- */

/* Slots of killed readers keep old pages from being used again: they are looked for at open, when none is free, and now and then. */
static int txn_start(ph_env *e, bool write, MDB_txn **out)
{
    int dead = 0;
    if (write && atomic_fetch_add(&e->writes, 1) % LOOK_FOR_DEAD == LOOK_FOR_DEAD - 1)
        (void)mdb_reader_check(e->env, &dead); /* what fails now is done later */
    int rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, out);

    if (rc == MDB_READERS_FULL && mdb_reader_check(e->env, &dead) == 0 && dead > 0)
        rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, out);
    return rc;
}

prophet_code ph_txn_begin(ph_store *s, bool write, ph_txn **out, prophet_error *err)
{
    ph_env *e = s->env;
    ph_txn *t;
    prophet_code rc;
    int lmdb;

    if ((rc = ph_env_check_pid(e, err)) < 0)
        return rc;
    if (write && e->readonly)
        return ph_fail(err, PROPHET_EREADONLY, "index %s is open for reading only", e->path);
    if (!(t = ph_zalloc(sizeof *t)))
        return ph_nomem(err);
    t->env = e;
    t->write = write;
    lmdb = txn_start(e, write, &t->txn);
    if (lmdb == MDB_MAP_RESIZED) { /* another process grew the map */
        if ((rc = ph_env_resize(e, 0, err)) < 0) {
            ph_free(t);
            return rc;
        }
        lmdb = txn_start(e, write, &t->txn);
    }
    if (lmdb != 0) {
        ph_free(t);
        return ph_store_fail(err, lmdb, "index", e->path);
    }
    ph_env_enter(e);
    *out = t;
    return PROPHET_OK;
}

/* Before the transaction ends or a child begins: a child must not meet cursors of its parent. */
static void drop_cursors(ph_txn *t)
{
    for (size_t i = 0; t->write && i < t->env->table_count; i++) {
        if (t->put[i].cursor)
            mdb_cursor_close(t->put[i].cursor);
        t->put[i].cursor = NULL;
    }
}

static int put_row(ph_txn *t, unsigned table, prophet_slice key, MDB_val *v, unsigned flags)
{
    MDB_val k = ph_val(key);

    ph_txn_touch(t);
    if (!t->put[table].cursor) {
        int lmdb = mdb_cursor_open(t->txn, t->env->tables[table], &t->put[table].cursor);
        if (lmdb != 0)
            return lmdb;
    }
    return mdb_cursor_put(t->put[table].cursor, &k, v, flags);
}

prophet_code ph_txn_begin_child(ph_txn *parent, ph_txn **out, prophet_error *err)
{
    ph_txn *t = ph_zalloc(sizeof *t);
    int lmdb;

    if (!t)
        return ph_nomem(err);
    drop_cursors(parent);
    t->env = parent->env;
    t->write = true;
    if ((lmdb = mdb_txn_begin(parent->env->env, parent->txn, 0, &t->txn)) != 0) {
        ph_free(t);
        return ph_store_fail(err, lmdb, "index", parent->env->path);
    }
    ph_env_enter(t->env);
    *out = t;
    return PROPHET_OK;
}

static void txn_free(ph_txn *t)
{
    if (!t->parked)
        ph_env_leave(t->env);
    ph_free(t);
}

/* LMDB calls a write that the disk had no room to finish EIO. */
static int commit_code(const ph_env *e, int lmdb)
{
    struct statvfs fs;

    if (lmdb == EIO && statvfs(e->path, &fs) == 0 &&
        (uint64_t)fs.f_bavail * fs.f_frsize < PH_STORE_NO_ROOM)
        return ENOSPC;
    return lmdb;
}

prophet_code ph_txn_commit(ph_txn *t, prophet_error *err)
{
    drop_cursors(t);
    int lmdb = commit_code(t->env, mdb_txn_commit(t->txn));
    prophet_code rc = lmdb ? ph_store_fail(err, lmdb, "commit to index", t->env->path) : PROPHET_OK;

    txn_free(t);
    return rc;
}

void ph_txn_abort(ph_txn *t)
{
    if (!t)
        return;
    if (t->env->pid == getpid()) {
        drop_cursors(t);
        mdb_txn_abort(t->txn); /* a child after fork must not touch the parent's reader slot */
    }
    ph_overlay_free(t->over);
    txn_free(t);
}

void ph_txn_reset(ph_txn *t)
{
    if (t->write || t->parked || t->over)
        return;
    mdb_txn_reset(t->txn);
    t->parked = true;
    ph_env_leave(t->env);
}

prophet_code ph_txn_renew(ph_txn *t, prophet_error *err)
{
    prophet_code rc;
    int lmdb;

    ph_require(!t->write);
    if ((rc = ph_env_check_pid(t->env, err)) < 0 || t->over)
        return rc;
    ph_txn_reset(t);
    lmdb = mdb_txn_renew(t->txn);
    if (lmdb == MDB_MAP_RESIZED) {
        if ((rc = ph_env_resize(t->env, 0, err)) < 0)
            return rc;
        lmdb = mdb_txn_renew(t->txn);
    }
    if (lmdb != 0)
        return ph_store_fail(err, lmdb, "index", t->env->path);
    t->parked = false;
    ph_env_enter(t->env);
    return PROPHET_OK;
}

uint64_t ph_txn_id(const ph_txn *t)
{
    return mdb_txn_id(t->txn);
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static prophet_code check_row(ph_txn *t, unsigned table, prophet_slice key, prophet_error *err)
{
    ph_require(table < t->env->table_count);
    if (key.len == 0 || key.len > PH_STORE_KEY_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a key of %zu bytes: keys have 1 to %d", key.len,
                       PH_STORE_KEY_MAX);
    ph_txn_touch(t);
    return PROPHET_OK;
}

static prophet_code row_fail(const ph_txn *t, int lmdb, prophet_error *err)
{
    return ph_store_fail(err, lmdb, "index", t->env->path);
}

prophet_code ph_txn_get(ph_txn *t, unsigned table, prophet_slice key, prophet_slice *value,
                        prophet_error *err)
{
    MDB_val k = ph_val(key), v;
    prophet_code rc;
    int lmdb;

    if ((rc = check_row(t, table, key, err)) < 0)
        return rc;
    if (t->over)
        return ph_overlay_get(t, table, key, value, err);
    if ((lmdb = mdb_get(t->txn, t->env->tables[table], &k, &v)) == MDB_NOTFOUND)
        return PROPHET_DONE;
    if (lmdb != 0)
        return row_fail(t, lmdb, err);
    *value = ph_slice(v.mv_data, v.mv_size);
    return PROPHET_OK;
}

prophet_code ph_txn_put(ph_txn *t, unsigned table, prophet_slice key, prophet_slice value,
                        prophet_error *err)
{
    MDB_val v = ph_val(value);
    prophet_code rc;
    int lmdb;

    if ((rc = check_row(t, table, key, err)) < 0)
        return rc;
    if (t->over)
        return ph_overlay_put(t, table, key, &value, err);
    lmdb = put_row(t, table, key, &v, 0);
    return lmdb ? row_fail(t, lmdb, err) : PROPHET_OK;
}

prophet_code ph_txn_put_sorted(ph_txn *t, unsigned table, prophet_slice key, prophet_slice value,
                               prophet_error *err)
{
    MDB_val v = ph_val(value);
    prophet_code rc;
    int lmdb;

    if ((rc = check_row(t, table, key, err)) < 0)
        return rc;
    if (t->over)
        return ph_overlay_put(t, table, key, &value, err);
    lmdb = t->put[table].scattered ? MDB_KEYEXIST : put_row(t, table, key, &v, MDB_APPEND);
    if (lmdb == MDB_KEYEXIST) { /* not the greatest key */
        t->put[table].scattered = true;
        v = ph_val(value);
        lmdb = put_row(t, table, key, &v, 0);
    }
    return lmdb ? row_fail(t, lmdb, err) : PROPHET_OK;
}

prophet_code ph_txn_reserve(ph_txn *t, unsigned table, prophet_slice key, size_t len, void **space,
                            prophet_error *err)
{
    MDB_val k = ph_val(key), v = { len, NULL };
    prophet_code rc;
    int lmdb;

    if ((rc = check_row(t, table, key, err)) < 0)
        return rc;
    if ((lmdb = mdb_put(t->txn, t->env->tables[table], &k, &v, MDB_RESERVE)) != 0)
        return row_fail(t, lmdb, err);
    *space = v.mv_data;
    return PROPHET_OK;
}

prophet_code ph_txn_del(ph_txn *t, unsigned table, prophet_slice key, prophet_error *err)
{
    MDB_val k = ph_val(key);
    prophet_code rc;
    int lmdb;

    if ((rc = check_row(t, table, key, err)) < 0)
        return rc;
    if (t->over)
        return ph_overlay_put(t, table, key, NULL, err);
    if ((lmdb = mdb_del(t->txn, t->env->tables[table], &k, NULL)) == MDB_NOTFOUND)
        return PROPHET_DONE;
    return lmdb ? row_fail(t, lmdb, err) : PROPHET_OK;
}

prophet_code ph_txn_count(ph_txn *t, unsigned table, uint64_t *count, prophet_error *err)
{
    MDB_stat st;
    int lmdb;

    ph_require(table < t->env->table_count);
    if (t->over)
        return ph_overlay_count(t, table, count, err);
    if ((lmdb = mdb_stat(t->txn, t->env->tables[table], &st)) != 0)
        return row_fail(t, lmdb, err);
    *count = st.ms_entries;
    return PROPHET_OK;
}

prophet_code ph_txn_empty(ph_txn *t, unsigned table, prophet_error *err)
{
    int lmdb;

    ph_require(table < t->env->table_count);
    drop_cursors(t);
    lmdb = mdb_drop(t->txn, t->env->tables[table], 0);
    return lmdb ? row_fail(t, lmdb, err) : PROPHET_OK;
}
