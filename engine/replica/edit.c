/* The verbs on records inside a change: create, update, delete, restore, and one edit of a field each. */
#include "replica/change_impl.h"

#define REMOVE_EACH \
    64 /* a larger set is cleared by one unset that names the changesets of its adds */

prophet_code ph_change_record(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              ph_work_record **out, prophet_error *err)
{
    uint32_t type_id = ph_names_find(c->r->names, type);
    prophet_code rc;
    if (!type_id || (rc = ph_work_record_get(c->s, type_id, id, out, err)) < 0)
        return type_id ? rc
                       : ph_fail(err, PROPHET_ENOTFOUND, "no record of type %.*s", PH_FMT(type));
    if ((*out)->rec.exists || (*out)->pend)
        return PROPHET_OK;
    char text[37];
    ph_uuid_format(id, text);
    rc = ph_fail(err, PROPHET_ENOTFOUND, "no %.*s %s", PH_FMT(type), text);
    if (err)
        memcpy(err->record, text, sizeof text);
    return rc;
}

/* ---- one cell ----------------------------------------------------------------------------------------------------- */

/* Notes outlive the session's records, which point to the same bytes. */
static prophet_code keep(ph_change_txn *c, prophet_slice in, prophet_slice *out, prophet_error *err)
{
    bool ok = true;
    *out = ph_arena_copy(&c->arena, in, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code intern(ph_change_txn *c, prophet_slice field, uint32_t *id, prophet_error *err)
{
    if (*id) /* the schema knew it */
        return PROPHET_OK;
    return ph_names_intern(c->r->names, c->s->txn, &c->s->state, field, id, err);
}

static prophet_code cell_of(ph_change_txn *c, ph_work_record *wr, uint32_t field, ph_cell **out,
                            prophet_error *err)
{
    *out = ph_record_cell(&wr->rec, field);
    if (*out && !(*out)->loaded)
        return ph_cell_load(c->s->txn, &wr->rec, *out, &c->s->arena, err);
    return PROPHET_OK;
}

prophet_code ph_change_write(ph_change_txn *c, ph_work_record *wr, prophet_slice type, uint32_t id,
                             prophet_slice field, prophet_slice value, prophet_error *err)
{
    ph_note note = { .kind = PH_N_OP, .op = value.len ? PH_SET : PH_UNSET };
    ph_cell *cell;
    prophet_code rc;
    if ((rc = intern(c, field, &id, err)) < 0 || (rc = cell_of(c, wr, id, &cell, err)) < 0 ||
        (rc = keep(c, value, &note.value, err)) < 0 ||
        (rc = ph_change_over(c, cell, &note.over, &note.over_count, err)) < 0)
        return rc;
    if ((rc = keep(c, field, &note.field, err)) < 0 ||
        (rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    const uint64_t *over = note.over;
    uint64_t *all = NULL;
    size_t n = note.over_count;
    if (cell && cell->is_register && cell->head_count != n) { /* this change's own head goes too */
        if (!(all = ph_arena_alloc(&c->s->arena, (cell->head_count + 1u) * sizeof *all)))
            return ph_nomem(err);
        for (n = 0; n < cell->head_count; n++)
            all[n] = cell->heads[n].version;
        over = all;
    }
    return ph_apply_register(c->s, wr, id, note.value, over, n, c->version, err);
}

static prophet_code write_element(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                                  prophet_slice field, prophet_slice value, bool add, bool *wrote,
                                  prophet_error *err)
{
    ph_note note = { .kind = PH_N_OP, .op = add ? PH_ADD : PH_REMOVE };
    uint32_t id = 0;
    ph_cell *cell;
    ph_element *e;
    prophet_code rc;
    if ((rc = intern(c, field, &id, err)) < 0)
        return rc;
    if (!ph_record_cell(&wr->rec, id) && !add)
        return PROPHET_OK;
    if ((rc = keep(c, value, &note.value, err)) < 0 ||
        (rc = ph_record_cell_make(&wr->rec, id, &c->s->arena, &cell, err)) < 0 ||
        (rc = ph_cell_element(c->s->txn, &wr->rec, cell, note.value, &c->s->arena, &e, err)) < 0)
        return rc;
    if ((e->add_count > 0) == add)
        return PROPHET_OK;
    uint64_t *over = ph_arena_alloc(&c->arena, (e->add_count + 1u) * sizeof *over);
    uint64_t *all = ph_arena_alloc(&c->s->arena, (e->add_count + 1u) * sizeof *all);
    size_t n = e->add_count;
    if (!over || !all)
        return ph_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = e->adds[i];
        if (e->adds[i] != c->version)
            over[note.over_count++] = e->adds[i];
        else
            c->twice = true;
    }
    note.over = over;
    if ((rc = keep(c, field, &note.field, err)) < 0)
        return rc;
    if (add && c->version == wr->rec.version && !wr->is_new)
        c->twice = true; /* perhaps removed before in this change */
    *wrote = true;
    if ((rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_element(c->s, wr, id, note.value, add, all, n, c->version, err);
}

/* Clears a set: few elements one by one, many by an unset that names the changesets of their adds. */
static prophet_code clear_set(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                              prophet_slice field, bool *wrote, prophet_error *err)
{
    uint32_t id = ph_names_find(c->r->names, field);
    ph_cell *cell;
    prophet_code rc;
    if (!id || (rc = cell_of(c, wr, id, &cell, err)) < 0 || !cell || !cell->is_set)
        return id ? rc : PROPHET_OK;
    uint32_t n = cell->element_count;
    prophet_slice *values = ph_arena_alloc(&c->arena, (n + 1u) * sizeof *values);
    size_t adds = 0, count = 0;
    bool own = false;
    if (!values)
        return ph_nomem(err);
    for (uint32_t i = 0; i < n; i++) {
        const ph_element *e = &cell->elements[i];
        if (e->add_count)
            values[count++] = e->value;
        adds += e->add_count;
        for (uint32_t k = 0; k < e->add_count; k++)
            own = own || e->adds[k] == c->version;
    }
    if (count <= REMOVE_EACH || own) {
        for (size_t i = 0; i < count && rc >= 0; i++)
            rc = write_element(c, wr, type, field, values[i], false, wrote, err);
        return rc;
    }
    ph_note note = { .kind = PH_N_OP, .op = PH_UNSET };
    uint64_t *over = ph_arena_alloc(&c->arena, (adds + cell->head_count + 1) * sizeof *over);
    if (!over)
        return ph_nomem(err);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < cell->elements[i].add_count; k++)
            over[note.over_count++] = cell->elements[i].adds[k];
    for (uint32_t i = 0; cell->is_register && i < cell->head_count; i++)
        over[note.over_count++] = cell->heads[i].version;
    note.over = over;
    *wrote = true;
    if ((rc = keep(c, field, &note.field, err)) < 0 ||
        (rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_register(c->s, wr, id, ph_slice(NULL, 0), over, note.over_count, c->version,
                             err);
}

static bool in_list(prophet_slice list, prophet_slice value)
{
    ph_item item, one;
    if (!ph_value_open(list, &item))
        return false;
    ph_reader r = ph_reader_of(item.s);
    while (ph_read_item(&r, &one))
        if (ph_slice_eq(one.raw, value))
            return true;
    return false;
}

/* `set` on a set field writes the difference. */
static prophet_code assign_set(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                               const ph_edit *e, bool *wrote, prophet_error *err)
{
    uint32_t id = ph_names_find(c->r->names, e->field);
    ph_cell *cell = NULL;
    ph_item list, one;
    prophet_code rc = id ? cell_of(c, wr, id, &cell, err) : PROPHET_OK;
    uint32_t n = cell && cell->is_set ? cell->element_count : 0;
    prophet_slice *gone = ph_arena_alloc(&c->arena, (n + 1u) * sizeof *gone);
    size_t count = 0;
    if (rc < 0 || !gone)
        return rc < 0 ? rc : ph_nomem(err);
    for (uint32_t i = 0; i < n; i++)
        if (cell->elements[i].add_count && !in_list(e->value, cell->elements[i].value))
            gone[count++] = cell->elements[i].value;
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = write_element(c, wr, type, e->field, gone[i], false, wrote, err);
    if (rc < 0 || !ph_value_open(e->value, &list))
        return rc;
    ph_reader r = ph_reader_of(list.s);
    while (rc >= 0 && ph_read_item(&r, &one))
        rc = write_element(c, wr, type, e->field, one.raw, true, wrote, err);
    return rc;
}

static prophet_code increment(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                              const ph_edit *e, bool *wrote, prophet_error *err)
{
    ph_note note = { .kind = PH_N_OP, .op = PH_INC };
    uint32_t id = 0;
    ph_item by;
    prophet_code rc;
    if (!ph_value_open(e->value, &by) || by.kind != PH_INT)
        return ph_fail(err, PROPHET_EUSAGE, "%.*s is incremented by an integer", PH_FMT(e->field));
    if (by.i == 0)
        return PROPHET_OK;
    if ((rc = intern(c, e->field, &id, err)) < 0)
        return rc;
    note.amount = by.i;
    *wrote = true;
    if ((rc = keep(c, e->field, &note.field, err)) < 0 ||
        (rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_counter(c->s, wr, id, by.i, err);
}

prophet_code ph_change_edit(ph_change_txn *c, ph_work_record *wr, const ph_schema *schema,
                            const ph_edit *e, bool creating, bool *wrote, prophet_error *err)
{
    const ph_field_def *f = ph_schema_field(schema, e->field);
    prophet_slice type = schema->type;
    (void)creating;
    if (f && f->kind == PH_F_SET && e->kind == PH_E_SET)
        return assign_set(c, wr, type, e, wrote, err);
    if (f && f->kind == PH_F_SET && e->kind == PH_E_UNSET)
        return clear_set(c, wr, type, e->field, wrote, err);
    if (e->kind == PH_E_ADD || e->kind == PH_E_REMOVE)
        return write_element(c, wr, type, e->field, e->value, e->kind == PH_E_ADD, wrote, err);
    if (e->kind == PH_E_INC)
        return increment(c, wr, type, e, wrote, err);
    prophet_slice value = e->kind == PH_E_UNSET ? ph_slice(NULL, 0) : e->value;
    uint32_t id = f && f->id ? f->id : ph_names_find(c->r->names, e->field);
    ph_cell *cell = NULL;
    prophet_code rc = id ? cell_of(c, wr, id, &cell, err) : PROPHET_OK;
    if (rc < 0)
        return rc;
    bool settled = !cell || !cell->is_register || cell->head_count <= 1;
    prophet_slice shown = cell && cell->is_register ? cell->shown : ph_slice(NULL, 0);
    if (settled && ph_slice_eq(shown, value)) /* there already */
        return PROPHET_OK;
    *wrote = true;
    return ph_change_write(c, wr, type, id, e->field, value, err);
}

/* ---- records ------------------------------------------------------------------------------------------------------- */

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
        if (given || (rc = cell_of(c, wr, fields[i], &cell, err)) < 0)
            continue;
        if (cell->is_set && cell->element_total)
            rc = clear_set(c, wr, schema->type, name, &wrote, err);
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
    if ((rc = intern(c, schema->type, &type_id, err)) < 0 ||
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

static prophet_code schema_of(ph_change_txn *c, prophet_slice type, const ph_schema **out,
                              prophet_error *err)
{
    if (!ph_name_valid(type))
        return ph_fail(err, PROPHET_ETYPE, "\"%.*s\" is not a type name", PH_FMT(type));
    return ph_schemas_get(c->r, c->s->txn, c->s->state.schema, type, out, err);
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
        if ((rc = keep(c, at[i].edit->value, &ops[i].value, err)) < 0 ||
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
        prophet_code rc = ph_change_edit(c, wr, schema, rest[i], true, &wrote, err);
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
    if ((rc = schema_of(c, type, &schema, err)) < 0 ||
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
        rc = ph_change_edit(c, wr, schema, &edits[i], true, &wrote, err);
    c->failed = c->failed || rc < 0;
    if (rc >= 0 && out)
        *out = (ph_named){ wr->rec.number, wr->rec.type, wr->rec.uuid };
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code must_live(ph_work_record *wr, prophet_slice type, prophet_error *err)
{
    char text[37];
    if (wr->rec.alive)
        return PROPHET_OK;
    ph_uuid_format(&wr->rec.uuid, text);
    prophet_code rc = ph_fail(err, PROPHET_ENOTFOUND, "%.*s %s is deleted", PH_FMT(type), text);
    ph_hint(err, "restore it first");
    if (err)
        memcpy(err->record, text, sizeof text);
    return rc;
}

prophet_code ph_change_update(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              const ph_edit *edits, size_t count, prophet_error *err)
{
    const ph_schema *schema;
    ph_work_record *wr;
    bool wrote = false;
    prophet_code rc;
    if ((rc = schema_of(c, type, &schema, err)) < 0 ||
        (rc = ph_change_record(c, type, id, &wr, err)) < 0 || (rc = must_live(wr, type, err)) < 0 ||
        (rc = ph_validate_edits(c, schema, wr, false, edits, count, err)) < 0)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = ph_change_edit(c, wr, schema, &edits[i], false, &wrote, err);
    if (rc >= 0 && wrote)
        rc = ph_change_life(c, wr, type, PH_N_UPDATE, err);
    c->failed = c->failed || rc < 0;
    return rc;
}

prophet_code ph_change_delete(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                              prophet_error *err)
{
    ph_work_record *wr;
    prophet_code rc = ph_change_record(c, type, id, &wr, err);
    if (rc < 0 || (!wr->rec.alive && wr->rec.life.head_count <= 1))
        return rc;
    return ph_change_life(c, wr, type, PH_N_DELETE, err);
}

prophet_code ph_change_restore(ph_change_txn *c, prophet_slice type, const ph_uuid *id,
                               prophet_error *err)
{
    ph_work_record *wr;
    prophet_code rc = ph_change_record(c, type, id, &wr, err);
    if (rc < 0 || (wr->rec.alive && wr->rec.life.head_count <= 1))
        return rc;
    return ph_change_life(c, wr, type, PH_N_RESTORE, err);
}
