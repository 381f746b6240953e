/* Changes: one transaction, one changeset. Values of a call are encoded into one buffer and handed to the engine as slices of it. */
#include "api/api_impl.h"

prophet_code prophet_txn_begin(prophet_db *db, const char *message, prophet_txn **out,
                               prophet_error *err)
{
    prophet_code rc;
    if (db->txn) {
        rc = ph_fail(err, PROPHET_EUSAGE, "a change is open already");
        ph_hint(err, "savepoints nest inside a change");
        return rc;
    }
    if (db->busy)
        return api_not_inside(db, "a change", err);
    if ((rc = api_interrupted(db, err)) < 0)
        return rc;
    prophet_txn *t = ph_zalloc(sizeof *t);
    if (!t)
        return ph_nomem(err);
    t->db = db;
    if ((rc = ph_change_begin(db->r, ph_slice_str(message), &t->c, err)) < 0) {
        ph_free(t);
        return rc;
    }
    db->txn = t;
    *out = t;
    return PROPHET_OK;
}

static void end(prophet_txn *t)
{
    t->db->txn = NULL;
    ph_buf_clear(&t->values);
    ph_free(t->edits);
    ph_free(t);
}

prophet_code prophet_txn_commit(prophet_txn *t, prophet_hash *id, uint64_t *version,
                                prophet_error *err)
{
    ph_id made = { { 0 } };
    uint64_t number = 0;
    prophet_db *db = t->db;
    prophet_code rc = ph_change_commit(t->c, &made, &number, err);
    end(t);
    if (rc != PROPHET_OK)
        db->generation++; /* numbers given to new names are taken back */
    if (rc == PROPHET_OK && id)
        memcpy(id->b, made.b, sizeof id->b);
    if (rc == PROPHET_OK && version)
        *version = number;
    return rc;
}

prophet_code prophet_txn_revert(prophet_txn *t, prophet_value changeset, prophet_error *err)
{
    ph_changeset_row row;
    ph_view *v;
    uint64_t version = 0;
    prophet_code rc = ph_change_view(t->c, &v, err);
    if (rc < 0)
        return rc;
    if (changeset.kind == PROPHET_INT)
        version = changeset.as.integer > 0 ? (uint64_t)changeset.as.integer : 0;
    else if (changeset.kind != PROPHET_TEXT)
        return ph_fail(err, PROPHET_EUSAGE, "a changeset is named by its id or its version");
    else if ((rc = api_changeset_find(v, changeset.as.bytes, &version, err)) < 0)
        return rc;
    if (version == 0 || version > v->state.version)
        return ph_fail(err, PROPHET_ENOTFOUND, "no such changeset");
    if ((rc = ph_changesets_get(v->txn, version, &row, err)) < 0)
        return rc;
    return ph_change_revert(t->c, &row.id, err);
}

void prophet_txn_abort(prophet_txn *t)
{
    if (!t)
        return;
    t->db->generation++;
    ph_change_abort(t->c);
    end(t);
}

prophet_code prophet_txn_savepoint(prophet_txn *t, prophet_error *err)
{
    return ph_change_savepoint(t->c, err);
}

prophet_code prophet_txn_release(prophet_txn *t, prophet_error *err)
{
    return ph_change_release(t->c, err);
}

prophet_code prophet_txn_rollback(prophet_txn *t, prophet_error *err)
{
    t->db->generation++;
    return ph_change_rollback(t->c, err);
}

/* ---- edits ------------------------------------------------------------------------------------------------------------ */

