/* Mending: what damage took from the log is appended again, inside local frames, so that it keeps its version and the rest of
 * the log its meaning.
 *
 *   CBOR map {1: kind, ...}
 *   kind 4, damage:     2 from, 3 to (positions), 4 bytes: what was there and is lost, 96 bytes each:
 *                       version 8 (the top bit: it lay there in a frame of kind 5), seq 8, lamport 8, time 8 (milliseconds), id 32, replica 32;  5 true: there was more;
 *                       6 the first 8 bytes of the SHA-256 of 4: a batch behind damage may not be proven by its own checksum
 *   kind 5, changeset:  2 version, 3 bytes: its frame, with its whole header
 *
 * Nothing but rows of `changesets` changes: what was lost had been applied. When all of it is back, the index is made anew at the next
 * open that is alone, so that it is what the log now says. Called by damage.c, intake.c and the replay. */
#include "replica/replica_impl.h"

enum { ENTRY = 96, SUM = 8 };
#define AGAIN ((uint64_t)1 << 63)

static prophet_code sum_of(ph_session *s, prophet_slice entries, uint8_t out[32],
                           prophet_error *err)
{
    return ph_hash_sha256(s->r->hasher, &entries, 1, out, err);
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

prophet_code ph_mend_note(ph_session *s, ph_position from, ph_position to, const ph_mend *lost,
                          size_t count, bool more, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT, entries = PH_BUF_INIT;
    for (size_t i = 0; i < count; i++) {
        ph_buf_u64be(&entries, lost[i].version | (lost[i].again ? AGAIN : 0));
        ph_buf_u64be(&entries, lost[i].seq);
        ph_buf_u64be(&entries, lost[i].lamport);
        ph_buf_u64be(&entries, (uint64_t)lost[i].time);
        ph_buf_put(&entries, lost[i].id.b, 32);
        ph_buf_put(&entries, lost[i].replica.b, 32);
    }
    uint8_t sum[32] = { 0 };
    prophet_code rc = sum_of(s, ph_buf_slice(&entries), sum, err);
    ph_put_map(&b, more ? 6 : 5);
    ph_put_uint(&b, 1), ph_put_uint(&b, PH_LOCAL_DAMAGE);
    ph_put_uint(&b, 2), ph_put_uint(&b, from);
    ph_put_uint(&b, 3), ph_put_uint(&b, to);
    ph_put_uint(&b, 4), ph_put_bytes(&b, ph_buf_slice(&entries));
    if (more)
        ph_put_uint(&b, 5), ph_put_bool(&b, true);
    ph_put_uint(&b, 6), ph_put_bytes(&b, ph_slice(sum, SUM));
    b.failed = b.failed || entries.failed;
    ph_buf_clear(&entries);
    if (rc >= 0)
        return ph_local_add(s, &b, err);
    ph_buf_clear(&b);
    return rc;
}

prophet_code ph_mend_append(ph_session *s, uint64_t version, const ph_changeset *cs,
                            prophet_error *err)
{
    ph_buf b = PH_BUF_INIT, frame = PH_BUF_INIT;
    ph_frame_context none = { .has_last = false };
    ph_frame_encode(cs, &none, &frame);
    s->stream.has_last = false; /* a replay may place it here: nothing is left out across it */
    ph_put_map(&b, 3);
    ph_put_uint(&b, 1), ph_put_uint(&b, PH_LOCAL_CHANGESET);
    ph_put_uint(&b, 2), ph_put_uint(&b, version);
    ph_put_uint(&b, 3), ph_put_bytes(&b, ph_buf_slice(&frame));
    b.failed = b.failed || frame.failed;
    ph_buf_clear(&frame);
    return ph_local_add(s, &b, err);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

bool ph_mend_open(prophet_slice frame, uint64_t *version, prophet_slice *changeset)
{
    ph_item m[8];
    if (!ph_local_open(frame, m) || m[1].kind != PH_INT || m[1].i != PH_LOCAL_CHANGESET ||
        m[2].kind != PH_INT || m[2].i < 1 || m[3].kind != PH_BYTES)
        return false;
    *version = (uint64_t)m[2].i;
    *changeset = m[3].s;
    return true;
}

prophet_code ph_mend_changeset(ph_session *s, prophet_slice frame, size_t payload_offset,
                               ph_position position, prophet_error *err)
{
    ph_mend m = { .position = position, .payload_offset = payload_offset };
    ph_frame_context none = { .has_last = false };
    ph_arena a = PH_ARENA_INIT;
    prophet_slice changeset;
    ph_changeset cs;
    if (!ph_mend_open(frame, &m.version, &changeset))
        return ph_fail(err, PROPHET_ECORRUPT, "a local frame of kind 5 is malformed");
    prophet_code rc = ph_frame_decode(changeset, ph_log_database(s->r->log), true, s->r->hasher,
                                      &s->r->scratch, &none, &a, &cs, err);
    if (rc >= 0)
        m.id = cs.id;
    ph_arena_clear(&a);
    if (rc < 0)
        return rc;
    m.size = (uint32_t)changeset.len;
    s->mended = true;
    return PH_PUSH(s->mends, m) ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_mend_damage(ph_session *s, prophet_slice frame, prophet_error *err)
{
    ph_item m[8];
    uint8_t sum[32];
    if (!ph_local_open(frame, m) || m[2].kind != PH_INT || m[3].kind != PH_INT ||
        m[4].kind != PH_BYTES || m[4].s.len % ENTRY || m[2].i < 0 || m[3].i < m[2].i ||
        m[6].s.len != SUM || sum_of(s, m[4].s, sum, err) < 0 || memcmp(sum, m[6].s.data, SUM) != 0)
        return ph_fail(err, PROPHET_ECORRUPT, "a local frame of kind 4 is malformed");
    s->state.holes++;
    s->mended = true;
    const ph_hole hole = { (ph_position)m[2].i, (ph_position)m[3].i, m[5].raw.len > 0 };
    prophet_code rc = s->txn ? ph_damage_keep(s->txn, &hole, err)
                             : PROPHET_OK; /* a replay that only looks ahead */
    if (rc < 0)
        return rc;
    const uint8_t *p = m[4].s.data;
    for (size_t n = m[4].s.len / ENTRY; n > 0; n--, p += ENTRY) {
        ph_mend e = { .version = ph_u64be(p) & ~AGAIN,
                      .again = ph_u64be(p) & AGAIN,
                      .seq = ph_u64be(p + 8),
                      .lamport = ph_u64be(p + 16),
                      .time = (int64_t)ph_u64be(p + 24),
                      .from = (ph_position)m[2].i,
                      .to = (ph_position)m[3].i,
                      .told = true };
        memcpy(e.id.b, p + 32, 32);
        memcpy(e.replica.b, p + 64, 32);
        if (!PH_PUSH(s->mends, e))
            return ph_nomem(err);
    }
    return PROPHET_OK;
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static prophet_code store_one(ph_session *s, const ph_mend *m, ph_position batch,
                              prophet_error *err)
{
    ph_changeset_row row;
    uint64_t version; /* is another one where the index was lost as well */
    bool was_lost;
    prophet_code rc = ph_ids_find(s->r->ids, s->txn, &m->id, &version, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = ph_changesets_get(s->txn, version, &row, err)) < 0)
        return rc;
    was_lost = row.flags & PH_CS_LOST;
    if (m->from) {
        if (was_lost || row.position < m->from || row.position >= m->to)
            return PROPHET_OK;
        row.flags |= PH_CS_LOST;
        s->state.lost++;
    } else {
        row.position = m->position ? m->position : ph_log_frame_position(batch, m->payload_offset);
        row.size = m->size;
        row.flags = (uint8_t)((row.flags & ~PH_CS_LOST) | PH_CS_AGAIN);
        s->state.lost -= was_lost;
    }
    return ph_changesets_put(s->txn, version, &row, err);
}

prophet_code ph_mend_store(ph_session *s, ph_position batch, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < s->mends.count && rc >= 0; i++)
        rc = store_one(s, &s->mends.at[i], batch, err);
    if (s->mended && !s->rebuilding && s->state.lost == 0)
        s->state.stale = 1;
    return rc;
}
