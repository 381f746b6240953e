/* plan_index: conditions that must all hold become ranges of one index: one value for each of its first fields, or several, then
 * a range of the next. Keys are in value order (index/ordered.c), so every comparison is a range; what was cut to fit a key makes
 * its range wider and the access inexact.
 *
 * Called by plan.c for each index of a type. */
#include "query/plan_impl.h"
#include <stdlib.h>

/* ---- keys ------------------------------------------------------------------------------------------------ */

prophet_slice ph_plan_after_prefix(prophet_slice prefix, ph_arena *a)
{
    bool ok = true;
    prophet_slice copy = ph_arena_copy(a, prefix, &ok);
    uint8_t *p = (uint8_t *)(uintptr_t)copy.data;

    for (size_t n = copy.len; ok && n > 0; n--)
        if (p[n - 1] != 0xff) {
            p[n - 1]++;
            return ph_slice(p, n);
        }
    return ph_slice(NULL, 0); /* an index has a number below 2^32 - 1: never */
}

prophet_code ph_plan_usable(planner *p, const query_index *index, bool *usable, bool *odd,
                            prophet_error *err)
{
    uint8_t prefix[5];
    ph_cursor *cur;
    prophet_slice key, value;
    prophet_code rc = ph_ix_complete(p->r->t, &index->def, usable, err);

    *odd = false;
    if (rc < 0 || !*usable || (rc = ph_cursor_open(p->r->t, PH_T_IX, &cur, err)) < 0)
        return rc;
    ph_ix_odd_prefix(index->def.id, prefix);
    rc = ph_cursor_seek(cur, ph_slice(prefix, sizeof prefix), &key, &value, err);
    *odd = rc == PROPHET_OK && key.len > 5 && memcmp(key.data, prefix, sizeof prefix) == 0;
    ph_cursor_close(cur);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- one condition on one field, as a range behind a prefix ------------------------------------------------ */

typedef struct making {
    planner *p;
    const query_index *index;
    const conjunct *c;
    size_t count;
    size_t room; /* of a value */
    uint64_t covers;
    bool exact;
    bool set_used;           /* the set field is fixed or ranged: by one condition only */
    bool repeats;            /* a record may be met twice */
    prophet_slice *prefixes; /* of the ranges so far: all their fields are fixed */
    size_t prefix_count;
    size_t cut; /* of a single prefix: where its first value ends that was cut; 0: none was */
} making;

/* prefix, then what `put` appends. */
typedef struct bound {
    prophet_slice key;
    bool cut;
} bound;

static bool bound_of(making *m, prophet_slice prefix, size_t field, prophet_slice value, bool point,
                     bound *out)
{
    ph_buf b = PH_BUF_INIT;
    bool ok = true;

    ph_buf_put(&b, prefix.data, prefix.len);
    out->cut = ph_ordered_put(&b, value, m->index->def.desc[field], m->room);
    if (out->cut && !point)
        b.len -= PH_IX_CUT;
    out->key = ph_arena_copy(m->p->a, ph_buf_slice(&b), &ok);
    ok = ok && !b.failed;
    ph_buf_clear(&b);
    return ok;
}

static bool with_byte(making *m, prophet_slice prefix, uint8_t byte, prophet_slice *out)
{
    uint8_t *p = ph_arena_alloc(m->p->a, prefix.len + 1);

    if (!p)
        return false;
    memcpy(p, prefix.data, prefix.len);
    p[prefix.len] = byte;
    *out = ph_slice(p, prefix.len + 1);
    return true;
}

/* All values behind a prefix, absent ones too or not. */
static bool whole(making *m, prophet_slice prefix, size_t field, bool absent, key_range *out)
{
    bool desc = m->index->def.desc[field];

    if (!with_byte(m, prefix, absent || desc ? 1 : PH_IX_ABSENT + 1, &out->low))
        return false;
    if (desc && !absent)
        return with_byte(m, prefix, (uint8_t)~PH_IX_ABSENT, &out->high);
    out->high = ph_plan_after_prefix(prefix, m->p->a);
    return out->high.len > 0;
}

/* Values above (or below) a bound, with it or without. */
static bool side(making *m, prophet_slice prefix, size_t field, prophet_slice value, bool above,
                 bool included, key_range *out)
{
    bound b;

    if (!whole(m, prefix, field, false, out) || !bound_of(m, prefix, field, value, false, &b))
        return false;
    m->exact = m->exact && !b.cut;
    bool from = above != m->index->def.desc[field]; /* in keys: from the bound on */
    prophet_slice behind = ph_plan_after_prefix(b.key, m->p->a);
    included = included || b.cut;
    if (from)
        out->low = included ? b.key : behind;
    else
        out->high = included ? behind : b.key;
    return out->low.len > 0 && out->high.len > 0;
}

static prophet_slice larger(prophet_slice a, prophet_slice b)
{
    return ph_slice_cmp(a, b) > 0 ? a : b;
}

static void narrow(key_range *r, const key_range *by)
{
    r->low = larger(r->low, by->low);
    r->high = ph_slice_cmp(r->high, by->high) < 0 ? r->high : by->high;
}

/* Texts and bytes that begin so: two ranges. */
static bool prefix_ranges(making *m, prophet_slice prefix, size_t field, prophet_slice text,
                          key_range out[2])
{
    for (int bytes = 0; bytes < 2; bytes++) {
        ph_buf b = PH_BUF_INIT;
        bool ok = true;
        ph_buf_put(&b, prefix.data, prefix.len);
        bool cut = ph_ordered_put_prefix(&b, bytes, text, m->index->def.desc[field], m->room);
        m->exact = m->exact && !cut;
        out[bytes].low = ph_arena_copy(m->p->a, ph_buf_slice(&b), &ok);
        ok = ok && !b.failed;
        ph_buf_clear(&b);
        out[bytes].high = ok ? ph_plan_after_prefix(out[bytes].low, m->p->a) : ph_slice(NULL, 0);
        if (out[bytes].high.len == 0)
            return false;
    }
    return true;
}

/* ---- which conditions are of use --------------------------------------------------------------------------- */

static bool on_field(const making *m, const conjunct *c, size_t field)
{
    const node *n = c->n;

    return n->path_count == 1 && n->path->count == 1 && n->path->steps[0].kind == STEP_FIELD &&
           n->path->steps[0].field != 0 && n->path->steps[0].field == m->index->def.fields[field];
}

static size_t point_values(const making *m, const conjunct *c, size_t field)
{
    bool set = m->index->def.kinds[field] == PH_IX_SET;
    const node *n = c->n;

    if (n->op == OP_PRESENT)
        return c->negated ? 1 : 0;
    if (c->negated)
        return 0;
    if (n->op == OP_EQ) /* a set equals a list of its elements */
        return set && ph_value_kind(n->values[0]) == PH_LIST ? 0 : 1;
    if (n->op == OP_IN || (n->op == OP_HAS_ANY && set))
        return n->value_count;
    return n->op == OP_HAS_ALL && set && n->value_count > 0 ? 1 : 0;
}

static bool is_empty_list(const making *m, const conjunct *c, size_t field)
{
    bool set = m->index->def.kinds[field] == PH_IX_SET;

    return !c->negated && c->n->value_count == 0 &&
           (c->n->op == OP_IN || (c->n->op == OP_HAS_ANY && set));
}

/* The condition on this field that gives the fewest values; count: none. */
static size_t find_point(const making *m, size_t field)
{
    size_t best = m->count, fewest = SIZE_MAX;

    for (size_t i = 0; i < m->count; i++) {
        if (!on_field(m, &m->c[i], field))
            continue;
        size_t n = point_values(m, &m->c[i], field);
        if ((n > 0 && n < fewest) || is_empty_list(m, &m->c[i], field)) {
            best = i;
            fewest = n;
        }
    }
    return best;
}

static bool is_range(const conjunct *c)
{
    node_op op = c->n->op;

    return !c->negated && (op == OP_LT || op == OP_LE || op == OP_GT || op == OP_GE ||
                           op == OP_BETWEEN || op == OP_PREFIX || op == OP_PRESENT);
}

/* ---- fixing fields ------------------------------------------------------------------------------------------- */

static prophet_code fix_field(making *m, size_t field, size_t which, prophet_error *err)
{
    const conjunct *c = &m->c[which];
    size_t values = point_values(m, c, field), n = 0;
    bool set = m->index->def.kinds[field] == PH_IX_SET;
    prophet_slice *next = ph_arena_alloc(m->p->a, (m->prefix_count * values + 1) * sizeof *next);

    if (!next)
        return ph_nomem(err);
    for (size_t i = 0; i < m->prefix_count; i++)
        for (size_t v = 0; v < values; v++) {
            prophet_slice value = c->negated ? ph_slice(NULL, 0) : c->n->values[v];
            bound b;
            if (!bound_of(m, m->prefixes[i], field, value, true, &b))
                return ph_nomem(err);
            m->exact = m->exact && !b.cut;
            m->cut = m->cut ? m->cut : b.cut ? b.key.len - PH_IX_CUT : 0;
            next[n++] = b.key;
        }
    m->prefixes = next;
    m->prefix_count = n;
    m->set_used = m->set_used || set;
    m->repeats = m->repeats || (set && values > 1);
    bool all =
        c->n->op != OP_HAS_ALL || c->n->value_count == 1; /* of "has all" one is looked for */
    if (all)
        m->covers |= UINT64_C(1) << which;
    return PROPHET_OK;
}

/* Every condition on a plain field that this index can hold to; of a set one, since each may hold for another element. */
static prophet_code range_of(making *m, prophet_slice prefix, size_t field, key_range out[2],
                             size_t *count, prophet_error *err)
{
    bool set = m->index->def.kinds[field] == PH_IX_SET, used = false;
    key_range one;

    *count = 1;
    if (!whole(m, prefix, field, true, &out[0]))
        return ph_nomem(err);
    for (size_t i = 0; i < m->count; i++) {
        const conjunct *c = &m->c[i];
        const node *n = c->n;
        bool ok = true;
        if (!on_field(m, c, field) || !is_range(c) || (set && used) ||
            (n->op == OP_PREFIX && *count == 2))
            continue;
        if (n->op == OP_PREFIX) {
            key_range by = out[0];
            ok = prefix_ranges(m, prefix, field, n->values[0], out);
            *count = 2;
            narrow(&out[0], &by), narrow(&out[1], &by);
        } else if (n->op == OP_PRESENT) {
            ok = whole(m, prefix, field, false, &one);
        } else if (n->op == OP_BETWEEN) {
            key_range high;
            ok = side(m, prefix, field, n->values[0], true, true, &one) &&
                 side(m, prefix, field, n->values[1], false, true, &high);
            narrow(&one, &high);
        } else {
            ok = side(m, prefix, field, n->values[0], n->op == OP_GT || n->op == OP_GE,
                      n->op == OP_GE || n->op == OP_LE, &one);
        }
        if (!ok)
            return ph_nomem(err);
        for (size_t k = 0; k < *count && n->op != OP_PREFIX; k++)
            narrow(&out[k], &one);
        m->covers |= UINT64_C(1) << i;
        used = true;
    }
    m->repeats = m->repeats || (set && used);
    return used ? PROPHET_OK : PROPHET_DONE;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static int by_low(const void *a, const void *b)
{
    return ph_slice_cmp(((const key_range *)a)->low, ((const key_range *)b)->low);
}

size_t ph_plan_ranges_tidy(key_range *r, size_t count)
{
    size_t kept = 0;

    if (count > 1)
        qsort(r, count, sizeof *r, by_low);
    for (size_t i = 0; i < count; i++) {
        if (ph_slice_cmp(r[i].low, r[i].high) >= 0)
            continue;
        if (kept && ph_slice_cmp(r[i].low, r[kept - 1].high) < 0) {
            r[kept - 1].high = larger(r[kept - 1].high, r[i].high);
            continue;
        }
        r[kept++] = r[i];
    }
    return kept;
}

static prophet_code make_ranges(making *m, access *a, bool *ranged, prophet_error *err)
{
    const ph_index_def *def = &m->index->def;
    prophet_code rc = PROPHET_OK;

    *ranged = false;
    if (!(a->ranges = ph_arena_alloc(m->p->a, (2 * m->prefix_count + 1) * sizeof *a->ranges)))
        return ph_nomem(err);
    for (size_t i = 0; i < m->prefix_count; i++) {
        size_t n = 1;
        key_range *at = &a->ranges[a->range_count];
        rc = a->fixed < def->count ? range_of(m, m->prefixes[i], a->fixed, at, &n, err)
                                   : PROPHET_DONE;
        if (rc < 0)
            return rc;
        *ranged = *ranged || rc == PROPHET_OK;
        if (rc == PROPHET_DONE) {
            at->low = m->prefixes[i];
            if (a->fixed == 0 && !with_byte(m, m->prefixes[i], 1, &at->low))
                return ph_nomem(err);
            at->high = ph_plan_after_prefix(m->prefixes[i], m->p->a);
            if (at->high.len == 0)
                return ph_nomem(err);
        }
        a->range_count += n;
    }
    a->range_count = ph_plan_ranges_tidy(a->ranges, a->range_count);
    return PROPHET_OK;
}

static size_t sets_of(const ph_index_def *def)
{
    size_t n = 0;

    for (size_t i = 0; i < def->count; i++)
        n += def->kinds[i] == PH_IX_SET;
    return n;
}

prophet_code ph_plan_index(planner *p, uint32_t type, const query_index *index, const conjunct *c,
                           size_t count, bool all, access **out, prophet_error *err)
{
    const ph_index_def *def = &index->def;
    making m = { .p = p, .index = index, .c = c, .count = count, .exact = true };
    access *a = ph_plan_access(p, ACCESS_INDEX, type);
    size_t *ends = ph_arena_alloc(p->a, (def->count + 1) * sizeof *ends);
    uint8_t id[4];
    prophet_slice first;
    bool ok = true, ranged;
    prophet_code rc;

    *out = NULL;
    if (!a || !ends)
        return ph_nomem(err);
    m.room = PH_IX_ROOM / def->count;
    ph_u32be_put(id, def->id);
    first = ph_arena_copy(p->a, ph_slice(id, sizeof id), &ok);
    if (!ok)
        return ph_nomem(err);
    m.prefixes = &first;
    m.prefix_count = 1;
    ends[0] = sizeof id;
    for (; a->fixed < def->count; a->fixed++) {
        size_t which = find_point(&m, a->fixed);
        if (which == count || point_values(&m, &c[which], a->fixed) * m.prefix_count > PLAN_RANGES)
            break;
        if ((rc = fix_field(&m, a->fixed, which, err)) < 0)
            return rc;
        ends[a->fixed + 1] = m.prefix_count == 1 ? m.prefixes[0].len : 0;
    }
    if ((rc = make_ranges(&m, a, &ranged, err)) < 0)
        return rc;
    if (a->fixed == 0 && !ranged && !all)
        return PROPHET_OK;
    if ((rc = ph_plan_usable(p, index, &ok, &a->odd, err)) < 0 || !ok)
        return rc;
    a->index = index;
    if (m.prefix_count == 1) {
        a->prefix = m.prefixes[0];
        a->cut = m.cut;
        a->ends = ends;
    }
    a->covers = m.covers;
    a->exact = m.exact;
    a->repeats = m.repeats || sets_of(def) > m.set_used; /* of two, one shows elements */
    a->unique = !a->repeats && !a->odd;
    a->by_number = a->fixed == def->count && a->range_count <= 1 && !a->odd && a->unique;
    *out = a;
    return PROPHET_OK;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

size_t ph_plan_fixed(const access *a, const order_term *o)
{
    const ph_index_def *def = &a->index->def;
    size_t i = 0;

    while (i < a->fixed &&
           (def->kinds[i] == PH_IX_SET || o->path.count != 1 ||
            o->path.steps[0].kind != STEP_FIELD || o->path.steps[0].field != def->fields[i]))
        i++;
    return i;
}

/* Does a field of the index order as this term does? 1: yes; -1: the other way round. */
static int follows(const ph_index_def *def, size_t field, const order_term *o)
{
    if (field >= def->count || def->kinds[field] == PH_IX_SET || o->path.count != 1 ||
        o->path.steps[0].kind != STEP_FIELD || o->path.steps[0].field == 0 ||
        o->path.steps[0].field != def->fields[field])
        return 0;
    return def->desc[field] == o->desc ? 1 : -1;
}

plan_order ph_plan_order(const ph_query *q, const access *a)
{
    size_t field = a->fixed;
    int way = 0;

    if (a->kind != ACCESS_INDEX || a->range_count > 1 || !a->unique || !a->ends)
        return ORDER_SORT;
    const ph_index_def *def = &a->index->def;
    for (size_t i = 0; i < q->order_count; i++) {
        const order_term *o = &q->order[i];
        if (o->path.count == 1 && o->path.steps[0].kind == STEP_NUMBER && !o->desc)
            break; /* nothing comes behind it */
        if (ph_plan_fixed(a, o) < a->fixed)
            continue;
        int f = follows(def, field++, o);
        if (f == 0 || (way && f != way))
            return ORDER_SORT;
        way = f;
    }
    if (field < def->count) /* ties would come by the fields left */
        return ORDER_SORT;
    return way < 0 ? ORDER_INDEX_BACKWARD : ORDER_INDEX;
}
