/* Building and dropping indexes, a bounded part a transaction. What is left to do lies in table ix as a job, so that it
 * survives a kill: whoever commits next goes on with it. Until it is done the index has no mark, and no query uses it; records that
 * change meanwhile are kept in it by secondary.c, and writing a row twice does no harm.
 *
 * Called by settle.c when a definition changed, by session.c behind a commit, by api to say how far it is, and by index_file.c when an index file is
 * built. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"
#include <stdlib.h>

/* ---- what a definition asks for ---------------------------------------------------------------------------- */

static const ph_index_def *declared(const ph_schema *schema, uint32_t index)
{
    for (size_t i = 0; i < schema->index_count; i++)
        if (schema->indexes[i].id == index && index)
            return &schema->indexes[i];
    return NULL;
}

static bool same_kinds(const ph_index_def *def, prophet_slice kinds)
{
    return def && kinds.len == def->count && memcmp(kinds.data, def->kinds, def->count) == 0;
}

static prophet_code start_drop(ph_session *s, uint32_t type, uint32_t index, prophet_error *err)
{
    const ph_ix_job job = { .index = index, .type = type, .drop = true };
    prophet_code rc = ph_ix_unmark(s->txn, index, err);
    return rc < 0 ? rc : ph_ix_job_put(s->txn, &job, err);
}

static prophet_code start_build(ph_session *s, uint32_t type, const ph_index_def *def,
                                prophet_error *err)
{
    const ph_ix_job job = { .index = def->id,
                            .type = type,
                            .kinds = ph_slice(def->kinds, def->count) };
    return ph_ix_job_put(s->txn, &job, err);
}

