/* The server: one thread that waits for requests, for commits (also of other processes, when somebody waits for one) and for the end. What a
 * request does is in routes.c. The replica is opened once more for the server alone, so that it may run in a thread of its own. */
#include "serve/server_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SETTLE_US = 20000,     /* commits come in bursts: one look for all of a moment */
    LOOK_US = 500000,      /* how often where nobody tells of commits */
    GRACE_US = 2000000,    /* for running requests at the end */
    LOCK_TIMEOUT_MS = 2000 /* nobody else is answered while a push waits for the writer */
};

/* ---- opening -------------------------------------------------------------------------------------------------------------- */

static void defaults(ph_serve_options *o)
{
    o->connections = o->connections ? o->connections : 256;
    o->requests = o->requests ? o->requests : 64;
    o->timeout_s = o->timeout_s ? o->timeout_s : 30;
    o->push_bytes = o->push_bytes ? o->push_bytes : 1ull << 30;
}

/* With a zero byte behind it, as libmicrohttpd wants texts. */
static prophet_code read_pem(const char *path, ph_buf *out, prophet_error *err)
{
    prophet_code rc = ph_file_slurp(path, 1 << 20, out, err);
    if (rc >= 0)
        ph_buf_byte(out, 0);
    return rc < 0 ? rc : out->failed ? ph_nomem(err) : PROPHET_OK;
}

static prophet_code open_http(ph_server *s, const ph_serve_options *o, prophet_error *err)
{
    ph_buf cert = PH_BUF_INIT, key = PH_BUF_INIT;
    char shown[128];
    httpd_options ho = { .socket = -1,
                         .connections = s->o.connections,
                         .timeout_s = s->o.timeout_s,
                         .handler = { s, serve_on_begin, serve_on_body, serve_on_end, serve_on_fill,
                                      serve_on_done } };
    prophet_code rc = PROPHET_OK;
    if (!o->cert != !o->key)
        return ph_fail(err, PROPHET_EUSAGE, "a certificate comes with its key");
    if (o->cert &&
        ((rc = read_pem(o->cert, &cert, err)) < 0 || (rc = read_pem(o->key, &key, err)) < 0))
        goto done;
    ho.cert = ph_buf_slice(&cert);
    ho.key = ph_buf_slice(&key);
    if ((rc = serve_listen(o->listen, &ho.socket, shown, err)) < 0 ||
        (rc = httpd_open(&ho, &s->http, err)) < 0)
        goto done;
    (void)snprintf(s->url, sizeof s->url, "%s://%s", o->cert ? "https" : "http", shown);
done:
    ph_wipe(key.data, key.len);
    ph_buf_clear(&key);
    ph_buf_clear(&cert);
    return rc;
}

