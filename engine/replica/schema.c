/* Record types as the engine knows them: `_type` records compiled into ph_schema. A `_type` record has `name`, `order`
 * (field names), `indexes`, `key`, `summary`, `doc`, `life`, and one register an option of a field: `kind.status`,
 * `rule.status`, `min.severity`, ... Each is a cell of its own, so additions of two replicas merge.
 * The cache of a handle holds for one value of state.schema, which every change of a `_type` or `_voter` record raises. */
#include "replica/replica_impl.h"
#include "replica/schema_impl.h"
#include <stdlib.h>

static const char *const kind_names[PH_F_KINDS] = { "string",   "text", "int",  "float", "bool",
                                                    "bytes",    "time", "enum", "user",  "ref",
                                                    "blob",     "list", "map",  "set",   "counter",
                                                    "computed", "many" };

const char *ph_field_kind_name(ph_field_kind k)
{
    return kind_names[k];
}

bool ph_field_kind_parse(prophet_slice s, ph_field_kind *out)
{
    for (int k = 0; k < PH_F_KINDS; k++) {
        if (ph_slice_eq(s, ph_slice_str(kind_names[k]))) {
            *out = (ph_field_kind)k;
            return true;
        }
    }
    return false;
}

static size_t slot_of(prophet_slice name)
{
    const uint8_t *p = name.data;
    return name.len ? name.len * 131 + p[0] * 31u + p[name.len / 2] * 7u + p[name.len - 1] : 0;
}

const ph_field_def *ph_schema_field(const ph_schema *s, prophet_slice name)
{
    if (!s->slots)
        return NULL;
    for (size_t i = slot_of(name) & s->slot_mask; s->slots[i]; i = (i + 1) & s->slot_mask)
        if (ph_slice_eq(s->fields[s->slots[i] - 1].name, name))
            return &s->fields[s->slots[i] - 1];
    return NULL;
}

bool ph_field_option(const ph_field_def *f, const char *option, prophet_slice *value)
{
    ph_item map, key, item;
    prophet_slice want = ph_slice_str(option);
    if (!ph_value_open(f->options, &map) || map.kind != PH_MAP)
        return false;
    ph_reader r = ph_reader_of(map.s);
    while (ph_read_item(&r, &key) && ph_read_item(&r, &item)) {
        if (ph_slice_eq(key.s, want)) {
            *value = item.raw;
            return true;
        }
    }
    return false;
}

prophet_code ph_schema_uuid(ph_replica *r, prophet_slice type, ph_uuid *out, prophet_error *err)
{
    ph_buf key = PH_BUF_INIT;
    ph_put_list(&key, 1);
    ph_put_text(&key, type);
    prophet_code rc = key.failed ? ph_nomem(err)
                                 : ph_uuid_v5(r->hasher, ph_log_database(r->log),
                                              ph_slice_str("_type"), ph_buf_slice(&key), out, err);
    ph_buf_clear(&key);
    return rc;
}

/* ---- compiling ------------------------------------------------------------------------------------------- */

typedef struct option { /* one `option.field` cell */
    prophet_slice option, field, value;
} option;

typedef struct compiler {
    ph_replica *r;
    ph_arena *a;
    ph_schema *s;
    option *options;
    size_t count;
} compiler;

static int by_field(const void *a, const void *b)
{
    const option *x = a, *y = b;
    int c = ph_slice_cmp(x->field, y->field);
    if (c)
        return c;
    if (x->option.len != y->option.len) /* canonical map key order */
        return x->option.len < y->option.len ? -1 : 1;
    return ph_slice_cmp(x->option, y->option);
}

