/* Snapshots to read from. A handle has one read transaction, renewed for each view; nested views share it, so that
 * everything inside one outer view sees one state. */
#include "replica/replica_impl.h"
#include <stdlib.h>

static prophet_code reader(ph_replica *r, prophet_error *err)
{
    if (r->telling)
        return ph_replica_has_no_index(r, err);
    if (!r->reader)
        return ph_txn_begin(r->store, false, &r->reader, err);
    return ph_txn_renew(r->reader, err);
}

prophet_code ph_view_begin(ph_replica *r, ph_view **out, prophet_error *err)
{
    prophet_code rc;
    if (r->view_depth > 0) {
        r->view_depth++;
        *out = r->view;
        return PROPHET_OK;
    }
    ph_replica_idle(r);
    if (!r->view && !(r->view = ph_zalloc(sizeof *r->view)))
        return ph_nomem(err);
    ph_view *v = r->view;
    v->replica = r;
    if ((rc = reader(r, err)) < 0)
        return rc;
    v->txn = r->reader;
    v->names = r->names;
    if ((rc = ph_state_load(v->txn, &v->arena, &v->state, err)) < 0 ||
        (!r->session && (rc = ph_names_refresh(r->names, v->txn, v->state.names, err)) < 0)) {
        ph_txn_reset(r->reader);
        return rc;
    }
    r->view_depth = 1;
    *out = v;
    return PROPHET_OK;
}

void ph_view_end(ph_view *v)
{
    if (!v || v->inside)
        return;
    ph_replica *r = v->replica;
    if (r->view_depth > 1) {
        r->view_depth--;
        return;
    }
    if (r->view_depth == 1)
        ph_txn_reset(r->reader);
    r->view_depth = 0;
    ph_arena_reset(&v->arena);
}

void ph_view_free(ph_replica *r)
{
    if (!r->view)
        return;
    ph_arena_clear(&r->view->arena);
    ph_free(r->view);
    r->view = NULL;
    r->view_depth = 0;
}

/* ---- what the replica holds ------------------------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(ph_id));
}

bool ph_view_has(const ph_view *v, uint64_t version)
{
    const struct ph_past *p = v->replica->past;
    return version > 0 && version <= v->state.version && (!p || ph_past_has(p, version));
}

prophet_code ph_view_heads(ph_view *v, ph_arena *a, ph_id **out, size_t *count, prophet_error *err)
{
    prophet_code rc = v->replica->past ? ph_past_frontier(v, err) : PROPHET_OK;
    if (rc < 0)
        return rc;
    size_t n = v->state.frontier_count;
    ph_id *ids = ph_arena_alloc(a, (n + 1) * sizeof *ids);
    if (!ids)
        return ph_nomem(err);
    for (size_t i = 0; i < n; i++) {
        ph_changeset_row row;
        if ((rc = ph_changesets_get(v->txn, v->state.frontier[i], &row, err)) < 0)
            return rc;
        ids[i] = row.id;
    }
    qsort(ids, n, sizeof *ids, by_bytes);
    *out = ids;
    *count = n;
    return PROPHET_OK;
}

/* Sorted ids whose body is absent or parked: rare, so a walk over all rows is only paid when there are any. */
static prophet_code absent_ids(ph_view *v, ph_arena *a, ph_id **out, size_t *count,
                               prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice k, val;
    prophet_code rc;
    *count = 0;
    if (!(*out = ph_arena_alloc(a, ((size_t)v->state.absent + 1) * sizeof **out)))
        return ph_nomem(err);
    if (v->state.absent == 0)
        return PROPHET_OK;
    if ((rc = ph_cursor_open(v->txn, PH_T_CHANGESETS, &cur, err)) < 0)
        return rc;
    rc = ph_cursor_first(cur, &k, &val, err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &k, &val, err)) {
        ph_changeset_row row;
        if (ph_changesets_decode(val, &row) && ph_view_has(v, ph_u64be(k.data)) &&
            (row.flags & (PH_CS_NO_BODY | PH_CS_PARKED)) && *count < v->state.absent)
            (*out)[(*count)++] = row.id;
    }
    ph_cursor_close(cur);
    qsort(*out, *count, sizeof **out, by_bytes);
    return rc < 0 ? rc : PROPHET_OK;
}

