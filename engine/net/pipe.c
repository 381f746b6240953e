/* pipe: a program as the other end of a pipe: ssh for live peers, rsync for its transport. Started by an argument vector, never through a shell; what goes
 * through ssh is quoted for the shell at the far end. Its input is a socket, since writing to a pipe whose reader died would end the whole process by a signal. Called by
 * sync and rsync.c. */
#include "net/pipe_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS  500
#define ASKED_MS 1000 /* how long a program may take to end by itself, and then by being asked */
#define NAP_MS   5
#define UNKNOWN  -1 /* a status that waitpid does not give */

struct ph_pipe {
    pid_t pid;
    int in, out; /* -1: closed */
};

extern char **environ;

/* ---- starting ------------------------------------------------------------------------------------------------------ */

/* Signals as a fresh program expects them, whatever the host did to its own. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, pipe;
    (void)sigemptyset(&none);
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    int rc = posix_spawnattr_setsigmask(attributes, &none);
    rc = rc ? rc : posix_spawnattr_setsigdefault(attributes, &pipe);
    return rc ? rc
              : posix_spawnattr_setflags(attributes,
                                         POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int spawn(ph_pipe *p, const char *const *argv, char *const *env, bool errors, int in,
                 int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc)
        return rc;
    if ((rc = posix_spawnattr_init(&attributes)) == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
        rc = rc ? rc : posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        rc = rc || !errors ? rc : posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
        rc = rc ? rc : set_signals(&attributes);
        rc = rc ? rc
                : posix_spawnp(&p->pid, argv[0], &actions, &attributes, (char *const *)argv,
                               env ? env : environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* a pipe has nothing to lose */
    *fd = -1;
}

prophet_code net_pipe_open(const char *const *argv, char *const *env, bool errors, ph_pipe **out,
                           prophet_error *err)
{
    int input[2] = { -1, -1 }, output[2] = { -1, -1 }, sys = 0;
    prophet_code rc = PROPHET_OK;
    ph_pipe *p = ph_zalloc(sizeof *p);
    if (!p)
        return ph_nomem(err);
    p->in = p->out = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) < 0 ||
        pipe2(output, O_CLOEXEC) < 0)
        rc = ph_fail_sys(err, errno, "open a pipe to %s", argv[0]);
    else if ((sys = spawn(p, argv, env, errors, input[1], output[1])) != 0)
        rc = sys == ENOENT ? ph_fail(err, PROPHET_ENOTFOUND, "there is no program %s here", argv[0])
                           : ph_fail_sys(err, sys, "start %s", argv[0]);
    p->in = input[0];
    p->out = output[0];
    close_fd(&input[1]);
    close_fd(&output[1]);
    if (rc < 0) {
        ph_pipe_close(p, NULL);
        return rc;
    }
    *out = p;
    return PROPHET_OK;
}

prophet_code ph_pipe_open(const char *const *argv, ph_pipe **out, prophet_error *err)
{
    return net_pipe_open(argv, NULL, false, out, err);
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

static prophet_code wait_for(int fd, short events, uint64_t until_us, const prophet_net_options *o,
                             int wake, prophet_error *err)
{
    for (;;) {
        struct pollfd at[] = { { fd, events, 0 }, { wake, POLLIN, 0 } };
        uint64_t now = ph_monotonic_us();
        if (until_us && now >= until_us)
            return ph_fail(err, PROPHET_ENETWORK, "nothing came in time");
        uint64_t left = until_us ? (until_us - now + 999) / 1000 : LOOK_MS;
        int n = poll(at, 2, (int)(left < LOOK_MS ? left : LOOK_MS));
        if (n < 0 && errno != EINTR)
            return ph_fail_sys(err, errno, "poll");
        if (n > 0 && at[0].revents)
            return PROPHET_OK;
        prophet_code rc = o ? net_tick(o, "wait", 0, PROPHET_WHOLE, err) : PROPHET_OK;
        if (rc < 0)
            return rc;
    }
}

static uint64_t until(uint32_t timeout_ms)
{
    return timeout_ms ? ph_monotonic_us() + (uint64_t)timeout_ms * 1000 : 0;
}

prophet_code ph_pipe_wait(ph_pipe *p, uint32_t timeout_ms, const prophet_net_options *o, int wake,
                          prophet_error *err)
{
    if (p->out < 0)
        return ph_fail(err, PROPHET_EUSAGE, "nothing to read");
    return wait_for(p->out, POLLIN, until(timeout_ms), o, wake, err);
}

prophet_code ph_pipe_read(ph_pipe *p, void *buf, size_t len, uint32_t timeout_ms,
                          const prophet_net_options *o, size_t *got, prophet_error *err)
{
    uint64_t end = until(timeout_ms);
    *got = 0;
    if (p->out < 0 || len == 0)
        return ph_fail(err, PROPHET_EUSAGE, "nothing to read, or nothing to read into");
    for (;;) {
        prophet_code rc = wait_for(p->out, POLLIN, end, o, -1, err);
        if (rc < 0)
            return rc;
        ssize_t n = read(p->out, buf, len);
        if (n == 0)
            return PROPHET_DONE;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ph_fail_sys(err, errno, "read from the program");
        if (n > 0) {
            *got = (size_t)n;
            return PROPHET_OK;
        }
    }
}

prophet_code ph_pipe_write(ph_pipe *p, prophet_slice bytes, uint32_t timeout_ms,
                           const prophet_net_options *o, prophet_error *err)
{
    const char *at = bytes.data;
    size_t left = bytes.len;
    if (p->in < 0)
        return ph_fail(err, PROPHET_EUSAGE, "the program's input has ended");
    while (left > 0) {
        prophet_code rc = wait_for(p->in, POLLOUT, until(timeout_ms), o, -1, err);
        if (rc < 0)
            return rc;
        ssize_t n = send(p->in, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return ph_fail(err, PROPHET_ENETWORK, "the program at the other end is gone");
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ph_fail_sys(err, errno, "write to the program");
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return PROPHET_OK;
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

void ph_pipe_end_input(ph_pipe *p)
{
    close_fd(&p->in);
}

/* true: it ended. */
static bool wait_end(pid_t pid, int ms, int *status)
{
    for (int waited = 0;; waited += NAP_MS) {
        struct timespec nap = { 0, NAP_MS * 1000000L };
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got < 0 && errno != EINTR)
            *status = UNKNOWN; /* somebody else waited for it */
        if (got > 0 || *status == UNKNOWN)
            return true;
        if (waited >= ms)
            return false;
        (void)nanosleep(&nap, NULL);
    }
}

void ph_pipe_close(ph_pipe *p, int *status)
{
    int how = 0;
    if (!p)
        return;
    close_fd(&p->in);
    close_fd(&p->out);
    if (p->pid > 0 && !wait_end(p->pid, ASKED_MS, &how)) {
        (void)kill(p->pid, SIGTERM);
        if (!wait_end(p->pid, ASKED_MS, &how)) {
            (void)kill(p->pid, SIGKILL);
            while (!wait_end(p->pid, ASKED_MS, &how))
                continue;
        }
    }
    if (status)
        *status = how == UNKNOWN ? -1 : WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    ph_free(p);
}
