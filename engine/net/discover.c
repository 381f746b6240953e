/* discover: who serves nearby, by DNS-SD: a server tells the local network of itself, others ask for such. avahi's daemon does the multicasting; libavahi-client is loaded when
 * it is first needed, and what was built without its headers has no discovery. What comes from the network is hostile: nothing is taken but addresses in numbers, ports,
 * and texts of hex digits. Called by api/discover.c. */
#include "net/net_impl.h"

#ifndef PH_AVAHI

static prophet_code not_built(prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "this library was built without discovery");
    ph_hint(err, "build it where libavahi-client-dev is installed");
    return rc;
}

prophet_code ph_net_announce(const ph_net_service *s, ph_announce **out, prophet_error *err)
{
    (void)s, (void)out;
    return not_built(err);
}

void ph_net_announce_end(ph_announce *a)
{
    (void)a;
}

prophet_code ph_net_discover(uint32_t timeout_ms, const prophet_net_options *o, ph_net_found_fn fn,
                             void *ctx, prophet_error *err)
{
    (void)timeout_ms, (void)o, (void)fn, (void)ctx;
    return not_built(err);
}

#else
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <avahi-common/simple-watch.h>
#include <avahi-common/strlst.h>
#include <avahi-common/thread-watch.h>
#include <pthread.h>
#include <signal.h>

#define SERVICE "_prophet._tcp"
enum { LOOK_MS = 200 };

/* clang-format off */
#define AVAHI_FUNCTIONS(X)                                                                         \
    X(client_new) X(client_free) X(client_get_state) X(client_errno) X(strerror)                   \
    X(entry_group_new) X(entry_group_add_service_strlst) X(entry_group_commit)                     \
    X(entry_group_is_empty) X(entry_group_reset)                                                   \
    X(service_browser_new) X(service_browser_free)                                                 \
    X(service_resolver_new) X(service_resolver_free)                                               \
    X(simple_poll_new) X(simple_poll_get) X(simple_poll_iterate) X(simple_poll_free)               \
    X(threaded_poll_new) X(threaded_poll_get) X(threaded_poll_start) X(threaded_poll_stop)         \
    X(threaded_poll_free)                                                                          \
    X(string_list_add) X(string_list_free) X(address_snprint)
/* clang-format on */

typedef struct avahi_functions {
#define X(name) __typeof__(&avahi_##name) name;
    AVAHI_FUNCTIONS(X)
#undef X
} avahi_functions;

static prophet_code load(const avahi_functions **out, prophet_error *err)
{
    static const net_symbol functions[] = {
#define X(name) { "avahi_" #name, offsetof(avahi_functions, name) },
        AVAHI_FUNCTIONS(X)
#undef X
    };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static avahi_functions loaded;
    static bool done;
    prophet_code rc = PROPHET_OK;
    (void)pthread_mutex_lock(&lock); /* held for a moment, never twice */
    if (!done && (rc = net_load("libavahi-client.so.3", "libavahi-client3", functions,
                                sizeof functions / sizeof *functions, &loaded, err)) >= 0)
        done = true;
    (void)pthread_mutex_unlock(&lock);
    *out = &loaded;
    return rc;
}

static prophet_code no_daemon(const avahi_functions *av, int why, prophet_error *err)
{
    prophet_code rc =
        ph_fail(err, PROPHET_ENETWORK, "avahi does not answer: %s", av->strerror(why));
    ph_hint(err, "its daemon has to run: avahi-daemon");
    return rc;
}

/* ---- announcing --------------------------------------------------------------------------------------------------------- */

struct ph_announce {
    const avahi_functions *av;
    AvahiThreadedPoll *poll;
    AvahiClient *client;
    AvahiEntryGroup *group;
    AvahiStringList *texts;
    char name[64];
    uint16_t port;
};

static void on_group(AvahiEntryGroup *g, AvahiEntryGroupState state, void *ctx)
{
    (void)g, (void)state, (void)ctx; /* a name has this replica in it: nobody else takes it */
}

