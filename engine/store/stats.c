/* What an index file occupies and how far its slowest reader is behind; what kind of file system it lies on. */
#include "store/store_impl.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/statfs.h>

typedef struct lag_scan {
    uint32_t readers;
    size_t oldest;
} lag_scan;

/* LMDB lists readers as text only: "pid thread txnid", one a line; a reader without a snapshot has "-". */
static int lag_line(const char *line, void *ctx)
{
    lag_scan *scan = ctx;
    long pid;
    size_t thread, txn;

    if (sscanf(line, "%ld %zx %zu", &pid, &thread, &txn) == 3) {
        scan->readers++;
        if (txn < scan->oldest)
            scan->oldest = txn;
    }
    return 0;
}

prophet_code ph_store_stats_get(ph_store *s, ph_store_stats *out, prophet_error *err)
{
    lag_scan scan = { 0, SIZE_MAX };
    MDB_envinfo info;
    mdb_filehandle_t fd;
    struct stat st;
    prophet_code rc;
    int lmdb;

    if ((rc = ph_env_check_pid(s->env, err)) < 0)
        return rc;
    if ((lmdb = mdb_env_info(s->env->env, &info)) != 0 ||
        (lmdb = mdb_env_get_fd(s->env->env, &fd)) != 0)
        return ph_store_fail(err, lmdb, "index", s->env->path);
    if (fstat(fd, &st) != 0)
        return ph_fail_sys(err, errno, "index %s", s->env->path);
    (void)mdb_reader_list(s->env->env, lag_line,
                          &scan); /* without a lock table there are no readers to list */
    *out = (ph_store_stats){ .file_bytes = (uint64_t)st.st_size,
                             .map_size = info.me_mapsize,
                             .pages_used = info.me_last_pgno + 1,
                             .last_txn = info.me_last_txnid,
                             .readers = scan.readers,
                             .reader_lag = scan.readers && scan.oldest < info.me_last_txnid
                                               ? info.me_last_txnid - scan.oldest
                                               : 0 };
    return PROPHET_OK;
}

/* ---- file systems -------------------------------------------------------------------------------- */

enum { FS_FIXED = 1, FS_NETWORK = 2 };

static const struct fs_kind {
    uint32_t magic;
    const char *name;
    int flags;
} fs_kinds[] = {
    { 0xEF53, "ext4", FS_FIXED },
    { 0x58465342, "xfs", FS_FIXED },
    { 0x9123683E, "btrfs", FS_FIXED },
    { 0xF2F52010, "f2fs", FS_FIXED },
    { 0x2FC12FC1, "zfs", FS_FIXED },
    { 0xCA451A4E, "bcachefs", FS_FIXED },
    { 0x3153464A, "jfs", FS_FIXED },
    { 0x52654973, "reiserfs", FS_FIXED },
    { 0x3434, "nilfs", FS_FIXED },
    { 0x01021994, "tmpfs", FS_FIXED },
    { 0x858458F6, "ramfs", FS_FIXED },
    { 0x794C7630, "overlay", FS_FIXED },
    { 0x4D44, "fat", 0 },
    { 0x2011BAB0, "exfat", 0 },
    { 0x5346544E, "ntfs", 0 },
    { 0x7366746E, "ntfs3", 0 },
    { 0x4244, "hfs", 0 },
    { 0x482B, "hfs+", 0 },
    { 0x9660, "iso9660", 0 },
    { 0x73717368, "squashfs", 0 },
    { 0x15013346, "udf", 0 },
    { 0xE0F5E1E2, "erofs", 0 },
    { 0x65735546, "fuse", FS_NETWORK },
    { 0x6969, "nfs", FS_NETWORK },
    { 0xFF534D42, "cifs", FS_NETWORK },
    { 0xFE534D42, "smb2", FS_NETWORK },
    { 0x517B, "smb", FS_NETWORK },
    { 0x01021997, "9p", FS_NETWORK },
    { 0x5346414F, "afs", FS_NETWORK },
    { 0x00C36400, "ceph", FS_NETWORK },
    { 0x73757245, "coda", FS_NETWORK },
    { 0x7461636F, "ocfs2", FS_NETWORK },
    { 0x01161970, "gfs2", FS_NETWORK },
    { 0x0BD00BD0, "lustre", FS_NETWORK },
    { 0x47504653, "gpfs", FS_NETWORK },
    { 0x786F4256, "vboxsf", FS_NETWORK },
};

prophet_code ph_store_filesystem(const char *path, char name[32], bool *fixed, bool *network,
                                 prophet_error *err)
{
    struct statfs fs;
    uint32_t magic;

    if (statfs(path, &fs) != 0)
        return ph_fail_sys(err, errno, "file system of %s", path);
    magic = (uint32_t)fs.f_type;
    (void)snprintf(name, 32, "unknown (%08x)", (unsigned)magic);
    *fixed = *network = false;
    for (size_t i = 0; i < sizeof fs_kinds / sizeof *fs_kinds; i++) {
        if (fs_kinds[i].magic != magic)
            continue;
        (void)snprintf(name, 32, "%s", fs_kinds[i].name);
        *fixed = (fs_kinds[i].flags & FS_FIXED) != 0;
        *network = (fs_kinds[i].flags & FS_NETWORK) != 0;
    }
    return PROPHET_OK;
}
