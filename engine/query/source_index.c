/* source_index: candidates from ranges of one index. Without an order: the ranges one by one, then the odd records. In the query's
 * order: by rising keys, or by falling values with the records of one value by rising number, so value by value; and values that
 * were cut to fit their key, which look alike, by what their records show.
 *
 * Called by ph_source_open. A page's `after` is found by one seek. */
#include "query/plan_impl.h"

typedef struct index_source {
    query_run *r;
    const access *a;
    plan_order order;
    ph_cursor *cursor;
    size_t range;
    bool begun;       /* the cursor stands in the range */
    bool odd;         /* in the odd records, behind all ranges */
    ph_buf from;      /* forwards: where the range goes on. Backwards: all from here on was given */
    ph_buf group;     /* what the keys of the value at hand begin with; empty: none */
    order_list alike; /* records of values that were cut */
    size_t at;
} index_source;

static bool begins(prophet_slice key, prophet_slice prefix)
{
    return key.len >= prefix.len && memcmp(key.data, prefix.data, prefix.len) == 0;
}

static bool set_to(ph_buf *b, prophet_slice s)
{
    ph_buf_reset(b);
    ph_buf_put(b, s.data, s.len);
    return !b->failed;
}

static prophet_code hit_of(prophet_slice key, prophet_slice value, ph_query_hit *out, size_t *cut,
                           prophet_error *err)
{
    ph_ix_hit h;
    prophet_code rc = ph_ix_decode(key, value, &h, err);

    if (rc < 0)
        return rc;
    *out = (ph_query_hit){ .number = h.number, .uuid = h.uuid };
    *cut = h.cut;
    return PROPHET_OK;
}

/* ---- values that were cut ----------------------------------------------------------------------------------- */

/* All records of the range whose keys begin with s->group, by what they show. */
static prophet_code gather_alike(index_source *s, uint64_t *keys, prophet_error *err)
{
    const key_range *in = &s->a->ranges[s->range];
    prophet_slice key, value, low = ph_buf_slice(&s->group);
    ph_query_hit hit;
    ph_row row;
    size_t cut;
    prophet_code rc = ph_cursor_seek(s->cursor, ph_slice_cmp(in->low, low) > 0 ? in->low : low,
                                     &key, &value, err);

    ph_query_order_clear(&s->alike);
    s->alike = (order_list){ .count = 0 };
    s->at = 0;
    while (rc == PROPHET_OK && begins(key, ph_buf_slice(&s->group)) &&
           ph_slice_cmp(key, in->high) < 0) {
        ++*keys;
        if ((rc = hit_of(key, value, &hit, &cut, err)) < 0)
            break;
        ph_arena_reset(&s->r->row_arena);
        rc = ph_query_row(s->r, s->a->type, &hit.uuid, &row, err);
        if (rc == PROPHET_OK)
            rc = ph_query_order_keep(&s->alike, s->r, &row, err);
        if (rc >= 0)
            rc = ph_cursor_next(s->cursor, &key, &value, err);
    }
    if (rc < 0)
        return rc;
    ph_query_order_sort(&s->alike, s->r->q);
    if (rc == PROPHET_OK && s->order == ORDER_INDEX)
        return set_to(&s->from, key) ? PROPHET_OK : ph_nomem(err);
    if (s->order == ORDER_INDEX)
        s->range++; /* that was the last of the table */
    return PROPHET_OK;
}

static bool next_alike(index_source *s, ph_query_hit *out)
{
    if (s->at == s->alike.count)
        return false;
    const order_entry *e = &s->alike.entries[s->at++];
    *out = (ph_query_hit){ .number = e->number, .uuid = e->uuid };
    return true;
}

/* ---- forwards ------------------------------------------------------------------------------------------------ */

static prophet_code next_odd(index_source *s, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    uint8_t prefix[5];
    prophet_slice key, value;
    size_t cut;
    prophet_code rc;

    if (!s->a->odd)
        return PROPHET_DONE;
    ph_ix_odd_prefix(s->a->index->def.id, prefix);
    rc = s->odd ? ph_cursor_next(s->cursor, &key, &value, err)
                : ph_cursor_seek(s->cursor, ph_slice(prefix, sizeof prefix), &key, &value, err);
    s->odd = true;
    if (rc != PROPHET_OK || !begins(key, ph_slice(prefix, sizeof prefix)))
        return rc < 0 ? rc : PROPHET_DONE;
    ++*keys;
    rc = hit_of(key, value, out, &cut, err);
    out->test = true;
    return rc;
}

