/* header: a changeset's header and its canonical bytes, which are what ids are made of. Called by
 * frame.c, by the author's side (changeset.c) and through ph_header_encode and ph_header_decode.
 *
 * header = map:
 *    1 format     1
 *    2 database   16 bytes
 *    3 replica    32 bytes
 *    4 seq        1 and up
 *    5 prev       32 bytes; absent exactly when seq is 1
 *    6 parents    [32 bytes ..] sorted, unique, absent when empty
 *    7 refs       the same; prev, parents and refs name nothing twice
 *    8 body       32 bytes, SHA-256 of the body
 *    9 succeeds   [old replica 32 bytes, signature 64 bytes], only with seq 1
 *   10 vouches    32 bytes
 * A format above 1 may have further keys above 10; they are kept as they came. */
#include "model/header_impl.h"

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_id(ph_cursor *c, ph_id *out, const char *reason)
{
    const uint8_t *bytes = NULL;

    if (!ph_cursor_bytes(c, sizeof out->b, &bytes, reason))
        return false;
    memcpy(out->b, bytes, sizeof out->b);
    return true;
}

static bool read_ids(ph_cursor *c, ph_arena *arena, const ph_id **ids, size_t *id_count)
{
    const uint8_t *at = c->p;
    uint64_t count = 0;
    ph_id *list;

    if (!ph_cursor_count(c, PH_CBOR_LIST, 2 + sizeof *list, &count, "ids are not a list"))
        return false;
    if (count == 0)
        return ph_cursor_refuse(c, at, "empty list of ids");
    if (!(list = ph_arena_alloc(arena, (size_t)count * sizeof *list)))
        return ph_cursor_nomem(c);
    for (size_t i = 0; i < count; i++) {
        at = c->p;
        if (!read_id(c, &list[i], "id is not 32 bytes"))
            return false;
        int order = i > 0 ? ph_id_cmp(&list[i - 1], &list[i]) : -1;
        if (order >= 0)
            return ph_cursor_refuse(c, at, order == 0 ? "duplicate id" : "ids out of order");
    }
    *ids = list;
    *id_count = (size_t)count;
    return true;
}

static bool read_number(ph_cursor *c, uint64_t max, uint64_t *out, const char *reason)
{
    const uint8_t *at = c->p;

    if (!ph_cursor_expect(c, PH_CBOR_UINT, out, reason))
        return false;
    return *out >= 1 && *out <= max ? true : ph_cursor_refuse(c, at, reason);
}

static bool read_succeeds(ph_cursor *c, ph_header *out)
{
    const uint8_t *at = c->p, *sig = NULL;
    uint64_t count = 0;

    if (!ph_cursor_expect(c, PH_CBOR_LIST, &count, "succeeds is not a list of two"))
        return false;
    if (count != 2)
        return ph_cursor_refuse(c, at, "succeeds is not a list of two");
    if (!read_id(c, &out->succeeds, "replica is not 32 bytes") ||
        !ph_cursor_bytes(c, sizeof out->succeeds_sig, &sig, "signature is not 64 bytes"))
        return false;
    memcpy(out->succeeds_sig, sig, sizeof out->succeeds_sig);
    out->has_succeeds = true;
    return true;
}

static bool read_database(ph_cursor *c, ph_header *out)
{
    const uint8_t *bytes = NULL;

    if (!ph_cursor_bytes(c, sizeof out->database.b, &bytes, "database is not 16 bytes"))
        return false;
    memcpy(out->database.b, bytes, sizeof out->database.b);
    return true;
}

/* Members of a later format lie behind all known ones, for their keys are greater. */
static bool read_extra(ph_cursor *c, const ph_keys *k, ph_header *out)
{
    if (out->format <= PH_FORMAT)
        return ph_cursor_refuse(c, k->at, "unknown key");
    if (!ph_cursor_skip(c, 1))
        return false;
    if (out->extra_count++ == 0)
        out->extra.data = k->at;
    out->extra.len = (size_t)(c->p - (const uint8_t *)out->extra.data);
    return true;
}

