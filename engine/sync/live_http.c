/* The questions to a live peer over HTTP. */
#include "sync/live_impl.h"
#include <stdlib.h>

enum { HEAD_MARGIN_MS = 15000 }; /* beyond what was asked to wait */

typedef struct http_wire {
    ph_http *http;
    char *url; /* without a slash at its end */
    char shown[256];
    char self[90]; /* a header that says who asks, or "" */
    bool met;      /* it answered as a live peer: others need not know who asks */
} http_wire;

static void http_close(void *self)
{
    http_wire *w = self;
    ph_http_close(w->http);
    ph_free(w->url);
    ph_free(w);
}

static void http_wake(void *self, int fd)
{
    http_wire *w = self;
    ph_http_wake(w->http, fd);
}

static prophet_code to_buf(void *ctx, prophet_slice bytes, prophet_error *err)
{
    ph_buf *out = ctx;
    ph_buf_put(out, bytes.data, bytes.len);
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------- */

/* Is it "code: message", as live peers refuse? */
static bool is_refusal(const char *message)
{
    size_t n = strspn(message, "abcdefghijklmnopqrstuvwxyz_");
    return n > 0 && message[n] == ':';
}

/* What an answer that is none of the expected ones means. */
static prophet_code judge(const http_wire *w, const ph_http_request *q, prophet_error *err)
{
    prophet_code rc;
    switch (q->status) {
    case 401:
        rc = ph_fail(err, PROPHET_EREMOTE, "%s wants a token, and a good one", w->shown);
        ph_hint(err, "--token-file, or the option token");
        return rc;
    case 404:
    case 405:
    case 501: return ph_fail(err, PROPHET_ENOTFOUND, "there is no live peer at %s", w->shown);
    default: break;
    }
    if (*q->message && (q->status < 502 || q->status > 504 || is_refusal(q->message)))
        return live_refusal(w->shown, ph_slice_str(q->message), 0, err);
    /* a proxy whose server is away: it may be back soon */
    return ph_fail(err, q->status >= 502 && q->status <= 504 ? PROPHET_ENETWORK : PROPHET_EREMOTE,
                   "%s answers with status %d", w->shown, q->status);
}

typedef struct body { /* to be sent */
    prophet_slice left;
    ph_sync_sender *sender; /* NULL: only what is left */
    ph_buf piece;
} body;

static prophet_code read_body(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    body *b = ctx;
    if (b->left.len == 0 && b->sender) {
        ph_buf_reset(&b->piece);
        prophet_code rc = ph_sync_sender_next(b->sender, &b->piece, err);
        if (rc != PROPHET_OK)
            return rc;
        b->left = ph_buf_slice(&b->piece);
    }
    if (b->left.len == 0)
        return PROPHET_DONE;
    *got = b->left.len < len ? b->left.len : len;
    memcpy(buf, b->left.data, *got);
    b->left = ph_slice((const char *)b->left.data + *got, b->left.len - *got);
    return PROPHET_OK;
}

static prophet_code post(http_wire *w, const char *path, const char *type, body *b,
                         prophet_sink_fn sink, void *ctx, uint64_t most, prophet_error *err)
{
    char url[4096], content[80];
    const char *const headers[] = { content };
    ph_http_request q = { .method = "POST",
                          .url = url,
                          .headers = headers,
                          .header_count = 1,
                          .length = b->sender ? PROPHET_WHOLE : b->left.len,
                          .read = read_body,
                          .read_ctx = b,
                          .sink = sink,
                          .sink_ctx = ctx,
                          .most = most };
    (void)snprintf(content, sizeof content, "Content-Type: %s", type);
    if ((size_t)snprintf(url, sizeof url, "%s/v1/%s", w->url, path) >= sizeof url)
        return ph_fail(err, PROPHET_EUSAGE, "a URL that is too long");
    prophet_code rc = ph_http_send(w->http, &q, err);
    return rc < 0 ? rc : q.status == 200 ? PROPHET_OK : judge(w, &q, err);
}

static prophet_code http_head(void *self, const uint8_t *known, uint32_t wait_s, ph_buf *out,
                              prophet_error *err)
{
    http_wire *w = self;
    char url[4096], match[100], hex[65], query[40] = "";
    const char *headers[2];
    size_t count = 0;
    ph_http_header type = { .name = "Content-Type" };
    ph_http_request q = { .method = "GET",
                          .url = url,
                          .headers = headers,
                          .sink = to_buf,
                          .sink_ctx = out,
                          .most = PH_SYNC_MESSAGE_MAX,
                          .wait_ms = wait_s ? wait_s * 1000 + HEAD_MARGIN_MS : 0,
                          .wanted = &type,
                          .wanted_count = 1 };
    if (known) {
        ph_hex(known, 32, hex);
        (void)snprintf(match, sizeof match, "If-None-Match: \"%s\"", hex);
        headers[count++] = match;
    }
    if (w->met && *w->self)
        headers[count++] = w->self;
    q.header_count = count;
    if (known && wait_s)
        (void)snprintf(query, sizeof query, "?wait=%u", wait_s);
    if ((size_t)snprintf(url, sizeof url, "%s/v1/head%s", w->url, query) >= sizeof url)
        return ph_fail(err, PROPHET_EUSAGE, "a URL that is too long");
    prophet_code rc = ph_http_send(w->http, &q, err);
    if (rc < 0)
        return rc;
    bool same = q.status == 304 && known;
    if (same || (q.status == 200 && strncmp(type.value, "application/cbor", 16) == 0)) {
        w->met = true;
        return same ? PROPHET_DONE : PROPHET_OK;
    }
    /* a static server that has a page for everything is no live peer, nor is one that forbids what it does not have */
    return q.status == 200 || (q.status < 500 && !is_refusal(q.message))
               ? ph_fail(err, PROPHET_ENOTFOUND, "there is no live peer at %s", w->shown)
               : judge(w, &q, err);
}

static prophet_code http_offer(void *self, prophet_slice offer, ph_buf *want, prophet_error *err)
{
    body b = { .left = offer };
    return post(self, "offer", "application/cbor", &b, to_buf, want, PH_SYNC_MESSAGE_MAX, err);
}

static prophet_code http_pull(void *self, prophet_slice want, prophet_sink_fn sink, void *ctx,
                              prophet_error *err)
{
    body b = { .left = want };
    return post(self, "pull", "application/cbor", &b, sink, ctx, 0, err);
}

static prophet_code http_push(void *self, ph_sync_sender *s, ph_buf *answer, prophet_error *err)
{
    body b = { .sender = s };
    prophet_code rc = post(self, "push", "application/octet-stream", &b, to_buf, answer,
                           PH_SYNC_MESSAGE_MAX, err);
    ph_buf_clear(&b.piece);
    return rc;
}

prophet_code live_http_open(const char *url, const prophet_net_options *o, const ph_id *self,
                            bool met, live_wire *out, prophet_error *err)
{
    char key[65];
    http_wire *w = ph_zalloc(sizeof *w);
    size_t len = strlen(url);
    if (!w || !(w->url = ph_strdup(url))) {
        ph_free(w);
        return ph_nomem(err);
    }
    w->met = met;
    while (len > 0 && w->url[len - 1] == '/')
        w->url[--len] = 0;
    ph_net_show(url, w->shown, sizeof w->shown);
    if (self) {
        ph_hex(self->b, 32, key);
        (void)snprintf(w->self, sizeof w->self, "Prophet-Replica: %s", key);
    }
    prophet_code rc = ph_http_open(o, &w->http, err);
    if (rc < 0) {
        http_close(w);
        return rc;
    }
    *out = (live_wire){ w, http_head, http_offer, http_pull, http_push, http_wake, http_close };
    return PROPHET_OK;
}
