/* A log in the test's directory with batches whose content tells their number; damage by hand. */
#ifndef LOG_PLACE_H
#define LOG_PLACE_H
#include "log/log_impl.h"
#include "support/test.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_error err;
static const ph_uuid place_database = { { 7, 7, 7 } };

/* ---- a place ------------------------------------------------------------------------------------ */

static inline const char *place_make(const char *name)
{
    const char *dir = test_path(name);

    REQUIRE(mkdir(dir, 0700) == 0);
    REQUIRE_OK(ph_log_create(dir, &place_database, &err), &err);
    return dir;
}

static inline ph_log *place_open(const char *dir)
{
    ph_log *log = NULL;

    REQUIRE_OK(ph_log_open(dir, false, &log, &err), &err);
    return log;
}

static inline void place_remove(const char *dir)
{
    REQUIRE_OK(ph_dir_remove(dir, &err), &err);
}

static inline void place_copy_file(const char *from, const char *to)
{
    ph_buf bytes = PH_BUF_INIT;
    int fd;

    REQUIRE_OK(ph_file_slurp(from, 1u << 30, &bytes, &err), &err);
    REQUIRE((fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600)) >= 0);
    REQUIRE_OK(ph_file_write(fd, bytes.data, bytes.len, 0, &err), &err);
    REQUIRE(close(fd) == 0);
    ph_buf_clear(&bytes);
}

static inline const char *place_file(const char *dir, const char *name)
{
    static char path[4][PH_PATH_MAX];
    static unsigned turn;

    (void)snprintf(path[++turn & 3], PH_PATH_MAX, "%s/%s", dir, name);
    return path[turn & 3];
}

#define FIRST_FILE "log/00000001.log"

/* As after a reboot: the page is of another boot, `durable` in it is what reached the disk. */
static inline void place_reboot(const char *dir, ph_position durable)
{
    int fd = open(place_file(dir, "lock"), O_RDWR);
    uint8_t boot[16] = { 1 };

    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, boot, 16, offsetof(ph_lock_page, boot)) == 16);
    REQUIRE(pwrite(fd, &durable, 8, offsetof(ph_lock_page, durable)) == 8);
    REQUIRE(close(fd) == 0);
}

static inline void place_poke(const char *path, uint64_t offset, const void *bytes, size_t len)
{
    int fd = open(path, O_RDWR);

    REQUIRE(fd >= 0);
    REQUIRE_OK(ph_file_write(fd, bytes, len, offset, &err), &err);
    REQUIRE(close(fd) == 0);
}

static inline void place_flip(const char *path, uint64_t offset)
{
    uint8_t b;
    size_t got;
    int fd = open(path, O_RDWR);

    REQUIRE(fd >= 0);
    REQUIRE_OK(ph_file_read(fd, &b, 1, offset, &got, &err), &err);
    b ^= 0x40;
    REQUIRE_OK(ph_file_write(fd, &b, 1, offset, &err), &err);
    REQUIRE(close(fd) == 0);
}

/* ---- batches: number n holds 1 + n % 3 frames, each "n:i:" and filling -------------------------------- */

static inline void place_payload(ph_buf *out, unsigned n, size_t filling)
{
    char head[32];
    ph_buf frame = PH_BUF_INIT;

    ph_buf_reset(out);
    for (unsigned i = 0; i < 1 + n % 3; i++) {
        ph_buf_reset(&frame);
        (void)snprintf(head, sizeof head, "%u:%u:", n, i);
        ph_buf_str(&frame, head);
        for (size_t k = 0; k < filling; k++)
            ph_buf_byte(&frame, (uint8_t)('a' + (n + k) % 26));
        (void)ph_log_payload_add(out, (ph_frame_type)(1 + i), ph_buf_slice(&frame));
    }
    REQUIRE(!out->failed);
    ph_buf_clear(&frame);
}

/* With the lock held. */
static inline ph_position place_append_locked(ph_log *log, unsigned n, size_t filling)
{
    ph_buf payload = PH_BUF_INIT;
    ph_position at = 0;

    place_payload(&payload, n, filling);
    REQUIRE_OK(ph_log_append(log, ph_buf_slice(&payload), 1 + n % 3, &at, &err), &err);
    ph_buf_clear(&payload);
    return at;
}

static inline ph_position place_append(ph_log *log, unsigned n, size_t filling)
{
    ph_position at;

    REQUIRE_OK(ph_log_lock(log, 5000, &err), &err);
    at = place_append_locked(log, n, filling);
    ph_log_unlock(log);
    return at;
}

static inline ph_position place_end(ph_log *log)
{
    ph_mark end;

    ph_log_end(log, &end);
    return end.position;
}

static inline void place_flush(ph_log *log)
{
    REQUIRE_OK(ph_log_flush(log, place_end(log), &err), &err);
}

/* Reads everything: the batches' numbers in order, at most max. Damage is gone around and counted. */
static inline unsigned place_read(ph_log *log, unsigned *numbers, unsigned max, unsigned *damages)
{
    ph_log_cursor *c;
    ph_frame f;
    ph_position from, to;
    prophet_code rc;
    unsigned count = 0;

    *damages = 0;
    REQUIRE_OK(ph_log_cursor_open(log, NULL, &c, &err), &err);
    for (;;) {
        unsigned n, i;
        rc = ph_log_cursor_next(c, &f, &err);
        if (rc == PROPHET_ECORRUPT) {
            ++*damages;
            if ((rc = ph_log_cursor_skip(c, &from, &to, &err)) == PROPHET_OK)
                continue;
        }
        if (rc != PROPHET_OK)
            break;
        REQUIRE(sscanf(f.bytes.data, "%u:%u:", &n, &i) == 2);
        CHECK_EQ_UINT(f.type, 1 + i);
        if (i == n % 3 && count < max)
            numbers[count++] = n;
        CHECK(ph_log_cursor_batch_done(c) == (i == n % 3));
    }
    CHECK_CODE(rc, PROPHET_DONE, &err);
    ph_log_cursor_close(c);
    return count;
}

/* The log holds exactly the batches first .. last. */
static inline bool place_holds(ph_log *log, unsigned first, unsigned last)
{
    unsigned numbers[4096], damages, count = place_read(log, numbers, 4096, &damages);
    bool ok = CHECK_EQ_UINT(damages, 0) & CHECK_EQ_UINT(count, last + 1 - first);

    for (unsigned i = 0; ok && i < count; i++)
        ok = CHECK_EQ_UINT(numbers[i], first + i);
    return ok;
}

#endif
