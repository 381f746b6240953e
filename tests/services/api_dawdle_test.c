/* A live sync with a server that dawdles: a byte now and then, in any part of its answer, and then silence. It is left after the time that nothing may move, told of
 * as lost, and tried again later and later; the database is as it was. The server is hostile_http.py. */
#include "server.h"
#include "unit/api_place.h"

static server hostile;
static unsigned port;

typedef struct losses {
    unsigned count;
    double seconds[3];
} losses;

static prophet_code told(void *ctx, const prophet_doc *event, prophet_error *e)
{
    losses *l = ctx;
    prophet_value error, seconds;
    (void)e;
    REQUIRE(prophet_doc_get(event, "error", &error) && prophet_doc_get(event, "seconds", &seconds));
    REQUIRE(error.kind == PROPHET_MAP && error.as.map.count >= 2); /* sorted: the code is first */
    const prophet_slice code = error.as.map.items[0].value.as.bytes;
    CHECK(code.len == 7 && memcmp(code.data, "network", 7) == 0);
    l->seconds[l->count] = seconds.as.number;
    return ++l->count == 3 ? PROPHET_DONE : PROPHET_OK;
}

static void is_left(prophet_db *db, const char *how)
{
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    losses l = { 0 };
    char url[128];
    test_context("%s", how);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", port, how);
    way.proxy = "";
    way.stall_ms = 150;
    o.net = &way;
    CHECK_CODE(prophet_sync_live(db, url, &o, told, &l, &err), PROPHET_OK, &err);
    CHECK_EQ_INT(l.count, 3);
    CHECK(l.seconds[1] == 2 * l.seconds[0] && l.seconds[2] == 2 * l.seconds[1]);
    test_context(NULL);
}

TEST(who_dawdles_is_left_and_tried_again)
{
    const char *argv[] = { "python3", test_source("tests/services/hostile_http.py"), NULL };
    prophet_db *db = open_db("ann", "ann");
    uint64_t before, after;
    define_ticket(db);
    REQUIRE_OK(prophet_db_version(db, &before, &err), &err);
    REQUIRE(server_start(&hostile, argv));
    REQUIRE(sscanf(hostile.line, "%u", &port) == 1);
    is_left(db, "drips/status");
    is_left(db, "drips/headers");
    is_left(db, "drips/body");
    is_left(db, "stalls/x");
    is_left(db, "thinks/20000");
    REQUIRE_OK(prophet_db_version(db, &after, &err), &err);
    CHECK(before == after);
    prophet_close(db);
    server_stop(&hostile);
}
