/* A disk that fills up: a small tmpfs in a mount namespace of its own, where the tests may make one. */
#include "store_place.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: mounts 1 MiB at dir; the namespace takes it away again. 77: not allowed. */
static void small_disk(const char *dir)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=1m") != 0)
        _exit(77);
}

TEST(a_full_disk_fails_the_transaction_and_nothing_else)
{
    const char *dir = test_dir();
    int status = -1;

    if (fork() == 0) {
        static char value[50000];
        ph_store_options o = place_options();
        const char *path = test_path("i.mdb");
        ph_store *s = NULL;
        ph_txn *t = NULL;
        prophet_slice v;
        prophet_code rc = PROPHET_OK;
        small_disk(dir);
        if (ph_store_create(path, &o, &err) < 0 || ph_store_open(path, &o, &s, &err) < 0 ||
            ph_txn_begin(s, true, &t, &err) < 0 ||
            ph_txn_put(t, 0, ph_slice_str("k"), ph_slice_str("v"), &err) < 0 ||
            ph_txn_commit(t, &err) < 0 || ph_txn_begin(s, true, &t, &err) < 0)
            _exit(1);
        for (uint8_t i = 1; i < 100 && rc == PROPHET_OK; i++)
            rc = ph_txn_put(t, 1, ph_slice(&i, 1), ph_slice(value, sizeof value), &err);
        if (rc == PROPHET_OK) /* LMDB writes when it commits: no put needs the disk */
            rc = ph_txn_commit(t, &err);
        else
            ph_txn_abort(t);
        if (rc != PROPHET_EFULL)
            _exit(2);
        if (ph_txn_begin(s, false, &t, &err) < 0 ||
            ph_txn_get(t, 0, ph_slice_str("k"), &v, &err) != PROPHET_OK ||
            ph_txn_get(t, 1, ph_slice("\1", 1), &v, &err) != PROPHET_DONE)
            _exit(3);
        ph_txn_abort(t);
        if (ph_txn_begin(s, true, &t, &err) < 0 ||
            ph_txn_put(t, 0, ph_slice_str("k"), ph_slice_str("w"), &err) < 0 ||
            ph_txn_commit(t, &err) < 0)
            _exit(4); /* what fits goes on */
        ph_store_close(s);
        _exit(0);
    }
    REQUIRE(wait(&status) > 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("no mount namespace");
    CHECK_EQ_INT(status, 0);
}

static void fill(const char *path)
{
    static char bytes[4096];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    while (fd >= 0 && write(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
}

/* In a child. What LMDB stores into the map of its lock file must not end in a hole of the full disk. */
static int readers_on_a_full_disk(void)
{
    ph_store_options o = place_options();
    const char *path = test_path("i.mdb");
    static ph_txn *t[300];
    ph_store *s = NULL;

    if (ph_store_create(path, &o, &err) < 0)
        return 1;
    fill(test_path("full"));
    if (ph_store_open(path, &o, &s, &err) != PROPHET_EFULL)
        return 2;
    if (unlink(test_path("full")) != 0 || ph_store_open(path, &o, &s, &err) < 0)
        return 3;
    fill(test_path("full"));
    for (size_t i = 0; i < 300; i++)
        if (ph_txn_begin(s, false, &t[i], &err) < 0)
            return 4;
    for (size_t i = 0; i < 300; i++)
        ph_txn_abort(t[i]);
    ph_store_close(s);
    return 0;
}

TEST(a_full_disk_is_an_error_and_no_signal)
{
    const char *dir = test_dir();
    int status = -1;

    if (fork() == 0) {
        small_disk(dir);
        _exit(readers_on_a_full_disk());
    }
    REQUIRE(wait(&status) > 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("no mount namespace");
    CHECK_EQ_INT(status, 0);
}
