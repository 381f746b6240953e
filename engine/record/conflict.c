/* conflict: does a row hold a cell with several values? Unlike ph_row_next this sees cells that show nothing (a removal
 * that won). */
#include "record/record_impl.h"

static bool in_conflict(const ph_row *row, const cell_view *c)
{
    row_in body = c->body;
    head_view first;
    reg_view reg;

    return (c->flags & CELL_LONG) &&
           ph_row_register(&body, c->flags, row->version, row->base, &reg, &first) &&
           (reg.flags & REG_CONFLICT);
}

bool ph_row_conflict(const ph_row *row)
{
    const uint8_t *end = (const uint8_t *)row->raw.data + row->raw.len;
    row_in in = { row->cells, end }, life = { row->life, end };
    cell_view c;

    if (row->life && ph_row_cell(&life, true, &c) && in_conflict(row, &c))
        return true;
    while (in.p < end && ph_row_cell(&in, false, &c))
        if (in_conflict(row, &c))
            return true;
    return false;
}
