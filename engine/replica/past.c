/* A database as it was: the index of today with the rows of that time written over it, on an overlay that only this handle sees.
 *
 * A record that no later changeset touched is as it was. One that was touched is taken out of all tables and made again from its own
 * changesets of that time, by the code that applies changesets; so everything above, queries and conflicts too, reads the past as it reads
 * the present. Rules and weights come first; where they differ, what is in conflict is settled again. Records are made when they are asked
 * for; before a scan of any table all of them are.
 * Called through the views of such a handle, by way of the overlay's `ask`. */
#include "replica/past_impl.h"
#include <stdlib.h>

#define BATCH 2048 /* records made at a time */
#define SINGLES_MAX \
    256 /* after that many one by one, all: what they were read as stays in memory */

bool ph_past_has(const struct ph_past *p, uint64_t version)
{
    return p->making || ph_past_in_set(p, version);
}

/* ---- making records ----------------------------------------------------------------------------------------- */

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

typedef struct making {
    struct ph_past *p;
    ph_session *s;
    PH_LIST(uint64_t) versions;
    ph_work_record *only; /* one is made; NULL: several, or it was not there */
    ph_arena scratch;
} making;

static prophet_code not_in_log(uint64_t version, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "changeset %llu is not in the log",
                   (unsigned long long)version);
}

/* Out of all tables; if it was there then, an empty record with its number waits for its changesets. */
static prophet_code take_out(making *m, const past_key *key, prophet_error *err)
{
    ph_session *s = m->s;
    ph_work_record now = { 0 }, *wr;
    ph_history_entry *entries;
    ph_uuid uuid;
    size_t count, kept = 0;
    prophet_code rc;
    memcpy(uuid.b, key->b + 4, sizeof uuid.b);
    rc = ph_record_load(s->txn, ph_u32be(key->b), &uuid, &s->arena, &now.rec, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    uint64_t number = now.rec.number;
    if ((rc = ph_work_unindex(s, &now, err)) < 0 ||
        (rc = ph_record_erase(s->txn, now.rec.type, &uuid, number, err)) < 0 ||
        (rc = ph_conflicts_erase(s->txn, now.rec.type, &uuid, err)) < 0 ||
        (rc = ph_history_list(s->txn, number, &s->arena, &entries, &count, err)) < 0)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        if (!ph_past_in_set(m->p, entries[i].version))
            rc = ph_history_del(s->txn, number, entries[i].version, err);
        else if (PH_PUSH(m->versions, entries[i].version))
            kept++;
        else
            rc = ph_nomem(err);
    }
    if (rc < 0)
        return rc;
    if (kept == 0)
        return ph_numbers_del(s->txn, number, err);
    rc = ph_work_record_get(s, ph_u32be(key->b), &uuid, &wr, err);
    if (rc >= 0) {
        wr->rec.number = number;
        m->only = wr;
    }
    return rc;
}

static ph_work_record *among(making *m, prophet_slice type, const ph_uuid *uuid)
{
    past_key key;
    ph_u32be_put(key.b, ph_names_find(m->p->r->names, type));
    memcpy(key.b + 4, uuid->b, sizeof uuid->b);
    return ph_map_get(&m->s->records, ph_slice(key.b, sizeof key.b));
}

static prophet_code inverted(making *m, const ph_changeset *cs, const uint64_t *names,
                             uint64_t version, prophet_error *err)
{
    ph_changeset_row row;
    size_t fixed = (size_t)cs->header.has_prev + cs->header.parent_count;
    prophet_code rc = ph_changesets_get(m->s->txn, version, &row, err);
    return rc < 0 ? rc : ph_apply_inversion(m->s, cs, names + fixed, row.lamport, err);
}

static prophet_code names_of(making *m, const ph_changeset *cs, ph_arena *a, uint64_t **names,
                             prophet_error *err)
{
    ph_id missing;
    if (!(*names = ph_arena_alloc(a, (ph_changeset_names(&cs->header) + 1) * sizeof **names)))
        return ph_nomem(err);
    prophet_code rc = ph_apply_names(m->s, cs, *names, &missing, err);
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_ECORRUPT, "the index lacks a changeset that another names")
               : rc;
}

