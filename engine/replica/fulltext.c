/* Full text: which fields of a type are indexed, and the words of their records, kept in the commit that changes the records.
 * One index a type; a slot a field declared `fulltext`, by field number. Dead records are in none. Rows: engine/index/postings.c.
 * The past has none: its records are read (past.c writes rows over a snapshot whose words are today's).
 * Called beside secondary.c: by work.c for each record that is stored, by settle.c when a definition changed. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"
#include <stdlib.h>

#define SCAN_STEP   1024 /* records between flushes while an index is built */
#define BUILD_STEPS (PH_BUILD_STEP / SCAN_STEP)

/* ---- declarations ---------------------------------------------------------------------------------------------- */

bool ph_field_fulltext(const ph_field_def *f, double *weight)
{
    prophet_slice raw;
    ph_item item;

    *weight = 1;
    if (f->kind == PH_F_COMPUTED || f->kind == PH_F_MANY || !ph_field_option(f, "fulltext", &raw) ||
        !ph_value_open(raw, &item))
        return false;
    if (item.kind == PH_INT)
        *weight = (double)item.i;
    else if (item.kind == PH_FLOAT)
        *weight = item.d;
    else
        return item.kind == PH_BOOL && item.b;
    return *weight > 0;
}

unsigned ph_field_language(const ph_field_def *f)
{
    prophet_slice raw;
    ph_item item;
    unsigned language;

    if (!ph_field_option(f, "language", &raw) || !ph_value_open(raw, &item) || item.kind != PH_TEXT)
        item.s = ph_slice_str("english");
    (void)ph_language_find(item.s, &language); /* one this version does not know: no stems */
    return language;
}

static prophet_code words_of(ph_replica *r, ph_words **out, prophet_error *err)
{
    prophet_code rc = r->words ? PROPHET_OK : ph_words_new(&r->words, err);
    *out = r->words;
    return rc;
}

static prophet_code fingerprint(ph_replica *r, ph_text_layout *l, prophet_error *err)
{
    ph_words *w;
    uint64_t one;
    prophet_code rc = words_of(r, &w, err);
    for (uint32_t s = 0; s < l->slots && rc >= 0; s++) {
        rc = ph_words_fingerprint(w, l->language[s], &one, err);
        l->fingerprint = l->fingerprint * 31 + (rc >= 0 ? one : 0);
    }
    return rc;
}

static void add_slot(ph_text_layout *l, const ph_field_def *f)
{
    uint32_t at = l->slots++;
    for (; at > 0 && l->field[at - 1] > f->id; at--) {
        l->field[at] = l->field[at - 1];
        l->language[at] = l->language[at - 1];
    }
    l->field[at] = f->id;
    l->language[at] = ph_field_language(f);
}

prophet_code ph_schema_fulltext(ph_replica *r, ph_arena *a, ph_schema *s, prophet_error *err)
{
    ph_buf name = PH_BUF_INIT;
    ph_text_layout l = { .type = s->type_id };
    double weight;
    for (size_t i = 0; i < s->field_count; i++) {
        if (!ph_field_fulltext(&s->fields[i], &weight))
            continue;
        if (s->fields[i].id == 0) {
            s->text_unnamed = true;
            return PROPHET_OK;
        }
        if (l.slots == PH_TEXT_FIELDS) /* queries read the records then */
            return PROPHET_OK;
        add_slot(&l, &s->fields[i]);
    }
    if (l.slots == 0)
        return PROPHET_OK;
    prophet_code rc = ph_index_name(r, s->type, ph_slice_str(PH_TEXT_SPEC), &name, err);
    if (rc >= 0)
        l.index = ph_names_find(r->names, ph_buf_slice(&name));
    ph_buf_clear(&name);
    if (rc < 0 || (rc = fingerprint(r, &l, err)) < 0)
        return rc;
    if (l.index == 0 || l.type == 0) {
        s->text_unnamed = true;
        return PROPHET_OK;
    }
    ph_text_layout *kept = ph_arena_alloc(a, sizeof *kept);
    if (!kept)
        return ph_nomem(err);
    *kept = l;
    s->text = kept;
    return PROPHET_OK;
}

static bool same_layout(const ph_text_layout *a, const ph_text_layout *b)
{
    return a->index == b->index && a->type == b->type && a->slots == b->slots &&
           a->fingerprint == b->fingerprint &&
           memcmp(a->field, b->field, a->slots * sizeof *a->field) == 0 &&
           memcmp(a->language, b->language, a->slots * sizeof *a->language) == 0;
}

