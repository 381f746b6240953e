/* Inside of store: what the files of this folder share. */
#ifndef PH_STORE_IMPL_H
#define PH_STORE_IMPL_H
#include "store/store.h"
#include <lmdb.h>
#include <stdatomic.h>
#include <sys/types.h>

#define PH_STORE_MAP_DEFAULT ((uint64_t)1 << 40) /* 1 TiB of address space, not of disk */
#define PH_STORE_MAP_LEAST   ((uint64_t)1 << 26)
#define PH_STORE_READERS     1024
#define PH_STORE_KEY_MAX     511
#define PH_STORE_TABLES      32 /* at most */
#define PH_STORE_NO_ROOM     (128u << 10) /* a disk with less is full */

/* One LMDB environment: one per file and process, shared by the handles on it. */
typedef struct ph_env {
    struct ph_env *next;
    dev_t dev;
    ino_t inode;
    uint32_t users;  /* handles */
    uint32_t active; /* transactions open in this process */
    pid_t pid;       /* who opened it: LMDB does not survive a fork */
    bool readonly;
    atomic_int frugal; /* how many want it */
    atomic_uint_fast64_t kept; /* bytes mapped when that began, or pages were last given back */
    atomic_uint writes; /* write transactions begun */
    MDB_env *env;
    MDB_dbi *tables;
    size_t table_count;
    char *path;
} ph_env;

#define PH_STORE_FRUGAL_ROWS 256 /* between two looks at how much is mapped */
void ph_env_trim(ph_env *e);     /* trim.c */

struct ph_store {
    ph_env *env;
};

typedef struct ph_overlay ph_overlay;

struct ph_txn {
    ph_overlay *over; /* NULL: a plain transaction */
    ph_env *env;
    MDB_txn *txn; /* NULL after commit or abort */
    bool write;
    bool parked;      /* reset: holds no snapshot */
    uint32_t touched; /* rows, while frugal */
    struct {          /* one a table: a put near the last one needs no search from the root */
        MDB_cursor *cursor;
        bool scattered; /* a key was not the greatest: appending is not tried again */
    } put[PH_STORE_TABLES];
};

typedef struct ph_cursor_side { /* one of the two tables an overlay's cursor goes through at once */
    MDB_cursor *cursor;
    MDB_val key, value;
    bool at; /* it stands on a row */
} ph_cursor_side;

/* Counts a row that is looked up. */
static inline void ph_txn_touch(ph_txn *t)
{
    if (atomic_load_explicit(&t->env->frugal, memory_order_relaxed) > 0 &&
        ++t->touched % PH_STORE_FRUGAL_ROWS == 0)
        ph_env_trim(t->env);
}

struct ph_cursor {
    MDB_cursor *cursor;
    ph_txn *txn;
    unsigned table;
    ph_cursor_side base, top; /* of an overlay only */
    bool placed, backward, from_top;
};

/* overlay.c */
void ph_overlay_free(ph_overlay *o);
prophet_code ph_overlay_get(ph_txn *t, unsigned table, prophet_slice key, prophet_slice *value,
                            prophet_error *err);
/* value NULL: deletes. PROPHET_DONE: it was absent. */
prophet_code ph_overlay_put(ph_txn *t, unsigned table, prophet_slice key,
                            const prophet_slice *value, prophet_error *err);
prophet_code ph_overlay_count(ph_txn *t, unsigned table, uint64_t *count, prophet_error *err);
/* What a row written over the snapshot shows. */
prophet_code ph_overlay_shown(ph_txn *t, MDB_val v, prophet_slice *out, prophet_error *err);
prophet_code ph_overlay_cursors(ph_cursor *c, prophet_error *err); /* opens both sides */
/* overlay_cursor.c */
prophet_code ph_overlay_cursor_open(ph_cursor *c, prophet_error *err);
void ph_overlay_cursor_close(ph_cursor *c);
prophet_code ph_overlay_cursor_move(ph_cursor *c, MDB_cursor_op op, MDB_val at, prophet_slice *key,
                                    prophet_slice *value, prophet_error *err);
prophet_code ph_overlay_cursor_del(ph_cursor *c, prophet_error *err);

/* Turns an LMDB or system code into ours; `what` names the thing, e.g. "index /x/index.1.mdb". */
prophet_code ph_store_fail(prophet_error *err, int lmdb, const char *what, const char *path);
/* EUSAGE in a child after fork. */
prophet_code ph_env_check_pid(const ph_env *e, prophet_error *err);
/* whole.c: ECORRUPT: the file was cut; nothing of it was read. */
prophet_code ph_env_check_whole(const ph_env *e, const char *path, prophet_error *err);
/* Counts transactions; false while the map is being changed never happens: the count is kept under the table's lock. */
void ph_env_enter(ph_env *e);
void ph_env_leave(ph_env *e);
/* Sets the map size (0: as large as another process made it); EBUSY while this process has transactions open. */
prophet_code ph_env_resize(ph_env *e, size_t size, prophet_error *err);

static inline MDB_val ph_val(prophet_slice s)
{
    MDB_val v = { s.len, (void *)(uintptr_t)s.data };
    return v;
}

#endif
