/* Writers that keep to the format and to nothing else: they name heads they like, mix kinds of operations, vote on anything, claim to
 * succeed each other, fork. What they write is valid, signed, and must mean the same to everybody. */
#include "simulator.h"
#include <stdlib.h>

#define MOST 40 /* versions one cell names */

typedef struct draft {
    sim *s;
    ph_view *v;
    ph_changeset cs;
    ph_change changes[4];
    ph_vote votes[4];
} draft;

/* ---- what to name: versions first, positions later --------------------------------------------------------------- */

typedef struct picked {
    uint32_t *at;
    uint32_t count;
} picked;

static void pick(draft *d, picked *p, uint64_t version)
{
    if (!p->at)
        p->at = ph_arena_alloc(&d->s->arena, MOST * sizeof *p->at);
    for (uint32_t i = 0; i < p->count; i++)
        if (p->at[i] == version)
            return;
    if (version > 0 && version <= d->v->state.version && p->count < MOST)
        p->at[p->count++] = (uint32_t)version;
}

static void pick_any(draft *d, picked *p)
{
    uint64_t last = d->v->state.version;
    pick(d, p,
         sim_chance(d->s, 50) ? 1 + sim_below(d->s, last)
                              : last - sim_below(d->s, last < 8 ? last : 8));
}

/* All, some or none of these; now and then others. */
static void pick_heads(draft *d, picked *p, const ph_cell *c)
{
    unsigned part = sim_chance(d->s, 70) ? 100 : 50;
    for (uint32_t i = 0; c && c->is_register && i < c->head_count; i++)
        if (sim_chance(d->s, part))
            pick(d, p, c->heads[i].version);
    while (sim_chance(d->s, 10))
        pick_any(d, p);
}

static void pick_adds(draft *d, picked *p, const ph_element *e)
{
    for (uint32_t i = 0; e && i < e->add_count; i++)
        if (sim_chance(d->s, 80))
            pick(d, p, e->adds[i]);
    while (sim_chance(d->s, 10))
        pick_any(d, p);
}

static ph_over over(const picked *p)
{
    return (ph_over){ p->at, p->count };
}

/* ---- the record as its node has it -------------------------------------------------------------------------------- */

typedef struct target {
    prophet_slice type;
    ph_uuid id;
    ph_record rec;
    bool here;
} target;

static ph_uuid natural(sim *s, const char *type, const char *name)
{
    ph_hasher *h;
    ph_uuid id;
    ph_buf key = PH_BUF_INIT;
    ph_put_list(&key, 1);
    ph_put_text(&key, ph_slice_str(name));
    MUST(s, ph_hasher_new(&h, &s->err));
    MUST(s, ph_uuid_v5(h, &s->database, ph_slice_str(type), sim_take(s, &key), &id, &s->err));
    ph_hasher_free(h);
    return id;
}

static void aim(draft *d, target *t)
{
    sim *s = d->s;
    unsigned what = (unsigned)sim_below(s, 100);
    char hex[65];
    memset(t, 0, sizeof *t);
    if (what < 70 && s->record_count) {
        const sim_record *r = &s->records[sim_below(s, s->record_count)];
        t->type = ph_slice_str(r->type);
        t->id = r->id;
    } else if (what < 80) {
        t->type = ph_slice_str(sim_chance(s, 50) ? "odd" : "item");
        memset(t->id.b, (int)sim_below(s, 3), sizeof t->id.b);
    } else if (what < 90) {
        t->type = ph_slice_str("_type");
        t->id = natural(s, "_type", sim_chance(s, 50) ? "item" : "named");
    } else {
        t->type = ph_slice_str("_voter");
        ph_hex(ph_replica_key(sim_any(s)->r)->b, 32, hex);
        t->id = natural(s, "_voter", hex);
    }
    uint32_t type = ph_names_find(d->v->names, t->type);
    t->here =
        type && ph_record_load(d->v->txn, type, &t->id, &s->arena, &t->rec, &s->err) == PROPHET_OK;
}

