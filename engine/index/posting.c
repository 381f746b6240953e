/* posting: where a term stands in one record, and blocks of postings.
 *
 *   posting   groups, by slot: varint ((positions - 1) * slots + slot) * 2 + (another follows), positions: varints, the first as it is,
 *             each other as its distance from the one before
 *   block     u8 level, varint entries, varint size; entries: varint distance of the number from the one before (the first: from
 *             the start of the range, as the key has it), posting
 *   size      the sum over entries of 2 and the posting's bytes: it does not depend on what lies beside, see index/text_blocks.c
 *
 * Which records a block holds is a function of the term's postings alone. Reading stays within the bytes whatever they are. */
#include "index/posting_impl.h"

ph_posting ph_posting_open(prophet_slice posting, uint32_t slots)
{
    ph_posting p = { .in = posting, .slots = slots, .more = true };
    return p;
}

static void left_of(ph_posting *p, const row_in *in)
{
    p->in = ph_slice(in->p, (size_t)(in->end - in->p));
}

/* A division of 32 bits, where they are enough, takes a fraction of the time. */
static inline uint64_t divide(uint64_t a, uint32_t by, uint32_t *rest)
{
    uint64_t q = a <= UINT32_MAX ? (uint32_t)a / by : a / by;
    *rest = (uint32_t)(a - q * by);
    return q;
}

bool ph_posting_group(ph_posting *p)
{
    row_in in = row_of(p->in);
    uint64_t head, count;

    if (!p->more || p->damaged)
        return false;
    p->damaged = p->slots == 0 || !in_u64(&in, &head);
    if (p->damaged)
        return false;
    p->more = head & 1;
    count = divide(head / 2, p->slots, &p->slot) + 1;
    p->damaged = (size_t)(in.end - in.p) < count; /* each takes a byte at least */
    p->count = (uint32_t)count;
    left_of(p, &in);
    return !p->damaged;
}

bool ph_posting_positions(ph_posting *p, uint32_t *out)
{
    row_in in = row_of(p->in);
    uint64_t gap, at = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        if (!in_u64(&in, &gap) || gap > UINT32_MAX || at + gap > UINT32_MAX ||
            (i > 0 && gap == 0)) {
            p->damaged = true;
            return false;
        }
        at += gap;
        out[i] = (uint32_t)at;
    }
    left_of(p, &in);
    return true;
}

