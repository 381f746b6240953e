/* arena: memory that lives as long as one operation and is freed as a whole.
 *
 * A list of blocks; ph_arena_alloc (inline, base.h) takes from the head block, everything else is
 * here. Blocks grow from 2 KiB by doubling up to 256 KiB, so a small changeset costs one malloc and
 * a large one few. Under AddressSanitizer bytes that were not handed out are poisoned. */
#include "base/base.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define FIRST_BLOCK ((size_t)2048)
#define LARGE_BLOCK ((size_t)256 * 1024)
#define KEPT_BLOCK  ((size_t)1024 * 1024) /* a reset returns larger ones to the system */

static ph_arena_block *block_new(size_t size)
{
    ph_arena_block *b;

    size = (size + 15) & ~(size_t)15;
    b = ph_alloc(sizeof *b + size);
    if (!b)
        return NULL;
    b->next = NULL;
    b->size = size;
    b->fill = 0;
    POISON(b->data, size);
    return b;
}

static void block_free(ph_arena_block *b)
{
    UNPOISON(b->data, b->size);
    ph_free(b);
}

static void *block_take(ph_arena *a, ph_arena_block *b, size_t size)
{
    uint8_t *p = b->data + b->fill;

    UNPOISON(p, size);
    b->fill += (size + 15) & ~(size_t)15;
    a->used += size;
    return p;
}

void *ph_arena_more(ph_arena *a, size_t size)
{
    ph_arena_block *head = a->head, *b;
    size_t want = FIRST_BLOCK;

    if (size > SIZE_MAX / 2)
        return NULL;
    if (size == 0)
        size = 1; /* distinct pointers, also for nothing */
    if (head && size <= head->size - head->fill)
        return block_take(a, head, size);

    if (head && head->size >= FIRST_BLOCK)
        want = head->size < LARGE_BLOCK ? head->size * 2 : LARGE_BLOCK;
    if (head && size > want / 2) { /* a block of its own, behind the head, which still has room */
        if (!(b = block_new(size)))
            return NULL;
        b->next = head->next;
        head->next = b;
        return block_take(a, b, size);
    }
    if (!(b = block_new(size > want ? size : want)))
        return NULL;
    b->next = head;
    a->head = b;
    return block_take(a, b, size);
}

void *ph_arena_zalloc(ph_arena *a, size_t size)
{
    void *p = ph_arena_alloc(a, size);
    if (p)
        memset(p, 0, size);
    return p;
}

prophet_slice ph_arena_copy(ph_arena *a, prophet_slice s, bool *ok)
{
    void *p;

    if (s.len == 0)
        return ph_slice(NULL, 0);
    if (!(p = ph_arena_alloc(a, s.len))) {
        if (ok)
            *ok = false;
        return ph_slice(NULL, 0);
    }
    memcpy(p, s.data, s.len);
    return ph_slice(p, s.len);
}

char *ph_arena_str(ph_arena *a, prophet_slice s)
{
    char *p = s.len < SIZE_MAX ? ph_arena_alloc(a, s.len + 1) : NULL;

    if (!p)
        return NULL;
    if (s.len)
        memcpy(p, s.data, s.len);
    p[s.len] = 0;
    return p;
}

void ph_arena_reset(ph_arena *a)
{
    ph_arena_block *kept = NULL, *next;

    for (ph_arena_block *b = a->head; b; b = next) {
        ph_arena_block *drop = b;
        next = b->next;
        if (b->size <= KEPT_BLOCK && (!kept || b->size > kept->size)) {
            drop = kept;
            kept = b;
        }
        if (drop)
            block_free(drop);
    }
    if (kept) {
        kept->next = NULL;
        kept->fill = 0;
        POISON(kept->data, kept->size);
    }
    a->head = kept;
    a->used = 0;
}

void ph_arena_clear(ph_arena *a)
{
    ph_arena_block *next;

    if (!a)
        return;
    for (ph_arena_block *b = a->head; b; b = next) {
        next = b->next;
        block_free(b);
    }
    a->head = NULL;
    a->used = 0;
}
