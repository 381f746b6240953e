/* s3: places in object stores: Amazon's, Ceph's, MinIO's. Requests are signed by libcurl (SigV4) with the hash of what they carry, so that nobody in between changes it,
 * also over plain http. Conditions on writing are the store's own (If-None-Match, If-Match): of many who write at once one wins. */
#include "net/http_impl.h"
#include "net/xml_impl.h"
#include "crypto/crypto.h"
#include <stdlib.h>

#define NO_BYTES \
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PAGES_MAX 100000 /* of 1,000 names; who sends more goes round in circles */

typedef struct s3_place {
    ph_http *http;
    char *base;    /* https://endpoint/bucket/prefix/ */
    char *bucket;  /* https://endpoint/bucket */
    char *prefix;  /* "" or "a/b/" */
    char *session; /* "x-amz-security-token: .."; NULL: none */
} s3_place;

static void s3_close(void *place)
{
    s3_place *p = place;
    if (!p)
        return;
    ph_http_close(p->http);
    ph_free(p->base);
    ph_free(p->bucket);
    ph_free(p->prefix);
    ph_free(p->session);
    ph_free(p);
}

/* ---- where and who ---------------------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static const char *region(void)
{
    const char *r = environment("AWS_REGION");
    r = r ? r : environment("AWS_DEFAULT_REGION");
    return r ? r : "us-east-1";
}

static bool only(const char *s, const char *more)
{
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
              strchr(more, *s)))
            return false;
    return true;
}

/* s3+http and s3+https name the server; s3 leaves that to $AWS_ENDPOINT_URL, or means Amazon's. Gives http(s)://server/bucket/prefix. */
static prophet_code whole_url(const char *url, ph_buf *out, prophet_error *err)
{
    const char *rest = strstr(url, "://"), *endpoint = environment("AWS_ENDPOINT_URL");
    if (!rest)
        return ph_fail(err, PROPHET_EUSAGE,
                       "an S3 URL is s3://bucket/prefix or s3+https://server/bucket/prefix");
    if (!only(region(), "-"))
        return ph_fail(err, PROPHET_EUSAGE, "$AWS_REGION is no region");
    if (url[2] == '+') {
        ph_buf_printf(out, "%.*s%s", (int)(rest - url - 3), url + 3, rest);
    } else if (endpoint) {
        size_t len = strlen(endpoint);
        while (len > 0 && endpoint[len - 1] == '/')
            len--;
        ph_buf_printf(out, "%.*s/%s", (int)len, endpoint, rest + 3);
    } else {
        ph_buf_printf(out, "https://s3.%s.amazonaws.com/%s", region(), rest + 3);
    }
    ph_buf_byte(out, 0);
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* "keyid:secret" from the token, else from the environment; none of either: what anybody may do. */
static prophet_code take_keys(s3_place *p, const char *token, prophet_error *err)
{
    const char *id = environment("AWS_ACCESS_KEY_ID"),
               *secret = environment("AWS_SECRET_ACCESS_KEY");
    const char *session = token ? NULL : environment("AWS_SESSION_TOKEN");
    ph_buf line = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;

    (void)snprintf(p->http->sigv4, sizeof p->http->sigv4, "aws:amz:%.60s:s3", region());
    if (token && (!strchr(token, ':') || token[0] == ':'))
        return ph_fail(err, PROPHET_EUSAGE, "the token of an S3 place is KEYID:SECRET");
    if (token)
        ph_buf_str(&line, token);
    else if (id && secret)
        ph_buf_printf(&line, "%s:%s", id, secret);
    ph_buf_byte(&line, 0);
    if (session && only(session, "+/=-_.")) {
        ph_buf header = PH_BUF_INIT;
        ph_buf_printf(&header, "x-amz-security-token: %s", session);
        ph_buf_byte(&header, 0);
        if (!header.failed)
            p->session = ph_strdup((const char *)header.data);
        rc = p->session ? PROPHET_OK : ph_nomem(err);
        ph_buf_clear(&header);
    }
    if (rc >= 0 && !line.failed && line.len > 1)
        p->http->login = ph_strdup((const char *)line.data);
    if (line.failed || (line.len > 1 && !p->http->login))
        rc = ph_nomem(err);
    ph_buf_clear(&line);
    return rc;
}

/* base = bucket + "/" + prefix */
static prophet_code split(s3_place *p, prophet_error *err)
{
    char *path = strstr(p->base, "://") + 3;
    char *bucket = strchr(path, '/'), *end = bucket ? strchr(bucket + 1, '/') : NULL;
    if (!end || end == bucket + 1)
        return ph_fail(err, PROPHET_EUSAGE, "an S3 URL names a bucket");
    if (!only(bucket, "-._~/") || strstr(bucket, "//"))
        return ph_fail(err, PROPHET_EUSAGE,
                       "buckets and prefixes are of A-Z a-z 0-9 - . _ ~ and /");
    p->prefix = ph_strdup(end + 1);
    *end = 0;
    p->bucket = ph_strdup(p->base);
    *end = '/';
    return p->prefix && p->bucket ? PROPHET_OK : ph_nomem(err);
}

static prophet_code s3_open(void *ctx, const char *url, const prophet_net_options *o, void **place,
                            prophet_error *err)
{
    ph_buf whole = PH_BUF_INIT;
    prophet_code rc;
    (void)ctx;
    s3_place *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    if ((rc = whole_url(url, &whole, err)) < 0 || (rc = ph_http_open(o, &p->http, err)) < 0 ||
        (rc = http_base(p->http->curl, (const char *)whole.data, NULL, &p->base, NULL, err)) < 0 ||
        (rc = split(p, err)) < 0 || (rc = take_keys(p, o->token, err)) < 0) {
        s3_close(p);
        p = NULL;
    }
    ph_buf_clear(&whole);
    *place = p;
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static prophet_code s3_get(void *place, const char *name, prophet_net_get *g, prophet_error *err)
{
    const s3_place *p = place;
    const char *const headers[] = { NO_BYTES, p->session, NULL };
    const http_how how = { .headers =
                               headers }; /* etags are of the content, so they are as good as new */
    char *url = NULL;
    prophet_code rc = http_join(p->base, name, &url, err);
    if (rc >= 0)
        rc = http_get(p->http, url, &how, g, err);
    ph_free(url);
    return rc;
}

/* A request without a body. */
static prophet_code ask(const s3_place *p, const char *method, const char *url, const char *stage,
                        ph_http_request *r, prophet_error *err)
{
    const char *const headers[] = { NO_BYTES, p->session };
    r->method = method;
    r->url = url;
    r->headers = headers;
    r->header_count = p->session ? 2 : 1;
    prophet_code rc = http_ask(p->http, r, stage, err);
    r->headers = NULL;
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static prophet_code hash_of(const prophet_net_put *put, char header[96], prophet_error *err)
{
    uint8_t bytes[16384], hash[32];
    char text[65];
    ph_hasher *h = NULL;
    prophet_code rc = ph_hasher_new(&h, err);
    if (rc >= 0)
        rc = ph_hash_begin(h, err);
    for (uint64_t at = 0; rc >= 0 && at < put->length;) {
        size_t len = put->length - at < sizeof bytes ? (size_t)(put->length - at) : sizeof bytes;
        if ((rc = put->read(put->ctx, at, bytes, len, err)) >= 0)
            rc = ph_hash_more(h, ph_slice(bytes, len), err);
        at += len;
    }
    if (rc >= 0 && (rc = ph_hash_end(h, hash, err)) >= 0) {
        ph_hex(hash, sizeof hash, text);
        (void)snprintf(header, 96, "x-amz-content-sha256: %s", text);
    }
    ph_hasher_free(h);
    return rc;
}

static prophet_code judge_put(const prophet_net_put *put, const ph_http_request *r,
                              prophet_error *err)
{
    if (r->status >= 200 && r->status <= 204)
        return PROPHET_OK;
    if (r->status == 412 && put->only_if_absent)
        return ph_fail(err, PROPHET_EEXISTS, "it is there already");
    if ((r->status == 412 || r->status == 404) && put->only_if_etag)
        return ph_fail(err, PROPHET_ESTALE, "it has changed meanwhile");
    if (r->status == 409 && (put->only_if_absent || put->only_if_etag))
        return ph_fail(err, PROPHET_ESTALE, "somebody else writes it at this moment");
    return http_refused(r, err);
}

/* The condition as a header. bare: without the quotes. */
static void put_condition(const prophet_net_put *put, bool bare, char *out, size_t size)
{
    if (put->only_if_absent)
        (void)snprintf(out, size, "If-None-Match: *");
    else if (bare)
        (void)snprintf(out, size, "If-Match: %.*s", (int)strlen(put->only_if_etag) - 2,
                       put->only_if_etag + 1);
    else
        (void)snprintf(out, size, "If-Match: %s", put->only_if_etag);
}

static prophet_code s3_put(void *place, const char *name, prophet_net_put *put, prophet_error *err)
{
    const s3_place *p = place;
    char hash[96], condition[PROPHET_ETAG_MAX + 16], *url = NULL;
    ph_http_header etag = { "ETag", "" };
    ph_http_request r = { .wanted = &etag, .wanted_count = 1 };
    const char *headers[5] = { hash, "Content-Type: application/octet-stream" };
    size_t n = 2;
    prophet_code rc;

    if (put->only_if_etag && !http_is_etag(put->only_if_etag))
        return ph_fail(err, PROPHET_ESTALE, "that etag is none of this place");
    if (p->session)
        headers[n++] = p->session;
    if (put->only_if_absent || put->only_if_etag) {
        put_condition(put, false, condition, sizeof condition);
        headers[n] = condition;
    }
    if ((rc = http_join(p->base, name, &url, err)) >= 0 && (rc = hash_of(put, hash, err)) >= 0)
        rc = http_put(p->http, url, headers, put, &r, err);
    if (rc >= 0 && r.status == 412 && put->only_if_etag) { /* Ceph compares with the bare etag */
        put_condition(put, true, condition, sizeof condition);
        rc = http_put(p->http, url, headers, put, &r, err);
    }
    if (rc >= 0)
        rc = judge_put(put, &r, err);
    if (rc >= 0 && http_is_etag(etag.value))
        memcpy(put->etag, etag.value, strlen(etag.value) + 1);
    ph_free(url);
    return rc;
}

static prophet_code s3_remove(void *place, const char *name, prophet_error *err)
{
    const s3_place *p = place;
    char *url = NULL;
    ph_http_request r = { .status = 0 };
    prophet_code rc = http_join(p->base, name, &url, err);
    if (rc >= 0)
        rc = ask(p, "HEAD", url, "remove", &r, err); /* DELETE does not tell */
    bool absent = rc >= 0 && r.status == 404;
    if (rc >= 0 && !absent && (rc = ask(p, "DELETE", url, "remove", &r, err)) >= 0 &&
        (r.status < 200 || r.status > 204))
        rc = http_refused(&r, err);
    ph_free(url);
    return rc < 0 ? rc : absent ? PROPHET_DONE : PROPHET_OK;
}

/* ---- listing -------------------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const s3_place *p;
    prophet_net_name_fn each;
    void *ctx;
    net_xml *xml;
    char name[NET_NAME_MAX + 1];
    uint64_t size;
    bool more;
    char next[2048]; /* where the next page begins */
    char last[2048]; /* where this one began */
} listing;

static prophet_code on_element(void *ctx, const char *name, const char *text, prophet_error *err)
{
    listing *l = ctx;
    size_t prefix = strlen(l->p->prefix);
    if (strcmp(name, "Key") == 0) {
        l->name[0] = 0;
        if (strncmp(text, l->p->prefix, prefix) == 0 && strlen(text + prefix) <= NET_NAME_MAX)
            memcpy(l->name, text + prefix, strlen(text + prefix) + 1);
    } else if (strcmp(name, "Size") == 0) {
        bool ok = text[0] && strlen(text) < 19 && strspn(text, "0123456789") == strlen(text);
        l->size = ok ? strtoull(text, NULL, 10) : PROPHET_WHOLE;
    } else if (strcmp(name, "IsTruncated") == 0) {
        l->more = strcmp(text, "true") == 0;
    } else if (strcmp(name, "NextContinuationToken") == 0) {
        if (strlen(text) >= sizeof l->next)
            return ph_fail(err, PROPHET_EREMOTE, "a list with too long a mark");
        memcpy(l->next, text, strlen(text) + 1);
    } else if (strcmp(name, "Contents") == 0 && l->name[0]) {
        return l->each(l->ctx, l->name, l->size, err);
    }
    return PROPHET_OK;
}

static prophet_code on_bytes(void *ctx, prophet_slice chunk, prophet_error *err)
{
    return net_xml_feed(((listing *)ctx)->xml, chunk, false, err);
}

/* What a signature takes a query for: all but letters, digits and -._~ as %XX. */
static void put_encoded(ph_buf *b, const char *s)
{
    for (; *s; s++) {
        char one[2] = { *s, 0 };
        if (only(one, "-._~"))
            ph_buf_byte(b, (uint8_t)*s);
        else
            ph_buf_printf(b, "%%%02X", (unsigned char)*s);
    }
}

/* One page; sorted by name, as signatures want it. */
static prophet_code list_page(listing *l, const char *folder, prophet_error *err)
{
    ph_buf url = PH_BUF_INIT;
    ph_http_request r = { .sink = on_bytes, .sink_ctx = l };
    prophet_code rc;

    ph_buf_printf(&url, "%s/?", l->p->bucket);
    if (l->next[0]) {
        ph_buf_str(&url, "continuation-token=");
        put_encoded(&url, l->next);
        ph_buf_byte(&url, '&');
    }
    ph_buf_str(&url, "list-type=2&prefix=");
    put_encoded(&url, l->p->prefix);
    put_encoded(&url, folder);
    ph_buf_byte(&url, 0);
    l->more = false;
    memcpy(l->last, l->next, sizeof l->last);
    l->next[0] = 0;
    if (url.failed) {
        rc = ph_nomem(err);
        goto done;
    }
    if ((rc = net_xml_new(on_element, l, &l->xml, err)) < 0 ||
        (rc = ask(l->p, "GET", (const char *)url.data, "list", &r, err)) < 0)
        goto done;
    if (r.status == 200)
        rc = net_xml_feed(l->xml, ph_slice("", 0), true, err);
    else if (r.status != 404)
        rc = http_refused(&r, err);
    if (rc >= 0 && l->more && (!l->next[0] || strcmp(l->next, l->last) == 0))
        rc = ph_fail(err, PROPHET_EREMOTE, "a list that goes on, but not where");

done:
    net_xml_free(l->xml);
    l->xml = NULL;
    ph_buf_clear(&url);
    return rc;
}

static prophet_code s3_list(void *place, const char *folder, prophet_net_name_fn each, void *ctx,
                            prophet_error *err)
{
    listing l = { .p = place, .each = each, .ctx = ctx, .size = PROPHET_WHOLE };
    prophet_code rc;
    int pages = 0;
    do {
        rc = list_page(&l, folder, err);
    } while (rc >= 0 && l.more && ++pages < PAGES_MAX);
    return rc >= 0 && l.more ? ph_fail(err, PROPHET_EREMOTE, "a list without an end") : rc;
}

const prophet_transport ph_net_s3 = {
    .size = sizeof(prophet_transport),
    .open = s3_open,
    .get = s3_get,
    .put = s3_put,
    .list = s3_list,
    .remove = s3_remove,
    .close = s3_close,
};
