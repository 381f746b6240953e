/* What a replica remembers of others it exchanged with. There is a local note for each place where a peer was met, "peer <key in hex> <hash of the place>", written when
 * it says something new:
 *
 *   {"path": text, "seen": time, "heads": bytes, "beyond": bytes, "digest": bytes32}
 *   {"last": bytes32, "path": text, "seen": time, "digest": bytes32, "version": int}
 *
 * path is the place where it was met (a URL without secrets, or a directory), heads the ids of its chains' heads that are known here, 32 bytes each, beyond
 * those that are not: replica 32, seq 8, id 32 bytes each. version: it had what is here up to that one, whose id is
 * last, and nothing else; so the note of each exchange does not grow with the number of writers. Depots have notes of their own (depot_note.c), where version may have exceptions. Called by local.c, live.c, visits.c, base.c and peers.c. */
#include "sync/meet_impl.h"
#include "sync/pick_impl.h"
#include <stdio.h>
#include <stdlib.h>

enum { PEER_KEY = 5 + 64, PEER_NAME = PEER_KEY + 1 + 16 };

/* ---- one place has one name ------------------------------------------------------------------------------------------------- */

static void cut_slashes(char *name, size_t least)
{
    for (size_t n = strlen(name); n > least && name[n - 1] == '/'; n--)
        name[n - 1] = 0;
}

/* What is not there any more (a stick) keeps the name it had: the directories above it are resolved, as far as they are there. */
static void name_path(const char *path, char out[PH_PATH_MAX])
{
    char above[PH_PATH_MAX], real[PH_PATH_MAX];
    if (realpath(path, out)) /* PATH_MAX is no more */
        return;
    (void)snprintf(out, PH_PATH_MAX, "%s", path);
    if (strlen(path) >= sizeof above)
        return;
    (void)snprintf(above, sizeof above, "%s", path);
    for (char *slash;;) {
        cut_slashes(above, 1);
        slash = strrchr(above, '/');
        size_t rest = slash ? (size_t)(slash - above) + 1 : 0;
        if (slash)
            slash[slash == above] = 0;
        if (realpath(slash ? above : ".", real)) {
            int n = snprintf(out, PH_PATH_MAX, "%s%s%s", real, real[1] ? "/" : "", path + rest);
            if (n < PH_PATH_MAX)
                cut_slashes(out, 1);
            return;
        }
        if (!slash || slash == above)
            return;
    }
}

void sync_place_name(const char *place, char out[PH_PATH_MAX])
{
    char path[PH_PATH_MAX];
    const bool file = ph_net_is_file(place) && ph_net_file_path(place, path, NULL) >= 0;
    const bool visitor = strncmp(place, NOTE_VISITOR, sizeof NOTE_VISITOR - 1) == 0;
    if (file || (!visitor && !ph_net_is_url(place, NULL))) {
        name_path(file ? path : place, out);
        return;
    }
    ph_net_show(place, out, PH_PATH_MAX);
    cut_slashes(out, 0);
}

/* Do the two name one thing? name was made by sync_place_name. */
static bool is_place(prophet_slice path, const char *name)
{
    char known[PH_PATH_MAX], other[PH_PATH_MAX];
    if (path.len >= sizeof known)
        return false;
    memcpy(known, path.data, path.len);
    known[path.len] = 0;
    sync_place_name(known, other);
    return strcmp(other, name) == 0;
}

/* ---- notes -------------------------------------------------------------------------------------------------------------------- */

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

static void put_bytes(ph_buf *out, const char *name, prophet_slice bytes)
{
    ph_put_text(out, ph_slice_str(name));
    ph_put_bytes(out, bytes);
}

static prophet_code is_equal(ph_view *v, const sync_meeting *m, bool *yes, prophet_error *err)
{
    uint8_t own[32];
    prophet_code rc = ph_view_digest(v, own, err);
    *yes = rc >= 0 && memcmp(own, m->digest, sizeof own) == 0;
    return rc;
}

/* The heads it has: those that are here, and others. */
static prophet_code sort_out(ph_view *v, const sync_meeting *m, ph_buf *heads, ph_buf *beyond,
                             prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < m->count + m->more_count && rc >= 0; i++) {
        const ph_chain_head *h = i < m->count ? &m->has[i] : &m->more[i - m->count];
        uint64_t version;
        if ((rc = ph_view_version_of(v, &h->id, &version, err)) == PROPHET_OK) {
            ph_buf_put(heads, h->id.b, 32);
        } else if (rc == PROPHET_DONE) {
            ph_buf_put(beyond, h->replica.b, 32);
            ph_buf_u64be(beyond, h->seq);
            ph_buf_put(beyond, h->id.b, 32);
        }
    }
    return rc < 0 ? rc : heads->failed || beyond->failed ? ph_nomem(err) : PROPHET_OK;
}

