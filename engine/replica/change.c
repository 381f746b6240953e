/* A local change: edits are applied to the records in memory as they come, so that the change reads its own writes, and noted
 * in order. The commit (change_commit.c) nets the notes into one changeset. Savepoints cut the notes back and drop an inner
 * transaction. The write lock is held from begin to end. */
#include "replica/change_impl.h"

prophet_code ph_change_begin(ph_replica *r, prophet_slice message, ph_change_txn **out,
                             prophet_error *err)
{
    ph_change_txn *c = ph_zalloc(sizeof *c);
    prophet_code rc;
    if (!c)
        return ph_nomem(err);
    c->r = r;
    if ((rc = ph_change_set_message(c, message, err)) < 0 ||
        (rc = ph_session_begin(r, &c->s, err)) < 0) {
        ph_change_abort(c);
        return rc;
    }
    c->version = c->s->state.version + 1;
    c->names = c->s->state.names;
    c->numbers = c->s->state.number + c->s->state.reserved_number;
    *out = c;
    return PROPHET_OK;
}

void ph_change_abort(ph_change_txn *c)
{
    if (!c)
        return;
    while (c->depth > 0) { /* inner transactions first */
        ph_txn_abort(c->s->txn);
        c->s->txn = c->saved[--c->depth].parent;
    }
    ph_session_abort(c->s);
    ph_arena_clear(&c->arena);
    ph_arena_clear(&c->view.arena);
    ph_free(c->notes.at);
    ph_free(c->votes.at);
    ph_buf_clear(&c->message);
    ph_buf_clear(&c->preview);
    ph_free(c);
}

prophet_code ph_change_set_message(ph_change_txn *c, prophet_slice message, prophet_error *err)
{
    if (message.len > PH_TEXT_MAX || !ph_utf8_valid(message.data, message.len))
        return ph_fail(err, PROPHET_EUSAGE,
                       "the message of a change is UTF-8 text of at most 1 MiB");
    ph_buf_reset(&c->message);
    ph_buf_put(&c->message, message.data, message.len);
    return c->message.failed ? ph_nomem(err) : PROPHET_OK;
}

static ph_view *unflushed_view(ph_change_txn *c)
{
    c->view.replica = c->r;
    c->view.txn = c->s->txn;
    c->view.state = c->s->state;
    c->view.names = c->r->names;
    c->view.inside = true;
    return &c->view;
}

prophet_code ph_change_view(ph_change_txn *c, ph_view **out, prophet_error *err)
{
    prophet_code rc = ph_work_flush(c->s, err);
    if (rc < 0)
        return rc;
    *out = unflushed_view(c);
    return PROPHET_OK;
}

prophet_code ph_change_row(ph_change_txn *c, prophet_slice type, const ph_uuid *id, ph_view **view,
                           ph_row *out, prophet_error *err)
{
    uint32_t type_id = ph_names_find(c->r->names, type);
    ph_work_record *wr;
    prophet_code rc;
    if (!type_id)
        return PROPHET_DONE;
    if ((rc = ph_work_record_get(c->s, type_id, id, &wr, err)) < 0)
        return rc;
    if (wr->queued && ph_record_preview(&wr->rec, &c->preview)) {
        *view = unflushed_view(c);
        return ph_row_open(ph_slice(wr->key, sizeof wr->key), ph_buf_slice(&c->preview), out)
                   ? PROPHET_OK
                   : ph_fail(err, PROPHET_ECORRUPT, "a record cannot be read back");
    }
    rc = ph_change_view(c, view, err);
    return rc < 0 ? rc : ph_view_row(*view, type_id, id, out, err);
}

/* ---- noting -------------------------------------------------------------------------------------------------------- */

static prophet_code pend_of(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                            ph_pend_record **out, prophet_error *err)
{
    ph_pend_record *p = wr->pend;
    if (!p) {
        ph_cell *life = &wr->rec.life;
        bool ok = true;
        prophet_code rc = ph_cell_load(c->s->txn, &wr->rec, life, &c->s->arena, err);
        if (rc < 0)
            return rc;
        if (!(p = ph_arena_zalloc(&c->arena, sizeof *p)) ||
            !(p->life = ph_arena_alloc(&c->arena, (life->head_count + 1u) * sizeof *p->life)))
            return ph_nomem(err);
        p->type = ph_arena_copy(&c->arena, type, &ok);
        p->uuid = wr->rec.uuid;
        p->type_id = wr->rec.type;
        p->existed = !wr->is_new && wr->rec.exists;
        p->was_alive = wr->rec.alive;
        for (uint32_t i = 0; i < life->head_count; i++) {
            p->life[i].version = life->heads[i].version;
            p->life[i].alive = ph_slice_eq(life->heads[i].value, ph_life_alive);
        }
        p->life_count = life->head_count;
        if (!ok)
            return ph_nomem(err);
        wr->pend = p;
    }
    *out = p;
    return PROPHET_OK;
}

