/* Sealed files: every length around the borders of chunks, cut into any pieces; nothing can be cut, moved, added or changed. */
#include "support/test.h"
#include "sync/seal_impl.h"
#include <stdlib.h>

static prophet_error err;

static prophet_code append(void *ctx, prophet_slice bytes, prophet_error *e)
{
    ph_buf *b = ctx;
    (void)e;
    ph_buf_put(b, bytes.data, bytes.len);
    return PROPHET_OK;
}

static sync_seal key_of(uint8_t first)
{
    sync_seal s = { .on = true, .has_key = true };
    s.key[0] = first;
    return s;
}

static void seal(const sync_seal *s, const uint8_t *plain, size_t len, ph_buf *out)
{
    sync_sealer w;
    ph_buf_reset(out);
    REQUIRE_OK(sync_sealer_begin(&w, s, append, out, &err), &err);
    for (size_t at = 0; at < len;) {
        size_t n = 1 + test_below(len - at < 40000 ? len - at : 40000);
        REQUIRE_OK(sync_sealer_put(&w, ph_slice(plain + at, n), &err), &err);
        at += n;
    }
    REQUIRE_OK(sync_sealer_end(&w, &err), &err);
    sync_sealer_clear(&w);
    CHECK_EQ_UINT(out->len, sync_seal_size(s, len));
}

static prophet_code unseal(const sync_seal *s, const uint8_t *sealed, size_t len, ph_buf *out)
{
    sync_sealer w;
    prophet_code rc = PROPHET_OK;
    ph_buf_reset(out);
    sync_unsealer_begin(&w, s, append, out);
    for (size_t at = 0; at < len && rc >= 0;) {
        size_t n = 1 + test_below(len - at < 90000 ? len - at : 90000);
        rc = sync_unsealer_put(&w, ph_slice(sealed + at, n), &err);
        at += n;
    }
    if (rc >= 0)
        rc = sync_unsealer_end(&w, &err);
    sync_sealer_clear(&w);
    return rc;
}

TEST(what_is_sealed_comes_back_at_any_length)
{
    static const size_t lengths[] = {
        0, 1, 100, SEAL_CHUNK - 1, SEAL_CHUNK, SEAL_CHUNK + 1, 3 * SEAL_CHUNK, 200000
    };
    uint8_t *plain = malloc(200000);
    ph_buf sealed = PH_BUF_INIT, out = PH_BUF_INIT;
    const sync_seal s = key_of(1), other = key_of(2);
    for (size_t i = 0; i < 200000; i++)
        plain[i] = (uint8_t)test_random();
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        seal(&s, plain, lengths[i], &sealed);
        CHECK_OK(unseal(&s, sealed.data, sealed.len, &out), &err);
        CHECK_SLICE(ph_buf_slice(&out), plain, lengths[i]);
        CHECK_CODE(unseal(&other, sealed.data, sealed.len, &out), PROPHET_EUNTRUSTED, &err);
        CHECK_EQ_UINT(out.len, 0);
    }
    free(plain);
    ph_buf_clear(&sealed);
    ph_buf_clear(&out);
}

TEST(what_is_cut_added_moved_or_changed_is_refused)
{
    enum { LEN = 2 * SEAL_CHUNK + 77, STEP = SEAL_CHUNK + PH_SEAL_TAG };
    uint8_t *plain = calloc(1, LEN), *copy = malloc(LEN + 1000);
    ph_buf sealed = PH_BUF_INIT, out = PH_BUF_INIT;
    const sync_seal s = key_of(1);
    seal(&s, plain, LEN, &sealed);
    static const size_t cuts[] = { 0,
                                   5,
                                   SEAL_HEADER,
                                   SEAL_HEADER + 3,
                                   SEAL_HEADER + STEP,
                                   SEAL_HEADER + 2 * STEP,
                                   SEAL_HEADER + 2 * STEP + 20 };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        CHECK_CODE(unseal(&s, sealed.data, cuts[i], &out), PROPHET_EUNTRUSTED, &err);
    memcpy(copy, sealed.data, sealed.len);
    copy[sealed.len] = 0;
    CHECK_CODE(unseal(&s, copy, sealed.len + 1, &out), PROPHET_EUNTRUSTED, &err);
    memcpy(copy + SEAL_HEADER, sealed.data + SEAL_HEADER + STEP, STEP); /* the second chunk twice */
    CHECK_CODE(unseal(&s, copy, sealed.len, &out), PROPHET_EUNTRUSTED, &err);
    for (int i = 0; i < 60; i++) {
        size_t at = test_below(sealed.len);
        memcpy(copy, sealed.data, sealed.len);
        copy[at] ^= (uint8_t)(1u << test_below(8));
        prophet_code rc = unseal(&s, copy, sealed.len, &out);
        CHECK(rc == PROPHET_EUNTRUSTED || rc == PROPHET_EVERSION);
    }
    free(plain);
    free(copy);
    ph_buf_clear(&sealed);
    ph_buf_clear(&out);
}

/* RFC 8439 2.8.2 without its associated data has no tag in the RFC; the ciphertext is the RFC's. */
TEST(the_cipher_is_chacha20_poly1305)
{
    static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                               "only one tip for the future, sunscreen would be it.";
    static const uint8_t want[16] = { 0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb,
                                      0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e, 0xc2 };
    static const uint8_t nonce[12] = { 7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47 };
    uint8_t key[32], out[sizeof text + PH_SEAL_TAG], back[sizeof text];
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(0x80 + i);
    REQUIRE_OK(ph_seal(key, nonce, ph_slice(text, sizeof text - 1), out, &err), &err);
    CHECK_MEM(out, want, sizeof want);
    REQUIRE_OK(ph_unseal(key, nonce, ph_slice(out, sizeof text - 1 + PH_SEAL_TAG), back, &err),
               &err);
    CHECK_MEM(back, text, sizeof text - 1);
}

TEST(a_passphrase_makes_one_key_for_a_salt)
{
    static const uint8_t salt[SEAL_SALT] = { 1, 2, 3 };
    sync_seal a, b;
    REQUIRE_OK(ph_sync_key_new(test_path("p"), "correct horse", &err), &err);
    REQUIRE_OK(sync_seal_load(test_path("p"), &a, &err), &err);
    REQUIRE_OK(sync_seal_load(test_path("p"), &b, &err), &err);
    REQUIRE_OK(sync_seal_salt(&a, salt, &err), &err);
    REQUIRE_OK(sync_seal_salt(&b, salt, &err), &err);
    CHECK_MEM(a.key, b.key, 32);
    sync_seal_wipe(&b);
    REQUIRE_OK(sync_seal_load(test_path("p"), &b, &err), &err);
    REQUIRE_OK(sync_seal_salt(&b, NULL, &err), &err);
    CHECK(memcmp(a.key, b.key, 32) != 0);
}
