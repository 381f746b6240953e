/* Who this replica is: replica.key, and the token that tells a copied directory from the original.
 *
 *   replica.key (mode 0600):  "prophet replica key 1\n" 64 hex digits of the Ed25519 seed "\n"
 *
 * The token in the lock page is the inode and birth time of replica.key. A directory whose token does not fit was copied
 * (or restored): it signs the tail it inherited, goes on under a new key that succeeds the old one, and says so. A copy that
 * goes unnoticed is a fork, which merges: the token only keeps things tidy. */
#include "replica/replica_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define KEY_HEAD "prophet replica key 1\n"

static prophet_code key_path(const char *dir, char out[PH_PATH_MAX], prophet_error *err)
{
    return ph_path_join(out, PH_PATH_MAX, dir, "replica.key", err);
}

static prophet_code write_key(const char *dir, const ph_keypair *k, prophet_error *err)
{
    char path[PH_PATH_MAX], text[sizeof KEY_HEAD + 66];
    uint8_t seed[32];
    prophet_code rc = key_path(dir, path, err);
    if (rc < 0)
        return rc;
    ph_keypair_seed(k, seed);
    memcpy(text, KEY_HEAD, sizeof KEY_HEAD - 1);
    ph_hex(seed, 32, text + sizeof KEY_HEAD - 1);
    text[sizeof KEY_HEAD - 1 + 64] = '\n';
    rc = ph_file_replace(path, ph_slice(text, sizeof KEY_HEAD - 1 + 65), 0600, err);
    ph_wipe(seed, sizeof seed);
    ph_wipe(text, sizeof text);
    return rc;
}

prophet_code ph_identity_create(const char *dir, prophet_error *err)
{
    ph_keypair *k;
    prophet_code rc = ph_keypair_new(&k, err);
    if (rc < 0)
        return rc;
    rc = write_key(dir, k, err);
    ph_keypair_free(k);
    return rc;
}

prophet_code ph_identity_load(ph_replica *r, prophet_error *err)
{
    char path[PH_PATH_MAX];
    uint8_t seed[32];
    ph_buf text = PH_BUF_INIT;
    const size_t head = sizeof KEY_HEAD - 1;
    ph_keypair *keys;
    ph_log_token_get(r->log, &r->token); /* before the key: read again rather than missed */
    prophet_code rc = key_path(r->path, path, err);
    if (rc < 0 || (rc = ph_file_slurp(path, 4096, &text, err)) < 0)
        goto done;
    if (text.len < head + 64 || memcmp(text.data, KEY_HEAD, head) != 0 ||
        !ph_unhex((char *)text.data + head, 64, seed, 32)) {
        rc = ph_fail(err, PROPHET_ECORRUPT, "%s is not a replica key", path);
        ph_hint(err,
                "put the key back; or remove the file: the replica goes on under a new key and "
                "vouches for what the old one had not signed");
        goto done;
    }
    if ((rc = ph_keypair_from_seed(seed, &keys, err)) >= 0) {
        ph_keypair_free(r->keys);
        r->keys = keys;
        ph_keypair_public(r->keys, r->key.b);
    }
    ph_wipe(seed, sizeof seed);
done:
    if (text.data)
        ph_wipe(text.data, text.len);
    ph_buf_clear(&text);
    return rc;
}

static prophet_code token_here(ph_replica *r, ph_log_token *out, prophet_error *err)
{
    char path[PH_PATH_MAX];
    struct statx st;
    prophet_code rc = key_path(r->path, path, err);
    if (rc < 0)
        return rc;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) != 0)
        return ph_fail_sys(err, errno, "%s", path);
    out->inode = st.stx_ino;
    out->birth_s = st.stx_mask & STATX_BTIME ? st.stx_btime.tv_sec : 0;
    out->birth_ns = st.stx_mask & STATX_BTIME ? st.stx_btime.tv_nsec : 0;
    return PROPHET_OK;
}

prophet_code ph_identity_keep(ph_replica *r, prophet_error *err)
{
    ph_log_token here;
    prophet_code rc = token_here(r, &here, err);
    if (rc >= 0 && (rc = ph_log_token_set(r->log, &here, err)) >= 0)
        r->token = here;
    return rc;
}

prophet_code ph_identity_follow(ph_replica *r, prophet_error *err)
{
    ph_log_token now;
    ph_log_token_get(r->log, &now);
    if (now.inode == r->token.inode && now.birth_s == r->token.birth_s &&
        now.birth_ns == r->token.birth_ns)
        return PROPHET_OK;
    return ph_identity_load(r, err);
}

prophet_code ph_identity_fits(ph_replica *r, bool *fits, prophet_error *err)
{
    ph_log_token here, kept;
    prophet_code rc = token_here(r, &here, err);
    if (rc < 0)
        return rc;
    ph_log_token_get(r->log, &kept);
    *fits =
        here.inode == kept.inode && here.birth_s == kept.birth_s && here.birth_ns == kept.birth_ns;
    return PROPHET_OK;
}

