/* How much of an increment is in force. Increments add up and name nothing, so a revert marks whose it takes back: beside its own increment it
 * removes, from the set of the same name, an integer n that names the reverted changeset: "n times that increment". No set of that name has
 * such an element, so the mark changes nothing that is shown. A revert of a revert marks in the same way. */
#include "replica/change_impl.h"

typedef struct counting {
    ph_change_txn *c;
    const ph_change *of; /* of the record */
    prophet_slice field;
    const ph_history_entry *entries; /* by version */
    uint64_t *force;                 /* of each, modulo 2^64 as counters are */
    size_t count;
    ph_arena scratch;
} counting;

static bool find_entry(const counting *k, uint64_t version, size_t *at)
{
    size_t lo = 0, hi = k->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->entries[mid].version < version)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return lo < k->count && k->entries[lo].version == version;
}

/* What a mark names lies before the one that marks, so its force is not read yet. */
static prophet_code take_mark(counting *k, const ph_changeset *cs, const ph_op *op, uint64_t force,
                              prophet_error *err)
{
    ph_item times;
    if (!ph_value_open(op->value, &times) || times.kind != PH_INT)
        return PROPHET_OK;
    for (uint32_t i = 0; i < op->over.count; i++) {
        uint64_t version = 0;
        size_t at;
        prophet_code rc =
            ph_ids_find(k->c->r->ids, k->c->s->txn, ph_changeset_name(&cs->header, op->over.pos[i]),
                        &version, err);
        if (rc < 0)
            return rc;
        if (rc == PROPHET_OK && find_entry(k, version, &at))
            k->force[at] -= (uint64_t)times.i * force;
    }
    return PROPHET_OK;
}

static prophet_code take_marks(counting *k, size_t at, prophet_error *err)
{
    const ph_history_entry *e = &k->entries[at];
    ph_changeset cs;
    ph_changeset_row row;
    ph_view *v;
    prophet_code rc = ph_change_view(k->c, &v, err);
    ph_arena_reset(&k->scratch);
    if (rc < 0 ||
        (rc = ph_view_changeset(v, e->version, &k->scratch, &cs, &row, err)) != PROPHET_OK ||
        !cs.has_body)
        return rc < 0 ? rc : PROPHET_OK;
    for (size_t i = 0; i < cs.body.change_count && rc >= 0; i++) {
        const ph_change *ch = &cs.body.changes[i];
        if (!ph_slice_eq(ch->type, k->of->type) || !ph_uuid_eq(&ch->record, &k->of->record))
            continue;
        for (size_t o = 0; o < ch->op_count && rc >= 0; o++)
            if (ch->ops[o].kind == PH_REMOVE && ph_slice_eq(ch->ops[o].field, k->field))
                rc = take_mark(k, &cs, &ch->ops[o], k->force[at], err);
    }
    return rc;
}

prophet_code ph_revert_in_force(ph_change_txn *c, const ph_work_record *wr, const ph_change *of,
                                prophet_slice field, uint64_t version, uint64_t *times,
                                prophet_error *err)
{
    counting k = { .c = c, .of = of, .field = field };
    ph_history_entry *entries;
    size_t own;
    prophet_code rc =
        ph_history_list(c->s->txn, wr->rec.number, &c->s->arena, &entries, &k.count, err);
    *times = 1;
    if (rc < 0)
        return rc;
    k.entries = entries;
    if (!find_entry(&k, version, &own))
        return PROPHET_OK;
    if (!(k.force = ph_arena_alloc(&c->s->arena, k.count * sizeof *k.force)))
        return ph_nomem(err);
    for (size_t i = 0; i < k.count; i++)
        k.force[i] = 1;
    for (size_t i = k.count; i-- > own + 1 && rc >= 0;)
        if (k.entries[i].offset_plus_1) /* it wrote, and did not only vote */
            rc = take_marks(&k, i, err);
    *times = k.force[own];
    ph_arena_clear(&k.scratch);
    return rc;
}
