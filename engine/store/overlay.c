/* An overlay: a snapshot with rows written over it that only its holder sees. The rows lie in a scratch file without a name, in tables
 * of the same numbers; a value there begins with one byte, 1: a row, 0: the snapshot's row is hidden.
 * Called through the calls for transactions; replica/past.c shows a database as it was that way. */
#include "store/store_impl.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRATCH_MAP ((size_t)1 << 38) /* address space; halved until there is as much */
#define MAP_LEAST   ((size_t)1 << 26)

struct ph_overlay {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tables[PH_STORE_TABLES];
    int64_t more[PH_STORE_TABLES]; /* rows beyond the snapshot's */
    ph_overlay_ask ask;
    void *ctx;
    unsigned writing;
    bool sealed;
    ph_arena kept; /* values read while more may be written */
};

/* ---- begin and end --------------------------------------------------------------------------------- */

static prophet_code scratch_fail(prophet_error *err, int lmdb)
{
    return ph_store_fail(err, lmdb, "scratch file", "of a past version");
}

static int open_map(ph_overlay *o, const char *path)
{
    const unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | MDB_NOTLS | MDB_NOMEMINIT;
    for (size_t size = SCRATCH_MAP;; size /= 2) {
        int rc = mdb_env_create(&o->env);
        if (rc != 0)
            return rc;
        if ((rc = mdb_env_set_maxdbs(o->env, PH_STORE_TABLES)) == 0 &&
            (rc = mdb_env_set_mapsize(o->env, size)) == 0 &&
            (rc = mdb_env_open(o->env, path, flags, 0600)) == 0)
            return 0;
        mdb_env_close(o->env);
        o->env = NULL;
        if ((rc != ENOMEM && rc != EINVAL) || size <= MAP_LEAST) /* valgrind says EINVAL */
            return rc;
    }
}

/* The file loses its name at once: nothing is left behind, whatever happens. */
static prophet_code open_scratch(ph_overlay *o, size_t tables, prophet_error *err)
{
    char path[PH_PATH_MAX], name[4];
    const char *tmp = getenv("TMPDIR");
    prophet_code rc =
        ph_path_join(path, sizeof path, tmp && *tmp ? tmp : "/tmp", "prophet-past-XXXXXX", err);
    if (rc < 0)
        return rc;
    int fd = mkstemp(path);
    if (fd < 0)
        return ph_fail_sys(err, errno, "temporary file %s", path);
    int lmdb = open_map(o, path);
    (void)close(fd); /* LMDB has its own */
    (void)unlink(path);
    if (lmdb == 0)
        lmdb = mdb_txn_begin(o->env, NULL, 0, &o->txn);
    for (size_t i = 0; i < tables && lmdb == 0; i++) {
        (void)snprintf(name, sizeof name, "%u", (unsigned)i);
        lmdb = mdb_dbi_open(o->txn, name, MDB_CREATE, &o->tables[i]);
    }
    return lmdb ? scratch_fail(err, lmdb) : PROPHET_OK;
}

prophet_code ph_overlay_begin(ph_store *s, ph_overlay_ask ask, void *ctx, ph_txn **out,
                              prophet_error *err)
{
    ph_txn *t;
    prophet_code rc = ph_txn_begin(s, false, &t, err);
    if (rc < 0)
        return rc;
    ph_overlay *o = ph_zalloc(sizeof *o);
    rc = o ? open_scratch(o, s->env->table_count, err) : ph_nomem(err);
    t->over = o;
    if (rc < 0) {
        ph_txn_abort(t);
        return rc;
    }
    o->ask = ask;
    o->ctx = ctx;
    *out = t;
    return PROPHET_OK;
}

bool ph_txn_is_overlay(const ph_txn *t)
{
    return t->over != NULL;
}

void ph_overlay_free(ph_overlay *o)
{
    if (!o)
        return;
    if (o->txn)
        mdb_txn_abort(o->txn);
    if (o->env)
        mdb_env_close(o->env);
    ph_arena_clear(&o->kept);
    ph_free(o);
}

void ph_overlay_write_begin(ph_txn *t)
{
    t->over->writing++;
}

void ph_overlay_write_end(ph_txn *t)
{
    t->over->writing--;
}

