/* body_decode: a changeset's body, strictly, in one pass. Called for every changeset read from
 * the log or a peer; changes are read by change_decode.c. Slices of the result point into the
 * bytes.
 *
 * body = map: 1 salt      16 bytes             vote = map: 1 type      text
 *             2 time      integer, ms                      2 record    16 bytes
 *             3 author    text                             3 field     text, "": life
 *             4 message   text                             4 heads     [position ..]
 *             5 changes   [change ..]                      5 choice    value, absent: unset
 *             6 votes     [vote ..]                        6 by        0 person, 1 resolver
 *        3 to 6 are absent when empty                      7 resolver  text, with by = 1
 *                                                          8 hash      32 bytes, with by = 1
 *                                                          9 reason    text, absent when empty */
#include "model/body_impl.h"

/* The shortest change: a3 01 61 t 02 50 16 bytes 03 00; the shortest vote is longer. */
#define CHANGE_MIN 24

static bool read_time(ph_cursor *c, int64_t *out)
{
    const uint8_t *at = c->p;
    unsigned major = 0;
    uint64_t arg = 0;

    if (at < c->end && *at >> 5 > PH_CBOR_NEGATIVE)
        return ph_cursor_refuse(c, at, "time is not an integer");
    if (!ph_cursor_head(c, &major, &arg))
        return false;
    if (arg > INT64_MAX)
        return ph_cursor_refuse(c, at, "integer is beyond 64 bits");
    *out = major == PH_CBOR_UINT ? (int64_t)arg : -1 - (int64_t)arg;
    return true;
}

/* Text that is left out when it is empty. */
static bool read_some_text(ph_cursor *c, size_t max, prophet_slice *out, const char *reason)
{
    const uint8_t *at = c->p;

    if (!ph_cursor_text(c, max, out, reason))
        return false;
    return out->len > 0 ? true : ph_cursor_refuse(c, at, "empty text");
}

static bool read_changes(ph_body_reader *r, ph_body *out)
{
    const uint8_t *at = r->c.p;
    uint64_t count = 0;
    ph_change *change, *last = NULL;

    if (!ph_cursor_count(&r->c, PH_CBOR_LIST, CHANGE_MIN, &count, "changes are not a list"))
        return false;
    if (count == 0)
        return ph_cursor_refuse(&r->c, at, "empty list of changes");
    if (!(change = ph_arena_alloc(r->arena, (size_t)count * sizeof *change)))
        return ph_cursor_nomem(&r->c);
    out->changes = change;
    out->change_count = (size_t)count;
    for (; count > 0; count--, last = change++) {
        at = r->c.p;
        if (!ph_read_change(r, last, change))
            return false;
        int order =
            last ? ph_record_cmp(last->type, &last->record, change->type, &change->record) : -1;
        if (order >= 0)
            return ph_cursor_refuse(
                &r->c, at, order == 0 ? "second change of one record" : "changes out of order");
    }
    return true;
}

/* ---- votes ----------------------------------------------------------------------------------- */

static bool read_vote_field(ph_body_reader *r, prophet_slice type, prophet_slice *out)
{
    if (r->c.p < r->c.end && *r->c.p == PH_CBOR_TEXT << 5) { /* life */
        *out = ph_slice(r->c.p++, 0);
        return true;
    }
    return ph_read_field(r, type, out);
}

/* Life has two values, and is never unset. */
static bool check_life_choice(ph_body_reader *r, const ph_vote *v, const uint8_t *at)
{
    static const char alive[] = "\x65"
                                "alive",
                      dead[] = "\x64"
                               "dead";

    if (v->field.len > 0 || ph_slice_eq(v->choice, ph_slice_str(alive)) ||
        ph_slice_eq(v->choice, ph_slice_str(dead)))
        return true;
    return ph_cursor_refuse(&r->c, at, "choice for life is neither alive nor dead");
}

/* Keys 5 to 9: choice, by, resolver, its hash, reason. */
static bool read_vote_member(ph_body_reader *r, const ph_keys *k, ph_vote *out, bool *has_by)
{
    const uint8_t *at = r->c.p, *hash = NULL;
    uint64_t by = 0;

    if ((k->key == PH_VOTE_RESOLVER || k->key == PH_VOTE_HASH) && !out->by_resolver)
        return ph_cursor_refuse(&r->c, k->at, "resolver of a person's vote");
    switch (k->key) {
    case PH_VOTE_CHOICE:
        if (!ph_cursor_value(&r->c))
            return false;
        out->choice = ph_slice(at, (size_t)(r->c.p - at));
        return true;
    case PH_VOTE_BY:
        *has_by = true;
        if (!ph_cursor_expect(&r->c, PH_CBOR_UINT, &by, "voter is neither 0 nor 1"))
            return false;
        out->by_resolver = by == 1;
        return by <= 1 ? true : ph_cursor_refuse(&r->c, at, "voter is neither 0 nor 1");
    case PH_VOTE_RESOLVER:
        return read_some_text(&r->c, PH_REASON_MAX, &out->resolver, "resolver is not text");
    case PH_VOTE_HASH:
        if (!ph_cursor_bytes(&r->c, 32, &hash, "resolver hash is not 32 bytes"))
            return false;
        out->resolver_hash = ph_slice(hash, 32);
        return true;
    case PH_VOTE_REASON:
        return read_some_text(&r->c, PH_REASON_MAX, &out->reason, "reason is not text");
    default: return ph_cursor_refuse(&r->c, k->at, "unknown key");
    }
}

