/* net_impl: what the files of net share. */
#ifndef PH_NET_IMPL_H
#define PH_NET_IMPL_H
#include "net/net.h"

/* ---- the transports that come with the library: one line and one file each ---------------------------------------- */

/* What else they need (libcurl, programs) is loaded or started on first use. */
#define PH_NET_TRANSPORTS(HERE) \
    HERE("file", file)     \
    HERE("http", http)     \
    HERE("https", http)    \
    HERE("dav", dav)       \
    HERE("davs", dav)      \
    HERE("s3", s3)         \
    HERE("s3+http", s3)    \
    HERE("s3+https", s3)   \
    HERE("rsync", rsync)   \
    HERE("rsync+ssh", rsync)

#define PH_NET_DECLARE(scheme, name) extern const prophet_transport ph_net_##name; /* several schemes may share one */
PH_NET_TRANSPORTS(PH_NET_DECLARE)

/* ---- schemes (schemes.c) --------------------------------------------------------------------------------------------- */

typedef struct net_scheme net_scheme; /* a transport in use: it is dropped when it was taken away and its last place closed */

/* The transport of a scheme, held until net_scheme_release. */
prophet_code net_scheme_find(const char *scheme, const char *url, net_scheme **out, prophet_error *err);
void         net_scheme_release(net_scheme *s);
/* EUSAGE: it was taken away meanwhile. */
prophet_code net_scheme_use(const net_scheme *s, const prophet_transport **out, prophet_error *err);

/* ---- URLs (url.c) ----------------------------------------------------------------------------------------------------- */

typedef struct net_url { /* the parts of scheme://user@host:port/path, decoded where that cannot hide a "/" */
    char     scheme[32];
    char     user[64];  /* "": none; a password is refused */
    char     host[256]; /* [::1] without the brackets */
    uint16_t port;      /* 0: none given */
    char     path[1024]; /* from the first "/" on, or "" */
} net_url;
/* Strict: no control characters, no host or user that a program could take for an option. EUSAGE. Queries and fragments are refused. */
prophet_code net_url_parse(const char *url, net_url *out, prophet_error *err);

/* ---- libraries on first use (load.c) ------------------------------------------------------------------------------------ */

typedef struct net_symbol { const char *name; size_t offset; } net_symbol; /* where its address goes in the table */
/* ENOTFOUND: the library is not here (`package` has it), or lacks a symbol. Never unloaded. */
prophet_code net_load(const char *library, const char *package, const net_symbol *symbols, size_t count, void *table, prophet_error *err);

/* Waits before try number tried + 1 (after_s: as long as the other side asks for; 0: it does not). PROPHET_DONE: it was tried often enough. (back_off.c) */
prophet_code net_back_off(const prophet_net_options *o, uint32_t tried, uint32_t after_s, prophet_error *err);

/* ---- limits ------------------------------------------------------------------------------------------------------------- */

#define NET_CONNECT_MS 15000u
#define NET_STALL_MS   30000u
#define NET_RETRIES    4u
#define NET_CHUNK      65536u /* how much goes to a sink at once */
#define NET_NAME_MAX   255u

/* The options with every default filled in; a second time changes nothing. */
prophet_net_options net_options(const prophet_net_options *o);
static inline prophet_code net_tick(const prophet_net_options *o, const char *stage, uint64_t done, uint64_t total, prophet_error *err)
{
    return o->progress ? o->progress(o->ctx, stage, done, total, err) : PROPHET_OK;
}

#endif
