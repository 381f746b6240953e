/* Writing values and opening them again; opening bytes nobody checked never reads too far. */
#include "model_bytes.h"

static ph_buf out;

static void wrote(const char *hex)
{
    prophet_slice want = bytes_of(hex);
    prophet_error err;

    CHECK_SLICE(ph_buf_slice(&out), want.data, want.len);
    CHECK_CODE(ph_value_check(ph_buf_slice(&out), 0, &err), PROPHET_OK, &err);
    done_with(want);
    ph_buf_clear(&out);
}

TEST(writers_choose_the_shortest_form)
{
    ph_put_int(&out, 0), wrote("00");
    ph_put_int(&out, 23), wrote("17");
    ph_put_int(&out, 24), wrote("1818");
    ph_put_int(&out, 255), wrote("18ff");
    ph_put_int(&out, 256), wrote("190100");
    ph_put_int(&out, 65536), wrote("1a00010000");
    ph_put_int(&out, INT64_C(4294967296)), wrote("1b0000000100000000");
    ph_put_int(&out, INT64_MAX), wrote("1b7fffffffffffffff");
    ph_put_int(&out, -1), wrote("20");
    ph_put_int(&out, -25), wrote("3818");
    ph_put_int(&out, INT64_MIN), wrote("3b7fffffffffffffff");
    ph_put_uint(&out, 1000), wrote("1903e8");
    ph_put_bool(&out, true), wrote("f5");
    ph_put_bool(&out, false), wrote("f4");
}

TEST(floats_are_written_with_eight_bytes_and_one_zero)
{
    ph_put_float(&out, 1.0), wrote("fb3ff0000000000000");
    ph_put_float(&out, -0.0), wrote("fb0000000000000000");
    ph_put_float(&out, -4.1), wrote("fbc010666666666666");
}

TEST(tagged_values_are_written)
{
    uint8_t hash[32];
    ph_uuid id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

    memset(hash, 0xcd, sizeof hash);
    ph_put_time(&out, -1), wrote("d9505420");
    ph_put_ref(&out, &id), wrote("d82550 0102030405060708090a0b0c0d0e0f10");
    ph_put_blob(&out, hash, 7, text_of("a/b"), text_of("n"));
    wrote("d95042 84 5820" A32("cd") "07 63612f62 616e");
}

TEST(lists_and_maps_are_written_head_first)
{
    ph_put_list(&out, 2), ph_put_text(&out, text_of("a")), ph_put_bytes(&out, text_of("b"));
    wrote("82 6161 4162");
    ph_put_map(&out, 1), ph_put_text(&out, text_of("key")), ph_put_list(&out, 0);
    wrote("a1 636b6579 80");
}

TEST(opened_values_give_back_what_was_written)
{
    uint8_t hash[32] = { 9 };
    ph_uuid id = { { 7 } };
    ph_reader r;
    ph_item item;

    ph_put_int(&out, -77), ph_put_float(&out, 2.5), ph_put_bool(&out, true), ph_put_time(&out, 99);
    ph_put_text(&out, text_of("hello")), ph_put_ref(&out, &id);
    ph_put_blob(&out, hash, 1u << 20, text_of("image/png"), text_of("a.png"));
    r = ph_reader_of(ph_buf_slice(&out));
    CHECK(ph_read_item(&r, &item) && item.kind == PH_INT && item.i == -77);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_FLOAT && item.d == 2.5);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_BOOL && item.b);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_TIME && item.i == 99);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_TEXT);
    CHECK_SLICE(item.s, "hello", 5);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_REF);
    CHECK_SLICE(item.s, id.b, 16);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_BLOB && item.i == 1 << 20);
    CHECK_SLICE(item.s, hash, 32);
    CHECK_SLICE(item.media, "image/png", 9);
    CHECK_SLICE(item.name, "a.png", 5);
    CHECK(!ph_read_item(&r, &item));
    ph_buf_clear(&out);
}

TEST(nested_values_are_walked_by_their_inside)
{
    prophet_slice value = bytes_of("83 01 a2 61 61 82 02 03 61 62 fb 4000000000000000 d9 5054 04");
    ph_reader r, inner;
    ph_item list, item;

    CHECK(ph_value_open(value, &list) && list.kind == PH_LIST && list.i == 3);
    r = ph_reader_of(list.s);
    CHECK(ph_read_item(&r, &item) && item.i == 1);
    CHECK(ph_read_item(&r, &item) && item.kind == PH_MAP && item.i == 2);
    inner = ph_reader_of(item.s);
    CHECK(ph_read_item(&inner, &item) && item.kind == PH_TEXT);
    CHECK(ph_read_item(&inner, &item) && item.kind == PH_LIST && item.raw.len == 3);
    CHECK(ph_read_item(&inner, &item) && item.kind == PH_TEXT);
    CHECK(ph_read_item(&inner, &item) && item.d == 2.0);
    CHECK(!ph_read_item(&inner, &item));
    CHECK(ph_read_item(&r, &item) && item.kind == PH_TIME && item.i == 4);
    CHECK(!ph_read_item(&r, &item));
    done_with(value);
}

TEST(the_empty_slice_is_absent)
{
    ph_item item;

    CHECK_EQ_INT(ph_value_kind(ph_slice(NULL, 0)), PH_ABSENT);
    CHECK(ph_value_open(ph_slice(NULL, 0), &item) && item.kind == PH_ABSENT);
    CHECK_EQ_STR(ph_kind_name(PH_ABSENT), "absent");
    CHECK_EQ_STR(ph_kind_name(PH_REF), "reference");
    CHECK_EQ_STR(ph_kind_name(PH_MAP), "map");
}

/* Random bytes, often with plausible heads; the sanitizers look on. */
static prophet_slice rubbish(void)
{
    static const uint8_t heads[] = { 0x9b, 0xbb, 0x5b, 0x7b, 0xd9, 0x50, 0x54, 0x42, 0x84, 0xa1,
                                     0x82, 0xfb, 0xd8, 0x25, 0x58, 0x20, 0xf5, 0x61, 0x00, 0xff };
    size_t len = test_below(40);
    uint8_t *p = malloc(len ? len : 1);

    REQUIRE(p != NULL);
    for (size_t i = 0; i < len; i++)
        p[i] = test_below(2) ? heads[test_below(sizeof heads)] : (uint8_t)test_random();
    return ph_slice(p, len);
}

TEST(opening_unchecked_bytes_ends_in_time)
{
    for (int i = 0; i < 20000; i++) {
        prophet_slice bytes = rubbish();
        ph_reader r = ph_reader_of(bytes);
        ph_item item;
        size_t items = 0;
        while (ph_read_item(&r, &item)) {
            items++;
            CHECK(item.raw.len > 0);
        }
        CHECK(items <= bytes.len);
        (void)ph_value_kind(bytes);
        bool opens = ph_value_open(bytes, &item);
        CHECK(ph_value_check(bytes, 0, NULL) < 0 || opens);
        done_with(bytes);
    }
}
