/* A live peer over HTTP: its head and who waits for it to change, pull and push, and who may do what. */
#include "serve_place.h"

static const ph_serve_token tokens[] = { { "writer-secret", true }, { "reader-secret", false } };
#define WRITER "Authorization: Bearer writer-secret\r\n"
#define READER "Authorization: Bearer reader-secret\r\n"

static void offer_of(ph_replica *r, ph_buf *out)
{
    ph_arena a = PH_ARENA_INIT;
    ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(r) };
    ph_sync_offer offer;
    ph_view *v;
    REQUIRE_OK(ph_replica_sign(r, &err), &err);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_sync_offer_make(v, &a, &offer, &err), &err);
    REQUIRE_OK(ph_sync_offer_encode(&me, &offer, out, &err), &err);
    ph_view_end(v);
    ph_arena_clear(&a);
}

/* The transfer that answers this want. */
static void transfer_of(ph_replica *from, prophet_slice want_bytes, ph_buf *out)
{
    ph_arena a = PH_ARENA_INIT;
    ph_sync_sender *s;
    ph_sync_want want;
    ph_sync_peer who;
    bool all;
    REQUIRE_OK(ph_sync_want_decode(want_bytes, &a, &who, &all, &want, &err), &err);
    REQUIRE_OK(ph_sync_sender_open(from, all ? NULL : &want, &s, &err), &err);
    while (ph_sync_sender_next(s, out, &err) == PROPHET_OK)
        ;
    ph_sync_sender_close(s);
    ph_arena_clear(&a);
}

static void all_of(ph_replica *r, ph_buf *out)
{
    ph_sync_peer me = { *ph_replica_database(r), *ph_replica_key(r) };
    REQUIRE_OK(ph_sync_want_encode(&me, NULL, out, &err), &err);
}

TEST(the_head_is_an_offer_with_the_digest_as_its_etag)
{
    ph_replica *r = fresh("a", NULL);
    running s;
    answer a;
    char digest[65], known[200];
    ph_buf offer = PH_BUF_INIT;

    write_some(r, 3, 20);
    start_server(&s, "a", NULL);
    ask(&s, "GET", "/v1/head", "", ph_slice(NULL, 0), &a);
    CHECK_EQ_INT(a.status, 200);
    digest_of(r, digest);
    CHECK_HAS((char *)a.head.data, digest);
    offer_of(r, &offer);
    CHECK_SLICE(ph_buf_slice(&a.body), offer.data, offer.len);
    answer_clear(&a);
    (void)snprintf(known, sizeof known, "If-None-Match: \"%s\"\r\n", digest);
    ask(&s, "GET", "/v1/head", known, ph_slice(NULL, 0), &a);
    CHECK_EQ_INT(a.status, 304);
    CHECK_EQ_UINT(a.body.len, 0);
    answer_clear(&a);
    write_some(r, 1, 20);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", known), 200);
    CHECK_EQ_INT(ask_status(&s, "HEAD", "/v1/head", known), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head?wait=x", ""), 400);
    stop_server(&s);
    CHECK_HAS(s.log, "127.0.0.1 GET /v1/head 304");
    ph_buf_clear(&offer);
    ph_replica_close(r);
}

TEST(a_commit_wakes_who_waits_for_it_and_others_are_not_held_up)
{
    ph_replica *r = fresh("a", NULL);
    running s;
    answer a;
    char digest[65], request[300];
    int waiting[3];

    write_some(r, 1, 20);
    start_server(&s, "a", NULL);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", ""), 200); /* signs */
    digest_of(r, digest);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(request, sizeof request,
                       "GET /v1/head?wait=%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "If-None-Match: \"%s\"\r\n\r\n",
                       i == 2 ? 1 : 60, digest);
        waiting[i] = dial(&s);
        REQUIRE(say(waiting[i], request, strlen(request)));
    }
    close(waiting[1]); /* gives up */
    CHECK_EQ_INT(ask_status(&s, "GET", "/", ""), 200);
    hear(waiting[2], &a); /* its second passes */
    CHECK_EQ_INT(a.status, 304);
    answer_clear(&a);
    write_some(r, 1, 20);
    hear(waiting[0], &a);
    CHECK_EQ_INT(a.status, 200);
    digest_of(r, digest);
    CHECK_HAS((char *)a.head.data, digest);
    answer_clear(&a);
    stop_server(&s);
    ph_replica_close(r);
}

