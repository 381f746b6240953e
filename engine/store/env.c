/* Environments: opening, sharing and creating the LMDB file.
 *
 * LMDB allows one environment per file and process, because closing any descriptor of its lock file
 * drops the process's locks. So open environments are kept in a table by device and inode, and handles
 * share them. The table is one of the two mutable globals of the engine; env_lock guards it and every
 * count in it. */
#include "store/store_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_FILE_ROOM = 64 * PH_STORE_READERS + 4096 }; /* LMDB: 64 bytes a reader, and its head */

static pthread_mutex_t env_lock = PTHREAD_MUTEX_INITIALIZER;
static ph_env *env_table;

/* ---- errors ------------------------------------------------------------------------------------ */

prophet_code ph_store_fail(prophet_error *err, int lmdb, const char *what, const char *path)
{
    prophet_code rc;

    switch (lmdb) {
    case MDB_MAP_FULL:
        rc = ph_fail(err, PROPHET_EFULL, "%s %s: its map is full", what, path);
        break;
    case MDB_TXN_FULL:
        rc = ph_fail(err, PROPHET_EFULL, "%s %s: transaction too large", what, path);
        break;
    case MDB_READERS_FULL:
        rc = ph_fail(err, PROPHET_EBUSY, "%s %s: all %d reader slots are taken", what, path,
                     PH_STORE_READERS);
        break;
    case EAGAIN:
    case EACCES:
        if (lmdb == EACCES)
            return ph_fail_sys(err, lmdb, "%s %s", what, path);
        rc =
            ph_fail(err, PROPHET_EBUSY,
                    "%s %s: its lock table is in use by a process with our process id", what, path);
        ph_hint(err, "two containers share this replica; give them one process id namespace");
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_BAD_TXN:
    case MDB_BAD_RSLOT:
    case MDB_BAD_DBI:
    case MDB_INCOMPATIBLE:
    case MDB_PANIC:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s %s: %s", what, path, mdb_strerror(lmdb));
        break;
    case MDB_BAD_VALSIZE:
        rc = ph_fail(err, PROPHET_EUSAGE, "%s %s: %s", what, path, mdb_strerror(lmdb));
        break;
    case ENOMEM: return ph_nomem(err);
    default:
        if (lmdb > 0)
            return ph_fail_sys(err, lmdb, "%s %s", what, path);
        rc = ph_fail(err, PROPHET_EIO, "%s %s: %s", what, path, mdb_strerror(lmdb));
    }
    if (err)
        err->sys = lmdb;
    return rc;
}

prophet_code ph_env_check_pid(const ph_env *e, prophet_error *err)
{
    if (e->pid == getpid())
        return PROPHET_OK;
    return ph_fail(err, PROPHET_EUSAGE,
                   "index %s was opened by the parent process: open the replica again after fork",
                   e->path);
}

/* ---- opening ----------------------------------------------------------------------------------- */

static void env_free(ph_env *e)
{
    if (!e)
        return;
    if (e->env && e->pid == getpid())
        mdb_env_close(e->env); /* in a child it would drop the parent's locks: leaked there */
    ph_free(e->tables);
    ph_free(e->path);
    ph_free(e);
}

/* LMDB maps its lock file with holes in it, and a store into a hole of a full disk is a SIGBUS: the space is taken first. Nobody in this
 * process has the file open, so that closing it drops no lock. What cannot be opened here is told by LMDB. */
static prophet_code reserve_lock_file(const char *path, prophet_error *err)
{
    char lock[PH_PATH_MAX + 8];
    prophet_code rc = PROPHET_OK;

    (void)snprintf(lock, sizeof lock, "%s-lock", path);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return PROPHET_OK;
    while (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_FILE_ROOM) != 0)
        if (errno != EINTR) {
            if (errno == ENOSPC || errno == EDQUOT)
                rc = ph_fail_sys(err, errno, "create %s", lock);
            break; /* a file system that takes no space ahead */
        }
    (void)close(fd); /* nothing was written */
    return rc;
}

