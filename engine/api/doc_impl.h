/* A document inside api/: a map or list of values in its arena, or a record whose values are decoded when they are asked for. */
#ifndef PH_DOC_IMPL_H
#define PH_DOC_IMPL_H
#include "api/api_impl.h"

struct prophet_doc {
    ph_arena arena;
    prophet_field *fields; /* not of a record */
    size_t count;
    bool is_list;
    /* a record */
    api_shape *shape; /* NULL: no record */
    prophet_record info;
    bool conflict_known;
    size_t cap; /* of the whole allocation: this struct, cells, order, own */
    uint32_t type_id;
    size_t cell_count;
    ph_field_value *cells;        /* in the row, in `arena`, or in `own` */
    const ph_field_value **order; /* the cells as they are shown, once ordered */
    bool ordered;
    struct api_decoded *decoded; /* lists, maps and blobs that were asked for: in `arena` once, however often that happens */
    uint8_t *own; /* the row, unless it is borrowed */
    prophet_slice row;
};

#endif