static bool read_member(ph_cursor *c, const ph_keys *k, ph_arena *arena, ph_header *out)
{
    uint64_t format = 0;

    switch (k->key) {
    case PH_HEADER_FORMAT:
        if (!read_number(c, UINT32_MAX, &format, "bad format number"))
            return false;
        out->format = (uint32_t)format;
        return true;
    case PH_HEADER_DATABASE: return read_database(c, out);
    case PH_HEADER_REPLICA: return read_id(c, &out->replica, "replica is not 32 bytes");
    case PH_HEADER_SEQ: return read_number(c, INT64_MAX, &out->seq, "bad sequence number");
    case PH_HEADER_PREV:
        out->has_prev = true;
        return read_id(c, &out->prev, "prev is not 32 bytes");
    case PH_HEADER_PARENTS: return read_ids(c, arena, &out->parents, &out->parent_count);
    case PH_HEADER_REFS: return read_ids(c, arena, &out->refs, &out->ref_count);
    case PH_HEADER_BODY: return read_id(c, &out->body, "body hash is not 32 bytes");
    case PH_HEADER_SUCCEEDS: return read_succeeds(c, out);
    case PH_HEADER_VOUCHES:
        out->has_vouches = true;
        return read_id(c, &out->vouches, "vouched id is not 32 bytes");
    default: return read_extra(c, k, out);
    }
}

bool ph_read_header(ph_cursor *c, ph_arena *arena, ph_header *out, unsigned *seen)
{
    ph_keys k;

    memset(out, 0, sizeof *out);
    *seen = 0;
    if (!ph_keys_open(c, &k, "not a map"))
        return false;
    while (k.left > 0) {
        if (!ph_keys_next(c, &k) || !read_member(c, &k, arena, out))
            return false;
        if (k.key <= PH_HEADER_VOUCHES)
            *seen |= PH_HEADER_BIT(k.key);
    }
    return ph_header_wants(c, *seen, PH_HEADER_BIT(PH_HEADER_FORMAT));
}

bool ph_header_wants(ph_cursor *c, unsigned seen, unsigned wanted)
{
    static const char *const missing[] = { NULL,
                                           "format is missing",
                                           "database is missing",
                                           "replica is missing",
                                           "sequence number is missing",
                                           "prev is missing",
                                           "parents are missing",
                                           "refs are missing",
                                           "body hash is missing" };

    for (unsigned key = PH_HEADER_FORMAT; key <= PH_HEADER_BODY; key++)
        if (wanted & ~seen & PH_HEADER_BIT(key))
            return ph_cursor_refuse(c, c->start, missing[key]);
    return true;
}

/* ---- rules between members ------------------------------------------------------------------- */

static bool in_order(const ph_id *ids, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (ph_id_cmp(&ids[i - 1], &ids[i]) >= 0)
            return false;
    return true;
}

static bool is_among(const ph_id *id, const ph_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ph_id_eq(id, &ids[i]))
            return true;
    return false;
}

/* Both lists are sorted. */
static bool overlap(const ph_header *h)
{
    size_t p = 0, r = 0;

    while (p < h->parent_count && r < h->ref_count) {
        int order = ph_id_cmp(&h->parents[p], &h->refs[r]);
        if (order == 0)
            return true;
        if (order < 0)
            p++;
        else
            r++;
    }
    return false;
}

const char *ph_header_flaw(const ph_header *h)
{
    if (h->format == 0)
        return "bad format number";
    if (h->seq == 0 || h->seq > INT64_MAX)
        return "bad sequence number";
    if (h->has_prev != (h->seq > 1))
        return h->has_prev ? "prev of a first changeset" : "prev is missing";
    if (h->has_succeeds && h->seq > 1)
        return "succeeds in a later changeset than the first";
    if (h->has_succeeds && ph_id_eq(&h->succeeds, &h->replica))
        return "replica succeeds itself";
    if (!in_order(h->parents, h->parent_count) || !in_order(h->refs, h->ref_count))
        return "ids out of order";
    if (overlap(h) || (h->has_prev && (is_among(&h->prev, h->parents, h->parent_count) ||
                                       is_among(&h->prev, h->refs, h->ref_count))))
        return "changeset named twice";
    return NULL;
}

