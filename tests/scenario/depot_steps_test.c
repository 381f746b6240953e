/* A publisher that dies before each of its steps in turn, and a reader whose disk is full from each step on. Steps are the calls that change a disk; this program
 * has its own of them, which count. A write that it dies in is half done. */
#include "unit/depot_place.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static long steps_left; /* until it happens; 0: never */
static bool disk_full;  /* what happens: the disk is full from then on, else the process dies */

static bool is_due(void)
{
    if (steps_left == 0 || (steps_left < 0 && !disk_full))
        return false;
    if (steps_left > 0 && --steps_left == 0)
        steps_left = -1;
    return steps_left < 0;
}

static void step(void)
{
    if (!disk_full && is_due())
        (void)kill(getpid(), SIGKILL);
}

static ssize_t write_step(int fd, const void *bytes, size_t len, off_t at)
{
    bool due = is_due();
    if (due && disk_full) {
        errno = ENOSPC;
        return -1;
    }
    size_t now = due ? len / 2 : len;
    ssize_t done =
        at < 0 ? syscall(SYS_write, fd, bytes, now) : syscall(SYS_pwrite64, fd, bytes, now, at);
    if (due)
        (void)kill(getpid(), SIGKILL);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return write_step(fd, bytes, len, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return write_step(fd, bytes, len, at);
}

/* LMDB's. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    ssize_t all = 0, done = 0;
    for (int i = 0; i < count && done >= 0; i++, all += done)
        done = write_step(fd, parts[i].iov_base, parts[i].iov_len, at + all);
    return done < 0 ? done : all;
}

int fsync(int fd)
{
    step();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    step();
    return (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    step();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int a, const char *from, int b, const char *to)
{
    step();
    return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    step();
    return (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

int unlink(const char *path)
{
    step();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    step();
    return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
    step();
    return (int)syscall(SYS_mkdirat, dir, path, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (flags & O_CREAT)
        step();
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* ---- a publisher ------------------------------------------------------------------------------------------------------------------- */

typedef struct stage { /* a publisher "a" and what it has put into "d" */
    const char *seal;
    size_t published;
    ph_uuid database;
} stage;

static void copy(const char *from, const char *to)
{
    char command[9000];
    if (ph_path_exists(place(to)))
        REQUIRE_OK(ph_dir_remove(place(to), &err), &err);
    (void)snprintf(command, sizeof command, "test ! -e '%s' || cp -a '%s' '%s'", place(from),
                   place(from), place(to));
    FILE *p = popen(command, "r");
    REQUIRE(p && pclose(p) == 0);
}

static prophet_code publish_all(const stage *s, ph_replica *a, bool check, ph_sync_report *rep)
{
    const ph_sync_options o = { .seal = s->seal, .check = check };
    return ph_sync_publish(a, place("d"), &o, rep, &err);
}

static void set_stage(stage *s, size_t publishes, const char *seal)
{
    ph_replica *a = fresh("a.kept", NULL);
    ph_sync_report rep;
    *s = (stage){ seal, publishes, *ph_replica_database(a) };
    for (size_t i = 0; i < publishes; i++) {
        write_some(a, 1);
        REQUIRE_OK(publish_all(s, a, false, &rep), &err);
        ph_sync_report_clear(&rep);
    }
    write_some(a, 1);
    ph_replica_close(a);
    copy("d", "d.kept");
}

/* A process that publishes and dies before its nth step. true: it came to its end. */
static bool publish_and_die(const stage *s, long nth)
{
    int status;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ph_sync_report rep;
        ph_replica *a = open_at("a");
        steps_left = nth;
        _exit(publish_all(s, a, false, &rep) < 0);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
    return WIFEXITED(status);
}

/* What a beginner finds is whole: all that was there before, or all of the new too. */
static void check_whole(const stage *s, bool new)
{
    ph_replica *b = fresh("b", &s->database);
    const ph_sync_options o = { .seal = s->seal };
    ph_sync_report rep;
    prophet_code rc = ph_sync_pull(b, place("d"), &o, &rep, &err);
    if (rc == PROPHET_ENOTFOUND) { /* nothing is there yet */
        CHECK_EQ_UINT(s->published, 0);
    } else {
        CHECK_OK(rc, &err);
        CHECK_EQ_STR(rep.notice, "");
        CHECK_EQ_UINT(rep.held_back, 0);
    }
    ph_sync_report_clear(&rep);
    uint64_t found = version_of(b);
    CHECK(found == s->published + 1 || (found == s->published && !new));
    ph_replica_close(b);
    REQUIRE_OK(ph_dir_remove(place("b"), &err), &err);
}

/* The next publish makes it whole, whatever the dead one left. */
static void check_goes_on(const stage *s)
{
    ph_replica *a = open_at("a");
    ph_sync_report rep;
    for (int check = 0; check < 2; check++) {
        REQUIRE_OK(publish_all(s, a, check, &rep), &err);
        if (check) {
            CHECK_EQ_STR(rep.notice, "");
            CHECK_EQ_UINT(rep.changesets, 0);
        }
        ph_sync_report_clear(&rep);
    }
    CHECK(!ph_path_exists(place("a/publish.tmp")));
    ph_replica_close(a);
    check_whole(s, true);
}

static void die_everywhere(size_t publishes, const char *seal, long at_least)
{
    stage s;
    bool ended = false;
    long nth = 1;
    set_stage(&s, publishes, seal);
    for (; !ended && nth < 200; nth++) {
        test_context("dead before step %ld of publish %zu", nth, publishes + 1);
        copy("a.kept", "a");
        copy("d.kept", "d");
        REQUIRE_OK(ph_replica_adopt(place("a"), &err), &err);
        ended = publish_and_die(&s, nth);
        check_whole(&s, ended);
        check_goes_on(&s);
        test_context(NULL);
    }
    CHECK(nth > at_least && nth < 200);
}

TEST(a_publisher_that_dies_before_any_step_of_the_first)
{
    die_everywhere(0, NULL, 15);
}

/* The 48th takes in four segments, and the oldest superseded ones go. */
TEST(a_publisher_that_dies_before_any_step_of_a_merge)
{
    die_everywhere(47, NULL, 20);
}

TEST(a_publisher_into_a_sealed_depot_that_dies_before_any_step)
{
    char key[4200];
    (void)snprintf(key, sizeof key, "%s", place("key"));
    REQUIRE_OK(ph_sync_key_new(key, NULL, &err), &err);
    die_everywhere(47, key, 20);
}

/* ---- a reader ------------------------------------------------------------------------------------------------------------------------- */

/* From `source`, by a replica whose disk is full from its nth write on. true: it never was. */
static bool pull_and_fill(ph_replica *a, const char *source, long nth)
{
    ph_replica *b = open_at("b");
    uint64_t before = version_of(b);
    ph_sync_report rep;
    disk_full = true;
    steps_left = nth;
    prophet_code rc = ph_sync_pull(b, place(source), NULL, &rep, &err);
    bool never = steps_left > 0;
    if (rc < 0) {
        CHECK_CODE(rc, PROPHET_EFULL, &err);
        CHECK_HAS(err.hint, "make room");
        CHECK(version_of(b) >= before);
    }
    ph_sync_report_clear(&rep);
    ph_replica_close(b);
    disk_full = false;
    steps_left = 0;
    b = open_at("b"); /* there is room again */
    CHECK(version_of(b) >= before);
    (void)pull(b, source);
    CHECK(same(a, b));
    ph_replica_close(b);
    return never;
}

static void fill_everywhere(const char *source)
{
    ph_replica *a = fresh("a", NULL);
    ph_sync_report rep;
    bool never = false;
    long nth = 1;
    ph_replica_close(fresh("b", ph_replica_database(a)));
    for (; !never && nth < 200; nth++) {
        write_some(a, 3);
        if (strcmp(source, "d.depot") == 0)
            (void)publish(a, source);
        else if (strcmp(source, "a") != 0) {
            REQUIRE_OK(ph_sync_bundle(a, place(source), NULL, NULL, &rep, &err), &err);
            ph_sync_report_clear(&rep);
        } else
            REQUIRE_OK(ph_replica_sign(a, &err), &err);
        test_context("full at step %ld of a pull from %s", nth, source);
        never = pull_and_fill(a, source, nth);
        test_context(NULL);
    }
    CHECK(nth > 3 && nth < 200);
    ph_replica_close(a);
}

TEST(a_disk_that_is_full_when_a_depot_is_pulled_from)
{
    fill_everywhere("d.depot");
}

TEST(a_disk_that_is_full_when_a_bundle_is_taken_in)
{
    fill_everywhere("all.bundle");
}

TEST(a_disk_that_is_full_when_a_replica_is_pulled_from)
{
    fill_everywhere("a");
}
