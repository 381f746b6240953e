/* Everything a replica shows, as text that must be the same on all: changesets by id, nothing local. */
#include "simulator.h"
#include <stdlib.h>

typedef struct line {
    prophet_slice type, name; /* of a field; or a record's whole line */
    ph_uuid id;
    prophet_slice text;
} line;

static int by_name(const void *a, const void *b)
{
    const line *x = a, *y = b;
    return ph_slice_cmp(x->name, y->name);
}

static int by_record(const void *a, const void *b)
{
    const line *x = a, *y = b;
    int c = ph_slice_cmp(x->type, y->type);
    return c ? c : memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

static void put_row(sim *s, ph_view *v, const ph_row *row, ph_buf *out)
{
    line *fields = ph_arena_alloc(&s->arena, (row->cell_count + 1) * sizeof *fields);
    size_t pos = 0, n = 0;
    ph_shown shown;
    char id[37];
    prophet_code rc;
    while ((rc = ph_row_next(v->txn, row, &pos, &s->arena, &shown, &s->err)) == PROPHET_OK) {
        ph_shown alone; /* the same when it is asked for alone */
        MUST(s, ph_row_field(v->txn, row, shown.field, &s->arena, &alone, &s->err));
        if (alone.kind != shown.kind || !ph_slice_eq(alone.value, shown.value) ||
            alone.conflict != shown.conflict)
            sim_fail(s, "a field read alone is another");
        fields[n].name = ph_names_get(v->names, shown.field);
        fields[n++].text = ph_arena_copy(&s->arena, shown.value, NULL);
    }
    MUST(s, rc);
    qsort(fields, n, sizeof *fields, by_name);
    ph_uuid_format(&row->uuid, id);
    ph_buf_printf(out, "{\"type\":\"%.*s\",\"record\":\"%s\",\"fields\":{",
                  PH_FMT(ph_names_get(v->names, row->type)), id);
    for (size_t i = 0; i < n; i++) {
        ph_buf_printf(out, "%s\"%.*s\":", i ? "," : "", PH_FMT(fields[i].name));
        ph_json_value(out, fields[i].text);
    }
    ph_buf_str(out, "}}\n");
}

void sim_dump_row(sim *s, ph_view *v, const ph_row *row, ph_buf *out)
{
    if (!row->alive)
        ph_buf_str(out, "dead\n");
    else
        put_row(s, v, row, out);
}

void sim_dump_record(sim *s, ph_view *v, uint32_t type, const ph_uuid *id, ph_buf *out)
{
    ph_row row;
    prophet_code rc = ph_view_row(v, type, id, &row, &s->err);
    MUST(s, rc);
    if (rc == PROPHET_DONE)
        ph_buf_str(out, "dead\n");
    else
        sim_dump_row(s, v, &row, out);
}

void sim_dump_export(sim *s, ph_view *v, ph_buf *out)
{
    ph_cursor *cur;
    prophet_slice k, val;
    uint64_t count;
    size_t n = 0;
    MUST(s, ph_txn_count(v->txn, PH_T_RECORDS, &count, &s->err));
    line *lines = ph_arena_alloc(&s->arena, ((size_t)count + 1) * sizeof *lines);
    MUST(s, ph_cursor_open(v->txn, PH_T_RECORDS, &cur, &s->err));
    prophet_code rc = ph_cursor_first(cur, &k, &val, &s->err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &k, &val, &s->err)) {
        ph_row row;
        ph_buf text = PH_BUF_INIT;
        if (!ph_row_open(k, val, &row))
            sim_fail(s, "a row is damaged");
        if (!row.alive)
            continue;
        put_row(s, v, &row, &text);
        lines[n++] = (line){ .type = ph_names_get(v->names, row.type),
                             .id = row.uuid,
                             .text = sim_take(s, &text) };
    }
    ph_cursor_close(cur);
    MUST(s, rc);
    qsort(lines, n, sizeof *lines, by_record);
    for (size_t i = 0; i < n; i++)
        ph_buf_put(out, lines[i].text.data, lines[i].text.len);
}

/* ---- conflicts -------------------------------------------------------------------------------------------------- */

static void put_value(ph_buf *out, prophet_slice value)
{
    if (value.len)
        ph_json_value(out, value);
    else
        ph_buf_str(out, "{\"unset\":true}");
}

static void id_of(sim *s, ph_view *v, uint64_t version, char out[17])
{
    ph_changeset_row row;
    MUST(s, ph_changesets_get(v->txn, version, &row, &s->err));
    ph_hex(row.id.b, 8, out);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_sorted(ph_buf *out, char **texts, size_t n)
{
    qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 0; i < n; i++)
        ph_buf_printf(out, " %s", texts[i]);
}

