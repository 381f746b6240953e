/* The same changesets given to the independent model: its records and conflicts must be what the replica shows. */
#include "simulator.h"
#include "../oracle.h"

static oracle_bytes bytes_of(prophet_slice s)
{
    return (oracle_bytes){ s.data, s.len };
}

static const char *str(sim *s, prophet_slice text)
{
    return ph_arena_str(&s->arena, text);
}

static const oracle_id *over_of(sim *s, const ph_header *h, ph_over over, size_t *count)
{
    oracle_id *ids = ph_arena_alloc(&s->arena, (over.count + 1) * sizeof *ids);
    for (uint32_t i = 0; i < over.count; i++)
        memcpy(ids[i].b, ph_changeset_name(h, over.pos[i])->b, 32);
    *count = over.count;
    return ids;
}

static const oracle_op *ops_of(sim *s, const ph_header *h, const ph_change *ch)
{
    static const oracle_kind kinds[] = { [PH_SET] = ORACLE_SET,
                                         [PH_UNSET] = ORACLE_UNSET,
                                         [PH_INC] = ORACLE_INC,
                                         [PH_ADD] = ORACLE_ADD,
                                         [PH_REMOVE] = ORACLE_REMOVE };
    oracle_op *ops = ph_arena_zalloc(&s->arena, (ch->op_count + 1) * sizeof *ops);
    for (size_t i = 0; i < ch->op_count; i++) {
        ops[i].kind = kinds[ch->ops[i].kind];
        ops[i].field = str(s, ch->ops[i].field);
        ops[i].value = bytes_of(ch->ops[i].value);
        ops[i].amount = ch->ops[i].amount;
        ops[i].over = over_of(s, h, ch->ops[i].over, &ops[i].over_count);
    }
    return ops;
}

static void fill_changes(sim *s, const ph_changeset *cs, oracle_changeset *out)
{
    oracle_change *changes =
        ph_arena_zalloc(&s->arena, (cs->body.change_count + 1) * sizeof *changes);
    for (size_t i = 0; i < cs->body.change_count; i++) {
        const ph_change *ch = &cs->body.changes[i];
        changes[i].type = str(s, ch->type);
        memcpy(changes[i].record.b, ch->record.b, 16);
        changes[i].action = ch->action == PH_CREATE   ? ORACLE_CREATE
                            : ch->action == PH_UPDATE ? ORACLE_UPDATE
                                                      : ORACLE_DELETE;
        changes[i].over = over_of(s, &cs->header, ch->over, &changes[i].over_count);
        changes[i].ops = ops_of(s, &cs->header, ch);
        changes[i].op_count = ch->op_count;
    }
    out->changes = changes;
    out->change_count = cs->body.change_count;
}

static void fill_votes(sim *s, const ph_changeset *cs, oracle_changeset *out)
{
    oracle_vote *votes = ph_arena_zalloc(&s->arena, (cs->body.vote_count + 1) * sizeof *votes);
    for (size_t i = 0; i < cs->body.vote_count; i++) {
        const ph_vote *v = &cs->body.votes[i];
        votes[i].type = str(s, v->type);
        memcpy(votes[i].record.b, v->record.b, 16);
        votes[i].field = v->field.len ? str(s, v->field) : "";
        votes[i].heads = over_of(s, &cs->header, v->heads, &votes[i].head_count);
        votes[i].choice = bytes_of(v->choice);
        votes[i].by_resolver = v->by_resolver;
    }
    out->votes = votes;
    out->vote_count = cs->body.vote_count;
}

static void fill(sim *s, const ph_changeset *cs, oracle_changeset *out)
{
    const ph_header *h = &cs->header;
    memcpy(out->id.b, cs->id.b, 32);
    memcpy(out->replica.b, h->replica.b, 32);
    out->has_prev = h->has_prev;
    memcpy(out->prev.b, h->prev.b, 32);
    out->has_succeeds = h->has_succeeds;
    memcpy(out->succeeds.b, h->succeeds.b, 32);
    out->parents = (const oracle_id *)(const void *)h->parents;
    out->parent_count = h->parent_count;
    out->refs = (const oracle_id *)(const void *)h->refs;
    out->ref_count = h->ref_count;
    fill_changes(s, cs, out);
    fill_votes(s, cs, out);
}

