/* Bodies as bytes: what the strict decoder makes of them, and what it refuses. Offsets: salt and
 * time end at byte 29, key 5 or 6 is there, a single change or vote starts at byte 31. */
#include "model_bytes.h"

static ph_arena arena;

static prophet_code decode(prophet_slice bytes, size_t names, ph_body *body, prophet_error *err)
{
    memset(err, 0, sizeof *err);
    return ph_body_decode(bytes, names, &arena, body, err);
}

/* Accepted, and the same bytes when encoded again. */
static void accepts(const char *hex)
{
    prophet_slice bytes = bytes_of(hex);
    ph_buf again = PH_BUF_INIT;
    ph_body body;
    prophet_error err;

    test_context("decoding %s", hex);
    REQUIRE_OK(decode(bytes, 3, &body, &err), &err);
    CHECK_OK(ph_body_encode(&body, 3, &again, &err), &err);
    CHECK_SLICE(ph_buf_slice(&again), bytes.data, bytes.len);
    for (size_t cut = 0; cut < bytes.len; cut++) /* shorter is never fine */
        CHECK_CODE(decode(ph_slice(bytes.data, cut), 3, &body, &err), PROPHET_ECORRUPT, &err);
    test_context(NULL);
    ph_buf_clear(&again);
    ph_arena_clear(&arena);
    done_with(bytes);
}