/* Indexes, finished or not, that are not declared any more, or whose fields are of other kinds now. */
static prophet_code drop_undeclared(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    ph_ix_job at = { 0 };
    prophet_code rc;
    for (uint32_t after = 0;
         (rc = ph_ix_mark_next(s->txn, schema->type_id, after, &s->arena, &at, err)) == PROPHET_OK;
         after = at.index)
        if (!same_kinds(declared(schema, at.index), at.kinds) &&
            (rc = start_drop(s, schema->type_id, at.index, err)) < 0)
            return rc;
    if (rc < 0)
        return rc;
    for (uint32_t after = 0;
         (rc = ph_ix_job_next(s->txn, after, &s->arena, &at, err)) == PROPHET_OK; after = at.index)
        if (at.type == schema->type_id && !at.drop && at.kinds.len > 0 &&
            !same_kinds(declared(schema, at.index), at.kinds) &&
            (rc = start_drop(s, schema->type_id, at.index, err)) < 0)
            return rc;
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code job_of(ph_session *s, uint32_t index, ph_ix_job *out, prophet_error *err)
{
    prophet_code rc = ph_ix_job_next(s->txn, index - 1, &s->arena, out, err);
    return rc == PROPHET_OK && out->index != index ? PROPHET_DONE : rc;
}

static prophet_code work_on(ph_session *s, ph_ix_job *job, prophet_error *err);

prophet_code ph_secondary_declare(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    if (schema->type_id == 0)
        return PROPHET_OK;
    prophet_code rc = drop_undeclared(s, schema, err);
    for (size_t i = 0; i < schema->index_count && rc >= 0; i++) {
        const ph_index_def *def = &schema->indexes[i];
        ph_ix_job job;
        bool there;
        if (def->id == 0) /* has no name yet: made when the change is written out */
            continue;
        if ((rc = ph_ix_complete(s->txn, def, &there, err)) < 0)
            return rc;
        if (there || (rc = job_of(s, def->id, &job, err)) != PROPHET_DONE)
            continue;
        if ((rc = start_build(s, schema->type_id, def, err)) >= 0 &&
            (rc = job_of(s, def->id, &job, err)) == PROPHET_OK)
            rc = work_on(s, &job, err); /* most types are small: done with it */
    }
    s->r->jobs_none = 0;
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- building --------------------------------------------------------------------------------------------------- */

typedef PH_LIST(ph_record) record_list;

/* The records behind job->done, decoded. */
static prophet_code read_some(ph_session *s, ph_ix_job *job, ph_arena *a, record_list *out,
                              prophet_error *err)
{
    uint8_t key[20];
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(key, job->type);
    memcpy(key + 4, job->done.b, 16);
    rc = ph_cursor_seek(cur, ph_slice(key, job->begun ? 20 : 4), &k, &v, err);
    if (rc == PROPHET_OK && job->begun && k.len == 20 && memcmp(k.data, key, 20) == 0)
        rc = ph_cursor_next(cur, &k, &v, err);
    while (rc == PROPHET_OK && k.len == 20 && memcmp(k.data, key, 4) == 0 &&
           out->count < PH_BUILD_STEP) {
        ph_record rec;
        memcpy(job->done.b, (const uint8_t *)k.data + 4, 16);
        job->begun = true;
        if ((rc = ph_record_decode(k, v, false, a, &rec, err)) < 0)
            break;
        rc = PH_PUSH(*out, rec) ? ph_cursor_next(cur, &k, &v, err) : ph_nomem(err);
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static int by_key(const void *a, const void *b)
{
    return ph_slice_cmp(((const ph_ix_op *)a)->key, ((const ph_ix_op *)b)->key);
}

static prophet_code put_rows(ph_session *s, const ph_schema *schema, record_list *records,
                             prophet_error *err)
{
    ph_ix_ops all = { 0 };
    prophet_code rc = PROPHET_OK;
    ph_arena_reset(&s->row_arena);
    for (size_t i = 0; i < records->count && rc >= 0; i++) {
        s->ix_after.count = 0;
        rc = ph_secondary_rows(s, schema, &records->at[i], err);
        for (size_t n = 0; n < s->ix_after.count && rc >= 0; n++)
            rc = PH_PUSH(all, s->ix_after.at[n]) ? PROPHET_OK : ph_nomem(err);
    }
    if (all.count > 1)
        qsort(all.at, all.count, sizeof *all.at, by_key);
    for (size_t i = 0; i < all.count && rc >= 0; i++)
        rc = ph_ix_put(s->txn, all.at[i].key, &all.at[i].uuid, all.at[i].cut, err);
    ph_free(all.at);
    return rc;
}

static prophet_code build_some(ph_session *s, const ph_schema *schema, const ph_index_def *def,
                               ph_ix_job *job, prophet_error *err)
{
    ph_schema one = *schema;
    ph_arena a = PH_ARENA_INIT;
    record_list records = { 0 };
    one.indexes = def;
    one.index_count = 1;
    prophet_code rc = read_some(s, job, &a, &records, err);
    if (rc >= 0)
        rc = put_rows(s, &one, &records, err);
    bool more = records.count == PH_BUILD_STEP;
    ph_free(records.at);
    ph_arena_clear(&a);
    if (rc < 0)
        return rc;
    if (more)
        return ph_ix_job_put(s->txn, job, err);
    rc = ph_ix_job_del(s->txn, job->index, err);
    return rc < 0 ? rc : ph_ix_mark(s->txn, job->type, def, err);
}

/* ---- dropping --------------------------------------------------------------------------------------------------- */

static prophet_code drop_rows(ph_session *s, uint32_t index, bool *more, prophet_error *err)
{
    uint8_t prefix[4];
    size_t count = 0;
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_IX, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, index);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    while (rc == PROPHET_OK && k.len >= 4 && memcmp(k.data, prefix, 4) == 0 &&
           count++ < PH_DROP_STEP) {
        if ((rc = ph_cursor_del(cur, err)) < 0)
            break;
        rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
    }
    *more = count > PH_DROP_STEP;
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code drop_some(ph_session *s, const ph_schema *schema, const ph_index_def *def,
                              const ph_ix_job *job, prophet_error *err)
{
    bool more = false;
    prophet_code rc = drop_rows(s, job->index, &more, err);
    if (rc >= 0 && !more) /* an index has rows in one of the tables */
        rc = ph_text_drop(s->txn, job->index, PH_DROP_STEP, &more, err);
    if (rc < 0 || more)
        return rc;
    if (def) /* declared again, or with fields of other kinds */
        return start_build(s, schema->type_id, def, err);
    ph_ix_job text;
    if (schema->text && schema->text->index == job->index)
        return ph_fulltext_begin(s, schema, &text, err);
    return ph_ix_job_del(s->txn, job->index, err);
}

/* ---- one part of a job ------------------------------------------------------------------------------------------ */

static prophet_code work_on(ph_session *s, ph_ix_job *job, prophet_error *err)
{
    const ph_schema *schema;
    prophet_slice type = ph_names_get(s->r->names, job->type);
    prophet_code rc = ph_schemas_get(s->r, s->txn, s->state.schema, type, &schema, err);
    if (rc < 0)
        return rc;
    const ph_index_def *def = declared(schema, job->index);
    if (!job->drop && job->kinds.len == 0) /* of words */
        return ph_fulltext_build(s, schema, job, err);
    if (job->drop)
        return drop_some(s, schema, def, job, err);
    if (!same_kinds(def, job->kinds))
        return start_drop(s, job->type, job->index, err);
    return build_some(s, schema, def, job, err);
}

static prophet_code work_some(ph_session *s, prophet_error *err)
{
    ph_ix_job job;
    prophet_code rc = ph_ix_job_next(s->txn, 0, &s->arena, &job, err);
    return rc == PROPHET_OK ? work_on(s, &job, err) : rc;
}

/* PROPHET_DONE: nothing was left. */
static prophet_code finish_some(ph_replica *r, prophet_error *err)
{
    ph_session *s = NULL;
    ph_position end;
    prophet_code rc = ph_session_begin(r, &s, err);
    if (rc < 0)
        return rc;
    rc = r->jobs_none == s->state.schema + 1 ? PROPHET_DONE : work_some(s, err);
    if (rc == PROPHET_DONE)
        r->jobs_none = s->state.schema + 1;
    if (rc == PROPHET_OK)
        return ph_session_commit(s, &end, err);
    ph_session_abort(s);
    return rc;
}

/* ---- how far it is ------------------------------------------------------------------------------------------------ */

typedef struct telling {
    ph_progress_fn tell;
    void *ctx;
    ph_ix_job job; /* the one that is next; index 0: none */
    uint64_t done, total;
} telling;

/* Records of the job's type, and those of them that are done. */
static prophet_code count_records(ph_txn *t, telling *w, prophet_error *err)
{
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(t, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, w->job.type);
    for (rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &v, err);
         rc == PROPHET_OK && k.len == 20 && memcmp(k.data, prefix, 4) == 0;
         rc = ph_cursor_next(cur, &k, &v, err)) {
        w->total++;
        w->done += w->job.begun && memcmp((const uint8_t *)k.data + 4, w->job.done.b, 16) <= 0;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code look(ph_txn *t, telling *w, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_ix_job job = { 0 };
    prophet_code rc = ph_ix_job_next(t, 0, &a, &job, err);
    bool same = job.index == w->job.index && job.drop == w->job.drop;
    w->job = job;
    w->job.kinds = ph_slice(NULL, 0); /* of this arena */
    if (rc == PROPHET_OK && !same) {
        w->done = w->total = 0;
        rc = job.drop ? PROPHET_OK : count_records(t, w, err);
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code look_now(ph_replica *r, telling *w, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    if (rc < 0)
        return rc;
    rc = look(v->txn, w, err);
    ph_view_end(v);
    return rc;
}

static prophet_code tell(telling *w, prophet_error *err)
{
    if (w->job.index == 0)
        return PROPHET_OK;
    w->done += w->job.drop ? PH_DROP_STEP : PH_BUILD_STEP;
    if (!w->job.drop && w->done > w->total)
        w->done = w->total;
    prophet_error why = { 0 };
    prophet_code rc = w->tell(w->ctx, w->job.drop ? "drop" : "index", w->done, w->total, &why);
    return rc < 0 ? ph_fail_host(err, rc, &why) : rc;
}

static prophet_code finish(ph_replica *r, telling *w, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (r->finishing)
        return PROPHET_OK;
    r->finishing = true;
    while (rc == PROPHET_OK)
        if ((!w->tell || (rc = look_now(r, w, err)) >= 0) &&
            (rc = finish_some(r, err)) == PROPHET_OK && w->tell)
            rc = tell(w, err);
    r->finishing = false;
    return rc < 0 ? rc : PROPHET_OK;
}

void ph_secondary_finish(ph_replica *r)
{
    telling nobody = { .tell = NULL };
    prophet_error why;
    r->jobs_due = r->jobs_later;
    if (!r->jobs_later)
        (void)finish(r, &nobody, &why); /* whoever commits next goes on */
}

void ph_indexes_later(ph_replica *r, bool later)
{
    r->jobs_later = later;
}

prophet_code ph_indexes_finish(ph_replica *r, ph_progress_fn progress, void *ctx,
                               prophet_error *err)
{
    telling w = { .tell = progress, .ctx = ctx };
    if (!r->jobs_due || r->finishing)
        return PROPHET_OK;
    prophet_code rc = finish(r, &w, err);
    r->jobs_due = rc < 0;
    return rc;
}

/* Of the file that is built, which has no views. */
static prophet_code look_alone(ph_replica *r, telling *w, prophet_error *err)
{
    ph_txn *t;
    prophet_code rc = ph_txn_begin(r->store, false, &t, err);
    if (rc < 0)
        return rc;
    rc = look(t, w, err);
    ph_txn_abort(t);
    return rc;
}

static prophet_code tell_rebuild(void *ctx, const char *stage, uint64_t done, uint64_t total,
                                 prophet_error *err)
{
    return ph_index_tell(ctx, stage, done, total, err);
}

prophet_code ph_secondary_finish_alone(ph_replica *r, prophet_error *err)
{
    telling w = { .tell = tell_rebuild, .ctx = r };
    prophet_code rc = PROPHET_OK;
    while (rc == PROPHET_OK)
        if ((!r->progress || (rc = look_alone(r, &w, err)) >= 0) &&
            (rc = ph_session_alone(r, work_some, err)) == PROPHET_OK)
            rc = tell(&w, err);
    return rc < 0 ? rc : PROPHET_OK;
}
