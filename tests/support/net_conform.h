/* net_conform: what every transport must do, asked of one place. Run by the tests of each of them against an empty place. */
#ifndef NET_CONFORM_H
#define NET_CONFORM_H
#include "net/net.h"
#include "support/test.h"

typedef struct net_conform_place {
    const char                *url;
    const prophet_net_options *options;
    bool                       no_list;     /* it says that it cannot list */
    bool                       weak;        /* conditions are only looked at */
    bool                       late_etags;  /* none is told of what was written just now */
    size_t                     big;         /* bytes of the large body; 0: 300,000 */
} net_conform_place;

static inline ph_net *conform_open(const net_conform_place *c)
{
    prophet_error err = { 0 };
    ph_net *n = NULL;
    REQUIRE_OK(ph_net_open(c->url, c->options, &n, &err), &err);
    return n;
}

static inline prophet_code conform_put(ph_net *n, const char *name, const char *text, bool absent, const char *etag, prophet_net_put *out,
                                       prophet_error *err)
{
    prophet_net_put p = PROPHET_NET_PUT_INIT;
    p.only_if_absent = absent;
    p.only_if_etag = etag;
    prophet_code rc = ph_net_put_bytes(n, name, ph_slice_str(text), &p, err);
    if (out)
        *out = p;
    return rc;
}

/* The text there is `want`; the etag goes to etag. */
static inline void conform_is(ph_net *n, const char *name, const char *want, char etag[PROPHET_ETAG_MAX])
{
    prophet_error err = { 0 };
    prophet_net_get g = PROPHET_NET_GET_INIT;
    ph_buf b = PH_BUF_INIT;
    if (CHECK_CODE(ph_net_get_bytes(n, name, 0, &g, &b, &err), PROPHET_OK, &err)) {
        CHECK_SLICE(ph_buf_slice(&b), want, strlen(want));
        CHECK(!g.unchanged);
        if (g.total != PROPHET_WHOLE)
            CHECK_EQ_UINT(g.total, strlen(want));
    }
    if (etag)
        memcpy(etag, g.etag, sizeof g.etag);
    ph_buf_clear(&b);
}

static inline void conform_absence(ph_net *n)
{
    prophet_error err = { 0 };
    ph_buf b = PH_BUF_INIT;
    CHECK_CODE(ph_net_get_bytes(n, "nothing", 0, NULL, &b, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_net_get_bytes(n, "no/such/folder", 0, NULL, &b, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_net_remove(n, "nothing", &err), PROPHET_DONE, &err);
    CHECK_EQ_UINT(b.len, 0);
    static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "a\nb", "a%2fb", "x?y", "c:d", "\xc3\xa4" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_CODE(ph_net_get_bytes(n, bad[i], 0, NULL, &b, &err), PROPHET_EUSAGE, &err);
        CHECK_CODE(conform_put(n, bad[i], "x", false, NULL, NULL, &err), PROPHET_EUSAGE, &err);
        CHECK_CODE(ph_net_remove(n, bad[i], &err), PROPHET_EUSAGE, &err);
    }
    ph_buf_clear(&b);
}

static inline void conform_etags(ph_net *n, const net_conform_place *c)
{
    prophet_error err = { 0 };
    char first[PROPHET_ETAG_MAX], second[PROPHET_ETAG_MAX];
    ph_buf b = PH_BUF_INIT;

    CHECK_OK(conform_put(n, "root", "one", false, NULL, NULL, &err), &err);
    conform_is(n, "root", "one", first);
    if (c->late_etags) {
        CHECK_EQ_STR(first, "");
        return;
    }
    prophet_net_get g = PROPHET_NET_GET_INIT;
    g.known = first;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK(g.unchanged);
    CHECK_EQ_UINT(b.len, 0);
    CHECK_OK(conform_put(n, "root", "two", false, NULL, NULL, &err), &err); /* of the same length, at once */
    g = (prophet_net_get)PROPHET_NET_GET_INIT;
    g.known = first;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK(!g.unchanged);
    CHECK_SLICE(ph_buf_slice(&b), "two", 3);
    memcpy(second, g.etag, sizeof second);
    CHECK(strcmp(first, second) != 0);
    g = (prophet_net_get)PROPHET_NET_GET_INIT;
    g.expect = first;
    g.offset = 1;
    b.len = 0;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_ESTALE, &err);
    CHECK_EQ_UINT(b.len, 0);
    g.expect = second;
    CHECK_CODE(ph_net_get_bytes(n, "root", 0, &g, &b, &err), PROPHET_OK, &err);
    CHECK_SLICE(ph_buf_slice(&b), "wo", 2);
    ph_buf_clear(&b);
}

