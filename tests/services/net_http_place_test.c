/* The transport of http against a server that does things wrong: hostile_http.py. What comes is right, or it is an error. */
#include "net/net.h"
#include "server.h"
#include <stdlib.h>

static prophet_error err;
static server hostile;
static unsigned port;

static void start(void)
{
    const char *argv[] = { "python3", test_source("tests/services/hostile_http.py"), NULL };
    if (hostile.pid)
        return;
    REQUIRE(server_start(&hostile, argv));
    REQUIRE(sscanf(hostile.line, "%u", &port) == 1);
}

static prophet_net_options options(uint32_t retries)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.proxy = "";
    o.stall_ms = 5000;
    o.retries = retries;
    return o;
}

/* hostile_http.py: body() */
static uint8_t byte_at(const char *name, size_t i)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13 + strlen(name));
}

static ph_net *open_place(const char *kind, const prophet_net_options *o)
{
    char url[256];
    ph_net *n = NULL;
    start();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", port, kind);
    err = (prophet_error){ 0 };
    REQUIRE_OK(ph_net_open(url, o, &n, &err), &err);
    return n;
}

/* Reads `name` of the server's way `kind`. */
static prophet_code read_it(const char *kind, const char *name, uint32_t retries,
                            prophet_net_get *g, ph_buf *b)
{
    prophet_net_options o = options(retries);
    ph_net *n = open_place(kind, &o);
    b->len = 0;
    prophet_code rc = ph_net_get_bytes(n, name, 0, g, b, &err);
    ph_net_close(n);
    return rc;
}

static prophet_net_get part(uint64_t offset, uint64_t length)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    g.offset = offset;
    g.length = length;
    return g;
}

/* b is what the server has of `name` from offset on. */
static void check_bytes(const ph_buf *b, const char *name, size_t offset, size_t len)
{
    size_t same = 0;
    while (same < b->len && b->data[same] == byte_at(name, offset + same))
        same++;
    CHECK_EQ_UINT(b->len, len);
    CHECK_EQ_UINT(same, b->len);
}

TEST(parts_are_read_with_ranges_or_without)
{
    static const char *const kinds[] = { "plain", "ignores_range" };
    static const struct {
        uint64_t offset, length;
        size_t len;
    } parts[] = { { 0, PROPHET_WHOLE, 200000 },
                  { 0, 10, 10 },
                  { 199999, 1, 1 },
                  { 100, 1000, 1000 },
                  { 199990, 100, 10 },
                  { 5, PROPHET_WHOLE, 199995 },
                  { 200000, 5, 0 },
                  { 300000, PROPHET_WHOLE, 0 },
                  { 0, 0, 0 } };
    ph_buf b = PH_BUF_INIT;
    for (size_t i = 0; i < 18; i++) {
        const char *kind = kinds[i / 9];
        prophet_net_get g = part(parts[i % 9].offset, parts[i % 9].length);
        test_context("%s part %zu", kind, i % 9);
        CHECK_CODE(read_it(kind, "name", 1, &g, &b), PROPHET_OK, &err);
        check_bytes(&b, "name", (size_t)parts[i % 9].offset, parts[i % 9].len);
        CHECK_EQ_UINT(g.total, 200000);
        if (g.offset < 200000)
            CHECK_EQ_STR(g.etag, "\"v1\"");
    }
    ph_buf_clear(&b);
}

TEST(what_breaks_goes_on_where_it_stopped)
{
    ph_buf b = PH_BUF_INIT;
    prophet_net_get g = part(0, PROPHET_WHOLE);
    CHECK_CODE(read_it("cut", "a", 1, &g, &b), PROPHET_OK, &err);
    check_bytes(&b, "a", 0, 200000);
    CHECK_EQ_STR(g.etag, "\"v1\"");
    g = part(1000, 150000);
    CHECK_CODE(read_it("cut", "part", 1, &g, &b), PROPHET_OK, &err);
    check_bytes(&b, "part", 1000, 150000);
    g = part(0, PROPHET_WHOLE);
    CHECK_CODE(read_it("cut_far", "far", 1, &g, &b), PROPHET_OK,
               &err); /* six times, but with much in between */
    check_bytes(&b, "far", 0, 800000);
    CHECK_CODE(read_it("cut_always", "a", 2, &g, &b), PROPHET_ENETWORK, &err);
    CHECK_EQ_UINT(b.len, 0);
    CHECK_CODE(read_it("flaky", "place", 2, &g, &b), PROPHET_OK, &err);
    check_bytes(&b, "place", 0, 200000);
    ph_buf_clear(&b);
}

