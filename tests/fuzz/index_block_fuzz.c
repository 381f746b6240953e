/* Rows of a full-text index: blocks of postings, late records, lengths. The first byte says how many fields there are. Damage is
 * refused; nothing is read past the end; what is read is in order and gives the same row when it is written again. */
#include "index/posting_impl.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_block(prophet_slice row, uint32_t slots)
{
    static uint32_t positions[1 << 16];
    block_in in;
    block_entry e;
    uint64_t last = 0, count = 0, bytes = 0;

    if (!text_block_open(row, 0, slots, &in))
        return;
    while (text_block_next(&in, &e)) {
        ph_require(count == 0 || e.number > last);
        ph_require(e.number >> in.level == 0);
        last = e.number;
        bytes += text_entry_size(e.posting);
        count++;
        ph_posting p = ph_posting_open(e.posting, slots);
        while (ph_posting_group(&p))
            if (p.count > 1 << 16 || !ph_posting_positions(&p, positions))
                break;
    }
    ph_require(in.damaged || count == in.count);
    (void)bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_arena a = PH_ARENA_INIT;
    static text_lengths l;
    ph_text_doc doc;
    bool nomem;

    if (size < 1)
        return 0;
    uint32_t slots = data[0] % (PH_TEXT_FIELDS + 1);
    prophet_slice row = ph_slice(data + 1, size - 1);
    read_block(row, slots);
    if (text_late_read(row, slots, &a, &doc, &nomem)) {
        ph_buf again = PH_BUF_INIT;
        ph_text_doc second;
        text_late_put(&again, &doc, slots);
        ph_require(text_late_read(ph_buf_slice(&again), slots, &a, &second, &nomem) &&
                   second.count == doc.count);
        ph_buf_clear(&again);
    }
    if (text_lengths_read(row, slots, &l)) {
        ph_buf again = PH_BUF_INIT;
        text_lengths_put(&again, &l, slots);
        ph_require(again.len <= row.len);
        ph_buf_clear(&again);
    }
    ph_arena_clear(&a);
    return 0;
}
