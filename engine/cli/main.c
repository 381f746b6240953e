/* main: the program `prophet`, and `prophet-lua`, which is the same file under another name. `prophet lua ..` and prophet-lua run Lua; every
 * other command is a Lua module (lua/prophet/cli). Reads options, answers SIGINT and SIGTERM, leaves the rest to script. */
#include "script/script.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static script_program *running; /* for the signal handler alone */

#define PATIENCE_MS \
    500 /* a second signal after this ends the program; one before is the same key, heard twice */

static void on_sigint(int signal_number)
{
    static struct timespec first;
    struct timespec now;
    int kept = errno;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (first.tv_sec == 0)
        first = now;
    if (running)
        script_program_interrupt(running);
    if ((now.tv_sec - first.tv_sec) * 1000 + (now.tv_nsec - first.tv_nsec) / 1000000 >=
        PATIENCE_MS) {
        (void)signal(signal_number, SIG_DFL);
        (void)raise(signal_number);
    }
    errno = kept;
}

typedef struct options {
    script_program_options program;
    const char *code[64]; /* -e, in order */
    int code_count;
    bool interactive, version;
    int script; /* its place in args; == count: none */
} options;

static void show_usage(FILE *to)
{
    (void)fprintf(to, "usage: prophet-lua [-e CODE] [-i] [-v] [--db DIR] [--json] [--sandbox] "
                      "[--max-instructions N]\n"
                      "                   [--max-memory N[k|M|G]] [--timeout SECONDS] "
                      "[SCRIPT | -] [ARGUMENTS]\n");
}

static int usage(const options *o, const char *what, const char *given)
{
    prophet_error err;
    (void)ph_fail(&err, PROPHET_EUSAGE, "%s%s", what, given);
    script_report("prophet-lua", &err, o->program.json);
    if (!o->program.json)
        show_usage(stderr);
    return 2;
}

/* A count with k, M or G behind it; false: it is none. */
static bool read_count(const char *text, uint64_t *out)
{
    static const char suffixes[] = "kMG";
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || text[0] == '-' || n == 0)
        return false;
    if (*end && end[1] == '\0' && strchr(suffixes, *end)) {
        int shift = 10 * (int)(strchr(suffixes, *end) - suffixes + 1);
        if (n > UINT64_MAX >> shift)
            return false;
        n <<= shift;
        end++;
    }
    *out = n;
    return *end == '\0';
}

static bool read_seconds(const char *text, uint32_t *milliseconds)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || *end || !(s > 0 && s < 4000000))
        return false;
    *milliseconds = (uint32_t)(s * 1000 + 0.5);
    return *milliseconds > 0;
}

/* Options that take a value; 0: done, else the exit status. */
static int read_valued(options *o, const char *name, const char *value)
{
    uint64_t n;
    if (strcmp(name, "-e") == 0) {
        if (o->code_count == 64)
            return usage(o, "too many -e", "");
        o->code[o->code_count++] = value;
    } else if (strcmp(name, "--db") == 0) {
        o->program.database = value;
    } else if (strcmp(name, "--max-instructions") == 0) {
        if (!read_count(value, &o->program.instructions))
            return usage(o, "--max-instructions wants a count, not ", value);
    } else if (strcmp(name, "--max-memory") == 0) {
        if (!read_count(value, &n))
            return usage(o, "--max-memory wants bytes, not ", value);
        o->program.memory = n;
    } else if (strcmp(name, "--timeout") == 0) {
        if (!read_seconds(value, &o->program.milliseconds))
            return usage(o, "--timeout wants seconds, not ", value);
    } else {
        return usage(o, "no option ", name);
    }
    return 0;
}

