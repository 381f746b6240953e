/* For tests of servers: one that runs in a thread of its own on a free port, and a client that writes what it is told. */
#ifndef SERVE_PLACE_H
#define SERVE_PLACE_H
#include "serve/serve.h"
#include "support/test.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static prophet_error err;

static const char *place(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static ph_replica *fresh(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_create(place(name), database, &err), &err);
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    return r;
}

static void write_some(ph_replica *r, size_t count, size_t size)
{
    char *text = malloc(size + 1);
    for (size_t i = 0; i < count; i++) {
        ph_change_txn *c;
        ph_buf b = PH_BUF_INIT;
        for (size_t k = 0; k < size; k++)
            text[k] = (char)('a' + test_below(26));
        ph_put_text(&b, ph_slice(text, size));
        ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
        REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
        REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
        ph_buf_clear(&b);
    }
    free(text);
}

static inline void digest_of(ph_replica *r, char hex[65])
{
    uint8_t digest[32];
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, digest, &err), &err);
    ph_view_end(v);
    ph_hex(digest, 32, hex);
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

typedef struct running {
    ph_server *server;
    pthread_t thread;
    prophet_code ended;
    char log[8192];
} running;

static inline void keep_line(void *ctx, const char *line)
{
    running *s = ctx;
    size_t n = strlen(s->log);
    (void)snprintf(s->log + n, sizeof s->log - n, "%s\n", line);
}

static inline void *run_server(void *ctx)
{
    running *s = ctx;
    prophet_error e;
    while ((s->ended = ph_serve_step(s->server, -1, &e)) == PROPHET_OK)
        ;
    return NULL;
}

static inline void start_server(running *s, const char *name, const ph_serve_options *o)
{
    ph_serve_options with = o ? *o : (ph_serve_options){ 0 };
    memset(s, 0, sizeof *s);
    with.listen = with.listen ? with.listen : "127.0.0.1:0";
    with.log = keep_line;
    with.log_ctx = s;
    REQUIRE_OK(ph_serve_open(place(name), &with, &s->server, &err), &err);
    REQUIRE(pthread_create(&s->thread, NULL, run_server, s) == 0);
}

static inline void stop_server(running *s)
{
    ph_serve_stop(s->server);
    REQUIRE(pthread_join(s->thread, NULL) == 0);
    CHECK_CODE(s->ended, PROPHET_DONE, NULL);
    ph_serve_close(s->server);
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static inline int dial(const running *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    const char *colon = strrchr(ph_serve_url(s->server), ':');
    struct timeval patience = { 20, 0 }; /* a test that hangs fails */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons((uint16_t)atoi(colon + 1)); /* NOLINT: our own text */
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    return fd;
}

static inline bool say(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

typedef struct answer {
    int status;
    ph_buf head, body; /* head: with a zero byte behind */
} answer;

static inline void answer_clear(answer *a)
{
    ph_buf_clear(&a->head);
    ph_buf_clear(&a->body);
}

/* Chunks become one body; false: it was cut short. */
static inline bool unchunk(ph_buf *b)
{
    size_t in = 0, out = 0;
    for (;;) {
        const uint8_t *end = memchr(b->data + in, '\n', b->len - in);
        size_t n = end ? strtoul((char *)b->data + in, NULL, 16) : 0;
        if (!end)
            return false;
        in = (size_t)(end - b->data) + 1;
        if (n == 0) {
            b->len = out;
            return true;
        }
        if (n + 2 > b->len - in)
            return false;
        memmove(b->data + out, b->data + in, n);
        out += n;
        in += n + 2;
    }
}

/* Reads to the end of the connection. */
static inline void hear(int fd, answer *a)
{
    ph_buf all = PH_BUF_INIT;
    char piece[65536];
    ssize_t n;
    *a = (answer){ 0 };
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
        ph_buf_put(&all, piece, (size_t)n);
    close(fd);
    ph_buf_byte(&all, 0);
    all.len--;
    const char *end = all.len ? strstr((char *)all.data, "\r\n\r\n") : NULL;
    if (end) {
        size_t head = (size_t)(end - (char *)all.data) + 4;
        ph_buf_put(&a->head, all.data, head);
        ph_buf_byte(&a->head, 0);
        ph_buf_put(&a->body, all.data + head, all.len - head);
        a->status = (int)strtol((char *)all.data + 9, NULL, 10);
        if (strstr((char *)a->head.data, "chunked") && !unchunk(&a->body))
            a->status = -a->status;
        ph_buf_byte(&a->body, 0); /* a text for who looks into it */
        a->body.len--;
    }
    ph_buf_clear(&all);
}

/* One request on a connection of its own; headers: "Name: value\r\n" each, "" for none. */
static inline void ask(const running *s, const char *method, const char *path, const char *headers,
                       prophet_slice body, answer *a)
{
    char head[2048];
    int fd = dial(s);
    (void)snprintf(head, sizeof head,
                   "%s %s HTTP/1.1\r\n%s%sConnection: close\r\nContent-Length: %zu\r\n\r\n", method,
                   path, strstr(headers, "Host:") ? "" : "Host: localhost\r\n", headers, body.len);
    (void)(say(fd, head, strlen(head)) && say(fd, body.data, body.len)); /* refused early: fine */
    hear(fd, a);
}

static inline int ask_status(const running *s, const char *method, const char *path,
                             const char *headers)
{
    answer a;
    ask(s, method, path, headers, ph_slice(NULL, 0), &a);
    answer_clear(&a);
    return a.status;
}

#endif
