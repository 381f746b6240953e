/* Which index file is live, when it is trusted, and how it is made anew (docs/storage.md, The index is a cache).
 * `index` holds the name of the live file; a rebuild writes a new one beside it and renames `index`. */
#include "replica/replica_impl.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CONDEMNED UINT32_MAX /* for the number of an index, in the evidence */

static const char *const table_names[] = PH_TABLE_NAMES;
static prophet_code mark_clean(ph_replica *r, prophet_error *err);

static ph_store_options store_options(bool readonly, bool nolock)
{
    ph_store_options o = {
        .readonly = readonly, .nolock = nolock, .tables = table_names, .table_count = PH_TABLES
    };
    return o;
}

static prophet_code index_path(ph_replica *r, uint32_t number, char out[PH_PATH_MAX],
                               prophet_error *err)
{
    char name[32];
    (void)snprintf(name, sizeof name, "index.%u.mdb", number);
    return ph_path_join(out, PH_PATH_MAX, r->path, name, err);
}

/* 0 when `index` is absent or says nothing usable: then there is no index to trust. */
static prophet_code live_number(ph_replica *r, uint32_t *number, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_buf text = PH_BUF_INIT;
    unsigned n = 0;
    prophet_code rc = ph_path_join(path, sizeof path, r->path, "index", err);
    *number = 0;
    if (rc < 0)
        return rc;
    rc = ph_file_slurp(path, 64, &text, err);
    ph_buf_byte(&text, 0);
    if (rc >= 0 && !text.failed && sscanf((char *)text.data, "index.%9u.mdb", &n) == 1)
        *number = n;
    ph_buf_clear(&text);
    return rc == PROPHET_ENOTFOUND ? PROPHET_OK : rc;
}

/* ---- building ------------------------------------------------------------------------------------------------ */

prophet_code ph_index_build(ph_replica *r, const char *path, ph_store **store, ph_names **names,
                            prophet_error *err)
{
    ph_store_options o = store_options(false, false);
    ph_store *old_store = r->store;
    ph_names *old_names = r->names;
    prophet_code rc;
    if ((rc = ph_store_create(path, &o, err)) < 0)
        return rc;
    r->store = NULL;
    r->names = NULL;
    ph_schemas_forget(r);
    ph_ids_forget(r->ids);
    if ((rc = ph_store_open(path, &o, &r->store, err)) >= 0 &&
        (rc = ph_names_new(&r->names, err)) >= 0 && (rc = ph_session_replay(r, err)) >= 0)
        rc = ph_secondary_finish_alone(r, err);
    ph_schemas_forget(r);
    if (rc >= 0) {
        *store = r->store;
        *names = r->names;
    } else {
        ph_store_close(r->store);
        ph_names_free(r->names);
        (void)unlink(path);
    }
    r->store = old_store;
    r->names = old_names;
    ph_ids_forget(r->ids);
    return rc;
}

prophet_code ph_index_tell(ph_replica *r, const char *stage, uint64_t done, uint64_t total,
                           prophet_error *err)
{
    prophet_error why = { 0 };
    if (!r->progress)
        return PROPHET_OK;
    r->telling = true;
    prophet_code rc = r->progress(r->progress_ctx, stage, done, total, &why);
    r->telling = false;
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

prophet_code ph_replica_has_no_index(const ph_replica *r, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_EBUSY, "%s is being rebuilt", r->path);
    ph_hint(err, "progress only tells: read and write when the rebuild is done");
    return rc;
}

static void remove_file(const char *path)
{
    char lock[PH_PATH_MAX + 8];
    (void)unlink(path); /* an old index: whatever happens, nothing refers to it */
    (void)snprintf(lock, sizeof lock, "%s-lock", path);
    (void)unlink(lock);
}

