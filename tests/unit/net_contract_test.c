/* What place.c and schemes.c hold for transports of hosts, however wrong those are. */
#include "net/net.h"
#include "support/test.h"

static prophet_error err;

typedef struct wrong { /* a transport that does one thing wrong */
    const char *etag;
    uint64_t total;
    size_t bytes;
    bool unchanged;
    prophet_code code;
    const char *name;
    int dropped, closed;
} wrong;

static prophet_code wrong_open(void *ctx, const char *url, const prophet_net_options *o,
                               void **place, prophet_error *e)
{
    (void)e;
    CHECK_EQ_STR(url, "odd://x");
    CHECK(o->stall_ms > 0 && o->connect_ms > 0);
    *place = ctx;
    return PROPHET_OK;
}

static prophet_code wrong_get(void *place, const char *name, prophet_net_get *g, prophet_error *e)
{
    const wrong *w = place;
    (void)name;
    (void)snprintf(g->etag, sizeof g->etag, "%s", w->etag ? w->etag : "");
    g->total = w->total;
    g->unchanged = w->unchanged;
    for (size_t i = 0; i < w->bytes; i++) {
        prophet_code rc = g->sink(g->ctx, ph_slice("x", 1), e);
        if (rc < 0)
            return rc;
    }
    return w->code;
}

static prophet_code wrong_list(void *place, const char *folder, prophet_net_name_fn each, void *ctx,
                               prophet_error *e)
{
    const wrong *w = place;
    (void)folder;
    return each(ctx, w->name, 1, e);
}

static void wrong_close(void *place)
{
    ((wrong *)place)->closed++;
}

static void wrong_drop(void *ctx)
{
    ((wrong *)ctx)->dropped++;
}

static prophet_transport odd(wrong *w)
{
    prophet_transport t = { sizeof t, "odd",      w,    wrong_open,  wrong_get,
                            NULL,     wrong_list, NULL, wrong_close, wrong_drop };
    return t;
}

static void take_away(void)
{
    prophet_transport none = { sizeof none, "odd", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
    CHECK_OK(ph_net_add(&none, &err), &err);
}

TEST(a_transport_that_lies_is_found_out)
{
    static const struct {
        const char *what;
        wrong w;
        prophet_code code;
    } cases[] = {
        { "right", { .total = 5, .bytes = 5, .etag = "v1" }, PROPHET_OK },
        { "right, without a total", { .total = PROPHET_WHOLE, .bytes = 3 }, PROPHET_OK },
        { "too few", { .total = 5, .bytes = 4 }, PROPHET_EREMOTE },
        { "more than it said", { .total = 5, .bytes = 6 }, PROPHET_EREMOTE },
        { "more than may come", { .total = PROPHET_WHOLE, .bytes = 11 }, PROPHET_EREMOTE },
        { "unchanged, though nobody asked", { .unchanged = true }, PROPHET_EREMOTE },
        { "an etag with a line end", { .total = 0, .etag = "a\r\nb" }, PROPHET_EREMOTE },
        { "an etag with a space", { .total = 0, .etag = "a b" }, PROPHET_EREMOTE },
        { "a code of its own", { .total = 0, .code = (prophet_code)7 }, PROPHET_EREMOTE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wrong w = cases[i].w;
        prophet_transport t = odd(&w);
        ph_net *n = NULL;
        ph_buf b = PH_BUF_INIT;
        test_context("%s", cases[i].what);
        REQUIRE_OK(ph_net_add(&t, &err), &err);
        REQUIRE_OK(ph_net_open("odd://x", NULL, &n, &err), &err);
        CHECK_CODE(ph_net_get_bytes(n, "a", 10, NULL, &b, &err), cases[i].code, &err);
        if (cases[i].code < 0) {
            CHECK_HAS(err.message, "get odd://x a");
            CHECK_EQ_UINT(b.len, 0);
        }
        ph_net_close(n);
        take_away();
        CHECK_EQ_INT(w.closed, 1);
        CHECK_EQ_INT(w.dropped, 1);
        ph_buf_clear(&b);
    }
}

TEST(more_than_the_range_is_refused)
{
    wrong w = { .total = 100, .bytes = 6 };
    prophet_transport t = odd(&w);
    prophet_net_get g = PROPHET_NET_GET_INIT;
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    REQUIRE_OK(ph_net_add(&t, &err), &err);
    REQUIRE_OK(ph_net_open("odd://x", NULL, &n, &err), &err);
    g.length = 5;
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, &g, &b, &err), PROPHET_EREMOTE, &err);
    w.bytes = 5;
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, &g, &b, &err), PROPHET_OK, &err);
    g.expect = "another";
    w.etag = "this";
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, &g, &b, &err), PROPHET_ESTALE, &err);
    g.offset = PROPHET_WHOLE - 2;
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, &g, &b, &err), PROPHET_EUSAGE, &err);
    ph_net_close(n);
    take_away();
    ph_buf_clear(&b);
}

