/* What the files of index/ share: reading rows of integers and saying which row is damaged. */
#ifndef PH_INDEX_IMPL_H
#define PH_INDEX_IMPL_H
#include "index/index.h"

typedef struct row_in {
    const uint8_t *p, *end;
} row_in;

static inline row_in row_of(prophet_slice row)
{
    const uint8_t *p = row.data;
    row_in in = { p, row.len ? p + row.len : p };
    return in;
}

static inline bool in_u64(row_in *in, uint64_t *out)
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
    if (!in_u64(in, &v) || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    return true;
}

static inline bool in_raw(row_in *in, void *out, size_t len)
{
    if ((size_t)(in->end - in->p) < len)
        return false;
    memcpy(out, in->p, len);
    in->p += len;
    return true;
}

/* Small rows are built on the stack. */
typedef struct row_out {
    uint8_t b[160];
    size_t len;
} row_out;

static inline void out_u64(row_out *o, uint64_t v)
{
    o->len += ph_varint_write(o->b + o->len, v);
}

static inline void out_raw(row_out *o, const void *data, size_t len)
{
    memcpy(o->b + o->len, data, len);
    o->len += len;
}

static inline prophet_slice out_slice(const row_out *o)
{
    return ph_slice(o->b, o->len);
}

/* A number's row in history. false: damaged. */
bool ph_number_row(prophet_slice row, uint32_t *type, ph_uuid *uuid, ph_history_entry *first);

/* ECORRUPT "row of <table> <n> is damaged", with the way out. */
prophet_code ph_index_damaged(const char *table, uint64_t n, prophet_error *err);

#endif
