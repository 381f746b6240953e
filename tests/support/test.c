/* The harness behind test.h: collects the tests of one program, runs them one after another, prints each
 * failure with its line and the seed, and ends with "N passed, N failed". Called by ctest through main;
 * calls nothing of the engine, so that a bug there cannot hide a failure here. */
#include "support/test.h"
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef PH_SOURCE_DIR
#define PH_SOURCE_DIR "."
#endif

enum { PATHS = 256, PATH_SIZE = 4096, SKIPPED = 77 };

static struct {
    test_case *first, **last;
    unsigned passed, failed, skipped, checks;
    bool test_failed;
    jmp_buf end;
    uint64_t seed, state;
    char context[256];
    char dir[PATH_SIZE];
    char *paths[PATHS];
    size_t path_count;
} T;

void test_register(test_case *t)
{
    if (!T.last)
        T.last = &T.first;
    *T.last = t;
    T.last = &t->next;
}

/* ---- checks ------------------------------------------------------------------------------------ */

static bool fail_head(const char *file, int line)
{
    T.test_failed = true;
    fprintf(stderr, "  %s:%d: ", file, line);
    return false;
}

static bool fail_tail(void)
{
    if (T.context[0])
        fprintf(stderr, "  (while %s)", T.context);
    fputc('\n', stderr);
    return false;
}

bool test_check(bool ok, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    T.checks++;
    if (ok)
        return true;
    fail_head(file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    return fail_tail();
}

bool test_eq_int(long long got, long long want, const char *file, int line, const char *what)
{
    return test_check(got == want, file, line, "%s is %lld, want %lld", what, got, want);
}

bool test_eq_uint(unsigned long long got, unsigned long long want, const char *file, int line,
                  const char *what)
{
    return test_check(got == want, file, line, "%s is %llu, want %llu", what, got, want);
}

bool test_eq_str(const char *got, const char *want, const char *file, int line, const char *what)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    return test_check(same, file, line, "%s is \"%s\", want \"%s\"", what, got ? got : "(null)",
                      want ? want : "(null)");
}

bool test_has(const char *got, const char *part, const char *file, int line, const char *what)
{
    return test_check(got && strstr(got, part), file, line, "%s is \"%s\", which has no \"%s\"",
                      what, got ? got : "(null)", part);
}

static void print_bytes(const unsigned char *p, size_t len, size_t at)
{
    size_t from = at > 8 ? at - 8 : 0, to = at + 24 < len ? at + 24 : len;

    for (size_t i = from; i < to; i++)
        fprintf(stderr, i == at ? " [%02x]" : " %02x", p[i]);
}

bool test_mem(const void *got, const void *want, size_t len, const char *file, int line,
              const char *what)
{
    const unsigned char *g = got, *w = want;
    size_t at = 0;

    T.checks++;
    while (at < len && g[at] == w[at])
        at++;
    if (at == len)
        return true;
    fail_head(file, line);
    fprintf(stderr, "%s differs at byte %zu of %zu: got", what, at, len);
    print_bytes(g, len, at);
    fprintf(stderr, ", want");
    print_bytes(w, len, at);
    return fail_tail();
}

bool test_slice(prophet_slice got, const void *want, size_t len, const char *file, int line,
                const char *what)
{
    if (got.len == len)
        return test_mem(got.data, want, len, file, line, what);
    return test_check(false, file, line, "%s has %zu bytes, want %zu", what, got.len, len);
}

static void print_error(const prophet_error *err)
{
    if (!err || !err->message[0])
        return;
    fprintf(stderr, ": %s%s%s%s", err->message, err->hint[0] ? " (" : "", err->hint,
            err->hint[0] ? ")" : "");
}

bool test_code(bool ok, int rc, const prophet_error *err, const char *file, int line,
               const char *what)
{
    T.checks++;
    if (ok)
        return true;
    fail_head(file, line);
    fprintf(stderr, "%s failed with %d", what, rc);
    print_error(err);
    return fail_tail();
}

