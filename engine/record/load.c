/* load: a row becomes a record in memory that merging can work on.
 *
 * Called by replica for every record a changeset touches. Memory comes from the operation's arena in three pieces
 * (bytes, cells, heads), not one a cell. Rows of their own stay where they are until cell.c is asked for them. */
#include "record/record_impl.h"

/* Space for heads: two a cell, so that a concurrent write needs no more. */
typedef struct head_pool {
    ph_head *next, *end;
} head_pool;

static bool take_heads(ph_cell *c, uint32_t want, head_pool *pool, ph_arena *a)
{
    if (want <= 2 && pool->end - pool->next >= 2) {
        c->heads = pool->next;
        pool->next += 2;
        c->head_cap = 2;
        return true;
    }
    c->heads = ph_arena_alloc(a, (want + 1) * sizeof *c->heads);
    c->head_cap = c->heads ? want + 1 : 0;
    return c->heads != NULL;
}

static prophet_code row_head(ph_cell *c, const ph_row *row, uint32_t count, ph_arena *a,
                             prophet_error *err)
{
    ph_cell_store *s = ph_cell_private(c, a);

    if (s && !s->rows)
        s->rows = ph_arena_alloc(a, count * sizeof *s->rows);
    if (!s || !s->rows)
        return ph_nomem(err);
    if (s->row_count == count)
        return ph_row_damaged(&row->uuid, err);
    s->rows[s->row_count++] = c->heads[c->head_count - 1].version;
    c->loaded = false;
    return PROPHET_OK;
}

static prophet_code decode_shown(ph_cell *c, const reg_view *reg, ph_arena *a, prophet_error *err)
{
    if (reg->place == SHOWN_UNSET)
        return PROPHET_OK;
    if (reg->place == SHOWN_HERE) {
        c->shown = reg->here;
        return PROPHET_OK;
    }
    if (reg->place == SHOWN_HEAD) {
        c->shown = c->heads[reg->sub].value;
        if (c->loaded || c->shown.len > 0)
            return PROPHET_OK;
    }
    ph_cell_store *s = ph_cell_private(c, a);
    if (!s)
        return ph_nomem(err);
    s->shown_sub = reg->place == SHOWN_HEAD ? c->heads[reg->sub].version : reg->sub;
    s->shown_in_row = reg->place == SHOWN_ROW;
    for (uint32_t i = 0; i < s->row_count; i++)
        s->shown_in_row |= s->rows[i] == s->shown_sub;
    s->merged_row = reg->place == SHOWN_ROW && reg->sub == MERGED_ROW;
    c->loaded = c->loaded && !s->shown_in_row;
    return PROPHET_OK;
}

static prophet_code decode_register(cell_view *v, const ph_row *row, head_pool *pool, ph_arena *a,
                                    ph_cell *c, prophet_error *err)
{
    reg_view reg;
    head_view h = { 0, { NULL, 0 }, false };
    prophet_code rc;

    if (!ph_row_register(&v->body, v->flags, row->version, row->base, &reg, &h))
        return ph_row_damaged(&row->uuid, err);
    c->is_register = v->flags & CELL_REGISTER;
    c->was_dead = reg.flags & REG_WAS_DEAD;
    c->conflict = reg.flags & REG_CONFLICT;
    c->decided = reg.flags & REG_DECIDED;
    c->ballot_count = reg.ballots;
    if (reg.flags & REG_MANY) {
        if (!ph_cell_private(c, a))
            return ph_nomem(err);
        c->store->many = true;
        c->head_count = reg.head_count;
        c->loaded = false;
        return decode_shown(c, &reg, a, err);
    }
    if (!take_heads(c, reg.head_count, pool, a))
        return ph_nomem(err);
    for (uint32_t i = 0; i < reg.head_count; i++) {
        if (v->flags & CELL_LONG)
            (void)ph_row_head(&reg.heads, row->version, &h); /* ph_row_register walked over them */
        c->heads[c->head_count++] = (ph_head){ h.version, h.value };
        if (h.in_row && (rc = row_head(c, row, reg.head_count, a, err)) < 0)
            return rc;
    }
    return decode_shown(c, &reg, a, err);
}

static prophet_code decode_adds(row_in *in, const ph_row *row, bool plain, ph_arena *a,
                                ph_element *e, prophet_error *err)
{
    uint64_t count = 1, delta;

    if (!plain && !in_varint(in, &count))
        return ph_row_damaged(&row->uuid, err);
    if (!(e->adds = ph_arena_alloc(a, (count + 1) * sizeof *e->adds)))
        return ph_nomem(err);
    e->add_count = (uint32_t)count;
    e->adds[0] = row->base;
    for (uint64_t i = 0; i < count && !plain; i++) {
        if (!in_varint(in, &delta) || delta > row->version)
            return ph_row_damaged(&row->uuid, err);
        e->adds[i] = row->version - delta;
    }
    return PROPHET_OK;
}

