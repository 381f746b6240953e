/* Sealed files: encrypted and authenticated, so that who keeps them learns sizes and times only. seal.c draws their bytes. */
#ifndef PH_SYNC_SEAL_IMPL_H
#define PH_SYNC_SEAL_IMPL_H
#include "sync/segment_impl.h"

enum { SEAL_HEADER = 44, SEAL_SALT = 16, SEAL_CHUNK = 64 << 10 };

/* A key as a file of the person tells it: the key itself, or a passphrase, which becomes one with the salt of a depot. */
typedef struct sync_seal {
    bool on, has_key;
    uint8_t key[32];
    char passphrase[256];
    uint8_t salt[SEAL_SALT]; /* zeros without a passphrase */
} sync_seal;
/* path NULL: nothing is sealed. EUSAGE, ENOTFOUND. */
prophet_code sync_seal_load(const char *path, sync_seal *out, prophet_error *err);
void sync_seal_wipe(sync_seal *s);
/* Fixes the salt and derives the key, if that is not done yet; NULL: a new salt. */
prophet_code sync_seal_salt(sync_seal *s, const uint8_t *salt, prophet_error *err);
/* Does this begin as a sealed file does? *salt: its own, borrowed. */
bool sync_seal_is(prophet_slice bytes, const uint8_t **salt);
/* A name that tells nothing of what it names to who has not the key; the same without a seal. */
prophet_code sync_seal_name(const sync_seal *s, ph_hasher *h, const uint8_t name[32],
                            uint8_t out[32], prophet_error *err);
uint64_t sync_seal_size(const sync_seal *s, uint64_t plain); /* how large it becomes */

/* Both pass everything on as it is without a seal. */
typedef struct sync_sealer {
    const sync_seal *seal;
    uint8_t key[32];
    uint64_t number;
    ph_buf chunk, out;
    sync_write_fn write;
    void *ctx;
    bool begun;
    uint8_t header[SEAL_HEADER];
} sync_sealer;
prophet_code sync_sealer_begin(sync_sealer *w, const sync_seal *seal, sync_write_fn write, void *ctx,
                               prophet_error *err);
prophet_code sync_sealer_put(void *sealer, prophet_slice bytes, prophet_error *err);
prophet_code sync_sealer_end(sync_sealer *w, prophet_error *err);
void sync_sealer_clear(sync_sealer *w);

/* EUNTRUSTED: not sealed, or not with this key, or damaged. ECORRUPT: sealed, and there is no key. */
void sync_unsealer_begin(sync_sealer *w, const sync_seal *seal, sync_write_fn write, void *ctx);
prophet_code sync_unsealer_put(void *unsealer, prophet_slice bytes, prophet_error *err);
prophet_code sync_unsealer_end(sync_sealer *w, prophet_error *err);

#endif
