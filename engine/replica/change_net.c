/* Nets the notes of a change into one changeset: one change a record, one operation a cell, one mention of an element.
 * Called by change_commit.c. */
#include "replica/change_impl.h"
#include <stdlib.h>

typedef struct netting {
    ph_change_txn *c;
    ph_arena *a;
    ph_changeset *cs;
    uint64_t *versions; /* named by anything, sorted, unique */
    size_t version_count;
    uint32_t *positions; /* of versions[i] in the changeset's names */
    uint64_t *names;     /* version of each position */
} netting;

/* ---- names: versions to positions ------------------------------------------------------------------------------------ */

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

typedef struct ref {
    ph_id id;
    uint64_t version;
} ref;

static int by_ref(const void *a, const void *b)
{
    return memcmp(((const ref *)a)->id.b, ((const ref *)b)->id.b, 32);
}

static prophet_code collect_versions(netting *n, prophet_error *err)
{
    const ph_change_txn *c = n->c;
    size_t total = 0, at = 0;
    for (size_t i = 0; i < c->notes.count; i++)
        total += c->notes.at[i].over_count + c->notes.at[i].pend->life_count;
    for (size_t i = 0; i < c->votes.count; i++)
        total += c->votes.at[i].head_count;
    uint64_t *v = n->versions = ph_arena_alloc(n->a, (total + 1) * sizeof *v);
    if (!v)
        return ph_nomem(err);
    for (size_t i = 0; i < c->notes.count; i++) {
        const ph_note *note = &c->notes.at[i];
        for (uint32_t k = 0; k < note->over_count; k++)
            v[at++] = note->over[k];
        for (uint32_t k = 0; k < note->pend->life_count; k++)
            v[at++] = note->pend->life[k].version;
    }
    for (size_t i = 0; i < c->votes.count; i++)
        for (uint32_t k = 0; k < c->votes.at[i].head_count; k++)
            v[at++] = c->votes.at[i].heads[k];
    qsort(v, at, sizeof *v, by_u64);
    for (size_t i = 0; i < at; i++)
        if (v[i] != c->version && (n->version_count == 0 || v[n->version_count - 1] != v[i]))
            v[n->version_count++] = v[i];
    return PROPHET_OK;
}

/* Fills header.refs; positions and names follow prev, parents, refs. */
static prophet_code collect_refs(netting *n, prophet_error *err)
{
    ph_header *h = &n->cs->header;
    size_t fixed = ph_changeset_names(h), count = 0;
    ref *refs = ph_arena_alloc(n->a, (n->version_count + 1) * sizeof *refs);
    ph_id *ids = ph_arena_alloc(n->a, (n->version_count + 1) * sizeof *ids);
    n->positions = ph_arena_alloc(n->a, (n->version_count + 1) * sizeof *n->positions);
    n->names = ph_arena_alloc(n->a, (n->version_count + fixed + 1) * sizeof *n->names);
    if (!refs || !ids || !n->positions || !n->names)
        return ph_nomem(err);
    for (size_t i = 0; i < n->version_count; i++) {
        ph_changeset_row row;
        prophet_code rc = ph_session_changeset_row(n->c->s, n->versions[i], &row, err);
        if (rc < 0)
            return rc;
        int64_t pos = ph_changeset_position(h, &row.id);
        n->positions[i] = (uint32_t)pos;
        if (pos < 0) {
            refs[count].id = row.id;
            refs[count++].version = n->versions[i];
        }
    }
    qsort(refs, count, sizeof *refs, by_ref);
    for (size_t i = 0; i < count; i++) {
        uint64_t *at =
            bsearch(&refs[i].version, n->versions, n->version_count, sizeof *n->versions, by_u64);
        ids[i] = refs[i].id;
        n->positions[at - n->versions] = (uint32_t)(fixed + i);
    }
    h->refs = ids;
    h->ref_count = count;
    ph_id missing;
    return ph_apply_names(n->c->s, n->cs, n->names, &missing, err);
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static prophet_code to_over(netting *n, uint64_t *versions, size_t count, ph_over *out,
                            prophet_error *err)
{
    uint32_t *pos = ph_arena_alloc(n->a, (count + 1) * sizeof *pos);
    size_t kept = 0;
    if (!pos)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++) {
        uint64_t *at =
            bsearch(&versions[i], n->versions, n->version_count, sizeof *n->versions, by_u64);
        if (at)
            pos[kept++] = n->positions[at - n->versions];
    }
    if (kept > 1)
        qsort(pos, kept, sizeof *pos, by_u32);
    size_t unique = 0;
    for (size_t i = 0; i < kept; i++)
        if (unique == 0 || pos[unique - 1] != pos[i])
            pos[unique++] = pos[i];
    out->pos = pos;
    out->count = (uint32_t)unique;
    return PROPHET_OK;
}

