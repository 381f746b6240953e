/* What this replica itself appends to its log: changesets at the end of its own chain, and signatures over them. */
#include "replica/replica_impl.h"
#include <stdlib.h>

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(ph_id));
}

static prophet_code own_tip(ph_session *s, ph_header *h, uint64_t *prev, prophet_error *err)
{
    ph_replica_row stored = { .tip_count = 0 }, *own;
    ph_changeset_row row;
    uint32_t ridx;
    prophet_code rc = PROPHET_OK;
    *prev = 0;
    h->seq = 1;
    /* only looked up: it gets a row with its first changeset, not for asking what the next would be */
    if (!(own = ph_map_get(&s->replica_keys, ph_slice(s->r->key.b, sizeof s->r->key.b)))) {
        own = &stored;
        rc = ph_replicas_find(s->txn, &s->r->key, &ridx, err);
        if (rc == PROPHET_OK)
            rc = ph_replicas_get(s->txn, ridx, &s->arena, own, err);
    }
    if (rc < 0 || own->tip_count == 0)
        return rc < 0 ? rc : PROPHET_OK;
    const ph_tip *tip = &own->tips[0];
    for (uint32_t i = 1; i < own->tip_count; i++)
        if (own->tips[i].version > tip->version)
            tip = &own->tips[i];
    if ((rc = ph_session_changeset_row(s, tip->version, &row, err)) < 0)
        return rc;
    h->seq = tip->seq + 1;
    h->has_prev = true;
    h->prev = row.id;
    *prev = tip->version;
    return PROPHET_OK;
}

prophet_code ph_author_header(ph_session *s, ph_header *h, prophet_error *err)
{
    uint64_t prev;
    prophet_code rc;
    *h = (ph_header){ .format = PH_FORMAT,
                      .database = *ph_log_database(s->r->log),
                      .replica = s->r->key };
    if ((rc = own_tip(s, h, &prev, err)) < 0)
        return rc;
    ph_id *parents = ph_arena_alloc(&s->arena, (s->state.frontier_count + 1u) * sizeof *parents);
    if (!parents)
        return ph_nomem(err);
    for (uint32_t i = 0; i < s->state.frontier_count; i++) {
        ph_changeset_row row;
        if (s->state.frontier[i] == prev)
            continue;
        if ((rc = ph_session_changeset_row(s, s->state.frontier[i], &row, err)) < 0)
            return rc;
        parents[h->parent_count++] = row.id;
    }
    qsort(parents, h->parent_count, sizeof *parents, by_bytes);
    h->parents = parents;
    return PROPHET_OK;
}

prophet_code ph_author_sign(ph_session *s, const ph_keypair *keys, const ph_id *id,
                            prophet_error *err)
{
    uint8_t frame[96];
    prophet_code rc;
    memcpy(frame, id->b, 32);
    if ((rc = ph_signature_make(keys, id, frame + 32, err)) < 0)
        return rc;
    size_t at = ph_log_payload_add(&s->payload, PH_FRAME_SIGNATURE, ph_slice(frame, sizeof frame));
    s->payload_frames++;
    return ph_apply_signature(s, id, at, 0, err);
}

/* Long runs are signed as they grow, so that a reader never waits for more than this. */
static prophet_code sign_run(ph_session *s, const ph_changeset *cs, size_t bytes,
                             prophet_error *err)
{
    ph_replica_row *own;
    ph_replica *r = s->r;
    prophet_code rc = ph_session_replica(s, &r->key, &own, err);
    r->unsigned_bytes += bytes;
    if (rc < 0 ||
        (cs->header.seq - own->signed_seq < PH_SIGN_COUNT && r->unsigned_bytes < PH_SIGN_BYTES))
        return rc;
    r->unsigned_bytes = 0;
    return ph_author_sign(s, r->keys, &cs->id, err);
}

prophet_code ph_author_append(ph_session *s, ph_changeset *cs, const uint64_t *names,
                              bool apply_body, prophet_error *err)
{
    ph_replica *r = s->r;
    size_t at, size;
    prophet_code rc;
    cs->has_body = true;
    if ((rc = ph_changeset_seal(r->hasher, cs, &r->scratch, err)) < 0 ||
        (rc = ph_session_add_frame(s, cs, &at, &size, err)) < 0)
        return rc;
    /* with the body applied already, only its place in the DAG is new */
    ph_changeset *placed = ph_arena_alloc(&s->arena, sizeof *placed);
    if (!placed)
        return ph_nomem(err);
    *placed = *cs;
    if ((rc = ph_apply_placed(s, placed, names, at, apply_body, err)) < 0)
        return rc;
    s->changesets.at[s->changesets.count - 1].row.size = (uint32_t)size;
    return sign_run(s, cs, size, err);
}
