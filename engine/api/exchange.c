/* Pull, push and sync with other directories, and their reports. After a pull the policies are asked, in changes of their own. */
#include "api/api_impl.h"

/* ---- reports --------------------------------------------------------------------------------------------------------- */

enum { OPENED_MOST = 100 };

/* Which cells a pull brought into conflict: {type, record, field}, some of them. */
static prophet_code put_opened(api_map *m, prophet_db *db, const ph_sync_report *rep,
                               prophet_error *err)
{
    api_list all = api_list_in(m->a);
    ph_view *v;
    prophet_code rc = rep->opened_count ? ph_view_begin(db->r, &v, err) : PROPHET_DONE;
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    for (size_t i = 0; i < rep->opened_count && i < OPENED_MOST; i++) {
        const ph_cell_key *key = &rep->opened[i];
        api_map one = api_map_in(m->a);
        prophet_uuid id;
        memcpy(id.b, key->uuid.b, sizeof id.b);
        api_put_text(&one, "type", api_keep(m, ph_names_get(v->names, key->type)));
        api_put(&one, "record", prophet_ref(id));
        api_put_text(&one, "field",
                     key->field == PH_LIFE ? ph_slice_str("life")
                                           : api_keep(m, ph_names_get(v->names, key->field)));
        api_push_map(&all, &one);
    }
    ph_view_end(v);
    api_put_list(m, "opened", &all);
    return PROPHET_OK;
}

/* asked: the report of the poll after a pull; its values are borrowed. NULL: there was none. */
static void put_report(api_map *m, const ph_sync_report *rep, const prophet_doc *asked)
{
    static const char *const told[] = { "abstained", "notes" };
    prophet_value v;
    api_list writers = api_list_in(m->a), fresh = api_list_in(m->a);
    for (size_t i = 0; i < rep->writer_count; i++) {
        api_push_hex(&writers, rep->writers[i].b, 32);
        if (i < rep->new_writer_count)
            api_push_hex(&fresh, rep->writers[i].b, 32);
    }
    api_put(m, "changesets", prophet_int((int64_t)rep->changesets));
    if (rep->mended)
        api_put(m, "mended", prophet_int((int64_t)rep->mended));
    api_put(m, "replicas", prophet_int((int64_t)rep->replicas));
    api_put_list(m, "writers", &writers);
    api_put_list(m, "new_writers", &fresh);
    api_put(m, "conflicts", prophet_int((int64_t)rep->conflicts));
    api_put(m, "decided", prophet_int((int64_t)rep->decided));
    api_put(m, "votes", prophet_int((int64_t)rep->votes));
    api_put(m, "forks", prophet_int((int64_t)rep->forks));
    api_put(m, "unsigned", prophet_int((int64_t)rep->unsigned_rest));
    if (rep->held_back)
        api_put(m, "held_back", prophet_int((int64_t)rep->held_back));
    api_put(m, "bytes", prophet_int((int64_t)rep->bytes));
    api_put(m, "seconds", prophet_float(rep->seconds));
    if (rep->changesets && rep->seconds > 0 && !rep->dry_run)
        api_put(m, "rate", prophet_float((double)rep->changesets / rep->seconds));
    if (rep->dry_run)
        api_put(m, "dry_run", prophet_bool(true));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (asked && prophet_doc_get(asked, told[i], &v))
            api_put(m, told[i], v);
    api_put_text(m, "notice", ph_slice_str(rep->notice));
}

