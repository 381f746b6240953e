/* net: named bytes at a place that a URL names, and HTTP for live peers. Knows nothing of records. The contract of transports is in <prophet.h>. */
#ifndef PH_NET_H
#define PH_NET_H
#include "base/base.h"

/* ---- places ---------------------------------------------------------------------------------------------------- */

typedef struct ph_net ph_net; /* an open place; one thread at a time */

/* url: of a scheme that has a transport, else a path. options NULL: defaults; what they point at must outlive the place. ENOTFOUND: no transport of that
 * scheme, or the module it lives in is not installed. EUSAGE: not a URL it understands. */
prophet_code ph_net_open(const char *url, const prophet_net_options *o, ph_net **out, prophet_error *err);
void         ph_net_close(ph_net *n); /* NULL is fine */
/* The URL without what must not be shown (user, query): for messages. Lives as long as n. */
const char  *ph_net_shown(const ph_net *n);
bool         ph_net_can_write(const ph_net *n);

/* As prophet_transport says, for any transport: names, sizes and etags are checked here. PROPHET_DONE: there is nothing of that name.
 * ENETWORK: nobody answers, or too late; EREMOTE: somebody answers, but not what is right; ESTALE, EUSAGE (a name that is none). */
prophet_code ph_net_get(ph_net *n, const char *name, prophet_net_get *g, prophet_error *err);
/* EEXISTS, ESTALE, EREADONLY, EFULL and as above. */
prophet_code ph_net_put(ph_net *n, const char *name, prophet_net_put *p, prophet_error *err);
/* Names that begin with prefix; others that the place holds but that are no names of ours are left out. PROPHET_DONE: it cannot list. */
prophet_code ph_net_list(ph_net *n, const char *prefix, prophet_net_name_fn each, void *ctx, prophet_error *err);
prophet_code ph_net_remove(ph_net *n, const char *name, prophet_error *err);

/* The same with bytes in memory: appends to out, at most `most`. g (NULL is fine) carries what else is asked for and told; its sink is not used. */
prophet_code ph_net_get_bytes(ph_net *n, const char *name, uint64_t most, prophet_net_get *g, ph_buf *out, prophet_error *err);
/* p (NULL is fine): the conditions, and what is told. */
prophet_code ph_net_put_bytes(ph_net *n, const char *name, prophet_slice bytes, prophet_net_put *p, prophet_error *err);
/* A whole file of this machine. */
prophet_code ph_net_put_file(ph_net *n, const char *name, const char *path, prophet_net_put *p, prophet_error *err);

/* EUSAGE unless it is a name: segments of [A-Za-z0-9._-] without a leading dot, "/" between them, at most 255 bytes. */
prophet_code ph_net_name_check(const char *name, prophet_error *err);

/* ---- schemes --------------------------------------------------------------------------------------------------- */

/* What prophet_transport_add does. */
prophet_code ph_net_add(const prophet_transport *t, prophet_error *err);
/* true: it begins with "scheme:", not a path. Fills scheme, lower case (NULL is fine). */
bool ph_net_is_url(const char *url, char scheme[32]);
/* What somebody may have meant who wrote "host:7733" or, as for scp, "user@host:path". false: no idea. */
bool ph_net_guess(const char *text, char *out, size_t size);
/* EUSAGE: a password in the URL, or a user where HTTP is spoken: anybody may see a URL, and a token goes another way. */
prophet_code ph_net_check_user(const char *url, prophet_error *err);
/* EUSAGE: a URL of a scheme of the library that no exchange could take, as the exchange would say. Touches no network, needs nothing to be there. */
prophet_code ph_net_check_url(const char *url, prophet_error *err);
/* true: "file:..". */
bool ph_net_is_file(const char *url);
/* The path that a file URL names, or url itself if it is a path. out has PH_PATH_MAX bytes. EUSAGE: it names another machine, or nothing. */
prophet_code ph_net_file_path(const char *url, char *out, prophet_error *err);
/* Copies url without user, password, query and fragment. Never fails: what does not fit is cut. */
void ph_net_show(const char *url, char *out, size_t size);

/* ---- HTTP, for live peers ---------------------------------------------------------------------------------------- */

typedef struct ph_http ph_http; /* keeps its connections open between requests; one thread at a time */

typedef struct ph_http_header { /* an answer's header that the caller wants to see */
    const char *name;
    char        value[256];     /* out; "": it was not there; cut if longer */
} ph_http_header;

