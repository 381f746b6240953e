/* The messages of the comparison as bytes, for carriers that are a wire. Each is one canonical CBOR map with unsigned keys; lists of ids
 * are one byte string, so that a message is checked by its length:
 *
 *   offer   {1: format 1, 2: database, 3: replica, 4: digest, 5: heads: 72 bytes each, replica 32, seq 8, id 32}
 *   want    {1: 1, 2: database, 3: replica, 4: wanted ids, 5: known ids}; without 4 and 5: all there is
 *   answer  {1: 1, 2: database, 3: replica, 4: digest, 5: changesets, 6: conflicts, 7: decided, 8: forks, 9: unsigned,
 *            10: held back, 11: writers' keys, new ones first, 12: how many of these are new, 13: own chain}
 *
 * Heads are sorted by (replica, id), ids ascend, nothing is there twice. Strictness comes from one rule: what was read is
 * written again and must give the same bytes. Called by live.c and serve. */
#include "sync/sync_impl.h"
#include <stdlib.h>

enum { FORMAT = 1, HEAD_SIZE = 72, ID_SIZE = 32, KEYS = 13 };

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static void put_number(ph_buf *out, uint64_t key, uint64_t value)
{
    ph_put_uint(out, key);
    ph_put_uint(out, value);
}

static void put_fixed(ph_buf *out, uint64_t key, const void *bytes, size_t len)
{
    ph_put_uint(out, key);
    ph_put_bytes(out, ph_slice(bytes, len));
}

static void put_start(ph_buf *out, size_t members, const ph_sync_peer *from)
{
    ph_put_map(out, members);
    put_number(out, 1, FORMAT);
    put_fixed(out, 2, from->database.b, sizeof from->database.b);
    put_fixed(out, 3, from->replica.b, sizeof from->replica.b);
}

static prophet_code put_end(const ph_buf *out, size_t start, const char *what, prophet_error *err)
{
    if (out->failed)
        return ph_nomem(err);
    return out->len - start <= PH_SYNC_MESSAGE_MAX
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EUSAGE, "%s of more than %u MiB", what,
                         PH_SYNC_MESSAGE_MAX >> 20);
}

prophet_code ph_sync_offer_encode(const ph_sync_peer *from, const ph_sync_offer *m, ph_buf *out,
                                  prophet_error *err)
{
    ph_buf heads = PH_BUF_INIT;
    size_t start = out->len;
    put_start(out, 5, from);
    put_fixed(out, 4, m->digest, sizeof m->digest);
    for (size_t i = 0; i < m->count; i++) {
        ph_buf_put(&heads, m->heads[i].replica.b, ID_SIZE);
        ph_buf_u64be(&heads, m->heads[i].seq);
        ph_buf_put(&heads, m->heads[i].id.b, ID_SIZE);
    }
    out->failed = out->failed || heads.failed;
    put_fixed(out, 5, heads.data, heads.len);
    ph_buf_clear(&heads);
    return put_end(out, start, "an offer", err);
}

static int by_id(const void *a, const void *b)
{
    return ph_id_cmp(a, b);
}

/* Sorted, each once. */
static void put_ids(ph_buf *out, uint64_t key, const ph_id *ids, size_t count)
{
    ph_buf sorted = PH_BUF_INIT;
    ph_buf_put(&sorted, ids, count * sizeof *ids);
    if (sorted.failed) {
        out->failed = true;
        return;
    }
    ph_id *at = (ph_id *)(void *)sorted.data;
    size_t n = 0;
    if (count)
        qsort(at, count, sizeof *at, by_id);
    for (size_t i = 0; i < count; i++)
        if (n == 0 || !ph_id_eq(&at[n - 1], &at[i]))
            at[n++] = at[i];
    put_fixed(out, key, at, n * sizeof *at);
    ph_buf_clear(&sorted);
}

prophet_code ph_sync_want_encode(const ph_sync_peer *from, const ph_sync_want *want, ph_buf *out,
                                 prophet_error *err)
{
    size_t start = out->len;
    put_start(out, want ? 5 : 3, from);
    if (want) {
        put_ids(out, 4, want->wanted, want->wanted_count);
        put_ids(out, 5, want->known, want->known_count);
    }
    return put_end(out, start, "a want", err);
}

