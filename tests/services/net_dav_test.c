/* The transports of dav and of http over TLS against real servers: nginx and Apache, started by the test. */
#include "support/net_conform.h"
#include "server.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>

static prophet_error err;

typedef struct dav_server {
    server s;
    char place[512], authority[512], url[256];
    unsigned port, tls;
} dav_server;

static prophet_net_options options(void)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.proxy = "";
    o.token = "secret";
    o.retries = PROPHET_NO_RETRY;
    return o;
}

static void start(dav_server *d, const char *kind, const char *program)
{
    const char *argv[] = { "python3", test_source("tests/services/start.py"), kind, test_dir(),
                           NULL };
    if (!server_has(program))
        test_skip("the server is not installed");
    REQUIRE(server_start(&d->s, argv));
    REQUIRE(sscanf(d->s.line, "%511s %u %u %511s", d->place, &d->port, &d->tls, d->authority) >= 2);
    (void)snprintf(d->url, sizeof d->url, "dav://prophet@127.0.0.1:%u/dav/new/depot", d->port);
}

/* Gives a file of the server a time of long ago, and itself an etag that says something. */
static void make_old(const dav_server *d, const char *name)
{
    char path[1024];
    struct timeval old[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
    (void)snprintf(path, sizeof path, "%s/dav/new/depot/%s", d->place, name);
    CHECK_EQ_INT(utimes(path, old), 0);
}

/* Etags and conditions once etags are told. */
static void check_conditions(dav_server *d)
{
    prophet_net_options o = options();
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    char etag[PROPHET_ETAG_MAX];
    prophet_net_put put;

    REQUIRE_OK(ph_net_open(d->url, &o, &n, &err), &err);
    CHECK_OK(conform_put(n, "a/manifest", "one", true, NULL, &put, &err), &err);
    CHECK(put.looked);
    make_old(d, "a/manifest");
    conform_is(n, "a/manifest", "one", etag);
    CHECK(etag[0] == '"');
    prophet_net_get g = PROPHET_NET_GET_INIT;
    g.known = etag;
    CHECK_CODE(ph_net_get_bytes(n, "a/manifest", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK(g.unchanged);
    CHECK_CODE(conform_put(n, "a/manifest", "lost", true, NULL, NULL, &err), PROPHET_EEXISTS, &err);
    CHECK_CODE(conform_put(n, "a/manifest", "lost", false, "\"other\"", NULL, &err), PROPHET_ESTALE,
               &err);
    CHECK_OK(conform_put(n, "a/manifest", "other", false, etag, NULL, &err), &err);
    CHECK_CODE(conform_put(n, "a/manifest", "lost", false, etag, NULL, &err), PROPHET_ESTALE, &err);
    conform_is(n, "a/manifest", "other", NULL);
    ph_net_close(n);
    ph_buf_clear(&b);
}

static void check_refusals(dav_server *d)
{
    prophet_net_options o = options();
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    o.token = "wr0ng-secret";
    REQUIRE_OK(ph_net_open(d->url, &o, &n, &err), &err);
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, NULL, &b, &err), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "the server answers 401");
    CHECK(!strchr(err.message, '<')); /* words, not the page */
    CHECK(!strstr(err.message, "wr0ng") && !strstr(err.hint, "wr0ng"));
    CHECK_CODE(conform_put(n, "x", "y", false, NULL, NULL, &err), PROPHET_EREMOTE, &err);
    CHECK_CODE(ph_net_remove(n, "x", &err), PROPHET_EREMOTE, &err);
    CHECK_CODE(ph_net_list(n, "", conform_collect, &b, &err), PROPHET_EREMOTE, &err);
    ph_net_close(n);
    ph_buf_clear(&b);
}

static void check_dav(const char *kind, const char *program)
{
    dav_server d;
    prophet_net_options o = options();
    start(&d, kind, program);
    net_conform(
        &(net_conform_place){ .url = d.url, .options = &o, .weak = true, .late_etags = true });
    check_conditions(&d);
    check_refusals(&d);
    server_stop(&d.s);
}

TEST(nginx_keeps_the_contract)
{
    check_dav("nginx", "nginx");
}

TEST(apache_keeps_the_contract)
{
    check_dav("apache", "apache2");
}

static void write_file(const dav_server *d, const char *name, const char *text)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/www/%s", d->place, name);
    FILE *f = fopen(path, "w");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0);
    struct timeval old[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
    CHECK_EQ_INT(utimes(path, old), 0);
}

TEST(files_of_nginx_over_tls)
{
    dav_server d;
    prophet_net_options o = options();
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    char etag[PROPHET_ETAG_MAX], url[256];

    start(&d, "nginx", "nginx");
    write_file(&d, "root", "some bytes");
    (void)snprintf(url, sizeof url, "https://localhost:%u", d.tls);
    REQUIRE_OK(ph_net_open(url, &o, &n, &err), &err);
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, NULL, &b, &err), PROPHET_EREMOTE,
               &err); /* nobody knows its authority */
    ph_net_close(n);
    o.cacert = d.authority;
    REQUIRE_OK(ph_net_open(url, &o, &n, &err), &err);
    conform_is(n, "root", "some bytes", etag);
    prophet_net_get g = PROPHET_NET_GET_INIT;
    g.known = etag;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK(g.unchanged);
    g = (prophet_net_get)PROPHET_NET_GET_INIT;
    g.expect = etag;
    g.offset = 5;
    g.length = 3;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK_SLICE(ph_buf_slice(&b), "byt", 3);
    CHECK_CODE(ph_net_get_bytes(n, "nothing", 0, NULL, &b, &err), PROPHET_DONE, &err);
    write_file(&d, "root", "other bytes");
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_ESTALE, &err);
    ph_net_close(n);
    server_stop(&d.s);
    ph_buf_clear(&b);
}