prophet_code ph_replica_adopt(const char *dir, prophet_error *err)
{
    ph_replica r = { .path = (char *)(uintptr_t)dir };
    char path[PH_PATH_MAX];
    prophet_code rc = key_path(dir, path, err);
    if (rc < 0)
        return rc;
    if (!ph_path_exists(path)) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s is not there: nothing tells who it was", path);
        ph_hint(err, "put the key back, or open the replica: it goes on under a new one");
        return rc;
    }
    if ((rc = ph_log_open(dir, false, &r.log, err)) < 0)
        return rc;
    if ((rc = ph_log_try_exclusive(r.log, err)) == PROPHET_DONE) {
        rc = ph_fail(err, PROPHET_EBUSY, "%s is open elsewhere", dir);
        ph_hint(err, "close it everywhere else, what serve and as_of opened too");
    } else if (rc >= 0)
        rc = ph_identity_keep(&r, err);
    ph_log_close(r.log);
    return rc;
}

/* ---- a new key ---------------------------------------------------------------------------------------------- */

/* A changeset without changes that says something of a key; its header is set but for what the body gives. Signed at once. */
static prophet_code append_statement(ph_session *s, ph_changeset *cs, const char *message,
                                     prophet_error *err)
{
    ph_replica *r = s->r;
    ph_buf body = PH_BUF_INIT;
    size_t names = ph_changeset_names(&cs->header);
    uint64_t *versions = ph_arena_alloc(&s->arena, (names + 1) * sizeof *versions);
    ph_id missing;
    prophet_code rc;
    if (!versions)
        return ph_nomem(err);
    cs->body.time = ph_replica_now(r);
    cs->body.author = ph_slice_str(r->user);
    cs->body.message = ph_slice_str(message);
    if ((rc = ph_random(cs->body.salt, sizeof cs->body.salt, err)) >= 0 &&
        (rc = ph_body_encode(&cs->body, names, &body, err)) >= 0 &&
        (rc = ph_apply_names(s, cs, versions, &missing, err)) >= 0) {
        bool ok = true;
        cs->body_bytes = ph_arena_copy(&s->arena, ph_buf_slice(&body), &ok);
        rc = ok ? ph_author_append(s, cs, versions, true, err) : ph_nomem(err);
    }
    ph_buf_clear(&body);
    return rc < 0 ? rc : ph_author_sign(s, r->keys, &cs->id, err);
}

prophet_code ph_replica_prove(const ph_replica *r, prophet_slice message, uint8_t out[64],
                              prophet_error *err)
{
    return r->keys ? ph_keypair_sign(r->keys, message, out, err)
                   : ph_fail(err, PROPHET_EREADONLY, "%s is open without its key", r->path);
}

static prophet_code first_changeset(ph_session *s, const ph_id *old, const ph_keypair *old_keys,
                                    prophet_error *err)
{
    ph_changeset *cs = ph_arena_zalloc(&s->arena, sizeof *cs);
    prophet_code rc;
    if (!cs)
        return ph_nomem(err);
    if ((rc = ph_author_header(s, &cs->header, err)) < 0)
        return rc;
    cs->header.has_succeeds = true;
    cs->header.succeeds = *old;
    if ((rc = ph_succession_make(old_keys, &s->r->key, cs->header.succeeds_sig, err)) < 0)
        return rc;
    return append_statement(s, cs, "this copy of the replica goes on under a key of its own", err);
}

/* What other handles wrote under the old key until they saw the new one: nobody could sign it later. */
static prophet_code sign_rest(ph_replica *r, const ph_id *old, const ph_keypair *old_keys,
                              prophet_error *err)
{
    ph_session *s;
    ph_replica_row row;
    ph_changeset_row tip;
    ph_position upto;
    uint32_t ridx;
    uint64_t position;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_replicas_find(s->txn, old, &ridx, err)) == PROPHET_OK)
        rc = ph_replicas_get(s->txn, ridx, &s->arena, &row, err);
    for (uint32_t i = 0; rc == PROPHET_OK && i < row.tip_count; i++) {
        rc = ph_signatures_get(s->txn, row.tips[i].version, &position, err);
        if (rc == PROPHET_DONE &&
            (rc = ph_changesets_get(s->txn, row.tips[i].version, &tip, err)) >= 0)
            rc = ph_author_sign(s, old_keys, &tip.id, err);
    }
    if (rc < 0 || s->payload_frames == 0) {
        ph_session_abort(s);
        return rc < 0 ? rc : PROPHET_OK;
    }
    return (rc = ph_session_commit(s, &upto, err)) < 0 ? rc : ph_log_flush(r->log, upto, err);
}