prophet_code ph_sync_answer_encode(const ph_sync_peer *from, const ph_sync_report *rep,
                                   const uint8_t digest[32], ph_buf *out, prophet_error *err)
{
    const uint64_t counts[] = { rep->changesets, rep->conflicts,     rep->decided,
                                rep->forks,      rep->unsigned_rest, rep->held_back };
    size_t start = out->len;
    put_start(out, KEYS, from);
    put_fixed(out, 4, digest, 32);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        put_number(out, 5 + i, counts[i]);
    put_fixed(out, 11, rep->writers, rep->writer_count * sizeof *rep->writers);
    put_number(out, 12, rep->new_writer_count);
    ph_put_uint(out, 13);
    ph_put_bool(out, rep->own_chain);
    return put_end(out, start, "an answer", err);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

typedef struct message {
    const char *what;
    prophet_slice bytes;
    ph_item m[KEYS + 1]; /* by key; kind PH_ABSENT: not there */
} message;

static prophet_code refuse(const message *m, const char *why, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "%s: %s", m->what, why);
}

/* Opens the map. Keys are below 24, so each is one byte; their order and form are checked by writing the message again. */
static prophet_code open_message(message *m, prophet_slice bytes, const char *what, size_t last,
                                 prophet_error *err)
{
    ph_reader r = ph_reader_of(bytes);
    *m = (message){ .what = what, .bytes = bytes };
    if (bytes.len > PH_SYNC_MESSAGE_MAX)
        return refuse(m, "it is too long", err);
    if (bytes.len == 0 || (*r.p & 0xe0) != 0xa0 || (*r.p & 0x1f) > last)
        return refuse(m, "it is no map, or one of another shape", err);
    for (size_t n = *r.p++ & 0x1f; n > 0; n--) {
        ph_item key, value;
        if (!ph_read_item(&r, &key) || key.kind != PH_INT || key.i < 1 || !ph_read_item(&r, &value))
            return refuse(m, "its bytes are no map of values", err);
        if (key.i == 1 && value.kind == PH_INT && value.i > FORMAT)
            return ph_fail(err, PROPHET_EVERSION, "%s of format %lld: this version reads %d", what,
                           (long long)value.i, FORMAT);
        if (key.i > (int64_t)last || m->m[key.i].kind != PH_ABSENT)
            return refuse(m, "it has members of another message", err);
        m->m[key.i] = value;
    }
    return r.p == r.end ? PROPHET_OK : refuse(m, "bytes follow it", err);
}

static bool take_fixed(const message *m, size_t key, void *out, size_t len)
{
    if (m->m[key].kind != PH_BYTES || m->m[key].s.len != len)
        return false;
    memcpy(out, m->m[key].s.data, len);
    return true;
}

static bool take_number(const message *m, size_t key, uint64_t *out)
{
    if (m->m[key].kind != PH_INT || m->m[key].i < 0)
        return false;
    *out = (uint64_t)m->m[key].i;
    return true;
}

static bool take_peer(const message *m, ph_sync_peer *out)
{
    uint64_t format;
    return take_number(m, 1, &format) && format == FORMAT &&
           take_fixed(m, 2, out->database.b, sizeof out->database.b) &&
           take_fixed(m, 3, out->replica.b, sizeof out->replica.b);
}

/* rc, again: what encoding the decoded message gave. */
static prophet_code same_again(const message *m, ph_buf *again, prophet_code rc, prophet_error *err)
{
    if (rc >= 0 && !ph_slice_eq(ph_buf_slice(again), m->bytes))
        rc = refuse(m, "it is not written canonically", err);
    ph_buf_clear(again);
    return rc;
}

static bool heads_sorted(const ph_chain_head *h, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        int c = ph_id_cmp(&h[i - 1].replica, &h[i].replica);
        if (c > 0 || (c == 0 && ph_id_cmp(&h[i - 1].id, &h[i].id) >= 0))
            return false;
    }
    return true;
}

