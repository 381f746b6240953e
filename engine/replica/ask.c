/* Puts open conflicts to this replica's resolvers, once per question, after the pull has committed: the policy runs outside of
 * all locks, its votes and what was asked are then written in one change a round. */
#include "replica/replica_impl.h"

#define ROUND 256 /* conflicts asked between two changes */

const char ph_resolvers_asked[] = "resolvers asked";

static prophet_code last_set(ph_txn *t, bool *known, uint8_t out[32], prophet_error *err)
{
    prophet_slice value;
    ph_item item;
    prophet_code rc = ph_txn_get(t, PH_T_LOCAL, ph_slice_str(ph_resolvers_asked), &value, err);
    *known = rc == PROPHET_OK && ph_value_open(value, &item) && item.kind == PH_BYTES &&
             item.s.len == 32;
    if (*known)
        memcpy(out, item.s.data, 32);
    return rc < 0 ? rc : PROPHET_OK;
}

/* Is it this very set of resolvers that is asked? Then what is due is said already. */
static prophet_code same_set(ph_view *v, const uint8_t set[32], bool *same, prophet_error *err)
{
    uint8_t last[32];
    prophet_code rc = last_set(v->txn, same, last, err);
    *same = *same && memcmp(last, set, 32) == 0;
    return rc;
}

prophet_code ph_question_asked(ph_txn *t, const ph_cell_key *key, const uint8_t question[32],
                               bool *asked, prophet_error *err)
{
    uint8_t set[32];
    prophet_slice what;
    prophet_code rc = last_set(t, asked, set, err);
    if (rc < 0 || !*asked)
        return rc;
    rc = ph_asked_get(t, key, question, set, &what, err);
    *asked = rc == PROPHET_OK;
#ifdef PH_PLANT_asked_again
    *asked = false;
#endif
    return rc < 0 ? rc : PROPHET_OK;
}

prophet_code ph_view_asked(ph_view *v, const ph_conflict *c, const uint8_t resolver[32],
                           bool *asked, prophet_error *err)
{
    prophet_slice what;
    prophet_code rc = ph_asked_get(v->txn, &c->key, c->question, resolver, &what, err);
    *asked = rc == PROPHET_OK;
    return rc < 0 ? rc : PROPHET_OK;
}

typedef struct answer {
    ph_cell_key key;
    prophet_slice type, field;
    uint8_t question[32];
    const prophet_slice *values; /* what it is about */
    size_t value_count;
    ph_policy_answer a;
    bool decided_so; /* the outcome is the choice already, by votes */
} answer;

static prophet_code note_values(answer *an, const ph_conflict *c, ph_arena *a, prophet_error *err)
{
    prophet_slice *values = ph_arena_alloc(a, (c->candidate_count + 1) * sizeof *values);
    if (!values)
        return ph_nomem(err);
    for (size_t i = 0; i < c->candidate_count; i++)
        values[i] = c->candidates[i].value;
    an->values = values;
    an->value_count = c->candidate_count;
    return PROPHET_OK;
}

