/* base: the value a conflict began from, for three-way merges.
 *
 * That is the greatest-stamped write which all heads descend from through `over`. For each 64 heads one pass over
 * the writes, from heads to ancestors, carries a bit a head; a write with all bits in every pass is common to all.
 * Shown with a conflict and handed to resolvers; settle does not need it. */
#include "merge/merge_impl.h"
#include <stdlib.h>

typedef struct node {
    uint64_t version;
    uint32_t write;
} node;

typedef struct graph {
    const ph_cell_write *writes;
    size_t count;
    node *nodes;     /* by version */
    uint32_t *edges; /* what each write names; PH_NO_VALUE: no write of this cell */
    size_t *first;   /* per write: where its edges begin */
    uint32_t *order; /* writes, each before what it names */
    size_t ordered;
    uint32_t *named; /* how many writes name it, counted down while ordering */
    uint64_t *reach; /* per write: which heads of this pass descend from it */
    bool *common;
} graph;

static int by_version(const void *a, const void *b)
{
    const node *x = a, *y = b;

    return (x->version > y->version) - (x->version < y->version);
}

static const node *find(const graph *g, uint64_t version)
{
    node key = { version, 0 };

    return bsearch(&key, g->nodes, g->count, sizeof key, by_version);
}

static prophet_code graph_open(graph *g, const ph_cell_write *writes, size_t n, ph_arena *a,
                               prophet_error *err)
{
    size_t edges = 0;

    *g = (graph){ .writes = writes, .count = n };
    if (n >= UINT32_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a cell with %zu writes", n);
    for (size_t i = 0; i < n; i++)
        edges += writes[i].over_count;
    g->edges = ph_arena_alloc(a, edges * sizeof *g->edges);
    g->first = ph_arena_alloc(a, n * sizeof *g->first);
    g->nodes = ph_arena_alloc(a, n * sizeof *g->nodes);
    g->order = ph_arena_alloc(a, n * sizeof *g->order);
    g->named = ph_arena_zalloc(a, n * sizeof *g->named);
    g->reach = ph_arena_alloc(a, n * sizeof *g->reach);
    g->common = ph_arena_alloc(a, n);
    if (!g->edges || !g->first || !g->nodes || !g->order || !g->named || !g->reach || !g->common)
        return ph_nomem(err);
    for (size_t i = 0; i < n; i++)
        g->nodes[i] = (node){ writes[i].version, (uint32_t)i };
    qsort(g->nodes, n, sizeof *g->nodes, by_version);
    return PROPHET_OK;
}

/* Names before stamps: a ref may carry a greater lamport than the changeset that names it. */
static void graph_order(graph *g)
{
    size_t edge = 0;

    for (size_t i = 0; i < g->count; i++) {
        g->first[i] = edge;
        for (size_t j = 0; j < g->writes[i].over_count; j++) {
            const node *at = find(g, g->writes[i].over[j]);

            g->edges[edge++] = at ? at->write : PH_NO_VALUE;
            if (at)
                g->named[at->write]++;
        }
    }
    for (size_t i = 0; i < g->count; i++)
        if (g->named[i] == 0)
            g->order[g->ordered++] = (uint32_t)i;
    for (size_t i = 0; i < g->ordered; i++) {
        const uint32_t *to = g->edges + g->first[g->order[i]],
                       *end = to + g->writes[g->order[i]].over_count;

        for (; to < end; to++)
            if (*to != PH_NO_VALUE && --g->named[*to] == 0)
                g->order[g->ordered++] = *to;
    }
}

static void pass(graph *g, const uint64_t *heads, size_t count)
{
    uint64_t all = count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;

    memset(g->reach, 0, g->count * sizeof *g->reach);
    for (size_t i = 0; i < g->ordered; i++) {
        const ph_cell_write *w = &g->writes[g->order[i]];
        uint64_t down = g->reach[g->order[i]];
        size_t first = g->first[g->order[i]];

        for (size_t j = 0; j < count; j++)
            if (heads[j] == w->version)
                down |= (uint64_t)1 << j;
        for (size_t j = 0; down && j < w->over_count; j++)
            if (g->edges[first + j] != PH_NO_VALUE)
                g->reach[g->edges[first + j]] |= down;
    }
    for (size_t i = 0; i < g->count; i++)
        g->common[i] = g->common[i] && g->reach[i] == all;
}

prophet_code ph_cell_base(const ph_cell_write *writes, size_t write_count, const uint64_t *heads,
                          size_t head_count, ph_arena *arena, bool *found, prophet_slice *value,
                          uint64_t *version, prophet_error *err)
{
    const ph_cell_write *best = NULL;
    graph g;
    prophet_code rc;

    *found = false;
    if (head_count == 0 || write_count == 0)
        return PROPHET_OK;
    if ((rc = graph_open(&g, writes, write_count, arena, err)) < 0)
        return rc;
    graph_order(&g);
    memset(g.common, 1, write_count);
    for (size_t i = 0; i < head_count; i += 64)
        pass(&g, heads + i, head_count - i < 64 ? head_count - i : 64);
    for (size_t i = 0; i < write_count; i++)
        if (g.common[i] && (!best || ph_stamp_cmp(&writes[i].stamp, &best->stamp) > 0))
            best = &writes[i];
    if (best) {
        *found = true;
        *value = best->value;
        *version = best->version;
    }
    return PROPHET_OK;
}
