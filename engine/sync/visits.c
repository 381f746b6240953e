/* Who came to this replica over a wire, and what it has: told by its own messages, so it costs no question. A server keeps visits for a moment and writes them down when it
 * has nothing else to do. A visitor has no place where it could be met: its note's path is "visitor <key in hex>". Who visits may claim to be anybody, so what is kept is
 * bounded: of those who wrote nothing that is here only some. Called by serve. */
#include "sync/meet_impl.h"

enum {
    WAITING_MOST = 256, /* visits that are not written down yet */
    HEADS_MOST = 4096,  /* of one that offers */
    STRANGERS_MOST = 100
};

struct ph_sync_visit {
    ph_sync_visit *next;
    ph_id who;
    uint8_t digest[32];
    ph_chain_head *has, *more; /* heads of the chains it has; more: that it had before */
    size_t count, more_count;
    bool all; /* has is all of it */
};

static ph_chain_head *copy_of(const ph_chain_head *heads, size_t count)
{
    ph_chain_head *copy = ph_zalloc((count + 1) * sizeof *copy);
    if (copy && count)
        memcpy(copy, heads, count * sizeof *copy);
    return copy;
}

static prophet_code visit_new(const ph_id *who, const ph_chain_head *heads, size_t count,
                              const uint8_t digest[32], bool all, ph_sync_visit **out,
                              prophet_error *err)
{
    ph_sync_visit *v = ph_zalloc(sizeof *v);
    if (!v || !(v->has = copy_of(heads, count))) {
        ph_free(v);
        return ph_nomem(err);
    }
    v->who = *who;
    v->count = count;
    v->all = all;
    memcpy(v->digest, digest, sizeof v->digest);
    *out = v;
    return PROPHET_OK;
}

prophet_code ph_sync_visit_offered(const ph_sync_peer *from, const ph_sync_offer *offer,
                                   ph_sync_visit **out, prophet_error *err)
{
    return offer->count > HEADS_MOST ? PROPHET_OK
                                     : visit_new(&from->replica, offer->heads, offer->count,
                                                 offer->digest, true, out, err);
}

prophet_code ph_sync_visit_took(ph_view *v, const ph_id *who, bool all, ph_sync_visit **out,
                                prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head *heads;
    uint8_t digest[32];
    size_t count;
    prophet_code rc;
    if ((rc = ph_view_digest(v, digest, err)) >= 0 &&
        (rc = ph_view_chains(v, &a, &heads, &count, err)) >= 0)
        rc = visit_new(who, heads, count, digest, all, out, err);
    ph_arena_clear(&a);
    return rc;
}

void ph_sync_visit_free(ph_sync_visit *v)
{
    if (!v)
        return;
    ph_free(v->has);
    ph_free(v->more);
    ph_free(v);
}

void ph_sync_visits_add(ph_sync_visit **list, ph_sync_visit *v)
{
    ph_sync_visit **at = list, *old;
    size_t count = 0;
    for (; *at && !ph_id_eq(&(*at)->who, &v->who); at = &(*at)->next)
        count++;
    if (!*at && count >= WAITING_MOST) {
        ph_sync_visit_free(v);
        return;
    }
    if ((old = *at)) {
        *at = old->next;
        if (!v->all) { /* it loses nothing */
            v->more = old->has;
            v->more_count = old->count;
            old->has = NULL;
        }
        ph_sync_visit_free(old);
    }
    v->next = *list;
    *list = v;
}

bool ph_sync_visits_has(const ph_sync_visit *list, const ph_id *who, const uint8_t digest[32])
{
    for (; list; list = list->next)
        if (ph_id_eq(&list->who, who))
            return list->all && memcmp(list->digest, digest, sizeof list->digest) == 0;
    return false;
}

/* ---- writing them down ------------------------------------------------------------------------------------------------------- */

/* Of what it said before, when only what it took is known now: the heads that were not here. */
static prophet_code said_before(ph_replica *r, const char *place, ph_sync_visit *visit,
                                prophet_error *err)
{
    prophet_slice beyond;
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = sync_beyond_of(v, &visit->who, place, &beyond, err)) == PROPHET_OK) {
        visit->more_count = beyond.len / NOTE_ROW;
        visit->more = ph_zalloc((visit->more_count + 1) * sizeof *visit->more);
        rc = visit->more ? rc : ph_nomem(err);
    }
    for (size_t i = 0; rc == PROPHET_OK && i < visit->more_count; i++) {
        const uint8_t *row = (const uint8_t *)beyond.data + i * NOTE_ROW;
        ph_chain_head *h = &visit->more[i];
        *h = (ph_chain_head){ .seq = ph_u64be(row + 32) };
        memcpy(h->replica.b, row, 32);
        memcpy(h->id.b, row + 40, 32);
    }
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code count_one(void *ctx, prophet_slice name, prophet_slice note, prophet_error *err)
{
    ph_item path;
    (void)name, (void)err;
    *(size_t *)ctx += sync_member(note, "path", &path) && path.kind == PH_TEXT &&
                      path.s.len > strlen(NOTE_VISITOR) &&
                      memcmp(path.s.data, NOTE_VISITOR, strlen(NOTE_VISITOR)) == 0;
    return PROPHET_OK;
}

/* Who wrote something that is here, or is noted already, or is one of the first strangers. */
static prophet_code is_welcome(ph_replica *r, const ph_id *who, const char *place, bool *yes,
                               prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head *heads;
    prophet_slice beyond;
    size_t count, strangers = 0;
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    *yes = false;
    if ((rc = ph_view_chains(v, &a, &heads, &count, err)) >= 0)
        for (size_t i = 0; i < count && !*yes; i++)
            *yes = ph_id_eq(&heads[i].replica, who);
    if (rc >= 0 && !*yes && (rc = sync_beyond_of(v, who, place, &beyond, err)) >= 0)
        *yes = rc == PROPHET_OK;
    if (rc >= 0 && !*yes && (rc = sync_each_note(v, NOTE_PEER, count_one, &strangers, err)) >= 0)
        *yes = strangers < STRANGERS_MOST;
    ph_view_end(v);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code write_one(ph_replica *r, ph_sync_visit *visit, prophet_error *err)
{
    char place[PH_PATH_MAX], key[65];
    bool welcome;
    ph_hex(visit->who.b, 32, key);
    (void)snprintf(place, sizeof place, NOTE_VISITOR "%s", key);
    prophet_code rc = is_welcome(r, &visit->who, place, &welcome, err);
    if (rc < 0 || !welcome || ph_id_eq(&visit->who, ph_replica_key(r)))
        return rc;
    if (!visit->all && !visit->more)
        rc = said_before(r, place, visit, err);
    sync_meeting m = { .replica = visit->who,
                       .place = place,
                       .has = visit->has,
                       .count = visit->count,
                       .more = visit->more,
                       .more_count = visit->more_count };
    memcpy(m.digest, visit->digest, sizeof m.digest);
    if (rc >= 0 && (rc = sync_note(r, &m, err)) >= 0)
        sync_saw(r, place);
    return rc;
}

void ph_sync_visits_write(ph_replica *r, ph_sync_visit **list)
{
    for (ph_sync_visit *v; (v = *list) != NULL;) {
        *list = v->next;
        (void)write_one(r, v, NULL); /* a note for people: the next visit brings it again */
        ph_sync_visit_free(v);
    }
}