bool test_code_is(int rc, int want, const prophet_error *err, const char *file, int line,
                  const char *what)
{
    T.checks++;
    if (rc == want)
        return true;
    fail_head(file, line);
    fprintf(stderr, "%s gave %d, want %d", what, rc, want);
    if (rc < 0)
        print_error(err);
    return fail_tail();
}

void test_context(const char *fmt, ...)
{
    va_list ap;

    T.context[0] = 0;
    if (!fmt)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(T.context, sizeof T.context, fmt, ap); /* cut is fine: it is for a reader */
    va_end(ap);
}

void test_stop(void)
{
    T.test_failed = true;
    longjmp(T.end, 1);
}

void test_skip(const char *why)
{
    fprintf(stderr, "  skipped: %s\n", why);
    longjmp(T.end, SKIPPED);
}

/* ---- randomness: splitmix64 ---------------------------------------------------------------------- */

uint64_t test_seed(void)
{
    return T.seed;
}

uint64_t test_random(void)
{
    uint64_t z = (T.state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t test_below(uint64_t n)
{
    return n ? test_random() % n : 0;
}

/* ---- places -------------------------------------------------------------------------------------- */

const char *test_dir(void)
{
    const char *base = getenv("PROPHET_TEST_DIR");

    if (T.dir[0])
        return T.dir;
    if (!base || !*base)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)mkdir(base, 0777); /* is there already, or mkdtemp says what is wrong */
    (void)snprintf(T.dir, sizeof T.dir, "%s/prophet-test-XXXXXX", base);
    if (!mkdtemp(T.dir)) {
        perror(T.dir);
        T.dir[0] = 0;
        test_stop();
    }
    return T.dir;
}

static const char *keep_path(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = T.path_count < PATHS ? malloc(size) : NULL;

    if (!path)
        test_stop();
    (void)snprintf(path, size, "%s/%s", dir, name);
    T.paths[T.path_count++] = path;
    return path;
}

const char *test_path(const char *name)
{
    return keep_path(test_dir(), name);
}

const char *test_source(const char *path)
{
    return keep_path(PH_SOURCE_DIR, path);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)ftw;
    if (flag == FTW_DP || flag == FTW_DNR)
        return rmdir(path);
    return unlink(path);
}

static void leave_dir(void)
{
    if (T.dir[0] && !getenv("PROPHET_TEST_KEEP"))
        (void)nftw(T.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* what stays is in a tmpfs */
    T.dir[0] = 0;
    while (T.path_count > 0)
        free(T.paths[--T.path_count]);
}

/* ---- running --------------------------------------------------------------------------------------- */

static void run_one(const test_case *t)
{
    T.test_failed = false;
    T.context[0] = 0;
    T.state = T.seed;
    int how = setjmp(T.end);
    if (how == 0)
        t->run();
    leave_dir();
    if (how == SKIPPED && !T.test_failed) {
        T.skipped++;
        fprintf(stderr, "  %s was skipped\n", t->name);
    } else if (T.test_failed) {
        T.failed++;
        fprintf(stderr, "FAILED %s (PROPHET_TEST_SEED=%llu)\n", t->name,
                (unsigned long long)T.seed);
    } else {
        T.passed++;
    }
}

static bool is_wanted(const test_case *t, int argc, char **argv)
{
    if (argc < 2)
        return true;
    for (int i = 1; i < argc; i++)
        if (strstr(t->name, argv[i]))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("PROPHET_TEST_SEED");
    struct timespec now;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (const test_case *t = T.first; t; t = t->next)
            puts(t->name);
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    T.seed = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 20) ^ (uint64_t)getpid();
    if (seed && *seed)
        T.seed = strtoull(seed, NULL, 10);
    printf("seed %llu\n", (unsigned long long)T.seed);
    fflush(stdout);
    for (const test_case *t = T.first; t; t = t->next)
        if (is_wanted(t, argc, argv))
            run_one(t);
    if (T.skipped)
        printf("%u skipped\n", T.skipped);
    printf("%u passed, %u failed\n", T.passed, T.failed);
    if (T.passed + T.skipped == 0 && T.failed == 0)
        fprintf(stderr, "no test was run\n");
    return T.failed || T.passed + T.skipped == 0;
}