prophet_code ph_header_decode(prophet_slice bytes, ph_arena *arena, ph_header *out,
                              prophet_error *err)
{
    const unsigned wanted = PH_HEADER_BIT(PH_HEADER_FORMAT) | PH_HEADER_BIT(PH_HEADER_DATABASE) |
                            PH_HEADER_BIT(PH_HEADER_REPLICA) | PH_HEADER_BIT(PH_HEADER_SEQ) |
                            PH_HEADER_BIT(PH_HEADER_BODY);
    ph_cursor c = ph_cursor_of(bytes, "changeset header", 0, err);
    const char *flaw;
    unsigned seen = 0;
    ph_header h;

    if (bytes.len > PH_CHANGESET_MAX)
        (void)ph_cursor_refuse(&c, c.start + PH_CHANGESET_MAX,
                               "longer than 8 MiB"); /* kept in c.rc */
    else if (ph_read_header(&c, arena, &h, &seen) && c.p != c.end)
        (void)ph_cursor_refuse(&c, c.p, "trailing bytes");
    else if (c.rc == PROPHET_OK && ph_header_wants(&c, seen, wanted) && (flaw = ph_header_flaw(&h)))
        (void)ph_cursor_refuse(&c, c.start, flaw);
    if (c.rc == PROPHET_OK)
        *out = h;
    return c.rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_id(ph_buf *out, unsigned key, const ph_id *id)
{
    ph_put_head(out, PH_CBOR_UINT, key);
    ph_put_bytes(out, ph_slice(id->b, sizeof id->b));
}

static void write_ids(ph_buf *out, unsigned key, const ph_id *ids, size_t count)
{
    ph_put_head(out, PH_CBOR_UINT, key);
    ph_put_head(out, PH_CBOR_LIST, count);
    for (size_t i = 0; i < count; i++)
        ph_put_bytes(out, ph_slice(ids[i].b, sizeof ids[i].b));
}

static unsigned members_of(const ph_header *h)
{
    unsigned members = PH_HEADER_BIT(PH_HEADER_FORMAT) | PH_HEADER_BIT(PH_HEADER_DATABASE) |
                       PH_HEADER_BIT(PH_HEADER_REPLICA) | PH_HEADER_BIT(PH_HEADER_SEQ) |
                       PH_HEADER_BIT(PH_HEADER_BODY);

    members |= h->has_prev ? PH_HEADER_BIT(PH_HEADER_PREV) : 0;
    members |= h->parent_count ? PH_HEADER_BIT(PH_HEADER_PARENTS) : 0;
    members |= h->ref_count ? PH_HEADER_BIT(PH_HEADER_REFS) : 0;
    members |= h->has_succeeds ? PH_HEADER_BIT(PH_HEADER_SUCCEEDS) : 0;
    members |= h->has_vouches ? PH_HEADER_BIT(PH_HEADER_VOUCHES) : 0;
    return members;
}

static void write_chain(const ph_header *h, unsigned members, ph_buf *out)
{
    if (members & PH_HEADER_BIT(PH_HEADER_REPLICA))
        write_id(out, PH_HEADER_REPLICA, &h->replica);
    if (members & PH_HEADER_BIT(PH_HEADER_SEQ)) {
        ph_put_head(out, PH_CBOR_UINT, PH_HEADER_SEQ);
        ph_put_head(out, PH_CBOR_UINT, h->seq);
    }
    if (members & PH_HEADER_BIT(PH_HEADER_PREV))
        write_id(out, PH_HEADER_PREV, &h->prev);
}

static void write_succeeds(const ph_header *h, ph_buf *out)
{
    ph_put_head(out, PH_CBOR_UINT, PH_HEADER_SUCCEEDS);
    ph_put_head(out, PH_CBOR_LIST, 2);
    ph_put_bytes(out, ph_slice(h->succeeds.b, sizeof h->succeeds.b));
    ph_put_bytes(out, ph_slice(h->succeeds_sig, sizeof h->succeeds_sig));
}

void ph_write_header(const ph_header *h, unsigned omitted, ph_buf *out)
{
    unsigned members = members_of(h) & ~omitted;

    (void)ph_buf_reserve(out, 160); /* nearly always all of it; a failure is kept in out */
    ph_put_head(out, PH_CBOR_MAP, (uint64_t)__builtin_popcount(members) + h->extra_count);
    ph_put_head(out, PH_CBOR_UINT, PH_HEADER_FORMAT);
    ph_put_head(out, PH_CBOR_UINT, h->format);
    if (members & PH_HEADER_BIT(PH_HEADER_DATABASE)) {
        ph_put_head(out, PH_CBOR_UINT, PH_HEADER_DATABASE);
        ph_put_bytes(out, ph_slice(h->database.b, sizeof h->database.b));
    }
    write_chain(h, members, out);
    if (members & PH_HEADER_BIT(PH_HEADER_PARENTS))
        write_ids(out, PH_HEADER_PARENTS, h->parents, h->parent_count);
    if (members & PH_HEADER_BIT(PH_HEADER_REFS))
        write_ids(out, PH_HEADER_REFS, h->refs, h->ref_count);
    if (members & PH_HEADER_BIT(PH_HEADER_BODY))
        write_id(out, PH_HEADER_BODY, &h->body);
    if (members & PH_HEADER_BIT(PH_HEADER_SUCCEEDS))
        write_succeeds(h, out);
    if (members & PH_HEADER_BIT(PH_HEADER_VOUCHES))
        write_id(out, PH_HEADER_VOUCHES, &h->vouches);
    ph_buf_put(out, h->extra.data, h->extra.len);
}

void ph_header_encode(const ph_header *h, ph_buf *out)
{
    ph_write_header(h, 0, out);
}
