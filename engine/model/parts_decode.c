/* parts_decode: what changes and votes are both made of: types, records, fields and lists of
 * positions. Called by change_decode.c and body_decode.c.
 *
 * A position counts in the changeset's names: prev, then parents, then refs. A list of them is
 * ascending, without duplicates, and nearly always has one entry, which then needs no memory. */
#include "model/body_impl.h"

bool ph_read_type(ph_body_reader *r, const prophet_slice *checked, prophet_slice *out)
{
    const uint8_t *at = r->c.p;

    if (!ph_cursor_raw_text(&r->c, PH_TEXT_MAX, out, "type is not text"))
        return false;
    if (checked && ph_slice_eq(*checked, *out))
        return true;
    return ph_name_valid(*out) ? true : ph_cursor_refuse(&r->c, at, "bad type name");
}

bool ph_read_record(ph_body_reader *r, ph_uuid *out)
{
    const uint8_t *bytes = NULL;

    if (!ph_cursor_bytes(&r->c, sizeof out->b, &bytes, "record is not 16 bytes"))
        return false;
    memcpy(out->b, bytes, sizeof out->b);
    return true;
}

bool ph_read_field(ph_body_reader *r, prophet_slice type, prophet_slice *out)
{
    const uint8_t *at = r->c.p;

    if (!ph_cursor_raw_text(&r->c, PH_TEXT_MAX, out, "field is not text"))
        return false;
    return ph_field_valid(type, *out) ? true : ph_cursor_refuse(&r->c, at, "bad field name");
}

static bool read_position(ph_body_reader *r, uint64_t *out)
{
    const uint8_t *at = r->c.p;

    if (!ph_cursor_expect(&r->c, PH_CBOR_UINT, out, "position is not an unsigned integer"))
        return false;
    return *out < r->names ? true : ph_cursor_refuse(&r->c, at, "position out of range");
}

bool ph_read_positions(ph_body_reader *r, uint64_t count, ph_over *out)
{
    static const uint32_t single[24] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                         12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 };
    uint64_t pos = 0, last = 0;
    const uint8_t *at;
    uint32_t *list;

    out->count = (uint32_t)count;
    out->pos = NULL;
    if (count == 0)
        return true;
    if (!read_position(r, &pos))
        return false;
    if (count == 1 && pos < 24) { /* nearly always */
        out->pos = &single[pos];
        return true;
    }
    if (!(list = ph_arena_alloc(r->arena, (size_t)count * sizeof *list)))
        return ph_cursor_nomem(&r->c);
    out->pos = list;
    for (list[0] = (uint32_t)pos; --count > 0; *++list = (uint32_t)pos) {
        last = pos;
        at = r->c.p;
        if (!read_position(r, &pos))
            return false;
        if (pos <= last)
            return ph_cursor_refuse(&r->c, at,
                                    pos == last ? "duplicate position" : "positions out of order");
    }
    return true;
}

bool ph_read_over(ph_body_reader *r, ph_over *out)
{
    const uint8_t *at = r->c.p;
    uint64_t count = 0;

    if (!ph_cursor_count(&r->c, PH_CBOR_LIST, 1, &count, "positions are not a list"))
        return false;
    if (count == 0)
        return ph_cursor_refuse(&r->c, at, "empty list of positions");
    return ph_read_positions(r, count, out);
}
