/* The oracle's cells: heads are, word for word, "SETs that no SET names"; ballots with what they saw; weights and rules as
 * the reserved records say. */
#include "oracle_impl.h"

/* ---- registers and life ---------------------------------------------------------------------------------------------- */

static const oracle_bytes alive = { "\x65"
                                    "alive",
                                    6 },
                          dead = { "\x64"
                                   "dead",
                                   5 };

/* Is this entry a SET (or an unset) of its register or life cell? What it writes and what it names. */
static int is_write(const entry *e, oracle_bytes *value, const oracle_id **over, size_t *over_count)
{
    if (e->change) {
        *value = e->change->action == ORACLE_DELETE ? dead : alive;
        *over = e->change->over;
        *over_count = e->change->over_count;
        return 1;
    }
    if (!e->op || (e->op->kind != ORACLE_SET && e->op->kind != ORACLE_UNSET))
        return 0;
    *value = e->op->kind == ORACLE_SET ? e->op->value : (oracle_bytes){ NULL, 0 };
    *over = e->op->over;
    *over_count = e->op->over_count;
    return 1;
}

static int names(const oracle_id *over, size_t count, const oracle_id *id)
{
    for (size_t i = 0; i < count; i++)
        if (same_id(&over[i], id))
            return 1;
    return 0;
}

static int by_stamp(const void *a, const void *b)
{
    const oracle_head *x = a, *y = b;

    return stamp_order(x->lamport, &x->id, y->lamport, &y->id);
}

/* The SETs of the cell, in order. */
static oracle_head *cell_writes(oracle *o, span cell, size_t *count)
{
    oracle_head *writes = oracle_take(o, (cell.to - cell.from + 1) * sizeof *writes);
    const oracle_id *over;
    size_t n = 0, over_count;
    oracle_bytes value;

    for (size_t i = cell.from; i < cell.to; i++) {
        size_t set = o->entries[i].set;

        if (is_write(&o->entries[i], &value, &over, &over_count))
            writes[n++] = (oracle_head){ o->sets[set]->id, o->lamports[set], value };
    }
    if (n)
        qsort(writes, n, sizeof *writes, by_stamp);
    *count = n;
    return writes;
}

static size_t place_of(const story *s, const oracle_id *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (same_id(&s->writes[i].id, id))
            return i;
    return SIZE_MAX;
}

story cell_story(oracle *o, span cell)
{
    story s = { NULL, NULL, 0 };
    const oracle_id *over;
    size_t over_count;
    oracle_bytes value;

    s.writes = cell_writes(o, cell, &s.count);
    s.ends = oracle_take(o, (s.count + 1) * sizeof *s.ends);
    for (size_t i = 0; i < s.count; i++)
        s.ends[i] = SIZE_MAX;
    for (size_t i = cell.from; i < cell.to; i++) {
        size_t place = place_of(&s, &o->sets[o->entries[i].set]->id);

        if (!is_write(&o->entries[i], &value, &over, &over_count))
            continue;
        for (size_t j = 0; j < over_count; j++) {
            size_t named = place_of(&s, &over[j]);

            if (named != SIZE_MAX && place < s.ends[named])
                s.ends[named] = place;
        }
    }
    return s;
}

oracle_head *story_heads(oracle *o, const story *s, size_t moment, size_t *count)
{
    oracle_head *heads;
    size_t n = 0;

    for (int filling = 0;; filling = 1) { /* counted first */
        heads = filling ? oracle_take(o, (n + 1) * sizeof *heads) : NULL;
        n = 0;
        for (size_t i = 0; i < s->count && i < moment; i++) {
            int named = s->ends[i] != SIZE_MAX && s->ends[i] < moment;

            if (!named && heads)
                heads[n] = s->writes[i];
            n += !named;
        }
        *count = n;
        if (filling)
            return heads;
    }
}

/* ---- votes ------------------------------------------------------------------------------------------------------------- */

