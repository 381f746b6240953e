/* What the oracle says: export lines, conflicts open and ended, as structs and as JSON. */
#include "oracle_impl.h"

/* ---- fields --------------------------------------------------------------------------------------------------- */

/* "adds that no add/remove/unset names", of one element. */
static int element_present(const oracle *o, span cell, oracle_bytes element)
{
    for (size_t i = cell.from; i < cell.to; i++) {
        const oracle_op *add = o->entries[i].op;
        int named = 0;

        if (!add || add->kind != ORACLE_ADD || !same_bytes(add->value, element))
            continue;
        for (size_t j = cell.from; j < cell.to && !named; j++) {
            const oracle_op *op = o->entries[j].op;

            if (!op || op->kind == ORACLE_SET || op->kind == ORACLE_INC ||
                (op->kind != ORACLE_UNSET && !same_bytes(op->value, element)))
                continue;
            for (size_t k = 0; k < op->over_count; k++)
                named |= same_id(&op->over[k], &o->sets[o->entries[i].set]->id);
        }
        if (!named)
            return 1;
    }
    return 0;
}

static bag elements(oracle *o, span cell)
{
    bag b = { 0 };

    for (size_t i = cell.from; i < cell.to; i++) {
        const oracle_op *op = o->entries[i].op;

        if (op && op->kind == ORACLE_ADD && element_present(o, cell, op->value))
            bag_add(o, &b, op->value);
    }
    bag_sort(&b);
    return b;
}

/* Of the changeset that op names: what it added to the counter; 0: it did not, or the integer that op removes is an element that it added. */
static int took(const oracle *o, span cell, const oracle_op *op, const oracle_id *named,
                int64_t *amount)
{
    int found = 0;

    for (size_t i = cell.from; i < cell.to; i++) {
        const oracle_op *its = o->entries[i].op;

        if (!its || !same_id(&o->sets[o->entries[i].set]->id, named))
            continue;
        if (its->kind == ORACLE_ADD && same_bytes(its->value, op->value))
            return 0;
        if (its->kind == ORACLE_INC) {
            found = 1;
            *amount = its->amount;
        }
    }
    return found;
}

static int is_mark(const oracle_op *op, int64_t *times)
{
    return op && op->kind == ORACLE_REMOVE && oracle_int(op->value, times) && *times != 0;
}

/* "It counts unless one that counts takes it back." What takes back comes later, so this ends; asked: answers, 1 no, 2 yes. */
static int counts(const oracle *o, span cell, size_t set, char *asked)
{
    int64_t n, amount;

    for (size_t j = cell.from; j < cell.to && !asked[set]; j++) {
        const oracle_op *op = o->entries[j].op;

        for (size_t k = 0; is_mark(op, &n) && k < op->over_count && !asked[set]; k++)
            if (same_id(&op->over[k], &o->sets[set]->id) &&
                took(o, cell, op, &op->over[k], &amount) &&
                counts(o, cell, o->entries[j].set, asked))
                asked[set] = 1;
    }
    if (!asked[set])
        asked[set] = 2;
    return asked[set] == 2;
}

/* Each that counts adds its increments, and what it says it takes back: that is gone with what it names. */
static int counted(oracle *o, span cell, int64_t *sum)
{
    char *asked = oracle_take(o, o->count + 1);
    uint64_t total = 0;
    int64_t n, amount;
    int any = 0;

    for (size_t i = cell.from; i < cell.to; i++) {
        const oracle_op *op = o->entries[i].op;

        any |= op && op->kind == ORACLE_INC;
        if (!op || !counts(o, cell, o->entries[i].set, asked))
            continue;
        total += op->kind == ORACLE_INC ? (uint64_t)op->amount : 0;
        for (size_t k = 0; is_mark(op, &n) && k < op->over_count; k++)
            if (took(o, cell, op, &op->over[k], &amount))
                total += (uint64_t)n * (uint64_t)amount;
    }
    memcpy(sum, &total, sizeof total); /* modulo 2^64 */
    return any;
}

/* "register, then set, then counter is shown"; 0: nothing. */
static int print_field(oracle *o, span cell, FILE *out, const char *comma)
{
    const char *field = o->entries[cell.from].field;
    oracle_bytes value = cell_outcome(o, cell).value;
    bag set = elements(o, cell);
    int64_t sum;

    if (value.len) {
        fprintf(out, "%s\"%s\":", comma, field);
        oracle_print(out, value);
    } else if (set.count) {
        fprintf(out, "%s\"%s\":[", comma, field);
        for (size_t i = 0; i < set.count; i++) {
            fputs(i ? "," : "", out);
            oracle_print(out, set.at[i]);
        }
        putc(']', out);
    } else if (counted(o, cell, &sum)) {
        fprintf(out, "%s\"%s\":%lld", comma, field, (long long)sum);
    } else {
        return 0;
    }
    return 1;
}

static void print_name(FILE *out, const char *type, const oracle_uuid *record)
{
    fprintf(out, "{\"type\":\"%s\",\"record\":\"", type);
    for (size_t i = 0; i < sizeof record->b; i++)
        fprintf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", record->b[i]);
    putc('"', out);
}

static const char *finish(oracle *o, FILE *out, char **text)
{
    char *copy;

    if (fclose(out) != 0)
        abort();
    copy = oracle_take(o, strlen(*text) + 1);
    memcpy(copy, *text, strlen(*text));
    free(*text);
    return copy;
}

