/* Sealed files.
 *
 *   file   header, chunks
 *   header 44 bytes: "prophetseal" 11, format 1 (1 byte), salt 16, nonce 16
 *   chunk  up to 64 KiB of the plain file, and 16 bytes of tag: ChaCha20-Poly1305. Its nonce is 0 0 0, last (1 byte: 1 for the last one, which may
 *          be empty, else 0), number 8 (from 0, big-endian). Only the last is shorter than 64 KiB
 *   key of a file    SHA-256("prophet seal file", 0, key, header)
 *   key              32 bytes of a key file (salt 0), or scrypt(passphrase, salt; N 2^15, r 8, p 3)
 *   name             SHA-256("prophet seal name", 0, key, name): of folders and segments in a sealed depot
 *
 * A chunk is authentic at its place alone, so nothing can be left out, added or moved; what has another name or an older state is found by the signed
 * manifest in it. A key file is text: "prophet key 1" and 64 hex digits on the next line, or "prophet passphrase 1" and the passphrase. */
#include "sync/seal_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { NAME_LEN = 11, FORMAT = 1 };

static const char magic[] = "prophetseal", file_domain[] = "prophet seal file",
                  name_domain[] = "prophet seal name"; /* domains with their 0 */

/* ---- keys ------------------------------------------------------------------------------------------------------------ */

static prophet_code no_key(const char *path, prophet_error *err)
{
    prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s is no key", path);
    ph_hint(err, "prophet key new makes one");
    return rc;
}

/* The second line, without its end. */
static bool second_line(const ph_buf *text, const char *first, prophet_slice *out)
{
    size_t n = strlen(first);
    const char *p = (const char *)text->data;
    if (text->len <= n || memcmp(p, first, n) != 0 || p[n] != '\n')
        return false;
    const char *end = memchr(p + n + 1, '\n', text->len - n - 1);
    *out = ph_slice(p + n + 1, end ? (size_t)(end - p) - n - 1 : text->len - n - 1);
    return true;
}

prophet_code sync_seal_load(const char *path, sync_seal *out, prophet_error *err)
{
    ph_buf text = PH_BUF_INIT;
    prophet_slice line;
    *out = (sync_seal){ .on = path != NULL };
    if (!path)
        return PROPHET_OK;
    prophet_code rc = ph_file_slurp(path, 4096, &text, err);
    if (rc == PROPHET_ENOTFOUND) {
        (void)ph_fail(err, rc, "there is no key file %s", path);
        ph_hint(err, "prophet key new makes one; a depot's own is with who sealed it");
    }
    if (rc < 0)
        return rc;
    if (second_line(&text, "prophet key 1", &line))
        out->has_key = line.len == 64 && ph_unhex(line.data, 64, out->key, 32);
    else if (second_line(&text, "prophet passphrase 1", &line) && line.len > 0 &&
             line.len < sizeof out->passphrase)
        memcpy(out->passphrase, line.data, line.len);
    ph_wipe(text.data, text.len);
    ph_buf_clear(&text);
    return out->has_key || out->passphrase[0] ? PROPHET_OK : no_key(path, err);
}

prophet_code ph_sync_key_new(const char *path, const char *passphrase, prophet_error *err)
{
    uint8_t key[32] = { 0 };
    char hex[65];
    ph_buf text = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;
    if (!path || !*path)
        return ph_fail(err, PROPHET_EUSAGE, "a key is written to a file: give its path");
    if (passphrase && (!*passphrase || strlen(passphrase) >= sizeof((sync_seal *)0)->passphrase ||
                       strchr(passphrase, '\n')))
        return ph_fail(err, PROPHET_EUSAGE, "a passphrase is one line of 1 to 255 bytes");
    if (!passphrase && (rc = ph_random(key, sizeof key, err)) < 0)
        return rc;
    ph_hex(key, passphrase ? 0 : sizeof key, hex);
    ph_buf_str(&text, passphrase ? "prophet passphrase 1\n" : "prophet key 1\n");
    ph_buf_str(&text, passphrase ? passphrase : hex);
    ph_buf_str(&text, "\n");
    int fd = text.failed ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (text.failed)
        rc = ph_nomem(err);
    else if (fd < 0)
        rc = ph_fail_create(err, errno, path);
    else if ((rc = ph_file_write(fd, text.data, text.len, 0, err)) >= 0)
        rc = ph_file_sync(fd, err);
    if (fd >= 0)
        close(fd);
    if (text.data)
        ph_wipe(text.data, text.len);
    ph_wipe(key, sizeof key);
    ph_wipe(hex, sizeof hex);
    ph_buf_clear(&text);
    return rc;
}

