/* walk: from a row along a path to the values at its end; through references forwards, through many-fields backwards.
 *
 * Called by eval.c and order.c for every candidate. Each record read on the way counts as a key. */
#include "query/plan_impl.h"
#include <stdlib.h>

static prophet_code walk_from(query_run *r, const path *p, size_t at, const ph_row *row,
                              path_visit *v, prophet_error *err);

/* The living record of a type with this id. PROPHET_DONE: none, the reference dangles. */
static prophet_code target_row(query_run *r, uint32_t type, const uint8_t uuid[16], ph_row *out,
                               prophet_error *err)
{
    uint8_t key[20];
    prophet_slice bytes;
    prophet_code rc;

    if (type == 0)
        return PROPHET_DONE;
    if ((rc = ph_query_read(r, err)) < 0)
        return rc;
    r->stats.fetched++;
    ph_u32be_put(key, type);
    memcpy(key + 4, uuid, 16);
    if ((rc = ph_txn_get(r->t, PH_T_RECORDS, ph_slice(key, sizeof key), &bytes, err)) != PROPHET_OK)
        return rc;
    if (!ph_row_open(ph_slice(key, sizeof key), bytes, out))
        return ph_fail(err, PROPHET_ECORRUPT,
                       "an index row along a reference is damaged: run prophet rebuild");
    return out->alive ? PROPHET_OK : PROPHET_DONE;
}

static prophet_code follow(query_run *r, const path *p, size_t at, const ph_item *ref,
                           path_visit *v, prophet_error *err)
{
    ph_row row;
    prophet_code rc;

    if (ref->kind != PH_REF)
        return PROPHET_OK;
    rc = target_row(r, p->steps[at].to, ref->s.data, &row, err);
    return rc == PROPHET_OK ? walk_from(r, p, at + 1, &row, v, err) : rc < 0 ? rc : PROPHET_OK;
}

/* A value that a path goes on from: a reference, or a set or list of them. */
static prophet_code follow_value(query_run *r, const path *p, size_t at, prophet_slice value,
                                 path_visit *v, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    ph_item x, one;

    if (!ph_value_open(value, &x))
        return PROPHET_OK;
    if (x.kind != PH_LIST)
        return follow(r, p, at, &x, v, err);
    ph_reader in = ph_reader_of(x.s);
    while (rc >= 0 && !v->done && ph_read_item(&in, &one))
        rc = follow(r, p, at, &one, v, err);
    return rc;
}

static prophet_code walk_field(query_run *r, const path *p, size_t at, const ph_row *row,
                               path_visit *v, prophet_error *err)
{
    static const uint8_t zero[1] = { 0 };
    const path_step *s = &p->steps[at];
    ph_shown shown = { .kind = PH_SHOWN_NONE };
    prophet_code rc;

    if (s->field && (rc = ph_row_field(r->t, row, s->field, &r->row_arena, &shown, err)) < 0)
        return rc;
    if (shown.kind == PH_SHOWN_NONE) {
        if (!s->counter)
            return PROPHET_OK;
        shown.value = ph_slice(zero, sizeof zero);
    }
    if (at + 1 < p->count)
        return follow_value(r, p, at, shown.value, v, err);
    v->done = v->see(v, shown.value, shown.kind == PH_SHOWN_SET);
    return PROPHET_OK;
}

/* Bytes of a reference: tag 37, 16 bytes. */
static void put_ref(uint8_t out[19], const ph_uuid *u)
{
    out[0] = 0xd8;
    out[1] = 0x25;
    out[2] = 0x50;
    memcpy(out + 3, u->b, sizeof u->b);
}

typedef struct many_walk {
    query_run *r;
    const path *p;
    size_t at;
    path_visit *v;
} many_walk;

