/* Buffers: growth, integers, formatting, and the sticky failure. */
#include "base/base.h"
#include "support/test.h"
#include <stdint.h>

TEST(an_empty_buffer_is_an_empty_slice)
{
    ph_buf b = PH_BUF_INIT;

    ph_buf_put(&b, NULL, 0);
    ph_buf_str(&b, "");
    CHECK_EQ_UINT(ph_buf_slice(&b).len, 0);
    CHECK(!b.failed);
    ph_buf_reset(&b);
    ph_buf_clear(&b);
    ph_buf_clear(NULL);
}

TEST(puts_of_every_length_arrive)
{
    static unsigned char from[5000];
    ph_buf b = PH_BUF_INIT;
    size_t at = 0;

    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)test_random();
    for (size_t n = 0; n < 300; n++)
        ph_buf_put(&b, from + n, n);
    ph_buf_put(&b, from, sizeof from);
    ph_buf_byte(&b, 7);
    REQUIRE(!b.failed);
    for (size_t n = 0; n < 300; at += n, n++)
        if (memcmp(b.data + at, from + n, n) != 0)
            CHECK_MSG(false, "put of %zu bytes differs", n);
    CHECK_MEM(b.data + at, from, sizeof from);
    CHECK_EQ_INT(b.data[at + sizeof from], 7);
    CHECK_EQ_UINT(b.len, at + sizeof from + 1);
    ph_buf_clear(&b);
}

TEST(reset_keeps_the_memory)
{
    ph_buf b = PH_BUF_INIT;
    uint8_t *data;

    ph_buf_str(&b, "something");
    data = b.data;
    ph_buf_reset(&b);
    ph_buf_str(&b, "else");
    CHECK(b.data == data);
    CHECK_SLICE(ph_buf_slice(&b), "else", 4);
    ph_buf_clear(&b);
    CHECK(b.data == NULL && b.cap == 0);
}

TEST(a_failed_growth_sticks_and_keeps_what_was_there)
{
    ph_buf b = PH_BUF_INIT;

    ph_buf_str(&b, "kept");
    CHECK(!ph_buf_reserve(&b, SIZE_MAX));
    CHECK(b.failed);
    ph_buf_byte(&b, 1);
    ph_buf_str(&b, "more");
    ph_buf_varint(&b, 1);
    ph_buf_u32be(&b, 1);
    ph_buf_u64be(&b, 1);
    ph_buf_printf(&b, "%d", 1);
    CHECK(!ph_buf_reserve(&b, 0));
    CHECK_SLICE(ph_buf_slice(&b), "kept", 4);
    ph_buf_reset(&b);
    ph_buf_str(&b, "again");
    CHECK_SLICE(ph_buf_slice(&b), "again", 5);
    ph_buf_clear(&b);
}

TEST(printf_of_any_length)
{
    ph_buf b = PH_BUF_INIT;
    char want[400];

    for (int n = 0; n < 300; n++) {
        ph_buf_reset(&b);
        ph_buf_printf(&b, "%0*d|", n, 5);
        (void)snprintf(want, sizeof want, "%0*d|", n, 5);
        CHECK_SLICE(ph_buf_slice(&b), want, strlen(want));
    }
    ph_buf_clear(&b);
    ph_buf_printf(&b, "%s", "");
    CHECK_EQ_UINT(b.len, 0);
    ph_buf_clear(&b);
}

TEST(integers_are_big_endian_and_varints_short)
{
    ph_buf b = PH_BUF_INIT;
    uint8_t raw[12];

    ph_buf_u32be(&b, 0x01020304u);
    ph_buf_u64be(&b, 0x05060708090a0b0cu);
    ph_buf_varint(&b, 0);
    ph_buf_varint(&b, 127);
    ph_buf_varint(&b, 128);
    CHECK_SLICE(ph_buf_slice(&b), "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\0\x7f\x80\1", 16);
    CHECK_EQ_UINT(ph_u32be(b.data), 0x01020304u);
    CHECK_EQ_UINT(ph_u64be(b.data + 4), 0x05060708090a0b0cu);
    ph_u64be_put(raw + 1, UINT64_MAX - 1); /* at any alignment */
    CHECK_EQ_UINT(ph_u64be(raw + 1), UINT64_MAX - 1);
    ph_u32be_put(raw + 3, 0xfffffffeu);
    CHECK_EQ_UINT(ph_u32be(raw + 3), 0xfffffffeu);
    ph_buf_clear(&b);
}

TEST(memory_that_runs_out_is_a_failed_buffer)
{
#ifdef PH_DEV
    ph_buf b = PH_BUF_INIT;

    for (uint64_t n = 1; n < 4; n++) {
        ph_alloc_fail_at(n);
        for (int i = 0; i < 40; i++)
            ph_buf_str(&b, "0123456789");
        CHECK(b.failed);
        CHECK(b.len % 10 == 0 && b.len < 400);
        ph_buf_clear(&b);
    }
    ph_alloc_fail_at(0);
#else
    test_skip("a build without fault points");
#endif
}

TEST(slices_compare_bytewise_with_the_prefix_first)
{
    CHECK(ph_slice_cmp(ph_slice(NULL, 0), ph_slice(NULL, 0)) == 0);
    CHECK(ph_slice_cmp(ph_slice(NULL, 0), ph_slice_str("a")) < 0);
    CHECK(ph_slice_cmp(ph_slice_str("ab"), ph_slice_str("a")) > 0);
    CHECK(ph_slice_cmp(ph_slice_str("\xff"), ph_slice_str("a")) > 0);
    CHECK(ph_slice_eq(ph_slice(NULL, 0), ph_slice_str("")));
    CHECK(!ph_slice_eq(ph_slice_str("a"), ph_slice_str("b")));
    CHECK_EQ_UINT(ph_slice_str(NULL).len, 0);
}