static void put_value(ph_buf *out, oracle_bytes v)
{
    if (v.len)
        ph_json_value(out, ph_slice(v.data, v.len));
    else
        ph_buf_str(out, "{\"unset\":true}");
}

/* The last episode of a cell, as sim_dump_conflicts says it. */
static void put_conflict(const oracle_conflict *c, size_t episodes, ph_buf *out)
{
    char id[37], closed[17] = "-";
    ph_uuid uuid;
    memcpy(uuid.b, c->record.b, 16);
    ph_uuid_format(&uuid, id);
    if (!c->open)
        ph_hex(c->closed_by.b, 8, closed);
    ph_buf_printf(out, "%s %s %s: %s %s, closed by %s, outcome ", c->type, id, c->field,
                  c->open ? "open" : "closed",
                  c->outcome.status == ORACLE_DECIDED ? "decided" : "provisional", closed);
    put_value(out, c->open ? c->outcome.value : c->closed_value);
    ph_buf_printf(out, ", episodes %zu, candidates", episodes);
    for (size_t i = 0; i < c->outcome.value_count; i++) {
        ph_buf_byte(out, ' ');
        put_value(out, c->outcome.values[i]);
    }
    ph_buf_byte(out, '\n');
}

static bool same_cell(const oracle_conflict *a, const oracle_conflict *b)
{
    return strcmp(a->type, b->type) == 0 && strcmp(a->field, b->field) == 0 &&
           memcmp(a->record.b, b->record.b, 16) == 0;
}

/* Life comes where "life" does in the order of fields. */
static const char *place(const oracle_conflict *c)
{
    return c->field[0] ? c->field : "life";
}

static void put_conflicts(sim *s, oracle *o, ph_buf *out)
{
    size_t count, cells = 0;
    const oracle_conflict *all = oracle_conflicts(o, &count);
    typedef struct last {
        const oracle_conflict *c;
        size_t episodes;
    } last;
    last *at = ph_arena_alloc(&s->arena, (count + 1) * sizeof *at);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && same_cell(&all[i - 1], &all[i]))
            cells--;
        else
            at[cells].episodes = 0;
        at[cells].c = &all[i];
        at[cells++].episodes++;
    }
    for (size_t i = 1; i < cells; i++) /* in order already, but for life */
        for (size_t k = i; k > 0 && strcmp(at[k - 1].c->type, at[k].c->type) == 0 &&
                           memcmp(at[k - 1].c->record.b, at[k].c->record.b, 16) == 0 &&
                           strcmp(place(at[k - 1].c), place(at[k].c)) > 0;
             k--) {
            last t = at[k];
            at[k] = at[k - 1];
            at[k - 1] = t;
        }
    for (size_t i = 0; i < cells; i++)
        put_conflict(at[i].c, at[i].episodes, out);
}

void sim_model_compare(sim *s, sim_node *n)
{
    ph_view *v = sim_view(s, n);
    size_t count = (size_t)v->state.version;
    oracle_changeset *sets = ph_arena_zalloc(&s->arena, (count + 1) * sizeof *sets);
    ph_buf got = PH_BUF_INIT, want = PH_BUF_INIT;
    ph_changeset_row row;
    for (size_t i = 0; i < count; i++) {
        ph_changeset *cs = ph_arena_zalloc(&s->arena, sizeof *cs);
        MUST(s, ph_view_changeset(v, i + 1, &s->arena, cs, &row, &s->err));
        fill(s, cs, &sets[i]);
    }
    oracle *o = oracle_new(s->database.b, sets, count);
    if (oracle_applied(o) != count)
        sim_fail(s, "the model applies %zu of %zu changesets", oracle_applied(o), count);
    for (size_t i = 0; i < count; i++) {
        MUST(s, ph_changesets_get(v->txn, i + 1, &row, &s->err));
        if (row.lamport != oracle_lamport(o, &sets[i].id))
            sim_fail(s, "lamport of version %zu", i + 1);
    }
    sim_dump_export(s, v, &got);
    ph_buf_str(&want, oracle_export(o, 1));
    sim_same(s, "records here and in the model", &got, &want);
    ph_buf_reset(&got);
    ph_buf_reset(&want);
    sim_dump_conflicts(s, v, false, &got);
    put_conflicts(s, o, &want);
    sim_same(s, "conflicts here and in the model", &got, &want);
    ph_buf_clear(&got);
    ph_buf_clear(&want);
    oracle_free(o);
    ph_view_end(v);
}
