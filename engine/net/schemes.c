/* schemes: which transport serves a scheme. The built-in ones are a table that nobody changes; those of hosts and scripts are a list with a lock, one of the two
 * things that all threads of a process share. A transport may be taken away while places of it are open (a script's Lua state ends), so each is
 * counted: it is freed when it is gone and its last place closed. Called by place.c. */
#include "net/net_impl.h"
#include <pthread.h>
#include <stdatomic.h>

struct net_scheme {
    prophet_transport t;
    char name[32];
    net_scheme *next;
    unsigned uses; /* open places; under the lock */
    bool builtin;  /* in the table: never freed */
    atomic_bool gone;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static net_scheme *added; /* by hosts and scripts */

/* ---- built in -------------------------------------------------------------------------------------------------- */

#define ROW_HERE(scheme, name) { scheme, &ph_net_##name },
static const struct builtin {
    const char *scheme;
    const prophet_transport *transport;
} builtins[] = { PH_NET_TRANSPORTS(ROW_HERE) };
#define BUILTINS (sizeof builtins / sizeof *builtins)

static const struct builtin *find_builtin(const char *scheme)
{
    for (size_t i = 0; i < BUILTINS; i++)
        if (strcmp(builtins[i].scheme, scheme) == 0)
            return &builtins[i];
    return NULL;
}

/* ---- added ------------------------------------------------------------------------------------------------------ */

/* Where the pointer to it is; the list's end if there is none. Under the lock. */
static net_scheme **find_added(const char *scheme)
{
    net_scheme **at = &added;
    while (*at && strcmp((*at)->name, scheme) != 0)
        at = &(*at)->next;
    return at;
}

static void drop(net_scheme *s)
{
    if (s->t.drop)
        s->t.drop(s->t.ctx);
    ph_free(s);
}

static prophet_code take_away(const char *scheme, prophet_error *err)
{
    (void)pthread_mutex_lock(&lock);
    net_scheme **at = find_added(scheme), *s = *at;
    bool unused = s && s->uses == 0;
    if (s) {
        *at = s->next;
        atomic_store(&s->gone, true);
    }
    (void)pthread_mutex_unlock(&lock);
    if (unused)
        drop(s);
    return s ? PROPHET_OK : ph_fail(err, PROPHET_ENOTFOUND, "no transport %s was added", scheme);
}

static bool is_scheme(const char *scheme)
{
    char url[40], found[32];
    int n = snprintf(url, sizeof url, "%s:", scheme);
    return n > 0 && (size_t)n < sizeof url && ph_net_is_url(url, found) &&
           strcmp(found, scheme) == 0;
}

prophet_code ph_net_add(const prophet_transport *t, prophet_error *err)
{
    if (t->size < sizeof *t)
        return ph_fail(err, PROPHET_EUSAGE, "a transport needs its size");
    if (!t->scheme || !is_scheme(t->scheme)) {
        prophet_code rc =
            ph_fail(err, PROPHET_EUSAGE, "\"%.40s\" is no scheme", t->scheme ? t->scheme : "");
        ph_hint(
            err,
            "1 to 31 lower-case letters, digits, \"+\", \".\" and \"-\", beginning with a letter");
        return rc;
    }
    if (find_builtin(t->scheme))
        return ph_fail(err, PROPHET_EEXISTS, "the transport %s is built in", t->scheme);
    if (!t->open)
        return take_away(t->scheme, err);
    if (!t->get)
        return ph_fail(err, PROPHET_EUSAGE, "the transport %s has no get", t->scheme);

    net_scheme *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    s->t = *t;
    (void)snprintf(s->name, sizeof s->name, "%s", t->scheme);
    s->t.scheme = s->name;
    (void)pthread_mutex_lock(&lock);
    net_scheme **at = find_added(s->name);
    bool taken = *at != NULL;
    if (!taken)
        *at = s;
    (void)pthread_mutex_unlock(&lock);
    if (!taken)
        return PROPHET_OK;
    ph_free(s);
    return ph_fail(err, PROPHET_EEXISTS, "there is a transport %s already", t->scheme);
}

/* ---- use ---------------------------------------------------------------------------------------------------------- */

static prophet_code unknown(const char *scheme, const char *url, prophet_error *err)
{
    const char *names[BUILTINS];
    char guess[512];
    for (size_t i = 0; i < BUILTINS; i++)
        names[i] = builtins[i].scheme;
    const char *near = ph_closest(scheme, names, BUILTINS);
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "no transport for %s:", scheme);
    if (ph_net_guess(url, guess, sizeof guess)) /* "localhost:7733" */
        ph_hint(err, "did you mean %s ?", guess);
    else if (near)
        ph_hint(err, "did you mean %s: ?", near);
    else
        ph_hint(err, "there are file, http, https, ssh, dav, davs, s3, rsync and rsync+ssh; "
                     "prophet.transport{} adds others");
    return rc;
}

/* Built-in ones get an entry of their own for each place, so that all are released alike. */
static prophet_code hold_builtin(const struct builtin *b, net_scheme **out, prophet_error *err)
{
    net_scheme *s = ph_zalloc(sizeof *s);
    if (!s)
        return ph_nomem(err);
    s->t = *b->transport;
    s->builtin = true;
    *out = s;
    return PROPHET_OK;
}

prophet_code net_scheme_find(const char *scheme, const char *url, net_scheme **out,
                             prophet_error *err)
{
    const struct builtin *b = find_builtin(scheme);
    if (b)
        return hold_builtin(b, out, err);
    (void)pthread_mutex_lock(&lock);
    net_scheme *s = *find_added(scheme);
    if (s)
        s->uses++;
    (void)pthread_mutex_unlock(&lock);
    if (!s)
        return unknown(scheme, url, err);
    *out = s;
    return PROPHET_OK;
}

void net_scheme_release(net_scheme *s)
{
    if (!s)
        return;
    if (s->builtin) {
        ph_free(s);
        return;
    }
    (void)pthread_mutex_lock(&lock);
    bool last = --s->uses == 0 && atomic_load(&s->gone);
    (void)pthread_mutex_unlock(&lock);
    if (last)
        drop(s);
}

prophet_code net_scheme_use(const net_scheme *s, const prophet_transport **out, prophet_error *err)
{
    if (atomic_load(&s->gone))
        return ph_fail(err, PROPHET_EUSAGE, "the transport %s was taken away", s->name);
    *out = &s->t;
    return PROPHET_OK;
}

/* ---- URLs before they are opened ---------------------------------------------------------------------------------------- */

/* Opening tells, but not for S3: there the environment has a say as well. */
prophet_code ph_net_check_url(const char *url, prophet_error *err)
{
    static const char *const opened[] = { "file", "http",  "https",    "dav",
                                          "davs", "rsync", "rsync+ssh" };
    char scheme[32], path[PH_PATH_MAX];
    prophet_error why;
    net_url parts;
    ph_net *n = NULL;
    prophet_code rc = PROPHET_OK;
    if (!ph_net_is_url(url, scheme))
        return PROPHET_OK;
    if (strcmp(scheme, "ssh") == 0)
        return ph_pipe_ssh_path(url, path, sizeof path, err);
    if (strcmp(scheme, "s3") == 0)
        return net_url_parse(url, &parts, err);
    for (size_t i = 0; i < sizeof opened / sizeof *opened && !n; i++)
        if (strcmp(scheme, opened[i]) == 0)
            rc = ph_net_open(url, NULL, &n, &why);
    ph_net_close(n);
    if (rc == PROPHET_EUSAGE && err)
        *err = why;
    return rc == PROPHET_EUSAGE ? rc : PROPHET_OK;
}
