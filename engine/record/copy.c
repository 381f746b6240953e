/* copy: a record that shares nothing with the one it came from. Called by replica for savepoints. */
#include "record/record_impl.h"

static void *copy_of(ph_arena *a, const void *from, size_t len, bool *ok)
{
    if (len == 0 || !*ok)
        return NULL;
    void *to = ph_arena_alloc(a, len);
    *ok = to != NULL;
    if (to)
        memcpy(to, from, len);
    return to;
}

static prophet_slice copy_value(ph_arena *a, prophet_slice v, bool *ok)
{
    return v.len && *ok ? ph_arena_copy(a, v, ok) : ph_slice(NULL, 0);
}

static void copy_private(ph_cell *c, ph_arena *a, bool *ok)
{
    ph_cell_store *s = copy_of(a, c->store, c->store ? sizeof *s : 0, ok);

    c->store = s;
    if (!s)
        return;
    s->rows = copy_of(a, s->rows, s->row_count * sizeof *s->rows, ok);
    s->was = copy_of(a, s->was, (s->was ? s->was_cap : 0) * sizeof *s->was, ok);
}

static void copy_cell(ph_cell *c, ph_arena *a, bool *ok)
{
    prophet_slice shown = c->shown;

    c->head_cap = c->heads ? c->head_count : 0;
    c->heads = copy_of(a, c->heads, c->head_cap * sizeof *c->heads, ok);
    c->shown = copy_value(a, shown, ok);
    for (uint32_t i = 0; i < c->head_cap && *ok; i++)
        c->heads[i].value = copy_value(a, c->heads[i].value, ok);
    copy_private(c, a, ok);
    c->elements = copy_of(a, c->elements, c->element_count * sizeof *c->elements, ok);
    c->element_cap = c->element_count;
    for (uint32_t i = 0; i < c->element_count && *ok; i++) {
        ph_element *e = &c->elements[i];
        e->value = copy_value(a, e->value, ok);
        e->adds = copy_of(a, e->adds, e->add_count * sizeof *e->adds, ok);
    }
}

prophet_code ph_record_copy(const ph_record *from, ph_arena *a, ph_record *to, prophet_error *err)
{
    bool ok = true;

    *to = *from;
    to->arena = a;
    to->cells = copy_of(a, from->cells, from->cell_count * sizeof *from->cells, &ok);
    to->cell_cap = from->cell_count;
    if (ok)
        copy_cell(&to->life, a, &ok);
    for (uint32_t i = 0; i < from->cell_count && ok; i++)
        copy_cell(&to->cells[i], a, &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}
