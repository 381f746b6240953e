/* record: a record in memory and its rows. One read returns a record; large values, many heads, large sets and
 * ballots lie in rows of their own (table cells), so that a small change never rewrites them.
 *
 * records: type u32, uuid (20 bytes)          -> row (drawn in record/row.c)
 * cells:   number u64, field u32, part u8, sub -> part 'v': sub version -> value of a head above PH_INLINE_VALUE, or one of many heads
 *                                                 part 's': sub the value up to 64 bytes, else ff and its SHA-256 -> an element of a large set
 *                                                 part 'b': sub version u64 -> a ballot
 * Field 0 is the life cell; field and type numbers come from index/names. */
#ifndef PH_RECORD_H
#define PH_RECORD_H
#include "model/model.h"
#include "store/store.h"

#define PH_INLINE_VALUE    1024 /* longer values go to a row of their own */
#define PH_INLINE_HEADS    16
#define PH_INLINE_ELEMENTS 16
#define PH_LIFE            0u   /* field number of the life cell */

typedef struct ph_stored_ballot { /* a vote on this cell that can still count */
    uint64_t       version;       /* of the changeset that carries it */
    bool           by_resolver;
    prophet_slice  choice;        /* empty: unset */
    prophet_slice  resolver, reason; /* for showing; resolver as "name@hash" */
    const uint64_t *seen;         /* versions of the cell's heads it named, and what they held */
    const prophet_slice *seen_values;
    uint32_t       seen_count;
} ph_stored_ballot;

typedef struct ph_cell {
    uint32_t   field;
    /* register */
    bool       is_register;
    bool       forked;     /* two writes were concurrent at some time: never cleared */
    bool       was_dead;   /* life only: some write ever was "dead" */
    bool       conflict;   /* several distinct values now */
    bool       decided;    /* conflict: by votes */
    ph_head   *heads;      /* NULL until ph_cell_load when there are more than PH_INLINE_HEADS; a long value is empty until then */
    uint32_t   head_count, head_cap;
    prophet_slice shown;   /* the visible value; == heads[0].value when clean. Empty: absent, or long and not loaded */
    /* set */
    bool       is_set;
    ph_element *elements;  /* of a large set: only those asked for by ph_cell_element, or all after ph_cell_load */
    uint32_t   element_count, element_cap;
    uint32_t   element_total; /* elements present, loaded or not */
    /* counter */
    bool       is_counter;
    int64_t    counter;
    /* ballots: in rows; loaded by ph_cell_ballots */
    uint32_t   ballot_count;
    /* private to record/: what lies in rows, what changed */
    struct ph_cell_store *store;
    bool       loaded;     /* all heads and elements are in memory */
    bool       dirty;
} ph_cell;

typedef struct ph_record {
    uint32_t type;
    ph_uuid  uuid;
    uint64_t number;    /* local, 1 and up; records of reserved types from 2^48 */
    uint64_t version;   /* greatest version that touched it */
    bool     exists;    /* has a row */
    bool     alive;     /* shown value of the life cell is "alive" */
    ph_cell  life;
    ph_cell *cells;     /* sorted by field number */
    uint32_t cell_count, cell_cap;
    bool     dirty;
    ph_arena *arena;    /* private to record/: where its memory lives */
} ph_record;

/* Loads the whole row (rows of their own are left until asked for). Memory from the arena. PROPHET_DONE: no such record
 * (*out is then an empty record with type and uuid set). */
prophet_code ph_record_load(ph_txn *t, uint32_t type, const ph_uuid *uuid, ph_arena *a, ph_record *out, prophet_error *err);
/* Decodes a row whose bytes are at hand (scans); slices point into row when borrow is set, else copied into the arena. */
prophet_code ph_record_decode(prophet_slice key, prophet_slice row, bool borrow, ph_arena *a, ph_record *out, prophet_error *err);
/* Writes what is dirty. `sorted`: records come in rising key order (bulk). Clears the dirty marks. */
prophet_code ph_record_store(ph_txn *t, ph_record *r, bool sorted, ph_buf *scratch, prophet_error *err);

/* Takes away its row and all rows of its cells. */
prophet_code ph_record_erase(ph_txn *t, uint32_t type, const ph_uuid *uuid, uint64_t number, prophet_error *err);

