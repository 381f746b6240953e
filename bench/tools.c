/* What both sides of the bench need: time, directories, processes that start together. Called by the sides and by
 * main.c; every failure ends the program with its reason. */
#include "bench.h"
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, READ_END = 0, WRITE_END = 1 };

double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void bench_die(const char *fmt, ...)
{
    va_list ap;

    fputs("bench: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)ftw;
    return flag == FTW_DP ? rmdir(path) : unlink(path);
}

void bench_remove(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* not there: nothing to do */
}

const char *bench_path(const char *name, int round)
{
    static char path[PATH_SIZE];
    const char *dir = getenv("PROPHET_BENCH_DIR");

    if (!dir || !*dir)
        dir = "build/bench";
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        bench_die("%s: %s", dir, strerror(errno));
    (void)snprintf(path, sizeof path, "%s/%s-%d", dir, name, round);
    bench_remove(path);
    return path;
}

/* ---- processes ---------------------------------------------------------------------------------- */

static void send_byte(int fd)
{
    if (write(fd, "x", 1) != 1)
        bench_die("a pipe broke");
}

static void await_byte(int fd)
{
    char c;

    if (read(fd, &c, 1) != 1)
        bench_die("a process of the crowd failed");
}

static _Noreturn void crowd_member(const bench_crew *crew, const char *path, int worker,
                                   size_t commits, int go, int done)
{
    void *state = crew->open(path);

    send_byte(done);
    await_byte(go);
    crew->work(state, worker, commits);
    send_byte(done);
    crew->close(state);
    exit(0);
}

double bench_crowd(const bench_crew *crew, const char *path, int count, size_t commits)
{
    int go[2], done[2], status = 0;

    fflush(NULL); /* or each process would print what is buffered here */
    if (pipe(go) != 0 || pipe(done) != 0)
        bench_die("no pipe");
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            bench_die("no process: %s", strerror(errno));
        if (pid == 0) {
            close(done[READ_END]);
            crowd_member(crew, path, i, commits, go[READ_END], done[WRITE_END]);
        }
    }
    close(done[WRITE_END]);
    for (int i = 0; i < count; i++)
        await_byte(done[READ_END]);
    double start = bench_now();
    for (int i = 0; i < count; i++)
        send_byte(go[WRITE_END]);
    for (int i = 0; i < count; i++)
        await_byte(done[READ_END]);
    double seconds = bench_now() - start;
    for (int i = 0; i < count; i++)
        if (wait(&status) < 0 || status != 0)
            bench_die("a process of the crowd failed");
    close(go[READ_END]), close(go[WRITE_END]), close(done[READ_END]);
    return seconds;
}

double bench_program(char *const argv[], double *second)
{
    int out[2], status = 0;
    char text[256] = "";
    size_t len = 0;
    ssize_t n;

    if (pipe(out) != 0)
        bench_die("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[WRITE_END], STDOUT_FILENO);
        close(out[READ_END]), close(out[WRITE_END]);
        execv(argv[0], argv);
        bench_die("%s: %s", argv[0], strerror(errno));
    }
    close(out[WRITE_END]);
    while (len < sizeof text - 1 &&
           (n = read(out[READ_END], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    close(out[READ_END]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        bench_die("%s failed", argv[0]);
    text[len] = 0;
    char *end = text;
    double first = strtod(text, &end);
    if (second)
        *second = strtod(end, NULL);
    return first;
}