static prophet_code room_for(prophet_txn *t, size_t count, prophet_error *err)
{
    ph_buf_reset(&t->values);
    if (count <= t->edit_cap)
        return PROPHET_OK;
    ph_edit *at = ph_realloc(t->edits, (count + 16) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    t->edits = at;
    t->edit_cap = count + 16;
    return PROPHET_OK;
}

/* Whose value it is that no field can hold. */
static prophet_code no_value(prophet_code rc, const char *type, prophet_slice field,
                             prophet_error *err)
{
    char why[sizeof err->message];
    if (err && rc == PROPHET_EVALIDATION) {
        memcpy(why, err->message, sizeof why);
        (void)snprintf(err->message, sizeof err->message, "field \"%.*s\": %.200s", PH_FMT(field),
                       why);
    }
    ph_error_at(err, ph_slice_str(type), field);
    return rc;
}

/* The value lies in the buffer, which may still move: its place is kept as an offset until all are there. */
static prophet_code put_edit(prophet_txn *t, size_t i, ph_edit_kind kind, prophet_slice field,
                             const prophet_value *v, const char *type, prophet_error *err)
{
    size_t at = t->values.len;
    prophet_code rc = kind == PH_E_UNSET ? PROPHET_OK : api_encode(&t->values, v, err);
    if (rc < 0)
        (void)no_value(rc, type, field, err);
    t->edits[i] = (ph_edit){ kind, field, { (const void *)(uintptr_t)at, t->values.len - at } };
    return rc;
}

static void settle_edits(prophet_txn *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        t->edits[i].value.data =
            t->values.data ? t->values.data + (uintptr_t)t->edits[i].value.data : NULL;
}

/* Says of what type the refused write was, and suggests another name for one that nobody knows. */
static prophet_code refused(prophet_txn *t, const char *type, prophet_code rc, prophet_error *err)
{
    ph_view *v;
    if (rc == PROPHET_ETYPE && ph_change_view(t->c, &v, NULL) >= 0)
        return api_unknown_type(v, ph_slice_str(type), err);
    if (err && !err->type[0])
        ph_error_at(err, ph_slice_str(type), ph_slice(NULL, 0));
    return rc;
}

/* A field that is set or unset has one edit: of two the last would count without a word. Elements and increments of one field are as many as there are. */
static prophet_code check_once(const prophet_txn *t, size_t count, const char *type,
                               prophet_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const ph_edit *e = &t->edits[i];
        bool alone = e->kind == PH_E_SET || e->kind == PH_E_UNSET;
        for (size_t k = 0; alone && k < count; k++) {
            if (k == i || !ph_slice_eq(e->field, t->edits[k].field))
                continue;
            prophet_code rc =
                ph_fail(err, PROPHET_EUSAGE, "field \"%.*s\" is given twice", PH_FMT(e->field));
            ph_error_at(err, ph_slice_str(type), e->field);
            return rc;
        }
    }
    return PROPHET_OK;
}

static prophet_code give_doc(prophet_txn *t, const char *type, const ph_uuid *id, prophet_doc **doc,
                             prophet_error *err)
{
    ph_view *v;
    ph_row row;
    prophet_code rc;
    if (!doc)
        return PROPHET_OK;
    if ((rc = ph_change_row(t->c, ph_slice_str(type), id, &v, &row, err)) == PROPHET_DONE)
        return ph_fail(err, PROPHET_ENOTFOUND, "the record is not there");
    return rc < 0 ? rc : api_doc_record(t->db, v, &row, false, NULL, doc, err);
}

prophet_code prophet_txn_create(prophet_txn *t, const char *type, const prophet_uuid *id,
                                const prophet_field *fields, size_t count, prophet_doc **doc,
                                prophet_error *err)
{
    ph_named named;
    ph_uuid uuid;
    size_t n = 0;
    prophet_code rc = room_for(t, count, err);
    for (size_t i = 0; i < count && rc >= 0; i++)
        if (fields[i].value.kind != PROPHET_NIL)
            rc = put_edit(t, n++, PH_E_SET, fields[i].name, &fields[i].value, type, err);
    if (rc < 0 || (rc = check_once(t, n, type, err)) < 0)
        return rc;
    settle_edits(t, n);
    if (id)
        memcpy(uuid.b, id->b, sizeof uuid.b);
    rc = ph_change_create(t->c, ph_slice_str(type), id ? &uuid : NULL, t->edits, n, &named, err);
    if (rc < 0)
        return refused(t, type, rc, err);
    t->created = named;
    t->has_created = true;
    return give_doc(t, type, &named.uuid, doc, err);
}

bool prophet_txn_created(const prophet_txn *t, prophet_record *out)
{
    *out = (prophet_record){ .type = "", .number = t->created.number };
    memcpy(out->id.b, t->created.uuid.b, sizeof out->id.b);
    return t->has_created;
}

/* Immutable, or part of the natural key. */
static bool is_fixed(const ph_schema *s, prophet_slice field)
{
    const ph_field_def *f = ph_schema_field(s, field);
    bool fixed = f && f->immutable;
    for (size_t i = 0; i < s->key_count; i++)
        fixed = fixed || ph_slice_eq(s->key[i], field);
    return fixed;
}

