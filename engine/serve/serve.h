/* serve: a live peer. Answers what other replicas ask about the replica in a directory, over HTTP or over a pipe. libmicrohttpd is loaded when the
 * first server is opened. The protocol is drawn in docs/exchange.md. */
#ifndef PH_SERVE_H
#define PH_SERVE_H
#include "sync/sync.h"

typedef struct ph_serve_token {
    const char *token;
    bool        write; /* may push; else only read */
} ph_serve_token;

typedef struct ph_serve_options { /* 0 and NULL: the default */
    const char           *listen;      /* "HOST:PORT", ":PORT", "PORT"; port 0 is any free one. Default 127.0.0.1:7733 */
    const char           *cert, *key;  /* PEM files: HTTPS */
    const ph_serve_token *tokens;      /* pushing needs one with write; if one is for reading alone, reading needs one as well */
    size_t                token_count;
    const char *const    *hosts;       /* names besides addresses, localhost and this machine's by which the server is called */
    size_t                host_count;
    bool                  readonly;    /* takes no pushes */
    uint32_t              connections; /* 256 */
    uint32_t              requests;    /* answered at a time, waiting ones aside: 64 */
    uint32_t              timeout_s;   /* how long a request's head may take, or nothing may move: 30 */
    uint64_t              push_bytes;  /* of one push: 1 GiB */
    /* One line a request, without line end and without secrets. */
    void                (*log)(void *ctx, const char *line);
    void                 *log_ctx;
} ph_serve_options;

typedef struct ph_server ph_server;

/* Opens the replica in dir once more, for the server alone. ENOTFOUND: no libmicrohttpd, no such file; EUSAGE: an address or a
 * certificate that is none; EBUSY: the address is taken. */
prophet_code ph_serve_open(const char *dir, const ph_serve_options *o, ph_server **out, prophet_error *err);
const char  *ph_serve_url(const ph_server *s); /* "http://127.0.0.1:7733" */
/* Works for up to timeout_ms (-1: until something happened). PROPHET_DONE: ph_serve_stop was called. */
prophet_code ph_serve_step(ph_server *s, int timeout_ms, prophet_error *err);
uint64_t     ph_serve_pushed(const ph_server *s); /* pushes that brought something so far */
void         ph_serve_stop(ph_server *s);         /* from any thread and from signal handlers */
void         ph_serve_close(ph_server *s);        /* lets running requests end for a moment. NULL is fine */

/* The same over a pipe (ssh): who can start it may write, unless readonly. Returns when the other side closes. stop (may be NULL) is asked
 * now and then. */
prophet_code ph_serve_pipe(const char *dir, int in, int out, bool readonly, bool (*stop)(void *ctx), void *ctx,
                           prophet_error *err);

#endif
