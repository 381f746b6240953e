/* store: ordered tables in one LMDB file, shared by processes. The only place that sees <lmdb.h>.
 * The file is a cache of the log: commits are not synced; see docs/storage.md for when it is trusted. */
#ifndef PH_STORE_H
#define PH_STORE_H
#include "base/base.h"

typedef struct ph_store  ph_store;
typedef struct ph_txn    ph_txn;
typedef struct ph_cursor ph_cursor;

/* The tables of an index file (docs/storage.md says keys and rows). Table numbers are opening order only. A table without a name
 * lies in the file's own table of tables, which every commit writes: its rows cost no page more. Cursors over it see the names too. */
typedef enum ph_table {
    PH_T_META, PH_T_NAMES, PH_T_CHANGESETS, PH_T_IDS, PH_T_CHAINS, PH_T_RECORDS, PH_T_CELLS,
    PH_T_HISTORY, PH_T_CONFLICTS, PH_T_OPEN, PH_T_TODO, PH_T_ASKED, PH_T_LOCAL, PH_T_IX,
    PH_T_SIGNATURES, PH_T_WORDS, PH_T_RECENT, PH_TABLES
} ph_table;
#define PH_TABLE_NAMES                                                                                   \
    { "",          "names", "changesets", "ids", "chains", "records", "cells", "history", \
      "conflicts", "open", "todo", "asked", "local", "ix", "signatures", "words", "recent" }

typedef struct ph_store_options {
    bool        readonly;
    bool        nolock;     /* read-only media: MDB_NOLOCK, only when no writer can be alive */
    uint64_t    map_size;   /* 0: the default, 1 TiB, halved until the address space allows it */
    const char *const *tables; /* all tables, opened once here; table n of the calls below is tables[n] */
    size_t      table_count;
} ph_store_options;

/* Creates the file with its empty tables: in a temporary directory beside it, synced, renamed. */
prophet_code ph_store_create(const char *path, const ph_store_options *o, prophet_error *err);
/* One environment per file and process: a second open of the same file (device, inode) shares it.
 * EBUSY with the reason when LMDB's lock table is unusable (two containers with equal pids). */
prophet_code ph_store_open(const char *path, const ph_store_options *o, ph_store **out, prophet_error *err);
void         ph_store_close(ph_store *s);
prophet_code ph_store_sync(ph_store *s, prophet_error *err); /* a failure condemns the file: rebuild it */
prophet_code ph_store_grow(ph_store *s, prophet_error *err); /* after EFULL from a full map, outside all transactions */
/* From now on (yes), until it is taken back: pages that were touched are unmapped when this process has many of them. For what goes
 * through much of the file once; it slows down reading here and there. Calls may be nested. */
void         ph_store_frugal(ph_store *s, bool yes);
/* A compacted copy (backup, compact). */
prophet_code ph_store_copy(ph_store *s, const char *path, prophet_error *err);
/* "ext4" etc.; *fixed tells whether it is a file system of a fixed disk (page cache survives a killed process);
 * *network: NFS, CIFS, FUSE: refused for a replica. */
prophet_code ph_store_filesystem(const char *path, char name[32], bool *fixed, bool *network, prophet_error *err);
typedef struct ph_store_stats { uint64_t file_bytes, map_size, pages_used, last_txn; uint32_t readers; uint64_t reader_lag; } ph_store_stats;
prophet_code ph_store_stats_get(ph_store *s, ph_store_stats *out, prophet_error *err);

/* A read transaction is a snapshot; many may be open on one handle. One write transaction at a time, in one thread,
 * only with the log's write lock held. */
prophet_code ph_txn_begin(ph_store *s, bool write, ph_txn **out, prophet_error *err);
prophet_code ph_txn_commit(ph_txn *t, prophet_error *err); /* ends it either way; EFULL: disk or map */
void         ph_txn_abort(ph_txn *t);
/* A transaction inside a write transaction (savepoints): while it is open only it may be used; its commit gives its writes to the
 * parent, its abort drops them. */
