/* Creating, opening and closing a replica directory.
 *
 *   log/  index  index.<n>.mdb  lock  replica.key      (drawn in docs/storage.md)
 *
 * The first who opens a directory holds it alone for a moment: recovers the log, decides whether the index is trusted,
 * and looks whether the directory is a copy. Everybody after that shares it. */
#include "replica/replica_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int64_t ph_replica_now(ph_replica *r)
{
    return r->options.clock ? r->options.clock(r->options.clock_ctx) : ph_now_ms();
}

prophet_code ph_replica_random(ph_replica *r, void *out, size_t len, prophet_error *err)
{
    ph_require(len <= sizeof r->random);
    if (r->random_left < len) {
        prophet_code rc = ph_random(r->random, sizeof r->random, err);
        if (rc < 0)
            return rc;
        r->random_left = sizeof r->random;
    }
    r->random_left -= len;
    memcpy(out, r->random + r->random_left, len);
    ph_wipe(r->random + r->random_left, len); /* told once */
    return PROPHET_OK;
}

/* Rising within a handle, also when the clock stands or goes back: rand_a and the top of rand_b count. */
prophet_code ph_replica_new_uuid(ph_replica *r, ph_uuid *out, prophet_error *err)
{
    uint8_t random[10];
    int64_t now = ph_replica_now(r);
    prophet_code rc = ph_replica_random(r, random + 2, 8, err);
    if (rc < 0)
        return rc;
    if (now > r->uuid_ms || r->uuid_count >= 0x3fff) {
        r->uuid_ms = now > r->uuid_ms ? now : r->uuid_ms + 1;
        r->uuid_count = random[2] & 0x3fu; /* room to count up */
    } else
        r->uuid_count++;
    /* the first 12 random bits follow the time, the next 2 the variant: count in these 14 */
    random[0] = (uint8_t)(r->uuid_count >> 10);
    random[1] = (uint8_t)(r->uuid_count >> 2);
    random[2] = (uint8_t)((random[2] & 0x0f) | (r->uuid_count & 3) << 4);
    *out = ph_uuid_v7(r->uuid_ms < 0 ? 0 : r->uuid_ms, random);
    return PROPHET_OK;
}

/* ---- create -------------------------------------------------------------------------------------------------- */

static prophet_code sync_parent(const char *dir, prophet_error *err)
{
    char parent[PH_PATH_MAX];
    prophet_code rc = ph_path_join(parent, sizeof parent, dir, "..", err);
    return rc < 0 ? rc : ph_dir_sync(parent, err);
}

static prophet_code check_filesystem(const char *dir, prophet_error *err)
{
    char name[32];
    bool fixed, network;
    prophet_code rc = ph_store_filesystem(dir, name, &fixed, &network, err);
    if (rc < 0 || !network)
        return rc;
    rc = ph_fail(err, PROPHET_EIO,
                 "%s lies on %s, where several machines cannot share a replica safely", dir, name);
    ph_hint(err, "keep the replica on a local disk and exchange through a directory there");
    return rc;
}

prophet_code ph_replica_create(const char *dir, const ph_uuid *database, prophet_error *err)
{
    ph_uuid fresh;
    ph_replica r = { .path = (char *)(uintptr_t)dir };
    prophet_code rc;
    if (mkdir(dir, 0777) != 0)
        return ph_fail_create(err, errno, dir);
    if (!database && (rc = ph_random(fresh.b, sizeof fresh.b, err)) < 0)
        goto done;
    if ((rc = check_filesystem(dir, err)) < 0 || (rc = ph_identity_create(dir, err)) < 0 ||
        (rc = ph_log_create(dir, database ? database : &fresh, err)) < 0 ||
        (rc = ph_log_open(dir, false, &r.log, err)) < 0)
        goto done;
    if ((rc = ph_identity_keep(&r, err)) >= 0 && (rc = ph_dir_sync(dir, err)) >= 0)
        rc = sync_parent(dir, err);
    ph_log_close(r.log);
done:
    if (rc < 0)
        (void)ph_dir_remove(dir, NULL); /* ours alone: made above */
    return rc;
}