static prophet_code open_all(ph_server *s, const char *dir, const ph_serve_options *o,
                             prophet_error *err)
{
    const ph_replica_options ro = { .readonly = o->readonly, .lock_timeout_ms = LOCK_TIMEOUT_MS };
    prophet_code rc = ph_hasher_new(&s->hasher, err);
    if (rc < 0 || (rc = serve_access_init(&s->access, o, s->hasher, err)) < 0)
        return rc;
    if ((s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return ph_fail_sys(err, errno, "eventfd");
    if ((rc = ph_replica_open(dir, &ro, &s->r, err)) < 0 ||
        (rc = ph_watch_open(dir, &s->watch, err)) < 0)
        return rc;
    return open_http(s, o, err);
}

prophet_code ph_serve_open(const char *dir, const ph_serve_options *o, ph_server **out,
                           prophet_error *err)
{
    static const ph_serve_options none;
    ph_server *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    s->o = o ? *o : none;
    s->stop_fd = -1;
    defaults(&s->o);
    prophet_code rc = open_all(s, dir, o ? o : &none, err);
    s->o.listen = s->o.cert = s->o.key = NULL; /* borrowed for the call only */
    s->o.tokens = NULL;
    s->o.hosts = NULL;
    if (rc < 0)
        ph_serve_close(s);
    else
        *out = s;
    return rc;
}

const char *ph_serve_url(const ph_server *s)
{
    return s->url;
}

uint64_t ph_serve_pushed(const ph_server *s)
{
    return s->pushed;
}

void ph_serve_stop(ph_server *s)
{
    static const uint64_t one = 1;
    int kept = errno;
    if (write(s->stop_fd, &one, sizeof one) < 0)
        errno = kept; /* full: it is to stop already */
}

/* ---- waiting requests --------------------------------------------------------------------------------------------------------- */

static void wake(ph_server *s, request *q)
{
    if ((*q->link = q->next))
        q->next->link = q->link;
    q->link = NULL;
    q->wait_until_us = 0;
    httpd_resume(s->http, q->http);
}

/* Wakes those whose digest is not the present one, and those that waited long enough. */
static void look(ph_server *s, uint64_t now)
{
    uint8_t digest[32];
    ph_buf unused = PH_BUF_INIT;
    bool changed = s->look_at_us && now >= s->look_at_us;
    if (changed) {
        uint64_t again = ph_watch_until(s->watch, UINT64_MAX);
        s->look_at_us = ph_watch_fd(s->watch) < 0 ? now + LOOK_US : again == UINT64_MAX ? 0 : again;
        /* it is made again for each that wakes: they may be told later */
        if (s->waiting && serve_head(s->r, s->waiting->known, &unused, digest, NULL) < 0)
            memset(digest, 0, sizeof digest); /* let them hear what is wrong */
    }
    for (request *q = s->waiting, *next; q; q = next) {
        next = q->next;
        if (now >= q->wait_until_us || (changed && memcmp(q->known, digest, 32) != 0))
            wake(s, q);
    }
    ph_buf_clear(&unused);
}

static int least(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int until(uint64_t at_us, uint64_t now)
{
    return at_us <= now ? 0 : (int)((at_us - now) / 1000 + 1);
}

static int wait_ms(ph_server *s, int timeout_ms, uint64_t now)
{
    int ms = least(timeout_ms, httpd_wait_ms(s->http));
    for (const request *q = s->waiting; q; q = q->next)
        ms = least(ms, until(q->wait_until_us, now));
    if (s->note_at_us && s->working == 0)
        ms = least(ms, until(s->note_at_us, now));
    return s->waiting && s->look_at_us ? least(ms, until(s->look_at_us, now)) : ms;
}

/* While nobody waits for an answer: it takes the write lock. */
static void note_visits(ph_server *s)
{
    s->note_at_us = 0;
    ph_sync_visits_write(s->r, &s->visits);
}

prophet_code ph_serve_step(ph_server *s, int timeout_ms, prophet_error *err)
{
    uint64_t now = ph_monotonic_us();
    int watch = s->waiting ? ph_watch_fd(s->watch) : -1; /* else nobody wants to know */
    if (s->waiting && watch < 0 && !s->look_at_us)
        s->look_at_us = now + LOOK_US;
    struct pollfd p[] = { { s->stop_fd, POLLIN, 0 },
                          { httpd_fd(s->http), POLLIN, 0 },
                          { watch, POLLIN, 0 } };
    int n = poll(p, 3, wait_ms(s, timeout_ms, now));
    if (n < 0 && errno != EINTR)
        return ph_fail_sys(err, errno, "poll");
    if (n > 0 && p[0].revents)
        return PROPHET_DONE;
    now = ph_monotonic_us();
    if (n > 0 && p[2].revents && ph_watch_drain(s->watch) && !s->look_at_us)
        s->look_at_us = now + SETTLE_US;
    look(s, now);
    httpd_run(s->http);
    if (s->note_at_us && now >= s->note_at_us && s->working == 0)
        note_visits(s);
    return PROPHET_OK;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------------- */

static void wind_up(ph_server *s)
{
    uint64_t end = ph_monotonic_us() + GRACE_US;
    s->quiet = true;
    httpd_quiesce(s->http);
    while (s->waiting)
        wake(s, s->waiting);
    do {
        httpd_run(s->http);
        if (httpd_requests(s->http) == 0)
            break;
        struct pollfd p = { httpd_fd(s->http), POLLIN, 0 };
        (void)poll(&p, 1, 50); /* it is only a pause */
    } while (ph_monotonic_us() < end);
    httpd_close(s->http);
}

void ph_serve_close(ph_server *s)
{
    if (!s)
        return;
    if (s->http)
        wind_up(s);
    if (s->visits)
        note_visits(s);
    ph_watch_close(s->watch);
    ph_replica_close(s->r);
    ph_hasher_free(s->hasher);
    serve_access_clear(&s->access);
    if (s->stop_fd >= 0)
        (void)close(s->stop_fd); /* nothing was written */
    ph_free(s);
}