static ph_cell *cell_of(draft *d, target *t, prophet_slice field)
{
    uint32_t id = ph_names_find(d->v->names, field);
    ph_cell *c = !t->here         ? NULL
                 : field.len == 0 ? &t->rec.life
                 : id             ? ph_record_cell(&t->rec, id)
                                  : NULL;
    if (c)
        MUST(d->s, ph_cell_load(d->v->txn, &t->rec, c, &d->s->arena, &d->s->err));
    return c;
}

/* ---- operations ------------------------------------------------------------------------------------------------------ */

static prophet_slice some_field(sim *s, prophet_slice type)
{
    static const char *const plain[] = { "title", "n",    "x",    "note",  "list",
                                         "tags",  "many", "hits", "value", "zz" };
    static const char *const types[] = { "rule.title", "rule.n", "life",
                                         "name",       "kind.n", "rule.value" };
    static const char *const voters[] = { "weight", "replica" };
    if (ph_slice_eq(type, ph_slice_str("_type")))
        return ph_slice_str(types[sim_below(s, 6)]);
    if (ph_slice_eq(type, ph_slice_str("_voter")))
        return ph_slice_str(voters[sim_below(s, 100) < 85 ? 0 : 1]);
    return ph_slice_str(plain[sim_below(s, 10)]);
}

static prophet_slice some_value(sim *s, prophet_slice type, prophet_slice field)
{
    static const char *const words[] = { "max",    "min",       "first",      "longest",
                                         "latest", "dead-wins", "alive-wins", "bogus",
                                         "item",   "named",     "int",        "text" };
    ph_buf b = PH_BUF_INIT;
    if (ph_slice_eq(type, ph_slice_str("_type")) && sim_chance(s, 90))
        return sim_text(s, words[sim_below(s, 12)]);
    if (ph_slice_eq(type, ph_slice_str("_voter")) && sim_chance(s, 90))
        return sim_int(s, sim_chance(s, 10)   ? -1
                          : sim_chance(s, 10) ? 1 << 21
                                              : (int64_t)sim_below(s, 5));
    if (sim_chance(s, 10)) { /* a map in a list */
        ph_put_list(&b, 1);
        ph_put_map(&b, 1);
        ph_put_text(&b, ph_slice_str("a"));
        ph_put_bytes(&b, ph_slice("\1\2", 2));
        return sim_take(s, &b);
    }
    return sim_value_for(s, type, sim_chance(s, 80) ? field : ph_slice_str("x"));
}

/* What a revert writes: an integer that names changesets of this record, whatever these did. */
static void take_back(draft *d, const target *t, ph_op *op, picked *p)
{
    sim *s = d->s;
    ph_history_entry *entries;
    size_t n;
    op->value = sim_int(s, (int64_t)sim_below(s, 4) - 1);
    MUST(s, ph_history_list(d->v->txn, t->rec.number, &s->arena, &entries, &n, &s->err));
    do
        pick(d, p, entries[n - 1 - sim_below(s, n < 6 || sim_chance(s, 20) ? n : 6)].version);
    while (sim_chance(s, 25));
}

