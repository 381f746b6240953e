/* episodes: the conflicts a cell has been in, those that ended too.
 *
 * What a replica saw at which time differs from replica to replica, so the history of conflicts is not remembered
 * but computed: the cell's writes are replayed in (lamport, id) order, the same everywhere. An episode begins with the
 * write that brings a second value and ends with the write that leaves one. A closed episode is settled with the heads
 * just before its end and the ballots older than its end. Read by replica for `conflicts` and `history`. */
#include "merge/merge_impl.h"
#include <stdlib.h>

typedef struct place {
    uint64_t version;
    uint32_t write; /* place in stamp order */
} place;

typedef struct replay {
    bool life;
    ph_rule rule;
    const ph_cell_write **writes; /* by stamp */
    uint32_t count;
    place *places;     /* by version */
    uint32_t *values;  /* per write: number of its value */
    uint32_t *holders; /* per value: heads that hold it */
    uint32_t *listed;  /* per value, scratch */
    size_t *asked;     /* per write: the last episode in which a ballot named it */
    uint32_t distinct; /* values with holders */
    bool *head;        /* per write: it is one now */
    bool *named;       /* per write: a write before it in stamp order names it */
    uint32_t *heads;   /* a list of heads in stamp order; with holes until tidied */
    uint32_t head_slots, head_count;
    uint32_t *taken; /* heads the present write takes away */
    uint32_t taken_count;
    const ph_ballot **ballots; /* by stamp */
    size_t ballot_count;
    ph_episode *episodes;
    size_t episode_count;
    ph_arena *arena;  /* of the result */
    ph_arena scratch; /* of one settle */
} replay;

/* ---- laying it out ---------------------------------------------------------------------------------------- */

static int by_stamp(const void *a, const void *b)
{
    const ph_cell_write *x = *(const ph_cell_write *const *)a,
                        *y = *(const ph_cell_write *const *)b;

#ifdef PH_PLANT_episodes_by_arrival
    return (x->version > y->version) - (x->version < y->version);
#endif
    return ph_stamp_cmp(&x->stamp, &y->stamp);
}

static int ballot_by_stamp(const void *a, const void *b)
{
    const ph_ballot *x = *(const ph_ballot *const *)a, *y = *(const ph_ballot *const *)b;

    return ph_stamp_cmp(&x->stamp, &y->stamp);
}

static int by_version(const void *a, const void *b)
{
    const place *x = a, *y = b;

    return (x->version > y->version) - (x->version < y->version);
}

typedef struct valued {
    prophet_slice value;
    uint32_t write;
} valued;

static int by_value(const void *a, const void *b)
{
    const valued *x = a, *y = b;

    return ph_slice_cmp(x->value, y->value);
}

static prophet_code number_values(replay *r, prophet_error *err)
{
    valued *all = ph_arena_alloc(&r->scratch, r->count * sizeof *all);
    uint32_t number = 0;

    if (!all)
        return ph_nomem(err);
    for (uint32_t i = 0; i < r->count; i++)
        all[i] = (valued){ r->writes[i]->value, i };
    qsort(all, r->count, sizeof *all, by_value);
    for (uint32_t i = 0; i < r->count; i++) {
        if (i > 0 && !ph_slice_eq(all[i - 1].value, all[i].value))
            number++;
        r->values[all[i].write] = number;
    }
    return PROPHET_OK;
}

static prophet_code lay_out(replay *r, const ph_cell_write *writes, const ph_ballot *ballots,
                            prophet_error *err)
{
    size_t n = r->count;
    ph_arena *a = &r->scratch;

    r->writes = ph_arena_alloc(a, n * sizeof *r->writes);
    r->places = ph_arena_alloc(a, n * sizeof *r->places);
    r->values = ph_arena_alloc(a, n * sizeof *r->values);
    r->holders = ph_arena_zalloc(a, n * sizeof *r->holders);
    r->listed = ph_arena_zalloc(a, n * sizeof *r->listed);
    r->asked = ph_arena_zalloc(a, n * sizeof *r->asked);
    r->head = ph_arena_zalloc(a, n);
    r->named = ph_arena_zalloc(a, n);
    r->heads = ph_arena_alloc(a, n * sizeof *r->heads);
    r->taken = ph_arena_alloc(a, n * sizeof *r->taken);
    r->ballots = ph_arena_alloc(a, r->ballot_count * sizeof *r->ballots);
    r->episodes = ph_arena_alloc(r->arena, (n / 2 + 1) * sizeof *r->episodes);
    if (!r->writes || !r->places || !r->values || !r->holders || !r->listed || !r->asked ||
        !r->head || !r->named || !r->heads || !r->taken || !r->ballots || !r->episodes)
        return ph_nomem(err);
    for (size_t i = 0; i < n; i++)
        r->writes[i] = &writes[i];
    for (size_t i = 0; i < r->ballot_count; i++)
        r->ballots[i] = &ballots[i];
    qsort(r->writes, n, sizeof *r->writes, by_stamp);
    qsort(r->ballots, r->ballot_count, sizeof *r->ballots, ballot_by_stamp);
    for (uint32_t i = 0; i < n; i++)
        r->places[i] = (place){ r->writes[i]->version, i };
    qsort(r->places, n, sizeof *r->places, by_version);
    return number_values(r, err);
}