static prophet_code head_of(ph_txn *t, const ph_schema *schema, ph_text_head *out,
                            prophet_error *err)
{
    if (!schema->text)
        return PROPHET_DONE;
    prophet_code rc = ph_text_head_get(t, schema->text->index, out, err);
    return rc == PROPHET_OK && !same_layout(&out->layout, schema->text) ? PROPHET_DONE : rc;
}

prophet_code ph_fulltext_head(ph_view *v, const ph_schema *schema, ph_text_head *out,
                              prophet_error *err)
{
    if (ph_txn_is_overlay(v->txn)) /* its words are today's */
        return PROPHET_DONE;
    return head_of(v->txn, schema, out, err);
}

/* ---- the texts of a record ------------------------------------------------------------------------------------------ */

typedef PH_LIST(ph_text_part) part_list;

static bool add_texts(part_list *l, uint32_t slot, prophet_slice value)
{
    ph_item x, one;
    if (!ph_value_open(value, &x))
        return true;
    if (x.kind == PH_TEXT) {
        ph_text_part p = { slot, x.s };
        return PH_PUSH(*l, p);
    }
    if (x.kind != PH_LIST)
        return true;
    ph_reader in = ph_reader_of(x.s);
    while (ph_read_item(&in, &one))
        if (!add_texts(l, slot, one.raw))
            return false;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return ph_slice_cmp(*(const prophet_slice *)a, *(const prophet_slice *)b);
}

/* Elements as the field shows them: by their bytes. */
static bool add_elements(part_list *l, uint32_t slot, const ph_cell *c, ph_arena *a)
{
    prophet_slice *at = ph_arena_alloc(a, (c->element_count + 1u) * sizeof *at);
    size_t n = 0;
    bool ok = at != NULL;
    for (uint32_t e = 0; ok && e < c->element_count; e++)
        if (c->elements[e].add_count)
            at[n++] = c->elements[e].value;
    if (n > 1)
        qsort(at, n, sizeof *at, by_bytes);
    for (size_t i = 0; i < n && ok; i++)
        ok = add_texts(l, slot, at[i]);
    return ok;
}

