/* Messages and transfers as a wire carries them: cut anywhere, cut short, damaged, of another database; and noticing commits. */
#include "support/test.h"
#include "sync/sync.h"
#include <poll.h>
#include <stdlib.h>

static prophet_error err;

static const char *place(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static ph_replica *fresh(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_create(place(name), database, &err), &err);
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    return r;
}

static void write_some(ph_replica *r, size_t count, size_t size)
{
    char *text = malloc(size + 1);
    for (size_t i = 0; i < count; i++) {
        ph_change_txn *c;
        ph_buf b = PH_BUF_INIT;
        for (size_t k = 0; k < size; k++)
            text[k] = (char)('a' + test_below(26));
        ph_put_text(&b, ph_slice(text, size));
        ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
        REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
        REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
        ph_buf_clear(&b);
    }
    free(text);
}

static void digest_of(ph_replica *r, uint8_t out[32])
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, out, &err), &err);
    ph_view_end(v);
}

static bool same(ph_replica *a, ph_replica *b)
{
    uint8_t x[32], y[32];
    digest_of(a, x);
    digest_of(b, y);
    return memcmp(x, y, 32) == 0;
}

static ph_sync_peer self(ph_replica *r)
{
    return (ph_sync_peer){ *ph_replica_database(r), *ph_replica_key(r) };
}

/* What `to` wants of `from`, by way of the messages' bytes. */
static void want_of(ph_replica *to, ph_replica *from, ph_arena *a, ph_sync_want *out)
{
    ph_buf wire = PH_BUF_INIT;
    ph_sync_offer offer, heard;
    ph_sync_want want;
    ph_sync_peer who, me = self(from);
    bool all;
    ph_view *v;
    REQUIRE_OK(ph_replica_sign(from, &err), &err);
    REQUIRE_OK(ph_view_begin(from, &v, &err), &err);
    REQUIRE_OK(ph_sync_offer_make(v, a, &offer, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_sync_offer_encode(&me, &offer, &wire, &err), &err);
    REQUIRE_OK(ph_sync_offer_decode(ph_buf_slice(&wire), a, &who, &heard, &err), &err);
    CHECK_MEM(who.replica.b, me.replica.b, 32);
    CHECK_EQ_UINT(heard.count, offer.count);
    REQUIRE_OK(ph_view_begin(to, &v, &err), &err);
    REQUIRE_OK(ph_sync_want_make(v, &heard, a, &want, &err), &err);
    ph_view_end(v);
    ph_buf_reset(&wire);
    REQUIRE_OK(ph_sync_want_encode(&me, &want, &wire, &err), &err);
    REQUIRE_OK(ph_sync_want_decode(ph_buf_slice(&wire), a, &who, &all, out, &err), &err);
    CHECK(!all);
    ph_buf_clear(&wire);
}

static void transfer_of(ph_replica *from, const ph_sync_want *want, ph_buf *out)
{
    ph_sync_sender *s;
    prophet_code rc;
    REQUIRE_OK(ph_sync_sender_open(from, want, &s, &err), &err);
    while ((rc = ph_sync_sender_next(s, out, &err)) == PROPHET_OK)
        ;
    CHECK_CODE(rc, PROPHET_DONE, &err);
    ph_sync_sender_close(s);
}

/* Feeds it in pieces of up to `most` bytes. */
static prophet_code take(ph_replica *to, prophet_slice bytes, size_t most, ph_sync_report *rep)
{
    ph_sync_taker *t;
    prophet_code rc = PROPHET_OK;
    REQUIRE_OK(ph_sync_taker_open(to, &t, &err), &err);
    for (size_t at = 0; at < bytes.len && rc >= 0;) {
        size_t n = 1 + (size_t)test_below(most);
        if (n > bytes.len - at)
            n = bytes.len - at;
        rc = ph_sync_taker_feed(t, ph_slice((const char *)bytes.data + at, n), &err);
        at += n;
    }
    if (rc >= 0)
        rc = ph_sync_taker_finish(t, rep, &err);
    ph_sync_taker_close(t);
    return rc;
}

TEST(a_transfer_arrives_however_it_is_cut)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_arena arena = PH_ARENA_INIT;
    ph_sync_report rep = { 0 };
    ph_buf wire = PH_BUF_INIT;
    ph_sync_want want;

    write_some(a, 300, 40);
    write_some(a, 3, 300000); /* more than a piece each */
    want_of(b, a, &arena, &want);
    transfer_of(a, &want, &wire);
    REQUIRE_OK(take(b, ph_buf_slice(&wire), 9, &rep), &err);
    CHECK_EQ_UINT(rep.changesets, 303);
    CHECK(same(a, b));
    /* what is new, and only that */
    write_some(a, 5, 10);
    want_of(b, a, &arena, &want);
    ph_buf_reset(&wire);
    transfer_of(a, &want, &wire);
    CHECK(wire.len < 2000);
    ph_sync_report_clear(&rep);
    REQUIRE_OK(take(b, ph_buf_slice(&wire), 100000, &rep), &err);
    CHECK_EQ_UINT(rep.changesets, 5);
    CHECK(same(a, b));
    ph_sync_report_clear(&rep);
    ph_arena_clear(&arena);
    ph_buf_clear(&wire);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_transfer_that_is_cut_short_leaves_what_came_and_says_so)
{
    ph_replica *a = fresh("a", NULL);
    ph_buf wire = PH_BUF_INIT;

    for (int i = 0; i < 20; i++) { /* each part signed */
        write_some(a, 5, 100);
        REQUIRE_OK(ph_replica_sign(a, &err), &err);
    }
    transfer_of(a, NULL, &wire);
    for (int i = 0; i < 10; i++) {
        ph_replica *b;
        ph_sync_report rep = { 0 };
        char name[16];
        size_t len = (size_t)test_below(wire.len);
        (void)snprintf(name, sizeof name, "b%d", i);
        b = fresh(name, ph_replica_database(a));
        CHECK_CODE(take(b, ph_slice(wire.data, len), 5000, &rep), PROPHET_ECORRUPT, &err);
        CHECK(rep.changesets <= 100 && rep.changesets % 5 == 0);
        CHECK(rep.changesets + 5 >= 100 * len / wire.len);
        ph_sync_report_clear(&rep);
        ph_replica_close(b);
    }
    ph_buf_clear(&wire);
    ph_replica_close(a);
}