static prophet_code next_forward(index_source *s, ph_query_hit *out, uint64_t *keys,
                                 prophet_error *err)
{
    prophet_slice key, value;
    size_t cut;
    prophet_code rc;

    while (s->range < s->a->range_count) {
        const key_range *in = &s->a->ranges[s->range];
        prophet_slice low = s->from.len ? ph_buf_slice(&s->from) : in->low;
        rc = s->begun ? ph_cursor_next(s->cursor, &key, &value, err)
                      : ph_cursor_seek(s->cursor, low, &key, &value, err);
        if (rc < 0)
            return rc;
        s->begun = rc == PROPHET_OK && ph_slice_cmp(key, in->high) < 0;
        if (!s->begun) {
            s->range++;
            ph_buf_reset(&s->from);
            continue;
        }
        ++*keys;
        if ((rc = hit_of(key, value, out, &cut, err)) < 0 || cut == 0 || s->order != ORDER_INDEX)
            return rc;
        s->begun = false;
        if (!set_to(&s->group, ph_slice(key.data, cut)))
            return ph_nomem(err);
        if ((rc = gather_alike(s, keys, err)) < 0)
            return rc;
        if (next_alike(s, out))
            return PROPHET_OK;
    }
    return next_odd(s, out, keys, err);
}

/* ---- backwards ------------------------------------------------------------------------------------------------- */

/* The value before all that was given. PROPHET_DONE: that was the first. */
static prophet_code group_before(index_source *s, bool *alike, prophet_error *err)
{
    const key_range *in = s->a->ranges;
    prophet_slice key, value;
    ph_query_hit hit;
    size_t cut;
    prophet_code rc = ph_cursor_seek(s->cursor, ph_buf_slice(&s->from), &key, &value, err);

    if (rc >= 0)
        rc = rc == PROPHET_OK ? ph_cursor_prev(s->cursor, &key, &value, err)
                              : ph_cursor_last(s->cursor, &key, &value, err);
    if (rc != PROPHET_OK || ph_slice_cmp(key, in->low) < 0)
        return rc < 0 ? rc : PROPHET_DONE;
    if ((rc = hit_of(key, value, &hit, &cut, err)) < 0)
        return rc;
    *alike = cut > 0;
    prophet_slice prefix = ph_slice(key.data, cut ? cut : key.len - 8);
    return set_to(&s->group, prefix) && set_to(&s->from, prefix) ? PROPHET_OK : ph_nomem(err);
}

static prophet_code next_backward(index_source *s, ph_query_hit *out, uint64_t *keys,
                                  prophet_error *err)
{
    prophet_slice key, value;
    size_t cut;
    bool alike;
    prophet_code rc;

    if (s->a->range_count == 0)
        return PROPHET_DONE;
    for (;;) {
        if (s->begun) {
            rc = ph_cursor_next(s->cursor, &key, &value, err);
            if (rc == PROPHET_OK && begins(key, ph_buf_slice(&s->group)))
                break;
        }
        s->begun = false;
        if ((rc = group_before(s, &alike, err)) != PROPHET_OK)
            return rc;
        if (alike) {
            if ((rc = gather_alike(s, keys, err)) < 0)
                return rc;
            if (next_alike(s, out))
                return PROPHET_OK;
            continue;
        }
        rc = ph_cursor_seek(s->cursor, ph_buf_slice(&s->group), &key, &value, err);
        s->begun = true;
        break;
    }
    if (rc != PROPHET_OK)
        return rc;
    ++*keys;
    return hit_of(key, value, out, &cut, err);
}

/* ---- where a page begins ------------------------------------------------------------------------------------- */

/* The key of the row that `after` names, as far as it is told. False: it tells nothing. */
static bool after_key(const ph_query *q, const access *a, ph_buf *key, bool *whole)
{
    const ph_index_def *def = &a->index->def;
    size_t field = a->fixed, room = PH_IX_ROOM / def->count;
    ph_buf one = PH_BUF_INIT;
    bool same = true;

    *whole = a->cut == 0;
    ph_buf_put(key, a->prefix.data, a->cut ? a->cut : a->prefix.len);
    for (size_t i = 0; i < q->order_count && *whole && same; i++) {
        const order_term *o = &q->order[i];
        if (o->path.count == 1 && o->path.steps[0].kind == STEP_NUMBER)
            break;
        size_t fixed = ph_plan_fixed(a, o);
        if (fixed < a->fixed) { /* of another value: all rows may be behind it, or none */
            ph_buf_reset(&one);
            (void)ph_ordered_put(&one, q->after[i], def->desc[fixed], room);
            same = ph_slice_eq(ph_buf_slice(&one),
                               ph_slice((const uint8_t *)a->prefix.data + a->ends[fixed],
                                        a->ends[fixed + 1] - a->ends[fixed]));
        } else if (ph_ordered_put(key, q->after[i], def->desc[field++], room)) {
            key->len -= PH_IX_CUT;
            *whole = false;
        }
    }
    ph_buf_clear(&one);
    return same;
}

