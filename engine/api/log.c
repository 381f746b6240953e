/* The log of changesets: as documents, and as the JSON lines that independent programs read. */
#include "api/log_impl.h"

/* ---- one changeset as a document ------------------------------------------------------------------------------------- */

static void put_elements(api_map *m, const char *name, const ph_change *ch, prophet_slice field,
                         ph_op_kind kind)
{
    api_list l = api_list_in(m->a);
    for (size_t i = 0; i < ch->op_count; i++) {
        prophet_value v;
        if (ch->ops[i].kind != kind || !ph_slice_eq(ch->ops[i].field, field))
            continue;
        if (api_decode(api_keep(m, ch->ops[i].value), m->a, &v, NULL) < 0)
            m->failed = true;
        else
            api_push(&l, v);
    }
    if (l.count)
        api_put_list(m, name, &l);
}

/* Operations lie by kind; a field is told where its first one stands. */
static void put_fields(api_map *m, const ph_change *ch)
{
    api_map fields = api_map_in(m->a);
    for (size_t i = 0; i < ch->op_count; i++) {
        prophet_slice field = ch->ops[i].field;
        api_map f = api_map_in(m->a);
        bool told = false;
        for (size_t k = 0; k < i && !told; k++)
            told = ph_slice_eq(ch->ops[k].field, field);
        if (told)
            continue;
        for (size_t k = i; k < ch->op_count; k++) {
            const ph_op *op = &ch->ops[k];
            if (!ph_slice_eq(op->field, field))
                continue;
            if (op->kind == PH_SET)
                api_put_canonical(&f, "set", op->value);
            else if (op->kind == PH_UNSET)
                api_put(&f, "unset", prophet_bool(true));
            else if (op->kind == PH_INC)
                api_put(&f, "inc", prophet_int(op->amount));
        }
        put_elements(&f, "add", ch, field, PH_ADD);
        put_elements(&f, "remove", ch, field, PH_REMOVE);
        fields.failed = fields.failed || f.failed;
        api_put_slice(&fields, api_keep(&fields, field), prophet_map(f.at, f.count));
    }
    api_put_map(m, "fields", &fields);
}

static void put_record(api_map *m, ph_view *v, prophet_slice type, const ph_uuid *id)
{
    uint32_t type_id = ph_names_find(v->names, type);
    prophet_uuid ref;
    ph_row row;
    memcpy(ref.b, id->b, sizeof ref.b);
    api_put_text(m, "type", type);
    api_put(m, "record", prophet_ref(ref));
    if (type_id && ph_view_row(v, type_id, id, &row, NULL) == PROPHET_OK)
        api_put(m, "number", prophet_int((int64_t)row.number));
}

static void put_changes(api_map *m, ph_view *v, const ph_body *body)
{
    api_list l = api_list_in(m->a);
    for (size_t i = 0; i < body->change_count; i++) {
        const ph_change *ch = &body->changes[i];
        api_map c = api_map_in(m->a);
        put_record(&c, v, ch->type, &ch->record);
        api_put_text(&c, "action", ph_slice_str(api_action_name(ch->action)));
        put_fields(&c, ch);
        api_push_map(&l, &c);
    }
    api_put_list(m, "changes", &l);
}

static void put_votes(api_map *m, ph_view *v, const ph_body *body)
{
    api_list l = api_list_in(m->a);
    for (size_t i = 0; i < body->vote_count; i++) {
        const ph_vote *vote = &body->votes[i];
        api_map c = api_map_in(m->a);
        put_record(&c, v, vote->type, &vote->record);
        prophet_slice field = api_keep(m, vote->field);
        api_put(&c, "field", prophet_text_n(field.len ? field.data : "", field.len));
        if (vote->choice.len)
            api_put_canonical(&c, "value", vote->choice);
        else
            api_put(&c, "unset", prophet_bool(true));
        api_put_text(&c, "by", ph_slice_str(vote->by_resolver ? "resolver" : "person"));
        if (vote->by_resolver)
            api_put_text(&c, "resolver", api_resolver_text(m->a, vote));
        api_put_text(&c, "reason", vote->reason);
        api_push_map(&l, &c);
    }
    api_put_list(m, "votes", &l);
}

