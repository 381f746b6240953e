/* Requests of live peers against a server that does things wrong: hostile_http.py. */
#include "net/net.h"
#include "server.h"
#include <stdlib.h>

static prophet_error err;
static server hostile;
static unsigned ports[3]; /* http, another origin, https */
static char authority[512];

static void start(void)
{
    const char *argv[] = { "python3", test_source("tests/services/hostile_http.py"), NULL };
    if (hostile.pid)
        return;
    REQUIRE(server_start(&hostile, argv));
    REQUIRE(sscanf(hostile.line, "%u %u %u %511s", &ports[0], &ports[1], &ports[2], authority) ==
            4);
}

static const char *at(const char *path)
{
    static char url[512];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", ports[0], path);
    return url;
}

static prophet_code append(void *ctx, prophet_slice chunk, prophet_error *e)
{
    (void)e;
    ph_buf_put(ctx, chunk.data, chunk.len);
    return PROPHET_OK;
}

static prophet_net_options options(void)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.proxy = "";
    o.connect_ms = 5000;
    o.stall_ms = 5000;
    o.retries = 3;
    return o;
}

/* One request on a connection of its own; the body as text. */
static prophet_code ask(const prophet_net_options *o, ph_http_request *r, ph_buf *body)
{
    ph_http *h;
    start();
    err = (prophet_error){ 0 };
    REQUIRE_OK(ph_http_open(o, &h, &err), &err);
    body->len = 0;
    r->method = r->method ? r->method : "GET";
    r->sink = append;
    r->sink_ctx = body;
    prophet_code rc = ph_http_send(h, r, &err);
    ph_http_close(h);
    ph_buf_byte(body, 0);
    body->len--;
    return rc;
}

static prophet_code get(const char *url, const prophet_net_options *o, ph_http_request *r,
                        ph_buf *body)
{
    *r = (ph_http_request){ .url = url };
    return ask(o, r, body);
}

/* What the server saw of requests with `name` in them. */
static void seen(const char *name, ph_buf *out)
{
    char path[128];
    ph_http_request r;
    prophet_net_options o = options();
    (void)snprintf(path, sizeof path, "log/%s", name);
    CHECK_OK(get(at(path), &o, &r, out), &err);
}

