/* seal: ChaCha20-Poly1305 (RFC 8439) for one piece of a sealed file, and scrypt (RFC 7914) for keys from passphrases. What a file is made of is
 * sync's; nonces never repeat there, since each file has a key of its own. */
#include "crypto/crypto_impl.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

enum { SCRYPT_N = 1 << 15, SCRYPT_R = 8, SCRYPT_P = 3 }; /* 32 MiB, part of the format */

prophet_code ph_seal(const uint8_t key[32], const uint8_t nonce[12], prophet_slice plain,
                     uint8_t *out, prophet_error *err)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;
    bool ok = c && EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce) == 1 &&
              (plain.len == 0 || EVP_EncryptUpdate(c, out, &n, plain.data, (int)plain.len) == 1) &&
              EVP_EncryptFinal_ex(c, out + n, &rest) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, PH_SEAL_TAG, out + plain.len) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok ? PROPHET_OK : ph_crypto_fail(err, "seal");
}

prophet_code ph_unseal(const uint8_t key[32], const uint8_t nonce[12], prophet_slice sealed,
                       uint8_t *out, prophet_error *err)
{
    uint8_t tag[PH_SEAL_TAG];
    int n = 0, rest = 0;
    if (sealed.len < PH_SEAL_TAG)
        return PROPHET_DONE;
    size_t len = sealed.len - PH_SEAL_TAG;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    memcpy(tag, (const uint8_t *)sealed.data + len, sizeof tag);
    bool ready = c && EVP_DecryptInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce) == 1 &&
                 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, PH_SEAL_TAG, tag) == 1 &&
                 (len == 0 || EVP_DecryptUpdate(c, out, &n, sealed.data, (int)len) == 1);
    bool good = ready && EVP_DecryptFinal_ex(c, out + n, &rest) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ready)
        return ph_crypto_fail(err, "unseal");
    return good ? PROPHET_OK : PROPHET_DONE;
}

prophet_code ph_scrypt(prophet_slice passphrase, const uint8_t salt[16], uint8_t out[32],
                       prophet_error *err)
{
    uint64_t n = SCRYPT_N, memory = 64u << 20;
    uint32_t r = SCRYPT_R, p = SCRYPT_P;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
    EVP_KDF_CTX *c = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
                                          (void *)(uintptr_t)passphrase.data, passphrase.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, 16),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end()
    };
    bool ok = c && EVP_KDF_derive(c, out, 32, params) == 1;
    EVP_KDF_CTX_free(c);
    EVP_KDF_free(kdf);
    return ok ? PROPHET_OK : ph_crypto_fail(err, "derive a key from a passphrase");
}
