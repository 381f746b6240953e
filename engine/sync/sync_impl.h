/* Shared inside engine/sync. */
#ifndef PH_SYNC_IMPL_H
#define PH_SYNC_IMPL_H
#include "sync/sync.h"

/* transfer.c: from one open replica to another; the source was signed as far as it can be. Adds to the report. */
prophet_code sync_transfer(ph_replica *to, ph_replica *from, const ph_sync_options *o,
                           ph_sync_report *rep, prophet_error *err);
/* What an intake brought, into the report of the exchange. */
prophet_code sync_report_add(const ph_intake_report *in, ph_sync_report *rep, prophet_error *err);
/* EUNRELATED, naming both, unless r is a replica of that database. */
prophet_code sync_check_related(const ph_replica *r, const ph_uuid *other, const char *here, const char *who,
                                prophet_error *err);
prophet_code sync_progress(const ph_sync_options *o, const char *stage, uint64_t done,
                           uint64_t total, prophet_error *err);

/* local.c: a replica in a directory. `write`: it must be writable; else it is opened for reading when it cannot be written. */
prophet_code sync_open(const char *dir, bool write, ph_replica **out, prophet_error *err);
/* Remembers in r what was seen of a peer, if that is news. */
prophet_code sync_remember(ph_replica *r, ph_replica *peer, prophet_error *err);

#endif
