/* Exchange with a live peer over loopback HTTP, through prophet.h. The peer is another process: `prophet serve`, or this program where a resolver in C
 * has to vote over there. Requests and bytes are counted by a proxy between the two. Called by main.c. */
#include "bench.h"
#include <arpa/inet.h>
#include <poll.h>
#include <prophet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TOKEN "bench"

static prophet_error err;

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s: %s %s", what, prophet_code_name(rc), err.message, err.hint);
}
#define MUST(call) must((call), #call)

static size_t number(const prophet_doc *d, const char *name)
{
    prophet_value v;

    if (!prophet_doc_get(d, name, &v) || v.kind != PROPHET_INT)
        bench_die("a report has no %s", name);
    return (size_t)v.as.integer;
}

static prophet_db *open_db(const char *path, bool durable)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.user = "ann@example.org";
    o.durability = durable ? PROPHET_FULL : PROPHET_RELAXED;
    o.voting = PROPHET_EAGER; /* where resolvers are: each side's vote, also when they agree */
    MUST(prophet_open(path, &o, &db, &err));
    return db;
}

/* ---- the other process ---------------------------------------------------------------------------------------- */

/* argv[0] prints its URL first, and ends when its input does or by SIGTERM. */
static void start(bench_server *s, char *const argv[])
{
    int out[2];
    char line[256] = "";

    fflush(NULL);
    if (pipe(out) != 0)
        bench_die("no pipe");
    if ((s->pid = fork()) == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]), close(out[1]);
        execv(argv[0], argv);
        bench_die("%s cannot be run", argv[0]);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    if (s->pid < 0 || !f || !fgets(line, sizeof line, f))
        bench_die("%s does not serve", argv[0]);
    fclose(f);
    const char *url = strstr(line, "http://");
    if (!url || sscanf(url, "%63[^\n ]", s->url) != 1)
        bench_die("%s tells no URL: %s", argv[0], line);
}

void bench_serve(bench_server *s, const char *program, const char *dir)
{
    char path[4096], at[4096], db[] = "--db", serve[] = "serve", listen[] = "--listen",
                               address[] = "127.0.0.1:0", quiet[] = "--quiet";
    const char *slash = strrchr(program, '/');
    char *argv[] = { path, db, at, serve, listen, address, quiet, NULL };

    (void)snprintf(at, sizeof at, "%s", dir);
    (void)snprintf(path, sizeof path, "%.*sprophet", slash ? (int)(slash - program + 1) : 0,
                   program);
    start(s, argv);
}

void bench_serve_end(bench_server *s)
{
    int status = 0;

    kill(s->pid, SIGTERM);
    if (waitpid(s->pid, &status, 0) < 0)
        bench_die("a server is lost");
}

/* ---- a proxy that counts ------------------------------------------------------------------------------------------ */

typedef struct proxy {
    int listener, port, to; /* to: the server's port */
    pthread_t thread;
    size_t requests, bytes;
} proxy;

static int loopback(int port, bool listens, int *got)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 ||
        (listens ? bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 8) != 0 ||
                       getsockname(fd, (struct sockaddr *)&at, &len) != 0
                 : connect(fd, (struct sockaddr *)&at, sizeof at) != 0))
        bench_die("no socket");
    if (got)
        *got = ntohs(at.sin_port);
    return fd;
}

/* false: that side has ended. Requests have no pipelining: each starts a piece. */
static bool carry(proxy *p, int from, int to, bool asks)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof bytes);

    if (n <= 0)
        return false;
    p->bytes += (size_t)n;
    p->requests += asks && (memcmp(bytes, "GET ", 4) == 0 || memcmp(bytes, "POST", 4) == 0);
    return write(to, bytes, (size_t)n) == n;
}

static void *run_proxy(void *ctx)
{
    proxy *p = ctx;

    for (int client; (client = accept(p->listener, NULL, NULL)) >= 0;) {
        int server = loopback(p->to, false, NULL);
        struct pollfd fds[] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };
        bool open = true;
        while (open && poll(fds, 2, -1) > 0) {
            if (fds[0].revents)
                open = carry(p, client, server, true);
            if (open && fds[1].revents)
                open = carry(p, server, client, false);
        }
        close(client), close(server);
    }
    return NULL;
}

static void proxy_begin(proxy *p, const char *url)
{
    *p = (proxy){ .to = (int)strtol(strrchr(url, ':') + 1, NULL, 10) };
    p->listener = loopback(0, true, &p->port);
    if (pthread_create(&p->thread, NULL, run_proxy, p) != 0)
        bench_die("no thread");
}

static void proxy_end(proxy *p)
{
    shutdown(p->listener, SHUT_RDWR); /* ends its accept */
    pthread_join(p->thread, NULL);
    close(p->listener);
}

/* ---- pulls ------------------------------------------------------------------------------------------------------------ */

static double pull(prophet_db *db, const char *url, size_t changesets)
{
    prophet_doc *report = NULL;
    double start_s = bench_now();

    MUST(prophet_pull(db, url, NULL, &report, &err));
    double seconds = bench_now() - start_s;
    if (number(report, "changesets") != changesets)
        bench_die("%zu changesets came, %zu were to", number(report, "changesets"), changesets);
    prophet_doc_free(report);
    return seconds;
}

