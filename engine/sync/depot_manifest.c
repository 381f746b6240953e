/* The two kinds of small files in a depot.
 *
 *   depot/prophet-depot              the root: a hint; whoever publishes writes it
 *   depot/<key>/manifest             what the publisher with this key (hex) has put there; only it writes here
 *   depot/<key>/<name>               its segments, each named by its checksum (hex); never changed
 *
 *   manifest  canonical CBOR {1: format 1, 2: database, 3: replica, 4: generation, 5: heads, 6: segments, 7: retired}, then
 *             64 bytes: the replica's signature of "prophet depot manifest 1", 0, and the map. 5 to 7 are byte strings
 *   segment   name 32, size 8, changesets 8, runs 4, then so many runs of 80 bytes (segment_head.c)
 *   retired   name 32, since 8 (milliseconds)
 *   root      canonical CBOR {1: format 1, 2: database, 3: publishers}
 *   publisher replica 32, generation 8, SHA-256 of its manifest 32, heads 4, then so many ids of 32 bytes
 *
 * Integers are big-endian; what is not exactly what would be written is refused. */
#include "sync/depot_impl.h"

enum { FORMAT = 1, SIG = 64, MEMBERS = 8 };

static const char domain[] = "prophet depot manifest 1"; /* with its 0 */

static void put_blob(ph_buf *out, uint64_t key, ph_buf *bytes)
{
    ph_put_uint(out, key);
    ph_put_bytes(out, ph_buf_slice(bytes));
    out->failed = out->failed || bytes->failed;
    ph_buf_clear(bytes);
}

static void put_uuid(ph_buf *out, uint64_t key, const ph_uuid *id)
{
    ph_put_uint(out, key);
    ph_put_bytes(out, ph_slice(id->b, sizeof id->b));
}

static void put_ids(ph_buf *out, const ph_id *ids, size_t count)
{
    ph_buf_put(out, ids, count * sizeof *ids);
}

static prophet_code check_written(const ph_buf *out, prophet_error *err)
{
    if (out->failed)
        return ph_nomem(err);
    return out->len <= DEPOT_FILE_MAX - SIG
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EUSAGE, "more publishers or runs than a depot can hold");
}

/* A map of uint keys from 1 to `count`, each once. */
static bool open_map(prophet_slice bytes, size_t count, ph_item m[MEMBERS])
{
    ph_reader r = ph_reader_of(bytes);
    ph_item key;
    memset(m, 0, MEMBERS * sizeof *m);
    if (bytes.len == 0 || *r.p++ != (uint8_t)(0xa0 + count))
        return false;
    for (size_t i = 1; i <= count; i++)
        if (!ph_read_item(&r, &key) || key.kind != PH_INT || key.i != (int64_t)i ||
            !ph_read_item(&r, &m[i]))
            return false;
    return r.p == r.end;
}

static prophet_code check_format(const ph_item *m, const char *what, prophet_error *err)
{
    if (m->kind != PH_INT || m->i < 1)
        return ph_fail(err, PROPHET_ECORRUPT, "%s is not well-formed", what);
    return m->i == FORMAT
               ? PROPHET_OK
               : ph_fail(err, PROPHET_EVERSION, "%s of format %lld: this version reads %d", what,
                         (long long)m->i, FORMAT);
}

static bool take_uuid(const ph_item *m, ph_uuid *out)
{
    if (m->kind != PH_BYTES || m->s.len != sizeof out->b)
        return false;
    memcpy(out->b, m->s.data, sizeof out->b);
    return true;
}

/* Ids in ascending order, none twice. */
static prophet_code take_ids(prophet_slice bytes, ph_arena *a, const ph_id **out, size_t *count,
                             prophet_error *err)
{
    bool ok = bytes.len % sizeof(ph_id) == 0;
    const ph_id *ids = ph_arena_copy(a, bytes, &ok).data;
    *count = bytes.len / sizeof *ids;
    for (size_t i = 1; ok && i < *count; i++)
        if (ph_id_cmp(&ids[i - 1], &ids[i]) >= 0)
            return PROPHET_DONE;
    *out = ids;
    if (bytes.len % sizeof(ph_id))
        return PROPHET_DONE;
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* ---- manifests ------------------------------------------------------------------------------------------------------ */

static void put_segments(ph_buf *out, const depot_manifest *m)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const depot_segment *s = &m->segments[i];
        ph_buf_put(out, s->name, sizeof s->name);
        ph_buf_u64be(out, s->size);
        ph_buf_u64be(out, s->changesets);
        ph_buf_u32be(out, (uint32_t)s->run_count);
        sync_runs_put(s->runs, s->run_count, out);
    }
}

