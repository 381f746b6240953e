/* hash: SHA-256, which names changesets, bodies, batches and blobs, and SHA-1 for UUIDv5.
 *
 * Looking an algorithm up costs more than hashing a small changeset: a hasher looks it up once
 * and keeps its contexts. Model, log and sync each own one a thread. */
#include "crypto/crypto_impl.h"
#include <openssl/err.h>
#include <openssl/evp.h>

struct ph_hasher {
    EVP_MD *sha256, *sha1;     /* sha1: fetched at its first use */
    EVP_MD_CTX *ctx256, *ctx1; /* one each: changing the algorithm of a context allocates */
};

static prophet_code prepare(const char *name, EVP_MD **md, EVP_MD_CTX **ctx, prophet_error *err)
{
    if (!*md && !(*md = EVP_MD_fetch(NULL, name, NULL)))
        return ph_crypto_fail(err, "use the hash function");
    if (!*ctx && !(*ctx = EVP_MD_CTX_new())) {
        ERR_clear_error();
        return ph_nomem(err);
    }
    return PROPHET_OK;
}

prophet_code ph_hasher_new(ph_hasher **out, prophet_error *err)
{
    ph_hasher *h = ph_zalloc(sizeof *h);
    prophet_code rc;

    if (!h)
        return ph_nomem(err);
    if ((rc = prepare("SHA256", &h->sha256, &h->ctx256, err)) < 0) {
        ph_hasher_free(h);
        return rc;
    }
    *out = h;
    return PROPHET_OK;
}

void ph_hasher_free(ph_hasher *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx256);
    EVP_MD_CTX_free(h->ctx1);
    EVP_MD_free(h->sha256);
    EVP_MD_free(h->sha1);
    ph_free(h);
}

static prophet_code hash(EVP_MD_CTX *ctx, const EVP_MD *md, const prophet_slice *parts,
                         size_t count, uint8_t *out, prophet_error *err)
{
    bool ok = EVP_DigestInit_ex2(ctx, md, NULL) == 1;

    for (size_t i = 0; ok && i < count; i++)
        ok = parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    if (!ok || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        return ph_crypto_fail(err, "hash");
    return PROPHET_OK;
}

prophet_code ph_hash_sha256(ph_hasher *h, const prophet_slice *parts, size_t count, uint8_t out[32],
                            prophet_error *err)
{
    return hash(h->ctx256, h->sha256, parts, count, out, err);
}

prophet_code ph_hash_begin(ph_hasher *h, prophet_error *err)
{
    return EVP_DigestInit_ex2(h->ctx256, h->sha256, NULL) == 1 ? PROPHET_OK
                                                               : ph_crypto_fail(err, "hash");
}

prophet_code ph_hash_more(ph_hasher *h, prophet_slice bytes, prophet_error *err)
{
    return bytes.len == 0 || EVP_DigestUpdate(h->ctx256, bytes.data, bytes.len) == 1
               ? PROPHET_OK
               : ph_crypto_fail(err, "hash");
}

prophet_code ph_hash_end(ph_hasher *h, uint8_t out[32], prophet_error *err)
{
    return EVP_DigestFinal_ex(h->ctx256, out, NULL) == 1 ? PROPHET_OK : ph_crypto_fail(err, "hash");
}

prophet_code ph_hash_sha1(ph_hasher *h, const prophet_slice *parts, size_t count, uint8_t out[20],
                          prophet_error *err)
{
    prophet_code rc = prepare("SHA1", &h->sha1, &h->ctx1, err);
    return rc < 0 ? rc : hash(h->ctx1, h->sha1, parts, count, out, err);
}
