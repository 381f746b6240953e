/* Places that are directories, and the contract that place.c holds for all transports. */
#include "support/net_conform.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

static prophet_error err;

TEST(a_directory_conforms)
{
    net_conform_place c = { .url = test_path("place") };
    net_conform(&c);
}

TEST(a_file_url_conforms)
{
    char url[600];
    (void)snprintf(url, sizeof url, "file://%s/a%%20place", test_dir());
    net_conform_place c = { .url = url };
    net_conform(&c);
    CHECK(ph_path_exists(test_path("a place/data/big.bin")));
}

static ph_net *open_ok(const char *url)
{
    net_conform_place c = { .url = url };
    return conform_open(&c);
}

TEST(urls_of_other_machines_and_odd_ones_are_refused)
{
    static const char *const bad[] = { "file://host/x", "file:x",
                                       "file:///x?y",   "file:///a%2fb",
                                       "file:///a%00b", "file:///a%zz",
                                       "file://u@/x",   "" };
    ph_net *n = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        test_context("opening \"%s\"", bad[i]);
        CHECK_CODE(ph_net_open(bad[i], NULL, &n, &err), PROPHET_EUSAGE, &err);
    }
    CHECK_CODE(ph_net_open("fil:///x", NULL, &n, &err), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.hint, "file");
}

/* A stick that is pulled out between two steps: what follows must not begin anew where it was. */
TEST(a_directory_that_goes_away_is_not_made_again)
{
    prophet_net_put put = PROPHET_NET_PUT_INIT;
    ph_net *n = open_ok(test_path("stick"));
    CHECK_OK(ph_net_put_bytes(n, "a", ph_slice_str("one"), &put, &err), &err);
    REQUIRE(rename(test_path("stick"), test_path("away")) == 0);
    put = (prophet_net_put)PROPHET_NET_PUT_INIT;
    CHECK_CODE(ph_net_put_bytes(n, "a", ph_slice_str("two"), &put, &err), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.message, "the directory is gone");
    CHECK(!ph_path_exists(test_path("stick")));
    REQUIRE(rename(test_path("away"), test_path("stick")) == 0);
    put = (prophet_net_put)PROPHET_NET_PUT_INIT;
    CHECK_OK(ph_net_put_bytes(n, "b/c", ph_slice_str("two"), &put, &err), &err);
    ph_net_close(n);
}

