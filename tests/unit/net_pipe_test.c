/* Programs at the other end of a pipe, and the words that go through ssh. The far end is a script that shows what it was given. */
#include "net/net.h"
#include "support/test.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_error err;

static void read_all(ph_pipe *p, ph_buf *out)
{
    char buf[4096];
    size_t got;
    while (CHECK_OK(ph_pipe_read(p, buf, sizeof buf, 10000, NULL, &got, &err), &err) && got > 0)
        ph_buf_put(out, buf, got);
}

TEST(bytes_go_both_ways)
{
    static const char *const argv[] = { "cat", NULL };
    ph_pipe *p;
    ph_buf b = PH_BUF_INIT;
    int status = -1;
    REQUIRE_OK(ph_pipe_open(argv, &p, &err), &err);
    CHECK_OK(ph_pipe_write(p, ph_slice("hello\0there", 11), 10000, NULL, &err), &err);
    ph_pipe_end_input(p);
    CHECK_CODE(ph_pipe_write(p, ph_slice("x", 1), 1000, NULL, &err), PROPHET_EUSAGE, &err);
    read_all(p, &b);
    CHECK_SLICE(ph_buf_slice(&b), "hello\0there", 11);
    ph_pipe_close(p, &status);
    CHECK_EQ_INT(status, 0);
    ph_pipe_close(NULL, NULL);
    ph_buf_clear(&b);
}

TEST(a_program_that_ends_is_an_error_not_a_signal)
{
    static const char *const argv[] = { "sh", "-c", "exit 7", NULL };
    ph_pipe *p;
    prophet_code rc = PROPHET_OK;
    char buf[16];
    size_t got;
    int status = -1;
    REQUIRE_OK(ph_pipe_open(argv, &p, &err), &err);
    CHECK_CODE(ph_pipe_read(p, buf, sizeof buf, 10000, NULL, &got, &err), PROPHET_DONE, &err);
    while (rc == PROPHET_OK) /* until it is gone for good */
        rc = ph_pipe_write(p, ph_slice("x", 1), 10000, NULL, &err);
    CHECK_CODE(rc, PROPHET_ENETWORK, &err);
    ph_pipe_close(p, &status);
    CHECK_EQ_INT(status, 7);
    static const char *const none[] = { "no-such-program-anywhere", NULL };
    CHECK_CODE(ph_pipe_open(none, &p, &err), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.message, "no-such-program-anywhere");
}

static prophet_code stop(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *e)
{
    (void)ctx, (void)stage, (void)done, (void)total;
    return ph_fail(e, PROPHET_EINTERRUPTED, "interrupted");
}

TEST(waiting_for_a_program_ends)
{
    static const char *const argv[] = { "sh", "-c", "trap '' TERM; exec sleep 100", NULL };
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    ph_pipe *p;
    char buf[16];
    size_t got;
    int status = -1;
    REQUIRE_OK(ph_pipe_open(argv, &p, &err), &err);
    CHECK_CODE(ph_pipe_read(p, buf, sizeof buf, 50, NULL, &got, &err), PROPHET_ENETWORK, &err);
    o.progress = stop;
    CHECK_CODE(ph_pipe_read(p, buf, sizeof buf, 10000, &o, &got, &err), PROPHET_EINTERRUPTED, &err);
    ph_pipe_close(p, &status); /* it does not listen, so it is killed */
    CHECK_EQ_INT(status, 128 + SIGKILL);
}

/* A program in ssh's place that prints its words, one a line, and then does what the far end's shell would do with the last one. */
static void pretend_ssh(void)
{
    static const char script[] = "#!/bin/sh\nfor w; do printf '<%s>\\n' \"$w\"; last=$w; done\nsh "
                                 "-c \"printf '{%s}' $last\"\n";
    const char *path = test_path("ssh");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    REQUIRE(fd >= 0 && write(fd, script, sizeof script - 1) == (ssize_t)sizeof script - 1 &&
            close(fd) == 0);
    REQUIRE(setenv("PROPHET_SSH", path, 1) == 0);
}

TEST(every_word_is_quoted_for_the_far_end)
{
    static const char *const argv[] = { "prophet", "it's", "$(touch x)", "a b", "", "-x", NULL };
    static const char want[] =
        "<-T>\n<-oBatchMode=yes>\n<-oConnectTimeout=15>\n<-oServerAliveInterval=15>\n<-p>\n<2222>"
        "\n<-l>\n<bob>\n<-->\n<host."
        "example>\n"
        "<prophet 'it'\\''s' '$(touch x)' 'a b' '' -x>\n{prophet}{it's}{$(touch x)}{a b}{}{-x}";
    ph_pipe *p;
    ph_buf b = PH_BUF_INIT;
    pretend_ssh();
    REQUIRE_OK(ph_pipe_open_ssh("ssh://bob@host.example:2222/srv/x", argv, &p, &err), &err);
    read_all(p, &b);
    CHECK_SLICE(ph_buf_slice(&b), want, sizeof want - 1);
    ph_pipe_close(p, NULL);
    static const char *const lines[] = { "prophet", "a\nb", NULL };
    CHECK_CODE(ph_pipe_open_ssh("ssh://h/x", lines, &p, &err), PROPHET_EUSAGE, &err);
    ph_buf_clear(&b);
}

TEST(hosts_that_could_be_options_are_refused)
{
    static const char *const argv[] = { "prophet", NULL };
    static const char *const bad[] = { "ssh://-oProxyCommand=x/y",
                                       "ssh://-l@h/x",
                                       "ssh://h;x/y",
                                       "ssh://u:pw@h/x",
                                       "ssh:///x",
                                       "ssh:x",
                                       "ssh://h/x?y",
                                       "ssh://h\n/x",
                                       "ssh://h:0/x",
                                       "ssh://h:70000/x" };
    ph_pipe *p;
    pretend_ssh();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_context("%s", bad[i]);
        CHECK_CODE(ph_pipe_open_ssh(bad[i], argv, &p, &err), PROPHET_EUSAGE, &err);
        CHECK(!strstr(err.message, "pw@"));
    }
}

TEST(paths_of_ssh_urls)
{
    static const char *const ways[][2] = { { "ssh://h/srv/bugs", "/srv/bugs" },
                                           { "ssh://h/~/bugs", "bugs" },
                                           { "ssh://h/~", "." },
                                           { "ssh://h/~/-x", "./-x" },
                                           { "ssh://h/a%20b", "/a b" } };
    char path[64];
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        CHECK_OK(ph_pipe_ssh_path(ways[i][0], path, sizeof path, &err), &err);
        CHECK_EQ_STR(path, ways[i][1]);
    }
    CHECK_CODE(ph_pipe_ssh_path("ssh://h", path, sizeof path, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_pipe_ssh_path("ssh://h/", path, sizeof path, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_pipe_ssh_path("ssh://h/long", path, 4, &err), PROPHET_EUSAGE, &err);
}
