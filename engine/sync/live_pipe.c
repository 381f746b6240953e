/* The questions to a live peer at the far end of ssh: `prophet serve --stdio`, whose messages serve/pipe.c draws. */
#include "sync/live_impl.h"

enum { HEAD_LEN = 5, PIECE_MAX = 1 << 20, MARGIN_MS = 30000 };

typedef struct pipe_wire {
    ph_pipe *pipe;
    const prophet_net_options *o;
    ph_buf text; /* of an answer */
    int wake;    /* for the next head; -1: none */
    bool owed;   /* the answer to a head that nobody waits for any more comes first */
    bool broken; /* cut off inside a message */
    bool begun;  /* it has answered */
    char shown[256];
} pipe_wire;

static void pipe_close(void *self)
{
    pipe_wire *w = self;
    ph_pipe_close(w->pipe, NULL);
    ph_buf_clear(&w->text);
    ph_free(w);
}

/* Its status says why it has ended: the words of ssh and of the shell over there are on standard error. Else err stays what it is. */
static prophet_code gone(pipe_wire *w, prophet_code rc, prophet_error *err)
{
    int status = 0;
    ph_pipe_close(w->pipe, &status);
    w->pipe = NULL;
    w->broken = true;
    if (status == 255)
        return ph_fail(err, PROPHET_ENETWORK, "%s: ssh does not get there", w->shown);
    if (status != 127) /* of a shell: there is no such program */
        return rc;
    rc = ph_fail(err, PROPHET_EREMOTE, "%s: the far end has no program prophet", w->shown);
    ph_hint(err, "install it there, in a directory of the PATH that ssh HOST 'echo $PATH' shows");
    return rc;
}

static prophet_code read_all(pipe_wire *w, void *out, size_t len, uint32_t timeout_ms,
                             prophet_error *err)
{
    char *at = out;
    while (len > 0) {
        size_t got = 0;
        prophet_code rc = ph_pipe_read(w->pipe, at, len, timeout_ms, w->o, &got, err);
        if (rc == PROPHET_DONE) {
            rc = ph_fail(err, PROPHET_ENETWORK, "%s: the far end has closed", w->shown);
            return gone(w, rc, err);
        }
        if (rc < 0)
            return rc;
        at += got;
        len -= got;
    }
    return PROPHET_OK;
}

static prophet_code say(pipe_wire *w, char kind, prophet_slice bytes, prophet_error *err)
{
    uint8_t head[HEAD_LEN] = { (uint8_t)kind };
    ph_u32be_put(head + 1, (uint32_t)bytes.len);
    if (w->broken)
        return ph_fail(err, PROPHET_ENETWORK, "%s: the pipe is broken", w->shown);
    prophet_code rc = ph_pipe_write(w->pipe, ph_slice(head, sizeof head), MARGIN_MS, w->o, err);
    if (rc >= 0)
        rc = ph_pipe_write(w->pipe, bytes, MARGIN_MS, w->o, err);
    w->broken = rc < 0;
    return rc == PROPHET_ENETWORK ? gone(w, rc, err) : rc;
}

static prophet_code hear_one(pipe_wire *w, char *kind, uint32_t timeout_ms, ph_buf *out,
                             prophet_error *err)
{
    uint8_t head[HEAD_LEN];
    prophet_code rc = read_all(w, head, sizeof head, timeout_ms, err);
    if (rc < 0)
        return rc;
    size_t len = ph_u32be(head + 1);
    *kind = (char)head[0];
    if (len > (*kind == 'D' ? (size_t)PIECE_MAX : PH_SYNC_MESSAGE_MAX))
        return ph_fail(err, PROPHET_EREMOTE, "%s: a message that is too long", w->shown);
    if (!ph_buf_reserve(out, len + 1))
        return ph_nomem(err);
    if ((rc = read_all(w, out->data + out->len, len, MARGIN_MS, err)) < 0)
        return rc;
    out->len += len;
    return PROPHET_OK;
}

/* "code: message" of the other side. That it has no database at this path is said before anything else, by a server that could not begin. */
static prophet_code refusal(const pipe_wire *w, prophet_slice text, prophet_error *err)
{
    prophet_code rc = live_refusal(w->shown, text, w->begun ? PROPHET_OK : PROPHET_ENOTFOUND, err);
    if (rc == PROPHET_ENOTFOUND)
        ph_hint(err, "ssh://HOST/~/PATH is below the home, ssh://HOST/PATH is not");
    return rc;
}

/* The next answer, appended to out. An error of the other side becomes ours. */
static prophet_code hear(pipe_wire *w, char *kind, uint32_t timeout_ms, ph_buf *out,
                         prophet_error *err)
{
    size_t before = out->len;
    prophet_code rc = PROPHET_OK;
    if (w->broken)
        return ph_fail(err, PROPHET_ENETWORK, "%s: the pipe is broken", w->shown);
    while (rc >= 0 && w->owed) {
        w->owed = false;
        rc = hear_one(w, kind, MARGIN_MS, out, err);
        out->len = before;
    }
    if (rc < 0 || (rc = hear_one(w, kind, timeout_ms, out, err)) < 0) {
        w->broken = true;
        return rc;
    }
    if (*kind != 'X') {
        w->begun = true;
        return PROPHET_OK;
    }
    rc = refusal(w, ph_slice(out->data + before, out->len - before), err);
    out->len = before;
    return rc;
}

