/* body_encode: a changeset's body as canonical bytes (drawn in body_decode.c). Called once for
 * every local commit; changes are written by change_encode.c. Refuses, as EUSAGE, whatever a
 * strict decoder would. */
#include "model/body_impl.h"

static prophet_code check_text(prophet_slice text, size_t max, const char *what, prophet_error *err)
{
    if (text.len > max)
        return ph_fail(err, PROPHET_EUSAGE, "%s is longer than %zu bytes", what, max);
    if (!ph_utf8_valid(text.data, text.len))
        return ph_fail(err, PROPHET_EUSAGE, "%s is not UTF-8", what);
    return PROPHET_OK;
}

static void write_some_text(ph_buf *out, unsigned key, prophet_slice text)
{
    if (text.len == 0)
        return;
    ph_put_head(out, PH_CBOR_UINT, key);
    ph_put_text(out, text);
}

static prophet_code write_changes(const ph_body *body, size_t names, size_t start, ph_buf *out,
                                  prophet_error *err)
{
    prophet_code rc;

    if (body->change_count == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, PH_BODY_CHANGES);
    ph_put_head(out, PH_CBOR_LIST, body->change_count);
    for (size_t i = 0; i < body->change_count; i++) {
        ph_change *change = &body->changes[i], *last = i > 0 ? change - 1 : NULL;
        if (last && ph_record_cmp(last->type, &last->record, change->type, &change->record) >= 0)
            return ph_fail(err, PROPHET_EUSAGE, "%.*s: changes out of order, or two of one record",
                           PH_FMT(change->type));
        change->offset = out->len - start;
        if ((rc = ph_write_change(change, names, out, err)) < 0)
            return rc;
        if (out->len - start > PH_CHANGESET_MAX)
            break; /* the caller says so; a runaway changeset need not be written to its end */
    }
    return PROPHET_OK;
}

/* ---- votes ----------------------------------------------------------------------------------- */

static prophet_code check_vote(const ph_vote *v, const ph_vote *last, prophet_error *err)
{
    prophet_code rc;

    if (!ph_name_valid(v->type))
        return ph_fail(err, PROPHET_EUSAGE, "bad type name \"%.*s\"", PH_FMT(v->type));
    if (v->field.len > 0 && !ph_field_valid(v->type, v->field))
        return ph_fail(err, PROPHET_EUSAGE, "bad field name \"%.*s\"", PH_FMT(v->field));
    if (last) {
        int order = ph_record_cmp(last->type, &last->record, v->type, &v->record);
        if (order > 0 || (order == 0 && ph_name_cmp(last->field, v->field) >= 0))
            return ph_fail(err, PROPHET_EUSAGE, "votes out of order, or two on one cell");
    }
    if (v->heads.count == 0)
        return ph_fail(err, PROPHET_EUSAGE, "vote names no heads");
    if (v->by_resolver ? v->resolver.len == 0 || v->resolver_hash.len != 32
                       : v->resolver.len > 0 || v->resolver_hash.len > 0)
        return ph_fail(err, PROPHET_EUSAGE,
                       "a resolver's vote, and only it, has the resolver's name and hash");
    if (v->field.len == 0 &&
        !ph_slice_eq(v->choice, ph_slice_str("\x65"
                                             "alive")) &&
        !ph_slice_eq(v->choice, ph_slice_str("\x64"
                                             "dead")))
        return ph_fail(err, PROPHET_EUSAGE, "choice for life is neither alive nor dead");
    if ((rc = check_text(v->resolver, PH_REASON_MAX, "name of a resolver", err)) < 0)
        return rc;
    return check_text(v->reason, PH_REASON_MAX, "reason of a vote", err);
}

