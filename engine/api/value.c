/* Values of <prophet.h> to canonical bytes and back. What a host hands in is checked here: kinds, UTF-8, finite floats, depth,
 * keys. Called wherever values enter or leave. */
#include "api/api_impl.h"
#include <math.h>
#include <stdlib.h>

/* ---- to bytes ------------------------------------------------------------------------------------------------ */

typedef struct limits { /* of all that is inside */
    size_t elements;
    unsigned depth;
    const char *what;
} limits;
static const limits of_values = { PH_ELEMENTS_MAX, PH_DEPTH_MAX, "value" };
static const limits of_queries = { 1 << 20, 100,
                                   "query" }; /* its nesting is judged by the compiler */

typedef struct encoding {
    ph_buf *out;
    const limits *most;
    size_t elements;
    prophet_error *err;
} encoding;

static prophet_code put(encoding *e, const prophet_value *v, unsigned depth);

static prophet_code put_text(encoding *e, prophet_slice s)
{
    if (s.len > PH_TEXT_MAX)
        return ph_fail(e->err, PROPHET_EVALIDATION,
                       "a text of %zu bytes: at most 1 MiB fits a field", s.len);
    if (!ph_utf8_valid(s.data, s.len)) {
        prophet_code rc = ph_fail(e->err, PROPHET_EVALIDATION, "a text is not valid UTF-8");
        ph_hint(e->err, "bytes that are no text have a kind of their own");
        return rc;
    }
    ph_put_text(e->out, s);
    return PROPHET_OK;
}

static prophet_code room_for(encoding *e, size_t more)
{
    e->elements += more;
    return e->elements > e->most->elements
               ? ph_fail(e->err, PROPHET_EVALIDATION, "a %s has at most %zu elements",
                         e->most->what, e->most->elements)
               : PROPHET_OK;
}

static prophet_code put_list(encoding *e, const prophet_value *v, unsigned depth)
{
    prophet_code rc = room_for(e, v->as.list.count);
    if (rc < 0)
        return rc;
    ph_put_list(e->out, v->as.list.count);
    for (size_t i = 0; i < v->as.list.count && rc >= 0; i++)
        rc = put(e, &v->as.list.items[i], depth + 1);
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const prophet_field *x = *(const prophet_field *const *)a,
                        *y = *(const prophet_field *const *)b;
    return ph_name_cmp(x->name, y->name);
}

static prophet_code put_sorted(encoding *e, const prophet_field **at, size_t n, unsigned depth)
{
    prophet_code rc = PROPHET_OK;
    qsort(at, n, sizeof *at, by_key);
    ph_put_map(e->out, n);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        prophet_slice key = at[i]->name;
        if (i > 0 && ph_slice_eq(at[i - 1]->name, key))
            return ph_fail(e->err, PROPHET_EUSAGE, "a map has the key \"%.*s\" twice",
                           (int)(key.len < 64 ? key.len : 64), (const char *)key.data);
        if (key.len && *(const char *)key.data == '$')
            return ph_fail(e->err, PROPHET_EVALIDATION, "the keys of a map do not start with $");
        if ((rc = put_text(e, key)) >= 0)
            rc = put(e, &at[i]->value, depth + 1);
    }
    return rc;
}

static prophet_code put_map(encoding *e, const prophet_value *v, unsigned depth)
{
    const prophet_field *few[32], **at = few;
    size_t n = 0, count = v->as.map.count;
    prophet_code rc = room_for(e, count);
    if (rc < 0)
        return rc;
    if (count > 32 && !(at = ph_alloc(count * sizeof *at)))
        return ph_nomem(e->err);
    for (size_t i = 0; i < count; i++)
        if (v->as.map.items[i].value.kind != PROPHET_NIL) /* absent is absent */
            at[n++] = &v->as.map.items[i];
    rc = put_sorted(e, at, n, depth);
    if (at != few)
        ph_free(at);
    return rc;
}

static prophet_code put_blob(encoding *e, const prophet_blob *b)
{
    if (!b || b->size > INT64_MAX)
        return ph_fail(e->err, PROPHET_EUSAGE,
                       "a blob's handle has a hash, a size, a media type and a name");
    if (!ph_utf8_valid(b->media.data, b->media.len) || !ph_utf8_valid(b->name.data, b->name.len))
        return ph_fail(e->err, PROPHET_EVALIDATION,
                       "a blob's media type or name is not valid UTF-8");
    ph_put_blob(e->out, b->sha256, b->size, b->media, b->name);
    return PROPHET_OK;
}