/* Is this an index, the lock file of one, or what a killed process was making one in? `live` is not meant. */
static bool is_left_over(const char *name, uint32_t live)
{
    char text[32];
    size_t digits = strncmp(name, "index.", 6) == 0 ? strspn(name + 6, "0123456789") : 0;

    (void)snprintf(text, sizeof text, "index.%u.mdb", live);
    if (strncmp(name, ".index.", 7) == 0)
        return true;
    return digits && strncmp(name, text, strlen(text)) != 0 &&
           (strcmp(name + 6 + digits, ".mdb") == 0 || strcmp(name + 6 + digits, ".mdb-lock") == 0);
}

/* Nobody else has the replica open. */
static void sweep(ph_replica *r, uint32_t live)
{
    char path[PH_PATH_MAX];
    struct dirent *e;
    DIR *d = opendir(r->path);

    while (d && (e = readdir(d)) != NULL)
        if (is_left_over(e->d_name, live) &&
            ph_path_join(path, sizeof path, r->path, e->d_name, NULL) >= 0 && unlink(path) != 0)
            (void)ph_dir_remove(path, NULL); /* a cache: what stays is in nobody's way */
    if (d)
        (void)closedir(d);
}

static void take(ph_replica *r, ph_store *store, ph_names *names)
{
    if (r->reader)
        ph_txn_abort(r->reader);
    r->reader = NULL;
    ph_store_close(r->store);
    ph_names_free(r->names);
    r->store = store;
    r->names = names;
    ph_ids_forget(r->ids);
}

static prophet_code name_live(ph_replica *r, uint32_t number, prophet_error *err)
{
    char path[PH_PATH_MAX], text[32];
    prophet_code rc = ph_path_join(path, sizeof path, r->path, "index", err);
    int n = snprintf(text, sizeof text, "index.%u.mdb\n", number);
    return rc < 0 ? rc : ph_file_replace(path, ph_slice(text, (size_t)n), 0644, err);
}

prophet_code ph_index_rebuild(ph_replica *r, prophet_error *err)
{
    char path[PH_PATH_MAX];
    uint32_t number;
    ph_store *store;
    ph_names *names;
    prophet_code rc;
    if ((rc = live_number(r, &number, err)) < 0 || (rc = index_path(r, number + 1, path, err)) < 0)
        return rc;
    remove_file(path); /* left by a rebuild that was killed */
    if ((rc = ph_index_build(r, path, &store, &names, err)) < 0)
        return rc;
    take(r, store, names);
    if ((rc = ph_store_sync(r->store, err)) < 0 || (rc = name_live(r, number + 1, err)) < 0)
        return rc;
    sweep(r, number + 1);
    r->index_number = number + 1;
    return mark_clean(r, err); /* also where the one before was condemned */
}

/* ---- trust ---------------------------------------------------------------------------------------------------- */

static bool same_place(const ph_log_evidence *a, const ph_log_evidence *b)
{
    return memcmp(a->boot, b->boot, sizeof a->boot) == 0 && a->mount == b->mount &&
           a->inode == b->inode;
}

/* Clean, or written last under this boot and mount on a disk that stays: no page it wrote can be lost. */
static prophet_code trusted(ph_replica *r, uint32_t number, bool *yes, prophet_error *err)
{
    ph_log_evidence said, here;
    char fs[32];
    bool fixed, network;
    prophet_code rc;
    *yes = false;
    ph_log_evidence_get(r->log, &said);
    if (said.index != number)
        return PROPHET_OK;
    if ((rc = ph_log_evidence_here(r->log, &here, err)) < 0 ||
        (rc = ph_store_filesystem(r->path, fs, &fixed, &network, err)) < 0)
        return rc;
#ifdef PH_PLANT_trust_unclean
    *yes = true;
#else
    *yes = said.clean || (fixed && same_place(&said, &here));
#endif
    return PROPHET_OK;
}

