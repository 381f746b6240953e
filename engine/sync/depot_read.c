/* The manifests of a depot: which need be read, and reading them. Where nobody can list, the root tells of each publisher how far it is: who is where it was
 * when it was read last, and has nothing that is not here, need not be read again, so that a pull costs what is new and not how many publish there. It is a hint: when something stays missing all are asked (depot_pull.c). A
 * manifest that is refused does not keep others from being used: it is reported in the end. Called by depot_look.c. */
#include "sync/depot_impl.h"

#define MANIFESTS_MOST (64u << 20) /* bytes, see has_room */

/* All are in memory at once. Each may have its share of MANIFESTS_MOST; what is larger comes out of as much again, for all of them. Without
 * that who can write to a depot could have its readers run out of memory. */
static bool has_room(depot *d, const depot_publisher *p, size_t size)
{
    bool own = d->r && p->known && ph_id_eq(&p->key, ph_replica_key(d->r));
    if (own || size <= MANIFESTS_MOST / d->publishers.count)
        return true;
    if (size > MANIFESTS_MOST - d->large)
        return false;
    d->large += size;
    return true;
}

static prophet_code read_bytes(depot *d, depot_publisher *p, ph_buf *bytes, prophet_error *err)
{
    prophet_net_get g = PROPHET_NET_GET_INIT;
    char name[DEPOT_NAME_SIZE];
    prophet_code rc;
    depot_manifest_name(&p->folder, name);
    if ((rc = ph_net_get_bytes(d->net, name, DEPOT_FILE_MAX, &g, bytes, err)) != PROPHET_OK)
        return rc;
    memcpy(p->etag, g.etag, sizeof p->etag);
    p->there = true;
    d->bytes += bytes->len;
    if ((rc = depot_unseal(d, bytes, err)) < 0)
        return rc;
    prophet_slice all = ph_buf_slice(bytes);
    return ph_hash_sha256(d->hasher, &all, 1, p->hash, err);
}

static prophet_code name_files(depot *d, depot_manifest *m, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    for (size_t i = 0; i < m->segment_count && rc >= 0; i++)
        rc = sync_seal_name(&d->seal, d->hasher, m->segments[i].name, m->segments[i].file.b, err);
    for (size_t i = 0; i < m->retired_count && rc >= 0; i++)
        rc = sync_seal_name(&d->seal, d->hasher, m->retired[i].name, m->retired[i].file.b, err);
    return rc;
}

static prophet_code take_manifest(depot *d, depot_publisher *p, prophet_slice bytes,
                                  prophet_error *err)
{
    ph_id folder;
    prophet_code rc = depot_manifest_decode(bytes, &d->arena, &p->m, err);
    if (rc < 0 || (rc = sync_seal_name(&d->seal, d->hasher, p->m.replica.b, folder.b, err)) < 0)
        return rc;
    if (!ph_id_eq(&folder, &p->folder))
        return ph_fail(err, PROPHET_EUNTRUSTED, "a manifest of another publisher");
    p->key = p->m.replica;
    p->known = true;
    rc = depot_check_database(d, &p->m.database, err);
    return rc < 0 ? rc : name_files(d, &p->m, err);
}

/* Where the root is of our database, a manifest of another one is its publisher's fault; without a root it may be that of the whole depot. One that cannot be read
 * is no harm either, but for who would have to replace it. */
static bool keeps_one_out(const depot *d, const depot_publisher *p, prophet_code rc)
{
    return rc == PROPHET_ECORRUPT || rc == PROPHET_EUNTRUSTED || rc == PROPHET_EVERSION ||
           rc == PROPHET_EBUDGET || (rc == PROPHET_EUNRELATED && d->root_good) ||
           ((rc == PROPHET_EIO || rc == PROPHET_EREMOTE) &&
            !(d->r && p->known && ph_id_eq(&p->key, ph_replica_key(d->r))));
}

