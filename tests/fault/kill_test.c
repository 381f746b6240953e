/* kill -9 at random moments: two processes write and one pulls, all on one replica; again and again one of them is killed and
 * started anew, which must find everything in order and go on. Now and then all are killed and the replica is inspected: what was
 * acknowledged is there, nothing is there that nobody wrote, check finds no fault, work goes on.
 * PROPHET_TEST_KILLS says how often. */
#include "fault.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, INSPECT_EVERY = 25, PATIENCE_MS = 20000 };

typedef struct worker {
    const char *args[8];
    const char *acks;
    pid_t pid;
    off_t seen; /* size of its acknowledgements when it was started */
} worker;

static void pause_us(uint64_t us)
{
    struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

    nanosleep(&t, NULL);
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void start(worker *w)
{
    w->seen = size_of(w->acks);
    w->pid = fault_start(w->args, NULL);
}

static void stop(worker *w)
{
    int status = 0;

    kill(w->pid, SIGKILL);
    CHECK(waitpid(w->pid, &status, 0) == w->pid);
    CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s ended by itself", w->args[0]);
}

/* It got so far that it said something: the replica could be opened, and takes writes. */
static bool await_progress(const worker *w)
{
    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        if (size_of(w->acks) > w->seen)
            return true;
        pause_us(1000);
    }
    return false;
}

/* With nobody at work; base is what was there before. */
static void inspect(fault_inspector *inspector, const worker *workers, const char *base,
                    const char *dir)
{
    const char *expected = test_path("expected");
    char *text = NULL;
    size_t len = fault_read(base, &text, 0);

    for (int i = 0; i < WORKERS; i++)
        len = fault_read(workers[i].acks, &text, len);
    (void)fault_expect(text, len, expected);
    free(text);
    const char *why = fault_inspect(inspector, NULL, dir, expected, NULL);
    CHECK_MSG(!why, "%s", why ? why : "");
}

TEST(a_killed_process_loses_nothing_that_was_acknowledged)
{
    const char *dir = test_path("replica"), *source = test_path("source"),
               *base = test_path("base.acks");
    const char *make[] = { "make", source, base, NULL }, *clone[] = { "clone", source, dir, NULL };
    size_t kills = fault_count("PROPHET_TEST_KILLS", 30);
    fault_inspector inspector;
    worker w[WORKERS] = {
        { { "write", dir, test_path("one.acks"), NULL }, test_path("one.acks"), 0, 0 },
        { { "write", dir, test_path("two.acks"), NULL }, test_path("two.acks"), 0, 0 },
        { { "pull", dir, test_path("three.acks"), source, NULL }, test_path("three.acks"), 0, 0 },
    };

    fault_needs_program();
    REQUIRE(fault_run(make, NULL));
    REQUIRE(fault_run(clone, NULL));
    REQUIRE(fault_inspector_start(&inspector, NULL));
    for (int i = 0; i < WORKERS; i++)
        start(&w[i]);
    for (size_t k = 1; k <= kills; k++) {
        worker *victim = &w[test_below(WORKERS)];
        test_context("kill %zu, of %s", k, victim->args[0]);
        bool alive = await_progress(victim);
        CHECK_MSG(alive, "no progress in %d ms", PATIENCE_MS);
        pause_us(test_below(15000));
        stop(victim);
        if (k % INSPECT_EVERY == 0 || k == kills || !alive) {
            for (int i = 0; i < WORKERS; i++)
                if (&w[i] != victim)
                    stop(&w[i]);
            inspect(&inspector, w, base, dir);
            if (k == kills || !alive)
                break;
            for (int i = 0; i < WORKERS; i++)
                start(&w[i]);
        } else {
            start(victim);
        }
    }
    fault_inspector_stop(&inspector);
}