static inline void conform_conditions(ph_net *n, const net_conform_place *c)
{
    prophet_error err = { 0 };
    prophet_net_put p;
    char first[PROPHET_ETAG_MAX], second[PROPHET_ETAG_MAX];

    CHECK_OK(conform_put(n, "claims/one", "mine", true, NULL, &p, &err), &err);
    CHECK_EQ_INT(p.looked, c->weak);
    CHECK_CODE(conform_put(n, "claims/one", "theirs", true, NULL, NULL, &err), PROPHET_EEXISTS, &err);
    conform_is(n, "claims/one", "mine", first);
    if (p.etag[0])
        CHECK_EQ_STR(p.etag, first);
    if (c->late_etags) {
        CHECK_OK(ph_net_remove(n, "claims/one", &err), &err);
        CHECK_CODE(conform_put(n, "claims/one", "gone", false, "\"none\"", NULL, &err), PROPHET_ESTALE, &err);
        return;
    }
    CHECK_OK(conform_put(n, "claims/one", "more", false, first, NULL, &err), &err);
    CHECK_CODE(conform_put(n, "claims/one", "lost", false, first, NULL, &err), PROPHET_ESTALE, &err);
    conform_is(n, "claims/one", "more", second);
    CHECK_OK(ph_net_remove(n, "claims/one", &err), &err);
    CHECK_CODE(conform_put(n, "claims/one", "gone", false, second, NULL, &err), PROPHET_ESTALE, &err);
    ph_buf b = PH_BUF_INIT;
    CHECK_CODE(ph_net_get_bytes(n, "claims/one", 0, NULL, &b, &err), PROPHET_DONE, &err);
    ph_buf_clear(&b);
}

static inline void conform_range(ph_net *n, const ph_buf *whole, uint64_t offset, uint64_t length)
{
    prophet_error err = { 0 };
    prophet_net_get g = PROPHET_NET_GET_INIT;
    ph_buf b = PH_BUF_INIT;
    g.offset = offset;
    g.length = length;
    uint64_t from = offset < whole->len ? offset : whole->len;
    uint64_t want = whole->len - from < length ? whole->len - from : length;
    test_context("reading %llu bytes from %llu", (unsigned long long)length, (unsigned long long)offset);
    if (CHECK_CODE(ph_net_get_bytes(n, "data/big.bin", 0, &g, &b, &err), PROPHET_OK, &err))
        CHECK_SLICE(ph_buf_slice(&b), whole->data + from, (size_t)want);
    test_context(NULL);
    ph_buf_clear(&b);
}

static inline void conform_ranges(ph_net *n, const net_conform_place *c)
{
    prophet_error err = { 0 };
    ph_buf whole = PH_BUF_INIT, b = PH_BUF_INIT;
    size_t size = c->big ? c->big : 300000;
    while (whole.len < size)
        ph_buf_u64be(&whole, test_random());
    whole.len = size;
    CHECK_OK(ph_net_put_bytes(n, "data/big.bin", ph_buf_slice(&whole), NULL, &err), &err);
    CHECK_OK(ph_net_put_bytes(n, "data/empty", ph_slice("", 0), NULL, &err), &err);
    conform_is(n, "data/empty", "", NULL);
    conform_range(n, &whole, 0, PROPHET_WHOLE);
    conform_range(n, &whole, 0, 1);
    conform_range(n, &whole, size - 1, 1);
    conform_range(n, &whole, size - 1, 1000);
    conform_range(n, &whole, size, PROPHET_WHOLE);
    conform_range(n, &whole, size + 1000, 5);
    for (int i = 0; i < 4; i++)
        conform_range(n, &whole, test_below(size), 1 + test_below(size));
    CHECK_CODE(ph_net_get_bytes(n, "data/big.bin", size - 1, NULL, &b, &err), PROPHET_EREMOTE, &err);
    CHECK_EQ_UINT(b.len, 0);
    CHECK_OK(ph_net_get_bytes(n, "data/big.bin", size, NULL, &b, &err), &err);
    ph_buf_clear(&b);
    ph_buf_clear(&whole);
}

static inline prophet_code conform_collect(void *ctx, const char *name, uint64_t size, prophet_error *err)
{
    (void)size, (void)err;
    ph_buf *b = ctx;
    ph_buf_str(b, name);
    ph_buf_byte(b, ' ');
    return PROPHET_OK;
}

