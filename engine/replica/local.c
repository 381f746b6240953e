/* Local frames: what this replica remembers and never serves, kept in the same log so that it advances atomically with it.
 *
 *   CBOR map {1: kind, ...}
 *   kind 1, asked:  2 type text, 3 record bytes16, 4 field text ("" = life), 5 question bytes32, 6 resolver bytes32, 7 what text
 *   kind 2, value:  2 name text, 3 value (any canonical value; absent: removed)
 *   kind 3, came:   2 time, 3 count: so many changesets before this frame came from elsewhere, then
 *   kinds 4 and 5:  damage and what mends it: mend.c
 *
 * Rows of table local: the name of kind 2 -> its value;  00 "came" last version u64 -> value bytes of kind 3: count, time (two integers) */
#include "replica/replica_impl.h"

prophet_code ph_local_add(ph_session *s, ph_buf *frame, prophet_error *err)
{
    prophet_code rc = frame->failed ? ph_nomem(err) : PROPHET_OK;
    if (rc >= 0) {
        size_t at = ph_log_payload_add(&s->payload, PH_FRAME_LOCAL, ph_buf_slice(frame));
        s->payload_frames++;
        rc = ph_apply_local(s, ph_buf_slice(frame), at, 0, err);
    }
    ph_buf_clear(frame);
    return rc;
}

prophet_code ph_local_asked(ph_session *s, const ph_cell_key *cell, const uint8_t question[32],
                            const uint8_t resolver[32], prophet_slice what, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    prophet_slice field =
        cell->field == PH_LIFE ? ph_slice(NULL, 0) : ph_names_get(s->r->names, cell->field);
    ph_put_map(&b, 7);
    ph_put_uint(&b, 1), ph_put_uint(&b, PH_LOCAL_ASKED);
    ph_put_uint(&b, 2), ph_put_text(&b, ph_names_get(s->r->names, cell->type));
    ph_put_uint(&b, 3), ph_put_bytes(&b, ph_slice(cell->uuid.b, 16));
    ph_put_uint(&b, 4), ph_put_text(&b, field);
    ph_put_uint(&b, 5), ph_put_bytes(&b, ph_slice(question, 32));
    ph_put_uint(&b, 6), ph_put_bytes(&b, ph_slice(resolver, 32));
    ph_put_uint(&b, 7), ph_put_text(&b, what);
    return ph_local_add(s, &b, err);
}

prophet_code ph_local_asked_again(ph_session *s, prophet_slice key, prophet_slice what,
                                  prophet_error *err)
{
    ph_cell_key cell;
    const uint8_t *p = key.data;
    if (key.len != 24 + 32 + 32 || !ph_cell_key_read(ph_slice(p, 24), &cell))
        return ph_fail(err, PROPHET_ECORRUPT, "an index row is damaged: run prophet rebuild");
    return ph_local_asked(s, &cell, p + 24, p + 56, what, err);
}

prophet_code ph_local_value(ph_session *s, prophet_slice name, prophet_slice value,
                            prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_map(&b, value.len ? 3 : 2);
    ph_put_uint(&b, 1), ph_put_uint(&b, PH_LOCAL_VALUE);
    ph_put_uint(&b, 2), ph_put_text(&b, name);
    if (value.len) {
        ph_put_uint(&b, 3);
        ph_buf_put(&b, value.data, value.len);
    }
    return ph_local_add(s, &b, err);
}

prophet_code ph_local_came(ph_session *s, int64_t time, uint64_t count, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_map(&b, 3);
    ph_put_uint(&b, 1), ph_put_uint(&b, PH_LOCAL_CAME);
    ph_put_uint(&b, 2), ph_put_int(&b, time);
    ph_put_uint(&b, 3), ph_put_uint(&b, count);
    return ph_local_add(s, &b, err);
}

/* ---- when changesets came ------------------------------------------------------------------------------------ */

#define CAME_KEY 13 /* no name begins with a zero byte */
static const uint8_t came_prefix[5] = { 0, 'c', 'a', 'm', 'e' };

static prophet_code came(ph_session *s, const ph_item m[8], prophet_error *err)
{
    uint8_t key[CAME_KEY];
    ph_buf row = PH_BUF_INIT;
    if (m[3].kind == PH_INT && (uint64_t)m[3].i > s->state.version &&
        (s->state.holes || s->state.forgot)) /* some of them are lost: nobody knows which */
        return PROPHET_OK;
    if (m[2].kind != PH_INT || m[3].kind != PH_INT || m[3].i < 1 ||
        (uint64_t)m[3].i > s->state.version)
        return ph_fail(err, PROPHET_ECORRUPT, "a local frame of kind 3 is malformed");
    memcpy(key, came_prefix, sizeof came_prefix);
    ph_u64be_put(key + sizeof came_prefix, s->state.version);
    ph_put_int(&row, m[3].i);
    ph_put_int(&row, m[2].i);
    prophet_code rc = row.failed ? ph_nomem(err)
                                 : ph_txn_put(s->txn, PH_T_LOCAL, ph_slice(key, sizeof key),
                                              ph_buf_slice(&row), err);
    ph_buf_clear(&row);
    return rc;
}