static prophet_code texts(prophet_slice list, ph_arena *a, const prophet_slice **out, size_t *count,
                          prophet_error *err)
{
    ph_item item, one;
    if (!ph_value_open(list, &item) || item.kind != PH_LIST)
        return PROPHET_OK;
    prophet_slice *at = ph_arena_alloc(a, ((size_t)item.i + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    ph_reader r = ph_reader_of(item.s);
    size_t n = 0;
    while (ph_read_item(&r, &one))
        if (one.kind == PH_TEXT)
            at[n++] = one.s;
    *out = at;
    *count = n;
    return PROPHET_OK;
}

static bool is_true(prophet_slice v)
{
    ph_item item;
    return ph_value_open(v, &item) && item.kind == PH_BOOL && item.b;
}

static prophet_slice text_of(prophet_slice v)
{
    ph_item item;
    return ph_value_open(v, &item) && item.kind == PH_TEXT ? item.s : ph_slice(NULL, 0);
}

static prophet_code field_options(compiler *c, ph_field_def *f, const option *o, size_t n,
                                  prophet_error *err)
{
    ph_buf map = PH_BUF_INIT;
    bool ok = true;
    ph_put_map(&map, n);
    for (size_t i = 0; i < n; i++) {
        ph_put_text(&map, o[i].option);
        ph_buf_put(&map, o[i].value.data, o[i].value.len);
        if (ph_slice_eq(o[i].option, ph_slice_str("kind")))
            (void)ph_field_kind_parse(text_of(o[i].value), &f->kind);
        else if (ph_slice_eq(o[i].option, ph_slice_str("rule")))
            (void)ph_rule_parse(text_of(o[i].value), &f->rule);
        else if (ph_slice_eq(o[i].option, ph_slice_str("required")))
            f->required = is_true(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("immutable")))
            f->immutable = is_true(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("open")))
            f->open = is_true(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("hidden")))
            f->hidden = is_true(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("index")))
            f->index = is_true(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("min")))
            f->min = o[i].value;
        else if (ph_slice_eq(o[i].option, ph_slice_str("max")))
            f->max = o[i].value;
        else if (ph_slice_eq(o[i].option, ph_slice_str("values")))
            f->values = o[i].value;
        else if (ph_slice_eq(o[i].option, ph_slice_str("of")))
            f->of = text_of(o[i].value);
        else if (ph_slice_eq(o[i].option, ph_slice_str("to")))
            f->to = text_of(o[i].value);
    }
    f->options = ph_arena_copy(c->a, ph_buf_slice(&map), &ok);
    ok = ok && !map.failed;
    ph_buf_clear(&map);
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* Declared order first; fields that only another replica's definition has come after, by name. */
static size_t order_of(const prophet_slice *order, size_t n, prophet_slice name)
{
    for (size_t i = 0; i < n; i++)
        if (ph_slice_eq(order[i], name))
            return i;
    return n;
}

static void sort_fields(ph_field_def *f, size_t n, const prophet_slice *order, size_t order_count)
{
    for (size_t i = 1; i < n; i++) /* few; by name already */
        for (size_t k = i; k > 0 && order_of(order, order_count, f[k].name) <
                                        order_of(order, order_count, f[k - 1].name);
             k--) {
            ph_field_def t = f[k];
            f[k] = f[k - 1];
            f[k - 1] = t;
        }
}

static prophet_code fill_slots(ph_schema *s, ph_arena *a, prophet_error *err)
{
    size_t size = 8;
    while (size < 4 * s->field_count)
        size *= 2;
    uint16_t *slots = ph_arena_zalloc(a, size * sizeof *slots);
    if (!slots)
        return ph_nomem(err);
    for (size_t i = 0; i < s->field_count && i < UINT16_MAX; i++) {
        size_t at = slot_of(s->fields[i].name) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = (uint16_t)(i + 1);
    }
    s->slots = slots;
    s->slot_mask = size - 1;
    return PROPHET_OK;
}

static prophet_code compile_fields(compiler *c, prophet_slice order_list, prophet_error *err)
{
    const prophet_slice *order = NULL;
    size_t order_count = 0, n = 0;
    prophet_code rc = texts(order_list, c->a, &order, &order_count, err);
    ph_field_def *fields = ph_arena_zalloc(c->a, (c->count + 1) * sizeof *fields);
    if (rc < 0 || !fields)
        return rc < 0 ? rc : ph_nomem(err);
    qsort(c->options, c->count, sizeof *c->options, by_field);
    for (size_t i = 0; i < c->count;) {
        size_t k = i;
        while (k < c->count && ph_slice_eq(c->options[k].field, c->options[i].field))
            k++;
        fields[n].name = c->options[i].field;
        fields[n].id = ph_names_find(c->r->names, fields[n].name);
        if ((rc = field_options(c, &fields[n], &c->options[i], k - i, err)) < 0)
            return rc;
        n++;
        i = k;
    }
    sort_fields(fields, n, order, order_count);
    c->s->fields = fields;
    c->s->field_count = n;
    return fill_slots(c->s, c->a, err);
}

/* ---- reading the record ------------------------------------------------------------------------------------ */

typedef struct parts {
    prophet_slice order, indexes, key;
} parts;

