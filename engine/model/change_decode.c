/* change_decode: one change of a body, strictly. Called by body_decode.c for each, and on its
 * own through ph_change_decode_at when history looks at a single change.
 *
 * change = map:  1 type     text
 *                2 record   16 bytes
 *                3 action   0 create, 1 update, 2 delete
 *                4 over     [position ..], life heads
 *                5 set      {field: value}
 *                6 unset    [field ..]
 *                7 over     {field: [position ..]}, for fields of 5 and 6
 *                8 inc      {field: integer}
 *                9 add      {field: [[value, position ..] ..]}
 *               10 remove   the same, at least one position each
 * 4 to 10 are absent when empty; a delete has none of 5 to 10.
 *
 * Operations of all changes lie one after the other in a few arrays: a head tells how many come,
 * and no head is believed that claims more than its bytes can hold. */
#include "model/body_impl.h"

#define OPS_AT_ONCE ((size_t)1024)

/* Room for `more` operations of this change, behind those it has. */
static bool make_room(ph_body_reader *r, size_t more)
{
    size_t have = (size_t)(r->fill - r->first), guess = ph_cursor_left(&r->c) / 16, want;
    ph_op *ops;

    if ((size_t)(r->limit - r->fill) >= more)
        return true;
    want = 2 * have + more;
    if (want < guess)
        want = guess < OPS_AT_ONCE ? guess : want < OPS_AT_ONCE ? OPS_AT_ONCE : want;
    if (!(ops = ph_arena_alloc(r->arena, want * sizeof *ops)))
        return ph_cursor_nomem(&r->c);
    if (have)
        memcpy(ops, r->first, have * sizeof *ops);
    r->first = ops;
    r->fill = ops + have;
    r->limit = ops + want;
    return true;
}

static ph_op *new_op(ph_body_reader *r, ph_op_kind kind, prophet_slice field)
{
    ph_op *op = r->fill++;

    op->kind = kind;
    op->field = field;
    op->value = ph_slice(NULL, 0);
    op->amount = 0;
    op->over.pos = NULL;
    op->over.count = 0;
    return op;
}

/* ---- the maps and lists of fields ------------------------------------------------------------ */

/* Head of one of the members 5 to 10: never empty, fields of a change are limited. */
static bool open_fields(ph_body_reader *r, unsigned major, size_t least, uint64_t *count)
{
    const uint8_t *at = r->c.p;

    if (!ph_cursor_count(&r->c, major, least, count,
                         major == PH_CBOR_MAP ? "fields are not a map" : "fields are not a list"))
        return false;
    if (*count == 0)
        return ph_cursor_refuse(&r->c, at, "empty fields");
    return *count <= PH_ELEMENTS_MAX ? true : ph_cursor_refuse(&r->c, at, "too many fields");
}

/* The next field of such a map or list, which must lie behind `last`. */
static bool next_field(ph_body_reader *r, prophet_slice type, prophet_slice *last)
{
    const uint8_t *at = r->c.p;
    prophet_slice field;

    if (!ph_read_field(r, type, &field))
        return false;
    int order = last->len ? ph_name_cmp(*last, field) : -1;
    if (order >= 0)
        return ph_cursor_refuse(&r->c, at, order == 0 ? "duplicate field" : "fields out of order");
    *last = field;
    return true;
}

static bool read_sets(ph_body_reader *r, prophet_slice type)
{
    uint64_t count = 0;
    prophet_slice field = { NULL, 0 };

    if (!open_fields(r, PH_CBOR_MAP, 3, &count) || !make_room(r, (size_t)count))
        return false;
    for (; count > 0; count--) {
        if (!next_field(r, type, &field))
            return false;
        const uint8_t *at = r->c.p;
        if (!ph_cursor_value(&r->c))
            return false;
        new_op(r, PH_SET, field)->value = ph_slice(at, (size_t)(r->c.p - at));
    }
    return true;
}

static bool read_unsets(ph_body_reader *r, prophet_slice type)
{
    uint64_t count = 0;
    prophet_slice field = { NULL, 0 };
    const ph_op *set = r->first, *sets_end;

    if (!open_fields(r, PH_CBOR_LIST, 2, &count) || !make_room(r, (size_t)count))
        return false;
    set = r->first; /* it may have moved */
    sets_end = r->fill;
    for (; count > 0; count--) {
        const uint8_t *at = r->c.p;
        if (!next_field(r, type, &field))
            return false;
        while (set < sets_end && ph_name_cmp(set->field, field) < 0)
            set++;
        if (set < sets_end && ph_slice_eq(set->field, field))
            return ph_cursor_refuse(&r->c, at, "field is both set and unset");
        (void)new_op(r, PH_UNSET, field);
    }
    return true;
}