TEST(links_below_the_root_are_not_followed)
{
    ph_buf b = PH_BUF_INIT;
    REQUIRE(mkdir(test_path("outside"), 0755) == 0 && mkdir(test_path("place"), 0755) == 0);
    REQUIRE_OK(ph_file_replace(test_path("outside/secret"), ph_slice_str("secret"), 0600, &err),
               &err);
    REQUIRE(symlink(test_path("outside/secret"), test_path("place/leak")) == 0);
    REQUIRE(symlink(test_path("outside"), test_path("place/out")) == 0);
    REQUIRE(symlink(test_path("place"), test_path("alias")) == 0);
    REQUIRE(mkfifo(test_path("place/pipe"), 0644) == 0);
    ph_net *n = open_ok(test_path("alias")); /* the root itself may be one: the person named it */
    CHECK_CODE(ph_net_get_bytes(n, "leak", 0, NULL, &b, &err), PROPHET_EREMOTE, &err);
    CHECK_CODE(ph_net_get_bytes(n, "pipe", 0, NULL, &b, &err), PROPHET_EREMOTE, &err);
    CHECK_CODE(ph_net_get_bytes(n, "out/secret", 0, NULL, &b, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_net_put_bytes(n, "out/new", ph_slice_str("x"), NULL, &err), PROPHET_EREMOTE,
               &err);
    CHECK(!ph_path_exists(test_path("outside/new")));
    CHECK_OK(ph_net_put_bytes(n, "leak", ph_slice_str("mine"), NULL, &err),
             &err); /* replaces the link */
    CHECK_OK(ph_net_remove(n, "pipe", &err), &err);
    conform_is(n, "leak", "mine", NULL);
    CHECK_OK(ph_file_slurp(test_path("outside/secret"), 100, &b, &err), &err);
    CHECK_SLICE(ph_buf_slice(&b), "secret", 6);
    b.len = 0;
    CHECK_OK(ph_net_list(n, "", conform_collect, &b, &err), &err);
    CHECK_SLICE(ph_buf_slice(&b), "leak ", 5);
    ph_net_close(n);
    ph_buf_clear(&b);
}

TEST(what_a_crash_left_is_removed_after_a_day_and_never_listed)
{
    struct utimbuf old = { time(NULL) - 100000, time(NULL) - 100000 };
    ph_buf b = PH_BUF_INIT;
    REQUIRE(mkdir(test_path("place"), 0755) == 0);
    REQUIRE_OK(ph_file_replace(test_path("place/.tmp-old"), ph_slice_str("x"), 0644, &err), &err);
    REQUIRE_OK(ph_file_replace(test_path("place/.tmp-new"), ph_slice_str("x"), 0644, &err), &err);
    REQUIRE(utime(test_path("place/.tmp-old"), &old) == 0);
    ph_net *n = open_ok(test_path("place"));
    CHECK_OK(ph_net_put_bytes(n, "a", ph_slice_str("x"), NULL, &err), &err);
    CHECK(!ph_path_exists(test_path("place/.tmp-old")));
    CHECK(ph_path_exists(test_path("place/.tmp-new")));
    CHECK_OK(ph_net_list(n, "", conform_collect, &b, &err), &err);
    CHECK_SLICE(ph_buf_slice(&b), "a ", 2);
    ph_net_close(n);
    ph_buf_clear(&b);
}

TEST(a_file_is_put_as_it_is)
{
    ph_net *n = open_ok(test_path("place"));
    REQUIRE_OK(ph_file_replace(test_path("source"), ph_slice_str("from a file"), 0644, &err), &err);
    CHECK_OK(ph_net_put_file(n, "x/y", test_path("source"), NULL, &err), &err);
    conform_is(n, "x/y", "from a file", NULL);
    CHECK_CODE(ph_net_put_file(n, "x/y", test_path("none"), NULL, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_net_put_file(n, "x/y", test_dir(), NULL, &err), PROPHET_EUSAGE, &err);
    ph_net_close(n);
}

#ifdef PH_DEV
TEST(a_disk_that_fails_leaves_the_old_bytes)
{
    ph_net *n = open_ok(test_path("place"));
    CHECK_OK(ph_net_put_bytes(n, "a", ph_slice_str("old"), NULL, &err), &err);
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the write, the sync */
        ph_file_fail_at(nth, 28 /* ENOSPC */);
        CHECK_CODE(ph_net_put_bytes(n, "a", ph_slice_str("new"), NULL, &err), PROPHET_EFULL, &err);
        ph_file_fail_at(0, 0);
        conform_is(n, "a", "old", NULL);
    }
    for (uint64_t nth = 1;; nth++) {
        REQUIRE(nth < 50);
        ph_alloc_fail_at(nth);
        prophet_code rc = ph_net_put_bytes(n, "a", ph_slice_str("new"), NULL, &err);
        ph_alloc_fail_at(0);
        if (rc >= 0)
            break;
        CHECK_EQ_INT(rc, PROPHET_EMEMORY);
        conform_is(n, "a", "old", NULL);
    }
    conform_is(n, "a", "new", NULL);
    ph_buf b = PH_BUF_INIT;
    CHECK_OK(ph_net_list(n, "", conform_collect, &b, &err), &err);
    CHECK_SLICE(ph_buf_slice(&b), "a ", 2);
    ph_buf_clear(&b);
    ph_net_close(n);
}
#endif

/* ---- interrupts ----------------------------------------------------------------------------------------------- */

static prophet_code refuse(void *ctx, const char *stage, uint64_t done, uint64_t total,
                           prophet_error *e)
{
    (void)ctx, (void)stage, (void)total;
    return done > 0 ? ph_fail(e, PROPHET_EINTERRUPTED, "stopped") : PROPHET_OK;
}

TEST(progress_can_end_what_runs)
{
    prophet_net_options o = PROPHET_NET_OPTIONS_INIT;
    ph_buf big = PH_BUF_INIT, b = PH_BUF_INIT;
    ph_net *n = NULL;
    ph_buf_reserve(&big, 200000);
    memset(big.data, 'x', 200000);
    big.len = 200000;
    o.progress = refuse;
    REQUIRE_OK(ph_net_open(test_path("place"), &o, &n, &err), &err);
    CHECK_CODE(ph_net_put_bytes(n, "a", ph_buf_slice(&big), NULL, &err), PROPHET_EINTERRUPTED,
               &err);
    CHECK_EQ_STR(err.message, "stopped");
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_DONE, &err);
    CHECK_OK(ph_file_replace(test_path("place/a"), ph_buf_slice(&big), 0644, &err), &err);
    CHECK_CODE(ph_net_get_bytes(n, "a", 0, NULL, &b, &err), PROPHET_EINTERRUPTED, &err);
    CHECK_EQ_UINT(b.len, 0);
    ph_net_close(n);
    ph_buf_clear(&big);
    ph_buf_clear(&b);
}

/* What a program without a network does not use, it does not load. */
TEST(a_directory_needs_no_library)
{
    prophet_error e = { 0 };
    ph_net *n = NULL;
    REQUIRE_OK(ph_net_open(test_dir(), NULL, &n, &e), &e);
    CHECK_OK(ph_net_put_bytes(n, "a", ph_slice("x", 1), NULL, &e), &e);
    ph_net_close(n);
    CHECK(dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD) == NULL);
    CHECK(dlopen("libexpat.so.1", RTLD_LAZY | RTLD_NOLOAD) == NULL);
    REQUIRE_OK(ph_net_open("http://127.0.0.1:1/", NULL, &n, &e), &e); /* now it does */
    ph_net_close(n);
    CHECK(dlopen("libcurl.so.4", RTLD_LAZY | RTLD_NOLOAD) != NULL);
}
