/* The cache of a handle's compiled record types and voters. Inside engine/replica only. */
#ifndef PH_SCHEMA_IMPL_H
#define PH_SCHEMA_IMPL_H
#include "replica/replica_impl.h"

struct ph_schemas {
    uint64_t stamp; /* state.schema it holds for */
    ph_arena arena;
    ph_map types; /* name -> ph_schema */
    ph_map lines; /* root key of a succession line -> voter_line */
    bool weights_loaded;
};
prophet_code ph_schemas_ready(ph_replica *r, uint64_t stamp, prophet_error *err);
/* The name an index gets its number by: "ticket/status,-due", or "/" and the SHA-256 of that where it is too long for a name. */
prophet_code ph_index_name(ph_replica *r, prophet_slice type, prophet_slice spec, ph_buf *out,
                           prophet_error *err);
/* An entry of `indexes` as one text, "status,-due": it is that, or a list of names. Empty: neither. */
prophet_code ph_index_spec(const ph_item *index, ph_buf *out, prophet_error *err);
/* Fills s->indexes from field options and the list of specs. */
prophet_code ph_schema_indexes(ph_replica *r, ph_arena *a, ph_schema *s, prophet_slice specs,
                               prophet_error *err);

/* The spec a type's full-text index is named by: no field can be called so. */
#define PH_TEXT_SPEC "!fulltext"
/* Fills s->text. */
prophet_code ph_schema_fulltext(ph_replica *r, ph_arena *a, ph_schema *s, prophet_error *err);

#endif
