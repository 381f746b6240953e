/* What the halves of the body codec share: change_decode.c and body_decode.c, change_encode.c and body_encode.c. */
#ifndef PH_MODEL_BODY_IMPL_H
#define PH_MODEL_BODY_IMPL_H
#include "model/cbor_impl.h"

enum { /* keys of the three maps; docs/formats.md draws them */
    PH_BODY_SALT = 1, PH_BODY_TIME, PH_BODY_AUTHOR, PH_BODY_MESSAGE, PH_BODY_CHANGES, PH_BODY_VOTES
};
enum {
    PH_CHANGE_TYPE = 1, PH_CHANGE_RECORD, PH_CHANGE_ACTION, PH_CHANGE_LIFE,
    PH_CHANGE_SET, PH_CHANGE_UNSET, PH_CHANGE_OVER, PH_CHANGE_INC, PH_CHANGE_ADD, PH_CHANGE_REMOVE
};
enum {
    PH_VOTE_TYPE = 1, PH_VOTE_RECORD, PH_VOTE_FIELD, PH_VOTE_HEADS, PH_VOTE_CHOICE,
    PH_VOTE_BY, PH_VOTE_RESOLVER, PH_VOTE_HASH, PH_VOTE_REASON
};

typedef struct ph_body_reader {
    ph_cursor c;
    ph_arena *arena;
    uint64_t  names;       /* positions below this are valid */
    ph_op    *first;       /* operations of the change being read ... */
    ph_op    *fill;        /* ... up to here; the next change goes on from there ... */
    ph_op    *limit;       /* ... until here */
} ph_body_reader;

/* `last` is the change before, or NULL: its type was checked already. */
bool ph_read_change(ph_body_reader *r, const ph_change *last, ph_change *out);
bool ph_read_type(ph_body_reader *r, const prophet_slice *checked, prophet_slice *out);
bool ph_read_record(ph_body_reader *r, ph_uuid *out);
bool ph_read_field(ph_body_reader *r, prophet_slice type, prophet_slice *out);
/* A list of positions with its head; never empty. */
bool ph_read_over(ph_body_reader *r, ph_over *out);
bool ph_read_positions(ph_body_reader *r, uint64_t count, ph_over *out);

/* Writers refuse (EUSAGE) what readers would. */
prophet_code ph_write_change(const ph_change *change, size_t names, ph_buf *out, prophet_error *err);
/* The positions alone, without a head. */
prophet_code ph_write_positions(const ph_over *over, size_t names, ph_buf *out, prophet_error *err);
prophet_code ph_write_over(const ph_over *over, size_t names, ph_buf *out, prophet_error *err);
prophet_code ph_write_value(prophet_slice value, ph_buf *out, prophet_error *err);
/* The same record, or in order? < 0, 0, > 0. */
static inline int ph_record_cmp(prophet_slice type_a, const ph_uuid *a, prophet_slice type_b, const ph_uuid *b)
{
    int order = ph_name_cmp(type_a, type_b);
    return order ? order : memcmp(a, b, sizeof *a);
}

#endif
