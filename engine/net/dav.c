/* dav: places that speak WebDAV: nginx, Apache, and what cloud folders offer. Not all of them look at a condition on a PUT (nginx does not), so it is looked at before
 * as well, and the contract is told so. Lists ask for one folder at a time, since servers refuse more; nothing that they name is believed to be where it says before
 * it was found to be there. */
#include "net/http_impl.h"
#include "net/xml_impl.h"
#include <stdlib.h>

#define FOLDERS_MAX 10000 /* that one list looks into */

typedef struct dav_place {
    ph_http *http;
    char *base; /* https://host/path/ */
    char *path; /* /path/, decoded */
    char *made; /* the folder that is known to be there; NULL: none */
} dav_place;

static void dav_close(void *place)
{
    dav_place *p = place;
    if (!p)
        return;
    ph_http_close(p->http);
    ph_free(p->base);
    ph_free(p->path);
    ph_free(p->made);
    ph_free(p);
}

static prophet_code dav_open(void *ctx, const char *url, const prophet_net_options *o, void **place,
                             prophet_error *err)
{
    const char *scheme =
        strncmp(url, "davs", 4) == 0 || strncmp(url, "DAVS", 4) == 0 ? "https" : "http";
    char *user = NULL;
    prophet_code rc;
    (void)ctx;
    dav_place *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    if ((rc = ph_http_open(o, &p->http, err)) < 0 ||
        (rc = http_base(p->http->curl, url, scheme, &p->base, &user, err)) < 0 ||
        (rc = http_path(p->http->curl, p->base, &p->path, err)) < 0 ||
        (rc = http_login(p->http, user, o->token, err)) < 0) {
        dav_close(p);
        p = NULL;
    }
    ph_free(user);
    *place = p;
    return rc;
}

