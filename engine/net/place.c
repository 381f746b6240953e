/* place: an open place, and the contract of transports held for all of them: names are names, no more bytes come than were asked for, a length that was told is
 * kept, etags can be shown. What a transport of a host or a script gets wrong ends here as an error. Called by sync; calls the transport
 * that schemes.c finds. */
#include "net/net_impl.h"

struct ph_net {
    net_scheme *scheme;
    void *place;
    prophet_net_options options;
    char shown[512];
};

prophet_net_options net_options(const prophet_net_options *o)
{
    prophet_net_options all = PROPHET_NET_OPTIONS_INIT;
    if (o)
        all = *o;
    all.connect_ms = all.connect_ms ? all.connect_ms : NET_CONNECT_MS;
    all.stall_ms = all.stall_ms ? all.stall_ms : NET_STALL_MS;
    all.retries = all.retries ? all.retries : NET_RETRIES;
    return all;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static prophet_code open_place(ph_net *n, const char *url, prophet_error *err)
{
    char scheme[32] = "file";
    const prophet_transport *t;
    prophet_error why = { 0 };
    prophet_code rc;

    (void)ph_net_is_url(url, scheme);
    ph_net_show(url, n->shown, sizeof n->shown);
    if ((rc = net_scheme_find(scheme, url, &n->scheme, err)) < 0 ||
        (rc = net_scheme_use(n->scheme, &t, err)) < 0)
        return rc;
    rc = t->open(t->ctx, url, &n->options, &n->place, &why);
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

prophet_code ph_net_open(const char *url, const prophet_net_options *o, ph_net **out,
                         prophet_error *err)
{
    if (o && o->size < sizeof *o)
        return ph_fail(err, PROPHET_EUSAGE, "the options of a place need their size");
    ph_net *n = ph_zalloc(sizeof *n);
    if (!n)
        return ph_nomem(err);
    n->options = net_options(o);
    prophet_code rc = open_place(n, url, err);
    if (rc < 0) {
        net_scheme_release(n->scheme);
        ph_free(n);
        return rc;
    }
    *out = n;
    return PROPHET_OK;
}

void ph_net_close(ph_net *n)
{
    const prophet_transport *t;
    if (!n)
        return;
    if (net_scheme_use(n->scheme, &t, NULL) >= 0 && t->close)
        t->close(n->place);
    net_scheme_release(n->scheme);
    ph_free(n);
}

const char *ph_net_shown(const ph_net *n)
{
    return n->shown;
}

bool ph_net_can_write(const ph_net *n)
{
    const prophet_transport *t;
    return net_scheme_use(n->scheme, &t, NULL) >= 0 && t->put != NULL;
}

/* ---- what a transport gives back ------------------------------------------------------------------------------------ */

static bool is_etag(const char *etag)
{
    size_t n = 0;
    while (n < PROPHET_ETAG_MAX && etag[n] > ' ' && etag[n] < 127)
        n++;
    return n < PROPHET_ETAG_MAX && etag[n] == 0;
}

static prophet_code check_etag(char *etag, prophet_error *err)
{
    if (is_etag(etag))
        return PROPHET_OK;
    etag[0] = 0;
    return ph_fail(err, PROPHET_EREMOTE, "an etag that is none");
}

/* Of names that are hashes the beginning is enough: "5dec5c64../3ca248bd..". */
static void show_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    while (*name && n < size) {
        size_t len = strcspn(name, "/"), kept = len == 64 ? 8 : len;
        n += (size_t)snprintf(out + n, size - n, "%.*s%s%s", (int)kept, name,
                              kept < len ? ".." : "", name[len] ? "/" : "");
        name += len + (name[len] != 0);
    }
}

/* A failure says what was done to what; an interrupt needs no such words. */
static prophet_code finish(const ph_net *n, const char *what, const char *name, prophet_code rc,
                           prophet_error *err)
{
    if (rc > PROPHET_DONE)
        rc = ph_fail(err, PROPHET_EREMOTE, "the transport gives the code %d", (int)rc);
    if (rc >= 0 || rc == PROPHET_EINTERRUPTED || rc == PROPHET_EMEMORY)
        return rc;
    char shown[NET_NAME_MAX + 1];
    show_name(name, shown, sizeof shown);
    ph_context(err, "%s %s%s%s", what, n->shown, shown[0] ? " " : "", shown);
    return rc;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

typedef struct reading { /* stands between a transport and the caller's sink */
    const prophet_net_get *asked;
    uint64_t got;
} reading;

static prophet_code take(void *ctx, prophet_slice chunk, prophet_error *err)
{
    reading *r = ctx;
    if (chunk.len > r->asked->length - r->got)
        return ph_fail(err, PROPHET_EREMOTE, "more bytes than were asked for");
    if (r->asked->most && chunk.len > r->asked->most - r->got)
        return ph_fail(err, PROPHET_EREMOTE, "longer than %llu bytes",
                       (unsigned long long)r->asked->most);
    r->got += chunk.len;
    return chunk.len ? r->asked->sink(r->asked->ctx, chunk, err) : PROPHET_OK;
}

static prophet_code check_reading(const prophet_net_get *g, uint64_t got, prophet_error *err)
{
    if (g->unchanged)
        return g->known && got == 0
                   ? PROPHET_OK
                   : ph_fail(err, PROPHET_EREMOTE, "\"unchanged\" without a question");
    if (g->expect && g->etag[0] && strcmp(g->expect, g->etag) != 0)
        return ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
    if (g->total == PROPHET_WHOLE)
        return PROPHET_OK;
    uint64_t there = g->total > g->offset ? g->total - g->offset : 0;
    if (got != (there < g->length ? there : g->length))
        return ph_fail(err, PROPHET_EREMOTE, "%llu bytes came of %llu", (unsigned long long)got,
                       (unsigned long long)there);
    return PROPHET_OK;
}

prophet_code ph_net_get(ph_net *n, const char *name, prophet_net_get *g, prophet_error *err)
{
    const prophet_transport *t;
    reading r = { g, 0 };
    prophet_error why = { 0 };
    prophet_code rc;

    g->unchanged = false;
    g->total = PROPHET_WHOLE;
    g->etag[0] = 0;
    if (g->length != PROPHET_WHOLE && g->offset > PROPHET_WHOLE - 1 - g->length)
        return ph_fail(err, PROPHET_EUSAGE, "a range behind all numbers");
    if ((rc = ph_net_name_check(name, err)) < 0 || (rc = net_scheme_use(n->scheme, &t, err)) < 0)
        return rc;
    prophet_net_get inner = *g;
    inner.sink = take;
    inner.ctx = &r;
    if ((rc = t->get(n->place, name, &inner, &why)) < 0)
        rc = ph_fail_host(err, rc, &why);
    g->unchanged = inner.unchanged;
    g->total = inner.total;
    memcpy(g->etag, inner.etag, sizeof g->etag);
    if (rc == PROPHET_OK && (rc = check_etag(g->etag, err)) >= 0)
        rc = check_reading(g, r.got, err);
    return finish(n, "get", name, rc, err);
}

static prophet_code append(void *ctx, prophet_slice chunk, prophet_error *err)
{
    ph_buf *b = ctx;
    ph_buf_put(b, chunk.data, chunk.len);
    return b->failed ? ph_nomem(err) : PROPHET_OK;
}

prophet_code ph_net_get_bytes(ph_net *n, const char *name, uint64_t most, prophet_net_get *g,
                              ph_buf *out, prophet_error *err)
{
    prophet_net_get own = PROPHET_NET_GET_INIT;
    size_t before = out->len;
    g = g ? g : &own;
    g->most = most;
    g->sink = append;
    g->ctx = out;
    prophet_code rc = ph_net_get(n, name, g, err);
    if (rc < 0)
        out->len = before;
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

static prophet_code read_only(const ph_net *n, prophet_error *err)
{
    return ph_fail(err, PROPHET_EREADONLY, "%s cannot be written to", n->shown);
}

prophet_code ph_net_put(ph_net *n, const char *name, prophet_net_put *p, prophet_error *err)
{
    const prophet_transport *t;
    prophet_error why = { 0 };
    prophet_code rc;

    p->looked = false;
    p->etag[0] = 0;
    if (p->only_if_absent && p->only_if_etag)
        return ph_fail(err, PROPHET_EUSAGE, "%s cannot be absent and have an etag", name);
    if ((rc = ph_net_name_check(name, err)) < 0 || (rc = net_scheme_use(n->scheme, &t, err)) < 0)
        return rc;
    if (!t->put)
        return read_only(n, err);
    if ((rc = t->put(n->place, name, p, &why)) < 0)
        rc = ph_fail_host(err, rc, &why);
    else if (rc == PROPHET_OK)
        rc = check_etag(p->etag, err);
    return finish(n, "put", name, rc, err);
}

static prophet_code read_slice(void *ctx, uint64_t offset, void *buf, size_t len,
                               prophet_error *err)
{
    const prophet_slice *s = ctx;
    if (offset > s->len || len > s->len - offset)
        return ph_fail(err, PROPHET_EUSAGE, "asked for bytes behind the end");
    memcpy(buf, (const uint8_t *)s->data + offset, len);
    return PROPHET_OK;
}

prophet_code ph_net_put_bytes(ph_net *n, const char *name, prophet_slice bytes, prophet_net_put *p,
                              prophet_error *err)
{
    prophet_net_put own = PROPHET_NET_PUT_INIT;
    p = p ? p : &own;
    p->length = bytes.len;
    p->read = read_slice;
    p->ctx = &bytes;
    return ph_net_put(n, name, p, err);
}

prophet_code ph_net_remove(ph_net *n, const char *name, prophet_error *err)
{
    const prophet_transport *t;
    prophet_error why = { 0 };
    prophet_code rc;
    if ((rc = ph_net_name_check(name, err)) < 0 || (rc = net_scheme_use(n->scheme, &t, err)) < 0)
        return rc;
    if (!t->remove)
        return read_only(n, err);
    if ((rc = t->remove(n->place, name, &why)) < 0)
        rc = ph_fail_host(err, rc, &why);
    return finish(n, "remove", name, rc, err);
}

/* ---- listing ------------------------------------------------------------------------------------------------------------ */

typedef struct listing {
    const char *prefix;
    prophet_net_name_fn each;
    void *ctx;
} listing;

static prophet_code take_name(void *ctx, const char *name, uint64_t size, prophet_error *err)
{
    const listing *l = ctx;
    if (strncmp(name, l->prefix, strlen(l->prefix)) != 0 || ph_net_name_check(name, NULL) < 0)
        return PROPHET_OK;
    return l->each(l->ctx, name, size, err);
}

prophet_code ph_net_list(ph_net *n, const char *prefix, prophet_net_name_fn each, void *ctx,
                         prophet_error *err)
{
    listing l = { prefix, each, ctx };
    char folder[NET_NAME_MAX + 2];
    const char *slash = strrchr(prefix, '/');
    size_t len = slash ? (size_t)(slash - prefix) : 0;
    const prophet_transport *t;
    prophet_error why = { 0 };
    prophet_code rc;

    if (strlen(prefix) > NET_NAME_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a prefix of more than 255 bytes");
    memcpy(folder, prefix, len);
    folder[len] = 0;
    if ((len > 0 || slash) && (rc = ph_net_name_check(folder, err)) < 0)
        return rc;
    if (len > 0)
        memcpy(folder + len, "/", 2);
    if ((rc = net_scheme_use(n->scheme, &t, err)) < 0)
        return rc;
    if (!t->list)
        return PROPHET_DONE;
    if ((rc = t->list(n->place, folder, take_name, &l, &why)) < 0)
        rc = ph_fail_host(err, rc, &why);
    return finish(n, "list", "", rc, err);
}