typedef struct ph_http_request {
    const char        *method;  /* "GET", "POST", .. */
    const char        *url;     /* http or https */
    const char *const *headers; /* "Name: value", without line ends; the token of the options comes by itself */
    size_t             header_count;
    uint64_t           length;  /* of the body, 0: none; PROPHET_WHOLE: until read gives PROPHET_DONE (sent in chunks) */
    /* Up to len bytes, *got of them (0 with PROPHET_OK is an error); PROPHET_DONE: that was all. */
    prophet_code     (*read)(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err);
    void              *read_ctx;
    prophet_sink_fn    sink;    /* gets the body of an answer of 200 to 299; NULL: it is left unread */
    void              *sink_ctx;
    uint64_t           most;    /* EREMOTE for a longer one; 0: any length */
    uint32_t           wait_ms; /* how long the other side may think before it answers (a long poll); 0: stall_ms of the options */
    ph_http_header    *wanted;
    size_t             wanted_count;
    int                status;  /* out: 200, 304, 404, ..; 0: no answer */
    char               message[256]; /* out: the start of the body of an answer of 400 and above, made printable */
} ph_http_request;

/* options as for a place. ENOTFOUND: the module is not installed. */
prophet_code ph_http_open(const prophet_net_options *o, ph_http **out, prophet_error *err);
/* One exchange. PROPHET_OK whatever the status is: the caller judges it. GET and HEAD follow redirects (same scheme, or from http to https; the token goes to the
 * URL's own origin only) and are tried again as the options say; others do neither. ENETWORK, EREMOTE, EUSAGE, EINTERRUPTED, and what read, sink and progress gave. */
prophet_code ph_http_send(ph_http *h, ph_http_request *r, prophet_error *err);
/* While this descriptor is readable progress is called at once, not only now and then; it must take away what made it so, or end the call. -1: none. */
void         ph_http_wake(ph_http *h, int fd);
void         ph_http_close(ph_http *h); /* NULL is fine */

/* ---- ssh, for live peers ------------------------------------------------------------------------------------------- */

typedef struct ph_pipe ph_pipe; /* a running program, its standard input and output */

/* argv[0] is looked up in PATH; its standard error stays ours. */
prophet_code ph_pipe_open(const char *const *argv, ph_pipe **out, prophet_error *err);
/* ssh://[user@]host[:port]/..: runs argv at the far end, each word quoted. $PROPHET_SSH names the program, else ssh. Asks nothing (BatchMode). EUSAGE. */
prophet_code ph_pipe_open_ssh(const char *url, const char *const *argv, ph_pipe **out, prophet_error *err);
/* The path of an ssh URL as the far end should see it: "/~/x" is "x" below the home, "/x" absolute. EUSAGE. */
prophet_code ph_pipe_ssh_path(const char *url, char *out, size_t size, prophet_error *err);
/* Some bytes, at least one; PROPHET_DONE: the end. timeout_ms 0: waits for ever; ENETWORK when it passes. Wakes up twice a second for progress (o may be NULL). */
prophet_code ph_pipe_read(ph_pipe *p, void *buf, size_t len, uint32_t timeout_ms, const prophet_net_options *o, size_t *got, prophet_error *err);
prophet_code ph_pipe_write(ph_pipe *p, prophet_slice bytes, uint32_t timeout_ms, const prophet_net_options *o, prophet_error *err);
/* Until there is something to read; as ph_pipe_read. wake: as ph_http_wake. */
prophet_code ph_pipe_wait(ph_pipe *p, uint32_t timeout_ms, const prophet_net_options *o, int wake, prophet_error *err);
void         ph_pipe_end_input(ph_pipe *p);            /* the program sees the end of its input */
/* Ends it (asks, then kills), waits for it. status (NULL is fine): its exit code, or 128 + signal, or -1 where the host has
 * SIGCHLD ignored or waits for all its children. NULL is fine. */
void         ph_pipe_close(ph_pipe *p, int *status);

/* ---- who serves nearby (discover.c) ------------------------------------------------------------------------------------ */

typedef struct ph_net_service {
    const char *database; /* its id, 36 characters */
    const char *replica;  /* 64 hex digits */
    const char *address;  /* in numbers; of what was found */
    bool        v6, tls;
    uint16_t    port;
} ph_net_service;
typedef struct ph_announce ph_announce;
/* Tells the local network of a server, until it is ended. ENOTFOUND: built without it, or not installed; ENETWORK: avahi's daemon does not run. */
prophet_code ph_net_announce(const ph_net_service *s, ph_announce **out, prophet_error *err);
void         ph_net_announce_end(ph_announce *a); /* NULL is fine */
/* What is borrowed; one server may be told several times, once an address. A code below 0 ends it. */
typedef prophet_code (*ph_net_found_fn)(void *ctx, const ph_net_service *s, prophet_error *err);
prophet_code ph_net_discover(uint32_t timeout_ms, const prophet_net_options *o, ph_net_found_fn fn, void *ctx, prophet_error *err);

#endif
