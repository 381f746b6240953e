/* What a replica remembers of others it exchanged with, and what follows from it: how far ahead and behind they are. There is a local note for each place where a peer
 * was met, "peer <key in hex> <hash of the place>", written when it says something new:
 *
 *   {"path": text, "seen": time, "heads": bytes, "beyond": bytes, "digest": bytes32}
 *
 * path is the place where it was met (a URL without secrets, or a directory), heads the ids of its chains' heads that are known here, 32 bytes each, beyond
 * those that are not: replica 32, seq 8, id 32 bytes each. Depots have notes of their own (depot_note.c). When a place was seen last changes with every
 * exchange, so it is kept beside the log, in the file `seen`: lines of milliseconds and place. It is a hint: not synced, and nothing is lost with it.
 * Called by local.c, live.c, source.c, base.c and api/remote.c. */
#include "sync/sync_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEER  "peer "
#define DEPOT "depot "
enum { ROW = 32 + 8 + 32, PEER_KEY = 5 + 64, PEER_NAME = PEER_KEY + 1 + 16, SEEN_MAX = 1 << 18 };

/* ---- one place has one name ------------------------------------------------------------------------------------------------- */

void sync_place_name(const char *place, char out[PH_PATH_MAX])
{
    char scheme[32];
    if (!ph_net_is_url(place, scheme)) {
        if (!realpath(place, out)) /* PATH_MAX is no more */
            (void)snprintf(out, PH_PATH_MAX, "%s", place);
        return;
    }
    ph_net_show(place, out, PH_PATH_MAX);
    for (size_t n = strlen(out); n > 0 && out[n - 1] == '/'; n--)
        out[n - 1] = 0;
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

/* *news: the old note does not say this. */
static prophet_code describe(ph_view *v, const sync_meeting *m, const char *name, ph_buf *out,
                             prophet_error *err)
{
    ph_buf heads = PH_BUF_INIT, beyond = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < m->count + m->more_count && rc >= 0; i++) {
        const ph_chain_head *h = i < m->count ? &m->has[i] : &m->more[i - m->count];
        uint64_t version;
        if ((rc = ph_view_version_of(v, &h->id, &version, err)) == PROPHET_OK) {
            ph_buf_put(&heads, h->id.b, 32);
        } else if (rc == PROPHET_DONE) {
            ph_buf_put(&beyond, h->replica.b, 32);
            ph_buf_u64be(&beyond, h->seq);
            ph_buf_put(&beyond, h->id.b, 32);
        }
    }
    ph_put_map(out, beyond.len ? 5 : 4);
    ph_put_text(out, ph_slice_str("path"));
    ph_put_text(out, ph_slice_str(name));
    ph_put_text(out, ph_slice_str("seen"));
    ph_put_time(out, ph_now_ms());
    put_bytes(out, "heads", ph_buf_slice(&heads));
    if (beyond.len)
        put_bytes(out, "beyond", ph_buf_slice(&beyond));
    put_bytes(out, "digest", ph_slice(m->digest, 32));
    out->failed = out->failed || heads.failed || beyond.failed;
    ph_buf_clear(&heads);
    ph_buf_clear(&beyond);
    return rc < 0 ? rc : out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* The time alone is no news. */
static bool says_more(prophet_slice old, prophet_slice new)
{
    static const char *const members[] = { "path", "heads", "beyond", "digest" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        ph_item a, b;
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
    (void)snprintf(out, PEER_NAME + 1, PEER "%s %s", key, hex);
    return rc;
}

/* Whose note it is; false: a depot's. */
static bool peer_of(prophet_slice name, ph_id *out)
{
    return name.len >= PEER_KEY && memcmp(name.data, PEER, sizeof PEER - 1) == 0 &&
           ph_unhex((const char *)name.data + sizeof PEER - 1, 64, out->b, 32);
}

/* When it was written; 0: it does not say. */
static int64_t written_at(prophet_slice note)
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
    prophet_code rc = name_note(&m->replica, place, name, err);
    if (rc < 0 || (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    if ((rc = describe(v, m, place, &value, err)) >= 0 &&
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

typedef prophet_code (*note_fn)(void *ctx, prophet_slice name, prophet_slice note,
                                prophet_error *err);

/* Each note of these; PROPHET_DONE from fn ends it. */
static prophet_code each_note(ph_view *v, const char *kind, note_fn fn, void *ctx,
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

typedef struct recall {
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
    ph_item path, ids;
    int64_t written = written_at(note);
    bool ok = true;
    if (!sync_member(note, "path", &path) || !sync_member(note, "heads", &ids) ||
        !is_place(path.s, r->name) || (r->found && written < r->written))
        return PROPHET_OK;         /* of another place, or of who was there before */
    (void)peer_of(name, &r->peer); /* of a depot: nobody */
    r->heads = ph_arena_copy(r->a, ids.s, &ok);
    r->written = written;
    r->found = true;
    return ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code sync_recall(ph_view *v, const char *place, prophet_slice *heads, prophet_error *err)
{
    char name[PH_PATH_MAX];
    recall r = { .name = name, .a = &v->arena };
    sync_place_name(place, name);
    prophet_code rc = each_note(v, PEER, recall_one, &r, err);
    if (rc >= 0 && !r.found)
        rc = each_note(v, DEPOT, recall_one, &r, err);
    *heads = r.heads;
    return rc < 0 ? rc : r.found ? PROPHET_OK : PROPHET_DONE;
}

prophet_code sync_note_equal(ph_replica *r, const char *place, prophet_error *err)
{
    char name[PH_PATH_MAX];
    ph_arena a = PH_ARENA_INIT;
    recall found = { .name = name, .a = &a };
    sync_meeting m = { .place = place };
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    sync_place_name(place, name);
    rc = each_note(v, PEER, recall_one, &found, err);
    ph_view_end(v);
    m.replica = found.peer;
    if (rc >= 0 && found.found && (rc = what_it_has(r, &a, &m, err)) >= 0)
        rc = sync_note(r, &m, err);
    ph_arena_clear(&a);
    return rc < 0 ? rc : found.found ? PROPHET_OK : PROPHET_DONE;
}

/* ---- seen -------------------------------------------------------------------------------------------------------------------------- */

static bool next_seen(const char **at, const char *end, int64_t *ms, prophet_slice *place)
{
    while (*at < end) {
        const char *stop = memchr(*at, '\n', (size_t)(end - *at)), *from = *at;
        char number[24];
        if (!stop)
            return false; /* cut off */
        const char *space = memchr(from, ' ', (size_t)(stop - from));
        *at = stop + 1;
        if (!space || (size_t)(space - from) >= sizeof number)
            continue;
        memcpy(number, from, (size_t)(space - from));
        number[space - from] = 0;
        *ms = strtoll(number, NULL, 10);
        *place = ph_slice(space + 1, (size_t)(stop - space - 1));
        return true;
    }
    return false;
}

static prophet_code read_seen(ph_replica *r, char path[PH_PATH_MAX], ph_buf *out,
                              prophet_error *err)
{
    prophet_code rc = ph_path_join(path, PH_PATH_MAX, ph_replica_path(r), "seen", err);
    if (rc >= 0 && (rc = ph_file_slurp(path, SEEN_MAX, out, NULL)) == PROPHET_EMEMORY)
        return ph_nomem(err);
    return rc == PROPHET_OK || ph_path_exists(ph_replica_path(r)) ? PROPHET_OK : rc;
}

/* A hint: that it cannot be written is no failure of an exchange. */
void sync_saw(ph_replica *r, const char *place)
{
    char path[PH_PATH_MAX], name[PH_PATH_MAX];
    ph_buf old = PH_BUF_INIT, new = PH_BUF_INIT;
    prophet_slice other;
    int64_t ms;
    sync_place_name(place, name);
    if (ph_replica_readonly(r) || !ph_utf8_valid(name, strlen(name)) || strchr(name, '\n') ||
        read_seen(r, path, &old, NULL) < 0)
        goto done;
    ph_buf_printf(&new, "%lld %s\n", (long long)ph_now_ms(), name);
    for (const char *at = (const char *)old.data, *end = at + old.len;
         new.len < SEEN_MAX / 2 && next_seen(&at, end, &ms, &other);)
        if (!ph_slice_eq(other, ph_slice_str(name)))
            ph_buf_printf(&new, "%lld %.*s\n", (long long)ms, PH_FMT(other));
    if (new.failed)
        goto done;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) { /* not cut to nothing before: file systems make a flush of that */
        if (ph_file_write(fd, new.data, new.len, 0, NULL) < 0 ||
            ftruncate(fd, (off_t) new.len) != 0)
            errno = 0;
        (void)close(fd);
    }
done:
    ph_buf_clear(&old);
    ph_buf_clear(&new);
}

static int64_t seen_at(const ph_buf *seen, const char *name)
{
    prophet_slice place;
    int64_t ms;
    for (const char *at = (const char *)seen->data, *end = at + seen->len;
         next_seen(&at, end, &ms, &place);)
        if (ph_slice_eq(place, ph_slice_str(name)))
            return ms;
    return 0;
}

/* ---- ahead and behind --------------------------------------------------------------------------------------------------------------- */

/* What of ours a peer has whose heads these are; those beyond may have come since, else their chain goes on over there. */
static prophet_code known_there(ph_view *v, prophet_slice heads, prophet_slice beyond,
                                const ph_chain_head *own, size_t n, ph_id *out, size_t *count,
                                prophet_error *err)
{
    const uint8_t *at = beyond.data;
    prophet_code rc = PROPHET_OK;
    *count = heads.len / 32;
    if (*count)
        memcpy(out, heads.data, *count * 32);
    for (size_t i = 0; i + ROW <= beyond.len && rc >= 0; i += ROW) {
        uint64_t version;
        ph_id id;
        memcpy(id.b, at + i + 40, 32);
        if ((rc = ph_view_version_of(v, &id, &version, err)) == PROPHET_OK)
            out[(*count)++] = id;
        for (size_t k = 0; k < n && rc == PROPHET_DONE; k++)
            if (memcmp(own[k].replica.b, at + i, 32) == 0 && own[k].seq < ph_u64be(at + i + 32))
                out[(*count)++] = own[k].id;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* Changesets here that a peer with these heads lacks. */
static prophet_code count_ahead(ph_view *v, prophet_slice heads, prophet_slice beyond,
                                uint64_t *ahead, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head *own;
    uint64_t *versions;
    size_t n, count = 0, known_count = 0, rows = beyond.len / ROW;
    prophet_code rc = ph_view_chains(v, &a, &own, &n, err);
    ph_id *wanted = rc < 0 ? NULL : ph_arena_alloc(&a, (n + 1) * sizeof *wanted);
    ph_id *known =
        rc < 0 ? NULL : ph_arena_alloc(&a, (heads.len / 32 + rows * (n + 1) + 1) * sizeof *known);
    if (rc >= 0 && (!wanted || !known))
        rc = ph_nomem(err);
    for (size_t i = 0; rc >= 0 && i < n; i++)
        wanted[i] = own[i].id;
    if (rc >= 0 && (rc = known_there(v, heads, beyond, own, n, known, &known_count, err)) >= 0) {
        const ph_sync_want want = { wanted, n, known, known_count };
        rc = ph_sync_select(v, &want, &a, &versions, &count, err);
    }
    *ahead = count;
    ph_arena_clear(&a);
    return rc;
}

/* Of each chain that goes on over there: how much further. */
static prophet_code count_behind(ph_view *v, prophet_slice beyond, uint64_t *behind,
                                 prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head *own;
    size_t n;
    const uint8_t *at = beyond.data;
    prophet_code rc = ph_view_chains(v, &a, &own, &n, err);
    *behind = 0;
    for (size_t i = 0; i + ROW <= beyond.len && rc >= 0; i += ROW) {
        uint64_t seq = ph_u64be(at + i + 32), least = 0, version;
        ph_id id;
        memcpy(id.b, at + i + 40, 32);
        if ((rc = ph_view_version_of(v, &id, &version, err)) != PROPHET_DONE)
            continue; /* it came since */
        for (size_t k = 0; k < n; k++)
            if (memcmp(own[k].replica.b, at + i, 32) == 0 && own[k].seq < seq && own[k].seq > least)
                least = own[k].seq;
        *behind += seq - least;
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    ph_view *v;
    ph_arena *a;
    const ph_buf *seen;
    PH_LIST(ph_sync_known) all;
} listing;

/* Two within a millisecond: a peer loses nothing, so the one that had more of what is here came later. */
static bool is_later(const ph_sync_known *a, const ph_sync_known *b)
{
    return a->written != b->written ? a->written > b->written : a->ahead < b->ahead;
}

/* Who was at a place last is there; and what is known of a peer is what it said last, wherever that was. */
static prophet_code keep_latest(listing *l, prophet_error *err)
{
    size_t all = l->all.count, n = 0;
    const ph_sync_known *at = l->all.at;
    ph_sync_known *kept = ph_arena_alloc(l->a, (all + 1) * sizeof *kept);
    if (!kept)
        return ph_nomem(err);
    for (size_t i = 0; i < all; i++) {
        const ph_sync_known *latest = &at[i];
        bool there = true;
        for (size_t j = 0; j < all; j++) {
            there =
                there && (strcmp(at[j].place, at[i].place) != 0 || at[j].written < at[i].written ||
                          (at[j].written == at[i].written && j <= i));
            if (at[i].has_replica && at[j].has_replica &&
                ph_id_eq(&at[j].replica, &at[i].replica) && is_later(&at[j], latest))
                latest = &at[j];
        }
        kept[n] = at[i];
        kept[n].ahead = latest->ahead;
        kept[n].behind = latest->behind;
        n += there;
    }
    if (n)
        memcpy(l->all.at, kept, n * sizeof *kept);
    l->all.count = n;
    return PROPHET_OK;
}

static prophet_code add_note(void *ctx, prophet_slice name, prophet_slice note, prophet_error *err)
{
    listing *l = ctx;
    ph_sync_known k = { .met = true };
    prophet_slice beyond = ph_slice(NULL, 0);
    ph_item path, heads, more;
    char place[PH_PATH_MAX];
    prophet_code rc;
    if (!sync_member(note, "path", &path) || !sync_member(note, "heads", &heads) ||
        path.kind != PH_TEXT || path.s.len >= sizeof place || heads.kind != PH_BYTES)
        return PROPHET_OK; /* of a later version */
    memcpy(place, path.s.data, path.s.len);
    place[path.s.len] = 0;
    char real[PH_PATH_MAX];
    sync_place_name(place, real);
    k.has_replica = peer_of(name, &k.replica);
    k.written = written_at(note);
    if (!(k.place = ph_arena_str(l->a, ph_slice_str(real))))
        return ph_nomem(err);
    if (sync_member(note, "beyond", &more) && more.kind == PH_BYTES)
        beyond = more.s;
    if ((rc = count_ahead(l->v, heads.s, beyond, &k.ahead, err)) < 0 ||
        (rc = count_behind(l->v, beyond, &k.behind, err)) < 0)
        return rc;
    k.seen = seen_at(l->seen, real);
    if (k.seen == 0 && sync_member(note, "seen", &more) && more.kind == PH_TIME)
        k.seen = more.i;
    return PH_PUSH(l->all, k) ? PROPHET_OK : ph_nomem(err);
}

/* What was met under the name's place, else a new one of which nothing is known. */
static prophet_code add_remote(listing *l, const prophet_remote *r, prophet_error *err)
{
    char place[PH_PATH_MAX];
    sync_place_name(r->url, place);
    for (size_t i = 0; i < l->all.count; i++)
        if (strcmp(l->all.at[i].place, place) == 0) {
            if (!l->all.at[i].name) {
                l->all.at[i].name = r->name;
                return PROPHET_OK;
            }
            ph_sync_known again = l->all.at[i];
            again.name = r->name;
            return PH_PUSH(l->all, again) ? PROPHET_OK : ph_nomem(err);
        }
    ph_sync_known k = { .name = r->name, .seen = seen_at(l->seen, place) };
    k.place = ph_arena_str(l->a, ph_slice_str(place));
    return k.place && PH_PUSH(l->all, k) ? PROPHET_OK : ph_nomem(err);
}

/* Those with a name first. */
static int by_name(const void *a, const void *b)
{
    const ph_sync_known *x = a, *y = b;
    if (!x->name != !y->name)
        return x->name ? -1 : 1;
    int c = x->name ? strcmp(x->name, y->name) : 0;
    return c ? c : strcmp(x->place, y->place);
}

prophet_code ph_sync_peers(ph_replica *r, ph_view *v, ph_arena *a, ph_sync_known **out,
                           size_t *count, prophet_error *err)
{
    char path[PH_PATH_MAX];
    ph_buf seen = PH_BUF_INIT;
    listing l = { .v = v, .a = a, .seen = &seen };
    prophet_remote *remotes;
    size_t n = 0;
    bool ok = true;
    prophet_code rc = read_seen(r, path, &seen, err);
    if (rc >= 0 && (rc = ph_sync_remotes_read(ph_replica_path(r), a, &remotes, &n, err)) >= 0 &&
        (rc = each_note(v, PEER, add_note, &l, err)) >= 0 &&
        (rc = each_note(v, DEPOT, add_note, &l, err)) >= 0)
        rc = keep_latest(&l, err);
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = add_remote(&l, &remotes[i], err);
    if (rc >= 0 && l.all.count)
        ph_sort(l.all.at, l.all.count, sizeof *l.all.at, by_name);
    prophet_slice copy = ph_arena_copy(a, ph_slice(l.all.at, l.all.count * sizeof *l.all.at), &ok);
    *out = (ph_sync_known *)(uintptr_t)copy.data;
    *count = rc < 0 ? 0 : l.all.count;
    ph_free(l.all.at);
    ph_buf_clear(&seen);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}