static const place *find(const replay *r, uint64_t version)
{
    place key = { version, 0 };

    return bsearch(&key, r->places, r->count, sizeof key, by_version);
}

/* ---- one write ----------------------------------------------------------------------------------------------- */

static void take_heads(replay *r, uint32_t write)
{
    const ph_cell_write *w = r->writes[write];

    r->taken_count = 0;
    for (size_t i = 0; i < w->over_count; i++) {
        const place *at = find(r, w->over[i]);

        if (!at)
            continue;
        r->named[at->write] = true;
        if (!r->head[at->write])
            continue;
        r->head[at->write] = false;
        r->taken[r->taken_count++] = at->write;
        r->head_count--;
        if (--r->holders[r->values[at->write]] == 0)
            r->distinct--;
    }
}

/* Holes are swept out when they are half of the list. */
static void add_head(replay *r, uint32_t write)
{
    uint32_t kept = 0;

    if (r->named[write])
        return; /* a write with a smaller stamp, yet a later one, has replaced it */
    if (r->head_slots >= 2 * r->head_count + 16) {
        for (uint32_t i = 0; i < r->head_slots; i++)
            if (r->head[r->heads[i]])
                r->heads[kept++] = r->heads[i];
        r->head_slots = kept;
    }
    r->heads[r->head_slots++] = write;
    r->head[write] = true;
    r->head_count++;
    if (r->holders[r->values[write]]++ == 0)
        r->distinct++;
}

/* ---- an episode's end -------------------------------------------------------------------------------------------- */

static void forget_listed(replay *r)
{
    for (uint32_t i = 0; i < r->head_slots; i++)
        r->listed[r->values[r->heads[i]]] = 0;
}

/* The heads to settle: all of an open episode; of a closed one those that can matter, which are the newest of each value
 * and those that a ballot names. */
static ph_candidate_head *collect_heads(replay *r, const ph_episode *e, size_t *count)
{
    ph_candidate_head *heads = ph_arena_alloc(&r->scratch, r->head_count * sizeof *heads);
    size_t from = r->head_count;

    for (uint32_t i = r->head_slots; heads && i-- > 0;) {
        uint32_t write = r->heads[i];
        const ph_cell_write *w = r->writes[write];

        if (!r->head[write])
            continue;
        if (e->open || r->listed[r->values[write]]++ < PH_EPISODE_HEADS ||
            r->asked[write] == r->episode_count)
            heads[--from] = (ph_candidate_head){ w->version, w->stamp, w->value };
    }
    *count = r->head_count - from;
    forget_listed(r);
    return heads ? heads + from : NULL;
}

/* Only ballots that name a head can count; `before` NULL: all of them are old enough. */
static ph_ballot *collect_ballots(replay *r, const ph_stamp *before, size_t *count)
{
    ph_ballot *ballots = ph_arena_alloc(&r->scratch, r->ballot_count * sizeof *ballots);
    size_t n = 0;

    for (size_t i = 0; ballots && i < r->ballot_count; i++) {
        const ph_ballot *b = r->ballots[i];
        bool names = false;

        if (before && ph_stamp_cmp(&b->stamp, before) >= 0)
            break;
        for (size_t j = 0; j < b->seen_count; j++) {
            const place *at = find(r, b->seen[j].version);

            if (at && r->head[at->write]) {
                r->asked[at->write] = r->episode_count;
                names = true;
            }
        }
        if (names)
            ballots[n++] = *b;
    }
    *count = n;
    return ballots;
}

/* Of each value of a closed episode the newest PH_EPISODE_HEADS: a cell with many equal heads and many episodes stays small. */
static prophet_code list_heads(replay *r, ph_episode *e, const ph_candidate_head *heads,
                               size_t count, prophet_error *err)
{
    ph_candidate_head *kept = ph_arena_alloc(&r->scratch, count * sizeof *kept), *list;
    size_t from = count;

    for (size_t i = count; kept && i-- > 0;) {
        uint32_t value = r->values[find(r, heads[i].version)->write];

        if (e->open || r->listed[value]++ < PH_EPISODE_HEADS)
            kept[--from] = heads[i];
    }
    forget_listed(r);
    list = ph_arena_alloc(r->arena, (count - from) * sizeof *list);
    if (!kept || !list)
        return ph_nomem(err);
    memcpy(list, kept + from, (count - from) * sizeof *list);
    e->heads = list;
    e->head_count = count - from;
    return PROPHET_OK;
}

