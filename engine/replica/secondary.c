/* Secondary indexes: the rows of table ix that a record has, kept in the commit that changes the record.
 * key = index u32, the fields' values in order-preserving form, number u64. A row with the bare index number marks an
 * index that is complete; its value is the type it belongs to.
 * A record with a set field has one row an element. Dead records have none. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"
#include <stdlib.h>

#define INDEX_FIELDS 8    /* of one index; what a peer declares beyond is left out */
#define SCAN_STEP    1024 /* records read into memory at a time while an index is built */

/* ---- declarations ------------------------------------------------------------------------------------------ */

prophet_code ph_index_name(ph_replica *r, prophet_slice type, prophet_slice spec, ph_buf *out,
                           prophet_error *err)
{
    uint8_t hash[32];
    char hex[65];
    prophet_code rc = PROPHET_OK;
    ph_buf_printf(out, "%.*s/%.*s", PH_FMT(type), PH_FMT(spec));
    if (!out->failed && out->len > PH_RESERVED_MAX) {
        prophet_slice full = ph_buf_slice(out);
        if ((rc = ph_hash_sha256(r->hasher, &full, 1, hash, err)) < 0)
            return rc;
        ph_hex(hash, sizeof hash, hex);
        ph_buf_reset(out);
        ph_buf_printf(out, "/%s", hex);
    }
    return out->failed ? ph_nomem(err) : PROPHET_OK;
}

static size_t fields_of_spec(prophet_slice spec)
{
    size_t n = 1;
    for (size_t i = 0; i < spec.len; i++)
        n += ((const char *)spec.data)[i] == ',';
    return n;
}

static prophet_code add_index(ph_replica *r, ph_arena *a, ph_schema *s, ph_index_def *def,
                              prophet_slice spec, prophet_error *err)
{
    const char *p = spec.data, *end = p + spec.len;
    uint32_t *fields = ph_arena_alloc(a, (spec.len + 1) * sizeof *fields);
    bool *flags = ph_arena_zalloc(a, 2 * (spec.len + 1));
    if (!fields || !flags)
        return ph_nomem(err);
    def->fields = fields;
    def->desc = flags;
    def->is_set = flags + spec.len + 1;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        bool desc = *p == '-';
        prophet_slice name = ph_slice(p + desc, (size_t)(stop - p) - desc);
        const ph_field_def *f = ph_schema_field(s, name);
        flags[def->count] = desc;
        flags[spec.len + 1 + def->count] = f && f->kind == PH_F_SET;
        fields[def->count++] = ph_names_find(r->names, name);
        p = comma ? comma + 1 : end;
    }
    ph_buf name = PH_BUF_INIT;
    bool ok = true;
    prophet_code rc = ph_index_name(r, s->type, spec, &name, err);
    if (rc >= 0) {
        def->id = ph_names_find(r->names, ph_buf_slice(&name));
        def->spec = ph_arena_copy(a, ph_buf_slice(&name), &ok);
    }
    ph_buf_clear(&name);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_schema_indexes(ph_replica *r, ph_arena *a, ph_schema *s, prophet_slice specs,
                               prophet_error *err)
{
    ph_item list, one;
    size_t max = s->field_count + 1;
    bool many = ph_value_open(specs, &list) && list.kind == PH_LIST;
    if (many)
        max += (size_t)list.i;
    ph_index_def *at = ph_arena_zalloc(a, max * sizeof *at);
    prophet_code rc = PROPHET_OK;
    if (!at)
        return ph_nomem(err);
    s->indexes = at;
    for (size_t i = 0; i < s->field_count && rc >= 0; i++)
        if (s->fields[i].index && s->fields[i].kind != PH_F_COMPUTED &&
            s->fields[i].kind != PH_F_MANY)
            rc = add_index(r, a, s, &at[s->index_count++], s->fields[i].name, err);
    if (many) {
        ph_reader in = ph_reader_of(list.s);
        while (rc >= 0 && ph_read_item(&in, &one))
            if (one.kind == PH_TEXT && one.s.len > 0 && fields_of_spec(one.s) <= INDEX_FIELDS)
                rc = add_index(r, a, s, &at[s->index_count++], one.s, err);
    }
    return rc;
}

/* ---- the rows of one record ----------------------------------------------------------------------------------- */

typedef struct keyset {
    ph_session *s;
    ph_record *rec;
    ph_ix_keys *list;
} keyset;

static prophet_slice shown_value(const ph_record *rec, uint32_t field, ph_buf *b)
{
    const ph_cell *c = field ? ph_record_cell((ph_record *)(uintptr_t)rec, field) : NULL;
    if (!c)
        return ph_slice(NULL, 0);
    if (c->is_register && c->shown.len)
        return c->shown;
    if (c->is_counter) {
        ph_buf_reset(b);
        ph_put_int(b, c->counter);
        return ph_buf_slice(b);
    }
    return ph_slice(NULL, 0);
}

