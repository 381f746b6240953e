/* Three people who share no place: each publishes where only the next one reads. rsync's daemon, an object store, and a directory that nginx gives out; then
 * rsync through sshd, Apache's WebDAV, and nginx over TLS. */
#include "unit/api_place.h"
#include "server.h"
#include <unistd.h>

typedef struct ring {
    server rsyncd, store, nginx;
    char places[3][1300];       /* where each publishes .. */
    char sources[3][1300];      /* .. and where the next one reads that */
    prophet_net_options way[3]; /* to both */
    prophet_db *people[3];
    char authority[512];
} ring;

static const char *const names[] = { "ann", "bob", "cyd" };

static void start_servers(ring *r)
{
    const char *rsyncd[] = { "python3", test_source("tests/services/start.py"), "rsyncd",
                             test_dir(), NULL };
    const char *nginx[] = { "python3", test_source("tests/services/start.py"), "nginx", test_dir(),
                            NULL };
    const char *store[] = { "python3", test_source("tests/services/fake_s3.py"), NULL };
    char place[512];
    unsigned port;

    if (!server_has("rsync") || !server_has("nginx"))
        test_skip("rsync or nginx is not installed");
    REQUIRE(setenv("TMPDIR", test_dir(), 1) == 0 && setenv("RSYNC_PASSWORD", "secret", 1) == 0);
    REQUIRE(setenv("AWS_REGION", "eu-test-1", 1) == 0 &&
            setenv("AWS_ACCESS_KEY_ID", "PROPHET", 1) == 0 &&
            setenv("AWS_SECRET_ACCESS_KEY", "prophetsecret", 1) == 0 &&
            setenv("no_proxy", "127.0.0.1", 1) == 0);
    REQUIRE(server_start(&r->rsyncd, rsyncd) && sscanf(r->rsyncd.line, "%*s %u", &port) == 1);
    (void)snprintf(r->places[0], sizeof r->places[0],
                   "rsync://prophet@127.0.0.1:%u/place/ann.depot", port);
    (void)snprintf(r->sources[0], sizeof r->sources[0], "%s", r->places[0]);
    REQUIRE(server_start(&r->store, store) && sscanf(r->store.line, "%u", &port) == 1);
    (void)snprintf(r->places[1], sizeof r->places[1], "s3+http://127.0.0.1:%u/bucket/bob", port);
    (void)snprintf(r->sources[1], sizeof r->sources[1], "%s", r->places[1]);
    REQUIRE(server_start(&r->nginx, nginx) && sscanf(r->nginx.line, "%511s %u", place, &port) == 2);
    (void)snprintf(r->places[2], sizeof r->places[2], "%s/www/cyd.depot", place);
    (void)snprintf(r->sources[2], sizeof r->sources[2], "http://127.0.0.1:%u/cyd.depot", port);
}

/* Ways of the other kind: sshd, Apache, and nginx over TLS. */
static void start_others(ring *r)
{
    static const char *const kinds[] = { "sshd", "apache", "nginx" };
    server *servers[] = { &r->rsyncd, &r->store, &r->nginx };
    char place[3][512], program[512];
    unsigned port[3], tls;
    if (!server_has("rsync") || !server_has("sshd") || !server_has("apache2") ||
        !server_has("nginx"))
        test_skip("rsync, sshd, apache or nginx is not installed");
    REQUIRE(setenv("TMPDIR", test_dir(), 1) == 0 &&
            setenv("no_proxy", "127.0.0.1,localhost", 1) == 0);
    for (int i = 0; i < 3; i++) {
        const char *argv[] = { "python3", test_source("tests/services/start.py"), kinds[i],
                               test_dir(), NULL };
        REQUIRE(server_start(servers[i], argv));
        REQUIRE(sscanf(servers[i]->line, "%511s %u", place[i], &port[i]) == 2);
        r->way[i] = (prophet_net_options)PROPHET_NET_OPTIONS_INIT;
    }
    REQUIRE(sscanf(r->rsyncd.line, "%*s %*u %511s", program) == 1 &&
            setenv("PROPHET_SSH", program, 1) == 0);
    REQUIRE(sscanf(r->nginx.line, "%*s %*u %u %511s", &tls, r->authority) == 2);
    (void)snprintf(r->places[0], sizeof r->places[0], "rsync+ssh://127.0.0.1:%u%s/ann.depot",
                   port[0], place[0]);
    (void)snprintf(r->places[1], sizeof r->places[1], "dav://prophet@127.0.0.1:%u/dav/bob.depot",
                   port[1]);
    (void)snprintf(r->places[2], sizeof r->places[2], "%s/www/cyd.depot", place[2]);
    memcpy(r->sources, r->places, sizeof r->sources);
    (void)snprintf(r->sources[2], sizeof r->sources[2], "https://localhost:%u/cyd.depot", tls);
    r->way[1].token = "secret";
    r->way[2].cacert = r->authority;
}