static void refuses(const char *hex, const char *reason)
{
    prophet_slice bytes = bytes_of(hex);
    char message[200];
    ph_body body;
    prophet_error err;

    test_context("decoding %s", hex);
    (void)snprintf(message, sizeof message, "changeset body: %s", reason);
    CHECK_CODE(decode(bytes, 3, &body, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, message);
    test_context(NULL);
    ph_arena_clear(&arena);
    done_with(bytes);
}

#define CHANGE(map) "a3 " SALT TIME "05 81 " map
#define VOTE(map)   "a3 " SALT TIME "06 81 " map

TEST(empty_and_plain_bodies_are_accepted)
{
    accepts("a2 " SALT TIME);
    accepts("a2 " SALT "02 20");
    accepts("a4 " SALT TIME "03 63 616e6e 04 62 6869");
    accepts(CHANGE("a3 " TICKET RECORD CREATE));
    accepts(CHANGE("a4 " TICKET RECORD DELETE "04 83 00 01 02"));
}

TEST(every_kind_of_operation_is_accepted)
{
    accepts(CHANGE("a4 " TICKET RECORD CREATE "05 a2 61 61 01 62 6162 80"));
    accepts(CHANGE("a5 " TICKET RECORD UPDATE "06 82 61 61 61 62 07 a1 61 62 81 01"));
    accepts(CHANGE(
        "a6 " TICKET RECORD UPDATE
        "05 a2 61 61 01 61 64 02 06 82 61 62 61 63 07 a3 61 61 81 00 61 62 82 00 02 61 64 81 02"));
    accepts(CHANGE("a4 " TICKET RECORD UPDATE "08 a2 61 68 20 61 69 1b 7fffffffffffffff"));
    accepts(CHANGE("a4 " TICKET RECORD UPDATE "09 a1 64 74616773 82 82 01 00 81 62 7569"));
    accepts(CHANGE("a5 " TICKET RECORD UPDATE
                   "09 a1 64 74616773 81 81 02 0a a1 64 74616773 82 82 01 00 83 62 7569 00 02"));
}

TEST(operations_of_different_kinds_share_a_field)
{
    accepts(CHANGE("a7 " TICKET RECORD UPDATE
                   "05 a1 61 66 01 08 a1 61 66 01 09 a1 61 66 81 81 01 0a a1 61 66 81 82 02 00"));
}

TEST(decoded_operations_lie_in_the_drawn_order)
{
    prophet_slice bytes = bytes_of(CHANGE(
        "a9 " TICKET RECORD UPDATE "04 81 01 05 a1 61 61 01 06 81 61 62 07 a1 61 62 82 00 02 "
        "08 a1 61 63 24 09 a1 61 64 82 81 01 82 02 01"));
    ph_body b;
    prophet_error err;

    REQUIRE_OK(decode(bytes, 3, &b, &err), &err);
    CHECK_EQ_INT(b.time, 1700000000000);
    REQUIRE(b.change_count == 1 && b.changes[0].op_count == 5);
    const ph_op *op = b.changes[0].ops;
    CHECK_EQ_UINT(b.changes[0].offset, 31);
    CHECK_EQ_INT(b.changes[0].action, PH_UPDATE);
    CHECK(b.changes[0].over.count == 1 && b.changes[0].over.pos[0] == 1);
    CHECK(op[0].kind == PH_SET && op[0].value.len == 1 && op[0].over.count == 0);
    CHECK(op[1].kind == PH_UNSET && op[1].over.count == 2 && op[1].over.pos[1] == 2);
    CHECK(op[2].kind == PH_INC && op[2].amount == -5);
    CHECK(op[3].kind == PH_ADD && op[3].over.count == 0 && ph_slice_eq(op[3].field, text_of("d")));
    CHECK(op[4].kind == PH_ADD && op[4].over.count == 1 && op[4].over.pos[0] == 1);
    ph_arena_clear(&arena);
    done_with(bytes);
}

TEST(a_change_is_found_by_its_offset)
{
    prophet_slice bytes = bytes_of("a3 " SALT TIME "05 82 a3 " TICKET RECORD CREATE
                                   "a4 " TICKET RECORD2 UPDATE "05 a1 61 61 05");
    ph_body b;
    ph_change c;
    prophet_error err;

    REQUIRE_OK(decode(bytes, 0, &b, &err), &err);
    REQUIRE(b.change_count == 2);
    CHECK_OK(ph_change_decode_at(bytes, b.changes[1].offset, &arena, &c, &err), &err);
    CHECK(c.op_count == 1 && c.record.b[0] == 0x22 && c.offset == b.changes[1].offset);
    CHECK_CODE(ph_change_decode_at(bytes, bytes.len, &arena, &c, &err), PROPHET_ECORRUPT, &err);
    CHECK_CODE(ph_change_decode_at(bytes, 30, &arena, &c, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, "changeset body: change is not a map at byte 30");
    ph_arena_clear(&arena);
    done_with(bytes);
}

TEST(bodies_that_are_not_drawn_so_are_refused)
{
    refuses("82 00 00", "not a map at byte 0");
    refuses("a0", "salt is missing at byte 0");
    refuses("a1 " SALT, "time is missing at byte 0");
    refuses("a2 " SALT TIME "00", "trailing bytes at byte 29");
    refuses("a3 " SALT TIME "07 00", "unknown key at byte 29");
    refuses("a3 " SALT TIME "01 00", "map keys out of order at byte 29");
    refuses("a3 " SALT TIME "02 00", "duplicate map key at byte 29");
    refuses("a3 " SALT TIME "00 00", "unknown key at byte 29");
    refuses("a3 " SALT TIME "1803 00", "integer or length is not in shortest form at byte 29");
    refuses("a3 " SALT TIME "61 61", "map key is not an unsigned integer at byte 29");
    refuses("a2 01 41 00 " TIME, "salt is not 16 bytes at byte 2");
    refuses("a2 " SALT "02 61 61", "time is not an integer at byte 20");
    refuses("a2 " SALT "02 1b 8000000000000000", "integer is beyond 64 bits at byte 20");
    refuses("a3 " SALT TIME "03 60", "empty text at byte 30");
    refuses("a3 " SALT TIME "04 41 61", "message is not text at byte 30");
    refuses("a3 " SALT TIME "04 61 ff", "text is not UTF-8 at byte 30");
    refuses("a3 " SALT TIME "05 80", "empty list of changes at byte 30");
    refuses("a3 " SALT TIME "06 80", "empty list of votes at byte 30");
    refuses("a3 " SALT TIME "05 9b 1000000000000000", "bytes end too early at byte 30");
    refuses("a3 " SALT TIME "06 9b 1000000000000000", "bytes end too early at byte 30");
    refuses("bb 1000000000000000 " SALT TIME, "bytes end too early at byte 0");
}

TEST(changes_that_are_not_drawn_so_are_refused)
{
    refuses(CHANGE("a2 " RECORD CREATE "00 00 00 00"), "change has no type at byte 32");
    refuses(CHANGE("a2 " TICKET CREATE A32("00")), "change has no record at byte 40");
    refuses(CHANGE("a2 " TICKET RECORD "00 00 00"), "change has no action at byte 31");
    refuses(CHANGE("a3 " TICKET RECORD "03 03"), "unknown action at byte 59");
    refuses(CHANGE("a3 01 61 41 " RECORD CREATE), "bad type name at byte 33");
    refuses(CHANGE("a3 " TICKET "02 4f 111111111111111111111111111111 " CREATE),
            "record is not 16 bytes at byte 41");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "0b 00"), "unknown key at byte 60");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "04 80"), "empty list of positions at byte 61");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "04 81 03"), "position out of range at byte 62");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "04 82 01 00"), "positions out of order at byte 63");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "04 82 01 01"), "duplicate position at byte 63");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "04 81 20"),
            "position is not an unsigned integer at byte 62");
    refuses(CHANGE("a4 " TICKET RECORD DELETE "05 a1 61 61 01"), "delete with fields at byte 60");
    refuses(CHANGE("a4 " TICKET RECORD DELETE "0a a1 61 61 81 82 01 00"),
            "delete with fields at byte 60");
}

