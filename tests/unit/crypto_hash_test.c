/* Hashes: published vectors, parts against the whole, a reused context. */
#include "crypto/crypto.h"
#include "support/test.h"

static void check_sha256(ph_hasher *h, prophet_slice s, const char *want)
{
    prophet_error err;
    uint8_t out[32];
    char hex[65];

    REQUIRE(ph_hash_sha256(h, &s, 1, out, &err) == PROPHET_OK);
    ph_hex(out, 32, hex);
    CHECK_EQ_STR(hex, want);
}

static void check_sha1(ph_hasher *h, prophet_slice s, const char *want)
{
    prophet_error err;
    uint8_t out[20];
    char hex[41];

    REQUIRE(ph_hash_sha1(h, &s, 1, out, &err) == PROPHET_OK);
    ph_hex(out, 20, hex);
    CHECK_EQ_STR(hex, want);
}

TEST(published_vectors)
{
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    prophet_error err;
    ph_hasher *h = NULL;

    REQUIRE(ph_hasher_new(&h, &err) == PROPHET_OK);
    for (int again = 0; again < 2; again++) { /* the context is reused, and the two do not mix */
        check_sha256(h, ph_slice(NULL, 0),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check_sha1(h, ph_slice(NULL, 0), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        check_sha256(h, ph_slice_str("abc"),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check_sha1(h, ph_slice_str("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        check_sha256(h, ph_slice_str(two),
                     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        check_sha1(h, ph_slice_str(two), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    }
    ph_hasher_free(h);
    ph_hasher_free(NULL);
}

TEST(parts_hash_like_the_whole)
{
    static uint8_t bytes[4000];
    prophet_error err;
    ph_hasher *h = NULL;
    prophet_slice whole = ph_slice(bytes, sizeof bytes), part[6];
    uint8_t a[32], b[32];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random();
    REQUIRE(ph_hasher_new(&h, &err) == PROPHET_OK);
    CHECK_CODE(ph_hash_sha256(h, &whole, 1, a, &err), PROPHET_OK, &err);
    for (int round = 0; round < 200; round++) {
        size_t at = 0;
        for (int i = 0; i < 6; i++) {
            size_t n = i == 5 ? sizeof bytes - at : (size_t)test_below(sizeof bytes - at + 1);
            part[i] = ph_slice(n ? bytes + at : NULL, n); /* empty parts too */
            at += n;
        }
        CHECK_CODE(ph_hash_sha256(h, part, 6, b, &err), PROPHET_OK, &err);
        CHECK_MEM(b, a, 32);
    }
    CHECK_CODE(ph_hash_sha256(h, NULL, 0, b, &err), PROPHET_OK, &err);
    CHECK(b[0] == 0xe3 && b[31] == 0x55);
    ph_hasher_free(h);
}

TEST(random_bytes_differ)
{
    static uint8_t big[3 << 20], zero[64];
    prophet_error err;
    uint8_t a[16] = { 0 }, b[16] = { 0 };

    CHECK_CODE(ph_random(a, 16, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_random(b, 16, &err), PROPHET_OK, &err);
    CHECK(memcmp(a, b, 16) != 0);
    CHECK_CODE(ph_random(NULL, 0, &err), PROPHET_OK, &err);
    CHECK_CODE(ph_random(big, sizeof big, &err), PROPHET_OK, &err);
    CHECK(memcmp(big + sizeof big - 64, zero, 64) != 0);
    ph_wipe(big + sizeof big - 64, 64);
    CHECK_MEM(big + sizeof big - 64, zero, 64);
    ph_wipe(NULL, 0);
}
