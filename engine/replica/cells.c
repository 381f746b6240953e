/* One operation on one cell of a record in memory, the same for local changes, foreign changesets and replay.
 * `over` holds versions of this replica, a naming of changesets that is unique here. */
#include "replica/replica_impl.h"

static const uint8_t alive_bytes[] = { 0x65, 'a', 'l', 'i', 'v', 'e' };
static const uint8_t dead_bytes[] = { 0x64, 'd', 'e', 'a', 'd' };
const prophet_slice ph_life_alive = { alive_bytes, sizeof alive_bytes };
const prophet_slice ph_life_dead = { dead_bytes, sizeof dead_bytes };

static prophet_code mark(ph_session *s, ph_work_record *wr, ph_cell *c, uint64_t version,
                         prophet_error *err)
{
    c->dirty = true;
    wr->rec.dirty = true;
    if (version > wr->rec.version)
        wr->rec.version = version;
    if (!ph_work_queue(s, wr) || !ph_work_touch(s, wr, c))
        return ph_nomem(err);
    return PROPHET_OK;
}

static prophet_code write_head(ph_session *s, ph_work_record *wr, ph_cell *c, prophet_slice value,
                               const uint64_t *over, size_t n, uint64_t version, prophet_error *err)
{
    prophet_code rc;
    if (c->is_register && !c->loaded && c->head_count &&
        (rc = ph_cell_load(s->txn, &wr->rec, c, &s->arena, err)) < 0)
        return rc;
    if ((rc = ph_cell_head_room(c, &s->arena, err)) < 0)
        return rc;
    ph_head head = { version, value };
    size_t count = c->head_count;
    bool concurrent = ph_heads_write(c->heads, &count, over, n, head) || s->inverted;
#ifndef PH_PLANT_forks_of_cells_forgotten
    c->forked = c->forked || concurrent;
#endif
    c->head_count = (uint32_t)count;
    c->is_register = true;
    if (count == 1) /* settling it later closes the conflict there may have been */
        c->shown = value;
    return mark(s, wr, c, version, err);
}

prophet_code ph_apply_life(ph_session *s, ph_work_record *wr, bool alive, const uint64_t *over,
                           size_t n, uint64_t version, prophet_error *err)
{
    ph_cell *c = &wr->rec.life;
    if (!alive)
        c->was_dead = true;
    prophet_code rc =
        write_head(s, wr, c, alive ? ph_life_alive : ph_life_dead, over, n, version, err);
    if (rc < 0)
        return rc;
    if (c->head_count == 1)
        wr->rec.alive = alive;
    return PROPHET_OK;
}

prophet_code ph_apply_register(ph_session *s, ph_work_record *wr, uint32_t field,
                               prophet_slice value, const uint64_t *over, size_t n,
                               uint64_t version, prophet_error *err)
{
    ph_cell *c;
    prophet_code rc = ph_record_cell_make(&wr->rec, field, &s->arena, &c, err);
    if (rc < 0)
        return rc;
    if (value.len == 0 && c->is_set && n > 0 &&
        (rc = ph_cell_clear(s->txn, &wr->rec, c, over, n, &s->arena, err)) < 0)
        return rc;
    return write_head(s, wr, c, value, over, n, version, err);
}

prophet_code ph_apply_element(ph_session *s, ph_work_record *wr, uint32_t field,
                              prophet_slice value, bool add, const uint64_t *over, size_t n,
                              uint64_t version, prophet_error *err)
{
    ph_cell *c = ph_record_cell(&wr->rec, field);
    ph_element *e;
    prophet_code rc;
    if (!add && c && c->is_counter && ph_value_kind(value) == PH_INT)
        wr->recount = true;        /* a revert's mark, perhaps */
    if (!add && !(c && c->is_set)) /* which makes no set of it */
        return PROPHET_OK;
    if ((rc = ph_record_cell_make(&wr->rec, field, &s->arena, &c, err)) < 0)
        return rc;
    c->is_set = true;
    if ((rc = ph_cell_element(s->txn, &wr->rec, c, value, &s->arena, &e, err)) < 0)
        return rc;

    bool was = e->add_count > 0;
    uint64_t *adds = ph_arena_alloc(&s->arena, (e->add_count + 1u) * sizeof *adds);
    if (!adds)
        return ph_nomem(err);
    if (e->add_count)
        memcpy(adds, e->adds, e->add_count * sizeof *adds);
    e->adds = adds;
    ph_element_write(e, over, n, add, version);
    bool is = e->add_count > 0;
    if (is != was)
        c->element_total += is ? 1u : (uint32_t)-1;
    return mark(s, wr, c, version, err);
}

prophet_code ph_apply_counter(ph_session *s, ph_work_record *wr, uint32_t field, int64_t amount,
                              prophet_error *err)
{
    ph_cell *c;
    prophet_code rc = ph_record_cell_make(&wr->rec, field, &s->arena, &c, err);
    if (rc < 0)
        return rc;
    c->is_counter = true;
    c->counter = (int64_t)((uint64_t)c->counter + (uint64_t)amount); /* modulo 2^64 */
    return mark(s, wr, c, 0, err);
}
