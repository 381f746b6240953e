/* Environments: sharing, creating, growing, forks, killed readers, strange files and file systems. */
#include "store_place.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

TEST(an_index_is_created_whole_or_not_at_all)
{
    ph_store_options o = place_options();
    const char *path = place_make("i.mdb");
    uint64_t count;
    ph_store *s = place_open(path);
    ph_txn *t = place_begin(s, false);

    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(ph_txn_count(t, i, &count, &err), &err);
        CHECK_EQ_UINT(count, 0);
    }
    ph_txn_abort(t);
    ph_store_close(s);
    CHECK_CODE(ph_store_create(path, &o, &err), PROPHET_EEXISTS, &err);
    CHECK_CODE(ph_store_open(test_path("no.mdb"), &o, &s, &err), PROPHET_ENOTFOUND, &err);
    CHECK(!ph_path_exists(test_path("no.mdb")) && !ph_path_exists(test_path("no.mdb-lock")));
    CHECK(ph_store_create("/nowhere/at/all.mdb", &o, &err) < 0);
    static const char *const other[] = { "one", "two", "four" };
    o.tables = other;
    CHECK_CODE(ph_store_open(path, &o, &s, &err), PROPHET_ECORRUPT,
               &err); /* not an index of ours */
}

TEST(a_table_without_a_name_lies_beside_the_names)
{
    static const char *const tables[] = { "", "two", "three" };
    ph_store_options o = { .tables = tables, .table_count = 3 };
    const char *path = test_path("nameless.mdb");
    ph_store *s = NULL;
    ph_cursor *cur;
    prophet_slice key, value;
    size_t rows = 0;

    REQUIRE_OK(ph_store_create(path, &o, &err), &err);
    REQUIRE_OK(ph_store_open(path, &o, &s, &err), &err);
    ph_txn *t = place_begin(s, true);
    CHECK_OK(ph_txn_put(t, 0, ph_slice_str("state"), ph_slice_str("here"), &err), &err);
    CHECK_OK(ph_txn_put(t, 1, ph_slice_str("state"), ph_slice_str("there"), &err), &err);
    CHECK_CODE(ph_txn_put(t, 0, ph_slice_str("two"), ph_slice_str("no"), &err), PROPHET_ECORRUPT,
               &err); /* LMDB's own row: not to be overwritten */
    ph_txn_abort(t);
    t = place_begin(s, true);
    CHECK_OK(ph_txn_put(t, 0, ph_slice_str("state"), ph_slice_str("here"), &err), &err);
    CHECK_OK(ph_txn_put(t, 1, ph_slice_str("state"), ph_slice_str("there"), &err), &err);
    REQUIRE_OK(ph_txn_commit(t, &err), &err);
    t = place_begin(s, false);
    REQUIRE_OK(ph_txn_get(t, 0, ph_slice_str("state"), &value, &err), &err);
    CHECK_SLICE(value, "here", 4);
    REQUIRE_OK(ph_txn_get(t, 1, ph_slice_str("state"), &value, &err), &err);
    CHECK_SLICE(value, "there", 5);
    REQUIRE_OK(ph_cursor_open(t, 0, &cur, &err), &err);
    for (prophet_code rc = ph_cursor_first(cur, &key, &value, &err); rc == PROPHET_OK;
         rc = ph_cursor_next(cur, &key, &value, &err))
        rows++;
    CHECK_EQ_INT(rows, 3); /* "state", "three", "two" */
    ph_cursor_close(cur);
    ph_txn_abort(t);
    CHECK_OK(ph_store_copy(s, test_path("copy.mdb"), &err), &err);
    ph_store_close(s);
    REQUIRE_OK(ph_store_open(test_path("copy.mdb"), &o, &s, &err), &err);
    t = place_begin(s, false);
    REQUIRE_OK(ph_txn_get(t, 0, ph_slice_str("state"), &value, &err), &err);
    CHECK_SLICE(value, "here", 4);
    ph_txn_abort(t);
    ph_store_close(s);
}