prophet_code depot_manifest_encode(const depot_manifest *m, ph_buf *out, prophet_error *err)
{
    ph_buf heads = PH_BUF_INIT, segments = PH_BUF_INIT, retired = PH_BUF_INIT;
    ph_put_map(out, 7);
    ph_put_uint(out, 1);
    ph_put_uint(out, FORMAT);
    put_uuid(out, 2, &m->database);
    ph_put_uint(out, 3);
    ph_put_bytes(out, ph_slice(m->replica.b, sizeof m->replica.b));
    ph_put_uint(out, 4);
    ph_put_uint(out, m->generation);
    put_ids(&heads, m->heads, m->head_count);
    put_blob(out, 5, &heads);
    put_segments(&segments, m);
    put_blob(out, 6, &segments);
    for (size_t i = 0; i < m->retired_count; i++) {
        ph_buf_put(&retired, m->retired[i].name, SEGMENT_SUM);
        ph_buf_u64be(&retired, m->retired[i].since);
    }
    put_blob(out, 7, &retired);
    return check_written(out, err);
}

void depot_manifest_message(prophet_slice bytes, ph_buf *out)
{
    ph_buf_put(out, domain, sizeof domain);
    ph_buf_put(out, bytes.data, bytes.len);
}

enum { SEGMENT_FIXED = 32 + 8 + 8 + 4, RETIRED_SIZE = 32 + 8 };

/* PROPHET_DONE: not well-formed. */
static prophet_code take_segment(const uint8_t **at, const uint8_t *end, ph_arena *a,
                                 depot_segment *s, prophet_error *err)
{
    const uint8_t *p = *at;
    size_t runs;
    if (end - p < SEGMENT_FIXED)
        return PROPHET_DONE;
    memcpy(s->name, p, SEGMENT_SUM);
    s->size = ph_u64be(p + 32);
    s->changesets = ph_u64be(p + 40);
    runs = ph_u32be(p + 48);
    p += SEGMENT_FIXED;
    if (runs > (size_t)(end - p) / SEGMENT_RUN_SIZE || s->size > INT64_MAX ||
        s->changesets > INT64_MAX)
        return PROPHET_DONE;
    *at = p + runs * SEGMENT_RUN_SIZE;
    return sync_runs_take(ph_slice(p, runs * SEGMENT_RUN_SIZE), a, &s->runs, &s->run_count, err);
}

static prophet_code take_segments(prophet_slice bytes, ph_arena *a, depot_manifest *m,
                                  prophet_error *err)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    depot_segment *all = ph_arena_alloc(a, (bytes.len / SEGMENT_FIXED + 1) * sizeof *all);
    prophet_code rc = all ? PROPHET_OK : ph_nomem(err);
    while (rc == PROPHET_OK && p < end)
        if ((rc = take_segment(&p, end, a, &all[m->segment_count], err)) == PROPHET_OK)
            m->segment_count++;
    m->segments = all;
    return rc;
}

static prophet_code take_retired(prophet_slice bytes, ph_arena *a, depot_manifest *m,
                                 prophet_error *err)
{
    const uint8_t *p = bytes.data;
    size_t n = bytes.len / RETIRED_SIZE;
    depot_retired *all = ph_arena_alloc(a, (n + 1) * sizeof *all);
    if (!all)
        return ph_nomem(err);
    for (size_t i = 0; i < n; i++, p += RETIRED_SIZE) {
        memcpy(all[i].name, p, SEGMENT_SUM);
        all[i].since = ph_u64be(p + SEGMENT_SUM);
    }
    m->retired = all;
    m->retired_count = n;
    return bytes.len % RETIRED_SIZE ? PROPHET_DONE : PROPHET_OK;
}

static prophet_code take_manifest(const ph_item *m, ph_arena *a, depot_manifest *out,
                                  prophet_error *err)
{
    prophet_code rc;
    if (!take_uuid(&m[2], &out->database) || m[3].kind != PH_BYTES || m[3].s.len != 32 ||
        m[4].kind != PH_INT || m[4].i < 1 || m[5].kind != PH_BYTES || m[6].kind != PH_BYTES ||
        m[7].kind != PH_BYTES)
        return PROPHET_DONE;
    memcpy(out->replica.b, m[3].s.data, 32);
    out->generation = (uint64_t)m[4].i;
    if ((rc = take_ids(m[5].s, a, &out->heads, &out->head_count, err)) == PROPHET_OK &&
        (rc = take_segments(m[6].s, a, out, err)) == PROPHET_OK)
        rc = take_retired(m[7].s, a, out, err);
    return rc;
}

