/* server: starts servers and ends them. */
#include "server.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool spawn(server *s, const char *const *argv, int in, int out)
{
    posix_spawn_file_actions_t actions;
    bool ok = posix_spawn_file_actions_init(&actions) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, in, 0) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, out, 1) == 0 &&
              posix_spawnp(&s->pid, argv[0], &actions, NULL, (char *const *)argv, environ) == 0;
    (void)posix_spawn_file_actions_destroy(&actions);
    return ok;
}

static bool read_line(server *s, int fd)
{
    size_t n = 0;
    while (n < sizeof s->line - 1 && read(fd, s->line + n, 1) == 1 && s->line[n] != '\n')
        n++;
    bool ok = s->line[n] == '\n';
    s->line[n] = 0;
    return ok;
}

bool server_start(server *s, const char *const *argv)
{
    int in[2], out[2];
    *s = (server){ .pid = 0, .in = -1 };
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return false;
    bool ok = spawn(s, argv, in[0], out[1]);
    (void)close(in[0]), (void)close(out[1]);
    s->in = in[1];
    ok = ok && read_line(s, out[0]);
    (void)close(out[0]);
    if (!ok)
        server_stop(s);
    return ok;
}

void server_stop(server *s)
{
    if (s->in >= 0)
        (void)close(s->in);
    while (s->pid > 0 && waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    *s = (server){ .pid = 0, .in = -1 };
}

bool server_has(const char *program)
{
    char path[512];
    const char *dirs = getenv("PATH");
    for (const char *d = dirs ? dirs : ""; *d;) {
        size_t len = strcspn(d, ":");
        (void)snprintf(path, sizeof path, "%.*s/%s", (int)len, d, program);
        if (len > 0 && access(path, X_OK) == 0)
            return true;
        d += len + (d[len] == ':');
    }
    (void)snprintf(path, sizeof path, "/usr/sbin/%s", program);
    return access(path, X_OK) == 0;
}
