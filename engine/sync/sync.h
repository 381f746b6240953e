/* sync: what one replica has and another lacks, and bringing it over. The messages of the comparison are plain structs made by pure
 * functions on a view of either side, so that they can travel over a wire as well; local.c is the carrier between two
 * directories of one machine. */
#ifndef PH_SYNC_H
#define PH_SYNC_H
#include "net/net.h"
#include "replica/replica.h"

/* ---- compare (DESIGN 6) ----------------------------------------------------------------------------------- */

/* 1. The sender tells its digest and the heads of all chains. */
typedef struct ph_sync_offer {
    uint8_t digest[32];
    const ph_chain_head
        *heads; /* sorted by (replica, id); version and signed_seq are the sender's own */
    size_t count;
} ph_sync_offer;
prophet_code ph_sync_offer_make(ph_view *v, ph_arena *a, ph_sync_offer *out, prophet_error *err);

/* 2. The receiver names the heads it lacks, and of those replicas its own heads with their ids at distances 1, 2, 4, ...
 * (of a fork: the ids of all branches at that place). Nothing wanted: it has all that was offered. */
typedef struct ph_sync_want {
    const ph_id *wanted;
    size_t wanted_count;
    const ph_id *known;
    size_t known_count;
} ph_sync_want;
prophet_code ph_sync_want_make(ph_view *v, const ph_sync_offer *offer, ph_arena *a,
                               ph_sync_want *out, prophet_error *err);

typedef struct ph_sync_span { /* versions of one replica */
    uint64_t first, last;
} ph_sync_span;
typedef PH_LIST(ph_sync_span) ph_sync_spans; /* { 0 } to begin with; who has one frees `at` */
typedef struct ph_sync_cursor {              /* { 0 } to begin with */
    size_t span;
    uint64_t next;
} ph_sync_cursor;
/* spans.c. Adds versions in any order; first > last: none. */
prophet_code ph_sync_spans_add(ph_sync_spans *s, uint64_t first, uint64_t last, prophet_error *err);
/* Makes them ascending and apart from each other, each version once. Gives how many versions these are. */
uint64_t ph_sync_spans_settle(ph_sync_spans *s);
/* The next versions, at most `room`; 0: no more. */
size_t ph_sync_spans_take(const ph_sync_spans *s, ph_sync_cursor *c, uint64_t *versions,
                          size_t room);

/* 3. The sender selects the chain-ancestors of what is wanted that are no ancestors of a named id it knows: its own versions,
 * ascending, which is a causal order. The cost follows what is selected; ids it does not know are passed over. `out` begins empty. */
prophet_code ph_sync_select(ph_view *v, const ph_sync_want *want, ph_sync_spans *out,
                            uint64_t *count, prophet_error *err);

/* ---- exchanges --------------------------------------------------------------------------------- */

typedef struct ph_sync_report {
    uint64_t changesets, replicas, conflicts, decided, votes, forks;
    const ph_cell_key *opened; /* the conflicts, as cells of the receiver; some may be left out */
    size_t opened_count;
    uint64_t mended;        /* lost to damage in the log here, and given back */
    uint64_t unsigned_rest; /* waits: its writer has not signed it yet */
    uint64_t held_back;     /* waits for something it names */
    uint64_t bytes;
    double seconds;
    ph_id *writers; /* the new ones first; in the report's arena */
    size_t writer_count, new_writer_count;
    bool dry_run, own_chain;
    bool left_out;    /* of a depot: what some publisher put there was refused, the rest came */
    char notice[512]; /* what a person should be told, or "" */
    ph_arena arena;
} ph_sync_report;
void ph_sync_report_clear(ph_sync_report *rep);

typedef struct ph_sync_options {
    bool dry_run;
    /* Called now and then outside of all locks; a code below 0 ends the exchange with it, what was applied stays. */
    prophet_code (*progress)(void *ctx, const char *stage, uint64_t done, uint64_t total,
                             prophet_error *err);
    void *ctx;
    const char *seal; /* the key file of a sealed depot, or NULL */
    const prophet_net_options *
        net; /* of the way to it: token, certificates, ..; its progress is not used. NULL: defaults */
    bool
        check; /* of a publish: read all that is in the depot; what is damaged there does not count */
    int64_t (*clock)(void *ctx); /* of a clone: as of the handle that it will be opened with */
    void *clock_ctx;
} ph_sync_options;

/* The other side of an exchange is the directory of a replica or of a depot, a bundle or a URL (source.c). The report is filled as far as it came. */

/* Brings what the source has into r. What can be written is signed first; else an unsigned tail waits. EUNRELATED, ENOTFOUND, EUSAGE (itself),
 * EUNTRUSTED, EUNSIGNED, ECORRUPT. */
prophet_code ph_sync_pull(ph_replica *r, const char *source, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err);
/* The other way; the report is about the other side. EREADONLY when it cannot be written. */
prophet_code ph_sync_push(ph_replica *r, const char *target, const ph_sync_options *o,
                          ph_sync_report *rep, prophet_error *err);
