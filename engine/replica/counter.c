/* What reverts took back of a record's counters. Increments add up and name nothing, so a revert marks whose it takes back: beside its own
 * increment it removes, from the set of the same name, an integer n that names the reverted changeset: "n times that increment". No set of
 * that name has such an element, so a mark shows nothing by itself. merge/counter.c counts increments and marks.
 *
 * A counter's cell is a sum. Where a mark arrives, which is rare, it is put right by the record's history since what was marked: once a flush,
 * by work.c. */
#include "replica/replica_impl.h"
#include <stdlib.h>

/* ---- what matters of a history ------------------------------------------------------------------------------------- */

/* By field, then by version; the rest so that what a version added is found by halving. */
static int by_field(const void *a, const void *b)
{
    const ph_counter_op *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    if (x->version != y->version)
        return x->version < y->version ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return (x->n > y->n) - (x->n < y->n);
}

/* What came since the last time goes to its places. */
static void put_in_order(ph_counter_story *story)
{
    size_t fresh = story->ops.count - story->ordered;
    if (fresh == 0)
        return;
    ph_sort(&story->ops.at[story->ordered], fresh, sizeof *story->ops.at, by_field);
    ph_sort(story->ops.at, story->ops.count, sizeof *story->ops.at, by_field);
    story->ordered = story->ops.count;
}