static int is_reserved(const char *type)
{
    return type[0] == '_';
}

/* The key that K succeeds; of several that a forked K claims, the least. 0: none. */
static int succeeded(const oracle *o, const oracle_id *key, oracle_id *old)
{
    int found = 0;

    for (size_t i = 0; i < o->count; i++) {
        const oracle_changeset *c = o->sets[i];

        if (!c->has_succeeds || !same_id(&c->replica, key) || same_id(&c->succeeds, key))
            continue;
        if (!found || memcmp(&c->succeeds, old, sizeof *old) < 0)
            *old = c->succeeds;
        found = 1;
    }
    return found;
}

/* The first key of a succession line; where keys succeed each other in a circle, the least key of the circle. */
static oracle_id voter_of(const oracle *o, oracle_id key)
{
    oracle_id old, least;

    for (size_t steps = 0; succeeded(o, &key, &old); steps++) {
        key = old;
        if (steps <= o->count)
            continue;
        least = key; /* in a circle for sure: once around */
        for (size_t i = 0; i <= o->count && succeeded(o, &key, &old); i++) {
            key = old;
            if (memcmp(&key, &least, sizeof key) < 0)
                least = key;
        }
        return least;
    }
    return key;
}

static oracle_bytes shown(oracle *o, const char *type, const oracle_uuid *record, const char *field)
{
    return cell_outcome(o, cell_of(o, type, record, field)).value;
}

static int parse_key(oracle_bytes value, oracle_id *key)
{
    oracle_bytes text;
    const char *hex = "0123456789abcdef";

    if (!oracle_text(value, &text) || text.len != 64)
        return 0;
    for (size_t i = 0; i < 64; i++) {
        char c = ((const char *)text.data)[i];
        const char *digit = strchr(hex, c >= 'A' && c <= 'F' ? c + 32 : c);

        if (!c || !digit)
            return 0;
        key->b[i / 2] = (unsigned char)(key->b[i / 2] << 4 | (digit - hex));
    }
    return 1;
}

/* The weight a line has: the one set last, by (lamport, id), on a living `_voter` record of any of its keys; else 1. */
static uint64_t look_up_weight(oracle *o, const oracle_id *voter)
{
    static const oracle_head never = { 0 };
    oracle_head last = never;
    uint64_t weight = 1;

    for (span c = next_cell(o, 0); c.from < o->entry_count; c = next_cell(o, c.to)) {
        const entry *e = &o->entries[c.from];
        oracle_head *heads, newest = never;
        oracle_id key, root;
        int64_t w;
        size_t n;

        if (strcmp(e->type, "_voter") != 0 || strcmp(e->field, "weight") != 0 ||
            !record_alive(o, e->type, e->record) ||
            !parse_key(shown(o, e->type, e->record, "replica"), &key) ||
            !oracle_int(cell_outcome(o, c).value, &w))
            continue;
        root = voter_of(o, key);
        if (!same_id(&root, voter))
            continue;
        story st = cell_story(o, c);
        heads = story_heads(o, &st, SIZE_MAX, &n);
        for (size_t i = 0; i < n; i++)
            if (by_stamp(&heads[i], &newest) > 0)
                newest = heads[i];
        if (by_stamp(&newest, &last) <= 0)
            continue;
        last = newest;
        weight = w < 0 ? 0 : w > 1048576 ? 1048576 : (uint64_t)w;
    }
    return weight;
}

typedef struct weighed {
    struct weighed *next;
    oracle_id voter;
    uint64_t weight;
} weighed;

static uint64_t weight_of(oracle *o, const oracle_id *voter)
{
    weighed *w = o->weights;

    while (w && !same_id(&w->voter, voter))
        w = w->next;
    if (!w) {
        w = oracle_take(o, sizeof *w);
        *w = (weighed){ o->weights, *voter, look_up_weight(o, voter) };
        o->weights = w;
    }
    return w->weight;
}