/* ---- open ------------------------------------------------------------------------------------------------------ */

/* Alone if nobody has it open, else shared with those who have. */
static prophet_code take_part(ph_replica *r, bool *alone, prophet_error *err)
{
    uint64_t limit =
        ph_monotonic_us() +
        (r->options.lock_timeout_ms ? r->options.lock_timeout_ms : 60000) * UINT64_C(1000);
    *alone = false;
    for (;;) {
        prophet_code rc = ph_log_try_exclusive(r->log, err);
        if (rc != PROPHET_DONE) {
            *alone = r->shared = rc == PROPHET_OK;
            return rc;
        }
        if ((rc = ph_log_share(r->log, err)) != PROPHET_EBUSY) {
            r->shared = rc >= 0;
            return rc;
        }
        if (ph_monotonic_us() > limit)
            return rc;
        struct timespec pause = { 0, 1000000 }; /* somebody is opening it just now */
        (void)nanosleep(&pause, NULL);
    }
}

static prophet_code look_for_copy(ph_replica *r, prophet_error *err)
{
    bool fits;
    prophet_code rc = ph_identity_fits(r, &fits, err);
    return rc < 0 || fits ? rc : ph_identity_renew(r, err);
}

static prophet_code open_writable(ph_replica *r, prophet_error *err)
{
    bool alone, lost = false;
    prophet_code rc;
    if ((rc = check_filesystem(r->path, err)) < 0 || (rc = take_part(r, &alone, err)) < 0 ||
        (alone && (rc = ph_identity_restore(r, &lost, err)) < 0) ||
        (rc = ph_identity_load(r, err)) < 0 || (rc = ph_index_open(r, alone, err)) < 0 || !alone)
        return rc;
    rc = lost ? ph_identity_vouch(r, err) : look_for_copy(r, err);
    if (rc >= 0 && r->forgot &&
        !lost) /* own changesets may be elsewhere that are not here: another chain goes on */
        rc = ph_identity_renew(r, err);
    if (rc < 0 || (rc = ph_damage_look(r, err)) < 0 || (rc = ph_orphans_settle(r, err)) < 0)
        return rc;
    return ph_log_downgrade(r->log, err);
}

static prophet_code open_readonly(ph_replica *r, prophet_error *err)
{
    if (ph_identity_load(r, NULL) < 0) /* only to say whose replica this is */
        r->keys = NULL;
    r->shared = ph_log_in_use(r->log) && ph_log_share(r->log, NULL) >= 0;
    return ph_index_open(r, false, err);
}

bool ph_replica_hint(const char *dir, prophet_error *err)
{
    char inner[PH_PATH_MAX], log[PH_PATH_MAX];
    if (ph_path_join(inner, sizeof inner, dir, ".prophet", NULL) < 0 ||
        ph_path_join(log, sizeof log, inner, "log", NULL) < 0 || !ph_path_exists(log))
        return false;
    ph_hint(err, "%s is one", inner);
    return true;
}

static prophet_code start_up(ph_replica *r, const char *dir, prophet_error *err)
{
    char log[PH_PATH_MAX];
    prophet_code rc;
    if ((rc = ph_path_join(log, sizeof log, dir, "log", err)) < 0)
        return rc;
    if (access(log, F_OK) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) /* it may well be one */
            return ph_fail_sys(err, errno, "open %s", dir);
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s is not a replica", dir);
        if (!ph_replica_hint(dir, err))
            ph_hint(err, "make one with create = true, prophet init or prophet clone");
        return rc;
    }
    if (!(r->path = ph_strdup(dir)))
        return ph_nomem(err);
    if ((rc = ph_hasher_new(&r->hasher, err)) < 0 || (rc = ph_ids_new(&r->ids, err)) < 0 ||
        (rc = ph_log_open(dir, r->options.readonly, &r->log, err)) < 0)
        return rc;
    return r->options.readonly ? open_readonly(r, err) : open_writable(r, err);
}

