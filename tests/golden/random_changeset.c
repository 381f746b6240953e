/* Draws random changesets together with their description. Changes, operations and votes are drawn
 * in any order and sorted by the engine; the description keeps the order they were drawn in. */
#include "random_changeset.h"
#include <stdlib.h>

static const char *const types[] = { "ticket", "a",
                                     "z9",     "_type",
                                     "_voter", "comment",
                                     "ab",     "a_type_with_a_name_of_more_than_24_bytes" };
static const char *const fields[] = {
    "a", "b", "status", "due_date", "x1", "zz", "a_field_with_a_name_of_more_than_24_bytes", "tags"
};
static const char *const dotted[] = { "rule.status",
                                      "kind.a",
                                      "a",
                                      "order",
                                      "b.c.d",
                                      "zz",
                                      "index.a_field_with_a_name_of_more_than_24_bytes",
                                      "name" };

/* ---- changes and votes ----------------------------------------------------------------------- */

static ph_over draw_over(drawn *d, size_t names, size_t least)
{
    uint32_t list[16], count = 0;
    ph_over over;

    for (uint32_t pos = 0; pos < names && count < 16; pos++)
        if (test_below(names) < 2 || names - pos + count <= least)
            list[count++] = pos;
    if (least == 0 && test_below(3) == 0)
        count = 0;
    over.pos = drawn_copy(d, list, count * sizeof *list);
    over.count = count;
    return over;
}

static void put_over(drawn *d, const ph_over *over)
{
    ph_buf_byte(&d->json, '[');
    for (uint32_t i = 0; i < over->count; i++)
        ph_buf_printf(&d->json, "%s%u", i ? "," : "", (unsigned)over->pos[i]);
    ph_buf_byte(&d->json, ']');
}

static bool is_taken(const ph_op *ops, size_t count, const ph_op *op)
{
    for (size_t i = 0; i < count; i++) {
        if (!ph_slice_eq(ops[i].field, op->field))
            continue;
        if (ops[i].kind <= PH_UNSET && op->kind <= PH_UNSET)
            return true;
        if (ops[i].kind == PH_INC && op->kind == PH_INC)
            return true;
        if (ops[i].kind >= PH_ADD && op->kind >= PH_ADD && ph_slice_eq(ops[i].value, op->value))
            return true;
    }
    return false;
}

/* Appends an operation and its description, unless its cell is taken. */
static size_t draw_op(drawn *d, ph_op *ops, size_t count, prophet_slice type, size_t names)
{
    ph_op op = { .kind = (ph_op_kind)test_below(names ? 5 : 4) };
    size_t before = d->json.len;

    op.field = ph_slice_str((ph_type_reserved(type) ? dotted : fields)[test_below(8)]);
    ph_buf_printf(&d->json, "%s{\"kind\":%d,\"field\":\"%.*s\"", count ? "," : "", (int)op.kind,
                  PH_FMT(op.field));
    if (op.kind == PH_INC) {
        op.amount = draw_int();
        ph_buf_printf(&d->json, ",\"amount\":%lld", (long long)op.amount);
    } else {
        op.over = draw_over(d, names, op.kind == PH_REMOVE);
        ph_buf_str(&d->json, ",\"over\":");
        put_over(d, &op.over);
    }
    if (op.kind != PH_INC && op.kind != PH_UNSET) {
        ph_buf_str(&d->json, ",\"value\":");
        op.value = draw_value(d);
    }
    ph_buf_byte(&d->json, '}');
    if (is_taken(ops, count, &op)) {
        d->json.len = before;
        return count;
    }
    ops[count] = op;
    return count + 1;
}

static void draw_record(drawn *d, prophet_slice *type, ph_uuid *record)
{
    *type = ph_slice_str(types[test_below(sizeof types / sizeof *types)]);
    drawn_fill(record, sizeof *record);
    record->b[0] = (uint8_t)test_below(3);
    ph_buf_printf(&d->json, "{\"type\":\"%.*s\",\"record\":", PH_FMT(*type));
    drawn_hex(d, record->b, sizeof record->b);
}

