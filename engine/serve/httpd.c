/* libmicrohttpd, made into what server.c needs: requests as structs, and callbacks when their head, their body and their end are there. One
 * thread, driven from outside: httpd_fd is polled with whatever else the server waits for. Bounds: connections, per address; how long a
 * head may take and how slow bytes may come or go, whatever a stranger does. */
#include "serve/serve_impl.h"
#include "serve/mhd_impl.h"
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MEMORY = 64 << 10, /* of a connection: heads, and the pieces of a body */
    SLOWEST = 1024,    /* bytes a second, once the timeout has passed */
    SWEEP_MS = 1000,
    PASSED_OVER = 16 << 20, /* of a body that was refused: more ends the connection */
};

typedef struct httpd_connection {
    struct httpd_connection *next, **link;
    int fd;
    uint64_t since_us;      /* opened, or its last request done */
    httpd_request *request; /* NULL: a head is waited for */
} httpd_connection;

struct httpd {
    const mhd_functions *mhd;
    struct MHD_Daemon *daemon;
    int epoll;
    httpd_handler handler;
    httpd_connection *connections;
    uint64_t timeout_us, next_sweep_us;
    size_t requests;
};

/* ---- connections ----------------------------------------------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    httpd *h = cls;
    httpd_connection *k = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            h->mhd->get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!info || !(k = ph_zalloc(sizeof *k)))
            return; /* without one it is not served: see on_request */
        k->fd = info->connect_fd;
        k->since_us = ph_monotonic_us();
        k->link = &h->connections;
        if ((k->next = h->connections))
            k->next->link = &k->next;
        h->connections = k;
        *context = k;
    } else if (k) {
        if ((*k->link = k->next))
            k->next->link = k->link;
        ph_free(k);
        *context = NULL;
    }
}