/* What the ballot saw: those SETs of this cell that it names. */
static void fill_seen(oracle *o, span cell, const oracle_vote *v, oracle_ballot *b)
{
    size_t n;
    oracle_head *writes = cell_writes(o, cell, &n);
    oracle_seen *seen = oracle_take(o, (n + 1) * sizeof *seen);

    for (size_t i = 0; i < n; i++)
        if (names(v->heads, v->head_count, &writes[i].id))
            seen[b->seen_count++] = (oracle_seen){ writes[i].id, writes[i].value };
    b->seen = seen;
}

oracle_ballot *cell_ballots(oracle *o, span cell, const oracle_head *before, size_t *count)
{
    oracle_ballot *ballots = oracle_take(o, (cell.to - cell.from + 1) * sizeof *ballots);

    *count = 0;
    for (size_t i = cell.from; i < cell.to; i++) {
        const entry *e = &o->entries[i];
        const oracle_changeset *c = o->sets[e->set];
        oracle_ballot b = { .id = c->id, .lamport = o->lamports[e->set] };

        if (!e->vote || is_reserved(e->type) ||
            (before && stamp_order(b.lamport, &b.id, before->lamport, &before->id) >= 0))
            continue;
        b.voter = voter_of(o, c->replica);
        b.weight = weight_of(o, &b.voter);
        b.by_resolver = e->vote->by_resolver;
        b.choice = e->vote->choice;
        fill_seen(o, cell, e->vote, &b);
        ballots[(*count)++] = b;
    }
    return ballots;
}

/* ---- rules --------------------------------------------------------------------------------------------------------------- */

static oracle_uuid type_record(const oracle *o, const char *type)
{
    unsigned char key[80];
    size_t len = strlen(type), n = 0;

    key[n++] = 0x81;
    if (len < 24) {
        key[n++] = (unsigned char)(0x60 + len);
    } else {
        key[n++] = 0x78;
        key[n++] = (unsigned char)len;
    }
    memcpy(key + n, type, len);
    return oracle_natural(o->database, "_type", (oracle_bytes){ key, n + len });
}

const char *cell_rule(oracle *o, span cell)
{
    static const char *const all[] = { "latest",  "first",      "max",      "min",
                                       "longest", "alive-wins", "dead-wins" };
    const entry *e = &o->entries[cell.from];
    oracle_uuid record;
    oracle_bytes text;
    char field[128];

    if (is_reserved(e->type))
        return "latest";
    record = type_record(o, e->type);
    snprintf(field, sizeof field, "rule.%s", e->field);
    if (record_alive(o, "_type", &record) &&
        oracle_text(shown(o, "_type", &record, e->field[0] ? field : "life"), &text))
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (text.len == strlen(all[i]) && memcmp(text.data, all[i], text.len) == 0)
                return all[i];
    return e->field[0] ? "latest" : "alive-wins";
}

oracle_outcome cell_outcome(oracle *o, span cell)
{
    static const oracle_outcome nothing = { ORACLE_CLEAN, { NULL, 0 }, NULL, 0, NULL, 0 };
    size_t heads, ballots = 0;
    oracle_head *h;
    oracle_ballot *b = NULL;
    oracle_outcome out;
    story s;

    if (cell.from == cell.to)
        return nothing;
    s = cell_story(o, cell);
    h = story_heads(o, &s, SIZE_MAX, &heads);
    out = oracle_settle(o, 0, "latest", h, heads, NULL, 0);
    if (out.status == ORACLE_CLEAN)
        return out; /* weights and rules have nothing to say */
    b = cell_ballots(o, cell, NULL, &ballots);
    return oracle_settle(o, !o->entries[cell.from].field[0], cell_rule(o, cell), h, heads, b,
                         ballots);
}

int record_alive(oracle *o, const char *type, const oracle_uuid *record)
{
    return same_bytes(shown(o, type, record, ""), alive);
}