static void draw_change(drawn *d, ph_change *c, size_t names)
{
    ph_op ops[24];
    size_t count = 0, wanted = test_below(4) ? test_below(6) : test_below(24);

    draw_record(d, &c->type, &c->record);
    c->action = (ph_action)test_below(3);
    c->over = draw_over(d, names, 0);
    ph_buf_printf(&d->json, ",\"action\":%d,\"over\":", (int)c->action);
    put_over(d, &c->over);
    ph_buf_str(&d->json, ",\"ops\":[");
    if (c->action != PH_DELETE)
        for (size_t i = 0; i < wanted; i++)
            count = draw_op(d, ops, count, c->type, names);
    ph_buf_str(&d->json, "]}");
    ph_ops_sort(ops, count);
    c->ops = drawn_copy(d, ops, count * sizeof *ops);
    c->op_count = count;
}

static void draw_choice(drawn *d, ph_vote *v)
{
    if (v->field.len == 0) {
        bool alive = test_below(2);
        v->choice = ph_slice_str(alive ? "\x65"
                                         "alive"
                                       : "\x64"
                                         "dead");
        ph_buf_printf(&d->json, ",\"choice\":[\"text\",\"%s\"]", alive ? "616c697665" : "64656164");
    } else if (test_below(3)) {
        ph_buf_str(&d->json, ",\"choice\":");
        v->choice = draw_value(d);
    }
}

static void draw_vote(drawn *d, ph_vote *v, size_t names)
{
    draw_record(d, &v->type, &v->record);
    if (test_below(3))
        v->field = ph_slice_str((ph_type_reserved(v->type) ? dotted : fields)[test_below(8)]);
    v->heads = draw_over(d, names, 1);
    ph_buf_printf(&d->json, ",\"field\":\"%.*s\",\"heads\":", PH_FMT(v->field));
    put_over(d, &v->heads);
    draw_choice(d, v);
    if (test_below(2)) {
        uint8_t hash[32];
        drawn_fill(hash, sizeof hash);
        v->by_resolver = true;
        v->resolver = ph_slice_str("furthest");
        v->resolver_hash = ph_slice(drawn_copy(d, hash, sizeof hash), sizeof hash);
        ph_buf_str(&d->json, ",\"resolver\":\"furthest\",\"resolver_hash\":");
        drawn_hex(d, hash, sizeof hash);
    }
    v->reason = draw_text(d, PH_REASON_MAX);
    ph_buf_str(&d->json, ",\"reason\":");
    drawn_hex(d, v->reason.data, v->reason.len);
    ph_buf_byte(&d->json, '}');
}

/* ---- changesets ------------------------------------------------------------------------------ */

