/* signature: what exactly is signed. Called when a replica signs its newest changeset, when it
 * takes a new key, and for every run of changesets that comes from a peer.
 *
 * A signature is Ed25519 over "prophet signature v1\0" and the id (32 bytes); a succession is
 * the old key's signature over "prophet succession v1\0" and the new key (32 bytes). The domain
 * strings keep one from passing for the other. */
#include "model/model.h"

static const char signature_domain[] = "prophet signature v1",
                  succession_domain[] = "prophet succession v1";

typedef struct message {
    uint8_t bytes[64];
    size_t len;
} message;

/* size counts the zero byte at the end of the domain string. */
static prophet_slice message_of(message *m, const char *domain, size_t size, const ph_id *id)
{
    memcpy(m->bytes, domain, size);
    memcpy(m->bytes + size, id->b, sizeof id->b);
    m->len = size + sizeof id->b;
    return ph_slice(m->bytes, m->len);
}

prophet_code ph_signature_make(const ph_keypair *k, const ph_id *id, uint8_t out[64],
                               prophet_error *err)
{
    message m;

    return ph_keypair_sign(k, message_of(&m, signature_domain, sizeof signature_domain, id), out,
                           err);
}

prophet_code ph_signature_check(const ph_id *replica, const ph_id *id, const uint8_t sig[64],
                                prophet_error *err)
{
    message m;

    return ph_verify(replica->b, message_of(&m, signature_domain, sizeof signature_domain, id), sig,
                     err);
}

prophet_code ph_succession_make(const ph_keypair *old_key, const ph_id *new_key, uint8_t out[64],
                                prophet_error *err)
{
    message m;

    return ph_keypair_sign(
        old_key, message_of(&m, succession_domain, sizeof succession_domain, new_key), out, err);
}

prophet_code ph_succession_check(const ph_header *h, prophet_error *err)
{
    message m;

    return ph_verify(h->succeeds.b,
                     message_of(&m, succession_domain, sizeof succession_domain, &h->replica),
                     h->succeeds_sig, err);
}