static prophet_code applied_mark(ph_replica *r, ph_mark *out, bool *stale, prophet_error *err)
{
    ph_txn *t;
    ph_state st;
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = ph_txn_begin(r->store, false, &t, err);
    if (rc < 0)
        return rc;
    rc = ph_state_load(t, &a, &st, err);
    *stale = rc >= 0 && st.stale;
    if (rc >= 0 && st.forgot)
        r->suspect = r->forgot = true;
    out->position = st.position;
    memcpy(out->chain, st.chain, sizeof out->chain);
    ph_txn_abort(t);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Opens the live file and looks whether what it has applied lies on this log. PROPHET_DONE: not usable. */
static prophet_code open_live(ph_replica *r, uint32_t number, bool nolock, ph_mark *mark,
                              bool *stale, prophet_error *err)
{
    ph_store_options o = store_options(r->options.readonly, nolock);
    prophet_code rc;
    if ((rc = index_path(r, number, r->index_path, err)) < 0)
        return rc;
    if (!ph_path_exists(r->index_path))
        return PROPHET_DONE;
    if ((rc = ph_store_open(r->index_path, &o, &r->store, err)) < 0)
        return rc == PROPHET_ECORRUPT || rc == PROPHET_EVERSION ? PROPHET_DONE : rc;
    if ((rc = ph_names_new(&r->names, err)) < 0)
        return rc;
    if ((rc = applied_mark(r, mark, stale, err)) < 0) {
        take(r, NULL, NULL);
        return rc == PROPHET_EMEMORY ? rc : PROPHET_DONE;
    }
    r->index_number = number;
    return PROPHET_OK;
}

static prophet_code replay_tail(ph_replica *r, const ph_mark *mark, prophet_error *err)
{
    ph_mark end;
    prophet_code rc;
    ph_log_end(r->log, &end);
    if (end.position == mark->position)
        return PROPHET_OK;
    rc = ph_index_unclean(r, err);
    return rc < 0 ? rc : ph_session_replay(r, err);
}

/* What cannot be read is looked for and noted once the replica is open. */
static prophet_code recover(ph_replica *r, const ph_mark *from, prophet_error *err)
{
    ph_position a, b;
    prophet_code rc = ph_log_recover(r->log, from, err);
    if (rc >= 0 && ph_log_is_short(r->log))
        r->suspect = true;
    if (rc != PROPHET_ECORRUPT || !ph_log_damage(r->log, &a, &b))
        return rc;
    r->suspect = true;
    return PROPHET_OK;
}

static prophet_code open_alone(ph_replica *r, uint32_t number, prophet_error *err)
{
    static const ph_mark start;
    ph_mark mark = start;
    bool use = false;
    prophet_code rc = number ? trusted(r, number, &use, err) : PROPHET_OK;
    if (rc < 0)
        return rc;
    if (use) {
        bool stale = false;
        rc = open_live(r, number, false, &mark, &stale, err);
        if (rc < 0)
            return rc;
        if (stale) /* all that damage took is back: as the log now says */
            take(r, NULL, NULL);
        use = rc == PROPHET_OK && !stale;
    }
    if ((rc = recover(r, use ? &mark : &start, err)) < 0)
        return rc;
    if (use) {
        rc = ph_log_holds(r->log, &mark, err);
        if (rc < 0)
            return rc;
        if (rc == PROPHET_OK)
            return replay_tail(r, &mark, err);
        take(r, NULL, NULL);
        if ((rc = recover(r, &start, err)) < 0)
            return rc;
    }
    return ph_index_rebuild(r, err);
}

/* Reading only, and nobody to ask: a clean index as it lies, else a temporary one built from the log. */
static prophet_code open_to_read(ph_replica *r, uint32_t number, prophet_error *err)
{
    char dir[] = "/tmp/prophet-index-XXXXXX";
    ph_log_evidence said;
    ph_mark mark, end;
    bool use = false, stale;
    prophet_code rc;
    ph_log_evidence_get(r->log, &said);
    if (number && (rc = trusted(r, number, &use, err)) < 0)
        return rc;
    if (use) {
        rc = open_live(r, number, access(r->path, W_OK) != 0, &mark, &stale, err);
        ph_log_end(r->log, &end);
        if (rc == PROPHET_OK && (said.clean || mark.position == end.position))
            return rc;
        if (rc < 0)
            return rc;
        take(r, NULL, NULL);
    }
    const char *tmp = getenv("TMPDIR");
    char path[PH_PATH_MAX];
    if (tmp && *tmp) {
        if ((rc = ph_path_join(path, sizeof path, tmp, "prophet-index-XXXXXX", err)) < 0)
            return rc;
    } else
        memcpy(path, dir, sizeof dir);
    if (!mkdtemp(path))
        return ph_fail_sys(err, errno, "temporary directory %s", path);
    r->temporary = true;
    memcpy(r->index_path, path, strlen(path) + 1);
    if ((rc = ph_path_join(path, sizeof path, r->index_path, "index.mdb", err)) < 0)
        return rc;
    ph_store *store = NULL;
    ph_names *names = NULL;
    if ((rc = ph_index_build(r, path, &store, &names, err)) >= 0)
        take(r, store, names);
    return rc;
}

prophet_code ph_index_open(ph_replica *r, bool alone, prophet_error *err)
{
    uint32_t number;
    ph_mark mark;
    bool stale;
    prophet_code rc = live_number(r, &number, err);
    if (rc < 0)
        return rc;
    if (alone)
        return open_alone(r, number, err);
    if (r->options.readonly && !r->shared)
        return open_to_read(r, number, err);
    if ((rc = open_live(r, number, false, &mark, &stale, err)) != PROPHET_DONE)
        return rc;
    return ph_fail(err, PROPHET_EBUSY, "the index of %s cannot be used while others have it open",
                   r->path);
}

void ph_index_discard(ph_replica *r)
{
    if (r->temporary)
        (void)ph_dir_remove(r->index_path, NULL); /* a cache: nothing is lost when it stays */
    r->temporary = false;
}

/* ---- clean and unclean ------------------------------------------------------------------------------------------ */

prophet_code ph_index_unclean(ph_replica *r, prophet_error *err)
{
    ph_log_evidence said, here;
    prophet_code rc;
    ph_log_evidence_get(r->log, &said);
    if (said.index == CONDEMNED ||
        (r->marked_unclean && !said.clean && said.index == r->index_number))
        return PROPHET_OK;
    if ((rc = ph_log_evidence_here(r->log, &here, err)) < 0)
        return rc;
    here.clean = false;
    here.index = r->index_number;
    memset(&here.mark, 0, sizeof here.mark);
    rc = ph_log_evidence_set(r->log, &here, err);
    r->marked_unclean = rc >= 0;
    return rc;
}

/* After a sync that failed nobody knows what of the index is on disk, and the next sync says nothing of it: it is used
 * by those who have it open, and by nobody after them. */
static void condemn(ph_replica *r)
{
    ph_log_evidence none = { .index = CONDEMNED };
    (void)ph_log_evidence_set(r->log, &none, NULL); /* the sync's error is the one to tell */
}

static prophet_code sync_index(ph_replica *r, prophet_error *err)
{
    prophet_code rc = ph_store_sync(r->store, err);
    if (rc < 0)
        condemn(r);
    return rc;
}

/* Log first, then the index, then the mark. */
static prophet_code mark_clean(ph_replica *r, prophet_error *err)
{
    ph_log_evidence here;
    ph_mark applied, end;
    bool stale;
    prophet_code rc;
    ph_log_end(r->log, &end);
    if ((rc = applied_mark(r, &applied, &stale, err)) < 0 ||
        (rc = ph_log_flush(r->log, end.position, err)) < 0 || (rc = sync_index(r, err)) < 0 ||
        (rc = ph_log_evidence_here(r->log, &here, err)) < 0)
        return rc;
    if (applied.position != end.position)
        return PROPHET_OK;
    here.clean = true;
    here.mark = end;
    here.index = r->index_number;
    if ((rc = ph_log_evidence_set(r->log, &here, err)) >= 0)
        r->wrote = r->marked_unclean = false;
    return rc;
}

prophet_code ph_index_make_clean(ph_replica *r, prophet_error *err)
{
    ph_log_evidence said;
    ph_log_evidence_get(r->log, &said);
    return said.index == CONDEMNED ? PROPHET_OK : mark_clean(r, err);
}
