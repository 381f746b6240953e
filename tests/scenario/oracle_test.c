/* The oracle on small databases whose outcome is plain from the design: what it says here is what the simulator trusts. */
#include "oracle.h"
#include "oracle_fill.h"
#include "support/test.h"
#include <stdlib.h>

static const unsigned char database[16] = { 7 };

#define TEXT(s) \
    (oracle_bytes) \
    { \
        s, sizeof(s) - 1 \
    }
#define IDS(...) \
    (const oracle_id[]){ __VA_ARGS__ }, \
        sizeof((const oracle_id[]){ __VA_ARGS__ }) / sizeof(oracle_id)
#define NOTHING NULL, 0
#define ID(letter) \
    { \
        { \
            letter \
        } \
    }
#define RECORD(n) \
    (oracle_uuid) \
    { \
        { \
            n \
        } \
    }

typedef struct
    base { /* a database under construction: at most 16 changesets of one change or vote each */
    oracle_changeset sets[16];
    oracle_change changes[16];
    oracle_op ops[16];
    oracle_vote votes[16];
    oracle_id parents[16];
    size_t count;
} base;

/* Changeset `letter` of replica `who`, after `parent` (0: none). */
static oracle_changeset *add(base *b, unsigned char letter, unsigned char who, unsigned char parent)
{
    size_t n = b->count++;
    oracle_changeset *s = &b->sets[n];

    *s = (oracle_changeset){
        .id = ID(letter), .replica = ID(who), .changes = &b->changes[n], .votes = &b->votes[n]
    };
    if (parent) {
        b->parents[n].b[0] = parent;
        s->parents = &b->parents[n];
        s->parent_count = 1;
    }
    return s;
}

static void change(base *b, oracle_action action, const char *type, oracle_uuid record,
                   const oracle_id *over, size_t over_count)
{
    size_t n = b->count - 1;

    b->changes[n] = (oracle_change){ .type = type,
                                     .record = record,
                                     .action = action,
                                     .over = over,
                                     .over_count = over_count,
                                     .ops = &b->ops[n] };
    b->sets[n].change_count = 1;
}

static void operation(base *b, oracle_kind kind, const char *field, oracle_bytes value,
                      const oracle_id *over, size_t over_count)
{
    size_t n = b->count - 1;

    b->ops[n] = (oracle_op){ kind, field, value, 0, over, over_count };
    b->changes[n].op_count = 1;
}

static void vote(base *b, const char *type, oracle_uuid record, const char *field,
                 oracle_bytes choice, int by_resolver, const oracle_id *heads, size_t count)
{
    size_t n = b->count - 1;

    b->votes[n] = (oracle_vote){ type, record, field, heads, count, choice, by_resolver };
    b->sets[n].vote_count = 1;
}

/* Exported in the order given and in reverse, with everything twice. */
static void exports(base *b, const char *want)
{
    oracle_changeset twice[32];
    oracle *o = oracle_new(database, b->sets, b->count);

    CHECK_EQ_STR(oracle_export(o, 0), want);
    oracle_free(o);
    for (size_t i = 0; i < 2 * b->count; i++)
        twice[i] = b->sets[(2 * b->count - 1 - i) / 2];
    o = oracle_new(database, twice, 2 * b->count);
    CHECK_EQ_STR(oracle_export(o, 0), want);
    oracle_free(o);
}

static void conflicts(base *b, const char *want)
{
    oracle *o = oracle_new(database, b->sets, b->count);

    CHECK_EQ_STR(oracle_conflict_lines(o, -1, 0), want);
    oracle_free(o);
}

#define ONE        "{\"type\":\"t\",\"record\":\"01000000-0000-0000-0000-000000000000\""
#define ONE_FIELDS ONE ",\"fields\":{"