static void some_op(draft *d, target *t, ph_op *op)
{
    sim *s = d->s;
    picked p = { 0 };
    unsigned what = (unsigned)sim_below(s, 100);
    op->field = some_field(s, t->type);
    ph_cell *c = cell_of(d, t, op->field);
    op->kind = what < 45   ? PH_SET
               : what < 60 ? PH_UNSET
               : what < 70 ? PH_INC
               : what < 90 ? PH_ADD
                           : PH_REMOVE;
    if (op->kind == PH_SET || op->kind == PH_ADD || op->kind == PH_REMOVE)
        op->value = some_value(s, t->type, op->field);
    if (op->kind == PH_SET && c && c->is_register && c->head_count && sim_chance(s, 35))
        op->value = c->heads[sim_below(s, c->head_count)].value;
    if (op->kind == PH_SET && op->value.len == 0)
        op->value = sim_int(s, 0);
    if (op->kind == PH_INC) {
        op->amount = (int64_t)sim_below(s, 9) - 4;
        op->amount = op->amount ? op->amount : INT64_MIN;
        return;
    }
    const ph_element *e =
        c && c->is_set && c->element_count ? &c->elements[sim_below(s, c->element_count)] : NULL;
    if (op->kind == PH_REMOVE && c && c->is_counter && sim_chance(s, 60)) {
        take_back(d, t, op, &p);
    } else if (op->kind == PH_ADD || op->kind == PH_REMOVE) {
        if (e && sim_chance(s, 80))
            op->value = e->value;
        for (uint32_t i = 0; c && c->is_set && i < c->element_count; i++)
            if (ph_slice_eq(c->elements[i].value, op->value))
                pick_adds(d, &p, &c->elements[i]);
        if (op->kind == PH_REMOVE && p.count == 0)
            pick_any(d, &p);
    } else {
        pick_heads(d, &p, c);
        for (uint32_t i = 0; op->kind == PH_UNSET && c && c->is_set && i < c->element_count; i++)
            if (sim_chance(s, 70))
                pick_adds(d, &p, &c->elements[i]);
    }
    op->over = over(&p);
}

static bool clash(const ph_op *a, const ph_op *b)
{
    bool x = a->kind <= PH_UNSET, y = b->kind <= PH_UNSET;
    if (!ph_slice_eq(a->field, b->field))
        return false;
    if (x || y)
        return x && y;
    return a->kind == PH_INC || b->kind == PH_INC ? a->kind == b->kind
                                                  : ph_slice_eq(a->value, b->value);
}

static void some_change(draft *d, ph_change *ch)
{
    sim *s = d->s;
    target t;
    picked p = { 0 };
    size_t want = 1 + sim_below(s, 4);
    aim(d, &t);
    ph_op *ops = ph_arena_zalloc(&s->arena, want * sizeof *ops);
    ch->type = t.type;
    ch->record = t.id;
    ch->action = sim_chance(s, 15) ? PH_DELETE : sim_chance(s, 30) ? PH_CREATE : PH_UPDATE;
    pick_heads(d, &p, cell_of(d, &t, ph_slice(NULL, 0)));
    ch->over = over(&p);
    for (size_t i = 0; i < want && ch->action != PH_DELETE; i++) {
        bool bad = false;
        memset(&ops[ch->op_count], 0, sizeof *ops);
        some_op(d, &t, &ops[ch->op_count]);
        for (size_t k = 0; k < ch->op_count; k++)
            bad = bad || clash(&ops[k], &ops[ch->op_count]);
        ch->op_count += !bad;
    }
    ch->ops = ops;
    ph_ops_sort(ops, ch->op_count);
}

static void some_vote(draft *d, ph_vote *v)
{
    static const uint8_t hash[32] = { 7 };
    sim *s = d->s;
    target t;
    picked p = { 0 };
    aim(d, &t);
    v->type = t.type;
    v->record = t.id;
    v->field = sim_chance(s, 30) ? ph_slice(NULL, 0) : some_field(s, t.type);
    ph_cell *c = cell_of(d, &t, v->field);
    pick_heads(d, &p, c);
    if (p.count == 0)
        pick_any(d, &p);
    v->heads = over(&p);
    if (v->field.len == 0)
        v->choice = sim_text(s, sim_chance(s, 50) ? "alive" : "dead");
    else if (c && c->is_register && c->head_count && sim_chance(s, 75))
        v->choice = c->heads[sim_below(s, c->head_count)].value;
    else if (sim_chance(s, 80))
        v->choice = some_value(s, t.type, v->field);
    v->by_resolver = sim_chance(s, 50);
    if (v->by_resolver) {
        v->resolver = ph_slice_str("ghost");
        v->resolver_hash = ph_slice(hash, 32);
    }
    v->reason = ph_slice_str(sim_chance(s, 50) ? "" : "boo");
}

