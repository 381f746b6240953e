/* rsync_run: the program rsync: how it is started, what its end means. It gets an argument vector and an environment in which it asks nobody anything; a password goes by
 * the environment, which other users cannot see. Called by rsync.c. */
#include "net/rsync_impl.h"
#include "net/pipe_impl.h"
#include <sys/stat.h>

#define SAID_MAX \
    230u /* the end of what it printed, for a message: reasons come last, banners first */
#define LINE_LEN  4096u
#define LEAVE_OUT "RSYNC_PASSWORD=", "RSYNC_RSH=", "RSYNC_OLD_ARGS=", "LC_ALL=", "LANGUAGE="

extern char **environ;

typedef struct running {
    const rsync_place *p;
    const rsync_call *c;
    ph_pipe *pipe;
    prophet_net_options options; /* the caller's, with our own look at what grows */
    char line[LINE_LEN], said[SAID_MAX + 1];
    size_t line_len;
    bool absent, full, readonly, denied; /* what its lines tell of the reason */
    int status;
} running;

/* ---- starting ------------------------------------------------------------------------------------------------------- */

static bool is_left_out(const char *variable, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Ours, in a language that is known, and with a password: an empty one makes a server refuse where rsync would ask at the terminal. */
static char **environment(const rsync_place *p)
{
    static const char *const all[] = { LEAVE_OUT, "RSYNC_PROXY=" };
    static char locale[] = "LC_ALL=C";
    bool own = p->password[0] != 0, direct = p->options->proxy && !p->options->proxy[0];
    size_t n = 0, out = 0, skip = sizeof all / sizeof *all - (direct ? 0 : 1);
    while (environ[n])
        n++;
    char **env = ph_alloc((n + 3) * sizeof *env);
    if (!env)
        return NULL;
    env[out++] = locale;
    env[out++] = (char *)p->password;
    bool given = false;
    for (size_t i = 0; i < n; i++) {
        bool password = strncmp(environ[i], "RSYNC_PASSWORD=", 15) == 0;
        if (password && !own) {
            env[1] = environ[i];
            given = true;
        } else if (!is_left_out(environ[i], all, skip)) {
            env[out++] = environ[i];
        }
    }
    if (!own && !given) {
        static char none[] = "RSYNC_PASSWORD=";
        env[1] = none;
    }
    env[out] = NULL;
    return env;
}

static prophet_code start(running *r, prophet_error *err)
{
    const char *argv[RSYNC_ARGS_MAX + 12];
    char timeout[32], connect[32];
    const prophet_net_options *o = r->p->options;
    size_t n = 0;

    (void)snprintf(timeout, sizeof timeout, "--timeout=%u", o->stall_ms / 1000 + 1);
    (void)snprintf(connect, sizeof connect, "--contimeout=%u", o->connect_ms / 1000 + 1);
    argv[n++] = "rsync";
    argv[n++] = "--protect-args"; /* no shell at the far end sees a name */
    argv[n++] = "--no-motd";
    argv[n++] = timeout;
    if (r->p->ssh) {
        argv[n++] = "-e";
        argv[n++] = r->p->shell;
    } else {
        argv[n++] = connect;
        argv[n++] = "--sockopts=TCP_NODELAY"; /* else each run waits twice for an acknowledgement */
    }
    for (size_t i = 0; r->c->args[i]; i++)
        argv[n++] = r->c->args[i];
    argv[n] = NULL;
    char **env = environment(r->p);
    if (!env)
        return ph_nomem(err);
    prophet_code rc = net_pipe_open(argv, env, true, &r->pipe, err);
    ph_free(env);
    if (rc == PROPHET_ENOTFOUND)
        ph_hint(err, "install rsync");
    return rc;
}

/* ---- meanwhile -------------------------------------------------------------------------------------------------------- */

static prophet_code on_tick(void *ctx, const char *stage, uint64_t done, uint64_t total,
                            prophet_error *err)
{
    const running *r = ctx;
    struct stat st;
    (void)stage;
    if (r->c->growing && stat(r->c->growing, &st) == 0) {
        done = (uint64_t)st.st_size;
        if (r->c->most && done > r->c->most)
            return ph_fail(err, PROPHET_EREMOTE, "longer than %llu bytes",
                           (unsigned long long)r->c->most);
    }
    return net_tick(r->p->options, r->c->stage, done, total, err);
}

/* The numbers are those of errno at the far end; the words depend on its language. */
static void look_for_reasons(running *r, const char *line)
{
    r->denied |= strstr(line, "auth failed") != NULL;
    r->readonly |= strstr(line, "read only") != NULL;
    r->absent |= strncmp(line, "file has vanished", 17) == 0;
    if (strncmp(line, "rsync: ", 7) != 0)
        return;
    r->absent |= strstr(line, "(2)") != NULL;
    r->full |= strstr(line, "(28)") || strstr(line, "(122)");
    r->readonly |= strstr(line, "(30)") != NULL;
}

/* A line behind those before it; the oldest bytes make room. */
static void remember(running *r, const char *line)
{
    char all[SAID_MAX + LINE_LEN + 3];
    int n = snprintf(all, sizeof all, "%s%s%s", r->said, r->said[0] ? "; " : "", line);
    size_t len = n < 0 ? 0 : (size_t)n, from = len > SAID_MAX ? len - SAID_MAX : 0;
    if (from > 0)
        all[from] = all[from + 1] = '.';
    memcpy(r->said, all + from, len - from + 1);
}

static prophet_code end_line(running *r, prophet_error *err)
{
    prophet_code rc = PROPHET_DONE;
    while (r->line_len > 0 && r->line[r->line_len - 1] == ' ')
        r->line_len--;
    r->line[r->line_len] = 0;
    r->line_len = 0;
    if (r->c->each && (rc = r->c->each(r->c->ctx, r->line, err)) != PROPHET_DONE)
        return rc;
    look_for_reasons(r, r->line);
    if (r->line[0] && strncmp(r->line, "rsync error: ", 13) != 0) /* the status in words */
        remember(r, r->line);
    return PROPHET_OK;
}

static prophet_code take(running *r, const char *bytes, size_t len, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < len && rc >= 0; i++) {
        char c = bytes[i];
        if (c == '\n')
            rc = end_line(r, err);
        else if (r->line_len < sizeof r->line - 1)
            r->line[r->line_len++] = c == '\r' || c == '\t' ? ' ' : c >= ' ' && c < 127 ? c : '?';
    }
    return rc;
}