/* a creates; b and c, both after a, set f to "x" and "y". */
static void two_sides(base *b)
{
    static const oracle_id a[] = { ID('a') };

    add(b, 'a', 1, 0);
    change(b, ORACLE_CREATE, "t", RECORD(1), NOTHING);
    operation(b, ORACLE_SET, "f", TEXT("\x61w"), NOTHING);
    add(b, 'b', 1, 'a');
    change(b, ORACLE_UPDATE, "t", RECORD(1), a, 1);
    operation(b, ORACLE_SET, "f", TEXT("\x61x"), a, 1);
    add(b, 'c', 2, 'a');
    change(b, ORACLE_UPDATE, "t", RECORD(1), a, 1);
    operation(b, ORACLE_SET, "f", TEXT("\x61y"), a, 1);
}

TEST(concurrent_sets_conflict_and_the_greatest_stamp_shows)
{
    base b = { 0 };

    two_sides(&b);
    exports(&b, ONE_FIELDS "\"f\":\"y\"}}\n");
    conflicts(&b, ONE ",\"field\":\"f\",\"open\":true,\"decided\":false,\"outcome\":\"y\","
                      "\"candidates\":[\"x\",\"y\"],\"choices\":[\"x\",\"y\"]}\n");
}

TEST(a_vote_decides_and_a_write_over_all_ends_it)
{
    base b = { 0 };
    const oracle_id heads[] = { ID('b'), ID('c') };

    two_sides(&b);
    add(&b, 'd', 1, 'c');
    vote(&b, "t", RECORD(1), "f", TEXT("\x61x"), 0, heads, 2);
    exports(&b, ONE_FIELDS "\"f\":\"x\"}}\n");
    add(&b, 'e', 1, 'd');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), heads, 2);
    operation(&b, ORACLE_SET, "f", TEXT("\x61z"), heads, 2);
    exports(&b, ONE_FIELDS "\"f\":\"z\"}}\n");
    conflicts(&b, ONE
              ",\"field\":\"f\",\"open\":false,\"decided\":true,\"outcome\":\"x\",\"candidates\":["
              "\"x\",\"y\"],\"choices\":[\"x\"]"
              ",\"closed_by\":\"6500000000000000000000000000000000000000000000000000000000000000\","
              "\"closed_value\":\"z\"}\n");
}

TEST(what_names_a_missing_changeset_is_held_back_with_all_behind_it)
{
    base b = { 0 };
    oracle *o;

    two_sides(&b);
    add(&b, 'e', 1, 'd'); /* d is not here */
    change(&b, ORACLE_DELETE, "t", RECORD(1), NOTHING);
    add(&b, 'f', 1, 'e');
    o = oracle_new(database, b.sets, b.count);
    CHECK_EQ_UINT(oracle_applied(o), 3);
    CHECK_EQ_UINT(oracle_lamport(o, &b.sets[1].id), 2);
    CHECK_EQ_UINT(oracle_lamport(o, &b.sets[3].id), 0);
    oracle_free(o);
}

TEST(edit_against_delete_keeps_the_record_and_a_vote_may_delete_it)
{
    base b = { 0 };
    const oracle_id a[] = { ID('a') }, dead[] = { ID('c') };

    add(&b, 'a', 1, 0);
    change(&b, ORACLE_CREATE, "t", RECORD(1), NOTHING);
    add(&b, 'b', 1, 'a');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), a, 1);
    add(&b, 'c', 2, 'a');
    change(&b, ORACLE_DELETE, "t", RECORD(1), a, 1);
    exports(&b, ONE_FIELDS "}}\n");
    add(&b, 'd', 2, 'c');
    vote(&b, "t", RECORD(1), "",
         TEXT("\x64"
              "dead"),
         0, dead, 1);
    exports(&b, "");
    conflicts(&b, ONE ",\"field\":\"\",\"open\":true,\"decided\":true,\"outcome\":\"dead\","
                      "\"candidates\":[\"dead\",\"alive\"],\"choices\":[\"dead\"]}\n");
}

