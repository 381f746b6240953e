/* Inside of log: the handle, the table of files, the mapped page, the reader of batches. */
#ifndef PH_LOG_IMPL_H
#define PH_LOG_IMPL_H
#include "log/log.h"
#include <stdatomic.h>
#include <sys/types.h>

#define PH_LOG_FILE_HEADER  64u
#define PH_LOG_BATCH_HEADER 40u
#define PH_LOG_BATCH_MAX    (1u << 30)
#define PH_LOG_STEP_LEAST   (64u << 10) /* preallocation grows with the file between these */
#define PH_LOG_STEP_MOST    (4u << 20)
#define PH_LOG_BULK         (256u << 10) /* larger batches are written once: no zeros before them */
#define PH_LOG_FDS          64           /* descriptors of log files one handle keeps open */

/* ---- files (file.c) ----------------------------------------------------------------------------- */

typedef struct ph_log_file { /* file n of the log is files[n - 1] */
    bool loaded;
    bool guessed;       /* its header is damaged: what it said is worked out from what lies around it */
    bool chain_known;   /* guessed: a reader came across its beginning */
    bool missing;       /* there is no such file: it reads as empty */
    int fd;             /* -1: closed */
    uint64_t used;      /* when, for closing the least recently used */
    ph_position first;  /* position of its first batch, at offset 64 */
    ph_position before; /* where the file before it ends; 0 in file 1 */
    uint8_t chain[16];  /* checksum of the batch before its first */
} ph_log_file;

/* ---- the lock page (lock.c draws it) ------------------------------------------------------------- */

typedef struct ph_page_mark { /* end of the log */
    ph_position position;
    ph_position last; /* the batch before it, 0: none or not known */
    uint8_t chain[16];
} ph_page_mark;

typedef struct ph_page_identity { /* of the lock file: a copy of a page is told by it */
    uint64_t inode, device;
    int64_t birth_s;
    uint64_t birth_ns;
} ph_page_identity;

typedef struct ph_lock_page {
    char magic[16];
    uint8_t boot[16];
    ph_page_identity self;
    _Atomic uint64_t durable; /* everything below is on disk */
    _Atomic uint32_t failed;  /* a flush failed: nothing above durable can be relied on */
    _Atomic uint32_t writing; /* a batch is being written behind the end */
    _Atomic uint32_t last_file;
    _Atomic uint32_t allocated; /* the last file is preallocated up to this offset */
    _Atomic uint32_t epoch;     /* counts recoveries and repairs: cached descriptors are stale */
    _Atomic uint32_t flushes;   /* futexes */
    _Atomic uint32_t unlocks;
    _Atomic uint32_t waiting; /* somebody waits for the writer's lock */
    _Atomic uint32_t turn;    /* marks[turn & 1] is the end */
    uint32_t unused;
    ph_page_mark marks[2];
} ph_lock_page;

#define PH_PAGE_SIZE     4096u
#define PH_PAGE_EVIDENCE 512u /* offsets: each record has a sector of its own */
#define PH_PAGE_TOKEN    1024u
#define PH_PAGE_DATABASE 1536u
enum { PH_BYTE_OPEN = 0, PH_BYTE_WRITER = 1, PH_BYTE_FLUSHER = 2 };

struct ph_log {
    char *dir;
    ph_uuid database;
    pid_t pid;
    bool readonly;
    bool locked;        /* this handle is the writer */
    bool flushing;      /* and holds the flusher's lock */
    bool polite;        /* others waited when it let go of the lock */
    uint64_t released;  /* when that was */
    int lock_fd;        /* -1: read only and no lock file */
    ph_lock_page *page; /* mapped; private zeros when there is no lock file */
    bool mapped;
    uint8_t boot[16];
    ph_page_identity self;
    ph_hasher *hasher;
    ph_log_file *files;
    uint32_t file_count, file_cap, open_fds, epoch;
    uint64_t clock;
    uint32_t file_size; /* roll over at */
    ph_page_mark undo; /* the end before the last append */
    bool can_undo;
    ph_position damage_from, damage_to; /* found by the last recovery */
    char damage_why[320]; /* as long as a message */
    bool database_known;
};