/* ---- notes of one record to one change ----------------------------------------------------------------------------------- */

typedef struct ordered {
    const ph_note *note;
    size_t seq;
} ordered;
typedef struct group {
    const ph_pend_record *pend;
    size_t first, count;
} group; /* notes of one record that lie together */

static int cell_class(const ph_note *n)
{
    return n->kind != PH_N_OP ? 0 : n->op <= PH_UNSET ? 1 : n->op == PH_INC ? 2 : 3;
}

static int cmp_record(const ph_pend_record *x, const ph_pend_record *y)
{
    int c = x->type_id == y->type_id ? 0 : ph_name_cmp(x->type, y->type);
    return c ? c : memcmp(x->uuid.b, y->uuid.b, 16);
}

static int by_record(const void *a, const void *b)
{
    const group *x = a, *y = b;
    int c = cmp_record(x->pend, y->pend);
    return c ? c : (x->first > y->first) - (x->first < y->first);
}

static int by_cell(const void *a, const void *b)
{
    const ordered *x = a, *y = b;
    const ph_note *m = x->note, *n = y->note;
    int c = cell_class(m) - cell_class(n);
    if (c == 0 && cell_class(m) > 0)
        c = ph_name_cmp(m->field, n->field);
    if (c == 0 && cell_class(m) == 3)
        c = ph_slice_cmp(m->value, n->value);
    return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static bool same_cell(const ph_note *a, const ph_note *b)
{
    return cell_class(a) == cell_class(b) && ph_slice_eq(a->field, b->field) &&
           (cell_class(a) != 3 || ph_slice_eq(a->value, b->value));
}

/* The notes of one cell, in order: the last says what, all together say over what. */
static prophet_code net_cell(netting *n, const ordered *at, size_t count, ph_op *op, bool *drop,
                             prophet_error *err)
{
    const ph_note *last = at[count - 1].note;
    size_t total = 0, k = 0;
    prophet_code rc;
    *op = (ph_op){ .kind = last->op, .field = last->field, .value = last->value };
    for (size_t i = 0; i < count; i++) {
        total += at[i].note->over_count;
        op->amount = (int64_t)((uint64_t)op->amount + (uint64_t)at[i].note->amount);
    }
    uint64_t *over = ph_arena_alloc(n->a, (total + 1) * sizeof *over);
    if (!over)
        return ph_nomem(err);
    for (size_t i = 0; i < count; i++)
        for (uint32_t v = 0; v < at[i].note->over_count; v++)
            over[k++] = at[i].note->over[v];
    if ((rc = to_over(n, over, total, &op->over, err)) < 0)
        return rc;
#ifdef PH_PLANT_last_increment
    op->amount = last->amount;
#endif
    *drop = op->kind == PH_REMOVE && op->over.count == 0; /* added and removed here */
    return PROPHET_OK;
}

static prophet_code net_life(netting *n, const ordered *at, size_t lives, ph_change *ch, bool *drop,
                             prophet_error *err)
{
    const ph_pend_record *p = at[0].note->pend;
    bool all = false, dead = false, created = false;
    uint64_t *over = ph_arena_alloc(n->a, (p->life_count + 1u) * sizeof *over);
    size_t k = 0;
    if (!over)
        return ph_nomem(err);
    for (size_t i = 0; i < lives; i++) {
        ph_note_kind kind = at[i].note->kind;
        all = all || kind != PH_N_UPDATE;
        dead = kind == PH_N_DELETE;
        created = created || kind == PH_N_CREATE;
    }
    for (uint32_t i = 0; i < p->life_count; i++)
        if (p->life[i].version != n->c->version && (all || p->life[i].alive))
            over[k++] = p->life[i].version;
    ch->type = p->type;
    ch->record = p->uuid;
    ch->action = dead ? PH_DELETE : created ? PH_CREATE : PH_UPDATE;
    *drop = dead && !p->was_alive && p->life_count <= 1; /* it was not there before either */
    return to_over(n, over, k, &ch->over, err);
}

static prophet_code net_record(netting *n, const ordered *at, size_t count, ph_change *ch,
                               bool *drop, prophet_error *err)
{
    size_t lives = 0;
    prophet_code rc;
    while (lives < count && at[lives].note->kind != PH_N_OP)
        lives++;
    ph_require(lives > 0);
    if ((rc = net_life(n, at, lives, ch, drop, err)) < 0 || *drop || ch->action == PH_DELETE)
        return rc;
    ph_op *ops = ph_arena_alloc(n->a, (count - lives + 1) * sizeof *ops);
    if (!ops)
        return ph_nomem(err);
    for (size_t i = lives; i < count;) {
        size_t k = i + 1;
        bool none = false;
        while (k < count && same_cell(at[i].note, at[k].note))
            k++;
        if ((rc = net_cell(n, &at[i], k - i, &ops[ch->op_count], &none, err)) < 0)
            return rc;
        ch->op_count += !none;
        i = k;
    }
    ph_ops_sort(ops, ch->op_count);
    ch->ops = ops;
    return PROPHET_OK;
}

/* Notes come record by record mostly: runs are sorted, not notes. */
static size_t find_groups(const ph_change_txn *c, group *at)
{
    size_t n = 0;
    for (size_t i = 0; i < c->notes.count; i++) {
        const ph_pend_record *p = c->notes.at[i].pend;
        if (n == 0 || at[n - 1].pend != p)
            at[n++] = (group){ p, i, 0 };
        at[n - 1].count++;
    }
    for (size_t i = 1; i < n; i++) {
        if (by_record(&at[i - 1], &at[i]) > 0) {
            qsort(at, n, sizeof *at, by_record);
            break;
        }
    }
    return n;
}

static void sort_notes(ordered *at, size_t count)
{
    bool sorted = true;
    for (size_t i = 1; i < count; i++) {
        if (count <= 32) { /* few fields: by insertion */
            ordered o = at[i];
            size_t k = i;
            for (; k > 0 && by_cell(&at[k - 1], &o) > 0; k--)
                at[k] = at[k - 1];
            at[k] = o;
        } else
            sorted = sorted && by_cell(&at[i - 1], &at[i]) <= 0;
    }
    if (!sorted)
        qsort(at, count, sizeof *at, by_cell);
}

/* The notes of groups[0..n), all of one record, by cell and then in the order they were made; the operations of a create are
 * spelled out. */
static prophet_code order_notes(netting *n, const group *groups, size_t count, ordered **out,
                                size_t *out_count, prophet_error *err)
{
    const ph_change_txn *c = n->c;
    size_t total = 0, at = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            total += 1 + c->notes.at[groups[g].first + i].op_count;
    ordered *list = ph_arena_alloc(n->a, total * sizeof *list);
    ph_note *spelled = ph_arena_alloc(n->a, total * sizeof *spelled);
    if (!list || !spelled)
        return ph_nomem(err);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            const ph_note *note = &c->notes.at[groups[g].first + i];
            list[at] = (ordered){ note, at };
            at++;
            for (size_t k = 0; k < note->op_count; k++) {
                *spelled = (ph_note){ .pend = note->pend,
                                      .kind = PH_N_OP,
                                      .op = note->ops[k].kind,
                                      .field = note->ops[k].field,
                                      .value = note->ops[k].value };
                list[at] = (ordered){ spelled++, at };
                at++;
            }
        }
    }
    sort_notes(list, total);
    *out = list;
    *out_count = total;
    return PROPHET_OK;
}

