/* Segments: changesets as one file, and how it is written and read. segment_head.c draws its bytes. */
#ifndef PH_SYNC_SEGMENT_IMPL_H
#define PH_SYNC_SEGMENT_IMPL_H
#include "sync/sync_impl.h"

enum {
    SEGMENT_START = 16,          /* bytes before the head */
    SEGMENT_HEAD_MAX = 16 << 20, /* 200,000 runs */
    SEGMENT_BLOCK = 1 << 20,     /* a block is closed when it has this many bytes */
    SEGMENT_RECORD_MAX = PH_CHANGESET_MAX + 64,
    SEGMENT_BLOCK_MAX = SEGMENT_BLOCK + SEGMENT_RECORD_MAX + 16,
    SEGMENT_RATIO = 256, /* a block must not shrink below 1/256 of what is above 64 KiB */
    SEGMENT_RUN_SIZE = 80,
    SEGMENT_SUM = 32
};

/* Changesets of one chain, each the prev of the next; id is that of the last. */
typedef struct sync_run {
    ph_id replica;
    uint64_t from, to;
    ph_id id;
} sync_run;

typedef struct sync_segment_head {
    ph_uuid database;
    uint64_t changesets;
    const sync_run *runs; /* sorted by (replica, id) */
    size_t run_count;
    const ph_id *needs; /* sorted; what a receiver must have before */
    size_t need_count;
} sync_segment_head;

/* Appends the start of a segment: magic, length, head. */
prophet_code sync_segment_head_encode(const sync_segment_head *h, ph_buf *out, prophet_error *err);
/* The head alone. Strict: ECORRUPT, EVERSION. In the arena. */
prophet_code sync_segment_head_decode(prophet_slice bytes, ph_arena *a, sync_segment_head *out,
                                      prophet_error *err);
/* Is this how a segment begins? *len of its head. ECORRUPT, EVERSION. */
prophet_code sync_segment_start(const uint8_t start[SEGMENT_START], uint32_t *len,
                                prophet_error *err);
void sync_runs_put(const sync_run *runs, size_t count, ph_buf *out);
/* PROPHET_DONE: they are not in order, or of another form. */
prophet_code sync_runs_take(prophet_slice bytes, ph_arena *a, const sync_run **out, size_t *count,
                            prophet_error *err);

extern const unsigned char sync_dictionary[];
extern const size_t sync_dictionary_size;

/* ---- writing ------------------------------------------------------------------------------------------------------ */

typedef prophet_code (*sync_write_fn)(void *ctx, prophet_slice bytes, prophet_error *err);
/* One that writes into an open file: the bytes follow each other from `at` on. */
typedef struct sync_out_file {
    int fd;
    uint64_t at;
} sync_out_file;
prophet_code sync_to_file(void *ctx, prophet_slice bytes, prophet_error *err);

typedef struct sync_pick {     /* what goes into a segment */
    const ph_sync_span *spans; /* of the replica that writes: ascending, not touching */
    size_t span_count;
    const ph_id *needs; /* sorted */
    size_t need_count;
} sync_pick;

typedef struct sync_made { /* what became of it */
    uint8_t name[SEGMENT_SUM];
    uint64_t size;
    sync_segment_head head; /* in the arena that was given */
} sync_made;

/* Everything picked is signed and on disk. In constant memory, but for 80 bytes a run. */
prophet_code sync_segment_write(ph_view *v, const sync_pick *pick, ph_arena *a, sync_write_fn write,
                                void *ctx, sync_made *out, prophet_error *err);

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Up to len bytes; fewer only at the end. */
typedef prophet_code (*sync_read_fn)(void *ctx, void *buf, size_t len, size_t *got,
                                     prophet_error *err);

typedef struct sync_segment sync_segment;
/* Reads the head. `what` names it in messages and outlives it. */
prophet_code sync_segment_open(sync_read_fn read, void *ctx, const char *what, sync_segment **out,
                               prophet_error *err);
const sync_segment_head *sync_segment_head_of(const sync_segment *s);
/* The next frame, valid until the next call. PROPHET_DONE: that was all, and the checksum fits. Hostile bytes: ECORRUPT, EVERSION. */
prophet_code sync_segment_next(sync_segment *s, ph_frame_type *type, prophet_slice *frame,
                               prophet_error *err);
/* The next call gives the frame of the last one again. */
void sync_segment_back(sync_segment *s);
/* Lets go of the memory of its block until the next call. Reading must go on at this offset. */
uint64_t sync_segment_rest(sync_segment *s);
bool sync_segment_rests(const sync_segment *s);
void sync_segment_close(sync_segment *s);

/* A file, from its start on: a sync_read_fn. */
typedef struct sync_file {
    int fd;
    uint64_t at;
} sync_file;
prophet_code sync_file_read(void *ctx, void *buf, size_t len, size_t *got, prophet_error *err);

/* ---- taking in (take.c) ---------------------------------------------------------------------------------------------- */

typedef struct sync_intake {
    ph_replica *r;
    ph_intake *in;
    const ph_sync_options *o;
    uint64_t done, total; /* changesets */
} sync_intake;
prophet_code sync_intake_begin(ph_replica *r, const ph_sync_options *o, uint64_t total,
                               sync_intake *out, prophet_error *err);
prophet_code sync_intake_segment(sync_intake *t, sync_segment *s, prophet_error *err);
prophet_code sync_intake_finish(sync_intake *t, ph_sync_report *rep, prophet_error *err);
void sync_intake_end(sync_intake *t);
/* Instead of all that: how many are new, and whose. */
prophet_code sync_segment_count(ph_replica *r, sync_segment *s, ph_sync_report *rep,
                                prophet_error *err);
/* What a segment that was written holds. */
prophet_code sync_report_runs(const sync_segment_head *h, ph_sync_report *rep, prophet_error *err);

#endif
