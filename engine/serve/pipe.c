/* A live peer at the end of a pipe, for ssh: the same questions and answers as over HTTP, one after the other. Both directions carry messages:
 *
 *   kind 1, length 4 (big-endian), that many bytes
 *   questions  H head: seconds to wait 4, then a known digest 32 or nothing    O an offer    G a want
 *              D bytes of a transfer, E its end (answered by A or X)
 *   answers    U unchanged   O an offer   W a want   D bytes of a transfer, E its end   A an answer   X an error, "code: message"
 *
 * A question ends the waiting of the one before it, which is answered first. After X bytes of a transfer are passed over up to its end. */
#include "serve/serve_impl.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { LOOK_MS = 500, HEAD_LEN = 5, PIECE_MAX = 1 << 20, PIPE_CHUNK = 4096 };

typedef struct pipe_peer {
    ph_replica *r;
    ph_watch *watch;
    int in, out;
    bool readonly;
    bool (*stop)(void *ctx);
    void *ctx;
    char kind; /* of the question at hand */
    ph_buf question, answer;
    ph_sync_taker *taker;
    ph_sync_visit *visits; /* of who is at the other end: written down when it has gone */
    bool passing_over;
} pipe_peer;

/* ---- bytes --------------------------------------------------------------------------------------------------------------- */

/* Until fd is ready or the watch (-1: none) tells; PROPHET_DONE: the time is over. */
static prophet_code wait_for(pipe_peer *p, int fd, short events, int watch, uint64_t until_us,
                             prophet_error *err)
{
    for (;;) {
        struct pollfd at[] = { { fd, events, 0 }, { watch, POLLIN, 0 } };
        if (p->stop && p->stop(p->ctx))
            return ph_fail(err, PROPHET_EINTERRUPTED, "interrupted");
        uint64_t now = ph_monotonic_us();
        bool soon = until_us && until_us < now + LOOK_MS * 1000u;
        int n = poll(at, 2,
                     !soon            ? LOOK_MS
                     : until_us > now ? (int)((until_us - now) / 1000 + 1)
                                      : 0);
        if (n < 0 && errno != EINTR)
            return ph_fail_sys(err, errno, "poll");
        if (n > 0)
            return PROPHET_OK;
        if (until_us && ph_monotonic_us() >= until_us)
            return PROPHET_DONE;
    }
}

