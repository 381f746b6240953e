/* Stores the declarative part of a record type as its `_type` record, one register an option, so that additions of several
 * replicas merge. The hash of every definition that was applied is kept in the set `definitions`: the same one again, or an
 * older one, writes nothing. */
#include "replica/change_impl.h"

typedef struct defining {
    ph_change_txn *c;
    const ph_schema *old;
    prophet_slice name;
    ph_item descriptor;
    PH_LIST(ph_edit) edits;
    PH_LIST(prophet_slice) order;
} defining;

static prophet_code bad(prophet_error *err, prophet_slice type, const char *why)
{
    prophet_code rc = ph_fail(err, PROPHET_ESCHEMA, "type %.*s: %s", PH_FMT(type), why);
    ph_error_at(err, type, ph_slice(NULL, 0));
    return rc;
}

static bool member(ph_item map, const char *name, ph_item *out)
{
    ph_item key;
    prophet_slice want = ph_slice_str(name);
    ph_reader r = ph_reader_of(map.s);
    while (ph_read_item(&r, &key) && ph_read_item(&r, out))
        if (ph_slice_eq(key.s, want))
            return true;
    return false;
}

static prophet_code put(defining *d, prophet_slice field, prophet_slice value, prophet_error *err)
{
    ph_edit e = { PH_E_SET, field, value };
    return PH_PUSH(d->edits, e) ? PROPHET_OK : ph_nomem(err);
}

