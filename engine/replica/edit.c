/* The verbs on records inside a change: update, delete, restore, and one edit of a field each. */
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

prophet_code ph_change_keep(ph_change_txn *c, prophet_slice in, prophet_slice *out,
                            prophet_error *err)
{
    bool ok = true;
    *out = ph_arena_copy(&c->arena, in, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

prophet_code ph_change_intern(ph_change_txn *c, prophet_slice field, uint32_t *id,
                              prophet_error *err)
{
    if (*id) /* the schema knew it */
        return PROPHET_OK;
    return ph_names_intern(c->r->names, c->s->txn, &c->s->state, field, id, err);
}

prophet_code ph_change_cell(ph_change_txn *c, ph_work_record *wr, uint32_t field, ph_cell **out,
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
    if ((rc = ph_change_intern(c, field, &id, err)) < 0 ||
        (rc = ph_change_cell(c, wr, id, &cell, err)) < 0 ||
        (rc = ph_change_keep(c, value, &note.value, err)) < 0 ||
        (rc = ph_change_over(c, cell, &note.over, &note.over_count, err)) < 0)
        return rc;
    if ((rc = ph_change_keep(c, field, &note.field, err)) < 0 ||
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
    if ((rc = ph_change_intern(c, field, &id, err)) < 0)
        return rc;
    if (!ph_record_cell(&wr->rec, id) && !add)
        return PROPHET_OK;
    if ((rc = ph_change_keep(c, value, &note.value, err)) < 0 ||
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
    if ((rc = ph_change_keep(c, field, &note.field, err)) < 0)
        return rc;
    if (add && c->version == wr->rec.version && !wr->is_new)
        c->twice = true; /* perhaps removed before in this change */
    *wrote = true;
    if ((rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_element(c->s, wr, id, note.value, add, all, n, c->version, err);
}

prophet_code ph_change_clear_set(ph_change_txn *c, ph_work_record *wr, prophet_slice type,
                                 prophet_slice field, bool *wrote, prophet_error *err)
{
    uint32_t id = ph_names_find(c->r->names, field);
    ph_cell *cell;
    prophet_code rc;
    if (!id || (rc = ph_change_cell(c, wr, id, &cell, err)) < 0 || !cell || !cell->is_set)
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
    if ((rc = ph_change_keep(c, field, &note.field, err)) < 0 ||
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
    prophet_code rc = id ? ph_change_cell(c, wr, id, &cell, err) : PROPHET_OK;
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
    if ((rc = ph_change_intern(c, e->field, &id, err)) < 0)
        return rc;
    note.amount = by.i;
    *wrote = true;
    if ((rc = ph_change_keep(c, e->field, &note.field, err)) < 0 ||
        (rc = ph_change_note(c, wr, type, note, err)) < 0)
        return rc;
    return ph_apply_counter(c->s, wr, id, by.i, err);
}

prophet_code ph_change_edit(ph_change_txn *c, ph_work_record *wr, const ph_schema *schema,
                            const ph_edit *e, bool *wrote, prophet_error *err)
{
    const ph_field_def *f = ph_schema_field(schema, e->field);
    prophet_slice type = schema->type;
    if (f && f->kind == PH_F_SET && e->kind == PH_E_SET)
        return assign_set(c, wr, type, e, wrote, err);
    if (f && f->kind == PH_F_SET && e->kind == PH_E_UNSET)
        return ph_change_clear_set(c, wr, type, e->field, wrote, err);
    if (e->kind == PH_E_ADD || e->kind == PH_E_REMOVE)
        return write_element(c, wr, type, e->field, e->value, e->kind == PH_E_ADD, wrote, err);
    if (e->kind == PH_E_INC)
        return increment(c, wr, type, e, wrote, err);
    prophet_slice value = e->kind == PH_E_UNSET ? ph_slice(NULL, 0) : e->value;
    uint32_t id = f && f->id ? f->id : ph_names_find(c->r->names, e->field);
    ph_cell *cell = NULL;
    prophet_code rc = id ? ph_change_cell(c, wr, id, &cell, err) : PROPHET_OK;
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

prophet_code ph_change_schema(ph_change_txn *c, prophet_slice type, const ph_schema **out,
                              prophet_error *err)
{
    if (!ph_name_valid(type))
        return ph_fail(err, PROPHET_ETYPE, "\"%.*s\" is not a type name", PH_FMT(type));
    return ph_schemas_get(c->r, c->s->txn, c->s->state.schema, type, out, err);
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
    if ((rc = ph_change_schema(c, type, &schema, err)) < 0 ||
        (rc = ph_change_record(c, type, id, &wr, err)) < 0 || (rc = must_live(wr, type, err)) < 0 ||
        (rc = ph_validate_edits(c, schema, wr, false, edits, count, err)) < 0)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = ph_change_edit(c, wr, schema, &edits[i], &wrote, err);
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