/* SHA-256(frontier count as u64 || sorted frontier ids || sorted ids without a body) */
prophet_code ph_view_digest(ph_view *v, uint8_t out[32], prophet_error *err)
{
    ph_id *heads, *absent;
    size_t n, m;
    uint8_t count[8];
    prophet_code rc;
    if ((rc = ph_view_heads(v, &v->arena, &heads, &n, err)) < 0 ||
        (rc = absent_ids(v, &v->arena, &absent, &m, err)) < 0)
        return rc;
    ph_u64be_put(count, n);
    const prophet_slice parts[3] = { ph_slice(count, 8), ph_slice(heads, n * sizeof *heads),
                                     ph_slice(absent, m * sizeof *absent) };
    return ph_hash_sha256(v->replica->hasher, parts, 3, out, err);
}

prophet_code ph_view_version_of(ph_view *v, const ph_id *id, uint64_t *version, prophet_error *err)
{
    prophet_code rc = ph_ids_find(v->replica->ids, v->txn, id, version, err);
    if (rc != PROPHET_OK || ph_view_has(v, *version))
        return rc;
    *version = 0;
    return PROPHET_DONE;
}

prophet_code ph_view_ids(ph_view *v, const ph_id *low, size_t digits, ph_id *out, size_t max,
                         size_t *count, prophet_error *err)
{
    return ph_ids_starting(v->replica->ids, v->txn, low, digits, out, max, count, err);
}

/* A frame leaves out what the frame before it says: that comes from the row of the version before. */
static prophet_code frame_context(ph_view *v, uint64_t version, const ph_changeset_row *row,
                                  ph_arena *a, ph_frame_context *ctx, prophet_error *err)
{
    ph_changeset_row before;
    ph_replica_row rep;
    prophet_code rc;
    *ctx = (ph_frame_context){ .has_last = false };
    if (!(row->flags & PH_CS_RUN))
        return PROPHET_OK;
    if ((rc = ph_changesets_get(v->txn, version - 1, &before, err)) < 0 ||
        (rc = ph_replicas_get(v->txn, row->ridx, a, &rep, err)) < 0)
        return rc;
    ctx->has_last = true;
    ctx->replica = rep.key;
    ctx->id = before.id;
    ctx->seq = before.seq;
    return PROPHET_OK;
}

static prophet_code check_not_lost(uint64_t version, const ph_changeset_row *row,
                                   prophet_error *err)
{
    if (!(row->flags & PH_CS_LOST))
        return PROPHET_OK;
    prophet_code rc = ph_fail(err, PROPHET_ECORRUPT, "changeset %llu was lost to damage in the log",
                              (unsigned long long)version);
    ph_hint(err, "a pull from a replica that has it brings it back");
    return rc;
}

/* What lies where the row says: its id proves it. */
static prophet_code read_frame(ph_view *v, uint64_t version, ph_frame_context *ctx,
                               bool decode_body, ph_log_window *w, ph_arena *a, ph_changeset *out,
                               const ph_changeset_row *row, prophet_error *err)
{
    ph_replica *r = v->replica;
    ph_frame f;
    bool ok = true;
    prophet_code rc = ph_log_read(r->log, row->position, w, &f, err);
    if (rc < 0)
        return rc;
    if (f.type == PH_FRAME_LOCAL) { /* appended again after damage */
        uint64_t of;
        ctx->has_last = false;
        if (!ph_mend_open(f.bytes, &of, &f.bytes) || of != version)
            f.bytes.len = 0; /* refused below */
    }
    prophet_slice frame = ph_arena_copy(a, f.bytes, &ok);
    if (!ok)
        return ph_nomem(err);
    if ((rc = ph_frame_decode(frame, ph_log_database(r->log), decode_body, r->hasher, &r->scratch,
                              ctx, a, out, err)) < 0 ||
        ph_id_eq(&out->id, &row->id))
        return rc;
    rc = ph_fail(err, PROPHET_ECORRUPT,
                 "changeset %llu in the log is not what the index says: damaged",
                 (unsigned long long)version);
    ph_hint(err, "prophet check tells more; a pull from any peer brings it back");
    return rc;
}