TEST(a_pull_gives_what_is_wanted)
{
    ph_replica *r = fresh("a", NULL), *other = fresh("b", ph_replica_database(r));
    running s;
    answer a;
    ph_buf want = PH_BUF_INIT;
    ph_sync_taker *t;
    ph_sync_report rep = { 0 };
    char here[65], there[65];

    write_some(r, 200, 3000); /* several pieces */
    start_server(&s, "a", NULL);
    all_of(other, &want);
    ask(&s, "POST", "/v1/pull", "", ph_buf_slice(&want), &a);
    CHECK_EQ_INT(a.status, 200);
    REQUIRE_OK(ph_sync_taker_open(other, &t, &err), &err);
    REQUIRE_OK(ph_sync_taker_feed(t, ph_buf_slice(&a.body), &err), &err);
    REQUIRE_OK(ph_sync_taker_finish(t, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 200);
    ph_sync_taker_close(t);
    digest_of(r, here);
    digest_of(other, there);
    CHECK_EQ_STR(here, there);
    answer_clear(&a);
    want.data[20] ^= 1; /* of another database */
    ask(&s, "POST", "/v1/pull", "", ph_buf_slice(&want), &a);
    CHECK(a.status == 409);
    CHECK_HAS((char *)a.body.data, "unrelated: ");
    answer_clear(&a);
    ask(&s, "POST", "/v1/pull", "", ph_slice("what?", 5), &a);
    CHECK_EQ_INT(a.status, 400);
    answer_clear(&a);
    stop_server(&s);
    ph_sync_report_clear(&rep);
    ph_buf_clear(&want);
    ph_replica_close(r);
    ph_replica_close(other);
}

TEST(a_push_needs_a_token_and_is_applied)
{
    ph_replica *r = fresh("a", NULL), *other = fresh("b", ph_replica_database(r));
    const ph_serve_options o = { .tokens = tokens, .token_count = 2 };
    running s;
    answer a;
    ph_buf offer = PH_BUF_INIT, transfer = PH_BUF_INIT;
    ph_sync_report rep = { 0 };
    ph_sync_peer who;
    uint8_t digest[32];
    char here[65], there[65];

    write_some(r, 5, 100);
    write_some(other, 100, 3000);
    start_server(&s, "a", &o);
    offer_of(other, &offer);
    CHECK_EQ_INT(ask_status(&s, "POST", "/v1/push", ""), 401);
    CHECK_EQ_INT(ask_status(&s, "POST", "/v1/push", READER), 403);
    CHECK_EQ_INT(ask_status(&s, "POST", "/v1/offer", READER), 403);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", ""), 401); /* there is a token for reading */
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", READER), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", WRITER), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", "Authorization: Bearer guess\r\n"), 401);
    ask(&s, "POST", "/v1/offer", WRITER, ph_buf_slice(&offer), &a);
    CHECK_EQ_INT(a.status, 200);
    transfer_of(other, ph_buf_slice(&a.body), &transfer);
    answer_clear(&a);
    ask(&s, "POST", "/v1/push", WRITER, ph_buf_slice(&transfer), &a);
    CHECK_EQ_INT(a.status, 200);
    REQUIRE_OK(ph_sync_answer_decode(ph_buf_slice(&a.body), &who, digest, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 100);
    CHECK_EQ_UINT(rep.new_writer_count, 1);
    ph_hex(digest, 32, there);
    digest_of(r, here);
    CHECK_EQ_STR(here, there);
    answer_clear(&a);
    stop_server(&s);
    CHECK(!strstr(s.log, "secret"));
    ph_sync_report_clear(&rep);
    ph_buf_clear(&offer);
    ph_buf_clear(&transfer);
    ph_replica_close(r);
    ph_replica_close(other);
}

TEST(a_damaged_push_is_refused_and_what_came_before_stays)
{
    ph_replica *r = fresh("a", NULL), *other = fresh("b", ph_replica_database(r));
    const ph_serve_options o = { .tokens = tokens, .token_count = 1, .push_bytes = 100000 };
    ph_buf want = PH_BUF_INIT, transfer = PH_BUF_INIT;
    ph_view *v;
    running s;
    answer a;

    for (int i = 0; i < 10; i++) {
        write_some(other, 10, 200);
        REQUIRE_OK(ph_replica_sign(other, &err), &err);
    }
    all_of(r, &want);
    transfer_of(other, ph_buf_slice(&want), &transfer);
    start_server(&s, "a", &o);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/head", ""), 200); /* reading needs no token here */
    transfer.data[transfer.len / 2] ^= 1;
    ask(&s, "POST", "/v1/push", WRITER, ph_buf_slice(&transfer), &a);
    CHECK(a.status == 400 || a.status == 422);
    answer_clear(&a);
    transfer.data[transfer.len / 2] ^= 1;
    ask(&s, "POST", "/v1/push", WRITER, ph_slice(transfer.data, transfer.len - 40), &a);
    CHECK_EQ_INT(a.status, 400);
    CHECK_HAS((char *)a.body.data, "corrupt: ");
    answer_clear(&a);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    CHECK(v->state.version >= 90);
    ph_view_end(v);
    ask(&s, "POST", "/v1/push", WRITER, ph_slice("0123456789abcdef", 16), &a);
    CHECK_EQ_INT(a.status, 409);
    answer_clear(&a);
    for (int i = 0; i < 90000; i++)
        ph_buf_byte(&transfer, 'x');
    ask(&s, "POST", "/v1/push", WRITER, ph_buf_slice(&transfer), &a);
    CHECK_EQ_INT(a.status, 413);
    answer_clear(&a);
    stop_server(&s);
    ph_buf_clear(&want);
    ph_buf_clear(&transfer);
    ph_replica_close(r);
    ph_replica_close(other);
}

TEST(requests_for_other_names_and_from_other_sites_are_refused)
{
    static const char *const names[] = { "bugs.example.org" };
    const ph_serve_options o = { .hosts = names, .host_count = 1 };
    ph_replica *r = fresh("a", NULL);
    running s;

    start_server(&s, "a", &o);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: 127.0.0.1:80\r\n"), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: [::1]:80\r\n"), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: Bugs.example.org\r\n"), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: evil.example.org\r\n"), 421);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: 127.0.0.1.evil.example.org\r\n"), 421);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: localhost@evil\r\n"), 421);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Host: [localhost]\r\n"), 421);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Origin: http://localhost\r\n"), 200);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Origin: http://evil.example.org\r\n"), 403);
    CHECK_EQ_INT(ask_status(&s, "GET", "/", "Origin: null\r\n"), 403);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v2/head", ""), 404);
    CHECK_EQ_INT(ask_status(&s, "GET", "/../../etc/passwd", ""), 404);
    CHECK_EQ_INT(ask_status(&s, "GET", "/v1/push", ""), 405);
    CHECK_EQ_INT(ask_status(&s, "DELETE", "/v1/head", ""), 405);
    CHECK_EQ_INT(ask_status(&s, "POST", "/v1/push", WRITER), 403); /* no token opens it */
    stop_server(&s);
    ph_replica_close(r);
}

TEST(addresses_that_are_none_are_refused)
{
    static const char *const bad[] = { "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "[::1",
                                       "[127.0.0.1:80" };
    ph_replica *r = fresh("a", NULL);
    ph_server *s;
    running first;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const ph_serve_options o = { .listen = bad[i] };
        CHECK_CODE(ph_serve_open(place("a"), &o, &s, &err), PROPHET_EUSAGE, &err);
    }
    start_server(&first, "a", NULL);
    const ph_serve_options taken = { .listen = strstr(ph_serve_url(first.server), "127") };
    CHECK_CODE(ph_serve_open(place("a"), &taken, &s, &err), PROPHET_EBUSY, &err);
    const ph_serve_options half = { .listen = "0", .cert = "x" };
    CHECK_CODE(ph_serve_open(place("a"), &half, &s, &err), PROPHET_EUSAGE, &err);
    const ph_serve_options blank = { .listen = "0",
                                     .tokens = &(ph_serve_token){ "", true },
                                     .token_count = 1 };
    CHECK_CODE(ph_serve_open(place("a"), &blank, &s, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_serve_open(place("none"), NULL, &s, &err), PROPHET_ENOTFOUND, &err);
    stop_server(&first);
    ph_replica_close(r);
}
