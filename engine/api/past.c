/* The past: a handle that shows the database as it was, and what differs between two points. */
#include "api/api_impl.h"
#include <stdlib.h>

prophet_code api_not_past(const prophet_db *db, const char *what, prophet_error *err)
{
    if (!ph_replica_is_past(db->r))
        return PROPHET_OK;
    prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s of a database as it was", what);
    ph_hint(err, "ask the database itself");
    return rc;
}

static prophet_code by_id(ph_view *v, prophet_slice hex, ph_point *out, prophet_error *err)
{
    ph_changeset_row row;
    uint64_t version = 0;
    prophet_code rc = api_changeset_find(v, hex, &version, err);
    if (rc < 0)
        return rc;
    if (version == 0 || hex.len == 0)
        return ph_fail(err, PROPHET_ENOTFOUND, "no changeset %.*s", PH_FMT(hex));
    out->kind = PH_AT_CHANGESET;
    if ((rc = ph_changesets_get(v->txn, version, &row, err)) >= 0)
        out->id = row.id;
    return rc;
}

static prophet_code read_point(prophet_db *db, const prophet_value *v, ph_point *out,
                               prophet_error *err)
{
    api_read rd = { 0 };
    prophet_code rc;
    *out = (ph_point){ .kind = PH_AT_VERSION };
    if (v->kind == PROPHET_INT && v->as.integer >= 0) {
        out->version = (uint64_t)v->as.integer;
        return PROPHET_OK;
    }
    if (v->kind == PROPHET_TIME) {
        out->kind = PH_AT_TIME;
        out->time = v->as.integer;
        return PROPHET_OK;
    }
    if (v->kind != PROPHET_TEXT) {
        rc = ph_fail(err, PROPHET_EUSAGE, "this is no point in the past");
        ph_hint(err, "a version from 0 on, a time, or the id of a changeset");
        return rc;
    }
    if ((rc = api_read_begin(db, &rd, err)) < 0)
        return rc;
    rc = by_id(rd.v, v->as.bytes, out, err);
    api_read_end(&rd);
    return rc;
}

prophet_code prophet_as_of(prophet_db *db, prophet_value point, prophet_db **out,
                           prophet_error *err)
{
    ph_point p;
    prophet_code rc = api_not_past(db, "the past", err);
    if (rc < 0 || (rc = read_point(db, &point, &p, err)) < 0)
        return rc;
    prophet_db *then = api_db_new();
    if (!then)
        return ph_nomem(err);
    then->reads = db->reads;
    then->voting = db->voting;
    if ((rc = ph_past_open(db->r, &p, &then->r, err)) < 0)
        ph_free(then);
    else
        *out = then;
    return rc;
}

/* ---- what differs --------------------------------------------------------------------------------------------------- */

typedef struct touched_record {
    prophet_slice type;
    ph_uuid uuid;
} touched_record;

typedef struct differing {
    prophet_db *dbs[2]; /* a, b */
    bool opened[2];
    api_read reads[2];
    ph_arena arena, scratch;
    touched_record *at;
    size_t count, cap;
    api_docs docs;
} differing;

