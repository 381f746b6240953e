/* The list of records a query found, kept in its order. */
#ifndef PH_QUERY_ORDER_IMPL_H
#define PH_QUERY_ORDER_IMPL_H
#include "query/query_impl.h"

typedef struct order_entry {
    uint64_t       number;
    ph_uuid        uuid;
    prophet_slice *values; /* one an order term, in the list's arena; NULL without order */
} order_entry;

typedef struct order_list {
    bool         by_number; /* candidates come by rising number */
    order_entry *entries;
    size_t       count, cap;
    size_t       kept;      /* entries[0..kept) are the best so far, in order */
    ph_arena     arena;     /* of the values */
    bool         full;      /* there are `limit` best: a row behind the last of them is passed over */
} order_list;

/* PROPHET_DONE: nothing that follows can belong to the result. */
prophet_code ph_query_order_add(order_list *l, query_run *r, const ph_row *row, prophet_error *err);
/* Adds a row whatever the limit and `after` are; sorts all. */
prophet_code ph_query_order_keep(order_list *l, query_run *r, const ph_row *row, prophet_error *err);
void         ph_query_order_sort(order_list *l, const ph_query *q);
/* One that is known by number and id alone, of a query without order. PROPHET_DONE as above. */
prophet_code ph_query_order_found(order_list *l, query_run *r, uint64_t number, const ph_uuid *uuid, prophet_error *err);
/* The row's place, as `after` takes it. */
prophet_code ph_query_order_here(query_run *r, const ph_row *row, ph_buf *after, prophet_error *err);
void         ph_query_order_finish(order_list *l, const ph_query *q);
void         ph_query_order_clear(order_list *l);
/* Is the row behind the query's `after`? */
prophet_code ph_query_order_behind(query_run *r, const ph_row *row, bool *behind, prophet_error *err);

#endif