void sync_seal_wipe(sync_seal *s)
{
    ph_wipe(s, sizeof *s);
}

prophet_code sync_seal_salt(sync_seal *s, const uint8_t *salt, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!s->on || s->has_key)
        return PROPHET_OK;
    if (salt)
        memcpy(s->salt, salt, sizeof s->salt);
    else
        rc = ph_random(s->salt, sizeof s->salt, err);
    if (rc >= 0)
        rc = ph_scrypt(ph_slice_str(s->passphrase), s->salt, s->key, err);
    s->has_key = rc >= 0;
    return rc;
}

bool sync_seal_is(prophet_slice bytes, const uint8_t **salt)
{
    *salt = (const uint8_t *)bytes.data + NAME_LEN + 1;
    return bytes.len >= SEAL_HEADER && memcmp(bytes.data, magic, NAME_LEN) == 0;
}

static prophet_code derive(const char *domain, size_t len, const sync_seal *s, ph_hasher *h,
                           prophet_slice what, uint8_t out[32], prophet_error *err)
{
    const prophet_slice parts[] = { ph_slice(domain, len), ph_slice(s->key, sizeof s->key), what };
    return ph_hash_sha256(h, parts, 3, out, err);
}

prophet_code sync_seal_name(const sync_seal *s, ph_hasher *h, const uint8_t name[32],
                            uint8_t out[32], prophet_error *err)
{
    if (s->on)
        return derive(name_domain, sizeof name_domain, s, h, ph_slice(name, 32), out, err);
    memcpy(out, name, 32);
    return PROPHET_OK;
}

uint64_t sync_seal_size(const sync_seal *s, uint64_t plain)
{
    uint64_t chunks = plain ? (plain + SEAL_CHUNK - 1) / SEAL_CHUNK : 1;
    return s->on ? SEAL_HEADER + plain + chunks * PH_SEAL_TAG : plain;
}

static prophet_code file_key(sync_sealer *w, prophet_error *err)
{
    ph_hasher *h;
    prophet_code rc = ph_hasher_new(&h, err);
    if (rc < 0)
        return rc;
    rc = derive(file_domain, sizeof file_domain, w->seal, h, ph_slice(w->header, SEAL_HEADER),
                w->key, err);
    ph_hasher_free(h);
    return rc;
}

static void nonce_of(uint64_t number, bool last, uint8_t nonce[12])
{
    memset(nonce, 0, 12);
    nonce[3] = last;
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(number >> (56 - 8 * i));
}

/* ---- sealing --------------------------------------------------------------------------------------------------------- */

prophet_code sync_sealer_begin(sync_sealer *w, const sync_seal *seal, sync_write_fn write,
                               void *ctx, prophet_error *err)
{
    *w = (sync_sealer){ .seal = seal, .write = write, .ctx = ctx };
    prophet_code rc;
    if (!seal->on)
        return PROPHET_OK;
    memcpy(w->header, magic, NAME_LEN);
    w->header[NAME_LEN] = FORMAT;
    memcpy(w->header + NAME_LEN + 1, seal->salt, SEAL_SALT);
    if ((rc = ph_random(w->header + NAME_LEN + 1 + SEAL_SALT, 16, err)) < 0 ||
        (rc = file_key(w, err)) < 0)
        return rc;
    return write(ctx, ph_slice(w->header, SEAL_HEADER), err);
}

static prophet_code seal_chunk(sync_sealer *w, prophet_slice plain, bool last, prophet_error *err)
{
    uint8_t nonce[12];
    nonce_of(w->number++, last, nonce);
    if (!ph_buf_reserve(&w->out, plain.len + PH_SEAL_TAG))
        return ph_nomem(err);
    prophet_code rc = ph_seal(w->key, nonce, plain, w->out.data, err);
    return rc < 0 ? rc : w->write(w->ctx, ph_slice(w->out.data, plain.len + PH_SEAL_TAG), err);
}

