/* A disk that fills up under a replica: each change is whole or told as failed; what was told as done is there when the replica is opened
 * again and its index is made anew; work goes on when there is room. In a mount namespace of its own, where the tests may make one. */
#include "replica/replica_impl.h"
#include "support/test.h"
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4000, TRIES = 12 };

static prophet_error err;

static prophet_code write_one(ph_replica *r, uint64_t n, size_t size)
{
    static char text[70000];
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;

    memset(text, 'x', sizeof text);
    (void)snprintf(text, sizeof text, "%llu ", (unsigned long long)n);
    ph_put_text(&b, ph_slice(text, size));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    prophet_code rc = ph_change_begin(r, ph_slice_str(""), &c, &err);
    if (rc >= 0) {
        rc = ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err);
        if (rc >= 0)
            rc = ph_change_commit(c, NULL, NULL, &err);
        else
            ph_change_abort(c);
    }
    ph_buf_clear(&b);
    return rc;
}

static uint64_t version(ph_replica *r)
{
    ph_view *v;
    if (ph_view_begin(r, &v, &err) < 0)
        return 0;
    uint64_t n = v->state.version;
    ph_view_end(v);
    return n;
}

static bool is_sound(ph_replica *r, uint64_t changesets)
{
    ph_check_report report;
    return ph_replica_check(r, NULL, NULL, &report, &err) >= 0 && report.faults == 0 &&
           report.changesets == changesets;
}

/* In a child; the number of what is wrong. */
static int fill_and_go_on(const char *dir, const char *ballast)
{
    uint64_t done = 0;
    unsigned failed = 0;
    ph_replica *r;
    static char bytes[150000];

    if (ph_replica_create(dir, NULL, &err) < 0 || ph_replica_open(dir, NULL, &r, &err) < 0)
        return 1;
    int fd = open(ballast, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || close(fd) != 0)
        return 2;
    for (uint64_t n = 0; n < MOST && failed < TRIES; n++) {
        prophet_code rc = write_one(r, n, n % 40 == 7 || failed ? 60000 : 300);
        if (rc < 0 && rc != PROPHET_EFULL)
            return 3;
        failed += rc < 0;
        done += rc >= 0;
        if (version(r) != done)
            return 4; /* all or nothing, and told rightly */
    }
    if (failed < TRIES)
        return 5;
    ph_replica_close(r);
    if (unlink(ballast) != 0 || ph_replica_open(dir, NULL, &r, &err) < 0)
        return 6;
    if (version(r) != done || write_one(r, MOST, 300) < 0 || !is_sound(r, done + 1))
        return 7;
    ph_replica_close(r);
    return 0;
}

TEST(a_full_disk_takes_nothing_that_was_told_as_done)
{
    int status = -1;

    if (fork() == 0) {
        char dir[PH_PATH_MAX], ballast[PH_PATH_MAX];
        (void)snprintf(dir, sizeof dir, "%s/db", test_dir());
        (void)snprintf(ballast, sizeof ballast, "%s/ballast", test_dir());
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", test_dir(), "tmpfs", 0, "size=2m") != 0)
            _exit(77);
        int bad = fill_and_go_on(dir, ballast);
        if (bad)
            fprintf(stderr, "at %d: %s\n", bad, err.message);
        _exit(bad);
    }
    REQUIRE(wait(&status) > 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("no mount namespace");
    CHECK_EQ_INT(status, 0);
}
