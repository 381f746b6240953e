/* DIR/lock: byte-range locks and the mapped page.
 *
 * Locks are open file description locks: they belong to the handle and die with its process. Bytes: 0
 * the replica is open (shared; exclusive for rebuild and adopt), 1 the writer, 2 the flusher.
 *
 * The file is one page of 4,096 bytes, in the byte order of the machine, mapped by all who have the
 * replica open:
 *
 *   0    16  magic "prophetlock" 0 1 0, then 0x0102 as the machine writes it
 *   16   16  boot id of the last writer
 *   32   32  inode, device, birth time of this very file: a copied page does not fit
 *   64    8  durable: everything below this position is on disk
 *   72    4  failed        76   4  writing     80  4  number of the last file    84  4  its preallocated length
 *   88    4  epoch         92   4  flushes     96  4  unlocks                   100  4  waiting
 *   104   4  turn         112  32 + 32  two marks {position 8, position of the batch before it 8, chain 16}; marks[turn & 1] is the end
 *   512      evidence (evidence.c)     1024  token (evidence.c)
 *
 * The page is live when boot id and identity fit: then the page cache holds what every writer of this
 * boot wrote, and all of it is believed. Otherwise only `durable` (a lower bound) and the evidence
 * are, and those only if the file is the same; recover.c finds the end. */
#include "log/log_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char page_magic[16] = "prophetlock\0\1";
static const uint16_t order_mark =
    0x0102; /* the last two bytes of the magic: differs with the byte order */

_Static_assert(sizeof(ph_lock_page) <= PH_PAGE_EVIDENCE, "the first sector holds the page");
_Static_assert(offsetof(ph_lock_page, marks) == 112, "the drawing above");

static void put_magic(char out[16])
{
    memcpy(out, page_magic, sizeof page_magic);
    memcpy(out + 14, &order_mark, 2);
}

/* ---- identity ------------------------------------------------------------------------------------------- */

prophet_code ph_log_boot_id(uint8_t out[16], prophet_error *err)
{
    char text[64], digits[33];
    size_t got = 0, n = 0;
    ssize_t len;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        len = read(fd, text, sizeof text);
        got = len > 0 ? (size_t)len : 0;
        (void)close(fd); /* read only */
    }
    for (size_t i = 0; i < got && n < 32; i++)
        if (text[i] != '-')
            digits[n++] = text[i];
    if (n < 32 || !ph_unhex(digits, 32, out, 16)) {
        (void)ph_fail(err, PROPHET_EIO, "cannot read the boot id");
        ph_hint(err, "/proc must be mounted");
        return PROPHET_EIO;
    }
    return PROPHET_OK;
}

static prophet_code identity_of(int fd, ph_page_identity *out, const char *path, prophet_error *err)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0)
        return ph_fail_sys(err, errno, "%s", path);
    *out = (ph_page_identity){ .inode = st.stx_ino,
                               .device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor };
    if (st.stx_mask & STATX_BTIME)
        out->birth_s = st.stx_btime.tv_sec, out->birth_ns = st.stx_btime.tv_nsec;
    return PROPHET_OK;
}

bool ph_page_believed(const ph_log *log)
{
    const ph_lock_page *p = log->page;
    char want[16];

    put_magic(want);
    return log->mapped && memcmp(p->magic, want, sizeof want) == 0 &&
           p->self.inode == log->self.inode && p->self.birth_s == log->self.birth_s &&
           p->self.birth_ns == log->self.birth_ns;
}

bool ph_page_live(const ph_log *log)
{
    return ph_page_believed(log) && log->page->self.device == log->self.device &&
           memcmp(log->page->boot, log->boot, sizeof log->boot) == 0;
}

prophet_code ph_log_check_pid(const ph_log *log, prophet_error *err)
{
    if (log->pid == getpid())
        return PROPHET_OK;
    return ph_fail(err, PROPHET_EUSAGE,
                   "%s was opened by the parent process: open the replica again after fork",
                   log->dir);
}

/* ---- the file --------------------------------------------------------------------------------------------- */

static prophet_code lock_path(const char *dir, char out[PH_PATH_MAX], prophet_error *err)
{
    return ph_path_join(out, PH_PATH_MAX, dir, "lock", err);
}

/* A new or short file becomes a page of zeros, so that every byte of it can be written. Two processes may both find it
 * short: the writer's lock decides, and the second finds nothing left to do. */
