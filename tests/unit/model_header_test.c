/* Headers: their bytes, what is refused, names and positions, ids. */
#include "model_bytes.h"

#define DB \
    "02 50 " \
    "dddddddddddddddddddddddddddddddd "
#define REPLICA "03 5820 " A32("11")
#define SEQ2    "04 02 "
#define PREV    "05 5820 " A32("22")
#define BODY    "08 5820 " A32("88")
#define ID(b)   "5820 " A32(b)

static ph_arena arena;

static void accepts(const char *hex)
{
    prophet_slice bytes = bytes_of(hex);
    ph_buf again = PH_BUF_INIT;
    prophet_error err;
    ph_header h;

    test_context("decoding %s", hex);
    REQUIRE_OK(ph_header_decode(bytes, &arena, &h, &err), &err);
    ph_header_encode(&h, &again);
    CHECK_SLICE(ph_buf_slice(&again), bytes.data, bytes.len);
    for (size_t cut = 0; cut < bytes.len; cut++)
        CHECK_CODE(ph_header_decode(ph_slice(bytes.data, cut), &arena, &h, &err), PROPHET_ECORRUPT,
                   &err);
    test_context(NULL);
    ph_buf_clear(&again);
    ph_arena_clear(&arena);
    done_with(bytes);
}

static void refuses(const char *hex, const char *reason)
{
    prophet_slice bytes = bytes_of(hex);
    char message[200];
    prophet_error err;
    ph_header h;

    test_context("decoding %s", hex);
    (void)snprintf(message, sizeof message, "changeset header: %s", reason);
    CHECK_CODE(ph_header_decode(bytes, &arena, &h, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, message);
    test_context(NULL);
    ph_arena_clear(&arena);
    done_with(bytes);
}

TEST(headers_with_and_without_a_past_are_accepted)
{
    accepts("a5 01 01 " DB REPLICA "04 01 " BODY);
    accepts("a6 01 01 " DB REPLICA SEQ2 PREV BODY);
    accepts("a8 01 01 " DB REPLICA SEQ2 PREV "06 82" ID("33") ID("44") "07 81" ID("40") BODY);
    accepts("a7 01 01 " DB REPLICA "04 01 " BODY "09 82 " ID("99") "5840" A32("00")
                A32("01") "0a " ID("77"));
}

TEST(missing_members_are_named)
{
    refuses("a0", "format is missing at byte 0");
    refuses("a1 01 01", "database is missing at byte 0");
    refuses("a4 01 01 " DB "04 01 " BODY, "replica is missing at byte 0");
    refuses("a4 01 01 " DB REPLICA BODY, "sequence number is missing at byte 0");
    refuses("a4 01 01 " DB REPLICA "04 01", "body hash is missing at byte 0");
    refuses("a5 01 01 " DB REPLICA SEQ2 BODY, "prev is missing at byte 0");
    refuses("a6 01 01 " DB REPLICA "04 01 " PREV BODY, "prev of a first changeset at byte 0");
}

TEST(wrong_members_are_refused_where_they_are)
{
    refuses("80", "not a map at byte 0");
    refuses("a5 01 00 " DB REPLICA "04 01 " BODY, "bad format number at byte 2");
    refuses("a5 01 01 " DB REPLICA "04 00 " BODY, "bad sequence number at byte 57");
    refuses("a5 01 01 " DB REPLICA "04 1b 8000000000000000 " BODY,
            "bad sequence number at byte 57");
    refuses("a5 01 01 " DB REPLICA "04 20 " BODY, "bad sequence number at byte 57");
    refuses("a6 01 01 " DB REPLICA "04 01 " BODY "0b 00", "unknown key at byte 93");
    refuses("a5 01 01 " DB REPLICA "04 01 " BODY "00", "trailing bytes at byte 93");
    refuses("a5 01 01 02 4f dddddddddddddddddddddddddddddd " REPLICA "04 01 " BODY,
            "database is not 16 bytes at byte 4");
    refuses("a6 01 01 " DB REPLICA "04 01 06 80 " BODY, "empty list of ids at byte 59");
    refuses("a6 01 01 " DB REPLICA "04 01 06 9b 1000000000000000 " BODY,
            "bytes end too early at byte 59");
    refuses("a7 01 01 " DB REPLICA SEQ2 PREV "06 82" ID("44") ID("33") BODY,
            "ids out of order at byte 129");
    refuses("a7 01 01 " DB REPLICA SEQ2 PREV "06 82" ID("33") ID("33") BODY,
            "duplicate id at byte 129");
    refuses("a6 01 01 " DB REPLICA "04 01 " BODY "09 81 " ID("99"),
            "succeeds is not a list of two at byte 94");
}

TEST(nothing_is_named_twice)
{
    refuses("a7 01 01 " DB REPLICA SEQ2 PREV "06 81" ID("22") BODY,
            "changeset named twice at byte 0");
    refuses("a7 01 01 " DB REPLICA SEQ2 PREV "07 81" ID("22") BODY,
            "changeset named twice at byte 0");
    refuses("a8 01 01 " DB REPLICA SEQ2 PREV "06 82" ID("33") ID("55") "07 82" ID("44") ID("55")
                BODY,
            "changeset named twice at byte 0");
}

TEST(a_replica_succeeds_another_in_its_first_changeset)
{
    refuses("a7 01 01 " DB REPLICA SEQ2 PREV BODY "09 82 " ID("99") "5840" A32("00") A32("00"),
            "succeeds in a later changeset than the first at byte 0");
    refuses("a6 01 01 " DB REPLICA "04 01 " BODY "09 82 " ID("11") "5840" A32("00") A32("00"),
            "replica succeeds itself at byte 0");
}

TEST(members_of_later_formats_are_kept_as_they_came)
{
    accepts("a5 01 02 " DB REPLICA "04 01 " BODY);
    accepts("a7 01 02 " DB REPLICA "04 01 " BODY "0b a1 f9 3c00 82 f6 c1 00 18 63 61 61");
    refuses("a6 01 02 " DB REPLICA "04 01 " BODY "0b 9f", "indefinite length at byte 94");
    refuses("a6 01 02 " DB REPLICA "04 01 " BODY "0b 81", "bytes end too early at byte 94");
    refuses("a6 01 02 " DB REPLICA "04 01 " BODY "0b f8 10",
            "simple value is not in shortest form at byte 94");
    refuses("a5 01 02 " DB REPLICA BODY "0b 00", "sequence number is missing at byte 0");
    refuses("a6 01 02 " DB REPLICA "04 01 06 80 " BODY, "empty list of ids at byte 59");
}

TEST(deep_unknown_members_are_refused)
{
    ph_buf b = PH_BUF_INIT;
    prophet_slice head = bytes_of("a6 01 02 " DB REPLICA "04 01 " BODY "0b");
    prophet_error err;
    ph_header h;

    ph_buf_put(&b, head.data, head.len);
    for (int i = 0; i < 100000; i++)
        ph_buf_byte(&b, 0x81);
    ph_buf_byte(&b, 0);
    CHECK_CODE(ph_header_decode(ph_buf_slice(&b), &arena, &h, &err), PROPHET_ECORRUPT, &err);
    CHECK_HAS(err.message, "nested too deep");
    ph_buf_clear(&b);
    ph_arena_clear(&arena);
    done_with(head);
}

/* ---- names ----------------------------------------------------------------------------------- */

TEST(names_are_prev_then_parents_then_refs)
{
    ph_id parents[2] = { { { 3 } }, { { 5 } } }, refs[3] = { { { 1 } }, { { 4 } }, { { 9 } } };
    ph_header h = { .seq = 2,
                    .has_prev = true,
                    .prev = { { 7 } },
                    .parents = parents,
                    .parent_count = 2,
                    .refs = refs,
                    .ref_count = 3 };
    static const uint8_t order[] = { 7, 3, 5, 1, 4, 9 };
    ph_id other = { { 6 } };

    CHECK_EQ_UINT(ph_changeset_names(&h), 6);
    for (uint32_t i = 0; i < 6; i++) {
        const ph_id *id = ph_changeset_name(&h, i);
        REQUIRE(id != NULL);
        CHECK_EQ_INT(id->b[0], order[i]);
        CHECK_EQ_INT(ph_changeset_position(&h, id), i);
    }
    CHECK(ph_changeset_name(&h, 6) == NULL);
    CHECK(ph_changeset_name(&h, UINT32_MAX) == NULL);
    CHECK_EQ_INT(ph_changeset_position(&h, &other), -1);
    h.has_prev = false;
    CHECK_EQ_INT(ph_changeset_name(&h, 0)->b[0], 3);
    CHECK_EQ_INT(ph_changeset_position(&h, &refs[2]), 4);
}

/* ---- ids ------------------------------------------------------------------------------------- */

TEST(an_id_is_the_hash_of_a_domain_and_the_header)
{
    prophet_slice bytes = bytes_of("a5 01 01 " DB REPLICA "04 01 " BODY);
    ph_buf scratch = PH_BUF_INIT, all = PH_BUF_INIT;
    ph_hasher *hasher = NULL;
    prophet_error err;
    uint8_t want[32];
    ph_header h;
    ph_id id;

    REQUIRE_OK(ph_hasher_new(&hasher, &err), &err);
    REQUIRE_OK(ph_header_decode(bytes, &arena, &h, &err), &err);
    CHECK_OK(ph_header_id(hasher, &h, &scratch, &id, &err), &err);
    ph_buf_put(&all, "prophet changeset v1", 21);
    ph_buf_put(&all, bytes.data, bytes.len);
    prophet_slice part = ph_buf_slice(&all);
    CHECK_OK(ph_hash_sha256(hasher, &part, 1, want, &err), &err);
    CHECK_MEM(id.b, want, 32);
    ph_hasher_free(hasher);
    ph_buf_clear(&all);
    ph_buf_clear(&scratch);
    ph_arena_clear(&arena);
    done_with(bytes);
}

TEST(sealing_fills_hash_and_id_and_refuses_flaws)
{
    ph_changeset cs = { .header = { .format = 1, .seq = 1 } };
    ph_buf scratch = PH_BUF_INIT;
    ph_hasher *hasher = NULL;
    prophet_error err;
    uint8_t want[32];
    ph_id id;

    REQUIRE_OK(ph_hasher_new(&hasher, &err), &err);
    cs.body_bytes = text_of("body");
    CHECK_OK(ph_changeset_seal(hasher, &cs, &scratch, &err), &err);
    CHECK_OK(ph_hash_sha256(hasher, &cs.body_bytes, 1, want, &err), &err);
    CHECK_MEM(cs.header.body.b, want, 32);
    CHECK_OK(ph_header_id(hasher, &cs.header, &scratch, &id, &err), &err);
    CHECK(ph_id_eq(&id, &cs.id));
    cs.header.seq = 2;
    CHECK_CODE(ph_changeset_seal(hasher, &cs, &scratch, &err), PROPHET_EUSAGE, &err);
    CHECK_EQ_STR(err.message, "changeset header: prev is missing");
    ph_hasher_free(hasher);
    ph_buf_clear(&scratch);
}

TEST(signatures_bind_an_id_to_a_key)
{
    static const uint8_t seed[32] = { 1, 2, 3 }, other_seed[32] = { 9 };
    ph_keypair *key = NULL, *other = NULL;
    ph_id id = { { 5 } }, replica, stranger;
    ph_header h = { .seq = 1 };
    prophet_error err;
    uint8_t sig[64];

    REQUIRE_OK(ph_keypair_from_seed(seed, &key, &err), &err);
    REQUIRE_OK(ph_keypair_from_seed(other_seed, &other, &err), &err);
    ph_keypair_public(key, replica.b);
    ph_keypair_public(other, stranger.b);
    CHECK_OK(ph_signature_make(key, &id, sig, &err), &err);
    CHECK_CODE(ph_signature_check(&replica, &id, sig, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_signature_check(&stranger, &id, sig, &err), PROPHET_DONE, &err);
    h.replica = stranger, h.succeeds = replica;
    memcpy(h.succeeds_sig, sig, 64);
    CHECK_CODE(ph_succession_check(&h, &err), PROPHET_DONE, &err); /* another domain */
    CHECK_OK(ph_succession_make(key, &stranger, h.succeeds_sig, &err), &err);
    CHECK_CODE(ph_succession_check(&h, &err), PROPHET_OK, &err);
    id.b[31] ^= 1;
    CHECK_CODE(ph_signature_check(&replica, &id, sig, &err), PROPHET_DONE, &err);
    ph_keypair_free(key);
    ph_keypair_free(other);
}
