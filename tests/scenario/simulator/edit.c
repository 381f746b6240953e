/* What people write: changes of several records and fields, savepoints, things written twice, deleted, restored, made again under
 * the same natural key. What a change shows of itself before the commit must be what everybody sees after it. */
#include "simulator.h"
#include <stdlib.h>

/* ---- types ----------------------------------------------------------------------------------------------------- */

typedef struct field {
    const char *name, *kind;
    bool rule, index;
} field;

static const field item_fields[] = {
    { "title", "string", true, true },   { "note", "text", true, false },
    { "n", "int", true, true },          { "x", "float", true, false },
    { "flag", "bool", false, false },    { "due", "time", true, false },
    { "link", "ref", false, false },     { "list", "list", false, false },
    { "tags", "set", false, true },      { "many", "set", false, false },
    { "hits", "counter", false, false },
};
static const field named_fields[] = {
    { "name", "string", false, false },
    { "value", "string", true, true },
    { "tags", "set", false, false },
    { "hits", "counter", false, false },
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void key(ph_buf *b, const char *text)
{
    ph_put_text(b, ph_slice_str(text));
}

static void put_field(sim *s, ph_buf *b, const field *f)
{
    static const char *const rules[] = { "latest", "first", "max", "min", "longest" };
    bool rule = f->rule && sim_chance(s, 70), index = f->index && sim_chance(s, 90);
    ph_put_map(b, 2u + rule + f->index);
    key(b, "kind"), key(b, f->kind);
    key(b, "name"), key(b, f->name);
    if (rule)
        key(b, "rule"), key(b, rules[sim_below(s, COUNT(rules))]);
    if (f->index)
        key(b, "index"), ph_put_bool(b, index);
}

static bool define(sim *s, ph_change_txn *c, const char *name, const field *fields, size_t count)
{
    static const char *const lives[] = { "alive-wins", "dead-wins", "latest", "first" };
    ph_buf b = PH_BUF_INIT;
    bool natural = strcmp(name, "named") == 0, life = sim_chance(s, 60);
    ph_put_map(&b, 2u + natural + life);
    if (natural)
        key(&b, "key"), ph_put_list(&b, 1), key(&b, "name");
    if (life)
        key(&b, "life"), key(&b, lives[sim_below(s, COUNT(lives))]);
    key(&b, "name"), key(&b, name);
    key(&b, "fields"), ph_put_list(&b, count);
    for (size_t i = 0; i < count; i++)
        put_field(s, &b, &fields[i]);
    prophet_code rc = ph_change_define(c, sim_take(s, &b), &s->err);
    if (rc < 0 && rc != PROPHET_ESCHEMA) /* ghosts may have given a field another kind */
        sim_fail(s, "define gave %d: %s", (int)rc, s->err.message);
    return rc >= 0;
}

static bool define_one(sim *s, ph_change_txn *c)
{
    sim_note(s, "  define");
    return sim_chance(s, 50) ? define(s, c, "item", item_fields, COUNT(item_fields))
                             : define(s, c, "named", named_fields, COUNT(named_fields));
}

void sim_define(sim *s, sim_node *n)
{
    ph_change_txn *c;
    MUST(s, ph_change_begin(n->r, ph_slice_str("types"), &c, &s->err));
    bool good = define(s, c, "item", item_fields, COUNT(item_fields));
    good = good && define(s, c, "named", named_fields, COUNT(named_fields));
    prophet_code rc = ph_change_commit(c, NULL, NULL, &s->err);
    if (rc < 0 && (good || rc != PROPHET_EUSAGE))
        sim_fail(s, "a definition gave %d: %s", (int)rc, s->err.message);
}

/* ---- values: few, so that replicas meet ----------------------------------------------------------------------------- */

static prophet_slice some_text(sim *s, bool may_be_long)
{
    char text[4000];
    size_t len = 1 + sim_below(s, 2);
    if (may_be_long && sim_chance(s, 20))
        len = 1000 + sim_below(s, 30) * (sim_chance(s, 50) ? 3 : 90);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + (i < 2 ? sim_below(s, 3) : i % 26));
    text[len < sizeof text ? len : sizeof text - 1] = 0;
    return sim_text(s, text);
}

static prophet_slice some_list(sim *s, size_t count, unsigned of)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_list(&b, count);
    for (size_t i = 0; i < count; i++)
        ph_put_int(&b, (int64_t)sim_below(s, of));
    return sim_take(s, &b);
}

static prophet_slice some_float(sim *s)
{
    static const double values[] = { 1.0, 0.0, -0.0, 2.5, -1e300, 5e-324 };
    ph_buf b = PH_BUF_INIT;
    if (sim_chance(s, 30))
        return sim_int(s, (int64_t)sim_below(s, 3));
    ph_put_float(&b, values[sim_below(s, COUNT(values))]);
    return sim_take(s, &b);
}

