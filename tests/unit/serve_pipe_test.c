/* A live peer at the end of a pipe: what ssh starts. */
#include "serve_place.h"
#include <signal.h>

typedef struct piped {
    char dir[4200];
    int in, out; /* of the server */
    bool readonly;
    prophet_code ended;
    pthread_t thread;
    int to, from; /* ours */
} piped;

static void *run_pipe(void *ctx)
{
    piped *p = ctx;
    prophet_error e;
    p->ended = ph_serve_pipe(p->dir, p->in, p->out, p->readonly, NULL, NULL, &e);
    close(p->out);
    return NULL;
}

static void start_pipe(piped *p, const char *name, bool readonly)
{
    int down[2], up[2];
    REQUIRE(pipe(down) == 0 && pipe(up) == 0);
    *p = (piped){ .in = down[0], .out = up[1], .to = down[1], .from = up[0], .readonly = readonly };
    (void)snprintf(p->dir, sizeof p->dir, "%s", place(name));
    REQUIRE(pthread_create(&p->thread, NULL, run_pipe, p) == 0);
}

static void end_pipe(piped *p)
{
    close(p->to);
    REQUIRE(pthread_join(p->thread, NULL) == 0);
    close(p->from);
    close(p->in);
}

static void tell(const piped *p, char kind, prophet_slice bytes)
{
    uint8_t head[5] = { (uint8_t)kind };
    ph_u32be_put(head + 1, (uint32_t)bytes.len);
    REQUIRE(write(p->to, head, 5) == 5);
    REQUIRE(write(p->to, bytes.data, bytes.len) == (ssize_t)bytes.len);
}

static void get(const piped *p, void *out, size_t len)
{
    for (char *at = out; len > 0;) {
        ssize_t n = read(p->from, at, len);
        REQUIRE(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

/* Its kind; the bytes are appended. */
static char told(const piped *p, ph_buf *out)
{
    uint8_t head[5];
    get(p, head, 5);
    size_t len = ph_u32be(head + 1);
    REQUIRE(ph_buf_reserve(out, len + 1));
    get(p, out->data + out->len, len);
    out->len += len;
    out->data[out->len] = 0;
    return (char)head[0];
}

TEST(a_pipe_answers_as_http_does)
{
    ph_replica *r = fresh("a", NULL), *other = fresh("b", ph_replica_database(r));
    ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(other) };
    ph_arena a = PH_ARENA_INIT;
    ph_buf in = PH_BUF_INIT, want = PH_BUF_INIT;
    ph_sync_report rep = { 0 };
    ph_sync_taker *t;
    ph_sync_offer offer;
    ph_sync_peer who;
    uint8_t question[36] = { 0, 0, 0, 60 };
    piped p;
    char kind;

    write_some(r, 100, 3000);
    start_pipe(&p, "a", false);
    tell(&p, 'H', ph_slice(question, 4));
    CHECK_EQ_INT(told(&p, &in), 'O');
    REQUIRE_OK(ph_sync_offer_decode(ph_buf_slice(&in), &a, &who, &offer, &err), &err);
    memcpy(question + 4, offer.digest, 32);
    REQUIRE_OK(ph_sync_want_encode(&me, NULL, &want, &err), &err);
    tell(&p, 'H', ph_slice(question, 36)); /* waits .. */
    tell(&p, 'G', ph_buf_slice(&want));    /* .. until this */
    ph_buf_reset(&in);
    CHECK_EQ_INT(told(&p, &in), 'U');
    ph_buf_reset(&in);
    while ((kind = told(&p, &in)) == 'D')
        ;
    CHECK_EQ_INT(kind, 'E');
    REQUIRE_OK(ph_sync_taker_open(other, &t, &err), &err);
    REQUIRE_OK(ph_sync_taker_feed(t, ph_buf_slice(&in), &err), &err);
    REQUIRE_OK(ph_sync_taker_finish(t, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 100);
    ph_sync_taker_close(t);
    tell(&p, 'H', ph_slice(question, 36)); /* a commit ends it as well */
    write_some(r, 1, 10);
    ph_buf_reset(&in);
    CHECK_EQ_INT(told(&p, &in), 'O');
    tell(&p, '?', ph_slice("x", 1));
    ph_buf_reset(&in);
    CHECK_EQ_INT(told(&p, &in), 'X');
    CHECK_HAS((char *)in.data, "usage: ");
    end_pipe(&p);
    CHECK_OK(p.ended, NULL);
    ph_sync_report_clear(&rep);
    ph_buf_clear(&in);
    ph_buf_clear(&want);
    ph_arena_clear(&a);
    ph_replica_close(r);
    ph_replica_close(other);
}

TEST(a_push_through_a_pipe_is_applied_or_refused)
{
    ph_replica *r = fresh("a", NULL), *other = fresh("b", ph_replica_database(r));
    ph_buf in = PH_BUF_INIT, transfer = PH_BUF_INIT;
    ph_sync_report rep = { 0 };
    ph_sync_sender *s;
    ph_sync_peer who;
    uint8_t digest[32];
    piped p;

    write_some(other, 10, 1000);
    REQUIRE_OK(ph_replica_sign(other, &err), &err);
    REQUIRE_OK(ph_sync_sender_open(other, NULL, &s, &err), &err);
    while (ph_sync_sender_next(s, &transfer, &err) == PROPHET_OK)
        ;
    ph_sync_sender_close(s);
    start_pipe(&p, "a", true);
    tell(&p, 'D', ph_buf_slice(&transfer));
    tell(&p, 'E', ph_slice(NULL, 0));
    CHECK_EQ_INT(told(&p, &in), 'X');
    CHECK_HAS((char *)in.data, "readonly: ");
    end_pipe(&p);
    start_pipe(&p, "a", false);
    tell(&p, 'D', ph_slice("garbage of a stranger", 21));
    tell(&p, 'D', ph_slice("more", 4));
    tell(&p, 'E', ph_slice(NULL, 0));
    ph_buf_reset(&in);
    CHECK_EQ_INT(told(&p, &in), 'X');
    tell(&p, 'D', ph_slice(transfer.data, 1000));
    tell(&p, 'D', ph_slice(transfer.data + 1000, transfer.len - 1000));
    tell(&p, 'E', ph_slice(NULL, 0));
    ph_buf_reset(&in);
    CHECK_EQ_INT(told(&p, &in), 'A');
    REQUIRE_OK(ph_sync_answer_decode(ph_buf_slice(&in), &who, digest, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 10);
    tell(&p, 'D', ph_slice(transfer.data, 1000)); /* and the pipe ends */
    end_pipe(&p);
    CHECK_OK(p.ended, NULL);
    ph_sync_report_clear(&rep);
    ph_buf_clear(&in);
    ph_buf_clear(&transfer);
    ph_replica_close(r);
    ph_replica_close(other);
}
