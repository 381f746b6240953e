/* A store with empty tables, for tests of record, index and query. */
#ifndef TEST_RECORD_PLACE_H
#define TEST_RECORD_PLACE_H
#include "store/store.h"
#include "support/test.h"

typedef struct place {
    ph_store *store;
    ph_txn   *txn;
} place;

static inline place place_open(const char *name)
{
    static const char *const tables[] = PH_TABLE_NAMES;
    ph_store_options o = { .map_size = 1u << 30, .tables = tables, .table_count = PH_TABLES };
    prophet_error err;
    place p = { NULL, NULL };

    REQUIRE_OK(ph_store_create(test_path(name), &o, &err), &err);
    REQUIRE_OK(ph_store_open(test_path(name), &o, &p.store, &err), &err);
    REQUIRE_OK(ph_txn_begin(p.store, true, &p.txn, &err), &err);
    return p;
}

static inline void place_again(place *p) /* commits, begins anew */
{
    prophet_error err;

    REQUIRE_OK(ph_txn_commit(p->txn, &err), &err);
    REQUIRE_OK(ph_txn_begin(p->store, true, &p->txn, &err), &err);
}

static inline void place_close(place *p)
{
    ph_txn_abort(p->txn);
    ph_store_close(p->store);
}

/* A text value of `len` characters that begins with `n`. */
static inline prophet_slice text_value(ph_arena *a, uint64_t n, size_t len)
{
    char head[24];
    ph_buf b = PH_BUF_INIT;
    char *text = ph_arena_alloc(a, len + 24);
    int digits = snprintf(head, sizeof head, "%llu.", (unsigned long long)n);

    memset(text, 'x', len + 24);
    memcpy(text, head, (size_t)digits < len ? (size_t)digits : len);
    ph_put_text(&b, ph_slice(text, len));
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static inline prophet_slice int_value(ph_arena *a, int64_t n)
{
    ph_buf b = PH_BUF_INIT;

    ph_put_int(&b, n);
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

/* The tables of two stores hold the same bytes. */
static inline void check_same_table(ph_txn *x, ph_txn *y, unsigned table)
{
    ph_cursor *cx = NULL, *cy = NULL;
    prophet_slice kx, vx, ky, vy;
    prophet_error err;

    REQUIRE_OK(ph_cursor_open(x, table, &cx, &err), &err);
    REQUIRE_OK(ph_cursor_open(y, table, &cy, &err), &err);
    prophet_code rx = ph_cursor_first(cx, &kx, &vx, &err), ry = ph_cursor_first(cy, &ky, &vy, &err);
    bool same = true;
    while (rx == PROPHET_OK && ry == PROPHET_OK && same) {
        same = CHECK(ph_slice_eq(kx, ky)) && CHECK(ph_slice_eq(vx, vy));
        rx = ph_cursor_next(cx, &kx, &vx, &err);
        ry = ph_cursor_next(cy, &ky, &vy, &err);
    }
    CHECK_CODE(rx, ry, &err);
    ph_cursor_close(cx);
    ph_cursor_close(cy);
}

#endif
