/* Changesets as parts of documents: who wrote them and what they did. Used by log, history, blame and conflicts. */
#include "api/api_impl.h"

static prophet_code not_in_log(uint64_t version, prophet_error *err)
{
    return ph_fail(err, PROPHET_ECORRUPT, "changeset %llu is not in the log",
                   (unsigned long long)version);
}

prophet_code api_changeset_get(ph_view *v, uint64_t version, ph_arena *a, api_changeset *out,
                               prophet_error *err)
{
    prophet_code rc = ph_view_changeset(v, version, a, &out->cs, &out->row, err);
    return rc == PROPHET_DONE ? not_in_log(version, err) : rc;
}

prophet_code api_changeset_look(ph_view *v, uint64_t version, ph_arena *scratch, api_changeset *out,
                                prophet_error *err)
{
    prophet_code rc = ph_kept_changeset(v, version, scratch, &out->cs, &out->row, err);
    return rc == PROPHET_DONE ? not_in_log(version, err) : rc;
}

void api_put_writer(api_map *m, const api_changeset *c)
{
    if (c->cs.has_body) {
        api_put_text(m, "author", c->cs.body.author);
        api_put(m, "time", prophet_time(c->cs.body.time));
    } else
        api_put(m, "time", prophet_time(c->row.time));
    api_put_hex(m, "replica", c->cs.header.replica.b, 32);
    api_put_hex(m, "changeset", c->cs.id.b, 32);
}

prophet_slice api_resolver_text(ph_arena *a, const ph_vote *vote)
{
    char hex[65];
    ph_buf b = PH_BUF_INIT;
    ph_hex(vote->resolver_hash.data, vote->resolver_hash.len < 32 ? vote->resolver_hash.len : 32,
           hex);
    ph_buf_printf(&b, "%.*s@%s", PH_FMT(vote->resolver), hex);
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

const char *api_op_name(ph_op_kind op)
{
    static const char *const names[] = { "set", "unset", "incr", "add", "remove" };
    return names[op];
}

const char *api_action_name(ph_action action)
{
    static const char *const names[] = { "create", "update", "delete" };
    return names[action];
}