TEST(damaged_and_foreign_transfers_are_refused)
{
    ph_replica *a = fresh("a", NULL), *other = fresh("other", NULL), *b;
    ph_sync_report rep = { 0 };
    ph_buf wire = PH_BUF_INIT;
    char name[16];
    prophet_code rc;

    write_some(a, 30, 100);
    REQUIRE_OK(ph_replica_sign(a, &err), &err);
    transfer_of(a, NULL, &wire);
    rc = take(other, ph_buf_slice(&wire), 5000, &rep);
    CHECK(rc < 0 &&
          rep.changesets == 0); /* the ids do not come out: nothing fits their signatures */
    b = fresh("b", ph_replica_database(a));
    for (int i = 0; i < 200; i++) {
        size_t at = (size_t)test_below(wire.len);
        uint8_t was = wire.data[at], bit = (uint8_t)(1u << test_below(8));
        wire.data[at] ^= bit;
        test_context("at byte %zu of %zu, bit %x", at, wire.len, bit);
        rep = (ph_sync_report){ 0 };
        rc = take(b, ph_buf_slice(&wire), 5000, &rep);
        CHECK(rc < 0 || rep.changesets == 0);
        wire.data[at] = was;
        if (same(a, b)) { /* the last signature had come before the flip: what it proves stays */
            ph_replica_close(b);
            (void)snprintf(name, sizeof name, "b%d", i);
            b = fresh(name, ph_replica_database(a));
        }
    }
    rep = (ph_sync_report){ 0 };
    REQUIRE_OK(take(b, ph_buf_slice(&wire), 5000, &rep), &err);
    CHECK_EQ_UINT(rep.changesets, 30);
    CHECK(same(a, b));
    ph_buf_byte(&wire, 1);
    CHECK_CODE(take(b, ph_buf_slice(&wire), 5000, &rep), PROPHET_ECORRUPT, &err);
    CHECK_HAS(err.message, "follow");
    ph_sync_report_clear(&rep);
    ph_buf_clear(&wire);
    ph_replica_close(a);
    ph_replica_close(b);
    ph_replica_close(other);
}

static bool readable(const ph_watch *w)
{
    struct pollfd p = { ph_watch_fd(w), POLLIN, 0 };
    return poll(&p, 1, 0) > 0;
}

TEST(commits_are_noticed_and_nothing_else_is)
{
    ph_replica *a = fresh("a", NULL), *second;
    ph_watch *w;

    REQUIRE_OK(ph_watch_open(place("a"), &w, &err), &err);
    if (ph_watch_fd(w) < 0)
        test_skip("no inotify here");
    CHECK(!readable(w) && !ph_watch_drain(w));
    write_some(a, 1, 10);
    CHECK(readable(w) && ph_watch_drain(w));
    CHECK(!readable(w) && !ph_watch_drain(w));
    REQUIRE_OK(ph_replica_open(place("a"), NULL, &second, &err), &err);
    (void)ph_watch_drain(w);
    write_some(second, 1, 10); /* somebody else's */
    CHECK(ph_watch_drain(w));
    ph_watch_close(w);
    ph_replica_close(second);
    ph_replica_close(a);
}