/* ---- header --------------------------------------------------------------------------------------------------------------- */

static ph_id id_of(draft *d, uint64_t version)
{
    ph_changeset_row row;
    MUST(d->s, ph_changesets_get(d->v->txn, version, &row, &d->s->err));
    return row.id;
}

/* A chain's tip that its node has, or the start of another. */
static void some_prev(draft *d, ph_header *h)
{
    ph_chain_head *heads;
    size_t n;
    h->seq = 1;
    if (sim_chance(d->s, 5))
        return;
    MUST(d->s, ph_view_chains(d->v, &d->s->arena, &heads, &n, &d->s->err));
    for (size_t i = 0; i < n; i++) {
        if (!ph_id_eq(&heads[i].replica, &h->replica) || (h->has_prev && sim_chance(d->s, 50)))
            continue;
        h->has_prev = true;
        h->prev = heads[i].id;
        h->seq = heads[i].seq + 1;
    }
}

static int by_id(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

static size_t add_id(ph_id *ids, size_t n, const ph_header *h, ph_id id)
{
    if (h->has_prev && ph_id_eq(&h->prev, &id))
        return n;
    for (size_t i = 0; i < n; i++)
        if (ph_id_eq(&ids[i], &id))
            return n;
    ids[n] = id;
    return n + 1;
}

static void some_parents(draft *d, ph_header *h)
{
    sim *s = d->s;
    size_t n = 0, room = d->v->state.frontier_count + 4;
    ph_id *ids = ph_arena_alloc(&s->arena, room * sizeof *ids);
    bool all = sim_chance(s, 60);
    for (uint32_t i = 0; i < d->v->state.frontier_count; i++)
        if (all || sim_chance(s, 40))
            n = add_id(ids, n, h, id_of(d, d->v->state.frontier[i]));
    for (size_t i = 0; i < 3 && sim_chance(s, 30); i++)
        n = add_id(ids, n, h, id_of(d, 1 + sim_below(s, d->v->state.version)));
    qsort(ids, n, sizeof *ids, by_id);
    h->parents = ids;
    h->parent_count = n;
}

static void each_over(draft *d, void (*fn)(draft *d, ph_over *o, void *ctx), void *ctx)
{
    for (size_t i = 0; i < d->cs.body.change_count; i++) {
        ph_change *ch = &d->changes[i];
        fn(d, &ch->over, ctx);
        for (size_t k = 0; k < ch->op_count; k++)
            fn(d, (ph_over *)(uintptr_t)&ch->ops[k].over, ctx);
    }
    for (size_t i = 0; i < d->cs.body.vote_count; i++)
        fn(d, &d->votes[i].heads, ctx);
}

typedef struct refs {
    ph_id *ids;
    size_t count;
} refs;

static void collect(draft *d, ph_over *o, void *ctx)
{
    refs *r = ctx;
    for (uint32_t i = 0; i < o->count; i++) {
        ph_id id = id_of(d, o->pos[i]);
        if (ph_changeset_position(&d->cs.header, &id) < 0)
            r->count = add_id(r->ids, r->count, &d->cs.header, id);
    }
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void place(draft *d, ph_over *o, void *ctx)
{
    uint32_t *pos = ph_arena_alloc(&d->s->arena, (o->count + 1) * sizeof *pos);
    (void)ctx;
    for (uint32_t i = 0; i < o->count; i++) {
        ph_id id = id_of(d, o->pos[i]);
        pos[i] = (uint32_t)ph_changeset_position(&d->cs.header, &id);
    }
    qsort(pos, o->count, sizeof *pos, by_u32);
    o->pos = pos;
}

static void name_all(draft *d)
{
    refs r = { ph_arena_alloc(&d->s->arena, (size_t)(d->v->state.version + 1) * sizeof *r.ids), 0 };
    each_over(d, collect, &r);
    qsort(r.ids, r.count, sizeof *r.ids, by_id);
    d->cs.header.refs = r.ids;
    d->cs.header.ref_count = r.count;
    each_over(d, place, NULL);
}

/* ---- sending ---------------------------------------------------------------------------------------------------------------- */

static void send(draft *d, ph_intake *in, const ph_keypair *keys)
{
    sim *s = d->s;
    ph_buf body = PH_BUF_INIT, scratch = PH_BUF_INIT, frame = PH_BUF_INIT;
    ph_frame_context ctx = { .has_last = false }, read = { .has_last = false };
    ph_hasher *h;
    uint8_t sig[64];
    name_all(d);
    ph_changes_sort(d->changes, d->cs.body.change_count);
    ph_votes_sort(d->votes, d->cs.body.vote_count);
    d->cs.body.changes = d->changes;
    d->cs.body.votes = d->votes;
    d->cs.body.author = ph_slice_str("ghost");
    MUST(s, ph_random(d->cs.body.salt, sizeof d->cs.body.salt, &s->err));
    MUST(s, ph_body_encode(&d->cs.body, ph_changeset_names(&d->cs.header), &body, &s->err));
    d->cs.body_bytes = ph_buf_slice(&body);
    d->cs.has_body = true;
    MUST(s, ph_hasher_new(&h, &s->err));
    MUST(s, ph_changeset_seal(h, &d->cs, &scratch, &s->err));
    ph_hasher_free(h);
    if (s->verbose) {
        ph_buf json = PH_BUF_INIT;
        ph_json_changeset(&json, &d->cs, 0, 0);
        sim_note(s, "%.*s", (int)json.len, (char *)json.data);
        ph_buf_clear(&json);
    }
    MUST(s, ph_signature_make(keys, &d->cs.id, sig, &s->err));
    ph_frame_encode(&d->cs, &ctx, &frame);
    MUST(s, ph_intake_frame(in, PH_FRAME_CHANGESET, ph_buf_slice(&frame), &read, &s->err));
    MUST(s, ph_intake_signature(in, &d->cs.id, sig, &s->err));
    ph_buf_clear(&body);
    ph_buf_clear(&scratch);
    ph_buf_clear(&frame);
}

static ph_keypair *key_of(sim *s, size_t g)
{
    uint8_t seed[32] = { 0 };
    memcpy(seed, &s->seed, sizeof s->seed);
    seed[31] = (uint8_t)(g + 1);
    if (!s->ghosts[g])
        MUST(s, ph_keypair_from_seed(seed, &s->ghosts[g], &s->err));
    return s->ghosts[g];
}

static void begin(draft *d, sim *s, ph_view *v, const ph_keypair *keys)
{
    memset(d, 0, sizeof *d);
    d->s = s;
    d->v = v;
    d->cs.header.format = PH_FORMAT;
    d->cs.header.database = s->database;
    ph_keypair_public(keys, d->cs.header.replica.b);
}

/* Several drafts must not name one record or cell twice. */
static void fill(draft *d)
{
    sim *s = d->s;
    size_t changes = 1 + sim_below(s, 3), votes = sim_below(s, 3);
    for (size_t i = 0; i < changes; i++) {
        ph_change *ch = &d->changes[d->cs.body.change_count];
        bool twice = false;
        memset(ch, 0, sizeof *ch);
        some_change(d, ch);
        for (ph_change *o = d->changes; o < ch; o++)
            twice =
                twice || (ph_slice_eq(o->type, ch->type) && ph_uuid_eq(&o->record, &ch->record));
        d->cs.body.change_count += !twice;
    }
    for (size_t i = 0; i < votes; i++) {
        ph_vote *v = &d->votes[d->cs.body.vote_count];
        bool twice = false;
        memset(v, 0, sizeof *v);
        some_vote(d, v);
        for (ph_vote *o = d->votes; o < v; o++)
            twice = twice || (ph_slice_eq(o->type, v->type) && ph_uuid_eq(&o->record, &v->record) &&
                              ph_slice_eq(o->field, v->field));
        d->cs.body.vote_count += !twice;
    }
}

static void receive(sim *s, sim_node *n, ph_intake *in, uint64_t want)
{
    ph_intake_report rep;
    MUST(s, ph_intake_finish(in, &rep, &s->err));
    ph_intake_free(in);
    if (rep.changesets != want)
        sim_fail(s, "of %llu ghost changesets %llu were applied", (unsigned long long)want,
                 (unsigned long long)rep.changesets);
    sim_watch(s, n);
}

void sim_ghost(sim *s)
{
    sim_node *n = sim_any(s);
    size_t g = sim_below(s, SIM_GHOSTS);
    ph_keypair *keys = key_of(s, g);
    ph_intake *in;
    draft d;
    MUST(s, ph_intake_begin(n->r, &in, &s->err));
    ph_view *v = sim_view(s, n);
    if (v->state.version == 0) {
        ph_view_end(v);
        ph_intake_free(in);
        return;
    }
    begin(&d, s, v, keys);
    some_prev(&d, &d.cs.header);
    some_parents(&d, &d.cs.header);
    if (!d.cs.header.has_prev && sim_chance(s, 40)) { /* goes on for another ghost, or says so */
        ph_keypair *old = key_of(s, (g + 1 + sim_below(s, SIM_GHOSTS - 1)) % SIM_GHOSTS);
        d.cs.header.has_succeeds = true;
        ph_keypair_public(old, d.cs.header.succeeds.b);
        MUST(s, ph_succession_make(old, &d.cs.header.replica, d.cs.header.succeeds_sig, &s->err));
    }
    fill(&d);
    if (sim_chance(s, 6)) { /* from the future: kept and passed on, not understood */
        d.cs.header.format = PH_FORMAT + 1;
        d.cs.header.extra = ph_slice("\x0b\x05", 2);
        d.cs.header.extra_count = 1;
    }
    send(&d, in, keys);
    ph_view_end(v);
    receive(s, n, in, 1);
}

/* Many that never met write one cell at once: more heads than a row holds. */
void sim_crowd(sim *s)
{
    sim_node *n = sim_any(s);
    size_t count = (sim_chance(s, 50) ? 3 : 14) + sim_below(s, 10);
    ph_intake *in;
    target t;
    draft d;
    MUST(s, ph_intake_begin(n->r, &in, &s->err));
    ph_view *v = sim_view(s, n);
    ph_keypair *keys;
    MUST(s, ph_keypair_new(&keys, &s->err));
    begin(&d, s, v, keys);
    aim(&d, &t);
    ph_keypair_free(keys);
    prophet_slice field = some_field(s, t.type);
    bool lives = sim_chance(s, 20);
    if (v->state.version == 0 || !t.here) {
        ph_view_end(v);
        ph_intake_free(in);
        return;
    }
    sim_note(s, "%zu on %.*s.%.*s at %s", count, PH_FMT(t.type), PH_FMT(field), n->dir);
    for (size_t i = 0; i < count; i++) {
        picked p = { 0 }, l = { 0 };
        ph_op *op = ph_arena_zalloc(&s->arena, sizeof *op);
        MUST(s, ph_keypair_new(&keys, &s->err));
        begin(&d, s, v, keys);
        d.cs.header.seq = 1;
        some_parents(&d, &d.cs.header);
        *op = (ph_op){ .kind = PH_SET, .field = field, .value = some_value(s, t.type, field) };
        pick_heads(&d, &p, cell_of(&d, &t, field));
        pick_heads(&d, &l, cell_of(&d, &t, ph_slice(NULL, 0)));
        op->over = over(&p);
        d.changes[0] = (ph_change){ .type = t.type,
                                    .record = t.id,
                                    .action = lives && sim_chance(s, 50) ? PH_DELETE : PH_UPDATE,
                                    .over = over(&l),
                                    .ops = op };
        d.changes[0].op_count = d.changes[0].action != PH_DELETE;
        d.cs.body.change_count = 1;
        send(&d, in, keys);
        ph_keypair_free(keys);
    }
    ph_view_end(v);
    receive(s, n, in, count);
}