static bool read_vote(ph_body_reader *r, const ph_vote *last, ph_vote *out)
{
    ph_keys k;
    bool has_by = false;

    if (!ph_keys_open(&r->c, &k, "vote is not a map") ||
        !ph_keys_want(&r->c, &k, PH_VOTE_TYPE, "vote has no type") ||
        !ph_read_type(r, last ? &last->type : NULL, &out->type) ||
        !ph_keys_want(&r->c, &k, PH_VOTE_RECORD, "vote has no record") ||
        !ph_read_record(r, &out->record) ||
        !ph_keys_want(&r->c, &k, PH_VOTE_FIELD, "vote has no field") ||
        !read_vote_field(r, out->type, &out->field) ||
        !ph_keys_want(&r->c, &k, PH_VOTE_HEADS, "vote has no heads") ||
        !ph_read_over(r, &out->heads))
        return false;
    while (k.left > 0)
        if (!ph_keys_next(&r->c, &k) || !read_vote_member(r, &k, out, &has_by))
            return false;
    if (!has_by)
        return ph_cursor_refuse(&r->c, k.map, "vote does not say by whom");
    if (out->by_resolver && (out->resolver.len == 0 || out->resolver_hash.len == 0))
        return ph_cursor_refuse(&r->c, k.map, "resolver's vote without its name and hash");
    return check_life_choice(r, out, k.map);
}

static bool read_votes(ph_body_reader *r, ph_body *out)
{
    const uint8_t *at = r->c.p;
    uint64_t count = 0;
    ph_vote *vote, *last = NULL;

    if (!ph_cursor_count(&r->c, PH_CBOR_LIST, CHANGE_MIN, &count, "votes are not a list"))
        return false;
    if (count == 0)
        return ph_cursor_refuse(&r->c, at, "empty list of votes");
    if (!(vote = ph_arena_zalloc(r->arena, (size_t)count * sizeof *vote)))
        return ph_cursor_nomem(&r->c);
    out->votes = vote;
    out->vote_count = (size_t)count;
    for (; count > 0; count--, last = vote++) {
        at = r->c.p;
        if (!read_vote(r, last, vote))
            return false;
        int order = last ? ph_record_cmp(last->type, &last->record, vote->type, &vote->record) : -1;
        if (order == 0)
            order = ph_name_cmp(last->field, vote->field);
        if (order >= 0)
            return ph_cursor_refuse(&r->c, at,
                                    order == 0 ? "second vote on one cell" : "votes out of order");
    }
    return true;
}

/* ---- the body -------------------------------------------------------------------------------- */

static bool read_body_member(ph_body_reader *r, const ph_keys *k, ph_body *out)
{
    switch (k->key) {
    case PH_BODY_AUTHOR:
        return read_some_text(&r->c, PH_TEXT_MAX, &out->author, "author is not text");
    case PH_BODY_MESSAGE:
        return read_some_text(&r->c, PH_TEXT_MAX, &out->message, "message is not text");
    case PH_BODY_CHANGES: return read_changes(r, out);
    case PH_BODY_VOTES: return read_votes(r, out);
    default: return ph_cursor_refuse(&r->c, k->at, "unknown key");
    }
}

static bool read_body(ph_body_reader *r, ph_body *out)
{
    const uint8_t *salt = NULL;
    ph_keys k;

    if (ph_cursor_left(&r->c) > PH_CHANGESET_MAX)
        return ph_cursor_refuse(&r->c, r->c.start + PH_CHANGESET_MAX, "longer than 8 MiB");
    if (!ph_keys_open(&r->c, &k, "not a map") ||
        !ph_keys_want(&r->c, &k, PH_BODY_SALT, "salt is missing") ||
        !ph_cursor_bytes(&r->c, sizeof out->salt, &salt, "salt is not 16 bytes") ||
        !ph_keys_want(&r->c, &k, PH_BODY_TIME, "time is missing") || !read_time(&r->c, &out->time))
        return false;
    memcpy(out->salt, salt, sizeof out->salt);
    while (k.left > 0)
        if (!ph_keys_next(&r->c, &k) || !read_body_member(r, &k, out))
            return false;
    return r->c.p == r->c.end ? true : ph_cursor_refuse(&r->c, r->c.p, "trailing bytes");
}

prophet_code ph_body_decode(prophet_slice bytes, size_t names, ph_arena *arena, ph_body *out,
                            prophet_error *err)
{
    ph_body_reader r = { 0 };
    ph_body body = { 0 };

    r.c = ph_cursor_of(bytes, "changeset body", 0, err);
    r.arena = arena;
    r.names = names <= UINT32_MAX ? names : UINT32_MAX;
    if (read_body(&r, &body))
        *out = body;
    return r.c.rc;
}
