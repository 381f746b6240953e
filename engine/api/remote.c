/* Remotes: their list, and what a name of one stands for in an exchange; and peers, as they stood when they were met last. */
#include "api/api_impl.h"
#include <sys/stat.h>

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

static prophet_code allowed(prophet_db *db, prophet_error *err)
{
    return ph_replica_is_past(db->r) ? ph_replica_refuse_write(db->r, err) : PROPHET_OK;
}

prophet_code prophet_remote_set(prophet_db *db, const prophet_remote *remote, prophet_error *err)
{
    prophet_remote r = PROPHET_REMOTE_INIT;
    prophet_code rc = allowed(db, err);
    if (rc < 0)
        return rc;
    if (remote->size < sizeof remote->size || remote->size > sizeof r)
        return ph_fail(err, PROPHET_EUSAGE,
                       "the size of prophet_remote is not one this library knows");
    memcpy(&r, remote, remote->size);
    return ph_sync_remote_set(ph_replica_path(db->r), &r, err);
}

prophet_code prophet_remote_remove(prophet_db *db, const char *name, prophet_error *err)
{
    prophet_code rc = allowed(db, err);
    return rc < 0 ? rc : ph_sync_remote_remove(ph_replica_path(db->r), name, err);
}

prophet_code prophet_remote_rename(prophet_db *db, const char *from, const char *to,
                                   prophet_error *err)
{
    prophet_code rc = allowed(db, err);
    return rc < 0 ? rc : ph_sync_remote_rename(ph_replica_path(db->r), from, to, err);
}

