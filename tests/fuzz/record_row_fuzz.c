/* Rows of records: 20 bytes of key, then the row. Damage is refused; nothing is read past the end. */
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_error err;
    ph_record r;
    ph_shown s;
    ph_row row;
    size_t pos = 0;

    if (size < 20)
        return 0;
    prophet_slice key = ph_slice(data, 20), bytes = ph_slice(data + 20, size - 20);
    if (ph_row_open(key, bytes, &row)) {
        ph_item item;
        /* Without a transaction, what lies in rows of its own counts as damage. */
        for (uint32_t f = 0; f < 40; f++)
            if (ph_row_field(NULL, &row, f, &a, &s, &err) == PROPHET_OK && s.kind != PH_SHOWN_NONE)
                (void)ph_value_open(s.value, &item);
        while (ph_row_next(NULL, &row, &pos, &a, &s, &err) == PROPHET_OK)
            (void)ph_value_open(s.value, &item);
    }
    (void)ph_record_decode(key, bytes, true, &a, &r, &err);
    ph_arena_clear(&a);
    return 0;
}