static prophet_code make_doc(ph_session *s, const ph_text_layout *layout, ph_record *rec,
                             ph_text_doc **out, prophet_error *err)
{
    part_list parts = { 0 };
    ph_words *w;
    bool ok = true;
    prophet_code rc = words_of(s->r, &w, err);
    *out = NULL;
    if (!rec->alive)
        return rc;
    for (uint32_t slot = 0; slot < layout->slots && rc >= 0 && ok; slot++) {
        ph_cell *c = ph_record_cell(rec, layout->field[slot]);
        if (!c ||
            (!c->loaded &&
             (rc = ph_cell_load(s->txn, rec, c, rec->arena ? rec->arena : &s->row_arena, err)) < 0))
            continue;
        ok = c->is_register && c->shown.len ? add_texts(&parts, slot, c->shown)
                                            : add_elements(&parts, slot, c, &s->row_arena);
    }
    if (rc >= 0 && (!ok || !(*out = ph_arena_alloc(&s->text_arena, sizeof **out))))
        rc = ph_nomem(err);
    if (rc >= 0)
        rc = ph_text_doc_make(w, layout, parts.at, parts.count, &s->text_arena, *out, err);
    ph_free(parts.at);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

static ph_text_writer *find_writer(const ph_session *s, uint32_t index)
{
    for (size_t i = 0; i < s->text_writers.count; i++)
        if (ph_text_writer_head(s->text_writers.at[i])->layout.index == index)
            return s->text_writers.at[i];
    return NULL;
}

void ph_fulltext_forget(ph_session *s)
{
    for (size_t i = 0; i < s->text_writers.count; i++)
        ph_text_writer_free(s->text_writers.at[i]);
    s->text_writers.count = 0;
    ph_arena_reset(&s->text_arena);
}

/* There is no index: PROPHET_DONE while rows of the one before are removed; records are read when it is built. */
static prophet_code is_dropped(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    ph_ix_job job;
    prophet_code rc = ph_ix_job_get(s->txn, schema->text->index, &job, err);
    if (rc < 0 || (rc == PROPHET_OK && job.drop))
        return rc < 0 ? rc : PROPHET_DONE;
    return ph_fail(err, PROPHET_ECORRUPT, "the full-text index of %.*s is damaged",
                   PH_FMT(schema->type));
}

static prophet_code open_writer(ph_session *s, const ph_schema *schema, ph_text_writer **out,
                                prophet_error *err)
{
    ph_text_head head;
    prophet_code rc;
    if ((*out = find_writer(s, schema->text->index)))
        return PROPHET_OK;
    rc = head_of(s->txn, schema, &head, err);
    if (rc == PROPHET_DONE && /* another version of the libraries cuts words otherwise */
        (rc = ph_fulltext_declare(s, schema, err)) >= 0)
        rc = head_of(s->txn, schema, &head, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : is_dropped(s, schema, err);
    if ((rc = ph_text_writer_new(s->txn, &head, s->state.number, out, err)) < 0)
        return rc;
    if (PH_PUSH(s->text_writers, *out))
        return PROPHET_OK;
    ph_text_writer_free(*out);
    return ph_nomem(err);
}

static bool concerns(const ph_text_layout *layout, ph_work_record *wr)
{
    if (wr->is_new || wr->was_alive != wr->rec.alive)
        return true;
    for (uint32_t slot = 0; slot < layout->slots; slot++) {
        const ph_cell *c = ph_record_cell(&wr->rec, layout->field[slot]);
        if (c && c->dirty)
            return true;
    }
    return false;
}

/* Is the index being built, and not yet as far as this record? Then its turn comes. */
static prophet_code is_ahead(ph_session *s, uint32_t index, const ph_uuid *uuid, bool *ahead,
                             prophet_error *err)
{
    ph_ix_job job;
    prophet_code rc = ph_ix_job_get(s->txn, index, &job, err); /* another process may have begun */
    *ahead = rc == PROPHET_OK &&
             (job.drop || !job.begun || memcmp(uuid->b, job.done.b, sizeof uuid->b) > 0);
    return rc < 0 ? rc : PROPHET_OK;
}

/* What the record had follows from the record as the store still has it. */
prophet_code ph_fulltext_update(ph_session *s, const ph_schema *schema, ph_work_record *wr,
                                prophet_error *err)
{
    ph_text_doc *before = NULL, *after = NULL;
    ph_text_writer *w;
    ph_record old = { 0 };
    bool ahead;
    prophet_code rc;
    if (ph_txn_is_overlay(s->txn) || !concerns(schema->text, wr))
        return PROPHET_OK;
    if ((rc = open_writer(s, schema, &w, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if ((rc = is_ahead(s, schema->text->index, &wr->rec.uuid, &ahead, err)) < 0 || ahead)
        return rc;
    ph_arena_reset(&s->row_arena);
    if (!wr->is_new && (rc = ph_record_load(s->txn, wr->rec.type, &wr->rec.uuid, &s->row_arena,
                                            &old, err)) == PROPHET_OK)
        rc = make_doc(s, schema->text, &old, &before, err);
    if (rc >= 0 && (rc = make_doc(s, schema->text, &wr->rec, &after, err)) >= 0 &&
        (before || after))
        rc = ph_text_writer_change(w, wr->rec.number, before, after, err);
    return rc < 0 ? rc : PROPHET_OK;
}

/* All indexes are looked at: records that are late no more settle whether or not their type has changed. */
prophet_code ph_fulltext_flush(ph_session *s, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    ph_text_head head;
    if (ph_txn_is_overlay(s->txn))
        return PROPHET_OK;
    for (uint32_t index = 0;
         rc >= 0 && (rc = ph_text_head_next(s->txn, &index, &head, err)) == PROPHET_OK; index++) {
        ph_text_writer *w = find_writer(s, index), *own = NULL;
        if (!w && !ph_text_settles(&head, s->state.number))
            continue;
        if (!w && (rc = ph_text_writer_new(s->txn, &head, s->state.number, &own, err)) < 0)
            break;
        rc = ph_text_writer_flush(w ? w : own, err);
        ph_text_writer_free(own);
    }
    ph_fulltext_forget(s);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- building and dropping --------------------------------------------------------------------------------------------- */

static prophet_code add_record(ph_session *s, const ph_text_layout *layout, ph_text_writer *w,
                               ph_record *rec, prophet_error *err)
{
    ph_text_doc *doc;
    prophet_code rc = make_doc(s, layout, rec, &doc, err);
    return rc >= 0 && doc ? ph_text_writer_change(w, rec->number, NULL, doc, err) : rc;
}

/* Reads SCAN_STEP records behind *key into memory, since writing moves what a cursor stands on. */
static prophet_code read_some(ph_session *s, uint8_t key[20], size_t *keylen, ph_record *out,
                              size_t *count, prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice k, v;
    prophet_code rc = ph_cursor_open(s->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    rc = ph_cursor_seek(cur, ph_slice(key, *keylen), &k, &v, err);
    if (rc == PROPHET_OK && *keylen == 20 && k.len == 20 && memcmp(k.data, key, 20) == 0)
        rc = ph_cursor_next(cur, &k, &v, err);
    for (*count = 0;
         rc == PROPHET_OK && *count < SCAN_STEP && k.len == 20 && memcmp(k.data, key, 4) == 0;
         rc = ph_cursor_next(cur, &k, &v, err)) {
        memcpy(key, k.data, 20);
        *keylen = 20;
        if ((rc = ph_record_decode(k, v, false, &s->row_arena, &out[(*count)++], err)) < 0)
            break;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Records behind job->done, some at a time. *more: there are others. */
static prophet_code add_some(ph_session *s, const ph_text_layout *layout, ph_text_writer *w,
                             ph_ix_job *job, bool *more, prophet_error *err)
{
    ph_record *batch = ph_alloc(SCAN_STEP * sizeof *batch);
    uint8_t key[20];
    size_t keylen = job->begun ? 20 : 4, count = SCAN_STEP;
    prophet_code rc = batch ? PROPHET_OK : ph_nomem(err);
    ph_u32be_put(key, layout->type);
    memcpy(key + 4, job->done.b, 16);
    for (int step = 0; rc >= 0 && count == SCAN_STEP && step < BUILD_STEPS; step++) {
        ph_arena_reset(&s->row_arena);
        rc = read_some(s, key, &keylen, batch, &count, err);
        for (size_t i = 0; i < count && rc >= 0; i++)
            rc = add_record(s, layout, w, &batch[i], err);
        if (rc >= 0)
            rc = ph_text_writer_flush(w, err);
        ph_arena_reset(&s->text_arena);
    }
    memcpy(job->done.b, key + 4, 16);
    job->begun = keylen == 20;
    *more = count == SCAN_STEP;
    ph_free(batch);
    return rc;
}

prophet_code ph_fulltext_build(ph_session *s, const ph_schema *schema, ph_ix_job *job,
                               prophet_error *err)
{
    ph_text_head head;
    ph_text_writer *w = NULL;
    bool more;
    if (!schema->text || schema->text->index != job->index) /* declared no more */
        return ph_ix_job_del(s->txn, job->index, err);
    prophet_code rc = head_of(s->txn, schema, &head, err);
    if (rc == PROPHET_DONE) /* the words are others now */
        return ph_fulltext_declare(s, schema, err);
    if (rc >= 0 && (rc = ph_text_writer_new(s->txn, &head, s->state.number, &w, err)) >= 0)
        rc = add_some(s, schema->text, w, job, &more, err);
    ph_text_writer_free(w);
    if (rc < 0)
        return rc;
    s->r->jobs_none = 0;
    return more ? ph_ix_job_put(s->txn, job, err) : ph_ix_job_del(s->txn, job->index, err);
}

prophet_code ph_fulltext_begin(ph_session *s, const ph_schema *schema, ph_ix_job *job,
                               prophet_error *err)
{
    *job = (ph_ix_job){ .index = schema->text->index, .type = schema->type_id };
    prophet_code rc = ph_text_create(s->txn, schema->text, err);
    return rc < 0 ? rc : ph_ix_job_put(s->txn, job, err);
}

/* What is left of an index that is not as it is declared. *more: rows that go later, by the job that is left. */
static prophet_code drop_old(ph_session *s, const ph_schema *schema, bool *more, prophet_error *err)
{
    ph_buf name = PH_BUF_INIT;
    ph_ix_job job;
    prophet_code rc = ph_index_name(s->r, schema->type, ph_slice_str(PH_TEXT_SPEC), &name, err);
    uint32_t index = rc < 0 ? 0 : ph_names_find(s->r->names, ph_buf_slice(&name));
    ph_buf_clear(&name);
    *more = false;
    if (index == 0)
        return rc;
    rc = ph_ix_job_get(s->txn, index, &job, err);
    *more = rc == PROPHET_OK && job.drop;
    if (rc < 0 || *more)
        return rc;
    if ((rc = ph_ix_job_del(s->txn, index, err)) < 0 ||
        (rc = ph_text_drop(s->txn, index, PH_DROP_STEP, more, err)) < 0 || !*more)
        return rc;
    job = (ph_ix_job){ .index = index, .type = schema->type_id, .drop = true };
    return ph_ix_job_put(s->txn, &job, err);
}

prophet_code ph_fulltext_declare(ph_session *s, const ph_schema *schema, prophet_error *err)
{
    ph_text_head head;
    ph_ix_job job;
    bool more;
    prophet_code rc;
    if (ph_txn_is_overlay(s->txn) || schema->text_unnamed) /* made when the change is written out */
        return PROPHET_OK;
    if ((rc = head_of(s->txn, schema, &head, err)) != PROPHET_DONE ||
        (rc = drop_old(s, schema, &more, err)) < 0)
        return rc;
    s->r->jobs_none = 0;
    if (more || !schema->text)
        return PROPHET_OK;
    if ((rc = ph_fulltext_begin(s, schema, &job, err)) < 0)
        return rc;
    return ph_fulltext_build(s, schema, &job, err); /* most types are small: done with it */
}