TEST(what_changes_in_the_middle_is_stale)
{
    ph_buf b = PH_BUF_INIT;
    prophet_net_get g = part(0, PROPHET_WHOLE);
    CHECK_CODE(read_it("cut_changed", "a", 1, &g, &b), PROPHET_ESTALE, &err);
    CHECK_CODE(read_it("cut_lies", "a", 1, &g, &b), PROPHET_ESTALE, &err);
    CHECK_CODE(read_it("cut_plain", "a", 1, &g, &b), PROPHET_ENETWORK,
               &err); /* nothing would tell */
    CHECK_EQ_UINT(b.len, 0);
    g.expect = "\"v0\"";
    CHECK_CODE(read_it("plain", "a", 1, &g, &b), PROPHET_ESTALE, &err);
    CHECK_CODE(read_it("ignores_range", "a", 1, &g, &b), PROPHET_ESTALE, &err);
    g.expect = "\"v1\"";
    CHECK_CODE(read_it("plain", "a", 1, &g, &b), PROPHET_OK, &err);
    ph_buf_clear(&b);
}

TEST(what_is_known_is_not_sent_again)
{
    ph_buf b = PH_BUF_INIT;
    prophet_net_get g = part(0, PROPHET_WHOLE);
    g.known = "\"v1\"";
    CHECK_CODE(read_it("plain", "a", 1, &g, &b), PROPHET_OK, &err);
    CHECK(g.unchanged);
    CHECK_EQ_STR(g.etag, "\"v1\"");
    CHECK_EQ_UINT(b.len, 0);
    g = part(0, PROPHET_WHOLE);
    g.known = "\"v0\"";
    CHECK_CODE(read_it("plain", "a", 1, &g, &b), PROPHET_OK, &err);
    CHECK(!g.unchanged);
    CHECK_EQ_UINT(b.len, 200000);
    g.known = "evil\r\nX-Evil: 1";
    CHECK_CODE(read_it("plain", "a", 1, &g, &b), PROPHET_OK, &err);
    CHECK(!g.unchanged);
    ph_buf_clear(&b);
}

TEST(etags_that_prove_nothing_are_not_told)
{
    static const char *const ways[][2] = { { "young", "a" },
                                           { "weak", "a" },
                                           { "odd_etag", "long" },
                                           { "odd_etag", "space" },
                                           { "odd_etag", "bare" } };
    ph_buf b = PH_BUF_INIT;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        prophet_net_get g = part(0, PROPHET_WHOLE);
        test_context("%s", ways[i][0]);
        CHECK_CODE(read_it(ways[i][0], ways[i][1], 1, &g, &b), PROPHET_OK, &err);
        CHECK_EQ_STR(g.etag, "");
        CHECK(b.len > 0);
    }
    ph_buf_clear(&b);
}