prophet_code ph_replica_open(const char *dir, const ph_replica_options *o, ph_replica **out,
                             prophet_error *err)
{
    ph_replica *r = ph_zalloc(sizeof *r);
    prophet_code rc;
    if (!r)
        return ph_nomem(err);
    ph_std_hold(); /* in a host, which may have closed them */
    if (o)
        r->options = *o;
    rc = ph_replica_set_user(r, o && o->user ? o->user : "", err);
    r->options.user = NULL;
    if (rc >= 0)
        rc = start_up(r, dir, err);
    if (rc < 0) {
        ph_replica_close(r);
        return rc;
    }
    *out = r;
    return PROPHET_OK;
}

/* ---- close ------------------------------------------------------------------------------------------------------- */

static prophet_code clean_up(ph_replica *r, uint32_t wait_ms, prophet_error *err)
{
    prophet_code rc;
    if ((rc = ph_log_lock(r->log, wait_ms, err)) < 0)
        return rc;
    rc = ph_index_make_clean(r, err);
    ph_log_unlock(r->log);
    return rc;
}

void ph_replica_idle(ph_replica *r)
{
    if (!r->wrote || r->session || r->options.readonly ||
        ph_monotonic_us() - r->last_write_us < 1000000)
        return;
    r->last_write_us =
        ph_monotonic_us(); /* what fails, or waits for another writer, is tried again in a second */
    (void)clean_up(r, 0, NULL);
}

void ph_replica_close(ph_replica *r)
{
    if (!r)
        return;
    ph_session_abort(r->session);
    if (r->store && !r->options.readonly) { /* what fails here is done by the next open */
        if (r->wrote)
            (void)ph_replica_sign(r, NULL);
        if (r->wrote || r->marked_unclean)
            (void)clean_up(r, 1000, NULL);
    }
    ph_view_free(r);
    ph_kept_free(r->kept);
    if (r->reader)
        ph_txn_abort(r->reader);
    ph_past_free(r->past);
    ph_schemas_free(r);
    ph_session_drop(r->spare);
    ph_names_free(r->names);
    ph_ids_free(r->ids);
    ph_words_free(r->words);
    ph_store_close(r->store);
    ph_index_discard(r);
    ph_log_close(r->log);
    ph_keypair_free(r->keys);
    ph_hasher_free(r->hasher);
    ph_buf_clear(&r->scratch);
    ph_free(r->user);
    ph_free(r->path);
    ph_free(r);
}

/* ---- small things -------------------------------------------------------------------------------------------------- */

const ph_uuid *ph_replica_database(const ph_replica *r)
{
    return ph_log_database(r->log);
}

const ph_id *ph_replica_key(const ph_replica *r)
{
    return &r->key;
}

const char *ph_replica_path(const ph_replica *r)
{
    return r->path;
}

bool ph_replica_readonly(const ph_replica *r)
{
    return r->options.readonly;
}

prophet_code ph_replica_refuse_write(const ph_replica *r, prophet_error *err)
{
    if (!r->past)
        return ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", r->path);
    prophet_code rc =
        ph_fail(err, PROPHET_EREADONLY, "this is %s as it was: the past is read only", r->path);
    ph_hint(err, "write to the database itself");
    return rc;
}

const char *ph_replica_user(const ph_replica *r)
{
    return r->user;
}

const char *ph_replica_notice(const ph_replica *r)
{
    return r->notice;
}

enum { USER_MAX = 255 }; /* no address is longer: every changeset has it */

prophet_code ph_replica_set_user(ph_replica *r, const char *user, prophet_error *err)
{
    size_t len = strlen(user);
    if (!ph_utf8_valid(user, len))
        return ph_fail(err, PROPHET_EUSAGE, "the user's name is not UTF-8");
    if (len > USER_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "the user's name has %zu bytes: %d is the most", len,
                       USER_MAX);
    for (size_t i = 0; i < len; i++) /* a line of the log names the author */
        if ((uint8_t)user[i] < ' ' || user[i] == 0x7f)
            return ph_fail(err, PROPHET_EUSAGE, "the user's name holds a control character");
    char *copy = ph_strdup(user);
    if (!copy)
        return ph_nomem(err);
    ph_free(r->user);
    r->user = copy;
    return PROPHET_OK;
}

