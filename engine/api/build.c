/* Documents in the making: maps and lists that grow in an arena, and the document that takes them over. */
#include "api/api_impl.h"
#include "api/doc_impl.h"

void api_put_slice(api_map *m, prophet_slice name, prophet_value v)
{
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 12;
        prophet_field *at = ph_arena_alloc(m->a, cap * sizeof *at);
        if (!at) {
            m->failed = true;
            return;
        }
        if (m->count)
            memcpy(at, m->at, m->count * sizeof *at);
        m->at = at;
        m->cap = cap;
    }
    m->at[m->count++] = (prophet_field){ name, v };
}

void api_put(api_map *m, const char *name, prophet_value v)
{
    api_put_slice(m, ph_slice_str(name), v); /* names are literals */
}

prophet_slice api_keep(api_map *m, prophet_slice s)
{
    bool ok = true;
    prophet_slice copy = ph_arena_copy(m->a, s, &ok);
    m->failed = m->failed || !ok;
    return ok ? copy : ph_slice(NULL, 0);
}

void api_put_text(api_map *m, const char *name, prophet_slice text)
{
    if (text.len == 0)
        return;
    prophet_slice copy = api_keep(m, text);
    api_put(m, name, prophet_text_n(copy.data, copy.len));
}

static prophet_value hex_in(ph_arena *a, const void *data, size_t len, bool *failed)
{
    char *text = ph_arena_alloc(a, 2 * len + 1);
    if (!text) {
        *failed = true;
        return prophet_nil();
    }
    ph_hex(data, len, text);
    return prophet_text_n(text, 2 * len);
}

void api_put_hex(api_map *m, const char *name, const void *data, size_t len)
{
    api_put(m, name, hex_in(m->a, data, len, &m->failed));
}

void api_put_canonical(api_map *m, const char *name, prophet_slice value)
{
    prophet_value v;
    if (value.len == 0)
        return;
    prophet_slice copy = api_keep(m, value);
    if (api_decode(copy, m->a, &v, NULL) < 0)
        m->failed = true;
    else
        api_put(m, name, v);
}

void api_put_map(api_map *m, const char *name, api_map *inner)
{
    m->failed = m->failed || inner->failed;
    api_put(m, name, prophet_map(inner->at, inner->count));
}

void api_put_list(api_map *m, const char *name, api_list *inner)
{
    m->failed = m->failed || inner->failed;
    api_put(m, name, prophet_list(inner->at, inner->count));
}

void api_push(api_list *l, prophet_value v)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        prophet_value *at = ph_arena_alloc(l->a, cap * sizeof *at);
        if (!at) {
            l->failed = true;
            return;
        }
        if (l->count)
            memcpy(at, l->at, l->count * sizeof *at);
        l->at = at;
        l->cap = cap;
    }
    l->at[l->count++] = v;
}

void api_push_map(api_list *l, api_map *inner)
{
    l->failed = l->failed || inner->failed;
    api_push(l, prophet_map(inner->at, inner->count));
}

void api_push_hex(api_list *l, const void *data, size_t len)
{
    api_push(l, hex_in(l->a, data, len, &l->failed));
}

/* ---- documents ----------------------------------------------------------------------------------------------------- */

prophet_code api_doc_take(ph_arena *a, const api_map *m, prophet_doc **out, prophet_error *err)
{
    prophet_doc *d = m->failed ? NULL : ph_zalloc(sizeof *d);
    if (!d)
        return ph_nomem(err);
    d->arena = *a;
    *a = (ph_arena)PH_ARENA_INIT;
    d->fields = m->at;
    d->count = m->count;
    *out = d;
    return PROPHET_OK;
}

prophet_code api_doc_list(ph_arena *a, const prophet_value *items, size_t count, prophet_doc **out,
                          prophet_error *err)
{
    api_map m = api_map_in(a);
    for (size_t i = 0; i < count; i++)
        api_put_slice(&m, ph_slice("", 0), items[i]);
    prophet_code rc = api_doc_take(a, &m, out, err);
    if (rc >= 0)
        (*out)->is_list = true;
    return rc;
}

static prophet_value copy_value(const prophet_value *v, api_map *m)
{
    prophet_value out = *v;
    if (v->kind == PROPHET_TEXT || v->kind == PROPHET_BYTES)
        out.as.bytes = api_keep(m, v->as.bytes);
    if (v->kind == PROPHET_BLOB) {
        prophet_blob *b = ph_arena_alloc(m->a, sizeof *b);
        if (b) {
            *b = *v->as.blob;
            b->media = api_keep(m, b->media);
            b->name = api_keep(m, b->name);
        }
        m->failed = m->failed || !b;
        out.as.blob = b;
    }
    if (v->kind == PROPHET_LIST) {
        api_list l = api_list_in(m->a);
        for (size_t i = 0; i < v->as.list.count; i++)
            api_push(&l, copy_value(&v->as.list.items[i], m));
        m->failed = m->failed || l.failed;
        out = prophet_list(l.at, l.count);
    }
    if (v->kind == PROPHET_MAP) {
        api_map inner = api_map_in(m->a);
        for (size_t i = 0; i < v->as.map.count; i++)
            api_put_slice(&inner, api_keep(m, v->as.map.items[i].name),
                          copy_value(&v->as.map.items[i].value, &inner));
        m->failed = m->failed || inner.failed;
        out = prophet_map(inner.at, inner.count);
    }
    return out;
}

prophet_code prophet_doc_new(prophet_value from, prophet_doc **out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    api_map m = api_map_in(&a);
    prophet_code rc;
    if (from.kind != PROPHET_MAP && from.kind != PROPHET_LIST)
        return ph_fail(err, PROPHET_EUSAGE, "a document is made from a map or a list");
    prophet_value copy = copy_value(&from, &m);
    if (m.failed)
        rc = ph_nomem(err);
    else if (from.kind == PROPHET_LIST)
        rc = api_doc_list(&a, copy.as.list.items, copy.as.list.count, out, err);
    else {
        m.at = (prophet_field *)(uintptr_t)copy.as.map.items;
        m.count = copy.as.map.count;
        rc = api_doc_take(&a, &m, out, err);
    }
    ph_arena_clear(&a);
    return rc;
}
