/* Replicas in directories of this machine: opening the other side, and pull and push with it. What lies on read-only media is opened for
 * reading; its unsigned tail then waits here and is reported. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

prophet_code sync_open(const char *dir, bool write, ph_replica **out, prophet_error *err)
{
    ph_replica_options o = { 0 };
    char log[PH_PATH_MAX];
    prophet_code rc = ph_path_join(log, sizeof log, dir, "log", err);
    if (rc < 0)
        return rc;
    if (!ph_path_exists(log)) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s %s", dir,
                     ph_path_exists(dir) ? "is no replica" : "does not exist");
        ph_hint(err, "a source is the directory of a replica");
        return rc;
    }
    bool writable = access(dir, W_OK) == 0 && access(log, W_OK) == 0;
    if (write && !writable)
        return ph_fail(err, PROPHET_EREADONLY, "%s cannot be written", dir);
    o.readonly = !writable;
    if ((rc = ph_replica_open(dir, &o, out, err)) < 0)
        ph_context(err, "open %s", dir);
    return rc;
}

/* ---- what is remembered of a peer ------------------------------------------------------------------------------------------ */

/* {path, heads, digest}: under "peer <key>". heads: the ids of the heads of all chains */
static prophet_code describe(const char *place, prophet_slice ids, const uint8_t digest[32],
                             ph_buf *out, prophet_error *err)
{
    ph_put_map(out, 3);
    ph_put_text(out, ph_slice_str("path"));
    ph_put_text(out, ph_slice_str(place));
    ph_put_text(out, ph_slice_str("heads"));
    ph_put_bytes(out, ids);
    ph_put_text(out, ph_slice_str("digest"));
    ph_put_bytes(out, ph_slice(digest, 32));
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* Do two paths name one thing? */
static bool same_place(prophet_slice path, const char *place)
{
    char known[PH_PATH_MAX];
    struct stat a, b;
    if (ph_slice_eq(path, ph_slice_str(place)))
        return true;
    if (path.len >= sizeof known)
        return false;
    memcpy(known, path.data, path.len);
    known[path.len] = 0;
    return stat(known, &a) == 0 && stat(place, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

bool sync_member(prophet_slice map, const char *name, ph_item *out)
{
    ph_item whole, key;
    if (!ph_value_open(map, &whole) || whole.kind != PH_MAP)
        return false;
    ph_reader r = ph_reader_of(whole.s);
    while (ph_read_item(&r, &key) && ph_read_item(&r, out))
        if (key.kind == PH_TEXT && ph_slice_eq(key.s, ph_slice_str(name)))
            return true;
    return false;
}

static prophet_code recall_from(ph_view *v, prophet_slice from, const char *place,
                                prophet_slice *heads, prophet_error *err)
{
    prophet_slice key, value;
    ph_item path, ids;
    ph_cursor *c;
    prophet_code rc = ph_cursor_open(v->txn, PH_T_LOCAL, &c, err);
    if (rc < 0)
        return rc;
    for (rc = ph_cursor_seek(c, from, &key, &value, err);
         rc == PROPHET_OK && key.len > from.len && memcmp(key.data, from.data, from.len) == 0;
         rc = ph_cursor_next(c, &key, &value, err)) {
        if (!sync_member(value, "path", &path) || !sync_member(value, "heads", &ids) ||
            !same_place(path.s, place))
            continue;
        bool ok = true;
        *heads = ph_arena_copy(&v->arena, ids.s, &ok);
        ph_cursor_close(c);
        return ok ? PROPHET_OK : ph_nomem(err);
    }
    ph_cursor_close(c);
    return rc < 0 ? rc : PROPHET_DONE;
}

prophet_code sync_recall(ph_view *v, const char *place, prophet_slice *heads, prophet_error *err)
{
    prophet_code rc = recall_from(v, ph_slice_str("peer "), place, heads, err);
    return rc == PROPHET_DONE ? recall_from(v, ph_slice_str("depot "), place, heads, err) : rc;
}

static prophet_code is_news(ph_replica *r, prophet_slice name, prophet_slice value, bool *news,
                            prophet_error *err)
{
    ph_view *v;
    prophet_slice old;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    rc = ph_txn_get(v->txn, PH_T_LOCAL, name, &old, err);
    *news = rc != PROPHET_OK || !ph_slice_eq(old, value);
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code sync_note(ph_replica *r, const ph_id *peer, const char *place, prophet_slice ids,
                       const uint8_t digest[32], prophet_error *err)
{
    char name[5 + 64 + 1] = "peer ";
    ph_buf value = PH_BUF_INIT;
    ph_change_txn *c;
    bool news = false;
    if (!ph_utf8_valid(place, strlen(place)))
        return PROPHET_OK; /* nothing that could be shown again */
    ph_hex(peer->b, 32, name + 5);
    prophet_code rc = describe(place, ids, digest, &value, err);
    if (rc >= 0)
        rc = is_news(r, ph_slice_str(name), ph_buf_slice(&value), &news, err);
    if (rc >= 0 && news && (rc = ph_change_begin(r, ph_slice(NULL, 0), &c, err)) >= 0) {
        if ((rc = ph_change_local(c, ph_slice_str(name), ph_buf_slice(&value), err)) < 0)
            ph_change_abort(c);
        else
            rc = ph_change_commit(c, NULL, NULL, err);
    }
    ph_buf_clear(&value);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code remember(ph_replica *r, ph_replica *peer, prophet_error *err)
{
    ph_view *v;
    ph_chain_head *heads;
    size_t n = 0;
    uint8_t digest[32];
    ph_buf ids = PH_BUF_INIT;
    prophet_code rc = ph_view_begin(peer, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_digest(v, digest, err)) >= 0)
        rc = ph_view_chains(v, &v->arena, &heads, &n, err);
    for (size_t i = 0; i < n && rc >= 0; i++)
        ph_buf_put(&ids, heads[i].id.b, sizeof heads[i].id.b);
    ph_view_end(v);
    if (rc >= 0)
        rc = ids.failed ? ph_nomem(err)
                        : sync_note(r, ph_replica_key(peer), ph_replica_path(peer),
                                    ph_buf_slice(&ids), digest, err);
    ph_buf_clear(&ids);
    return rc;
}

/* ---- pull and push ------------------------------------------------------------------------------------------------------------ */

static prophet_code check_other(ph_replica *r, const char *dir, prophet_error *err)
{
    struct stat here, there;
    if (stat(ph_replica_path(r), &here) == 0 && stat(dir, &there) == 0 &&
        here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return ph_fail(err, PROPHET_EUSAGE, "%s is this replica itself", dir);
    return PROPHET_OK;
}

static prophet_code sign_if_possible(ph_replica *r, const ph_sync_options *o, prophet_error *err)
{
    return ph_replica_readonly(r) || (o && o->dry_run) ? PROPHET_OK : ph_replica_sign(r, err);
}

prophet_code sync_replica_pull(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err)
{
    ph_replica *other;
    prophet_code rc;
    if ((rc = check_other(r, dir, err)) < 0 || (rc = sync_open(dir, false, &other, err)) < 0)
        return rc;
    if ((rc = sign_if_possible(other, o, err)) >= 0 &&
        (rc = sync_transfer(r, other, o, rep, err)) >= 0 && !(o && o->dry_run))
        rc = remember(r, other, err);
    ph_replica_close(other);
    return rc;
}

prophet_code sync_replica_push(ph_replica *r, const char *dir, const ph_sync_options *o,
                               ph_sync_report *rep, prophet_error *err)
{
    ph_replica *other;
    prophet_code rc;
    if ((rc = check_other(r, dir, err)) < 0 || (rc = sync_open(dir, true, &other, err)) < 0)
        return rc;
    if ((rc = sign_if_possible(r, o, err)) >= 0 &&
        (rc = sync_transfer(other, r, o, rep, err)) >= 0 && !(o && o->dry_run) &&
        (rc = remember(other, r, err)) >= 0 && !ph_replica_readonly(r))
        rc = remember(r, other, err);
    ph_replica_close(other);
    return rc;
}