prophet_code ph_identity_renew(ph_replica *r, prophet_error *err)
{
    ph_keypair *old_keys, *fresh = NULL;
    ph_id old;
    ph_session *s;
    ph_position upto;
    prophet_code rc;
    if ((rc = ph_replica_sign(r, err)) < 0 || (rc = ph_keypair_new(&fresh, err)) < 0)
        return rc;
    if ((rc = ph_session_begin(r, &s, err)) < 0) {
        ph_keypair_free(fresh);
        return rc;
    }
    old_keys = r->keys; /* not before: the lock may have brought another key */
    old = r->key;
    r->keys = fresh;
    ph_keypair_public(fresh, r->key.b);
    if ((rc = first_changeset(s, &old, old_keys, err)) < 0)
        ph_session_abort(s);
    else
        rc = ph_session_commit(s, &upto, err);
    if (rc >= 0 && (rc = ph_log_flush(r->log, upto, err)) >= 0 &&
        (rc = write_key(r->path, fresh, err)) >= 0)
        rc = ph_identity_keep(r, err);
    if (rc < 0) { /* the old key stays; the next open tries again */
        ph_keypair_free(fresh);
        r->keys = old_keys;
        r->key = old;
        return rc;
    }
    rc = sign_rest(r, &old, old_keys, err);
    ph_keypair_free(old_keys);
    if (rc < 0)
        return rc;
    char before[17], now[17];
    ph_hex(old.b, 8, before);
    ph_hex(r->key.b, 8, now);
    (void)snprintf(r->notice, sizeof r->notice,
                   "%s is a copy of replica %s; it goes on as replica %s (if it was moved, not "
                   "copied: prophet adopt, next time before it is used)",
                   r->path, before, now);
    return PROPHET_OK;
}

/* ---- a lost key -------------------------------------------------------------------------------------------------- */

prophet_code ph_identity_restore(ph_replica *r, bool *lost, prophet_error *err)
{
    char path[PH_PATH_MAX];
    prophet_code rc = key_path(r->path, path, err);
    *lost = rc >= 0 && !ph_path_exists(path);
    return rc < 0 || !*lost ? rc : ph_identity_create(r->path, err);
}

static prophet_code vouch_for(ph_session *s, uint64_t version, prophet_error *err)
{
    ph_changeset_row row;
    ph_changeset *cs = ph_arena_zalloc(&s->arena, sizeof *cs);
    prophet_code rc;
    if (!cs)
        return ph_nomem(err);
    if ((rc = ph_session_changeset_row(s, version, &row, err)) < 0 ||
        (rc = ph_author_header(s, &cs->header, err)) < 0)
        return rc;
    cs->header.has_vouches = true;
    cs->header.vouches = row.id;
    return append_statement(s, cs, "the key of this tail is lost; this replica held it", err);
}

/* line: of this succession line only, but for the key that is at hand; 0: all. */
static prophet_code vouch_all(ph_session *s, uint32_t line, prophet_error *err)
{
    uint64_t replicas = s->state.replicas;
    for (uint32_t ridx = 1; ridx <= replicas; ridx++) {
        ph_replica_row rep;
        prophet_code rc = ph_replicas_get(s->txn, ridx, &s->arena, &rep, err);
        if (rc >= 0 && line && (rep.line != line || ph_id_eq(&rep.key, &s->r->key)))
            continue;
        for (uint32_t i = 0; rc >= 0 && i < rep.tip_count; i++)
            if (rep.tips[i].seq >
                rep.signed_seq) /* what came from others was signed: this was its own */
                rc = vouch_for(s, rep.tips[i].version, err);
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

prophet_code ph_identity_vouch(ph_replica *r, prophet_error *err)
{
    ph_session *s;
    ph_position upto = 0;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    if ((rc = vouch_all(s, 0, err)) < 0)
        ph_session_abort(s);
    else
        rc = ph_session_commit(s, &upto, err);
    if (rc >= 0 && (rc = ph_log_flush(r->log, upto, err)) >= 0)
        rc = ph_identity_keep(r, err);
    if (rc >= 0)
        (void)snprintf(r->notice, sizeof r->notice,
                       "replica.key of %s was lost: it goes on under a new key and vouches for "
                       "what it had not signed",
                       r->path);
    return rc;
}

prophet_code ph_identity_vouch_former(ph_replica *r, prophet_error *err)
{
    ph_session *s;
    ph_replica_row own;
    uint32_t ridx;
    ph_position upto = 0;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_replicas_find(s->txn, &r->key, &ridx, err)) == PROPHET_OK &&
        (rc = ph_replicas_get(s->txn, ridx, &s->arena, &own, err)) == PROPHET_OK)
        rc = vouch_all(s, own.line, err);
    if (rc < 0 || s->payload_frames == 0) {
        ph_session_abort(s);
        return rc < 0 ? rc : PROPHET_OK;
    }
    return (rc = ph_session_commit(s, &upto, err)) < 0 ? rc : ph_log_flush(r->log, upto, err);
}