/* A record that was only created: its operations are there already. */
static bool plain_create(const ph_change_txn *c, const group *g, size_t count, ph_change *ch)
{
    const ph_note *note = &c->notes.at[g->first];
    if (count != 1 || g->count != 1 || note->kind != PH_N_CREATE || g->pend->life_count)
        return false;
    ph_ops_sort(note->ops, note->op_count);
    *ch = (ph_change){ .type = g->pend->type,
                       .record = g->pend->uuid,
                       .action = PH_CREATE,
                       .ops = note->ops,
                       .op_count = note->op_count };
    return true;
}

static prophet_code net_group(netting *n, const group *groups, size_t count, ph_change *ch,
                              bool *drop, prophet_error *err)
{
    ordered *notes = NULL;
    size_t m = 0;
    prophet_code rc;
    if (plain_create(n->c, groups, count, ch))
        return PROPHET_OK;
    if ((rc = order_notes(n, groups, count, &notes, &m, err)) < 0)
        return rc;
    return net_record(n, notes, m, ch, drop, err);
}

static prophet_code net_changes(netting *n, prophet_error *err)
{
    const ph_change_txn *c = n->c;
    ph_body *body = &n->cs->body;
    group *groups = ph_arena_alloc(n->a, (c->notes.count + 1) * sizeof *groups);
    if (!groups)
        return ph_nomem(err);
    size_t count = find_groups(c, groups);
    if (!(body->changes = ph_arena_zalloc(n->a, (count + 1) * sizeof *body->changes)))
        return ph_nomem(err);
    for (size_t i = 0; i < count;) {
        size_t k = i + 1;
        bool drop = false;
        while (k < count && cmp_record(groups[i].pend, groups[k].pend) == 0)
            k++;
        prophet_code rc =
            net_group(n, &groups[i], k - i, &body->changes[body->change_count], &drop, err);
        if (rc < 0)
            return rc;
        if (drop)
            memset(&body->changes[body->change_count], 0, sizeof *body->changes);
        body->change_count += !drop;
        i = k;
    }
    return PROPHET_OK;
}

