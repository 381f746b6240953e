/* The encoder refuses, naming type and field, whatever a strict decoder would: a signed mistake
 * cannot be taken back. Sorting brings everything into the order it wants. */
#include "model_bytes.h"

static const uint32_t positions[] = { 0, 1, 2 };
static const uint8_t one[] = { 1 }, two[] = { 2 };

static ph_op op_of(ph_op_kind kind, const char *field, uint32_t over)
{
    ph_op op = { .kind = kind, .field = text_of(field), .over = { positions, over } };

    if (kind == PH_SET || kind == PH_ADD || kind == PH_REMOVE)
        op.value = ph_slice(one, sizeof one);
    return op;
}

static ph_change change_of(const ph_op *ops, size_t count)
{
    ph_change c = { .type = text_of("ticket"), .action = PH_UPDATE };

    c.ops = ops;
    c.op_count = count;
    return c;
}

static prophet_code encode(ph_change *changes, size_t count, prophet_error *err)
{
    ph_body body = { .changes = changes, .change_count = count };
    ph_buf out = PH_BUF_INIT;
    prophet_code rc;

    memset(err, 0, sizeof *err);
    rc = ph_body_encode(&body, 3, &out, err);
    ph_buf_clear(&out);
    return rc;
}

static void refuses_ops(const ph_op *ops, size_t count, const char *message, const char *field)
{
    ph_change c = change_of(ops, count);
    prophet_error err;

    CHECK_CODE(encode(&c, 1, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, message);
    CHECK_EQ_STR(err.type, "ticket");
    CHECK_EQ_STR(err.field, field);
    CHECK_CODE(encode(&c, 1, &err), PROPHET_EUSAGE, NULL);
}

TEST(operations_out_of_order_are_refused)
{
    ph_op ops[2] = { op_of(PH_SET, "b", 0), op_of(PH_SET, "a", 0) };

    refuses_ops(ops, 2, "ticket.a: operations out of order", "a");
    ops[1] = op_of(PH_SET, "b", 0);
    refuses_ops(ops, 2, "ticket.b: two operations on one cell", "b");
    ops[0] = op_of(PH_INC, "a", 0);
    refuses_ops(ops, 2, "ticket.b: operations out of order", "b");
    ops[0] = op_of(PH_SET, "b", 0), ops[1] = op_of(PH_UNSET, "b", 0);
    refuses_ops(ops, 2, "ticket.b: both set and unset", "b");
    ops[0] = op_of(PH_ADD, "b", 0), ops[1] = op_of(PH_REMOVE, "b", 1);
    refuses_ops(ops, 2, "ticket.b: element is both added and removed", "b");
    ops[1] = op_of(PH_ADD, "b", 1);
    refuses_ops(ops, 2, "ticket.b: two operations on one cell", "b");
}

TEST(operations_with_wrong_parts_are_refused)
{
    static const uint8_t null[] = { 0xf6 };
    static const uint32_t falling[] = { 1, 0 }, far[] = { 3 };
    ph_op op = op_of(PH_SET, "no-name", 0);

    refuses_ops(&op, 1, "ticket.no-name: bad field name", "no-name");
    op = op_of(PH_SET, "a", 0), op.value.len = 0;
    refuses_ops(&op, 1, "ticket.a: no value", "a");
    op = op_of(PH_UNSET, "a", 0), op.value = ph_slice(one, 1);
    refuses_ops(&op, 1, "ticket.a: value where none belongs", "a");
    op = op_of(PH_REMOVE, "a", 0);
    refuses_ops(&op, 1, "ticket.a: removed element names no add", "a");
    op = op_of(PH_INC, "a", 1);
    refuses_ops(&op, 1, "ticket.a: increment names heads", "a");
    op = op_of(PH_SET, "a", 0), op.value = ph_slice(null, 1);
    refuses_ops(&op, 1, "ticket.a: value: unknown simple value at byte 0", "a");
    op = op_of(PH_SET, "a", 2), op.over.pos = falling;
    refuses_ops(&op, 1, "ticket.a: positions out of order", "a");
    op = op_of(PH_ADD, "a", 1), op.over.pos = far;
    refuses_ops(&op, 1, "ticket.a: position 3 of 3 names", "a");
}

TEST(changes_with_wrong_parts_are_refused)
{
    ph_op op = op_of(PH_SET, "a", 0);
    ph_change c[2] = { change_of(&op, 1), change_of(&op, 1) };
    prophet_error err;

    CHECK_CODE(encode(c, 2, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "ticket: changes out of order, or two of one record");
    c[0].action = PH_DELETE;
    CHECK_CODE(encode(c, 1, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "ticket: delete with fields");
    c[0].type = text_of("Ticket");
    CHECK_CODE(encode(c, 1, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "bad type name \"Ticket\"");
}

TEST(limits_hold_when_writing)
{
    ph_op *ops = calloc(PH_ELEMENTS_MAX + 1, sizeof *ops);
    uint8_t(*values)[3] = calloc(PH_ELEMENTS_MAX + 1, sizeof *values);
    prophet_error err;
    ph_change c;

    REQUIRE(ops && values);
    for (unsigned i = 0; i <= PH_ELEMENTS_MAX; i++) {
        values[i][0] = 0x19, values[i][1] = (uint8_t)((i + 256) >> 8), values[i][2] = (uint8_t)i;
        ops[i] = op_of(PH_ADD, "a", 0);
        ops[i].value = ph_slice(values[i], 3);
    }
    c = change_of(ops, PH_ELEMENTS_MAX);
    CHECK_OK(encode(&c, 1, &err), &err);
    c.op_count++;
    CHECK_CODE(encode(&c, 1, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "ticket: more than 4096 elements");
    free(values);
    free(ops);
}

TEST(a_body_has_eight_mebibytes)
{
    enum { TEXTS = 9 };
    ph_buf text = PH_BUF_INIT;
    char *a = calloc(1, PH_TEXT_MAX);
    ph_op ops[TEXTS];
    prophet_error err;
    ph_change c = change_of(ops, TEXTS);

    REQUIRE(a != NULL);
    ph_put_text(&text, ph_slice(a, PH_TEXT_MAX));
    for (int i = 0; i < TEXTS; i++) {
        static const char *const names[TEXTS] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
        ops[i] = op_of(PH_SET, names[i], 0);
        ops[i].value = ph_buf_slice(&text);
    }
    CHECK_CODE(encode(&c, 1, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "changeset is larger than 8 MiB");
    c.op_count = 7;
    CHECK_OK(encode(&c, 1, &err), &err);
    ph_buf_clear(&text);
    free(a);
}

/* ---- votes ----------------------------------------------------------------------------------- */

static ph_vote vote_of(const char *field)
{
    ph_vote v = { .type = text_of("ticket"), .field = text_of(field), .heads = { positions, 2 } };

    if (!*field)
        v.choice = text_of("\x65"
                           "alive");
    return v;
}

static void refuses_votes(const ph_vote *votes, size_t count, const char *message)
{
    ph_body body = { .votes = votes, .vote_count = count };
    ph_buf out = PH_BUF_INIT;
    prophet_error err;

    CHECK_CODE(ph_body_encode(&body, 3, &out, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, message);
    ph_buf_clear(&out);
}

TEST(votes_with_wrong_parts_are_refused)
{
    static const uint8_t hash[32] = { 1 };
    static char long_reason[PH_REASON_MAX + 1];
    ph_vote v[2] = { vote_of("a"), vote_of("a") };

    memset(long_reason, 'x', sizeof long_reason);
    refuses_votes(v, 2, "vote on ticket.a: votes out of order, or two on one cell");
    v[0].heads.count = 0;
    refuses_votes(v, 1, "vote on ticket.a: vote names no heads");
    v[0] = vote_of(""), v[0].choice = ph_slice(one, 1);
    refuses_votes(v, 1, "vote on ticket: choice for life is neither alive nor dead");
    v[0] = vote_of("a"), v[0].by_resolver = true;
    refuses_votes(
        v, 1, "vote on ticket.a: a resolver's vote, and only it, has the resolver's name and hash");
    v[0].by_resolver = false, v[0].resolver_hash = ph_slice(hash, 32);
    refuses_votes(
        v, 1, "vote on ticket.a: a resolver's vote, and only it, has the resolver's name and hash");
    v[0] = vote_of("a"), v[0].reason = ph_slice(long_reason, sizeof long_reason);
    refuses_votes(v, 1, "vote on ticket.a: reason of a vote is longer than 1024 bytes");
    v[0].reason = ph_slice("\xff", 1);
    refuses_votes(v, 1, "vote on ticket.a: reason of a vote is not UTF-8");
    v[0] = vote_of("A");
    refuses_votes(v, 1, "vote on ticket.A: bad field name \"A\"");
}

/* ---- order ----------------------------------------------------------------------------------- */

static void shuffle_ops(ph_op *ops, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = test_below(i);
        ph_op op = ops[i - 1];
        ops[i - 1] = ops[j];
        ops[j] = op;
    }
}

TEST(sorted_operations_are_encodable)
{
    ph_op ops[] = { op_of(PH_SET, "a", 0),    op_of(PH_SET, "bb", 1), op_of(PH_UNSET, "c", 2),
                    op_of(PH_INC, "a", 0),    op_of(PH_INC, "d", 0),  op_of(PH_ADD, "a", 0),
                    op_of(PH_ADD, "a", 1),    op_of(PH_ADD, "e", 0),  op_of(PH_REMOVE, "a", 1),
                    op_of(PH_REMOVE, "f", 3), op_of(PH_SET, "x", 0),  op_of(PH_SET, "y", 0),
                    op_of(PH_SET, "z", 0),    op_of(PH_SET, "zz", 0) };
    static const uint8_t three[] = { 3 };
    prophet_error err;

    ops[6].value = ph_slice(two, 1);
    ops[8].value = ph_slice(three, 1);
    for (int i = 0; i < 200; i++) {
        size_t count = i % 2 ? sizeof ops / sizeof *ops : 10;
        shuffle_ops(ops, count);
        ph_ops_sort(ops, count);
        ph_change c = change_of(ops, count);
        CHECK_OK(encode(&c, 1, &err), &err);
    }
}

TEST(sorted_changes_and_votes_are_encodable)
{
    static const char *const types[] = { "z", "a", "aa", "ab", "_t" };
    ph_change changes[50];
    ph_vote votes[50];
    ph_body body = { .changes = changes, .change_count = 50, .votes = votes, .vote_count = 50 };
    ph_buf out = PH_BUF_INIT;
    prophet_error err;

    for (unsigned i = 0; i < 50; i++) {
        changes[i] = change_of(NULL, 0);
        changes[i].type = text_of(types[i % 5]);
        changes[i].record.b[test_below(16)] = (uint8_t)(i + 1);
        votes[i] = vote_of(i % 3 == 0 ? "" : i % 3 == 1 ? "f" : "ee");
        votes[i].type = changes[i].type;
        votes[i].record.b[0] = (uint8_t)(i / 3);
    }
    ph_changes_sort(changes, 50);
    ph_votes_sort(votes, 50);
    CHECK_OK(ph_body_encode(&body, 3, &out, &err), &err);
    for (size_t i = 0; i < 50; i++) /* offsets are where the changes' maps start */
        CHECK_EQ_INT(out.data[changes[i].offset] >> 5, 5);
    ph_buf_clear(&out);
}
