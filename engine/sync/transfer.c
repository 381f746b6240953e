/* One exchange between two open replicas: compare, select, stream into the receiver's intake. The receiver verifies everything as if
 * it came from a stranger. Called by pull.c, push.c and clone.c. */
#include "sync/sync_impl.h"

enum { CHUNK = 512 };

prophet_code sync_progress(const ph_sync_options *o, const char *stage, uint64_t done,
                           uint64_t total, prophet_error *err)
{
    prophet_error why = { 0 };
    prophet_code rc = o && o->progress ? o->progress(o->ctx, stage, done, total, &why) : PROPHET_OK;
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

void ph_sync_report_clear(ph_sync_report *rep)
{
    ph_arena_clear(&rep->arena);
    *rep = (ph_sync_report){ 0 };
}

prophet_code sync_check_related(const ph_replica *r, const ph_uuid *other, const char *here_name,
                                const char *who, prophet_error *err)
{
    char here[37], there[37];
    if (ph_uuid_eq(ph_replica_database(r), other))
        return PROPHET_OK;
    ph_uuid_format(ph_replica_database(r), here);
    ph_uuid_format(other, there);
    prophet_code rc = ph_fail(err, PROPHET_EUNRELATED,
                              "%s holds database %s, %s holds %s: different databases do not mix",
                              here_name, here, who, there);
    ph_hint(err, "replicas of one database are made by clone");
    return rc;
}

/* ---- what would come ---------------------------------------------------------------------------------------------------- */

typedef struct selection {
    ph_sync_spans spans; /* of the sender */
    uint64_t count;
    bool all;  /* the receiver has nothing: the whole log, as it lies */
    bool same; /* equal digests */
} selection;

static prophet_code want_of(ph_replica *to, const ph_sync_offer *offer, ph_arena *a,
                            ph_sync_want *want, selection *out, prophet_error *err)
{
    ph_view *v;
    uint8_t digest[32];
    prophet_code rc = ph_view_begin(to, &v, err);
    if (rc < 0)
        return rc;
    if ((rc = ph_view_digest(v, digest, err)) >= 0) {
        out->same = memcmp(digest, offer->digest, sizeof digest) == 0 && v->state.holes == 0;
        out->all = v->state.version == 0;
        if (!out->same && !out->all)
            rc = ph_sync_want_make(v, offer, a, want, err);
    }
    ph_view_end(v);
    return rc;
}

static prophet_code compare(ph_replica *to, ph_view *from, ph_arena *a, selection *out,
                            prophet_error *err)
{
    ph_sync_offer offer;
    ph_sync_want want = { NULL, 0, NULL, 0 };
    prophet_code rc;
    *out = (selection){ 0 };
    if ((rc = ph_sync_offer_make(from, a, &offer, err)) < 0 ||
        (rc = want_of(to, &offer, a, &want, out, err)) < 0)
        return rc;
    if (out->all)
        out->count = from->state.version;
    if (out->same || out->all || want.wanted_count == 0)
        return PROPHET_OK;
    return ph_sync_select(from, &want, &out->spans, &out->count, err);
}

/* ---- a dry run: counted from the sender's rows ---------------------------------------------------------------------------- */

static prophet_code is_new_writer(ph_replica *to, const ph_id *key, bool *yes, prophet_error *err)
{
    ph_view *v;
    uint32_t ridx;
    ph_replica_row row;
    prophet_code rc = ph_view_begin(to, &v, err);
    if (rc < 0)
        return rc;
    rc = ph_replicas_find(v->txn, key, &ridx, err);
    *yes = rc == PROPHET_DONE;
    if (rc == PROPHET_OK && (rc = ph_replicas_get(v->txn, ridx, &v->arena, &row, err)) >= 0)
        *yes = row.tip_count == 0;
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

/* The list doubles whenever its length is a power of two. */
static prophet_code grow(ph_sync_report *rep, prophet_error *err)
{
    size_t n = rep->writer_count;
    if (n & (n - 1))
        return PROPHET_OK;
    ph_id *at = ph_arena_alloc(&rep->arena, (n ? 2 * n : 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    if (n)
        memcpy(at, rep->writers, n * sizeof *at);
    rep->writers = at;
    return PROPHET_OK;
}

prophet_code sync_count_writer(ph_replica *to, const ph_id *key, ph_sync_report *rep,
                               prophet_error *err)
{
    bool fresh;
    prophet_code rc = grow(rep, err);
    if (rc < 0 || (rc = is_new_writer(to, key, &fresh, err)) < 0)
        return rc;
    size_t at = fresh ? rep->new_writer_count++ : rep->writer_count;
    memmove(&rep->writers[at + 1], &rep->writers[at],
            (rep->writer_count - at) * sizeof *rep->writers);
    rep->writers[at] = *key;
    rep->writer_count++;
    return PROPHET_OK;
}

static prophet_code count_writer(ph_replica *to, ph_view *from, uint32_t ridx, ph_sync_report *rep,
                                 prophet_error *err)
{
    ph_replica_row row;
    prophet_code rc = ph_replicas_get(from->txn, ridx, &rep->arena, &row, err);
    return rc < 0 ? rc : sync_count_writer(to, &row.key, rep, err);
}

static prophet_code dry_run(ph_replica *to, ph_view *from, const selection *sel,
                            ph_sync_report *rep, prophet_error *err)
{
    size_t n = (size_t)from->state.replicas + 1;
    bool *seen = ph_arena_zalloc(&rep->arena, n * sizeof *seen);
    prophet_code rc = PROPHET_OK;
    if (!seen)
        return ph_nomem(err);
    ph_sync_cursor at = { 0 };
    uint64_t version = 0;
    while (rc >= 0 && (sel->all ? version++ < sel->count
                                : ph_sync_spans_take(&sel->spans, &at, &version, 1) > 0)) {
        ph_changeset_row row;
        if ((rc = ph_changesets_get(from->txn, version, &row, err)) < 0)
            break;
        rep->bytes += row.size;
        rep->changesets++;
        if (row.ridx < n && !seen[row.ridx]) {
            seen[row.ridx] = true;
            rc = count_writer(to, from, row.ridx, rep, err);
        }
    }
    rep->replicas = rep->writer_count;
    rep->dry_run = true;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- for good ------------------------------------------------------------------------------------------------------------- */

typedef struct pump {
    ph_intake *in;
    ph_frame_context stream;
    const ph_sync_options *o;
    uint64_t done, total;
} pump;

static prophet_code take(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *signed_id,
                         prophet_error *err)
{
    pump *p = ctx;
    prophet_code rc = ph_intake_frame(p->in, type, frame, &p->stream, err);
    (void)signed_id;
    if (rc >= 0 && type == PH_FRAME_CHANGESET && ++p->done % 256 == 0)
        rc = sync_progress(p->o, "changesets", p->done, p->total, err);
    return rc;
}

static bool add_opened(const ph_intake_report *in, ph_sync_report *rep)
{
    size_t had = rep->opened_count, more = in->opened_count;
    if (more == 0)
        return true;
    ph_cell_key *at = ph_arena_alloc(&rep->arena, (had + more) * sizeof *at);
    if (!at)
        return false;
    if (had)
        memcpy(at, rep->opened, had * sizeof *at);
    memcpy(at + had, in->opened, more * sizeof *at);
    rep->opened = at;
    rep->opened_count = had + more;
    return true;
}

prophet_code sync_report_add(const ph_intake_report *in, ph_sync_report *rep, prophet_error *err)
{
    bool ok = true;
    rep->changesets += in->changesets;
    rep->mended += in->mended;
    rep->replicas = in->writer_count;
    rep->conflicts += in->conflicts;
    rep->decided += in->decided;
    ok = add_opened(in, rep);
    rep->votes += in->votes;
    rep->forks += in->forks;
    rep->unsigned_rest = in->unsigned_rest;
    rep->held_back = in->held_back;
    rep->bytes += in->bytes;
    rep->own_chain = in->own_chain;
    rep->writer_count = in->writer_count;
    rep->new_writer_count = in->new_writer_count;
    bool copied = true;
    rep->writers =
        (ph_id *)(uintptr_t)ph_arena_copy(
            &rep->arena, ph_slice(in->writers, in->writer_count * sizeof *in->writers), &copied)
            .data;
    return ok && copied ? PROPHET_OK : ph_nomem(err);
}

static prophet_code send(ph_view *from, const selection *sel, pump *p, prophet_error *err)
{
    ph_frame_context stream = { .has_last = false };
    ph_sync_cursor at = { 0 };
    uint64_t versions[CHUNK];
    prophet_code rc = PROPHET_OK;
    if (sel->all)
        return ph_view_stream(from, NULL, 0, true, take, p, err);
    for (size_t n; rc >= 0 && (n = ph_sync_spans_take(&sel->spans, &at, versions, CHUNK)) > 0;)
        rc = ph_view_stream_on(from, &stream, versions, n, take, p, err);
    return rc;
}

static prophet_code stream(ph_replica *to, ph_view *from, const selection *sel,
                           const ph_sync_options *o, ph_sync_report *rep, prophet_error *err)
{
    pump p = { .o = o, .total = sel->count };
    ph_intake_report in;
    bool frugal = sel->count > PH_FRUGAL_FROM;
    prophet_code rc = ph_intake_begin(to, &p.in, err);
    if (rc < 0)
        return rc;
    if (frugal)
        ph_replica_frugal(from->replica, true);
    if ((rc = send(from, sel, &p, err)) >= 0 && (rc = ph_intake_finish(p.in, &in, err)) >= 0)
        rc = sync_report_add(&in, rep, err);
    if (frugal)
        ph_replica_frugal(from->replica, false);
    ph_intake_free(p.in);
    return rc < 0 ? rc : sync_progress(o, "changesets", p.done, p.total, err);
}

prophet_code sync_transfer(ph_replica *to, ph_replica *from, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    selection sel;
    ph_view *v;
    uint64_t start = ph_monotonic_us();
    prophet_code rc;

    if ((rc = sync_check_related(to, ph_replica_database(from), ph_replica_path(to),
                                 ph_replica_path(from), err)) < 0 ||
        (rc = sync_progress(o, "compare", 0, 0, err)) < 0 || (rc = ph_damage_look(to, err)) < 0)
        return rc;
    if ((rc = ph_view_begin(from, &v, err)) < 0)
        return rc;
    if ((rc = compare(to, v, &a, &sel, err)) >= 0 && sel.count)
        rc = o && o->dry_run ? dry_run(to, v, &sel, rep, err) : stream(to, v, &sel, o, rep, err);
    ph_view_end(v);
    ph_free(sel.spans.at);
    ph_arena_clear(&a);
    rep->dry_run = o && o->dry_run;
    if (rep->own_chain)
        (void)snprintf(rep->notice, sizeof rep->notice, "%s", ph_replica_notice(to));
    rep->seconds += (double)(ph_monotonic_us() - start) / 1e6;
    return rc < 0 ? rc : PROPHET_OK;
}