/* ---- batches (batch.c) ------------------------------------------------------------------------------ */

typedef struct ph_batch { /* a header, opened */
    uint32_t length, frames;
    ph_position position;
    ph_position durable;
    uint8_t chain[16];
} ph_batch;

typedef struct ph_batch_reader {
    ph_log *log;
    ph_position at;    /* the next batch is expected here ... */
    uint8_t chain[16]; /* ... and continues this checksum */
    bool unproven;     /* behind damage: the checksum before is not known */
    ph_position last;  /* the batch read last, 0: none */
    ph_batch batch;
    prophet_slice payload; /* until the next call */
    uint8_t *buf;
    size_t cap, len;
    ph_position buf_at;
} ph_batch_reader;

static inline size_t ph_batch_size(size_t payload)
{
    return (PH_LOG_BATCH_HEADER + payload + 7) & ~(size_t)7;
}

/* file.c */
prophet_code ph_log_scan_files(ph_log *log, prophet_error *err); /* counts the files in DIR/log */
prophet_code ph_log_set_files(ph_log *log, uint32_t count,
                              prophet_error *err); /* so many there are */
prophet_code ph_log_sweep_temporary(
    ph_log *log, prophet_error *err);  /* a killed writer's; with the write lock */
void ph_log_forget_files(ph_log *log); /* closes all descriptors */
/* Header and descriptor of file n (1 ..). ECORRUPT: not a file of this log. */
prophet_code ph_log_file_get(ph_log *log, uint32_t n, ph_log_file **out, prophet_error *err);
/* The file a position lies in; a place where one file ends and another begins belongs to the former. */
prophet_code ph_log_locate(ph_log *log, ph_position at, uint32_t *n, prophet_error *err);
/* Makes file n with this header, syncs it, gives it its name, syncs the directory. `copy`: bytes behind the header. */
prophet_code ph_log_file_create(ph_log *log, uint32_t n, const ph_log_file *head,
                                prophet_slice copy, prophet_error *err);
void ph_log_file_path(const ph_log *log, uint32_t n, char out[PH_PATH_MAX]);
/* file_header.c. load: of a file that is open (f->fd); a damaged header is worked out from what lies around it. */
prophet_code ph_log_header_load(ph_log *log, uint32_t n, ph_log_file *f, const char *path,
                                prophet_error *err);
void ph_log_header_put(const ph_log *log, uint32_t n, const ph_log_file *f,
                       uint8_t out[PH_LOG_FILE_HEADER]);
/* Which database this is: as the lock page says, else as the first whole header says. */
prophet_code ph_log_find_database(ph_log *log, prophet_error *err);
static inline uint64_t ph_log_offset(const ph_log_file *f, ph_position at)
{
    return at - f->first + PH_LOG_FILE_HEADER;
}

/* disk.c: the only places that write or sync log files; fault points live here. */
prophet_code ph_disk_write(int fd, const prophet_slice *parts, size_t count, uint64_t offset,
                           const char *path, prophet_error *err);
prophet_code ph_disk_sync(int fd, const char *path, prophet_error *err);
void ph_disk_sync_start(int fd, uint64_t offset, uint64_t size); /* only begins: nothing is on disk by it */
prophet_code ph_disk_truncate(int fd, uint64_t size, const char *path, prophet_error *err);
/* Makes sure offset .. offset+size can be written; *allocated is where the preallocated part ends. */
prophet_code ph_disk_reserve(int fd, uint64_t offset, size_t size, uint32_t *allocated,
                             const char *path, prophet_error *err);

/* lock.c */
prophet_code ph_page_open(ph_log *log, prophet_error *err);
void ph_page_close(ph_log *log);
bool ph_page_live(const ph_log *log);     /* written in this boot, for this very file */
bool ph_page_believed(const ph_log *log); /* at least `durable` and the evidence: this very file */
prophet_code ph_page_adopt(ph_log *log, const ph_page_mark *end,
                           prophet_error *err); /* after recovery: becomes live, synced */