TEST(answers_that_do_not_fit_are_errors)
{
    static const struct {
        const char *kind, *name;
        uint64_t offset, length;
        prophet_code code;
    } cases[] = {
        { "wrong_range", "a", 10, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "wrong_range", "a", 11, 100, PROPHET_EREMOTE }, /* more than was asked for */
        { "bare_range", "a", 10, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "odd_range", "a", 10, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "generous", "a", 10, 10, PROPHET_EREMOTE },
        { "generous", "a", 10, 100, PROPHET_EREMOTE }, /* less than there is */
        { "partial", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "encoded", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "unasked", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "empty", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "huge_header", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "status", "404", 0, PROPHET_WHOLE, PROPHET_DONE },
        { "status", "410", 0, PROPHET_WHOLE, PROPHET_DONE },
        { "status", "401", 0, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "status", "416", 5, PROPHET_WHOLE, PROPHET_EREMOTE },
        { "shy", "a", 5, PROPHET_WHOLE, PROPHET_EREMOTE }, /* refuses what is there */
        { "shy", "a", 200000, PROPHET_WHOLE, PROPHET_OK },
        { "status", "503", 0, PROPHET_WHOLE, PROPHET_ENETWORK },
        { "stalls", "a", 0, PROPHET_WHOLE, PROPHET_ENETWORK },
        { "endless", "a", 0, PROPHET_WHOLE, PROPHET_EREMOTE }, /* more than `most` */
    };
    ph_buf b = PH_BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        prophet_net_options o = options(PROPHET_NO_RETRY);
        o.stall_ms = 300;
        ph_net *n = open_place(cases[i].kind, &o);
        prophet_net_get g = part(cases[i].offset, cases[i].length);
        test_context("%s/%s", cases[i].kind, cases[i].name);
        CHECK_CODE(ph_net_get_bytes(n, cases[i].name, 1000000, &g, &b, &err), cases[i].code, &err);
        CHECK_EQ_UINT(b.len, 0);
        ph_net_close(n);
    }
    prophet_net_get g = part(0, PROPHET_WHOLE);
    CHECK_CODE(read_it("status", "403", 1, &g, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "/status 403: the server answers 403: because");
    CHECK_HAS(err.hint, "token");
    ph_buf_clear(&b);
}

