/* Secondary indexes: the rows of table ix that a record has (drawn in index/ix.c), kept in the commit that changes the record.
 * A record with a set field has one row an element. Dead records have none. Where a field shows what an index cannot tell, since
 * operations of another kind than the declared one met there or two fields are sets, the record is odd in it: one row, found by
 * every question. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"
#include <stdlib.h>

#define INDEX_FIELDS 8 /* of one index; what a peer declares beyond is left out */

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

prophet_code ph_index_spec(const ph_item *index, ph_buf *out, prophet_error *err)
{
    ph_reader in = ph_reader_of(index->s);
    ph_item one;
    ph_buf_reset(out);
    if (index->kind == PH_TEXT)
        ph_buf_put(out, index->s.data, index->s.len);
    while (index->kind == PH_LIST && ph_read_item(&in, &one)) {
        if (one.kind != PH_TEXT) { /* whatever a peer meant by that */
            ph_buf_reset(out);
            break;
        }
        if (out->len)
            ph_buf_byte(out, ',');
        ph_buf_put(out, one.s.data, one.s.len);
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
    bool *flags = ph_arena_zalloc(a, spec.len + 1);
    uint8_t *kinds = ph_arena_zalloc(a, spec.len + 1);
    if (!fields || !flags || !kinds)
        return ph_nomem(err);
    def->fields = fields;
    def->desc = flags;
    def->kinds = kinds;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end;
        bool desc = *p == '-';
        prophet_slice name = ph_slice(p + desc, (size_t)(stop - p) - desc);
        const ph_field_def *f = ph_schema_field(s, name);
        flags[def->count] = desc;
        kinds[def->count] = f && f->kind == PH_F_SET       ? PH_IX_SET
                            : f && f->kind == PH_F_COUNTER ? PH_IX_COUNTER
                            : f && f->kind == PH_F_LIST    ? PH_IX_LIST
                                                           : PH_IX_PLAIN;
        fields[def->count++] = ph_names_find(r->names, name);
        p = comma ? comma + 1 : end;
    }
    ph_buf name = PH_BUF_INIT;
    bool ok = true;
    prophet_code rc = ph_index_name(r, s->type, spec, &name, err);
    if (rc >= 0) {
        def->id = ph_names_find(r->names, ph_buf_slice(&name));
        def->spec = ph_arena_copy(a, spec, &ok);
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
    ph_buf spec = PH_BUF_INIT;
    ph_reader in = ph_reader_of(many ? list.s : ph_slice(NULL, 0));
    while (rc >= 0 && ph_read_item(&in, &one))
        if ((rc = ph_index_spec(&one, &spec, err)) >= 0 && spec.len > 0 &&
            fields_of_spec(ph_buf_slice(&spec)) <= INDEX_FIELDS)
            rc = add_index(r, a, s, &at[s->index_count++], ph_buf_slice(&spec), err);
    ph_buf_clear(&spec);
    return rc;
}

/* ---- the rows of one record ----------------------------------------------------------------------------------- */

typedef struct shown {
    prophet_slice value; /* empty: nothing, or a set */
    const ph_cell *set;  /* with elements */
} shown;

static bool any_element(const ph_cell *c)
{
    for (uint32_t e = 0; e < c->element_count; e++)
        if (c->elements[e].add_count)
            return true;
    return false;
}

/* What a field shows: register, then set, then counter. `number` is where a counter's value is written. */
static shown shown_of(const ph_record *rec, uint32_t field, uint8_t kind, ph_buf *number)
{
    const ph_cell *c = field ? ph_record_cell((ph_record *)(uintptr_t)rec, field) : NULL;
    shown out = { { NULL, 0 }, NULL };
    if (c && c->is_register && c->shown.len)
        out.value = c->shown;
    else if (c && c->is_set && any_element(c))
        out.set = c;
    else if ((c && c->is_counter) || kind == PH_IX_COUNTER) {
        ph_buf_reset(number);
        ph_put_int(number, c && c->is_counter ? c->counter : 0);
        out.value = ph_buf_slice(number);
    }
    return out;
}

typedef struct row_values { /* of one record in one index */
    shown at[INDEX_FIELDS];
    ph_buf *numbers; /* one a field */
    size_t set;      /* which is a set; count: none */
    bool odd;
} row_values;

static void read_values(const ph_record *rec, const ph_index_def *def, row_values *v)
{
    v->set = def->count;
    v->odd = false;
    for (size_t i = 0; i < def->count; i++) {
        v->at[i] = shown_of(rec, def->fields[i], def->kinds[i], &v->numbers[i]);
        bool set = def->kinds[i] == PH_IX_SET, list = def->kinds[i] == PH_IX_LIST;
        v->odd = v->odd || (v->at[i].set && (!set || v->set < def->count)) ||
                 (v->at[i].value.len && set) ||
                 (!list && v->at[i].value.len && ph_value_kind(v->at[i].value) == PH_LIST);
        if (v->at[i].set)
            v->set = i;
    }
}

static prophet_code note_row(ph_session *s, const ph_record *rec, size_t cut, ph_ix_ops *list,
                             prophet_error *err)
{
    bool ok = true;
    ph_ix_op op = { ph_arena_copy(&s->row_arena, ph_buf_slice(&s->ix_key), &ok), rec->uuid,
                    (uint16_t)cut, true };
    return ok && !s->ix_key.failed && PH_PUSH(*list, op) ? PROPHET_OK : ph_nomem(err);
}

/* One row; `element` stands for the set. */
static prophet_code add_row(ph_session *s, const ph_record *rec, const ph_index_def *def,
                            const row_values *v, prophet_slice element, ph_ix_ops *list,
                            prophet_error *err)
{
    ph_buf *key = &s->ix_key;
    size_t cut = 0;
    ph_buf_reset(key);
    ph_buf_u32be(key, def->id);
    for (size_t i = 0; i < def->count; i++)
        if (ph_ordered_put(key, i == v->set ? element : v->at[i].value, def->desc[i],
                           PH_IX_ROOM / def->count) &&
            cut == 0)
            cut = key->len - PH_IX_CUT;
    ph_buf_u64be(key, rec->number);
    return note_row(s, rec, cut, list, err);
}

static prophet_code add_odd(ph_session *s, const ph_record *rec, const ph_index_def *def,
                            ph_ix_ops *list, prophet_error *err)
{
    uint8_t prefix[5];
    ph_ix_odd_prefix(def->id, prefix);
    ph_buf_reset(&s->ix_key);
    ph_buf_put(&s->ix_key, prefix, sizeof prefix);
    ph_buf_u64be(&s->ix_key, rec->number);
    return note_row(s, rec, 0, list, err);
}

static prophet_code add_rows(ph_session *s, const ph_record *rec, const ph_index_def *def,
                             row_values *v, ph_ix_ops *list, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    read_values(rec, def, v);
    for (size_t i = 0; i < def->count; i++)
        if (v->numbers[i].failed)
            return ph_nomem(err);
    if (v->odd)
        return add_odd(s, rec, def, list, err);
    if (v->set == def->count)
        return add_row(s, rec, def, v, ph_slice(NULL, 0), list, err);
    const ph_cell *c = v->at[v->set].set;
    for (uint32_t e = 0; e < c->element_count && rc >= 0; e++)
        if (c->elements[e].add_count)
            rc = add_row(s, rec, def, v, c->elements[e].value, list, err);
    return rc;
}

/* Keys have 13 bytes at least: the first eight mostly tell, without a call. */
static int by_ix_key(const void *a, const void *b)
{
    prophet_slice x = ((const ph_ix_op *)a)->key, y = ((const ph_ix_op *)b)->key;
    uint64_t p = ph_u64be(x.data), q = ph_u64be(y.data);
    return p != q ? (p > q) - (p < q) : ph_slice_cmp(x, y);
}

/* 1 and 1.0 are two elements and one key. */
static void sort_rows(ph_ix_ops *l)
{
    size_t kept = 0;
    if (l->count < 2)
        return;
    ph_sort(l->at, l->count, sizeof *l->at, by_ix_key);
    for (size_t i = 0; i < l->count; i++)
        if (kept == 0 || !ph_slice_eq(l->at[i].key, l->at[kept - 1].key))
            l->at[kept++] = l->at[i];
    l->count = kept;
}

static prophet_code record_rows(ph_session *s, const ph_schema *schema, ph_record *rec,
                                ph_ix_ops *list, prophet_error *err)
{
    ph_buf numbers[INDEX_FIELDS] = { { 0 } };
    row_values v = { .numbers = numbers };
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < schema->index_count && rc >= 0 && rec->alive; i++) {
        const ph_index_def *def = &schema->indexes[i];
        for (size_t f = 0; f < def->count && rc >= 0; f++) {
            ph_cell *c = def->fields[f] ? ph_record_cell(rec, def->fields[f]) : NULL;
            if (c && !c->loaded)
                rc = ph_cell_load(s->txn, rec, c, &s->arena, err);
        }
        if (rc >= 0 && def->id)
            rc = add_rows(s, rec, def, &v, list, err);
    }
    for (size_t i = 0; i < INDEX_FIELDS; i++)
        ph_buf_clear(&numbers[i]);
    sort_rows(list);
    return rc;
}