static prophet_code count(void *ctx, const char *name, uint64_t size, prophet_error *e)
{
    (void)name, (void)size, (void)e;
    ++*(int *)ctx;
    return PROPHET_OK;
}

TEST(names_of_a_peer_that_are_paths_are_left_out)
{
    static const char *const bad[] = {
        "../etc/passwd", "/etc/passwd", "a/../../b", ".x", "a\n", ""
    };
    wrong w = { 0 };
    prophet_transport t = odd(&w);
    ph_net *n = NULL;
    int found = 0;
    REQUIRE_OK(ph_net_add(&t, &err), &err);
    REQUIRE_OK(ph_net_open("odd://x", NULL, &n, &err), &err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        w.name = bad[i];
        CHECK_OK(ph_net_list(n, "", count, &found, &err), &err);
    }
    CHECK_EQ_INT(found, 0);
    w.name = "a/b";
    CHECK_OK(ph_net_list(n, "", count, &found, &err), &err);
    CHECK_OK(ph_net_list(n, "a/c", count, &found, &err), &err);
    CHECK_EQ_INT(found, 1);
    CHECK(!ph_net_can_write(n));
    CHECK_CODE(ph_net_put_bytes(n, "a", ph_slice_str("x"), NULL, &err), PROPHET_EREADONLY, &err);
    CHECK_CODE(ph_net_remove(n, "a", &err), PROPHET_EREADONLY, &err);
    ph_net_close(n);
    take_away();
}

TEST(a_transport_taken_away_fails_what_is_open)
{
    wrong w = { .total = 0 };
    prophet_transport t = odd(&w), other = odd(&w);
    ph_net *n = NULL, *again = NULL;
    ph_buf b = PH_BUF_INIT;
    REQUIRE_OK(ph_net_add(&t, &err), &err);
    CHECK_CODE(ph_net_add(&other, &err), PROPHET_EEXISTS, &err);
    other.scheme = "file";
    CHECK_CODE(ph_net_add(&other, &err), PROPHET_EEXISTS, &err);
    other.scheme = "No Scheme";
    CHECK_CODE(ph_net_add(&other, &err), PROPHET_EUSAGE, &err);
    REQUIRE_OK(ph_net_open("odd://x", NULL, &n, &err), &err);
    take_away();
    CHECK_EQ_INT(w.dropped, 0); /* n holds it */
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_net_open("odd://x", NULL, &again, &err), PROPHET_ENOTFOUND, &err);
    ph_net_close(n);
    CHECK_EQ_INT(w.closed, 0); /* its owner is gone: nothing of it is called */
    CHECK_EQ_INT(w.dropped, 1);
    ph_buf_clear(&b);
}

TEST(secrets_in_urls_are_not_shown)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {
        { "https://ann:secret@example.org/bugs?token=secret#x", "https://example.org/bugs" },
        { "https://example.org?secret", "https://example.org" },
        { "s3://key:secret@bucket/a@b", "s3://bucket/a@b" },
        { "ssh://ann@example.org:22/x", "ssh://example.org:22/x" },
        { "rsync://a@b@c/x", "rsync://c/x" },
        { "/a/path?with#odd@things", "/a/path?with#odd@things" },
        { "http://x/\033[2J", "http://x/?[2J" },
    };
    char shown[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ph_net_show(cases[i].url, shown, sizeof shown);
        CHECK_EQ_STR(shown, cases[i].shown);
    }
    ph_net_show("https://example.org/bugs", shown, 10);
    CHECK_EQ_STR(shown, "https://e");
}