prophet_code ph_view_changeset_in(ph_view *v, uint64_t version, const ph_frame_context *before,
                                  bool decode_body, ph_log_window *w, ph_arena *a,
                                  ph_changeset *out, ph_changeset_row *row, prophet_error *err)
{
    ph_frame_context ctx;
    prophet_code rc;
    if (!ph_view_has(v, version))
        return PROPHET_DONE;
    if ((rc = ph_changesets_get(v->txn, version, row, err)) != PROPHET_OK)
        return rc;
    if (before)
        ctx = *before;
    else if ((rc = frame_context(v, version, row, a, &ctx, err)) < 0)
        return rc;
    if ((rc = check_not_lost(version, row, err)) < 0)
        return rc;
    return read_frame(v, version, &ctx, decode_body, w, a, out, row, err);
}

prophet_code ph_view_changeset_lost(ph_view *v, uint64_t version, const ph_changeset_row *row,
                                    ph_arena *a, ph_changeset *out, prophet_error *err)
{
    ph_log_window w = { .bytes = PH_BUF_INIT };
    ph_frame_context ctx;
    prophet_error why = { 0 };
    prophet_code rc = frame_context(v, version, row, a, &ctx, err);
    if (rc < 0)
        return rc;
    rc = read_frame(v, version, &ctx, true, &w, a, out, row, &why);
    ph_log_window_clear(&w);
    if (rc == PROPHET_EMEMORY && err)
        *err = why;
    return rc < 0 && rc != PROPHET_EMEMORY ? PROPHET_DONE : rc;
}

prophet_code ph_view_changeset(ph_view *v, uint64_t version, ph_arena *a, ph_changeset *out,
                               ph_changeset_row *row, prophet_error *err)
{
    ph_log_window w = { .bytes = PH_BUF_INIT };
    prophet_code rc = ph_view_changeset_in(v, version, NULL, true, &w, a, out, row, err);
    ph_log_window_clear(&w);
    return rc;
}

/* ---- records -------------------------------------------------------------------------------------------------------- */

static prophet_code by_number(ph_view *v, uint32_t type, prophet_slice digits, ph_named *out,
                              prophet_error *err)
{
    uint64_t n = 0;
    const char *p = digits.data;
    for (size_t i = 0; i < digits.len; i++) {
        if (p[i] < '0' || p[i] > '9' || n > UINT64_MAX / 10 - 1)
            return PROPHET_DONE;
        n = n * 10 + (uint64_t)(p[i] - '0');
    }
    if (n == 0)
        return PROPHET_DONE;
    prophet_code rc = ph_numbers_get(v->txn, n, &out->type, &out->uuid, err);
    out->number = n;
    return rc == PROPHET_OK && type && out->type != type ? PROPHET_DONE : rc;
}

static prophet_code by_uuid(ph_view *v, uint32_t type, const ph_uuid *uuid, ph_named *out,
                            prophet_error *err)
{
    uint32_t first = type ? type : 1, last = type ? type : (uint32_t)ph_names_count(v->names);
    for (uint32_t id = first; id <= last;
         id++) { /* without a type: each name may be one; they are few */
        ph_row row;
        prophet_code rc = ph_view_row(v, id, uuid, &row, err);
        if (rc == PROPHET_OK)
            *out = (ph_named){ row.number, id, *uuid };
        if (rc != PROPHET_DONE)
            return rc;
    }
    return PROPHET_DONE;
}

static prophet_code by_tail(ph_view *v, uint32_t type, prophet_slice tail, ph_named *out,
                            prophet_error *err)
{
    ph_named found[2];
    size_t count = 0;
    const char *p = tail.data;
    for (size_t i = 0; i < tail.len; i++)
        if (!strchr("0123456789abcdefABCDEF-", p[i]))
            return PROPHET_DONE;
    prophet_code rc = v->replica->past ? ph_past_complete(v->replica->past, err) : PROPHET_OK;
    if (rc < 0)
        return rc;
    rc = ph_numbers_tail(v->txn, type, tail.data, tail.len, found, 2, &count, err);
    if (rc < 0 || count == 0)
        return rc < 0 ? rc : PROPHET_DONE;
    if (count > 1) {
        rc = ph_fail(err, PROPHET_EAMBIGUOUS, "several records end in \"%.*s\"", PH_FMT(tail));
        ph_hint(err, "give more of the id, or the local number as #%llu",
                (unsigned long long)found[0].number);
        return rc;
    }
    *out = found[0];
    return PROPHET_OK;
}

