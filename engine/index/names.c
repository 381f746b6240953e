/* names: type and field names as small numbers, so that rows and keys stay short.
 *
 * Numbers are given in order of first appearance in applied order; a rebuild gives the same ones. A handle keeps a
 * cache; names it interned itself are looked up again at the next refresh, since the transaction may have been
 * aborted and another process have given the number away. */
#include "index/index_impl.h"

typedef struct name_entry {
    uint32_t id;
    prophet_slice text;
} name_entry;

struct ph_names {
    ph_map map;           /* text -> name_entry */
    name_entry **entries; /* id n is entries[n - 1] */
    size_t count, cap;
    size_t sure;    /* seen in the table by a refresh */
    uint64_t epoch; /* another one when numbers may stand for other names */
    ph_arena arena; /* texts and entries: names given out stay valid as long as the cache */
};

prophet_code ph_names_new(ph_names **out, prophet_error *err)
{
    ph_names *n = ph_zalloc(sizeof *n);

    if (!n)
        return ph_nomem(err);
    n->epoch = ph_monotonic_us();
    *out = n;
    return PROPHET_OK;
}

void ph_names_free(ph_names *n)
{
    if (!n)
        return;
    ph_map_clear(&n->map);
    ph_arena_clear(&n->arena);
    ph_free(n->entries);
    ph_free(n);
}

static bool cache_add(ph_names *n, prophet_slice name)
{
    bool ok = true;

    if (n->count == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 64;
        name_entry **entries = ph_realloc(n->entries, cap * sizeof(name_entry *));
        if (!entries)
            return false;
        n->entries = entries;
        n->cap = cap;
    }
    name_entry *e = ph_arena_alloc(&n->arena, sizeof *e);
    if (!e)
        return false;
    e->id = (uint32_t)n->count + 1;
    e->text = ph_arena_copy(&n->arena, name, &ok);
    if (!ok || !ph_map_put(&n->map, e->text, e))
        return false;
    n->entries[n->count++] = e;
    return true;
}

static void cut_back(ph_names *n, size_t count)
{
    n->epoch += n->count > count;
    while (n->count > count)
        (void)ph_map_remove(&n->map, n->entries[--n->count]->text);
    if (n->sure > count)
        n->sure = count;
}

static prophet_code read_name(ph_txn *t, uint64_t id, prophet_slice *name, prophet_error *err)
{
    uint8_t key[5] = { 'i' };

    ph_u32be_put(key + 1, (uint32_t)id);
    prophet_code rc = ph_txn_get(t, PH_T_NAMES, ph_slice(key, sizeof key), name, err);
    return rc == PROPHET_DONE || (rc == PROPHET_OK && name->len == 0)
               ? ph_index_damaged("names", id, err)
               : rc;
}

prophet_code ph_names_refresh(ph_names *n, ph_txn *t, uint64_t count, prophet_error *err)
{
    prophet_slice name;
    prophet_code rc;

    if (n->count > count)
        cut_back(n, count);
    for (size_t i = n->sure; i < n->count; i++) { /* interned here: are they what was committed? */
        if ((rc = read_name(t, i + 1, &name, err)) < 0)
            return rc;
        if (!ph_slice_eq(name, n->entries[i]->text))
            cut_back(n, i);
    }
    while (n->count < count) {
        if ((rc = read_name(t, n->count + 1, &name, err)) < 0)
            return rc;
        if (!cache_add(n, name))
            return ph_nomem(err);
    }
    n->sure = n->count;
    return PROPHET_OK;
}

void ph_names_cut(ph_names *n, uint64_t count)
{
    cut_back(n, (size_t)count);
}

uint32_t ph_names_find(const ph_names *n, prophet_slice name)
{
    const name_entry *e = ph_map_get(&n->map, name);
    return e ? e->id : 0;
}

prophet_slice ph_names_get(const ph_names *n, uint32_t id)
{
    return id > 0 && id <= n->count ? n->entries[id - 1]->text : ph_slice(NULL, 0);
}

uint64_t ph_names_epoch(const ph_names *n)
{
    return n->epoch;
}

size_t ph_names_count(const ph_names *n)
{
    return n->count;
}

prophet_code ph_names_intern(ph_names *n, ph_txn *t, ph_state *s, prophet_slice name, uint32_t *id,
                             prophet_error *err)
{
    uint8_t key[1 + PH_RESERVED_MAX], number[5] = { 'i' };
    uint32_t known = ph_names_find(n, name);
    prophet_code rc;

    if (known) {
        *id = known;
        return PROPHET_OK;
    }
    ph_require(n->count == s->names && name.len > 0 && name.len <= PH_RESERVED_MAX);
    if (s->names >= UINT32_MAX - 1)
        return ph_fail(err, PROPHET_EFULL, "too many type and field names");
    key[0] = 'n';
    memcpy(key + 1, name.data, name.len);
    ph_u32be_put(number + 1, (uint32_t)s->names + 1);
    if ((rc = ph_txn_put(t, PH_T_NAMES, ph_slice(number, sizeof number), name, err)) < 0 ||
        (rc = ph_txn_put(t, PH_T_NAMES, ph_slice(key, 1 + name.len), ph_slice(number + 1, 4),
                         err)) < 0)
        return rc;
    if (!cache_add(n, name))
        return ph_nomem(err);
    s->names++;
    *id = (uint32_t)s->names;
    return PROPHET_OK;
}
