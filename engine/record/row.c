/* row: the bytes of a record's row, and walking over them without building anything.
 *
 * Called by load.c (records in memory), shown.c (point reads and scans) and store.c. A row comes from our own
 * disk, but the file may be damaged: nothing here reads past the row's end or trusts a count.
 *
 *   row      varint number | varint version | u8 flags | [varint version - base]  when ROW_BASE
 *            | [life cell]  unless ROW_PLAIN | varint cell count | cells by rising field number
 *   cell     varint field (none for life) | u8 flags | [varint payload length]  when CELL_SIZED | payload
 *   payload  register (CELL_REGISTER, or CELL_LONG alone: ballots and no head), set, counter: those the flags name, in
 *            this order. All cells are CELL_SIZED but a short
 *            register with an unset or scalar value, and a counter alone.
 *   short register: one head, no conflict, no ballots, value in the row, alone in its cell, not life
 *            [varint version - head version]  when CELL_DELTA, else it is base | [CBOR value]  unless CELL_UNSET
 *   long register: u8 REG_* flags | varint ballots | varint heads | heads  unless REG_MANY | shown  if REG_CONFLICT or REG_MANY
 *     head   varint version - head version | varint n: 0 unset, 1 value in a row 'v', else n - 1 bytes of value follow
 *     shown  varint n: 0 unset | 1: varint index of the head | 2: varint sub of the row 'v' | else n - 2 bytes of value
 *            (a clean one shows its first head)
 *   set      varint total << 2 | SET_* flags
 *            small: varint length, canonical list of the elements sorted by bytes | adds  unless SET_PLAIN
 *            large: varint weight (what its elements would take)
 *     adds   an element: varint count, count times varint version - add
 *   counter  CBOR integer
 *
 * base is the least version among the single heads of clean registers and the adds of small sets, so that what a record
 * was created with costs no version. Everything is a function of the record's state, never of how it came about. */
#include "record/record_impl.h"

const prophet_slice ph_alive = { "\x65"
                                 "alive",
                                 6 };

prophet_code ph_row_damaged(const ph_uuid *uuid, prophet_error *err)
{
    char text[37];

    ph_uuid_format(uuid, text);
    ph_fail(err, PROPHET_ECORRUPT, "index row of %s is damaged", text);
    ph_hint(err, "run prophet rebuild");
    return PROPHET_ECORRUPT;
}

/* ---- CBOR, as far as stepping over it needs ------------------------------------------------------- */

/* Head of a data item: major type and argument (0 for floats, whose bytes are stepped over). */
static bool cbor_head(row_in *in, unsigned *major, uint64_t *arg)
{
    if (in->p == in->end)
        return false;
    uint8_t first = *in->p++;
    unsigned low = first & 31;

    *major = first >> 5;
    *arg = low;
    if (low < 24)
        return true;
    if (low > 27)
        return false;
    size_t n = (size_t)1 << (low - 24);
    if ((size_t)(in->end - in->p) < n)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | in->p[i];
    in->p += n;
    *arg = *major == 7 ? 0 : v;
    return true;
}

bool ph_row_step_any(row_in *in)
{
    unsigned major;
    uint64_t arg;

    do {
        if (!cbor_head(in, &major, &arg))
            return false;
    } while (major == 6);
    if (major == 2 || major == 3) {
        if (arg > (size_t)(in->end - in->p))
            return false;
        in->p += arg;
    }
    return major != 4 && major != 5;
}

bool ph_row_scalar(row_in *in, prophet_slice *out)
{
    const uint8_t *start = in->p;

    if (!ph_row_step(in))
        return false;
    *out = ph_slice(start, (size_t)(in->p - start));
    return true;
}

bool ph_row_value(row_in *in, prophet_slice *out)
{
    const uint8_t *start = in->p;

    /* `open` items are still to come; each takes at least a byte, so a wild count ends at the end. */
    for (uint64_t open = 1; open > 0; open--) {
        unsigned major;
        uint64_t arg;
        if (!cbor_head(in, &major, &arg))
            return false;
        if (major == 2 || major == 3) {
            if (arg > (size_t)(in->end - in->p))
                return false;
            in->p += arg;
        } else if (major == 4 || major == 5) {
            if (arg > (size_t)(in->end - in->p))
                return false;
            open += major == 4 ? arg : 2 * arg;
        } else if (major == 6) {
            open++;
        }
    }
    *out = ph_slice(start, (size_t)(in->p - start));
    return true;
}

/* ---- cells ---------------------------------------------------------------------------------------- */

int ph_row_find(const ph_row *row, uint32_t field, cell_view *out)
{
    cell_view c;
    row_in in = { row->cells, (const uint8_t *)row->raw.data + row->raw.len };

    for (uint32_t i = 0; i < row->cell_count; i++) {
        if (!ph_row_cell(&in, false, &c))
            return -1;
        if (c.field < field)
            continue;
        *out = c;
        return c.field == field;
    }
    return 0;
}

bool ph_row_head(row_in *in, uint64_t version, head_view *out)
{
    uint64_t delta, n;

    if (!in_varint(in, &delta) || delta > version || !in_varint(in, &n))
        return false;
    out->version = version - delta;
    out->in_row = n == 1;
    out->value = ph_slice(NULL, 0);
    if (n < 2)
        return true;
    if (n - 1 > (size_t)(in->end - in->p))
        return false;
    out->value = ph_slice(in->p, (size_t)(n - 1));
    in->p += n - 1;
    return true;
}