TEST(changes_are_sorted_one_a_record)
{
    refuses("a3 " SALT TIME "05 82 a3 " TICKET RECORD2 CREATE "a3 " TICKET RECORD CREATE,
            "changes out of order at byte 60");
    refuses("a3 " SALT TIME "05 82 a3 " TICKET RECORD CREATE "a3 " TICKET RECORD UPDATE,
            "second change of one record at byte 60");
    refuses("a3 " SALT TIME "05 82 a3 " TICKET RECORD CREATE "a3 01 61 61 " RECORD2 UPDATE,
            "changes out of order at byte 60");
    accepts("a3 " SALT TIME "05 82 a3 01 61 7a " RECORD2 CREATE "a3 " TICKET RECORD CREATE);
}

TEST(fields_are_sorted_and_not_empty)
{
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a0"), "empty fields at byte 61");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "06 80"), "empty fields at byte 61");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a2 61 62 01 61 61 01"),
            "fields out of order at byte 65");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a2 61 61 01 61 61 01"),
            "duplicate field at byte 65");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a1 62 612e 01"), "bad field name at byte 62");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a1 60 18 20"), "bad field name at byte 62");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "05 a1 61 61 f6"), "unknown simple value at byte 64");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a1 61 61 01 06 81 61 61"),
            "field is both set and unset at byte 67");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a1 61 61 01 07 a0"), "empty fields at byte 66");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a1 61 61 01 07 a1 61 62 81 00"),
            "heads of a field that is neither set nor unset at byte 67");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a1 61 61 01 07 a1 61 61 80"),
            "bytes end too early at byte 66");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a2 61 61 01 61 62 01 07 a2 61 61 80 61 62 80"),
            "bytes end too early at byte 69");
    refuses(CHANGE("a5 " TICKET RECORD CREATE "05 a2 61 61 01 61 62 01 07 a1 61 61 80 00"),
            "empty list of positions at byte 72");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "07 a1 61 61 81 00"),
            "heads of a field that is neither set nor unset at byte 62");
    accepts(CHANGE("a4 01 66 5f7469636b65 " RECORD CREATE "05 a1 63 612e62 01"));
}

TEST(counters_have_integers)
{
    refuses(CHANGE("a4 " TICKET RECORD CREATE "08 a1 61 61 61 61"),
            "increment is not an integer at byte 64");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "08 a1 61 61 1b 8000000000000000"),
            "integer is beyond 64 bits at byte 64");
}