static prophet_code read_manifest(depot *d, depot_publisher *p, prophet_error *err)
{
    ph_buf bytes = PH_BUF_INIT;
    char name[DEPOT_NAME_SIZE];
    p->read = false;
    prophet_code rc = read_bytes(d, p, &bytes, err);
    if (rc == PROPHET_OK && !has_room(d, p, bytes.len))
        rc = ph_fail(err, PROPHET_EBUDGET,
                     "manifests that are larger than their share take more than %u MiB in all",
                     MANIFESTS_MOST >> 20);
    if (rc == PROPHET_OK)
        rc = take_manifest(d, p, ph_buf_slice(&bytes), err);
    p->read = rc == PROPHET_OK;
    if (keeps_one_out(d, p, rc)) {
        depot_manifest_name(&p->folder, name);
        ph_context(err, "%s %.8s..", ph_net_shown(d->net), name);
        depot_refuse(d, rc, err);
        rc = PROPHET_OK;
    }
    ph_buf_clear(&bytes);
    return rc < 0 ? rc : PROPHET_OK;
}

/* ---- which ---------------------------------------------------------------------------------------------------------------- */

static prophet_code are_here(ph_view *v, const ph_id *ids, size_t count, bool *all,
                             prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    uint64_t version;
    for (size_t i = 0; i < count && *all && rc >= 0; i++)
        if ((rc = ph_view_version_of(v, &ids[i], &version, err)) == PROPHET_DONE)
            *all = false;
    return rc < 0 ? rc : PROPHET_OK;
}

/* Of whom does the root show that there is nothing new? One that went back is looked at, and so is one that went on, if any is: then it is known how far it is, and
 * what of ours it has. *current: nobody has news. */
static prophet_code find_quiet(depot *d, bool *current, prophet_error *err)
{
    ph_view *v;
    *current = d->root_good && !d->listed && d->r;
    if (!*current)
        return PROPHET_OK;
    prophet_code rc = ph_view_begin(d->r, &v, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < d->publishers.count && rc >= 0; i++) {
        depot_publisher *p = &d->publishers.at[i];
        const depot_entry *told = p->told;
        bool here = told && told->head_count && told->generation >= p->best;
        if (here)
            rc = are_here(v, told->heads, told->head_count, &here, err);
        p->quiet = here && told->generation == p->best;
        d->partial = d->partial || p->quiet;
        *current = *current && here;
    }
    ph_view_end(v);
    return rc;
}

prophet_code depot_read_manifests(depot *d, bool all, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    d->current = d->partial = false;
    if (!all && ((rc = find_quiet(d, &d->current, err)) < 0 || d->current))
        return rc;
    if (d->o && d->o->dry_run) /* what stays missing would not show */
        d->partial = false;
    if (d->partial && (rc = depot_note_tells(d, &d->partial, err)) < 0)
        return rc;
    d->large = 0;
    for (int known = 1; known >= 0;
         known--) /* who was met before comes first: there may not be room for all */
        for (size_t i = 0; i < d->publishers.count && rc >= 0; i++) {
            depot_publisher *p = &d->publishers.at[i];
            p->quiet = p->quiet && d->partial;
            if (!p->quiet && (p->best > 0) == (known > 0))
                rc = read_manifest(d, p, err);
        }
    return rc;
}

/* Also what the root tells of who was refused. */
static prophet_code came_of(ph_view *v, const depot_publisher *p, bool *all, prophet_error *err)
{
    prophet_code rc = PROPHET_OK;
    if (p->told)
        rc = are_here(v, p->told->heads, p->told->head_count, all, err);
    if (rc < 0 || !p->read)
        return rc;
    rc = are_here(v, p->m.heads, p->m.head_count, all, err);
    for (size_t k = 0; k < p->m.segment_count && rc >= 0; k++)
        for (size_t n = 0; n < p->m.segments[k].run_count && *all && rc >= 0; n++)
            rc = are_here(v, &p->m.segments[k].runs[n].id, 1, all, err);
    return rc;
}

prophet_code depot_all_came(const depot *d, bool *all, prophet_error *err)
{
    ph_view *v;
    prophet_code rc = ph_view_begin(d->r, &v, err);
    *all = true;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < d->publishers.count && *all && rc >= 0; i++)
        rc = came_of(v, &d->publishers.at[i], all, err);
    ph_view_end(v);
    return rc;
}
