/* What a log asks for, and how far it was answered. Inside engine/api only. */
#ifndef PH_LOG_FILTER_IMPL_H
#define PH_LOG_FILTER_IMPL_H
#include "api/api_impl.h"

typedef struct log_filter {
    ph_arena arena;
    prophet_slice author, type;
    bool none; /* nothing can fit */
    bool has_record, has_since, has_until, limited, newest;
    ph_uuid record;
    uint32_t ridx; /* 0: any replica */
    int64_t since, until;
    uint64_t first, last; /* versions */
    uint64_t limit, given, pos;
    bool listed; /* the record's own list of versions is walked */
    ph_history_entry *entries;
    size_t entry_count;
    bool has_picked;
    uint64_t *picked;
    size_t picked_count;
} log_filter;

prophet_code log_filter_read(prophet_db *db, ph_view *v, const prophet_value *spec, log_filter *f,
                             prophet_error *err);
/* The next version that fits; `a` is emptied now and then. PROPHET_DONE at the end. */
prophet_code log_filter_next(log_filter *f, prophet_db *db, ph_view *v, ph_arena *a,
                             uint64_t *version, prophet_error *err);
void log_filter_clear(log_filter *f);

#endif
