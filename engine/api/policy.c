/* Policies: who is asked about a conflict, in what order, and what came of it. The engine asks once a question (ph_replica_ask); this file
 * chooses among the host's policies and turns conflicts into documents and casts into votes. */
#include "api/api_impl.h"

struct prophet_ballot {
    bool given;
    prophet_cast cast;
    ph_buf choice; /* canonical; empty: unset */
    char reason[256];
};

void api_policy_free(api_policy *p)
{
    if (!p)
        return;
    if (p->drop)
        p->drop(p->ctx);
    for (size_t i = 0; p->on && i < p->on_count; i++)
        ph_free(p->on[i]);
    ph_free(p->on);
    ph_free(p->name);
    ph_free(p);
}

/* ---- the list ---------------------------------------------------------------------------------------------------------- */

static api_policy *copy_policy(const prophet_policy *p)
{
    api_policy *c = ph_zalloc(sizeof *c);
    if (!c)
        return NULL;
    c->name = ph_strdup(p->name);
    c->on = ph_zalloc((p->on_count + 1) * sizeof *c->on);
    c->on_count = p->on_count;
    bool ok = c->name && c->on;
    for (size_t i = 0; ok && i < p->on_count; i++)
        ok = (c->on[i] = ph_strdup(p->on[i])) != NULL;
    if (!ok) {
        api_policy_free(c);
        return NULL;
    }
    c->source = p->source;
    c->fn = p->fn;
    c->ctx = p->ctx;
    c->drop = p->drop;
    return c;
}

prophet_code prophet_policy_set(prophet_db *db, const prophet_policy *p, prophet_error *err)
{
    api_policy **at = &db->policies, *fresh = NULL;
    if (p->size < sizeof *p)
        return ph_fail(err, PROPHET_EUSAGE,
                       "the size of prophet_policy is not one this library knows");
    if (!p->name || !*p->name || strlen(p->name) > PH_NAME_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "a resolver has a name of at most %d bytes",
                       PH_NAME_MAX);
    if (db->busy)
        return ph_fail(err, PROPHET_EUSAGE, "resolvers do not change while they are asked");
    if (p->fn && !(fresh = copy_policy(p)))
        return ph_nomem(err);
    while (*at && strcmp((*at)->name, p->name) != 0)
        at = &(*at)->next;
    api_policy *old = *at;
    if (fresh) {
        fresh->next = old ? old->next : NULL;
        *at = fresh;
    } else if (old)
        *at = old->next;
    api_policy_free(old);
    return PROPHET_OK;
}

/* ---- casting ------------------------------------------------------------------------------------------------------------- */