static void pipe_wake(void *self, int fd)
{
    pipe_wire *w = self;
    w->wake = fd;
}

/* Until the answer to a head begins. Who is woken leaves it to come before the next answer. */
static prophet_code await_head(pipe_wire *w, uint32_t timeout_ms, prophet_error *err)
{
    prophet_code rc = w->owed ? PROPHET_OK : ph_pipe_wait(w->pipe, timeout_ms, w->o, w->wake, err);
    if (rc == PROPHET_EINTERRUPTED)
        w->owed = true;
    else if (rc < 0)
        w->broken = true;
    return rc;
}

static prophet_code strange(const pipe_wire *w, prophet_error *err)
{
    return ph_fail(err, PROPHET_EREMOTE, "%s: an answer to another question", w->shown);
}

static prophet_code pipe_head(void *self, const uint8_t *known, uint32_t wait_s, ph_buf *out,
                              prophet_error *err)
{
    pipe_wire *w = self;
    uint8_t question[36];
    char kind;
    ph_u32be_put(question, wait_s);
    if (known)
        memcpy(question + 4, known, 32);
    prophet_code rc = say(w, 'H', ph_slice(question, known ? 36 : 4), err);
    if (rc < 0 || (rc = await_head(w, wait_s * 1000 + MARGIN_MS, err)) < 0 ||
        (rc = hear(w, &kind, wait_s * 1000 + MARGIN_MS, out, err)) < 0)
        return rc;
    return kind == 'O' ? PROPHET_OK : kind == 'U' && known ? PROPHET_DONE : strange(w, err);
}

static prophet_code pipe_offer(void *self, prophet_slice offer, ph_buf *want, prophet_error *err)
{
    pipe_wire *w = self;
    char kind;
    prophet_code rc = say(w, 'O', offer, err);
    if (rc < 0 || (rc = hear(w, &kind, MARGIN_MS, want, err)) < 0)
        return rc;
    return kind == 'W' ? PROPHET_OK : strange(w, err);
}

static prophet_code pipe_pull(void *self, prophet_slice want, prophet_sink_fn sink, void *ctx,
                              prophet_error *err)
{
    pipe_wire *w = self;
    char kind;
    prophet_code rc = say(w, 'G', want, err);
    while (rc >= 0) {
        ph_buf_reset(&w->text);
        if ((rc = hear(w, &kind, MARGIN_MS, &w->text, err)) < 0)
            break;
        if (kind == 'E')
            return PROPHET_OK;
        rc = kind == 'D' ? sink(ctx, ph_buf_slice(&w->text), err) : strange(w, err);
    }
    return rc;
}

static prophet_code pipe_push(void *self, ph_sync_sender *s, ph_buf *answer, prophet_error *err)
{
    pipe_wire *w = self;
    prophet_code rc;
    char kind;
    for (;;) {
        ph_buf_reset(&w->text);
        if ((rc = ph_sync_sender_next(s, &w->text, err)) != PROPHET_OK)
            break;
        size_t n;
        for (size_t at = 0; at < w->text.len && rc >= 0; at += n) {
            n = w->text.len - at < PIECE_MAX ? w->text.len - at : PIECE_MAX;
            rc = say(w, 'D', ph_slice(w->text.data + at, n), err);
        }
        if (rc < 0)
            break;
    }
    if (rc < 0 || (rc = say(w, 'E', ph_slice(NULL, 0), err)) < 0 ||
        (rc = hear(w, &kind, 10 * MARGIN_MS, answer, err)) < 0)
        return rc;
    return kind == 'A' ? PROPHET_OK : strange(w, err);
}

prophet_code live_pipe_open(const char *url, const prophet_net_options *o, live_wire *out,
                            prophet_error *err)
{
    char dir[PH_PATH_MAX];
    const char *const argv[] = { "prophet", "serve", "--stdio", "--quiet", "--db", dir, NULL };
    pipe_wire *w = ph_zalloc(sizeof *w);
    if (!w)
        return ph_nomem(err);
    w->o = o;
    w->wake = -1;
    ph_net_show(url, w->shown, sizeof w->shown);
    prophet_code rc = ph_pipe_ssh_path(url, dir, sizeof dir, err);
    if (rc >= 0)
        rc = ph_pipe_open_ssh(url, argv, &w->pipe, err);
    if (rc < 0) {
        pipe_close(w);
        return rc;
    }
    *out = (live_wire){ w, pipe_head, pipe_offer, pipe_pull, pipe_push, pipe_wake, pipe_close };
    return PROPHET_OK;
}
