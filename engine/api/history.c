/* The past of one record: every changeset that touched it, with what its fields showed before and after, and who is behind what they
 * show now. */
#include "api/api_impl.h"

static prophet_code find(prophet_db *db, ph_view *v, const char *type, const prophet_uuid *id,
                         ph_row *row, prophet_error *err)
{
    uint32_t type_id;
    ph_uuid uuid;
    char text[37];
    memcpy(uuid.b, id->b, sizeof uuid.b);
    prophet_code rc = api_type_known(db, v, ph_slice_str(type), &type_id, err);
    if (rc >= 0)
        rc = type_id ? ph_view_row(v, type_id, &uuid, row, err) : PROPHET_DONE;
    if (rc != PROPHET_DONE)
        return rc;
    ph_uuid_format(&uuid, text);
    rc = ph_fail(err, PROPHET_ENOTFOUND, "no %s %s", type, text);
    if (err)
        memcpy(err->record, text, sizeof text);
    return rc;
}

/* ---- history -------------------------------------------------------------------------------------------------------------- */

typedef struct telling {
    const char *type;
    ph_uuid id;
    api_docs docs;
} telling;

static void put_field_name(api_map *m, prophet_slice field)
{
    api_put_text(m, "field", field.len ? field : ph_slice_str("life"));
    if (field.len == 0)
        api_put(m, "life", prophet_bool(true));
}

/* Whose increment is taken back (replica/counter.c): no step of its own. */
static bool is_mark(const ph_record_step *step, const ph_field_step *s)
{
    if (s->op != PH_REMOVE || ph_value_kind(s->given) != PH_INT)
        return false;
    for (size_t i = 0; i < step->step_count; i++)
        if (step->steps[i].op == PH_INC && ph_slice_eq(step->steps[i].field, s->field))
            return true;
    return false;
}

static void put_steps(api_map *m, const ph_record_step *step)
{
    api_list l = api_list_in(m->a);
    for (size_t i = 0; i < step->step_count; i++) {
        const ph_field_step *s = &step->steps[i];
        api_map f = api_map_in(m->a);
        if (s->field.len == 0 && step->action != PH_DELETE && /* a delete that lost is a step */
            (ph_slice_eq(s->before, s->after) || s->before.len == 0)) /* alive as before, or new */
            continue;
        if (is_mark(step, s))
            continue;
        put_field_name(&f, s->field);
        api_put_text(&f, "op", ph_slice_str(api_op_name(s->op)));
        api_put_canonical(&f, "value", s->given);
        api_put_canonical(&f, "old", s->before);
        api_put_canonical(&f, "new", s->after);
        api_push_map(&l, &f);
    }
    api_put_list(m, "changes", &l);
}

static void put_votes(api_map *m, const telling *t, const ph_changeset *cs)
{
    api_list l = api_list_in(m->a);
    size_t count;
    const ph_vote *votes = ph_changeset_votes(cs, ph_slice_str(t->type), &t->id, &count);
    for (size_t i = 0; i < count; i++) {
        const ph_vote *vote = &votes[i];
        api_map f = api_map_in(m->a);
        put_field_name(&f, vote->field);
        api_put_canonical(&f, "value", vote->choice);
        api_put_text(&f, "by", ph_slice_str(vote->by_resolver ? "resolver" : "person"));
        if (vote->by_resolver)
            api_put_text(&f, "resolver", api_resolver_text(m->a, vote));
        api_put_text(&f, "reason", vote->reason);
        api_push_map(&l, &f);
    }
    api_put_list(m, "votes", &l);
}

static prophet_code tell(void *ctx, const ph_record_step *step, prophet_error *err)
{
    telling *t = ctx;
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    prophet_doc *doc;
    const ph_changeset *cs = &step->changeset;
    api_put_hex(&m, "id", cs->id.b, 32);
    api_put(&m, "version", prophet_int((int64_t)step->version));
    if (cs->has_body) {
        api_put(&m, "time", prophet_time(cs->body.time));
        api_put_text(&m, "author", cs->body.author);
        api_put_text(&m, "message", cs->body.message);
    }
    api_put_hex(&m, "replica", cs->header.replica.b, 32);
    if (step->step_count)
        api_put_text(&m, "action", ph_slice_str(api_action_name(step->action)));
    put_steps(&m, step);
    put_votes(&m, t, cs);
    prophet_code rc = api_doc_take(&a, &m, &doc, err);
    ph_arena_clear(&a);
    if (rc >= 0 && !api_docs_push(&t->docs, doc))
        rc = ph_nomem(err);
    return rc;
}

prophet_code prophet_history(prophet_db *db, const char *type, const prophet_uuid *id,
                             prophet_iter **out, prophet_error *err)
{
    telling t = { .type = type };
    ph_arena a = PH_ARENA_INIT;
    api_read rd = { 0 };
    ph_row row;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    memcpy(t.id.b, id->b, sizeof t.id.b);
    if ((rc = find(db, rd.v, type, id, &row, err)) >= 0) {
        const ph_named named = { row.number, row.type, row.uuid };
        rc = ph_view_history(rd.v, &named, 0, &a, tell, &t, err);
    }
    api_read_end(&rd);
    ph_arena_clear(&a);
    if (rc >= 0)
        return api_iter_docs(db, &t.docs, out, err);
    api_docs_clear(&t.docs);
    return rc;
}