static prophet_code see_referrer(void *ctx, const ph_uuid *from, bool *enough, prophet_error *err)
{
    many_walk *m = ctx;
    prophet_code rc = PROPHET_OK;
    uint8_t ref[19];
    ph_row next;

    if (m->at + 1 < m->p->count) {
        rc = target_row(m->r, m->p->steps[m->at].to, from->b, &next, err);
        if (rc == PROPHET_OK)
            rc = walk_from(m->r, m->p, m->at + 1, &next, m->v, err);
    } else {
        put_ref(ref, from);
        m->v->done = m->v->see(m->v, ph_slice(ref, sizeof ref), false);
    }
    *enough = m->v->done;
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code walk_many(query_run *r, const path *p, size_t at, const ph_row *row,
                              path_visit *v, prophet_error *err)
{
    many_walk m = { r, p, at, v };

    return ph_query_reverse(r, p->steps[at].reverse, &row->uuid, see_referrer, &m, err);
}

static prophet_code walk_from(query_run *r, const path *p, size_t at, const ph_row *row,
                              path_visit *v, prophet_error *err)
{
    uint8_t bytes[19];
    ph_buf b = { bytes, 0, sizeof bytes, false };

    switch (p->steps[at].kind) {
    case STEP_FIELD: return walk_field(r, p, at, row, v, err);
    case STEP_MANY: return walk_many(r, p, at, row, v, err);
    case STEP_ID:
        put_ref(bytes, &row->uuid);
        b.len = sizeof bytes;
        break;
    case STEP_NUMBER: ph_put_int(&b, (int64_t)row->number); break;
    case STEP_VERSION: ph_put_int(&b, (int64_t)row->version); break;
    }
    v->done = v->see(v, ph_buf_slice(&b), false);
    return PROPHET_OK;
}

prophet_code ph_query_walk(query_run *r, const path *p, const ph_row *row, path_visit *v,
                           prophet_error *err)
{
    v->done = false;
    return walk_from(r, p, 0, row, v, err);
}

/* ---- backwards: who refers to a record ---------------------------------------------------------------- */

static int by_target(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(reverse_entry));
}

static bool add_entry(reverse_table *t, const ph_item *ref, const ph_uuid *from)
{
    if (ref->kind != PH_REF)
        return true;
    if (t->count == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        reverse_entry *entries = ph_realloc(t->entries, cap * sizeof *entries);
        if (!entries)
            return false;
        t->entries = entries;
        t->cap = cap;
    }
    memcpy(t->entries[t->count].to.b, ref->s.data, 16);
    t->entries[t->count++].from = *from;
    return true;
}

static prophet_code add_row(query_run *r, reverse_table *t, uint32_t field, const ph_row *row,
                            ph_arena *a, prophet_error *err)
{
    ph_shown shown;
    ph_item x, one;
    prophet_code rc = ph_row_field(r->t, row, field, a, &shown, err);

    if (rc < 0 || shown.kind == PH_SHOWN_NONE || !ph_value_open(shown.value, &x))
        return rc;
    if (x.kind != PH_LIST)
        return add_entry(t, &x, &row->uuid) ? PROPHET_OK : ph_nomem(err);
    ph_reader in = ph_reader_of(x.s);
    while (ph_read_item(&in, &one))
        if (!add_entry(t, &one, &row->uuid))
            return ph_nomem(err);
    return PROPHET_OK;
}

/* Reads all records that refer anywhere by this field, once a run. */
static prophet_code build_reverse(query_run *r, const reverse_key *k, reverse_table *t,
                                  prophet_error *err)
{
    scan_source scan;
    ph_arena a = PH_ARENA_INIT;
    prophet_slice key, bytes;
    ph_row row;
    prophet_code rc = ph_query_scan_open(&scan, r->t, k->type, err);

    if (rc < 0)
        return rc;
    r->scans = true;
    while ((rc = ph_query_scan_row(&scan, &key, &bytes, err)) == PROPHET_OK) {
        if ((rc = ph_query_read(r, err)) < 0)
            break;
        r->stats.fetched++;
        if (!ph_row_open(key, bytes, &row)) {
            rc = ph_fail(err, PROPHET_ECORRUPT,
                         "an index row of a record is damaged: run prophet rebuild");
            break;
        }
        if (row.alive && (rc = add_row(r, t, k->field, &row, &a, err)) < 0)
            break;
        ph_arena_reset(&a);
    }
    ph_query_scan_close(&scan);
    ph_arena_clear(&a);
    if (rc < 0)
        return rc;
    if (t->count)
        qsort(t->entries, t->count, sizeof *t->entries, by_target);
    t->built = true;
    return PROPHET_OK;
}

