/* What a replica says about itself: info, numbers, check; and its upkeep. */
#include "api/api_impl.h"

prophet_code prophet_info(prophet_db *db, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a), conflicts = api_map_in(&a);
    api_list head = api_list_in(&a);
    api_read rd = { 0 };
    uint64_t open, decided;
    uint8_t digest[32];
    prophet_uuid id;
    ph_id *heads;
    size_t count;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_digest(rd.v, digest, err)) < 0 ||
        (rc = ph_view_heads(rd.v, &a, &heads, &count, err)) < 0 ||
        (rc = ph_view_conflict_count(rd.v, &open, &decided, err)) < 0)
        goto done;
    memcpy(id.b, ph_replica_database(db->r)->b, sizeof id.b);
    api_put(&m, "database", prophet_ref(id));
    api_put_hex(&m, "replica", ph_replica_key(db->r)->b, 32);
    api_put_text(&m, "path", ph_slice_str(ph_replica_path(db->r)));
    api_put_text(&m, "user", ph_slice_str(ph_replica_user(db->r)));
    api_put(&m, "readonly", prophet_bool(ph_replica_readonly(db->r)));
    api_put(&m, "version", prophet_int((int64_t)rd.v->state.version));
    api_put_hex(&m, "digest", digest, 32);
    for (size_t i = 0; i < count; i++)
        api_push_hex(&head, heads[i].b, 32);
    api_put_list(&m, "head", &head);
    api_put(&conflicts, "open", prophet_int((int64_t)open));
    api_put(&conflicts, "decided", prophet_int((int64_t)decided));
    api_put_map(&m, "conflicts", &conflicts);
    rc = api_doc_take(&a, &m, out, err);
done:
    api_read_end(&rd);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code prophet_db_version(prophet_db *db, uint64_t *out, prophet_error *err)
{
    api_read rd = { 0 };
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    *out = rd.v->state.version;
    api_read_end(&rd);
    return PROPHET_OK;
}

static void put_count(api_map *m, const char *name, ph_txn *t, unsigned table)
{
    uint64_t n = 0;
    if (ph_txn_count(t, table, &n, NULL) < 0)
        m->failed = true;
    api_put(m, name, prophet_int((int64_t)n));
}

prophet_code prophet_stats(prophet_db *db, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT, scratch = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_read rd = { 0 };
    ph_replica_sizes sizes;
    prophet_slice *types;
    uint64_t open, decided;
    size_t count;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_conflict_count(rd.v, &open, &decided, err)) < 0 ||
        (rc = ph_replica_sizes_get(db->r, &sizes, err)) < 0 ||
        (rc = ph_view_types(rd.v, &scratch, &types, &count, err)) < 0)
        goto done;
    api_put(&m, "changesets", prophet_int((int64_t)rd.v->state.version));
    api_put(&m, "records", prophet_int((int64_t)rd.v->state.number));
    api_put(&m, "types", prophet_int((int64_t)count));
    api_put(&m, "replicas", prophet_int((int64_t)rd.v->state.replicas));
    api_put(&m, "conflicts", prophet_int((int64_t)open));
    api_put(&m, "conflicts_decided", prophet_int((int64_t)decided));
    put_count(&m, "cells_ever_in_conflict", rd.v->txn, PH_T_CONFLICTS);
    put_count(&m, "index_keys", rd.v->txn, PH_T_IX);
    api_put(&m, "log_bytes", prophet_int((int64_t)sizes.log_bytes));
    api_put(&m, "log_unused", prophet_int((int64_t)sizes.log_unused));
    api_put(&m, "index_bytes", prophet_int((int64_t)sizes.index_bytes));
    rc = api_doc_take(&a, &m, out, err);
done:
    api_read_end(&rd);
    ph_arena_clear(&scratch);
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- check ------------------------------------------------------------------------------------------------------------- */

typedef struct noting {
    ph_arena *a;
    api_list notes;
} noting;