prophet_code prophet_ballot_cast(prophet_ballot *b, prophet_cast cast, prophet_value value,
                                 const char *reason, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    ph_buf_reset(&b->choice);
    if (cast == PROPHET_VOTE && value.kind != PROPHET_NIL)
        rc = api_encode(&b->choice, &value, err);
    if (rc < 0)
        return rc;
    b->given = true;
    b->cast = cast;
    (void)snprintf(b->reason, sizeof b->reason, "%s", reason ? reason : "");
    return PROPHET_OK;
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

typedef struct round { /* one prophet_poll */
    prophet_db *db;
    ph_arena arena; /* of the notes */
    api_list notes;
    uint64_t asked, abstained; /* conflicts */
} round;

#define NOT_FOR_IT 4
/* 0 exact field, 1 type.*, 2 kind:.., 3 * */
static int rank_of(const char *on, const ph_conflict *c, const char *kind)
{
    char want[PH_NAME_MAX + PH_RESERVED_MAX + 8];
    (void)snprintf(want, sizeof want, "%.*s%c%.*s", PH_FMT(c->type), c->field.len ? '.' : ':',
                   c->field.len ? (int)c->field.len : 4,
                   c->field.len ? (const char *)c->field.data : "life");
    if (strcmp(on, want) == 0)
        return 0;
    (void)snprintf(want, sizeof want, "%.*s.*", PH_FMT(c->type));
    if (c->field.len && strcmp(on, want) == 0)
        return 1;
    if (c->field.len && strncmp(on, "kind:", 5) == 0 && strcmp(on + 5, kind) == 0)
        return 2;
    return strcmp(on, "*") == 0 ? 3 : NOT_FOR_IT;
}

static void put_note(round *r, const prophet_doc *doc, const ph_conflict *c, const api_policy *p,
                     const prophet_ballot *b)
{
    static const char *const outcomes[] = { "abstained", "voted", "asked people" };
    api_map m = api_map_in(&r->arena);
    prophet_value id;
    prophet_uuid ref;
    memcpy(ref.b, c->record.uuid.b, sizeof ref.b);
    if (prophet_doc_get(doc, "id", &id))
        api_put_text(&m, "conflict", id.as.bytes);
    api_put_text(&m, "type", c->type);
    api_put(&m, "record", prophet_ref(ref));
    api_put_text(&m, "field", c->field.len ? c->field : ph_slice_str("life"));
    api_put_text(&m, "resolver", ph_slice_str(p->name));
    api_put_text(&m, "outcome", ph_slice_str(outcomes[b->given ? b->cast : PROPHET_ABSTAIN]));
    api_put_text(&m, "reason", ph_slice_str(b->reason));
    api_push_map(&r->notes, &m);
}

static void ask_one(const api_policy *p, const prophet_doc *doc, prophet_ballot *b)
{
    prophet_error why = { 0 };
    b->given = false;
    b->reason[0] = 0;
    prophet_code rc = p->fn(p->ctx, doc, b, &why);
    if (rc >= 0)
        return;
    (void)ph_fail_host(&why, rc, &why);
    b->given = false;
    (void)snprintf(b->reason, sizeof b->reason, "%.255s", why.message);
}

/* Text is cut where it stays valid. */
static void copy_reason(char out[256], const char *reason)
{
    size_t len = strlen(reason);
    len = len < 255 ? len : 255;
    while (len > 0 && !ph_utf8_valid(reason, len))
        len--;
    memcpy(out, reason, len);
    out[len] = 0;
}

static prophet_code take_answer(const api_policy *p, const prophet_ballot *b, ph_arena *a,
                                ph_policy_answer *out, prophet_error *err)
{
    bool ok = true;
    copy_reason(out->reason, b->reason);
    (void)snprintf(out->resolver, sizeof out->resolver, "%s", p->name);
    memcpy(out->hash, p->source.b, sizeof out->hash);
    out->cast = b->given && b->cast == PROPHET_VOTE;
    out->ask = b->given && b->cast == PROPHET_ASK;
    if (out->cast)
        out->choice = ph_arena_copy(a, ph_buf_slice(&b->choice), &ok);
    return ok ? PROPHET_OK : ph_nomem(err);
}

/* How well a policy fits this conflict: the least rank of its scopes. */
static int rank_in(const api_policy *p, const ph_conflict *c, const char *kind)
{
    int best = NOT_FOR_IT;
    for (size_t i = 0; i < p->on_count; i++) {
        int n = rank_of(p->on[i], c, kind);
        best = n < best ? n : best;
    }
    return best;
}

/* One question: its conflict, who was asked now, and whether somebody has answered. */
typedef struct question {
    round *r;
    ph_view *v;
    const ph_conflict *c;
    const prophet_doc *doc;
    uint8_t (*asked)[32];
    size_t asked_count;
    bool answered;
} question;

/* Nobody is asked twice: what a policy said to this question stands. */
static prophet_code asked_before(question *q, const api_policy *p, bool *yes, prophet_error *err)
{
    prophet_slice what;
    size_t len = strlen(p->name);
    prophet_code rc = ph_asked_get(q->v->txn, &q->c->key, q->c->question, p->source.b, &what, err);
    *yes = rc == PROPHET_OK;
    if (*yes && what.len > len + 2 && memcmp(what.data, p->name, len) == 0)
        q->answered = ((const char *)what.data)[len + 1] != 'a' ||
                      ((const char *)what.data)[len + 2] == 'g'; /* voted, agrees, leaves it */
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code put_question(question *q, const api_policy *p, ph_arena *a,
                                 ph_policy_answer *out, prophet_error *err)
{
    prophet_ballot b = { .choice = PH_BUF_INIT };
    bool before;
    prophet_code rc = asked_before(q, p, &before, err);
    if (rc < 0 || before)
        return rc;
    ask_one(p, q->doc, &b);
    put_note(q->r, q->doc, q->c, p, &b);
    memcpy(q->asked[q->asked_count++], p->source.b, 32);
    rc = take_answer(p, &b, a, out, err);
    q->answered = b.given && b.cast != PROPHET_ABSTAIN;
    ph_buf_clear(&b.choice);
    return rc;
}

static prophet_code ask(void *ctx, ph_view *v, const ph_conflict *c, ph_arena *a,
                        ph_policy_answer *out, prophet_error *err)
{
    round *r = ctx;
    prophet_doc *doc;
    size_t count = 0;
    const char *kind = api_conflict_kind(v, c);
    prophet_code rc;
    *out = (ph_policy_answer){ .cast = false };
    for (const api_policy *p = r->db->policies; p; p = p->next)
        count++;
    question q = { .r = r, .v = v, .c = c, .asked = ph_arena_alloc(a, count * 32 + 1) };
    if (!q.asked)
        return ph_nomem(err);
    if ((rc = api_interrupted(r->db, err)) < 0 ||
        (rc = api_conflict_doc(r->db, v, c, &doc, err)) < 0)
        return rc;
    q.doc = doc;
    for (int rank = 0; rank < NOT_FOR_IT && !q.answered && rc >= 0; rank++)
        for (const api_policy *p = r->db->policies; p && !q.answered && rc >= 0; p = p->next)
            if (rank_in(p, c, kind) == rank)
                rc = put_question(&q, p, a, out, err);
    out->asked = (const uint8_t(*)[32])q.asked;
    out->asked_count = q.asked_count;
    r->asked += q.asked_count > 0;
    r->abstained += q.asked_count > 0 && !q.answered;
    prophet_doc_free(doc);
    return rc;
}

/* What names the set of policies: their names, scopes and sources, in order. */
static prophet_code set_hash(prophet_db *db, uint8_t out[32], prophet_error *err)
{
    ph_buf b = PH_BUF_INIT;
    prophet_hash hash;
    for (const api_policy *p = db->policies; p; p = p->next) {
        ph_put_text(&b, ph_slice_str(p->name));
        ph_put_bytes(&b, ph_slice(p->source.b, 32));
        ph_put_list(&b, p->on_count);
        for (size_t i = 0; i < p->on_count; i++)
            ph_put_text(&b, ph_slice_str(p->on[i]));
    }
    prophet_code rc = b.failed ? ph_nomem(err) : prophet_hash_of(ph_buf_slice(&b), &hash, err);
    if (rc >= 0)
        memcpy(out, hash.b, 32);
    ph_buf_clear(&b);
    return rc;
}

static prophet_code give_report(round *r, const ph_ask_report *rep, prophet_doc **report,
                                prophet_error *err)
{
    api_map m = api_map_in(&r->arena);
    if (!report)
        return PROPHET_OK;
    api_put(&m, "asked", prophet_int((int64_t)r->asked));
    api_put(&m, "voted", prophet_int((int64_t)rep->voted));
    api_put(&m, "abstained", prophet_int((int64_t)r->abstained));
    api_put_list(&m, "notes", &r->notes);
    return api_doc_take(&r->arena, &m, report, err);
}

prophet_code prophet_poll(prophet_db *db, prophet_doc **report, prophet_error *err)
{
    round r = { .db = db, .arena = PH_ARENA_INIT };
    ph_ask_report rep = { 0 };
    uint8_t set[32];
    prophet_code rc = api_not_inside(db, "asking resolvers", err);
    if (rc < 0)
        return rc;
    r.notes = api_list_in(&r.arena);
    if (db->policies && !ph_replica_readonly(db->r) && (rc = set_hash(db, set, err)) >= 0) {
        db->busy = true;
        rc = ph_replica_ask(db->r, set, db->voting == PROPHET_EAGER, ask, &r, &rep, err);
        db->busy = false;
    }
    if (rc >= 0)
        rc = give_report(&r, &rep, report, err);
    ph_arena_clear(&r.arena);
    return rc;
}
