/* A program at the far end of a real sshd: bytes both ways, and prophet serve --stdio, which a live peer speaks to. */
#include "net/net.h"
#include "server.h"
#include <stdlib.h>
#include <sys/stat.h>

static prophet_error err;

typedef struct far_end {
    server s;
    char place[512], program[1024], url[1200];
    unsigned port;
} far_end;

static void start(far_end *f)
{
    const char *argv[] = { "python3", test_source("tests/services/start.py"), "sshd", test_dir(),
                           NULL };
    if (!server_has("sshd"))
        test_skip("sshd is not installed");
    REQUIRE(server_start(&f->s, argv));
    REQUIRE(sscanf(f->s.line, "%511s %u %1023s", f->place, &f->port, f->program) == 3);
    REQUIRE(setenv("PROPHET_SSH", f->program, 1) == 0);
    (void)snprintf(f->url, sizeof f->url, "ssh://127.0.0.1:%u%s/bugs", f->port, f->place);
}

static void read_exactly(ph_pipe *p, char *out, size_t len)
{
    for (size_t got, at = 0; at < len; at += got)
        REQUIRE_OK(ph_pipe_read(p, out + at, len - at, 20000, NULL, &got, &err) == PROPHET_OK
                       ? PROPHET_OK
                       : PROPHET_EIO,
                   &err);
}

TEST(words_and_bytes_arrive_as_they_were)
{
    static const char *const argv[] = { "sh",    "-c",   "printf '%s|' \"$@\"; cat",
                                        "x",     "it's", "$HOME `id`",
                                        "a\\b*", "",     NULL };
    static const char want[] = "it's|$HOME `id`|a\\b*||\x00\xff\r\n";
    char got[sizeof want];
    far_end f;
    ph_pipe *p = NULL;
    size_t more;
    int status = -1;
    start(&f);
    REQUIRE_OK(ph_pipe_open_ssh(f.url, argv, &p, &err), &err);
    CHECK_OK(ph_pipe_write(p, ph_slice("\x00\xff\r\n", 4), 20000, NULL, &err), &err);
    ph_pipe_end_input(p);
    read_exactly(p, got, sizeof want - 1);
    CHECK_MEM(got, want, sizeof want - 1);
    CHECK_CODE(ph_pipe_read(p, got, 1, 20000, NULL, &more, &err), PROPHET_DONE, &err);
    ph_pipe_close(p, &status);
    CHECK_EQ_INT(status, 0);
    server_stop(&f.s);
}

TEST(a_peer_serves_at_the_far_end)
{
    const char *build = getenv("PROPHET_BUILD_DIR");
    char program[512], path[1100], answer[5];
    far_end f;
    ph_pipe *p = NULL;
    int status = -1;
    if (!build)
        test_skip("PROPHET_BUILD_DIR is not set");
    start(&f);
    REQUIRE_OK(ph_pipe_ssh_path(f.url, path, sizeof path, &err), &err);
    (void)snprintf(program, sizeof program, "%s/prophet", build);
    const char *init[] = { program, "--db", path, "init", NULL };
    REQUIRE_OK(ph_pipe_open_ssh(f.url, init, &p, &err), &err);
    ph_pipe_end_input(p);
    for (size_t got; ph_pipe_read(p, answer, sizeof answer, 20000, NULL, &got, &err) == PROPHET_OK;)
        continue;
    ph_pipe_close(p, &status);
    CHECK_EQ_INT(status, 0);

    const char *serve[] = { program, "--db", path, "serve", "--stdio", NULL };
    REQUIRE_OK(ph_pipe_open_ssh(f.url, serve, &p, &err), &err);
    CHECK_OK(ph_pipe_write(p, ph_slice("H\0\0\0\4\0\0\0\0", 9), 20000, NULL, &err),
             &err); /* docs/exchange.md: head, without waiting */
    read_exactly(p, answer, 5);
    CHECK_EQ_INT(answer[0], 'O');
    ph_pipe_close(p, &status);
    server_stop(&f.s);
}

TEST(who_has_no_key_is_told_by_the_end)
{
    static const char *const argv[] = { "true", NULL };
    far_end f;
    char script[1400], buf[16];
    size_t got;
    int status = 0;
    ph_pipe *p = NULL;
    start(&f);
    (void)snprintf(script, sizeof script, "%s/nokey", test_dir());
    FILE *out = fopen(script, "w");
    REQUIRE(out && fprintf(out,
                           "#!/bin/sh\nexec ssh -F none -o IdentityFile=none -o IdentitiesOnly=yes "
                           "-o UserKnownHostsFile=%s/known \"$@\" 2>/dev/null\n",
                           f.place) > 0);
    REQUIRE(fclose(out) == 0 && chmod(script, 0755) == 0 && setenv("PROPHET_SSH", script, 1) == 0);
    REQUIRE_OK(ph_pipe_open_ssh(f.url, argv, &p, &err), &err);
    CHECK_CODE(ph_pipe_read(p, buf, sizeof buf, 20000, NULL, &got, &err), PROPHET_DONE,
               &err); /* nobody is asked for a password */
    ph_pipe_close(p, &status);
    CHECK_EQ_INT(status, 255);
    server_stop(&f.s);
}
