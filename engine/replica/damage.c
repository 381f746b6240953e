/* Damage: the whole log is looked through for places that cannot be read and were not noted yet. Each is noted in a local frame with the
 * versions and ids of the changesets that lay there, as the index knows them (mend.c draws it). One flipped byte makes a whole batch
 * unreadable to a replay, but by its position every other frame of it can still be read, and its id or signature proves it: those are
 * appended again at once, and so is what nobody else has, questions asked and local values. The rest stays lost until a peer gives it
 * back. Called by open, check and pulls; rare, so it takes the time that a walk through the log takes.
 *
 * Row of table local:  00 "hole" from u64 -> to u64, 1: not all of what lay there is known, else 0 */
#include "replica/replica_impl.h"

static const uint8_t hole_prefix[5] = { 0, 'h', 'o', 'l', 'e' };
enum { HOLE_KEY = 13, HOLE_ROW = 9 };

typedef ph_hole range;

typedef struct survey {
    ph_session *s;
    PH_LIST(range) found, noted;
    ph_map seen;  /* keys of rows of local and asked that readable frames made */
    bool dropped; /* a broken signature */
} survey;

/* ---- rows of noted ranges ---------------------------------------------------------------------------------------- */

prophet_code ph_damage_keep(ph_txn *t, const ph_hole *hole, prophet_error *err)
{
    uint8_t key[HOLE_KEY], value[HOLE_ROW];
    memcpy(key, hole_prefix, sizeof hole_prefix);
    ph_u64be_put(key + sizeof hole_prefix, hole->from);
    ph_u64be_put(value, hole->to);
    value[8] = hole->more;
    return ph_txn_put(t, PH_T_LOCAL, ph_slice(key, sizeof key), ph_slice(value, sizeof value), err);
}

static bool is_hole(prophet_slice key, prophet_slice value)
{
    return key.len == HOLE_KEY && value.len == HOLE_ROW &&
           memcmp(key.data, hole_prefix, sizeof hole_prefix) == 0;
}