static prophet_code decode_set(cell_view *v, const ph_row *row, ph_arena *a, ph_cell *c,
                               prophet_error *err)
{
    set_view set;

    if (!ph_row_set(&v->body, &set))
        return ph_row_damaged(&row->uuid, err);
    c->is_set = true;
    c->element_total = set.total;
    if (set.flags & SET_LARGE) {
        if (!ph_cell_private(c, a))
            return ph_nomem(err);
        c->store->large = true;
        c->store->total = set.total;
        c->store->weight = set.weight;
        c->loaded = false;
        return PROPHET_OK;
    }
    if (!(c->elements = ph_arena_alloc(a, (set.total + 1) * sizeof *c->elements)))
        return ph_nomem(err);
    c->element_cap = set.total + 1;
    row_in list = { (const uint8_t *)set.list.data + 1,
                    (const uint8_t *)set.list.data + set.list.len };
    for (uint32_t i = 0; i < set.total; i++) {
        ph_element *e = &c->elements[i];
        (void)ph_row_value(&list, &e->value); /* ph_row_set walked over them */
        if (i > 0 && ph_slice_cmp(e[-1].value, e->value) >= 0)
            return ph_row_damaged(&row->uuid, err);
        prophet_code rc = decode_adds(&set.adds, row, set.flags & SET_PLAIN, a, e, err);
        if (rc < 0)
            return rc;
        c->element_count++;
    }
    return PROPHET_OK;
}

static prophet_code decode_cell(cell_view *v, const ph_row *row, head_pool *pool, ph_arena *a,
                                ph_cell *c, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    prophet_slice counter;
    ph_item item;

    *c = (ph_cell){ .field = v->field, .forked = v->flags & CELL_FORKED, .loaded = true };
    if (v->flags & (CELL_REGISTER | CELL_LONG))
        rc = decode_register(v, row, pool, a, c, err);
    if (rc >= 0 && (v->flags & CELL_SET))
        rc = decode_set(v, row, a, c, err);
    if (rc < 0 || !(v->flags & CELL_COUNTER))
        return rc;
    if (!ph_row_scalar(&v->body, &counter) || !ph_value_open(counter, &item) || item.kind != PH_INT)
        return ph_row_damaged(&row->uuid, err);
    c->is_counter = true;
    c->counter = item.i;
    return rc;
}

static prophet_code decode_life(const ph_row *row, head_pool *pool, ph_arena *a, ph_cell *c,
                                prophet_error *err)
{
    row_in in = { row->life, (const uint8_t *)row->raw.data + row->raw.len };
    cell_view v;

    if (row->life)
        return ph_row_cell(&in, true, &v) ? decode_cell(&v, row, pool, a, c, err)
                                          : ph_row_damaged(&row->uuid, err);
    *c = (ph_cell){ .field = PH_LIFE, .is_register = true, .loaded = true, .shown = ph_alive };
    if (!take_heads(c, 1, pool, a))
        return ph_nomem(err);
    c->heads[0] = (ph_head){ row->version, ph_alive };
    c->head_count = 1;
    return PROPHET_OK;
}

prophet_code ph_record_decode(prophet_slice key, prophet_slice row_bytes, bool borrow, ph_arena *a,
                              ph_record *out, prophet_error *err)
{
    bool ok = true;
    ph_row row = { .type = 0 };
    cell_view v;
    prophet_code rc;

    if (!borrow)
        row_bytes = ph_arena_copy(a, row_bytes, &ok);
    if (!ok)
        return ph_nomem(err);
    if (!ph_row_open(key, row_bytes, &row)) {
        if (key.len == 20)
            memcpy(row.uuid.b, (const uint8_t *)key.data + 4, sizeof row.uuid.b);
        return ph_row_damaged(&row.uuid, err);
    }
    uint32_t cap = row.cell_count + 2;
    ph_head *heads = ph_arena_alloc(a, 2 * (cap + 1) * sizeof *heads);
    ph_cell *cells = ph_arena_alloc(a, cap * sizeof *cells);
    if (!heads || !cells)
        return ph_nomem(err);
    head_pool pool = { heads, heads + 2 * (cap + 1) };
    *out = (ph_record){ .type = row.type,
                        .uuid = row.uuid,
                        .number = row.number,
                        .version = row.version,
                        .exists = true,
                        .alive = row.alive,
                        .cells = cells,
                        .cell_cap = cap,
                        .arena = a };
    if ((rc = decode_life(&row, &pool, a, &out->life, err)) < 0)
        return rc;
    row_in in = { row.cells, (const uint8_t *)row_bytes.data + row_bytes.len };
    for (uint32_t i = 0; i < row.cell_count; i++) {
        if (!ph_row_cell(&in, false, &v) || (i > 0 && v.field <= cells[i - 1].field))
            return ph_row_damaged(&row.uuid, err);
        if ((rc = decode_cell(&v, &row, &pool, a, &cells[i], err)) < 0)
            return rc;
        out->cell_count++;
    }
    return in.p == in.end ? PROPHET_OK : ph_row_damaged(&row.uuid, err);
}

prophet_code ph_record_load(ph_txn *t, uint32_t type, const ph_uuid *uuid, ph_arena *a,
                            ph_record *out, prophet_error *err)
{
    uint8_t key[20];
    prophet_slice row;

    ph_u32be_put(key, type);
    memcpy(key + 4, uuid->b, sizeof uuid->b);
    prophet_code rc = ph_txn_get(t, PH_T_RECORDS, ph_slice(key, sizeof key), &row, err);
    if (rc == PROPHET_OK)
        return ph_record_decode(ph_slice(key, sizeof key), row, false, a, out, err);
    if (rc == PROPHET_DONE)
        *out = (ph_record){
            .type = type, .uuid = *uuid, .arena = a, .life = { .field = PH_LIFE, .loaded = true }
        };
    return rc;
}
