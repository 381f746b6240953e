/* http_impl: HTTP as the transports over it share it. http_once.c does one exchange with libcurl, http.c redirects and tries again, http_url.c takes URLs
 * apart, http_get.c reads a resource with ranges and resumes; http_place.c, dav.c and s3.c are the transports. */
#ifndef PH_NET_HTTP_IMPL_H
#define PH_NET_HTTP_IMPL_H
#include "net/net_impl.h"
#include "net/curl_impl.h"

struct ph_http {
    const curl_functions *curl;
    CURL                 *easy;         /* keeps connections, names and TLS sessions from exchange to exchange */
    CURLM                *multi;        /* NULL until something may wake it; keeps the connections then */
    int                   wake;         /* -1: none */
    prophet_net_options   options;
    char                 *login;        /* "user:password" for Basic, or for sigv4; NULL: the token is a bearer's */
    char                  sigv4[96];    /* "aws:amz:region:s3"; "": not signed */
    CURLcode              refused;      /* an option that libcurl did not take, or CURLE_OK */
    char                  error[CURL_ERROR_SIZE];
};

/* One exchange. */
typedef struct http_call {
    ph_http_request *r;
    const char      *stage;             /* for progress */
    uint64_t         base, total;       /* bytes before those of this exchange, and of all; PROPHET_WHOLE: not known */
    bool             follow;            /* redirects */
    bool             own;               /* to the URL's own origin: the token goes along */
    prophet_code   (*rewind)(void *read_ctx); /* the body from its start again; NULL: it cannot */
    /* told */
    uint64_t         got;               /* bytes that went to the sink */
    bool             temporary;         /* it may go well when tried again */
    uint32_t         after_s;           /* what Retry-After says; 0: nothing */
    char             redirect[2048];    /* where a 3xx points, resolved; "": nowhere */
} http_call;

/* One request and its answer, no redirect, no second try. */
prophet_code http_once(ph_http *h, http_call *c, const char *url, prophet_error *err);
/* With redirects if c->follow. */
prophet_code http_exchange(ph_http *h, http_call *c, prophet_error *err);
/* The same, again while it fails for a while and the sink has nothing; again: also when nobody knows whether it was done. (http_put.c) */
prophet_code http_try(ph_http *h, http_call *c, bool again, prophet_error *err);
/* After a temporary failure number `tried` (from 1): waits, or says PROPHET_DONE when it is enough. */
static inline prophet_code http_wait(const ph_http *h, const http_call *c, uint32_t tried, prophet_error *err)
{
    return c->temporary ? net_back_off(&h->options, tried, c->after_s, err) : PROPHET_DONE;
}
static inline bool http_temporary(int status)
{
    return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}
/* An error for a status that nobody can do anything with: "answers 403: .." */
prophet_code http_refused(const ph_http_request *r, prophet_error *err);
/* An error for what libcurl says; *c learns whether trying again may help. */
prophet_code http_explain(ph_http *h, CURLcode code, http_call *c, prophet_error *err);
/* Stars the secret (NULL: none) out, and what follows a word by which one is sent. */
void http_scrub(char *text, const char *secret);

/* ---- reading (http_get.c) --------------------------------------------------------------------------------------- */

#define HTTP_HEADERS_MAX 4
typedef struct http_how {
    bool follow;                /* redirects */
    bool dated;                 /* etags may be made of a time in seconds: they are told when that is over */
    const char *const *headers; /* to go with each request; NULL at the end; NULL: none */
} http_how;
/* As a transport's get. */
prophet_code http_get(ph_http *h, const char *url, const http_how *how, prophet_net_get *g, prophet_error *err);
/* "..": a strong one. */
bool http_is_etag(const char *etag);

/* ---- writing (http_put.c) ------------------------------------------------------------------------------------------ */

/* PUT with these headers (NULL at the end); the caller judges r->status, and sets what else of r it wants. */
prophet_code http_put(ph_http *h, const char *url, const char *const *headers, prophet_net_put *p, ph_http_request *r, prophet_error *err);
/* A request that may be made again. */
prophet_code http_ask(ph_http *h, ph_http_request *r, const char *stage, prophet_error *err);

/* ---- URLs (http_url.c) ------------------------------------------------------------------------------------------ */

bool         http_same_origin(const curl_functions *curl, const char *a, const char *b);
/* From one scheme to the other a redirect may go: the same, or http to https. */
bool         http_may_redirect(const curl_functions *curl, const char *from, const char *to);
/* The base of a place: `scheme` instead of the URL's own (NULL: keep), no user, no query, no fragment, one "/" at the end. user (NULL: refused) gets the
 * user, decoded; "": none. Both are the caller's, by ph_free. EUSAGE. */
prophet_code http_base(const curl_functions *curl, const char *url, const char *scheme, char **base, char **user, prophet_error *err);
/* The path of a base, decoded. */
prophet_code http_path(const curl_functions *curl, const char *base, char **path, prophet_error *err);
/* base and name, which is a name of ours; the caller's, by ph_free. */
prophet_code http_join(const char *base, const char *name, char **url, prophet_error *err);
/* From now on requests go with the user's password (Basic); no user: with the token, as they would anyway. */
prophet_code http_login(ph_http *h, const char *user, const char *password, prophet_error *err);

#endif
