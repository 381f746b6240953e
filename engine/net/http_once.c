/* http_once: one request and its answer, by libcurl. What is checked here holds for everything over HTTP: certificates, schemes, how long a header may be, how
 * long nothing may move, that the token goes nowhere but to its own origin and into no message. Called by http.c. */
#include "net/http_impl.h"
#include <fcntl.h>
#include <stdlib.h>

#define HEADERS_MAX 65536u
#define ANSWERS_MAX 32 /* status lines of one request: what a proxy says, "continue", the answer */
#define WAKE_MS     500
#define SLOWEST     64u /* bytes a second of an answer, over the time that nothing may move */

/* What the callbacks of one exchange share. */
typedef struct turn {
    ph_http *h;
    http_call *c;
    prophet_error *err;
    prophet_code rc;   /* what a callback stopped it with */
    bool connected;    /* the request is on its way */
    bool answered;     /* a status line came */
    uint64_t moved_us; /* when the last byte moved */
    curl_off_t moved;  /* bytes, both ways */
    uint64_t slow_us;  /* since when it is watched whether an answer comes too slowly, */
    curl_off_t slow_down, slow_up; /* .. and what had moved then */
    size_t header_bytes, answers;
    uint64_t sent;
    size_t message;
} turn;

/* One that is refused is kept, to say why. */
static bool took(ph_http *h, CURLcode code)
{
    if (code != CURLE_OK)
        h->refused = code;
    return code == CURLE_OK;
}
#define SET(h, option, value) \
    took((h), (h)->curl->easy_setopt((h)->easy, CURLOPT_##option, (value)))

/* ---- what comes ---------------------------------------------------------------------------------------------------- */

static void take_wanted(ph_http_request *r, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name = colon ? (size_t)(colon - line) : 0;
    for (size_t i = 0; name && i < r->wanted_count; i++) {
        ph_http_header *w = &r->wanted[i];
        if (strlen(w->name) != name || strncasecmp(w->name, line, name) != 0)
            continue;
        const char *from = colon + 1, *end = line + len;
        while (from < end && (*from == ' ' || *from == '\t'))
            from++;
        while (end > from && (unsigned char)end[-1] <= ' ')
            end--;
        size_t n =
            (size_t)(end - from) < sizeof w->value - 1 ? (size_t)(end - from) : sizeof w->value - 1;
        memcpy(w->value, from, n);
        w->value[n] = 0;
    }
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    turn *t = ctx;
    ph_http_request *r = t->c->r;
    size_t len = size * count;

    t->moved_us = ph_monotonic_us(); /* who thought for long, and then answers, has not stalled */
    if ((t->header_bytes += len) > HEADERS_MAX) {
        t->rc = ph_fail(t->err, PROPHET_EREMOTE, "headers of more than %u bytes", HEADERS_MAX);
        return 0;
    }
    if (len > 5 &&
        memcmp(line, "HTTP/", 5) == 0) { /* of a 100, of a proxy: what came before does not count */
        t->answered = true;
        t->slow_us = t->moved_us;
        if (++t->answers > ANSWERS_MAX) { /* "continue", and "continue", .. */
            t->rc = ph_fail(t->err, PROPHET_EREMOTE, "it says to go on, and never answers");
            return 0;
        }
        for (size_t i = 0; i < r->wanted_count; i++)
            r->wanted[i].value[0] = 0;
        t->c->after_s = 0;
        return len;
    }
    if (len > 12 && strncasecmp(line, "retry-after:", 12) == 0) {
        unsigned long s = strtoul(line + 12, NULL, 10); /* a date reads as 0: then we choose */
        t->c->after_s = s < 86400 ? (uint32_t)s : 86400;
    }
    take_wanted(r, line, len);
    return len;
}

static long status_of(const ph_http *h)
{
    long status = 0;
    (void)h->curl->easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE,
                                &status); /* 0 when there is none */
    return status;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    turn *t = ctx;
    ph_http_request *r = t->c->r;
    size_t len = size * count;

    r->status = (int)status_of(t->h);
    if (r->status >= 400)
        for (size_t i = 0; i < len && t->message < sizeof r->message - 1; i++)
            r->message[t->message++] = bytes[i] > ' ' && bytes[i] < 127 ? bytes[i] : ' ';
    if (r->status < 200 || r->status > 299 || !r->sink)
        return len;
    if (r->most && len > r->most - t->c->got) {
        t->rc = ph_fail(t->err, PROPHET_EREMOTE, "an answer of more than %llu bytes",
                        (unsigned long long)r->most);
        return 0;
    }
    t->c->got += len;
    t->rc = r->sink(r->sink_ctx, ph_slice(bytes, len), t->err);
    return t->rc < 0 ? 0 : len;
}

/* ---- what goes ----------------------------------------------------------------------------------------------------- */

static size_t on_read(char *out, size_t size, size_t count, void *ctx)
{
    turn *t = ctx;
    ph_http_request *r = t->c->r;
    size_t room = size * count, got = 0;

    if (r->length != PROPHET_WHOLE && room > r->length - t->sent)
        room = (size_t)(r->length - t->sent);
    if (room == 0)
        return 0;
    t->rc = r->read(r->read_ctx, out, room, &got, t->err);
    if (t->rc == PROPHET_DONE)
        t->rc = r->length == PROPHET_WHOLE
                    ? PROPHET_OK
                    : ph_fail(t->err, PROPHET_EUSAGE, "the body ends before its length");
    else if (t->rc == PROPHET_OK && (got == 0 || got > room))
        t->rc = ph_fail(t->err, PROPHET_EUSAGE, "a body that gives no bytes");
    if (t->rc < 0)
        return CURL_READFUNC_ABORT;
    t->sent += got;
    return got;
}

/* libcurl starts a body again when a connection that was kept turns out to be dead. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    turn *t = ctx;
    if (origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    if (t->sent > 0 && (!t->c->rewind || t->c->rewind(t->c->r->read_ctx) < 0))
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* ---- time ------------------------------------------------------------------------------------------------------------ */

static int on_connected(void *ctx, char *ip, char *local, int port, int local_port)
{
    turn *t = ctx;
    (void)ip, (void)local, (void)port, (void)local_port;
    t->connected = true;
    t->moved_us = ph_monotonic_us();
    return CURL_PREREQFUNC_OK;
}

/* A program that is started meanwhile has no business with it. */
static int on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    (void)ctx, (void)purpose;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* where it fails the socket is no worse than before */
    return CURL_SOCKOPT_OK;
}

