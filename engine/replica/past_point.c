/* Which changesets a point in the past names: a version is a place in this replica's log, a time is the last version that had come by
 * then, a changeset is it and all it had seen. */
#include "replica/past_impl.h"

static prophet_code no_such(const ph_point *point, uint64_t live, prophet_error *err)
{
    char hex[65];
    if (point->kind == PH_AT_VERSION)
        return ph_fail(err, PROPHET_ENOTFOUND, "no version %llu: this replica has %llu",
                       (unsigned long long)point->version, (unsigned long long)live);
    ph_hex(point->id.b, sizeof point->id.b, hex);
    return ph_fail(err, PROPHET_ENOTFOUND, "no changeset %s", hex);
}

/* Versions of all that a decoded changeset names. */
static prophet_code names_of(ph_view *v, const ph_changeset *cs, ph_arena *a, uint64_t **out,
                             prophet_error *err)
{
    size_t n = ph_changeset_names(&cs->header);
    prophet_code rc = PROPHET_OK;
    if (!(*out = ph_arena_alloc(a, (n + 1) * sizeof **out)))
        return ph_nomem(err);
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = ph_changeset_named(v->replica, v->txn, cs, (uint32_t)i, &(*out)[i], err);
    return rc;
}

/* ---- a changeset and all it had seen ---------------------------------------------------------------------------- */

static void mark(struct ph_past *p, uint64_t version)
{
    p->set[version / 8] |= (uint8_t)(1u << version % 8);
}

/* prev, parents and refs come before what names them: one walk downwards. A writer has seen what it refers to. */
static prophet_code mark_ancestors(struct ph_past *p, ph_view *v, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    for (uint64_t at = p->version; at > 0 && rc >= 0; at--) {
        ph_changeset cs;
        ph_changeset_row row;
        uint64_t *names;
        if (!ph_past_in_set(p, at))
            continue;
        ph_arena_reset(&a);
        if ((rc = ph_view_changeset(v, at, &a, &cs, &row, err)) < 0 ||
            (rc = names_of(v, &cs, &a, &names, err)) < 0)
            break;
        for (size_t i = 0; i < ph_changeset_names(&cs.header); i++)
            mark(p, names[i]);
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code choose_changeset(struct ph_past *p, ph_view *v, const ph_point *point,
                                     prophet_error *err)
{
    prophet_code rc = ph_view_version_of(v, &point->id, &p->version, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : no_such(point, p->live, err);
    if (!(p->set = ph_zalloc((size_t)p->version / 8 + 1)))
        return ph_nomem(err);
    mark(p, p->version);
    return mark_ancestors(p, v, err);
}

/* ---- a time --------------------------------------------------------------------------------------------------------- */

/* The last version that had come by then. Looked for from the end: a clock that once ran ahead hides nothing that came later. */
static prophet_code choose_time(struct ph_past *p, ph_view *v, int64_t time, prophet_error *err)
{
    ph_arrival arrival = { 0 };
    prophet_code rc = PROPHET_OK;
    for (p->version = p->live; p->version > 0; p->version--) {
        if ((rc = ph_arrived(v, p->version, &arrival, err)) < 0 || arrival.time <= time)
            break;
    }
    return rc;
}

prophet_code ph_past_choose(struct ph_past *p, ph_view *v, const ph_point *point,
                            prophet_error *err)
{
    if (point->kind == PH_AT_CHANGESET)
        return choose_changeset(p, v, point, err);
    if (point->kind == PH_AT_TIME)
        return choose_time(p, v, point->time, err);
    p->version = point->version;
    return point->version <= p->live ? PROPHET_OK : no_such(point, p->live, err);
}

/* ---- heads ----------------------------------------------------------------------------------------------------------- */

static prophet_code find_frontier(struct ph_past *p, ph_view *v, uint8_t *named, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    PH_LIST(uint64_t) heads = { 0 };
    prophet_code rc = PROPHET_OK;
    bool ok = true;
    for (uint64_t at = p->version; at > 0 && rc >= 0; at--) {
        ph_changeset cs;
        ph_changeset_row row;
        uint64_t *names;
        if (!ph_past_in_set(p, at))
            continue;
        if (!(named[at / 8] >> at % 8 & 1) && !PH_PUSH(heads, at))
            rc = ph_nomem(err);
        ph_arena_reset(&a);
        if (rc < 0 || (rc = ph_view_changeset(v, at, &a, &cs, &row, err)) < 0 ||
            (rc = names_of(v, &cs, &a, &names, err)) < 0)
            break;
        size_t links = (size_t)cs.header.has_prev + cs.header.parent_count;
        for (size_t i = 0; i < links; i++)
            named[names[i] / 8] |= (uint8_t)(1u << names[i] % 8);
    }
    for (size_t i = 0; i < heads.count / 2; i++) { /* ascending */
        uint64_t t = heads.at[i];
        heads.at[i] = heads.at[heads.count - 1 - i];
        heads.at[heads.count - 1 - i] = t;
    }
    if (rc >= 0) {
        p->state.frontier = (uint64_t *)(uintptr_t)ph_arena_copy(
                                &p->arena, ph_slice(heads.at, heads.count * sizeof *heads.at), &ok)
                                .data;
        p->state.frontier_count = (uint32_t)heads.count;
    }
    ph_free(heads.at);
    ph_arena_clear(&a);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

/* Reads the headers of all that is shown: a digest of the past is asked for rarely. */
prophet_code ph_past_frontier(ph_view *v, prophet_error *err)
{
    struct ph_past *p = v->replica->past;
    if (!p->has_frontier) {
        uint8_t *named = ph_zalloc((size_t)p->version / 8 + 1);
        prophet_code rc = named ? find_frontier(p, v, named, err) : ph_nomem(err);
        ph_free(named);
        if (rc < 0)
            return rc;
        p->has_frontier = true;
    }
    v->state.frontier = p->state.frontier;
    v->state.frontier_count = p->state.frontier_count;
    return PROPHET_OK;
}
