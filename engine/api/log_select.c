/* Which changesets a log asks for: cheap tests on rows first, then on the decoded changeset. Used by prophet_log and
 * prophet_log_json. */
#include "api/log_impl.h"

static bool hex_nibble(char c, uint8_t *out)
{
    if (c >= '0' && c <= '9')
        *out = (uint8_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *out = (uint8_t)(c - 'a' + 10);
    else
        return false;
    return true;
}

/* The version of the changeset whose id starts with these digits; 0: none. */
prophet_code api_changeset_find(ph_view *v, prophet_slice hex, uint64_t *version,
                                prophet_error *err)
{
    ph_id low = { { 0 } }, found[2];
    size_t count;
    for (size_t i = 0; i < hex.len; i++) {
        uint8_t n;
        if (hex.len > 64 || !hex_nibble(((const char *)hex.data)[i], &n))
            return ph_fail(err, PROPHET_EUSAGE, "\"%.*s\" is no id of a changeset",
                           (int)(hex.len < 70 ? hex.len : 70), (const char *)hex.data);
        low.b[i / 2] |= (uint8_t)(i % 2 ? n : n << 4);
    }
    *version = 0;
    prophet_code rc = ph_view_ids(v, &low, hex.len, found, 2, &count, err);
    if (rc < 0 || count == 0)
        return rc;
    if (count > 1)
        return ph_fail(err, PROPHET_EAMBIGUOUS, "several changesets start with %.*s", PH_FMT(hex));
    rc = ph_view_version_of(v, &found[0], version, err);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code read_replica(ph_view *v, const prophet_value *spec, log_filter *f,
                                 prophet_error *err)
{
    prophet_slice hex;
    ph_id key;
    prophet_code rc = api_spec_text(spec, "replica", &hex, err);
    if (rc < 0 || hex.len == 0)
        return rc;
    if (!ph_unhex(hex.data, hex.len, key.b, sizeof key.b))
        return ph_fail(err, PROPHET_EUSAGE, "a replica is named by 64 hex digits");
    rc = ph_replicas_find(v->txn, &key, &f->ridx, err);
    f->none = f->none || rc == PROPHET_DONE;
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code read_record(ph_view *v, const prophet_value *spec, log_filter *f,
                                prophet_error *err)
{
    bool given;
    prophet_code rc = api_spec_ref(spec, "record", &f->record, &given, err);
    ph_named named;
    char text[37];
    if (rc < 0 || !given)
        return rc;
    f->has_record = true;
    ph_uuid_format(&f->record, text);
    if ((rc = ph_view_find(v, f->type, ph_slice(text, 36), &named, err)) == PROPHET_OK) {
        rc = ph_history_list(v->txn, named.number, &f->arena, &f->entries, &f->entry_count, err);
        f->listed = true;
    } else
        f->none = f->none || rc == PROPHET_DONE;
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code read_numbers(const prophet_value *spec, log_filter *f, prophet_error *err)
{
    int64_t n;
    bool given;
    prophet_code rc;
    if ((rc = api_spec_time(spec, "since", &f->since, &f->has_since, err)) < 0 ||
        (rc = api_spec_time(spec, "until", &f->until, &f->has_until, err)) < 0 ||
        (rc = api_spec_int(spec, "after", &n, &given, err)) < 0)
        return rc;
    f->first = (uint64_t)n + 1;
    if ((rc = api_spec_int(spec, "limit", &n, &f->limited, err)) < 0)
        return rc;
    f->limit = (uint64_t)n;
    return api_spec_bool(spec, "newest", &f->newest, err);
}

prophet_code log_filter_read(prophet_db *db, ph_view *v, const prophet_value *spec, log_filter *f,
                             prophet_error *err)
{
    static const char *const names[] = { "author", "type",  "record", "replica", "since",
                                         "until",  "after", "id",     "limit",   "newest" };
    prophet_slice author, type, id;
    bool ok = true;
    uint32_t type_id;
    prophet_code rc;
    *f = (log_filter){ .first = 1, .last = v->state.version };
    if ((rc = api_spec_check(spec, names, sizeof names / sizeof *names, "log", err)) < 0 ||
        (rc = read_numbers(spec, f, err)) < 0 ||
        (rc = api_spec_text(spec, "author", &author, err)) < 0 ||
        (rc = api_spec_text(spec, "type", &type, err)) < 0 ||
        (rc = api_spec_text(spec, "id", &id, err)) < 0)
        return rc;
    f->author = ph_arena_copy(&f->arena, author, &ok);
    f->type = ph_arena_copy(&f->arena, type, &ok);
    if (!ok)
        return ph_nomem(err);
    if (type.len && (rc = api_type_known(db, v, type, &type_id, err)) < 0)
        return rc;
    if ((rc = read_replica(v, spec, f, err)) < 0 || (rc = read_record(v, spec, f, err)) < 0)
        return rc;
    if (id.len) {
        uint64_t version;
        if ((rc = api_changeset_find(v, id, &version, err)) < 0)
            return rc;
        f->first = f->first > version ? f->first : version;
        f->last = version;
        f->none = f->none || version == 0;
    }
    return PROPHET_OK;
}

void log_filter_clear(log_filter *f)
{
    ph_free(f->picked);
    ph_arena_clear(&f->arena);
}

/* ---- testing ---------------------------------------------------------------------------------------------------------- */

static bool touches(const log_filter *f, const ph_changeset *cs)
{
    if (!f->type.len && !f->has_record)
        return true;
    for (size_t i = 0; i < cs->body.change_count; i++)
        if ((!f->type.len || ph_slice_eq(cs->body.changes[i].type, f->type)) &&
            (!f->has_record || ph_uuid_eq(&cs->body.changes[i].record, &f->record)))
            return true;
    for (size_t i = 0; i < cs->body.vote_count; i++)
        if ((!f->type.len || ph_slice_eq(cs->body.votes[i].type, f->type)) &&
            (!f->has_record || ph_uuid_eq(&cs->body.votes[i].record, &f->record)))
            return true;
    return false;
}

/* An author is named by the whole name, or by what stands before the @. */
static bool written_by(const log_filter *f, const ph_changeset *cs)
{
    prophet_slice a = cs->body.author;
    const char *at = a.len ? memchr(a.data, '@', a.len) : NULL;
    return f->author.len == 0 || ph_slice_eq(a, f->author) ||
           (at && ph_slice_eq(ph_slice(a.data, (size_t)(at - (const char *)a.data)), f->author));
}

static prophet_code fits(const log_filter *f, ph_view *v, uint64_t version, ph_arena *a, bool *yes,
                         prophet_error *err)
{
    ph_changeset_row row;
    api_changeset c;
    prophet_code rc = ph_changesets_get(v->txn, version, &row, err);
    *yes = rc == PROPHET_OK && ph_view_has(v, version) && (!f->ridx || row.ridx == f->ridx) &&
           (!f->has_since || row.time >= f->since) && (!f->has_until || row.time < f->until);
    if (rc < 0 || !*yes || (!f->author.len && !f->type.len && !f->has_record))
        return rc < 0 ? rc : PROPHET_OK;
    ph_arena_reset(a);
    if ((rc = api_changeset_get(v, version, a, &c, err)) >= 0)
        *yes = c.cs.has_body && written_by(f, &c.cs) && touches(f, &c.cs);
    return rc < 0 ? rc : PROPHET_OK;
}

/* The i-th candidate in the direction of the walk, counted from 0; 0: no more. */
static uint64_t candidate(const log_filter *f, uint64_t i, bool down)
{
    uint64_t version;
    if (f->listed) {
        if (i >= f->entry_count)
            return 0;
        return f->entries[down ? f->entry_count - 1 - i : i].version;
    }
    version = down ? f->last - i : f->first + i;
    return i < f->last + 1 && version >= f->first && version <= f->last ? version : 0;
}

static prophet_code walk(log_filter *f, prophet_db *db, ph_view *v, bool down, ph_arena *a,
                         uint64_t *version, prophet_error *err)
{
    for (;;) {
        bool yes = false;
        uint64_t at = candidate(f, f->pos++, down);
        prophet_code rc;
        if (at == 0)
            return PROPHET_DONE;
        if (at < f->first || at > f->last)
            continue;
        if (f->pos % 64 == 0 && (rc = api_interrupted(db, err)) < 0)
            return rc;
        if ((rc = fits(f, v, at, a, &yes, err)) < 0)
            return rc;
        if (yes) {
            *version = at;
            return PROPHET_OK;
        }
    }
}

/* A limit asks for the newest so many, to be told in rising order: they are picked from the end first. */
static prophet_code pick(log_filter *f, prophet_db *db, ph_view *v, ph_arena *a, prophet_error *err)
{
    size_t cap = 0;
    uint64_t version;
    prophet_code rc = PROPHET_OK;
    f->has_picked = true;
    while (f->picked_count < f->limit &&
           (rc = walk(f, db, v, true, a, &version, err)) == PROPHET_OK) {
        if (f->picked_count == cap) {
            uint64_t *at = ph_realloc(f->picked, (cap ? 2 * cap : 64) * sizeof *at);
            if (!at)
                return ph_nomem(err);
            f->picked = at;
            cap = cap ? 2 * cap : 64;
        }
        f->picked[f->picked_count++] = version;
    }
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code log_filter_next(log_filter *f, prophet_db *db, ph_view *v, ph_arena *a,
                             uint64_t *version, prophet_error *err)
{
    prophet_code rc;
    if (f->none || (f->limited && f->given >= f->limit))
        return PROPHET_DONE;
    if (f->newest || !f->limited) {
        rc = walk(f, db, v, f->newest, a, version, err);
        f->given += rc == PROPHET_OK;
        return rc;
    }
    if (!f->has_picked && (rc = pick(f, db, v, a, err)) < 0)
        return rc;
    if (f->picked_count == 0)
        return PROPHET_DONE;
    *version = f->picked[--f->picked_count];
    return PROPHET_OK;
}