/* Falling values: first what is left of the value of `after`, then those before it. */
static prophet_code begin_in_group(index_source *s, ph_buf *key, prophet_error *err)
{
    prophet_slice found, value;

    if (!set_to(&s->group, ph_buf_slice(key)) || !set_to(&s->from, ph_buf_slice(key)))
        return ph_nomem(err);
    ph_buf_u64be(key, s->r->q->after_number);
    ph_buf_byte(key, 0);
    prophet_code rc = ph_cursor_seek(s->cursor, ph_buf_slice(key), &found, &value, err);
    if (rc == PROPHET_OK) /* the mark of the index comes before all its rows */
        rc = ph_cursor_prev(s->cursor, &found, &value, err);
    s->begun = rc == PROPHET_OK;
    return rc;
}

static prophet_code begin_after(index_source *s, prophet_error *err)
{
    const key_range *in = s->a->ranges;
    ph_arena scratch = PH_ARENA_INIT;
    ph_buf key = PH_BUF_INIT;
    bool whole, ok = true;
    prophet_code rc = PROPHET_OK;

    if (!after_key(s->r->q, s->a, &key, &whole))
        goto done;
    if (s->order == ORDER_INDEX) {
        if (whole) {
            ph_buf_u64be(&key, s->r->q->after_number);
            ph_buf_byte(&key, 0);
        }
        if (ph_slice_cmp(ph_buf_slice(&key), in->low) > 0)
            ok = set_to(&s->from, ph_buf_slice(&key));
        goto done;
    }
    if (ph_slice_cmp(ph_buf_slice(&key), in->high) >= 0)
        goto done;
    if (whole && ph_slice_cmp(ph_buf_slice(&key), in->low) >= 0) {
        rc = begin_in_group(s, &key, err);
        goto done;
    }
    prophet_slice end = ph_plan_after_prefix(ph_buf_slice(&key), &scratch);
    ok = end.len > 0 && (ph_slice_cmp(end, in->high) >= 0 || set_to(&s->from, end));
done:
    ok = ok && !key.failed;
    ph_buf_clear(&key);
    ph_arena_clear(&scratch);
    return rc < 0 ? rc : ok ? PROPHET_OK : ph_nomem(err);
}

/* ---- the source ------------------------------------------------------------------------------------------------ */

static prophet_code next_hit(void *ctx, ph_query_hit *out, uint64_t *keys, prophet_error *err)
{
    index_source *s = ctx;

    if (next_alike(s, out))
        return PROPHET_OK;
    return s->order == ORDER_INDEX_BACKWARD ? next_backward(s, out, keys, err)
                                            : next_forward(s, out, keys, err);
}

static void close_index(void *state)
{
    index_source *s = state;

    ph_cursor_close(s->cursor);
    ph_query_order_clear(&s->alike);
    ph_buf_clear(&s->from);
    ph_buf_clear(&s->group);
    ph_free(s);
}

prophet_code ph_source_index(query_run *r, const access *a, plan_order order, access_source *out,
                             prophet_error *err)
{
    index_source *s = ph_zalloc(sizeof *s);
    prophet_code rc;

    if (!s)
        return ph_nomem(err);
    *s = (index_source){ .r = r, .a = a, .order = order };
    *out = (access_source){ { s, a->by_number, next_hit }, r, s, close_index };
    bool backward = order == ORDER_INDEX_BACKWARD, ordered = backward || order == ORDER_INDEX;
    rc = ph_cursor_open(r->t, PH_T_IX, &s->cursor, err);
    if (rc >= 0 && backward && a->range_count && !set_to(&s->from, a->ranges[0].high))
        rc = ph_nomem(err);
    if (rc >= 0 && ordered && a->range_count && r->q->has_after)
        rc = begin_after(s, err);
    if (rc < 0)
        close_index(s);
    return rc < 0 ? rc : PROPHET_OK;
}
