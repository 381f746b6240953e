/* Every allocation of ours fails once while places are read, written and listed over the network: the answer is "out of memory", and the next try succeeds. */
#include "net/net.h"
#include "base/base.h"
#include "server.h"
#include <stdlib.h>

#ifdef PH_DEV

static prophet_code swallow(void *ctx, prophet_slice chunk, prophet_error *e)
{
    (void)ctx, (void)chunk, (void)e;
    return PROPHET_OK;
}

static prophet_code each(void *ctx, const char *name, uint64_t size, prophet_error *e)
{
    (void)ctx, (void)name, (void)size, (void)e;
    return PROPHET_OK;
}

static prophet_code work(const char *url, bool write, const char *name, prophet_error *e)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    prophet_net_get g = PROPHET_NET_GET_INIT;
    ph_net *n = NULL;
    prophet_code rc;
    o.proxy = "";
    o.retries = PROPHET_NO_RETRY;
    o.token = strncmp(url, "s3", 2) == 0 ? "PROPHET:prophetsecret" : "secret";
    g.sink = swallow;
    g.offset = 1;
    if ((rc = ph_net_open(url, &o, &n, e)) < 0)
        return rc;
    if (write)
        rc = ph_net_put_bytes(n, name, ph_slice_str("some bytes"), NULL, e);
    if (rc >= 0)
        rc = ph_net_get(n, name, &g, e);
    if (rc >= 0 && write && (rc = ph_net_list(n, "", each, NULL, e)) >= 0)
        rc = ph_net_remove(n, name, e);
    ph_net_close(n);
    return rc;
}

static void check(const char *url, bool write, const char *name)
{
    prophet_code rc;
    uint64_t nth = 0;
    prophet_error err = { 0 };
    REQUIRE_OK(work(url, write, name, &err), &err); /* what is loaded once is loaded */
    do {
        err = (prophet_error){ 0 };
        ph_alloc_fail_at(++nth);
        rc = work(url, write, name, &err);
        ph_alloc_fail_at(0);
        test_context("allocation %llu of %s", (unsigned long long)nth, url);
        CHECK_MSG(rc >= 0 || rc == PROPHET_EMEMORY, "%d: %s", (int)rc, err.message);
    } while (rc < 0 && nth < 500);
    CHECK(nth > 2 && nth < 500);
    test_context(NULL);
}

static unsigned start(server *s, const char *const *argv, const char *form)
{
    unsigned port = 0;
    REQUIRE(server_start(s, argv));
    REQUIRE(sscanf(s->line, form, &port) == 1);
    return port;
}

TEST(reading_over_http)
{
    server s;
    char url[128];
    const char *argv[] = { "python3", test_source("tests/services/hostile_http.py"), NULL };
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/plain", start(&s, argv, "%u"));
    check(url, false, "a");
    server_stop(&s);
}

TEST(an_object_store)
{
    server s;
    char url[128];
    const char *argv[] = { "python3", test_source("tests/services/fake_s3.py"), NULL };
    REQUIRE(setenv("AWS_REGION", "eu-test-1", 1) == 0);
    (void)snprintf(url, sizeof url, "s3+http://127.0.0.1:%u/bucket/x", start(&s, argv, "%u"));
    check(url, true, "a/b");
    server_stop(&s);
}

TEST(webdav)
{
    server s;
    char url[128];
    const char *argv[] = { "python3", test_source("tests/services/start.py"), "nginx", test_dir(),
                           NULL };
    if (!server_has("nginx"))
        test_skip("nginx is not installed");
    (void)snprintf(url, sizeof url, "dav://prophet@127.0.0.1:%u/dav/x", start(&s, argv, "%*s %u"));
    check(url, true, "a/b");
    server_stop(&s);
}

TEST(rsync)
{
    server s;
    char url[128];
    const char *argv[] = { "python3", test_source("tests/services/start.py"), "rsyncd", test_dir(),
                           NULL };
    if (!server_has("rsync"))
        test_skip("rsync is not installed");
    REQUIRE(setenv("TMPDIR", test_dir(), 1) == 0);
    (void)snprintf(url, sizeof url, "rsync://prophet@127.0.0.1:%u/place/x",
                   start(&s, argv, "%*s %u"));
    check(url, true, "a/b");
    server_stop(&s);
}

#else

TEST(needs_a_development_build)
{
    test_skip("only development builds can make an allocation fail");
}

#endif