bool ph_posting_skip(ph_posting *p)
{
    row_in in = row_of(p->in);
    uint32_t left = p->count;

    while (left > 0 && in.p < in.end)
        left -= *in.p++ < 0x80;
    p->damaged = left > 0;
    left_of(p, &in);
    return !p->damaged;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

bool text_block_open(prophet_slice row, uint64_t start, uint32_t slots, block_in *out)
{
    uint8_t level;

    *out = (block_in){ .in = row_of(row), .slots = slots, .start = start, .last = start };
    if (!in_raw(&out->in, &level, 1) || level > TEXT_ROOT || !in_u64(&out->in, &out->count) ||
        !in_u64(&out->in, &out->size) || out->count == 0 || out->count > row.len ||
        start >> TEXT_ROOT || (start & ((UINT64_C(1) << level) - 1)))
        return false;
    out->level = level;
    out->left = out->count;
    return true;
}

bool text_block_next(block_in *b, block_entry *out)
{
    uint64_t gap;

    if (b->left == 0 || b->damaged)
        return false;
    bool first = b->left == b->count;
    b->damaged = !in_u64(&b->in, &gap) || gap >> TEXT_ROOT || (!first && gap == 0) ||
                 b->last + gap - b->start >= UINT64_C(1) << b->level;
    if (b->damaged)
        return false;
    ph_posting p = ph_posting_open(ph_slice(b->in.p, (size_t)(b->in.end - b->in.p)), b->slots);
    while (ph_posting_group(&p) && ph_posting_skip(&p))
        ;
    out->posting = ph_slice(b->in.p, (size_t)((const uint8_t *)p.in.data - b->in.p));
    b->damaged = p.damaged;
    b->in.p += out->posting.len;
    b->left--;
    b->last += gap;
    out->number = b->last;
    return !b->damaged;
}

size_t text_entry_size(prophet_slice posting)
{
    return 2 + posting.len;
}

void text_block_put(ph_buf *out, const block_entry *at, size_t count, uint64_t start,
                    unsigned level)
{
    uint64_t last = start;
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += text_entry_size(at[i].posting);
    ph_buf_byte(out, (uint8_t)level);
    ph_buf_varint(out, count);
    ph_buf_varint(out, size);
    for (size_t i = 0; i < count; i++) {
        ph_buf_varint(out, at[i].number - last);
        ph_buf_put(out, at[i].posting.data, at[i].posting.len);
        last = at[i].number;
    }
}

/* ---- keys and small rows ---------------------------------------------------------------------------------------- */

bool text_key_read(prophet_slice key, uint32_t index, prophet_slice *term, bool *block,
                   uint64_t *start)
{
    const uint8_t *p = key.data;

    if (key.len < 6 || ph_u32be(p) != index || p[4] < TEXT_FIRST_TERM)
        return false;
    const uint8_t *end = memchr(p + 4, 0, key.len - 4);
    size_t behind = end ? (size_t)(p + key.len - end - 1) : 1;
    if (behind != 0 && behind != 6)
        return false;
    *term = ph_slice(p + 4, (size_t)(end - p) - 4);
    *block = behind == 6;
    *start = *block ? text_u48(end + 1) : 0;
    return true;
}

prophet_code text_damaged(uint32_t index, prophet_error *err)
{
    return ph_index_damaged("words", index, err);
}

bool text_split_read(prophet_slice row, uint64_t *records)
{
    row_in in = row_of(row);
    uint8_t first;

    return in_raw(&in, &first, 1) && first == TEXT_SPLIT && in_u64(&in, records);
}

/* late record: per slot varint length; terms in order: varint bytes, bytes, varint bytes of the posting, posting */
void text_late_put(ph_buf *out, const ph_text_doc *doc, uint32_t slots)
{
    for (uint32_t s = 0; s < slots; s++)
        ph_buf_varint(out, doc->length[s]);
    for (size_t i = 0; i < doc->count; i++) {
        const ph_text_term *t = &doc->terms[i];
        ph_buf_varint(out, t->term.len);
        ph_buf_put(out, t->term.data, t->term.len);
        ph_buf_varint(out, t->posting.len);
        ph_buf_put(out, t->posting.data, t->posting.len);
    }
}

bool text_late_open(prophet_slice row, uint32_t slots, uint32_t *length, row_in *terms)
{
    *terms = row_of(row);
    for (uint32_t s = 0; s < slots; s++)
        if (!in_u32(terms, &length[s]))
            return false;
    return true;
}

bool text_late_next(row_in *in, ph_text_term *out, bool *damaged)
{
    uint64_t len, bytes;

    if (in->p == in->end)
        return false;
    *damaged =
        !in_u64(in, &len) || len == 0 || len > PH_TERM_MAX || (uint64_t)(in->end - in->p) < len;
    if (*damaged)
        return false;
    out->term = ph_slice(in->p, len);
    in->p += len;
    *damaged = !in_u64(in, &bytes) || (uint64_t)(in->end - in->p) < bytes;
    if (*damaged)
        return false;
    out->posting = ph_slice(in->p, bytes);
    in->p += bytes;
    return true;
}

bool text_late_read(prophet_slice row, uint32_t slots, ph_arena *a, ph_text_doc *out, bool *nomem)
{
    size_t room = row.len / 3 + 1; /* a term takes three bytes at least */
    bool damaged = false;
    row_in in;

    *nomem = false;
    out->count = 0;
    if (!text_late_open(row, slots, out->length, &in))
        return false;
    if (!(out->terms = ph_arena_alloc(a, room * sizeof *out->terms))) {
        *nomem = true;
        return false;
    }
    while (out->count < room && text_late_next(&in, &out->terms[out->count], &damaged))
        out->count++;
    return !damaged;
}

/* lengths: u64 which records are there, then for each the words of every slot, varints */
bool text_lengths_read(prophet_slice row, uint32_t slots, text_lengths *out)
{
    row_in in = row_of(row);
    uint8_t has[8];

    if (!in_raw(&in, has, sizeof has))
        return false;
    out->has = ph_u64be(has);
    for (unsigned i = 0; i < TEXT_LENGTHS_OF; i++)
        for (uint32_t s = 0; s < slots && (out->has >> i & 1); s++)
            if (!in_u32(&in, &out->length[i][s]))
                return false;
    return in.p == in.end;
}

void text_lengths_put(ph_buf *out, const text_lengths *l, uint32_t slots)
{
    ph_buf_u64be(out, l->has);
    for (unsigned i = 0; i < TEXT_LENGTHS_OF; i++)
        for (uint32_t s = 0; s < slots && (l->has >> i & 1); s++)
            ph_buf_varint(out, l->length[i][s]);
}
