/* A conflict as people and policies see it: its cell, candidates, votes and outcome. */
#include "api/api_impl.h"

/* SHA-256("prophet conflict v1\0", canonical list of type, record and field): the same on every replica, whatever heads come and go. */
prophet_code api_conflict_id(ph_view *v, const ph_cell_key *key, uint8_t out[32],
                             prophet_error *err)
{
    static const char domain[] = "prophet conflict v1";
    ph_buf b = PH_BUF_INIT;
    ph_hasher *h;
    ph_put_list(&b, 3);
    ph_put_text(&b, ph_names_get(v->names, key->type));
    ph_put_ref(&b, &key->uuid);
    ph_put_text(&b, key->field ? ph_names_get(v->names, key->field) : ph_slice(NULL, 0));
    prophet_code rc = b.failed ? ph_nomem(err) : ph_hasher_new(&h, err);
    if (rc >= 0) {
        const prophet_slice parts[2] = { ph_slice(domain, sizeof domain), ph_buf_slice(&b) };
        rc = ph_hash_sha256(h, parts, 2, out, err);
        ph_hasher_free(h);
    }
    ph_buf_clear(&b);
    return rc;
}

const char *api_conflict_kind(ph_view *v, const ph_conflict *c)
{
    const ph_schema *s;
    if (c->field.len == 0)
        return "life";
    if (ph_view_schema(v, c->type, &s, NULL) != PROPHET_OK)
        return "";
    const ph_field_def *f = ph_schema_field(s, c->field);
    return f ? ph_field_kind_name(f->kind) : "";
}

static void put_given(api_map *m, prophet_slice value)
{
    api_put_canonical(m, "value", value);
    api_put(m, "unset", prophet_bool(value.len == 0));
}

static prophet_code put_candidates(api_map *m, ph_view *v, const ph_conflict *c, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    api_list l = api_list_in(m->a);
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < c->candidate_count && rc >= 0; i++) {
        const ph_conflict_candidate *cand = &c->candidates[i];
        api_map f = api_map_in(m->a);
        api_list all = api_list_in(m->a);
        api_changeset by;
        put_given(&f, cand->value);
        if ((rc = api_changeset_look(v, cand->version, &scratch, &by, err)) < 0)
            break;
        api_put_writer(&f, &by);
        for (size_t k = 0; k < cand->version_count && rc >= 0; k++) {
            ph_changeset_row row;
            if ((rc = ph_changesets_get(v->txn, cand->versions[k], &row, err)) >= 0)
                api_push_hex(&all, row.id.b, 32);
        }
        api_put_list(&f, "changesets", &all);
        api_push_map(&l, &f);
    }
    api_put_list(m, "candidates", &l);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code api_put_votes(api_map *m, ph_view *v, const ph_conflict *c, bool deciding,
                           prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    api_list l = api_list_in(m->a);
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < c->vote_count && rc >= 0; i++) {
        const ph_conflict_vote *vote = &c->votes[i];
        if (deciding && !vote->decides)
            continue;
        api_map f = api_map_in(m->a);
        api_changeset by;
        if ((rc = api_changeset_look(v, vote->version, &scratch, &by, err)) < 0)
            break;
        api_put_text(&f, "by", ph_slice_str(vote->by_resolver ? "resolver" : "person"));
        put_given(&f, vote->choice);
        api_put_text(&f, "reason", vote->reason);
        if (vote->by_resolver)
            api_put_text(&f, "resolver", vote->resolver);
        api_put(&f, "counts", prophet_bool(vote->counts));
        if (vote->replaced)
            api_put(&f, "replaced", prophet_bool(true));
        api_put_writer(&f, &by);
        api_push_map(&l, &f);
    }
    api_put_list(m, "votes", &l);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code put_end(api_map *m, ph_view *v, const ph_conflict *c, prophet_error *err)
{
    api_map outcome = api_map_in(m->a);
    ph_changeset_row row;
    put_given(&outcome, c->outcome);
    api_put_text(&outcome, "decided_by",
                 ph_slice_str(!c->open     ? "write"
                              : c->decided ? "votes"
                                           : "rule"));
    api_put_map(m, "outcome", &outcome);
    if (!c->closed_by)
        return PROPHET_OK;
    prophet_code rc = ph_changesets_get(v->txn, c->closed_by, &row, err);
    if (rc >= 0)
        api_put_hex(m, "closed_by", row.id.b, 32);
    return rc;
}

prophet_code api_conflict_doc(prophet_db *db, ph_view *v, const ph_conflict *c, prophet_doc **out,
                              prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    uint8_t id[32];
    prophet_uuid ref;
    prophet_code rc = api_conflict_id(v, &c->key, id, err);
    (void)db;
    if (rc < 0)
        return rc;
    memcpy(ref.b, c->record.uuid.b, sizeof ref.b);
    api_put_hex(&m, "id", id, 32);
    api_put_text(&m, "type", c->type);
    api_put(&m, "record", prophet_ref(ref));
    api_put(&m, "number", prophet_int((int64_t)c->record.number));
    api_put_text(&m, "field", c->field.len ? c->field : ph_slice_str("life"));
    if (c->field.len == 0)
        api_put(&m, "life", prophet_bool(true));
    const char *kind = api_conflict_kind(v, c);
    api_put(&m, "kind", prophet_text(kind)); /* static */
    api_put(&m, "status", prophet_text(c->open ? "open" : "closed"));
    api_put(&m, "decided", prophet_bool(c->decided));
    if (c->has_base)
        api_put_canonical(&m, "base", c->base);
    if ((rc = put_candidates(&m, v, c, err)) >= 0 && (rc = put_end(&m, v, c, err)) >= 0 &&
        (rc = api_put_votes(&m, v, c, false, err)) >= 0) {
        api_put(&m, "episodes", prophet_int((int64_t)c->episodes));
        api_put_hex(&m, "question", c->question, 32);
        rc = api_doc_take(&a, &m, out, err);
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}