/* ---- what its end means -------------------------------------------------------------------------------------------------- */

static prophet_code code_of(const running *r)
{
    switch (r->status) {
    case 3:
    case 11:
    case 23:
    case 24:
        if (r->absent || (r->status == 11 && r->c->makes && !r->said[0]))
            return PROPHET_DONE;
        return r->full ? PROPHET_EFULL : r->readonly ? PROPHET_EREADONLY : PROPHET_EREMOTE;
    case 10:
    case 35:
    case 255: /* nobody there, or ssh fails */
    case 12:
    case 30: return PROPHET_ENETWORK;
    default: return r->readonly ? PROPHET_EREADONLY : PROPHET_EREMOTE;
    }
}

static prophet_code judge(const running *r, bool *temporary, prophet_error *err)
{
    *temporary = r->status == 12 || r->status == 30;
    if (r->status == 0)
        return PROPHET_OK;
    if (r->status < 0)
        return ph_fail(err, PROPHET_EREMOTE,
                       "how rsync ended is not known: this program ignores SIGCHLD");
    prophet_code code = code_of(r);
    if (code == PROPHET_DONE)
        return code;
    (void)ph_fail(err, code, "rsync ends with %d%s%s", r->status,
                  r->said[0] ? ": " : " and does not say why", r->said);
    if (r->denied)
        ph_hint(err, "the token is the password of the user in the URL");
    return code;
}

static prophet_code run_once(rsync_place *p, const rsync_call *c, bool *temporary,
                             prophet_error *err)
{
    running r = { .p = p, .c = c, .options = *p->options };
    char buf[4096];
    size_t got;
    prophet_code rc;

    r.options.progress = on_tick;
    r.options.ctx = &r;
    if ((rc = start(&r, err)) < 0)
        return rc;
    while ((rc = ph_pipe_read(r.pipe, buf, sizeof buf, 0, &r.options, &got, err)) == PROPHET_OK)
        if ((rc = take(&r, buf, got, err)) < 0)
            break;
    if (rc >= 0 && r.line_len > 0)
        rc = end_line(&r, err);
    ph_pipe_close(r.pipe, &r.status);
    return rc < 0 ? rc : judge(&r, temporary, err);
}

prophet_code rsync_run(rsync_place *p, const rsync_call *c, prophet_error *err)
{
    for (uint32_t tried = 1;; tried++) {
        bool temporary = false;
        prophet_code rc = run_once(p, c, &temporary, err);
        prophet_code wait = temporary ? net_back_off(p->options, tried, 0, err) : PROPHET_DONE;
        if (wait != PROPHET_OK)
            return wait < 0 ? wait : rc;
    }
}
