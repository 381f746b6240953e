/* The oracle: from a set of changesets to what touches each cell (oracle_cell.c says what a cell shows). */
#include "oracle_impl.h"

/* ---- memory ------------------------------------------------------------------------------------------------ */

typedef struct block {
    struct block *next;
    max_align_t data[];
} block;

void *oracle_take(oracle *o, size_t size)
{
    block *b = calloc(1, sizeof *b + size + sizeof(max_align_t));

    if (!b)
        abort();
    b->next = o->blocks;
    o->blocks = b;
    return b->data;
}

void oracle_free(oracle *o)
{
    while (o && o->blocks) {
        block *b = o->blocks;

        o->blocks = b->next;
        free(b);
    }
    free(o);
}

/* ---- the set: applied changesets and their lamports ------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
    const oracle_changeset *const *x = a, *const *y = b;

    return memcmp(&(*x)->id, &(*y)->id, sizeof(oracle_id));
}

static size_t find_set(const oracle *o, const oracle_id *id)
{
    const oracle_changeset key = { .id = *id }, *wanted = &key;
    const oracle_changeset **found = bsearch(&wanted, o->sets, o->count, sizeof *found, by_id);

    return o->count && found ? (size_t)(found - o->sets) : SIZE_MAX;
}

static int all_there(const oracle *o, const oracle_changeset *c)
{
    if (c->has_prev && find_set(o, &c->prev) == SIZE_MAX)
        return 0;
    for (size_t i = 0; i < c->parent_count; i++)
        if (find_set(o, &c->parents[i]) == SIZE_MAX)
            return 0;
    for (size_t i = 0; i < c->ref_count; i++)
        if (find_set(o, &c->refs[i]) == SIZE_MAX)
            return 0;
    return 1;
}

/* Throws out what names something missing, until nothing does. */
static void hold_back(oracle *o)
{
    size_t kept;

    do {
        int *keep = oracle_take(o, (o->count + 1) * sizeof *keep);

        kept = 0;
        for (size_t i = 0; i < o->count; i++)
            keep[i] = all_there(o, o->sets[i]);
        for (size_t i = 0; i < o->count; i++)
            if (keep[i])
                o->sets[kept++] = o->sets[i];
        if (kept == o->count)
            return;
        o->count = kept;
    } while (kept);
}

/* "lamport = 1 + max(prev, parents)" */
static uint64_t lamport_of(oracle *o, size_t at)
{
    const oracle_changeset *c = o->sets[at];
    uint64_t most = 0;

    if (o->lamports[at])
        return o->lamports[at]; /* looked up before */
    if (c->has_prev)
        most = lamport_of(o, find_set(o, &c->prev));
    for (size_t i = 0; i < c->parent_count; i++) {
        uint64_t l = lamport_of(o, find_set(o, &c->parents[i]));

        most = l > most ? l : most;
    }
    return o->lamports[at] = most + 1;
}

static void count_lamports(oracle *o)
{
    o->lamports = oracle_take(o, (o->count + 1) * sizeof *o->lamports);
    for (size_t i = 0; i < o->count; i++)
        (void)lamport_of(o, i);
}

/* ---- entries: everything that touches a cell, together ------------------------------------------------------------ */

static int cell_order(const char *type_a, const oracle_uuid *a, const char *field_a,
                      const char *type_b, const oracle_uuid *b, const char *field_b)
{
    int c = strcmp(type_a, type_b);

    if (c == 0)
        c = memcmp(a, b, sizeof *a);
    return c ? c : strcmp(field_a, field_b);
}

static int by_cell(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    return cell_order(x->type, x->record, x->field, y->type, y->record, y->field);
}

static size_t count_entries(const oracle *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->count; i++) {
        n += o->sets[i]->vote_count;
        for (size_t j = 0; j < o->sets[i]->change_count; j++)
            n += 1 + o->sets[i]->changes[j].op_count;
    }
    return n;
}

static void collect_entries(oracle *o)
{
    size_t n = 0;

    o->entries = oracle_take(o, (count_entries(o) + 1) * sizeof *o->entries);
    for (size_t i = 0; i < o->count; i++) {
        for (size_t j = 0; j < o->sets[i]->change_count; j++) {
            const oracle_change *c = &o->sets[i]->changes[j];

            o->entries[n++] = (entry){ c->type, "", &c->record, i, c, NULL, NULL };
            for (size_t k = 0; k < c->op_count; k++)
                o->entries[n++] =
                    (entry){ c->type, c->ops[k].field, &c->record, i, NULL, &c->ops[k], NULL };
        }
        for (size_t j = 0; j < o->sets[i]->vote_count; j++) {
            const oracle_vote *v = &o->sets[i]->votes[j];

            o->entries[n++] = (entry){ v->type, v->field, &v->record, i, NULL, NULL, v };
        }
    }
    o->entry_count = n;
    if (n)
        qsort(o->entries, n, sizeof *o->entries, by_cell);
}

span next_cell(const oracle *o, size_t from)
{
    span s = { from, from };

    while (s.to < o->entry_count && by_cell(&o->entries[from], &o->entries[s.to]) == 0)
        s.to++;
    return s;
}

span cell_of(const oracle *o, const char *type, const oracle_uuid *record, const char *field)
{
    size_t low = 0, high = o->entry_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const entry *e = &o->entries[middle];

        if (cell_order(e->type, e->record, e->field, type, record, field) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < o->entry_count && cell_order(o->entries[low].type, o->entries[low].record,
                                           o->entries[low].field, type, record, field) == 0)
        return next_cell(o, low);
    return (span){ low, low };
}

oracle *oracle_new(const unsigned char database[16], const oracle_changeset *sets, size_t count)
{
    oracle *o = calloc(1, sizeof *o);
    size_t kept = 0;

    if (!o)
        abort();
    memcpy(o->database, database, 16);
    o->sets = oracle_take(o, (count + 1) * sizeof *o->sets);
    for (size_t i = 0; i < count; i++)
        o->sets[i] = &sets[i];
    if (count)
        qsort(o->sets, count, sizeof *o->sets, by_id);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !same_id(&o->sets[i]->id, &o->sets[i - 1]->id))
            o->sets[kept++] = o->sets[i];
    o->count = kept;
    hold_back(o);
    count_lamports(o);
    collect_entries(o);
    return o;
}

size_t oracle_applied(const oracle *o)
{
    return o->count;
}

uint64_t oracle_lamport(const oracle *o, const oracle_id *id)
{
    size_t at = find_set(o, id);

    return at == SIZE_MAX ? 0 : o->lamports[at];
}