prophet_code ph_damage_noted(ph_txn *t, ph_position from, ph_position to, bool *yes,
                             prophet_error *err)
{
    prophet_slice key, value;
    ph_cursor *cur;
    *yes = false;
    prophet_code rc = ph_cursor_open(t, PH_T_LOCAL, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(hole_prefix, sizeof hole_prefix), &key, &value, err);
    for (; rc == PROPHET_OK && is_hole(key, value) && !*yes;
         rc = ph_cursor_next(cur, &key, &value, err))
        *yes = ph_u64be((const uint8_t *)key.data + sizeof hole_prefix) <= from &&
               to <= ph_u64be(value.data);
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

static prophet_code note_seen(survey *v, char table, prophet_slice a, prophet_slice b,
                              prophet_error *err)
{
    uint8_t *key = ph_arena_alloc(&v->s->arena, 1 + a.len + b.len);
    if (!key)
        return ph_nomem(err);
    key[0] = (uint8_t)table;
    memcpy(key + 1, a.data, a.len);
    if (b.len)
        memcpy(key + 1 + a.len, b.data, b.len);
    return ph_map_put(&v->seen, ph_slice(key, 1 + a.len + b.len), v) ? PROPHET_OK : ph_nomem(err);
}

/* A signature that was damaged: a peer has it. */
static prophet_code saw_signature(survey *v, const ph_frame *f, prophet_error *err)
{
    ph_session *s = v->s;
    ph_id id;
    uint64_t version, position;
    ph_changeset_row row;
    ph_replica_row rep;
    if (f->bytes.len != 96)
        return PROPHET_OK;
    memcpy(id.b, f->bytes.data, 32);
    prophet_code rc = ph_ids_find(s->r->ids, s->txn, &id, &version, err);
    if (rc != PROPHET_OK || (rc = ph_signatures_get(s->txn, version, &position, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if (position != f->position || (rc = ph_changesets_get(s->txn, version, &row, err)) < 0 ||
        (rc = ph_replicas_get(s->txn, row.ridx, &s->arena, &rep, err)) < 0 ||
        ph_signature_check(&rep.key, &id, (const uint8_t *)f->bytes.data + 32, NULL) == PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    v->dropped = true;
    s->state.stale = 1; /* its replica's row counts on it */
    return ph_signatures_del(s->txn, version, err);
}

static prophet_code saw_damage(survey *v, const ph_frame *f, const ph_item m[8], prophet_error *err)
{
    ph_session scratch = { .r = v->s->r };
    range r = { (ph_position)m[2].i, (ph_position)m[3].i, m[5].raw.len > 0 };
    prophet_code rc = ph_mend_damage(&scratch, f->bytes, NULL);
    ph_free(scratch.mends.at);
    if (rc < 0) /* damaged itself */
        return rc == PROPHET_ECORRUPT ? PROPHET_OK : rc;
    return PH_PUSH(v->noted, r) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code saw_frame(survey *v, const ph_frame *f, prophet_error *err)
{
    ph_item m[8];
    uint8_t key[24 + 64];
    ph_cell_key cell = { .field = PH_LIFE };
    if (f->type == PH_FRAME_SIGNATURE && (v->s->state.holes || v->found.count))
        return saw_signature(v, f, err);
    if (f->type != PH_FRAME_LOCAL || !ph_local_open(f->bytes, m) || m[1].kind != PH_INT)
        return PROPHET_OK;
    if (m[1].i == PH_LOCAL_DAMAGE)
        return saw_damage(v, f, m, err);
    if (m[1].i == PH_LOCAL_VALUE && m[2].kind == PH_TEXT)
        return note_seen(v, 'l', m[2].s, ph_slice(NULL, 0), err);
    if (m[1].i != PH_LOCAL_ASKED || m[3].s.len != 16 || m[5].s.len != 32 || m[6].s.len != 32)
        return PROPHET_OK;
    cell.type = ph_names_find(v->s->r->names, m[2].s);
    if (m[4].s.len)
        cell.field = ph_names_find(v->s->r->names, m[4].s);
    memcpy(cell.uuid.b, m[3].s.data, 16);
    ph_cell_key_put(&cell, key);
    memcpy(key + 24, m[5].s.data, 32);
    memcpy(key + 56, m[6].s.data, 32);
    return note_seen(v, 'a', ph_slice(key, sizeof key), ph_slice(NULL, 0), err);
}

static prophet_code walk(survey *v, prophet_error *err)
{
    static const ph_mark start;
    ph_log_cursor *cur;
    ph_frame f;
    prophet_code rc = ph_log_cursor_open(v->s->r->log, &start, &cur, err);
    if (rc < 0)
        return rc;
    for (;;) {
        range r;
        if ((rc = ph_log_cursor_next(cur, &f, err)) == PROPHET_OK)
            rc = saw_frame(v, &f, err);
        else if (rc == PROPHET_ECORRUPT &&
                 (rc = ph_log_cursor_skip(cur, &r.from, &r.to, err)) >= 0) {
            rc = PH_PUSH(v->found, r) ? rc : ph_nomem(err);
        }
        if (rc != PROPHET_OK)
            break;
    }
    ph_log_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* What is noted already, in a frame that can be read, is no news. */
static void drop_noted(survey *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->found.count; i++) {
        bool noted = false;
        for (size_t k = 0; k < v->noted.count && !noted; k++)
            noted = v->noted.at[k].from <= v->found.at[i].from &&
                    v->found.at[i].to <= v->noted.at[k].to;
        if (!noted)
            v->found.at[kept++] = v->found.at[i];
    }
    v->found.count = kept;
}

/* ---- noting ------------------------------------------------------------------------------------------------------- */

/* The changesets around a hole that lie where they always lay. */
typedef struct around {
    uint64_t low, high; /* versions */
    ph_position high_at;
} around;

static prophet_code neighbours(ph_session *s, const range *at, around *out, prophet_error *err)
{
    *out = (around){ 0, s->state.version + 1, UINT64_MAX };
    for (uint64_t version = 1; version <= s->state.version; version++) {
        ph_changeset_row row;
        prophet_code rc = ph_changesets_get(s->txn, version, &row, err);
        if (rc < 0)
            return rc;
        if (row.flags & (PH_CS_AGAIN | PH_CS_LOST))
            continue;
        if (row.position < at->from)
            out->low = version;
        else if (row.position >= at->to && version < out->high) {
            out->high = version;
            out->high_at = row.position;
        }
    }
    return PROPHET_OK;
}

/* Did it lie there? What was appended again, or lost before this index was made, is told by its version alone: between those of the neighbours. Then
 * *sure says whether it can have been nowhere else. */
static bool was_in(const ph_changeset_row *row, uint64_t version, const range *at, const around *n,
                   bool *sure)
{
    *sure = true;
    if (row->position >= at->from && row->position < at->to)
        return true;
    if (version <= n->low || version >= n->high)
        return false;
    if (row->flags & PH_CS_AGAIN) {
        *sure = row->position >= n->high_at;
        return row->position >= at->to;
    }
    *sure = false;
    return row->flags & PH_CS_GAP;
}

/* Does it overlap an earlier hole of which not all was known? */
static prophet_code grew(ph_session *s, const range *at, bool *yes, prophet_error *err)
{
    prophet_slice key, value;
    ph_cursor *cur;
    *yes = false;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_LOCAL, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(hole_prefix, sizeof hole_prefix), &key, &value, err);
    for (; rc == PROPHET_OK && is_hole(key, value) && !*yes;
         rc = ph_cursor_next(cur, &key, &value, err)) {
        const uint8_t *p = value.data;
        *yes = p[8] && ph_u64be((const uint8_t *)key.data + sizeof hole_prefix) < at->to &&
               at->from < ph_u64be(p);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code note_range(survey *v, const range *at, prophet_error *err)
{
    ph_session *s = v->s;
    PH_LIST(ph_mend) lost = { 0 };
    around near = { 0, 0, 0 };
    bool sure, more;
    prophet_code rc = grew(s, at, &more, err);
    if (rc >= 0)
        rc = neighbours(s, at, &near, err);
    more = more || s->state.forgot;
    for (uint64_t version = 1; version <= s->state.version && rc >= 0; version++) {
        ph_changeset_row row;
        ph_replica_row rep;
        if ((rc = ph_changesets_get(s->txn, version, &row, err)) < 0 ||
            !was_in(&row, version, at, &near, &sure) ||
            (rc = ph_replicas_get(s->txn, row.ridx, &s->arena, &rep, err)) < 0)
            continue;
        bool inside = row.position >= at->from && row.position < at->to;
        ph_mend m = { .version = version,
                      .again = inside && (row.flags & PH_CS_AGAIN),
                      .seq = row.seq,
                      .lamport = row.lamport,
                      .time = row.time,
                      .id = row.id,
                      .replica = rep.key };
        more = more || !sure;
        if (!PH_PUSH(lost, m))
            rc = ph_nomem(err);
    }
    if (rc >=
        0) /* a frame behind it must not be read as going on from what may have lain elsewhere */
        rc = ph_mend_note(s, at->from, at->to, lost.at, lost.count, more, err);
    ph_free(lost.at);
    return rc;
}

/* The bytes of a signature that lay there, if they still prove what they should. */
static bool still_proves(ph_session *s, uint64_t version, ph_position position, uint8_t out[96])
{
    ph_log_window w = { .bytes = PH_BUF_INIT };
    ph_changeset_row row;
    ph_replica_row rep;
    ph_frame f;
    bool ok = ph_log_read(s->r->log, position, &w, &f, NULL) >= 0 && f.type == PH_FRAME_SIGNATURE &&
              f.bytes.len == 96;
    if (ok)
        memcpy(out, f.bytes.data, 96);
    ph_log_window_clear(&w);
    return ok && ph_changesets_get(s->txn, version, &row, NULL) == PROPHET_OK &&
           memcmp(out, row.id.b, 32) == 0 &&
           ph_replicas_get(s->txn, row.ridx, &s->arena, &rep, NULL) == PROPHET_OK &&
           ph_signature_check(&rep.key, &row.id, out + 32, NULL) == PROPHET_OK;
}

static prophet_code sign_again(ph_session *s, const uint8_t frame[96], prophet_error *err)
{
    ph_id id;
    memcpy(id.b, frame, sizeof id.b);
    size_t at = ph_log_payload_add(&s->payload, PH_FRAME_SIGNATURE, ph_slice(frame, 96));
    s->payload_frames++;
    return ph_apply_signature(s, &id, at, 0, err);
}

/* Signatures that lay there: appended again, or without a row, that would point at what cannot be read. */
static prophet_code move_signatures(survey *v, const range *at, prophet_error *err)
{
    ph_session *s = v->s;
    for (uint64_t version = 1; version <= s->state.version; version++) {
        uint64_t position;
        uint8_t frame[96];
        prophet_code rc = ph_signatures_get(s->txn, version, &position, err);
        if (rc == PROPHET_OK && position >= at->from && position < at->to) {
            rc = ph_signatures_del(s->txn, version, err);
            if (rc >= 0 && still_proves(s, version, position, frame))
                rc = sign_again(s, frame, err);
        }
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

/* Rows that no readable frame made: appended again. Rows with a zero in front are made from other frames. */
static prophet_code again(survey *v, unsigned table, char name, prophet_error *err)
{
    ph_session *s = v->s;
    prophet_slice key, value;
    ph_cursor *cur;
    PH_LIST(prophet_slice) rows = { 0 };
    uint8_t wanted[512];
    bool ok = true;
    prophet_code rc = ph_cursor_open(s->txn, table, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_first(cur, &key, &value, err);
    for (; rc == PROPHET_OK && ok; rc = ph_cursor_next(cur, &key, &value, err)) {
        if (key.len + 1 > sizeof wanted || *(const uint8_t *)key.data == 0)
            continue;
        wanted[0] = (uint8_t)name;
        memcpy(wanted + 1, key.data, key.len);
        if (!ph_map_get(&v->seen, ph_slice(wanted, key.len + 1)))
            ok = PH_PUSH(rows, ph_arena_copy(&s->arena, key, &ok)) &&
                 PH_PUSH(rows, ph_arena_copy(&s->arena, value, &ok)) && ok;
    }
    ph_cursor_close(cur);
    if (rc >= 0 && !ok)
        rc = ph_nomem(err);
    for (size_t i = 0; i + 1 < rows.count && rc >= 0; i += 2)
        rc = table == PH_T_ASKED ? ph_local_asked_again(s, rows.at[i], rows.at[i + 1], err)
                                 : ph_local_value(s, rows.at[i], rows.at[i + 1], err);
    ph_free(rows.at);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code note_all(survey *v, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < v->found.count && rc >= 0; i++)
        if ((rc = note_range(v, &v->found.at[i], err)) >= 0)
            rc = move_signatures(v, &v->found.at[i], err);
    v->s->state.forgot = 0;
    if (rc >= 0 && (rc = again(v, PH_T_LOCAL, 'l', err)) >= 0)
        rc = again(v, PH_T_ASKED, 'a', err);
    return rc;
}

/* ---- what can be read after all ------------------------------------------------------------------------------------ */

static prophet_code reread_one(ph_session *s, uint64_t version, prophet_error *err)
{
    ph_view view = { .replica = s->r, .txn = s->txn, .state = s->state, .names = s->r->names };
    ph_changeset_row row;
    ph_changeset cs;
    prophet_code rc = ph_changesets_get(s->txn, version, &row, err);
    if (rc < 0 || !(row.flags & PH_CS_LOST) || (row.flags & PH_CS_GAP))
        return rc;
    rc = ph_view_changeset_lost(&view, version, &row, &s->arena, &cs, err);
    return rc == PROPHET_OK ? ph_mend_append(s, version, &cs, err) : rc;
}

/* From this version on, one transaction. *from 0: that was all. */
static prophet_code reread_some(ph_replica *r, uint64_t *from, prophet_error *err)
{
    ph_session *s;
    ph_position upto;
    uint64_t version = *from;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    for (; version <= s->state.version && s->state.lost && rc >= 0 &&
           s->payload.len < PH_BATCH_BYTES && s->payload_frames < PH_BATCH_COUNT;
         version++)
        rc = reread_one(s, version, err);
    *from = s->state.lost && version <= s->state.version ? version : 0;
    if (rc < 0 || s->payload_frames == 0) {
        ph_session_abort(s);
        return rc < 0 ? rc : PROPHET_OK;
    }
    return (rc = ph_session_commit(s, &upto, err)) < 0 ? rc : ph_log_flush(r->log, upto, err);
}

static prophet_code reread(ph_replica *r, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (uint64_t from = 1; from && rc >= 0;)
        rc = reread_some(r, &from, err);
    return rc;
}

prophet_code ph_damage_survey(ph_replica *r, prophet_error *err)
{
    survey v = { .seen = PH_MAP_INIT };
    ph_position upto = 0;
    prophet_code rc = ph_session_begin(r, &v.s, err);
    if (rc < 0)
        return rc;
    if ((rc = walk(&v, err)) >= 0)
        drop_noted(&v);
    if (rc >= 0 && v.found.count)
        rc = note_all(&v, err);
    bool lost = v.found.count || v.s->state.lost; /* also where an earlier survey was killed */
    if (rc < 0 || (v.found.count == 0 && !v.dropped))
        ph_session_abort(v.s);
    else if ((rc = ph_session_commit(v.s, &upto, err)) >= 0)
        rc = ph_log_flush(r->log, upto, err);
    if (rc >= 0 && lost)
        rc = reread(r, err);
    r->suspect = r->suspect && rc < 0;
    ph_map_clear(&v.seen);
    ph_free(v.found.at);
    ph_free(v.noted.at);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_damage_look(ph_replica *r, prophet_error *err)
{
    return r->suspect && !r->options.readonly ? ph_damage_survey(r, err) : PROPHET_OK;
}
