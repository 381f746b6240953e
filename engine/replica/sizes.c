/* How large a replica is on disk, for people. */
#include "replica/replica_impl.h"

prophet_code ph_replica_sizes_get(ph_replica *r, ph_replica_sizes *out, prophet_error *err)
{
    ph_store_stats stats;
    prophet_code rc = ph_log_size(r->log, &out->log_bytes, &out->log_unused, err);
    if (rc < 0 || (rc = ph_store_stats_get(r->store, &stats, err)) < 0)
        return rc;
    out->index_bytes = stats.file_bytes;
    return PROPHET_OK;
}

void ph_replica_frugal(ph_replica *r, bool yes)
{
    if (r->store)
        ph_store_frugal(r->store, yes);
}