static prophet_slice joined(defining *d, prophet_slice option, prophet_slice field)
{
    ph_buf b = PH_BUF_INIT;
    ph_buf_printf(&b, "%.*s.%.*s", PH_FMT(option), PH_FMT(field));
    prophet_slice s = ph_arena_copy(&d->c->arena, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return s;
}

static prophet_code check_kind(defining *d, prophet_slice field, prophet_slice kind,
                               prophet_error *err)
{
    ph_field_kind k;
    const ph_field_def *f = ph_schema_field(d->old, field);
    prophet_code rc;
    char why[200];
    if (!ph_field_kind_parse(kind, &k)) {
        (void)snprintf(why, sizeof why, "field %.*s: no kind \"%.*s\"", PH_FMT(field),
                       PH_FMT(kind));
        return bad(err, d->name, why);
    }
    if (!f || !d->old->defined || f->kind == k)
        return PROPHET_OK;
    (void)snprintf(why, sizeof why, "field %.*s is declared as %s already, not %s", PH_FMT(field),
                   ph_field_kind_name(f->kind), ph_field_kind_name(k));
    rc = bad(err, d->name, why);
    ph_error_at(err, d->name, field);
    ph_hint(err, "another kind is another field: give it another name");
    return rc;
}

static prophet_code take_field(defining *d, ph_item field, prophet_error *err)
{
    ph_item name, kind, key, value;
    ph_rule rule;
    prophet_code rc;
    if (field.kind != PH_MAP || !member(field, "name", &name) || name.kind != PH_TEXT ||
        !member(field, "kind", &kind) || kind.kind != PH_TEXT)
        return bad(err, d->name, "a field needs a name and a kind");
    if (!ph_name_valid(name.s))
        return bad(err, d->name, "field names are [a-z_][a-z0-9_]*, at most 64 bytes");
    if ((rc = check_kind(d, name.s, kind.s, err)) < 0)
        return rc;
    for (size_t i = 0; i < d->order.count; i++)
        if (ph_slice_eq(d->order.at[i], name.raw))
            return bad(err, d->name, "a field is declared twice");
    if (!PH_PUSH(d->order, name.raw))
        return ph_nomem(err);
    ph_reader r = ph_reader_of(field.s);
    while (ph_read_item(&r, &key) && ph_read_item(&r, &value)) {
        if (ph_slice_eq(key.s, ph_slice_str("name")))
            continue;
        if (!ph_name_valid(key.s) || key.s.len > 24)
            return bad(err, d->name, "an option's name is not usable");
        if (ph_slice_eq(key.s, ph_slice_str("rule")) &&
            (value.kind != PH_TEXT || !ph_rule_parse(value.s, &rule)))
            return bad(err, d->name, "no such rule (latest first max min longest)");
        prophet_slice at = joined(d, key.s, name.s);
        if (!at.data)
            return ph_nomem(err);
        if ((rc = put(d, at, value.raw, err)) < 0)
            return rc;
    }
    return PROPHET_OK;
}

/* Fields that others declared stay behind those of this definition. */
static prophet_code put_order(defining *d, prophet_error *err)
{
    ph_buf list = PH_BUF_INIT;
    size_t mine = d->order.count;
    for (size_t i = 0; i < d->old->field_count; i++) {
        ph_buf name = PH_BUF_INIT;
        bool have = false, ok = true;
        ph_put_text(&name, d->old->fields[i].name);
        for (size_t k = 0; k < mine && !have; k++)
            have = ph_slice_eq(d->order.at[k], ph_buf_slice(&name));
        prophet_slice copy = ph_arena_copy(&d->c->arena, ph_buf_slice(&name), &ok);
        ok = ok && !name.failed && (have || PH_PUSH(d->order, copy));
        ph_buf_clear(&name);
        if (!ok)
            return ph_nomem(err);
    }
    ph_put_list(&list, d->order.count);
    for (size_t i = 0; i < d->order.count; i++)
        ph_buf_put(&list, d->order.at[i].data, d->order.at[i].len);
    bool ok = !list.failed;
    prophet_slice copy = ph_arena_copy(&d->c->arena, ph_buf_slice(&list), &ok);
    ph_buf_clear(&list);
    return ok ? put(d, ph_slice_str("order"), copy, err) : ph_nomem(err);
}

static prophet_code take_descriptor(defining *d, prophet_error *err)
{
    static const char *const plain[] = { "name", "indexes", "key", "summary", "doc", "life" };
    ph_item fields, one;
    prophet_code rc = PROPHET_OK;
    if (!member(d->descriptor, "fields", &fields) || fields.kind != PH_LIST || fields.i > 1000)
        return bad(err, d->name, "a definition has a list of at most 1,000 fields");
    ph_reader r = ph_reader_of(fields.s);
    while (rc >= 0 && ph_read_item(&r, &one))
        rc = take_field(d, one, err);
    if (rc >= 0)
        rc = put_order(d, err);
    for (size_t i = 0; i < sizeof plain / sizeof *plain && rc >= 0; i++)
        if (member(d->descriptor, plain[i], &one))
            rc = put(d, ph_slice_str(plain[i]), one.raw, err);
    return rc;
}

static prophet_code known_definition(defining *d, ph_work_record *wr, prophet_slice hash,
                                     bool *known, prophet_error *err)
{
    uint32_t field = ph_names_find(d->c->r->names, ph_slice_str("definitions"));
    ph_cell *cell = field ? ph_record_cell(&wr->rec, field) : NULL;
    ph_element *e;
    *known = false;
    if (!cell || !cell->is_set)
        return PROPHET_OK;
    prophet_code rc = ph_cell_element(d->c->s->txn, &wr->rec, cell, hash, &d->c->s->arena, &e, err);
    *known = rc >= 0 && e->add_count > 0;
    return rc;
}

static prophet_code store(defining *d, ph_work_record *wr, prophet_slice hash, prophet_error *err)
{
    ph_change_txn *c = d->c;
    prophet_slice type = ph_slice_str("_type");
    bool wrote = false, creating = !wr->rec.alive;
    const ph_schema *reserved;
    prophet_code rc;
    if ((rc = take_descriptor(d, err)) < 0 ||
        (rc = ph_schemas_get(c->r, c->s->txn, c->s->state.schema, type, &reserved, err)) < 0 ||
        (rc = ph_work_number(c->s, wr, type, err)) < 0 ||
        (creating && (rc = ph_change_life(c, wr, type, PH_N_CREATE, err)) < 0))
        return rc;
    for (size_t i = 0; i < d->edits.count && rc >= 0; i++)
        rc = ph_change_edit(c, wr, reserved, &d->edits.at[i], &wrote, err);
    ph_edit add = { PH_E_ADD, ph_slice_str("definitions"), hash };
    if (rc >= 0)
        rc = ph_change_edit(c, wr, reserved, &add, &wrote, err);
    if (rc >= 0 && !creating)
        rc = ph_change_life(c, wr, type, PH_N_UPDATE, err);
    if (rc >= 0)
        rc = ph_schema_intern(c->s, wr, err);
    if (rc < 0) {
        c->failed = true;
        return rc;
    }
    c->s->schema_touched = true;
    return ph_work_flush(c->s, err); /* the rest of this change is checked against it */
}

prophet_code ph_change_define(ph_change_txn *c, prophet_slice descriptor, prophet_error *err)
{
    defining d = { .c = c };
    uint8_t hash[32];
    ph_buf hash_value = PH_BUF_INIT;
    ph_uuid id;
    uint32_t type_type;
    ph_work_record *wr;
    ph_item name;
    bool known = false, ok = true;
    prophet_code rc;

    if ((rc = ph_value_check(descriptor, 0, err)) < 0)
        return rc;
    if (!ph_value_open(descriptor, &d.descriptor) || d.descriptor.kind != PH_MAP ||
        !member(d.descriptor, "name", &name) || name.kind != PH_TEXT || !ph_name_valid(name.s) ||
        ph_type_reserved(name.s))
        return ph_fail(err, PROPHET_ESCHEMA,
                       "a record type needs a name of [a-z][a-z0-9_]*, at most 64 bytes");
    d.name = ph_arena_copy(&c->arena, name.s, &ok);
    if (!ok)
        return ph_nomem(err);
    if ((rc = ph_hash_sha256(c->r->hasher, &descriptor, 1, hash, err)) < 0 ||
        (rc = ph_schemas_get(c->r, c->s->txn, c->s->state.schema, d.name, &d.old, err)) < 0 ||
        (rc = ph_schema_uuid(c->r, d.name, &id, err)) < 0 ||
        (rc = ph_names_intern(c->r->names, c->s->txn, &c->s->state, ph_slice_str("_type"),
                              &type_type, err)) < 0 ||
        (rc = ph_work_record_get(c->s, type_type, &id, &wr, err)) < 0)
        return rc;
    ph_put_bytes(&hash_value, ph_slice(hash, 32));
    rc = known_definition(&d, wr, ph_buf_slice(&hash_value), &known, err);
    if (rc >= 0 && !known)
        rc = store(&d, wr, ph_buf_slice(&hash_value), err);
    ph_buf_clear(&hash_value);
    ph_free(d.edits.at);
    ph_free(d.order.at);
    return rc;
}
