/* The client of a live peer against peers that lie or break off: each gets an error of its own, and nothing unproven is applied. */
#include "serve_place.h"
#include <fcntl.h>

static void put(ph_buf *b, char kind, prophet_slice bytes)
{
    uint8_t head[5] = { (uint8_t)kind };
    ph_u32be_put(head + 1, (uint32_t)bytes.len);
    ph_buf_put(b, head, sizeof head);
    ph_buf_put(b, bytes.data, bytes.len);
}

static void offer_of(ph_replica *r, ph_buf *out)
{
    const ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(r) };
    ph_sync_offer offer;
    ph_view *v;
    REQUIRE_OK(ph_replica_sign(r, &err), &err);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_sync_offer_make(v, &v->arena, &offer, &err), &err);
    REQUIRE_OK(ph_sync_offer_encode(&me, &offer, out, &err), &err);
    ph_view_end(v);
}

static void transfer_of(ph_replica *r, ph_buf *out)
{
    ph_sync_sender *s;
    REQUIRE_OK(ph_sync_sender_open(r, NULL, &s, &err), &err);
    while (ph_sync_sender_next(s, out, &err) == PROPHET_OK)
        ;
    ph_sync_sender_close(s);
}

static void write_file(const char *path, prophet_slice bytes, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    REQUIRE(fd >= 0 && write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len && close(fd) == 0);
}

/* From now on ssh gives these answers, whatever it is asked; then it closes, or waits for our end. */
static void play(prophet_slice answers, bool closes)
{
    char script[9000], answers_path[4200], path[4200];
    (void)snprintf(answers_path, sizeof answers_path, "%s", place("answers"));
    (void)snprintf(path, sizeof path, "%s", place("ssh"));
    int n = snprintf(script, sizeof script, "#!/bin/sh\ncat '%s'\n%s", answers_path,
                     closes ? "exec >&-\ncat >/dev/null\n" : "cat >/dev/null\n");
    write_file(answers_path, answers, 0600);
    write_file(path, ph_slice(script, (size_t)n), 0700);
    REQUIRE(setenv("PROPHET_SSH", path, 1) == 0);
}

typedef struct world {
    ph_replica *from, *to;
    ph_buf offer, transfer, answers;
    char before[65];
} world;

static void begin(world *w)
{
    *w = (world){ .from = fresh("from", NULL) };
    w->to = fresh("to", ph_replica_database(w->from));
    write_some(w->from, 20, 200);
    offer_of(w->from, &w->offer);
    transfer_of(w->from, &w->transfer);
    digest_of(w->to, w->before);
}

static void answer_with(world *w, prophet_slice transfer, bool end)
{
    ph_buf_reset(&w->answers);
    put(&w->answers, 'O', ph_buf_slice(&w->offer));
    put(&w->answers, 'D', transfer);
    if (end)
        put(&w->answers, 'E', ph_slice(NULL, 0));
    play(ph_buf_slice(&w->answers), !end);
}

static void pull_gives(world *w, prophet_code code)
{
    ph_sync_report rep;
    char after[65];
    CHECK_CODE(ph_sync_pull(w->to, "ssh://far.example/x", NULL, &rep, &err), code, &err);
    ph_sync_report_clear(&rep);
    digest_of(w->to, after);
    if (code < 0)
        CHECK_EQ_STR(after, w->before);
}

static void end(world *w)
{
    ph_replica_close(w->from);
    ph_replica_close(w->to);
    ph_buf_clear(&w->offer);
    ph_buf_clear(&w->transfer);
    ph_buf_clear(&w->answers);
}

/* Where the one signature of the transfer begins: 64 bytes, behind the id of the head. */
static size_t signature_at(const world *w)
{
    ph_view *v;
    ph_chain_head *heads;
    size_t n, at = 0;
    REQUIRE_OK(ph_view_begin(w->from, &v, &err), &err);
    REQUIRE_OK(ph_view_chains(v, &v->arena, &heads, &n, &err), &err);
    REQUIRE(n == 1);
    for (size_t i = 0; i + 96 <= w->transfer.len; i++)
        if (memcmp(w->transfer.data + i, heads[0].id.b, 32) == 0)
            at = i + 32;
    ph_view_end(v);
    REQUIRE(at > 0);
    return at;
}

