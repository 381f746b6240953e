/* Shared inside engine/serve. */
#ifndef PH_SERVE_IMPL_H
#define PH_SERVE_IMPL_H
#include "serve/serve.h"

/* ---- answer.c: what is answered, whatever the wire --------------------------------------------------------------- */

/* The offer of r, signed as far as it can be. known (NULL: nothing): PROPHET_DONE if that is still its digest, nothing is appended. */
prophet_code serve_head(ph_replica *r, const uint8_t *known, ph_buf *out, uint8_t digest[32],
                        prophet_error *err);
/* What r wants of it. visit (here and below): who asks, and what it has; of a pull, when it has all of it. The caller's. */
prophet_code serve_offer(ph_replica *r, prophet_slice offer, ph_buf *out, ph_sync_visit **visit,
                         prophet_error *err);
prophet_code serve_pull(ph_replica *r, prophet_slice want, ph_sync_sender **out,
                        ph_sync_visit **visit, prophet_error *err);
/* It has what r has, and nothing else: that is this digest. Never fails: NULL, also when it waits among those already. */
ph_sync_visit *serve_equal(ph_replica *r, const char *replica, const uint8_t digest[32],
                           const ph_sync_visit *waiting);
/* Ends a push; appends the answer. *news: something was applied. */
prophet_code serve_push_end(ph_replica *r, ph_sync_taker *t, ph_buf *out, bool *news,
                            prophet_error *err);
/* The error as one line for the other side; what is only ours (paths) is left out. */
void serve_error_text(const prophet_error *err, ph_buf *out);

/* ---- httpd.c: libmicrohttpd ------------------------------------------------------------------------------------------ */

typedef struct httpd httpd;

typedef struct httpd_request {
    const char *method, *path;
    char address[64]; /* of the other side */
    uint64_t start_us, received, sent;
    bool has_body;
    void *state;      /* the handler's */
    void *connection; /* libmicrohttpd's */
    struct httpd_connection *from;
    /* the answer */
    int status; /* 0: not known yet */
    const char *type;
    char etag[72]; /* without quotes; "": none */
    const char *allow;
    ph_buf body;
    bool stream; /* more comes from fill, when body was sent */
    bool suspended, resumed;
    bool received_all;
    bool failed; /* the rest of the body is passed over */
    bool whole;  /* in done: all of the answer went out */
} httpd_request;

typedef struct httpd_handler {
    void *ctx;
    void (*begin)(void *ctx, httpd_request *q); /* its head is there; a status refuses it at once */
    void (*body)(void *ctx, httpd_request *q, prophet_slice bytes);
    void (*end)(
        void *ctx,
        httpd_request
            *q); /* all is there: gives a status, or suspends it (again called when resumed) */
    bool (*fill)(void *ctx,
                 httpd_request *
                     q); /* puts the next piece into body; false: it failed. Nothing put: the end */
    void (*done)(void *ctx, httpd_request *q); /* was answered, or broke off */
} httpd_handler;

typedef struct httpd_options {
    int socket;              /* listens; taken over */
    prophet_slice cert, key; /* PEM with a zero byte behind; empty: no TLS */
    uint32_t connections, timeout_s;
    httpd_handler handler;
} httpd_options;

prophet_code httpd_open(const httpd_options *o, httpd **out, prophet_error *err);
int httpd_fd(const httpd *h); /* readable when there is work */
int httpd_wait_ms(httpd *h);  /* how long until there is work without that; -1: for ever */
void httpd_run(httpd *h);     /* does what is to be done */
const char *httpd_header(const httpd *h, const httpd_request *q,
                         const char *name); /* NULL: absent */
const char *httpd_argument(const httpd *h, const httpd_request *q,
                           const char *name);   /* of the query */
void httpd_suspend(httpd *h, httpd_request *q); /* in end */
void httpd_resume(httpd *h, httpd_request *q);
size_t httpd_requests(const httpd *h); /* that are not answered yet */
void httpd_quiesce(httpd *h);          /* takes no new connections */
void httpd_close(httpd *h);            /* nothing may be suspended */

/* ---- listen.c, access.c -------------------------------------------------------------------------------------------------- */

/* A socket that listens there; fills what it got: "127.0.0.1:7733", "[::1]:7733". EUSAGE, EBUSY. */
prophet_code serve_listen(const char *address, int *fd, char shown[128], prophet_error *err);

typedef struct serve_access { /* who may do what */
    uint8_t (*tokens)[32];    /* SHA-256 of each */
    bool *write;
    size_t count;
    bool read_needs_token;
    char **hosts;
    size_t host_count;
} serve_access;
prophet_code serve_access_init(serve_access *a, const ph_serve_options *o, ph_hasher *h,
                               prophet_error *err);
void serve_access_clear(serve_access *a);
bool serve_host_allowed(const serve_access *a, const char *host); /* a Host header */
bool serve_origin_allowed(const char *origin, const char *host);  /* headers; origin NULL is fine */
/* 0: allowed; 401, 403. authorization: the header, or NULL. */
int serve_allowed(const serve_access *a, ph_hasher *h, const char *authorization, bool write);

#endif
