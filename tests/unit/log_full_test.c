/* A disk that fills up under the log: a small tmpfs in a mount namespace of its own, where the tests
 * may make one. */
#include "log_place.h"
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int fill_up(const char *dir)
{
    ph_log *log = NULL;
    ph_buf payload = PH_BUF_INIT;
    ph_position at;
    ph_mark end, after;
    unsigned n = 0;
    prophet_code rc;

    if (ph_log_create(dir, &place_database, &err) < 0 || ph_log_open(dir, false, &log, &err) < 0 ||
        ph_log_lock(log, 0, &err) < 0)
        return 1;
    ph_log_roll_at(log, 300000);
    do {
        ph_log_end(log, &end);
        place_payload(&payload, n, 9999);
        rc = ph_log_append(log, ph_buf_slice(&payload), 1 + n % 3, &at, &err);
    } while (rc == PROPHET_OK && n++ < 1000);
    ph_log_end(log, &after);
    if (rc != PROPHET_EFULL || n < 20 || after.position != end.position)
        return 2;
    if (ph_log_append(log, ph_slice("\1\1x", 3), 1, &at, &err) != PROPHET_OK &&
        err.code != PROPHET_EFULL)
        return 3;
    ph_log_unlock(log);
    ph_log_end(log, &after);
    if (ph_log_flush(log, after.position, &err) < 0)
        return 4;
    place_reboot(dir, 0);
    if (ph_log_recover(log, &(ph_mark){ 0 }, &err) < 0)
        return 5;
    ph_log_end(log, &end);
    if (end.position != after.position)
        return 6;
    ph_log_close(log);
    ph_buf_clear(&payload);
    return 0;
}

TEST(a_full_disk_fails_the_append_and_loses_nothing)
{
    const char *dir = test_dir();
    int status = -1;

    if (fork() == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", dir, "tmpfs", 0, "size=1m") != 0)
            _exit(77);
        _exit(fill_up(dir));
    }
    REQUIRE(wait(&status) > 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        test_skip("no mount namespace");
    CHECK_EQ_INT(status, 0);
}