static prophet_code keep_outcome(replay *r, ph_outcome *o, prophet_error *err)
{
    prophet_slice *values = ph_arena_alloc(r->arena, o->value_count * sizeof *values);
    prophet_slice *choices = ph_arena_alloc(r->arena, o->choice_count * sizeof *choices);

    if (!values || !choices)
        return ph_nomem(err);
    memcpy(values, o->values, o->value_count * sizeof *values);
    memcpy(choices, o->choices, o->choice_count * sizeof *choices);
    o->values = values;
    o->choices = choices;
    o->counted = NULL;
    return PROPHET_OK;
}

/* Settles the heads as they are now, with ballots before `before` (NULL: all). */
static prophet_code settle_now(replay *r, ph_episode *e, const ph_stamp *before, prophet_error *err)
{
    ph_arena outer = r->scratch;
    ph_cell_question q = { .life = r->life, .rule = r->rule };
    prophet_code rc = PROPHET_OK;

    r->scratch = (ph_arena)PH_ARENA_INIT; /* one settle's memory, given back at its end */
    q.ballots = collect_ballots(r, before, &q.ballot_count);
    q.heads = collect_heads(r, e, &q.head_count);
    if (!q.heads || !q.ballots)
        rc = ph_nomem(err);
    if (rc >= 0 && (rc = ph_settle(&q, &r->scratch, &e->outcome, err)) >= 0 &&
        (rc = keep_outcome(r, &e->outcome, err)) >= 0)
        rc = list_heads(r, e, q.heads, q.head_count, err);
    ph_arena_clear(&r->scratch);
    r->scratch = outer;
    return rc;
}

/* The heads just before the write that ended it: put back what it took, settle, take it again. */
static prophet_code close_episode(replay *r, uint32_t write, prophet_error *err)
{
    ph_episode *e = &r->episodes[r->episode_count - 1];
    prophet_code rc;

    e->open = false;
    e->closed_by = r->writes[write]->version;
    for (uint32_t i = 0; i < r->taken_count; i++)
        r->head[r->taken[i]] = true;
    r->head_count += r->taken_count;
    rc = settle_now(r, e, &r->writes[write]->stamp, err);
    for (uint32_t i = 0; i < r->taken_count; i++)
        r->head[r->taken[i]] = false;
    r->head_count -= r->taken_count;
    return rc;
}

static prophet_slice any_value(const replay *r)
{
    for (uint32_t i = r->head_slots; i-- > 0;)
        if (r->head[r->heads[i]])
            return r->writes[r->heads[i]]->value;
    return ph_slice(NULL, 0);
}

static prophet_code step(replay *r, uint32_t write, prophet_error *err)
{
    uint32_t before = r->distinct, after;
    prophet_code rc;

    take_heads(r, write);
    after = r->distinct + (!r->named[write] && r->holders[r->values[write]] == 0);
    if (before > 1 && after <= 1 && (rc = close_episode(r, write, err)) < 0)
        return rc;
    add_head(r, write);
    if (before > 1 && after <= 1)
        r->episodes[r->episode_count - 1].closed_value = any_value(r);
    if (before <= 1 && after > 1)
        r->episodes[r->episode_count++] =
            (ph_episode){ .open = true, .opened_by = r->writes[write]->version };
    return PROPHET_OK;
}

prophet_code ph_cell_episodes(bool life, ph_rule rule, const ph_cell_write *writes,
                              size_t write_count, const ph_ballot *ballots, size_t ballot_count,
                              ph_arena *arena, const ph_episode **out, size_t *count,
                              prophet_error *err)
{
    replay r = { .life = life,
                 .rule = rule,
                 .count = (uint32_t)write_count,
                 .ballot_count = ballot_count,
                 .arena = arena };
    prophet_code rc;

    if (write_count >= UINT32_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a cell with %zu writes", write_count);
    if ((rc = lay_out(&r, writes, ballots, err)) < 0)
        goto done;
    for (uint32_t i = 0; i < r.count; i++)
        if ((rc = step(&r, i, err)) < 0)
            goto done;
    if (r.distinct > 1 && (rc = settle_now(&r, &r.episodes[r.episode_count - 1], NULL, err)) < 0)
        goto done;
    *out = r.episodes;
    *count = r.episode_count;

done:
    ph_arena_clear(&r.scratch);
    return rc;
}