/* LMDB's own open with the largest map the address space allows. */
static int env_open_map(ph_env *e, const char *path, const ph_store_options *o)
{
    uint64_t size = o->map_size ? o->map_size : PH_STORE_MAP_DEFAULT;
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC;
    int rc;

    if (o->readonly)
        flags |= MDB_RDONLY;
    if (o->nolock)
        flags |= MDB_NOLOCK;
    for (;; size /= 2) {
        if ((rc = mdb_env_create(&e->env)) != 0)
            return rc;
        if ((rc = mdb_env_set_maxdbs(e->env, (MDB_dbi)o->table_count)) == 0 &&
            (rc = mdb_env_set_maxreaders(e->env, PH_STORE_READERS)) == 0 &&
            (rc = mdb_env_set_mapsize(e->env, (size_t)size)) == 0)
            rc = mdb_env_open(e->env, path, flags, 0600);
        if (rc == 0)
            return 0;
        mdb_env_close(e->env);
        e->env = NULL;
        if ((rc != ENOMEM && rc != EINVAL) || size <= PH_STORE_MAP_LEAST) /* valgrind says EINVAL */
            return rc;
    }
}

/* The order LMDB has by itself: bytewise, a beginning first. Keys are short, and a search in a tree compares dozens of them: eight bytes
 * at a time without a call are a tenth of a look-up. */
static int compare_keys(const MDB_val *a, const MDB_val *b)
{
    const uint8_t *p = a->mv_data, *q = b->mv_data;
    size_t n = a->mv_size < b->mv_size ? a->mv_size : b->mv_size;
    uint64_t x, y;

    for (; n >= 8; n -= 8, p += 8, q += 8) {
        memcpy(&x, p, 8);
        memcpy(&y, q, 8);
        if (x != y)
            return ph_u64be(p) < ph_u64be(q) ? -1 : 1;
    }
    for (; n > 0; n--, p++, q++)
        if (*p != *q)
            return *p < *q ? -1 : 1;
    return (a->mv_size > b->mv_size) - (a->mv_size < b->mv_size);
}

/* Opens every table once; `create` makes the missing ones. */
static int env_open_tables(ph_env *e, const ph_store_options *o, bool create)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(e->env, NULL, create ? 0 : MDB_RDONLY, &txn);

    if (rc == MDB_MAP_RESIZED && (rc = mdb_env_set_mapsize(e->env, 0)) == 0)
        rc = mdb_txn_begin(e->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    for (size_t i = 0; rc == 0 && i < o->table_count; i++) {
        rc = mdb_dbi_open(txn, *o->tables[i] ? o->tables[i] : NULL, create ? MDB_CREATE : 0,
                          &e->tables[i]);
        if (rc == 0 && *o->tables[i])
            rc = mdb_set_compare(txn, e->tables[i], compare_keys);
    }
    if (rc == 0)
        return mdb_txn_commit(txn);
    if (txn)
        mdb_txn_abort(txn);
    return rc;
}

static prophet_code env_new(const char *path, const ph_store_options *o, bool create, ph_env **out,
                            prophet_error *err)
{
    ph_env *e = ph_zalloc(sizeof *e);
    int lmdb;
    prophet_code rc = PROPHET_OK;

    if (!e || !(e->path = ph_strdup(path)) ||
        !(e->tables = ph_zalloc(o->table_count * sizeof *e->tables))) {
        rc = ph_nomem(err);
        goto done;
    }
    e->table_count = o->table_count;
    e->readonly = o->readonly;
    e->pid = getpid();
    if (!o->nolock && (rc = reserve_lock_file(path, err)) < 0)
        goto done;
    if ((lmdb = env_open_map(e, path, o)) != 0) {
        rc = ph_store_fail(err, lmdb, "index", path);
        goto done;
    }
    if (!create && (rc = ph_env_check_whole(e, path, err)) < 0)
        goto done;
    if (!o->nolock) {
        int dead = 0;
        (void)mdb_reader_check(e->env,
                               &dead); /* a slot that cannot be cleared now is cleared later */
    }
    lmdb = env_open_tables(e, o, create);
    if (lmdb == MDB_NOTFOUND)
        rc = ph_fail(err, PROPHET_ECORRUPT, "index %s: a table is missing", path);
    else if (lmdb != 0)
        rc = ph_store_fail(err, lmdb, "index", path);
done:
    if (rc < 0)
        env_free(e);
    else
        *out = e;
    return rc;
}

