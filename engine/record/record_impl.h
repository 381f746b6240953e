/* What the files of record/ share: the parts of a row as they lie in its bytes, and what a cell in memory
 * remembers of its rows. The layout is drawn in row.c. */
#ifndef PH_RECORD_IMPL_H
#define PH_RECORD_IMPL_H
#include "record/record.h"

/* Row flags. */
#define ROW_ALIVE 0x01 /* the life cell shows "alive" */
#define ROW_PLAIN \
    0x02 /* life: one head "alive" of the row's version, never dead, never forked, no ballots */
#define ROW_BASE  0x04 /* varint (version - base) follows; else base == version */
#define ROW_FLAGS 0x07

/* Cell flags. */
#define CELL_REGISTER 0x01
#define CELL_SET      0x02
#define CELL_COUNTER  0x04
#define CELL_LONG     0x08 /* the register is in long form */
#define CELL_DELTA \
    0x10 /* short register: varint (version - head version) first; else head version == base */
#define CELL_UNSET  0x20 /* short register: no value */
#define CELL_FORKED 0x40
#define CELL_SIZED  0x80 /* varint length of the payload first */

/* Flags of a register in long form. */
#define REG_WAS_DEAD 0x01
#define REG_CONFLICT 0x02
#define REG_DECIDED  0x04
#define REG_MANY     0x08 /* all heads lie in rows of their own */
#define REG_FLAGS    0x0f

/* Where the shown value of a long register is. */
typedef enum shown_place {
    SHOWN_UNSET = 0,
    SHOWN_HEAD = 1,
    SHOWN_ROW = 2,
    SHOWN_HERE = 3
} shown_place;

/* Sets. */
#define SET_LARGE 0x01 /* elements lie in rows of their own */
#define SET_PLAIN 0x02 /* each element has one add, of the base version */

#define PART_VALUE   'v'
#define PART_ELEMENT 's'
#define PART_BALLOT  'b'
#define MERGED_ROW   0u /* sub of part 'v': a shown value that is no head's */
#define ELEMENT_INKEY \
    64u /* an element up to this long is its own key, a longer one is named by its hash */

/* Bytes of a row still to be read; every reader below stays within them. */
typedef struct row_in {
    const uint8_t *p, *end;
} row_in;