/* Was a field that is set or unset written after the caller looked? */
static prophet_code check_since(prophet_txn *t, const char *type, const ph_uuid *id, uint64_t since,
                                size_t count, prophet_error *err)
{
    ph_view *v;
    ph_row row;
    ph_shown shown;
    const ph_schema *schema;
    prophet_code rc = ph_change_view(t->c, &v, err);
    if (rc < 0)
        return rc;
    uint32_t type_id = ph_names_find(v->names, ph_slice_str(type));
    if (!type_id || (rc = ph_view_row(v, type_id, id, &row, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK; /* not there: the engine says so */
    if (row.version <= since)
        return PROPHET_OK;
    if ((rc = ph_view_schema(v, ph_slice_str(type), &schema, err)) < 0)
        return rc;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        const ph_edit *e = &t->edits[i];
        uint32_t field =
            e->kind == PH_E_SET || e->kind == PH_E_UNSET ? ph_names_find(v->names, e->field) : 0;
        if (!field || is_fixed(schema, e->field)) /* the engine has a better answer */
            continue;
        if ((rc = ph_row_field(v->txn, &row, field, &t->db->scratch, &shown, err)) < 0)
            break;
        if (shown.kind == PH_SHOWN_COUNTER || shown.version <= since)
            continue;
        rc = ph_fail(err, PROPHET_ESTALE, "%s.%.*s was changed since it was read", type,
                     PH_FMT(e->field));
        ph_error_at(err, ph_slice_str(type), e->field);
        ph_hint(err, "read the record again, or force");
    }
    ph_arena_reset(&t->db->scratch);
    return rc;
}

prophet_code prophet_txn_update(prophet_txn *t, const char *type, const prophet_uuid *id,
                                uint64_t since, const prophet_edit *edits, size_t count,
                                prophet_doc **doc, prophet_error *err)
{
    static const ph_edit_kind kinds[] = { PH_E_SET, PH_E_UNSET, PH_E_ADD, PH_E_REMOVE, PH_E_INC };
    ph_uuid uuid;
    prophet_code rc = room_for(t, count, err);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        bool unset = edits[i].op == PROPHET_SET && edits[i].value.kind == PROPHET_NIL;
        if ((unsigned)edits[i].op > PROPHET_INCR)
            return ph_fail(err, PROPHET_EUSAGE, "no such operation");
        rc = put_edit(t, i, unset ? PH_E_UNSET : kinds[edits[i].op], edits[i].field,
                      &edits[i].value, type, err);
    }
    if (rc < 0 || (rc = check_once(t, count, type, err)) < 0)
        return rc;
    settle_edits(t, count);
    memcpy(uuid.b, id->b, sizeof uuid.b);
    if (since && (rc = check_since(t, type, &uuid, since, count, err)) < 0)
        return rc;
    rc = ph_change_update(t->c, ph_slice_str(type), &uuid, t->edits, count, err);
    if (rc < 0)
        return refused(t, type, rc, err);
    return give_doc(t, type, &uuid, doc, err);
}

prophet_code prophet_txn_delete(prophet_txn *t, const char *type, const prophet_uuid *id,
                                prophet_doc **doc, prophet_error *err)
{
    ph_uuid uuid;
    memcpy(uuid.b, id->b, sizeof uuid.b);
    prophet_code rc = ph_change_delete(t->c, ph_slice_str(type), &uuid, err);
    return rc < 0 ? refused(t, type, rc, err) : give_doc(t, type, &uuid, doc, err);
}

prophet_code prophet_txn_restore(prophet_txn *t, const char *type, const prophet_uuid *id,
                                 prophet_doc **doc, prophet_error *err)
{
    ph_uuid uuid;
    memcpy(uuid.b, id->b, sizeof uuid.b);
    prophet_code rc = ph_change_restore(t->c, ph_slice_str(type), &uuid, err);
    return rc < 0 ? refused(t, type, rc, err) : give_doc(t, type, &uuid, doc, err);
}

prophet_code prophet_txn_define(prophet_txn *t, prophet_value descriptor, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    prophet_code rc = descriptor.kind == PROPHET_MAP
                          ? api_encode(&b, &descriptor, err)
                          : ph_fail(err, PROPHET_EUSAGE, "a record type is described by a map");
    if (rc >= 0)
        rc = ph_change_define(t->c, ph_buf_slice(&b), err);
    ph_buf_clear(&b);
    return rc;
}

/* ---- conflicts ---------------------------------------------------------------------------------------------------------- */

static prophet_code cell_parts(const prophet_cell *cell, prophet_value *value, ph_buf *b,
                               ph_vote_cast *out, prophet_error *err)
{
    *out = (ph_vote_cast){ .type = ph_slice_str(cell->type), .field = ph_slice_str(cell->field) };
    memcpy(out->record.b, cell->record.b, sizeof out->record.b);
    if (value->kind == PROPHET_NIL)
        return PROPHET_OK;
    prophet_code rc = api_encode(b, value, err);
    out->choice = ph_buf_slice(b);
    return rc;
}

prophet_code prophet_txn_vote(prophet_txn *t, const prophet_cell *cell, prophet_value value,
                              const char *reason, prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    ph_vote_cast cast;
    prophet_code rc = cell_parts(cell, &value, &b, &cast, err);
    if (rc >= 0 && (rc = ph_change_vote_fits(t->c, &cast, err)) >= 0) {
        cast.reason = ph_slice_str(reason);
        rc = ph_change_vote(t->c, &cast, err);
    }
    ph_buf_clear(&b);
    return rc;
}

prophet_code prophet_txn_resolve(prophet_txn *t, const prophet_cell *cell, prophet_value value,
                                 prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    ph_vote_cast cast;
    prophet_code rc = cell_parts(cell, &value, &b, &cast, err);
    if (rc >= 0)
        rc = ph_change_resolve(t->c, cast.type, &cast.record, cast.field, cast.choice, err);
    ph_buf_clear(&b);
    return rc;
}
