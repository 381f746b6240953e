/* random: randomness, wiping, and OpenSSL's errors as ours.
 *
 * Keys, salts and record ids are made from ph_random; a failure there is never papered over with
 * a weaker source. */
#include "crypto/crypto_impl.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#define CALL_MAX ((size_t)1 << 20) /* RAND_bytes takes an int */

bool ph_crypto_starved(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
           ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

prophet_code ph_crypto_fail(prophet_error *err, const char *what)
{
    unsigned long first = ERR_peek_error();
    prophet_code rc;

    if (ph_crypto_starved()) {
        rc = ph_nomem(err);
    } else {
        rc = ph_fail(err, PROPHET_EIO, "cannot %s", what);
        if (err && first)
            ERR_error_string_n(first, err->cause, sizeof err->cause);
    }
    ERR_clear_error();
    return rc;
}

prophet_code ph_random(void *out, size_t len, prophet_error *err)
{
    uint8_t *to = out;

    while (len > 0) {
        size_t n = len < CALL_MAX ? len : CALL_MAX;
        if (RAND_bytes(to, (int)n) != 1)
            return ph_crypto_fail(err, "get random bytes");
        to += n;
        len -= n;
    }
    return PROPHET_OK;
}

void ph_wipe(void *p, size_t len)
{
    if (p)
        OPENSSL_cleanse(p, len);
}
