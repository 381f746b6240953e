/* Shared by the tests of this folder: processes, the inspector, expectations. */
#include "fault.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 1200 };

static const char *program(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);

    while (n > 0 && path[n - 1] != '/')
        n--;
    (void)snprintf(path + n, sizeof path - (size_t)n, "fault_main");
    return path;
}

static _Noreturn void become(const char *const *args, const char *const *env)
{
    char *argv[16] = { NULL };
    size_t n = 1;

    argv[0] = (char *)(uintptr_t)program();
    for (; n < 15 && args[n - 1]; n++)
        argv[n] = (char *)(uintptr_t)args[n - 1];
    for (; env && *env; env++)
        (void)putenv((char *)(uintptr_t)*env); /* the process is replaced at once */
    execv(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

pid_t fault_start(const char *const *args, const char *const *env)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(args, env);
    REQUIRE(pid > 0);
    return pid;
}

bool fault_run(const char *const *args, const char *const *env)
{
    int status = -1;
    pid_t pid = fault_start(args, env);

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the inspector -------------------------------------------------------------------------------- */

bool fault_inspector_start(fault_inspector *i, const char *const *env)
{
    static const char *const args[] = { "inspect", NULL };
    int in[2], out[2];

    if (pipe(in) != 0 || pipe(out) != 0)
        return false;
    fflush(NULL);
    i->pid = fork();
    if (i->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        become(args, env);
    }
    close(in[0]), close(out[1]);
    i->in = in[1], i->out = out[0];
    return i->pid > 0;
}

void fault_inspector_stop(fault_inspector *i)
{
    close(i->in), close(i->out);
    if (i->pid > 0)
        waitpid(i->pid, NULL, 0);
    i->pid = 0;
}

static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && read(fd, line + len, 1) == 1) {
        if (line[len] == '\n') {
            line[len] = 0;
            return true;
        }
        len++;
    }
    return false;
}

const char *fault_inspect(fault_inspector *i, const char *const *env, const char *dir,
                          const char *expected, const char *more)
{
    static char line[LINE];
    char command[14000];
    int n = snprintf(command, sizeof command, "%s %s%s%s\n", dir, expected, more ? " " : "",
                     more ? more : "");

    signal(SIGPIPE, SIG_IGN);
    if (n > 0 && write(i->in, command, (size_t)n) == n && read_line(i->out, line, sizeof line))
        return strcmp(line, "ok") == 0 ? NULL : line;
    int status = 0;
    close(i->in), close(i->out);
    waitpid(i->pid, &status, 0);
    (void)snprintf(line, sizeof line, "the inspector died of %s %d",
                   WIFSIGNALED(status) ? "signal" : "code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    REQUIRE(fault_inspector_start(i, env));
    return line;
}

/* ---- expectations ------------------------------------------------------------------------------------ */

typedef struct said {
    char id[40];
    long long low, high;
} said;

static int by_id(const void *a, const void *b)
{
    return strcmp(((const said *)a)->id, ((const said *)b)->id);
}

size_t fault_expect(const char *acks, size_t len, const char *expected)
{
    size_t count = 0, cap = 0, records = 0;
    said *all = NULL;
    char line[256], id[40];
    long long n;
    FILE *f = fopen(expected, "w");

    REQUIRE(f != NULL);
    for (size_t at = 0, stop; at < len; at = stop + 1) {
        for (stop = at; stop < len && acks[stop] != '\n';)
            stop++;
        if (stop == len || stop - at >= sizeof line)
            break; /* a line that was cut was not said */
        memcpy(line, acks + at, stop - at);
        line[stop - at] = 0;
        if (line[0] == 'p' && stop - at == 2 + 36 + 1 + 36)
            fprintf(f, "%s\n", line);
        if ((line[0] != 'a' && line[0] != 'c') || sscanf(line + 1, "%39s %lld", id, &n) != 2 ||
            strlen(id) != 36) /* part of a line: its writer was killed */
            continue;
        if (count == cap) {
            cap = cap * 2 + 256;
            all = realloc(all, cap * sizeof *all);
            REQUIRE(all != NULL);
        }
        memcpy(all[count].id, id, sizeof id);
        all[count].low = line[0] == 'c' ? n : 0;
        all[count++].high = n;
    }
    if (count)
        qsort(all, count, sizeof *all, by_id);
    for (size_t i = 0, j; i < count; i = j, records++) {
        for (j = i + 1; j < count && by_id(&all[i], &all[j]) == 0; j++) {
            all[i].low = all[j].low > all[i].low ? all[j].low : all[i].low;
            all[i].high = all[j].high > all[i].high ? all[j].high : all[i].high;
        }
        fprintf(f, "e %s %lld %lld\n", all[i].id, all[i].low, all[i].high);
    }
    free(all);
    REQUIRE(fclose(f) == 0);
    return records;
}

size_t fault_read(const char *path, char **text, size_t len)
{
    struct stat st;
    size_t size = stat(path, &st) == 0 ? (size_t)st.st_size : 0, got = 0;
    FILE *f = fopen(path, "r");

    *text = realloc(*text, len + size + 1);
    REQUIRE(*text != NULL);
    if (f) {
        got = fread(*text + len, 1, size, f);
        fclose(f);
    }
    return len + got;
}

size_t fault_count(const char *variable, size_t otherwise)
{
    const char *text = getenv(variable);
    unsigned long n = text ? strtoul(text, NULL, 10) : 0;

    return n ? n : otherwise;
}

void fault_needs_program(void)
{
    if (access(program(), X_OK) != 0)
        test_skip("fault_main is not built");
}

bool fault_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    return false;
#endif
}