/* PROPHET_DONE: the other side closed before the first byte. */
static prophet_code read_all(pipe_peer *p, void *out, size_t len, prophet_error *err)
{
    char *at = out;
    size_t left = len;
    while (left > 0) {
        prophet_code rc = wait_for(p, p->in, POLLIN, -1, 0, err);
        if (rc < 0)
            return rc;
        ssize_t n = read(p->in, at, left);
        if (n == 0)
            return left == len ? PROPHET_DONE
                               : ph_fail(err, PROPHET_ENETWORK, "the pipe ends inside a message");
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ph_fail_sys(err, errno, "read from the pipe");
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return PROPHET_OK;
}

static prophet_code write_all(pipe_peer *p, const void *bytes, size_t len, prophet_error *err)
{
    const char *at = bytes;
    while (len > 0) {
        prophet_code rc = wait_for(p, p->out, POLLOUT, -1, 0, err);
        if (rc < 0)
            return rc;
        ssize_t n = write(p->out, at, len < PIPE_CHUNK ? len : PIPE_CHUNK);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return errno == EPIPE ? PROPHET_DONE : ph_fail_sys(err, errno, "write to the pipe");
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return PROPHET_OK;
}

static prophet_code say(pipe_peer *p, char kind, prophet_slice bytes, prophet_error *err)
{
    uint8_t head[HEAD_LEN] = { (uint8_t)kind };
    ph_u32be_put(head + 1, (uint32_t)bytes.len);
    prophet_code rc = write_all(p, head, sizeof head, err);
    return rc != PROPHET_OK ? rc : write_all(p, bytes.data, bytes.len, err);
}

static prophet_code hear(pipe_peer *p, prophet_error *err)
{
    uint8_t head[HEAD_LEN];
    prophet_code rc = read_all(p, head, sizeof head, err);
    if (rc != PROPHET_OK)
        return rc;
    size_t len = ph_u32be(head + 1);
    p->kind = (char)head[0];
    if (len > (p->kind == 'D' ? (size_t)PIECE_MAX : PH_SYNC_MESSAGE_MAX))
        return ph_fail(err, PROPHET_EBUDGET, "a message of %zu bytes on the pipe", len);
    ph_buf_reset(&p->question);
    if (!ph_buf_reserve(&p->question, len + 1))
        return ph_nomem(err);
    p->question.len = len;
    rc = read_all(p, p->question.data, len, err);
    return rc == PROPHET_DONE && len
               ? ph_fail(err, PROPHET_ENETWORK, "the pipe ends inside a message")
               : rc;
}

static prophet_code say_error(pipe_peer *p, const prophet_error *what, prophet_error *err)
{
    ph_buf_reset(&p->answer);
    serve_error_text(what, &p->answer);
    return p->answer.failed ? ph_nomem(err) : say(p, 'X', ph_buf_slice(&p->answer), err);
}

/* ---- questions ---------------------------------------------------------------------------------------------------------------- */

static prophet_code head(pipe_peer *p, prophet_error *err)
{
    const uint8_t *q = p->question.data;
    uint8_t digest[32];
    if (p->question.len != 4 && p->question.len != 36)
        return ph_fail(err, PROPHET_EUSAGE, "a question for the head is 4 or 36 bytes");
    const uint8_t *known = p->question.len == 36 ? q + 4 : NULL;
    uint64_t until = ph_monotonic_us() + ph_u32be(q) * 1000000ull;
    prophet_code rc;
    do {
        (void)ph_watch_drain(p->watch);
        ph_buf_reset(&p->answer);
        if ((rc = serve_head(p->r, known, &p->answer, digest, err)) != PROPHET_DONE)
            return rc < 0 ? rc : say(p, 'O', ph_buf_slice(&p->answer), err);
        struct pollfd next = { p->in, POLLIN, 0 };
        if (ph_monotonic_us() >= until || poll(&next, 1, 0) > 0)
            break;
        rc =
            wait_for(p, p->in, POLLIN, ph_watch_fd(p->watch), ph_watch_until(p->watch, until), err);
    } while (rc >= 0);
    return rc < 0 ? rc : say(p, 'U', ph_slice(NULL, 0), err);
}

static prophet_code offer(pipe_peer *p, prophet_error *err)
{
    if (p->readonly)
        return ph_fail(err, PROPHET_EREADONLY, "nothing is taken here");
    ph_buf_reset(&p->answer);
    ph_sync_visit *visit = NULL;
    prophet_code rc = serve_offer(p->r, ph_buf_slice(&p->question), &p->answer, &visit, err);
    if (visit)
        ph_sync_visits_add(&p->visits, visit);
    return rc < 0 ? rc : say(p, 'W', ph_buf_slice(&p->answer), err);
}

static prophet_code pull(pipe_peer *p, prophet_error *err)
{
    ph_sync_sender *s;
    ph_sync_visit *visit = NULL;
    bool whole = false;
    prophet_code rc = serve_pull(p->r, ph_buf_slice(&p->question), &s, &visit, err);
    if (rc < 0) {
        ph_sync_visit_free(visit);
        return rc;
    }
    for (;;) {
        ph_buf_reset(&p->answer);
        if ((rc = ph_sync_sender_next(s, &p->answer, err)) != PROPHET_OK) {
            whole = rc == PROPHET_DONE;
            break;
        }
        size_t at = 0;
        for (; at < p->answer.len && rc == PROPHET_OK; at += PIECE_MAX) {
            size_t n = p->answer.len - at < PIECE_MAX ? p->answer.len - at : PIECE_MAX;
            rc = say(p, 'D', ph_slice(p->answer.data + at, n), err);
        }
        if (rc != PROPHET_OK)
            break;
    }
    ph_sync_sender_close(s);
    if (whole)
        ph_sync_visits_add(&p->visits, visit);
    else
        ph_sync_visit_free(visit);
    return rc < 0 ? rc : say(p, 'E', ph_slice(NULL, 0), err);
}

static prophet_code take(pipe_peer *p, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (p->passing_over)
        return rc;
    if (p->readonly)
        rc = ph_fail(err, PROPHET_EREADONLY, "nothing is taken here");
    else if (p->taker || (rc = ph_sync_taker_open(p->r, &p->taker, err)) >= 0)
        rc = ph_sync_taker_feed(p->taker, ph_buf_slice(&p->question), err);
    p->passing_over = rc < 0;
    return rc;
}

static prophet_code take_end(pipe_peer *p, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    bool news;
    if (!p->passing_over) {
        ph_buf_reset(&p->answer);
        if (!p->taker)
            rc = ph_fail(err, PROPHET_EUSAGE, "the end of a transfer that did not begin");
        else if ((rc = serve_push_end(p->r, p->taker, &p->answer, &news, err)) >= 0)
            rc = say(p, 'A', ph_buf_slice(&p->answer), err);
    }
    ph_sync_taker_close(p->taker);
    p->taker = NULL;
    p->passing_over = false;
    return rc;
}

static prophet_code answer_one(pipe_peer *p, prophet_error *err)
{
    switch (p->kind) {
    case 'H': return head(p, err);
    case 'O': return offer(p, err);
    case 'G': return pull(p, err);
    case 'D': return take(p, err);
    case 'E': return take_end(p, err);
    default: return ph_fail(err, PROPHET_EUSAGE, "a message of a kind that is not known");
    }
}

static prophet_code serve(pipe_peer *p, prophet_error *err)
{
    prophet_code rc;
    while ((rc = hear(p, err)) == PROPHET_OK) {
        prophet_error what = { 0 };
        if ((rc = answer_one(p, &what)) >= 0)
            continue;
        if (rc == PROPHET_EINTERRUPTED) {
            if (err)
                *err = what;
            return rc;
        }
        if ((rc = say_error(p, &what, err)) != PROPHET_OK)
            return rc;
    }
    return rc;
}

prophet_code ph_serve_pipe(const char *dir, int in, int out, bool readonly, bool (*stop)(void *ctx),
                           void *ctx, prophet_error *err)
{
    const ph_replica_options ro = { .readonly = readonly };
    pipe_peer p = { .in = in, .out = out, .readonly = readonly, .stop = stop, .ctx = ctx };
    prophet_code rc = ph_replica_open(dir, &ro, &p.r, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_watch_open(dir, &p.watch, err)) >= 0)
        rc = serve(&p, err);
    ph_sync_visits_write(p.r, &p.visits);
    ph_sync_taker_close(p.taker);
    ph_buf_clear(&p.question);
    ph_buf_clear(&p.answer);
    ph_watch_close(p.watch);
    ph_replica_close(p.r);
    return rc < 0 ? rc : PROPHET_OK;
}
