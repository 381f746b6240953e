/* The transport of rsync against a real daemon and a real sshd, started by the test. */
#include "support/net_conform.h"
#include "server.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_error err;

typedef struct far_end {
    server s;
    char place[512], program[1024];
    unsigned port;
} far_end;

static prophet_net_options options(void)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    o.token = "secret";
    o.retries = PROPHET_NO_RETRY;
    o.stall_ms = 10000;
    return o;
}

static void start(far_end *f, const char *kind, const char *program)
{
    const char *argv[] = { "python3", test_source("tests/services/start.py"), kind, test_dir(),
                           NULL };
    if (!server_has(program) || !server_has("rsync"))
        test_skip("the server is not installed");
    REQUIRE(setenv("TMPDIR", test_dir(), 1) == 0); /* where the quarantine is */
    REQUIRE(server_start(&f->s, argv));
    REQUIRE(sscanf(f->s.line, "%511s %u %1023s", f->place, &f->port, f->program) >= 2);
}

static void url_of(const far_end *f, const char *rest, char url[256])
{
    (void)snprintf(url, 256, "rsync://prophet@127.0.0.1:%u/%s", f->port, rest);
}

/* Nothing of a quarantine is left when its place is closed. */
static void check_no_leftovers(void)
{
    DIR *d = opendir(test_dir());
    REQUIRE(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        CHECK_MSG(strncmp(e->d_name, "prophet-", 8) != 0, "%s was left", e->d_name);
    (void)closedir(d);
}

TEST(a_daemon_keeps_the_contract)
{
    far_end f;
    char url[256];
    prophet_net_options o = options();
    start(&f, "rsyncd", "rsync");
    url_of(&f, "place/new/depot", url);
    net_conform(&(net_conform_place){ .url = url, .options = &o, .weak = true });
    check_no_leftovers();
    server_stop(&f.s);
}

TEST(sshd_keeps_the_contract)
{
    far_end f;
    char url[1200];
    prophet_net_options o = options();
    start(&f, "sshd", "sshd");
    REQUIRE(setenv("PROPHET_SSH", f.program, 1) == 0);
    (void)snprintf(url, sizeof url, "rsync+ssh://127.0.0.1:%u%s/new/depot", f.port, f.place);
    net_conform(&(net_conform_place){ .url = url, .options = &o, .weak = true });
    server_stop(&f.s);
}

static prophet_code read_it(const char *url, const prophet_net_options *o, const char *name,
                            uint64_t most, ph_buf *b)
{
    ph_net *n = NULL;
    err = (prophet_error){ 0 };
    b->len = 0;
    prophet_code rc = ph_net_open(url, o, &n, &err);
    if (rc >= 0)
        rc = ph_net_get_bytes(n, name, most, NULL, b, &err);
    ph_net_close(n);
    return rc;
}

/* A program in place of rsync, as it is seen when the far end's last words are lost: it makes folders only when it is told to. */
static void put_in_front(const char *script)
{
    char dir[600], path[640], all[4096];
    (void)snprintf(dir, sizeof dir, "%s/bin", test_dir());
    (void)snprintf(path, sizeof path, "%s/rsync", dir);
    (void)snprintf(all, sizeof all, "%s:%s", dir, getenv("PATH"));
    REQUIRE(mkdir(dir, 0755) == 0 || errno == EEXIST);
    FILE *f = fopen(path, "w");
    REQUIRE(f && fputs(script, f) >= 0 && fclose(f) == 0 && chmod(path, 0755) == 0);
    REQUIRE(setenv("PATH", all, 1) == 0 && setenv("TMPDIR", test_dir(), 1) == 0);
}

static prophet_code write_it(const char *url, const char *name)
{
    prophet_net_options o = options();
    ph_net *n = NULL;
    err = (prophet_error){ 0 };
    prophet_code rc = ph_net_open(url, &o, &n, &err);
    if (rc >= 0)
        rc = ph_net_put_bytes(n, name, ph_slice_str("x"), NULL, &err);
    ph_net_close(n);
    return rc;
}

TEST(lost_words_about_missing_folders_do_no_harm)
{
    put_in_front("#!/bin/sh\ncase \"$*\" in *--mkpath*) echo 'sent root';; *) exit 11;; esac\n");
    CHECK_CODE(write_it("rsync://127.0.0.1/place/new", "root"), PROPHET_OK, &err);
}

/* What rsync prints and gives, and what must be made of it. */
static void check_failure(const char *script, prophet_code code, const char *message)
{
    test_context("%s", script);
    put_in_front(script);
    CHECK_CODE(write_it("rsync://127.0.0.1/place/new", "root"), code, &err);
    CHECK_HAS(err.message, message);
}

TEST(the_reason_is_found_in_what_it_prints)
{
    check_failure("#!/bin/sh\nexit 13\n", PROPHET_EREMOTE,
                  "rsync ends with 13 and does not say why");
    check_failure(
        "#!/bin/sh\nfor i in $(seq 40); do printf '\\320\\240\\320\\241 (2) hello\\r\\n'; done\n"
        "echo 'Permission denied (publickey).' >&2; exit 255\n",
        PROPHET_ENETWORK, "Permission denied (publickey).");
    check_failure(
        "#!/bin/sh\nfor i in $(seq 40); do echo \"sent a-name-of-some-length/$i\"; done\n"
        "echo 'rsync: [receiver] write failed on \"x\": No space left on device (28)' >&2\n"
        "echo 'rsync error: error in file IO (code 11) at receiver.c(380)' >&2; exit 11\n",
        PROPHET_EFULL, "rsync ends with 11: rsync: [receiver] write failed");
    check_failure(
        "#!/bin/sh\nx=$(printf '%2000s' | tr ' ' x)\n"
        "echo \"rsync: [Receiver] mkdir \\\"$x\\\" failed: No such file (2)\" >&2; exit 11\n",
        PROPHET_EREMOTE, "the folder of the place is not there and cannot be made");
}

TEST(an_end_that_nobody_saw_is_no_success)
{
    char url[64] = "rsync://127.0.0.1/place/new";
    prophet_net_options o = options();
    ph_buf b = PH_BUF_INIT;
    put_in_front("#!/bin/sh\nexit 0\n");
    REQUIRE(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    CHECK_CODE(read_it(url, &o, "root", 0, &b), PROPHET_EREMOTE, &err);
    (void)signal(SIGCHLD, SIG_DFL);
    CHECK_HAS(err.message, "SIGCHLD");
    ph_buf_clear(&b);
}

TEST(what_is_no_plain_file_is_not_there)
{
    far_end f;
    char url[256], path[1024];
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options();
    start(&f, "rsyncd", "rsync");
    url_of(&f, "place", url);
    (void)snprintf(path, sizeof path, "%s/place/link", f.place);
    CHECK_EQ_INT(symlink("/etc/passwd", path), 0);
    (void)snprintf(path, sizeof path, "%s/place/folder", f.place);
    CHECK_EQ_INT(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof path, "%s/place/pipe", f.place);
    CHECK_EQ_INT(mkfifo(path, 0644), 0);
    CHECK_CODE(read_it(url, &o, "link", 0, &b), PROPHET_DONE, &err);
    CHECK_CODE(read_it(url, &o, "folder", 0, &b), PROPHET_DONE, &err);
    CHECK_CODE(read_it(url, &o, "pipe", 0, &b), PROPHET_DONE, &err);
    CHECK_EQ_UINT(b.len, 0);
    server_stop(&f.s);
    ph_buf_clear(&b);
}

TEST(failures_say_what_and_hold_no_secret)
{
    far_end f;
    char url[256];
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options();
    start(&f, "rsyncd", "rsync");
    url_of(&f, "place", url);
    o.token = "wr0ng-secret";
    CHECK_CODE(read_it(url, &o, "root", 0, &b), PROPHET_EREMOTE, &err);
    CHECK_HAS(err.message, "auth failed");
    CHECK(!strstr(err.message, "wr0ng") && !strstr(err.hint, "wr0ng"));
    o.token = NULL; /* asks nobody, at no terminal */
    CHECK_CODE(read_it(url, &o, "root", 0, &b), PROPHET_EREMOTE, &err);
    o = options();
    url_of(&f, "no-such-module", url);
    CHECK_CODE(read_it(url, &o, "root", 0, &b), PROPHET_EREMOTE, &err);
    url_of(&f, "place/no/such/folder", url);
    CHECK_CODE(read_it(url, &o, "root", 0, &b), PROPHET_DONE, &err);
    CHECK_CODE(read_it("rsync://127.0.0.1:1/place", &o, "root", 0, &b), PROPHET_ENETWORK, &err);
    server_stop(&f.s);
    ph_buf_clear(&b);
}

TEST(urls_that_could_be_options_are_refused)
{
    static const char *const bad[] = { "rsync://h",        "rsync://h/",
                                       "rsync://-e/x",     "rsync://u:p@h/x",
                                       "rsync://h/a*b",    "rsync://h/a%20b",
                                       "rsync://h/a/../b", "rsync:/x",
                                       "rsync+ssh://h",    "rsync+ssh://-oProxyCommand=x/y",
                                       "rsync+ssh://h/$x", "rsync+ssh://h/a;b/c",
                                       "rsync://h/x?y=z" };
    ph_buf b = PH_BUF_INIT;
    prophet_net_options o = options();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_context("%s", bad[i]);
        CHECK_CODE(read_it(bad[i], &o, "root", 0, &b), PROPHET_EUSAGE, &err);
    }
    ph_buf_clear(&b);
}