static prophet_slice some_element(sim *s, bool many)
{
    if (sim_chance(s, 3))
        return some_text(s, true);
    return sim_int(s, (int64_t)sim_below(s, many ? 250 : 6));
}

prophet_slice sim_value_for(sim *s, prophet_slice type, prophet_slice name)
{
    ph_buf b = PH_BUF_INIT;
    (void)type;
    if (ph_slice_eq(name, ph_slice_str("n")))
        return sim_int(s, (int64_t)sim_below(s, 5) - 2);
    if (ph_slice_eq(name, ph_slice_str("x")))
        return some_float(s);
    if (ph_slice_eq(name, ph_slice_str("list")))
        return some_list(s, sim_below(s, 3), 2);
    if (ph_slice_eq(name, ph_slice_str("flag"))) {
        ph_put_bool(&b, sim_chance(s, 50));
        return sim_take(s, &b);
    }
    if (ph_slice_eq(name, ph_slice_str("due"))) {
        ph_put_time(&b, (int64_t)sim_below(s, 3) - 1);
        return sim_take(s, &b);
    }
    if (ph_slice_eq(name, ph_slice_str("link"))) {
        ph_put_ref(&b, &s->records[sim_below(s, s->record_count ? s->record_count : 1)].id);
        return sim_take(s, &b);
    }
    return some_text(s, ph_slice_eq(name, ph_slice_str("note")));
}

static ph_edit some_edit(sim *s, const field *f)
{
    ph_edit e = { PH_E_SET, ph_slice_str(f->name), { NULL, 0 } };
    if (strcmp(f->kind, "counter") == 0) {
        e.kind = PH_E_INC;
        e.value = sim_int(s, sim_chance(s, 5) ? INT64_MAX : (int64_t)sim_below(s, 7) - 3);
    } else if (strcmp(f->kind, "set") == 0) {
        bool many = strcmp(f->name, "many") == 0;
        unsigned what = (unsigned)sim_below(s, 100);
        e.kind = what < 40 ? PH_E_ADD : what < 65 ? PH_E_REMOVE : what < 88 ? PH_E_SET : PH_E_UNSET;
        if (e.kind == PH_E_SET)
            e.value = some_list(s,
                                sim_below(s, !many               ? 4
                                             : sim_chance(s, 40) ? 130
                                                                 : 30),
                                many ? 250 : 6);
        else if (e.kind != PH_E_UNSET)
            e.value = some_element(s, many);
    } else if (sim_chance(s, 15)) {
        e.kind = PH_E_UNSET;
    } else {
        e.value = sim_value_for(s, ph_slice(NULL, 0), e.field);
    }
    return e;
}

/* ---- one operation on one record ------------------------------------------------------------------------------------------ */

static void tell(sim *s, const char *verb, const ph_uuid *id, const ph_edit *edits, size_t n)
{
    static const char *const kinds[] = { "=", " unset", " add", " remove", " +=" };
    ph_buf b = PH_BUF_INIT;
    char hex[37] = "new";
    if (!s->verbose)
        return;
    if (id)
        ph_uuid_format(id, hex);
    for (size_t i = 0; i < n; i++) {
        ph_buf_printf(&b, " %.*s%s", PH_FMT(edits[i].field), kinds[edits[i].kind]);
        if (edits[i].value.len > 60)
            ph_buf_str(&b, "long");
        else if (edits[i].value.len)
            ph_json_value(&b, edits[i].value);
    }
    sim_note(s, "  %s %s%.*s", verb, hex, (int)b.len, b.len ? (char *)b.data : "");
    ph_buf_clear(&b);
}

