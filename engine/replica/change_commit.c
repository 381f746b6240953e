/* The commit of a local change: its notes are netted into one changeset (change_net.c), which is written. Where a cell was
 * written more than once the rows are made again from the netted changeset, by the same code that applies foreign ones: what
 * this replica shows is then what every other will. */
#include "replica/change_impl.h"
#include <stdlib.h>

/* The session's memory is thrown away: local frames collected so far are applied again. */
static prophet_code start_over(ph_change_txn *c, prophet_error *err)
{
    ph_session *s = c->s;
    ph_buf kept = s->payload;
    uint32_t frames = s->payload_frames;
    s->payload = (ph_buf)PH_BUF_INIT;
    prophet_code rc = ph_session_restart(s, err);
    ph_buf_clear(&s->payload);
    s->payload = kept;
    s->payload_frames = frames;
    const uint8_t *p = kept.data, *end = p + kept.len;
    while (rc >= 0 && p < end) {
        uint64_t len;
        size_t at =
            (size_t)(p++ - (const uint8_t *)
                               kept.data); /* only local frames are collected before the commit */
        if (!ph_varint_read(&p, end, &len))
            break;
        rc = ph_apply_local(s, ph_slice(p, (size_t)len), at, 0, err);
        p += len;
    }
    return rc;
}

static prophet_code add_history(ph_change_txn *c, const ph_changeset *cs, prophet_error *err)
{
    for (size_t i = 0; i < cs->body.change_count; i++) {
        const ph_change *ch = &cs->body.changes[i];
        ph_work_record *wr;
        prophet_code rc =
            ph_work_record_get(c->s, ph_names_find(c->r->names, ch->type), &ch->record, &wr, err);
        if (rc < 0)
            return rc;
        ph_new_history h = { wr->rec.number, c->version, ch->offset + 1, NULL };
        if (!PH_PUSH(c->s->history, h))
            return ph_nomem(err);
        if (ph_slice_eq(ch->type, ph_slice_str("_type")) ||
            ph_slice_eq(ch->type, ph_slice_str("_voter")))
            c->s->schema_touched = true;
        if (ph_slice_eq(ch->type, ph_slice_str("_voter")))
            c->s->all_types = true;
    }
    return PROPHET_OK;
}

/* ---- numbers of new records: in the changeset's order, as a replay of the log will give them ----------------------------- */

typedef struct numbered {
    prophet_slice type;
    ph_work_record *wr;
    ph_new_history *row;
} numbered;

static int by_type_and_id(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    int c = ph_name_cmp(x->type, y->type);
    return c ? c : memcmp(x->wr->rec.uuid.b, y->wr->rec.uuid.b, sizeof x->wr->rec.uuid.b);
}

/* *done: false when some are stored already: the rows have to be made again. */
static prophet_code renumber(ph_change_txn *c, bool *done, prophet_error *err)
{
    ph_session *s = c->s;
    size_t total = (size_t)(s->state.number + s->state.reserved_number - c->numbers), n = 0;
    *done = true;
    if (total < 2)
        return PROPHET_OK;
    numbered *at = ph_arena_alloc(&c->arena, total * sizeof *at);
    if (!at)
        return ph_nomem(err);
    uint64_t normal = s->state.number, reserved = s->state.reserved_number;
    bool sorted = true;
    for (size_t i = 0; i < s->history.count && n < total; i++) {
        ph_new_history *h = &s->history.at[i];
        if (!h->fresh)
            continue;
        ph_work_record *wr = ph_map_get(&s->records, ph_slice(h->fresh->key, sizeof h->fresh->key));
        at[n] = (numbered){ ph_names_get(c->r->names, wr->rec.type), wr, h };
        *(ph_type_reserved(at[n].type) ? &reserved : &normal) -= 1;
        sorted = sorted && (n == 0 || by_type_and_id(&at[n - 1], &at[n]) < 0);
        n++;
    }
    *done = n == total;
    if (!*done || sorted)
        return PROPHET_OK;
    qsort(at, n, sizeof *at, by_type_and_id);
    for (size_t i = 0; i < n; i++)
        at[i].row->number = at[i].wr->rec.number =
            ph_type_reserved(at[i].type) ? PH_RESERVED_BASE + ++reserved : ++normal;
    return PROPHET_OK;
}

/* A definition brings names (of indexes, fields): if there are new ones, the rows are made in the changeset's order. */
static prophet_code name_definitions(ph_change_txn *c, const ph_changeset *cs, prophet_error *err)
{
    uint32_t type = ph_names_find(c->r->names, ph_slice_str("_type"));
    ph_work_record *wr;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; type && i < cs->body.change_count && rc >= 0; i++) {
        const ph_change *ch = &cs->body.changes[i];
        if (ph_slice_eq(ch->type, ph_slice_str("_type")) &&
            (rc = ph_work_record_get(c->s, type, &ch->record, &wr, err)) >= 0)
            rc = ph_schema_intern(c->s, wr, err);
    }
    return rc;
}

static prophet_code write_out(ph_change_txn *c, ph_changeset *cs, const uint64_t *names,
                              prophet_error *err)
{
    bool numbers = true;
    prophet_code rc = c->twice ? PROPHET_OK : renumber(c, &numbers, err);
    if (rc >= 0 && !c->twice)
        rc = name_definitions(c, cs, err);
    if (rc < 0)
        return rc;
    if (c->twice || !numbers ||
        c->s->state.names != c->names) { /* names get their numbers in the changeset's order */
        if ((rc = start_over(c, err)) < 0)
            return rc;
        return ph_author_append(c->s, cs, names, true, err);
    }
    if ((rc = ph_author_append(c->s, cs, names, false, err)) < 0 ||
        (rc = add_history(c, cs, err)) < 0)
        return rc;
    for (size_t i = 0; i < cs->body.vote_count && rc >= 0; i++)
        rc = ph_apply_vote(c->s, &cs->body.votes[i], names, c->version, err);
    return rc;
}

prophet_code ph_change_commit(ph_change_txn *c, ph_id *id, uint64_t *version, prophet_error *err)
{
    ph_changeset cs = { .has_body = true };
    uint64_t *names = NULL;
    ph_position upto;
    prophet_code rc, wrote = PROPHET_OK;
    if (c->depth > 0)
        rc = ph_fail(err, PROPHET_EUSAGE, "a savepoint is still open");
    else if (c->failed)
        rc = ph_fail(err, PROPHET_EUSAGE,
                     "a write of this change failed half-way: nothing of it is kept");
    else
        rc = wrote = ph_change_net(c, &cs, &names, &c->s->body, err);
    if (rc == PROPHET_OK)
        rc = write_out(c, &cs, names, err);
    bool local = rc == PROPHET_DONE && c->s->payload_frames > 0;
    if (rc == PROPHET_DONE && local && c->twice)
        rc = start_over(c, err);
    if (rc == PROPHET_OK || (rc >= 0 && local)) {
        ph_replica *r = c->r;
        ph_session *s = c->s;
        c->s = NULL;
        if ((rc = ph_session_commit(s, &upto, err)) >= 0 &&
            (rc = ph_session_wait_durable(r, upto, err)) >= 0) {
            if (id)
                *id = cs.id;
            if (version)
                *version = c->version;
            rc = wrote;
        }
    }
    ph_change_abort(c);
    return rc;
}
