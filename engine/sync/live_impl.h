/* The client's side of a live peer: what a wire can do, and the wires there are. */
#ifndef PH_SYNC_LIVE_IMPL_H
#define PH_SYNC_LIVE_IMPL_H
#include "sync/sync_impl.h"
#include "net/net.h"

typedef struct live_wire { /* the questions of docs/exchange.md; each is asked to its end before the next */
    void *self;
    /* Appends the offer. known NULL: whatever it is; else PROPHET_DONE while it is that, after wait_s seconds at the latest. ENOTFOUND: there is
     * no live peer. */
    prophet_code (*head)(void *self, const uint8_t *known, uint32_t wait_s, ph_buf *out, prophet_error *err);
    prophet_code (*offer)(void *self, prophet_slice offer, ph_buf *want, prophet_error *err);
    prophet_code (*pull)(void *self, prophet_slice want, prophet_sink_fn sink, void *ctx, prophet_error *err);
    prophet_code (*push)(void *self, ph_sync_sender *s, ph_buf *answer, prophet_error *err);
    /* The next head ends early when progress says so, which is called at once while this is readable; the wire is good for more questions then. -1: none. */
    void         (*wake)(void *self, int fd);
    void         (*close)(void *self);
} live_wire;

/* o outlives the wire. self: who asks; who answered as a live peer, now or before (met), is told with each question for the head. NULL: nobody yet. */
prophet_code live_http_open(const char *url, const prophet_net_options *o, const ph_id *self, bool met, live_wire *out, prophet_error *err);
prophet_code live_pipe_open(const char *url, const prophet_net_options *o, live_wire *out, prophet_error *err);
/* As sync_live_open, over a wire that is open already and becomes the peer's to close; what breaks off is asked for again at once. For the simulator. */
prophet_code sync_live_over(const live_wire *wire, const char *url, ph_replica *r, const ph_sync_options *o, sync_live **out, prophet_error *err);
/* The other side's "code: message" as ours. what: its URL without secrets. also: a code that it may be, besides those that say nothing about this side; 0: none. */
prophet_code live_refusal(const char *what, prophet_slice text, prophet_code also, prophet_error *err);

#endif