static size_t some_edits(sim *s, bool named, ph_edit *out, size_t max)
{
    size_t n = 1 + sim_below(s, max - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = named ? some_edit(s, &named_fields[1 + sim_below(s, COUNT(named_fields) - 1)])
                       : some_edit(s, &item_fields[sim_below(s, COUNT(item_fields))]);
    return n;
}

static void remember(sim *s, const char *type, const ph_uuid *id)
{
    for (size_t i = 0; i < s->record_count; i++)
        if (ph_uuid_eq(&s->records[i].id, id))
            return;
    if (s->record_count < SIM_RECORDS)
        s->records[s->record_count++] = (sim_record){ type, *id };
}

static prophet_code make_record(sim *s, ph_change_txn *c, ph_named *out)
{
    ph_edit edits[8];
    bool named = sim_chance(s, 45);
    char name[8];
    size_t n = some_edits(s, named, edits + 1, 6);
    edits[0] = (ph_edit){ PH_E_SET, ph_slice_str("name"), { NULL, 0 } };
    tell(s, "create", NULL, edits + 1, n);
    if (!named)
        return ph_change_create(c, ph_slice_str("item"), NULL, edits + 1, n, out, &s->err);
    (void)snprintf(name, sizeof name, "k%u", (unsigned)sim_below(s, 4));
    edits[0].value = sim_text(s, name);
    return ph_change_create(c, ph_slice_str("named"), NULL, edits, n + 1, out, &s->err);
}

static prophet_code touch_record(sim *s, ph_change_txn *c, const sim_record *rec)
{
    ph_edit edits[8];
    prophet_slice type = ph_slice_str(rec->type);
    unsigned what = (unsigned)sim_below(s, 100);
    size_t n = what < 26 ? 0 : some_edits(s, strcmp(rec->type, "named") == 0, edits, 6);
    tell(s,
         what < 14   ? "delete"
         : what < 26 ? "restore"
         : what < 30 ? "create"
                     : "update",
         &rec->id, edits, n);
    if (what < 14)
        return ph_change_delete(c, type, &rec->id, &s->err);
    if (what < 26)
        return ph_change_restore(c, type, &rec->id, &s->err);
    if (what < 30)
        return ph_change_create(c, type, &rec->id, edits, n, NULL, &s->err);
    return ph_change_update(c, type, &rec->id, edits, n, &s->err);
}

/* A recent one mostly, so that few records see much. */
static const sim_record *some_record(sim *s)
{
    size_t n = s->record_count;
    size_t last = n < 5 ? n : 5;
    return sim_chance(s, 75) ? &s->records[n - 1 - sim_below(s, last)]
                             : &s->records[sim_below(s, n)];
}

/* ---- a change --------------------------------------------------------------------------------------------------------------- */

typedef struct touched {
    const char *type;
    ph_uuid id;
    bool mixed;
} touched;

/* A cell with operations of several kinds: an unset may name a changeset for its register and thereby take an element. That is
 * known when the operations are netted, so what is shown before may differ. */
static bool is_mixed(sim *s, ph_view *v, uint32_t type, const ph_uuid *id)
{
    ph_row row;
    ph_shown shown;
    size_t pos = 0;
    bool mixed = false;
    if (ph_view_row(v, type, id, &row, &s->err) != PROPHET_OK)
        return false;
    while (!mixed && ph_row_next(v->txn, &row, &pos, &s->arena, &shown, &s->err) == PROPHET_OK)
        mixed = shown.mixed;
    return mixed;
}

#define TOUCHED_MAX 16

typedef struct looks { /* what each touched record showed at some moment */
    ph_buf of[TOUCHED_MAX];
} looks;

static void look_at(sim *s, ph_view *v, touched *t, size_t n, looks *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        uint32_t type = ph_names_find(v->names, ph_slice_str(t[i].type));
        t[i].mixed = t[i].mixed || (type && is_mixed(s, v, type, &t[i].id));
        if (type)
            sim_dump_record(s, v, type, &t[i].id, &out->of[i]);
    }
}

static void look_inside(sim *s, ph_change_txn *c, touched *t, size_t n, looks *out)
{
    ph_view *v;
    MUST(s, ph_change_view(c, &v, &s->err));
    look_at(s, v, t, n, out);
}

/* Records that had a mixed cell at either moment are left out. */
static void compare_looks(sim *s, const char *what, const touched *t, size_t n, looks *after,
                          looks *before)
{
    for (size_t i = 0; i < n; i++)
        if (!t[i].mixed)
            sim_same(s, what, &after->of[i], &before->of[i]);
}

static void forget_looks(looks *l)
{
    for (size_t i = 0; i < TOUCHED_MAX; i++)
        ph_buf_clear(&l->of[i]);
}

static bool expected(prophet_code rc)
{
    return rc >= 0 || rc == PROPHET_ENOTFOUND || rc == PROPHET_EEXISTS ||
           rc == PROPHET_EVALIDATION || rc == PROPHET_EIMMUTABLE || rc == PROPHET_EUSAGE ||
           rc == PROPHET_ETYPE || rc == PROPHET_EFIELD; /* ghosts change types */
}

/* One record read in the change, before all of it is: the same either way. */
static void read_one(sim *s, ph_change_txn *c, touched *t)
{
    ph_buf one = PH_BUF_INIT, whole = PH_BUF_INIT;
    prophet_slice type = ph_slice_str(t->type);
    ph_view *v;
    ph_row row;
    prophet_code rc = ph_change_row(c, type, &t->id, &v, &row, &s->err);
    MUST(s, rc);
    if (rc == PROPHET_OK)
        sim_dump_row(s, v, &row, &one);
    MUST(s, ph_change_view(c, &v, &s->err));
    if (rc == PROPHET_OK)
        sim_dump_record(s, v, row.type, &t->id, &whole);
    sim_same(s, "a record of a change, read alone and with all", &one, &whole);
    ph_buf_clear(&one);
    ph_buf_clear(&whole);
}

