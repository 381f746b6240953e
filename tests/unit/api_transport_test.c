/* A host's transport under an exchange: what the host says and what interrupts it reach the way there. */
#include "api_place.h"

typedef struct host {      /* a transport that waits for ever, as a server might */
    prophet_db *interrupt; /* is interrupted while it waits */
    const char *token;     /* that is to come */
    int ticks;
    const prophet_net_options *o;
} host;

static prophet_code host_open(void *ctx, const char *url, const prophet_net_options *o,
                              void **place, prophet_error *e)
{
    host *h = ctx;
    (void)url, (void)e;
    h->o = o;
    CHECK_EQ_STR(o->token ? o->token : "none", h->token ? h->token : "none");
    *place = h;
    return PROPHET_OK;
}

static prophet_code host_get(void *place, const char *name, prophet_net_get *g, prophet_error *e)
{
    host *h = place;
    (void)name, (void)g;
    CHECK(h->o->progress != NULL);
    for (int i = 0; i < 1000 && h->o->progress; i++) {
        prophet_code rc = h->o->progress(h->o->ctx, "get", 5, PROPHET_WHOLE, e);
        if (rc < 0)
            return rc;
        if (++h->ticks == 10 && h->interrupt)
            prophet_interrupt(h->interrupt);
    }
    return PROPHET_DONE;
}

static void add(host *h)
{
    prophet_transport t = {
        .size = sizeof t, .scheme = "waits", .ctx = h, .open = host_open, .get = host_get
    };
    REQUIRE_OK(prophet_transport_add(&t, &err), &err);
}

static void take_away(void)
{
    prophet_transport t = { .size = sizeof t, .scheme = "waits" };
    REQUIRE_OK(prophet_transport_add(&t, &err), &err);
}

TEST(an_interrupt_ends_waiting_for_a_place)
{
    prophet_db *db = fresh("ann");
    host h = { .interrupt = db };
    add(&h);
    CHECK_CODE(prophet_pull(db, "waits:x", NULL, NULL, &err), PROPHET_EINTERRUPTED, &err);
    CHECK_EQ_INT(h.ticks, 10);
    take_away();
    prophet_close(db);
}

static prophet_code look(void *ctx, const char *stage, uint64_t done, uint64_t total,
                         prophet_error *e)
{
    (void)e;
    if (strcmp(stage, "get") != 0)
        return PROPHET_OK;
    CHECK_EQ_UINT(done, 5);
    CHECK_EQ_UINT(total, 0); /* not known */
    if (++*(int *)ctx < 3)
        return PROPHET_OK;
    e->code = PROPHET_EUSAGE;
    (void)snprintf(e->message, sizeof e->message, "that was enough");
    return PROPHET_EUSAGE;
}

TEST(progress_of_an_exchange_sees_the_way_and_can_end_it)
{
    prophet_db *db = fresh("ann");
    host h = { .token = "secret" };
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    int looks = 0;
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    o.progress = look;
    o.ctx = &looks;
    way.token = "secret";
    o.net = &way;
    add(&h);
    CHECK_CODE(prophet_pull(db, "waits:x", &o, NULL, &err), PROPHET_EUSAGE, &err);
    CHECK_HAS(err.message, "that was enough");
    CHECK_EQ_INT(looks, 3);
    take_away();
    prophet_close(db);
}

/* ---- hosts that fail without a word --------------------------------------------------------------------------- */

static prophet_code mute_get(void *place, const char *name, prophet_net_get *g, prophet_error *e)
{
    (void)place, (void)name, (void)g, (void)e;
    return PROPHET_EREMOTE;
}

static prophet_code mute_look(void *ctx, const char *stage, uint64_t done, uint64_t total,
                              prophet_error *e)
{
    (void)ctx, (void)stage, (void)done, (void)total, (void)e;
    return PROPHET_EFULL;
}

static prophet_code mute_sink(void *ctx, prophet_slice chunk, prophet_error *e)
{
    (void)ctx, (void)chunk, (void)e;
    return PROPHET_EIO;
}

static void check_words(const char *words, prophet_code code)
{
    CHECK_HAS(err.message, words);
    CHECK_EQ_INT(err.code, code);
    memset(&err, 'x', sizeof err); /* whatever lies there is no message */
}

TEST(what_fails_without_a_word_is_told_by_its_code)
{
    prophet_db *db = fresh("ann");
    prophet_transport t = {
        .size = sizeof t, .scheme = "waits", .open = host_open, .get = mute_get
    };
    host h = { 0 };
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    t.ctx = &h;
    REQUIRE_OK(prophet_transport_add(&t, &err), &err);
    memset(&err, 'x', sizeof err);
    CHECK(prophet_pull(db, "waits:x", NULL, NULL, &err) == PROPHET_EREMOTE);
    check_words(": remote", PROPHET_EREMOTE);
    CHECK(prophet_pull(db, "waits:x", NULL, NULL, NULL) == PROPHET_EREMOTE);
    o.progress = mute_look;
    CHECK(prophet_pull(db, "waits:x", &o, NULL, &err) == PROPHET_EFULL);
    check_words("full", PROPHET_EFULL);
    CHECK(prophet_log_json(db, prophet_nil(), mute_sink, NULL, &err) == PROPHET_EIO);
    check_words("io", PROPHET_EIO);
    memset(&err, 0, sizeof err);
    take_away();
    prophet_close(db);
}