static inline bool in_varint(row_in *in, uint64_t *out)
{
    if (in->p < in->end && *in->p < 0x80) {
        *out = *in->p++;
        return true;
    }
    return ph_varint_read(&in->p, in->end, out);
}
static inline bool in_u32(row_in *in, uint32_t *out)
{
    uint64_t v;
    if (!in_varint(in, &v) || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}
static inline bool in_byte(row_in *in, uint8_t *out)
{
    if (in->p == in->end)
        return false;
    *out = *in->p++;
    return true;
}
/* varint length, bytes */
static inline bool in_bytes(row_in *in, prophet_slice *out)
{
    uint64_t len;
    if (!in_varint(in, &len) || len > (size_t)(in->end - in->p))
        return false;
    *out = ph_slice(in->p, (size_t)len);
    in->p += len;
    return true;
}
bool ph_row_scalar(row_in *in,
                   prophet_slice *out);            /* one CBOR value that is no list, map or blob */
bool ph_row_value(row_in *in, prophet_slice *out); /* one CBOR value of any kind */
bool ph_row_step_any(row_in *in);                  /* over one scalar */
static inline bool ph_row_step(row_in *in)
{
    size_t left = (size_t)(in->end - in->p);
    uint8_t first = left > 0 ? in->p[0] : 0xff;
    size_t len = first < 0x18 ? 1 /* small integers, short and middling texts: nearly all */
                 : first - 0x60u < 0x18       ? 1u + (first & 0x1f)
                 : first == 0x78 && left >= 2 ? 2u + in->p[1]
                 : first == 0x79 && left >= 3 ? 3u + ((size_t)in->p[1] << 8 | in->p[2])
                                              : 0;

    if (len == 0 || len > left)
        return ph_row_step_any(in);
    in->p += len;
    return true;
}

typedef struct cell_view { /* a cell as it lies in the row */
    uint32_t field;
    uint8_t flags;
    row_in body;
} cell_view;
/* Steps over one cell. */
static inline __attribute__((always_inline)) bool ph_row_cell(row_in *in, bool life, cell_view *out)
{
    prophet_slice body;

    out->field = PH_LIFE;
    if ((!life && !in_u32(in, &out->field)) || !in_byte(in, &out->flags))
        return false;
    if (out->flags & CELL_SIZED) {
        if (!in_bytes(in, &body))
            return false;
        out->body.p = body.data;
        out->body.end = out->body.p + body.len;
        return true;
    }
    uint64_t delta;
    out->body.p = in->p;
    if ((out->flags & CELL_DELTA) && !in_varint(in, &delta))
        return false;
    if (!(out->flags & CELL_UNSET) && !ph_row_step(in))
        return false;
    out->body.end = in->p;
    return true;
}
int ph_row_find(const ph_row *row, uint32_t field,
                cell_view *out); /* 1: found, 0: not there, -1: damaged */

typedef struct reg_view { /* a register */
    uint8_t flags;        /* REG_* */
    uint32_t ballots;
    uint32_t head_count;
    row_in heads;       /* head_count of them, unless REG_MANY; read with ph_row_head */
    shown_place place;  /* where the shown value is */
    uint64_t sub;       /* SHOWN_HEAD: which; SHOWN_ROW: sub of part 'v' */
    prophet_slice here; /* SHOWN_HERE */
    uint64_t version;   /* greatest among the heads; 0 when they lie in rows */
} reg_view;
typedef struct head_view {
    uint64_t version;
    prophet_slice value;
    bool in_row;
} head_view;
/* *first is the only head of a short register, and the first of a long one (unless REG_MANY). */
bool ph_row_register(row_in *in, uint8_t cell_flags, uint64_t version, uint64_t base, reg_view *out,
                     head_view *first);
bool ph_row_head(row_in *in, uint64_t version, head_view *out);

typedef struct set_view {
    uint8_t flags; /* SET_* */
    uint32_t total;
    uint64_t weight;    /* large */
    prophet_slice list; /* small: the canonical list of the elements, sorted by bytes */
    row_in
        adds; /* small and not plain: for each element varint count, count x varint (version - add), ascending */
} set_view;
bool ph_row_set(row_in *in, set_view *out);

prophet_code ph_row_damaged(const ph_uuid *uuid, prophet_error *err);

/* ---- keys of rows of their own -------------------------------------------------------------------------- */

typedef struct part_key {
    uint8_t b[13 + 1 + ELEMENT_INKEY];
    size_t len;
} part_key;
part_key ph_part_prefix(uint64_t number, uint32_t field, uint8_t part);
part_key ph_part_u64(uint64_t number, uint32_t field, uint8_t part, uint64_t sub);
prophet_code ph_part_element(uint64_t number, uint32_t field, prophet_slice value, part_key *out,
                             prophet_error *err);
static inline prophet_slice part_slice(const part_key *k)
{
    return ph_slice(k->b, k->len);
}

/* A value row; ECORRUPT when it is not there. Copied into the arena. */
prophet_code ph_part_value(ph_txn *t, const ph_uuid *uuid, uint64_t number, uint32_t field,
                           uint64_t sub, ph_arena *a, prophet_slice *out, prophet_error *err);

/* Element rows, one after the other. The key holds the value, or its hash and the row the value:
 * varint count, first add, differences .. [value] */
prophet_code ph_part_element_decode(prophet_slice key, prophet_slice row, const ph_uuid *uuid,
                                    ph_arena *a, ph_element *out, prophet_error *err);

/* ---- what a cell in memory remembers of its rows --------------------------------------------------------- */

typedef struct element_was { /* an element as its row has it; count 0: no row */
    uint32_t count;
    uint64_t
        last; /* greatest add: with count it tells whether the adds changed, as new versions only rise */
} element_was;

typedef struct ph_cell_store {
    /* register */
    bool
        many; /* all heads lie in rows; until loaded, `heads` is NULL (head_count tells how many) */
    uint64_t *rows; /* versions with a row of part 'v', ascending (many: once loaded) */
    uint32_t row_count;
    bool merged_row;   /* MERGED_ROW exists */
    bool shown_in_row; /* `shown` is not in memory but in this row */
    uint64_t shown_sub;
    /* set */
    bool large;       /* elements lie in rows */
    uint32_t total;   /* large: rows */
    uint64_t weight;  /* large: sum of element_weight */
    element_was *was; /* large: parallel to elements */
    uint32_t was_cap;
} ph_cell_store;

static inline uint64_t element_weight(size_t len, uint32_t adds)
{
    return len + 4u * (uint64_t)adds;
}

/* The private part of a cell, made when it is first needed. NULL: no memory. */
ph_cell_store *ph_cell_private(ph_cell *c, ph_arena *a);
bool ph_cell_elements_room(ph_cell *c, uint32_t want, ph_arena *a);
/* Brings elements that lie in rows and are not in memory yet. */
prophet_code ph_cell_load_elements(ph_txn *t, const ph_record *r, ph_cell *c, ph_arena *a,
                                   prophet_error *err);

/* store.c calls parts.c for what lies outside the row, then writes the row. */
prophet_code ph_cell_sync(ph_txn *t, ph_record *r, ph_cell *c, ph_buf *scratch, prophet_error *err);

extern const prophet_slice ph_alive; /* the canonical text "alive" */

#endif