static prophet_code lock_fill(int fd, const char *path, prophet_error *err)
{
    static const uint8_t zeros[PH_PAGE_SIZE];
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = PH_BYTE_WRITER, .l_len = 1
    };
    struct stat st;
    prophet_code rc = PROPHET_OK;

    if (fstat(fd, &st) != 0)
        return ph_fail_sys(err, errno, "%s", path);
    if (st.st_size >= (off_t)PH_PAGE_SIZE)
        return PROPHET_OK;
    while (fcntl(fd, F_OFD_SETLKW, &l) != 0)
        if (errno != EINTR)
            return ph_fail_sys(err, errno, "lock %s", path);
    if (fstat(fd, &st) != 0)
        rc = ph_fail_sys(err, errno, "%s", path);
    else if (st.st_size < (off_t)PH_PAGE_SIZE) {
        if ((rc = ph_file_write(fd, zeros, PH_PAGE_SIZE, 0, err)) >= 0 && fsync(fd) != 0)
            rc = ph_fail_sys(err, errno, "flush %s", path);
    }
    l.l_type = F_UNLCK;
    (void)fcntl(fd, F_OFD_SETLK, &l); /* cannot fail for a lock we hold */
    return rc;
}

prophet_code ph_log_create_lock(const char *dir, prophet_error *err)
{
    char path[PH_PATH_MAX];
    prophet_code rc;
    int fd;

    if ((rc = lock_path(dir, path, err)) < 0)
        return rc;
    if ((fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
        return errno == EEXIST ? ph_fail(err, PROPHET_EEXISTS, "%s exists", path)
                               : ph_fail_sys(err, errno, "create %s", path);
    rc = lock_fill(fd, path, err);
    if (close(fd) != 0 && rc >= 0)
        rc = ph_fail_sys(err, errno, "close %s", path);
    return rc;
}

/* Zeros of our own stand in for a page that cannot be had. */
static prophet_code page_private(ph_log *log, prophet_error *err)
{
    log->page = ph_zalloc(PH_PAGE_SIZE);
    return log->page ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_page_open(ph_log *log, prophet_error *err)
{
    char path[PH_PATH_MAX];
    struct stat st;
    void *map;
    prophet_code rc;

    if ((rc = lock_path(log->dir, path, err)) < 0)
        return rc;
    log->lock_fd =
        open(path, log->readonly ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (log->lock_fd < 0)
        return log->readonly ? page_private(log, err) : ph_fail_writing(err, errno, "open", path);
    if (!log->readonly && (rc = lock_fill(log->lock_fd, path, err)) < 0)
        return rc;
    if (fstat(log->lock_fd, &st) != 0)
        return ph_fail_sys(err, errno, "%s", path);
    if (st.st_size < (off_t)PH_PAGE_SIZE)
        return page_private(log, err);
    map = mmap(NULL, PH_PAGE_SIZE, log->readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
               log->lock_fd, 0);
    if (map == MAP_FAILED)
        return ph_fail_sys(err, errno, "map %s", path);
    log->page = map;
    log->mapped = true;
    return identity_of(log->lock_fd, &log->self, path, err);
}

void ph_page_close(ph_log *log)
{
    if (log->mapped)
        (void)munmap(log->page, PH_PAGE_SIZE); /* cannot fail for a mapping of ours */
    else
        ph_free(log->page);
    if (log->lock_fd >= 0)
        (void)close(log->lock_fd); /* drops the locks; nothing unsynced matters */
    log->page = NULL;
    log->mapped = false;
    log->lock_fd = -1;
}

prophet_code ph_page_sync(ph_log *log, prophet_error *err)
{
    char path[PH_PATH_MAX];
    prophet_code rc;

    if ((rc = lock_path(log->dir, path, err)) < 0)
        return rc;
    if (msync(log->page, PH_PAGE_SIZE, MS_SYNC) != 0)
        return ph_fail_sys(err, errno, "flush %s", path);
    while (fdatasync(log->lock_fd) != 0)
        if (errno != EINTR)
            return ph_fail_sys(err, errno, "flush %s", path);
    return PROPHET_OK;
}

/* ---- the end of the log ---------------------------------------------------------------------------------------- */

void ph_page_end(const ph_log *log, ph_page_mark *out)
{
    const ph_lock_page *p = log->page;

    for (int i = 0; i < 1000; i++) { /* one round, unless a writer moved the end meanwhile */
        uint32_t turn = atomic_load_explicit(&p->turn, memory_order_acquire);
        *out = p->marks[turn & 1];
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&p->turn, memory_order_relaxed) == turn)
            return;
    }
}

/* Killed in here, the old end stands: the other mark is written first. */
void ph_page_end_set(ph_log *log, const ph_page_mark *end)
{
    ph_lock_page *p = log->page;
    uint32_t turn = atomic_load_explicit(&p->turn, memory_order_relaxed);

    atomic_thread_fence(memory_order_release);
    p->marks[(turn + 1) & 1] = *end;
    atomic_store_explicit(&p->turn, turn + 1, memory_order_release);
}

void ph_page_refresh(ph_log *log)
{
    uint32_t epoch, last;

    if (!ph_page_live(log))
        return;
    epoch = atomic_load(&log->page->epoch);
    last = atomic_load(&log->page->last_file);
    if (epoch != log->epoch) {
        ph_log_forget_files(log);
        log->epoch = epoch;
    }
    if (last != log->file_count)
        (void)ph_log_set_files(log, last, NULL); /* no memory: the position is not found then */
}

prophet_code ph_page_adopt(ph_log *log, const ph_page_mark *end, prophet_error *err)
{
    ph_lock_page *p = log->page;

    memset(p->boot, 0,
           sizeof p->boot); /* not live while half written: a kill in here means another recovery */
    atomic_thread_fence(memory_order_seq_cst);
    if (!ph_page_believed(
            log)) { /* a copy's evidence speaks of another index; its token stays, to be found out */
        atomic_store(&p->durable, 0);
        memset((uint8_t *)p + PH_PAGE_EVIDENCE, 0, PH_PAGE_TOKEN - PH_PAGE_EVIDENCE);
    }
    ph_page_end_set(log, end);
    atomic_store(&p->durable, end->position);
    atomic_store(&p->failed, 0);
    atomic_store(&p->writing, 0);
    atomic_store(&p->allocated, 0);
    atomic_store(&p->last_file, log->file_count);
    log->epoch = (uint32_t)ph_monotonic_us() | 1;
    atomic_store(&p->epoch, log->epoch);
    p->self = log->self;
    put_magic(p->magic);
    atomic_thread_fence(memory_order_seq_cst);
    memcpy(p->boot, log->boot, sizeof p->boot);
    return ph_page_sync(log, err);
}

void ph_log_end(ph_log *log, ph_mark *out)
{
    ph_page_mark end;

    memset(out, 0, sizeof *out);
    if (!ph_page_live(log))
        return;
    ph_page_end(log, &end);
    out->position = end.position;
    memcpy(out->chain, end.chain, sizeof out->chain);
}

ph_position ph_log_durable(ph_log *log)
{
    return ph_page_believed(log) ? atomic_load(&log->page->durable) : 0;
}

/* ---- locks --------------------------------------------------------------------------------------------------------- */

static int lock_set(const ph_log *log, int byte, short type)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    int rc;

    while ((rc = fcntl(log->lock_fd, F_OFD_SETLK, &l)) != 0 && errno == EINTR)
        ;
    return rc;
}

prophet_code ph_lock_try(const ph_log *log, int byte, bool exclusive, prophet_error *err)
{
    if (lock_set(log, byte, exclusive ? F_WRLCK : F_RDLCK) == 0)
        return PROPHET_OK;
    if (errno == EAGAIN || errno == EACCES)
        return PROPHET_DONE;
    return ph_fail_sys(err, errno, "lock %s/lock", log->dir);
}

void ph_lock_drop(const ph_log *log, int byte)
{
    (void)lock_set(log, byte, F_UNLCK); /* cannot fail for a lock we hold */
}

void ph_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t timeout_us)
{
    struct timespec t = { timeout_us / 1000000, (long)(timeout_us % 1000000) * 1000 };

    /* woken, changed, interrupted or timed out: the caller looks again */
    (void)syscall(SYS_futex, word, FUTEX_WAIT, seen, &t, NULL, 0);
}

