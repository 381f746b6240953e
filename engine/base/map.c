/* map: a hash map from borrowed bytes to pointers. Open addressing, linear probing, no tombstones.
 *
 * Keys often come from peers (ids, names), so the hash is keyed with a seed that no peer knows:
 * random bytes the kernel gave the process, and the table's address. There is no way to walk a
 * map, on purpose: its order differs between runs, and nothing we compute may depend on it. */
#include "base/base.h"
#include <sys/auxv.h>

#define FIRST_CAP ((size_t)16)

struct ph_map_slot {
    uint64_t hash; /* 0: empty */
    const void *key;
    size_t len;
    void *value;
};

__extension__ typedef unsigned __int128 u128;

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load(const uint8_t *p, size_t n) /* n: 8 */
{
    uint64_t v;
    memcpy(&v, p, n);
    return v;
}

/* 1 to 8 bytes, without a call: two halves that may overlap, or three bytes of up to three. */
static inline uint64_t load_few(const uint8_t *p, size_t n)
{
    uint32_t low, high;
    if (n < 4)
        return (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
    memcpy(&low, p, 4);
    memcpy(&high, p + n - 4, 4);
    return (uint64_t)high << 32 | low;
}

/* Multiply and fold, 16 bytes a step, as in wyhash; never 0. */
static uint64_t hash_of(uint64_t seed, prophet_slice key)
{
    const uint64_t k0 = UINT64_C(0xa0761d6478bd642f), k1 = UINT64_C(0xe7037ed1a0b428db);
    const uint8_t *p = key.data;
    size_t left = key.len;
    uint64_t h = seed ^ k0;

    for (; left > 16; p += 16, left -= 16)
        h = mix(load(p, 8) ^ k1, load(p + 8, 8) ^ h);
    if (left > 8)
        h = mix(load(p, 8) ^ k1, load_few(p + 8, left - 8) ^ h);
    else if (left > 0)
        h = mix(load_few(p, left) ^ k1, h);
    h = mix(h ^ k1, key.len ^ seed ^ k1);
    return h ? h : 1;
}

static uint64_t new_seed(const void *slots)
{
    const uint8_t *random = (const uint8_t *)(uintptr_t)getauxval(AT_RANDOM);
    uint64_t seed = (uint64_t)(uintptr_t)slots;

    if (random)
        seed = mix(load(random, 8) ^ seed, load(random + 8, 8) ^ UINT64_C(0x8ebc6af09c88c6e3));
    return seed;
}

/* The slot of the key, or the empty one where it would go. The table is never full. */
static size_t find(const ph_map *m, uint64_t hash, prophet_slice key)
{
    size_t i = (size_t)hash & (m->cap - 1);

    for (;; i = (i + 1) & (m->cap - 1)) {
        const struct ph_map_slot *s = &m->slots[i];
        if (s->hash == 0 || (s->hash == hash && ph_slice_eq(ph_slice(s->key, s->len), key)))
            return i;
    }
}

static bool grow(ph_map *m)
{
    size_t cap = m->cap ? m->cap * 2 : FIRST_CAP;
    struct ph_map_slot *slots;

    if (cap > SIZE_MAX / sizeof *slots || !(slots = ph_zalloc(cap * sizeof *slots)))
        return false;
    if (m->cap == 0)
        m->seed = new_seed(slots);
    for (size_t i = 0; i < m->cap; i++) {
        size_t to = (size_t)m->slots[i].hash & (cap - 1);
        if (m->slots[i].hash == 0)
            continue;
        while (slots[to].hash)
            to = (to + 1) & (cap - 1);
        slots[to] = m->slots[i];
    }
    ph_free(m->slots);
    m->slots = slots;
    m->cap = cap;
    return true;
}

void *ph_map_get(const ph_map *m, prophet_slice key)
{
    if (m->count == 0)
        return NULL;
    return m->slots[find(m, hash_of(m->seed, key), key)].value; /* NULL in an empty slot */
}

bool ph_map_put(ph_map *m, prophet_slice key, void *value)
{
    struct ph_map_slot *s;
    uint64_t hash;

    if (m->count >= m->cap / 4 * 3 && !grow(m))
        return false;
    hash = hash_of(m->seed, key);
    s = &m->slots[find(m, hash, key)];
    if (s->hash == 0) {
        s->hash = hash;
        s->key = key.data;
        s->len = key.len;
        m->count++;
    }
    s->value = value;
    return true;
}

void *ph_map_remove(ph_map *m, prophet_slice key)
{
    size_t mask = m->cap - 1, hole, i;
    void *value;

    if (m->count == 0)
        return NULL;
    hole = find(m, hash_of(m->seed, key), key);
    if (m->slots[hole].hash == 0)
        return NULL;
    value = m->slots[hole].value;
    /* Close the gap: move back whatever would no longer be reached from its home slot. */
    for (i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    memset(&m->slots[hole], 0, sizeof m->slots[hole]);
    m->count--;
    return value;
}

void ph_map_reset(ph_map *m)
{
    if (m->count)
        memset(m->slots, 0, m->cap * sizeof *m->slots);
    m->count = 0;
}

void ph_map_clear(ph_map *m)
{
    if (!m)
        return;
    ph_free(m->slots);
    m->slots = NULL;
    m->count = m->cap = 0;
}