/* Has the other side ended what it sends, in the middle of it? libmicrohttpd is told by epoll at edges, and misses an end that comes with the bytes before it. */
static bool broke_off(const httpd_connection *k)
{
    char next;
    return k->request && !k->request->received_all &&
           recv(k->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Ends connections that take too long: shutting the socket makes libmicrohttpd see its end. */
static void sweep(httpd *h)
{
    uint64_t now = ph_monotonic_us();
    if (now < h->next_sweep_us)
        return;
    h->next_sweep_us = now + SWEEP_MS * 1000u;
    for (httpd_connection *k = h->connections; k; k = k->next) {
        const httpd_request *q = k->request;
        uint64_t start = q ? q->start_us : k->since_us;
        if (broke_off(k))
            (void)shutdown(k->fd, SHUT_RDWR);
        if (now - start <= h->timeout_us || (q && (q->suspended || q->resumed)))
            continue;
        uint64_t least = (now - start - h->timeout_us) / 1000000 * SLOWEST;
        if (!q || q->received + q->sent < least)
            (void)shutdown(k->fd, SHUT_RDWR); /* closed already: the same */
    }
}

/* ---- requests ----------------------------------------------------------------------------------------------------------- */

static void show_address(httpd *h, struct MHD_Connection *c, char *out, size_t size)
{
    const union MHD_ConnectionInfo *info =
        h->mhd->get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[64];
    (void)snprintf(out, size, "-");
    if (info && info->client_addr) {
        socklen_t len = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                 : sizeof(struct sockaddr_in);
        if (getnameinfo(info->client_addr, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
            (void)snprintf(out, size, "%s", host);
    }
}

static httpd_request *request_new(httpd *h, struct MHD_Connection *c, httpd_connection *k,
                                  const char *method, const char *path)
{
    httpd_request *q = ph_zalloc(sizeof *q);
    if (!q)
        return NULL;
    q->connection = c;
    q->from = k;
    q->method = method; /* both live as long as the request */
    q->path = path;
    q->start_us = ph_monotonic_us();
    show_address(h, c, q->address, sizeof q->address);
    k->request = q;
    h->requests++;
    return q;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode why)
{
    httpd *h = cls;
    httpd_request *q = *context;
    (void)c;
    if (!q)
        return;
    q->whole = why == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    h->handler.done(h->handler.ctx, q);
    q->from->request = NULL;
    q->from->since_us = ph_monotonic_us();
    ph_buf_clear(&q->body);
    ph_free(q);
    h->requests--;
    *context = NULL;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

typedef struct streaming {
    httpd *h;
    httpd_request *q;
    size_t at; /* in the piece */
} streaming;

static ssize_t on_fill(void *cls, uint64_t pos, char *out, size_t max)
{
    streaming *s = cls;
    httpd_request *q = s->q;
    (void)pos;
    if (s->at == q->body.len) {
        ph_buf_reset(&q->body);
        s->at = 0;
        if (!s->h->handler.fill(s->h->handler.ctx, q))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (q->body.len == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t n = q->body.len - s->at < max ? q->body.len - s->at : max;
    memcpy(out, q->body.data + s->at, n);
    s->at += n;
    q->sent += n;
    return (ssize_t)n;
}

static struct MHD_Response *make_response(httpd *h, httpd_request *q)
{
    if (!q->stream) {
        q->sent += q->body.len;
        return h->mhd->create_response_from_buffer(q->body.len, q->body.len ? q->body.data : NULL,
                                                   MHD_RESPMEM_MUST_COPY);
    }
    streaming *s = ph_zalloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (streaming){ h, q, 0 };
    struct MHD_Response *r =
        h->mhd->create_response_from_callback(MHD_SIZE_UNKNOWN, MEMORY, on_fill, s, ph_free);
    if (!r)
        ph_free(s);
    return r;
}

static enum MHD_Result answer(httpd *h, httpd_request *q)
{
    static const struct {
        const char *name, *value;
    } always[] = { { "X-Content-Type-Options", "nosniff" }, { "Cache-Control", "no-cache" } };
    char etag[80];
    struct MHD_Response *r = make_response(h, q);
    if (!r)
        return MHD_NO;
    bool ok = true;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        ok = ok && h->mhd->add_response_header(r, always[i].name, always[i].value);
    if (q->type)
        ok = ok && h->mhd->add_response_header(r, "Content-Type", q->type);
    if (q->allow)
        ok = ok && h->mhd->add_response_header(r, "Allow", q->allow);
    if (q->status == 401)
        ok = ok && h->mhd->add_response_header(r, "WWW-Authenticate", "Bearer realm=\"prophet\"");
    if (q->status == 503)
        ok = ok && h->mhd->add_response_header(r, "Retry-After", "1");
    if (*q->etag) {
        (void)snprintf(etag, sizeof etag, "\"%s\"", q->etag);
        ok = ok && h->mhd->add_response_header(r, "ETag", etag);
    }
    enum MHD_Result rc =
        ok ? h->mhd->queue_response(q->connection, (unsigned)q->status, r) : MHD_NO;
    h->mhd->destroy_response(r); /* counted: the connection holds it */
    return rc;
}

static enum MHD_Result take_body(httpd *h, httpd_request *q, const char *data, size_t *size)
{
    q->received += *size;
    if (q->failed && q->received > PASSED_OVER)
        return MHD_NO;
    if (!q->failed)
        h->handler.body(h->handler.ctx, q, ph_slice(data, *size));
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    httpd *h = cls;
    httpd_request *q = *context;
    (void)version;
    if (!q) {
        const union MHD_ConnectionInfo *info =
            h->mhd->get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        if (!info || !info->socket_context ||
            !(q = request_new(h, c, info->socket_context, method, url)))
            return MHD_NO;
        *context = q;
        h->handler.begin(h->handler.ctx, q);
        return q->status ? answer(h, q) : MHD_YES;
    }
    if (*size)
        return take_body(h, q, data, size);
    q->received_all = true;
    q->suspended = false;
    if (!q->status)
        h->handler.end(h->handler.ctx, q);
    return q->suspended ? MHD_YES : q->status ? answer(h, q) : MHD_NO;
}

const char *httpd_header(const httpd *h, const httpd_request *q, const char *name)
{
    return h->mhd->lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

const char *httpd_argument(const httpd *h, const httpd_request *q, const char *name)
{
    return h->mhd->lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
}

void httpd_suspend(httpd *h, httpd_request *q)
{
    q->suspended = true;
    h->mhd->suspend_connection(q->connection);
}

void httpd_resume(httpd *h, httpd_request *q)
{
    q->resumed = true; /* it has waited: its time says nothing about the other side */
    h->mhd->resume_connection(q->connection);
}

/* ---- the daemon ---------------------------------------------------------------------------------------------------------------- */

static void on_log(void *cls, const char *fmt, va_list args)
{
    (void)cls, (void)fmt,
        (void)args; /* what strangers send wrong is no news; requests are logged by server.c */
}

static struct MHD_Daemon *start(httpd *h, const httpd_options *o)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    /* an option whose value is the end of the list does nothing */
    enum MHD_OPTION key = o->cert.len ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END;
    if (o->cert.len)
        flags |= MHD_USE_TLS;
    return h->mhd->start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, o->socket, MHD_OPTION_CONNECTION_LIMIT, o->connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        o->connections > 8 ? o->connections / 2 : o->connections, MHD_OPTION_CONNECTION_TIMEOUT,
        o->timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        h, MHD_OPTION_STRICT_FOR_CLIENT, 1, key, o->key.data, MHD_OPTION_HTTPS_MEM_CERT,
        o->cert.data, MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2",
        MHD_OPTION_END);
}

prophet_code httpd_open(const httpd_options *o, httpd **out, prophet_error *err)
{
    httpd *h = ph_zalloc(sizeof *h);
    prophet_code rc = h ? serve_mhd_load(&h->mhd, err) : ph_nomem(err);
    if (rc < 0)
        goto failed;
    h->handler = o->handler;
    h->timeout_us = o->timeout_s * 1000000ull;
    if (!(h->daemon = start(h, o))) {
        rc = ph_fail(err, o->cert.len ? PROPHET_EUSAGE : PROPHET_EIO, "the server does not start%s",
                     o->cert.len ? ": its certificate and key do not fit" : "");
        if (o->cert.len)
            ph_hint(err, "both are PEM files: the certificate, with its chain, and its own key");
        goto failed;
    }
    const union MHD_DaemonInfo *info = h->mhd->get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    h->epoll = info ? info->epoll_fd : -1;
    *out = h;
    return PROPHET_OK;
failed:
    (void)close(o->socket);
    ph_free(h);
    return rc;
}

int httpd_fd(const httpd *h)
{
    return h->epoll;
}

int httpd_wait_ms(httpd *h)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int wait = h->mhd->get_timeout(h->daemon, &ms) == MHD_YES ? ms < 60000 ? (int)ms : 60000 : -1;
    for (const httpd_connection *k = h->connections; k; k = k->next)
        if (!(k->request && k->request->suspended)) /* somebody to keep an eye on */
            return wait < 0 || wait > SWEEP_MS ? SWEEP_MS : wait;
    return wait;
}

void httpd_run(httpd *h)
{
    (void)h->mhd->run(h->daemon); /* fails for a daemon that has threads of its own */
    sweep(h);
}

size_t httpd_requests(const httpd *h)
{
    return h->requests;
}

void httpd_quiesce(httpd *h)
{
    int fd = h->mhd->quiesce_daemon(h->daemon);
    if (fd >= 0)
        (void)close(fd); /* listening ends here */
}

void httpd_close(httpd *h)
{
    if (!h)
        return;
    h->mhd->stop_daemon(h->daemon);
    ph_free(h);
}
