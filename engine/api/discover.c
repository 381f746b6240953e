/* Who serves this database nearby: what net/discover.c hears, as places to pull from. Nothing of it is proven: the exchange itself checks what it gets. */
#include "api/api_impl.h"

typedef struct looking {
    prophet_db *db;
    char database[37], replica[65]; /* our own */
    api_docs docs;
    ph_map seen; /* by URL */
    ph_arena arena;
} looking;

static prophet_code tick(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *err)
{
    const looking *l = ctx;
    (void)stage, (void)done, (void)total;
    return api_interrupted(l->db, err);
}

static prophet_code describe(const char *url, const char *replica, prophet_doc **out,
                             prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_put_text(&m, "replica", ph_slice_str(replica));
    api_put_text(&m, "url", ph_slice_str(url));
    /* a deep copy */
    prophet_code rc =
        m.failed ? ph_nomem(err) : prophet_doc_new(prophet_map(m.at, m.count), out, err);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code found(void *ctx, const ph_net_service *s, prophet_error *err)
{
    looking *l = ctx;
    char text[128];
    prophet_doc *doc;
    if (strcmp(s->database, l->database) != 0 || strcmp(s->replica, l->replica) == 0)
        return PROPHET_OK;
    (void)snprintf(text, sizeof text, s->v6 ? "%s://[%s]:%u" : "%s://%s:%u",
                   s->tls ? "https" : "http", s->address, (unsigned)s->port);
    const char *url = ph_arena_str(&l->arena, ph_slice_str(text));
    if (!url)
        return ph_nomem(err);
    if (ph_map_get(&l->seen, ph_slice_str(url)))
        return PROPHET_OK;
    prophet_code rc = describe(url, s->replica, &doc, err);
    if (rc < 0)
        return rc;
    return api_docs_push(&l->docs, doc) && ph_map_put(&l->seen, ph_slice_str(url), l)
               ? PROPHET_OK
               : ph_nomem(err);
}

prophet_code prophet_discover(prophet_db *db, uint32_t timeout_ms, prophet_iter **out,
                              prophet_error *err)
{
    looking l = { .db = db };
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    prophet_code rc = api_not_inside(db, "looking around", err);
    if (rc < 0)
        return rc;
    o.progress = tick;
    o.ctx = &l;
    ph_uuid_format(ph_replica_database(db->r), l.database);
    ph_hex(ph_replica_key(db->r)->b, 32, l.replica);
    if ((rc = ph_net_discover(timeout_ms, &o, found, &l, err)) >= 0)
        rc = api_iter_docs(db, &l.docs, out, err);
    api_docs_clear(&l.docs);
    ph_map_clear(&l.seen);
    ph_arena_clear(&l.arena);
    return rc;
}
