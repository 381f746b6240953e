/* Opening the past: the point is found, and what settles conflicts is made as it was then, before anything is read. Records are made in past.c. */
#include "replica/past_impl.h"

/* ---- rules, weights, lines ------------------------------------------------------------------------------------- */

static prophet_code reserved_of(struct ph_past *p, const char *type, prophet_slice *keys,
                                ph_buf *out, prophet_error *err)
{
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, v;
    uint32_t id = ph_names_find(p->r->names, ph_slice_str(type));
    if (!id)
        return PROPHET_OK;
    prophet_code rc = ph_cursor_open(p->r->reader, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, id);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    for (; rc == PROPHET_OK && memcmp(k.data, prefix, 4) == 0;
         rc = ph_cursor_next(cur, &k, &v, err)) {
        ph_row row;
        bool yes = false;
        if (!ph_row_open(k, v, &row))
            rc = ph_fail(err, PROPHET_ECORRUPT, "an index row is damaged: run prophet rebuild");
        else if ((rc = ph_past_touched(p, row.number, &yes, err)) >= 0 && yes)
            ph_buf_put(out, k.data, sizeof(past_key));
        if (rc < 0)
            break;
    }
    ph_cursor_close(cur);
    *keys = ph_buf_slice(out);
    return rc < 0 ? rc : out->failed ? ph_nomem(err) : PROPHET_OK;
}

/* Whom a replica said to succeed, by those of its first changesets that are shown: the least key, as when they were applied. */
static prophet_code line_then(struct ph_past *p, ph_view *all, ph_replica_row *rep, bool *changed,
                              prophet_error *err)
{
    uint64_t firsts[64];
    size_t n;
    ph_id best = { { 0 } };
    uint32_t then = 0;
    prophet_code rc = ph_chains_at(all->txn, rep->ridx, 1, firsts, 64, &n, err);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        ph_changeset cs;
        ph_changeset_row row;
        uint32_t ridx;
        if (!ph_past_in_set(p, firsts[i]))
            continue;
        if ((rc = ph_view_changeset(all, firsts[i], &p->arena, &cs, &row, err)) < 0)
            break;
        if (!cs.header.has_succeeds || (then && ph_id_cmp(&best, &cs.header.succeeds) <= 0))
            continue;
        if ((rc = ph_replicas_find(all->txn, &cs.header.succeeds, &ridx, err)) == PROPHET_OK) {
            best = cs.header.succeeds;
            then = ridx;
        }
    }
    if (rc < 0 || then == rep->succeeds)
        return rc < 0 ? rc : PROPHET_OK;
    rep->succeeds = then;
    *changed = true;
    return ph_replicas_put(all->txn, rep, false, err);
}

static prophet_code lines_then(struct ph_past *p, bool *changed, prophet_error *err)
{
    ph_view all = { .replica = p->r, .txn = p->r->reader, .state = p->state, .names = p->r->names };
    prophet_code rc = PROPHET_OK;
    all.state.version = p->live;
    p->making = true;
    for (uint32_t ridx = 1; ridx <= p->state.replicas && rc >= 0; ridx++) {
        ph_replica_row rep;
        if ((rc = ph_replicas_get(all.txn, ridx, &p->arena, &rep, err)) == PROPHET_OK &&
            rep.succeeds)
            rc = line_then(p, &all, &rep, changed, err);
    }
    p->making = false;
    return rc < 0 ? rc : PROPHET_OK;
}

/* What settles conflicts, before anything is read. */
static prophet_code make_rules(struct ph_past *p, prophet_error *err)
{
    ph_buf types = PH_BUF_INIT, voters = PH_BUF_INIT;
    prophet_slice t = { NULL, 0 }, w = { NULL, 0 };
    bool lines = false;
    prophet_code rc;
    ph_overlay_write_begin(p->r->reader);
    if ((rc = reserved_of(p, "_type", &t, &types, err)) >= 0 &&
        (rc = reserved_of(p, "_voter", &w, &voters, err)) >= 0 &&
        (rc = lines_then(p, &lines, err)) >= 0 && (t.len || w.len || lines)) {
        ph_buf_put(&types, w.data, w.len);
        rc = types.failed ? ph_nomem(err)
                          : ph_past_make(p, (const past_key *)(const void *)types.data,
                                         types.len / sizeof(past_key), 2, err);
    }
    if (rc >= 0) {
        p->state.version = p->version;
        p->state.frontier_count = 0; /* found when it is asked for */
        rc = ph_state_store(p->r->reader, &p->state, err);
    }
    ph_overlay_write_end(p->r->reader);
    ph_buf_clear(&types);
    ph_buf_clear(&voters);
    return rc;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static prophet_code start(struct ph_past *p, const ph_point *point, prophet_error *err)
{
    ph_replica *r = p->r;
    ph_view *v;
    prophet_code rc;
    if ((rc = ph_overlay_begin(r->store, ph_past_ask, p, &r->reader, err)) < 0 ||
        (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    p->live = v->state.version;
    ph_view_end(v);
    if ((rc = ph_state_load(r->reader, &p->arena, &p->state, err)) < 0 ||
        (rc = ph_view_begin(r, &v, err)) < 0)
        return rc;
    rc = ph_past_choose(p, v, point, err);
    ph_view_end(v);
    if (rc < 0)
        return rc;
    r->past = p;
    return make_rules(p, err);
}

prophet_code ph_past_open(ph_replica *r, const ph_point *point, ph_replica **out,
                          prophet_error *err)
{
    ph_replica_options o = r->options;
    struct ph_past *p = ph_zalloc(sizeof *p);
    prophet_code rc;
    if (!p)
        return ph_nomem(err);
    o.readonly = true;
    o.user = r->user;
    if ((rc = ph_replica_open(r->path, &o, &p->r, err)) >= 0) {
        rc = start(p, point, err);
        if (rc < 0)
            p->r->past = NULL;
    }
    if (rc < 0) {
        ph_replica_close(p->r);
        ph_past_free(p);
        return rc;
    }
    *out = p->r;
    return PROPHET_OK;
}

bool ph_replica_is_past(const ph_replica *r)
{
    return r->past != NULL;
}

void ph_past_free(struct ph_past *p)
{
    if (!p)
        return;
    ph_map_clear(&p->made);
    ph_arena_clear(&p->arena);
    ph_free(p->set);
    ph_free(p);
}
