/* change_encode: one change of a body as canonical bytes (drawn in change_decode.c). Called by
 * body_encode.c.
 *
 * Two steps: survey the operations (their order, names and limits, how many members the maps
 * get), then write. Whatever the strict decoder of a peer would refuse is refused here first, as
 * EUSAGE naming type and field: once signed it could not be taken back. */
#include "model/body_impl.h"

enum { OP_KINDS = PH_REMOVE + 1 };

typedef struct survey {        /* operations lie in runs, one a kind */
    size_t from[OP_KINDS + 1]; /* run of kind k: ops[from[k]] up to ops[from[k + 1]] */
    size_t fields[OP_KINDS];   /* distinct fields of each run */
    size_t overs;              /* sets and unsets that name heads */
} survey;

__attribute__((cold, noinline, format(printf, 5, 6))) static prophet_code refuse(
    prophet_error *err, const ph_change *change, const ph_op *op, prophet_code code,
    const char *fmt, ...)
{
    char reason[160];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, ap); /* cut is fine */
    va_end(ap);
    if (op)
        (void)ph_fail(err, code, "%.*s.%.*s: %s", PH_FMT(change->type), PH_FMT(op->field), reason);
    else
        (void)ph_fail(err, code, "%.*s: %s", PH_FMT(change->type), reason);
    ph_error_at(err, change->type, op ? op->field : ph_slice(NULL, 0));
    return code;
}

/* ---- values and positions: votes have them as well ------------------------------------------- */

prophet_code ph_write_value(prophet_slice value, ph_buf *out, prophet_error *err)
{
    prophet_error why;

    if (ph_value_check(value, 0, &why) < 0)
        return ph_fail(err, PROPHET_EUSAGE, "%s", why.message);
    ph_buf_put(out, value.data, value.len);
    return PROPHET_OK;
}

prophet_code ph_write_positions(const ph_over *over, size_t names, ph_buf *out, prophet_error *err)
{
    for (uint32_t i = 0; i < over->count; i++) {
        if (over->pos[i] >= names)
            return ph_fail(err, PROPHET_EUSAGE, "position %u of %zu names", (unsigned)over->pos[i],
                           names);
        if (i > 0 && over->pos[i] <= over->pos[i - 1])
            return ph_fail(err, PROPHET_EUSAGE, "positions out of order");
        ph_put_head(out, PH_CBOR_UINT, over->pos[i]);
    }
    return PROPHET_OK;
}

prophet_code ph_write_over(const ph_over *over, size_t names, ph_buf *out, prophet_error *err)
{
    ph_put_head(out, PH_CBOR_LIST, over->count);
    return ph_write_positions(over, names, out, err);
}

/* ---- survey ---------------------------------------------------------------------------------- */

static bool has_value(const ph_op *op)
{
    return op->kind == PH_SET || op->kind == PH_ADD || op->kind == PH_REMOVE;
}

/* `last` is the operation before, of the same kind, or NULL. */
static prophet_code survey_op(survey *s, const ph_change *change, const ph_op *last,
                              const ph_op *op, prophet_error *err)
{
    int order = last ? ph_name_cmp(last->field, op->field) : -1;

    if (order < 0) {
        if (!ph_field_valid(change->type, op->field))
            return refuse(err, change, op, PROPHET_EUSAGE, "bad field name");
        s->fields[op->kind]++;
    } else if (order == 0 && op->kind >= PH_ADD) {
        order = ph_slice_cmp(last->value, op->value);
    }
    if (order >= 0)
        return refuse(err, change, op, PROPHET_EUSAGE,
                      order == 0 ? "two operations on one cell" : "operations out of order");
    if (has_value(op) != (op->value.len > 0))
        return refuse(err, change, op, PROPHET_EUSAGE,
                      op->value.len > 0 ? "value where none belongs" : "no value");
    if (op->kind == PH_REMOVE && op->over.count == 0)
        return refuse(err, change, op, PROPHET_EUSAGE, "removed element names no add");
    if (op->kind == PH_INC && op->over.count > 0)
        return refuse(err, change, op, PROPHET_EUSAGE, "increment names heads");
    s->overs += op->kind <= PH_UNSET && op->over.count > 0;
    return PROPHET_OK;
}