void ph_page_end(const ph_log *log, ph_page_mark *out);
void ph_page_end_set(ph_log *log, const ph_page_mark *end);
void ph_page_refresh(ph_log *log); /* follows files made or dropped by other processes */
prophet_code ph_log_check_pid(const ph_log *log, prophet_error *err);
prophet_code ph_log_create_lock(const char *dir, prophet_error *err);
prophet_code ph_log_boot_id(uint8_t out[16], prophet_error *err);
prophet_code ph_page_sync(ph_log *log, prophet_error *err);
/* 0: taken; PROPHET_DONE: another has it. */
prophet_code ph_lock_try(const ph_log *log, int byte, bool exclusive, prophet_error *err);
void ph_lock_drop(const ph_log *log, int byte);
void ph_futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t timeout_us);
void ph_futex_wake(_Atomic uint32_t *word, int count);

/* writer.c: the parts of ph_log_lock */
prophet_code ph_writer_take(ph_log *log, uint32_t timeout_ms, prophet_error *err);
prophet_code ph_writer_settle(
    ph_log *log,
    prophet_error *err); /* in a live page: finishes what a killed writer or a failed flush left */

/* evidence.c: the mark of the last evidence if it can be proven, else zero */
void ph_evidence_mark(ph_log *log, ph_page_mark *out);

/* batch.c */
void ph_batch_reader_init(ph_batch_reader *r, ph_log *log, const ph_page_mark *from);
void ph_batch_reader_clear(ph_batch_reader *r);
prophet_code ph_batch_start(ph_log *log, ph_page_mark *out,
                            prophet_error *err); /* mark of the first batch */
/* The next batch below `limit` (0: as far as there are any). PROPHET_DONE: nothing more; ECORRUPT: what is at r->at is no batch. */
prophet_code ph_batch_next(ph_batch_reader *r, ph_position limit, prophet_error *err);
void ph_batch_header_put(const ph_batch *b, uint8_t out[PH_LOG_BATCH_HEADER]);
void ph_batch_header_read(const uint8_t *p, ph_batch *out);
prophet_code ph_batch_checksum(ph_log *log, const uint8_t before[16], const uint8_t *header,
                               prophet_slice payload, uint8_t out[16], prophet_error *err);

/* tail.c: what lies behind a place where no batch could be read */
typedef struct ph_tail {
    uint8_t *bytes;
    size_t len;
    ph_position at;
    bool dirty;          /* not all zero */
    bool more;           /* there are later files */
    ph_position durable; /* the highest that batches behind here claim */
} ph_tail;
prophet_code ph_tail_load(ph_log *log, ph_position at, ph_tail *out, prophet_error *err);
void ph_tail_clear(ph_tail *t);
/* Moves the reader behind the damage; PROPHET_DONE: no batch follows. */
prophet_code ph_tail_resume(const ph_tail *t, ph_batch_reader *r, prophet_error *err);

/* evidence.c */
bool ph_page_database(ph_log *log, ph_uuid *out);
prophet_code ph_page_database_set(ph_log *log, prophet_error *err);

/* recover.c, repair.c */
prophet_code ph_log_recover_locked(ph_log *log, const ph_page_mark *from, prophet_error *err);
prophet_code ph_log_finish_killed(ph_log *log, prophet_error *err);
prophet_code ph_log_cut(ph_log *log, ph_position at, bool sync,
                        prophet_error *err); /* nothing follows `at` */
prophet_code ph_log_repair(ph_log *log, prophet_error *err);
/* flush.c: with the write lock held */
prophet_code ph_log_flush_locked(ph_log *log, prophet_error *err);
prophet_code ph_flusher_take(ph_log *log, prophet_error *err);
void ph_flusher_drop(ph_log *log);
void ph_durable_raise(ph_log *log, ph_position to);

#endif
