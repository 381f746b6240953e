/* A document inside api/: a map or list of values in its arena, or a record whose fields are opened when they are asked for. */
#ifndef PH_DOC_IMPL_H
#define PH_DOC_IMPL_H
#include "api/api_impl.h"

typedef struct doc_cell { /* a field that shows something */
    uint32_t field;
    uint32_t len;
    const uint8_t *value; /* canonical, inside the document */
} doc_cell;

struct prophet_doc {
    ph_arena arena;
    prophet_field *fields; /* all of them, once opened */
    size_t count;
    bool opened, is_list;
    /* a record */
    api_shape *shape; /* NULL: no record */
    prophet_record info;
    bool conflict_known;
    size_t size; /* of the whole allocation */
    uint32_t type_id;
    size_t cell_count;
    doc_cell
        *cells; /* behind this struct, then room for fields, the row, values that lay in rows of their own */
    prophet_field *room; /* for `fields`, as many as cells */
    uint8_t *row;
    size_t row_len;
};

#endif