static prophet_code read_heads(const message *m, ph_arena *a, ph_sync_offer *out,
                               prophet_error *err)
{
    const uint8_t *p = m->m[5].s.data;
    out->count = m->m[5].s.len / HEAD_SIZE;
    ph_chain_head *heads = ph_arena_zalloc(a, (out->count + 1) * sizeof *heads);
    if (!heads)
        return ph_nomem(err);
    for (size_t i = 0; i < out->count; i++, p += HEAD_SIZE) {
        memcpy(heads[i].replica.b, p, ID_SIZE);
        heads[i].seq = ph_u64be(p + ID_SIZE);
        memcpy(heads[i].id.b, p + ID_SIZE + 8, ID_SIZE);
        if (heads[i].seq == 0)
            return refuse(m, "a head without a seq", err);
    }
    out->heads = heads;
    return heads_sorted(heads, out->count) ? PROPHET_OK
                                           : refuse(m, "its heads are not in order", err);
}

prophet_code ph_sync_offer_decode(prophet_slice bytes, ph_arena *a, ph_sync_peer *from,
                                  ph_sync_offer *out, prophet_error *err)
{
    ph_buf again = PH_BUF_INIT;
    message m;
    prophet_code rc = open_message(&m, bytes, "offer", 5, err);
    if (rc < 0)
        return rc;
    if (!take_peer(&m, from) || !take_fixed(&m, 4, out->digest, sizeof out->digest) ||
        m.m[5].kind != PH_BYTES || m.m[5].s.len % HEAD_SIZE)
        return refuse(&m, "a member is missing or of another form", err);
    if ((rc = read_heads(&m, a, out, err)) >= 0)
        rc = same_again(&m, &again, ph_sync_offer_encode(from, out, &again, err), err);
    return rc;
}

static bool take_ids(const message *m, size_t key, ph_arena *a, const ph_id **out, size_t *count)
{
    bool ok = true;
    if (m->m[key].kind != PH_BYTES || m->m[key].s.len % ID_SIZE)
        return false;
    *out = ph_arena_copy(a, m->m[key].s, &ok).data;
    *count = m->m[key].s.len / ID_SIZE;
    return ok;
}

prophet_code ph_sync_want_decode(prophet_slice bytes, ph_arena *a, ph_sync_peer *from, bool *all,
                                 ph_sync_want *out, prophet_error *err)
{
    ph_buf again = PH_BUF_INIT;
    message m;
    prophet_code rc = open_message(&m, bytes, "want", 5, err);
    if (rc < 0)
        return rc;
    *out = (ph_sync_want){ NULL, 0, NULL, 0 };
    *all = m.m[4].kind == PH_ABSENT && m.m[5].kind == PH_ABSENT;
    if (!take_peer(&m, from) || (!*all && (!take_ids(&m, 4, a, &out->wanted, &out->wanted_count) ||
                                           !take_ids(&m, 5, a, &out->known, &out->known_count))))
        return refuse(&m, "a member is missing or of another form", err);
    return same_again(&m, &again, ph_sync_want_encode(from, *all ? NULL : out, &again, err), err);
}

prophet_code ph_sync_answer_decode(prophet_slice bytes, ph_sync_peer *from, uint8_t digest[32],
                                   ph_sync_report *rep, prophet_error *err)
{
    uint64_t *const counts[] = { &rep->changesets, &rep->conflicts,     &rep->decided,
                                 &rep->forks,      &rep->unsigned_rest, &rep->held_back };
    uint64_t fresh;
    ph_buf again = PH_BUF_INIT;
    message m;
    prophet_code rc = open_message(&m, bytes, "answer", KEYS, err);
    if (rc < 0)
        return rc;
    bool fits = take_peer(&m, from) && take_fixed(&m, 4, digest, 32) && m.m[13].kind == PH_BOOL &&
                take_number(&m, 12, &fresh);
    for (size_t i = 0; i < sizeof counts / sizeof *counts && fits; i++)
        fits = take_number(&m, 5 + i, counts[i]);
    const ph_id *writers = NULL;
    if (!fits || !take_ids(&m, 11, &rep->arena, &writers, &rep->writer_count) ||
        fresh > rep->writer_count)
        return refuse(&m, "a member is missing or of another form", err);
    rep->writers = (ph_id *)(uintptr_t)writers;
    rep->new_writer_count = (size_t)fresh;
    rep->replicas = rep->writer_count;
    rep->own_chain = m.m[13].b;
    return same_again(&m, &again, ph_sync_answer_encode(from, rep, digest, &again, err), err);
}
