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

TEST(two_publishers_at_once_lose_nothing)
{
    enum { TIMES = 1000 };
    ph_replica *a = fresh("a", NULL), *b, *c, *d = fresh("d", ph_replica_database(a));
    pid_t pids[2];
    ph_replica_close(fresh("b", ph_replica_database(a)));
    const ph_uuid database = *ph_replica_database(a);
    ph_replica_close(a);
    ph_replica_close(d);
    REQUIRE(mkdir(place("x"), 0755) == 0);
    for (int i = 0; i < 2; i++) {
        if ((pids[i] = fork()) == 0)
            publish_in_child(i ? "b" : "a", "x", TIMES);
        REQUIRE(pids[i] > 0);
    }
    for (int i = 0; i < 2; i++) {
        int status;
        REQUIRE(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK_EQ_INT(status, 0);
    }
    c = fresh("c", &database);
    CHECK_EQ_UINT(pull(c, "x"), 2 * TIMES);
    a = open_at("a");
    b = open_at("b");
    (void)pull(a, "x");
    (void)pull(b, "x");
    CHECK(same(a, b));
    CHECK(same(a, c));
    CHECK_EQ_UINT(publish(a, "x"), 0);
    /* the root tells both: who cannot list would find everything */
    ph_buf bytes = PH_BUF_INIT;
    ph_arena arena = PH_ARENA_INIT;
    depot_root root;
    REQUIRE_OK(ph_file_slurp(place("x/prophet-depot"), 1u << 20, &bytes, &err), &err);
    REQUIRE_OK(depot_root_decode(ph_buf_slice(&bytes), &arena, &root, &err), &err);
    CHECK_EQ_UINT(root.count, 2);
    ph_buf_clear(&bytes);
    ph_arena_clear(&arena);
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
