/* Documents and records as JSON text: the values of docs/formats.md. Called for prophet_doc_json and prophet_export. */
#include "api/doc_impl.h"
#include <stdlib.h>

static void put_ref(ph_buf *out, const prophet_uuid *id)
{
    char text[37];
    prophet_uuid_format(id, text);
    ph_buf_printf(out, "{\"$ref\":\"%s\"}", text);
}

/* Bytes and blobs: as the model writes them. */
static void put_stored(ph_buf *out, const prophet_value *v)
{
    ph_buf raw = PH_BUF_INIT;
    if (api_encode(&raw, v, NULL) >= 0)
        ph_json_value(out, ph_buf_slice(&raw));
    else
        ph_buf_str(out, "null");
    ph_buf_clear(&raw);
}

void api_json(ph_buf *out, const prophet_value *v)
{
    switch (v->kind) {
    case PROPHET_NIL: ph_buf_str(out, "null"); return;
    case PROPHET_BOOL: ph_buf_str(out, v->as.boolean ? "true" : "false"); return;
    case PROPHET_INT: ph_buf_printf(out, "%lld", (long long)v->as.integer); return;
    case PROPHET_FLOAT: ph_json_float(out, v->as.number); return;
    case PROPHET_TEXT: ph_json_text(out, v->as.bytes); return;
    case PROPHET_REF: put_ref(out, &v->as.ref); return;
    case PROPHET_BYTES:
    case PROPHET_TIME:
    case PROPHET_BLOB: put_stored(out, v); return;
    case PROPHET_LIST:
        ph_buf_byte(out, '[');
        for (size_t i = 0; i < v->as.list.count; i++) {
            if (i > 0)
                ph_buf_byte(out, ',');
            api_json(out, &v->as.list.items[i]);
        }
        ph_buf_byte(out, ']');
        return;
    case PROPHET_MAP:
        ph_buf_byte(out, '{');
        for (size_t i = 0; i < v->as.map.count; i++) {
            if (i > 0)
                ph_buf_byte(out, ',');
            ph_json_text(out, v->as.map.items[i].name);
            ph_buf_byte(out, ':');
            api_json(out, &v->as.map.items[i].value);
        }
        ph_buf_byte(out, '}');
        return;
    }
}

prophet_code api_sink(prophet_sink_fn sink, void *ctx, const ph_buf *text, prophet_error *err)
{
    prophet_error why = { 0 };
    if (text->failed)
        return ph_nomem(err);
    prophet_code rc = sink(ctx, ph_buf_slice(text), &why);
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

prophet_code prophet_doc_json(const prophet_doc *d, prophet_sink_fn sink, void *ctx,
                              prophet_error *err)
{
    ph_buf out = PH_BUF_INIT;
    prophet_slice name;
    prophet_value v;
    prophet_code rc;
    ph_buf_byte(&out, d->is_list ? '[' : '{');
    for (size_t i = 0; prophet_doc_at(d, i, &name, &v); i++) {
        if (i > 0)
            ph_buf_byte(&out, ',');
        if (!d->is_list) {
            ph_json_text(&out, name);
            ph_buf_byte(&out, ':');
        }
        api_json(&out, &v);
    }
    ph_buf_byte(&out, d->is_list ? ']' : '}');
    rc = api_sink(sink, ctx, &out, err);
    ph_buf_clear(&out);
    return rc;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

typedef struct named_value {
    prophet_slice name, value;
} named_value;

static int by_name(const void *a, const void *b)
{
    const named_value *x = a, *y = b;
    return ph_slice_cmp(x->name, y->name);
}

prophet_code api_row_json(ph_view *v, const ph_row *row, ph_arena *a, ph_buf *out,
                          prophet_error *err)
{
    named_value *at = ph_arena_alloc(a, (row->cell_count + 1) * sizeof *at);
    size_t n = 0, pos = 0;
    ph_shown shown;
    prophet_code rc = PROPHET_OK;
    if (!at)
        return ph_nomem(err);
    while (n < row->cell_count &&
           (rc = ph_row_next(v->txn, row, &pos, a, &shown, err)) == PROPHET_OK)
        at[n++] = (named_value){ ph_names_get(v->names, shown.field), shown.value };
    if (rc < 0)
        return rc;
    qsort(at, n, sizeof *at, by_name);
    ph_buf_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            ph_buf_byte(out, ',');
        ph_json_text(out, at[i].name);
        ph_buf_byte(out, ':');
        ph_json_value(out, at[i].value);
    }
    ph_buf_byte(out, '}');
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}
