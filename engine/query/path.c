/* path: field names of a query become steps over records, and operands become values of the field's kind.
 *
 * Called by condition.c and compile.c. All that can be said about a wrong name or value is said here, before a
 * row is read: a condition that silently matches nothing is the worst bug there is. */
#include "query/query_impl.h"
#include <errno.h>
#include <stdlib.h>

static prophet_code unknown_field(compiler *c, prophet_slice type, prophet_slice name,
                                  prophet_error *err)
{
    const char *const *names = NULL;
    size_t count = 0;
    char text[PH_RESERVED_MAX + 1];
    size_t len = name.len < sizeof text - 1 ? name.len : sizeof text - 1;

    if (c->schema->names(c->schema->ctx, type, c->a, &names, &count, err) < 0)
        return err ? err->code : PROPHET_EFIELD;
    memcpy(text, name.data, len);
    text[len] = 0;
    const char *close = ph_closest(text, names, count);
    ph_fail(err, PROPHET_EFIELD, "%.*s has no field \"%.*s\"", PH_FMT(type), (int)len, text);
    ph_error_at(err, type, name);
    if (close)
        ph_hint(err, "did you mean %s?", close);
    return PROPHET_EFIELD;
}

/* id, n and version, where no field is so named. */
static bool pseudo_field(prophet_slice name, path_step *step, ph_query_kind *kind)
{
    static const struct {
        const char *name;
        step_kind step;
        ph_query_kind kind;
    } known[] = { { "id", STEP_ID, PH_Q_REF },
                  { "n", STEP_NUMBER, PH_Q_INT },
                  { "version", STEP_VERSION, PH_Q_INT } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ph_slice_eq(name, ph_slice_str(known[i].name))) {
            step->kind = known[i].step;
            *kind = known[i].kind;
            return true;
        }
    return false;
}

static prophet_code reverse_of(compiler *c, uint32_t type, uint32_t field, size_t *which,
                               prophet_error *err)
{
    ph_query *q = c->q;

    for (size_t i = 0; i < q->reverse_count; i++)
        if (q->reverse[i].type == type && q->reverse[i].field == field) {
            *which = i;
            return PROPHET_OK;
        }
    if (q->reverse_count == q->reverse_cap) {
        size_t cap = q->reverse_cap ? 2 * q->reverse_cap : 4;
        reverse_key *keys = ph_arena_alloc(c->a, cap * sizeof *keys);
        if (!keys)
            return ph_nomem(err);
        if (q->reverse_count)
            memcpy(keys, q->reverse, q->reverse_count * sizeof *keys);
        q->reverse = keys;
        q->reverse_cap = cap;
    }
    q->reverse[q->reverse_count] = (reverse_key){ type, field };
    *which = q->reverse_count++;
    return PROPHET_OK;
}

static prophet_code no_such_many(prophet_slice type, prophet_slice name, const ph_query_field *f,
                                 prophet_error *err)
{
    ph_fail(err, PROPHET_ESCHEMA,
            "%.*s.%.*s gathers %.*s by its field \"%.*s\", which there is not", PH_FMT(type),
            PH_FMT(name), PH_FMT(f->to), PH_FMT(f->by));
    ph_error_at(err, type, name);
    return PROPHET_ESCHEMA;
}

static prophet_code step_of(compiler *c, prophet_slice type, prophet_slice name,
                            const ph_query_field *f, path_step *step, prophet_error *err)
{
    ph_query_field by;
    prophet_code rc;

    *step = (path_step){
        .kind = STEP_FIELD, .field = f->id, .declared = f->kind, .counter = f->kind == PH_Q_COUNTER
    };
    if (f->kind == PH_Q_COMPUTED) {
        ph_fail(err, PROPHET_EUSAGE, "%.*s.%.*s is computed, not stored", PH_FMT(type),
                PH_FMT(name));
        ph_error_at(err, type, name);
        ph_hint(err, "test it with a function: q.fn");
        return PROPHET_EUSAGE;
    }
    if (f->to.len > 0 && ((rc = c->schema->type(c->schema->ctx, f->to, &step->to, err)) < 0 ||
                          (rc = ph_query_note_type(c, f->to, step->to, err)) < 0))
        return rc;
    if (f->kind != PH_Q_MANY)
        return PROPHET_OK;
    rc = c->schema->field(c->schema->ctx, f->to, f->by, &by, err);
    if (rc != PROPHET_OK)
        return rc < 0 ? rc : no_such_many(type, name, f, err);
    step->kind = STEP_MANY;
    step->field = by.id;
    return reverse_of(c, step->to, by.id, &step->reverse, err);
}