static bool short_register(row_in *in, uint8_t flags, uint64_t version, uint64_t base,
                           reg_view *out, head_view *first)
{
    uint64_t delta = version - base;

    if ((flags & CELL_DELTA) && (!in_varint(in, &delta) || delta > version))
        return false;
    first->version = version - delta;
    first->in_row = false;
    first->value =
        flags & CELL_UNSET ? ph_slice(NULL, 0) : ph_slice(in->p, (size_t)(in->end - in->p));
    if (!(flags & CELL_UNSET) && first->value.len == 0)
        return false;
    in->p = in->end;
    out->flags = 0;
    out->ballots = 0;
    out->head_count = 1;
    out->place = SHOWN_HEAD;
    out->sub = 0;
    out->version = first->version;
    return true;
}

static bool read_shown(row_in *in, reg_view *out)
{
    uint64_t n;

    if (!in_varint(in, &n))
        return false;
    out->place = n < SHOWN_HERE ? (shown_place)n : SHOWN_HERE;
    if (out->place == SHOWN_UNSET)
        return true;
    if (out->place != SHOWN_HERE)
        return in_varint(in, &out->sub) &&
               (out->place == SHOWN_ROW ||
                (!(out->flags & REG_MANY) && out->sub < out->head_count));
    if (n - 2 > (size_t)(in->end - in->p))
        return false;
    out->here = ph_slice(in->p, (size_t)(n - 2));
    in->p += n - 2;
    return true;
}

bool ph_row_register(row_in *in, uint8_t cell_flags, uint64_t version, uint64_t base, reg_view *out,
                     head_view *first)
{
    if (!(cell_flags & CELL_LONG))
        return short_register(in, cell_flags, version, base, out, first);
    if (!in_byte(in, &out->flags) || !in_u32(in, &out->ballots) || !in_u32(in, &out->head_count) ||
        (out->flags & ~REG_FLAGS))
        return false;
    bool many = out->flags & REG_MANY;
    out->version = 0;
    out->heads = *in;
    if (!many && out->head_count > PH_INLINE_HEADS)
        return false;
    for (uint32_t i = 0; i < out->head_count && !many; i++) {
        head_view h;
        if (!ph_row_head(in, version, &h))
            return false;
        if (i == 0)
            *first = h;
        out->version = h.version;
    }
    out->place = out->head_count ? SHOWN_HEAD : SHOWN_UNSET;
    out->sub = 0;
    if (out->flags & (REG_CONFLICT | REG_MANY))
        return read_shown(in, out);
    return true;
}

bool ph_row_set(row_in *in, set_view *out)
{
    uint64_t total;

    if (!in_varint(in, &total) || total >> 2 > UINT32_MAX)
        return false;
    out->flags = total & (SET_LARGE | SET_PLAIN);
    out->total = (uint32_t)(total >> 2);
    out->weight = 0;
    if (out->flags & SET_LARGE)
        return in_varint(in, &out->weight);
    if (out->total > PH_INLINE_ELEMENTS || !in_bytes(in, &out->list) || out->list.len < 1)
        return false;
    row_in list = { (const uint8_t *)out->list.data + 1,
                    (const uint8_t *)out->list.data + out->list.len };
    prophet_slice value;
    for (uint32_t i = 0; i < out->total; i++)
        if (!ph_row_value(&list, &value))
            return false;
    if (list.p != list.end || *(const uint8_t *)out->list.data != (0x80 | out->total))
        return false;
    out->adds = *in;
    for (uint32_t i = 0; i < out->total && !(out->flags & SET_PLAIN); i++) {
        uint64_t count, delta;
        if (!in_varint(in, &count) || count == 0)
            return false;
        for (uint64_t k = 0; k < count; k++)
            if (!in_varint(in, &delta))
                return false;
    }
    return true;
}

/* ---- the row -------------------------------------------------------------------------------------- */

bool ph_row_open(prophet_slice key, prophet_slice row, ph_row *out)
{
    if (key.len != 20 || row.len == 0)
        return false;
    row_in in = { row.data, (const uint8_t *)row.data + row.len };
    /* Cells are walked one by one: each line of the row would be waited for. */
    for (size_t i = 64; i < row.len && i <= 512; i += 64)
        __builtin_prefetch(in.p + i);
    uint64_t delta = 0;
    uint8_t flags;
    cell_view life;

    if (!in_varint(&in, &out->number) || !in_varint(&in, &out->version) || !in_byte(&in, &flags) ||
        (flags & ~ROW_FLAGS) ||
        ((flags & ROW_BASE) && (!in_varint(&in, &delta) || delta > out->version)))
        return false;
    out->life = NULL;
    if (!(flags & ROW_PLAIN)) {
        out->life = in.p;
        if (!ph_row_cell(&in, true, &life))
            return false;
    }
    if (!in_u32(&in, &out->cell_count) || out->cell_count > (size_t)(in.end - in.p))
        return false;
    out->raw = row;
    out->type = ph_u32be(key.data);
    memcpy(out->uuid.b, (const uint8_t *)key.data + 4, sizeof out->uuid.b);
    out->base = out->version - delta;
    out->alive = flags & ROW_ALIVE;
    out->cells = in.p;
    return true;
}