static void publish(ring *r, int who)
{
    prophet_exchange x = PROPHET_EXCHANGE_INIT;
    x.net = r->way[who].size ? &r->way[who] : NULL;
    test_context("%s publishes to %s", names[who], r->places[who]);
    REQUIRE_OK(prophet_publish(r->people[who], r->places[who], &x, NULL, &err), &err);
    test_context(NULL);
}

/* The changesets that came. */
static int64_t pull(ring *r, int who)
{
    prophet_doc *report = NULL;
    prophet_exchange x = PROPHET_EXCHANGE_INIT;
    const char *source = r->sources[(who + 2) % 3];
    x.net = r->way[(who + 2) % 3].size ? &r->way[(who + 2) % 3] : NULL;
    test_context("%s pulls from %s", names[who], source);
    REQUIRE_OK(prophet_pull(r->people[who], source, &x, &report, &err), &err);
    test_context(NULL);
    int64_t came = int_of(report, "changesets");
    prophet_doc_free(report);
    return came;
}

static void clone_next(ring *r, int who)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    o.user = names[who];
    o.net = r->way[who - 1].size ? &r->way[who - 1] : NULL;
    o.durability = PROPHET_RELAXED;
    test_context("%s clones", names[who]);
    REQUIRE_OK(
        prophet_clone(r->sources[who - 1], test_path(names[who]), &o, &r->people[who], NULL, &err),
        &err);
    test_context(NULL);
}

static void digest(prophet_db *db, char out[65])
{
    prophet_doc *doc;
    prophet_value v;
    REQUIRE_OK(prophet_info(db, &doc, &err), &err);
    REQUIRE(prophet_doc_get(doc, "digest", &v) && v.as.bytes.len == 64);
    (void)snprintf(out, 65, "%.64s", (const char *)v.as.bytes.data);
    prophet_doc_free(doc);
}

static void check_equal(ring *r)
{
    char first[65], other[65];
    digest(r->people[0], first);
    for (int i = 1; i < 3; i++) {
        digest(r->people[i], other);
        CHECK_EQ_STR(other, first);
    }
}

static void go_round(void (*start)(ring *r))
{
    static const char *const statuses[] = { "new", "open", "closed" };
    ring r = { .people = { fresh("ann") } };
    prophet_uuid id = make(r.people[0], "Crash", "new", 3);
    char text[16];

    start(&r);
    publish(&r, 0);
    clone_next(&r, 1);
    publish(&r, 1);
    clone_next(&r, 2);
    publish(&r, 2);
    CHECK_EQ_INT(pull(&r, 0), 0); /* its own went round */
    for (int round = 0; round < 2; round++) {
        for (
            int i = 0; i < 3;
            i++) { /* each writes before anybody reads: conflicts on one record, and one of their own */
            (void)snprintf(text, sizeof text, "round %d", round);
            (void)make(r.people[i], text, "new", 1 + i);
            CHECK_OK(set(r.people[i], &id, 0, "status", T(statuses[(i + round) % 3])), &err);
        }
        for (int step = 0; step < 6; step++) {
            publish(&r, step % 3);
            (void)pull(&r, (step + 1) % 3);
        }
        check_equal(&r);
    }
    for (int i = 0; i < 3; i++) { /* and then it is quiet */
        publish(&r, i);
        CHECK_EQ_INT(pull(&r, (i + 1) % 3), 0);
    }
    for (int i = 0; i < 3; i++)
        prophet_close(r.people[i]);
    server_stop(&r.rsyncd);
    server_stop(&r.store);
    server_stop(&r.nginx);
}

