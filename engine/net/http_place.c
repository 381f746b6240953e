/* http_place: the transport of http and https: what a web server gives out. It reads; it cannot write, nor list, since servers have no one way for either. */
#include "net/http_impl.h"

typedef struct http_place {
    ph_http *http;
    char *base;
} http_place;

static void http_place_close(void *place)
{
    http_place *p = place;
    if (!p)
        return;
    ph_http_close(p->http);
    ph_free(p->base);
    ph_free(p);
}

static prophet_code http_place_open(void *ctx, const char *url, const prophet_net_options *o,
                                    void **place, prophet_error *err)
{
    char *user = NULL;
    prophet_code rc;
    (void)ctx;
    http_place *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    if ((rc = ph_http_open(o, &p->http, err)) < 0 ||
        (rc = http_base(p->http->curl, url, NULL, &p->base, &user, err)) < 0 ||
        (rc = http_login(p->http, user, o->token, err)) < 0) {
        http_place_close(p);
        p = NULL;
    }
    ph_free(user);
    *place = p;
    return rc;
}

static prophet_code http_place_get(void *place, const char *name, prophet_net_get *g,
                                   prophet_error *err)
{
    static const http_how how = { .follow = true, .dated = true };
    const http_place *p = place;
    char *url = NULL;
    prophet_code rc = http_join(p->base, name, &url, err);
    if (rc >= 0)
        rc = http_get(p->http, url, &how, g, err);
    ph_free(url);
    return rc;
}

const prophet_transport ph_net_http = {
    .size = sizeof(prophet_transport),
    .open = http_place_open,
    .get = http_place_get,
    .close = http_place_close,
};
