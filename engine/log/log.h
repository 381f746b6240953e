/* log: the append-only truth of a replica: batches of frames in files, the lock file with its mapped page, flushing.
 * Frames are opaque here. The byte formats are drawn in log/file_header.c and log/lock.c, and in docs/formats.md. */
#ifndef PH_LOG_H
#define PH_LOG_H
#include "model/model.h"

typedef struct ph_log ph_log;

/* file number << 32 | offset in the file; 0 = nowhere. */
typedef uint64_t ph_position;

typedef enum ph_frame_type { PH_FRAME_CHANGESET = 1, PH_FRAME_SIGNATURE = 2, PH_FRAME_LOCAL = 3 } ph_frame_type;

typedef struct ph_frame {
    ph_frame_type type;
    prophet_slice bytes;    /* valid until the cursor's next call */
    ph_position   position; /* of the frame: what ph_log_read takes */
} ph_frame;

typedef struct ph_mark { /* a place in the log that proves itself */
    ph_position position;   /* where the next batch goes */
    uint8_t     chain[16];  /* checksum of the batch before */
} ph_mark;

/* ---- files ----------------------------------------------------------------------------------------- */

#define PH_LOG_FILE_SIZE  (64u << 20) /* roll over; a batch larger than what is left starts a new file */

/* Creates DIR/log/00000001.log and DIR/lock; everything synced. */
prophet_code ph_log_create(const char *dir, const ph_uuid *database, prophet_error *err);
/* Opens files and maps the lock page; reads nothing of the log, takes no lock. readonly works on read-only media
 * (a missing or unwritable lock file is then fine: the page reads as all zero). */
prophet_code ph_log_open(const char *dir, bool readonly, ph_log **out, prophet_error *err);
void         ph_log_close(ph_log *log);
const ph_uuid *ph_log_database(const ph_log *log);

/* ---- locks: open file description locks on DIR/lock, they die with the process ----------------------- */

/* Byte 0. Every open replica holds it shared; rebuild, compact and adopt need it exclusively. EBUSY. */
prophet_code ph_log_share(ph_log *log, prophet_error *err);
prophet_code ph_log_try_exclusive(ph_log *log, prophet_error *err); /* upgrades; PROPHET_DONE: others have it open */
prophet_code ph_log_downgrade(ph_log *log, prophet_error *err);     /* exclusive -> shared */
/* Does somebody have it open now? (Looks at byte 0, takes nothing.) */
bool         ph_log_in_use(ph_log *log);
/* Byte 1, the writer. Waits up to timeout_ms (EBUSY then). On return the end of the log is known: a batch that a killed
 * writer left is either whole (kept: replay it) or zeroed. Fails with EIO while the page says `failed` and repair did not succeed. */
prophet_code ph_log_lock(ph_log *log, uint32_t timeout_ms, prophet_error *err);
void         ph_log_unlock(ph_log *log);

/* ---- the lock page ------------------------------------------------------------------------------------ */

typedef struct ph_log_evidence { /* who wrote the index last, and whether it is clean */
    bool     clean;            /* the index was synced at `mark` and nothing was written since */
    ph_mark  mark;
    uint32_t index;            /* number of the index file */
    uint8_t  boot[16];         /* boot id */
    uint64_t mount, inode;     /* of the replica's directory */
} ph_log_evidence;
void         ph_log_evidence_get(ph_log *log, ph_log_evidence *out);
/* Written and synced to disk before it returns: going unclean must reach the disk before the index changes. */
prophet_code ph_log_evidence_set(ph_log *log, const ph_log_evidence *e, prophet_error *err);
/* Boot id, mount id and inode as they are now. */
prophet_code ph_log_evidence_here(ph_log *log, ph_log_evidence *out, prophet_error *err);

typedef struct ph_log_token { uint64_t inode; int64_t birth_s; uint32_t birth_ns; } ph_log_token; /* of replica.key */
void         ph_log_token_get(ph_log *log, ph_log_token *out);
prophet_code ph_log_token_set(ph_log *log, const ph_log_token *t, prophet_error *err);

/* ---- recovery ------------------------------------------------------------------------------------------ */

/* By the first who opens (takes the write lock unless held): walks the batches from `from` (zero mark: from the start; another one counts if the
 * live page or the evidence bears it out, else the walk begins at the start),
 * cuts at the first bad batch at or above the highest `durable` found (the rest of that file and later files are zeroed/removed and synced);
 * a bad batch below it is ECORRUPT (nothing is cut, the end lies behind it, see ph_log_damage). Sets the end. */
prophet_code ph_log_recover(ph_log *log, const ph_mark *from, prophet_error *err);
/* The damage that the last recovery of this handle (ph_log_recover, or the one inside ph_log_lock) went around; false: none.
 * ph_log_recover then returned ECORRUPT, ph_log_lock did not: either way nothing was cut, the end lies behind the damage, and the
 * changesets can be appended again. *from is where the first bad batch begins, *to where the next good one does. */