TEST(a_web_server_is_only_read)
{
    prophet_net_options o = options(1);
    prophet_net_put p = PROPHET_NET_PUT_INIT;
    ph_net *n = open_place("plain", &o);
    CHECK(!ph_net_can_write(n));
    CHECK_CODE(ph_net_put_bytes(n, "a", ph_slice("x", 1), &p, &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_net_remove(n, "a", &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_net_list(n, "", NULL, NULL, &err), PROPHET_DONE, &err);
    ph_net_close(n);
}

typedef struct names {
    char text[256];
    size_t count;
} names;

static prophet_code collect(void *ctx, const char *name, uint64_t size, prophet_error *e)
{
    names *n = ctx;
    (void)size, (void)e;
    n->count++;
    (void)snprintf(n->text + strlen(n->text), sizeof n->text - strlen(n->text), "%s ", name);
    return PROPHET_OK;
}

static prophet_code list_it(const char *form, const char *kind, names *out)
{
    char url[256];
    prophet_net_options o = options(PROPHET_NO_RETRY);
    ph_net *n = NULL;
    start();
    *out = (names){ .count = 0 };
    err = (prophet_error){ 0 };
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u/%s", form, port, kind);
    REQUIRE_OK(ph_net_open(url, &o, &n, &err), &err);
    prophet_code rc = ph_net_list(n, "", collect, out, &err);
    ph_net_close(n);
    return rc;
}

TEST(lists_name_what_is_there_or_fail)
{
    static const struct {
        const char *kind;
        prophet_code code;
        const char *words;
    } cases[] = { { "bomb", PROPHET_EREMOTE, "document type" },
                  { "half", PROPHET_EREMOTE, "no XML" },
                  { "wide", PROPHET_EREMOTE, "10000 folders" },
                  { "long", PROPHET_EREMOTE, "too long a text" },
                  { "nested", PROPHET_EREMOTE, "too deep" } };
    names n;
    CHECK_CODE(list_it("dav", "evil", &n), PROPHET_OK, &err);
    CHECK_EQ_STR(n.text, "fine.x fine "); /* nothing from elsewhere, and no folder twice */
    CHECK_CODE(list_it("dav", "deep", &n), PROPHET_OK, &err); /* as deep as names can be */
    CHECK_EQ_UINT(n.count, 0);
    CHECK_CODE(list_it("dav", "plain", &n), PROPHET_DONE, &err); /* no PROPFIND */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_context("%s", cases[i].kind);
        CHECK_CODE(list_it("dav", cases[i].kind, &n), cases[i].code, &err);
        CHECK_HAS(err.message, cases[i].words);
    }
    CHECK_CODE(list_it("s3+http", "circle/x", &n), PROPHET_EREMOTE, &err);
    CHECK_EQ_STR(n.text, "fine fine ");
}

static prophet_code read_url(const char *url, const prophet_net_options *o, ph_buf *b)
{
    ph_net *n = NULL;
    err = (prophet_error){ 0 };
    b->len = 0;
    REQUIRE_OK(ph_net_open(url, o, &n, &err), &err);
    prophet_code rc = ph_net_get_bytes(n, "a", 0, NULL, b, &err);
    ph_net_close(n);
    return rc;
}

TEST(proxies_are_used_and_their_passwords_not_told)
{
    char proxy[128];
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options(1);
    start();
    (void)snprintf(proxy, sizeof proxy, "http://user:pr0xy-secret@127.0.0.1:%u", port);
    o.proxy = proxy;
    CHECK_CODE(read_url("http://far.invalid/plain", &o, &b), PROPHET_OK, &err);
    CHECK_EQ_UINT(b.len, 200000);
    (void)snprintf(proxy, sizeof proxy, "http://user:pr0xy-secret@127.0.0.1:1");
    CHECK_CODE(read_url("http://far.invalid/plain", &o, &b), PROPHET_ENETWORK, &err);
    CHECK(!strstr(err.message, "pr0xy") && !strstr(err.hint, "pr0xy"));
    o.proxy = NULL; /* what the environment says */
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", port);
    REQUIRE(setenv("http_proxy", proxy, 1) == 0);
    CHECK_CODE(read_url("http://far.invalid/plain", &o, &b), PROPHET_OK, &err);
    o.proxy = "";
    CHECK_CODE(read_url("http://far.invalid/plain", &o, &b), PROPHET_ENETWORK, &err);
    REQUIRE(unsetenv("http_proxy") == 0);
    ph_buf_clear(&b);
}

TEST(urls_are_taken_apart_strictly)
{
    static const char *const bad[] = {
        "http://",         "http:/x",         "http://u:p@127.0.0.1/x", "http://127.0.0.1/x?y",
        "http://h/x#frag", "https:///nohost", "http://127.0.0.1:99999/"
    };
    prophet_net_options o = options(1);
    ph_net *n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_context("%s", bad[i]);
        CHECK_CODE(ph_net_open(bad[i], &o, &n, &err), PROPHET_EUSAGE, &err);
        CHECK(!strstr(err.message, "u:p"));
    }
}

TEST(a_user_in_the_url_makes_the_token_a_password)
{
    char url[128];
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options(1);
    o.token = "s3cret";
    start();
    static const char *const users[] = { "", "bob%20b@" };
    for (size_t i = 0; i < 2; i++) {
        ph_net *n;
        (void)snprintf(url, sizeof url, "http://%s127.0.0.1:%u/plain/", users[i], port);
        REQUIRE_OK(ph_net_open(url, &o, &n, &err), &err);
        CHECK_OK(ph_net_get_bytes(n, i ? "basic" : "bearer", 0, NULL, &b, &err), &err);
        CHECK(!strstr(ph_net_shown(n), "bob"));
        ph_net_close(n);
    }
    b.len = 0;
    o.token = NULL;
    ph_net *n = open_place("log", &o);
    CHECK_OK(ph_net_get_bytes(n, "plain", 0, NULL, &b, &err), &err);
    ph_buf_byte(&b, 0);
    CHECK_HAS((char *)b.data, "GET /plain/bearer auth=Bearer s3cret");
    CHECK_HAS((char *)b.data, "GET /plain/basic auth=Basic Ym9iIGI6czNjcmV0"); /* bob b:s3cret */
    ph_net_close(n);
    ph_buf_clear(&b);
}