static prophet_code describe(const prophet_remote *r, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    char shown[2048];
    ph_net_show(r->url, shown, sizeof shown);
    api_put_text(&m, "name", ph_slice_str(r->name));
    api_put_text(&m, "url", ph_slice_str(r->url));
    api_put_text(&m, "place", ph_slice_str(ph_net_is_url(r->url, NULL) ? shown : r->url));
    api_put_text(&m, "token", ph_slice_str(r->token));
    api_put_text(&m, "seal", ph_slice_str(r->seal));
    api_put_text(&m, "cacert", ph_slice_str(r->cacert));
    if (r->proxy) /* "" says something */
        api_put(&m, "proxy", prophet_text(r->proxy));
    /* a deep copy */
    prophet_code rc =
        m.failed ? ph_nomem(err) : prophet_doc_new(prophet_map(m.at, m.count), out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_remotes(prophet_db *db, prophet_iter **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_docs docs = { 0 };
    prophet_remote *at;
    size_t count;
    prophet_code rc = ph_sync_remotes_read(ph_replica_path(db->r), &a, &at, &count, err);
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        prophet_doc *doc = NULL;
        if ((rc = describe(&at[i], &doc, err)) >= 0 && !api_docs_push(&docs, doc))
            rc = ph_nomem(err);
    }
    ph_arena_clear(&a);
    if (rc >= 0)
        return api_iter_docs(db, &docs, out, err);
    api_docs_clear(&docs);
    return rc;
}

/* ---- a name's place -------------------------------------------------------------------------------------------------------- */

static bool is_path(const char *text)
{
    struct stat st;
    return !*text || strchr(text, '/') || ph_net_is_url(text, NULL) || stat(text, &st) == 0;
}

static void take(api_place *p, const prophet_remote *r)
{
    p->place = r->url;
    p->seal = p->seal ? p->seal : r->seal;
    p->net.token = p->net.token ? p->net.token : r->token;
    p->net.cacert = p->net.cacert ? p->net.cacert : r->cacert;
    p->net.proxy = p->net.proxy ? p->net.proxy : r->proxy;
}

static const char *closest(const char *text, const prophet_remote *at, size_t count)
{
    const char *names[64];
    size_t n = count < 64 ? count : 64;
    for (size_t i = 0; i < n; i++)
        names[i] = at[i].name;
    return ph_closest(text, names, n);
}

static prophet_code no_such(const char *text, const prophet_remote *at, size_t count,
                            prophet_error *err)
{
    char guess[PH_PATH_MAX];
    const char *near = closest(text, at, count);
    prophet_code rc =
        ph_fail(err, PROPHET_ENOTFOUND, "%s does not exist, and no remote is called that", text);
    if (ph_net_guess(text, guess, sizeof guess))
        ph_hint(err, "did you mean %s ?", guess);
    else if (near)
        ph_hint(err, "did you mean %s?", near);
    else
        ph_hint(err, "the other side is the directory of a replica or of a depot, a bundle, a URL, "
                     "or the name of a remote");
    return rc;
}

prophet_code api_place_path(const char **place, ph_arena *a, prophet_error *err)
{
    struct stat st;
    char path[PH_PATH_MAX];
    prophet_code rc;
    if (!*place || !ph_net_is_file(*place))
        return PROPHET_OK;
    if ((rc = ph_net_file_path(*place, path, err)) < 0)
        return rc;
    if (stat(path, &st) != 0) /* a depot begins at a URL, where a path is perhaps a misspelt one */
        return PROPHET_OK;
    *place = ph_arena_str(a, ph_slice_str(path));
    return *place ? PROPHET_OK : ph_nomem(err);
}

static prophet_code find_place(prophet_db *db, const char *place, bool new, const char *seal,
                               const prophet_net_options *net, api_place *out, prophet_error *err)
{
    static const prophet_net_options defaults = PROPHET_NET_OPTIONS_INIT;
    prophet_remote *at;
    size_t count;
    *out = (api_place){ .place = place, .seal = seal, .net = defaults };
    if (net)
        memcpy(&out->net, net, net->size < sizeof out->net ? net->size : sizeof out->net);
    out->net.size = sizeof out->net;
    if (!place || is_path(place))
        return PROPHET_OK;
    prophet_code rc = ph_sync_remotes_read(ph_replica_path(db->r), &out->arena, &at, &count, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (strcmp(at[i].name, place) == 0) {
            take(out, &at[i]);
            return PROPHET_OK;
        }
    /* a depot that is to be made here? A misspelt name should not make one */
    return ph_sync_may_begin(place) || (new && !closest(place, at, count))
               ? PROPHET_OK
               : no_such(place, at, count, err);
}

prophet_code api_place_find(prophet_db *db, const char *place, bool new, const char *seal,
                            const prophet_net_options *net, api_place *out, prophet_error *err)
{
    prophet_code rc = find_place(db, place, new, seal, net, out, err);
    if (rc >= 0 && out->place)
        rc = ph_net_check_user(out->place, err);
    return rc < 0 ? rc : api_place_path(&out->place, &out->arena, err);
}

void api_place_clear(api_place *p)
{
    ph_arena_clear(&p->arena);
}

/* A bundle is read once: it is nobody to ask again. */
prophet_code api_remote_origin(const char *dir, const char *source, const prophet_options *o,
                               prophet_error *err)
{
    prophet_remote r = PROPHET_REMOTE_INIT;
    struct stat st;
    if (!ph_net_is_url(source, NULL) && stat(source, &st) == 0 && S_ISREG(st.st_mode))
        return PROPHET_OK;
    r.name = "origin";
    r.url = source;
    r.seal = o->seal;
    if (o->net) {
        r.token = o->net->token;
        r.cacert = o->net->cacert;
        r.proxy = o->net->proxy;
    }
    return ph_sync_remote_set(dir, &r, err);
}

/* ---- peers -------------------------------------------------------------------------------------------------------------------- */

static prophet_code describe_peer(const ph_sync_known *k, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    if (k->name)
        api_put_text(&m, "name", ph_slice_str(k->name));
    if (!k->came)
        api_put_text(&m, "url", ph_slice_str(k->place));
    if (k->has_replica)
        api_put_hex(&m, "replica", k->replica.b, 32);
    if (k->seen)
        api_put(&m, "last_seen", prophet_time(k->seen));
    if (k->met) {
        api_put(&m, "ahead", prophet_int((int64_t)k->ahead));
        api_put(&m, "behind", prophet_int((int64_t)k->behind));
    }
    prophet_code rc =
        m.failed ? ph_nomem(err) : prophet_doc_new(prophet_map(m.at, m.count), out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_peer_forget(prophet_db *db, const char *peer, prophet_error *err)
{
    api_place at = { .place = peer };
    prophet_code rc = allowed(db, err);
    if (rc < 0 || (rc = api_not_inside(db, "forgetting a peer", err)) < 0)
        return rc;
    rc = api_place_find(db, peer, true, NULL, NULL, &at, err);
    if (rc == PROPHET_ENOTFOUND || rc == PROPHET_EUSAGE) {
        at.place = peer; /* no remote, and nothing that is there: it may be known all the same */
        rc = PROPHET_OK;
    }
    if (rc >= 0)
        rc = ph_sync_forget(db->r, at.place, err);
    api_place_clear(&at);
    return rc;
}

prophet_code prophet_peers(prophet_db *db, prophet_iter **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_docs docs = { 0 };
    api_read rd = { 0 };
    ph_sync_known *at = NULL;
    size_t count = 0;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    rc = ph_sync_peers(db->r, rd.v, &a, &at, &count, err);
    api_read_end(&rd);
    for (size_t i = 0; rc >= 0 && i < count; i++) {
        prophet_doc *doc = NULL;
        if ((rc = describe_peer(&at[i], &doc, err)) >= 0 && !api_docs_push(&docs, doc))
            rc = ph_nomem(err);
    }
    ph_arena_clear(&a);
    if (rc >= 0)
        return api_iter_docs(db, &docs, out, err);
    api_docs_clear(&docs);
    return rc;
}