prophet_code ph_view_find(ph_view *v, prophet_slice type, prophet_slice name, ph_named *out,
                          prophet_error *err)
{
    uint32_t type_id = 0;
    ph_uuid uuid;
    if (type.len && !(type_id = ph_names_find(v->names, type)))
        return PROPHET_DONE;
    if (name.len > 1 && *(const char *)name.data == '#')
        return by_number(v, type_id, ph_slice((const char *)name.data + 1, name.len - 1), out, err);
    if (ph_uuid_parse(name.data, name.len, &uuid))
        return by_uuid(v, type_id, &uuid, out, err);
    if (name.len < 4 || name.len > 36) /* shorter tails are typing errors more often than ids */
        return PROPHET_DONE;
    return by_tail(v, type_id, name, out, err);
}

prophet_code ph_view_row(ph_view *v, uint32_t type, const ph_uuid *uuid, ph_row *out,
                         prophet_error *err)
{
    uint8_t key[20];
    prophet_slice value;
    ph_u32be_put(key, type);
    memcpy(key + 4, uuid->b, 16);
    prophet_code rc = ph_txn_get(v->txn, PH_T_RECORDS, ph_slice(key, sizeof key), &value, err);
    if (rc != PROPHET_OK)
        return rc;
    if (!ph_row_open(ph_slice(key, sizeof key), value, out))
        return ph_fail(err, PROPHET_ECORRUPT, "an index row is damaged: run prophet rebuild");
    return PROPHET_OK;
}

/* ---- schema -------------------------------------------------------------------------------------------------------------- */

prophet_code ph_view_schema(ph_view *v, prophet_slice type, const ph_schema **out,
                            prophet_error *err)
{
    prophet_code rc = ph_schemas_get(v->replica, v->txn, v->state.schema, type, out, err);
    if (rc < 0)
        return rc;
    return (*out)->defined || (*out)->type_id ? PROPHET_OK : PROPHET_DONE;
}

static int by_name(const void *a, const void *b)
{
    return ph_slice_cmp(*(const prophet_slice *)a, *(const prophet_slice *)b);
}

prophet_code ph_view_types(ph_view *v, ph_arena *a, prophet_slice **out, size_t *count,
                           prophet_error *err)
{
    uint32_t type = ph_names_find(v->names, ph_slice_str("_type"));
    uint32_t name = ph_names_find(v->names, ph_slice_str("name"));
    PH_LIST(prophet_slice) list = { 0 };
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, val;
    prophet_code rc = PROPHET_OK;
    ph_u32be_put(prefix, type);
    if (type && name) {
        if ((rc = ph_cursor_open(v->txn, PH_T_RECORDS, &cur, err)) < 0)
            return rc;
        rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &val, err);
        for (; rc == PROPHET_OK && memcmp(k.data, prefix, 4) == 0;
             rc = ph_cursor_next(cur, &k, &val, err)) {
            ph_row row;
            ph_shown shown;
            ph_item text;
            bool ok = true;
            if (!ph_row_open(k, val, &row) || !row.alive)
                continue;
            if ((rc = ph_row_field(v->txn, &row, name, a, &shown, err)) < 0)
                break;
            if (!ph_value_open(shown.value, &text) || text.kind != PH_TEXT)
                continue;
            prophet_slice copy = ph_arena_copy(a, text.s, &ok);
            if (!ok || !PH_PUSH(list, copy)) {
                rc = ph_nomem(err);
                break;
            }
        }
        ph_cursor_close(cur);
    }
    bool ok = true;
    if (list.count)
        qsort(list.at, list.count, sizeof *list.at, by_name);
    *out = (prophet_slice *)(uintptr_t)ph_arena_copy(
               a, ph_slice(list.at, list.count * sizeof *list.at), &ok)
               .data;
    *count = list.count;
    ph_free(list.at);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}
