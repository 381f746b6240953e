/* Everything that was ever written to one cell and voted on it, read back from the log through the record's history rows. For
 * what is asked rarely: a conflict's base, its votes, its closed episodes. Cost follows the record's history. */
#include "replica/replica_impl.h"

typedef struct reading {
    ph_view *v;
    const ph_named *record;
    prophet_slice type, field;
    ph_arena *a;
    ph_arena scratch; /* of the changeset at hand */
    ph_cell_story *out;
} reading;

/* ---- its part in the story ------------------------------------------------------------------------------------------ */

static prophet_code copy(reading *r, prophet_slice *s, prophet_error *err)
{
    bool ok = true;
    *s = ph_arena_copy(r->a, *s, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code named(reading *r, const ph_changeset *cs, uint32_t pos, uint64_t *version,
                          prophet_error *err)
{
    return ph_changeset_named(r->v->replica, r->v->txn, cs, pos, version, err);
}

static prophet_code add_write(reading *r, const ph_changeset *cs, const ph_changeset_row *row,
                              uint64_t version, prophet_error *err)
{
    prophet_slice value;
    ph_over over;
    if (!ph_changeset_wrote(cs, r->type, &r->record->uuid, r->field, &value, &over))
        return PROPHET_OK;
    uint64_t *versions = ph_arena_alloc(r->a, (over.count + 1u) * sizeof *versions);
    if (!versions)
        return ph_nomem(err);
    prophet_code rc = copy(r, &value, err);
    for (uint32_t i = 0; i < over.count && rc >= 0; i++)
        rc = named(r, cs, over.pos[i], &versions[i], err);
    if (rc < 0)
        return rc;
    r->out->writes[r->out->write_count++] = (ph_cell_write){ .version = version,
                                                             .stamp = { row->lamport, row->id },
                                                             .value = value,
                                                             .over = versions,
                                                             .over_count = over.count };
    return PROPHET_OK;
}

static bool value_of(const ph_cell_story *s, uint64_t version, prophet_slice *value)
{
    for (size_t i = s->write_count; i > 0; i--) { /* what a vote names came before it */
        if (s->writes[i - 1].version != version)
            continue;
        *value = s->writes[i - 1].value;
        return true;
    }
    return false;
}

static prophet_code add_vote(reading *r, const ph_changeset *cs, const ph_vote *vote,
                             const ph_changeset_row *row, uint64_t version, prophet_error *err)
{
    ph_cell_story *s = r->out;
    ph_ballot *b = &s->ballots[s->ballot_count];
    ph_conflict_vote *cv = &s->votes[s->ballot_count];
    ph_seen *seen = ph_arena_alloc(r->a, (vote->heads.count + 1u) * sizeof *seen);
    prophet_slice choice = vote->choice, reason = vote->reason;
    prophet_code rc = seen ? copy(r, &choice, err) : ph_nomem(err);
    if (rc < 0 || (rc = copy(r, &reason, err)) < 0)
        return rc;
    *b = (ph_ballot){ .by_resolver = vote->by_resolver,
                      .stamp = { row->lamport, row->id },
                      .choice = choice,
                      .seen = seen };
    for (uint32_t i = 0; i < vote->heads.count; i++) {
        ph_seen *at = &seen[b->seen_count];
        if ((rc = named(r, cs, vote->heads.pos[i], &at->version, err)) < 0)
            return rc;
        b->seen_count += value_of(s, at->version, &at->value);
    }
    *cv = (ph_conflict_vote){
        .version = version, .by_resolver = vote->by_resolver, .choice = choice, .reason = reason
    };
    if (vote->by_resolver) {
        char *label = ph_arena_alloc(r->a, vote->resolver.len + 66);
        if (!label)
            return ph_nomem(err);
        memcpy(label, vote->resolver.data, vote->resolver.len);
        label[vote->resolver.len] = '@';
        ph_hex(vote->resolver_hash.data, 32, label + vote->resolver.len + 1);
        cv->resolver = ph_slice(label, vote->resolver.len + 65);
    }
    s->ballot_count++;
    return ph_schemas_weight(r->v->replica, r->v->txn, r->v->state.schema, row->ridx, &b->voter,
                             &b->weight, err);
}

static prophet_code read_one(reading *r, uint64_t version, prophet_error *err)
{
    ph_changeset cs;
    ph_changeset_row row;
    size_t count;
    prophet_code rc;
    if ((rc = ph_kept_changeset(r->v, version, &r->scratch, &cs, &row, err)) != PROPHET_OK ||
        !cs.has_body)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = add_write(r, &cs, &row, version, err)) < 0)
        return rc;
    const ph_vote *votes = ph_changeset_votes(&cs, r->type, &r->record->uuid, &count);
    for (size_t i = 0; i < count; i++)
        if (ph_slice_eq(votes[i].field, r->field)) /* one vote a cell */
            return add_vote(r, &cs, &votes[i], &row, version, err);
    return PROPHET_OK;
}

prophet_code ph_story_read(ph_view *v, const ph_named *record, prophet_slice type,
                           prophet_slice field, ph_arena *a, ph_cell_story *out, prophet_error *err)
{
    ph_history_entry *entries;
    size_t n;
    prophet_code rc = ph_history_list(v->txn, record->number, a, &entries, &n, err);
    if (rc < 0)
        return rc;
    *out = (ph_cell_story){ .writes = ph_arena_alloc(a, (n + 1) * sizeof *out->writes),
                            .ballots = ph_arena_alloc(a, (n + 1) * sizeof *out->ballots),
                            .votes = ph_arena_alloc(a, (n + 1) * sizeof *out->votes) };
    if (!out->writes || !out->ballots || !out->votes)
        return ph_nomem(err);
    reading r = { v, record, type, field, a, PH_ARENA_INIT, out };
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = read_one(&r, entries[i].version, err);
    ph_arena_clear(&r.scratch);
    return rc;
}
