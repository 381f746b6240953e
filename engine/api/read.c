/* Single records by name, and the ids natural keys give. */
#include "api/api_impl.h"

/* ---- one record ------------------------------------------------------------------------------------------------------ */

static prophet_code by_text(prophet_db *db, ph_view *v, prophet_slice type, prophet_slice name,
                            prophet_doc **out, prophet_error *err)
{
    ph_named found;
    prophet_code rc = ph_view_find(v, type, name, &found, err);
    if (rc != PROPHET_OK)
        return rc;
    return api_doc_of(db, v, found.type, &found.uuid, out, err);
}

static prophet_code by_number(prophet_db *db, ph_view *v, uint32_t type, int64_t number,
                              prophet_doc **out, prophet_error *err)
{
    uint32_t found;
    ph_uuid id;
    if (number <= 0)
        return PROPHET_DONE;
    prophet_code rc = ph_numbers_get(v->txn, (uint64_t)number, &found, &id, err);
    if (rc != PROPHET_OK || (type && found != type))
        return rc < 0 ? rc : PROPHET_DONE;
    return api_doc_of(db, v, found, &id, out, err);
}

static prophet_code by_id(prophet_db *db, ph_view *v, uint32_t type, const prophet_uuid *name,
                          prophet_doc **out, prophet_error *err)
{
    ph_uuid id;
    char text[37];
    memcpy(id.b, name->b, sizeof id.b);
    if (type)
        return api_doc_of(db, v, type, &id, out, err);
    ph_uuid_format(&id, text);
    return by_text(db, v, ph_slice(NULL, 0), ph_slice(text, 36), out, err);
}

prophet_code prophet_get(prophet_db *db, const char *type, prophet_value name, prophet_doc **out,
                         prophet_error *err)
{
    api_read rd = { 0 };
    uint32_t id = 0;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if (type && (rc = api_type_known(db, rd.v, ph_slice_str(type), &id, err)) < 0)
        goto done;
    if (type && !id) /* a type without records so far */
        rc = PROPHET_DONE;
    else if (name.kind == PROPHET_REF)
        rc = by_id(db, rd.v, id, &name.as.ref, out, err);
    else if (name.kind == PROPHET_INT)
        rc = by_number(db, rd.v, id, name.as.integer, out, err);
    else if (name.kind == PROPHET_TEXT)
        rc = by_text(db, rd.v, ph_slice_str(type), name.as.bytes, out, err);
    else
        rc = ph_fail(err, PROPHET_EUSAGE, "a record is named by its id, its number or text");
done:
    api_read_end(&rd);
    return rc;
}

/* ---- natural keys ---------------------------------------------------------------------------------------------------- */

static prophet_code put_key(const ph_schema *s, const prophet_field *fields, size_t count,
                            ph_buf *key, prophet_error *err)
{
    ph_put_list(key, s->key_count);
    for (size_t k = 0; k < s->key_count; k++) {
        const prophet_value *v = NULL;
        for (size_t i = 0; i < count; i++)
            if (ph_slice_eq(fields[i].name, s->key[k]) && fields[i].value.kind != PROPHET_NIL)
                v = &fields[i].value;
        if (!v) {
            prophet_code rc =
                ph_fail(err, PROPHET_EVALIDATION, "%.*s needs %.*s: it is part of the natural key",
                        PH_FMT(s->type), PH_FMT(s->key[k]));
            ph_error_at(err, s->type, s->key[k]);
            return rc;
        }
        prophet_code rc = api_encode(key, v, err);
        if (rc < 0)
            return rc;
    }
    return PROPHET_OK;
}

/* The natural keys of reserved types, which nobody defines. */
static const ph_schema *reserved_key(prophet_slice type, ph_schema *own)
{
    static const prophet_slice name = { "name", 4 }, replica = { "replica", 7 };
    *own = (ph_schema){ .type = type, .key_count = 1 };
    own->key = ph_slice_eq(type, ph_slice_str("_voter")) ? &replica : &name;
    return own;
}

prophet_code prophet_natural_id(prophet_db *db, const char *type, const prophet_field *fields,
                                size_t count, prophet_uuid *out, prophet_error *err)
{
    api_read rd = { 0 };
    ph_buf key = PH_BUF_INIT;
    ph_hasher *h = NULL;
    ph_schema own;
    const ph_schema *s;
    ph_uuid id;
    api_shape *shape;
    prophet_slice name = ph_slice_str(type);
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    if ((rc = api_shape_of(db, rd.v, name, &shape, err)) < 0 ||
        (rc = ph_view_schema(rd.v, name, &s, err)) < 0)
        goto done;
    if (ph_type_reserved(name))
        s = reserved_key(name, &own);
    if (s->key_count == 0)
        rc = PROPHET_DONE;
    else if ((rc = put_key(s, fields, count, &key, err)) >= 0 &&
             (rc = ph_hasher_new(&h, err)) >= 0 &&
             (rc = ph_uuid_v5(h, ph_replica_database(db->r), name, ph_buf_slice(&key), &id, err)) >=
                 0)
        memcpy(out->b, id.b, sizeof out->b);
done:
    ph_hasher_free(h);
    ph_buf_clear(&key);
    api_read_end(&rd);
    return rc;
}