/* Into a depot, a new one if there is none: what it lacks. The report counts what was new there. */
prophet_code ph_sync_publish(ph_replica *r, const char *place, const ph_sync_options *o,
                             ph_sync_report *rep, prophet_error *err);
/* Would a push make a depot of a place that has nothing yet? Then a pull that found nothing there (ENOTFOUND) is no failure of a sync. */
bool ph_sync_may_begin(const char *place);
/* EUSAGE: nothing can be pushed there, it is a file. */
prophet_code ph_sync_check_target(const char *target, prophet_error *err);
/* A new replica at `path` (EEXISTS) with all that `source` has. Made beside it and renamed: nothing is left behind on failure. */
prophet_code ph_sync_clone(const char *source, const char *path, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err);
/* A new key file at `path` (EEXISTS), of mode 0600: random, or with a passphrase. */
prophet_code ph_sync_key_new(const char *path, const char *passphrase, prophet_error *err);
/* ---- staying together (follow.c): one other side for many exchanges ---- */

typedef struct ph_sync_follow ph_sync_follow;
/* A live peer, a replica in a directory, or a depot. r and o outlive it. EUSAGE: a bundle, which is read once. */
prophet_code ph_sync_follow_open(ph_replica *r, const char *other, const ph_sync_options *o,
                                 ph_sync_follow **out, prophet_error *err);
/* As ph_sync_pull and ph_sync_push. What has not changed since is not asked again. */
prophet_code ph_sync_follow_pull(ph_sync_follow *f, ph_sync_report *rep, prophet_error *err);
prophet_code ph_sync_follow_push(ph_sync_follow *f, ph_sync_report *rep, prophet_error *err);
/* Until the other side has something new; PROPHET_DONE: the time passed. progress is called now and then, and at once while `wake` is readable: its EINTERRUPTED ends
 * the waiting and nothing more. */
prophet_code ph_sync_follow_wait(ph_sync_follow *f, int wake, uint32_t seconds, prophet_error *err);
/* A depot: exchanges are files that stay, so several commits are better one. */
bool ph_sync_follow_gathers(const ph_sync_follow *f);
void ph_sync_follow_close(ph_sync_follow *f); /* NULL is fine */

/* Writes a bundle: everything (since NULL), or what came after a version ("41"), a changeset with all it had seen (64 hex digits), or what a place had when
 * it was met last. The report counts what is in it. ENOTFOUND: no such point; EEXISTS: a file that is no bundle is in the way. */
prophet_code ph_sync_bundle(ph_replica *r, const char *path, const char *since,
                            const ph_sync_options *o, ph_sync_report *rep, prophet_error *err);
/* As ph_sync_pull, from bundles only. ENOTFOUND: what it needs is not here; nothing was changed. */
prophet_code ph_sync_apply(ph_replica *r, const char *path, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err);

/* ---- remotes and peers ---------------------------------------------------------------------------- */

/* The remotes of the replica in `dir`, by name, in the arena; none without the file. ECORRUPT. */
prophet_code ph_sync_remotes_read(const char *dir, ph_arena *a, prophet_remote **out, size_t *count,
                                  prophet_error *err);
/* A new one, or in the place of one of that name. Paths become absolute. EUSAGE, EREADONLY. */
prophet_code ph_sync_remote_set(const char *dir, const prophet_remote *remote, prophet_error *err);
prophet_code ph_sync_remote_remove(const char *dir, const char *name,
                                   prophet_error *err); /* ENOTFOUND */
/* ENOTFOUND, EEXISTS */
prophet_code ph_sync_remote_rename(const char *dir, const char *from, const char *to,
                                   prophet_error *err);
/* The file's text: drawn in remotes.c. */
prophet_code ph_sync_remotes_parse(prophet_slice text, ph_arena *a, prophet_remote **out,
                                   size_t *count, prophet_error *err);
void ph_sync_remotes_format(const prophet_remote *at, size_t count, ph_buf *out);

typedef struct ph_sync_known { /* of a remote, or a place that was met */
    const char *name;          /* of the remote; NULL: it has none */
    const char *place;         /* a URL without secrets, or a path */
    bool has_replica, met;     /* met: ahead and behind are known */
    bool came;                 /* it was met here, over a wire: place says nothing */
    ph_id replica;
    int64_t seen;    /* milliseconds; 0: never */
    int64_t written; /* when its note was */
    uint64_t ahead;  /* changesets here that it lacked when it was met, and those since */
    uint64_t behind; /* changesets it had then that are not here */
} ph_sync_known;
/* what: a place, or the start of the id of who came here. ENOTFOUND: it was never met. */
prophet_code ph_sync_forget(ph_replica *r, const char *what, prophet_error *err);
/* Remotes by name, then the others by place. */
prophet_code ph_sync_peers(ph_replica *r, ph_view *v, ph_arena *a, ph_sync_known **out,
                           size_t *count, prophet_error *err);

