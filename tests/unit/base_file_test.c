/* Files: whole transfers, replacing, removing trees without following links, paths. */
#include "base/base.h"
#include "support/test.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");

    REQUIRE(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void check_file(const char *path, const char *text)
{
    prophet_error err;
    ph_buf b = PH_BUF_INIT;

    if (CHECK_CODE(ph_file_slurp(path, 1 << 20, &b, &err), PROPHET_OK, &err))
        CHECK_SLICE(ph_buf_slice(&b), text, strlen(text));
    ph_buf_clear(&b);
}

TEST(written_bytes_are_read_back_at_their_offset)
{
    prophet_error err;
    char buf[20] = "";
    size_t got = 99;
    int fd = open(test_path("f"), O_RDWR | O_CREAT, 0600);

    REQUIRE(fd >= 0);
    CHECK_CODE(ph_file_write(fd, "hello", 5, 10, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_file_write(fd, "", 0, 0, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_file_sync(fd, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_file_read(fd, buf, 5, 10, &got, &err), PROPHET_OK, &err);
    CHECK_MEM(buf, "hello", 5);
    CHECK_EQ_UINT(got, 5);
    CHECK_CODE(ph_file_read(fd, buf, sizeof buf, 12, &got, &err), PROPHET_OK, &err);
    CHECK_EQ_UINT(got, 3); /* the end of the file is no error */
    CHECK_CODE(ph_file_read(fd, buf, sizeof buf, 1 << 20, &got, &err), PROPHET_OK, &err);
    CHECK_EQ_UINT(got, 0);
    CHECK_CODE(ph_file_read(fd, buf, 1, UINT64_MAX, &got, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_file_write(fd, buf, 1, INT64_MAX, &err), PROPHET_EUSAGE, &err);
    close(fd);
    CHECK_CODE(ph_file_read(-1, buf, 1, 0, &got, &err), PROPHET_EIO, &err);
    CHECK_EQ_INT(err.sys, EBADF);
    CHECK_CODE(ph_file_write(-1, buf, 1, 0, &err), PROPHET_EIO, &err);
    CHECK_CODE(ph_file_sync(-1, &err), PROPHET_EIO, &err);
}

TEST(a_full_disk_is_told_as_such)
{
    prophet_error err;
    int fd = open("/dev/full", O_WRONLY);

    if (fd < 0)
        test_skip("no /dev/full");
    CHECK_CODE(ph_file_write(fd, "x", 1, 0, &err), PROPHET_EFULL, &err);
    CHECK_EQ_INT(err.sys, ENOSPC);
    close(fd);
}

TEST(slurp_appends_all_within_its_limit)
{
    const char *path = test_path("f");
    prophet_error err;
    ph_buf b = PH_BUF_INIT;

    put_file(path, "0123456789");
    ph_buf_str(&b, "before ");
    CHECK_CODE(ph_file_slurp(path, 10, &b, &err), PROPHET_OK, &err);
    CHECK_SLICE(ph_buf_slice(&b), "before 0123456789", 17);
    CHECK_CODE(ph_file_slurp(path, 9, &b, &err), PROPHET_EUSAGE, &err);
    CHECK_HAS(err.message, path);
    CHECK_EQ_UINT(b.len, 17);
    CHECK_CODE(ph_file_slurp(test_path("absent"), 9, &b, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_file_slurp(test_path("f/x"), 9, &b, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_file_slurp(test_dir(), 9, &b, &err), PROPHET_EIO, &err);
    put_file(path, "");
    CHECK_CODE(ph_file_slurp(path, 0, &b, &err), PROPHET_OK, &err);
    CHECK_EQ_UINT(b.len, 17);
    /* a file that says it is empty */
    CHECK_CODE(ph_file_slurp("/proc/self/stat", 1 << 20, &b, &err), PROPHET_OK, &err);
    CHECK(b.len > 17);
    ph_buf_clear(&b);
}

TEST(slurp_of_a_large_file)
{
    enum { SIZE = 3000000 };
    const char *path = test_path("f");
    prophet_error err;
    ph_buf b = PH_BUF_INIT;
    char *big = malloc(SIZE);

    REQUIRE(big != NULL);
    for (size_t i = 0; i < SIZE; i++)
        big[i] = (char)(i * 2654435761u >> 24);
    CHECK_CODE(ph_file_replace(path, ph_slice(big, SIZE), 0600, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_file_slurp(path, SIZE, &b, &err), PROPHET_OK, &err);
    CHECK_SLICE(ph_buf_slice(&b), big, SIZE);
    ph_buf_clear(&b);
    free(big);
}

TEST(replace_puts_new_bytes_in_place_with_their_mode)
{
    const char *path = test_path("key"), *temp = test_path("key.tmp");
    prophet_error err;
    struct stat st;

    put_file(temp, "left by a crash");
    CHECK_CODE(ph_file_replace(path, ph_slice_str("one"), 0600, &err), PROPHET_OK, &err);
    check_file(path, "one");
    REQUIRE(stat(path, &st) == 0);
    CHECK_EQ_INT(st.st_mode & 0777, 0600);
    CHECK_CODE(ph_file_replace(path, ph_slice(NULL, 0), 0600, &err), PROPHET_OK, &err);
    check_file(path, "");
    CHECK(!ph_path_exists(temp));
}

TEST(replace_writes_to_no_link_that_waits_for_it)
{
    const char *path = test_path("f"), *temp = test_path("f.tmp"), *victim = test_path("victim");
    prophet_error err;

    put_file(victim, "precious");
    REQUIRE(symlink(victim, temp) == 0);
    REQUIRE(symlink(victim, path) == 0);
    CHECK_CODE(ph_file_replace(path, ph_slice_str("new"), 0600, &err), PROPHET_OK, &err);
    check_file(victim, "precious");
    check_file(path, "new");
}

TEST(replace_that_cannot_names_the_path_and_leaves_nothing)
{
    prophet_error err;
    char *deep = malloc(PH_PATH_MAX + 10);

    CHECK_CODE(ph_file_replace(test_path("no/f"), ph_slice_str("x"), 0600, &err), PROPHET_EIO,
               &err);
    CHECK_HAS(err.message, "no/f.tmp");
    REQUIRE(mkdir(test_path("d"), 0700) == 0);
    CHECK_CODE(ph_file_replace(test_path("d"), ph_slice_str("x"), 0600, &err), PROPHET_EIO, &err);
    CHECK(!ph_path_exists(test_path("d.tmp")));
    REQUIRE(deep != NULL);
    memset(deep, 'p', PH_PATH_MAX + 9);
    deep[PH_PATH_MAX + 9] = 0;
    CHECK_CODE(ph_file_replace(deep, ph_slice_str("x"), 0600, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_dir_remove(deep, &err), PROPHET_EUSAGE, &err);
    free(deep);
}

TEST(a_bare_name_is_replaced_in_the_working_directory)
{
    prophet_error err;
    char before[PH_PATH_MAX];

    REQUIRE(getcwd(before, sizeof before) != NULL);
    REQUIRE(chdir(test_dir()) == 0);
    CHECK_CODE(ph_file_replace("bare", ph_slice_str("x"), 0600, &err), PROPHET_OK, &err);
    check_file(test_path("bare"), "x");
    REQUIRE(chdir(before) == 0);
}

TEST(every_failing_write_or_sync_leaves_the_old_file_or_the_new)
{
#ifdef PH_DEV
    const char *path = test_path("f");
    prophet_error err;
    int n;

    CHECK_CODE(ph_file_replace(path, ph_slice_str("old"), 0600, &err), PROPHET_OK, &err);
    for (n = 1; n < 10; n++) {
        ph_file_fail_at((uint64_t)n, ENOSPC);
        prophet_code rc = ph_file_replace(path, ph_slice_str("new"), 0600, &err);
        ph_file_fail_at(0, 0);
        if (rc == PROPHET_OK)
            break;
        CHECK_EQ_INT(rc, PROPHET_EFULL);
        check_file(path, n < 3 ? "old" : "new");
        CHECK(!ph_path_exists(test_path("f.tmp")));
    }
    CHECK_EQ_INT(n, 4); /* write, sync, sync of the directory */
#else
    test_skip("a build without fault points");
#endif
}

TEST(remove_takes_all_within_and_nothing_outside)
{
    prophet_error err;
    const char *outside = test_path("outside"), *tree = test_path("tree");

    REQUIRE(mkdir(outside, 0700) == 0);
    put_file(test_path("outside/kept"), "kept");
    REQUIRE(mkdir(tree, 0700) == 0 && mkdir(test_path("tree/a"), 0700) == 0 &&
            mkdir(test_path("tree/a/b"), 0700) == 0);
    REQUIRE(symlink(outside, test_path("tree/link")) == 0);
    REQUIRE(symlink("nowhere", test_path("tree/a/dangling")) == 0);
    put_file(test_path("tree/a/b/.hidden"), "x");
    for (int i = 0; i < 200; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s/a/file-%d", tree, i);
        put_file(name, "x");
    }
    CHECK_CODE(ph_dir_remove(tree, &err), PROPHET_OK, &err);
    CHECK(!ph_path_exists(tree));
    check_file(test_path("outside/kept"), "kept");
    CHECK_CODE(ph_dir_remove(tree, &err), PROPHET_ENOTFOUND, &err);
    REQUIRE(symlink(outside, tree) == 0);
    /* the link, not what it points to */
    CHECK_CODE(ph_dir_remove(test_path("tree//"), &err), PROPHET_OK, &err);
    check_file(test_path("outside/kept"), "kept");
    CHECK_CODE(ph_dir_remove("", &err), PROPHET_EUSAGE, &err);
}

TEST(remove_stops_at_a_tree_without_end)
{
    prophet_error err;
    char at[PH_PATH_MAX], *end;
    const char *tree = test_path("t");

    (void)snprintf(at, sizeof at, "%s", tree);
    end = at + strlen(at);
    for (int i = 0; i < 150; i++) {
        REQUIRE(mkdir(at, 0700) == 0);
        (void)snprintf(end, 3, "/d");
        end += 2;
    }
    CHECK_CODE(ph_dir_remove(tree, &err), PROPHET_EIO, &err);
    at[strlen(tree) + 2 * 60] = 0;
    CHECK_CODE(ph_dir_remove(at, &err), PROPHET_OK, &err); /* in two steps it goes */
    CHECK_CODE(ph_dir_remove(tree, &err), PROPHET_OK, &err);
}

TEST(directories_are_synced)
{
    prophet_error err;

    CHECK_CODE(ph_dir_sync(test_dir(), &err), PROPHET_OK, &err);
    CHECK_CODE(ph_dir_sync(test_path("absent"), &err), PROPHET_EIO, &err);
    put_file(test_path("f"), "");
    CHECK_CODE(ph_dir_sync(test_path("f"), &err), PROPHET_EIO, &err);
}

TEST(paths_are_joined_with_one_slash)
{
    prophet_error err;
    char out[10];

    CHECK_CODE(ph_path_join(out, sizeof out, "a", "b", &err), PROPHET_OK, &err);
    CHECK_EQ_STR(out, "a/b");
    CHECK_CODE(ph_path_join(out, sizeof out, "a/", "b", &err), PROPHET_OK, &err);
    CHECK_EQ_STR(out, "a/b");
    CHECK_CODE(ph_path_join(out, sizeof out, "/", "b", &err), PROPHET_OK, &err);
    CHECK_EQ_STR(out, "/b");
    CHECK_CODE(ph_path_join(out, sizeof out, "", "b", &err), PROPHET_OK, &err);
    CHECK_EQ_STR(out, "b");
    CHECK_CODE(ph_path_join(out, sizeof out, "1234", "6789", &err), PROPHET_OK, &err);
    CHECK_CODE(ph_path_join(out, sizeof out, "1234", "67890", &err), PROPHET_EUSAGE, &err);
}