static prophet_code survey_ops(survey *s, const ph_change *change, prophet_error *err)
{
    unsigned kind = 0;
    prophet_code rc;

    for (size_t i = 0; i < change->op_count; i++) {
        const ph_op *op = &change->ops[i];
        if ((unsigned)op->kind < kind || (unsigned)op->kind >= OP_KINDS)
            return refuse(err, change, op, PROPHET_EUSAGE, "operations out of order");
        while (kind < (unsigned)op->kind)
            s->from[++kind] = i;
        if ((rc = survey_op(s, change, i > s->from[kind] ? op - 1 : NULL, op, err)) < 0)
            return rc;
    }
    while (kind < OP_KINDS)
        s->from[++kind] = change->op_count;
    for (kind = 0; kind < OP_KINDS; kind++)
        if (s->fields[kind] > PH_ELEMENTS_MAX)
            return refuse(err, change, NULL, PROPHET_EUSAGE, "more than %d fields",
                          PH_ELEMENTS_MAX);
    if (change->op_count - s->from[PH_ADD] > PH_ELEMENTS_MAX)
        return refuse(err, change, NULL, PROPHET_EUSAGE, "more than %d elements", PH_ELEMENTS_MAX);
    return PROPHET_OK;
}

/* No cell is in both runs: set and unset by field, add and remove by element. */
static prophet_code survey_pair(const survey *s, const ph_change *change, ph_op_kind one,
                                const char *message, prophet_error *err)
{
    const ph_op *ops = change->ops;
    size_t a = s->from[one], b = s->from[one + 1], a_end = b, b_end = s->from[one + 2];

    while (a < a_end && b < b_end) {
        int order = ph_name_cmp(ops[a].field, ops[b].field);
        if (order == 0 && one == PH_ADD)
            order = ph_slice_cmp(ops[a].value, ops[b].value);
        if (order == 0)
            return refuse(err, change, &ops[a], PROPHET_EUSAGE, "%s", message);
        if (order < 0)
            a++;
        else
            b++;
    }
    return PROPHET_OK;
}

static prophet_code survey_change(survey *s, const ph_change *change, prophet_error *err)
{
    prophet_code rc;

    if (!ph_name_valid(change->type))
        return ph_fail(err, PROPHET_EUSAGE, "bad type name \"%.*s\"", PH_FMT(change->type));
    if ((unsigned)change->action > PH_DELETE)
        return refuse(err, change, NULL, PROPHET_EUSAGE, "unknown action");
    if (change->action == PH_DELETE && change->op_count > 0)
        return refuse(err, change, NULL, PROPHET_EUSAGE, "delete with fields");
    if ((rc = survey_ops(s, change, err)) < 0 ||
        (rc = survey_pair(s, change, PH_SET, "both set and unset", err)) < 0)
        return rc;
    return survey_pair(s, change, PH_ADD, "element is both added and removed", err);
}

/* ---- writing --------------------------------------------------------------------------------- */

static prophet_code write_sets(const survey *s, const ph_change *change, ph_buf *out,
                               prophet_error *err)
{
    prophet_code rc;

    if (s->fields[PH_SET] == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_SET);
    ph_put_head(out, PH_CBOR_MAP, s->fields[PH_SET]);
    for (size_t i = s->from[PH_SET]; i < s->from[PH_SET + 1]; i++) {
        const ph_op *op = &change->ops[i];
        ph_put_name(out, op->field);
        if ((rc = ph_write_value(op->value, out, err)) < 0)
            return refuse(err, change, op, rc, "%s", err ? err->message : "");
    }
    return PROPHET_OK;
}

static void write_unsets(const survey *s, const ph_change *change, ph_buf *out)
{
    if (s->fields[PH_UNSET] == 0)
        return;
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_UNSET);
    ph_put_head(out, PH_CBOR_LIST, s->fields[PH_UNSET]);
    for (size_t i = s->from[PH_UNSET]; i < s->from[PH_UNSET + 1]; i++)
        ph_put_name(out, change->ops[i].field);
}

static prophet_code write_over_of(const ph_change *change, const ph_op *op, size_t names,
                                  ph_buf *out, prophet_error *err)
{
    prophet_code rc;

    if (op->over.count == 0)
        return PROPHET_OK;
    ph_put_name(out, op->field);
    if ((rc = ph_write_over(&op->over, names, out, err)) < 0)
        return refuse(err, change, op, rc, "%s", err ? err->message : "");
    return PROPHET_OK;
}