prophet_code ph_secondary_rows(ph_session *s, const ph_schema *schema, ph_record *rec,
                               prophet_error *err)
{
    return record_rows(s, schema, rec, &s->ix_after, err);
}

/* ---- a record that changes ------------------------------------------------------------------------------------- */

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

static bool note(ph_session *s, const ph_ix_op *row, bool add)
{
    bool ok = true;
    ph_ix_op op = *row;
    op.key = ph_arena_copy(&s->arena, row->key, &ok);
    op.add = add;
    return ok && PH_PUSH(s->ix_ops, op);
}

/* Both lists are sorted: what only one of them has is written or removed. */
static bool note_difference(ph_session *s)
{
    const ph_ix_ops *old = &s->ix_before, *now = &s->ix_after;
    size_t i = 0, k = 0;
    bool ok = true;
    while (ok && (i < old->count || k < now->count)) {
        int c = i == old->count   ? 1
                : k == now->count ? -1
                                  : ph_slice_cmp(old->at[i].key, now->at[k].key);
        if (c < 0)
            ok = note(s, &old->at[i], false);
        else if (c > 0)
            ok = note(s, &now->at[k], true);
        i += c <= 0;
        k += c >= 0;
    }
    return ok;
}

/* The old rows follow from the record as the store still has it. What changes is noted, and written in key order by
 * ph_secondary_flush. */