static prophet_code came_row(ph_view *v, uint64_t version, uint64_t *last, int64_t *count,
                             int64_t *time, prophet_error *err)
{
    uint8_t from[CAME_KEY];
    ph_cursor *cur;
    prophet_slice k, row;
    ph_item a, b;
    memcpy(from, came_prefix, sizeof came_prefix);
    ph_u64be_put(from + sizeof came_prefix, version);
    prophet_code rc = ph_cursor_open(v->txn, PH_T_LOCAL, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(from, sizeof from), &k, &row, err);
    if (rc == PROPHET_OK &&
        (k.len != CAME_KEY || memcmp(k.data, came_prefix, sizeof came_prefix) != 0))
        rc = PROPHET_DONE;
    ph_reader in = ph_reader_of(rc == PROPHET_OK ? row : ph_slice(NULL, 0));
    if (rc == PROPHET_OK && ph_read_item(&in, &a) && ph_read_item(&in, &b)) {
        *last = ph_u64be((const uint8_t *)k.data + sizeof came_prefix);
        *count = a.i;
        *time = b.i;
    }
    ph_cursor_close(cur);
    return rc;
}

prophet_code ph_arrived(ph_view *v, uint64_t version, ph_arrival *out, prophet_error *err)
{
    ph_changeset_row row;
    uint64_t last = 0;
    int64_t count = 0;
    prophet_code rc = came_row(v, version, &last, &count, &out->time, err);
    out->pulled = rc == PROPHET_OK && last >= version && last - version < (uint64_t)count;
    if (rc < 0 || out->pulled)
        return rc;
    if ((rc = ph_changesets_get(v->txn, version, &row, err)) >= 0)
        out->time = row.time; /* written here */
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

bool ph_local_open(prophet_slice frame, ph_item members[8])
{
    ph_item key;
    ph_reader r = ph_reader_of(frame);
    if (r.p >= r.end || (*r.p & 0xe0) != 0xa0)
        return false;
    size_t n = *r.p++ & 0x1f; /* at most 7 members: the head is one byte */
    memset(members, 0, 8 * sizeof *members);
    for (size_t i = 0; i < n; i++) {
        ph_item item;
        if (!ph_read_item(&r, &key) || key.kind != PH_INT || key.i < 1 || key.i > 7 ||
            !ph_read_item(&r, &item))
            return false;
        members[key.i] = item;
    }
    return r.p == r.end;
}

static prophet_code asked(ph_session *s, const ph_item m[8], prophet_error *err)
{
    ph_cell_key key = { .field = PH_LIFE };
    prophet_code rc;
    if (m[2].kind != PH_TEXT || m[3].s.len != 16 || m[5].s.len != 32 || m[6].s.len != 32)
        return ph_fail(err, PROPHET_ECORRUPT, "a local frame of kind 1 is malformed");
    if ((rc = ph_names_intern(s->r->names, s->txn, &s->state, m[2].s, &key.type, err)) < 0 ||
        (m[4].s.len &&
         (rc = ph_names_intern(s->r->names, s->txn, &s->state, m[4].s, &key.field, err)) < 0))
        return rc;
    memcpy(key.uuid.b, m[3].s.data, 16);
#ifdef PH_PLANT_rebuild_forgets_asked
    if (s->replaying)
        return PROPHET_OK;
#endif
    if ((rc = ph_asked_put(s->txn, &key, m[5].s.data, m[6].s.data, m[7].s, err)) < 0)
        return rc;
    return ph_settle_later(s, &key, err);
}

prophet_code ph_apply_local(ph_session *s, prophet_slice frame, size_t payload_offset,
                            ph_position position, prophet_error *err)
{
    ph_item m[8];
    prophet_code rc;
    if (!ph_local_open(frame, m) || m[1].kind != PH_INT)
        return ph_fail(err, PROPHET_ECORRUPT, "a local frame is malformed");
    if (m[1].i == PH_LOCAL_ASKED)
        return asked(s, m, err);
    if (m[1].i == PH_LOCAL_CAME)
        return came(s, m, err);
    if (m[1].i == PH_LOCAL_DAMAGE)
        return ph_mend_damage(s, frame, err);
    if (m[1].i == PH_LOCAL_CHANGESET)
        return ph_mend_changeset(s, frame, payload_offset, position, err);
    if (m[1].i != PH_LOCAL_VALUE || m[2].kind != PH_TEXT || m[2].s.len == 0 || m[2].s.len > 500)
        return PROPHET_OK; /* a later version's: nothing here depends on it */
    if (ph_slice_eq(m[2].s, ph_slice_str(ph_resolvers_asked)))
        s->others_asked = true;
    if (m[3].raw.len)
        return ph_txn_put(s->txn, PH_T_LOCAL, m[2].s, m[3].raw, err);
    rc = ph_txn_del(s->txn, PH_T_LOCAL, m[2].s, err);
    return rc < 0 ? rc : PROPHET_OK;
}
