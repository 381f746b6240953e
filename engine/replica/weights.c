/* What a voter weighs. Keys of one succession line are one voter: a copy of a directory has one voice with its original.
 * The line's weight is the one set last, by (lamport, id), on a living `_voter` record of any of its keys; 1 if there is none. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"

typedef struct voter_line {
    ph_id root;
    uint64_t weight;
    ph_stamp set_by;
    bool has_weight;
} voter_line;

static prophet_code step(ph_txn *t, ph_replica_row *row, ph_arena *a, prophet_error *err)
{
    return row->succeeds ? ph_replicas_get(t, row->succeeds, a, row, err) : PROPHET_OK;
}

/* The least key of a circle (keys that name each other). */
static prophet_code least_of_circle(ph_txn *t, ph_replica_row row, ph_arena *a, ph_id *root,
                                    prophet_error *err)
{
    uint32_t first = row.ridx;
    prophet_code rc;
    *root = row.key;
    while ((rc = step(t, &row, a, err)) >= 0 && row.ridx != first)
        if (ph_id_cmp(&row.key, root) < 0)
            *root = row.key;
    return rc;
}

/* The first key of the line. Two walkers, one twice as fast: they meet only in a circle (Floyd). */
static prophet_code line_root(ph_txn *t, uint32_t ridx, ph_arena *a, ph_id *root,
                              prophet_error *err)
{
    ph_replica_row slow, fast;
    prophet_code rc = ph_replicas_get(t, ridx, a, &slow, err);
    if (rc < 0)
        return rc;
    fast = slow;
#ifdef PH_PLANT_copies_vote_twice
    fast.succeeds = 0;
#endif
    for (unsigned steps = 1; fast.succeeds; steps++) {
        if ((rc = step(t, &fast, a, err)) < 0 ||
            (steps % 2 == 0 && (rc = step(t, &slow, a, err)) < 0))
            return rc;
        if (fast.succeeds && fast.ridx == slow.ridx)
            return least_of_circle(t, slow, a, root, err);
    }
    *root = fast.key;
    return PROPHET_OK;
}

static prophet_code find_line(struct ph_schemas *c, const ph_id *root, voter_line **out,
                              prophet_error *err)
{
    voter_line *line = ph_map_get(&c->lines, ph_slice(root->b, sizeof root->b));
    if (!line) {
        if (!(line = ph_arena_zalloc(&c->arena, sizeof *line)))
            return ph_nomem(err);
        line->root = *root;
        line->weight = 1;
        if (!ph_map_put(&c->lines, ph_slice(line->root.b, sizeof line->root.b), line))
            return ph_nomem(err);
    }
    *out = line;
    return PROPHET_OK;
}

static prophet_code take_voter(ph_replica *r, ph_txn *t, struct ph_schemas *c, ph_record *rec,
                               prophet_error *err)
{
    ph_cell *key_cell = ph_record_cell(rec, ph_names_find(r->names, ph_slice_str("replica")));
    ph_cell *weight = ph_record_cell(rec, ph_names_find(r->names, ph_slice_str("weight")));
    ph_item key, w;
    ph_id id, root;
    ph_changeset_row row;
    uint32_t ridx;
    voter_line *line;
    prophet_code rc;
    if (!rec->alive || !key_cell || !weight || key_cell == &rec->life || weight == &rec->life)
        return PROPHET_OK;
    if ((rc = ph_cell_load(t, rec, key_cell, &c->arena, err)) < 0 || /* many heads lie in rows */
        (rc = ph_cell_load(t, rec, weight, &c->arena, err)) < 0)
        return rc;
    if (!ph_value_open(key_cell->shown, &key) || key.kind != PH_TEXT ||
        !ph_unhex(key.s.data, key.s.len, &id, 32) || !ph_value_open(weight->shown, &w) ||
        w.kind != PH_INT)
        return PROPHET_OK;
    if ((rc = ph_replicas_find(t, &id, &ridx, err)) < 0)
        return rc;
    root = id; /* of a replica not heard of yet: the first of its line until it says otherwise */
    if ((rc == PROPHET_OK && (rc = line_root(t, ridx, &c->arena, &root, err)) < 0) ||
        (rc = find_line(c, &root, &line, err)) < 0)
        return rc;
    ph_stamp newest = { 0, { { 0 } } };
    for (uint32_t i = 0; i < weight->head_count; i++) {
        uint64_t version = weight->heads[i].version;
        if (r->session && r->session->txn == t && version == r->session->state.version + 1) {
            row =
                (ph_changeset_row){ .lamport = r->session->state.lamport + 1 }; /* in the making */
            rc = PROPHET_OK;
        } else
            rc = r->session && r->session->txn == t
                     ? ph_session_changeset_row(r->session, version, &row, err)
                     : ph_changesets_get(t, version, &row, err);
        if (rc < 0)
            return rc;
        ph_stamp s = { row.lamport, row.id };
        if (ph_stamp_cmp(&s, &newest) > 0)
            newest = s;
    }
    if (line->has_weight && ph_stamp_cmp(&newest, &line->set_by) <= 0)
        return PROPHET_OK;
    line->has_weight = true;
    line->set_by = newest;
    line->weight = w.i < 0 ? 0 : w.i > (1 << 20) ? 1u << 20 : (uint64_t)w.i;
    return PROPHET_OK;
}

static prophet_code load_weights(ph_replica *r, ph_txn *t, struct ph_schemas *c, prophet_error *err)
{
    uint32_t type = ph_names_find(r->names, ph_slice_str("_voter"));
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc;
    if (!type)
        return PROPHET_OK;
    ph_u32be_put(prefix, type);
    if ((rc = ph_cursor_open(t, PH_T_RECORDS, &cur, err)) < 0)
        return rc;
    c->weights_loaded = true;
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    while (rc == PROPHET_OK && k.len == 20 && memcmp(k.data, prefix, 4) == 0) {
        ph_record rec;
        if ((rc = ph_record_decode(k, v, false, &c->arena, &rec, err)) < 0 ||
            (rc = take_voter(r, t, c, &rec, err)) < 0)
            break;
        rc = ph_cursor_next(cur, &k, &v, err);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Of a past version these records are made before all others: nothing is to be asked for. */
static prophet_code weights_ready(ph_replica *r, ph_txn *t, prophet_error *err)
{
    if (r->schemas->weights_loaded)
        return PROPHET_OK;
    if (!ph_txn_is_overlay(t))
        return load_weights(r, t, r->schemas, err);
    ph_overlay_write_begin(t);
    prophet_code rc = load_weights(r, t, r->schemas, err);
    ph_overlay_write_end(t);
    return rc;
}

prophet_code ph_schemas_weight(ph_replica *r, ph_txn *t, uint64_t stamp, uint32_t ridx,
                               ph_id *voter, uint64_t *weight, prophet_error *err)
{
    voter_line *line;
    prophet_code rc;
    if ((rc = ph_schemas_ready(r, stamp, err)) < 0 || (rc = weights_ready(r, t, err)) < 0 ||
        (rc = line_root(t, ridx, &r->schemas->arena, voter, err)) < 0 ||
        (rc = find_line(r->schemas, voter, &line, err)) < 0)
        return rc;
    *weight = line->weight;
    return PROPHET_OK;
}
