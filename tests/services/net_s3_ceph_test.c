/* The transport of s3 against Ceph's gateway, which many run who outgrow one machine: a monitor, a manager, one disk in memory, started by the test. */
#include "support/net_conform.h"
#include "server.h"
#include <pthread.h>
#include <stdlib.h>

static prophet_error err;
static server ceph;
static unsigned port;

static prophet_net_options options(void)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.proxy = "";
    o.token = "PROPHET:prophetsecret";
    return o;
}

static void start(void)
{
    static char place[4096]; /* outlives the first test: the server does, too */
    const char *argv[] = { "sh", test_source("tests/services/ceph.sh"), place, NULL };
    if (!server_has("radosgw"))
        test_skip("Ceph is not installed (tests/run --services does)");
    if (ceph.pid)
        return;
    (void)snprintf(place, sizeof place, "%s/prophet-ceph-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    REQUIRE(mkdtemp(place) != NULL);
    REQUIRE(server_start(&ceph, argv));
    REQUIRE(sscanf(ceph.line, "%u", &port) == 1);
}

static const char *url_of(const char *rest)
{
    static char url[256];
    (void)snprintf(url, sizeof url, "s3+http://127.0.0.1:%u/%s", port, rest);
    return url;
}

TEST(ceph_keeps_the_contract)
{
    prophet_net_options o = options();
    start();
    net_conform(&(net_conform_place){ .url = url_of("bucket/some/depot"), .options = &o });
}

TEST(long_lists_come_in_pages)
{
    prophet_net_options o = options();
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    char name[32];
    start();
    REQUIRE_OK(ph_net_open(url_of("bucket/pages"), &o, &n, &err), &err);
    for (int i = 0; i < 1010; i++) {
        (void)snprintf(name, sizeof name, "p/%04d", i);
        if (!CHECK_OK(conform_put(n, name, "x", false, NULL, NULL, &err), &err))
            break;
    }
    CHECK_OK(ph_net_list(n, "", conform_collect, &b, &err), &err);
    CHECK_EQ_UINT(b.len, 1010 * 7);
    ph_net_close(n);
    ph_buf_clear(&b);
}

typedef struct racer {
    pthread_t thread;
    prophet_code code;
    const char *url, *etag;
} racer;

static void *race(void *ctx)
{
    racer *r = ctx;
    prophet_error e = { 0 };
    prophet_net_options o = options();
    prophet_net_put p = PROPHET_NET_PUT_INIT;
    ph_net *n = NULL;
    p.only_if_absent = !r->etag;
    p.only_if_etag = r->etag;
    r->code = ph_net_open(r->url, &o, &n, &e);
    if (r->code >= 0)
        r->code =
            ph_net_put_bytes(n, "manifest", ph_slice_str(r->etag ? "second" : "first"), &p, &e);
    ph_net_close(n);
    return NULL;
}

/* Of eight who write at once under a condition one wins, the others hear of it. */
static void check_race(const char *etag, prophet_code lost)
{
    const char *url = url_of("bucket/race");
    racer racers[8];
    int won = 0;
    for (int i = 0; i < 8; i++) {
        racers[i].url = url;
        racers[i].etag = etag;
        REQUIRE(pthread_create(&racers[i].thread, NULL, race, &racers[i]) == 0);
    }
    for (int i = 0; i < 8; i++) {
        (void)pthread_join(racers[i].thread, NULL);
        won += racers[i].code == PROPHET_OK;
        CHECK(racers[i].code == PROPHET_OK || racers[i].code == lost ||
              racers[i].code == PROPHET_ESTALE);
    }
    CHECK_EQ_INT(won, 1);
}

TEST(of_many_writers_at_once_one_wins)
{
    prophet_net_options o = options();
    char etag[PROPHET_ETAG_MAX];
    ph_net *n = NULL;
    start();
    check_race(NULL, PROPHET_EEXISTS);
    REQUIRE_OK(ph_net_open(url_of("bucket/race"), &o, &n, &err), &err);
    conform_is(n, "manifest", "first", etag);
    check_race(etag, PROPHET_ESTALE);
    conform_is(n, "manifest", "second", NULL);
    ph_net_close(n);
}

TEST(a_wrong_key_is_refused_and_not_told)
{
    prophet_net_options o = options();
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    start();
    o.token = "PROPHET:wr0ng-secret";
    REQUIRE_OK(ph_net_open(url_of("bucket/x"), &o, &n, &err), &err);
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "403");
    CHECK(!strstr(err.message, "wr0ng"));
    CHECK_CODE(conform_put(n, "a", "x", false, NULL, NULL, &err), PROPHET_EREMOTE, &err);
    ph_net_close(n);
    o = options();
    REQUIRE_OK(ph_net_open(url_of("no-such-bucket/x"), &o, &n, &err), &err);
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_DONE, &err);
    CHECK_CODE(conform_put(n, "a", "x", false, NULL, NULL, &err), PROPHET_EREMOTE, &err);
    ph_net_close(n);
    ph_buf_clear(&b);
}