static bool takes_value(const char *name)
{
    static const char *const names[] = { "-e", "--db", "--max-instructions", "--max-memory",
                                         "--timeout" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int read_options(options *o, char **args, int count)
{
    int i = 1;
    for (; i < count && args[i][0] == '-' && args[i][1]; i++) {
        const char *name = args[i];
        if (strcmp(name, "--") == 0) {
            i++;
            break;
        }
        if (strcmp(name, "-i") == 0) {
            o->interactive = true;
        } else if (strcmp(name, "-v") == 0 || strcmp(name, "--version") == 0) {
            o->version = true;
        } else if (strcmp(name, "--sandbox") == 0) {
            o->program.sandbox = true;
        } else if (strcmp(name, "--json") == 0) {
            o->program.json = true;
        } else if (strcmp(name, "--quiet") == 0 || strcmp(name, "-q") == 0) {
            continue; /* as with every command; nothing is remarked */
        } else {
            const char *equals = strncmp(name, "--", 2) == 0 ? strchr(name, '=') : NULL;
            char short_name[32] = "";
            if (equals && (size_t)(equals - name) < sizeof short_name)
                memcpy(short_name, name, (size_t)(equals - name));
            if (!equals && ++i >= count)
                return usage(o, takes_value(name) ? "a value is missing after " : "no option ",
                             name);
            int status = read_valued(o, equals ? short_name : name, equals ? equals + 1 : args[i]);
            if (status)
                return status;
        }
    }
    o->script = i;
    return 0;
}

static int run_all(const options *o, char **args, int count)
{
    int status = 0;
    bool did = o->version;
    for (int i = 0; i < o->code_count && status == 0; i++) {
        status = script_program_text(running, o->code[i]);
        did = true;
    }
    if (status == 0 && o->script < count) {
        status = script_program_file(running, args[o->script]);
        did = true;
    }
    if (status == 0 && !did && !o->interactive && !isatty(0))
        return script_program_file(running, "-"); /* a file, not lines of their own, as lua does */
    if (status == 0 && (o->interactive || !did))
        status = script_program_repl(running);
    return status;
}

static int start(const script_program_options *o, char **args, int count, int script)
{
    prophet_error err = { 0 };
    if (script_program_new(o, args, count, script, &running, &err) < 0) {
        script_report("prophet", &err, o->json);
        return script_exit_status(err.code);
    }
    (void)signal(SIGINT, on_sigint);
    (void)signal(SIGTERM, on_sigint);
    (void)signal(SIGCHLD,
                 SIG_DFL); /* ignored, as some starters leave it, nobody learns how rsync ended */
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error and no end */
    return 0;
}

static int finish(int status)
{
    script_program *p = running;
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    running = NULL;
    script_program_free(p);
    /* what Lua flushed before, and could not write, shows in ferror only */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        (void)fputs("prophet: io: standard output could not be written\n", stderr);
        status = 13;
    }
    return status;
}

/* args[0] is "prophet-lua", or the word `lua` of the command. */
static int run_lua(char **args, int count)
{
    options o = { 0 };
    if (count == 2 && (strcmp(args[1], "--help") == 0 || strcmp(args[1], "-h") == 0)) {
        show_usage(stdout);
        return 0;
    }
    int status = read_options(&o, args, count);
    if (status)
        return status;
    if (o.version)
        (void)printf("prophet %s\n", prophet_version());
    o.program.find = true;
    status = start(&o.program, args, count, o.script < count ? o.script : 0);
    return status ? status : finish(run_all(&o, args, count));
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* `prophet --db DIR --json lua ..` is `prophet lua --db DIR --json ..`: options before a command belong to it. */
static bool find_lua(char **args, int count)
{
    static const char *const valued[] = { "--db", "--format", "--at" };
    int at = 1;
    for (; at < count && args[at][0] == '-' && args[at][1] && strcmp(args[at], "--") != 0; at++)
        for (size_t i = 0; i < sizeof valued / sizeof *valued; i++)
            if (strcmp(args[at], valued[i]) == 0) {
                at++;
                break;
            }
    if (at >= count || strcmp(args[at], "lua") != 0)
        return false;
    char *word = args[at];
    memmove(args + 2, args + 1, (size_t)(at - 1) * sizeof *args);
    args[1] = word;
    return true;
}

int main(int argc, char **argv)
{
    ph_std_hold();
    if (argc > 0 && ends_with(argv[0], "prophet-lua"))
        return run_lua(argv, argc);
    if (find_lua(argv, argc))
        return run_lua(argv + 1, argc - 1);
    script_program_options o = { 0 };
    int status = start(&o, argv, argc, 0);
    return status ? status : finish(script_program_command(running));
}
