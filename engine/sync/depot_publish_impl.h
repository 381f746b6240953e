/* A publish into a depot: shared by depot_publish.c, depot_publish_segment.c and depot_publish_manifest.c. */
#ifndef PH_SYNC_DEPOT_PUBLISH_IMPL_H
#define PH_SYNC_DEPOT_PUBLISH_IMPL_H
#include "sync/depot_impl.h"

typedef struct publish {
    depot *d;
    ph_view *v;
    ph_arena a;
    ph_id folder;
    const depot_publisher *own; /* or NULL */
    PH_LIST(depot_segment) live;
    PH_LIST(depot_retired) retired, gone;
    ph_sync_spans spans; /* versions of the new segment */
    uint64_t fresh, left;
    size_t lost; /* own segments that are not there, or not of their length */
    bool changed;
    sync_made made;
    ph_sync_report *rep;
} publish;

/* What no manifest will name any more. */
prophet_code depot_retire(publish *p, const depot_segment *s, prophet_error *err);
/* Takes the last own segments that are not at least twice as large into the new one. */
prophet_code depot_merge(publish *p, prophet_error *err);
/* Writes `spans`, and puts it there as the last of `live`. */
prophet_code depot_put_segment(publish *p, prophet_error *err);
/* Signs and puts it. ESTALE, EEXISTS: it is not the one any more that was read. */
prophet_code depot_put_manifest(publish *p, prophet_error *err);

#endif
