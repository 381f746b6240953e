/* changelog_json: one changeset as one line of `prophet log --json`, the contract for
 * independent programs. Called by the command line and the API; members and their order are
 * those of docs/formats.md. Absent members are left out. */
#include "model/model.h"

static void put_key(ph_buf *out, bool *first, const char *key)
{
    if (!*first)
        ph_buf_byte(out, ',');
    *first = false;
    ph_buf_byte(out, '"');
    ph_buf_str(out, key);
    ph_buf_str(out, "\":");
}

static void put_id(ph_buf *out, const ph_id *id)
{
    ph_json_hex(out, id->b, sizeof id->b);
}

static void put_uuid(ph_buf *out, const ph_uuid *id)
{
    char text[37];

    ph_uuid_format(id, text);
    ph_buf_byte(out, '"');
    ph_buf_str(out, text);
    ph_buf_byte(out, '"');
}

static void put_ids(ph_buf *out, const ph_id *ids, size_t count)
{
    ph_buf_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            ph_buf_byte(out, ',');
        put_id(out, &ids[i]);
    }
    ph_buf_byte(out, ']');
}

/* Positions are written as the ids they stand for. */
static void put_over(ph_buf *out, const ph_header *h, const ph_over *over)
{
    ph_buf_byte(out, '[');
    for (uint32_t i = 0; i < over->count; i++) {
        const ph_id *id = ph_changeset_name(h, over->pos[i]);
        if (i > 0)
            ph_buf_byte(out, ',');
        ph_require(id != NULL); /* decoded or encoded before */
        put_id(out, id);
    }
    ph_buf_byte(out, ']');
}

/* ---- the fields of a change: operations lie by kind, JSON wants them by field ---------------- */

typedef struct runs {
    const ph_op *next[PH_REMOVE + 1], *end[PH_REMOVE + 1];
} runs;

static runs runs_of(const ph_change *change)
{
    size_t at = 0;
    runs r;

    for (unsigned kind = 0; kind <= PH_REMOVE; kind++) {
        r.next[kind] = at < change->op_count ? &change->ops[at] : NULL;
        while (at < change->op_count && (unsigned)change->ops[at].kind == kind)
            at++;
        r.end[kind] = r.next[kind] ? change->ops + at : NULL;
    }
    return r;
}

/* The least field any run still has; false when all are done. */
static bool next_field(const runs *r, prophet_slice *field)
{
    bool any = false;

    for (unsigned kind = 0; kind <= PH_REMOVE; kind++)
        if (r->next[kind] < r->end[kind] &&
            (!any || ph_name_cmp(r->next[kind]->field, *field) < 0)) {
            *field = r->next[kind]->field;
            any = true;
        }
    return any;
}

static bool takes(const runs *r, ph_op_kind kind, prophet_slice field)
{
    return r->next[kind] < r->end[kind] && ph_slice_eq(r->next[kind]->field, field);
}

static void put_elements(ph_buf *out, const ph_header *h, runs *r, ph_op_kind kind,
                         prophet_slice field)
{
    const char *comma = "";

    ph_buf_byte(out, '[');
    for (; takes(r, kind, field); r->next[kind]++, comma = ",") {
        ph_buf_str(out, comma);
        ph_buf_str(out, "{\"value\":");
        ph_json_value(out, r->next[kind]->value);
        ph_buf_str(out, ",\"over\":");
        put_over(out, h, &r->next[kind]->over);
        ph_buf_byte(out, '}');
    }
    ph_buf_byte(out, ']');
}

static void put_field(ph_buf *out, const ph_header *h, runs *r, prophet_slice field)
{
    bool first = true;

    ph_json_text(out, field);
    ph_buf_str(out, ":{");
    if (takes(r, PH_SET, field)) {
        put_key(out, &first, "set");
        ph_json_value(out, r->next[PH_SET]->value);
        put_key(out, &first, "over");
        put_over(out, h, &r->next[PH_SET]++->over);
    }
    if (takes(r, PH_UNSET, field)) {
        put_key(out, &first, "unset");
        ph_buf_str(out, "true");
        put_key(out, &first, "over");
        put_over(out, h, &r->next[PH_UNSET]++->over);
    }
    if (takes(r, PH_INC, field)) {
        put_key(out, &first, "inc");
        ph_buf_printf(out, "%lld", (long long)r->next[PH_INC]++->amount);
    }
    if (takes(r, PH_ADD, field)) {
        put_key(out, &first, "add");
        put_elements(out, h, r, PH_ADD, field);
    }
    if (takes(r, PH_REMOVE, field)) {
        put_key(out, &first, "remove");
        put_elements(out, h, r, PH_REMOVE, field);
    }
    ph_buf_byte(out, '}');
}