/* In the thread of the poll, and once before it runs. */
static void on_client(AvahiClient *client, AvahiClientState state, void *ctx)
{
    ph_announce *a = ctx;
    if (state != AVAHI_CLIENT_S_RUNNING) {
        if (state == AVAHI_CLIENT_CONNECTING)
            a->group = NULL; /* went with the daemon; it is told again when that is back */
        else if (a->group && state != AVAHI_CLIENT_FAILURE)
            (void)a->av->entry_group_reset(a->group);
        return;
    }
    if (!a->group && !(a->group = a->av->entry_group_new(client, on_group, a)))
        return;
    if (a->av->entry_group_is_empty(a->group) &&
        a->av->entry_group_add_service_strlst(a->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0,
                                              a->name, SERVICE, NULL, NULL, a->port, a->texts) == 0)
        (void)a->av->entry_group_commit(a->group); /* what it cannot tell is not told */
}

static bool add_text(ph_announce *a, const char *key, const char *value)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%s=%s", key, value);
    AvahiStringList *more = a->av->string_list_add(a->texts, text);
    if (more)
        a->texts = more;
    return more != NULL;
}

/* Signals are for the threads of the host. */
static int start_thread(const ph_announce *a)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for no set but a broken one */
    int failed = a->av->threaded_poll_start(a->poll);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static prophet_code begin(ph_announce *a, const ph_net_service *s, prophet_error *err)
{
    int why = 0;
    (void)snprintf(a->name, sizeof a->name, "prophet %.16s", s->replica);
    a->port = s->port;
    if (!add_text(a, "db", s->database) || !add_text(a, "replica", s->replica) ||
        (s->tls && !add_text(a, "tls", "1")) || !(a->poll = a->av->threaded_poll_new()))
        return ph_nomem(err);
    a->client = a->av->client_new(a->av->threaded_poll_get(a->poll), AVAHI_CLIENT_NO_FAIL,
                                  on_client, a, &why);
    if (!a->client || a->av->client_get_state(a->client) == AVAHI_CLIENT_CONNECTING)
        return no_daemon(a->av, a->client ? AVAHI_ERR_NO_DAEMON : why, err);
    return start_thread(a) < 0 ? ph_fail(err, PROPHET_EIO, "avahi starts no thread") : PROPHET_OK;
}

prophet_code ph_net_announce(const ph_net_service *s, ph_announce **out, prophet_error *err)
{
    const avahi_functions *av;
    prophet_code rc = load(&av, err);
    if (rc < 0)
        return rc;
    ph_announce *a = ph_zalloc(sizeof *a);
    if (!a)
        return ph_nomem(err);
    a->av = av;
    if ((rc = begin(a, s, err)) < 0)
        ph_net_announce_end(a);
    else
        *out = a;
    return rc;
}