prophet_code ph_replica_flush(ph_replica *r, prophet_error *err)
{
    ph_mark end;
    if (r->options.readonly)
        return PROPHET_OK;
    ph_log_end(r->log, &end);
    return ph_log_flush(r->log, end.position, err);
}

prophet_code ph_replica_rebuild(ph_replica *r, ph_progress_fn progress, void *ctx,
                                prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc, rc2;
    if (r->options.readonly)
        return ph_replica_refuse_write(r, err);
    if (r->session || r->view_depth)
        return ph_fail(err, PROPHET_EUSAGE, "rebuild inside a change or view");
    if (r->telling)
        return ph_replica_has_no_index(r, err);
    if ((rc = ph_log_try_exclusive(r->log, err)) < 0)
        return rc;
    if (rc == PROPHET_DONE) {
        rc = ph_fail(err, PROPHET_EBUSY, "%s is open elsewhere: rebuild needs it alone", r->path);
        ph_hint(err, "close it everywhere else, what serve and as_of opened too");
        return rc;
    }
    /* what damage took is known by the old index only; that may be damaged itself, and then is made anew all the same */
    if ((rc = ph_damage_survey(r, &why)) >= 0 || why.code == PROPHET_ECORRUPT) {
        r->progress = progress;
        r->progress_ctx = ctx;
        rc = ph_index_rebuild(r, err);
        r->progress = NULL;
    } else if (err)
        *err = why;
    rc2 = ph_log_downgrade(r->log, rc < 0 ? NULL : err);
    return rc < 0 ? rc : rc2;
}

/* Own tips without a signature: one, or one a branch where this replica's chain forked. */
static prophet_code own_unsigned(ph_replica *r, ph_view *v, ph_id **tips, size_t *count,
                                 prophet_error *err)
{
    ph_replica_row own;
    uint32_t ridx;
    prophet_code rc = ph_replicas_find(v->txn, &r->key, &ridx, err);
    *count = 0;
    if (rc != PROPHET_OK || (rc = ph_replicas_get(v->txn, ridx, &v->arena, &own, err)) < 0)
        return rc;
    if (!(*tips = ph_arena_alloc(&v->arena, (own.tip_count + 1u) * sizeof **tips)))
        return ph_nomem(err);
    for (uint32_t i = 0; i < own.tip_count; i++) {
        ph_changeset_row row;
        uint64_t position;
        if ((rc = ph_signatures_get(v->txn, own.tips[i].version, &position, err)) == PROPHET_OK)
            continue;
        if (rc < 0 || (rc = ph_changesets_get(v->txn, own.tips[i].version, &row, err)) < 0)
            return rc;
        (*tips)[(*count)++] = row.id;
    }
    return PROPHET_OK;
}

static prophet_code sign_all(ph_replica *r, const ph_id *tips, size_t count, prophet_error *err)
{
    ph_session *s;
    ph_position upto;
    ph_id key = r->key;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    if (!ph_id_eq(&key, &r->key)) { /* who changed the key has signed them */
        ph_session_abort(s);
        return PROPHET_OK;
    }
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = ph_author_sign(s, r->keys, &tips[i], err);
    if (rc < 0) {
        ph_session_abort(s);
        return rc;
    }
    if ((rc = ph_session_commit(s, &upto, err)) >= 0)
        rc = ph_log_flush(r->log, upto, err);
    return rc;
}

prophet_code ph_replica_sign(ph_replica *r, prophet_error *err)
{
    ph_view *v;
    ph_id *tips;
    size_t count;
    prophet_code rc;
    if (r->options.readonly)
        return PROPHET_OK;
    if (r->session)
        return ph_fail(err, PROPHET_EUSAGE, "an exchange inside a change");
    if ((rc = ph_replica_flush(r, err)) < 0 || (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    if ((rc = own_unsigned(r, v, &tips, &count, err)) >= 0 && count)
        rc = sign_all(r, tips, count, err);
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}
