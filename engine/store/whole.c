/* Is the index file as long as it says? LMDB maps it, and what lies in a page behind the end of the file is a SIGBUS. A file that
 * was cut is told before anything of it is read. It may well end before its last page where that page is free: LMDB does not write
 * pages that a transaction took and gave back. Called when the file is opened. */
#include "store/store_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many of the pages from `first` on are on LMDB's list of free ones: table 0, lists with their length in front. */
static int count_free(MDB_env *env, size_t first, size_t *out)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cur = NULL;
    MDB_val key, list;
    int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

    *out = 0;
    if (rc == 0)
        rc = mdb_cursor_open(txn, 0, &cur);
    while (rc == 0 && (rc = mdb_cursor_get(cur, &key, &list, MDB_NEXT)) == 0) {
        const size_t *pages = list.mv_data, room = list.mv_size / sizeof *pages;
        for (size_t i = 1; room > 0 && i <= pages[0] && i < room; i++)
            *out += pages[i] >= first;
    }
    if (cur)
        mdb_cursor_close(cur);
    if (txn)
        mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static prophet_code cut_short(const char *path, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "index %s was cut short", path);
}

prophet_code ph_env_check_whole(const ph_env *e, const char *path, prophet_error *err)
{
    MDB_envinfo info;
    MDB_stat stat_of;
    struct stat st;
    size_t free_pages, pages;
    int lmdb;

    if ((lmdb = mdb_env_info(e->env, &info)) != 0 || (lmdb = mdb_env_stat(e->env, &stat_of)) != 0)
        return ph_store_fail(err, lmdb, "index", path);
    if (stat(path, &st) != 0)
        return ph_fail_sys(err, errno, "index %s", path);
    pages = (size_t)st.st_size / stat_of.ms_psize;
    if (pages > info.me_last_pgno)
        return PROPHET_OK;
    /* a hole up to there, so that nothing that is looked at lies behind the end */
    if (e->readonly || truncate(path, (off_t)((info.me_last_pgno + 1) * stat_of.ms_psize)) != 0 ||
        count_free(e->env, pages, &free_pages) != 0)
        return cut_short(path, err);
    return free_pages == info.me_last_pgno + 1 - pages ? PROPHET_OK : cut_short(path, err);
}