static prophet_code put_questions(ph_replica *r, const ph_cell_key *after, const uint8_t set[32],
                                  ph_policy_fn fn, void *ctx, ph_arena *a, answer *out,
                                  size_t *count, size_t *seen, ph_cell_key *last,
                                  prophet_error *err)
{
    ph_cell_key keys[ROUND];
    ph_view *v;
    prophet_code rc = ph_view_begin(r, &v, err);
    *count = *seen = 0;
    if (rc < 0)
        return rc;
    rc = ph_conflicts_list(v->txn, PH_T_TODO, 0, after, keys, ROUND, seen, err);
    for (size_t i = 0; i < *seen && rc >= 0; i++) {
        ph_conflict c;
        prophet_slice what;
        answer *an = &out[*count];
        *last = keys[i];
        memset(an, 0, sizeof *an);
        if ((rc = ph_view_conflict(v, &keys[i], a, &c, err)) != PROPHET_OK)
            continue;
        rc = ph_asked_get(v->txn, &keys[i], c.question, set, &what, err);
#ifdef PH_PLANT_asked_again
        rc = rc == PROPHET_OK ? PROPHET_DONE : rc;
#endif
        if (rc < 0)
            break;
        if (rc ==
            PROPHET_OK) /* of these already: other resolvers were asked in between, by another process */
            continue;
        an->key = keys[i];
        an->type = c.type;
        an->field = c.field;
        memcpy(an->question, c.question, 32);
        if ((rc = note_values(an, &c, a, err)) < 0)
            break;
        if ((rc = fn(ctx, v, &c, a, &an->a, err)) < 0)
            break;
        an->decided_so = c.decided && ph_slice_eq(c.outcome, an->a.choice);
        ++*count;
    }
    ph_view_end(v);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code write_answer(ph_change_txn *c, const answer *an, const uint8_t set[32],
                                 bool eager, ph_ask_report *rep, prophet_error *err)
{
    char what[400];
    prophet_code rc = PROPHET_OK;
    bool vote = an->a.cast && (eager || !an->decided_so);
    if (vote) {
        ph_vote_cast cast = { .type = an->type,
                              .field = an->field,
                              .record = an->key.uuid,
                              .choice = an->a.choice,
                              .resolver = ph_slice_str(an->a.resolver),
                              .resolver_hash = ph_slice(an->a.hash, 32),
                              .reason = ph_slice_str(an->a.reason),
                              .asked = an->values,
                              .asked_count = an->value_count };
        rc = ph_change_vote(c, &cast, err);
        if (rc == PROPHET_ENOTFOUND ||
            rc == PROPHET_DONE) /* settled, or another question, while it was thinking */
            return PROPHET_OK;
    }
    rep->asked++;
    rep->voted += vote;
    rep->abstained += !an->a.cast;
    (void)snprintf(what, sizeof what, "%s%s%s: %s", an->a.resolver, an->a.resolver[0] ? " " : "",
                   vote         ? "voted"
                   : an->a.cast ? "agrees"
                   : an->a.ask  ? "leaves it to people"
                                : "abstained",
                   an->a.reason);
    for (size_t i = 0; i < an->a.asked_count && rc >= 0; i++)
        rc = ph_change_asked(c, &an->key, an->question, an->a.asked[i], ph_slice_str(what), err);
    return rc < 0 ? rc : ph_change_asked(c, &an->key, an->question, set, ph_slice_str(what), err);
}

static prophet_code remember_set(ph_replica *r, const uint8_t set[32], prophet_error *err)
{
    ph_buf value = PH_BUF_INIT;
    ph_change_txn *c;
    prophet_code rc = ph_change_begin(r, ph_slice(NULL, 0), &c, err);
    if (rc < 0)
        return rc;
    ph_put_bytes(&value, ph_slice(set, 32));
    if ((rc = ph_change_local(c, ph_slice_str(ph_resolvers_asked), ph_buf_slice(&value), err)) < 0)
        ph_change_abort(c);
    else
        rc = ph_change_commit(c, NULL, NULL, err);
    ph_buf_clear(&value);
    return rc;
}

static prophet_code write_round(ph_replica *r, const answer *at, size_t n, const uint8_t set[32],
                                bool eager, ph_ask_report *rep, prophet_error *err)
{
    ph_change_txn *c;
    prophet_code rc = ph_change_begin(r, ph_slice_str("votes of resolvers"), &c, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n && rc >= 0; i++)
        rc = write_answer(c, &at[i], set, eager, rep, err);
    if (rc < 0) {
        ph_change_abort(c);
        return rc;
    }
    return ph_change_commit(c, NULL, NULL, err);
}

prophet_code ph_replica_ask(ph_replica *r, const uint8_t set[32], bool eager, ph_policy_fn fn,
                            void *ctx, ph_ask_report *out, prophet_error *err)
{
    ph_arena a = PH_ARENA_INIT;
    ph_cell_key last, *after = NULL;
    answer *at = ph_alloc(ROUND * sizeof *at);
    size_t n, seen = ROUND;
    bool same = false;
    ph_view *v;
    prophet_code rc = at ? ph_view_begin(r, &v, err) : ph_nomem(err);
    *out = (ph_ask_report){ 0 };
    if (rc >= 0) {
        rc = same_set(v, set, &same, err);
        ph_view_end(v);
    }
    if (rc >= 0 && !same) /* all that is open becomes due, but for what these were asked before */
        rc = remember_set(r, set, err);
    while (rc >= 0 && seen == ROUND) {
        ph_arena_reset(&a);
        rc = put_questions(r, after, set, fn, ctx, &a, at, &n, &seen, &last, err);
        if (rc >= 0 && n > 0)
            rc = write_round(r, at, n, set, eager, out, err);
        after = &last;
    }
    ph_arena_clear(&a);
    ph_free(at);
    return rc < 0 ? rc : PROPHET_OK;
}