TEST(one_file_has_one_environment_in_a_process)
{
    const char *path = place_make("i.mdb"), *alias = test_path("alias.mdb");
    ph_store *a = place_open(path), *b, *c;
    ph_store_options o = place_options();

    REQUIRE(link(path, alias) == 0); /* the file counts, not its name */
    b = place_open(alias);
    ph_txn *t = place_begin(a, true);
    place_put(t, 0, "k", "v");
    CHECK_OK(ph_txn_commit(t, &err), &err);
    ph_store_close(a); /* drops no lock of b's */
    t = place_begin(b, false);
    CHECK(place_has(t, 0, "k", "v"));
    ph_txn_abort(t);
    o.readonly = true;
    REQUIRE_OK(ph_store_open(path, &o, &c, &err), &err);
    ph_store_close(b);
    ph_store_close(c);
    REQUIRE_OK(ph_store_open(path, &o, &c, &err), &err);
    o.readonly = false;
    CHECK_CODE(ph_store_open(path, &o, &b, &err), PROPHET_EBUSY, &err);
    CHECK_CODE(ph_txn_begin(c, true, &t, &err), PROPHET_EREADONLY, &err);
    ph_store_close(c);
    ph_store_close(NULL);
}

TEST(the_map_is_large_and_the_file_small)
{
    ph_store *s = place_open(place_make("i.mdb"));
    ph_store_stats stats;

    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK(stats.map_size >= (uint64_t)1 << 36);
    CHECK(stats.file_bytes < 100000);
    ph_store_close(s);
}

TEST(a_full_map_is_told_grown_and_followed_by_others)
{
    const char *path = place_make("i.mdb");
    ph_store_options o = place_options();
    ph_store *s = NULL;
    ph_txn *t, *reader;
    prophet_code rc = PROPHET_OK;
    char key[16];
    static char value[1000];
    int hear[2], say[2], status = -1;
    pid_t child;

    REQUIRE(pipe(hear) == 0 && pipe(say) == 0);
    o.map_size = 256 << 10;
    if ((child = fork()) == 0) { /* another process, with the small map */
        prophet_slice v;
        char c;
        bool ok = ph_store_open(path, &o, &s, NULL) >= 0 && write(hear[1], "x", 1) == 1 &&
                  read(say[0], &c, 1) == 1 && ph_txn_begin(s, false, &t, NULL) >= 0 &&
                  ph_txn_get(t, 0, ph_slice_str("00000500"), &v, NULL) == PROPHET_OK;
        _exit(ok ? 0 : 1);
    }
    REQUIRE(read(hear[0], key, 1) == 1);
    REQUIRE_OK(ph_store_open(path, &o, &s, &err), &err);
    for (unsigned round = 0; round < 6; round++) {
        t = place_begin(s, true);
        for (unsigned i = 0; i < 1000 && rc == PROPHET_OK; i++) {
            (void)snprintf(key, sizeof key, "%08u", i);
            rc = ph_txn_put(t, 0, ph_slice_str(key), ph_slice(value, sizeof value), &err);
        }
        if (rc == PROPHET_OK) {
            CHECK_OK(ph_txn_commit(t, &err), &err);
            break;
        }
        CHECK_CODE(rc, PROPHET_EFULL, &err);
        reader = place_begin(s, false);
        CHECK_CODE(ph_store_grow(s, &err), PROPHET_EBUSY, &err); /* not under an open transaction */
        ph_txn_abort(t);
        ph_txn_abort(reader);
        CHECK_OK(ph_store_grow(s, &err), &err);
        rc = PROPHET_OK;
    }
    t = place_begin(s, false);
    (void)snprintf(key, sizeof key, "%08u", 999);
    prophet_slice v;
    CHECK_CODE(ph_txn_get(t, 0, ph_slice_str(key), &v, &err), PROPHET_OK, &err);
    ph_txn_abort(t);
    REQUIRE(write(say[1], "x", 1) == 1 && waitpid(child, &status, 0) == child);
    CHECK_EQ_INT(status, 0);
    ph_store_close(s);
    for (int i = 0; i < 2; i++)
        REQUIRE(close(hear[i]) == 0 && close(say[i]) == 0);
}

TEST(little_address_space_gives_a_smaller_map)
{
#ifdef __SANITIZE_ADDRESS__
    test_skip("the sanitizer's shadow needs more");
#endif
    const char *path = place_make("i.mdb");
    int status = -1;

    if (fork() == 0) {
        struct rlimit limit = { (rlim_t)8 << 30, (rlim_t)8 << 30 };
        ph_store_options o = place_options();
        ph_store_stats stats;
        ph_store *s = NULL;
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(9);
        bool ok = ph_store_open(path, &o, &s, NULL) >= 0 &&
                  ph_store_stats_get(s, &stats, NULL) >= 0 && stats.map_size >= 1 << 26 &&
                  stats.map_size < (uint64_t)8 << 30;
        _exit(ok ? 0 : 1);
    }
    REQUIRE(wait(&status) > 0);
    CHECK_EQ_INT(status, 0);
}

