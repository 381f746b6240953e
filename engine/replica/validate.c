/* What a schema refuses: unknown fields, wrong kinds, missing required ones, values out of bounds. Only where a change is
 * authored; what arrives from a peer is never checked again. Types without a `_type` record (reserved ones) take anything. */
#include "replica/change_impl.h"

static prophet_code refuse(prophet_error *err, prophet_code code, const ph_schema *s,
                           prophet_slice field, prophet_slice value, const char *why)
{
    prophet_code rc = ph_fail(err, code, "%.*s.%.*s %s", PH_FMT(s->type), PH_FMT(field), why);
    ph_error_at(err, s->type, field);
    if (err && value.len) {
        ph_buf text = PH_BUF_INIT;
        ph_json_value(&text, value);
        size_t n = text.len < sizeof err->value - 1 ? text.len : sizeof err->value - 1;
        if (n)
            memcpy(err->value, text.data, n);
        err->value[n] = 0;
        ph_buf_clear(&text);
    }
    return rc;
}

static prophet_code unknown_field(const ph_schema *s, prophet_slice field, ph_arena *a,
                                  prophet_error *err)
{
    const char **names = ph_arena_alloc(a, (s->field_count + 1) * sizeof *names);
    char *name = ph_arena_str(a, field);
    prophet_code rc = refuse(err, PROPHET_EFIELD, s, field, ph_slice(NULL, 0), "is no field");
    if (!names || !name)
        return rc;
    for (size_t i = 0; i < s->field_count; i++)
        names[i] = ph_arena_str(a, s->fields[i].name);
    const char *close = ph_closest(name, names, s->field_count);
    if (close)
        ph_hint(err, "did you mean %s?", close);
    return rc;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------------ */

static bool fits_kind(ph_field_kind kind, ph_kind v)
{
    switch (kind) {
    case PH_F_STRING:
    case PH_F_TEXT:
    case PH_F_ENUM:
    case PH_F_USER: return v == PH_TEXT;
    case PH_F_INT:
    case PH_F_COUNTER: return v == PH_INT;
    case PH_F_FLOAT: return v == PH_FLOAT || v == PH_INT;
    case PH_F_BOOL: return v == PH_BOOL;
    case PH_F_BYTES: return v == PH_BYTES;
    case PH_F_TIME: return v == PH_TIME;
    case PH_F_REF: return v == PH_REF;
    case PH_F_BLOB: return v == PH_BLOB;
    case PH_F_LIST:
    case PH_F_SET: return v == PH_LIST;
    case PH_F_MAP: return v == PH_MAP;
    default: return false;
    }
}

static prophet_code wrong_kind(const ph_schema *s, const ph_field_def *f, prophet_slice value,
                               const char *want, prophet_error *err)
{
    char why[120];
    (void)snprintf(why, sizeof why, "takes %s, not %s", want, ph_kind_name(ph_value_kind(value)));
    return refuse(err, PROPHET_EVALIDATION, s, f->name, value, why);
}

static prophet_code check_element(const ph_schema *s, const ph_field_def *f, prophet_slice value,
                                  prophet_error *err)
{
    ph_field_kind kind;
    if (f->of.len && ph_field_kind_parse(f->of, &kind) && !fits_kind(kind, ph_value_kind(value)))
        return wrong_kind(s, f, value, ph_field_kind_name(kind), err);
    return PROPHET_OK;
}

static prophet_code check_elements(const ph_schema *s, const ph_field_def *f, prophet_slice list,
                                   prophet_error *err)
{
    ph_item item, one;
    prophet_code rc = PROPHET_OK;
    if (!f->of.len || !ph_value_open(list, &item))
        return PROPHET_OK;
    ph_reader r = ph_reader_of(item.s);
    while (rc >= 0 && ph_read_item(&r, &one))
        rc = check_element(s, f, one.raw, err);
    return rc;
}

/* ---- bounds ------------------------------------------------------------------------------------------------------------- */

static size_t characters(prophet_slice text)
{
    size_t n = 0;
    const uint8_t *p = text.data;
    for (size_t i = 0; i < text.len; i++)
        n += (p[i] & 0xc0) != 0x80;
    return n;
}

static prophet_code check_bounds(const ph_schema *s, const ph_field_def *f, prophet_slice value,
                                 prophet_error *err)
{
    ph_item bound, item;
    char why[120];
    if ((!f->min.len && !f->max.len) || !ph_value_open(value, &item))
        return PROPHET_OK;
    bool sized = item.kind == PH_TEXT || item.kind == PH_BYTES || item.kind == PH_LIST;
    int64_t size = item.kind == PH_TEXT    ? (int64_t)characters(item.s)
                   : item.kind == PH_BYTES ? (int64_t)item.s.len
                                           : item.i;
    const char *unit = item.kind == PH_TEXT    ? "characters"
                       : item.kind == PH_BYTES ? "bytes"
                                               : "elements";
    for (int max = 0; max < 2; max++) {
        prophet_slice raw = max ? f->max : f->min;
        if (!ph_value_open(raw, &bound) ||
            (bound.kind != PH_INT && bound.kind != PH_FLOAT && bound.kind != PH_TIME))
            continue;
        int c = sized ? (bound.kind == PH_INT ? (size > bound.i) - (size < bound.i) : 0)
                      : ph_value_compare(value, raw);
        if (max ? c <= 0 : c >= 0)
            continue;
        ph_buf text = PH_BUF_INIT;
        ph_json_value(&text, raw);
        ph_buf_byte(&text, 0);
        (void)snprintf(why, sizeof why, "is %s %s%s%s", max ? "above" : "below",
                       text.failed ? "" : (char *)text.data, sized ? " " : "", sized ? unit : "");
        ph_buf_clear(&text);
        return refuse(err, PROPHET_EVALIDATION, s, f->name, value, why);
    }
    return PROPHET_OK;
}

static prophet_code check_values(const ph_schema *s, const ph_field_def *f, prophet_slice value,
                                 ph_arena *a, prophet_error *err)
{
    ph_item list, one, given;
    if (f->open || !f->values.len || !ph_value_open(f->values, &list) || list.kind != PH_LIST)
        return PROPHET_OK;
    const char **names = ph_arena_alloc(a, ((size_t)list.i + 1) * sizeof *names);
    size_t n = 0;
    ph_reader r = ph_reader_of(list.s);
    while (ph_read_item(&r, &one)) {
        if (ph_slice_eq(one.raw, value))
            return PROPHET_OK;
        if (names && one.kind == PH_TEXT)
            names[n++] = ph_arena_str(a, one.s);
    }
    prophet_code rc =
        refuse(err, PROPHET_EVALIDATION, s, f->name, value, "takes one of its declared values");
    char *text =
        ph_value_open(value, &given) && given.kind == PH_TEXT ? ph_arena_str(a, given.s) : NULL;
    const char *close = text && names ? ph_closest(text, names, n) : NULL;
    ph_buf all = PH_BUF_INIT;
    for (size_t i = 0; i < n && i < 12; i++)
        ph_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (!all.failed && all.len)
        ph_hint(err, "%s%s%sit takes %.*s", close ? "did you mean " : "", close ? close : "",
                close ? "? " : "", (int)all.len, (char *)all.data);
    ph_buf_clear(&all);
    return rc;
}

/* The type of the record with this id, whatever it is; empty: there is none. */
static prophet_slice type_of(ph_change_txn *c, const ph_uuid *id)
{
    uint8_t key[20];
    prophet_slice row;

    memcpy(key + 4, id->b, 16);
    for (uint32_t type = 1; type <= ph_names_count(c->r->names); type++) {
        ph_u32be_put(key, type);
        const ph_work_record *wr = ph_map_get(&c->s->records, ph_slice(key, sizeof key));
        if (wr ? wr->rec.exists || wr->pend
               : ph_txn_get(c->s->txn, PH_T_RECORDS, ph_slice(key, sizeof key), &row, NULL) ==
                     PROPHET_OK)
            return ph_names_get(c->r->names, type);
    }
    return ph_slice(NULL, 0);
}

static prophet_code refuse_ref(ph_change_txn *c, const ph_schema *s, const ph_field_def *f,
                               prophet_slice value, const ph_uuid *id, prophet_error *err)
{
    const prophet_slice other = type_of(c, id);
    char why[160] = "refers to a record that is not here";

    if (other.len)
        (void)snprintf(why, sizeof why, "takes a record of %.*s, not of %.*s", PH_FMT(f->to),
                       PH_FMT(other));
    prophet_code rc = refuse(err, PROPHET_EVALIDATION, s, f->name, value, why);
    ph_hint(err, "it takes the id of a %.*s", PH_FMT(f->to));
    return rc;
}

static prophet_code check_ref(ph_change_txn *c, const ph_schema *s, const ph_field_def *f,
                              prophet_slice value, prophet_error *err)
{
    ph_item ref;
    ph_work_record *wr;
    uint32_t type = f->to.len ? ph_names_find(c->r->names, f->to) : 0;
    if (!f->to.len || !ph_value_open(value, &ref) || ref.kind != PH_REF)
        return PROPHET_OK;
    ph_uuid id;
    memcpy(id.b, ref.s.data, sizeof id.b);
    if (type) {
        prophet_code rc = ph_work_record_get(c->s, type, &id, &wr, err);
        if (rc < 0 || wr->rec.exists || wr->pend)
            return rc;
    }
    return refuse_ref(c, s, f, value, &id, err);
}

/* ---- one edit --------------------------------------------------------------------------------------------------------------- */

static prophet_code check_verb(const ph_schema *s, const ph_field_def *f, const ph_edit *e,
                               prophet_error *err)
{
    if (f->kind == PH_F_COMPUTED || f->kind == PH_F_MANY)
        return refuse(err, PROPHET_EUSAGE, s, f->name, e->value,
                      "is computed, it cannot be written");
    if (f->kind == PH_F_COUNTER && e->kind != PH_E_INC) {
        prophet_code rc = refuse(err, PROPHET_EUSAGE, s, f->name, e->value,
                                 "is a counter: it is neither set nor unset");
        ph_hint(err, "use incr");
        return rc;
    }
    if (f->kind != PH_F_COUNTER && e->kind == PH_E_INC) {
        prophet_code rc = refuse(err, PROPHET_EUSAGE, s, f->name, e->value, "is no counter");
        ph_hint(err, "use set, or declare it as a counter");
        return rc;
    }
    if (f->kind != PH_F_SET && (e->kind == PH_E_ADD || e->kind == PH_E_REMOVE)) {
        prophet_code rc = refuse(err, PROPHET_EUSAGE, s, f->name, e->value, "is no set");
        ph_hint(err, "use set, or declare it as a set");
        return rc;
    }
    return PROPHET_OK;
}

static prophet_code check_immutable(ph_change_txn *c, const ph_schema *s, const ph_field_def *f,
                                    ph_work_record *wr, const ph_edit *e, prophet_error *err)
{
    bool key = false;
    for (size_t i = 0; i < s->key_count; i++)
        key = key || ph_slice_eq(s->key[i], f->name);
    if (!wr || (!f->immutable && !key))
        return PROPHET_OK;
    ph_cell *cell = f->id ? ph_record_cell(&wr->rec, f->id) : NULL;
    prophet_code rc =
        cell ? ph_cell_load(c->s->txn, &wr->rec, cell, &c->s->arena, err) : PROPHET_OK;
    if (rc < 0) /* a long value is no missing one */
        return rc;
    if (e->kind == PH_E_SET && cell && ph_slice_eq(cell->shown, e->value))
        return PROPHET_OK;
    if (!key && (!cell || cell->shown.len == 0)) /* may be given once */
        return PROPHET_OK;
    return refuse(err, PROPHET_EIMMUTABLE, s, f->name, e->value,
                  key ? "is part of the natural key and cannot change" : "is immutable");
}

static prophet_code check_edit(ph_change_txn *c, const ph_schema *s, ph_work_record *wr,
                               const ph_edit *e, prophet_error *err)
{
    const ph_field_def *f = ph_schema_field(s, e->field);
    prophet_code rc;
    if (!f)
        return unknown_field(s, e->field, &c->arena, err);
    if ((rc = check_verb(s, f, e, err)) < 0 || (rc = check_immutable(c, s, f, wr, e, err)) < 0)
        return rc;
    if (e->kind == PH_E_UNSET)
        return f->required
                   ? refuse(err, PROPHET_EVALIDATION, s, f->name, ph_slice(NULL, 0), "is required")
                   : PROPHET_OK;
    if (e->kind == PH_E_INC)
        return PROPHET_OK;
    if (e->kind != PH_E_SET)
        return check_element(s, f, e->value, err);
    if (!fits_kind(f->kind, ph_value_kind(e->value)))
        return wrong_kind(s, f, e->value, ph_field_kind_name(f->kind), err);
    if ((f->kind == PH_F_SET || f->kind == PH_F_LIST) &&
        (rc = check_elements(s, f, e->value, err)) < 0)
        return rc;
    if ((rc = check_bounds(s, f, e->value, err)) < 0 ||
        (rc = check_values(s, f, e->value, &c->arena, err)) < 0)
        return rc;
    return f->kind == PH_F_REF ? check_ref(c, s, f, e->value, err) : PROPHET_OK;
}

static bool given(const ph_edit *edits, size_t count, prophet_slice field)
{
    for (size_t i = 0; i < count; i++)
        if (ph_slice_eq(edits[i].field, field))
            return true;
    return false;
}

prophet_code ph_validate_edits(ph_change_txn *c, const ph_schema *s, ph_work_record *wr,
                               bool creating, const ph_edit *edits, size_t count,
                               prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < count && rc >= 0; i++) {
        if (s->defined)
            rc = check_edit(c, s, wr, &edits[i], err);
        else if (!ph_field_valid(s->type, edits[i].field))
            return ph_fail(err, PROPHET_EFIELD, "\"%.*s\" is not a field name",
                           PH_FMT(edits[i].field));
        else if (edits[i].value.len)
            rc = ph_value_check(edits[i].value, 0, err);
    }
    if (rc < 0 || !s->defined) {
        if (rc >= 0 && !ph_type_reserved(s->type))
            return ph_fail(err, PROPHET_ETYPE, "no type \"%.*s\"", PH_FMT(s->type));
        return rc;
    }
    for (size_t i = 0; creating && i < s->field_count; i++)
        if (s->fields[i].required && !given(edits, count, s->fields[i].name))
            return refuse(err, PROPHET_EVALIDATION, s, s->fields[i].name, ph_slice(NULL, 0),
                          "is required");
    return PROPHET_OK;
}