/* The heads of sets and unsets in one map: merges the two runs. */
static prophet_code write_overs(const survey *s, const ph_change *change, size_t names, ph_buf *out,
                                prophet_error *err)
{
    size_t a = s->from[PH_SET], b = s->from[PH_UNSET], a_end = b, b_end = s->from[PH_INC];
    prophet_code rc = PROPHET_OK;

    if (s->overs == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_OVER);
    ph_put_head(out, PH_CBOR_MAP, s->overs);
    while (rc >= 0 && (a < a_end || b < b_end)) {
        bool first = b == b_end ||
                     (a < a_end && ph_name_cmp(change->ops[a].field, change->ops[b].field) < 0);
        rc = write_over_of(change, &change->ops[first ? a++ : b++], names, out, err);
    }
    return rc;
}

static void write_incs(const survey *s, const ph_change *change, ph_buf *out)
{
    if (s->fields[PH_INC] == 0)
        return;
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_INC);
    ph_put_head(out, PH_CBOR_MAP, s->fields[PH_INC]);
    for (size_t i = s->from[PH_INC]; i < s->from[PH_INC + 1]; i++) {
        ph_put_name(out, change->ops[i].field);
        ph_put_int(out, change->ops[i].amount);
    }
}

static prophet_code write_elements(const survey *s, const ph_change *change, ph_op_kind kind,
                                   size_t names, ph_buf *out, prophet_error *err)
{
    size_t end = s->from[kind + 1];
    const ph_op *ops = change->ops;
    prophet_code rc;

    if (s->fields[kind] == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, kind == PH_ADD ? PH_CHANGE_ADD : PH_CHANGE_REMOVE);
    ph_put_head(out, PH_CBOR_MAP, s->fields[kind]);
    for (size_t i = s->from[kind], next = i; i < end; i++) {
        if (i == next) { /* the first element of a field */
            while (next < end && ph_slice_eq(ops[i].field, ops[next].field))
                next++;
            ph_put_name(out, ops[i].field);
            ph_put_head(out, PH_CBOR_LIST, next - i);
        }
        ph_put_head(out, PH_CBOR_LIST, (uint64_t)ops[i].over.count + 1);
        if ((rc = ph_write_value(ops[i].value, out, err)) < 0 ||
            (rc = ph_write_positions(&ops[i].over, names, out, err)) < 0)
            return refuse(err, change, &ops[i], rc, "%s", err ? err->message : "");
    }
    return PROPHET_OK;
}

static prophet_code write_head(const survey *s, const ph_change *change, size_t names, ph_buf *out,
                               prophet_error *err)
{
    unsigned members = 3;
    prophet_code rc;

    members += change->over.count > 0;
    members += s->overs > 0;
    for (unsigned kind = 0; kind < OP_KINDS; kind++)
        members += s->fields[kind] > 0;
    ph_put_head(out, PH_CBOR_MAP, members);
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_TYPE);
    ph_put_name(out, change->type);
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_RECORD);
    ph_put_bytes(out, ph_slice(change->record.b, sizeof change->record.b));
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_ACTION);
    ph_put_head(out, PH_CBOR_UINT, (uint64_t)change->action);
    if (change->over.count == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, PH_CHANGE_LIFE);
    if ((rc = ph_write_over(&change->over, names, out, err)) < 0)
        return refuse(err, change, NULL, rc, "%s", err ? err->message : "");
    return PROPHET_OK;
}

prophet_code ph_write_change(const ph_change *change, size_t names, ph_buf *out, prophet_error *err)
{
    survey s = { { 0 }, { 0 }, 0 };
    prophet_code rc;

    if ((rc = survey_change(&s, change, err)) < 0 ||
        (rc = write_head(&s, change, names, out, err)) < 0 ||
        (rc = write_sets(&s, change, out, err)) < 0)
        return rc;
    write_unsets(&s, change, out);
    if ((rc = write_overs(&s, change, names, out, err)) < 0)
        return rc;
    write_incs(&s, change, out);
    if ((rc = write_elements(&s, change, PH_ADD, names, out, err)) < 0)
        return rc;
    return write_elements(&s, change, PH_REMOVE, names, out, err);
}