prophet_code ph_secondary_update(ph_session *s, const ph_schema *schema, ph_work_record *wr,
                                 prophet_error *err)
{
    ph_record old = { 0 };
    prophet_code rc = PROPHET_OK;
    if (!concerns(schema, wr))
        return PROPHET_OK;
    ph_arena_reset(&s->row_arena);
    s->ix_before.count = s->ix_after.count = 0;
    if (!wr->is_new && (rc = ph_record_load(s->txn, wr->rec.type, &wr->rec.uuid, &s->row_arena,
                                            &old, err)) == PROPHET_OK)
        rc = record_rows(s, schema, &old, &s->ix_before, err);
    if (rc >= 0)
        rc = record_rows(s, schema, &wr->rec, &s->ix_after, err);
    return rc < 0 ? rc : note_difference(s) ? PROPHET_OK : ph_nomem(err);
}

/* ---- writing what was noted ----------------------------------------------------------------------------------------- */

#define GROUP_LEAST 64u

/* Rows of one value, in the order they came, which is mostly that of their numbers. */
typedef struct ix_group {
    prophet_slice value; /* the key but for the number */
    uint32_t first, last;
} ix_group;

static int by_group(const void *a, const void *b)
{
    return ph_slice_cmp(((const ix_group *)a)->value, ((const ix_group *)b)->value);
}

static prophet_code write_row(ph_session *s, const ph_ix_op *op, prophet_error *err)
{
    return op->add ? ph_ix_put(s->txn, op->key, &op->uuid, op->cut, err)
                   : ph_ix_del(s->txn, op->key, err);
}

/* next[i]: the row that follows row i in its group, or itself. */
static bool group(const ph_session *s, ix_group *groups, uint32_t *next, size_t *count)
{
    ph_map map = PH_MAP_INIT;
    bool ok = true;
    *count = 0;
    for (uint32_t i = 0; i < s->ix_ops.count && ok; i++) {
        prophet_slice key = s->ix_ops.at[i].key, value = ph_slice(key.data, key.len - 8);
        ix_group *g = ph_map_get(&map, value);
        if (g)
            next[g->last] = i;
        else {
            g = &groups[(*count)++];
            *g = (ix_group){ value, i, i };
            ok = ph_map_put(&map, value, g);
        }
        g->last = next[i] = i;
    }
    ph_map_clear(&map);
    return ok;
}

/* Many records often share few values: those are sorted, and not all the rows. */
static prophet_code write_groups(ph_session *s, prophet_error *err)
{
    size_t n = s->ix_ops.count, count = 0;
    ix_group *groups = ph_alloc(n * sizeof *groups);
    uint32_t *next = ph_alloc(n * sizeof *next);
    prophet_code rc = groups && next && group(s, groups, next, &count) ? PROPHET_OK : ph_nomem(err);
    if (rc >= 0)
        ph_sort(groups, count, sizeof *groups, by_group);
    for (size_t g = 0; g < count && rc >= 0; g++)
        for (uint32_t i = groups[g].first;; i = next[i])
            if ((rc = write_row(s, &s->ix_ops.at[i], err)) < 0 || next[i] == i)
                break;
    ph_free(groups);
    ph_free(next);
    return rc;
}

/* In the order of keys, or nearly: rows that lie near each other in the table come together. */
prophet_code ph_secondary_flush(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    /* one record has one number, and a record is stored once a flush: no key twice */
    if (s->ix_ops.count >= GROUP_LEAST)
        rc = write_groups(s, err);
    else {
        ph_sort(s->ix_ops.at, s->ix_ops.count, sizeof *s->ix_ops.at, by_ix_key);
        for (size_t i = 0; i < s->ix_ops.count && rc >= 0; i++)
            rc = write_row(s, &s->ix_ops.at[i], err);
    }
    s->ix_ops.count = 0;
    return rc < 0 ? rc : PROPHET_OK;
}
