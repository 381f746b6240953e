/* Which versions go into a segment. */
#ifndef PH_SYNC_PICK_IMPL_H
#define PH_SYNC_PICK_IMPL_H
#include "sync/segment_impl.h"

typedef PH_LIST(uint64_t) sync_versions;
/* unproven.c: adds the versions of a replica's changesets that no signature here proves. */
prophet_code sync_unproven(ph_view *v, const ph_replica_row *rep, sync_versions *out,
                           prophet_error *err);
/* All versions at this seq of a chain, however often it forks there. `out` begins empty, and may be given again. */
prophet_code sync_branches(ph_view *v, uint32_t ridx, uint64_t seq, sync_versions *out,
                           prophet_error *err);

/* All there is, but what of the own chain is not signed yet; *left: how many these are. */
prophet_code sync_pick_all(ph_view *v, ph_sync_spans *out, uint64_t *left, prophet_error *err);
/* What is not among the chain-ancestors of `known` (ids that are not here are passed over), as above. */
prophet_code sync_pick_since(ph_view *v, const ph_id *known, size_t known_count, ph_sync_spans *out,
                             uint64_t *left, prophet_error *err);

/* The heads of all chains of a base: "41" (a version), 64 hex digits (a changeset and all it had seen), else a place that was pulled from or
 * pushed to. Sorted. ENOTFOUND, EUSAGE. */
prophet_code sync_base_of(ph_view *v, const char *since, ph_arena *a, ph_id **out, size_t *count,
                          prophet_error *err);

#endif