static ph_env *env_find(const struct stat *st)
{
    ph_env *e = env_table;

    while (e && (e->dev != st->st_dev || e->inode != st->st_ino || e->pid != getpid()))
        e = e->next;
    return e;
}

/* With env_lock held. */
static prophet_code env_get(const char *path, const ph_store_options *o, ph_env **out,
                            prophet_error *err)
{
    struct stat st;
    prophet_code rc;
    ph_env *e;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? ph_fail(err, PROPHET_ENOTFOUND, "no index %s", path)
                               : ph_fail_sys(err, errno, "index %s", path);
    if ((e = env_find(&st)) != NULL) {
        if (e->readonly && !o->readonly)
            return ph_fail(err, PROPHET_EBUSY, "index %s is open for reading only in this process",
                           path);
        if (e->table_count != o->table_count)
            return ph_fail(err, PROPHET_EUSAGE, "index %s is open with other tables", path);
        *out = e;
        return PROPHET_OK;
    }
    if ((rc = env_new(path, o, false, &e, err)) < 0)
        return rc;
    e->dev = st.st_dev;
    e->inode = st.st_ino;
    e->next = env_table;
    env_table = e;
    *out = e;
    return PROPHET_OK;
}

prophet_code ph_store_open(const char *path, const ph_store_options *o, ph_store **out,
                           prophet_error *err)
{
    ph_store *s = ph_zalloc(sizeof *s);
    prophet_code rc;

    if (!s)
        return ph_nomem(err);
    (void)pthread_mutex_lock(&env_lock);
    if ((rc = env_get(path, o, &s->env, err)) >= 0)
        s->env->users++;
    (void)pthread_mutex_unlock(&env_lock);
    if (rc < 0)
        ph_free(s);
    else
        *out = s;
    return rc;
}

void ph_store_close(ph_store *s)
{
    ph_env **at;

    if (!s)
        return;
    (void)pthread_mutex_lock(&env_lock);
    if (--s->env->users == 0) {
        for (at = &env_table; *at != s->env; at = &(*at)->next)
            ;
        *at = s->env->next;
        env_free(s->env);
    }
    (void)pthread_mutex_unlock(&env_lock);
    ph_free(s);
}

/* ---- the map ----------------------------------------------------------------------------------- */

void ph_env_enter(ph_env *e)
{
    (void)pthread_mutex_lock(&env_lock);
    e->active++;
    (void)pthread_mutex_unlock(&env_lock);
}

void ph_env_leave(ph_env *e)
{
    (void)pthread_mutex_lock(&env_lock);
    e->active--;
    (void)pthread_mutex_unlock(&env_lock);
}

prophet_code ph_env_resize(ph_env *e, size_t size, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    int lmdb;

    (void)pthread_mutex_lock(&env_lock);
    if (e->active > 0)
        rc = ph_fail(err, PROPHET_EBUSY,
                     "index %s must grow: end the open snapshots of this process first", e->path);
    else if ((lmdb = mdb_env_set_mapsize(e->env, size)) != 0)
        rc = ph_store_fail(err, lmdb, "index", e->path);
    (void)pthread_mutex_unlock(&env_lock);
    return rc;
}

