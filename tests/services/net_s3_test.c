/* The transport of s3 against a store that checks every signature by the definition (fake_s3.py); net_s3_ceph_test.c asks a real one. */
#include "support/net_conform.h"
#include "server.h"
#include <stdlib.h>

static prophet_error err;
static server store;
static unsigned port;

static prophet_net_options options(void)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.proxy = "";
    o.token = "PROPHET:prophetsecret";
    o.retries = PROPHET_NO_RETRY;
    return o;
}

static void start(void)
{
    const char *argv[] = { "python3", test_source("tests/services/fake_s3.py"), NULL };
    (void)setenv("AWS_REGION", "eu-test-1", 1);
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    (void)unsetenv("AWS_SESSION_TOKEN");
    (void)unsetenv("AWS_ENDPOINT_URL");
    if (store.pid)
        return;
    REQUIRE(server_start(&store, argv));
    REQUIRE(sscanf(store.line, "%u", &port) == 1);
}

static const char *url_of(const char *rest)
{
    static char url[256];
    (void)snprintf(url, sizeof url, "s3+http://127.0.0.1:%u/%s", port, rest);
    return url;
}

TEST(signed_requests_keep_the_contract)
{
    prophet_net_options o = options();
    start();
    net_conform(&(net_conform_place){ .url = url_of("bucket/some/depot"), .options = &o });
    net_conform(&(net_conform_place){ .url = url_of("whole-bucket"), .options = &o });
}

/* What an open place answers to a first reading. */
static prophet_code try_reading(const char *url, const prophet_net_options *o)
{
    ph_net *n = NULL;
    ph_buf b = PH_BUF_INIT;
    err = (prophet_error){ 0 };
    prophet_code rc = ph_net_open(url, o, &n, &err);
    if (rc >= 0)
        rc = ph_net_get_bytes(n, "nothing", 0, NULL, &b, &err);
    ph_net_close(n);
    ph_buf_clear(&b);
    return rc;
}

TEST(keys_and_server_come_from_the_environment)
{
    char endpoint[64];
    prophet_net_options o = options();
    start();
    o.token = NULL;
    (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u/", port);
    (void)setenv("AWS_ENDPOINT_URL", endpoint, 1);
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_EREMOTE, &err); /* unsigned */
    (void)setenv("AWS_ACCESS_KEY_ID", "PROPHET", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "prophetsecret", 1);
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_DONE, &err);
    (void)setenv("AWS_ACCESS_KEY_ID", "SESSION", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "other", 1);
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_EREMOTE, &err);
    (void)setenv("AWS_SESSION_TOKEN", "passing", 1);
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_DONE, &err);
    o.token = "PROPHET:prophetsecret"; /* before the environment */
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_DONE, &err);
    o.token = "PROPHET:wr0ng-secret";
    CHECK_CODE(try_reading("s3://bucket/depot", &o), PROPHET_EREMOTE, &err);
    CHECK(!strstr(err.message, "wr0ng"));
    CHECK_HAS(err.message, "the server answers 403: SignatureDoesNotMatch");
    start();
}

TEST(urls_without_a_bucket_and_tokens_without_a_secret_are_refused)
{
    static const char *const bad[] = { "s3:bucket",
                                       "s3+http://127.0.0.1:1",
                                       "s3+http://127.0.0.1:1/",
                                       "s3+http://KEY:secret@127.0.0.1:1/b",
                                       "s3+http://127.0.0.1:1/b?x=y",
                                       "s3+http://127.0.0.1:1/b/a%20b",
                                       "s3+http://127.0.0.1:1/b//c" };
    prophet_net_options o = options();
    start();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_context("%s", bad[i]);
        CHECK_CODE(try_reading(bad[i], &o), PROPHET_EUSAGE, &err);
        CHECK(!strstr(err.message, "secret"));
    }
    o.token = "justasecret";
    CHECK_CODE(try_reading(url_of("bucket/x"), &o), PROPHET_EUSAGE, &err);
    CHECK(!strstr(err.message, "justasecret"));
    o = options();
    (void)setenv("AWS_REGION", "eu\nX-Evil: 1", 1);
    CHECK_CODE(try_reading(url_of("bucket/x"), &o), PROPHET_EUSAGE, &err);
}