/* ---- blame ------------------------------------------------------------------------------------------------------------------ */

typedef struct blaming {
    prophet_db *db;
    ph_view *v;
    ph_row row;
    prophet_slice type;
    ph_history_entry *entries;
    size_t count;
} blaming;

static bool writes_field(const ph_changeset *cs, const blaming *b, prophet_slice field)
{
    const ph_change *ch = ph_changeset_change(cs, b->type, &b->row.uuid);
    for (size_t k = 0; ch && k < ch->op_count; k++)
        if (ph_slice_eq(ch->ops[k].field, field))
            return true;
    return false;
}

/* The last changeset that wrote a set or counter: its rows do not tell. */
static prophet_code last_write(const blaming *b, prophet_slice field, uint64_t *version,
                               prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    prophet_code rc = PROPHET_OK;
    for (size_t i = b->count; i > 0 && rc >= 0; i--) {
        api_changeset c;
        if (b->entries[i - 1].offset_plus_1 == 0) /* only votes */
            continue;
        if ((rc = api_changeset_look(b->v, b->entries[i - 1].version, &a, &c, err)) >= 0 &&
            c.cs.has_body && writes_field(&c.cs, b, field)) {
            *version = b->entries[i - 1].version;
            break;
        }
    }
    ph_arena_clear(&a);
    return rc;
}

/* Of several values: whose is shown. A merged value is that of the first who voted for it. PROPHET_DONE: it never was in conflict. */
static prophet_code in_conflict(const blaming *b, const ph_shown *shown, ph_arena *a,
                                uint64_t *version, ph_conflict *c, prophet_error *err)
{
    const ph_cell_key key = { b->row.type, b->row.uuid, shown->field };
    prophet_code rc = ph_view_conflict(b->v, &key, a, c, err);
    if (rc != PROPHET_OK)
        return rc;
    for (size_t i = c->vote_count; i > 0; i--)
        if (c->votes[i - 1].decides)
            *version = c->votes[i - 1].version;
    for (size_t i = 0; i < c->candidate_count; i++)
        if (ph_slice_eq(c->candidates[i].value, shown->value))
            *version = c->candidates[i].version;
    return PROPHET_OK;
}

static prophet_code put_decided(const blaming *b, const ph_conflict *c, api_map *m,
                                prophet_error *err)
{
    api_put_text(m, "decided_by", ph_slice_str(c->decided ? "votes" : "rule"));
    if (c->decided)
        return api_put_votes(m, b->v, c, true, err);
    api_put_text(m, "rule", ph_slice_str(c->rule));
    return PROPHET_OK;
}

/* What the change that is open wrote has no changeset and no time yet. */
static prophet_code put_author(const blaming *b, uint64_t version, api_map *m, prophet_error *err)
{
    ph_arena scratch = PH_ARENA_INIT;
    api_changeset c;
    if (b->v->inside && (version == 0 || version > b->v->state.version)) {
        api_put_text(m, "author", ph_slice_str(ph_replica_user(b->db->r)));
        api_put_hex(m, "replica", ph_replica_key(b->db->r)->b, 32);
        return PROPHET_OK;
    }
    prophet_code rc = api_changeset_look(b->v, version, &scratch, &c, err);
    if (rc >= 0)
        api_put_writer(m, &c);
    ph_arena_clear(&scratch);
    return rc;
}

static prophet_code blame_field(const blaming *b, const ph_shown *shown, api_map *out,
                                prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(out->a);
    ph_conflict c;
    uint64_t version = shown->version;
    prophet_slice name = ph_names_get(b->v->names, shown->field);
    bool contested = false;
    prophet_code rc = PROPHET_OK;
    if (shown->conflict)
        contested = (rc = in_conflict(b, shown, &a, &version, &c, err)) == PROPHET_OK;
    else if (shown->kind != PH_SHOWN_REGISTER)
        rc = last_write(b, name, &version, err);
    if (rc >= 0) {
        api_put_canonical(&m, "value", shown->value);
        api_put(&m, "version", prophet_int((int64_t)version));
        rc = put_author(b, version, &m, err);
    }
    if (rc >= 0 && contested)
        rc = put_decided(b, &c, &m, err);
    if (rc >= 0) {
        out->failed = out->failed || m.failed;
        api_put_slice(out, api_keep(out, name), prophet_map(m.at, m.count));
    }
    ph_arena_clear(&a);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code prophet_blame(prophet_db *db, const char *type, const prophet_uuid *id,
                           prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT, scratch = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_read rd = { 0 };
    blaming b = { .db = db, .type = ph_slice_str(type) };
    size_t pos = 0;
    ph_shown shown;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    b.v = rd.v;
    if ((rc = find(db, rd.v, type, id, &b.row, err)) >= 0 &&
        (rc = ph_history_list(rd.v->txn, b.row.number, &scratch, &b.entries, &b.count, err)) >= 0)
        while ((rc = ph_row_next(rd.v->txn, &b.row, &pos, &scratch, &shown, err)) == PROPHET_OK)
            if ((rc = blame_field(&b, &shown, &m, err)) < 0)
                break;
    if (rc >= 0)
        rc = api_doc_take(&a, &m, out, err);
    api_read_end(&rd);
    ph_arena_clear(&a);
    ph_arena_clear(&scratch);
    return rc;
}
