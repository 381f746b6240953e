/* Values that do not fit their type's schema: what another replica wrote under another schema is never refused, only told here. */
#include "api/api_impl.h"

typedef struct checking {
    prophet_db *db;
    ph_view *v;
    const ph_schema *s;
    ph_arena a;
    void (*say)(void *ctx, bool fault, const char *line);
    void *ctx;
    uint64_t invalid;
} checking;

static bool kind_fits(ph_field_kind want, const ph_shown *shown)
{
    ph_kind k = ph_value_kind(shown->value);
    switch (want) {
    case PH_F_STRING:
    case PH_F_TEXT:
    case PH_F_ENUM:
    case PH_F_USER: return k == PH_TEXT;
    case PH_F_INT: return k == PH_INT && shown->kind == PH_SHOWN_REGISTER;
    case PH_F_FLOAT: return k == PH_FLOAT || k == PH_INT;
    case PH_F_BOOL: return k == PH_BOOL;
    case PH_F_BYTES: return k == PH_BYTES;
    case PH_F_TIME: return k == PH_TIME;
    case PH_F_REF: return k == PH_REF;
    case PH_F_BLOB: return k == PH_BLOB;
    case PH_F_LIST: return k == PH_LIST && shown->kind == PH_SHOWN_REGISTER;
    case PH_F_MAP: return k == PH_MAP;
    case PH_F_SET: return shown->kind == PH_SHOWN_SET;
    case PH_F_COUNTER: return shown->kind == PH_SHOWN_COUNTER;
    default: return false;
    }
}

static void tell(checking *c, const ph_row *row, prophet_slice field, const char *what)
{
    char line[300];
    (void)snprintf(line, sizeof line, "%.*s #%llu: %.*s %s", PH_FMT(c->s->type),
                   (unsigned long long)row->number, PH_FMT(field), what);
    c->say(c->ctx, false, line);
    c->invalid++;
}

static prophet_code check_row(checking *c, const ph_row *row, prophet_error *err)
{
    bool *seen = ph_arena_zalloc(&c->a, c->s->field_count + 1);
    size_t pos = 0;
    ph_shown shown;
    prophet_code rc;
    if (!seen)
        return ph_nomem(err);
    while ((rc = ph_row_next(c->v->txn, row, &pos, &c->a, &shown, err)) == PROPHET_OK) {
        prophet_slice name = ph_names_get(c->v->names, shown.field);
        const ph_field_def *f = ph_schema_field(c->s, name);
        if (f)
            seen[f - c->s->fields] = true;
        if (!f)
            tell(c, row, name, "is declared nowhere");
        else if (!kind_fits(f->kind, &shown))
            tell(c, row, name, "holds a value of another kind");
    }
    for (size_t i = 0; i < c->s->field_count && rc >= 0; i++)
        if (c->s->fields[i].required && !seen[i])
            tell(c, row, c->s->fields[i].name, "is required, and missing");
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code check_type(checking *c, prophet_error *err)
{
    ph_cursor *cur;
    prophet_slice k, val;
    uint8_t prefix[4];
    prophet_code rc = ph_cursor_open(c->v->txn, PH_T_RECORDS, &cur, err);
    if (rc < 0)
        return rc;
    ph_u32be_put(prefix, c->s->type_id);
    rc = ph_cursor_seek(cur, ph_slice(prefix, 4), &k, &val, err);
    for (; rc == PROPHET_OK && memcmp(k.data, prefix, 4) == 0;
         rc = ph_cursor_next(cur, &k, &val, err)) {
        ph_row row;
        ph_arena_reset(&c->a);
        if ((rc = api_interrupted(c->db, err)) < 0)
            break;
        if (ph_row_open(k, val, &row) && row.alive && (rc = check_row(c, &row, err)) < 0)
            break;
    }
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code api_check_values(prophet_db *db, void (*say)(void *ctx, bool fault, const char *line),
                              void *ctx, uint64_t *invalid, prophet_error *err)
{
    checking c = { .db = db, .say = say, .ctx = ctx };
    ph_arena names = PH_ARENA_INIT;
    api_read rd = { 0 };
    prophet_slice *types;
    size_t count = 0;
    prophet_code rc = api_read_begin(db, &rd, err);
    if (rc < 0)
        return rc;
    c.v = rd.v;
    rc = ph_view_types(rd.v, &names, &types, &count, err);
    for (size_t i = 0; i < count && rc >= 0; i++)
        if ((rc = ph_view_schema(rd.v, types[i], &c.s, err)) == PROPHET_OK && c.s->defined &&
            c.s->type_id)
            rc = check_type(&c, err);
    *invalid = c.invalid;
    api_read_end(&rd);
    ph_arena_clear(&c.a);
    ph_arena_clear(&names);
    return rc < 0 ? rc : PROPHET_OK;
}
