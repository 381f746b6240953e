/* An overlay shows what a plain table with the same writes shows, whatever way its cursor goes. */
#include "store_place.h"

#define KEYS 40

typedef struct asking {
    unsigned asked, whole;
} asking;

static prophet_code ask(void *ctx, unsigned table, prophet_slice key, prophet_error *e)
{
    asking *a = ctx;
    (void)table;
    (void)e;
    a->asked++;
    a->whole += key.len == 0;
    return PROPHET_OK;
}

static ph_txn *over(ph_store *s, asking *a)
{
    ph_txn *t = NULL;
    REQUIRE_OK(ph_overlay_begin(s, ask, a, &t, &err), &err);
    return t;
}

static void scribble(ph_txn *t, ph_rng *rng, unsigned count)
{
    char key[8], value[16];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(key, sizeof key, "k%02u", (unsigned)ph_rng_below(rng, KEYS));
        (void)snprintf(value, sizeof value, "v%u", (unsigned)ph_rng_below(rng, 1000));
        if (ph_rng_below(rng, 3) == 0)
            REQUIRE(ph_txn_del(t, 0, ph_slice_str(key), &err) >= 0);
        else
            place_put(t, 0, key, value);
    }
}

static bool same_row(prophet_code a, prophet_code b, prophet_slice ka, prophet_slice kb,
                     prophet_slice va, prophet_slice vb)
{
    return a == b && (a != PROPHET_OK || (ph_slice_eq(ka, kb) && ph_slice_eq(va, vb)));
}

static void compare(ph_txn *plain, ph_txn *layered, ph_rng *rng)
{
    ph_cursor *a, *b;
    prophet_slice ka, kb, va, vb;
    char key[8];
    uint64_t na, nb;
    REQUIRE_OK(ph_txn_count(plain, 0, &na, &err), &err);
    REQUIRE_OK(ph_txn_count(layered, 0, &nb, &err), &err);
    CHECK_EQ_UINT(nb, na);
    REQUIRE_OK(ph_cursor_open(plain, 0, &a, &err), &err);
    REQUIRE_OK(ph_cursor_open(layered, 0, &b, &err), &err);
    for (unsigned i = 0; i < 200; i++) {
        prophet_code x, y;
        unsigned what = (unsigned)ph_rng_below(rng, 12);
        (void)snprintf(key, sizeof key, "k%02u", (unsigned)ph_rng_below(rng, KEYS + 2));
        if (i == 0 || what == 0) {
            x = ph_cursor_first(a, &ka, &va, &err);
            y = ph_cursor_first(b, &kb, &vb, &err);
        } else if (what == 1) {
            x = ph_cursor_last(a, &ka, &va, &err);
            y = ph_cursor_last(b, &kb, &vb, &err);
        } else if (what == 2) {
            x = ph_cursor_seek(a, ph_slice_str(key), &ka, &va, &err);
            y = ph_cursor_seek(b, ph_slice_str(key), &kb, &vb, &err);
        } else if (what < 8) {
            x = ph_cursor_next(a, &ka, &va, &err);
            y = ph_cursor_next(b, &kb, &vb, &err);
        } else {
            x = ph_cursor_prev(a, &ka, &va, &err);
            y = ph_cursor_prev(b, &kb, &vb, &err);
        }
        if (x == PROPHET_DONE) { /* where a cursor is beyond the end is LMDB's own affair */
            CHECK_CODE(y, PROPHET_DONE, &err);
            REQUIRE(same_row(ph_cursor_first(a, &ka, &va, &err), ph_cursor_first(b, &kb, &vb, &err),
                             ka, kb, va, vb) ||
                    na == 0);
            continue;
        }
        REQUIRE(same_row(x, y, ka, kb, va, vb));
    }
    ph_cursor_close(a);
    ph_cursor_close(b);
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof key, "k%02u", i);
        prophet_code x = ph_txn_get(plain, 0, ph_slice_str(key), &va, &err);
        prophet_code y = ph_txn_get(layered, 0, ph_slice_str(key), &vb, &err);
        REQUIRE(same_row(x, y, ka, ka, va, vb));
    }
}

TEST(an_overlay_reads_like_a_table_with_the_same_writes)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        char name[32];
        ph_rng base, again, walk;
        asking asked = { 0 };
        ph_rng_seed(&base, seed);
        (void)snprintf(name, sizeof name, "o%u.mdb", (unsigned)seed);
        ph_store *s = place_open(place_make(name));
        ph_txn *t = place_begin(s, true);
        scribble(t, &base, 60);
        REQUIRE_OK(ph_txn_commit(t, &err), &err);
        ph_txn *layered = over(s, &asked), *plain = place_begin(s, true);
        again = base;
        scribble(plain, &base, 40);
        ph_overlay_write_begin(layered);
        scribble(layered, &again, 40);
        ph_overlay_write_end(layered);
        CHECK_EQ_UINT(asked.asked, 0);
        ph_rng_seed(&walk, seed + 1000);
        compare(plain, layered, &walk);
        CHECK(asked.whole >= 2 && asked.asked >= asked.whole + KEYS);
        REQUIRE_OK(ph_overlay_seal(layered, &err), &err);
        asked = (asking){ 0 };
        compare(plain, layered, &walk);
        CHECK_EQ_UINT(asked.asked, 0);
        ph_txn_abort(layered);
        ph_txn_abort(plain);
        ph_store_close(s);
    }
}

TEST(values_of_an_overlay_stay_while_more_is_written)
{
    asking asked = { 0 };
    ph_store *s = place_open(place_make("i.mdb"));
    ph_txn *t = over(s, &asked);
    prophet_slice first;
    char key[16];
    ph_overlay_write_begin(t);
    place_put(t, 0, "a", "first");
    ph_overlay_write_end(t);
    REQUIRE_OK(ph_txn_get(t, 0, ph_slice_str("a"), &first, &err), &err);
    ph_overlay_write_begin(t);
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(key, sizeof key, "a%u", i);
        place_put(t, 0, key, "something else");
    }
    place_put(t, 0, "a", "other");
    CHECK_OK(ph_txn_del_prefix(t, 0, ph_slice_str("a1"), &err), &err);
    ph_overlay_write_end(t);
    CHECK_SLICE(first, "first", 5);
    CHECK(place_has(t, 0, "a", "other") && place_has(t, 0, "a1999", NULL) &&
          place_has(t, 0, "a2", "something else"));
    CHECK(ph_txn_is_overlay(t));
    ph_txn_abort(t);
    t = place_begin(s, false); /* nothing of it is left */
    CHECK(place_has(t, 0, "a", NULL) && !ph_txn_is_overlay(t));
    ph_txn_abort(t);
    ph_store_close(s);
}