TEST(elements_are_sorted_and_mentioned_once)
{
    refuses(CHANGE("a4 " TICKET RECORD CREATE "09 a1 61 61 80 00"),
            "empty list of elements at byte 64");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "09 a1 61 61 81 80"),
            "bytes end too early at byte 64");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "09 a1 61 61 82 80 82 01 00"),
            "element has no value at byte 65");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "09 a1 61 61 82 81 02 81 01"),
            "elements out of order at byte 68");
    refuses(CHANGE("a4 " TICKET RECORD CREATE "09 a1 61 61 82 81 02 81 02"),
            "duplicate element at byte 68");
    refuses(CHANGE("a4 " TICKET RECORD UPDATE "0a a1 61 61 81 81 02"),
            "removed element names no add at byte 65");
    refuses(CHANGE("a4 " TICKET RECORD UPDATE "0a a1 61 61 81 82 02 03"),
            "position out of range at byte 67");
    refuses(CHANGE("a5 " TICKET RECORD UPDATE "09 a1 61 61 81 81 02 0a a1 61 61 81 82 02 00"),
            "element is both added and removed at byte 73");
}

TEST(votes_are_accepted)
{
    accepts(VOTE("a5 " TICKET RECORD "03 61 61 04 81 00 06 00"));
    accepts(VOTE("a6 " TICKET RECORD "03 60 04 82 00 01 05 64 64656164 06 00"));
    accepts(VOTE("a9 " TICKET RECORD
                 "03 61 61 04 81 02 05 82 01 02 06 01 07 61 72 08 5820" A32("ee") "09 62 6f6b"));
}

TEST(votes_that_are_not_drawn_so_are_refused)
{
    refuses(VOTE("a4 " TICKET RECORD "03 61 61 04 81 00"), "vote does not say by whom at byte 31");
    refuses(VOTE("a4 " TICKET RECORD "03 61 61 06 00"), "vote has no heads at byte 61");
    refuses(VOTE("a5 " TICKET RECORD "03 61 61 04 80 06 00"), "empty list of positions at byte 62");
    refuses(VOTE("a5 " TICKET RECORD "03 61 41 04 81 00 06 00"), "bad field name at byte 59");
    refuses(VOTE("a5 " TICKET RECORD "03 61 61 04 81 00 06 02"),
            "voter is neither 0 nor 1 at byte 65");
    refuses(VOTE("a6 " TICKET RECORD "03 61 61 04 81 00 06 00 07 61 72"),
            "resolver of a person's vote at byte 66");
    refuses(VOTE("a6 " TICKET RECORD "03 61 61 04 81 00 06 01 07 61 72"),
            "resolver's vote without its name and hash at byte 31");
    refuses(VOTE("a6 " TICKET RECORD "03 61 61 04 81 00 06 01 08 5820" A32("00")),
            "resolver's vote without its name and hash at byte 31");
    refuses(VOTE("a5 " TICKET RECORD "03 60 04 81 00 06 00"),
            "choice for life is neither alive nor dead at byte 31");
    refuses(VOTE("a6 " TICKET RECORD "03 60 04 81 00 05 01 06 00"),
            "choice for life is neither alive nor dead at byte 31");
    refuses(VOTE("a6 " TICKET RECORD "03 61 61 04 81 00 06 00 0a 00"), "unknown key at byte 66");
    refuses(VOTE("a6 " TICKET RECORD "03 61 61 04 81 00 06 00 09 60"), "empty text at byte 67");
    refuses("a3 " SALT TIME "06 82 a5 " TICKET RECORD "03 61 61 04 81 00 06 00 a5 " TICKET RECORD
            "03 61 61 04 81 01 06 00",
            "second vote on one cell at byte 66");
    refuses("a3 " SALT TIME "06 82 a5 " TICKET RECORD "03 61 62 04 81 00 06 00 a5 " TICKET RECORD
            "03 61 61 04 81 01 06 00",
            "votes out of order at byte 66");
}

TEST(a_failed_decode_leaves_the_result_alone)
{
    prophet_slice bytes = bytes_of("a3 " SALT TIME "05 80");
    ph_body body;
    prophet_error err;

    memset(&body, 0x5a, sizeof body);
    CHECK_CODE(decode(bytes, 3, &body, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_INT(((uint8_t *)&body)[0], 0x5a);
    ph_arena_clear(&arena);
    done_with(bytes);
}