void ph_futex_wake(_Atomic uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL,
                  0); /* fails for a bad address only */
}

prophet_code ph_log_share(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    if (log->lock_fd < 0)
        return PROPHET_OK; /* read only, no lock file */
    if ((rc = ph_log_check_pid(log, err)) < 0 ||
        (rc = ph_lock_try(log, PH_BYTE_OPEN, false, err)) != PROPHET_DONE)
        return rc;
    return ph_fail(err, PROPHET_EBUSY, "%s is being rebuilt or adopted by another process",
                   log->dir);
}

prophet_code ph_log_try_exclusive(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    if (log->readonly)
        return ph_fail(err, PROPHET_EREADONLY, "%s is open for reading only", log->dir);
    if ((rc = ph_log_check_pid(log, err)) < 0)
        return rc;
    return ph_lock_try(log, PH_BYTE_OPEN, true, err);
}

prophet_code ph_log_downgrade(ph_log *log, prophet_error *err)
{
    prophet_code rc;

    if ((rc = ph_log_check_pid(log, err)) < 0)
        return rc;
    rc = ph_lock_try(log, PH_BYTE_OPEN, false, err);
    ph_require(rc != PROPHET_DONE); /* from exclusive it cannot be refused */
    return rc;
}

bool ph_log_in_use(ph_log *log)
{
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = PH_BYTE_OPEN, .l_len = 1
    };

    if (log->lock_fd < 0 || fcntl(log->lock_fd, F_OFD_GETLK, &l) != 0)
        return false; /* nothing to look at: no lock file, or no locks on this file system */
    return l.l_type != F_UNLCK;
}
