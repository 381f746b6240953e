/* Conflicts as people see them: the cell, its candidates, base, votes and outcome; open ones from the row, closed ones by
 * replaying the cell in (lamport, id) order, which is the same on every replica (merge/episodes.c). */
#include "replica/replica_impl.h"
#include <stdlib.h>

static const ph_candidate_head *head_of(const ph_candidate_head *heads, size_t n, uint64_t version)
{
    for (size_t i = 0; i < n; i++)
        if (heads[i].version == version)
            return &heads[i];
    return NULL;
}

static prophet_code candidates(const ph_outcome *o, const ph_candidate_head *heads, size_t n,
                               ph_arena *a, ph_conflict *out, prophet_error *err)
{
    ph_conflict_candidate *at = ph_arena_zalloc(a, (o->value_count + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    for (size_t i = 0; i < o->value_count; i++) {
        uint64_t *versions = ph_arena_alloc(a, (n + 1) * sizeof *versions);
        const ph_candidate_head *best = NULL;
        if (!versions)
            return ph_nomem(err);
        at[i].value = o->values[i];
        for (size_t k = 0; k < n; k++) {
            if (!ph_slice_eq(heads[k].value, o->values[i]))
                continue;
            versions[at[i].version_count++] = heads[k].version;
            if (!best || ph_stamp_cmp(&heads[k].stamp, &best->stamp) > 0)
                best = &heads[k];
        }
        at[i].version = best ? best->version : 0;
        at[i].versions = versions;
    }
    out->candidates = at;
    out->candidate_count = o->value_count;
    return PROPHET_OK;
}

/* It saw every value there is, so it is in the question that decides alone (merge/settle.c). */
static bool saw_all(const ph_cell_question *q, const ph_outcome *o, const ph_ballot *b)
{
    for (size_t i = 0; i < o->value_count; i++) {
        bool seen = q->life;
        for (size_t k = 0; k < b->seen_count && !seen; k++)
            seen = ph_slice_eq(b->seen[k].value, o->values[i]);
        if (!seen)
            return false;
    }
    return true;
}

/* A later vote of the same voter counts instead. */
static bool replaced(const ph_cell_question *q, const ph_ballot *b)
{
    for (size_t i = 0; i < q->ballot_count; i++) {
        const ph_ballot *other = &q->ballots[i];
        if (other->by_resolver == b->by_resolver && ph_id_eq(&other->voter, &b->voter) &&
            ph_stamp_cmp(&other->stamp, &b->stamp) > 0 && ph_ballot_counts(q, other))
            return true;
    }
    return false;
}

/* Which votes made the outcome: those for it, among those that were asked about all values if there are any. Where smaller questions left one
 * value that nobody voted for, all that count. at[i] is of ballots[of[i]]. */
static void mark_deciding(const ph_cell_question *q, const ph_outcome *o, ph_conflict_vote *at,
                          const size_t *of, size_t count)
{
    bool full = false, any = false;
    for (size_t i = 0; i < count; i++) {
        at[i].decides = at[i].counts && !at[i].replaced;
        full = full || (at[i].decides && saw_all(q, o, &q->ballots[of[i]]));
    }
    for (size_t i = 0; i < count; i++) {
        at[i].decides = at[i].decides && (!full || saw_all(q, o, &q->ballots[of[i]]));
        any = any || (at[i].decides && ph_slice_eq(at[i].choice, o->value));
    }
    for (size_t i = 0; i < count; i++)
        at[i].decides = at[i].decides && (!any || ph_slice_eq(at[i].choice, o->value));
}

/* The votes of an episode: those that name one of its heads. */
static prophet_code votes(const ph_cell_story *story, const ph_cell_question *q,
                          const ph_outcome *o, ph_arena *a, ph_conflict *out, prophet_error *err)
{
    ph_conflict_vote *at = ph_arena_alloc(a, (story->ballot_count + 1) * sizeof *at);
    size_t *of = ph_arena_alloc(a, (story->ballot_count + 1) * sizeof *of);
    if (!at || !of)
        return ph_nomem(err);
    for (size_t i = 0; i < story->ballot_count; i++) {
        const ph_ballot *b = &story->ballots[i];
        bool about = false;
        for (size_t k = 0; k < b->seen_count && !about; k++)
            about = head_of(q->heads, q->head_count, b->seen[k].version) != NULL;
        if (!about)
            continue;
        of[out->vote_count] = i;
        at[out->vote_count] = story->votes[i];
        at[out->vote_count].counts = ph_ballot_counts(q, b);
        at[out->vote_count].replaced = replaced(q, b);
        out->vote_count++;
    }
    if (o->status == PH_DECIDED)
        mark_deciding(q, o, at, of, out->vote_count);
    out->votes = at;
    return PROPHET_OK;
}

static prophet_code describe(ph_view *v, const ph_cell_story *story, const ph_episode *e,
                             ph_rule rule, ph_arena *a, ph_conflict *out, prophet_error *err)
{
    ph_cell_question q = { .life = out->field.len == 0,
                           .rule = rule,
                           .heads = e->heads,
                           .head_count = e->head_count,
                           .ballots = story->ballots,
                           .ballot_count = story->ballot_count };
    uint64_t *heads = ph_arena_alloc(a, (e->head_count + 1) * sizeof *heads);
    uint64_t base;
    prophet_code rc;
    if (!heads)
        return ph_nomem(err);
    for (size_t i = 0; i < e->head_count; i++)
        heads[i] = e->heads[i].version;
    out->open = e->open;
    out->decided = e->outcome.status == PH_DECIDED;
    out->rule = ph_rule_name(rule);
    out->outcome = e->open ? e->outcome.value : e->closed_value;
    out->closed_by = e->closed_by;
    if ((rc = candidates(&e->outcome, e->heads, e->head_count, a, out, err)) < 0 ||
        (rc = votes(story, &q, &e->outcome, a, out, err)) < 0 ||
        (rc = ph_question_hash(v->replica->hasher, &e->outcome, out->question, err)) < 0)
        return rc;
    return ph_cell_base(story->writes, story->write_count, heads, e->head_count, a, &out->has_base,
                        &out->base, &base, err);
}

static prophet_code rule_of(ph_view *v, const ph_conflict *c, ph_rule *rule, prophet_error *err)
{
    const ph_schema *schema;
    *rule = PH_RULE_LATEST;
    if (ph_type_reserved(c->type)) /* life too */
        return PROPHET_OK;
    prophet_code rc = ph_schemas_get(v->replica, v->txn, v->state.schema, c->type, &schema, err);
    if (rc < 0)
        return rc;
    const ph_field_def *f = c->field.len ? ph_schema_field(schema, c->field) : NULL;
    *rule = c->field.len == 0 ? schema->life_rule : f ? f->rule : PH_RULE_LATEST;
    return PROPHET_OK;
}

prophet_code ph_view_conflict(ph_view *v, const ph_cell_key *key, ph_arena *a, ph_conflict *out,
                              prophet_error *err)
{
    ph_cell_story story;
    const ph_episode *episodes;
    ph_rule rule;
    ph_row row;
    prophet_code rc;
    *out = (ph_conflict){ .key = *key, .type = ph_names_get(v->names, key->type) };
    if (key->field != PH_LIFE)
        out->field = ph_names_get(v->names, key->field);
    if ((rc = ph_view_row(v, key->type, &key->uuid, &row, err)) != PROPHET_OK)
        return rc;
    out->record = (ph_named){ row.number, key->type, key->uuid };
    if ((rc = rule_of(v, out, &rule, err)) < 0 ||
        (rc = ph_story_read(v, &out->record, out->type, out->field, a, &story, err)) < 0)
        return rc;
    if (ph_type_reserved(out->type))
        story.ballot_count = 0;
    if ((rc = ph_cell_episodes(out->field.len == 0, rule, story.writes, story.write_count,
                               story.ballots, story.ballot_count, a, &episodes, &out->episodes,
                               err)) < 0)
        return rc;
    if (out->episodes == 0)
        return PROPHET_DONE;
    return describe(v, &story, &episodes[out->episodes - 1], rule, a, out, err);
}

/* ---- lists ------------------------------------------------------------------------------------------------------------ */

typedef struct sorting {
    ph_cell_key key;
    prophet_slice type, field;
} sorting;

static int by_names(const void *a, const void *b)
{
    const sorting *x = a, *y = b;
    int c = ph_slice_cmp(x->type, y->type);
    if (c == 0)
        c = memcmp(x->key.uuid.b, y->key.uuid.b, 16);
    return c ? c : ph_slice_cmp(x->field, y->field);
}

static prophet_code is_listed(ph_view *v, const ph_cell_key *key, int status, ph_arena *a,
                              bool *yes, prophet_error *err)
{
    ph_conflict c;
    uint8_t raw[24];
    prophet_slice value;
    prophet_code rc;
    *yes = true;
    if (status == 1)
        return PROPHET_OK;
    ph_cell_key_put(key, raw);
    rc = ph_txn_get(v->txn, PH_T_OPEN, ph_slice(raw, sizeof raw), &value, err);
    if (rc == PROPHET_OK)
        *yes = status != 0;
    if (rc != PROPHET_DONE)
        return rc;
    rc = ph_view_conflict(v, key, a, &c,
                          err); /* concurrent writes of one value were never a conflict */
    *yes = rc == PROPHET_OK;
    return rc < 0 ? rc : PROPHET_OK;
}

/* The key behind which those of a record begin; false: none is less. */
static bool just_before(uint32_t type, const ph_uuid *record, ph_cell_key *out)
{
    *out = (ph_cell_key){ .type = type, .uuid = *record, .field = UINT32_MAX };
    for (size_t i = sizeof out->uuid.b; i-- > 0;)
        if (out->uuid.b[i]-- != 0)
            return true;
    return false;
}

prophet_code ph_view_conflicts(ph_view *v, prophet_slice type, const ph_uuid *record, int status,
                               ph_arena *a, ph_cell_key **out, size_t *count, prophet_error *err)
{
    unsigned table = status == 1 ? PH_T_OPEN : PH_T_CONFLICTS;
    uint32_t type_id = type.len ? ph_names_find(v->names, type) : 0;
    PH_LIST(sorting) list = { 0 };
    ph_cell_key keys[256], after;
    const ph_cell_key *from = NULL;
    ph_arena scratch = PH_ARENA_INIT;
    size_t n = 256;
    prophet_code rc = PROPHET_OK;
    *count = 0;
    if (type_id && record && just_before(type_id, record, &after))
        from = &after;
    while (n == 256 && rc >= 0 && (type_id || !type.len)) {
        if ((rc = ph_conflicts_list(v->txn, table, type_id, from, keys, 256, &n, err)) < 0)
            break;
        for (size_t i = 0; i < n && rc >= 0; i++) {
            bool yes = !record || ph_uuid_eq(&keys[i].uuid, record);
            if (!yes && type_id && memcmp(keys[i].uuid.b, record->b, sizeof record->b) > 0) {
                n = 0; /* all of the record's were there */
                break;
            }
            ph_arena_reset(&scratch);
            if (yes && (rc = is_listed(v, &keys[i], status, &scratch, &yes, err)) < 0)
                break;
            sorting s = { keys[i], ph_names_get(v->names, keys[i].type),
                          keys[i].field ? ph_names_get(v->names, keys[i].field)
                                        : ph_slice_str("life") };
            if (yes && !PH_PUSH(list, s))
                rc = ph_nomem(err);
        }
        after = keys[n ? n - 1 : 0];
        from = &after;
    }
    if (rc >= 0 && !(*out = ph_arena_alloc(a, (list.count + 1) * sizeof **out)))
        rc = ph_nomem(err);
    if (rc >= 0 && list.count) {
        qsort(list.at, list.count, sizeof *list.at, by_names);
        for (size_t i = 0; i < list.count; i++)
            (*out)[(*count)++] = list.at[i].key;
    }
    ph_free(list.at);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_view_conflict_count(ph_view *v, uint64_t *open, uint64_t *decided,
                                    prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice k, val;
    prophet_code rc = ph_cursor_open(v->txn, PH_T_OPEN, &cur, err);
    *open = *decided = 0;
    if (rc < 0)
        return rc;
    rc = ph_cursor_first(cur, &k, &val, err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &k, &val, err)) {
        ++*open;
        *decided += val.len && *(const uint8_t *)val.data;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_view_decided(ph_view *v, const ph_cell_key *keys, size_t count, uint64_t *decided,
                             prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    *decided = 0;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        uint8_t key[24];
        prophet_slice how;
        ph_cell_key_put(&keys[i], key);
        rc = ph_txn_get(v->txn, PH_T_OPEN, ph_slice(key, sizeof key), &how, err);
        *decided += rc == PROPHET_OK && how.len && *(const uint8_t *)how.data;
    }
    return rc < 0 ? rc : PROPHET_OK;
}