prophet_code ph_overlay_seal(ph_txn *t, prophet_error *err)
{
    ph_overlay *o = t->over;
    MDB_txn *done = o->txn;
    o->txn = NULL;
    int lmdb = mdb_txn_commit(done);
    if (lmdb == 0)
        lmdb = mdb_txn_begin(o->env, NULL, MDB_RDONLY, &o->txn);
    if (lmdb != 0)
        return scratch_fail(err, lmdb);
    o->sealed = true;
    return PROPHET_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static prophet_code ask(ph_txn *t, unsigned table, prophet_slice key, prophet_error *err)
{
    ph_overlay *o = t->over;
    return o->writing || o->sealed ? PROPHET_OK : o->ask(o->ctx, table, key, err);
}

prophet_code ph_overlay_shown(ph_txn *t, MDB_val v, prophet_slice *out, prophet_error *err)
{
    ph_overlay *o = t->over;
    bool ok = true;
    *out = ph_slice((const uint8_t *)v.mv_data + 1, v.mv_size - 1);
    if (!o->writing && !o->sealed) /* the page it lies on may be written again */
        *out = ph_arena_copy(&o->kept, *out, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

typedef enum top_says { TOP_NOTHING, TOP_HIDDEN, TOP_ROW } top_says;

static prophet_code top_row(const ph_txn *t, unsigned table, prophet_slice key, MDB_val *v,
                            top_says *says, prophet_error *err)
{
    MDB_val k = ph_val(key);
    /* no transaction: sealing failed before */
    int lmdb = t->over->txn ? mdb_get(t->over->txn, t->over->tables[table], &k, v) : EINVAL;
    *says = lmdb != 0 ? TOP_NOTHING : *(const uint8_t *)v->mv_data ? TOP_ROW : TOP_HIDDEN;
    return lmdb == 0 || lmdb == MDB_NOTFOUND ? PROPHET_OK : scratch_fail(err, lmdb);
}

static prophet_code base_row(const ph_txn *t, unsigned table, prophet_slice key, MDB_val *v,
                             prophet_error *err)
{
    MDB_val k = ph_val(key);
    int lmdb = mdb_get(t->txn, t->env->tables[table], &k, v);
    if (lmdb == MDB_NOTFOUND)
        return PROPHET_DONE;
    return lmdb ? ph_store_fail(err, lmdb, "index", t->env->path) : PROPHET_OK;
}

prophet_code ph_overlay_get(ph_txn *t, unsigned table, prophet_slice key, prophet_slice *value,
                            prophet_error *err)
{
    MDB_val v;
    top_says says;
    prophet_code rc = ask(t, table, key, err);
    if (rc < 0 || (rc = top_row(t, table, key, &v, &says, err)) < 0)
        return rc;
    if (says == TOP_HIDDEN)
        return PROPHET_DONE;
    if (says == TOP_ROW)
        return ph_overlay_shown(t, v, value, err);
    if ((rc = base_row(t, table, key, &v, err)) == PROPHET_OK)
        *value = ph_slice(v.mv_data, v.mv_size);
    return rc;
}

prophet_code ph_overlay_put(ph_txn *t, unsigned table, prophet_slice key,
                            const prophet_slice *value, prophet_error *err)
{
    ph_overlay *o = t->over;
    MDB_val k = ph_val(key), v;
    ph_require(o->writing && !o->sealed);
    top_says says;
    prophet_code rc = top_row(t, table, key, &v, &says, err);
    bool there = says == TOP_ROW;
    if (rc >= 0 && says == TOP_NOTHING) {
        rc = base_row(t, table, key, &v, err);
        there = rc == PROPHET_OK;
    }
    if (rc < 0)
        return rc;
    if (!value && !there)
        return PROPHET_DONE;
    v = (MDB_val){ 1 + (value ? value->len : 0), NULL };
    int lmdb = mdb_put(o->txn, o->tables[table], &k, &v, MDB_RESERVE);
    if (lmdb != 0)
        return scratch_fail(err, lmdb);
    *(uint8_t *)v.mv_data = value != NULL;
    if (value && value->len)
        memcpy((uint8_t *)v.mv_data + 1, value->data, value->len);
    o->more[table] += (value != NULL) - there;
    return PROPHET_OK;
}

prophet_code ph_overlay_count(ph_txn *t, unsigned table, uint64_t *count, prophet_error *err)
{
    MDB_stat st;
    prophet_code rc = ask(t, table, ph_slice(NULL, 0), err);
    if (rc < 0)
        return rc;
    int lmdb = mdb_stat(t->txn, t->env->tables[table], &st);
    *count = (uint64_t)((int64_t)st.ms_entries + t->over->more[table]);
    return lmdb ? ph_store_fail(err, lmdb, "index", t->env->path) : PROPHET_OK;
}

prophet_code ph_overlay_cursors(ph_cursor *c, prophet_error *err)
{
    ph_txn *t = c->txn;
    prophet_code rc = ask(t, c->table, ph_slice(NULL, 0), err);
    if (rc < 0)
        return rc;
    int lmdb = t->over->txn
                   ? mdb_cursor_open(t->over->txn, t->over->tables[c->table], &c->top.cursor)
                   : EINVAL;
    if (lmdb == 0 &&
        (lmdb = mdb_cursor_open(t->txn, t->env->tables[c->table], &c->base.cursor)) != 0)
        mdb_cursor_close(c->top.cursor);
    return lmdb ? ph_store_fail(err, lmdb, "index", t->env->path) : PROPHET_OK;
}
