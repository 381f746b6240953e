/* How far ahead and behind others are, as they stood when they were met last: what follows from the notes of them (meet.c), the file `seen` (seen.c) and the list
 * of remotes. Called by api/remote.c. */
#include "sync/meet_impl.h"

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
    for (size_t i = 0; i + NOTE_ROW <= beyond.len && rc >= 0; i += NOTE_ROW) {
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
    ph_sync_spans ahead_of = { 0 };
    size_t n, known_count = 0, rows = beyond.len / NOTE_ROW;
    prophet_code rc = ph_view_chains(v, &a, &own, &n, err);
    ph_id *wanted = rc < 0 ? NULL : ph_arena_alloc(&a, (n + 1) * sizeof *wanted);
    ph_id *known =
        rc < 0 ? NULL : ph_arena_alloc(&a, (heads.len / 32 + rows * (n + 1) + 1) * sizeof *known);
    if (rc >= 0 && (!wanted || !known))
        rc = ph_nomem(err);
    *ahead = 0;
    for (size_t i = 0; rc >= 0 && i < n; i++)
        wanted[i] = own[i].id;
    if (rc >= 0 && (rc = known_there(v, heads, beyond, own, n, known, &known_count, err)) >= 0) {
        const ph_sync_want want = { wanted, n, known, known_count };
        rc = ph_sync_select(v, &want, &ahead_of, ahead, err);
    }
    ph_free(ahead_of.at);
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
    for (size_t i = 0; i + NOTE_ROW <= beyond.len && rc >= 0; i += NOTE_ROW) {
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
    const ph_id *self; /* no peer, whatever a note of before says */
    ph_arena *a;
    const ph_buf *seen;
    PH_LIST(ph_sync_known) all;
} listing;

/* Two within a millisecond: a peer loses nothing, so the one that had more of what is here came later. */
static bool is_later(const ph_sync_known *a, const ph_sync_known *b)
{
    return a->written != b->written ? a->written > b->written : a->ahead < b->ahead;
}

/* Who was at a place last is there; and what is known of a peer is what it said last, wherever that was. Who has a place needs no row for its visits. */
static prophet_code keep_latest(listing *l, prophet_error *err)
{
    size_t all = l->all.count, n = 0;
    const ph_sync_known *at = l->all.at;
    ph_sync_known *kept = ph_arena_alloc(l->a, (all + 1) * sizeof *kept);
    if (!kept)
        return ph_nomem(err);
    for (size_t i = 0; i < all; i++) {
        const ph_sync_known *latest = &at[i];
        int64_t seen = at[i].seen;
        bool there = true;
        for (size_t j = 0; j < all; j++) {
            there =
                there && (strcmp(at[j].place, at[i].place) != 0 || at[j].written < at[i].written ||
                          (at[j].written == at[i].written && j <= i));
            if (!at[i].has_replica || !at[j].has_replica ||
                !ph_id_eq(&at[j].replica, &at[i].replica))
                continue;
            latest = is_later(&at[j], latest) ? &at[j] : latest;
            there = there && !(at[i].came && !at[j].came);
            seen = at[j].came && at[j].seen > seen ? at[j].seen : seen;
        }
        kept[n] = at[i];
        kept[n].ahead = latest->ahead;
        kept[n].behind = latest->behind;
        kept[n].seen = seen;
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
    ph_item path, more;
    prophet_slice heads;
    char place[PH_PATH_MAX];
    prophet_code rc;
    if (!sync_member(note, "path", &path) || path.kind != PH_TEXT || path.s.len >= sizeof place)
        return PROPHET_OK; /* of a later version */
    if ((rc = sync_note_heads(l->v, note, l->a, &heads, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    memcpy(place, path.s.data, path.s.len);
    place[path.s.len] = 0;
    char real[PH_PATH_MAX];
    sync_place_name(place, real);
    k.has_replica = sync_peer_of(name, &k.replica);
    if (k.has_replica && ph_id_eq(&k.replica, l->self))
        return PROPHET_OK;
    k.came = strncmp(real, NOTE_VISITOR, strlen(NOTE_VISITOR)) == 0;
    k.written = sync_written_at(note);
    if (!(k.place = ph_arena_str(l->a, ph_slice_str(real))))
        return ph_nomem(err);
    if (sync_member(note, "beyond", &more) && more.kind == PH_BYTES)
        beyond = more.s;
    if ((rc = count_ahead(l->v, heads, beyond, &k.ahead, err)) < 0 ||
        (rc = count_behind(l->v, beyond, &k.behind, err)) < 0)
        return rc;
    k.seen = sync_seen_at(l->seen, real);
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
    ph_sync_known k = { .name = r->name, .seen = sync_seen_at(l->seen, place) };
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
    listing l = { .v = v, .self = ph_replica_key(r), .a = a, .seen = &seen };
    prophet_remote *remotes;
    size_t n = 0;
    bool ok = true;
    prophet_code rc = sync_seen_read(r, path, &seen, err);
    if (rc >= 0 && (rc = ph_sync_remotes_read(ph_replica_path(r), a, &remotes, &n, err)) >= 0 &&
        (rc = sync_each_note(v, NOTE_PEER, add_note, &l, err)) >= 0 &&
        (rc = sync_each_note(v, NOTE_DEPOT, add_note, &l, err)) >= 0)
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
