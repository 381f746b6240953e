/* Copies decoded changesets into the oracle's structs; positions become ids. Knows the structs of the engine, calls none of it
 * but ph_changeset_name. */
#include "oracle_fill.h"
#include <stdlib.h>

static void *grown(void *p, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return p;
    *room = *room * 2 + 16;
    p = realloc(p, *room * size);
    if (!p)
        abort();
    return p;
}

static void *take(oracle_input *in, size_t size)
{
    void *p = calloc(1, size + 1);

    if (!p)
        abort();
    in->blocks = grown(in->blocks, in->block_count, &in->block_room, sizeof *in->blocks);
    return in->blocks[in->block_count++] = p;
}

static const void *copy(oracle_input *in, const void *data, size_t size)
{
    void *p = take(in, size);

    if (size)
        memcpy(p, data, size);
    return p;
}

static const char *name(oracle_input *in, prophet_slice s)
{
    return copy(in, s.data, s.len); /* take leaves a zero behind it */
}

static oracle_bytes bytes(oracle_input *in, prophet_slice s)
{
    return (oracle_bytes){ copy(in, s.data, s.len), s.len };
}

static const oracle_id *ids(oracle_input *in, const ph_header *h, const ph_over *over)
{
    oracle_id *out = take(in, over->count * sizeof *out);

    for (uint32_t i = 0; i < over->count; i++) {
        const ph_id *id = ph_changeset_name(h, over->pos[i]);

        if (!id)
            abort(); /* it was decoded */
        memcpy(&out[i], id, sizeof *out);
    }
    return out;
}

static oracle_op fill_op(oracle_input *in, const ph_header *h, const ph_op *op)
{
    static const oracle_kind kinds[] = { [PH_SET] = ORACLE_SET,
                                         [PH_UNSET] = ORACLE_UNSET,
                                         [PH_INC] = ORACLE_INC,
                                         [PH_ADD] = ORACLE_ADD,
                                         [PH_REMOVE] = ORACLE_REMOVE };

    return (oracle_op){ kinds[op->kind], name(in, op->field),   bytes(in, op->value),
                        op->amount,      ids(in, h, &op->over), op->over.count };
}

static oracle_change fill_change(oracle_input *in, const ph_header *h, const ph_change *c)
{
    oracle_op *ops = take(in, c->op_count * sizeof *ops);
    oracle_change out = { .type = name(in, c->type),
                          .over = ids(in, h, &c->over),
                          .over_count = c->over.count,
                          .ops = ops,
                          .op_count = c->op_count };

    out.action = c->action == PH_DELETE   ? ORACLE_DELETE
                 : c->action == PH_CREATE ? ORACLE_CREATE
                                          : ORACLE_UPDATE;
    memcpy(&out.record, &c->record, sizeof out.record);
    for (size_t i = 0; i < c->op_count; i++)
        ops[i] = fill_op(in, h, &c->ops[i]);
    return out;
}

static oracle_vote fill_vote(oracle_input *in, const ph_header *h, const ph_vote *v)
{
    oracle_vote out = { .type = name(in, v->type),
                        .field = name(in, v->field),
                        .heads = ids(in, h, &v->heads),
                        .head_count = v->heads.count,
                        .choice = bytes(in, v->choice),
                        .by_resolver = v->by_resolver };

    memcpy(&out.record, &v->record, sizeof out.record);
    return out;
}

void oracle_input_add(oracle_input *in, const ph_changeset *cs)
{
    const ph_header *h = &cs->header;
    size_t changes = cs->has_body ? cs->body.change_count : 0,
           votes = cs->has_body ? cs->body.vote_count : 0;
    oracle_change *c = take(in, changes * sizeof *c);
    oracle_vote *v = take(in, votes * sizeof *v);
    oracle_changeset s = { .has_prev = h->has_prev,
                           .has_succeeds = h->has_succeeds,
                           .changes = c,
                           .change_count = changes,
                           .votes = v,
                           .vote_count = votes,
                           .parent_count = h->parent_count,
                           .ref_count = h->ref_count };

    memcpy(&s.id, &cs->id, sizeof s.id);
    memcpy(&s.replica, &h->replica, sizeof s.replica);
    memcpy(&s.prev, &h->prev, sizeof s.prev);
    memcpy(&s.succeeds, &h->succeeds, sizeof s.succeeds);
    s.parents = copy(in, h->parents, h->parent_count * sizeof *h->parents);
    s.refs = copy(in, h->refs, h->ref_count * sizeof *h->refs);
    for (size_t i = 0; i < changes; i++)
        c[i] = fill_change(in, h, &cs->body.changes[i]);
    for (size_t i = 0; i < votes; i++)
        v[i] = fill_vote(in, h, &cs->body.votes[i]);
    in->sets = grown(in->sets, in->count, &in->room, sizeof *in->sets);
    in->sets[in->count++] = s;
}

void oracle_input_clear(oracle_input *in)
{
    for (size_t i = 0; i < in->block_count; i++)
        free(in->blocks[i]);
    free(in->blocks);
    free(in->sets);
    *in = (oracle_input){ 0 };
}
