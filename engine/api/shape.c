/* Shapes: the names of a type's fields by their numbers, shared by the documents that were read with them. Made once a schema and
 * once a new name, or when names got other numbers; a point read finds its type's shape by one comparison. Types nobody knows are refused here. */
#include "api/api_impl.h"
#include <stdlib.h>

static prophet_code type_names(ph_view *v, ph_arena *a, const char ***out, size_t *count,
                               prophet_error *err)
{
    prophet_slice *types;
    prophet_code rc = ph_view_types(v, a, &types, count, err);
    if (rc < 0)
        return rc;
    const char **names = ph_arena_alloc(a, (*count + 1) * sizeof *names);
    for (size_t i = 0; names && i < *count; i++)
        if (!(names[i] = ph_arena_str(a, types[i])))
            names = NULL;
    *out = names;
    return names ? PROPHET_OK : ph_nomem(err);
}

prophet_code api_unknown_type(ph_view *v, prophet_slice type, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    const char **names;
    char text[PH_NAME_MAX + 1];
    size_t count;
    (void)snprintf(text, sizeof text, "%.*s",
                   (int)(type.len < PH_NAME_MAX ? type.len : PH_NAME_MAX), (const char *)type.data);
    prophet_code rc = type_names(v, &a, &names, &count, err);
    if (rc >= 0) {
        const char *close = ph_closest(text, names, count);
        rc = ph_fail(err, PROPHET_ETYPE, "no type \"%s\"", text);
        ph_error_at(err, type, ph_slice(NULL, 0));
        if (close)
            ph_hint(err, "did you mean %s?", close);
        else if (count == 0)
            ph_hint(err, "no type is defined in this database yet");
    }
    ph_arena_clear(&a);
    return rc;
}

prophet_code api_unknown_field(const ph_schema *s, prophet_slice field, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    const char **names = ph_arena_alloc(&a, (s->field_count + 1) * sizeof *names);
    char *text = ph_arena_str(&a, field);
    prophet_code rc =
        ph_fail(err, PROPHET_EFIELD, "%.*s has no field \"%.*s\"", PH_FMT(s->type), PH_FMT(field));
    ph_error_at(err, s->type, field);
    bool ok = names && text;
    for (size_t i = 0; ok && i < s->field_count; i++)
        ok = (names[i] = ph_arena_str(&a, s->fields[i].name)) != NULL;
    const char *close = ok ? ph_closest(text, names, s->field_count) : NULL;
    if (close)
        ph_hint(err, "did you mean %s?", close);
    ph_arena_clear(&a);
    return rc;
}

void api_shape_release(api_shape *s)
{
    if (!s || --s->refs > 0)
        return;
    ph_map_clear(&s->by_name);
    ph_arena_clear(&s->arena);
    ph_free(s);
}

void api_shapes_free(prophet_db *db)
{
    while (db->shapes) {
        api_shape *s = db->shapes;
        db->shapes = s->next;
        api_shape_release(s);
    }
}

static prophet_code copy_names(api_shape *s, ph_view *v, prophet_error *err)
{
    bool ok = true;
    s->names_count = ph_names_count(v->names);
    s->names_epoch = ph_names_epoch(v->names);
    s->names = ph_arena_zalloc(&s->arena, (s->names_count + 1) * sizeof *s->names);
    s->ranks = ph_arena_zalloc(&s->arena, (s->names_count + 1) * sizeof *s->ranks);
    if (!s->names || !s->ranks)
        return ph_nomem(err);
    for (size_t i = 1; i <= s->names_count && ok; i++) {
        s->names[i] = ph_arena_copy(&s->arena, ph_names_get(v->names, (uint32_t)i), &ok);
        ok = ok &&
             (s->names[i].len == 0 || ph_map_put(&s->by_name, s->names[i], (void *)(uintptr_t)i));
    }
    return ok ? PROPHET_OK : ph_nomem(err);
}

static prophet_code copy_schema(api_shape *s, ph_view *v, prophet_slice type, prophet_error *err)
{
    const ph_schema *schema;
    prophet_code rc = ph_view_schema(v, type, &schema, err);
    if (rc != PROPHET_OK) /* nobody defined it and it has no rows */
        return rc < 0 ? rc : PROPHET_OK;
    s->defined = schema->defined;
    s->declared_count = schema->field_count;
    for (size_t i = 0; i <= s->names_count; i++)
        s->ranks[i] = (uint32_t)s->declared_count;
    for (size_t i = schema->field_count; i-- > 0;) {
        uint32_t id = api_shape_field(s, schema->fields[i].name);
        if (id)
            s->ranks[id] = (uint32_t)i;
    }
    return PROPHET_OK;
}

static prophet_code has_rows(ph_view *v, uint32_t type, bool *yes, prophet_error *err)
{
    uint8_t prefix[4];
    ph_cursor *cur;
    prophet_slice k, val;
    prophet_code rc = ph_cursor_open(v->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, type);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &val, err);
    *yes = rc == PROPHET_OK && memcmp(k.data, prefix, 4) == 0;
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code make(prophet_db *db, ph_view *v, prophet_slice type, api_shape **out,
                         prophet_error *err)
{
    api_shape *s = ph_zalloc(sizeof *s);
    prophet_code rc;
    if (!s)
        return ph_nomem(err);
    s->refs = 1;
    s->stamp = v->state.schema;
    s->generation = db->generation;
    s->type_id = ph_names_find(v->names, type);
    if (!(s->type = ph_arena_str(&s->arena, type)))
        rc = ph_nomem(err);
    else if ((rc = copy_names(s, v, err)) >= 0 && (rc = copy_schema(s, v, type, err)) >= 0) {
        s->known = s->defined || ph_type_reserved(type);
        if (!s->known && s->type_id)
            rc = has_rows(v, s->type_id, &s->known, err);
    }
    if (rc < 0)
        api_shape_release(s);
    else
        *out = s;
    return rc;
}

static bool fits(const prophet_db *db, const ph_view *v, const api_shape *s)
{
    return s->generation == db->generation && s->stamp == v->state.schema &&
           s->names_count == ph_names_count(v->names) && s->names_epoch == ph_names_epoch(v->names);
}

prophet_code api_shape_of(prophet_db *db, ph_view *v, prophet_slice type, api_shape **out,
                          prophet_error *err)
{
    api_shape **at = &db->shapes, *s;
    prophet_code rc;
    for (; (s = *at) != NULL; at = &s->next)
        if (strncmp(s->type, type.data, type.len) == 0 && s->type[type.len] == 0)
            break;
    if (s && !fits(db, v, s)) {
        *at = s->next;
        api_shape_release(s);
        s = NULL;
    } else if (s)
        *at = s->next;
    if (!s && (rc = make(db, v, type, &s, err)) < 0)
        return rc;
    s->next = db->shapes;
    db->shapes = s;
    if (!s->known)
        return api_unknown_type(v, type, err);
    *out = s;
    return PROPHET_OK;
}

prophet_code api_type_known(prophet_db *db, ph_view *v, prophet_slice type, uint32_t *id,
                            prophet_error *err)
{
    api_shape *s;
    prophet_code rc = api_shape_of(db, v, type, &s, err);
    if (rc >= 0)
        *id = s->type_id;
    return rc;
}

uint32_t api_shape_field(const api_shape *s, prophet_slice name)
{
    return (uint32_t)(uintptr_t)ph_map_get(&s->by_name, name);
}