TEST(what_was_cut_before_its_signature_is_not_applied)
{
    world w;
    char here[65], there[65];
    begin(&w);
    size_t proven = signature_at(&w) + 64;
    for (int i = 0; i < 20; i++) {
        size_t len = 1 + (size_t)test_below(proven - 1);
        answer_with(&w, ph_slice(w.transfer.data, len), true); /* says that it is whole */
        pull_gives(&w, PROPHET_ECORRUPT);
    }
    answer_with(&w, ph_slice(w.transfer.data, proven / 2), false); /* goes away */
    pull_gives(&w, PROPHET_ENETWORK);
    answer_with(&w, ph_buf_slice(&w.transfer), true);
    pull_gives(&w, PROPHET_OK);
    digest_of(w.from, here);
    digest_of(w.to, there);
    CHECK_EQ_STR(here, there);
    end(&w);
}

TEST(nothing_with_a_broken_signature_is_applied)
{
    world w;
    begin(&w);
    w.transfer.data[signature_at(&w) + test_below(64)] ^= 1;
    answer_with(&w, ph_buf_slice(&w.transfer), true);
    pull_gives(&w, PROPHET_EUNTRUSTED);
    end(&w);
}

TEST(what_a_peer_says_is_no_code_of_this_side)
{
    static const struct {
        const char *text;
        prophet_code code;
    } said[] = { { "unrelated: another database\n", PROPHET_EUNRELATED },
                 { "readonly: nothing is taken here\n", PROPHET_EREADONLY },
                 { "busy: try again\n", PROPHET_EBUSY },
                 { "corrupt: your log\n", PROPHET_EREMOTE },
                 { "\x1b[2J and more", PROPHET_EREMOTE },
                 { "", PROPHET_EREMOTE } };
    world w;
    begin(&w);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        ph_buf_reset(&w.answers);
        put(&w.answers, 'X', ph_slice_str(said[i].text));
        play(ph_buf_slice(&w.answers), false);
        pull_gives(&w, said[i].code);
        CHECK(!strchr(err.message, 0x1b));
    }
    ph_buf_reset(&w.answers);
    put(&w.answers, 'W', ph_buf_slice(&w.offer)); /* an answer to another question */
    play(ph_buf_slice(&w.answers), false);
    pull_gives(&w, PROPHET_EREMOTE);
    ph_buf_reset(&w.answers);
    put(&w.answers, 'O', ph_slice("what?", 5));
    play(ph_buf_slice(&w.answers), false);
    pull_gives(&w, PROPHET_ECORRUPT);
    end(&w);
}

/* The limit is for an answer that stops halfway, not for one that was waited for as long as it was asked to take. */
TEST(a_long_poll_may_take_longer_than_an_answer_may_stall)
{
    static const prophet_net_options none = PROPHET_NET_OPTIONS_INIT;
    prophet_net_options o = none;
    ph_replica *r = fresh("ann", NULL);
    char hex[65], match[100], url[300];
    running s;
    ph_http *h;
    const char *const headers[] = { match };
    write_some(r, 1, 10);
    REQUIRE_OK(ph_replica_sign(r, &err), &err);
    digest_of(r, hex);
    start_server(&s, "ann", NULL);
    (void)snprintf(url, sizeof url, "%s/v1/head?wait=1", ph_serve_url(s.server));
    (void)snprintf(match, sizeof match, "If-None-Match: \"%s\"", hex);
    ph_http_request q = {
        .method = "GET", .url = url, .headers = headers, .header_count = 1, .wait_ms = 20000
    };
    o.stall_ms = 100;
    o.retries = PROPHET_NO_RETRY;
    REQUIRE_OK(ph_http_open(&o, &h, &err), &err);
    REQUIRE_OK(ph_http_send(h, &q, &err), &err);
    CHECK_EQ_INT(q.status, 304);
    ph_http_close(h);
    stop_server(&s);
    ph_replica_close(r);
}