static prophet_code read_cells(compiler *c, ph_txn *t, ph_record *rec, parts *p, prophet_error *err)
{
    for (uint32_t i = 0; i < rec->cell_count; i++) {
        ph_cell *cell = &rec->cells[i];
        prophet_code rc;
        if (!cell->is_register)
            continue;
        if (!cell->loaded && (rc = ph_cell_load(t, rec, cell, c->a, err)) < 0)
            return rc;
        if (cell->shown.len == 0)
            continue;
        prophet_slice name = ph_names_get(c->r->names, cell->field);
        const char *dot = memchr(name.data, '.', name.len);
        if (dot) {
            size_t at = (size_t)(dot - (const char *)name.data);
            option o = { ph_slice(name.data, at), ph_slice(dot + 1, name.len - at - 1),
                         cell->shown };
            c->options[c->count++] = o;
        } else if (ph_slice_eq(name, ph_slice_str("order")))
            p->order = cell->shown;
        else if (ph_slice_eq(name, ph_slice_str("indexes")))
            p->indexes = cell->shown;
        else if (ph_slice_eq(name, ph_slice_str("key")))
            p->key = cell->shown;
        else if (ph_slice_eq(name, ph_slice_str("summary")))
            c->s->summary = text_of(cell->shown);
        else if (ph_slice_eq(name, ph_slice_str("doc")))
            c->s->doc = text_of(cell->shown);
        else if (ph_slice_eq(name, ph_slice_str("life")))
            (void)ph_rule_parse(text_of(cell->shown), &c->s->life_rule);
    }
    return PROPHET_OK;
}

