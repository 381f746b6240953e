/* Ed25519: the vectors of RFC 8032, 7.1; every changed bit; keys and signatures that are none. */
#include "crypto/crypto.h"
#include "support/test.h"

static const struct vector {
    const char *seed, *key, *message, *signature;
} vectors[] = {
    { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
    { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
    { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
    { "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
      "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
      "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
};

static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t len = strlen(hex) / 2;

    REQUIRE(ph_unhex(hex, strlen(hex), out, len));
    return len;
}

TEST(rfc_8032_vectors)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint8_t seed[32], key[32], message[64], signature[64], got[64];
        prophet_error err;
        ph_keypair *k = NULL;
        prophet_slice m;

        test_context("vector %zu", i);
        CHECK_EQ_UINT(bytes_of(vectors[i].seed, seed), 32);
        CHECK_EQ_UINT(bytes_of(vectors[i].key, key), 32);
        CHECK_EQ_UINT(bytes_of(vectors[i].signature, signature), 64);
        m = ph_slice(message, bytes_of(vectors[i].message, message));
        REQUIRE(ph_keypair_from_seed(seed, &k, &err) == PROPHET_OK);
        ph_keypair_public(k, got);
        CHECK_MEM(got, key, 32);
        ph_keypair_seed(k, got);
        CHECK_MEM(got, seed, 32);
        CHECK_CODE(ph_keypair_sign(k, m, got, &err), PROPHET_OK, &err);
        CHECK_MEM(got, signature, 64);
        CHECK_CODE(ph_verify(key, m, signature, &err), PROPHET_OK, &err);
        ph_keypair_free(k);
    }
}

TEST(one_changed_bit_anywhere_does_not_fit)
{
    uint8_t key[32], signature[64], message[20] = "changeset";
    prophet_slice m = ph_slice(message, sizeof message);
    prophet_error err;
    ph_keypair *k = NULL;

    REQUIRE(ph_keypair_new(&k, &err) == PROPHET_OK);
    ph_keypair_public(k, key);
    CHECK_CODE(ph_keypair_sign(k, m, signature, &err), PROPHET_OK, &err);
    ph_keypair_free(k);
    for (size_t bit = 0; bit < 64 * 8; bit += 7) {
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK_CODE(ph_verify(key, m, signature, &err), PROPHET_DONE, &err);
        signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 32 * 8; bit += 5) {
        key[bit / 8] ^= (uint8_t)(1u << bit % 8); /* another key, or no point of the curve at all */
        CHECK_CODE(ph_verify(key, m, signature, &err), PROPHET_DONE, &err);
        key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    message[19] ^= 1;
    CHECK_CODE(ph_verify(key, m, signature, &err), PROPHET_DONE, &err);
    message[19] ^= 1;
    CHECK_CODE(ph_verify(key, ph_slice(message, 19), signature, &err), PROPHET_DONE, &err);
    CHECK_CODE(ph_verify(key, m, signature, &err), PROPHET_OK, &err);
}

TEST(a_signature_has_one_spelling)
{
    /* S + L, which the curve cannot tell from S, and RFC 8032 says to refuse */
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                       0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
    uint8_t seed[32] = { 5 }, key[32], signature[64];
    prophet_error err;
    ph_keypair *k = NULL;
    unsigned carry = 0;

    REQUIRE(ph_keypair_from_seed(seed, &k, &err) == PROPHET_OK);
    ph_keypair_public(k, key);
    CHECK_CODE(ph_keypair_sign(k, ph_slice_str("x"), signature, &err), PROPHET_OK, &err);
    ph_keypair_free(k);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature[32 + i] + order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    CHECK_CODE(ph_verify(key, ph_slice_str("x"), signature, &err), PROPHET_DONE, &err);
}

TEST(two_new_keys_differ)
{
    prophet_error err;
    ph_keypair *a = NULL, *b = NULL;
    uint8_t ka[32], kb[32];

    REQUIRE(ph_keypair_new(&a, &err) == PROPHET_OK);
    REQUIRE(ph_keypair_new(&b, &err) == PROPHET_OK);
    ph_keypair_public(a, ka);
    ph_keypair_public(b, kb);
    CHECK(memcmp(ka, kb, 32) != 0);
    ph_keypair_free(a);
    ph_keypair_free(b);
    ph_keypair_free(NULL);
}
