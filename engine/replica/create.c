/* A record that was not there, or that was deleted: its id, and its fields all at once. */
#include "replica/change_impl.h"

static prophet_code key_uuid(ph_change_txn *c, const ph_schema *s, const ph_edit *edits,
                             size_t count, ph_uuid *out, prophet_error *err)
{
    ph_buf key = PH_BUF_INIT;
    prophet_code rc = PROPHET_OK;
    ph_put_list(&key, s->key_count);
    for (size_t k = 0; k < s->key_count && rc >= 0; k++) {
        prophet_slice value = { NULL, 0 };
        for (size_t i = 0; i < count; i++)
            if (edits[i].kind == PH_E_SET && ph_slice_eq(edits[i].field, s->key[k]))
                value = edits[i].value;
        if (value.len == 0) {
            rc = ph_fail(err, PROPHET_EVALIDATION, "%.*s needs %.*s: it is part of the natural key",
                         PH_FMT(s->type), PH_FMT(s->key[k]));
            ph_error_at(err, s->type, s->key[k]);
        }
        ph_buf_put(&key, value.data, value.len);
    }
    if (rc >= 0)
        rc = key.failed ? ph_nomem(err)
                        : ph_uuid_v5(c->r->hasher, ph_log_database(c->r->log), s->type,
                                     ph_buf_slice(&key), out, err);
    ph_buf_clear(&key);
    return rc;
}

/* Over a dead record: registers and sets that are not given are unset, counters go on (DESIGN 2). */
static prophet_code unset_rest(ph_change_txn *c, ph_work_record *wr, const ph_schema *schema,
                               const ph_edit *edits, size_t count, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint32_t n = wr->rec.cell_count;
    uint32_t *fields = ph_arena_alloc(&c->arena, (n + 1u) * sizeof *fields);
    if (!fields)
        return ph_nomem(err);
    for (uint32_t i = 0; i < n; i++)
        fields[i] = wr->rec.cells[i].field;
    for (uint32_t i = 0; i < n && rc >= 0; i++) {
        prophet_slice name = ph_names_get(c->r->names, fields[i]);
        bool given = false, wrote = false;
        ph_cell *cell;
        for (size_t k = 0; k < count && !given; k++)
            given = ph_slice_eq(edits[k].field, name);
        if (given || (rc = ph_change_cell(c, wr, fields[i], &cell, err)) < 0)
            continue;
        if (cell->is_set && cell->element_total)
            rc = ph_change_clear_set(c, wr, schema->type, name, &wrote, err);
        cell = ph_record_cell(&wr->rec, fields[i]);
        if (rc >= 0 && cell && cell->is_register && (cell->head_count > 1 || cell->shown.len))
            rc = ph_change_write(c, wr, schema->type, fields[i], name, ph_slice(NULL, 0), err);
    }
    return rc;
}

static prophet_code make_room(ph_change_txn *c, const ph_schema *schema, const ph_uuid *id,
                              const ph_edit *edits, size_t count, ph_work_record **out,
                              prophet_error *err)
{
    ph_uuid uuid;
    uint32_t type_id = schema->type_id;
    prophet_code rc;
    if (id)
        uuid = *id;
    else if (schema->key_count)
        rc = key_uuid(c, schema, edits, count, &uuid, err);
    else
        rc = ph_replica_new_uuid(c->r, &uuid, err);
    if (!id && rc < 0)
        return rc;
    if ((rc = ph_change_intern(c, schema->type, &type_id, err)) < 0 ||
        (rc = ph_work_record_get(c->s, type_id, &uuid, out, err)) < 0)
        return rc;
    if (!(*out)->rec.alive)
        return PROPHET_OK;
    char text[37];
    ph_uuid_format(&uuid, text);
    rc = ph_fail(err, PROPHET_EEXISTS, "%.*s %s exists already%s", PH_FMT(schema->type), text,
                 schema->key_count ? " (its natural key is taken)" : "");
    ph_hint(err, "use upsert, or update the record that is there");
    if (err)
        memcpy(err->record, text, sizeof text);
    return rc;
}

static bool plain_register(const ph_field_def *f, const ph_edit *e)
{
    return f && f->id && e->kind == PH_E_SET && f->kind != PH_F_SET && f->kind != PH_F_COUNTER;
}

typedef struct fresh {
    uint32_t id;
    const ph_edit *edit;
} fresh;