TEST(sets_counters_and_unset)
{
    base b = { 0 };
    const oracle_id a[] = { ID('a') };

    add(&b, 'a', 1, 0);
    change(&b, ORACLE_CREATE, "t", RECORD(1), NOTHING);
    operation(&b, ORACLE_ADD, "s", TEXT("\x61p"), NOTHING);
    add(&b, 'b', 2, 'a');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), a, 1);
    operation(&b, ORACLE_ADD, "s", TEXT("\x61p"), NOTHING); /* concurrent with the next: it wins */
    exports(&b, ONE_FIELDS "\"s\":[\"p\"]}}\n");
    add(&b, 'c', 1, 'a');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), a, 1);
    operation(&b, ORACLE_REMOVE, "s", TEXT("\x61p"), a, 1);
    exports(&b, ONE_FIELDS "\"s\":[\"p\"]}}\n");
    add(&b, 'd', 1, 'b');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), IDS(ID('b'), ID('c')));
    operation(&b, ORACLE_UNSET, "s", TEXT(""), IDS(ID('b'))); /* by its adds' changeset */
    exports(&b, ONE_FIELDS "}}\n");
    add(&b, 'e', 1, 'd');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), IDS(ID('d')));
    operation(&b, ORACLE_INC, "n", TEXT(""), NOTHING);
    b.ops[4].amount = 0;
    exports(&b, ONE_FIELDS "\"n\":0}}\n");
    add(&b, 'f', 1, 'e');
    change(&b, ORACLE_UPDATE, "t", RECORD(1), IDS(ID('e')));
    operation(&b, ORACLE_INC, "n", TEXT(""), NOTHING);
    b.ops[5].amount = -5;
    exports(&b, ONE_FIELDS "\"n\":-5}}\n");
}

/* ---- reserved records: rules and weights ----------------------------------------------------------------------- */

TEST(a_rule_of_the_type_settles_and_a_deleted_type_has_none)
{
    base b = { 0 };
    oracle_uuid type = oracle_natural(database, "_type", TEXT("\x81\x61t"));

    two_sides(&b);
    add(&b, 'd', 1, 0);
    change(&b, ORACLE_CREATE, "_type", type, NOTHING);
    operation(&b, ORACLE_SET, "rule.f", TEXT("\x63min"), NOTHING);
    exports(&b, ONE_FIELDS "\"f\":\"x\"}}\n");
    add(&b, 'e', 1, 'd');
    change(&b, ORACLE_DELETE, "_type", type, IDS(ID('d')));
    exports(&b, ONE_FIELDS "\"f\":\"y\"}}\n");
}

TEST(a_rule_for_life_is_the_field_life_of_the_type)
{
    base b = { 0 };
    oracle_uuid type = oracle_natural(database, "_type", TEXT("\x81\x61t"));

    two_sides(&b);
    add(&b, 'd', 2, 'a');
    change(&b, ORACLE_DELETE, "t", RECORD(1), IDS(ID('a')));
    exports(&b, ONE_FIELDS "\"f\":\"y\"}}\n");
    add(&b, 'e', 1, 0);
    change(&b, ORACLE_CREATE, "_type", type, NOTHING);
    operation(&b, ORACLE_SET, "life",
              TEXT("\x69"
                   "dead-wins"),
              NOTHING);
    exports(&b, "");
}

TEST(weights_count_and_a_succession_line_is_one_voter)
{
    base b = { 0 };
    oracle_uuid voter = RECORD(9);
    const oracle_id heads[] = { ID('b'), ID('c') };

    two_sides(&b);
    add(&b, 'd', 3, 'c');
    vote(&b, "t", RECORD(1), "f", TEXT("\x61x"), 0, heads, 2);
    add(&b, 'e', 2, 'c');
    vote(&b, "t", RECORD(1), "f", TEXT("\x61y"), 0, heads, 2);
    add(&b, 'f', 4, 'c');
    vote(&b, "t", RECORD(1), "f", TEXT("\x61y"), 0, heads, 2);
    exports(&b, ONE_FIELDS "\"f\":\"y\"}}\n"); /* two against one */
    b.sets[5].has_succeeds = 1;                /* 4 is a copy of 2: one voice */
    b.sets[5].succeeds = (oracle_id)ID(2);
    exports(&b, ONE_FIELDS "\"f\":\"x\"}}\n"); /* a tie, the earliest vote */
    add(&b, 'g', 1, 0);
    change(&b, ORACLE_CREATE, "_voter", voter, NOTHING);
    operation(&b, ORACLE_SET, "replica",
              TEXT("\x78\x40"
                   "0400000000000000000000000000000000000000000000000000000000000000"),
              NOTHING);
    add(&b, 'h', 1, 'g');
    change(&b, ORACLE_UPDATE, "_voter", voter, IDS(ID('g')));
    operation(&b, ORACLE_SET, "weight", TEXT("\x02"), NOTHING);
    exports(&b, ONE_FIELDS "\"f\":\"y\"}}\n"); /* set on one key of the line, it is the line's */
}