/* One row; `element` stands for the index's set field. */
static prophet_code add_key(keyset *k, const ph_index_def *def, prophet_slice element,
                            prophet_error *err)
{
    ph_buf *key = &k->s->ix_key, *number = &k->s->ix_number;
    bool ok = true;
    ph_buf_reset(key);
    ph_buf_u32be(key, def->id);
    for (size_t i = 0; i < def->count; i++)
        ph_ordered_put(key, def->is_set[i] ? element : shown_value(k->rec, def->fields[i], number),
                       def->desc[i], PH_IX_ROOM / def->count);
    ph_buf_u64be(key, k->rec->number);
    prophet_slice copy = ph_arena_copy(&k->s->arena, ph_buf_slice(key), &ok);
    return ok && !key->failed && !number->failed && PH_PUSH(*k->list, copy) ? PROPHET_OK
                                                                            : ph_nomem(err);
}

static prophet_code add_keys(keyset *k, const ph_index_def *def, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < def->count; i++) {
        if (!def->is_set[i])
            continue;
        const ph_cell *c = def->fields[i] ? ph_record_cell(k->rec, def->fields[i]) : NULL;
        bool any = false;
        for (uint32_t e = 0; c && e < c->element_count && rc >= 0; e++) {
            if (!c->elements[e].add_count)
                continue;
            any = true;
            rc = add_key(k, def, c->elements[e].value, err);
        }
        return any || rc < 0 ? rc : add_key(k, def, ph_slice(NULL, 0), err);
    }
    return add_key(k, def, ph_slice(NULL, 0), err);
}

static prophet_code record_keys(ph_session *s, const ph_schema *schema, ph_record *rec, keyset *k,
                                prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    k->s = s;
    k->rec = rec;
    if (!rec->alive)
        return PROPHET_OK;
    for (size_t i = 0; i < schema->index_count && rc >= 0; i++) {
        const ph_index_def *def = &schema->indexes[i];
        for (size_t f = 0; f < def->count && rc >= 0; f++) {
            ph_cell *c = def->fields[f] ? ph_record_cell(rec, def->fields[f]) : NULL;
            if (c && !c->loaded)
                rc = ph_cell_load(s->txn, rec, c, &s->arena, err);
        }
        if (rc >= 0 && def->id)
            rc = add_keys(k, def, err);
    }
    return rc;
}

static bool has_key(const ph_ix_keys *l, prophet_slice key)
{
    for (size_t i = 0; i < l->count; i++)
        if (ph_slice_eq(l->at[i], key))
            return true;
    return false;
}

static bool concerns(const ph_schema *schema, const ph_work_record *wr)
{
    if (wr->is_new || wr->was_alive != wr->rec.alive)
        return true;
    for (size_t i = 0; i < schema->index_count; i++) {
        const ph_index_def *def = &schema->indexes[i];
        for (size_t f = 0; f < def->count; f++) {
            const ph_cell *c =
                def->fields[f] ? ph_record_cell((ph_record *)(uintptr_t)&wr->rec, def->fields[f])
                               : NULL;
            if (c && c->dirty)
                return true;
        }
    }
    return false;
}

static bool note(ph_session *s, prophet_slice key, bool add)
{
    ph_ix_op op = { key, add };
    return PH_PUSH(s->ix_ops, op);
}

/* The old rows follow from the record as the store still has it. What changes is noted, and written in key order by
 * ph_secondary_flush. */