/* Key 7 speaks of the sets and unsets before it: two sorted runs, walked along. */
static bool read_overs(ph_body_reader *r, prophet_slice type)
{
    uint64_t count = 0;
    prophet_slice field = { NULL, 0 };
    ph_op *set = r->first, *unset = r->first, *end = r->fill;

    while (unset < end && unset->kind == PH_SET)
        unset++;
    const ph_op *sets_end = unset;
    if (!open_fields(r, PH_CBOR_MAP, 4, &count))
        return false;
    for (; count > 0; count--) {
        const uint8_t *at = r->c.p;
        ph_op *op = NULL;
        if (!next_field(r, type, &field))
            return false;
        while (set < sets_end && ph_name_cmp(set->field, field) < 0)
            set++;
        while (unset < end && ph_name_cmp(unset->field, field) < 0)
            unset++;
        if (set < sets_end && ph_slice_eq(set->field, field))
            op = set;
        else if (unset < end && ph_slice_eq(unset->field, field))
            op = unset;
        else
            return ph_cursor_refuse(&r->c, at, "heads of a field that is neither set nor unset");
        if (!ph_read_over(r, &op->over))
            return false;
    }
    return true;
}

static bool read_incs(ph_body_reader *r, prophet_slice type)
{
    uint64_t count = 0;
    prophet_slice field = { NULL, 0 };

    if (!open_fields(r, PH_CBOR_MAP, 3, &count) || !make_room(r, (size_t)count))
        return false;
    for (; count > 0; count--) {
        const uint8_t *at;
        unsigned major = 0;
        uint64_t arg = 0;
        if (!next_field(r, type, &field))
            return false;
        at = r->c.p;
        if (at < r->c.end && *at >> 5 > PH_CBOR_NEGATIVE)
            return ph_cursor_refuse(&r->c, at, "increment is not an integer");
        if (!ph_cursor_head(&r->c, &major, &arg))
            return false;
        if (arg > INT64_MAX)
            return ph_cursor_refuse(&r->c, at, "integer is beyond 64 bits");
        new_op(r, PH_INC, field)->amount = major == PH_CBOR_UINT ? (int64_t)arg : -1 - (int64_t)arg;
    }
    return true;
}

/* [value, position ..]. The elements of one field lie in the order of their bytes. */
static bool read_element(ph_body_reader *r, ph_op_kind kind, prophet_slice field,
                         prophet_slice *last)
{
    const uint8_t *at = r->c.p, *start;
    uint64_t count = 0;
    prophet_slice value;

    if (!ph_cursor_count(&r->c, PH_CBOR_LIST, 1, &count, "element is not a list"))
        return false;
    if (count == 0)
        return ph_cursor_refuse(&r->c, at, "element has no value");
    if (count == 1 && kind == PH_REMOVE)
        return ph_cursor_refuse(&r->c, at, "removed element names no add");
    start = r->c.p;
    if (!ph_cursor_value(&r->c))
        return false;
    value = ph_slice(start, (size_t)(r->c.p - start));
    int order = last->len ? ph_slice_cmp(*last, value) : -1;
    if (order >= 0)
        return ph_cursor_refuse(&r->c, start,
                                order == 0 ? "duplicate element" : "elements out of order");
    *last = value;
    ph_op *op = new_op(r, kind, field);
    op->value = value;
    return ph_read_positions(r, count - 1, &op->over);
}

static bool read_elements(ph_body_reader *r, ph_op_kind kind, prophet_slice type, size_t *elements)
{
    uint64_t fields = 0;
    prophet_slice field = { NULL, 0 };

    if (!open_fields(r, PH_CBOR_MAP, 4, &fields))
        return false;
    for (; fields > 0; fields--) {
        const uint8_t *at;
        uint64_t count = 0;
        prophet_slice last = { NULL, 0 };
        if (!next_field(r, type, &field))
            return false;
        at = r->c.p;
        if (!ph_cursor_count(&r->c, PH_CBOR_LIST, 2, &count, "elements are not a list"))
            return false;
        if (count == 0)
            return ph_cursor_refuse(&r->c, at, "empty list of elements");
        if (count > PH_ELEMENTS_MAX - *elements)
            return ph_cursor_refuse(&r->c, at, "too many elements");
        *elements += (size_t)count;
        if (!make_room(r, (size_t)count))
            return false;
        while (count-- > 0)
            if (!read_element(r, kind, field, &last))
                return false;
    }
    return true;
}