static int cmp_ids(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

static void draw_ids(drawn *d, const char *name, const ph_id **ids, size_t *count)
{
    ph_id list[30];

    *count = test_below(3) ? 0 : test_below(10) ? 1 + test_below(3) : test_below(30);
    drawn_fill(list, sizeof list);
    ph_buf_printf(&d->json, ",\"%s\":[", name);
    for (size_t i = 0; i < *count; i++) {
        if (i > 0)
            ph_buf_byte(&d->json, ',');
        drawn_hex(d, list[i].b, sizeof list[i].b);
    }
    ph_buf_byte(&d->json, ']');
    qsort(list, *count, sizeof *list, cmp_ids);
    *ids = drawn_copy(d, list, *count * sizeof *list);
}

static void draw_chain(drawn *d, ph_header *h, const ph_changeset *last)
{
    h->seq = 1 + (test_below(2) ? test_below(3) : test_random() >> (2 + test_below(62)));
    drawn_fill(h->replica.b, sizeof h->replica.b);
    drawn_fill(h->prev.b, sizeof h->prev.b);
    if (last) {
        h->replica = last->header.replica;
        h->seq = last->header.seq + 1;
        h->prev = last->id;
    }
    h->has_prev = h->seq > 1;
    ph_buf_str(&d->json, ",\"replica\":");
    drawn_hex(d, h->replica.b, sizeof h->replica.b);
    ph_buf_printf(&d->json, ",\"seq\":%llu", (unsigned long long)h->seq);
    if (h->has_prev) {
        ph_buf_str(&d->json, ",\"prev\":");
        drawn_hex(d, h->prev.b, sizeof h->prev.b);
    }
}

static void draw_header(drawn *d, ph_header *h, const ph_changeset *last)
{
    h->format = PH_FORMAT;
    drawn_fill(h->database.b, sizeof h->database.b);
    if (last)
        h->database = last->header.database;
    ph_buf_str(&d->json, "{\"header\":{\"database\":");
    drawn_hex(d, h->database.b, sizeof h->database.b);
    draw_chain(d, h, last);
    draw_ids(d, "parents", &h->parents, &h->parent_count);
    draw_ids(d, "refs", &h->refs, &h->ref_count);
    if (h->seq == 1 && test_below(2)) {
        h->has_succeeds = true;
        drawn_fill(h->succeeds.b, sizeof h->succeeds.b);
        drawn_fill(h->succeeds_sig, sizeof h->succeeds_sig);
        ph_buf_str(&d->json, ",\"succeeds\":[");
        drawn_hex(d, h->succeeds.b, sizeof h->succeeds.b);
        ph_buf_byte(&d->json, ',');
        drawn_hex(d, h->succeeds_sig, sizeof h->succeeds_sig);
        ph_buf_byte(&d->json, ']');
    }
    if (test_below(5) == 0) {
        h->has_vouches = true;
        drawn_fill(h->vouches.b, sizeof h->vouches.b);
        ph_buf_str(&d->json, ",\"vouches\":");
        drawn_hex(d, h->vouches.b, sizeof h->vouches.b);
    }
    ph_buf_byte(&d->json, '}');
}

static void draw_body(drawn *d, ph_body *b, size_t names)
{
    size_t changes = test_below(5) ? test_below(4) : test_below(30);
    size_t votes = names == 0 || test_below(2) ? 0 : test_below(6);
    ph_change *c = ph_arena_zalloc(&d->arena, (changes + 1) * sizeof *c);
    ph_vote *v = ph_arena_zalloc(&d->arena, (votes + 1) * sizeof *v);

    REQUIRE(c && v);
    drawn_fill(b->salt, sizeof b->salt);
    b->time = draw_int();
    b->author = draw_text(d, 100);
    b->message = draw_text(d, 500);
    ph_buf_str(&d->json, ",\"body\":{\"salt\":");
    drawn_hex(d, b->salt, sizeof b->salt);
    ph_buf_printf(&d->json, ",\"time\":%lld,\"author\":", (long long)b->time);
    drawn_hex(d, b->author.data, b->author.len);
    ph_buf_str(&d->json, ",\"message\":");
    drawn_hex(d, b->message.data, b->message.len);
    ph_buf_str(&d->json, ",\"changes\":[");
    for (size_t i = 0; i < changes; i++) {
        ph_buf_str(&d->json, i ? "," : "");
        draw_change(d, &c[i], names);
    }
    ph_buf_str(&d->json, "],\"votes\":[");
    for (size_t i = 0; i < votes; i++) {
        ph_buf_str(&d->json, i ? "," : "");
        draw_vote(d, &v[i], names);
    }
    ph_buf_str(&d->json, "]}");
    ph_changes_sort(c, changes);
    ph_votes_sort(v, votes);
    b->changes = c, b->change_count = changes;
    b->votes = v, b->vote_count = votes;
}

void draw_changeset(drawn *d, const ph_changeset *last, ph_hasher *h)
{
    ph_buf scratch = PH_BUF_INIT;
    prophet_error err;
    size_t names;

    memset(&d->set, 0, sizeof d->set);
    draw_header(d, &d->set.header, last);
    names = ph_changeset_names(&d->set.header);
    draw_body(d, &d->set.body, names);
    REQUIRE_OK(ph_body_encode(&d->set.body, names, &d->bytes, &err), &err);
    d->set.has_body = true;
    d->set.body_bytes = ph_buf_slice(&d->bytes);
    REQUIRE_OK(ph_changeset_seal(h, &d->set, &scratch, &err), &err);
    ph_buf_byte(&d->json, '}');
    REQUIRE(!d->json.failed);
    ph_buf_clear(&scratch);
}
