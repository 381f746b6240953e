/* The records one write session works on: loaded once, changed in memory by any number of changesets, settled
 * and written back in key order when the session flushes. Sorted writes are several times faster than writes in
 * order of arrival, and a record that changes often is written once.
 * Called by apply.c and change.c; calls record/, index/, settle.c. */
#include "replica/replica_impl.h"
#include <stdlib.h>

static void record_key(uint8_t key[20], uint32_t type, const ph_uuid *uuid)
{
    ph_u32be_put(key, type);
    memcpy(key + 4, uuid->b, 16);
}

prophet_code ph_work_record_get(ph_session *s, uint32_t type, const ph_uuid *uuid,
                                ph_work_record **out, prophet_error *err)
{
    uint8_t key[20];
    record_key(key, type, uuid);
    if ((*out = ph_map_get(&s->records, ph_slice(key, sizeof key))))
        return PROPHET_OK;

    ph_work_record *wr = ph_arena_zalloc(&s->arena, sizeof *wr);
    if (!wr)
        return ph_nomem(err);
    memcpy(wr->key, key, sizeof key);
    prophet_code rc = ph_record_load(s->txn, type, uuid, &s->arena, &wr->rec, err);
    if (rc < 0)
        return rc;
    wr->is_new = rc == PROPHET_DONE;
    wr->was_alive = wr->rec.alive;
    if (!ph_map_put(&s->records, ph_slice(wr->key, sizeof wr->key), wr))
        return ph_nomem(err);
    *out = wr;
    return PROPHET_OK;
}

prophet_code ph_work_number(ph_session *s, ph_work_record *wr, prophet_slice type,
                            prophet_error *err)
{
    if (wr->rec.number)
        return PROPHET_OK;
    wr->rec.number =
        ph_type_reserved(type) ? PH_RESERVED_BASE + ++s->state.reserved_number : ++s->state.number;
    wr->rec.dirty = true;
    ph_new_history h = { wr->rec.number, 0, 0, wr };
    return PH_PUSH(s->history, h) ? PROPHET_OK : ph_nomem(err);
}

bool ph_work_queue(ph_session *s, ph_work_record *wr)
{
    if (wr->queued)
        return true;
    wr->queued = true;
    return PH_PUSH(s->queue, wr);
}

bool ph_work_touch(ph_session *s, ph_work_record *wr, const ph_cell *c)
{
    if (c->head_count <= 1 && !c->forked && !c->conflict && !c->ballot_count)
        return true;
    size_t n = s->touched.count;
    if (n && s->touched.at[n - 1].wr == wr && s->touched.at[n - 1].field == c->field)
        return true;
    ph_touched t = { wr, c->field };
    return PH_PUSH(s->touched, t);
}

/* ---- flushing ------------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
    const ph_work_record *x = *(ph_work_record *const *)a, *y = *(ph_work_record *const *)b;
    return memcmp(x->key, y->key, sizeof x->key);
}

static int by_history(const void *a, const void *b)
{
    const ph_new_history *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->version > y->version) - (x->version < y->version);
}

/* All rows that follow from the record as a whole; before its own row is written. */
static prophet_code update_indexes(ph_session *s, ph_work_record *wr, prophet_error *err)
{
    const ph_schema *schema;
    prophet_code rc = ph_schemas_get(s->r, s->txn, s->state.schema,
                                     ph_names_get(s->r->names, wr->rec.type), &schema, err);
    if (rc >= 0 && schema->index_count)
        rc = ph_secondary_update(s, schema, wr, err);
    if (rc >= 0 && schema->text)
        rc = ph_fulltext_update(s, schema, wr, err);
    return rc;
}

prophet_code ph_work_unindex(ph_session *s, const ph_work_record *wr, prophet_error *err)
{
    ph_work_record gone = { .was_alive = wr->rec.alive };
    gone.rec = (ph_record){ .type = wr->rec.type,
                            .uuid = wr->rec.uuid,
                            .number = wr->rec.number,
                            .exists = true,
                            .life = { .field = PH_LIFE, .loaded = true },
                            .arena = &s->arena };
    return update_indexes(s, &gone, err);
}

static prophet_code store_record(ph_session *s, ph_work_record *wr, prophet_error *err)
{
    prophet_code rc;
    wr->queued = false;
    if ((rc = update_indexes(s, wr, err)) < 0)
        return rc;
    wr->is_new = false;
    wr->was_alive = wr->rec.alive;
    return ph_record_store(s->txn, &wr->rec, true, &s->r->scratch, err);
}

static prophet_code store_records(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    ph_sort(s->queue.at, s->queue.count, sizeof *s->queue.at, by_key);
    for (size_t i = 0; i < s->queue.count && rc >= 0; i++)
        rc = store_record(s, s->queue.at[i], err);
    s->queue.count = 0;
    return rc;
}

prophet_code ph_work_store_reserved(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    size_t kept = 0;
    for (size_t i = 0; i < s->queue.count; i++) {
        ph_work_record *wr = s->queue.at[i];
        if (rc >= 0 && ph_type_reserved(ph_names_get(s->r->names, wr->rec.type)))
            rc = store_record(s, wr, err);
        else
            s->queue.at[kept++] = wr;
    }
    s->queue.count = kept;
    return rc;
}

static prophet_code store_version(ph_session *s, const ph_new_history *h, prophet_error *err)
{
    ph_history_entry first = { h->version, h->offset_plus_1 };
    prophet_code rc = s->untold ? ph_numbers_tell(s->txn, h->number, &first, err) : PROPHET_DONE;
    return rc == PROPHET_DONE ? ph_history_put(s->txn, h->number, h->version, h->offset_plus_1,
                                               s->state.version, err)
                              : rc;
}

/* The row of a number tells the first version too, so most records have one row. A large change writes it before it knows that version. */
static prophet_code store_history(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    ph_sort(s->history.at, s->history.count, sizeof *s->history.at, by_history);
    for (size_t i = 0; i < s->history.count && rc >= 0; i++) {
        const ph_new_history *h = &s->history.at[i];
        ph_history_entry first = { 0 };
        if (!h->fresh) {
            rc = store_version(s, h, err);
            continue;
        }
        if (i + 1 < s->history.count && h[1].number == h->number)
            first = (ph_history_entry){ h[1].version, h[1].offset_plus_1 };
        i += first.version != 0;
        s->untold = s->untold || !first.version;
        rc =
            ph_numbers_put(s->txn, h->number, h->fresh->rec.type, &h->fresh->rec.uuid, &first, err);
    }
    s->history.count = 0;
    return rc;
}

static prophet_code recount(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
#ifdef PH_PLANT_take_backs_add_up
    return rc;
#endif
    for (size_t i = 0; i < s->queue.count && rc >= 0; i++)
        if (s->queue.at[i]->recount)
            rc = ph_counter_flush(s, s->queue.at[i], err);
    return rc;
}

prophet_code ph_work_flush(ph_session *s, prophet_error *err)
{
    prophet_code rc;
    if ((rc = recount(s, err)) < 0 || (rc = ph_settle_touched(s, err)) < 0 ||
        (rc = store_records(s, err)) < 0 || (rc = ph_secondary_flush(s, err)) < 0 ||
        (rc = ph_fulltext_flush(s, err)) < 0)
        return rc;
    return store_history(s, err);
}