TEST(a_child_after_fork_is_told_to_open_again)
{
    const char *path = place_make("i.mdb");
    ph_store *s = place_open(path);
    ph_txn *reader = place_begin(s, false), *t = NULL;
    int status = -1;

    if (fork() == 0) {
        ph_store_options o = place_options();
        ph_store *mine = NULL;
        bool ok = ph_txn_begin(s, false, &t, NULL) == PROPHET_EUSAGE &&
                  ph_store_sync(s, NULL) == PROPHET_EUSAGE &&
                  ph_store_grow(s, NULL) == PROPHET_EUSAGE &&
                  ph_txn_renew(reader, NULL) == PROPHET_EUSAGE;
        ph_txn_abort(reader);
        ph_store_close(s); /* must not drop the parent's locks */
        ok = ok && ph_store_open(path, &o, &mine, NULL) >= 0 &&
             ph_txn_begin(mine, false, &t, NULL) >= 0;
        _exit(ok ? 0 : 1);
    }
    REQUIRE(wait(&status) > 0);
    CHECK_EQ_INT(status, 0);
    CHECK(place_has(reader, 0, "k", NULL));
    ph_txn_abort(reader);
    ph_store_close(s);
}

/* A process that reads, and is killed while it does. */
static void kill_reader(const char *path, ph_store *s)
{
    ph_store_stats stats;
    int pipes[2];
    char c;
    pid_t child;

    REQUIRE(pipe(pipes) == 0);
    if ((child = fork()) == 0) {
        ph_store_options o = place_options();
        ph_store *mine = NULL;
        ph_txn *t;
        if (ph_store_open(path, &o, &mine, NULL) < 0 || ph_txn_begin(mine, false, &t, NULL) < 0 ||
            write(pipes[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    REQUIRE(read(pipes[0], &c, 1) == 1);
    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK_EQ_UINT(stats.readers, 1);
    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    REQUIRE(close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

TEST(a_killed_reader_is_cleared_at_the_next_open)
{
    const char *path = place_make("i.mdb");
    ph_store *s = place_open(path);
    ph_store_stats stats;

    kill_reader(path, s);
    ph_store_close(s);
    s = place_open(path);
    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK_EQ_UINT(stats.readers, 0);
    ph_store_close(s);
}

TEST(a_killed_reader_is_cleared_by_who_goes_on_writing)
{
    const char *path = place_make("i.mdb");
    ph_store *s = place_open(path);
    ph_store_stats stats;

    kill_reader(path, s);
    for (uint8_t i = 0; i < 255; i++) {
        ph_txn *t;
        REQUIRE_OK(ph_txn_begin(s, true, &t, &err), &err);
        REQUIRE_OK(ph_txn_put(t, 0, ph_slice_str("k"), ph_slice(&i, 1), &err), &err);
        REQUIRE_OK(ph_txn_commit(t, &err), &err);
        REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    }
    CHECK_EQ_UINT(stats.readers, 1);
    for (uint8_t i = 0; i < 10; i++) {
        ph_txn *t;
        REQUIRE_OK(ph_txn_begin(s, true, &t, &err), &err);
        ph_txn_abort(t);
    }
    REQUIRE_OK(ph_store_stats_get(s, &stats, &err), &err);
    CHECK_EQ_UINT(stats.readers, 0);
    ph_store_close(s);
}

TEST(a_thousand_readers_fit_and_one_more_is_busy)
{
    ph_store *s = place_open(place_make("i.mdb"));
    static ph_txn *t[1100];
    unsigned n = 0;
    prophet_code rc = PROPHET_OK;

    while (n < 1100 && (rc = ph_txn_begin(s, false, &t[n], &err)) == PROPHET_OK)
        n++;
    CHECK_CODE(rc, PROPHET_EBUSY, &err);
    CHECK(n >= 1024);
    while (n > 0)
        ph_txn_abort(t[--n]);
    ph_store_close(s);
}

/* Another container with our process id holds the lock LMDB takes for it. */
TEST(equal_process_ids_of_two_containers_are_busy_and_say_why)
{
    const char *path = place_make("i.mdb");
    ph_store *s;
    ph_txn *t = NULL;
    int pipes[2];
    char c;
    pid_t child, me = getpid();

    REQUIRE(pipe(pipes) == 0);
    ph_store_close(place_open(path)); /* makes the lock file */
    if ((child = fork()) == 0) {
        char lock[PH_PATH_MAX];
        struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = me, .l_len = 1 };
        (void)snprintf(lock, sizeof lock, "%s-lock", path);
        int fd = open(lock, O_RDWR);
        if (fd < 0 || fcntl(fd, F_SETLK, &l) != 0 || write(pipes[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    REQUIRE(read(pipes[0], &c, 1) == 1);
    ph_store_options o = place_options();
    prophet_code rc = ph_store_open(path, &o, &s, &err);
    if (rc >= 0) {
        rc = ph_txn_begin(s, false, &t, &err);
        ph_store_close(s);
    }
    CHECK_CODE(rc, PROPHET_EBUSY, &err);
    CHECK_HAS(err.message, "process id");
    CHECK_HAS(err.hint, "container");
    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    REQUIRE(close(pipes[0]) == 0 && close(pipes[1]) == 0);
}

TEST(a_compacted_copy_holds_the_same_rows)
{
    ph_store *s = place_open(place_make("i.mdb")), *copy;
    ph_txn *t = place_begin(s, true);
    static char value[1 << 20];
    struct stat before, after;

    place_put(t, 0, "k", "v");
    for (char k = 'a'; k < 'e'; k++)
        REQUIRE_OK(ph_txn_put(t, 1, ph_slice(&k, 1), ph_slice(value, sizeof value), &err), &err);
    CHECK_OK(ph_txn_commit(t, &err), &err);
    t = place_begin(s, true);
    CHECK_OK(ph_txn_empty(t, 1, &err), &err);
    CHECK_OK(ph_txn_commit(t, &err), &err);
    CHECK_OK(ph_store_copy(s, test_path("copy.mdb"), &err), &err);
    CHECK_CODE(ph_store_copy(s, test_path("copy.mdb"), &err), PROPHET_EEXISTS, &err);
    REQUIRE(stat(test_path("i.mdb"), &before) == 0 && stat(test_path("copy.mdb"), &after) == 0);
    CHECK(after.st_size * 10 < before.st_size);
    copy = place_open(test_path("copy.mdb"));
    t = place_begin(copy, false);
    CHECK(place_has(t, 0, "k", "v"));
    ph_txn_abort(t);
    ph_store_close(copy);
    ph_store_close(s);
}

TEST(read_only_media_are_read_without_a_lock_file)
{
    const char *path = place_make("i.mdb");
    ph_store *s = place_open(path);
    ph_store_options o = place_options();
    ph_txn *t = place_begin(s, true);

    place_put(t, 0, "k", "v");
    CHECK_OK(ph_txn_commit(t, &err), &err);
    CHECK_OK(ph_store_sync(s, &err), &err);
    ph_store_close(s);
    REQUIRE(unlink(test_path("i.mdb-lock")) == 0);
    o.readonly = o.nolock = true;
    REQUIRE_OK(ph_store_open(path, &o, &s, &err), &err);
    t = place_begin(s, false);
    CHECK(place_has(t, 0, "k", "v"));
    ph_txn_abort(t);
    ph_store_close(s);
    CHECK(!ph_path_exists(test_path("i.mdb-lock")));
}

TEST(a_file_that_is_no_index_is_corrupt)
{
    ph_store_options o = place_options();
    ph_store *s;
    const char *path = test_path("bad.mdb");
    static char bytes[100000];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    memset(bytes, 'x', sizeof bytes);
    REQUIRE(fd >= 0 && write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes && close(fd) == 0);
    CHECK_CODE(ph_store_open(path, &o, &s, &err), PROPHET_ECORRUPT, &err);
    CHECK_HAS(err.message, "bad.mdb");
}

TEST(file_systems_are_known_by_name)
{
    char name[32];
    bool fixed, network;

    REQUIRE_OK(ph_store_filesystem("/proc", name, &fixed, &network, &err), &err);
    CHECK_HAS(name, "unknown");
    CHECK(!fixed && !network);
    if (ph_path_exists("/dev/shm")) {
        REQUIRE_OK(ph_store_filesystem("/dev/shm", name, &fixed, &network, &err), &err);
        if (strcmp(name, "tmpfs") == 0)
            CHECK(fixed && !network);
    }
    CHECK(ph_store_filesystem("/nowhere", name, &fixed, &network, &err) < 0);
}