/* May the path go on behind this field? */
static prophet_code leads_on(prophet_slice type, prophet_slice name, const ph_query_field *f,
                             prophet_error *err)
{
    bool refers =
        f->kind == PH_Q_REF || f->kind == PH_Q_MANY ||
        ((f->kind == PH_Q_SET || f->kind == PH_Q_LIST) && (f->of == PH_Q_REF || f->to.len > 0));

    if (refers && f->to.len > 0)
        return PROPHET_OK;
    ph_fail(err, PROPHET_EFIELD,
            refers ? "%.*s.%.*s refers to records of any type: no path leads on"
                   : "%.*s.%.*s is no reference: no path leads on",
            PH_FMT(type), PH_FMT(name));
    ph_error_at(err, type, name);
    if (refers)
        ph_hint(err, "declare what it refers to, as in f.ref \"%.*s\" { to = \"..\" }",
                PH_FMT(name));
    return PROPHET_EFIELD;
}

/* Names of reserved types have dots, so the whole rest is tried before its first part. */
static prophet_code find_field(compiler *c, prophet_slice type, prophet_slice rest,
                               prophet_slice *name, ph_query_field *f, prophet_error *err)
{
    *f = (ph_query_field){ .kind = PH_Q_ANY };
    *name = rest;
    prophet_code rc = c->schema->field(c->schema->ctx, type, rest, f, err);
    const char *dot = memchr(rest.data, '.', rest.len);
    if (rc != PROPHET_DONE || !dot)
        return rc;
    *name = ph_slice(rest.data, (size_t)(dot - (const char *)rest.data));
    return c->schema->field(c->schema->ctx, type, *name, f, err);
}

/* *part: what of the text is read. */
static prophet_code read_path(compiler *c, prophet_slice text, path *out, prophet_slice *part,
                              prophet_error *err)
{
    path_step *steps = ph_arena_alloc(c->a, (text.len / 2 + 1) * sizeof *steps);
    prophet_slice type = c->q->type_name, rest = text, name;
    ph_query_field f;
    bool ok = true;

    *out = (path){ .text = ph_arena_copy(c->a, text, &ok), .steps = steps };
    if (!steps || !ok)
        return ph_nomem(err);
    for (;;) {
        if (rest.len == 0)
            return ph_fail(err, PROPHET_EUSAGE, "\"%.*s\" is no field name", PH_FMT(text));
        path_step *step = &steps[out->count++];
        prophet_code rc = find_field(c, type, rest, &name, &f, err);
        if (rc < 0)
            return rc;
        if (rc == PROPHET_DONE) {
            *step = (path_step){ .kind = STEP_FIELD };
            if (name.len < rest.len || !pseudo_field(name, step, &out->kind))
                return unknown_field(c, type, name, err);
            return PROPHET_OK;
        }
        if ((rc = step_of(c, type, name, &f, step, err)) < 0)
            return rc;
        out->kind = f.kind;
        out->of = f.of;
        out->language = f.language;
        out->weight = f.weight;
        if (name.len == rest.len) {
            out->to = ph_arena_copy(c->a, f.to, &ok);
            out->values = ph_arena_copy(c->a, f.values, &ok);
            return ok ? PROPHET_OK : ph_nomem(err);
        }
        if ((rc = leads_on(type, name, &f, err)) < 0)
            return rc;
        rest = ph_slice((const char *)rest.data + name.len + 1, rest.len - name.len - 1);
        *part = rest;
        type = ph_arena_copy(c->a, f.to, &ok);
        if (!ok || out->count > text.len / 2)
            return ok ? ph_fail(err, PROPHET_EUSAGE, "\"%.*s\" is no field name", PH_FMT(text))
                      : ph_nomem(err);
    }
}

