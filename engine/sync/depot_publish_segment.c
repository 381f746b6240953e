/* The new segment of a publish: what no segment there holds, and the last own ones that are not twice as large.
 * Called by depot_publish.c. */
#include "sync/depot_publish_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

prophet_code depot_merge(publish *p, prophet_error *err)
{
    uint64_t size = p->fresh;
    prophet_code rc = PROPHET_OK;
    while (p->live.count && p->live.at[p->live.count - 1].changesets < 2 * size && rc >= 0) {
        const depot_segment s = p->live.at[--p->live.count];
        size += s.changesets;
        for (size_t i = 0; i < s.run_count && rc >= 0; i++)
            rc = depot_run_versions(p->v, &s.runs[i], &p->spans, err);
        if (rc >= 0)
            rc = depot_retire(p, &s, err);
    }
    return rc;
}

static prophet_code write_segment(publish *p, const char *tmp, prophet_error *err)
{
    sync_out_file f = { open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                        0 }; /* under the lock: nobody else's */
    prophet_code rc = f.fd < 0 ? ph_fail_sys(err, errno, "create %s", tmp) : PROPHET_OK;
    const sync_pick pick = { p->spans.at, p->spans.count, NULL, 0 };
    sync_sealer w = { .begun = false };
    if (rc >= 0 && (rc = sync_sealer_begin(&w, &p->d->seal, sync_to_file, &f, err)) >= 0 &&
        (rc = sync_segment_write(p->v, &pick, &p->a, sync_sealer_put, &w, &p->made, err)) >= 0)
        rc = sync_sealer_end(&w, err);
    sync_sealer_clear(&w);
    if (f.fd >= 0)
        close(f.fd);
    return rc;
}

prophet_code depot_put_segment(publish *p, prophet_error *err)
{
    char tmp[PH_PATH_MAX], name[DEPOT_NAME_SIZE];
    prophet_code rc = ph_path_join(tmp, sizeof tmp, ph_replica_path(p->d->r), "publish.tmp", err);
    if (rc < 0)
        return rc;
    if ((rc = write_segment(p, tmp, err)) >= 0) {
        depot_segment one = { .size = p->made.size,
                              .changesets = p->made.head.changesets,
                              .runs = p->made.head.runs,
                              .run_count = p->made.head.run_count };
        memcpy(one.name, p->made.name, SEGMENT_SUM);
        if ((rc = sync_seal_name(&p->d->seal, p->d->hasher, one.name, one.file.b, err)) >= 0)
            depot_segment_name(&p->folder, &one.file, name);
        if (rc >= 0 && (rc = ph_net_put_file(p->d->net, name, tmp, NULL, err)) >= 0 &&
            !PH_PUSH(p->live, one))
            rc = ph_nomem(err);
    }
    (void)unlink(tmp); /* whatever became of it */
    return rc;
}
