/* Publishers into one depot that are processes of their own: two at once, 1,000 times, and one that is killed. */
#include "unit/depot_place.h"
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void publish_in_child(const char *name, const char *where, size_t count)
{
    ph_replica *r = open_at(name);
    ph_sync_report rep;
    for (size_t i = 0; i < count; i++) {
        write_some(r, 1);
        if (ph_sync_publish(r, place(where), NULL, &rep, &err) < 0) {
            (void)fprintf(stderr, "%s: %s\n", name, err.message);
            _exit(1);
        }
        ph_sync_report_clear(&rep);
    }
    ph_replica_close(r);
    _exit(0);
}

typedef struct runner { /* a publisher that runs when it is told */
    pid_t pid;
    int go, done;
} runner;

static runner start_runner(const char *name, const char *where)
{
    int go[2], done[2];
    REQUIRE(pipe(go) == 0 && pipe(done) == 0);
    runner r = { fork(), go[1], done[0] };
    REQUIRE(r.pid >= 0);
    if (r.pid > 0) {
        close(go[0]), close(done[1]);
        return r;
    }
    close(go[1]), close(done[0]);
    ph_replica *a = open_at(name);
    ph_sync_report rep;
    char c;
    while (read(go[0], &c, 1) == 1) {
        write_some(a, 1);
        if (ph_sync_publish(a, place(where), NULL, &rep, &err) < 0) {
            (void)fprintf(stderr, "%s: %s\n", name, err.message);
            _exit(1);
        }
        ph_sync_report_clear(&rep);
        if (write(done[1], &c, 1) != 1)
            _exit(1);
    }
    ph_replica_close(a);
    _exit(0);
}

static void end_runner(const runner *r)
{
    int status;
    REQUIRE(waitpid(r->pid, &status, 0) == r->pid);
    CHECK_EQ_INT(status, 0);
}

/* The root says what the manifests say: who cannot list misses nothing. */
static void check_root(const char *where, size_t publishers)
{
    char name[200], hex[65];
    ph_buf bytes = PH_BUF_INIT;
    ph_arena arena = PH_ARENA_INIT;
    depot_root root;
    depot_manifest m;
    (void)snprintf(name, sizeof name, "%s/" DEPOT_ROOT, where);
    REQUIRE_OK(ph_file_slurp(place(name), 1u << 20, &bytes, &err), &err);
    REQUIRE_OK(depot_root_decode(ph_buf_slice(&bytes), &arena, &root, &err), &err);
    CHECK_EQ_UINT(root.count, publishers);
    for (size_t i = 0; i < root.count; i++) {
        ph_hex(root.entries[i].replica.b, 32, hex);
        (void)snprintf(name, sizeof name, "%s/%s/manifest", where, hex);
        ph_buf_reset(&bytes);
        REQUIRE_OK(ph_file_slurp(place(name), 1u << 20, &bytes, &err), &err);
        REQUIRE_OK(depot_manifest_decode(ph_buf_slice(&bytes), &arena, &m, &err), &err);
        CHECK_EQ_UINT(root.entries[i].generation, m.generation);
    }
    ph_buf_clear(&bytes);
    ph_arena_clear(&arena);
}

TEST(two_publishers_at_once_lose_nothing)
{
    enum { TIMES = 1000 };
    static const char *const names[] = { "a", "b" };
    ph_replica *a = fresh("a", NULL), *b, *c;
    runner both[2];
    char go = 'g';
    ph_replica_close(fresh("b", ph_replica_database(a)));
    const ph_uuid database = *ph_replica_database(a);
    ph_replica_close(a);
    REQUIRE(mkdir(place("x"), 0755) == 0);
    for (int i = 0; i < 2; i++)
        both[i] = start_runner(names[i], "x");
    for (int n = 0; n < TIMES; n++) {
        test_context("time %d", n);
        for (int i = 0; i < 2; i++)
            REQUIRE(write(both[i].go, &go, 1) == 1);
        for (int i = 0; i < 2; i++)
            REQUIRE(read(both[i].done, &go, 1) == 1);
        check_root("x", 2);
    }
    test_context(NULL);
    for (
        int i = 0; i < 2;
        i++) /* the second holds the first's ends as well: all are closed before any is waited for */
        close(both[i].go), close(both[i].done);
    for (int i = 0; i < 2; i++)
        end_runner(&both[i]);
    c = fresh("c", &database);
    CHECK_EQ_UINT(pull(c, "x"), 2 * TIMES);
    a = open_at("a");
    b = open_at("b");
    (void)pull(a, "x");
    (void)pull(b, "x");
    CHECK(same(a, b));
    CHECK(same(a, c));
    CHECK_EQ_UINT(publish(a, "x"), 0);
    ph_replica_close(a);
    ph_replica_close(b);
    ph_replica_close(c);
}

/* A publisher is killed at a random moment. */
TEST(a_publisher_that_dies_is_no_harm)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_replica_close(a);
    for (int round = 0; round < 20; round++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            publish_in_child("a", "x.depot", 1000);
        usleep((useconds_t)test_below(20000));
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        if (ph_path_exists(place("x.depot/prophet-depot")))
            (void)pull(b, "x.depot");
    }
    a = open_at("a");
    (void)publish(a, "x.depot");
    (void)pull(b, "x.depot");
    CHECK(same(a, b));
    CHECK(!ph_path_exists(place("a/publish.tmp"))); /* the next publish took it */
    ph_replica_close(a);
    ph_replica_close(b);
}
