/* sort: brings changes, operations and votes into the one order their encoding has. Called by
 * the replica layer before it encodes. What is sorted already costs one pass; little is sorted
 * by insertion. */
#include "model/body_impl.h"
#include <stdlib.h>

#define FEW 12

static int cmp_changes(const void *x, const void *y)
{
    const ph_change *a = x, *b = y;
    return ph_record_cmp(a->type, &a->record, b->type, &b->record);
}

static int cmp_ops(const void *x, const void *y)
{
    const ph_op *a = x, *b = y;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = ph_name_cmp(a->field, b->field);
    return order ? order : ph_slice_cmp(a->value, b->value);
}

static int cmp_votes(const void *x, const void *y)
{
    const ph_vote *a = x, *b = y;
    int order = ph_record_cmp(a->type, &a->record, b->type, &b->record);
    return order ? order : ph_name_cmp(a->field, b->field);
}

void ph_changes_sort(ph_change *changes, size_t count)
{
    size_t i = 1;

    while (i < count && cmp_changes(&changes[i - 1], &changes[i]) <= 0)
        i++;
    if (i < count)
        qsort(changes, count, sizeof *changes, cmp_changes);
}

void ph_ops_sort(ph_op *ops, size_t count)
{
    if (count > FEW) {
        qsort(ops, count, sizeof *ops, cmp_ops);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        ph_op op = ops[i];
        size_t at = i;
        while (at > 0 && cmp_ops(&ops[at - 1], &op) > 0) {
            ops[at] = ops[at - 1];
            at--;
        }
        ops[at] = op;
    }
}

void ph_votes_sort(ph_vote *votes, size_t count)
{
    if (count > 1)
        qsort(votes, count, sizeof *votes, cmp_votes);
}