/* The note as it would be written now. */
static prophet_code describe(ph_view *v, const sync_meeting *m, const char *name, int64_t now,
                             ph_buf *out, prophet_error *err)
{
    ph_buf heads = PH_BUF_INIT, beyond = PH_BUF_INIT;
    ph_changeset_row last;
    bool equal;
    prophet_code rc = sort_out(v, m, &heads, &beyond, err);
    if (rc < 0 || (rc = is_equal(v, m, &equal, err)) < 0)
        goto done;
    equal = equal && beyond.len == 0 && v->state.version > 0;
    if (equal && (rc = ph_changesets_get(v->txn, v->state.version, &last, err)) < 0)
        goto done;
    equal = equal && rc == PROPHET_OK;
    ph_put_map(out, equal || beyond.len ? 5 : 4);
    if (equal)
        put_bytes(out, "last", ph_slice(last.id.b, sizeof last.id.b));
    ph_put_text(out, ph_slice_str("path"));
    ph_put_text(out, ph_slice_str(name));
    ph_put_text(out, ph_slice_str("seen"));
    ph_put_time(out, now);
    if (!equal)
        put_bytes(out, "heads", ph_buf_slice(&heads));
    if (beyond.len)
        put_bytes(out, "beyond", ph_buf_slice(&beyond));
    put_bytes(out, "digest", ph_slice(m->digest, 32));
    if (equal) {
        ph_put_text(out, ph_slice_str("version"));
        ph_put_uint(out, v->state.version);
    }
    rc = out->failed ? ph_nomem(err) : PROPHET_OK;

done:
    ph_buf_clear(&heads);
    ph_buf_clear(&beyond);
    return rc;
}

/* The time alone is no news; nor what is here beyond a version, where the peer has what it had. */
static bool says_more(prophet_slice old, prophet_slice new)
{
    static const char *const members[] = { "path", "digest", "beyond", "heads" };
    ph_item a, b;
    if (sync_member(old, "last", &a) && sync_member(new, "last", &b) && !ph_slice_eq(a.s, b.s))
        return true; /* versions were counted anew */
    size_t count = sizeof members / sizeof *members - sync_member(old, "version", &a);
    for (size_t i = 0; i < count; i++) {
        bool had = sync_member(old, members[i], &a), has = sync_member(new, members[i], &b);
        if (had != has || (had && !ph_slice_eq(a.s, b.s)))
            return true;
    }
    return false;
}

static prophet_code write_note(ph_replica *r, prophet_slice name, prophet_slice value,
                               prophet_error *err)
{
    ph_change_txn *c;
    prophet_code rc = ph_change_begin(r, ph_slice(NULL, 0), &c, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_change_local(c, name, value, err)) < 0)
        ph_change_abort(c);
    else
        rc = ph_change_commit(c, NULL, NULL, err);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code name_note(const ph_id *peer, const char *place, char out[PEER_NAME + 1],
                              prophet_error *err)
{
    const prophet_slice text = ph_slice_str(place);
    uint8_t hash[32];
    char key[65], hex[17];
    ph_hasher *h;
    prophet_code rc = ph_hasher_new(&h, err);
    if (rc < 0)
        return rc;
    rc = ph_hash_sha256(h, &text, 1, hash, err);
    ph_hasher_free(h);
    ph_hex(peer->b, 32, key);
    ph_hex(hash, 8, hex);
    (void)snprintf(out, PEER_NAME + 1, NOTE_PEER "%s %s", key, hex);
    return rc;
}

prophet_code sync_beyond_of(ph_view *v, const ph_id *peer, const char *place, prophet_slice *out,
                            prophet_error *err)
{
    char name[PEER_NAME + 1];
    prophet_slice note;
    ph_item beyond;
    prophet_code rc = name_note(peer, place, name, err);
    *out = ph_slice(NULL, 0);
    if (rc < 0 ||
        (rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &note, err)) != PROPHET_OK)
        return rc;
    if (sync_member(note, "beyond", &beyond) && beyond.kind == PH_BYTES)
        *out = beyond.s;
    return PROPHET_OK;
}