static prophet_code dav_get(void *place, const char *name, prophet_net_get *g, prophet_error *err)
{
    static const http_how how = { .follow = true, .dated = true };
    const dav_place *p = place;
    char *url = NULL;
    prophet_code rc = http_join(p->base, name, &url, err);
    if (rc >= 0)
        rc = http_get(p->http, url, &how, g, err);
    ph_free(url);
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

/* A request without a body that nobody has to understand but by its status. */
static prophet_code ask(const dav_place *p, const char *method, const char *url, const char *stage,
                        ph_http_request *r, prophet_error *err)
{
    r->method = method;
    r->url = url;
    return http_ask(p->http, r, stage, err);
}

/* The condition as it is now; a server that looks at it, too, is asked again with the bytes. */
static prophet_code look(const dav_place *p, const char *url, const prophet_net_put *put,
                         prophet_error *err)
{
    ph_http_header etag = { "ETag", "" };
    ph_http_request r = { .wanted = &etag, .wanted_count = 1 };
    prophet_code rc = ask(p, "HEAD", url, "put", &r, err);
    if (rc < 0)
        return rc;
    bool there = r.status >= 200 && r.status <= 299;
    if (!there && r.status != 404 && r.status != 410)
        return http_refused(&r, err);
    if (put->only_if_absent)
        return there ? ph_fail(err, PROPHET_EEXISTS, "it is there already") : PROPHET_OK;
    if (!there || strcmp(etag.value, put->only_if_etag) != 0)
        return ph_fail(err, PROPHET_ESTALE, there ? "it has changed meanwhile" : "it is gone");
    return PROPHET_OK;
}

/* Up from the folder of a name until one is made or there, and down again. What cannot be made is told by the PUT that follows. */
static prophet_code make_folders(const dav_place *p, char *url, prophet_error *err)
{
    char *first = strchr(strstr(url, "://") + 3, '/'), *last = strrchr(url, '/'), *at = last;
    bool down = false;
    for (;;) {
        ph_http_request r = { .status = 0 };
        char kept = at[1];
        at[1] = 0;
        prophet_code rc = ask(p, "MKCOL", url, "put", &r, err);
        at[1] = kept;
        if (rc < 0)
            return rc;
        if (!down && (r.status == 409 || r.status == 404) && at > first) {
            do
                at--;
            while (*at != '/');
            continue;
        }
        down = true;
        if (at == last)
            return PROPHET_OK;
        at = strchr(at + 1, '/');
    }
}

/* Makes the folder of a name unless that was done before. */
static prophet_code need_folder(dav_place *p, char *url, prophet_error *err)
{
    size_t len = (size_t)(strrchr(url, '/') - url) + 1;
    if (p->made && strlen(p->made) == len && strncmp(p->made, url, len) == 0)
        return PROPHET_OK;
    prophet_code rc = make_folders(p, url, err);
    if (rc < 0)
        return rc;
    ph_free(p->made);
    p->made = ph_alloc(len + 1); /* without memory it is only asked again */
    if (p->made)
        (void)snprintf(p->made, len + 1, "%s", url);
    return PROPHET_OK;
}

static prophet_code judge_put(const prophet_net_put *put, const ph_http_request *r,
                              prophet_error *err)
{
    if (r->status >= 200 && r->status <= 204)
        return PROPHET_OK;
    if (r->status == 412 && put->only_if_absent)
        return ph_fail(err, PROPHET_EEXISTS, "it is there already");
    if (r->status == 412 && put->only_if_etag)
        return ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
    if (r->status == 405)
        return ph_fail(err, PROPHET_EREADONLY, "the server takes no PUT there");
    return http_refused(r, err);
}

static prophet_code dav_put(void *place, const char *name, prophet_net_put *put, prophet_error *err)
{
    dav_place *p = place;
    ph_http_request r = { .status = 0 };
    char condition[PROPHET_ETAG_MAX + 16], *url = NULL;
    const char *headers[] = { NULL, NULL };
    prophet_code rc = http_join(p->base, name, &url, err);

    if (rc >= 0 && (put->only_if_absent || put->only_if_etag)) {
        put->looked = true;
        if (put->only_if_etag && !http_is_etag(put->only_if_etag))
            rc = ph_fail(err, PROPHET_ESTALE, "that etag is none of this place");
        else
            rc = look(p, url, put, err);
        (void)snprintf(condition, sizeof condition, "%s%s",
                       put->only_if_absent ? "If-None-Match: *" : "If-Match: ",
                       put->only_if_absent ? "" : put->only_if_etag);
        headers[0] = condition;
    }
    if (rc >= 0 && (rc = need_folder(p, url, err)) >= 0 &&
        (rc = http_put(p->http, url, headers, put, &r, err)) >= 0)
        rc = judge_put(put, &r, err);
    ph_free(url);
    return rc;
}

static prophet_code dav_remove(void *place, const char *name, prophet_error *err)
{
    const dav_place *p = place;
    char *url = NULL;
    ph_http_request r = { .status = 0 };
    prophet_code rc = http_join(p->base, name, &url, err);
    if (rc >= 0)
        rc = ask(p, "DELETE", url, "remove", &r, err);
    if (rc >= 0)
        rc = r.status == 404 || r.status == 410   ? PROPHET_DONE
             : r.status >= 200 && r.status <= 204 ? PROPHET_OK
             : r.status == 405 ? ph_fail(err, PROPHET_EREADONLY, "the server removes nothing")
                               : http_refused(&r, err);
    ph_free(url);
    return rc;
}

/* ---- listing -------------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const dav_place *p;
    prophet_net_name_fn each;
    void *ctx;
    const char *folder; /* that is asked for now: "" or "a/b/" */
    ph_buf folders;     /* still to ask for, NUL after each */
    size_t count;
    net_xml *xml;
    char name[NET_NAME_MAX + 2]; /* of the response at hand, from the base on; "": none of ours */
    bool named, collection;
    uint64_t size;
} listing;

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The path of a href, which may be a whole URL; false: it does not fit, or is none. */
static bool path_of(const char *href, char *out, size_t size)
{
    const char *slashes = strstr(href, "://");
    size_t n = 0;
    if (slashes && !(href = strchr(slashes + 3, '/')))
        return false;
    for (; *href && n + 1 < size; n++) {
        bool coded = *href == '%';
        if (coded && (hex(href[1]) < 0 || hex(href[2]) < 0))
            return false;
        out[n] = coded ? (char)(hex(href[1]) << 4 | hex(href[2])) : *href;
        if (out[n] == 0)
            return false;
        href += coded ? 3 : 1;
    }
    out[n] = 0;
    return *href == 0;
}

/* Takes the name that a href stands for, if it is one of ours and right in the folder that was asked for. */
static void take_href(listing *l, const char *href)
{
    char path[2048];
    size_t base = strlen(l->p->path), folder = strlen(l->folder);
    l->named = true; /* the first href of a response is its own */
    l->name[0] = 0;
    if (!path_of(href, path, sizeof path) || strncmp(path, l->p->path, base) != 0)
        return;
    char *name = path + base;
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '/')
        name[--len] = 0;
    if (len > folder && strncmp(name, l->folder, folder) == 0 && !strchr(name + folder, '/') &&
        ph_net_name_check(name, NULL) >= 0)
        memcpy(l->name, name, len + 1);
}