TEST(reserved_cells_ignore_votes)
{
    base b = { 0 };
    oracle *o;

    two_sides(&b);
    for (size_t i = 0; i < 3; i++)
        b.changes[i].type = "_setting";
    add(&b, 'd', 1, 'c');
    vote(&b, "_setting", RECORD(1), "f", TEXT("\x61x"), 0, IDS(ID('b'), ID('c')));
    o = oracle_new(database, b.sets, b.count);
    CHECK_EQ_STR(oracle_export(o, 0), "");
    CHECK_HAS(oracle_export(o, 1), "{\"f\":\"y\"}");
    oracle_free(o);
}

/* ---- filling ---------------------------------------------------------------------------------------------------- */

TEST(natural_keys_are_the_engines)
{
    ph_hasher *h;
    prophet_error err;
    ph_uuid db, got;
    oracle_uuid want = oracle_natural(database, "ticket", TEXT("\x82\x61x\x07"));

    memcpy(&db, database, sizeof db);
    REQUIRE_OK(ph_hasher_new(&h, &err), &err);
    CHECK_OK(ph_uuid_v5(h, &db, ph_slice_str("ticket"), ph_slice("\x82\x61x\x07", 4), &got, &err),
             &err);
    CHECK_MEM(&got, &want, 16);
    ph_hasher_free(h);
}

TEST(decoded_changesets_become_input)
{
    const uint32_t pos[] = { 1 };
    ph_id parent = { { 'p' } }, ref = { { 'r' } };
    ph_op op = { PH_ADD, ph_slice_str("tags"), ph_slice("\x61u", 2), 0, { pos, 1 } };
    ph_change c = {
        .type = ph_slice_str("ticket"), .action = PH_DELETE, .ops = &op, .op_count = 1
    };
    ph_vote v = { .type = ph_slice_str("ticket"),
                  .heads = { pos, 1 },
                  .choice = ph_slice("\x64"
                                     "dead",
                                     5),
                  .by_resolver = true };
    ph_changeset cs = { .has_body = true, .id = { { 'i' } } };
    oracle_input in = { 0 };

    cs.header.replica.b[0] = 'k';
    cs.header.parents = &parent, cs.header.parent_count = 1;
    cs.header.refs = &ref, cs.header.ref_count = 1;
    cs.body.changes = &c, cs.body.change_count = 1;
    cs.body.votes = &v, cs.body.vote_count = 1;
    oracle_input_add(&in, &cs);
    cs.has_body = false;
    oracle_input_add(&in, &cs);
    CHECK_EQ_UINT(in.count, 2);
    CHECK_EQ_UINT(in.sets[1].change_count + in.sets[1].vote_count, 0);
    CHECK_EQ_UINT(in.sets[0].changes[0].ops[0].over[0].b[0], 'r');
    CHECK_EQ_STR(in.sets[0].changes[0].ops[0].field, "tags");
    CHECK_EQ_INT(in.sets[0].changes[0].action, ORACLE_DELETE);
    CHECK_EQ_STR(in.sets[0].votes[0].field, "");
    CHECK(in.sets[0].votes[0].by_resolver && in.sets[0].votes[0].heads[0].b[0] == 'r');
    oracle_input_clear(&in);
}