prophet_code ph_store_grow(ph_store *s, prophet_error *err)
{
    MDB_envinfo info;
    prophet_code rc;
    int lmdb;

    if ((rc = ph_env_check_pid(s->env, err)) < 0)
        return rc;
    if ((lmdb = mdb_env_info(s->env->env, &info)) != 0)
        return ph_store_fail(err, lmdb, "index", s->env->path);
    return ph_env_resize(s->env, info.me_mapsize * 2, err);
}

prophet_code ph_store_sync(ph_store *s, prophet_error *err)
{
    prophet_code rc;
    int lmdb;

    if ((rc = ph_env_check_pid(s->env, err)) < 0)
        return rc;
    lmdb = mdb_env_sync(s->env->env, 1);
    return lmdb ? ph_store_fail(err, lmdb, "sync index", s->env->path) : PROPHET_OK;
}

/* ---- creating ---------------------------------------------------------------------------------- */

/* Builds the file in `dir` and syncs it; the caller renames it. */
static prophet_code create_in(const char *dir, const char *file, const ph_store_options *o,
                              prophet_error *err)
{
    ph_store_options options = *o;
    ph_env *e = NULL;
    prophet_code rc;
    int lmdb;

    options.readonly = false;
    options.nolock = true; /* nobody else knows this directory: no lock file is left behind */
    if ((rc = env_new(file, &options, true, &e, err)) < 0)
        return rc;
    if ((lmdb = mdb_env_sync(e->env, 1)) != 0)
        rc = ph_store_fail(err, lmdb, "sync index", file);
    env_free(e);
    return rc < 0 ? rc : ph_dir_sync(dir, err);
}

/* The directory part of a path, "." if it has none. */
static prophet_code dir_of(const char *path, char out[PH_PATH_MAX], prophet_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (len + 32 >= PH_PATH_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "path too long: %s", path);
    if (!slash)
        (void)snprintf(out, PH_PATH_MAX, ".");
    else if (len == 0)
        (void)snprintf(out, PH_PATH_MAX, "/");
    else
        (void)snprintf(out, PH_PATH_MAX, "%.*s", (int)len, path);
    return PROPHET_OK;
}

prophet_code ph_store_create(const char *path, const ph_store_options *o, prophet_error *err)
{
    char parent[PH_PATH_MAX], dir[PH_PATH_MAX], file[PH_PATH_MAX];
    prophet_code rc;

    if (ph_path_exists(path))
        return ph_fail(err, PROPHET_EEXISTS, "index %s exists", path);
    if ((rc = dir_of(path, parent, err)) < 0 ||
        (rc = ph_path_join(dir, sizeof dir, parent, ".index.XXXXXX", err)) < 0)
        return rc;
    if (!mkdtemp(dir))
        return ph_fail_sys(err, errno, "create %s", dir);
    if ((rc = ph_path_join(file, sizeof file, dir, "data.mdb", err)) >= 0 &&
        (rc = create_in(dir, file, o, err)) >= 0 && rename(file, path) != 0)
        rc = ph_fail_sys(err, errno, "rename %s to %s", file, path);
    if (rc >= 0)
        rc = ph_dir_sync(parent, err);
    if (ph_dir_remove(dir, NULL) < 0 && rc >= 0)
        rc = ph_fail(err, PROPHET_EIO, "cannot remove %s", dir);
    return rc;
}

prophet_code ph_store_copy(ph_store *s, const char *path, prophet_error *err)
{
    prophet_code rc;
    int lmdb;

    if ((rc = ph_env_check_pid(s->env, err)) < 0)
        return rc;
    if (ph_path_exists(path))
        return ph_fail(err, PROPHET_EEXISTS, "index %s exists", path);
    lmdb = mdb_env_copy2(s->env->env, path, MDB_CP_COMPACT);
    return lmdb ? ph_store_fail(err, lmdb, "copy index to", path) : PROPHET_OK;
}
