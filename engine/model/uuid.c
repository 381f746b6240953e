/* uuid: record and database ids (RFC 9562), versions 7 and 5, and their text.
 *
 *   v7: 48 bits of milliseconds, 4 of version, 12 random, 2 of variant, 62 random
 *   v5: the first 128 bits of SHA-1(database id, type, 00, canonical list of key values), version and variant set
 *
 * Called by replica (new records, natural keys) and wherever an id is read from or shown to people. */
#include "model/model.h"

#define MS_MAX ((INT64_C(1) << 48) - 1)

static void stamp(ph_uuid *u, unsigned version)
{
    u->b[6] = (uint8_t)((u->b[6] & 0x0f) | version << 4);
    u->b[8] = (uint8_t)((u->b[8] & 0x3f) | 0x80);
}

ph_uuid ph_uuid_v7(int64_t ms, const uint8_t random[10])
{
    uint64_t time = (uint64_t)(ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms); /* clocks can be anything */
    ph_uuid u;

    for (int i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(time >> (40 - 8 * i));
    memcpy(u.b + 6, random, 10);
    stamp(&u, 7);
    return u;
}

prophet_code ph_uuid_v5(ph_hasher *h, const ph_uuid *database, prophet_slice type,
                        prophet_slice key, ph_uuid *out, prophet_error *err)
{
    const prophet_slice parts[] = { ph_slice(database->b, sizeof database->b), type,
                                    ph_slice("", 1), key };
    uint8_t sha1[20];
    prophet_code rc;

    if ((rc = ph_hash_sha1(h, parts, sizeof parts / sizeof *parts, sha1, err)) < 0)
        return rc;
    memcpy(out->b, sha1, sizeof out->b);
    stamp(out, 5);
    return PROPHET_OK;
}

static bool dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void ph_uuid_format(const ph_uuid *u, char out[37])
{
    char *to = out;

    for (size_t i = 0; i < sizeof u->b; i++) {
        if (dash_before(i))
            *to++ = '-';
        ph_hex(u->b + i, 1, to);
        to += 2;
    }
}

bool ph_uuid_parse(const char *text, size_t len, ph_uuid *out)
{
    ph_uuid u;
    const char *at = text;

    if (len == 32) {
        if (!ph_unhex(text, len, u.b, sizeof u.b))
            return false;
        *out = u;
        return true;
    }
    if (len != 36)
        return false;
    for (size_t i = 0; i < sizeof u.b; i++, at += 2) {
        if (dash_before(i) && *at++ != '-')
            return false;
        if (!ph_unhex(at, 2, u.b + i, 1))
            return false;
    }
    *out = u;
    return true;
}