/* A full chunk goes when more comes: it may be the last. */
prophet_code sync_sealer_put(void *sealer, prophet_slice bytes, prophet_error *err)
{
    sync_sealer *w = sealer;
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    prophet_code rc = PROPHET_OK;
    if (!w->seal->on)
        return w->write(w->ctx, bytes, err);
    while (p < end && rc >= 0) {
        if (w->chunk.len == SEAL_CHUNK) {
            rc = seal_chunk(w, ph_buf_slice(&w->chunk), false, err);
            ph_buf_reset(&w->chunk);
        }
        size_t n = SEAL_CHUNK - w->chunk.len < (size_t)(end - p) ? SEAL_CHUNK - w->chunk.len
                                                                 : (size_t)(end - p);
        ph_buf_put(&w->chunk, p, n);
        p += n;
        if (w->chunk.failed)
            rc = ph_nomem(err);
    }
    return rc;
}

prophet_code sync_sealer_end(sync_sealer *w, prophet_error *err)
{
    return w->seal->on ? seal_chunk(w, ph_buf_slice(&w->chunk), true, err) : PROPHET_OK;
}

void sync_sealer_clear(sync_sealer *w)
{
    ph_buf_clear(&w->chunk);
    ph_buf_clear(&w->out);
    ph_wipe(w->key, sizeof w->key);
}

/* ---- unsealing ------------------------------------------------------------------------------------------------------- */

void sync_unsealer_begin(sync_sealer *w, const sync_seal *seal, sync_write_fn write, void *ctx)
{
    *w = (sync_sealer){ .seal = seal, .write = write, .ctx = ctx };
}

static prophet_code begin_file(sync_sealer *w, prophet_error *err)
{
    memcpy(w->header, w->chunk.data, SEAL_HEADER);
    if (memcmp(w->header, magic, NAME_LEN) != 0) {
        prophet_code rc = ph_fail(err, PROPHET_EUNTRUSTED, "it is not sealed");
        ph_hint(err, "leave the key away, if it need not be");
        return rc;
    }
    if (w->header[NAME_LEN] != FORMAT)
        return ph_fail(err, PROPHET_EVERSION, "a sealed file of format %u: this version reads %d",
                       w->header[NAME_LEN], FORMAT);
    w->begun = true;
    ph_buf_reset(&w->chunk);
    return file_key(w, err);
}

static prophet_code open_chunk(sync_sealer *w, bool last, prophet_error *err)
{
    uint8_t nonce[12];
    nonce_of(w->number++, last, nonce);
    if (!ph_buf_reserve(&w->out, w->chunk.len))
        return ph_nomem(err);
    prophet_code rc = ph_unseal(w->key, nonce, ph_buf_slice(&w->chunk), w->out.data, err);
    size_t len = w->chunk.len - PH_SEAL_TAG;
    ph_buf_reset(&w->chunk);
    if (rc == PROPHET_DONE)
        return ph_fail(err, PROPHET_EUNTRUSTED,
                       "it is damaged, or was sealed with another key than the one given");
    return rc < 0 || len == 0 ? rc : w->write(w->ctx, ph_slice(w->out.data, len), err);
}

prophet_code sync_unsealer_put(void *unsealer, prophet_slice bytes, prophet_error *err)
{
    sync_sealer *w = unsealer;
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    prophet_code rc = PROPHET_OK;
    if (!w->seal->on)
        return w->write(w->ctx, bytes, err);
    while (p < end && rc >= 0) {
        size_t full = w->begun ? SEAL_CHUNK + PH_SEAL_TAG : SEAL_HEADER;
        if (w->chunk.len == full) {
            rc = w->begun ? open_chunk(w, false, err) : begin_file(w, err);
            continue;
        }
        size_t n =
            full - w->chunk.len < (size_t)(end - p) ? full - w->chunk.len : (size_t)(end - p);
        ph_buf_put(&w->chunk, p, n);
        p += n;
        if (w->chunk.failed)
            rc = ph_nomem(err);
    }
    return rc;
}

prophet_code sync_unsealer_end(sync_sealer *w, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (!w->seal->on)
        return PROPHET_OK;
    if (!w->begun && w->chunk.len < SEAL_HEADER)
        return ph_fail(err, PROPHET_EUNTRUSTED, "it is not sealed");
    if (!w->begun && (rc = begin_file(w, err)) < 0)
        return rc;
    return open_chunk(w, true, err);
}