/* One to four operations; false: one was refused. */
static bool operate(sim *s, ph_change_txn *c, touched *t, size_t *count, size_t max)
{
    size_t ops = 1 + sim_below(s, 4);
    bool good = true;
    for (size_t i = 0; i < ops && *count < max; i++) {
        prophet_code rc;
        ph_named named;
        if (sim_chance(s, 4)) /* the type changes under the records of the change */
            good = define_one(s, c) && good;
        if (s->record_count == 0 || sim_chance(s, 22)) {
            if ((rc = make_record(s, c, &named)) >= 0) {
                t[*count].mixed = false;
                t[*count].id = named.uuid;
                t[*count].type = (named.uuid.b[6] >> 4) == 5 ? "named" : "item";
                remember(s, t[*count].type, &named.uuid);
                ++*count;
            }
        } else {
            const sim_record *rec = some_record(s);
            rc = touch_record(s, c, rec);
            t[*count].mixed = false;
            t[*count].id = rec->id;
            t[*count].type = rec->type;
            ++*count;
        }
        if (rc >= 0 && sim_chance(s, 8))
            read_one(s, c, &t[*count - 1]);
        if (!expected(rc))
            sim_fail(s, "an edit gave %d: %s", (int)rc, s->err.message);
        good = good && rc >= 0;
    }
    return good;
}

/* Operations between savepoints; what is rolled back must leave nothing. */
static bool operate_saved(sim *s, ph_change_txn *c, touched *t, size_t *count, size_t max)
{
    looks before = { 0 }, after = { 0 };
    touched inner[TOUCHED_MAX];
    size_t n = 0;
    bool good, look = sim_chance(s, 50);
    if (look)
        look_inside(s, c, t, *count, &before);
    sim_note(s, "  savepoint");
    MUST(s, ph_change_savepoint(c, &s->err));
    good = sim_chance(s, 20) ? operate_saved(s, c, inner, &n, COUNT(inner))
                             : operate(s, c, inner, &n, COUNT(inner));
    if (good && sim_chance(s, 50)) {
        sim_note(s, "  release");
        MUST(s, ph_change_release(c, &s->err));
        for (size_t i = 0; i < n && *count < max; i++)
            t[(*count)++] = inner[i];
    } else {
        sim_note(s, "  rollback%s", look ? ", looked at" : "");
        MUST(s, ph_change_rollback(c, &s->err));
        if (look) {
            look_inside(s, c, t, *count, &after);
            compare_looks(s, "what a rolled back savepoint leaves", t, *count, &after, &before);
        }
        good = true;
    }
    forget_looks(&before);
    forget_looks(&after);
    return good;
}

static void finish(sim *s, sim_node *n, ph_change_txn *c, bool good, touched *t, size_t count)
{
    looks inside = { 0 }, after = { 0 };
    bool look = good && sim_chance(s, 60);
    if (sim_chance(s, 5)) {
        if (sim_chance(s, 50))
            MUST(s, ph_change_savepoint(c, &s->err));
        ph_change_abort(c);
        return;
    }
    if (look)
        look_inside(s, c, t, count, &inside);
    sim_note(s, "  commit%s", look ? ", looked at" : "");
    prophet_code rc = ph_change_commit(c, NULL, NULL, &s->err);
    if (rc < 0 && (good || rc != PROPHET_EUSAGE))
        sim_fail(s, "a commit gave %d: %s", (int)rc, s->err.message);
    if (look) {
        ph_view *v = sim_view(s, n);
        look_at(s, v, t, count, &after);
        ph_view_end(v);
        compare_looks(s, "what a change shows after its commit, and inside", t, count, &after,
                      &inside);
    }
    forget_looks(&inside);
    forget_looks(&after);
    sim_watch(s, n);
}

static void change(sim *s, sim_node *n)
{
    ph_change_txn *c;
    touched t[TOUCHED_MAX];
    size_t count = 0, rounds = 1 + sim_below(s, 2);
    bool good = true;
    MUST(s, ph_change_begin(n->r, ph_slice_str("edit"), &c, &s->err));
    for (size_t i = 0; i < rounds && good; i++)
        good = sim_chance(s, 25) ? operate_saved(s, c, t, &count, COUNT(t))
                                 : operate(s, c, t, &count, COUNT(t));
    finish(s, n, c, good, t, count);
}

void sim_edit(sim *s)
{
    sim_edit_node(s, sim_any(s));
}

void sim_edit_node(sim *s, sim_node *n)
{
    size_t changes = 1 + sim_below(s, 3);
    sim_note(s, "%s", n->dir);
    for (size_t i = 0; i < changes; i++)
        change(s, n);
}