/* The place of the first that is not before this version of this field. */
static size_t first_of(const ph_counter_story *story, uint32_t field, uint64_t version)
{
    size_t lo = 0, hi = story->ops.count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const ph_counter_op *op = &story->ops.at[mid];
        if (op->field < field || (op->field == field && op->version < version))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

prophet_code ph_counter_note(ph_counter_story *story, const ph_names *names, const ph_change *ch,
                             const uint64_t *versions, uint64_t version, prophet_error *err)
{
    for (size_t i = 0; i < ch->op_count; i++) {
        const ph_op *op = &ch->ops[i];
        ph_item value = { .kind = PH_INT, .i = op->amount };
        if (op->kind != PH_INC && ((op->kind != PH_ADD && op->kind != PH_REMOVE) ||
                                   !ph_value_open(op->value, &value) || value.kind != PH_INT))
            continue;
        uint64_t *over = ph_arena_alloc(&story->arena, (op->over.count + 1u) * sizeof *over);
        ph_counter_op one = { .version = version,
                              .field = ph_names_find(names, op->field),
                              .kind = op->kind,
                              .n = value.i,
                              .over = over,
                              .over_count = op->over.count };
        for (uint32_t k = 0; over && k < op->over.count; k++)
            over[k] = versions[op->over.pos[k]];
        if (!over || !PH_PUSH(story->ops, one))
            return ph_nomem(err);
    }
    return PROPHET_OK;
}

void ph_counter_story_clear(ph_counter_story *story)
{
    ph_free(story->ops.at);
    ph_arena_clear(&story->arena);
    *story = (ph_counter_story){ 0 };
}

static prophet_code note_version(ph_session *s, const ph_work_record *wr, uint64_t version,
                                 ph_counter_story *story, ph_arena *scratch, prophet_error *err)
{
    prophet_slice type = ph_names_get(s->r->names, wr->rec.type);
    ph_changeset cs;
    ph_id missing;
    ph_arena_reset(scratch);
    prophet_code rc = ph_session_look(s, version, scratch, &cs, err);
    const ph_change *ch =
        rc == PROPHET_OK && cs.has_body ? ph_changeset_change(&cs, type, &wr->rec.uuid) : NULL;
    if (!ch)
        return rc < 0 ? rc : PROPHET_OK;
    uint64_t *versions =
        ph_arena_alloc(scratch, (ph_changeset_names(&cs.header) + 1) * sizeof *versions);
    if (!versions)
        return ph_nomem(err);
    if ((rc = ph_apply_names_of(s, &cs, ch, versions, &missing, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    return ph_counter_note(story, s->r->names, ch, versions, version, err);
}

/* Lowers *from to the earliest changeset that an integer was removed from, among what was noted since `done`. */
static void reach_back(const ph_counter_story *story, size_t done, uint64_t *from)
{
    for (size_t i = done; i < story->ops.count; i++)
        for (uint32_t k = 0; story->ops.at[i].kind == PH_REMOVE && k < story->ops.at[i].over_count;
             k++)
            if (story->ops.at[i].over[k] < *from)
                *from = story->ops.at[i].over[k];
}

prophet_code ph_counter_story_read(ph_session *s, const ph_work_record *wr, uint64_t from,
                                   ph_counter_story *story, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT, rows = PH_ARENA_INIT;
    ph_history_entry *entries;
    size_t n, done = 0;
    prophet_code rc = ph_history_list(s->txn, wr->rec.number, &rows, &entries, &n, err);
    story->fresh = UINT64_MAX;
    for (size_t i = 0; i < s->history.count && rc >= 0; i++) {
        const ph_new_history *h = &s->history.at[i];
        if (h->number != wr->rec.number || !h->version || !h->offset_plus_1)
            continue;
        story->fresh = h->version < story->fresh ? h->version : story->fresh;
        rc = note_version(s, wr, h->version, story, &scratch, err);
    }
    reach_back(story, 0, &from);
    while (rc >= 0 && n-- > 0 && entries[n].version >= from) {
        done = story->ops.count;
        if (entries[n].offset_plus_1) /* it wrote, and did not only vote */
            rc = note_version(s, wr, entries[n].version, story, &scratch, err);
        reach_back(story, done, &from);
    }
    ph_arena_clear(&scratch);
    ph_arena_clear(&rows);
    put_in_order(story);
    return rc;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

typedef struct counting {
    const ph_counter_op *ops; /* of one field, by version */
    size_t count;
    ph_counter_step *steps; /* one a version that touched the field */
    bool *in_force;
    size_t step_count;
    ph_counter_mark *marks; /* of the last step, and room for how many */
    size_t mark_cap;
} counting;

static bool find_step(const counting *k, uint64_t version, size_t *at)
{
    size_t lo = 0, hi = k->step_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (k->steps[mid].version < version)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return lo < k->step_count && k->steps[lo].version == version;
}

/* An integer that the named changeset added is an element, taken out of a set. */
static bool added(const counting *k, uint64_t version, int64_t n)
{
    const ph_counter_op want = {
        .version = version, .field = k->ops->field, .kind = PH_ADD, .n = n
    };
    return bsearch(&want, k->ops, k->count, sizeof want, by_field) != NULL;
}

/* Room for `more` marks of the step. A peer may send millions: it doubles. */
static bool marks_room(counting *k, ph_counter_step *step, size_t more, ph_arena *a)
{
    size_t need = step->mark_count + more;
    if (step->mark_count > 0 && need <= k->mark_cap)
        return true;
    k->mark_cap = 2 * need;
    ph_counter_mark *marks = ph_arena_alloc(a, (k->mark_cap + 1) * sizeof *marks);
    if (marks && step->mark_count)
        memcpy(marks, step->marks, step->mark_count * sizeof *marks);
    step->marks = k->marks = marks;
    return marks != NULL;
}

static prophet_code add_marks(counting *k, ph_counter_step *step, const ph_counter_op *op,
                              ph_arena *a, prophet_error *err)
{
    size_t of;
    if (!marks_room(k, step, op->over_count, a))
        return ph_nomem(err);
    for (uint32_t i = 0; i < op->over_count && op->n != 0; i++)
        if (op->over[i] < op->version && find_step(k, op->over[i], &of) &&
            k->steps[of].increments && !added(k, op->over[i], op->n))
            k->marks[step->mark_count++] = (ph_counter_mark){ of, op->n };
    return PROPHET_OK;
}

/* What the story tells of the field before a version. The steps stay in the arena. */
static prophet_code count_field(counting *k, const ph_counter_story *story, uint32_t field,
                                uint64_t before, ph_arena *a, int64_t *sum, prophet_error *err)
{
    size_t from = first_of(story, field, 0);
    prophet_code rc = PROPHET_OK;
    *k = (counting){ .ops = story->ops.at + from, .count = first_of(story, field, before) - from };
    k->steps = ph_arena_alloc(a, (k->count + 1) * sizeof *k->steps);
    k->in_force = ph_arena_alloc(a, k->count + 1);
    if (!k->steps || !k->in_force)
        return ph_nomem(err);
    for (size_t i = 0; i < k->count && rc >= 0; i++) {
        const ph_counter_op *op = &k->ops[i];
        if (op->kind == PH_ADD)
            continue;
        if (k->step_count == 0 || k->steps[k->step_count - 1].version != op->version)
            k->steps[k->step_count++] = (ph_counter_step){ .version = op->version };
        ph_counter_step *step = &k->steps[k->step_count - 1];
        if (op->kind == PH_REMOVE) {
            rc = add_marks(k, step, op, a, err);
            continue;
        }
        step->increments = true;
        step->amount = op->n;
    }
    *sum = rc < 0 ? 0 : ph_counter_sum(k->steps, k->step_count, k->in_force);
    return rc;
}

prophet_code ph_counter_recount(ph_counter_story *story, ph_record *rec, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    put_in_order(story);
    for (uint32_t i = 0; i < rec->cell_count && rc >= 0; i++) {
        ph_cell *c = &rec->cells[i];
        counting k;
        ph_arena_reset(&scratch);
        if (c->is_counter &&
            (rc = count_field(&k, story, c->field, UINT64_MAX, &scratch, &c->counter, err)) >= 0)
            c->dirty = rec->dirty = true;
    }
    ph_arena_clear(&scratch);
    return rc;
}

/* The cell holds what counted before, and all that this session added to it: in its place comes what counts of both. */
static prophet_code count_cell_on(const ph_counter_story *story, ph_cell *c, ph_arena *a,
                                  prophet_error *err)
{
    counting now, before;
    int64_t sum, old;
    prophet_code rc = count_field(&before, story, c->field, story->fresh, a, &old, err);
    if (rc < 0 || (rc = count_field(&now, story, c->field, UINT64_MAX, a, &sum, err)) < 0)
        return rc;
    uint64_t total = (uint64_t)c->counter + (uint64_t)sum - (uint64_t)old;
    for (size_t k = before.count; k < now.count; k++)
        if (now.ops[k].kind == PH_INC)
            total -= (uint64_t)now.ops[k].n;
    c->counter = (int64_t)total;
    return PROPHET_OK;
}

static prophet_code count_on(const ph_counter_story *story, ph_record *rec, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    for (uint32_t i = 0; i < rec->cell_count && rc >= 0; i++) {
        ph_cell *c = &rec->cells[i];
        ph_arena_reset(&scratch);
        if (c->is_counter && (rc = count_cell_on(story, c, &scratch, err)) >= 0)
            c->dirty = rec->dirty = true;
    }
    ph_arena_clear(&scratch);
    return rc;
}

prophet_code ph_counter_flush(ph_session *s, ph_work_record *wr, prophet_error *err)
{
    ph_counter_story story = { 0 };
    prophet_error why = { 0 };
    bool whole = wr->mended || s->r->past; /* a past record is made from nothing */
    prophet_code rc = ph_counter_story_read(s, wr, whole ? 0 : UINT64_MAX, &story, &why);
    if (rc >= 0)
        rc = whole ? ph_counter_recount(&story, &wr->rec, &why) : count_on(&story, &wr->rec, &why);
    wr->recount = wr->mended = false;
    ph_counter_story_clear(&story);
    if (rc < 0 && rc != PROPHET_ECORRUPT &&
        err) /* what damage took cannot be counted: as it stands */
        *err = why;
    return rc == PROPHET_ECORRUPT ? PROPHET_OK : rc;
}

prophet_code ph_counter_in_force(const ph_counter_story *story, uint32_t field, uint64_t version,
                                 bool *yes, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    counting k;
    int64_t sum;
    size_t at;
    prophet_code rc = count_field(&k, story, field, UINT64_MAX, &scratch, &sum, err);
    *yes = rc >= 0 && (!find_step(&k, version, &at) || k.in_force[at]);
    ph_arena_clear(&scratch);
    return rc;
}