static void put_heads(sim *s, ph_view *v, const ph_conflict *c, ph_buf *out)
{
    for (size_t i = 0; i < c->candidate_count; i++) {
        const ph_conflict_candidate *k = &c->candidates[i];
        char **ids = ph_arena_alloc(&s->arena, (k->version_count + 1) * sizeof *ids), best[17];
        for (size_t n = 0; n < k->version_count; n++) {
            ids[n] = ph_arena_alloc(&s->arena, 17);
            id_of(s, v, k->versions[n], ids[n]);
        }
        id_of(s, v, k->version, best);
        ph_buf_printf(out, " heads of %zu (%s):", i, best);
        put_sorted(out, ids, k->version_count);
    }
}

static void put_votes(sim *s, ph_view *v, const ph_conflict *c, ph_buf *out)
{
    char **texts = ph_arena_alloc(&s->arena, (c->vote_count + 1) * sizeof *texts);
    for (size_t i = 0; i < c->vote_count; i++) {
        const ph_conflict_vote *vote = &c->votes[i];
        ph_buf b = PH_BUF_INIT;
        char id[17];
        id_of(s, v, vote->version, id);
        ph_buf_printf(&b, "(%s %s%s %.*s \"%.*s\" ", id, vote->counts ? "counts " : "",
                      vote->by_resolver ? "resolver" : "person", PH_FMT(vote->resolver),
                      PH_FMT(vote->reason));
        put_value(&b, vote->choice);
        ph_buf_byte(&b, ')');
        texts[i] = ph_arena_str(&s->arena, ph_buf_slice(&b));
        ph_buf_clear(&b);
    }
    ph_buf_str(out, " votes:");
    put_sorted(out, texts, c->vote_count);
}

static void put_conflict(sim *s, ph_view *v, const ph_conflict *c, bool full, ph_buf *out)
{
    char id[37], closed[17] = "-";
    ph_uuid_format(&c->key.uuid, id);
    if (c->closed_by)
        id_of(s, v, c->closed_by, closed);
    ph_buf_printf(out, "%.*s %s %.*s: %s %s, closed by %s, outcome ", PH_FMT(c->type), id,
                  PH_FMT(c->field), c->open ? "open" : "closed",
                  c->decided ? "decided" : "provisional", closed);
    put_value(out, c->outcome);
    ph_buf_printf(out, ", episodes %zu, candidates", c->episodes);
    for (size_t i = 0; i < c->candidate_count; i++) {
        ph_buf_byte(out, ' ');
        put_value(out, c->candidates[i].value);
    }
    if (full) {
        ph_buf_str(out, " question ");
        ph_json_hex(out, c->question, sizeof c->question);
        if (c->has_base) {
            ph_buf_str(out, " base ");
            put_value(out, c->base);
        }
        put_heads(s, v, c, out);
        put_votes(s, v, c, out);
    }
    ph_buf_byte(out, '\n');
}

void sim_dump_conflicts(sim *s, ph_view *v, bool full, ph_buf *out)
{
    ph_cell_key *keys;
    size_t count, open = 0;
    uint64_t n, decided, decided_seen = 0;
    MUST(s, ph_view_conflicts(v, ph_slice(NULL, 0), NULL, -1, &s->arena, &keys, &count, &s->err));
    for (size_t i = 0; i < count; i++) {
        ph_conflict c;
        prophet_code rc = ph_view_conflict(v, &keys[i], &s->arena, &c, &s->err);
        if (rc != PROPHET_OK)
            sim_fail(s, "a listed conflict is none (%d: %s)", (int)rc,
                     rc < 0 ? s->err.message : "");
        open += c.open;
        decided_seen += c.open && c.decided;
        put_conflict(s, v, &c, full, out);
    }
    MUST(s, ph_view_conflict_count(v, &n, &decided, &s->err));
    if (n != open || decided != decided_seen)
        sim_fail(s, "%zu conflicts are open and %llu of them decided, the count says %llu and %llu",
                 open, (unsigned long long)decided_seen, (unsigned long long)n,
                 (unsigned long long)decided);
}

/* ---- comparing ------------------------------------------------------------------------------------------------------- */

void sim_same(sim *s, const char *what, const ph_buf *got, const ph_buf *want)
{
    size_t n = got->len < want->len ? got->len : want->len, at = 0, start;
    if (got->failed || want->failed)
        sim_fail(s, "out of memory");
    if (got->len == want->len && (n == 0 || memcmp(got->data, want->data, n) == 0))
        return;
    while (at < n && got->data[at] == want->data[at])
        at++;
    for (start = at; start > 0 && got->data[start - 1] != '\n'; start--)
        ;
    prophet_slice a = { (char *)got->data + start, got->len - start };
    prophet_slice b = { (char *)want->data + start, want->len - start };
    const char *end;
    if (a.len && (end = memchr(a.data, '\n', a.len)))
        a.len = (size_t)(end - (const char *)a.data);
    if (b.len && (end = memchr(b.data, '\n', b.len)))
        b.len = (size_t)(end - (const char *)b.data);
    sim_fail(s, "%s differ:\n  got  %.*s\n  want %.*s", what, PH_FMT(a), PH_FMT(b));
}