/* ---- the messages as bytes (message.c; drawn in docs/formats.md) ------------------------------------------------ */

#define PH_SYNC_MESSAGE_MAX (16u << 20) /* bytes of one message: 230,000 heads, 500,000 ids */

/* Who sends it. A receiver compares the database before anything else. */
typedef struct ph_sync_peer {
    ph_uuid database;
    ph_id replica;
} ph_sync_peer;
/* Appends the message. EUSAGE: it would be too long. */
prophet_code ph_sync_offer_encode(const ph_sync_peer *from, const ph_sync_offer *m, ph_buf *out,
                                  prophet_error *err);
/* want NULL: all there is. Ids are sorted and written once. */
prophet_code ph_sync_want_encode(const ph_sync_peer *from, const ph_sync_want *want, ph_buf *out,
                                 prophet_error *err);
/* Strict: ECORRUPT for anything that is not exactly what the encoder writes, EVERSION for a later format. In the arena. */
prophet_code ph_sync_offer_decode(prophet_slice bytes, ph_arena *a, ph_sync_peer *from,
                                  ph_sync_offer *out, prophet_error *err);
prophet_code ph_sync_want_decode(prophet_slice bytes, ph_arena *a, ph_sync_peer *from, bool *all,
                                 ph_sync_want *out, prophet_error *err);
/* What became of a push: the receiver's report, and its digest afterwards. */
prophet_code ph_sync_answer_encode(const ph_sync_peer *from, const ph_sync_report *rep,
                                   const uint8_t digest[32], ph_buf *out, prophet_error *err);
prophet_code ph_sync_answer_decode(prophet_slice bytes, ph_sync_peer *from, uint8_t digest[32],
                                   ph_sync_report *rep, prophet_error *err);

/* ---- who came here over a wire (visits.c) ---------------------------------------------------------------------------- */

typedef struct ph_sync_visit ph_sync_visit;
/* It told all that it has. */
prophet_code ph_sync_visit_offered(const ph_sync_peer *from, const ph_sync_offer *offer,
                                   ph_sync_visit **out, prophet_error *err);
/* It has what is here now; all: and nothing else. */
prophet_code ph_sync_visit_took(ph_view *v, const ph_id *who, bool all, ph_sync_visit **out,
                                prophet_error *err);
void ph_sync_visit_free(ph_sync_visit *v); /* NULL is fine */
/* Takes v over; a list begins as NULL. */
void ph_sync_visits_add(ph_sync_visit **list, ph_sync_visit *v);
/* Does it wait there already, with just that? */
bool ph_sync_visits_has(const ph_sync_visit *list, const ph_id *who, const uint8_t digest[32]);
/* Notes all in r, as far as it can be written, and frees them. */
void ph_sync_visits_write(ph_replica *r, ph_sync_visit **list);

/* ---- transfers: changesets as bytes, in pieces, for any wire ------------------------------------------------------- */

typedef struct ph_sync_sender ph_sync_sender;
/* What the other side wants, in a causal order, with its signatures. want NULL: all there is. r was signed as far as it can be and
 * outlives it; between calls no lock and no transaction is held. */
prophet_code ph_sync_sender_open(ph_replica *r, const ph_sync_want *want, ph_sync_sender **out,
                                 prophet_error *err);
uint64_t ph_sync_sender_count(const ph_sync_sender *s); /* of changesets */
/* Appends the next piece (some 256 KiB; one changeset may be larger). PROPHET_DONE: that was all, nothing was appended. */
prophet_code ph_sync_sender_next(ph_sync_sender *s, ph_buf *out, prophet_error *err);
uint64_t ph_sync_sender_bytes(const ph_sync_sender *s); /* made so far */
void ph_sync_sender_close(ph_sync_sender *s);           /* NULL is fine */

typedef struct ph_sync_taker ph_sync_taker;
prophet_code ph_sync_taker_open(ph_replica *r, ph_sync_taker **out, prophet_error *err);
/* The next bytes, cut anywhere; they are hostile. Applies when enough has come, in bounded transactions. After an error what was applied
 * stays, and the taker is only good for being closed. ECORRUPT, EUNTRUSTED, EUNRELATED, EVERSION, EBUDGET, EBUSY, EFULL. */
prophet_code ph_sync_taker_feed(ph_sync_taker *t, prophet_slice bytes, prophet_error *err);
uint64_t ph_sync_taker_count(const ph_sync_taker *t); /* changesets that came so far */
/* Applies what can be applied and adds to the report. ECORRUPT: the transfer was cut short; the report is filled all the same. */
prophet_code ph_sync_taker_finish(ph_sync_taker *t, ph_sync_report *rep, prophet_error *err);
void ph_sync_taker_close(ph_sync_taker *t); /* NULL is fine */

#endif
