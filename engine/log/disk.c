/* Writing and syncing log files: the only calls that change them. Fault points for tests are here.
 *
 * Space is taken with fallocate and then overwritten with zeros, in steps that grow with the file: a
 * flush of a batch that overwrites written blocks changes no metadata, so fdatasync needs no journal
 * commit of the file system. Bulk batches are written once, straight into the space. */
#include "log/log_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef PH_DEV
static _Atomic uint64_t fault_first[PH_LOG_FAULTS]; /* development builds only */
static _Atomic uint64_t fault_count[PH_LOG_FAULTS];
static _Atomic int fault_errno[PH_LOG_FAULTS];

void ph_log_fault_at(ph_log_fault kind, uint64_t nth, uint64_t count, int sys)
{
    fault_errno[kind] = sys;
    fault_count[kind] = nth ? count : 0;
    fault_first[kind] = nth;
}

static int fault(ph_log_fault kind)
{
    if (fault_count[kind] == 0)
        return 0;
    if (fault_first[kind] > 1) {
        fault_first[kind]--;
        return 0;
    }
    fault_count[kind]--;
    return fault_errno[kind];
}
#else
void ph_log_fault_at(ph_log_fault kind, uint64_t nth, uint64_t count, int sys)
{
    (void)kind, (void)nth, (void)count, (void)sys; /* no fault points in this build */
}

static int fault(ph_log_fault kind)
{
    (void)kind;
    return 0;
}
#endif

static prophet_code disk_fail(prophet_error *err, int sys, const char *what, const char *path)
{
    if (sys == EFBIG) {
        (void)ph_fail_sys(err, sys, "%s %s", what, path);
        if (err)
            err->code = PROPHET_EFULL;
        return PROPHET_EFULL;
    }
    return ph_fail_sys(err, sys, "%s %s", what, path);
}

/* ---- writing ----------------------------------------------------------------------------------------- */

enum { IOV_MOST = 64 };

/* One pwritev if all goes well. */
static int write_all(int fd, struct iovec *iov, int count, uint64_t offset)
{
    while (count > 0) {
        ssize_t n = pwritev(fd, iov, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        offset += (uint64_t)n;
        while (count > 0 && (size_t)n >= iov->iov_len)
            n -= (ssize_t)iov->iov_len, iov++, count--;
        if (count > 0)
            iov->iov_base = (uint8_t *)iov->iov_base + n, iov->iov_len -= (size_t)n;
    }
    return 0;
}

prophet_code ph_disk_write(int fd, const prophet_slice *parts, size_t count, uint64_t offset,
                           const char *path, prophet_error *err)
{
    struct iovec iov[IOV_MOST];
    int n = 0, sys;

    ph_require(count <= IOV_MOST);
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0)
            iov[n++] = (struct iovec){ (void *)(uintptr_t)parts[i].data, parts[i].len };
    if ((sys = fault(PH_LOG_FAULT_TORN)) != 0) { /* half of it arrives */
        iov[0].iov_len /= 2;
        (void)write_all(fd, iov, 1, offset);
        return disk_fail(err, sys, "write", path);
    }
    if ((sys = fault(PH_LOG_FAULT_WRITE)) == 0)
        sys = write_all(fd, iov, n, offset);
    return sys ? disk_fail(err, sys, "write", path) : PROPHET_OK;
}

prophet_code ph_disk_sync(int fd, const char *path, prophet_error *err)
{
    int sys = fault(PH_LOG_FAULT_SYNC);

    while (sys == 0 && fdatasync(fd) != 0)
        if (errno != EINTR)
            sys = errno;
    return sys ? disk_fail(err, sys, "flush", path) : PROPHET_OK;
}

void ph_disk_sync_start(int fd, uint64_t offset, uint64_t size)
{
    /* an error stays with the file and is told by its fdatasync */
    (void)sync_file_range(fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

prophet_code ph_disk_truncate(int fd, uint64_t size, const char *path, prophet_error *err)
{
    while (ftruncate(fd, (off_t)size) != 0)
        if (errno != EINTR)
            return disk_fail(err, errno, "cut", path);
    return PROPHET_OK;
}

/* ---- preallocation -------------------------------------------------------------------------------------- */

static int allocate(int fd, uint64_t from, uint64_t to)
{
    int sys = fault(PH_LOG_FAULT_FULL);

    while (sys == 0 && fallocate(fd, 0, (off_t)from, (off_t)(to - from)) != 0)
        if (errno != EINTR)
            sys = errno;
    return sys;
}

/* Only a matter of speed: what fails here fails again, and is told, when the batch is written. */
static void write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[64 << 10];

    while (from < to) {
        struct iovec iov[IOV_MOST];
        uint64_t at = from;
        int n = 0;
        for (; n < IOV_MOST && at < to; n++) {
            size_t len = to - at < sizeof zeros ? (size_t)(to - at) : sizeof zeros;
            iov[n] = (struct iovec){ (void *)(uintptr_t)zeros, len };
            at += len;
        }
        if (write_all(fd, iov, n, from) != 0)
            return;
        from = at;
    }
}

prophet_code ph_disk_reserve(int fd, uint64_t offset, size_t size, uint32_t *allocated,
                             const char *path, prophet_error *err)
{
    const uint64_t need = offset + size;
    const bool bulk = size >= PH_LOG_BULK;
    uint64_t end = need, step = offset, from = *allocated;
    int sys;

    if (need <= from)
        return PROPHET_OK;
    if (from < offset) /* never touch what is written */
        from = offset;
    if (!bulk) {
        step = step < PH_LOG_STEP_LEAST  ? PH_LOG_STEP_LEAST
               : step > PH_LOG_STEP_MOST ? PH_LOG_STEP_MOST
                                         : step;
        end = (need + step - 1) / step * step;
        if (end > PH_LOG_FILE_SIZE && need <= PH_LOG_FILE_SIZE)
            end = PH_LOG_FILE_SIZE;
    }
    if ((sys = allocate(fd, from, end)) == ENOSPC || sys == EDQUOT || sys == EFBIG) {
        end = need; /* the last bytes of a full disk */
        sys = allocate(fd, from, end);
    }
    if (sys != 0 && sys != EOPNOTSUPP && sys != ENOSYS)
        return disk_fail(err, sys, "extend", path);
    if (!bulk)
        write_zeros(fd, from, end);
    *allocated = (uint32_t)end;
    return PROPHET_OK;
}