prophet_code ph_txn_begin_child(ph_txn *parent, ph_txn **out, prophet_error *err);
void         ph_txn_reset(ph_txn *t);                      /* read only: lets go of the snapshot, keeps the slot */
prophet_code ph_txn_renew(ph_txn *t, prophet_error *err);
uint64_t     ph_txn_id(const ph_txn *t);

/* A read transaction that can be written on: what is written lies in a scratch file of this transaction alone, over the snapshot, and is
 * gone with it. All calls below take it, but for reserve, empty, children and commit. `ask` is told what is about to be read, so that it can
 * write it first: a key, or a whole table (empty key, before a cursor or count). Its snapshot stays until ph_txn_abort: reset and renew do nothing.
 * Values that are read live as long as the transaction. */
typedef prophet_code (*ph_overlay_ask)(void *ctx, unsigned table, prophet_slice key, prophet_error *err);
prophet_code ph_overlay_begin(ph_store *s, ph_overlay_ask ask, void *ctx, ph_txn **out, prophet_error *err);
bool         ph_txn_is_overlay(const ph_txn *t);
/* Between these two `ask` is not called, and values live until the next write, as in a write transaction. */
void         ph_overlay_write_begin(ph_txn *t);
void         ph_overlay_write_end(ph_txn *t);
/* Nothing will be written any more: memory is given back. No cursor may be open. */
prophet_code ph_overlay_seal(ph_txn *t, prophet_error *err);

/* Keys 1..511 bytes. Values returned are LMDB's own memory: valid until the transaction ends or its next write. */
prophet_code ph_txn_get(ph_txn *t, unsigned table, prophet_slice key, prophet_slice *value, prophet_error *err); /* PROPHET_DONE: absent */
prophet_code ph_txn_put(ph_txn *t, unsigned table, prophet_slice key, prophet_slice value, prophet_error *err);
/* The same for keys that come in rising order: a put at the end of the table is an append without a search. Falls back by itself. */
prophet_code ph_txn_put_sorted(ph_txn *t, unsigned table, prophet_slice key, prophet_slice value, prophet_error *err);
/* Space for a value of `len` bytes to be filled before the next call on t. */
prophet_code ph_txn_reserve(ph_txn *t, unsigned table, prophet_slice key, size_t len, void **space, prophet_error *err);
prophet_code ph_txn_del(ph_txn *t, unsigned table, prophet_slice key, prophet_error *err); /* PROPHET_DONE: absent */
prophet_code ph_txn_del_prefix(ph_txn *t, unsigned table, prophet_slice prefix, prophet_error *err); /* all keys that begin so */
prophet_code ph_txn_count(ph_txn *t, unsigned table, uint64_t *count, prophet_error *err);
prophet_code ph_txn_empty(ph_txn *t, unsigned table, prophet_error *err);  /* drops all rows */

prophet_code ph_cursor_open(ph_txn *t, unsigned table, ph_cursor **out, prophet_error *err);
void         ph_cursor_close(ph_cursor *c); /* before its transaction ends */
/* Each gives the row it stands on, or PROPHET_DONE. */
prophet_code ph_cursor_first(ph_cursor *c, prophet_slice *key, prophet_slice *value, prophet_error *err);
prophet_code ph_cursor_last(ph_cursor *c, prophet_slice *key, prophet_slice *value, prophet_error *err);
prophet_code ph_cursor_seek(ph_cursor *c, prophet_slice at_least, prophet_slice *key, prophet_slice *value, prophet_error *err);
prophet_code ph_cursor_next(ph_cursor *c, prophet_slice *key, prophet_slice *value, prophet_error *err);
prophet_code ph_cursor_prev(ph_cursor *c, prophet_slice *key, prophet_slice *value, prophet_error *err);
prophet_code ph_cursor_del(ph_cursor *c, prophet_error *err);

#endif