prophet_code ph_secondary_update(ph_session *s, const ph_schema *schema, ph_work_record *wr,
                                 prophet_error *err)
{
    keyset before = { .list = &s->ix_before }, after = { .list = &s->ix_after };
    ph_record old = { 0 };
    prophet_code rc = PROPHET_OK;
    bool ok = true;
    if (!concerns(schema, wr))
        return PROPHET_OK;
    ph_arena_reset(&s->row_arena);
    s->ix_before.count = s->ix_after.count = 0;
    if (!wr->is_new && (rc = ph_record_load(s->txn, wr->rec.type, &wr->rec.uuid, &s->row_arena,
                                            &old, err)) == PROPHET_OK)
        rc = record_keys(s, schema, &old, &before, err);
    if (rc >= 0)
        rc = record_keys(s, schema, &wr->rec, &after, err);
    for (size_t i = 0; i < s->ix_before.count && rc >= 0; i++)
        if (!has_key(&s->ix_after, s->ix_before.at[i]))
            ok = ok && note(s, s->ix_before.at[i], false);
    for (size_t i = 0; i < s->ix_after.count && rc >= 0; i++)
        if (!has_key(&s->ix_before, s->ix_after.at[i]))
            ok = ok && note(s, s->ix_after.at[i], true);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

/* Keys have 13 bytes at least: the first eight mostly tell, without a call. */
static int by_ix_key(const void *a, const void *b)
{
    prophet_slice x = ((const ph_ix_op *)a)->key, y = ((const ph_ix_op *)b)->key;
    uint64_t p = ph_u64be(x.data), q = ph_u64be(y.data);
    return p != q ? (p > q) - (p < q) : ph_slice_cmp(x, y);
}

prophet_code ph_secondary_flush(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    /* one record has one number, and a record is stored once a flush: no key twice */
    ph_sort(s->ix_ops.at, s->ix_ops.count, sizeof *s->ix_ops.at, by_ix_key);
    for (size_t i = 0; i < s->ix_ops.count && rc >= 0; i++) {
        const ph_ix_op *op = &s->ix_ops.at[i];
        rc = op->add ? ph_ix_put(s->txn, op->key, err) : ph_ix_del(s->txn, op->key, err);
    }
    s->ix_ops.count = 0;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- building and dropping -------------------------------------------------------------------------------------- */

static prophet_code build(ph_session *s, const ph_schema *schema, const ph_index_def *def,
                          prophet_error *err)
{
    ph_schema one = *schema;
    ph_index_def defs[1] = { *def };
    uint8_t key[20], prefix[4];
    ph_arena a = PH_ARENA_INIT;
    bool more = true;
    prophet_code rc = PROPHET_OK;
    one.indexes = defs;
    one.index_count = 1;
    ph_u32be_put(prefix, schema->type_id);
    memset(key, 0, sizeof key);
    memcpy(key, prefix, 4);
    size_t keylen = 4;
    while (more && rc >= 0) {
        PH_LIST(ph_record) batch = { 0 };
        ph_cursor *cur;
        prophet_slice k, v;
        ph_arena_reset(&a);
        if ((rc = ph_cursor_open(s->txn, PH_T_RECORDS, &cur, err)) < 0)
            break;
        rc = ph_cursor_seek(cur, ph_slice(key, keylen), &k, &v, err);
        if (rc == PROPHET_OK && keylen == 20 && k.len == 20 && memcmp(k.data, key, 20) == 0)
            rc = ph_cursor_next(cur, &k, &v, err);
        while (rc == PROPHET_OK && k.len == 20 && memcmp(k.data, prefix, 4) == 0 &&
               batch.count < SCAN_STEP) {
            ph_record rec;
            memcpy(key, k.data, 20);
            keylen = 20;
            if ((rc = ph_record_decode(k, v, false, &a, &rec, err)) < 0)
                break;
            if (!PH_PUSH(batch, rec)) {
                rc = ph_nomem(err);
                break;
            }
            rc = ph_cursor_next(cur, &k, &v, err);
        }
        ph_cursor_close(cur);
        more = batch.count == SCAN_STEP;
        for (size_t i = 0; i < batch.count && rc >= 0; i++) {
            keyset ks = { .list = &s->ix_after };
            ph_arena_reset(&s->row_arena);
            s->ix_after.count = 0;
            rc = record_keys(s, &one, &batch.at[i], &ks, err);
            for (size_t n = 0; n < s->ix_after.count && rc >= 0; n++)
                rc = ph_ix_put(s->txn, s->ix_after.at[n], err);
        }
        ph_free(batch.at);
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code drop(ph_session *s, uint32_t id, prophet_error *err)
{
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_IX, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, id);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    while (rc == PROPHET_OK && k.len >= 4 && memcmp(k.data, prefix, 4) == 0) {
        if ((rc = ph_cursor_del(cur, err)) < 0)
            break;
        rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code drop_undeclared(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    PH_LIST(uint32_t) gone = { 0 };
    uint8_t at[4] = { 0, 0, 0, 0 };
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_IX, &cur, err);
    if (rc < 0)
        return rc;
    /* one seek an index: from mark to mark */
    while ((rc = ph_cursor_seek(cur, ph_slice(at, 4), &k, &v, err)) == PROPHET_OK && k.len >= 4) {
        uint32_t id = ph_u32be(k.data);
        bool mine = k.len == 4 && v.len == 4 && ph_u32be(v.data) == schema->type_id;
        for (size_t i = 0; i < schema->index_count && mine; i++)
            mine = schema->indexes[i].id != id;
        if (mine && !PH_PUSH(gone, id)) {
            rc = ph_nomem(err);
            break;
        }
        if (id == UINT32_MAX)
            break;
        ph_u32be_put(at, id + 1);
    }
    ph_cursor_close(cur);
    for (size_t i = 0; i < gone.count && rc >= 0; i++)
        rc = drop(s, gone.at[i], err);
    ph_free(gone.at);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_secondary_declare(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    prophet_code rc = drop_undeclared(s, schema, err);
    for (size_t i = 0; i < schema->index_count && rc >= 0; i++) {
        uint8_t key[4], type[4];
        prophet_slice v;
        if (schema->indexes[i].id == 0) /* has no name yet: made when the change is written out */
            continue;
        ph_u32be_put(key, schema->indexes[i].id);
        ph_u32be_put(type, schema->type_id);
        rc = ph_txn_get(s->txn, PH_T_IX, ph_slice(key, 4), &v, err);
        if (rc != PROPHET_DONE)
            continue;
        if ((rc = build(s, schema, &schema->indexes[i], err)) >= 0)
            rc = ph_txn_put(s->txn, PH_T_IX, ph_slice(key, 4), ph_slice(type, 4), err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}