bool ph_log_damage(const ph_log *log, ph_position *from, ph_position *to);
/* The last file ends before the log does, or has another batch at its end: it was cut, or written over. */
bool ph_log_is_short(ph_log *log);
/* Why the first damaged batch was none ("<file>, offset <n>: ..."), for messages. */
const char *ph_log_damage_reason(const ph_log *log);
/* The next file after `after` whose header is damaged or that is missing, as far as readers came across it; 0: none. */
uint32_t ph_log_bad_header(const ph_log *log, uint32_t after, bool *missing);
/* Writes damaged headers anew, of files that a reader came across from the start. With the write lock. */
prophet_code ph_log_mend_headers(ph_log *log, prophet_error *err);
/* File and offset of a position, for messages. */
void ph_log_place(ph_log *log, ph_position at, char *out, size_t size);
/* Whether a mark (say, the index's) lies on this log: 0 yes, PROPHET_DONE no: what carries it must be rebuilt (it was ahead of a log that lost
 * unflushed batches, or belongs to another one). With the write lock or exclusively; after recovery. */
prophet_code ph_log_holds(ph_log *log, const ph_mark *mark, prophet_error *err);
/* The end as the lock page knows it (valid while locked, or as a hint). */
void ph_log_end(ph_log *log, ph_mark *out);
ph_position ph_log_durable(ph_log *log);

/* ---- writing (with the write lock) --------------------------------------------------------------------- */

/* Frames are collected in a payload buffer: type byte, varint length, bytes. Returns the frame's offset in the payload. */
size_t ph_log_payload_add(ph_buf *payload, ph_frame_type type, prophet_slice frame);
/* A frame that lies in two parts. */
size_t ph_log_payload_add_parts(ph_buf *payload, ph_frame_type type, prophet_slice head, prophet_slice rest);
/* Writes one batch (not flushed). *batch = its position: frame at payload offset o has position ph_log_frame_position(batch, o).
 * EFULL: nothing written. */
prophet_code ph_log_append(ph_log *log, prophet_slice payload, uint32_t frames, ph_position *batch, prophet_error *err);
ph_position  ph_log_frame_position(ph_position batch, size_t payload_offset);
/* Takes the last append back: zeroes it, flushes the zeros. If that fails the outcome is unknown: EIO says so. */
prophet_code ph_log_undo(ph_log *log, prophet_error *err);

/* After an append, with the write lock: the disk begins to write the batch while its rows are made, so that the flush
 * has less to wait for. */
void ph_log_flush_start(ph_log *log);
/* Without the write lock: returns when everything below `upto` is on disk; waiters share one fdatasync.
 * A failed flush sets `failed` first; see docs/storage.md for the way back. */
prophet_code ph_log_flush(ph_log *log, ph_position upto, prophet_error *err);

/* ---- reading (no lock) ---------------------------------------------------------------------------------- */

typedef struct ph_log_cursor ph_log_cursor;
/* Starts at a mark (zero mark: the first batch) and checks each batch's chained checksum; reads in large pieces. */
prophet_code ph_log_cursor_open(ph_log *log, const ph_mark *from, ph_log_cursor **out, prophet_error *err);
/* The next frame; PROPHET_DONE at the end of the log; ECORRUPT names file and offset. */
prophet_code ph_log_cursor_next(ph_log_cursor *c, ph_frame *out, prophet_error *err);
/* After ECORRUPT: goes on behind the damage; *from and *to as in ph_log_damage. PROPHET_DONE: nothing follows. */
prophet_code ph_log_cursor_skip(ph_log_cursor *c, ph_position *from, ph_position *to, prophet_error *err);
/* The mark after the batch of the frame returned last. */
void         ph_log_cursor_mark(const ph_log_cursor *c, ph_mark *out);
bool         ph_log_cursor_batch_done(const ph_log_cursor *c); /* the frame returned last was the last of its batch */
void         ph_log_cursor_close(ph_log_cursor *c);
/* What single frames are read into; all zeros to begin with. A frame lives until the next read or the end of the
 * window. Reads that follow each other in the log share one call to the system, so a window must not outlive the
 * snapshot that the positions come from. */
typedef struct ph_log_window {
    ph_buf      bytes;
    ph_position from;
    uint32_t    file;
} ph_log_window;

/* One frame by position. Not checksummed: callers check hashes. */
prophet_code ph_log_read(ph_log *log, ph_position position, ph_log_window *w, ph_frame *out, prophet_error *err);
void         ph_log_window_clear(ph_log_window *w);
/* Sum of the file sizes, and how much of it is preallocated but unused. */
prophet_code ph_log_size(ph_log *log, uint64_t *bytes, uint64_t *unused, prophet_error *err);

/* ---- fault points, PH_DEV builds only (elsewhere it does nothing) ------------------------------------------- */

typedef enum ph_log_fault {
    PH_LOG_FAULT_WRITE, /* a write fails, nothing of it arrives */
    PH_LOG_FAULT_TORN,  /* a write fails, half of its first part arrives */
    PH_LOG_FAULT_SYNC,
    PH_LOG_FAULT_FULL,  /* extending a file fails */
    PH_LOG_FAULTS
} ph_log_fault;
/* From the nth operation of this kind on (1: the next; 0: never) in this process, `count` of them fail with errno `sys`. */
void ph_log_fault_at(ph_log_fault kind, uint64_t nth, uint64_t count, int sys);
/* Smaller files, for tests of rolling over (all builds; this handle). */
void ph_log_roll_at(ph_log *log, uint32_t file_size);

#endif
