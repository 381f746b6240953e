/* Fuzzes ph_value_check and the reader behind it: whatever is accepted is written again from its
 * opened parts and must give the same bytes; whatever is not must still be opened in safety. */
#include "model/model.h"

static void write_again(ph_buf *out, prophet_slice value);

static void write_entries(ph_buf *out, const ph_item *item)
{
    ph_reader r = ph_reader_of(item->s);
    ph_item inner;

    while (ph_read_item(&r, &inner))
        write_again(out, inner.raw);
    ph_require(r.p == r.end);
}

static void write_again(ph_buf *out, prophet_slice value)
{
    ph_item item;
    ph_uuid id;

    ph_require(ph_value_open(value, &item) && ph_value_kind(value) == item.kind);
    switch (item.kind) {
    case PH_ABSENT: ph_require(false); break;
    case PH_BOOL: ph_put_bool(out, item.b); break;
    case PH_INT: ph_put_int(out, item.i); break;
    case PH_FLOAT: ph_put_float(out, item.d); break;
    case PH_TEXT: ph_put_text(out, item.s); break;
    case PH_BYTES: ph_put_bytes(out, item.s); break;
    case PH_TIME: ph_put_time(out, item.i); break;
    case PH_REF:
        memcpy(id.b, item.s.data, sizeof id.b);
        ph_put_ref(out, &id);
        break;
    case PH_BLOB: ph_put_blob(out, item.s.data, (uint64_t)item.i, item.media, item.name); break;
    case PH_LIST:
        ph_put_list(out, (size_t)item.i);
        write_entries(out, &item);
        break;
    case PH_MAP:
        ph_put_map(out, (size_t)item.i);
        write_entries(out, &item);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prophet_slice value = ph_slice(data, size);
    ph_reader r = ph_reader_of(value);
    ph_buf out = PH_BUF_INIT, json = PH_BUF_INIT;
    ph_item item;

    while (ph_read_item(&r, &item))
        ph_require(item.raw.len > 0);
    (void)ph_value_kind(value);
    if (ph_value_check(value, 0, NULL) < 0)
        return 0;
    write_again(&out, value);
    ph_require(!out.failed && ph_slice_eq(ph_buf_slice(&out), value));
    ph_json_value(&json, value);
    ph_require(json.len > 0 && ph_utf8_valid(json.data, json.len));
    ph_require(ph_value_compare(value, ph_buf_slice(&out)) == 0);
    ph_buf_clear(&out);
    ph_buf_clear(&json);
    return 0;
}
