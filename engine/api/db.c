/* The handle: opening, closing, what a view of the moment is, interrupts. */
#include "api/api_impl.h"
#include <errno.h>
#include <unistd.h>

/* ---- interrupts ------------------------------------------------------------------------------------------------------- */

void prophet_interrupt(prophet_db *db)
{
    static const uint64_t one = 1;
    atomic_store(&db->interrupted, true);
    int fd = atomic_load(&db->wake_fd), kept = errno;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        errno = kept; /* full: it is awake */
}

bool api_stop(void *ctx)
{
    prophet_db *db = ctx;
    return atomic_load_explicit(&db->interrupted, memory_order_relaxed) &&
           atomic_exchange(&db->interrupted, false);
}

prophet_code api_interrupted(prophet_db *db, prophet_error *err)
{
    return api_stop(db) ? ph_fail(err, PROPHET_EINTERRUPTED, "interrupted") : PROPHET_OK;
}

prophet_code api_not_inside(prophet_db *db, const char *what, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (db->txn)
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is not possible inside a change", what);
    else if (db->held)
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is not possible inside a view", what);
    else if (db->busy)
        rc = ph_fail(err, PROPHET_EUSAGE, "%s is not possible inside an exchange", what);
    if (rc < 0)
        ph_hint(err, "end it first");
    return rc;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static prophet_code read_options(const prophet_options *o, prophet_options *out, prophet_error *err)
{
    static const prophet_options defaults = PROPHET_OPTIONS_INIT;
    *out = defaults;
    if (!o)
        return PROPHET_OK;
    if (o->size < sizeof o->size || o->size > sizeof *out)
        return ph_fail(err, PROPHET_EUSAGE,
                       "the size of prophet_options is not one this library knows");
    memcpy(out, o, o->size);
    if (out->create && out->readonly)
        return ph_fail(err, PROPHET_EUSAGE, "a replica cannot be created for reading only");
    return PROPHET_OK;
}

prophet_db *api_db_new(void)
{
    prophet_db *db = ph_zalloc(sizeof *db);
    if (db) {
        atomic_init(&db->interrupted, false);
        atomic_init(&db->wake_fd, -1);
    }
    return db;
}

static prophet_code open_at(const char *path, const prophet_options *o, prophet_db **out,
                            prophet_error *err)
{
    const ph_replica_options ro = { .readonly = o->readonly,
                                    .relaxed = o->durability == PROPHET_RELAXED,
                                    .user = o->user,
                                    .clock = o->clock,
                                    .clock_ctx = o->clock_ctx,
                                    .lock_timeout_ms = o->lock_timeout_ms };
    prophet_db *db = api_db_new();
    if (!db)
        return ph_nomem(err);
    db->reads = o->reads ? o->reads : API_READS;
    db->voting = o->voting;
    prophet_code rc = ph_replica_open(path, &ro, &db->r, err);
    if (rc < 0)
        ph_free(db);
    else
        *out = db;
    return rc;
}

prophet_code prophet_open(const char *path, const prophet_options *o, prophet_db **out,
                          prophet_error *err)
{
    prophet_options opt;
    prophet_code rc = read_options(o, &opt, err);
    if (rc < 0)
        return rc;
    if (!path || !*path)
        return ph_fail(err, PROPHET_EUSAGE, "open takes the path of a directory");
    if (opt.create && !ph_path_exists(path) && (rc = ph_replica_create(path, NULL, err)) < 0 &&
        rc != PROPHET_EEXISTS)
        return rc; /* exists: made by another process just now */
    rc = open_at(path, &opt, out, err);
    if (rc == PROPHET_ENOTFOUND && opt.create) {
        rc = ph_fail(err, PROPHET_EEXISTS, "%s exists, and is no replica", path);
        ph_hint(err, "give a path where nothing is: a replica is a directory of its own");
    }
    return rc;
}

void prophet_close(prophet_db *db)
{
    if (!db)
        return;
    prophet_txn_abort(db->txn);
    if (db->held) {
        db->held_depth = 1;
        prophet_view_end(db);
    }
    api_lives_let_go(db);
    ph_replica_close(db->r);
    while (db->policies) {
        api_policy *p = db->policies;
        db->policies = p->next;
        api_policy_free(p);
    }
    api_shapes_free(db);
    ph_number_cache_clear(&db->numbers);
    ph_arena_clear(&db->scratch);
    ph_watch_close(db->watch);
    if (atomic_load(&db->wake_fd) >= 0)
        (void)close(atomic_load(&db->wake_fd)); /* nothing was written to a file */
    ph_free(db);
}

const char *prophet_notice(const prophet_db *db)
{
    return ph_replica_notice(db->r);
}

prophet_code prophet_set_user(prophet_db *db, const char *user, prophet_error *err)
{
    return ph_replica_set_user(db->r, user, err);
}

prophet_code prophet_clone(const char *source, const char *path, const prophet_options *o,
                           prophet_db **out, prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    ph_arena a = PH_ARENA_INIT;
    prophet_options opt;
    prophet_doc *doc = NULL;
    prophet_code rc = read_options(o, &opt, err);
    if (rc < 0)
        return rc;
    const ph_sync_options so = { .dry_run = opt.dry_run,
                                 .progress = opt.progress,
                                 .ctx = opt.progress_ctx,
                                 .seal = opt.seal,
                                 .net = opt.net,
                                 .clock = opt.clock,
                                 .clock_ctx = opt.clock_ctx };
    if ((rc = ph_net_check_user(source, err)) < 0 || (rc = api_place_path(&source, &a, err)) < 0 ||
        (rc = ph_sync_clone(source, path, &so, &rep, err)) < 0)
        goto done;
    *out = NULL;
    if (opt.dry_run) {
        rc = report ? api_report_doc(&rep, report, err) : PROPHET_OK;
        goto done;
    }
    if ((rc = report ? api_report_doc(&rep, &doc, err) : PROPHET_OK) >= 0 &&
        (rc = api_remote_origin(path, source, &opt, err)) >= 0 &&
        (rc = open_at(path, &opt, out, err)) >= 0) {
        if (report)
            *report = doc;
        goto done;
    }
    prophet_doc_free(doc);
    (void)ph_dir_remove(path, NULL); /* ours alone: nothing is left behind */
done:
    ph_arena_clear(&a);
    ph_sync_report_clear(&rep);
    return rc;
}

/* ---- the view of the moment -------------------------------------------------------------------------------------------- */

prophet_code prophet_view_begin(prophet_db *db, prophet_error *err)
{
    prophet_code rc;
    if (db->held) {
        db->held_depth++;
        return PROPHET_OK;
    }
    if ((rc = api_not_inside(db, "a view", err)) < 0)
        return rc;
    if ((rc = ph_view_begin(db->r, &db->held, err)) < 0)
        return rc;
    db->held_depth = 1;
    return PROPHET_OK;
}

void prophet_view_end(prophet_db *db)
{
    if (!db->held || --db->held_depth > 0)
        return;
    ph_view_end(db->held);
    db->held = NULL;
}

prophet_code api_read_begin(prophet_db *db, api_read *out, prophet_error *err)
{
    prophet_code rc;
    if (db->txn) {
        rc = ph_change_view(db->txn->c, &out->v, err);
        out->how = rc < 0 ? API_READ_NONE : API_READ_CHANGE;
    } else if (db->held) {
        out->v = db->held;
        out->how = API_READ_CHANGE; /* ended by whoever began it */
        rc = PROPHET_OK;
    } else {
        rc = ph_view_begin(db->r, &out->v, err);
        out->how = rc < 0 ? API_READ_NONE : API_READ_VIEW;
    }
    return rc;
}

prophet_code api_read_keep(prophet_db *db, api_read *out, prophet_error *err)
{
    prophet_code rc;
    if (db->txn)
        return api_read_begin(db, out, err);
    rc = db->held ? ph_view_begin(db->r, &out->v, err) : ph_snapshot_begin(db->r, &out->v, err);
    out->how = rc < 0 ? API_READ_NONE : db->held ? API_READ_VIEW : API_READ_SNAPSHOT;
    return rc;
}

void api_read_end(api_read *rd)
{
    if (rd->how == API_READ_VIEW)
        ph_view_end(rd->v);
    else if (rd->how == API_READ_SNAPSHOT)
        ph_snapshot_end(rd->v);
    rd->how = API_READ_NONE;
}