void ph_net_announce_end(ph_announce *a)
{
    if (!a)
        return;
    if (a->poll)
        (void)a->av->threaded_poll_stop(a->poll); /* fails where it did not run */
    if (a->client)
        a->av->client_free(a->client); /* the group as well */
    if (a->poll)
        a->av->threaded_poll_free(a->poll);
    a->av->string_list_free(a->texts);
    ph_free(a);
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

typedef struct asking {
    const avahi_functions *av;
    AvahiClient *client;
    ph_net_found_fn fn;
    void *ctx;
    prophet_error *err;
    prophet_code rc; /* what fn ended it with */
    unsigned open;   /* services whose place is being asked for */
    bool all;        /* no more are expected */
} asking;

/* The value of a text "key=value": exactly this many hex digits and dashes. */
static bool text_of(AvahiStringList *l, const char *key, size_t len, char *out)
{
    size_t n = strlen(key);
    for (; l; l = l->next)
        if (l->size == n + 1 + len && memcmp(l->text, key, n) == 0 && l->text[n] == '=') {
            memcpy(out, l->text + n + 1, len);
            out[len] = 0;
            return strspn(out, "0123456789abcdef-") == len;
        }
    return false;
}

static void on_resolved(AvahiServiceResolver *r, AvahiIfIndex interface, AvahiProtocol protocol,
                        AvahiResolverEvent event, const char *name, const char *type,
                        const char *domain, const char *host, const AvahiAddress *address,
                        uint16_t port, AvahiStringList *texts, AvahiLookupResultFlags flags,
                        void *ctx)
{
    asking *q = ctx;
    ph_net_service s = { .port = port };
    char at[AVAHI_ADDRESS_STR_MAX], id[65], database[37], tls[2];
    (void)interface, (void)protocol, (void)name, (void)type, (void)domain, (void)host, (void)flags;
    q->open--;
    if (event == AVAHI_RESOLVER_FOUND && q->rc >= 0 && port != 0 &&
        q->av->address_snprint(at, sizeof at, address) && text_of(texts, "db", 36, database) &&
        text_of(texts, "replica", 64, id)) {
        s.database = database;
        s.replica = id;
        s.tls = text_of(texts, "tls", 1, tls) && tls[0] == '1';
        s.address = at;
        s.v6 = address->proto == AVAHI_PROTO_INET6;
        q->rc = q->fn(q->ctx, &s, q->err);
    }
    (void)q->av->service_resolver_free(r);
}

static void on_service(AvahiServiceBrowser *b, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char *name, const char *type,
                       const char *domain, AvahiLookupResultFlags flags, void *ctx)
{
    asking *q = ctx;
    (void)b, (void)flags;
    if (event == AVAHI_BROWSER_ALL_FOR_NOW || event == AVAHI_BROWSER_FAILURE)
        q->all = true;
    else if (event == AVAHI_BROWSER_NEW && q->open < 256 &&
             q->av->service_resolver_new(q->client, interface, protocol, name, type, domain,
                                         AVAHI_PROTO_UNSPEC, 0, on_resolved, q))
        q->open++;
}

static void on_asker(AvahiClient *client, AvahiClientState state, void *ctx)
{
    (void)client, (void)state, (void)ctx; /* asked for its state below */
}

static prophet_code ask(asking *q, AvahiSimplePoll *poll, uint32_t timeout_ms,
                        const prophet_net_options *o, prophet_error *err)
{
    uint64_t until = ph_monotonic_us() + timeout_ms * 1000ull;
    prophet_code rc = PROPHET_OK;
    while (rc >= 0 && q->rc >= 0 && !(q->all && q->open == 0) && ph_monotonic_us() < until) {
        if (q->av->simple_poll_iterate(poll, LOOK_MS) != 0)
            return no_daemon(q->av, q->av->client_errno(q->client), err);
        rc = o ? net_tick(o, "wait", 0, PROPHET_WHOLE, err) : PROPHET_OK;
    }
    return rc < 0 ? rc : q->rc;
}

prophet_code ph_net_discover(uint32_t timeout_ms, const prophet_net_options *o, ph_net_found_fn fn,
                             void *ctx, prophet_error *err)
{
    asking q = { .fn = fn, .ctx = ctx, .err = err };
    AvahiServiceBrowser *browser;
    int why = 0;
    prophet_code rc = load(&q.av, err);
    if (rc < 0)
        return rc;
    AvahiSimplePoll *poll = q.av->simple_poll_new();
    if (!poll)
        return ph_nomem(err);
    q.client = q.av->client_new(q.av->simple_poll_get(poll), 0, on_asker, NULL, &why);
    if (!q.client) {
        rc = no_daemon(q.av, why, err);
    } else if (!(browser = q.av->service_browser_new(q.client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                                     SERVICE, NULL, 0, on_service, &q))) {
        rc = no_daemon(q.av, q.av->client_errno(q.client), err);
    } else {
        rc = ask(&q, poll, timeout_ms, o, err);
        (void)q.av->service_browser_free(browser);
    }
    if (q.client)
        q.av->client_free(q.client); /* what was asked as well */
    q.av->simple_poll_free(poll);
    return rc < 0 ? rc : PROPHET_OK;
}
#endif
