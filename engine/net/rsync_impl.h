/* rsync_impl: what rsync.c (the transport) and rsync_run.c (the program) share. */
#ifndef PH_NET_RSYNC_IMPL_H
#define PH_NET_RSYNC_IMPL_H
#include "net/net_impl.h"
#include "crypto/crypto.h"

#define RSYNC_ARGS_MAX 12

typedef struct rsync_place {
    const prophet_net_options *options;
    bool  ssh;
    char  root[1600];   /* rsync://user@host:port/path or user@host:path, without a "/" at the end */
    char  shell[512];   /* for -e, with ssh */
    char  password[600]; /* "RSYNC_PASSWORD=.." */
    char  dir[256];     /* the quarantine: what arrives is looked at here, by nobody else; "": not made yet */
    char  have[NET_NAME_MAX + 1]; /* the name whose bytes are in dir/in; "": none */
    ph_hasher *hasher;
} rsync_place;

/* A line that rsync printed. PROPHET_DONE: it is none of what is looked for, so it may be a reason. A code below 0 ends it. */
typedef prophet_code (*rsync_line_fn)(void *ctx, const char *line, prophet_error *err);
typedef struct rsync_call {
    const char   *args[RSYNC_ARGS_MAX]; /* NULL at the end */
    const char   *stage;
    rsync_line_fn each;    /* NULL: nobody looks */
    void         *ctx;
    const char   *growing; /* the file that grows meanwhile; NULL: none */
    uint64_t      most;    /* bytes it may have; 0: any number */
    bool          makes;   /* a folder above may be missing: what the far end says of that is lost now and then with its connection */
} rsync_call;
/* Runs it, again if it fails for a while. PROPHET_DONE: something that was named is not there. ENOTFOUND (no rsync here), ENETWORK, EREMOTE, EREADONLY, EFULL. */
prophet_code rsync_run(rsync_place *p, const rsync_call *c, prophet_error *err);

#endif
