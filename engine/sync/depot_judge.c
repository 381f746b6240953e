/* What came of a round. A manifest is a publisher's word: whether its segments hold what it claims shows when they were fed. Who does not hold what it claims, or
 * was refused, is not asked again, and others who claim the same are. Called by depot_pull.c. */
#include "sync/depot_take_impl.h"

void depot_blame(depot_intake *t, const depot_part *p, prophet_error *err)
{
    char folder[65];
    ph_hex(p->p->folder.b, 32, folder);
    ph_context(err, "%s %.8s..", ph_net_shown(t->d->net), folder);
    if (err && t->refused == 0 && !t->spoiled)
        t->why = *err;
}

typedef enum verdict { CAME, WAITS, SHORT } verdict;

static prophet_code weigh(const depot_intake *t, ph_view *v, const depot_segment *s, verdict *out,
                          prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint64_t version;
    *out = CAME;
    for (size_t i = 0; i < s->run_count && *out != SHORT; i++) {
        if ((rc = ph_view_version_of(v, &s->runs[i].id, &version, err)) < 0)
            return rc;
        if (rc == PROPHET_DONE)
            *out = ph_intake_waits(t->in.in, &s->runs[i].id) ? WAITS : SHORT;
    }
    return PROPHET_OK;
}

static void convict(depot_intake *t, const depot_part *p)
{
    prophet_error why;
    char name[65];
    ph_hex(p->s->file.b, 32, name);
    (void)ph_fail(&why, PROPHET_ECORRUPT, "segment %.16s does not hold all that its manifest says",
                  name);
    depot_blame(t, p, &why);
    t->refused++;
}

/* Beside parts that were dropped another may look short: what it held was counted as theirs. */
static prophet_code judge(depot_intake *t, ph_view *v, const depot_part *p, bool *more,
                          prophet_error *err)
{
    const depot_file f = { .folder = p->p->folder, .name = p->s->file };
    verdict is = CAME;
    prophet_code rc = p->spoiled ? PROPHET_OK : weigh(t, v, p->s, &is, err);
    if (rc < 0)
        return rc;
    bool failed = p->spoiled || (is == SHORT && !t->dropped);
    if (failed && !p->spoiled)
        convict(t, p);
    t->doubt = t->doubt || failed || is != CAME;
    *more = *more || failed || is != CAME;
    if (failed)
        return PH_PUSH(t->failed, f) ? PROPHET_OK : ph_nomem(err);
    return t->dropped || PH_PUSH(t->fed, f) ? PROPHET_OK : ph_nomem(err);
}

prophet_code depot_judge(depot_intake *t, bool *more, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(t->d->r, &v, err);
    *more = t->forgot;
    t->dropped = t->forgot = false;
    for (size_t i = 0; i < t->parts.count; i++)
        t->dropped = t->dropped || t->parts.at[i].dropped;
    if (t->dropped)
        t->fed.count = 0; /* what waited of them may be gone */
    for (size_t i = 0; i < t->parts.count && rc >= 0; i++)
        rc = judge(t, v, &t->parts.at[i], more, err);
    ph_view_end(v);
    return rc;
}