static prophet_code end_response(listing *l, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (l->name[0] && !l->collection) {
        rc = l->each(l->ctx, l->name, l->size, err);
    } else if (l->name[0]) {
        if (++l->count > FOLDERS_MAX)
            return ph_fail(err, PROPHET_EREMOTE, "more than %d folders", FOLDERS_MAX);
        ph_buf_str(&l->folders, l->name);
        ph_buf_put(&l->folders, "/", 2); /* with its NUL */
        rc = l->folders.failed ? ph_nomem(err) : PROPHET_OK;
    }
    l->named = l->collection = false;
    l->name[0] = 0;
    l->size = PROPHET_WHOLE;
    return rc;
}

static prophet_code on_element(void *ctx, const char *name, const char *text, prophet_error *err)
{
    listing *l = ctx;
    if (strcmp(name, "href") == 0 && !l->named) {
        take_href(l, text);
    } else if (strcmp(name, "collection") == 0) {
        l->collection = true;
    } else if (strcmp(name, "getcontentlength") == 0 && text[0] && strlen(text) < 19 &&
               strspn(text, "0123456789") == strlen(text)) {
        l->size = strtoull(text, NULL, 10);
    } else if (strcmp(name, "response") == 0) {
        return end_response(l, err);
    }
    return PROPHET_OK;
}

static prophet_code on_bytes(void *ctx, prophet_slice chunk, prophet_error *err)
{
    return net_xml_feed(((listing *)ctx)->xml, chunk, false, err);
}

static prophet_code give_question(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    const char **at = ctx;
    (void)err;
    *got = strlen(*at) < len ? strlen(*at) : len;
    memcpy(buf, *at, *got);
    *at += *got;
    return *got ? PROPHET_OK : PROPHET_DONE;
}

/* One PROPFIND. PROPHET_DONE: this server has none. */
static prophet_code ask_folder(listing *l, const char *url, prophet_error *err)
{
    static const char question[] = "<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop>"
                                   "<resourcetype/><getcontentlength/></prop></propfind>";
    static const char *const headers[] = { "Depth: 1", "Content-Type: application/xml" };
    const char *at = question;
    ph_http_request r = { .method = "PROPFIND",
                          .url = url,
                          .headers = headers,
                          .header_count = 2,
                          .length = sizeof question - 1,
                          .read = give_question,
                          .read_ctx = &at,
                          .sink = on_bytes,
                          .sink_ctx = l };
    http_call c = { .r = &r, .stage = "list", .total = PROPHET_WHOLE };
    prophet_code rc = http_try(l->p->http, &c, false, err);
    if (rc < 0)
        return rc;
    if (r.status == 207)
        return net_xml_feed(l->xml, ph_slice("", 0), true, err);
    if (r.status == 405 || r.status == 501)
        return PROPHET_DONE;
    return r.status == 404 || r.status == 410 ? PROPHET_OK : http_refused(&r, err);
}

static prophet_code list_folder(listing *l, const char *folder, prophet_error *err)
{
    char *url = NULL;
    prophet_code rc;
    l->folder = folder;
    l->size = PROPHET_WHOLE;
    if ((rc = net_xml_new(on_element, l, &l->xml, err)) >= 0 &&
        (rc = http_join(l->p->base, folder, &url, err)) >= 0)
        rc = ask_folder(l, url, err);
    net_xml_free(l->xml);
    l->xml = NULL;
    ph_free(url);
    return rc;
}

static prophet_code dav_list(void *place, const char *folder, prophet_net_name_fn each, void *ctx,
                             prophet_error *err)
{
    listing l = { .p = place, .each = each, .ctx = ctx };
    char next[NET_NAME_MAX + 2];
    prophet_code rc = list_folder(&l, folder, err);
    for (size_t at = 0; rc == PROPHET_OK && at < l.folders.len; at += strlen(next) + 1) {
        /* a copy: the list grows and moves */
        (void)snprintf(next, sizeof next, "%s", (const char *)l.folders.data + at);
        rc = list_folder(&l, next, err);
        if (rc == PROPHET_DONE)
            rc = ph_fail(err, PROPHET_EREMOTE, "it lists some folders, and some not");
    }
    ph_buf_clear(&l.folders);
    return rc;
}

const prophet_transport ph_net_dav = {
    .size = sizeof(prophet_transport),
    .open = dav_open,
    .get = dav_get,
    .put = dav_put,
    .list = dav_list,
    .remove = dav_remove,
    .close = dav_close,
};