static inline prophet_code conform_stop(void *ctx, const char *name, uint64_t size, prophet_error *err)
{
    (void)ctx, (void)name, (void)size;
    return ph_fail(err, PROPHET_EINTERRUPTED, "enough");
}

static inline void conform_lists(ph_net *n, const net_conform_place *c)
{
    static const char *const names[] = { "list/a.x", "list/b/c/d.x", "list/b/e.x", "listed" };
    prophet_error err = { 0 };
    ph_buf b = PH_BUF_INIT;
    for (size_t i = 0; i < 4; i++)
        CHECK_OK(conform_put(n, names[i], names[i], false, NULL, NULL, &err), &err);
    prophet_code rc = ph_net_list(n, "list", conform_collect, &b, &err);
    if (c->no_list) {
        CHECK_CODE(rc, PROPHET_DONE, &err);
    } else {
        CHECK_CODE(rc, PROPHET_OK, &err);
        ph_buf_byte(&b, 0);
        for (size_t i = 0; i < 4; i++)
            CHECK_HAS((char *)b.data, names[i]);
        CHECK_EQ_UINT(b.len, 9 + 13 + 11 + 7 + 1);
        b.len = 0;
        CHECK_CODE(ph_net_list(n, "list/b/", conform_collect, &b, &err), PROPHET_OK, &err);
        CHECK_EQ_UINT(b.len, 13 + 11);
        b.len = 0;
        CHECK_CODE(ph_net_list(n, "list/b/e", conform_collect, &b, &err), PROPHET_OK, &err);
        CHECK_SLICE(ph_buf_slice(&b), "list/b/e.x ", 11);
        b.len = 0;
        CHECK_CODE(ph_net_list(n, "nosuch/", conform_collect, &b, &err), PROPHET_OK, &err);
        CHECK_EQ_UINT(b.len, 0);
        CHECK_CODE(ph_net_list(n, "list/", conform_stop, NULL, &err), PROPHET_EINTERRUPTED, &err);
    }
    CHECK_CODE(ph_net_list(n, "../", conform_collect, &b, &err), PROPHET_EUSAGE, &err);
    for (size_t i = 0; i < 4; i++) {
        CHECK_CODE(ph_net_remove(n, names[i], &err), PROPHET_OK, &err);
        b.len = 0;
        CHECK_CODE(ph_net_get_bytes(n, names[i], 0, NULL, &b, &err), PROPHET_DONE, &err);
    }
    ph_buf_clear(&b);
}

static inline prophet_code conform_bad_read(void *ctx, uint64_t offset, void *buf, size_t len, prophet_error *err)
{
    (void)ctx;
    memset(buf, 'x', len);
    return offset > 0 ? ph_fail(err, PROPHET_EIO, "the source broke") : PROPHET_OK;
}

static inline prophet_code conform_bad_sink(void *ctx, prophet_slice chunk, prophet_error *err)
{
    (void)ctx, (void)chunk;
    return ph_fail(err, PROPHET_EFULL, "no room");
}

/* A body that cannot be read, a sink that cannot take: the error is the caller's own, and the place stays as it was. */
static inline void conform_failures(ph_net *n)
{
    prophet_error err = { 0 };
    prophet_net_put p = PROPHET_NET_PUT_INIT;
    prophet_net_get g = PROPHET_NET_GET_INIT;
    CHECK_OK(conform_put(n, "fails", "as before", false, NULL, NULL, &err), &err);
    p.length = 2000000;
    p.read = conform_bad_read;
    CHECK_CODE(ph_net_put(n, "fails", &p, &err), PROPHET_EIO, &err);
    CHECK_HAS(err.message, "the source broke");
    conform_is(n, "fails", "as before", NULL);
    g.sink = conform_bad_sink;
    CHECK_CODE(ph_net_get(n, "fails", &g, &err), PROPHET_EFULL, &err);
    CHECK_HAS(err.message, "no room");
    conform_is(n, "fails", "as before", NULL);
}

static inline void net_conform(const net_conform_place *c)
{
    ph_net *n = conform_open(c);
    REQUIRE(ph_net_can_write(n));
    conform_absence(n);
    conform_etags(n, c);
    conform_conditions(n, c);
    conform_ranges(n, c);
    conform_lists(n, c);
    conform_failures(n);
    ph_net_close(n);
}

#endif
