/* Forgets a place, or who came here: the notes of it, and when it was seen. A remote of that place stays, as one that was never met. Called by api/remote.c. */
#include "sync/meet_impl.h"

enum { KEY_LEAST = 8 }; /* hex digits that name who came here */

typedef struct found {
    prophet_slice name; /* of the note */
    const char *place;  /* NULL: it belongs to the one before it */
} found;

typedef struct wanted {
    const char *place, *key; /* key: what the id of a visitor begins with; NULL: it cannot be one */
    ph_arena *a;
    PH_LIST(found) all;
} wanted;

static bool fits(const wanted *w, const char *place)
{
    const size_t n = strlen(NOTE_VISITOR);
    if (strncmp(place, NOTE_VISITOR, n) == 0)
        return w->key && strncmp(place + n, w->key, strlen(w->key)) == 0;
    return strcmp(place, w->place) == 0;
}

/* A depot's publishers have notes behind its own, which is what theirs begin with. */
static bool belongs(const wanted *w, prophet_slice name)
{
    size_t i = w->all.count;
    while (i > 0 && !w->all.at[i - 1].place)
        i--;
    const prophet_slice own = i ? w->all.at[i - 1].name : ph_slice(NULL, 0);
    return own.len > strlen(NOTE_DEPOT) && name.len > own.len &&
           memcmp(own.data, NOTE_DEPOT, strlen(NOTE_DEPOT)) == 0 &&
           memcmp(name.data, own.data, own.len) == 0;
}

static prophet_code look(void *ctx, prophet_slice name, prophet_slice note, prophet_error *err)
{
    wanted *w = ctx;
    char path[PH_PATH_MAX], place[PH_PATH_MAX];
    ph_item item;
    bool ok = true;
    if (belongs(w, name)) {
        const found f = { ph_arena_copy(w->a, name, &ok), NULL };
        return ok && PH_PUSH(w->all, f) ? PROPHET_OK : ph_nomem(err);
    }
    if (!sync_member(note, "path", &item) || item.kind != PH_TEXT || item.s.len >= sizeof path)
        return PROPHET_OK; /* of a later version */
    memcpy(path, item.s.data, item.s.len);
    path[item.s.len] = 0;
    sync_place_name(path, place);
    if (!fits(w, place))
        return PROPHET_OK;
    const found f = { ph_arena_copy(w->a, name, &ok), ph_arena_str(w->a, ph_slice_str(place)) };
    return ok && f.place && PH_PUSH(w->all, f) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code take_away(ph_replica *r, const wanted *w, prophet_error *err)
{
    ph_change_txn *c;
    prophet_code rc = ph_change_begin(r, ph_slice(NULL, 0), &c, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < w->all.count && rc >= 0; i++)
        rc = ph_change_local(c, w->all.at[i].name, ph_slice(NULL, 0), err);
    if (rc < 0)
        ph_change_abort(c);
    else
        rc = ph_change_commit(c, NULL, NULL, err);
    for (size_t i = 0; i < w->all.count && rc >= 0; i++)
        if (w->all.at[i].place)
            sync_unsaw(r, w->all.at[i].place);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_sync_forget(ph_replica *r, const char *what, prophet_error *err)
{
    char place[PH_PATH_MAX];
    ph_arena a = PH_ARENA_INIT;
    const size_t digits = strspn(what, "0123456789abcdef");
    wanted w = { .place = place,
                 .key = !what[digits] && digits >= KEY_LEAST ? what : NULL,
                 .a = &a };
    ph_view *v;
    sync_place_name(what, place);
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = sync_each_note(v, NOTE_PEER, look, &w, err)) >= 0)
        rc = sync_each_note(v, NOTE_DEPOT, look, &w, err);
    ph_view_end(v);
    if (rc >= 0 && w.all.count == 0) {
        rc = ph_fail(err, PROPHET_ENOTFOUND, "%s was never met", what);
        ph_hint(err, "prophet peers lists what was; who came here is named by the start of its id");
    } else if (rc >= 0) {
        rc = take_away(r, &w, err);
    }
    ph_free(w.all.at);
    ph_arena_clear(&a);
    return rc;
}