static prophet_code check_signature(prophet_slice map, const uint8_t *sig, const ph_id *key,
                                    prophet_error *err)
{
    ph_buf message = PH_BUF_INIT;
    depot_manifest_message(map, &message);
    prophet_code rc =
        message.failed ? ph_nomem(err) : ph_verify(key->b, ph_buf_slice(&message), sig, err);
    ph_buf_clear(&message);
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_EUNTRUSTED, "the signature of a manifest is broken")
               : rc;
}

static bool same_again(const ph_buf *again, prophet_slice bytes)
{
    return !again->failed && ph_slice_eq(ph_buf_slice(again), bytes);
}

prophet_code depot_manifest_decode(prophet_slice bytes, ph_arena *a, depot_manifest *out,
                                   prophet_error *err)
{
    ph_item m[MEMBERS];
    ph_buf again = PH_BUF_INIT;
    prophet_code rc = PROPHET_DONE;
    *out = (depot_manifest){ .generation = 0 };
    prophet_slice map = ph_slice(bytes.data, bytes.len > SIG ? bytes.len - SIG : 0);
    if (open_map(map, 7, m) && (rc = check_format(&m[1], "a manifest", err)) >= 0 &&
        (rc = take_manifest(m, a, out, err)) == PROPHET_OK) {
        rc = depot_manifest_encode(out, &again, err);
        if (rc >= 0 && !same_again(&again, map))
            rc = PROPHET_DONE;
    }
    ph_buf_clear(&again);
    if (rc == PROPHET_DONE)
        return ph_fail(err, PROPHET_ECORRUPT, "a manifest is not well-formed");
    return rc < 0 ? rc
                  : check_signature(map, (const uint8_t *)bytes.data + map.len, &out->replica, err);
}

/* ---- the root ---------------------------------------------------------------------------------------------------------- */

enum { ENTRY_FIXED = 32 + 8 + 32 + 4 };

prophet_code depot_root_encode(const depot_root *r, ph_buf *out, prophet_error *err)
{
    ph_buf entries = PH_BUF_INIT;
    for (size_t i = 0; i < r->count; i++) {
        const depot_entry *e = &r->entries[i];
        ph_buf_put(&entries, e->replica.b, 32);
        ph_buf_u64be(&entries, e->generation);
        ph_buf_put(&entries, e->hash, 32);
        ph_buf_u32be(&entries, (uint32_t)e->head_count);
        put_ids(&entries, e->heads, e->head_count);
    }
    ph_put_map(out, 3);
    ph_put_uint(out, 1);
    ph_put_uint(out, FORMAT);
    put_uuid(out, 2, &r->database);
    put_blob(out, 3, &entries);
    return check_written(out, err);
}

static prophet_code take_entries(prophet_slice bytes, ph_arena *a, depot_root *out,
                                 prophet_error *err)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    depot_entry *all = ph_arena_alloc(a, (bytes.len / ENTRY_FIXED + 1) * sizeof *all);
    prophet_code rc = all ? PROPHET_OK : ph_nomem(err);
    while (rc == PROPHET_OK && p < end) {
        depot_entry *e = &all[out->count];
        if (end - p < ENTRY_FIXED)
            return PROPHET_DONE;
        memcpy(e->replica.b, p, 32);
        e->generation = ph_u64be(p + 32);
        memcpy(e->hash, p + 40, 32);
        size_t heads = ph_u32be(p + 72);
        p += ENTRY_FIXED;
        if (heads > (size_t)(end - p) / 32 ||
            (out->count && ph_id_cmp(&all[out->count - 1].replica, &e->replica) >= 0))
            return PROPHET_DONE;
        rc = take_ids(ph_slice(p, heads * 32), a, &e->heads, &e->head_count, err);
        p += heads * 32;
        out->count++;
    }
    out->entries = all;
    return rc;
}

prophet_code depot_root_decode(prophet_slice bytes, ph_arena *a, depot_root *out,
                               prophet_error *err)
{
    ph_item m[MEMBERS];
    prophet_code rc = PROPHET_DONE;
    *out = (depot_root){ .count = 0 };
    if (open_map(bytes, 3, m) && (rc = check_format(&m[1], "the root of a depot", err)) >= 0)
        rc = take_uuid(&m[2], &out->database) && m[3].kind == PH_BYTES
                 ? take_entries(m[3].s, a, out, err)
                 : PROPHET_DONE;
    return rc == PROPHET_DONE
               ? ph_fail(err, PROPHET_ECORRUPT, "the root of a depot is not well-formed")
               : rc;
}
