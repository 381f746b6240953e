/* What the preload library writes and the disk model reads: one event after another, in the order they happened. */
#ifndef CUT_TRACE_H
#define CUT_TRACE_H
#include <stdint.h>

typedef struct cut_event {
    uint8_t  kind;
    uint8_t  unused[3];
    uint32_t object;   /* a file, by number, whatever its name is now */
    uint64_t offset;   /* CUT_WRITE: where; CUT_TRUNCATE: the new size */
    uint32_t len;      /* bytes of the first text or data behind this header */
    uint32_t len2;     /* and of the second: CUT_RENAME */
} cut_event;

enum {
    CUT_FOUND = 'O',    /* object was there before, under this path */
    CUT_CREATE = 'N',   /* object is new, under this path */
    CUT_WRITE = 'W',
    CUT_TRUNCATE = 'T', /* also what preallocation does to the size */
    CUT_SYNC = 'S',     /* of an object */
    CUT_SYNC_DIR = 'D', /* of a path */
    CUT_RENAME = 'R',
    CUT_UNLINK = 'U',
    CUT_MKDIR = 'M',
    CUT_RMDIR = 'X',
    CUT_ACK = 'A'       /* what the program said to the outside */
};

/* The environment of the library:
 *   PH_CUT_ROOT    the directory that is recorded; absolute
 *   PH_CUT_TRACE   the file the events go to; without it nothing is recorded
 *   PH_CUT_ACKS    a file outside of the root: what is written to it is CUT_ACK
 *   PH_CUT_BOOT    a file to read instead of the kernel's boot id, as after a power cut; syncs then do nothing */

#endif