static prophet_code compile(ph_replica *r, ph_txn *t, ph_arena *a, ph_schema *s, prophet_error *err)
{
    ph_record rec;
    ph_uuid id;
    parts p = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    uint32_t type_type = ph_names_find(r->names, ph_slice_str("_type"));
    prophet_code rc;

    s->life_rule = PH_RULE_ALIVE_WINS;
    s->type_id = ph_names_find(r->names, s->type);
    if (!type_type || ph_type_reserved(s->type))
        return PROPHET_OK;
    if ((rc = ph_schema_uuid(r, s->type, &id, err)) < 0 ||
        (rc = ph_record_load(t, type_type, &id, a, &rec, err)) != PROPHET_OK)
        return rc < 0 ? rc : PROPHET_OK;
    if (!rec.alive) /* a deleted definition is none */
        return PROPHET_OK;
    s->defined = true;
    compiler c = { r, a, s, ph_arena_alloc(a, (rec.cell_count + 1u) * sizeof(option)), 0 };
    if (!c.options)
        return ph_nomem(err);
    if ((rc = read_cells(&c, t, &rec, &p, err)) < 0 ||
        (rc = compile_fields(&c, p.order, err)) < 0 ||
        (rc = texts(p.key, a, &s->key, &s->key_count, err)) < 0)
        return rc;
    rc = ph_schema_indexes(r, a, s, p.indexes, err);
    return rc < 0 ? rc : ph_schema_fulltext(r, a, s, err);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

static prophet_code intern_index(ph_session *s, prophet_slice type, prophet_slice spec,
                                 prophet_error *err)
{
    ph_buf name = PH_BUF_INIT;
    uint32_t id;
    prophet_code rc = ph_index_name(s->r, type, spec, &name, err);
    if (rc >= 0)
        rc = ph_names_intern(s->r->names, s->txn, &s->state, ph_buf_slice(&name), &id, err);
    ph_buf_clear(&name);
    return rc;
}

static prophet_code intern_head(ph_session *s, prophet_slice type, prophet_slice field,
                                prophet_slice value, prophet_error *err)
{
    uint32_t id;
    ph_item item, one;
    prophet_code rc = PROPHET_OK;
    const char *name = field.data;
    if (field.len > 5 && memcmp(name, "kind.", 5) == 0)
        return ph_names_intern(s->r->names, s->txn, &s->state, ph_slice(name + 5, field.len - 5),
                               &id, err);
    if (field.len > 9 && memcmp(name, "fulltext.", 9) == 0)
        return intern_index(s, type, ph_slice_str(PH_TEXT_SPEC), err);
    if (field.len > 6 && memcmp(name, "index.", 6) == 0)
        return intern_index(s, type, ph_slice(name + 6, field.len - 6), err);
    if (!ph_slice_eq(field, ph_slice_str("indexes")) || !ph_value_open(value, &item) ||
        item.kind != PH_LIST)
        return PROPHET_OK;
    ph_reader r = ph_reader_of(item.s);
    ph_buf spec = PH_BUF_INIT;
    while (rc >= 0 && ph_read_item(&r, &one))
        if ((rc = ph_index_spec(&one, &spec, err)) >= 0 && spec.len > 0)
            rc = intern_index(s, type, ph_buf_slice(&spec), err);
    ph_buf_clear(&spec);
    return rc;
}

static prophet_code defines(ph_replica *r, const ph_record *rec, prophet_slice type, bool *yes,
                            prophet_error *err)
{
    ph_uuid id;
    *yes = false;
    if (!ph_name_valid(type)) /* whatever a peer calls it: no record can have this type */
        return PROPHET_OK;
    prophet_code rc = ph_schema_uuid(r, type, &id, err);
    *yes = rc >= 0 && ph_uuid_eq(&id, &rec->uuid);
    return rc;
}

/* The id says which type it is, whatever somebody wrote over its name. */
prophet_code ph_schema_type_of(ph_session *s, ph_record *rec, prophet_slice *out,
                               prophet_error *err)
{
    uint32_t field = ph_names_find(s->r->names, ph_slice_str("name"));
    const ph_cell *name = field ? ph_record_cell(rec, field) : NULL;
    ph_item item;
    bool yes;
    prophet_code rc;
    *out = ph_slice(NULL, 0);
    for (uint32_t i = 0; name && name->heads && i < name->head_count; i++) {
        if (!ph_value_open(name->heads[i].value, &item) || item.kind != PH_TEXT)
            continue;
        if ((rc = defines(s->r, rec, item.s, &yes, err)) < 0)
            return rc;
        if (yes) {
            *out = item.s;
            return PROPHET_OK;
        }
    }
    for (uint32_t id = 1; id <= ph_names_count(s->r->names); id++) {
        prophet_slice known = ph_names_get(s->r->names, id);
        if ((rc = defines(s->r, rec, known, &yes, err)) < 0)
            return rc;
        if (yes) {
            *out = known;
            return PROPHET_OK;
        }
    }
    return PROPHET_OK;
}

/* Numbers for the names a definition brings, given in the order of changesets: a rebuild gives the same ones. */
prophet_code ph_schema_intern(ph_session *s, ph_work_record *wr, prophet_error *err)
{
    prophet_slice type;
    uint32_t id;
    prophet_code rc = ph_schema_type_of(s, &wr->rec, &type, err);
    if (rc < 0 || type.len == 0)
        return rc;
    rc = ph_names_intern(s->r->names, s->txn, &s->state, type, &id, err);
    for (uint32_t i = 0; i < wr->rec.cell_count && rc >= 0; i++) {
        ph_cell *c = &wr->rec.cells[i];
        prophet_slice field = ph_names_get(s->r->names, c->field);
        if (c->is_register && !c->loaded)
            rc = ph_cell_load(s->txn, &wr->rec, c, &s->arena, err);
        for (uint32_t k = 0; k < c->head_count && rc >= 0; k++)
            rc = intern_head(s, type, field, c->heads[k].value, err);
    }
    return rc;
}

/* ---- the cache --------------------------------------------------------------------------------------------- */

prophet_code ph_schemas_ready(ph_replica *r, uint64_t stamp, prophet_error *err)
{
    if (!r->schemas && !(r->schemas = ph_zalloc(sizeof *r->schemas)))
        return ph_nomem(err);
    if (r->schemas->stamp != stamp) {
        ph_schemas_forget(r);
        r->schemas->stamp = stamp;
    }
    return PROPHET_OK;
}

prophet_code ph_schemas_get(ph_replica *r, ph_txn *t, uint64_t stamp, prophet_slice type,
                            const ph_schema **out, prophet_error *err)
{
    prophet_code rc = ph_schemas_ready(r, stamp, err);
    if (rc < 0)
        return rc;
    struct ph_schemas *c = r->schemas;
    ph_schema *s = ph_map_get(&c->types, type);
    if (s && s->type_id == 0)
        s->type_id = ph_names_find(r->names, type); /* its first record may have come since */
    if (!s) {
        bool ok = true;
        if (!(s = ph_arena_zalloc(&c->arena, sizeof *s)))
            return ph_nomem(err);
        s->type = ph_arena_copy(&c->arena, type, &ok);
        if (!ok)
            return ph_nomem(err);
        if ((rc = compile(r, t, &c->arena, s, err)) < 0)
            return rc;
        if (!ph_map_put(&c->types, s->type, s))
            return ph_nomem(err);
    }
    *out = s;
    return PROPHET_OK;
}

void ph_schemas_forget(ph_replica *r)
{
    if (!r->schemas)
        return;
    ph_map_reset(&r->schemas->types);
    ph_map_reset(&r->schemas->lines);
    ph_arena_reset(&r->schemas->arena);
    r->schemas->weights_loaded = false;
}

void ph_schemas_free(ph_replica *r)
{
    if (!r->schemas)
        return;
    ph_map_clear(&r->schemas->types);
    ph_map_clear(&r->schemas->lines);
    ph_arena_clear(&r->schemas->arena);
    ph_free(r->schemas);
    r->schemas = NULL;
}