double ours_live_pull(const char *path, const char *url, size_t changesets)
{
    prophet_db *db = open_db(path, true);

    (void)prophet_pull(db, "http://127.0.0.1:1", NULL, NULL, &err); /* loads libcurl, asks nobody */
    double seconds = pull(db, url, changesets);
    prophet_close(db);
    return seconds;
}

double ours_live_same(const char *path, const bench_server *s, size_t *requests, size_t *bytes)
{
    proxy p;
    char url[64];
    prophet_db *db = open_db(path, true);

    (void)pull(db, s->url, 0);
    double seconds = pull(db, s->url, 0);
    proxy_begin(&p, s->url);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", p.port);
    (void)pull(db, url, 0); /* a place it meets for the first time: who that is has to be asked */
    p.requests = p.bytes = 0;
    (void)pull(db, url, 0);
    proxy_end(&p);
    *requests = p.requests;
    *bytes = p.bytes;
    prophet_close(db);
    return seconds;
}

/* ---- both ways, with conflicts -------------------------------------------------------------------------------------------- */

static prophet_value member(prophet_value map, const char *name)
{
    for (size_t i = 0; i < map.as.map.count; i++) {
        const prophet_field *f = &map.as.map.items[i];
        if (f->name.len == strlen(name) && memcmp(f->name.data, name, f->name.len) == 0)
            return f->value;
    }
    bench_die("a candidate has no %s", name);
}

static prophet_code first_of(void *ctx, const prophet_doc *conflict, prophet_ballot *b,
                             prophet_error *e)
{
    prophet_value candidates, value;

    (void)ctx;
    if (!prophet_doc_get(conflict, "candidates", &candidates) || candidates.kind != PROPHET_LIST ||
        candidates.as.list.count == 0)
        bench_die("a conflict has no candidates");
    value = member(candidates.as.list.items[0], "value");
    return prophet_ballot_cast(b, PROPHET_VOTE, value, "the first", e);
}

static void add_resolver(prophet_db *db)
{
    static const char *const on[] = { "*" };
    const prophet_policy p = { .size = sizeof p,
                               .name = "first",
                               .on = on,
                               .on_count = 1,
                               .source = { { 1 } },
                               .fn = first_of };
    MUST(prophet_policy_set(db, &p, &err));
}

int ours_serve_main(const char *path)
{
    static const prophet_serve_token token = { TOKEN, true };
    prophet_serve o = PROPHET_SERVE_INIT;
    prophet_server *s = NULL;
    prophet_db *db = open_db(path, true);

    add_resolver(db);
    o.listen = "127.0.0.1:0";
    o.tokens = &token;
    o.token_count = 1;
    MUST(prophet_server_open(db, &o, &s, &err));
    printf("%s\n", prophet_server_url(s));
    fflush(stdout);
    for (;;) {
        MUST(prophet_server_wait(s, db, -1, &err));
        MUST(prophet_poll(db, NULL, &err));
    }
}

/* Pull, vote, push; then whatever comes, until what the other side's resolver said is here. */
static double sync_all(prophet_db *db, const char *url, size_t each, size_t *votes)
{
    prophet_net_options net = PROPHET_NET_OPTIONS_INIT;
    prophet_exchange x = PROPHET_EXCHANGE_INIT;
    prophet_doc *report = NULL;
    prophet_value half;
    const struct timespec moment = { 0, 1000000 };
    double start_s = bench_now();

    net.token = TOKEN;
    x.net = &net;
    MUST(prophet_sync(db, url, &x, &report, &err));
    if (!prophet_doc_get(report, "pull", &half) ||
        member(half, "changesets").as.integer != (int64_t)each ||
        member(half, "conflicts").as.integer != (int64_t)(each / 10))
        bench_die("a sync did not bring what it should");
    *votes = (size_t)member(half, "votes").as.integer;
    prophet_doc_free(report);
    for (size_t more = 0; more == 0;) {
        MUST(prophet_pull(db, url, &x, &report, &err));
        more = number(report, "changesets");
        prophet_doc_free(report);
        if (bench_now() - start_s > 60)
            bench_die("the other side does not vote");
        if (more == 0)
            (void)nanosleep(&moment, NULL); /* the other side needs a processor too */
    }
    return bench_now() - start_s;
}

double ours_live_conflicts(const char *program, size_t each, int round, size_t *votes)
{
    char self[4096], flag[] = "--serve", here[4096], there[4096];
    char *argv[] = { self, flag, there, NULL };
    prophet_db *db = NULL;
    bench_server s;

    (void)snprintf(self, sizeof self, "%s", program);
    (void)snprintf(here, sizeof here, "%s", bench_path("conflicts-here", round));
    (void)snprintf(there, sizeof there, "%s", bench_path("conflicts-there", round));
    ours_filled(here, 2 * each);
    MUST(prophet_clone(here, there, NULL, &db, NULL, &err));
    ours_edit(db, each - each / 10, each, 1000);
    prophet_close(db);
    db = open_db(here, false);
    ours_edit(db, 0, each, 2000);
    prophet_close(db);
    start(&s, argv);
    db = open_db(here, true);
    add_resolver(db);
    (void)prophet_pull(db, "http://127.0.0.1:1", NULL, NULL, &err); /* loads libcurl, asks nobody */
    double seconds = sync_all(db, s.url, each, votes);
    prophet_close(db);
    bench_serve_end(&s);
    bench_remove(here);
    bench_remove(there);
    return seconds;
}