prophet_code ph_query_path(compiler *c, prophet_slice text, path *out, prophet_error *err)
{
    prophet_slice part = text;
    prophet_code rc = read_path(c, text, out, &part, err);

    if (rc < 0 && c->column > 0)
        c->column += (size_t)((const char *)part.data - (const char *)text.data);
    return rc;
}

/* ---- operands --------------------------------------------------------------------------------------------- */

/* {"$word": text}: what a person typed. */
static bool is_word(const ph_item *x, prophet_slice *word)
{
    ph_reader in = ph_reader_of(x->s);
    ph_item key, value;

    if (x->kind != PH_MAP || x->i != 1 || !ph_read_item(&in, &key) || !ph_read_item(&in, &value) ||
        !ph_slice_eq(key.s, ph_slice_str("$word")) || value.kind != PH_TEXT)
        return false;
    *word = value.s;
    return true;
}

static bool read_int(const char *s, int64_t *out)
{
    char *end;

    errno = 0;
    s += *s == '#';
    long long v = strtoll(s, &end, 10);
    *out = v;
    return errno == 0 && end != s && *end == 0;
}

static bool read_float(const char *s, double *out)
{
    char *end;

    *out = strtod(s, &end);
    return end != s && *end == 0 && *out - *out == 0;
}

/* What a word means where no kind says it: a number or a truth value if it looks like one. */
static void put_any(ph_buf *b, const char *s, prophet_slice word)
{
    int64_t i;
    double d;

    if (*s != '#' && read_int(s, &i))
        ph_put_int(b, i);
    else if (strspn(s, "0123456789.eE+-") == word.len && read_float(s, &d))
        ph_put_float(b, d);
    else if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)
        ph_put_bool(b, *s == 't');
    else
        ph_put_text(b, word);
}

/* A typed word, or a text where the kind wants a time or an id. False: it is none. */
static bool put_as(ph_buf *b, ph_query_kind kind, const char *s, prophet_slice word)
{
    ph_uuid u;
    int64_t i;
    double d;

    switch (kind) {
    case PH_Q_BOOL:
        ph_put_bool(b, *s == 't');
        return strcmp(s, "true") == 0 || strcmp(s, "false") == 0;
    case PH_Q_INT:
    case PH_Q_FLOAT:
    case PH_Q_COUNTER:
        if (read_int(s, &i)) {
            ph_put_int(b, i);
            return true;
        }
        if (!read_float(s, &d))
            return false;
        ph_put_float(b, d);
        return true;
    case PH_Q_TIME:
        if (!ph_time_parse(s, word.len, &i))
            return false;
        ph_put_time(b, i);
        return true;
    case PH_Q_REF:
    case PH_Q_MANY:
        if (!ph_uuid_parse(s, word.len, &u))
            return false;
        ph_put_ref(b, &u);
        return true;
    case PH_Q_BYTES: ph_put_bytes(b, word); return true;
    case PH_Q_BLOB:
    case PH_Q_LIST:
    case PH_Q_MAP: return false;
    case PH_Q_ANY: put_any(b, s, word); return true;
    default: ph_put_text(b, word); return true;
    }
}

/* A record by its number (one that is not there is nobody's) or the tail of its id. */
static prophet_code put_record(compiler *c, const path *p, prophet_slice word, ph_buf *b,
                               bool *fits, prophet_error *err)
{
    ph_uuid u = { 0 };
    prophet_code rc = PROPHET_DONE;

    if (c->schema->record && word.len > 0)
        rc = c->schema->record(c->schema->ctx, p->to, word, &u, err);
    if (rc < 0)
        return rc;
    *fits = rc == PROPHET_OK || (word.len > 1 && *(const char *)word.data == '#' &&
                                 strspn((const char *)word.data + 1, "0123456789") == word.len - 1);
    if (*fits)
        ph_put_ref(b, &u);
    return PROPHET_OK;
}

