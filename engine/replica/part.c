/* What one changeset did to one record, cut out of it. The whole may be large, and is kept for others (kept.c) or goes; of what it names only
 * that is looked up which this record's part names. */
#include "replica/replica_impl.h"

const ph_vote *ph_changeset_votes(const ph_changeset *cs, prophet_slice type, const ph_uuid *record,
                                  size_t *count)
{
    size_t lo = 0, hi = cs->has_body ? cs->body.vote_count : 0; /* sorted by (type, record) */
    const ph_vote *votes = cs->body.votes;
    size_t end = hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = ph_name_cmp(votes[mid].type, type);
        if (c < 0 || (c == 0 && memcmp(votes[mid].record.b, record->b, sizeof record->b) < 0))
            lo = mid + 1;
        else
            hi = mid;
    }
    for (hi = lo;
         hi < end && ph_uuid_eq(&votes[hi].record, record) && ph_slice_eq(votes[hi].type, type);)
        hi++;
    *count = hi - lo;
    return hi > lo ? &votes[lo] : NULL;
}

prophet_code ph_changeset_named(ph_replica *r, ph_txn *t, const ph_changeset *cs, uint32_t pos,
                                uint64_t *version, prophet_error *err)
{
    prophet_code rc = ph_ids_find(r->ids, t, ph_changeset_name(&cs->header, pos), version, err);
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_ECORRUPT,
                         "the index lacks a changeset that another names: run prophet rebuild")
               : rc;
}

typedef struct cutting {
    ph_replica *r;
    ph_txn *t;
    const ph_changeset *cs;
    ph_arena *a;
    uint64_t *names; /* of the part */
    uint32_t count;
    uint32_t last; /* position in the changeset of the name that was added last */
    bool ok;
} cutting;

static size_t names_of(const ph_change *ch, const ph_vote *votes, size_t vote_count)
{
    size_t n = ch ? ch->over.count : 0;
    for (size_t i = 0; ch && i < ch->op_count; i++)
        n += ch->ops[i].over.count;
    for (size_t i = 0; i < vote_count; i++)
        n += votes[i].heads.count;
    return n;
}

static prophet_code cut_over(cutting *c, ph_over *over, prophet_error *err)
{
    uint32_t *pos = ph_arena_alloc(c->a, (over->count + 1u) * sizeof *pos);
    prophet_code rc = pos ? PROPHET_OK : ph_nomem(err);
    for (uint32_t i = 0; i < over->count && rc >= 0; i++) {
        if (c->count == 0 || c->last != over->pos[i]) {
            c->last = over->pos[i];
            rc = ph_changeset_named(c->r, c->t, c->cs, c->last, &c->names[c->count++], err);
        }
        pos[i] = c->count - 1;
    }
    over->pos = pos;
    return rc;
}

static prophet_slice copy(cutting *c, prophet_slice s)
{
    return s.len ? ph_arena_copy(c->a, s, &c->ok) : s;
}

static prophet_code cut_change(cutting *c, const ph_change *from, const ph_change **out,
                               prophet_error *err)
{
    ph_change *ch = ph_arena_alloc(c->a, sizeof *ch);
    ph_op *ops = ph_arena_alloc(c->a, (from->op_count + 1) * sizeof *ops);
    if (!ch || !ops)
        return ph_nomem(err);
    *ch = *from;
    ch->type = copy(c, ch->type);
    ch->ops = ops;
    prophet_code rc = cut_over(c, &ch->over, err);
    for (size_t i = 0; i < from->op_count && rc >= 0; i++) {
        ops[i] = from->ops[i];
        ops[i].field = copy(c, ops[i].field);
        ops[i].value = copy(c, ops[i].value);
        rc = cut_over(c, &ops[i].over, err);
    }
    *out = ch;
    return rc;
}

static prophet_code cut_votes(cutting *c, const ph_vote *from, ph_part *out, prophet_error *err)
{
    ph_vote *votes = ph_arena_alloc(c->a, (out->vote_count + 1) * sizeof *votes);
    prophet_code rc = votes ? PROPHET_OK : ph_nomem(err);
    for (size_t i = 0; i < out->vote_count && rc >= 0; i++) {
        votes[i] = from[i];
        prophet_slice *slices[] = { &votes[i].type,     &votes[i].field,         &votes[i].choice,
                                    &votes[i].resolver, &votes[i].resolver_hash, &votes[i].reason };
        for (size_t k = 0; k < sizeof slices / sizeof *slices; k++)
            *slices[k] = copy(c, *slices[k]);
        rc = cut_over(c, &votes[i].heads, err);
    }
    out->votes = votes;
    return rc;
}

prophet_code ph_part_cut(ph_replica *r, ph_txn *t, const ph_changeset *cs, prophet_slice type,
                         const ph_uuid *record, ph_arena *a, ph_part *out, prophet_error *err)
{
    cutting c = { .r = r, .t = t, .cs = cs, .a = a, .ok = true };
    *out = (ph_part){ .change = NULL };
    const ph_change *ch = cs->has_body ? ph_changeset_change(cs, type, record) : NULL;
    const ph_vote *votes = ph_changeset_votes(cs, type, record, &out->vote_count);
    size_t n = names_of(ch, votes, out->vote_count);
    if (!(out->names = c.names = ph_arena_alloc(a, (n + 1) * sizeof *c.names)))
        return ph_nomem(err);
    prophet_code rc = ch ? cut_change(&c, ch, &out->change, err) : PROPHET_OK;
    if (rc >= 0)
        rc = cut_votes(&c, votes, out, err);
    return rc < 0 ? rc : c.ok ? PROPHET_OK : ph_nomem(err);
}
