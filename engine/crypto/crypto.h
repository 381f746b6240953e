/* crypto: hashes, keys and randomness; the only place that sees OpenSSL. */
#ifndef PH_CRYPTO_H
#define PH_CRYPTO_H
#include "base/base.h"

typedef struct ph_hasher ph_hasher; /* a reusable context; one thread at a time */
prophet_code ph_hasher_new(ph_hasher **out, prophet_error *err);
void         ph_hasher_free(ph_hasher *h);
/* SHA-256 of the parts one after the other. Fails only for lack of memory inside OpenSSL. */
prophet_code ph_hash_sha256(ph_hasher *h, const prophet_slice *parts, size_t count, uint8_t out[32],
                            prophet_error *err);
/* SHA-256 of what comes in pieces. The hasher does nothing else between begin and end. */
prophet_code ph_hash_begin(ph_hasher *h, prophet_error *err);
prophet_code ph_hash_more(ph_hasher *h, prophet_slice bytes, prophet_error *err);
prophet_code ph_hash_end(ph_hasher *h, uint8_t out[32], prophet_error *err);
/* SHA-1, for UUIDv5 only (RFC 9562). */
prophet_code ph_hash_sha1(ph_hasher *h, const prophet_slice *parts, size_t count, uint8_t out[20],
                          prophet_error *err);

/* Ed25519 (RFC 8032). */
typedef struct ph_keypair ph_keypair;
prophet_code ph_keypair_new(ph_keypair **out, prophet_error *err);                        /* random */
prophet_code ph_keypair_from_seed(const uint8_t seed[32], ph_keypair **out, prophet_error *err);
void         ph_keypair_public(const ph_keypair *k, uint8_t out[32]);
void         ph_keypair_seed(const ph_keypair *k, uint8_t out[32]);
prophet_code ph_keypair_sign(const ph_keypair *k, prophet_slice message, uint8_t out[64], prophet_error *err);
void         ph_keypair_free(ph_keypair *k); /* wipes the secret */
/* 0: good; PROPHET_DONE: the signature does not fit; < 0: could not check. */
prophet_code ph_verify(const uint8_t key[32], prophet_slice message, const uint8_t signature[64],
                       prophet_error *err);

/* ChaCha20-Poly1305: out has room for the plain bytes and a tag. A nonce is used once with a key. */
#define PH_SEAL_TAG 16
prophet_code ph_seal(const uint8_t key[32], const uint8_t nonce[12], prophet_slice plain, uint8_t *out,
                     prophet_error *err);
/* PROPHET_DONE: not authentic, what is in out means nothing. */
prophet_code ph_unseal(const uint8_t key[32], const uint8_t nonce[12], prophet_slice sealed, uint8_t *out,
                       prophet_error *err);
/* scrypt with N 2^15, r 8, p 3: takes 32 MiB and some tenths of a second. */
prophet_code ph_scrypt(prophet_slice passphrase, const uint8_t salt[16], uint8_t out[32], prophet_error *err);

prophet_code ph_random(void *out, size_t len, prophet_error *err);
void         ph_wipe(void *p, size_t len);

#endif