/* An index of that field alone tells it without a table. */
static prophet_code find_index(query_run *r, const reverse_key *k, reverse_table *t,
                               prophet_error *err)
{
    const query_type *type = ph_query_type_of(r->q, k->type);
    planner p = { r, NULL };
    prophet_code rc = PROPHET_OK;

    t->index_known = true;
    for (size_t i = 0; type && i < type->index_count && rc >= 0 && !t->index; i++) {
        const query_index *index = &type->indexes[i];
        bool usable, odd;
        if (index->def.count != 1 || index->def.fields[0] != k->field)
            continue;
        rc = ph_plan_usable(&p, index, &usable, &odd, err);
        t->index = rc >= 0 && usable && !odd ? index : NULL;
    }
    return rc;
}

static prophet_code ask_index(query_run *r, const query_index *index, const ph_uuid *to,
                              reverse_fn see, void *ctx, prophet_error *err)
{
    uint8_t ref[19];
    ph_buf prefix = PH_BUF_INIT;
    prophet_slice key, value;
    ph_cursor *cur;
    bool enough = false;
    prophet_code rc;

    put_ref(ref, to);
    ph_buf_u32be(&prefix, index->def.id);
    (void)ph_ordered_put(&prefix, ph_slice(ref, sizeof ref), index->def.desc[0], PH_IX_ROOM);
    if (prefix.failed)
        return ph_nomem(err);
    if ((rc = ph_cursor_open(r->t, PH_T_IX, &cur, err)) >= 0)
        rc = ph_cursor_seek(cur, ph_buf_slice(&prefix), &key, &value, err);
    else
        cur = NULL;
    while (rc == PROPHET_OK && !enough && key.len > prefix.len &&
           memcmp(key.data, prefix.data, prefix.len) == 0) {
        ph_ix_hit hit;
        if ((rc = ph_query_read(r, err)) < 0 || (rc = ph_ix_decode(key, value, &hit, err)) < 0 ||
            (rc = see(ctx, &hit.uuid, &enough, err)) < 0)
            break;
        rc = ph_cursor_next(cur, &key, &value, err);
    }
    ph_cursor_close(cur);
    ph_buf_clear(&prefix);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_query_reverse(query_run *r, size_t which, const ph_uuid *to, reverse_fn see,
                              void *ctx, prophet_error *err)
{
    reverse_table *t = &r->reverse[which];
    const reverse_key *k = &r->q->reverse[which];
    bool enough = false;
    size_t low = 0;
    prophet_code rc = PROPHET_OK;

    if (k->type == 0 || k->field == 0)
        return PROPHET_OK;
    if (!t->index_known && (rc = find_index(r, k, t, err)) < 0)
        return rc;
    if (t->index)
        return ask_index(r, t->index, to, see, ctx, err);
    if (!t->built && (rc = build_reverse(r, k, t, err)) < 0)
        return rc;
    for (size_t high = t->count; low < high;) {
        size_t mid = (low + high) / 2;
        if (memcmp(t->entries[mid].to.b, to->b, sizeof to->b) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; rc >= 0 && !enough && low < t->count && ph_uuid_eq(&t->entries[low].to, to); low++)
        rc = see(ctx, &t->entries[low].from, &enough, err);
    return rc;
}
