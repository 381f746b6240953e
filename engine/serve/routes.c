/* What a request may ask and what becomes of it:
 *
 *   GET  /v1/head[?wait=SECONDS]   the offer; ETag is the digest, If-None-Match gives 304, with wait= only when that time passed
 *   POST /v1/offer                 an offer -> what is wanted of it       (right to write)
 *   POST /v1/pull                  a want -> a transfer
 *   POST /v1/push                  a transfer -> the answer               (right to write)
 *   GET  /                         a line for people
 *
 * Errors are one line of text, "code: message". Called by httpd.c. */
#include "serve/server_impl.h"
#include <stdlib.h>

enum {
    NOTE_US = 1000000, /* a moment: who syncs asks several questions */
    IDLE_US = 30000000 /* who only asks whether there is news may do so often */
};

typedef enum verb { HEAD, OFFER, PULL, PUSH, WELCOME } verb;
typedef struct serve_route {
    const char *path, *method;
    verb verb;
    bool write;
} serve_route;

static const serve_route routes[] = {
    { "/v1/head", "GET", HEAD, false },  { "/v1/offer", "POST", OFFER, true },
    { "/v1/pull", "POST", PULL, false }, { "/v1/push", "POST", PUSH, true },
    { "/", "GET", WELCOME, false },
};

/* ---- refusals ------------------------------------------------------------------------------------------------------------- */

static void refuse(httpd_request *q, int status, const char *text)
{
    q->status = status;
    q->type = "text/plain; charset=utf-8";
    q->stream = false;
    ph_buf_reset(&q->body);
    ph_buf_str(&q->body, text);
}

static int status_of(prophet_code code)
{
    switch (code) {
    case PROPHET_EUSAGE:
    case PROPHET_ECORRUPT: return 400;
    case PROPHET_EREADONLY: return 403;
    case PROPHET_EUNRELATED: return 409;
    case PROPHET_EBUDGET: return 413;
    case PROPHET_EUNTRUSTED:
    case PROPHET_EVERSION: return 422;
    case PROPHET_EBUSY: return 503;
    case PROPHET_EFULL: return 507;
    default: return 500;
    }
}

static void fail(ph_server *s, httpd_request *q, const prophet_error *err)
{
    char line[400];
    refuse(q, status_of(err->code), "");
    serve_error_text(err, &q->body);
    if (q->status >= 500 && s->o.log) { /* what is wrong here, for who runs it */
        (void)snprintf(line, sizeof line, "error %s: %s", ph_code_name(err->code), err->message);
        s->o.log(s->o.log_ctx, line);
    }
}

/* ---- the head of a request --------------------------------------------------------------------------------------------------- */

static const serve_route *find(httpd_request *q)
{
    const serve_route *there = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].path, q->path) == 0)
            there = &routes[i];
    if (!there)
        refuse(q, 404, "not_found: nothing here; a live peer answers below /v1/\n");
    else if (strcmp(q->method, there->method) != 0 &&
             !(strcmp(q->method, "HEAD") == 0 && strcmp(there->method, "GET") == 0)) {
        refuse(q, 405, "usage: another method is wanted\n");
        q->allow = there->method;
    }
    return there;
}

static void check_right(ph_server *s, httpd_request *q, const serve_route *route)
{
    switch (serve_allowed(&s->access, s->hasher, httpd_header(s->http, q, "Authorization"),
                          route->write)) {
    case 401: refuse(q, 401, "untrusted: a token is wanted, and a good one\n"); break;
    case 403:
        refuse(q, 403,
               s->access.count ? "readonly: this token is for reading only\n"
                               : "readonly: this server takes nothing: it has no token\n");
        break;
    default:
        if (route->write && s->o.readonly)
            refuse(q, 403, "readonly: this server takes nothing\n");
    }
}

/* The digest in If-None-Match; false: there is none, or it is no digest. */
static bool known_digest(const char *header, uint8_t out[32])
{
    if (!header)
        return false;
    if (strncmp(header, "W/", 2) == 0)
        header += 2;
    return header[0] == '"' && strlen(header) == 66 && header[65] == '"' &&
           ph_unhex(header + 1, 64, out, 32);
}

