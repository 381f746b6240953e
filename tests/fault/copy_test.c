/* Directories copied while somebody writes to them: file by file in any order, now and then without the index, the name of the live
 * one, or the lock file. The copy takes a key of its own (or is adopted, or has lost its key); what was acknowledged before copying began
 * is in it, nothing is in it that nobody wrote, check finds no fault, work goes on, and it can be cloned. The original goes on too.
 * PROPHET_TEST_KILLS says how many copies, one for twenty kills. */
#include "base/base.h"
#include "fault.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 64, ROOM = 4400, PATIENCE_MS = 20000 };

typedef struct listing {
    char names[FILES][300];
    size_t count;
} listing;

static void list_dir(const char *dir, const char *sub, listing *l)
{
    char path[ROOM];
    struct dirent *e;
    (void)snprintf(path, sizeof path, "%s/%s", dir, sub);
    DIR *d = opendir(path);

    REQUIRE(d != NULL);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "log") == 0)
            continue;
        REQUIRE(l->count < FILES);
        (void)snprintf(l->names[l->count++], sizeof l->names[0], "%s%.200s", sub, e->d_name);
    }
    (void)closedir(d);
}

static bool is_left_out(const char *name)
{
    bool optional = strcmp(name, "lock") == 0 || strncmp(name, "index", 5) == 0;

    return optional && test_below(4) == 0;
}

static void copy_file(const char *from, const char *to)
{
    static char bytes[16 << 10];
    int a = open(from, O_RDONLY), b = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
    ssize_t n;

    REQUIRE(b >= 0);
    while (a >= 0 && (n = read(a, bytes, sizeof bytes)) > 0)
        REQUIRE(write(b, bytes, (size_t)n) == n);
    if (a >= 0)
        close(a); /* a file that is gone already is not in the copy */
    close(b);
}

static void copy_dir(const char *from, const char *to)
{
    static listing l;
    char a[ROOM], b[ROOM];

    l.count = 0;
    list_dir(from, "", &l);
    list_dir(from, "log/", &l);
    (void)snprintf(b, sizeof b, "%s/log", to);
    REQUIRE(mkdir(to, 0700) == 0 && mkdir(b, 0700) == 0);
    for (size_t left = l.count; left > 0; left--) {
        size_t i = test_below(left);
        if (!is_left_out(l.names[i])) {
            (void)snprintf(a, sizeof a, "%s/%s", from, l.names[i]);
            (void)snprintf(b, sizeof b, "%s/%s", to, l.names[i]);
            copy_file(a, b);
        }
        memmove(l.names[i], l.names[left - 1], sizeof l.names[0]);
    }
}

/* What was acknowledged while the copy was made may be in it. */
static void expect(const char *base, const char *acks, size_t before, const char *expected)
{
    char *text = NULL;
    size_t base_len = fault_read(base, &text, 0), len = fault_read(acks, &text, base_len);

    for (size_t i = base_len + before; i + 1 < len; i++)
        if ((i == 0 || text[i - 1] == '\n') && text[i] == 'c')
            text[i] = 'a';
    (void)fault_expect(text, len, expected);
    free(text);
}

/* The size of the acknowledgements, at the end of a line. */
static size_t said(const char *acks)
{
    char *text = NULL;
    size_t len = fault_read(acks, &text, 0);

    while (len > 0 && text[len - 1] != '\n')
        len--;
    free(text);
    return len;
}

static bool await_more(const char *acks, size_t than)
{
    const struct timespec t = { 0, 1000000 };

    for (int ms = 0; ms < PATIENCE_MS && said(acks) <= than; ms++)
        (void)nanosleep(&t, NULL);
    return said(acks) > than;
}

TEST(a_copy_made_while_it_is_written_is_a_replica)
{
    static const char *const first[] = { "", " adopt", " lose" };
    const char *dir = test_path("replica"), *source = test_path("source"),
               *copy = test_path("copy"), *base = test_path("base.acks"), *acks = test_path("acks"),
               *expected = test_path("expected");
    const char *make[] = { "make", source, base, NULL }, *clone[] = { "clone", source, dir, NULL },
               *write[] = { "write", dir, acks, NULL };
    size_t rounds = fault_count("PROPHET_TEST_KILLS", 30) / 20 + 8, before = 0;
    fault_inspector inspector;
    char more[ROOM];
    int status;

    fault_needs_program();
    REQUIRE(fault_run(make, NULL));
    REQUIRE(fault_run(clone, NULL));
    REQUIRE(fault_inspector_start(&inspector, NULL));
    pid_t writer = fault_start(write, NULL);
    for (size_t i = 0; i < rounds; i++) {
        test_context("copy %zu", i);
        REQUIRE(await_more(acks, before));
        before = said(acks);
        copy_dir(dir, copy);
        kill(writer, SIGSTOP); /* what it wrote more would only have to be read */
        expect(base, acks, before, expected);
        (void)snprintf(more, sizeof more, "%s%s", source, first[test_below(3)]);
        const char *why = fault_inspect(&inspector, NULL, copy, expected, more);
        CHECK_MSG(!why, "%s", why ? why : "");
        REQUIRE_OK(ph_dir_remove(copy, NULL), NULL);
        kill(writer, SIGCONT);
    }
    kill(writer, SIGKILL);
    CHECK(waitpid(writer, &status, 0) == writer && WIFSIGNALED(status));
    expect(base, acks, SIZE_MAX / 2, expected);
    const char *why = fault_inspect(&inspector, NULL, dir, expected, NULL);
    CHECK_MSG(!why, "%s", why ? why : "");
    fault_inspector_stop(&inspector);
}