static prophet_code write_vote(const ph_vote *v, size_t names, ph_buf *out, prophet_error *err)
{
    unsigned members = v->by_resolver ? 7 : 5;
    prophet_code rc;

    members += v->choice.len > 0;
    members += v->reason.len > 0;
    ph_put_head(out, PH_CBOR_MAP, members);
    ph_put_head(out, PH_CBOR_UINT, PH_VOTE_TYPE);
    ph_put_name(out, v->type);
    ph_put_head(out, PH_CBOR_UINT, PH_VOTE_RECORD);
    ph_put_bytes(out, ph_slice(v->record.b, sizeof v->record.b));
    ph_put_head(out, PH_CBOR_UINT, PH_VOTE_FIELD);
    ph_put_name(out, v->field);
    ph_put_head(out, PH_CBOR_UINT, PH_VOTE_HEADS);
    if ((rc = ph_write_over(&v->heads, names, out, err)) < 0)
        return rc;
    if (v->choice.len > 0) {
        ph_put_head(out, PH_CBOR_UINT, PH_VOTE_CHOICE);
        if ((rc = ph_write_value(v->choice, out, err)) < 0)
            return rc;
    }
    ph_put_head(out, PH_CBOR_UINT, PH_VOTE_BY);
    ph_put_head(out, PH_CBOR_UINT, v->by_resolver);
    write_some_text(out, PH_VOTE_RESOLVER, v->resolver);
    if (v->by_resolver) {
        ph_put_head(out, PH_CBOR_UINT, PH_VOTE_HASH);
        ph_put_bytes(out, v->resolver_hash);
    }
    write_some_text(out, PH_VOTE_REASON, v->reason);
    return PROPHET_OK;
}

static prophet_code write_votes(const ph_body *body, size_t names, ph_buf *out, prophet_error *err)
{
    if (body->vote_count == 0)
        return PROPHET_OK;
    ph_put_head(out, PH_CBOR_UINT, PH_BODY_VOTES);
    ph_put_head(out, PH_CBOR_LIST, body->vote_count);
    for (size_t i = 0; i < body->vote_count; i++) {
        const ph_vote *v = &body->votes[i];
        prophet_code rc = check_vote(v, i > 0 ? v - 1 : NULL, err);
        if (rc >= 0)
            rc = write_vote(v, names, out, err);
        if (rc < 0) {
            ph_context(err, "vote on %.*s%s%.*s", PH_FMT(v->type), v->field.len ? "." : "",
                       PH_FMT(v->field));
            ph_error_at(err, v->type, v->field);
            return rc;
        }
    }
    return PROPHET_OK;
}

/* ---- the body -------------------------------------------------------------------------------- */

prophet_code ph_body_encode(const ph_body *body, size_t names, ph_buf *out, prophet_error *err)
{
    size_t start = out->len;
    unsigned members = 2;
    prophet_code rc;

    if ((rc = check_text(body->author, PH_TEXT_MAX, "author", err)) < 0 ||
        (rc = check_text(body->message, PH_TEXT_MAX, "message", err)) < 0)
        return rc;
    members += body->author.len > 0;
    members += body->message.len > 0;
    members += body->change_count > 0;
    members += body->vote_count > 0;
    ph_put_head(out, PH_CBOR_MAP, members);
    ph_put_head(out, PH_CBOR_UINT, PH_BODY_SALT);
    ph_put_bytes(out, ph_slice(body->salt, sizeof body->salt));
    ph_put_head(out, PH_CBOR_UINT, PH_BODY_TIME);
    ph_put_int(out, body->time);
    write_some_text(out, PH_BODY_AUTHOR, body->author);
    write_some_text(out, PH_BODY_MESSAGE, body->message);
    if ((rc = write_changes(body, names, start, out, err)) < 0 ||
        (rc = write_votes(body, names, out, err)) < 0)
        return rc;
    if (out->failed)
        return ph_nomem(err);
    if (out->len - start > PH_CHANGESET_MAX)
        return ph_fail(err, PROPHET_EUSAGE, "changeset is larger than 8 MiB");
    return PROPHET_OK;
}