static void read_head(ph_server *s, httpd_request *h, request *q)
{
    const char *wait = httpd_argument(s->http, h, "wait");
    q->has_known = known_digest(httpd_header(s->http, h, "If-None-Match"), q->known);
    if (!wait)
        return;
    if (!*wait || strlen(wait) > 4 || strspn(wait, "0123456789") != strlen(wait)) {
        refuse(h, 400, "usage: wait is a number of seconds\n");
        return;
    }
    unsigned long seconds = strtoul(wait, NULL, 10);
    if (seconds > WAIT_MAX_S)
        seconds = WAIT_MAX_S;
    if (seconds && q->has_known)
        q->wait_until_us = ph_monotonic_us() + seconds * 1000000u;
}

static void check_length(ph_server *s, httpd_request *h, const serve_route *route)
{
    const char *length = httpd_header(s->http, h, "Content-Length");
    uint64_t most = route->verb == PUSH ? s->o.push_bytes : PH_SYNC_MESSAGE_MAX;
    if (length && strtoull(length, NULL, 10) > most)
        refuse(h, 413, "budget: more than is taken at once\n");
}

static void start_work(ph_server *s, httpd_request *h, request *q)
{
    prophet_error err = { 0 };
    bool push = q->route->verb == PUSH;
    if (s->working >= s->o.requests || (push && s->pushing >= PUSHES_MAX)) {
        refuse(h, 503, "busy: too many at once: try again\n");
        return;
    }
    if (push && ph_sync_taker_open(s->r, &q->taker, &err) < 0) {
        fail(s, h, &err);
        return;
    }
    q->counted = true;
    s->working++;
    s->pushing += push;
}

void serve_on_begin(void *ctx, httpd_request *h)
{
    ph_server *s = ctx;
    const char *host = httpd_header(s->http, h, "Host");
    request *q = ph_zalloc(sizeof *q);
    if (!(h->state = q)) {
        refuse(h, 503, "memory: try again\n");
        return;
    }
    q->http = h;
    if (s->quiet)
        refuse(h, 503, "busy: this server ends\n");
    else if (!serve_host_allowed(&s->access, host))
        refuse(h, 421, "usage: the server is not known by that name\n");
    else if (!serve_origin_allowed(httpd_header(s->http, h, "Origin"), host))
        refuse(h, 403, "untrusted: pages of other sites do not ask here\n");
    else if ((q->route = find(h)) && !h->status)
        check_right(s, h, q->route);
    if (!h->status)
        check_length(s, h, q->route);
    if (!h->status && q->route->verb == HEAD)
        read_head(s, h, q);
    if (!h->status)
        start_work(s, h, q);
}

/* ---- its body ------------------------------------------------------------------------------------------------------------------- */

