/* The list of conflicts, by type, record, field. */
#include "api/api_impl.h"

typedef struct listing {
    ph_arena arena, scratch;
    ph_cell_key *keys;
    size_t count, pos;
    uint32_t field; /* 0: any */
    bool life, none;
    bool brief; /* which, and nothing of what became of them: that has to be read from the log */
    prophet_slice id; /* hex: the head of an id, or empty */
    size_t found;     /* of that head */
} listing;

static void close_listing(void *state)
{
    listing *l = state;
    ph_arena_clear(&l->arena);
    ph_arena_clear(&l->scratch);
    ph_free(l);
}

static prophet_code id_fits(listing *l, ph_view *v, const ph_cell_key *key, bool *yes,
                            prophet_error *err)
{
    uint8_t id[32];
    char hex[65];
    prophet_code rc = l->id.len ? api_conflict_id(v, key, id, err) : PROPHET_OK;
    *yes = l->id.len == 0;
    if (rc < 0 || *yes)
        return rc;
    ph_hex(id, 32, hex);
    *yes = l->id.len <= 64 && memcmp(hex, l->id.data, l->id.len) == 0;
    return rc;
}

/* Keeps what fits, so that the list is as long as it says. */
static prophet_code narrow(listing *l, ph_view *v, prophet_error *err)
{
    size_t kept = 0;
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < l->count && rc >= 0; i++) {
        bool yes = !l->none && (!l->field || l->keys[i].field == l->field) &&
                   (!l->life || l->keys[i].field == PH_LIFE);
        if (yes && (rc = id_fits(l, v, &l->keys[i], &yes, err)) >= 0 && yes)
            l->keys[kept++] = l->keys[i];
    }
    l->count = kept;
    if (rc >= 0 && l->id.len && l->id.len < 64 && kept > 1)
        return ph_fail(err, PROPHET_EAMBIGUOUS, "several conflicts start with %.*s", PH_FMT(l->id));
    return rc;
}

static prophet_code read_field(listing *l, ph_view *v, const prophet_value *spec,
                               prophet_slice type, prophet_error *err)
{
    prophet_slice field;
    const ph_schema *s;
    prophet_code rc;
    if ((rc = api_spec_text(spec, "field", &field, err)) < 0 ||
        (rc = api_spec_bool(spec, "life", &l->life, err)) < 0 || field.len == 0)
        return rc;
    if (type.len) {
        if ((rc = ph_view_schema(v, type, &s, err)) < 0)
            return rc;
        bool known = s->defined && ph_schema_field(s, field);
        if (!known && ph_slice_eq(field, ph_slice_str("life"))) {
            l->life = true;
            return PROPHET_OK;
        }
        if (s->defined && !known)
            return api_unknown_field(s, field, err);
    }
    l->field = ph_names_find(v->names, field);
    l->none = l->field == 0;
    return PROPHET_OK;
}

static prophet_code read_status(const prophet_value *spec, int *status, prophet_error *err)
{
    prophet_slice text;
    prophet_code rc = api_spec_text(spec, "status", &text, err);
    *status = text.len == 0 ? -1 : ph_slice_eq(text, ph_slice_str("open")) ? 1 : 0;
    if (rc >= 0 && *status == 0 && !ph_slice_eq(text, ph_slice_str("closed")))
        rc = ph_fail(err, PROPHET_EUSAGE, "the status of a conflict is \"open\" or \"closed\"");
    return rc;
}

static prophet_code list_keys(listing *l, prophet_db *db, ph_view *v, const prophet_value *spec,
                              prophet_error *err)
{
    static const char *const names[] = {
        "status", "type", "record", "field", "life", "id", "brief"
    };
    prophet_slice type;
    ph_uuid record;
    uint32_t type_id;
    bool has_record, ok = true;
    int status;
    prophet_code rc;
    if ((rc = api_spec_check(spec, names, sizeof names / sizeof *names, "conflicts", err)) < 0 ||
        (rc = read_status(spec, &status, err)) < 0 ||
        (rc = api_spec_text(spec, "type", &type, err)) < 0 ||
        (rc = api_spec_text(spec, "id", &l->id, err)) < 0 ||
        (rc = api_spec_bool(spec, "brief", &l->brief, err)) < 0 ||
        (rc = api_spec_ref(spec, "record", &record, &has_record, err)) < 0)
        return rc;
    l->id = ph_arena_copy(&l->arena, l->id, &ok);
    if (!ok)
        return ph_nomem(err);
    if ((type.len && (rc = api_type_known(db, v, type, &type_id, err)) < 0) ||
        (rc = read_field(l, v, spec, type, err)) < 0)
        return rc;
    rc = ph_view_conflicts(v, type, has_record ? &record : NULL, status, &l->arena, &l->keys,
                           &l->count, err);
    return rc < 0 ? rc : narrow(l, v, err);
}

static prophet_code brief_doc(ph_view *v, const ph_cell_key *key, prophet_doc **out,
                              prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    bool life = key->field == PH_LIFE;
    prophet_uuid ref;
    memcpy(ref.b, key->uuid.b, sizeof ref.b);
    api_put_text(&m, "type", api_keep(&m, ph_names_get(v->names, key->type)));
    api_put(&m, "record", prophet_ref(ref));
    api_put_text(&m, "field",
                 life ? ph_slice_str("life") : api_keep(&m, ph_names_get(v->names, key->field)));
    if (life)
        api_put(&m, "life", prophet_bool(true));
    prophet_code rc = api_doc_take(&a, &m, out, err);
    ph_arena_clear(&a);
    return rc;
}

static prophet_code next_conflict(prophet_iter *it, void *state, prophet_doc **out,
                                  prophet_error *err)
{
    listing *l = state;
    ph_conflict c;
    prophet_code rc = PROPHET_DONE;
    if (l->brief && l->pos < l->count)
        return brief_doc(it->read.v, &l->keys[l->pos++], out, err);
    while (rc == PROPHET_DONE && l->pos < l->count) {
        ph_arena_reset(&l->scratch);
        rc = ph_view_conflict(it->read.v, &l->keys[l->pos++], &l->scratch, &c, err);
    }
    return rc == PROPHET_OK ? api_conflict_doc(it->db, it->read.v, &c, out, err) : rc;
}

prophet_code prophet_conflicts(prophet_db *db, prophet_value spec, prophet_iter **out,
                               prophet_error *err)
{
    api_read rd = { 0 };
    listing *l;
    prophet_code rc = api_read_keep(db, &rd, err);
    if (rc < 0)
        return rc;
    if (!(l = ph_zalloc(sizeof *l)))
        rc = ph_nomem(err);
    if (rc >= 0 && (rc = list_keys(l, db, rd.v, &spec, err)) >= 0 &&
        (rc = api_iter_new(db, next_conflict, close_listing, l, out, err)) >= 0) {
        (*out)->read = rd;
        return PROPHET_OK;
    }
    if (l)
        close_listing(l);
    api_read_end(&rd);
    return rc;
}