/* Adds and removes are two sorted runs behind all else; no element may be in both. */
static bool check_added_and_removed(ph_body_reader *r)
{
    const ph_op *end = r->fill, *add = r->first, *remove;

    while (add < end && add->kind != PH_ADD)
        add++;
    for (remove = add; remove < end && remove->kind == PH_ADD;)
        remove++;
    const ph_op *adds_end = remove;
    while (add < adds_end && remove < end) {
        int order = ph_name_cmp(add->field, remove->field);
        if (order == 0)
            order = ph_slice_cmp(add->value, remove->value);
        if (order == 0)
            return ph_cursor_refuse(&r->c, remove->value.data, "element is both added and removed");
        if (order < 0)
            add++;
        else
            remove++;
    }
    return true;
}

/* ---- a change -------------------------------------------------------------------------------- */

static bool read_head(ph_body_reader *r, ph_keys *k, const ph_change *last, ph_change *out)
{
    const uint8_t *at;
    uint64_t action = 0;

    if (!ph_keys_open(&r->c, k, "change is not a map") ||
        !ph_keys_want(&r->c, k, PH_CHANGE_TYPE, "change has no type") ||
        !ph_read_type(r, last ? &last->type : NULL, &out->type) ||
        !ph_keys_want(&r->c, k, PH_CHANGE_RECORD, "change has no record") ||
        !ph_read_record(r, &out->record) ||
        !ph_keys_want(&r->c, k, PH_CHANGE_ACTION, "change has no action"))
        return false;
    at = r->c.p;
    if (!ph_cursor_expect(&r->c, PH_CBOR_UINT, &action, "action is not an unsigned integer"))
        return false;
    if (action > PH_DELETE)
        return ph_cursor_refuse(&r->c, at, "unknown action");
    out->action = (ph_action)action;
    return true;
}

static bool read_member(ph_body_reader *r, const ph_keys *k, ph_change *out, size_t *elements)
{
    if (k->key >= PH_CHANGE_SET && k->key <= PH_CHANGE_REMOVE && out->action == PH_DELETE)
        return ph_cursor_refuse(&r->c, k->at, "delete with fields");
    switch (k->key) {
    case PH_CHANGE_LIFE: return ph_read_over(r, &out->over);
    case PH_CHANGE_SET: return read_sets(r, out->type);
    case PH_CHANGE_UNSET: return read_unsets(r, out->type);
    case PH_CHANGE_OVER: return read_overs(r, out->type);
    case PH_CHANGE_INC: return read_incs(r, out->type);
    case PH_CHANGE_ADD: return read_elements(r, PH_ADD, out->type, elements);
    case PH_CHANGE_REMOVE:
        return read_elements(r, PH_REMOVE, out->type, elements) && check_added_and_removed(r);
    default: return ph_cursor_refuse(&r->c, k->at, "unknown key");
    }
}

bool ph_read_change(ph_body_reader *r, const ph_change *last, ph_change *out)
{
    ph_keys k;
    size_t elements = 0;

    out->offset = (size_t)(r->c.p - r->c.start);
    out->over.pos = NULL;
    out->over.count = 0;
    r->first = r->fill;
    if (!read_head(r, &k, last, out))
        return false;
    while (k.left > 0)
        if (!ph_keys_next(&r->c, &k) || !read_member(r, &k, out, &elements))
            return false;
    out->ops = r->first;
    out->op_count = (size_t)(r->fill - r->first);
    return true;
}

prophet_code ph_change_decode_at(prophet_slice body, size_t offset, ph_arena *arena, ph_change *out,
                                 prophet_error *err)
{
    ph_body_reader r = { 0 };

    r.c = ph_cursor_of(body, "changeset body", 0, err);
    if (offset >= body.len)
        return ph_fail(err, PROPHET_ECORRUPT, "changeset body: no change at byte %zu", offset);
    r.c.p += offset;
    r.c.end = body.data ? (const uint8_t *)body.data + body.len : r.c.p;
    r.arena = arena;
    r.names = UINT64_C(1) << 32;         /* checked when the body was */
    (void)ph_read_change(&r, NULL, out); /* kept in r.c.rc */
    return r.c.rc;
}
