/* Shared by server.c and routes.c. */
#ifndef PH_SERVE_SERVER_IMPL_H
#define PH_SERVE_SERVER_IMPL_H
#include "serve/serve_impl.h"
#include <stdatomic.h>

enum { PUSHES_MAX = 4, WAIT_MAX_S = 300 };

typedef struct request { /* httpd_request.state */
    struct request *next, **link;  /* of those that wait for a commit */
    httpd_request  *http;
    const struct serve_route *route;
    bool            counted;
    ph_buf          message;       /* of the other side */
    ph_sync_taker  *taker;         /* push */
    ph_sync_sender *sender;        /* pull */
    ph_sync_visit  *visit;         /* of who asks; of a pull, when it has all of it */
    bool            taken;         /* .. it has */
    bool            has_known;
    uint8_t         known[32];     /* If-None-Match */
    uint64_t        wait_until_us; /* 0: it does not wait */
} request;

struct ph_server {
    ph_replica   *r;
    ph_watch     *watch;
    ph_hasher    *hasher;
    httpd        *http;
    serve_access  access;
    ph_serve_options o;            /* numbers and log only */
    char          url[160];
    int           stop_fd;         /* an eventfd: readable when to stop */
    bool          quiet;           /* ends: takes nothing new */
    request      *waiting;         /* for a commit */
    uint64_t      look_at_us;      /* when to see whether the digest changed; 0: no reason to */
    ph_sync_visit *visits;         /* not written down yet */
    uint64_t      note_at_us;      /* .. when to; 0: there is none */
    uint64_t      pushed;
    size_t        working, pushing;
};

/* routes.c: what httpd calls, with the server as ctx */
void serve_on_begin(void *ctx, httpd_request *q);
void serve_on_body(void *ctx, httpd_request *q, prophet_slice bytes);
void serve_on_end(void *ctx, httpd_request *q);
bool serve_on_fill(void *ctx, httpd_request *q);
void serve_on_done(void *ctx, httpd_request *q);

#endif