static prophet_code net_votes(netting *n, prophet_error *err)
{
    const ph_change_txn *c = n->c;
    ph_vote *votes = ph_arena_zalloc(n->a, (c->votes.count + 1) * sizeof *votes);
    if (!votes)
        return ph_nomem(err);
    size_t count = 0;
    for (size_t i = 0; i < c->votes.count; i++) {
        const ph_noted_vote *v = &c->votes.at[i];
        if (!ph_change_vote_stands(c, i))
            continue;
        ph_vote *to = &votes[count++];
        to->type = v->cast.type;
        to->record = v->cast.record;
        to->field = v->cast.field;
        to->choice = v->cast.choice;
        to->by_resolver = v->cast.resolver.len > 0;
        to->resolver = v->cast.resolver;
        to->resolver_hash = v->cast.resolver_hash;
        to->reason = v->cast.reason;
        prophet_code rc =
            to_over(n, (uint64_t *)(uintptr_t)v->heads, v->head_count, &to->heads, err);
        if (rc < 0)
            return rc;
    }
    ph_votes_sort(votes, count);
    n->cs->body.votes = votes;
    n->cs->body.vote_count = count;
    return PROPHET_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------- */

prophet_code ph_change_net(ph_change_txn *c, ph_changeset *cs, uint64_t **names, ph_buf *bytes,
                           prophet_error *err)
{
    netting n = { .c = c, .a = &c->arena, .cs = cs };
    ph_body *b = &cs->body;
    prophet_code rc;
    if ((rc = ph_author_header(c->s, &cs->header, err)) < 0 ||
        (rc = collect_versions(&n, err)) < 0 || (rc = collect_refs(&n, err)) < 0 ||
        (rc = net_changes(&n, err)) < 0 || (rc = net_votes(&n, err)) < 0)
        return rc;
    *names = n.names;
    if (b->change_count == 0 && b->vote_count == 0)
        return PROPHET_DONE;
    b->time = ph_replica_now(c->r);
    b->author = ph_slice_str(c->r->user);
    b->message = ph_buf_slice(&c->message);
    if ((rc = ph_replica_random(c->r, b->salt, sizeof b->salt, err)) < 0 ||
        (rc = ph_body_encode(b, ph_changeset_names(&cs->header), bytes, err)) < 0)
        return rc;
    cs->body_bytes = ph_buf_slice(bytes);
    return PROPHET_OK;
}
