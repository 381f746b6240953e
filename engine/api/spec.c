/* What hosts give as maps of options: members by name, each of its kind, unknown ones refused with a suggestion (a filter that
 * silently matches everything is the worst bug there is). */
#include "api/api_impl.h"

const prophet_value *api_member(const prophet_value *map, const char *name)
{
    prophet_slice want = ph_slice_str(name);
    if (map->kind != PROPHET_MAP)
        return NULL;
    for (size_t i = 0; i < map->as.map.count; i++) {
        const prophet_field *f = &map->as.map.items[i];
        if (ph_slice_eq(f->name, want))
            return f->value.kind == PROPHET_NIL ? NULL : &f->value;
    }
    return NULL;
}

prophet_code api_spec_check(const prophet_value *spec, const char *const *names, size_t count,
                            const char *what, prophet_error *err)
{
    if (spec->kind == PROPHET_NIL || (spec->kind == PROPHET_LIST && spec->as.list.count == 0))
        return PROPHET_OK;
    if (spec->kind != PROPHET_MAP)
        return ph_fail(err, PROPHET_EUSAGE, "%s takes a map of options", what);
    for (size_t i = 0; i < spec->as.map.count; i++) {
        prophet_slice name = spec->as.map.items[i].name;
        char text[65];
        bool known = false;
        for (size_t k = 0; k < count && !known; k++)
            known = ph_slice_eq(name, ph_slice_str(names[k]));
        if (known)
            continue;
        (void)snprintf(text, sizeof text, "%.*s", PH_FMT(name));
        prophet_code rc = ph_fail(err, PROPHET_EUSAGE, "%s has no option \"%s\"", what, text);
        const char *close = ph_closest(text, names, count);
        if (close)
            ph_hint(err, "did you mean %s?", close);
        return rc;
    }
    return PROPHET_OK;
}

static prophet_code wrong(const char *name, const char *want, prophet_error *err)
{
    return ph_fail(err, PROPHET_EUSAGE, "the option %s takes %s", name, want);
}

prophet_code api_spec_text(const prophet_value *spec, const char *name, prophet_slice *out,
                           prophet_error *err)
{
    const prophet_value *v = api_member(spec, name);
    if (v && v->kind != PROPHET_TEXT)
        return wrong(name, "text", err);
    *out = v ? v->as.bytes : ph_slice(NULL, 0);
    return PROPHET_OK;
}

prophet_code api_spec_int(const prophet_value *spec, const char *name, int64_t *out, bool *given,
                          prophet_error *err)
{
    const prophet_value *v = api_member(spec, name);
    if (v && (v->kind != PROPHET_INT || v->as.integer < 0))
        return wrong(name, "an integer that is not negative", err);
    *given = v != NULL;
    *out = v ? v->as.integer : 0;
    return PROPHET_OK;
}

prophet_code api_spec_bool(const prophet_value *spec, const char *name, bool *out,
                           prophet_error *err)
{
    const prophet_value *v = api_member(spec, name);
    if (v && v->kind != PROPHET_BOOL)
        return wrong(name, "true or false", err);
    *out = v && v->as.boolean;
    return PROPHET_OK;
}

prophet_code api_spec_ref(const prophet_value *spec, const char *name, ph_uuid *out, bool *given,
                          prophet_error *err)
{
    const prophet_value *v = api_member(spec, name);
    *given = v != NULL;
    if (!v)
        return PROPHET_OK;
    if (v->kind == PROPHET_REF) {
        memcpy(out->b, v->as.ref.b, sizeof out->b);
        return PROPHET_OK;
    }
    if (v->kind == PROPHET_TEXT && ph_uuid_parse(v->as.bytes.data, v->as.bytes.len, out))
        return PROPHET_OK;
    return wrong(name, "the id of a record", err);
}

prophet_code api_spec_time(const prophet_value *spec, const char *name, int64_t *out, bool *given,
                           prophet_error *err)
{
    const prophet_value *v = api_member(spec, name);
    *given = v != NULL;
    if (!v)
        return PROPHET_OK;
    if (v->kind == PROPHET_TIME) {
        *out = v->as.integer;
        return PROPHET_OK;
    }
    if (v->kind == PROPHET_TEXT && ph_time_parse(v->as.bytes.data, v->as.bytes.len, out))
        return PROPHET_OK;
    return wrong(name, "a time", err);
}