static prophet_code note(differing *d, prophet_slice type, const ph_uuid *uuid, prophet_error *err)
{
    bool ok = true;
    if (d->count == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 64;
        touched_record *more = ph_realloc(d->at, cap * sizeof *more);
        if (!more)
            return ph_nomem(err);
        d->at = more;
        d->cap = cap;
    }
    d->at[d->count++] = (touched_record){ ph_arena_copy(&d->arena, type, &ok), *uuid };
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* Does it say how conflicts are settled? */
static bool rules(const ph_changeset *cs)
{
    for (size_t i = 0; cs->has_body && i < cs->body.change_count; i++)
        if (ph_slice_eq(cs->body.changes[i].type, ph_slice_str("_type")) ||
            ph_slice_eq(cs->body.changes[i].type, ph_slice_str("_voter")))
            return true;
    return cs->header.has_succeeds;
}

/* Where rules or weights differ, what is in conflict may, too. */
static prophet_code gather_open(differing *d, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (int side = 0; side < 2 && rc >= 0; side++) {
        ph_view *v = d->reads[side].v;
        ph_cell_key *keys = NULL;
        size_t count = 0;
        ph_arena_reset(&d->scratch);
        rc = ph_view_conflicts(v, ph_slice(NULL, 0), NULL, 1, &d->scratch, &keys, &count, err);
        for (size_t i = 0; i < count && rc >= 0; i++)
            rc = note(d, ph_names_get(v->names, keys[i].type), &keys[i].uuid, err);
    }
    return rc;
}

/* The records of all changesets that one side has and the other has not. */
static prophet_code gather(differing *d, prophet_error *err)
{
    bool settled_otherwise = false;
    ph_view *a = d->reads[0].v, *b = d->reads[1].v;
    uint64_t last = a->state.version > b->state.version ? a->state.version : b->state.version;
    prophet_code rc = PROPHET_OK;
    for (uint64_t version = 1; version <= last && rc >= 0; version++) {
        bool in_a = ph_view_has(a, version);
        api_changeset c;
        if (in_a == ph_view_has(b, version))
            continue;
        ph_arena_reset(&d->scratch);
        if ((rc = api_changeset_get(in_a ? a : b, version, &d->scratch, &c, err)) < 0)
            break;
        settled_otherwise = settled_otherwise || rules(&c.cs);
        for (size_t i = 0; rc >= 0 && c.cs.has_body && i < c.cs.body.change_count; i++)
            rc = note(d, c.cs.body.changes[i].type, &c.cs.body.changes[i].record, err);
        for (size_t i = 0; rc >= 0 && c.cs.has_body && i < c.cs.body.vote_count; i++)
            rc = note(d, c.cs.body.votes[i].type, &c.cs.body.votes[i].record, err);
    }
    if (rc >= 0 && settled_otherwise)
        rc = gather_open(d, err);
    return rc < 0 ? rc : PROPHET_OK;
}

static int by_name(const void *a, const void *b)
{
    const touched_record *x = a, *y = b;
    int c = ph_slice_cmp(x->type, y->type);
    return c ? c : memcmp(x->uuid.b, y->uuid.b, sizeof x->uuid.b);
}

/* A record's row on one side; false: not there, or deleted. */
static prophet_code row_of(ph_view *v, const touched_record *t, ph_row *row, bool *there,
                           prophet_error *err)
{
    uint32_t type = ph_names_find(v->names, t->type);
    prophet_code rc = type ? ph_view_row(v, type, &t->uuid, row, err) : PROPHET_DONE;
    *there = rc == PROPHET_OK && row->alive;
    return rc < 0 ? rc : PROPHET_OK;
}

static void put_change(api_list *l, prophet_slice field, prophet_slice before, prophet_slice after)
{
    api_map m = api_map_in(l->a);
    api_put_text(&m, "field", api_keep(&m, field));
    api_put_canonical(&m, "old", before);
    api_put_canonical(&m, "new", after);
    api_push_map(l, &m);
}

static void put_life(api_list *l, bool was)
{
    api_map m = api_map_in(l->a);
    api_put_text(&m, "field", ph_slice_str("life"));
    api_put(&m, "life", prophet_bool(true));
    if (was)
        api_put_text(&m, "old", ph_slice_str("alive"));
    api_put_text(&m, "new", ph_slice_str(was ? "dead" : "alive"));
    api_push_map(l, &m);
}

typedef struct walker { /* the fields of one side, by number */
    ph_view *v;
    ph_row row;
    bool there;
    size_t pos;
    ph_shown shown; /* field 0: no more */
} walker;

static prophet_code step(walker *w, ph_arena *a, prophet_error *err)
{
    prophet_code rc =
        w->there ? ph_row_next(w->v->txn, &w->row, &w->pos, a, &w->shown, err) : PROPHET_DONE;
    if (rc == PROPHET_DONE) {
        w->there = false;
        w->shown = (ph_shown){ .field = UINT32_MAX };
    }
    return rc < 0 ? rc : PROPHET_OK;
}

/* Numbers of names are those of one replica on both sides. */
static prophet_code compare_fields(differing *d, walker *a, walker *b, api_list *l,
                                   prophet_error *err)
{
    prophet_code rc;
    if ((rc = step(a, &d->scratch, err)) < 0 || (rc = step(b, &d->scratch, err)) < 0)
        return rc;
    while (rc >= 0 && (a->shown.field != UINT32_MAX || b->shown.field != UINT32_MAX)) {
        uint32_t field = a->shown.field < b->shown.field ? a->shown.field : b->shown.field;
        bool in_a = a->shown.field == field, in_b = b->shown.field == field;
        prophet_slice before = in_a ? a->shown.value : ph_slice(NULL, 0);
        prophet_slice after = in_b ? b->shown.value : ph_slice(NULL, 0);
        if (!ph_slice_eq(before, after))
            put_change(l, ph_names_get(b->v->names, field), before, after);
        if (in_a)
            rc = step(a, &d->scratch, err);
        if (in_b && rc >= 0)
            rc = step(b, &d->scratch, err);
    }
    return rc;
}

static prophet_code compare(differing *d, const touched_record *t, prophet_error *err)
{
    walker a = { .v = d->reads[0].v }, b = { .v = d->reads[1].v };
    ph_arena doc = PH_ARENA_INIT;
    api_map m = api_map_in(&doc);
    api_list l = api_list_in(&doc);
    prophet_uuid id;
    prophet_doc *out;
    prophet_code rc;
    ph_arena_reset(&d->scratch);
    if ((rc = row_of(a.v, t, &a.row, &a.there, err)) < 0 ||
        (rc = row_of(b.v, t, &b.row, &b.there, err)) < 0 || (!a.there && !b.there))
        return rc;
    const char *action = !a.there ? "create" : !b.there ? "delete" : "update";
    uint64_t number = a.there ? a.row.number : b.row.number;
    if (a.there != b.there)
        put_life(&l, a.there);
    if ((rc = compare_fields(d, &a, &b, &l, err)) >= 0 && l.count) {
        memcpy(id.b, t->uuid.b, sizeof id.b);
        api_put_text(&m, "type", api_keep(&m, t->type));
        api_put(&m, "record", prophet_ref(id));
        api_put(&m, "number", prophet_int((int64_t)number));
        api_put_text(&m, "action", ph_slice_str(action));
        api_put_list(&m, "changes", &l);
        if ((rc = api_doc_take(&doc, &m, &out, err)) >= 0 && !api_docs_push(&d->docs, out))
            rc = ph_nomem(err);
    }
    ph_arena_clear(&doc);
    return rc;
}

static prophet_code open_side(prophet_db *db, differing *d, int side, const prophet_value *point,
                              prophet_error *err)
{
    d->dbs[side] = db;
    if (point->kind != PROPHET_NIL) {
        prophet_code rc = prophet_as_of(db, *point, &d->dbs[side], err);
        if (rc < 0)
            return rc;
        d->opened[side] = true;
    }
    return api_read_begin(d->dbs[side], &d->reads[side], err);
}

static void close_sides(differing *d)
{
    for (int i = 1; i >= 0; i--) {
        api_read_end(&d->reads[i]);
        if (d->opened[i])
            prophet_close(d->dbs[i]);
    }
    ph_free(d->at);
    ph_arena_clear(&d->arena);
    ph_arena_clear(&d->scratch);
}

prophet_code prophet_diff(prophet_db *db, prophet_value a, prophet_value b, prophet_iter **out,
                          prophet_error *err)
{
    differing d = { 0 };
    prophet_code rc = PROPHET_OK;
    if (a.kind == PROPHET_NIL)
        rc =
            ph_fail(err, PROPHET_EUSAGE, "a difference is between two points: the first is absent");
    if (rc >= 0 && (rc = open_side(db, &d, 0, &a, err)) >= 0 &&
        (rc = open_side(db, &d, 1, &b, err)) >= 0)
        rc = gather(&d, err);
    if (rc >= 0 && d.count > 1)
        qsort(d.at, d.count, sizeof *d.at, by_name);
    for (size_t i = 0; i < d.count && rc >= 0; i++)
        if (i == 0 || by_name(&d.at[i - 1], &d.at[i]) != 0)
            rc = compare(&d, &d.at[i], err);
    close_sides(&d);
    if (rc >= 0)
        return api_iter_docs(db, &d.docs, out, err);
    api_docs_clear(&d.docs);
    return rc;
}
