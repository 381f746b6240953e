/* Values: what is canonical, what is refused and with which words, what comes back when opened. */
#include "model_bytes.h"

static prophet_code check(prophet_slice value, prophet_error *err)
{
    memset(err, 0, sizeof *err);
    return ph_value_check(value, 0, err);
}

static void accepts(const char *hex, ph_kind kind)
{
    prophet_slice value = bytes_of(hex);
    prophet_error err;
    ph_item item;

    test_context("checking %s", hex);
    CHECK_CODE(check(value, &err), PROPHET_OK, &err);
    CHECK_EQ_INT(ph_value_kind(value), kind);
    CHECK(ph_value_open(value, &item));
    CHECK_EQ_INT(item.kind, kind);
    CHECK_SLICE(item.raw, value.data, value.len);
    test_context(NULL);
    done_with(value);
}

static void refuses(const char *hex, const char *message)
{
    prophet_slice value = bytes_of(hex);
    prophet_error err;

    test_context("checking %s", hex);
    CHECK_CODE(check(value, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, message);
    test_context(NULL);
    done_with(value);
}

TEST(canonical_values_of_every_kind_are_accepted)
{
    accepts("f4", PH_BOOL);
    accepts("f5", PH_BOOL);
    accepts("00", PH_INT);
    accepts("17", PH_INT);
    accepts("18 18", PH_INT);
    accepts("19 0100", PH_INT);
    accepts("1a 00010000", PH_INT);
    accepts("1b 7fffffffffffffff", PH_INT);
    accepts("3b 7fffffffffffffff", PH_INT);
    accepts("fb 3ff0000000000000", PH_FLOAT);
    accepts("fb 0000000000000000", PH_FLOAT);
    accepts("fb 0000000000000001", PH_FLOAT);
    accepts("60", PH_TEXT);
    accepts("62 c3a9", PH_TEXT);
    accepts("41 ff", PH_BYTES);
    accepts("d9 5054 3b 7fffffffffffffff", PH_TIME);
    accepts("d8 25 50 000102030405060708090a0b0c0d0e0f", PH_REF);
    accepts("d9 5042 84 5820" A32("ab") "19 0400 6a 746578742f706c61696e 61 61", PH_BLOB);
    accepts("80", PH_LIST);
    accepts("83 01 61 61 81 f5", PH_LIST);
    accepts("a0", PH_MAP);
    accepts("a3 60 01 61 62 02 62 61 61 a0", PH_MAP);
}

TEST(what_is_not_canonical_is_refused_with_reason_and_offset)
{
    refuses("", "value: bytes end too early at byte 0");
    refuses("18 17", "value: integer or length is not in shortest form at byte 0");
    refuses("19 00ff", "value: integer or length is not in shortest form at byte 0");
    refuses("1a 0000ffff", "value: integer or length is not in shortest form at byte 0");
    refuses("1b 00000000ffffffff", "value: integer or length is not in shortest form at byte 0");
    refuses("82 00 38 17", "value: integer or length is not in shortest form at byte 2");
    refuses("78 01 61", "value: integer or length is not in shortest form at byte 0");
    refuses("19 01", "value: bytes end too early at byte 0");
    refuses("1b 8000000000000000", "value: integer is beyond 64 bits at byte 0");
    refuses("3b 8000000000000000", "value: integer is beyond 64 bits at byte 0");
    refuses("1c", "value: reserved head at byte 0");
    refuses("9f ff", "value: indefinite length at byte 0");
    refuses("bf ff", "value: indefinite length at byte 0");
    refuses("7f 61 61 ff", "value: indefinite length at byte 0");
    refuses("00 00", "value: trailing bytes at byte 1");
    refuses("f6", "value: unknown simple value at byte 0");
    refuses("f7", "value: unknown simple value at byte 0");
    refuses("f8 20", "value: unknown simple value at byte 0");
    refuses("ff", "value: unknown simple value at byte 0");
}

TEST(floats_have_one_form)
{
    refuses("f9 3c00", "value: float is not 64 bits wide at byte 0");
    refuses("fa 3f800000", "value: float is not 64 bits wide at byte 0");
    refuses("fb 8000000000000000", "value: float is negative zero at byte 0");
    refuses("fb 7ff0000000000000", "value: float is not finite at byte 0");
    refuses("fb fff8000000000001", "value: float is not finite at byte 0");
    refuses("fb 3ff00000000000", "value: bytes end too early at byte 0");
}

TEST(texts_are_utf8)
{
    refuses("61 ff", "value: text is not UTF-8 at byte 0");
    refuses("62 c080", "value: text is not UTF-8 at byte 0");
    refuses("63 eda080", "value: text is not UTF-8 at byte 0");
    refuses("81 61 80", "value: text is not UTF-8 at byte 1");
    refuses("62 61", "value: bytes end too early at byte 0");
}

TEST(tags_mean_time_reference_and_blob)
{
    refuses("c0 00", "value: unknown tag at byte 0");
    refuses("d8 26 50 000102030405060708090a0b0c0d0e0f", "value: unknown tag at byte 0");
    refuses("d9 5054 61 61", "value: time is not an integer at byte 3");
    refuses("d9 5054", "value: bytes end too early at byte 3");
    refuses("d8 25 4f 000102030405060708090a0b0c0d0e",
            "value: reference is not 16 bytes at byte 2");
    refuses("d8 25 00", "value: reference is not 16 bytes at byte 2");
    refuses("d9 5042 00", "value: blob is not a list of four at byte 3");
    refuses("d9 5042 83 00 00 00", "value: blob is not a list of four at byte 3");
    refuses("d9 5042 84 41 00 00 60 60", "value: blob hash is not 32 bytes at byte 4");
    refuses("d9 5042 84 5820" A32("ab") "20 60 60",
            "value: blob size is not an unsigned integer at byte 38");
    refuses("d9 5042 84 5820" A32("ab") "1b 8000000000000000 60 60",
            "value: integer is beyond 64 bits at byte 38");
    refuses("d9 5042 84 5820" A32("ab") "00 40 60",
            "value: blob media type is not text at byte 39");
    refuses("d9 5042 84 5820" A32("ab") "00 60 f5", "value: blob name is not text at byte 40");
}

TEST(map_keys_are_sorted_texts)
{
    refuses("a1 01 01", "value: map key is not text at byte 1");
    refuses("a1 62 2461 01", "value: map key starts with $ at byte 1");
    refuses("a2 61 62 01 61 61 02", "value: map keys out of order at byte 4");
    refuses("a2 62 6161 01 61 62 02", "value: map keys out of order at byte 5");
    refuses("a2 61 61 01 61 61 02", "value: duplicate map key at byte 4");
    refuses("a2 60 01 60 02", "value: duplicate map key at byte 3");
}

TEST(claimed_counts_are_not_believed)
{
    refuses("9b 1000000000000000", "value: bytes end too early at byte 0");
    refuses("bb 1000000000000000 61 61 01", "value: bytes end too early at byte 0");
    refuses("9b ffffffffffffffff 00", "value: bytes end too early at byte 0");
    refuses("5b ffffffffffffffff 00", "value: bytes too long at byte 0");
    refuses("7b 0000000100000000 00", "value: text too long at byte 0");
    refuses("a1 61 61", "value: bytes end too early at byte 3");
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limit(ph_buf *value, const char *message)
{
    prophet_error err;

    REQUIRE(!value->failed);
    if (!message) {
        CHECK_CODE(check(ph_buf_slice(value), &err), PROPHET_OK, &err);
    } else {
        CHECK_CODE(check(ph_buf_slice(value), &err), PROPHET_ECORRUPT, &err);
        CHECK_EQ_STR(err.message, message);
    }
    ph_buf_clear(value);
}

static ph_buf nested(unsigned depth)
{
    ph_buf b = PH_BUF_INIT;

    for (unsigned i = 0; i < depth; i++) {
        if (i % 2) {
            ph_put_map(&b, 1);
            ph_put_text(&b, text_of("k"));
        } else {
            ph_put_list(&b, 1);
        }
    }
    ph_put_int(&b, 1);
    return b;
}

TEST(lists_and_maps_lie_sixteen_deep)
{
    ph_buf b = nested(PH_DEPTH_MAX);
    limit(&b, NULL);
    b = nested(PH_DEPTH_MAX + 1);
    limit(&b, "value: nested too deep at byte 32");
}

TEST(a_value_has_4096_entries_nested_ones_included)
{
    ph_buf b = PH_BUF_INIT;

    ph_put_list(&b, 4096);
    for (int i = 0; i < 4096; i++)
        ph_put_int(&b, 0);
    limit(&b, NULL);
    ph_put_list(&b, 4097);
    for (int i = 0; i < 4097; i++)
        ph_put_int(&b, 0);
    limit(&b, "value: too many elements at byte 0");
    ph_put_list(&b, 2); /* two, and 4,095 inside */
    ph_put_list(&b, 4095);
    for (int i = 0; i < 4096; i++)
        ph_put_int(&b, 0);
    limit(&b, "value: too many elements at byte 1");
}

TEST(texts_and_bytes_have_a_mebibyte)
{
    ph_buf b = PH_BUF_INIT;
    char *a = malloc(PH_TEXT_MAX + 1);

    REQUIRE(a != NULL);
    memset(a, 'a', PH_TEXT_MAX + 1);
    ph_put_text(&b, ph_slice(a, PH_TEXT_MAX));
    limit(&b, NULL);
    ph_put_text(&b, ph_slice(a, PH_TEXT_MAX + 1));
    limit(&b, "value: text too long at byte 0");
    ph_put_bytes(&b, ph_slice(a, PH_TEXT_MAX));
    limit(&b, NULL);
    ph_put_bytes(&b, ph_slice(a, PH_TEXT_MAX + 1));
    limit(&b, "value: bytes too long at byte 0");
    free(a);
}

TEST(the_base_is_added_to_the_offset)
{
    prophet_slice value = bytes_of("81 f6");
    prophet_error err;

    CHECK_CODE(ph_value_check(value, 100, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, "value: unknown simple value at byte 101");
    CHECK_CODE(ph_value_check(value, 0, NULL), PROPHET_ECORRUPT, NULL);
    done_with(value);
}
