/* record_lazy: what type:create gives inside a change. Most such records are never looked at, so their document is fetched when it is asked
 * for. Until then the handle knows them by their id, and fetches the document before anything else is written to that record, before a
 * change is taken back, and before the handle reads from others or is closed. What another process wrote since is taken back by history. */
#include "script/script_impl.h"

#define FIRST_BUCKETS 256

static l_record **bucket_of(const lazy_table *t, const prophet_uuid *id)
{
    return &t->buckets[(ph_u64be(id->b + 8) ^ ph_u32be(id->b)) & t->mask];
}

/* Chains just become longer when there is no memory. */
static void grow(lazy_table *t)
{
    size_t size = t->buckets ? 2 * (t->mask + 1) : FIRST_BUCKETS;
    l_record **buckets = ph_zalloc(size * sizeof(l_record *));
    if (!buckets)
        return;
    lazy_table old = *t;
    t->buckets = buckets;
    t->mask = size - 1;
    for (size_t i = 0; old.buckets && i <= old.mask; i++)
        for (l_record *r = old.buckets[i], *next; r; r = next) {
            next = r->next;
            l_record **b = bucket_of(t, &r->info.id);
            r->next = *b;
            *b = r;
        }
    ph_free(old.buckets);
}

bool script_lazy_add(l_handle *h, l_record *r)
{
    lazy_table *t = &h->lazy;
    if (!t->buckets || t->count > t->mask)
        grow(t);
    if (!t->buckets)
        return false;
    l_record **b = bucket_of(t, &r->info.id);
    r->next = *b;
    *b = r;
    r->lazy = true;
    t->count++;
    return true;
}

void script_lazy_remove(l_handle *h, l_record *r)
{
    r->lazy = false;
    if (!h->lazy.buckets)
        return;
    for (l_record **p = bucket_of(&h->lazy, &r->info.id); *p; p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            h->lazy.count--;
            return;
        }
}

/* PROPHET_DONE: it was written by others since, or never written. */
static prophet_code fetch(l_handle *h, l_record *r, prophet_error *err)
{
    prophet_doc *doc = NULL;
    prophet_record info;
    prophet_code rc = prophet_get(h->db, r->info.type, prophet_ref(r->info.id), &doc, err);
    if (rc == PROPHET_OK && prophet_doc_record(doc, &info) && info.version == r->info.version) {
        script_lazy_remove(h, r);
        r->doc = doc;
        r->info = info;
        return PROPHET_OK;
    }
    prophet_doc_free(doc);
    return rc < 0 ? rc : PROPHET_DONE;
}

void script_lazy_settle(l_handle *h, const prophet_uuid *id)
{
    if (h->lazy.count == 0)
        return;
    for (l_record *r = *bucket_of(&h->lazy, id), *next; r; r = next) {
        next = r->next;
        if (memcmp(&r->info.id, id, sizeof *id) == 0)
            (void)fetch(h, r, NULL); /* a failure shows when it is read */
    }
}

void script_lazy_settle_all(l_handle *h)
{
    for (size_t i = 0; h->lazy.count && i <= h->lazy.mask; i++)
        for (l_record *r = h->lazy.buckets[i], *next; r; r = next) {
            next = r->next;
            (void)fetch(h, r, NULL);
        }
}

void script_lazy_clear(l_handle *h)
{
    for (size_t i = 0; h->lazy.count && i <= h->lazy.mask; i++)
        for (l_record *r = h->lazy.buckets[i]; r; r = r->next)
            r->lazy = false;
    ph_free(h->lazy.buckets);
    memset(&h->lazy, 0, sizeof h->lazy);
}

/* Others have written: the fields as they were, by history (lua/prophet/past.lua). Stack: the type's table at ts. */
static void fetch_past(lua_State *L, l_handle *h, l_record *r, int ts)
{
    prophet_error err = { 0 };
    lua_rawgeti(L, ts, TS_PAST);
    lua_pushvalue(L, ts);
    script_push_id(L, &r->info.id);
    lua_pushinteger(L, (lua_Integer)r->info.version);
    lua_call(L, 3, 1); /* Lua called us, nothing is held */
    script_place place = { r->info.type, NULL, SCRIPT_MAP, NULL };
    script_scratch_reset(h);
    prophet_value fields = script_to_value(L, -1, &place, &h->scratch);
    if (prophet_doc_new(fields, &r->doc, &err) < 0)
        script_raise(L, &err);
    script_lazy_remove(h, r);
    lua_pop(L, 1);
}

/* idx: the record on the stack. */
const prophet_doc *script_record_doc(lua_State *L, int idx, l_record *r)
{
    prophet_error err = { 0 };
    if (r->doc)
        return r->doc;
    lua_getiuservalue(L, idx, 1);
    lua_rawgeti(L, -1, TS_HANDLE);
    l_handle *h = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (!h->db)
        script_fail(L, PROPHET_EUSAGE, NULL, "the database is closed");
    h->main = L;
    prophet_code rc = fetch(h, r, &err);
    if (rc < 0)
        script_raise(L, &err);
    if (rc == PROPHET_DONE)
        fetch_past(L, h, r, lua_gettop(L));
    lua_pop(L, 1);
    return r->doc;
}
