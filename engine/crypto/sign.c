/* sign: Ed25519 keys, signatures and their check (RFC 8032, the pure variant).
 *
 * A replica is a key pair; its public key is its id. The secret is the 32-byte seed: it lies in
 * replica.key, in a ph_keypair, and in OpenSSL's key object, and is wiped in the last two. */
#include "crypto/crypto_impl.h"
#include <openssl/err.h>
#include <openssl/evp.h>

struct ph_keypair {
    EVP_PKEY *key;
    uint8_t seed[32];
    uint8_t public_key[32];
};

prophet_code ph_keypair_from_seed(const uint8_t seed[32], ph_keypair **out, prophet_error *err)
{
    ph_keypair *k = ph_zalloc(sizeof *k);
    size_t len = sizeof k->public_key;
    prophet_code rc;

    if (!k)
        return ph_nomem(err);
    memcpy(k->seed, seed, sizeof k->seed);
    k->key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, sizeof k->seed);
    if (!k->key || EVP_PKEY_get_raw_public_key(k->key, k->public_key, &len) != 1 ||
        len != sizeof k->public_key) {
        rc = ph_crypto_fail(err, "make an Ed25519 key");
        ph_keypair_free(k);
        return rc;
    }
    *out = k;
    return PROPHET_OK;
}

prophet_code ph_keypair_new(ph_keypair **out, prophet_error *err)
{
    uint8_t seed[32];
    prophet_code rc = ph_random(seed, sizeof seed, err);

    if (rc >= 0)
        rc = ph_keypair_from_seed(seed, out, err);
    ph_wipe(seed, sizeof seed);
    return rc;
}

void ph_keypair_free(ph_keypair *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    ph_wipe(k, sizeof *k);
    ph_free(k);
}

void ph_keypair_public(const ph_keypair *k, uint8_t out[32])
{
    memcpy(out, k->public_key, sizeof k->public_key);
}

void ph_keypair_seed(const ph_keypair *k, uint8_t out[32])
{
    memcpy(out, k->seed, sizeof k->seed);
}

/* OpenSSL wants a pointer for an empty message as well. */
static const unsigned char *bytes_of(prophet_slice s)
{
    static const unsigned char none[1];
    return s.len ? s.data : none;
}

prophet_code ph_keypair_sign(const ph_keypair *k, prophet_slice message, uint8_t out[64],
                             prophet_error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 64;
    prophet_code rc = PROPHET_OK;

    if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->key) != 1 ||
        EVP_DigestSign(ctx, out, &len, bytes_of(message), message.len) != 1 || len != 64)
        rc = ph_crypto_fail(err, "sign");
    EVP_MD_CTX_free(ctx);
    return rc;
}

prophet_code ph_verify(const uint8_t key[32], prophet_slice message, const uint8_t signature[64],
                       prophet_error *err)
{
    EVP_PKEY *pkey;
    EVP_MD_CTX *ctx;
    prophet_code rc;

    ERR_clear_error(); /* an old entry must not pass for a failure of this check */
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key, 32);
    ctx = EVP_MD_CTX_new();
    if (!pkey || !ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1) {
        rc = ph_crypto_fail(err, "check a signature");
    } else if (EVP_DigestVerify(ctx, signature, 64, bytes_of(message), message.len) == 1) {
        rc = PROPHET_OK;
    } else if (ph_crypto_starved()) { /* not checked: says nothing of the signature */
        rc = ph_crypto_fail(err, "check a signature");
    } else {
        ERR_clear_error();
        rc = PROPHET_DONE;
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return rc;
}