static prophet_code describe(ph_view *v, uint64_t version, const api_changeset *c,
                             prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_list parents = api_list_in(&a);
    const ph_header *h = &c->cs.header;
    static const ph_body empty;
    const ph_body *body = c->cs.has_body ? &c->cs.body : &empty;
    api_put_hex(&m, "id", c->cs.id.b, 32);
    api_put_hex(&m, "replica", h->replica.b, 32);
    api_put(&m, "seq", prophet_int((int64_t)h->seq));
    if (h->has_prev)
        api_put_hex(&m, "prev", h->prev.b, 32);
    for (size_t i = 0; i < h->parent_count; i++)
        api_push_hex(&parents, h->parents[i].b, 32);
    if (h->parent_count)
        api_put_list(&m, "parents", &parents);
    api_put(&m, "lamport", prophet_int((int64_t)c->row.lamport));
    api_put(&m, "version", prophet_int((int64_t)version));
    api_put(&m, "time", prophet_time(c->cs.has_body ? body->time : c->row.time));
    api_put_text(&m, "author", body->author);
    api_put_text(&m, "message", body->message);
    put_changes(&m, v, body);
    put_votes(&m, v, body);
    prophet_code rc = api_doc_take(&a, &m, out, err);
    ph_arena_clear(&a);
    return rc;
}

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

typedef struct logging {
    log_filter f;
    ph_arena a;
} logging;

static void close_log(void *state)
{
    logging *l = state;
    log_filter_clear(&l->f);
    ph_arena_clear(&l->a);
    ph_free(l);
}

static prophet_code next_changeset(prophet_iter *it, void *state, prophet_doc **out,
                                   prophet_error *err)
{
    logging *l = state;
    api_changeset c;
    uint64_t version;
    prophet_code rc = log_filter_next(&l->f, it->db, it->read.v, &l->a, &version, err);
    if (rc != PROPHET_OK)
        return rc;
    ph_arena_reset(&l->a);
    if ((rc = api_changeset_get(it->read.v, version, &l->a, &c, err)) < 0)
        return rc;
    return describe(it->read.v, version, &c, out, err);
}

prophet_code prophet_log(prophet_db *db, prophet_value spec, prophet_iter **out, prophet_error *err)
{
    api_read rd = { 0 };
    logging *l;
    prophet_code rc = api_read_keep(db, &rd, err);
    if (rc < 0)
        return rc;
    if (!(l = ph_zalloc(sizeof *l)))
        rc = ph_nomem(err);
    if (rc >= 0 && (rc = log_filter_read(db, rd.v, &spec, &l->f, err)) >= 0 &&
        (rc = api_iter_new(db, next_changeset, close_log, l, out, err)) >= 0) {
        (*out)->read = rd;
        return PROPHET_OK;
    }
    if (l)
        close_log(l);
    api_read_end(&rd);
    return rc;
}

prophet_code prophet_log_json(prophet_db *db, prophet_value spec, prophet_sink_fn sink, void *ctx,
                              prophet_error *err)
{
    log_filter f;
    api_read rd = { 0 };
    ph_arena a = PH_ARENA_INIT;
    ph_buf line = PH_BUF_INIT;
    uint64_t version;
    prophet_code rc = api_read_keep(db, &rd, err);
    if (rc < 0)
        return rc;
    rc = log_filter_read(db, rd.v, &spec, &f, err);
    while (rc >= 0 && (rc = log_filter_next(&f, db, rd.v, &a, &version, err)) == PROPHET_OK) {
        api_changeset c;
        ph_arena_reset(&a);
        ph_buf_reset(&line);
        if ((rc = api_changeset_get(rd.v, version, &a, &c, err)) < 0)
            break;
        ph_json_changeset(&line, &c.cs, version, c.row.lamport);
        ph_buf_byte(&line, '\n');
        rc = api_sink(sink, ctx, &line, err);
    }
    log_filter_clear(&f);
    ph_buf_clear(&line);
    ph_arena_clear(&a);
    api_read_end(&rd);
    return rc < 0 ? rc : PROPHET_OK;
}