void serve_on_body(void *ctx, httpd_request *h, prophet_slice bytes)
{
    ph_server *s = ctx;
    request *q = h->state;
    prophet_error err = { 0 };
    prophet_code rc = PROPHET_OK;
    if (h->received > (q->taker ? s->o.push_bytes : PH_SYNC_MESSAGE_MAX)) {
        rc = ph_fail(&err, PROPHET_EBUDGET, "more than is taken at once");
    } else if (q->taker) {
        rc = ph_sync_taker_feed(q->taker, bytes, &err);
    } else {
        ph_buf_put(&q->message, bytes.data, bytes.len);
        rc = q->message.failed ? ph_nomem(&err) : PROPHET_OK;
    }
    if (rc < 0) { /* answered when all has come: libmicrohttpd cannot before */
        fail(s, h, &err);
        h->failed = true;
    }
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

static void wait_for_commit(ph_server *s, httpd_request *h, request *q)
{
    q->link = &s->waiting;
    if ((q->next = s->waiting))
        q->next->link = &q->next;
    s->waiting = q;
    if (q->counted) /* who waits does no work */
        s->working--;
    q->counted = false;
    s->look_at_us = ph_monotonic_us(); /* what was written since the last look is news */
    httpd_suspend(s->http, h);
}

static prophet_code do_head(ph_server *s, httpd_request *h, request *q, prophet_error *err)
{
    uint8_t digest[32];
    prophet_code rc = serve_head(s->r, q->has_known ? q->known : NULL, &h->body, digest, err);
    if (rc < 0)
        return rc;
    if (rc == PROPHET_DONE && q->wait_until_us && !s->quiet) {
        wait_for_commit(s, h, q);
        return PROPHET_OK;
    }
    ph_hex(digest, 32, h->etag);
    h->status = rc == PROPHET_DONE ? 304 : 200;
    if (rc == PROPHET_DONE) /* who was here before says who it is */
        q->visit =
            serve_equal(s->r, httpd_header(s->http, h, "Prophet-Replica"), digest, s->visits);
    q->taken = true;
    return PROPHET_OK;
}

static prophet_code do_push(ph_server *s, httpd_request *h, request *q, prophet_error *err)
{
    bool news = false;
    prophet_code rc = serve_push_end(s->r, q->taker, &h->body, &news, err);
    s->pushed += news;
    if (news && !s->look_at_us)
        s->look_at_us = ph_monotonic_us();
    h->status = 200;
    return rc;
}

void serve_on_end(void *ctx, httpd_request *h)
{
    ph_server *s = ctx;
    request *q = h->state;
    prophet_error err = { 0 };
    prophet_code rc = PROPHET_OK;
    h->type = "application/cbor";
    switch (q->route->verb) {
    case HEAD: rc = do_head(s, h, q, &err); break;
    case OFFER:
        rc = serve_offer(s->r, ph_buf_slice(&q->message), &h->body, &q->visit, &err);
        q->taken = true;
        h->status = 200;
        break;
    case PULL:
        rc = serve_pull(s->r, ph_buf_slice(&q->message), &q->sender, &q->visit, &err);
        h->type = "application/octet-stream";
        h->stream = true;
        h->status = 200;
        break;
    case PUSH: rc = do_push(s, h, q, &err); break;
    case WELCOME:
        h->type = "text/plain; charset=utf-8";
        ph_buf_printf(
            &h->body,
            "A live peer of a Prophet database. `prophet clone URL DIR` makes a replica of it.\n");
        h->status = 200;
    }
    if (rc < 0)
        fail(s, h, &err);
}

bool serve_on_fill(void *ctx, httpd_request *h)
{
    ph_server *s = ctx;
    request *q = h->state;
    prophet_error err = { 0 };
    char line[400];
    prophet_code rc = ph_sync_sender_next(q->sender, &h->body, &err);
    q->taken = rc == PROPHET_DONE;
    if (rc >= 0)
        return true;
    if (s->o.log) {
        (void)snprintf(line, sizeof line, "error %s: %s", ph_code_name(err.code), err.message);
        s->o.log(s->o.log_ctx, line);
    }
    return false;
}

/* ---- the end of a request -------------------------------------------------------------------------------------------------------------- */

static void log_request(ph_server *s, const httpd_request *h)
{
    char line[400], time[40];
    if (!s->o.log)
        return;
    ph_time_format(ph_now_ms(), time);
    (void)snprintf(line, sizeof line, "%s %s %.8s %.80s %d in %llu out %llu bytes %.1f ms", time,
                   h->address, h->method, h->path, h->status, (unsigned long long)h->received,
                   (unsigned long long)h->sent, (double)(ph_monotonic_us() - h->start_us) / 1e3);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 127)
            *p = '?'; /* the path is a stranger's */
    s->o.log(s->o.log_ctx, line);
}

static void note_visit(ph_server *s, const httpd_request *h, request *q)
{
    if (!q->visit || !q->taken || !h->whole) {
        ph_sync_visit_free(q->visit);
        return;
    }
    uint64_t at = ph_monotonic_us() + (q->route->verb == HEAD ? IDLE_US : NOTE_US);
    s->note_at_us = s->note_at_us && s->note_at_us < at ? s->note_at_us : at;
    ph_sync_visits_add(&s->visits, q->visit);
}

void serve_on_done(void *ctx, httpd_request *h)
{
    ph_server *s = ctx;
    request *q = h->state;
    log_request(s, h);
    if (!q)
        return;
    if (q->link) { /* broke off while it waited */
        if ((*q->link = q->next))
            q->next->link = q->link;
    }
    if (q->counted) {
        s->working--;
        s->pushing -= q->route->verb == PUSH;
    }
    note_visit(s, h, q);
    ph_sync_taker_close(q->taker);
    ph_sync_sender_close(q->sender);
    ph_buf_clear(&q->message);
    ph_free(q);
    h->state = NULL;
}