prophet_code ph_change_note(ph_change_txn *c, ph_work_record *wr, prophet_slice type, ph_note note,
                            prophet_error *err)
{
    ph_pend_record *p = NULL;
    prophet_code rc = pend_of(c, wr, type, &p, err);
    if (rc < 0)
        return rc;
    note.pend = p;
    ph_touch_schema(c->s, type); /* it may be stored before the commit */
    return PH_PUSH(c->notes, note) ? PROPHET_OK : ph_nomem(err);
}

/* The versions of a register's heads, but for this change's own. */
prophet_code ph_change_over(ph_change_txn *c, const ph_cell *cell, const uint64_t **over,
                            uint32_t *n, prophet_error *err)
{
    uint32_t count = cell && cell->is_register ? cell->head_count : 0;
    uint64_t *at = ph_arena_alloc(&c->arena, (count + 1u) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    *n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (cell->heads[i].version == c->version)
            c->twice = true; /* written before in this change */
        else
            at[(*n)++] = cell->heads[i].version;
    }
    *over = at;
    return PROPHET_OK;
}

/* Writes the life cell: all heads for create, restore and delete; an update names the living ones only, so that it never
 * silently settles somebody's delete. */
prophet_code ph_change_life(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                            ph_note_kind kind, prophet_error *err)
{
    ph_cell *life = &wr->rec.life;
    size_t n = 0;
    prophet_code rc = ph_cell_load(c->s->txn, &wr->rec, life, &c->s->arena, err); /* many heads */
    if (rc < 0)
        return rc;
    uint64_t *over = ph_arena_alloc(&c->arena, (life->head_count + 1u) * sizeof *over);
    if (!over)
        return ph_nomem(err);
    bool own = false;
    for (uint32_t i = 0; i < life->head_count; i++) {
        own = own || life->heads[i].version == c->version;
        if (kind != PH_N_UPDATE || ph_slice_eq(life->heads[i].value, ph_life_alive))
            over[n++] = life->heads[i].version;
    }
    ph_note note = { .kind = kind };
    if (own && kind == PH_N_UPDATE && wr->rec.alive) /* said already */
        return PROPHET_OK;
    if (own)
        c->twice = true;
    if ((rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_life(c->s, wr, kind != PH_N_DELETE, over, n, c->version, err);
}

/* ---- savepoints ------------------------------------------------------------------------------------------------------- */

prophet_code ph_change_savepoint(ph_change_txn *c, prophet_error *err)
{
    ph_txn *child;
    prophet_code rc;
    if (c->depth == PH_SAVEPOINTS)
        return ph_fail(err, PROPHET_EUSAGE, "changes nest at most %d deep", PH_SAVEPOINTS);
    if ((rc = ph_work_flush(c->s, err)) < 0 ||
        (rc = ph_txn_begin_child(c->s->txn, &child, err)) < 0)
        return rc;
    ph_savepoint *sp = &c->saved[c->depth++];
    *sp = (ph_savepoint){ .parent = c->s->txn,
                          .notes = c->notes.count,
                          .votes = c->votes.count,
                          .state = c->s->state,
                          .payload = c->s->payload.len,
                          .frames = c->s->payload_frames };
    c->s->txn = child;
    return PROPHET_OK;
}

prophet_code ph_change_release(ph_change_txn *c, prophet_error *err)
{
    prophet_code rc;
    if (c->depth == 0)
        return ph_fail(err, PROPHET_EUSAGE, "no savepoint is open");
    if ((rc = ph_work_flush(c->s, err)) < 0)
        return rc;
    ph_txn *child = c->s->txn;
    c->s->txn = c->saved[--c->depth].parent;
    return ph_txn_commit(child, err);
}

prophet_code ph_change_rollback(ph_change_txn *c, prophet_error *err)
{
    ph_session *s = c->s;
    if (c->depth == 0)
        return ph_fail(err, PROPHET_EUSAGE, "no savepoint is open");
    const ph_savepoint *sp = &c->saved[--c->depth];
    ph_txn_abort(s->txn);
    s->txn = sp->parent;
    s->state = sp->state;
    s->payload.len = sp->payload;
    s->payload_frames = sp->frames;
#ifndef PH_PLANT_rollback_keeps_notes
    c->notes.count = sp->notes;
#endif
    c->votes.count = sp->votes;
    c->twice =
        true; /* records in memory are read anew, their notes with them: net from the notes alone */
    ph_map_reset(&s->records);
    s->queue.count = s->touched.count = s->history.count = 0;
    ph_schemas_forget(c->r);
    (void)err;
    ph_names_cut(c->r->names, s->state.names);
    return PROPHET_OK;
}
