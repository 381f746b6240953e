/* http_put: writes a resource over HTTP, and asks what else the transports that write need. Called by dav.c and s3.c. */
#include "net/http_impl.h"

typedef struct body {
    prophet_net_put *p;
    uint64_t at;
} body;

static prophet_code give(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err)
{
    body *b = ctx;
    uint64_t left = b->p->length - b->at;
    *got = len < left ? len : (size_t)left;
    if (*got == 0)
        return PROPHET_DONE;
    prophet_code rc = b->p->read(b->p->ctx, b->at, buf, *got, err);
    b->at += *got;
    return rc;
}

static prophet_code rewind_body(void *ctx)
{
    ((body *)ctx)->at = 0;
    return PROPHET_OK;
}

prophet_code http_try(ph_http *h, http_call *c, bool again, prophet_error *err)
{
    for (uint32_t tried = 1;; tried++) {
        if (tried > 1 && c->rewind)
            (void)c->rewind(c->r->read_ctx); /* it may be asked for the same again */
        prophet_code rc = http_exchange(h, c, err);
        /* Once the sink has bytes they cannot be taken back. */
        if (!c->temporary || c->got > 0 || (!again && rc < 0))
            return rc;
        prophet_code wait = http_wait(h, c, tried, err);
        if (wait != PROPHET_OK)
            return wait < 0 ? wait : rc;
    }
}

prophet_code http_put(ph_http *h, const char *url, const char *const *headers, prophet_net_put *p,
                      ph_http_request *r, prophet_error *err)
{
    body b = { p, 0 };
    r->method = "PUT";
    r->url = url;
    r->headers = headers;
    r->header_count = 0;
    while (headers[r->header_count])
        r->header_count++;
    r->length = p->length;
    r->read = give;
    r->read_ctx = &b;
    http_call c = { .r = r, .stage = "put", .total = p->length, .rewind = rewind_body };
    /* A condition that an answer got lost of cannot be asked again: it may hold no longer because of ourselves. */
    return http_try(h, &c, !p->only_if_absent && !p->only_if_etag, err);
}

prophet_code http_ask(ph_http *h, ph_http_request *r, const char *stage, prophet_error *err)
{
    http_call c = { .r = r, .stage = stage, .total = PROPHET_WHOLE };
    return http_try(h, &c, true, err);
}