/* What this changeset did to the records that are being made. */
static prophet_code apply_version(making *m, uint64_t version, prophet_error *err)
{
    ph_session *s = m->s;
    const ph_changeset *cs;
    uint64_t *names;
    prophet_code rc = ph_session_changeset(s, version, &cs, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : not_in_log(version, err);
    if (!cs->has_body)
        return PROPHET_OK;
    if ((rc = names_of(m, cs, &s->arena, &names, err)) < 0 ||
        (rc = inverted(m, cs, names, version, err)) < 0)
        return rc;
    for (size_t i = 0; i < cs->body.change_count && rc >= 0; i++) {
        const ph_change *ch = &cs->body.changes[i];
        ph_work_record *wr = among(m, ch->type, &ch->record);
        if (wr)
            rc = ph_apply_to_record(s, wr, ch, names, version, err);
    }
    for (size_t i = 0; i < cs->body.vote_count && rc >= 0; i++)
        if (among(m, cs->body.votes[i].type, &cs->body.votes[i].record))
            rc = ph_apply_vote(s, &cs->body.votes[i], names, version, err);
    return rc;
}

/* The same where one record is made: of a large changeset its part alone. */
static prophet_code apply_part(making *m, uint64_t version, prophet_error *err)
{
    ph_session *s = m->s;
    ph_work_record *wr = m->only;
    prophet_slice type = ph_names_get(s->r->names, wr->rec.type);
    ph_changeset cs;
    ph_part part;
    uint64_t *names;
    prophet_code rc = ph_session_look(s, version, &m->scratch, &cs, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : not_in_log(version, err);
    s->inverted = false;
    if (cs.header.ref_count && ((rc = names_of(m, &cs, &m->scratch, &names, err)) < 0 ||
                                (rc = inverted(m, &cs, names, version, err)) < 0))
        return rc;
    rc = ph_part_cut(s->r, s->txn, &cs, type, &wr->rec.uuid, &s->arena, &part, err);
    if (rc >= 0 && part.change)
        rc = ph_apply_to_record(s, wr, part.change, part.names, version, err);
    for (size_t i = 0; i < part.vote_count && rc >= 0; i++)
        rc = ph_apply_vote(s, &part.votes[i], part.names, version, err);
    return rc;
}

static prophet_code replay(making *m, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint64_t last = 0;
    if (m->versions.count > 1)
        qsort(m->versions.at, m->versions.count, sizeof *m->versions.at, by_u64);
    for (size_t i = 0; i < m->versions.count && rc >= 0; i++) {
        if (m->versions.at[i] != last)
            rc = m->only ? apply_part(m, m->versions.at[i], err)
                         : apply_version(m, m->versions.at[i], err);
        last = m->versions.at[i];
    }
    m->s->history.count = 0; /* these rows are there */
    return rc;
}

prophet_code ph_past_make(struct ph_past *p, const past_key *keys, size_t count, int rules,
                          prophet_error *err)
{
    making m = { .p = p };
    prophet_code rc = ph_session_over(p->r, &p->state, &m.s, err);
    if (rc < 0)
        return rc;
    p->making = p->failed = true;
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = take_out(&m, &keys[i], err);
    m.only = count == 1 ? m.only : NULL;
    if (rc >= 0 && (rc = ph_secondary_flush(m.s, err)) >= 0)
        rc = replay(&m, err);
    m.s->schema_touched = rules > 0;
    m.s->all_types = rules > 1;
    if (rc >= 0 && (rc = ph_work_flush(m.s, err)) >= 0) {
        p->state.schema = m.s->state.schema;
        p->failed = false;
    }
    p->making = false;
    ph_free(m.versions.at);
    ph_arena_clear(&m.scratch);
    ph_session_over_end(m.s);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        bool ok = true;
        prophet_slice key = ph_arena_copy(&p->arena, ph_slice(keys[i].b, 20), &ok);
        if (!ok || !ph_map_put(&p->made, key, p))
            rc = ph_nomem(err);
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- which records ------------------------------------------------------------------------------------------- */

prophet_code ph_past_touched(struct ph_past *p, uint64_t number, bool *yes, prophet_error *err)
{
    ph_history_entry *entries;
    ph_arena a = PH_ARENA_INIT;
    size_t n = 0;
    *yes = false;
    ph_overlay_write_begin(p->r->reader); /* the rows as they are */
    prophet_code rc = ph_history_list(p->r->reader, number, &a, &entries, &n, err);
    ph_overlay_write_end(p->r->reader);
    for (size_t i = n; i > 0 && rc >= 0 && !*yes; i--)
        *yes = !ph_past_in_set(p, entries[i - 1].version);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code one(struct ph_past *p, prophet_slice key, prophet_error *err)
{
    past_key k;
    ph_row row;
    prophet_slice value;
    bool yes;
    if (ph_map_get(&p->made, key))
        return PROPHET_OK;
    memcpy(k.b, key.data, sizeof k.b);
    ph_overlay_write_begin(p->r->reader);
    prophet_code rc = ph_txn_get(p->r->reader, PH_T_RECORDS, key, &value, err);
    bool opens = rc == PROPHET_OK && ph_row_open(key, value, &row);
    ph_overlay_write_end(p->r->reader);
    if (!opens)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = ph_past_touched(p, row.number, &yes, err)) < 0 || !yes)
        return rc;
    return ++p->singles > SINGLES_MAX ? ph_past_complete(p, err) : ph_past_make(p, &k, 1, 0, err);
}

typedef struct gathering {
    struct ph_past *p;
    ph_map seen;
    ph_arena kept, scratch;
    PH_LIST(past_key) keys;
} gathering;

static prophet_code gather(gathering *g, prophet_slice type, const ph_uuid *uuid,
                           prophet_error *err)
{
    past_key k;
    bool ok = true;
    ph_u32be_put(k.b, ph_names_find(g->p->r->names, type));
    memcpy(k.b + 4, uuid->b, sizeof uuid->b);
    prophet_slice key = ph_slice(k.b, sizeof k.b);
    if (ph_map_get(&g->p->made, key) || ph_map_get(&g->seen, key))
        return PROPHET_OK;
    key = ph_arena_copy(&g->kept, key, &ok);
    return ok && ph_map_put(&g->seen, key, g) && PH_PUSH(g->keys, k) ? PROPHET_OK : ph_nomem(err);
}

/* The records of all changesets that are not shown. */
static prophet_code gather_touched(gathering *g, prophet_error *err)
{
    struct ph_past *p = g->p;
    ph_view all = { .replica = p->r, .txn = p->r->reader, .state = p->state, .names = p->r->names };
    prophet_code rc = PROPHET_OK;
    all.state.version = p->live;
    p->making = true;
    for (uint64_t v = p->set ? 1 : p->version + 1; v <= p->live && rc >= 0; v++) {
        ph_changeset cs;
        ph_changeset_row row;
        if (ph_past_in_set(p, v))
            continue;
        ph_arena_reset(&g->scratch);
        rc = ph_view_changeset(&all, v, &g->scratch, &cs, &row, err);
        for (size_t i = 0; rc >= 0 && cs.has_body && i < cs.body.change_count; i++)
            rc = gather(g, cs.body.changes[i].type, &cs.body.changes[i].record, err);
        for (size_t i = 0; rc >= 0 && cs.has_body && i < cs.body.vote_count; i++)
            rc = gather(g, cs.body.votes[i].type, &cs.body.votes[i].record, err);
    }
    p->making = false;
    return rc < 0 ? rc : PROPHET_OK;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(past_key));
}

prophet_code ph_past_complete(struct ph_past *p, prophet_error *err)
{
    gathering g = { .p = p };
    if (p->complete)
        return PROPHET_OK;
    prophet_code rc = gather_touched(&g, err);
    if (rc >= 0 && g.keys.count > 1)
        qsort(g.keys.at, g.keys.count, sizeof *g.keys.at, by_key);
    for (size_t i = 0; i < g.keys.count && rc >= 0; i += BATCH)
        rc = ph_past_make(p, &g.keys.at[i], g.keys.count - i < BATCH ? g.keys.count - i : BATCH, 0,
                          err);
    if (rc >= 0 && (rc = ph_overlay_seal(p->r->reader, err)) >= 0)
        p->complete = true;
    ph_kept_trim(p->r->kept);
    ph_free(g.keys.at);
    ph_map_clear(&g.seen);
    ph_arena_clear(&g.kept);
    ph_arena_clear(&g.scratch);
    return rc;
}

/* Before the overlay is read. What is not a record's is the same in the past, or told apart by the view. */
prophet_code ph_past_ask(void *ctx, unsigned table, prophet_slice key, prophet_error *err)
{
    struct ph_past *p = ctx;
    if (p->failed)
        return ph_fail(err, PROPHET_EMEMORY, "this past version could not be made: open it again");
    switch (table) {
    case PH_T_META:
    case PH_T_NAMES:
    case PH_T_CHANGESETS:
    case PH_T_IDS:
    case PH_T_CHAINS:
    case PH_T_SIGNATURES:
    case PH_T_ASKED:
    case PH_T_LOCAL:
    case PH_T_CELLS:   /* read behind a record's row */
    case PH_T_HISTORY: /* too; whole by ph_view_find alone */
    case PH_T_RECENT: return PROPHET_OK;
    case PH_T_RECORDS:
    case PH_T_CONFLICTS:
    case PH_T_OPEN:
    case PH_T_TODO:
        if (key.len >= sizeof(past_key))
            return one(p, ph_slice(key.data, sizeof(past_key)), err);
        break;
    default: break;
    }
    return ph_past_complete(p, err);
}
