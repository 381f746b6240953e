/* ballots: one ballot looked at alone, for showing it and for dropping it; and the name of a question.
 *
 * ph_settle judges many ballots at once and much faster (ph_outcome.counted); these need no memory. A ballot is
 * spent when nothing that can still come brings it back: heads go and never return. */
#include "merge/merge_impl.h"

static const ph_candidate_head *head_of(const ph_cell_question *q, uint64_t version)
{
    for (size_t i = 0; i < q->head_count; i++)
        if (q->heads[i].version == version)
            return &q->heads[i];
    return NULL;
}

static bool held(const ph_cell_question *q, prophet_slice value)
{
    for (size_t i = 0; i < q->head_count; i++)
        if (ph_slice_eq(q->heads[i].value, value))
            return true;
    return false;
}

/* Names a dead head, and all dead heads it names are heads still. */
static bool dead_heads_present(const ph_cell_question *q, const ph_ballot *b)
{
    bool any = false;

    for (size_t i = 0; i < b->seen_count; i++) {
        if (!ph_slice_eq(b->seen[i].value, ph_slice_str(PH_DEAD)))
            continue;
        if (!head_of(q, b->seen[i].version))
            return false;
        any = true;
    }
    return any;
}

static bool names_a_head(const ph_cell_question *q, const ph_ballot *b)
{
    for (size_t i = 0; i < b->seen_count; i++)
        if (head_of(q, b->seen[i].version))
            return true;
    return false;
}

bool ph_ballot_is_spent(const ph_cell_question *q, const ph_ballot *b)
{
    return q->life ? !dead_heads_present(q, b) : !names_a_head(q, b);
}

bool ph_ballot_counts(const ph_cell_question *q, const ph_ballot *b)
{
    prophet_slice first = { NULL, 0 };
    bool one = false, two = false, saw_choice = false;

    if (ph_merge_one_value(q) || ph_ballot_is_spent(q, b))
        return false;
    if (q->life)
        return ph_slice_eq(b->choice, ph_slice_str(PH_ALIVE)) ||
               ph_slice_eq(b->choice, ph_slice_str(PH_DEAD));
    for (size_t i = 0; i < b->seen_count; i++) {
        prophet_slice value = b->seen[i].value;

        saw_choice = saw_choice || ph_slice_eq(value, b->choice);
        if (two || (one && ph_slice_eq(value, first)) || !held(q, value))
            continue;
        two = one;
        first = one ? first : value;
        one = true;
    }
    return two && (!saw_choice || held(q, b->choice));
}

/* SHA-256 over a domain string and the values, each behind its length as 8 bytes, most significant first. */
prophet_code ph_question_hash(ph_hasher *h, const ph_outcome *o, uint8_t out[32],
                              prophet_error *err)
{
    static const char domain[] = "prophet question v1"; /* with its zero byte */
    ph_buf bytes = PH_BUF_INIT;
    prophet_slice all;
    prophet_code rc;

    ph_buf_put(&bytes, domain, sizeof domain);
    for (size_t i = 0; i < o->value_count; i++) {
        ph_buf_u64be(&bytes, o->values[i].len);
        ph_buf_put(&bytes, o->values[i].data, o->values[i].len);
    }
    if (bytes.failed)
        rc = ph_nomem(err);
    else {
        all = ph_buf_slice(&bytes);
        rc = ph_hash_sha256(h, &all, 1, out, err);
    }
    ph_buf_clear(&bytes);
    return rc;
}