TEST(a_ring_over_three_transports_comes_together)
{
    go_round(start_servers);
}

TEST(a_ring_over_ssh_webdav_and_tls_comes_together)
{
    go_round(start_others);
}

TEST(a_clone_over_tls_takes_the_authority_it_is_given)
{
    ring r = { .people = { fresh("ann") } };
    prophet_db *copy = NULL;
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    prophet_exchange x = PROPHET_EXCHANGE_INIT;
    char url[64], authority[512], ours[65], theirs[65];
    unsigned tls;

    (void)make(r.people[0], "Crash", "new", 3);
    start_servers(&r);
    REQUIRE(sscanf(r.nginx.line, "%*s %*u %u %511s", &tls, authority) == 2);
    (void)snprintf(url, sizeof url, "https://localhost:%u/cyd.depot", tls);
    REQUIRE_OK(prophet_publish(r.people[0], r.places[2], NULL, NULL, &err), &err);
    o.durability = PROPHET_RELAXED;
    CHECK_CODE(prophet_clone(url, test_path("copy"), &o, &copy, NULL, &err), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.hint, "cacert");
    way.cacert = authority;
    way.proxy = "";
    o.net = &way;
    REQUIRE_OK(prophet_clone(url, test_path("copy"), &o, &copy, NULL, &err), &err);
    digest(r.people[0], ours);
    digest(copy, theirs);
    CHECK_EQ_STR(theirs, ours);
    CHECK_CODE(prophet_pull(copy, url, NULL, NULL, &err), PROPHET_EREMOTE, &err);
    x.net = &way;
    CHECK_OK(prophet_pull(copy, url, &x, NULL, &err), &err);
    prophet_close(copy);
    prophet_close(r.people[0]);
    server_stop(&r.rsyncd);
    server_stop(&r.store);
    server_stop(&r.nginx);
}

TEST(what_a_host_damages_is_refused)
{
    ring r = { .people = { fresh("ann") } };
    prophet_db *copy = NULL;
    prophet_options o = PROPHET_OPTIONS_INIT;
    char command[2000];

    (void)make(r.people[0], "Crash", "new", 3);
    start_servers(&r);
    REQUIRE_OK(prophet_publish(r.people[0], r.places[2], NULL, NULL, &err), &err);
    (void)snprintf(command, sizeof command,
                   "find %s -type f -size +200c -exec sh -c 'printf X | dd of=\"$1\" bs=1 seek=150 "
                   "conv=notrunc 2>/dev/null' _ {} \\;",
                   r.places[2]);
    const char *damage[] = { "sh", "-c", command, NULL };
    server done;
    (void)server_start(&done, damage); /* prints nothing: it has ended when this returns */
    o.durability = PROPHET_RELAXED;
    prophet_code rc = prophet_clone(r.sources[2], test_path("copy"), &o, &copy, NULL, &err);
    CHECK(rc == PROPHET_ECORRUPT || rc == PROPHET_EUNTRUSTED);
    CHECK_HAS(err.message, "cyd.depot");
    CHECK(access(test_path("copy"), F_OK) != 0);
    prophet_close(copy);
    prophet_close(r.people[0]);
    server_stop(&r.rsyncd);
    server_stop(&r.store);
    server_stop(&r.nginx);
}