/* db: what was pulled into; NULL: it is about the other side. */
static prophet_code one_report(prophet_db *db, const ph_sync_report *rep, const prophet_doc *asked,
                               prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    put_report(&m, rep, asked);
    prophet_code rc = db ? put_opened(&m, db, rep, err) : PROPHET_OK;
    /* a deep copy: what `asked` told goes with it */
    if (rc >= 0)
        rc = m.failed ? ph_nomem(err) : prophet_doc_new(prophet_map(m.at, m.count), out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code api_report_doc(const ph_sync_report *rep, prophet_doc **out, prophet_error *err)
{
    return one_report(NULL, rep, NULL, out, err);
}

/* ---- exchanges ------------------------------------------------------------------------------------------------------------ */

typedef struct exchange {
    prophet_db *db;
    prophet_exchange o;
    api_place at;       /* the other side */
    prophet_doc *asked; /* what the policies said; owned */
} exchange;

static prophet_code progress(void *ctx, const char *stage, uint64_t done, uint64_t total,
                             prophet_error *err)
{
    exchange *x = ctx;
    prophet_code rc = api_interrupted(x->db, err);
    return rc < 0 || !x->o.progress ? rc : x->o.progress(x->o.ctx, stage, done, total, err);
}

/* What the other side may be. */
typedef enum other_side { FILE_HERE, ANY_PLACE, NEW_PLACE } other_side;

static prophet_code take_options(exchange *x, const prophet_exchange *o, prophet_error *err)
{
    if (o && (o->size < sizeof o->size || o->size > sizeof x->o))
        return ph_fail(err, PROPHET_EUSAGE,
                       "the size of prophet_exchange is not one this library knows");
    if (o)
        memcpy(&x->o, o, o->size);
    return PROPHET_OK;
}

static prophet_code begin(prophet_db *db, const char *other, other_side kind,
                          const prophet_exchange *o, const char *what, exchange *x,
                          prophet_error *err)
{
    prophet_code rc;
    *x = (exchange){ .db = db };
    if ((rc = take_options(x, o, err)) < 0)
        return rc;
    if (ph_replica_is_past(db->r))
        return ph_replica_refuse_write(db->r, err);
    if ((rc = api_not_inside(db, what, err)) >= 0)
        rc = api_place_find(db, kind == FILE_HERE ? NULL : other, kind == NEW_PLACE, x->o.seal,
                            x->o.net, &x->at, err);
    if (rc < 0 || kind != FILE_HERE)
        return rc;
    x->at.place = other;
    return api_place_path(&x->at.place, &x->at.arena, err);
}

static void end(exchange *x)
{
    api_place_clear(&x->at);
    prophet_doc_free(x->asked);
}

static ph_sync_options options(exchange *x)
{
    return (ph_sync_options){ .dry_run = x->o.dry_run,
                              .progress = progress,
                              .ctx = x,
                              .seal = x->at.seal,
                              .net = &x->at.net,
                              .check = x->o.check };
}

typedef prophet_code (*pull_fn)(ph_replica *r, const char *source, const ph_sync_options *o,
                                ph_sync_report *rep, prophet_error *err);

static prophet_code pull_by(exchange *x, pull_fn fn, ph_sync_report *rep, prophet_error *err)
{
    const ph_sync_options so = options(x);
    prophet_db *db = x->db;
    db->busy = true;
    prophet_code rc = fn(db->r, x->at.place, &so, rep, err);
    db->busy = false;
    if (x->o.dry_run || (rc < 0 && !rep->left_out))
        return rc;
    prophet_error ignored;
    prophet_code voted = api_after_pull(db, &x->asked, rep, rc < 0 ? &ignored : err);
    return rc < 0 ? rc : voted; /* what came although somebody was left out is as good as any */
}

prophet_code api_after_pull(prophet_db *db, prophet_doc **asked, ph_sync_report *rep,
                            prophet_error *err)
{
    prophet_value voted;
    ph_view *v;
    prophet_code rc;
    if (!db->policies)
        return PROPHET_OK;
    if ((rc = prophet_poll(db, asked, err)) < 0)
        return rc;
    if (prophet_doc_get(*asked, "voted", &voted))
        rep->votes = (uint64_t)voted.as.integer;
    if ((rc = ph_view_begin(db->r, &v, err)) < 0)
        return rc;
    rc = ph_view_decided(v, rep->opened, rep->opened_count, &rep->decided, err);
    ph_view_end(v);
    return rc;
}

static prophet_code pull(exchange *x, ph_sync_report *rep, prophet_error *err)
{
    return pull_by(x, ph_sync_pull, rep, err);
}

static prophet_code push(exchange *x, ph_sync_report *rep, prophet_error *err)
{
    const ph_sync_options so = options(x);
    x->db->busy = true;
    prophet_code rc = ph_sync_push(x->db->r, x->at.place, &so, rep, err);
    x->db->busy = false;
    return rc;
}

prophet_code prophet_pull(prophet_db *db, const char *source, const prophet_exchange *o,
                          prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    exchange x;
    prophet_code rc = begin(db, source, ANY_PLACE, o, "a pull", &x, err);
    if (rc >= 0 && (rc = pull(&x, &rep, err)) >= 0 && report)
        rc = one_report(db, &rep, x.asked, report, err);
    end(&x);
    ph_sync_report_clear(&rep);
    return rc;
}

prophet_code prophet_apply(prophet_db *db, const char *path, const prophet_exchange *o,
                           prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    exchange x;
    prophet_code rc = begin(db, path, FILE_HERE, o, "applying a bundle", &x, err);
    if (rc >= 0 && (rc = pull_by(&x, ph_sync_apply, &rep, err)) >= 0 && report)
        rc = one_report(db, &rep, x.asked, report, err);
    end(&x);
    ph_sync_report_clear(&rep);
    return rc;
}

/* A version, or the id of a changeset: no place. */
static bool is_point(const char *since)
{
    size_t n = strspn(since, "0123456789abcdefABCDEF");
    return since[n] == 0 && (n == 64 || strspn(since, "0123456789") == n);
}

prophet_code prophet_bundle(prophet_db *db, const char *path, const char *since,
                            const prophet_exchange *o, prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    api_place at = { .place = since };
    exchange x = { .db = db };
    prophet_code rc = take_options(&x, o, err);
    if (rc >= 0 && (rc = api_not_past(db, "a bundle", err)) >= 0 &&
        (rc = api_not_inside(db, "bundling", err)) >= 0 && since && !is_point(since))
        rc = api_place_find(db, since, false, NULL, NULL, &at, err);
    if (rc == PROPHET_ENOTFOUND)
        ph_hint(err, "since takes a version, the whole id of a changeset, or a place that was met");
    const ph_sync_options so = options(&x);
    if (rc >= 0 && (rc = ph_sync_bundle(db->r, path, at.place, &so, &rep, err)) >= 0 && report)
        rc = api_report_doc(&rep, report, err);
    api_place_clear(&at);
    ph_sync_report_clear(&rep);
    return rc;
}

prophet_code prophet_push(prophet_db *db, const char *target, const prophet_exchange *o,
                          prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    exchange x;
    prophet_code rc = begin(db, target, ANY_PLACE, o, "a push", &x, err);
    if (rc >= 0 && (rc = push(&x, &rep, err)) >= 0 && report)
        rc = api_report_doc(&rep, report, err);
    end(&x);
    ph_sync_report_clear(&rep);
    return rc;
}

prophet_code prophet_publish(prophet_db *db, const char *depot, const prophet_exchange *o,
                             prophet_doc **report, prophet_error *err)
{
    ph_sync_report rep = { 0 };
    exchange x;
    prophet_code rc = begin(db, depot, NEW_PLACE, o, "publishing", &x, err);
    if (rc >= 0) {
        const ph_sync_options so = options(&x);
        db->busy = true;
        rc = ph_sync_publish(db->r, x.at.place, &so, &rep, err);
        db->busy = false;
    }
    if (rc >= 0 && report)
        rc = api_report_doc(&rep, report, err);
    end(&x);
    ph_sync_report_clear(&rep);
    return rc;
}

prophet_code prophet_key_new(const char *path, const char *passphrase, prophet_error *err)
{
    return ph_sync_key_new(path, passphrase, err);
}

prophet_code api_both_reports(prophet_db *db, const ph_sync_report *in, const prophet_doc *asked,
                              const ph_sync_report *there, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a), mine = api_map_in(&a), other = api_map_in(&a);
    put_report(&mine, in, asked);
    if (there)
        put_report(&other, there, NULL);
    prophet_code rc = put_opened(&mine, db, in, err);
    api_put_map(&m, "pull", &mine);
    if (there)
        api_put_map(&m, "push", &other);
    /* a deep copy: what `asked` told goes with it */
    if (rc >= 0)
        rc = m.failed ? ph_nomem(err) : prophet_doc_new(prophet_map(m.at, m.count), out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_sync(prophet_db *db, const char *other, const prophet_exchange *o,
                          prophet_doc **report, prophet_error *err)
{
    ph_sync_report in = { 0 }, there = { 0 };
    exchange x;
    prophet_code rc = begin(db, other, ANY_PLACE, o, "a sync", &x, err);
    if (rc >= 0 && (rc = ph_sync_check_target(x.at.place, err)) >= 0 &&
        (rc = pull(&x, &in, err)) == PROPHET_ENOTFOUND && ph_sync_may_begin(x.at.place))
        rc = PROPHET_OK;
    if (rc >= 0 || in.left_out) { /* who was left out keeps nobody from publishing */
        prophet_code pulled = rc;
        prophet_error unsaid; /* what failed first is what counts */
        bool pushed = (rc = push(&x, &there, pulled < 0 ? &unsaid : err)) >= 0;
        bool well = pulled >= 0 && pushed;
        prophet_code told = !report ? PROPHET_OK
                                    : api_both_reports(db, &in, x.asked, pushed ? &there : NULL,
                                                       report, well ? err : &unsaid);
        rc = pulled < 0 ? pulled : pushed ? told : rc;
    }
    end(&x);
    ph_sync_report_clear(&in);
    ph_sync_report_clear(&there);
    return rc;
}