static prophet_code put(encoding *e, const prophet_value *v, unsigned depth)
{
    ph_uuid id;
    if (depth > e->most->depth)
        return ph_fail(e->err, PROPHET_EVALIDATION, "a %s nests at most %u deep", e->most->what,
                       e->most->depth);
    switch (v->kind) {
    case PROPHET_BOOL: ph_put_bool(e->out, v->as.boolean); return PROPHET_OK;
    case PROPHET_INT: ph_put_int(e->out, v->as.integer); return PROPHET_OK;
    case PROPHET_TIME: ph_put_time(e->out, v->as.integer); return PROPHET_OK;
    case PROPHET_FLOAT:
        if (!isfinite(v->as.number))
            return ph_fail(e->err, PROPHET_EVALIDATION,
                           "a float that is not finite has no place in a record");
        ph_put_float(e->out, v->as.number);
        return PROPHET_OK;
    case PROPHET_TEXT: return put_text(e, v->as.bytes);
    case PROPHET_BYTES:
        if (v->as.bytes.len > PH_TEXT_MAX)
            return ph_fail(e->err, PROPHET_EVALIDATION, "%zu bytes: at most 1 MiB fits a field",
                           v->as.bytes.len);
        ph_put_bytes(e->out, v->as.bytes);
        return PROPHET_OK;
    case PROPHET_REF:
        memcpy(id.b, v->as.ref.b, sizeof id.b);
        ph_put_ref(e->out, &id);
        return PROPHET_OK;
    case PROPHET_BLOB: return put_blob(e, v->as.blob);
    case PROPHET_LIST: return put_list(e, v, depth);
    case PROPHET_MAP: return put_map(e, v, depth);
    case PROPHET_NIL: break;
    }
    return ph_fail(e->err, PROPHET_EUSAGE, "nil has no place inside a value");
}

static prophet_code encode(ph_buf *out, const prophet_value *v, const limits *most,
                           prophet_error *err)
{
    encoding e = { out, most, 0, err };
    prophet_code rc = put(&e, v, 1);
    return rc < 0 ? rc : out->failed ? ph_nomem(err) : PROPHET_OK;
}

prophet_code api_encode(ph_buf *out, const prophet_value *v, prophet_error *err)
{
    return encode(out, v, &of_values, err);
}

prophet_code api_encode_query(ph_buf *out, const prophet_value *v, prophet_error *err)
{
    return encode(out, v, &of_queries, err);
}

/* ---- and back ------------------------------------------------------------------------------------------------- */

static prophet_code open_list(const ph_item *item, ph_arena *a, prophet_value *out,
                              prophet_error *err)
{
    ph_reader r = ph_reader_of(item->s);
    ph_item one;
    size_t n = 0;
    prophet_code rc = PROPHET_OK;
    prophet_value *at = ph_arena_alloc(a, ((size_t)item->i + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    while (rc >= 0 && n < (size_t)item->i && ph_read_item(&r, &one))
        rc = api_decode_item(&one, a, &at[n++], err);
    *out = prophet_list(at, n);
    return rc;
}

static prophet_code open_map(const ph_item *item, ph_arena *a, prophet_value *out,
                             prophet_error *err)
{
    ph_reader r = ph_reader_of(item->s);
    ph_item key, one;
    size_t n = 0;
    prophet_code rc = PROPHET_OK;
    prophet_field *at = ph_arena_alloc(a, ((size_t)item->i + 1) * sizeof *at);
    if (!at)
        return ph_nomem(err);
    while (rc >= 0 && n < (size_t)item->i && ph_read_item(&r, &key) && ph_read_item(&r, &one)) {
        at[n].name = key.s;
        rc = api_decode_item(&one, a, &at[n++].value, err);
    }
    *out = prophet_map(at, n);
    return rc;
}

static prophet_code open_blob(const ph_item *item, ph_arena *a, prophet_value *out,
                              prophet_error *err)
{
    prophet_blob *b = ph_arena_zalloc(a, sizeof *b);
    if (!b)
        return ph_nomem(err);
    memcpy(b->sha256, item->s.data, sizeof b->sha256);
    b->size = (uint64_t)item->i;
    b->media = item->media;
    b->name = item->name;
    out->kind = PROPHET_BLOB;
    out->as.blob = b;
    return PROPHET_OK;
}

prophet_code api_decode_item(const ph_item *item, ph_arena *a, prophet_value *out,
                             prophet_error *err)
{
    *out = prophet_nil();
    switch (item->kind) {
    case PH_ABSENT: break;
    case PH_BOOL: *out = prophet_bool(item->b); break;
    case PH_INT: *out = prophet_int(item->i); break;
    case PH_FLOAT: *out = prophet_float(item->d); break;
    case PH_TEXT: *out = prophet_text_n(item->s.data, item->s.len); break;
    case PH_BYTES: *out = prophet_bytes(item->s.data, item->s.len); break;
    case PH_TIME: *out = prophet_time(item->i); break;
    case PH_REF:
        out->kind = PROPHET_REF;
        memcpy(out->as.ref.b, item->s.data, sizeof out->as.ref.b);
        break;
    case PH_BLOB: return open_blob(item, a, out, err);
    case PH_LIST: return open_list(item, a, out, err);
    case PH_MAP: return open_map(item, a, out, err);
    }
    return PROPHET_OK;
}

prophet_code api_decode(prophet_slice value, ph_arena *a, prophet_value *out, prophet_error *err)
{
    ph_item item;
    *out = prophet_nil();
    if (value.len == 0)
        return PROPHET_OK;
    if (!ph_value_open(value, &item))
        return ph_fail(err, PROPHET_ECORRUPT, "a stored value is damaged");
    return api_decode_item(&item, a, out, err);
}
