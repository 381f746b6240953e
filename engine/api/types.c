/* Record types as descriptors: what prophet_txn_define takes and the type's record keeps. */
#include "api/api_impl.h"

/* {name, kind, options..} */
static void put_field(api_list *fields, const ph_field_def *f)
{
    api_map m = api_map_in(fields->a);
    ph_item map, key, value;
    api_put_text(&m, "name", f->name);
    api_put_text(&m, "kind", ph_slice_str(ph_field_kind_name(f->kind)));
    if (ph_value_open(f->options, &map) && map.kind == PH_MAP) {
        ph_reader r = ph_reader_of(map.s);
        while (ph_read_item(&r, &key) && ph_read_item(&r, &value)) {
            prophet_value v;
            if (ph_slice_eq(key.s, ph_slice_str("kind")) ||
                ph_slice_eq(key.s, ph_slice_str("name")))
                continue;
            prophet_slice copy = api_keep(&m, value.raw);
            if (api_decode(copy, m.a, &v, NULL) < 0)
                m.failed = true;
            else
                api_put_slice(&m, api_keep(&m, key.s), v);
        }
    }
    api_push_map(fields, &m);
}

/* Several fields: the text lies in the spec, as "status,-due"; one: as the field says itself, left out. */
static void put_indexes(api_map *m, const ph_schema *s)
{
    api_list all = api_list_in(m->a);
    for (size_t i = 0; i < s->index_count; i++) {
        prophet_slice spec = s->indexes[i].spec;
        api_list one = api_list_in(m->a);
        const char *p = spec.data, *end = p + spec.len;
        bool several = memchr(p, ',', spec.len) != NULL || (spec.len && *p == '-');
        while (several && p < end) {
            const char *comma = memchr(p, ',', (size_t)(end - p));
            prophet_slice name = api_keep(m, ph_slice(p, (size_t)((comma ? comma : end) - p)));
            api_push(&one, prophet_text_n(name.data, name.len));
            p = comma ? comma + 1 : end;
        }
        if (several)
            api_push(&all, prophet_list(one.at, one.count));
        m->failed = m->failed || one.failed;
    }
    if (all.count)
        api_put_list(m, "indexes", &all);
}

static const char *const life_rules[] = { "latest",  "first",      "max",      "min",
                                          "longest", "alive-wins", "dead-wins" };

static prophet_code describe(const ph_schema *s, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    api_list fields = api_list_in(&a), key = api_list_in(&a);
    api_put_text(&m, "name", s->type);
    for (size_t i = 0; i < s->field_count; i++)
        put_field(&fields, &s->fields[i]);
    api_put_list(&m, "fields", &fields);
    put_indexes(&m, s);
    for (size_t i = 0; i < s->key_count; i++) {
        prophet_slice name = api_keep(&m, s->key[i]);
        api_push(&key, prophet_text_n(name.data, name.len));
    }
    if (s->key_count)
        api_put_list(&m, "key", &key);
    api_put_text(&m, "summary", s->summary);
    api_put_text(&m, "doc", s->doc);
    for (size_t i = 0; i < sizeof life_rules / sizeof *life_rules; i++) {
        ph_rule rule;
        if (s->life_rule != PH_RULE_ALIVE_WINS &&
            ph_rule_parse(ph_slice_str(life_rules[i]), &rule) && rule == s->life_rule)
            api_put_text(&m, "life", ph_slice_str(life_rules[i]));
    }
    prophet_code rc = api_doc_take(&a, &m, out, err);
    ph_arena_clear(&a);
    return rc;
}

prophet_code prophet_schema(prophet_db *db, const char *type, prophet_doc **out, prophet_error *err)
{
    api_read rd = { 0 };
    const ph_schema *s;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    rc = ph_view_schema(rd.v, ph_slice_str(type), &s, err);
    if (rc == PROPHET_OK && s->defined)
        rc = describe(s, out, err);
    else if (rc >= 0)
        rc = api_unknown_type(rd.v, ph_slice_str(type), err);
    api_read_end(&rd);
    return rc;
}

prophet_code prophet_types(prophet_db *db, prophet_iter **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_read rd = { 0 };
    api_docs docs = { 0 };
    prophet_slice *names;
    size_t count = 0;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    rc = ph_view_types(rd.v, &a, &names, &count, err);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        const ph_schema *s;
        prophet_doc *doc = NULL;
        if (ph_type_reserved(names[i]))
            continue;
        if ((rc = ph_view_schema(rd.v, names[i], &s, err)) >= 0 &&
            (rc = describe(s, &doc, err)) >= 0 && !api_docs_push(&docs, doc))
            rc = ph_nomem(err);
    }
    api_read_end(&rd);
    ph_arena_clear(&a);
    if (rc < 0) {
        api_docs_clear(&docs);
        return rc;
    }
    return api_iter_docs(db, &docs, out, err);
}