/* The row that storing a fresh record would give, without storing it; false: not to be had that way (it has a row, or parts that
 * lie in rows of their own). */
bool ph_record_preview(ph_record *r, ph_buf *row);

ph_cell     *ph_record_cell(ph_record *r, uint32_t field);                       /* NULL: none; PH_LIFE gives &life */
prophet_code ph_record_cell_make(ph_record *r, uint32_t field, ph_arena *a, ph_cell **out, prophet_error *err);

/* Brings all heads' values and all elements into memory. */
prophet_code ph_cell_load(ph_txn *t, ph_record *r, ph_cell *c, ph_arena *a, prophet_error *err);
/* The element with this canonical value (made empty if absent); only its row is read. */
prophet_code ph_cell_element(ph_txn *t, ph_record *r, ph_cell *c, prophet_slice value, ph_arena *a, ph_element **out, prophet_error *err);
/* Elements that have an add made by one of these versions (for unset on sets). Reads the whole set. */
prophet_code ph_cell_clear(ph_txn *t, ph_record *r, ph_cell *c, const uint64_t *versions, size_t count, ph_arena *a, prophet_error *err);
prophet_code ph_cell_head_room(ph_cell *c, ph_arena *a, prophet_error *err);      /* room for one more head */
prophet_code ph_cell_ballots(ph_txn *t, const ph_record *r, const ph_cell *c, ph_arena *a, ph_stored_ballot **out, size_t *count, prophet_error *err);
prophet_code ph_cell_ballot_put(ph_txn *t, const ph_record *r, ph_cell *c, const ph_stored_ballot *b, ph_buf *scratch, prophet_error *err);
prophet_code ph_cell_ballot_drop(ph_txn *t, const ph_record *r, ph_cell *c, uint64_t version, prophet_error *err);
/* A deep copy (savepoints). */
prophet_code ph_record_copy(const ph_record *from, ph_arena *a, ph_record *to, prophet_error *err);

/* ---- reading without building a ph_record: point reads and scans ---------------------------------------- */

typedef struct ph_row { /* an opened row; borrows the bytes */
    prophet_slice raw;
    ph_uuid       uuid;
    uint32_t      type;
    uint64_t      number, version;
    uint64_t      base;   /* version of the heads that tell none */
    bool          alive;
    const uint8_t *life;  /* the life cell; NULL: one head "alive" of `version` */
    const uint8_t *cells; /* where the cells begin */
    uint32_t      cell_count;
} ph_row;
bool ph_row_open(prophet_slice key, prophet_slice row, ph_row *out);
/* Does a cell of it, or its life, have several values now? */
bool ph_row_conflict(const ph_row *row);
typedef enum ph_shown_kind { PH_SHOWN_NONE, PH_SHOWN_REGISTER, PH_SHOWN_SET, PH_SHOWN_COUNTER } ph_shown_kind;
typedef struct ph_shown {  /* what a field shows: register (if set), else set, else counter */
    ph_shown_kind kind;
    uint32_t      field;
    prophet_slice value;    /* register: canonical value; counter: canonical integer; set: canonical list sorted by bytes */
    bool          conflict, mixed; /* mixed: operations of several kinds met here */
    uint64_t      version;  /* greatest version among what makes it */
} ph_shown;
/* One field. Values in rows of their own are fetched with t (and copied into a); sets are gathered into a. NONE: absent. */
prophet_code ph_row_field(ph_txn *t, const ph_row *row, uint32_t field, ph_arena *a, ph_shown *out, prophet_error *err);
/* Cell by cell in field-number order; start with *pos = 0. PROPHET_DONE at the end. Fields that show nothing are passed over;
 * empty sets are passed over; counters once incremented are shown. */
/* All fields that show something, ascending; room for row->cell_count. What lies in rows of its own is copied into the arena. */
typedef struct ph_field_value {
    uint32_t       field;
    uint32_t       len;
    const uint8_t *at; /* canonical */
} ph_field_value;
prophet_code ph_row_fields(ph_txn *t, const ph_row *row, ph_arena *a, ph_field_value *out, size_t *count, prophet_error *err);
/* The same row in a copy of its bytes. */
void ph_row_move(ph_row *row, const void *bytes);
prophet_code ph_row_next(ph_txn *t, const ph_row *row, size_t *pos, ph_arena *a, ph_shown *out, prophet_error *err);

#endif
