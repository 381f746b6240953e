/* Serving: a server (engine/serve) in a thread of its own, which has its own handle of the replica, and waiting for what it brings. */
#include "api/api_impl.h"
#include "serve/serve.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct prophet_server {
    ph_server *server;
    ph_announce *announce; /* NULL: nobody is told */
    pthread_t thread;
    int news_fd; /* an eventfd: readable after a push that brought something, and at the end */
    atomic_bool ended;
    prophet_error why; /* of the end; written before `ended` */
};

static void raise_event(int fd)
{
    static const uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ; /* full: readable anyway */
}

static void lower_event(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ; /* nothing there: lowered */
}

/* ---- the thread ------------------------------------------------------------------------------------------------------ */

static void *run(void *ctx)
{
    prophet_server *s = ctx;
    uint64_t seen = 0, pushed;
    prophet_code rc;
    while ((rc = ph_serve_step(s->server, -1, &s->why)) == PROPHET_OK)
        if ((pushed = ph_serve_pushed(s->server)) != seen) {
            seen = pushed;
            raise_event(s->news_fd);
        }
    if (rc == PROPHET_DONE)
        s->why.code = PROPHET_OK;
    atomic_store(&s->ended, true);
    raise_event(s->news_fd);
    return NULL;
}

/* Signals are for the threads of the host. */
static int start_thread(prophet_server *s)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for no set but a broken one */
    int failed = pthread_create(&s->thread, NULL, run, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

static prophet_code read_options(const prophet_serve *o, prophet_serve *out, prophet_error *err)
{
    static const prophet_serve defaults = PROPHET_SERVE_INIT;
    *out = defaults;
    if (!o)
        return PROPHET_OK;
    if (o->size < sizeof o->size || o->size > sizeof *out)
        return ph_fail(err, PROPHET_EUSAGE,
                       "the size of prophet_serve is not one this library knows");
    memcpy(out, o, o->size);
    return PROPHET_OK;
}

static prophet_code open_server(prophet_db *db, const prophet_serve *o, ph_server **out,
                                prophet_error *err)
{
    ph_serve_token *tokens = ph_zalloc((o->token_count + 1) * sizeof *tokens);
    if (!tokens)
        return ph_nomem(err);
    for (size_t i = 0; i < o->token_count; i++)
        tokens[i] = (ph_serve_token){ o->tokens[i].token, o->tokens[i].write };
    const ph_serve_options so = { .listen = o->listen,
                                  .cert = o->cert,
                                  .key = o->key,
                                  .tokens = tokens,
                                  .token_count = o->token_count,
                                  .hosts = o->hosts,
                                  .host_count = o->host_count,
                                  .readonly = o->readonly || ph_replica_readonly(db->r),
                                  .connections = o->connections,
                                  .requests = o->requests,
                                  .timeout_s = o->timeout_s,
                                  .push_bytes = o->push_bytes,
                                  .log = o->log,
                                  .log_ctx = o->ctx };
    prophet_code rc = ph_serve_open(ph_replica_path(db->r), &so, out, err);
    ph_free(tokens);
    return rc;
}

/* The URL's host as it was asked for: of loopback nobody else has anything. */
static prophet_code announce(prophet_db *db, prophet_server *s, prophet_error *err)
{
    char database[37], replica[65];
    const char *url = ph_serve_url(s->server), *host = strstr(url, "://") + 3;
    const char *port = strrchr(url, ':') + 1;
    if (strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
        strncmp(host, "localhost", 9) == 0) {
        prophet_code rc =
            ph_fail(err, PROPHET_EUSAGE, "%s is for this machine alone: it is not announced", url);
        ph_hint(err, "listen at 0.0.0.0:7733, or at an address of this machine");
        return rc;
    }
    ph_uuid_format(ph_replica_database(db->r), database);
    ph_hex(ph_replica_key(db->r)->b, 32, replica);
    const ph_net_service service = { .database = database,
                                     .replica = replica,
                                     .tls = strncmp(url, "https:", 6) == 0,
                                     .port = (uint16_t)strtoul(port, NULL, 10) };
    return ph_net_announce(&service, &s->announce, err);
}

prophet_code prophet_server_open(prophet_db *db, const prophet_serve *o, prophet_server **out,
                                 prophet_error *err)
{
    prophet_serve opt;
    prophet_server *s;
    int failed;
    prophet_code rc = read_options(o, &opt, err);
    if (rc < 0 || (rc = api_not_inside(db, "serving", err)) < 0)
        return rc;
    if (!(s = ph_zalloc(sizeof *s)))
        return ph_nomem(err);
    atomic_init(&s->ended, false);
    if ((s->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        rc = ph_fail_sys(err, errno, "eventfd");
    } else if ((rc = open_server(db, &opt, &s->server, err)) < 0) {
        (void)close(s->news_fd); /* nothing was written */
    } else if ((failed = start_thread(s)) != 0) {
        rc = ph_fail_sys(err, failed, "start a thread");
        ph_serve_close(s->server);
        (void)close(s->news_fd); /* nothing was written */
    }
    if (rc < 0) {
        ph_free(s);
        return rc;
    }
    if (opt.announce && (rc = announce(db, s, err)) < 0) {
        prophet_server_close(s);
        return rc;
    }
    *out = s;
    return rc;
}

const char *prophet_server_url(const prophet_server *s)
{
    return ph_serve_url(s->server);
}

void prophet_server_close(prophet_server *s)
{
    if (!s)
        return;
    ph_net_announce_end(s->announce);
    ph_serve_stop(s->server);
    (void)pthread_join(s->thread, NULL); /* it was started, and is joined once */
    ph_serve_close(s->server);
    (void)close(s->news_fd); /* nothing is lost */
    ph_free(s);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------------- */

static prophet_code end_of(const prophet_server *s, prophet_error *err)
{
    if (s->why.code >= 0)
        return ph_fail(err, PROPHET_EUSAGE, "the server has ended");
    if (err)
        *err = s->why;
    return s->why.code;
}

static prophet_code wait_once(prophet_server *s, prophet_db *db, int ms, prophet_error *err)
{
    struct pollfd p[] = { { s->news_fd, POLLIN, 0 },
                          { db ? atomic_load(&db->wake_fd) : -1, POLLIN, 0 } };
    if (db) {
        lower_event(p[1].fd);
        if (api_stop(db)) /* an interrupt from here on makes it readable */
            return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    }
    int n = poll(p, 2, ms);
    if (n < 0 && errno != EINTR)
        return ph_fail_sys(err, errno, "poll");
    if (db && api_stop(db))
        return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
    if (atomic_load(&s->ended))
        return end_of(s, err);
    if (n <= 0 || !p[0].revents)
        return PROPHET_DONE;
    lower_event(s->news_fd);
    return PROPHET_OK;
}

prophet_code prophet_server_wait(prophet_server *s, prophet_db *db, int timeout_ms,
                                 prophet_error *err)
{
    uint64_t now = ph_monotonic_us(),
             end = now + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000;
    prophet_code rc = db ? api_need_wake_fd(db, err) : PROPHET_OK;
    if (rc < 0)
        return rc;
    do {
        int ms = timeout_ms < 0 ? -1 : now >= end ? 0 : (int)((end - now) / 1000 + 1);
        rc = wait_once(s, db, ms, err);
        now = ph_monotonic_us();
    } while (rc == PROPHET_DONE && (timeout_ms < 0 || now < end));
    return rc;
}

prophet_code prophet_serve_pipe(prophet_db *db, int in, int out, bool readonly, prophet_error *err)
{
    prophet_code rc = api_not_inside(db, "serving", err);
    if (rc < 0)
        return rc;
    return ph_serve_pipe(ph_replica_path(db->r), in, out, readonly || ph_replica_readonly(db->r),
                         api_stop, db, err);
}