static const char *wanted(ph_query_kind kind)
{
    switch (kind) {
    case PH_Q_BOOL: return "true or false";
    case PH_Q_TIME: return "a time, as in 2026-01-31 or 2026-01-31T10:00:00Z";
    case PH_Q_REF:
    case PH_Q_MANY: return "a record: its id, the end of it, or its number, as in #12";
    case PH_Q_TEXT: return "a text";
    case PH_Q_BYTES: return "bytes";
    case PH_Q_BLOB: return "a blob";
    case PH_Q_LIST: return "a list";
    case PH_Q_MAP: return "a map";
    default: return "a number";
    }
}

/* Could a field of this kind show such a value? Kinds are ordered, too: what could not would hold for no record, or for all. Asked of the
 * text form alone: a host may compare what it likes. */
static bool shows(ph_query_kind kind, const ph_item *x)
{
    switch (kind) {
    case PH_Q_BOOL: return x->kind == PH_BOOL;
    case PH_Q_INT:
    case PH_Q_FLOAT:
    case PH_Q_COUNTER: return x->kind == PH_INT || x->kind == PH_FLOAT;
    case PH_Q_TEXT: return x->kind == PH_TEXT;
    case PH_Q_BYTES: return x->kind == PH_BYTES;
    case PH_Q_TIME: return x->kind == PH_TIME;
    case PH_Q_REF:
    case PH_Q_MANY: return x->kind == PH_REF;
    case PH_Q_LIST: return x->kind == PH_LIST;
    case PH_Q_MAP: return x->kind == PH_MAP;
    default: return true;
    }
}

static prophet_code misfit(compiler *c, const path *p, ph_query_kind kind, prophet_slice value,
                           prophet_error *err)
{
    ph_buf shown = PH_BUF_INIT;

    ph_json_value(&shown, value);
    ph_fail(err, PROPHET_EUSAGE, "%.*s wants %s, not %.*s%s", PH_FMT(p->text), wanted(kind),
            (int)(shown.len < 60 ? shown.len : 60), shown.len ? (const char *)shown.data : "",
            shown.len > 60 ? ".." : "");
    ph_error_at(err, c->q->type_name, p->text);
    ph_buf_clear(&shown);
    return PROPHET_EUSAGE;
}

prophet_code ph_query_operand(compiler *c, const path *p, prophet_slice raw, prophet_slice *out,
                              prophet_error *err)
{
    bool inside = p->kind == PH_Q_SET || p->kind == PH_Q_LIST, ok = true;
    ph_query_kind kind = inside ? p->of : p->kind;
    prophet_slice word = { NULL, 0 };
    ph_buf b = PH_BUF_INIT;
    ph_item x;

    if (!ph_value_open(raw, &x))
        return ph_fail(err, PROPHET_EUSAGE, "the condition on %.*s lacks a value", PH_FMT(p->text));
    bool typed = is_word(&x, &word);
    if (!typed &&
        (x.kind != PH_TEXT || (kind != PH_Q_TIME && kind != PH_Q_REF && kind != PH_Q_MANY))) {
        if (c->column > 0 && !shows(kind, &x) && !(inside && x.kind == PH_LIST))
            return misfit(c, p, kind, raw, err);
        *out = ph_arena_copy(c->a, raw, &ok);
        return ok ? PROPHET_OK : ph_nomem(err);
    }
    word = typed ? word : x.s;
    char *s = ph_arena_str(c->a, word);
    if (!s)
        return ph_nomem(err);
    prophet_code rc = PROPHET_OK;
    bool fits = put_as(&b, kind, s, word);
    if (!fits && (kind == PH_Q_REF || kind == PH_Q_MANY))
        rc = put_record(c, p, ph_slice(s, word.len), &b, &fits, err);
    *out = ph_arena_copy(c->a, ph_buf_slice(&b), &ok);
    ok = ok && !b.failed;
    ph_buf_clear(&b);
    if (rc < 0)
        return rc;
    if (!ok)
        return ph_nomem(err);
    if (fits)
        return PROPHET_OK;
    ph_fail(err, PROPHET_EUSAGE, "%.*s wants %s, not \"%.*s\"", PH_FMT(p->text), wanted(kind),
            (int)(word.len < 60 ? word.len : 60), s);
    ph_error_at(err, c->q->type_name, p->text);
    return PROPHET_EUSAGE;
}
