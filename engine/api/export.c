/* The living records as JSON lines, by type, then id: what an independent program can compute from the log. */
#include "api/api_impl.h"
#include <stdlib.h>

typedef struct sorted_type {
    prophet_slice name;
    uint32_t id;
} sorted_type;

static int by_name(const void *a, const void *b)
{
    return ph_slice_cmp(((const sorted_type *)a)->name, ((const sorted_type *)b)->name);
}

/* The types that have records, found by hopping from one to the next. */
static prophet_code types_of(ph_view *v, bool all, ph_arena *a, sorted_type **out, size_t *count,
                             prophet_error *err)
{
    size_t cap = ph_names_count(v->names) + 1;
    sorted_type *at = ph_arena_alloc(a, cap * sizeof *at);
    ph_cursor *cur;
    prophet_slice k, val;
    uint8_t from[4] = { 0 };
    *count = 0;
    *out = at;
    if (!at)
        return ph_nomem(err);
    prophet_code rc = ph_cursor_open(v->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    while ((rc = ph_cursor_seek(cur, ph_slice(from, 4), &k, &val, err)) == PROPHET_OK &&
           *count < cap) {
        uint32_t id = ph_u32be(k.data);
        prophet_slice name = ph_names_get(v->names, id);
        if (all || !ph_type_reserved(name))
            at[(*count)++] = (sorted_type){ name, id };
        if (id == UINT32_MAX)
            break;
        ph_u32be_put(from, id + 1);
    }
    ph_cursor_close(cur);
    qsort(at, *count, sizeof *at, by_name);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code put_line(ph_view *v, const ph_row *row, ph_arena *a, ph_buf *line,
                             prophet_error *err)
{
    char id[37];
    ph_uuid_format(&row->uuid, id);
    ph_buf_reset(line);
    ph_buf_str(line, "{\"type\":");
    ph_json_text(line, ph_names_get(v->names, row->type));
    ph_buf_printf(line, ",\"record\":\"%s\",\"fields\":", id);
    prophet_code rc = api_row_json(v, row, a, line, err);
    ph_buf_str(line, "}\n");
    return rc < 0 ? rc : line->failed ? ph_nomem(err) : PROPHET_OK;
}

static prophet_code put_type(prophet_db *db, ph_view *v, uint32_t type, prophet_sink_fn sink,
                             void *ctx, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf line = PH_BUF_INIT;
    ph_cursor *cur;
    prophet_slice k, val;
    uint8_t prefix[4];
    prophet_code rc = ph_cursor_open(v->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, type);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &val, err);
    for (; rc == PROPHET_OK && memcmp(k.data, prefix, 4) == 0;
         rc = ph_cursor_next(cur, &k, &val, err)) {
        ph_row row;
        if (!ph_row_open(k, val, &row)) {
            rc = ph_fail(err, PROPHET_ECORRUPT, "an index row is damaged: run prophet rebuild");
            break;
        }
        if (!row.alive)
            continue;
        ph_arena_reset(&a);
        if ((rc = api_interrupted(db, err)) < 0 || (rc = put_line(v, &row, &a, &line, err)) < 0 ||
            (rc = api_sink(sink, ctx, &line, err)) < 0)
            break;
    }
    ph_cursor_close(cur);
    ph_buf_clear(&line);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code prophet_export(prophet_db *db, bool all, prophet_sink_fn sink, void *ctx,
                            prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_read rd = { 0 };
    sorted_type *types;
    size_t count = 0;
    prophet_code rc = api_read_keep(db, &rd, err);
    if (rc < 0)
        return rc;
    rc = types_of(rd.v, all, &a, &types, &count, err);
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = put_type(db, rd.v, types[i].id, sink, ctx, err);
    api_read_end(&rd);
    ph_arena_clear(&a);
    return rc;
}