static prophet_code nothing_moves(turn *t, uint32_t limit_ms)
{
    t->c->temporary = true;
    return ph_fail(t->err, PROPHET_ENETWORK, "nothing moved for %u.%u s", limit_ms / 1000,
                   limit_ms / 100 % 10);
}

/* Who sends a byte now and then could hold us for ever: headers without an end, a body that trickles. */
static bool dawdles(turn *t, curl_off_t down, curl_off_t up, uint64_t now)
{
    const uint64_t window_ms = t->h->options.stall_ms;
    bool over = t->answered && up == t->slow_up;
    if (over && now - t->slow_us < window_ms * 1000)
        return false;
    bool slow = over && (uint64_t)(down - t->slow_down) * 1000 < window_ms * SLOWEST;
    t->slow_us = now;
    t->slow_down = down;
    t->slow_up = up;
    return slow;
}

static int on_tick(void *ctx, curl_off_t total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    turn *t = ctx;
    http_call *c = t->c;
    uint64_t now = ph_monotonic_us();
    uint32_t limit = t->answered || !c->r->wait_ms ? t->h->options.stall_ms : c->r->wait_ms;
    (void)total, (void)up_total;

    if (t->rc < 0) /* the first error is the one to tell */
        return 1;
    if (down + up != t->moved) {
        t->moved = down + up;
        t->moved_us = now;
    }
    if (t->connected && now - t->moved_us > (uint64_t)limit * 1000) {
        t->rc = nothing_moves(t, limit);
        return 1;
    }
    if (dawdles(t, down, up, now)) {
        t->rc = ph_fail(t->err, PROPHET_ENETWORK, "less than %u bytes a second came", SLOWEST);
        c->temporary = true;
        return 1;
    }
    t->rc = net_tick(&t->h->options, c->stage, c->base + (uint64_t)(down > up ? down : up),
                     c->total, t->err);
    return t->rc < 0;
}

