/* Names of codes, ids and hashes: what needs no open database. */
#include "api/api_impl.h"
#include <pthread.h>

const char *prophet_version(void)
{
    return PH_VERSION;
}

const char *prophet_code_name(prophet_code code)
{
    return ph_code_name(code);
}

/* Rising within a process: the lock guards the last time and count. */
prophet_code prophet_uuid_new(prophet_uuid *out, prophet_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last;
    static uint32_t count;
    uint8_t random[10];
    prophet_code rc = ph_random(random, sizeof random, err);
    if (rc < 0)
        return rc;
    int64_t now = ph_now_ms();
    (void)pthread_mutex_lock(&lock);
    if (now > last || count >= 0x3fff) {
        last = now > last ? now : last + 1;
        count = random[2] & 0x3fu; /* room to count up */
    } else
        count++;
    now = last;
    random[0] = (uint8_t)(count >> 10);
    random[1] = (uint8_t)(count >> 2);
    random[2] = (uint8_t)((random[2] & 0x0f) | (count & 3) << 4);
    (void)pthread_mutex_unlock(&lock);
    ph_uuid id = ph_uuid_v7(now < 0 ? 0 : now, random);
    memcpy(out->b, id.b, sizeof out->b);
    return PROPHET_OK;
}

void prophet_uuid_format(const prophet_uuid *id, char out[37])
{
    ph_uuid u;
    memcpy(u.b, id->b, sizeof u.b);
    ph_uuid_format(&u, out);
}

prophet_code prophet_uuid_parse(const char *text, size_t len, prophet_uuid *out, prophet_error *err)
{
    ph_uuid u;
    if (!ph_uuid_parse(text, len, &u))
        return ph_fail(err, PROPHET_EUSAGE, "\"%.*s\" is no id", (int)(len < 64 ? len : 64), text);
    memcpy(out->b, u.b, sizeof out->b);
    return PROPHET_OK;
}

prophet_code prophet_hash_of(prophet_slice bytes, prophet_hash *out, prophet_error *err)
{
    ph_hasher *h;
    prophet_code rc = ph_hasher_new(&h, err);
    if (rc < 0)
        return rc;
    rc = ph_hash_sha256(h, &bytes, 1, out->b, err);
    ph_hasher_free(h);
    return rc;
}