bool sync_peer_of(prophet_slice name, ph_id *out)
{
    return name.len >= PEER_KEY && memcmp(name.data, NOTE_PEER, sizeof NOTE_PEER - 1) == 0 &&
           ph_unhex((const char *)name.data + sizeof NOTE_PEER - 1, 64, out->b, 32);
}

int64_t sync_written_at(prophet_slice note)
{
    ph_item seen;
    return sync_member(note, "seen", &seen) && seen.kind == PH_TIME ? seen.i : 0;
}

prophet_code sync_note(ph_replica *r, const sync_meeting *m, prophet_error *err)
{
    char name[PEER_NAME + 1], place[PH_PATH_MAX];
    ph_buf value = PH_BUF_INIT;
    prophet_slice old;
    bool news = false;
    ph_view *v;
    sync_place_name(m->place, place);
    if (ph_replica_readonly(r) || !ph_utf8_valid(place, strlen(place)))
        return PROPHET_OK; /* nothing that could be shown again */
    const int64_t now = ph_replica_now(r);
    prophet_code rc = name_note(&m->replica, place, name, err);
    if (rc < 0 || (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    if ((rc = describe(v, m, place, now, &value, err)) >= 0 &&
        (rc = ph_txn_get(v->txn, PH_T_LOCAL, ph_slice_str(name), &old, err)) >= 0)
        news = rc == PROPHET_DONE || says_more(old, ph_buf_slice(&value));
    ph_view_end(v);
    if (news)
        rc = write_note(r, ph_slice_str(name), ph_buf_slice(&value), err);
    ph_buf_clear(&value);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code what_it_has(ph_replica *r, ph_arena *a, sync_meeting *m, prophet_error *err)
{
    ph_chain_head *heads;
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_digest(v, m->digest, err)) >= 0 &&
        (rc = ph_view_chains(v, a, &heads, &m->count, err)) >= 0)
        m->has = heads;
    ph_view_end(v);
    return rc;
}

prophet_code sync_met(ph_replica *r, ph_replica *peer, prophet_error *err)
{
    sync_meeting m = { .replica = *ph_replica_key(peer), .place = ph_replica_path(peer) };
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = what_it_has(peer, &a, &m, err);
    if (rc >= 0)
        rc = sync_note(r, &m, err);
    ph_arena_clear(&a);
    return rc;
}

/* ---- asking the notes ----------------------------------------------------------------------------------------------------------- */

prophet_code sync_each_note(ph_view *v, const char *kind, sync_note_fn fn, void *ctx,
                            prophet_error *err)
{
    const prophet_slice from = ph_slice_str(kind);
    prophet_slice name, value;
    ph_cursor *c;
    prophet_code rc = ph_cursor_open(v->txn, PH_T_LOCAL, &c, err);
    if (rc < 0)
        return rc;
    for (rc = ph_cursor_seek(c, from, &name, &value, err);
         rc == PROPHET_OK && name.len > from.len && memcmp(name.data, from.data, from.len) == 0;
         rc = ph_cursor_next(c, &name, &value, err))
        if ((rc = fn(ctx, name, value, err)) != PROPHET_OK)
            break;
    ph_cursor_close(c);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Takes out the heads of these writers, and adds those that are told of them. */
static prophet_code make_exceptions(ph_view *v, prophet_slice note, const ph_id *ids, size_t count,
                                    ph_arena *a, prophet_slice *out, prophet_error *err)
{
    ph_item except = { .kind = PH_BYTES }, heads = { .kind = PH_BYTES };
    size_t kept = 0, more = 0;
    if (sync_member(note, "heads", &heads) && heads.kind == PH_BYTES)
        more = heads.s.len / 32;
    ph_id *all = ph_arena_alloc(a, (count + more + 1) * sizeof *all);
    bool *left_out = ph_arena_zalloc(a, (size_t)v->state.replicas + 1);
    prophet_code rc = all && left_out ? PROPHET_OK : ph_nomem(err);
    if (!sync_member(note, "except", &except) || except.kind != PH_BYTES)
        except.s = ph_slice(NULL, 0);
    for (size_t at = 0; at + 32 <= except.s.len && rc >= 0; at += 32) {
        ph_id key;
        uint32_t ridx;
        memcpy(key.b, (const uint8_t *)except.s.data + at, 32);
        if ((rc = ph_replicas_find(v->txn, &key, &ridx, err)) == PROPHET_OK)
            left_out[ridx] = true;
    }
    for (size_t i = 0; i < count && rc >= 0; i++) {
        ph_changeset_row row;
        uint64_t version;
        if ((rc = ph_view_version_of(v, &ids[i], &version, err)) == PROPHET_OK &&
            (rc = ph_changesets_get(v->txn, version, &row, err)) == PROPHET_OK &&
            !left_out[row.ridx])
            all[kept++] = ids[i];
    }
    if (rc >= 0 && more)
        memcpy(all + kept, heads.s.data, more * 32);
    *out = ph_slice(all, (kept + more) * sizeof *all);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code sync_note_heads(ph_view *v, prophet_slice note, ph_arena *a, prophet_slice *out,
                             prophet_error *err)
{
    char since[24];
    ph_item item, last;
    ph_changeset_row row;
    ph_id *ids;
    size_t count;
    bool ok = true;
    if (!sync_member(note, "version", &item)) {
        if (!sync_member(note, "heads", &item) || item.kind != PH_BYTES)
            return PROPHET_DONE;
        *out = ph_arena_copy(a, item.s, &ok);
        return ok ? PROPHET_OK : ph_nomem(err);
    }
    if (item.kind != PH_INT || item.i < 1 || (uint64_t)item.i > v->state.version)
        return PROPHET_DONE;
    prophet_code rc = ph_changesets_get(v->txn, (uint64_t)item.i, &row, err);
    if (rc != PROPHET_OK || !sync_member(note, "last", &last) || last.s.len != sizeof row.id.b ||
        memcmp(last.s.data, row.id.b, sizeof row.id.b) != 0)
        return rc < 0 ? rc : PROPHET_DONE; /* versions are others since the log was damaged */
    (void)snprintf(since, sizeof since, "%lld", (long long)item.i);
    if ((rc = sync_base_of(v, since, a, &ids, &count, err)) < 0)
        return rc;
    return make_exceptions(v, note, ids, count, a, out, err);
}

typedef struct recall {
    ph_view *v;       /* NULL: the heads are not asked for */
    const char *name; /* of the place */
    ph_arena *a;
    prophet_slice heads;
    ph_id peer;
    int64_t written;
    bool found;
} recall;

static prophet_code recall_one(void *ctx, prophet_slice name, prophet_slice note,
                               prophet_error *err)
{
    recall *r = ctx;
    ph_item path;
    int64_t written = sync_written_at(note);
    prophet_code rc = PROPHET_OK;
    if (!sync_member(note, "path", &path) || !is_place(path.s, r->name) ||
        (r->found && written < r->written))
        return PROPHET_OK; /* of another place, or of who was there before */
    if (r->v && (rc = sync_note_heads(r->v, note, r->a, &r->heads, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    (void)sync_peer_of(name, &r->peer); /* of a depot: nobody */
    r->written = written;
    r->found = true;
    return PROPHET_OK;
}

prophet_code sync_recall(ph_view *v, const char *place, prophet_slice *heads, prophet_error *err)
{
    char name[PH_PATH_MAX];
    recall r = { .v = v, .name = name, .a = &v->arena };
    sync_place_name(place, name);
    prophet_code rc = sync_each_note(v, NOTE_PEER, recall_one, &r, err);
    if (rc >= 0 && !r.found)
        rc = sync_each_note(v, NOTE_DEPOT, recall_one, &r, err);
    *heads = r.heads;
    return rc < 0 ? rc : r.found ? PROPHET_OK : PROPHET_DONE;
}

/* Of the replica met at this place last; its heads in the arena. */
static prophet_code recall_peer(ph_replica *r, const char *place, ph_arena *a, recall *out,
                                prophet_error *err)
{
    char name[PH_PATH_MAX];
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    *out = (recall){ .name = name, .a = a };
    sync_place_name(place, name);
    rc = sync_each_note(v, NOTE_PEER, recall_one, out, err);
    ph_view_end(v);
    out->name = NULL;
    return rc;
}

prophet_code sync_knows(ph_replica *r, const char *place, bool *yes, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    recall found = { .found = false };
    prophet_code rc = recall_peer(r, place, &a, &found, err);
    *yes = found.found;
    ph_arena_clear(&a);
    return rc;
}

prophet_code sync_note_equal(ph_replica *r, const char *place, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    recall found = { .found = false };
    sync_meeting m = { .place = place };
    prophet_code rc = recall_peer(r, place, &a, &found, err);
    m.replica = found.peer;
    if (rc >= 0 && found.found && (rc = what_it_has(r, &a, &m, err)) >= 0)
        rc = sync_note(r, &m, err);
    ph_arena_clear(&a);
    return rc < 0 ? rc : found.found ? PROPHET_OK : PROPHET_DONE;
}