static void say(void *ctx, bool fault, const char *line)
{
    noting *n = ctx;
    api_map m = api_map_in(n->a);
    api_put(&m, "fault", prophet_bool(fault));
    api_put_text(&m, "text", ph_slice_str(line));
    api_push_map(&n->notes, &m);
}

prophet_code prophet_check(prophet_db *db, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    noting n = { &a, api_list_in(&a) };
    ph_check_report rep = { 0 };
    uint64_t invalid = 0;
    prophet_code rc = api_not_inside(db, "a check", err);
    if (rc < 0 || (rc = api_not_past(db, "a check", err)) < 0)
        return rc;
    if ((rc = ph_replica_check(db->r, say, &n, &rep, err)) < 0 ||
        (rc = api_check_values(db, say, &n, &invalid, err)) < 0)
        goto done;
    api_put(&m, "faults", prophet_int((int64_t)rep.faults));
    api_put(&m, "changesets", prophet_int((int64_t)rep.changesets));
    api_put(&m, "signatures", prophet_int((int64_t)rep.signatures));
    api_put(&m, "records", prophet_int((int64_t)rep.records));
    api_put(&m, "conflicts", prophet_int((int64_t)rep.conflicts_open));
    api_put(&m, "forks", prophet_int((int64_t)rep.forks));
    api_put(&m, "unsigned", prophet_int((int64_t)rep.unsigned_tail));
    api_put(&m, "parked", prophet_int((int64_t)rep.parked));
    api_put(&m, "mixed", prophet_int((int64_t)rep.mixed_cells));
    api_put(&m, "invalid", prophet_int((int64_t)invalid));
    api_put_list(&m, "notes", &n.notes);
    rc = api_doc_take(&a, &m, out, err);
done:
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- upkeep --------------------------------------------------------------------------------------------------------------- */

prophet_code prophet_rebuild(prophet_db *db,
                             prophet_code (*progress)(void *ctx, const char *stage, uint64_t done,
                                                      uint64_t total, prophet_error *err),
                             void *ctx, prophet_error *err)
{
    prophet_code rc = api_not_inside(db, "a rebuild", err);
    if (rc < 0)
        return rc;
    if (db->iterators)
        return ph_fail(err, PROPHET_EBUSY, "%u lists of this handle are open", db->iterators);
    db->generation++;
    return ph_replica_rebuild(db->r, progress, ctx, err);
}

void prophet_finish_later(prophet_db *db, bool later)
{
    ph_indexes_later(db->r, later);
}

prophet_code prophet_finish(prophet_db *db,
                            prophet_code (*progress)(void *ctx, const char *stage, uint64_t done,
                                                     uint64_t total, prophet_error *err),
                            void *ctx, prophet_error *err)
{
    prophet_code rc = api_not_inside(db, "building indexes", err);
    return rc < 0 ? rc : ph_indexes_finish(db->r, progress, ctx, err);
}

prophet_code prophet_flush(prophet_db *db, prophet_error *err)
{
    return ph_replica_flush(db->r, err);
}

prophet_code prophet_sign(prophet_db *db, prophet_error *err)
{
    prophet_code rc = api_not_inside(db, "signing", err);
    return rc < 0 ? rc : ph_replica_sign(db->r, err);
}

/* A handle that writes has the identity it needs, or took a new one when it was opened: only one for reading adopts. */
prophet_code prophet_adopt(prophet_db *db, prophet_error *err)
{
    prophet_code rc = api_not_inside(db, "an adoption", err);
    if (rc < 0)
        return rc;
    if (ph_replica_readonly(db->r))
        return ph_replica_adopt(ph_replica_path(db->r), err);
    if (!prophet_notice(db)[0])
        return PROPHET_OK;
    rc = ph_fail(err, PROPHET_EBUSY, "%s has taken a new key already", ph_replica_path(db->r));
    ph_hint(err, "adopt through a handle for reading only, before it is opened for writing");
    return rc;
}