/* ---- options --------------------------------------------------------------------------------------------------------- */

static bool set_trust(ph_http *h)
{
    const char *ca = h->options.cacert;
    bool ok = SET(h, SSL_VERIFYPEER, 1L) && SET(h, SSL_VERIFYHOST, 2L) &&
              SET(h, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
              SET(h, PROTOCOLS_STR, "http,https") && SET(h, DISALLOW_USERNAME_IN_URL, 1L);
    if (ok && ca) /* instead of the system's, so its directory goes too */
        ok = SET(h, CAINFO, ca) && SET(h, CAPATH, NULL) && SET(h, PROXY_CAINFO, ca) &&
             SET(h, PROXY_CAPATH, NULL);
    if (ok && h->options.proxy)
        ok = SET(h, PROXY, h->options.proxy);
    return ok;
}

static bool set_callbacks(ph_http *h, turn *t)
{
    return SET(h, NOSIGNAL, 1L) && SET(h, ERRORBUFFER, h->error) &&
           SET(h, USERAGENT, "prophet/" PH_VERSION) && SET(h, BUFFERSIZE, (long)NET_CHUNK) &&
           SET(h, UPLOAD_BUFFERSIZE, (long)NET_CHUNK) &&
           SET(h, CONNECTTIMEOUT_MS, (long)h->options.connect_ms) &&
           SET(h, SUPPRESS_CONNECT_HEADERS, 1L) && SET(h, HEADERFUNCTION, on_header) &&
           SET(h, HEADERDATA, t) && SET(h, WRITEFUNCTION, on_body) && SET(h, WRITEDATA, t) &&
           SET(h, SOCKOPTFUNCTION, on_socket) && SET(h, PREREQFUNCTION, on_connected) &&
           SET(h, PREREQDATA, t) && SET(h, NOPROGRESS, 0L) && SET(h, XFERINFOFUNCTION, on_tick) &&
           SET(h, XFERINFODATA, t);
}

static bool set_request(ph_http *h, turn *t, const char *url)
{
    const ph_http_request *r = t->c->r;
    bool ok = SET(h, URL, url);
    if (strcmp(r->method, "HEAD") == 0)
        return ok && SET(h, NOBODY, 1L);
    if (r->read)
        ok = ok && SET(h, UPLOAD, 1L) && SET(h, READFUNCTION, on_read) && SET(h, READDATA, t) &&
             SET(h, SEEKFUNCTION, on_seek) && SET(h, SEEKDATA, t) &&
             SET(h, INFILESIZE_LARGE,
                 r->length == PROPHET_WHOLE ? (curl_off_t)-1 : (curl_off_t)r->length);
    else if (strcmp(r->method, "POST") == 0) /* says that it has no body */
        ok = ok && SET(h, POST, 1L) && SET(h, POSTFIELDSIZE, 0L) && SET(h, POSTFIELDS, "");
    return ok && SET(h, CUSTOMREQUEST, r->method);
}

static bool add_header(ph_http *h, struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = h->curl->slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool set_bearer(ph_http *h, struct curl_slist **list)
{
    ph_buf line = PH_BUF_INIT;
    ph_buf_printf(&line, "Authorization: Bearer %s", h->options.token);
    ph_buf_byte(&line, 0);
    bool ok = !line.failed && add_header(h, list, (const char *)line.data);
    ph_buf_clear(&line);
    return ok;
}

static bool set_headers(ph_http *h, const http_call *c, struct curl_slist **list)
{
    bool ok = true;
    for (size_t i = 0; i < c->r->header_count; i++)
        ok = ok && add_header(h, list, c->r->headers[i]);
    if (c->own && h->login)
        ok = ok && SET(h, USERPWD, h->login) &&
             (h->sigv4[0] ? SET(h, AWS_SIGV4, h->sigv4) : SET(h, HTTPAUTH, (long)CURLAUTH_BASIC));
    else if (c->own && h->options.token && h->options.token[0] && !h->sigv4[0])
        ok = ok && set_bearer(h, list);
    return ok && SET(h, HTTPHEADER, *list);
}

/* ---- how it went ------------------------------------------------------------------------------------------------------ */

static prophet_code judge(ph_http *h, turn *t, CURLcode code, prophet_error *err)
{
    ph_http_request *r = t->c->r;
    char *redirect = NULL;

    r->status = t->answered ? (int)status_of(h) : 0;
    r->message[t->message] = 0;
    http_scrub(r->message, h->options.token);
    if (t->rc < 0)
        return t->rc;
    if (code == CURLE_OUT_OF_MEMORY && t->answered) /* what libcurl calls a line without an end */
        return ph_fail(err, PROPHET_EREMOTE, "a header that is too long, or memory is out");
    if (code != CURLE_OK) {
        r->status = 0;
        return http_explain(h, code, t->c, err);
    }
    t->c->temporary = http_temporary(r->status);
    if (h->curl->easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &redirect) == CURLE_OK && redirect &&
        strlen(redirect) < sizeof t->c->redirect)
        (void)snprintf(t->c->redirect, sizeof t->c->redirect, "%s", redirect);
    return PROPHET_OK;
}

/* What multi says of the handle, once it is done. */
static CURLcode result_of(ph_http *h)
{
    const CURLMsg *m;
    int left;
    while ((m = h->curl->multi_info_read(h->multi, &left)) != NULL)
        if (m->msg == CURLMSG_DONE)
            return m->data.result;
    return CURLE_FAILED_INIT;
}

/* As easy_perform, but woken by the descriptor: then libcurl asks on_tick. Once it was used the connections are with it. */
static CURLcode perform(ph_http *h)
{
    const curl_functions *curl = h->curl;
    int running = 1;
    CURLMcode rc;
    if (h->wake < 0 && !h->multi)
        return curl->easy_perform(h->easy);
    if (!h->multi && !(h->multi = curl->multi_init()))
        return CURLE_OUT_OF_MEMORY;
    rc = curl->multi_add_handle(h->multi, h->easy);
    while (rc == CURLM_OK && (rc = curl->multi_perform(h->multi, &running)) == CURLM_OK &&
           running) {
        struct curl_waitfd wake = { h->wake, CURL_WAIT_POLLIN, 0 };
        rc = curl->multi_poll(h->multi, &wake, h->wake < 0 ? 0 : 1, WAKE_MS, NULL);
    }
    CURLcode code = rc == CURLM_OK              ? result_of(h)
                    : rc == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY
                                                : CURLE_FAILED_INIT;
    (void)curl->multi_remove_handle(h->multi, h->easy); /* fails only where it was not added */
    return code;
}

prophet_code http_once(ph_http *h, http_call *c, const char *url, prophet_error *err)
{
    turn t = { .h = h, .c = c, .err = err };
    struct curl_slist *headers = NULL;
    prophet_code rc;

    c->r->status = 0;
    c->r->message[0] = 0;
    c->temporary = false;
    c->after_s = 0;
    c->redirect[0] = 0;
    h->error[0] = 0;
    h->refused = CURLE_OK;
    h->curl->easy_reset(h->easy);
    if (!set_trust(h) || !set_callbacks(h, &t) || !set_request(h, &t, url) ||
        !set_headers(h, c, &headers))
        rc = h->refused == CURLE_OK || h->refused == CURLE_OUT_OF_MEMORY
                 ? ph_nomem(err)
                 : ph_fail(err, PROPHET_ENOTFOUND, "libcurl is too old: %s",
                           h->curl->easy_strerror(h->refused));
    else
        rc = judge(h, &t, perform(h), err);
    h->curl->easy_reset(h->easy); /* it points at our frame */
    h->curl->slist_free_all(headers);
    return rc;
}