static void put_change(ph_buf *out, const ph_header *h, const ph_change *change)
{
    static const char *const actions[] = { "create", "update", "delete" };
    runs r = runs_of(change);
    prophet_slice field = { NULL, 0 };
    bool first = true, first_field = true;

    ph_buf_byte(out, '{');
    put_key(out, &first, "type");
    ph_json_text(out, change->type);
    put_key(out, &first, "record");
    put_uuid(out, &change->record);
    put_key(out, &first, "action");
    ph_buf_printf(out, "\"%s\"", actions[change->action]);
    put_key(out, &first, "over");
    put_over(out, h, &change->over);
    if (change->op_count > 0) {
        put_key(out, &first, "fields");
        ph_buf_byte(out, '{');
        for (; next_field(&r, &field); first_field = false) {
            if (!first_field)
                ph_buf_byte(out, ',');
            put_field(out, h, &r, field);
        }
        ph_buf_byte(out, '}');
    }
    ph_buf_byte(out, '}');
}

/* ---- votes ----------------------------------------------------------------------------------- */

static void put_resolver(ph_buf *out, const ph_vote *v)
{
    char hex[65];
    ph_buf name = PH_BUF_INIT;

    ph_hex(v->resolver_hash.data, 32, hex);
    ph_buf_put(&name, v->resolver.data, v->resolver.len);
    ph_buf_byte(&name, '@');
    ph_buf_str(&name, hex);
    ph_json_text(out, ph_buf_slice(&name));
    out->failed = out->failed || name.failed;
    ph_buf_clear(&name);
}

static void put_vote(ph_buf *out, const ph_header *h, const ph_vote *v)
{
    bool first = true;

    ph_buf_byte(out, '{');
    put_key(out, &first, "type");
    ph_json_text(out, v->type);
    put_key(out, &first, "record");
    put_uuid(out, &v->record);
    put_key(out, &first, "field");
    ph_json_text(out, v->field);
    put_key(out, &first, "heads");
    put_over(out, h, &v->heads);
    if (v->choice.len > 0) {
        put_key(out, &first, "value");
        ph_json_value(out, v->choice);
    } else {
        put_key(out, &first, "unset");
        ph_buf_str(out, "true");
    }
    put_key(out, &first, "by");
    ph_buf_str(out, v->by_resolver ? "\"resolver\"" : "\"person\"");
    if (v->by_resolver) {
        put_key(out, &first, "resolver");
        put_resolver(out, v);
    }
    if (v->reason.len > 0) {
        put_key(out, &first, "reason");
        ph_json_text(out, v->reason);
    }
    ph_buf_byte(out, '}');
}

/* ---- the line -------------------------------------------------------------------------------- */

static void put_header(ph_buf *out, const ph_changeset *cs, uint64_t version, uint64_t lamport,
                       bool *first)
{
    const ph_header *h = &cs->header;

    put_key(out, first, "id");
    put_id(out, &cs->id);
    put_key(out, first, "replica");
    put_id(out, &h->replica);
    put_key(out, first, "seq");
    ph_buf_printf(out, "%llu", (unsigned long long)h->seq);
    if (h->has_prev) {
        put_key(out, first, "prev");
        put_id(out, &h->prev);
    }
    if (h->parent_count > 0) {
        put_key(out, first, "parents");
        put_ids(out, h->parents, h->parent_count);
    }
    put_key(out, first, "lamport");
    ph_buf_printf(out, "%llu", (unsigned long long)lamport);
    put_key(out, first, "version");
    ph_buf_printf(out, "%llu", (unsigned long long)version);
    if (h->has_succeeds) {
        put_key(out, first, "succeeds");
        put_id(out, &h->succeeds);
    }
    if (h->has_vouches) {
        put_key(out, first, "vouches");
        put_id(out, &h->vouches);
    }
}

static void put_body(ph_buf *out, const ph_changeset *cs, bool *first)
{
    const ph_body *b = &cs->body;
    char time[40];

    ph_time_format(b->time, time);
    put_key(out, first, "time");
    ph_buf_printf(out, "\"%s\"", time);
    if (b->author.len > 0) {
        put_key(out, first, "author");
        ph_json_text(out, b->author);
    }
    if (b->message.len > 0) {
        put_key(out, first, "message");
        ph_json_text(out, b->message);
    }
    for (size_t i = 0; i < b->change_count; i++) {
        if (i == 0)
            put_key(out, first, "changes");
        ph_buf_byte(out, i == 0 ? '[' : ',');
        put_change(out, &cs->header, &b->changes[i]);
    }
    if (b->change_count > 0)
        ph_buf_byte(out, ']');
    for (size_t i = 0; i < b->vote_count; i++) {
        if (i == 0)
            put_key(out, first, "votes");
        ph_buf_byte(out, i == 0 ? '[' : ',');
        put_vote(out, &cs->header, &b->votes[i]);
    }
    if (b->vote_count > 0)
        ph_buf_byte(out, ']');
}

void ph_json_changeset(ph_buf *out, const ph_changeset *cs, uint64_t version, uint64_t lamport)
{
    bool first = true;

    ph_buf_byte(out, '{');
    put_header(out, cs, version, lamport, &first);
    if (cs->has_body) {
        put_body(out, cs, &first);
    } else { /* so that nobody takes it for a changeset without changes */
        put_key(out, &first, "body");
        ph_buf_str(out, cs->header.format > PH_FORMAT ? "\"unknown format\"" : "\"absent\"");
    }
    ph_buf_byte(out, '}');
}
