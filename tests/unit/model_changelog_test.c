/* The line of `prophet log --json` for one changeset. */
#include "model_bytes.h"

#define HEX32(b) A32(b)

static ph_arena arena;
static ph_buf line;

static const char *line_of(const ph_changeset *cs)
{
    ph_buf_clear(&line);
    ph_json_changeset(&line, cs, 12, 7);
    ph_buf_byte(&line, 0);
    REQUIRE(!line.failed);
    return (const char *)line.data;
}

/* A changeset with prev 55.., one parent 66.. and one ref 77..; its id is 44.., its replica 33... */
static ph_changeset changeset_of(const char *body)
{
    static ph_id parents[1], refs[1];
    ph_changeset cs;
    prophet_error err;

    memset(&cs, 0, sizeof cs);
    memset(parents[0].b, 0x66, 32), memset(refs[0].b, 0x77, 32);
    memset(cs.id.b, 0x44, 32), memset(cs.header.replica.b, 0x33, 32);
    memset(cs.header.prev.b, 0x55, 32);
    cs.header.format = 1, cs.header.seq = 3, cs.header.has_prev = true;
    cs.header.parents = parents, cs.header.parent_count = 1;
    cs.header.refs = refs, cs.header.ref_count = 1;
    cs.body_bytes = bytes_of(body);
    cs.has_body = true;
    REQUIRE_OK(ph_body_decode(cs.body_bytes, 3, &arena, &cs.body, &err), &err);
    return cs;
}

static void tidy(ph_changeset *cs)
{
    ph_buf_clear(&line);
    ph_arena_clear(&arena);
    done_with(cs->body_bytes);
}

#define HEAD \
    "{\"id\":\"" HEX32("44") "\",\"replica\":\"" HEX32("33") "\",\"seq\":3,\"prev\":\"" HEX32( \
        "55") "\",\"parents\":[\"" HEX32("66") "\"],\"lamport\":7,\"version\":12,"
#define UUID1 "11111111-1111-1111-1111-111111111111"

TEST(plain_members_come_in_order)
{
    ph_changeset cs = changeset_of("a4 " SALT TIME "03 63 616e6e 04 62 6869");

    CHECK_EQ_STR(line_of(&cs), HEAD
                 "\"time\":\"2023-11-14T22:13:20.000Z\",\"author\":\"ann\",\"message\":\"hi\"}");
    tidy(&cs);
}

TEST(operations_are_told_by_field)
{
    ph_changeset cs =
        changeset_of("a3 " SALT TIME "05 81 a9 " TICKET RECORD UPDATE
                     "04 81 01 05 a1 61 61 62 6f6b 07 a1 61 61 82 "
                     "00 02 08 a1 61 61 20 09 a1 61 74 82 81 01 82 02 01 0a a1 61 74 81 82 03 02");

    CHECK_EQ_STR(
        line_of(&cs), HEAD
        "\"time\":\"2023-11-14T22:13:20.000Z\",\"changes\":[{\"type\":\"ticket\","
        "\"record\":\"" UUID1 "\",\"action\":\"update\",\"over\":[\"" HEX32(
            "66") "\"],"
                  "\"fields\":{\"a\":{\"set\":\"ok\",\"over\":[\"" HEX32("55") "\",\"" HEX32(
                      "77") "\"],"
                            "\"inc\":-1},\"t\":{\"add\":[{\"value\":1,\"over\":[]},{\"value\":2,"
                            "\"over\":[\"" HEX32("66") "\"]}],\"remove\":[{\"value\":3,\"over\":["
                                                       "\"" HEX32("77") "\"]}]}}}]}");
    tidy(&cs);
}

TEST(deletes_creates_and_unsets_are_told)
{
    ph_changeset cs = changeset_of("a3 " SALT TIME "05 82 a4 " TICKET RECORD DELETE "04 81 00 "
                                   "a4 01 67 7469636b657473 " RECORD CREATE "06 81 61 62");

    CHECK_EQ_STR(line_of(&cs),
                 HEAD "\"time\":\"2023-11-14T22:13:20.000Z\",\"changes\":[{\"type\":\"ticket\","
                      "\"record\":\"" UUID1 "\",\"action\":\"delete\",\"over\":[\"" HEX32(
                          "55") "\"]},"
                                "{\"type\":\"tickets\",\"record\":\"" UUID1
                                "\",\"action\":\"create\",\"over\":[],"
                                "\"fields\":{\"b\":{\"unset\":true,\"over\":[]}}}]}");
    tidy(&cs);
}

TEST(votes_are_told)
{
    ph_changeset cs =
        changeset_of("a3 " SALT TIME "06 82 a6 " TICKET RECORD
                     "03 60 04 82 00 01 05 64 64656164 06 00 a8 " TICKET RECORD
                     "03 61 61 04 81 02 06 01 07 61 72 08 5820" A32("ee") "09 63 612262");

    CHECK_EQ_STR(
        line_of(&cs), HEAD
        "\"time\":\"2023-11-14T22:13:20.000Z\",\"votes\":[{\"type\":\"ticket\",\"record\":\"" UUID1
        "\",\"field\":\"\",\"heads\":[\"" HEX32("55") "\",\"" HEX32(
            "66") "\"],"
                  "\"value\":\"dead\",\"by\":\"person\"},{\"type\":\"ticket\",\"record\":\"" UUID1
                  "\","
                  "\"field\":\"a\",\"heads\":[\"" HEX32(
                      "77") "\"],\"unset\":true,\"by\":\"resolver\","
                            "\"resolver\":\"r@" HEX32("ee") "\",\"reason\":\"a\\\"b\"}]}");
    tidy(&cs);
}

TEST(a_missing_body_is_told)
{
    ph_changeset cs;

    memset(&cs, 0, sizeof cs);
    cs.header.seq = 1;
    cs.header.format = 1;
    CHECK_HAS(line_of(&cs), "\"lamport\":7,\"version\":12,\"body\":\"absent\"}");
    cs.header.format = 2;
    cs.header.has_vouches = true;
    CHECK_HAS(line_of(&cs), "\"vouches\":\"" HEX32("00") "\",\"body\":\"unknown format\"}");
    ph_buf_clear(&line);
}
