/* A disk that lost power: reads a trace (cut_trace.h) and makes a directory look as it may look after the cut. */
#ifndef CUT_DISK_H
#define CUT_DISK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cut_disk cut_disk;

/* What became of writes that were not synced yet when the power went. Data reaches the disk in any order, in sectors of 512 bytes;
 * names in the order of their changes (the file system has a journal). */
typedef enum cut_mode {
    CUT_NONE,   /* nothing of it is there */
    CUT_ALL,    /* everything is */
    CUT_RANDOM, /* each file by itself: nothing, everything, or each sector by chance */
    CUT_TORN,   /* everything but the end of the last write */
    CUT_MODES
} cut_mode;

/* Copies `root` as it is now, before the program runs: the state before the first event. NULL: see errno. */
cut_disk *cut_disk_new(const char *root);
void      cut_disk_free(cut_disk *d);
/* Reads the whole trace; the number of events, or 0. */
size_t    cut_disk_load(cut_disk *d, const char *trace);
/* Leaves out the syncs of files whose path has this part: what would happen if the program did not make them. */
void      cut_disk_forget_syncs(cut_disk *d, const char *part);
/* Goes on to just before event `at` (never back). */
void      cut_disk_advance(cut_disk *d, size_t at);
/* What the program had said to the outside by then. */
const char *cut_disk_acks(const cut_disk *d, size_t *len);
/* Makes the root look so. Files that keep their path keep their inode. False: see errno. */
bool      cut_disk_restore(cut_disk *d, cut_mode mode, uint64_t (*below)(uint64_t n));

#endif