static bool is_among(const ph_edit *const *list, size_t count, prophet_slice field)
{
    for (size_t i = 0; i < count; i++)
        if (ph_slice_eq(list[i]->field, field))
            return true;
    return false;
}

/* The first edits of plain registers, by the ids of their fields, so that cells are added at the end; *rest gets the other
 * edits, in their order. */
static size_t sort_fresh(const ph_schema *schema, const ph_edit *edits, size_t count, fresh *out,
                         const ph_edit **rest, size_t *rest_count)
{
    size_t n = 0;
    *rest_count = 0;
    for (size_t i = 0; i < count; i++) {
        const ph_field_def *f = ph_schema_field(schema, edits[i].field);
        size_t at = n;
        if (plain_register(f, &edits[i]) && !is_among(rest, *rest_count, edits[i].field)) {
            while (at > 0 && out[at - 1].id > f->id)
                at--;
            if (at == 0 || out[at - 1].id != f->id) {
                memmove(&out[at + 1], &out[at], (n - at) * sizeof *out);
                out[at] = (fresh){ f->id, &edits[i] };
                n++;
                continue;
            }
        }
        rest[(*rest_count)++] = &edits[i];
    }
    return n;
}

/* The fields of a record that was not there: registers go straight into cells and operations, the rest as edits. */
static prophet_code fill_fresh(ph_change_txn *c, ph_work_record *wr, const ph_schema *schema,
                               const ph_edit *edits, size_t count, prophet_error *err)
{
    size_t create = c->notes.count - 1, rest_count = 0;
    ph_op *ops = ph_arena_alloc(&c->arena, (count + 1) * sizeof *ops);
    ph_head *heads = ph_arena_alloc(&c->s->arena, (count + 1) * sizeof *heads);
    fresh *at = ph_arena_alloc(&c->s->arena, (count + 1) * sizeof *at);
    const ph_edit **rest = ph_arena_alloc(&c->s->arena, (count + 1) * sizeof *rest);
    if (!ops || !heads || !at || !rest)
        return ph_nomem(err);
    size_t n = sort_fresh(schema, edits, count, at, rest, &rest_count);
    for (size_t i = 0; i < n; i++) {
        ph_cell *cell;
        prophet_code rc;
        ops[i] = (ph_op){ .kind = PH_SET, .field = ph_names_get(c->r->names, at[i].id) };
        if ((rc = ph_change_keep(c, at[i].edit->value, &ops[i].value, err)) < 0 ||
            (rc = ph_record_cell_make(&wr->rec, at[i].id, &c->s->arena, &cell, err)) < 0)
            return rc;
        heads[i] = (ph_head){ c->version, ops[i].value };
        cell->heads = &heads[i];
        cell->head_count = cell->head_cap = 1;
        cell->is_register = cell->dirty = true;
        cell->shown = ops[i].value;
    }
    c->notes.at[create].ops = ops;
    c->notes.at[create].op_count = n;
    for (size_t i = 0; i < rest_count; i++) {
        bool wrote = false;
        prophet_code rc = ph_change_edit(c, wr, schema, rest[i], &wrote, err);
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

prophet_code ph_change_create(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              const ph_edit *edits, size_t count, ph_named *out, prophet_error *err)
{
    const ph_schema *schema;
    ph_work_record *wr;
    bool wrote = false;
    prophet_code rc;
    if ((rc = ph_change_schema(c, type, &schema, err)) < 0 ||
        (rc = ph_validate_edits(c, schema, NULL, true, edits, count, err)) < 0 ||
        (rc = make_room(c, schema, id, edits, count, &wr, err)) < 0 ||
        (rc = ph_work_number(c->s, wr, type, err)) < 0)
        return rc;
    bool over_dead = wr->rec.life.head_count > 0;
    rc = ph_change_life(c, wr, type, PH_N_CREATE, err);
    if (rc >= 0 && over_dead)
        rc = unset_rest(c, wr, schema, edits, count, err);
    if (rc >= 0 && !over_dead)
        rc = fill_fresh(c, wr, schema, edits, count, err);
    for (size_t i = 0; over_dead && i < count && rc >= 0; i++)
        rc = ph_change_edit(c, wr, schema, &edits[i], &wrote, err);
    c->failed = c->failed || rc < 0;
    if (rc >= 0 && out)
        *out = (ph_named){ wr->rec.number, wr->rec.type, wr->rec.uuid };
    return rc < 0 ? rc : PROPHET_OK;
}
