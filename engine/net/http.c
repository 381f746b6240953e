/* http: requests of live peers and of the transports over HTTP: redirects, and trying again what failed for a while. Called by sync and by the transports;
 * http_once.c does a single exchange. */
#include "net/http_impl.h"

#define REDIRECTS 5

/* ---- opening ---------------------------------------------------------------------------------------------------------- */

prophet_code ph_http_open(const prophet_net_options *o, ph_http **out, prophet_error *err)
{
    prophet_code rc;
    if (o && o->size < sizeof *o)
        return ph_fail(err, PROPHET_EUSAGE, "the options of a connection need their size");
    if (o && o->token)
        for (const char *c = o->token; *c; c++)
            if (*c <= ' ' || *c >= 127)
                return ph_fail(err, PROPHET_EUSAGE,
                               "a token is of printable ASCII, without spaces");
    ph_http *h = ph_zalloc(sizeof *h);
    if (!h)
        return ph_nomem(err);
    h->options = net_options(o);
    h->wake = -1;
    if ((rc = net_curl_load(&h->curl, err)) < 0)
        goto failed;
    if (!(h->easy = h->curl->easy_init())) {
        rc = ph_nomem(err);
        goto failed;
    }
    *out = h;
    return PROPHET_OK;

failed:
    ph_http_close(h);
    return rc;
}

void ph_http_wake(ph_http *h, int fd)
{
    h->wake = fd;
}

void ph_http_close(ph_http *h)
{
    if (!h)
        return;
    if (h->easy)
        h->curl->easy_cleanup(h->easy);
    if (h->multi)
        (void)h->curl->multi_cleanup(h->multi); /* its handle is gone */
    ph_free(h->login);
    ph_free(h);
}

/* ---- redirects ---------------------------------------------------------------------------------------------------------- */

static bool is_redirect(const ph_http_request *r)
{
    return r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
           r->status == 308;
}

static prophet_code next_hop(ph_http *h, const http_call *c, char url[2048], prophet_error *err)
{
    char shown[160], told[sizeof c->redirect];
    memcpy(told, c->redirect, sizeof told);
    http_scrub(told, h->options.token);
    ph_net_show(told, shown, sizeof shown);
    if (!c->redirect[0])
        return ph_fail(err, PROPHET_EREMOTE, "it redirects to nowhere");
    if (!http_may_redirect(h->curl, url, c->redirect))
        return ph_fail(err, PROPHET_EREMOTE, "it redirects to %s, which is less safe or no HTTP",
                       shown);
    memcpy(url, c->redirect, sizeof c->redirect);
    return PROPHET_OK;
}

prophet_code http_exchange(ph_http *h, http_call *c, prophet_error *err)
{
    char url[sizeof c->redirect], scheme[32];
    prophet_code rc;

    if (!ph_net_is_url(c->r->url, scheme) ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return ph_fail(err, PROPHET_EUSAGE, "not a URL of http or https");
    if (strlen(c->r->url) >= sizeof url)
        return ph_fail(err, PROPHET_EUSAGE, "a URL of more than %zu bytes", sizeof url - 1);
    (void)snprintf(url, sizeof url, "%s", c->r->url);
    for (int hop = 0; hop <= REDIRECTS; hop++) {
        c->own = hop == 0 || http_same_origin(h->curl, c->r->url, url);
        if ((rc = http_once(h, c, url, err)) < 0 || !c->follow || !is_redirect(c->r))
            return rc;
        if ((rc = next_hop(h, c, url, err)) < 0)
            return rc;
    }
    return ph_fail(err, PROPHET_EREMOTE, "more than %d redirects", REDIRECTS);
}

/* ---- statuses that are errors ------------------------------------------------------------------------------------- */

/* Copies what stands between two marks; false: it does not. */
static bool between(const char *body, const char *open, const char *close, char *out, size_t size)
{
    const char *from = strstr(body, open), *to = from ? strstr(from, close) : NULL;
    if (!to)
        return false;
    from += strlen(open);
    (void)snprintf(out, size, "%.*s", (int)(to - from), from);
    return true;
}

/* The words in the beginning of an answer's body: of S3's XML, of a page its title, of text the text. */
static void words_of(const ph_http_request *r, char *out, size_t size)
{
    char code[64], status[8];
    const char *body = r->message;
    while (*body == ' ')
        body++;
    out[0] = 0;
    if (body[0] != '<') {
        (void)snprintf(out, size, "%.150s", body);
    } else if (between(body, "<Code>", "</Code>", code, sizeof code)) {
        bool more = between(body, "<Message>", "</Message>", out, size);
        if (!more)
            (void)snprintf(out, size, "%s", code);
    } else if (between(body, "<title>", "</title>", out, size)) {
        (void)snprintf(status, sizeof status, "%d ", r->status);
        if (strncmp(out, status, strlen(status)) == 0) /* it is said already */
            memmove(out, out + strlen(status), strlen(out + strlen(status)) + 1);
    }
}

prophet_code http_refused(const ph_http_request *r, prophet_error *err)
{
    char words[160]; /* the message has little more room */
    words_of(r, words, sizeof words);
    prophet_code code = r->status == 507            ? PROPHET_EFULL
                        : http_temporary(r->status) ? PROPHET_ENETWORK
                                                    : PROPHET_EREMOTE;
    code = ph_fail(err, code, "the server answers %d%s%s", r->status, words[0] ? ": " : "", words);
    if (r->status == 401 || r->status == 403)
        ph_hint(err, "is the token right, and has it that right?");
    return code;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------------ */

prophet_code ph_http_send(ph_http *h, ph_http_request *r, prophet_error *err)
{
    bool get = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    http_call c = { .r = r, .stage = get ? "get" : "send", .total = PROPHET_WHOLE, .follow = get };
    char shown[256];
    prophet_code rc;

    /* What is not a GET may have been done, whatever the answer: the caller decides. */
    rc = get ? http_try(h, &c, true, err) : http_exchange(h, &c, err);
    if (rc < 0 && rc != PROPHET_EINTERRUPTED && rc != PROPHET_EMEMORY) {
        ph_net_show(r->url, shown, sizeof shown);
        ph_context(err, "%s %s", r->method, shown);
    }
    return rc;
}