static FILE *start(char **text)
{
    static size_t unused;
    FILE *out = open_memstream(text, &unused);

    if (!out)
        abort();
    return out;
}

static int same_record(const entry *a, const entry *b)
{
    return strcmp(a->type, b->type) == 0 && memcmp(a->record, b->record, sizeof *a->record) == 0;
}

const char *oracle_export(oracle *o, int all)
{
    char *text;
    FILE *out = start(&text);
    size_t at = 0;

    while (at < o->entry_count) {
        const entry *first = &o->entries[at];
        int show = (all || first->type[0] != '_') && record_alive(o, first->type, first->record),
            any = 0;

        if (show) {
            print_name(out, first->type, first->record);
            fputs(",\"fields\":{", out);
        }
        while (at < o->entry_count && same_record(first, &o->entries[at])) {
            span cell = next_cell(o, at);

            if (show && o->entries[at].field[0])
                any |= print_field(o, cell, out, any ? "," : "");
            at = cell.to;
        }
        if (show)
            fputs("}}\n", out);
    }
    return finish(o, out, &text);
}

const char *oracle_json(oracle *o, oracle_bytes value)
{
    char *text;
    FILE *out = start(&text);

    if (value.len)
        oracle_print(out, value);
    else
        fputs("{\"unset\":true}", out);
    return finish(o, out, &text);
}

/* ---- conflicts: the definition of an episode, moment by moment ------------------------------------------------------ */

static size_t values_of(oracle *o, const oracle_head *heads, size_t count)
{
    bag values = { 0 };

    for (size_t i = 0; i < count; i++)
        bag_add(o, &values, heads[i].value);
    return values.count;
}

static oracle_conflict *add_conflict(oracle *o)
{
    oracle_conflict *all = oracle_take(o, (o->conflict_count + 1) * sizeof *all);

    if (o->conflict_count)
        memcpy(all, o->conflicts, o->conflict_count * sizeof *all);
    o->conflicts = all;
    return &all[o->conflict_count++];
}

static void settle_conflict(oracle *o, span cell, oracle_conflict *c, oracle_head *heads,
                            size_t count, const oracle_head *end)
{
    size_t ballots;
    oracle_ballot *b = cell_ballots(o, cell, end, &ballots);
    oracle_id *ids = oracle_take(o, (count + 1) * sizeof *ids);

    c->outcome = oracle_settle(o, !c->field[0], cell_rule(o, cell), heads, count, b, ballots);
    for (size_t i = 0; i < count; i++)
        ids[i] = heads[i].id;
    c->heads = ids;
    c->head_count = count;
    c->open = !end;
}

static void cell_conflicts(oracle *o, span cell)
{
    const entry *e = &o->entries[cell.from];
    size_t before_count = 0, count;
    oracle_head *before = NULL, *heads;
    story s = cell_story(o, cell);
    oracle_conflict *c = NULL;

    for (size_t i = 0; i < s.count; i++) {
        size_t values;

        heads = story_heads(o, &s, i + 1, &count);
        values = values_of(o, heads, count);

        if (values > 1 && !c) {
            c = add_conflict(o);
            *c = (oracle_conflict){ .type = e->type,
                                    .field = e->field,
                                    .record = *e->record,
                                    .opened_by = s.writes[i].id };
        } else if (values <= 1 && c) {
            settle_conflict(o, cell, c, before, before_count, &s.writes[i]);
            c->closed_by = s.writes[i].id;
            c->closed_value = heads[0].value;
            c = NULL;
        }
        before = heads;
        before_count = count;
    }
    if (c)
        settle_conflict(o, cell, c, before, before_count, NULL);
}

const oracle_conflict *oracle_conflicts(oracle *o, size_t *count)
{
    for (size_t at = 0; at < o->entry_count && !o->conflicts_done;) {
        span cell = next_cell(o, at);

        cell_conflicts(o, cell);
        at = cell.to;
    }
    o->conflicts_done = 1;
    *count = o->conflict_count;
    return o->conflicts;
}

static void print_values(oracle *o, FILE *out, const char *name, const oracle_bytes *values,
                         size_t count)
{
    fprintf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%s", i ? "," : "", oracle_json(o, values[i]));
    putc(']', out);
}

const char *oracle_conflict_lines(oracle *o, int open, int all)
{
    char *text;
    FILE *out = start(&text);
    size_t n;
    const oracle_conflict *c = oracle_conflicts(o, &n);

    for (size_t i = 0; i < n; i++, c++) {
        if ((open >= 0 && open != c->open) || (!all && c->type[0] == '_'))
            continue;
        print_name(out, c->type, &c->record);
        fprintf(out, ",\"field\":\"%s\",\"open\":%s,\"decided\":%s,\"outcome\":%s", c->field,
                c->open ? "true" : "false", c->outcome.status == ORACLE_DECIDED ? "true" : "false",
                oracle_json(o, c->outcome.value));
        print_values(o, out, "candidates", c->outcome.values, c->outcome.value_count);
        print_values(o, out, "choices", c->outcome.choices, c->outcome.choice_count);
        if (!c->open) {
            fputs(",\"closed_by\":\"", out);
            for (size_t k = 0; k < sizeof c->closed_by; k++)
                fprintf(out, "%02x", c->closed_by.b[k]);
            fprintf(out, "\",\"closed_value\":%s", oracle_json(o, c->closed_value));
        }
        fputs("}\n", out);
    }
    return finish(o, out, &text);
}