TEST(a_request_brings_status_body_and_headers)
{
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options();
    ph_http_header wanted[] = { { "etag", "" }, { "X-Nothing", "left over" } };
    start();
    ph_http_request r = { .url = at("plain/a"), .wanted = wanted, .wanted_count = 2 };
    CHECK_CODE(ask(&o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    CHECK_EQ_UINT(b.len, 200000);
    CHECK_EQ_STR(wanted[0].value, "\"v1\"");
    CHECK_EQ_STR(wanted[1].value, "");
    CHECK_CODE(get(at("empty/a"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 204);
    CHECK_EQ_UINT(b.len, 0);
    CHECK_CODE(get(at("status/418"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 418);
    CHECK_EQ_STR(r.message, "because [31m of this"); /* nothing that a terminal obeys */
    CHECK_EQ_UINT(b.len, 0);
    ph_buf_clear(&b);
}

typedef struct source {
    size_t left, piece;
} source;

static prophet_code give(void *ctx, void *buf, size_t len, size_t *got, prophet_error *e)
{
    source *s = ctx;
    (void)e;
    *got = s->left < s->piece ? s->left : s->piece;
    *got = *got < len ? *got : len;
    if (*got == 0)
        return PROPHET_DONE;
    memset(buf, 'y', *got);
    s->left -= *got;
    return PROPHET_OK;
}

static prophet_code give_nothing(void *ctx, void *buf, size_t len, size_t *got, prophet_error *e)
{
    (void)ctx, (void)buf, (void)len;
    *got = 0;
    return ph_fail(e, PROPHET_EIO, "the source broke");
}

TEST(a_body_goes_with_its_length_or_in_chunks)
{
    static const size_t sizes[] = { 0, 1, 70000, 3000000 };
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options();
    ph_http_header wanted[] = { { "X-Answer", "" } };
    start();
    for (size_t i = 0; i < 8; i++) {
        source s = { sizes[i / 2], 30000 };
        char want[32];
        ph_http_request r = { .method = "POST",
                              .url = at("post/a"),
                              .read = give,
                              .read_ctx = &s,
                              .wanted = wanted,
                              .wanted_count = 1,
                              .length = i % 2 ? PROPHET_WHOLE : sizes[i / 2] };
        (void)snprintf(want, sizeof want, "%zu ", sizes[i / 2]);
        CHECK_CODE(ask(&o, &r, &b), PROPHET_OK, &err);
        CHECK_EQ_INT(r.status, 200);
        CHECK(strncmp((char *)b.data, want, strlen(want)) == 0);
        CHECK_EQ_STR(wanted[0].value, "as asked");
    }
    ph_http_request none = { .method = "POST", .url = at("post/a") };
    CHECK_CODE(ask(&o, &none, &b), PROPHET_OK, &err);
    CHECK(strncmp((char *)b.data, "0 ", 2) == 0);
    ph_http_request broken = {
        .method = "POST", .url = at("post/a"), .read = give_nothing, .length = 10
    };
    CHECK_CODE(ask(&o, &broken, &b), PROPHET_EIO, &err);
    CHECK_HAS(err.message, "the source broke");
    source s = { 5, 5 };
    ph_http_request early = {
        .method = "POST", .url = at("post/a"), .read = give, .read_ctx = &s, .length = 10
    };
    CHECK_CODE(ask(&o, &early, &b), PROPHET_EUSAGE, &err);
    ph_buf_clear(&b);
}

TEST(answers_that_are_none_are_errors)
{
    static const struct {
        const char *path;
        prophet_code code;
        const char *words;
    } cases[] = {
        { "junk/a", PROPHET_EREMOTE, "HTTP/0.9" },
        { "huge_header/a", PROPHET_EREMOTE, "headers of more than 65536 bytes" },
        { "giant_header/a", PROPHET_EREMOTE, "header" },
        { "many_headers/a", PROPHET_EREMOTE, "headers of more than 65536 bytes" },
        { "loop/a", PROPHET_EREMOTE, "more than 5 redirects" },
        { "nowhere/a", PROPHET_EREMOTE, "redirects to nowhere" },
        { "redirect/302?file:///etc/passwd", PROPHET_EREMOTE, "less safe or no HTTP" },
        { "redirect/302?ftp://127.0.0.1/x", PROPHET_EREMOTE, "less safe or no HTTP" },
        { "redirect/302?gopher://127.0.0.1/x", PROPHET_EREMOTE, "less safe or no HTTP" },
    };
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_context("%s", cases[i].path);
        CHECK_CODE(get(at(cases[i].path), &o, &r, &b), cases[i].code, &err);
        CHECK_HAS(err.message, cases[i].words);
        CHECK_EQ_UINT(b.len, 0);
    }
    o.retries = 1;
    test_context("silent");
    CHECK_CODE(get(at("silent/once"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_EQ_INT(r.status, 0);
    r = (ph_http_request){ .url = at("endless/a"), .most = 1000000 };
    CHECK_CODE(ask(&o, &r, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "more than 1000000 bytes");
    CHECK(b.len <= 1000000);
    CHECK_CODE(get(at("continues/a"), &o, &r, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "it says to go on, and never answers");
    /* Bytes that the sink has cannot be taken back, so it is not tried again. */
    CHECK_CODE(get(at("cut/peer"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_EQ_UINT(b.len, 70000);
    ph_buf_clear(&b);
}

TEST(what_fails_for_a_while_is_tried_again)
{
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    start();
    CHECK_CODE(get(at("flaky/a"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    CHECK_EQ_UINT(b.len, 200000);
    o.retries = 1;
    CHECK_CODE(get(at("flaky/b"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 503);
    o.retries = PROPHET_NO_RETRY;
    CHECK_CODE(get(at("flaky/c"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 503);
    seen("flaky/c", &b);
    CHECK_HAS((char *)b.data, "flaky/c");
    CHECK(strstr(strstr((char *)b.data, "flaky/c") + 1, "GET /flaky/c") == NULL);
    o.retries = 3;
    r = (ph_http_request){ .method = "POST", .url = at("flaky/d") };
    CHECK_CODE(ask(&o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 503); /* it may have been done: the caller decides */
    CHECK_CODE(get(at("away/a"), &o, &r, &b), PROPHET_OK, &err); /* nobody waits for a day */
    CHECK_EQ_INT(r.status, 503);
    ph_buf_clear(&b);
}

TEST(redirects_take_the_token_to_its_own_origin_only)
{
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    o.token = "s3cret-token";
    o.cacert = authority;
    start();
    CHECK_CODE(get(at("redirect/301?HTTP/plain/same"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    CHECK_CODE(get(at("redirect/307?/plain/relative"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    CHECK_CODE(get(at("redirect/302?OTHER/plain/stranger"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    CHECK_CODE(get(at("redirect/308?TLS/plain/safer"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 200);
    seen("same", &b);
    CHECK_HAS((char *)b.data, "GET /plain/same auth=Bearer s3cret-token");
    seen("relative", &b);
    CHECK_HAS((char *)b.data, "GET /plain/relative auth=Bearer s3cret-token");
    seen("stranger", &b);
    CHECK_HAS((char *)b.data, "GET /plain/stranger auth=None");
    seen("safer", &b);
    CHECK_HAS((char *)b.data, "GET /plain/safer auth=None");
    r = (ph_http_request){ .method = "POST", .url = at("redirect/307?/plain/posted") };
    CHECK_CODE(ask(&o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 307);
    ph_buf_clear(&b);
}

TEST(certificates_are_verified)
{
    char url[256];
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    start();
    (void)snprintf(url, sizeof url, "https://localhost:%u/plain/a", ports[2]);
    CHECK_CODE(get(url, &o, &r, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.hint, "cacert");
    o.cacert = authority;
    CHECK_CODE(get(url, &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_UINT(b.len, 200000);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/plain/a",
                   ports[2]); /* not the name in it */
    CHECK_CODE(get(url, &o, &r, &b), PROPHET_EREMOTE, &err);
    (void)snprintf(url, sizeof url, "https://localhost:%u/redirect/302?HTTP/plain/a", ports[2]);
    CHECK_CODE(get(url, &o, &r, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "less safe or no HTTP");
    o.cacert = "/nonexistent/ca.pem";
    CHECK_CODE(get(url, &o, &r, &b), PROPHET_EUSAGE, &err);
    ph_buf_clear(&b);
}

TEST(no_message_holds_the_token)
{
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    o.token = "s3cret-token";
    start();
    CHECK_CODE(get(at("echo/a"), &o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_INT(r.status, 403);
    CHECK_HAS(r.message, "you sent Bearer ****");
    CHECK(!strstr(r.message, "s3cret"));
    CHECK_CODE(get("http://bob:s3cret-token@127.0.0.1:1/x?key=s3cret-token", &o, &r, &b),
               PROPHET_EUSAGE, &err);
    CHECK(!strstr(err.message, "s3cret") && !strstr(err.hint, "s3cret"));
    CHECK_CODE(get(at("redirect/302?ftp://127.0.0.1/s3cret-token"), &o, &r, &b), PROPHET_EREMOTE,
               &err);
    CHECK_HAS(err.message, "ftp://127.0.0.1/****");
    CHECK(!strstr(err.message, "s3cret"));
    CHECK(get(at("redirect/302?http://s3cret-token.invalid/"), &o, &r, &b) < 0);
    CHECK(!strstr(err.message, "s3cret"));
    o.proxy = "http://ann:s3cret word@127.0.0.1:1";
    CHECK(get("http://127.0.0.1:1/x", &o, &r, &b) < 0);
    CHECK(!strstr(err.message, "s3cret"));
    o.proxy = "odd://ann:s3cret@127.0.0.1:1";
    CHECK(get("http://127.0.0.1:1/x", &o, &r, &b) < 0);
    CHECK(!strstr(err.message, "s3cret"));
    char cut[400];
    (void)snprintf(cut, sizeof cut, "odd://ann:s3cret@%0300d@127.0.0.1:1", 7);
    o.proxy = cut;
    CHECK(get("http://127.0.0.1:1/x", &o, &r, &b) < 0);
    CHECK_HAS(err.message, "odd://***"); /* libcurl's words end in the middle */
    CHECK(!strstr(err.message, "s3cret") && !strstr(err.message, "000"));
    o.proxy = NULL;
    o.token = "two\r\nX-Evil: 1";
    ph_http *h;
    CHECK_CODE(ph_http_open(&o, &h, &err), PROPHET_EUSAGE, &err);
    CHECK(!strstr(err.message, "Evil"));
    ph_buf_clear(&b);
}

static prophet_code look(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *e)
{
    (void)stage, (void)done, (void)total;
    return ++*(int *)ctx > 2 ? ph_fail(e, PROPHET_EINTERRUPTED, "interrupted") : PROPHET_OK;
}

TEST(waiting_ends)
{
    ph_buf b = PH_BUF_INIT;
    ph_http_request r;
    prophet_net_options o = options();
    int looks = 0;
    start();
    o.retries = PROPHET_NO_RETRY;
    o.stall_ms = 300;
    CHECK_CODE(get(at("stalls/a"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_HAS(err.message, "nothing moved for 0.3 s");
    CHECK_CODE(get(at("thinks/10000"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_CODE(get(at("drips/body"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_HAS(err.message, "less than 64 bytes a second came");
    CHECK_CODE(get(at("drips/headers"), &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_HAS(err.message, "less than 64 bytes a second came");
    CHECK_CODE(get(at("drips/status"), &o, &r, &b), PROPHET_ENETWORK, &err);
    r = (ph_http_request){ .url = at("drips/status"),
                           .wait_ms = 600 }; /* no answer to a long poll either */
    CHECK_CODE(ask(&o, &r, &b), PROPHET_ENETWORK, &err);
    o.stall_ms = 1000;
    r = (ph_http_request){ .url = at("thinks/1500"), .wait_ms = 8000 }; /* a long poll may think */
    CHECK_CODE(ask(&o, &r, &b), PROPHET_OK, &err);
    CHECK_EQ_STR((char *)b.data, "thought");
    o = options();
    o.progress = look;
    o.ctx = &looks;
    CHECK_CODE(get(at("thinks/20000"), &o, &r, &b), PROPHET_EINTERRUPTED, &err);
    CHECK_EQ_STR(err.message, "interrupted");
    o = options();
    CHECK_CODE(get("http://127.0.0.1:1/", &o, &r, &b), PROPHET_ENETWORK, &err);
    CHECK_HAS(err.message, "GET http://127.0.0.1:1/");
    CHECK_CODE(get("telnet://127.0.0.1:1/", &o, &r, &b), PROPHET_EUSAGE, &err);
    CHECK_CODE(get("nonsense", &o, &r, &b), PROPHET_EUSAGE, &err);
    ph_buf_clear(&b);
}
